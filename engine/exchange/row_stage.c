/* exchange/row_stage.c -- see row_stage.h. */
#include "exchange/row_stage.h"

#include "base/memory.h"
#include "batch/builder.h"
#include "batch/partition.h"
#include "batch/row_split.h"

#include <assert.h>
#include <string.h>

#define STAGE_BYTES_MAX (32u << 20)
#define STAGE_ROWS_MAX  (1u << 19)

struct weir__row_stage {
    weir__row_stage_config config;
    weir_partitioner *partitioner; /* NULL: there is one target only */
    weir_row_split *split;
    weir_builder *kept;
    uint16_t *targets; /* of the rows kept, then of those of the input at hand */
    uint32_t targets_capacity;
    uint32_t nkept;
    size_t batch_overhead; /* bytes of a batch without rows */
};

/* ---- life ---- */

static int out_of_memory(weir_error *err)
{
    return weir_error_set(
        err, WEIR_ENO_MEMORY,
        "edge: out of memory; rows were to be sent; give the process more memory");
}

int weir__row_stage_new(const weir__row_stage_config *config, weir__row_stage **ret,
                        weir_error *err)
{
    weir__row_stage *stage = weir_calloc(1, sizeof *stage);
    if (stage == NULL) {
        return out_of_memory(err);
    }
    stage->config = *config;
    /* With one target, too, so that wrong keys are refused alike. */
    int rc = weir_partitioner_new(config->schema, config->keys, config->nkeys, config->targets,
                                  config->max_parallelism, &stage->partitioner, err);
    stage->config.keys = NULL; /* borrowed for the call */
    if (rc == 0 && weir_row_split_new(config->schema, config->targets, config->batch_rows,
                                      config->batch_bytes, &stage->split) != 0) {
        rc = out_of_memory(err);
    }
    if (rc != 0) {
        weir__row_stage_destroy(&stage);
        return rc;
    }
    *ret = stage;
    return 0;
}

void weir__row_stage_destroy(weir__row_stage **stage)
{
    weir__row_stage *self = *stage;
    if (self == NULL) {
        return;
    }
    *stage = NULL;
    weir_builder_destroy(&self->kept);
    weir_row_split_destroy(&self->split);
    weir_partitioner_destroy(&self->partitioner);
    weir_free(self->targets);
    weir_free(self);
}

uint32_t weir__row_stage_rows(const weir__row_stage *stage)
{
    return stage->nkept;
}

/* ---- sending ---- */

static int refuse(int code, weir_error *err)
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

/* What is kept, and rows [first, first + count) of `columns` behind it; their targets lie behind
 * those of the rows kept. */
static int send(weir__row_stage *stage, const weir_columns *columns, uint32_t first, uint32_t count,
                weir_error *err)
{
    weir_split_piece pieces[WEIR_SPLIT_PIECES_MAX];
    uint32_t npieces = 0, nbatches = 0;
    if (stage->nkept > 0) {
        pieces[npieces++] = (weir_split_piece){.columns = weir_builder_view(stage->kept),
                                               .targets = stage->targets,
                                               .count = stage->nkept};
    }
    if (count > 0) {
        pieces[npieces++] = (weir_split_piece){.columns = columns,
                                               .targets = stage->targets + stage->nkept,
                                               .first = first,
                                               .count = count};
    }
    weir_split_batch *batches = NULL;
    int rc = weir_row_split_make(stage->split, pieces, npieces, &batches, &nbatches);
    if (rc != 0) {
        return refuse(rc, err);
    }
    if (stage->nkept > 0) {
        weir_builder_clear(stage->kept);
    }
    stage->nkept = 0;
    for (uint32_t i = 0; i < nbatches; i++) {
        if (rc == 0) {
            rc = stage->config.send(stage->config.self, batches[i].target, batches[i].batch, err);
        } else {
            weir_batch_unref(&batches[i].batch);
        }
    }
    return rc;
}

int weir__row_stage_flush(weir__row_stage *stage, weir_error *err)
{
    return stage->nkept > 0 ? send(stage, NULL, 0, 0, err) : 0;
}

/* ---- gathering ---- */

static uint32_t square_root(uint32_t n)
{
    uint32_t root = 0;
    while ((uint64_t)(root + 1) * (root + 1) <= n) {
        root++;
    }
    return root;
}

/* With how many rows of so many bytes the stage is full. Of rows spread evenly some targets get
 * more than others, by a few times the root: a batch that is just too large would become a large
 * and a tiny one. */
static uint32_t rows_when_full(const weir__row_stage *stage, size_t row_bytes)
{
    const weir__row_stage_config *config = &stage->config;
    size_t room = config->batch_bytes > stage->batch_overhead
                      ? config->batch_bytes - stage->batch_overhead
                      : 0;
    size_t rows = room / row_bytes;
    rows = rows < config->batch_rows ? rows : config->batch_rows;
    rows = rows < STAGE_ROWS_MAX ? rows : STAGE_ROWS_MAX;
    if (config->targets > 1) {
        size_t spread = 4 * (size_t)square_root((uint32_t)rows);
        rows = spread < rows / 2 ? rows - spread : rows / 2;
    }
    uint64_t all = (uint64_t)(rows > 0 ? rows : 1) * config->targets;
    all = all < STAGE_ROWS_MAX ? all : STAGE_ROWS_MAX;
    size_t most = STAGE_BYTES_MAX / row_bytes;
    most = most > 0 ? most : 1;
    return (uint32_t)(all < most ? all : most);
}

static uint32_t room(const weir__row_stage *stage, size_t row_bytes)
{
    uint32_t full = rows_when_full(stage, row_bytes);
    size_t used = stage->nkept;
    if (stage->nkept > 0) {
        size_t by_bytes = (weir_builder_bytes(stage->kept) - stage->batch_overhead) / row_bytes;
        used = by_bytes > used ? by_bytes : used;
    }
    return used < full ? full - (uint32_t)used : 0;
}

static int need_builder(weir__row_stage *stage)
{
    if (stage->kept != NULL) {
        return 0;
    }
    int rc =
        weir_builder_new(stage->config.schema, STAGE_ROWS_MAX, WEIR_BATCH_SIZE_MAX, &stage->kept);
    if (rc == 0) {
        stage->batch_overhead = weir_builder_bytes(stage->kept);
    }
    return rc;
}

static int set_targets(weir__row_stage *stage, const weir_columns *columns)
{
    uint32_t need = stage->nkept + columns->rows;
    if (need > stage->targets_capacity) {
        uint32_t more = need < UINT32_MAX / 2 ? need * 2 : need;
        uint16_t *grown = weir_realloc(stage->targets, more * sizeof *grown);
        if (grown == NULL) {
            return WEIR_ENO_MEMORY;
        }
        stage->targets = grown;
        stage->targets_capacity = more;
    }
    if (stage->config.targets == 1) {
        memset(stage->targets + stage->nkept, 0, columns->rows * sizeof *stage->targets);
        return 0;
    }
    return weir_partitioner_targets(stage->partitioner, columns, stage->targets + stage->nkept);
}

int weir__row_stage_add(weir__row_stage *stage, const weir_columns *columns, weir_error *err)
{
    int rc = need_builder(stage);
    rc = rc == 0 ? set_targets(stage, columns) : rc;
    if (rc != 0) {
        return refuse(rc, err);
    }
    size_t row_bytes = weir_columns_row_bytes(columns);
    for (uint32_t done = 0; done < columns->rows;) {
        uint32_t left = columns->rows - done, some = room(stage, row_bytes);
        if (left < some) {
            rc = weir_builder_append_range(stage->kept, columns, done, left);
            if (rc == 0) {
                stage->nkept += left;
                return 0;
            }
            if (rc != WEIR_ETOO_LARGE) {
                return refuse(rc, err);
            }
            some = left; /* some rows are far above the average */
        }
        /* The input's targets move up to those that are left of it. */
        uint32_t kept = stage->nkept;
        rc = send(stage, columns, done, some, err);
        if (rc != 0) {
            return rc;
        }
        done += some;
        memmove(stage->targets, stage->targets + kept + some,
                (columns->rows - done) * sizeof *stage->targets);
    }
    return 0;
}
