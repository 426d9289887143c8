/* dispatcher/jobs.c -- the life of a job as the dispatcher sees it: accepted (durable before the
 * answer), handed to one JobManager (durable before it is told), reported on, ended (durable before
 * the report is answered), forgotten. */
#include "dispatcher/parts.h"

#include "base/memory.h"
#include "base/units.h"
#include "graph/status.h"
#include "proto/codec.h"

#include <stdio.h>

enum { NAME_MAX_BYTES = 255, CONFIGURATION_MAX = 1000, HISTORY_MAX = 256, REPORT_AGAIN_MS = 1000 };

static bool is_ended_state(int status)
{
    return status == WEIR_JOB_FINISHED || status == WEIR_JOB_FAILED || status == WEIR_JOB_CANCELED;
}

/* ---- submissions ---- */

static int check_name(const char *name, weir_error *err)
{
    char quoted[WEIR_QUOTED_MAX];
    size_t size = strlen(name);
    bool good = size > 0 && size <= NAME_MAX_BYTES;
    for (size_t i = 0; good && i < size; i++)
        good = (unsigned char)name[i] >= 0x20 && name[i] != 0x7F;
    if (good)
        return 0;
    return weir_error_set(
        err, WEIR_EINVALID,
        "job %s: cannot be its name; 1 to %d bytes without control characters can",
        weir_format_quoted(name, quoted, sizeof quoted), NAME_MAX_BYTES);
}

static int check_submission(weir_dispatcher *self, const Weir__Proto__SubmitJob *of,
                            weir_error *err)
{
    char quoted[WEIR_QUOTED_MAX], canonical[WEIR_ID_HEX];
    weir_id id;
    if (weir_id_parse(of->job, &id) != 0 || strcmp(weir_id_format(&id, canonical), of->job) != 0)
        return weir_error_set(err, WEIR_EINVALID,
                              "job id %s: is not one; it has 32 lower-case hex digits",
                              weir_format_quoted(of->job, quoted, sizeof quoted));
    int rc = check_name(of->name, err);
    if (rc != 0)
        return rc;
    if (of->graph.len == 0)
        return weir_error_set(err, WEIR_EINVALID, "job '%s': it has no graph", of->name);
    if (of->n_configuration > CONFIGURATION_MAX)
        return weir_error_set(err, WEIR_ETOO_LARGE,
                              "job '%s': it has %zu configuration values; the limit is %d",
                              of->name, of->n_configuration, CONFIGURATION_MAX);
    if (weir_job_book_active(self->book) >= self->config.jobs_max)
        return weir_error_set(
            err, WEIR_ERESOURCES,
            "job '%s': the cluster has %zu jobs already; that is the limit; cancel "
            "one, or try later",
            of->name, weir_job_book_active(self->book));
    weir_error why = WEIR_ERROR_INIT;
    if (!weir_artifacts_has(self, of->artifact, &why))
        return weir_error_set(err, why.code,
                              "job '%s': its artifact cannot be used; %s; upload it first",
                              of->name, why.text);
    return 0;
}

static void reply_submitted(weir_context *context, const weir_envelope *message,
                            const weir_job *job)
{
    Weir__Proto__SubmitReply body = WEIR__PROTO__SUBMIT_REPLY__INIT;
    weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
    body.job = (char *)job->id;
    reply.body_case = WEIR_BODY(SUBMIT_REPLY);
    reply.submit_reply = &body;
    weir_answer(context, message, &reply);
}

/* A submission that is here already: the same one is answered again. */
static int check_same(const weir_job *job, const Weir__Proto__SubmitJob *of, weir_error *err)
{
    int rc;
    weir_digest digest = weir_job_book_digest(of, &rc);
    if (rc != 0)
        return weir_error_set(err, rc, "dispatcher: out of memory");
    if (!weir_digest_equal(&digest, &job->submission))
        return weir_error_set(
            err, WEIR_EEXISTS,
            "job id %s: is that of another submission, '%s'; submit with a new id", job->id,
            weir_job_name(job));
    return 0;
}

/* When the records failed, the log has said it. */
static void answer_failure(weir_dispatcher *self, weir_context *context,
                           const weir_envelope *message, const weir_error *err)
{
    weir_reply_to reply_to = weir_reply_to_of(message);
    if (!self->broken)
        weir_answer_error(context, message, err);
    else if (reply_to.correlation != 0)
        weir_context_reply_error(context, &reply_to, err->code, "%s", err->text);
}

void weir_jobs_on_submit(weir_dispatcher *self, weir_context *context, const weir_envelope *message)
{
    const Weir__Proto__SubmitJob *of = message->submit_job;
    weir_error err = WEIR_ERROR_INIT;
    weir_job *job = weir_job_book_get(self->book, of->job);
    int rc;
    if (job != NULL) {
        rc = check_same(job, of, &err);
    } else if (self->stopping) {
        rc = weir_error_set(&err, WEIR_ESTATE, "job '%.255s': the cluster is stopping", of->name);
    } else {
        rc = check_submission(self, of, &err);
        if (rc == 0) {
            rc = weir_job_book_accept(self->book, of, weir_context_wall_ms(context), &job, &err);
            if (rc != 0 && !weir_dispatcher_check_records(self, context, &err))
                weir_error_wrap(&err, rc,
                                "whether the job was accepted shows when the dispatcher is back; "
                                "submit it again with the same id");
            if (rc == 0)
                weir_context_log(context, WEIR_LOG_INFO, "accepted job %s '%s'", job->id,
                                 weir_job_name(job));
        }
    }
    if (rc != 0) {
        answer_failure(self, context, message, &err);
        return;
    }
    reply_submitted(context, message, job);
    weir_jobs_hand_out(self, context);
}

/* ---- handing out ---- */

static void send_start(weir_dispatcher *self, weir_context *context, weir_job *job);

/* Takes the reason over. */
static void mark_orphaned(weir_job *job, char *reason)
{
    job->orphaned = true;
    weir_free(job->orphan_reason);
    job->orphan_reason = reason;
}

static void fail_now_or_later(weir_dispatcher *self, weir_context *context, weir_job *job,
                              const char *text)
{
    weir_error err = WEIR_ERROR_INIT;
    if (weir_jobs_end(self, context, job, WEIR_JOB_FAILED, text, &err) == 0)
        return;
    if (!self->broken)
        weir_dispatcher_complain(self, context, "job %s '%s' cannot be marked FAILED yet: %s",
                                 job->id, weir_job_name(job), err.text);
    mark_orphaned(job, weir_strdup(text));
    weir_dispatcher_retry_later(self, context);
}

/* Memory or the disk had no room: the job waits, which is no failure of it. */
static void start_later(weir_dispatcher *self, weir_context *context, weir_job *job,
                        const weir_error *why)
{
    weir_dispatcher_complain(self, context, "job %s '%s' cannot be started yet: %s", job->id,
                             weir_job_name(job), why->text);
    job->start_unsent = true;
    weir_dispatcher_retry_later(self, context);
}

static void on_started(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                       const weir_error *error)
{
    weir_dispatcher *self = actor;
    weir_job *job = data;
    (void)reply;
    job->start_request = 0;
    if (error == NULL) {
        weir_waiters_wake(self, context, job);
        return;
    }
    if (error->code == WEIR_ETIMEOUT || error->code == WEIR_EUNAVAILABLE) {
        /* Its end, if that is why, comes as a peer that is down. */
        if (weir_members_get(self, job->jobmanager) != NULL)
            send_start(self, context, job);
        return;
    }
    if (error->code == WEIR_ENO_MEMORY)
        start_later(self, context, job, error);
    else
        fail_now_or_later(self, context, job, error->text);
}

static void send_start(weir_dispatcher *self, weir_context *context, weir_job *job)
{
    Weir__Proto__SubmitJob *submission = NULL;
    Weir__Proto__StartJob body = WEIR__PROTO__START_JOB__INIT;
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;
    weir_error err = WEIR_ERROR_INIT;
    int rc = weir_job_book_submission(self->book, job, &submission, &err);
    job->start_unsent = false;
    if (rc == WEIR_ENOT_FOUND || rc == WEIR_EVERSION) {
        fail_now_or_later(self, context, job, err.text);
        return;
    }
    if (rc != 0) {
        if (weir_dispatcher_check_records(self, context, &err))
            start_later(self, context, job, &err);
        return;
    }
    body.job = job->id;
    body.name = submission->name;
    body.graph = submission->graph;
    body.artifact = submission->artifact;
    body.configuration = submission->configuration;
    body.n_configuration = submission->n_configuration;
    body.attached = submission->attached;
    body.submitted_ms = job->submitted_ms;
    ask.epoch = weir_job_book_epoch(self->book);
    ask.body_case = WEIR_BODY(START_JOB);
    ask.start_job = &body;
    job->start_request =
        weir_context_request(context, (weir_address){job->jobmanager, "jobmanager"}, &ask,
                             self->config.ask_timeout_ms, on_started, job);
    weir_proto_free(&submission->base);
}

#define NO_JOBMANAGER "it waits: no JobManager is registered; start one with: weir jobmanager"

/* A job that waits says for what. */
static void note_wait(weir_dispatcher *self, weir_context *context)
{
    weir_job *job;
    if (weir_context_now_ms(context) - self->started_ms < self->config.grace_ms)
        return; /* it registers soon */
    for (size_t i = 0; (job = weir_job_book_next(self->book, &i)) != NULL;) {
        if (job->stage != WEIR_STAGE_ACCEPTED)
            continue;
        Weir__Proto__JobSummary summary = *job->detail->summary;
        Weir__Proto__JobDetail detail = *job->detail;
        summary.error = (char *)NO_JOBMANAGER;
        detail.summary = &summary;
        if (weir_job_book_update(self->book, job, &detail) > 0)
            weir_waiters_wake(self, context, job);
    }
}

void weir_jobs_hand_out(weir_dispatcher *self, weir_context *context)
{
    const weir_member *jobmanager = weir_members_first(self, WEIR_ROLE_JOBMANAGER);
    weir_error err = WEIR_ERROR_INIT;
    weir_job *job;
    if (jobmanager == NULL && !self->stopping && !self->broken)
        note_wait(self, context);
    if (jobmanager == NULL || self->stopping || self->broken)
        return;
    for (size_t i = 0; (job = weir_job_book_next(self->book, &i)) != NULL;) {
        if (job->stage == WEIR_STAGE_STARTED && job->start_unsent &&
            weir_members_get(self, job->jobmanager) != NULL)
            send_start(self, context, job);
        if (job->stage != WEIR_STAGE_ACCEPTED)
            continue;
        int rc = weir_job_book_start(self->book, job, jobmanager->process, &err);
        if (rc != 0) {
            if (weir_dispatcher_check_records(self, context, &err))
                weir_dispatcher_complain(self, context, "job %s '%s' cannot be handed out yet: %s",
                                         job->id, weir_job_name(job), err.text);
            weir_dispatcher_retry_later(self, context);
            return;
        }
        weir_dispatcher_is_well(self);
        weir_context_log(context, WEIR_LOG_INFO, "job %s '%s' goes to JobManager %s", job->id,
                         weir_job_name(job), job->jobmanager);
        send_start(self, context, job);
    }
}

/* ---- ends ---- */

static void after_end(weir_dispatcher *self, weir_context *context, weir_job *job)
{
    weir_error why = WEIR_ERROR_INIT;
    weir_dispatcher_is_well(self);
    if (job->start_request != 0)
        weir_context_forget(context, job->start_request);
    job->start_request = 0;
    job->orphaned = false;
    weir_context_log(context, WEIR_LOG_INFO, "job %s '%s' is %s%s%s", job->id, weir_job_name(job),
                     weir_job_state(job), job->detail->summary->error[0] != '\0' ? ": " : "",
                     job->detail->summary->error);
    weir_error_set(&why, WEIR_ESTATE, "job '%s' is %s", weir_job_name(job), weir_job_state(job));
    weir_slots_release(self, context, job->id, &why);
    weir_waiters_wake(self, context, job);
}

/* The detail of an end that is decided here: the last report, with another state. */
typedef struct ending {
    Weir__Proto__JobSummary summary;
    Weir__Proto__JobDetail detail;
    Weir__Proto__StateChange change;
    Weir__Proto__StateChange *history[HISTORY_MAX];
} ending;

static void describe_end(ending *of, const weir_job *job, uint32_t status, const char *text,
                         int64_t wall_ms)
{
    of->summary = *job->detail->summary;
    of->detail = *job->detail;
    weir__proto__state_change__init(&of->change);
    of->summary.state = (char *)weir_state_name(&weir_job_status_table, status);
    of->summary.end_ms = wall_ms;
    of->summary.tasks_running = 0;
    if (text != NULL)
        of->summary.error = (char *)text;
    of->change.state = of->summary.state;
    of->change.at_ms = wall_ms;
    size_t kept =
        job->detail->n_history < HISTORY_MAX - 1 ? job->detail->n_history : HISTORY_MAX - 1;
    for (size_t i = 0; i < kept; i++)
        of->history[i] = job->detail->history[i];
    of->history[kept] = &of->change;
    of->detail.summary = &of->summary;
    of->detail.history = of->history;
    of->detail.n_history = kept + 1;
}

int weir_jobs_end(weir_dispatcher *self, weir_context *context, weir_job *job, uint32_t status,
                  const char *text, weir_error *err)
{
    ending of;
    int64_t wall_ms = weir_context_wall_ms(context);
    describe_end(&of, job, status, text, wall_ms);
    weir_job_end end = {.job = job, .detail = &of.detail};
    int rc = weir_job_book_end(self->book, &end, 1, wall_ms, err);
    if (rc != 0) {
        (void)weir_dispatcher_check_records(self, context, err);
        return rc;
    }
    after_end(self, context, job);
    return 0;
}

void weir_jobs_orphan(weir_dispatcher *self, const char *jobmanager, const char *reason)
{
    weir_job *job;
    for (size_t i = 0; (job = weir_job_book_next(self->book, &i)) != NULL;) {
        if (job->stage != WEIR_STAGE_STARTED || job->orphaned ||
            strcmp(job->jobmanager, jobmanager) != 0)
            continue;
        mark_orphaned(job,
                      weir_asprintf("lost the JobManager that ran it (%s): %s; submit it again",
                                    jobmanager, reason));
    }
}

/* One commit for all: a JobManager may have run thousands. */
static int fail_together(weir_dispatcher *self, weir_context *context, weir_job **jobs,
                         size_t count, weir_error *err)
{
    int64_t wall_ms = weir_context_wall_ms(context);
    ending *endings = weir_calloc(count, sizeof *endings);
    weir_job_end *ends = weir_calloc(count, sizeof *ends);
    int rc = 0;
    if (endings == NULL || ends == NULL)
        rc = weir_error_set(err, WEIR_ENO_MEMORY, "dispatcher: out of memory");
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const char *reason = jobs[i]->orphan_reason;
        describe_end(&endings[i], jobs[i], WEIR_JOB_FAILED,
                     reason != NULL ? reason : "lost the JobManager that ran it", wall_ms);
        ends[i] = (weir_job_end){.job = jobs[i], .detail = &endings[i].detail};
    }
    if (rc == 0)
        rc = weir_job_book_end(self->book, ends, count, wall_ms, err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        after_end(self, context, jobs[i]);
    weir_free(endings);
    weir_free(ends);
    return rc;
}

void weir_jobs_fail_orphans(weir_dispatcher *self, weir_context *context)
{
    weir_error err = WEIR_ERROR_INIT;
    size_t count = 0;
    int rc = 0;
    weir_job *job, **jobs = weir_calloc(weir_job_book_count(self->book) + 1, sizeof(weir_job *));
    if (jobs == NULL)
        rc = weir_error_set(&err, WEIR_ENO_MEMORY, "dispatcher: out of memory");
    for (size_t i = 0; jobs != NULL && (job = weir_job_book_next(self->book, &i)) != NULL;) {
        if (job->orphaned && job->stage != WEIR_STAGE_ENDED)
            jobs[count++] = job;
    }
    if (count > 0)
        rc = fail_together(self, context, jobs, count, &err);
    weir_free(jobs);
    if (rc != 0) {
        if (weir_dispatcher_check_records(self, context, &err))
            weir_dispatcher_complain(self, context, "lost jobs cannot be marked FAILED yet: %s",
                                     err.text);
        weir_dispatcher_retry_later(self, context);
    }
}

/* ---- reports ---- */

static int check_report(const weir_dispatcher *self, const weir_envelope *message, weir_job **ret,
                        int *ret_status, weir_error *err)
{
    const Weir__Proto__JobDetail *detail = message->job_report->detail;
    if (detail == NULL || detail->summary == NULL)
        return weir_error_set(err, WEIR_EINVALID, "job report: it says nothing");
    weir_job *job = weir_job_book_get(self->book, detail->summary->job);
    if (job == NULL)
        return weir_error_set(err, WEIR_ENOT_FOUND, "job report: job '%.64s' is not known",
                              detail->summary->job);
    if (strcmp(job->jobmanager, message->from_process) != 0)
        return weir_error_set(err, WEIR_ESTALE, "job report: job '%s' is not run by JobManager %s",
                              weir_job_name(job), message->from_process);
    *ret_status = weir_status_parse(&weir_job_status_table, detail->summary->state);
    if (*ret_status < 0)
        return weir_error_set(err, WEIR_EINVALID, "job report: '%.32s' is no state of a job",
                              detail->summary->state);
    *ret = job;
    return 0;
}

static int report_end(weir_dispatcher *self, weir_context *context, weir_job *job,
                      const Weir__Proto__JobDetail *detail, weir_error *err)
{
    int64_t wall_ms = weir_context_wall_ms(context);
    Weir__Proto__JobSummary summary = *detail->summary;
    Weir__Proto__JobDetail ended = *detail;
    if (summary.end_ms == 0)
        summary.end_ms = wall_ms;
    ended.summary = &summary;
    weir_job_end end = {.job = job, .detail = &ended};
    int rc = weir_job_book_end(self->book, &end, 1, wall_ms, err);
    if (rc != 0) {
        if (weir_dispatcher_check_records(self, context, err))
            weir_dispatcher_complain(self, context,
                                     "the end of job %s '%s' cannot be stored yet: %s", job->id,
                                     weir_job_name(job), err->text);
        return rc;
    }
    after_end(self, context, job);
    return 0;
}

/* The JobManager tells an end until it is acknowledged: not faster than a disk gets room. */
static void hold_report(weir_dispatcher *self, weir_context *context, const weir_envelope *message,
                        const weir_job *job)
{
    weir_waiter waiter = {.kind = WEIR_WAIT_REPORT, .reply_to = weir_reply_to_of(message)};
    memcpy(waiter.job, job->id, sizeof waiter.job);
    if (waiter.reply_to.correlation != 0)
        weir_waiters_add(self, context, &waiter, REPORT_AGAIN_MS);
}

void weir_jobs_on_report(weir_dispatcher *self, weir_context *context, const weir_envelope *message)
{
    const Weir__Proto__JobDetail *detail = message->job_report->detail;
    weir_error err = WEIR_ERROR_INIT;
    weir_job *job = NULL;
    int status = 0;
    int rc = check_report(self, message, &job, &status, &err);
    if (rc != 0) {
        weir_answer_error(context, message, &err);
        return;
    }
    /* What ended stays ended; an older report that was overtaken says nothing new. */
    bool news = job->stage == WEIR_STAGE_STARTED &&
                (is_ended_state(status) || detail->summary->version >= job->reported_version);
    if (news && is_ended_state(status)) {
        rc = report_end(self, context, job, detail, &err);
    } else if (news) {
        job->reported_version = detail->summary->version;
        rc = weir_job_book_update(self->book, job, detail);
        if (rc > 0)
            weir_waiters_wake(self, context, job);
        if (rc < 0)
            weir_error_set(&err, rc, "job report: cannot be kept; %s", weir_code_text(rc));
    }
    if (rc < 0 && news && is_ended_state(status) && !self->broken)
        hold_report(self, context, message, job);
    else if (rc < 0)
        answer_failure(self, context, message, &err);
    else
        weir_answer_ack(context, message);
}

/* ---- a JobManager registers ---- */

static bool lists(const Weir__Proto__Register *registration, const char *job)
{
    for (size_t i = 0; i < registration->n_jobs; i++) {
        if (strcmp(registration->jobs[i], job) == 0)
            return true;
    }
    return false;
}

static void on_cancelled(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                         const weir_error *error)
{
    (void)actor, (void)context, (void)data, (void)reply, (void)error;
}

static void send_cancel(weir_dispatcher *self, weir_context *context, const char *process,
                        const char *job, weir_reply_callback callback, void *data)
{
    Weir__Proto__CancelJob body = WEIR__PROTO__CANCEL_JOB__INIT;
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;
    char master[WEIR_ACTOR_NAME_MAX];
    snprintf(master, sizeof master, "job-%s", job);
    body.job = (char *)job;
    ask.epoch = weir_job_book_epoch(self->book);
    ask.body_case = WEIR_BODY(CANCEL_JOB);
    ask.cancel_job = &body;
    weir_context_request(context, (weir_address){process, master}, &ask,
                         self->config.ask_timeout_ms, callback, data);
}

/* It runs a job that was declared ended while it was away: the job must not go on. */
static void fence(weir_dispatcher *self, weir_context *context, const char *process,
                  const weir_job *job)
{
    send_cancel(self, context, process, job->id, on_cancelled, NULL);
}

/* ---- jobs that are not known ---- */

static weir_unknown_job **find_unknown(weir_dispatcher *self, const char *process, const char *job)
{
    weir_unknown_job **at = &self->unknown_jobs;
    while (*at != NULL && (strcmp((*at)->job, job) != 0 || strcmp((*at)->process, process) != 0))
        at = &(*at)->next;
    return at;
}

static void on_unknown_cancelled(void *actor, weir_context *context, void *data,
                                 const weir_envelope *reply, const weir_error *error)
{
    weir_dispatcher *self = actor;
    weir_unknown_job *unknown = data;
    (void)reply;
    if (error != NULL && (error->code == WEIR_ETIMEOUT || error->code == WEIR_EUNAVAILABLE) &&
        weir_members_get(self, unknown->process) != NULL) {
        send_cancel(self, context, unknown->process, unknown->job, on_unknown_cancelled, unknown);
        return;
    }
    *find_unknown(self, unknown->process, unknown->job) = unknown->next;
    weir_free(unknown);
    weir_slots_release_unknown(self, context);
}

/* It runs a job that nobody can describe, cancel or wait for: it is of other records than these. */
static void fence_unknown(weir_dispatcher *self, weir_context *context, const char *process,
                          const char *job)
{
    if (*find_unknown(self, process, job) != NULL)
        return;
    weir_context_log(context, WEIR_LOG_WARN,
                     "JobManager %s runs job %s, which is not known here: it is told to cancel it",
                     process, job);
    weir_unknown_job *unknown = weir_calloc(1, sizeof *unknown);
    if (unknown == NULL)
        return; /* until it registers again */
    snprintf(unknown->process, sizeof unknown->process, "%s", process);
    snprintf(unknown->job, sizeof unknown->job, "%s", job);
    unknown->next = self->unknown_jobs;
    self->unknown_jobs = unknown;
    send_cancel(self, context, process, job, on_unknown_cancelled, unknown);
}

bool weir_jobs_is_claimed(const weir_dispatcher *self, const char *job)
{
    const weir_unknown_job *unknown = self->unknown_jobs;
    while (unknown != NULL && strcmp(unknown->job, job) != 0)
        unknown = unknown->next;
    return unknown != NULL;
}

void weir_jobs_clear(weir_dispatcher *self)
{
    while (self->unknown_jobs != NULL) {
        weir_unknown_job *unknown = self->unknown_jobs;
        self->unknown_jobs = unknown->next;
        weir_free(unknown);
    }
}

void weir_jobs_reconcile(weir_dispatcher *self, weir_context *context,
                         const Weir__Proto__Register *registration)
{
    const char *process = registration->process;
    weir_job *job;
    for (size_t i = 0; i < registration->n_jobs; i++) {
        job = weir_job_book_get(self->book, registration->jobs[i]);
        if (job == NULL)
            fence_unknown(self, context, process, registration->jobs[i]);
        else if (job->stage == WEIR_STAGE_ENDED || strcmp(job->jobmanager, process) != 0)
            fence(self, context, process, job);
    }
    for (size_t i = 0; (job = weir_job_book_next(self->book, &i)) != NULL;) {
        /* The order to start it may have died with an earlier dispatcher. Jobs of a JobManager that
         * is not here are not judged by this one: after our start it may only come later. */
        if (job->stage == WEIR_STAGE_STARTED && !job->orphaned &&
            strcmp(job->jobmanager, process) == 0 && !lists(registration, job->id) &&
            job->start_request == 0)
            send_start(self, context, job);
    }
    weir_jobs_fail_orphans(self, context);
    for (size_t i = 0; (job = weir_job_book_next(self->book, &i)) != NULL;) {
        if (strcmp(job->jobmanager, process) == 0) /* who asks for its rows has waited for it */
            weir_waiters_wake(self, context, job);
    }
}

/* ---- cancelling ---- */

static void on_cancel_answered(void *actor, weir_context *context, void *data,
                               const weir_envelope *reply, const weir_error *error)
{
    weir_relay_pass(actor, context, data, reply, error);
}

static int check_not_ended(const weir_job *job, weir_error *err)
{
    if (job->stage != WEIR_STAGE_ENDED)
        return 0;
    return weir_error_set(err, WEIR_ESTATE, "job '%s' is %s already", weir_job_name(job),
                          weir_job_state(job));
}

void weir_jobs_forward_cancel(weir_dispatcher *self, weir_context *context, const weir_job *job,
                              const weir_reply_to *reply_to)
{
    weir_error err = WEIR_ERROR_INIT;
    if (check_not_ended(job, &err) != 0) {
        weir_context_reply_error(context, reply_to, err.code, "%s", err.text);
        return;
    }
    if (weir_members_get(self, job->jobmanager) == NULL) {
        weir_context_reply_error(context, reply_to, WEIR_EUNAVAILABLE,
                                 "job '%s': its JobManager (%s) is not connected; try again",
                                 weir_job_name(job), job->jobmanager);
        return;
    }
    weir_relay *relay = weir_relay_new(self, reply_to, job->id);
    if (relay == NULL) {
        weir_context_reply_error(context, reply_to, WEIR_ENO_MEMORY, "dispatcher: out of memory");
        return;
    }
    send_cancel(self, context, job->jobmanager, job->id, on_cancel_answered, relay);
}

void weir_jobs_on_cancel(weir_dispatcher *self, weir_context *context, const weir_envelope *message)
{
    weir_error err = WEIR_ERROR_INIT;
    weir_job *job = NULL;
    weir_reply_to reply_to = weir_reply_to_of(message);
    int rc = weir_job_book_find(self->book, message->cancel_job->job, &job, &err);
    if (rc == 0)
        rc = check_not_ended(job, &err);
    if (rc == 0 && job->stage == WEIR_STAGE_ACCEPTED) {
        rc = weir_jobs_end(self, context, job, WEIR_JOB_CANCELED, NULL, &err);
        if (rc == 0)
            weir_answer_ack(context, message);
    } else if (rc == 0 && (job->start_request != 0 ||
                           weir_members_is_awaited(self, context, job->jobmanager))) {
        weir_waiter waiter = {.kind = WEIR_WAIT_CANCEL, .reply_to = reply_to};
        memcpy(waiter.job, job->id, sizeof waiter.job);
        weir_waiters_add(self, context, &waiter, self->config.ask_timeout_ms);
    } else if (rc == 0) {
        weir_jobs_forward_cancel(self, context, job, &reply_to);
    }
    if (rc != 0)
        answer_failure(self, context, message, &err);
}

/* ---- history ---- */

/* Jobs stand in order of acceptance, but the history forgets in order of ending. */
static weir_job *oldest_ended(const weir_dispatcher *self, const weir_job *behind)
{
    weir_job *job, *oldest = NULL;
    for (size_t i = 0; (job = weir_job_book_next(self->book, &i)) != NULL;) {
        if (job->stage != WEIR_STAGE_ENDED)
            continue;
        if (behind != NULL &&
            (job->ended_ms < behind->ended_ms ||
             (job->ended_ms == behind->ended_ms && job->number <= behind->number)))
            continue;
        if (oldest == NULL || job->ended_ms < oldest->ended_ms ||
            (job->ended_ms == oldest->ended_ms && job->number < oldest->number))
            oldest = job;
    }
    return oldest;
}

static void drop_artifact(weir_dispatcher *self, weir_context *context, const char *artifact)
{
    weir_error err = WEIR_ERROR_INIT;
    if (!weir_job_book_uses_artifact(self->book, artifact) &&
        weir_artifact_remove(self->artifacts, artifact, &err) != 0)
        weir_context_log(context, WEIR_LOG_WARN, "artifact %.12s cannot be removed: %s", artifact,
                         err.text);
}

void weir_jobs_sweep(weir_dispatcher *self, weir_context *context)
{
    enum { AT_ONCE = 64 };
    weir_job *drop[AT_ONCE];
    char artifacts[AT_ONCE][WEIR_DIGEST_HEX];
    weir_error err = WEIR_ERROR_INIT;
    size_t count = 0, ended = weir_job_book_count(self->book) - weir_job_book_active(self->book);
    int64_t wall_ms = weir_context_wall_ms(context);
    weir_job *job = NULL;
    while (count < AT_ONCE && (job = oldest_ended(self, job)) != NULL &&
           (ended - count > self->config.history_max ||
            wall_ms - job->ended_ms > self->config.history_ms)) {
        memcpy(artifacts[count], job->artifact, sizeof artifacts[count]);
        drop[count++] = job;
    }
    if (count == 0)
        return;
    int rc = weir_job_book_drop(self->book, drop, count, &err);
    if (rc != 0) {
        if (weir_dispatcher_check_records(self, context, &err))
            weir_dispatcher_complain(self, context, "ended jobs cannot be forgotten yet: %s",
                                     err.text);
        return;
    }
    for (size_t i = 0; i < count; i++)
        drop_artifact(self, context, artifacts[i]);
}
