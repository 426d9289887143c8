/* graph/plan_text.h -- a graph and its tasks for people and programs: `weir plan`. */
#ifndef GRAPH_PLAN_TEXT_H
#define GRAPH_PLAN_TEXT_H

#include "base/buffer.h"
#include "graph/task_plan.h"

int weir_plan_text(const weir_graph *graph, const weir_task_plan *plan,
                   weir_buffer *out) WEIR_MUST_CHECK;
int weir_plan_json(const weir_graph *graph, const weir_task_plan *plan,
                   weir_buffer *out) WEIR_MUST_CHECK;
int weir_plan_dot(const weir_graph *graph, const weir_task_plan *plan,
                  weir_buffer *out) WEIR_MUST_CHECK;

#endif
