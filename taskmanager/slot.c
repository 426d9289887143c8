#include "taskmanager/slot.h"

#include "base/memory.h"
#include "taskmanager/subtask.h"

#include <stdatomic.h>

/* Carries frames from this slot to slot `to`; to itself by a list that the next turn delivers, so
 * that no gate or channel is entered twice. */
typedef struct slot_port {
    weir_port port;
    weir_slot *slot;
    uint32_t to;
} slot_port;

typedef struct print_target {
    weir_slot *slot;
    uint32_t operator_;
} print_target;

/* Counters of one subtask, written by the slot's thread only. */
typedef struct published {
    _Atomic uint64_t records_in, records_out, bytes_queued;
    _Atomic bool backpressured;
} published;

/* The enumerator of one source, and the last answer to each of its subtasks. */
typedef struct split_source {
    weir_enumerator *enumerator;
    weir_connector_context context;
    struct {
        uint64_t number;
        weir_buffer split;
        bool end;
    } * answers;
    uint32_t nanswers;
} split_source;

struct weir_slot {
    weir_slot_config config;
    weir_connector_context connector; /* the part that all operators share */
    slot_port *ports;                 /* by slot */
    weir_port **port_list;
    print_target *prints;    /* by operator */
    weir_subtask **subtasks; /* by task; NULL: the task has no subtask here */
    uint32_t ntasks;
    published *published;        /* by task */
    split_source *split_sources; /* by operator; slot 0 only */
    weir_frame *local_first, *local_last;
    uint32_t running; /* subtasks that have not ended */
    weir_wait *waits; /* by task: what it waits for besides frames */
    int64_t flushed_ms;
    _Atomic uint64_t turns;
    _Atomic bool idle;
};

/* ---- ports ---- */

static int send_frame(weir_port *self, weir_frame *frame, weir_error *err)
{
    slot_port *port = (slot_port *)self;
    weir_slot *slot = port->slot;

    if (port->to != slot->config.slot)
        return slot->config.host->send(slot->config.host, port->to, frame, err);
    frame->next = NULL;
    if (slot->local_last)
        slot->local_last->next = frame;
    else
        slot->local_first = frame;
    slot->local_last = frame;
    return 0;
}

static int print_rows(void *self, const char *bytes, size_t size)
{
    print_target *target = self;
    weir_slot *slot = target->slot;

    return slot->config.host->print(slot->config.host, target->operator_, slot->config.slot, bytes,
                                    size);
}

static void *print_target_of(void *self, uint32_t operator_)
{
    return &((weir_slot *)self)->prints[operator_];
}

static int64_t clock_ms(void *self)
{
    weir_slot_host *host = ((weir_slot *)self)->config.host;
    return host->now_ms(host);
}

/* ---- construction ---- */

static int allocate(weir_slot *slot)
{
    const weir_slot_config *config = &slot->config;
    uint32_t nslots = config->plan->slots, noperators = config->graph->noperators;

    slot->ntasks = config->plan->ntasks;
    slot->ports = weir_calloc(nslots, sizeof *slot->ports);
    slot->port_list = weir_calloc(nslots, sizeof(weir_port *));
    slot->prints = weir_calloc(noperators, sizeof *slot->prints);
    slot->subtasks = weir_calloc(slot->ntasks, sizeof(weir_subtask *));
    slot->published = weir_calloc(slot->ntasks, sizeof *slot->published);
    slot->waits = weir_calloc(slot->ntasks, sizeof *slot->waits);
    slot->split_sources = weir_calloc(noperators, sizeof *slot->split_sources);
    if (!slot->ports || !slot->port_list || !slot->prints || !slot->subtasks || !slot->published ||
        !slot->waits || !slot->split_sources)
        return WEIR_ENO_MEMORY;
    for (uint32_t i = 0; i < nslots; i++) {
        slot->ports[i] = (slot_port){{send_frame}, slot, i};
        slot->port_list[i] = &slot->ports[i].port;
    }
    for (uint32_t i = 0; i < noperators; i++)
        slot->prints[i] = (print_target){slot, i};
    for (uint32_t t = 0; t < slot->ntasks; t++) /* until it runs, a subtask waits for nothing */
        slot->waits[t] = (weir_wait){-1, INT64_MAX};
    return 0;
}

int weir_slot_new(const weir_slot_config *config, weir_slot **ret, weir_error *err)
{
    weir_slot *slot = weir_calloc(1, sizeof *slot);

    if (!slot)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for slot %u", config->slot);
    slot->config = *config;
    int rc = allocate(slot);
    if (rc < 0)
        weir_error_set(err, rc, "no memory for slot %u", config->slot);
    slot->connector = (weir_connector_context){
        .job_id = config->job_id,
        .attempt = config->attempt,
        .now_ms = config->host->now_ms(config->host),
        .clock_ms = clock_ms,
        .clock_self = slot,
        .print = config->host->print ? print_rows : NULL,
    };
    for (uint32_t t = 0; rc == 0 && t < slot->ntasks; t++) {
        const weir_task *task = &config->plan->tasks[t];
        if (task->parallelism <= config->slot)
            continue;
        rc = weir_subtask_new(&slot->config, task, slot->port_list, &slot->connector,
                              print_target_of, slot, &slot->subtasks[t], err);
        slot->running += rc == 0;
    }
    if (rc < 0)
        weir_slot_destroy(&slot);
    else
        *ret = slot;
    return rc;
}

static void close_split_source(split_source *source)
{
    if (source->enumerator)
        source->enumerator->vtable->close(source->enumerator);
    for (uint32_t i = 0; i < source->nanswers; i++)
        weir_buffer_deinit(&source->answers[i].split);
    weir_free(source->answers);
}

static void drop_local(weir_slot *slot)
{
    while (slot->local_first) {
        weir_frame *frame = slot->local_first;
        slot->local_first = frame->next;
        weir_frame_destroy(&frame);
    }
    slot->local_last = NULL;
}

void weir_slot_destroy(weir_slot **slot)
{
    weir_slot *self = *slot;

    if (!self)
        return;
    for (uint32_t t = 0; self->subtasks && t < self->ntasks; t++)
        weir_subtask_destroy(&self->subtasks[t]);
    drop_local(self);
    for (uint32_t i = 0; self->split_sources && i < self->config.graph->noperators; i++)
        close_split_source(&self->split_sources[i]);
    weir_free(self->ports);
    weir_free(self->port_list);
    weir_free(self->prints);
    weir_free(self->subtasks);
    weir_free(self->published);
    weir_free(self->waits);
    weir_free(self->split_sources);
    weir_free(self);
    *slot = NULL;
}

/* ---- status ---- */

static void publish(weir_slot *slot, uint32_t task)
{
    weir_subtask_progress now = {0};
    published *out = &slot->published[task];

    now.records_in = atomic_load_explicit(&out->records_in, memory_order_relaxed);
    now.records_out = atomic_load_explicit(&out->records_out, memory_order_relaxed);
    weir_subtask_counts(slot->subtasks[task], &now);
    atomic_store_explicit(&out->records_in, now.records_in, memory_order_relaxed);
    atomic_store_explicit(&out->records_out, now.records_out, memory_order_relaxed);
    atomic_store_explicit(&out->bytes_queued, now.bytes_queued, memory_order_relaxed);
    atomic_store_explicit(&out->backpressured, now.backpressured, memory_order_relaxed);
}

static void end_subtask(weir_slot *slot, uint32_t task, enum weir_task_status status,
                        const weir_error *error)
{
    weir_subtask *subtask = slot->subtasks[task];

    publish(slot, task);
    weir_subtask_set_status(subtask, status);
    weir_subtask_close(subtask);
    slot->waits[task] = (weir_wait){-1, INT64_MAX};
    slot->running--;
    slot->config.host->status(slot->config.host, task, slot->config.slot, status, error);
}

static bool is_live(const weir_slot *slot, uint32_t task)
{
    return slot->subtasks[task] &&
           !weir_state_is_terminal(&weir_task_status_table,
                                   (uint32_t)weir_subtask_status(slot->subtasks[task]));
}

static void set_status(weir_slot *slot, uint32_t task, enum weir_task_status status)
{
    weir_subtask_set_status(slot->subtasks[task], status);
    slot->config.host->status(slot->config.host, task, slot->config.slot, status, NULL);
}

int weir_slot_open(weir_slot *slot, weir_error *err)
{
    for (uint32_t t = slot->ntasks; t-- > 0;) {
        if (!is_live(slot, t))
            continue;
        set_status(slot, t, WEIR_TASK_INITIALIZING);
        int rc = weir_subtask_open(slot->subtasks[t], err);
        if (rc < 0) {
            weir_error none = {rc, "cannot be opened"};
            end_subtask(slot, t, WEIR_TASK_FAILED, err ? err : &none);
            return rc;
        }
    }
    return 0;
}

void weir_slot_start(weir_slot *slot)
{
    weir_error error = WEIR_ERROR_INIT;

    for (uint32_t t = slot->ntasks; t-- > 0;) {
        if (!is_live(slot, t))
            continue;
        set_status(slot, t, WEIR_TASK_RUNNING);
        if (weir_subtask_start(slot->subtasks[t], &error) < 0)
            end_subtask(slot, t, WEIR_TASK_FAILED, &error);
    }
}

void weir_slot_cancel(weir_slot *slot)
{
    for (uint32_t t = 0; t < slot->ntasks; t++) {
        if (is_live(slot, t))
            end_subtask(slot, t, WEIR_TASK_CANCELED, NULL);
    }
    drop_local(slot);
}

void weir_slot_fail(weir_slot *slot, const weir_error *error)
{
    for (uint32_t t = 0; t < slot->ntasks; t++) {
        if (is_live(slot, t))
            end_subtask(slot, t, WEIR_TASK_FAILED, error);
    }
    drop_local(slot);
}

bool weir_slot_is_done(const weir_slot *slot)
{
    return slot->running == 0;
}

/* ---- frames and messages ---- */

void weir_slot_receive(weir_slot *slot, weir_frame *frame)
{
    const weir_task_edge *edge = weir_task_plan_edge_of(slot->config.plan, frame->channel);
    weir_error error = WEIR_ERROR_INIT;

    if (!edge) {
        weir_error_set(&error, WEIR_ECORRUPT,
                       "a frame for channel %u came; the job has %u channels", frame->channel,
                       slot->config.plan->nchannels);
        weir_frame_destroy(&frame);
        weir_slot_fail(slot, &error);
        return;
    }
    uint32_t task = frame->kind == WEIR_FRAME_CREDIT ? edge->from : edge->to;
    if (!is_live(slot, task)) { /* an ended task needs neither data nor credit */
        weir_frame_destroy(&frame);
        return;
    }
    if (weir_subtask_receive(slot->subtasks[task], edge, frame, &error) < 0)
        end_subtask(slot, task, WEIR_TASK_FAILED, &error);
}

void weir_slot_give_split(weir_slot *slot, uint32_t operator_, uint32_t subtask, uint64_t number,
                          const void *split, size_t size, bool end)
{
    if (subtask != slot->config.slot)
        return;
    for (uint32_t t = 0; t < slot->ntasks; t++) {
        weir_error error = WEIR_ERROR_INIT;
        if (!is_live(slot, t) || slot->config.plan->tasks[t].operators[0] != operator_)
            continue;
        if (weir_subtask_give_split(slot->subtasks[t], number, split, size, end, &error) < 0)
            end_subtask(slot, t, WEIR_TASK_FAILED, &error);
    }
}

void weir_slot_print_ready(weir_slot *slot)
{
    for (uint32_t t = 0; t < slot->ntasks; t++)
        slot->waits[t] = (weir_wait){-1, INT64_MAX};
}

static int open_enumerator(weir_slot *slot, split_source *source, uint32_t operator_,
                           weir_error *err)
{
    const weir_graph_operator *definition = &slot->config.graph->operators[operator_];
    const weir_connector *connector =
        weir_connector_find(slot->config.catalog, definition->connector);

    if (!connector || !connector->open_enumerator)
        return weir_error_set(err, WEIR_EINVALID, "operator %u has no splits", operator_);
    if (!source->answers) { /* there are, when the enumerator could not be opened before */
        uint32_t count = weir_graph_operator_parallelism(slot->config.graph, operator_);
        source->answers = weir_calloc(count, sizeof *source->answers);
        if (!source->answers)
            return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the splits of '%s'",
                                  definition->name);
        source->nanswers = count;
    }
    source->context = slot->connector;
    source->context.operator_ = definition;
    source->context.parallelism = source->nanswers;
    return connector->open_enumerator(&source->context, &source->enumerator, err);
}

int weir_slot_next_split(weir_slot *slot, uint32_t operator_, uint32_t subtask, uint64_t number,
                         weir_buffer *out, weir_error *err)
{
    if (operator_ >= slot->config.graph->noperators)
        return weir_error_set(err, WEIR_EINVALID, "there is no operator %u", operator_);
    split_source *source = &slot->split_sources[operator_];
    if (!source->enumerator) {
        int rc = open_enumerator(slot, source, operator_, err);
        if (rc < 0)
            return weir_error_wrap(err, rc, "%s", slot->config.graph->operators[operator_].where);
    }
    if (subtask >= source->nanswers)
        return weir_error_set(err, WEIR_EINVALID, "there is no subtask %u", subtask);
    if (number < source->answers[subtask].number)
        return weir_error_set(err, WEIR_ESTALE, "split %llu was asked for again, after %llu",
                              (unsigned long long)number,
                              (unsigned long long)source->answers[subtask].number);
    if (source->answers[subtask].number != number) {
        weir_buffer_clear(&source->answers[subtask].split);
        int rc = source->enumerator->vtable->next(source->enumerator, subtask,
                                                  &source->answers[subtask].split, err);
        if (rc < 0)
            return weir_error_wrap(err, rc, "%s", slot->config.graph->operators[operator_].where);
        source->answers[subtask].number = number;
        source->answers[subtask].end = rc == WEIR_READ_END;
    }
    if (source->answers[subtask].end)
        return WEIR_READ_END;
    weir_buffer_append(out, source->answers[subtask].split.data,
                       source->answers[subtask].split.size);
    int rc = weir_buffer_check(out);
    return rc < 0 ? weir_error_set(err, rc, "%s: no memory for a split",
                                   slot->config.graph->operators[operator_].where)
                  : 0;
}

/* ---- turns ---- */

static bool deliver_local(weir_slot *slot)
{
    weir_frame *frame = slot->local_first;

    if (!frame)
        return false;
    slot->local_first = slot->local_last = NULL;
    while (frame) {
        weir_frame *next = frame->next;
        weir_slot_receive(slot, frame);
        frame = next;
    }
    return true;
}

static bool run_subtask(weir_slot *slot, uint32_t task)
{
    weir_error error = WEIR_ERROR_INIT;
    weir_wait wait = {-1, INT64_MAX};
    int rc = weir_subtask_run(slot->subtasks[task], &wait, &error);

    slot->waits[task] = wait;
    if (rc < 0)
        end_subtask(slot, task, WEIR_TASK_FAILED, &error);
    else if (weir_subtask_status(slot->subtasks[task]) == WEIR_TASK_FINISHED)
        end_subtask(slot, task, WEIR_TASK_FINISHED, NULL);
    else if (rc > 0)
        publish(slot, task);
    return rc != 0;
}

/* When rows that wait for room go all the same. */
static int64_t late_ms(const weir_slot *slot)
{
    int64_t timeout = slot->config.buffer_timeout_ms;

    return timeout >= 0 ? slot->flushed_ms + timeout : INT64_MAX;
}

static void flush(weir_slot *slot, int64_t now, bool late)
{
    bool kept = false;

    for (uint32_t t = 0; t < slot->ntasks; t++) {
        weir_error error = WEIR_ERROR_INIT;
        weir_wait wait = {-1, INT64_MAX};
        if (!is_live(slot, t))
            continue;
        int rc = weir_subtask_flush(slot->subtasks[t], late, &wait, &error);
        if (rc < 0) {
            end_subtask(slot, t, WEIR_TASK_FAILED, &error);
            continue;
        }
        if (rc > 0) {
            kept = true;
            wait.at_ms = wait.at_ms < late_ms(slot) ? wait.at_ms : late_ms(slot);
        }
        /* What the run waits for stays; the flush may want to be called earlier. */
        if (slot->waits[t].fd < 0)
            slot->waits[t].fd = wait.fd;
        if (wait.at_ms < slot->waits[t].at_ms)
            slot->waits[t].at_ms = wait.at_ms;
        publish(slot, t);
    }
    if (!kept)
        slot->flushed_ms = now;
}

bool weir_slot_turn(weir_slot *slot)
{
    /* Before user code runs: a slot that does not come back from it is not idle. */
    atomic_store_explicit(&slot->idle, false, memory_order_relaxed);
    bool progress = deliver_local(slot);

    for (uint32_t t = slot->ntasks; t-- > 0;) {
        if (!is_live(slot, t) || weir_subtask_status(slot->subtasks[t]) != WEIR_TASK_RUNNING)
            continue;
        progress |= run_subtask(slot, t);
        progress |= deliver_local(slot);
    }
    int64_t now = slot->config.host->now_ms(slot->config.host);
    bool late = now >= late_ms(slot);
    if (!progress || late) {
        flush(slot, now, late);
        progress |= slot->local_first != NULL;
    }
    atomic_store_explicit(&slot->idle, !progress, memory_order_relaxed);
    if (progress)
        atomic_fetch_add_explicit(&slot->turns, 1, memory_order_relaxed);
    return progress;
}

size_t weir_slot_wait(weir_slot *slot, int *fds, size_t capacity, int64_t *ret_at_ms)
{
    size_t count = 0;

    *ret_at_ms = INT64_MAX;
    for (uint32_t t = 0; t < slot->ntasks; t++) {
        if (!is_live(slot, t))
            continue;
        const weir_wait *wait = &slot->waits[t];
        if (wait->fd >= 0 && count < capacity)
            fds[count++] = wait->fd;
        if (wait->at_ms < *ret_at_ms)
            *ret_at_ms = wait->at_ms;
    }
    return count;
}

size_t weir_slot_progress(const weir_slot *slot, weir_subtask_progress *out, size_t capacity,
                          uint64_t *ret_counter, bool *ret_idle)
{
    size_t count = 0;

    for (uint32_t t = 0; t < slot->ntasks; t++) {
        if (slot->config.plan->tasks[t].parallelism <= slot->config.slot)
            continue;
        const published *from = &slot->published[t];
        if (count < capacity)
            out[count] = (weir_subtask_progress){
                t,
                slot->config.slot,
                atomic_load_explicit(&from->records_in, memory_order_relaxed),
                atomic_load_explicit(&from->records_out, memory_order_relaxed),
                atomic_load_explicit(&from->bytes_queued, memory_order_relaxed),
                atomic_load_explicit(&from->backpressured, memory_order_relaxed)};
        count++;
    }
    *ret_counter = atomic_load_explicit(&slot->turns, memory_order_relaxed);
    *ret_idle = atomic_load_explicit(&slot->idle, memory_order_relaxed);
    return count;
}
