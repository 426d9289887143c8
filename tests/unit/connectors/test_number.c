/* test_number.c -- numbers as text, both ways. */
#include "harness.h"

#include "connectors/formats/number.h"

#include <math.h>

static void integers_are_exact_at_their_limits(void **state)
{
    static const char *const good[] = {"0",
                                       "-0",
                                       "+7",
                                       "00012",
                                       "9223372036854775807",
                                       "-9223372036854775808",
                                       "0000000000000000000000000001"};
    static const char *const bad[] = {"",
                                      "-",
                                      "+",
                                      "1.0",
                                      "1e3",
                                      " 1",
                                      "1 ",
                                      "--1",
                                      "12a",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "18446744073709551616",
                                      "99999999999999999999999"};
    int64_t value = 42;
    char out[WEIR_NUMBER_MAX + 1];

    (void)state;
    for (size_t i = 0; i < WEIR_COUNT(good); i++) {
        assert_null(weir_number_parse_int(good[i], strlen(good[i]), INT64_MIN, INT64_MAX, &value));
        assert_true(value == strtoll(good[i], NULL, 10));
        out[weir_number_format_int(value, out)] = '\0';
        assert_true(strtoll(out, NULL, 10) == value);
    }
    value = 42;
    for (size_t i = 0; i < WEIR_COUNT(bad); i++)
        assert_non_null(
            weir_number_parse_int(bad[i], strlen(bad[i]), INT64_MIN, INT64_MAX, &value));
    assert_int_equal(value, 42);
    assert_non_null(weir_number_parse_int("128", 3, INT8_MIN, INT8_MAX, &value));
    assert_null(weir_number_parse_int("-128", 4, INT8_MIN, INT8_MAX, &value));
}

static void assert_double(const char *text, double wanted)
{
    double value = 0;

    assert_null(weir_number_parse_double(text, strlen(text), &value));
    assert_memory_equal(&value, &wanted, sizeof value);
}

static void doubles_are_read_correctly_rounded(void **state)
{
    static const char *const bad[] = {"",     ".",    "-",     "e5",     "1e",  "1e+",    "0x10",
                                      "1..2", "nano", "1e400", "-1e999", "1 2", "infinit"};
    double value = 0;

    (void)state;
    assert_double("0.1", 0.1);
    assert_double("-0", -0.0);
    assert_double("1e22", 1e22);
    assert_double("1e23", 1e23);
    assert_double(".5", 0.5);
    assert_double("5.", 5.0);
    assert_double("123456789012345678901234567890", 123456789012345678901234567890.0);
    assert_double("9007199254740993", 9007199254740993.0);
    assert_double("2.2250738585072011e-308", 2.2250738585072011e-308);
    assert_double("4.9e-324", 4.9e-324);
    assert_double("1e-400", 0.0);
    assert_double("+Infinity", (double)INFINITY);
    assert_double("-inf", -(double)INFINITY);
    assert_null(weir_number_parse_double("NaN", 3, &value));
    assert_true(isnan(value));
    for (size_t i = 0; i < WEIR_COUNT(bad); i++)
        assert_non_null(weir_number_parse_double(bad[i], strlen(bad[i]), &value));
}

static void every_double_reads_back(void **state)
{
    weir_prng prng = {7};
    char out[WEIR_NUMBER_MAX + 1];

    (void)state;
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = weir_prng_next(&prng);
        double value, back = 0;

        if (i % 2 == 0)
            memcpy(&value, &bits, sizeof value);
        else
            value = (double)(int64_t)(bits >> 30) / (i % 4 == 1 ? 100 : 1e7) - 50;
        if (isnan(value))
            continue;
        out[weir_number_format_double(value, out)] = '\0';
        assert_null(weir_number_parse_double(out, strlen(out), &back));
        assert_memory_equal(&value, &back, sizeof value);
        assert_true(back >= strtod(out, NULL) && back <= strtod(out, NULL));
    }
}

static void every_float_reads_back(void **state)
{
    weir_prng prng = {8};
    char out[WEIR_NUMBER_MAX + 1];

    (void)state;
    for (int i = 0; i < 100000; i++) {
        uint32_t bits = (uint32_t)weir_prng_next(&prng);
        float value, back = 0;

        if (i % 2 == 0)
            memcpy(&value, &bits, sizeof value);
        else
            value = (float)(bits % 1000000) / 100;
        if (isnan(value))
            continue;
        out[weir_number_format_float(value, out)] = '\0';
        assert_null(weir_number_parse_float(out, strlen(out), &back));
        assert_memory_equal(&value, &back, sizeof value);
        assert_true(back >= strtof(out, NULL) && back <= strtof(out, NULL));
    }
}

/* Values of all sizes and shapes; many are short decimals. */
static double random_double(weir_prng *prng)
{
    uint64_t bits = weir_prng_next(prng);
    double value;

    if (weir_prng_below(prng, 2) == 0) {
        value = (double)(int64_t)(bits >> weir_prng_below(prng, 64));
        for (uint64_t n = weir_prng_below(prng, 12); n > 0; n--)
            value /= 10;
        return bits & 1 ? value : -value;
    }
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Whatever places are tried first, the text is the same. */
static void guesses_do_not_matter(void **state)
{
    weir_prng prng = {77};
    unsigned places = 0;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        char fresh[WEIR_NUMBER_MAX + 1], near[WEIR_NUMBER_MAX + 1];
        double value = random_double(&prng), back = 0;
        size_t size = weir_number_format_double(value, fresh);

        if (i % 3 == 0)
            places = (unsigned)weir_prng_below(&prng, 10);
        assert_int_equal(weir_number_format_double_near(value, &places, near), size);
        assert_memory_equal(fresh, near, size);
        assert_true(places <= 9);
        assert_null(weir_number_parse_double(fresh, size, &back));
        assert_true(isnan(value) ? isnan(back) : back >= value && back <= value);
    }
}

static void assert_text(double value, const char *wanted)
{
    char out[WEIR_NUMBER_MAX + 1];

    out[weir_number_format_double(value, out)] = '\0';
    assert_string_equal(out, wanted);
}

static void doubles_are_written_shortly(void **state)
{
    (void)state;
    assert_text(0, "0.0");
    assert_text(-0.0, "-0.0");
    assert_text(3, "3.0");
    assert_text(-1.25, "-1.25");
    assert_text(0.1, "0.1");
    assert_text(0.1 + 0.2, "0.30000000000000004");
    assert_text(19.99, "19.99");
    assert_text(0.001, "0.001");
    assert_text(1e300, "1e+300");
    assert_text((double)NAN, "NaN");
    assert_text(-(double)INFINITY, "-Infinity");
}

static void assert_decimal(const char *text, uint32_t precision, uint32_t scale, const char *wanted)
{
    weir_decimal value = {0, 0};
    char out[WEIR_NUMBER_MAX + 1];

    assert_null(weir_number_parse_decimal(text, strlen(text), precision, scale, &value));
    out[weir_number_format_decimal(&value, scale, out)] = '\0';
    assert_string_equal(out, wanted);
}

static void decimals_are_exact(void **state)
{
    static const char big[] = "99999999999999999999999999999999999999";
    weir_decimal value;

    (void)state;
    assert_decimal("12.5", 10, 2, "12.50");
    assert_decimal("-0.05", 10, 2, "-0.05");
    assert_decimal(".5", 3, 1, "0.5");
    assert_decimal("7.", 3, 1, "7.0");
    assert_decimal("1.2300", 10, 2, "1.23");
    assert_decimal("0", 5, 0, "0");
    assert_decimal("0", 5, 5, "0.00000");
    assert_decimal("0.12345", 5, 5, "0.12345");
    assert_decimal(big, 38, 0, big);
    assert_decimal("-99999999999999999999999999999999999.999", 38, 3,
                   "-99999999999999999999999999999999999.999");
    assert_non_null(weir_number_parse_decimal("1.234", 5, 10, 2, &value));
    assert_non_null(weir_number_parse_decimal("1000", 4, 5, 2, &value));
    assert_non_null(
        weir_number_parse_decimal("100000000000000000000000000000000000000", 39, 38, 0, &value));
    assert_non_null(weir_number_parse_decimal("1e3", 3, 10, 2, &value));
    assert_non_null(weir_number_parse_decimal(".", 1, 10, 2, &value));
    assert_non_null(weir_number_parse_decimal("-", 1, 10, 2, &value));
    assert_non_null(weir_number_parse_decimal("", 0, 10, 2, &value));
}

/* Decimals of up to 64 bits against their digits, with a point put into them. */
static void small_decimals_are_their_digits(void **state)
{
    weir_prng prng = {78};

    (void)state;
    for (int i = 0; i < 50000; i++) {
        uint64_t digits = weir_prng_next(&prng) >> weir_prng_below(&prng, 64);
        uint32_t scale = (uint32_t)weir_prng_below(&prng, 38);
        bool negative = weir_prng_below(&prng, 2) == 0 && digits > 0;
        weir_decimal value = {negative ? 0 - digits : digits, negative ? -1 : 0};
        char text[80], wanted[90], out[WEIR_NUMBER_MAX];
        size_t n = (size_t)snprintf(text, sizeof text, "%0*llu", (int)scale + 1,
                                    (unsigned long long)digits);

        n = (size_t)snprintf(wanted, sizeof wanted, "%s%.*s%s%s", negative ? "-" : "",
                             (int)(n - scale), text, scale > 0 ? "." : "", text + n - scale);
        assert_int_equal(weir_number_format_decimal(&value, scale, out), n);
        assert_memory_equal(out, wanted, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_exact_at_their_limits),
        cmocka_unit_test(doubles_are_read_correctly_rounded),
        cmocka_unit_test(every_double_reads_back),
        cmocka_unit_test(every_float_reads_back),
        cmocka_unit_test(doubles_are_written_shortly),
        cmocka_unit_test(guesses_do_not_matter),
        cmocka_unit_test(decimals_are_exact),
        cmocka_unit_test(small_decimals_are_their_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
