/* weir -- one executable for every role and every command. Two answers do not wait for anything
 * else: the version, and the task runner, which an agent starts and a job waits for. */
#include "actors/daemon.h"
#include "cli/cli.h"
#include "taskmanager/daemon.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0))
        return puts("weir " WEIR_VERSION) < 0 || fflush(stdout) != 0;
    if (argc >= 2 && strcmp(argv[1], "runner") == 0)
        return weir_runner_process_run();
    return weir_cli_run(argc, argv, WEIR_INCLUDE_DIR);
}
