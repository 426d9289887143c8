/* tests/unit/base/test_id.c -- ids and digests. */
#include "base/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"

#include <string.h>

static void ids_round_trip(void **state)
{
    (void)state;
    weir_id id = weir_id_random(), other = weir_id_random(), back;
    char hex[WEIR_ID_HEX];
    assert_int_equal(strlen(weir_id_format(&id, hex)), 32);
    assert_int_equal(strspn(hex, "0123456789abcdef"), 32);
    assert_int_equal(weir_id_parse(hex, &back), 0);
    assert_true(weir_id_equal(&id, &back));
    assert_false(weir_id_equal(&id, &other));
    assert_int_equal(weir_id_parse("000102030405060708090A0B0C0D0E0f", &back), 0);
    assert_int_equal(back.bytes[10], 10);
    assert_int_equal(back.bytes[15], 15);
}

static void bad_texts_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "0",
                                      "000102030405060708090a0b0c0d0e0",
                                      "000102030405060708090a0b0c0d0e0f0",
                                      "000102030405060708090a0b0c0d0e0g",
                                      " 00102030405060708090a0b0c0d0e0f"};
    weir_id id = {{7}};
    weir_digest digest = {{7}};
    for (size_t i = 0; i < WEIR_COUNT(bad); i++) {
        assert_int_equal(weir_id_parse(bad[i], &id), WEIR_EINVALID);
        assert_int_equal(weir_digest_parse(bad[i], &digest), WEIR_EINVALID);
    }
    assert_int_equal(id.bytes[0], 7);
    assert_int_equal(digest.bytes[0], 7);
}

/* BLAKE2b-256 of "abc": ids that are derived stay the same for ever. */
static void digests_are_blake2b(void **state)
{
    (void)state;
    char hex[WEIR_DIGEST_HEX], id_hex[WEIR_ID_HEX];
    weir_digest digest = weir_digest_of("abc", 3), back;
    static const char expected[] =
        "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319";
    assert_string_equal(weir_digest_format(&digest, hex), expected);
    assert_int_equal(weir_digest_parse(hex, &back), 0);
    assert_true(weir_digest_equal(&digest, &back));
    back.bytes[31] ^= 1;
    assert_false(weir_digest_equal(&digest, &back));
    weir_id id = weir_id_derive("abc");
    assert_memory_equal(weir_id_format(&id, id_hex), expected, 32);
}

static void digester_equals_one_call(void **state)
{
    (void)state;
    uint8_t bytes[1000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    weir_digester *digester = weir_digester_new();
    weir_digester_update(digester, bytes, 0);
    for (size_t at = 0; at < sizeof bytes; at += 125)
        weir_digester_update(digester, bytes + at, 125);
    weir_digest pieces = weir_digester_finish(&digester);
    assert_null(digester);
    weir_digest whole = weir_digest_of(bytes, sizeof bytes);
    assert_true(weir_digest_equal(&pieces, &whole));
    weir_memory_fail_at(1);
    assert_null(weir_digester_new());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_round_trip),
        cmocka_unit_test(bad_texts_are_refused),
        cmocka_unit_test(digests_are_blake2b),
        cmocka_unit_test(digester_equals_one_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
