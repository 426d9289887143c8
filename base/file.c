/* base/file.c -- whole-file operations. Every system call goes through a wrapper that the test hook
 * can fail, so that each error path is reachable. */
#include "base/file.h"

#include "base/clock.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_CHUNK = 65536, TREE_DEPTH_MAX = 128 };

/* Process-wide by contract: they stand for the machine's disk. */
static _Atomic uint64_t fail_countdown;
static _Atomic int fail_errno;

void weir_file_fail_at(uint64_t nth, int errno_value)
{
    atomic_store(&fail_errno, errno_value);
    atomic_store(&fail_countdown, nth);
}

static bool injected(void)
{
    uint64_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
    while (left != 0) {
        if (!atomic_compare_exchange_weak(&fail_countdown, &left, left - 1))
            continue;
        if (left != 1)
            return false;
        errno = atomic_load(&fail_errno);
        return true;
    }
    return false;
}

static int file_open(int directory, const char *path, int flags, unsigned mode)
{
    int fd;
    do {
        fd = injected() ? -1 : openat(directory, path, flags | O_CLOEXEC, (mode_t)mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static ssize_t file_read_at(int fd, void *bytes, size_t size)
{
    ssize_t count;
    do {
        count = injected() ? -1 : read(fd, bytes, size);
    } while (count < 0 && errno == EINTR);
    return count;
}

static void file_close(int fd)
{
    int saved = errno;
    close(fd);
    errno = saved;
}

/* Reads until the end, or until `out` holds `limit` bytes. */
static int read_up_to(int fd, const char *path, size_t limit, weir_buffer *out, weir_error *err)
{
    while (out->size < limit) {
        size_t chunk = limit - out->size < READ_CHUNK ? limit - out->size : READ_CHUNK;
        if (weir_buffer_reserve(out, chunk) != 0)
            return weir_error_set(err, WEIR_ENO_MEMORY, "%s: out of memory while reading", path);
        ssize_t count = file_read_at(fd, out->data + out->size, chunk);
        if (count < 0)
            return weir_error_errno(err, errno, "%s: cannot be read", path);
        if (count == 0)
            break;
        out->size += (size_t)count;
        out->data[out->size] = '\0';
    }
    return 0;
}

/* Of the open file, so that it cannot be another one by the time it is read. */
static int check_guarded(int fd, const char *path, unsigned forbidden, weir_error *err)
{
    struct stat status;
    if (injected() || fstat(fd, &status) != 0)
        return weir_error_errno(err, errno, "%s: cannot be examined", path);
    if (!S_ISREG(status.st_mode))
        return weir_error_set(err, WEIR_EREFUSED, "%s: is no regular file", path);
    if (status.st_uid != geteuid() && status.st_uid != 0)
        return weir_error_set(err, WEIR_EREFUSED,
                              "%s: belongs to user %u, not to the user who runs this (%u) or root; "
                              "chown it",
                              path, (unsigned)status.st_uid, (unsigned)geteuid());
    if ((status.st_mode & forbidden) != 0)
        return weir_error_set(
            err, WEIR_EREFUSED, "%s: others can %s it: its mode is %04o; do: chmod %04o %s", path,
            (status.st_mode & forbidden & 044) != 0 ? "read" : "write",
            (unsigned)status.st_mode & 07777, (unsigned)status.st_mode & 0777 & ~forbidden, path);
    return 0;
}

static int read_file(const char *path, size_t max_size, unsigned forbidden, weir_buffer *out,
                     weir_error *err)
{
    weir_buffer_clear(out);
    int fd = file_open(AT_FDCWD, path, O_RDONLY, 0);
    if (fd < 0)
        return weir_error_errno(err, errno, "%s: cannot be opened", path);
    if (forbidden != 0) {
        int refused = check_guarded(fd, path, forbidden, err);
        if (refused != 0) {
            file_close(fd);
            return refused;
        }
    }
    /* One byte more tells a file that is too large from one that just fits. */
    size_t limit = max_size == SIZE_MAX ? max_size : max_size + 1;
    int rc = read_up_to(fd, path, limit, out, err);
    file_close(fd);
    if (rc == 0 && out->size > max_size)
        rc = weir_error_set(err, WEIR_ETOO_LARGE, "%s: is too large; the limit is %zu bytes", path,
                            max_size);
    if (rc != 0)
        weir_buffer_clear(out);
    return rc;
}

int weir_file_read(const char *path, size_t max_size, weir_buffer *out, weir_error *err)
{
    return read_file(path, max_size, 0, out, err);
}

int weir_file_read_guarded(const char *path, size_t max_size, unsigned forbidden, weir_buffer *out,
                           weir_error *err)
{
    return read_file(path, max_size, forbidden, out, err);
}

int weir_file_write_all(int fd, const void *bytes, size_t size, weir_error *err)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t count = injected() ? -1 : write(fd, at, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return weir_error_errno(err, count == 0 ? EIO : errno, "cannot write %zu bytes", size);
        at += count;
        size -= (size_t)count;
    }
    return 0;
}

/* The folder a path lies in, in a new text; NULL when memory ends. */
static char *parent_of(const char *path)
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    while (size > 0 && path[size - 1] != '/')
        size--;
    if (size == 0)
        return weir_strdup(".");
    while (size > 1 && path[size - 1] == '/')
        size--;
    return weir_strndup(path, size);
}

static int sync_fd(int fd, const char *path, weir_error *err)
{
    int rc;
    do {
        rc = injected() ? -1 : fsync(fd);
    } while (rc != 0 && errno == EINTR);
    return rc == 0 ? 0 : weir_error_errno(err, errno, "%s: cannot be synced to disk", path);
}

static int sync_directory(const char *path, weir_error *err)
{
    int fd = file_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return weir_error_errno(err, errno, "%s: cannot be opened", path);
    int rc = sync_fd(fd, path, err);
    file_close(fd);
    return rc;
}

/* Writes and syncs a new file; it is gone again after a failure. */
static int write_new(const char *path, const void *bytes, size_t size, unsigned mode,
                     weir_error *err)
{
    int fd = file_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    if (fd < 0 && errno == EEXIST)
        return weir_error_set(err, WEIR_EEXISTS, "%s: there is a file of this name already", path);
    if (fd < 0)
        return weir_error_errno(err, errno, "%s: cannot be created", path);
    int rc = weir_file_write_all(fd, bytes, size, err);
    if (rc != 0)
        rc = weir_error_wrap(err, rc, "%s", path);
    else
        rc = sync_fd(fd, path, err);
    file_close(fd);
    if (rc != 0)
        unlink(path);
    return rc;
}

int weir_file_create(const char *path, const void *bytes, size_t size, unsigned mode,
                     weir_error *err)
{
    char *parent = parent_of(path);
    int rc = parent == NULL
                 ? weir_error_set(err, WEIR_ENO_MEMORY, "%s: out of memory while writing", path)
                 : write_new(path, bytes, size, mode, err);
    if (rc == 0)
        rc = sync_directory(parent, err);
    weir_free(parent);
    return rc;
}

static int replace(const char *from, const char *to, weir_error *err)
{
    if (injected() || rename(from, to) != 0) {
        int rc = weir_error_errno(err, errno, "%s: cannot be replaced", to);
        unlink(from);
        return rc;
    }
    return 0;
}

int weir_file_write_atomic(const char *path, const void *bytes, size_t size, unsigned mode,
                           weir_error *err)
{
    char *temporary = weir_asprintf("%s.tmp-%016" PRIx64, path, weir_random_u64());
    char *parent = parent_of(path);
    int rc;
    if (temporary == NULL || parent == NULL)
        rc = weir_error_set(err, WEIR_ENO_MEMORY, "%s: out of memory while writing", path);
    else
        rc = write_new(temporary, bytes, size, mode, err);
    if (rc == 0)
        rc = replace(temporary, path, err);
    if (rc == 0)
        rc = sync_directory(parent, err);
    weir_free(temporary);
    weir_free(parent);
    return rc;
}

/* What stands where a directory cannot be made. Where the parent may not be written (EACCES,
 * EROFS), an existing directory is fine, too. */
static int check_directory(const char *path, int failure, weir_error *err)
{
    struct stat status;
    bool looked = !injected() && stat(path, &status) == 0;
    if (looked && S_ISDIR(status.st_mode))
        return 0;
    if (failure == EEXIST && looked)
        return weir_error_set(err, WEIR_EEXISTS,
                              "%s: is not a directory; move it away or choose another place", path);
    return weir_error_errno(err, failure == EEXIST ? errno : failure,
                            "%s: cannot be made a directory", path);
}

static int make_directory(const char *path, unsigned mode, weir_error *err)
{
    if (!injected() && mkdir(path, (mode_t)mode) == 0)
        return 0;
    int failure = errno;
    if (failure == EEXIST || failure == EACCES || failure == EROFS || failure == EPERM)
        return check_directory(path, failure, err);
    return weir_error_errno(err, failure, "%s: cannot be made a directory", path);
}

int weir_file_make_directories(const char *path, unsigned mode, weir_error *err)
{
    if (path[0] == '\0')
        return weir_error_set(err, WEIR_EINVALID, "the path of a directory is empty");
    char *copy = weir_strdup(path);
    if (copy == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "%s: out of memory", path);
    int rc = 0;
    for (char *at = copy + 1; rc == 0 && *at != '\0'; at++) {
        if (*at != '/' || at[-1] == '/')
            continue;
        *at = '\0';
        rc = make_directory(copy, mode, err);
        *at = '/';
    }
    if (rc == 0)
        rc = make_directory(copy, mode, err);
    weir_free(copy);
    return rc;
}

static int remove_entry(int parent, const char *name, unsigned depth, weir_error *err);

/* Empties an open directory. Removing while reading may hide entries on some file systems, so
 * passes are made until one removes nothing. */
static int remove_content(DIR *directory, unsigned depth, weir_error *err)
{
    bool removed;
    do {
        removed = false;
        rewinddir(directory);
        for (;;) {
            errno = 0;
            const struct dirent *entry = injected() ? NULL : readdir(directory);
            if (entry == NULL && errno != 0)
                return weir_error_errno(err, errno, "cannot be listed");
            if (entry == NULL)
                break;
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                continue;
            int rc = remove_entry(dirfd(directory), entry->d_name, depth + 1, err);
            if (rc != 0)
                return rc;
            removed = true;
        }
    } while (removed);
    return 0;
}

static int remove_name(int parent, const char *name, int flags, weir_error *err)
{
    if (!injected() && unlinkat(parent, name, flags) == 0)
        return 0;
    return errno == ENOENT ? 0 : weir_error_errno(err, errno, "%s: cannot be removed", name);
}

/* O_NOFOLLOW: a link fails with ELOOP or ENOTDIR, as a file does, and is unlinked itself. */
static int remove_entry(int parent, const char *name, unsigned depth, weir_error *err)
{
    if (depth > TREE_DEPTH_MAX)
        return weir_error_set(err, WEIR_ETOO_LARGE, "%s: more than %d directories deep", name,
                              TREE_DEPTH_MAX);
    int fd = file_open(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        return remove_name(parent, name, 0, err);
    if (fd < 0)
        return weir_error_errno(err, errno, "%s: cannot be opened", name);
    DIR *directory = fdopendir(fd);
    if (directory == NULL) {
        int rc = weir_error_errno(err, errno, "%s: cannot be listed", name);
        file_close(fd);
        return rc;
    }
    int rc = remove_content(directory, depth, err);
    closedir(directory);
    return rc != 0 ? rc : remove_name(parent, name, AT_REMOVEDIR, err);
}

int weir_file_remove_tree(const char *path, weir_error *err)
{
    size_t size = strlen(path);
    while (size > 0 && path[size - 1] == '/') /* "link/" would be followed */
        size--;
    if (size == 0)
        return weir_error_set(err, WEIR_EINVALID, "'%s': is no directory to remove", path);
    char *copy = weir_strndup(path, size);
    if (copy == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "%s: out of memory", path);
    int rc = remove_entry(AT_FDCWD, copy, 0, err);
    if (rc != 0)
        rc = weir_error_wrap(err, rc, "removing %s", copy);
    weir_free(copy);
    return rc;
}

bool weir_file_exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

/* Reads one byte more than asked, in front: it tells whether the window starts at a line. */
int weir_file_tail(const char *path, size_t max_size, weir_buffer *out, weir_error *err)
{
    weir_buffer_clear(out);
    int fd = file_open(AT_FDCWD, path, O_RDONLY, 0);
    if (fd < 0)
        return weir_error_errno(err, errno, "%s: cannot be opened", path);
    struct stat status;
    int rc = 0;
    bool cut = false;
    if (injected() || fstat(fd, &status) != 0)
        rc = weir_error_errno(err, errno, "%s: cannot be read", path);
    else if (status.st_size > 0 && (uint64_t)status.st_size > max_size) {
        cut = true;
        if (injected() || lseek(fd, status.st_size - (off_t)max_size - 1, SEEK_SET) < 0)
            rc = weir_error_errno(err, errno, "%s: cannot be read", path);
    }
    if (rc == 0)
        rc = read_up_to(fd, path, cut ? max_size + 1 : max_size, out, err);
    file_close(fd);
    if (rc != 0) {
        weir_buffer_clear(out);
        return rc;
    }
    if (cut && out->size > 0) {
        const uint8_t *line = memchr(out->data, '\n', out->size);
        size_t skip = line == NULL ? 1 : (size_t)(line - out->data) + 1;
        if (skip == out->size && out->size > 1) /* the only line end is the last byte */
            skip = 1;
        memmove(out->data, out->data + skip, out->size - skip + 1);
        out->size -= skip;
    }
    return 0;
}
