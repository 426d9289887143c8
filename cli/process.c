#include "cli/process.h"

#include "base/buffer.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { READY_FD = 3, PROC_FILE_MAX = 4096 };

/* Signals as a program expects them, whatever ours are. */
static int set_signals(posix_spawnattr_t *attributes)
{
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    int rc = posix_spawnattr_setsigmask(attributes, &none);
    return rc != 0 ? rc : posix_spawnattr_setsigdefault(attributes, &all);
}

static int wait_for(pid_t pid, int *ret_status, weir_error *err)
{
    while (waitpid(pid, ret_status, 0) < 0)
        if (errno != EINTR)
            return weir_error_errno(err, errno, "a process cannot be waited for");
    return 0;
}

int weir_process_call(const char *path, const char *const *argv, int *ret_status, weir_error *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid;
    int rc = posix_spawn_file_actions_init(&actions);

    if (rc != 0)
        return weir_error_errno(err, rc, "cannot be started");
    rc = posix_spawnattr_init(&attributes);
    if (rc == 0) {
        rc = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
        if (rc == 0)
            rc = set_signals(&attributes);
        if (rc == 0)
            rc = posix_spawnattr_setflags(&attributes,
                                          POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        if (rc == 0)
            rc = posix_spawn(&pid, path, &actions, &attributes, (char *const *)(uintptr_t)argv,
                             environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    if (rc != 0)
        return weir_error_errno(err, rc, "cannot be started");
    return wait_for(pid, ret_status, err);
}

static int set_files(posix_spawn_file_actions_t *actions, const weir_process_spawn *spawn)
{
    int rc = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, spawn->log_path,
                                              O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO, STDERR_FILENO);
    /* To itself, dup2 takes close-on-exec away. */
    if (rc == 0 && spawn->ready_fd >= 0)
        rc = posix_spawn_file_actions_adddup2(actions, spawn->ready_fd, READY_FD);
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(actions, spawn->ready_fd >= 0 ? READY_FD + 1
                                                                                    : READY_FD);
    return rc;
}

int weir_process_spawn_daemon(const weir_process_spawn *spawn, pid_t *ret_pid, weir_error *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int rc = posix_spawn_file_actions_init(&actions);

    if (rc != 0)
        return weir_error_errno(err, rc, "%s: cannot be started", spawn->path);
    rc = posix_spawnattr_init(&attributes);
    if (rc == 0) {
        rc = set_files(&actions, spawn);
        if (rc == 0)
            rc = set_signals(&attributes);
        if (rc == 0)
            rc = posix_spawnattr_setflags(
                &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
        if (rc == 0)
            rc = posix_spawn(ret_pid, spawn->path, &actions, &attributes,
                             (char *const *)(uintptr_t)spawn->argv, spawn->environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return rc == 0 ? 0
                   : weir_error_errno(err, rc, "%s: cannot be started (log %s)", spawn->path,
                                      spawn->log_path);
}

static bool read_proc(pid_t pid, const char *name, char *out, size_t size)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, out, size - 1);
    close(fd);
    if (length <= 0)
        return false;
    out[length] = '\0';
    return true;
}

uint64_t weir_process_started(pid_t pid)
{
    char text[PROC_FILE_MAX];

    if (pid <= 0 || !read_proc(pid, "stat", text, sizeof text))
        return 0;
    /* The name in parentheses may hold anything; what follows it is fields 3 and up. */
    const char *at = strrchr(text, ')');
    if (at == NULL || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X')
        return 0;
    at += 2;
    for (int field = 3; field < 22; field++) {
        at = strchr(at, ' ');
        if (at == NULL)
            return 0;
        at++;
    }
    return strtoull(at, NULL, 10);
}

int weir_process_open(pid_t pid, uint64_t started)
{
    if (pid <= 0)
        return -1;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return -1;
    /* Looked at after it was opened: the number cannot change hands in between. */
    if (weir_process_started(pid) == started)
        return fd;
    close(fd);
    return -1;
}

uint64_t weir_process_resident(pid_t pid)
{
    char text[PROC_FILE_MAX];
    unsigned long long total, resident;

    if (pid <= 0 || !read_proc(pid, "statm", text, sizeof text) ||
        sscanf(text, "%llu %llu", &total, &resident) != 2)
        return 0;
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
