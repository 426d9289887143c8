/* Graphs to bytes and back; bytes that are no graph. */
#include "graph_fixture.h"

#include "graph/graph_codec.h"
#include "graph/optimizer.h"
#include "graph/task_plan.h"
#include "proto/codec.h"
#include "proto/graph.pb-c.h"

#include <stdlib.h>

WEIR_RECORD(point, (double, x), (double, y));
WEIR_RECORD(rich, (string, a), (integer, b), (row_of(point), at, WEIR_ROW(point)),
            (array, points, WEIR_OF_ROWS(point)), (map, names, WEIR_FROM_TO(string, bigint)),
            (decimal, price, WEIR_PRECISION(10, 2)), (nullable_bigint, maybe));
WEIR_RECORD(counted, (bigint, n), (integer, b), (string, a));

static int on_record(weir_ctx *ctx, const void *in)
{
    (void)ctx, (void)in;
    return 0;
}
static bool keep(weir_ctx *ctx, const void *in)
{
    (void)ctx, (void)in;
    return true;
}
static const weir_output sides[] = {{"late", WEIR_TYPE(point)}, {NULL, NULL}};
static const weir_op process = {WEIR_OP("process", rich, rich), .sides = sides,
                                .on_record = on_record};

JOB(full)
{
    weir_stream *in = weir_source(env, "${in:file:/a%20b?format=csv&skip=3}", rich);
    weir_stream *out = weir_uid(weir_process(in, &process), "p");

    weir_no_chain(weir_parallelism(out, 4));
    weir_sink(weir_side(out, "late"), "print:");
    weir_sink(
        weir_count(weir_key_by(weir_union(out, weir_filter(out, keep, rich)), "b, a"), counted),
        "file:/b?part-size=1mb");
}

static void compare_operator(const weir_graph_operator *a, const weir_graph_operator *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->phase, b->phase);
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->uid, b->uid);
    assert_true(weir_id_equal(&a->id, &b->id));
    assert_string_equal(a->where, b->where);
    assert_int_equal(a->parallelism, b->parallelism);
    assert_int_equal(a->no_chain, b->no_chain);
    assert_int_equal(a->origin, b->origin);
    assert_int_equal(a->retracts, b->retracts);
    assert_int_equal(a->nkeys, b->nkeys);
    assert_memory_equal(a->keys, b->keys, sizeof(a->keys));
    assert_int_equal(a->count_field, b->count_field);
    assert_int_equal(a->count_input, b->count_input);
    assert_string_equal(a->connector, b->connector);
    assert_string_equal(a->url, b->url);
    assert_string_equal(a->path, b->path);
    assert_int_equal(a->bounded, b->bounded);
    assert_int_equal(a->ninputs, b->ninputs);
    assert_int_equal(a->noutputs, b->noutputs);
    assert_int_equal(a->noptions, b->noptions);
    for (uint32_t i = 0; i < a->ninputs; i++)
        assert_true(weir_schema_equal(a->inputs[i], b->inputs[i]));
    for (uint32_t i = 0; i < a->noutputs; i++) {
        assert_true(weir_schema_equal(a->outputs[i], b->outputs[i]));
        assert_string_equal(weir_schema_name(a->outputs[i]), weir_schema_name(b->outputs[i]));
        assert_string_equal(a->output_names[i], b->output_names[i]);
    }
    for (uint32_t i = 0; i < a->noptions; i++) {
        assert_string_equal(a->options[i].name, b->options[i].name);
        assert_string_equal(a->options[i].value, b->options[i].value);
    }
}

static void compare(const weir_graph *a, const weir_graph *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->noperators, b->noperators);
    assert_int_equal(a->nedges, b->nedges);
    assert_int_equal(a->nparams, b->nparams);
    assert_int_equal(a->parallelism, b->parallelism);
    assert_int_equal(a->max_parallelism, b->max_parallelism);
    assert_int_equal(a->batch, b->batch);
    for (uint32_t i = 0; i < a->noperators; i++)
        compare_operator(&a->operators[i], &b->operators[i]);
    for (uint32_t i = 0; i < a->nedges; i++)
        assert_memory_equal(&a->edges[i], &b->edges[i], sizeof(a->edges[i]));
    for (uint32_t i = 0; i < a->nparams; i++) {
        assert_string_equal(a->params[i].name, b->params[i].name);
        assert_string_equal(a->params[i].value, b->params[i].value);
    }
    assert_int_equal(weir_graph_fingerprint(a), weir_graph_fingerprint(b));
}

static void round_trip(const weir_graph *graph)
{
    weir_buffer bytes = WEIR_BUFFER_INIT;
    weir_graph *copy = NULL;
    weir_error err = WEIR_ERROR_INIT;

    assert_int_equal(weir_graph_pack(graph, &bytes), 0);
    if (weir_graph_unpack(bytes.data, bytes.size, &copy, &err) != 0)
        fail_msg("%s", err.text);
    compare(graph, copy);
    weir_graph_destroy(&copy);
    weir_buffer_deinit(&bytes);
}

static void test_round_trip(void **state)
{
    weir_graph *graph = fixture_graph(&full, NULL);

    (void)state;
    round_trip(graph);
    assert_int_equal(weir_graph_optimize(graph, NULL), 0);
    round_trip(graph);
    weir_graph_destroy(&graph);
}

static void test_pack_appends(void **state)
{
    weir_graph *graph = fixture_graph(&full, NULL), *copy = NULL;
    weir_buffer bytes = WEIR_BUFFER_INIT;

    (void)state;
    weir_buffer_puts(&bytes, "head");
    assert_int_equal(weir_graph_pack(graph, &bytes), 0);
    assert_int_equal(weir_graph_unpack(bytes.data + 4, bytes.size - 4, &copy, NULL), 0);
    weir_graph_destroy(&copy);
    weir_graph_destroy(&graph);
    weir_buffer_deinit(&bytes);
}

/* What protobuf accepts and a graph does not. */
static void test_wrong_messages(void **state)
{
    weir_graph *graph = fixture_graph(&full, NULL), *copy = NULL;
    weir_buffer bytes = WEIR_BUFFER_INIT, other = WEIR_BUFFER_INIT;
    ProtobufCMessage *base = NULL;
    Weir__Proto__JobGraph *message;
    uint32_t *number;

    (void)state;
    assert_int_equal(weir_graph_pack(graph, &bytes), 0);
    assert_int_equal(weir_proto_unpack(&weir__proto__job_graph__descriptor, bytes.data, bytes.size,
                                       64u << 20, &base, NULL),
                     0);
    message = (Weir__Proto__JobGraph *)base;
    for (int i = 0; i < 10; i++) {
        uint32_t *const numbers[] = {
            &message->operators[0]->kind,
            &message->operators[1]->phase,
            &message->operators[1]->inputs[0],
            &message->operators[1]->outputs[1],
            &message->edges[0]->kind,
            &message->edges[0]->to,
            &message->schemas[0]->fields[2]->nchildren,
            &message->schemas[0]->fields[0]->nchildren,
            &message->schemas[0]->fields[0]->kind,
            &message->max_parallelism,
        };
        uint32_t before = *(number = numbers[i]);

        *number = 77777;
        weir_buffer_clear(&other);
        assert_int_equal(weir_proto_pack(base, &other), 0);
        if (weir_graph_unpack(other.data, other.size, &copy, NULL) == 0)
            fail_msg("number %d was not checked", i);
        *number = before;
    }
    message->operators[2]->id.len = 15;
    weir_buffer_clear(&other);
    assert_int_equal(weir_proto_pack(base, &other), 0);
    assert_int_equal(weir_graph_unpack(other.data, other.size, &copy, NULL), WEIR_ECORRUPT);
    message->operators[2]->id.len = 16;
    weir_proto_free(base);
    weir_buffer_deinit(&bytes);
    weir_buffer_deinit(&other);
    weir_graph_destroy(&graph);
}

/* Whatever the bytes are: an error, or a graph that everything behind can work with. */
static void try_bytes(const uint8_t *bytes, size_t size)
{
    weir_graph *graph = NULL;
    weir_task_plan *plan = NULL;
    weir_error err = WEIR_ERROR_INIT;
    /* Exactly as large as the bytes, so that a read behind them is seen. */
    uint8_t *exact = malloc(size > 0 ? size : 1);

    assert_non_null(exact);
    if (size > 0)
        memcpy(exact, bytes, size);
    if (weir_graph_unpack(exact, size, &graph, &err) != 0) {
        assert_null(graph);
        assert_true(err.code < 0 && err.text[0] != '\0');
    } else {
        assert_int_equal(weir_graph_optimize(graph, NULL), 0);
        if (weir_task_plan_new(graph, true, &plan, NULL) == 0)
            weir_task_plan_destroy(&plan);
        weir_graph_destroy(&graph);
    }
    free(exact);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static void test_damaged_bytes(void **state)
{
    weir_graph *graph = fixture_graph(&full, NULL);
    weir_buffer bytes = WEIR_BUFFER_INIT;
    uint64_t seed = 42;
    uint8_t noise[200];

    (void)state;
    assert_int_equal(weir_graph_pack(graph, &bytes), 0);
    for (size_t size = 0; size < bytes.size; size++)
        try_bytes(bytes.data, size);
    for (size_t bit = 0; bit < bytes.size * 8; bit++) {
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        try_bytes(bytes.data, bytes.size);
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (int round = 0; round < 5000; round++) {
        size_t at[3];
        uint8_t before[3];

        for (int i = 0; i < 3; i++) {
            at[i] = next_random(&seed) % bytes.size;
            before[i] = bytes.data[at[i]];
            bytes.data[at[i]] = (uint8_t)next_random(&seed);
        }
        try_bytes(bytes.data, bytes.size);
        for (int i = 3; i-- > 0;)
            bytes.data[at[i]] = before[i];
        for (size_t i = 0; i < sizeof(noise); i++)
            noise[i] = (uint8_t)next_random(&seed);
        try_bytes(noise, next_random(&seed) % sizeof(noise));
    }
    weir_buffer_deinit(&bytes);
    weir_graph_destroy(&graph);
}

static void test_out_of_memory(void **state)
{
    weir_graph *graph = fixture_graph(&full, NULL);
    weir_buffer bytes = WEIR_BUFFER_INIT;
    int rc = WEIR_ENO_MEMORY;

    (void)state;
    for (uint64_t n = 1; rc != 0 && n < 1000; n++) {
        weir_buffer_deinit(&bytes);
        weir_memory_fail_at(n);
        rc = weir_graph_pack(graph, &bytes);
        weir_memory_fail_at(0);
        assert_true(rc == 0 || rc == WEIR_ENO_MEMORY);
    }
    assert_int_equal(rc, 0);
    rc = WEIR_ENO_MEMORY;
    for (uint64_t n = 1; rc != 0 && n < 5000; n++) {
        weir_graph *copy = NULL;

        weir_memory_fail_at(n);
        rc = weir_graph_unpack(bytes.data, bytes.size, &copy, NULL);
        weir_memory_fail_at(0);
        assert_true(rc == 0 || rc == WEIR_ENO_MEMORY);
        weir_graph_destroy(&copy);
    }
    assert_int_equal(rc, 0);
    weir_buffer_deinit(&bytes);
    weir_graph_destroy(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_pack_appends),
        cmocka_unit_test(test_wrong_messages), cmocka_unit_test(test_damaged_bytes),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
