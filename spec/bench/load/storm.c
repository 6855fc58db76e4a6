/*
 * Many clients that connect at once, as after a restart of the relay. A client that gets a 503, or no connection, tries again.
 * Afterwards each tunnel carries its number to the backend, and then one round trip.
 */
#include "load.h"

#define PAUSE 0.1
/* Clients that start between two polls of the sockets, so that the backend can accept in between. */
#define BATCH 16

struct guest {
  int fd;
  bool is_connected;
  size_t length;
  double again;
  char text[1024];
};

enum source { LISTENER, GUEST, BACK };

static struct guest *guests;
static int opened, backends;
static uint64_t unavailable, unconnected;
static double began, last;

static void watch(int fd, uint32_t events, int how, enum source source, int number) {
  struct epoll_event event = {.events = events, .data.u64 = (uint64_t)number << 2 | source};
  if (epoll_ctl(poller, how, fd, &event) < 0) fail(1, "epoll_ctl: %s", strerror(errno));
}

static void start(int number) {
  struct guest *guest = &guests[number];
  guest->fd = dial_without_waiting();
  guest->is_connected = false;
  guest->length = 0;
  guest->again = 0;
  watch(guest->fd, EPOLLOUT, EPOLL_CTL_ADD, GUEST, number);
}

static void try_again(struct guest *guest, uint64_t *counter) {
  ++*counter;
  close(guest->fd);
  guest->again = now() + PAUSE;
}

static void send_request(struct guest *guest, int number) {
  char text[4096];
  int error = 0, size = write_request(text, sizeof text);
  socklen_t length = sizeof error;
  getsockopt(guest->fd, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error || send(guest->fd, text, size, MSG_NOSIGNAL) != size) {
    try_again(guest, &unconnected);
    return;
  }
  guest->is_connected = true;
  watch(guest->fd, EPOLLIN, EPOLL_CTL_MOD, GUEST, number);
}

static void hear(struct guest *guest, int number) {
  if (!guest->is_connected) {
    send_request(guest, number);
    return;
  }
  ssize_t got = recv(guest->fd, guest->text + guest->length, sizeof guest->text - guest->length, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got > 0) guest->length += got;
  if (guest->length >= 12 && memcmp(guest->text, "HTTP/1.1 503", 12) == 0) {
    try_again(guest, &unavailable);
    return;
  }
  if (got <= 0) {
    try_again(guest, &unconnected);
    return;
  }
  size_t head = check_answer(guest->text, guest->length);
  if (head == 0) return;
  opened++;
  last = now();
  add_trip(began);
  epoll_ctl(poller, EPOLL_CTL_DEL, guest->fd, NULL);
  struct tunnel *tunnel = &tunnels[number];
  tunnel->client = (struct end){.kind = CLIENT, .fd = guest->fd, .tunnel = tunnel};
  feed(&tunnel->client, (uint8_t *)guest->text + head, guest->length - head);
}

/* The first bytes of a connection to the backend are the number of its tunnel. */
static void find_tunnel(int fd) {
  uint32_t number;
  ssize_t got = recv(fd, &number, sizeof number, 0);
  if (got < 0 && errno == EAGAIN) return;
  epoll_ctl(poller, EPOLL_CTL_DEL, fd, NULL);
  if (got == 0) {
    /* A relay may have dialled for a request that it then refused. */
    close(fd);
    return;
  }
  if (got != sizeof number || number >= (uint32_t)opt.tunnels || tunnels[number].backend.fd)
    fail(2, "WRONG CONTENT: %zd bytes, which are not the number of a tunnel", got);
  tunnels[number].backend = (struct end){.kind = BACKEND, .fd = fd, .tunnel = &tunnels[number]};
  backends++;
}

static void serve(int timeout) {
  struct epoll_event events[256];
  int count = epoll_wait(poller, events, 256, timeout);
  for (int at = 0; at < count; at++) {
    int number = (int)(events[at].data.u64 >> 2);
    enum source source = events[at].data.u64 & 3;
    if (source == GUEST) hear(&guests[number], number);
    else if (source == BACK) find_tunnel(number);
    else
      for (int fd; (fd = accept_one(SOCK_NONBLOCK)) >= 0;) watch(fd, EPOLLIN, EPOLL_CTL_ADD, BACK, fd);
  }
}

static void fail_late(void) {
  int connected = 0;
  for (int at = 0; at < opt.tunnels; at++) connected += guests[at].is_connected;
  fail(1, "%d of %d clients have a 101 response at the deadline, %d sent a request; %llu responses of 503, %llu lost connections",
       opened, opt.tunnels, connected, (unsigned long long)unavailable, (unsigned long long)unconnected);
}

static void open_all(double deadline) {
  for (int at = 0; at < opt.tunnels; at++) {
    start(at);
    if (at % BATCH == 0) serve(0);
  }
  while (opened < opt.tunnels) {
    serve(5);
    for (int at = 0; unavailable + unconnected > 0 && at < opt.tunnels; at++)
      if (guests[at].again > 0 && guests[at].again <= now()) start(at);
    if (now() > deadline)
      fail_late();
  }
}

static void send_numbers(double deadline) {
  for (uint32_t number = 0; number < (uint32_t)opt.tunnels; number++) {
    uint8_t frame[MAX_HEADER + sizeof number];
    size_t head = write_header(frame, 0x82, sizeof number, CLIENT, 0x01020304);
    mask(frame + head, (uint8_t *)&number, sizeof number, 0x01020304, 0);
    if (send(tunnels[number].client.fd, frame, head + sizeof number, MSG_NOSIGNAL) < 0)
      fail(1, "tunnel %u ended: %s", number, strerror(errno));
  }
  while (backends < opt.tunnels) {
    serve(5);
    if (now() > deadline)
      fail(2, "WRONG CONTENT: %d tunnels opened, %d reached the backend", opt.tunnels, backends);
  }
}

void measure_storm(void) {
  double deadline = now() + opt.deadline;
  tunnels = calloc(opt.tunnels, sizeof *tunnels);
  guests = calloc(opt.tunnels, sizeof *guests);
  make_nonblocking(listener);
  watch(listener, EPOLLIN, EPOLL_CTL_ADD, LISTENER, 0);
  uint64_t overflows = listen_overflows();
  double rss_before = over_group(rss_of);
  struct usage before = usage();
  began = before.at;
  measures = true;
  open_all(deadline);
  measures = false;
  struct usage after = usage();
  double rss = over_group(highest_rss_of);
  overflows = listen_overflows() - overflows;
  send_numbers(deadline);
  close(poller);
  poller = epoll_create1(EPOLL_CLOEXEC);
  for (int at = 0; at < opt.tunnels; at++) set_up(&tunnels[at]);
  for (int at = 0; at < opt.tunnels; at++) {
    settle_events(&tunnels[at].client);
    settle_events(&tunnels[at].backend);
  }
  trips_left = opt.tunnels;
  begin_trip();
  pump(deadline, trips_are_over);
  if (!trips_are_over()) fail(1, "the round trips after the storm did not end in time");
  print_usage(before, after);
  print_trips();
  printf(",\"last\":%.6f,\"unavailable\":%llu,\"unconnected\":%llu,\"overflows\":%llu,\"rssBefore\":%.0f,\"rss\":%.0f}\n",
         last - began, (unsigned long long)unavailable, (unsigned long long)unconnected,
         (unsigned long long)overflows, rss_before, rss);
}
