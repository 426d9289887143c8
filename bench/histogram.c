#include "histogram.h"

#include <inttypes.h>
#include <string.h>

#define HALF (1u << HISTOGRAM_HALF_BITS)

/* The bucket is the number of bits that do not fit 2 * HALF parts; within it the upper half of the
 * parts is used, for the lower half is the bucket before. Only bucket 0 uses both. */
static uint32_t index_of(int64_t value)
{
    uint64_t bits = (uint64_t)value | (2 * HALF - 1);
    uint32_t bucket = 64u - (uint32_t)__builtin_clzll(bits) - (HISTOGRAM_HALF_BITS + 1);
    uint32_t part = (uint32_t)((uint64_t)value >> bucket);

    return ((bucket + 1) << HISTOGRAM_HALF_BITS) + part - HALF;
}

/* The greatest value that has this index. */
static int64_t value_at(uint32_t index)
{
    uint32_t bucket = index >> HISTOGRAM_HALF_BITS, part = index & (HALF - 1);

    if (bucket == 0)
        return part;
    bucket--;
    return (int64_t)(((uint64_t)(part + HALF + 1) << bucket) - 1);
}

void histogram_init(histogram *self)
{
    memset(self, 0, sizeof *self);
    self->min = HISTOGRAM_VALUE_MAX;
}

void histogram_record(histogram *self, int64_t value, uint64_t times)
{
    value = value < 0 ? 0 : value > HISTOGRAM_VALUE_MAX ? HISTOGRAM_VALUE_MAX : value;
    if (times == 0)
        return;
    self->counts[index_of(value)] += times;
    self->total += times;
    self->min = value < self->min ? value : self->min;
    self->max = value > self->max ? value : self->max;
}

void histogram_record_corrected(histogram *self, int64_t value, int64_t interval)
{
    histogram_record(self, value, 1);
    for (value -= interval; interval > 0 && value >= interval; value -= interval)
        histogram_record(self, value, 1);
}

void histogram_add(histogram *self, const histogram *other)
{
    for (uint32_t i = 0; i < HISTOGRAM_COUNTS; i++)
        self->counts[i] += other->counts[i];
    self->total += other->total;
    self->min = other->min < self->min ? other->min : self->min;
    self->max = other->max > self->max ? other->max : self->max;
}

int64_t histogram_percentile(const histogram *self, double percent)
{
    double share = (double)self->total * percent / 100.0;
    uint64_t wanted = (uint64_t)share, seen = 0;

    if (self->total == 0)
        return 0;
    wanted += (double)wanted < share; /* rounded up: the value must cover the share */
    wanted = wanted == 0 ? 1 : wanted > self->total ? self->total : wanted;
    for (uint32_t i = 0; i < HISTOGRAM_COUNTS; i++) {
        seen += self->counts[i];
        if (seen >= wanted) {
            int64_t value = value_at(i);
            return value < self->max ? value : self->max;
        }
    }
    return self->max;
}

double histogram_mean(const histogram *self)
{
    double sum = 0;

    for (uint32_t i = 0; i < HISTOGRAM_COUNTS; i++)
        sum += (double)self->counts[i] * (double)value_at(i);
    return self->total == 0 ? 0 : sum / (double)self->total;
}

int histogram_write(const histogram *self, FILE *file)
{
    for (uint32_t i = 0; i < HISTOGRAM_COUNTS; i++) {
        if (self->counts[i] > 0 &&
            fprintf(file, "%" PRId64 " %" PRIu64 "\n", value_at(i), self->counts[i]) < 0)
            return -1;
    }
    return 0;
}

int histogram_read(histogram *self, FILE *file)
{
    int64_t value;
    uint64_t count;
    int fields;

    while ((fields = fscanf(file, "%" SCNd64 " %" SCNu64, &value, &count)) == 2) {
        if (value < 0 || value > HISTOGRAM_VALUE_MAX)
            return -1;
        histogram_record(self, value, count);
    }
    return fields == EOF && ferror(file) == 0 ? 0 : -1;
}
