/* actors/number_map.c -- linear probing; a removal moves later entries back, so there are no dead
 * slots and a probe is never longer than a run of full ones. At most half of the slots are full. */
#include "actors/number_map.h"

#include "base/memory.h"

enum { FIRST_CAPACITY = 16 };

struct weir_number_entry {
    uint64_t key;
    void *value; /* NULL: free */
};

void weir_number_map_deinit(weir_number_map *map)
{
    weir_free(map->entries);
    *map = (weir_number_map){0};
}

/* The finalizer of splitmix64: numbers in sequence spread over the table. */
static size_t home_of(const weir_number_map *map, uint64_t key)
{
    key ^= key >> 30;
    key *= UINT64_C(0xBF58476D1CE4E5B9);
    key ^= key >> 27;
    key *= UINT64_C(0x94D049BB133111EB);
    key ^= key >> 31;
    return (size_t)key & (map->capacity - 1);
}

/* The entry of `key`, or the free one where it belongs. */
static struct weir_number_entry *find(const weir_number_map *map, uint64_t key)
{
    size_t i = home_of(map, key);
    while (map->entries[i].value != NULL && map->entries[i].key != key)
        i = (i + 1) & (map->capacity - 1);
    return &map->entries[i];
}

void *weir_number_map_get(const weir_number_map *map, uint64_t key)
{
    return map->count == 0 ? NULL : find(map, key)->value;
}

static int grow(weir_number_map *map)
{
    weir_number_map larger = {
        .capacity = map->capacity == 0 ? FIRST_CAPACITY : map->capacity * 2,
        .count = map->count,
    };
    larger.entries = weir_calloc(larger.capacity, sizeof *larger.entries);
    if (larger.entries == NULL)
        return WEIR_ENO_MEMORY;
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->entries[i].value != NULL)
            *find(&larger, map->entries[i].key) = map->entries[i];
    }
    weir_free(map->entries);
    *map = larger;
    return 0;
}

int weir_number_map_put(weir_number_map *map, uint64_t key, void *value)
{
    if (map->count > 0) {
        struct weir_number_entry *present = find(map, key);
        if (present->value != NULL) {
            present->value = value;
            return 0;
        }
    }
    if ((map->count + 1) * 2 > map->capacity) {
        int rc = grow(map);
        if (rc != 0)
            return rc;
    }
    *find(map, key) = (struct weir_number_entry){key, value};
    map->count++;
    return 0;
}

void *weir_number_map_take(weir_number_map *map, uint64_t key)
{
    if (map->count == 0)
        return NULL;
    struct weir_number_entry *entry = find(map, key);
    void *value = entry->value;
    if (value == NULL)
        return NULL;
    size_t mask = map->capacity - 1;
    size_t hole = (size_t)(entry - map->entries);
    for (size_t i = (hole + 1) & mask; map->entries[i].value != NULL; i = (i + 1) & mask) {
        /* It may move back into the hole unless its home lies behind the hole. */
        size_t home = home_of(map, map->entries[i].key);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->entries[hole] = map->entries[i];
            hole = i;
        }
    }
    map->entries[hole].value = NULL;
    map->count--;
    return value;
}

bool weir_number_map_next(const weir_number_map *map, size_t *cursor, uint64_t *ret_key,
                          void **ret_value)
{
    for (size_t i = *cursor; i < map->capacity; i++) {
        if (map->entries[i].value == NULL)
            continue;
        *cursor = i + 1;
        if (ret_key != NULL)
            *ret_key = map->entries[i].key;
        *ret_value = map->entries[i].value;
        return true;
    }
    *cursor = map->capacity;
    return false;
}
