/* cli/cli.h -- the `weir` command: finds the verb, parses its options, runs it. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "cli/command.h"

/* The whole life of a command; returns the exit code. `include_dir`: where <weir/weir.h> lies when
 * it is not found beside the executable; NULL: nowhere. */
int weir_cli_run(int argc, char **argv, const char *include_dir);

#endif
