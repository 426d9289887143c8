/* cli/arguments.h -- a verb's part of the command line, parsed by its table of options. Options may
 * stand before, between and after the words; "--" ends them. Texts are those of argv. */
#ifndef CLI_ARGUMENTS_H
#define CLI_ARGUMENTS_H

#include "cli/command.h"

typedef struct weir_given_option {
    const weir_command_option *option;
    const char *value; /* NULL: a switch */
} weir_given_option;

struct weir_arguments {
    const weir_command *command;
    const char *include_dir;
    char **words;
    int nwords;
    bool help; /* -h or --help: nothing else was checked */
    weir_given_option *given;
    size_t ngiven;
};

/* `argv` are the arguments behind the verb's name; their order changes. Not for several threads at
 * a time (getopt). WEIR_EINVALID names the option and what is known. */
int weir_arguments_parse(const weir_command *command, int argc, char **argv, weir_arguments *ret,
                         weir_error *err) WEIR_MUST_CHECK;
void weir_arguments_deinit(weir_arguments *arguments);

bool weir_arguments_has(const weir_arguments *arguments, const char *name);
/* Its last value, or NULL. */
const char *weir_arguments_get(const weir_arguments *arguments, const char *name);
/* Every value in turn: for (size_t i = 0; (v = weir_arguments_next(a, "set", &i)) != NULL;) */
const char *weir_arguments_next(const weir_arguments *arguments, const char *name, size_t *cursor);
/* An integer option within limits; `fallback` when it was not given. */
int weir_arguments_int(const weir_arguments *arguments, const char *name, int fallback, int min,
                       int max, int *ret, weir_error *err) WEIR_MUST_CHECK;
/* The place of -o's value in "text|json" as a number from 0; 0 without -o. */
int weir_arguments_format(const weir_arguments *arguments, const char *choices, int *ret,
                          weir_error *err) WEIR_MUST_CHECK;

#endif
