/* jobmanager/row_buffer.h -- rows of print: on their way to an attached client: a bounded text with
 * an absolute position. What the client has acknowledged (by asking for what follows) is dropped.
 */
#ifndef JOBMANAGER_ROW_BUFFER_H
#define JOBMANAGER_ROW_BUFFER_H

#include "base/buffer.h"

#include <stdbool.h>

typedef struct weir_row_buffer {
    weir_buffer text;
    uint64_t position; /* of text.data[0] since the job's start */
    size_t limit;      /* bytes; one chunk is always taken when the buffer is empty */
    uint64_t lost;     /* bytes behind the text that went elsewhere: the position will jump */
} weir_row_buffer;

void weir_row_buffer_init(weir_row_buffer *rows, size_t limit);
void weir_row_buffer_deinit(weir_row_buffer *rows);
bool weir_row_buffer_has_room(const weir_row_buffer *rows, size_t size);
int weir_row_buffer_add(weir_row_buffer *rows, const void *bytes, size_t size) WEIR_MUST_CHECK;
/* Rows that came while nobody fetched and went elsewhere: whoever fetches again sees the gap. */
void weir_row_buffer_lose(weir_row_buffer *rows, size_t size);
/* Drops what lies before `position`; a position outside what is kept is ignored. */
void weir_row_buffer_acknowledge(weir_row_buffer *rows, uint64_t position);
bool weir_row_buffer_is_empty(const weir_row_buffer *rows);

#endif
