#include "taskmanager/process_host.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/text.h"
#include "proto/codec.h"
#include "taskmanager/artifact_cache.h"
#include "taskmanager/crash.h"
#include "taskmanager/old_files.h"
#include "taskmanager/own_directory.h"
#include "taskmanager/pulse.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_TAIL        4096 /* of a crashed runner, told with its end */
#define LOGS_SLACK      8    /* ended runners are one in so many over the limit before logs go */
#define ARTIFACTS_SPARE 16   /* artifacts that no job uses, but perhaps the next one */
#define ENDS_AT_ONCE    32   /* of runners, before others have their turn */
#define LOOKS           2    /* at a runner's pulse, in heartbeat.timeout */

extern char **environ;

typedef struct child {
    weir_process_host *host;
    char job[33];
    char log_path[4096];
    pid_t pid;
    int pid_fd, pipe_fd; /* the runner lives as long as pipe_fd is open */
    weir_pulse *pulse;
    uint64_t beats;  /* when last looked at; 0: it has not begun */
    uint32_t missed; /* looks in a row without a beat */
    bool is_silent;  /* and is killed for it */
} child;

struct weir_process_host {
    weir_agent_host vtable;
    weir_reactor *reactor;
    void *agent;
    const weir_config *config;
    char *log_path, *log_directory, *artifact_directory;
    int directory_lock; /* -1: none */
    int ends;           /* epoll: of all children, so that the reactor polls one; -1: none */
    char executable[4096];
    weir_map *children; /* by job */
    size_t ended;       /* runners, since logs were last looked through */
};

static weir_process_host *of(weir_agent_host *self)
{
    return (weir_process_host *)self;
}

/* ---- artifacts and logs ---- */

static int find_artifact(weir_agent_host *self, const char *digest, char *path, size_t size)
{
    int rc = weir_artifact_cache_find(of(self)->artifact_directory, digest, path, size);

    if (rc == 0)
        (void)utimensat(AT_FDCWD, path, NULL, 0); /* its age is the time since its last use */
    return rc;
}

static int store_artifact(weir_agent_host *self, const char *digest, uint64_t offset,
                          const void *bytes, size_t size, uint64_t total, weir_error *err)
{
    return weir_artifact_cache_store(of(self)->artifact_directory, digest, offset, bytes, size,
                                     total, err);
}

static int runner_log_path(const weir_process_host *self, const char *job, char *path, size_t size)
{
    int n = snprintf(path, size, "%s/runner-%s-%d.log", self->log_directory, job, (int)getpid());

    return n < 0 || (size_t)n >= size ? WEIR_ETOO_LARGE : 0;
}

static int read_log(weir_agent_host *self, const char *job, size_t max, weir_buffer *out,
                    weir_error *err)
{
    char path[4096];
    weir_id checked;

    if (!*job || weir_id_parse(job, &checked) < 0)
        return weir_file_tail(of(self)->log_path, max, out, err);
    if (runner_log_path(of(self), job, path, sizeof path) < 0)
        return weir_error_set(err, WEIR_ETOO_LARGE, "the log directory's name is too long");
    return weir_file_tail(path, max, out, err);
}

static int64_t limit_of_count(const weir_process_host *self)
{
    return weir_config_int(self->config, "jobstore.max-capacity");
}

static void remove_logs(weir_process_host *self)
{
    weir_old_files logs = {
        .directory = self->log_directory,
        .prefix = "runner-",
        .suffix = ".log",
        .are_locked = true,
        .age_max_ms = weir_config_duration_ms(self->config, "jobstore.expiration-time"),
        .count_max = (size_t)limit_of_count(self),
    };
    weir_error error = WEIR_ERROR_INIT;
    size_t removed;

    self->ended = 0;
    if (weir_old_files_remove(&logs, weir_clock_wall_ms(), &removed, &error) < 0)
        weir_log_warn("logs of ended task runners cannot be removed: %s", error.text);
}

static void sweep(weir_agent_host *vtable, bool (*is_used)(void *data, const char *digest),
                  void *data)
{
    weir_process_host *self = of(vtable);
    weir_old_files artifacts = {
        .directory = self->artifact_directory,
        .prefix = "",
        .suffix = ".so",
        .is_used = is_used,
        .data = data,
        .age_max_ms = weir_config_duration_ms(self->config, "blob.service.cleanup.interval"),
        .count_max = ARTIFACTS_SPARE,
    };
    weir_error error = WEIR_ERROR_INIT;
    size_t removed;
    int rc = weir_old_files_remove(&artifacts, weir_clock_wall_ms(), &removed, &error);

    if (rc == 0) { /* what is on its way is written to again and again */
        artifacts.suffix = ".part";
        artifacts.is_used = NULL;
        rc = weir_old_files_remove(&artifacts, weir_clock_wall_ms(), &removed, &error);
    }
    if (rc < 0)
        weir_log_warn("unused artifacts cannot be removed: %s", error.text);
    remove_logs(self);
}

/* ---- ends ---- */

static void free_child(void *value)
{
    child *c = value;

    if (c->pid_fd >= 0)
        close(c->pid_fd);
    if (c->pipe_fd >= 0)
        close(c->pipe_fd);
    weir_pulse_close(&c->pulse);
    weir_free(c);
}

/* What the crash handler wrote, or what the exit itself says. */
static void describe_end(const child *c, const siginfo_t *info, const weir_buffer *log, char *out,
                         size_t size)
{
    const char *mark = NULL;

    for (const char *at = weir_buffer_text(log); (at = strstr(at, WEIR_CRASH_MARK));
         at += strlen(WEIR_CRASH_MARK))
        mark = at + strlen(WEIR_CRASH_MARK);
    if (info->si_code == CLD_EXITED && info->si_status == 0)
        snprintf(out, size, "%s", "");
    else if (c->is_silent)
        snprintf(out, size,
                 "gave no sign of life for heartbeat.timeout and was killed; something stopped it, "
                 "or blocks its control thread");
    else if (mark)
        snprintf(out, size, "%.*s", (int)strcspn(mark, "\n"), mark);
    else if (info->si_code == CLD_EXITED)
        snprintf(out, size, "ended with exit code %d", info->si_status);
    else if (info->si_status == SIGKILL)
        snprintf(out, size, "was killed by SIGKILL, by hand or by the system when memory ran out");
    else
        snprintf(out, size, "was killed by signal %d", info->si_status);
}

static void on_child_ended(weir_process_host *self, child *c)
{
    siginfo_t info = {0};
    weir_buffer log = WEIR_BUFFER_INIT;
    char reason[1024];

    if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
        return;
    if (weir_file_tail(c->log_path, LOG_TAIL, &log, NULL) < 0)
        weir_buffer_clear(&log);
    if (log.data)
        weir_text_clean_bytes((char *)log.data, log.size); /* whatever the job printed */
    describe_end(c, &info, &log, reason, sizeof reason);
    weir_text_clean(reason);
    weir_runner_exit end = {
        .job = c->job,
        .exit_code = info.si_code == CLD_EXITED ? info.si_status : 0,
        .signal = info.si_code == CLD_EXITED ? 0 : info.si_status,
        .reason = reason,
        .log = *reason ? weir_buffer_text(&log) : "",
    };
    weir_context *context = weir_node_context(weir_reactor_node(self->reactor), WEIR_AGENT_ACTOR);
    if (context)
        weir_agent_on_exit(self->agent, context, &end);
    weir_buffer_deinit(&log);
    weir_map_remove(self->children, c->job);
    if (++self->ended > (size_t)limit_of_count(self) / LOGS_SLACK)
        remove_logs(self);
}

/* Each event is of another child, and handling one frees no other. */
static void on_ends(void *data)
{
    weir_process_host *self = data;
    struct epoll_event events[ENDS_AT_ONCE];
    int count = epoll_wait(self->ends, events, ENDS_AT_ONCE, 0);

    for (int i = 0; i < count; i++)
        on_child_ended(self, events[i].data.ptr);
}

static int64_t look_interval_ms(const weir_process_host *self)
{
    return weir_config_duration_ms(self->config, "heartbeat.timeout") / LOOKS;
}

/* A look that comes late, because this process was stopped, too, counts once. */
static int64_t look_after(weir_agent_host *vtable)
{
    weir_process_host *self = of(vtable);
    size_t cursor = 0;
    const char *job;
    void *value;

    while (weir_map_next(self->children, &cursor, &job, &value)) {
        child *c = value;
        uint64_t beats = weir_pulse_beats(c->pulse);
        c->missed = beats == c->beats && beats > 0 ? c->missed + 1 : 0;
        c->beats = beats;
        if (c->missed < LOOKS * weir_pulse_pace(c->pulse) || c->is_silent)
            continue;
        c->is_silent = true;
        kill(c->pid, SIGKILL);
    }
    return look_interval_ms(self);
}

static void kill_runner(weir_agent_host *self, const char *job)
{
    child *c = weir_map_get(of(self)->children, job);

    if (c)
        kill(c->pid, SIGKILL); /* its end is noticed like any other */
}

/* ---- starting ---- */

static int send_spec(int fd, const Weir__Proto__RunnerSpec *spec, weir_error *err)
{
    weir_buffer packed = WEIR_BUFFER_INIT;
    uint32_t size;
    int rc = weir_proto_pack(&spec->base, &packed);

    if (rc == 0) {
        size = (uint32_t)packed.size;
        rc = weir_file_write_all(fd, &size, sizeof size, err);
    }
    if (rc == 0)
        rc = weir_file_write_all(fd, packed.data, packed.size, err);
    if (packed.data)
        explicit_bzero(packed.data, packed.capacity); /* the job's key is in it */
    weir_buffer_deinit(&packed);
    return rc;
}

/* The lock belongs to the open file, and so to the runner once it has inherited it. */
static int open_log(const child *c, weir_error *err)
{
    int fd = open(c->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    if (fd < 0)
        return weir_error_errno(err, errno, "%s", c->log_path);
    /* Only a TaskManager that looks whether it is locked can have it, for a moment. Where there are
     * no locks, logs go by age and count. */
    while (flock(fd, LOCK_EX) != 0 && errno == EINTR)
        continue;
    return fd;
}

/* stdin: the pipe; stdout and stderr: the runner's log; a clean signal mask. */
static int start_process(weir_process_host *self, child *c, int pipe_read, weir_error *err)
{
    char job[48];
    char *arguments[] = {self->executable, (char *)"runner", job, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    int pulse, log = open_log(c, err);

    if (log < 0)
        return log;
    int rc = weir_pulse_new(look_interval_ms(self), &c->pulse, &pulse, err);
    if (rc < 0) {
        close(log);
        return rc;
    }
    snprintf(job, sizeof job, "--job=%s", c->job);
    sigemptyset(&none);
    sigfillset(&usual);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, pipe_read, 0);
    posix_spawn_file_actions_adddup2(&files, log, 1);
    posix_spawn_file_actions_adddup2(&files, log, 2);
    posix_spawn_file_actions_adddup2(&files, pulse, WEIR_PULSE_FD);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int failed = posix_spawn(&c->pid, self->executable, &files, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    close(log);
    close(pulse);
    if (failed)
        return weir_error_errno(err, failed, "%s", self->executable);
    return 0;
}

static int start_child(weir_process_host *self, child *c, const Weir__Proto__RunnerSpec *spec,
                       weir_error *err)
{
    int pipes[2];

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return weir_error_errno(err, errno, "no pipe for a task runner");
    c->pipe_fd = pipes[1];
    int rc = start_process(self, c, pipes[0], err);
    close(pipes[0]);
    if (rc < 0)
        return rc;
    c->pid_fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
    if (c->pid_fd < 0)
        return weir_error_errno(err, errno, "a task runner cannot be watched");
    struct epoll_event end = {.events = EPOLLIN, .data.ptr = c};
    rc = send_spec(c->pipe_fd, spec, err);
    if (rc == 0 && epoll_ctl(self->ends, EPOLL_CTL_ADD, c->pid_fd, &end) != 0)
        rc = weir_error_errno(err, errno, "a task runner cannot be watched");
    return rc;
}

static int spawn(weir_agent_host *vtable, const Weir__Proto__RunnerSpec *spec, weir_error *err)
{
    weir_process_host *self = of(vtable);
    child *c = weir_calloc(1, sizeof *c);

    if (!c)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory");
    c->host = self;
    c->pid_fd = c->pipe_fd = -1;
    snprintf(c->job, sizeof c->job, "%s", spec->job);
    int rc = runner_log_path(self, spec->job, c->log_path, sizeof c->log_path);
    if (rc < 0)
        weir_error_set(err, rc, "the log directory's name is too long");
    if (rc == 0)
        rc = start_child(self, c, spec, err);
    if (rc == 0 && (rc = weir_map_put(self->children, c->job, c)) < 0)
        weir_error_set(err, rc, "no memory");
    if (rc < 0) {
        if (c->pid > 0) {
            kill(c->pid, SIGKILL);
            waitpid(c->pid, NULL, 0);
        }
        free_child(c);
    }
    return rc;
}

/* ---- construction ---- */

static int watch_ends(weir_process_host *self, weir_error *err)
{
    self->ends = epoll_create1(EPOLL_CLOEXEC);
    if (self->ends < 0)
        return weir_error_errno(err, errno, "task runners cannot be watched");
    int rc = weir_reactor_watch(self->reactor, self->ends, on_ends, self);
    return rc < 0 ? weir_error_set(err, rc, "task runners cannot be watched") : 0;
}

int weir_process_host_new(weir_reactor *reactor, const weir_process_host_config *config,
                          weir_process_host **ret, weir_error *err)
{
    weir_process_host *self = weir_calloc(1, sizeof *self);

    if (!self)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the agent");
    self->vtable = (weir_agent_host){find_artifact, store_artifact, spawn,     kill_runner,
                                     read_log,      sweep,          look_after};
    self->reactor = reactor;
    self->config = config->config;
    self->log_path = weir_strdup(config->log_path);
    self->log_directory = weir_strdup(config->log_directory);
    self->artifact_directory = weir_strdup(config->artifact_directory);
    self->directory_lock = self->ends = -1;
    self->children = weir_map_new(free_child);
    ssize_t n = readlink("/proc/self/exe", self->executable, sizeof self->executable - 1);
    int rc = 0;
    if (n < 0 || !self->log_path || !self->log_directory || !self->artifact_directory ||
        !self->children)
        rc = weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the agent");
    if (rc == 0)
        rc = weir_own_directory_take(self->artifact_directory, &self->directory_lock, err);
    if (rc == 0)
        rc = watch_ends(self, err);
    if (rc < 0) {
        weir_process_host_destroy(&self);
        return rc;
    }
    *ret = self;
    return 0;
}

void weir_process_host_destroy(weir_process_host **host)
{
    weir_process_host *self = *host;
    size_t cursor = 0;
    const char *job;
    void *value;

    if (!self)
        return;
    if (self->directory_lock >= 0)
        close(self->directory_lock);
    if (self->ends >= 0) {
        weir_reactor_unwatch(self->reactor, self->ends);
        close(self->ends);
    }
    while (self->children && weir_map_next(self->children, &cursor, &job, &value)) {
        child *c = value;
        kill(c->pid, SIGKILL);
        waitpid(c->pid, NULL, 0);
    }
    weir_map_destroy(&self->children);
    weir_free(self->log_path);
    weir_free(self->log_directory);
    weir_free(self->artifact_directory);
    weir_free(self);
    *host = NULL;
}

weir_agent_host *weir_process_host_vtable(weir_process_host *host)
{
    return &host->vtable;
}

void weir_process_host_attach(weir_process_host *host, void *agent)
{
    host->agent = agent;
}
