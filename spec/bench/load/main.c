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
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include "load.h"

struct options opt = {.mode = "down", .path = "/tunnel", .header = "", .page = "/page", .tunnels = 1, .at_once = 16,
                      .frame = 65536, .write = 65536, .warm = 0.5, .seconds = 1, .settle = 1, .deadline = 90};

void fail(int status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fputc('\n', stderr);
  exit(status);
}

double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

/* With real-time priority, other processes on the core do not delay this process. Returns false where the machine refuses. */
bool take_priority(void) {
  return sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 50}) == 0;
}

static void read_options(int argc, char **argv) {
  enum { MODE, PATH, HEADER, RELAY, BACK, GROUP, TUNNELS, AT_ONCE, RAW, TLS, FRAME, WRITE, GIANT, SLOW, WARM, SECONDS, SETTLE, DEADLINE, BESIDE, PAGE, PRIORITY, WEBSOCKET };
  static const struct option names[] = {
      {"mode", 1, 0, MODE},         {"path", 1, 0, PATH},       {"header", 1, 0, HEADER}, {"relay", 1, 0, RELAY},
      {"backend", 1, 0, BACK},      {"group", 1, 0, GROUP},     {"tunnels", 1, 0, TUNNELS}, {"at-once", 1, 0, AT_ONCE},
      {"raw", 0, 0, RAW},           {"tls", 0, 0, TLS},         {"frame", 1, 0, FRAME},   {"write", 1, 0, WRITE},
      {"giant", 1, 0, GIANT},       {"slow", 1, 0, SLOW},       {"warm", 1, 0, WARM},     {"seconds", 1, 0, SECONDS},
      {"settle", 1, 0, SETTLE},     {"deadline", 1, 0, DEADLINE}, {"beside", 1, 0, BESIDE},
      {"page", 1, 0, PAGE},         {"priority", 0, 0, PRIORITY},
      {"websocket", 0, 0, WEBSOCKET}, {0, 0, 0, 0}};
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
      case PRIORITY: opt.priority = true; break;
      case WEBSOCKET: opt.websocket = true; break;
      default: exit(3);
    }
}

static bool is_mode(const char *name) { return strcmp(opt.mode, name) == 0; }

int main(int argc, char **argv) {
  read_options(argc, argv);
  sends_up = is_mode("up") || is_mode("both");
  sends_down = is_mode("down") || is_mode("both");
  echoes = !sends_up && !sends_down;
  if (opt.tunnels < 1 || opt.frame < 1 || opt.write < 1 || opt.write > SPAN)
    fail(3, "invalid options: see spec/bench/rows");
  if (opt.websocket && (opt.beside || is_mode("storm"))) fail(3, "not with a WebSocket backend");
#ifndef WITH_TLS
  if (opt.tls) fail(3, "built without TLS");
#endif
  signal(SIGPIPE, SIG_IGN);
  /* A hanging run must not last longer. */
  alarm(opt.deadline + 5);
  make_pattern();
  poller = epoll_create1(EPOLL_CLOEXEC);
  listen_as_backend();
  if (sends_up || sends_down || is_mode("echo")) measure_bulk();
  else if (is_mode("memory")) measure_memory();
  else if (is_mode("handshakes")) measure_calls(true);
  else if (is_mode("gets")) measure_calls(false);
  else if (is_mode("storm")) measure_storm();
  else if (is_mode("half")) measure_half();
  else fail(3, "%s is not a mode", opt.mode);
  return 0;
}
