#include "taskmanager/subtask.h"

#include "base/memory.h"

#include <string.h>

/* How a source stands with its splits. */
enum split_state {
    SPLIT_NOT_NEEDED, /* the connector has no enumerator */
    SPLIT_WANTED,     /* asked for number `split_number`, no answer yet */
    SPLIT_READING,
    SPLIT_NONE_LEFT
};

typedef struct input {
    const weir_task_edge *edge;
    weir_input_gate *gate;
    uint32_t head_input; /* of the head operator */
    bool ended;
} input;

typedef struct output {
    const weir_task_edge *edge;
    weir_output_channel **channels; /* by target subtask (FORWARD: one) */
    uint32_t nchannels;
    weir_edge_writer *writer;
} output;

struct weir_subtask {
    const weir_slot_config *config;
    const weir_task *task;
    uint32_t index; /* the subtask's number: its slot's */
    enum weir_task_status status;
    weir_chain *chain;
    bool is_source;
    enum split_state splits;
    uint64_t split_number;
    input *inputs;
    uint32_t ninputs;
    output *outputs;
    uint32_t noutputs;
    uint32_t next_input; /* round robin between gates */
    bool ending;         /* all input is consumed */
    bool chain_ended, writers_ended;
    weir_gate_item held; /* a batch that the head was not ready for */
    uint32_t held_input;
};

/* ---- construction ---- */

static enum weir_edge_writer_kind writer_kind(enum weir_edge_kind kind)
{
    switch (kind) {
    case WEIR_EDGE_HASH:
        return WEIR_WRITE_HASH;
    case WEIR_EDGE_REBALANCE:
        return WEIR_WRITE_REBALANCE;
    case WEIR_EDGE_BROADCAST:
        return WEIR_WRITE_BROADCAST;
    case WEIR_EDGE_FORWARD:
        break;
    }
    return WEIR_WRITE_FORWARD;
}

static int new_output(weir_subtask *subtask, output *out, const weir_task_edge *edge,
                      weir_port *const *ports, weir_error *err)
{
    const weir_slot_config *config = subtask->config;
    const weir_graph_edge *graph_edge = &config->graph->edges[edge->graph_edge];
    bool forward = graph_edge->kind == WEIR_EDGE_FORWARD;

    out->edge = edge;
    out->nchannels = forward ? 1 : edge->to_parallelism;
    out->channels = weir_calloc(out->nchannels, sizeof(weir_output_channel *));
    if (!out->channels)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for %u channels", out->nchannels);
    for (uint32_t i = 0; i < out->nchannels; i++) {
        uint32_t consumer = forward ? subtask->index : i;
        uint32_t id = weir_task_plan_channel(edge, graph_edge->kind, subtask->index, consumer);
        int rc = weir_output_channel_new(id, config->epoch, ports[consumer], &out->channels[i]);
        if (rc < 0)
            return weir_error_set(err, rc, "no memory for %u channels", out->nchannels);
    }
    weir_edge_writer_config writer = {
        .kind = writer_kind(graph_edge->kind),
        .schema = config->graph->operators[graph_edge->from].outputs[graph_edge->from_output],
        .keys = graph_edge->keys,
        .nkeys = graph_edge->nkeys,
        .max_parallelism = config->graph->max_parallelism,
        .channels = out->channels,
        .nchannels = out->nchannels,
        .first = subtask->index % out->nchannels,
        .batch_rows = config->batch_rows,
        .batch_bytes = config->batch_bytes,
        .overdraft_max = config->overdraft_max,
    };
    return weir_edge_writer_new(&writer, &out->writer, err);
}

static int new_input(weir_subtask *subtask, input *in, const weir_task_edge *edge,
                     weir_port *const *ports, weir_error *err)
{
    const weir_slot_config *config = subtask->config;
    const weir_graph_edge *graph_edge = &config->graph->edges[edge->graph_edge];
    bool forward = graph_edge->kind == WEIR_EDGE_FORWARD;
    uint32_t count = forward ? 1 : edge->from_parallelism;
    uint32_t *channels = weir_calloc(count, sizeof *channels);
    weir_port **back = weir_calloc(count, sizeof(weir_port *));
    int rc = WEIR_ENO_MEMORY;

    in->edge = edge;
    in->head_input = graph_edge->to_input;
    if (channels && back) {
        for (uint32_t i = 0; i < count; i++) {
            uint32_t producer = forward ? subtask->index : i;
            channels[i] = weir_task_plan_channel(edge, graph_edge->kind, producer, subtask->index);
            back[i] = ports[producer];
        }
        rc = weir_input_gate_new(
            config->graph->operators[graph_edge->to].inputs[graph_edge->to_input], channels, back,
            count, config->epoch, config->window, &in->gate);
    }
    weir_free(channels);
    weir_free(back);
    return rc < 0 ? weir_error_set(err, rc, "no memory for %u channels", count) : 0;
}

static int new_edges(weir_subtask *subtask, weir_port *const *ports, weir_error *err)
{
    const weir_task *task = subtask->task;
    int rc = 0;

    subtask->inputs = weir_calloc(task->ninputs + 1, sizeof *subtask->inputs);
    subtask->outputs = weir_calloc(task->noutputs + 1, sizeof *subtask->outputs);
    if (!subtask->inputs || !subtask->outputs)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for task '%s'", task->name);
    for (; rc == 0 && subtask->ninputs < task->ninputs; subtask->ninputs++)
        rc = new_input(subtask, &subtask->inputs[subtask->ninputs],
                       &subtask->config->plan->edges[task->inputs[subtask->ninputs]], ports, err);
    for (; rc == 0 && subtask->noutputs < task->noutputs; subtask->noutputs++)
        rc =
            new_output(subtask, &subtask->outputs[subtask->noutputs],
                       &subtask->config->plan->edges[task->outputs[subtask->noutputs]], ports, err);
    return rc;
}

static int new_chain(weir_subtask *subtask, const weir_connector_context *connector,
                     void *(*print_self)(void *, uint32_t), void *print_self_data, weir_error *err)
{
    const weir_slot_config *config = subtask->config;
    weir_edge_writer **writers = weir_calloc(subtask->noutputs + 1, sizeof(weir_edge_writer *));

    if (!writers)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for task '%s'", subtask->task->name);
    for (uint32_t i = 0; i < subtask->noutputs; i++)
        writers[i] = subtask->outputs[i].writer;
    weir_chain_config chain = {
        .graph = config->graph,
        .plan = config->plan,
        .task = subtask->task,
        .environment = config->environment,
        .api = config->api,
        .catalog = config->catalog,
        .subtask = subtask->index,
        .batch_rows = config->batch_rows,
        .batch_bytes = config->batch_bytes,
        .combine_memory = config->combine_memory,
        .connector = connector,
        .print_self = print_self,
        .print_self_data = print_self_data,
        .log = (void (*)(void *, const char *))config->host->log,
        .log_self = config->host,
        .writers = writers,
    };
    int rc = weir_chain_new(&chain, &subtask->chain, err);
    weir_free(writers);
    return rc;
}

int weir_subtask_new(const weir_slot_config *config, const weir_task *task, weir_port *const *ports,
                     const weir_connector_context *connector, void *(*print_self)(void *, uint32_t),
                     void *print_self_data, weir_subtask **ret, weir_error *err)
{
    weir_subtask *subtask = weir_calloc(1, sizeof *subtask);

    if (!subtask)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for task '%s'", task->name);
    subtask->config = config;
    subtask->task = task;
    subtask->index = config->slot;
    subtask->status = WEIR_TASK_DEPLOYING;
    const weir_graph_operator *head = &config->graph->operators[task->operators[0]];
    subtask->is_source = head->kind == WEIR_OPERATOR_SOURCE;
    if (subtask->is_source) {
        const weir_connector *connector_class =
            weir_connector_find(config->catalog, head->connector);
        if (connector_class && connector_class->open_enumerator)
            subtask->splits = SPLIT_READING; /* until it is started and asks for its first */
    }
    int rc = new_edges(subtask, ports, err);
    if (rc == 0)
        rc = new_chain(subtask, connector, print_self, print_self_data, err);
    if (rc < 0)
        weir_subtask_destroy(&subtask);
    else
        *ret = subtask;
    return rc;
}

static void release_held(weir_subtask *subtask)
{
    if (subtask->held.batch) {
        weir_batch_unref(&subtask->held.batch);
        subtask->held.batch = NULL;
    }
}

void weir_subtask_close(weir_subtask *subtask)
{
    weir_chain_destroy(&subtask->chain);
    release_held(subtask);
    for (uint32_t i = 0; subtask->inputs && i < subtask->task->ninputs; i++)
        weir_input_gate_destroy(&subtask->inputs[i].gate);
    for (uint32_t i = 0; subtask->outputs && i < subtask->task->noutputs; i++) {
        output *out = &subtask->outputs[i];
        weir_edge_writer_destroy(&out->writer);
        for (uint32_t c = 0; out->channels && c < out->nchannels; c++)
            weir_output_channel_destroy(&out->channels[c]);
        weir_free(out->channels);
        out->channels = NULL;
    }
}

void weir_subtask_destroy(weir_subtask **subtask)
{
    if (!*subtask)
        return;
    weir_subtask_close(*subtask);
    weir_free((*subtask)->inputs);
    weir_free((*subtask)->outputs);
    weir_free(*subtask);
    *subtask = NULL;
}

/* ---- starting ---- */

int weir_subtask_open(weir_subtask *subtask, weir_error *err)
{
    return weir_chain_open(subtask->chain, err);
}

static void want_split(weir_subtask *subtask)
{
    subtask->splits = SPLIT_WANTED;
    subtask->split_number++;
    weir_slot_host *host = subtask->config->host;
    host->want_split(host, subtask->task->operators[0], subtask->index, subtask->split_number);
}

int weir_subtask_start(weir_subtask *subtask, weir_error *err)
{
    for (uint32_t i = 0; i < subtask->ninputs; i++) {
        int rc = weir_input_gate_start(subtask->inputs[i].gate, err);
        if (rc < 0)
            return rc;
    }
    if (subtask->splits == SPLIT_READING)
        want_split(subtask);
    return 0;
}

int weir_subtask_give_split(weir_subtask *subtask, uint64_t number, const void *split, size_t size,
                            bool end, weir_error *err)
{
    if (subtask->splits != SPLIT_WANTED || number != subtask->split_number)
        return 0; /* an answer that came twice */
    subtask->splits = end ? SPLIT_NONE_LEFT : SPLIT_READING;
    if (end)
        return 0;
    weir_operator *head = weir_chain_head(subtask->chain);
    return head->vtable->add_split(head, split, size, err);
}

/* ---- frames ---- */

static int receive_credit(weir_subtask *subtask, const weir_task_edge *edge,
                          const weir_frame *frame, weir_error *err)
{
    for (uint32_t i = 0; i < subtask->noutputs; i++) {
        output *out = &subtask->outputs[i];
        if (out->edge != edge || !out->channels)
            continue;
        uint32_t target = (frame->channel - edge->first_channel) % edge->to_parallelism;
        if (out->nchannels == 1)
            target = 0;
        return weir_output_channel_credit(out->channels[target], frame, err);
    }
    return 0; /* the subtask has ended: nobody needs the credit */
}

int weir_subtask_receive(weir_subtask *subtask, const weir_task_edge *edge, weir_frame *frame,
                         weir_error *err)
{
    if (frame->kind == WEIR_FRAME_CREDIT) {
        int rc = receive_credit(subtask, edge, frame, err);
        weir_frame_destroy(&frame);
        return rc;
    }
    for (uint32_t i = 0; i < subtask->ninputs; i++) {
        if (subtask->inputs[i].edge == edge && subtask->inputs[i].gate)
            return weir_input_gate_receive(subtask->inputs[i].gate, frame, err);
    }
    weir_frame_destroy(&frame);
    return 0;
}

/* ---- running ---- */

static bool outputs_have_room(const weir_subtask *subtask)
{
    for (uint32_t i = 0; i < subtask->noutputs; i++) {
        if (!weir_edge_writer_has_room(subtask->outputs[i].writer))
            return false;
    }
    return true;
}

static int run_source(weir_subtask *subtask, weir_wait *wait, weir_error *err)
{
    if (subtask->splits == SPLIT_WANTED)
        return 0;
    if (subtask->splits == SPLIT_NONE_LEFT) {
        subtask->ending = true;
        return 1;
    }
    weir_operator *head = weir_chain_head(subtask->chain);
    int rc = head->vtable->poll(head, wait, err);
    if (rc == WEIR_READ_SPLIT_END)
        want_split(subtask);
    else if (rc == WEIR_READ_END)
        subtask->ending = true;
    else if (rc == WEIR_READ_PENDING)
        return 0;
    return rc < 0 ? rc : 1;
}

static int process_held(weir_subtask *subtask, weir_wait *wait, weir_error *err)
{
    input *in = &subtask->inputs[subtask->held_input];
    int rc = weir_chain_process(subtask->chain, in->head_input,
                                weir_batch_columns(subtask->held.batch), wait, err);
    if (rc == WEIR_PENDING)
        return 0;
    if (rc == 0)
        rc = weir_input_gate_release(in->gate, &subtask->held, err);
    release_held(subtask);
    return rc < 0 ? rc : 1;
}

static int forward_watermark(weir_subtask *subtask, weir_error *err)
{
    int64_t least = INT64_MAX;

    for (uint32_t i = 0; i < subtask->ninputs; i++) {
        int64_t watermark = weir_input_gate_watermark(subtask->inputs[i].gate);
        if (!subtask->inputs[i].ended && watermark < least)
            least = watermark;
    }
    for (uint32_t i = 0; least != INT64_MIN && i < subtask->noutputs; i++) {
        int rc = weir_edge_writer_watermark(subtask->outputs[i].writer, least, err);
        if (rc < 0)
            return rc;
    }
    return 1;
}

static int end_gate(weir_subtask *subtask, input *in)
{
    in->ended = true;
    subtask->ending = true;
    for (uint32_t i = 0; i < subtask->ninputs; i++)
        subtask->ending &= subtask->inputs[i].ended;
    return 1;
}

static int handle_event(weir_subtask *subtask, uint32_t which, int event, weir_gate_item *item,
                        weir_wait *wait, weir_error *err)
{
    input *in = &subtask->inputs[which];

    switch (event) {
    case WEIR_GATE_BATCH:
        subtask->held = *item;
        subtask->held_input = which;
        return process_held(subtask, wait, err);
    case WEIR_GATE_WATERMARK:
        return forward_watermark(subtask, err);
    case WEIR_GATE_END:
        return end_gate(subtask, in);
    case WEIR_GATE_BARRIER:
    case WEIR_GATE_IDLE:
        return 1;
    default:
        return event < 0 ? event : 0;
    }
}

static int run_gates(weir_subtask *subtask, weir_wait *wait, weir_error *err)
{
    for (uint32_t i = 0; i < subtask->ninputs; i++) {
        uint32_t which = (subtask->next_input + i) % subtask->ninputs;
        input *in = &subtask->inputs[which];
        if (in->ended || !weir_input_gate_has_events(in->gate))
            continue;
        weir_gate_item item = {0};
        int event = weir_input_gate_next(in->gate, &item, err);
        if (event == WEIR_GATE_EMPTY)
            continue;
        subtask->next_input = which + 1;
        return handle_event(subtask, which, event, &item, wait, err);
    }
    return 0;
}

static int run_end(weir_subtask *subtask, weir_wait *wait, weir_error *err)
{
    if (!subtask->chain_ended) {
        int rc = weir_chain_end(subtask->chain, wait, err);
        if (rc == WEIR_PENDING)
            return wait->fd >= 0 || (wait->at_ms != INT64_MAX && wait->at_ms > 0) ? 0 : 1;
        if (rc < 0)
            return rc;
        if (weir_chain_has_stash(subtask->chain))
            return 1;
        subtask->chain_ended = true;
    }
    for (uint32_t i = 0; !subtask->writers_ended && i < subtask->noutputs; i++) {
        int rc = weir_edge_writer_end(subtask->outputs[i].writer, err);
        if (rc < 0)
            return rc;
    }
    subtask->writers_ended = true;
    for (uint32_t i = 0; i < subtask->noutputs; i++) {
        if (!weir_edge_writer_is_drained(subtask->outputs[i].writer))
            return 0;
    }
    subtask->status = WEIR_TASK_FINISHED;
    return 1;
}

int weir_subtask_run(weir_subtask *subtask, weir_wait *wait, weir_error *err)
{
    if (subtask->status != WEIR_TASK_RUNNING)
        return 0;
    if (weir_chain_has_stash(subtask->chain)) {
        int rc = weir_chain_unstash(subtask->chain, wait, err);
        if (rc != 0)
            return rc == WEIR_PENDING ? 0 : rc;
    }
    if (subtask->writers_ended)
        return run_end(subtask, wait, err);
    if (!outputs_have_room(subtask))
        return 0;
    if (subtask->held.batch)
        return process_held(subtask, wait, err);
    if (subtask->ending)
        return run_end(subtask, wait, err);
    if (subtask->is_source)
        return run_source(subtask, wait, err);
    return run_gates(subtask, wait, err);
}

int weir_subtask_flush(weir_subtask *subtask, bool late, weir_wait *wait, weir_error *err)
{
    int kept = 0;

    if (subtask->status != WEIR_TASK_RUNNING || subtask->chain_ended)
        return 0;
    int rc = weir_chain_flush(subtask->chain, wait, err);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < subtask->noutputs; i++) {
        if (!weir_edge_writer_has_rows(subtask->outputs[i].writer))
            continue;
        if (!late && !weir_edge_writer_has_room(subtask->outputs[i].writer)) {
            kept = 1;
            continue;
        }
        rc = weir_edge_writer_flush(subtask->outputs[i].writer, err);
        if (rc < 0)
            return rc;
    }
    return kept;
}

/* ---- facts ---- */

enum weir_task_status weir_subtask_status(const weir_subtask *subtask)
{
    return subtask->status;
}

void weir_subtask_set_status(weir_subtask *subtask, enum weir_task_status status)
{
    subtask->status = status;
}

void weir_subtask_counts(const weir_subtask *subtask, weir_subtask_progress *ret)
{
    ret->task = subtask->task->index;
    ret->subtask = subtask->index;
    if (!subtask->chain)
        return; /* closed: the last counts stay */
    weir_chain_counts(subtask->chain, &ret->records_in, &ret->records_out);
    ret->bytes_queued = 0;
    for (uint32_t i = 0; i < subtask->ninputs; i++)
        ret->bytes_queued += weir_input_gate_queued(subtask->inputs[i].gate);
    ret->backpressured = subtask->status == WEIR_TASK_RUNNING && !outputs_have_room(subtask);
}
