/* A whole job in one thread, without actors or sockets: its slots, joined by queues of frames whose
 * order between two slots is kept and is otherwise chosen by a seed. */
#ifndef TEST_SLOT_JOB_H
#define TEST_SLOT_JOB_H

#include "base/clock.h"
#include "base/memory.h"
#include "connectors/catalog.h"
#include "graph/module.h"
#include "graph/optimizer.h"
#include "operators/operators.h"
#include "taskmanager/slot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* weir_fail calls a member of that name */
#undef fail_msg
#define fail_msg(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

#define SLOTS_MAX 16

typedef struct slot_job slot_job;

/* What a job is opened with; 0 and NULL: the default. */
typedef struct job_options {
    const char *path;          /* of a module's shared object, or */
    const weir_module *module; /* one that is compiled into the test */
    const weir_graph_option *params;
    uint32_t nparams, parallelism;
    bool chaining;
    int runtime_mode; /* as in weir_environment_config */
    uint64_t seed;
    uint32_t window, batch_rows, batch_bytes;
    uint64_t combine_memory, overdraft_max;
} job_options;

typedef struct job_slot {
    weir_slot_host host;
    slot_job *job;
    weir_slot *slot;
    uint32_t number;
} job_slot;

struct slot_job {
    weir_loaded_module module;
    weir_environment *environment;
    weir_graph *graph;
    weir_task_plan *plan;
    weir_api api;
    job_slot slots[SLOTS_MAX];
    weir_frame *first[SLOTS_MAX][SLOTS_MAX], *last[SLOTS_MAX][SLOTS_MAX]; /* from, to */
    uint32_t finished, failed, canceled;
    weir_error error;
    uint64_t frames;
    char *printed;
    size_t printed_size;
    weir_prng prng;
    int64_t now_ms;
    bool lose_a_frame;       /* drops the next batch between slots */
    uint32_t print_refusals; /* of 100 calls of print, so many find the receiver full */
    bool refused;            /* one did since the last turn */
    char log[1024];          /* what was logged last */
};

static int job_send(weir_slot_host *host, uint32_t to, weir_frame *frame, weir_error *err)
{
    job_slot *from = (job_slot *)host;
    slot_job *job = from->job;
    (void)err;

    if (job->lose_a_frame && frame->kind == WEIR_FRAME_BATCH) {
        job->lose_a_frame = false;
        weir_frame_destroy(&frame);
        return 0;
    }
    frame->next = NULL;
    if (job->last[from->number][to])
        job->last[from->number][to]->next = frame;
    else
        job->first[from->number][to] = frame;
    job->last[from->number][to] = frame;
    job->frames++;
    return 0;
}

static void job_status(weir_slot_host *host, uint32_t task, uint32_t subtask,
                       enum weir_task_status status, const weir_error *error)
{
    slot_job *job = ((job_slot *)host)->job;
    (void)task;
    (void)subtask;
    job->finished += status == WEIR_TASK_FINISHED;
    job->canceled += status == WEIR_TASK_CANCELED;
    job->failed += status == WEIR_TASK_FAILED;
    if (error && job->error.code == 0)
        job->error = *error;
}

static void job_want_split(weir_slot_host *host, uint32_t operator_, uint32_t subtask,
                           uint64_t number)
{
    job_slot *slot = (job_slot *)host;
    weir_buffer split = WEIR_BUFFER_INIT;
    weir_error error = WEIR_ERROR_INIT;
    int rc =
        weir_slot_next_split(slot->job->slots[0].slot, operator_, subtask, number, &split, &error);
    assert_true(rc >= 0 || error.code != 0);
    if (rc < 0 && slot->job->error.code == 0)
        slot->job->error = error;
    if (rc >= 0)
        weir_slot_give_split(slot->slot, operator_, subtask, number, split.data, split.size,
                             rc == WEIR_READ_END);
    weir_buffer_deinit(&split);
}

static int job_print(weir_slot_host *host, uint32_t operator_, uint32_t subtask, const char *bytes,
                     size_t size)
{
    slot_job *job = ((job_slot *)host)->job;
    (void)operator_;
    (void)subtask;
    if (job->print_refusals && weir_prng_below(&job->prng, 100) < job->print_refusals) {
        job->refused = true;
        return WEIR_READ_PENDING;
    }
    job->printed = realloc(job->printed, job->printed_size + size + 1);
    memcpy(job->printed + job->printed_size, bytes, size);
    job->printed_size += size;
    job->printed[job->printed_size] = 0;
    return 0;
}

static int64_t job_now_ms(weir_slot_host *host)
{
    return ((job_slot *)host)->job->now_ms;
}

static void job_log(weir_slot_host *host, const char *line)
{
    snprintf(((job_slot *)host)->job->log, sizeof((job_slot *)host)->job->log, "%s", line);
}

static int job_plan(slot_job *job, const job_options *options, weir_error *error)
{
    job->prng.state = options->seed;
    job->api.size = sizeof job->api;
    job->api.abi = WEIR_ABI;
    weir_environment_api(&job->api);
    weir_user_context_api(&job->api);
    if (options->path) {
        int rc = weir_module_load(options->path, &job->module, error);
        if (rc < 0)
            return rc;
    }
    weir_environment_config config = {.catalog = weir_connectors(),
                                      .params = options->params,
                                      .nparams = options->nparams,
                                      .job_name = "",
                                      .parallelism = options->parallelism,
                                      .max_parallelism = -1,
                                      .runtime_mode = options->runtime_mode,
                                      .local = true};
    int rc = weir_environment_build(options->path ? job->module.module : options->module, &config,
                                    &job->api, &job->environment, error);
    if (rc < 0)
        return rc;
    job->graph = weir_environment_take_graph(job->environment);
    rc = weir_graph_optimize(job->graph, error);
    return rc < 0 ? rc : weir_task_plan_new(job->graph, options->chaining, &job->plan, error);
}

static int job_open_slot(slot_job *job, const job_options *options, uint32_t s, weir_error *error)
{
    job_slot *slot = &job->slots[s];
    slot->host =
        (weir_slot_host){job_send, job_status, job_want_split, job_print, job_now_ms, job_log};
    slot->job = job;
    slot->number = s;
    weir_slot_config config = {.graph = job->graph,
                               .plan = job->plan,
                               .environment = job->environment,
                               .api = &job->api,
                               .catalog = weir_connectors(),
                               .slot = s,
                               .job_id = "0123456789abcdef0123456789abcdef",
                               .attempt = 1,
                               .epoch = 7,
                               .window = options->window ? options->window : 32768,
                               .batch_rows = options->batch_rows ? options->batch_rows : 64,
                               .batch_bytes = options->batch_bytes ? options->batch_bytes : 2048,
                               .overdraft_max = options->overdraft_max,
                               .combine_memory =
                                   options->combine_memory ? options->combine_memory : 16384,
                               .buffer_timeout_ms = 100,
                               .host = &slot->host};
    int rc = weir_slot_new(&config, &slot->slot, error);
    return rc < 0 ? rc : weir_slot_open(slot->slot, error);
}

/* The first error, which is job->error too; close the job whatever comes back. */
static int job_try_open(slot_job *job, const job_options *options)
{
    weir_error error = WEIR_ERROR_INIT;

    memset(job, 0, sizeof *job);
    int rc = job_plan(job, options, &error);
    for (uint32_t s = 0; rc == 0 && s < job->plan->slots; s++)
        rc = job_open_slot(job, options, s, &error);
    if (rc < 0 && job->error.code == 0)
        job->error = error;
    return rc;
}

static __attribute__((unused)) void job_open(slot_job *job, const char *module,
                                             const weir_graph_option *params, uint32_t nparams,
                                             uint32_t parallelism, bool chaining, uint64_t seed)
{
    job_options options = {.path = module,
                           .params = params,
                           .nparams = nparams,
                           .parallelism = parallelism,
                           .chaining = chaining,
                           .seed = seed};
    if (job_try_open(job, &options) < 0)
        fail_msg("%s", job->error.text);
}

static __attribute__((unused)) void job_start(slot_job *job)
{
    for (uint32_t s = 0; s < job->plan->slots; s++)
        weir_slot_start(job->slots[s].slot);
}

/* One random frame is delivered, one random slot gets a turn. */
static __attribute__((unused)) bool job_step(slot_job *job)
{
    uint32_t n = job->plan->slots;
    bool progress = false;
    uint64_t start = weir_prng_below(&job->prng, n * n);

    for (uint64_t i = 0; i < n * n && !progress; i++) {
        uint32_t from = (uint32_t)((start + i) % (n * n) / n);
        uint32_t to = (uint32_t)((start + i) % (n * n) % n);
        weir_frame *frame = job->first[from][to];
        if (!frame)
            continue;
        job->first[from][to] = frame->next;
        if (!frame->next)
            job->last[from][to] = NULL;
        weir_slot_receive(job->slots[to].slot, frame);
        progress = true;
    }
    uint64_t turn = weir_prng_below(&job->prng, n);
    for (uint32_t i = 0; i < n; i++) {
        if (weir_slot_turn(job->slots[(turn + i) % n].slot)) {
            progress = true;
            break;
        }
    }
    return progress;
}

static __attribute__((unused)) void job_run(slot_job *job)
{
    uint32_t idle = 0;

    while (idle < 3) {
        idle = job_step(job) || job->refused ? 0 : idle + 1;
        if (idle || job->refused)
            job->now_ms += 50;
        job->refused = false;
    }
}

static void job_close(slot_job *job)
{
    for (uint32_t s = 0; s < SLOTS_MAX; s++)
        weir_slot_destroy(&job->slots[s].slot);
    for (uint32_t i = 0; i < SLOTS_MAX * SLOTS_MAX; i++) {
        for (weir_frame *f = job->first[i / SLOTS_MAX][i % SLOTS_MAX], *next; f; f = next) {
            next = f->next;
            weir_frame_destroy(&f);
        }
    }
    weir_task_plan_destroy(&job->plan);
    weir_graph_destroy(&job->graph);
    weir_environment_destroy(&job->environment);
    if (job->module.handle)
        weir_module_unload(&job->module);
    free(job->printed);
}

#endif
