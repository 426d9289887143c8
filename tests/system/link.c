/* link [--seed N] HOST... -- hosts with a network between them, for tests on one machine.
 *
 * Makes a network namespace for each host, with an Ethernet device `eth0` (not configured), and
 * forwards frames between them like a switch, over wires that can be slow, lossy or cut, each
 * direction of each pair of hosts for itself. A line on stdout, `host NAME FD`, says that the
 * namespace of a host is /proc/<pid>/fd/FD; then `ready`. Namespaces and devices end with this
 * process and those in them: nothing has to be removed.
 *
 * Then it obeys lines on stdin, and answers each, when it is in force, with `ok ...` or `error:
 * ...`. WHERE is nothing (everywhere), A (between A and all others), A B (between these two) or A>B
 * (from A to B).
 *
 *   delay MS [WHERE]      one way
 *   jitter MS [WHERE]     up to so much more, by chance
 *   loss PERCENT [WHERE]  chance of a frame to be lost
 *   rate KBIT [WHERE]     per second; 0: no limit
 *   cut [WHERE]           every frame is dropped, those under way, too
 *   heal [WHERE]          not any more
 *   stats [WHERE]         ok passed N lost N cut N overrun N
 *
 * It ends with its stdin. */
#include "link_wires.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { NAME_MAX_ = 32, WORDS_MAX = 4, FRAMES_PER_TURN = 64, MAC_LAST = 5, CANNOT = 77 };

typedef struct host {
    char name[NAME_MAX_];
    int device, space; /* descriptors: the other end of eth0; the namespace */
} host;

static struct {
    wires *wires;
    host hosts[WIRES_HOSTS_MAX];
    size_t count;
    char line[256];
    size_t line_size;
} net;

static void die(const char *what)
{
    fprintf(stderr, "link: error: %s: %s\n", what, strerror(errno));
    exit(errno == EPERM || errno == EACCES || errno == ENOENT || errno == ENOSPC ? CANNOT : 1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* --- hosts --- */

/* 02:77:00:00:00:<index>: whose it is can be read off a frame. */
static void name_device(int device, size_t index)
{
    struct ifreq request = {.ifr_hwaddr.sa_family = 1 /* Ethernet */};
    const unsigned char mac[ETH_ALEN] = {2, 0x77, 0, 0, 0, (unsigned char)index};
    memcpy(request.ifr_hwaddr.sa_data, mac, sizeof mac);
    if (ioctl(device, SIOCSIFHWADDR, &request) != 0)
        die("the address of a device");
}

/* The new device belongs to the namespace that its descriptor was opened in. */
static void make_host(const char *name, size_t index)
{
    host *made = &net.hosts[index];
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    snprintf(made->name, sizeof made->name, "%s", name);
    snprintf(request.ifr_name, sizeof request.ifr_name, "eth0");
    if (unshare(CLONE_NEWNET) != 0)
        die("a network namespace");
    made->space = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    made->device = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (made->space < 0 || made->device < 0)
        die("/dev/net/tun");
    if (ioctl(made->device, TUNSETIFF, &request) != 0)
        die("a TAP device");
    name_device(made->device, index);
    printf("host %s %d\n", made->name, made->space);
}

/* --- frames --- */

static void receive(size_t from)
{
    uint8_t frame[WIRES_FRAME_MAX];
    for (int left = FRAMES_PER_TURN; left > 0; left--) {
        ssize_t size = read(net.hosts[from].device, frame, sizeof frame);
        if (size < ETH_HLEN) /* none, or none yet: the device may be down */
            return;
        bool to_all = (frame[0] & 1) != 0;
        for (size_t to = 0; to < net.count; to++) {
            if (to != from && (to_all || frame[MAC_LAST] == to))
                wires_put(net.wires, from, to, frame, (size_t)size, now_ns());
        }
    }
}

static void deliver(void)
{
    const void *frame;
    size_t to, size;
    while (wires_take(net.wires, now_ns(), &to, &frame, &size)) {
        ssize_t count = write(net.hosts[to].device, frame, size);
        (void)count; /* a host whose device is down hears nothing */
    }
}

/* --- commands --- */

static bool find_host(const char *name, size_t *ret)
{
    for (size_t i = 0; i < net.count; i++) {
        if (strcmp(net.hosts[i].name, name) == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

/* Marks the wires that the words of WHERE name. */
static bool read_where(char **words, size_t count, bool marked[WIRES_HOSTS_MAX][WIRES_HOSTS_MAX])
{
    size_t a = 0, b = 0;
    char *arrow = count == 1 ? strchr(words[0], '>') : NULL;
    if (arrow != NULL)
        *arrow = '\0';
    if (count > 2 || (count > 0 && !find_host(words[0], &a)) ||
        (arrow != NULL && !find_host(arrow + 1, &b)) || (count == 2 && !find_host(words[1], &b)))
        return false;
    for (size_t from = 0; from < net.count; from++) {
        for (size_t to = 0; to < net.count; to++) {
            bool is_meant = count == 0;
            if (arrow != NULL)
                is_meant = from == a && to == b;
            else if (count == 1)
                is_meant = from == a || to == a;
            else if (count == 2)
                is_meant = (from == a && to == b) || (from == b && to == a);
            marked[from][to] = is_meant && from != to;
        }
    }
    return true;
}

static bool apply(const char *verb, double value, size_t from, size_t to)
{
    wire_terms *terms = wires_terms(net.wires, from, to);
    if (strcmp(verb, "delay") == 0)
        terms->delay_ns = (int64_t)(value * 1e6);
    else if (strcmp(verb, "jitter") == 0)
        terms->jitter_ns = (int64_t)(value * 1e6);
    else if (strcmp(verb, "loss") == 0)
        terms->loss = (uint32_t)(value * 1e3);
    else if (strcmp(verb, "rate") == 0)
        terms->bits_per_s = (int64_t)(value * 1e3);
    else if (strcmp(verb, "cut") == 0)
        wires_cut(net.wires, from, to);
    else if (strcmp(verb, "heal") == 0)
        terms->is_cut = false;
    else
        return strcmp(verb, "stats") == 0;
    return true;
}

static bool takes_value(const char *verb)
{
    return strcmp(verb, "delay") == 0 || strcmp(verb, "jitter") == 0 || strcmp(verb, "loss") == 0 ||
           strcmp(verb, "rate") == 0;
}

/* NULL: done. */
static const char *obey(char **words, size_t count, wire_counts *sum)
{
    bool marked[WIRES_HOSTS_MAX][WIRES_HOSTS_MAX] = {{false}};
    double value = 0;
    size_t used = 1;
    if (count == 0)
        return "no command";
    if (takes_value(words[0])) {
        char *end = NULL;
        value = count > 1 ? strtod(words[1], &end) : -1;
        if (end == NULL || *end != '\0' || value < 0)
            return "a number is expected";
        used = 2;
    }
    if (!read_where(words + used, count - used, marked))
        return "there is no such host";
    for (size_t from = 0; from < net.count; from++) {
        for (size_t to = 0; to < net.count; to++) {
            if (!marked[from][to])
                continue;
            if (!apply(words[0], value, from, to))
                return "no such command";
            wire_counts of = wires_counts(net.wires, from, to);
            sum->passed += of.passed;
            sum->lost += of.lost;
            sum->cut += of.cut;
            sum->overrun += of.overrun;
        }
    }
    return NULL;
}

static void on_line(char *line)
{
    char *words[WORDS_MAX + 1], *rest = line, *word;
    wire_counts sum = {0};
    size_t count = 0;
    while (count <= WORDS_MAX && (word = strtok_r(rest, " ", &rest)) != NULL)
        words[count++] = word;
    const char *wrong = obey(words, count, &sum);
    if (wrong != NULL)
        printf("error: %s\n", wrong);
    else
        printf("ok passed %llu lost %llu cut %llu overrun %llu\n", (unsigned long long)sum.passed,
               (unsigned long long)sum.lost, (unsigned long long)sum.cut,
               (unsigned long long)sum.overrun);
    fflush(stdout);
}

/* False at the end of stdin. */
static bool read_commands(void)
{
    ssize_t count =
        read(STDIN_FILENO, net.line + net.line_size, sizeof net.line - 1 - net.line_size);
    if (count <= 0)
        return count < 0 && errno == EINTR;
    net.line_size += (size_t)count;
    net.line[net.line_size] = '\0';
    for (char *end; (end = strchr(net.line, '\n')) != NULL;) {
        *end = '\0';
        on_line(net.line);
        net.line_size -= (size_t)(end + 1 - net.line);
        memmove(net.line, end + 1, net.line_size + 1);
    }
    return net.line_size < sizeof net.line - 1;
}

/* --- all of it --- */

static void turn(struct pollfd *items)
{
    int64_t next_ns = wires_next_ns(net.wires), wait_ns = next_ns - now_ns();
    wait_ns = wait_ns < 0 ? 0 : wait_ns;
    struct timespec wait = {wait_ns / 1000000000, wait_ns % 1000000000};
    if (ppoll(items, net.count + 1, next_ns == INT64_MAX ? NULL : &wait, NULL) < 0)
        return;
    for (size_t i = 0; i < net.count; i++) {
        if ((items[i + 1].revents & POLLIN) != 0)
            receive(i);
    }
    deliver();
}

int main(int argc, char **argv)
{
    struct pollfd items[WIRES_HOSTS_MAX + 1] = {{.fd = STDIN_FILENO, .events = POLLIN}};
    uint64_t seed = 1;
    if (argc > 2 && strcmp(argv[1], "--seed") == 0) {
        seed = strtoull(argv[2], NULL, 10);
        argv += 2;
        argc -= 2;
    }
    net.count = (size_t)argc - 1;
    if (net.count < 2 || net.count > WIRES_HOSTS_MAX) {
        fprintf(stderr, "usage: link [--seed N] HOST HOST...\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    net.wires = wires_new(net.count, seed);
    if (net.wires == NULL)
        die("wires");
    for (size_t i = 0; i < net.count; i++) {
        make_host(argv[i + 1], i);
        items[i + 1] = (struct pollfd){.fd = net.hosts[i].device, .events = POLLIN};
    }
    printf("ready\n");
    fflush(stdout);
    bool goes_on = true;
    while (goes_on) {
        turn(items);
        if (items[0].revents != 0)
            goes_on = read_commands();
        items[0].revents = 0;
    }
    wires_destroy(net.wires);
    return 0;
}
