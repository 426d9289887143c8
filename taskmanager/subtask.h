/* taskmanager/subtask.h -- one subtask of a task: its gates, its chain, its edge writers, and how
 * far it has come. Belongs to its slot's thread. */
#ifndef TASKMANAGER_SUBTASK_H
#define TASKMANAGER_SUBTASK_H

#include "exchange/input_gate.h"
#include "taskmanager/chain.h"
#include "taskmanager/slot.h"

typedef struct weir_subtask weir_subtask;

/* `ports[s]` carries frames to slot s; `print_self` as in weir_chain_config. */
int weir_subtask_new(const weir_slot_config *config, const weir_task *task, weir_port *const *ports,
                     const weir_connector_context *connector, void *(*print_self)(void *, uint32_t),
                     void *print_self_data, weir_subtask **ret, weir_error *err) WEIR_MUST_CHECK;
void weir_subtask_destroy(weir_subtask **subtask);

int weir_subtask_open(weir_subtask *subtask, weir_error *err) WEIR_MUST_CHECK;
int weir_subtask_start(weir_subtask *subtask, weir_error *err) WEIR_MUST_CHECK;
void weir_subtask_close(weir_subtask *subtask); /* ends it early: everything is released */

/* One quantum, about one batch. 1: made progress; 0: has nothing to do, or must wait (`wait` says
 * for what, if it is not for frames). */
int weir_subtask_run(weir_subtask *subtask, weir_wait *wait, weir_error *err) WEIR_MUST_CHECK;
/* Hands on what is buffered. 1: rows of an output without room stay, unless it is `late` for them:
 * a slot that only waits for credit would cut its batches into crumbs. */
int weir_subtask_flush(weir_subtask *subtask, bool late, weir_wait *wait,
                       weir_error *err) WEIR_MUST_CHECK;

/* A frame for edge `edge`: credit for an output channel, or data for a gate. Takes it over. */
int weir_subtask_receive(weir_subtask *subtask, const weir_task_edge *edge, weir_frame *frame,
                         weir_error *err) WEIR_MUST_CHECK;
int weir_subtask_give_split(weir_subtask *subtask, uint64_t number, const void *split, size_t size,
                            bool end, weir_error *err) WEIR_MUST_CHECK;

enum weir_task_status weir_subtask_status(const weir_subtask *subtask);
void weir_subtask_set_status(weir_subtask *subtask, enum weir_task_status status);
void weir_subtask_counts(const weir_subtask *subtask, weir_subtask_progress *ret);

#endif
