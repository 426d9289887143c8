#include "taskmanager/deployment.h"

#include "base/memory.h"
#include "connectors/catalog.h"
#include "graph/graph_codec.h"
#include "graph/optimizer.h"
#include "operators/operators.h"

#include <stdio.h>
#include <string.h>

#define WINDOW_MIN (32u << 10)
#define WINDOW_MAX (4u << 20)

static int load_code(weir_deployment *self, const weir_graph *submitted, const char *artifact,
                     weir_error *err)
{
    int rc = weir_module_load(artifact, &self->module, err);
    if (rc < 0)
        return rc;
    weir_environment_api(&self->api);
    weir_user_context_api(&self->api);
    weir_environment_config environment = {
        .catalog = self->catalog,
        .params = submitted->params,
        .nparams = submitted->nparams,
        .job_name = submitted->name,
        .parallelism = submitted->parallelism,
        .max_parallelism = (int32_t)submitted->max_parallelism,
        .runtime_mode = submitted->batch ? 2 : 1,
        .local = true, /* what is allowed was decided when the job was submitted */
    };
    rc = weir_environment_build(self->module.module, &environment, &self->api, &self->environment,
                                err);
    if (rc < 0)
        return rc;
    if (weir_graph_fingerprint(weir_environment_graph(self->environment)) !=
        weir_graph_fingerprint(submitted))
        return weir_error_set(err, WEIR_EUSER,
                              "job '%s' builds another graph here than where it was submitted; a "
                              "job's build function may depend on its parameters only",
                              submitted->name);
    /* The same graph, but its schemas know the layout of the module's records. */
    weir_graph_destroy(&self->graph);
    self->graph = weir_environment_take_graph(self->environment);
    return 0;
}

static int place_slots(weir_deployment *self, const Weir__Proto__Deploy *deploy, weir_error *err)
{
    self->nslots = self->plan->slots;
    self->slot_runner = weir_calloc(self->nslots, sizeof *self->slot_runner);
    self->nrunners = (uint32_t)deploy->n_runners;
    self->endpoints = weir_calloc(self->nrunners + 1, sizeof(char *));
    if (!self->slot_runner || !self->endpoints)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the deployment");
    if (deploy->n_slots != self->nslots)
        return weir_error_set(err, WEIR_ECORRUPT, "%zu slots were given; the job has %u",
                              deploy->n_slots, self->nslots);
    uint32_t here = 0;
    for (size_t i = 0; i < deploy->n_slots; i++) { /* in order: each slot once */
        const Weir__Proto__SlotPlace *place = deploy->slots[i];
        here += place->runner == self->runner;
        if (place->slot != i || place->runner >= self->nrunners)
            return weir_error_set(err, WEIR_ECORRUPT, "slot %u lies in runner %u of %u",
                                  place->slot, place->runner, self->nrunners);
        self->slot_runner[place->slot] = place->runner;
    }
    if (here == 0)
        return weir_error_set(err, WEIR_ECORRUPT, "no slot lies in runner %u", self->runner);
    for (uint32_t i = 0; i < self->nrunners; i++) {
        uint32_t index = deploy->runners[i]->runner;
        if (index >= self->nrunners || self->endpoints[index])
            return weir_error_set(err, WEIR_ECORRUPT, "runner %u is given twice or too high",
                                  index);
        self->endpoints[index] = weir_strdup(deploy->runners[i]->data_endpoint);
        if (!self->endpoints[index])
            return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the deployment");
    }
    return 0;
}

int weir_deployment_new(const Weir__Proto__Deploy *deploy, uint64_t epoch, uint32_t runner,
                        const char *artifact, const weir_config *config, weir_deployment **ret,
                        weir_error *err)
{
    weir_deployment *self = weir_calloc(1, sizeof *self);

    if (!self)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the deployment");
    snprintf(self->job, sizeof self->job, "%s", deploy->job);
    self->epoch = epoch;
    self->data_key = deploy->data_key;
    self->runner = runner;
    self->attached = deploy->attached;
    self->config = config;
    self->catalog = weir_connectors();
    self->api.size = sizeof self->api;
    self->api.abi = WEIR_ABI;
    int rc = weir_graph_unpack(deploy->graph.data, deploy->graph.len, &self->graph, err);
    if (rc == 0)
        rc = load_code(self, self->graph, artifact, err);
    if (rc == 0)
        rc = weir_graph_optimize(self->graph, err);
    if (rc == 0)
        rc = weir_task_plan_new(self->graph,
                                weir_config_bool(config, "pipeline.operator-chaining.enabled"),
                                &self->plan, err);
    if (rc == 0)
        rc = place_slots(self, deploy, err);
    if (rc < 0)
        weir_deployment_destroy(&self);
    else
        *ret = self;
    return rc;
}

void weir_deployment_destroy(weir_deployment **deployment)
{
    weir_deployment *self = *deployment;

    if (!self)
        return;
    for (uint32_t i = 0; self->endpoints && i < self->nrunners; i++)
        weir_free(self->endpoints[i]);
    weir_free(self->endpoints);
    weir_free(self->slot_runner);
    weir_task_plan_destroy(&self->plan);
    weir_environment_destroy(&self->environment);
    weir_graph_destroy(&self->graph);
    weir_module_unload(&self->module);
    weir_free(self);
    *deployment = NULL;
}

/* How many channels end in this runner. */
static uint64_t input_channels(const weir_deployment *self)
{
    uint64_t count = 0;

    for (uint32_t e = 0; e < self->plan->nedges; e++) {
        const weir_task_edge *edge = &self->plan->edges[e];
        uint32_t per_consumer = edge->nchannels / edge->to_parallelism;
        for (uint32_t slot = 0; slot < edge->to_parallelism; slot++)
            count += self->slot_runner[slot] == self->runner ? per_consumer : 0;
    }
    return count;
}

uint32_t weir_deployment_window(const weir_deployment *self)
{
    uint64_t channels = input_channels(self);
    uint64_t window = weir_config_size(self->config, "taskmanager.memory.network.size") /
                      (channels ? channels : 1);

    if (window < WINDOW_MIN)
        return WINDOW_MIN;
    return window > WINDOW_MAX ? WINDOW_MAX : (uint32_t)window;
}

/* At most half a window, so that one batch travels while another is worked on. Every runner comes
 * to its own; a batch above the receiver's window still passes, alone. */
uint32_t weir_deployment_batch_bytes(const weir_deployment *self)
{
    uint64_t size = weir_config_size(self->config, "taskmanager.memory.segment-size");
    uint32_t half = weir_deployment_window(self) / 2;

    return size > half ? half : (uint32_t)size;
}

int weir_deployment_route(const weir_deployment *self, const weir_frame *frame, uint32_t *ret_slot)
{
    const weir_task_edge *edge = weir_task_plan_edge_of(self->plan, frame->channel);

    if (!edge)
        return WEIR_ECORRUPT;
    uint32_t at = frame->channel - edge->first_channel;
    if (self->graph->edges[edge->graph_edge].kind == WEIR_EDGE_FORWARD)
        *ret_slot = at;
    else if (frame->kind == WEIR_FRAME_CREDIT)
        *ret_slot = at / edge->to_parallelism;
    else
        *ret_slot = at % edge->to_parallelism;
    return *ret_slot < self->nslots ? 0 : WEIR_ECORRUPT;
}
