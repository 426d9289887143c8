#include "batch/partition.h"

#include "base/memory.h"
#include "batch/bytes.h"

struct weir_partitioner {
    weir_key_codec *codec;
    uint32_t targets;
    uint32_t max_parallelism;
    uint64_t reciprocal; /* 2^64 / max_parallelism, rounded down */
    uint16_t *target_of; /* of a key group */
    uint64_t *hashes;    /* per row */
    uint32_t rows_capacity;
};

static int allocate(weir_partitioner *self)
{
    self->target_of = weir_alloc(self->max_parallelism * sizeof *self->target_of);
    if (self->target_of == NULL)
        return WEIR_ENO_MEMORY;
    for (uint32_t i = 0; i < self->max_parallelism; i++)
        self->target_of[i] =
            (uint16_t)weir_key_group_subtask(i, self->targets, self->max_parallelism);
    return 0;
}

int weir_partitioner_new(weir_schema *schema, const uint32_t *fields, uint32_t count,
                         uint32_t targets, uint32_t max_parallelism, weir_partitioner **ret,
                         weir_error *err)
{
    if (targets == 0 || targets > max_parallelism || max_parallelism > WEIR_MAX_PARALLELISM_LIMIT)
        return weir_error_set(err, WEIR_EINVALID,
                              "partition: cannot split %u key groups over %u subtasks; the "
                              "greatest max parallelism is %u; choose a parallelism of 1 to the "
                              "max parallelism",
                              max_parallelism, targets, WEIR_MAX_PARALLELISM_LIMIT);
    weir_partitioner *self = weir_calloc(1, sizeof *self);
    if (self == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "partition: out of memory");
    self->targets = targets;
    self->max_parallelism = max_parallelism;
    self->reciprocal = UINT64_MAX / max_parallelism;
    int result = weir_key_codec_new(schema, fields, count, &self->codec, err);
    if (result == 0 && allocate(self) != 0)
        result = weir_error_set(err, WEIR_ENO_MEMORY, "partition: out of memory");
    if (result != 0)
        weir_partitioner_destroy(&self);
    else
        *ret = self;
    return result;
}

void weir_partitioner_destroy(weir_partitioner **partitioner)
{
    if (partitioner == NULL || *partitioner == NULL)
        return;
    weir_partitioner *self = *partitioner;
    *partitioner = NULL;
    weir_key_codec_destroy(&self->codec);
    weir_free(self->target_of);
    weir_free(self->hashes);
    weir_free(self);
}

static int reserve(weir_partitioner *self, uint32_t rows)
{
    if (rows <= self->rows_capacity)
        return 0;
    uint64_t *hashes = weir_alloc(rows * sizeof *hashes);
    if (hashes == NULL)
        return WEIR_ENO_MEMORY;
    weir_free(self->hashes);
    self->hashes = hashes;
    self->rows_capacity = rows;
    return 0;
}

/* weir_key_group without a division. The quotient comes out right or one short. */
static inline uint32_t group_of(const weir_partitioner *self, uint64_t hash)
{
    uint64_t quotient = (uint64_t)(((unsigned __int128)hash * self->reciprocal) >> 64);
    uint64_t rest = hash - quotient * self->max_parallelism;
    return (uint32_t)(rest >= self->max_parallelism ? rest - self->max_parallelism : rest);
}

int weir_partitioner_targets(weir_partitioner *partitioner, const weir_columns *columns,
                             uint16_t *ret)
{
    weir_partitioner *self = partitioner;
    uint32_t rows = columns->rows;
    int result = reserve(self, rows);
    if (result == 0)
        result = weir_key_codec_hash(self->codec, columns, self->hashes);
    if (result != 0)
        return result;
    const uint64_t *hashes = self->hashes;
    const uint16_t *target_of = self->target_of;
    for (uint32_t i = 0; i < rows; i++)
        ret[i] = target_of[group_of(self, hashes[i])];
    return 0;
}
