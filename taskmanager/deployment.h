/* taskmanager/deployment.h -- what a task runner was told to run: the job's graph and tasks, the
 * module's user code, which slot lies in which runner. Made once per runner, read by all its slots.
 */
#ifndef TASKMANAGER_DEPLOYMENT_H
#define TASKMANAGER_DEPLOYMENT_H

#include "base/options.h"
#include "exchange/frame.h"
#include "graph/environment.h"
#include "graph/module.h"
#include "graph/task_plan.h"
#include "proto/control.pb-c.h"

typedef struct weir_deployment {
    char job[33];
    uint64_t epoch, data_key;
    uint32_t runner; /* own index */
    bool attached;
    weir_graph *graph; /* optimized */
    weir_task_plan *plan;
    weir_loaded_module module;
    weir_environment *environment;
    weir_api api;
    const weir_connector_catalog *catalog;
    uint32_t *slot_runner; /* by slot of the job: which runner */
    uint32_t nslots;
    char **endpoints; /* by runner: its data bus */
    uint32_t nrunners;
    const weir_config *config; /* borrowed */
} weir_deployment;

/* Loads the module (running its constructors and build function) and checks that it builds the
 * graph that was submitted. */
int weir_deployment_new(const Weir__Proto__Deploy *deploy, uint64_t epoch, uint32_t runner,
                        const char *artifact, const weir_config *config, weir_deployment **ret,
                        weir_error *err) WEIR_MUST_CHECK;
void weir_deployment_destroy(weir_deployment **deployment);

/* The bytes granted to each input channel, so that all of a runner's fit its network memory. */
uint32_t weir_deployment_window(const weir_deployment *deployment);
uint32_t weir_deployment_batch_bytes(const weir_deployment *deployment);

/* The slot that a frame is for: the producer's for CREDIT, else the consumer's. */
int weir_deployment_route(const weir_deployment *deployment, const weir_frame *frame,
                          uint32_t *ret_slot) WEIR_MUST_CHECK;

#endif
