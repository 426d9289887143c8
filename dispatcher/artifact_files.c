/* dispatcher/artifact_files.c -- artifacts as files. Names are digests that were checked, opened
 * relative to the directory's descriptor and never through a link: nothing outside is reachable. */
#include "dispatcher/artifact_files.h"

#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_CHUNK = 1 << 16, PART_NAME = WEIR_DIGEST_HEX + 5 };
#define PART ".part"

typedef struct artifact_files {
    weir_artifact_store store; /* first: the handle */
    char *directory;
    int complete, incoming; /* descriptors of the two directories; -1: none */
    uint64_t max_size;
    size_t parts; /* as far as we know: an operation may fail and be done all the same */
} artifact_files;

static artifact_files *self_of(weir_artifact_store *store)
{
    return (artifact_files *)store;
}

static const char *part_name(const char *digest, char out[PART_NAME])
{
    snprintf(out, PART_NAME, "%.64s" PART, digest);
    return out;
}

static int failed(const artifact_files *self, const char *digest, const char *what, weir_error *err)
{
    return weir_error_errno(err, errno, "%s: artifact %.12s %s", self->directory, digest, what);
}

static bool size_of(int directory, const char *name, uint64_t *ret)
{
    struct stat status;
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode))
        return false;
    *ret = (uint64_t)status.st_size;
    return true;
}

/* ---- uploads ---- */

static void part_is_gone(artifact_files *self)
{
    self->parts -= self->parts > 0 ? 1 : 0;
}

static int count_parts(artifact_files *self, weir_error *err);

static int check_room(artifact_files *self, const char *digest, weir_error *err)
{
    if (self->parts < WEIR_ARTIFACT_PARTS_MAX)
        return 0;
    int rc = count_parts(self, err);
    if (rc == 0 && self->parts >= WEIR_ARTIFACT_PARTS_MAX)
        rc = weir_error_set(err, WEIR_ERESOURCES,
                            "artifact %.12s: %d uploads are open already; try again later", digest,
                            WEIR_ARTIFACT_PARTS_MAX);
    return rc;
}

static int open_part(artifact_files *self, const char *digest, int *ret_fd, uint64_t *ret_size,
                     weir_error *err)
{
    char name[PART_NAME];
    struct stat status;
    part_name(digest, name);
    int fd = openat(self->incoming, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) {
        int rc = check_room(self, digest, err);
        if (rc != 0)
            return rc;
        fd = openat(self->incoming, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd >= 0)
            self->parts++;
    }
    if (fd < 0)
        return failed(self, digest, "cannot be opened", err);
    if (fstat(fd, &status) != 0) {
        int rc = failed(self, digest, "cannot be looked at", err);
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    *ret_size = (uint64_t)status.st_size;
    return 0;
}

/* A part that could not be written is cut back to what was there. */
static int write_chunk(artifact_files *self, const char *digest, int fd, uint64_t offset,
                       const void *bytes, size_t size, weir_error *err)
{
    if (lseek(fd, (off_t)offset, SEEK_SET) < 0)
        return failed(self, digest, "cannot be written", err);
    int rc = weir_file_write_all(fd, bytes, size, err);
    if (rc == 0)
        return 0;
    weir_error_wrap(err, rc, "%s: artifact %.12s", self->directory, digest);
    if (ftruncate(fd, (off_t)offset) != 0)
        return failed(self, digest, "cannot be cut back", err);
    return rc;
}

static int digest_file(artifact_files *self, const char *digest, int fd, bool *ret_same,
                       weir_error *err)
{
    char found[WEIR_DIGEST_HEX];
    int rc = 0;
    uint8_t *chunk = weir_alloc(READ_CHUNK);
    weir_digester *digester = weir_digester_new();
    if (chunk == NULL || digester == NULL)
        rc = weir_error_set(err, WEIR_ENO_MEMORY, "artifact %.12s: out of memory", digest);
    ssize_t size = 1;
    for (off_t at = 0; rc == 0 && size > 0; at += size) {
        do {
            size = pread(fd, chunk, READ_CHUNK, at);
        } while (size < 0 && errno == EINTR);
        if (size < 0)
            rc = failed(self, digest, "cannot be read", err);
        else if (size > 0)
            weir_digester_update(digester, chunk, (size_t)size);
    }
    weir_free(chunk);
    if (digester != NULL) {
        weir_digest whole = weir_digester_finish(&digester);
        *ret_same = strcmp(weir_digest_format(&whole, found), digest) == 0;
    }
    return rc;
}

static void discard_part(artifact_files *self, const char *digest)
{
    char name[PART_NAME];
    if (unlinkat(self->incoming, part_name(digest, name), 0) == 0)
        part_is_gone(self);
}

/* A sync that fails says once that pages are lost; one that comes later says that all is well. So
 * what was to be synced goes, and the upload begins again. */
static int put_in_place(artifact_files *self, const char *digest, int fd, weir_error *err)
{
    char name[PART_NAME];
    if (fsync(fd) != 0) {
        int rc = failed(self, digest, "cannot be synced to disk", err);
        discard_part(self, digest);
        return rc;
    }
    if (renameat(self->incoming, part_name(digest, name), self->complete, digest) != 0)
        return failed(self, digest, "cannot be put in place", err);
    part_is_gone(self);
    if (fsync(self->complete) != 0) {
        int rc = failed(self, digest, "cannot be synced to disk", err);
        unlinkat(self->complete, digest, 0);
        return rc;
    }
    return 0;
}

static int finish(artifact_files *self, const char *digest, int fd, weir_error *err)
{
    bool same = false;
    int rc = digest_file(self, digest, fd, &same, err);
    if (rc != 0)
        return rc;
    if (!same) {
        discard_part(self, digest);
        return weir_artifact_mismatch(digest, err);
    }
    return put_in_place(self, digest, fd, err);
}

static int files_append(weir_artifact_store *store, const char *digest, uint64_t offset,
                        uint64_t total, const void *bytes, size_t size, uint64_t *ret_received,
                        bool *ret_complete, weir_error *err)
{
    artifact_files *self = self_of(store);
    uint64_t have = 0;
    int fd = -1;
    int rc = weir_artifact_check_chunk(digest, offset, total, size, self->max_size, err);
    if (rc != 0)
        return rc;
    bool complete = size_of(self->complete, digest, &have);
    if (!complete) {
        rc = open_part(self, digest, &fd, &have, err);
        if (rc != 0)
            return rc;
        if (offset == have && size > 0) {
            rc = write_chunk(self, digest, fd, offset, bytes, size, err);
            have += size;
        }
        complete = rc == 0 && have >= total;
        if (complete)
            rc = finish(self, digest, fd, err);
        close(fd);
    }
    if (rc != 0)
        return rc;
    *ret_received = have;
    *ret_complete = complete;
    return 0;
}

/* ---- reading ---- */

static int read_at(const artifact_files *self, const char *digest, int fd, uint64_t offset,
                   size_t size, weir_buffer *out, weir_error *err)
{
    if (weir_buffer_reserve(out, size) != 0)
        return weir_error_set(err, WEIR_ENO_MEMORY, "artifact %.12s: out of memory", digest);
    while (out->size < size) {
        ssize_t count =
            pread(fd, out->data + out->size, size - out->size, (off_t)(offset + out->size));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return failed(self, digest, "cannot be read", err);
        if (count == 0)
            return weir_error_set(err, WEIR_ECORRUPT, "%s/%s: was cut while it was read",
                                  self->directory, digest);
        out->size += (size_t)count;
    }
    out->data[out->size] = '\0'; /* a buffer's text has an end */
    return 0;
}

static int files_read(weir_artifact_store *store, const char *digest, uint64_t offset,
                      size_t max_size, weir_buffer *out, uint64_t *ret_total, weir_error *err)
{
    artifact_files *self = self_of(store);
    struct stat status;
    weir_buffer_clear(out);
    int rc = weir_artifact_check_digest(digest, err);
    if (rc != 0)
        return rc;
    int fd = openat(self->complete, digest, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return weir_error_set(err, WEIR_ENOT_FOUND, "artifact %.12s: is not here", digest);
    if (fd < 0 || fstat(fd, &status) != 0) {
        rc = failed(self, digest, "cannot be opened", err);
    } else if (offset > (uint64_t)status.st_size) {
        rc = weir_error_set(err, WEIR_EINVALID, "artifact %.12s: has only %lld bytes", digest,
                            (long long)status.st_size);
    } else {
        uint64_t left = (uint64_t)status.st_size - offset;
        rc = read_at(self, digest, fd, offset, left < max_size ? (size_t)left : max_size, out, err);
        *ret_total = (uint64_t)status.st_size;
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

/* ---- removing and listing ---- */

static int files_remove(weir_artifact_store *store, const char *digest, weir_error *err)
{
    artifact_files *self = self_of(store);
    char name[PART_NAME];
    int rc = weir_artifact_check_digest(digest, err);
    if (rc != 0)
        return rc;
    if (unlinkat(self->complete, digest, 0) != 0 && errno != ENOENT)
        return failed(self, digest, "cannot be removed", err);
    if (unlinkat(self->incoming, part_name(digest, name), 0) == 0)
        part_is_gone(self);
    else if (errno != ENOENT)
        return failed(self, digest, "cannot be removed", err);
    return 0;
}

static int list_directory(artifact_files *self, int directory, const char *suffix,
                          void (*visit)(void *data, const char *digest), void *data,
                          weir_error *err)
{
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = copy < 0 ? NULL : fdopendir(copy);
    if (entries == NULL) {
        int rc = weir_error_errno(err, errno, "%s: cannot be listed", self->directory);
        if (copy >= 0)
            close(copy);
        return rc;
    }
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        char digest[WEIR_DIGEST_HEX];
        snprintf(digest, sizeof digest, "%.64s", entry->d_name);
        if (weir_artifact_check_digest(digest, NULL) == 0 &&
            strcmp(entry->d_name + strlen(digest), suffix) == 0)
            visit(data, digest);
    }
    closedir(entries);
    return 0;
}

static int files_list(weir_artifact_store *store, void (*visit)(void *data, const char *digest),
                      void *data, weir_error *err)
{
    artifact_files *self = self_of(store);
    int rc = list_directory(self, self->complete, "", visit, data, err);
    return rc != 0 ? rc : list_directory(self, self->incoming, PART, visit, data, err);
}

static void count_part(void *data, const char *digest)
{
    (void)digest;
    ++*(size_t *)data;
}

static int count_parts(artifact_files *self, weir_error *err)
{
    size_t count = 0;
    int rc = list_directory(self, self->incoming, PART, count_part, &count, err);
    if (rc == 0)
        self->parts = count;
    return rc;
}

/* ---- opening and closing ---- */

static void files_close(weir_artifact_store *store)
{
    artifact_files *self = self_of(store);
    if (self->complete >= 0)
        close(self->complete);
    if (self->incoming >= 0)
        close(self->incoming);
    weir_free(self->directory);
    weir_free(self);
}

static int open_directories(artifact_files *self, weir_error *err)
{
    char *incoming = weir_asprintf("%s/incoming", self->directory);
    if (incoming == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "%s: out of memory", self->directory);
    int rc = weir_file_make_directories(incoming, 0700, err);
    if (rc == 0) {
        self->complete = open(self->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        self->incoming = open(incoming, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (self->complete < 0 || self->incoming < 0)
            rc = weir_error_errno(err, errno, "%s: cannot be opened", incoming);
    }
    weir_free(incoming);
    return rc != 0 ? rc : count_parts(self, err);
}

int weir_artifact_files_open(const char *directory, uint64_t max_size, weir_artifact_store **ret,
                             weir_error *err)
{
    artifact_files *self = weir_calloc(1, sizeof *self);
    if (self == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "%s: out of memory", directory);
    self->store = (weir_artifact_store){.append = files_append,
                                        .read = files_read,
                                        .remove = files_remove,
                                        .list = files_list,
                                        .close = files_close};
    self->complete = self->incoming = -1;
    self->max_size = max_size;
    self->directory = weir_strdup(directory);
    int rc = self->directory == NULL
                 ? weir_error_set(err, WEIR_ENO_MEMORY, "%s: out of memory", directory)
                 : open_directories(self, err);
    if (rc != 0) {
        files_close(&self->store);
        return rc;
    }
    *ret = &self->store;
    return 0;
}
