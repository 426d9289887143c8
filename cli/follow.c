/* cli/follow.c -- two conversations at a time, each with one request under way: DescribeJob, which
 * is answered when something changes (at the latest after a second, so it is also the clock), and
 * FetchRows. Signals and answers at the terminal come in between. */
#include "cli/follow.h"

#include "base/clock.h"
#include "base/file.h"
#include "cli/message.h"
#include "cli/progress.h"
#include "proto/codec.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { DESCRIBE_WAIT_MS = 1000, ROWS_WAIT_MS = 5000, LINE_EVERY_MS = 100 };

enum interrupt { NOT_ASKED, ASKED, CANCELLING };

typedef struct follower {
    const weir_follow_config *config;
    weir_followed *result;
    enum interrupt interrupt;
    uint64_t seen_version, position;
    bool has_ended, rows_ended, rows_wait; /* rows_wait: the next answer asks for rows again */
    int64_t started_ms, heard_ms, drawn_ms;
    bool line_is_shown;
    char state[32]; /* as last shown */
    weir_rate rate;
    int rc;
    weir_error *err;
} follower;

static void fetch(follower *self);
static void describe(follower *self);
static void cancel(follower *self);

static void end(follower *self, int rc)
{
    self->rc = rc;
    weir_client_stop(self->config->client);
}

static void check_end(follower *self)
{
    if (self->has_ended && self->rows_ended)
        end(self, 0);
}

/* ---- what is shown ---- */

static void erase_line(follower *self)
{
    if (self->line_is_shown)
        fputs("\r\033[K", stderr);
    self->line_is_shown = false;
}

static void draw_line(follower *self, const Weir__Proto__JobSummary *summary, double per_second)
{
    char line[512];
    struct winsize window;
    int64_t now = weir_clock_monotonic_ms();

    bool is_same = strcmp(self->state, summary->state) == 0;
    if (self->interrupt == ASKED || (is_same && now - self->drawn_ms < LINE_EVERY_MS))
        return;
    snprintf(self->state, sizeof self->state, "%s", summary->state);
    size_t width = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1
                       ? (size_t)window.ws_col - 1
                       : 79;
    fprintf(
        stderr, "\r%s\033[K",
        weir_progress_line(summary, per_second, now - self->started_ms, width, line, sizeof line));
    fflush(stderr);
    self->drawn_ms = now;
    self->line_is_shown = true;
}

static void show(follower *self, const Weir__Proto__JobSummary *summary)
{
    double per_second =
        weir_rate_update(&self->rate, summary->records_in, weir_clock_monotonic_ms());

    if (weir_progress_is_ended(summary->state)) {
        erase_line(self); /* the caller has the last word */
    } else if (self->config->show_line) {
        draw_line(self, summary, per_second);
    } else if (self->config->show_states && strcmp(self->state, summary->state) != 0) {
        snprintf(self->state, sizeof self->state, "%s", summary->state);
        weir_message("job %s %s", self->config->name, self->state);
    }
}

/* ---- the job's state ---- */

static int keep_detail(follower *self, const weir_envelope *reply)
{
    ProtobufCMessage *copy = NULL;
    int rc = weir_proto_copy(&reply->base, &copy);

    if (rc < 0)
        weir_error_set(self->err, rc, "no memory for the job's state");
    if (rc == 0) {
        weir_followed_deinit(self->result);
        self->result->detail = (weir_envelope *)copy;
    }
    return rc;
}

static bool is_passing(int code)
{
    return code == WEIR_ETIMEOUT || code == WEIR_EUNAVAILABLE;
}

static void on_detail_error(follower *self, const weir_error *error)
{
    int64_t silent_ms = weir_clock_monotonic_ms() - self->heard_ms;

    if (error->code == WEIR_ETIMEOUT && silent_ms < WEIR_FOLLOW_SILENCE_MS) {
        describe(self);
        return;
    }
    erase_line(self);
    if (is_passing(error->code))
        end(self,
            weir_error_set(self->err, WEIR_ETIMEOUT,
                           "no answer from %s for %lld s; job '%s' may run on; see: weir "
                           "describe %s",
                           weir_client_endpoint(self->config->client),
                           (long long)(silent_ms / 1000), self->config->name, self->config->job));
    else
        end(self, weir_error_set(self->err, error->code, "%s", error->text));
}

static void on_detail(void *data, const weir_envelope *reply, const weir_error *error)
{
    follower *self = data;

    if (error != NULL) {
        on_detail_error(self, error);
        return;
    }
    if (reply->body_case != WEIR__PROTO__ENVELOPE__BODY_JOB_DETAIL ||
        reply->job_detail->summary == NULL) {
        end(self, weir_error_set(self->err, WEIR_ECORRUPT, "the answer of %s cannot be understood",
                                 weir_client_endpoint(self->config->client)));
        return;
    }
    const Weir__Proto__JobSummary *summary = reply->job_detail->summary;
    self->heard_ms = weir_clock_monotonic_ms();
    self->seen_version = summary->version;
    show(self, summary);
    if (self->rows_wait)
        fetch(self);
    if (!weir_progress_is_ended(summary->state)) {
        describe(self);
        return;
    }
    int rc = keep_detail(self, reply);
    if (rc != 0) {
        end(self, rc);
        return;
    }
    self->has_ended = true;
    check_end(self);
}

static void describe(follower *self)
{
    Weir__Proto__DescribeJob body = WEIR__PROTO__DESCRIBE_JOB__INIT;
    weir_envelope request = WEIR__PROTO__ENVELOPE__INIT;

    body.job = (char *)(uintptr_t)self->config->job;
    body.seen_version = self->seen_version;
    body.wait_ms = DESCRIBE_WAIT_MS;
    request.body_case = WEIR__PROTO__ENVELOPE__BODY_DESCRIBE_JOB;
    request.describe_job = &body;
    int rc = weir_client_request(self->config->client, &request, DESCRIBE_WAIT_MS + 5000, on_detail,
                                 self, self->err);
    if (rc != 0)
        end(self, rc);
}

/* ---- rows ---- */

/* The reader of our stdout is gone: nobody wants the job any more. */
static void on_stdout_closed(follower *self)
{
    self->result->is_stdout_closed = true;
    self->rows_ended = true;
    if (self->interrupt != CANCELLING)
        cancel(self);
}

static int write_rows(follower *self, const Weir__Proto__Rows *rows)
{
    uint64_t end_position = rows->position + rows->text.len, skip = 0;

    if (rows->text.len == 0 || end_position <= self->position)
        return 0; /* a repeat */
    if (rows->position < self->position)
        skip = self->position - rows->position;
    else if (rows->position > self->position)
        weir_message("weir: error: rows of job '%s' were lost: bytes %llu to %llu",
                     self->config->name, (unsigned long long)self->position,
                     (unsigned long long)rows->position);
    self->position = end_position;
    if (self->line_is_shown && isatty(STDOUT_FILENO)) {
        erase_line(self);
        fflush(stderr);
    }
    if (weir_file_write_all(STDOUT_FILENO, rows->text.data + skip, rows->text.len - (size_t)skip,
                            self->err) == 0)
        return 0;
    return errno == EPIPE ? WEIR_ECANCELLED : WEIR_EIO;
}

static void on_rows(void *data, const weir_envelope *reply, const weir_error *error)
{
    follower *self = data;

    if (self->rows_ended)
        return;
    if (error != NULL || reply->body_case != WEIR__PROTO__ENVELOPE__BODY_ROWS) {
        /* Asked again with the next news about the job, not at once: the answer may come at once.
         */
        self->rows_wait = error != NULL && is_passing(error->code) && !self->has_ended;
        self->rows_ended = !self->rows_wait;
        check_end(self);
        return;
    }
    int rc = write_rows(self, reply->rows);
    if (rc == WEIR_ECANCELLED) {
        on_stdout_closed(self);
        check_end(self);
        return;
    }
    if (rc != 0) {
        weir_error_wrap(self->err, rc, "stdout: rows cannot be written");
        end(self, rc);
        return;
    }
    self->rows_ended = reply->rows->end;
    if (self->rows_ended)
        check_end(self);
    else
        fetch(self);
}

static void fetch(follower *self)
{
    Weir__Proto__FetchRows body = WEIR__PROTO__FETCH_ROWS__INIT;
    weir_envelope request = WEIR__PROTO__ENVELOPE__INIT;

    self->rows_wait = false;
    body.job = (char *)(uintptr_t)self->config->job;
    body.position = self->position;
    body.wait_ms = ROWS_WAIT_MS;
    request.body_case = WEIR__PROTO__ENVELOPE__BODY_FETCH_ROWS;
    request.fetch_rows = &body;
    int rc = weir_client_request(self->config->client, &request, ROWS_WAIT_MS + 5000, on_rows, self,
                                 self->err);
    if (rc != 0)
        end(self, rc);
}

/* ---- Ctrl-C ---- */

static void on_cancelled(void *data, const weir_envelope *reply, const weir_error *error)
{
    follower *self = data;
    (void)reply;

    if (error == NULL || error->code == WEIR_ESTATE) /* it has ended by itself */
        return;
    erase_line(self);
    weir_message("weir: error: job '%s' was not cancelled: %s", self->config->name, error->text);
    self->interrupt = NOT_ASKED;
}

static void cancel(follower *self)
{
    Weir__Proto__CancelJob body = WEIR__PROTO__CANCEL_JOB__INIT;
    weir_envelope request = WEIR__PROTO__ENVELOPE__INIT;

    self->interrupt = CANCELLING;
    body.job = (char *)(uintptr_t)self->config->job;
    request.body_case = WEIR__PROTO__ENVELOPE__BODY_CANCEL_JOB;
    request.cancel_job = &body;
    int rc = weir_client_request(self->config->client, &request, 0, on_cancelled, self, self->err);
    if (rc != 0)
        end(self, rc);
}

static void say_cancel(follower *self)
{
    erase_line(self);
    weir_message("cancelling job %s; Ctrl-C again does not wait for its end", self->config->name);
    cancel(self);
}

static void on_answer(void *data)
{
    follower *self = data;
    char text[256];
    ssize_t count = read(STDIN_FILENO, text, sizeof text);

    if (count < 0 && errno == EINTR)
        return;
    weir_client_unwatch(self->config->client, STDIN_FILENO);
    if (self->interrupt != ASKED)
        return;
    if (count > 0 && (text[0] == 'y' || text[0] == 'Y')) {
        say_cancel(self);
    } else {
        self->interrupt = NOT_ASKED;
        weir_message("job %s runs on", self->config->name);
    }
}

static void on_signal(void *data)
{
    follower *self = data;
    struct signalfd_siginfo info;

    if (read(self->config->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (self->interrupt == CANCELLING) {
        erase_line(self);
        self->result->is_abandoned = true;
        end(self, 0);
    } else if (self->interrupt == NOT_ASKED && self->config->ask && info.ssi_signo == SIGINT &&
               weir_client_watch(self->config->client, STDIN_FILENO, on_answer, self) == 0) {
        erase_line(self);
        fprintf(stderr, "\ncancel job %s? [y/N] (Ctrl-C again: yes) ", self->config->name);
        fflush(stderr);
        self->interrupt = ASKED;
    } else {
        if (self->interrupt == ASKED) {
            weir_client_unwatch(self->config->client, STDIN_FILENO);
            fputc('\n', stderr);
        }
        say_cancel(self);
    }
}

/* ---- all of it ---- */

int weir_follow(const weir_follow_config *config, weir_followed *ret, weir_error *err)
{
    int64_t now = weir_clock_monotonic_ms();
    weir_error ignored = WEIR_ERROR_INIT;
    follower self = {
        .config = config,
        .result = ret,
        .rows_ended = !config->fetch_rows,
        .started_ms = now,
        .heard_ms = now,
        .err = err != NULL ? err : &ignored,
    };

    memset(ret, 0, sizeof *ret);
    if (config->signal_fd >= 0 &&
        weir_client_watch(config->client, config->signal_fd, on_signal, &self) != 0)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory to follow the job");
    describe(&self);
    if (config->fetch_rows)
        fetch(&self);
    int rc = weir_client_run(config->client, INT64_MAX);
    if (config->signal_fd >= 0)
        weir_client_unwatch(config->client, config->signal_fd);
    weir_client_unwatch(config->client, STDIN_FILENO);
    weir_client_forget_all(config->client); /* what is under way would come back to nobody */
    erase_line(&self);
    if (rc != 0)
        return weir_error_set(err, rc, "the client's loop ended");
    return self.rc;
}

void weir_followed_deinit(weir_followed *followed)
{
    if (followed->detail != NULL)
        weir_proto_free(&followed->detail->base);
    followed->detail = NULL;
}
