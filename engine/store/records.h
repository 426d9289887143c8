/* store/records.h -- durable facts: values under (table, key), written in atomic groups. The vtable
 * between those who keep facts and where they are kept: store/record_store.h (LMDB, for real) or
 * store/memory_records.h (for the simulator and for local mode).
 *
 * One owner, one thread. A group: begin, any number of put and remove, then commit or abort. Commit
 * returns 0 only when the whole group is on disk; a failed commit leaves the values as they were.
 * Codes of a failed commit: WEIR_ENO_SPACE, WEIR_ETOO_LARGE and WEIR_ENO_MEMORY may be tried again;
 * any other means that only a new open can tell whether the group was kept: the owner must end. A
 * failed put or remove spoils its group: commit then returns that failure and writes nothing. get
 * and iterate see what is committed; between begin and commit they fail with WEIR_ESTATE. */
#ifndef STORE_RECORDS_H
#define STORE_RECORDS_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdint.h>

#define WEIR_RECORD_KEY_MAX  511                    /* bytes of "table/key" */
#define WEIR_RECORD_SIZE_MAX (256u * 1024u * 1024u) /* bytes of one value */

typedef struct weir_records weir_records;

/* A failure ends the iteration and is its result. The bytes are borrowed for the call, which may
 * not use the records. */
typedef int (*weir_records_visit)(void *data, const char *key, uint16_t version, const void *bytes,
                                  size_t size, weir_error *err);

struct weir_records {
    int (*begin)(weir_records *self, weir_error *err);
    int (*put)(weir_records *self, const char *table, const char *key, uint16_t version,
               const void *bytes, size_t size, weir_error *err);
    int (*remove)(weir_records *self, const char *table, const char *key, weir_error *err);
    int (*commit)(weir_records *self, weir_error *err);
    void (*abort)(weir_records *self);
    int (*get)(weir_records *self, const char *table, const char *key, uint16_t *ret_version,
               weir_buffer *out, weir_error *err);
    int (*iterate)(weir_records *self, const char *table, weir_records_visit visit, void *data,
                   weir_error *err);
    void (*close)(weir_records *self);
};

/* WEIR_ESTATE when a group is open already. */
static inline WEIR_MUST_CHECK int weir_records_begin(weir_records *records, weir_error *err)
{
    return records->begin(records, err);
}

/* Copies the bytes. `table`: lower-case letters, digits and '-'; `key`: any text that is not empty.
 */
static inline WEIR_MUST_CHECK int weir_records_put(weir_records *records, const char *table,
                                                   const char *key, uint16_t version,
                                                   const void *bytes, size_t size, weir_error *err)
{
    return records->put(records, table, key, version, bytes, size, err);
}

/* A key that is not there is fine. */
static inline WEIR_MUST_CHECK int weir_records_remove(weir_records *records, const char *table,
                                                      const char *key, weir_error *err)
{
    return records->remove(records, table, key, err);
}

/* The group has ended, whatever the result. */
static inline WEIR_MUST_CHECK int weir_records_commit(weir_records *records, weir_error *err)
{
    return records->commit(records, err);
}

static inline void weir_records_abort(weir_records *records) /* without a group: nothing */
{
    records->abort(records);
}

/* WEIR_ENOT_FOUND, WEIR_ECORRUPT. `out` is emptied first. */
static inline WEIR_MUST_CHECK int weir_records_get(weir_records *records, const char *table,
                                                   const char *key, uint16_t *ret_version,
                                                   weir_buffer *out, weir_error *err)
{
    return records->get(records, table, key, ret_version, out, err);
}

/* All values of a table, in byte order of their keys. */
static inline WEIR_MUST_CHECK int weir_records_iterate(weir_records *records, const char *table,
                                                       weir_records_visit visit, void *data,
                                                       weir_error *err)
{
    return records->iterate(records, table, visit, data, err);
}

static inline void weir_records_close(weir_records **records) /* an open group is dropped */
{
    if (records == NULL || *records == NULL)
        return;
    (*records)->close(*records);
    *records = NULL;
}

#endif
