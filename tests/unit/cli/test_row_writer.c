/* A writer of rows: the reader may take its time, be gone, or never have been. */
#include "cli/row_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { CHUNK = 1 << 20 }; /* more than a pipe holds */

static int wait_and_finish(weir_row_writer *writer, weir_error *err)
{
    struct pollfd item = {.fd = weir_row_writer_fd(writer), .events = POLLIN};
    assert_int_equal(poll(&item, 1, -1), 1);
    int rc = weir_row_writer_finish(writer, err);
    assert_false(weir_row_writer_is_busy(writer));
    assert_int_equal(poll(&item, 1, 0), 0); /* said once */
    return rc;
}

static void test_waits_for_a_reader(void **state)
{
    (void)state;
    weir_row_writer *writer = NULL;
    int ends[2];
    char *sent = malloc(CHUNK), *got = malloc(CHUNK);
    for (size_t i = 0; i < CHUNK; i++)
        sent[i] = (char)(i * 7 + i / 251);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(weir_row_writer_new(ends[1], &writer, NULL), 0);
    assert_false(weir_row_writer_is_busy(writer));
    assert_int_equal(weir_row_writer_finish(writer, NULL), WEIR_ESTATE);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(weir_row_writer_start(writer, sent, CHUNK, NULL), 0);
        assert_true(weir_row_writer_is_busy(writer));
        assert_int_equal(weir_row_writer_finish(writer, NULL), WEIR_ESTATE);
        memset(got, 0, CHUNK);
        for (size_t size = 0; size < CHUNK;) {
            ssize_t count = read(ends[0], got + size, CHUNK - size);
            assert_true(count > 0);
            size += (size_t)count;
        }
        assert_int_equal(wait_and_finish(writer, NULL), 0);
        assert_memory_equal(sent, got, CHUNK);
    }
    weir_row_writer_destroy(&writer);
    assert_null(writer);
    weir_row_writer_destroy(&writer);
    close(ends[0]);
    close(ends[1]);
    free(sent);
    free(got);
}

/* Ends although the thread waits for a reader that never comes; with and without a full pipe. */
static void test_is_left_while_it_writes(void **state)
{
    (void)state;
    char *sent = calloc(1, CHUNK);
    for (int round = 0; round < 50; round++) {
        weir_row_writer *writer = NULL;
        int ends[2];
        char byte;
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(weir_row_writer_new(ends[1], &writer, NULL), 0);
        if (round > 0)
            assert_int_equal(weir_row_writer_start(writer, sent, CHUNK, NULL), 0);
        if (round % 2 == 1) /* it is at it */
            assert_int_equal(read(ends[0], &byte, 1), 1);
        weir_row_writer_destroy(&writer);
        close(ends[0]);
        close(ends[1]);
    }
    free(sent);
}

static void test_reader_is_gone(void **state)
{
    (void)state;
    weir_row_writer *writer = NULL;
    weir_error error = WEIR_ERROR_INIT;
    char *sent = calloc(1, CHUNK), byte;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(weir_row_writer_new(ends[1], &writer, NULL), 0);
    assert_int_equal(weir_row_writer_start(writer, sent, CHUNK, NULL), 0);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]); /* in the middle; no signal kills us */
    assert_int_equal(wait_and_finish(writer, &error), WEIR_ECANCELLED);
    assert_int_equal(weir_row_writer_start(writer, sent, 1, NULL), 0);
    assert_int_equal(wait_and_finish(writer, &error), WEIR_ECANCELLED);
    weir_row_writer_destroy(&writer);
    close(ends[1]);
    free(sent);
}

static void test_cannot_be_written(void **state)
{
    (void)state;
    weir_row_writer *writer = NULL;
    weir_error error = WEIR_ERROR_INIT;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        skip();
    assert_int_equal(weir_row_writer_new(fd, &writer, NULL), 0);
    assert_int_equal(weir_row_writer_start(writer, "row\n", 4, NULL), 0);
    int rc = wait_and_finish(writer, &error);
    assert_true(rc < 0 && rc != WEIR_ECANCELLED);
    assert_int_equal(rc, error.code);
    assert_non_null(strstr(error.text, "No space left"));
    weir_row_writer_destroy(&writer);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_for_a_reader),
        cmocka_unit_test(test_is_left_while_it_writes),
        cmocka_unit_test(test_reader_is_gone),
        cmocka_unit_test(test_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
