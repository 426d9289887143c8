#include "operators/key_table.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define CAPACITY_MIN ((uint64_t)256)
#define CAPACITY_MAX ((uint64_t)1 << 31) /* positions come from 32 bits of hash */
#define MIX_A        0x9e3779b97f4a7c15u
#define MIX_B        0xd1b54a32d192ed03u

_Static_assert(sizeof(weir_key_entry) == 32, "two entries to a cache line");

/* Sixteen bytes of mask for each size of a short key: mask_bytes + 16 - n keeps the first n. */
static const uint8_t mask_bytes[32] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
};

void weir_key_table_init(weir_key_table *table, uint64_t seed)
{
    memset(table, 0, sizeof *table);
    table->seed = seed * MIX_B + MIX_A;
}

void weir_key_table_deinit(weir_key_table *table)
{
    weir_free(table->entries);
    weir_byte_slab_deinit(&table->slab);
    memset(table, 0, sizeof *table);
}

void weir_key_table_clear(weir_key_table *table)
{
    if (table->entries)
        memset(table->entries, 0, table->capacity * sizeof *table->entries);
    table->count = 0;
    weir_byte_slab_reset(&table->slab);
}

/* Five eighths: above it, linear probing costs more than the memory is worth. */
static uint64_t room_of(uint64_t capacity)
{
    return capacity / 8 * 5;
}

static int grow(weir_key_table *table, uint64_t capacity)
{
    weir_key_entry *entries = weir_alloc_aligned(capacity * sizeof *entries);
    uint64_t mask = capacity - 1;

    if (!entries)
        return WEIR_ENO_MEMORY;
    memset(entries, 0, capacity * sizeof *entries);
    for (uint64_t i = 0; i < table->capacity; i++) {
        const weir_key_entry *entry = &table->entries[i];
        uint64_t at;

        if (entry->mark == 0)
            continue;
        for (at = entry->hash & mask; entries[at].mark != 0; at = (at + 1) & mask)
            ;
        entries[at] = *entry;
    }
    weir_free(table->entries);
    table->entries = entries;
    table->capacity = capacity;
    table->room = room_of(capacity);
    return 0;
}

int weir_key_table_reserve(weir_key_table *table, uint64_t more, uint64_t limit)
{
    uint64_t capacity = table->capacity > 0 ? table->capacity : CAPACITY_MIN;

    if (table->count > 0 && weir_key_table_memory(table) > limit)
        return WEIR_ETOO_LARGE;
    if (table->count + more <= table->room)
        return 0;
    while (table->count + more > room_of(capacity)) {
        if (capacity >= CAPACITY_MAX)
            return WEIR_ETOO_LARGE;
        capacity *= 2;
    }
    if (table->count > 0 && capacity * sizeof *table->entries + table->slab.memory > limit)
        return WEIR_ETOO_LARGE;
    return grow(table, capacity);
}

uint64_t weir_key_table_memory(const weir_key_table *table)
{
    return table->capacity * sizeof *table->entries + table->slab.memory;
}

static inline uint32_t fold(uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 32);
}

static inline uint32_t hash_words(uint64_t seed, uint64_t a, uint64_t b, uint32_t size)
{
    unsigned __int128 product =
        (unsigned __int128)(a ^ seed) * (b ^ ((uint64_t)size << 56) ^ MIX_B);

    return fold((uint64_t)product ^ (uint64_t)(product >> 64));
}

static __attribute__((noinline)) weir_key_entry *add_short(weir_key_table *table,
                                                           weir_key_entry *entry, uint32_t hash,
                                                           uint32_t mark, uint64_t a, uint64_t b)
{
    assert(table->count < table->room);
    table->count++;
    entry->hash = hash;
    entry->mark = mark;
    entry->key.words[0] = a;
    entry->key.words[1] = b;
    entry->value.count = 0;
    return entry;
}

static inline weir_key_entry *find_short(weir_key_table *table, uint32_t hash, uint32_t mark,
                                         uint64_t a, uint64_t b)
{
    weir_key_entry *entries = table->entries;
    uint64_t mask = table->capacity - 1;

    for (uint64_t at = hash & mask;; at = (at + 1) & mask) {
        weir_key_entry *entry = &entries[at];

        if (((entry->key.words[0] ^ a) | (entry->key.words[1] ^ b) | (entry->mark ^ mark)) == 0)
            return entry;
        if (entry->mark == 0)
            return add_short(table, entry, hash, mark, a, b);
    }
}

static __attribute__((noinline)) weir_key_entry *find_far(weir_key_table *table, uint64_t far_hash,
                                                          const uint8_t *bytes, uint32_t size)
{
    uint64_t mask = table->capacity - 1, at;
    weir_key_entry *entry;
    uint8_t *copy;

    for (at = fold(far_hash) & mask; table->entries[at].mark != 0; at = (at + 1) & mask) {
        entry = &table->entries[at];
        if (entry->mark == size + 1 && entry->key.far.hash == far_hash &&
            memcmp(entry->key.far.bytes, bytes, size) == 0)
            return entry;
    }
    assert(table->count < table->room);
    copy = weir_byte_slab_alloc(&table->slab, size);
    if (!copy)
        return NULL;
    memcpy(copy, bytes, size);
    entry = &table->entries[at];
    entry->hash = fold(far_hash);
    entry->mark = size + 1;
    entry->key.far.bytes = copy;
    entry->key.far.hash = far_hash;
    entry->value.count = 0;
    table->count++;
    return entry;
}

/* Offsets may lie unaligned, in a batch that came over a socket. */
static inline uint32_t load_offset(const uint32_t *offsets, uint32_t index)
{
    uint32_t offset;

    memcpy(&offset, offsets + index, sizeof offset);
    return offset;
}

/* Loads a short key, without a branch on its size where 16 bytes may be read. */
static inline void load_short(const uint8_t *bytes, uint32_t size, bool wide, uint64_t *ret_a,
                              uint64_t *ret_b)
{
    uint64_t words[2] = {0, 0}, masks[2];

    if (wide) {
        memcpy(words, bytes, 16);
        memcpy(masks, mask_bytes + 16 - size, 16);
        *ret_a = words[0] & masks[0];
        *ret_b = words[1] & masks[1];
    } else {
        if (size > 0)
            memcpy(words, bytes, size);
        *ret_a = words[0];
        *ret_b = words[1];
    }
}

/* The keys of a block on their way into the table. */
typedef struct block {
    uint64_t a[WEIR_KEY_BLOCK], b[WEIR_KEY_BLOCK]; /* the key; of a long one its hash in a */
    uint32_t hashes[WEIR_KEY_BLOCK], marks[WEIR_KEY_BLOCK];
} block;

/* A function of its own: together the two loops need more registers than there are. */
static __attribute__((noinline)) int hash_block(const weir_key_table *table, const uint8_t *bytes,
                                                const uint32_t *offsets, size_t readable,
                                                uint32_t count, block *keys)
{
    const weir_key_entry *entries = table->entries;
    uint64_t seed = table->seed, mask = table->capacity - 1;
    uint32_t start = count > 0 ? load_offset(offsets, 0) : 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t end = load_offset(offsets, i + 1), size = end - start, hash;

        if (__builtin_expect(size <= WEIR_KEY_INLINE, 1)) {
            uint64_t a, b;

            load_short(bytes + start, size, start + (size_t)WEIR_KEY_INLINE <= readable, &a, &b);
            hash = hash_words(seed, a, b, size);
            keys->a[i] = a;
            keys->b[i] = b;
        } else {
            if (size == UINT32_MAX)
                return WEIR_ETOO_LARGE;
            keys->a[i] = XXH3_64bits_withSeed(bytes + start, size, seed);
            hash = fold(keys->a[i]);
        }
        start = end;
        keys->marks[i] = size + 1;
        keys->hashes[i] = hash;
        __builtin_prefetch(&entries[hash & mask], 1);
    }
    return 0;
}

int weir_key_table_find(weir_key_table *table, const uint8_t *bytes, const uint32_t *offsets,
                        size_t readable, uint32_t count, weir_key_entry **ret)
{
    block keys;
    int rc;

    assert(count <= WEIR_KEY_BLOCK);
    rc = hash_block(table, bytes, offsets, readable, count, &keys);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        if (__builtin_expect(keys.marks[i] <= WEIR_KEY_INLINE + 1, 1))
            ret[i] = find_short(table, keys.hashes[i], keys.marks[i], keys.a[i], keys.b[i]);
        else
            ret[i] = find_far(table, keys.a[i], bytes + load_offset(offsets, i), keys.marks[i] - 1);
        if (!ret[i])
            rc = WEIR_ENO_MEMORY;
    }
    return rc;
}

void weir_key_table_find_words(weir_key_table *table, const uint64_t *words, uint32_t key_size,
                               uint32_t count, weir_key_entry **ret)
{
    uint32_t hashes[WEIR_KEY_BLOCK];

    assert(count <= WEIR_KEY_BLOCK && key_size <= 8);
    for (uint32_t i = 0; i < count; i++) {
        hashes[i] = hash_words(table->seed, words[i], 0, key_size);
        __builtin_prefetch(&table->entries[hashes[i] & (table->capacity - 1)], 1);
    }
    for (uint32_t i = 0; i < count; i++)
        ret[i] = find_short(table, hashes[i], key_size + 1, words[i], 0);
}

/* Moves back the entries behind the gap that may stand nearer to their home, so that no probe ever
 * meets a gap before its key. */
void weir_key_table_remove(weir_key_table *table, weir_key_entry *entry)
{
    uint64_t mask = table->capacity - 1, gap = (uint64_t)(entry - table->entries);

    if (weir_key_entry_size(entry) > WEIR_KEY_INLINE)
        weir_byte_slab_free(&table->slab, entry->key.far.bytes, weir_key_entry_size(entry));
    for (uint64_t at = (gap + 1) & mask; table->entries[at].mark != 0; at = (at + 1) & mask) {
        uint64_t home = table->entries[at].hash & mask;

        if (((at - home) & mask) >= ((at - gap) & mask)) {
            table->entries[gap] = table->entries[at];
            gap = at;
        }
    }
    memset(&table->entries[gap], 0, sizeof table->entries[gap]);
    table->count--;
}

weir_key_entry *weir_key_table_next(const weir_key_table *table, uint64_t *cursor)
{
    while (*cursor < table->capacity) {
        weir_key_entry *entry = &table->entries[(*cursor)++];

        if (entry->mark != 0)
            return entry;
    }
    return NULL;
}
