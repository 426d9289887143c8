/* jobmanager/job_master.h -- the actor that runs one job: gets slots, starts task runners through
 * the agents, deploys, watches, fails, cancels, reports.
 *
 *   INITIALIZING  graph is read          -> CREATED  slots requested, agents offer them, runners
 * start
 *   -> every runner has deployed its tasks -> StartTasks -> every subtask RUNNING: RUNNING
 *   -> every subtask FINISHED: FINISHED;  a failure: FAILING, tasks are cancelled, FAILED
 *
 * Talks to: "dispatcher" (slots, reports), agents (offers, exits), runners. Lives until its end was
 * acknowledged by the dispatcher and its rows are fetched. */
#ifndef JOBMANAGER_JOB_MASTER_H
#define JOBMANAGER_JOB_MASTER_H

#include "actors/actor.h"
#include "base/options.h"

#define WEIR_JOB_MASTER_PREFIX "job-"

extern const weir_actor_class weir_job_master_class;

/* `dispatcher` is the alias of the dispatcher's process. The configuration is copied, with the
 * job's own values over it. `ended(data)` is called when the actor has nothing left to do. */
int weir_job_master_new(const Weir__Proto__StartJob *job, const weir_config *config,
                        const char *dispatcher, uint64_t epoch,
                        void (*ended)(void *data, weir_context *context, const char *job),
                        void *ended_data, void **ret, weir_error *err) WEIR_MUST_CHECK;

#endif
