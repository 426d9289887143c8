/* A commit of which one file operation or LMDB call fails, the n-th, for every n, or at which the
 * process dies: the group is there or not, as a whole, and as the caller was told. */
#include "base/file.h"
#include "base/memory.h"
#include "store/record_store.h"
#include "tests/faults/faults.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { LARGE = 60000, SMALL_MAP = 128 * 1024 };

static char directory[256], context[300];
static char large[2][LARGE]; /* a value's content before and after the group */

static void fresh(void)
{
    if (directory[0] != '\0')
        assert_int_equal(weir_file_remove_tree(directory, NULL), 0);
    snprintf(directory, sizeof directory, "/tmp/weir-nth-store-XXXXXX");
    assert_non_null(mkdtemp(directory));
    faults_watch(directory);
}

static weir_records *open_store(void)
{
    weir_records *records = NULL;
    weir_error err = WEIR_ERROR_INIT;
    if (weir_record_store_open(
            &(weir_record_store_config){.directory = directory, .map_size = SMALL_MAP}, &records,
            &err) != 0)
        fail_msg("%s: %s", context, err.text);
    return records;
}

/* One group: `a` is written, `large` too, `b` comes and goes. `after` tells which state it makes.
 */
static int write_group(weir_records *records, bool after, weir_error *err)
{
    int rc = weir_records_begin(records, err);
    if (rc != 0)
        return rc;
    rc = weir_records_put(records, "job", "a", 1, after ? "new" : "old", 3, err);
    if (rc == 0)
        rc = weir_records_put(records, "job", "large", 1, large[after], LARGE, err);
    if (rc == 0)
        rc = after ? weir_records_remove(records, "job", "b", err)
                   : weir_records_put(records, "job", "b", 1, "b", 1, err);
    if (rc != 0) {
        weir_records_abort(records);
        return rc;
    }
    return weir_records_commit(records, err);
}

/* Which of the two states it is: a mixture fails. */
static bool is_after(weir_records *records)
{
    weir_buffer out = WEIR_BUFFER_INIT;
    uint16_t version;
    assert_int_equal(weir_records_get(records, "job", "a", &version, &out, NULL), 0);
    bool after = strcmp(weir_buffer_text(&out), "new") == 0;
    assert_string_equal(weir_buffer_text(&out), after ? "new" : "old");
    assert_int_equal(weir_records_get(records, "job", "large", &version, &out, NULL), 0);
    assert_int_equal(out.size, LARGE);
    assert_memory_equal(out.data, large[after], LARGE);
    assert_int_equal(weir_records_get(records, "job", "b", &version, &out, NULL),
                     after ? WEIR_ENOT_FOUND : 0);
    weir_buffer_deinit(&out);
    return after;
}

static bool may_be_tried_again(int code)
{
    return code == WEIR_ENO_SPACE || code == WEIR_ETOO_LARGE || code == WEIR_ENO_MEMORY;
}

static bool try_one(const faults_plan *plan)
{
    weir_error err = WEIR_ERROR_INIT;
    fresh();
    weir_records *records = open_store();
    assert_int_equal(write_group(records, false, NULL), 0);
    faults_set(plan);
    faults_arm(true);
    int rc = write_group(records, true, &err);
    faults_arm(false);
    bool hit = faults_hit();
    if (rc != 0)
        assert_true(err.code == rc && strlen(err.text) > 10);
    if (rc == 0 || may_be_tried_again(rc))
        assert_int_equal(is_after(records), rc == 0);
    if (may_be_tried_again(rc))
        assert_int_equal(write_group(records, true, NULL), 0);
    weir_records_close(&records);
    records = open_store();
    bool after = is_after(records);
    if (rc == 0 || may_be_tried_again(rc))
        assert_true(after);
    assert_int_equal(write_group(records, false, NULL), 0);
    assert_int_equal(write_group(records, true, NULL), 0);
    assert_true(is_after(records));
    weir_records_close(&records);
    return hit;
}

static uint64_t try_all(const char *name, faults_plan plan, bool (*one)(const faults_plan *plan))
{
    for (plan.nth = 1;; plan.nth++) {
        assert_true(plan.nth < 1000);
        snprintf(context, sizeof context, "%s, n = %llu", name, (unsigned long long)plan.nth);
        bool more = one(&plan);
        if (!more) {
            print_message("%5llu times: %s\n", (unsigned long long)plan.nth - 1, name);
            context[0] = '\0';
            return plan.nth - 1;
        }
    }
}

static void test_file_operations(void **state)
{
    (void)state;
    const faults_plan fails = {.of = FAULTS_OF_FILES, .kind = FAULTS_FAIL};
    static const int codes[] = {EIO, ENOSPC, EDQUOT};
    for (size_t i = 0; i < WEIR_COUNT(codes); i++) {
        faults_plan plan = fails;
        plan.code = codes[i];
        assert_true(try_all(strerror(codes[i]), plan, try_one) > 3);
        plan.for_good = true;
        assert_true(try_all("the same for good", plan, try_one) > 3);
        plan.for_good = false;
        plan.kind = FAULTS_LATE;
        assert_true(try_all("the same, late", plan, try_one) > 3);
    }
    faults_plan shorter = {.of = FAULTS_OF_FILES, .kind = FAULTS_SHORT};
    assert_true(try_all("a short write", shorter, try_one) > 1);
    shorter.for_good = true;
    assert_true(try_all("only short writes", shorter, try_one) > 1);
}

static void test_lmdb_calls(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int code;
    } codes[] = {{"MDB_MAP_FULL", FAULTS_MAP_FULL},
                 {"MDB_TXN_FULL", FAULTS_TXN_FULL},
                 {"MDB_PAGE_FULL", FAULTS_PAGE_FULL},
                 {"MDB_CORRUPTED", FAULTS_CORRUPTED},
                 {"MDB_PANIC", FAULTS_PANIC},
                 {"MDB_BAD_TXN", FAULTS_BAD_TXN},
                 {"EIO", EIO},
                 {"ENOSPC", ENOSPC},
                 {"ENOMEM", ENOMEM}};
    for (size_t i = 0; i < WEIR_COUNT(codes); i++) {
        faults_plan plan = {.of = FAULTS_OF_LMDB, .kind = FAULTS_FAIL, .code = codes[i].code};
        assert_true(try_all(codes[i].name, plan, try_one) > 5);
    }
    faults_plan late = {.of = FAULTS_OF_LMDB, .kind = FAULTS_LATE, .code = EIO};
    assert_true(try_all("a late EIO", late, try_one) > 5);
}

/* The process dies at the n-th operation of opening the store, writing and writing again. */
static bool try_kill(const faults_plan *plan)
{
    int ends[2], told = 0, status;
    fresh();
    weir_records *records = open_store();
    assert_int_equal(write_group(records, false, NULL), 0);
    weir_records_close(&records);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        const char committed = 1;
        faults_set(plan);
        faults_arm(true);
        weir_record_store_config config = {.directory = directory, .map_size = SMALL_MAP};
        if (weir_record_store_open(&config, &records, NULL) != 0 ||
            write_group(records, true, NULL) != 0)
            _exit(3);
        faults_arm(false);
        _exit(write(ends[1], &committed, 1) == 1 ? 0 : 4);
    }
    close(ends[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    faults_arm(false); /* the plan is shared */
    char committed = 0;
    told = read(ends[0], &committed, 1) == 1;
    close(ends[0]);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    records = open_store();
    bool after = is_after(records);
    if (told)
        assert_true(after);
    assert_int_equal(write_group(records, false, NULL), 0);
    assert_int_equal(write_group(records, true, NULL), 0);
    assert_true(is_after(records));
    weir_records_close(&records);
    return WIFSIGNALED(status);
}

/* The same while the store is made. */
static bool try_kill_first(const faults_plan *plan)
{
    int status;
    fresh();
    pid_t pid = fork();
    if (pid == 0) {
        weir_records *records = NULL;
        weir_record_store_config config = {.directory = directory, .map_size = SMALL_MAP};
        faults_set(plan);
        faults_arm(true);
        _exit(weir_record_store_open(&config, &records, NULL) == 0 ? 0 : 3);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    faults_arm(false); /* the plan is shared */
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    weir_records *records = open_store();
    assert_int_equal(write_group(records, false, NULL), 0);
    assert_int_equal(write_group(records, true, NULL), 0);
    assert_true(is_after(records));
    weir_records_close(&records);
    return WIFSIGNALED(status);
}

static void test_kill(void **state)
{
    (void)state;
    faults_plan plan = {.of = FAULTS_OF_FILES | FAULTS_OF_LMDB, .kind = FAULTS_KILL};
    assert_true(try_all("killed", plan, try_kill) > 20);
    assert_true(try_all("killed while it is made", plan, try_kill_first) > 20);
}

static int tell_context(void **state)
{
    (void)state;
    faults_arm(false);
    if (context[0] != '\0')
        print_message("  while: %s; it was: %s\n", context, faults_what());
    context[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return weir_file_remove_tree(directory, NULL);
}

int main(void)
{
    memset(large[0], 'o', LARGE);
    memset(large[1], 'n', LARGE);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_file_operations, tell_context),
        cmocka_unit_test_teardown(test_lmdb_calls, tell_context),
        cmocka_unit_test_teardown(test_kill, tell_context),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
