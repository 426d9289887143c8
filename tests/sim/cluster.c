#include "cluster.h"

#include "base/memory.h"
#include "dispatcher/artifact_memory.h"
#include "dispatcher/dispatcher.h"
#include "jobmanager/manager.h"
#include "store/memory_records.h"
#include "taskmanager/agent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* heartbeat.timeout, and what follows from it. */
#define OWNER_MAX_US (20 * INT64_C(1000000))

#define RUNNER_PACE 40 /* how much more seldom task runners beat */

typedef struct sim_taskmanager {
    weir_agent_host host;
    sim_cluster *cluster;
    weir_simulated_node *node;
    void *agent;
    uint64_t stored; /* bytes of the artifact that arrived */
    bool whole, alive;
} sim_taskmanager;

void sim_plan_init(sim_plan *plan)
{
    *plan = (sim_plan){.taskmanagers = 2,
                       .slots = 2,
                       .parallelism = 4,
                       .faults = {.delay_min_us = 50, .delay_max_us = 300},
                       .kill_taskmanager_us = INT64_MAX,
                       .kill_runner_us = INT64_MAX,
                       .kill_jobmanager_us = INT64_MAX,
                       .cut_us = INT64_MAX,
                       .pause_us = INT64_MAX,
                       .restart_dispatcher_us = INT64_MAX,
                       .cancel_us = INT64_MAX,
                       .limit_us = 180 * 1000000ll};
}

static void wake(void *data)
{
    (void)data; /* any event runs the node */
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
        fail_msg("%s", error.text);
    /* A process takes a moment to start. */
    if (weir_simulator_schedule(cluster->simulator, node,
                                500 + (int64_t)weir_simulator_random(cluster->simulator, 5000),
                                wake, NULL) < 0)
        fail();
    return node;
}

/* ---- the agent's hands ---- */

static int find_artifact(weir_agent_host *host, const char *digest, char *path, size_t size)
{
    sim_taskmanager *self = (sim_taskmanager *)host;
    (void)digest;
    snprintf(path, size, "%s", self->cluster->plan->module);
    return self->whole ? 0 : WEIR_ENOT_FOUND;
}

static int store_artifact(weir_agent_host *host, const char *digest, uint64_t offset,
                          const void *bytes, size_t size, uint64_t total, weir_error *err)
{
    sim_taskmanager *self = (sim_taskmanager *)host;
    (void)digest;
    (void)bytes;
    if (offset != self->stored && offset != 0)
        return weir_error_set(err, WEIR_ECORRUPT, "a chunk at %llu", (unsigned long long)offset);
    self->stored = offset + size;
    self->whole = self->stored == total;
    return 0;
}

static int spawn(weir_agent_host *host, const Weir__Proto__RunnerSpec *spec, weir_error *err)
{
    sim_taskmanager *self = (sim_taskmanager *)host;
    return sim_runner_spawn(self->cluster, self, spec, err);
}

static void kill_runner(weir_agent_host *host, const char *job)
{
    sim_taskmanager *self = (sim_taskmanager *)host;
    sim_runner_kill(self->cluster, self, job);
}

static int read_log(weir_agent_host *host, const char *job, size_t max, weir_buffer *out,
                    weir_error *err)
{
    (void)host;
    (void)job;
    (void)max;
    (void)out;
    return weir_error_set(err, WEIR_ENOT_FOUND, "no log");
}

void sim_runner_exited(sim_taskmanager *taskmanager, const char *job, const char *reason)
{
    if (!taskmanager->alive)
        return;
    weir_context *context =
        weir_node_context(weir_simulated_node_get(taskmanager->node), WEIR_AGENT_ACTOR);
    weir_runner_exit exit = {job, 0, *reason ? 9 : 0, reason, ""};
    if (context)
        weir_agent_on_exit(taskmanager->agent, context, &exit);
}

static void on_taskmanager_end(void *data)
{
    sim_taskmanager *self = data;
    self->alive = false;
}

/* ---- starting the cluster ---- */

static void spawn_actor(weir_simulated_node *node, const char *name, const weir_actor_class *vtable,
                        void *self)
{
    weir_error error = WEIR_ERROR_INIT;

    if (weir_node_spawn(weir_simulated_node_get(node), name, vtable, self, &error) < 0)
        fail_msg("%s", error.text);
}

void sim_start_dispatcher(sim_cluster *cluster)
{
    weir_dispatcher_config config;
    weir_error error = WEIR_ERROR_INIT;
    void *dispatcher = NULL;

    weir_dispatcher_config_init(&config);
    config.cluster = "sim";
    config.version = "test";
    config.host = "sim";
    config.endpoint = "sim://dispatcher";
    config.log_path = "";
    config.grace_ms = 5000; /* registrations are dropped, too */
    cluster->dispatcher = sim_add_node(cluster, "dispatcher", "sim://dispatcher", NULL, NULL);
    if (weir_dispatcher_new(&config, cluster->records, cluster->artifacts, &dispatcher, &error) < 0)
        fail_msg("%s", error.text);
    spawn_actor(cluster->dispatcher, WEIR_DISPATCHER_ACTOR, &weir_dispatcher_class, dispatcher);
}

static void start_jobmanager(sim_cluster *cluster)
{
    weir_error error = WEIR_ERROR_INIT;
    void *manager = NULL;
    weir_manager_config config = {.config = cluster->config,
                                  .dispatcher = "sim://dispatcher",
                                  .endpoint = "sim://jobmanager",
                                  .host = "sim",
                                  .pid = 1,
                                  .log_path = ""};

    cluster->jobmanager = sim_add_node(cluster, "jobmanager", "sim://jobmanager", NULL, NULL);
    if (weir_manager_new(&config, &manager, &error) < 0)
        fail_msg("%s", error.text);
    spawn_actor(cluster->jobmanager, WEIR_MANAGER_ACTOR, &weir_manager_class, manager);
}

static void start_taskmanager(sim_cluster *cluster, uint32_t index)
{
    sim_taskmanager *self = weir_calloc(1, sizeof *self);
    weir_error error = WEIR_ERROR_INIT;

    self->host =
        (weir_agent_host){find_artifact, store_artifact, spawn, kill_runner, read_log, NULL, NULL};
    self->cluster = cluster;
    self->alive = true;
    self->node = sim_add_node(cluster, "taskmanager", NULL, on_taskmanager_end, self);
    weir_agent_config config = {.config = cluster->config,
                                .dispatcher = "sim://dispatcher",
                                .host_name = "sim",
                                .pid = 1,
                                .slots = cluster->plan->slots,
                                .host = &self->host};
    if (weir_agent_new(&config, &self->agent, &error) < 0)
        fail_msg("%s", error.text);
    spawn_actor(self->node, WEIR_AGENT_ACTOR, &weir_agent_class, self->agent);
    cluster->taskmanagers[index] = self;
}

/* ---- what the plan does to it ---- */

static void kill_taskmanager(void *data)
{
    sim_cluster *cluster = data;
    sim_taskmanager *victim = cluster->taskmanagers[0];

    victim->alive = false; /* the agent is not told of its runners' end: it dies with them */
    sim_runner_kill(cluster, victim, NULL);
    weir_simulator_kill(cluster->simulator, victim->node);
}

static void kill_one_runner(void *data)
{
    sim_cluster *cluster = data;
    sim_runner_kill(cluster, cluster->taskmanagers[0], NULL);
}

static void revive_jobmanager(void *data)
{
    start_jobmanager(data);
}

static void kill_jobmanager(void *data)
{
    sim_cluster *cluster = data;
    weir_simulator_kill(cluster->simulator, cluster->jobmanager);
    if (weir_simulator_schedule(cluster->simulator, NULL, 1000000, revive_jobmanager, cluster) < 0)
        fail();
}

static void cut_taskmanager(void *data)
{
    sim_cluster *cluster = data;
    sim_taskmanager *victim = cluster->taskmanagers[cluster->plan->taskmanagers - 1];
    weir_simulated_node *runner = sim_runner_node(cluster, victim);
    int64_t duration = cluster->plan->cut_for_us;
    bool both_ways = duration % 2 == 0;

    if (!victim->alive)
        return;
    weir_simulator_cut(cluster->simulator, victim->node, cluster->dispatcher, true, duration);
    weir_simulator_cut(cluster->simulator, victim->node, cluster->jobmanager, both_ways, duration);
    bool whole_host = duration % 3 != 0 || duration > OWNER_MAX_US; /* else the agent alone */
    if (runner && whole_host)
        weir_simulator_cut(cluster->simulator, runner, cluster->jobmanager, both_ways, duration);
}

static void pause_taskmanager(void *data)
{
    sim_cluster *cluster = data;
    sim_taskmanager *victim = cluster->taskmanagers[cluster->plan->taskmanagers - 1];
    weir_simulated_node *runner = sim_runner_node(cluster, victim);

    if (victim->alive)
        weir_simulator_pause(cluster->simulator, victim->node, cluster->plan->pause_for_us);
    if (runner)
        weir_simulator_pause(cluster->simulator, runner, cluster->plan->pause_for_us);
}

static void revive_dispatcher(void *data)
{
    sim_start_dispatcher(data);
}

static void kill_dispatcher(void *data)
{
    sim_cluster *cluster = data;

    weir_simulator_kill(cluster->simulator, cluster->dispatcher);
    weir_memory_records_crash(cluster->records);
    weir_artifact_memory_crash(cluster->artifacts);
    if (weir_simulator_schedule(cluster->simulator, NULL, 300000, revive_dispatcher, cluster) < 0)
        fail();
}

static void schedule(sim_cluster *cluster, int64_t at_us, void (*run)(void *))
{
    if (at_us != INT64_MAX &&
        weir_simulator_schedule(cluster->simulator, NULL, at_us, run, cluster) < 0)
        fail();
}

static bool is_over(void *data)
{
    return ((sim_cluster *)data)->result->ended;
}

static bool is_quiet(void *data)
{
    return !((sim_cluster *)data)->runners;
}

/* Whatever became of the job, its task runners end, also on a host that stays cut off: nobody there
 * goes on with what others were given or were told is over. */
static void check_no_owner(sim_cluster *cluster)
{
    int64_t now_us = weir_simulator_now_us(cluster->simulator);
    int64_t paused_until_us = cluster->plan->pause_us == INT64_MAX
                                  ? 0
                                  : cluster->plan->pause_us + cluster->plan->pause_for_us;
    int64_t from_us = now_us > paused_until_us ? now_us : paused_until_us;

    if (weir_simulator_run(cluster->simulator, is_quiet, cluster, from_us + OWNER_MAX_US) < 0)
        fail_msg("seed %llu: the job is %s; a task runner of it lives on %lld s later; replay: "
                 "test_sim_cluster --seed %llu --trace",
                 (unsigned long long)cluster->plan->seed, cluster->result->state,
                 (long long)(OWNER_MAX_US / 1000000), (unsigned long long)cluster->plan->seed);
}

/* ---- the run ---- */

static void end_cluster(sim_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->plan->taskmanagers; i++)
        cluster->taskmanagers[i]->alive = false;
    weir_simulator_destroy(&cluster->simulator);
    sim_drop_deliveries(cluster);
    for (uint32_t i = 0; i < cluster->plan->taskmanagers; i++)
        weir_free(cluster->taskmanagers[i]);
    weir_records_close(&cluster->records);
    weir_artifact_store_close(&cluster->artifacts);
    weir_config_destroy(&cluster->config);
}

void sim_run(const sim_plan *plan, sim_result *result)
{
    sim_cluster cluster = {.plan = plan, .result = result};

    memset(result, 0, sizeof *result);
    cluster.config = weir_config_new();
    if (!cluster.config || weir_simulator_new(plan->seed, &cluster.simulator) < 0 ||
        weir_memory_records_new(&cluster.records) < 0 ||
        weir_artifact_memory_new(1 << 20, &cluster.artifacts) < 0)
        fail_msg("no memory");
    weir_simulator_set_faults(cluster.simulator, &plan->faults);
    weir_simulator_trace(cluster.simulator, plan->trace);
    sim_start_dispatcher(&cluster);
    start_jobmanager(&cluster);
    for (uint32_t i = 0; i < plan->taskmanagers; i++)
        start_taskmanager(&cluster, i);
    sim_start_client(&cluster);
    schedule(&cluster, plan->kill_taskmanager_us, kill_taskmanager);
    schedule(&cluster, plan->kill_runner_us, kill_one_runner);
    schedule(&cluster, plan->kill_jobmanager_us, kill_jobmanager);
    schedule(&cluster, plan->cut_us, cut_taskmanager);
    schedule(&cluster, plan->pause_us, pause_taskmanager);
    schedule(&cluster, plan->restart_dispatcher_us, kill_dispatcher);
    int rc = weir_simulator_run(cluster.simulator, is_over, &cluster, plan->limit_us);
    result->virtual_us = weir_simulator_now_us(cluster.simulator);
    result->faults = weir_simulator_faults(cluster.simulator);
    result->hash = weir_simulator_hash(cluster.simulator);
    if (rc == 0 && result->ended)
        check_no_owner(&cluster);
    end_cluster(&cluster);
    if (rc < 0 || !result->ended)
        fail_msg("seed %llu: the job did not end in %lld s of virtual time; it is %s; replay: "
                 "test_sim_cluster --seed %llu --trace",
                 (unsigned long long)plan->seed, (long long)(plan->limit_us / 1000000),
                 *result->state ? result->state : "not known", (unsigned long long)plan->seed);
}
