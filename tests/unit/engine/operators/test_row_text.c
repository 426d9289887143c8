#include "harness.h"

WEIR_RECORD(point, (integer, x), (nullable_integer, y));
WEIR_RECORD(all, (boolean, yes), (tinyint, t), (smallint, s), (integer, i), (bigint, b), (float, f),
            (double, d), (decimal, price, WEIR_PRECISION(10, 2)), (string, text), (bytes, raw),
            (date, day), (time, clock), (timestamp, at),
            (timestamp_ltz, zoned, WEIR_PRECISION(9, 0)), (timestamp, whole, WEIR_PRECISION(6, 0)),
            (nullable_bigint, gone), (row_of(point), p, WEIR_ROW(point)),
            (array, tags, WEIR_OF(string)), (map, ages, WEIR_FROM_TO(string, bigint)));
WEIR_RECORD(one, (string, text));

static void text_of(const weir_type *type, const void *record, char *out, size_t size)
{
    weir_schema *schema = schema_of(type);
    weir_builder *builder = NULL;
    weir_batch *batch = NULL;

    assert_int_equal(weir_builder_new(schema, 10, 1 << 20, &builder), 0);
    assert_int_equal(weir_builder_append_record(builder, record, INT64_MIN, WEIR_INSERT), 0);
    assert_int_equal(weir_builder_finish(builder, &batch), 0);
    weir_row_text(schema, weir_batch_columns(batch), 0, out, size);
    weir_batch_unref(&batch);
    weir_builder_destroy(&builder);
    weir_schema_unref(&schema);
}

static void test_every_kind(void **state)
{
    weir_string tags[2] = {str("a"), str("b c")}, names[1] = {str("ann")};
    int64_t ages[1] = {44};
    all r = {.yes = true,
             .t = -5,
             .s = 300,
             .i = -70000,
             .b = INT64_MIN,
             .f = 1.5f,
             .d = -0.25,
             .price = {.low = (uint64_t)-1205, .high = -1},
             .text = str("x"),
             .raw = {"\x00\xff", 2},
             .day = 19723,
             .clock = 3661001,
             .at = 1709210096789,
             .zoned = -1,
             .whole = 1000001,
             .gone = {.is_null = true},
             .p = {.x = 1, .y = {.is_null = true}},
             .tags = {tags, 2},
             .ages = {names, ages, 1}};
    char out[1024];

    (void)state;
    text_of(WEIR_TYPE(all), &r, out, sizeof out);
    assert_string_equal(
        out, "{yes=true, t=-5, s=300, i=-70000, b=-9223372036854775808, f=1.5, d=-0.25, "
             "price=-12.05, text=x, raw=x'00ff', day=2024-01-01, clock=01:01:01.001, "
             "at=2024-02-29T12:34:56.789, zoned=1969-12-31T23:59:59.999999999Z, "
             "whole=1970-01-01T00:00:01.000001, gone=NULL, p={x=1, y=NULL}, tags=[a, b c], "
             "ages={ann: 44}}");
}

static void test_cut_and_escapes(void **state)
{
    one r = {str("tab\tline\nbell\x07")};
    char out[WEIR_ROW_TEXT_MAX + 1], longer[400];

    (void)state;
    text_of(WEIR_TYPE(one), &r, out, sizeof out);
    assert_string_equal(out, "{text=tab\\tline\\nbell\\x07}");
    for (size_t shift = 0; shift < 4; shift++) {
        memset(longer, 'x', shift);
        for (size_t i = shift; i + 3 <= sizeof longer; i += 3)
            memcpy(longer + i, "\xe2\x82\xac", 3); /* three bytes a character */
        r.text = (weir_string){longer, 390};
        text_of(WEIR_TYPE(one), &r, out, sizeof out);
        assert_true(strlen(out) <= WEIR_ROW_TEXT_MAX && strlen(out) > WEIR_ROW_TEXT_MAX - 8);
        assert_string_equal(out + strlen(out) - 4, "...}");
        assert_int_equal((strlen(out) - strlen("{text=...}") - shift) % 3, 0);
    }
    memset(longer, 'y', sizeof longer);
    r.text = (weir_string){longer, 400};
    text_of(WEIR_TYPE(one), &r, out, 8);
    assert_int_equal(strlen(out), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_cut_and_escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
