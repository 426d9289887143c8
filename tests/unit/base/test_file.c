/* tests/unit/base/test_file.c -- whole files, directories, and every system call failing once. */
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static const char *in_root(const char *name)
{
    static char paths[4][256];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/weir-test-file-XXXXXX");
    return mkdtemp(root) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_file_fail_at(0, 0);
    weir_memory_fail_at(0);
    return weir_file_remove_tree(root, NULL);
}

static void put(const char *name, const char *text)
{
    assert_int_equal(weir_file_write_atomic(in_root(name), text, strlen(text), 0600, NULL), 0);
}

static unsigned entries_of(const char *path)
{
    DIR *directory = opendir(path);
    assert_non_null(directory);
    unsigned count = 0;
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count - 2; /* . and .. */
}

static void write_then_read(void **state)
{
    (void)state;
    weir_buffer out = WEIR_BUFFER_INIT;
    weir_buffer_puts(&out, "former");
    const char bytes[] = "a\0b\nc";
    assert_int_equal(weir_file_write_atomic(in_root("f"), bytes, sizeof bytes, 0600, NULL), 0);
    assert_int_equal(weir_file_read(in_root("f"), 6, &out, NULL), 0);
    assert_int_equal(out.size, sizeof bytes);
    assert_memory_equal(out.data, bytes, sizeof bytes);
    struct stat status;
    assert_int_equal(stat(in_root("f"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    put("f", "");
    assert_int_equal(weir_file_read(in_root("f"), 0, &out, NULL), 0);
    assert_int_equal(out.size, 0);
    assert_int_equal(entries_of(root), 1); /* no temporary file stays */
    weir_buffer_deinit(&out);
}

static void read_failures(void **state)
{
    (void)state;
    weir_buffer out = WEIR_BUFFER_INIT;
    weir_error err = WEIR_ERROR_INIT;
    put("f", "12345");
    assert_int_equal(weir_file_read(in_root("f"), 4, &out, &err), WEIR_ETOO_LARGE);
    assert_int_equal(out.size, 0);
    assert_int_equal(weir_file_read(in_root("f"), SIZE_MAX, &out, &err), 0);
    assert_int_equal(weir_file_read(in_root("none"), 9, &out, &err), WEIR_ENOT_FOUND);
    assert_non_null(strstr(err.text, "none: cannot be opened: No such file"));
    assert_int_equal(weir_file_read(root, 9, &out, &err), WEIR_EIO); /* a directory */
    weir_buffer_deinit(&out);
}

/* Whatever fails: the old content is whole, or the new one is; nothing else lies around. */
static void atomic_write_survives_every_failure(void **state)
{
    (void)state;
    weir_buffer out = WEIR_BUFFER_INIT;
    put("f", "old");
    for (uint64_t nth = 1;; nth++) {
        weir_file_fail_at(nth, ENOSPC);
        weir_error err = WEIR_ERROR_INIT;
        int rc = weir_file_write_atomic(in_root("f"), "new", 3, 0600, &err);
        weir_file_fail_at(0, 0);
        assert_int_equal(weir_file_read(in_root("f"), 10, &out, NULL), 0);
        assert_int_equal(entries_of(root), 1);
        if (rc == 0)
            break;
        assert_int_equal(rc, WEIR_ENO_SPACE);
        assert_non_null(strstr(err.text, "No space left"));
        assert_true(strcmp(weir_buffer_text(&out), "old") == 0 ||
                    strcmp(weir_buffer_text(&out), "new") == 0);
        assert_in_range(nth, 1, 20);
    }
    assert_string_equal(weir_buffer_text(&out), "new");
    for (uint64_t nth = 1; nth <= 2; nth++) {
        weir_memory_fail_at(nth);
        assert_int_equal(weir_file_write_atomic(in_root("f"), "x", 1, 0600, NULL), WEIR_ENO_MEMORY);
    }
    weir_buffer_deinit(&out);
}

static void interrupted_calls_are_repeated(void **state)
{
    (void)state;
    weir_buffer out = WEIR_BUFFER_INIT;
    for (uint64_t nth = 1; nth <= 3; nth++) { /* open, write, fsync */
        weir_file_fail_at(nth, EINTR);
        put("f", "text");
    }
    for (uint64_t nth = 1; nth <= 3; nth++) {
        weir_file_fail_at(nth, EINTR);
        assert_int_equal(weir_file_read(in_root("f"), 10, &out, NULL), 0);
        assert_string_equal(weir_buffer_text(&out), "text");
    }
    weir_file_fail_at(1, EIO);
    assert_int_equal(weir_file_write_all(STDERR_FILENO, "x", 1, NULL), WEIR_EIO);
    weir_file_fail_at(2, EIO);
    assert_int_equal(weir_file_read(in_root("f"), 10, &out, NULL), WEIR_EIO);
    weir_buffer_deinit(&out);
}

static void writes_all_of_a_large_block(void **state)
{
    (void)state;
    size_t size = 1 << 20;
    char *block = weir_calloc(1, size);
    int fd = open(in_root("big"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(weir_file_write_all(fd, block, size, NULL), 0);
    close(fd);
    weir_buffer out = WEIR_BUFFER_INIT;
    assert_int_equal(weir_file_read(in_root("big"), size, &out, NULL), 0);
    assert_int_equal(out.size, size);
    weir_buffer_deinit(&out);
    weir_free(block);
    assert_int_equal(weir_file_write_all(-1, "x", 1, NULL), WEIR_EIO);
}

static void makes_directories(void **state)
{
    (void)state;
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(weir_file_make_directories(in_root("a//b/c/"), 0700, NULL), 0);
    assert_int_equal(weir_file_make_directories(in_root("a/b/c"), 0700, NULL), 0);
    assert_true(weir_file_exists(in_root("a/b/c")));
    assert_int_equal(weir_file_make_directories("/", 0700, NULL), 0);
    assert_int_equal(weir_file_make_directories("", 0700, NULL), WEIR_EINVALID);
    put("file", "x");
    assert_int_equal(weir_file_make_directories(in_root("file"), 0700, &err), WEIR_EEXISTS);
    assert_non_null(strstr(err.text, "is not a directory"));
    assert_int_equal(weir_file_make_directories(in_root("file/below"), 0700, &err), WEIR_EEXISTS);
    weir_file_fail_at(1, ENOSPC);
    assert_int_equal(weir_file_make_directories("/tmp", 0700, &err), WEIR_ENO_SPACE);
    weir_memory_fail_at(1);
    assert_int_equal(weir_file_make_directories("/tmp", 0700, &err), WEIR_ENO_MEMORY);
    assert_false(weir_file_exists(in_root("nothing")));
}

static void make_tree(void)
{
    assert_int_equal(weir_file_make_directories(in_root("tree/a/b"), 0700, NULL), 0);
    put("tree/one", "1");
    put("tree/a/two", "2");
    put("tree/a/b/three", "3");
}

static void removes_trees_and_not_what_links_lead_to(void **state)
{
    (void)state;
    put("kept", "x");
    assert_int_equal(weir_file_make_directories(in_root("outside"), 0700, NULL), 0);
    put("outside/kept", "x");
    make_tree();
    assert_int_equal(symlink("../outside", in_root("tree/link")), 0);
    assert_int_equal(symlink("nowhere", in_root("tree/broken")), 0);
    assert_int_equal(symlink("outside", in_root("link")), 0);
    assert_int_equal(weir_file_remove_tree(in_root("tree/"), NULL), 0);
    assert_false(weir_file_exists(in_root("tree")));
    assert_int_equal(weir_file_remove_tree(in_root("link/"), NULL), 0);
    assert_true(weir_file_exists(in_root("outside/kept")));
    assert_int_equal(weir_file_remove_tree(in_root("tree"), NULL), 0); /* absent is fine */
    assert_int_equal(weir_file_remove_tree(in_root("kept"), NULL), 0); /* a file */
    assert_false(weir_file_exists(in_root("kept")));
    assert_int_equal(weir_file_remove_tree("/", NULL), WEIR_EINVALID);
    assert_int_equal(weir_file_remove_tree("", NULL), WEIR_EINVALID);
}

static void remove_reports_every_failure(void **state)
{
    (void)state;
    for (uint64_t nth = 1;; nth++) {
        make_tree();
        weir_error err = WEIR_ERROR_INIT;
        weir_file_fail_at(nth, EACCES);
        int rc = weir_file_remove_tree(in_root("tree"), &err);
        weir_file_fail_at(0, 0);
        if (rc == 0)
            break;
        assert_int_equal(rc, WEIR_EIO);
        assert_non_null(strstr(err.text, "Permission denied"));
        assert_in_range(nth, 1, 200);
    }
    assert_false(weir_file_exists(in_root("tree")));
    char deep[400] = "deep";
    for (size_t at = 4; at < 304; at += 2)
        memcpy(deep + at, "/d", sizeof "/d");
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, deep);
    assert_int_equal(weir_file_make_directories(path, 0700, NULL), 0);
    assert_int_equal(weir_file_remove_tree(in_root("deep"), NULL), WEIR_ETOO_LARGE);
    snprintf(path, sizeof path, "%s/%.100s", root, deep); /* the lower part first */
    assert_int_equal(weir_file_remove_tree(path, NULL), 0);
}

static void tail_starts_at_a_line(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        size_t max;
        const char *tail;
    } cases[] = {
        {"", 10, ""},
        {"one\ntwo\nthree\n", 100, "one\ntwo\nthree\n"},
        {"one\ntwo\nthree\n", 14, "one\ntwo\nthree\n"},
        {"one\ntwo\nthree\n", 13, "two\nthree\n"},
        {"one\ntwo\nthree\n", 10, "two\nthree\n"}, /* the window starts just at a line */
        {"one\ntwo\nthree\n", 9, "three\n"},
        {"one\ntwo\nthree\n", 6, "three\n"},
        {"one\ntwo\nthree\n", 3, "ee\n"}, /* one line fills it all */
        {"one\ntwo\nthree", 3, "ree"},
        {"one\ntwo", 0, ""},
        {"\n\n\n", 2, "\n\n"},
    };
    weir_buffer out = WEIR_BUFFER_INIT;
    for (size_t i = 0; i < WEIR_COUNT(cases); i++) {
        put("log", cases[i].content);
        assert_int_equal(weir_file_tail(in_root("log"), cases[i].max, &out, NULL), 0);
        assert_string_equal(weir_buffer_text(&out), cases[i].tail);
    }
    assert_int_equal(weir_file_tail(in_root("none"), 5, &out, NULL), WEIR_ENOT_FOUND);
    put("log", "one\ntwo\n");
    for (uint64_t nth = 1; nth <= 4; nth++) { /* open, stat, seek, read */
        weir_file_fail_at(nth, EIO);
        assert_int_equal(weir_file_tail(in_root("log"), 5, &out, NULL), WEIR_EIO);
    }
    weir_file_fail_at(0, 0);
    weir_buffer_deinit(&out);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(write_then_read),
        TEST(read_failures),
        TEST(atomic_write_survives_every_failure),
        TEST(interrupted_calls_are_repeated),
        TEST(writes_all_of_a_large_block),
        TEST(makes_directories),
        TEST(removes_trees_and_not_what_links_lead_to),
        TEST(remove_reports_every_failure),
        TEST(tail_starts_at_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
