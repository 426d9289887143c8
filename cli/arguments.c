/* cli/arguments.c -- getopt_long over a verb's table. */
#include "cli/arguments.h"

#include "base/memory.h"
#include "base/units.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_LONG = 256, HELP = 255 };

typedef struct getopt_tables {
    struct option longs[WEIR_COMMAND_OPTIONS_MAX + 2];
    char shorts[2 * WEIR_COMMAND_OPTIONS_MAX + 4];
} getopt_tables;

static void fill_tables(const weir_command *command, getopt_tables *tables)
{
    size_t end = 0;

    memset(tables, 0, sizeof *tables);
    tables->shorts[end++] = ':'; /* a missing value is told apart from an unknown option */
    tables->shorts[end++] = 'h';
    for (size_t i = 0; i < command->noptions; i++) {
        const weir_command_option *option = &command->options[i];

        tables->longs[i].name = option->name;
        tables->longs[i].has_arg = option->argument == NULL ? no_argument : required_argument;
        tables->longs[i].val = FIRST_LONG + (int)i;
        if (option->letter == 0)
            continue;
        tables->shorts[end++] = option->letter;
        if (option->argument != NULL)
            tables->shorts[end++] = ':';
    }
    tables->longs[command->noptions] = (struct option){"help", no_argument, NULL, HELP};
}

static const weir_command_option *option_of(const weir_command *command, int found)
{
    if (found >= FIRST_LONG)
        return &command->options[found - FIRST_LONG];
    for (size_t i = 0; i < command->noptions; i++)
        if (command->options[i].letter != 0 && command->options[i].letter == found)
            return &command->options[i];
    return NULL;
}

static int fail_unknown(const weir_command *command, const char *text, weir_error *err)
{
    const char *known[WEIR_COMMAND_OPTIONS_MAX];
    char quoted[WEIR_QUOTED_MAX], word[64];
    const char *near = NULL;

    weir_format_quoted(text, quoted, sizeof quoted);
    if (strncmp(text, "--", 2) == 0) {
        size_t size = strcspn(text + 2, "=");

        for (size_t i = 0; i < command->noptions; i++)
            known[i] = command->options[i].name;
        snprintf(word, sizeof word, "%.*s", (int)(size < sizeof word ? size : sizeof word - 1),
                 text + 2);
        near = weir_suggest(word, known, command->noptions);
    }
    if (near != NULL)
        return weir_error_set(err, WEIR_EINVALID,
                              "weir %s: unknown or ambiguous option %s; did you mean '--%s'?",
                              command->name, quoted, near);
    return weir_error_set(err, WEIR_EINVALID,
                          "weir %s: unknown or ambiguous option %s; see: weir help %s",
                          command->name, quoted, command->name);
}

static int fail_option(const weir_command *command, int found, char **argv, weir_error *err)
{
    const weir_command_option *option = optopt == 0 ? NULL : option_of(command, optopt);
    char letter[3] = {'-', (char)optopt, '\0'};

    if (found == ':' && option != NULL)
        return weir_error_set(err, WEIR_EINVALID,
                              "weir %s: --%s: expected a value; found none; write --%s %s",
                              command->name, option->name, option->name, option->argument);
    if (option != NULL)
        return weir_error_set(err, WEIR_EINVALID, "weir %s: --%s: takes no value; leave it out",
                              command->name, option->name);
    bool is_letter = optopt > 0 && optopt < HELP;
    return fail_unknown(command, is_letter ? letter : argv[optind - 1], err);
}

static int check_words(const weir_arguments *arguments, weir_error *err)
{
    const weir_command *command = arguments->command;
    char quoted[WEIR_QUOTED_MAX];

    if (arguments->nwords < command->words_min)
        return weir_error_set(
            err, WEIR_EINVALID, "weir %s: expected %s; found %s; see: weir help %s", command->name,
            command->usage, arguments->nwords == 0 ? "nothing" : "less", command->name);
    if (arguments->nwords > command->words_max)
        return weir_error_set(
            err, WEIR_EINVALID, "weir %s: too many words; found %s; see: weir help %s",
            command->name,
            weir_format_quoted(arguments->words[command->words_max], quoted, sizeof quoted),
            command->name);
    return 0;
}

static int parse(weir_arguments *ret, int argc, char **argv, weir_error *err)
{
    getopt_tables tables;
    int found;

    fill_tables(ret->command, &tables);
    opterr = 0;
    optind = 0; /* a fresh start, also of the scan inside of a word */
    while ((found = getopt_long(argc, argv, tables.shorts, tables.longs, NULL)) != -1) {
        if (found == HELP || found == 'h') {
            ret->help = true;
            return 0;
        }
        const weir_command_option *option =
            found == '?' || found == ':' ? NULL : option_of(ret->command, found);
        if (option == NULL)
            return fail_option(ret->command, found, argv, err);
        ret->given[ret->ngiven++] =
            (weir_given_option){option, option->argument == NULL ? NULL : optarg};
    }
    ret->words = argv + optind;
    ret->nwords = argc - optind;
    return check_words(ret, err);
}

int weir_arguments_parse(const weir_command *command, int argc, char **argv, weir_arguments *ret,
                         weir_error *err)
{
    /* getopt wants the program's name in front and finds at most one option per letter. */
    size_t letters = 1;

    memset(ret, 0, sizeof *ret);
    ret->command = command;
    for (int i = 0; i < argc; i++)
        letters += strlen(argv[i]) + 1;
    char **words = weir_calloc((size_t)argc + 2, sizeof *words);
    ret->given = weir_calloc(letters, sizeof *ret->given);
    if (words == NULL || ret->given == NULL) {
        weir_free(words);
        weir_arguments_deinit(ret);
        return weir_error_set(err, WEIR_ENO_MEMORY, "weir %s: no memory", command->name);
    }
    words[0] = (char *)(uintptr_t)command->name;
    memcpy(words + 1, argv, (size_t)argc * sizeof *words);
    int rc = parse(ret, argc + 1, words, err);
    if (rc == 0 && !ret->help) { /* getopt moved the words to the end */
        memcpy(argv, words + 1, (size_t)argc * sizeof *words);
        ret->words = argv + (ret->words - words - 1);
    }
    weir_free(words);
    if (rc != 0)
        weir_arguments_deinit(ret);
    return rc;
}

void weir_arguments_deinit(weir_arguments *arguments)
{
    weir_free(arguments->given);
    arguments->given = NULL;
    arguments->ngiven = 0;
}

bool weir_arguments_has(const weir_arguments *arguments, const char *name)
{
    for (size_t i = 0; i < arguments->ngiven; i++)
        if (strcmp(arguments->given[i].option->name, name) == 0)
            return true;
    return false;
}

const char *weir_arguments_get(const weir_arguments *arguments, const char *name)
{
    const char *value = NULL, *next;

    for (size_t i = 0; (next = weir_arguments_next(arguments, name, &i)) != NULL;)
        value = next;
    return value;
}

const char *weir_arguments_next(const weir_arguments *arguments, const char *name, size_t *cursor)
{
    while (*cursor < arguments->ngiven) {
        const weir_given_option *given = &arguments->given[(*cursor)++];

        if (strcmp(given->option->name, name) == 0)
            return given->value;
    }
    return NULL;
}

int weir_arguments_int(const weir_arguments *arguments, const char *name, int fallback, int min,
                       int max, int *ret, weir_error *err)
{
    const char *value = weir_arguments_get(arguments, name);
    int64_t number;

    if (value == NULL) {
        *ret = fallback;
        return 0;
    }
    int rc = weir_parse_int(value, min, max, &number, err);
    if (rc != 0)
        return weir_error_wrap(err, rc, "weir %s: --%s", arguments->command->name, name);
    *ret = (int)number;
    return 0;
}

int weir_arguments_format(const weir_arguments *arguments, const char *choices, int *ret,
                          weir_error *err)
{
    const char *value = weir_arguments_get(arguments, "output"), *at = choices;
    char quoted[WEIR_QUOTED_MAX];

    *ret = 0;
    if (value == NULL)
        return 0;
    for (int i = 0;; i++) {
        size_t size = strcspn(at, "|");

        if (strlen(value) == size && strncmp(value, at, size) == 0) {
            *ret = i;
            return 0;
        }
        if (at[size] == '\0')
            return weir_error_set(err, WEIR_EINVALID, "weir %s: -o: expected %s; found %s",
                                  arguments->command->name, choices,
                                  weir_format_quoted(value, quoted, sizeof quoted));
        at += size + 1;
    }
}
