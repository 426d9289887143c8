#include "batch_fixture.h"

#include <stdio.h>

WEIR_RECORD(plain, (string, card), (bigint, cents),
            (nullable_decimal, price, WEIR_PRECISION(10, 2)), (timestamp, at),
            (array, tags, WEIR_OF(nullable_string)), (map, m, WEIR_FROM_TO(string, bigint)),
            (row_of(inner), in, WEIR_ROW(inner)), (array, items, WEIR_OF_ROWS(inner)));

static const char plain_text[] =
    "card string not null, cents bigint not null, price decimal(10, 2), at timestamp(3) not null, "
    "tags array<string> not null, m map<string not null, bigint not null> not null, "
    "in row<id bigint not null, label string, flag boolean not null> not null, "
    "items array<row<id bigint not null, label string, flag boolean not null> not null> not null";

static void assert_formats(const weir_schema *schema, const char *text)
{
    weir_buffer out = WEIR_BUFFER_INIT;
    weir_schema_format(schema, &out);
    assert_string_equal(weir_buffer_text(&out), text);
    weir_buffer_deinit(&out);
}

static void test_from_type(void **state)
{
    (void)state;
    weir_schema *schema = schema_of(WEIR_TYPE(plain));
    assert_string_equal(weir_schema_name(schema), "plain");
    assert_int_equal(weir_schema_count(schema), 8);
    assert_int_equal(weir_schema_record_size(schema), sizeof(plain));
    assert_formats(schema, plain_text);
    const weir_schema_field *price = weir_schema_at(schema, 2);
    assert_int_equal(price->offset, offsetof(plain, price));
    assert_int_equal(price->precision, 10);
    assert_int_equal(price->scale, 2);
    assert_true(price->nullable);
    assert_int_equal(weir_schema_at(schema, 3)->precision, 3);
    const weir_schema_field *tags = weir_schema_at(schema, 4);
    assert_int_equal(tags->nchildren, 1);
    assert_int_equal(tags->children[0].record_size, sizeof(weir_nullable_string));
    const weir_schema_field *in = weir_schema_at(schema, 6);
    assert_int_equal(in->record_size, sizeof(inner));
    assert_int_equal(in->children[1].offset, offsetof(inner, label));
    assert_int_equal(weir_schema_at(schema, 7)->children[0].record_size, sizeof(inner));
    assert_int_equal(weir_schema_find(schema, "at"), 3);
    assert_int_equal(weir_schema_find(schema, "nowhere"), -1);
    assert_int_equal(weir_schema_find(schema, NULL), -1);
    assert_null(weir_schema_at(schema, 8));
    weir_schema_unref(&schema);
    assert_null(schema);
    weir_schema_unref(&schema);
    weir_schema_unref(NULL);
}

static void assert_type_fails(weir_field *fields, uint32_t count, const char *const *words)
{
    weir_type type = {sizeof type, sizeof *fields, "broken", 64, count, fields};
    weir_schema *schema = NULL;
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(weir_schema_from_type(&type, &schema, &err), WEIR_EINVALID);
    assert_null(schema);
    for (; *words != NULL; words++) {
        if (strstr(err.text, *words) == NULL)
            fail_msg("'%s' is not in '%s'", *words, err.text);
    }
}

static void test_from_type_all_problems(void **state)
{
    (void)state;
    weir_field fields[] = {
        {"a", 99, 0, 0, 0, 0, 0, NULL},
        {"b", WEIR_KIND_decimal, 0, 39, 0, 0, 0, NULL},
        {"c", WEIR_KIND_decimal, 0, 5, 6, 0, 0, NULL},
        {"a", WEIR_KIND_bigint, 0, 0, 0, 0, 0, NULL},
        {"", WEIR_KIND_bigint, 0, 0, 0, 0, 0, NULL},
        {"d", WEIR_KIND_bigint, 60, 0, 0, 0, 0, NULL},
        {"e", WEIR_KIND_timestamp, 0, 4, 0, 0, 0, NULL},
        {"f", WEIR_KIND_row, 0, 0, 0, 0, 0, NULL},
        {"g", WEIR_KIND_array, 0, 0, 0, WEIR_KIND_map, 0, NULL},
        {"h", WEIR_KIND_map, 0, 0, 0, WEIR_KIND_bigint, WEIR_KIND_string | WEIR_NULLABLE, NULL},
        {"i", WEIR_KIND_bigint, 0, 7, 0, 0, 0, NULL},
        {NULL, WEIR_KIND_bigint, UINT32_MAX, 0, 0, 0, 0, NULL},
    };
    const char *words[] = {"broken: ",
                           "unknown kind 99",
                           "decimal(39, 0)",
                           "decimal(5, 6)",
                           "two fields are named 'a'",
                           "field 5 has no name",
                           "'d' lies at offset 60",
                           "timestamp(4)",
                           "names no record",
                           "'g' holds an map",
                           "nullable keys",
                           "no precision",
                           "; ",
                           "field 12 has no name",
                           NULL};
    assert_type_fails(fields, WEIR_COUNT(fields), words);
}

static void test_from_type_cyclic(void **state)
{
    (void)state;
    weir_type type;
    weir_field fields[] = {{"again", WEIR_KIND_row, 0, 0, 0, 0, 0, &type},
                           {"more", WEIR_KIND_row, 0, 0, 0, 0, 0, &type}};
    type = (weir_type){sizeof type, sizeof *fields, "cycle", 64, 2, fields};
    weir_schema *schema = NULL;
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(weir_schema_from_type(&type, &schema, &err), WEIR_EINVALID);
    assert_non_null(strstr(err.text, "nested deeper than 8"));
    type.fields = NULL;
    assert_int_equal(weir_schema_from_type(&type, &schema, &err), WEIR_EINVALID);
    type.field_size = 8;
    assert_int_equal(weir_schema_from_type(&type, &schema, &err), WEIR_EINVALID);
    type.size = 4;
    assert_int_equal(weir_schema_from_type(&type, &schema, &err), WEIR_EINVALID);
    assert_int_equal(weir_schema_from_type(NULL, &schema, &err), WEIR_EINVALID);
    assert_null(schema);
}

static void test_too_many_fields(void **state)
{
    (void)state;
    static weir_schema_field fields[WEIR_SCHEMA_FIELDS_MAX + 1];
    static char names[WEIR_SCHEMA_FIELDS_MAX + 1][8];
    for (uint32_t i = 0; i <= WEIR_SCHEMA_FIELDS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "f%u", i);
        fields[i] = (weir_schema_field){.name = names[i], .kind = WEIR_KIND_bigint};
    }
    weir_schema *schema = NULL;
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(weir_schema_new("r", fields, WEIR_SCHEMA_FIELDS_MAX + 1, &schema, &err),
                     WEIR_EINVALID);
    assert_int_equal(weir_schema_new("r", fields, WEIR_SCHEMA_FIELDS_MAX, &schema, &err), 0);
    assert_int_equal(weir_schema_find(schema, "f1023"), 1023);
    weir_schema_unref(&schema);
    assert_int_equal(weir_schema_new("r", fields, 0, &schema, &err), WEIR_EINVALID);
}

static void test_parse_and_format(void **state)
{
    (void)state;
    static const char *const same[] = {
        "a boolean, b tinyint, c smallint, d integer, e bigint, f float, g double",
        "a decimal(38, 38) not null, b char(3), c varchar(20) not null, d binary(4), e bytes",
        "a date, b time, c timestamp(0), d timestamp_ltz(9) not null",
        "a interval year to month, b interval day to second not null",
        "a array<array<string not null>> not null, b map<integer not null, row<x string>>",
        "`two words` string, `a``b` string, `1st` string, not string",
        plain_text,
    };
    for (size_t i = 0; i < WEIR_COUNT(same); i++) {
        weir_schema *schema = schema_parsed(same[i]);
        assert_formats(schema, same[i]);
        assert_int_equal(weir_schema_record_size(schema), 0);
        weir_schema_unref(&schema);
    }
    weir_schema *schema = schema_parsed(
        "A INT NOT NULL,b DEC(5),c double  precision null,d timestamp with local time zone, "
        "e timestamp(6) without time zone,f map<string,string>,g row(x int, y char),h interval "
        "month, "
        "i varchar");
    assert_formats(schema, "A integer not null, b decimal(5, 0), c double, d timestamp_ltz(3), "
                           "e timestamp(6), f map<string not null, string>, "
                           "g row<x integer, y char(1)>, h interval year to month, i varchar(1)");
    weir_schema_unref(&schema);
}

static void test_parse_errors(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"", "field name"},
        {"a", "expected a type at the end"},
        {"a strng", "did you mean 'string'"},
        {"a string,", "field name"},
        {"a string b", "expected ','"},
        {"a string not", "expected 'null'"},
        {"a decimal(0)", "decimal(0, 0)"},
        {"a decimal(10", "expected ')'"},
        {"a decimal(x)", "expected a number"},
        {"a char(99999999999)", "too large"},
        {"a array string", "expected '<'"},
        {"a array<string", "expected '>'"},
        {"a map<string>", "expected ','"},
        {"a row<>", "field name"},
        {"a row<x int", "expected ',' or '>'"},
        {"a int, a int", "two fields"},
        {"`a int", "closing backquote"},
        {"a interval year to day", "year to month"},
        {"a timestamp with time zone", "expected 'local'"},
        {"a array<array<array<array<array<array<array<array<int>>>>>>>>", "deeper"},
        {"1a int", "field name"},
    };
    for (size_t i = 0; i < WEIR_COUNT(bad); i++) {
        weir_schema *schema = NULL;
        weir_error err = WEIR_ERROR_INIT;
        assert_int_equal(weir_schema_parse(bad[i][0], &schema, &err), WEIR_EINVALID);
        assert_null(schema);
        if (strstr(err.text, bad[i][1]) == NULL)
            fail_msg("'%s': '%s' is not in '%s'", bad[i][0], bad[i][1], err.text);
    }
}

/* These numbers stand in files: they never change. */
static void test_fingerprint_golden(void **state)
{
    (void)state;
    weir_schema *a = schema_of(WEIR_TYPE(plain)), *b = schema_parsed(plain_text);
    assert_true(weir_schema_equal(a, b));
    assert_int_equal(weir_schema_fingerprint(a), weir_schema_fingerprint(b));
    assert_true(weir_schema_fingerprint(a) == UINT64_C(0x1cacaa456955f2b9));
    weir_schema *c = schema_parsed("word string not null");
    assert_true(weir_schema_fingerprint(c) == UINT64_C(0x0296a593bc8ba641));
    assert_false(weir_schema_equal(a, c));
    weir_schema_unref(&a);
    weir_schema_unref(&b);
    weir_schema_unref(&c);
}

static void test_fingerprint_tells_apart(void **state)
{
    (void)state;
    static const char *const different[] = {"a string",
                                            "b string",
                                            "a string not null",
                                            "a varchar(3)",
                                            "a varchar(4)",
                                            "a char(3)",
                                            "a decimal(4, 2)",
                                            "a decimal(4, 1)",
                                            "a array<string>",
                                            "a row<b string>",
                                            "a row<c string>",
                                            "a string, b string",
                                            "a row<b row<c int>>",
                                            "a row<b int, c int>",
                                            "a timestamp(3)",
                                            "a timestamp_ltz(3)",
                                            "a array<string not null>"};
    for (size_t i = 0; i < WEIR_COUNT(different); i++) {
        weir_schema *x = schema_parsed(different[i]);
        for (size_t k = 0; k < i; k++) {
            weir_schema *y = schema_parsed(different[k]);
            assert_true(weir_schema_fingerprint(x) != weir_schema_fingerprint(y));
            assert_false(weir_schema_equal(x, y));
            weir_schema_unref(&y);
        }
        weir_schema_unref(&x);
    }
}

static void test_new_copies(void **state)
{
    (void)state;
    weir_schema *from = schema_of(WEIR_TYPE(every)), *copy = NULL;
    assert_int_equal(
        weir_schema_new("other", weir_schema_fields(from), weir_schema_count(from), &copy, NULL),
        0);
    assert_true(weir_schema_equal(from, copy));
    weir_schema_unref(&from);
    assert_string_equal(weir_schema_name(copy), "other");
    assert_int_equal(weir_schema_find(copy, "a_varchar"), 9);
    weir_schema *again = weir_schema_ref(copy);
    weir_schema_unref(&copy);
    assert_string_equal(weir_schema_name(again), "other");
    weir_schema_unref(&again);
}

static void test_memory_ends(void **state)
{
    (void)state;
    for (uint64_t nth = 1;; nth++) {
        weir_schema *schema = NULL;
        weir_memory_fail_at(nth);
        int result = weir_schema_parse(plain_text, &schema, NULL);
        weir_memory_fail_at(0);
        if (result == 0) {
            weir_schema_unref(&schema);
            assert_true(nth > 3);
            break;
        }
        assert_int_equal(result, WEIR_ENO_MEMORY);
        assert_null(schema);
    }
    for (uint64_t nth = 1;; nth++) {
        weir_schema *schema = NULL;
        weir_memory_fail_at(nth);
        int result = weir_schema_from_type(WEIR_TYPE(every), &schema, NULL);
        weir_memory_fail_at(0);
        if (result == 0) {
            weir_schema_unref(&schema);
            break;
        }
        assert_int_equal(result, WEIR_ENO_MEMORY);
    }
}

static void test_kinds(void **state)
{
    (void)state;
    assert_string_equal(weir_kind_name(WEIR_KIND_bigint), "bigint");
    assert_string_equal(weir_kind_name(0), "?");
    assert_string_equal(weir_kind_name(1000), "?");
    assert_int_equal(weir_kind_width(WEIR_KIND_decimal), 16);
    assert_int_equal(weir_kind_width(WEIR_KIND_boolean), 0);
    assert_int_equal(weir_kind_width(WEIR_KIND_string), 0);
    assert_int_equal(weir_kind_width(77), 0);
    assert_true(weir_kind_is_variable(WEIR_KIND_char));
    assert_true(weir_kind_is_variable(WEIR_KIND_bytes));
    assert_false(weir_kind_is_variable(WEIR_KIND_array));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_type),
        cmocka_unit_test(test_from_type_all_problems),
        cmocka_unit_test(test_from_type_cyclic),
        cmocka_unit_test(test_too_many_fields),
        cmocka_unit_test(test_parse_and_format),
        cmocka_unit_test(test_parse_errors),
        cmocka_unit_test(test_fingerprint_golden),
        cmocka_unit_test(test_fingerprint_tells_apart),
        cmocka_unit_test(test_new_copies),
        cmocka_unit_test(test_memory_ends),
        cmocka_unit_test(test_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
