/* Plans as text, JSON and dot. */
#include "graph_fixture.h"

#include "graph/optimizer.h"
#include "graph/plan_text.h"

#include <jansson.h>

WEIR_RECORD(word, (string, text));
WEIR_RECORD(counted, (string, text), (bigint, n));

static int split(weir_ctx *ctx, const void *in)
{
    (void)ctx, (void)in;
    return 0;
}
static const weir_output sides[] = {{"late", WEIR_TYPE(word)}, {NULL, NULL}};
static const weir_op splitter = {WEIR_OP("split \"x\\\"", weir_line, word), .sides = sides,
                                 .on_record = split};

JOB(wordcount)
{
#line 5 "wc.c"
    weir_stream *lines = weir_source(env, "${input:file:/a?skip=1}", weir_line);
    weir_stream *words = weir_process(lines, &splitter);

    weir_sink(weir_uid(weir_count(weir_key_by(words, "text"), counted), "c"), "print:");
    weir_sink(weir_broadcast(weir_side(words, "late")), "print:");
}

typedef int (*print_plan)(const weir_graph *, const weir_task_plan *, weir_buffer *);

static void print(print_plan function, weir_buffer *out)
{
    weir_graph *graph = fixture_graph(&wordcount, NULL);
    weir_task_plan *plan = NULL;

    assert_int_equal(weir_graph_optimize(graph, NULL), 0);
    assert_int_equal(weir_task_plan_new(graph, true, &plan, NULL), 0);
    assert_int_equal(function(graph, plan, out), 0);
    weir_task_plan_destroy(&plan);
    weir_graph_destroy(&graph);
}

/* The ids are derived, not written down here. */
static void mask_ids(char *text)
{
    for (char *at = strchr(text, '{'); at != NULL; at = strchr(at + 1, '{'))
        memcpy(at + 1, "########", 8);
}

static void test_text(void **state)
{
    weir_buffer out = WEIR_BUFFER_INIT;

    (void)state;
    print(weir_plan_text, &out);
    mask_ids((char *)out.data);
    assert_string_equal(
        weir_buffer_text(&out),
        "job wordcount   batch, parallelism 2, 2 slots\n"
        "  task 0  source file -> split \"x\\\" -> count (partial)   x2   {########}\n"
        "      source file             file:/a?skip=1  (wc.c:5)\n"
        "      split \"x\\\"              text string not null  (wc.c:6)\n"
        "      count (partial)         text string not null, n bigint not null  (wc.c:8)\n"
        "      => hash(text) => task 2\n"
        "      => broadcast of 'late' => task 1\n"
        "  task 1  sink print   x2   {########}\n"
        "      sink print              print:  (wc.c:9)\n"
        "  task 2  count (final) -> sink print   x2   {########}\n"
        "      count (final)           text string not null, n bigint not null  uid c  (wc.c:8)\n"
        "      sink print              print:  (wc.c:8)\n");
    weir_buffer_deinit(&out);
}

static const char *text_at(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static void test_json(void **state)
{
    weir_buffer out = WEIR_BUFFER_INIT;
    json_t *root, *nodes, *node, *task;

    (void)state;
    print(weir_plan_json, &out);
    root = json_loads(weir_buffer_text(&out), 0, NULL);
    assert_non_null(root);
    assert_string_equal(text_at(root, "name"), "wordcount");
    assert_string_equal(text_at(root, "mode"), "batch");
    assert_string_equal(text_at(json_object_get(root, "params"), "input"), "file:/a?skip=1");
    nodes = json_object_get(root, "nodes");
    assert_int_equal(json_array_size(nodes), 6);
    node = json_array_get(nodes, 0);
    assert_string_equal(text_at(node, "kind"), "source");
    assert_string_equal(text_at(node, "where"), "wc.c:5");
    assert_string_equal(text_at(json_object_get(node, "options"), "skip"), "1");
    assert_true(json_is_true(json_object_get(node, "bounded")));
    assert_int_equal(strlen(text_at(node, "id")), 32);
    node = json_array_get(nodes, 1);
    assert_string_equal(text_at(node, "name"), "split \"x\\\"");
    assert_string_equal(text_at(json_array_get(json_object_get(node, "outputs"), 1), "name"),
                        "late");
    assert_string_equal(text_at(json_array_get(json_object_get(node, "outputs"), 0), "schema"),
                        "text string not null");
    node = json_array_get(nodes, 2);
    assert_string_equal(text_at(node, "phase"), "final");
    assert_string_equal(json_string_value(json_array_get(json_object_get(node, "keys"), 0)),
                        "text");
    assert_int_equal(json_array_size(json_object_get(root, "edges")), 5);
    assert_int_equal(json_array_size(json_object_get(root, "tasks")), 3);
    task = json_array_get(json_object_get(root, "tasks"), 2);
    assert_string_equal(text_at(task, "name"), "count (final) -> sink print");
    assert_int_equal(json_integer_value(json_object_get(task, "parallelism")), 2);
    json_decref(root);
    weir_buffer_deinit(&out);
}

static void test_dot(void **state)
{
    weir_buffer out = WEIR_BUFFER_INIT;

    (void)state;
    print(weir_plan_dot, &out);
    assert_non_null(strstr(weir_buffer_text(&out), "digraph \"wordcount\" {\n"));
    assert_non_null(strstr(weir_buffer_text(&out), "n1 [label=\"split \\\"x\\\\\\\"\"];"));
    assert_non_null(strstr(weir_buffer_text(&out), "n5 -> n2 [label=\"hash(text)\"];"));
    assert_non_null(strstr(weir_buffer_text(&out), "n5 [label=\"count (partial)\"];"));
    assert_string_equal(weir_buffer_text(&out) + out.size - 2, "}\n");
    weir_buffer_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_dot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
