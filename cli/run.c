/* cli/run.c -- `weir run`: from a file to a job that ends. With a cluster and without one the path
 * is the same: build, submit, follow; without one the cluster is in this process. */
#include "cli/verbs.h"

#include "actors/reactor.h"
#include "base/file.h"
#include "cli/connect.h"
#include "cli/follow.h"
#include "cli/job_report.h"
#include "cli/job_source.h"
#include "cli/local_cluster.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/settings.h"
#include "cli/submission.h"
#include "taskmanager/crash.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

typedef struct run {
    const weir_arguments *arguments;
    weir_config *config;
    bool is_local, is_attached, is_quiet, is_json;
    char endpoint[WEIR_ENDPOINT_MAX];
    weir_job_source source;
    weir_artifact artifact;
    weir_local_cluster *cluster; /* local mode */
    weir_client *client;
    char job[WEIR_ID_HEX];
    int signal_fd;
} run;

/* ---- before the job ---- */

static int choose_cluster(run *self, weir_error *err)
{
    bool named = weir_arguments_has(self->arguments, "dispatcher");
    bool local = weir_arguments_has(self->arguments, "local");

    if (local && named)
        return weir_error_set(err, WEIR_EINVALID,
                              "weir run: -m and --local exclude each other; leave one out");
    self->is_local = local;
    if (!local) {
        int rc = weir_connect_endpoint(self->arguments, self->config, self->endpoint, err);
        if (rc != 0 && rc != WEIR_ENOT_FOUND)
            return rc;
        self->is_local = rc == WEIR_ENOT_FOUND; /* no cluster is named: this process is one */
    }
    if (self->is_local && weir_arguments_has(self->arguments, "detached"))
        return weir_error_set(err, WEIR_EINVALID,
                              "weir run: -d needs a cluster, because a local job ends with this "
                              "process; start one with: weir cluster start; or leave out -d");
    return 0;
}

static int prepare(run *self, weir_error *err)
{
    int format, rc = weir_arguments_format(self->arguments, "text|json", &format, err);

    if (rc == 0)
        rc = weir_settings_load(self->arguments, &self->config, err);
    if (rc == 0)
        rc = choose_cluster(self, err);
    if (rc != 0)
        return rc;
    weir_session_setup_log(self->config);
    self->is_json = format == 1;
    self->is_quiet = weir_arguments_has(self->arguments, "quiet");
    self->is_attached = !weir_arguments_has(self->arguments, "detached") &&
                        (self->is_local || weir_config_bool(self->config, "execution.attached"));
    rc = weir_job_source_open(self->arguments, self->config, self->is_local, &self->source, err);
    return rc == 0 ? weir_artifact_read_file(self->source.path, &self->artifact, err) : rc;
}

/* From here on signals come through a descriptor. Both cancel the job that this command is attached
 * to; one that shall outlive its command is started with -d. */
static int take_signals(run *self, weir_error *err)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    if (!self->is_attached)
        return 0;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    self->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return self->signal_fd < 0 ? weir_error_errno(err, errno, "signals cannot be watched") : 0;
}

static int connect_to_cluster(run *self, weir_error *err)
{
    const char *endpoint = self->endpoint;

    if (self->is_local) {
        char artifacts[PATH_MAX];
        int rc = weir_artifact_keep(&self->artifact, artifacts, err);
        if (rc == 0)
            rc = weir_local_cluster_start(self->config, self->source.job.plan->slots, artifacts,
                                          &self->cluster, err);
        if (rc != 0)
            return rc;
        endpoint = weir_local_cluster_endpoint(self->cluster);
    }
    int rc = weir_client_open(self->config, endpoint, &self->client, err);
    if (rc == WEIR_EUNAVAILABLE && !self->is_local)
        weir_error_set(err, rc, "%s; or run the job in this process: weir run --local", err->text);
    return rc;
}

/* ---- the job ---- */

static int submit(run *self, weir_error *err)
{
    weir_submission submission = {
        .job = &self->source.job,
        .artifact = &self->artifact,
        .artifact_name = self->source.shown,
        .config = self->config,
        .attached = self->is_attached && weir_job_source_uses(&self->source, "print", true),
    };

    return weir_submit(self->client, &submission, self->job, err);
}

static int tell_detached(const run *self)
{
    if (self->is_json)
        return weir_output_json(json_pack("{s:s, s:s, s:s}", "job", self->job, "name",
                                          self->source.job.graph->name, "endpoint",
                                          self->endpoint));
    if (puts(self->job) < 0 || fflush(stdout) != 0)
        return weir_message_fail(WEIR_EIO, "stdout: cannot be written; the job's id is %s",
                                 self->job);
    return WEIR_EXIT_DONE;
}

/* Whether whoever reads our rows is gone: then nobody needs to be told about a broken pipe. */
static bool is_stdout_closed(void)
{
    struct pollfd item = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return poll(&item, 1, 0) > 0 && (item.revents & POLLERR) != 0;
}

static int tell_end(const run *self, const weir_followed *followed)
{
    const char *name = self->source.job.graph->name;
    char text[512];

    if (followed->is_abandoned)
        return weir_message_fail(WEIR_ECANCELLED,
                                 self->is_local
                                     ? "job '%s' was left before its end"
                                     : "job '%s' is being cancelled; see: weir describe %s",
                                 name, self->job);
    const Weir__Proto__JobSummary *summary = followed->detail->job_detail->summary;
    bool is_done = strcmp(summary->state, "FINISHED") == 0;
    if (!is_done && (followed->is_stdout_closed || is_stdout_closed()))
        return WEIR_EXIT_FAILED;
    int code = self->is_json ? weir_output_json(weir_job_summary_json(summary)) : WEIR_EXIT_DONE;
    if (!self->is_quiet)
        weir_message("%s", weir_progress_final(summary, text, sizeof text));
    if (strcmp(summary->state, "FAILED") == 0)
        return weir_message_fail(WEIR_EUSER, "job '%s' failed: %s", name,
                                 summary->error[0] == '\0' ? "no reason is known" : summary->error);
    return is_done && !followed->are_rows_lost ? code : WEIR_EXIT_FAILED;
}

static int follow(run *self)
{
    bool prints = weir_job_source_uses(&self->source, "print", true);
    bool is_terminal = isatty(STDERR_FILENO) != 0;
    /* A line that is rewritten and rows written by other threads do not share a terminal. */
    bool rows_here = self->is_local && prints && isatty(STDOUT_FILENO) != 0;
    weir_follow_config config = {
        .client = self->client,
        .job = self->job,
        .name = self->source.job.graph->name,
        .fetch_rows = !self->is_local && prints,
        .show_states = !self->is_quiet && !is_terminal,
        .show_line = !self->is_quiet && is_terminal && !rows_here,
        .ask = is_terminal && isatty(STDIN_FILENO) != 0 &&
               !weir_job_source_uses(&self->source, "stdin", false),
        .signal_fd = self->signal_fd,
    };
    weir_followed followed;
    weir_error error = WEIR_ERROR_INIT;
    int rc = weir_follow(&config, &followed, &error);
    int code = rc == 0 ? tell_end(self, &followed) : weir_message_error(&error);

    weir_followed_deinit(&followed);
    return code;
}

static int run_job(run *self)
{
    weir_error error = WEIR_ERROR_INIT;
    int code;

    if (self->is_local) /* the job's code runs in this process: its crash or exit() is told */
        weir_crash_install(0);
    if (submit(self, &error) != 0)
        code = weir_message_error(&error);
    else
        code = self->is_attached ? follow(self) : tell_detached(self);
    weir_crash_expect_exit();
    return code;
}

/* ---- all of it ---- */

static int run_connected(run *self)
{
    weir_error error = WEIR_ERROR_INIT;
    int code;

    if (take_signals(self, &error) != 0)
        return weir_message_error(&error);
    if (connect_to_cluster(self, &error) != 0) {
        code = weir_message_error(&error);
        if (self->cluster != NULL) { /* its threads have nobody to stop them */
            fflush(stdout);
            _exit(code);
        }
        return code;
    }
    code = run_job(self);
    if (self->cluster != NULL && !weir_local_cluster_stop(&self->cluster, &self->client)) {
        fflush(stdout);
        _exit(code);
    }
    weir_client_close(&self->client);
    weir_reactor_end_process();
    return code;
}

int weir_verb_run(const weir_arguments *arguments)
{
    run self = {.arguments = arguments, .signal_fd = -1};
    weir_error error = WEIR_ERROR_INIT;
    int code;

    if (prepare(&self, &error) != 0)
        code = weir_message_error(&error);
    else
        code = run_connected(&self);
    if (self.signal_fd >= 0)
        close(self.signal_fd);
    weir_artifact_deinit(&self.artifact);
    weir_job_source_close(&self.source);
    weir_config_destroy(&self.config);
    return code;
}
