/* taskmanager/runner.h -- the actor "runner": one job's slots on one host. Says READY to the
 * JobMaster, deploys and starts tasks as told, passes on what its slots report, exits when told.
 *
 * Slots run elsewhere (threads, or simulated); the runner reaches them through its host and gets
 * their events by the weir_runner_on_... calls, in its own thread. */
#ifndef TASKMANAGER_RUNNER_H
#define TASKMANAGER_RUNNER_H

#include "actors/actor.h"
#include "taskmanager/deployment.h"
#include "taskmanager/slot.h"

#define WEIR_RUNNER_ACTOR "runner"

typedef struct weir_runner_host {
    /* Makes the slots of this runner and opens them; each subtask's status comes back, and at the
     * end weir_runner_on_opened per slot. Takes the deployment over. */
    int (*deploy)(struct weir_runner_host *self, weir_deployment *deployment, weir_error *err);
    void (*start)(struct weir_runner_host *self);
    void (*cancel)(struct weir_runner_host *self);
    void (*give_split)(struct weir_runner_host *self, uint32_t operator_, uint32_t subtask,
                       uint64_t number, const void *split, size_t size, bool end);
    /* Of slot 0: the answer is weir_runner_on_split with the same cookie. */
    void (*ask_split)(struct weir_runner_host *self, uint32_t operator_, uint32_t subtask,
                      uint64_t number, void *cookie);
    void (*print_ready)(struct weir_runner_host *self, uint32_t slot);
    size_t (*progress)(struct weir_runner_host *self, uint32_t slot, weir_subtask_progress *out,
                       size_t capacity, uint64_t *ret_counter, bool *ret_idle);
    void (*print_to_log)(struct weir_runner_host *self, const void *bytes, size_t size);
    /* Ends the task runner as if it had crashed, with this as the reason: what it has to tell
     * cannot be told, and silence would leave its job waiting for ever. */
    void (*die)(struct weir_runner_host *self, const char *reason);
    /* Whether weir_runner_on_moved shall come when a slot moves from now on, once. NULL: it never
     * comes, and progress is looked after all the time. */
    void (*await_move)(struct weir_runner_host *self, bool await);
    /* A sign of life for the agent; the next one comes within `pace` times `beat_ms`. */
    void (*beat)(struct weir_runner_host *self, uint32_t pace);
} weir_runner_host;

typedef struct weir_runner_config {
    const Weir__Proto__RunnerSpec *spec; /* borrowed for the actor's life */
    const weir_config *config;           /* the job's */
    const char *data_endpoint;
    uint32_t pid;
    int64_t beat_ms; /* how often `beat` is called; less often while nothing moves; 0: never */
    weir_runner_host *host;
} weir_runner_config;

extern const weir_actor_class weir_runner_class;

int weir_runner_new(const weir_runner_config *config, void **ret, weir_error *err) WEIR_MUST_CHECK;

void weir_runner_on_status(void *runner, weir_context *context, uint32_t slot, uint32_t task,
                           enum weir_task_status status, uint64_t records_in, uint64_t records_out,
                           const weir_error *error);
/* The slot has opened its subtasks (error NULL), or could not. */
void weir_runner_on_opened(void *runner, weir_context *context, uint32_t slot,
                           const weir_error *error);
void weir_runner_on_want_split(void *runner, weir_context *context, uint32_t operator_,
                               uint32_t subtask, uint64_t number);
void weir_runner_on_split(void *runner, weir_context *context, void *cookie, const void *split,
                          size_t size, bool end, const weir_error *error);
void weir_runner_on_moved(void *runner, weir_context *context);
/* Rows that slot `slot` prints; weir_runner_host.print_ready follows when they are taken. */
void weir_runner_on_print(void *runner, weir_context *context, uint32_t slot, uint32_t operator_,
                          const void *bytes, size_t size);

#endif
