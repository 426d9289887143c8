/* store/memory_records.c -- records in memory. */
#include "store/memory_records.h"

#include "base/memory.h"
#include "store/record_group.h"

#include <string.h>

typedef struct memory_records {
    weir_records records;       /* first: the handle */
    weir_record_write *entries; /* committed, by key */
    size_t count, capacity;
    weir_record_group group;
    uint64_t steps;
    uint64_t fail_countdown;
    enum weir_records_failure failure;
    int fail_code;
    bool frozen;
} memory_records;

static memory_records *self_of(weir_records *records)
{
    return (memory_records *)records;
}

/* Counts a step; the failure planned for it, or 0. `late` is set when it is to happen afterwards.
 */
static int step(memory_records *self, bool *late, weir_error *err)
{
    self->steps++;
    bool hit = self->fail_countdown == 1;
    if (self->fail_countdown > 0)
        self->fail_countdown--;
    if (hit && self->failure == WEIR_RECORDS_FREEZE)
        self->frozen = true;
    if (hit && self->failure == WEIR_RECORDS_FAIL_LATE && late != NULL) {
        *late = true;
        return 0;
    }
    if (hit || self->frozen)
        return weir_error_set(err, self->fail_code, "record store: a planned failure (%s)",
                              weir_code_text(self->fail_code));
    return 0;
}

static int memory_begin(weir_records *records, weir_error *err)
{
    memory_records *self = self_of(records);
    int rc = step(self, NULL, err);
    return rc != 0 ? rc : weir_record_group_begin(&self->group, err);
}

static int memory_put(weir_records *records, const char *table, const char *key, uint16_t version,
                      const void *bytes, size_t size, weir_error *err)
{
    memory_records *self = self_of(records);
    int rc = step(self, NULL, err);
    if (rc != 0)
        return weir_record_group_fail(&self->group, rc, err);
    return weir_record_group_put(&self->group, table, key, version, bytes, size, err);
}

static int memory_remove(weir_records *records, const char *table, const char *key, weir_error *err)
{
    memory_records *self = self_of(records);
    int rc = step(self, NULL, err);
    if (rc != 0)
        return weir_record_group_fail(&self->group, rc, err);
    return weir_record_group_remove(&self->group, table, key, err);
}

/* The first entry at or behind the key. */
static size_t lower_bound(const memory_records *self, const char *key)
{
    size_t low = 0, high = self->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(self->entries[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void free_entry(weir_record_write *entry)
{
    weir_free(entry->key);
    weir_free(entry->bytes);
    *entry = (weir_record_write){0};
}

/* Takes the write's memory over. The room is there: nothing can fail. */
static void apply(memory_records *self, weir_record_write *write)
{
    size_t at = lower_bound(self, write->key);
    bool found = at < self->count && strcmp(self->entries[at].key, write->key) == 0;
    size_t behind = self->count - at;
    if (found && write->put) {
        free_entry(&self->entries[at]);
    } else if (found) {
        free_entry(&self->entries[at]);
        memmove(&self->entries[at], &self->entries[at + 1], (behind - 1) * sizeof *self->entries);
        self->count--;
    } else if (write->put) {
        memmove(&self->entries[at + 1], &self->entries[at], behind * sizeof *self->entries);
        self->count++;
    }
    if (!write->put)
        return;
    self->entries[at] = *write;
    *write = (weir_record_write){0};
}

static int commit(memory_records *self, bool *late, weir_error *err)
{
    int rc = step(self, late, err);
    if (rc == 0)
        rc = weir_record_group_check(&self->group, err);
    if (rc != 0)
        return rc;
    size_t needed = self->count + self->group.count;
    if (needed > self->capacity) {
        weir_record_write *entries = weir_realloc(self->entries, 2 * needed * sizeof *entries);
        if (entries == NULL)
            return weir_error_set(err, WEIR_ENO_MEMORY, "record store: out of memory");
        self->entries = entries;
        self->capacity = 2 * needed;
    }
    for (size_t i = 0; i < self->group.count; i++)
        apply(self, &self->group.writes[i]);
    return 0;
}

static int memory_commit(weir_records *records, weir_error *err)
{
    memory_records *self = self_of(records);
    bool late = false;
    int rc = commit(self, &late, err);
    weir_record_group_end(&self->group);
    if (rc == 0 && late)
        rc = weir_error_set(err, self->fail_code, "record store: a planned failure (%s)",
                            weir_code_text(self->fail_code));
    return rc;
}

static void memory_abort(weir_records *records)
{
    weir_record_group_end(&self_of(records)->group);
}

static int memory_get(weir_records *records, const char *table, const char *key,
                      uint16_t *ret_version, weir_buffer *out, weir_error *err)
{
    memory_records *self = self_of(records);
    char *full = NULL;
    weir_buffer_clear(out);
    int rc = weir_record_group_check_closed(&self->group, err);
    if (rc == 0)
        rc = weir_record_key(table, key, &full, err);
    if (rc != 0)
        return rc;
    size_t at = lower_bound(self, full);
    bool found = at < self->count && strcmp(self->entries[at].key, full) == 0;
    weir_free(full);
    if (!found)
        return weir_error_set(err, WEIR_ENOT_FOUND, "record store: there is no %s/%s", table, key);
    const weir_record_write *entry = &self->entries[at];
    if (entry->size > 0)
        weir_buffer_append(out, entry->bytes, entry->size);
    *ret_version = entry->version;
    return weir_buffer_check(out) == 0
               ? 0
               : weir_error_set(err, WEIR_ENO_MEMORY, "record store: out of memory");
}

static int memory_iterate(weir_records *records, const char *table, weir_records_visit visit,
                          void *data, weir_error *err)
{
    memory_records *self = self_of(records);
    int rc = weir_record_group_check_closed(&self->group, err);
    size_t length = strlen(table);
    for (size_t i = 0; rc == 0 && i < self->count; i++) {
        const weir_record_write *entry = &self->entries[i];
        if (strncmp(entry->key, table, length) != 0 || entry->key[length] != '/')
            continue;
        rc = visit(data, entry->key + length + 1, entry->version,
                   entry->size > 0 ? (const void *)entry->bytes : "", entry->size, err);
    }
    return rc;
}

static void memory_close(weir_records *records)
{
    memory_records *self = self_of(records);
    weir_record_group_end(&self->group);
    for (size_t i = 0; i < self->count; i++)
        free_entry(&self->entries[i]);
    weir_free(self->entries);
    weir_free(self);
}

int weir_memory_records_new(weir_records **ret)
{
    memory_records *self = weir_calloc(1, sizeof *self);
    if (self == NULL)
        return WEIR_ENO_MEMORY;
    self->records = (weir_records){.begin = memory_begin,
                                   .put = memory_put,
                                   .remove = memory_remove,
                                   .commit = memory_commit,
                                   .abort = memory_abort,
                                   .get = memory_get,
                                   .iterate = memory_iterate,
                                   .close = memory_close};
    *ret = &self->records;
    return 0;
}

void weir_memory_records_crash(weir_records *records)
{
    memory_records *self = self_of(records);
    weir_record_group_end(&self->group);
    self->fail_countdown = 0;
    self->frozen = false;
}

void weir_memory_records_fail_at(weir_records *records, uint64_t nth,
                                 enum weir_records_failure failure, int code)
{
    memory_records *self = self_of(records);
    self->fail_countdown = nth;
    self->failure = failure;
    self->fail_code = code;
}

uint64_t weir_memory_records_steps(const weir_records *records)
{
    return ((const memory_records *)records)->steps;
}

size_t weir_memory_records_count(const weir_records *records)
{
    return ((const memory_records *)records)->count;
}
