/* tests/unit/taskmanager/test_old_files.c -- what goes from an agent's directories, and what stays.
 */
#include "taskmanager/old_files.h"

#include "base/file.h"
#include "taskmanager/own_directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW_MS INT64_C(1700000000000)
#define HOUR   INT64_C(3600000)

static char directory[64];

static int setup(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/weir-old-XXXXXX");
    return mkdtemp(directory) == NULL;
}

static int teardown(void **state)
{
    (void)state;
    return weir_file_remove_tree(directory, NULL);
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void make(const char *name, int64_t age_ms)
{
    struct timespec times[2] = {{0, UTIME_OMIT},
                                {(NOW_MS - age_ms) / 1000, (NOW_MS - age_ms) % 1000 * 1000000}};
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

static bool stays(const char *name)
{
    return weir_file_exists(path_of(name));
}

static weir_old_files logs(size_t count_max)
{
    return (weir_old_files){.directory = directory,
                            .prefix = "runner-",
                            .suffix = ".log",
                            .are_locked = true,
                            .age_max_ms = HOUR,
                            .count_max = count_max};
}

static size_t remove_them(const weir_old_files *which)
{
    size_t removed = 0;
    weir_error err = WEIR_ERROR_INIT;
    if (weir_old_files_remove(which, NOW_MS, &removed, &err) != 0)
        fail_msg("%s", err.text);
    return removed;
}

static void test_the_old_go(void **state)
{
    weir_old_files all = logs(100);
    (void)state;
    make("runner-new.log", 0);
    make("runner-hour.log", HOUR);
    make("runner-older.log", HOUR + 1);
    make("dispatcher.log", 10 * HOUR);
    make("runner-older.txt", 10 * HOUR);
    assert_int_equal(remove_them(&all), 1);
    assert_true(stays("runner-new.log") && stays("runner-hour.log"));
    assert_false(stays("runner-older.log"));
    assert_true(stays("dispatcher.log") && stays("runner-older.txt"));
    assert_int_equal(remove_them(&all), 0);
}

static void test_the_youngest_stay(void **state)
{
    weir_old_files all = logs(5);
    char name[64];
    (void)state;
    for (int i = 0; i < 200; i++) { /* in no order */
        snprintf(name, sizeof name, "runner-%d.log", i * 7 % 200);
        make(name, i * 7 % 200);
    }
    assert_int_equal(remove_them(&all), 195);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "runner-%d.log", i);
        assert_int_equal(stays(name), i < 5);
    }
}

/* A runner of another TaskManager, perhaps: it does not count as one of those that stay, either. */
static void test_what_is_locked_is_in_use(void **state)
{
    weir_old_files all = logs(1);
    (void)state;
    make("runner-living.log", 50 * HOUR);
    make("runner-a.log", 1);
    make("runner-b.log", 2);
    int fd = open(path_of("runner-living.log"), O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(remove_them(&all), 1);
    assert_true(stays("runner-living.log") && stays("runner-a.log"));
    close(fd);
    assert_int_equal(remove_them(&all), 1);
    assert_false(stays("runner-living.log"));
}

static bool is_used(void *data, const char *name)
{
    return strcmp(name, data) == 0;
}

static void test_what_is_used_by_name_stays(void **state)
{
    char used[] = "abc";
    weir_old_files all = {.directory = directory,
                          .prefix = "",
                          .suffix = ".so",
                          .is_used = is_used,
                          .data = used,
                          .age_max_ms = HOUR,
                          .count_max = 0};
    (void)state;
    make("abc.so", 5 * HOUR);
    make("abd.so", 0);
    assert_int_equal(remove_them(&all), 1);
    assert_true(stays("abc.so"));
}

/* Nothing but files, and nothing through links. */
static void test_others_are_left_alone(void **state)
{
    weir_old_files all = logs(0);
    (void)state;
    make("target", 5 * HOUR);
    assert_int_equal(mkdir(path_of("runner-directory.log"), 0700), 0);
    assert_int_equal(symlink("target", path_of("runner-link.log")), 0);
    assert_int_equal(remove_them(&all), 0);
    assert_true(stays("runner-directory.log") && stays("runner-link.log") && stays("target"));
    all.directory = "/nowhere/at/all";
    assert_int_equal(remove_them(&all), 0);
}

/* ---- directories of TaskManagers ---- */

static void make_abandoned(const char *name, const char *file)
{
    char path[128];
    snprintf(path, sizeof path, "%s/artifacts", name);
    assert_int_equal(weir_file_make_directories(path_of(path), 0700, NULL), 0);
    snprintf(path, sizeof path, "%s/artifacts/lock", name);
    make(path, 0);
    snprintf(path, sizeof path, "%s/%s", name, file);
    make(path, 0);
}

static int take(const char *name, weir_error *err)
{
    char path[128], full[256];
    int fd = -1;
    snprintf(path, sizeof path, "%s/artifacts", name);
    snprintf(full, sizeof full, "%s", path_of(path));
    int rc = weir_own_directory_take(full, &fd, err);
    return rc < 0 ? rc : fd;
}

static void test_a_directory_has_one_owner(void **state)
{
    weir_error err = WEIR_ERROR_INIT;
    (void)state;
    int first = take("taskmanager-1", &err);
    assert_true(first >= 0);
    assert_int_equal(take("taskmanager-1", &err), WEIR_EEXISTS);
    assert_non_null(strstr(err.text, "taskmanager-1/artifacts: another TaskManager"));
    int second = take("taskmanager-2", &err);
    assert_true(second >= 0);
    close(first);
    first = take("taskmanager-1", &err);
    assert_true(first >= 0);
    assert_true(stays("taskmanager-2/artifacts/lock")); /* its owner lives */
    close(first);
    close(second);
}

static void test_what_was_abandoned_goes(void **state)
{
    weir_error err = WEIR_ERROR_INIT;
    (void)state;
    make_abandoned("taskmanager-4711", "artifacts/abc.so");
    make_abandoned("taskmanager-4712", "state"); /* more than is known here */
    make_abandoned("dispatcher", "artifacts/abc");
    int own = take("taskmanager-1", &err);
    assert_true(own >= 0);
    assert_false(stays("taskmanager-4711"));
    assert_false(stays("taskmanager-4712/artifacts"));
    assert_true(stays("taskmanager-4712/state"));
    assert_true(stays("dispatcher/artifacts/abc"));
    close(own);
    own = take("taskmanager-1", &err); /* its own, of before, stay */
    assert_true(own >= 0);
    close(own);
}

static void test_a_directory_elsewhere_is_only_locked(void **state)
{
    weir_error err = WEIR_ERROR_INIT;
    int fd = -1;
    (void)state;
    assert_int_equal(weir_own_directory_take(path_of("cache"), &fd, &err), 0);
    assert_true(stays("cache/lock"));
    assert_false(stays("taskmanagers.lock"));
    close(fd);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_the_old_go),
        T(test_the_youngest_stay),
        T(test_what_is_locked_is_in_use),
        T(test_what_is_used_by_name_stays),
        T(test_others_are_left_alone),
        T(test_a_directory_has_one_owner),
        T(test_what_was_abandoned_goes),
        T(test_a_directory_elsewhere_is_only_locked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
