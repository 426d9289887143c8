/* tests/unit/base/test_log.c -- levels, one line a message, no forged lines. */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char captured[1 << 20];

typedef struct capture {
    int saved;
    FILE *file;
} capture;

static capture capture_start(void)
{
    capture made = {dup(STDERR_FILENO), tmpfile()};
    assert_true(made.saved >= 0 && made.file != NULL);
    /* as a log file is opened: several writers append */
    assert_int_equal(fcntl(fileno(made.file), F_SETFL, O_APPEND), 0);
    assert_true(dup2(fileno(made.file), STDERR_FILENO) >= 0);
    return made;
}

static const char *capture_end(capture made)
{
    assert_true(dup2(made.saved, STDERR_FILENO) >= 0);
    close(made.saved);
    ssize_t size = pread(fileno(made.file), captured, sizeof captured - 1, 0);
    assert_true(size >= 0);
    captured[size] = '\0';
    fclose(made.file);
    return captured;
}

static void a_line_has_time_level_role_pid(void **state)
{
    (void)state;
    weir_log_setup("jobmanager", WEIR_LOG_INFO);
    capture made = capture_start();
    errno = EBUSY;
    weir_log_warn("slot %d is gone", 3);
    assert_int_equal(errno, EBUSY);
    const char *line = capture_end(made);
    char expected[64];
    snprintf(expected, sizeof expected, "Z WARN  jobmanager[%ld] slot 3 is gone\n", (long)getpid());
    assert_string_equal(line + 23, expected);
    assert_int_equal(line[10], 'T');
}

static void levels_filter(void **state)
{
    (void)state;
    capture made = capture_start();
    weir_log_setup("x", WEIR_LOG_WARN);
    weir_log_error("one");
    weir_log_warn("two");
    weir_log_info("three");
    weir_log_debug("four");
    weir_log_setup("x", WEIR_LOG_OFF);
    weir_log_error("five");
    weir_log(WEIR_LOG_OFF, "six");
    const char *lines = capture_end(made);
    assert_non_null(strstr(lines, "one\n"));
    assert_non_null(strstr(lines, "two\n"));
    assert_null(strstr(lines, "three"));
    assert_null(strstr(lines, "five"));
    assert_null(strstr(lines, "six"));
}

static void one_message_is_one_line(void **state)
{
    (void)state;
    char role[200];
    memset(role, 'r', sizeof role);
    role[sizeof role - 1] = '\0';
    weir_log_setup(role, WEIR_LOG_DEBUG);
    capture made = capture_start();
    weir_log_info("a\nb\tc\x1b[31m\x7f\n\n");
    const char *line = capture_end(made);
    assert_non_null(strstr(line, "] a\\nb\\tc\\x1b[31m\\x7f\n"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_non_null(strstr(line, "rrr["));
    assert_int_equal(strspn(strchr(line, 'r'), "r"), 63);
    made = capture_start();
    weir_log_info("\xC3\xA4 \x9B \xC2\x9Bm"); /* some terminals obey C1, too */
    line = capture_end(made);
    assert_non_null(strstr(line, "] \xC3\xA4 \\x9b \\xc2\\x9bm\n"));
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    weir_log_setup("x", WEIR_LOG_INFO);
    static const char fills[] = {'a', '\1'}; /* as it is, and escaped */
    for (size_t i = 0; i < WEIR_COUNT(fills); i++) {
        char *text = weir_alloc(100001);
        memset(text, fills[i], 100000);
        text[100000] = '\0';
        capture made = capture_start();
        weir_log_info("%s", text);
        const char *line = capture_end(made);
        weir_free(text);
        assert_true(strlen(line) <= 4096);
        assert_string_equal(line + strlen(line) - 4, "...\n");
    }
}

static void *write_lines(void *name)
{
    for (int i = 0; i < 200; i++)
        weir_log_info("<%s>", (const char *)name);
    return NULL;
}

static void threads_do_not_mix_lines(void **state)
{
    (void)state;
    weir_log_setup("x", WEIR_LOG_INFO);
    static char names[4][101];
    pthread_t threads[4];
    capture made = capture_start();
    for (int i = 0; i < 4; i++) {
        memset(names[i], 'A' + i, 100);
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, names[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    const char *lines = capture_end(made);
    int count = 0;
    for (const char *at = lines; (at = strchr(at, '<')) != NULL; count++) {
        char c = at[1];
        for (int i = 1; i <= 100; i++)
            assert_int_equal(at[i], c);
        assert_memory_equal(at + 101, ">\n", 2);
        at += 102;
    }
    assert_int_equal(count, 800);
}

static void level_names(void **state)
{
    (void)state;
    enum weir_log_level level = WEIR_LOG_INFO;
    assert_int_equal(weir_log_parse_level("debug", &level, NULL), 0);
    assert_int_equal(level, WEIR_LOG_DEBUG);
    assert_int_equal(weir_log_parse_level("OFF", &level, NULL), 0);
    assert_int_equal(level, WEIR_LOG_OFF);
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(weir_log_parse_level("loud", &level, &err), WEIR_EINVALID);
    assert_string_equal(err.text, "expected ERROR, WARN, INFO, DEBUG or OFF; found 'loud'");
    assert_int_equal(level, WEIR_LOG_OFF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_role_pid), cmocka_unit_test(levels_filter),
        cmocka_unit_test(one_message_is_one_line),        cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(threads_do_not_mix_lines),       cmocka_unit_test(level_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
