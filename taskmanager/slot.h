/* taskmanager/slot.h -- a slot: one pipeline slice of a job, run cooperatively by one thread.
 *
 * A pure state machine: a driver (the slot's thread, or the simulator) feeds it frames and
 * messages, calls weir_slot_turn while it makes progress, and sleeps for what weir_slot_wait says
 * otherwise. The subtask most downstream that can run goes first; a subtask runs only when every
 * output has room for a batch, so that backpressure reaches the source. All calls from the driver's
 * thread, but weir_slot_progress, which any thread may call. */
#ifndef TASKMANAGER_SLOT_H
#define TASKMANAGER_SLOT_H

#include "base/buffer.h"
#include "exchange/frame.h"
#include "graph/operator.h"
#include "graph/status.h"
#include "graph/task_plan.h"

typedef struct weir_slot weir_slot;

/* How a slot reaches the rest of its job. Called in the slot's thread; none may block. */
typedef struct weir_slot_host {
    /* To another slot of the job; takes the frame over, also on failure. */
    int (*send)(struct weir_slot_host *self, uint32_t to_slot, weir_frame *frame, weir_error *err);
    /* A subtask changed its status. `error` only for FAILED. */
    void (*status)(struct weir_slot_host *self, uint32_t task, uint32_t subtask,
                   enum weir_task_status status, const weir_error *error);
    /* Wants a split for a source; the answer comes by weir_slot_give_split. */
    void (*want_split)(struct weir_slot_host *self, uint32_t operator_, uint32_t subtask,
                       uint64_t number);
    /* Rows of print:. 0, or WEIR_READ_PENDING: not taken; weir_slot_print_ready will tell. */
    int (*print)(struct weir_slot_host *self, uint32_t operator_, uint32_t subtask,
                 const char *bytes, size_t size);
    int64_t (*now_ms)(struct weir_slot_host *self);
    void (*log)(struct weir_slot_host *self, const char *line);
} weir_slot_host;

typedef struct weir_slot_config {
    const weir_graph *graph; /* optimized */
    const weir_task_plan *plan;
    weir_environment *environment; /* user code; shared by the slots of a runner, read only */
    const weir_api *api;
    const weir_connector_catalog *catalog;
    uint32_t slot; /* its number in the job; subtask of every task in it */
    const char *job_id;
    uint32_t attempt;
    uint64_t epoch;
    uint32_t window; /* bytes granted per input channel */
    uint32_t batch_rows, batch_bytes;
    uint64_t combine_memory;
    uint64_t overdraft_max;    /* bytes that may wait for credit per channel; 0: no limit */
    int64_t buffer_timeout_ms; /* half-full batches leave at the latest after this; -1: never */
    weir_slot_host *host;
} weir_slot_config;

int weir_slot_new(const weir_slot_config *config, weir_slot **ret,
                  weir_error *err) WEIR_MUST_CHECK; /* everything borrowed until destroyed */
void weir_slot_destroy(weir_slot **slot);

/* Opens every subtask: INITIALIZING is reported for each, or FAILED for the first that cannot. */
int weir_slot_open(weir_slot *slot, weir_error *err) WEIR_MUST_CHECK;
/* All tasks of the job are open everywhere: grants credit; RUNNING is reported. */
void weir_slot_start(weir_slot *slot);
void weir_slot_cancel(weir_slot *slot); /* CANCELED for what has not ended */

void weir_slot_receive(weir_slot *slot, weir_frame *frame); /* takes it over */
/* `end`: none is left. A number that is not the one asked for last is ignored. */
void weir_slot_give_split(weir_slot *slot, uint32_t operator_, uint32_t subtask, uint64_t number,
                          const void *split, size_t size, bool end);
void weir_slot_print_ready(weir_slot *slot);
/* Slot 0 holds the enumerators: the split number `number` for `subtask`; the same number gives the
 * same answer. WEIR_READ_END: none is left. */
int weir_slot_next_split(weir_slot *slot, uint32_t operator_, uint32_t subtask, uint64_t number,
                         weir_buffer *out, weir_error *err) WEIR_MUST_CHECK;
/* The job's data cannot be trusted any more (a connection broke): fails every subtask. */
void weir_slot_fail(weir_slot *slot, const weir_error *error);

bool weir_slot_turn(weir_slot *slot); /* true: made progress, call again */
/* What to sleep for after a turn without progress: descriptors to read, and a time (INT64_MAX:
 * none). `waits` has room for `capacity`; returns how many were filled in. */
size_t weir_slot_wait(weir_slot *slot, int *fds, size_t capacity, int64_t *ret_at_ms);
bool weir_slot_is_done(const weir_slot *slot); /* every subtask has ended */

typedef struct weir_subtask_progress {
    uint32_t task, subtask;
    uint64_t records_in, records_out, bytes_queued;
    bool backpressured;
} weir_subtask_progress;
/* From any thread. Fills up to `capacity`, returns how many subtasks there are. `ret_counter` grows
 * with every turn that made progress. */
size_t weir_slot_progress(const weir_slot *slot, weir_subtask_progress *out, size_t capacity,
                          uint64_t *ret_counter, bool *ret_idle);

#endif
