/* What the files of the load share. See main.c. */
#ifndef LOAD_H
#define LOAD_H
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
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
/* The bytes of a round trip beside bulk tunnels, and of the first frame of a new tunnel. */
#define SMALL 64

struct options {
  const char *mode, *path, *header, *beside, *page;
  int relay, backend, group, tunnels, at_once;
  bool raw, tls, priority, websocket;
  uint64_t frame, write, giant, slow;
  double warm, seconds, settle;
  int deadline;
};

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
  uint32_t key_in;
  unsigned phase_in;
};

struct tunnel {
  struct end client, backend;
  struct flow up, down;
  /* The round trips that ended, and their number before the first trip with a fixed time. */
  uint64_t ended, planned_from;
};

struct usage {
  double at, cpu, user, system, self;
};

/* main.c */
extern struct options opt;
void fail(int status, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));
double now(void);
bool take_priority(void);

/* usage.c */
extern double rss_peak;
double over_group(double (*look)(const char *pid, const char *fields));
double pss_of(const char *pid, const char *fields);
double rss_of(const char *pid, const char *fields);
double highest_rss_of(const char *pid, const char *fields);
struct usage usage(void);
void look_at_rss(void);
void print_usage(struct usage before, struct usage after);
uint64_t listen_overflows(void);

/* sockets.c */
extern int poller, listener;
void arm(struct end *end, uint32_t events);
int dial(void);
int dial_without_waiting(void);
void listen_as_backend(void);
int accept_one(int flags);
void make_nonblocking(int fd);
SSL *secure(int fd);
ssize_t receive(struct end *end, void *to, size_t most);
ssize_t transmit(struct end *end, const void *from, size_t length);

/* frames.c */
extern uint8_t pattern[PERIOD + SPAN];
extern uint64_t all_sent, all_got;
uint64_t next_random(void);
void make_pattern(void);
const uint8_t *due(const struct flow *flow, uint64_t at);
void check(struct tunnel *tunnel, struct flow *flow, const uint8_t *bytes, size_t length);
void mask(uint8_t *to, const uint8_t *from, size_t length, uint32_t key, unsigned phase);
size_t write_header(uint8_t *to, uint8_t first, uint64_t length, enum kind from, uint32_t key);
bool is_ahead(const struct tunnel *tunnel);
bool is_framed(const struct end *end);
void fill_stage(struct end *end);
void feed(struct end *end, uint8_t *bytes, size_t length);

/* traffic.c */
extern uint8_t in[SPAN];
extern struct tunnel *tunnels;
extern bool sends_up, sends_down, echoes, stopped, measures, giant_begun;
/* Called after an echo's client has received bytes. */
extern void (*on_echo)(struct tunnel *tunnel);
extern int64_t trips_left;
extern double slow_since;
void settle_events(struct end *end);
void send_some(struct end *end);
void serve_events(int timeout);
void pump(double until, bool (*done)(void));
void send_trip(struct tunnel *tunnel);
void begin_trip(void);
bool trips_are_over(void);
bool all_arrived(void);
void let_flow(void);
void stop(double deadline);

/* opening.c */
int write_request(char *to, size_t size);
int write_page_request(char *to, size_t size);
size_t check_answer(const char *text, size_t length);
void check_page(const char *text, size_t length);
void open_client(struct tunnel *tunnel);
void accept_backend(struct tunnel *tunnel);
void set_up(struct tunnel *tunnel);
void open_tunnel(struct tunnel *tunnel);
void open_tunnels(void);

/* websocket.c */
size_t write_answer(char *to, size_t size, const char *request, size_t length);
void answer_handshake(struct end *end);

/* trips.c */
void add_trip(double since);
size_t trip_number(void);
double percentile(double share);
void sort_trips(void);
void print_trips(void);

/* beside.c */
extern pid_t beside_process;
void begin_beside(void);
void measure_beside(bool on);
void end_beside(void);
void print_beside(void);

/* The measurements, each in the file of its name. */
void measure_bulk(void);
void measure_memory(void);
void measure_calls(bool are_handshakes);
void measure_storm(void);
void measure_half(void);

#endif
