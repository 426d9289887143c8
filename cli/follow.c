/* cli/follow.c -- two conversations at a time, each with one request under way: DescribeJob, which
 * is answered when something changes (at the latest after a second, so it is also the clock), and
 * FetchRows, which asks for more when the rows in hand are written. While that takes long, the last
 * position is asked for again, as a sign of life. Signals and answers at the terminal come in
 * between. */
#include "cli/follow.h"

#include "base/clock.h"
#include "base/file.h"
#include "cli/message.h"
#include "cli/progress.h"
#include "cli/row_writer.h"
#include "proto/codec.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    DESCRIBE_WAIT_MS = 1000,
    DESCRIBE_DEADLINE_MS = 6000,
    ROWS_WAIT_MS = 5000,
    LINE_EVERY_MS = 100,
    SIGN_OF_LIFE_S = 2
};

enum interrupt { NOT_ASKED, ASKED, CANCELLING };

typedef struct follower {
    const weir_follow_config *config;
    weir_followed *result;
    enum interrupt interrupt;
    uint64_t seen_version;
    uint64_t position, next_position; /* of the rows: all before is written; after those in hand */
    bool has_ended, rows_ended, rows_wait; /* rows_wait: the next answer asks for rows again */
    bool is_last_chunk, is_sign_under_way;
    weir_error rows_failure; /* why no more rows came; code 0: they all came */
    weir_row_writer *writer;
    int sign_fd; /* timer: it is time for a sign of life */
    int64_t started_ms, heard_ms, drawn_ms;
    int unanswered; /* DescribeJobs since heard_ms */
    bool line_is_shown, wait_is_shown;
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
    if (self->writer != NULL && weir_row_writer_is_busy(self->writer) && isatty(STDOUT_FILENO))
        return; /* not into the middle of rows */
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
        return;
    }
    bool waits = strcmp(summary->state, "INITIALIZING") == 0 && *summary->error;
    if (waits && !self->wait_is_shown && (self->config->show_states || self->config->show_line)) {
        erase_line(self);
        weir_message("job %s %s: %s", self->config->name, summary->state, summary->error);
    }
    self->wait_is_shown = waits;
    if (self->config->show_line) {
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

static void say_silent(follower *self, int64_t silent_ms)
{
    if (self->unanswered > 1)
        return;
    erase_line(self);
    weir_message("no answer from %s for %lld s; asking again for %d s; job %s may run on",
                 weir_client_endpoint(self->config->client), (long long)(silent_ms / 1000),
                 (WEIR_FOLLOW_SILENCE_MS - DESCRIBE_DEADLINE_MS) / 1000, self->config->name);
}

static void on_detail_error(follower *self, const weir_error *error)
{
    int64_t silent_ms = weir_clock_monotonic_ms() - self->heard_ms;

    /* The time alone says nothing: we may have been stopped ourselves. */
    if (error->code == WEIR_ETIMEOUT &&
        ++self->unanswered < WEIR_FOLLOW_SILENCE_MS / DESCRIBE_DEADLINE_MS) {
        say_silent(self, silent_ms);
        describe(self);
        return;
    }
    erase_line(self);
    if (error->code == WEIR_EUNAVAILABLE)
        end(self, weir_error_set(self->err, WEIR_EUNAVAILABLE,
                                 "%s: %s; job '%s' may run on; see: weir describe %s",
                                 weir_client_endpoint(self->config->client), error->text,
                                 self->config->name, self->config->job));
    else if (is_passing(error->code))
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
    if (self->unanswered > 0)
        weir_message("%s answers again", weir_client_endpoint(self->config->client));
    self->unanswered = 0;
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
    int rc = weir_client_request(self->config->client, &request, DESCRIBE_DEADLINE_MS, on_detail,
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

/* The timer runs while rows are being written. */
static void set_sign_timer(follower *self, bool is_on)
{
    struct itimerspec when = {0};

    if (is_on)
        when.it_value.tv_sec = when.it_interval.tv_sec = SIGN_OF_LIFE_S;
    timerfd_settime(self->sign_fd, 0, &when, NULL);
}

static void tell_lost(follower *self, uint64_t size)
{
    erase_line(self);
    self->result->are_rows_lost = true;
    weir_message("weir: error: %llu bytes of rows of job '%s' were lost, as nobody fetched them in "
                 "time; they are in the logs of the task runners: weir logs %s",
                 (unsigned long long)size, self->config->name, self->config->job);
}

static void after_rows(follower *self, bool is_end)
{
    self->rows_ended = is_end;
    if (is_end)
        check_end(self);
    else
        fetch(self);
}

static void take_rows(follower *self, const Weir__Proto__Rows *rows)
{
    uint64_t end_position = rows->position + rows->text.len, skip = 0;

    if (rows->position > self->position) {
        tell_lost(self, rows->position - self->position);
        self->position = rows->position;
    }
    if (rows->text.len == 0 || end_position <= self->position) { /* nothing, or a repeat */
        after_rows(self, rows->end);
        return;
    }
    skip = self->position - rows->position;
    if (self->line_is_shown && isatty(STDOUT_FILENO)) {
        erase_line(self);
        fflush(stderr);
    }
    int rc = weir_row_writer_start(self->writer, rows->text.data + skip,
                                   rows->text.len - (size_t)skip, self->err);
    if (rc != 0) {
        end(self, rc);
        return;
    }
    self->next_position = end_position;
    self->is_last_chunk = rows->end;
    set_sign_timer(self, true);
}

static void on_written(void *data)
{
    follower *self = data;
    int rc = weir_row_writer_finish(self->writer, self->err);

    if (rc == WEIR_ESTATE)
        return;
    set_sign_timer(self, false);
    if (self->rows_ended)
        return;
    if (rc == WEIR_ECANCELLED) {
        on_stdout_closed(self);
        check_end(self);
    } else if (rc != 0) {
        weir_error_wrap(self->err, rc, "stdout: rows cannot be written");
        end(self, rc);
    } else {
        self->position = self->next_position;
        fetch(self); /* also after the last ones: it may be told that more were lost */
    }
}

static void on_rows(void *data, const weir_envelope *reply, const weir_error *error)
{
    follower *self = data;

    if (self->rows_ended)
        return;
    if (error == NULL && reply->body_case == WEIR__PROTO__ENVELOPE__BODY_ROWS) {
        take_rows(self, reply->rows);
        return;
    }
    /* Asked again with the next news about the job, not at once: the answer may come at once. */
    self->rows_wait = error != NULL && is_passing(error->code) && !self->has_ended;
    self->rows_ended = !self->rows_wait;
    if (self->rows_ended && !self->is_last_chunk)
        weir_error_set(&self->rows_failure, error != NULL ? error->code : WEIR_ECORRUPT, "%s",
                       error != NULL ? error->text : "the answer cannot be understood");
    check_end(self);
}

static int ask_rows(follower *self, uint32_t wait_ms, weir_client_callback callback,
                    weir_error *err)
{
    Weir__Proto__FetchRows body = WEIR__PROTO__FETCH_ROWS__INIT;
    weir_envelope request = WEIR__PROTO__ENVELOPE__INIT;

    body.job = (char *)(uintptr_t)self->config->job;
    body.position = self->position;
    body.wait_ms = wait_ms;
    request.body_case = WEIR__PROTO__ENVELOPE__BODY_FETCH_ROWS;
    request.fetch_rows = &body;
    return weir_client_request(self->config->client, &request, wait_ms + 5000, callback, self, err);
}

static void fetch(follower *self)
{
    self->rows_wait = false;
    int rc = ask_rows(self, ROWS_WAIT_MS, on_rows, self->err);
    if (rc != 0)
        end(self, rc);
}

/* The same rows come again when the position has moved on. */
static void on_sign_answered(void *data, const weir_envelope *reply, const weir_error *error)
{
    follower *self = data;
    (void)reply, (void)error;

    self->is_sign_under_way = false;
}

static void on_sign_timer(void *data)
{
    follower *self = data;
    uint64_t count;

    if (read(self->sign_fd, &count, sizeof count) != (ssize_t)sizeof count)
        return;
    if (self->is_sign_under_way || !weir_row_writer_is_busy(self->writer))
        return;
    self->is_sign_under_way = ask_rows(self, 0, on_sign_answered, NULL) == 0;
}

static int open_rows(follower *self)
{
    weir_client *client = self->config->client;
    int rc = weir_row_writer_new(STDOUT_FILENO, &self->writer, self->err);

    if (rc != 0)
        return rc;
    self->sign_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (self->sign_fd < 0)
        return weir_error_errno(self->err, errno, "rows cannot be written");
    if (weir_client_watch(client, weir_row_writer_fd(self->writer), on_written, self) != 0 ||
        weir_client_watch(client, self->sign_fd, on_sign_timer, self) != 0)
        return weir_error_set(self->err, WEIR_ENO_MEMORY, "no memory to follow the job");
    return 0;
}

static void close_rows(follower *self)
{
    if (self->sign_fd >= 0) {
        weir_client_unwatch(self->config->client, self->sign_fd);
        close(self->sign_fd);
    }
    if (self->writer != NULL)
        weir_client_unwatch(self->config->client, weir_row_writer_fd(self->writer));
    weir_row_writer_destroy(&self->writer);
}

/* A job that did not finish has a reason to tell that weighs more. */
static void check_all_rows(follower *self)
{
    const weir_envelope *detail = self->result->detail;

    if (self->rows_failure.code == 0 || detail == NULL ||
        strcmp(detail->job_detail->summary->state, "FINISHED") != 0)
        return;
    self->result->are_rows_lost = true;
    weir_message("weir: error: the rows of job '%s' may not be all, they end after %llu bytes: %s; "
                 "rows that nobody fetched are in the logs of the task runners: weir logs %s",
                 self->config->name, (unsigned long long)self->position, self->rows_failure.text,
                 self->config->job);
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
        .rows_failure = WEIR_ERROR_INIT,
        .sign_fd = -1,
        .started_ms = now,
        .heard_ms = now,
        .err = err != NULL ? err : &ignored,
    };

    memset(ret, 0, sizeof *ret);
    int rc = config->fetch_rows ? open_rows(&self) : 0;
    if (rc == 0 && config->signal_fd >= 0 &&
        weir_client_watch(config->client, config->signal_fd, on_signal, &self) != 0)
        rc = weir_error_set(self.err, WEIR_ENO_MEMORY, "no memory to follow the job");
    if (rc != 0) {
        close_rows(&self);
        return rc;
    }
    describe(&self);
    if (config->fetch_rows)
        fetch(&self);
    rc = weir_client_run(config->client, INT64_MAX);
    if (config->signal_fd >= 0)
        weir_client_unwatch(config->client, config->signal_fd);
    weir_client_unwatch(config->client, STDIN_FILENO);
    weir_client_forget_all(config->client); /* what is under way would come back to nobody */
    close_rows(&self);
    erase_line(&self);
    if (rc != 0)
        return weir_error_set(err, rc, "the client's loop ended");
    if (self.rc == 0 && !ret->is_abandoned)
        check_all_rows(&self);
    return self.rc;
}

void weir_followed_deinit(weir_followed *followed)
{
    if (followed->detail != NULL)
        weir_proto_free(&followed->detail->base);
    followed->detail = NULL;
}
