/* base/file.h -- whole-file operations that are safe against crashes, and directories. Blocking.
 * Test hook: weir_file_fail_at fails the n-th system call from now on (1 = the next) with a given
 * errno, once. `out` buffers are emptied first. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* WEIR_ETOO_LARGE when the file has more than max_size bytes. */
int weir_file_read(const char *path, size_t max_size, weir_buffer *out,
                   weir_error *err) WEIR_MUST_CHECK;
/* The same for a file that guards something: WEIR_EREFUSED when it belongs to neither this user nor
 * root, or when its mode has a bit of `forbidden` (octal, as chmod's); the text says what to do. */
int weir_file_read_guarded(const char *path, size_t max_size, unsigned forbidden, weir_buffer *out,
                           weir_error *err) WEIR_MUST_CHECK;
/* A new file, synced with its directory. WEIR_EEXISTS: there is one; it stays as it is. */
int weir_file_create(const char *path, const void *bytes, size_t size, unsigned mode,
                     weir_error *err) WEIR_MUST_CHECK;
/* Writes <path>.tmp-<random>, fsyncs it, renames it, fsyncs the directory. */
int weir_file_write_atomic(const char *path, const void *bytes, size_t size, unsigned mode,
                           weir_error *err) WEIR_MUST_CHECK;
int weir_file_make_directories(const char *path, unsigned mode, weir_error *err) WEIR_MUST_CHECK;
/* Absent is fine; links are removed, not followed; "/" is refused. */
int weir_file_remove_tree(const char *path, weir_error *err) WEIR_MUST_CHECK;
bool weir_file_exists(const char *path);
/* The last max_size bytes of a file, from the start of a line (when one line fills them all: its
 * last max_size bytes). */
int weir_file_tail(const char *path, size_t max_size, weir_buffer *out,
                   weir_error *err) WEIR_MUST_CHECK;
/* write(2) until all is written; EINTR is retried. */
int weir_file_write_all(int fd, const void *bytes, size_t size, weir_error *err) WEIR_MUST_CHECK;

void weir_file_fail_at(uint64_t nth, int errno_value); /* 0: off */

#endif
