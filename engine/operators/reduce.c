/* operators/reduce.c -- folds the records of each key into one by the job's function.
 *
 *   PARTIAL   before the shuffle: folds what one subtask sees, handed on when its memory is used up
 * and at the end FINAL     folds partial results, with the same function COMPLETE  both in one
 *
 * In a batch job FINAL and COMPLETE emit each key once, at the end, in no particular order. In a
 * streaming job they emit a change for every record: +I for a key's first, then -U with the old
 * accumulator and +U with the new. A fold cannot be undone, so rows of kind -U and -D are refused.
 */
#include "operators/classes.h"
#include "operators/keyed_end.h"
#include "operators/keyed_rows.h"
#include "operators/record_copy.h"
#include "operators/user_context.h"

#include "batch/record_reader.h"

#define DRAIN_BATCHES 2 /* as in count.c */

/* What a key's entry points to: a block of the table's slab. */
typedef struct accumulator {
    size_t size; /* of `record`: the struct and all that it points to */
    _Alignas(16) uint8_t record[];
} accumulator;

typedef struct reduce {
    weir_operator base;
    weir_output_port port;
    weir_user_context user;
    weir_keyed_rows keyed;
    weir_schema *schema; /* of input and output, with the record's C layout */
    weir_record_reader *reader;
    bool flat;    /* the record points to nothing */
    bool changes; /* emits a change for every record */
    bool partial;
} reduce;

static int reduce_open(weir_operator *self, weir_error *err)
{
    reduce *r = (reduce *)self;
    const weir_operator_context *context = &self->context;
    const weir_user_code *code = context->code;
    int rc;

    if (!code || !code->reduce)
        return weir_operator_error(self, err, WEIR_EINVALID, "the module has no function for it");
    r->partial = context->operator_->phase == WEIR_PHASE_PARTIAL;
    r->changes = !r->partial && !context->graph->batch;
    rc = weir_user_schema(self, code->in ? code->in : code->out, context->operator_->inputs[0],
                          &r->schema, err);
    if (rc == 0)
        rc = weir_keyed_rows_init(&r->keyed, self, r->partial, err);
    if (rc < 0)
        return rc;
    if (!weir_schema_equal(r->schema, context->operator_->outputs[0]))
        return weir_operator_error(
            self, err, WEIR_EINVALID,
            "its output is not of its input's type %s; reduce keeps the type",
            weir_schema_name(r->schema));
    r->flat = weir_record_is_flat(r->schema);
    rc = weir_output_port_init(&r->port, self, r->schema, context->outputs[0]);
    if (rc < 0 || weir_record_reader_new(r->schema, &r->reader) < 0 ||
        weir_user_context_init(&r->user, self, &r->port, 1, 0) < 0)
        return weir_operator_no_memory(self, err, "opening the operator");
    return 0;
}

/* ---- accumulators ---- */

/* A new block with a copy of the record; NULL: *ret_code says why. */
static accumulator *copy_record(reduce *r, const void *record, int *ret_code)
{
    accumulator *copy;
    size_t size;

    *ret_code = weir_record_measure(r->schema, record, &size);
    if (*ret_code < 0)
        return NULL;
    copy = weir_byte_slab_alloc(&r->keyed.table->slab, sizeof *copy + size);
    if (!copy) {
        *ret_code = WEIR_ENO_MEMORY;
        return NULL;
    }
    copy->size = size;
    weir_record_copy(r->schema, record, copy->record);
    return copy;
}

/* The function may have let the accumulator point to the record in hand or to memory of its own:
 * then all of it is copied anew. What it has only dropped or shortened stays where it is. */
static int own(reduce *r, weir_key_entry *entry)
{
    accumulator *old = entry->value.record, *copy;
    int rc = 0;

    if (r->flat || weir_record_is_within(r->schema, old->record, old->size))
        return 0;
    copy = copy_record(r, old->record, &rc);
    if (!copy)
        return rc;
    weir_byte_slab_free(&r->keyed.table->slab, old, sizeof *old + old->size);
    entry->value.record = copy;
    return 0;
}

static int cannot_keep(reduce *r, int code, weir_error *err)
{
    if (code == WEIR_ETOO_LARGE)
        return weir_operator_error(&r->base, err, code,
                                   "an accumulator is too large; it may have 1024 MiB; keep less "
                                   "in it");
    return weir_operator_no_memory(&r->base, err, "keeping accumulators");
}

/* ---- emitting ---- */

/* Drains until `batches` have left, or to the end. */
static int drain(void *self, uint32_t batches, bool *ret_more, weir_error *err)
{
    reduce *r = self;
    uint64_t left = (uint64_t)batches * (r->base.context.batch_rows + 1ul);
    const weir_key_entry *entry;

    weir_user_context_set_batch(&r->user, NULL);
    while (left > 0 && (entry = weir_keyed_rows_drain(&r->keyed))) {
        const accumulator *kept = entry->value.record;
        int rc =
            weir_user_context_put(&r->user, &r->port, kept->record, WEIR_NO_TIMESTAMP, WEIR_INSERT);

        if (rc < 0)
            return weir_user_context_fail(&r->user, rc, NULL, NULL, 0, err);
        left--;
    }
    *ret_more = r->keyed.draining != NULL;
    return 0;
}

/* ---- folding ---- */

static int refuse_retraction(reduce *r, const weir_columns *columns, uint32_t row, weir_error *err)
{
    (void)weir_error_set(&r->user.error, WEIR_EUSER,
                         "a row of kind %s came in; a fold cannot take records back; use count, or "
                         "an operator of your own",
                         columns->row_kinds[row] == WEIR_DELETE ? "-D" : "-U");
    r->user.failure = WEIR_EUSER;
    return weir_user_context_fail(&r->user, WEIR_EUSER, r->schema, columns, row, err);
}

static bool retracts(const weir_columns *columns, uint32_t row)
{
    return columns->row_kinds && (columns->row_kinds[row] == WEIR_UPDATE_BEFORE ||
                                  columns->row_kinds[row] == WEIR_DELETE);
}

static int fold(reduce *r, weir_key_entry *entry, const weir_columns *columns, uint32_t row,
                weir_error *err)
{
    const void *record = weir_record_reader_get(r->reader, row);
    weir_user_context *user = &r->user;
    accumulator *kept = entry->value.record;
    bool first = !kept;
    int rc = 0, code = 0;

    if (!record)
        return weir_operator_no_memory(&r->base, err, "reading a record");
    weir_user_context_set_row(user, columns, row);
    if (retracts(columns, row))
        return refuse_retraction(r, columns, row, err);
    if (first) {
        entry->value.record = kept = copy_record(r, record, &code);
    } else {
        if (r->changes)
            rc = weir_user_context_put(user, &r->port, kept->record, user->timestamp,
                                       WEIR_UPDATE_BEFORE);
        if (rc == 0)
            rc = r->base.context.code->reduce(&user->ctx, kept->record, record);
        if (weir_user_context_ok(user, rc))
            code = own(r, entry);
        kept = entry->value.record;
    }
    if (code < 0)
        return cannot_keep(r, code, err);
    if (r->changes && weir_user_context_ok(user, rc))
        rc = weir_user_context_put(user, &r->port, kept->record, user->timestamp,
                                   first ? WEIR_INSERT : WEIR_UPDATE_AFTER);
    return weir_user_context_ok(user, rc)
               ? 0
               : weir_user_context_fail(user, rc, r->schema, columns, row, err);
}

static int begin(reduce *r, const weir_columns *columns, weir_error *err)
{
    int rc = weir_keyed_rows_begin(&r->keyed, columns, err);
    bool more = false;

    if (rc != WEIR_PENDING)
        return rc;
    rc = drain(r, UINT32_MAX, &more, err);
    if (rc < 0)
        return rc;
    weir_keyed_rows_turn(&r->keyed);
    return weir_keyed_rows_begin(&r->keyed, columns, err);
}

static int reduce_process(weir_operator *self, uint32_t input, const weir_columns *columns,
                          weir_wait *ret_wait, weir_error *err)
{
    reduce *r = (reduce *)self;
    weir_key_entry *entries[WEIR_KEY_BLOCK];
    bool more = false;
    int rc;

    (void)input;
    (void)ret_wait;
    if (columns->rows == 0)
        return 0;
    rc = begin(r, columns, err);
    if (rc < 0)
        return rc;
    self->records_in += columns->rows;
    weir_record_reader_set(r->reader, columns);
    weir_user_context_set_batch(&r->user, columns);
    for (uint32_t row = 0; row < columns->rows; row += WEIR_KEY_BLOCK) {
        uint32_t left = columns->rows - row, n = left < WEIR_KEY_BLOCK ? left : WEIR_KEY_BLOCK;

        rc = weir_keyed_rows_find(&r->keyed, row, n, entries, err);
        for (uint32_t i = 0; rc == 0 && i < n; i++)
            rc = fold(r, entries[i], columns, row + i, err);
        if (rc < 0)
            return rc;
    }
    return r->partial ? drain(r, DRAIN_BATCHES, &more, err) : 0;
}

static weir_keyed_end end_of(reduce *r)
{
    return (weir_keyed_end){&r->keyed, &r->port, drain, r};
}

static int reduce_flush(weir_operator *self, weir_wait *ret_wait, weir_error *err)
{
    reduce *r = (reduce *)self;
    weir_keyed_end end = end_of(r);

    (void)ret_wait;
    return weir_keyed_flush(&end, r->partial && !self->context.graph->batch, err);
}

static int reduce_end(weir_operator *self, weir_wait *ret_wait, weir_error *err)
{
    reduce *r = (reduce *)self;
    weir_keyed_end end = end_of(r);

    return weir_keyed_finish(&end, r->changes, ret_wait, err);
}

static void reduce_close(weir_operator *self)
{
    reduce *r = (reduce *)self;

    weir_user_context_deinit(&r->user);
    weir_keyed_rows_deinit(&r->keyed);
    weir_output_port_deinit(&r->port);
    weir_record_reader_destroy(&r->reader);
    weir_schema_unref(&r->schema);
    weir_free(r);
}

static const weir_operator_class reduce_class = {
    .name = "reduce",
    .open = reduce_open,
    .process_batch = reduce_process,
    .flush = reduce_flush,
    .end_of_input = reduce_end,
    .close = reduce_close,
};

const weir_operator_factory weir_reduce_factory = {&reduce_class, sizeof(reduce)};
