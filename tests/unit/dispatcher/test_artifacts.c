/* The promises of dispatcher/artifact_store.h, of both its kinds. */
#include "base/file.h"
#include "base/memory.h"
#include "dispatcher/artifact_files.h"
#include "dispatcher/artifact_memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define LIMIT 100000
static const char content[] = "what a job's shared object might hold";
enum { SIZE = sizeof content - 1 };

static char directory[256];

static weir_artifact_store *open_store(bool files)
{
    weir_artifact_store *store = NULL;
    weir_error err = WEIR_ERROR_INIT;
    int rc = files ? weir_artifact_files_open(directory, LIMIT, &store, &err)
                   : weir_artifact_memory_new(LIMIT, &store);
    if (rc != 0)
        fail_msg("%s", err.text);
    return store;
}

static int setup(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/weir-artifacts-XXXXXX");
    assert_non_null(mkdtemp(directory));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(weir_file_remove_tree(directory, NULL), 0);
    return 0;
}

static const char *digest_of(const void *bytes, size_t size)
{
    static char out[4][WEIR_DIGEST_HEX];
    static unsigned next;
    weir_digest digest = weir_digest_of(bytes, size);
    return weir_digest_format(&digest, out[next++ % 4]);
}

typedef struct told {
    int rc;
    uint64_t received;
    bool complete;
} told;

static told append(weir_artifact_store *store, const char *digest, uint64_t offset, uint64_t total,
                   const char *bytes, size_t size)
{
    told of = {0, UINT64_MAX, false};
    of.rc = weir_artifact_append(store, digest, offset, total, bytes, size, &of.received,
                                 &of.complete, NULL);
    return of;
}

static void assert_told(told of, int rc, uint64_t received, bool complete)
{
    assert_int_equal(of.rc, rc);
    if (rc == 0) {
        assert_int_equal(of.received, received);
        assert_int_equal(of.complete, complete);
    }
}

static void count(void *data, const char *digest)
{
    (void)digest;
    ++*(int *)data;
}

static int listed(weir_artifact_store *store)
{
    int n = 0;
    assert_int_equal(weir_artifact_list(store, count, &n, NULL), 0);
    return n;
}

static void try_uploads(bool files)
{
    weir_artifact_store *store = open_store(files);
    const char *digest = digest_of(content, SIZE);
    weir_buffer out = WEIR_BUFFER_INIT;
    uint64_t total = 0;
    assert_told(append(store, digest, 0, SIZE, content, 10), 0, 10, false);
    assert_told(append(store, digest, 0, SIZE, content, 10), 0, 10, false);      /* a repeat */
    assert_told(append(store, digest, 20, SIZE, content + 20, 5), 0, 10, false); /* a gap */
    assert_told(append(store, digest, 0, SIZE, "", 0), 0, 10, false);            /* where was I? */
    assert_int_equal(weir_artifact_read(store, digest, 0, 100, &out, &total, NULL),
                     WEIR_ENOT_FOUND);
    assert_int_equal(listed(store), 1);
    if (files) { /* another incarnation goes on with it */
        weir_artifact_store_close(&store);
        store = open_store(true);
    }
    assert_told(append(store, digest, 10, SIZE, content + 10, SIZE - 10), 0, SIZE, true);
    assert_told(append(store, digest, 10, SIZE, content + 10, SIZE - 10), 0, SIZE, true);
    assert_told(append(store, digest, 0, SIZE, "garbage", 7), 0, SIZE, true);
    if (files) {
        weir_artifact_store_close(&store);
        store = open_store(true);
    } else {
        weir_artifact_memory_crash(store);
    }
    assert_int_equal(listed(store), 1);
    assert_int_equal(weir_artifact_read(store, digest, 5, 7, &out, &total, NULL), 0);
    assert_int_equal(total, SIZE);
    assert_string_equal(weir_buffer_text(&out), "a job's");
    assert_int_equal(weir_artifact_read(store, digest, SIZE - 1, 7, &out, &total, NULL), 0);
    assert_int_equal(out.size, 1);
    assert_int_equal(weir_artifact_read(store, digest, SIZE, 7, &out, &total, NULL), 0);
    assert_int_equal(out.size, 0);
    assert_int_equal(weir_artifact_read(store, digest, SIZE + 1, 7, &out, &total, NULL),
                     WEIR_EINVALID);
    assert_int_equal(weir_artifact_remove(store, digest, NULL), 0);
    assert_int_equal(weir_artifact_remove(store, digest, NULL), 0);
    assert_int_equal(weir_artifact_read(store, digest, 0, 7, &out, &total, NULL), WEIR_ENOT_FOUND);
    assert_int_equal(listed(store), 0);
    weir_buffer_deinit(&out);
    weir_artifact_store_close(&store);
    weir_artifact_store_close(&store);
}

static void try_bad_ones(bool files)
{
    weir_artifact_store *store = open_store(files);
    const char *digest = digest_of(content, SIZE);
    static const char *const bad[] = {
        "", "abc", "../../../../../../../../../../../../../../../../../../../../etc/passwd",
        "ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789"};
    for (size_t i = 0; i < WEIR_COUNT(bad); i++) {
        uint64_t total;
        weir_buffer out = WEIR_BUFFER_INIT;
        assert_told(append(store, bad[i], 0, SIZE, content, SIZE), WEIR_EINVALID, 0, false);
        assert_int_equal(weir_artifact_read(store, bad[i], 0, 1, &out, &total, NULL),
                         WEIR_EINVALID);
        assert_int_equal(weir_artifact_remove(store, bad[i], NULL), WEIR_EINVALID);
        weir_buffer_deinit(&out);
    }
    assert_told(append(store, digest, 0, 0, "", 0), WEIR_EINVALID, 0, false);
    assert_told(append(store, digest, 0, LIMIT + 1, content, 1), WEIR_ETOO_LARGE, 0, false);
    assert_told(append(store, digest, 0, 5, content, 6), WEIR_ETOO_LARGE, 0, false);
    assert_told(append(store, digest, UINT64_MAX, 5, content, 1), WEIR_ETOO_LARGE, 0, false);
    assert_told(append(store, digest, 6, 5, content, 0), WEIR_ETOO_LARGE, 0, false);
    assert_int_equal(listed(store), 0);
    /* Garbage is noticed at the end and thrown away; then it works. */
    assert_told(append(store, digest, 0, SIZE, "garbage", 7), 0, 7, false);
    assert_told(append(store, digest, 7, SIZE, content + 7, SIZE - 7), WEIR_ECORRUPT, 0, false);
    assert_int_equal(listed(store), 0);
    assert_told(append(store, digest, 0, 7, content, 7), WEIR_ECORRUPT, 0, false); /* too short */
    assert_told(append(store, digest, 0, SIZE, content, SIZE), 0, SIZE, true);
    /* Uploads that nobody finishes cannot pile up. */
    for (unsigned i = 0; i < WEIR_ARTIFACT_PARTS_MAX; i++)
        assert_told(append(store, digest_of(&i, sizeof i), 0, 10, "x", 1), 0, 1, false);
    assert_told(append(store, digest_of("more", 4), 0, 4, "mo", 2), WEIR_ERESOURCES, 0, false);
    unsigned first = 0;
    assert_int_equal(weir_artifact_remove(store, digest_of(&first, sizeof first), NULL), 0);
    assert_told(append(store, digest_of("more", 4), 0, 4, "more", 4), 0, 4, true);
    weir_artifact_store_close(&store);
}

static void test_uploads(void **state)
{
    (void)state;
    try_uploads(false);
    try_uploads(true);
}

static void test_bad_ones(void **state)
{
    (void)state;
    try_bad_ones(false);
    try_bad_ones(true);
}

static void test_full_disk(void **state)
{
    (void)state;
    weir_artifact_store *store = open_store(true);
    const char *digest = digest_of(content, SIZE);
    assert_told(append(store, digest, 0, SIZE, content, 10), 0, 10, false);
    weir_file_fail_at(1, ENOSPC);
    assert_told(append(store, digest, 10, SIZE, content + 10, 5), WEIR_ENO_SPACE, 0, false);
    weir_file_fail_at(0, 0);
    assert_told(append(store, digest, 10, SIZE, content + 10, SIZE - 10), 0, SIZE, true);
    weir_artifact_store_close(&store);
}

/* Links and strangers in the directory are neither followed nor listed. */
static void test_links_are_not_followed(void **state)
{
    (void)state;
    weir_artifact_store *store = open_store(true);
    const char *digest = digest_of(content, SIZE);
    char path[512], victim[300];
    weir_buffer out = WEIR_BUFFER_INIT;
    uint64_t total;
    snprintf(victim, sizeof victim, "%s/victim", directory);
    assert_int_equal(weir_file_write_atomic(victim, "secret", 6, 0600, NULL), 0);
    snprintf(path, sizeof path, "%s/%s", directory, digest);
    assert_int_equal(symlink(victim, path), 0);
    assert_int_not_equal(weir_artifact_read(store, digest, 0, 10, &out, &total, NULL), 0);
    assert_int_equal(out.size, 0);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/incoming/%s.part", directory, digest);
    assert_int_equal(symlink(victim, path), 0);
    assert_int_not_equal(append(store, digest, 6, SIZE, content + 6, 3).rc, 0);
    assert_int_equal(weir_file_read(victim, 100, &out, NULL), 0);
    assert_string_equal(weir_buffer_text(&out), "secret");
    struct stat status;
    assert_int_equal(stat(directory, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    weir_buffer_deinit(&out);
    weir_artifact_store_close(&store);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (int files = 0; files < 2; files++) {
        const char *digest = digest_of(content, SIZE);
        bool done = false;
        for (uint64_t nth = 1; !done; nth++) {
            assert_true(nth < 50);
            weir_artifact_store *store = open_store(files);
            weir_memory_fail_at(nth);
            told of = append(store, digest, 0, SIZE, content, 10);
            if (of.rc == 0)
                of = append(store, digest, 10, SIZE, content + 10, SIZE - 10);
            weir_memory_fail_at(0);
            assert_true(of.rc == 0 || of.rc == WEIR_ENO_MEMORY);
            done = of.rc == 0;
            uint64_t have = append(store, digest, 0, SIZE, "", 0).received;
            have = have == UINT64_MAX ? 0 : have;
            assert_told(append(store, digest, have, SIZE, content + have, SIZE - have), 0, SIZE,
                        true);
            assert_int_equal(weir_artifact_remove(store, digest, NULL), 0);
            weir_artifact_store_close(&store);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_uploads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_links_are_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
