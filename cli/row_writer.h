/* cli/row_writer.h -- writes rows to a descriptor whose reader may take its time: a thread with one
 * chunk in hand, so that the caller's loop never waits for the reader. All functions are for the
 * caller's thread. */
#ifndef CLI_ROW_WRITER_H
#define CLI_ROW_WRITER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct weir_row_writer weir_row_writer;

/* The descriptor is borrowed until destroy. */
int weir_row_writer_new(int fd, weir_row_writer **ret, weir_error *err) WEIR_MUST_CHECK;
/* Does not wait for the reader: what is not written by then is left. */
void weir_row_writer_destroy(weir_row_writer **writer);
/* Readable when the chunk in hand is written, or cannot be: then weir_row_writer_finish is due. */
int weir_row_writer_fd(const weir_row_writer *writer);
/* From weir_row_writer_start to weir_row_writer_finish. */
bool weir_row_writer_is_busy(const weir_row_writer *writer);
/* Takes a copy. Only when it is not busy. */
int weir_row_writer_start(weir_row_writer *writer, const void *bytes, size_t size,
                          weir_error *err) WEIR_MUST_CHECK;
/* What became of the chunk: 0; WEIR_ECANCELLED: the reader is gone; another code: it cannot be
 * written. WEIR_ESTATE: it is still being written. */
int weir_row_writer_finish(weir_row_writer *writer, weir_error *err) WEIR_MUST_CHECK;

#endif
