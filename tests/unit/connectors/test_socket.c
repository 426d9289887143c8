/* test_socket.c -- lines over a connection, and what goes wrong with connections. */
#include "harness.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE "text string not null"

static int listen_somewhere(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void wait_for(harness *h, const weir_wait *wait)
{
    struct pollfd wanted = {.fd = wait->fd, .events = POLLIN};

    poll(&wanted, wait->fd >= 0 ? 1 : 0, wait->fd >= 0 ? 5000 : 1);
    h->now_ms += 1;
}

static void open_url(harness *h, const char *options, uint16_t port, bool sink)
{
    char url[128];

    snprintf(url, sizeof url, "socket://127.0.0.1:%u%s", port, options);
    if (harness_open(h, url, LINE, sink) != 0)
        fail_msg("%s", h->err.text);
}

static void the_source_reads_until_the_peer_closes(void **state)
{
    weir_buffer rows = WEIR_BUFFER_INIT;
    weir_builder *builder = NULL;
    weir_reader *reader, *other;
    weir_batch *batch;
    weir_wait wait;
    uint16_t port;
    int listener = listen_somewhere(&port), peer = -1, rc;
    harness h;

    (void)state;
    open_url(&h, "", port, false);
    assert_false(h.connector->bounded(&h.op, true));
    assert_int_equal(weir_builder_new(h.schema, 1000, 1u << 20, &builder), 0);
    h.context.subtask = 1;
    assert_int_equal(h.connector->open_reader(&h.context, &other, &h.err), 0);
    assert_int_equal(other->vtable->read(other, builder, &wait, &h.err), WEIR_READ_END);
    h.context.subtask = 0;
    assert_int_equal(h.connector->open_reader(&h.context, &reader, &h.err), 0);
    peer = accept(listener, NULL, NULL);
    assert_true(peer >= 0);
    do {
        rc = reader->vtable->read(reader, builder, &wait, &h.err);
    } while (rc == WEIR_READ_PENDING && wait.fd < 0);
    assert_int_equal(rc, WEIR_READ_PENDING);
    assert_int_equal(write(peer, "one\r\ntwo", 8), 8);
    close(peer);
    while ((rc = reader->vtable->read(reader, builder, &wait, &h.err)) == WEIR_READ_PENDING)
        wait_for(&h, &wait);
    assert_int_equal(rc, WEIR_READ_END);
    batch = harness_batch(builder);
    harness_rows(&h, weir_batch_columns(batch), &rows);
    assert_string_equal(weir_buffer_text(&rows), "{\"text\":\"one\"}\n{\"text\":\"two\"}\n");
    weir_batch_unref(&batch);
    weir_buffer_deinit(&rows);
    weir_builder_destroy(&builder);
    reader->vtable->close(reader);
    other->vtable->close(other);
    close(listener);
    harness_close(&h);
}

static void the_sink_waits_for_a_slow_peer(void **state)
{
    static char text[1001], bytes[1u << 16];
    weir_builder *builder = NULL;
    weir_writer *writer;
    weir_batch *batch;
    size_t taken = 0, total = 0;
    weir_wait wait;
    uint16_t port;
    int listener = listen_somewhere(&port), peer, rc;
    ssize_t n;
    harness h;

    (void)state;
    open_url(&h, "", port, true);
    memset(text, 'x', 1000);
    assert_int_equal(weir_builder_new(h.schema, 100, 1u << 20, &builder), 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(weir_builder_put_bytes(builder, 0, text, 1000), 0);
        assert_int_equal(weir_builder_end_row(builder, INT64_MIN, WEIR_INSERT), 0);
    }
    batch = harness_batch(builder);
    assert_int_equal(h.connector->open_writer(&h.context, &writer, &h.err), 0);
    peer = accept(listener, NULL, NULL);
    assert_true(peer >= 0);
    while (writer->vtable->flush(writer, &wait, &h.err) == WEIR_READ_PENDING)
        wait_for(&h, &wait);
    do {
        rc = writer->vtable->write(writer, weir_batch_columns(batch), &wait, &h.err);
        taken += rc == 0;
    } while (rc == 0 && taken < 10000);
    assert_int_equal(rc, WEIR_READ_PENDING);
    assert_true(wait.fd == -1 && wait.at_ms > h.now_ms);
    while ((rc = writer->vtable->finish(writer, &wait, &h.err)) == WEIR_READ_PENDING) {
        n = read(peer, bytes, sizeof bytes);
        assert_true(n > 0);
        total += (size_t)n;
    }
    assert_int_equal(rc, 0);
    while ((n = read(peer, bytes, sizeof bytes)) > 0)
        total += (size_t)n;
    assert_int_equal(total, taken * 100 * 1001);
    writer->vtable->close(writer);
    weir_batch_unref(&batch);
    weir_builder_destroy(&builder);
    close(peer);
    close(listener);
    harness_close(&h);
}

static void refusals_are_explained(void **state)
{
    weir_builder *builder = NULL;
    weir_reader *reader = NULL;
    weir_writer *writer = NULL;
    weir_wait wait;
    uint16_t port;
    int listener = listen_somewhere(&port), rc;
    char place[64];
    harness h;

    (void)state;
    close(listener); /* now nothing listens there */
    open_url(&h, "", port, false);
    assert_int_equal(weir_builder_new(h.schema, 10, 1u << 20, &builder), 0);
    rc = h.connector->open_reader(&h.context, &reader, &h.err);
    while (rc == 0 || rc == WEIR_READ_PENDING) {
        rc = reader->vtable->read(reader, builder, &wait, &h.err);
        if (rc == WEIR_READ_PENDING)
            wait_for(&h, &wait);
    }
    assert_int_equal(rc, WEIR_EUNAVAILABLE);
    snprintf(place, sizeof place, "socket://127.0.0.1:%u': connection refused; ", port);
    assert_non_null(strstr(h.err.text, place));
    if (reader != NULL)
        reader->vtable->close(reader);
    weir_builder_destroy(&builder);
    harness_close(&h);
    open_url(&h, "", port, true);
    h.context.parallelism = 2;
    assert_int_equal(h.connector->open_writer(&h.context, &writer, &h.err), WEIR_EINVALID);
    assert_non_null(strstr(h.err.text, "needs parallelism 1"));
    harness_close(&h);
}

static void wrong_addresses_are_refused(void **state)
{
    static const char *const urls[] = {"socket:",          "socket://host",
                                       "socket://:1",      "socket://h:0",
                                       "socket://h:65536", "socket://h:1x",
                                       "socket://a:b:1",   "socket:host:1",
                                       "socket://[::1]",   "socket://h:1?connect-timeout=x"};
    harness h;

    (void)state;
    for (size_t i = 0; i < WEIR_COUNT(urls); i++) {
        if (harness_open(&h, urls[i], LINE, false) == 0)
            fail_msg("%s was accepted", urls[i]);
        harness_close(&h);
    }
    assert_int_equal(harness_open(&h, "socket://[::1]:9", LINE, false), 0);
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_source_reads_until_the_peer_closes),
        cmocka_unit_test(the_sink_waits_for_a_slow_peer),
        cmocka_unit_test(refusals_are_explained),
        cmocka_unit_test(wrong_addresses_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
