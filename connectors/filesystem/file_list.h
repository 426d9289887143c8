/* filesystem/file_list.h -- which files a path means: itself, a directory's, a glob's. */
#ifndef CONNECTORS_FILESYSTEM_FILE_LIST_H
#define CONNECTORS_FILESYSTEM_FILE_LIST_H

#include "base/error.h"

#include <stdint.h>

typedef struct weir_listed_file {
    char *path;
    uint64_t size;
} weir_listed_file;

typedef struct weir_file_list {
    weir_listed_file *files; /* sorted by path */
    uint32_t count, capacity;
} weir_file_list;

#define WEIR_FILE_LIST_INIT                                                                        \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }
#define WEIR_FILE_LIST_DEPTH 32 /* of directories in directories */

/* Blocks for as long as the file system does. `place` begins messages. A path that means nothing,
 * and anything that cannot be read, is an error; an empty directory is an empty list. */
int weir_file_list_fill(weir_file_list *list, const char *place, const char *path,
                        weir_error *err) WEIR_MUST_CHECK;
void weir_file_list_deinit(weir_file_list *list);

#endif
