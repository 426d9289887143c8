/* exchange/edge_writer.c -- see edge_writer.h. */
#include "exchange/edge_writer.h"

#include "base/memory.h"

#include <stddef.h>
#include <string.h>

struct weir_edge_writer {
    weir_collector collector; /* first: a collector is its writer */
    enum weir_edge_writer_kind kind;
    weir_schema *schema;
    weir_partitioner *partitioner; /* HASH */
    weir_output_channel **channels;
    weir_builder **builders; /* HASH: one per channel, else one; NULL until it is needed */
    uint32_t *identity;      /* 0, 1, 2, ...: the selection of all rows */
    uint32_t identity_rows;
    uint32_t nchannels, nbuilders;
    uint32_t next;    /* REBALANCE: the channel of the next batch */
    uint32_t waiting; /* builders that hold rows */
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

static int broadcast(weir_edge_writer *writer, weir_batch *batch, weir_error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < writer->nchannels; i++) {
        rc = send_batch(writer, i, weir_batch_ref(batch), err);
    }
    weir_batch_unref(&batch);
    return rc;
}

static int send_builder(weir_edge_writer *writer, uint32_t target, weir_error *err)
{
    weir_builder *builder = writer->builders[target];
    uint32_t rows = builder != NULL ? weir_builder_rows(builder) : 0;
    if (rows == 0) {
        return 0;
    }
    weir_batch *batch = NULL;
    int rc = weir_builder_finish(builder, &batch);
    if (rc != 0) {
        return weir_error_set(err, rc,
                              "edge: a batch of %u rows cannot be made; %s; lower the batch's "
                              "limits",
                              rows, weir_code_text(rc));
    }
    writer->waiting--;
    switch (writer->kind) {
    case WEIR_WRITE_BROADCAST:
        return broadcast(writer, batch, err);
    case WEIR_WRITE_REBALANCE:
        target = writer->next;
        writer->next = (writer->next + 1) % writer->nchannels;
        break;
    default:
        break;
    }
    return send_batch(writer, target, batch, err);
}

int weir_edge_writer_flush(weir_edge_writer *writer, weir_error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && writer->waiting > 0 && i < writer->nbuilders; i++) {
        rc = send_builder(writer, i, err);
    }
    return rc;
}

/* ---- gathering ---- */

static int get_builder(weir_edge_writer *writer, uint32_t target, weir_builder **ret,
                       weir_error *err)
{
    if (writer->builders[target] == NULL) {
        int rc = weir_builder_new(writer->schema, writer->batch_rows, writer->batch_bytes,
                                  &writer->builders[target]);
        if (rc != 0) {
            return out_of_memory(err);
        }
    }
    *ret = writer->builders[target];
    return 0;
}

/* The columns may lie in a batch from the wire, at any address. */
static uint32_t offset_at(const uint32_t *offsets, size_t at)
{
    uint32_t offset;
    memcpy(&offset, (const char *)offsets + at * sizeof offset, sizeof offset);
    return offset;
}

/* Bytes of a column, about, with what is nested in it. */
static size_t column_bytes(const weir_column *column)
{
    size_t rows = column->rows, bytes = rows / 8;
    if (weir_kind_is_variable(column->kind)) {
        bytes += rows * sizeof(uint32_t) + offset_at(column->offsets, rows) -
                 offset_at(column->offsets, 0);
    } else {
        bytes += rows * weir_kind_width(column->kind);
    }
    for (uint32_t i = 0; i < column->nchildren; i++) {
        bytes += column_bytes(&column->children[i]);
    }
    return bytes;
}

static size_t average_row_bytes(const weir_columns *columns)
{
    size_t bytes = columns->timestamps != NULL ? columns->rows * sizeof(int64_t) : 0;
    for (uint32_t i = 0; i < columns->ncolumns; i++) {
        bytes += column_bytes(&columns->columns[i]);
    }
    return bytes / columns->rows + 1;
}

/* How many of `count` rows go into the builder before it is looked at again. */
static uint32_t rows_that_fit(const weir_edge_writer *writer, const weir_builder *builder,
                              uint32_t count)
{
    uint32_t rows = weir_builder_rows(builder);
    size_t fit = writer->batch_rows > rows ? writer->batch_rows - rows : 1;
    size_t bytes = weir_builder_bytes(builder);
    size_t room = bytes < writer->batch_bytes ? writer->batch_bytes - bytes : 0;
    size_t by_bytes = room / writer->row_bytes;
    fit = by_bytes < fit ? by_bytes : fit;
    fit = fit == 0 ? 1 : fit;
    return fit < count ? (uint32_t)fit : count;
}

/* Appends at least one row, fewer than `*count` when so many do not fit into any batch. */
static int append_some(weir_builder *builder, const weir_columns *columns,
                       const uint32_t *selection, uint32_t *count)
{
    for (;;) {
        int rc = weir_builder_append_columns(builder, columns, selection, *count, NULL);
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

/* Rows `selection[0..count)` to a target; each batch goes as soon as it is full. */
static int gather(weir_edge_writer *writer, uint32_t target, const weir_columns *columns,
                  const uint32_t *selection, uint32_t count, weir_error *err)
{
    weir_builder *builder = NULL;
    int rc = get_builder(writer, target, &builder, err);
    while (rc == 0 && count > 0) {
        bool empty = weir_builder_rows(builder) == 0;
        uint32_t some = rows_that_fit(writer, builder, count);
        rc = append_some(builder, columns, selection, &some);
        if (rc == WEIR_ETOO_LARGE && !empty) {
            rc = send_builder(writer, target, err); /* and try again with an empty one */
            continue;
        }
        if (rc != 0) {
            return append_failed(rc, err);
        }
        writer->waiting += empty ? 1 : 0;
        selection += some;
        count -= some;
        if (weir_builder_is_full(builder)) {
            rc = send_builder(writer, target, err);
        }
    }
    return rc;
}

static int need_identity(weir_edge_writer *writer, uint32_t rows)
{
    if (rows <= writer->identity_rows) {
        return 0;
    }
    uint32_t *identity = weir_realloc(writer->identity, rows * sizeof *identity);
    if (identity == NULL) {
        return WEIR_ENO_MEMORY;
    }
    for (uint32_t i = writer->identity_rows; i < rows; i++) {
        identity[i] = i;
    }
    writer->identity = identity;
    writer->identity_rows = rows;
    return 0;
}

/* Whether all rows may be appended at once, which copies columns and not rows. */
static bool fits_whole(const weir_edge_writer *writer, const weir_columns *columns)
{
    const weir_builder *builder = writer->builders[0];
    return rows_that_fit(writer, builder, columns->rows) == columns->rows;
}

/* All rows to the one builder. */
static int collect_all(weir_edge_writer *writer, const weir_columns *columns, weir_error *err)
{
    /* A big input makes a batch of its own: joining it to few rows would cut all that follow. */
    bool big = writer->kind == WEIR_WRITE_FORWARD && columns->rows >= writer->batch_rows / 2;
    weir_builder *builder = NULL;
    int rc = get_builder(writer, 0, &builder, err);
    if (rc == 0 && big) {
        rc = send_builder(writer, 0, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (fits_whole(writer, columns)) {
        bool empty = weir_builder_rows(builder) == 0;
        rc = weir_builder_append_columns(builder, columns, NULL, columns->rows, NULL);
        if (rc == 0) {
            writer->waiting += empty ? 1 : 0;
            return big || weir_builder_is_full(builder) ? send_builder(writer, 0, err) : 0;
        }
        if (rc != WEIR_ETOO_LARGE) {
            return append_failed(rc, err);
        }
    }
    if (need_identity(writer, columns->rows) != 0) {
        return out_of_memory(err);
    }
    rc = gather(writer, 0, columns, writer->identity, columns->rows, err);
    return rc == 0 && big ? send_builder(writer, 0, err) : rc;
}

static int collect_hash(weir_edge_writer *writer, const weir_columns *columns, weir_error *err)
{
    weir_partitions parts;
    int rc = weir_partitioner_split(writer->partitioner, columns, &parts);
    if (rc != 0) {
        return append_failed(rc, err);
    }
    for (uint32_t i = 0; rc == 0 && i < writer->nchannels; i++) {
        uint32_t count = parts.starts[i + 1] - parts.starts[i];
        if (count > 0) {
            rc = gather(writer, i, columns, parts.selection + parts.starts[i], count, err);
        }
    }
    return rc;
}

static int collect(weir_collector *self, const weir_columns *columns, weir_error *err)
{
    weir_edge_writer *writer = (weir_edge_writer *)self;
    if (columns->rows == 0) {
        return 0;
    }
    writer->row_bytes = average_row_bytes(columns);
    return writer->kind == WEIR_WRITE_HASH ? collect_hash(writer, columns, err)
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
    writer->nbuilders = config->kind == WEIR_WRITE_HASH ? config->nchannels : 1;
    writer->next = config->first % config->nchannels;
    writer->batch_rows = config->batch_rows;
    writer->batch_bytes = config->batch_bytes;
    writer->overdraft_max = config->overdraft_max;
    writer->channels = weir_calloc(config->nchannels, sizeof *writer->channels);
    writer->builders = weir_calloc(writer->nbuilders, sizeof *writer->builders);
    if (writer->channels == NULL || writer->builders == NULL) {
        return out_of_memory(err);
    }
    memcpy(writer->channels, config->channels, config->nchannels * sizeof *writer->channels);
    if (config->kind != WEIR_WRITE_HASH) {
        return 0;
    }
    return weir_partitioner_new(config->schema, config->keys, config->nkeys, config->nchannels,
                                config->max_parallelism, &writer->partitioner, err);
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
    for (uint32_t i = 0; self->builders != NULL && i < self->nbuilders; i++) {
        weir_builder_destroy(&self->builders[i]);
    }
    weir_free(self->builders);
    weir_free(self->channels);
    weir_free(self->identity);
    weir_partitioner_destroy(&self->partitioner);
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
    for (uint32_t i = 0; i < writer->nchannels; i++) {
        if (!weir_output_channel_has_room(writer->channels[i])) {
            return false;
        }
    }
    return true;
}

bool weir_edge_writer_has_rows(const weir_edge_writer *writer)
{
    return writer->waiting > 0;
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
