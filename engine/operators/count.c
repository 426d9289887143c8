/* operators/count.c -- how many rows each key has: SELECT key, COUNT(*) GROUP BY key.
 *
 *   PARTIAL   before the shuffle: counts per key, handed on when its memory is used up and at the
 * end FINAL     sums partial counts COMPLETE  both in one
 *
 * In a batch job FINAL and COMPLETE emit each key once, at the end, in no particular order. In a
 * streaming job they emit a change for every row: +I for a key's first, then -U with the old count
 * and +U with the new, -D with the old count when it falls to 0. Rows of kind -U and -D count
 * backwards. */
#include "operators/classes.h"
#include "operators/keyed_end.h"
#include "operators/keyed_rows.h"
#include "operators/output_port.h"

/* Batches that leave a full combiner for each batch that comes in: it drains faster than it fills.
 */
#define DRAIN_BATCHES 2

typedef struct count {
    weir_operator base;
    weir_output_port port;
    weir_keyed_rows keyed;
    bool changes; /* emits a change for every row */
    bool partial, merges;
} count;

static int count_open(weir_operator *self, weir_error *err)
{
    count *c = (count *)self;
    const weir_graph_operator *described = self->context.operator_;
    const weir_schema *output = described->outputs[0], *input = described->inputs[0];
    int rc;

    c->partial = described->phase == WEIR_PHASE_PARTIAL;
    c->merges = described->phase == WEIR_PHASE_FINAL;
    c->changes = !c->partial && !self->context.graph->batch;
    if (described->count_field >= weir_schema_count(output) ||
        weir_schema_at(output, described->count_field)->kind != WEIR_KIND_bigint)
        return weir_operator_error(self, err, WEIR_EINVALID,
                                   "its output has no bigint column for "
                                   "the count");
    if (c->merges && (described->count_input >= weir_schema_count(input) ||
                      weir_schema_at(input, described->count_input)->kind != WEIR_KIND_bigint))
        return weir_operator_error(self, err, WEIR_EINVALID,
                                   "its input has no bigint column of "
                                   "partial counts");
    rc = weir_keyed_rows_init(&c->keyed, self, c->partial, err);
    if (rc == 0)
        rc = weir_keyed_rows_bind(&c->keyed, output, err);
    if (rc < 0)
        return rc;
    rc = weir_output_port_init(&c->port, self, described->outputs[0], self->context.outputs[0]);
    return rc < 0 ? weir_operator_no_memory(self, err, "opening the operator") : 0;
}

/* ---- emitting ---- */

static int emit(count *c, const weir_key_entry *entry, int64_t n, int64_t timestamp,
                uint8_t row_kind, weir_error *err)
{
    weir_builder *builder = c->port.builder;
    int rc = weir_keyed_rows_put(&c->keyed, entry, builder, err);

    if (rc < 0)
        return rc;
    rc = weir_builder_put_fixed(builder, c->base.context.operator_->count_field, &n);
    if (rc == 0)
        rc = weir_builder_end_row(builder, timestamp, row_kind);
    if (rc < 0)
        return weir_operator_error(&c->base, err, rc, "cannot emit a count: %s",
                                   weir_code_text(rc));
    return weir_output_port_advance(&c->port, err);
}

/* Drains until `batches` have left, or to the end. */
static int drain(void *self, uint32_t batches, bool *ret_more, weir_error *err)
{
    count *c = self;
    uint64_t left = (uint64_t)batches * (c->base.context.batch_rows + 1ul);
    const weir_key_entry *entry;

    while (left > 0 && (entry = weir_keyed_rows_drain(&c->keyed))) {
        /* Rows and their retractions have met: there is nothing to say. A merging operator also
         * drops what is below zero, for which a row was never there. */
        bool visible = c->partial ? entry->value.count != 0 : entry->value.count > 0;
        int rc =
            visible ? emit(c, entry, entry->value.count, WEIR_NO_TIMESTAMP, WEIR_INSERT, err) : 0;

        if (rc < 0)
            return rc;
        left--;
    }
    *ret_more = c->keyed.draining != NULL;
    return 0;
}

/* ---- counting ---- */

static inline bool retracts(const weir_columns *columns, uint32_t row)
{
    return columns->row_kinds && (columns->row_kinds[row] == WEIR_UPDATE_BEFORE ||
                                  columns->row_kinds[row] == WEIR_DELETE);
}

static int overflow(const count *c, weir_error *err)
{
    return weir_operator_error(&c->base, err, WEIR_EUSER,
                               "a count is beyond the range of bigint; a key's partial counts do "
                               "not add up; check the input's counts");
}

/* What a row adds to its key's count. */
static int delta_of(const count *c, const weir_columns *columns, uint32_t row, int64_t *ret,
                    weir_error *err)
{
    int64_t delta = 1;

    if (c->merges) {
        const weir_column *partials = &columns->columns[c->base.context.operator_->count_input];

        if (weir_column_is_null(partials, row)) {
            *ret = 0;
            return 0;
        }
        memcpy(&delta, (const int64_t *)partials->values + row, sizeof delta);
    }
    if (retracts(columns, row) && __builtin_sub_overflow((int64_t)0, delta, &delta))
        return overflow(c, err);
    *ret = delta;
    return 0;
}

/* The hot loop of a combiner: nothing but look-ups and increments. */
static int count_inserts(count *c, const weir_columns *columns, weir_error *err)
{
    int rc = 0;

    for (uint32_t row = 0; rc == 0 && row < columns->rows; row += WEIR_KEY_BLOCK) {
        uint32_t left = columns->rows - row;

        rc = weir_keyed_rows_count(&c->keyed, row, left < WEIR_KEY_BLOCK ? left : WEIR_KEY_BLOCK,
                                   err);
    }
    return rc;
}

static int count_deltas(count *c, const weir_columns *columns, weir_error *err)
{
    weir_key_entry *entries[WEIR_KEY_BLOCK];

    for (uint32_t row = 0; row < columns->rows; row += WEIR_KEY_BLOCK) {
        uint32_t left = columns->rows - row, n = left < WEIR_KEY_BLOCK ? left : WEIR_KEY_BLOCK;
        int rc = weir_keyed_rows_find(&c->keyed, row, n, entries, err);

        for (uint32_t i = 0; rc == 0 && i < n; i++) {
            int64_t delta;

            rc = delta_of(c, columns, row + i, &delta, err);
            if (rc == 0 &&
                __builtin_add_overflow(entries[i]->value.count, delta, &entries[i]->value.count))
                rc = overflow(c, err);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- changes ---- */

/* One row of a streaming job. `*ret_removed`: the entry is gone, and others may have moved. */
static int change(count *c, weir_key_entry *entry, int64_t delta, int64_t timestamp,
                  bool *ret_removed, weir_error *err)
{
    int64_t old = entry->value.count, new;
    int rc = 0;

    /* A retraction of what was never there says nothing. Partial counts may come in any order, so
     * there a key may be below zero for a while. */
    if (old == 0 && delta < 0 && !c->merges)
        delta = 0;
    if (__builtin_add_overflow(old, delta, &new))
        return overflow(c, err);
    if (old > 0 && new != old)
        rc = emit(c, entry, old, timestamp, new > 0 ? WEIR_UPDATE_BEFORE : WEIR_DELETE, err);
    if (rc == 0 && new > 0 && new != old)
        rc = emit(c, entry, new, timestamp, old > 0 ? WEIR_UPDATE_AFTER : WEIR_INSERT, err);
    entry->value.count = new;
    *ret_removed = rc == 0 && new == 0;
    if (*ret_removed)
        weir_key_table_remove(c->keyed.table, entry);
    return rc;
}

static int count_changes(count *c, const weir_columns *columns, weir_error *err)
{
    weir_key_entry *entries[WEIR_KEY_BLOCK];
    uint32_t row = 0;

    while (row < columns->rows) {
        uint32_t left = columns->rows - row, n = left < WEIR_KEY_BLOCK ? left : WEIR_KEY_BLOCK;
        int rc = weir_keyed_rows_find(&c->keyed, row, n, entries, err);
        bool removed = false;

        /* A removal moves entries: what follows in the block is looked up again. */
        for (uint32_t i = 0; rc == 0 && i < n && !removed; i++, row++) {
            int64_t delta, timestamp = WEIR_NO_TIMESTAMP;

            rc = delta_of(c, columns, row, &delta, err);
            if (columns->timestamps)
                memcpy(&timestamp, columns->timestamps + row, sizeof timestamp);
            if (rc == 0)
                rc = change(c, entries[i], delta, timestamp, &removed, err);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int count_process(weir_operator *self, uint32_t input, const weir_columns *columns,
                         weir_wait *ret_wait, weir_error *err)
{
    count *c = (count *)self;
    bool more = false;
    int rc;

    (void)input;
    (void)ret_wait;
    if (columns->rows == 0)
        return 0;
    rc = weir_keyed_rows_begin(&c->keyed, columns, err);
    if (rc == WEIR_PENDING) {
        rc = drain(c, UINT32_MAX, &more, err);
        weir_keyed_rows_turn(&c->keyed);
        if (rc == 0)
            rc = weir_keyed_rows_begin(&c->keyed, columns, err);
    }
    if (rc < 0)
        return rc;
    self->records_in += columns->rows;
    if (c->changes)
        return count_changes(c, columns, err);
    rc = c->merges || columns->row_kinds ? count_deltas(c, columns, err)
                                         : count_inserts(c, columns, err);
    return rc < 0 || !c->partial ? rc : drain(c, DRAIN_BATCHES, &more, err);
}

static weir_keyed_end end_of(count *c)
{
    return (weir_keyed_end){&c->keyed, &c->port, drain, c};
}

static int count_flush(weir_operator *self, weir_wait *ret_wait, weir_error *err)
{
    count *c = (count *)self;
    weir_keyed_end end = end_of(c);

    (void)ret_wait;
    return weir_keyed_flush(&end, c->partial && !self->context.graph->batch, err);
}

static int count_end(weir_operator *self, weir_wait *ret_wait, weir_error *err)
{
    count *c = (count *)self;
    weir_keyed_end end = end_of(c);

    return weir_keyed_finish(&end, c->changes, ret_wait, err);
}

static void count_close(weir_operator *self)
{
    count *c = (count *)self;

    weir_keyed_rows_deinit(&c->keyed);
    weir_output_port_deinit(&c->port);
    weir_free(c);
}

static const weir_operator_class count_class = {
    .name = "count",
    .open = count_open,
    .process_batch = count_process,
    .flush = count_flush,
    .end_of_input = count_end,
    .close = count_close,
};

const weir_operator_factory weir_count_factory = {&count_class, sizeof(count)};
