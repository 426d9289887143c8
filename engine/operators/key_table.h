/* operators/key_table.h -- a hash table from keys (bytes) to 8 bytes of value, for the state of
 * count and reduce while it fits in memory.
 *
 * Open addressing, linear probing from the hash's first bits, 32 bytes an entry: keys of up to 16
 * bytes lie in the entry, longer ones in a slab. Grows by doubling, in weir_key_table_reserve only:
 * pointers to entries hold until the next reserve, remove, clear. Lookups take a block of keys: all
 * are hashed and their entries prefetched before the first is compared. Two tables of one pipeline
 * must have different seeds, or one that is read in table order fills the other cluster by cluster,
 * in quadratic time. The hash is the table's own business: it is neither stored in files nor sent.
 * One thread. */
#ifndef OPERATORS_KEY_TABLE_H
#define OPERATORS_KEY_TABLE_H

#include "operators/byte_slab.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_KEY_INLINE 16u /* bytes of key in an entry */
#define WEIR_KEY_BLOCK  32u /* keys of one lookup, at most */

typedef struct weir_key_entry {
    uint32_t hash;
    uint32_t mark; /* key size + 1; 0: no entry */
    union {
        uint64_t words[2]; /* up to 16 bytes, zero-padded */
        struct {
            uint8_t *bytes;
            uint64_t hash;
        } far;
    } key;
    union { /* zero in a new entry */
        int64_t count;
        void *record;
    } value;
} weir_key_entry;

typedef struct weir_key_table {
    weir_key_entry *entries;
    uint64_t capacity;    /* a power of two, or 0 */
    uint32_t shift;       /* of a hash, to its place among `capacity` */
    uint64_t count, room; /* room: greatest count at this capacity */
    uint64_t seed;
    weir_byte_slab slab; /* long keys, and what values point to */
} weir_key_table;

void weir_key_table_init(weir_key_table *table, uint64_t seed);
void weir_key_table_deinit(weir_key_table *table);
void weir_key_table_clear(
    weir_key_table *table); /* empties it and its slab; keeps the entries' memory */

/* Makes room for `more` keys. WEIR_ENO_MEMORY; WEIR_ETOO_LARGE beyond 2^31 entries, or when the
 * table holds keys and would need more than `limit` bytes, or has them already. */
int weir_key_table_reserve(weir_key_table *table, uint64_t more, uint64_t limit)
    __attribute__((warn_unused_result));
uint64_t weir_key_table_memory(const weir_key_table *table); /* bytes, slab included */

/* Finds up to WEIR_KEY_BLOCK keys, adding those that are new (room must be reserved). Key i is
 * bytes[offsets[i]..offsets[i+1]); `readable` bytes may be read from `bytes`. WEIR_ENO_MEMORY,
 * WEIR_ETOO_LARGE (a key of 4 GiB - 1). */
int weir_key_table_find(weir_key_table *table, const uint8_t *bytes, const uint32_t *offsets,
                        size_t readable, uint32_t count, weir_key_entry **ret)
    __attribute__((warn_unused_result));
/* The same, and adds 1 to the count of each. WEIR_EINVALID: a count is beyond int64_t; the keys
 * before it are counted. */
int weir_key_table_count(weir_key_table *table, const uint8_t *bytes, const uint32_t *offsets,
                         size_t readable, uint32_t count) __attribute__((warn_unused_result));
/* As find, for keys of 1 to 8 bytes, zero-padded to a word. Cannot fail. */
void weir_key_table_find_words(weir_key_table *table, const uint64_t *words, uint32_t key_size,
                               uint32_t count, weir_key_entry **ret);
/* The value's own memory is the caller's to free. Other entries may move. */
void weir_key_table_remove(weir_key_table *table, weir_key_entry *entry);
/* The next entry at or after *cursor (start with 0), in no particular order; NULL at the end. */
weir_key_entry *weir_key_table_next(const weir_key_table *table, uint64_t *cursor);

/* The place where an entry of this hash stands if it is free. */
static inline uint64_t weir_key_table_home(const weir_key_table *table, uint32_t hash)
{
    return hash >> table->shift;
}

static inline uint32_t weir_key_entry_size(const weir_key_entry *entry)
{
    return entry->mark - 1;
}

static inline const uint8_t *weir_key_entry_bytes(const weir_key_entry *entry)
{
    return entry->mark - 1 <= WEIR_KEY_INLINE ? (const uint8_t *)entry->key.words
                                              : entry->key.far.bytes;
}

#endif
