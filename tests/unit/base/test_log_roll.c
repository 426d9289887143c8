/* tests/unit/base/test_log_roll.c -- no line is lost when the log's file changes; only so many
 * stay. Runs in children: the log of a process is set up once. */
#include "base/log_roll.h"

#include "base/file.h"
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINES = 2000, THREADS = 4 };

static char directory[64];

static int make_directory(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/weir-log-XXXXXX");
    return mkdtemp(directory) == NULL;
}

static int remove_directory(void **state)
{
    (void)state;
    return weir_file_remove_tree(directory, NULL);
}

static const char *path_of(uint32_t number)
{
    static char path[128];
    if (number == 0)
        snprintf(path, sizeof path, "%s/log", directory);
    else
        snprintf(path, sizeof path, "%s/log.%u", directory, number);
    return path;
}

static void in_child(void (*run)(void))
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        run();
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void start(uint64_t size_max, uint32_t kept)
{
    weir_log_setup("test", WEIR_LOG_INFO);
    if (weir_log_roll_start(path_of(0), size_max, kept, NULL) != 0)
        _exit(1);
}

static void *write_lines(void *data)
{
    for (int i = 0; i < LINES; i++)
        weir_log_info("thread %d line %d of many", (int)(intptr_t)data, i);
    return NULL;
}

static void write_from_threads(void)
{
    pthread_t threads[THREADS];
    start(20000, 1000);
    for (intptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, write_lines, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static size_t count_lines(const char *path)
{
    weir_buffer text = WEIR_BUFFER_INIT;
    size_t lines = 0;
    assert_int_equal(weir_file_read(path, 1 << 20, &text, NULL), 0);
    for (size_t i = 0; i < text.size; i++)
        lines += text.data[i] == '\n';
    weir_buffer_deinit(&text);
    return lines;
}

static void no_line_is_lost(void **state)
{
    size_t lines = 0, files = 0;
    (void)state;
    in_child(write_from_threads);
    for (; weir_file_exists(path_of((uint32_t)files)); files++) {
        struct stat status;
        assert_int_equal(stat(path_of((uint32_t)files), &status), 0);
        assert_true(status.st_size < 20000 + THREADS * 100);
        lines += count_lines(path_of((uint32_t)files));
    }
    assert_int_equal(lines, LINES * THREADS);
    assert_true(files > 10);
}

static void write_much(void)
{
    start(5000, 2);
    write_lines(NULL);
}

static void only_so_many_are_kept(void **state)
{
    (void)state;
    in_child(write_much);
    assert_true(weir_file_exists(path_of(0)));
    assert_true(weir_file_exists(path_of(2)));
    assert_false(weir_file_exists(path_of(3)));
    weir_buffer text = WEIR_BUFFER_INIT;
    assert_int_equal(weir_file_read(path_of(0), 1 << 20, &text, NULL), 0);
    assert_non_null(strstr((const char *)text.data, "line 1999 "));
    weir_buffer_deinit(&text);
}

static void write_with_none_kept(void)
{
    start(5000, 0);
    write_lines(NULL);
}

static void without_old_ones_it_begins_anew(void **state)
{
    struct stat status;
    (void)state;
    in_child(write_with_none_kept);
    assert_int_equal(stat(path_of(0), &status), 0);
    assert_true(status.st_size < 5100);
    assert_false(weir_file_exists(path_of(1)));
}

static void write_little(void)
{
    start(5000, 1);
    for (int i = 0; i < 30; i++)
        weir_log_info("a line of a process that was started again %d", i);
}

/* What a former process has left counts. */
static void a_restart_goes_on(void **state)
{
    (void)state;
    in_child(write_little);
    assert_false(weir_file_exists(path_of(1)));
    in_child(write_little);
    assert_true(weir_file_exists(path_of(1)));
    assert_int_equal(count_lines(path_of(0)) + count_lines(path_of(1)), 60);
}

static void a_file_that_cannot_be_is_told(void **state)
{
    weir_error err = WEIR_ERROR_INIT;
    (void)state;
    assert_int_equal(weir_log_roll_start("/nowhere/at/all", 5000, 1, &err), WEIR_ENOT_FOUND);
    assert_non_null(strstr(err.text, "/nowhere/at/all: cannot be opened"));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)
    const struct CMUnitTest tests[] = {
        T(no_line_is_lost),   T(only_so_many_are_kept),         T(without_old_ones_it_begins_anew),
        T(a_restart_goes_on), T(a_file_that_cannot_be_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
