/* The rows of bulk traffic, and of round trips over one tunnel after another. */
#include "load.h"

static bool giant_arrived(void) { return giant_begun && tunnels[0].client.frame_left == 0 && all_arrived(); }

void measure_bulk(void) {
  double deadline = now() + opt.deadline;
  open_tunnels();
  if (opt.beside) begin_beside();
  slow_since = now();
  let_flow();
  if (echoes) {
    trips_left = -1;
    begin_trip();
  }
  pump(now() + opt.warm, NULL);
  uint64_t got = all_got, slow = tunnels[0].down.got;
  double rss_before = rss_peak;
  rss_peak = 0;
  struct usage before = usage();
  measures = true;
  if (opt.beside) measure_beside(true);
  if (opt.giant) pump(deadline, giant_arrived);
  else pump(before.at + opt.seconds, NULL);
  measures = false;
  if (opt.beside) measure_beside(false);
  struct usage after = usage();
  got = all_got - got;
  slow = tunnels[0].down.got - slow;
  if (opt.giant && !giant_arrived()) fail(1, "the frame did not arrive in time");
  if (opt.beside) end_beside();
  stop(deadline);
  print_usage(before, after);
  if (opt.beside) print_beside();
  printf(",\"bytes\":%llu,\"total\":%llu", (unsigned long long)got, (unsigned long long)all_got);
  if (opt.slow) printf(",\"slow\":%llu", (unsigned long long)slow);
  if (echoes) print_trips();
  if (opt.giant || opt.slow) printf(",\"rssBefore\":%.0f,\"rss\":%.0f", rss_before, rss_peak);
  puts("}");
}
