/* store/record_group.h -- the writes between begin and commit, collected before any of them reaches
 * the store: so a group can be applied again after the store has grown. One owner, one thread. */
#ifndef STORE_RECORD_GROUP_H
#define STORE_RECORD_GROUP_H

#include "store/records.h"

#include <stdbool.h>

typedef struct weir_record_write {
    char *key; /* "table/key", owned */
    bool put;  /* else: remove */
    uint16_t version;
    uint8_t *bytes; /* owned; NULL when size is 0 */
    size_t size;
} weir_record_write;

typedef struct weir_record_group {
    weir_record_write *writes; /* in order; a later one of the same key counts */
    size_t count, capacity;
    bool open;
    weir_error failed; /* of the first write that failed; code 0: none */
} weir_record_group;

#define WEIR_RECORD_GROUP_INIT                                                                     \
    {                                                                                              \
        NULL, 0, 0, false, WEIR_ERROR_INIT                                                         \
    }

/* "table/key" in new memory; WEIR_EINVALID or WEIR_ETOO_LARGE when it cannot be a key. */
int weir_record_key(const char *table, const char *key, char **ret,
                    weir_error *err) WEIR_MUST_CHECK;

int weir_record_group_begin(weir_record_group *group, weir_error *err) WEIR_MUST_CHECK;
int weir_record_group_put(weir_record_group *group, const char *table, const char *key,
                          uint16_t version, const void *bytes, size_t size,
                          weir_error *err) WEIR_MUST_CHECK;
int weir_record_group_remove(weir_record_group *group, const char *table, const char *key,
                             weir_error *err) WEIR_MUST_CHECK;
/* Notes a failure of the group's own, as a write's failure is. Returns `code`. */
int weir_record_group_fail(weir_record_group *group, int code, const weir_error *err);
/* 0 when the group is open and every write of it succeeded. */
int weir_record_group_check(const weir_record_group *group, weir_error *err) WEIR_MUST_CHECK;
/* WEIR_ESTATE while a group is open: for reads. */
int weir_record_group_check_closed(const weir_record_group *group, weir_error *err) WEIR_MUST_CHECK;
void weir_record_group_end(weir_record_group *group); /* frees the writes; it may begin again */

#endif
