#include "taskmanager/crash.h"

#include "taskmanager/symbols.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#define FRAMES_MAX 48

static uint64_t limit; /* RLIMIT_DATA */
static volatile bool exit_expected;
static atomic_int reporter; /* the thread whose crash is told; 0: none yet */

/* A line of text in fixed memory: a signal handler may not allocate. */
typedef struct line {
    char text[512];
    size_t size;
} line;

static void add(line *to, const char *text)
{
    while (*text && to->size + 2 < sizeof to->text)
        to->text[to->size++] = *text++;
}

static void add_number(line *to, uint64_t number)
{
    char digits[24];
    size_t at = sizeof digits - 1;

    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    add(to, digits + at);
}

static void write_line(line *l)
{
    l->text[l->size++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, l->text, l->size);
    (void)ignored;
}

static const char *signal_name(int number)
{
    switch (number) {
    case SIGSEGV:
        return "SIGSEGV";
    case SIGBUS:
        return "SIGBUS";
    case SIGFPE:
        return "SIGFPE";
    case SIGILL:
        return "SIGILL";
    default:
        return "SIGABRT";
    }
}

/* Bytes of private data in use, as RLIMIT_DATA counts them: field VmData of the status. */
static uint64_t data_in_use(void)
{
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return 0;
    text[n] = 0;
    const char *at = strstr(text, "VmData:");
    uint64_t kib = 0;
    for (at = at ? at + 7 : ""; *at == ' ' || *at == '\t'; at++)
        ;
    for (; *at >= '0' && *at <= '9'; at++)
        kib = kib * 10 + (uint64_t)(*at - '0');
    return kib << 10;
}

/* The first frame that is not of the C library or of Weir itself is the job's. */
/* Where the signal struck; other frames hold the address behind a call, which may lie in the next
 * function already. NULL where we do not know the machine. */
static const void *struck_at(const void *context)
{
#if defined(__x86_64__)
    return (const void *)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (const void *)((const ucontext_t *)context)->uc_mcontext.pc;
#else
    (void)context;
    return NULL;
#endif
}

static void add_place(line *to, const void *struck)
{
    void *frames[FRAMES_MAX];
    int n = backtrace(frames, FRAMES_MAX);

    for (int i = 1; i < n; i++) {
        Dl_info info;
        char name[128];
        if (!dladdr(frames[i], &info) || !info.dli_fname || !strstr(info.dli_fname, ".so") ||
            strstr(info.dli_fname, "/libc.") || strstr(info.dli_fname, "/libc-") ||
            strstr(info.dli_fname, "/libpthread") || strstr(info.dli_fname, "/ld-linux") ||
            strstr(info.dli_fname, "/libgcc") || strstr(info.dli_fname, "san.so"))
            continue;
        uint64_t offset = (uint64_t)((const char *)frames[i] - (const char *)info.dli_fbase);
        offset -= frames[i] != struck;
        if (weir_symbol_at(info.dli_fname, offset, name, sizeof name) < 0)
            continue;
        add(to, " in function '");
        add(to, name);
        add(to, "'");
        return;
    }
}

static void add_memory(line *to, uint64_t used)
{
    add(to, "ran out of memory: ");
    add_number(to, used >> 20);
    add(to, " MiB of ");
    add_number(to, limit >> 20);
    add(to, " MiB in use (taskmanager.memory.task.size), then ");
}

/* Slots crash at the same record at the same time: the first one tells, and the others wait for the
 * end, or they would end the process before its line is written. A crash while it tells is the end.
 */
static void take_turn(int number)
{
    int self = gettid(), other = 0;

    if (atomic_compare_exchange_strong(&reporter, &other, self))
        return;
    while (other != self)
        pause();
    signal(number, SIG_DFL);
    raise(number);
}

static void on_crash(int number, siginfo_t *info, void *context)
{
    (void)info;
    line l = {.size = 0};

    take_turn(number);
    uint64_t used = limit ? data_in_use() : 0;
    add(&l, WEIR_CRASH_MARK);
    if (limit && used + (limit >> 4) >= limit)
        add_memory(&l, used);
    add(&l, "was killed by ");
    add(&l, signal_name(number));
    add_place(&l, struck_at(context));
    write_line(&l);
    signal(number, SIG_DFL);
    raise(number);
}

static void on_exit_of_job(int status, void *data)
{
    line l = {.size = 0};
    (void)data;

    if (exit_expected)
        return;
    add(&l, WEIR_CRASH_MARK "ended because the job's code called exit(");
    add_number(&l, (uint64_t)(unsigned)status & 255);
    add(&l, ")");
    write_line(&l);
    _exit(status ? status : 1); /* an exit in the middle of a job is no success */
}

void weir_crash_install(uint64_t memory_limit)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct sigaction action = {.sa_sigaction = on_crash,
                               .sa_flags = SA_ONSTACK | SA_NODEFER | SA_SIGINFO};
    void *frame[1];

    limit = memory_limit;
    backtrace(frame, 1); /* loads what the unwinder needs, now that it may allocate */
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &action, NULL);
    on_exit(on_exit_of_job, NULL);
}

void weir_crash_expect_exit(void)
{
    exit_expected = true;
}

void weir_crash_end(const char *reason)
{
    line l = {.size = 0};

    add(&l, WEIR_CRASH_MARK);
    add(&l, reason);
    write_line(&l);
    _exit(1);
}
