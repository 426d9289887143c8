/* base/map.c -- a hash map in insertion order.
 *
 * `entries` holds the pairs in the order of insertion; a removed one has a NULL key until the next
 * rebuild. `slots` is an open-addressing table of indices into it, twice as large: used and dead
 * slots together are at most half of it, so a probe always ends. Keys come from users and peers, so
 * the hash is SipHash with a random key: chosen keys cannot make it slow, and the order of a walk
 * does not depend on it. */
#include "base/map.h"

#include "base/memory.h"

#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 8 };
#define SLOT_EMPTY   UINT32_MAX
#define SLOT_DEAD    (UINT32_MAX - 1)
#define CAPACITY_MAX (UINT32_C(1) << 30)

typedef struct entry {
    char *key; /* NULL: removed */
    void *value;
    uint64_t hash;
} entry;

struct weir_map {
    weir_map_free free_value;
    entry *entries;
    uint32_t *slots;   /* 2 * capacity of them */
    uint32_t used;     /* entries in use, removed ones included */
    uint32_t capacity; /* of entries: 0 or a power of two */
    size_t count;      /* live entries */
    uint8_t hash_key[crypto_shorthash_KEYBYTES];
};

_Static_assert(crypto_shorthash_BYTES == sizeof(uint64_t), "the hash fills an integer");

weir_map *weir_map_new(weir_map_free free_value)
{
    if (sodium_init() < 0)
        abort();
    weir_map *map = weir_calloc(1, sizeof *map);
    if (map == NULL)
        return NULL;
    map->free_value = free_value;
    randombytes_buf(map->hash_key, sizeof map->hash_key);
    return map;
}

static void free_value(const weir_map *map, void *value)
{
    if (map->free_value != NULL && value != NULL)
        map->free_value(value);
}

void weir_map_destroy(weir_map **map)
{
    if (map == NULL || *map == NULL)
        return;
    weir_map *gone = *map;
    *map = NULL;
    for (uint32_t i = 0; i < gone->used; i++) {
        if (gone->entries[i].key == NULL)
            continue;
        weir_free(gone->entries[i].key);
        free_value(gone, gone->entries[i].value);
    }
    weir_free(gone->entries);
    weir_free(gone->slots);
    weir_free(gone);
}

static uint64_t hash_of(const weir_map *map, const char *key)
{
    uint64_t hash;
    crypto_shorthash((unsigned char *)&hash, (const unsigned char *)key, strlen(key),
                     map->hash_key);
    return hash;
}

/* The slot of the key, or NULL. */
static uint32_t *find(const weir_map *map, const char *key, uint64_t hash)
{
    if (map->capacity == 0)
        return NULL;
    uint32_t mask = 2 * map->capacity - 1;
    for (uint32_t at = (uint32_t)hash & mask;; at = (at + 1) & mask) {
        uint32_t index = map->slots[at];
        if (index == SLOT_EMPTY)
            return NULL;
        if (index == SLOT_DEAD)
            continue;
        const entry *found = &map->entries[index];
        if (found->hash == hash && strcmp(found->key, key) == 0)
            return &map->slots[at];
    }
}

static void link_slot(uint32_t *slots, uint32_t capacity, uint64_t hash, uint32_t index)
{
    uint32_t mask = 2 * capacity - 1;
    uint32_t at = (uint32_t)hash & mask;
    while (slots[at] != SLOT_EMPTY)
        at = (at + 1) & mask;
    slots[at] = index;
}

/* Room for one more entry: drops the removed ones, and doubles when over half are live. */
static int make_room(weir_map *map)
{
    if (map->used < map->capacity)
        return 0;
    uint32_t capacity = map->capacity == 0 ? FIRST_CAPACITY : map->capacity;
    if (map->count > capacity / 2)
        capacity *= 2;
    if (capacity > CAPACITY_MAX)
        return WEIR_ENO_MEMORY;
    entry *entries = weir_calloc(capacity, sizeof *entries);
    uint32_t *slots = weir_alloc(2 * (size_t)capacity * sizeof *slots);
    if (entries == NULL || slots == NULL) {
        weir_free(entries);
        weir_free(slots);
        return WEIR_ENO_MEMORY;
    }
    memset(slots, 0xFF, 2 * (size_t)capacity * sizeof *slots); /* SLOT_EMPTY */
    uint32_t used = 0;
    for (uint32_t i = 0; i < map->used; i++) {
        if (map->entries[i].key == NULL)
            continue;
        entries[used] = map->entries[i];
        link_slot(slots, capacity, entries[used].hash, used);
        used++;
    }
    weir_free(map->entries);
    weir_free(map->slots);
    map->entries = entries;
    map->slots = slots;
    map->used = used;
    map->capacity = capacity;
    return 0;
}

void *weir_map_get(const weir_map *map, const char *key)
{
    const uint32_t *slot = find(map, key, hash_of(map, key));
    return slot == NULL ? NULL : map->entries[*slot].value;
}

int weir_map_put(weir_map *map, const char *key, void *value)
{
    uint64_t hash = hash_of(map, key);
    const uint32_t *slot = find(map, key, hash);
    if (slot != NULL) {
        void *old = map->entries[*slot].value;
        map->entries[*slot].value = value;
        if (old != value)
            free_value(map, old);
        return 0;
    }
    char *copy = weir_strdup(key);
    if (copy == NULL)
        return WEIR_ENO_MEMORY;
    int rc = make_room(map);
    if (rc != 0) {
        weir_free(copy);
        return rc;
    }
    map->entries[map->used] = (entry){copy, value, hash};
    link_slot(map->slots, map->capacity, hash, map->used);
    map->used++;
    map->count++;
    return 0;
}

/* Unlinks the key; false when it is absent. */
static bool detach(weir_map *map, const char *key, void **ret_value)
{
    uint32_t *slot = find(map, key, hash_of(map, key));
    if (slot == NULL)
        return false;
    entry *gone = &map->entries[*slot];
    *slot = SLOT_DEAD;
    *ret_value = gone->value;
    weir_free(gone->key); /* the caller's `key` may be this very text: not used after here */
    *gone = (entry){NULL, NULL, 0};
    map->count--;
    return true;
}

void *weir_map_take(weir_map *map, const char *key)
{
    void *value = NULL;
    detach(map, key, &value);
    return value;
}

bool weir_map_remove(weir_map *map, const char *key)
{
    void *value = NULL;
    if (!detach(map, key, &value))
        return false;
    free_value(map, value);
    return true;
}

size_t weir_map_count(const weir_map *map)
{
    return map->count;
}

bool weir_map_next(const weir_map *map, size_t *cursor, const char **ret_key, void **ret_value)
{
    for (; *cursor < map->used; ++*cursor) {
        const entry *at = &map->entries[*cursor];
        if (at->key == NULL)
            continue;
        if (ret_key != NULL)
            *ret_key = at->key;
        if (ret_value != NULL)
            *ret_value = at->value;
        ++*cursor;
        return true;
    }
    return false;
}
