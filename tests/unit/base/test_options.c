/* tests/unit/base/test_options.c -- the table is in order, and its keys are found. */
#include "base/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/option_value.h"

#include <string.h>

static void rows_are_whole(void **state)
{
    (void)state;
    size_t count;
    const weir_option *options = weir_options(&count);
    assert_in_range(count, 40, 1000);
    for (size_t i = 0; i < count; i++) {
        const weir_option *row = &options[i];
        assert_ptr_equal(weir_option_find(row->key), row);
        assert_int_equal(row->meaning[strlen(row->meaning) - 1], '.');
        assert_non_null(row->fallback);
        assert_true((row->type == WEIR_OPTION_ENUM) == (row->choices != NULL));
        assert_true(row->type != WEIR_OPTION_INT || row->min < row->max);
        assert_true(row->min <= row->max);
        weir_option_value value;
        assert_int_equal(weir_option_value_parse(row, row->fallback, &value, NULL), 0);
        assert_string_equal(value.text, row->fallback); /* an ENUM as the table spells it */
        weir_option_value_deinit(&value);
        char variable[WEIR_OPTION_VARIABLE_MAX];
        weir_option_variable(row, variable);
        assert_ptr_equal(weir_option_find_variable(variable), row); /* no two share a variable */
        for (size_t j = 0; j < i; j++) {
            size_t size = strlen(options[j].key);
            assert_false(strncmp(options[j].key, row->key, size) == 0 && row->key[size] == '.');
        }
    }
    assert_null(weir_option_find("parallelism"));
    assert_null(weir_option_find(""));
}

static void defaults(void **state)
{
    (void)state;
    static const char *const expected[][2] = {
        {"jobmanager.rpc.address", "localhost"},
        {"jobmanager.bind-host", "127.0.0.1"},
        {"jobmanager.rpc.port", "6123"},
        {"dispatcher.rpc.address", "127.0.0.1"},
        {"dispatcher.bind-host", "127.0.0.1"},
        {"dispatcher.rpc.port", "6120-6129"},
        {"taskmanager.host", "127.0.0.1"},
        {"taskmanager.bind-host", "127.0.0.1"},
        {"taskmanager.data.port", "0"},
        {"taskmanager.numberOfTaskSlots", "1"},
        {"taskmanager.memory.network.size", "64mb"},
        {"taskmanager.memory.task.size", "1gb"},
        {"taskmanager.memory.segment-size", "128kb"},
        {"taskmanager.network.max-connections", "1024"},
        {"taskmanager.slot.progress-timeout", "0"},
        {"parallelism.default", "1"},
        {"pipeline.max-parallelism", "-1"},
        {"pipeline.name", ""},
        {"pipeline.operator-chaining.enabled", "true"},
        {"execution.runtime-mode", "AUTOMATIC"},
        {"execution.buffer-timeout.interval", "100 ms"},
        {"execution.buffer-timeout.enabled", "true"},
        {"execution.attached", "true"},
        {"execution.batch.max-rows", "4096"},
        {"execution.combine.memory", "16mb"},
        {"heartbeat.interval", "500 ms"},
        {"heartbeat.timeout", "5 s"},
        {"rpc.ask.timeout", "10 s"},
        {"rpc.retry-interval", "200 ms"},
        {"slot.request.timeout", "10 s"},
        {"task.cancellation.timeout", "30 s"},
        {"jobstore.max-capacity", "1000"},
        {"jobstore.expiration-time", "1 h"},
        {"blob.max-size", "64mb"},
        {"cluster.id", "default"},
        {"cluster.registration.timeout", "10 s"},
        {"cluster.directory", ""},
        {"env.log.level", "INFO"},
        {"env.log.dir", ""},
        {"print.buffer-size", "1mb"},
        {"security.insecure", "false"},
        {"actors.max-message-size", "16mb"},
    };
    for (size_t i = 0; i < WEIR_COUNT(expected); i++) {
        const weir_option *row = weir_option_find(expected[i][0]);
        assert_non_null(row);
        assert_string_equal(row->fallback, expected[i][1]);
    }
}

static void variables_and_sections(void **state)
{
    (void)state;
    char variable[WEIR_OPTION_VARIABLE_MAX];
    assert_string_equal(weir_option_variable(weir_option_find("jobmanager.bind-host"), variable),
                        "WEIR_CONF_JOBMANAGER_BIND_HOST");
    assert_null(weir_option_find_variable("WEIR_CONF_NOTHING"));
    assert_true(weir_option_is_section("taskmanager.memory"));
    assert_false(weir_option_is_section("taskmanager.mem"));
    assert_false(weir_option_is_section("parallelism.default"));
}

static void suggestions(void **state)
{
    (void)state;
    assert_string_equal(weir_option_suggest("paralelism.default"), "parallelism.default");
    assert_string_equal(weir_option_suggest("parallelism"), "parallelism.default");
    assert_string_equal(weir_option_suggest("NumberOfTaskSlots"), "taskmanager.numberOfTaskSlots");
    assert_null(weir_option_suggest("bind-host")); /* several */
    assert_null(weir_option_suggest("qqqqqqqq"));
    assert_null(weir_option_suggest(""));
    assert_ptr_equal(weir_option_suggest_variable("WEIR_CONF_PARALELISM_DEFAULT"),
                     weir_option_find("parallelism.default"));
    assert_null(weir_option_suggest_variable("WEIR_CONF_ZZZ"));
}

static const weir_option double_option = {
    .key = "a.share", .fallback = "0.5", .type = WEIR_OPTION_DOUBLE, .meaning = "A share."};

static void values_of_types(void **state)
{
    (void)state;
    weir_option_value value = {0};
    assert_int_equal(weir_option_value_parse(&double_option, "0.25", &value, NULL), 0);
    assert_true(value.real == 0.25);
    weir_option_value_deinit(&value);
    const weir_option *interval = weir_option_find("heartbeat.interval");
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(weir_option_value_parse(interval, "0", &value, &err), WEIR_EINVALID);
    assert_string_equal(err.text, "expected a duration from 1 ms to 365 d; found '0'");
    const weir_option *segment = weir_option_find("taskmanager.memory.segment-size");
    assert_int_equal(weir_option_value_parse(segment, "1gb", &value, &err), WEIR_EINVALID);
    assert_string_equal(err.text, "expected a size from 1 KiB to 64 MiB; found '1gb'");
    const weir_option *mode = weir_option_find("execution.runtime-mode");
    assert_int_equal(weir_option_value_parse(mode, "BAT", &value, &err), WEIR_EINVALID);
    assert_string_equal(err.text, "expected one of AUTOMATIC, STREAMING, BATCH; found 'BAT'");
    assert_int_equal(weir_option_value_parse(mode, "", &value, &err), WEIR_EINVALID);
    assert_int_equal(weir_option_value_parse(mode, "BATCH|STREAMING", &value, &err), WEIR_EINVALID);
    const weir_option *name = weir_option_find("pipeline.name");
    assert_int_equal(weir_option_value_parse(name, "a\x1b", &value, &err), WEIR_EINVALID);
    char longest[WEIR_OPTION_VALUE_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[WEIR_OPTION_VALUE_MAX + 1] = '\0';
    assert_int_equal(weir_option_value_parse(name, longest, &value, &err), WEIR_EINVALID);
    assert_int_equal(weir_option_value_parse(name, longest + 1, &value, &err), 0);
    weir_option_value_deinit(&value);
}

static void port_ranges(void **state)
{
    (void)state;
    const weir_option *ports = weir_option_find("dispatcher.rpc.port");
    static const struct {
        const char *text;
        int64_t first, last;
    } good[] = {{"0", 0, 0},
                {"6123", 6123, 6123},
                {"50100-50200", 50100, 50200},
                {"1 - 65535", 1, 65535},
                {"7-7", 7, 7}};
    weir_option_value value;
    for (size_t i = 0; i < WEIR_COUNT(good); i++) {
        assert_int_equal(weir_option_value_parse(ports, good[i].text, &value, NULL), 0);
        assert_int_equal(value.number, good[i].first);
        assert_int_equal(value.last, good[i].last);
        weir_option_value_deinit(&value);
    }
    static const char *const bad[] = {"",
                                      "-",
                                      "-5",
                                      "5-",
                                      "65536",
                                      "0-5",
                                      "9-8",
                                      "1-2-3",
                                      "a-b",
                                      "1,2",
                                      "000000000000000000001",
                                      "1-65536"};
    for (size_t i = 0; i < WEIR_COUNT(bad); i++)
        assert_int_equal(weir_option_value_parse(ports, bad[i], &value, NULL), WEIR_EINVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_whole),         cmocka_unit_test(defaults),
        cmocka_unit_test(variables_and_sections), cmocka_unit_test(suggestions),
        cmocka_unit_test(values_of_types),        cmocka_unit_test(port_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
