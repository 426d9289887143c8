/* Whole jobs with values of every kind: from a source over exchanges and through user code to a
 * sink, and as keys. */
#include "job_check.h"

#include <math.h>
#include <unistd.h>

WEIR_RECORD(number, (bigint, sequence));
WEIR_RECORD(plain, (bigint, id), (boolean, a), (tinyint, b), (smallint, c), (integer, d),
            (float, e), (double, f), (decimal, g, WEIR_PRECISION(38, 5)), (char, h, WEIR_LENGTH(3)),
            (varchar, i, WEIR_LENGTH(4)), (string, j), (binary, k, WEIR_LENGTH(2)), (bytes, l),
            (date, m), (time, n), (timestamp, o), (timestamp, p, WEIR_PRECISION(9, 0)),
            (timestamp_ltz, q, WEIR_PRECISION(6, 0)), (interval_months, r), (interval_ms, s));
WEIR_RECORD(maybe, (bigint, id), (nullable_boolean, a), (nullable_tinyint, b),
            (nullable_smallint, c), (nullable_integer, d), (nullable_float, e),
            (nullable_double, f), (nullable_decimal, g, WEIR_PRECISION(38, 5)),
            (nullable_char, h, WEIR_LENGTH(3)), (nullable_varchar, i, WEIR_LENGTH(4)),
            (nullable_string, j), (nullable_binary, k, WEIR_LENGTH(2)), (nullable_bytes, l),
            (nullable_date, m), (nullable_time, n), (nullable_timestamp, o),
            (nullable_timestamp, p, WEIR_PRECISION(9, 0)),
            (nullable_timestamp_ltz, q, WEIR_PRECISION(6, 0)), (nullable_interval_months, r),
            (nullable_interval_ms, s));
WEIR_RECORD(point, (integer, x), (nullable_string, label));
WEIR_RECORD(nested, (bigint, id), (array, tags, WEIR_OF(string)),
            (array, maybes, WEIR_OF(nullable_integer)),
            (nullable_array, points, WEIR_OF_ROWS(point)),
            (map, sizes, WEIR_FROM_TO(string, bigint)),
            (nullable_map, ratios, WEIR_FROM_TO(integer, nullable_double)),
            (row_of(point), at, WEIR_ROW(point)));
WEIR_RECORD(made, (bigint, sequence), (boolean, a), (decimal, b, WEIR_PRECISION(20, 2)),
            (char, c, WEIR_LENGTH(5)), (bytes, d), (timestamp_ltz, e), (array, f, WEIR_OF(string)),
            (array, g, WEIR_OF_ROWS(point)), (map, h, WEIR_FROM_TO(string, double)),
            (row_of(point), i, WEIR_ROW(point)), (nullable_date, j), (nullable_bytes, k));

static const char *source_url; /* of the test in hand */

static int copy_row(weir_ctx *ctx, const void *record)
{
    return weir_emit(ctx, record);
}

static const weir_op copy_plain = {WEIR_OP("copy", plain, plain), .on_record = copy_row};
static const weir_op copy_maybe = {WEIR_OP("copy", maybe, maybe), .on_record = copy_row};
static const weir_op copy_nested = {WEIR_OP("copy", nested, nested), .on_record = copy_row};
static const weir_op copy_made = {WEIR_OP("copy", made, made), .on_record = copy_row};

/* ---- plain values, by csv ---- */

static const char *const values[] = {
    "true,-128,-32768,-2147483648,-1.5,0.1,-123456789012345678901234567890123.45678,abc,abcd,text,"
    "00ff,deadbeef,1970-01-01,00:00:00,1970-01-01 00:00:00.001,2001-02-03 04:05:06.123456789,"
    "2262-01-01 00:00:00.000001Z,-14,-1",
    "false,127,32767,2147483647,3.4028235e+38,1.7976931348623157e+308,0.00001,x  "
    ",,\"a,\"\"b\"\"\",abcd,"
    "00,9999-12-31,23:59:59.999,1969-12-31 23:59:59.999,1969-12-31 23:59:59.999999999,"
    "1970-01-01 00:00:00.000000Z,0,86400000",
    "true,0,0,0,0.0,-0.0,0.00000,\xc3\xa9\xc3\xa9\xc3\xa9,\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9,"
    "a longer text of forty bytes; about,0102,00112233445566778899aabbccddeeff0011,2024-02-29,"
    "12:34:56.789,2024-02-29 12:34:56.000,2024-02-29 12:34:56.000000000,"
    "2024-02-29 12:34:56.000000Z,1200,9223372036854775807",
};

static char *csv_rows(uint32_t rows, bool with_nulls)
{
    job_text text;
    FILE *out = text_open(&text);

    for (uint32_t id = 0; id < rows; id++) {
        if (with_nulls && id % 4 == 3)
            fprintf(out, "%u,,,,,,,,,,,,,,,,,,,\n", id);
        else if (with_nulls && id % 4 == 2) /* every second one; "" is no NULL */
            fprintf(out,
                    "%u,true,,1,,1.5,,1.00000,,abcd,,ffff,,2000-01-01,,2000-01-01 00:00:00.000,,"
                    "2000-01-01 00:00:00.000000Z,,5\n",
                    id);
        else
            fprintf(out, "%u,%s\n", id, values[id % 3]);
    }
    fclose(out);
    return text.bytes;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void build_plain(weir_env *env)
{
    weir_stream *read = weir_source(env, source_url, plain);
    weir_stream *copied = weir_process(weir_key_by(read, "j, g, id"), &copy_plain);

    weir_sink(weir_rebalance(copied), CSV);
}

static void build_maybe(weir_env *env)
{
    weir_stream *read = weir_source(env, source_url, maybe);
    weir_stream *copied = weir_process(weir_key_by(read, "id"), &copy_maybe);

    weir_sink(weir_rebalance(copied), CSV);
}

static void check_csv(void (*build)(weir_env *), bool with_nulls)
{
    char path[] = "/tmp/weir-types-XXXXXX.csv", url[128], *text = csv_rows(200, with_nulls);

    close(mkstemps(path, 4));
    write_file(path, text);
    snprintf(url, sizeof url, "file:%s?split-size=5kb", path);
    source_url = url;
    check_everywhere(job_defaults(build), text);
    free(text);
    unlink(path);
}

static void test_plain_values(void **state)
{
    (void)state;
    check_csv(build_plain, false);
}

static void test_nullable_values(void **state)
{
    (void)state;
    check_csv(build_maybe, true);
}

/* ---- nested values, by json ---- */

static int make_nested(weir_ctx *ctx, const void *record)
{
    int64_t id = ((const number *)record)->sequence;
    weir_string words[3] = {weir_text("a"), weir_text(""), weir_text("a word beyond 16 bytes")};
    weir_nullable_integer maybes[2] = {{7, false}, {0, true}};
    point points[2] = {{1, {weir_text("one"), false}}, {2, {weir_text(""), true}}};
    int64_t sizes[3] = {1, INT64_MIN, id};
    int32_t keys[2] = {5, -5};
    weir_nullable_double ratios[2] = {{0.5, false}, {0, true}};
    nested n = {.id = id,
                .tags = {words, (uint32_t)(id % 4)},
                .maybes = {maybes, (uint32_t)(id % 3)},
                .points = {{points, (uint32_t)(id % 3)}, id % 5 == 4},
                .sizes = {words, sizes, (uint32_t)(id % 4)},
                .ratios = {{keys, ratios, (uint32_t)(id % 3)}, id % 7 == 6},
                .at = {(int32_t)id, {weir_text("here"), id % 2 == 1}}};
    return weir_emit(ctx, &n);
}

static const weir_op nest = {WEIR_OP("nest", number, nested), .on_record = make_nested};

static void build_nested(weir_env *env)
{
    weir_stream *numbers = weir_source(env, "datagen:?rows=300", number);
    weir_stream *copied =
        weir_process(weir_key_by(weir_process(numbers, &nest), "id"), &copy_nested);

    weir_sink(weir_rebalance(copied), "print:?format=json");
}

static void put_nested(FILE *out, int id)
{
    static const char *const tags[] = {"", "\"a\"", "\"a\",\"\"",
                                       "\"a\",\"\",\"a word beyond 16 bytes\""};
    static const char *const maybes[] = {"", "7", "7,null"};
    static const char *const points[] = {"", "{\"x\":1,\"label\":\"one\"}",
                                         "{\"x\":1,\"label\":\"one\"},{\"x\":2,\"label\":null}"};
    static const char *const ratios[] = {"", "\"5\":0.5", "\"5\":0.5,\"-5\":null"};

    fprintf(out, "{\"id\":%d,\"tags\":[%s],\"maybes\":[%s],", id, tags[id % 4], maybes[id % 3]);
    fprintf(out, id % 5 == 4 ? "\"points\":null," : "\"points\":[%s],", points[id % 3]);
    fprintf(out, "\"sizes\":{");
    if (id % 4 > 0)
        fprintf(out, "\"a\":1");
    if (id % 4 > 1)
        fprintf(out, ",\"\":-9223372036854775808");
    if (id % 4 > 2)
        fprintf(out, ",\"a word beyond 16 bytes\":%d", id);
    fprintf(out, id % 7 == 6 ? "},\"ratios\":null," : "},\"ratios\":{%s},", ratios[id % 3]);
    fprintf(out,
            id % 2 ? "\"at\":{\"x\":%d,\"label\":null}}\n"
                   : "\"at\":{\"x\":%d,\"label\":\"here\"}}\n",
            id);
}

static void test_nested_values(void **state)
{
    job_text right;
    FILE *out = text_open(&right);
    (void)state;

    for (int id = 0; id < 300; id++)
        put_nested(out, id);
    fclose(out);
    check_everywhere(job_defaults(build_nested), right.bytes);
    free(right.bytes);
}

/* ---- what datagen makes: straight to the sink, and by all the ways ---- */

static void build_straight(weir_env *env)
{
    weir_sink(weir_source(env, "datagen:?rows=300&length=9", made), "print:?format=json");
}

static bool never(weir_ctx *ctx, const void *record)
{
    (void)ctx;
    return ((const made *)record)->sequence < 0;
}

static void build_winding(weir_env *env)
{
    weir_stream *read = weir_source(env, "datagen:?rows=300&length=9", made);
    weir_stream *copied = weir_process(weir_key_by(read, "c, b, e"), &copy_made);

    weir_sink(weir_union(weir_rebalance(copied), weir_filter(copied, never, made)),
              "print:?format=json");
}

static void test_made_values(void **state)
{
    job_options options = job_defaults(build_straight);
    slot_job job;
    (void)state;

    job_finish(&job, &options, 0);
    assert_true(job.printed_size > 300 * 100);
    check_everywhere(job_defaults(build_winding), job.printed);
    job_close(&job);
}

/* ---- every kind as a key ---- */

#define KEYS 7

static const char *key_field;

static void fill_plain(int64_t k, plain *p)
{
    static const char *const texts[] = {"a", "b", "ab", "", "ba", "bb", "aa"};
    static const char *const pairs[] = {"aa", "ab", "ba", "bb", "a\xff", "\xff\x01", "zz"};

    *p = (plain){.id = k,
                 .a = k % 2,
                 .b = (int8_t)(k - 3),
                 .c = (int16_t)(k * 1000 - 3),
                 .d = (int32_t)(k * 1000000 - 3),
                 .e = (float)k / 3,
                 .f = (double)k / 7 - 0.5};
    p->g = (weir_decimal){(uint64_t)(k - 3), k - 3 < 0 ? -1 : 0};
    p->h = p->i = p->j = weir_text(texts[k]);
    p->k = (weir_bytes){pairs[k], 2};
    p->l = (weir_bytes){pairs[k], (uint32_t)(k % 3)};
    p->m = (int32_t)k - 3;
    p->n = (int32_t)k;
    p->o = p->p = p->q = p->s = k - 3;
    p->r = (int32_t)k - 3;
}

static int make_plain(weir_ctx *ctx, const void *in, void *out)
{
    (void)ctx;
    fill_plain(((const number *)in)->sequence % KEYS, out);
    ((plain *)out)->id = 1;
    return 0;
}

static int add_ids(weir_ctx *ctx, void *accumulator, const void *record)
{
    (void)ctx;
    ((plain *)accumulator)->id += ((const plain *)record)->id;
    return 0;
}

static void build_keys(weir_env *env)
{
    weir_stream *numbers = weir_source(env, "datagen:?rows=700", number);
    weir_stream *keyed = weir_key_by(weir_map(numbers, make_plain, number, plain), key_field);

    weir_sink(weir_reduce(keyed, add_ids, plain), "print:?format=json");
}

static void test_every_kind_is_a_key(void **state)
{
    (void)state;
    for (char field = 'a'; field <= 's'; field++) {
        char name[2] = {field, 0};
        job_options options = job_defaults(build_keys);

        key_field = name;
        for (uint64_t seed = 0; seed < 4; seed++) {
            slot_job job;
            options.parallelism = seed % 2 ? 3 : 1;
            options.chaining = seed / 2;
            options.combine_memory = seed ? 1 : 100000;
            job_finish(&job, &options, 0);
            job_lines lines = job_lines_of(job.printed, false);
            uint32_t total = 0;
            for (uint32_t i = 0; i < lines.count; i++) {
                unsigned n;
                assert_int_equal(sscanf(lines.at[i], "{\"id\":%u", &n), 1);
                /* false and true; and bytes of which some are the same */
                if (field != 'a' && field != 'l')
                    assert_int_equal(n, 100);
                total += n;
            }
            assert_int_equal(total, 700);
            if (lines.count != (field == 'a' ? 2 : field == 'l' ? 4 : KEYS))
                fail_msg("%u keys by field %c:\n%s", lines.count, field, job.printed);
            job_lines_free(&lines);
            job_close(&job);
        }
    }
}

/* Of 700 rows, each of 7 keys has 100, however many fields the key has. */
static void test_sixteen_fields_are_a_key(void **state)
{
    job_options options = job_defaults(build_keys);
    (void)state;

    key_field = "s,r , q,p,o,n,m,l,k,j,i,h,g,f,e,a";
    for (uint64_t seed = 0; seed < 4; seed++) {
        slot_job job;
        options.parallelism = seed % 2 ? 3 : 1;
        options.chaining = seed / 2;
        options.combine_memory = seed ? 1 : 100000;
        job_finish(&job, &options, 0);
        job_lines lines = job_lines_of(job.printed, false);
        assert_int_equal(lines.count, KEYS);
        for (uint32_t i = 0; i < lines.count; i++)
            assert_memory_equal(lines.at[i], "{\"id\":100,", 10);
        job_lines_free(&lines);
        job_close(&job);
    }
}

/* -0.0 is 0.0, and there is one NaN; a char's padding is no part of it. */
static int make_odd(weir_ctx *ctx, const void *in, void *out)
{
    int64_t n = ((const number *)in)->sequence;
    const double odd[] = {0.0, -0.0, NAN, -NAN};

    (void)ctx;
    fill_plain(0, out);
    ((plain *)out)->id = 1;
    ((plain *)out)->f = odd[n % 4];
    ((plain *)out)->h = n % 3 ? weir_text("x") : weir_text("x ");
    return 0;
}

static void build_odd_keys(weir_env *env)
{
    weir_stream *numbers = weir_source(env, "datagen:?rows=400", number);
    weir_stream *keyed = weir_key_by(weir_map(numbers, make_odd, number, plain), key_field);

    weir_sink(weir_reduce(keyed, add_ids, plain), "print:?format=json");
}

static void test_equal_keys_of_different_bytes(void **state)
{
    static const struct {
        const char *fields;
        uint32_t keys;
    } cases[] = {{"f", 2}, {"h", 1}, {"f,h", 2}};
    (void)state;

    for (size_t c = 0; c < WEIR_COUNT(cases); c++) {
        job_options options = job_defaults(build_odd_keys);
        slot_job job;

        key_field = cases[c].fields;
        options.parallelism = 3;
        job_finish(&job, &options, 0);
        job_lines lines = job_lines_of(job.printed, false);
        assert_int_equal(lines.count, cases[c].keys);
        job_lines_free(&lines);
        job_close(&job);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_values),
        cmocka_unit_test(test_nullable_values),
        cmocka_unit_test(test_nested_values),
        cmocka_unit_test(test_made_values),
        cmocka_unit_test(test_every_kind_is_a_key),
        cmocka_unit_test(test_sixteen_fields_are_a_key),
        cmocka_unit_test(test_equal_keys_of_different_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
