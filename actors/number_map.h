/* actors/number_map.h -- a hash map from 64-bit numbers to pointers. Embedded by value: all zero is
 * an empty one. Values are borrowed. Owned by one thread. The order of a walk depends only on the
 * numbers and on the history of puts, so a simulated run repeats exactly. */
#ifndef ACTORS_NUMBER_MAP_H
#define ACTORS_NUMBER_MAP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct weir_number_map {
    struct weir_number_entry *entries;
    size_t capacity; /* 0 or a power of two */
    size_t count;
} weir_number_map;

void weir_number_map_deinit(weir_number_map *map);
void *weir_number_map_get(const weir_number_map *map, uint64_t key); /* NULL when absent */
/* Replaces what is there. `value` is not NULL. WEIR_ENO_MEMORY leaves the map as it was. */
int weir_number_map_put(weir_number_map *map, uint64_t key, void *value) WEIR_MUST_CHECK;
void *weir_number_map_take(weir_number_map *map, uint64_t key); /* removes; NULL when absent */
/* for (size_t i = 0; weir_number_map_next(map, &i, &key, &value);) -- no change during the walk. */
bool weir_number_map_next(const weir_number_map *map, size_t *cursor, uint64_t *ret_key,
                          void **ret_value);

#endif
