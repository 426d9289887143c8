/* A submission of which one allocation, file operation or LMDB call of the dispatcher fails, the
 * n-th, for every n: it is there whole or not at all, its client knows, and all goes on. */
#include "tests/unit/dispatcher/nth_world.h"

static char past[33], running[33], submitted[33], next[33]; /* ids */

/* The disk to start from: one job has ended, one runs. */
static void prepare(void)
{
    int deaths = 0;
    world *w = new_nth_world();
    boot(w);
    members of = add_members(w, NULL);
    wait_members(w, &of);
    assert_int_equal(submit_whole(of.client, past, "past").code, 0);
    assert_int_equal(submit_whole(of.client, running, "running").code, 0);
    run_for(w, SECOND_US);
    assert_true(puppet_has(of.jobmanagers[0], past));
    report_state(of.jobmanagers[0], past, "FINISHED", 3, &deaths);
    request_slot(of.jobmanagers[0], running, &deaths);
    report_state(of.jobmanagers[0], running, "RUNNING", 2, &deaths);
    assert_int_equal(deaths, 0);
    crash(w);
    end_nth_world(w);
    copy_files(home, prepared);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(past, sizeof past, "%s", job_id(1));
    snprintf(running, sizeof running, "%s", job_id(2));
    snprintf(submitted, sizeof submitted, "%s", job_id(3));
    snprintf(next, sizeof next, "%s", job_id(4));
    set_up_homes();
    prepare();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_homes();
    return 0;
}

/* ---- what must hold ---- */

/* What a client was told against what is kept; the disk is open afterwards. */
static void check_kept(world *w, const outcome *of)
{
    weir_error err = WEIR_ERROR_INIT;
    if (open_disk(w, &err) != 0)
        fail_msg("%s", err.text);
    bool there = is_there_whole(w, submitted);
    assert_true(is_there_whole(w, past));
    assert_true(is_there_whole(w, running));
    if (of->code == 0)
        assert_true(there);
    else if (of->deaths == 0)
        assert_false(there);
}

/* Nothing fails any more: everything runs, once. */
static void check_all_runs(world *w, const members *of)
{
    outcome again = submit_whole(of->client, submitted, "submitted");
    if (again.code != 0)
        fail_msg("again: %s", again.text);
    outcome other = submit_whole(of->client, next, "next");
    if (other.code != 0)
        fail_msg("next: %s", other.text);
    assert_int_equal(again.deaths + other.deaths, 0);
    run_for(w, 3 * SECOND_US);
    work(w, of, running);
    work(w, of, submitted);
    work(w, of, next);
    run_for(w, 2 * SECOND_US);
    assert_int_equal(of->jobmanagers[0]->starts + of->jobmanagers[1]->starts, 2);
    assert_int_equal(puppet_used(of->taskmanager), 0);
    assert_int_equal(files_in(path_in(home, "artifacts/incoming")), 0);
}

static void check_after_restart(world *w, const members *of)
{
    static const char *const names[] = {"past", "running", "submitted", "next"};
    const char *const ids[] = {past, running, submitted, next};
    weir_error err = WEIR_ERROR_INIT;
    char digest[WEIR_DIGEST_HEX];
    crash(w);
    if (open_disk(w, &err) != 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < WEIR_COUNT(ids); i++) {
        found one = look_for(w, ids[i]);
        assert_true(one.there && one.ended && !one.has_submission);
        content_of(names[i], digest);
        assert_true(is_whole(digest));
    }
    assert_int_equal(try_boot(w, &err), 0);
    for (size_t i = 0; i < WEIR_COUNT(ids); i++)
        assert_state(of->client, ids[i], "FINISHED");
    assert_int_equal(of->jobmanagers[0]->starts + of->jobmanagers[1]->starts, 2);
}

/* ---- the loop ---- */

static bool run(const trial *of, const faults_plan *plan)
{
    fresh_disk();
    faults_watch(home);
    world *w = new_nth_world();
    boot(w);
    members with = add_members(w, running);
    wait_members(w, &with);
    plan_fault(plan);
    outcome first = submit_whole(with.client, submitted, "submitted");
    if (!of->crash_first && is_alive(w)) /* the JobManager is told, when it can be */
        run_for(w, plan->for_good ? 4 * SECOND_US : SECOND_US / 10);
    bool hit = end_fault();
    if (first.code != 0)
        assert_true(strlen(first.text) > 10);
    check_log(first.code, first.text, first.deaths, plan);
    if (of->crash_first) {
        crash(w);
        check_kept(w, &first);
        boot(w);
    } else {
        revive(w, &first.deaths);
    }
    check_all_runs(w, &with);
    check_after_restart(w, &with);
    end_nth_world(w);
    return hit;
}

static void try_some(const trial *trials, size_t count, uint64_t least)
{
    for (size_t i = 0; i < count; i++)
        assert_true(try_all(&trials[i], 2000, run) > least);
}

static void test_allocations(void **state)
{
    (void)state;
    static const trial trials[] = {
        {"an allocation", {.nth = 0}, false, false},
        {"an allocation", {.nth = 0}, true, false},
        {"memory is out from the allocation on", {.for_good = true}, false, false}};
    try_some(trials, WEIR_COUNT(trials), 50);
}

#define FILES(...)                                                                                 \
    {                                                                                              \
        .of = FAULTS_OF_FILES, __VA_ARGS__                                                         \
    }
#define LMDB(...)                                                                                  \
    {                                                                                              \
        .of = FAULTS_OF_LMDB, __VA_ARGS__                                                          \
    }

static void test_file_operations(void **state)
{
    (void)state;
    static const trial trials[] = {
        {"EIO", FILES(.kind = FAULTS_FAIL, .code = EIO), false, false},
        {"EIO", FILES(.kind = FAULTS_FAIL, .code = EIO), true, false},
        {"EIO for good", FILES(.kind = FAULTS_FAIL, .code = EIO, .for_good = true), true, false},
        {"ENOSPC", FILES(.kind = FAULTS_FAIL, .code = ENOSPC), false, false},
        {"a full disk", FILES(.kind = FAULTS_FAIL, .code = ENOSPC, .for_good = true), false, false},
        {"a late EIO", FILES(.kind = FAULTS_LATE, .code = EIO), false, false},
        {"a late EIO", FILES(.kind = FAULTS_LATE, .code = EIO), true, false},
        {"a short write", FILES(.kind = FAULTS_SHORT), false, false},
        {"a short write", FILES(.kind = FAULTS_SHORT), true, false},
        {"only short writes", FILES(.kind = FAULTS_SHORT, .for_good = true), false, false}};
    try_some(trials, WEIR_COUNT(trials), 3);
}

static void test_lmdb_calls(void **state)
{
    (void)state;
    static const trial trials[] = {
        {"MDB_MAP_FULL", LMDB(.kind = FAULTS_FAIL, .code = FAULTS_MAP_FULL), false, false},
        {"MDB_MAP_FULL", LMDB(.kind = FAULTS_FAIL, .code = FAULTS_MAP_FULL), true, false},
        {"MDB_MAP_FULL for good",
         LMDB(.kind = FAULTS_FAIL, .code = FAULTS_MAP_FULL, .for_good = true), false, false},
        {"EIO", LMDB(.kind = FAULTS_FAIL, .code = EIO), false, false},
        {"EIO", LMDB(.kind = FAULTS_FAIL, .code = EIO), true, false},
        {"EIO for good", LMDB(.kind = FAULTS_FAIL, .code = EIO, .for_good = true), false, false},
        {"a late EIO", LMDB(.kind = FAULTS_LATE, .code = EIO), false, false},
        {"a late EIO", LMDB(.kind = FAULTS_LATE, .code = EIO), true, false},
        {"ENOSPC", LMDB(.kind = FAULTS_FAIL, .code = ENOSPC), false, false},
        {"ENOMEM", LMDB(.kind = FAULTS_FAIL, .code = ENOMEM), false, false},
        {"MDB_PAGE_FULL", LMDB(.kind = FAULTS_FAIL, .code = FAULTS_PAGE_FULL), false, false},
        {"MDB_TXN_FULL", LMDB(.kind = FAULTS_FAIL, .code = FAULTS_TXN_FULL), false, false},
        {"MDB_PANIC", LMDB(.kind = FAULTS_FAIL, .code = FAULTS_PANIC), false, false},
        {"MDB_CORRUPTED", LMDB(.kind = FAULTS_FAIL, .code = FAULTS_CORRUPTED), false, false}};
    try_some(trials, WEIR_COUNT(trials), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_allocations, tell_context),
        cmocka_unit_test_teardown(test_file_operations, tell_context),
        cmocka_unit_test_teardown(test_lmdb_calls, tell_context),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
