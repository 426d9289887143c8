/* token_tests.h -- weir_token against a loop over single bytes; included by two tests, with and
 * without the processor's wide instructions. */
#ifndef TESTS_OPERATORS_TOKEN_TESTS_H
#define TESTS_OPERATORS_TOKEN_TESTS_H

#include <weir/weir.h>

#include "harness.h"

#include <stdlib.h>

static bool is_in(char c, const char *separators)
{
    return c != '\0' && strchr(separators, c) != NULL;
}

/* The rule: separators in front are dropped, then all bytes up to the next one. */
static bool rule(weir_string *s, const char *separators, weir_string *t)
{
    while (s->n > 0 && is_in(*s->p, separators)) {
        s->p++;
        s->n--;
    }
    *t = (weir_string){s->p, 0};
    while (s->n > 0 && !is_in(*s->p, separators)) {
        s->p++;
        s->n--;
        t->n++;
    }
    return t->n > 0;
}

static void compare(const char *text, uint32_t n, const char *separators)
{
    weir_string rest = {text, n}, wanted_rest = rest, token, wanted;
    bool more;

    do {
        more = weir_token(&rest, separators, &token);
        assert_int_equal(more, rule(&wanted_rest, separators, &wanted));
        assert_ptr_equal(token.p, wanted.p);
        assert_int_equal(token.n, wanted.n);
        assert_ptr_equal(rest.p, wanted_rest.p);
        assert_int_equal(rest.n, wanted_rest.n);
    } while (more);
}

/* Texts end where their memory ends, so that a read too far is seen. */
static void test_random_texts(void **state)
{
    static const char *const sets[] = {" ", " \t", "", ",;:", "x", "\x80\xff ", "abcdefgh"};
    weir_prng prng = {9};

    (void)state;
    for (int round = 0; round < 60000; round++) {
        uint32_t n = (uint32_t)weir_prng_below(&prng, round % 4 == 0 ? 150 : 40);
        const char *separators = sets[weir_prng_below(&prng, WEIR_COUNT(sets))];
        uint64_t density = 1 + weir_prng_below(&prng, 20);
        char *text = malloc(n);

        for (uint32_t i = 0; i < n; i++)
            text[i] = weir_prng_below(&prng, density) == 0 && *separators != '\0'
                          ? separators[weir_prng_below(&prng, strlen(separators))]
                          : (char)weir_prng_below(&prng, 256);
        compare(text, n, separators);
        free(text);
    }
}

/* Every length and place of one token in one text. */
static void test_every_place(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 40; n++) {
        for (uint32_t from = 0; from <= n; from++) {
            for (uint32_t to = from; to <= n; to++) {
                char *text = malloc(n);

                memset(text, ' ', n);
                memset(text + from, 'w', to - from);
                compare(text, n, " ");
                compare(text, n, "w");
                free(text);
            }
        }
    }
}

static void test_nothing(void **state)
{
    weir_string rest = {NULL, 0}, token = {"x", 1};

    (void)state;
    assert_false(weir_token(&rest, " ", &token));
    assert_int_equal(token.n, 0);
    assert_int_equal(rest.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_texts),
        cmocka_unit_test(test_every_place),
        cmocka_unit_test(test_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
