/* A task runner with real slots, one of two of its job: its JobMaster and the other runner say
 * anything, in messages and in data frames.
 *
 *   see fuzz_world.c; its own step: a data frame as in fuzz_exchange.h, right or of any bytes */
#include "fuzz_exchange.h"
#include "fuzz_world.h"

#include "base/memory.h"
#include "batch/builder.h"
#include "connectors/catalog.h"
#include "graph/graph_codec.h"
#include "taskmanager/runner.h"
#include "taskmanager/slot_config.h"

#include <string.h>

#define BODY(name) WEIR__PROTO__ENVELOPE__BODY_##name

enum { SLOTS = 2, TURNS_MAX = 200, EPOCH = 1 };

typedef struct world_of_runner {
    weir_runner_host host; /* first */
    weir_slot_host slot_host;
    fuzz_world *world;
    void *actor;
    weir_deployment *deployment;
    weir_slot *slot; /* number 0 */
    uint64_t sequences[16];
} world_of_runner;

static const char *const actors[] = {"runner", NULL};
static const char *const incoming[] = {"jobmanager", NULL};
static const int bodies[] = {BODY(START_TASKS),   BODY(CANCEL_TASKS), BODY(DEPLOY),
                             BODY(REQUEST_SPLIT), BODY(END_RUNNER),   0};

static world_of_runner *of(weir_runner_host *host)
{
    return (world_of_runner *)host;
}

static world_of_runner *of_slot(weir_slot_host *host)
{
    return (world_of_runner *)(void *)((char *)host - offsetof(world_of_runner, slot_host));
}

static weir_context *context_of(const world_of_runner *r)
{
    return weir_node_context(r->world->node, WEIR_RUNNER_ACTOR);
}

/* ---- what the slot tells ---- */

static int slot_send(weir_slot_host *host, uint32_t to_slot, weir_frame *frame, weir_error *err)
{
    world_of_runner *r = of_slot(host);
    uint32_t routed;
    (void)err;
    FUZZ_CHECK(to_slot < SLOTS && frame->epoch == EPOCH);
    FUZZ_OK(weir_deployment_route(r->deployment, frame, &routed));
    FUZZ_CHECK(routed == to_slot);
    if (to_slot == 0)
        weir_slot_receive(r->slot, frame);
    else
        weir_frame_destroy(&frame);
    return 0;
}

static void slot_status(weir_slot_host *host, uint32_t task, uint32_t subtask,
                        enum weir_task_status status, const weir_error *error)
{
    world_of_runner *r = of_slot(host);
    if (error != NULL)
        fuzz_check_failure(error->code, error);
    if (context_of(r) != NULL)
        weir_runner_on_status(r->actor, context_of(r), subtask, task, status, 0, 0, error);
}

static void slot_want_split(weir_slot_host *host, uint32_t operator_, uint32_t subtask,
                            uint64_t number)
{
    world_of_runner *r = of_slot(host);
    if (context_of(r) != NULL)
        weir_runner_on_want_split(r->actor, context_of(r), operator_, subtask, number);
}

static int slot_print(weir_slot_host *host, uint32_t operator_, uint32_t subtask, const char *bytes,
                      size_t size)
{
    world_of_runner *r = of_slot(host);
    if (context_of(r) != NULL)
        weir_runner_on_print(r->actor, context_of(r), subtask, operator_, bytes, size);
    return 0;
}

static int64_t slot_now_ms(weir_slot_host *host)
{
    return of_slot(host)->world->now_ms;
}

static void slot_log(weir_slot_host *host, const char *line)
{
    (void)host;
    FUZZ_CHECK(line[0] != '\0');
}

static void turn(world_of_runner *r)
{
    for (int i = 0; r->slot != NULL && i < TURNS_MAX && weir_slot_turn(r->slot); i++)
        continue;
}

/* ---- the runner's host ---- */

static int deploy(weir_runner_host *host, weir_deployment *deployment, weir_error *err)
{
    world_of_runner *r = of(host);

    FUZZ_CHECK(r->deployment == NULL);
    r->deployment = deployment;
    FUZZ_CHECK(deployment->nslots == SLOTS);
    for (uint32_t s = 0; s < SLOTS; s++) {
        if (deployment->slot_runner[s] != 0)
            continue;
        int rc = 0;
        if (s == 0) {
            weir_slot_config config = weir_slot_config_of(deployment, s, &r->slot_host);
            config.batch_rows = 16;
            rc = weir_slot_new(&config, &r->slot, err);
            if (rc == 0)
                rc = weir_slot_open(r->slot, err);
        }
        weir_runner_on_opened(r->actor, context_of(r), s, rc < 0 ? err : NULL);
    }
    return 0;
}

static void start(weir_runner_host *host)
{
    world_of_runner *r = of(host);
    if (r->slot != NULL)
        weir_slot_start(r->slot);
    turn(r);
}

static void cancel(weir_runner_host *host)
{
    if (of(host)->slot != NULL)
        weir_slot_cancel(of(host)->slot);
}

static void give_split(weir_runner_host *host, uint32_t operator_, uint32_t subtask,
                       uint64_t number, const void *split, size_t size, bool end)
{
    if (of(host)->slot != NULL && subtask == 0)
        weir_slot_give_split(of(host)->slot, operator_, subtask, number, split, size, end);
}

static void ask_split(weir_runner_host *host, uint32_t operator_, uint32_t subtask, uint64_t number,
                      void *cookie)
{
    world_of_runner *r = of(host);
    weir_buffer split = WEIR_BUFFER_INIT;
    weir_error err = WEIR_ERROR_INIT;
    int rc = r->slot == NULL
                 ? weir_error_set(&err, WEIR_ESTATE, "there is no slot")
                 : weir_slot_next_split(r->slot, operator_, subtask, number, &split, &err);

    if (rc < 0)
        fuzz_check_failure(rc, &err);
    weir_runner_on_split(r->actor, context_of(r), cookie, split.data, split.size,
                         rc == WEIR_READ_END, rc < 0 ? &err : NULL);
    weir_buffer_deinit(&split);
}

static void print_ready(weir_runner_host *host, uint32_t slot)
{
    FUZZ_CHECK(slot == 0 && of(host)->slot != NULL);
    weir_slot_print_ready(of(host)->slot);
}

static size_t progress(weir_runner_host *host, uint32_t slot, weir_subtask_progress *out,
                       size_t capacity, uint64_t *ret_counter, bool *ret_idle)
{
    world_of_runner *r = of(host);
    return slot == 0 && r->slot != NULL
               ? weir_slot_progress(r->slot, out, capacity, ret_counter, ret_idle)
               : 0;
}

static void print_to_log(weir_runner_host *host, const void *bytes, size_t size)
{
    (void)host;
    for (size_t i = 0; i < size; i++)
        (void)*((volatile const uint8_t *)bytes + i);
}

static void die(weir_runner_host *host, const char *reason)
{
    FUZZ_CHECK(reason[0] != '\0');
    weir_node_stop(of(host)->world->node);
}

/* ---- frames of the other runner ---- */

static weir_batch *make_batch(world_of_runner *r, uint32_t channel)
{
    const weir_task_edge *edge = weir_task_plan_edge_of(r->deployment->plan, channel);
    const weir_graph_edge *of_graph = &r->deployment->graph->edges[edge->graph_edge];
    weir_schema *schema = r->deployment->graph->operators[of_graph->to].inputs[0];
    weir_builder *builder = NULL;
    weir_batch *batch = NULL;
    int64_t n = 3;

    FUZZ_OK(weir_builder_new(schema, 8, 1u << 16, &builder));
    for (uint32_t i = 0; i < weir_schema_count(schema); i++) {
        if (weir_kind_is_variable(weir_schema_at(schema, i)->kind))
            FUZZ_OK(weir_builder_put_bytes(builder, i, "a word", 6));
        else
            FUZZ_OK(weir_builder_put_fixed(builder, i, &n));
    }
    FUZZ_OK(weir_builder_end_row(builder, INT64_MIN, WEIR_INSERT));
    FUZZ_OK(weir_builder_finish(builder, &batch));
    weir_builder_destroy(&builder);
    return batch;
}

static weir_frame *right_frame(world_of_runner *r, fuzz_input *input, uint32_t channel)
{
    static const enum weir_frame_kind kinds[] = {
        WEIR_FRAME_BATCH,     WEIR_FRAME_CREDIT, WEIR_FRAME_END,    WEIR_FRAME_BATCH,
        WEIR_FRAME_WATERMARK, WEIR_FRAME_IDLE,   WEIR_FRAME_BARRIER};
    weir_frame *frame = weir_frame_new(kinds[fuzz_below(input, WEIR_COUNT(kinds))], channel);

    FUZZ_CHECK(frame != NULL);
    frame->epoch = EPOCH;
    frame->sequence = ++r->sequences[channel % WEIR_COUNT(r->sequences)];
    if (frame->kind == WEIR_FRAME_BATCH)
        frame->batch = make_batch(r, channel);
    else if (frame->kind == WEIR_FRAME_CREDIT)
        frame->u.credit = 1 + fuzz_u16(input);
    else if (frame->kind == WEIR_FRAME_IDLE)
        frame->u.idle = fuzz_u8(input) & 1;
    else
        frame->u.watermark = fuzz_u8(input);
    frame->cost = weir_frame_cost(frame);
    return frame;
}

static void receive_frame(fuzz_world *world, fuzz_input *input)
{
    world_of_runner *r = world->data;
    uint8_t what = fuzz_u8(input);
    uint32_t channel = fuzz_below(input, 8), slot;

    if (r->deployment == NULL)
        return;
    weir_frame *frame;
    if (what % 4 == 0) {
        frame = fuzz_raw_frame(input);
    } else {
        if (weir_task_plan_edge_of(r->deployment->plan, channel) == NULL)
            return;
        frame = right_frame(r, input, channel);
        if (what % 16 == 1)
            frame->sequence += 1;
    }
    if (frame == NULL)
        return;
    if (r->slot != NULL && weir_deployment_route(r->deployment, frame, &slot) == 0 && slot == 0)
        weir_slot_receive(r->slot, frame);
    else
        weir_frame_destroy(&frame);
    turn(r);
}

/* ---- the job ---- */

static const char *artifact(void)
{
    return FUZZ_JOB;
}

/* Its graph, as the submitter packs it. */
static const weir_buffer *graph(const weir_config *config)
{
    static weir_buffer packed;
    weir_loaded_module module = {NULL, NULL};
    weir_environment *environment = NULL;
    weir_error err = WEIR_ERROR_INIT;
    weir_api api = {.size = sizeof api, .abi = WEIR_ABI};
    weir_environment_config building = {.catalog = weir_connectors(),
                                        .job_name = "",
                                        .parallelism = SLOTS,
                                        .max_parallelism = -1,
                                        .runtime_mode = 1};
    (void)config;
    if (packed.size > 0)
        return &packed;
    if (weir_module_load(artifact(), &module, &err) != 0)
        fuzz_fail(__FILE__, __LINE__, "%s", err.text);
    weir_environment_api(&api);
    if (weir_environment_build(module.module, &building, &api, &environment, &err) != 0)
        fuzz_fail(__FILE__, __LINE__, "%s", err.text);
    FUZZ_OK(weir_graph_pack(weir_environment_graph(environment), &packed));
    weir_environment_destroy(&environment);
    weir_module_unload(&module);
    return &packed;
}

/* What every run but a few begins with: the right deployment. */
static void deploy_right(fuzz_world *world, const weir_config *config)
{
    Weir__Proto__Deploy body = WEIR__PROTO__DEPLOY__INIT;
    Weir__Proto__RunnerAddress addresses[SLOTS], *runners[SLOTS];
    Weir__Proto__SlotPlace places[SLOTS], *slots[SLOTS];

    for (uint32_t i = 0; i < SLOTS; i++) {
        weir__proto__runner_address__init(&addresses[i]);
        weir__proto__slot_place__init(&places[i]);
        addresses[i].runner = places[i].slot = places[i].runner = i;
        addresses[i].data_endpoint = (char *)(uintptr_t) "inproc://data";
        runners[i] = &addresses[i];
        slots[i] = &places[i];
    }
    body.job = (char *)(uintptr_t)FUZZ_JOB_A;
    body.graph.data = graph(config)->data;
    body.graph.len = graph(config)->size;
    body.runners = runners;
    body.slots = slots;
    body.n_runners = body.n_slots = SLOTS;
    body.attached = true;
    fuzz_world_tell(world, FUZZ_PUPPETS - 1, "runner", BODY(DEPLOY), &body.base);
}

static weir_config *configuration(void)
{
    static weir_config *config;
    if (config == NULL) {
        config = weir_config_new();
        FUZZ_CHECK(config != NULL);
        FUZZ_OK(weir_config_set(config, "taskmanager.memory.network.size", "1mb", "job", NULL));
    }
    return config;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const fuzz_role role = {.role = "runner",
                                   .actors = actors,
                                   .incoming = incoming,
                                   .bodies = bodies,
                                   .epoch = EPOCH,
                                   .act = receive_frame};
    fuzz_input input = {data, size};
    fuzz_world world;
    weir_config *config = configuration();
    world_of_runner r = {.host = {.deploy = deploy,
                                  .start = start,
                                  .cancel = cancel,
                                  .give_split = give_split,
                                  .ask_split = ask_split,
                                  .print_ready = print_ready,
                                  .progress = progress,
                                  .print_to_log = print_to_log,
                                  .die = die},
                         .slot_host = {.send = slot_send,
                                       .status = slot_status,
                                       .want_split = slot_want_split,
                                       .print = slot_print,
                                       .now_ms = slot_now_ms,
                                       .log = slot_log},
                         .world = &world};
    Weir__Proto__RunnerSpec spec = WEIR__PROTO__RUNNER_SPEC__INIT;
    weir_runner_config runner = {.spec = &spec,
                                 .config = config,
                                 .data_endpoint = "inproc://data",
                                 .pid = 1,
                                 .host = &r.host};

    spec.job = (char *)(uintptr_t)FUZZ_JOB_A;
    spec.jobmanager = (char *)(uintptr_t) "sim://jobmanager";
    spec.master = (char *)(uintptr_t) "job-" FUZZ_JOB_A;
    spec.artifact = (char *)(uintptr_t)artifact();
    spec.epoch = EPOCH;
    spec.slots = 1;
    FUZZ_OK(weir_runner_new(&runner, &r.actor, NULL));
    fuzz_world_init(&world, &role);
    world.data = &r;
    fuzz_world_spawn(&world, WEIR_RUNNER_ACTOR, &weir_runner_class, r.actor);
    if (fuzz_u8(&input) % 16 != 15)
        deploy_right(&world, config);
    fuzz_world_run(&world, &input);
    weir_slot_destroy(&r.slot);
    weir_deployment_destroy(&r.deployment);
    return 0;
}
