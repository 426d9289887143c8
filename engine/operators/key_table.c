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
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "hash and mark are one word");

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
    uint32_t shift = 32 - (uint32_t)__builtin_ctzll(capacity);

    if (!entries)
        return WEIR_ENO_MEMORY;
    memset(entries, 0, capacity * sizeof *entries);
    for (uint64_t i = 0; i < table->capacity; i++) {
        const weir_key_entry *entry = &table->entries[i];
        uint64_t at;

        if (entry->mark == 0)
            continue;
        for (at = entry->hash >> shift; entries[at].mark != 0; at = (at + 1) & mask)
            ;
        entries[at] = *entry;
    }
    weir_free(table->entries);
    table->entries = entries;
    table->capacity = capacity;
    table->shift = shift;
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

/* Each bit of the key reaches the first bits of the hash, which are the entry's place. Sizes need
 * not: keys that differ in zeros at their end only are rare, and stand one behind the other. */
static inline uint32_t hash_words(uint64_t seed, uint64_t a, uint64_t b)
{
    uint64_t hash = (a ^ seed) * MIX_A;

    hash = (hash ^ hash >> 32 ^ b) * MIX_B;
    return (uint32_t)(hash >> 32);
}

/* Hash and mark as they lie in an entry. */
static inline uint64_t tag_of(uint32_t hash, uint32_t size)
{
    return (uint64_t)(size + 1) << 32 | hash;
}

static inline uint64_t load_tag(const weir_key_entry *entry)
{
    uint64_t tag;

    memcpy(&tag, &entry->hash, sizeof tag);
    return tag;
}

static __attribute__((noinline)) weir_key_entry *
add_short(weir_key_table *table, weir_key_entry *entry, uint64_t tag, uint64_t a, uint64_t b)
{
    assert(table->count < table->room);
    table->count++;
    memcpy(&entry->hash, &tag, sizeof tag);
    entry->key.words[0] = a;
    entry->key.words[1] = b;
    entry->value.count = 0;
    return entry;
}

static inline bool is_key(const weir_key_entry *entry, uint64_t tag, uint64_t a, uint64_t b)
{
    return ((entry->key.words[0] ^ a) | (entry->key.words[1] ^ b) | (load_tag(entry) ^ tag)) == 0;
}

/* A short key that is not at home. */
static __attribute__((noinline)) weir_key_entry *search_short(weir_key_table *table, uint64_t tag,
                                                              uint64_t a, uint64_t b)
{
    uint64_t mask = table->capacity - 1;

    for (uint64_t at = weir_key_table_home(table, (uint32_t)tag);; at = (at + 1) & mask) {
        weir_key_entry *entry = &table->entries[at];

        if (is_key(entry, tag, a, b))
            return entry;
        if (entry->mark == 0)
            return add_short(table, entry, tag, a, b);
    }
}

static __attribute__((noinline)) weir_key_entry *find_far(weir_key_table *table, uint64_t far_hash,
                                                          const uint8_t *bytes, uint32_t size)
{
    uint64_t mask = table->capacity - 1, at;
    weir_key_entry *entry;
    uint8_t *copy;

    for (at = weir_key_table_home(table, fold(far_hash)); table->entries[at].mark != 0;
         at = (at + 1) & mask) {
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

static inline uint64_t load_word(const uint8_t *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof word);
    return word;
}

/* Loads a short key, without a branch on its size where 16 bytes may be read. */
static inline void load_short(const uint8_t *bytes, uint32_t size, bool wide, uint64_t *ret_a,
                              uint64_t *ret_b)
{
    if (wide) {
        const uint8_t *masks = mask_bytes + 16 - size;

        *ret_a = load_word(bytes) & load_word(masks);
        *ret_b = load_word(bytes + 8) & load_word(masks + 8);
    } else {
        uint64_t words[2] = {0, 0};

        if (size > 0)
            memcpy(words, bytes, size);
        *ret_a = words[0];
        *ret_b = words[1];
    }
}

/* The keys of a block on their way into the table. */
typedef struct block {
    uint64_t a[WEIR_KEY_BLOCK], b[WEIR_KEY_BLOCK]; /* the key; of a long one its hash in a */
    uint64_t tags[WEIR_KEY_BLOCK];
} block;

/* Inlined with `wide`: 16 bytes may be read from each key. */
static inline __attribute__((always_inline)) int hash_keys(const weir_key_table *table,
                                                           const uint8_t *bytes,
                                                           const uint32_t *offsets, uint32_t count,
                                                           bool wide, block *keys)
{
    const weir_key_entry *entries = table->entries;
    uint64_t seed = table->seed;
    uint32_t shift = table->shift, start = count > 0 ? load_offset(offsets, 0) : 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t end = load_offset(offsets, i + 1), size = end - start, hash;

        if (__builtin_expect(size <= WEIR_KEY_INLINE, 1)) {
            load_short(bytes + start, size, wide, &keys->a[i], &keys->b[i]);
            hash = hash_words(seed, keys->a[i], keys->b[i]);
        } else {
            if (size == UINT32_MAX)
                return WEIR_ETOO_LARGE;
            keys->a[i] = XXH3_64bits_withSeed(bytes + start, size, seed);
            hash = fold(keys->a[i]);
        }
        start = end;
        keys->tags[i] = tag_of(hash, size);
        __builtin_prefetch(&entries[hash >> shift], 1);
    }
    return 0;
}

/* A function of its own: together the loops need more registers than there are. */
static __attribute__((noinline)) int hash_block(const weir_key_table *table, const uint8_t *bytes,
                                                const uint32_t *offsets, size_t readable,
                                                uint32_t count, block *keys)
{
    assert(count <= WEIR_KEY_BLOCK);
    if (count > 0 && load_offset(offsets, count - 1) + (size_t)WEIR_KEY_INLINE <= readable)
        return hash_keys(table, bytes, offsets, count, true, keys);
    return hash_keys(table, bytes, offsets, count, false, keys);
}

/* The entry of key i of the block; NULL: no memory. */
static inline weir_key_entry *find_key(weir_key_table *table, const block *keys, uint32_t i,
                                       const uint8_t *bytes, const uint32_t *offsets)
{
    uint64_t tag = keys->tags[i], a = keys->a[i], b;
    weir_key_entry *entry;

    if (__builtin_expect(tag >> 32 > WEIR_KEY_INLINE + 1, 0))
        return find_far(table, a, bytes + load_offset(offsets, i), (uint32_t)(tag >> 32) - 1);
    b = keys->b[i];
    entry = &table->entries[weir_key_table_home(table, (uint32_t)tag)];
    return __builtin_expect(is_key(entry, tag, a, b), 1) ? entry : search_short(table, tag, a, b);
}

int weir_key_table_find(weir_key_table *table, const uint8_t *bytes, const uint32_t *offsets,
                        size_t readable, uint32_t count, weir_key_entry **ret)
{
    block keys;
    int rc = hash_block(table, bytes, offsets, readable, count, &keys);

    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        ret[i] = find_key(table, &keys, i, bytes, offsets);
        if (!ret[i])
            rc = WEIR_ENO_MEMORY;
    }
    return rc;
}

int weir_key_table_count(weir_key_table *table, const uint8_t *bytes, const uint32_t *offsets,
                         size_t readable, uint32_t count)
{
    block keys;
    int rc = hash_block(table, bytes, offsets, readable, count, &keys);

    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        weir_key_entry *entry = find_key(table, &keys, i, bytes, offsets);

        if (!entry)
            rc = WEIR_ENO_MEMORY;
        else if (__builtin_add_overflow(entry->value.count, 1, &entry->value.count))
            rc = WEIR_EINVALID;
    }
    return rc;
}

void weir_key_table_find_words(weir_key_table *table, const uint64_t *words, uint32_t key_size,
                               uint32_t count, weir_key_entry **ret)
{
    uint64_t tags[WEIR_KEY_BLOCK];

    assert(count <= WEIR_KEY_BLOCK && key_size <= 8);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t hash = hash_words(table->seed, words[i], 0);

        tags[i] = tag_of(hash, key_size);
        __builtin_prefetch(&table->entries[weir_key_table_home(table, hash)], 1);
    }
    for (uint32_t i = 0; i < count; i++) {
        weir_key_entry *entry = &table->entries[weir_key_table_home(table, (uint32_t)tags[i])];

        ret[i] = __builtin_expect(is_key(entry, tags[i], words[i], 0), 1)
                     ? entry
                     : search_short(table, tags[i], words[i], 0);
    }
}

/* Moves back the entries behind the gap that may stand nearer to their home, so that no probe ever
 * meets a gap before its key. */
void weir_key_table_remove(weir_key_table *table, weir_key_entry *entry)
{
    uint64_t mask = table->capacity - 1, gap = (uint64_t)(entry - table->entries);

    if (weir_key_entry_size(entry) > WEIR_KEY_INLINE)
        weir_byte_slab_free(&table->slab, entry->key.far.bytes, weir_key_entry_size(entry));
    for (uint64_t at = (gap + 1) & mask; table->entries[at].mark != 0; at = (at + 1) & mask) {
        uint64_t home = weir_key_table_home(table, table->entries[at].hash);

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
