#include "batch_fixture.h"

#include <sys/mman.h>

#define MANY 700u

static weir_batch *finish(weir_builder *builder)
{
    weir_batch *batch = NULL;
    assert_int_equal(weir_builder_finish(builder, &batch), 0);
    assert_true((uintptr_t)weir_batch_bytes(batch) % 64 == 0);
    /* What was built opens, and reads the same. */
    weir_batch *opened = NULL;
    weir_error err = WEIR_ERROR_INIT;
    void *bytes = (void *)(uintptr_t)weir_batch_bytes(batch);
    if (weir_batch_open(weir_batch_schema(batch), bytes, weir_batch_size(batch), NULL, NULL,
                        &opened, &err) != 0)
        fail_msg("%s", err.text);
    assert_true(walk_batch(opened) == walk_batch(batch));
    weir_batch_unref(&opened);
    return batch;
}

static weir_builder *builder_of(weir_schema *schema, uint32_t rows_max, uint32_t bytes_max)
{
    weir_builder *builder = NULL;
    assert_int_equal(weir_builder_new(schema, rows_max, bytes_max, &builder), 0);
    return builder;
}

static void assert_batch_has(const weir_batch *batch, void *const *records,
                             const uint32_t *selection, uint32_t count)
{
    weir_record_reader *reader = NULL;
    weir_schema *schema = weir_batch_schema(batch);
    assert_int_equal(weir_record_reader_new(schema, &reader), 0);
    weir_record_reader_set(reader, weir_batch_columns(batch));
    assert_int_equal(weir_batch_rows(batch), count);
    for (uint32_t i = 0; i < count; i++) {
        const void *record = weir_record_reader_get(reader, i);
        assert_non_null(record);
        assert_record_equal(schema, records[selection != NULL ? selection[i] : i], record);
    }
    weir_record_reader_destroy(&reader);
}

static void make_records(uint64_t *state, weir_arena *arena, const weir_schema *schema,
                         void **records, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        records[i] = random_record(state, arena, schema);
}

static void test_round_trip_every_kind(void **unused)
{
    (void)unused;
    weir_schema *schema = schema_of(WEIR_TYPE(every));
    weir_builder *builder = builder_of(schema, 64, 1u << 20),
                 *copy = builder_of(schema, 3, 1 << 10);
    void *records[MANY];
    for (uint64_t seed = 1; seed <= 12; seed++) {
        uint64_t state = seed;
        weir_arena *arena = weir_arena_new(1u << 16);
        uint32_t count = seed == 1 ? 0 : seed == 2 ? 1 : below(&state, MANY);
        make_records(&state, arena, schema, records, count);
        for (uint32_t i = 0; i < count; i++)
            assert_int_equal(weir_builder_append_record(builder, records[i], (int64_t)i - 5, i % 4),
                             0);
        assert_int_equal(weir_builder_rows(builder), count);
        size_t bound = weir_builder_bytes(builder);
        weir_batch *batch = finish(builder);
        assert_true(weir_batch_size(batch) <= bound);
        assert_int_equal(weir_builder_rows(builder), 0);
        assert_batch_has(batch, records, NULL, count);
        const weir_columns *columns = weir_batch_columns(batch);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(columns->timestamps[i], (int64_t)i - 5);
            assert_int_equal(columns->row_kinds == NULL ? 0 : columns->row_kinds[i], i % 4);
        }
        /* Gather: a prefix of everything, then a random selection with repeats, on top of it. */
        uint32_t selection[2 * MANY], chosen = 0;
        for (uint32_t i = 0; i < count / 3; i++)
            selection[chosen++] = i;
        for (uint32_t i = 0; count > 0 && i < count / 2 + 1; i++)
            selection[chosen++] = below(&state, count);
        assert_int_equal(weir_builder_append_columns(copy, columns, NULL, count / 3, NULL), 0);
        assert_int_equal(weir_builder_append_columns(copy, columns, selection + count / 3,
                                                     chosen - count / 3, NULL),
                         0);
        bound = weir_builder_bytes(copy);
        weir_batch *gathered = finish(copy);
        assert_true(weir_batch_size(gathered) <= bound);
        assert_batch_has(gathered, records, selection, chosen);
        const weir_columns *marks = weir_batch_columns(gathered);
        for (uint32_t i = 0; i < chosen; i++) {
            assert_int_equal(marks->timestamps[i], (int64_t)selection[i] - 5);
            assert_int_equal(marks->row_kinds == NULL ? 0 : marks->row_kinds[i], selection[i] % 4);
        }
        weir_batch_unref(&gathered);
        weir_batch_unref(&batch);
        weir_arena_destroy(&arena);
    }
    weir_builder_destroy(&builder);
    weir_builder_destroy(&copy);
    weir_schema_unref(&schema);
}

/* Appends that mix a whole batch onto rows that are there, at every alignment of the bitmaps. */
static void test_append_whole_batches(void **unused)
{
    (void)unused;
    weir_schema *schema = schema_of(WEIR_TYPE(every));
    weir_builder *builder = builder_of(schema, 64, 1u << 20);
    weir_arena *arena = weir_arena_new(1u << 16);
    uint64_t state = 99;
    void *records[100];
    make_records(&state, arena, schema, records, 100);
    for (uint32_t before = 0; before < 20; before++) {
        for (uint32_t i = 0; i < 100 - before; i++)
            assert_int_equal(weir_builder_append_record(builder, records[before + i], INT64_MIN, 0),
                             0);
        weir_batch *rest = finish(builder);
        assert_null(weir_batch_columns(rest)->timestamps);
        assert_null(weir_batch_columns(rest)->row_kinds);
        for (uint32_t i = 0; i < before; i++)
            assert_int_equal(weir_builder_append_record(builder, records[i], INT64_MIN, 0), 0);
        assert_int_equal(weir_builder_append_columns(builder, weir_batch_columns(rest), NULL,
                                                     100 - before, NULL),
                         0);
        weir_batch *whole = finish(builder);
        assert_batch_has(whole, records, NULL, 100);
        weir_batch_unref(&rest);
        weir_batch_unref(&whole);
    }
    weir_arena_destroy(&arena);
    weir_builder_destroy(&builder);
    weir_schema_unref(&schema);
}

/* Nested types that only columns can hold: nullable rows, arrays of arrays, maps of maps. */
static void test_deep_columns(void **unused)
{
    (void)unused;
    weir_schema *schema = schema_parsed("k bigint not null, a array<array<string>>, "
                                        "r row<x int, y array<row<z string not null>>>, "
                                        "m map<int, map<string, bigint>>");
    weir_builder *builder = builder_of(schema, 16, 1u << 20);
    for (int64_t i = 0; i < 10; i++) {
        assert_int_equal(weir_builder_put_fixed(builder, 0, &i), 0);
        assert_int_equal(weir_builder_end_row(builder, INT64_MIN, 0), 0);
    }
    weir_batch *batch = finish(builder);
    for (uint32_t i = 1; i < 4; i++)
        assert_int_equal(weir_batch_columns(batch)->columns[i].nulls, 10);
    assert_int_equal(
        weir_builder_append_columns(builder, weir_batch_columns(batch), NULL, 10, NULL), 0);
    /* A view by hand: a = [["p", null], []], r = (7, [("q")]), m = {1: {"k": 5}}. */
    static const char text[] = "pqk";
    static const uint32_t o01[] = {0, 1}, o02[] = {0, 2}, o022[] = {0, 2, 2}, o011[] = {0, 1, 1};
    static const uint8_t one[] = {1};
    static const int64_t five[] = {5}, key[] = {77};
    static const int32_t seven[] = {7}, first[] = {1};
    weir_column s_p = {WEIR_KIND_string, 1, one, text, o011, NULL, 0, 2};
    weir_column s_q = {WEIR_KIND_string, 0, NULL, text + 1, o01, NULL, 0, 1};
    weir_column s_k = {WEIR_KIND_string, 0, NULL, text + 2, o01, NULL, 0, 1};
    weir_column inner_list = {WEIR_KIND_array, 0, NULL, text, o022, &s_p, 1, 2};
    weir_column row_z = {WEIR_KIND_row, 0, NULL, text, NULL, &s_q, 1, 1};
    weir_column r[] = {{WEIR_KIND_integer, 0, NULL, seven, NULL, NULL, 0, 1},
                       {WEIR_KIND_array, 0, NULL, text, o01, &row_z, 1, 1}};
    weir_column kv[] = {s_k, {WEIR_KIND_bigint, 0, NULL, five, NULL, NULL, 0, 1}};
    weir_column m[] = {{WEIR_KIND_integer, 0, NULL, first, NULL, NULL, 0, 1},
                       {WEIR_KIND_map, 0, NULL, text, o01, kv, 2, 1}};
    weir_column top[] = {{WEIR_KIND_bigint, 0, NULL, key, NULL, NULL, 0, 1},
                         {WEIR_KIND_array, 0, NULL, text, o02, &inner_list, 1, 1},
                         {WEIR_KIND_row, 0, NULL, text, NULL, r, 2, 1},
                         {WEIR_KIND_map, 0, NULL, text, o01, m, 2, 1}};
    weir_columns view = {sizeof view, 1, 4, top, NULL, NULL};
    static const uint32_t thrice[] = {0, 0, 0};
    assert_int_equal(weir_builder_append_columns(builder, &view, thrice, 3, NULL), 0);
    weir_batch *deep = finish(builder);
    const weir_column *columns = weir_batch_columns(deep)->columns;
    assert_int_equal(weir_batch_rows(deep), 13);
    assert_int_equal(columns[1].nulls, 10);
    assert_int_equal(columns[1].children[0].rows, 6);
    assert_int_equal(columns[1].children[0].children[0].rows, 6);
    assert_int_equal(columns[1].children[0].children[0].nulls, 3);
    weir_string p = weir_column_string(&columns[1].children[0].children[0], 4);
    assert_int_equal(p.n, 1);
    assert_int_equal(p.p[0], 'p');
    assert_int_equal(columns[2].children[0].nulls, 10);
    assert_int_equal(((const int32_t *)columns[2].children[0].values)[12], 7);
    weir_string q = weir_column_string(&columns[2].children[1].children[0].children[0], 2);
    assert_int_equal(q.p[0], 'q');
    assert_int_equal(((const int64_t *)columns[3].children[1].children[1].values)[2], 5);
    weir_batch_unref(&deep);
    weir_batch_unref(&batch);
    weir_builder_destroy(&builder);
    weir_schema_unref(&schema);
}

static int append_one(weir_builder *builder, const char *text, size_t n)
{
    word record = {.text = {.p = text, .n = (uint32_t)n}};
    return weir_builder_append_record(builder, &record, INT64_MIN, 0);
}

static void test_one_string(void **unused)
{
    (void)unused;
    weir_schema *schema = schema_of(WEIR_TYPE(word));
    weir_builder *builder = builder_of(schema, 100000, 1u << 30);
    static char texts[60][64];
    uint64_t state = 3;
    for (uint32_t i = 0; i < 60; i++) {
        for (uint32_t k = 0; k < i; k++)
            texts[i][k] = (char)next_random(&state);
    }
    for (uint32_t i = 0; i < 5000; i++)
        assert_int_equal(append_one(builder, i % 60 == 0 ? NULL : texts[i % 60], i % 60), 0);
    assert_int_equal(append_one(builder, NULL, 3), WEIR_EINVALID);
    assert_int_equal(weir_builder_rows(builder), 5000);
    weir_batch *batch = finish(builder);
    for (uint32_t i = 0; i < 5000; i++) {
        weir_string text = weir_column_string(weir_batch_columns(batch)->columns, i);
        assert_int_equal(text.n, i % 60);
        assert_memory_equal(text.p, texts[i % 60], text.n);
    }
    weir_batch_unref(&batch);
    weir_builder_destroy(&builder);
    weir_schema_unref(&schema);
}

WEIR_RECORD(two_words, (string, a), (nullable_string, b));

/* Short copies read more than they were given, but never into a page that is not there. */
static void test_strings_at_the_end_of_memory(void **unused)
{
    (void)unused;
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    assert_int_equal(mprotect(pages + 4096, 4096, PROT_NONE), 0);
    weir_schema *one = schema_of(WEIR_TYPE(word)), *two = schema_of(WEIR_TYPE(two_words));
    weir_builder *words = builder_of(one, 100, 1u << 20), *pairs = builder_of(two, 100, 1u << 20);
    for (uint32_t n = 0; n < 80; n++) {
        const char *text = pages + 4096 - n;
        two_words pair = {.a = {text, n}, .b = {{text, n}, false}};
        static const uint32_t starts[] = {0};
        assert_int_equal(append_one(words, text, n), 0);
        assert_int_equal(weir_builder_append_record(pairs, &pair, INT64_MIN, 0), 0);
        assert_int_equal(weir_builder_append_strings(words, text, starts, &n, 1), 0);
    }
    weir_batch *batch = finish(words);
    assert_int_equal(weir_batch_rows(batch), 160);
    weir_batch_unref(&batch);
    weir_builder_destroy(&words);
    weir_builder_destroy(&pairs);
    weir_schema_unref(&one);
    weir_schema_unref(&two);
    assert_int_equal(munmap(pages, 8192), 0);
}

static void test_append_strings(void **unused)
{
    (void)unused;
    weir_schema *schema = schema_of(WEIR_TYPE(word));
    weir_builder *builder = builder_of(schema, 100, 1u << 20);
    static const char lines[] =
        "alpha\n\nbeta and a long one that is longer than any short copy\nx";
    char *exact = weir_strndup(lines, sizeof lines - 1); /* so that a read too far is seen */
    static const uint32_t starts[] = {0, 6, 7, 62}, lengths[] = {5, 0, 54, 1};
    assert_int_equal(append_one(builder, "first", 5), 0);
    assert_int_equal(weir_builder_append_strings(builder, exact, starts, lengths, 4), 0);
    assert_int_equal(weir_builder_append_strings(builder, exact, starts, lengths, 0), 0);
    word late = {.text = {.p = "late", .n = 4}};
    assert_int_equal(weir_builder_append_record(builder, &late, 42, WEIR_DELETE), 0);
    assert_int_equal(weir_builder_append_strings(builder, exact, starts, lengths, 4), 0);
    weir_batch *batch = finish(builder);
    const weir_columns *columns = weir_batch_columns(batch);
    assert_int_equal(columns->rows, 10);
    for (uint32_t i = 0; i < 4; i++) {
        for (uint32_t base = 1; base <= 6; base += 5) {
            weir_string text = weir_column_string(columns->columns, base + i);
            assert_int_equal(text.n, lengths[i]);
            assert_memory_equal(text.p, lines + starts[i], lengths[i]);
        }
    }
    for (uint32_t i = 0; i < 10; i++) {
        assert_true(columns->timestamps[i] == (i == 5 ? 42 : INT64_MIN));
        assert_int_equal(columns->row_kinds[i], i == 5 ? WEIR_DELETE : WEIR_INSERT);
    }
    weir_batch_unref(&batch);
    weir_builder_destroy(&builder);
    weir_schema_unref(&schema);
    schema = schema_parsed("a varchar(5) not null");
    builder = builder_of(schema, 100, 1u << 20);
    assert_int_equal(weir_builder_append_strings(builder, exact, starts, lengths, 2), 0);
    assert_int_equal(weir_builder_append_strings(builder, exact, starts, lengths, 3),
                     WEIR_EINVALID);
    assert_int_equal(weir_builder_rows(builder), 2);
    weir_builder_destroy(&builder);
    weir_schema_unref(&schema);
    static const char *const wrong[] = {"a string", "a string not null, b int", "a int not null"};
    for (uint32_t i = 0; i < 3; i++) {
        schema = schema_parsed(wrong[i]);
        builder = builder_of(schema, 100, 1u << 20);
        assert_int_equal(weir_builder_append_strings(builder, exact, starts, lengths, 1),
                         WEIR_EINVALID);
        weir_builder_destroy(&builder);
        weir_schema_unref(&schema);
    }
    weir_free(exact);
}

WEIR_RECORD(bounded, (string, before), (char, c, WEIR_LENGTH(3)), (varchar, v, WEIR_LENGTH(3)),
            (binary, b, WEIR_LENGTH(3)), (decimal, d, WEIR_PRECISION(3, 1)),
            (array, vs, WEIR_OF(bigint)));

static void test_lengths_are_checked(void **unused)
{
    (void)unused;
    weir_schema *schema = schema_of(WEIR_TYPE(bounded));
    weir_builder *builder = builder_of(schema, 100, 1u << 20);
    bounded good = {.before = {"left", 4},
                    .c = {"\xc3\xa4", 2},                      /* one character */
                    .v = {"\xe2\x82\xac\xf0\x9f\x98\x80z", 8}, /* three */
                    .b = {"abc", 3},
                    .d = {.low = (uint64_t)-999, .high = -1}};
    size_t empty = weir_builder_bytes(builder);
    for (int i = 0; i < 8; i++) {
        bounded bad = good;
        if (i == 0)
            bad.c = (weir_string){"abcd", 4};
        if (i == 1)
            bad.v = (weir_string){"\xc3\xa4zzz", 5};
        if (i == 2)
            bad.b = (weir_bytes){"abcd", 4};
        if (i == 3)
            bad.d = (weir_decimal){.low = 1000, .high = 0};
        if (i == 4)
            bad.d = (weir_decimal){.low = (uint64_t)-1000, .high = -1};
        if (i == 5)
            bad.d = (weir_decimal){.low = 0, .high = INT64_MIN};
        if (i == 6)
            bad.d = (weir_decimal){.low = 0, .high = INT64_MAX};
        if (i == 7)
            bad.vs = (weir_array){.items = NULL, .n = 3};
        assert_int_equal(weir_builder_append_record(builder, &bad, 1, WEIR_INSERT), WEIR_EINVALID);
        assert_int_equal(weir_builder_rows(builder), 0);
    }
    assert_int_equal(weir_builder_append_record(builder, &good, 1, 4), WEIR_EINVALID);
    assert_true(weir_builder_bytes(builder) <= empty + 16);
    assert_int_equal(weir_builder_append_record(builder, &good, 1, WEIR_INSERT), 0);
    assert_int_equal(weir_builder_append_record(builder, &good, 1, 200), WEIR_EINVALID);
    weir_batch *batch = finish(builder);
    assert_int_equal(weir_batch_rows(batch), 1);
    const weir_column *columns = weir_batch_columns(batch)->columns;
    weir_string before = weir_column_string(&columns[0], 0), c = weir_column_string(&columns[1], 0);
    assert_int_equal(before.n, 4);
    assert_memory_equal(before.p, "left", 4);
    assert_int_equal(c.n, 4); /* padded to three characters */
    assert_memory_equal(c.p, "\xc3\xa4  ", 4);
    assert_int_equal(weir_column_string(&columns[2], 0).n, 8);
    weir_batch_unref(&batch);
    weir_builder_destroy(&builder);
    weir_schema_unref(&schema);
}

static void test_value_by_value(void **unused)
{
    (void)unused;
    weir_schema *schema = schema_parsed("a bigint not null, b string, c boolean, d char(2), "
                                        "e decimal(2, 0), f row<x int, y string not null>");
    weir_builder *builder = builder_of(schema, 100, 1u << 20);
    int64_t number = 17;
    weir_decimal small = {.low = 99, .high = 0}, large = {.low = 100, .high = 0};
    assert_int_equal(weir_builder_put_fixed(builder, 6, &number), WEIR_EINVALID);
    assert_int_equal(weir_builder_put_fixed(builder, 1, &number), WEIR_EINVALID);
    assert_int_equal(weir_builder_put_fixed(builder, 2, &number), WEIR_EINVALID);
    assert_int_equal(weir_builder_put_fixed(builder, 4, &large), WEIR_EINVALID);
    assert_int_equal(weir_builder_put_bool(builder, 0, true), WEIR_EINVALID);
    assert_int_equal(weir_builder_put_bytes(builder, 0, "x", 1), WEIR_EINVALID);
    assert_int_equal(weir_builder_put_bytes(builder, 3, "xyz", 3), WEIR_EINVALID);
    assert_int_equal(weir_builder_put_bytes(builder, 1, "x", (size_t)1 << 40), WEIR_ETOO_LARGE);
    assert_int_equal(weir_builder_put_null(builder, 0), WEIR_EINVALID);
    assert_int_equal(weir_builder_end_row(builder, 5, 0), WEIR_EINVALID); /* a is not null */
    assert_int_equal(weir_builder_rows(builder), 0);
    for (uint32_t i = 0; i < 50; i++) {
        number = i;
        assert_int_equal(weir_builder_put_fixed(builder, 0, &number), 0);
        if (i % 2 == 0)
            assert_int_equal(weir_builder_put_bytes(builder, 1, "something", i % 10), 0);
        if (i % 3 == 0)
            assert_int_equal(weir_builder_put_bool(builder, 2, i % 2), 0);
        else
            assert_int_equal(weir_builder_put_null(builder, 2), 0);
        assert_int_equal(weir_builder_put_bytes(builder, 3, "z", 1), 0);
        assert_int_equal(weir_builder_put_fixed(builder, 4, &small), 0);
        if (i == 20) {
            assert_int_equal(weir_builder_end_row(builder, 5, 9), WEIR_EINVALID);
            assert_int_equal(weir_builder_put_fixed(builder, 0, &number), 0);
        }
        assert_int_equal(weir_builder_end_row(builder, i, i % 4), 0);
    }
    weir_batch *batch = finish(builder);
    const weir_column *columns = weir_batch_columns(batch)->columns;
    assert_int_equal(weir_batch_rows(batch), 50);
    for (uint32_t i = 0; i < 50; i++) {
        bool again = i == 20; /* its first attempt was dropped whole */
        assert_int_equal(((const int64_t *)columns[0].values)[i], i);
        assert_int_equal(weir_column_is_null(&columns[1], i), again || i % 2 != 0);
        if (!weir_column_is_null(&columns[1], i))
            assert_int_equal(weir_column_string(&columns[1], i).n, i % 10);
        assert_int_equal(weir_column_is_null(&columns[2], i), again || i % 3 != 0);
        if (i % 3 == 0)
            assert_int_equal(((const uint8_t *)columns[2].values)[i / 8] >> (i % 8) & 1, i % 2);
        assert_int_equal(weir_column_is_null(&columns[5], i), true);
    }
    weir_batch_unref(&batch);
    weir_builder_destroy(&builder);
    weir_schema_unref(&schema);
}

static void test_append_columns_map_and_shape(void **unused)
{
    (void)unused;
    weir_schema *from = schema_parsed("a bigint not null, b string, c int");
    weir_schema *to = schema_parsed("x string not null, y bigint");
    weir_builder *source = builder_of(from, 10, 1u << 20), *target = builder_of(to, 10, 1u << 20);
    for (int64_t i = 0; i < 9; i++) {
        assert_int_equal(weir_builder_put_fixed(source, 0, &i), 0);
        if (i != 4)
            assert_int_equal(weir_builder_put_bytes(source, 1, "abcdefghij", (size_t)i), 0);
        assert_int_equal(weir_builder_end_row(source, INT64_MIN, 0), 0);
    }
    weir_batch *batch = finish(source);
    const weir_columns *columns = weir_batch_columns(batch);
    static const uint32_t map[] = {1, 0}, wrong_map[] = {0, 1}, far_map[] = {1, 3};
    static const uint32_t with_null[] = {8, 4}, without[] = {8, 2, 8};
    assert_int_equal(weir_builder_append_columns(target, columns, without, 3, map), 0);
    /* Row 4 is NULL, and x is not nullable: nothing is appended. */
    assert_int_equal(weir_builder_append_columns(target, columns, with_null, 2, map),
                     WEIR_EINVALID);
    assert_int_equal(weir_builder_append_columns(target, columns, without, 3, wrong_map),
                     WEIR_EINVALID);
    assert_int_equal(weir_builder_append_columns(target, columns, without, 3, far_map),
                     WEIR_EINVALID);
    assert_int_equal(weir_builder_append_columns(target, columns, without, 3, NULL), WEIR_EINVALID);
    assert_int_equal(weir_builder_append_columns(source, columns, NULL, 10, NULL), WEIR_EINVALID);
    weir_columns marked = *columns;
    static const uint8_t bad_kinds[9] = {0, 0, 4};
    marked.row_kinds = bad_kinds;
    assert_int_equal(weir_builder_append_columns(target, &marked, without, 3, map), WEIR_EINVALID);
    assert_int_equal(weir_builder_rows(target), 3);
    weir_batch *result = finish(target);
    const weir_column *x = &weir_batch_columns(result)->columns[0];
    assert_int_equal(weir_column_string(x, 0).n, 8);
    assert_memory_equal(weir_column_string(x, 1).p, "ab", 2);
    assert_int_equal(((const int64_t *)weir_batch_columns(result)->columns[1].values)[1], 2);
    weir_batch_unref(&result);
    weir_batch_unref(&batch);
    weir_builder_destroy(&source);
    weir_builder_destroy(&target);
    weir_schema_unref(&from);
    weir_schema_unref(&to);
}

static void test_is_full(void **unused)
{
    (void)unused;
    weir_schema *schema = schema_of(WEIR_TYPE(word));
    weir_builder *builder = builder_of(schema, 5, 1u << 20);
    for (int i = 0; i < 5; i++) {
        assert_false(weir_builder_is_full(builder));
        assert_int_equal(append_one(builder, "x", 1), 0);
    }
    assert_true(weir_builder_is_full(builder));
    assert_int_equal(append_one(builder, "more is allowed", 15), 0);
    weir_builder_clear(builder);
    assert_int_equal(weir_builder_rows(builder), 0);
    assert_false(weir_builder_is_full(builder));
    weir_builder_destroy(&builder);
    builder = builder_of(schema, 1u << 20, 10000);
    static const char long_text[1000];
    uint32_t rows = 0;
    for (; !weir_builder_is_full(builder); rows++)
        assert_int_equal(append_one(builder, long_text, sizeof long_text), 0);
    assert_true(rows >= 9 && rows <= 10);
    weir_batch *batch = finish(builder);
    assert_true(weir_batch_size(batch) >= 9000 && weir_batch_size(batch) <= 11000);
    weir_batch_unref(&batch);
    weir_builder_destroy(&builder);
    weir_builder_destroy(&builder);
    weir_builder_destroy(NULL);
    weir_schema_unref(&schema);
}

/* Up to the limit of a batch, a row is appended whole or refused; what is there stays good. */
static void test_too_large(void **unused)
{
    (void)unused;
    weir_schema *schema = schema_of(WEIR_TYPE(word));
    weir_builder *builder = builder_of(schema, 100, 1u << 20);
    char *block = weir_calloc(1, WEIR_BATCH_SIZE_MAX);
    assert_non_null(block);
    assert_int_equal(append_one(builder, block, WEIR_BATCH_SIZE_MAX), WEIR_ETOO_LARGE);
    uint32_t rows = 0;
    while (append_one(builder, block, 7u << 20) == 0)
        rows++;
    assert_int_equal(rows, 9);
    size_t left = WEIR_BATCH_SIZE_MAX - weir_builder_bytes(builder);
    assert_int_equal(append_one(builder, block, left), WEIR_ETOO_LARGE); /* its offset */
    assert_int_equal(append_one(builder, block, left - 4), 0);
    assert_int_equal(append_one(builder, NULL, 0), WEIR_ETOO_LARGE);
    assert_int_equal(weir_builder_rows(builder), 10);
    /* Without event times it fits to the byte; with them it would not. */
    word record = {.text = {NULL, 0}};
    assert_int_equal(weir_builder_append_record(builder, &record, 7, 0), WEIR_ETOO_LARGE);
    weir_batch *batch = finish(builder);
    assert_int_equal(weir_batch_rows(batch), 10);
    assert_true(weir_batch_size(batch) <= WEIR_BATCH_SIZE_MAX);
    assert_null(weir_batch_columns(batch)->timestamps);
    /* Two such batches do not become one. */
    assert_int_equal(
        weir_builder_append_columns(builder, weir_batch_columns(batch), NULL, 10, NULL), 0);
    assert_int_equal(
        weir_builder_append_columns(builder, weir_batch_columns(batch), NULL, 10, NULL),
        WEIR_ETOO_LARGE);
    static const uint32_t twice[] = {9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0};
    weir_builder_clear(builder);
    assert_int_equal(
        weir_builder_append_columns(builder, weir_batch_columns(batch), twice, 11, NULL),
        WEIR_ETOO_LARGE);
    assert_int_equal(weir_builder_rows(builder), 0);
    weir_batch_unref(&batch);
    weir_builder_destroy(&builder);
    weir_schema_unref(&schema);
    weir_free(block);
}

WEIR_RECORD(listed, (array, ns, WEIR_OF(bigint)), (array, ss, WEIR_OF(string)),
            (array, rs, WEIR_OF_ROWS(inner)));

static void test_too_large_nested(void **unused)
{
    (void)unused;
    weir_schema *schema = schema_of(WEIR_TYPE(listed));
    weir_builder *builder = builder_of(schema, 100, 1u << 20);
    static const weir_string text = {"0123456789", 10};
    listed record = {.ns = {&text, UINT32_MAX}};
    assert_int_equal(weir_builder_append_record(builder, &record, 1, 0), WEIR_ETOO_LARGE);
    record = (listed){.ss = {&text, UINT32_MAX}};
    assert_int_equal(weir_builder_append_record(builder, &record, 1, 0), WEIR_ETOO_LARGE);
    record = (listed){.rs = {&text, UINT32_MAX}};
    assert_int_equal(weir_builder_append_record(builder, &record, 1, 0), WEIR_ETOO_LARGE);
    record = (listed){.ss = {&text, 1}};
    assert_int_equal(weir_builder_append_record(builder, &record, 1, 0), 0);
    weir_batch *batch = finish(builder);
    assert_int_equal(weir_batch_columns(batch)->columns[1].children[0].rows, 1);
    weir_batch_unref(&batch);
    weir_builder_destroy(&builder);
    weir_schema_unref(&schema);
}

/* Every allocation on the way fails once: an error, no leak, and the rows before are intact. */
static void test_memory_ends(void **unused)
{
    (void)unused;
    weir_schema *schema = schema_of(WEIR_TYPE(every));
    weir_arena *arena = weir_arena_new(1u << 16);
    uint64_t state = 8;
    void *records[300];
    make_records(&state, arena, schema, records, 300);
    for (uint64_t nth = 1;; nth++) {
        weir_builder *builder = NULL;
        weir_batch *batch = NULL;
        weir_memory_fail_at(nth);
        int result = weir_builder_new(schema, 1000, 1u << 20, &builder);
        uint32_t done = 0;
        while (result == 0 && done < 300) {
            result = weir_builder_append_record(builder, records[done], done, 1);
            done += result == 0;
        }
        if (result == 0)
            result = weir_builder_finish(builder, &batch);
        weir_memory_fail_at(0);
        if (result != 0) {
            assert_int_equal(result, WEIR_ENO_MEMORY);
            for (; builder != NULL && done < 300; done++)
                assert_int_equal(weir_builder_append_record(builder, records[done], done, 1), 0);
            if (builder != NULL)
                batch = finish(builder);
        }
        if (batch != NULL)
            assert_batch_has(batch, records, NULL, 300);
        weir_batch_unref(&batch);
        weir_builder_destroy(&builder);
        if (result == 0)
            break;
    }
    weir_arena_destroy(&arena);
    weir_schema_unref(&schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip_every_kind),
        cmocka_unit_test(test_append_whole_batches),
        cmocka_unit_test(test_deep_columns),
        cmocka_unit_test(test_one_string),
        cmocka_unit_test(test_strings_at_the_end_of_memory),
        cmocka_unit_test(test_append_strings),
        cmocka_unit_test(test_lengths_are_checked),
        cmocka_unit_test(test_value_by_value),
        cmocka_unit_test(test_append_columns_map_and_shape),
        cmocka_unit_test(test_is_full),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_too_large_nested),
        cmocka_unit_test(test_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
