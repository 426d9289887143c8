#include "cli/home.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int WEIR_PRINTF(4, 5) put(char *out, size_t size, weir_error *err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int length = vsnprintf(out, size, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= size)
        return weir_error_set(err, WEIR_ETOO_LARGE, "a path has more than %zu bytes: %.80s...",
                              size - 1, out);
    return 0;
}

static int user_home(const char **ret, weir_error *err)
{
    const char *home = getenv("HOME");

    if (home == NULL || home[0] != '/') {
        const struct passwd *user = getpwuid(getuid());
        home = user == NULL ? NULL : user->pw_dir;
    }
    if (home == NULL)
        return weir_error_set(err, WEIR_ENOT_FOUND,
                              "HOME: not set, and user %u has no home directory; set HOME or "
                              "WEIR_HOME",
                              (unsigned)getuid());
    *ret = home;
    return 0;
}

int weir_home_directory(char *out, size_t size, weir_error *err)
{
    const char *own = getenv("WEIR_HOME"), *home;

    if (own != NULL && own[0] != '\0')
        return weir_home_absolute(own, out, size, err);
    int rc = user_home(&home, err);
    return rc != 0 ? rc : put(out, size, err, "%s/.weir", home);
}

int weir_home_path(const char *name, char *out, size_t size, weir_error *err)
{
    char directory[PATH_MAX];
    int rc = weir_home_directory(directory, sizeof directory, err);

    return rc != 0 ? rc : put(out, size, err, "%s/%s", directory, name);
}

int weir_home_cache(char *out, size_t size, weir_error *err)
{
    const char *own = getenv("XDG_CACHE_HOME"), *home;

    if (own != NULL && own[0] == '/')
        return put(out, size, err, "%s/weir", own);
    int rc = user_home(&home, err);
    return rc != 0 ? rc : put(out, size, err, "%s/.cache/weir", home);
}

int weir_home_executable(char *out, size_t size, weir_error *err)
{
    ssize_t length = readlink("/proc/self/exe", out, size);

    if (length < 0)
        return weir_error_errno(err, errno, "/proc/self/exe: cannot be read");
    if ((size_t)length >= size)
        return weir_error_set(err, WEIR_ETOO_LARGE, "/proc/self/exe: the path is too long");
    out[length] = '\0';
    return 0;
}

int weir_home_include(const char *fallback, char *out, size_t size, weir_error *err)
{
    static const char *const places[] = {"../include", "../../include"};
    char executable[PATH_MAX], header[PATH_MAX];
    int rc = weir_home_executable(executable, sizeof executable, err);

    if (rc != 0)
        return rc;
    char *slash = strrchr(executable, '/');
    if (slash != NULL)
        *slash = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        rc = put(header, sizeof header, err, "%s/%s/weir/weir.h", executable, places[i]);
        if (rc == 0 && weir_file_exists(header))
            return put(out, size, err, "%s/%s", executable, places[i]);
    }
    rc = fallback == NULL ? -1 : put(header, sizeof header, err, "%s/weir/weir.h", fallback);
    if (rc == 0 && weir_file_exists(header))
        return put(out, size, err, "%s", fallback);
    return weir_error_set(
        err, WEIR_ENOT_FOUND,
        "weir/weir.h: not found beside %s (in ../include, ../../include); install "
        "the headers there, or give a compiled job: weir run job.so",
        executable);
}

int weir_home_absolute(const char *path, char *out, size_t size, weir_error *err)
{
    char here[PATH_MAX];

    if (path[0] == '/')
        return put(out, size, err, "%s", path);
    if (getcwd(here, sizeof here) == NULL)
        return weir_error_errno(err, errno, "the present directory is not known");
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    return put(out, size, err, "%s/%s", here, path);
}

static int write_whole(const char *path, const void *bytes, size_t size, weir_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0)
        return weir_error_errno(err, errno, "%s: cannot be written", path);
    int rc = weir_file_write_all(fd, bytes, size, err);
    if (close(fd) != 0 && rc == 0)
        rc = weir_error_errno(err, errno, "%s: cannot be written", path);
    else if (rc != 0)
        weir_error_wrap(err, rc, "%s", path);
    return rc;
}

int weir_home_write(const char *path, const void *bytes, size_t size, weir_error *err)
{
    char part[PATH_MAX], directory[PATH_MAX];
    int rc = put(directory, sizeof directory, err, "%s", path);

    if (rc == 0)
        rc = put(part, sizeof part, err, "%s.tmp-%ld", path, (long)getpid());
    if (rc != 0)
        return rc;
    char *slash = strrchr(directory, '/');
    if (slash != NULL && slash != directory) {
        *slash = '\0';
        rc = weir_file_make_directories(directory, 0755, err);
        if (rc != 0)
            return rc;
    }
    rc = write_whole(part, bytes, size, err);
    if (rc == 0 && rename(part, path) != 0)
        rc = weir_error_errno(err, errno, "%s: cannot be written", path);
    if (rc != 0)
        unlink(part);
    return rc;
}
