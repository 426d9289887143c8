/* dispatcher/artifact_store.h -- artifacts (a job's shared object) by their content's digest. The
 * vtable between those who want them and where they lie: dispatcher/artifact_files.h for real,
 * dispatcher/artifact_memory.h for the simulator and local mode. Names never take part: content is
 * addressed by hash. Blocks for disk; one owner, one thread.
 *
 * `digest`: 64 lower-case hex digits of BLAKE2b-256, checked by every function. */
#ifndef DISPATCHER_ARTIFACT_STORE_H
#define DISPATCHER_ARTIFACT_STORE_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/id.h"

#include <stdbool.h>
#include <stdint.h>

#define WEIR_ARTIFACT_PARTS_MAX 64 /* uploads that are not complete, at a time */

typedef struct weir_artifact_store weir_artifact_store;

struct weir_artifact_store {
    int (*append)(weir_artifact_store *self, const char *digest, uint64_t offset, uint64_t total,
                  const void *bytes, size_t size, uint64_t *ret_received, bool *ret_complete,
                  weir_error *err);
    int (*read)(weir_artifact_store *self, const char *digest, uint64_t offset, size_t max_size,
                weir_buffer *out, uint64_t *ret_total, weir_error *err);
    int (*remove)(weir_artifact_store *self, const char *digest, weir_error *err);
    int (*list)(weir_artifact_store *self, void (*visit)(void *data, const char *digest),
                void *data, weir_error *err);
    void (*close)(weir_artifact_store *self);
};

/* Appends a chunk when `offset` is just behind what is there, else takes nothing; either way tells
 * how much is there. With the last byte of `total` the content is checked against the digest and
 * synced: `complete`. WEIR_ECORRUPT: it did not match, and is gone. WEIR_ETOO_LARGE: over the
 * limit, or behind `total`. WEIR_ERESOURCES: too many uploads are open. Repeats are harmless. */
static inline WEIR_MUST_CHECK int weir_artifact_append(weir_artifact_store *store,
                                                       const char *digest, uint64_t offset,
                                                       uint64_t total, const void *bytes,
                                                       size_t size, uint64_t *ret_received,
                                                       bool *ret_complete, weir_error *err)
{
    return store->append(store, digest, offset, total, bytes, size, ret_received, ret_complete,
                         err);
}

/* Up to max_size bytes of a complete artifact (0: only its size). WEIR_ENOT_FOUND; WEIR_EINVALID
 * when the offset is behind its end. `out` is emptied first. */
static inline WEIR_MUST_CHECK int weir_artifact_read(weir_artifact_store *store, const char *digest,
                                                     uint64_t offset, size_t max_size,
                                                     weir_buffer *out, uint64_t *ret_total,
                                                     weir_error *err)
{
    return store->read(store, digest, offset, max_size, out, ret_total, err);
}

/* Complete or not; absent is fine. */
static inline WEIR_MUST_CHECK int weir_artifact_remove(weir_artifact_store *store,
                                                       const char *digest, weir_error *err)
{
    return store->remove(store, digest, err);
}

/* Every artifact once, complete or not. `visit` may not use the store. */
static inline WEIR_MUST_CHECK int weir_artifact_list(weir_artifact_store *store,
                                                     void (*visit)(void *data, const char *digest),
                                                     void *data, weir_error *err)
{
    return store->list(store, visit, data, err);
}

static inline void weir_artifact_store_close(weir_artifact_store **store)
{
    if (store == NULL || *store == NULL)
        return;
    (*store)->close(*store);
    *store = NULL;
}

/* What both kinds check first. */
int weir_artifact_check_digest(const char *digest, weir_error *err) WEIR_MUST_CHECK;
int weir_artifact_check_chunk(const char *digest, uint64_t offset, uint64_t total, size_t size,
                              uint64_t limit, weir_error *err) WEIR_MUST_CHECK;
int weir_artifact_mismatch(const char *digest, weir_error *err);

#endif
