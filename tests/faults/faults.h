/* tests/faults/faults.h -- the n-th file operation or LMDB call of a process fails, or kills it.
 *
 * The calls are interposed: file_calls.c and unit/engine/store/lmdb_calls.c define functions of the
 * C library's and LMDB's names, which decide and then call the real ones. Linked into a test, they
 * stand before the libraries, for LMDB's own calls, too; as a shared object (libweir_faults.so)
 * they do the same for a program that is started with LD_PRELOAD. So what is tested is what is
 * shipped: real files, real LMDB, no test code in the product.
 *
 * File operations count when they touch the watched directory, a path below it or a descriptor
 * opened there; with them pipe2, fork and waitpid, on which a check of the store depends. LMDB's
 * count when they come from outside LMDB. Counts are shared with child processes. Syncs are not
 * passed on to the disk: a process that dies loses nothing that it has written, and the tests are
 * about such deaths. */
#ifndef TESTS_FAULTS_FAULTS_H
#define TESTS_FAULTS_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#define FAULTS_DESCRIPTORS 500 /* those from here on are our own: no leaks */

enum faults_of { FAULTS_OF_FILES = 1, FAULTS_OF_LMDB = 2 }; /* bits */

enum faults_lmdb { /* LMDB's codes, for those who may not include its header */
                   FAULTS_CORRUPTED = -30796,
                   FAULTS_PANIC = -30795,
                   FAULTS_MAP_FULL = -30792,
                   FAULTS_TXN_FULL = -30788,
                   FAULTS_PAGE_FULL = -30786,
                   FAULTS_BAD_TXN = -30782
};

enum faults_kind {
    FAULTS_COUNT, /* nothing fails */
    FAULTS_FAIL,  /* the operation does nothing and fails with `code` */
    FAULTS_LATE,  /* it does what it should and fails all the same; writes of files and syncs are as
                   * FAIL, for there is no difference */
    FAULTS_SHORT, /* a write writes its first half; only writes are counted */
    FAULTS_KILL   /* the process dies before the operation, as by kill -9 */
};

typedef struct faults_plan {
    unsigned of; /* faults_of */
    enum faults_kind kind;
    int code;      /* errno, or LMDB's code for FAULTS_OF_LMDB */
    uint64_t nth;  /* from 1 */
    bool for_good; /* all that follow fail, too */
} faults_plan;

/* The directory (absolute; below it, too). Its descriptors that are open already do not count. */
void faults_watch(const char *directory);
/* A new plan, counting from 0, not armed. NULL: none. */
void faults_set(const faults_plan *plan);
/* Operations count and fail while armed. */
void faults_arm(bool on);
uint64_t faults_count(void);   /* operations since faults_set */
bool faults_hit(void);         /* the n-th came */
const char *faults_what(void); /* which it was: "pwrite /tmp/x/data.mdb" */
/* The file is one whose sync failed: what was written may not be on the disk, and later syncs tell
 * nothing about it (Linux reports a lost page once). Since faults_watch. */
bool faults_is_lost(const char *path);

#endif
