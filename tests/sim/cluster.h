/* tests/sim/cluster.h -- a whole cluster in the simulator: dispatcher, JobManager, TaskManagers,
 * task runners and a client, the same actors and slots as in the processes, over simulated
 * messages, processes, disks and data connections. One job is submitted and followed to its end. */
#ifndef TESTS_SIM_CLUSTER_H
#define TESTS_SIM_CLUSTER_H

#include "actors/simulator.h"
#include "base/clock.h"
#include "base/options.h"
#include "graph/environment.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_TASKMANAGERS_MAX 8

typedef struct sim_cluster sim_cluster;

typedef struct sim_plan {
    uint64_t seed;
    uint32_t taskmanagers, slots, parallelism;
    const char *module; /* path of the job's shared object */
    const weir_graph_option *params;
    uint32_t nparams;
    weir_fault_plan faults;
    int64_t kill_taskmanager_us;    /* INT64_MAX: never; the first one, and its runners */
    int64_t kill_runner_us;         /* a task runner of the first TaskManager, alone */
    int64_t kill_jobmanager_us;     /* another comes a second later: for jobs not handed out */
    int64_t cut_us, cut_for_us;     /* the last TaskManager, mostly with its runner, from dispatcher
                                     * and JobManager */
    int64_t pause_us, pause_for_us; /* of the last TaskManager's runner and agent */
    int64_t restart_dispatcher_us;  /* killed there, started again 300 ms later */
    int64_t cancel_us;              /* the client cancels the job */
    bool streaming;                 /* execution.runtime-mode: a changelog, every row shuffled */
    uint32_t data_drop, data_repeat; /* chances per data frame, in 1/100,000 */
    int64_t limit_us;                /* virtual time until which the job must have ended */
    bool trace;
} sim_plan;

typedef struct sim_result {
    bool ended;     /* the client saw the end */
    char state[32]; /* FINISHED FAILED CANCELED */
    char error[512];
    weir_fault_counts faults;
    uint64_t frames, frames_dropped, frames_repeated, hash;
    int64_t virtual_us;
} sim_result;

void sim_plan_init(sim_plan *plan);
/* Aborts (fail_msg) on what must never happen; a job that fails is a result. */
void sim_run(const sim_plan *plan, sim_result *result);

/* ---- shared by the files of the simulated cluster ---- */

typedef struct sim_runner sim_runner;

struct sim_cluster {
    const sim_plan *plan;
    sim_result *result;
    weir_simulator *simulator;
    weir_config *config;
    struct weir_records *records; /* the dispatcher's disk */
    struct weir_artifact_store *artifacts;
    weir_simulated_node *dispatcher, *jobmanager, *client;
    struct sim_taskmanager *taskmanagers[SIM_TASKMANAGERS_MAX];
    sim_runner *runners;             /* alive */
    struct sim_delivery *deliveries; /* data frames under way */
    uint32_t serial;
    bool cancelled;
};

weir_simulated_node *sim_add_node(sim_cluster *cluster, const char *role, const char *endpoint,
                                  void (*killed)(void *), void *data);
void sim_start_dispatcher(sim_cluster *cluster);

/* sim_runner.c */
int sim_runner_spawn(sim_cluster *cluster, struct sim_taskmanager *taskmanager,
                     const Weir__Proto__RunnerSpec *spec, weir_error *err);
void sim_runner_kill(sim_cluster *cluster, const struct sim_taskmanager *taskmanager,
                     const char *job); /* job NULL: all of that TaskManager */
weir_simulated_node *sim_runner_node(sim_cluster *cluster, const struct sim_taskmanager *of);
void sim_runner_exited(struct sim_taskmanager *taskmanager, const char *job, const char *reason);
void sim_drop_deliveries(sim_cluster *cluster);

/* sim_client.c */
void sim_start_client(sim_cluster *cluster);

#endif
