/* The graph itself: limits, order, and every rule of weir_graph_validate. */
#include "graph_fixture.h"

WEIR_RECORD(word, (string, text));
WEIR_RECORD(counted, (string, text), (bigint, n));

static int split(weir_ctx *ctx, const void *in)
{
    (void)ctx, (void)in;
    return 0;
}
static const weir_op splitter = {WEIR_OP("split", weir_line, word), .on_record = split};

JOB(wordcount)
{
    weir_stream *lines = weir_source(env, "file:/a", weir_line);
    weir_stream *words = weir_key_by(weir_process(lines, &splitter), "text");

    weir_sink(weir_count(words, counted), "print:");
}

static void test_new(void **state)
{
    weir_graph *graph = NULL;

    (void)state;
    assert_int_equal(weir_graph_new("x", &graph), 0);
    assert_string_equal(graph->name, "x");
    assert_int_equal(weir_graph_validate(graph, NULL), WEIR_EINVALID); /* no operators */
    weir_graph_destroy(&graph);
    assert_null(graph);
    weir_graph_destroy(&graph);
    weir_graph_destroy(NULL);
}

static void test_limits(void **state)
{
    weir_graph *graph = NULL;

    (void)state;
    assert_int_equal(weir_graph_new("x", &graph), 0);
    for (uint32_t i = 0; i < WEIR_GRAPH_OPERATORS_MAX; i++) {
        weir_graph_operator *op = weir_graph_add_operator(graph);

        assert_non_null(op);
        assert_int_equal(op->index, i);
        assert_int_equal(op->origin, i);
    }
    assert_null(weir_graph_add_operator(graph));
    for (uint32_t i = 0; i < WEIR_GRAPH_EDGES_MAX; i++)
        assert_non_null(weir_graph_add_edge(graph));
    assert_null(weir_graph_add_edge(graph));
    weir_graph_destroy(&graph);
}

static void join(weir_graph *graph, uint32_t from, uint32_t to)
{
    weir_graph_edge *edge = weir_graph_add_edge(graph);

    assert_non_null(edge);
    edge->from = from;
    edge->to = to;
}

static void test_order(void **state)
{
    weir_graph *graph = NULL;
    uint32_t order[5];
    const uint32_t expected[] = {1, 4, 0, 3, 2};

    (void)state;
    assert_int_equal(weir_graph_new("x", &graph), 0);
    for (int i = 0; i < 5; i++)
        assert_non_null(weir_graph_add_operator(graph));
    join(graph, 1, 4);
    join(graph, 4, 0);
    join(graph, 4, 0);
    join(graph, 4, 3);
    join(graph, 0, 2);
    join(graph, 3, 2);
    assert_int_equal(weir_graph_order(graph, order), 0);
    assert_memory_equal(order, expected, sizeof(expected));
    join(graph, 2, 4);
    assert_int_equal(weir_graph_order(graph, order), WEIR_EINVALID);
    weir_graph_destroy(&graph);
}

/* ---- validation: one wrong thing at a time ---- */

typedef void (*damage)(weir_graph *graph);

#define DAMAGE(NAME, ...)                                                                          \
    static void NAME(weir_graph *graph)                                                            \
    {                                                                                              \
        weir_graph_operator *ops = graph->operators;                                               \
        weir_graph_edge *edges = graph->edges;                                                     \
        (void)ops, (void)edges;                                                                    \
        __VA_ARGS__                                                                                \
    }

static void replace(weir_schema **schema, const char *text)
{
    weir_schema_unref(schema);
    if (text != NULL)
        assert_int_equal(weir_schema_parse(text, schema, NULL), 0);
}

/* source 0 -> split 1 => count 2 -> sink 3 */
DAMAGE(no_name, graph->name = "";)
DAMAGE(bad_utf8, ops[1].name = "\xc3(";)
DAMAGE(overlong_utf8, ops[1].where = "\xe0\x80\x80";)
DAMAGE(surrogate, ops[1].uid = "\xed\xa0\x80";)
DAMAGE(no_text, ops[1].where = NULL;)
DAMAGE(wrong_index, ops[1].index = 2;)
DAMAGE(wrong_origin, ops[1].origin = 4;)
DAMAGE(wrong_kind, ops[1].kind = (enum weir_operator_kind)9;)
DAMAGE(wrong_phase, ops[2].phase = (enum weir_phase)3;)
DAMAGE(phase_of_map, ops[1].phase = WEIR_PHASE_FINAL;)
DAMAGE(no_parallelism, graph->parallelism = 0;)
DAMAGE(over_max, graph->parallelism = 129;)
DAMAGE(operator_over_max, ops[2].parallelism = 129;)
DAMAGE(no_max, graph->max_parallelism = 0;)
DAMAGE(max_too_large, graph->max_parallelism = 32769;)
DAMAGE(forward_mismatch, ops[0].parallelism = 5;)
DAMAGE(no_connector, ops[0].connector = "";)
DAMAGE(connector_of_map, ops[1].connector = "file";)
DAMAGE(no_options, ops[3].noptions = 3; ops[3].options = NULL;)
DAMAGE(sink_with_output, ops[3].noutputs = 1;)
DAMAGE(source_with_input, ops[0].ninputs = 1;)
DAMAGE(no_input_schema, replace(&ops[1].inputs[0], NULL);)
DAMAGE(no_output_schema, replace(&ops[1].outputs[0], NULL);)
DAMAGE(named_main_output, ops[1].output_names[0] = "x";)
DAMAGE(no_keys, ops[2].nkeys = 0;)
DAMAGE(key_out_of_range, ops[2].keys[0] = 1;)
DAMAGE(too_many_keys, ops[2].nkeys = 17;)
DAMAGE(keys_of_process, ops[1].nkeys = 1;)
DAMAGE(count_field_is_key, ops[2].count_field = 0;)
DAMAGE(count_field_range, ops[2].count_field = 2;)
DAMAGE(final_without_count, ops[2].phase = WEIR_PHASE_FINAL;)
DAMAGE(count_lacks_key, replace(&ops[2].outputs[0], "word string, n bigint");)
DAMAGE(count_key_type, replace(&ops[2].outputs[0], "text bigint, n bigint");)
DAMAGE(edge_schema, replace(&ops[3].inputs[0], "text string, n integer");)
DAMAGE(edge_from, edges[0].from = 4;)
DAMAGE(edge_to, edges[0].to = UINT32_MAX;)
DAMAGE(edge_output, edges[0].from_output = 1;)
DAMAGE(edge_input, edges[0].to_input = 1;)
DAMAGE(edge_kind, edges[0].kind = (enum weir_edge_kind)0;)
DAMAGE(edge_keys_range, edges[1].keys[0] = 1;)
DAMAGE(edge_no_keys, edges[1].nkeys = 0;)
DAMAGE(edge_kind_of_count, edges[1].kind = WEIR_EDGE_REBALANCE; edges[1].nkeys = 0;)
DAMAGE(forward_with_keys, edges[2].nkeys = 1;)
DAMAGE(input_without_edge, graph->nedges = 2;)
DAMAGE(same_ids, ops[2].id = ops[1].id;)
DAMAGE(too_many_params, graph->nparams = WEIR_GRAPH_OPTIONS_MAX + 1;)

static void test_validate(void **state)
{
    static const damage damages[] = {
        no_name,
        bad_utf8,
        overlong_utf8,
        surrogate,
        no_text,
        wrong_index,
        wrong_origin,
        wrong_kind,
        wrong_phase,
        phase_of_map,
        no_parallelism,
        over_max,
        operator_over_max,
        no_max,
        max_too_large,
        forward_mismatch,
        no_connector,
        connector_of_map,
        no_options,
        sink_with_output,
        source_with_input,
        no_input_schema,
        no_output_schema,
        named_main_output,
        no_keys,
        key_out_of_range,
        too_many_keys,
        keys_of_process,
        count_field_is_key,
        count_field_range,
        final_without_count,
        count_lacks_key,
        count_key_type,
        edge_schema,
        edge_from,
        edge_to,
        edge_output,
        edge_input,
        edge_kind,
        edge_keys_range,
        edge_no_keys,
        edge_kind_of_count,
        forward_with_keys,
        input_without_edge,
        same_ids,
        too_many_params,
    };
    weir_graph *graph = fixture_graph(&wordcount, NULL);
    weir_error err = WEIR_ERROR_INIT;

    (void)state;
    assert_int_equal(weir_graph_validate(graph, &err), 0);
    weir_graph_destroy(&graph);
    for (size_t i = 0; i < WEIR_COUNT(damages); i++) {
        graph = fixture_graph(&wordcount, NULL);
        damages[i](graph);
        memset(&err, 0, sizeof(err));
        if (weir_graph_validate(graph, &err) != WEIR_EINVALID || err.text[0] == '\0')
            fail_msg("damage %zu was not found: %s", i, err.text);
        weir_graph_destroy(&graph);
    }
}

static void test_cycle(void **state)
{
    weir_graph *graph = fixture_graph(&wordcount, NULL);
    weir_error err = WEIR_ERROR_INIT;
    weir_graph_edge *edge = weir_graph_add_edge(graph);

    (void)state;
    replace(&graph->operators[1].outputs[0], "text string not null");
    replace(&graph->operators[1].inputs[0], "text string not null");
    replace(&graph->operators[0].outputs[0], "text string not null");
    edge->from = 1;
    edge->to = 1;
    edge->kind = WEIR_EDGE_REBALANCE;
    assert_int_equal(weir_graph_validate(graph, &err), WEIR_EINVALID);
    assert_non_null(strstr(err.text, "cycle"));
    weir_graph_destroy(&graph);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(weir_operator_kind_name(WEIR_OPERATOR_SOURCE), "source");
    assert_string_equal(weir_operator_kind_name(WEIR_OPERATOR_SINK), "sink");
    assert_string_equal(weir_operator_kind_name((enum weir_operator_kind)99), "?");
    assert_string_equal(weir_edge_kind_name(WEIR_EDGE_BROADCAST), "broadcast");
    assert_string_equal(weir_edge_kind_name((enum weir_edge_kind)5), "?");
    assert_true(weir_graph_kind_is_key(WEIR_KIND_boolean));
    assert_true(weir_graph_kind_is_key(WEIR_KIND_interval_ms));
    assert_false(weir_graph_kind_is_key(WEIR_KIND_array));
    assert_false(weir_graph_kind_is_key(WEIR_KIND_row));
    assert_false(weir_graph_kind_is_key(0));
}

static void test_fingerprint(void **state)
{
    weir_graph *graph = fixture_graph(&wordcount, NULL);
    uint64_t before = weir_graph_fingerprint(graph);

    (void)state;
    graph->operators[0].name = "source other"; /* of a URL */
    graph->operators[1].parallelism = 7;
    graph->edges[0].kind = WEIR_EDGE_REBALANCE;
    assert_int_equal(weir_graph_fingerprint(graph), before);
    graph->operators[1].name = "splat";
    assert_int_not_equal(weir_graph_fingerprint(graph), before);
    graph->operators[1].name = "split";
    assert_int_equal(weir_graph_fingerprint(graph), before);
    graph->edges[1].keys[0] = 1;
    assert_int_not_equal(weir_graph_fingerprint(graph), before);
    graph->edges[1].keys[0] = 0;
    replace(&graph->operators[0].outputs[0], "text string");
    assert_int_not_equal(weir_graph_fingerprint(graph), before);
    weir_graph_destroy(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),         cmocka_unit_test(test_limits),
        cmocka_unit_test(test_order),       cmocka_unit_test(test_validate),
        cmocka_unit_test(test_cycle),       cmocka_unit_test(test_names),
        cmocka_unit_test(test_fingerprint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
