#include "connectors/filesystem/split.h"

#include "base/memory.h"

#include <string.h>

#define FORMAT      1
#define HEADER_SIZE 25
#define PATH_SIZE   4096

static void put_u64(uint8_t *to, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_u64(const uint8_t *from)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value |= (uint64_t)from[i] << (8 * i);
    return value;
}

int weir_file_split_write(const weir_file_split *split, weir_buffer *out)
{
    uint8_t header[HEADER_SIZE] = {FORMAT};

    put_u64(header + 1, split->start);
    put_u64(header + 9, split->end);
    put_u64(header + 17, split->file_size);
    weir_buffer_append(out, header, sizeof header);
    weir_buffer_append(out, split->path, strlen(split->path));
    return weir_buffer_check(out);
}

int weir_file_split_read(const void *bytes, size_t size, weir_file_split *ret)
{
    const uint8_t *p = bytes;
    weir_file_split split;

    if (size < 1)
        return WEIR_ECORRUPT;
    if (p[0] != FORMAT)
        return WEIR_EVERSION;
    if (size <= HEADER_SIZE || size > HEADER_SIZE + PATH_SIZE ||
        memchr(p + HEADER_SIZE, 0, size - HEADER_SIZE) != NULL)
        return WEIR_ECORRUPT;
    split.start = get_u64(p + 1);
    split.end = get_u64(p + 9);
    split.file_size = get_u64(p + 17);
    if (split.start > split.end || split.end > split.file_size || split.file_size > INT64_MAX)
        return WEIR_ECORRUPT;
    split.path = weir_strndup((const char *)p + HEADER_SIZE, size - HEADER_SIZE);
    if (split.path == NULL)
        return WEIR_ENO_MEMORY;
    *ret = split;
    return 0;
}

void weir_file_split_deinit(weir_file_split *split)
{
    weir_free(split->path);
    *split = (weir_file_split){0};
}
