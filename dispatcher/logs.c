/* dispatcher/logs.c -- FetchLog: its own log, another process's, or a job's, which is put together
 * from the TaskManagers that ran it. Names choose among processes that registered; no name is ever
 * a path. */
#include "dispatcher/parts.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/units.h"

#include <stdio.h>

static uint32_t bounded_size(const weir_dispatcher *self, uint32_t max_bytes)
{
    return max_bytes < self->config.chunk_max ? max_bytes : self->config.chunk_max;
}

static void reply_text(weir_context *context, const weir_reply_to *reply_to, const char *text,
                       const char *source)
{
    Weir__Proto__LogText body = WEIR__PROTO__LOG_TEXT__INIT;
    weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
    body.text = (char *)text;
    body.source = (char *)source;
    reply.body_case = WEIR_BODY(LOG_TEXT);
    reply.log_text = &body;
    weir_context_reply(context, reply_to, &reply);
}

/* A log may hold any bytes, a message only UTF-8 text. */
static void make_printable(weir_buffer *text)
{
    for (size_t i = 0; i < text->size; i++) {
        if (text->data[i] == 0)
            text->data[i] = '?';
    }
    if (text->size > 0)
        weir_text_clean((char *)text->data);
}

static void reply_own(weir_dispatcher *self, weir_context *context, const weir_envelope *message)
{
    weir_reply_to reply_to = weir_reply_to_of(message);
    weir_buffer text = WEIR_BUFFER_INIT;
    weir_error err = WEIR_ERROR_INIT;
    if (self->config.log_path[0] == '\0')
        weir_error_set(&err, WEIR_ENOT_FOUND,
                       "the dispatcher has no log file; its messages go to its stderr");
    else if (weir_file_tail(self->config.log_path,
                            bounded_size(self, message->fetch_log->max_bytes), &text, &err) == 0)
        err.code = 0;
    if (err.code != 0) {
        weir_answer_error(context, message, &err);
    } else {
        make_printable(&text);
        reply_text(context, &reply_to, weir_buffer_text(&text), self->config.log_path);
    }
    weir_buffer_deinit(&text);
}

/* ---- another process's ---- */

static void ask(weir_dispatcher *self, weir_context *context, const weir_member *member,
                const char *what, uint32_t max_bytes, weir_reply_callback callback,
                weir_relay *relay)
{
    Weir__Proto__FetchLog body = WEIR__PROTO__FETCH_LOG__INIT;
    weir_envelope question = WEIR__PROTO__ENVELOPE__INIT;
    body.what = (char *)what;
    body.max_bytes = max_bytes;
    question.body_case = WEIR_BODY(FETCH_LOG);
    question.fetch_log = &body;
    weir_context_request(context,
                         (weir_address){member->process, member->role == WEIR_ROLE_TASKMANAGER
                                                             ? "agent"
                                                             : "jobmanager"},
                         &question, self->config.ask_timeout_ms, callback, relay);
}

static void on_log(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                   const weir_error *error)
{
    weir_relay_pass(actor, context, data, reply, error);
}

static void relay_to(weir_dispatcher *self, weir_context *context, const weir_member *member,
                     const weir_envelope *message)
{
    weir_reply_to reply_to = weir_reply_to_of(message);
    weir_relay *relay = weir_relay_new(self, &reply_to, "");
    if (relay == NULL)
        weir_context_reply_error(context, &reply_to, WEIR_ENO_MEMORY, "dispatcher: out of memory");
    else
        ask(self, context, member, "", bounded_size(self, message->fetch_log->max_bytes), on_log,
            relay);
}

/* A process id; "jobmanager"; "taskmanager-2", in order of registration. */
static const weir_member *find_process(const weir_dispatcher *self, const char *what)
{
    const weir_member *member = weir_members_get(self, what);
    static const char prefix[] = "taskmanager";
    if (member != NULL)
        return member;
    if (strcmp(what, "jobmanager") == 0)
        return weir_members_first(self, WEIR_ROLE_JOBMANAGER);
    if (strncmp(what, prefix, strlen(prefix)) != 0)
        return NULL;
    int64_t wanted = 1;
    const char *number = what + strlen(prefix);
    if (*number != '\0' &&
        (*number != '-' || weir_parse_int(number + 1, 1, INT32_MAX, &wanted, NULL) != 0))
        return NULL;
    size_t cursor = 0;
    while ((member = weir_members_next(self, WEIR_ROLE_TASKMANAGER, &cursor)) != NULL) {
        if (--wanted == 0)
            return member;
    }
    return NULL;
}

/* ---- a job's ---- */

static void end_answer(weir_dispatcher *self, weir_log_answer *answer)
{
    weir_log_answer **at = &self->log_answers;
    while (*at != answer)
        at = &(*at)->next;
    *at = answer->next;
    weir_buffer_deinit(&answer->text);
    weir_buffer_deinit(&answer->sources);
    weir_free(answer);
}

static void finish_answer(weir_dispatcher *self, weir_context *context, weir_log_answer *answer)
{
    if (weir_buffer_check(&answer->text) != 0 || weir_buffer_check(&answer->sources) != 0)
        weir_context_reply_error(context, &answer->reply_to, WEIR_ENO_MEMORY,
                                 "dispatcher: out of memory");
    else if (!answer->any)
        weir_context_reply_error(context, &answer->reply_to, answer->failure.code, "%s",
                                 answer->failure.text);
    else
        reply_text(context, &answer->reply_to, weir_buffer_text(&answer->text),
                   weir_buffer_text(&answer->sources));
    end_answer(self, answer);
}

static void on_job_log(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                       const weir_error *error)
{
    weir_dispatcher *self = actor;
    weir_relay *relay = data;
    weir_log_answer *answer = relay->logs;
    if (error == NULL && reply->body_case == WEIR_BODY(LOG_TEXT)) {
        if (answer->any)
            weir_buffer_puts(&answer->sources, ", ");
        weir_buffer_puts(&answer->sources, relay->source);
        weir_buffer_printf(&answer->text, "==> %s <==\n%s", relay->source, reply->log_text->text);
        if (answer->text.size > 0 && answer->text.data[answer->text.size - 1] != '\n')
            weir_buffer_putc(&answer->text, '\n');
        answer->any = true;
    } else if (error != NULL) {
        weir_error_set(&answer->failure, error->code, "%s: %s", relay->source, error->text);
    }
    weir_relay_end(self, relay);
    if (--answer->outstanding == 0)
        finish_answer(self, context, answer);
}

/* Those that hold slots of the job; when none does any more, everyone: who knows nothing says so.
 */
static bool is_asked(const weir_dispatcher *self, const weir_member *member, const weir_job *job,
                     bool holders_only)
{
    const weir_slot_member *slots = weir_slot_pool_find(self->pool, member->process);
    return !holders_only || (slots != NULL && weir_slot_member_find(slots, job->id) != NULL);
}

static uint32_t count_asked(const weir_dispatcher *self, const weir_job *job, bool holders_only)
{
    const weir_member *member;
    uint32_t count = 0;
    size_t cursor = 0;
    while ((member = weir_members_next(self, WEIR_ROLE_TASKMANAGER, &cursor)) != NULL)
        count += is_asked(self, member, job, holders_only) ? 1 : 0;
    return count;
}

static void ask_for_job(weir_dispatcher *self, weir_context *context, const weir_job *job,
                        const weir_envelope *message)
{
    bool holders_only = count_asked(self, job, true) > 0;
    uint32_t count = count_asked(self, job, holders_only);
    weir_log_answer *answer = weir_calloc(1, sizeof *answer);
    weir_error err = WEIR_ERROR_INIT;
    if (answer == NULL || count == 0) {
        weir_free(answer);
        weir_error_set(&err, count == 0 ? WEIR_ENOT_FOUND : WEIR_ENO_MEMORY,
                       count == 0 ? "job '%s': no task manager is there that could have its log"
                                  : "job '%s': out of memory",
                       weir_job_name(job));
        weir_answer_error(context, message, &err);
        return;
    }
    answer->reply_to = weir_reply_to_of(message);
    answer->next = self->log_answers;
    self->log_answers = answer;
    answer->outstanding = 1; /* until all are asked */
    uint32_t size = bounded_size(self, message->fetch_log->max_bytes) / count;
    const weir_member *member;
    size_t cursor = 0;
    while ((member = weir_members_next(self, WEIR_ROLE_TASKMANAGER, &cursor)) != NULL) {
        weir_relay *relay = is_asked(self, member, job, holders_only)
                                ? weir_relay_new(self, &answer->reply_to, job->id)
                                : NULL;
        if (relay == NULL)
            continue;
        relay->logs = answer;
        snprintf(relay->source, sizeof relay->source, "%s", member->process);
        answer->outstanding++;
        ask(self, context, member, relay->job, size, on_job_log, relay);
    }
    weir_error_set(&answer->failure, WEIR_ENOT_FOUND, "job '%s': has no log", weir_job_name(job));
    if (--answer->outstanding == 0)
        finish_answer(self, context, answer);
}

void weir_logs_on_fetch(weir_dispatcher *self, weir_context *context, const weir_envelope *message)
{
    const char *what = message->fetch_log->what;
    char quoted[WEIR_QUOTED_MAX];
    weir_error err = WEIR_ERROR_INIT;
    weir_job *job = NULL;
    if (what[0] == '\0' || strcmp(what, "dispatcher") == 0) {
        reply_own(self, context, message);
        return;
    }
    const weir_member *member = find_process(self, what);
    if (member != NULL) {
        relay_to(self, context, member, message);
        return;
    }
    int rc = weir_job_book_find(self->book, what, &job, &err);
    if (rc == 0) {
        ask_for_job(self, context, job, message);
        return;
    }
    if (rc == WEIR_ENOT_FOUND)
        weir_error_set(
            &err, rc,
            "log of %s: no process and no job has that name; 'dispatcher', 'jobmanager', "
            "'taskmanager-1', a process id, a job's id or name can be asked for",
            weir_format_quoted(what, quoted, sizeof quoted));
    weir_answer_error(context, message, &err);
}

void weir_logs_clear(weir_dispatcher *self)
{
    while (self->log_answers != NULL)
        end_answer(self, self->log_answers);
}
