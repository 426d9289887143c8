/* exchange/edge_writer.c -- see edge_writer.h. */
#include "exchange/edge_writer.h"

#include "base/memory.h"
#include "batch/builder.h"
#include "batch/row_split.h"
#include "exchange/row_stage.h"

#include <string.h>

struct weir_edge_writer {
    weir_collector collector; /* first: a collector is its writer */
    enum weir_edge_writer_kind kind;
    weir_schema *schema;
    weir_output_channel **channels;
    weir__row_stage *stage; /* HASH */
    weir_builder *builder;  /* else; NULL until it is needed */
    uint32_t nchannels;
    uint32_t full; /* channels without room */
    uint32_t next; /* REBALANCE: the channel of the next batch */
    uint32_t batch_rows, batch_bytes;
    uint64_t overdraft_max;
    size_t row_bytes; /* of a row of the present input, on average; at least 1 */
};

static int out_of_memory(weir_error *err)
{
    return weir_error_set(
        err, WEIR_ENO_MEMORY,
        "edge: out of memory; rows were to be sent; give the process more memory");
}

/* ---- sending what was gathered ---- */

/* Takes the reference. */
static int send_batch(weir_edge_writer *writer, uint32_t target, weir_batch *batch, weir_error *err)
{
    weir_output_channel *channel = writer->channels[target];
    int rc = weir_output_channel_batch(channel, batch, err);
    if (rc == 0 && writer->overdraft_max > 0 &&
        weir_output_channel_overdraft(channel) > writer->overdraft_max) {
        rc = weir_error_set(
            err, WEIR_ETOO_LARGE,
            "one input made more output than there is memory for: %zu bytes wait for "
            "one consumer; %llu may; emit less per record, or raise "
            "taskmanager.memory.network.size",
            weir_output_channel_overdraft(channel), (unsigned long long)writer->overdraft_max);
    }
    return rc;
}

static int send_staged(void *self, uint32_t target, weir_batch *batch, weir_error *err)
{
    return send_batch(self, target, batch, err);
}

static int broadcast(weir_edge_writer *writer, weir_batch *batch, weir_error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < writer->nchannels; i++) {
        rc = send_batch(writer, i, weir_batch_ref(batch), err);
    }
    weir_batch_unref(&batch);
    return rc;
}

static int send_builder(weir_edge_writer *writer, weir_error *err)
{
    uint32_t rows = writer->builder != NULL ? weir_builder_rows(writer->builder) : 0;
    if (rows == 0) {
        return 0;
    }
    weir_batch *batch = NULL;
    int rc = weir_builder_finish(writer->builder, &batch);
    if (rc != 0) {
        return weir_error_set(err, rc,
                              "edge: a batch of %u rows cannot be made; %s; lower the batch's "
                              "limits",
                              rows, weir_code_text(rc));
    }
    if (writer->kind == WEIR_WRITE_BROADCAST) {
        return broadcast(writer, batch, err);
    }
    uint32_t target = writer->next; /* FORWARD: the only one */
    writer->next = (writer->next + 1) % writer->nchannels;
    return send_batch(writer, target, batch, err);
}

int weir_edge_writer_flush(weir_edge_writer *writer, weir_error *err)
{
    return writer->stage != NULL ? weir__row_stage_flush(writer->stage, err)
                                 : send_builder(writer, err);
}

/* ---- gathering for one channel, or the same for all ---- */

/* How many of `count` rows go into the builder before it is looked at again. */
static uint32_t rows_that_fit(const weir_edge_writer *writer, uint32_t count)
{
    uint32_t rows = weir_builder_rows(writer->builder);
    size_t fit = writer->batch_rows > rows ? writer->batch_rows - rows : 1;
    size_t bytes = weir_builder_bytes(writer->builder);
    size_t room = bytes < writer->batch_bytes ? writer->batch_bytes - bytes : 0;
    size_t by_bytes = room / writer->row_bytes;
    fit = by_bytes < fit ? by_bytes : fit;
    fit = fit == 0 ? 1 : fit;
    return fit < count ? (uint32_t)fit : count;
}

/* Appends at least one row, fewer than `*count` when so many do not fit into any batch. */
static int append_some(weir_builder *builder, const weir_columns *columns, uint32_t first,
                       uint32_t *count)
{
    for (;;) {
        int rc = weir_builder_append_range(builder, columns, first, *count);
        if (rc != WEIR_ETOO_LARGE || *count == 1) {
            return rc;
        }
        *count /= 2;
    }
}

static int append_failed(int code, weir_error *err)
{
    switch (code) {
    case WEIR_ENO_MEMORY:
        return out_of_memory(err);
    case WEIR_ETOO_LARGE:
        return weir_error_set(err, code,
                              "edge: a row is too large; a batch holds at most %u bytes; make rows "
                              "smaller",
                              WEIR_BATCH_SIZE_MAX);
    default:
        return weir_error_set(err, code,
                              "edge: rows cannot be gathered; %s; check the operator's "
                              "output",
                              weir_code_text(code));
    }
}

/* Each batch goes as soon as it is full. */
static int gather(weir_edge_writer *writer, const weir_columns *columns, weir_error *err)
{
    weir_builder *builder = writer->builder;
    int rc = 0;
    for (uint32_t first = 0; rc == 0 && first < columns->rows;) {
        bool empty = weir_builder_rows(builder) == 0;
        uint32_t some = rows_that_fit(writer, columns->rows - first);
        rc = append_some(builder, columns, first, &some);
        if (rc == WEIR_ETOO_LARGE && !empty) {
            rc = send_builder(writer, err); /* and try again with an empty one */
            continue;
        }
        if (rc != 0) {
            return append_failed(rc, err);
        }
        first += some;
        if (weir_builder_is_full(builder)) {
            rc = send_builder(writer, err);
        }
    }
    return rc;
}

/* All rows to the one builder. */
static int collect_all(weir_edge_writer *writer, const weir_columns *columns, weir_error *err)
{
    /* A big input makes a batch of its own: joining it to few rows would cut all that follow. */
    bool big = writer->kind == WEIR_WRITE_FORWARD && columns->rows >= writer->batch_rows / 2;
    if (writer->builder == NULL && weir_builder_new(writer->schema, writer->batch_rows,
                                                    writer->batch_bytes, &writer->builder) != 0) {
        return out_of_memory(err);
    }
    writer->row_bytes = weir_columns_row_bytes(columns);
    int rc = big ? send_builder(writer, err) : 0;
    rc = rc == 0 ? gather(writer, columns, err) : rc;
    return rc == 0 && big ? send_builder(writer, err) : rc;
}

static int collect(weir_collector *self, const weir_columns *columns, weir_error *err)
{
    weir_edge_writer *writer = (weir_edge_writer *)self;
    if (columns->rows == 0) {
        return 0;
    }
    return writer->stage != NULL ? weir__row_stage_add(writer->stage, columns, err)
                                 : collect_all(writer, columns, err);
}

/* ---- making and ending ---- */

static int check_config(const weir_edge_writer_config *config, weir_error *err)
{
    const char *wrong = NULL;
    if (config->kind < WEIR_WRITE_FORWARD || config->kind > WEIR_WRITE_BROADCAST) {
        wrong = "its kind is not known";
    } else if (config->nchannels == 0 ||
               (config->kind == WEIR_WRITE_FORWARD && config->nchannels != 1)) {
        wrong = "its kind does not go with so many channels";
    } else if (config->kind == WEIR_WRITE_HASH && config->nkeys == 0) {
        wrong = "it has no keys";
    } else if (config->batch_rows == 0 || config->batch_bytes == 0) {
        wrong = "a limit of its batches is 0";
    }
    if (wrong == NULL) {
        return 0;
    }
    return weir_error_set(
        err, WEIR_EINVALID,
        "edge: %s; found kind %u, %u channels, %u keys, batches of %u rows and %u "
        "bytes; correct the plan",
        wrong, (unsigned)config->kind, config->nchannels, config->nkeys, config->batch_rows,
        config->batch_bytes);
}

static int fill(weir_edge_writer *writer, const weir_edge_writer_config *config, weir_error *err)
{
    writer->collector.collect = collect;
    writer->kind = config->kind;
    writer->schema = weir_schema_ref(config->schema);
    writer->nchannels = config->nchannels;
    writer->next = config->first % config->nchannels;
    writer->batch_rows = config->batch_rows;
    writer->batch_bytes = config->batch_bytes;
    writer->overdraft_max = config->overdraft_max;
    writer->channels = weir_calloc(config->nchannels, sizeof *writer->channels);
    if (writer->channels == NULL) {
        return out_of_memory(err);
    }
    memcpy(writer->channels, config->channels, config->nchannels * sizeof *writer->channels);
    for (uint32_t i = 0; i < writer->nchannels; i++) {
        weir_output_channel_count_full(writer->channels[i], &writer->full);
    }
    if (config->kind != WEIR_WRITE_HASH) {
        return 0;
    }
    weir__row_stage_config stage = {.schema = config->schema,
                                    .keys = config->keys,
                                    .nkeys = config->nkeys,
                                    .max_parallelism = config->max_parallelism,
                                    .targets = config->nchannels,
                                    .batch_rows = config->batch_rows,
                                    .batch_bytes = config->batch_bytes,
                                    .send = send_staged,
                                    .self = writer};
    return weir__row_stage_new(&stage, &writer->stage, err);
}

int weir_edge_writer_new(const weir_edge_writer_config *config, weir_edge_writer **ret,
                         weir_error *err)
{
    int rc = check_config(config, err);
    if (rc != 0) {
        return rc;
    }
    weir_edge_writer *writer = weir_calloc(1, sizeof *writer);
    if (writer == NULL) {
        return out_of_memory(err);
    }
    rc = fill(writer, config, err);
    if (rc != 0) {
        weir_edge_writer_destroy(&writer);
        return rc;
    }
    *ret = writer;
    return 0;
}

void weir_edge_writer_destroy(weir_edge_writer **writer)
{
    weir_edge_writer *self = *writer;
    if (self == NULL) {
        return;
    }
    *writer = NULL;
    for (uint32_t i = 0; self->channels != NULL && i < self->nchannels; i++) {
        weir_output_channel_count_full(self->channels[i], NULL);
    }
    weir__row_stage_destroy(&self->stage);
    weir_builder_destroy(&self->builder);
    weir_free(self->channels);
    weir_schema_unref(&self->schema);
    weir_free(self);
}

weir_collector *weir_edge_writer_collector(weir_edge_writer *writer)
{
    return &writer->collector;
}

/* ---- control, in order with the rows ---- */

int weir_edge_writer_watermark(weir_edge_writer *writer, int64_t watermark, weir_error *err)
{
    int rc = weir_edge_writer_flush(writer, err);
    for (uint32_t i = 0; rc == 0 && i < writer->nchannels; i++) {
        rc = weir_output_channel_watermark(writer->channels[i], watermark, err);
    }
    return rc;
}

int weir_edge_writer_barrier(weir_edge_writer *writer, const weir_barrier *barrier, weir_error *err)
{
    int rc = weir_edge_writer_flush(writer, err);
    for (uint32_t i = 0; rc == 0 && i < writer->nchannels; i++) {
        rc = weir_output_channel_barrier(writer->channels[i], barrier, err);
    }
    return rc;
}

int weir_edge_writer_idle(weir_edge_writer *writer, bool idle, weir_error *err)
{
    int rc = weir_edge_writer_flush(writer, err);
    for (uint32_t i = 0; rc == 0 && i < writer->nchannels; i++) {
        rc = weir_output_channel_idle(writer->channels[i], idle, err);
    }
    return rc;
}

int weir_edge_writer_end(weir_edge_writer *writer, weir_error *err)
{
    int rc = weir_edge_writer_flush(writer, err);
    for (uint32_t i = 0; rc == 0 && i < writer->nchannels; i++) {
        rc = weir_output_channel_end(writer->channels[i], err);
    }
    return rc;
}

bool weir_edge_writer_has_room(const weir_edge_writer *writer)
{
    return writer->full == 0;
}

bool weir_edge_writer_has_rows(const weir_edge_writer *writer)
{
    return writer->stage != NULL
               ? weir__row_stage_rows(writer->stage) > 0
               : writer->builder != NULL && weir_builder_rows(writer->builder) > 0;
}

bool weir_edge_writer_is_drained(const weir_edge_writer *writer)
{
    for (uint32_t i = 0; i < writer->nchannels; i++) {
        if (!weir_output_channel_is_drained(writer->channels[i])) {
            return false;
        }
    }
    return true;
}
