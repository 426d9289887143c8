#include "taskmanager/chain.h"

#include "base/memory.h"
#include "operators/null_key.h"
#include "operators/operators.h"

#include <string.h>

/* The way from one output of an operator into a chained operator. */
typedef struct link {
    weir_operator *to;
    uint32_t input;
    weir_builder *stash; /* rows that `to` was not ready for; NULL until needed */
} link;

/* The way out of the task. */
typedef struct way_out {
    weir_collector *writer;
    const weir_graph_edge *edge;
} way_out;

/* One output: first the chained consumers, then the edges. */
typedef struct fan {
    weir_collector collector;
    link *links;
    uint32_t nlinks;
    way_out *edges;
    uint32_t nedges;
    weir_chain *chain;
} fan;

typedef struct member {
    weir_operator *operator_;
    const weir_graph_operator *definition;
    weir_connector_context connector;
    fan fans[WEIR_GRAPH_OUTPUTS_MAX];
    bool ended;
} member;

struct weir_chain {
    weir_chain_config config;
    member *members;
    uint32_t nmembers;
    uint32_t ending;  /* first member that has not ended */
    uint32_t stashes; /* links with stashed rows */
};

static member *member_of(weir_chain *chain, uint32_t operator_)
{
    for (uint32_t i = 0; i < chain->nmembers; i++) {
        if (chain->config.task->operators[i] == operator_)
            return &chain->members[i];
    }
    return NULL;
}

/* ---- stashing ---- */

static int cannot_stash(const link *to, int rc, weir_error *err)
{
    const weir_graph_operator *of = to->to->context.operator_;

    if (rc == WEIR_ETOO_LARGE)
        return weir_error_set(err, rc,
                              "%s: %s: is not ready, and the rows that wait for it are more than "
                              "%u MiB; emit less for one record",
                              of->where, of->name, WEIR_BATCH_SIZE_MAX >> 20);
    return weir_error_set(err, rc, "%s: %s: no memory for the rows that wait until it is ready: %s",
                          of->where, of->name, weir_code_text(rc));
}

static int stash_rows(fan *from, link *to, const weir_columns *columns, weir_error *err)
{
    weir_chain *chain = from->chain;
    int rc = 0;

    if (!to->stash)
        rc = weir_builder_new(to->to->context.operator_->inputs[to->input],
                              chain->config.batch_rows, chain->config.batch_bytes, &to->stash);
    if (rc < 0)
        return cannot_stash(to, rc, err);
    if (weir_builder_rows(to->stash) == 0)
        chain->stashes++;
    rc = weir_builder_append_columns(to->stash, columns, NULL, columns->rows, NULL);
    return rc < 0 ? cannot_stash(to, rc, err) : 0;
}

static int feed_link(fan *from, link *to, const weir_columns *columns, weir_error *err)
{
    if (to->stash && weir_builder_rows(to->stash) > 0)
        return stash_rows(from, to, columns, err);
    weir_wait wait = {-1, INT64_MAX}; /* asked again when the stash is emptied */
    int rc = to->to->vtable->process_batch(to->to, to->input, columns, &wait, err);
    if (rc != WEIR_PENDING)
        return rc;
    return stash_rows(from, to, columns, err);
}

/* Behind key_by no key is NULL. */
static int feed_edge(const fan *from, const way_out *to, const weir_columns *columns,
                     weir_error *err)
{
    const weir_graph *graph = from->chain->config.graph;
    const weir_graph_edge *edge = to->edge;
    int rc = weir_null_key_check(&graph->operators[edge->to],
                                 graph->operators[edge->from].outputs[edge->from_output], columns,
                                 edge->keys, edge->nkeys, err);

    return rc < 0 ? rc : to->writer->collect(to->writer, columns, err);
}

static int collect(weir_collector *self, const weir_columns *columns, weir_error *err)
{
    fan *out = (fan *)self;

    if (columns->rows == 0)
        return 0;
    for (uint32_t i = 0; i < out->nlinks; i++) {
        int rc = feed_link(out, &out->links[i], columns, err);
        if (rc < 0)
            return rc;
    }
    for (uint32_t i = 0; i < out->nedges; i++) {
        int rc = feed_edge(out, &out->edges[i], columns, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

bool weir_chain_has_stash(const weir_chain *chain)
{
    return chain->stashes > 0;
}

static int unstash_link(weir_chain *chain, link *to, weir_wait *wait, weir_error *err)
{
    if (!to->stash || weir_builder_rows(to->stash) == 0)
        return 0;
    int rc =
        to->to->vtable->process_batch(to->to, to->input, weir_builder_view(to->stash), wait, err);
    if (rc == 0) {
        weir_builder_clear(to->stash);
        chain->stashes--;
    }
    return rc;
}

int weir_chain_unstash(weir_chain *chain, weir_wait *wait, weir_error *err)
{
    for (uint32_t i = 0; i < chain->nmembers; i++) {
        for (uint32_t o = 0; o < WEIR_GRAPH_OUTPUTS_MAX; o++) {
            fan *out = &chain->members[i].fans[o];
            for (uint32_t l = 0; l < out->nlinks; l++) {
                int rc = unstash_link(chain, &out->links[l], wait, err);
                if (rc != 0)
                    return rc;
            }
        }
    }
    return 0;
}

/* ---- wiring ---- */

static int count_consumers(weir_chain *chain, uint32_t operator_, uint32_t output,
                           uint32_t *ret_links, uint32_t *ret_edges)
{
    const weir_chain_config *config = &chain->config;

    *ret_links = *ret_edges = 0;
    for (uint32_t e = 0; e < config->graph->nedges; e++) {
        const weir_graph_edge *edge = &config->graph->edges[e];
        if (edge->from != operator_ || edge->from_output != output)
            continue;
        bool leaves = false;
        for (uint32_t t = 0; t < config->task->noutputs; t++)
            leaves |= config->plan->edges[config->task->outputs[t]].graph_edge == e;
        if (leaves)
            (*ret_edges)++;
        else if (member_of(chain, edge->to))
            (*ret_links)++;
        else
            return WEIR_EINTERNAL;
    }
    return 0;
}

static void connect_consumer(weir_chain *chain, fan *out, uint32_t e)
{
    const weir_chain_config *config = &chain->config;
    const weir_graph_edge *edge = &config->graph->edges[e];

    for (uint32_t t = 0; t < config->task->noutputs; t++) {
        if (config->plan->edges[config->task->outputs[t]].graph_edge == e) {
            out->edges[out->nedges++] =
                (way_out){weir_edge_writer_collector(config->writers[t]), edge};
            return;
        }
    }
    out->links[out->nlinks++] = (link){member_of(chain, edge->to)->operator_, edge->to_input, NULL};
}

static int wire_output(weir_chain *chain, member *from, uint32_t operator_, uint32_t output)
{
    fan *out = &from->fans[output];
    uint32_t nlinks, nedges;
    int rc = count_consumers(chain, operator_, output, &nlinks, &nedges);
    if (rc < 0)
        return rc;
    out->chain = chain;
    out->collector.collect = collect;
    out->links = weir_calloc(nlinks + 1, sizeof *out->links);
    out->edges = weir_calloc(nedges + 1, sizeof *out->edges);
    if (!out->links || !out->edges)
        return WEIR_ENO_MEMORY;
    for (uint32_t e = 0; e < chain->config.graph->nedges; e++) {
        const weir_graph_edge *edge = &chain->config.graph->edges[e];
        if (edge->from == operator_ && edge->from_output == output)
            connect_consumer(chain, out, e);
    }
    return 0;
}

static int new_operator(weir_chain *chain, member *of, uint32_t index)
{
    const weir_chain_config *config = &chain->config;
    const weir_graph_operator *definition = &config->graph->operators[index];
    weir_operator_context context = {
        .graph = config->graph,
        .operator_ = definition,
        .code = weir_environment_code(config->environment, definition->origin),
        .api = config->api,
        .subtask = config->subtask,
        .parallelism = config->task->parallelism,
        .batch_rows = config->batch_rows,
        .batch_bytes = config->batch_bytes,
        .combine_memory = config->combine_memory,
        .log = config->log,
        .log_self = config->log_self,
    };

    of->definition = definition;
    if (definition->connector && *definition->connector) {
        of->connector = *config->connector;
        of->connector.operator_ = definition;
        of->connector.subtask = config->subtask;
        of->connector.parallelism = config->task->parallelism;
        of->connector.print_self = config->print_self(config->print_self_data, index);
        context.connector = &of->connector;
        context.connector_class = weir_connector_find(config->catalog, definition->connector);
        if (!context.connector_class)
            return WEIR_ENOT_FOUND;
    }
    for (uint32_t o = 0; o < definition->noutputs; o++)
        context.outputs[o] = &of->fans[o].collector;
    return weir_operator_new(&context, &of->operator_);
}

int weir_chain_new(const weir_chain_config *config, weir_chain **ret, weir_error *err)
{
    weir_chain *chain = weir_calloc(1, sizeof *chain);
    int rc = WEIR_ENO_MEMORY;

    if (!chain)
        return weir_error_set(err, rc, "no memory for the operators of task '%s'",
                              config->task->name);
    chain->config = *config;
    chain->nmembers = config->task->noperators;
    chain->members = weir_calloc(chain->nmembers, sizeof *chain->members);
    rc = chain->members ? 0 : WEIR_ENO_MEMORY;
    for (uint32_t i = 0; rc == 0 && i < chain->nmembers; i++)
        rc = new_operator(chain, &chain->members[i], config->task->operators[i]);
    for (uint32_t i = 0; rc == 0 && i < chain->nmembers; i++) {
        for (uint32_t o = 0; rc == 0 && o < chain->members[i].definition->noutputs; o++)
            rc = wire_output(chain, &chain->members[i], config->task->operators[i], o);
    }
    if (rc < 0) {
        weir_chain_destroy(&chain);
        return weir_error_set(err, rc, "cannot set up the operators of task '%s': %s",
                              config->task->name, weir_code_text(rc));
    }
    *ret = chain;
    return 0;
}

/* Consumers first, so that a source that emits in open finds them ready. */
int weir_chain_open(weir_chain *chain, weir_error *err)
{
    for (uint32_t i = chain->nmembers; i-- > 0;) {
        weir_operator *operator_ = chain->members[i].operator_;
        int rc = operator_->vtable->open(operator_, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void free_fan(fan *out)
{
    for (uint32_t i = 0; out->links && i < out->nlinks; i++)
        weir_builder_destroy(&out->links[i].stash);
    weir_free(out->links);
    weir_free(out->edges);
}

void weir_chain_destroy(weir_chain **chain)
{
    weir_chain *self = *chain;

    if (!self)
        return;
    for (uint32_t i = 0; self->members && i < self->nmembers; i++) {
        weir_operator *operator_ = self->members[i].operator_;
        if (operator_)
            operator_->vtable->close(operator_);
        for (uint32_t o = 0; o < WEIR_GRAPH_OUTPUTS_MAX; o++)
            free_fan(&self->members[i].fans[o]);
    }
    weir_free(self->members);
    weir_free(self);
    *chain = NULL;
}

/* ---- running ---- */

weir_operator *weir_chain_head(weir_chain *chain)
{
    return chain->members[0].operator_;
}

int weir_chain_process(weir_chain *chain, uint32_t input, const weir_columns *columns,
                       weir_wait *wait, weir_error *err)
{
    weir_operator *head = chain->members[0].operator_;

    return head->vtable->process_batch(head, input, columns, wait, err);
}

int weir_chain_flush(weir_chain *chain, weir_wait *wait, weir_error *err)
{
    int result = WEIR_DONE;

    for (uint32_t i = 0; i < chain->nmembers; i++) {
        weir_operator *operator_ = chain->members[i].operator_;
        if (!operator_->vtable->flush || chain->members[i].ended)
            continue;
        int rc = operator_->vtable->flush(operator_, wait, err);
        if (rc < 0)
            return rc;
        if (rc == WEIR_PENDING)
            result = WEIR_PENDING;
    }
    return result;
}

int weir_chain_end(weir_chain *chain, weir_wait *wait, weir_error *err)
{
    if (chain->ending == chain->nmembers)
        return WEIR_DONE;
    member *next = &chain->members[chain->ending];
    int rc = WEIR_DONE;
    if (next->operator_->vtable->end_of_input)
        rc = next->operator_->vtable->end_of_input(next->operator_, wait, err);
    if (rc != WEIR_DONE)
        return rc;
    next->ended = true;
    chain->ending++;
    return chain->ending == chain->nmembers ? WEIR_DONE : WEIR_PENDING;
}

void weir_chain_counts(const weir_chain *chain, uint64_t *ret_in, uint64_t *ret_out)
{
    const member *first = &chain->members[0];
    uint64_t in = first->operator_->records_in, out = 0;

    if (first->definition->kind == WEIR_OPERATOR_SOURCE)
        in = first->operator_->records_out;
    for (uint32_t i = 0; i < chain->nmembers; i++) {
        const member *m = &chain->members[i];
        bool leaves = m->definition->kind == WEIR_OPERATOR_SINK;
        if (leaves)
            out += m->operator_->records_in;
        for (uint32_t o = 0; o < m->definition->noutputs && !leaves; o++)
            leaves = m->fans[o].nedges > 0;
        if (leaves && m->definition->kind != WEIR_OPERATOR_SINK)
            out += m->operator_->records_out;
    }
    *ret_in = in;
    *ret_out = out;
}
