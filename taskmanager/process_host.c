#include "taskmanager/process_host.h"

#include "base/file.h"
#include "base/id.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/text.h"
#include "proto/codec.h"
#include "taskmanager/artifact_cache.h"
#include "taskmanager/crash.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_TAIL 4096 /* of a crashed runner, told with its end */

extern char **environ;

typedef struct child {
    weir_process_host *host;
    char job[33];
    char log_path[4096];
    pid_t pid;
    int pid_fd, pipe_fd; /* the runner lives as long as pipe_fd is open */
} child;

struct weir_process_host {
    weir_agent_host vtable;
    weir_reactor *reactor;
    void *agent;
    char *log_path, *log_directory, *artifact_directory;
    char executable[4096];
    weir_map *children; /* by job */
};

static weir_process_host *of(weir_agent_host *self)
{
    return (weir_process_host *)self;
}

/* ---- artifacts and logs ---- */

static int find_artifact(weir_agent_host *self, const char *digest, char *path, size_t size)
{
    return weir_artifact_cache_find(of(self)->artifact_directory, digest, path, size);
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

/* ---- ends ---- */

static void free_child(void *value)
{
    child *c = value;

    if (c->pid_fd >= 0)
        close(c->pid_fd);
    if (c->pipe_fd >= 0)
        close(c->pipe_fd);
    weir_free(c);
}

/* What the crash handler wrote, or what the exit itself says. */
static void describe_end(const siginfo_t *info, const weir_buffer *log, char *out, size_t size)
{
    const char *mark = NULL;

    for (const char *at = weir_buffer_text(log); (at = strstr(at, WEIR_CRASH_MARK));
         at += strlen(WEIR_CRASH_MARK))
        mark = at + strlen(WEIR_CRASH_MARK);
    if (info->si_code == CLD_EXITED && info->si_status == 0)
        snprintf(out, size, "%s", "");
    else if (mark)
        snprintf(out, size, "%.*s", (int)strcspn(mark, "\n"), mark);
    else if (info->si_code == CLD_EXITED)
        snprintf(out, size, "ended with exit code %d", info->si_status);
    else if (info->si_status == SIGKILL)
        snprintf(out, size, "was killed by SIGKILL, by hand or by the system when memory ran out");
    else
        snprintf(out, size, "was killed by signal %d", info->si_status);
}

static void on_child_ended(void *data)
{
    child *c = data;
    weir_process_host *self = c->host;
    siginfo_t info = {0};
    weir_buffer log = WEIR_BUFFER_INIT;
    char reason[1024];

    if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
        return;
    weir_reactor_unwatch(self->reactor, c->pid_fd);
    if (weir_file_tail(c->log_path, LOG_TAIL, &log, NULL) < 0)
        weir_buffer_clear(&log);
    if (log.data)
        weir_text_clean_bytes((char *)log.data, log.size); /* whatever the job printed */
    describe_end(&info, &log, reason, sizeof reason);
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
    weir_buffer_deinit(&packed);
    return rc;
}

/* stdin: the pipe; stdout and stderr: the runner's log; a clean signal mask. */
static int start_process(weir_process_host *self, child *c, int pipe_read, weir_error *err)
{
    char job[48];
    char *arguments[] = {self->executable, (char *)"runner", job, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, usual;

    snprintf(job, sizeof job, "--job=%s", c->job);
    sigemptyset(&none);
    sigfillset(&usual);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, pipe_read, 0);
    posix_spawn_file_actions_addopen(&files, 1, c->log_path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    posix_spawn_file_actions_adddup2(&files, 1, 2);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int failed = posix_spawn(&c->pid, self->executable, &files, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
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
    rc = send_spec(c->pipe_fd, spec, err);
    if (rc == 0 && (rc = weir_reactor_watch(self->reactor, c->pid_fd, on_child_ended, c)) < 0)
        weir_error_set(err, rc, "a task runner cannot be watched");
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
        if (c->pid_fd >= 0)
            weir_reactor_unwatch(self->reactor, c->pid_fd);
        if (c->pid > 0) {
            kill(c->pid, SIGKILL);
            waitpid(c->pid, NULL, 0);
        }
        free_child(c);
    }
    return rc;
}

/* ---- construction ---- */

int weir_process_host_new(weir_reactor *reactor, const char *log_path, const char *log_directory,
                          const char *artifact_directory, weir_process_host **ret, weir_error *err)
{
    weir_process_host *self = weir_calloc(1, sizeof *self);

    if (!self)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the agent");
    self->vtable = (weir_agent_host){find_artifact, store_artifact, spawn, kill_runner, read_log};
    self->reactor = reactor;
    self->log_path = weir_strdup(log_path);
    self->log_directory = weir_strdup(log_directory);
    self->artifact_directory = weir_strdup(artifact_directory);
    self->children = weir_map_new(free_child);
    ssize_t n = readlink("/proc/self/exe", self->executable, sizeof self->executable - 1);
    if (n < 0 || !self->log_path || !self->log_directory || !self->artifact_directory ||
        !self->children) {
        weir_process_host_destroy(&self);
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the agent");
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
    while (self->children && weir_map_next(self->children, &cursor, &job, &value)) {
        child *c = value;
        weir_reactor_unwatch(self->reactor, c->pid_fd);
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
