/* The front door: lookups, long polls, logs, rows, status, roles, the end of the cluster,
 * artifacts. */
#include "tests/unit/dispatcher/world.h"

#include <unistd.h>

static void test_names_and_prefixes(void **state)
{
    (void)state;
    world *w = new_world(1);
    start_dispatcher(w);
    puppet *client = add_member(w, "client", 0);
    static const char *const ids[] = {
        "aaaa0000000000000000000000000001", "aaaa0000000000000000000000000002",
        "abcd0000000000000000000000000003", "beef0000000000000000000000000004"};
    assert_int_equal(submit(client, ids[0], "count").code, 0);
    assert_int_equal(submit(client, ids[1], "count").code, 0);
    assert_int_equal(submit(client, ids[2], "fraud").code, 0);
    assert_int_equal(submit(client, ids[3], "aaaa").code, 0);
    static const struct {
        const char *what;
        int found; /* index, or an error */
    } cases[] = {{"aaaa0000000000000000000000000001", 0},
                 {"AAAA0000000000000000000000000002", 1},
                 {"count", WEIR_EINVALID}, /* two live ones of that name */
                 {"ab", 2},
                 {"b", 3},
                 {"aaaa", 3}, /* a name is more than a prefix */
                 {"aaaa0", WEIR_EINVALID},
                 {"a", WEIR_EINVALID},
                 {"", WEIR_ENOT_FOUND},
                 {"cout", WEIR_ENOT_FOUND}};
    for (size_t i = 0; i < WEIR_COUNT(cases); i++) {
        answer to = describe(client, cases[i].what, 0, 0);
        if (cases[i].found < 0)
            assert_int_equal(to.code, cases[i].found);
        else
            assert_string_equal(to.reply->job_detail->summary->job, ids[cases[i].found]);
        if (strcmp(cases[i].what, "aaaa0") == 0) {
            assert_non_null(strstr(to.text, "fits 2 jobs"));
            assert_non_null(strstr(to.text, ids[0]));
            assert_non_null(strstr(to.text, ids[1]));
        }
        if (strcmp(cases[i].what, "cout") == 0)
            assert_non_null(strstr(to.text, "did you mean 'count'"));
        forget(&to);
    }
    end_world(w);
}

static void describe_later(puppet *client, const char *what, uint64_t seen, uint32_t wait_ms,
                           answer *to)
{
    QUESTION(q, DESCRIBE_JOB, describe_job, Weir__Proto__DescribeJob,
             WEIR__PROTO__DESCRIBE_JOB__INIT);
    q_body.job = (char *)what;
    q_body.seen_version = seen;
    q_body.wait_ms = wait_ms;
    ask_later(client, &q, to);
}

static void test_long_poll(void **state)
{
    (void)state;
    world *w = new_world(2);
    w->config.waiters_max = 2;
    start_dispatcher(w);
    puppet *client = add_member(w, "client", 0);
    puppet *jobmanager = add_member(w, "jobmanager", 0);
    const char *id = job_id(1);
    submit(client, id, "a");
    run_for(w, SECOND_US);
    assert_int_equal(report(jobmanager, id, "RUNNING", 1, 10).code, 0);
    answer to = describe(client, id, 0, 20000); /* another version: at once */
    uint64_t version = to.reply->job_detail->summary->version;
    forget(&to);
    int64_t before = weir_simulator_now_us(w->simulator);
    to = describe(client, id, version, 3000); /* nothing happens */
    assert_in_range(weir_simulator_now_us(w->simulator) - before, 29 * SECOND_US / 10,
                    32 * SECOND_US / 10);
    assert_int_equal(to.reply->job_detail->summary->version, version);
    forget(&to);
    answer waiting;
    describe_later(client, "a", version, 30000, &waiting);
    run_for(w, SECOND_US);
    assert_int_equal(report(jobmanager, id, "RUNNING", 2, 10).code, 0); /* says nothing new */
    run_for(w, SECOND_US);
    assert_false(waiting.done);
    assert_int_equal(report(jobmanager, id, "RUNNING", 3, 11).code, 0);
    run_for(w, SECOND_US / 10);
    assert_true(waiting.done);
    assert_int_equal(waiting.reply->job_detail->summary->records_in, 11);
    version = waiting.reply->job_detail->summary->version;
    forget(&waiting);
    /* Too many at a time are answered at once; the end wakes the rest. */
    answer held[2], extra;
    describe_later(client, "a", version, 30000, &held[0]);
    describe_later(client, "a", version, 30000, &held[1]);
    describe_later(client, "a", version, 30000, &extra);
    run_for(w, SECOND_US / 10);
    assert_true(extra.done && !held[0].done && !held[1].done);
    assert_int_equal(report(jobmanager, id, "FINISHED", 4, 11).code, 0);
    run_for(w, SECOND_US / 10);
    assert_true(held[0].done && held[1].done);
    assert_string_equal(held[1].reply->job_detail->summary->state, "FINISHED");
    forget(&held[0]);
    forget(&held[1]);
    forget(&extra);
    end_world(w);
}

static answer fetch_rows(puppet *client, const char *job, uint64_t position, uint32_t wait_ms)
{
    QUESTION(q, FETCH_ROWS, fetch_rows, Weir__Proto__FetchRows, WEIR__PROTO__FETCH_ROWS__INIT);
    q_body.job = (char *)job;
    q_body.position = position;
    q_body.wait_ms = wait_ms;
    return ask(client, &q);
}

static void test_rows(void **state)
{
    (void)state;
    world *w = new_world(3);
    start_dispatcher(w);
    puppet *client = add_member(w, "client", 0);
    submit(client, job_id(1), "a");
    answer to = fetch_rows(client, "a", 5, 1000); /* nobody runs it */
    assert_int_equal(to.reply->rows->position, 5);
    assert_false(to.reply->rows->end);
    forget(&to);
    puppet *jobmanager = add_member(w, "jobmanager", 0);
    to = fetch_rows(client, "a", 5, 1000);
    assert_int_equal(to.reply->rows->position, 8);
    assert_int_equal(to.reply->rows->text.len, 3);
    forget(&to);
    report(jobmanager, job_id(1), "FINISHED", 1, 0);
    to = fetch_rows(client, "a", 8, 0);
    assert_int_equal(to.reply->rows->position, 11);
    forget(&to);
    weir_simulator_kill(w->simulator, jobmanager->node);
    run_for(w, 8 * SECOND_US);
    to = fetch_rows(client, "a", 8, 0);
    assert_int_equal(to.code, WEIR_ENOT_FOUND);
    assert_non_null(strstr(to.text, "FINISHED"));
    end_world(w);
}

/* The JobManager that has them comes back a little after the dispatcher: who asks waits for it. */
static void test_rows_wait_for_the_jobmanager(void **state)
{
    (void)state;
    world *w = new_world(31);
    start_dispatcher(w);
    puppet *client = add_member(w, "client", 0);
    puppet *jobmanager = add_member(w, "jobmanager", 0);
    submit(client, job_id(1), "a");
    run_for(w, SECOND_US);
    report(jobmanager, job_id(1), "FINISHED", 1, 0);
    restart_dispatcher(w);
    weir_simulator_cut(w->simulator, jobmanager->node, w->dispatcher, true, SECOND_US);
    answer to = fetch_rows(client, "a", 5, 10000);
    assert_int_equal(to.code, 0);
    assert_int_equal(to.reply->rows->position, 8);
    forget(&to);
    /* It does not come back: nobody waits for ever. */
    weir_simulator_kill(w->simulator, jobmanager->node);
    restart_dispatcher(w);
    to = fetch_rows(client, "a", 5, 10000);
    while (to.code == 0 && weir_simulator_now_us(w->simulator) < 60 * SECOND_US) {
        forget(&to);
        to = fetch_rows(client, "a", 5, 1000);
    }
    assert_int_equal(to.code, WEIR_ENOT_FOUND);
    end_world(w);
}

static answer fetch_log(puppet *client, const char *what, uint32_t max_bytes)
{
    QUESTION(q, FETCH_LOG, fetch_log, Weir__Proto__FetchLog, WEIR__PROTO__FETCH_LOG__INIT);
    q_body.what = (char *)what;
    q_body.max_bytes = max_bytes;
    return ask(client, &q);
}

static void assert_log(puppet *client, const char *what, const char *expected)
{
    answer to = fetch_log(client, what, 1000);
    if (to.code != 0)
        fail_msg("%s", to.text);
    assert_string_equal(to.reply->log_text->text, expected);
    forget(&to);
}

static void test_logs(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-dispatcher-log-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static const char log[] = "first line\nsecond \xff line\n";
    assert_int_equal(write(fd, log, sizeof log - 1), sizeof log - 1);
    close(fd);
    world *w = new_world(4);
    w->config.log_path = path;
    start_dispatcher(w);
    puppet *client = add_member(w, "client", 0);
    puppet *jobmanager = add_member(w, "jobmanager", 0);
    add_member(w, "taskmanager", 2);
    puppet *second = add_member(w, "taskmanager", 2);
    assert_log(client, "dispatcher", "first line\nsecond ? line\n");
    answer to = fetch_log(client, "dispatcher", 16);
    assert_string_equal(to.reply->log_text->text, "second ? line\n");
    assert_string_equal(to.reply->log_text->source, path);
    forget(&to);
    assert_log(client, "jobmanager", "jobmanager-1 ''");
    assert_log(client, "jobmanager-1", "jobmanager-1 ''");
    assert_log(client, "taskmanager-3", "taskmanager-3 ''"); /* a process id before an ordinal */
    assert_log(client, "taskmanager-1", "taskmanager-2 ''");
    assert_log(client, "taskmanager", "taskmanager-2 ''");
    static const char *const unknown[] = {"taskmanager-9", "/etc/passwd", "../x", "taskmanager-x"};
    for (size_t i = 0; i < WEIR_COUNT(unknown); i++) {
        to = fetch_log(client, unknown[i], 1000);
        assert_int_equal(to.code, WEIR_ENOT_FOUND);
    }
    /* A job's: from those that hold its slots, else from all. */
    char expected[256];
    const char *id = job_id(1);
    submit(client, id, "count");
    run_for(w, SECOND_US);
    to = fetch_log(client, "count", 1000);
    for (int i = 2; i <= 3; i++) { /* in the order in which they answer */
        snprintf(expected, sizeof expected, "==> taskmanager-%d <==\ntaskmanager-%d '%s'\n", i, i,
                 id);
        assert_non_null(strstr(to.reply->log_text->text, expected));
    }
    forget(&to);
    QUESTION(q, REQUEST_SLOTS, request_slots, Weir__Proto__RequestSlots,
             WEIR__PROTO__REQUEST_SLOTS__INIT);
    q_body.job = (char *)id;
    q_body.count = 1;
    to = ask(jobmanager, &q);
    assert_int_equal(to.code, 0);
    forget(&to);
    snprintf(expected, sizeof expected, "==> taskmanager-2 <==\ntaskmanager-2 '%s'\n", id);
    assert_log(client, id, expected);
    weir_simulator_kill(w->simulator, second->node);
    run_for(w, 8 * SECOND_US);
    assert_log(client, "count", expected);
    unlink(path);
    end_world(w);
}

static void test_status(void **state)
{
    (void)state;
    world *w = new_world(5);
    start_dispatcher(w);
    puppet *client = add_member(w, "client", 0);
    puppet *jobmanager = add_member(w, "jobmanager", 0);
    puppet *agent = add_member(w, "taskmanager", 4);
    submit(client, job_id(1), "a");
    submit(client, job_id(2), "b");
    run_for(w, SECOND_US);
    report(jobmanager, job_id(1), "FINISHED", 1, 0);
    QUESTION(q, CLUSTER_STATUS, cluster_status, Weir__Proto__ClusterStatus,
             WEIR__PROTO__CLUSTER_STATUS__INIT);
    answer to = ask(client, &q);
    const Weir__Proto__ClusterDetail *detail = to.reply->cluster_detail;
    assert_string_equal(detail->cluster, "test");
    assert_int_equal(detail->n_processes, 3);
    assert_int_equal(detail->jobs_running, 1);
    assert_int_equal(detail->jobs_ended, 1);
    assert_string_equal(detail->processes[0]->role, "dispatcher");
    assert_string_equal(detail->processes[0]->endpoint, ENDPOINT);
    assert_string_equal(detail->processes[1]->process, jobmanager->process);
    assert_string_equal(detail->processes[2]->process, agent->process);
    assert_int_equal(detail->processes[2]->slots, 4);
    assert_int_equal(detail->processes[2]->slots_free, 4);
    assert_int_equal(detail->processes[2]->pid, 4711);
    forget(&to);
    QUESTION(list, LIST_JOBS, list_jobs, Weir__Proto__ListJobs, WEIR__PROTO__LIST_JOBS__INIT);
    to = ask(client, &list);
    assert_int_equal(to.reply->job_list->n_jobs, 1);
    assert_string_equal(to.reply->job_list->jobs[0]->name, "b");
    forget(&to);
    list_body.ended = true;
    to = ask(client, &list);
    assert_int_equal(to.reply->job_list->n_jobs, 2);
    forget(&to);
    weir_simulator_kill(w->simulator, agent->node);
    run_for(w, 8 * SECOND_US);
    to = ask(client, &q);
    assert_int_equal(to.reply->cluster_detail->n_processes, 2);
    forget(&to);
    end_world(w);
}

static void test_roles(void **state)
{
    (void)state;
    world *w = new_world(6);
    start_dispatcher(w);
    puppet *client = add_member(w, "client", 0);
    puppet *jobmanager = add_member(w, "jobmanager", 0);
    puppet *agent = add_member(w, "taskmanager", 1);
    puppet *stranger = add_member(w, "runner", 0);
    answer to;
    submit_later(agent, job_id(1), "a", &to);
    wait_for(w, &to);
    assert_int_equal(to.code, WEIR_EREFUSED);
    assert_non_null(strstr(to.text, "taskmanager"));
    submit_later(jobmanager, job_id(1), "a", &to);
    wait_for(w, &to);
    assert_int_equal(to.code, WEIR_EREFUSED);
    submit_later(stranger, job_id(1), "a", &to);
    wait_for(w, &to);
    assert_int_equal(to.code, WEIR_EREFUSED);
    assert_int_equal(report(client, job_id(1), "FINISHED", 1, 0).code, WEIR_EREFUSED);
    assert_int_equal(report(agent, job_id(1), "FINISHED", 1, 0).code, WEIR_EREFUSED);
    QUESTION(stop, STOP_CLUSTER, stop_cluster, Weir__Proto__StopCluster,
             WEIR__PROTO__STOP_CLUSTER__INIT);
    to = ask(agent, &stop);
    assert_int_equal(to.code, WEIR_EREFUSED);
    /* Nobody registers as another, or in another role. */
    QUESTION(reg, REGISTER, register_, Weir__Proto__Register, WEIR__PROTO__REGISTER__INIT);
    reg_body.process = agent->process;
    reg_body.role = (char *)"taskmanager";
    reg_body.slots = 1000;
    to = ask(client, &reg);
    assert_int_equal(to.code, WEIR_EREFUSED);
    to = ask(jobmanager, &reg);
    assert_int_equal(to.code, WEIR_EREFUSED);
    reg_body.role = (char *)"jobmanager";
    to = ask(agent, &reg);
    assert_int_equal(to.code, WEIR_EREFUSED);
    reg_body.role = (char *)"taskmanager";
    reg_body.slots = 0;
    to = ask(agent, &reg);
    assert_int_equal(to.code, WEIR_EINVALID);
    QUESTION(empty, SUBMIT_REPLY, submit_reply, Weir__Proto__SubmitReply,
             WEIR__PROTO__SUBMIT_REPLY__INIT);
    to = ask(client, &empty);
    assert_int_equal(to.code, WEIR_EREFUSED);
    end_world(w);
}

static void test_stop_cluster(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        world *w = new_world(7);
        start_dispatcher(w);
        puppet *client = add_member(w, "client", 0);
        puppet *jobmanager = add_member(w, "jobmanager", 0);
        puppet *agent = add_member(w, "taskmanager", 1);
        submit(client, job_id(1), "a");
        run_for(w, SECOND_US);
        if (late)
            weir_simulator_pause(w->simulator, agent->node, 3600 * SECOND_US);
        QUESTION(stop, STOP_CLUSTER, stop_cluster, Weir__Proto__StopCluster,
                 WEIR__PROTO__STOP_CLUSTER__INIT);
        int64_t before = weir_simulator_now_us(w->simulator);
        answer to = ask(client, &stop);
        assert_int_equal(to.code, 0);
        assert_int_equal(to.reply->body_case, BODY(ACK));
        forget(&to);
        int64_t took = weir_simulator_now_us(w->simulator) - before;
        assert_in_range(took, late ? 3 * SECOND_US : 0, late ? 6 * SECOND_US : SECOND_US);
        assert_int_equal(jobmanager->shutdowns, 1);
        run_for(w, SECOND_US);
        assert_false(weir_simulated_node_is_alive(w->dispatcher));
        /* The job that ran is not forgotten. */
        restart_dispatcher(w);
        run_for(w, 4 * SECOND_US);
        to = describe(client, "a", 0, 0);
        assert_string_equal(to.reply->job_detail->summary->state, "FAILED");
        assert_non_null(strstr(to.reply->job_detail->summary->error, "cluster was stopped"));
        forget(&to);
        end_world(w);
    }
}

/* ---- artifacts over the wire ---- */

static answer upload(puppet *client, const char *digest, uint64_t offset, uint64_t total,
                     const char *content, size_t size)
{
    QUESTION(q, UPLOAD_CHUNK, upload_chunk, Weir__Proto__UploadChunk,
             WEIR__PROTO__UPLOAD_CHUNK__INIT);
    q_body.artifact = (char *)digest;
    q_body.offset = offset;
    q_body.total = total;
    q_body.content.data = (uint8_t *)content;
    q_body.content.len = size;
    answer to = ask(client, &q);
    if (to.code == 0)
        assert_int_equal(to.reply->body_case, BODY(UPLOAD_REPLY));
    return to;
}

static void test_artifacts(void **state)
{
    (void)state;
    world *w = new_world(8);
    w->config.chunk_max = 10;
    start_dispatcher(w);
    puppet *client = add_member(w, "client", 0);
    puppet *agent = add_member(w, "taskmanager", 1);
    static const char content[] = "some content of a shared object";
    const size_t size = sizeof content - 1;
    weir_digest digest = weir_digest_of(content, size);
    char hex[WEIR_DIGEST_HEX];
    weir_digest_format(&digest, hex);
    answer to = upload(client, hex, 0, size, content, 12);
    assert_int_equal(to.reply->upload_reply->received, 12);
    assert_false(to.reply->upload_reply->complete);
    forget(&to);
    memcpy(w->artifact, hex, sizeof hex);
    assert_int_equal(submit(client, job_id(1), "a").code, WEIR_ENOT_FOUND);
    to = upload(client, hex, 12, size, content + 12, size - 12);
    assert_int_equal(to.reply->upload_reply->received, size);
    assert_true(to.reply->upload_reply->complete);
    forget(&to);
    assert_int_equal(submit(client, job_id(1), "a").code, 0);
    weir_buffer out = WEIR_BUFFER_INIT;
    while (out.size < size) {
        QUESTION(q, FETCH_ARTIFACT, fetch_artifact, Weir__Proto__FetchArtifact,
                 WEIR__PROTO__FETCH_ARTIFACT__INIT);
        q_body.artifact = hex;
        q_body.offset = out.size;
        q_body.max_bytes = 1000;
        to = ask(agent, &q);
        assert_int_equal(to.code, 0);
        assert_int_equal(to.reply->artifact_chunk->offset, out.size);
        assert_int_equal(to.reply->artifact_chunk->total, size);
        assert_in_range(to.reply->artifact_chunk->content.len, 1, 10);
        weir_buffer_append(&out, to.reply->artifact_chunk->content.data,
                           to.reply->artifact_chunk->content.len);
        forget(&to);
    }
    assert_string_equal(weir_buffer_text(&out), content);
    weir_buffer_deinit(&out);
    to = upload(client, "not a digest", 0, 10, "x", 1);
    assert_int_equal(to.code, WEIR_EINVALID);
    end_world(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_prefixes),
        cmocka_unit_test(test_long_poll),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_rows_wait_for_the_jobmanager),
        cmocka_unit_test(test_logs),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_stop_cluster),
        cmocka_unit_test(test_artifacts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
