/* cli/command.h -- a verb as data: its name, its options, its help and its function. One table of
 * them (cli/commands.c) drives the parsing, `weir help` and the completion of the shell. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define WEIR_COMMAND_OPTIONS_MAX 24

typedef struct weir_command_option {
    const char *name;     /* "parallelism", without the dashes */
    char letter;          /* 'p'; 0: none */
    const char *argument; /* "N"; NULL: a switch */
    const char *meaning;
    bool hidden; /* for our own processes: not in the help */
} weir_command_option;

typedef struct weir_arguments weir_arguments;

typedef struct weir_command {
    const char *name;    /* "run", "cluster start" */
    const char *usage;   /* what follows the name, without options: "FILE.c|FILE.so"; "" */
    const char *summary; /* one sentence */
    const char *details; /* more paragraphs of the help; NULL */
    const weir_command_option *options;
    size_t noptions;
    int words_min, words_max;
    const char *choices; /* of the first word, separated by spaces, for the shell; NULL: files */
    bool hidden;
    int (*run)(const weir_arguments *arguments); /* returns the exit code; has printed its errors */
} weir_command;

const weir_command *weir_commands(size_t *ret_count);
/* By the words of a command line: "run", or "cluster", "start". *ret_used says how many of them are
 * its name. NULL: there is none. */
const weir_command *weir_command_find(const char *first, const char *second, int *ret_used);
/* The name the user may have meant, or NULL. */
const char *weir_command_suggest(const char *word);

#endif
