/* bench/histogram.h -- latencies by the algorithm of Gil Tene's HdrHistogram: buckets that double,
 * each cut into equal parts, so that every value keeps three digits (an error below 0.1 %) and
 * recording is a shift and an addition. Values are nanoseconds, up to 2^42 (73 minutes); greater
 * ones count as that. Not for several threads at a time. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_VALUE_MAX ((INT64_C(1) << 42) - 1)
#define HISTOGRAM_HALF_BITS 10 /* 2^11 parts: 2,000 are needed for three digits */
#define HISTOGRAM_BUCKETS   (42 - HISTOGRAM_HALF_BITS)
#define HISTOGRAM_COUNTS    ((HISTOGRAM_BUCKETS + 1) << HISTOGRAM_HALF_BITS)

typedef struct histogram {
    uint64_t total;
    int64_t min, max;
    uint64_t counts[HISTOGRAM_COUNTS];
} histogram; /* 264 KiB: static, or on the heap */

void histogram_init(histogram *self);
/* Negative values count as 0. */
void histogram_record(histogram *self, int64_t value, uint64_t times);
/* For a source that waits for an answer before it sends the next: a value longer than `interval`
 * has kept back others, which are added as value - interval, value - 2 * interval, ... What is sent
 * by a fixed schedule and measured from its intended time needs no such correction. */
void histogram_record_corrected(histogram *self, int64_t value, int64_t interval);
void histogram_add(histogram *self, const histogram *other);
/* The least value at or below which `percent` of all lie, rounded up within its part; 0 when there
 * are none. */
int64_t histogram_percentile(const histogram *self, double percent);
double histogram_mean(const histogram *self);
/* One line per part that holds something, "<value> <count>"; read adds to what is there. 0, or -1:
 * it cannot be written, or is something else. */
int histogram_write(const histogram *self, FILE *file);
int histogram_read(histogram *self, FILE *file);

#endif
