#include "operators/record_copy.h"

#include <string.h>

#define RECORD_MAX ((size_t)1 << 30)

/* One walk over all that a record points to serves three purposes: measuring, copying, looking. */
typedef struct walk {
    uint8_t *begin; /* copying: the block; looking: where it begins; measuring: NULL */
    size_t used;    /* measuring and copying: bytes so far */
    size_t size;    /* looking: of the block */
    bool looking, outside, too_large;
} walk;

static size_t align16(size_t n)
{
    return (n + 15) & ~(size_t)15;
}

/* Size of one C value of this kind, in an array's items. */
static size_t item_size(const weir_schema_field *field)
{
    switch (field->kind) {
    case WEIR_KIND_boolean:
        return field->nullable ? sizeof(weir_nullable_boolean) : sizeof(bool);
    case WEIR_KIND_decimal:
        return field->nullable ? sizeof(weir_nullable_decimal) : sizeof(weir_decimal);
    case WEIR_KIND_char:
    case WEIR_KIND_varchar:
    case WEIR_KIND_string:
    case WEIR_KIND_binary:
    case WEIR_KIND_bytes:
        return field->nullable ? sizeof(weir_nullable_string) : sizeof(weir_string);
    case WEIR_KIND_array:
        return field->nullable ? sizeof(weir_nullable_array) : sizeof(weir_array);
    case WEIR_KIND_map:
        return field->nullable ? sizeof(weir_nullable_map) : sizeof(weir_map_view);
    case WEIR_KIND_row:
        return field->record_size;
    default:
        return (size_t)weir_kind_width(field->kind) * (field->nullable ? 2 : 1);
    }
}

static bool has_pointers(const weir_schema_field *field)
{
    if (weir_kind_is_variable(field->kind) || field->kind == WEIR_KIND_array ||
        field->kind == WEIR_KIND_map)
        return true;
    for (uint32_t i = 0; field->kind == WEIR_KIND_row && i < field->nchildren; i++)
        if (has_pointers(&field->children[i]))
            return true;
    return false;
}

/* `is_null` stands behind the value in every weir_nullable_...: at the value's own size. */
static bool is_null(const weir_schema_field *field, const uint8_t *value)
{
    weir_schema_field plain = *field;

    if (!field->nullable || field->kind == WEIR_KIND_row)
        return false;
    plain.nullable = false;
    return *(const bool *)(value + item_size(&plain));
}

/* What the pointer becomes. Memory of n bytes is counted, copied, or looked at. */
static const void *visit(walk *w, const void *from, size_t n)
{
    uint8_t *to;

    if (w->looking) {
        uintptr_t distance = (uintptr_t)from - (uintptr_t)w->begin;

        if (n > 0 && (distance >= w->size || n > w->size - distance))
            w->outside = true;
        return from;
    }
    if (n > RECORD_MAX || w->used > RECORD_MAX - n) {
        w->too_large = true;
        return from;
    }
    to = w->begin ? w->begin + w->used : NULL;
    w->used = align16(w->used + n);
    if (to && n > 0)
        memcpy(to, from, n);
    return to;
}

static void walk_value(walk *w, const weir_schema_field *field, const uint8_t *from, uint8_t *to);

static void walk_fields(walk *w, const weir_schema_field *fields, uint32_t count,
                        const uint8_t *from, uint8_t *to)
{
    for (uint32_t i = 0; i < count && !w->too_large && !w->outside; i++)
        walk_value(w, &fields[i], from + fields[i].offset, to ? to + fields[i].offset : NULL);
}

/* n items in C layout; returns what the pointer to them becomes. */
static const void *walk_items(walk *w, const weir_schema_field *item, const void *items, uint32_t n)
{
    size_t size = item_size(item);
    const void *copy;

    copy = visit(w, items, size * n);
    if (w->too_large || w->outside || !has_pointers(item))
        return copy;
    for (uint32_t i = 0; i < n && !w->too_large && !w->outside; i++)
        walk_value(w, item, (const uint8_t *)items + i * size,
                   w->looking || !copy ? NULL : (uint8_t *)(uintptr_t)copy + i * size);
    return copy;
}

/* `to` is the same value in the copy, whose bytes are those of `from` already; NULL: no copy. */
static void walk_value(walk *w, const weir_schema_field *field, const uint8_t *from, uint8_t *to)
{
    weir_string string;
    weir_array array;
    weir_map_view map;

    if (!has_pointers(field) || is_null(field, from))
        return;
    switch (field->kind) {
    case WEIR_KIND_array:
        memcpy(&array, from, sizeof array);
        array.items = walk_items(w, &field->children[0], array.items, array.n);
        if (to)
            memcpy(to, &array, sizeof array);
        break;
    case WEIR_KIND_map:
        memcpy(&map, from, sizeof map);
        map.keys = walk_items(w, &field->children[0], map.keys, map.n);
        map.values = walk_items(w, &field->children[1], map.values, map.n);
        if (to)
            memcpy(to, &map, sizeof map);
        break;
    case WEIR_KIND_row:
        walk_fields(w, field->children, field->nchildren, from, to);
        break;
    default: /* strings and bytes have one layout */
        memcpy(&string, from, sizeof string);
        string.p = visit(w, string.p, string.n);
        if (to)
            memcpy(to, &string, sizeof string);
    }
}

bool weir_record_is_flat(const weir_schema *schema)
{
    for (uint32_t i = 0; i < weir_schema_count(schema); i++)
        if (has_pointers(weir_schema_at(schema, i)))
            return false;
    return true;
}

int weir_record_measure(const weir_schema *schema, const void *record, size_t *ret)
{
    walk w = {.used = align16(weir_schema_record_size(schema))};

    walk_fields(&w, weir_schema_fields(schema), weir_schema_count(schema), record, NULL);
    if (w.too_large)
        return WEIR_ETOO_LARGE;
    *ret = w.used;
    return 0;
}

void weir_record_copy(const weir_schema *schema, const void *record, void *block)
{
    walk w = {.begin = block, .used = align16(weir_schema_record_size(schema))};

    memcpy(block, record, weir_schema_record_size(schema));
    walk_fields(&w, weir_schema_fields(schema), weir_schema_count(schema), record, block);
}

bool weir_record_is_within(const weir_schema *schema, const void *block, size_t size)
{
    walk w = {.begin = (uint8_t *)(uintptr_t)block, .size = size, .looking = true};

    walk_fields(&w, weir_schema_fields(schema), weir_schema_count(schema), block, NULL);
    return !w.outside;
}
