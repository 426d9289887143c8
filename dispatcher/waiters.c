/* dispatcher/waiters.c -- requests that are held until their job changes or their time has passed.
 * One whose sender is away is kept, too: the sender may come back and repeat it, and then the node
 * answers from its memory. */
#include "dispatcher/parts.h"

#include "base/memory.h"

/* What a waiter gets when nothing happened in its time. */
static void time_out(weir_dispatcher *self, weir_context *context, const weir_waiter *waiter)
{
    const weir_job *job = weir_job_book_get(self->book, waiter->job);
    if (job == NULL)
        weir_context_reply_error(context, &waiter->reply_to, WEIR_ENOT_FOUND,
                                 "job '%s' is not known any more", waiter->job);
    else if (waiter->kind == WEIR_WAIT_DESCRIBE)
        weir_door_reply_detail(context, job, &waiter->reply_to);
    else if (waiter->kind == WEIR_WAIT_ROWS)
        weir_door_reply_no_rows(context, &waiter->reply_to, waiter->position);
    else if (waiter->kind == WEIR_WAIT_REPORT)
        weir_context_reply_error(context, &waiter->reply_to, WEIR_EUNAVAILABLE,
                                 "the end of job '%s' could not be stored; report it again",
                                 weir_job_name(job));
    else
        weir_context_reply_error(context, &waiter->reply_to, WEIR_ETIMEOUT,
                                 "job '%s' was not yet taken up by its JobManager; try again",
                                 weir_job_name(job));
}

void weir_waiters_add(weir_dispatcher *self, weir_context *context, const weir_waiter *waiter,
                      int64_t wait_ms)
{
    weir_waiter *held = self->nwaiters < self->config.waiters_max ? weir_alloc(sizeof *held) : NULL;
    if (held == NULL) {
        time_out(self, context, waiter);
        return;
    }
    *held = *waiter;
    held->until_ms = weir_context_now_ms(context) + wait_ms;
    held->timer = weir_context_set_timer(context, wait_ms);
    held->next = self->waiters;
    self->waiters = held;
    self->nwaiters++;
}

static weir_waiter *unlink_waiter(weir_dispatcher *self, weir_waiter **at)
{
    weir_waiter *waiter = *at;
    *at = waiter->next;
    self->nwaiters--;
    return waiter;
}

/* Answers the waiter, or passes it on, when the job is where it waits for. */
static bool is_due(const weir_dispatcher *self, weir_context *context, const weir_waiter *waiter,
                   const weir_job *job)
{
    if (waiter->kind == WEIR_WAIT_DESCRIBE)
        return job->detail->summary->version != waiter->seen_version;
    if (waiter->kind == WEIR_WAIT_REPORT)
        return false;
    return job->stage != WEIR_STAGE_ACCEPTED && job->start_request == 0 &&
           !weir_members_is_awaited(self, context, job->jobmanager);
}

static void answer(weir_dispatcher *self, weir_context *context, const weir_waiter *waiter,
                   weir_job *job)
{
    int64_t left_ms = waiter->until_ms - weir_context_now_ms(context);
    if (waiter->kind == WEIR_WAIT_DESCRIBE)
        weir_door_reply_detail(context, job, &waiter->reply_to);
    else if (waiter->kind == WEIR_WAIT_ROWS)
        weir_door_forward_rows(self, context, job, &waiter->reply_to, waiter->position,
                               left_ms > 0 ? left_ms : 0);
    else
        weir_jobs_forward_cancel(self, context, job, &waiter->reply_to);
}

void weir_waiters_wake(weir_dispatcher *self, weir_context *context, weir_job *job)
{
    weir_waiter *due = NULL;
    for (weir_waiter **at = &self->waiters; *at != NULL;) {
        if (strcmp((*at)->job, job->id) != 0 || !is_due(self, context, *at, job)) {
            at = &(*at)->next;
            continue;
        }
        weir_waiter *waiter = unlink_waiter(self, at);
        waiter->next = due;
        due = waiter;
    }
    /* The list is whole again: an answer may add to it. */
    while (due != NULL) {
        weir_waiter *waiter = due;
        due = waiter->next;
        weir_context_cancel_timer(context, waiter->timer);
        answer(self, context, waiter, job);
        weir_free(waiter);
    }
}

bool weir_waiters_on_timer(weir_dispatcher *self, weir_context *context, uint64_t timer)
{
    weir_waiter **at = &self->waiters;
    while (*at != NULL && (*at)->timer != timer)
        at = &(*at)->next;
    if (*at == NULL)
        return false;
    weir_waiter *waiter = unlink_waiter(self, at);
    time_out(self, context, waiter);
    weir_free(waiter);
    return true;
}

void weir_waiters_clear(weir_dispatcher *self)
{
    while (self->waiters != NULL)
        weir_free(unlink_waiter(self, &self->waiters));
}
