/* tests/faults/faults.c -- the plan, the counts, what is watched. Nothing here calls what is
 * interposed. */
#include "tests/faults/faults_internal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DESCRIPTORS_MAX = 4096, LOST_MAX = 64, NAME_MAX_BYTES = 400 };

/* Shared with child processes: a child's operations are the process's. */
typedef struct shared {
    faults_plan plan;
    _Atomic uint64_t count;
    atomic_bool armed, hit;
    pid_t process; /* who is killed */
    char what[NAME_MAX_BYTES];
} shared;

static shared *state;
static char root[NAME_MAX_BYTES];
static bool tracked[DESCRIPTORS_MAX];
static int lost[LOST_MAX]; /* kept open, so that their inodes stay theirs */
static size_t nlost;
static const char *trace; /* a path: descriptors may be closed behind our back */

void *faults__real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL)
        abort();
    return found;
}

static shared *state_of(void)
{
    if (state == NULL) {
        void *memory =
            mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            abort();
        state = memory;
    }
    return state;
}

/* ---- what is watched ---- */

void faults_watch(const char *directory)
{
    (void)state_of();
    while (nlost > 0)
        syscall(SYS_close, lost[--nlost]);
    memset(tracked, 0, sizeof tracked);
    snprintf(root, sizeof root, "%s", directory);
}

bool faults__is_watched(const char *path)
{
    size_t length = strlen(root);
    return length > 0 && strncmp(path, root, length) == 0 &&
           (path[length] == '\0' || path[length] == '/');
}

bool faults__is_watched_at(int directory, const char *path)
{
    return path[0] == '/' || directory == AT_FDCWD ? faults__is_watched(path)
                                                   : faults__is_tracked(directory);
}

bool faults__is_tracked(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS_MAX && tracked[fd];
}

void faults__track(int fd, bool on)
{
    if (fd >= 0 && fd < DESCRIPTORS_MAX)
        tracked[fd] = on;
}

void faults__lose(int fd)
{
    struct statx status;
    if (nlost < LOST_MAX && statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &status) == 0 &&
        S_ISREG(status.stx_mode))
        lost[nlost++] = fcntl(fd, F_DUPFD_CLOEXEC, FAULTS_DESCRIPTORS);
}

bool faults_is_lost(const char *path)
{
    struct statx status, other;
    if (statx(AT_FDCWD, path, 0, STATX_INO, &status) != 0)
        return false;
    for (size_t i = 0; i < nlost; i++) {
        if (statx(lost[i], "", AT_EMPTY_PATH, STATX_INO, &other) == 0 &&
            other.stx_ino == status.stx_ino)
            return true;
    }
    return false;
}

/* ---- the plan ---- */

void faults_set(const faults_plan *plan)
{
    shared *of = state_of();
    of->armed = false;
    of->plan = plan == NULL ? (faults_plan){0} : *plan;
    of->count = 0;
    of->hit = false;
    of->what[0] = '\0';
    of->process = getpid();
}

void faults_arm(bool on)
{
    state_of()->armed = on;
}

uint64_t faults_count(void)
{
    return state_of()->count;
}

bool faults_hit(void)
{
    return state_of()->hit;
}

const char *faults_what(void)
{
    return state_of()->what;
}

static void describe(char out[NAME_MAX_BYTES], const char *name, const char *path, int fd)
{
    char link[64], target[NAME_MAX_BYTES] = "";
    if (path == NULL && fd >= 0) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        if (readlink(link, target, sizeof target - 1) < 0)
            target[0] = '\0';
        path = target;
    }
    snprintf(out, NAME_MAX_BYTES, "%s %.300s", name, path == NULL ? "" : path);
}

static void write_trace(uint64_t number, const char *what)
{
    char line[NAME_MAX_BYTES + 32];
    int size = snprintf(line, sizeof line, "%llu %s\n", (unsigned long long)number, what);
    long to = syscall(SYS_openat, AT_FDCWD, trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    syscall(SYS_write, to, line, (size_t)size);
    syscall(SYS_close, to);
}

/* A child's death is its parent's. */
static void die(const shared *of)
{
    kill(of->process, SIGKILL);
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* The process of the plan and its children; not its parent, which waits for it. */
static bool is_concerned(const shared *of)
{
    return getpid() == of->process || getppid() == of->process;
}

static bool is_due(unsigned class, const char *name, const char *path, int fd)
{
    shared *of = state;
    char what[NAME_MAX_BYTES];
    if (of == NULL || !of->armed || (of->plan.of & class) == 0 || !is_concerned(of))
        return false;
    uint64_t number = atomic_fetch_add(&of->count, 1) + 1;
    bool due = of->plan.kind != FAULTS_COUNT && number >= of->plan.nth &&
               (number == of->plan.nth || of->plan.for_good);
    if (trace == NULL && !due)
        return false;
    describe(what, name, path, fd);
    if (trace != NULL)
        write_trace(number, what);
    if (due && number == of->plan.nth)
        memcpy(of->what, what, sizeof what);
    if (due)
        of->hit = true;
    if (due && of->plan.kind == FAULTS_KILL)
        die(of);
    return due;
}

enum faults_verdict faults__file(const char *name, const char *path, int fd, bool is_write)
{
    if (state == NULL || (state->plan.kind == FAULTS_SHORT && !is_write) ||
        !is_due(FAULTS_OF_FILES, name, path, fd))
        return FAULTS_PASS;
    if (state->plan.kind == FAULTS_SHORT)
        return FAULTS_HALF;
    errno = state->plan.code;
    return state->plan.kind == FAULTS_LATE ? FAULTS_FAILS_LATE : FAULTS_FAILS;
}

enum faults_verdict faults__lmdb(const char *name, int *ret_code)
{
    if (!is_due(FAULTS_OF_LMDB, name, NULL, -1))
        return FAULTS_PASS;
    *ret_code = state->plan.code;
    return state->plan.kind == FAULTS_LATE ? FAULTS_FAILS_LATE : FAULTS_FAILS;
}

#ifdef __SANITIZE_ADDRESS__
/* The store is checked by a child at every open, and fork copies the table of every page. */
FAULTS_CALL const char *__asan_default_options(void);
FAULTS_CALL const char *__asan_default_options(void)
{
    return "quarantine_size_mb=1:thread_local_quarantine_size_kb=64";
}
#endif

/* ---- as a preloaded object ---- */

/* WEIR_FAULTS_ROOT: the directory to watch; WEIR_FAULTS_KILL: the number of the operation that
 * kills (0: none); WEIR_FAULTS_TRACE: a file to which every operation is appended, "<n> <what>". */
__attribute__((constructor)) static void set_up(void)
{
    const char *directory = getenv("WEIR_FAULTS_ROOT");
    const char *nth = getenv("WEIR_FAULTS_KILL");
    if (directory == NULL)
        return;
    faults_plan plan = {.of = FAULTS_OF_FILES | FAULTS_OF_LMDB};
    plan.nth = nth == NULL ? 0 : strtoull(nth, NULL, 10);
    plan.kind = plan.nth == 0 ? FAULTS_COUNT : FAULTS_KILL;
    trace = getenv("WEIR_FAULTS_TRACE");
    faults_watch(directory);
    faults_set(&plan);
    faults_arm(true);
}
