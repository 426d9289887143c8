/* The end of a job -- it finishes, is cancelled, loses its JobManager, is forgotten -- while one
 * allocation, file operation or LMDB call of the dispatcher fails, the n-th, for every n: an end
 * that somebody was told stays, and one that was not comes. */
#include "tests/unit/dispatcher/nth_world.h"

static char past[33], running[33], waiting[33]; /* ids: it ended, it runs, nobody runs it yet */

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
    report_state(of.jobmanagers[0], past, "FINISHED", 3, &deaths);
    request_slot(of.jobmanagers[0], running, &deaths);
    report_state(of.jobmanagers[0], running, "RUNNING", 2, &deaths);
    crash(w);
    end_nth_world(w);
    w = new_nth_world();
    boot(w);
    puppet *client = add_member(w, "client", 0);
    assert_int_equal(submit_whole(client, waiting, "waiting").code, 0);
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
    snprintf(waiting, sizeof waiting, "%s", job_id(3));
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

static world *begin(void)
{
    fresh_disk();
    faults_watch(home);
    world *w = new_nth_world();
    return w;
}

/* The dispatcher is killed; its disk is open afterwards, for a look and for the next one. */
static void reopen(world *w)
{
    weir_error err = WEIR_ERROR_INIT;
    crash(w);
    if (open_disk(w, &err) != 0)
        fail_msg("%s", err.text);
}

static found find(world *w, const char *id)
{
    found of = look_for(w, id);
    assert_int_equal(of.has_submission, of.there && !of.ended);
    return of;
}

static void assert_artifact(const char *name, bool there)
{
    char digest[WEIR_DIGEST_HEX];
    content_of(name, digest);
    assert_int_equal(is_whole(digest), there);
}

static void check_lines(const faults_plan *plan)
{
    if (!plan->for_good)
        assert_in_range(faulty.nlines, 0, 2);
}

/* ---- it finishes ---- */

static bool finish(const trial *of, const faults_plan *plan)
{
    int deaths = 0;
    world *w = begin();
    members with = add_members(w, running);
    boot(w);
    wait_members(w, &with);
    plan_fault(plan);
    report_state(with.jobmanagers[0], running, "FINISHED", 3, &deaths);
    if (of->crash_first) { /* the JobMaster was told, and is gone */
        bool hit = end_fault();
        reopen(w);
        assert_true(find(w, running).ended);
        end_nth_world(w);
        return hit;
    }
    free_slots(with.jobmanagers[0], running, &deaths);
    puppet_remove(with.jobmanagers[0], running);
    bool hit = end_fault();
    check_lines(plan);
    revive(w, &deaths);
    keep_registering(w, &with, 4);
    assert_state(with.client, running, "FINISHED");
    assert_int_equal(puppet_used(with.taskmanager), 0);
    work(w, &with, waiting);
    assert_int_equal(with.jobmanagers[0]->starts + with.jobmanagers[1]->starts, 1);
    reopen(w);
    assert_true(find(w, running).ended);
    end_nth_world(w);
    return hit;
}

/* ---- it is cancelled ---- */

static answer cancel_whoever(puppet *client, const char *id, int *deaths)
{
    QUESTION(q, CANCEL_JOB, cancel_job, Weir__Proto__CancelJob, WEIR__PROTO__CANCEL_JOB__INIT);
    q_body.job = (char *)(uintptr_t)id;
    answer to = ask_whoever(client, &q, deaths);
    forget(&to);
    return to;
}

/* Nobody runs it yet. */
static bool cancel_waiting(const trial *of, const faults_plan *plan)
{
    int deaths = 0;
    world *w = begin();
    boot(w);
    puppet *client = add_member(w, "client", 0);
    plan_fault(plan);
    answer told = cancel_whoever(client, waiting, &deaths);
    bool hit = end_fault();
    check_log(told.code, told.text, deaths, plan);
    check_lines(plan);
    if (of->crash_first) {
        reopen(w);
        found kept = find(w, waiting);
        assert_true(kept.there);
        if (told.code == 0)
            assert_true(kept.ended);
        else if (deaths == 0)
            assert_false(kept.ended);
        boot(w);
    } else {
        revive(w, &deaths);
    }
    told = cancel_whoever(client, waiting, &deaths);
    assert_true(told.code == 0 || told.code == WEIR_ESTATE); /* it is CANCELED already */
    assert_state(client, waiting, "CANCELED");
    puppet *jobmanager = add_member(w, "jobmanager", 0);
    run_for(w, 3 * SECOND_US);
    assert_false(puppet_has(jobmanager, waiting));
    reopen(w);
    assert_true(find(w, waiting).ended);
    end_nth_world(w);
    return hit;
}

static bool cancel_running(const trial *of, const faults_plan *plan)
{
    int deaths = 0;
    (void)of;
    world *w = begin();
    members with = add_members(w, running);
    boot(w);
    wait_members(w, &with);
    plan_fault(plan);
    answer told = cancel_whoever(with.client, running, &deaths);
    if (told.code == 0)
        assert_true(with.jobmanagers[0]->cancels > 0);
    bool hit = end_fault();
    check_lines(plan);
    revive(w, &deaths);
    keep_registering(w, &with, 4);
    if (told.code != 0)
        assert_int_equal(cancel_whoever(with.client, running, &deaths).code, 0);
    assert_true(with.jobmanagers[0]->cancels > 0);
    report_state(with.jobmanagers[0], running, "CANCELED", 3, &deaths);
    assert_state(with.client, running, "CANCELED");
    reopen(w);
    assert_true(find(w, running).ended);
    end_nth_world(w);
    return hit;
}

/* ---- its JobManager is lost ---- */

static bool lose(const trial *of, const faults_plan *plan)
{
    int deaths = 0;
    (void)of;
    world *w = begin();
    members with = add_members(w, running);
    boot(w);
    wait_members(w, &with);
    weir_simulator_kill(w->simulator, with.jobmanagers[0]->node);
    run_for(w, 4 * SECOND_US); /* nobody has noticed */
    assert_state(with.client, running, "RECONCILING");
    plan_fault(plan);
    run_for(w, 2 * SECOND_US);
    bool hit = end_fault();
    revive(w, &deaths);
    if (deaths > 0)
        assert_in_range(lines_with("stops"), 1, plan->for_good ? LINES_MAX : 1);
    run_for(w, 12 * SECOND_US);
    assert_state(with.client, running, "FAILED");
    reopen(w);
    assert_true(find(w, running).ended);
    end_nth_world(w);
    return hit;
}

/* ---- one is forgotten ---- */

static bool forget_one(const trial *of, const faults_plan *plan)
{
    int deaths = 0;
    world *w = begin();
    members with = add_members(w, running);
    w->config.history_max = 1;
    w->config.history_ms = 100000;
    boot(w);
    wait_members(w, &with);
    run_for(w, 60 * SECOND_US); /* a later time than that of the ends on the disk */
    plan_fault(plan);
    report_state(with.jobmanagers[0], running, "FINISHED", 3, &deaths); /* one too many */
    if (is_alive(w))
        run_for(w, SECOND_US / 10);
    bool hit = end_fault();
    check_lines(plan);
    if (of->crash_first) {
        reopen(w);
        found kept = find(w, past);
        if (kept.there)
            assert_true(kept.ended);
        assert_true(find(w, running).ended);
        boot(w);
    } else {
        revive(w, &deaths);
    }
    /* The sweep of every minute; what is not used goes after the history's time. */
    run_for(w, 230 * SECOND_US);
    reopen(w);
    assert_false(find(w, past).there);
    assert_artifact("past", false);
    end_nth_world(w);
    return hit;
}

/* ---- all of them ---- */

static const struct {
    const char *name;
    faults_plan plan;
} plans[] = {
    {"an allocation", {.nth = 0}},
    {"memory is out from the allocation on", {.for_good = true}},
    {"a file operation, EIO", {.of = FAULTS_OF_FILES, .kind = FAULTS_FAIL, .code = EIO}},
    {"a file operation, ENOSPC", {.of = FAULTS_OF_FILES, .kind = FAULTS_FAIL, .code = ENOSPC}},
    {"a file operation, a late EIO", {.of = FAULTS_OF_FILES, .kind = FAULTS_LATE, .code = EIO}},
    {"only short writes", {.of = FAULTS_OF_FILES, .kind = FAULTS_SHORT, .for_good = true}},
    {"an LMDB call, MDB_MAP_FULL",
     {.of = FAULTS_OF_LMDB, .kind = FAULTS_FAIL, .code = FAULTS_MAP_FULL}},
    {"an LMDB call, EIO", {.of = FAULTS_OF_LMDB, .kind = FAULTS_FAIL, .code = EIO}},
    {"an LMDB call, ENOSPC", {.of = FAULTS_OF_LMDB, .kind = FAULTS_FAIL, .code = ENOSPC}},
    {"an LMDB call, a late EIO", {.of = FAULTS_OF_LMDB, .kind = FAULTS_LATE, .code = EIO}}};

static void try_plans(bool (*one)(const trial *of, const faults_plan *plan), bool also_crash)
{
    for (size_t i = 0; i < WEIR_COUNT(plans); i++) {
        for (int crash_first = 0; crash_first < 1 + also_crash; crash_first++) {
            trial of = {plans[i].name, plans[i].plan, crash_first == 1, false};
            try_all(&of, 2000, one);
        }
    }
}

static void test_finish(void **state)
{
    (void)state;
    try_plans(finish, true);
}

static void test_cancel_before_the_start(void **state)
{
    (void)state;
    try_plans(cancel_waiting, true);
}

static void test_cancel(void **state)
{
    (void)state;
    try_plans(cancel_running, false);
}

static void test_lost_jobmanager(void **state)
{
    (void)state;
    try_plans(lose, false);
}

static void test_history(void **state)
{
    (void)state;
    try_plans(forget_one, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_finish, tell_context),
        cmocka_unit_test_teardown(test_cancel_before_the_start, tell_context),
        cmocka_unit_test_teardown(test_cancel, tell_context),
        cmocka_unit_test_teardown(test_lost_jobmanager, tell_context),
        cmocka_unit_test_teardown(test_history, tell_context),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
