/* test_standard.c -- stdin and print, and the table of connectors. */
#include "harness.h"

#include <fcntl.h>
#include <unistd.h>

#define LINE "text string not null"

/* ---- print ---- */

typedef struct receiver {
    weir_buffer got;
    size_t calls, largest;
    bool full, broken;
} receiver;

static int receive(void *self, const char *bytes, size_t size)
{
    receiver *r = self;

    if (r->broken)
        return WEIR_EUNAVAILABLE;
    if (r->full)
        return WEIR_READ_PENDING;
    assert_true(size > 0);
    assert_int_equal(bytes[size - 1], '\n');
    r->calls++;
    r->largest = size > r->largest ? size : r->largest;
    weir_buffer_append(&r->got, bytes, size);
    return 0;
}

static weir_batch *lines(weir_schema *schema, const char *text, uint32_t count)
{
    weir_builder *builder = NULL;
    weir_batch *batch;

    assert_int_equal(weir_builder_new(schema, count, 1u << 30, &builder), 0);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(weir_builder_put_bytes(builder, 0, text, strlen(text)), 0);
        assert_int_equal(weir_builder_end_row(builder, INT64_MIN, WEIR_INSERT), 0);
    }
    batch = harness_batch(builder);
    weir_builder_destroy(&builder);
    return batch;
}

static void open_print(harness *h, receiver *r, weir_writer **writer)
{
    memset(r, 0, sizeof *r);
    assert_int_equal(harness_open(h, "print:", LINE, true), 0);
    h->context.print = r != NULL ? receive : NULL;
    h->context.print_self = r;
    h->now_ms = 100;
    assert_int_equal(h->connector->open_writer(&h->context, writer, &h->err), 0);
}

static void print_hands_over_whole_lines(void **state)
{
    weir_writer *writer;
    weir_batch *batch;
    weir_wait wait;
    receiver r;
    harness h;

    (void)state;
    open_print(&h, &r, &writer);
    batch = lines(h.schema, "hello", 20000);
    assert_int_equal(writer->vtable->write(writer, weir_batch_columns(batch), &wait, &h.err), 0);
    assert_true(r.calls > 1 && r.largest <= 64u << 10);
    assert_int_equal(writer->vtable->flush(writer, &wait, &h.err), 0);
    assert_int_equal(r.got.size, 20000 * strlen("text=hello\n"));
    assert_int_equal(writer->vtable->finish(writer, &wait, &h.err), 0);
    weir_batch_unref(&batch);
    writer->vtable->close(writer);
    weir_buffer_deinit(&r.got);
    harness_close(&h);
}

static void print_keeps_what_the_receiver_cannot_take(void **state)
{
    weir_writer *writer;
    weir_batch *batch;
    weir_wait wait;
    receiver r;
    harness h;
    int taken = 0, rc;

    (void)state;
    open_print(&h, &r, &writer);
    batch = lines(h.schema, "hello", 1000);
    r.full = true;
    do {
        rc = writer->vtable->write(writer, weir_batch_columns(batch), &wait, &h.err);
        taken += rc == 0;
    } while (rc == 0 && taken < 100);
    assert_int_equal(rc, WEIR_READ_PENDING);
    assert_true(taken < 10);
    assert_int_equal(wait.fd, -1);
    assert_int_equal(wait.at_ms, 101);
    assert_int_equal(writer->vtable->flush(writer, &wait, &h.err), WEIR_READ_PENDING);
    r.full = false;
    assert_int_equal(writer->vtable->flush(writer, &wait, &h.err), 0);
    assert_int_equal(r.got.size, (size_t)taken * 1000 * strlen("text=hello\n"));
    r.broken = true;
    assert_int_equal(writer->vtable->write(writer, weir_batch_columns(batch), &wait, &h.err), 0);
    assert_int_equal(writer->vtable->flush(writer, &wait, &h.err), WEIR_EUNAVAILABLE);
    weir_batch_unref(&batch);
    writer->vtable->close(writer);
    weir_buffer_deinit(&r.got);
    harness_close(&h);
}

/* Points descriptor `fd` elsewhere; returns what restores it. */
static int redirect(int fd, int to)
{
    int saved = fcntl(fd, F_DUPFD_CLOEXEC, 10);

    assert_true(saved >= 0);
    assert_true(dup2(to, fd) == fd);
    return saved;
}

static void restore(int fd, int saved)
{
    assert_true(dup2(saved, fd) == fd);
    close(saved);
}

static void print_never_blocks_on_a_full_pipe(void **state)
{
    char bytes[65536];
    int ends[2], saved, rc, rounds = 0;
    size_t total = 0, taken = 0;
    weir_writer *writer;
    weir_batch *batch;
    weir_wait wait;
    receiver unused;
    harness h;

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fflush(stdout);
    saved = redirect(STDOUT_FILENO, ends[1]); /* before it is opened: what stdout is decides how */
    open_print(&h, &unused, &writer);
    h.context.print = NULL;
    batch = lines(h.schema, "hello", 1000);
    do {
        rc = writer->vtable->write(writer, weir_batch_columns(batch), &wait, &h.err);
        taken += rc == 0;
    } while (rc == 0 && ++rounds < 1000);
    while (writer->vtable->finish(writer, &wait, &h.err) == WEIR_READ_PENDING)
        total += (size_t)read(ends[0], bytes, sizeof bytes);
    restore(STDOUT_FILENO, saved);
    close(ends[1]);
    for (ssize_t n; (n = read(ends[0], bytes, sizeof bytes)) > 0;)
        total += (size_t)n;
    assert_int_equal(rc, WEIR_READ_PENDING);
    assert_int_equal(total, taken * 1000 * strlen("text=hello\n"));
    close(ends[0]);
    weir_batch_unref(&batch);
    writer->vtable->close(writer);
    harness_close(&h);
}

/* ---- stdin ---- */

static void stdin_waits_and_ends(void **state)
{
    weir_buffer rows = WEIR_BUFFER_INIT;
    weir_builder *builder = NULL;
    weir_reader *reader, *other;
    weir_batch *batch;
    weir_wait wait;
    int ends[2], saved, rc;
    harness h;

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    saved = redirect(STDIN_FILENO, ends[0]);
    assert_int_equal(harness_open(&h, "stdin:", LINE, false), 0);
    assert_true(h.connector->local_only);
    assert_true(h.connector->bounded(&h.op, true));
    assert_false(h.connector->bounded(&h.op, false));
    assert_int_equal(weir_builder_new(h.schema, 1000, 1u << 20, &builder), 0);
    h.context.parallelism = 2;
    assert_int_equal(h.connector->open_reader(&h.context, &reader, &h.err), 0);
    h.context.subtask = 1;
    assert_int_equal(h.connector->open_reader(&h.context, &other, &h.err), 0);
    assert_int_equal(other->vtable->read(other, builder, &wait, &h.err), WEIR_READ_END);
    assert_int_equal(reader->vtable->read(reader, builder, &wait, &h.err), WEIR_READ_PENDING);
    assert_int_equal(wait.fd, STDIN_FILENO);
    assert_int_equal(write(ends[1], "one\ntw", 6), 6);
    assert_int_equal(reader->vtable->read(reader, builder, &wait, &h.err), WEIR_READ_PENDING);
    assert_int_equal(weir_builder_rows(builder), 1);
    assert_int_equal(write(ends[1], "o\nthree", 7), 7);
    close(ends[1]);
    do {
        rc = reader->vtable->read(reader, builder, &wait, &h.err);
    } while (rc == WEIR_READ_MORE);
    assert_int_equal(rc, WEIR_READ_END);
    assert_int_equal(fcntl(STDIN_FILENO, F_GETFL) & O_NONBLOCK, 0);
    restore(STDIN_FILENO, saved);
    close(ends[0]);
    batch = harness_batch(builder);
    harness_rows(&h, weir_batch_columns(batch), &rows);
    assert_string_equal(weir_buffer_text(&rows),
                        "{\"text\":\"one\"}\n{\"text\":\"two\"}\n{\"text\":\"three\"}\n");
    weir_batch_unref(&batch);
    reader->vtable->close(reader);
    other->vtable->close(other);
    weir_builder_destroy(&builder);
    weir_buffer_deinit(&rows);
    harness_close(&h);
}

static void stdin_names_the_byte_of_a_bad_row(void **state)
{
    weir_buffer rows = WEIR_BUFFER_INIT;
    int ends[2], saved;
    harness h;

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "1\nx\n", 4), 4);
    close(ends[1]);
    saved = redirect(STDIN_FILENO, ends[0]);
    assert_int_equal(harness_open(&h, "stdin:", "n bigint not null", false), 0);
    assert_int_equal(harness_read_all(&h, 10, &rows), WEIR_EINVALID);
    assert_non_null(strstr(h.err.text, "source 'stdin:', byte 2: field 'n' (bigint) is not a"));
    restore(STDIN_FILENO, saved);
    close(ends[0]);
    weir_buffer_deinit(&rows);
    harness_close(&h);
}

/* ---- the table ---- */

static void every_connector_is_described(void **state)
{
    const weir_connector_catalog *catalog = weir_connectors();

    (void)state;
    for (size_t i = 0; catalog->connectors[i] != NULL; i++) {
        const weir_connector *c = catalog->connectors[i];

        assert_true(c->source || c->sink);
        assert_true(c->meaning != NULL && c->path_meaning != NULL);
        assert_int_equal(c->source, c->open_reader != NULL);
        assert_int_equal(c->sink, c->open_writer != NULL);
        assert_ptr_equal(weir_connector_find(catalog, c->name), c);
        for (uint32_t k = 0; k < c->noptions; k++) {
            const weir_connector_option *o = &c->options[k];

            assert_true(o->name != NULL && o->fallback != NULL && o->type != NULL);
            assert_true(strlen(o->meaning) > 5);
            assert_true((!o->source || c->source) && (!o->sink || c->sink));
        }
    }
    assert_ptr_equal(weir_connector_find(catalog, "file"),
                     weir_connector_find(catalog, "filesystem"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(print_hands_over_whole_lines),
        cmocka_unit_test(print_keeps_what_the_receiver_cannot_take),
        cmocka_unit_test(print_never_blocks_on_a_full_pipe),
        cmocka_unit_test(stdin_waits_and_ends),
        cmocka_unit_test(stdin_names_the_byte_of_a_bad_row),
        cmocka_unit_test(every_connector_is_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
