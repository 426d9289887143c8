#include "connectors/filesystem/file_list.h"

#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One listing under way. */
typedef struct listing {
    weir_file_list *list;
    const char *place;
    weir_error *err;
} listing;

static int no_memory(const listing *l)
{
    return weir_error_set(l->err, WEIR_ENO_MEMORY,
                          "%s: no memory to list its files; there are more than %u; name fewer",
                          l->place, l->list->count);
}

static int add_file(listing *l, const char *path, uint64_t size)
{
    weir_file_list *list = l->list;
    char *copy;

    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity > 0 ? 2 * list->capacity : 16;
        weir_listed_file *grown =
            capacity > list->capacity ? weir_realloc(list->files, capacity * sizeof *grown) : NULL;

        if (grown == NULL)
            return no_memory(l);
        list->files = grown;
        list->capacity = capacity;
    }
    copy = weir_strdup(path);
    if (copy == NULL)
        return no_memory(l);
    list->files[list->count++] = (weir_listed_file){copy, size};
    return 0;
}

static int add_path(listing *l, const char *path, unsigned depth);

static int add_directory(listing *l, const char *path, unsigned depth)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    int rc = 0;

    if (directory == NULL)
        return weir_error_errno(l->err, errno, "%s: cannot read directory '%s'", l->place, path);
    if (depth >= WEIR_FILE_LIST_DEPTH) {
        closedir(directory);
        return weir_error_set(
            l->err, WEIR_EINVALID,
            "%s: directories are more than %d deep; at '%s'; is there a link in a "
            "circle?",
            l->place, WEIR_FILE_LIST_DEPTH, path);
    }
    for (errno = 0; rc == 0 && (entry = readdir(directory)) != NULL; errno = 0) {
        char *child;

        if (entry->d_name[0] == '.' || entry->d_name[0] == '_')
            continue;
        child =
            weir_asprintf("%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/", entry->d_name);
        rc = child != NULL ? add_path(l, child, depth + 1) : no_memory(l);
        weir_free(child);
    }
    if (rc == 0 && errno != 0)
        rc = weir_error_errno(l->err, errno, "%s: cannot read directory '%s'", l->place, path);
    closedir(directory);
    return rc;
}

static int add_path(listing *l, const char *path, unsigned depth)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return weir_error_errno(l->err, errno, "%s: cannot look at '%s'", l->place, path);
    if (S_ISDIR(status.st_mode))
        return add_directory(l, path, depth);
    if (!S_ISREG(status.st_mode))
        return weir_error_set(l->err, WEIR_EINVALID,
                              "%s: '%s' is no regular file; devices and pipes have no size to "
                              "split; read a pipe with stdin:",
                              l->place, path);
    if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0)
        return weir_error_errno(l->err, errno, "%s: cannot read '%s'", l->place, path);
    return add_file(l, path, (uint64_t)status.st_size);
}

static int add_glob(listing *l, const char *path)
{
    glob_t found = {0};
    int result = glob(path, GLOB_NOSORT, NULL, &found), rc = 0;

    if (result == GLOB_NOMATCH)
        rc = weir_error_set(l->err, WEIR_ENOT_FOUND,
                            "%s: no file matches; the glob '%s' was looked up; check the path",
                            l->place, path);
    else if (result == GLOB_NOSPACE)
        rc = no_memory(l);
    else if (result != 0)
        rc = weir_error_set(l->err, WEIR_EIO,
                            "%s: a directory of the glob '%s' cannot be read; the system refused; "
                            "check its permissions",
                            l->place, path);
    for (size_t i = 0; rc == 0 && i < found.gl_pathc; i++)
        rc = add_path(l, found.gl_pathv[i], 0);
    globfree(&found);
    return rc;
}

static int not_found(const listing *l, const char *path)
{
    char directory[1024];

    if (path[0] != '/' && getcwd(directory, sizeof directory) != NULL)
        return weir_error_set(l->err, WEIR_ENOT_FOUND,
                              "%s: no such file; '%s' was looked up in %s; check the path",
                              l->place, path, directory);
    return weir_error_set(l->err, WEIR_ENOT_FOUND,
                          "%s: no such file; '%s' does not exist on this host; check the path",
                          l->place, path);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const weir_listed_file *)a)->path, ((const weir_listed_file *)b)->path);
}

int weir_file_list_fill(weir_file_list *list, const char *place, const char *path, weir_error *err)
{
    listing l = {list, place, err};
    struct stat status;
    int rc;

    if (stat(path, &status) == 0 || (errno != ENOENT && errno != ENOTDIR))
        rc = add_path(&l, path, 0);
    else if (strpbrk(path, "*?[") != NULL)
        rc = add_glob(&l, path);
    else
        rc = not_found(&l, path);
    if (rc == 0 && list->count > 1)
        qsort(list->files, list->count, sizeof *list->files, by_path);
    return rc;
}

void weir_file_list_deinit(weir_file_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        weir_free(list->files[i].path);
    weir_free(list->files);
    *list = (weir_file_list)WEIR_FILE_LIST_INIT;
}
