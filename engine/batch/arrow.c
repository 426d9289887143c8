#include "batch/arrow.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

#define FORMAT_SIZE 32u

/* ---- schema ---- */

/* What one ArrowSchema owns; the children's structures lie behind it. A consumer may move a child
 * out and release it later, so each has its own. */
typedef struct schema_node {
    char format[FORMAT_SIZE];
    char *name;
    struct ArrowSchema **pointers;
    struct ArrowSchema children[];
} schema_node;

static void release_schema(struct ArrowSchema *schema)
{
    schema_node *node = schema->private_data;
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->release != NULL)
            schema->children[i]->release(schema->children[i]);
    }
    weir_free(node->name);
    weir_free(node->pointers);
    weir_free(node);
    schema->release = NULL;
}

static int make_schema(struct ArrowSchema *ret, const char *name, bool nullable, uint32_t nchildren)
{
    schema_node *node = weir_calloc(1, sizeof *node + nchildren * sizeof node->children[0]);
    if (node == NULL)
        return WEIR_ENO_MEMORY;
    node->name = weir_strdup(name);
    node->pointers = weir_calloc(nchildren + 1u, sizeof *node->pointers);
    if (node->name == NULL || node->pointers == NULL) {
        weir_free(node->name);
        weir_free(node->pointers);
        weir_free(node);
        return WEIR_ENO_MEMORY;
    }
    for (uint32_t i = 0; i < nchildren; i++)
        node->pointers[i] = &node->children[i];
    *ret = (struct ArrowSchema){.format = node->format,
                                .name = node->name,
                                .flags = nullable ? ARROW_FLAG_NULLABLE : 0,
                                .n_children = nchildren,
                                .children = nchildren > 0 ? node->pointers : NULL,
                                .release = release_schema,
                                .private_data = node};
    return 0;
}

static const char *plain_format(uint32_t kind)
{
    static const char *const formats[] = {
        [WEIR_KIND_boolean] = "b",
        [WEIR_KIND_tinyint] = "c",
        [WEIR_KIND_smallint] = "s",
        [WEIR_KIND_integer] = "i",
        [WEIR_KIND_bigint] = "l",
        [WEIR_KIND_float] = "f",
        [WEIR_KIND_double] = "g",
        [WEIR_KIND_char] = "u",
        [WEIR_KIND_varchar] = "u",
        [WEIR_KIND_string] = "u",
        [WEIR_KIND_binary] = "z",
        [WEIR_KIND_bytes] = "z",
        [WEIR_KIND_date] = "tdD",
        [WEIR_KIND_time] = "ttm",
        [WEIR_KIND_interval_months] = "tiM",
        [WEIR_KIND_interval_ms] = "tDm",
        [WEIR_KIND_array] = "+l",
        [WEIR_KIND_map] = "+m",
        [WEIR_KIND_row] = "+s",
    };
    return kind < WEIR_COUNT(formats) && formats[kind] != NULL ? formats[kind] : "n";
}

static void set_format(struct ArrowSchema *schema, const weir_schema_field *field)
{
    schema_node *node = schema->private_data;
    char unit = field->precision == 0   ? 's'
                : field->precision == 3 ? 'm'
                : field->precision == 6 ? 'u'
                                        : 'n';
    if (field->kind == WEIR_KIND_decimal)
        snprintf(node->format, FORMAT_SIZE, "d:%u,%u", field->precision, field->scale);
    else if (field->kind == WEIR_KIND_timestamp)
        snprintf(node->format, FORMAT_SIZE, "ts%c:", unit);
    else if (field->kind == WEIR_KIND_timestamp_ltz)
        snprintf(node->format, FORMAT_SIZE, "ts%c:UTC", unit);
    else
        snprintf(node->format, FORMAT_SIZE, "%s", plain_format(field->kind));
}

static int export_field(const weir_schema_field *field, struct ArrowSchema *ret)
{
    bool map = field->kind == WEIR_KIND_map;
    struct ArrowSchema *parent = ret;
    int result = make_schema(ret, field->name, field->nullable, map ? 1 : field->nchildren);
    if (result != 0)
        return result;
    set_format(ret, field);
    if (map) {
        /* Arrow's map is a list of entries, each a row of key and value. */
        parent = ret->children[0];
        result = make_schema(parent, "entries", false, 2);
        if (result == 0)
            memcpy(((schema_node *)parent->private_data)->format, "+s", 3);
    }
    for (uint32_t i = 0; result == 0 && i < field->nchildren; i++)
        result = export_field(&field->children[i], parent->children[i]);
    if (result != 0)
        release_schema(ret);
    return result;
}

int weir_arrow_export_schema(const weir_schema *schema, struct ArrowSchema *ret)
{
    weir_schema_field whole = {.name = weir_schema_name(schema),
                               .kind = WEIR_KIND_row,
                               .nchildren = weir_schema_count(schema),
                               .children = weir_schema_fields(schema)};
    struct ArrowSchema exported;
    int result = export_field(&whole, &exported);
    if (result == 0)
        *ret = exported;
    return result;
}

/* ---- array ---- */

typedef struct array_node {
    weir_batch *batch; /* keeps the buffers */
    const void *buffers[3];
    struct ArrowArray **pointers;
    struct ArrowArray children[];
} array_node;

static void release_array(struct ArrowArray *array)
{
    array_node *node = array->private_data;
    for (int64_t i = 0; i < array->n_children; i++) {
        if (array->children[i]->release != NULL)
            array->children[i]->release(array->children[i]);
    }
    weir_batch_unref(&node->batch);
    weir_free(node->pointers);
    weir_free(node);
    array->release = NULL;
}

static int make_array(struct ArrowArray *ret, weir_batch *batch, uint32_t rows, uint32_t nbuffers,
                      uint32_t nchildren)
{
    array_node *node = weir_calloc(1, sizeof *node + nchildren * sizeof node->children[0]);
    if (node == NULL)
        return WEIR_ENO_MEMORY;
    node->pointers = weir_calloc(nchildren + 1u, sizeof *node->pointers);
    if (node->pointers == NULL) {
        weir_free(node);
        return WEIR_ENO_MEMORY;
    }
    for (uint32_t i = 0; i < nchildren; i++)
        node->pointers[i] = &node->children[i];
    node->batch = weir_batch_ref(batch);
    *ret = (struct ArrowArray){.length = rows,
                               .n_buffers = nbuffers,
                               .n_children = nchildren,
                               .buffers = node->buffers,
                               .children = nchildren > 0 ? node->pointers : NULL,
                               .release = release_array,
                               .private_data = node};
    return 0;
}

static uint32_t buffers_of(uint32_t kind)
{
    if (kind == WEIR_KIND_row)
        return 1;
    return weir_kind_is_variable(kind) ? 3 : 2;
}

static int export_column(weir_batch *batch, const weir_column *column, struct ArrowArray *ret)
{
    bool map = column->kind == WEIR_KIND_map;
    struct ArrowArray *parent = ret;
    int result =
        make_array(ret, batch, column->rows, buffers_of(column->kind), map ? 1 : column->nchildren);
    if (result != 0)
        return result;
    ret->null_count = column->nulls;
    array_node *node = ret->private_data;
    node->buffers[0] = column->nulls > 0 ? column->validity : NULL;
    if (column->offsets != NULL) {
        node->buffers[1] = column->offsets;
        node->buffers[2] = weir_kind_is_variable(column->kind) ? column->values : NULL;
    } else if (column->kind != WEIR_KIND_row) {
        node->buffers[1] = column->values;
    }
    if (map) {
        parent = ret->children[0];
        result = make_array(parent, batch, column->children[0].rows, 1, 2);
    }
    for (uint32_t i = 0; result == 0 && i < column->nchildren; i++)
        result = export_column(batch, &column->children[i], parent->children[i]);
    if (result != 0)
        release_array(ret);
    return result;
}

int weir_arrow_export_batch(weir_batch *batch, struct ArrowArray *ret)
{
    const weir_columns *columns = weir_batch_columns(batch);
    weir_column whole = {.kind = WEIR_KIND_row,
                         .children = columns->columns,
                         .nchildren = columns->ncolumns,
                         .rows = columns->rows};
    struct ArrowArray exported;
    int result = export_column(batch, &whole, &exported);
    if (result == 0)
        *ret = exported;
    return result;
}
