/* How many rows per second go through an edge in one thread: edge writer (HASH) -> channels ->
 * gate, which reads every value. Rows of 100 bytes: a bigint key, five bigints, a string of 52
 * bytes.
 *
 *   exchange_bench [rows in millions [case]]   (default 20; cases are numbered from 1, 0: all)
 *
 * One line per case on stdout: channels, rows in an input batch, limits of the batches sent,
 * whether they travel as on the wire (packed header, bytes opened by the gate), rows/s. */
#include "exchange_rows.h"

#include "base/units.h"
#include "exchange/edge_writer.h"
#include "exchange/input_gate.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>

#define WINDOW (256u << 10)

typedef struct channel_pair {
    weir_port data, credit; /* `data` first */
    struct bench *bench;
    weir_output_channel *channel;
} channel_pair;

typedef struct bench {
    uint32_t nchannels;
    bool wire;
    weir_schema *schema;
    channel_pair *pairs;
    weir_edge_writer *writer;
    weir_input_gate *gate;
    uint64_t rows, batches, sum;
} bench;

static void keep_batch(void *bytes, void *hint)
{
    (void)bytes;
    weir_batch *batch = hint;
    weir_batch_unref(&batch);
}

/* What a connection does, without the socket: the bytes are those of the sender's batch. */
static int over_the_wire(weir_frame **frame, weir_error *err)
{
    weir_buffer header = WEIR_BUFFER_INIT;
    weir_batch *batch = (*frame)->batch;
    weir_frame *arrived = NULL;
    int rc = weir_frame_pack_header(*frame, &header);
    if (rc == 0) {
        rc = batch == NULL
                 ? weir_frame_unpack(header.data, header.size, NULL, 0, NULL, NULL, &arrived, err)
                 : weir_frame_unpack(header.data, header.size,
                                     (void *)(uintptr_t)weir_batch_bytes(batch),
                                     weir_batch_size(batch), keep_batch, batch, &arrived, err);
    }
    weir_buffer_deinit(&header);
    if (rc == 0) {
        (*frame)->batch = NULL; /* the arrived frame holds it */
        weir_frame_destroy(frame);
        *frame = arrived;
    }
    return rc;
}

static int send_data(weir_port *self, weir_frame *frame, weir_error *err)
{
    channel_pair *pair = (channel_pair *)self;
    int rc = pair->bench->wire ? over_the_wire(&frame, err) : 0;
    if (rc != 0) {
        weir_frame_destroy(&frame);
        return rc;
    }
    return weir_input_gate_receive(pair->bench->gate, frame, err);
}

static int send_credit(weir_port *self, weir_frame *frame, weir_error *err)
{
    channel_pair *pair = (channel_pair *)(void *)((char *)self - offsetof(channel_pair, credit));
    int rc = pair->bench->wire ? over_the_wire(&frame, err) : 0;
    rc = rc == 0 ? weir_output_channel_credit(pair->channel, frame, err) : rc;
    weir_frame_destroy(&frame);
    return rc;
}

static int consume(bench *self, weir_error *err)
{
    weir_gate_item item;
    int event;
    while ((event = weir_input_gate_next(self->gate, &item, err)) > 0) {
        if (event != WEIR_GATE_BATCH) {
            continue;
        }
        self->batches++;
        self->rows += weir_batch_rows(item.batch);
        self->sum += rows_read(weir_batch_columns(item.batch));
        int rc = weir_input_gate_release(self->gate, &item, err);
        if (rc != 0) {
            return rc;
        }
    }
    return event;
}

static int set_up(bench *self, uint32_t batch_rows, uint32_t batch_bytes, weir_error *err)
{
    static const uint32_t keys[1] = {0};
    uint32_t n = self->nchannels;
    self->pairs = weir_calloc(n, sizeof *self->pairs);
    uint32_t *ids = weir_calloc(n, sizeof *ids);
    weir_port **ports = weir_calloc(n, sizeof(weir_port *));
    weir_output_channel **channels = weir_calloc(n, sizeof(weir_output_channel *));
    int rc = self->pairs == NULL || ids == NULL || ports == NULL || channels == NULL
                 ? WEIR_ENO_MEMORY
                 : 0;
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        channel_pair *pair = &self->pairs[i];
        *pair = (channel_pair){.data = {send_data}, .credit = {send_credit}, .bench = self};
        rc = weir_output_channel_new(i, 1, &pair->data, &pair->channel);
        ids[i] = i;
        ports[i] = &pair->credit;
        channels[i] = pair->channel;
    }
    weir_edge_writer_config config = {.kind = WEIR_WRITE_HASH,
                                      .schema = self->schema,
                                      .keys = keys,
                                      .nkeys = 1,
                                      .max_parallelism = 4096,
                                      .channels = channels,
                                      .nchannels = n,
                                      .batch_rows = batch_rows,
                                      .batch_bytes = batch_bytes};
    rc = rc == 0 ? weir_edge_writer_new(&config, &self->writer, err) : rc;
    rc = rc == 0 ? weir_input_gate_new(self->schema, ids, ports, n, 1, WINDOW, &self->gate) : rc;
    rc = rc == 0 ? weir_input_gate_start(self->gate, err) : rc;
    weir_free(ids);
    weir_free(ports);
    weir_free(channels);
    return rc;
}

static void tear_down(bench *self)
{
    weir_edge_writer_destroy(&self->writer);
    for (uint32_t i = 0; self->pairs != NULL && i < self->nchannels; i++) {
        weir_output_channel_destroy(&self->pairs[i].channel);
    }
    weir_input_gate_destroy(&self->gate);
    weir_free(self->pairs);
}

static int run(bench *self, weir_batch *const *inputs, uint64_t rows, weir_error *err)
{
    weir_collector *collector = weir_edge_writer_collector(self->writer);
    uint64_t given = 0;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && given < rows; i++) {
        const weir_columns *columns = weir_batch_columns(inputs[i % ROW_INPUTS]);
        rc = collector->collect(collector, columns, err);
        given += columns->rows;
        rc = rc == 0 ? consume(self, err) : rc;
    }
    rc = rc == 0 ? weir_edge_writer_end(self->writer, err) : rc;
    rc = rc == 0 ? consume(self, err) : rc;
    if (rc == 0 && self->rows != given) {
        rc = weir_error_set(err, WEIR_EINTERNAL,
                            "exchange_bench: %" PRIu64 " rows of %" PRIu64 " came", self->rows,
                            given);
    }
    return rc;
}

static int measure(uint32_t channels, uint32_t input_rows, uint32_t batch_rows,
                   uint32_t batch_bytes, bool wire, uint64_t rows, weir_error *err)
{
    bench self = {.nchannels = channels, .wire = wire};
    weir_batch *inputs[ROW_INPUTS] = {NULL};
    int rc = rows_schema(&self.schema, err);
    rc = rc == 0 ? rows_make_inputs(self.schema, input_rows, 1, inputs) : rc;
    rc = rc == 0 ? set_up(&self, batch_rows, batch_bytes, err) : rc;
    double start = seconds_now();
    rc = rc == 0 ? run(&self, inputs, rows, err) : rc;
    double took = seconds_now() - start;
    if (rc == 0) {
        char shown[64];
        printf(
            "%4u channels  input %5u rows  batches <= %5u rows, %7u bytes  %-7s %6.0f rows/batch  "
            "%12s rows/s  %5.1f ns/row\n",
            channels, input_rows, batch_rows, batch_bytes, wire ? "wire" : "pointer",
            (double)self.rows / (double)self.batches,
            weir_format_count((uint64_t)((double)self.rows / took), shown, sizeof shown),
            took * 1e9 / (double)self.rows);
    }
    tear_down(&self);
    for (uint32_t i = 0; i < ROW_INPUTS; i++) {
        weir_batch_unref(&inputs[i]);
    }
    weir_schema_unref(&self.schema);
    return rc;
}

int main(int argc, char **argv)
{
    weir_error err = WEIR_ERROR_INIT;
    int64_t millions = 20;
    mallopt(M_ARENA_MAX, 2); /* as a task runner does */
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    int64_t only = 0;
    int rc = argc > 1 ? weir_parse_int(argv[1], 1, 100000, &millions, &err) : 0;
    rc = rc == 0 && argc > 2 ? weir_parse_int(argv[2], 0, 100, &only, &err) : rc;
    static const struct {
        uint32_t channels, input_rows, batch_rows, batch_bytes;
        bool wire;
    } cases[] = {
        {2, 1024, 1024, 128u << 10, false},   {2, 4096, 4096, 512u << 10, false},
        {2, 1024, 1024, 128u << 10, true},    {1000, 1024, 1024, 32u << 10, false},
        {1000, 4096, 1024, 32u << 10, false}, {1000, 16384, 1024, 32u << 10, false},
        {1000, 4096, 1024, 32u << 10, true},
    };
    for (size_t i = 0; rc == 0 && i < WEIR_COUNT(cases); i++) {
        if (only != 0 && only != (int64_t)i + 1) {
            continue;
        }
        rc = measure(cases[i].channels, cases[i].input_rows, cases[i].batch_rows,
                     cases[i].batch_bytes, cases[i].wire, (uint64_t)millions * 1000000u, &err);
    }
    if (rc != 0) {
        fprintf(stderr, "exchange_bench: %s: %s\n", weir_code_text(rc), err.text);
    }
    return rc == 0 ? 0 : 1;
}
