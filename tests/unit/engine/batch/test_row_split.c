/* Rows split over targets: each exactly once, in its target's order, whole, with its event time and
 * kind; batches within their limits, and as another process would take them. */
#include "batch/row_split.h"

#include "batch_fixture.h"

#include <malloc.h>

WEIR_RECORD(pair_of, (nullable_bigint, left), (string, right));
WEIR_RECORD(flat, (boolean, a_boolean), (tinyint, a_tinyint), (smallint, a_smallint),
            (integer, a_integer), (bigint, a_bigint), (double, a_double),
            (decimal, a_decimal, WEIR_PRECISION(20, 2)), (varchar, a_varchar, WEIR_LENGTH(6)),
            (string, a_string), (nullable_boolean, n_boolean), (nullable_tinyint, n_tinyint),
            (nullable_bigint, n_bigint), (nullable_decimal, n_decimal), (nullable_string, n_string),
            (nullable_bytes, n_bytes), (row_of(pair_of), pair, WEIR_ROW(pair_of)), (integer, last));
WEIR_RECORD(numbers, (bigint, key), (boolean, flag), (integer, value));

enum { ROWS_MAX = 3000, TARGETS_MAX = 1000 };

/* What goes into a split: a batch, perhaps at an odd address, of which some rows are given. */
typedef struct source {
    weir_batch *batch;
    uint8_t *moved;
    uint16_t targets[ROWS_MAX];
    weir_split_piece piece;
} source;

static weir_batch *random_batch(uint64_t *seed, weir_schema *schema, uint32_t rows, bool times,
                                bool kinds)
{
    weir_builder *builder = NULL;
    weir_batch *batch = NULL;
    weir_arena *arena = weir_arena_new(0);
    assert_non_null(arena);
    assert_int_equal(weir_builder_new(schema, rows + 1, WEIR_BATCH_SIZE_MAX, &builder), 0);
    for (uint32_t i = 0; i < rows; i++) {
        int64_t time = times && below(seed, 4) != 0 ? (int64_t)below(seed, 1000) : INT64_MIN;
        uint8_t kind = kinds ? (uint8_t)below(seed, WEIR_DELETE + 1) : WEIR_INSERT;
        assert_int_equal(
            weir_builder_append_record(builder, random_record(seed, arena, schema), time, kind), 0);
    }
    assert_int_equal(weir_builder_finish(builder, &batch), 0);
    weir_builder_destroy(&builder);
    weir_arena_destroy(&arena);
    return batch;
}

static void make_source(source *self, uint64_t *seed, weir_schema *schema, uint32_t targets)
{
    uint32_t rows = below(seed, 3) == 0 ? below(seed, 20) : below(seed, ROWS_MAX);
    self->batch = random_batch(seed, schema, rows, below(seed, 3) == 0, below(seed, 3) == 0);
    self->moved = NULL;
    if (below(seed, 2) == 0) {
        size_t size = weir_batch_size(self->batch);
        self->moved = weir_alloc(size + 8);
        memcpy(self->moved + 3, weir_batch_bytes(self->batch), size);
        weir_batch_unref(&self->batch);
        assert_int_equal(
            weir_batch_open(schema, self->moved + 3, size, NULL, NULL, &self->batch, NULL), 0);
    }
    uint32_t hot = below(seed, targets); /* keys are rarely spread evenly */
    for (uint32_t i = 0; i < rows; i++)
        self->targets[i] = (uint16_t)(below(seed, 3) == 0 ? hot : below(seed, targets));
    uint32_t first = below(seed, 2) == 0 ? 0 : below(seed, rows + 1);
    self->piece = (weir_split_piece){.columns = weir_batch_columns(self->batch),
                                     .targets = self->targets,
                                     .first = first,
                                     .count = below(seed, 2) == 0 ? rows - first
                                                                  : below(seed, rows - first + 1)};
}

static void drop_source(source *self)
{
    weir_batch_unref(&self->batch);
    weir_free(self->moved);
}

static void check_marks(const weir_columns *from, uint32_t row, const weir_columns *to, uint32_t at)
{
    int64_t expected = INT64_MIN, found = INT64_MIN;
    if (from->timestamps != NULL)
        memcpy(&expected, (const char *)from->timestamps + row * 8ul, 8);
    if (to->timestamps != NULL)
        memcpy(&found, (const char *)to->timestamps + at * 8ul, 8);
    assert_int_equal(expected, found);
    assert_int_equal(from->row_kinds != NULL ? from->row_kinds[row] : WEIR_INSERT,
                     to->row_kinds != NULL ? to->row_kinds[at] : WEIR_INSERT);
}

/* Where the next row of each target is: piece and row. */
typedef struct cursor {
    uint32_t piece, row;
} cursor;

static cursor next_row(const source *sources, uint32_t pieces, cursor at, uint32_t target)
{
    for (; at.piece < pieces; at = (cursor){at.piece + 1, 0}) {
        const weir_split_piece *piece = &sources[at.piece].piece;
        while (at.row < piece->count && piece->targets[at.row] != target)
            at.row++;
        if (at.row < piece->count)
            break;
    }
    return at;
}

typedef struct limits {
    uint32_t rows, bytes;
    bool exact; /* no lists: the bytes are kept to */
} limits;

static void check_batch(weir_schema *schema, const source *sources, uint32_t pieces,
                        const weir_split_batch *found, cursor *at, const limits *most)
{
    weir_record_reader *expected_reader = NULL, *found_reader = NULL;
    assert_int_equal(weir_record_reader_new(schema, &expected_reader), 0);
    assert_int_equal(weir_record_reader_new(schema, &found_reader), 0);
    uint32_t rows = weir_batch_rows(found->batch);
    assert_in_range(rows, 1, most->rows);
    assert_true(rows == 1 || !most->exact || weir_batch_size(found->batch) <= most->bytes);
    weir_batch *opened = NULL; /* another process would take it */
    size_t size = weir_batch_size(found->batch);
    void *bytes = (void *)(uintptr_t)weir_batch_bytes(found->batch);
    assert_int_equal(weir_batch_open(schema, bytes, size, NULL, NULL, &opened, NULL), 0);
    (void)walk_batch(found->batch);
    const weir_columns *columns = weir_batch_columns(opened);
    weir_record_reader_set(found_reader, columns);
    for (uint32_t i = 0; i < rows; i++) {
        *at = next_row(sources, pieces, *at, found->target);
        assert_true(at->piece < pieces);
        const weir_split_piece *piece = &sources[at->piece].piece;
        weir_record_reader_set(expected_reader, piece->columns);
        assert_record_equal(schema, weir_record_reader_get(expected_reader, piece->first + at->row),
                            weir_record_reader_get(found_reader, i));
        check_marks(piece->columns, piece->first + at->row, columns, i);
        at->row++;
    }
    weir_batch_unref(&opened);
    weir_record_reader_destroy(&expected_reader);
    weir_record_reader_destroy(&found_reader);
}

static void check_make(weir_schema *schema, weir_row_split *split, const source *sources,
                       uint32_t pieces, uint32_t targets, const limits *most)
{
    weir_split_piece given[WEIR_SPLIT_PIECES_MAX];
    weir_split_batch *batches = NULL;
    uint32_t count = 0;
    for (uint32_t p = 0; p < pieces; p++)
        given[p] = sources[p].piece;
    assert_int_equal(weir_row_split_make(split, given, pieces, &batches, &count), 0);
    cursor *cursors = weir_calloc(targets, sizeof *cursors);
    for (uint32_t b = 0; b < count; b++) {
        assert_true(batches[b].target < targets);
        check_batch(schema, sources, pieces, &batches[b], &cursors[batches[b].target], most);
    }
    for (uint32_t t = 0; t < targets; t++)
        assert_int_equal(next_row(sources, pieces, cursors[t], t).piece, pieces);
    /* Batches that share memory may go in any order. */
    for (uint32_t b = 0; b < count; b += 2)
        weir_batch_unref(&batches[b].batch);
    for (uint32_t b = 1; b < count; b += 2) {
        (void)walk_batch(batches[b].batch);
        weir_batch_unref(&batches[b].batch);
    }
    weir_free(cursors);
}

static void split_at_random(weir_schema *schema, uint64_t seed, bool exact)
{
    static const uint32_t counts[] = {1, 2, 3, 7, 64, TARGETS_MAX};
    uint32_t targets = counts[below(&seed, WEIR_COUNT(counts))];
    limits most = {.rows = 1 + below(&seed, below(&seed, 2) == 0 ? 20 : 4000),
                   .bytes = 1 + below(&seed, below(&seed, 2) == 0 ? 3000 : 300000),
                   .exact = exact};
    weir_row_split *split = NULL;
    assert_int_equal(weir_row_split_new(schema, targets, most.rows, most.bytes, &split), 0);
    source *sources = weir_calloc(WEIR_SPLIT_PIECES_MAX, sizeof *sources);
    for (uint32_t round = 0; round < 3; round++) { /* it may be used again */
        uint32_t pieces = 1 + below(&seed, WEIR_SPLIT_PIECES_MAX);
        for (uint32_t p = 0; p < pieces; p++)
            make_source(&sources[p], &seed, schema, targets);
        check_make(schema, split, sources, pieces, targets, &most);
        for (uint32_t p = 0; p < pieces; p++)
            drop_source(&sources[p]);
    }
    weir_free(sources);
    weir_row_split_destroy(&split);
    weir_row_split_destroy(&split);
}

static void every_row_comes_once_and_whole(void **state)
{
    (void)state;
    weir_schema *schemas[] = {schema_of(WEIR_TYPE(flat)), schema_of(WEIR_TYPE(numbers)),
                              schema_of(WEIR_TYPE(every)), schema_of(WEIR_TYPE(word))};
    static const bool exact[] = {true, true, false, true};
    static const uint32_t seeds[] = {40, 40, 12, 40};
    for (size_t s = 0; s < WEIR_COUNT(schemas); s++) {
        for (uint64_t seed = 1; seed <= seeds[s]; seed++)
            split_at_random(schemas[s], seed * 1000 + s, exact[s]);
        weir_schema_unref(&schemas[s]);
    }
}

/* The same rows make the same bytes, whatever was in the memory that they were made in. */
static void nothing_else_travels_along(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(flat));
    uint64_t seed = 9;
    weir_batch *batch = random_batch(&seed, schema, 700, true, true);
    uint16_t targets[700];
    for (uint32_t i = 0; i < 700; i++)
        targets[i] = (uint16_t)below(&seed, 3);
    const weir_split_piece piece = {weir_batch_columns(batch), targets, 0, 700};
    weir_split_batch found[2][100];
    uint32_t counts[2];
    for (int i = 0; i < 2; i++) {
        weir_row_split *split = NULL;
        weir_split_batch *batches = NULL;
        mallopt(M_PERTURB, i == 0 ? 0x11 : 0xee);
        assert_int_equal(weir_row_split_new(schema, 3, 100, 20000, &split), 0);
        assert_int_equal(weir_row_split_make(split, &piece, 1, &batches, &counts[i]), 0);
        mallopt(M_PERTURB, 0);
        assert_in_range(counts[i], 6, 100);
        memcpy(found[i], batches, counts[i] * sizeof *batches);
        weir_row_split_destroy(&split);
    }
    assert_int_equal(counts[0], counts[1]);
    for (uint32_t b = 0; b < counts[0]; b++) {
        size_t size = weir_batch_size(found[0][b].batch);
        assert_int_equal(size, weir_batch_size(found[1][b].batch));
        assert_memory_equal(weir_batch_bytes(found[0][b].batch),
                            weir_batch_bytes(found[1][b].batch), size);
        weir_batch_unref(&found[0][b].batch);
        weir_batch_unref(&found[1][b].batch);
    }
    weir_batch_unref(&batch);
    weir_schema_unref(&schema);
}

static void wrong_input_is_refused(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(numbers));
    weir_schema *other = schema_of(WEIR_TYPE(word));
    weir_row_split *split = NULL;
    weir_split_batch *batches = NULL;
    uint32_t count = 0;
    uint64_t seed = 1;
    assert_int_equal(weir_row_split_new(schema, 0, 1, 1, &split), WEIR_EINVALID);
    assert_int_equal(weir_row_split_new(schema, 1, 0, 1, &split), WEIR_EINVALID);
    assert_int_equal(weir_row_split_new(schema, 2, 10, 1000, &split), 0);
    weir_batch *batch = random_batch(&seed, schema, 10, false, false);
    weir_batch *foreign = random_batch(&seed, other, 10, false, false);
    const uint16_t targets[10] = {0, 1, 0};
    weir_split_piece piece = {weir_batch_columns(foreign), targets, 0, 10};
    assert_int_equal(weir_row_split_make(split, &piece, 1, &batches, &count), WEIR_EINVALID);
    piece.columns = weir_batch_columns(batch);
    piece.first = 1; /* more rows than there are */
    assert_int_equal(weir_row_split_make(split, &piece, 1, &batches, &count), WEIR_EINVALID);
    piece.first = 0;
    const uint8_t kinds[10] = {0, WEIR_DELETE + 1};
    weir_columns marked = *weir_batch_columns(batch);
    marked.row_kinds = kinds;
    piece.columns = &marked;
    assert_int_equal(weir_row_split_make(split, &piece, 1, &batches, &count), WEIR_EINVALID);
    const uint8_t validity[2] = {0xfe, 0xff}; /* row 0 has a NULL where none may be */
    weir_column columns[3];
    memcpy(columns, weir_batch_columns(batch)->columns, sizeof columns);
    columns[2].nulls = 1;
    columns[2].validity = validity;
    marked = *weir_batch_columns(batch);
    marked.columns = columns;
    assert_int_equal(weir_row_split_make(split, &piece, 1, &batches, &count), WEIR_EINVALID);
    piece = (weir_split_piece){&marked, targets, 1, 9}; /* which is not among these */
    assert_int_equal(weir_row_split_make(split, &piece, 1, &batches, &count), 0);
    for (uint32_t b = 0; b < count; b++)
        weir_batch_unref(&batches[b].batch);
    weir_batch_unref(&batch);
    weir_batch_unref(&foreign);
    weir_row_split_destroy(&split);
    weir_schema_unref(&schema);
    weir_schema_unref(&other);
}

/* A job's own columns may tell of more bytes than there are, or of a row beyond any batch. */
static void what_fits_no_batch_is_refused(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(word));
    weir_row_split *split = NULL;
    weir_split_batch *batches = NULL;
    uint32_t count = 0;
    const uint16_t targets[2] = {0, 0};
    assert_int_equal(weir_row_split_new(schema, 1, 10, UINT32_MAX, &split), 0);
    char *large = weir_calloc(1, WEIR_BATCH_SIZE_MAX);
    const uint32_t falling[3] = {10, 5, 5}, huge[3] = {0, 1, 1 + WEIR_BATCH_SIZE_MAX - 1};
    const uint32_t *offsets[] = {falling, huge};
    for (size_t i = 0; i < WEIR_COUNT(offsets); i++) {
        const weir_column column = {
            .kind = WEIR_KIND_string, .values = large, .offsets = offsets[i], .rows = 2};
        const weir_columns columns = {
            .size = sizeof columns, .rows = 2, .ncolumns = 1, .columns = &column};
        const weir_split_piece piece = {&columns, targets, 0, 2};
        assert_int_equal(weir_row_split_make(split, &piece, 1, &batches, &count), WEIR_ETOO_LARGE);
    }
    weir_free(large);
    weir_row_split_destroy(&split);
    weir_schema_unref(&schema);
}

static void memory_may_end(void **state)
{
    (void)state;
    weir_schema *schemas[] = {schema_of(WEIR_TYPE(flat)), schema_of(WEIR_TYPE(every))};
    for (size_t s = 0; s < WEIR_COUNT(schemas); s++) {
        uint64_t seed = 5;
        weir_batch *batch = random_batch(&seed, schemas[s], 400, true, true);
        uint16_t targets[400];
        for (uint32_t i = 0; i < 400; i++)
            targets[i] = (uint16_t)below(&seed, 5);
        const weir_split_piece piece = {weir_batch_columns(batch), targets, 0, 400};
        int rc = WEIR_ENO_MEMORY;
        for (uint64_t nth = 1; rc != 0; nth++) {
            weir_row_split *split = NULL;
            weir_split_batch *batches = NULL;
            uint32_t count = 0;
            weir_memory_fail_at(nth);
            rc = weir_row_split_new(schemas[s], 5, 100, 20000, &split);
            rc = rc == 0 ? weir_row_split_make(split, &piece, 1, &batches, &count) : rc;
            weir_memory_fail_at(0);
            assert_true(rc == 0 || rc == WEIR_ENO_MEMORY);
            if (rc != 0 && split != NULL) /* it goes on afterwards */
                assert_int_equal(weir_row_split_make(split, &piece, 1, &batches, &count), 0);
            for (uint32_t b = 0; b < count; b++)
                weir_batch_unref(&batches[b].batch);
            weir_row_split_destroy(&split);
        }
        weir_batch_unref(&batch);
        weir_schema_unref(&schemas[s]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_comes_once_and_whole),
        cmocka_unit_test(nothing_else_travels_along),
        cmocka_unit_test(wrong_input_is_refused),
        cmocka_unit_test(what_fits_no_batch_is_refused),
        cmocka_unit_test(memory_may_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
