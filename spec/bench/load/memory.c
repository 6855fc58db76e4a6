/* The memory of open tunnels. */
#include "load.h"

/* Milliseconds of a clock that the relay can read as well. */
static double date(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

void measure_memory(void) {
  double deadline = now() + opt.deadline;
  double start = over_group(pss_of);
  open_tunnels();
  double opened = date();
  pump(now() + opt.settle, NULL);
  double open = over_group(pss_of), settled = date();
  trips_left = opt.tunnels;
  begin_trip();
  pump(deadline, trips_are_over);
  if (!trips_are_over()) fail(1, "the exchange did not end in time");
  pump(now() + opt.settle, NULL);
  printf("{\"start\":%.0f,\"open\":%.0f,\"used\":%.0f,\"tunnels\":%d,\"settle\":%.1f,\"opened\":%.0f,\"settled\":%.0f}\n",
         start, open, over_group(pss_of), opt.tunnels, opt.settle, opened, settled);
}
