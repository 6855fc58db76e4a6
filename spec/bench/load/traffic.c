/* Sends and receives on all open tunnels. */
#include "load.h"

uint8_t in[SPAN];
struct tunnel *tunnels;
bool sends_up, sends_down, echoes, stopped, measures, giant_begun;
int64_t trips_left;
double slow_since;

static int current = -1;
static double trip_began;

static bool wants_to_send(const struct end *end) {
  const struct tunnel *tunnel = end->tunnel;
  if (end->stage_at < end->stage_length || end->frame_left > 0 || end->pong_due) return true;
  if (end->kind == BACKEND) return tunnel->down.sent < tunnel->down.limit && (!stopped || echoes);
  return !giant_begun && (tunnel->up.sent < tunnel->up.limit && !stopped && !is_ahead(tunnel));
}

static bool is_slow(const struct end *end) {
  return opt.slow > 0 && !stopped && end->kind == CLIENT && end->tunnel == tunnels;
}

void settle_events(struct end *end) {
  arm(end, (is_slow(end) ? EPOLLRDHUP : EPOLLIN) | (wants_to_send(end) ? EPOLLOUT : 0));
}

void check_result(const struct end *end, ssize_t result) {
  if (result > 0 || (result < 0 && errno == EAGAIN)) return;
  fail(1, "the relay ended tunnel %d on the side of the %s: %s", (int)(end->tunnel - tunnels),
       end->kind == CLIENT ? "client" : "backend", result == 0 ? "end of stream" : strerror(errno));
}

void send_some(struct end *end) {
  struct tunnel *tunnel = end->tunnel;
  if (is_framed(end)) {
    if (end->stage_at == end->stage_length) fill_stage(end);
    if (end->stage_length == 0) return;
    ssize_t sent = transmit(end, end->stage + end->stage_at, end->stage_length - end->stage_at);
    check_result(end, sent);
    if (sent > 0) end->stage_at += sent;
    return;
  }
  struct flow *flow = end->kind == CLIENT ? &tunnel->up : &tunnel->down;
  /* A client without frames writes as many bytes at once as a client with staged frames. */
  uint64_t length = flow->limit - flow->sent, most = end->kind == CLIENT ? SPAN : opt.write;
  if (end->kind == CLIENT && is_ahead(tunnel)) return;
  if (length > most) length = most;
  if (length == 0) return;
  ssize_t sent = transmit(end, due(flow, flow->sent), length);
  check_result(end, sent);
  if (sent <= 0) return;
  flow->sent += sent;
  all_sent += sent;
}

static void receive_some(struct end *end) {
  struct tunnel *tunnel = end->tunnel;
  /* TLS buffers decrypted bytes, which epoll does not report. */
  do {
    ssize_t got = receive(end, in, sizeof in);
    check_result(end, got);
    if (got <= 0) return;
    if (end->kind == BACKEND) {
      bool was_ahead = is_ahead(tunnel);
      uint64_t before = tunnel->up.got;
      if (is_framed(end)) feed(end, in, got);
      else check(tunnel, &tunnel->up, in, got);
      if (was_ahead) settle_events(&tunnel->client);
      if (!echoes) continue;
      tunnel->down.limit += tunnel->up.got - before;
      send_some(&tunnel->backend);
    } else {
      if (opt.raw) check(tunnel, &tunnel->down, in, got);
      else feed(end, in, got);
      if (echoes) on_echo(tunnel);
    }
  } while (end->ssl);
}

void send_trip(struct tunnel *tunnel) {
  tunnel->up.limit += opt.frame;
  send_some(&tunnel->client);
  settle_events(&tunnel->client);
}

/* Trips one after another, each over the next tunnel. */
void begin_trip(void) {
  if (trips_left == 0 || stopped) return;
  trips_left--;
  current = (current + 1) % opt.tunnels;
  trip_began = now();
  send_trip(&tunnels[current]);
}

static void end_trip(struct tunnel *tunnel) {
  if (tunnel != &tunnels[current] || tunnel->down.got != tunnel->up.limit) return;
  add_trip(trip_began);
  settle_events(&tunnel->client);
  begin_trip();
}

void (*on_echo)(struct tunnel *tunnel) = end_trip;

static void read_slowly(void) {
  struct end *end = &tunnels[0].client;
  while (is_slow(end) && (now() - slow_since) * opt.slow > tunnels[0].down.got) {
    ssize_t got = recv(end->fd, in, 16384, MSG_DONTWAIT);
    check_result(end, got);
    if (got < 0) return;
    if (opt.raw) check(&tunnels[0], &tunnels[0].down, in, got);
    else feed(end, in, got);
  }
}

/* Waits at most this number of milliseconds. An event without a `struct end` belongs to a timer, which only ends the wait. */
void serve_events(int timeout) {
  struct epoll_event events[256];
  int count = epoll_wait(poller, events, 256, timeout);
  for (int at = 0; at < count; at++) {
    struct end *end = events[at].data.ptr;
    if (!end) continue;
    if (events[at].events & ~(EPOLLOUT | EPOLLRDHUP) && !is_slow(end)) receive_some(end);
    if (events[at].events & EPOLLOUT) send_some(end);
    settle_events(end);
    if (echoes) settle_events(end->kind == CLIENT ? &end->tunnel->backend : &end->tunnel->client);
  }
  if (opt.slow) read_slowly();
  if (opt.giant || opt.slow) look_at_rss();
}

/* Serves all sockets until `done`, or until the time `until`. */
void pump(double until, bool (*done)(void)) {
  while (now() < until && !(done && done())) serve_events(5);
}

bool all_arrived(void) {
  if (all_got != all_sent) return false;
  for (int at = 0; at < opt.tunnels; at++) {
    if (wants_to_send(&tunnels[at].client)) return false;
    if (is_framed(&tunnels[at].backend) && wants_to_send(&tunnels[at].backend)) return false;
    if (echoes && tunnels[at].down.got != tunnels[at].up.sent) return false;
  }
  return true;
}

void let_flow(void) {
  for (int at = 0; at < opt.tunnels; at++) {
    if (sends_up) tunnels[at].up.limit = UINT64_MAX;
    if (sends_down) tunnels[at].down.limit = UINT64_MAX;
    settle_events(&tunnels[at].client);
    settle_events(&tunnels[at].backend);
  }
}

void stop(double deadline) {
  stopped = true;
  for (int at = 0; at < opt.tunnels; at++) {
    settle_events(&tunnels[at].client);
    settle_events(&tunnels[at].backend);
  }
  while (!all_arrived()) {
    uint64_t before = all_got;
    pump(now() + 10, all_arrived);
    if (all_got == before && !all_arrived())
      fail(2, "WRONG CONTENT: %llu bytes sent, %llu arrived", (unsigned long long)all_sent, (unsigned long long)all_got);
    if (now() > deadline && !all_arrived())
      fail(1, "%llu bytes are still under way at the deadline", (unsigned long long)(all_sent - all_got));
  }
}

bool trips_are_over(void) { return trips_left == 0 && all_arrived(); }
