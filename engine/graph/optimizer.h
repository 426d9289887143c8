/* graph/optimizer.h -- rewrites a graph before it is cut into tasks; deterministic, so that the
 * JobManager and every task runner come to the same graph. Today: a COUNT or REDUCE behind a HASH
 * edge of a batch job is split into PARTIAL (before the edge) and FINAL (behind it). Inserted
 * operators are appended at the end with `origin` of the operator they serve. */
#ifndef GRAPH_OPTIMIZER_H
#define GRAPH_OPTIMIZER_H

#include "graph/graph.h"

int weir_graph_optimize(weir_graph *graph, weir_error *err) WEIR_MUST_CHECK;

#endif
