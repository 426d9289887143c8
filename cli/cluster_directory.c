#include "cli/cluster_directory.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/home.h"
#include "cli/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { PID_FILE_MAX = 128 };

int weir_cluster_directory_file(const weir_cluster_directory *directory, const char *folder,
                                const char *name, const char *suffix, char *out, weir_error *err)
{
    const char *parent = strcmp(folder, "log") == 0 ? directory->log : directory->path;
    const char *between = strcmp(folder, "log") == 0 ? "" : folder;
    int length = snprintf(out, PATH_MAX, "%s%s%s/%s%s", parent, between[0] == '\0' ? "" : "/",
                          between, name, suffix);

    return length < PATH_MAX
               ? 0
               : weir_error_set(err, WEIR_ETOO_LARGE, "%s: path too long", directory->path);
}

int weir_cluster_directory_init(weir_cluster_directory *directory, const char *named,
                                const weir_config *config, weir_error *err)
{
    const char *log = weir_config_string(config, "env.log.dir");
    int rc;

    memset(directory, 0, sizeof *directory);
    directory->lock_fd = -1;
    if (named == NULL)
        named = weir_config_string(config, "cluster.directory");
    if (named[0] == '\0')
        rc = weir_home_path("cluster", directory->path, sizeof directory->path, err);
    else
        rc = weir_home_absolute(named, directory->path, sizeof directory->path, err);
    if (rc != 0)
        return rc;
    if (log[0] != '\0')
        return weir_home_absolute(log, directory->log, sizeof directory->log, err);
    if ((size_t)snprintf(directory->log, sizeof directory->log, "%s/log", directory->path) >=
        sizeof directory->log)
        return weir_error_set(err, WEIR_ETOO_LARGE, "%s: path too long", directory->path);
    return 0;
}

int weir_cluster_directory_lock(weir_cluster_directory *directory, weir_error *err)
{
    char path[PATH_MAX];
    int rc = weir_cluster_directory_file(directory, "pid", "", "", path, err);

    if (rc == 0)
        rc = weir_file_make_directories(path, 0755, err);
    if (rc == 0)
        rc = weir_file_make_directories(directory->log, 0755, err);
    if (rc == 0)
        rc = weir_cluster_directory_file(directory, "", "lock", "", path, err);
    if (rc != 0)
        return rc;
    directory->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (directory->lock_fd < 0)
        return weir_error_errno(err, errno, "%s: cannot be opened", path);
    if (flock(directory->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    rc = errno == EWOULDBLOCK
             ? weir_error_set(err, WEIR_ESTATE,
                              "%s: another command starts or stops this cluster; wait for it",
                              directory->path)
             : weir_error_errno(err, errno, "%s: cannot be locked", path);
    weir_cluster_directory_unlock(directory);
    return rc;
}

void weir_cluster_directory_unlock(weir_cluster_directory *directory)
{
    if (directory->lock_fd >= 0)
        close(directory->lock_fd);
    directory->lock_fd = -1;
}

/* ---- pid files ---- */

int weir_cluster_directory_enter(const weir_cluster_directory *directory, const char *name,
                                 pid_t pid, weir_error *err)
{
    char path[PATH_MAX], text[PID_FILE_MAX];
    int rc = weir_cluster_directory_file(directory, "pid", name, ".pid", path, err);

    if (rc != 0)
        return rc;
    int length = snprintf(text, sizeof text, "%ld %llu\n", (long)pid,
                          (unsigned long long)weir_process_started(pid));
    return weir_home_write(path, text, (size_t)length, err);
}

void weir_cluster_directory_leave(const weir_cluster_directory *directory, const char *name)
{
    char path[PATH_MAX];

    if (weir_cluster_directory_file(directory, "pid", name, ".pid", path, NULL) == 0)
        unlink(path);
}

/* True: the process of this pid file lives, and is in *ret. */
static bool look_at(const char *path, const char *name, weir_member_process *ret)
{
    weir_buffer text = WEIR_BUFFER_INIT;
    long pid = 0;
    unsigned long long started = 0;
    bool is_read = weir_file_read(path, PID_FILE_MAX, &text, NULL) == 0 &&
                   sscanf(weir_buffer_text(&text), "%ld %llu", &pid, &started) == 2;

    weir_buffer_deinit(&text);
    if (!is_read || pid <= 0 || pid > INT_MAX || started == 0)
        return false;
    *ret = (weir_member_process){.pid = (pid_t)pid, .started = started};
    snprintf(ret->name, sizeof ret->name, "%s", name);
    ret->pidfd = weir_process_open(ret->pid, started);
    return ret->pidfd >= 0;
}

static int by_name(const void *a, const void *b)
{
    return strverscmp(((const weir_member_process *)a)->name,
                      ((const weir_member_process *)b)->name);
}

int weir_cluster_directory_members(const weir_cluster_directory *directory, bool clean,
                                   weir_members_list *ret, weir_error *err)
{
    char path[PATH_MAX];
    const struct dirent *entry;
    int rc = weir_cluster_directory_file(directory, "pid", "", "", path, err);

    ret->count = 0;
    if (rc != 0)
        return rc;
    DIR *folder = opendir(path);
    if (folder == NULL)
        return errno == ENOENT ? 0 : weir_error_errno(err, errno, "%s: cannot be read", path);
    while (ret->count < WEIR_MEMBERS_MAX && (entry = readdir(folder)) != NULL) {
        size_t length = strlen(entry->d_name);
        char name[64];

        if (length <= 4 || length >= sizeof name || strcmp(entry->d_name + length - 4, ".pid") != 0)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)length - 4, entry->d_name);
        if (weir_cluster_directory_file(directory, "pid", name, ".pid", path, NULL) != 0)
            continue;
        if (look_at(path, name, &ret->of[ret->count]))
            ret->count++;
        else if (clean)
            unlink(path);
    }
    closedir(folder);
    qsort(ret->of, ret->count, sizeof ret->of[0], by_name);
    return 0;
}

void weir_members_close(weir_members_list *members)
{
    for (size_t i = 0; i < members->count; i++)
        close(members->of[i].pidfd);
    members->count = 0;
}

/* ---- weir.yaml ---- */

/* What stands in a double-quoted scalar as it is: not what YAML takes for the end of a line or for
 * no text at all. */
static bool is_plain(const unsigned char *p, size_t length)
{
    if (length == 1)
        return p[0] >= 0x20 && p[0] < 0x7F && p[0] != '"' && p[0] != '\\';
    if (length == 2)
        return p[0] != 0xC2 || p[1] >= 0xA0;
    if (length == 3 && p[0] == 0xE2) /* U+2028, U+2029 */
        return p[1] != 0x80 || (p[2] != 0xA8 && p[2] != 0xA9);
    if (length == 3 && p[0] == 0xEF) /* U+FEFF, U+FFFE, U+FFFF */
        return (p[1] != 0xBB || p[2] != 0xBF) && (p[1] != 0xBF || p[2] < 0xBE);
    return true;
}

static uint32_t decode(const unsigned char *p, size_t length)
{
    uint32_t character = length == 1 ? p[0] : p[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++)
        character = character << 6 | (p[i] & 0x3Fu);
    return character;
}

/* A configuration's value, which is UTF-8, as a YAML double-quoted scalar. */
static void put_quoted(weir_buffer *out, const char *text)
{
    size_t size = strlen(text);

    weir_buffer_putc(out, '"');
    for (size_t i = 0, length; i < size; i += length) {
        const unsigned char *at = (const unsigned char *)text + i;

        length = weir_text_character(at, size - i);
        length = length == 0 ? 1 : length;
        if (is_plain(at, length))
            weir_buffer_append(out, at, length);
        else
            weir_buffer_printf(out, "\\U%08X", decode(at, length));
    }
    weir_buffer_putc(out, '"');
}

int weir_cluster_directory_store(const weir_cluster_directory *directory, const weir_config *config,
                                 weir_error *err)
{
    char path[PATH_MAX];
    weir_buffer text = WEIR_BUFFER_INIT;
    const char *key, *value;
    int rc = weir_cluster_directory_file(directory, "", "weir.yaml", "", path, err);

    if (rc != 0)
        return rc;
    weir_buffer_puts(&text,
                     "# Written by `weir cluster start`; read by the processes it starts.\n");
    for (size_t i = 0; weir_config_next(config, &i, &key, &value);) {
        weir_buffer_printf(&text, "%s: ", key);
        put_quoted(&text, value);
        weir_buffer_putc(&text, '\n');
    }
    rc = weir_buffer_check(&text);
    if (rc == 0)
        rc = weir_home_write(path, text.data, text.size, err);
    else
        weir_error_set(err, rc, "no memory for %s", path);
    weir_buffer_deinit(&text);
    return rc;
}

int weir_cluster_directory_load(const weir_cluster_directory *directory, weir_cluster_context *ret,
                                weir_error *err)
{
    char path[PATH_MAX];
    int first, last, rc = weir_cluster_directory_file(directory, "", "weir.yaml", "", path, err);
    weir_config *config = rc == 0 ? weir_config_new() : NULL;

    if (rc == 0 && config == NULL)
        rc = weir_error_set(err, WEIR_ENO_MEMORY, "no memory for %s", path);
    if (rc == 0 && !weir_file_exists(path))
        rc = weir_error_set(err, WEIR_ENOT_FOUND,
                            "%s: no cluster was started here; start one with: weir cluster start",
                            directory->path);
    if (rc == 0)
        rc = weir_config_load(config, path, err);
    if (rc == 0) {
        memset(ret, 0, sizeof *ret);
        weir_config_ports(config, "dispatcher.rpc.port", &first, &last);
        snprintf(ret->endpoint, sizeof ret->endpoint, "tcp://%.200s:%d",
                 weir_config_string(config, "dispatcher.rpc.address"), first);
        snprintf(ret->directory, sizeof ret->directory, "%s", directory->path);
        snprintf(ret->cluster, sizeof ret->cluster, "%.95s",
                 weir_config_string(config, "cluster.id"));
    }
    weir_config_destroy(&config);
    return rc;
}
