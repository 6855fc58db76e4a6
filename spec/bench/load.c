/*
 * The load of the bench: the clients (WebSocket or plain TCP) and the relay's backend, in one process and one
 * thread, so that the process knows all sent and all received bytes. All sockets are on 127.0.0.1.
 *
 * Check: each direction of each tunnel carries one endless pattern, starting at a different offset. Every received byte
 * of every run is compared with the expected byte: lost, reordered or duplicated bytes and bytes of another tunnel are
 * found at once. At the end, the number of received bytes must be the number of sent bytes.
 *
 * Prints one line of JSON. Exit status: 1 the run failed, 2 wrong content, 3 a usage error.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_TLS
#include <openssl/ssl.h>
#else
typedef void SSL;
#endif

/* Most bytes of one read or write; together with the pattern, they fit into a core's second-level cache. */
#define SPAN (256 * 1024)
/* A prime, so that no buffer's size divides the period, and a lost or duplicated block is found. */
#define PERIOD 262139
#define MAX_HEADER 14
/* Most bytes that a client sends ahead of the backend: more than any kernel queues, but few enough that a relay which
   queues without limit can deliver all of them within the deadline. */
#define AHEAD (8 * 1024 * 1024)
#define MAX_TRIPS (1 << 22)

static struct {
  const char *mode, *path, *header, *beside, *page;
  int relay, backend, group, tunnels, at_once;
  bool raw, tls;
  uint64_t frame, write, giant, slow;
  double warm, seconds, settle;
  int deadline;
} opt = {.mode = "down", .path = "/tunnel", .header = "", .page = "/page", .tunnels = 1, .at_once = 16, .frame = 65536,
         .write = 65536, .warm = 0.5, .seconds = 1, .settle = 1, .deadline = 90};

enum kind { CLIENT, BACKEND };

/* One direction of a tunnel. */
struct flow {
  uint64_t start, sent, got, limit;
};

struct tunnel;
struct end {
  enum kind kind;
  int fd;
  uint32_t events;
  SSL *ssl;
  struct tunnel *tunnel;
};

struct tunnel {
  struct end client, backend;
  struct flow up, down;
  /* Frames to the relay that are not sent yet. */
  uint8_t *stage;
  size_t stage_size, stage_length, stage_at;
  uint64_t frame_left;
  uint32_t key;
  unsigned phase;
  bool pong_due;
  /* The frame that is being received from the relay. */
  uint8_t head[MAX_HEADER];
  unsigned head_length;
  uint64_t payload_left;
};

static uint8_t pattern[PERIOD + SPAN], in[SPAN];
static struct tunnel *tunnels;
static int poller, listener;
static bool sends_up, sends_down, echoes, stopped, measures, giant_begun;
static uint64_t all_sent, all_got;
static uint32_t *trips;
static int current = -1;
static int64_t trips_left;
static size_t trip_count;
static double trip_began;

static void fail(int status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fputc('\n', stderr);
  exit(status);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static uint64_t next_random(void) {
  static uint64_t state = 0x9e3779b97f4a7c15;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

/* ---- The relay's use of resources, over all processes of its group. ---- */

struct usage {
  double at, cpu, user, system, self;
};

static bool in_group(const char *pid, char *line, size_t size, char **fields) {
  char path[300];
  snprintf(path, sizeof path, "/proc/%s/stat", pid);
  int fd = open(path, O_RDONLY);
  if (fd < 0) return false;
  ssize_t length = read(fd, line, size - 1);
  close(fd);
  if (length <= 0) return false;
  line[length] = 0;
  /* The name, in brackets, may contain any characters. The next fields are state, parent, group ... */
  *fields = strrchr(line, ')') + 2;
  int group;
  return sscanf(*fields, "%*c %*d %d", &group) == 1 && group == opt.group;
}

/* The sum of `look` over all processes of the group. */
static double over_group(double (*look)(const char *pid, const char *fields)) {
  double sum = 0;
  DIR *proc = opt.group ? opendir("/proc") : NULL;
  if (!proc) return 0;
  for (struct dirent *entry; (entry = readdir(proc));) {
    char line[1024], *fields;
    if (isdigit((unsigned char)entry->d_name[0]) && in_group(entry->d_name, line, sizeof line, &fields))
      sum += look(entry->d_name, fields);
  }
  closedir(proc);
  return sum;
}

/* Skips the fields after the name, up to field 14 of proc(5). */
#define STAT_SKIP "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "

static double ticks(const char *fields, int which) {
  unsigned long own[2], children[2];
  /* The ticks of ended children count too. */
  if (sscanf(fields, STAT_SKIP "%lu %lu %lu %lu", &own[0], &own[1], &children[0], &children[1]) != 4) return 0;
  return (double)(own[which] + children[which]) / sysconf(_SC_CLK_TCK);
}
static double user_of(const char *pid, const char *fields) { return (void)pid, ticks(fields, 0); }
static double system_of(const char *pid, const char *fields) { return (void)pid, ticks(fields, 1); }

/* In nanoseconds, over all threads: ticks would lose up to 10 ms for each of a hundred processes. */
static double cpu_of(const char *pid, const char *fields) {
  unsigned long long sum = 0, one;
  char path[300];
  (void)fields;
  snprintf(path, sizeof path, "/proc/%s/task", pid);
  DIR *threads = opendir(path);
  for (struct dirent *entry; threads && (entry = readdir(threads));) {
    char file[600];
    snprintf(file, sizeof file, "%s/%s/schedstat", path, entry->d_name);
    FILE *from = isdigit((unsigned char)entry->d_name[0]) ? fopen(file, "r") : NULL;
    if (from && fscanf(from, "%llu", &one) == 1) sum += one;
    if (from) fclose(from);
  }
  if (threads) closedir(threads);
  return sum / 1e9;
}

/* The CPU time of ended children. */
static double gone_of(const char *pid, const char *fields) {
  unsigned long user, system;
  (void)pid;
  if (sscanf(fields, STAT_SKIP "%*s %*s %lu %lu", &user, &system) != 2) return 0;
  return (double)(user + system) / sysconf(_SC_CLK_TCK);
}

static double kib_in(const char *pid, const char *file, const char *name) {
  char path[300], line[256];
  snprintf(path, sizeof path, "/proc/%s/%s", pid, file);
  FILE *from = fopen(path, "r");
  double kib = 0;
  while (from && fgets(line, sizeof line, from))
    if (strncmp(line, name, strlen(name)) == 0) kib = atof(line + strlen(name));
  if (from) fclose(from);
  return kib;
}
static double pss_of(const char *pid, const char *fields) { return (void)fields, kib_in(pid, "smaps_rollup", "Pss:"); }
static double rss_of(const char *pid, const char *fields) { return (void)fields, kib_in(pid, "status", "VmRSS:"); }

static struct usage usage(void) {
  struct rusage self;
  getrusage(RUSAGE_SELF, &self);
  double own = self.ru_utime.tv_sec + self.ru_stime.tv_sec + (self.ru_utime.tv_usec + self.ru_stime.tv_usec) / 1e6;
  double cpu = over_group(cpu_of) + over_group(gone_of);
  return (struct usage){now(), cpu, over_group(user_of), over_group(system_of), own};
}

/* ---- Sockets. ---- */

static void arm(struct end *end, uint32_t events) {
  if (end->events == events) return;
  struct epoll_event event = {.events = events, .data.ptr = end};
  if (epoll_ctl(poller, end->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, end->fd, &event) < 0)
    fail(1, "epoll_ctl: %s", strerror(errno));
  end->events = events;
}

static struct sockaddr_in loopback(int port) {
  return (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int dial(void) {
  struct sockaddr_in address = loopback(opt.relay);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  if (fd < 0) fail(1, "socket: %s", strerror(errno));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail(1, "connect: %s", strerror(errno));
  return fd;
}

static void listen_as_backend(void) {
  struct sockaddr_in address = loopback(opt.backend);
  int on = 1;
  listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct timeval patience = {10, 0};
  setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0)
    fail(1, "the backend can't listen on %d: %s", opt.backend, strerror(errno));
}

static int accept_one(int flags) {
  int on = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | flags);
  if (fd >= 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

static void make_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

#ifdef WITH_TLS
static SSL *secure(int fd) {
  static SSL_CTX *context;
  if (!context) {
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  }
  SSL *ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  if (SSL_connect(ssl) != 1) fail(1, "the TLS handshake failed");
  return ssl;
}

static ssize_t tls_result(SSL *ssl, int result) {
  if (result > 0) return result;
  int error = SSL_get_error(ssl, result);
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
  return -1;
}
#endif

static ssize_t receive(struct end *end, void *to, size_t most) {
#ifdef WITH_TLS
  if (end->ssl) return tls_result(end->ssl, SSL_read(end->ssl, to, (int)most));
#endif
  return recv(end->fd, to, most, 0);
}

static ssize_t transmit(struct end *end, const void *from, size_t length) {
#ifdef WITH_TLS
  if (end->ssl) return tls_result(end->ssl, SSL_write(end->ssl, from, (int)length));
#endif
  return send(end->fd, from, length, MSG_NOSIGNAL);
}

/* ---- The pattern. ---- */

static void make_pattern(void) {
  for (size_t at = 0; at < sizeof pattern; at++)
    pattern[at] = at < PERIOD ? (uint8_t)(next_random() >> 32) : pattern[at - PERIOD];
}

static const uint8_t *due(const struct flow *flow, uint64_t at) { return pattern + (flow->start + at) % PERIOD; }

static void check(struct tunnel *tunnel, struct flow *flow, const uint8_t *bytes, size_t length) {
  if (memcmp(bytes, due(flow, flow->got), length) != 0 || flow->got + length > flow->sent)
    fail(2, "WRONG CONTENT %s tunnel %d, in the %zu bytes from byte %llu",
         flow == &tunnel->up ? "up" : "down", (int)(tunnel - tunnels), length, (unsigned long long)flow->got);
  flow->got += length;
  all_got += length;
}

/* ---- The client's frames (RFC 6455 section 5). ---- */

static void mask(uint8_t *to, const uint8_t *from, size_t length, uint32_t key, unsigned phase) {
  uint8_t keys[16];
  for (int at = 0; at < 16; at++) keys[at] = (uint8_t)(key >> (8 * ((phase + at) & 3)));
  uint64_t word, wide;
  memcpy(&wide, keys, 8);
  for (; length >= 8; length -= 8, to += 8, from += 8) {
    memcpy(&word, from, 8);
    word ^= wide;
    memcpy(to, &word, 8);
  }
  for (size_t at = 0; at < length; at++) to[at] = from[at] ^ keys[at];
}

static size_t write_header(uint8_t *to, uint8_t first, uint64_t length, uint32_t key) {
  size_t at = 0;
  int extended = length < 126 ? 0 : length < 65536 ? 2 : 8;
  to[at++] = first;
  to[at++] = 0x80 | (extended == 0 ? (uint8_t)length : extended == 2 ? 126 : 127);
  for (int byte = extended - 1; byte >= 0; byte--) to[at++] = (uint8_t)(length >> (8 * byte));
  for (int byte = 0; byte < 4; byte++) to[at++] = (uint8_t)(key >> (8 * byte));
  return at;
}

static bool is_ahead(const struct tunnel *tunnel) { return tunnel->up.sent - tunnel->up.got > AHEAD; }

static uint64_t next_frame(struct tunnel *tunnel) {
  uint64_t allowed = is_ahead(tunnel) ? 0 : tunnel->up.limit - tunnel->up.sent;
  if (stopped) return 0;
  if (giant_begun) return 0;
  if (opt.giant && measures) {
    giant_begun = true;
    return opt.giant;
  }
  return opt.frame < allowed ? opt.frame : allowed;
}

static void fill_stage(struct tunnel *tunnel) {
  size_t at = 0;
  if (!tunnel->stage) {
    tunnel->stage_size = (opt.frame < SPAN && !sends_up ? opt.frame : SPAN) + 2 * MAX_HEADER;
    tunnel->stage = malloc(tunnel->stage_size);
  }
  while (at + MAX_HEADER < tunnel->stage_size) {
    if (tunnel->frame_left == 0) {
      if (tunnel->pong_due) {
        tunnel->pong_due = false;
        at += write_header(tunnel->stage + at, 0x8a, 0, 0);
        continue;
      }
      tunnel->frame_left = next_frame(tunnel);
      if (tunnel->frame_left == 0) break;
      tunnel->key = (uint32_t)next_random() | 1;
      tunnel->phase = 0;
      at += write_header(tunnel->stage + at, 0x82, tunnel->frame_left, tunnel->key);
    }
    size_t length = tunnel->stage_size - at;
    if (length > SPAN) length = SPAN;
    if (length > tunnel->frame_left) length = tunnel->frame_left;
    mask(tunnel->stage + at, due(&tunnel->up, tunnel->up.sent), length, tunnel->key, tunnel->phase);
    tunnel->phase = (tunnel->phase + length) & 3;
    tunnel->frame_left -= length;
    tunnel->up.sent += length;
    all_sent += length;
    at += length;
  }
  tunnel->stage_length = at;
  tunnel->stage_at = 0;
}

static void trip_is_over(struct tunnel *tunnel);

/* The relay's frames: binary, unmasked. Payload is checked on arrival. */
static void feed(struct tunnel *tunnel, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    if (tunnel->payload_left > 0) {
      size_t part = tunnel->payload_left < length ? tunnel->payload_left : length;
      if ((tunnel->head[0] & 0x08) == 0) check(tunnel, &tunnel->down, bytes, part);
      tunnel->payload_left -= part;
      bytes += part;
      length -= part;
      continue;
    }
    tunnel->head[tunnel->head_length++] = *bytes++;
    length--;
    if (tunnel->head_length < 2) continue;
    const uint8_t *head = tunnel->head;
    unsigned extended = head[1] == 126 ? 2 : head[1] == 127 ? 8 : 0;
    if (tunnel->head_length < 2 + extended) continue;
    uint64_t size = extended ? 0 : head[1];
    for (unsigned at = 2; at < 2 + extended; at++) size = size << 8 | head[at];
    uint8_t opcode = head[0] & 0x0f;
    if (opcode == 8) fail(1, "the relay closed tunnel %d", (int)(tunnel - tunnels));
    if ((head[0] & 0x70) || (head[1] & 0x80) || (opcode > 2 && opcode < 9) || opcode > 10 || opcode == 1)
      fail(2, "WRONG CONTENT: not a binary frame of a server: %02x %02x", head[0], head[1]);
    if (opcode == 9) {
      if (size > 0) fail(1, "a PING with a payload");
      tunnel->pong_due = true;
    }
    tunnel->payload_left = size;
    tunnel->head_length = 0;
  }
}

/* ---- Traffic. ---- */

static bool wants_to_send(const struct end *end) {
  const struct tunnel *tunnel = end->tunnel;
  if (end->kind == BACKEND) return tunnel->down.sent < tunnel->down.limit && (!stopped || echoes);
  if (tunnel->stage_at < tunnel->stage_length || tunnel->pong_due) return true;
  if (giant_begun) return tunnel->frame_left > 0;
  return tunnel->frame_left > 0 || (tunnel->up.sent < tunnel->up.limit && !stopped && !is_ahead(tunnel));
}

static bool is_slow(const struct end *end) {
  return opt.slow > 0 && !stopped && end->kind == CLIENT && end->tunnel == tunnels;
}

static void settle_events(struct end *end) {
  arm(end, (is_slow(end) ? EPOLLRDHUP : EPOLLIN) | (wants_to_send(end) ? EPOLLOUT : 0));
}

static void check_result(const struct end *end, ssize_t result) {
  if (result > 0 || (result < 0 && errno == EAGAIN)) return;
  fail(1, "the relay ended tunnel %d on the side of the %s: %s", (int)(end->tunnel - tunnels),
       end->kind == CLIENT ? "client" : "backend", result == 0 ? "end of stream" : strerror(errno));
}

static void send_some(struct end *end) {
  struct tunnel *tunnel = end->tunnel;
  if (end->kind == CLIENT && !opt.raw) {
    if (tunnel->stage_at == tunnel->stage_length) fill_stage(tunnel);
    if (tunnel->stage_length == 0) return;
    ssize_t sent = transmit(end, tunnel->stage + tunnel->stage_at, tunnel->stage_length - tunnel->stage_at);
    check_result(end, sent);
    if (sent > 0) tunnel->stage_at += sent;
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
      check(tunnel, &tunnel->up, in, got);
      if (was_ahead) settle_events(&tunnel->client);
      if (!echoes) continue;
      tunnel->down.limit += got;
      send_some(&tunnel->backend);
    } else {
      if (opt.raw) check(tunnel, &tunnel->down, in, got);
      else feed(tunnel, in, got);
      if (echoes && tunnel == &tunnels[current] && tunnel->down.got == tunnel->up.limit) trip_is_over(tunnel);
    }
  } while (end->ssl);
}

static void begin_trip(void) {
  if (trips_left == 0 || stopped) return;
  trips_left--;
  current = (current + 1) % opt.tunnels;
  struct tunnel *tunnel = &tunnels[current];
  tunnel->up.limit += opt.frame;
  trip_began = now();
  send_some(&tunnel->client);
  settle_events(&tunnel->client);
}

static void trip_is_over(struct tunnel *tunnel) {
  if (measures && trip_count < MAX_TRIPS) trips[trip_count++] = (uint32_t)((now() - trip_began) * 1e9);
  settle_events(&tunnel->client);
  begin_trip();
}

static double slow_since;

static void read_slowly(void) {
  struct end *end = &tunnels[0].client;
  while (is_slow(end) && (now() - slow_since) * opt.slow > tunnels[0].down.got) {
    ssize_t got = recv(end->fd, in, 16384, MSG_DONTWAIT);
    check_result(end, got);
    if (got < 0) return;
    if (opt.raw) check(&tunnels[0], &tunnels[0].down, in, got);
    else feed(&tunnels[0], in, got);
  }
}

static double rss_peak, rss_looked;

static void look_at_rss(void) {
  if (now() - rss_looked < 0.02) return;
  rss_looked = now();
  double rss = over_group(rss_of);
  if (rss > rss_peak) rss_peak = rss;
}

/* Serves all sockets until `done`, or until the time `until`. */
static void pump(double until, bool (*done)(void)) {
  struct epoll_event events[256];
  while (now() < until && !(done && done())) {
    int count = epoll_wait(poller, events, 256, 5);
    for (int at = 0; at < count; at++) {
      struct end *end = events[at].data.ptr;
      if (events[at].events & ~(EPOLLOUT | EPOLLRDHUP) && !is_slow(end)) receive_some(end);
      if (events[at].events & EPOLLOUT) send_some(end);
      settle_events(end);
      if (echoes) settle_events(end->kind == CLIENT ? &end->tunnel->backend : &end->tunnel->client);
    }
    if (opt.slow) read_slowly();
    if (opt.giant || opt.slow) look_at_rss();
  }
}

static bool all_arrived(void) {
  if (all_got != all_sent) return false;
  for (int at = 0; at < opt.tunnels; at++) {
    if (wants_to_send(&tunnels[at].client)) return false;
    if (echoes && tunnels[at].down.got != tunnels[at].up.sent) return false;
  }
  return true;
}

/* ---- Opening. ---- */

/* RFC 6455's own example: a fixed key has a known answer. */
static const char ACCEPT[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

static int write_request(char *to, size_t size) {
  return snprintf(to, size,
                  "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Origin: %s://127.0.0.1:%d\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                  "Sec-WebSocket-Version: 13\r\n%s%s\r\n",
                  opt.path, opt.relay, opt.tls ? "https" : "http", opt.relay, opt.header, *opt.header ? "\r\n" : "");
}

/* The length of the answer's head; 0 while the head is incomplete. */
static size_t check_answer(const char *text, size_t length) {
  const char *end = memmem(text, length, "\r\n\r\n", 4);
  if (!end) return 0;
  if (length < 12 || memcmp(text, "HTTP/1.1 101", 12) != 0)
    fail(1, "the relay answered %.*s", (int)strcspn(text, "\r"), text);
  if (!memmem(text, end - text, ACCEPT, sizeof ACCEPT - 1)) fail(2, "WRONG CONTENT: Sec-WebSocket-Accept");
  return end + 4 - text;
}

static void open_client(struct tunnel *tunnel) {
  struct timeval patience = {10, 0};
  int at = (int)(tunnel - tunnels);
  tunnel->client = (struct end){.kind = CLIENT, .fd = dial(), .tunnel = tunnel};
  setsockopt(tunnel->client.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
#ifdef WITH_TLS
  if (opt.tls) tunnel->client.ssl = secure(tunnel->client.fd);
#endif
  if (!opt.raw) {
    char text[8192];
    size_t length = 0, head = 0;
    int size = write_request(text, sizeof text);
    if (transmit(&tunnel->client, text, size) != size) fail(1, "the request was not taken");
    while (head == 0) {
      ssize_t got = receive(&tunnel->client, text + length, sizeof text - length);
      if (got <= 0) fail(1, "no answer to handshake %d: %s", at, got < 0 ? strerror(errno) : "end of stream");
      length += got;
      head = check_answer(text, length);
    }
    feed(tunnel, (uint8_t *)text + head, length - head);
  }
}

static void accept_backend(struct tunnel *tunnel) {
  struct timeval patience = {10, 0};
  tunnel->backend = (struct end){.kind = BACKEND, .fd = accept_one(0), .tunnel = tunnel};
  if (tunnel->backend.fd < 0) fail(1, "no connection to the backend after handshake %d", (int)(tunnel - tunnels));
  setsockopt(tunnel->backend.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

static void open_tunnel(struct tunnel *tunnel) {
  open_client(tunnel);
  accept_backend(tunnel);
  make_nonblocking(tunnel->client.fd);
  make_nonblocking(tunnel->backend.fd);
  tunnel->up.start = next_random() % PERIOD;
  tunnel->down.start = next_random() % PERIOD;
}

static void open_tunnels(void) {
  tunnels = calloc(opt.tunnels, sizeof *tunnels);
  for (int at = 0; at < opt.tunnels; at++) open_tunnel(&tunnels[at]);
  for (int at = 0; at < opt.tunnels; at++) {
    settle_events(&tunnels[at].client);
    settle_events(&tunnels[at].backend);
  }
}

static void let_flow(void) {
  for (int at = 0; at < opt.tunnels; at++) {
    if (sends_up) tunnels[at].up.limit = UINT64_MAX;
    if (sends_down) tunnels[at].down.limit = UINT64_MAX;
    settle_events(&tunnels[at].client);
    settle_events(&tunnels[at].backend);
  }
}

static void stop(double deadline) {
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

/* ---- Measurements. ---- */

static int by_value(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

static double percentile(double share) {
  return trip_count ? trips[(size_t)(share * (trip_count - 1))] / 1e3 : 0;
}

static void print_usage(struct usage a, struct usage b) {
  printf("{\"seconds\":%.6f,\"cpu\":%.6f,\"user\":%.3f,\"system\":%.3f,\"load\":%.4f", b.at - a.at, b.cpu - a.cpu,
         b.user - a.user, b.system - a.system, (b.self - a.self) / (b.at - a.at));
}

static void print_trips(void) {
  qsort(trips, trip_count, sizeof *trips, by_value);
  printf(",\"trips\":%zu,\"p50\":%.2f,\"p99\":%.2f,\"p999\":%.2f", trip_count, percentile(0.5), percentile(0.99),
         percentile(0.999));
}

/* ---- Beside bulk tunnels: one process of a higher priority, so that the load's core does not delay the measured end. ---- */

static struct {
  volatile bool measures, stops;
  bool has_priority;
  double p50, p99, p999, cpu;
  size_t trips;
} *beside;
static pid_t beside_process;
static struct tunnel beside_tunnel;

static void run_trips(void) {
  tunnels = &beside_tunnel;
  opt.tunnels = 1;
  opt.frame = 64;
  opt.giant = opt.slow = 0;
  sends_up = sends_down = false;
  echoes = true;
  all_sent = all_got = 0;
  settle_events(&beside_tunnel.client);
  settle_events(&beside_tunnel.backend);
  trips_left = -1;
  begin_trip();
  while (!beside->stops) {
    measures = beside->measures;
    pump(now() + 0.01, NULL);
  }
  stop(now() + opt.deadline);
}

/* Requests of a page, each on a connection of its own. */
static void run_requests(void) {
  char text[16384];
  int size = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n%s%s\r\n", opt.page,
                      opt.relay, opt.header, *opt.header ? "\r\n" : "");
  char *request = strndup(text, size);
  while (!beside->stops) {
    double since = now();
    int fd = dial();
    size_t length = 0;
    if (send(fd, request, size, MSG_NOSIGNAL) != size) fail(1, "the request of a page was not accepted");
    for (ssize_t got; length < sizeof text && (got = recv(fd, text + length, sizeof text - length, 0)) != 0; length += got)
      if (got < 0) fail(1, "no answer to the request of a page: %s", strerror(errno));
    close(fd);
    if (length < 12 || memcmp(text, "HTTP/1.1 200", 12) != 0)
      fail(1, "the page: %.*s", (int)strcspn(text, "\r"), text);
    if (beside->measures && trip_count < MAX_TRIPS) trips[trip_count++] = (uint32_t)((now() - since) * 1e9);
    usleep(500);
  }
}

/* New tunnels, each with a frame that must reach the backend. */
static void run_openings(void) {
  while (!beside->stops) {
    struct tunnel tunnel = {0};
    double since = now();
    open_client(&tunnel);
    uint32_t taken = (uint32_t)((now() - since) * 1e9);
    accept_backend(&tunnel);
    uint8_t frame[MAX_HEADER + 64];
    size_t head = write_header(frame, 0x82, 64, 0x01020304), got = 0;
    mask(frame + head, pattern, 64, 0x01020304, 0);
    if (transmit(&tunnel.client, frame, head + 64) != (ssize_t)head + 64) fail(1, "a frame was not accepted");
    for (ssize_t some; got < 64; got += some)
      if ((some = recv(tunnel.backend.fd, in + got, 64 - got, 0)) <= 0) fail(1, "nothing reached the backend of a new tunnel");
    if (memcmp(in, pattern, 64) != 0) fail(2, "WRONG CONTENT in a new tunnel");
    close(tunnel.client.fd);
    close(tunnel.backend.fd);
    if (beside->measures && trip_count < MAX_TRIPS) trips[trip_count++] = taken;
    usleep(500);
  }
}

static void begin_beside(void) {
  beside = mmap(NULL, sizeof *beside, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  beside_process = fork();
  if (beside_process < 0) fail(1, "fork: %s", strerror(errno));
  if (beside_process > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm(opt.deadline + 5);
  beside->has_priority = sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 50}) == 0;
  poller = epoll_create1(EPOLL_CLOEXEC);
  if (strcmp(opt.beside, "echo") == 0) run_trips();
  else if (strcmp(opt.beside, "open") == 0) run_openings();
  else run_requests();
  qsort(trips, trip_count, sizeof *trips, by_value);
  beside->p50 = percentile(0.5), beside->p99 = percentile(0.99), beside->p999 = percentile(0.999);
  beside->trips = trip_count;
  struct rusage self;
  getrusage(RUSAGE_SELF, &self);
  beside->cpu = self.ru_utime.tv_sec + self.ru_stime.tv_sec + (self.ru_utime.tv_usec + self.ru_stime.tv_usec) / 1e6;
  exit(0);
}

static void end_beside(void) {
  int status;
  beside->stops = true;
  if (waitpid(beside_process, &status, 0) < 0) fail(1, "waitpid: %s", strerror(errno));
  if (status != 0) fail(WIFEXITED(status) ? WEXITSTATUS(status) : 1, "the process beside the load failed");
}

static bool giant_arrived(void) { return giant_begun && tunnels[0].frame_left == 0 && all_arrived(); }

static void measure_traffic(void) {
  double deadline = now() + opt.deadline;
  if (opt.beside && strcmp(opt.beside, "echo") == 0) open_tunnel(&beside_tunnel);
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
  if (beside) beside->measures = true;
  if (opt.giant) pump(deadline, giant_arrived);
  else pump(before.at + opt.seconds, NULL);
  measures = false;
  if (beside) beside->measures = false;
  struct usage after = usage();
  got = all_got - got;
  slow = tunnels[0].down.got - slow;
  if (opt.giant && !giant_arrived()) fail(1, "the frame did not arrive in time");
  if (beside) end_beside();
  stop(deadline);
  print_usage(before, after);
  if (beside)
    printf(",\"trips\":%zu,\"p50\":%.2f,\"p99\":%.2f,\"p999\":%.2f,\"priority\":%s", beside->trips, beside->p50,
           beside->p99, beside->p999, beside->has_priority ? "true" : "false");
  printf(",\"bytes\":%llu,\"total\":%llu", (unsigned long long)got, (unsigned long long)all_got);
  if (opt.slow) printf(",\"slow\":%llu", (unsigned long long)slow);
  if (echoes) print_trips();
  if (opt.giant || opt.slow) printf(",\"rssBefore\":%.0f,\"rss\":%.0f", rss_before, rss_peak);
  puts("}");
}

static bool trips_are_over(void) { return trips_left == 0 && all_arrived(); }

static void measure_memory(void) {
  double deadline = now() + opt.deadline;
  double start = over_group(pss_of);
  open_tunnels();
  pump(now() + opt.settle, NULL);
  double open = over_group(pss_of);
  trips_left = opt.tunnels;
  begin_trip();
  pump(deadline, trips_are_over);
  if (!trips_are_over()) fail(1, "the exchange did not end in time");
  pump(now() + opt.settle, NULL);
  printf("{\"start\":%.0f,\"open\":%.0f,\"used\":%.0f,\"tunnels\":%d}\n", start, open, over_group(pss_of), opt.tunnels);
}

/* ---- Handshakes: connect, 101, Close, the end, again. ---- */

struct caller {
  int fd;
  bool is_open;
  size_t length;
  double since;
  char text[4096];
};

static uint64_t calls_answered, calls_behind;

static void call(struct caller *caller) {
  char text[2048];
  int size = write_request(text, sizeof text);
  caller->since = now();
  caller->fd = dial();
  caller->is_open = false;
  caller->length = 0;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = caller};
  if (send(caller->fd, text, size, MSG_NOSIGNAL) != size) fail(1, "the request was not taken");
  make_nonblocking(caller->fd);
  epoll_ctl(poller, EPOLL_CTL_ADD, caller->fd, &event);
}

static void hear(struct caller *caller) {
  static const uint8_t CLOSE[] = {0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xe8 ^ 2};
  ssize_t got = recv(caller->fd, caller->text + caller->length, sizeof caller->text - caller->length, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (!caller->is_open) {
    if (got <= 0) fail(1, "no answer to a handshake: %s", got < 0 ? strerror(errno) : "end of stream");
    caller->length += got;
    if (check_answer(caller->text, caller->length) == 0) return;
    caller->is_open = true;
    calls_answered++;
    if (measures && trip_count < MAX_TRIPS) trips[trip_count++] = (uint32_t)((now() - caller->since) * 1e9);
    caller->length = 0;
    send(caller->fd, CLOSE, sizeof CLOSE, MSG_NOSIGNAL);
    return;
  }
  /* The server's Close; the server then ends the connection (RFC 6455 section 7.1.1). */
  if (got > 0) return;
  close(caller->fd);
  if (!stopped) call(caller);
}

static void serve_calls(double until) {
  struct epoll_event events[256];
  while (now() < until) {
    int count = epoll_wait(poller, events, 256, 5);
    for (int at = 0; at < count; at++) {
      void *who = events[at].data.ptr;
      if (who == &listener) {
        for (int fd; (fd = accept_one(SOCK_NONBLOCK)) >= 0;) {
          calls_behind++;
          /* Marks the backend's sockets by an odd number, which is never the address of a caller. */
          struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)fd << 1 | 1};
          epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
        }
      } else if (events[at].data.u64 & 1) {
        int fd = (int)(events[at].data.u64 >> 1);
        if (recv(fd, in, sizeof in, 0) > 0) fail(2, "WRONG CONTENT: the backend received bytes");
        close(fd);
      } else hear(who);
    }
  }
}

static void measure_handshakes(void) {
  struct caller *callers = calloc(opt.at_once, sizeof *callers);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener};
  /* First, one tunnel that carries some bytes. */
  opt.tunnels = 1;
  open_tunnels();
  trips_left = 1;
  begin_trip();
  pump(now() + 10, trips_are_over);
  if (!trips_are_over()) fail(1, "nothing came back through the first tunnel");
  epoll_ctl(poller, EPOLL_CTL_DEL, tunnels[0].client.fd, NULL);
  epoll_ctl(poller, EPOLL_CTL_DEL, tunnels[0].backend.fd, NULL);
  make_nonblocking(listener);
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  for (int at = 0; at < opt.at_once; at++) call(&callers[at]);
  serve_calls(now() + opt.warm);
  struct usage before = usage();
  measures = true;
  serve_calls(before.at + opt.seconds);
  measures = false;
  struct usage after = usage();
  stopped = true;
  /* Some relays answer before they connect to the backend. */
  for (double end = now() + 10; now() < end && calls_behind < calls_answered;) serve_calls(now() + 0.05);
  if (calls_behind < calls_answered)
    fail(2, "WRONG CONTENT: %llu tunnels opened, %llu reached the backend", (unsigned long long)calls_answered,
         (unsigned long long)calls_behind);
  print_usage(before, after);
  print_trips();
  puts("}");
}

static void read_options(int argc, char **argv) {
  enum { MODE, PATH, HEADER, RELAY, BACK, GROUP, TUNNELS, AT_ONCE, RAW, TLS, FRAME, WRITE, GIANT, SLOW, WARM, SECONDS, SETTLE, DEADLINE, BESIDE, PAGE };
  static const struct option names[] = {
      {"mode", 1, 0, MODE},         {"path", 1, 0, PATH},       {"header", 1, 0, HEADER}, {"relay", 1, 0, RELAY},
      {"backend", 1, 0, BACK},      {"group", 1, 0, GROUP},     {"tunnels", 1, 0, TUNNELS}, {"at-once", 1, 0, AT_ONCE},
      {"raw", 0, 0, RAW},           {"tls", 0, 0, TLS},         {"frame", 1, 0, FRAME},   {"write", 1, 0, WRITE},
      {"giant", 1, 0, GIANT},       {"slow", 1, 0, SLOW},       {"warm", 1, 0, WARM},     {"seconds", 1, 0, SECONDS},
      {"settle", 1, 0, SETTLE},     {"deadline", 1, 0, DEADLINE}, {"beside", 1, 0, BESIDE},
      {"page", 1, 0, PAGE},         {0, 0, 0, 0}};
  for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) switch (name) {
      case MODE: opt.mode = optarg; break;
      case PATH: opt.path = optarg; break;
      case HEADER: opt.header = optarg; break;
      case RELAY: opt.relay = atoi(optarg); break;
      case BACK: opt.backend = atoi(optarg); break;
      case GROUP: opt.group = atoi(optarg); break;
      case TUNNELS: opt.tunnels = atoi(optarg); break;
      case AT_ONCE: opt.at_once = atoi(optarg); break;
      case RAW: opt.raw = true; break;
      case TLS: opt.tls = true; break;
      case FRAME: opt.frame = strtoull(optarg, NULL, 10); break;
      case WRITE: opt.write = strtoull(optarg, NULL, 10); break;
      case GIANT: opt.giant = strtoull(optarg, NULL, 10); break;
      case SLOW: opt.slow = strtoull(optarg, NULL, 10); break;
      case WARM: opt.warm = atof(optarg); break;
      case SECONDS: opt.seconds = atof(optarg); break;
      case SETTLE: opt.settle = atof(optarg); break;
      case DEADLINE: opt.deadline = atoi(optarg); break;
      case BESIDE: opt.beside = optarg; break;
      case PAGE: opt.page = optarg; break;
      default: exit(3);
    }
}

int main(int argc, char **argv) {
  read_options(argc, argv);
  bool is_memory = strcmp(opt.mode, "memory") == 0, is_handshakes = strcmp(opt.mode, "handshakes") == 0;
  sends_up = strcmp(opt.mode, "up") == 0 || strcmp(opt.mode, "both") == 0;
  sends_down = strcmp(opt.mode, "down") == 0 || strcmp(opt.mode, "both") == 0;
  echoes = strcmp(opt.mode, "echo") == 0 || is_memory || is_handshakes;
  if (!(sends_up || sends_down || echoes) || opt.tunnels < 1 || opt.frame < 1 || opt.write < 1 ||
      opt.write > SPAN)
    fail(3, "invalid options: see spec/bench/rows.mjs");
#ifndef WITH_TLS
  if (opt.tls) fail(3, "built without TLS");
#endif
  signal(SIGPIPE, SIG_IGN);
  /* A hanging run must not last longer. */
  alarm(opt.deadline + 5);
  make_pattern();
  trips = malloc(MAX_TRIPS * sizeof *trips);
  poller = epoll_create1(EPOLL_CLOEXEC);
  listen_as_backend();
  if (is_memory) measure_memory();
  else if (is_handshakes) measure_handshakes();
  else measure_traffic();
  return 0;
}
