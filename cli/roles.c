/* cli/roles.c -- the daemons' words: configuration, log and readiness around their run functions.
 */
#include "cli/verbs.h"

#include "actors/endpoint.h"
#include "base/file.h"
#include "base/log.h"
#include "base/log_roll.h"
#include "cli/cluster_directory.h"
#include "cli/message.h"
#include "cli/settings.h"
#include "dispatcher/daemon.h"
#include "jobmanager/daemon.h"
#include "taskmanager/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

typedef struct role {
    const weir_arguments *arguments;
    const char *name; /* "taskmanager" */
    weir_config *config;
    weir_cluster_directory directory;
    char dispatcher[WEIR_ENDPOINT_MAX];
    const char *log_path; /* "": none */
    int ready_fd;         /* -1: nobody waits */
} role;

/* ---- before it runs ---- */

/* Everything that is written goes to the log, also what libraries print. */
static int open_log(role *self, weir_error *err)
{
    enum weir_log_level level;
    const char *path = weir_arguments_get(self->arguments, "log");
    int rc = weir_log_parse_level(weir_config_string(self->config, "env.log.level"), &level, err);

    if (rc != 0)
        return rc;
    self->log_path = path == NULL ? "" : path;
    if (path != NULL) {
        rc = weir_log_roll_start(path, weir_config_size(self->config, "env.log.max-size"),
                                 (uint32_t)weir_config_int(self->config, "env.log.max"), err);
        if (rc != 0)
            return weir_error_wrap(err, rc, "--log");
    }
    weir_log_setup(self->name, level);
    return 0;
}

static int find_dispatcher(role *self, weir_error *err)
{
    const char *named = weir_arguments_get(self->arguments, "dispatcher");
    int first, last;

    if (named != NULL)
        return weir_endpoint_parse(named, self->dispatcher, err);
    weir_config_ports(self->config, "dispatcher.rpc.port", &first, &last);
    weir_endpoint_of_host(weir_config_string(self->config, "dispatcher.rpc.address"), first,
                          self->dispatcher, sizeof self->dispatcher);
    return 0;
}

static int prepare(role *self, weir_error *err)
{
    int rc = weir_arguments_int(self->arguments, "ready-fd", -1, 3, 1023, &self->ready_fd, err);

    if (rc == 0)
        rc = weir_settings_load(self->arguments, &self->config, err);
    if (rc == 0)
        rc = weir_cluster_directory_init(&self->directory, NULL, self->config, err);
    if (rc == 0)
        rc = find_dispatcher(self, err);
    if (rc == 0)
        rc = open_log(self, err);
    if (rc == 0 && self->ready_fd >= 0 && fcntl(self->ready_fd, F_SETFD, FD_CLOEXEC) != 0)
        rc = weir_error_errno(err, errno, "--ready-fd %d", self->ready_fd);
    if (rc == 0)
        rc = weir_file_make_directories(self->directory.log, 0755, err);
    weir_daemon_block_signals();
    return rc;
}

static void on_ready(void *data, const char *endpoint, weir_reactor *reactor)
{
    role *self = data;
    char line[512];
    (void)reactor;

    weir_log_info("weir %s is ready: %s", WEIR_VERSION, endpoint);
    if (self->ready_fd < 0)
        return;
    int length = snprintf(line, sizeof line, "%s\n", endpoint);
    if (weir_file_write_all(self->ready_fd, line, (size_t)length, NULL) != 0)
        weir_log_warn("nobody waits for this process to be ready any more");
    close(self->ready_fd);
    self->ready_fd = -1;
}

static int run_role(const weir_arguments *arguments, const char *name,
                    int (*run)(role *self, weir_error *err))
{
    role self = {.arguments = arguments, .name = name, .ready_fd = -1};
    weir_error error = WEIR_ERROR_INIT;
    int code = WEIR_EXIT_DONE;

    if (prepare(&self, &error) != 0) {
        code = weir_message_error(&error);
    } else if (run(&self, &error) != 0) {
        weir_log_error("%s", error.text);
        code = weir_exit_of(error.code);
    } else {
        weir_log_info("stopped");
    }
    weir_config_destroy(&self.config);
    weir_reactor_end_process();
    return code;
}

/* ---- the roles ---- */

static int run_dispatcher(role *self, weir_error *err)
{
    weir_dispatcher_daemon_config config = {
        .config = self->config,
        .directory = self->directory.path,
        .signals = true,
        .log_path = self->log_path,
        .ready = on_ready,
        .ready_data = self,
    };
    int rc = weir_file_make_directories(self->directory.path, 0755, err);

    return rc == 0 ? weir_dispatcher_run(&config, err) : rc;
}

static int run_jobmanager(role *self, weir_error *err)
{
    weir_jobmanager_daemon_config config = {
        .config = self->config,
        .dispatcher = self->dispatcher,
        .signals = true,
        .log_path = self->log_path,
        .ready = on_ready,
        .ready_data = self,
    };

    return weir_jobmanager_run(&config, err);
}

static int run_taskmanager(role *self, weir_error *err)
{
    char name[32], artifacts[PATH_MAX];
    int number;
    weir_taskmanager_daemon_config config = {
        .config = self->config,
        .dispatcher = self->dispatcher,
        .signals = true,
        .log_path = self->log_path,
        .log_directory = self->directory.log,
        .artifact_directory = artifacts,
        .ready = on_ready,
        .ready_data = self,
    };
    int rc = weir_daemon_check_bind(self->config, "taskmanager.bind-host", false, err);

    if (rc == 0) /* two TaskManagers of a host never share files */
        rc = weir_arguments_int(self->arguments, "number", (int)getpid(), 1, INT_MAX, &number, err);
    if (rc != 0)
        return rc;
    snprintf(name, sizeof name, "taskmanager-%d", number);
    rc = weir_cluster_directory_file(&self->directory, name, "artifacts", "", artifacts, err);
    return rc == 0 ? weir_taskmanager_run(&config, err) : rc;
}

int weir_verb_dispatcher(const weir_arguments *arguments)
{
    return run_role(arguments, "dispatcher", run_dispatcher);
}

int weir_verb_jobmanager(const weir_arguments *arguments)
{
    return run_role(arguments, "jobmanager", run_jobmanager);
}

int weir_verb_taskmanager(const weir_arguments *arguments)
{
    return run_role(arguments, "taskmanager", run_taskmanager);
}
