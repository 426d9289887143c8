#include "base/log_roll.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SUFFIX_MAX = 16 };

/* Process-wide by contract: one process, one log. Set before threads start. */
static char roll_path[PATH_MAX];
static uint64_t roll_max; /* 0: it does not roll */
static uint32_t roll_kept;
static _Atomic uint64_t roll_written;
static pthread_mutex_t roll_lock = PTHREAD_MUTEX_INITIALIZER;

/* Stdout and stderr lead to it from one moment to the next. */
static int open_file(int extra_flags, struct stat *ret_status)
{
    int fd = open(roll_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | extra_flags, 0644);
    if (fd < 0)
        return -1;
    bool failed =
        fstat(fd, ret_status) != 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0;
    int saved = errno;
    if (fd > STDERR_FILENO)
        close(fd);
    errno = saved;
    return failed ? -1 : 0;
}

int weir_log_roll_start(const char *path, uint64_t size_max, uint32_t kept, weir_error *err)
{
    struct stat status;
    if (strlen(path) + SUFFIX_MAX > sizeof roll_path)
        return weir_error_set(err, WEIR_ETOO_LARGE, "%s: path too long", path);
    snprintf(roll_path, sizeof roll_path, "%s", path);
    if (open_file(0, &status) != 0)
        return weir_error_errno(err, errno, "%s: cannot be opened for the log", path);
    roll_kept = kept;
    roll_max = size_max;
    atomic_store(&roll_written, (uint64_t)status.st_size);
    return 0;
}

static void name_old(uint32_t number, char out[PATH_MAX + SUFFIX_MAX])
{
    if (number == 0)
        snprintf(out, PATH_MAX + SUFFIX_MAX, "%s", roll_path);
    else
        snprintf(out, PATH_MAX + SUFFIX_MAX, "%s.%u", roll_path, number);
}

static void roll(void)
{
    char from[PATH_MAX + SUFFIX_MAX], to[PATH_MAX + SUFFIX_MAX];
    struct stat status;
    for (uint32_t i = roll_kept; i > 0; i--) {
        name_old(i - 1, from);
        name_old(i, to);
        (void)rename(from, to); /* one that is not there is fine */
    }
    (void)open_file(roll_kept == 0 ? O_TRUNC : 0, &status);
}

void weir_log_roll_count(size_t written)
{
    if (roll_max == 0 ||
        atomic_fetch_add_explicit(&roll_written, written, memory_order_relaxed) + written <
            roll_max)
        return;
    int saved = errno;
    pthread_mutex_lock(&roll_lock);
    if (atomic_load(&roll_written) >= roll_max) { /* another thread has not done it meanwhile */
        roll();
        atomic_store(&roll_written, 0);
    }
    pthread_mutex_unlock(&roll_lock);
    errno = saved;
}
