#include "taskmanager/old_files.h"

#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct entry {
    int64_t written_ms;
    char name[NAME_MAX + 1];
} entry;

typedef struct listing {
    DIR *directory;
    int fd; /* the directory's */
    entry *entries;
    size_t count, capacity;
} listing;

/* ---- listing ---- */

static bool is_meant(const weir_old_files *which, const char *name)
{
    size_t length = strlen(name), prefix = strlen(which->prefix), suffix = strlen(which->suffix);

    return length >= prefix + suffix && strncmp(name, which->prefix, prefix) == 0 &&
           strcmp(name + length - suffix, which->suffix) == 0;
}

/* By another TaskManager's runner, perhaps. */
static bool is_locked(int directory, const char *name)
{
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return errno != ENOENT; /* cannot be told: it is left alone */
    bool locked = flock(fd, LOCK_EX | LOCK_NB) != 0;
    close(fd);
    return locked;
}

static bool is_used(const weir_old_files *which, int directory, const char *name)
{
    char stem[NAME_MAX + 1];

    if (which->is_used) {
        snprintf(stem, sizeof stem, "%.*s", (int)(strlen(name) - strlen(which->suffix)), name);
        if (which->is_used(which->data, stem))
            return true;
    }
    return which->are_locked && is_locked(directory, name);
}

static int add(listing *all, const char *name, const struct timespec *written)
{
    if (all->count == all->capacity) {
        size_t capacity = all->capacity ? 2 * all->capacity : 64;
        entry *moved = weir_realloc(all->entries, capacity * sizeof *moved);
        if (!moved)
            return WEIR_ENO_MEMORY;
        all->entries = moved;
        all->capacity = capacity;
    }
    entry *e = &all->entries[all->count++];
    e->written_ms = (int64_t)written->tv_sec * 1000 + written->tv_nsec / 1000000;
    snprintf(e->name, sizeof e->name, "%s", name);
    return 0;
}

static int list(const weir_old_files *which, listing *all, weir_error *err)
{
    struct dirent *found;
    struct stat status;
    int rc = 0;

    while (rc == 0 && (errno = 0, found = readdir(all->directory))) {
        if (!is_meant(which, found->d_name) ||
            fstatat(all->fd, found->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(status.st_mode) || is_used(which, all->fd, found->d_name))
            continue;
        rc = add(all, found->d_name, &status.st_mtim);
    }
    if (rc < 0)
        return weir_error_set(err, rc, "%s: no memory to look through it", which->directory);
    return errno ? weir_error_errno(err, errno, "%s", which->directory) : 0;
}

/* ---- removing ---- */

static int youngest_first(const void *left, const void *right)
{
    const entry *a = left, *b = right;

    if (a->written_ms != b->written_ms)
        return a->written_ms > b->written_ms ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int remove_old(const weir_old_files *which, const listing *all, int64_t wall_ms,
                      size_t *ret_removed, weir_error *err)
{
    int rc = 0;

    qsort(all->entries, all->count, sizeof *all->entries, youngest_first);
    for (size_t i = 0; i < all->count; i++) {
        const entry *e = &all->entries[i];
        if (i < which->count_max && wall_ms - e->written_ms <= which->age_max_ms)
            continue;
        if (unlinkat(all->fd, e->name, 0) == 0)
            ++*ret_removed;
        else if (errno != ENOENT && rc == 0)
            rc = weir_error_errno(err, errno, "%s/%s", which->directory, e->name);
    }
    return rc;
}

int weir_old_files_remove(const weir_old_files *which, int64_t wall_ms, size_t *ret_removed,
                          weir_error *err)
{
    listing all = {.directory = opendir(which->directory)};

    *ret_removed = 0;
    if (!all.directory)
        return errno == ENOENT ? 0 : weir_error_errno(err, errno, "%s", which->directory);
    all.fd = dirfd(all.directory);
    int rc = list(which, &all, err);
    if (rc == 0 && all.count > 0)
        rc = remove_old(which, &all, wall_ms, ret_removed, err);
    weir_free(all.entries);
    closedir(all.directory);
    return rc;
}
