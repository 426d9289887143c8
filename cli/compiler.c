/* cli/compiler.c -- an entry of the cache is <key>.so with <key>.deps beside it. The key is a
 * digest of the compiler, its flags, the source's path and content; .deps holds what else the
 * compiler read, a line `size mtime path` each. The object is renamed into place last, and one
 * without a matching list is no entry. */
#include "cli/compiler.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/id.h"
#include "base/memory.h"
#include "cli/home.h"
#include "cli/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SOURCE_MAX = 64 << 20, DEPENDENCIES_MAX = 4 << 20, WORDS_MAX = 16 };

typedef struct compilation {
    const char *source, *include_dir;
    char compiler[PATH_MAX]; /* the program */
    char words_text[1024];   /* $CC, cut at its blanks */
    char *words[WORDS_MAX];  /* "ccache", "gcc" */
    size_t nwords;
    char cache[PATH_MAX];
    char key[WEIR_DIGEST_HEX];
} compilation;

/* A call of what nobody declared would be found at the loading only, far from its line. */
static const char *const flags[] = {
    "-O3", "-g", "-fPIC", "-shared", "-Wall", "-Werror=implicit-function-declaration",
};

/* ---- the compiler ---- */

static bool find_program(const char *name, char *out, size_t size)
{
    const char *path = getenv("PATH");

    if (strchr(name, '/') != NULL)
        return (size_t)snprintf(out, size, "%s", name) < size && access(out, X_OK) == 0;
    for (path = path == NULL ? "/usr/bin:/bin" : path; *path != '\0';) {
        size_t length = strcspn(path, ":");
        int written = snprintf(out, size, "%.*s/%s", (int)length, path, name);

        if (length > 0 && written > 0 && (size_t)written < size && access(out, X_OK) == 0)
            return true;
        path += length + (path[length] == ':');
    }
    return false;
}

static int find_compiler(compilation *self, weir_error *err)
{
    static const char *const usual[] = {"cc", "gcc", "clang"};
    const char *named = getenv("CC");

    if (named != NULL && named[strspn(named, " \t")] != '\0') {
        if ((size_t)snprintf(self->words_text, sizeof self->words_text, "%s", named) >=
            sizeof self->words_text)
            return weir_error_set(err, WEIR_ETOO_LARGE, "CC: longer than %zu bytes",
                                  sizeof self->words_text - 1);
        for (char *at = self->words_text; *at != '\0' && self->nwords < WORDS_MAX;) {
            size_t blanks = strspn(at, " \t"), length = strcspn(at + blanks, " \t");

            at += blanks;
            if (length > 0)
                self->words[self->nwords++] = at;
            at += length;
            if (*at != '\0')
                *at++ = '\0';
        }
        if (find_program(self->words[0], self->compiler, sizeof self->compiler))
            return 0;
        return weir_error_set(err, WEIR_ENOT_FOUND,
                              "CC: there is no program '%s'; set CC to a C compiler, or unset it",
                              self->words[0]);
    }
    for (size_t i = 0; i < WEIR_COUNT(usual); i++) {
        if (find_program(usual[i], self->compiler, sizeof self->compiler)) {
            self->words[0] = (char *)(uintptr_t)usual[i];
            self->nwords = 1;
            return 0;
        }
    }
    return weir_error_set(
        err, WEIR_ENOT_FOUND,
        "no C compiler found: cc, gcc and clang are not on PATH; install one (apt "
        "install gcc), set CC, or give a compiled job: weir run job.so");
}

/* ---- the key ---- */

static void add_text(weir_digester *digester, const char *text)
{
    weir_digester_update(digester, text,
                         strlen(text) + 1); /* with the NUL, so nothing runs together */
}

static void add_program(weir_digester *digester, const char *path)
{
    struct stat status;
    char stamp[96];

    if (stat(path, &status) != 0)
        memset(&status, 0, sizeof status);
    snprintf(stamp, sizeof stamp, "%lld %lld.%09ld", (long long)status.st_size,
             (long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    add_text(digester, path);
    add_text(digester, stamp);
}

static int make_key(compilation *self, weir_error *err)
{
    char absolute[PATH_MAX];
    weir_buffer content = WEIR_BUFFER_INIT;
    int rc = weir_file_read(self->source, SOURCE_MAX, &content, err);

    if (rc == 0)
        rc = weir_home_absolute(self->source, absolute, sizeof absolute, err);
    weir_digester *digester = rc == 0 ? weir_digester_new() : NULL;
    if (rc == 0 && digester == NULL)
        rc = weir_error_set(err, WEIR_ENO_MEMORY, "%s: no memory to compile", self->source);
    if (rc == 0) {
        add_program(digester, self->compiler);
        for (size_t i = 0; i < self->nwords; i++)
            add_text(digester, self->words[i]);
        for (size_t i = 0; i < WEIR_COUNT(flags); i++)
            add_text(digester, flags[i]);
        add_text(digester, self->include_dir);
        add_text(digester, self->source); /* shown in messages: __FILE__ */
        add_text(digester, absolute);
        weir_digester_update(digester, content.data, content.size);
        weir_digest digest = weir_digester_finish(&digester);
        weir_digest_format(&digest, self->key);
    }
    weir_buffer_deinit(&content);
    return rc;
}

static int entry_path(const compilation *self, const char *suffix, char out[PATH_MAX],
                      weir_error *err)
{
    int length = snprintf(out, PATH_MAX, "%s/%s%s", self->cache, self->key, suffix);

    return length < PATH_MAX ? 0 : weir_error_set(err, WEIR_ETOO_LARGE, "%s: path too long", out);
}

/* ---- what was included ---- */

static bool stamp_of(const char *path, long long *size, long long *mtime_ns)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return false;
    *size = (long long)status.st_size;
    *mtime_ns = (long long)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
    return true;
}

static bool dependencies_hold(const char *text)
{
    for (const char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        long long size, mtime, size_now, mtime_now;
        char path[PATH_MAX];
        int path_at = 0;

        if (sscanf(line, "%lld %lld %n", &size, &mtime, &path_at) != 2 || path_at == 0 ||
            length - (size_t)path_at >= sizeof path)
            return false;
        memcpy(path, line + path_at, length - (size_t)path_at);
        path[length - (size_t)path_at] = '\0';
        if (!stamp_of(path, &size_now, &mtime_now) || size != size_now || mtime != mtime_now)
            return false;
        line += length + (line[length] == '\n');
    }
    return true;
}

static bool is_cached(const compilation *self, const char *object)
{
    char path[PATH_MAX];
    weir_buffer text = WEIR_BUFFER_INIT;
    bool holds = weir_file_exists(object) && entry_path(self, ".deps", path, NULL) == 0 &&
                 weir_file_read(path, DEPENDENCIES_MAX, &text, NULL) == 0 &&
                 dependencies_hold(weir_buffer_text(&text));

    weir_buffer_deinit(&text);
    return holds;
}

/* One name of a make rule, with its escapes undone; returns where the next one begins. */
static const char *next_name(const char *at, char *out, size_t size)
{
    size_t end = 0;

    for (; *at != '\0'; at++) {
        if (at[0] == '\\' && (at[1] == '\n' || at[1] == '\r')) {
            at += 1;
            if (end > 0)
                break;
            continue;
        }
        if (at[0] == '\\' && (at[1] == ' ' || at[1] == '#'))
            at++;
        else if (at[0] == '$' && at[1] == '$')
            at++;
        else if (strchr(" \t\r\n", *at) != NULL) {
            if (end > 0)
                break;
            continue;
        }
        if (end + 1 < size)
            out[end++] = *at;
    }
    out[end] = '\0';
    return at;
}

static void put_stamp(weir_buffer *lines, const char *read_from, const char *path)
{
    long long size, mtime;

    if (stamp_of(read_from, &size, &mtime))
        weir_buffer_printf(lines, "%lld %lld %s\n", size, mtime, path);
}

/* From the compiler's `object: source header header` to our lines; and one for the object itself
 * (now `part`), which a crash of the machine may cut. */
static int write_dependencies(const char *rule_path, const char *path, const char *part,
                              const char *object, weir_error *err)
{
    weir_buffer rule = WEIR_BUFFER_INIT, lines = WEIR_BUFFER_INIT;
    int rc = weir_file_read(rule_path, DEPENDENCIES_MAX, &rule, err);

    if (rc == 0) {
        const char *at = strstr(weir_buffer_text(&rule), ": ");
        char name[PATH_MAX], absolute[PATH_MAX];

        for (at = at == NULL ? "" : at + 2; *at != '\0';) {
            at = next_name(at, name, sizeof name);
            if (name[0] != '\0' && weir_home_absolute(name, absolute, sizeof absolute, NULL) == 0)
                put_stamp(&lines, absolute, absolute);
        }
        put_stamp(&lines, part, object);
        rc = weir_buffer_check(&lines);
        if (rc == 0)
            rc = weir_home_write(path, weir_buffer_text(&lines), lines.size, err);
    }
    weir_buffer_deinit(&rule);
    weir_buffer_deinit(&lines);
    return rc;
}

/* ---- the cache's size ---- */

typedef struct old_entry {
    char name[WEIR_DIGEST_HEX + 8];
    int64_t mtime_s;
} old_entry;

static int by_age(const void *a, const void *b)
{
    const old_entry *x = a, *y = b;

    return (x->mtime_s > y->mtime_s) - (x->mtime_s < y->mtime_s);
}

/* Whatever they are: also what broken runs left. */
void weir_cache_prune(const char *path)
{
    enum { SEEN_MAX = 4 * WEIR_CACHE_ENTRIES_MAX };
    old_entry *entries = weir_calloc(SEEN_MAX, sizeof *entries);
    DIR *directory = entries == NULL ? NULL : opendir(path);
    size_t count = 0;
    const struct dirent *found;

    while (directory != NULL && count < SEEN_MAX && (found = readdir(directory)) != NULL) {
        struct stat status;

        if (found->d_name[0] == '.' || strlen(found->d_name) >= sizeof entries[0].name ||
            fstatat(dirfd(directory), found->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(status.st_mode))
            continue;
        memcpy(entries[count].name, found->d_name, strlen(found->d_name) + 1);
        entries[count++].mtime_s = (int64_t)status.st_mtim.tv_sec;
    }
    if (count > 2 * WEIR_CACHE_ENTRIES_MAX) { /* an object and its .deps */
        qsort(entries, count, sizeof *entries, by_age);
        for (size_t i = 0; i < count - WEIR_CACHE_ENTRIES_MAX; i++)
            unlinkat(dirfd(directory), entries[i].name, 0);
    }
    if (directory != NULL)
        closedir(directory);
    weir_free(entries);
}

/* ---- compiling ---- */

static int run_compiler(const compilation *self, const char *object, const char *rule,
                        weir_error *err)
{
    const char *argv[WORDS_MAX + WEIR_COUNT(flags) + 16];
    size_t end = 0;
    int status;

    for (size_t i = 0; i < self->nwords; i++)
        argv[end++] = self->words[i];
    for (size_t i = 0; i < WEIR_COUNT(flags); i++)
        argv[end++] = flags[i];
    argv[end++] = "-I";
    argv[end++] = self->include_dir;
    argv[end++] = "-MMD";
    argv[end++] = "-MF";
    argv[end++] = rule;
    argv[end++] = "-o";
    argv[end++] = object;
    argv[end++] = "--";
    argv[end++] = self->source;
    if (self->source[0] != '-') { /* only then is "--" needed; old compilers do not know it */
        argv[end - 2] = self->source;
        end--;
    }
    argv[end] = NULL;
    int rc = weir_process_call(self->compiler, argv, &status, err);
    if (rc != 0)
        return weir_error_wrap(err, rc, "%s", self->compiler);
    if (WIFSIGNALED(status))
        return weir_error_set(err, WEIR_EIO, "%s: the compiler %s was killed by SIG%s; try again",
                              self->source, self->compiler, sigabbrev_np(WTERMSIG(status)));
    if (WEXITSTATUS(status) != 0)
        return weir_error_set(err, WEIR_EINVALID,
                              "%s does not compile; %s says why above; nothing was started",
                              self->source, self->words[0]);
    return 0;
}

static int compile_into(compilation *self, const char *object, weir_error *err)
{
    char part[PATH_MAX], rule[PATH_MAX], dependencies[PATH_MAX], suffix[32];
    int rc = weir_file_make_directories(self->cache, 0755, err);

    snprintf(suffix, sizeof suffix, ".%ld.o", (long)getpid());
    if (rc == 0)
        rc = entry_path(self, suffix, part, err);
    snprintf(suffix, sizeof suffix, ".%ld.d", (long)getpid());
    if (rc == 0)
        rc = entry_path(self, suffix, rule, err);
    if (rc == 0)
        rc = entry_path(self, ".deps", dependencies, err);
    if (rc != 0)
        return rc;
    rc = run_compiler(self, part, rule, err);
    unlink(object); /* of other dependencies: it must not be found beside the new list */
    if (rc == 0)
        rc = write_dependencies(rule, dependencies, part, object, err);
    if (rc == 0 && rename(part, object) != 0)
        rc = weir_error_errno(err, errno, "%s: cannot be written", object);
    unlink(rule);
    if (rc != 0)
        unlink(part);
    else
        weir_cache_prune(self->cache);
    return rc;
}

int weir_compile(const char *source, const char *include_dir, weir_compiled *ret, weir_error *err)
{
    compilation *self = weir_calloc(1, sizeof *self);
    weir_error ignored;

    if (err == NULL)
        err = &ignored;
    if (self == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "%s: no memory to compile", source);
    self->source = source;
    self->include_dir = include_dir;
    int rc = find_compiler(self, err);
    if (rc == 0)
        rc = weir_home_cache(self->cache, sizeof self->cache, err);
    if (rc == 0)
        rc = make_key(self, err);
    if (rc == 0)
        rc = entry_path(self, ".so", ret->path, err);
    if (rc == 0) {
        ret->was_cached = is_cached(self, ret->path);
        if (!ret->was_cached)
            rc = compile_into(self, ret->path, err);
    }
    weir_free(self);
    return rc;
}
