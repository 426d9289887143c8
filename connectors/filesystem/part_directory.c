#include "connectors/filesystem/part_directory.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SIZE 64
#define ID_SIZE   64

/* "part-12-..." -> 12; false for anything else. */
static bool part_number(const char *name, uint32_t *ret)
{
    uint64_t number = 0;
    size_t i = 5;

    if (strncmp(name, "part-", 5) != 0)
        return false;
    for (; name[i] >= '0' && name[i] <= '9' && number <= UINT32_MAX; i++)
        number = number * 10 + (uint64_t)(name[i] - '0');
    if (i == 5 || name[i] != '-' || number > UINT32_MAX)
        return false;
    *ret = (uint32_t)number;
    return true;
}

static bool is_ours(const weir_part_directory *d, uint32_t part)
{
    char name[NAME_SIZE], id[ID_SIZE];
    size_t wanted = strlen(d->job_id);
    ssize_t n;
    int fd;

    snprintf(name, sizeof name, ".part-%u-0.owner", part);
    fd = openat(d->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    n = read(fd, id, sizeof id);
    close(fd);
    return n >= 0 && (size_t)n == wanted && memcmp(id, d->job_id, wanted) == 0;
}

/* Parts that this subtask is responsible for. */
static bool in_charge(const weir_part_directory *d, uint32_t part)
{
    return part == d->subtask || (d->subtask == 0 && part >= d->parallelism);
}

/* Calls `visit` for each entry until it fails. */
static int each_entry(weir_part_directory *d,
                      int (*visit)(weir_part_directory *, const char *name, const void *context,
                                   weir_error *err),
                      const void *context, weir_error *err)
{
    int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
    DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (entries == NULL) {
        rc = weir_error_errno(err, errno, "%s: cannot read directory '%s'", d->place, d->path);
        if (fd >= 0)
            close(fd);
        return rc;
    }
    for (errno = 0; rc == 0 && (entry = readdir(entries)) != NULL; errno = 0)
        rc = visit(d, entry->d_name, context, err);
    if (rc == 0 && errno != 0)
        rc = weir_error_errno(err, errno, "%s: cannot read directory '%s'", d->place, d->path);
    closedir(entries);
    return rc;
}

static int refuse_foreign(weir_part_directory *d, const char *name, const void *context,
                          weir_error *err)
{
    uint32_t part;

    (void)context;
    if (d->overwrite || !part_number(name, &part) || !in_charge(d, part) || is_ours(d, part))
        return 0;
    return weir_error_set(
        err, WEIR_EEXISTS,
        "%s: the directory holds part files of an earlier run; found '%s'; choose "
        "another directory, or set overwrite=true",
        d->place, name);
}

static int remove_unfinished(weir_part_directory *d, const char *name, const void *context,
                             weir_error *err)
{
    char prefix[NAME_SIZE];
    size_t size = strlen(name), wanted;

    (void)context;
    wanted = (size_t)snprintf(prefix, sizeof prefix, ".part-%u-0.", d->subtask);
    if (strncmp(name, prefix, wanted) != 0 || size < wanted + 11 ||
        strcmp(name + size - 11, ".inprogress") != 0)
        return 0;
    if (unlinkat(d->fd, name, 0) != 0 && errno != ENOENT)
        return weir_error_errno(err, errno, "%s: cannot remove '%s' of an earlier attempt",
                                d->place, name);
    return 0;
}

static int remove_replaced(weir_part_directory *d, const char *name, const void *context,
                           weir_error *err)
{
    uint32_t part;

    if (strcmp(name, context) == 0 || !part_number(name, &part) || !in_charge(d, part) ||
        !(d->overwrite || is_ours(d, part)))
        return 0;
    if (unlinkat(d->fd, name, 0) != 0 && errno != ENOENT)
        return weir_error_errno(err, errno, "%s: cannot remove the old part '%s'", d->place, name);
    return 0;
}

static int take_ownership(weir_part_directory *d, weir_error *err)
{
    char name[NAME_SIZE];
    int fd, rc;

    if (is_ours(d, d->subtask))
        return 0;
    snprintf(name, sizeof name, ".part-%u-0.owner", d->subtask);
    fd = openat(d->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return weir_error_errno(err, errno, "%s: cannot write '%s' in '%s'", d->place, name,
                                d->path);
    rc = weir_file_write_all(fd, d->job_id, strlen(d->job_id), err);
    if (rc != 0)
        weir_error_wrap(err, rc, "%s: file '%s'", d->place, name);
    close(fd);
    return rc;
}

int weir_part_directory_open(weir_part_directory *d, weir_error *err)
{
    struct stat status;
    int rc;

    if (stat(d->path, &status) == 0 && !S_ISDIR(status.st_mode))
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: a file sink writes a part file per subtask into a directory; "
                              "'%s' is a file; give a directory",
                              d->place, d->path);
    rc = weir_file_make_directories(d->path, 0755, err);
    if (rc != 0)
        return weir_error_wrap(err, rc, "%s", d->place);
    d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0)
        return weir_error_errno(err, errno, "%s: cannot open directory '%s'", d->place, d->path);
    rc = each_entry(d, refuse_foreign, NULL, err);
    if (rc == 0)
        rc = each_entry(d, remove_unfinished, NULL, err);
    if (rc == 0)
        rc = take_ownership(d, err);
    if (rc != 0)
        weir_part_directory_close(d);
    return rc;
}

void weir_part_directory_close(weir_part_directory *d)
{
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}

int weir_part_directory_settle(weir_part_directory *d, const char *name, weir_error *err)
{
    int rc = each_entry(d, remove_replaced, name, err);

    if (rc == 0 && fsync(d->fd) != 0)
        rc = weir_error_errno(err, errno, "%s: cannot sync directory '%s'", d->place, d->path);
    return rc;
}
