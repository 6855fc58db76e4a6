/*
 * The measured end beside bulk tunnels: a second process with real-time priority, so that the bulk traffic on the load's core
 * does not delay the measurement.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "load.h"

/* Microseconds between two trips, requests or new tunnels. Without a pause, a faster relay would carry more trips, at the cost of
   its bulk tunnels. */
#define PAUSE 1000

/* Shared by both processes. */
static struct {
  volatile bool measures, stops;
  bool has_priority;
  double p50, p99, p999;
  size_t trips;
} *shared;
static struct tunnel echo;
pid_t beside_process;

static void run_trips(void) {
  tunnels = &echo;
  opt.tunnels = 1;
  opt.frame = SMALL;
  opt.giant = opt.slow = 0;
  sends_up = sends_down = false;
  echoes = true;
  all_sent = all_got = 0;
  settle_events(&echo.client);
  settle_events(&echo.backend);
  for (; !shared->stops; usleep(PAUSE)) {
    measures = shared->measures;
    trips_left = 1;
    begin_trip();
    pump(now() + opt.deadline, trips_are_over);
    if (!trips_are_over()) fail(1, "an echo beside bulk tunnels did not arrive in time");
  }
}

/* Requests of a page, each on a connection of its own. */
static void run_requests(void) {
  char text[16384], request[16384];
  int size = write_page_request(request, sizeof request);
  for (; !shared->stops; usleep(PAUSE)) {
    double since = now();
    int fd = dial();
    size_t length = 0;
    measures = shared->measures;
    if (send(fd, request, size, MSG_NOSIGNAL) != size) fail(1, "the request of a page was not accepted");
    for (ssize_t got; length < sizeof text && (got = recv(fd, text + length, sizeof text - length, 0)) != 0; length += got)
      if (got < 0) fail(1, "no answer to the request of a page: %s", strerror(errno));
    add_trip(since);
    close(fd);
    check_page(text, length);
  }
}

/* New tunnels, each with a frame that must reach the backend. */
static void run_openings(void) {
  for (; !shared->stops; usleep(PAUSE)) {
    struct tunnel tunnel = {0};
    double since = now();
    measures = shared->measures;
    open_client(&tunnel);
    add_trip(since);
    accept_backend(&tunnel);
    uint8_t frame[MAX_HEADER + SMALL];
    size_t head = write_header(frame, 0x82, SMALL, CLIENT, 0x01020304), length = 0;
    mask(frame + head, pattern, SMALL, 0x01020304, 0);
    if (transmit(&tunnel.client, frame, head + SMALL) != (ssize_t)head + SMALL) fail(1, "a frame was not accepted");
    for (ssize_t got; length < SMALL; length += got)
      if ((got = recv(tunnel.backend.fd, in + length, SMALL - length, 0)) <= 0)
        fail(1, "no bytes reached the backend of a new tunnel");
    if (memcmp(in, pattern, SMALL) != 0) fail(2, "WRONG CONTENT in a new tunnel");
    close(tunnel.client.fd);
    close(tunnel.backend.fd);
  }
}

void begin_beside(void) {
  bool is_echo = strcmp(opt.beside, "echo") == 0;
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (is_echo) open_tunnel(&echo);
  beside_process = fork();
  if (beside_process < 0) fail(1, "fork: %s", strerror(errno));
  if (beside_process > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm(opt.deadline + 5);
  shared->has_priority = take_priority();
  poller = epoll_create1(EPOLL_CLOEXEC);
  if (is_echo) run_trips();
  else if (strcmp(opt.beside, "open") == 0) run_openings();
  else run_requests();
  sort_trips();
  shared->p50 = percentile(0.5), shared->p99 = percentile(0.99), shared->p999 = percentile(0.999);
  shared->trips = trip_number();
  exit(0);
}

void measure_beside(bool on) { shared->measures = on; }

void end_beside(void) {
  int status;
  shared->stops = true;
  if (waitpid(beside_process, &status, 0) < 0) fail(1, "waitpid: %s", strerror(errno));
  if (status != 0)
    fail(WIFEXITED(status) ? WEXITSTATUS(status) : 1, "the process of the measured end failed: status %d", status);
}

void print_beside(void) {
  printf(",\"trips\":%zu,\"p50\":%.2f,\"p99\":%.2f,\"p999\":%.2f,\"priority\":%s", shared->trips, shared->p50,
         shared->p99, shared->p999, shared->has_priority ? "true" : "false");
}
