/* Many short connections: handshakes (connect, 101, Close, the end), or requests of a page. */
#include <sys/time.h>
#include "load.h"

struct caller {
  int fd;
  bool is_open;
  size_t length;
  double since;
  char text[4096];
};

static bool are_handshakes;
static uint64_t answered, reached_backend;

static void call(struct caller *caller) {
  char text[4096];
  int size = are_handshakes ? write_request(text, sizeof text) : write_page_request(text, sizeof text);
  caller->since = now();
  caller->fd = dial();
  caller->is_open = false;
  caller->length = 0;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = caller};
  if (send(caller->fd, text, size, MSG_NOSIGNAL) != size) fail(1, "the request was not accepted");
  make_nonblocking(caller->fd);
  epoll_ctl(poller, EPOLL_CTL_ADD, caller->fd, &event);
}

static void call_again(struct caller *caller) {
  close(caller->fd);
  if (!stopped) call(caller);
}

static void answer(struct caller *caller) {
  static const uint8_t CLOSE[] = {0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xe8 ^ 2};
  if (check_answer(caller->text, caller->length) == 0) return;
  caller->is_open = true;
  answered++;
  add_trip(caller->since);
  caller->length = 0;
  send(caller->fd, CLOSE, sizeof CLOSE, MSG_NOSIGNAL);
}

static void hear(struct caller *caller) {
  ssize_t got = recv(caller->fd, caller->text + caller->length, sizeof caller->text - caller->length, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (caller->is_open) {
    /* The server's Close; the server then ends the connection (RFC 6455 section 7.1.1). */
    if (got <= 0) call_again(caller);
    return;
  }
  if (got > 0) caller->length += got;
  if (!are_handshakes && got == 0) {
    check_page(caller->text, caller->length);
    add_trip(caller->since);
    call_again(caller);
    return;
  }
  if (got <= 0) fail(1, "no answer to a request: %s", got < 0 ? strerror(errno) : "end of stream");
  if (are_handshakes) answer(caller);
}

/* The connections to a WebSocket backend, by descriptor. */
static struct {
  size_t length;
  bool is_open;
  char text[2048];
} servers[4096];

/* The relay passes the client's Close on; a server ends the connection after its own Close (RFC 6455 section 7.1.1). */
static bool serve_websocket(int fd) {
  static const uint8_t CLOSE[] = {0x88, 0x02, 0x03, 0xe8};
  char answer[256];
  if (fd >= 4096) fail(1, "too many connections to the backend");
  char *text = servers[fd].text;
  ssize_t got = recv(fd, text + servers[fd].length, sizeof servers[fd].text - 1 - servers[fd].length, 0);
  if (got < 0 && errno == EAGAIN) return true;
  if (got <= 0) return false;
  size_t length = servers[fd].length += got;
  text[length] = 0;
  if (!servers[fd].is_open) {
    size_t size = write_answer(answer, sizeof answer, text, length);
    if (size == 0) return true;
    servers[fd].is_open = true;
    servers[fd].length = 0;
    if (send(fd, answer, size, MSG_NOSIGNAL) != (ssize_t)size) fail(1, "the backend's answer was not accepted");
    reached_backend++;
    return true;
  }
  if (length < 8) return true;
  const uint8_t *frame = (uint8_t *)text;
  if (length > 8 || frame[0] != 0x88 || frame[1] != 0x82 || (frame[2] ^ frame[6]) != 0x03 || (frame[3] ^ frame[7]) != 0xe8)
    fail(2, "WRONG CONTENT: not the client's Close: %02x %02x", frame[0], frame[1]);
  send(fd, CLOSE, sizeof CLOSE, MSG_NOSIGNAL);
  return false;
}

static void accept_all(void) {
  for (int fd; (fd = accept_one(SOCK_NONBLOCK)) >= 0;) {
    if (!opt.websocket) reached_backend++;
    else if (fd < 4096) servers[fd].length = 0, servers[fd].is_open = false;
    /* Marks the backend's sockets by an odd number, which is never the address of a caller. */
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)fd << 1 | 1};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
  }
}

static void serve(double until) {
  struct epoll_event events[256];
  while (now() < until) {
    int count = epoll_wait(poller, events, 256, 5);
    for (int at = 0; at < count; at++) {
      void *who = events[at].data.ptr;
      if (who == &listener) accept_all();
      else if (events[at].data.u64 & 1) {
        int fd = (int)(events[at].data.u64 >> 1);
        if (opt.websocket) {
          if (!serve_websocket(fd)) close(fd);
          continue;
        }
        if (recv(fd, in, sizeof in, 0) > 0) fail(2, "WRONG CONTENT: the backend received bytes");
        close(fd);
      } else hear(who);
    }
  }
}

/* First, one tunnel that carries some bytes. */
static void carry_some(void) {
  opt.tunnels = 1;
  open_tunnels();
  trips_left = 1;
  begin_trip();
  pump(now() + 10, trips_are_over);
  if (!trips_are_over()) fail(1, "no bytes came back through the first tunnel");
  epoll_ctl(poller, EPOLL_CTL_DEL, tunnels[0].client.fd, NULL);
  epoll_ctl(poller, EPOLL_CTL_DEL, tunnels[0].backend.fd, NULL);
}

void measure_calls(bool handshakes) {
  struct caller *callers = calloc(opt.at_once, sizeof *callers);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener};
  bool priority = opt.priority && take_priority();
  are_handshakes = handshakes;
  carry_some();
  make_nonblocking(listener);
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  for (int at = 0; at < opt.at_once; at++) call(&callers[at]);
  serve(now() + opt.warm);
  struct usage before = usage();
  measures = true;
  serve(before.at + opt.seconds);
  measures = false;
  struct usage after = usage();
  stopped = true;
  /* Some relays answer before they connect to the backend. */
  for (double end = now() + 10; now() < end && reached_backend < answered;) serve(now() + 0.05);
  if (reached_backend < answered)
    fail(2, "WRONG CONTENT: %llu tunnels opened, %llu reached the backend", (unsigned long long)answered,
         (unsigned long long)reached_backend);
  print_usage(before, after);
  print_trips();
  if (opt.priority) printf(",\"priority\":%s", priority ? "true" : "false");
  puts("}");
}
