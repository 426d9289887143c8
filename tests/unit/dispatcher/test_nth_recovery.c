/* The start of a dispatcher of which one allocation, file operation or LMDB call fails, the n-th,
 * for every n: it starts with everything, or it does not start and says why; never with less. */
#include "tests/unit/dispatcher/nth_world.h"

static char past[33], running[33], waiting[33]; /* ids: it ended, it runs, nobody runs it yet */

/* The disk to start from: one job of each kind, and an upload that goes on. */
static void prepare(void)
{
    int deaths = 0;
    char digest[WEIR_DIGEST_HEX];
    uint64_t received = 0;
    bool complete = true;
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
    const char *content = content_of("partial", digest);
    assert_int_equal(weir_artifact_append(w->artifacts, digest, 0, CONTENT_BYTES, content, 100,
                                          &received, &complete, NULL),
                     0);
    assert_false(complete);
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

/* A fault of the moment is told as what it is: nobody is to give up the directory for it. */
static void check_refusal(const weir_error *err, const faults_plan *plan)
{
    assert_true(err->code < 0 && strlen(err->text) > 10);
    if (plan->code < 0) /* LMDB says so */
        return;
    if (!is_own_trouble(err->code) || err->code == WEIR_ECORRUPT ||
        strstr(err->text, "move the directory away") != NULL)
        fail_msg("it says: %s", err->text);
}

/* Starts while something fails; true: it runs. */
static bool start_faulty(world *w, const faults_plan *plan)
{
    weir_error err = WEIR_ERROR_INIT;
    plan_fault(plan);
    go_in();
    int rc = open_disk(w, &err);
    go_out();
    if (rc == 0)
        rc = try_boot(w, &err);
    if (rc == 0)
        return true;
    check_refusal(&err, plan);
    return false;
}

static bool run(const trial *of, const faults_plan *plan)
{
    int deaths = 0;
    char digest[WEIR_DIGEST_HEX];
    fresh_disk();
    faults_watch(home);
    world *w = new_nth_world();
    members with = add_members(w, running);
    bool runs = start_faulty(w, plan);
    if (runs)
        run_for(w, SECOND_US / 4);                        /* the members register */
    bool hit = end_fault() || (of->in_children && !runs); /* a child's count is its own */
    if (runs && is_alive(w)) {
        if (of->crash_first)
            crash(w);
    } else {
        if (runs)
            assert_int_equal(lines_with("stops"), 1);
        close_disk(w);
    }
    if (w->records == NULL)
        boot(w);
    keep_registering(w, &with, 3);
    wait_members(w, &with);
    assert_state(with.client, past, "FINISHED");
    work(w, &with, running);
    work(w, &with, waiting);
    assert_int_equal(with.jobmanagers[0]->starts + with.jobmanagers[1]->starts, 1);
    assert_int_equal(puppet_used(with.taskmanager), 0);
    /* The upload that had begun goes on where it was. */
    uint64_t received = 0;
    bool complete = true;
    content_of("partial", digest);
    assert_int_equal(weir_artifact_append(w->artifacts, digest, 0, CONTENT_BYTES, "", 0, &received,
                                          &complete, NULL),
                     0);
    assert_int_equal(received, 100);
    outcome other = submit_whole(with.client, job_id(9), "partial");
    if (other.code != 0)
        fail_msg("%s", other.text);
    assert_int_equal(deaths + other.deaths, 0);
    end_nth_world(w);
    return hit;
}

/* The very first start, in an empty directory. */
static bool run_first(const trial *of, const faults_plan *plan)
{
    (void)of;
    assert_int_equal(weir_file_remove_tree(home, NULL), 0);
    faults_watch(home);
    world *w = new_nth_world();
    members with = add_members(w, NULL);
    bool runs = start_faulty(w, plan);
    if (runs)
        run_for(w, SECOND_US / 4); /* the members register */
    bool hit = end_fault();
    if (!runs || !is_alive(w)) {
        close_disk(w);
        boot(w);
    }
    keep_registering(w, &with, 3);
    wait_members(w, &with);
    outcome first = submit_whole(with.client, waiting, "waiting");
    if (first.code != 0)
        fail_msg("%s", first.text);
    run_for(w, SECOND_US);
    work(w, &with, waiting);
    end_nth_world(w);
    return hit;
}

static void test_allocations(void **state)
{
    (void)state;
    static const trial trials[] = {
        {"an allocation", {.nth = 0}, false, false},
        {"an allocation, also of the check", {.nth = 0}, false, true},
        {"memory is out from the allocation on", {.for_good = true}, false, false}};
    for (size_t i = 0; i < WEIR_COUNT(trials); i++)
        assert_true(try_all(&trials[i], 2000, run) > 20);
    assert_true(try_all(&trials[0], 2000, run_first) > 20);
}

static const struct {
    const char *name;
    faults_plan plan;
} plans[] = {
    {"a file operation, EIO", {.of = FAULTS_OF_FILES, .kind = FAULTS_FAIL, .code = EIO}},
    {"a file operation, ENOSPC", {.of = FAULTS_OF_FILES, .kind = FAULTS_FAIL, .code = ENOSPC}},
    {"a file operation, EIO for good",
     {.of = FAULTS_OF_FILES, .kind = FAULTS_FAIL, .code = EIO, .for_good = true}},
    {"a file operation, a late EIO", {.of = FAULTS_OF_FILES, .kind = FAULTS_LATE, .code = EIO}},
    {"a short write", {.of = FAULTS_OF_FILES, .kind = FAULTS_SHORT}},
    {"only short writes", {.of = FAULTS_OF_FILES, .kind = FAULTS_SHORT, .for_good = true}},
    {"an LMDB call, MDB_MAP_FULL",
     {.of = FAULTS_OF_LMDB, .kind = FAULTS_FAIL, .code = FAULTS_MAP_FULL}},
    {"an LMDB call, EIO", {.of = FAULTS_OF_LMDB, .kind = FAULTS_FAIL, .code = EIO}},
    {"an LMDB call, ENOMEM", {.of = FAULTS_OF_LMDB, .kind = FAULTS_FAIL, .code = ENOMEM}},
    {"an LMDB call, ENOSPC", {.of = FAULTS_OF_LMDB, .kind = FAULTS_FAIL, .code = ENOSPC}},
    {"an LMDB call, MDB_CORRUPTED",
     {.of = FAULTS_OF_LMDB, .kind = FAULTS_FAIL, .code = FAULTS_CORRUPTED}},
    {"an LMDB call, a late EIO", {.of = FAULTS_OF_LMDB, .kind = FAULTS_LATE, .code = EIO}}};

static void test_operations(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEIR_COUNT(plans); i++) {
        trial of = {plans[i].name, plans[i].plan, false, false};
        assert_true(try_all(&of, 1000, run) > 0);
    }
}

static void test_operations_of_the_first_start(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEIR_COUNT(plans); i++) {
        trial of = {plans[i].name, plans[i].plan, false, false};
        assert_true(try_all(&of, 1000, run_first) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_allocations, tell_context),
        cmocka_unit_test_teardown(test_operations, tell_context),
        cmocka_unit_test_teardown(test_operations_of_the_first_start, tell_context),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
