/* PARTIAL and FINAL aggregation of batch jobs. */
#include "graph_fixture.h"

#include "graph/optimizer.h"

WEIR_RECORD(pair, (string, a), (integer, b), (bigint, v));
WEIR_RECORD(counted, (bigint, n), (integer, b), (string, a)); /* keys in another order */

static int fold(weir_ctx *ctx, void *accumulator, const void *in)
{
    (void)ctx, (void)accumulator, (void)in;
    return 0;
}

JOB(counting)
{
    weir_stream *in = weir_parallelism(weir_source(env, "file:/a", pair), 5);

    weir_sink(weir_count(weir_key_by(in, "a, b"), counted), "print:");
}

JOB(unions)
{
    weir_stream *first = weir_source(env, "file:/a", pair);
    weir_stream *second = weir_source(env, "file:/b", pair);
    weir_stream *both = weir_key_by(weir_union(first, second), "b");

    weir_sink(weir_reduce(both, fold, pair), "print:");
    weir_sink(weir_count(weir_key_by(first, "a, b"), counted), "print:");
}

static void test_count(void **state)
{
    weir_graph *graph = fixture_graph(&counting, NULL);
    weir_id id = graph->operators[1].id;
    const weir_graph_operator *partial, *final;

    (void)state;
    assert_int_equal(weir_graph_optimize(graph, NULL), 0);
    assert_int_equal(weir_graph_validate(graph, NULL), 0);
    assert_int_equal(graph->noperators, 4);
    assert_int_equal(graph->nedges, 3);
    partial = &graph->operators[3];
    final = &graph->operators[1];
    assert_int_equal(partial->phase, WEIR_PHASE_PARTIAL);
    assert_int_equal(partial->kind, WEIR_OPERATOR_COUNT);
    assert_int_equal(partial->origin, 1);
    assert_int_equal(partial->parallelism, 5); /* as what is before it */
    assert_string_equal(partial->name, "count");
    assert_int_equal(partial->nkeys, 2);
    assert_int_equal(partial->keys[0], 0);
    assert_int_equal(partial->keys[1], 1);
    assert_true(weir_schema_equal(partial->outputs[0], final->outputs[0]));

    assert_int_equal(final->phase, WEIR_PHASE_FINAL);
    assert_true(weir_id_equal(&final->id, &id));
    assert_int_equal(final->origin, 1);
    assert_true(weir_schema_equal(final->inputs[0], partial->outputs[0]));
    assert_int_equal(final->keys[0], 2); /* "a" in the partial's output */
    assert_int_equal(final->keys[1], 1);
    assert_int_equal(final->count_input, 0);
    assert_int_equal(final->count_field, 0);

    assert_int_equal(graph->edges[0].from, 3);
    assert_int_equal(graph->edges[0].to, 1);
    assert_int_equal(graph->edges[0].kind, WEIR_EDGE_HASH);
    assert_int_equal(graph->edges[0].keys[0], 2);
    assert_int_equal(graph->edges[2].from, 0);
    assert_int_equal(graph->edges[2].to, 3);
    assert_int_equal(graph->edges[2].kind, WEIR_EDGE_FORWARD);
    assert_int_equal(graph->edges[2].nkeys, 0);

    assert_int_equal(weir_graph_optimize(graph, NULL), 0); /* again: nothing to do */
    assert_int_equal(graph->noperators, 4);
    weir_graph_destroy(&graph);
}

static void test_one_partial_per_edge(void **state)
{
    weir_graph *graph = fixture_graph(&unions, NULL), *again = fixture_graph(&unions, NULL);

    (void)state;
    assert_int_equal(weir_graph_optimize(graph, NULL), 0);
    assert_int_equal(weir_graph_optimize(again, NULL), 0);
    assert_int_equal(weir_graph_validate(graph, NULL), 0);
    assert_int_equal(graph->noperators, 6 + 3);
    assert_int_equal(graph->nedges, 5 + 3);
    for (uint32_t i = 6; i < 9; i++) {
        assert_int_equal(graph->operators[i].phase, WEIR_PHASE_PARTIAL);
        assert_true(weir_id_equal(&graph->operators[i].id, &again->operators[i].id));
    }
    assert_int_equal(graph->operators[6].origin, 2);
    assert_int_equal(graph->operators[7].origin, 2);
    assert_int_equal(graph->operators[8].origin, 4);
    assert_int_equal(graph->operators[2].keys[0], 1); /* a reduce keeps its columns */
    assert_int_equal(weir_graph_fingerprint(graph), weir_graph_fingerprint(again));
    weir_graph_destroy(&graph);
    weir_graph_destroy(&again);
}

static void test_streaming_stays(void **state)
{
    weir_environment_config config = fixture_config();
    weir_graph *graph;

    (void)state;
    config.runtime_mode = 1;
    graph = fixture_graph(&counting, &config);
    assert_int_equal(weir_graph_optimize(graph, NULL), 0);
    assert_int_equal(graph->noperators, 3);
    assert_int_equal(graph->operators[1].phase, WEIR_PHASE_COMPLETE);
    weir_graph_destroy(&graph);
}

static void test_retracting_input_stays(void **state)
{
    weir_graph *graph = fixture_graph(&counting, NULL);

    (void)state;
    graph->operators[0].retracts = true;
    assert_int_equal(weir_graph_optimize(graph, NULL), 0);
    assert_int_equal(graph->operators[1].phase, WEIR_PHASE_COMPLETE);
    weir_graph_destroy(&graph);
}

static void test_out_of_memory(void **state)
{
    int rc = WEIR_ENO_MEMORY;

    (void)state;
    for (uint64_t n = 1; rc != 0 && n < 100; n++) {
        weir_graph *graph = fixture_graph(&unions, NULL);

        weir_memory_fail_at(n);
        rc = weir_graph_optimize(graph, NULL);
        weir_memory_fail_at(0);
        assert_true(rc == 0 || rc == WEIR_ENO_MEMORY);
        weir_graph_destroy(&graph);
    }
    assert_int_equal(rc, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count),           cmocka_unit_test(test_one_partial_per_edge),
        cmocka_unit_test(test_streaming_stays), cmocka_unit_test(test_retracting_input_stays),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
