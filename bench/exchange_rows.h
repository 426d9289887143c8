/* What the benches of the exchange send: rows of 100 bytes (a bigint key, five bigints, a string of
 * 52 bytes), made once and sent again and again, and a reader that looks at every value. */
#ifndef BENCH_EXCHANGE_ROWS_H
#define BENCH_EXCHANGE_ROWS_H

#include "base/memory.h"
#include "batch/builder.h"

#include <string.h>
#include <time.h>

#define ROW_BYTES     100u
#define ROW_KEYS      1000003u
#define ROW_TEXT      "fifty-two bytes of text, as a row of this size has it"
#define ROW_TEXT_SIZE 52u
#define ROW_INPUTS    16u

static inline double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static inline int rows_schema(weir_schema **ret, weir_error *err)
{
    return weir_schema_parse("k bigint not null, a bigint not null, b bigint not null, "
                             "c bigint not null, d bigint not null, e bigint not null, "
                             "t string not null",
                             ret, err);
}

/* One batch of `rows` rows with random keys. */
static inline int rows_make(weir_schema *schema, uint32_t rows, uint64_t *random, weir_batch **ret)
{
    weir_builder *builder = NULL;
    int rc = weir_builder_new(schema, rows, WEIR_BATCH_SIZE_MAX, &builder);
    for (uint32_t i = 0; rc == 0 && i < rows; i++) {
        *random = *random * 6364136223846793005u + 1442695040888963407u;
        for (uint32_t column = 0; rc == 0 && column < 6; column++) {
            int64_t value =
                column == 0 ? (int64_t)((*random >> 20) % ROW_KEYS) : (int64_t)i * column;
            rc = weir_builder_put_fixed(builder, column, &value);
        }
        rc = rc == 0 ? weir_builder_put_bytes(builder, 6, ROW_TEXT, ROW_TEXT_SIZE) : rc;
        rc = rc == 0 ? weir_builder_end_row(builder, INT64_MIN, WEIR_INSERT) : rc;
    }
    rc = rc == 0 ? weir_builder_finish(builder, ret) : rc;
    weir_builder_destroy(&builder);
    return rc;
}

static inline int rows_make_inputs(weir_schema *schema, uint32_t rows, uint64_t seed,
                                   weir_batch *inputs[ROW_INPUTS])
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < ROW_INPUTS; i++) {
        rc = rows_make(schema, rows, &seed, &inputs[i]);
    }
    return rc;
}

static inline uint64_t load_word(const void *from, size_t at)
{
    uint64_t word;
    memcpy(&word, (const uint8_t *)from + at, sizeof word);
    return word;
}

static inline uint32_t load_offset(const void *from, size_t index)
{
    uint32_t offset;
    memcpy(&offset, (const uint8_t *)from + index * sizeof offset, sizeof offset);
    return offset;
}

/* Sums that do not depend on the order of rows: of the numbers, of the lengths of the texts, and of
 * their bytes, eight at a time. */
static inline uint64_t rows_read(const weir_columns *columns)
{
    uint64_t sum = 0;
    for (uint32_t c = 0; c < 6; c++) {
        const void *values = columns->columns[c].values;
        uint64_t of_column = 0;
        for (size_t i = 0; i < columns->rows; i++) {
            of_column += load_word(values, i * 8);
        }
        sum += of_column * (c + 1);
    }
    const weir_column *text = &columns->columns[6];
    uint32_t start = load_offset(text->offsets, 0);
    for (size_t i = 0; i < columns->rows; i++) {
        uint32_t end = load_offset(text->offsets, i + 1);
        for (; start + 8 <= end; start += 8) {
            sum += load_word(text->values, start);
        }
        if (start + 4 <= end) {
            sum += load_offset((const uint8_t *)text->values + start, 0);
            start += 4;
        }
        for (; start < end; start++) {
            sum += ((const uint8_t *)text->values)[start];
        }
    }
    return sum;
}

#endif
