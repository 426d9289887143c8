/* taskmanager/crash.h -- what a task runner leaves behind when the job's code crashes or exits: one
 * line in its log that begins with WEIR_CRASH_MARK and says signal, function and place. The agent
 * finds it there.
 *
 * The handler runs on the thread that crashed, on its alternate stack; it uses only open, mmap,
 * write and dladdr. Process-wide. */
#ifndef TASKMANAGER_CRASH_H
#define TASKMANAGER_CRASH_H

#include <stddef.h>
#include <stdint.h>

#define WEIR_CRASH_MARK "crash: "

/* SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT are reported, then end the process as they would have.
 * `memory_limit`: RLIMIT_DATA in force, 0: none; near it, a crash is called out of memory. */
void weir_crash_install(uint64_t memory_limit);
/* exit() of the job's code is reported, too; call before an orderly exit to be quiet. */
void weir_crash_expect_exit(void);

/* Ends the process now, with this as the reason in the log; for what must not be survived in
 * silence. */
__attribute__((noreturn)) void weir_crash_end(const char *reason);

#endif
