/* tests/unit/cli/test_compiler.c -- the cache of compiled jobs, and the building of their graphs.
 */
#include "cli/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "cli/artifact.h"
#include "cli/home.h"
#include "cli/job_build.h"
#include "home_fixture.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOB(body)                                                                                  \
    "#include <weir/weir.h>\n#include <stdlib.h>\n#include <unistd.h>\n"                           \
    "WEIR_RECORD(seq, (bigint, n));\nWEIR_JOB(\"job\")\n{\n" body "\n}\n"
#define PIPELINE                                                                                   \
    "weir_sink(weir_source(env, \"${input:datagen:?rows=1&sequence=n}\", seq), \"blackhole:\");"

static int compile(const char *name, weir_compiled *ret, weir_error *err)
{
    return weir_compile(in_home(name), WEIR_SOURCE_DIR "/include", ret, err);
}

/* What the compiler says is not for the test's output. */
static int compile_quietly(const char *name, weir_error *err)
{
    weir_compiled compiled;
    int kept = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

    dup2(nowhere, STDERR_FILENO);
    int rc = compile(name, &compiled, err);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(nowhere);
    return rc;
}

static void what_did_not_change_is_not_compiled(void **state)
{
    weir_compiled first, again;
    (void)state;

    write_file(in_home("a.h"), "#define ROWS \"1\"\n");
    write_file(in_home("a.c"), "#include \"a.h\"\n" JOB(PIPELINE));
    assert_int_equal(compile("a.c", &first, NULL), 0);
    assert_false(first.was_cached);
    assert_true(weir_file_exists(first.path));
    assert_int_equal(compile("a.c", &again, NULL), 0);
    assert_true(again.was_cached);
    assert_string_equal(first.path, again.path);
    /* a header of its own */
    write_file(in_home("a.h"), "#define ROWS \"100\"\n");
    assert_int_equal(compile("a.c", &again, NULL), 0);
    assert_false(again.was_cached);
    /* itself */
    write_file(in_home("a.c"), "\n#include \"a.h\"\n" JOB(PIPELINE));
    assert_int_equal(compile("a.c", &again, NULL), 0);
    assert_false(again.was_cached);
    assert_string_not_equal(first.path, again.path);
    /* a header that is gone is no match */
    unlink(in_home("a.h"));
    weir_error error;
    assert_int_equal(compile_quietly("a.c", &error), WEIR_EINVALID);
}

static void a_copy_elsewhere_is_another_job(void **state)
{
    weir_compiled first, copy;
    (void)state;

    write_file(in_home("b.c"), JOB(PIPELINE));
    write_file(in_home("c.c"), JOB(PIPELINE));
    assert_int_equal(compile("b.c", &first, NULL), 0);
    assert_int_equal(compile("c.c", &copy, NULL), 0);
    assert_false(copy.was_cached); /* its messages name another file */
}

static void the_compiler_is_part_of_the_key(void **state)
{
    weir_compiled compiled;
    weir_error error;
    (void)state;

    write_file(in_home("d.c"), JOB(PIPELINE));
    assert_int_equal(compile("d.c", &compiled, NULL), 0);
    setenv("CC", " cc  -DMORE ", 1);
    assert_int_equal(compile("d.c", &compiled, NULL), 0);
    assert_false(compiled.was_cached);
    assert_int_equal(compile("d.c", &compiled, NULL), 0);
    assert_true(compiled.was_cached);
    setenv("CC", "no-such-compiler -x", 1);
    assert_int_equal(compile("d.c", &compiled, &error), WEIR_ENOT_FOUND);
    assert_non_null(strstr(error.text, "no-such-compiler"));
    unsetenv("CC");
}

/* As after a crash of the machine. */
static void a_cut_object_is_made_again(void **state)
{
    weir_compiled compiled;
    (void)state;

    write_file(in_home("i.c"), JOB(PIPELINE));
    assert_int_equal(compile("i.c", &compiled, NULL), 0);
    assert_int_equal(truncate(compiled.path, 100), 0);
    assert_int_equal(compile("i.c", &compiled, NULL), 0);
    assert_false(compiled.was_cached);
    assert_int_equal(compile("i.c", &compiled, NULL), 0);
    assert_true(compiled.was_cached);
}

static void artifacts_lie_under_their_digests(void **state)
{
    weir_artifact artifact;
    weir_buffer content = WEIR_BUFFER_INIT;
    char directory[PATH_MAX], path[2 * PATH_MAX];
    (void)state;

    write_file(in_home("j.so"), "some bytes");
    assert_int_equal(weir_artifact_read_file(in_home("none"), &artifact, NULL), WEIR_ENOT_FOUND);
    assert_int_equal(weir_artifact_read_file(in_home("j.so"), &artifact, NULL), 0);
    weir_digest digest = weir_digest_of("some bytes", 10);
    char hex[WEIR_DIGEST_HEX];
    assert_string_equal(artifact.digest, weir_digest_format(&digest, hex));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(weir_artifact_keep(&artifact, directory, NULL), 0);
        snprintf(path, sizeof path, "%s/%s.so", directory, hex);
        assert_int_equal(weir_file_read(path, 100, &content, NULL), 0);
        assert_string_equal(weir_buffer_text(&content), "some bytes");
        assert_int_equal(truncate(path, i), 0); /* what a crash of the machine may leave */
    }
    weir_buffer_deinit(&content);
    weir_artifact_deinit(&artifact);
}

static void a_cache_has_an_end(void **state)
{
    char name[32];
    size_t left = 0;
    (void)state;

    for (int i = 0; i <= 2 * WEIR_CACHE_ENTRIES_MAX; i++) {
        snprintf(name, sizeof name, "full/%d", i);
        assert_int_equal(weir_home_write(in_home(name), "x", 1, NULL), 0);
    }
    weir_cache_prune(in_home("full"));
    for (int i = 0; i <= 2 * WEIR_CACHE_ENTRIES_MAX; i++) {
        snprintf(name, sizeof name, "full/%d", i);
        left += weir_file_exists(in_home(name));
    }
    assert_int_equal(left, WEIR_CACHE_ENTRIES_MAX);
    weir_cache_prune(in_home("full")); /* not too many */
    assert_true(weir_file_exists(in_home("full")));
    weir_cache_prune(in_home("none"));
}

static void what_does_not_compile(void **state)
{
    weir_compiled compiled;
    weir_error error;
    (void)state;

    write_file(in_home("e.c"), "this is no C\n");
    assert_int_equal(compile_quietly("e.c", &error), WEIR_EINVALID);
    assert_non_null(strstr(error.text, "e.c does not compile"));
    write_file(in_home("f.c"), JOB("nobody_declared_this(env);" PIPELINE));
    assert_int_equal(compile_quietly("f.c", &error), WEIR_EINVALID);
    assert_int_equal(compile("none.c", &compiled, &error), WEIR_ENOT_FOUND);
}

/* ---- building ---- */

static int build(const char *name, weir_built_job *ret, weir_error *err)
{
    weir_config *config = weir_config_new();
    weir_compiled compiled;
    weir_job_build_config how = {.shown = name, .config = config, .local = true};

    assert_int_equal(compile(name, &compiled, NULL), 0);
    how.path = compiled.path;
    int rc = weir_job_build(&how, ret, err);
    weir_config_destroy(&config);
    return rc;
}

static void a_graph_comes_back(void **state)
{
    weir_built_job job;
    (void)state;

    write_file(in_home("g.c"), JOB(PIPELINE));
    assert_int_equal(build("g.c", &job, NULL), 0);
    assert_string_equal(job.graph->name, "job");
    assert_int_equal(job.graph->noperators, 2);
    assert_int_equal(job.plan->slots, 1);
    assert_true(job.packed.size > 0);
    weir_built_job_deinit(&job);
}

/* Nothing that a build function does reaches this process. */
static void a_build_function_may_do_anything(void **state)
{
    static const struct {
        const char *body, *expected;
    } bad[] = {
        {JOB("abort();" PIPELINE), "h.c: its build function crashed: SIGABRT"},
        {JOB("raise(11);" PIPELINE), "h.c: its build function crashed: SIGSEGV"},
        {JOB("_exit(7);" PIPELINE), "h.c: its build function ended the process with exit code 7"},
        {JOB("_exit(0);" PIPELINE), "h.c: its build function ended the process with exit code 0"},
        {JOB("weir_env_fail(env, \"no %s today\", \"jobs\");" PIPELINE), "no jobs today"},
    };
    weir_built_job job;
    weir_error error;
    char source[1024];
    (void)state;

    for (size_t i = 0; i < WEIR_COUNT(bad); i++) {
        snprintf(source, sizeof source, "#include <signal.h>\n%s", bad[i].body);
        write_file(in_home("h.c"), source);
        assert_int_equal(build("h.c", &job, &error), WEIR_EINVALID);
        if (strstr(error.text, bad[i].expected) == NULL)
            fail_msg("'%s' is not in '%s'", bad[i].expected, error.text);
        assert_null(strstr(error.text, ".so")); /* nobody asked for an object */
    }
}

static void what_is_no_job(void **state)
{
    weir_config *config = weir_config_new();
    weir_job_build_config how = {.path = in_home("x.so"), .shown = "x.so", .config = config};
    weir_built_job job;
    weir_error error;
    (void)state;

    assert_int_equal(weir_job_build(&how, &job, &error), WEIR_ENOT_FOUND);
    write_file(in_home("x.so"), "no ELF file");
    assert_int_equal(weir_job_build(&how, &job, &error), WEIR_EINVALID);
    assert_int_equal(strncmp(error.text, "x.so: ", 6), 0);
    weir_config_destroy(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_did_not_change_is_not_compiled),
        cmocka_unit_test(a_copy_elsewhere_is_another_job),
        cmocka_unit_test(the_compiler_is_part_of_the_key),
        cmocka_unit_test(a_cut_object_is_made_again),
        cmocka_unit_test(artifacts_lie_under_their_digests),
        cmocka_unit_test(a_cache_has_an_end),
        cmocka_unit_test(what_does_not_compile),
        cmocka_unit_test(a_graph_comes_back),
        cmocka_unit_test(a_build_function_may_do_anything),
        cmocka_unit_test(what_is_no_job),
    };
    return cmocka_run_group_tests(tests, make_home, remove_home);
}
