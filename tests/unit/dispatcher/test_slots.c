/* Slots: who gets them, the books against the agents' own, refusals, restarts. */
#include "tests/unit/dispatcher/world.h"

typedef struct cluster {
    world *w;
    puppet *client, *jobmanager;
    unsigned jobs;
} cluster;

static cluster new_cluster(uint64_t seed)
{
    cluster c = {.w = new_world(seed)};
    start_dispatcher(c.w);
    c.client = add_member(c.w, "client", 0);
    c.jobmanager = add_member(c.w, "jobmanager", 0);
    return c;
}

static const char *new_job(cluster *c, const char *name)
{
    const char *id = job_id(++c->jobs);
    assert_int_equal(submit(c->client, id, name).code, 0);
    run_for(c->w, SECOND_US / 20);
    assert_true(puppet_has(c->jobmanager, id));
    return id;
}

static void request_later(cluster *c, const char *job, uint32_t count, answer *to)
{
    QUESTION(q, REQUEST_SLOTS, request_slots, Weir__Proto__RequestSlots,
             WEIR__PROTO__REQUEST_SLOTS__INIT);
    q_body.job = (char *)job;
    q_body.count = count;
    ask_later(c->jobmanager, &q, to);
}

static answer request(cluster *c, const char *job, uint32_t count)
{
    answer to;
    request_later(c, job, count, &to);
    wait_for(c->w, &to);
    return to;
}

static int free_slots(cluster *c, const char *job)
{
    QUESTION(q, FREE_SLOTS, free_slots, Weir__Proto__FreeSlots, WEIR__PROTO__FREE_SLOTS__INIT);
    q_body.job = (char *)job;
    answer to = ask(c->jobmanager, &q);
    forget(&to);
    return to.code;
}

static void assert_grants(answer *to, const char *expected)
{
    weir_buffer text = WEIR_BUFFER_INIT;
    if (to->code != 0)
        fail_msg("%s", to->text);
    const Weir__Proto__SlotsReply *reply = to->reply->slots_reply;
    for (size_t i = 0; i < reply->n_grants; i++)
        weir_buffer_printf(&text, "%s:%u ", reply->grants[i]->taskmanager, reply->grants[i]->count);
    assert_string_equal(weir_buffer_text(&text), expected);
    weir_buffer_deinit(&text);
    forget(to);
}

/* The dispatcher's books, as ClusterStatus tells them. */
static uint32_t free_in_books(cluster *c, const char *process)
{
    QUESTION(q, CLUSTER_STATUS, cluster_status, Weir__Proto__ClusterStatus,
             WEIR__PROTO__CLUSTER_STATUS__INIT);
    uint32_t found = UINT32_MAX;
    answer to = ask(c->client, &q);
    for (size_t i = 0; i < to.reply->cluster_detail->n_processes; i++) {
        const Weir__Proto__ProcessSummary *row = to.reply->cluster_detail->processes[i];
        if (strcmp(row->process, process) == 0)
            found = row->slots_free;
    }
    forget(&to);
    return found;
}

static void assert_books(cluster *c)
{
    for (size_t i = 0; i < c->w->npuppets; i++) {
        puppet *of = c->w->puppets[i];
        if (strcmp(of->role, "taskmanager") == 0 && weir_simulated_node_is_alive(of->node))
            assert_int_equal(free_in_books(c, of->process), of->slots - puppet_used(of));
    }
}

static void test_most_free_first(void **state)
{
    (void)state;
    cluster c = new_cluster(1);
    add_member(c.w, "taskmanager", 2); /* taskmanager-2 */
    add_member(c.w, "taskmanager", 4); /* taskmanager-3 */
    add_member(c.w, "taskmanager", 4); /* taskmanager-4 */
    const char *a = new_job(&c, "a"), *b = new_job(&c, "b"), *d = new_job(&c, "d");
    answer to = request(&c, a, 3);
    assert_grants(&to, "taskmanager-3:3 ");
    to = request(&c, b, 5);
    assert_grants(&to, "taskmanager-2:1 taskmanager-4:4 ");
    to = request(&c, a, 3); /* asked again: the same answer, nothing more is taken */
    assert_grants(&to, "taskmanager-3:3 ");
    assert_books(&c);
    to = request(&c, d, 2);
    assert_grants(&to, "taskmanager-2:1 taskmanager-3:1 ");
    assert_int_equal(free_slots(&c, b), 0);
    assert_int_equal(free_slots(&c, b), 0);
    run_for(c.w, SECOND_US);
    assert_books(&c);
    assert_int_equal(free_in_books(&c, "taskmanager-4"), 4);
    /* The end of a job frees, too. */
    assert_int_equal(report(c.jobmanager, a, "FINISHED", 1, 0).code, 0);
    run_for(c.w, SECOND_US);
    assert_books(&c);
    assert_int_equal(free_in_books(&c, "taskmanager-3"), 3);
    assert_int_equal(request(&c, a, 1).code, WEIR_ESTATE);
    assert_int_equal(request(&c, job_id(77), 1).code, WEIR_ENOT_FOUND);
    assert_int_equal(request(&c, d, 0).code, WEIR_EINVALID);
    end_world(c.w);
}

static void test_not_enough_slots(void **state)
{
    (void)state;
    cluster c = new_cluster(2);
    add_member(c.w, "taskmanager", 2);
    add_member(c.w, "taskmanager", 2);
    run_for(c.w, 2 * SECOND_US);
    const char *job = new_job(&c, "wordcount");
    int64_t before = weir_simulator_now_us(c.w->simulator);
    answer to = request(&c, job, 8);
    assert_int_equal(to.code, WEIR_ERESOURCES);
    assert_string_equal(
        to.text, "job 'wordcount' needs 8 slots; the cluster has 4 free of 4 in 2 task managers; "
                 "add task managers (weir taskmanager ...), lower the parallelism (-p), or cancel "
                 "a job");
    assert_in_range(weir_simulator_now_us(c.w->simulator) - before, 0, SECOND_US / 10);
    /* Enough, but busy: it waits, in order, and gives up after slot.request.timeout. */
    const char *busy = new_job(&c, "busy");
    to = request(&c, busy, 3);
    forget(&to);
    answer waits, behind;
    before = weir_simulator_now_us(c.w->simulator);
    request_later(&c, job, 4, &waits);
    const char *small = new_job(&c, "small");
    run_for(c.w, SECOND_US);
    request_later(&c, small, 1, &behind);
    run_for(c.w, SECOND_US);
    assert_false(waits.done || behind.done);
    wait_for(c.w, &waits);
    assert_int_equal(waits.code, WEIR_ERESOURCES);
    assert_non_null(strstr(waits.text, "after waiting for 10"));
    assert_in_range(weir_simulator_now_us(c.w->simulator) - before, 10 * SECOND_US,
                    101 * SECOND_US / 10);
    wait_for(c.w, &behind);
    assert_grants(&behind, "taskmanager-3:1 ");
    /* What becomes free goes to who waits. */
    assert_int_equal(free_slots(&c, small), 0);
    request_later(&c, job, 4, &waits);
    run_for(c.w, SECOND_US);
    assert_false(waits.done);
    assert_int_equal(free_slots(&c, busy), 0);
    wait_for(c.w, &waits);
    assert_grants(&waits, "taskmanager-2:2 taskmanager-3:2 ");
    assert_books(&c);
    end_world(c.w);
}

static void test_late_agents_of_a_young_cluster(void **state)
{
    (void)state;
    cluster c = new_cluster(3);
    const char *job = new_job(&c, "a");
    answer to;
    request_later(&c, job, 2, &to);
    run_for(c.w, SECOND_US / 4);
    assert_false(to.done);
    add_member(c.w, "taskmanager", 2);
    wait_for(c.w, &to);
    assert_grants(&to, "taskmanager-2:2 ");
    /* In an old one that has none, no. */
    cluster old = new_cluster(4);
    const char *other = new_job(&old, "b");
    request_later(&old, other, 1, &to);
    wait_for(old.w, &to);
    assert_int_equal(to.code, WEIR_ERESOURCES);
    assert_non_null(
        strstr(to.text, "needs 1 slot; the cluster has 0 free of 0 in 0 task managers"));
    assert_in_range(weir_simulator_now_us(old.w->simulator), SECOND_US, 3 * SECOND_US / 2);
    end_world(c.w);
    end_world(old.w);
}

static void test_refusing_agents(void **state)
{
    (void)state;
    cluster c = new_cluster(5);
    puppet *first = add_member(c.w, "taskmanager", 4);
    puppet *second = add_member(c.w, "taskmanager", 3);
    puppet *third = add_member(c.w, "taskmanager", 2);
    run_for(c.w, 2 * SECOND_US);
    const char *a = new_job(&c, "a"), *b = new_job(&c, "b");
    first->refuse_code = WEIR_EIO; /* all is undone, the others are asked */
    answer to = request(&c, a, 5);
    assert_grants(&to, "taskmanager-3:3 taskmanager-4:2 ");
    assert_int_equal(first->allocates, 1);
    assert_true(second->allocates >= 1 && third->allocates >= 1);
    run_for(c.w, SECOND_US);
    assert_books(&c);
    to = request(&c, b, 2);
    assert_int_equal(to.code, WEIR_ERESOURCES);
    assert_non_null(strstr(to.text, "taskmanager-2 said: no"));
    /* One that is only not ready yet is asked again. */
    first->refuse_code = WEIR_ERESOURCES;
    request_later(&c, b, 2, &to);
    run_for(c.w, SECOND_US);
    assert_false(to.done);
    first->refuse_code = 0;
    wait_for(c.w, &to);
    assert_grants(&to, "taskmanager-2:2 ");
    run_for(c.w, SECOND_US);
    assert_books(&c);
    end_world(c.w);
}

static void test_agent_dies_while_it_is_asked(void **state)
{
    (void)state;
    cluster c = new_cluster(6);
    puppet *first = add_member(c.w, "taskmanager", 4);
    puppet *second = add_member(c.w, "taskmanager", 2);
    run_for(c.w, 2 * SECOND_US);
    const char *a = new_job(&c, "a");
    first->ignore = 1000000;
    answer to;
    request_later(&c, a, 6, &to);
    run_for(c.w, SECOND_US);
    assert_false(to.done);
    assert_int_equal(puppet_used(second), 2);
    weir_simulator_kill(c.w->simulator, first->node);
    run_for(c.w, 8 * SECOND_US);
    assert_true(to.done); /* there are not enough any more */
    assert_int_equal(to.code, WEIR_ERESOURCES);
    run_for(c.w, SECOND_US);
    assert_int_equal(puppet_used(second), 0);
    assert_books(&c);
    /* With enough left elsewhere it goes there. */
    puppet *third = add_member(c.w, "taskmanager", 4);
    third->ignore = 1000000;
    request_later(&c, a, 2, &to);
    run_for(c.w, SECOND_US);
    assert_false(to.done);
    weir_simulator_kill(c.w->simulator, third->node);
    wait_for(c.w, &to);
    assert_grants(&to, "taskmanager-3:2 ");
    end_world(c.w);
}

static void test_restart_relearns_who_holds_slots(void **state)
{
    (void)state;
    cluster c = new_cluster(7);
    puppet *first = add_member(c.w, "taskmanager", 4);
    add_member(c.w, "taskmanager", 4);
    const char *a = new_job(&c, "a"), *b = new_job(&c, "b"), *gone = new_job(&c, "gone");
    answer to = request(&c, a, 6);
    forget(&to);
    assert_int_equal(report(c.jobmanager, gone, "FAILED", 1, 0).code, 0);
    puppet_add(first, gone, 0); /* it missed that the job has ended */
    first->job_slots[first->njobs - 1] = 0;
    restart_dispatcher(c.w);
    run_for(c.w, 3 * SECOND_US);
    assert_books(&c);
    assert_false(puppet_has(first, gone));
    to = request(&c, b, 3);
    assert_int_equal(to.code, WEIR_ERESOURCES);
    assert_non_null(strstr(to.text, "2 free of 8"));
    to = request(&c, a, 6); /* the answer of the first incarnation was lost, say */
    assert_grants(&to, "taskmanager-2:4 taskmanager-3:2 ");
    to = request(&c, b, 2);
    assert_grants(&to, "taskmanager-3:2 ");
    end_world(c.w);
}

static void register_now(void *data)
{
    puppet *of = data;
    do_register(of, weir_node_context(weir_simulated_node_get(of->node), "agent"));
}

/* What an agent said before it heard of an order, and is heard after it was carried out, says
 * nothing about it: messages overtake each other when a connection is made anew. */
static void test_a_late_registration_takes_no_slots_away(void **state)
{
    (void)state;
    cluster c = new_cluster(8);
    puppet *agent = add_member(c.w, "taskmanager", 4);
    const char *a = new_job(&c, "a");
    answer to = request(&c, a, 3);
    forget(&to);
    uint64_t order = agent->order;
    assert_true(order > 0);
    agent->njobs = 0; /* as it was when it said so */
    agent->order = order - 1;
    assert_int_equal(weir_simulator_schedule(c.w->simulator, agent->node, 0, register_now, agent),
                     0);
    run_for(c.w, SECOND_US);
    assert_int_equal(free_in_books(&c, agent->process), 1);
    agent->order = order; /* now it knew of it, and the job is gone nevertheless */
    assert_int_equal(weir_simulator_schedule(c.w->simulator, agent->node, 0, register_now, agent),
                     0);
    run_for(c.w, SECOND_US);
    assert_int_equal(free_in_books(&c, agent->process), 4);
    end_world(c.w);
}

/* After a restart the job that waits for slots may ask before the one that holds them. */
static void test_a_holder_does_not_wait_in_line(void **state)
{
    (void)state;
    cluster c = new_cluster(12);
    add_member(c.w, "taskmanager", 2);
    const char *holder = new_job(&c, "holder"), *waits = new_job(&c, "waits");
    answer to = request(&c, holder, 2), waiting;
    forget(&to);
    restart_dispatcher(c.w);
    run_for(c.w, SECOND_US);
    request_later(&c, waits, 2, &waiting);
    run_for(c.w, SECOND_US);
    to = request(&c, holder, 2); /* the answer of the first incarnation was lost, say */
    assert_grants(&to, "taskmanager-2:2 ");
    assert_int_equal(free_slots(&c, holder), 0);
    wait_for(c.w, &waiting);
    assert_grants(&waiting, "taskmanager-2:2 ");
    assert_books(&c);
    end_world(c.w);
}

static void register_as(puppet *agent, uint64_t number, const char *job, uint32_t slots)
{
    QUESTION(q, REGISTER, register_, Weir__Proto__Register, WEIR__PROTO__REGISTER__INIT);
    char *jobs[] = {(char *)job};
    q_body.process = agent->process;
    q_body.role = agent->role;
    q_body.host = (char *)"host";
    q_body.slots = agent->slots;
    q_body.number = number;
    q_body.order = UINT64_MAX; /* it knew of every AllocateSlots */
    q_body.jobs = jobs;
    q_body.job_slots = &slots;
    q_body.n_jobs = q_body.n_job_slots = job != NULL;
    answer to = ask(agent, &q);
    assert_int_equal(to.code, 0);
    forget(&to);
}

/* A registration may be repeated, or be late: an older one does not count. */
static void test_an_older_registration_says_nothing(void **state)
{
    (void)state;
    cluster c = new_cluster(13);
    puppet *agent = add_member(c.w, "taskmanager", 3);
    const char *a = new_job(&c, "a");
    answer to = request(&c, a, 2);
    forget(&to);
    register_as(agent, 5, a, 2);
    register_as(agent, 4, NULL, 0);
    assert_int_equal(free_in_books(&c, agent->process), 1);
    register_as(agent, 6, NULL, 0);
    assert_int_equal(free_in_books(&c, agent->process), 3);
    register_as(agent, 5, a, 2);
    assert_int_equal(free_in_books(&c, agent->process), 3);
    end_world(c.w);
}

/* Slots of a job that is not known: back, as soon as nobody can be running it any more. */
static void test_slots_of_unknown_jobs(void **state)
{
    (void)state;
    cluster c = new_cluster(9);
    const char *unknown = job_id(900), *claimed = job_id(901), *late = job_id(902);
    puppet *agent = add_puppet(c.w, "taskmanager", 4);
    puppet_add(agent, unknown, 1);
    puppet_add(agent, claimed, 2);
    run_for(c.w, SECOND_US / 10);
    assert_true(agent->registered);
    puppet *other = add_puppet(c.w, "jobmanager", 0); /* has no actor for it: it does not run it */
    puppet_add(other, claimed, 0);
    run_for(c.w, SECOND_US / 5);
    assert_true(other->registered);
    assert_int_equal(agent->frees, 0); /* within the grace time */
    assert_int_equal(free_in_books(&c, agent->process), 1);
    run_for(c.w, 2 * SECOND_US);
    assert_int_equal(agent->frees, 2);
    assert_int_equal(puppet_used(agent), 0);
    assert_books(&c);
    /* One that comes later. */
    puppet *second = add_puppet(c.w, "taskmanager", 2);
    puppet_add(second, late, 2);
    run_for(c.w, SECOND_US);
    assert_true(second->registered);
    assert_int_equal(puppet_used(second), 0);
    assert_books(&c);
    end_world(c.w);
}

/* The records were lost, but not the job: it is cancelled, and its slots are free again. */
static void test_job_of_other_records(void **state)
{
    (void)state;
    cluster c = new_cluster(11);
    puppet *agent = add_member(c.w, "taskmanager", 4);
    const char *a = new_job(&c, "a");
    answer to = request(&c, a, 3);
    forget(&to);
    assert_int_equal(puppet_used(agent), 3);
    kill_dispatcher(c.w);
    weir_records_close(&c.w->records);
    assert_int_equal(weir_memory_records_new(&c.w->records), 0);
    start_dispatcher(c.w);
    run_for(c.w, 5 * SECOND_US);
    assert_int_equal(c.jobmanager->cancels, 1);
    assert_string_equal(c.jobmanager->last_cancelled, a);
    assert_int_equal(puppet_used(agent), 0);
    assert_books(&c);
    assert_int_equal(free_in_books(&c, agent->process), 4);
    end_world(c.w);
}

/* After a restart members need a while: no refusal meanwhile; in the first incarnation it is short.
 */
static void test_grace_after_a_restart(void **state)
{
    (void)state;
    cluster c = new_cluster(10);
    const char *a = new_job(&c, "a");
    restart_dispatcher(c.w);
    int64_t restart = weir_simulator_now_us(c.w->simulator);
    run_for(c.w, SECOND_US); /* the JobManager is there again */
    answer to;
    request_later(&c, a, 2, &to);
    run_for(c.w, 3 * SECOND_US / 2);
    assert_false(to.done);
    add_member(c.w, "taskmanager", 2);
    wait_for(c.w, &to);
    assert_grants(&to, "taskmanager-2:2 ");
    const char *b = job_id(++c.jobs);
    assert_int_equal(submit(c.client, b, "b").code, 0);
    run_for(c.w, SECOND_US / 20);
    to = request(&c, b, 9);
    assert_int_equal(to.code, WEIR_ERESOURCES);
    assert_in_range(weir_simulator_now_us(c.w->simulator) - restart, 299 * SECOND_US / 100,
                    32 * SECOND_US / 10);
    /* Never longer than the heartbeat timeout. */
    c.w->config.heartbeat_timeout_ms = 2000;
    restart_dispatcher(c.w);
    restart = weir_simulator_now_us(c.w->simulator);
    run_for(c.w, SECOND_US);
    to = request(&c, b, 9);
    assert_int_equal(to.code, WEIR_ERESOURCES);
    assert_in_range(weir_simulator_now_us(c.w->simulator) - restart, 199 * SECOND_US / 100,
                    22 * SECOND_US / 10);
    end_world(c.w);
}

static void test_end_frees_what_waits_and_what_is_asked(void **state)
{
    (void)state;
    cluster c = new_cluster(8);
    puppet *agent = add_member(c.w, "taskmanager", 2);
    const char *a = new_job(&c, "a"), *b = new_job(&c, "b");
    answer first, second;
    agent->ignore = 1;
    request_later(&c, a, 2, &first);
    run_for(c.w, SECOND_US / 2);
    request_later(&c, b, 2, &second); /* it waits until the agent's silence is over */
    assert_int_equal(report(c.jobmanager, a, "FAILED", 1, 0).code, 0);
    wait_for(c.w, &first);
    assert_int_equal(first.code, WEIR_ESTATE);
    run_for(c.w, SECOND_US);
    assert_int_equal(agent->frees, 0); /* it might overtake what was asked, and that come later */
    wait_for(c.w, &second);
    assert_grants(&second, "taskmanager-2:2 ");
    assert_false(puppet_has(agent, a));
    /* A JobManager that dies gives everything back. */
    weir_simulator_kill(c.w->simulator, c.jobmanager->node);
    run_for(c.w, 8 * SECOND_US);
    assert_int_equal(puppet_used(agent), 0);
    assert_books(&c);
    end_world(c.w);
}

/* Random requests, frees, deaths and restarts, over a bad network: in the end the books agree with
 * the agents, nothing is given twice (the agents check that), and nothing is lost. */
static void test_random_model(void **state)
{
    (void)state;
    enum { JOBS = 8, STEPS = 60 };
    size_t granted = 0;
    for (uint64_t seed = 1; seed <= 25; seed++) {
        cluster c = new_cluster(1000 + seed);
        c.w->config.history_max = 1000;
        const char *jobs[JOBS];
        char ids[JOBS][33];
        answer answers[JOBS];
        memset(answers, 0, sizeof answers);
        for (int i = 0; i < JOBS; i++) {
            jobs[i] = new_job(&c, "job");
            memcpy(ids[i], jobs[i], sizeof ids[i]);
            answers[i].done = true;
        }
        for (uint32_t i = 0; i < 3; i++)
            add_member(c.w, "taskmanager", 2 + i);
        weir_fault_plan faults = {
            .drop = 30, .repeat = 30, .delay_min_us = 100, .delay_max_us = 3000};
        weir_simulator_set_faults(c.w->simulator, &faults);
        for (int step = 0; step < STEPS; step++) {
            uint64_t job = weir_simulator_random(c.w->simulator, JOBS);
            uint64_t what = weir_simulator_random(c.w->simulator, 20);
            if (what < 12 && answers[job].done) {
                granted += answers[job].reply != NULL ? 1 : 0;
                forget(&answers[job]);
                request_later(&c, ids[job], 1 + (uint32_t)weir_simulator_random(c.w->simulator, 9),
                              &answers[job]);
            } else if (what < 18) {
                assert_int_equal(free_slots(&c, ids[job]), 0);
            } else if (what == 18) {
                restart_dispatcher(c.w);
            } else {
                puppet *refuses = c.w->puppets[2 + weir_simulator_random(c.w->simulator, 3)];
                refuses->ignore = (int)weir_simulator_random(c.w->simulator, 2);
            }
            run_for(c.w, (int64_t)weir_simulator_random(c.w->simulator, SECOND_US / 2));
        }
        memset(&faults, 0, sizeof faults);
        weir_simulator_set_faults(c.w->simulator, &faults);
        run_for(c.w, 60 * SECOND_US);
        assert_books(&c);
        for (int i = 0; i < JOBS; i++)
            assert_int_equal(report(c.jobmanager, ids[i], "FINISHED", 100, 0).code, 0);
        run_for(c.w, 30 * SECOND_US);
        for (size_t i = 2; i < 5; i++)
            assert_int_equal(puppet_used(c.w->puppets[i]), 0);
        assert_books(&c);
        for (int i = 0; i < JOBS; i++)
            forget(&answers[i]);
        end_world(c.w);
    }
    assert_true(granted > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_most_free_first),
        cmocka_unit_test(test_not_enough_slots),
        cmocka_unit_test(test_late_agents_of_a_young_cluster),
        cmocka_unit_test(test_refusing_agents),
        cmocka_unit_test(test_agent_dies_while_it_is_asked),
        cmocka_unit_test(test_restart_relearns_who_holds_slots),
        cmocka_unit_test(test_a_late_registration_takes_no_slots_away),
        cmocka_unit_test(test_a_holder_does_not_wait_in_line),
        cmocka_unit_test(test_an_older_registration_says_nothing),
        cmocka_unit_test(test_slots_of_unknown_jobs),
        cmocka_unit_test(test_job_of_other_records),
        cmocka_unit_test(test_grace_after_a_restart),
        cmocka_unit_test(test_end_frees_what_waits_and_what_is_asked),
        cmocka_unit_test(test_random_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
