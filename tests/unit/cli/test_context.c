/* tests/unit/cli/test_context.c -- which cluster is meant; where configuration comes from. */
#include "cli/context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "cli/connect.h"
#include "cli/home.h"
#include "cli/settings.h"
#include "home_fixture.h"

#include <string.h>
#include <unistd.h>

static void a_context_comes_back(void **state)
{
    weir_cluster_context in = {
        .endpoint = "tcp://10.0.0.1:6120", .directory = "/a b/c", .cluster = "prod"};
    weir_cluster_context out;
    weir_error error;
    (void)state;

    assert_int_equal(weir_cluster_context_load(&out, &error), WEIR_ENOT_FOUND);
    assert_non_null(strstr(error.text, "weir cluster start"));
    assert_int_equal(weir_cluster_context_store(&in, NULL), 0);
    assert_int_equal(weir_cluster_context_load(&out, NULL), 0);
    assert_string_equal(out.endpoint, in.endpoint);
    assert_string_equal(out.directory, in.directory);
    assert_string_equal(out.cluster, in.cluster);
    assert_int_equal(weir_cluster_context_clear(NULL), 0);
    assert_int_equal(weir_cluster_context_load(&out, NULL), WEIR_ENOT_FOUND);
    assert_int_equal(weir_cluster_context_clear(NULL), 0);
}

static void a_damaged_context_is_told(void **state)
{
    static const char *const bad[] = {"", "nonsense\n", "directory: /x\n",
                                      "endpoint: tcp://a:1\nsurprise: 1\n"};
    weir_cluster_context out;
    weir_error error;
    char longest[1024];
    (void)state;

    for (size_t i = 0; i < WEIR_COUNT(bad); i++) {
        write_file(in_home("context"), bad[i]);
        assert_int_equal(weir_cluster_context_load(&out, &error), WEIR_EINVALID);
        assert_non_null(strstr(error.text, "weir context use"));
    }
    snprintf(longest, sizeof longest, "endpoint: %0900d\n", 1);
    write_file(in_home("context"), longest);
    assert_int_equal(weir_cluster_context_load(&out, NULL), WEIR_EINVALID);
    unlink(in_home("context"));
}

static void endpoints(void **state)
{
    static const struct {
        const char *text, *endpoint; /* NULL: refused */
    } cases[] = {
        {"localhost", "tcp://localhost:6120"},
        {"10.1.2.3:7000", "tcp://10.1.2.3:7000"},
        {"tcp://h:1", "tcp://h:1"},
        {"[::1]:6121", "tcp://[::1]:6121"},
        {"[::1]", "tcp://[::1]:6120"},
        {"", NULL},
        {"tcp://", NULL},
        {"h:0", NULL},
        {"h:65536", NULL},
        {"h:x", NULL},
        {"ipc://x", NULL},
        {"a b", NULL},
        {":5", NULL},
    };
    char out[WEIR_ENDPOINT_MAX];
    weir_error error;
    (void)state;

    for (size_t i = 0; i < WEIR_COUNT(cases); i++) {
        int rc = weir_endpoint_parse(cases[i].text, out, &error);

        assert_int_equal(rc, cases[i].endpoint == NULL ? WEIR_EINVALID : 0);
        if (cases[i].endpoint != NULL)
            assert_string_equal(out, cases[i].endpoint);
        else
            assert_non_null(strstr(error.text, "expected tcp://host:port"));
    }
}

/* ---- settings ---- */

static const weir_command_option options[] = {
    {"config", 0, "FILE", "", false},
    {"define", 'D', "K=V", "", false},
    {"parallelism", 'p', "N", "", false},
    {"dispatcher", 'm', "E", "", false},
};
static const weir_command command = {.name = "x", .usage = "", .options = options, .noptions = 4};

static int load(weir_config **ret, weir_error *err, char **argv, int argc)
{
    weir_arguments arguments;

    assert_int_equal(weir_arguments_parse(&command, argc, argv, &arguments, NULL), 0);
    int rc = weir_settings_load(&arguments, ret, err);
    weir_arguments_deinit(&arguments);
    return rc;
}
#define LOAD(ret, err, ...)                                                                        \
    load(ret, err, (char *[]){__VA_ARGS__}, (int)(sizeof(char *[]){__VA_ARGS__} / sizeof(char *)))

static void later_sources_win(void **state)
{
    weir_config *config;
    char text[] = "pipeline.name=d", short_p[] = "-p", five[] = "5", define[] = "-D";
    (void)state;

    write_file(in_home("weir.yaml"), "pipeline.name: file\nrpc.ask.timeout: 3 s\n"
                                     "heartbeat.interval: 100 ms\n");
    setenv("WEIR_CONF_PIPELINE_NAME", "environment", 1);
    setenv("WEIR_CONF_RPC_ASK_TIMEOUT", "4 s", 1);
    assert_int_equal(LOAD(&config, NULL, define, text, short_p, five), 0);
    assert_string_equal(weir_config_string(config, "pipeline.name"), "d");
    assert_int_equal(weir_config_duration_ms(config, "rpc.ask.timeout"), 4000);
    assert_int_equal(weir_config_duration_ms(config, "heartbeat.interval"), 100);
    assert_int_equal(weir_config_int(config, "parallelism.default"), 5);
    weir_config_destroy(&config);
    unsetenv("WEIR_CONF_PIPELINE_NAME");
    unsetenv("WEIR_CONF_RPC_ASK_TIMEOUT");

    write_file(in_home("other.yaml"), "pipeline.name: other\n");
    setenv("WEIR_CONFIG", in_home("other.yaml"), 1);
    assert_int_equal(LOAD(&config, NULL, short_p, five), 0);
    assert_string_equal(weir_config_string(config, "pipeline.name"), "other");
    assert_false(weir_config_is_set(config, "heartbeat.interval"));
    weir_config_destroy(&config);
    unsetenv("WEIR_CONFIG");
    unlink(in_home("weir.yaml"));
}

static void all_mistakes_come_at_once(void **state)
{
    weir_config *config = NULL;
    weir_error error;
    char define[] = "-D", unknown[] = "parallelism.defalt=3", none[] = "x", p[] = "-p",
         zero[] = "0";
    (void)state;

    assert_int_equal(LOAD(&config, &error, define, unknown, define, none, p, zero), WEIR_EINVALID);
    assert_null(config);
    assert_non_null(strstr(error.text, "did you mean 'parallelism.default'?\n"));
    assert_non_null(strstr(error.text, "-D: error: expected key=value; found 'x'\n"));
    assert_non_null(strstr(error.text, "--parallelism parallelism.default=0: error: "));
}

static void what_goes_with_a_job(void **state)
{
    (void)state;
    assert_true(weir_settings_is_of_job("parallelism.default"));
    assert_true(weir_settings_is_of_job("execution.batch.max-rows"));
    assert_true(weir_settings_is_of_job("taskmanager.memory.network.size"));
    assert_false(weir_settings_is_of_job("cluster.id"));
    assert_false(weir_settings_is_of_job("dispatcher.rpc.port"));
    assert_false(weir_settings_is_of_job("taskmanager.numberOfTaskSlots"));
}

static void the_cluster_of_a_command(void **state)
{
    weir_cluster_context context = {.endpoint = "tcp://c:1", .cluster = "blue"};
    weir_config *config = weir_config_new();
    char argument[] = "-m", named[] = "other:2", *argv[] = {argument, named};
    char endpoint[WEIR_ENDPOINT_MAX];
    weir_arguments arguments;
    (void)state;

    assert_int_equal(weir_cluster_context_store(&context, NULL), 0);
    assert_int_equal(weir_arguments_parse(&command, 2, argv, &arguments, NULL), 0);
    assert_int_equal(weir_connect_endpoint(&arguments, config, endpoint, NULL), 0);
    assert_string_equal(endpoint, "tcp://other:2");
    assert_false(weir_config_is_set(config, "cluster.id"));
    weir_arguments_deinit(&arguments);

    assert_int_equal(weir_arguments_parse(&command, 0, argv, &arguments, NULL), 0);
    assert_int_equal(weir_connect_endpoint(&arguments, config, endpoint, NULL), 0);
    assert_string_equal(endpoint, "tcp://c:1");
    assert_string_equal(weir_config_string(config, "cluster.id"), "blue");
    assert_int_equal(weir_cluster_context_clear(NULL), 0);
    assert_int_equal(weir_connect_endpoint(&arguments, config, endpoint, NULL), WEIR_ENOT_FOUND);
    weir_arguments_deinit(&arguments);
    weir_config_destroy(&config);
}

static void paths(void **state)
{
    char path[256], here[256];
    weir_error error;
    (void)state;

    assert_int_equal(weir_home_path("x", path, sizeof path, NULL), 0);
    assert_string_equal(path, in_home("x"));
    assert_int_equal(weir_home_path("x", path, 5, &error), WEIR_ETOO_LARGE);
    assert_int_equal(weir_home_absolute("./a/b", path, sizeof path, NULL), 0);
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(strncmp(path, here, strlen(here)), 0);
    assert_string_equal(path + strlen(here), "/a/b");
    assert_int_equal(weir_home_write(in_home("deep/er/file"), "x", 1, NULL), 0);
    assert_true(weir_file_exists(in_home("deep/er/file")));
    assert_int_not_equal(weir_home_write(in_home("deep/er"), "x", 1, &error), 0);
    assert_int_equal(weir_home_include(WEIR_SOURCE_DIR "/include", path, sizeof path, NULL), 0);
    /* Beside the test there may be a build tree with headers; else the fallback decides. */
    int rc = weir_home_include("/nonexistent", path, sizeof path, &error);
    assert_true(rc == WEIR_ENOT_FOUND || weir_file_exists(path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_context_comes_back),
        cmocka_unit_test(a_damaged_context_is_told),
        cmocka_unit_test(endpoints),
        cmocka_unit_test(later_sources_win),
        cmocka_unit_test(all_mistakes_come_at_once),
        cmocka_unit_test(what_goes_with_a_job),
        cmocka_unit_test(the_cluster_of_a_command),
        cmocka_unit_test(paths),
    };
    return cmocka_run_group_tests(tests, make_home, remove_home);
}
