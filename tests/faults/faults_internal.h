/* tests/faults/faults_internal.h -- between the files of this folder. */
#ifndef TESTS_FAULTS_FAULTS_INTERNAL_H
#define TESTS_FAULTS_FAULTS_INTERNAL_H

#include "tests/faults/faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

#define FAULTS_CALL __attribute__((visibility("default")))

/* The function of the same name that comes after ours. */
#define FAULTS_REAL(name)                                                                          \
    static __typeof__(&name) real;                                                                 \
    if (real == NULL)                                                                              \
    *(void **)&real = faults__real(#name)

void *faults__real(const char *name);

/* What an operation is to do. */
enum faults_verdict { FAULTS_PASS, FAULTS_FAILS, FAULTS_FAILS_LATE, FAULTS_HALF };

/* Counts an operation; sets errno when it fails. `path` or `fd` is what it works on (NULL, -1);
 * `is_write`: it could be cut short. */
enum faults_verdict faults__file(const char *name, const char *path, int fd, bool is_write);
/* The same of an LMDB call; the code in *ret_code. */
enum faults_verdict faults__lmdb(const char *name, int *ret_code);

bool faults__is_watched(const char *path);
bool faults__is_watched_at(int directory, const char *path);
bool faults__is_tracked(int fd);
void faults__track(int fd, bool on);
void faults__lose(int fd); /* its sync failed */

#endif
