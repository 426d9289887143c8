/* URLs of connectors: parts, escapes, options and what is said about wrong ones. */
#include "graph_fixture.h"

static int resolve(const char *url, bool sink, weir_graph_operator *op, weir_arena **ret_arena,
                   weir_error *err)
{
    *ret_arena = weir_arena_new(0);
    assert_non_null(*ret_arena);
    memset(op, 0, sizeof(*op));
    return weir_connector_resolve(&fixture_catalog, *ret_arena, url, sink, op, err);
}

static void expect_error(const char *url, bool sink, int code, const char *text)
{
    weir_graph_operator op;
    weir_arena *arena;
    weir_error err = WEIR_ERROR_INIT;

    assert_int_equal(resolve(url, sink, &op, &arena, &err), code);
    assert_int_equal(err.code, code);
    assert_string_equal(err.text, text);
    weir_arena_destroy(&arena);
}

static void test_find(void **state)
{
    (void)state;
    assert_ptr_equal(weir_connector_find(&fixture_catalog, "filesystem"), &fixture_file);
    assert_ptr_equal(weir_connector_find(&fixture_catalog, "file"), &fixture_file);
    assert_ptr_equal(weir_connector_find(&fixture_catalog, "print"), &fixture_print);
    assert_null(weir_connector_find(&fixture_catalog, "fil"));
}

static void test_defaults_are_filled_in(void **state)
{
    weir_graph_operator op;
    weir_arena *arena;

    (void)state;
    assert_int_equal(resolve("file:/a/b.txt", false, &op, &arena, NULL), 0);
    assert_string_equal(op.connector, "filesystem");
    assert_string_equal(op.url, "file:/a/b.txt");
    assert_string_equal(op.path, "/a/b.txt");
    assert_int_equal(op.noptions, 5); /* those of a source */
    assert_string_equal(weir_connector_option_get(&op, "format"), "lines");
    assert_string_equal(weir_connector_option_get(&op, "split-size"), "1 mb");
    assert_null(weir_connector_option_get(&op, "part-size"));
    weir_arena_destroy(&arena);

    assert_int_equal(resolve("file:/a", true, &op, &arena, NULL), 0);
    assert_int_equal(op.noptions, 3);
    assert_string_equal(weir_connector_option_get(&op, "part-size"), "");
    weir_arena_destroy(&arena);
}

static void test_values(void **state)
{
    weir_graph_operator op;
    weir_arena *arena;

    (void)state;
    assert_int_equal(
        resolve("filesystem:a%20b%3F%25:c=d?&format=csv&&skip=12&poll=5%20s&header=true&"
                "split-size=64k&",
                false, &op, &arena, NULL),
        0);
    assert_string_equal(op.path, "a b?%:c=d");
    assert_string_equal(weir_connector_option_get(&op, "format"), "csv");
    assert_string_equal(weir_connector_option_get(&op, "skip"), "12");
    assert_string_equal(weir_connector_option_get(&op, "poll"), "5 s");
    weir_arena_destroy(&arena);
}

static void test_wrong_urls(void **state)
{
    (void)state;
    expect_error("nothing", false, WEIR_EINVALID,
                 "'nothing' names no connector; write connector:path?option=value, as in "
                 "file:/tmp/words.txt");
    expect_error("", false, WEIR_EINVALID,
                 "'' names no connector; write connector:path?option=value, as in "
                 "file:/tmp/words.txt");
    expect_error("sokcet:x", false, WEIR_ENOT_FOUND,
                 "there is no connector 'sokcet'; there are: filesystem, stdin, print, socket, "
                 "generator; did you mean 'socket'?");
    expect_error(
        "file:/a%2", false, WEIR_EINVALID,
        "the path holds a '%' that is not followed by two hex digits; write %25 for a '%'");
    expect_error(
        "file:/a%00b", false, WEIR_EINVALID,
        "the path holds a '%' that is not followed by two hex digits; write %25 for a '%'");
    expect_error("file:", false, WEIR_EINVALID, "the path is empty; write file:/a/b.txt");
}

static void test_wrong_options(void **state)
{
    (void)state;
    expect_error("file:/a?format=cvs", false, WEIR_EINVALID,
                 "option 'format': 'cvs' is none of lines|csv");
    expect_error("file:/a?format=lines|csv", false, WEIR_EINVALID,
                 "option 'format': 'lines|csv' is none of lines|csv");
    expect_error("file:/a?skip=1&skip=2", false, WEIR_EINVALID,
                 "option 'skip' is given twice; give it once");
    expect_error("file:/a?skip", false, WEIR_EINVALID,
                 "option 'skip' has no value; write name=value");
    expect_error(
        "file:/a?format=c%sv", false, WEIR_EINVALID,
        "option 'format' holds a '%' that is not followed by two hex digits; write %25 for a "
        "'%'");
    expect_error(
        "file:/a?skip=1", true, WEIR_EINVALID,
        "option 'skip' of connector 'filesystem' is for sources only; this is a sink; remove "
        "it");
    expect_error(
        "file:/a?part-size=1", false, WEIR_EINVALID,
        "option 'part-size' of connector 'filesystem' is for sinks only; this is a source; "
        "remove it");
    expect_error("print:?x=1", true, WEIR_EINVALID,
                 "connector 'print' has no option 'x'; as a sink it has none; remove it");
    expect_error(
        "generator:", false, WEIR_EINVALID,
        "connector 'generator' needs option 'rows'; it is not given; add rows=... (how many "
        "rows)");
    expect_error(
        "generator:?rows=", false, WEIR_EINVALID,
        "connector 'generator' needs option 'rows'; it is not given; add rows=... (how many "
        "rows)");
    /* All of them at once. */
    expect_error("file:/a?format=x&form=y", false, WEIR_EINVALID,
                 "option 'format': 'x' is none of lines|csv\n"
                 "connector 'filesystem' has no option 'form'; it has: format, split-size, poll, "
                 "header, skip");
}

static void test_out_of_memory(void **state)
{
    int rc = WEIR_ENO_MEMORY;

    (void)state;
    for (uint64_t n = 1; rc != 0 && n < 100; n++) {
        weir_arena *arena = weir_arena_new(64); /* small, so that most requests allocate */
        weir_graph_operator op = {0};

        weir_memory_fail_at(n);
        rc = weir_connector_resolve(&fixture_catalog, arena,
                                    "file:/a/long/path/that/fills/a/block?format=csv&skip=1", false,
                                    &op, NULL);
        weir_memory_fail_at(0);
        assert_true(rc == 0 || rc == WEIR_ENO_MEMORY);
        weir_arena_destroy(&arena);
    }
    assert_int_equal(rc, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),          cmocka_unit_test(test_defaults_are_filled_in),
        cmocka_unit_test(test_values),        cmocka_unit_test(test_wrong_urls),
        cmocka_unit_test(test_wrong_options), cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
