#include "taskmanager/artifact_cache.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/id.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int path_of(const char *directory, const char *digest, const char *suffix, char *path,
                   size_t size)
{
    weir_digest checked;

    if (weir_digest_parse(digest, &checked) < 0) /* a name from a peer never becomes a path */
        return WEIR_EINVALID;
    int n = snprintf(path, size, "%s/%s%s", directory, digest, suffix);
    return n < 0 || (size_t)n >= size ? WEIR_ETOO_LARGE : 0;
}

int weir_artifact_cache_find(const char *directory, const char *digest, char *path, size_t size)
{
    int rc = path_of(directory, digest, ".so", path, size);

    if (rc < 0)
        return rc;
    return weir_file_exists(path) ? 0 : WEIR_ENOT_FOUND;
}

/* A file that has its name is believed to be whole, after a power cut, too. */
static int sync_file(const char *path, weir_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) < 0 ? weir_error_errno(err, errno, "%s", path) : 0;

    if (fd >= 0)
        close(fd);
    return rc;
}

static int append(const char *path, uint64_t offset, const void *bytes, size_t size,
                  weir_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (offset == 0 ? O_TRUNC : 0), 0600);

    if (fd < 0)
        return weir_error_errno(err, errno, "%s", path);
    int rc = 0;
    if (lseek(fd, (off_t)offset, SEEK_SET) < 0)
        rc = weir_error_errno(err, errno, "%s", path);
    if (rc == 0)
        rc = weir_file_write_all(fd, bytes, size, err);
    close(fd);
    return rc;
}

static int check_digest(const char *path, const char *digest, uint64_t total, weir_error *err)
{
    weir_buffer content = WEIR_BUFFER_INIT;
    weir_digest wanted;
    int rc = weir_digest_parse(digest, &wanted);

    if (rc == 0)
        rc = weir_file_read(path, (size_t)total, &content, err);
    if (rc == 0) {
        weir_digest found = weir_digest_of(content.data, content.size);
        if (!weir_digest_equal(&wanted, &found))
            rc = weir_error_set(err, WEIR_ECORRUPT,
                                "the artifact that arrived is not the one that was submitted");
    }
    weir_buffer_deinit(&content);
    return rc;
}

int weir_artifact_cache_store(const char *directory, const char *digest, uint64_t offset,
                              const void *bytes, size_t size, uint64_t total, weir_error *err)
{
    char part[4096], path[4096];
    int rc = path_of(directory, digest, ".part", part, sizeof part);

    if (rc == 0)
        rc = path_of(directory, digest, ".so", path, sizeof path);
    if (rc < 0)
        return weir_error_set(err, rc, "'%.80s' is no digest", digest);
    rc = weir_file_make_directories(directory, 0700, err);
    if (rc == 0)
        rc = append(part, offset, bytes, size, err);
    if (rc < 0 || offset + size < total)
        return rc;
    rc = check_digest(part, digest, total, err);
    if (rc == 0)
        rc = sync_file(part,
                       err); /* pages that it could not write are lost: the next sync is silent */
    if (rc < 0) {
        unlink(part);
        return rc;
    }
    if (rename(part, path) < 0)
        return weir_error_errno(err, errno, "%s", path);
    return 0;
}
