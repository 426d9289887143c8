/* Nanoseconds per row of the batch room's hot calls, each the best of several rounds. */
#include "base/memory.h"
#include "batch/builder.h"
#include "batch/key.h"
#include "batch/partition.h"
#include "batch/record_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROWS   4096u
#define WORDS  65536u
#define ROUNDS 9
#define PASSES 200u

WEIR_RECORD(word_count, (string, word));
WEIR_RECORD(trade, (bigint, account), (string, symbol), (double, price), (integer, quantity));
WEIR_RECORD(sample, (bigint, id), (nullable_string, note), (nullable_double, value));

typedef struct bench {
    char *text;
    word_count *words;
    uint32_t *starts, *lengths, *selection;
    uint64_t *hashes;
    weir_schema *word_schema, *trade_schema, *sample_schema;
    weir_builder *word_builder, *trade_builder, *sample_builder;
    weir_batch *word_batch, *trade_batch;
    weir_key_codec *word_codec, *account_codec, *pair_codec;
    weir_partitioner *partitioner;
    weir_record_reader *reader;
} bench;

typedef uint32_t (*bench_call)(bench *self, uint32_t pass); /* returns the rows it did */

static volatile uint64_t sink;

static void require(int result, const char *what)
{
    if (result != 0) {
        fprintf(stderr, "batch_bench: %s failed (%d)\n", what, result);
        exit(1);
    }
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint32_t append_words(bench *self, uint32_t pass)
{
    const word_count *words = self->words + (pass * ROWS) % (WORDS - ROWS);
    for (uint32_t i = 0; i < ROWS; i++)
        require(weir_builder_append_record(self->word_builder, &words[i], INT64_MIN, 0), "append");
    weir_builder_clear(self->word_builder);
    return ROWS;
}

static uint32_t append_words_full(bench *self, uint32_t pass)
{
    const word_count *words = self->words + (pass * ROWS) % (WORDS - ROWS);
    uint32_t rows = 0;
    for (; rows < ROWS && !weir_builder_is_full(self->word_builder); rows++)
        require(weir_builder_append_record(self->word_builder, &words[rows], pass, 0), "append");
    weir_batch *batch;
    require(weir_builder_finish(self->word_builder, &batch), "finish");
    weir_batch_unref(&batch);
    return rows;
}

static uint32_t append_trades(bench *self, uint32_t pass)
{
    trade record = {.price = 1.5, .quantity = 3};
    for (uint32_t i = 0; i < ROWS; i++) {
        record.account = i;
        record.symbol = self->words[(i + pass * 64) % WORDS].word;
        require(weir_builder_append_record(self->trade_builder, &record, i, 0), "append");
    }
    weir_builder_clear(self->trade_builder);
    return ROWS;
}

static uint32_t append_samples(bench *self, uint32_t pass)
{
    sample record = {0};
    for (uint32_t i = 0; i < ROWS; i++) {
        record.id = i;
        record.note.value = self->words[(i + pass * 64) % WORDS].word;
        record.value.is_null = (i & 7) == 0;
        require(weir_builder_append_record(self->sample_builder, &record, i, 0), "append");
    }
    weir_builder_clear(self->sample_builder);
    return ROWS;
}

static uint32_t append_strings(bench *self, uint32_t pass)
{
    uint32_t first = (pass * ROWS) % (WORDS - ROWS);
    require(weir_builder_append_strings(self->word_builder, self->text, self->starts + first,
                                        self->lengths + first, ROWS),
            "append_strings");
    weir_builder_clear(self->word_builder);
    return ROWS;
}

static uint32_t finish_words(bench *self, uint32_t pass)
{
    uint32_t first = (pass * ROWS) % (WORDS - ROWS);
    require(weir_builder_append_strings(self->word_builder, self->text, self->starts + first,
                                        self->lengths + first, ROWS),
            "append_strings");
    weir_batch *batch;
    require(weir_builder_finish(self->word_builder, &batch), "finish");
    weir_batch_unref(&batch);
    return ROWS;
}

static uint32_t open_words(bench *self, uint32_t pass)
{
    (void)pass;
    weir_batch *batch;
    void *bytes = (void *)(uintptr_t)weir_batch_bytes(self->word_batch);
    require(weir_batch_open(self->word_schema, bytes, weir_batch_size(self->word_batch), NULL, NULL,
                            &batch, NULL),
            "open");
    weir_batch_unref(&batch);
    return ROWS;
}

static uint32_t gather(bench *self, weir_builder *builder, const weir_batch *batch)
{
    require(weir_builder_append_columns(builder, weir_batch_columns(batch), self->selection,
                                        ROWS / 2, NULL),
            "append_columns");
    weir_builder_clear(builder);
    return ROWS / 2;
}

static uint32_t gather_words(bench *self, uint32_t pass)
{
    (void)pass;
    return gather(self, self->word_builder, self->word_batch);
}

static uint32_t gather_trades(bench *self, uint32_t pass)
{
    (void)pass;
    return gather(self, self->trade_builder, self->trade_batch);
}

static uint32_t hash_words(bench *self, uint32_t pass)
{
    (void)pass;
    require(
        weir_key_codec_hash(self->word_codec, weir_batch_columns(self->word_batch), self->hashes),
        "hash");
    return ROWS;
}

static uint32_t hash_accounts(bench *self, uint32_t pass)
{
    (void)pass;
    require(weir_key_codec_hash(self->account_codec, weir_batch_columns(self->trade_batch),
                                self->hashes),
            "hash");
    return ROWS;
}

static uint32_t hash_pairs(bench *self, uint32_t pass)
{
    (void)pass;
    require(
        weir_key_codec_hash(self->pair_codec, weir_batch_columns(self->trade_batch), self->hashes),
        "hash");
    return ROWS;
}

static uint32_t encode_words(bench *self, uint32_t pass)
{
    (void)pass;
    weir_keys keys;
    require(weir_key_codec_encode(self->word_codec, weir_batch_columns(self->word_batch), &keys),
            "encode");
    return ROWS;
}

static uint32_t encode_accounts(bench *self, uint32_t pass)
{
    (void)pass;
    weir_keys keys;
    require(
        weir_key_codec_encode(self->account_codec, weir_batch_columns(self->trade_batch), &keys),
        "encode");
    return ROWS;
}

static uint32_t split_words(bench *self, uint32_t pass)
{
    (void)pass;
    static uint16_t targets[ROWS];
    require(
        weir_partitioner_targets(self->partitioner, weir_batch_columns(self->word_batch), targets),
        "targets");
    return ROWS;
}

static uint32_t read_words(bench *self, uint32_t pass)
{
    (void)pass;
    weir_record_reader_set(self->reader, weir_batch_columns(self->word_batch));
    uint64_t total = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        const word_count *record = weir_record_reader_get(self->reader, i);
        total += record->word.n;
    }
    sink += total;
    return ROWS;
}

static void run(bench *self, const char *name, bench_call call)
{
    double best = 1e30;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t rows = 0;
        double start = now_ns();
        for (uint32_t pass = 0; pass < PASSES; pass++)
            rows += call(self, pass);
        double ns = (now_ns() - start) / (double)rows;
        best = ns < best ? ns : best;
    }
    printf("%-48s %7.2f ns/row\n", name, best);
}

static void make_words(bench *self)
{
    uint64_t state = 42;
    self->text = weir_alloc(WORDS * 16u + 64);
    self->words = weir_calloc(WORDS, sizeof *self->words);
    self->starts = weir_calloc(WORDS, sizeof *self->starts);
    self->lengths = weir_calloc(WORDS, sizeof *self->lengths);
    self->selection = weir_calloc(ROWS, sizeof *self->selection);
    self->hashes = weir_calloc(ROWS, sizeof *self->hashes);
    if (self->text == NULL || self->words == NULL || self->starts == NULL ||
        self->lengths == NULL || self->selection == NULL || self->hashes == NULL)
        require(WEIR_ENO_MEMORY, "allocation");
    uint32_t at = 0;
    for (uint32_t i = 0; i < WORDS; i++) {
        uint32_t n = 2 + (uint32_t)(next_random(&state) % 5 + next_random(&state) % 5);
        self->starts[i] = at;
        self->lengths[i] = n;
        self->words[i].word = (weir_string){.p = self->text + at, .n = n};
        for (uint32_t k = 0; k < n; k++)
            self->text[at++] = (char)('a' + next_random(&state) % 26);
        self->text[at++] = ' ';
    }
    for (uint32_t i = 0; i < ROWS / 2; i++)
        self->selection[i] = i * 2 + (uint32_t)(next_random(&state) & 1);
}

static void make_objects(bench *self)
{
    static const uint32_t first[] = {0}, pair[] = {1, 0};
    require(weir_schema_from_type(WEIR_TYPE(word_count), &self->word_schema, NULL), "schema");
    require(weir_schema_from_type(WEIR_TYPE(trade), &self->trade_schema, NULL), "schema");
    require(weir_schema_from_type(WEIR_TYPE(sample), &self->sample_schema, NULL), "schema");
    require(weir_builder_new(self->word_schema, ROWS, 1u << 20, &self->word_builder), "builder");
    require(weir_builder_new(self->trade_schema, ROWS, 1u << 20, &self->trade_builder), "builder");
    require(weir_builder_new(self->sample_schema, ROWS, 1u << 20, &self->sample_builder),
            "builder");
    require(weir_key_codec_new(self->word_schema, first, 1, &self->word_codec, NULL), "codec");
    require(weir_key_codec_new(self->trade_schema, first, 1, &self->account_codec, NULL), "codec");
    require(weir_key_codec_new(self->trade_schema, pair, 2, &self->pair_codec, NULL), "codec");
    require(weir_partitioner_new(self->word_schema, first, 1, 4, 128, &self->partitioner, NULL),
            "partitioner");
    require(weir_record_reader_new(self->word_schema, &self->reader), "reader");
    require(weir_builder_append_strings(self->word_builder, self->text, self->starts, self->lengths,
                                        ROWS),
            "strings");
    require(weir_builder_finish(self->word_builder, &self->word_batch), "finish");
    for (uint32_t i = 0; i < ROWS; i++) {
        trade record = {.account = i, .symbol = self->words[i].word, .price = i};
        require(weir_builder_append_record(self->trade_builder, &record, i, 0), "append");
    }
    require(weir_builder_finish(self->trade_builder, &self->trade_batch), "finish");
}

static void clean(bench *self)
{
    weir_record_reader_destroy(&self->reader);
    weir_partitioner_destroy(&self->partitioner);
    weir_key_codec_destroy(&self->word_codec);
    weir_key_codec_destroy(&self->account_codec);
    weir_key_codec_destroy(&self->pair_codec);
    weir_batch_unref(&self->word_batch);
    weir_batch_unref(&self->trade_batch);
    weir_builder_destroy(&self->word_builder);
    weir_builder_destroy(&self->trade_builder);
    weir_builder_destroy(&self->sample_builder);
    weir_schema_unref(&self->word_schema);
    weir_schema_unref(&self->trade_schema);
    weir_schema_unref(&self->sample_schema);
    weir_free(self->text);
    weir_free(self->words);
    weir_free(self->starts);
    weir_free(self->lengths);
    weir_free(self->selection);
    weir_free(self->hashes);
}

int main(void)
{
    bench self = {0};
    make_words(&self);
    make_objects(&self);
    run(&self, "append_record, one string", append_words);
    run(&self, "append_record + is_full + time + finish, string", append_words_full);
    run(&self, "append_record, bigint string double integer", append_trades);
    run(&self, "append_record, bigint and two nullable fields", append_samples);
    run(&self, "append_strings", append_strings);
    run(&self, "append_strings + finish", finish_words);
    run(&self, "open, one string column", open_words);
    run(&self, "append_columns with selection, string", gather_words);
    run(&self, "append_columns with selection, four columns", gather_trades);
    run(&self, "key hash, string", hash_words);
    run(&self, "key hash, bigint", hash_accounts);
    run(&self, "key hash, string and bigint", hash_pairs);
    run(&self, "key encode, string", encode_words);
    run(&self, "key encode, bigint", encode_accounts);
    run(&self, "partition by string into 4", split_words);
    run(&self, "record_reader_get, one string", read_words);
    clean(&self);
    return 0;
}
