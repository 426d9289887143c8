/* jobmanager/job_master_internal.h -- what the files of the JobMaster share; included by them only.
 */
#ifndef JOBMANAGER_JOB_MASTER_INTERNAL_H
#define JOBMANAGER_JOB_MASTER_INTERNAL_H

#include "jobmanager/execution.h"
#include "jobmanager/job_master.h"
#include "jobmanager/row_buffer.h"

enum runner_state {
    RUNNER_GRANTED,  /* the dispatcher told the agent to offer its slots */
    RUNNER_STARTING, /* the offer was accepted: the agent starts the process */
    RUNNER_READY,    /* it said so */
    RUNNER_DEPLOYED, /* its tasks are open */
    RUNNER_GONE      /* ended, killed, or its host is lost */
};

typedef struct runner {
    enum runner_state state;
    char taskmanager[WEIR_PROCESS_NAME_MAX], host[256];
    char process[WEIR_PROCESS_NAME_MAX]; /* from READY on */
    char endpoint[256];                  /* of its data bus */
    uint32_t count;                      /* slots */
    uint32_t pid;
    bool has_tasks; /* Deploy was sent and did not fail */
} runner;

typedef struct waiting_rows { /* PrintRows that the buffer had no room for */
    struct waiting_rows *next;
    weir_reply_to reply_to;
    size_t size;
    uint8_t bytes[];
} waiting_rows;

typedef struct slot_state { /* of one slot of the job */
    uint64_t counter;       /* of its turns, for the progress timeout */
    int64_t counter_ms;     /* when it last grew, or the slot was idle */
    uint64_t printed;       /* number of the last PrintRows: a repeat is answered, not added */
} slot_state;

typedef struct split_relay { /* a RequestSplit that was passed on */
    struct split_relay *next;
    weir_reply_to reply_to;
} split_relay;

typedef struct job_master {
    char job[33];
    char *name, *artifact;
    char *dispatcher;
    uint64_t epoch;
    bool attached;
    int64_t start_ms, end_ms; /* wall clock */
    weir_config *config;
    uint8_t *packed_graph;
    size_t packed_graph_size;
    weir_execution *execution; /* NULL: the graph was bad */
    weir_error setup_error;
    runner *runners;
    uint32_t nrunners;
    bool started;     /* StartTasks was sent */
    bool cancel_told; /* so were CancelTasks */
    uint64_t deploy_timer, cancel_timer, linger_timer, rows_timer, stuck_timer;
    uint64_t data_key;
    bool has_key;
    weir_key_pair key; /* of its runners, and of nobody else */
    bool report_in_flight, end_reported;
    bool free_in_flight, slots_freed;
    uint64_t reported_version;
    slot_state *slots;
    split_relay *relays;
    weir_row_buffer rows;
    waiting_rows *waiting_first, *waiting_last;
    weir_reply_to fetcher; /* a FetchRows that waits for rows; correlation 0: none */
    int64_t fetched_ms;    /* when a client last asked */
    bool client_lost;
    bool gap_untold; /* rows went elsewhere, and no client was told */
    void (*ended)(void *data, weir_context *context, const char *job);
    void *ended_data;
} job_master;

/* job_master.c */
void weir__job_fail(job_master *self, weir_context *context, const weir_error *error,
                    enum weir_cause cause);
void weir__job_check_end(job_master *self, weir_context *context);
bool weir__job_is_ended(const job_master *self);

/* job_deploy.c */
void weir__job_request_slots(job_master *self, weir_context *context);
void weir__job_on_offer(job_master *self, weir_context *context, const weir_envelope *message);
void weir__job_on_runner_ready(job_master *self, weir_context *context,
                               const weir_envelope *message);
void weir__job_on_runner_exited(job_master *self, weir_context *context,
                                const weir_envelope *message);
void weir__job_on_process_lost(job_master *self, weir_context *context, const char *process,
                               const char *why);
void weir__job_cancel_tasks(job_master *self, weir_context *context);
void weir__job_end_runners(job_master *self, weir_context *context);
void weir__job_free_slots(job_master *self, weir_context *context);
/* "TaskManager x at y: its task runner is not ready": what deployment waits for. */
const char *weir__job_awaited(const job_master *self, char *out, size_t size);

/* job_report.c */
void weir__job_report(job_master *self, weir_context *context);
void weir__job_on_print(job_master *self, weir_context *context, const weir_envelope *message);
void weir__job_on_fetch(job_master *self, weir_context *context, const weir_envelope *message);
void weir__job_rows_timer(job_master *self, weir_context *context);
void weir__job_rows_check_end(job_master *self, weir_context *context);
void weir__job_free_rows(job_master *self);

#endif
