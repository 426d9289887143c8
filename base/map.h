/* base/map.h -- a hash map from strings (bytes) to pointers, in insertion order. Keys are copied.
 * Values are borrowed unless a destructor is given. Owned by one thread. For control structures,
 * not for rows. Open addressing, grows by doubling; removal keeps the order of the others. A value
 * that could not be put stays the caller's. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct weir_map weir_map;
typedef void (*weir_map_free)(void *value);

weir_map *weir_map_new(weir_map_free free_value) WEIR_MUST_CHECK;
void weir_map_destroy(weir_map **map);
void *weir_map_get(const weir_map *map, const char *key); /* NULL when absent */
int weir_map_put(weir_map *map, const char *key,
                 void *value) WEIR_MUST_CHECK;        /* replaces, frees old */
void *weir_map_take(weir_map *map, const char *key);  /* removes, does not free */
bool weir_map_remove(weir_map *map, const char *key); /* removes and frees */
size_t weir_map_count(const weir_map *map);

/* for (size_t i = 0; weir_map_next(map, &i, &key, &value);) -- removing the entry just returned is
 * allowed, adding is not. */
bool weir_map_next(const weir_map *map, size_t *cursor, const char **ret_key, void **ret_value);

#endif
