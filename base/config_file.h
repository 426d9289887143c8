/* base/config_file.h -- a YAML text as a flat list of keys and values. For base/config.c.
 *
 * Sections join by '.', lists of plain values join by ','. Everything a configuration has no use
 * for is a problem: anchors, aliases, tags, complex keys, lists in lists, several documents. The
 * walk goes on after a problem where the structure allows it, so that all are found at once. */
#ifndef BASE_CONFIG_FILE_H
#define BASE_CONFIG_FILE_H

#include "base/error.h"

#include <stddef.h>

#define WEIR_CONFIG_FILE_DEPTH_MAX 16  /* sections in sections */
#define WEIR_CONFIG_FILE_KEY_MAX   256 /* bytes of a joined key */

typedef struct weir_config_file_handler {
    void *context;
    /* One setting, in the order of the file; lines count from 1. `value` is NULL for `key:` alone
     * and for null. The texts live during the call. A negative return ends the walk. */
    int (*setting)(void *context, size_t line, const char *key, const char *value);
    /* One problem, `what; what was found; what to do`. A negative return ends the walk. */
    int (*problem)(void *context, size_t line, const char *text);
} weir_config_file_handler;

/* 0 when the walk came to its end (problems or not), WEIR_ENO_MEMORY, or what a handler returned.
 */
int weir_config_file_walk(const char *text, size_t size,
                          const weir_config_file_handler *handler) WEIR_MUST_CHECK;

#endif
