/* dispatcher/parts.h -- the inside of the dispatcher, shared by its files: dispatcher.c (the
 * actor), jobs.c (submissions, reports, ends), members.c (who is there), slot_requests.c (who gets
 * slots), front_door.c and logs.c (questions), waiters.c (requests that are held), artifact_door.c.
 */
#ifndef DISPATCHER_PARTS_H
#define DISPATCHER_PARTS_H

#include "base/log.h"
#include "base/map.h"
#include "dispatcher/dispatcher.h"
#include "dispatcher/job_book.h"
#include "dispatcher/slot_pool.h"

#include <string.h>

#define WEIR_BODY(name) WEIR__PROTO__ENVELOPE__BODY_##name

typedef struct weir_peer { /* a process that did a handshake */
    weir_roles role;
} weir_peer;

typedef struct weir_member { /* a process that registered */
    weir_roles role;
    char process[WEIR_PROCESS_NAME_MAX];
    char *host, *endpoint;
    uint32_t pid, slots;
    uint64_t registration; /* number of its newest */
    int64_t since_ms;      /* wall */
} weir_member;

enum weir_waiter_kind {
    WEIR_WAIT_DESCRIBE,
    WEIR_WAIT_CANCEL, /* for the JobManager to have started the job, or to be back */
    WEIR_WAIT_ROWS,   /* as CANCEL */
    WEIR_WAIT_REPORT /* an end that could not be stored: it is to be reported again, but not at once
                      */
};

typedef struct weir_waiter {
    struct weir_waiter *next;
    enum weir_waiter_kind kind;
    weir_reply_to reply_to;
    char job[WEIR_ID_HEX];
    uint64_t seen_version; /* DESCRIBE */
    uint64_t position;     /* ROWS */
    int64_t until_ms;      /* monotonic */
    uint64_t timer;
} weir_waiter;

typedef struct weir_slot_request {
    struct weir_slot_request *next;
    char job[WEIR_ID_HEX];
    uint32_t count;
    weir_reply_to reply_to;
    int64_t until_ms;     /* monotonic */
    int64_t again_ms;     /* monotonic: an agent was not ready; not tried before */
    bool allocating;      /* slots are reserved, agents are asked */
    weir_map *refused_by; /* processes whose agents said no */
    weir_error refusal;   /* what the last of them said */
} weir_slot_request;

/* A question passed on to another process; its answer goes back. */
typedef struct weir_relay {
    struct weir_relay *next;
    weir_reply_to reply_to;
    char job[WEIR_ID_HEX];
    char source[WEIR_PROCESS_NAME_MAX + 32]; /* of one log among several */
    struct weir_log_answer *logs;            /* the answer it is a part of, or NULL */
} weir_relay;

typedef struct weir_log_answer {
    struct weir_log_answer *next;
    weir_reply_to reply_to;
    weir_buffer text, sources;
    uint32_t outstanding;
    weir_error failure; /* of the last that failed */
    bool any;           /* at least one came */
} weir_log_answer;

/* A job that is not known here runs at a JobManager, which is told to cancel it. */
typedef struct weir_unknown_job {
    struct weir_unknown_job *next;
    char job[WEIR_ID_HEX];
    char process[WEIR_PROCESS_NAME_MAX];
} weir_unknown_job;

#define WEIR_COMPLAINTS 4

typedef struct weir_dispatcher {
    weir_dispatcher_config config; /* texts owned */
    weir_records *records;
    weir_artifact_store *artifacts;
    weir_job_book *book;
    weir_slot_pool *pool;
    weir_map *peers;            /* process -> weir_peer */
    weir_map *members;          /* process -> weir_member, in order of registration */
    weir_map *unused_artifacts; /* digest -> int64_t: seen unused since (monotonic) */
    weir_waiter *waiters;
    uint32_t nwaiters;
    weir_slot_request *slot_requests, **slot_requests_end; /* first come, first served */
    weir_relay *relays;
    weir_log_answer *log_answers;
    weir_unknown_job *unknown_jobs;
    int64_t started_ms, started_wall_ms;
    uint32_t last_order; /* of an AllocateSlots, within this incarnation */
    uint64_t sweep_timer, retry_timer, slots_timer, orphans_timer, unknown_timer, stop_timer;
    bool serving;                            /* inside weir_slots_serve */
    bool stopping;                           /* StopCluster came */
    weir_digest complaints[WEIR_COMPLAINTS]; /* what the log has said of what is tried again */
    size_t next_complaint;
    bool broken; /* the records cannot be trusted, or what is in memory: the node stops */
    weir_reply_to stop_reply;
} weir_dispatcher;

/* ---- dispatcher.c: answers ---- */
void weir_answer(weir_context *context, const weir_envelope *message, weir_envelope *reply);
void weir_answer_ack(weir_context *context, const weir_envelope *message);
/* The log says it, too, when the disk or memory failed. */
void weir_answer_error(weir_context *context, const weir_envelope *message, const weir_error *err);
/* After a failure of the records: whether they can still be trusted. If not, the node stops, which
 * the log says; if so, the failure is the caller's to tell. */
bool weir_dispatcher_check_records(weir_dispatcher *self, weir_context *context,
                                   const weir_error *err);
/* The node stops, for the reason that the log and the process's end tell. */
void weir_dispatcher_give_up(weir_dispatcher *self, weir_context *context, const weir_error *err);
/* Logs what failed and is tried again: once, until something like it has succeeded. */
void weir_dispatcher_complain(weir_dispatcher *self, weir_context *context, const char *format, ...)
    WEIR_PRINTF(3, 4);
void weir_dispatcher_is_well(weir_dispatcher *self); /* the records took something */
/* In a second, what could not be committed is tried again. */
void weir_dispatcher_retry_later(weir_dispatcher *self, weir_context *context);

/* ---- jobs.c ---- */
void weir_jobs_on_submit(weir_dispatcher *self, weir_context *context,
                         const weir_envelope *message);
void weir_jobs_on_report(weir_dispatcher *self, weir_context *context,
                         const weir_envelope *message);
void weir_jobs_on_cancel(weir_dispatcher *self, weir_context *context,
                         const weir_envelope *message);
/* Hands accepted jobs to a JobManager, when one is there. */
void weir_jobs_hand_out(weir_dispatcher *self, weir_context *context);
/* Ends a job here; 0 when that is durable. `text` may be NULL. */
int weir_jobs_end(weir_dispatcher *self, weir_context *context, weir_job *job, uint32_t status,
                  const char *text, weir_error *err) WEIR_MUST_CHECK;
/* Marks the jobs of a JobManager that is gone; fails all that are marked, now or when it can. */
void weir_jobs_orphan(weir_dispatcher *self, const char *jobmanager, const char *reason);
void weir_jobs_fail_orphans(weir_dispatcher *self, weir_context *context);
/* A JobManager registered with the jobs that it runs. */
void weir_jobs_reconcile(weir_dispatcher *self, weir_context *context,
                         const Weir__Proto__Register *registration);
/* A JobManager runs this job, which is not known here, and has not answered its CancelJob yet. */
bool weir_jobs_is_claimed(const weir_dispatcher *self, const char *job);
void weir_jobs_clear(weir_dispatcher *self);
void weir_jobs_sweep(weir_dispatcher *self, weir_context *context); /* history, artifacts */
/* Passes a cancel on to the JobMaster of a started job. */
void weir_jobs_forward_cancel(weir_dispatcher *self, weir_context *context, const weir_job *job,
                              const weir_reply_to *reply_to);

/* ---- members.c ---- */
void weir_members_on_peer(weir_dispatcher *self, weir_context *context, enum weir_peer_event event,
                          const weir_peer_info *peer);
void weir_members_on_register(weir_dispatcher *self, weir_context *context,
                              const weir_envelope *message);
weir_roles weir_members_role(const weir_dispatcher *self, const char *process);
weir_member *weir_members_get(const weir_dispatcher *self, const char *process);
/* We have just started, and it may come back yet. */
bool weir_members_is_awaited(const weir_dispatcher *self, weir_context *context,
                             const char *process);
weir_member *weir_members_next(const weir_dispatcher *self, weir_roles role, size_t *cursor);
weir_member *weir_members_first(const weir_dispatcher *self, weir_roles role);
void weir_members_on_stop(weir_dispatcher *self, weir_context *context,
                          const weir_envelope *message);
void weir_members_check_stop(weir_dispatcher *self, weir_context *context, bool timed_out);
void weir_member_free(void *member);

/* ---- slot_requests.c ---- */
void weir_slots_on_request(weir_dispatcher *self, weir_context *context,
                           const weir_envelope *message);
void weir_slots_on_free(weir_dispatcher *self, weir_context *context, const weir_envelope *message);
void weir_slots_release(weir_dispatcher *self, weir_context *context, const char *job,
                        const weir_error *why); /* all of a job's, and its request */
/* What could not be told to an agent for want of memory. */
void weir_slots_release_again(weir_dispatcher *self, weir_context *context);
/* 0, or the registration is refused. */
int weir_slots_register(weir_dispatcher *self, weir_context *context,
                        const Weir__Proto__Register *registration, weir_error *err) WEIR_MUST_CHECK;
void weir_slots_lose(weir_dispatcher *self, weir_context *context, const char *process);
void weir_slots_serve(weir_dispatcher *self, weir_context *context);
/* After the grace time: what agents hold for jobs that are not known here and run nowhere. */
void weir_slots_release_unknown(weir_dispatcher *self, weir_context *context);
void weir_slots_clear(weir_dispatcher *self);

/* ---- front_door.c ---- */
void weir_door_on_list(weir_dispatcher *self, weir_context *context, const weir_envelope *message);
void weir_door_on_describe(weir_dispatcher *self, weir_context *context,
                           const weir_envelope *message);
void weir_door_on_status(weir_dispatcher *self, weir_context *context,
                         const weir_envelope *message);
void weir_door_on_rows(weir_dispatcher *self, weir_context *context, const weir_envelope *message);
void weir_door_reply_detail(weir_context *context, const weir_job *job,
                            const weir_reply_to *reply_to);
void weir_door_reply_no_rows(weir_context *context, const weir_reply_to *reply_to,
                             uint64_t position);
void weir_door_forward_rows(weir_dispatcher *self, weir_context *context, const weir_job *job,
                            const weir_reply_to *reply_to, uint64_t position, int64_t wait_ms);
weir_relay *weir_relay_new(weir_dispatcher *self, const weir_reply_to *reply_to, const char *job);
void weir_relay_end(weir_dispatcher *self, weir_relay *relay);
/* The reply's body goes to whom the relay stands for. */
void weir_relay_pass(weir_dispatcher *self, weir_context *context, weir_relay *relay,
                     const weir_envelope *reply, const weir_error *error);

/* ---- logs.c ---- */
void weir_logs_on_fetch(weir_dispatcher *self, weir_context *context, const weir_envelope *message);
void weir_logs_clear(weir_dispatcher *self);

/* ---- waiters.c ---- */
/* Holds a request; when there are too many already, it is answered as if its time had passed. */
void weir_waiters_add(weir_dispatcher *self, weir_context *context, const weir_waiter *waiter,
                      int64_t wait_ms);
void weir_waiters_wake(weir_dispatcher *self, weir_context *context, weir_job *job);
bool weir_waiters_on_timer(weir_dispatcher *self, weir_context *context, uint64_t timer);
void weir_waiters_clear(weir_dispatcher *self);

/* ---- artifact_door.c ---- */
void weir_artifacts_on_upload(weir_dispatcher *self, weir_context *context,
                              const weir_envelope *message);
void weir_artifacts_on_fetch(weir_dispatcher *self, weir_context *context,
                             const weir_envelope *message);
void weir_artifacts_sweep(weir_dispatcher *self, weir_context *context);
bool weir_artifacts_has(weir_dispatcher *self, const char *digest, weir_error *err);

#endif
