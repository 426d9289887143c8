/* tests/sim/agent.c -- a simulated TaskManager: the agent, and its hands: a cache of artifacts and
 * task runners that are simulated, too. */
#include "cluster.h"

#include "base/memory.h"
#include "taskmanager/agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AGAIN_US = 1500000, EXIT_US = 20000 };

struct sim_taskmanager {
    weir_agent_host host; /* first: the host is the TaskManager */
    sim_taskmanager *next;
    sim_cluster *cluster;
    uint32_t index;
    weir_simulated_node *node;
    void *agent;
    struct {
        uint64_t stored; /* bytes that are here */
        bool whole;
    } cache[SIM_ARTIFACTS];
    struct runner_end *ends;
    bool alive, cache_fails;
};

weir_simulated_node *sim_taskmanager_node(const sim_taskmanager *taskmanager)
{
    return taskmanager != NULL && taskmanager->alive ? taskmanager->node : NULL;
}

void sim_taskmanager_fail_cache(sim_taskmanager *taskmanager)
{
    taskmanager->cache_fails = true;
}

/* ---- the agent's hands ---- */

static sim_taskmanager *self_of(weir_agent_host *host)
{
    return (sim_taskmanager *)host;
}

static uint32_t artifact_of(const sim_taskmanager *self, const char *digest)
{
    for (uint32_t i = 0; i < SIM_ARTIFACTS; i++) {
        if (strcmp(self->cluster->artifacts[i].digest, digest) == 0)
            return i;
    }
    sim_wrong(self->cluster, "an artifact that nobody uploaded was asked for: %s", digest);
}

static int find_artifact(weir_agent_host *host, const char *digest, char *path, size_t size)
{
    sim_taskmanager *self = self_of(host);
    uint32_t which = artifact_of(self, digest);
    snprintf(path, size, "%s", self->cluster->artifacts[which].path);
    return self->cache[which].whole ? 0 : WEIR_ENOT_FOUND;
}

static int store_artifact(weir_agent_host *host, const char *digest, uint64_t offset,
                          const void *bytes, size_t size, uint64_t total, weir_error *err)
{
    sim_taskmanager *self = self_of(host);
    uint32_t which = artifact_of(self, digest);
    const sim_artifact *artifact = &self->cluster->artifacts[which];

    if (self->cache_fails && !self->cluster->is_calm) {
        self->cache_fails = false;
        sim_mattered(self->cluster, SIM_CACHE_FAILS);
        sim_excuse(self->cluster, "the cache of a TaskManager failed");
        return weir_error_set(err, WEIR_ENO_SPACE, "artifact cache: the disk is full, as planned");
    }
    if (offset != self->cache[which].stored && offset != 0)
        return weir_error_set(err, WEIR_ECORRUPT, "artifact cache: a chunk at %llu, not %llu",
                              (unsigned long long)offset,
                              (unsigned long long)self->cache[which].stored);
    if (total != sizeof artifact->content || offset + size > total ||
        memcmp(bytes, artifact->content + offset, size) != 0)
        sim_wrong(self->cluster, "an artifact arrived with other bytes than were uploaded");
    self->cache[which].stored = offset + size;
    self->cache[which].whole = offset + size == total;
    return 0;
}

static int spawn(weir_agent_host *host, const Weir__Proto__RunnerSpec *spec, weir_error *err)
{
    return sim_runner_spawn(self_of(host)->cluster, self_of(host), spec, err);
}

static void kill_runner(weir_agent_host *host, const char *job)
{
    (void)sim_runner_kill(self_of(host)->cluster, self_of(host), job);
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

/* The end of a task runner, which the agent hears of a little later, as by a signal. */
typedef struct runner_end {
    struct runner_end *next;
    sim_taskmanager *taskmanager;
    char job[WEIR_ID_HEX], reason[200];
} runner_end;

static void tell_end(void *data)
{
    runner_end *end = data;
    sim_taskmanager *self = end->taskmanager;
    weir_context *context =
        weir_node_context(weir_simulated_node_get(self->node), WEIR_AGENT_ACTOR);
    weir_runner_exit exit = {end->job, 0, *end->reason ? 9 : 0, end->reason, ""};
    if (context != NULL)
        weir_agent_on_exit(self->agent, context, &exit);
}

void sim_runner_exited(sim_taskmanager *taskmanager, const char *job, const char *reason)
{
    sim_cluster *cluster = taskmanager->cluster;
    if (!taskmanager->alive)
        return;
    runner_end *end = weir_calloc(1, sizeof *end);
    if (end == NULL)
        abort();
    end->taskmanager = taskmanager;
    end->next = taskmanager->ends;
    taskmanager->ends = end;
    snprintf(end->job, sizeof end->job, "%s", job);
    snprintf(end->reason, sizeof end->reason, "%s", reason);
    sim_schedule(cluster, taskmanager->node,
                 100 + (int64_t)weir_simulator_random(cluster->simulator, EXIT_US), tell_end, end);
}

/* ---- life and death ---- */

static void start_again(void *data)
{
    const sim_taskmanager *former = data;
    sim_start_taskmanager(former->cluster, former->index);
}

/* Its runners end with it. Whoever looks after it starts another one in its place. */
static void on_end(void *data)
{
    sim_taskmanager *self = data;
    sim_cluster *cluster = self->cluster;
    self->alive = false;
    if (cluster->is_over)
        return;
    (void)sim_runner_kill(cluster, self, NULL);
    sim_schedule(cluster, NULL,
                 10000 + (int64_t)weir_simulator_random(cluster->simulator, AGAIN_US), start_again,
                 self);
}

void sim_start_taskmanager(sim_cluster *cluster, uint32_t index)
{
    sim_taskmanager *self = weir_calloc(1, sizeof *self);
    const sim_taskmanager *former = cluster->taskmanagers[index];
    weir_error error = WEIR_ERROR_INIT;

    if (self == NULL)
        abort();
    self->host = (weir_agent_host){.find_artifact = find_artifact,
                                   .store_artifact = store_artifact,
                                   .spawn = spawn,
                                   .kill = kill_runner,
                                   .read_log = read_log};
    self->cluster = cluster;
    self->index = index;
    self->alive = true;
    self->next = cluster->all_taskmanagers;
    cluster->all_taskmanagers = self;
    cluster->taskmanagers[index] = self;
    if (former != NULL) /* what is whole in the cache was synced */
        memcpy(self->cache, former->cache, sizeof self->cache);
    for (uint32_t i = 0; i < SIM_ARTIFACTS; i++)
        self->cache[i].stored = self->cache[i].whole ? self->cache[i].stored : 0;
    self->node = sim_add_node(cluster, "taskmanager", NULL, on_end, self);
    weir_agent_config config = {.config = cluster->config,
                                .dispatcher = "sim://dispatcher",
                                .host_name = "sim",
                                .pid = 1,
                                .slots = cluster->plan->slots,
                                .host = &self->host};
    if (weir_agent_new(&config, &self->agent, &error) < 0)
        sim_wrong(cluster, "a TaskManager cannot start: %s", error.text);
    sim_spawn(self->node, WEIR_AGENT_ACTOR, &weir_agent_class, self->agent);
}

void sim_free_taskmanagers(sim_cluster *cluster)
{
    while (cluster->all_taskmanagers != NULL) {
        sim_taskmanager *gone = cluster->all_taskmanagers;
        cluster->all_taskmanagers = gone->next;
        while (gone->ends != NULL) {
            runner_end *end = gone->ends;
            gone->ends = end->next;
            weir_free(end);
        }
        weir_free(gone);
    }
}
