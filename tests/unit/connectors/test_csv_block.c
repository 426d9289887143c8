/* test_csv_block.c -- blocks of csv records against the parser of single ones, which is the truth:
 * random records, plain and odd ones, good and broken. */
#include "harness.h"

#include "connectors/formats/csv_block.h"
#include "connectors/formats/csv_parser.h"
#include "connectors/formats/digits.h"
#include "connectors/formats/scan.h"

#define ROWS 40u

/* A text that a field of the kind may have, in one of its shapes, without quotes. */
static void random_digits(weir_prng *prng, uint32_t most, weir_buffer *out)
{
    for (uint64_t n = 1 + weir_prng_below(prng, most); n > 0; n--)
        weir_buffer_putc(out, (char)('0' + weir_prng_below(prng, 10)));
}

static void random_number(weir_prng *prng, uint32_t digits, bool point, weir_buffer *out)
{
    if (weir_prng_below(prng, 3) == 0)
        weir_buffer_putc(out, weir_prng_below(prng, 4) == 0 ? '+' : '-');
    random_digits(prng, digits, out);
    if (point && weir_prng_below(prng, 4) != 0) {
        weir_buffer_putc(out, '.');
        if (weir_prng_below(prng, 8) != 0)
            random_digits(prng, 12, out);
    }
    if (point && weir_prng_below(prng, 16) == 0)
        weir_buffer_printf(out, "e%d", (int)weir_prng_below(prng, 40) - 20);
}

static void random_time(weir_prng *prng, uint32_t kind, weir_buffer *out)
{
    static const char *const ends[] = {"", "", "Z", "+01:30", "-0200", "z"};

    if (kind != WEIR_KIND_time)
        weir_buffer_printf(
            out, "%04u-%02u-%02u",
            weir_prng_below(prng, 3) == 0 ? (unsigned)weir_prng_below(prng, 10000) : 2024u,
            weir_prng_below(prng, 2) == 0 ? 2u : 1 + (unsigned)weir_prng_below(prng, 12),
            1 + (unsigned)weir_prng_below(prng, 29));
    if (kind == WEIR_KIND_date || weir_prng_below(prng, 20) == 0)
        return;
    if (kind != WEIR_KIND_time)
        weir_buffer_putc(out, weir_prng_below(prng, 4) == 0 ? 'T' : ' ');
    weir_buffer_printf(out, "%02u:%02u", (unsigned)weir_prng_below(prng, 25),
                       (unsigned)weir_prng_below(prng, 60));
    if (weir_prng_below(prng, 12) != 0)
        weir_buffer_printf(out, ":%02u", (unsigned)weir_prng_below(prng, 60));
    if (weir_prng_below(prng, 3) != 0) {
        weir_buffer_putc(out, '.');
        random_digits(prng, 9, out);
    }
    if (kind == WEIR_KIND_timestamp_ltz)
        weir_buffer_puts(out, ends[weir_prng_below(prng, WEIR_COUNT(ends))]);
}

static void random_text(weir_prng *prng, uint32_t most, weir_buffer *out)
{
    static const char *const letters[] = {"a", "b", "xyz", " ", "-", "\xc3\xa4", "0"};

    for (uint64_t n = weir_prng_below(prng, most + 1); n > 0; n--)
        weir_buffer_puts(out, letters[weir_prng_below(prng, WEIR_COUNT(letters))]);
}

static void random_value(weir_prng *prng, const weir_schema_field *field, weir_buffer *out)
{
    static const char *const booleans[] = {"true", "false", "1", "0", "t", "f", "TRUE", "False"};

    switch (field->kind) {
    case WEIR_KIND_tinyint:
        random_number(prng, 2, false, out);
        break;
    case WEIR_KIND_smallint:
        random_number(prng, 4, false, out);
        break;
    case WEIR_KIND_integer:
    case WEIR_KIND_interval_months:
        random_number(prng, 9, false, out);
        break;
    case WEIR_KIND_bigint:
    case WEIR_KIND_interval_ms:
        random_number(prng, 18, false, out);
        break;
    case WEIR_KIND_float:
    case WEIR_KIND_double:
        random_number(prng, weir_prng_below(prng, 3) == 0 ? 18 : 4, true, out);
        break;
    case WEIR_KIND_decimal:
        random_number(prng, 9, false, out);
        break;
    case WEIR_KIND_boolean:
        weir_buffer_puts(out, booleans[weir_prng_below(prng, WEIR_COUNT(booleans))]);
        break;
    case WEIR_KIND_date:
    case WEIR_KIND_time:
    case WEIR_KIND_timestamp:
    case WEIR_KIND_timestamp_ltz:
        random_time(prng, field->kind, out);
        break;
    case WEIR_KIND_binary:
    case WEIR_KIND_bytes:
        for (uint64_t n = weir_prng_below(prng, 5); n > 0; n--)
            weir_buffer_printf(out, "%02x", (unsigned)weir_prng_below(prng, 256));
        break;
    case WEIR_KIND_char:
    case WEIR_KIND_varchar:
        random_text(prng, 1, out);
        break;
    default:
        random_text(prng, 25, out);
        break;
    }
}

/* What stands in the record for a field: perhaps NULL, in quotes, with spaces around. */
static void random_field(weir_prng *prng, const weir_schema_field *field, const weir_format *format,
                         weir_buffer *out)
{
    weir_buffer value = WEIR_BUFFER_INIT;

    if (field->nullable && weir_prng_below(prng, 4) == 0) {
        weir_buffer_puts(out, format->null_text);
        return;
    }
    random_value(prng, field, &value);
    if (!weir_kind_is_variable(field->kind) && weir_prng_below(prng, 12) == 0)
        weir_buffer_puts(&value, " ");
    if (!format->quoting || weir_prng_below(prng, 6) != 0) {
        weir_buffer_append(out, value.data, value.size);
        weir_buffer_deinit(&value);
        return;
    }
    weir_buffer_putc(out, format->quote);
    for (size_t i = 0; i < value.size; i++) {
        if (field->kind == WEIR_KIND_string && weir_prng_below(prng, 6) == 0) {
            weir_buffer_putc(out, format->quote);
            weir_buffer_putc(out, format->quote);
        }
        if (field->kind == WEIR_KIND_string && weir_prng_below(prng, 6) == 0)
            weir_buffer_putc(out, format->delimiter);
        weir_buffer_putc(out, (char)value.data[i]);
    }
    weir_buffer_putc(out, format->quote);
    weir_buffer_deinit(&value);
}

typedef struct records {
    weir_buffer text;
    uint32_t starts[ROWS], lengths[ROWS], count;
} records;

static void random_records(weir_prng *prng, const weir_schema *schema, const weir_format *format,
                           unsigned broken, records *r)
{
    static const char odd[] = ",;\"'.-+ eZ\t\x80\xff:T9x";

    weir_buffer_clear(&r->text);
    r->count = 1 + (uint32_t)weir_prng_below(prng, weir_prng_below(prng, 2) == 0 ? 4 : ROWS);
    for (uint32_t i = 0; i < r->count; i++) {
        r->starts[i] = (uint32_t)r->text.size;
        for (uint32_t k = 0; k < weir_schema_count(schema); k++) {
            if (k > 0)
                weir_buffer_putc(&r->text, format->delimiter);
            random_field(prng, weir_schema_at(schema, k), format, &r->text);
        }
        r->lengths[i] = (uint32_t)r->text.size - r->starts[i];
        if (broken > 0 && r->lengths[i] > 0 && weir_prng_below(prng, broken) == 0)
            r->text.data[r->starts[i] + weir_prng_below(prng, r->lengths[i])] =
                (uint8_t)odd[weir_prng_below(prng, sizeof odd - 1)];
        if (broken > 0 && weir_prng_below(prng, 2 * broken) == 0)
            r->lengths[i] = (uint32_t)weir_prng_below(prng, r->lengths[i] + 1);
        weir_buffer_putc(&r->text, '\n');
    }
}

typedef struct readers {
    weir_csv_block *block;
    weir_csv_parser *parser;
    weir_builder *many, *single;
    uint64_t taken, refused;
} readers;

/* All rows by the parser of single records; whether all of them are rows. */
static bool parse_singly(readers *x, const char *base, const records *r)
{
    weir_csv_problem problem;

    for (uint32_t i = 0; i < r->count; i++) {
        uint32_t before = weir_builder_rows(x->single);

        if (weir_csv_parser_row(x->parser, base + r->starts[i], r->lengths[i], x->single,
                                &problem) != 0 ||
            weir_builder_rows(x->single) == before)
            return false;
    }
    return true;
}

static void compare(readers *x, const records *r)
{
    /* Just as long as it must be, so that a read too far is seen. */
    char *base = weir_calloc(1, r->text.size + WEIR_SCAN_SLACK);
    weir_batch *a, *b;
    bool good, many;

    assert_non_null(base);
    memcpy(base, r->text.data, r->text.size);
    good = parse_singly(x, base, r);
    many = weir_csv_block_append(x->block, base, r->starts, r->lengths, r->count, x->many);
    if (many != good)
        fail_msg("%s: %s", good ? "refused" : "taken", base);
    if (!many) {
        assert_int_equal(weir_builder_rows(x->many), 0);
        x->refused++;
    } else {
        x->taken++;
        a = harness_batch(x->many);
        b = harness_batch(x->single);
        assert_int_equal(weir_batch_size(a), weir_batch_size(b));
        if (memcmp(weir_batch_bytes(a), weir_batch_bytes(b), weir_batch_size(a)) != 0)
            fail_msg("read differently: %s", base);
        weir_batch_unref(&a);
        weir_batch_unref(&b);
    }
    weir_builder_clear(x->single);
    weir_free(base);
}

static void run(const char *schema, const char *options, uint64_t seed, int rounds, unsigned broken)
{
    weir_prng prng = {seed};
    records r = {.text = WEIR_BUFFER_INIT};
    readers x = {.block = NULL};
    weir_format format;
    char url[256];
    harness h;

    snprintf(url, sizeof url, "file:/x.csv?format=csv&%s", options);
    if (harness_open(&h, url, schema, false) != 0)
        fail_msg("%s", h.err.text);
    assert_int_equal(weir_format_resolve(&h.op, false, &format, &h.err), 0);
    assert_int_equal(weir_csv_block_new(h.schema, &format, &x.block), 0);
    assert_true(weir_csv_block_rows_max(x.block) >= ROWS);
    assert_int_equal(weir_csv_parser_new(h.schema, &format, &x.parser), 0);
    assert_int_equal(weir_builder_new(h.schema, 100, 1u << 20, &x.many), 0);
    assert_int_equal(weir_builder_new(h.schema, 100, 1u << 20, &x.single), 0);
    for (int i = 0; i < rounds; i++) {
        random_records(&prng, h.schema, &format, i % 2 == 0 ? broken : 0, &r);
        compare(&x, &r);
    }
    assert_true(x.taken > (uint64_t)rounds / 20);
    assert_true(x.refused > 0 || broken == 0);
    weir_csv_block_destroy(&x.block);
    weir_csv_block_destroy(&x.block);
    weir_csv_parser_destroy(&x.parser);
    weir_builder_destroy(&x.many);
    weir_builder_destroy(&x.single);
    weir_buffer_deinit(&r.text);
    harness_close(&h);
}

static void every_kind_is_read_alike(void **state)
{
    static const char *const kinds[] = {"boolean",          "tinyint",        "smallint",
                                        "integer",          "bigint",         "float",
                                        "double",           "decimal(20)",    "char(3)",
                                        "varchar(4)",       "string",         "bytes",
                                        "binary(9)",        "date",           "time",
                                        "timestamp(3)",     "timestamp(0)",   "timestamp(9)",
                                        "timestamp_ltz(6)", "interval month", "interval day"};
    static const char *const options[] = {"", "null=NA", "delimiter=;&quote='",
                                          "quote=", "delimiter=\\t&null=0"};

    (void)state;
    for (size_t i = 0; i < WEIR_COUNT(kinds); i++) {
        char schema[128];

        for (uint64_t k = 0; k < WEIR_COUNT(options); k++) {
            snprintf(schema, sizeof schema, "a %s, b %s not null, c integer", kinds[i], kinds[i]);
            run(schema, options[k], 100 * i + k, 150, 40);
        }
    }
}

static void whole_records_are_read_alike(void **state)
{
    static const char orders[] = "id bigint not null, customer string not null, note string, "
                                 "price double not null, n integer, at timestamp(3) not null, "
                                 "raw bytes, ok boolean";

    (void)state;
    for (uint64_t i = 0; i < 5; i++)
        run(orders, i % 2 ? "null=-" : "", i, 400, 60);
    run("a string", "", 7, 400, 40);
    run("a string not null", "", 8, 400, 40);
    run("a double not null", "", 9, 2000, 40);
    run("a timestamp(3) not null", "", 10, 2000, 100);
}

/* A wide record makes small blocks, and long fields, of which the scratch is made, fit. */
static void wide_records_and_long_fields_are_read_alike(void **state)
{
    weir_buffer schema = WEIR_BUFFER_INIT, text = WEIR_BUFFER_INIT;
    weir_csv_block *block = NULL;
    weir_csv_parser *parser = NULL;
    weir_format format;
    weir_prng prng = {3};
    harness h;

    (void)state;
    weir_buffer_puts(&schema, "a string");
    for (int i = 0; i < 700; i++)
        weir_buffer_printf(&schema, ", c%d integer", i);
    assert_int_equal(harness_open(&h, "file:/x.csv", weir_buffer_text(&schema), false), 0);
    assert_int_equal(weir_format_resolve(&h.op, false, &format, &h.err), 0);
    assert_int_equal(weir_csv_block_new(h.schema, &format, &block), 0);
    assert_int_equal(weir_csv_parser_new(h.schema, &format, &parser), 0);
    assert_true(weir_csv_block_rows_max(block) >= 1);
    for (int round = 0; round < 20; round++) {
        records r = {.count = (uint32_t)weir_prng_below(&prng, weir_csv_block_rows_max(block)) + 1};
        readers x = {.block = block, .parser = parser};

        for (uint32_t i = 0; i < r.count; i++) {
            r.starts[i] = (uint32_t)r.text.size;
            weir_buffer_putc(&r.text, '"');
            for (uint64_t n = weir_prng_below(&prng, 3000); n > 0; n--)
                weir_buffer_puts(&r.text, weir_prng_below(&prng, 3) == 0 ? "\"\"" : "xy,");
            weir_buffer_putc(&r.text, '"');
            for (int k = 0; k < 700; k++)
                weir_buffer_printf(&r.text, ",%d", (int)weir_prng_below(&prng, 1000));
            r.lengths[i] = (uint32_t)r.text.size - r.starts[i];
            weir_buffer_putc(&r.text, '\n');
        }
        assert_int_equal(weir_builder_new(h.schema, 100, 1u << 20, &x.many), 0);
        assert_int_equal(weir_builder_new(h.schema, 100, 1u << 20, &x.single), 0);
        compare(&x, &r);
        assert_int_equal(x.taken, 1);
        weir_builder_destroy(&x.many);
        weir_builder_destroy(&x.single);
        weir_buffer_deinit(&r.text);
    }
    weir_csv_block_destroy(&block);
    weir_csv_parser_destroy(&parser);
    weir_buffer_deinit(&schema);
    weir_buffer_deinit(&text);
    harness_close(&h);
}

/* Where memory ends nothing is appended, and the next try goes well. */
static void memory_may_end_anywhere(void **state)
{
    static const char text[] = "\"a\"\"b\",00ff\n\"c\"\"d\",0102\n";
    static const uint32_t starts[] = {0, 12}, lengths[] = {11, 11};
    char base[sizeof text + WEIR_SCAN_SLACK] = {0};
    weir_format format;
    bool done = false;
    harness h;

    (void)state;
    memcpy(base, text, sizeof text);
    assert_int_equal(harness_open(&h, "file:/x.csv", "a string, b bytes not null", false), 0);
    assert_int_equal(weir_format_resolve(&h.op, false, &format, &h.err), 0);
    for (uint64_t nth = 1; !done; nth++) {
        weir_csv_block *block = NULL;
        weir_builder *into = NULL;

        assert_int_equal(weir_builder_new(h.schema, 300, 1u << 20, &into), 0);
        weir_memory_fail_at(nth);
        if (weir_csv_block_new(h.schema, &format, &block) == 0)
            done = weir_csv_block_append(block, base, starts, lengths, 2, into);
        weir_memory_fail_at(0);
        assert_int_equal(weir_builder_rows(into), done ? 2 : 0);
        assert_true(block == NULL || done ||
                    weir_csv_block_append(block, base, starts, lengths, 2, into));
        weir_csv_block_destroy(&block);
        weir_builder_destroy(&into);
    }
    harness_close(&h);
}

/* ---- what it is made of ---- */

static void digits_are_read_and_written(void **state)
{
    weir_prng prng = {21};

    (void)state;
    for (int i = 0; i < 200000; i++) {
        char text[32] = {0}, out[32];
        uint64_t value = weir_prng_next(&prng) >> weir_prng_below(&prng, 64);
        size_t size = (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
        size_t n = size < 8 ? size : 8, at = (size_t)weir_prng_below(&prng, n);
        uint32_t read = 0;
        uint64_t part = 0;

        assert_int_equal(weir_digits_count(value), size);
        assert_int_equal(weir_digits_put_all(value, out), size);
        assert_memory_equal(out, text, size);
        for (size_t k = 0; k < n; k++)
            part = part * 10 + (uint64_t)(text[k] - '0');
        assert_true(weir_digits_read(weir_digits_load(text), n, &read));
        assert_true(read == part);
        text[at] = (char)weir_prng_below(&prng, 256);
        assert_true(weir_digits_read(weir_digits_load(text), n, &read) ==
                    (text[at] >= '0' && text[at] <= '9'));
        assert_true((weir_digits_find(weir_digits_load(text), text[at], n) != 0));
        text[at] = '.';
        assert_int_equal(__builtin_ctzll(weir_digits_find(weir_digits_load(text), '.', n)) / 8, at);
        weir_digits_put(value, 31, out);
        for (size_t k = 0; k < 31 - size; k++)
            assert_int_equal(out[k], '0');
    }
    assert_int_equal(weir_digits_count(0), 1);
    assert_int_equal(weir_digits_count(UINT64_MAX), 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_read_alike),
        cmocka_unit_test(whole_records_are_read_alike),
        cmocka_unit_test(wide_records_and_long_fields_are_read_alike),
        cmocka_unit_test(memory_may_end_anywhere),
        cmocka_unit_test(digits_are_read_and_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
