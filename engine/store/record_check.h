/* store/record_check.h -- is a record store whole? LMDB trusts its pages: a damaged one can give
 * wrong values, values twice, or a crash. So every value is read before the store is used, by a
 * child process, which may crash without harm. Blocks for as long as reading the file takes. */
#ifndef STORE_RECORD_CHECK_H
#define STORE_RECORD_CHECK_H

#include "base/error.h"
#include "base/id.h"

#include <stdint.h>

/* The store's own value, which is written with every group. No table can have this key. */
#define WEIR_RECORD_FACTS_KEY  "!store"
#define WEIR_RECORD_FACTS_SIZE (16 + 8 + 8)

typedef struct weir_record_facts {
    weir_id id;          /* of the store; also in the file `format` beside it */
    uint64_t count;      /* values, without this one */
    uint64_t generation; /* groups committed */
} weir_record_facts;

void weir_record_facts_pack(const weir_record_facts *facts, uint8_t out[WEIR_RECORD_FACTS_SIZE]);
int weir_record_facts_unpack(const void *bytes, size_t size,
                             weir_record_facts *ret) WEIR_MUST_CHECK;

/* WEIR_ECORRUPT when the file is short, a page or value is damaged, values are missing, or the
 * store is not `id`'s: the text names the file and what was found. Nobody else may have it open. */
int weir_record_check(const char *directory, const weir_id *id, weir_error *err) WEIR_MUST_CHECK;

#endif
