/* tests/unit/base/test_config.c -- loading, setting, reading, and every way to get it wrong. */
#include "base/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int setup(void **state)
{
    *state = weir_config_new();
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    weir_memory_fail_at(0);
    weir_config_destroy((weir_config **)state);
    return 0;
}

static int load(weir_config *config, const char *text, weir_error *err)
{
    return weir_config_load_text(config, "weir.yaml", text, strlen(text), err);
}

static size_t set_count(const weir_config *config)
{
    const char *key, *value;
    size_t count = 0;
    for (size_t i = 0; weir_config_next(config, &i, &key, &value);)
        count++;
    return count;
}

static void expect_error(weir_config *config, const char *text, const char *expected)
{
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(load(config, text, &err), WEIR_EINVALID);
    assert_int_equal(err.code, WEIR_EINVALID);
    assert_string_equal(err.text, expected);
    assert_int_equal(set_count(config), 0);
    assert_int_equal(load(config, text, NULL), WEIR_EINVALID);
}

static void starts_with_defaults(void **state)
{
    const weir_config *config = *state;
    int first, last;
    assert_string_equal(weir_config_string(config, "jobmanager.rpc.address"), "localhost");
    assert_string_equal(weir_config_string(config, "pipeline.name"), "");
    assert_int_equal(weir_config_int(config, "pipeline.max-parallelism"), -1);
    assert_true(weir_config_bool(config, "execution.attached"));
    assert_int_equal(weir_config_duration_ms(config, "heartbeat.timeout"), 5000);
    assert_int_equal(weir_config_size(config, "taskmanager.memory.task.size"), 1 << 30);
    weir_config_ports(config, "dispatcher.rpc.port", &first, &last);
    assert_int_equal(first, 6120);
    assert_int_equal(last, 6129);
    assert_false(weir_config_is_set(config, "pipeline.name"));
    assert_string_equal(weir_config_origin(config, "pipeline.name"), "default");
    assert_int_equal(set_count(config), 0);
}

static void loads_flat_and_nested(void **state)
{
    weir_config *config = *state;
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(load(config,
                          "\xEF\xBB\xBF# a comment\r\n"
                          "parallelism.default: 4\r\n"
                          "taskmanager:\n"
                          "  numberOfTaskSlots: 2\n"
                          "  memory:\n"
                          "    task.size: '2 gb'\n"
                          "    network: {size: 8mb}\n"
                          "taskmanager.host: \"tm\"\n"
                          "execution.runtime-mode: batch\n"
                          "pipeline.name: [a, b, \"c\"]\n"
                          "heartbeat:\n"
                          "  # interval: 1 s\n"
                          "env.log.dir: ''\n"
                          "slot: {}\n",
                          &err),
                     0);
    assert_int_equal(weir_config_int(config, "parallelism.default"), 4);
    assert_string_equal(weir_config_origin(config, "parallelism.default"), "weir.yaml:2");
    assert_int_equal(weir_config_int(config, "taskmanager.numberOfTaskSlots"), 2);
    assert_true(weir_config_size(config, "taskmanager.memory.task.size") == UINT64_C(2) << 30);
    assert_string_equal(weir_config_origin(config, "taskmanager.memory.task.size"), "weir.yaml:6");
    assert_string_equal(weir_config_string(config, "taskmanager.memory.task.size"), "2 gb");
    assert_int_equal(weir_config_size(config, "taskmanager.memory.network.size"), 8 << 20);
    assert_string_equal(weir_config_string(config, "taskmanager.host"), "tm");
    assert_string_equal(weir_config_string(config, "execution.runtime-mode"), "BATCH");
    assert_string_equal(weir_config_string(config, "pipeline.name"), "a,b,c");
    assert_true(weir_config_is_set(config, "env.log.dir"));
    assert_int_equal(set_count(config), 8);
    assert_int_equal(err.code, 0);
}

static void empty_files_are_fine(void **state)
{
    static const char *const texts[] = {"",       "\n", "# only a comment\n", "---\n", "~",
                                        "null\n", "{}"};
    for (size_t i = 0; i < WEIR_COUNT(texts); i++)
        assert_int_equal(load(*state, texts[i], NULL), 0);
    assert_int_equal(set_count(*state), 0);
}

static void reports_every_problem_with_its_line(void **state)
{
    expect_error(
        *state,
        "parallelism.default: 2\n"
        "\n"
        "paralelism.default: 3\n"
        "heartbeat:\n"
        "  interval: 5 parsecs\n"
        "  timeout:\n"
        "  zzzzzzzz: 1\n"
        "parallelism:\n"
        "  default: 9\n"
        "taskmanager.numberOfTaskSlots: 5000\n"
        "security.insecure: yes\n",
        "weir.yaml:3: error: unknown key 'paralelism.default'; did you mean "
        "'parallelism.default'?\n"
        "weir.yaml:5: error: heartbeat.interval: expected a duration such as 500 ms; found "
        "'5 parsecs'; write a whole number and ns, us, ms, s, min, h or d\n"
        "weir.yaml:6: error: heartbeat.timeout: has no value; write one or remove the line\n"
        "weir.yaml:7: error: unknown key 'heartbeat.zzzzzzzz'; `weir config` shows all "
        "keys\n"
        "weir.yaml:9: error: parallelism.default: set twice; first on line 1; keep one of "
        "them\n"
        "weir.yaml:10: error: taskmanager.numberOfTaskSlots: expected a whole number from 1 "
        "to 1024; found '5000'\n"
        "weir.yaml:11: error: security.insecure: expected true or false; found 'yes'");
}

static void refuses_what_a_configuration_has_no_use_for(void **state)
{
    weir_config *config = *state;
    expect_error(config, "pipeline.name: &a x\nenv.log.dir: *a\n",
                 "weir.yaml:1: error: anchors (&name) are not supported; write the value itself\n"
                 "weir.yaml:2: error: aliases (*name) are not supported; write the value itself");
    expect_error(config, "pipeline.name: !!str x\n",
                 "weir.yaml:1: error: tags (!name) are not supported; remove the tag");
    expect_error(config, "pipeline: !x {name: y}\n",
                 "weir.yaml:1: error: tags (!name) are not supported; remove the tag");
    expect_error(config, "- a\n- b\n",
                 "weir.yaml:1: error: expected `key: value` lines; found a list");
    expect_error(config, "just text\n",
                 "weir.yaml:1: error: expected `key: value` lines; found one value");
    expect_error(
        config, "? [a, b]\n: {c: d}\nenv.log.level: x\n",
        "weir.yaml:1: error: a key is a list or a section; write a plain name\n"
        "weir.yaml:3: error: env.log.level: expected one of ERROR, WARN, INFO, DEBUG, OFF; "
        "found 'x'");
    expect_error(config, "pipeline.name: [a, {b: c}, [d, [e]], ~]\nxyz: 1\n",
                 "weir.yaml:1: error: a list holds something else than plain values; write `- "
                 "value` lines only\n"
                 "weir.yaml:1: error: a list holds something else than plain values; write `- "
                 "value` lines only\n"
                 "weir.yaml:1: error: an item of a list has no value; write one or remove it\n"
                 "weir.yaml:2: error: unknown key 'xyz'; `weir config` shows all keys");
    expect_error(config, "pipeline.name: [*a]\n",
                 "weir.yaml:1: error: aliases (*name) are not supported; write the value itself");
    expect_error(config, "*a : 1\nxyz: 1\n",
                 "weir.yaml:1: error: aliases (*name) are not supported; write the value itself\n"
                 "weir.yaml:2: error: unknown key 'xyz'; `weir config` shows all keys");
    expect_error(config, "a: 1\n---\nb: 2\n",
                 "weir.yaml:1: error: unknown key 'a'; `weir config` shows all keys\n"
                 "weir.yaml:2: error: a second document (---) starts; write only one");
    expect_error(config, "'': 1\n",
                 "weir.yaml:1: error: a key is empty; write a name in front of the ':'");
    expect_error(config, "\"a\\0b\": {c: 1}\npipeline.name: \"x\\0y\"\n",
                 "weir.yaml:1: error: a key holds control characters; remove them\n"
                 "weir.yaml:2: error: a value holds a NUL character; remove it");
    expect_error(config, "pipeline.name: \"x\\e[1m\"\n",
                 "weir.yaml:1: error: pipeline.name: expected one line without control characters; "
                 "found 'x\\x1b[1m'");
    expect_error(config, "parallelism.default: {a: 1}\n",
                 "weir.yaml:1: error: unknown key 'parallelism.default.a'; did you mean "
                 "'parallelism.default'?");
    expect_error(config, "parallelism.default: {}\n",
                 "weir.yaml:1: error: parallelism.default: has no value; write one or remove the "
                 "line");
}

static void syntax_errors_have_a_line_and_advice(void **state)
{
    weir_config *config = *state;
    expect_error(config, "xyz: 1\nheartbeat:\n\tinterval: 1 s\n",
                 "weir.yaml:1: error: unknown key 'xyz'; `weir config` shows all keys\n"
                 "weir.yaml:3: error: not valid YAML; the line starts with a tab; indent with "
                 "spaces");
    expect_error(
        config, "pipeline.name: \"\xFF\"\n",
        "weir.yaml:1: error: not UTF-8 text; invalid leading UTF-8 octet; save the file as "
        "UTF-8");
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(load(config, "pipeline.name: 'x\n\nparallelism.default: 1\n", &err),
                     WEIR_EINVALID);
    assert_memory_equal(err.text, "weir.yaml:", 10);
    assert_non_null(strstr(err.text, ": error: not valid YAML; "));
    assert_non_null(strstr(err.text, "check the indentation"));
}

static void depth_and_length_have_limits(void **state)
{
    weir_config *config = *state;
    weir_buffer text = WEIR_BUFFER_INIT;
    for (int depth = 0; depth < 16; depth++) /* the root is the first section */
        weir_buffer_printf(&text, "%*sa:\n", depth, "");
    weir_buffer_printf(&text, "%*sb: {c: 1}\nxyz: 1\n", 16, "");
    expect_error(
        config, weir_buffer_text(&text),
        "weir.yaml:17: error: sections are nested too deep; the limit is 16; join names by "
        "'.' instead\n"
        "weir.yaml:18: error: unknown key 'xyz'; `weir config` shows all keys");
    weir_buffer_clear(&text);
    for (int i = 0; i < 50000; i++)
        weir_buffer_puts(&text, i % 2 == 0 ? "[" : "{a: ");
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(load(config, weir_buffer_text(&text), &err), WEIR_EINVALID);
    assert_non_null(strstr(err.text, "brackets or lists are nested too deep; the limit is 16"));
    weir_buffer_clear(&text);
    for (int i = 0; i < 300; i++)
        weir_buffer_putc(&text, 'k');
    weir_buffer_puts(&text, ": 1\n");
    expect_error(config, weir_buffer_text(&text),
                 "weir.yaml:1: error: a key is too long; the limit is 256 bytes");
    weir_buffer_clear(&text);
    while (text.size <= 1024 * 1024)
        weir_buffer_puts(&text, "# filler filler filler filler\n");
    assert_int_equal(
        weir_config_load_text(config, "weir.yaml", weir_buffer_text(&text), text.size, &err),
        WEIR_ETOO_LARGE);
    assert_string_equal(err.text, "weir.yaml: error: too large for a configuration; the limit is 1 "
                                  "MiB");
    weir_buffer_deinit(&text);
}

/* More problems than an error's text holds: whole lines only, and the rest is counted. */
static void many_problems_are_counted(void **state)
{
    weir_buffer text = WEIR_BUFFER_INIT;
    for (int i = 0; i < 500; i++)
        weir_buffer_printf(&text, "unknown-%d: 1\n", i);
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(load(*state, weir_buffer_text(&text), &err), WEIR_EINVALID);
    size_t lines = 1;
    for (const char *at = err.text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    char last[100];
    snprintf(last, sizeof last, "\nweir.yaml: error: %zu more problems; fix these first",
             500 - (lines - 1));
    assert_true(lines > 15);
    assert_string_equal(err.text + strlen(err.text) - strlen(last), last);
    weir_buffer_deinit(&text);
}

static void failed_load_changes_nothing(void **state)
{
    weir_config *config = *state;
    assert_int_equal(weir_config_set(config, "pipeline.name", "before", "-D", NULL), 0);
    assert_int_equal(load(config, "pipeline.name: after\nxyz: 1\n", NULL), WEIR_EINVALID);
    assert_string_equal(weir_config_string(config, "pipeline.name"), "before");
    assert_int_equal(load(config, "pipeline.name: after\n", NULL), 0);
    assert_string_equal(weir_config_string(config, "pipeline.name"), "after");
    assert_string_equal(weir_config_origin(config, "pipeline.name"), "weir.yaml:1");
}

static void sets_one_key(void **state)
{
    weir_config *config = *state;
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(weir_config_set(config, "parallelism.default", "x", "-D", &err),
                     WEIR_EINVALID);
    assert_string_equal(err.text, "-D parallelism.default=x: error: expected a whole number from 1 "
                                  "to 32768; found 'x'");
    assert_int_equal(weir_config_set(config, "paralelism.default", "2", "-D", &err), WEIR_EINVALID);
    assert_string_equal(err.text, "-D paralelism.default=2: error: unknown key "
                                  "'paralelism.default'; did you mean 'parallelism.default'?");
    assert_int_equal(weir_config_set(config, "parallelism.default", "0", "job.c:12", &err),
                     WEIR_EINVALID);
    assert_string_equal(err.text, "job.c:12: error: parallelism.default: expected a whole number "
                                  "from 1 to 32768; found '0'");
    char nasty[3000];
    memset(nasty, '\n', sizeof nasty);
    nasty[sizeof nasty - 1] = '\0';
    assert_int_equal(weir_config_set(config, nasty, nasty, "-D", &err), WEIR_EINVALID);
    assert_null(strchr(err.text, '\n'));
    assert_false(weir_config_is_set(config, "parallelism.default"));
    assert_int_equal(weir_config_set(config, "parallelism.default", " 7 ", "-D", &err), 0);
    assert_int_equal(weir_config_int(config, "parallelism.default"), 7);
    assert_string_equal(weir_config_origin(config, "parallelism.default"), "-D");
    /* its own text as the value: parsed before the old one goes */
    assert_int_equal(weir_config_set(config, "parallelism.default",
                                     weir_config_string(config, "parallelism.default"),
                                     weir_config_origin(config, "parallelism.default"), &err),
                     0);
    assert_int_equal(weir_config_int(config, "parallelism.default"), 7);
}

static void clone_is_apart(void **state)
{
    weir_config *config = *state;
    assert_int_equal(weir_config_set(config, "pipeline.name", "a", "-D", NULL), 0);
    weir_config *copy = weir_config_clone(config);
    assert_int_equal(weir_config_set(config, "pipeline.name", "b", "x", NULL), 0);
    assert_string_equal(weir_config_string(copy, "pipeline.name"), "a");
    assert_string_equal(weir_config_origin(copy, "pipeline.name"), "-D");
    assert_int_equal(weir_config_duration_ms(copy, "heartbeat.timeout"), 5000);
    assert_int_equal(set_count(copy), 1);
    /* Handing on: every set value makes the same configuration elsewhere. */
    const char *key, *value;
    size_t cursor = 0;
    assert_true(weir_config_next(copy, &cursor, &key, &value));
    assert_string_equal(key, "pipeline.name");
    assert_string_equal(value, "a");
    assert_false(weir_config_next(copy, &cursor, &key, &value));
    weir_config_destroy(&copy);
    assert_null(copy);
    weir_config_destroy(&copy);
    weir_config_destroy(NULL);
}

static void loads_the_environment(void **state)
{
    weir_config *config = *state;
    weir_error err = WEIR_ERROR_INIT;
    setenv("WEIR_CONF_PARALLELISM_DEFAULT", "3", 1);
    setenv("WEIR_CONF_TASKMANAGER_NUMBEROFTASKSLOTS", "5", 1);
    setenv("WEIR_CONFIG", "no key", 1);
    assert_int_equal(weir_config_load_environment(config, &err), 0);
    assert_int_equal(weir_config_int(config, "parallelism.default"), 3);
    assert_int_equal(weir_config_int(config, "taskmanager.numberOfTaskSlots"), 5);
    assert_string_equal(weir_config_origin(config, "parallelism.default"), "environment");
    setenv("WEIR_CONF_PARALLELISM_DEFAULT", "x", 1);
    setenv("WEIR_CONF_PARALELISM_DEFAULT", "1", 1);
    setenv("WEIR_CONF_", "1", 1);
    assert_int_equal(weir_config_load_environment(config, &err), WEIR_EINVALID);
    assert_non_null(strstr(err.text,
                           "WEIR_CONF_PARALLELISM_DEFAULT: error: expected a whole number "
                           "from 1 to 32768; found 'x'"));
    assert_non_null(strstr(err.text, "WEIR_CONF_PARALELISM_DEFAULT: error: unknown variable; did "
                                     "you mean 'WEIR_CONF_PARALLELISM_DEFAULT'?"));
    assert_non_null(strstr(err.text, "WEIR_CONF_: error: unknown variable; `weir config`"));
    assert_int_equal(weir_config_int(config, "parallelism.default"), 3);
    unsetenv("WEIR_CONF_PARALLELISM_DEFAULT");
    unsetenv("WEIR_CONF_TASKMANAGER_NUMBEROFTASKSLOTS");
    unsetenv("WEIR_CONF_PARALELISM_DEFAULT");
    unsetenv("WEIR_CONF_");
    unsetenv("WEIR_CONFIG");
}

static void loads_a_file(void **state)
{
    weir_config *config = *state;
    weir_error err = WEIR_ERROR_INIT;
    char path[] = "/tmp/weir-test-config-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(weir_file_write_all(fd, "pipeline.name: n\n", 17, NULL), 0);
    close(fd);
    assert_int_equal(weir_config_load(config, path, &err), 0);
    assert_string_equal(weir_config_string(config, "pipeline.name"), "n");
    unlink(path);
    assert_int_equal(weir_config_load(config, path, &err), WEIR_ENOT_FOUND);
    char expected[128];
    snprintf(expected, sizeof expected, "%s: error: cannot be opened: No such file or directory",
             path);
    assert_string_equal(err.text, expected);
}

static const char *const rich =
    "parallelism.default: 4\n"
    "taskmanager: {host: a-rather-long-name-of-a-host, memory: {task.size: 1gb}}\n"
    "pipeline.name: [a, b, c]\n"
    "execution.runtime-mode: batch\n";

static void every_failed_allocation_is_an_error(void **state)
{
    weir_config *config = *state;
    uint64_t nth = 1;
    for (;; nth++) {
        weir_error err = WEIR_ERROR_INIT;
        weir_memory_fail_at(nth);
        int rc = load(config, rich, &err);
        weir_memory_fail_at(0);
        if (rc == 0)
            break;
        assert_int_equal(rc, WEIR_ENO_MEMORY);
        assert_int_equal(err.code, WEIR_ENO_MEMORY);
        assert_int_equal(set_count(config), 0);
        assert_in_range(nth, 1, 1000);
    }
    assert_in_range(nth, 10, 1000);
    assert_int_equal(set_count(config), 5);
    for (nth = 1;; nth++) { /* with problems to report */
        weir_memory_fail_at(nth);
        int rc = load(config, "a: 1\npipeline.name:\n- ~\nb: &x c\n", NULL);
        bool over = rc == WEIR_EINVALID;
        weir_memory_fail_at(0);
        if (over)
            break;
        assert_int_equal(rc, WEIR_ENO_MEMORY);
        assert_in_range(nth, 1, 1000);
    }
}

static void every_failed_allocation_elsewhere(void **state)
{
    weir_config *config = *state;
    assert_int_equal(load(config, rich, NULL), 0);
    for (uint64_t nth = 1;; nth++) {
        weir_memory_fail_at(nth);
        weir_config *made = weir_config_new();
        weir_memory_fail_at(0);
        bool over = made != NULL;
        weir_config_destroy(&made);
        if (over)
            break;
    }
    for (uint64_t nth = 1;; nth++) {
        weir_memory_fail_at(nth);
        weir_config *made = weir_config_clone(config);
        weir_memory_fail_at(0);
        bool over = made != NULL;
        weir_config_destroy(&made);
        if (over)
            break;
    }
    for (uint64_t nth = 1;; nth++) {
        weir_memory_fail_at(nth);
        int rc = weir_config_set(config, "pipeline.name", "new", "-D", NULL);
        weir_memory_fail_at(0);
        if (rc == 0)
            break;
        assert_int_equal(rc, WEIR_ENO_MEMORY);
        assert_string_equal(weir_config_string(config, "pipeline.name"), "a,b,c");
    }
}

/* Any bytes give 0 or an error, never a crash; and an error always has a text. */
static void random_bytes_never_crash(void **state)
{
    weir_config *config = *state;
    static const char *const pieces[] = {
        "parallelism", ".default", ": ",           "\n",    "  ",          "- ",  "[", "]",
        "{",           "}",        ", ",           "&a ",   "*a",          "!t ", "'", "\"",
        "? ",          "\t",       "--- ",         "...\n", "| ",          "> ",  "~", "#",
        "\xC3",        "\\0",      "heartbeat:\n", "4",     "%YAML 1.1\n",
    };
    weir_prng prng = {20260821};
    weir_buffer text = WEIR_BUFFER_INIT;
    for (int round = 0; round < 20000; round++) {
        weir_buffer_clear(&text);
        size_t count = (size_t)weir_prng_below(&prng, 40);
        for (size_t i = 0; i < count; i++) {
            if (weir_prng_below(&prng, 8) == 0)
                weir_buffer_putc(&text, (char)weir_prng_below(&prng, 256));
            else
                weir_buffer_puts(&text, pieces[weir_prng_below(&prng, WEIR_COUNT(pieces))]);
        }
        weir_error err = WEIR_ERROR_INIT;
        int rc = weir_config_load_text(config, "fuzz", weir_buffer_text(&text), text.size, &err);
        assert_true(rc == 0 || rc == WEIR_EINVALID);
        assert_true((rc == 0) == (err.text[0] == '\0'));
        assert_int_equal(err.code, rc);
    }
    weir_buffer_deinit(&text);
}

static bool aborts(void (*function)(const weir_config *config), const weir_config *config)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        fclose(stderr);
        function(config);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void read_unknown(const weir_config *config)
{
    (void)weir_config_string(config, "no.such.key");
}

static void read_wrong_type(const weir_config *config)
{
    (void)weir_config_int(config, "pipeline.name");
}

static void read_right(const weir_config *config)
{
    (void)weir_config_int(config, "parallelism.default");
}

static void wrong_reads_abort(void **state)
{
    assert_true(aborts(read_unknown, *state));
    assert_true(aborts(read_wrong_type, *state));
    assert_false(aborts(read_right, *state));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(starts_with_defaults),
        TEST(loads_flat_and_nested),
        TEST(empty_files_are_fine),
        TEST(reports_every_problem_with_its_line),
        TEST(refuses_what_a_configuration_has_no_use_for),
        TEST(syntax_errors_have_a_line_and_advice),
        TEST(depth_and_length_have_limits),
        TEST(many_problems_are_counted),
        TEST(failed_load_changes_nothing),
        TEST(sets_one_key),
        TEST(clone_is_apart),
        TEST(loads_the_environment),
        TEST(loads_a_file),
        TEST(every_failed_allocation_is_an_error),
        TEST(every_failed_allocation_elsewhere),
        TEST(random_bytes_never_crash),
        TEST(wrong_reads_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
