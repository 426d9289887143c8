/* Chains, tasks, edges between them, channels. */
#include "graph_fixture.h"

#include "graph/optimizer.h"
#include "graph/task_plan.h"

WEIR_RECORD(word, (string, text));
WEIR_RECORD(counted, (string, text), (bigint, n));

static int split(weir_ctx *ctx, const void *in)
{
    (void)ctx, (void)in;
    return 0;
}
static int zip(weir_ctx *ctx, uint32_t input, const void *in)
{
    (void)ctx, (void)input, (void)in;
    return 0;
}
static bool keep(weir_ctx *ctx, const void *in)
{
    (void)ctx, (void)in;
    return true;
}
static bool drop(weir_ctx *ctx, const void *in)
{
    (void)ctx, (void)in;
    return false;
}
static const weir_op splitter = {WEIR_OP("split", weir_line, word), .on_record = split};
static const weir_op zipper = {WEIR_OP("zip", word, word), .on_input = zip, .in2 = WEIR_TYPE(word)};

JOB(wordcount)
{
    weir_stream *lines = weir_source(env, "file:/a", weir_line);
    weir_stream *words = weir_key_by(weir_process(lines, &splitter), "text");

    weir_sink(weir_count(words, counted), "print:");
}

static void test_wordcount(void **state)
{
    weir_graph *graph = fixture_graph(&wordcount, NULL);
    weir_task_plan *plan = NULL;
    const uint32_t first[] = {0, 1, 4}, second[] = {2, 3};

    (void)state;
    assert_int_equal(weir_graph_optimize(graph, NULL), 0);
    assert_int_equal(weir_task_plan_new(graph, true, &plan, NULL), 0);
    assert_int_equal(plan->ntasks, 2);
    assert_string_equal(plan->tasks[0].name, "source file -> split -> count (partial)");
    assert_string_equal(plan->tasks[1].name, "count (final) -> sink print");
    assert_int_equal(plan->tasks[0].noperators, 3);
    assert_memory_equal(plan->tasks[0].operators, first, sizeof(first));
    assert_int_equal(plan->tasks[1].noperators, 2);
    assert_memory_equal(plan->tasks[1].operators, second, sizeof(second));
    assert_true(weir_id_equal(&plan->tasks[1].id, &graph->operators[2].id));
    assert_int_equal(plan->tasks[0].parallelism, 2);
    assert_int_equal(plan->slots, 2);
    assert_int_equal(plan->nedges, 1);
    assert_int_equal(plan->edges[0].from, 0);
    assert_int_equal(plan->edges[0].to, 1);
    assert_int_equal(plan->edges[0].nchannels, 4);
    assert_int_equal(plan->nchannels, 4);
    assert_int_equal(graph->edges[plan->edges[0].graph_edge].kind, WEIR_EDGE_HASH);
    assert_int_equal(plan->tasks[0].noutputs, 1);
    assert_int_equal(plan->tasks[0].outputs[0], 0);
    assert_int_equal(plan->tasks[0].ninputs, 0);
    assert_int_equal(plan->tasks[1].ninputs, 1);
    assert_int_equal(plan->tasks[1].inputs[0], 0);
    weir_task_plan_destroy(&plan);
    weir_task_plan_destroy(&plan);
    weir_graph_destroy(&graph);
}

/* A hash edge of one to one is a channel all the same; without chaining every edge is one. */
static void test_one_subtask(void **state)
{
    weir_environment_config config = fixture_config();
    weir_graph *graph;
    weir_task_plan *plan = NULL;

    (void)state;
    config.parallelism = 1;
    graph = fixture_graph(&wordcount, &config);
    assert_int_equal(weir_task_plan_new(graph, true, &plan, NULL), 0);
    assert_int_equal(plan->ntasks, 2);
    assert_int_equal(plan->nchannels, 1);
    weir_task_plan_destroy(&plan);
    assert_int_equal(weir_task_plan_new(graph, false, &plan, NULL), 0);
    assert_int_equal(plan->ntasks, 4);
    assert_int_equal(plan->nedges, 3);
    assert_string_equal(plan->tasks[1].name, "split");
    weir_task_plan_destroy(&plan);
    weir_graph_destroy(&graph);
}

/* split feeds two filters (a tree), a join of both (two inputs: a task of its own), one sink that
 * will not be chained, and one of another parallelism. */
JOB(tree)
{
    weir_stream *words = weir_process(weir_source(env, "file:/a", weir_line), &splitter);
    weir_stream *kept = weir_filter(words, keep, word);
    weir_stream *dropped = weir_filter(words, drop, word);
    weir_stream *loner = weir_name(weir_filter(words, keep, word), "alone");
    weir_stream *wide = weir_name(weir_filter(words, keep, word), "wide");

    weir_no_chain(loner);
    weir_parallelism(wide, 3);
    weir_sink(weir_process2(kept, dropped, &zipper), "print:");
    weir_sink(loner, "print:");
    weir_sink(weir_broadcast(wide), "print:");
}

static void test_tree(void **state)
{
    weir_graph *graph = fixture_graph(&tree, NULL);
    weir_task_plan *plan = NULL;
    const weir_task_edge *edge;
    uint32_t expected = 0;

    (void)state;
    assert_int_equal(weir_task_plan_new(graph, true, &plan, NULL), 0);
    assert_int_equal(plan->ntasks, 5);
    assert_string_equal(plan->tasks[0].name, "source file -> split -> keep, drop");
    assert_string_equal(plan->tasks[1].name, "alone -> sink print");
    assert_string_equal(plan->tasks[2].name, "wide");
    assert_string_equal(plan->tasks[3].name, "zip -> sink print");
    assert_string_equal(plan->tasks[4].name, "sink print");
    assert_int_equal(plan->slots, 3);
    assert_int_equal(plan->nedges, 5);
    for (uint32_t i = 0; i < plan->nedges; i++) {
        assert_int_equal(plan->edges[i].index, i);
        assert_int_equal(plan->edges[i].first_channel, expected);
        expected += plan->edges[i].nchannels;
    }
    assert_int_equal(plan->nchannels, expected);
    assert_int_equal(plan->tasks[0].noutputs, 4);
    assert_int_equal(plan->tasks[3].ninputs, 2);

    edge = &plan->edges[plan->tasks[3].inputs[1]]; /* forward, but not chained */
    assert_int_equal(edge->nchannels, 2);
    assert_int_equal(weir_task_plan_channel(edge, WEIR_EDGE_FORWARD, 1, 1),
                     edge->first_channel + 1);
    edge = &plan->edges[plan->tasks[4].inputs[0]]; /* broadcast, 3 to 2 */
    assert_int_equal(edge->nchannels, 6);
    assert_int_equal(weir_task_plan_channel(edge, WEIR_EDGE_BROADCAST, 2, 1),
                     edge->first_channel + 5);
    weir_task_plan_destroy(&plan);
    weir_graph_destroy(&graph);
}

static void test_too_many_channels(void **state)
{
    weir_environment_config config = fixture_config();
    weir_graph *graph;
    weir_task_plan *plan = NULL;
    weir_error err = WEIR_ERROR_INIT;

    (void)state;
    config.parallelism = 32768;
    graph = fixture_graph(&wordcount, &config);
    assert_int_equal(weir_task_plan_new(graph, true, &plan, &err), WEIR_ETOO_LARGE);
    assert_non_null(strstr(err.text, "lower the parallelism"));
    assert_null(plan);
    weir_graph_destroy(&graph);
}

static void test_out_of_memory(void **state)
{
    weir_graph *graph = fixture_graph(&tree, NULL);
    int rc = WEIR_ENO_MEMORY;

    (void)state;
    for (uint64_t n = 1; rc != 0 && n < 200; n++) {
        weir_task_plan *plan = NULL;

        weir_memory_fail_at(n);
        rc = weir_task_plan_new(graph, true, &plan, NULL);
        weir_memory_fail_at(0);
        assert_true(rc == 0 || rc == WEIR_ENO_MEMORY);
        weir_task_plan_destroy(&plan);
    }
    assert_int_equal(rc, 0);
    weir_graph_destroy(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wordcount),     cmocka_unit_test(test_one_subtask),
        cmocka_unit_test(test_tree),          cmocka_unit_test(test_too_many_channels),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
