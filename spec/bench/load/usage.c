/* The relay's use of resources, over all processes of its group. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include "load.h"

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
double over_group(double (*look)(const char *pid, const char *fields)) {
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

double pss_of(const char *pid, const char *fields) { return (void)fields, kib_in(pid, "smaps_rollup", "Pss:"); }

double rss_of(const char *pid, const char *fields) { return (void)fields, kib_in(pid, "status", "VmRSS:"); }

/* The peak, as the kernel notes it. */
double highest_rss_of(const char *pid, const char *fields) { return (void)fields, kib_in(pid, "status", "VmHWM:"); }

/* The load's own time; the process beside it uses the same core. */
static double own_cpu(void) {
  struct rusage self;
  char pid[20] = "";
  getrusage(RUSAGE_SELF, &self);
  if (beside_process > 0) snprintf(pid, sizeof pid, "%d", beside_process);
  return self.ru_utime.tv_sec + self.ru_stime.tv_sec + (self.ru_utime.tv_usec + self.ru_stime.tv_usec) / 1e6 +
         (*pid ? cpu_of(pid, "") : 0);
}

struct usage usage(void) {
  double cpu = over_group(cpu_of) + over_group(gone_of);
  return (struct usage){now(), cpu, over_group(user_of), over_group(system_of), own_cpu()};
}

/* The number of connections that found a full listen queue, on the whole machine; 0 where the kernel does not count them. */
uint64_t listen_overflows(void) {
  char names[8192], values[8192];
  unsigned long long count = 0;
  FILE *from = fopen("/proc/net/netstat", "r");
  while (from && fgets(names, sizeof names, from) && fgets(values, sizeof values, from)) {
    if (strncmp(names, "TcpExt:", 7) != 0) continue;
    char *name_at, *value_at;
    char *name = strtok_r(names, " \n", &name_at), *value = strtok_r(values, " \n", &value_at);
    for (; name && value; name = strtok_r(NULL, " \n", &name_at), value = strtok_r(NULL, " \n", &value_at))
      if (strcmp(name, "ListenOverflows") == 0) count = strtoull(value, NULL, 10);
  }
  if (from) fclose(from);
  return count;
}

double rss_peak;
static double rss_looked;

void look_at_rss(void) {
  if (now() - rss_looked < 0.02) return;
  rss_looked = now();
  double rss = over_group(rss_of);
  if (rss > rss_peak) rss_peak = rss;
}

void print_usage(struct usage a, struct usage b) {
  printf("{\"seconds\":%.6f,\"cpu\":%.6f,\"user\":%.3f,\"system\":%.3f,\"load\":%.4f", b.at - a.at, b.cpu - a.cpu,
         b.user - a.user, b.system - a.system, (b.self - a.self) / (b.at - a.at));
}
