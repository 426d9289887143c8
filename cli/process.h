/* cli/process.h -- processes of this host: starting programs, and knowing whether one that a pid
 * file names is still the one it was (process numbers are used again; start times tell them apart).
 */
#ifndef CLI_PROCESS_H
#define CLI_PROCESS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/wait.h>

/* Runs a program and waits; its stdout becomes our stderr. *ret_status is waitpid's. */
int weir_process_call(const char *path, const char *const *argv, int *ret_status,
                      weir_error *err) WEIR_MUST_CHECK;

typedef struct weir_process_spawn {
    const char *path;        /* absolute; also argv[0] */
    const char *const *argv; /* ends with NULL */
    char *const *environment;
    const char *log_path; /* stdout and stderr are appended to it */
    int ready_fd;         /* becomes descriptor 3; -1: none */
} weir_process_spawn;

/* A daemon in a session of its own, stdin from /dev/null, no signal blocked. */
int weir_process_spawn_daemon(const weir_process_spawn *spawn, pid_t *ret_pid,
                              weir_error *err) WEIR_MUST_CHECK;

/* When it started, in clock ticks since boot; 0: there is no such process (a zombie is none). */
uint64_t weir_process_started(pid_t pid);
/* A descriptor that is readable when the process has ended; -1 when it has. */
int weir_process_open(pid_t pid, uint64_t started);
/* Resident memory in bytes; 0: not known. */
uint64_t weir_process_resident(pid_t pid);

#endif
