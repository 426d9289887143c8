/* bench/latency_bench.c -- measures latency from outside, by the intended times of a fixed
 * schedule.
 *
 *   latency_bench lines RATE SECONDS JOBS COMMAND...
 *       listens on a port per job, starts COMMAND (a "%p" in its words is the port) for each, sends
 *       each one RATE lines a second, which hold the time they were due, and measures when they
 * come out of its stdout. The jobs take turns, so that their lines are spread evenly. latency_bench
 * merge DIR what the subtasks of bench/latency_job.c left there
 *
 * Both print one line of JSON; times in microseconds. */
#include "histogram.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS INT64_C(1000000000)
#define JOBS_MAX    64
#define WORDS_MAX   256
#define WARM_UP     2 /* lines of each job that are not measured */
#define START_MS    20000
#define END_MS      5000

typedef struct job {
    pid_t pid;
    int socket, rows;
    uint64_t seen;
    size_t used;
    char line[4096];
} job;

typedef struct schedule {
    job *jobs;
    uint32_t njobs;
    int64_t begin, interval, each; /* each: lines of one job */
} schedule;

static histogram measured;

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("latency_bench: error: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NANOSECONDS + now.tv_nsec;
}

static double number(const char *text)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || value <= 0)
        fail("%s: is no number above 0", text);
    return value;
}

static void report(const char *extra)
{
    static const struct {
        const char *name;
        double percent;
    } shown[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99_9", 99.9}, {"p99_99", 99.99}};

    printf("{\"count\": %" PRIu64 ", \"mean\": %.1f", measured.total,
           histogram_mean(&measured) / 1e3);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        printf(", \"%s\": %.1f", shown[i].name,
               (double)histogram_percentile(&measured, shown[i].percent) / 1e3);
    printf(", \"max\": %.1f%s}\n", (double)measured.max / 1e3, extra);
}

/* ---- jobs ---- */

static int listen_anywhere(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, 4) != 0 || getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        fail("cannot listen: %s", strerror(errno));
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* A word with its %p replaced; never freed. */
static char *with_port(const char *word, uint16_t port)
{
    const char *at = strstr(word, "%p");
    char *made = NULL;

    if (!at)
        return strdup(word);
    if (asprintf(&made, "%.*s%u%s", (int)(at - word), word, port, at + 2) < 0)
        fail("no memory");
    return made;
}

static void start(job *j, char **words, uint16_t port)
{
    char *command[WORDS_MAX + 1];
    int ends[2], count = 0;

    for (; words[count]; count++) {
        if (count == WORDS_MAX)
            fail("the command has more than %d words", WORDS_MAX);
        command[count] = with_port(words[count], port);
    }
    command[count] = NULL;
    if (pipe2(ends, O_CLOEXEC) != 0)
        fail("no pipe: %s", strerror(errno));
    j->pid = fork();
    if (j->pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execvp(command[0], command);
        fail("%s: %s", command[0], strerror(errno));
    }
    if (j->pid < 0)
        fail("no process: %s", strerror(errno));
    close(ends[1]);
    j->rows = ends[0];
}

static void accept_one(job *j, int door)
{
    struct pollfd wanted = {.fd = door, .events = POLLIN};
    int one = 1;

    if (poll(&wanted, 1, START_MS) <= 0)
        fail("the job did not connect within %d ms", START_MS);
    j->socket = accept4(door, NULL, NULL, SOCK_CLOEXEC);
    if (j->socket < 0)
        fail("accept: %s", strerror(errno));
    setsockopt(j->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    close(door);
}

/* ---- lines go ---- */

static void wait_until(int timer, int64_t due)
{
    struct itimerspec at = {.it_value = {due / NANOSECONDS, due % NANOSECONDS}};
    uint64_t fired;

    if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL) != 0 ||
        read(timer, &fired, sizeof fired) != sizeof fired)
        fail("no timer: %s", strerror(errno));
}

static void *send_lines(void *data)
{
    const schedule *s = data;
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    char line[32];

    prctl(PR_SET_TIMERSLACK, 1);
    for (int64_t i = 0; i < s->each * s->njobs; i++) {
        int64_t due = s->begin + i * s->interval / s->njobs;
        wait_until(timer, due);
        int size = snprintf(line, sizeof line, "%" PRId64 "\n", due);
        if (send(s->jobs[i % s->njobs].socket, line, (size_t)size, MSG_NOSIGNAL) != size)
            fail("a job does not take its lines: %s", strerror(errno));
    }
    close(timer);
    return NULL;
}

/* ---- rows come ---- */

/* The number at the end of the row is when its line was due. */
static void take_row(job *j, const char *row, int64_t now)
{
    size_t length = strlen(row), from = length;

    while (from > 0 && row[from - 1] >= '0' && row[from - 1] <= '9')
        from--;
    if (from == length)
        fail("a row without a time came: %s", row);
    if (++j->seen > WARM_UP)
        histogram_record(&measured, now - strtoll(row + from, NULL, 10), 1);
}

static void read_rows(job *j)
{
    ssize_t size = read(j->rows, j->line + j->used, sizeof j->line - 1 - j->used);
    int64_t now = now_ns();
    char *row = j->line, *end;

    if (size <= 0)
        fail("a job ended early");
    j->used += (size_t)size;
    j->line[j->used] = '\0';
    for (; (end = strchr(row, '\n')); row = end + 1) {
        *end = '\0';
        take_row(j, row, now);
    }
    j->used -= (size_t)(row - j->line);
    memmove(j->line, row, j->used);
    if (j->used == sizeof j->line - 1)
        fail("a row is too long");
}

static bool all_seen(const schedule *s)
{
    for (uint32_t i = 0; i < s->njobs; i++) {
        if (s->jobs[i].seen < (uint64_t)s->each)
            return false;
    }
    return true;
}

static void receive_rows(const schedule *s)
{
    int64_t until = s->begin + s->each * s->interval + END_MS * INT64_C(1000000);

    while (!all_seen(s)) {
        struct pollfd wanted[JOBS_MAX];
        for (uint32_t i = 0; i < s->njobs; i++)
            wanted[i] = (struct pollfd){.fd = s->jobs[i].rows, .events = POLLIN};
        if (now_ns() > until)
            fail("rows are missing %d ms after the last line", END_MS);
        if (poll(wanted, s->njobs, END_MS) < 0 && errno != EINTR)
            fail("poll: %s", strerror(errno));
        for (uint32_t i = 0; i < s->njobs; i++) {
            if (wanted[i].revents)
                read_rows(&s->jobs[i]);
        }
    }
}

/* ---- all of it ---- */

static int lines(double rate, double seconds, uint32_t njobs, char **words)
{
    static job jobs[JOBS_MAX];
    schedule s = {jobs, njobs, 0, (int64_t)((double)NANOSECONDS / rate),
                  (int64_t)(rate * seconds) + WARM_UP};
    int doors[JOBS_MAX], status;
    pthread_t sender;

    if (njobs == 0 || njobs > JOBS_MAX)
        fail("1 to %d jobs can be measured", JOBS_MAX);
    for (uint32_t i = 0; i < njobs; i++) {
        uint16_t port;
        doors[i] = listen_anywhere(&port);
        start(&jobs[i], words, port);
    }
    for (uint32_t i = 0; i < njobs; i++)
        accept_one(&jobs[i], doors[i]);
    s.begin = now_ns() + NANOSECONDS / 5;
    if (pthread_create(&sender, NULL, send_lines, &s) != 0)
        fail("no thread");
    receive_rows(&s);
    pthread_join(sender, NULL);
    for (uint32_t i = 0; i < njobs; i++)
        close(jobs[i].socket); /* the end of the job's input */
    for (uint32_t i = 0; i < njobs; i++) {
        if (waitpid(jobs[i].pid, &status, 0) < 0 || status != 0)
            fail("a job failed");
    }
    report("");
    return 0;
}

/* The rate is that of the time in which all subtasks were at work. */
static int merge(const char *directory)
{
    char path[4096], extra[128];
    uint64_t rows, all = 0;
    int64_t first, last, from = INT64_MAX, to = 0;
    uint32_t files = 0;

    for (;; files++) {
        snprintf(path, sizeof path, "%s/%u", directory, files);
        FILE *file = fopen(path, "r");
        if (!file)
            break;
        if (fscanf(file, "%" SCNu64 " %" SCNd64 " %" SCNd64, &rows, &first, &last) != 3 ||
            histogram_read(&measured, file) != 0)
            fail("%s: is not of bench/latency_job.c", path);
        fclose(file);
        all += rows;
        from = first < from ? first : from;
        to = last > to ? last : to;
    }
    if (files == 0 || to <= from)
        fail("%s: no subtask has left anything there", directory);
    snprintf(extra, sizeof extra, ", \"rate\": %.0f",
             (double)all / ((double)(to - from) / (double)NANOSECONDS));
    report(extra);
    return 0;
}

int main(int argc, char **argv)
{
    histogram_init(&measured);
    signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && strcmp(argv[1], "merge") == 0)
        return merge(argv[2]);
    if (argc > 5 && strcmp(argv[1], "lines") == 0)
        return lines(number(argv[2]), number(argv[3]), (uint32_t)number(argv[4]), argv + 5);
    fail("usage: latency_bench lines RATE SECONDS JOBS COMMAND... | latency_bench merge DIR");
}
