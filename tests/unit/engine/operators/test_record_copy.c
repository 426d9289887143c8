#include "harness.h"

#include "operators/record_copy.h"

WEIR_RECORD(point, (bigint, x), (nullable_string, label));
WEIR_RECORD(flat, (bigint, a), (nullable_double, b), (decimal, c, WEIR_PRECISION(10, 2)));
WEIR_RECORD(rich, (bigint, id), (string, name), (nullable_bytes, raw),
            (row_of(point), at, WEIR_ROW(point)), (array, tags, WEIR_OF(string)),
            (array, numbers, WEIR_OF(bigint)), (array, points, WEIR_OF_ROWS(point)),
            (map, ages, WEIR_FROM_TO(string, bigint)));

static bool same(weir_string a, const char *b)
{
    return a.n == strlen(b) && memcmp(a.p, b, a.n) == 0;
}

static void check_rich(const rich *r)
{
    const weir_string *tags = r->tags.items, *names = r->ages.keys;
    const point *points = r->points.items;

    assert_int_equal(r->id, 5);
    assert_true(same(r->name, "hello"));
    assert_true(r->raw.is_null);
    assert_int_equal(r->at.x, 7);
    assert_true(same(r->at.label.value, "corner"));
    assert_int_equal(r->tags.n, 2);
    assert_true(same(tags[0], "red") && same(tags[1], ""));
    assert_int_equal(((const int64_t *)r->numbers.items)[2], 30);
    assert_int_equal(points[1].x, 2);
    assert_true(points[0].label.is_null);
    assert_true(same(points[1].label.value, "second"));
    assert_true(same(names[0], "ann"));
    assert_int_equal(((const int64_t *)r->ages.values)[0], 44);
}

/* The copy holds everything: the originals are gone when it is checked. */
static void test_deep_copy(void **state)
{
    weir_schema *schema = schema_of(WEIR_TYPE(rich));
    weir_string tags[2] = {str("red"), str("")}, names[1] = {str("ann")};
    int64_t numbers[3] = {10, 20, 30}, ages[1] = {44};
    char *hello = strdup("hello"), *second = strdup("second");
    point points[2] = {{.x = 1, .label = {.is_null = true, .value = {(char *)1, 999}}},
                       {.x = 2, .label = {.value = str(second)}}};
    rich r = {.id = 5,
              .name = str(hello),
              .raw = {.is_null = true},
              .at = {.x = 7, .label = {.value = str("corner")}},
              .tags = {tags, 2},
              .numbers = {numbers, 3},
              .points = {points, 2},
              .ages = {names, ages, 1}};
    size_t size = 0;
    rich *copy;

    (void)state;
    assert_false(weir_record_is_flat(schema));
    assert_int_equal(weir_record_measure(schema, &r, &size), 0);
    assert_true(size > sizeof r && size % 16 == 0);
    copy = weir_alloc(size);
    assert_non_null(copy);
    weir_record_copy(schema, &r, copy);
    memset(hello, '#', 5);
    memset(second, '#', 6);
    memset(tags, 0, sizeof tags);
    memset(numbers, 0, sizeof numbers);
    memset(points, 0, sizeof points);
    free(hello);
    free(second);
    check_rich(copy);
    assert_true(weir_record_is_within(schema, copy, size));
    copy->name = str("elsewhere");
    assert_false(weir_record_is_within(schema, copy, size));
    copy->name.n = 0; /* an empty string points nowhere */
    assert_true(weir_record_is_within(schema, copy, size));
    copy->at.label.value.p = "away";
    assert_false(weir_record_is_within(schema, copy, size));
    copy->at.label.is_null = true;
    assert_true(weir_record_is_within(schema, copy, size));
    ((weir_string *)(uintptr_t)copy->tags.items)[0].p = "red";
    assert_false(weir_record_is_within(schema, copy, size));
    weir_free(copy);
    weir_schema_unref(&schema);
}

static void test_flat_and_too_large(void **state)
{
    weir_schema *schema = schema_of(WEIR_TYPE(flat)), *deep = schema_of(WEIR_TYPE(point));
    point p = {.label = {.value = {"x", UINT32_MAX}}};
    flat f = {.a = 1};
    size_t size = 0;

    (void)state;
    assert_true(weir_record_is_flat(schema));
    assert_int_equal(weir_record_measure(schema, &f, &size), 0);
    assert_true(size >= sizeof f);
    assert_int_equal(weir_record_measure(deep, &p, &size), WEIR_ETOO_LARGE);
    weir_schema_unref(&schema);
    weir_schema_unref(&deep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deep_copy),
        cmocka_unit_test(test_flat_and_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
