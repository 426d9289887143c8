/* dispatcher/artifact_memory.c -- artifacts in memory. */
#include "dispatcher/artifact_memory.h"

#include "base/map.h"
#include "base/memory.h"

#include <string.h>

typedef struct artifact {
    weir_buffer content;
    bool complete;
} artifact;

typedef struct artifact_memory {
    weir_artifact_store store; /* first: the handle */
    weir_map *artifacts;
    uint64_t max_size;
    size_t parts;
} artifact_memory;

static artifact_memory *self_of(weir_artifact_store *store)
{
    return (artifact_memory *)store;
}

static void free_artifact(void *value)
{
    artifact *of = value;
    weir_buffer_deinit(&of->content);
    weir_free(of);
}

static int open_part(artifact_memory *self, const char *digest, artifact **ret, weir_error *err)
{
    if (self->parts >= WEIR_ARTIFACT_PARTS_MAX)
        return weir_error_set(err, WEIR_ERESOURCES,
                              "artifact %.12s: %d uploads are open already; try again later",
                              digest, WEIR_ARTIFACT_PARTS_MAX);
    artifact *of = weir_calloc(1, sizeof *of);
    if (of == NULL || weir_map_put(self->artifacts, digest, of) != 0) {
        weir_free(of);
        return weir_error_set(err, WEIR_ENO_MEMORY, "artifact %.12s: out of memory", digest);
    }
    self->parts++;
    *ret = of;
    return 0;
}

static int finish(artifact_memory *self, const char *digest, artifact *of, weir_error *err)
{
    char found[WEIR_DIGEST_HEX];
    weir_digest digest_of = weir_digest_of(of->content.data, of->content.size);
    self->parts--;
    if (strcmp(weir_digest_format(&digest_of, found), digest) != 0) {
        weir_map_remove(self->artifacts, digest);
        return weir_artifact_mismatch(digest, err);
    }
    of->complete = true;
    return 0;
}

static int memory_append(weir_artifact_store *store, const char *digest, uint64_t offset,
                         uint64_t total, const void *bytes, size_t size, uint64_t *ret_received,
                         bool *ret_complete, weir_error *err)
{
    artifact_memory *self = self_of(store);
    int rc = weir_artifact_check_chunk(digest, offset, total, size, self->max_size, err);
    if (rc != 0)
        return rc;
    artifact *of = weir_map_get(self->artifacts, digest);
    if (of == NULL)
        rc = open_part(self, digest, &of, err);
    if (rc != 0)
        return rc;
    if (!of->complete && offset == of->content.size && size > 0) {
        if (weir_buffer_reserve(&of->content, size) != 0) {
            of->content.failed = false; /* what is there is whole: the chunk may come again */
            return weir_error_set(err, WEIR_ENO_MEMORY, "artifact %.12s: out of memory", digest);
        }
        weir_buffer_append(&of->content, bytes, size);
    }
    if (!of->complete && of->content.size >= total)
        rc = finish(self, digest, of, err);
    if (rc != 0)
        return rc;
    *ret_received = of->content.size;
    *ret_complete = of->complete;
    return 0;
}

static int memory_read(weir_artifact_store *store, const char *digest, uint64_t offset,
                       size_t max_size, weir_buffer *out, uint64_t *ret_total, weir_error *err)
{
    int rc = weir_artifact_check_digest(digest, err);
    weir_buffer_clear(out);
    if (rc != 0)
        return rc;
    const artifact *of = weir_map_get(self_of(store)->artifacts, digest);
    if (of == NULL || !of->complete)
        return weir_error_set(err, WEIR_ENOT_FOUND, "artifact %.12s: is not here", digest);
    if (offset > of->content.size)
        return weir_error_set(err, WEIR_EINVALID, "artifact %.12s: has only %zu bytes", digest,
                              of->content.size);
    size_t left = of->content.size - (size_t)offset;
    size_t size = left < max_size ? left : max_size;
    if (size > 0)
        weir_buffer_append(out, of->content.data + offset, size);
    *ret_total = of->content.size;
    return weir_buffer_check(out);
}

static int memory_remove(weir_artifact_store *store, const char *digest, weir_error *err)
{
    artifact_memory *self = self_of(store);
    int rc = weir_artifact_check_digest(digest, err);
    if (rc != 0)
        return rc;
    const artifact *of = weir_map_get(self->artifacts, digest);
    if (of != NULL && !of->complete)
        self->parts--;
    weir_map_remove(self->artifacts, digest);
    return 0;
}

static int memory_list(weir_artifact_store *store, void (*visit)(void *data, const char *digest),
                       void *data, weir_error *err)
{
    const char *digest;
    void *value;
    (void)err;
    for (size_t i = 0; weir_map_next(self_of(store)->artifacts, &i, &digest, &value);)
        visit(data, digest);
    return 0;
}

static void memory_close(weir_artifact_store *store)
{
    artifact_memory *self = self_of(store);
    weir_map_destroy(&self->artifacts);
    weir_free(self);
}

int weir_artifact_memory_new(uint64_t max_size, weir_artifact_store **ret)
{
    artifact_memory *self = weir_calloc(1, sizeof *self);
    if (self == NULL)
        return WEIR_ENO_MEMORY;
    self->store = (weir_artifact_store){.append = memory_append,
                                        .read = memory_read,
                                        .remove = memory_remove,
                                        .list = memory_list,
                                        .close = memory_close};
    self->max_size = max_size;
    self->artifacts = weir_map_new(free_artifact);
    if (self->artifacts == NULL) {
        weir_free(self);
        return WEIR_ENO_MEMORY;
    }
    *ret = &self->store;
    return 0;
}

void weir_artifact_memory_crash(weir_artifact_store *store)
{
    artifact_memory *self = self_of(store);
    const char *digest;
    void *value;
    for (size_t i = 0; weir_map_next(self->artifacts, &i, &digest, &value);) {
        if (!((artifact *)value)->complete)
            weir_map_remove(self->artifacts, digest);
    }
    self->parts = 0;
}
