/* The world of world.h with a real disk, and one thing that fails: the n-th allocation, file
 * operation or LMDB call of the dispatcher's process. Everything else of the simulated cluster
 * never fails: faults are armed only while the dispatcher's node runs, which the linker's --wrap of
 * the node's functions tells, and not in the transport, which is the simulator's. */
#ifndef TESTS_DISPATCHER_NTH_WORLD_H
#define TESTS_DISPATCHER_NTH_WORLD_H

#include "base/file.h"
#include "base/log.h"
#include "dispatcher/artifact_files.h"
#include "dispatcher/job_record.h"
#include "store/record_store.h"
#include "tests/faults/faults.h"
#include "tests/unit/dispatcher/world.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the one node that fails ---- */

enum { LINES_MAX = 64, LINE_BYTES = 1000 };

typedef struct log_line {
    int level;
    char text[LINE_BYTES];
} log_line;

static struct faulty {
    weir_transport transport; /* stands before the simulator's */
    weir_transport *inner;
    weir_node *node;
    bool next_is_it; /* the next node that is made */
    bool planned;    /* a fault is to come, or has come */
    bool inside;     /* faults are armed */
    bool memory;     /* the plan is about allocations */
    bool for_good;
    bool memory_in_children;
    uint64_t memory_left, memory_nth;
    log_line lines[LINES_MAX];
    size_t nlines;
} faulty;

static void go_in(void)
{
    if (!faulty.planned || faulty.inside)
        return;
    faulty.inside = true;
    if (!faulty.memory)
        faults_arm(true);
    else if (faulty.for_good)
        weir_memory_fail_from(faulty.memory_left);
    else
        weir_memory_fail_at(faulty.memory_left);
}

static void go_out(void)
{
    if (!faulty.inside)
        return;
    faulty.inside = false;
    if (faulty.memory)
        faulty.memory_left = weir_memory_fail_left();
    weir_memory_fail_at(0);
    faults_arm(false);
}

/* `of` of the plan is 0 for allocations. */
static MAYBE_UNUSED void plan_fault(const faults_plan *plan)
{
    go_out();
    faults_set(plan);
    faulty.planned = plan != NULL;
    faulty.memory = plan != NULL && plan->of == 0;
    faulty.for_good = plan != NULL && plan->for_good;
    faulty.memory_left = faulty.memory_nth = plan != NULL ? plan->nth : 0;
}

/* No more faults; tells whether there was one. */
static MAYBE_UNUSED bool end_fault(void)
{
    go_out();
    faulty.planned = false;
    if (!faulty.memory)
        return faults_hit();
    return faulty.for_good ? faulty.memory_left == 1 : faulty.memory_left == 0;
}

static MAYBE_UNUSED void in_child(void)
{
    if (!faulty.memory_in_children)
        weir_memory_fail_at(0);
}

/* ---- its transport ---- */

#define OUTSIDE(type, call)                                                                        \
    bool was = faulty.inside;                                                                      \
    go_out();                                                                                      \
    type result = call;                                                                            \
    if (was)                                                                                       \
        go_in();                                                                                   \
    return result

static int faulty_connect(weir_transport *self, const char *endpoint, weir_roles expected,
                          uint64_t *ret_link, weir_error *err)
{
    (void)self;
    OUTSIDE(int, faulty.inner->connect(faulty.inner, endpoint, expected, ret_link, err));
}

static void faulty_disconnect(weir_transport *self, uint64_t link)
{
    (void)self;
    bool was = faulty.inside;
    go_out();
    faulty.inner->disconnect(faulty.inner, link);
    if (was)
        go_in();
}

static int faulty_send(weir_transport *self, uint64_t link, const void *bytes, size_t size)
{
    (void)self;
    OUTSIDE(int, faulty.inner->send(faulty.inner, link, bytes, size));
}

static int64_t faulty_now_ms(weir_transport *self)
{
    (void)self;
    return faulty.inner->now_ms(faulty.inner);
}

static int64_t faulty_wall_ms(weir_transport *self)
{
    (void)self;
    return faulty.inner->wall_ms(faulty.inner);
}

static uint64_t faulty_random(weir_transport *self)
{
    (void)self;
    return faulty.inner->random(faulty.inner);
}

static void faulty_log(weir_transport *self, int level, const char *line)
{
    (void)self;
    if (level <= WEIR_LOG_WARN && faulty.nlines < LINES_MAX) {
        log_line *to = &faulty.lines[faulty.nlines++];
        to->level = level;
        snprintf(to->text, sizeof to->text, "%s", line);
    }
    faulty.inner->log(faulty.inner, level, line);
}

/* ---- wrapped by the linker ---- */

int __real_weir_node_new(const weir_node_config *config, weir_transport *transport, weir_node **ret,
                         weir_error *err);
int __wrap_weir_node_new(const weir_node_config *config, weir_transport *transport, weir_node **ret,
                         weir_error *err);
void __real_weir_node_on_message(weir_node *node, uint64_t link, const void *bytes, size_t size);
void __wrap_weir_node_on_message(weir_node *node, uint64_t link, const void *bytes, size_t size);
void __real_weir_node_on_link(weir_node *node, uint64_t link, bool up);
void __wrap_weir_node_on_link(weir_node *node, uint64_t link, bool up);
int64_t __real_weir_node_run(weir_node *node);
int64_t __wrap_weir_node_run(weir_node *node);

int __wrap_weir_node_new(const weir_node_config *config, weir_transport *transport, weir_node **ret,
                         weir_error *err)
{
    if (!faulty.next_is_it)
        return __real_weir_node_new(config, transport, ret, err);
    faulty.next_is_it = false;
    faulty.inner = transport;
    faulty.transport = (weir_transport){.connect = faulty_connect,
                                        .disconnect = faulty_disconnect,
                                        .send = faulty_send,
                                        .now_ms = faulty_now_ms,
                                        .wall_ms = faulty_wall_ms,
                                        .random = faulty_random,
                                        .log = faulty_log};
    int rc = __real_weir_node_new(config, &faulty.transport, ret, err);
    faulty.node = rc == 0 ? *ret : NULL;
    return rc;
}

static void go_in_for(const weir_node *node)
{
    if (node == faulty.node)
        go_in();
}

void __wrap_weir_node_on_message(weir_node *node, uint64_t link, const void *bytes, size_t size)
{
    go_in_for(node);
    __real_weir_node_on_message(node, link, bytes, size);
    go_out();
}

void __wrap_weir_node_on_link(weir_node *node, uint64_t link, bool up)
{
    go_in_for(node);
    __real_weir_node_on_link(node, link, up);
    go_out();
}

int64_t __wrap_weir_node_run(weir_node *node)
{
    go_in_for(node);
    int64_t next_ms = __real_weir_node_run(node);
    go_out();
    return next_ms;
}

/* ---- the disk ---- */

static char home[200], prepared[200]; /* the dispatcher's directory; a copy to start from */

static MAYBE_UNUSED const char *path_in(const char *directory, const char *name)
{
    static char paths[4][600];
    static unsigned last;
    char *out = paths[++last % 4];
    snprintf(out, sizeof paths[0], "%s/%s", directory, name);
    return out;
}

static MAYBE_UNUSED int open_disk(world *w, weir_error *err)
{
    int rc =
        weir_record_store_open(&(weir_record_store_config){.directory = home}, &w->records, err);
    if (rc == 0)
        rc = weir_artifact_files_open(path_in(home, "artifacts"), 1 << 20, &w->artifacts, err);
    return rc;
}

static MAYBE_UNUSED void close_disk(world *w)
{
    weir_artifact_store_close(&w->artifacts);
    weir_records_close(&w->records);
}

static void copy_files(const char *from, const char *to)
{
    DIR *directory = opendir(from);
    weir_buffer content = WEIR_BUFFER_INIT;
    assert_non_null(directory);
    assert_int_equal(mkdir(to, 0700), 0);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        struct stat status;
        if (entry->d_name[0] == '.')
            continue;
        const char *source = path_in(from, entry->d_name), *target = path_in(to, entry->d_name);
        assert_int_equal(stat(source, &status), 0);
        if (S_ISDIR(status.st_mode)) {
            char deeper[2][600];
            snprintf(deeper[0], sizeof deeper[0], "%s", source);
            snprintf(deeper[1], sizeof deeper[1], "%s", target);
            copy_files(deeper[0], deeper[1]);
            continue;
        }
        assert_int_equal(weir_file_read(source, 1 << 26, &content, NULL), 0);
        FILE *out = fopen(target, "w");
        assert_non_null(out);
        assert_int_equal(fwrite(weir_buffer_text(&content), 1, content.size, out), content.size);
        assert_int_equal(fclose(out), 0);
    }
    closedir(directory);
    weir_buffer_deinit(&content);
}

static MAYBE_UNUSED void fresh_disk(void)
{
    assert_int_equal(weir_file_remove_tree(home, NULL), 0);
    copy_files(prepared, home);
}

static MAYBE_UNUSED size_t open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    size_t count = 0;
    assert_non_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.' && strtol(entry->d_name, NULL, 10) < FAULTS_DESCRIPTORS;
    closedir(directory);
    return count;
}

/* ---- the dispatcher's life ---- */

/* The disk is open. Faults, if planned, also meet the making of the actor. 0, or it could not. */
static MAYBE_UNUSED int try_boot(world *w, weir_error *err)
{
    char process[32];
    void *self = NULL;
    snprintf(process, sizeof process, "dispatcher-%d", ++w->incarnation);
    weir_node_config config = node_config("dispatcher", process);
    w->failure = (weir_error)WEIR_ERROR_INIT;
    faulty.next_is_it = true;
    assert_int_equal(
        weir_simulator_add(w->simulator, &config, ENDPOINT, NULL, NULL, &w->dispatcher, err), 0);
    go_in();
    int rc = weir_dispatcher_new(&w->config, w->records, w->artifacts, &self, err);
    if (rc == 0)
        rc = weir_node_spawn(weir_simulated_node_get(w->dispatcher), WEIR_DISPATCHER_ACTOR,
                             &weir_dispatcher_class, self, err);
    go_out();
    if (rc != 0)
        weir_simulator_kill(w->simulator, w->dispatcher);
    return rc;
}

static MAYBE_UNUSED void boot(world *w)
{
    weir_error err = WEIR_ERROR_INIT;
    if ((w->records == NULL && open_disk(w, &err) != 0) || try_boot(w, &err) != 0)
        fail_msg("it does not start again: %s (after %s)", err.text, faults_what());
}

static MAYBE_UNUSED bool is_alive(const world *w)
{
    return weir_simulated_node_is_alive(w->dispatcher);
}

/* As by kill -9: what is not on the disk is gone. */
static MAYBE_UNUSED void crash(world *w)
{
    if (is_alive(w))
        weir_simulator_kill(w->simulator, w->dispatcher);
    close_disk(w);
}

static MAYBE_UNUSED world *new_nth_world(void)
{
    world *w = calloc(1, sizeof *w);
    assert_int_equal(weir_simulator_new(1, &w->simulator), 0);
    weir_dispatcher_config_init(&w->config);
    w->config.cluster = "test";
    w->config.version = "1";
    w->config.host = "here";
    w->config.endpoint = ENDPOINT;
    w->config.failure = &w->failure;
    faulty.nlines = 0;
    return w;
}

static MAYBE_UNUSED void end_nth_world(world *w)
{
    weir_simulator_destroy(&w->simulator);
    close_disk(w);
    for (size_t i = 0; i < w->npuppets; i++)
        free(w->puppets[i]);
    free(w);
}

/* ---- asking somebody who may die ---- */

static bool is_done_or_dead(void *data)
{
    void **of = data;
    return ((answer *)of[0])->done || !is_alive(of[1]);
}

/* Starts the dispatcher again when it has ended itself: then nothing fails any more. */
static MAYBE_UNUSED void revive(world *w, int *deaths)
{
    if (is_alive(w))
        return;
    ++*deaths;
    end_fault();
    crash(w);
    boot(w);
}

/* The node of the asker repeats the question to the one that was started again. */
static MAYBE_UNUSED answer ask_whoever(puppet *of, const weir_envelope *envelope, int *deaths)
{
    world *w = of->world;
    answer to;
    void *wait[] = {&to, w};
    revive(w, deaths);
    ask_later(of, envelope, &to);
    do {
        revive(w, deaths);
        (void)!weir_simulator_run(w->simulator, is_done_or_dead, wait,
                                  weir_simulator_now_us(w->simulator) + 150 * SECOND_US);
    } while (!to.done && !is_alive(w) && *deaths < 5);
    assert_true(to.done);
    return to;
}

/* Until it is answered without an error, as JobMasters and agents do. */
static MAYBE_UNUSED void insist(puppet *of, const weir_envelope *envelope, int *deaths)
{
    answer to = {0};
    for (int i = 0; i < 20; i++) {
        to = ask_whoever(of, envelope, deaths);
        forget(&to);
        if (to.code == 0)
            return;
        run_for(of->world, SECOND_US);
    }
    fail_msg("%s gets no answer: %s", of->process, to.text);
}

/* ---- a client, as the command does it ---- */

enum { CONTENT_BYTES = 2500, CHUNK_BYTES = 1000 };

typedef struct outcome {
    int code; /* 0: accepted */
    char text[WEIR_ERROR_TEXT_MAX];
    int deaths;
} outcome;

/* What the artifact of a job of this name holds. */
static MAYBE_UNUSED const char *content_of(const char *name, char digest[WEIR_DIGEST_HEX])
{
    static char content[CONTENT_BYTES];
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (char)(name[i % strlen(name)] + (char)(i / 97));
    weir_digest of = weir_digest_of(content, sizeof content);
    weir_digest_format(&of, digest);
    return content;
}

static void upload(puppet *client, const char *name, outcome *ret)
{
    char digest[WEIR_DIGEST_HEX];
    uint64_t offset = 0;
    bool complete = false;
    for (int i = 0; !complete && ret->code == 0; i++) {
        const char *content = content_of(name, digest);
        QUESTION(q, UPLOAD_CHUNK, upload_chunk, Weir__Proto__UploadChunk,
                 WEIR__PROTO__UPLOAD_CHUNK__INIT);
        size_t left = CONTENT_BYTES - (size_t)offset;
        assert_true(i < 20);
        q_body.artifact = digest;
        q_body.offset = offset;
        q_body.total = CONTENT_BYTES;
        q_body.content.data = (uint8_t *)(uintptr_t)content + offset;
        q_body.content.len = left < CHUNK_BYTES ? left : CHUNK_BYTES;
        answer to = ask_whoever(client, &q, &ret->deaths);
        ret->code = to.code;
        snprintf(ret->text, sizeof ret->text, "%s", to.text);
        if (to.code == 0) {
            assert_int_equal(to.reply->body_case, BODY(UPLOAD_REPLY));
            offset = to.reply->upload_reply->received;
            complete = to.reply->upload_reply->complete;
            if (!complete && offset >= CONTENT_BYTES)
                offset = 0;
        }
        forget(&to);
    }
}

static MAYBE_UNUSED outcome submit_whole(puppet *client, const char *id, const char *name)
{
    outcome of = {.code = 0};
    char digest[WEIR_DIGEST_HEX];
    upload(client, name, &of);
    if (of.code != 0)
        return of;
    content_of(name, digest);
    QUESTION(q, SUBMIT_JOB, submit_job, Weir__Proto__SubmitJob, WEIR__PROTO__SUBMIT_JOB__INIT);
    q_body.job = (char *)(uintptr_t)id;
    q_body.name = (char *)(uintptr_t)name;
    q_body.graph.data = (uint8_t *)(uintptr_t) "graph";
    q_body.graph.len = 5;
    q_body.artifact = digest;
    q_body.artifact_name = (char *)(uintptr_t) "job.so";
    answer to = ask_whoever(client, &q, &of.deaths);
    of.code = to.code;
    snprintf(of.text, sizeof of.text, "%s", to.text);
    if (to.code == 0)
        assert_string_equal(to.reply->submit_reply->job, id);
    forget(&to);
    return of;
}

/* ---- a JobMaster ---- */

static MAYBE_UNUSED void request_slot(puppet *jobmanager, const char *id, int *deaths)
{
    QUESTION(q, REQUEST_SLOTS, request_slots, Weir__Proto__RequestSlots,
             WEIR__PROTO__REQUEST_SLOTS__INIT);
    q_body.job = (char *)(uintptr_t)id;
    q_body.count = 1;
    insist(jobmanager, &q, deaths);
}

static MAYBE_UNUSED void free_slots(puppet *jobmanager, const char *id, int *deaths)
{
    QUESTION(q, FREE_SLOTS, free_slots, Weir__Proto__FreeSlots, WEIR__PROTO__FREE_SLOTS__INIT);
    q_body.job = (char *)(uintptr_t)id;
    insist(jobmanager, &q, deaths);
}

static MAYBE_UNUSED void report_state(puppet *jobmanager, const char *id, const char *state,
                                      uint64_t version, int *deaths)
{
    Weir__Proto__JobSummary summary = WEIR__PROTO__JOB_SUMMARY__INIT;
    Weir__Proto__JobDetail detail = WEIR__PROTO__JOB_DETAIL__INIT;
    QUESTION(q, JOB_REPORT, job_report, Weir__Proto__JobReport, WEIR__PROTO__JOB_REPORT__INIT);
    summary.job = (char *)(uintptr_t)id;
    summary.state = (char *)(uintptr_t)state;
    summary.version = version;
    detail.summary = &summary;
    q_body.detail = &detail;
    insist(jobmanager, &q, deaths);
}

/* The cluster of every test: client-0, jobmanager-1, jobmanager-2, taskmanager-3. */
typedef struct members {
    puppet *client, *jobmanagers[2], *taskmanager;
} members;

static bool all_registered(void *data)
{
    const members *of = data;
    return of->client->peer_up && of->jobmanagers[0]->registered &&
           of->jobmanagers[1]->registered && of->taskmanager->registered;
}

static MAYBE_UNUSED members add_members(world *w, const char *running)
{
    members of = {.client = add_puppet(w, "client", 0)};
    of.jobmanagers[0] = add_puppet(w, "jobmanager", 0);
    of.jobmanagers[1] = add_puppet(w, "jobmanager", 0);
    of.taskmanager = add_puppet(w, "taskmanager", 4);
    if (running != NULL) {
        weir_error err = WEIR_ERROR_INIT;
        char name[WEIR_ACTOR_NAME_MAX];
        member_actor *master = weir_alloc(sizeof *master);
        master->of = of.jobmanagers[0];
        snprintf(name, sizeof name, "job-%s", running);
        assert_int_equal(weir_node_spawn(weir_simulated_node_get(of.jobmanagers[0]->node), name,
                                         &puppet_class, master, &err),
                         0);
        puppet_add(of.jobmanagers[0], running, 0);
        puppet_add(of.taskmanager, running, 1);
    }
    return of;
}

static MAYBE_UNUSED void wait_members(world *w, members *of)
{
    (void)!weir_simulator_run(w->simulator, all_registered, of,
                              weir_simulator_now_us(w->simulator) + 30 * SECOND_US);
    assert_true(all_registered(of));
}

static void register_again(void *data)
{
    do_register(data, context_of(data));
}

/* JobManagers and agents that were refused come again after a second, for `seconds`. */
static MAYBE_UNUSED void keep_registering(world *w, members *of, int seconds)
{
    puppet *const all[] = {of->jobmanagers[0], of->jobmanagers[1], of->taskmanager};
    for (int second = 0; second < seconds; second++) {
        run_for(w, SECOND_US);
        for (size_t i = 0; i < WEIR_COUNT(all); i++) {
            if (all[i]->peer_up && !all[i]->registered)
                assert_int_equal(
                    weir_simulator_schedule(w->simulator, all[i]->node, 0, register_again, all[i]),
                    0);
        }
    }
}

static MAYBE_UNUSED puppet *who_runs(const members *of, const char *id)
{
    bool first = puppet_has(of->jobmanagers[0], id), second = puppet_has(of->jobmanagers[1], id);
    assert_true(first != second);
    return of->jobmanagers[first ? 0 : 1];
}

/* The rest of a job's life; nothing fails. */
static MAYBE_UNUSED void work(world *w, const members *of, const char *id)
{
    int deaths = 0;
    puppet *jobmanager = who_runs(of, id);
    request_slot(jobmanager, id, &deaths);
    report_state(jobmanager, id, "RUNNING", 2, &deaths);
    assert_state(of->client, id, "RUNNING");
    report_state(jobmanager, id, "FINISHED", 3, &deaths);
    free_slots(jobmanager, id, &deaths);
    puppet_remove(jobmanager, id);
    run_for(w, SECOND_US);
    assert_state(of->client, id, "FINISHED");
    assert_int_equal(deaths, 0);
}

/* ---- what lies on the disk ---- */

typedef struct found {
    bool there, ended, has_submission, artifact_is_whole;
} found;

static bool is_whole(const char *digest)
{
    weir_buffer content = WEIR_BUFFER_INIT;
    char name[WEIR_DIGEST_HEX + 16];
    snprintf(name, sizeof name, "artifacts/%s", digest);
    const char *path = path_in(home, name);
    bool whole = false;
    if (weir_file_read(path, 1 << 20, &content, NULL) == 0) {
        char hex[WEIR_DIGEST_HEX];
        weir_digest of = weir_digest_of(content.data, content.size);
        whole = strcmp(weir_digest_format(&of, hex), digest) == 0;
        if (!faulty.for_good) /* what cannot even be removed cannot be kept from coming back */
            assert_false(faults_is_lost(path));
    }
    weir_buffer_deinit(&content);
    return whole;
}

/* With the disk open and nobody else at it. */
static MAYBE_UNUSED found look_for(world *w, const char *id)
{
    weir_buffer value = WEIR_BUFFER_INIT;
    weir_job_record record;
    found of = {0};
    uint16_t version;
    int rc = weir_records_get(w->records, "job", id, &version, &value, NULL);
    of.there = rc == 0;
    assert_true(rc == 0 || rc == WEIR_ENOT_FOUND);
    if (of.there) {
        assert_int_equal(weir_job_record_unpack(version, value.data, value.size, &record, NULL), 0);
        of.ended = record.stage == WEIR_STAGE_ENDED;
        of.artifact_is_whole = is_whole(record.artifact);
    }
    rc = weir_records_get(w->records, "submission", id, &version, &value, NULL);
    assert_true(rc == 0 || rc == WEIR_ENOT_FOUND);
    of.has_submission = rc == 0;
    weir_buffer_deinit(&value);
    return of;
}

/* A job is there whole, or nothing of it is. */
static MAYBE_UNUSED bool is_there_whole(world *w, const char *id)
{
    found of = look_for(w, id);
    assert_int_equal(of.has_submission, of.there && !of.ended);
    if (of.there && !of.ended)
        assert_true(of.artifact_is_whole);
    return of.there;
}

static MAYBE_UNUSED size_t files_in(const char *directory)
{
    DIR *entries = opendir(directory);
    size_t count = 0;
    assert_non_null(entries);
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(entries);
    return count;
}

/* ---- the log ---- */

static MAYBE_UNUSED size_t lines_with(const char *text)
{
    size_t count = 0;
    for (size_t i = 0; i < faulty.nlines; i++)
        count += strstr(faulty.lines[i].text, text) != NULL;
    return count;
}

static bool is_own_trouble(int code)
{
    return code == WEIR_EIO || code == WEIR_ENO_SPACE || code == WEIR_ENO_MEMORY ||
           code == WEIR_ECORRUPT;
}

/* A disk and memory that fail are logged, once; and a process that ends itself says why. `code` and
 * `text` are what a client was told. */
static MAYBE_UNUSED void check_log(int code, const char *text, int deaths, const faults_plan *plan)
{
    if (deaths > 0)
        assert_in_range(lines_with("stops"), 1, plan->for_good ? 2 : 1);
    else if (is_own_trouble(code))
        assert_in_range(lines_with(text), 1, plan->for_good ? LINES_MAX : 1);
    if (!plan->for_good)
        assert_in_range(faulty.nlines, 0, 2);
    /* What is tried again is not told again. */
    for (size_t i = 0; i < faulty.nlines; i++) {
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(faulty.lines[i].text, faulty.lines[j].text);
    }
}

/* ---- the loop ---- */

typedef struct trial { /* one class of faults */
    const char *name;
    faults_plan plan;
    bool crash_first; /* the dispatcher is killed as soon as the client has its answer */
    bool in_children; /* allocations of child processes fail, too */
} trial;

static char context[700]; /* what is being tried, for who reads a failure */

/* `run` tries one n; false: there was no n-th. */
static MAYBE_UNUSED uint64_t try_all(const trial *of, uint64_t max,
                                     bool (*run)(const trial *of, const faults_plan *plan))
{
    for (uint64_t n = 1;; n++) {
        faults_plan plan = of->plan;
        plan.nth = n;
        assert_true(n < max);
        snprintf(context, sizeof context, "%s%s, n = %llu", of->name,
                 of->crash_first ? ", killed at once" : "", (unsigned long long)n);
        faulty.memory_in_children = of->in_children;
        size_t descriptors = open_descriptors();
        bool more = run(of, &plan);
        assert_int_equal(open_descriptors(), descriptors);
        context[0] = '\0';
        if (!more) {
            print_message("%5llu times: %s%s\n", (unsigned long long)n - 1, of->name,
                          of->crash_first ? ", killed at once" : "");
            return n - 1;
        }
    }
}

static MAYBE_UNUSED void set_up_homes(void)
{
    /* Much is written, and nothing is to last. */
    snprintf(prepared, sizeof prepared, "%s/weir-nth-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(prepared));
    snprintf(home, sizeof home, "%.150s/home", prepared);
    snprintf(prepared + strlen(prepared), 20, "/prepared");
    faults_watch(home);
    pthread_atfork(NULL, NULL, in_child);
}

static MAYBE_UNUSED void remove_homes(void)
{
    prepared[strlen(prepared) - strlen("/prepared")] = '\0';
    assert_int_equal(weir_file_remove_tree(prepared, NULL), 0);
}

/* Of a test that failed. */
static MAYBE_UNUSED int tell_context(void **state)
{
    (void)state;
    end_fault();
    if (context[0] != '\0')
        print_message("  while: %s; it was: %s\n", context, faults_what());
    for (size_t i = 0; context[0] != '\0' && i < faulty.nlines; i++)
        print_message("  log: %s\n", faulty.lines[i].text);
    context[0] = '\0';
    return 0;
}

#endif
