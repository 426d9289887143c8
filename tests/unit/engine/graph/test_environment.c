/* Good jobs: what the calls of the job API make of a graph. */
#include "graph_fixture.h"

WEIR_RECORD(word, (string, text));
WEIR_RECORD(counted, (bigint, n), (string, text));
WEIR_RECORD(pair, (string, a), (integer, b), (bigint, v));

static int split(weir_ctx *ctx, const void *in)
{
    (void)ctx, (void)in;
    return 0;
}
static int two(weir_ctx *ctx, uint32_t input, const void *in)
{
    (void)ctx, (void)input, (void)in;
    return 0;
}
static int upper(weir_ctx *ctx, const void *in, void *out)
{
    (void)ctx, (void)in, (void)out;
    return 0;
}
static bool keep(weir_ctx *ctx, const void *in)
{
    (void)ctx, (void)in;
    return true;
}
static int larger(weir_ctx *ctx, void *accumulator, const void *in)
{
    (void)ctx, (void)accumulator, (void)in;
    return 0;
}

static const weir_output sides[] = {{"late", WEIR_TYPE(pair)}, {NULL, NULL}};
static const weir_op splitter = {WEIR_OP("split", weir_line, word), .sides = sides,
                                 .on_record = split};
static const weir_op joiner = {WEIR_OP("join", word, pair), .on_input = two,
                               .in2 = WEIR_TYPE(pair)};

JOB(wordcount)
{
    weir_stream *lines = weir_source(env, "${input:stdin:}", weir_line);
    weir_stream *words = weir_key_by(weir_flat_map(lines, &splitter), "text");

    weir_sink(weir_count(words, counted), "${output:print:}");
}

static void test_wordcount(void **state)
{
    weir_environment *environment = fixture_build(&wordcount, NULL);
    weir_graph *graph = weir_environment_graph(environment);
    const weir_graph_operator *ops = graph->operators;

    (void)state;
    assert_string_equal(graph->name, "wordcount");
    assert_int_equal(graph->noperators, 4);
    assert_int_equal(graph->nedges, 3);
    assert_true(graph->batch);
    assert_int_equal(graph->parallelism, 2);
    assert_int_equal(graph->max_parallelism, 128);
    assert_string_equal(ops[0].name, "source stdin");
    assert_string_equal(ops[1].name, "split");
    assert_string_equal(ops[2].name, "count");
    assert_string_equal(ops[3].name, "sink print");
    assert_string_equal(ops[0].url, "stdin:");
    assert_string_equal(ops[0].connector, "stdin");
    assert_true(ops[0].bounded);
    assert_int_equal(ops[2].nkeys, 1);
    assert_int_equal(ops[2].keys[0], 0);
    assert_int_equal(ops[2].count_field, 0);
    assert_false(ops[2].retracts);
    assert_non_null(strstr(ops[1].where, "test_environment.c:"));
    assert_int_equal(graph->edges[0].kind, WEIR_EDGE_FORWARD);
    assert_int_equal(graph->edges[1].kind, WEIR_EDGE_HASH);
    assert_int_equal(graph->edges[1].nkeys, 1);
    assert_int_equal(graph->edges[2].kind, WEIR_EDGE_FORWARD);
    assert_ptr_equal(weir_environment_code(environment, 1)->op, &splitter);
    assert_ptr_equal(weir_environment_code(environment, 1)->in, WEIR_TYPE(weir_line));
    assert_ptr_equal(weir_environment_code(environment, 2)->out, WEIR_TYPE(counted));
    assert_null(weir_environment_code(environment, 4));
    assert_int_equal(graph->nparams, 2);
    assert_string_equal(graph->params[0].name, "input");
    assert_string_equal(graph->params[0].value, "stdin:");
    weir_environment_destroy(&environment);
    weir_environment_destroy(&environment);
}

/* The schema of an input comes from the operator's own declaration: its offsets are the code's. */
static void test_schemas_are_the_modules(void **state)
{
    weir_graph *graph = fixture_graph(&wordcount, NULL);

    (void)state;
    assert_int_equal(weir_schema_record_size(graph->operators[1].inputs[0]), sizeof(weir_line));
    assert_int_equal(weir_schema_record_size(graph->operators[2].outputs[0]), sizeof(counted));
    assert_int_equal(weir_schema_at(graph->operators[2].outputs[0], 1)->offset,
                     offsetof(counted, text));
    weir_graph_destroy(&graph);
}

JOB(shapes)
{
    weir_stream *words = weir_process(weir_source(env, "file:/a", weir_line), &splitter);
    weir_stream *late = weir_side(words, "late");
    weir_stream *mapped = weir_map(weir_rebalance(words), upper, word, word);
    weir_stream *both = weir_union(weir_filter(mapped, keep, word), words);
    weir_stream *pairs = weir_process2(weir_key_by(both, "text"), weir_broadcast(late), &joiner);

    weir_parallelism(mapped, 3);
    weir_name(mapped, "shout");
    weir_no_chain(pairs);
    weir_sink(weir_reduce(weir_key_by(pairs, " b ,a "), larger, pair), "file:/b");
    weir_sink(weir_uid(weir_key_by(pairs, "a"), "pairs"), "print:");
}

static void expect_edge(const weir_graph *graph, uint32_t index, uint32_t from, uint32_t output,
                        uint32_t to, uint32_t input, enum weir_edge_kind kind)
{
    const weir_graph_edge *edge = &graph->edges[index];

    assert_int_equal(edge->from, from);
    assert_int_equal(edge->from_output, output);
    assert_int_equal(edge->to, to);
    assert_int_equal(edge->to_input, input);
    assert_int_equal(edge->kind, kind);
}

static void test_shapes(void **state)
{
    weir_environment *environment = fixture_build(&shapes, NULL);
    weir_graph *graph = weir_environment_graph(environment);
    const weir_graph_operator *ops = graph->operators;

    (void)state;
    /* source 0, split 1, shout 2, keep 3, join 4, reduce 5, sink 6, sink 7 */
    assert_int_equal(graph->noperators, 8);
    assert_int_equal(graph->nedges, 9);
    expect_edge(graph, 0, 0, 0, 1, 0, WEIR_EDGE_FORWARD);
    expect_edge(graph, 1, 1, 0, 2, 0, WEIR_EDGE_REBALANCE);
    expect_edge(graph, 2, 2, 0, 3, 0, WEIR_EDGE_REBALANCE); /* 3 to 2 subtasks */
    expect_edge(graph, 3, 3, 0, 4, 0, WEIR_EDGE_HASH);      /* both sides of the union */
    expect_edge(graph, 4, 1, 0, 4, 0, WEIR_EDGE_HASH);
    expect_edge(graph, 5, 1, 1, 4, 1, WEIR_EDGE_BROADCAST);
    expect_edge(graph, 6, 4, 0, 5, 0, WEIR_EDGE_HASH);
    expect_edge(graph, 7, 5, 0, 6, 0, WEIR_EDGE_FORWARD);
    expect_edge(graph, 8, 4, 0, 7, 0, WEIR_EDGE_HASH);
    assert_string_equal(ops[2].name, "shout");
    assert_int_equal(ops[2].parallelism, 3);
    assert_string_equal(ops[4].uid, "pairs");
    assert_true(ops[4].no_chain);
    assert_int_equal(ops[1].noutputs, 2);
    assert_string_equal(ops[1].output_names[1], "late");
    assert_int_equal(ops[5].nkeys, 2);
    assert_int_equal(ops[5].keys[0], 1);
    assert_int_equal(ops[5].keys[1], 0);
    assert_ptr_equal(weir_environment_code(environment, 5)->reduce, larger);
    assert_ptr_equal(weir_environment_code(environment, 4)->in2, WEIR_TYPE(pair));
    assert_ptr_equal(weir_environment_code(environment, 3)->filter, keep);
    assert_ptr_equal(weir_environment_code(environment, 2)->map, upper);
    weir_environment_destroy(&environment);
}

static void test_ids(void **state)
{
    weir_graph *first = fixture_graph(&shapes, NULL), *second = fixture_graph(&shapes, NULL);
    weir_id pairs = weir_id_derive("uid:pairs"),
            source = weir_id_derive("auto:source:source file:0");
    char hex[WEIR_ID_HEX], text[128];
    weir_id splits;

    (void)state;
    snprintf(text, sizeof(text), "auto:process:split:1:0/%s/0", weir_id_format(&source, hex));
    splits = weir_id_derive(text);
    assert_true(weir_id_equal(&first->operators[0].id, &source));
    assert_true(weir_id_equal(&first->operators[1].id, &splits));
    assert_true(weir_id_equal(&first->operators[4].id, &pairs));
    for (uint32_t i = 0; i < first->noperators; i++)
        assert_true(weir_id_equal(&first->operators[i].id, &second->operators[i].id));
    assert_int_equal(weir_graph_fingerprint(first), weir_graph_fingerprint(second));
    weir_graph_destroy(&first);
    weir_graph_destroy(&second);
}

/* A task runner rebuilds the graph at its own configuration: the fingerprint must not see it. */
static void test_fingerprint_ignores_parallelism(void **state)
{
    weir_environment_config config = fixture_config();
    weir_graph *graph = fixture_graph(&shapes, NULL), *other;

    (void)state;
    config.parallelism = 3;
    other = fixture_graph(&shapes, &config);
    assert_int_equal(weir_graph_fingerprint(graph), weir_graph_fingerprint(other));
    weir_graph_destroy(&other);
    other = fixture_graph(&wordcount, NULL);
    assert_int_not_equal(weir_graph_fingerprint(graph), weir_graph_fingerprint(other));
    weir_graph_destroy(&other);
    weir_graph_destroy(&graph);
}

JOB(stream_mode)
{
    weir_stream *words = weir_process(weir_source(env, "socket://x:1", weir_line), &splitter);
    weir_stream *counts = weir_count(weir_key_by(words, "text"), counted);
    weir_stream *kept = weir_filter(counts, keep, counted);

    weir_sink(kept, "print:");
    weir_sink(weir_count(weir_key_by(kept, "text"), counted), "print:");
}

static void test_runtime_modes(void **state)
{
    weir_environment_config config = fixture_config();
    weir_graph *graph = fixture_graph(&stream_mode, NULL);

    (void)state;
    assert_false(graph->batch);
    assert_false(graph->operators[1].retracts);
    assert_true(graph->operators[2].retracts);
    assert_true(graph->operators[3].retracts); /* a filter keeps row kinds */
    assert_true(graph->operators[5].retracts);
    assert_true(graph->operators[4].retracts); /* a sink: what comes in */
    weir_graph_destroy(&graph);

    config.runtime_mode = 1;
    graph = fixture_graph(&wordcount, &config);
    assert_false(graph->batch);
    assert_true(graph->operators[2].retracts);
    weir_graph_destroy(&graph);
    config.runtime_mode = 2;
    graph = fixture_graph(&wordcount, &config);
    assert_true(graph->batch);
    assert_false(graph->operators[2].retracts);
    weir_graph_destroy(&graph);
}

JOB(parameters)
{
    const char *host = weir_env_param(env, "host", "x");

    assert_string_equal(host, "y");
    assert_string_equal(weir_env_param(env, "limit", "7"), "7");
    weir_sink(weir_source(env, "file:/$${a}/${host}/${dir:d/e}/$$?skip=${limit}", weir_line),
              "print:");
}

static void test_parameters(void **state)
{
    weir_environment_config config = fixture_config();
    weir_graph *graph;

    (void)state;
    config.params = (const weir_graph_option[]){{"host", "z"}, {"host", "y"}};
    config.nparams = 2;
    config.job_name = "other";
    graph = fixture_graph(&parameters, &config);
    assert_string_equal(graph->name, "other");
    assert_string_equal(graph->operators[0].path, "/${a}/y/d/e/$");
    assert_string_equal(weir_connector_option_get(&graph->operators[0], "skip"), "7");
    assert_int_equal(graph->nparams, 3);
    assert_string_equal(graph->params[0].value, "y");
    weir_graph_destroy(&graph);
}

/* An operator of an older header is shorter; one of a newer header is longer, with zeroes at the
 * end unless it uses what we do not know. */
static union {
    weir_op op;
    unsigned char bytes[sizeof(weir_op) + 16];
} odd_op;

JOB(odd)
{
    weir_sink(weir_process(weir_source(env, "file:/a", weir_line), &odd_op.op), "print:");
}

static void test_operator_sizes(void **state)
{
    weir_graph *graph;

    (void)state;
    memset(&odd_op, 0, sizeof(odd_op));
    odd_op.op = splitter;
    odd_op.op.size = offsetof(weir_op, in2);
    odd_op.op.in2 = WEIR_TYPE(pair); /* outside of what it says it has */
    graph = fixture_graph(&odd, NULL);
    weir_graph_destroy(&graph);
    odd_op.op.in2 = NULL;
    odd_op.op.size = sizeof(odd_op);
    graph = fixture_graph(&odd, NULL);
    weir_graph_destroy(&graph);
}

static void test_max_parallelism(void **state)
{
    weir_environment_config config = fixture_config();
    weir_graph *graph;

    (void)state;
    config.parallelism = 200;
    graph = fixture_graph(&wordcount, &config);
    assert_int_equal(graph->max_parallelism, 512);
    weir_graph_destroy(&graph);
    config.max_parallelism = 200;
    graph = fixture_graph(&wordcount, &config);
    assert_int_equal(graph->max_parallelism, 200);
    weir_graph_destroy(&graph);
}

static void test_other_versions(void **state)
{
    weir_module module = wordcount;
    weir_environment *environment = NULL;
    weir_error err = WEIR_ERROR_INIT;

    (void)state;
    module.api_size -= 16; /* older */
    assert_int_equal(fixture_try(&module, NULL, &environment, &err), 0);
    weir_environment_destroy(&environment);
    module.api_size = sizeof(weir_api) + 8;
    assert_int_equal(fixture_try(&module, NULL, &environment, &err), WEIR_EVERSION);
    module = wordcount;
    module.abi = 2;
    assert_int_equal(fixture_try(&module, NULL, &environment, &err), WEIR_EVERSION);
    module.magic = 0;
    assert_int_equal(fixture_try(&module, NULL, &environment, &err), WEIR_EINVALID);
}

static void test_running_half_fails(void **state)
{
    weir_api api;
    weir_ctx ctx = {NULL, &api};

    (void)state;
    weir_environment_api(&api);
    assert_int_equal(api.size, sizeof(api));
    assert_int_equal(api.abi, WEIR_ABI);
    assert_true(weir_emit_to(&ctx, 0, NULL) < 0);
    assert_true(weir_emit_columns(&ctx, 0, NULL, NULL, 0) < 0);
    assert_null(weir_instance(&ctx));
    assert_null(weir_param(&ctx, "x"));
    assert_int_equal(weir_time(&ctx), WEIR_NO_TIMESTAMP);
}

/* Every allocation may fail: an error, no crash, nothing lost. */
static void test_out_of_memory(void **state)
{
    int rc = WEIR_ENO_MEMORY;

    (void)state;
    for (uint64_t n = 1; rc != 0 && n < 5000; n++) {
        weir_environment *environment = NULL;
        weir_error err = WEIR_ERROR_INIT;

        weir_memory_fail_at(n);
        rc = fixture_try(&shapes, NULL, &environment, &err);
        weir_memory_fail_at(0);
        if (rc != 0) {
            assert_int_equal(rc, WEIR_ENO_MEMORY);
            assert_null(environment);
            assert_int_equal(err.code, WEIR_ENO_MEMORY);
        }
        weir_environment_destroy(&environment);
    }
    assert_int_equal(rc, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wordcount),
        cmocka_unit_test(test_schemas_are_the_modules),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_fingerprint_ignores_parallelism),
        cmocka_unit_test(test_runtime_modes),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_operator_sizes),
        cmocka_unit_test(test_max_parallelism),
        cmocka_unit_test(test_other_versions),
        cmocka_unit_test(test_running_half_fails),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
