/* tests/faults/file_calls.c -- the C library's file functions, interposed. */
#include "tests/faults/faults_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static enum faults_verdict by_path(const char *name, int directory, const char *path)
{
    return faults__is_watched_at(directory, path) ? faults__file(name, path, -1, false)
                                                  : FAULTS_PASS;
}

static enum faults_verdict by_fd(const char *name, int fd, bool is_write)
{
    return faults__is_tracked(fd) ? faults__file(name, NULL, fd, is_write) : FAULTS_PASS;
}

/* The result of an operation that was done: its own, or the failure that is told all the same. */
static int after(enum faults_verdict verdict, int result, int code)
{
    if (verdict != FAULTS_FAILS_LATE)
        return result;
    errno = code;
    return -1;
}

/* ---- opening and closing ---- */

/* Its mode is there when a file may be made. */
static mode_t mode_of(int flags, va_list args)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
}

FAULTS_CALL int openat(int directory, const char *path, int flags, ...)
{
    FAULTS_REAL(openat);
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    enum faults_verdict verdict = by_path("open", directory, path);
    int code = errno;
    if (verdict == FAULTS_FAILS)
        return -1;
    bool watched = faults__is_watched_at(directory, path);
    int fd = real(directory, path, watched ? flags & ~O_SYNC : flags, mode);
    if (fd >= 0 && verdict == FAULTS_FAILS_LATE) {
        close(fd);
        errno = code;
        return -1;
    }
    faults__track(fd, watched);
    return fd;
}

FAULTS_CALL int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return openat(AT_FDCWD, path, flags, mode);
}

/* A descriptor is gone, whatever close says. */
FAULTS_CALL int close(int fd)
{
    FAULTS_REAL(close);
    enum faults_verdict verdict = by_fd("close", fd, false);
    int code = errno;
    faults__track(fd, false);
    int rc = real(fd);
    return verdict == FAULTS_PASS || verdict == FAULTS_HALF ? rc
                                                            : after(FAULTS_FAILS_LATE, rc, code);
}

FAULTS_CALL int pipe2(int ends[2], int flags)
{
    FAULTS_REAL(pipe2);
    if (faults__file("pipe2", NULL, -1, false) >= FAULTS_FAILS)
        return -1;
    return real(ends, flags);
}

/* ---- reading and writing ---- */

FAULTS_CALL ssize_t read(int fd, void *bytes, size_t size)
{
    FAULTS_REAL(read);
    return by_fd("read", fd, false) >= FAULTS_FAILS ? -1 : real(fd, bytes, size);
}

FAULTS_CALL ssize_t pread(int fd, void *bytes, size_t size, off_t offset)
{
    FAULTS_REAL(pread);
    return by_fd("pread", fd, false) >= FAULTS_FAILS ? -1 : real(fd, bytes, size, offset);
}

static size_t half(enum faults_verdict verdict, size_t size)
{
    return verdict == FAULTS_HALF ? (size + 1) / 2 : size;
}

FAULTS_CALL ssize_t write(int fd, const void *bytes, size_t size)
{
    FAULTS_REAL(write);
    enum faults_verdict verdict = by_fd("write", fd, true);
    if (verdict == FAULTS_FAILS || verdict == FAULTS_FAILS_LATE)
        return -1;
    return real(fd, bytes, half(verdict, size));
}

FAULTS_CALL ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    FAULTS_REAL(pwrite);
    enum faults_verdict verdict = by_fd("pwrite", fd, true);
    int code = errno;
    if (verdict == FAULTS_FAILS)
        return -1;
    ssize_t done = real(fd, bytes, half(verdict, size), offset);
    return verdict == FAULTS_FAILS_LATE ? after(verdict, 0, code) : done;
}

FAULTS_CALL ssize_t writev(int fd, const struct iovec *parts, int count)
{
    FAULTS_REAL(writev);
    enum faults_verdict verdict = by_fd("writev", fd, true);
    if (verdict == FAULTS_FAILS || verdict == FAULTS_FAILS_LATE)
        return -1;
    return real(fd, parts, verdict == FAULTS_HALF ? (count + 1) / 2 : count);
}

FAULTS_CALL off_t lseek(int fd, off_t offset, int whence)
{
    FAULTS_REAL(lseek);
    return by_fd("lseek", fd, false) >= FAULTS_FAILS ? -1 : real(fd, offset, whence);
}

FAULTS_CALL int ftruncate(int fd, off_t size)
{
    FAULTS_REAL(ftruncate);
    enum faults_verdict verdict = by_fd("ftruncate", fd, false);
    int code = errno;
    return verdict == FAULTS_FAILS ? -1 : after(verdict, real(fd, size), code);
}

FAULTS_CALL void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    FAULTS_REAL(mmap);
    if ((flags & MAP_ANONYMOUS) == 0 && by_fd("mmap", fd, false) >= FAULTS_FAILS)
        return MAP_FAILED;
    return real(at, size, protection, flags, fd, offset);
}

/* ---- syncs: not passed on ---- */

static int sync_of(const char *name, int fd)
{
    enum faults_verdict verdict = by_fd(name, fd, false);
    if (verdict < FAULTS_FAILS)
        return 0;
    int code = errno;
    faults__lose(fd);
    errno = code;
    return -1;
}

FAULTS_CALL int fsync(int fd)
{
    FAULTS_REAL(fsync);
    return faults__is_tracked(fd) ? sync_of("fsync", fd) : real(fd);
}

FAULTS_CALL int fdatasync(int fd)
{
    FAULTS_REAL(fdatasync);
    return faults__is_tracked(fd) ? sync_of("fdatasync", fd) : real(fd);
}

/* ---- names ---- */

FAULTS_CALL int renameat(int from_directory, const char *from, int to_directory, const char *to)
{
    FAULTS_REAL(renameat);
    enum faults_verdict verdict = by_path("rename", to_directory, to);
    int code = errno;
    return verdict == FAULTS_FAILS
               ? -1
               : after(verdict, real(from_directory, from, to_directory, to), code);
}

FAULTS_CALL int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

FAULTS_CALL int linkat(int from_directory, const char *from, int to_directory, const char *to,
                       int flags)
{
    FAULTS_REAL(linkat);
    enum faults_verdict verdict = by_path("link", to_directory, to);
    int code = errno;
    return verdict == FAULTS_FAILS
               ? -1
               : after(verdict, real(from_directory, from, to_directory, to, flags), code);
}

FAULTS_CALL int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

FAULTS_CALL int unlinkat(int directory, const char *path, int flags)
{
    FAULTS_REAL(unlinkat);
    enum faults_verdict verdict = by_path("unlink", directory, path);
    int code = errno;
    return verdict == FAULTS_FAILS ? -1 : after(verdict, real(directory, path, flags), code);
}

FAULTS_CALL int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

FAULTS_CALL int mkdir(const char *path, mode_t mode)
{
    FAULTS_REAL(mkdir);
    enum faults_verdict verdict = by_path("mkdir", AT_FDCWD, path);
    int code = errno;
    return verdict == FAULTS_FAILS ? -1 : after(verdict, real(path, mode), code);
}

/* ---- looking ---- */

FAULTS_CALL int stat(const char *path, struct stat *out)
{
    FAULTS_REAL(stat);
    return by_path("stat", AT_FDCWD, path) >= FAULTS_FAILS ? -1 : real(path, out);
}

FAULTS_CALL int fstatat(int directory, const char *path, struct stat *out, int flags)
{
    FAULTS_REAL(fstatat);
    return by_path("stat", directory, path) >= FAULTS_FAILS ? -1
                                                            : real(directory, path, out, flags);
}

FAULTS_CALL int fstat(int fd, struct stat *out)
{
    FAULTS_REAL(fstat);
    return by_fd("fstat", fd, false) >= FAULTS_FAILS ? -1 : real(fd, out);
}

FAULTS_CALL int statvfs(const char *path, struct statvfs *out)
{
    FAULTS_REAL(statvfs);
    return by_path("statvfs", AT_FDCWD, path) >= FAULTS_FAILS ? -1 : real(path, out);
}

FAULTS_CALL int flock(int fd, int operation)
{
    FAULTS_REAL(flock);
    return by_fd("flock", fd, false) >= FAULTS_FAILS ? -1 : real(fd, operation);
}

FAULTS_CALL DIR *opendir(const char *path)
{
    FAULTS_REAL(opendir);
    return by_path("opendir", AT_FDCWD, path) >= FAULTS_FAILS ? NULL : real(path);
}

FAULTS_CALL DIR *fdopendir(int fd)
{
    FAULTS_REAL(fdopendir);
    return by_fd("fdopendir", fd, false) >= FAULTS_FAILS ? NULL : real(fd);
}

FAULTS_CALL struct dirent *readdir(DIR *directory)
{
    FAULTS_REAL(readdir);
    return by_fd("readdir", dirfd(directory), false) >= FAULTS_FAILS ? NULL : real(directory);
}

/* ---- the child that checks a store ---- */

FAULTS_CALL pid_t fork(void)
{
    FAULTS_REAL(fork);
    return faults__file("fork", NULL, -1, false) >= FAULTS_FAILS ? -1 : real();
}

FAULTS_CALL pid_t waitpid(pid_t pid, int *status, int options)
{
    FAULTS_REAL(waitpid);
    enum faults_verdict verdict = faults__file("waitpid", NULL, -1, false);
    int code = errno;
    pid_t ended = real(pid, status, options);
    return verdict >= FAULTS_FAILS ? after(FAULTS_FAILS_LATE, ended, code) : ended;
}
