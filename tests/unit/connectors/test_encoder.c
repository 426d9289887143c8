/* test_encoder.c -- rows to text in every format. */
#include "harness.h"

#include "connectors/formats/encoder.h"
#include "connectors/formats/outlet.h"
#include "connectors/formats/text.h"

#include <math.h>

#define TWO "a string, b integer"

/* A batch of rows (a, b); NULL a: no value; b INT32_MIN: no value. */
typedef struct pair {
    const char *a;
    int32_t b;
    uint8_t kind;
} pair;

static weir_batch *pairs(weir_schema *schema, const pair *rows, size_t count)
{
    weir_builder *builder = NULL;
    weir_batch *batch;

    assert_int_equal(weir_builder_new(schema, 100, 1u << 20, &builder), 0);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].a != NULL)
            assert_int_equal(weir_builder_put_bytes(builder, 0, rows[i].a, strlen(rows[i].a)), 0);
        if (rows[i].b != INT32_MIN)
            assert_int_equal(weir_builder_put_fixed(builder, 1, &rows[i].b), 0);
        assert_int_equal(weir_builder_end_row(builder, INT64_MIN, rows[i].kind), 0);
    }
    batch = harness_batch(builder);
    weir_builder_destroy(&builder);
    return batch;
}

static int encode(const char *url, const pair *rows, size_t count, weir_buffer *out,
                  weir_error *err)
{
    weir_encoder *encoder = NULL;
    weir_format format;
    weir_batch *batch;
    harness h;
    int rc;

    if (harness_open(&h, url, TWO, true) != 0)
        fail_msg("%s", h.err.text);
    assert_int_equal(weir_format_resolve(&h.op, true, &format, err), 0);
    assert_int_equal(weir_encoder_new(h.schema, &format, false, "sink 'x'", &encoder), 0);
    batch = pairs(h.schema, rows, count);
    rc = weir_encoder_append(encoder, weir_batch_columns(batch), out, err);
    weir_batch_unref(&batch);
    weir_encoder_destroy(&encoder);
    harness_close(&h);
    return rc;
}

static void expect(const char *url, const pair *rows, size_t count, const char *wanted)
{
    weir_buffer out = WEIR_BUFFER_INIT;
    weir_error err = WEIR_ERROR_INIT;

    if (encode(url, rows, count, &out, &err) != 0)
        fail_msg("%s", err.text);
    assert_string_equal(weir_buffer_text(&out), wanted);
    weir_buffer_deinit(&out);
}

static const pair plain[] = {{"x", 1, 0}, {"y, \"z\"\n", -2, 0}, {"", INT32_MIN, 0}, {NULL, 3, 0}};
static const pair changes[] = {{"x", 1, WEIR_INSERT},
                               {"x", 1, WEIR_UPDATE_BEFORE},
                               {"x", 2, WEIR_UPDATE_AFTER},
                               {"x", 2, WEIR_DELETE}};

static void rows_are_for_people(void **state)
{
    (void)state;
    expect("print:", plain, 4, "a=x  b=1\na=y, \"z\"\\n  b=-2\na=  b=NULL\na=NULL  b=3\n");
    expect("print:", changes, 4, "+I  a=x  b=1\n-U  a=x  b=1\n+U  a=x  b=2\n-D  a=x  b=2\n");
}

static void csv_quotes_what_needs_it(void **state)
{
    (void)state;
    expect("print:?format=csv", plain, 4, "x,1\n\"y, \"\"z\"\"\n\",-2\n\"\",\n,3\n");
    expect("print:?format=csv&header=true&delimiter=;&null=x", plain, 4,
           "a;b\n\"x\";1\n\"y, \"\"z\"\"\n\";-2\n;x\nx;3\n");
    expect("print:?format=csv&header=true", changes, 2, "op,a,b\n+I,x,1\n-U,x,1\n");
    expect("print:?format=csv&changelog=true", plain, 1, "+I,x,1\n");
    expect("print:?format=csv&changelog=false", changes, 2, "x,1\nx,1\n");
}

static void json_is_valid(void **state)
{
    static const pair odd[] = {{"\x01\t\\\"\xc3\xa9\xc3", 1, 0}, {"\xed\xa0\x80\x7f", 2, 0}};

    (void)state;
    expect("print:?format=json", plain, 4,
           "{\"a\":\"x\",\"b\":1}\n{\"a\":\"y, \\\"z\\\"\\n\",\"b\":-2}\n{\"a\":\"\",\"b\":null}\n"
           "{\"a\":null,\"b\":3}\n");
    expect("print:?format=json", changes + 1, 1, "{\"op\":\"-U\",\"a\":\"x\",\"b\":1}\n");
    expect("print:?format=json", odd, 2,
           "{\"a\":\"\\u0001\\t\\\\\\\"\xc3\xa9\xef\xbf\xbd\",\"b\":1}\n"
           "{\"a\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\x7f\",\"b\":2}\n");
}

static void what_cannot_be_written_is_an_error(void **state)
{
    weir_buffer out = WEIR_BUFFER_INIT;
    weir_error err = WEIR_ERROR_INIT;
    harness h;

    (void)state;
    weir_buffer_puts(&out, "before");
    assert_int_equal(encode("print:?format=csv&quote=", plain, 4, &out, &err), WEIR_EINVALID);
    assert_non_null(strstr(err.text, "field 'a'"));
    assert_int_equal(out.size, 6);
    weir_buffer_deinit(&out);
    assert_true(harness_open(&h, "print:?format=line", TWO, true) < 0);
    harness_close(&h);
    assert_true(harness_open(&h, "print:?format=csv", "a array<integer>", true) < 0);
    harness_close(&h);
    assert_true(harness_open(&h, "print:x", TWO, true) < 0);
    harness_close(&h);
}

/* A stream that began without changes must not lose them later. */
static void late_changes_are_not_lost(void **state)
{
    weir_buffer out = WEIR_BUFFER_INIT;
    weir_encoder *encoder = NULL;
    weir_batch *first, *second;
    weir_format format;
    harness h;

    (void)state;
    assert_int_equal(harness_open(&h, "print:?format=csv", TWO, true), 0);
    assert_int_equal(weir_format_resolve(&h.op, true, &format, &h.err), 0);
    assert_int_equal(weir_encoder_new(h.schema, &format, false, "sink 'x'", &encoder), 0);
    first = pairs(h.schema, plain, 1);
    second = pairs(h.schema, changes, 4);
    assert_int_equal(weir_encoder_append(encoder, weir_batch_columns(first), &out, &h.err), 0);
    assert_int_equal(weir_encoder_append(encoder, weir_batch_columns(second), &out, &h.err),
                     WEIR_EINVALID);
    assert_non_null(strstr(h.err.text, "changelog=true"));
    assert_string_equal(weir_buffer_text(&out), "x,1\n");
    weir_batch_unref(&first);
    weir_batch_unref(&second);
    weir_encoder_destroy(&encoder);
    weir_buffer_deinit(&out);
    harness_close(&h);
}

static void lines_in_front_are_whole(void **state)
{
    (void)state;
    assert_int_equal(weir_outlet_lines("ab\ncd\n", 6, 100, false), 6);
    assert_int_equal(weir_outlet_lines("ab\ncd\n", 6, 5, false), 3);
    assert_int_equal(weir_outlet_lines("abcdef\ng\n", 9, 4, true), 7);
    assert_int_equal(weir_outlet_lines("abcdef\ng\n", 9, 4, false), 4);
    assert_int_equal(weir_outlet_lines("abcdef", 6, 4, true), 6);
}

static void messages_show_bytes_safely(void **state)
{
    char out[WEIR_TEXT_ESCAPED_MAX], bytes[200];

    (void)state;
    assert_string_equal(weir_text_escape("a\n\r\t\0\xff", 6, out), "a\\n\\r\\t\\x00\\xff");
    memset(bytes, 1, sizeof bytes);
    assert_int_equal(strlen(weir_text_escape(bytes, sizeof bytes, out)), 80 * 4 + 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_for_people),
        cmocka_unit_test(csv_quotes_what_needs_it),
        cmocka_unit_test(json_is_valid),
        cmocka_unit_test(what_cannot_be_written_is_an_error),
        cmocka_unit_test(late_changes_are_not_lost),
        cmocka_unit_test(lines_in_front_are_whole),
        cmocka_unit_test(messages_show_bytes_safely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
