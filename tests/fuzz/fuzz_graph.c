/* A job graph as it comes from a submitter or lies in the store. One that is accepted is packed and
 * read again to the same, optimized, cut into tasks, executed on paper and shown.
 *
 *   the bytes */
#include "fuzz.h"

#include "base/memory.h"
#include "graph/graph_codec.h"
#include "graph/optimizer.h"
#include "graph/plan_text.h"
#include "jobmanager/execution.h"

#include <string.h>

enum { SUBTASKS_MAX = 5000 };

static weir_graph *unpack(const void *bytes, size_t size)
{
    weir_graph *graph = NULL;
    weir_error err = WEIR_ERROR_INIT;
    int rc = weir_graph_unpack(bytes, size, &graph, &err);
    if (rc != 0)
        fuzz_fail(__FILE__, __LINE__, "what was packed is refused: %s", err.text);
    return graph;
}

static void check_pack(const weir_graph *graph)
{
    weir_buffer first = WEIR_BUFFER_INIT, second = WEIR_BUFFER_INIT;

    FUZZ_OK(weir_graph_pack(graph, &first));
    weir_graph *again = unpack(first.data, first.size);
    FUZZ_CHECK(weir_graph_fingerprint(graph) == weir_graph_fingerprint(again));
    FUZZ_OK(weir_graph_pack(again, &second));
    FUZZ_CHECK(fuzz_same(&first, &second));
    weir_graph_destroy(&again);
    weir_buffer_deinit(&first);
    weir_buffer_deinit(&second);
}

static void check_channels(const weir_graph *graph, const weir_task_plan *plan)
{
    FUZZ_CHECK(weir_task_plan_edge_of(plan, plan->nchannels) == NULL);
    for (uint32_t i = 0; i < plan->nedges; i++) {
        const weir_task_edge *edge = &plan->edges[i];
        enum weir_edge_kind kind = graph->edges[edge->graph_edge].kind;
        uint32_t last = kind == WEIR_EDGE_FORWARD ? 0 : edge->to_parallelism - 1;
        uint32_t first = weir_task_plan_channel(edge, kind, 0, 0);
        uint32_t end = weir_task_plan_channel(edge, kind, edge->from_parallelism - 1, last);

        FUZZ_CHECK(first == edge->first_channel && end == first + edge->nchannels - 1);
        FUZZ_CHECK(end < plan->nchannels);
        FUZZ_CHECK(weir_task_plan_edge_of(plan, first) == edge);
        FUZZ_CHECK(weir_task_plan_edge_of(plan, end) == edge);
    }
}

static void check_shown(const weir_graph *graph, const weir_task_plan *plan)
{
    weir_buffer text = WEIR_BUFFER_INIT;

    FUZZ_OK(weir_plan_text(graph, plan, &text));
    FUZZ_CHECK(fuzz_is_utf8(text.data, text.size));
    weir_buffer_clear(&text);
    FUZZ_OK(weir_plan_dot(graph, plan, &text));
    FUZZ_CHECK(fuzz_is_utf8(text.data, text.size));
    weir_buffer_clear(&text);
    FUZZ_OK(weir_plan_json(graph, plan, &text));
    FUZZ_CHECK(fuzz_is_json(text.data, text.size));
    weir_buffer_deinit(&text);
}

static void check_plan(const weir_graph *graph, bool chaining)
{
    weir_task_plan *plan = NULL;
    weir_error err = WEIR_ERROR_INIT;
    uint32_t operators = 0;

    int rc = weir_task_plan_new(graph, chaining, &plan, &err);
    if (rc != 0) {
        fuzz_check_failure(rc, &err);
        FUZZ_CHECK(rc == WEIR_ETOO_LARGE);
        return;
    }
    for (uint32_t i = 0; i < plan->ntasks; i++) {
        const weir_task *task = &plan->tasks[i];
        operators += task->noperators;
        FUZZ_CHECK(task->parallelism >= 1 && task->parallelism <= plan->slots);
    }
    FUZZ_CHECK(operators == graph->noperators);
    check_channels(graph, plan);
    check_shown(graph, plan);
    weir_task_plan_destroy(&plan);
}

static void check_execution(const void *bytes, size_t size, const weir_graph *graph)
{
    weir_execution *execution = NULL;
    weir_error err = WEIR_ERROR_INIT;
    uint64_t subtasks = 0;

    for (uint32_t i = 0; i < graph->noperators; i++)
        subtasks += weir_graph_operator_parallelism(graph, i);
    if (subtasks > SUBTASKS_MAX)
        return;
    int rc = weir_execution_new(bytes, size, true, 1, &execution, &err);
    if (rc != 0)
        fuzz_check_failure(rc, &err);
    else
        FUZZ_CHECK(!weir_execution_is_ended(execution) && !weir_execution_all_ended(execution));
    weir_execution_destroy(&execution);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = fuzz_copy(data, size);
    weir_graph *graph = NULL;
    weir_error err = WEIR_ERROR_INIT;
    int rc = weir_graph_unpack(bytes, size, &graph, &err);

    if (rc != 0) {
        fuzz_check_failure(rc, &err);
        FUZZ_CHECK(rc == WEIR_ECORRUPT || rc == WEIR_EINVALID || rc == WEIR_ETOO_LARGE);
    } else {
        FUZZ_OK(weir_graph_validate(graph, &err));
        check_pack(graph);
        check_plan(graph, true);
        rc = weir_graph_optimize(graph, &err);
        FUZZ_CHECK(rc == 0 || graph->noperators > WEIR_GRAPH_OPERATORS_MAX / 2);
    }
    if (rc == 0) {
        FUZZ_OK(weir_graph_validate(graph, &err));
        check_pack(graph);
        check_plan(graph, true);
        check_plan(graph, false);
        check_execution(bytes, size, graph);
    }
    weir_graph_destroy(&graph);
    weir_free(bytes);
    return 0;
}
