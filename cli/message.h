/* cli/message.h -- what the command line says to people, on stderr, and exit codes. Every error is
 * one whole line `where: error: what; what was found; what to do`. */
#ifndef CLI_MESSAGE_H
#define CLI_MESSAGE_H

#include "base/error.h"

enum weir_exit {
    WEIR_EXIT_DONE = 0,
    WEIR_EXIT_FAILED = 1,    /* the job failed, or this machine did */
    WEIR_EXIT_BAD_INPUT = 2, /* an argument, a file, a configuration */
    WEIR_EXIT_NOT_FOUND = 3, /* a job, a cluster */
    WEIR_EXIT_TIMED_OUT = 4  /* work may go on */
};

/* The exit code for an enum weir_code. */
int weir_exit_of(int code);
/* The lines of an error as they are shown: lines that hold ": error: " already, and those that
 * follow one, stay as they are; others get "weir: error: " in front. Returns the exit code. */
int weir_message_error(const weir_error *err);
/* The same with a text of its own. */
int weir_message_fail(int code, const char *format, ...) WEIR_PRINTF(2, 3);
/* One line. */
void weir_message(const char *format, ...) WEIR_PRINTF(1, 2);

#endif
