/*
 * Round trips over all tunnels at half of the relay's capacity. The capacity is measured first, with one trip under way on
 * each tunnel. The following trips start at fixed times, and the duration of a trip counts from its fixed time: a relay that
 * stops for a while delays all trips of that time, as such a relay delays real users, who type without regard to the relay.
 */
#include <sys/timerfd.h>
#include "load.h"

/* The trips that start at fixed times. */
static struct {
  double began, rate, measured_from;
  uint64_t begun;
} plan;
static uint64_t answered;

static bool is_answered(const struct tunnel *tunnel) { return tunnel->down.got >= (tunnel->ended + 1) * opt.frame; }

static void send_next(struct tunnel *tunnel) {
  if (!is_answered(tunnel)) return;
  tunnel->ended++;
  answered++;
  send_trip(tunnel);
}

static void count_ended(struct tunnel *tunnel) { tunnel->ended += is_answered(tunnel); }

static double time_of(uint64_t trip) { return plan.began + trip / plan.rate; }

static void note_planned(struct tunnel *tunnel) {
  for (; is_answered(tunnel); tunnel->ended++) {
    double since = time_of((tunnel->ended - tunnel->planned_from) * opt.tunnels + (tunnel - tunnels));
    if (since >= plan.measured_from) add_trip(since);
  }
}

static double measure_capacity(void) {
  on_echo = send_next;
  for (int at = 0; at < opt.tunnels; at++) send_trip(&tunnels[at]);
  pump(now() + opt.warm, NULL);
  uint64_t before = answered;
  double began = now();
  pump(began + opt.seconds, NULL);
  double rate = (answered - before) / (now() - began);
  on_echo = count_ended;
  return rate;
}

void measure_half(void) {
  double deadline = now() + opt.deadline;
  bool priority = take_priority();
  open_tunnels();
  struct usage first = usage();
  double capacity = measure_capacity();
  struct usage full = usage();
  pump(deadline, all_arrived);
  if (!all_arrived()) fail(1, "the trips at full capacity did not end in time");
  for (int at = 0; at < opt.tunnels; at++) tunnels[at].planned_from = tunnels[at].ended;
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event) < 0) fail(1, "timerfd: %s", strerror(errno));
  plan.rate = capacity / 2;
  plan.began = now();
  plan.measured_from = plan.began + opt.warm;
  on_echo = note_planned;
  struct usage before = first;
  for (double end = plan.measured_from + opt.seconds; time_of(plan.begun) < end;) {
    if (!measures && now() >= plan.measured_from) {
      before = usage();
      measures = true;
    }
    while (time_of(plan.begun) <= now()) send_trip(&tunnels[plan.begun++ % opt.tunnels]);
    double next = time_of(plan.begun);
    struct itimerspec when = {.it_value = {(time_t)next, (long)((next - (time_t)next) * 1e9)}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
    serve_events(5);
  }
  struct usage after = usage();
  epoll_ctl(poller, EPOLL_CTL_DEL, timer, NULL);
  pump(deadline, all_arrived);
  if (!all_arrived()) fail(1, "the trips at half of the capacity did not end in time");
  print_usage(before, after);
  print_trips();
  printf(",\"capacity\":%.0f,\"loadAtCapacity\":%.4f,\"priority\":%s}\n", capacity,
         (full.self - first.self) / (full.at - first.at), priority ? "true" : "false");
}
