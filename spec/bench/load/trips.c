/* The times of round trips, requests or handshakes. */
#include "load.h"

#define MOST (1 << 22)

static uint32_t *trips;
static size_t count;

void add_trip(double since) {
  if (!measures || count == MOST) return;
  if (!trips) trips = malloc(MOST * sizeof *trips);
  double took = (now() - since) * 1e9;
  trips[count++] = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
}

size_t trip_number(void) { return count; }

static int by_value(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

void sort_trips(void) { qsort(trips, count, sizeof *trips, by_value); }

/* In microseconds, of sorted trips. */
double percentile(double share) { return count ? trips[(size_t)(share * (count - 1))] / 1e3 : 0; }

void print_trips(void) {
  sort_trips();
  printf(",\"trips\":%zu,\"p50\":%.2f,\"p99\":%.2f,\"p999\":%.2f", count, percentile(0.5), percentile(0.99),
         percentile(0.999));
}
