/* tests/sim/cluster.c -- the processes of the simulated cluster, which start, end, and are started
 * again by whoever looks after them; and the run of a seed. */
#include "cluster.h"

#include "base/file.h"
#include "base/memory.h"
#include "dispatcher/dispatcher.h"
#include "jobmanager/manager.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    START_US = 5000, /* a process takes a moment to start, and longer to be missed */
    DISPATCHER_AGAIN_US = 2000000,
    JOBMANAGER_AGAIN_US = 1500000,
    LIMIT_US = 180 * 1000000,
    RUNNER_PACE = 40 /* how much more seldom task runners beat */
};

/* ---- for all files ---- */

void sim_wrong(const sim_cluster *cluster, const char *format, ...)
{
    char text[2048], program[512];
    va_list args;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = 0;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fflush(stdout);
    fprintf(stderr, "seed %llu: at %lld ms: %s\n  replay: %s --seed %llu --trace\n",
            (unsigned long long)cluster->plan->seed,
            (long long)(weir_simulator_now_us(cluster->simulator) / 1000), text, program,
            (unsigned long long)cluster->plan->seed);
    if (weir_file_remove_tree(cluster->directory, NULL) != 0)
        fprintf(stderr, "%s cannot be removed\n", cluster->directory);
    _exit(1);
}

void sim_excuse(sim_cluster *cluster, const char *why)
{
    for (uint32_t i = 0; i < cluster->njobs; i++) {
        if (cluster->jobs[i].excuse == NULL && !cluster->jobs[i].ended)
            cluster->jobs[i].excuse = why;
    }
}

void sim_made(sim_cluster *cluster, enum sim_fault fault)
{
    cluster->result->counts.made[fault]++;
}

void sim_mattered(sim_cluster *cluster, enum sim_fault fault)
{
    cluster->result->counts.mattered[fault]++;
}

sim_job *sim_job_of(sim_cluster *cluster, const char *id)
{
    for (uint32_t i = 0; i < SIM_JOBS_MAX; i++) {
        if (strcmp(cluster->jobs[i].id, id) == 0)
            return &cluster->jobs[i];
    }
    return NULL;
}

bool sim_is_busy(const sim_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->njobs; i++) {
        if (cluster->jobs[i].client != NULL && !cluster->jobs[i].ended)
            return true;
    }
    return false;
}

static void wake(void *data)
{
    (void)data; /* any event runs the node */
}

void sim_schedule(sim_cluster *cluster, weir_simulated_node *node, int64_t delay_us,
                  void (*run)(void *), void *data)
{
    if (weir_simulator_schedule(cluster->simulator, node, delay_us, run, data) < 0)
        abort();
}

weir_simulated_node *sim_add_node(sim_cluster *cluster, const char *role, const char *endpoint,
                                  void (*killed)(void *), void *data)
{
    char process[64];
    weir_simulated_node *node = NULL;
    weir_error error = WEIR_ERROR_INIT;

    snprintf(process, sizeof process, "%s-%u", role, ++cluster->serial);
    weir_node_config config = {
        .cluster = "sim",
        .role = role,
        .process = process,
        .version = "test",
        .heartbeat_interval_ms = weir_config_duration_ms(cluster->config, "heartbeat.interval"),
        .heartbeat_timeout_ms = weir_config_duration_ms(cluster->config, "heartbeat.timeout"),
        .retry_interval_ms = weir_config_duration_ms(cluster->config, "rpc.retry-interval"),
        .peers_max = 64,
        .message_max = 16u << 20,
    };
    if (strcmp(role, "runner") == 0) { /* its agent feels it, as in processes */
        config.heartbeat_interval_ms *= RUNNER_PACE;
        config.heartbeat_timeout_ms *= RUNNER_PACE;
        config.silence_ms = config.heartbeat_timeout_ms;
    }
    if (weir_simulator_add(cluster->simulator, &config, endpoint, killed, data, &node, &error) < 0)
        sim_wrong(cluster, "%s", error.text);
    sim_schedule(cluster, node, 500 + (int64_t)weir_simulator_random(cluster->simulator, START_US),
                 wake, NULL);
    return node;
}

void sim_spawn(weir_simulated_node *node, const char *name, const weir_actor_class *vtable,
               void *self)
{
    weir_error error = WEIR_ERROR_INIT;

    if (weir_node_spawn(weir_simulated_node_get(node), name, vtable, self, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
}

bool sim_master_of(const sim_job *job)
{
    char name[WEIR_ACTOR_NAME_MAX];
    snprintf(name, sizeof name, "job-%s", job->id);
    return job->cluster->jobmanager != NULL &&
           weir_node_context(weir_simulated_node_get(job->cluster->jobmanager), name) != NULL;
}

bool sim_is_whole(const sim_cluster *cluster)
{
    bool whole = cluster->dispatcher != NULL && cluster->jobmanager != NULL;
    for (uint32_t i = 0; whole && i < cluster->plan->taskmanagers; i++)
        whole = sim_taskmanager_node(cluster->taskmanagers[i]) != NULL;
    return whole;
}

/* ---- the dispatcher ---- */

static void start_dispatcher(void *data);

/* Killed, or stopped because its disk failed: whoever looks after it starts it again. */
static void on_dispatcher_end(void *data)
{
    sim_cluster *cluster = data;
    if (cluster->is_over)
        return;
    cluster->dispatcher = NULL;
    sim_disk_crash(cluster->disk);
    int64_t delay_us =
        10000 + (int64_t)weir_simulator_random(cluster->simulator, DISPATCHER_AGAIN_US);
    sim_schedule(cluster, NULL, delay_us, start_dispatcher, cluster);
}

static int new_dispatcher(sim_cluster *cluster, void **ret, weir_error *err)
{
    weir_dispatcher_config config;
    weir_dispatcher_config_init(&config);
    config.cluster = "sim";
    config.version = "test";
    config.host = "sim";
    config.endpoint = "sim://dispatcher";
    config.log_path = "";
    config.grace_ms = 5000; /* registrations are dropped, too */
    config.chunk_max = 500; /* an artifact takes several */
    config.slot_timeout_ms = weir_config_duration_ms(cluster->config, "slot.request.timeout");
    return weir_dispatcher_new(&config, sim_disk_records(cluster->disk),
                               sim_disk_artifacts(cluster->disk), ret, err);
}

static void start_dispatcher(void *data)
{
    sim_cluster *cluster = data;
    weir_error error = WEIR_ERROR_INIT;
    void *dispatcher = NULL;

    if (new_dispatcher(cluster, &dispatcher, &error) < 0) {
        /* Its disk fails: it ends at once, and so again until the disk is well. */
        if (error.code != WEIR_EIO && error.code != WEIR_ENO_SPACE)
            sim_wrong(cluster, "the dispatcher cannot start: %s", error.text);
        sim_disk_crash(cluster->disk);
        sim_schedule(cluster, NULL, 100000, start_dispatcher, cluster);
        return;
    }
    cluster->dispatcher =
        sim_add_node(cluster, "dispatcher", "sim://dispatcher", on_dispatcher_end, cluster);
    sim_spawn(cluster->dispatcher, WEIR_DISPATCHER_ACTOR, &weir_dispatcher_class, dispatcher);
    cluster->dispatcher_actor = dispatcher;
    sim_start_ledger(cluster, cluster->dispatcher);
    sim_start_audit(cluster);
}

/* Epoch 1 passes before anything happens, so that there is a stale one. */
static void open_disk(sim_cluster *cluster)
{
    void *dispatcher = NULL;
    weir_error error = WEIR_ERROR_INIT;

    cluster->disk = sim_disk_new(cluster);
    if (new_dispatcher(cluster, &dispatcher, &error) < 0)
        sim_wrong(cluster, "the dispatcher cannot start: %s", error.text);
    weir_dispatcher_class.destroy(dispatcher);
}

/* ---- the JobManager ---- */

static void start_jobmanager(void *data);

static void on_jobmanager_end(void *data)
{
    sim_cluster *cluster = data;
    if (cluster->is_over)
        return;
    cluster->jobmanager = NULL;
    int64_t delay_us =
        10000 + (int64_t)weir_simulator_random(cluster->simulator, JOBMANAGER_AGAIN_US);
    sim_schedule(cluster, NULL, delay_us, start_jobmanager, cluster);
}

static void start_jobmanager(void *data)
{
    sim_cluster *cluster = data;
    weir_error error = WEIR_ERROR_INIT;
    void *manager = NULL;
    weir_manager_config config = {.config = cluster->config,
                                  .dispatcher = "sim://dispatcher",
                                  .endpoint = "sim://jobmanager",
                                  .host = "sim",
                                  .pid = 1,
                                  .log_path = ""};

    cluster->jobmanager =
        sim_add_node(cluster, "jobmanager", "sim://jobmanager", on_jobmanager_end, cluster);
    if (weir_manager_new(&config, &manager, &error) < 0)
        sim_wrong(cluster, "the JobManager cannot start: %s", error.text);
    sim_spawn(cluster->jobmanager, WEIR_MANAGER_ACTOR, &weir_manager_class, manager);
}

/* ---- the run ---- */

static void make_artifact(sim_artifact *artifact, const char *path)
{
    artifact->path = path;
    memset(artifact->content, 'x', sizeof artifact->content);
    snprintf(artifact->content, sizeof artifact->content, "what stands for %s", path);
    weir_digest digest = weir_digest_of(artifact->content, sizeof artifact->content);
    weir_digest_format(&digest, artifact->digest);
}

static void make_jobs(sim_cluster *cluster)
{
    cluster->njobs = cluster->plan->njobs;
    for (uint32_t i = 0; i < SIM_JOBS_MAX; i++) {
        sim_job *job = &cluster->jobs[i];
        char name[64];
        job->cluster = cluster;
        job->plan = &cluster->plan->jobs[i];
        job->index = i;
        snprintf(name, sizeof name, "job %llu %u", (unsigned long long)cluster->plan->seed, i);
        weir_id id = weir_id_derive(name);
        weir_id_format(&id, job->id);
        memcpy(job->artifact, cluster->artifacts[job->plan->shapes].digest, sizeof job->artifact);
        snprintf(job->directory, sizeof job->directory, "%s/%u", cluster->directory, i);
    }
}

/* Who waits for its slots must get them: the time for that is longer than any job. */
static void make_config(sim_cluster *cluster)
{
    int64_t ask_ms = cluster->plan->ask_timeout_ms;
    char text[32];
    snprintf(text, sizeof text, "%lld ms", (long long)ask_ms);
    cluster->config = weir_config_new();
    if (cluster->config == NULL ||
        weir_config_set(cluster->config, "slot.request.timeout", "30 s", "sim", NULL) < 0 ||
        (ask_ms > 0 && weir_config_set(cluster->config, "rpc.ask.timeout", text, "sim", NULL) < 0))
        abort();
}

static void start_cluster(sim_cluster *cluster)
{
    const char *base = getenv("TMPDIR");
    if (base == NULL) /* jobs sync what they write: in memory that costs nothing */
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    /* The same name for the same seed: it is in messages, and a seed repeats byte for byte. */
    snprintf(cluster->directory, sizeof cluster->directory, "%.70s/weir-sim-%ld-%llu", base,
             (long)getpid(), (unsigned long long)cluster->plan->seed);
    make_config(cluster);
    if (weir_simulator_new(cluster->plan->seed, &cluster->simulator) < 0)
        abort();
    if (mkdir(cluster->directory, 0700) < 0)
        sim_wrong(cluster, "%s cannot be made: %s", cluster->directory, strerror(errno));
    make_artifact(&cluster->artifacts[0], WEIR_EXAMPLES_DIR "/wordcount.so");
    make_artifact(&cluster->artifacts[1], SIM_JOBS_DIR "/shapes.so");
    weir_simulator_set_faults(cluster->simulator, &cluster->plan->messages);
    weir_simulator_trace(cluster->simulator, cluster->plan->trace);
    make_jobs(cluster);
    open_disk(cluster);
    start_dispatcher(cluster);
    start_jobmanager(cluster);
    for (uint32_t i = 0; i < cluster->plan->taskmanagers; i++)
        sim_start_taskmanager(cluster, i);
    for (uint32_t i = 0; i < cluster->njobs; i++)
        sim_start_client(&cluster->jobs[i]);
    if (cluster->plan->ask_timeout_ms > 0)
        sim_excuse(cluster, "nobody has patience");
    sim_plan_disasters(cluster);
}

static void count_messages(sim_cluster *cluster)
{
    weir_fault_counts made = weir_simulator_faults(cluster->simulator);
    weir_fault_counts mattered = weir_simulator_mattered(cluster->simulator);
    sim_counts *counts = &cluster->result->counts;
    const struct {
        enum sim_fault fault;
        uint64_t made, mattered;
    } of[] = {{SIM_MESSAGE_DROPPED, made.dropped, mattered.dropped},
              {SIM_MESSAGE_REPEATED, made.repeated, mattered.repeated},
              {SIM_MESSAGE_REORDERED, made.reordered, mattered.reordered},
              {SIM_MESSAGE_LATE, made.late, mattered.late},
              {SIM_MESSAGE_POSTHUMOUS, made.posthumous, mattered.posthumous},
              {SIM_CUT_BOTH, made.cut, mattered.cut},
              {SIM_CUT_ONE, made.cut_one, mattered.cut_one}};
    for (size_t i = 0; i < WEIR_COUNT(of); i++) {
        counts->made[of[i].fault] = of[i].made;
        counts->mattered[of[i].fault] = of[i].mattered;
    }
}

static void end_cluster(sim_cluster *cluster)
{
    sim_result *result = cluster->result;
    count_messages(cluster);
    sim_count_pauses(cluster);
    cluster->is_over = true;
    result->hash = weir_simulator_hash(cluster->simulator);
    result->virtual_us = weir_simulator_now_us(cluster->simulator);
    weir_simulator_destroy(&cluster->simulator);
    sim_drop_deliveries(cluster);
    sim_free_taskmanagers(cluster);
    sim_disk_close(&cluster->disk);
    weir_config_destroy(&cluster->config);
    for (uint32_t i = 0; i < SIM_JOBS_MAX; i++)
        sim_free_job(&cluster->jobs[i]);
    if (weir_file_remove_tree(cluster->directory, NULL) < 0)
        abort();
}

static bool are_all_ended(void *data)
{
    return !sim_is_busy(data);
}

void sim_run(const sim_plan *plan, sim_result *result)
{
    static sim_cluster cluster; /* too large for the stack */

    memset(&cluster, 0, sizeof cluster);
    memset(result, 0, sizeof *result);
    cluster.plan = plan;
    cluster.result = result;
    start_cluster(&cluster);
    if (weir_simulator_run(cluster.simulator, are_all_ended, &cluster, LIMIT_US) < 0)
        sim_tell_unended(&cluster);
    for (uint32_t i = 0; i < cluster.njobs; i++)
        sim_check_job(&cluster.jobs[i]);
    sim_settle(&cluster);
    end_cluster(&cluster);
}
