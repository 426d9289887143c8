/* The life of jobs: accepted means durable, handed out once, terminal stays terminal. */
#include "tests/unit/dispatcher/world.h"

static void test_accepted_job_is_handed_out_once(void **state)
{
    (void)state;
    world *w = new_world(1);
    start_dispatcher(w);
    puppet *client = add_member(w, "client", 0);
    const char *id = job_id(1);
    /* No JobManager is there: the job is accepted all the same. */
    assert_int_equal(submit(client, id, "wordcount").code, 0);
    assert_int_equal(submit(client, id, "wordcount").code, 0);
    assert_state(client, "wordcount", "INITIALIZING");
    puppet *jobmanager = add_member(w, "jobmanager", 0);
    run_for(w, SECOND_US);
    assert_int_equal(jobmanager->starts, 1);
    assert_int_equal(submit(client, id, "wordcount").code, 0);
    run_for(w, SECOND_US);
    assert_int_equal(jobmanager->starts, 1);
    /* The id of another submission is refused. */
    assert_int_equal(submit(client, id, "another").code, WEIR_EEXISTS);
    assert_int_equal(report(jobmanager, id, "RUNNING", 1, 0).code, 0);
    assert_state(client, id, "RUNNING");
    assert_int_equal(report(jobmanager, id, "FINISHED", 2, 5).code, 0);
    assert_int_equal(submit(client, id, "wordcount").code, 0);
    run_for(w, SECOND_US);
    assert_int_equal(jobmanager->starts, 1);
    assert_state(client, id, "FINISHED");
    end_world(w);
}

static void test_bad_submissions(void **state)
{
    (void)state;
    world *w = new_world(2);
    w->config.jobs_max = 2;
    start_dispatcher(w);
    puppet *client = add_member(w, "client", 0);
    assert_int_equal(submit(client, "", "a").code, WEIR_EINVALID);
    assert_int_equal(submit(client, "../../etc/passwd", "a").code, WEIR_EINVALID);
    assert_int_equal(submit(client, "ABCDEF0123456789ABCDEF0123456789", "a").code, WEIR_EINVALID);
    assert_int_equal(submit(client, job_id(1), "").code, WEIR_EINVALID);
    assert_int_equal(submit(client, job_id(1), "line\nbreak").code, WEIR_EINVALID);
    char name[300];
    memset(name, 'n', sizeof name);
    name[256] = '\0';
    assert_int_equal(submit(client, job_id(1), name).code, WEIR_EINVALID);
    name[255] = '\0';
    char artifact[WEIR_DIGEST_HEX];
    memcpy(artifact, w->artifact, sizeof artifact);
    w->artifact[0] = w->artifact[0] == 'a' ? 'b' : 'a';
    answer to = submit(client, job_id(1), name);
    assert_int_equal(to.code, WEIR_ENOT_FOUND);
    assert_non_null(strstr(to.text, "upload"));
    snprintf(w->artifact, sizeof w->artifact, "../x");
    assert_int_equal(submit(client, job_id(1), name).code, WEIR_EINVALID);
    memcpy(w->artifact, artifact, sizeof artifact);
    assert_int_equal(weir_memory_records_count(w->records), 1); /* the epoch */
    assert_int_equal(submit(client, job_id(1), name).code, 0);
    assert_int_equal(submit(client, job_id(2), "b").code, 0);
    assert_int_equal(submit(client, job_id(3), "c").code, WEIR_ERESOURCES);
    assert_int_equal(submit(client, job_id(2), "b").code, 0);
    end_world(w);
}

/* Everything that a restarted dispatcher and its clients see about one submission. */
static void check_after_crash(world *w, puppet *client, const char *id, bool acknowledged)
{
    restart_dispatcher(w);
    run_for(w, 3 * SECOND_US);
    answer to = describe(client, id, 0, 0);
    if (acknowledged)
        assert_int_equal(to.code, 0);
    assert_true(to.code == 0 || to.code == WEIR_ENOT_FOUND);
    forget(&to);
    assert_int_equal(submit(client, id, "wordcount").code, 0);
    puppet *jobmanager = add_member(w, "jobmanager", 0);
    run_for(w, 2 * SECOND_US);
    assert_int_equal(jobmanager->starts, 1);
    assert_int_equal(report(jobmanager, id, "FINISHED", 1, 1).code, 0);
    restart_dispatcher(w);
    run_for(w, 3 * SECOND_US);
    assert_int_equal(jobmanager->starts, 1);
    assert_state(client, id, "FINISHED");
}

/* The process dies at every step of writing the submission. */
static void test_crash_at_every_step(void **state)
{
    (void)state;
    static const enum weir_records_failure kinds[] = {WEIR_RECORDS_FAIL, WEIR_RECORDS_FAIL_LATE,
                                                      WEIR_RECORDS_FREEZE};
    for (size_t kind = 0; kind < WEIR_COUNT(kinds); kind++) {
        bool reached = true;
        for (uint64_t nth = 1; reached; nth++) {
            assert_true(nth < 20);
            world *w = new_world(nth);
            start_dispatcher(w);
            puppet *client = add_member(w, "client", 0);
            uint64_t steps = weir_memory_records_steps(w->records);
            weir_memory_records_fail_at(w->records, nth, kinds[kind], WEIR_EIO);
            answer to = submit(client, job_id(1), "wordcount");
            reached = weir_memory_records_steps(w->records) - steps >= nth;
            if (reached) { /* it does not trust its disk any more */
                assert_int_equal(to.code, WEIR_EIO);
                assert_non_null(strstr(to.text, "same id"));
                run_for(w, SECOND_US);
                assert_int_equal(w->failure.code, WEIR_EIO);
            } else {
                assert_int_equal(to.code, 0);
            }
            check_after_crash(w, client, job_id(1), to.code == 0);
            end_world(w);
        }
    }
}

/* A full disk is no reason to stop: the submission is refused, whole, and may come again. */
static void test_full_disk(void **state)
{
    (void)state;
    world *w = new_world(3);
    start_dispatcher(w);
    puppet *client = add_member(w, "client", 0);
    puppet *jobmanager = add_member(w, "jobmanager", 0);
    for (uint64_t nth = 1; nth <= 4; nth++) {
        size_t count = weir_memory_records_count(w->records);
        weir_memory_records_fail_at(w->records, nth, WEIR_RECORDS_FAIL, WEIR_ENO_SPACE);
        assert_int_equal(submit(client, job_id(1), "a").code, WEIR_ENO_SPACE);
        assert_int_equal(weir_memory_records_count(w->records), count);
        answer to = describe(client, job_id(1), 0, 0);
        assert_int_equal(to.code, WEIR_ENOT_FOUND);
    }
    /* The step behind the acceptance: handing it out. It is tried again. */
    weir_memory_records_fail_at(w->records, 5, WEIR_RECORDS_FAIL, WEIR_ENO_SPACE);
    assert_int_equal(submit(client, job_id(1), "a").code, 0);
    assert_int_equal(jobmanager->starts, 0);
    run_for(w, 3 * SECOND_US);
    assert_int_equal(jobmanager->starts, 1);
    /* The end: not acknowledged until it is durable. */
    weir_memory_records_fail_at(w->records, 1, WEIR_RECORDS_FAIL, WEIR_ENO_SPACE);
    assert_int_equal(report(jobmanager, job_id(1), "FINISHED", 9, 0).code, WEIR_EUNAVAILABLE);
    assert_state(client, "a", "INITIALIZING");
    assert_int_equal(report(jobmanager, job_id(1), "FINISHED", 9, 0).code, 0);
    assert_state(client, "a", "FINISHED");
    end_world(w);
}

/* Dispatcher killed at random moments while clients submit and a JobManager works; lossy network.
 */
static void test_random_kills_lose_nothing(void **state)
{
    (void)state;
    enum { JOBS = 12 };
    int kills = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        world *w = new_world(seed);
        weir_fault_plan faults = {
            .drop = 50, .repeat = 50, .reorder = 50, .delay_min_us = 100, .delay_max_us = 20000};
        weir_simulator_set_faults(w->simulator, &faults);
        start_dispatcher(w);
        puppet *client = add_puppet(w, "client", 0);
        puppet *jobmanager = add_puppet(w, "jobmanager", 0);
        answer answers[JOBS];
        memset(answers, 0, sizeof answers);
        run_for(w, SECOND_US / 2);
        for (unsigned i = 0; i < JOBS; i++) {
            submit_later(client, job_id(i), "job", &answers[i]);
            run_for(w, (int64_t)weir_simulator_random(w->simulator, 100000));
            if (weir_simulator_random(w->simulator, 3) == 0) {
                kills++;
                kill_dispatcher(w);
                run_for(w, (int64_t)weir_simulator_random(w->simulator, 50000));
                start_dispatcher(w);
            }
        }
        run_for(w, 30 * SECOND_US);
        for (unsigned i = 0; i < JOBS; i++) {
            assert_true(answers[i].done);
            assert_int_equal(answers[i].code, 0);
            assert_true(puppet_has(jobmanager, job_id(i)));
            forget(&answers[i]);
        }
        assert_int_equal(jobmanager->starts, JOBS);
        end_world(w);
    }
    assert_in_range(kills, 80, 160);
}

static void test_terminal_stays_terminal(void **state)
{
    (void)state;
    world *w = new_world(4);
    start_dispatcher(w);
    puppet *client = add_member(w, "client", 0);
    puppet *jobmanager = add_member(w, "jobmanager", 0);
    const char *id = job_id(1);
    submit(client, id, "a");
    run_for(w, SECOND_US);
    assert_int_equal(report(jobmanager, id, "RUNNING", 5, 10).code, 0);
    assert_int_equal(report(jobmanager, id, "NONSENSE", 6, 10).code, WEIR_EINVALID);
    assert_int_equal(report(jobmanager, id, "CREATED", 4, 1).code, 0); /* overtaken: old news */
    assert_state(client, id, "RUNNING");
    assert_int_equal(report(jobmanager, id, "FAILED", 7, 11).code, 0);
    assert_int_equal(report(jobmanager, id, "RUNNING", 8, 12).code, 0);
    assert_int_equal(report(jobmanager, id, "FINISHED", 9, 13).code, 0);
    assert_state(client, id, "FAILED");
    answer to = cancel(client, "a");
    assert_int_equal(to.code, WEIR_ESTATE);
    assert_string_equal(to.text, "job 'a' is FAILED already");
    /* A JobManager that lost the connection and still runs it is told to stop. */
    assert_int_equal(jobmanager->cancels, 0);
    restart_dispatcher(w);
    run_for(w, 3 * SECOND_US);
    assert_true(jobmanager->registered);
    assert_true(jobmanager->cancels >= 1);
    assert_string_equal(jobmanager->last_cancelled, id);
    assert_state(client, id, "FAILED");
    assert_int_equal(jobmanager->starts, 1);
    /* Only the JobManager that runs a job may report on it. */
    puppet *other = add_member(w, "jobmanager", 0);
    assert_int_equal(submit(client, job_id(2), "b").code, 0);
    run_for(w, SECOND_US);
    assert_int_equal(report(other, job_id(2), "FINISHED", 1, 1).code, WEIR_ESTALE);
    assert_int_equal(report(other, job_id(3), "FINISHED", 1, 1).code, WEIR_ENOT_FOUND);
    end_world(w);
}

static void test_jobs_go_on_over_a_restart(void **state)
{
    (void)state;
    world *w = new_world(5);
    start_dispatcher(w);
    puppet *client = add_member(w, "client", 0);
    puppet *jobmanager = add_member(w, "jobmanager", 0);
    uint64_t epoch = jobmanager->epoch;
    submit(client, job_id(1), "a");
    run_for(w, SECOND_US);
    report(jobmanager, job_id(1), "RUNNING", 5, 10);
    answer to = describe(client, "a", 0, 0);
    uint64_t version = to.reply->job_detail->summary->version;
    assert_string_equal(to.reply->job_detail->summary->name, "a");
    forget(&to);
    restart_dispatcher(w);
    run_for(w, 2 * SECOND_US);
    assert_int_equal(jobmanager->epoch, epoch + 1);
    assert_int_equal(jobmanager->starts, 1);
    to = describe(client, "a", 0, 0);
    assert_string_equal(to.reply->job_detail->summary->state, "RECONCILING");
    assert_true(to.reply->job_detail->summary->version > version);
    forget(&to);
    report(jobmanager, job_id(1), "RUNNING", 6, 10);
    assert_state(client, "a", "RUNNING");
    run_for(w, 20 * SECOND_US);
    assert_state(client, "a", "RUNNING");
    end_world(w);
}

/* One of two is back first: it is no reason to give up the jobs of the other. */
static void test_jobs_of_two_jobmanagers_go_on(void **state)
{
    (void)state;
    world *w = new_world(5);
    start_dispatcher(w);
    puppet *client = add_member(w, "client", 0);
    puppet *first = add_member(w, "jobmanager", 0);
    puppet *second = add_member(w, "jobmanager", 0);
    submit(client, job_id(1), "a");
    run_for(w, SECOND_US);
    assert_true(puppet_has(first, job_id(1)));
    weir_simulator_pause(w->simulator, first->node, 2 * SECOND_US);
    restart_dispatcher(w);
    run_for(w, SECOND_US);
    assert_true(second->registered);
    assert_state(client, "a", "RECONCILING");
    run_for(w, 10 * SECOND_US);
    report(first, job_id(1), "RUNNING", 6, 10);
    assert_state(client, "a", "RUNNING");
    assert_int_equal(first->starts + second->starts, 1);
    end_world(w);
}

static void test_lost_jobmanager(void **state)
{
    (void)state;
    world *w = new_world(6);
    start_dispatcher(w);
    puppet *client = add_member(w, "client", 0);
    puppet *first = add_member(w, "jobmanager", 0);
    submit(client, job_id(1), "a");
    submit(client, job_id(2), "b");
    run_for(w, SECOND_US);
    report(first, job_id(1), "RUNNING", 1, 0);
    weir_memory_records_fail_at(w->records, 3, WEIR_RECORDS_FAIL, WEIR_ENO_SPACE);
    weir_simulator_kill(w->simulator, first->node);
    run_for(w, 10 * SECOND_US);
    assert_int_equal(weir_memory_records_steps(w->records) > 0, 1);
    assert_state(client, "a", "FAILED");
    assert_state(client, "b", "FAILED");
    answer to = describe(client, "a", 0, 0);
    assert_non_null(strstr(to.reply->job_detail->summary->error, "lost the JobManager"));
    assert_true(to.reply->job_detail->summary->end_ms > 0);
    assert_string_equal(to.reply->job_detail->history[to.reply->job_detail->n_history - 1]->state,
                        "FAILED");
    forget(&to);
    /* A successor gets new jobs only. */
    puppet *second = add_member(w, "jobmanager", 0);
    submit(client, job_id(3), "c");
    run_for(w, SECOND_US);
    assert_int_equal(second->starts, 1);
    /* Both die; the dispatcher's next incarnation meets a JobManager that knows nothing. */
    weir_simulator_kill(w->simulator, second->node);
    restart_dispatcher(w);
    add_member(w, "jobmanager", 0);
    run_for(w, 7 * SECOND_US);
    assert_state(client, "c", "FAILED");
    end_world(w);
}

static void test_missing_jobmanager_is_given_up(void **state)
{
    (void)state;
    world *w = new_world(7);
    start_dispatcher(w);
    puppet *client = add_member(w, "client", 0);
    puppet *jobmanager = add_member(w, "jobmanager", 0);
    submit(client, job_id(1), "a");
    run_for(w, SECOND_US);
    weir_simulator_kill(w->simulator, jobmanager->node);
    restart_dispatcher(w);
    run_for(w, 3 * SECOND_US);
    assert_state(client, "a", "RECONCILING");
    run_for(w, 4 * SECOND_US);
    assert_state(client, "a", "FAILED");
    end_world(w);
}

static void test_start_refused(void **state)
{
    (void)state;
    world *w = new_world(8);
    start_dispatcher(w);
    puppet *client = add_member(w, "client", 0);
    puppet *jobmanager = add_member(w, "jobmanager", 0);
    jobmanager->refuse_code = WEIR_EINVALID;
    submit(client, job_id(1), "a");
    run_for(w, SECOND_US);
    assert_state(client, "a", "FAILED");
    answer to = describe(client, "a", 0, 0);
    assert_non_null(strstr(to.reply->job_detail->summary->error, "not this one"));
    forget(&to);
    end_world(w);
}

static void test_cancel(void **state)
{
    (void)state;
    world *w = new_world(9);
    start_dispatcher(w);
    puppet *client = add_member(w, "client", 0);
    submit(client, job_id(1), "a");
    assert_int_equal(cancel(client, "nobody").code, WEIR_ENOT_FOUND);
    assert_int_equal(cancel(client, "a").code, 0); /* nobody runs it yet */
    assert_state(client, "a", "CANCELED");
    puppet *jobmanager = add_member(w, "jobmanager", 0);
    run_for(w, SECOND_US);
    assert_int_equal(jobmanager->starts, 0);
    submit(client, job_id(2), "b");
    assert_int_equal(cancel(client, "b").code, 0); /* waits for the JobManager to have it */
    assert_int_equal(jobmanager->starts, 1);
    assert_int_equal(jobmanager->cancels, 1);
    assert_string_equal(jobmanager->last_cancelled, job_id(2));
    assert_int_equal(cancel(client, job_id(2)).code, 0);
    assert_int_equal(jobmanager->cancels, 2);
    end_world(w);
}

static void test_history_is_bounded(void **state)
{
    (void)state;
    world *w = new_world(10);
    w->config.history_max = 5;
    w->config.history_ms = 600 * 1000;
    start_dispatcher(w);
    puppet *client = add_member(w, "client", 0);
    puppet *jobmanager = add_member(w, "jobmanager", 0);
    char shared[WEIR_DIGEST_HEX], own[WEIR_DIGEST_HEX];
    weir_buffer out = WEIR_BUFFER_INIT;
    uint64_t total;
    memcpy(shared, w->artifact, sizeof shared);
    for (unsigned i = 0; i < 12; i++) {
        if (i == 3) {
            put_artifact(w, "another shared object");
            memcpy(own, w->artifact, sizeof own);
        } else {
            memcpy(w->artifact, shared, sizeof shared);
        }
        assert_int_equal(submit(client, job_id(i), "a").code, 0);
        run_for(w, SECOND_US / 10);
        assert_int_equal(report(jobmanager, job_id(i), "FINISHED", 1, 0).code, 0);
        bool kept = i >= 3 && i < 3 + 5;
        assert_int_equal(weir_artifact_read(w->artifacts, own, 0, 0, &out, &total, NULL),
                         i < 3  ? WEIR_EINVALID
                         : kept ? 0
                                : WEIR_ENOT_FOUND);
        own[0] = i < 3 ? '\0' : own[0];
    }
    QUESTION(q, LIST_JOBS, list_jobs, Weir__Proto__ListJobs, WEIR__PROTO__LIST_JOBS__INIT);
    q_body.ended = true;
    answer to = ask(client, &q);
    assert_int_equal(to.reply->job_list->n_jobs, 5);
    for (unsigned i = 0; i < 5; i++)
        assert_string_equal(to.reply->job_list->jobs[i]->job, job_id(7 + i));
    forget(&to);
    assert_int_equal(weir_memory_records_count(w->records), 6);
    assert_int_equal(weir_artifact_read(w->artifacts, shared, 0, 0, &out, &total, NULL), 0);
    run_for(w, 700 * SECOND_US);
    assert_int_equal(weir_memory_records_count(w->records), 1);
    assert_int_equal(weir_artifact_read(w->artifacts, shared, 0, 0, &out, &total, NULL),
                     WEIR_ENOT_FOUND);
    /* An upload without a submission goes, too, but not at once. */
    put_artifact(w, "for later");
    run_for(w, 500 * SECOND_US);
    assert_int_equal(weir_artifact_read(w->artifacts, w->artifact, 0, 0, &out, &total, NULL), 0);
    run_for(w, 300 * SECOND_US);
    assert_int_equal(weir_artifact_read(w->artifacts, w->artifact, 0, 0, &out, &total, NULL),
                     WEIR_ENOT_FOUND);
    weir_buffer_deinit(&out);
    end_world(w);
}

static void test_no_memory_to_start(void **state)
{
    (void)state;
    world *w = new_world(11);
    void *self = NULL;
    int rc = -1;
    start_dispatcher(w);
    puppet *client = add_member(w, "client", 0);
    assert_int_equal(submit(client, job_id(1), "a").code, 0);
    kill_dispatcher(w);
    for (uint64_t nth = 1; rc != 0; nth++) {
        assert_true(nth < 500);
        weir_memory_fail_at(nth);
        rc = weir_dispatcher_new(&w->config, w->records, w->artifacts, &self, NULL);
        weir_memory_fail_at(0);
        assert_true(rc == 0 || rc == WEIR_ENO_MEMORY);
    }
    weir_dispatcher_class.destroy(self);
    start_dispatcher(w);
    run_for(w, 3 * SECOND_US);
    assert_state(client, "a", "INITIALIZING");
    end_world(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted_job_is_handed_out_once),
        cmocka_unit_test(test_bad_submissions),
        cmocka_unit_test(test_crash_at_every_step),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_random_kills_lose_nothing),
        cmocka_unit_test(test_terminal_stays_terminal),
        cmocka_unit_test(test_jobs_go_on_over_a_restart),
        cmocka_unit_test(test_jobs_of_two_jobmanagers_go_on),
        cmocka_unit_test(test_lost_jobmanager),
        cmocka_unit_test(test_missing_jobmanager_is_given_up),
        cmocka_unit_test(test_start_refused),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_history_is_bounded),
        cmocka_unit_test(test_no_memory_to_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
