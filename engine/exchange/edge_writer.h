/* exchange/edge_writer.h -- the producer's side of an edge: partitions columns over the edge's
 * output channels, gathers rows into batches and sends them. A collector for the last operator of a
 * chain.
 *
 * Belongs to the producer's slot. Rows to one target keep their order. Rows that go to targets by
 * their keys gather first and are split when there are enough for a batch to each (exchange/
 * row_stage.h). What has gathered is sent by flush; watermark, barrier and end flush first, so that
 * order holds. */
#ifndef EXCHANGE_EDGE_WRITER_H
#define EXCHANGE_EDGE_WRITER_H

#include "batch/collector.h"
#include "exchange/output_channel.h"

enum weir_edge_writer_kind {
    WEIR_WRITE_FORWARD = 1, /* one channel */
    WEIR_WRITE_HASH = 2,
    WEIR_WRITE_REBALANCE = 3, /* each batch built to the next channel, starting at `first` */
    WEIR_WRITE_BROADCAST = 4  /* one batch, one reference per channel */
};

typedef struct weir_edge_writer_config {
    enum weir_edge_writer_kind kind;
    weir_schema *schema;
    const uint32_t *keys; /* HASH */
    uint32_t nkeys;
    uint32_t max_parallelism;
    /* Borrowed until the writer is destroyed, the array copied; target i is channels[i]. */
    weir_output_channel *const *channels;
    uint32_t nchannels;
    uint32_t first; /* REBALANCE: the subtask's index, so that producers start apart */
    uint32_t batch_rows, batch_bytes;
    /* Bytes that may wait for credit on one channel; beyond it the writer fails (WEIR_ETOO_LARGE):
     * one input made more output than the memory for it. 0: no limit. */
    uint64_t overdraft_max;
} weir_edge_writer_config;

typedef struct weir_edge_writer weir_edge_writer;

/* WEIR_EINVALID: a FORWARD with other than one channel, a HASH without keys, a limit of 0, and what
 * weir_partitioner_new refuses. Memory for a target is taken when its first row comes. */
int weir_edge_writer_new(const weir_edge_writer_config *config, weir_edge_writer **ret,
                         weir_error *err) WEIR_MUST_CHECK;
void weir_edge_writer_destroy(weir_edge_writer **writer);
weir_collector *weir_edge_writer_collector(weir_edge_writer *writer);
int weir_edge_writer_flush(weir_edge_writer *writer, weir_error *err) WEIR_MUST_CHECK;
int weir_edge_writer_watermark(weir_edge_writer *writer, int64_t watermark,
                               weir_error *err) WEIR_MUST_CHECK;
int weir_edge_writer_barrier(weir_edge_writer *writer, const weir_barrier *barrier,
                             weir_error *err) WEIR_MUST_CHECK;
int weir_edge_writer_idle(weir_edge_writer *writer, bool idle, weir_error *err) WEIR_MUST_CHECK;
int weir_edge_writer_end(weir_edge_writer *writer, weir_error *err) WEIR_MUST_CHECK;
bool weir_edge_writer_has_room(const weir_edge_writer *writer); /* every channel has */
bool weir_edge_writer_has_rows(const weir_edge_writer *writer); /* half-full batches */
bool weir_edge_writer_is_drained(const weir_edge_writer *writer);

#endif
