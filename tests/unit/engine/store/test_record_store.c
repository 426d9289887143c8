/* The promises of store/record_store.h: atomic groups, nothing lost, damage refused, never
 * discarded. */
#include "base/file.h"
#include "base/memory.h"
#include "store/record_store.h"
#include "store/record_value.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static char directory[256];

static int setup(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/weir-record-store-XXXXXX");
    assert_non_null(mkdtemp(directory));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(weir_file_remove_tree(directory, &err), 0);
    return 0;
}

static const char *path_of(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static int open_store_sized(weir_records **ret, uint64_t size, uint64_t size_max, weir_error *err)
{
    return weir_record_store_open(&(weir_record_store_config){.directory = directory,
                                                              .map_size = size,
                                                              .map_size_max = size_max},
                                  ret, err);
}

static weir_records *open_store(void)
{
    weir_error err = WEIR_ERROR_INIT;
    weir_records *records = NULL;
    if (open_store_sized(&records, 0, 0, &err) != 0)
        fail_msg("%s", err.text);
    return records;
}

static void put(weir_records *records, const char *key, const char *value)
{
    assert_int_equal(weir_records_begin(records, NULL), 0);
    assert_int_equal(weir_records_put(records, "job", key, 3, value, strlen(value), NULL), 0);
    assert_int_equal(weir_records_commit(records, NULL), 0);
}

static void assert_value(weir_records *records, const char *key, const char *expected)
{
    weir_buffer out = WEIR_BUFFER_INIT;
    uint16_t version = 0;
    int rc = weir_records_get(records, "job", key, &version, &out, NULL);
    if (expected == NULL) {
        assert_int_equal(rc, WEIR_ENOT_FOUND);
    } else {
        assert_int_equal(rc, 0);
        assert_int_equal(version, 3);
        assert_string_equal(weir_buffer_text(&out), expected);
    }
    weir_buffer_deinit(&out);
}

static int append_key(void *data, const char *key, uint16_t version, const void *bytes, size_t size,
                      weir_error *err)
{
    (void)version;
    (void)err;
    weir_buffer_printf(data, "%s=%.*s ", key, (int)size, (const char *)bytes);
    return 0;
}

static int stop_at_once(void *data, const char *key, uint16_t version, const void *bytes,
                        size_t size, weir_error *err)
{
    (void)key, (void)version, (void)bytes, (void)size;
    ++*(int *)data;
    return weir_error_set(err, WEIR_ECANCELLED, "enough");
}

static void test_groups(void **state)
{
    (void)state;
    weir_records *records = open_store();
    weir_buffer out = WEIR_BUFFER_INIT;
    uint16_t version;
    assert_int_equal(weir_records_put(records, "job", "a", 3, "x", 1, NULL), WEIR_ESTATE);
    assert_int_equal(weir_records_commit(records, NULL), WEIR_ESTATE);
    put(records, "b", "two");
    put(records, "a", "one");
    assert_int_equal(weir_records_begin(records, NULL), 0);
    assert_int_equal(weir_records_begin(records, NULL), WEIR_ESTATE);
    assert_int_equal(weir_records_get(records, "job", "a", &version, &out, NULL), WEIR_ESTATE);
    assert_int_equal(weir_records_remove(records, "job", "a", NULL), 0);
    assert_int_equal(weir_records_remove(records, "job", "never", NULL), 0);
    assert_int_equal(weir_records_put(records, "jobs", "z", 3, "other table", 11, NULL), 0);
    assert_int_equal(weir_records_put(records, "job", "c", 3, "first", 5, NULL), 0);
    assert_int_equal(weir_records_put(records, "job", "c", 3, NULL, 0, NULL), 0);
    assert_int_equal(weir_records_commit(records, NULL), 0);
    assert_int_equal(weir_records_begin(records, NULL), 0);
    assert_int_equal(weir_records_put(records, "job", "b", 3, "lost", 4, NULL), 0);
    weir_records_abort(records);
    for (int round = 0; round < 2; round++) {
        assert_value(records, "a", NULL);
        assert_value(records, "b", "two");
        assert_value(records, "c", "");
        weir_buffer_clear(&out);
        assert_int_equal(weir_records_iterate(records, "job", append_key, &out, NULL), 0);
        assert_string_equal(weir_buffer_text(&out), "b=two c= ");
        int calls = 0;
        assert_int_equal(weir_records_iterate(records, "job", stop_at_once, &calls, NULL),
                         WEIR_ECANCELLED);
        assert_int_equal(calls, 1);
        weir_records_close(&records);
        records = open_store();
    }
    weir_records_close(&records);
    weir_records_close(&records);
    weir_buffer_deinit(&out);
}

static void test_keys_have_limits(void **state)
{
    (void)state;
    weir_records *records = open_store();
    char key[WEIR_RECORD_KEY_MAX + 1];
    memset(key, 'k', sizeof key);
    key[WEIR_RECORD_KEY_MAX - 4] = '\0'; /* "job/" and 507 bytes */
    put(records, key, "longest");
    assert_value(records, key, "longest");
    key[WEIR_RECORD_KEY_MAX - 4] = 'k';
    key[WEIR_RECORD_KEY_MAX - 3] = '\0';
    static const struct {
        const char *table, *key;
        int code;
    } bad[] = {{"job", "", WEIR_EINVALID},
               {"", "a", WEIR_EINVALID},
               {"Job", "a", WEIR_EINVALID},
               {"a/b", "a", WEIR_EINVALID},
               {"!store", "a", WEIR_EINVALID}};
    for (size_t i = 0; i < WEIR_COUNT(bad); i++) {
        assert_int_equal(weir_records_begin(records, NULL), 0);
        assert_int_equal(weir_records_put(records, bad[i].table, bad[i].key, 1, "", 0, NULL),
                         bad[i].code);
        assert_int_equal(weir_records_put(records, "job", "spoiled", 3, "", 0, NULL), 0);
        assert_int_equal(weir_records_commit(records, NULL), bad[i].code);
    }
    assert_int_equal(weir_records_begin(records, NULL), 0);
    assert_int_equal(weir_records_put(records, "job", key, 1, "", 0, NULL), WEIR_ETOO_LARGE);
    weir_records_abort(records);
    assert_value(records, "spoiled", NULL);
    weir_records_close(&records);
}

static void test_nth_failure_leaves_all_or_nothing(void **state)
{
    (void)state;
    weir_records *records = open_store();
    put(records, "a", "old");
    put(records, "b", "old");
    bool done = false;
    for (uint64_t nth = 1; !done; nth++) {
        assert_true(nth < 10);
        weir_record_store_fail_at(records, nth, WEIR_EIO);
        int rc = weir_records_begin(records, NULL);
        int first = rc == 0 ? weir_records_put(records, "job", "a", 3, "new", 3, NULL) : rc;
        int second = rc == 0 ? weir_records_remove(records, "job", "b", NULL) : rc;
        if (rc == 0)
            rc = weir_records_commit(records, NULL);
        done = first == 0 && second == 0 && rc == 0;
        assert_true(done || rc == WEIR_EIO);
        weir_record_store_fail_at(records, 0, 0);
        assert_value(records, "a", done ? "new" : "old");
        assert_value(records, "b", done ? NULL : "old");
    }
    weir_records_close(&records);
    records = open_store();
    assert_value(records, "a", "new");
    weir_records_close(&records);
}

static void test_out_of_memory_is_an_error(void **state)
{
    (void)state;
    weir_records *records = open_store();
    put(records, "a", "old");
    weir_records_close(&records);
    bool done = false;
    for (uint64_t nth = 1; !done; nth++) {
        assert_true(nth < 500);
        weir_memory_fail_at(nth);
        weir_error err = WEIR_ERROR_INIT;
        int rc = open_store_sized(&records, 0, 0, &err);
        if (rc == 0) {
            rc = weir_records_begin(records, &err);
            if (rc == 0)
                rc = weir_records_put(records, "job", "b", 3, "new", 3, &err);
            int committed = weir_records_commit(records, &err);
            rc = rc != 0 ? rc : committed;
        }
        weir_memory_fail_at(0);
        /* In the child process an allocation that fails may look like damage that is not there. */
        assert_true(rc == 0 || rc == WEIR_ENO_MEMORY);
        weir_records_close(&records);
        done = rc == 0;
    }
    records = open_store();
    assert_value(records, "a", "old");
    assert_value(records, "b", "new");
    weir_records_close(&records);
}

static void test_map_grows_and_has_a_limit(void **state)
{
    (void)state;
    enum { SIZE = 100000 };
    char *value = calloc(1, SIZE + 1);
    memset(value, 'v', SIZE);
    weir_error err = WEIR_ERROR_INIT;
    weir_records *records = NULL;
    assert_int_equal(open_store_sized(&records, 65536, 1 << 20, &err), 0);
    int rc = 0, kept = 0;
    char key[16];
    for (int i = 0; i < 100 && rc == 0; i++) {
        snprintf(key, sizeof key, "k%03d", i);
        assert_int_equal(weir_records_begin(records, NULL), 0);
        assert_int_equal(weir_records_put(records, "job", key, 3, value, SIZE, NULL), 0);
        rc = weir_records_commit(records, &err);
        kept += rc == 0 ? 1 : 0;
    }
    assert_int_equal(rc, WEIR_ENO_SPACE);
    assert_non_null(strstr(err.text, "1 MiB"));
    assert_in_range(kept, 5, 10);
    /* What is there stays, and room that is given back is used. */
    assert_value(records, "k000", value);
    assert_int_equal(weir_records_begin(records, NULL), 0);
    assert_int_equal(weir_records_remove(records, "job", "k000", NULL), 0);
    assert_int_equal(weir_records_commit(records, NULL), 0);
    weir_records_close(&records);
    records = open_store();
    assert_value(records, "k000", NULL);
    assert_value(records, "k001", value);
    put(records, "more", value);
    weir_records_close(&records);
    free(value);
}

static void test_full_disk_is_told_and_harms_nothing(void **state)
{
    (void)state;
    weir_records *records = open_store();
    put(records, "a", "kept");
    struct stat status;
    assert_int_equal(stat(path_of("data.mdb"), &status), 0);
    struct rlimit old, low;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)status.st_size + 8192;
    signal(SIGXFSZ, SIG_IGN);
    char *value = calloc(1, 200001);
    memset(value, 'v', 200000);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(weir_records_begin(records, NULL), 0);
    assert_int_equal(weir_records_put(records, "job", "b", 3, value, 200000, NULL), 0);
    int rc = weir_records_commit(records, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    /* A short write first looks like any other failure of the disk. */
    assert_true(rc == WEIR_ENO_SPACE || rc == WEIR_EIO);
    assert_value(records, "a", "kept");
    put(records, "b", value);
    weir_records_close(&records);
    records = open_store();
    assert_value(records, "a", "kept");
    assert_value(records, "b", value);
    weir_records_close(&records);
    free(value);
}

static void test_second_open_is_refused(void **state)
{
    (void)state;
    weir_records *records = open_store();
    weir_records *second = NULL;
    weir_error err = WEIR_ERROR_INIT;
    char expected[64];
    snprintf(expected, sizeof expected, "in use by process %ld", (long)getpid());
    assert_int_equal(open_store_sized(&second, 0, 0, &err), WEIR_ESTATE);
    assert_non_null(strstr(err.text, expected));
    assert_non_null(strstr(err.text, directory));
    pid_t pid = fork();
    if (pid == 0)
        _exit(open_store_sized(&second, 0, 0, &err) == WEIR_ESTATE &&
                      strstr(err.text, expected) != NULL
                  ? 0
                  : 1);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_null(second);
    put(records, "a", "x");
    weir_records_close(&records);
    records = open_store();
    weir_records_close(&records);
}

static void fill(void)
{
    weir_records *records = open_store();
    char key[16], value[64];
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "key-%04d", i % 200);
        snprintf(value, sizeof value, "value %04d of many that fill some pages", i);
        put(records, key, value);
    }
    weir_records_close(&records);
}

static void read_all(const char *name, weir_buffer *out)
{
    assert_int_equal(weir_file_read(path_of(name), 1 << 26, out, NULL), 0);
}

static void write_all(const char *name, const void *bytes, size_t size)
{
    int fd = open(path_of(name), O_WRONLY | O_TRUNC | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(weir_file_write_all(fd, bytes, size, NULL), 0);
    close(fd);
}

/* Refused with the file's name and advice, and the file left as it was. */
static void assert_refused(const char *name)
{
    weir_records *records = NULL;
    weir_error err = WEIR_ERROR_INIT;
    weir_buffer before = WEIR_BUFFER_INIT, after = WEIR_BUFFER_INIT;
    read_all("data.mdb", &before);
    assert_int_equal(open_store_sized(&records, 0, 0, &err), WEIR_ECORRUPT);
    assert_null(records);
    assert_non_null(strstr(err.text, path_of(name)));
    assert_non_null(strstr(err.text, "backup"));
    read_all("data.mdb", &after);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, before.size);
    weir_buffer_deinit(&before);
    weir_buffer_deinit(&after);
}

static void test_truncation_is_refused(void **state)
{
    (void)state;
    fill();
    weir_buffer whole = WEIR_BUFFER_INIT;
    read_all("data.mdb", &whole);
    const size_t sizes[] = {0,
                            1,
                            100,
                            4096,
                            4097,
                            8191,
                            8192,
                            8193,
                            12288,
                            whole.size / 2,
                            whole.size / 2 / 4096 * 4096};
    for (size_t i = 0; i < WEIR_COUNT(sizes); i++) {
        write_all("data.mdb", whole.data == NULL ? (const uint8_t *)"" : whole.data, sizes[i]);
        assert_refused("data.mdb");
    }
    assert_int_equal(unlink(path_of("data.mdb")), 0);
    weir_records *records = NULL;
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(open_store_sized(&records, 0, 0, &err), WEIR_ECORRUPT);
    assert_non_null(strstr(err.text, "missing"));
    write_all("data.mdb", whole.data, whole.size);
    records = open_store();
    weir_records_close(&records);
    weir_buffer_deinit(&whole);
}

/* The content as text; NULL when the store refuses. */
static bool content(weir_buffer *out)
{
    weir_records *records = NULL;
    weir_error err = WEIR_ERROR_INIT;
    weir_buffer_clear(out);
    int rc = open_store_sized(&records, 0, 0, &err);
    if (rc != 0) {
        assert_true(rc == WEIR_ECORRUPT || rc == WEIR_EVERSION);
        return false;
    }
    assert_int_equal(weir_records_iterate(records, "job", append_key, out, NULL), 0);
    weir_records_close(&records);
    return true;
}

/* A damaged page is either one that is not in use, and changes nothing, or the store refuses. */
static void test_garbage_is_never_read(void **state)
{
    (void)state;
    fill();
    weir_buffer whole = WEIR_BUFFER_INIT, expected = WEIR_BUFFER_INIT, found = WEIR_BUFFER_INIT;
    read_all("data.mdb", &whole);
    assert_true(content(&expected));
    size_t refused = 0;
    uint8_t *copy = malloc(whole.size);
    uint32_t random = 12345;
    for (size_t page = 0; page < whole.size / 4096; page++) {
        for (int kind = 0; kind < 3; kind++) {
            memcpy(copy, whole.data, whole.size);
            for (size_t i = 0; i < 4096; i++) {
                random = random * 1664525u + 1013904223u;
                if (kind == 0)
                    copy[page * 4096 + i] = 0;
                else if (kind == 1)
                    copy[page * 4096 + i] = (uint8_t)(random >> 24);
            }
            if (kind == 2) /* one bit, behind the page's header, where the nodes are */
                copy[page * 4096 + 2048 + (random >> 8) % 2048] ^= 4;
            write_all("data.mdb", copy, whole.size);
            if (!content(&found))
                refused++;
            else
                assert_string_equal(weir_buffer_text(&found), weir_buffer_text(&expected));
        }
    }
    assert_true(refused >= 6);
    free(copy);
    weir_buffer_deinit(&whole);
    weir_buffer_deinit(&expected);
    weir_buffer_deinit(&found);
}

static void test_files_of_another_store_are_refused(void **state)
{
    (void)state;
    fill();
    weir_buffer data = WEIR_BUFFER_INIT, format = WEIR_BUFFER_INIT;
    read_all("data.mdb", &data);
    read_all("format", &format);
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(unlink(path_of("format")), 0);
    weir_records *records = NULL;
    assert_int_equal(open_store_sized(&records, 0, 0, &err), WEIR_ECORRUPT);
    assert_non_null(strstr(err.text, "format"));
    write_all("format", "weir records 2 something", 24);
    assert_refused("format");
    write_all("format", "weir records 1 00112233445566778899aabbccddeeff\n", 48);
    assert_refused("data.mdb");
    write_all("format", format.data, format.size);
    records = open_store();
    assert_value(records, "key-0042", "value 0242 of many that fill some pages");
    weir_records_close(&records);
    weir_buffer_deinit(&data);
    weir_buffer_deinit(&format);
}

/* Death while a store is being made: the next open starts again. */
static void test_interrupted_making(void **state)
{
    (void)state;
    write_all("format", "weir records new 00112233445566778899aabbccddeeff\n", 50);
    write_all("data.mdb", "half a page", 11);
    weir_records *records = open_store();
    put(records, "a", "x");
    weir_records_close(&records);
    bool done = false;
    for (uint64_t nth = 1; !done; nth++) {
        assert_true(nth < 100);
        assert_int_equal(weir_file_remove_tree(directory, NULL), 0);
        weir_file_fail_at(nth, EIO);
        weir_error err = WEIR_ERROR_INIT;
        int rc = open_store_sized(&records, 0, 0, &err);
        weir_file_fail_at(0, 0);
        done = rc == 0;
        if (!done)
            records = open_store();
        put(records, "a", "x");
        weir_records_close(&records);
    }
}

/* kill -9 at any instant: what commit acknowledged is there, in whole groups. */
static void test_kill_loses_no_acknowledged_group(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        if (pid == 0) {
            weir_records *records = NULL;
            if (open_store_sized(&records, 0, 0, NULL) != 0)
                _exit(1);
            for (uint32_t i = 0;; i++) {
                char value[16];
                int size = snprintf(value, sizeof value, "%u", i);
                if (weir_records_begin(records, NULL) != 0 ||
                    weir_records_put(records, "job", "a", 3, value, (size_t)size, NULL) != 0 ||
                    weir_records_put(records, "job", "b", 3, value, (size_t)size, NULL) != 0 ||
                    weir_records_commit(records, NULL) != 0 ||
                    write(ends[1], &i, sizeof i) != sizeof i)
                    _exit(1);
            }
        }
        close(ends[1]);
        uint32_t last = 0;
        for (int i = 0; i < 20 + 7 * round; i++)
            assert_int_equal(read(ends[0], &last, sizeof last), sizeof last);
        kill(pid, SIGKILL);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        while (read(ends[0], &last, sizeof last) == sizeof last)
            continue;
        close(ends[0]);
        weir_records *records = open_store();
        weir_buffer a = WEIR_BUFFER_INIT, b = WEIR_BUFFER_INIT;
        uint16_t version;
        assert_int_equal(weir_records_get(records, "job", "a", &version, &a, NULL), 0);
        assert_int_equal(weir_records_get(records, "job", "b", &version, &b, NULL), 0);
        assert_string_equal(weir_buffer_text(&a), weir_buffer_text(&b));
        assert_true(strtoul(weir_buffer_text(&a), NULL, 10) >= last);
        weir_buffer_deinit(&a);
        weir_buffer_deinit(&b);
        weir_records_close(&records);
    }
}

static void test_sealed_values(void **state)
{
    (void)state;
    uint8_t sealed[WEIR_RECORD_HEADER + 5];
    uint16_t version = 0;
    const uint8_t *payload;
    size_t size = 0;
    assert_int_equal(weir_record_seal("job/a", 5, 0x1234, "hello", 5, sealed, NULL), 0);
    /* The layout is a promise to later versions. */
    static const uint8_t golden[8] = {0x34, 0x12, 1, 0, 5, 0, 0, 0};
    assert_memory_equal(sealed, golden, sizeof golden);
    assert_int_equal(
        weir_record_unseal("job/a", 5, sealed, sizeof sealed, &version, &payload, &size, NULL), 0);
    assert_int_equal(version, 0x1234);
    assert_int_equal(size, 5);
    assert_memory_equal(payload, "hello", 5);
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(
        weir_record_unseal("job/b", 5, sealed, sizeof sealed, &version, &payload, &size, &err),
        WEIR_ECORRUPT);
    for (size_t cut = 0; cut < sizeof sealed; cut++)
        assert_int_equal(
            weir_record_unseal("job/a", 5, sealed, cut, &version, &payload, &size, &err),
            WEIR_ECORRUPT);
    for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(
            weir_record_unseal("job/a", 5, sealed, sizeof sealed, &version, &payload, &size, &err),
            WEIR_ECORRUPT);
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_groups, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_have_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nth_failure_leaves_all_or_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(test_map_grows_and_has_a_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_disk_is_told_and_harms_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_second_open_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncation_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_garbage_is_never_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_of_another_store_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_interrupted_making, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kill_loses_no_acknowledged_group, setup, teardown),
        cmocka_unit_test(test_sealed_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
