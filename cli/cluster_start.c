/* cli/cluster_start.c -- `weir cluster start`. The dispatcher goes first, because the others need
 * its endpoint; then all others at once. Each writes a line into a pipe when it is ready, and the
 * pipe's end says that it died: nobody asks again and again. */
#include "cli/verbs.h"

#include "actors/endpoint.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/cluster_members.h"
#include "cli/home.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/process.h"
#include "cli/progress.h"
#include "cli/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TASKMANAGERS_MAX = WEIR_MEMBERS_MAX - 2, LOG_SHOWN = 4096, LOG_LINES = 10 };

typedef struct starting {
    char name[64];
    pid_t pid;
    int fd; /* of its ready line; -1: it came */
    char line[512];
    size_t length;
} starting;

typedef struct cluster_start {
    const weir_arguments *arguments;
    weir_config *config;
    weir_cluster_directory directory;
    char executable[PATH_MAX], config_path[PATH_MAX], endpoint[WEIR_ENDPOINT_MAX];
    char **environment;
    int64_t deadline_ms;
    starting *processes;
    size_t count;
} cluster_start;

/* ---- what the processes get ---- */

static int set_default(weir_config *config, const char *key, const char *value, weir_error *err)
{
    if (weir_config_is_set(config, key))
        return 0;
    return weir_config_set(config, key, value, "weir cluster start", err);
}

static int prepare_config(cluster_start *self, weir_error *err)
{
    int rc = weir_config_set(self->config, "cluster.directory", self->directory.path,
                             "weir cluster start", err);
    /* Nobody looks for a JobManager at a certain port; any keeps clusters out of each other's way.
     */
    if (rc == 0)
        rc = set_default(self->config, "jobmanager.rpc.port", "0", err);
    if (rc == 0)
        rc = weir_cluster_directory_store(&self->directory, self->config, err);
    return rc;
}

/* Ours without the configuration in it, which is in the file already. */
static int copy_environment(cluster_start *self, weir_error *err)
{
    size_t count = 0, end = 0;

    while (environ[count] != NULL)
        count++;
    self->environment = weir_calloc(count + 1, sizeof *self->environment);
    if (self->environment == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory to start a cluster");
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "WEIR_CONF", strlen("WEIR_CONF")) != 0)
            self->environment[end++] = environ[i];
    return 0;
}

/* ---- one process ---- */

static int spawn(cluster_start *self, const char *role, int number, weir_error *err)
{
    starting *process = &self->processes[self->count];
    char log[PATH_MAX], text[16];
    int ends[2];

    snprintf(process->name, sizeof process->name, strcmp(role, "taskmanager") == 0 ? "%s-%d" : "%s",
             role, number);
    snprintf(text, sizeof text, "%d", number);
    int rc = weir_cluster_directory_file(&self->directory, "log", process->name, ".log", log, err);
    if (rc != 0)
        return rc;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return weir_error_errno(err, errno, "%s: no pipe", process->name);
    const char *argv[] = {
        self->executable, role, "--config",     self->config_path, "--log", log, "--number", text,
        "--ready-fd",     "3",  "--dispatcher", self->endpoint,    NULL};
    if (self->endpoint[0] == '\0')
        argv[WEIR_COUNT(argv) - 3] = NULL;
    weir_process_spawn how = {self->executable, argv, self->environment, log, ends[1]};
    rc = weir_process_spawn_daemon(&how, &process->pid, err);
    close(ends[1]);
    if (rc != 0) {
        close(ends[0]);
        return rc;
    }
    process->fd = ends[0];
    self->count++;
    return weir_cluster_directory_enter(&self->directory, process->name, process->pid, err);
}

/* The last lines of its log, on stderr, and what became of it. */
static int fail_process(const cluster_start *self, const starting *process, bool died,
                        weir_error *err)
{
    char path[PATH_MAX];
    weir_buffer log = WEIR_BUFFER_INIT;
    int rc = weir_cluster_directory_file(&self->directory, "log", process->name, ".log", path, err);

    if (rc != 0)
        return rc;
    if (weir_file_tail(path, LOG_SHOWN, &log, NULL) == 0 && log.size > 0) {
        size_t lines = 0, at = log.size - 1;

        while (at > 0 && (log.data[at - 1] != '\n' || ++lines < LOG_LINES))
            at--;
        fprintf(stderr, "==> %s <==\n%.*s", path, (int)(log.size - at),
                (const char *)log.data + at);
    }
    weir_buffer_deinit(&log);
    return weir_error_set(err, died ? WEIR_EIO : WEIR_ETIMEOUT,
                          "%s %s; the cluster was not started; see %s", process->name,
                          died ? "ended while it started"
                               : "was not ready in time (cluster.registration.timeout)",
                          path);
}

/* Reads what is there of the line; the line's end closes the pipe here. */
static int hear(const cluster_start *self, starting *process, weir_error *err)
{
    ssize_t count = read(process->fd, process->line + process->length,
                         sizeof process->line - 1 - process->length);

    if (count < 0 && errno == EINTR)
        return 0;
    if (count <= 0)
        return fail_process(self, process, true, err);
    process->length += (size_t)count;
    process->line[process->length] = '\0';
    char *end = strchr(process->line, '\n');
    if (end == NULL)
        return 0;
    *end = '\0';
    close(process->fd);
    process->fd = -1;
    return 0;
}

static int wait_ready(cluster_start *self, weir_error *err)
{
    struct pollfd items[WEIR_MEMBERS_MAX];
    size_t owners[WEIR_MEMBERS_MAX];

    for (;;) {
        size_t waiting = 0;
        int64_t left = self->deadline_ms - weir_clock_monotonic_ms();

        for (size_t i = 0; i < self->count; i++) {
            if (self->processes[i].fd < 0)
                continue;
            owners[waiting] = i;
            items[waiting++] = (struct pollfd){.fd = self->processes[i].fd, .events = POLLIN};
        }
        if (waiting == 0)
            return 0;
        if (left <= 0)
            return fail_process(self, &self->processes[owners[0]], false, err);
        if (poll(items, (nfds_t)waiting, (int)left) < 0 && errno != EINTR)
            return weir_error_errno(err, errno, "the processes cannot be waited for");
        for (size_t i = 0; i < waiting; i++) {
            int rc = items[i].revents == 0 ? 0 : hear(self, &self->processes[owners[i]], err);
            if (rc != 0)
                return rc;
        }
    }
}

/* ---- the cluster ---- */

/* Where clients and the other processes find the dispatcher: its configured address and the port
 * that it really got. Its key, which may follow, they look for where they trust. */
static int take_endpoint(cluster_start *self, weir_error *err)
{
    char port[8], host[WEIR_ENDPOINT_MAX - 8];
    const char *colon = strrchr(self->processes[0].line, ':');

    if (colon == NULL)
        return weir_error_set(err, WEIR_EINTERNAL, "the dispatcher's endpoint is '%.100s'",
                              self->processes[0].line);
    snprintf(port, sizeof port, "%.*s", (int)strcspn(colon + 1, "#"), colon + 1);
    weir_endpoint_of_host(weir_config_string(self->config, "dispatcher.rpc.address"), 0, host,
                          sizeof host);
    snprintf(self->endpoint, sizeof self->endpoint, "%s:%s", host, port);
    int rc = weir_config_set(self->config, "dispatcher.rpc.port", port, "weir cluster start", err);
    return rc == 0 ? weir_cluster_directory_store(&self->directory, self->config, err) : rc;
}

static int start_all(cluster_start *self, int taskmanagers, weir_error *err)
{
    int rc = spawn(self, "dispatcher", 1, err);

    if (rc == 0)
        rc = wait_ready(self, err);
    if (rc == 0)
        rc = take_endpoint(self, err);
    if (rc == 0)
        rc = spawn(self, "jobmanager", 1, err);
    for (int i = 1; rc == 0 && i <= taskmanagers; i++)
        rc = spawn(self, "taskmanager", i, err);
    return rc == 0 ? wait_ready(self, err) : rc;
}

/* What was started is stopped again. */
static void give_up(cluster_start *self)
{
    weir_members_list members;

    if (weir_cluster_directory_members(&self->directory, true, &members, NULL) == 0) {
        size_t living = weir_members_kill(&members);
        if (living > 0)
            weir_message("weir: error: %zu processes could not be stopped", living);
        weir_members_close(&members);
    }
    for (size_t i = 0; i < self->count; i++)
        weir_cluster_directory_leave(&self->directory, self->processes[i].name);
}

static int check_none_runs(cluster_start *self, weir_error *err)
{
    weir_members_list members;
    char text[1024];
    int rc = weir_cluster_directory_members(&self->directory, true, &members, err);

    if (rc == 0 && members.count > 0)
        rc = weir_error_set(err, WEIR_EEXISTS,
                            "%s: a cluster runs here already: %s; stop it with: weir cluster stop "
                            "--dir %s; or take another --dir; a process that it lacks is started "
                            "alone, jobs go on: weir dispatcher|jobmanager|taskmanager --config "
                            "%s/weir.yaml",
                            self->directory.path, weir_members_text(&members, text, sizeof text),
                            self->directory.path, self->directory.path);
    weir_members_close(&members);
    return rc;
}

static int keep_context(const cluster_start *self, weir_error *err)
{
    weir_cluster_context context = {.endpoint = ""};

    snprintf(context.endpoint, sizeof context.endpoint, "%s", self->endpoint);
    snprintf(context.directory, sizeof context.directory, "%s", self->directory.path);
    snprintf(context.cluster, sizeof context.cluster, "%.95s",
             weir_config_string(self->config, "cluster.id"));
    return weir_cluster_context_store(&context, err);
}

static int tell(const cluster_start *self, int format)
{
    static const char *const headings[] = {"PROCESS", ">PID", "ADDRESS"};
    json_t *list = format == 1 ? json_array() : NULL;
    weir_table *table = format == 0 ? weir_table_new(headings, WEIR_COUNT(headings)) : NULL;

    for (size_t i = 0; i < self->count; i++) {
        const starting *process = &self->processes[i];
        const char *endpoint = i == 0 ? self->endpoint : process->line;

        if (format == 1) {
            json_array_append_new(list,
                                  json_pack("{s:s, s:I, s:s}", "process", process->name, "pid",
                                            (json_int_t)process->pid, "endpoint", endpoint));
        } else if (table != NULL) {
            weir_table_cell(table, "%s", process->name);
            weir_table_cell(table, "%ld", (long)process->pid);
            weir_table_cell(table, "%.*s", (int)strcspn(endpoint, "#"), endpoint); /* no key */
        }
    }
    return format == 1 ? weir_output_json(list) : weir_output_table(&table);
}

static int start(cluster_start *self, weir_error *err)
{
    int taskmanagers;
    int rc = weir_arguments_int(self->arguments, "taskmanagers", 1, 0, TASKMANAGERS_MAX,
                                &taskmanagers, err);

    if (rc == 0)
        rc = check_none_runs(self, err);
    if (rc == 0)
        rc = weir_home_executable(self->executable, sizeof self->executable, err);
    if (rc == 0)
        rc = weir_cluster_directory_file(&self->directory, "", "weir.yaml", "", self->config_path,
                                         err);
    if (rc == 0)
        rc = prepare_config(self, err);
    if (rc == 0)
        rc = copy_environment(self, err);
    if (rc != 0)
        return rc;
    self->processes = weir_calloc(WEIR_MEMBERS_MAX, sizeof *self->processes);
    if (self->processes == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory to start a cluster");
    self->deadline_ms = weir_clock_monotonic_ms() +
                        weir_config_duration_ms(self->config, "cluster.registration.timeout");
    rc = start_all(self, taskmanagers, err);
    if (rc == 0)
        rc = keep_context(self, err);
    if (rc != 0)
        give_up(self);
    return rc;
}

int weir_verb_cluster_start(const weir_arguments *arguments)
{
    cluster_start *self = weir_calloc(1, sizeof *self);
    int64_t began_ms = weir_clock_monotonic_ms();
    weir_error error = WEIR_ERROR_INIT;
    int format = 0, code;
    char shown[32];

    if (self == NULL)
        return weir_message_fail(WEIR_ENO_MEMORY, "no memory to start a cluster");
    self->arguments = arguments;
    self->directory.lock_fd = -1;
    int rc = weir_arguments_format(arguments, "text|json", &format, &error);
    if (rc == 0)
        rc = weir_settings_load(arguments, &self->config, &error);
    if (rc == 0)
        rc = weir_cluster_directory_init(&self->directory, weir_arguments_get(arguments, "dir"),
                                         self->config, &error);
    if (rc == 0)
        rc = weir_cluster_directory_lock(&self->directory, &error);
    if (rc == 0)
        rc = start(self, &error);
    if (rc == 0) {
        weir_message(
            "cluster is up after %s; stop it with: weir cluster stop",
            weir_progress_duration(weir_clock_monotonic_ms() - began_ms, shown, sizeof shown));
        code = tell(self, format);
    } else {
        code = weir_message_error(&error);
    }
    weir_cluster_directory_unlock(&self->directory);
    weir_config_destroy(&self->config);
    weir_free(self->environment);
    weir_free(self->processes);
    weir_free(self);
    return code;
}
