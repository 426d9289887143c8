/* tests/unit/actors/test_data_bus_envelope.c -- letters into messages and out again: each once, in
 * order, whole; and messages that do not agree with themselves are refused. */
#include "actors/data_bus_internal.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { LETTERS = 600, BLOCK = 1 << 20, MESSAGE_MAX = 300000, KEPT = LETTERS };

typedef struct fixture {
    weir_data_bus bus;
    struct weir__letter *letters[LETTERS];
    uint8_t *block; /* bodies lie in it */
    uint64_t random;
    size_t received, messages;
    struct {
        void (*release)(void *, void *);
        void *body, *hint;
        size_t size;
        uint8_t first;
    } kept[KEPT];
    size_t kept_count;
} fixture;

static uint32_t below(fixture *f, uint32_t limit)
{
    f->random = f->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((f->random >> 33) % limit);
}

/* Every letter comes in its turn, and with its body; some receivers keep theirs for a while. */
static void on_receive(void *self, uint32_t from, const void *header, size_t header_size,
                       void *body, size_t body_size, void (*release)(void *, void *), void *hint)
{
    fixture *f = self;
    assert_int_equal(from, 7);
    const struct weir__letter *letter = f->letters[f->received++];
    assert_int_equal(header_size, letter->header_size);
    assert_memory_equal(header, letter->header, header_size);
    assert_int_equal(body != NULL, letter->body != NULL);
    assert_int_equal(body_size, letter->body_size);
    if (body == NULL)
        return;
    assert_memory_equal(body, letter->body, body_size);
    if (below(f, 2) == 0) {
        f->kept[f->kept_count].release = release;
        f->kept[f->kept_count].body = body;
        f->kept[f->kept_count].hint = hint;
        f->kept[f->kept_count].size = body_size;
        f->kept[f->kept_count++].first = body_size > 0 ? *(uint8_t *)body : 0;
    } else {
        release(body, hint);
    }
}

static void release_kept(fixture *f)
{
    while (f->kept_count > 0) {
        size_t i = --f->kept_count;
        if (f->kept[i].size > 0) /* it is still there, though others of its message are gone */
            assert_int_equal(*(uint8_t *)f->kept[i].body, f->kept[i].first);
        f->kept[i].release(f->kept[i].body, f->kept[i].hint);
    }
}

static fixture *set_up(uint64_t seed)
{
    fixture *f = weir_calloc(1, sizeof *f);
    f->random = seed;
    f->block = weir_alloc(BLOCK);
    f->bus.config.message_max = MESSAGE_MAX;
    f->bus.config.receive = on_receive;
    f->bus.config.self = f;
    for (size_t i = 0; i < BLOCK; i++)
        f->block[i] = (uint8_t)below(f, 256);
    return f;
}

static void tear_down(fixture *f)
{
    for (size_t i = 0; i < LETTERS; i++)
        weir_free(f->letters[i]);
    weir_free(f->block);
    weir_free(f);
}

/* A line of letters: without bodies, with small ones, with large ones side by side or apart. */
static void make_line(fixture *f)
{
    size_t at = 0;
    for (size_t i = 0; i < LETTERS; i++) {
        size_t header_size = below(f, 10) == 0 ? below(f, 4096) : below(f, 40);
        struct weir__letter *letter = weir_calloc(1, sizeof *letter + header_size);
        letter->header_size = header_size;
        for (size_t k = 0; k < header_size; k++)
            letter->header[k] = (uint8_t)below(f, 256);
        uint32_t kind = below(f, 4);
        size_t size = kind == 1 ? below(f, 5000) : below(f, 20) == 0 ? 290000 : below(f, 40000);
        if (kind > 0) {
            at = at + size + 64 > BLOCK ? 0 : at;
            letter->body = f->block + at;
            letter->body_size = size;
            at += size + (below(f, 3) == 0 ? 64 : 0);
        }
        f->letters[i] = letter;
        if (i > 0)
            f->letters[i - 1]->next = letter;
    }
}

static void free_bytes(void *bytes, void *hint)
{
    (void)hint;
    weir_free(bytes);
}

/* As a socket would: the body's bytes are copied when they are the sender's. */
static void pass_on(fixture *f, const struct weir__envelope *envelope)
{
    zmq_msg_t body;
    zmq_msg_init(&body);
    if (envelope->is_gathered) {
        assert_int_equal(zmq_msg_init_data(&body, (void *)(uintptr_t)envelope->body,
                                           envelope->body_size, free_bytes, NULL),
                         0);
    } else if (envelope->has_body) {
        assert_int_equal(zmq_msg_init_size(&body, envelope->body_size), 0);
        memcpy(zmq_msg_data(&body), envelope->body, envelope->body_size);
    }
    assert_true(envelope->head_size <= WEIR__BUS_HEAD_MAX);
    assert_true(weir__envelope_open(&f->bus, 7, envelope->head, envelope->head_size,
                                    envelope->has_body ? &body : NULL));
    zmq_msg_close(&body);
    f->messages++;
}

static void letters_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct weir__envelope *envelope = weir_alloc(sizeof *envelope);
    for (uint64_t seed = 1; seed <= 30; seed++) {
        fixture *f = set_up(seed);
        make_line(f);
        for (size_t sent = 0; sent < LETTERS;) {
            assert_int_equal(weir__envelope_pack(envelope, f->letters[sent], MESSAGE_MAX), 0);
            assert_in_range(envelope->letters, 1, LETTERS - sent);
            assert_true(envelope->letters == 1 || envelope->body_size <= MESSAGE_MAX);
            sent += envelope->letters;
            pass_on(f, envelope);
            assert_int_equal(f->received, sent);
            if (below(f, 4) == 0)
                release_kept(f);
        }
        assert_true(f->messages < LETTERS / 2);
        release_kept(f);
        tear_down(f);
    }
    weir_free(envelope);
}

static void only_bodies_side_by_side_travel_without_a_copy(void **state)
{
    (void)state;
    struct weir__envelope *envelope = weir_alloc(sizeof *envelope);
    fixture *f = set_up(1);
    make_line(f);
    for (size_t i = 0; i < 12; i++) {
        f->letters[i]->header_size = f->letters[i]->header_size % 40;
        f->letters[i]->body = f->block + i * 30000;
        f->letters[i]->body_size = 30000;
    }
    assert_int_equal(weir__envelope_pack(envelope, f->letters[0], MESSAGE_MAX), 0);
    assert_int_equal(envelope->letters, (256 << 10) / 30000);
    assert_ptr_equal(envelope->body, f->block);
    assert_false(envelope->is_gathered);
    assert_int_equal(weir__envelope_pack(envelope, f->letters[0], 100000), 0);
    assert_int_equal(envelope->letters, 3); /* never longer than the other side takes */
    f->letters[1]->body = f->block + 30064;
    assert_int_equal(weir__envelope_pack(envelope, f->letters[0], MESSAGE_MAX), 0);
    assert_int_equal(envelope->letters, (256 << 10) / 30000);
    assert_true(envelope->is_gathered); /* what lies apart is copied together */
    weir_free((void *)(uintptr_t)envelope->body);
    for (size_t i = 0; i < 12; i++)
        f->letters[i]->body_size = 70000; /* but not when it is large */
    assert_int_equal(weir__envelope_pack(envelope, f->letters[0], MESSAGE_MAX), 0);
    assert_int_equal(envelope->letters, 1);
    assert_false(envelope->is_gathered);
    tear_down(f);
    weir_free(envelope);
}

static void refuse_all(void *self, uint32_t from, const void *header, size_t header_size,
                       void *body, size_t body_size, void (*release)(void *, void *), void *hint)
{
    (void)self, (void)from;
    uint64_t sum = 0; /* whatever is handed on can be read */
    for (size_t i = 0; i < header_size; i++)
        sum += ((const uint8_t *)header)[i];
    for (size_t i = 0; i < body_size; i++)
        sum += ((const uint8_t *)body)[i];
    assert_true(sum < UINT64_MAX);
    if (body != NULL)
        release(body, hint);
}

static bool open_bytes(fixture *f, const uint8_t *head, size_t size, size_t body_size)
{
    uint8_t *exact = weir_alloc(size); /* so that a read beyond its end is noticed */
    memcpy(exact, head, size);
    zmq_msg_t body;
    assert_int_equal(zmq_msg_init_size(&body, body_size), 0);
    memset(zmq_msg_data(&body), 1, body_size);
    bool is_fine = weir__envelope_open(&f->bus, 7, exact, size, body_size > 0 ? &body : NULL);
    zmq_msg_close(&body);
    weir_free(exact);
    return is_fine;
}

static void what_does_not_agree_is_refused(void **state)
{
    (void)state;
    fixture *f = set_up(3);
    f->bus.config.receive = refuse_all;
    /* Two letters: a body of 5 bytes and a header of 3, no body and a header of 2. */
    const uint8_t good[] = {1,    0,    2,    0, 5, 0, 0, 0,   3,   0,   0,   0,  0xff,
                            0xff, 0xff, 0xff, 2, 0, 0, 0, 'a', 'b', 'c', 'd', 'e'};
    assert_true(open_bytes(f, good, sizeof good, 5));
    assert_false(open_bytes(f, good, sizeof good, 4));
    assert_false(open_bytes(f, good, sizeof good, 6));
    assert_false(open_bytes(f, good, sizeof good, 0));
    for (size_t size = 0; size < sizeof good; size++)
        assert_false(open_bytes(f, good, size, 5));
    const uint8_t none[] = {1, 0, 0, 0};
    assert_false(open_bytes(f, none, sizeof none, 0));
    for (uint32_t i = 0; i < 200000; i++) { /* whatever it says: no crash, no leak, no overrun */
        uint8_t bad[sizeof good];
        memcpy(bad, good, sizeof bad);
        for (uint32_t k = below(f, 3); k < 3; k++)
            bad[below(f, sizeof bad)] = (uint8_t)(below(f, 3) == 0 ? below(f, 256) : below(f, 6));
        (void)open_bytes(f, bad, sizeof bad - below(f, 3), below(f, 12));
    }
    uint8_t long_header[4 + 8 + WEIR__BUS_HEADER_MAX + 1] = {
        1, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 1, WEIR__BUS_HEADER_MAX >> 8};
    assert_false(open_bytes(f, long_header, sizeof long_header, 0));
    long_header[8] = 0;
    assert_true(open_bytes(f, long_header, sizeof long_header - 1, 0));
    uint32_t huge = MESSAGE_MAX + 1; /* of one body */
    uint8_t large[12] = {1, 0, 1, 0};
    memcpy(large + 4, &huge, sizeof huge);
    assert_false(open_bytes(f, large, sizeof large, huge));
    tear_down(f);
}

static void memory_may_end(void **state)
{
    (void)state;
    fixture *f = set_up(3);
    f->bus.config.receive = refuse_all;
    uint8_t head[4 + 3 * 8] = {1, 0, 3, 0};
    for (size_t i = 0; i < 3; i++)
        head[4 + i * 8] = 100;
    bool is_fine = false;
    for (uint64_t nth = 2; !is_fine; nth++) { /* the first is open_bytes' own */
        weir_memory_fail_at(nth);
        is_fine = open_bytes(f, head, sizeof head, 300);
        weir_memory_fail_at(0);
        assert_true(nth < 10);
    }
    tear_down(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_come_out_as_they_went_in),
        cmocka_unit_test(only_bodies_side_by_side_travel_without_a_copy),
        cmocka_unit_test(what_does_not_agree_is_refused),
        cmocka_unit_test(memory_may_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
