#include "jobmanager/row_buffer.h"

#include <string.h>

void weir_row_buffer_init(weir_row_buffer *rows, size_t limit)
{
    *rows = (weir_row_buffer){WEIR_BUFFER_INIT, 0, limit, 0};
}

void weir_row_buffer_deinit(weir_row_buffer *rows)
{
    weir_buffer_deinit(&rows->text);
}

bool weir_row_buffer_has_room(const weir_row_buffer *rows, size_t size)
{
    if (rows->text.size == 0)
        return true;
    return rows->lost == 0 && rows->text.size + size <= rows->limit; /* no row over a gap */
}

static void jump(weir_row_buffer *rows)
{
    if (rows->text.size > 0)
        return;
    rows->position += rows->lost;
    rows->lost = 0;
}

void weir_row_buffer_lose(weir_row_buffer *rows, size_t size)
{
    rows->lost += size;
    jump(rows);
}

int weir_row_buffer_add(weir_row_buffer *rows, const void *bytes, size_t size)
{
    int rc = weir_buffer_reserve(&rows->text, size);
    if (rc < 0)
        return rc;
    weir_buffer_append(&rows->text, bytes, size);
    return 0;
}

void weir_row_buffer_acknowledge(weir_row_buffer *rows, uint64_t position)
{
    if (position <= rows->position || position - rows->position > rows->text.size)
        return;
    size_t drop = (size_t)(position - rows->position);
    memmove(rows->text.data, rows->text.data + drop, rows->text.size - drop);
    rows->text.size -= drop;
    rows->text.data[rows->text.size] = 0;
    rows->position = position;
    jump(rows);
}

bool weir_row_buffer_is_empty(const weir_row_buffer *rows)
{
    return rows->text.size == 0;
}
