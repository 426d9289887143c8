/* tests/unit/cli/test_arguments.c -- a verb's command line, and the table of verbs. */
#include "cli/arguments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

static const weir_command_option options[] = {
    {"parallelism", 'p', "N", "", false},
    {"set", 0, "NAME=VALUE", "", false},
    {"quiet", 'q', NULL, "", false},
    {"output", 'o', "text|json|dot", "", false},
};
static const weir_command command = {.name = "run",
                                     .usage = "FILE",
                                     .options = options,
                                     .noptions = WEIR_COUNT(options),
                                     .words_min = 1,
                                     .words_max = 2};

static int parse(const char *const *texts, weir_arguments *ret, weir_error *err)
{
    static char *argv[16];
    int argc = 0;

    for (; texts[argc] != NULL; argc++)
        argv[argc] = (char *)(uintptr_t)texts[argc];
    argv[argc] = NULL;
    return weir_arguments_parse(&command, argc, argv, ret, err);
}
#define PARSE(ret, err, ...) parse((const char *const[]){__VA_ARGS__, NULL}, ret, err)

static void options_stand_anywhere(void **state)
{
    weir_arguments arguments;
    const char *value;
    size_t at = 0;
    int number, format;
    (void)state;

    assert_int_equal(PARSE(&arguments, NULL, "-qp3", "a.c", "--set", "x=1", "b", "--set=y=2",
                           "--output", "json"),
                     0);
    assert_int_equal(arguments.nwords, 2);
    assert_string_equal(arguments.words[0], "a.c");
    assert_string_equal(arguments.words[1], "b");
    assert_true(weir_arguments_has(&arguments, "quiet"));
    assert_int_equal(weir_arguments_int(&arguments, "parallelism", 1, 1, 10, &number, NULL), 0);
    assert_int_equal(number, 3);
    value = weir_arguments_next(&arguments, "set", &at);
    assert_string_equal(value, "x=1");
    value = weir_arguments_next(&arguments, "set", &at);
    assert_string_equal(value, "y=2");
    assert_null(weir_arguments_next(&arguments, "set", &at));
    assert_string_equal(weir_arguments_get(&arguments, "set"), "y=2");
    assert_int_equal(weir_arguments_format(&arguments, "text|json|dot", &format, NULL), 0);
    assert_int_equal(format, 1);
    weir_arguments_deinit(&arguments);
}

static void two_dashes_end_the_options(void **state)
{
    weir_arguments arguments;
    (void)state;

    assert_int_equal(PARSE(&arguments, NULL, "--", "-q"), 0);
    assert_false(weir_arguments_has(&arguments, "quiet"));
    assert_string_equal(arguments.words[0], "-q");
    weir_arguments_deinit(&arguments);
}

static void help_wins(void **state)
{
    weir_arguments arguments;
    (void)state;

    assert_int_equal(PARSE(&arguments, NULL, "--help"), 0);
    assert_true(arguments.help);
    weir_arguments_deinit(&arguments);
    assert_int_equal(PARSE(&arguments, NULL, "-q", "-h", "--nonsense"), 0);
    assert_true(arguments.help);
    weir_arguments_deinit(&arguments);
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *argv[5], *expected;
    } bad[] = {
        {{"a", "--paralelism", "3", NULL}, "did you mean '--parallelism'?"},
        {{"a", "-x", NULL}, "'-x'"},
        {{"a", "-qx", NULL}, "'-x'"},
        {{"a", "-p", NULL}, "--parallelism: expected a value"},
        {{"a", "--quiet=yes", NULL}, "--quiet: takes no value"},
        {{"-q", NULL}, "expected FILE; found nothing"},
        {{"a", "b", "c", NULL}, "too many words; found 'c'"},
    };
    weir_arguments arguments;
    weir_error error;
    (void)state;

    for (size_t i = 0; i < WEIR_COUNT(bad); i++) {
        assert_int_equal(parse(bad[i].argv, &arguments, &error), WEIR_EINVALID);
        assert_int_equal(strncmp(error.text, "weir run: ", 10), 0);
        if (strstr(error.text, bad[i].expected) == NULL)
            fail_msg("'%s' is not in '%s'", bad[i].expected, error.text);
    }
}

static void values_are_checked(void **state)
{
    weir_arguments arguments;
    weir_error error;
    int number = -7, format;
    (void)state;

    assert_int_equal(PARSE(&arguments, NULL, "a", "-p", "0", "-o", "xml"), 0);
    assert_int_equal(weir_arguments_int(&arguments, "parallelism", 1, 1, 10, &number, &error),
                     WEIR_EINVALID);
    assert_non_null(strstr(error.text, "weir run: --parallelism"));
    assert_int_equal(number, -7);
    assert_int_equal(weir_arguments_format(&arguments, "text|json", &format, &error),
                     WEIR_EINVALID);
    assert_non_null(strstr(error.text, "expected text|json; found 'xml'"));
    weir_arguments_deinit(&arguments);
    assert_int_equal(PARSE(&arguments, NULL, "a", "-o", "js"), 0); /* no abbreviations of values */
    assert_int_equal(weir_arguments_format(&arguments, "text|json", &format, NULL), WEIR_EINVALID);
    weir_arguments_deinit(&arguments);
}

static void memory_may_end(void **state)
{
    weir_arguments arguments;
    weir_error error;
    (void)state;

    for (uint64_t i = 1; i <= 2; i++) {
        weir_memory_fail_at(i);
        assert_int_equal(PARSE(&arguments, &error, "a"), WEIR_ENO_MEMORY);
        weir_memory_fail_at(0);
    }
}

/* ---- the table of verbs ---- */

static void verbs_are_found_by_their_words(void **state)
{
    int used = 0;
    (void)state;

    assert_string_equal(weir_command_find("run", "x.c", &used)->name, "run");
    assert_int_equal(used, 1);
    assert_string_equal(weir_command_find("cluster", "start", &used)->name, "cluster start");
    assert_int_equal(used, 2);
    assert_null(weir_command_find("cluster", NULL, &used));
    assert_null(weir_command_find("cluster", "x", &used));
    assert_null(weir_command_find("ru", NULL, &used));
    assert_null(weir_command_find("a word that is longer than any verb", NULL, &used));
    assert_string_equal(weir_command_suggest("lisst"), "list");
    assert_non_null(strstr(weir_command_suggest("cluster"), "cluster "));
    assert_null(weir_command_suggest("a word that is longer than any verb"));
}

/* Whatever a row says, the code that reads it relies on this. */
static void the_table_is_sound(void **state)
{
    size_t count;
    const weir_command *commands = weir_commands(&count);
    (void)state;

    for (size_t i = 0; i < count; i++) {
        const weir_command *one = &commands[i];
        bool letters[256] = {false};

        assert_non_null(one->run);
        assert_true(one->words_min <= one->words_max);
        assert_true(one->noptions <= WEIR_COMMAND_OPTIONS_MAX);
        assert_true(one->summary[strlen(one->summary) - 1] == '.');
        for (size_t o = 0; o < one->noptions; o++) {
            unsigned char letter = (unsigned char)one->options[o].letter;

            assert_true(letter == 0 || !letters[letter]);
            assert_true(letter != 'h');
            letters[letter] = true;
            for (size_t other = 0; other < o; other++)
                assert_string_not_equal(one->options[o].name, one->options[other].name);
        }
    }
}

static void help_and_completion_know_every_verb(void **state)
{
    weir_buffer help = WEIR_BUFFER_INIT, completion = WEIR_BUFFER_INIT, one = WEIR_BUFFER_INIT;
    size_t count;
    const weir_command *commands = weir_commands(&count);
    char wanted[64];
    (void)state;

    weir_help_all(&help);
    weir_help_completion(&completion);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(strstr(weir_buffer_text(&help), commands[i].name));
        snprintf(wanted, sizeof wanted, "    '%s')", commands[i].name);
        assert_non_null(strstr(weir_buffer_text(&completion), wanted));
        weir_buffer_clear(&one);
        weir_help_command(&commands[i], &one);
        assert_non_null(strstr(weir_buffer_text(&one), commands[i].summary));
        for (size_t o = 0; o < commands[i].noptions; o++) {
            snprintf(wanted, sizeof wanted, "--%s", commands[i].options[o].name);
            assert_true(commands[i].options[o].hidden ==
                        (strstr(weir_buffer_text(&one), wanted) == NULL));
        }
    }
    weir_buffer_deinit(&help);
    weir_buffer_deinit(&completion);
    weir_buffer_deinit(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_anywhere),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(help_wins),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(values_are_checked),
        cmocka_unit_test(memory_may_end),
        cmocka_unit_test(verbs_are_found_by_their_words),
        cmocka_unit_test(the_table_is_sound),
        cmocka_unit_test(help_and_completion_know_every_verb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
