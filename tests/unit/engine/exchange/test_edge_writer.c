/* The producer's side of an edge: where rows go, in which batches, and what follows them. */
#include "exchange/edge_writer.h"

#include "batch/key.h"

#include "exchange_support.h"

#define CHANNELS_MAX 1000u

typedef struct fixture {
    weir_schema *schema;
    keeping_port ports[CHANNELS_MAX];
    weir_output_channel *channels[CHANNELS_MAX];
    uint32_t nchannels;
    weir_edge_writer *writer;
    weir_edge_writer_config config;
} fixture;

static const uint32_t keys[1] = {0};

static fixture *open_writer(enum weir_edge_writer_kind kind, uint32_t channels, uint32_t batch_rows,
                            uint32_t batch_bytes)
{
    fixture *f = weir_calloc(1, sizeof *f);
    f->schema = make_schema();
    f->nchannels = channels;
    for (uint32_t i = 0; i < channels; i++) {
        f->ports[i].port.send = keep;
        assert_int_equal(weir_output_channel_new(i, EPOCH, &f->ports[i].port, &f->channels[i]), 0);
    }
    f->config = (weir_edge_writer_config){.kind = kind,
                                          .schema = f->schema,
                                          .keys = keys,
                                          .nkeys = 1,
                                          .max_parallelism = 4096,
                                          .channels = f->channels,
                                          .nchannels = channels,
                                          .first = 1,
                                          .batch_rows = batch_rows,
                                          .batch_bytes = batch_bytes};
    assert_int_equal(weir_edge_writer_new(&f->config, &f->writer, NULL), 0);
    return f;
}

static void close_writer(fixture *f)
{
    weir_edge_writer_destroy(&f->writer);
    weir_edge_writer_destroy(&f->writer);
    for (uint32_t i = 0; i < f->nchannels; i++) {
        weir_output_channel_destroy(&f->channels[i]);
        weir_frame_queue_deinit(&f->ports[i].kept);
    }
    weir_schema_unref(&f->schema);
    weir_free(f);
}

static void grant(fixture *f, uint32_t channel, uint64_t bytes)
{
    weir_frame *frame = make_frame(WEIR_FRAME_CREDIT, channel, 1);
    frame->u.credit = bytes;
    assert_int_equal(weir_output_channel_credit(f->channels[channel], frame, NULL), 0);
    weir_frame_destroy(&frame);
}

static void grant_all(fixture *f)
{
    for (uint32_t i = 0; i < f->nchannels; i++) {
        grant(f, i, UINT32_MAX);
    }
}

static int collect(fixture *f, int64_t number, uint32_t rows, size_t pad)
{
    weir_batch *batch = make_batch(f->schema, number, rows, 0, pad);
    weir_collector *collector = weir_edge_writer_collector(f->writer);
    int rc = collector->collect(collector, weir_batch_columns(batch), NULL);
    weir_batch_unref(&batch);
    return rc;
}

/* The next frame of a channel is a batch of `rows` rows counted on from `number`. */
static void expect_rows(fixture *f, uint32_t channel, int64_t number, uint32_t rows)
{
    weir_frame *frame = weir_frame_queue_pop(&f->ports[channel].kept);
    assert_non_null(frame);
    assert_int_equal(frame->kind, WEIR_FRAME_BATCH);
    assert_int_equal(weir_batch_rows(frame->batch), rows);
    for (uint32_t i = 0; i < rows; i++) {
        assert_int_equal(bigint_at(weir_batch_columns(frame->batch), 0, i), number + i);
    }
    weir_frame_destroy(&frame);
}

static void expect_kind(fixture *f, uint32_t channel, enum weir_frame_kind kind)
{
    weir_frame *frame = weir_frame_queue_pop(&f->ports[channel].kept);
    assert_non_null(frame);
    assert_int_equal(frame->kind, kind);
    weir_frame_destroy(&frame);
}

static void expect_nothing(fixture *f)
{
    for (uint32_t i = 0; i < f->nchannels; i++) {
        assert_null(f->ports[i].kept.head);
    }
}

static void is_made_of_sound_arguments(void **state)
{
    (void)state;
    fixture *f = open_writer(WEIR_WRITE_HASH, 2, 10, 1000);
    weir_edge_writer *writer = NULL;
    weir_error err = WEIR_ERROR_INIT;
    for (int wrong = 0; wrong < 8; wrong++) {
        weir_edge_writer_config config = f->config;
        config.kind = wrong == 0   ? 0
                      : wrong == 1 ? 5
                      : wrong == 2 ? WEIR_WRITE_FORWARD
                                   : config.kind;
        config.nchannels = wrong == 3 ? 0 : config.nchannels;
        config.nkeys = wrong == 4 ? 0 : config.nkeys;
        config.batch_rows = wrong == 5 ? 0 : config.batch_rows;
        config.batch_bytes = wrong == 6 ? 0 : config.batch_bytes;
        config.keys =
            wrong == 7 ? (const uint32_t[]){9} : config.keys; /* the partitioner refuses it */
        assert_int_equal(weir_edge_writer_new(&config, &writer, &err), WEIR_EINVALID);
        assert_true(err.text[0] != 0);
    }
    int rc = WEIR_ENO_MEMORY;
    for (unsigned n = 1; rc != 0; n++) {
        weir_memory_fail_at(n);
        rc = weir_edge_writer_new(&f->config, &writer, NULL);
        weir_memory_fail_at(0);
        assert_true(rc == 0 || rc == WEIR_ENO_MEMORY);
    }
    weir_edge_writer_destroy(&writer);
    close_writer(f);
}

static void hash_sends_every_row_once_to_its_key(void **state)
{
    (void)state;
    static const uint32_t counts[] = {1, 2, 7, 1000};
    for (size_t c = 0; c < WEIR_COUNT(counts); c++) {
        fixture *f = open_writer(WEIR_WRITE_HASH, counts[c], 64, 1u << 20);
        grant_all(f);
        int64_t rows = 0;
        for (uint32_t n = 1; n < 400; n += 23) {
            assert_int_equal(collect(f, rows, n, 10), 0);
            rows += n;
        }
        assert_true(weir_edge_writer_has_rows(f->writer));
        assert_int_equal(weir_edge_writer_flush(f->writer, NULL), 0);
        assert_false(weir_edge_writer_has_rows(f->writer));
        weir_key_codec *codec = NULL;
        assert_int_equal(weir_key_codec_new(f->schema, keys, 1, &codec, NULL), 0);
        int64_t seen = 0;
        for (uint32_t i = 0; i < counts[c]; i++) {
            int64_t last = -1;
            for (weir_frame *frame; (frame = weir_frame_queue_pop(&f->ports[i].kept)) != NULL;) {
                const weir_columns *columns = weir_batch_columns(frame->batch);
                uint64_t hashes[64];
                assert_in_range(columns->rows, 1, 64);
                assert_int_equal(weir_key_codec_hash(codec, columns, hashes), 0);
                for (uint32_t r = 0; r < columns->rows; r++, seen++) {
                    assert_true(bigint_at(columns, 0, r) > last); /* in order, so never twice */
                    last = bigint_at(columns, 0, r);
                    assert_int_equal(
                        weir_key_group_subtask(weir_key_group(hashes[r], 4096), counts[c], 4096),
                        i);
                }
                weir_frame_destroy(&frame);
            }
        }
        assert_int_equal(seen, rows);
        weir_key_codec_destroy(&codec);
        close_writer(f);
    }
}

static void a_full_batch_goes_at_once(void **state)
{
    (void)state;
    fixture *f = open_writer(WEIR_WRITE_HASH, 1, 100, 1u << 20);
    grant_all(f);
    assert_int_equal(collect(f, 0, 99, 0), 0);
    expect_nothing(f);
    assert_int_equal(collect(f, 99, 202, 0), 0);
    expect_rows(f, 0, 0, 100);
    expect_rows(f, 0, 100, 100);
    expect_rows(f, 0, 200, 100);
    expect_nothing(f);
    assert_true(weir_edge_writer_has_rows(f->writer));
    assert_int_equal(weir_edge_writer_flush(f->writer, NULL), 0);
    expect_rows(f, 0, 300, 1);
    assert_int_equal(weir_edge_writer_flush(f->writer, NULL), 0);
    assert_int_equal(collect(f, 0, 0, 0), 0);
    assert_int_equal(weir_edge_writer_flush(f->writer, NULL), 0);
    expect_nothing(f); /* no empty batches */
    close_writer(f);
}

static void batches_keep_near_the_limit_in_bytes(void **state)
{
    (void)state;
    static const enum weir_edge_writer_kind kinds[] = {WEIR_WRITE_HASH, WEIR_WRITE_FORWARD,
                                                       WEIR_WRITE_BROADCAST, WEIR_WRITE_REBALANCE};
    for (size_t k = 0; k < WEIR_COUNT(kinds); k++) {
        fixture *f = open_writer(kinds[k], 1, 100000, 64000);
        grant_all(f);
        assert_int_equal(collect(f, 0, 3000, 1000), 0);
        assert_int_equal(weir_edge_writer_flush(f->writer, NULL), 0);
        int64_t number = 0;
        for (weir_frame *frame; (frame = weir_frame_queue_pop(&f->ports[0].kept)) != NULL;) {
            assert_true(weir_batch_size(frame->batch) < 70000);
            assert_true(weir_batch_size(frame->batch) > 55000 || f->ports[0].kept.head == NULL);
            assert_int_equal(bigint_at(weir_batch_columns(frame->batch), 0, 0), number);
            number += weir_batch_rows(frame->batch);
            weir_frame_destroy(&frame);
        }
        assert_int_equal(number, 3000);
        close_writer(f);
    }
}

static void rows_that_are_too_many_for_a_batch_are_cut(void **state)
{
    (void)state;
    /* Limits over what a batch can hold: the builder's own limit cuts. */
    fixture *f = open_writer(WEIR_WRITE_FORWARD, 1, 1u << 30, UINT32_MAX);
    grant_all(f);
    assert_int_equal(collect(f, 0, 1500, 30000), 0);
    assert_int_equal(collect(f, 1500, 1500, 30000), 0);
    assert_int_equal(weir_edge_writer_flush(f->writer, NULL), 0);
    uint32_t rows = 0;
    for (weir_frame *frame; (frame = weir_frame_queue_pop(&f->ports[0].kept)) != NULL;) {
        assert_int_equal(bigint_at(weir_batch_columns(frame->batch), 0, 0), rows);
        rows += weir_batch_rows(frame->batch);
        weir_frame_destroy(&frame);
    }
    assert_int_equal(rows, 3000);
    close_writer(f);
}

static void an_input_over_a_batch_is_cut(void **state)
{
    (void)state;
    enum { ROWS = 3000, PAD = 30000 }; /* 90 MB */
    fixture *f = open_writer(WEIR_WRITE_HASH, 1, 1u << 30, UINT32_MAX);
    grant_all(f);
    int64_t *numbers = weir_calloc(ROWS, sizeof *numbers);
    uint32_t *offsets = weir_calloc(ROWS + 1, sizeof *offsets);
    char *pads = weir_calloc(ROWS, PAD);
    for (uint32_t i = 0; i < ROWS; i++) {
        numbers[i] = i;
        offsets[i + 1] = (i + 1) * PAD;
    }
    const weir_column columns[3] = {
        {.kind = WEIR_KIND_bigint, .values = numbers, .rows = ROWS},
        {.kind = WEIR_KIND_bigint, .values = numbers, .rows = ROWS},
        {.kind = WEIR_KIND_string, .values = pads, .offsets = offsets, .rows = ROWS}};
    const weir_columns all = {.size = sizeof all, .rows = ROWS, .ncolumns = 3, .columns = columns};
    weir_collector *collector = weir_edge_writer_collector(f->writer);
    assert_int_equal(collector->collect(collector, &all, NULL), 0);
    assert_int_equal(weir_edge_writer_flush(f->writer, NULL), 0);
    int64_t rows = 0;
    for (weir_frame *frame; (frame = weir_frame_queue_pop(&f->ports[0].kept)) != NULL;) {
        assert_int_equal(bigint_at(weir_batch_columns(frame->batch), 0, 0), rows);
        rows += weir_batch_rows(frame->batch);
        weir_frame_destroy(&frame);
    }
    assert_int_equal(rows, ROWS);
    weir_free(numbers);
    weir_free(offsets);
    weir_free(pads);
    close_writer(f);
}

static void forward_keeps_big_inputs_whole(void **state)
{
    (void)state;
    fixture *f = open_writer(WEIR_WRITE_FORWARD, 1, 100, 1u << 20);
    grant_all(f);
    assert_int_equal(collect(f, 0, 10, 0), 0);
    expect_nothing(f);
    assert_int_equal(collect(f, 10, 60, 0), 0);
    expect_rows(f, 0, 0, 10); /* order holds */
    expect_rows(f, 0, 10, 60);
    assert_false(weir_edge_writer_has_rows(f->writer));
    assert_int_equal(collect(f, 70, 250, 0), 0);
    expect_rows(f, 0, 70, 100);
    expect_rows(f, 0, 170, 100);
    expect_rows(f, 0, 270, 50);
    expect_nothing(f);
    close_writer(f);
}

static void broadcast_shares_one_batch(void **state)
{
    (void)state;
    fixture *f = open_writer(WEIR_WRITE_BROADCAST, 3, 10, 1u << 20);
    grant_all(f);
    assert_int_equal(collect(f, 0, 10, 0), 0);
    const weir_batch *batch = f->ports[0].kept.head->batch;
    for (uint32_t i = 0; i < 3; i++) {
        assert_ptr_equal(f->ports[i].kept.head->batch, batch);
        expect_rows(f, i, 0, 10);
    }
    expect_nothing(f);
    close_writer(f);
}

static void rebalance_goes_round(void **state)
{
    (void)state;
    fixture *f = open_writer(WEIR_WRITE_REBALANCE, 3, 10, 1u << 20);
    grant_all(f);
    assert_int_equal(collect(f, 0, 35, 0), 0);
    expect_rows(f, 1, 0, 10); /* from `first` on */
    expect_rows(f, 2, 10, 10);
    expect_rows(f, 0, 20, 10);
    expect_nothing(f);
    assert_int_equal(weir_edge_writer_flush(f->writer, NULL), 0);
    expect_rows(f, 1, 30, 5);
    close_writer(f);
}

static void control_comes_behind_the_rows(void **state)
{
    (void)state;
    weir_barrier barrier = {.checkpoint = 1};
    fixture *f = open_writer(WEIR_WRITE_BROADCAST, 2, 10, 1u << 20);
    grant_all(f);
    assert_int_equal(collect(f, 0, 1, 0), 0);
    assert_int_equal(weir_edge_writer_watermark(f->writer, 7, NULL), 0);
    assert_int_equal(collect(f, 1, 1, 0), 0);
    assert_int_equal(weir_edge_writer_barrier(f->writer, &barrier, NULL), 0);
    assert_int_equal(collect(f, 2, 1, 0), 0);
    assert_int_equal(weir_edge_writer_idle(f->writer, true, NULL), 0);
    assert_int_equal(collect(f, 3, 1, 0), 0);
    assert_int_equal(weir_edge_writer_end(f->writer, NULL), 0);
    for (uint32_t i = 0; i < 2; i++) {
        expect_rows(f, i, 0, 1);
        expect_kind(f, i, WEIR_FRAME_WATERMARK);
        expect_rows(f, i, 1, 1);
        expect_kind(f, i, WEIR_FRAME_BARRIER);
        expect_rows(f, i, 2, 1);
        expect_kind(f, i, WEIR_FRAME_IDLE);
        expect_rows(f, i, 3, 1);
        expect_kind(f, i, WEIR_FRAME_END);
    }
    assert_int_equal(weir_edge_writer_watermark(f->writer, 8, NULL), WEIR_ESTATE);
    assert_int_equal(collect(f, 4, 10, 0), WEIR_ESTATE);
    close_writer(f);
}

static void has_room_when_every_channel_has(void **state)
{
    (void)state;
    fixture *f = open_writer(WEIR_WRITE_REBALANCE, 2, 1, 1u << 20);
    assert_false(weir_edge_writer_has_room(f->writer));
    grant(f, 0, 100);
    assert_false(weir_edge_writer_has_room(f->writer));
    grant(f, 1, 100);
    assert_true(weir_edge_writer_has_room(f->writer));
    assert_int_equal(collect(f, 0, 1, 0), 0); /* to channel 1: takes all of it */
    assert_false(weir_edge_writer_has_room(f->writer));
    assert_true(weir_edge_writer_is_drained(f->writer));
    assert_int_equal(collect(f, 0, 2, 0), 0);
    assert_false(weir_edge_writer_is_drained(f->writer));
    close_writer(f);
}

/* What a channel has taken, by its port: rows counted on without a gap within each key's target. */
static int64_t rows_of(fixture *f, uint32_t channel, int64_t *last)
{
    int64_t rows = 0;
    for (weir_frame *frame; (frame = weir_frame_queue_pop(&f->ports[channel].kept)) != NULL;) {
        if (frame->kind == WEIR_FRAME_BATCH) {
            const weir_columns *columns = weir_batch_columns(frame->batch);
            for (uint32_t r = 0; r < columns->rows; r++) {
                assert_true(bigint_at(columns, 0, r) > *last);
                *last = bigint_at(columns, 0, r);
            }
            rows += columns->rows;
        }
        weir_frame_destroy(&frame);
    }
    return rows;
}

/* Grants what a channel has outstanding, in part or whole, as a consumer would. */
static void grant_some(fixture *f, uint32_t channel, uint64_t *sequence, uint64_t *outstanding,
                       uint64_t bytes)
{
    weir_frame *frame = make_frame(WEIR_FRAME_CREDIT, channel, ++*sequence);
    frame->u.credit = bytes;
    *outstanding -= bytes;
    assert_int_equal(weir_output_channel_credit(f->channels[channel], frame, NULL), 0);
    weir_frame_destroy(&frame);
}

/* Bytes charged for what a port has kept since the last look. */
static uint64_t charged(const fixture *f, uint32_t channel, uint64_t window)
{
    uint64_t bytes = 0;
    for (const weir_frame *frame = f->ports[channel].kept.head; frame; frame = frame->next) {
        bytes += frame->cost < window ? frame->cost : window;
    }
    return bytes;
}

/* Whatever is granted, and when: every row once, in order; room is what all channels have. */
static void credit_changes_neither_rows_nor_their_order(void **state)
{
    (void)state;
    static const uint32_t counts[] = {1, 2, 7, 40};
    enum { WINDOW = 3000 };
    for (size_t c = 0; c < WEIR_COUNT(counts); c++) {
        uint32_t n = counts[c];
        fixture *f = open_writer(WEIR_WRITE_HASH, n, 25, 1500);
        uint64_t sequences[40] = {0}, outstanding[40] = {0}, random = c + 1;
        int64_t last[40], given = 0, taken = 0;
        for (uint32_t i = 0; i < n; i++) {
            last[i] = -1;
            grant_some(f, i, &sequences[i], &(uint64_t){WINDOW}, WINDOW);
        }
        for (uint32_t round = 0; round < 3000; round++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            uint32_t dice = (uint32_t)(random >> 33), channel = dice / 8 % n;
            bool room = true;
            for (uint32_t i = 0; i < n; i++) {
                room &= weir_output_channel_has_room(f->channels[i]);
            }
            assert_int_equal(weir_edge_writer_has_room(f->writer), room);
            if (dice % 8 < 3 && room) {
                uint32_t rows = dice / 1024 % 60;
                assert_int_equal(collect(f, given, rows, dice % 64), 0);
                given += rows;
            } else if (dice % 64 == 3) {
                assert_int_equal(weir_edge_writer_flush(f->writer, NULL), 0);
            } else if (outstanding[channel] > 0) {
                grant_some(f, channel, &sequences[channel], &outstanding[channel],
                           1 + random % outstanding[channel]);
            }
            for (uint32_t i = 0; i < n; i++) {
                outstanding[i] += charged(f, i, WINDOW);
                taken += rows_of(f, i, &last[i]);
            }
        }
        assert_int_equal(weir_edge_writer_end(f->writer, NULL), 0);
        while (!weir_edge_writer_is_drained(f->writer)) {
            for (uint32_t i = 0; i < n; i++) {
                outstanding[i] += charged(f, i, WINDOW);
                taken += rows_of(f, i, &last[i]);
                if (outstanding[i] > 0) {
                    grant_some(f, i, &sequences[i], &outstanding[i], outstanding[i]);
                }
            }
        }
        for (uint32_t i = 0; i < n; i++) {
            taken += rows_of(f, i, &last[i]);
        }
        assert_true(given > 5000);
        assert_int_equal(taken, given);
        close_writer(f);
    }
}

/* Rows to a thousand targets wait until there is a batch worth sending for each, and no longer. */
static void what_is_kept_is_bounded(void **state)
{
    (void)state;
    enum { BATCH = 10000, ROW = 100, TARGETS = 1000 };
    fixture *f = open_writer(WEIR_WRITE_HASH, TARGETS, 4096, BATCH);
    grant_all(f);
    int64_t given = 0, sent = 0, most = 0;
    uint32_t batches = 0;
    for (uint32_t round = 0; round < 400; round++) {
        assert_int_equal(collect(f, given, 1000, ROW - 20), 0);
        given += 1000;
        for (uint32_t i = 0; i < TARGETS; i++) {
            for (weir_frame *frame; (frame = weir_frame_queue_pop(&f->ports[i].kept)) != NULL;) {
                sent += weir_batch_rows(frame->batch);
                batches++;
                weir_frame_destroy(&frame);
            }
        }
        most = given - sent > most ? given - sent : most;
    }
    assert_true(most * ROW <= (int64_t)BATCH * TARGETS);
    assert_true(sent / batches > BATCH / ROW / 3); /* not crumbs */
    close_writer(f);
}

static void failures_come_back(void **state)
{
    (void)state;
    static const enum weir_edge_writer_kind kinds[] = {WEIR_WRITE_HASH, WEIR_WRITE_BROADCAST};
    for (size_t k = 0; k < WEIR_COUNT(kinds); k++) {
        fixture *f = open_writer(kinds[k], 2, 10, 1u << 20);
        grant_all(f);
        f->ports[1].fails = WEIR_EUNAVAILABLE;
        assert_int_equal(collect(f, 0, 300, 0), WEIR_EUNAVAILABLE);
        close_writer(f);
        int rc = WEIR_ENO_MEMORY;
        for (unsigned n = 1; rc != 0; n++) { /* each allocation on the way fails once */
            f = open_writer(kinds[k], 2, 10, 1u << 20);
            grant_all(f);
            weir_batch *batch = make_batch(f->schema, 0, 50, 0, 0);
            weir_collector *collector = weir_edge_writer_collector(f->writer);
            weir_memory_fail_at(n);
            rc = collector->collect(collector, weir_batch_columns(batch), NULL);
            rc = rc == 0 ? weir_edge_writer_watermark(f->writer, 1, NULL) : rc;
            weir_memory_fail_at(0);
            assert_true(rc == 0 || rc == WEIR_ENO_MEMORY);
            assert_true(n < 500);
            weir_batch_unref(&batch);
            close_writer(f);
        }
    }
}

static void memory_comes_with_the_first_row(void **state)
{
    (void)state;
    fixture *f = open_writer(WEIR_WRITE_HASH, 1000, 4096, 1u << 20);
    grant_all(f);
    unsigned n = 0;
    int rc = WEIR_ENO_MEMORY;
    while (rc != 0) { /* one row allocates for one target, not for a thousand */
        weir_batch *batch = make_batch(f->schema, 5, 1, 0, 0);
        weir_collector *collector = weir_edge_writer_collector(f->writer);
        weir_memory_fail_at(++n);
        rc = collector->collect(collector, weir_batch_columns(batch), NULL);
        weir_memory_fail_at(0);
        weir_batch_unref(&batch);
        assert_true(n < 100);
    }
    assert_int_equal(weir_edge_writer_flush(f->writer, NULL), 0);
    close_writer(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_made_of_sound_arguments),
        cmocka_unit_test(hash_sends_every_row_once_to_its_key),
        cmocka_unit_test(a_full_batch_goes_at_once),
        cmocka_unit_test(batches_keep_near_the_limit_in_bytes),
        cmocka_unit_test(rows_that_are_too_many_for_a_batch_are_cut),
        cmocka_unit_test(an_input_over_a_batch_is_cut),
        cmocka_unit_test(forward_keeps_big_inputs_whole),
        cmocka_unit_test(broadcast_shares_one_batch),
        cmocka_unit_test(rebalance_goes_round),
        cmocka_unit_test(control_comes_behind_the_rows),
        cmocka_unit_test(has_room_when_every_channel_has),
        cmocka_unit_test(credit_changes_neither_rows_nor_their_order),
        cmocka_unit_test(what_is_kept_is_bounded),
        cmocka_unit_test(failures_come_back),
        cmocka_unit_test(memory_comes_with_the_first_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
