#include "taskmanager/own_directory.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define PREFIX "taskmanager-"

typedef struct place {
    char cluster[PATH_MAX];  /* DIR */
    char name[NAME_MAX + 1]; /* "taskmanager-N" */
} place;

/* False: the directory lies elsewhere, as a test's may. */
static bool find_place(const char *directory, place *ret)
{
    if ((size_t)snprintf(ret->cluster, sizeof ret->cluster, "%s", directory) >= sizeof ret->cluster)
        return false;
    char *slash = strrchr(ret->cluster, '/'); /* before "artifacts" */
    if (!slash)
        return false;
    *slash = '\0';
    slash = strrchr(ret->cluster, '/'); /* before "taskmanager-N" */
    if (!slash || strncmp(slash + 1, PREFIX, strlen(PREFIX)) != 0 ||
        strlen(slash + 1) >= sizeof ret->name)
        return false;
    snprintf(ret->name, sizeof ret->name, "%s", slash + 1);
    *slash = '\0';
    return true;
}

/* The open descriptor, or an error. */
static int lock(const char *directory, const char *name, int open_flags, int how, weir_error *err)
{
    char path[PATH_MAX];
    int failed;

    if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, name) >= sizeof path)
        return weir_error_set(err, WEIR_ETOO_LARGE, "%s: path too long", directory);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | open_flags, 0600);
    if (fd < 0)
        return weir_error_errno(err, errno, "%s", path);
    do
        failed = flock(fd, how) == 0 ? 0 : errno;
    while (failed == EINTR);
    if (!failed)
        return fd;
    close(fd);
    if (failed != EWOULDBLOCK)
        return weir_error_errno(err, failed, "%s", path);
    return weir_error_set(err, WEIR_EEXISTS,
                          "%s: another TaskManager of this host has it; give this one a --number "
                          "of its own",
                          directory);
}

static void remove_abandoned(const char *cluster, const char *name)
{
    char owner[PATH_MAX], directory[PATH_MAX + 16];

    if ((size_t)snprintf(owner, sizeof owner, "%s/%s", cluster, name) >= sizeof owner)
        return;
    snprintf(directory, sizeof directory, "%s/artifacts", owner);
    int fd = lock(directory, "lock", 0, LOCK_EX | LOCK_NB, NULL);
    if (fd < 0)
        return; /* its owner lives, or it was never one */
    if (weir_file_remove_tree(directory, NULL) == 0)
        (void)rmdir(owner); /* unless there is more in it */
    close(fd);
}

static void remove_all_abandoned(const place *own)
{
    DIR *all = opendir(own->cluster);
    struct dirent *found;

    while (all && (found = readdir(all))) {
        if (strncmp(found->d_name, PREFIX, strlen(PREFIX)) == 0 &&
            strcmp(found->d_name, own->name) != 0)
            remove_abandoned(own->cluster, found->d_name);
    }
    if (all)
        closedir(all);
}

/* The lock of the whole cluster directory keeps one that begins to use a directory apart from one
 * that removes it. */
int weir_own_directory_take(const char *directory, int *ret_fd, weir_error *err)
{
    place own;
    int whole = -1, rc = weir_file_make_directories(directory, 0700, err);

    if (rc < 0)
        return rc;
    bool has_neighbours = find_place(directory, &own);
    if (has_neighbours) {
        whole = lock(own.cluster, "taskmanagers.lock", O_CREAT, LOCK_EX, err);
        if (whole < 0)
            return whole;
        rc = weir_file_make_directories(directory, 0700, err); /* it may just have gone */
    }
    int fd = rc < 0 ? rc : lock(directory, "lock", O_CREAT, LOCK_EX | LOCK_NB, err);
    if (fd >= 0 && has_neighbours)
        remove_all_abandoned(&own);
    if (whole >= 0)
        close(whole);
    if (fd < 0)
        return fd;
    *ret_fd = fd;
    return 0;
}
