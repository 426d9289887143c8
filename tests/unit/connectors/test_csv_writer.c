/* test_csv_writer.c -- csv lines against the rules, value by value: quotes where they are needed,
 * and the same text whatever the values before were. Columns lie unaligned and end where their
 * memory ends. */
#include "harness.h"

#include "connectors/formats/csv_writer.h"
#include "connectors/formats/text.h"

#define ROWS 150u

static bool is_in(char c, const weir_format *format)
{
    return c == format->delimiter || c == '\n' || c == '\r' ||
           (format->quoting && c == format->quote);
}

/* The rule for one text; false: it needs quotes, and there are none. */
static bool rule_text(const weir_format *format, bool nullable, const char *p, size_t n,
                      weir_buffer *out)
{
    bool quotes = nullable && n == format->null_size && memcmp(p, format->null_text, n) == 0;

    for (size_t i = 0; i < n; i++)
        quotes |= is_in(p[i], format);
    if (quotes && !format->quoting)
        return false;
    if (quotes)
        weir_buffer_putc(out, format->quote);
    for (size_t i = 0; i < n; i++) {
        if (quotes && p[i] == format->quote)
            weir_buffer_putc(out, format->quote);
        weir_buffer_putc(out, p[i]);
    }
    if (quotes)
        weir_buffer_putc(out, format->quote);
    return true;
}

static bool rule_value(const weir_format *format, const weir_schema_field *field,
                       const weir_column *column, uint32_t row, weir_buffer *out)
{
    weir_buffer text = WEIR_BUFFER_INIT;
    bool good = true, variable = weir_kind_is_variable(field->kind);

    if (weir_column_is_null(column, row)) {
        weir_buffer_puts(out, format->null_text);
        return true;
    }
    weir_text_append(&text, field, column, row);
    if ((variable && (!weir_text_is_binary(field->kind) || text.size == 0)) ||
        (field->kind >= WEIR_KIND_date && field->kind <= WEIR_KIND_timestamp_ltz))
        good =
            rule_text(format, variable && field->nullable, weir_buffer_text(&text), text.size, out);
    else
        weir_buffer_append(out, text.data, text.size);
    weir_buffer_deinit(&text);
    return good;
}

/* All rows; the field that cannot be written, or NULL. */
static const weir_schema_field *rule_rows(const weir_format *format, const weir_schema *schema,
                                          const weir_columns *columns, bool changelog,
                                          weir_buffer *out)
{
    for (uint32_t row = 0; row < columns->rows; row++) {
        if (changelog)
            weir_buffer_printf(out, "%s%c", weir_text_row_kind(columns, row), format->delimiter);
        for (uint32_t i = 0; i < columns->ncolumns; i++) {
            if (i > 0)
                weir_buffer_putc(out, format->delimiter);
            if (!rule_value(format, weir_schema_at(schema, i), &columns->columns[i], row, out))
                return weir_schema_at(schema, i);
        }
        weir_buffer_putc(out, '\n');
    }
    return NULL;
}

/* ---- random batches ---- */

static void put_text(weir_prng *prng, weir_builder *builder, uint32_t column,
                     const weir_schema_field *field, unsigned odd)
{
    static const char letters[] = "abc\"',;\n\r\t-xN";
    char text[200];
    uint32_t most = field->precision > 0            ? field->precision
                    : weir_prng_below(prng, 9) == 0 ? 200
                                                    : 35;
    size_t n = (size_t)weir_prng_below(prng, most + 1);

    for (size_t i = 0; i < n; i++)
        text[i] = weir_prng_below(prng, odd) == 0
                      ? letters[weir_prng_below(prng, sizeof letters - 1)]
                      : (char)('a' + weir_prng_below(prng, 26));
    assert_int_equal(weir_builder_put_bytes(builder, column, text, n), 0);
}

static void put_value(weir_prng *prng, weir_builder *builder, uint32_t column,
                      const weir_schema_field *field, unsigned odd)
{
    uint64_t bits = weir_prng_next(prng) >> weir_prng_below(prng, 64), words[2] = {bits, 0};
    double decimal = (double)(int64_t)(bits % 100000000) / 1000 * (bits % 2 ? 1 : -1);
    float single = (float)decimal;

    if (field->nullable && weir_prng_below(prng, 4) == 0)
        return;
    if (weir_kind_is_variable(field->kind)) {
        put_text(prng, builder, column, field, odd);
        return;
    }
    if (field->kind == WEIR_KIND_boolean) {
        assert_int_equal(weir_builder_put_bool(builder, column, bits & 1), 0);
        return;
    }
    if (field->kind == WEIR_KIND_double && weir_prng_below(prng, 3) != 0)
        memcpy(words, &decimal, sizeof decimal);
    if (field->kind == WEIR_KIND_float && weir_prng_below(prng, 3) != 0)
        memcpy(words, &single, sizeof single);
    if (field->kind == WEIR_KIND_timestamp && weir_prng_below(prng, 2) == 0)
        words[0] = UINT64_C(1700000000000) + bits % 100000000;
    if (field->kind == WEIR_KIND_bigint && bits % 2)
        words[0] = 0 - bits;
    assert_int_equal(weir_builder_put_fixed(builder, column, words), 0);
}

static weir_batch *random_batch(weir_prng *prng, weir_schema *schema, unsigned odd)
{
    weir_builder *builder = NULL;
    uint32_t rows = (uint32_t)weir_prng_below(prng, ROWS);
    weir_batch *batch;

    assert_int_equal(weir_builder_new(schema, ROWS, 1u << 20, &builder), 0);
    for (uint32_t i = 0; i < rows; i++) {
        for (uint32_t k = 0; k < weir_schema_count(schema); k++)
            put_value(prng, builder, k, weir_schema_at(schema, k), odd);
        assert_int_equal(weir_builder_end_row(builder, INT64_MIN, (uint8_t)(i % 4)), 0);
    }
    batch = harness_batch(builder);
    weir_builder_destroy(&builder);
    return batch;
}

/* A copy that is just as long as it must be, at an odd address. */
static const void *displaced(const void *bytes, size_t size, void **exact)
{
    *exact = malloc(size + 1);
    assert_non_null(*exact);
    if (size > 0)
        memcpy((char *)*exact + 1, bytes, size);
    return (char *)*exact + 1;
}

typedef struct view {
    weir_columns columns;
    weir_column column[24];
    void *memory[48];
    uint32_t count;
} view;

static void make_view(const weir_columns *from, view *v)
{
    v->columns = *from;
    v->columns.columns = v->column;
    v->count = 0;
    for (uint32_t i = 0; i < from->ncolumns; i++) {
        weir_column *c = &v->column[i];
        uint32_t width = weir_kind_width(from->columns[i].kind), size = 0;

        *c = from->columns[i];
        if (weir_kind_is_variable(c->kind)) {
            memcpy(&size, (const char *)c->offsets + c->rows * 4ul, 4);
            c->values = displaced(c->values, size, &v->memory[v->count++]);
            c->offsets = displaced(c->offsets, 4 * (c->rows + 1ul), &v->memory[v->count++]);
        } else if (c->kind != WEIR_KIND_boolean) {
            c->values = displaced(c->values, (size_t)c->rows * width, &v->memory[v->count++]);
        }
    }
}

static void drop_view(view *v)
{
    for (uint32_t i = 0; i < v->count; i++)
        free(v->memory[i]);
}

static void run(const char *options, const char *schema, uint64_t seed, unsigned odd, uint32_t most)
{
    weir_prng prng = {seed};
    weir_csv_writer *writer = NULL;
    weir_format format;
    char url[256];
    uint32_t bad_ones = 0;
    harness h;

    snprintf(url, sizeof url, "file:/x?format=csv&%s", options);
    if (harness_open(&h, url, schema, true) != 0)
        fail_msg("%s", h.err.text);
    assert_int_equal(weir_format_resolve(&h.op, true, &format, &h.err), 0);
    assert_int_equal(weir_csv_writer_new(h.schema, &format, &writer), 0);
    for (int round = 0; round < 60; round++) {
        weir_buffer wanted = WEIR_BUFFER_INIT, got = WEIR_BUFFER_INIT;
        weir_batch *batch = random_batch(&prng, h.schema, odd);
        const weir_schema_field *bad, *found;
        bool changelog = round % 3 == 0;
        view v;

        make_view(weir_batch_columns(batch), &v);
        bad = rule_rows(&format, h.schema, &v.columns, changelog, &wanted);
        found = weir_csv_writer_rows(writer, &v.columns, changelog, &got);
        assert_ptr_equal(found, bad);
        if (bad == NULL)
            assert_string_equal(weir_buffer_text(&got), weir_buffer_text(&wanted));
        bad_ones += bad != NULL;
        drop_view(&v);
        weir_batch_unref(&batch);
        weir_buffer_deinit(&wanted);
        weir_buffer_deinit(&got);
    }
    assert_true(format.quoting ? bad_ones == 0 : bad_ones > 0 && bad_ones <= most);
    weir_csv_writer_destroy(&writer);
    weir_csv_writer_destroy(&writer);
    harness_close(&h);
}

static void rows_follow_the_rules(void **state)
{
    static const char every[] =
        "a boolean, b tinyint, c smallint, d integer not null, e bigint, f float, g double not "
        "null, "
        "h decimal(30, 4), i char(3), j varchar(9), k string, l string not null, m bytes, "
        "n binary(20), o date, p time, q timestamp(3) not null, r timestamp(0), s timestamp(6), "
        "t timestamp_ltz(9), u interval month, v interval day";
    static const char *const options[] = {"",
                                          "null=N",
                                          "delimiter=;&quote='",
                                          "delimiter=\\t&null=ab",
                                          "delimiter=:",
                                          "quote=-",
                                          "quote=1&null=-",
                                          "delimiter=%20",
                                          "quote="};

    (void)state;
    for (uint64_t i = 0; i < WEIR_COUNT(options); i++) {
        run(options[i], every, i, 12, 60);
        run(options[i], every, 50 + i, 400, 60);
    }
    run("", "a string not null", 3, 40, 0);
    run("", "a string", 4, 10, 0);
    run("quote=", "a string not null, b integer", 5, 3000, 50);
}

/* Rows that are longer than a block has room for make smaller blocks. */
static void long_values_have_room(void **state)
{
    weir_csv_writer *writer = NULL;
    weir_builder *builder = NULL;
    weir_buffer wanted = WEIR_BUFFER_INIT, got = WEIR_BUFFER_INIT;
    weir_format format;
    weir_batch *batch;
    size_t size = 700000;
    char *text = weir_calloc(1, size);
    harness h;

    (void)state;
    assert_non_null(text);
    assert_int_equal(harness_open(&h, "file:/x?format=csv", "a string, b bytes", true), 0);
    assert_int_equal(weir_format_resolve(&h.op, true, &format, &h.err), 0);
    assert_int_equal(weir_csv_writer_new(h.schema, &format, &writer), 0);
    assert_int_equal(weir_builder_new(h.schema, 100, 1u << 20, &builder), 0);
    for (uint32_t i = 0; i < 12; i++) {
        memset(text, i % 2 ? '"' : 'x', size);
        assert_int_equal(weir_builder_put_bytes(builder, 0, text, i % 5 == 4 ? 1 : size), 0);
        assert_int_equal(weir_builder_put_bytes(builder, 1, text, i % 3 == 2 ? 0 : size), 0);
        assert_int_equal(weir_builder_end_row(builder, INT64_MIN, WEIR_INSERT), 0);
    }
    batch = harness_batch(builder);
    assert_null(rule_rows(&format, h.schema, weir_batch_columns(batch), false, &wanted));
    assert_null(weir_csv_writer_rows(writer, weir_batch_columns(batch), false, &got));
    assert_int_equal(got.size, wanted.size);
    assert_memory_equal(got.data, wanted.data, wanted.size);
    weir_buffer_clear(&got);
    weir_buffer_deinit(&got);
    weir_memory_fail_at(1);
    assert_null(weir_csv_writer_rows(writer, weir_batch_columns(batch), false, &got));
    weir_memory_fail_at(0);
    assert_true(got.failed);
    weir_buffer_deinit(&got);
    weir_buffer_deinit(&wanted);
    weir_batch_unref(&batch);
    weir_builder_destroy(&builder);
    weir_csv_writer_destroy(&writer);
    weir_free(text);
    harness_close(&h);
}

static void headers_name_the_fields(void **state)
{
    weir_csv_writer *writer = NULL;
    weir_buffer out = WEIR_BUFFER_INIT;
    weir_format format;
    harness h;

    (void)state;
    assert_int_equal(
        harness_open(&h, "file:/x?format=csv&delimiter=;", "a string, bb integer", true), 0);
    assert_int_equal(weir_format_resolve(&h.op, true, &format, &h.err), 0);
    assert_int_equal(weir_csv_writer_new(h.schema, &format, &writer), 0);
    weir_csv_writer_header(writer, true, &out);
    weir_csv_writer_header(writer, false, &out);
    assert_string_equal(weir_buffer_text(&out), "op;a;bb\na;bb\n");
    weir_buffer_deinit(&out);
    weir_csv_writer_destroy(&writer);
    harness_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_follow_the_rules),
        cmocka_unit_test(long_values_have_room),
        cmocka_unit_test(headers_name_the_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
