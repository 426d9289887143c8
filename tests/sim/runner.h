/* tests/sim/runner.h -- a simulated task runner, shared by runner.c and data.c. */
#ifndef TESTS_SIM_RUNNER_H
#define TESTS_SIM_RUNNER_H

#include "cluster.h"

#include "taskmanager/runner.h"

#define SIM_TASKS_MAX 16

typedef struct sim_slot {
    weir_slot_host host; /* first: the host is the slot */
    sim_runner *runner;
    uint32_t number;
    weir_slot *slot;
    bool turn_scheduled, printing;
    bool ended[SIM_TASKS_MAX];
    int64_t link_us[SIM_SLOTS_MAX]; /* by target slot: when the last frame arrives */
} sim_slot;

struct sim_runner {
    weir_runner_host host; /* first: the host is the runner */
    sim_runner *next;
    sim_cluster *cluster;
    sim_taskmanager *taskmanager;
    sim_job *job;
    weir_simulated_node *node;
    Weir__Proto__RunnerSpec *spec;
    weir_config *config;
    void *actor;
    weir_deployment *deployment;
    sim_slot slots[SIM_SLOTS_MAX];
    bool killed;      /* not by its own will */
    char reason[200]; /* why it ended itself */
};

/* Lets the slot turn, unless it is about to. */
void sim_slot_kick(sim_slot *slot, int64_t delay_us);

/* data.c */
void sim_data_open(sim_runner *runner);  /* it has its deployment */
void sim_data_close(sim_runner *runner); /* drops what was on its way to it */
int sim_slot_send(weir_slot_host *host, uint32_t to_slot, weir_frame *frame, weir_error *err);
/* The others of its job hear of its end, or do not. */
void sim_data_tell_lost(sim_runner *gone);
/* Breaks the data connection of two runners of a job: what is under way is lost, both are told. */
void sim_data_break(sim_runner *a, sim_runner *b);

#endif
