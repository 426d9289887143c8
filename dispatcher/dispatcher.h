/* dispatcher/dispatcher.h -- the actor "dispatcher": the front door of a cluster. It owns the
 * submissions, the artifacts, the results of jobs and the slot inventory. A pure actor: what it
 * keeps goes through two vtables, which block for the disk (a submission is synced before it is
 * answered).
 *
 * Promises: an accepted submission (a SubmitReply was sent) is never lost and never handed to two
 * JobManagers; a job that ended stays ended; a repeated request changes nothing. When a commit
 * fails so that nobody can know its outcome, the node stops: the next start reads the truth.
 *
 * Who may ask what: clients SubmitJob UploadChunk ListJobs DescribeJob CancelJob FetchRows FetchLog
 * ClusterStatus StopCluster; JobManagers Register JobReport RequestSlots FreeSlots; TaskManagers
 * Register; both of these FetchArtifact. Anything else is WEIR_EREFUSED.
 *
 * It asks: a JobManager's actor "jobmanager" StartJob, FetchLog, Shutdown; its actor "job-<id>"
 * CancelJob (also of jobs that ended here or are not known), FetchRows; a TaskManager's actor
 * "agent" AllocateSlots (absolute: the job's slots there), FreeSlots (of a job without slots there:
 * fine), FetchLog (`what`: "" for its own log, or a job's id for the log of its task runner),
 * Shutdown. The envelopes of StartJob, AllocateSlots and FreeSlots carry the dispatcher's epoch. */
#ifndef DISPATCHER_DISPATCHER_H
#define DISPATCHER_DISPATCHER_H

#include "actors/actor.h"
#include "dispatcher/artifact_store.h"
#include "store/records.h"

#define WEIR_DISPATCHER_ACTOR "dispatcher"

typedef struct weir_dispatcher_config {
    const char *cluster; /* cluster.id */
    const char *version;
    const char *host; /* of its own row in ClusterStatus */
    const char *endpoint;
    uint32_t pid;
    const char *log_path;         /* own log; "" when there is none */
    int64_t grace_ms;             /* after the start: too few slots may only be late */
    int64_t restart_grace_ms;     /* the same for incarnations after the first: members that know
                                   * us come back after their reconnect backoff; at most
                                   * heartbeat_timeout_ms */
    int64_t slot_timeout_ms;      /* slot.request.timeout */
    int64_t heartbeat_timeout_ms; /* a JobManager silent for so long after the start is gone */
    int64_t ask_timeout_ms;       /* rpc.ask.timeout */
    int64_t stop_timeout_ms;      /* StopCluster waits for the others' goodbyes */
    int64_t history_ms;           /* jobstore.expiration-time */
    uint32_t history_max;         /* jobstore.max-capacity */
    uint32_t jobs_max;            /* jobs that have not ended */
    uint32_t waiters_max;         /* requests held until something changes */
    uint32_t chunk_max;           /* bytes of an artifact chunk or of log text in one reply */
    weir_error *failure; /* set when the node stops because of the records; NULL: not wanted */
} weir_dispatcher_config;

/* Everything but the texts, which are "". */
void weir_dispatcher_config_init(weir_dispatcher_config *config);

extern const weir_actor_class weir_dispatcher_class;

/* Loads the jobs. Copies the texts; borrows records and artifacts, which outlive the actor. Fails
 * as the records do. */
int weir_dispatcher_new(const weir_dispatcher_config *config, weir_records *records,
                        weir_artifact_store *artifacts, void **ret_self,
                        weir_error *err) WEIR_MUST_CHECK;

#endif
