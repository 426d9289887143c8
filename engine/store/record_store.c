/* store/record_store.c -- records in LMDB with full sync. A group is collected in memory and lives
 * in an LMDB transaction only inside commit: so a full map can grow, which LMDB allows only between
 * transactions, and the group be applied again. */
#include "store/record_store.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/units.h"
#include "store/record_check.h"
#include "store/record_group.h"
#include "store/record_value.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MAP_SIZE     (UINT64_C(16) << 20)
#define MAP_SIZE_MAX (UINT64_C(64) << 30)
#define SPACE_LOW    (UINT64_C(1) << 20) /* with less left, a failed write counts as a full disk */
#define FORMAT_READY "weir records 1 "
#define FORMAT_NEW   "weir records new "

typedef struct record_store {
    weir_records records; /* first: the handle */
    char *directory;
    char *data; /* path of data.mdb */
    int owner;  /* locked file; -1: none */
    MDB_env *env;
    bool unmapped; /* the environment lost its map: LMDB would crash */
    MDB_dbi dbi;
    uint64_t map_size, map_size_max;
    weir_record_group group;
    weir_record_facts facts;
    uint64_t fail_countdown;
    int fail_code;
} record_store;

static record_store *self_of(weir_records *records)
{
    return (record_store *)records;
}

static bool disk_is_full(const record_store *self)
{
    struct statvfs status;
    return statvfs(self->directory, &status) == 0 &&
           (uint64_t)status.f_bavail * status.f_frsize < SPACE_LOW;
}

static int lmdb_failed(const record_store *self, int rc, const char *what, weir_error *err)
{
    const char *path = self->data;
    char limit[32];
    switch (rc) {
    case MDB_MAP_FULL:
        return weir_error_set(err, WEIR_ENO_SPACE,
                              "%s: is full; it has grown to its limit of %s; remove ended jobs "
                              "(jobstore.max-capacity, jobstore.expiration-time)",
                              path, weir_format_size(self->map_size, limit, sizeof limit));
    case MDB_TXN_FULL:
        return weir_error_set(err, WEIR_ETOO_LARGE, "%s: too much is written at once", path);
    case MDB_PANIC:
        return weir_error_set(err, WEIR_EIO,
                              "%s: an earlier write failed half way; restart the process, which "
                              "checks the file",
                              path);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return weir_error_set(err, WEIR_ENO_SPACE, "%s: %s; %s; make room on the disk", path, what,
                              strerror(rc));
    case ENOMEM:
        return weir_error_set(err, WEIR_ENO_MEMORY, "%s: %s; out of memory", path, what);
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        return weir_error_set(err, WEIR_ECORRUPT,
                              "%s: %s; the record store is damaged (%s); put back a copy from a "
                              "backup",
                              path, what, mdb_strerror(rc));
    default:
        /* LMDB reports a short write, which is how a disk fills up, as EIO. */
        if (rc == EIO && disk_is_full(self))
            return weir_error_set(err, WEIR_ENO_SPACE,
                                  "%s: %s; the disk is full; make room on the disk", path, what);
        return weir_error_set(err, WEIR_EIO, "%s: %s; %s", path, what, mdb_strerror(rc));
    }
}

/* ---- writing ---- */

static int step(record_store *self, weir_error *err)
{
    bool hit = self->fail_countdown == 1;
    if (self->fail_countdown > 0)
        self->fail_countdown--;
    return hit ? weir_error_set(err, self->fail_code, "%s: a planned failure (%s)", self->data,
                                weir_code_text(self->fail_code))
               : 0;
}

static int store_begin(weir_records *records, weir_error *err)
{
    record_store *self = self_of(records);
    int rc = step(self, err);
    return rc != 0 ? rc : weir_record_group_begin(&self->group, err);
}

static int store_put(weir_records *records, const char *table, const char *key, uint16_t version,
                     const void *bytes, size_t size, weir_error *err)
{
    record_store *self = self_of(records);
    int rc = step(self, err);
    if (rc != 0)
        return weir_record_group_fail(&self->group, rc, err);
    return weir_record_group_put(&self->group, table, key, version, bytes, size, err);
}

static int store_remove(weir_records *records, const char *table, const char *key, weir_error *err)
{
    record_store *self = self_of(records);
    int rc = step(self, err);
    if (rc != 0)
        return weir_record_group_fail(&self->group, rc, err);
    return weir_record_group_remove(&self->group, table, key, err);
}

/* Returns LMDB's code; a failure of our own in *ret_code. */
static int put_value(MDB_txn *txn, MDB_dbi dbi, const char *key, uint16_t version,
                     const void *bytes, size_t size, int *ret_code, weir_error *err)
{
    MDB_val name = {strlen(key), (void *)(uintptr_t)key};
    MDB_val value = {WEIR_RECORD_HEADER + size, NULL};
    int rc = mdb_put(txn, dbi, &name, &value, MDB_RESERVE);
    if (rc != 0)
        return rc;
    *ret_code = weir_record_seal(key, name.mv_size, version, bytes, size, value.mv_data, err);
    return 0;
}

static int apply(record_store *self, MDB_txn *txn, weir_record_facts *facts, int *ret_code,
                 weir_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && *ret_code == 0 && i < self->group.count; i++) {
        const weir_record_write *write = &self->group.writes[i];
        MDB_val name = {strlen(write->key), write->key}, old;
        rc = mdb_get(txn, self->dbi, &name, &old);
        if (rc != 0 && rc != MDB_NOTFOUND)
            return rc;
        bool found = rc == 0;
        rc = 0;
        if (write->put) {
            facts->count += found ? 0 : 1;
            rc = put_value(txn, self->dbi, write->key, write->version, write->bytes, write->size,
                           ret_code, err);
        } else if (found) {
            facts->count--;
            rc = mdb_del(txn, self->dbi, &name, NULL);
        }
    }
    if (rc != 0 || *ret_code != 0)
        return rc;
    uint8_t packed[WEIR_RECORD_FACTS_SIZE];
    facts->generation++;
    weir_record_facts_pack(facts, packed);
    return put_value(txn, self->dbi, WEIR_RECORD_FACTS_KEY, 1, packed, sizeof packed, ret_code,
                     err);
}

/* Returns LMDB's code; a failure of our own in *ret_code. */
static int try_commit(record_store *self, int *ret_code, weir_error *err)
{
    MDB_txn *txn;
    weir_record_facts facts = self->facts;
    int rc = mdb_txn_begin(self->env, NULL, 0, &txn);
    if (rc != 0)
        return rc;
    rc = apply(self, txn, &facts, ret_code, err);
    if (rc != 0 || *ret_code != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    rc = mdb_txn_commit(txn); /* frees it, whatever comes */
    if (rc == 0)
        self->facts = facts;
    return rc;
}

/* LMDB gives the old map back before it asks for a new one, and has none when that fails. */
static int grow(record_store *self)
{
    if (self->map_size >= self->map_size_max)
        return MDB_MAP_FULL;
    uint64_t size = self->map_size * 2;
    if (size > self->map_size_max)
        size = self->map_size_max;
    int rc = mdb_env_set_mapsize(self->env, size);
    if (rc == 0)
        self->map_size = size;
    self->unmapped = rc != 0;
    return rc;
}

static int check_mapped(const record_store *self, weir_error *err)
{
    if (!self->unmapped)
        return 0;
    return weir_error_set(err, WEIR_EIO,
                          "%s: could not be mapped into memory when it had to grow; restart the "
                          "process",
                          self->data);
}

/* A commit that fails at its last page, the one that makes it count, leaves an environment that
 * does nothing any more: then only a new open tells whether it was kept, whatever the reason was.
 */
static bool is_broken(const record_store *self)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(self->env, NULL, MDB_RDONLY, &txn);
    if (rc == 0)
        mdb_txn_abort(txn);
    return rc == MDB_PANIC;
}

static int write_group(record_store *self, weir_error *err)
{
    int code = check_mapped(self, err);
    int rc = 0;
    while (code == 0 && (rc = try_commit(self, &code, err)) == MDB_MAP_FULL) {
        rc = grow(self);
        if (rc != 0)
            break;
    }
    if (code != 0 || rc == 0)
        return code;
    if (self->unmapped)
        return weir_error_set(err, WEIR_EIO, "%s: cannot grow; %s; restart the process", self->data,
                              mdb_strerror(rc));
    if (rc != MDB_PANIC && is_broken(self))
        return weir_error_set(err, WEIR_EIO,
                              "%s: a write failed half way; %s; restart the process, which checks "
                              "the file",
                              self->data, mdb_strerror(rc));
    return lmdb_failed(self, rc, "cannot be written", err);
}

static int store_commit(weir_records *records, weir_error *err)
{
    record_store *self = self_of(records);
    int rc = step(self, err);
    if (rc == 0)
        rc = weir_record_group_check(&self->group, err);
    if (rc == 0)
        rc = write_group(self, err);
    weir_record_group_end(&self->group);
    return rc;
}

static void store_abort(weir_records *records)
{
    weir_record_group_end(&self_of(records)->group);
}

/* ---- reading ---- */

static int cannot_unseal(const record_store *self, const weir_error *failure, weir_error *err)
{
    if (failure->code == WEIR_ENO_MEMORY)
        return weir_error_set(err, WEIR_ENO_MEMORY, "%s: out of memory", self->data);
    return weir_error_set(
        err, failure->code,
        "%s: the record store is damaged; %s; stop the process and put back a copy "
        "of %s from a backup",
        self->data, failure->text, self->directory);
}

static int store_get(weir_records *records, const char *table, const char *key,
                     uint16_t *ret_version, weir_buffer *out, weir_error *err)
{
    record_store *self = self_of(records);
    MDB_txn *txn;
    char *full = NULL;
    weir_error failure = WEIR_ERROR_INIT;
    weir_buffer_clear(out);
    int code = weir_record_group_check_closed(&self->group, err);
    if (code == 0)
        code = check_mapped(self, err);
    if (code == 0)
        code = weir_record_key(table, key, &full, err);
    if (code != 0)
        return code;
    int rc = mdb_txn_begin(self->env, NULL, MDB_RDONLY, &txn);
    if (rc != 0) {
        weir_free(full);
        return lmdb_failed(self, rc, "cannot be read", err);
    }
    MDB_val name = {strlen(full), full}, value;
    const uint8_t *payload;
    size_t size;
    rc = mdb_get(txn, self->dbi, &name, &value);
    if (rc == MDB_NOTFOUND)
        code = weir_error_set(err, WEIR_ENOT_FOUND, "%s: there is no %s", self->data, full);
    else if (rc != 0)
        code = lmdb_failed(self, rc, "cannot be read", err);
    else if (weir_record_unseal(full, name.mv_size, value.mv_data, value.mv_size, ret_version,
                                &payload, &size, &failure) != 0)
        code = cannot_unseal(self, &failure, err);
    else if (weir_buffer_reserve(out, size) != 0)
        code = weir_error_set(err, WEIR_ENO_MEMORY, "%s: out of memory", self->data);
    else
        weir_buffer_append(out, payload, size);
    mdb_txn_abort(txn);
    weir_free(full);
    return code;
}

/* One value of an iteration; its key is "table/..." and at most WEIR_RECORD_KEY_MAX bytes. */
static int visit_value(const record_store *self, const MDB_val *name, const MDB_val *value,
                       size_t prefix, weir_records_visit visit, void *data, weir_error *err)
{
    char key[WEIR_RECORD_KEY_MAX + 1];
    weir_error failure = WEIR_ERROR_INIT;
    uint16_t version;
    const uint8_t *payload;
    size_t size;
    if (weir_record_unseal(name->mv_data, name->mv_size, value->mv_data, value->mv_size, &version,
                           &payload, &size, &failure) != 0)
        return cannot_unseal(self, &failure, err);
    memcpy(key, (const char *)name->mv_data + prefix, name->mv_size - prefix);
    key[name->mv_size - prefix] = '\0';
    return visit(data, key, version, payload, size, err);
}

static int iterate_values(const record_store *self, MDB_cursor *cursor, const char *prefix,
                          weir_records_visit visit, void *data, weir_error *err)
{
    const size_t length = strlen(prefix);
    MDB_val name = {length, (void *)(uintptr_t)prefix}, value;
    int code = 0;
    int rc = mdb_cursor_get(cursor, &name, &value, MDB_SET_RANGE);
    while (rc == 0 && name.mv_size > length && name.mv_size <= WEIR_RECORD_KEY_MAX &&
           memcmp(name.mv_data, prefix, length) == 0) {
        code = visit_value(self, &name, &value, length, visit, data, err);
        if (code != 0)
            return code;
        rc = mdb_cursor_get(cursor, &name, &value, MDB_NEXT);
    }
    return rc == 0 || rc == MDB_NOTFOUND ? 0 : lmdb_failed(self, rc, "cannot be read", err);
}

static int store_iterate(weir_records *records, const char *table, weir_records_visit visit,
                         void *data, weir_error *err)
{
    record_store *self = self_of(records);
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    int code = weir_record_group_check_closed(&self->group, err);
    if (code == 0)
        code = check_mapped(self, err);
    if (code != 0)
        return code;
    char *prefix = weir_asprintf("%s/", table);
    if (prefix == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "%s: out of memory", self->data);
    int rc = mdb_txn_begin(self->env, NULL, MDB_RDONLY, &txn);
    if (rc == 0)
        rc = mdb_cursor_open(txn, self->dbi, &cursor);
    if (rc != 0)
        code = lmdb_failed(self, rc, "cannot be read", err);
    else
        code = iterate_values(self, cursor, prefix, visit, data, err);
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    weir_free(prefix);
    return code;
}

/* ---- opening and closing ---- */

static void store_close(weir_records *records)
{
    record_store *self = self_of(records);
    weir_record_group_end(&self->group);
    if (self->env != NULL)
        mdb_env_close(self->env);
    if (self->owner >= 0)
        close(self->owner); /* the lock goes with it */
    weir_free(self->directory);
    weir_free(self->data);
    weir_free(self);
}

/* The file stays when the store is closed: removing a locked file is a race. */
static int lock_owner(record_store *self, weir_error *err)
{
    char path[4096], text[64];
    if (snprintf(path, sizeof path, "%s/owner", self->directory) >= (int)sizeof path)
        return weir_error_set(err, WEIR_EINVALID, "%s: the path is too long", self->directory);
    self->owner = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (self->owner < 0)
        return weir_error_errno(err, errno, "%s: cannot be opened", path);
    if (flock(self->owner, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return weir_error_errno(err, errno, "%s: cannot be locked", path);
        ssize_t size = pread(self->owner, text, sizeof text - 1, 0);
        text[size > 0 ? size : 0] = '\0';
        text[strspn(text, "0123456789")] = '\0';
        return weir_error_set(err, WEIR_ESTATE,
                              "%s: the record store is in use by process %s; stop that process, or "
                              "choose another directory (cluster.directory)",
                              self->directory, text[0] != '\0' ? text : "(unknown)");
    }
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(self->owner, 0) != 0 || pwrite(self->owner, text, (size_t)length, 0) != length)
        return weir_error_errno(err, errno, "%s: cannot be written", path);
    return 0;
}

/* `format` is "weir records new <id>" until the store is whole, then "weir records 1 <id>". */
static int write_format(const record_store *self, const char *path, const char *word,
                        weir_error *err)
{
    char id[WEIR_ID_HEX], text[128];
    int length = snprintf(text, sizeof text, "%s%s\n", word, weir_id_format(&self->facts.id, id));
    return weir_file_write_atomic(path, text, (size_t)length, 0600, err);
}

static int read_format(record_store *self, const char *path, bool *ret_ready, weir_error *err)
{
    weir_buffer text = WEIR_BUFFER_INIT;
    int rc = weir_file_read(path, 128, &text, err);
    if (rc == 0) {
        const char *at = weir_buffer_text(&text);
        *ret_ready = strncmp(at, FORMAT_READY, strlen(FORMAT_READY)) == 0;
        bool making = strncmp(at, FORMAT_NEW, strlen(FORMAT_NEW)) == 0;
        at += strlen(*ret_ready ? FORMAT_READY : making ? FORMAT_NEW : "");
        char id[WEIR_ID_HEX];
        snprintf(id, sizeof id, "%.32s", at);
        if ((!*ret_ready && !making) || weir_id_parse(id, &self->facts.id) != 0)
            rc = weir_error_set(err, WEIR_ECORRUPT,
                                "%s: is damaged, or of a newer version of weir; put back a copy of "
                                "%s from a backup, or use the newer version",
                                path, self->directory);
    }
    weir_buffer_deinit(&text);
    return rc;
}

/* The files of a store that was never whole hold nothing that anybody was promised. */
static int start_anew(record_store *self, const char *format, weir_error *err)
{
    char *lock = weir_asprintf("%s/lock.mdb", self->directory);
    if (lock == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "%s: out of memory", self->directory);
    self->facts = (weir_record_facts){.id = weir_id_random()};
    int rc = write_format(self, format, FORMAT_NEW, err);
    if (rc == 0 &&
        ((unlink(self->data) != 0 && errno != ENOENT) || (unlink(lock) != 0 && errno != ENOENT)))
        rc = weir_error_errno(err, errno, "%s: cannot be removed", self->data);
    weir_free(lock);
    return rc;
}

static int open_environment(record_store *self, weir_error *err)
{
    MDB_txn *txn;
    MDB_envinfo info;
    int dead = 0;
    int rc = mdb_env_create(&self->env);
    if (rc == 0)
        rc = mdb_env_set_mapsize(self->env, self->map_size);
    if (rc == 0)
        rc = mdb_env_open(self->env, self->directory, MDB_NOTLS, 0600);
    if (rc == 0)
        rc = mdb_reader_check(self->env, &dead);
    if (rc == 0)
        rc = mdb_env_info(self->env, &info);
    if (rc == 0)
        self->map_size = info.me_mapsize;
    if (rc == 0)
        rc = mdb_txn_begin(self->env, NULL, MDB_RDONLY, &txn);
    if (rc != 0)
        return lmdb_failed(self, rc, "cannot be opened", err);
    rc = mdb_dbi_open(txn, NULL, 0, &self->dbi);
    if (rc == 0)
        rc = mdb_txn_commit(txn);
    else
        mdb_txn_abort(txn);
    return rc == 0 ? 0 : lmdb_failed(self, rc, "cannot be opened", err);
}

/* Count and generation, which the check has found to be whole. */
static int load_facts(record_store *self, weir_error *err)
{
    MDB_txn *txn;
    MDB_val name = {strlen(WEIR_RECORD_FACTS_KEY), (void *)(uintptr_t)WEIR_RECORD_FACTS_KEY}, value;
    const uint8_t *payload;
    uint16_t version;
    size_t size;
    int rc = mdb_txn_begin(self->env, NULL, MDB_RDONLY, &txn);
    if (rc != 0)
        return lmdb_failed(self, rc, "cannot be read", err);
    weir_error failure = WEIR_ERROR_INIT;
    int code = 0;
    rc = mdb_get(txn, self->dbi, &name, &value);
    if (rc != 0)
        code = lmdb_failed(self, rc, "cannot be read", err);
    else if (weir_record_unseal(name.mv_data, name.mv_size, value.mv_data, value.mv_size, &version,
                                &payload, &size, &failure) != 0)
        code = cannot_unseal(self, &failure, err);
    else if (weir_record_facts_unpack(payload, size, &self->facts) != 0)
        code =
            weir_error_set(err, WEIR_ECORRUPT, "%s: the store's own value is damaged", self->data);
    mdb_txn_abort(txn);
    return code;
}

/* Absent is what the system says is absent; anything else might be there. */
static int look_for(const char *path, bool *ret_there, weir_error *err)
{
    struct stat status;
    *ret_there = stat(path, &status) == 0;
    return *ret_there || errno == ENOENT
               ? 0
               : weir_error_errno(err, errno, "%s: cannot be looked at", path);
}

static int make_store(record_store *self, const char *format, weir_error *err)
{
    int rc = start_anew(self, format, err);
    if (rc == 0)
        rc = open_environment(self, err);
    if (rc == 0) {
        self->group.open = true; /* an empty group writes the store's own value */
        rc = write_group(self, err);
        weir_record_group_end(&self->group);
    }
    return rc != 0 ? rc : write_format(self, format, FORMAT_READY, err);
}

static int open_files(record_store *self, const char *format, weir_error *err)
{
    bool ready = false, has_format = false, has_data = false;
    int rc = look_for(format, &has_format, err);
    if (rc == 0)
        rc = look_for(self->data, &has_data, err);
    if (rc == 0 && !has_format && has_data)
        rc = weir_error_set(err, WEIR_ECORRUPT,
                            "%s: is missing beside data.mdb; put back a copy of %s from a backup, "
                            "or move the directory away to start without its jobs",
                            format, self->directory);
    if (rc == 0 && has_format)
        rc = read_format(self, format, &ready, err);
    if (rc != 0)
        return rc;
    if (!ready)
        return make_store(self, format, err);
    if (!has_data)
        return weir_error_set(err, WEIR_ECORRUPT,
                              "%s: is missing; put back a copy of %s from a backup, or move the "
                              "directory away to start without its jobs",
                              self->data, self->directory);
    rc = weir_record_check(self->directory, &self->facts.id, err);
    if (rc == 0)
        rc = open_environment(self, err);
    return rc != 0 ? rc : load_facts(self, err);
}

int weir_record_store_open(const weir_record_store_config *config, weir_records **ret,
                           weir_error *err)
{
    record_store *self = weir_calloc(1, sizeof *self);
    if (self == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "%s: out of memory", config->directory);
    self->records = (weir_records){.begin = store_begin,
                                   .put = store_put,
                                   .remove = store_remove,
                                   .commit = store_commit,
                                   .abort = store_abort,
                                   .get = store_get,
                                   .iterate = store_iterate,
                                   .close = store_close};
    self->owner = -1;
    self->map_size = config->map_size != 0 ? config->map_size : MAP_SIZE;
    self->map_size_max = config->map_size_max != 0 ? config->map_size_max : MAP_SIZE_MAX;
    self->directory = weir_strdup(config->directory);
    self->data = weir_asprintf("%s/data.mdb", config->directory);
    char *format = weir_asprintf("%s/format", config->directory);
    int rc;
    if (self->directory == NULL || self->data == NULL || format == NULL)
        rc = weir_error_set(err, WEIR_ENO_MEMORY, "%s: out of memory", config->directory);
    else
        rc = weir_file_make_directories(self->directory, 0700, err);
    if (rc == 0)
        rc = lock_owner(self, err);
    if (rc == 0)
        rc = open_files(self, format, err);
    weir_free(format);
    if (rc != 0) {
        store_close(&self->records);
        return rc;
    }
    *ret = &self->records;
    return 0;
}

void weir_record_store_fail_at(weir_records *records, uint64_t nth, int code)
{
    record_store *self = self_of(records);
    self->fail_countdown = nth;
    self->fail_code = code;
}
