#include "connectors/blackhole/blackhole.h"

#include "base/memory.h"
#include "connectors/formats/format.h"

#include <string.h>

typedef struct blackhole {
    weir_writer base;
    bool read;
    uint64_t rows, folded;
} blackhole;

static const weir_connector_option options[] = {
    {"read", "true", "bool", "read every byte of every column before it is dropped", false, true},
};

static uint64_t fold(const void *bytes, size_t size)
{
    const char *p = bytes;
    uint64_t folded = 0, word;

    for (; size >= sizeof word; size -= sizeof word, p += sizeof word) {
        memcpy(&word, p, sizeof word);
        folded ^= word;
    }
    for (; size > 0; size--, p++)
        folded ^= (unsigned char)*p;
    return folded;
}

/* Recursion is bounded by the depth of a schema. */
static uint64_t fold_column(const weir_column *column)
{
    size_t bitmap = ((size_t)column->rows + 7) / 8;
    uint32_t bounds[2] = {0, 0};
    uint64_t folded = 0;

    if (column->nulls != 0)
        folded ^= fold(column->validity, bitmap);
    if (column->kind == WEIR_KIND_boolean)
        folded ^= fold(column->values, bitmap);
    else if (weir_kind_width(column->kind) > 0)
        folded ^= fold(column->values, (size_t)column->rows * weir_kind_width(column->kind));
    if (column->offsets != NULL) {
        memcpy(&bounds[0], column->offsets, sizeof bounds[0]);
        memcpy(&bounds[1], column->offsets + column->rows, sizeof bounds[1]);
        folded ^= fold(column->offsets, ((size_t)column->rows + 1) * sizeof(uint32_t));
    }
    if (weir_kind_is_variable(column->kind) && bounds[1] > bounds[0])
        folded ^= fold((const char *)column->values + bounds[0], bounds[1] - bounds[0]);
    for (uint32_t i = 0; i < column->nchildren; i++)
        folded ^= fold_column(&column->children[i]);
    return folded;
}

static int write_rows(weir_writer *self, const weir_columns *columns, weir_wait *ret_wait,
                      weir_error *err)
{
    blackhole *b = (blackhole *)self;

    (void)ret_wait;
    (void)err;
    b->rows += columns->rows;
    for (uint32_t i = 0; b->read && i < columns->ncolumns; i++)
        b->folded ^= fold_column(&columns->columns[i]);
    return 0;
}

static int nothing_to_do(weir_writer *self, weir_wait *ret_wait, weir_error *err)
{
    (void)self;
    (void)ret_wait;
    (void)err;
    return 0;
}

static void close_writer(weir_writer *self)
{
    weir_free(self);
}

static const struct weir_writer_class writer_class = {
    .write = write_rows,
    .flush = nothing_to_do,
    .finish = nothing_to_do,
    .close = close_writer,
};

static int open_writer(const weir_connector_context *context, weir_writer **ret, weir_error *err)
{
    blackhole *b = weir_calloc(1, sizeof *b);

    if (b == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "sink 'blackhole:': no memory; free some");
    b->base.vtable = &writer_class;
    b->read = weir_format_option_bool(context->operator_, "read");
    *ret = &b->base;
    return 0;
}

void weir_blackhole_seen(const weir_writer *writer, uint64_t *ret_rows, uint64_t *ret_xor)
{
    const blackhole *b = (const blackhole *)writer;

    *ret_rows = b->rows;
    *ret_xor = b->folded;
}

const weir_connector weir_blackhole_connector = {
    .name = "blackhole",
    .meaning = "Takes every row and keeps none.",
    .path_meaning = "none",
    .options = options,
    .noptions = WEIR_COUNT(options),
    .sink = true,
    .open_writer = open_writer,
};
