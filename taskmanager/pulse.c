#include "taskmanager/pulse.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct weir_pulse {
    _Atomic uint64_t beats; /* this and the pace are written by the runner, and so not trusted */
    _Atomic uint32_t pace;
    int64_t interval_ms; /* written by the agent, before there is a runner */
};

static int map(int fd, weir_pulse **ret, weir_error *err)
{
    void *page = mmap(NULL, sizeof **ret, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (page == MAP_FAILED)
        return weir_error_errno(err, errno, "the pulse of a task runner cannot be mapped");
    *ret = page;
    return 0;
}

int weir_pulse_new(int64_t interval_ms, weir_pulse **ret, int *ret_fd, weir_error *err)
{
    int fd = memfd_create("weir-pulse", MFD_CLOEXEC);

    if (fd < 0)
        return weir_error_errno(err, errno, "no memory for the pulse of a task runner");
    int rc = ftruncate(fd, sizeof **ret) == 0
                 ? 0
                 : weir_error_errno(err, errno, "no memory for the pulse of a task runner");
    if (rc == 0)
        rc = map(fd, ret, err);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    (*ret)->interval_ms = interval_ms;
    *ret_fd = fd;
    return 0;
}

/* A page that is shorter than it should be would be a SIGBUS later. */
int weir_pulse_open(int fd, weir_pulse **ret, weir_error *err)
{
    struct stat status;
    int rc;

    if (fstat(fd, &status) != 0)
        rc = weir_error_errno(err, errno, "this task runner has no pulse");
    else if (!S_ISREG(status.st_mode) || status.st_size != (off_t)sizeof **ret)
        rc = weir_error_set(err, WEIR_EINVALID, "this task runner's pulse is something else");
    else
        rc = map(fd, ret, err);
    close(fd);
    return rc;
}

void weir_pulse_close(weir_pulse **pulse)
{
    if (*pulse)
        munmap(*pulse, sizeof **pulse);
    *pulse = NULL;
}

void weir_pulse_beat(weir_pulse *pulse, uint32_t pace)
{
    atomic_store_explicit(&pulse->pace, pace, memory_order_relaxed);
    atomic_fetch_add_explicit(&pulse->beats, 1, memory_order_release);
}

uint64_t weir_pulse_beats(const weir_pulse *pulse)
{
    return atomic_load_explicit(&pulse->beats, memory_order_acquire);
}

uint32_t weir_pulse_pace(const weir_pulse *pulse)
{
    uint32_t pace = atomic_load_explicit(&pulse->pace, memory_order_relaxed);

    return pace == 0 ? 1 : pace < WEIR_PULSE_PACE_MAX ? pace : WEIR_PULSE_PACE_MAX;
}

int64_t weir_pulse_interval_ms(const weir_pulse *pulse)
{
    return pulse->interval_ms;
}
