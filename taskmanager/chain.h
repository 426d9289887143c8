/* taskmanager/chain.h -- the operators of one subtask, wired: each output goes to the next
 * operators of the chain by function call and to the writers of the edges that leave the task.
 *
 * Belongs to the slot's thread. A sink that is not ready makes its link stash the rows; the subtask
 * is not scheduled until weir_chain_unstash has emptied it. */
#ifndef TASKMANAGER_CHAIN_H
#define TASKMANAGER_CHAIN_H

#include "exchange/edge_writer.h"
#include "graph/operator.h"
#include "graph/task_plan.h"

typedef struct weir_chain weir_chain;

typedef struct weir_chain_config {
    const weir_graph *graph;
    const weir_task_plan *plan;
    const weir_task *task;
    weir_environment *environment;
    const weir_api *api;
    const weir_connector_catalog *catalog;
    uint32_t subtask;
    uint32_t batch_rows, batch_bytes;
    uint64_t combine_memory;
    const weir_connector_context *connector; /* operator_ is filled in per operator */
    /* print(op): the print callback's self for an operator; see slot.c */
    void *(*print_self)(void *self, uint32_t operator_);
    void *print_self_data;
    void (*log)(void *self, const char *line);
    void *log_self;
    weir_edge_writer *const *writers; /* one per task->outputs, borrowed */
} weir_chain_config;

int weir_chain_new(const weir_chain_config *config, weir_chain **ret,
                   weir_error *err) WEIR_MUST_CHECK;
int weir_chain_open(weir_chain *chain, weir_error *err) WEIR_MUST_CHECK;
void weir_chain_destroy(weir_chain **chain); /* closes what was opened */

weir_operator *weir_chain_head(weir_chain *chain);
/* Input of the head. WEIR_PENDING: nothing was taken, call again with the same after `wait`. What a
 * later member is not ready for is stashed. */
int weir_chain_process(weir_chain *chain, uint32_t input, const weir_columns *columns,
                       weir_wait *wait, weir_error *err) WEIR_MUST_CHECK;
/* Hands on what is buffered. */
int weir_chain_flush(weir_chain *chain, weir_wait *wait, weir_error *err) WEIR_MUST_CHECK;
bool weir_chain_has_stash(const weir_chain *chain);
int weir_chain_unstash(weir_chain *chain, weir_wait *wait, weir_error *err) WEIR_MUST_CHECK;
/* One step of the end: WEIR_DONE when every operator has ended, WEIR_PENDING: call again when the
 * outputs have room. */
int weir_chain_end(weir_chain *chain, weir_wait *wait, weir_error *err) WEIR_MUST_CHECK;
void weir_chain_counts(const weir_chain *chain, uint64_t *ret_in, uint64_t *ret_out);

#endif
