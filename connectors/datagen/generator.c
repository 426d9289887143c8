#include "connectors/datagen/generator.h"

#include "base/memory.h"
#include "connectors/formats/number.h"

#include <string.h>

#define DAY_MS      INT64_C(86400000)
#define WIDTH_MAX   65536u
#define ITEMS_MAX   3 /* of an array */
#define GOLDEN_STEP UINT64_C(0x9e3779b97f4a7c15)

typedef unsigned __int128 wide;

/* One value to make: where its randomness comes from, and the row it belongs to. */
typedef struct place {
    uint64_t hash, row;
} place;

/* The memory of one column, at any depth. */
typedef struct node {
    const weir_schema_field *field;
    uint64_t salt;
    bool is_sequence;
    void *values;
    size_t capacity; /* bytes of values */
    uint32_t *offsets;
    place *places; /* of the children's values */
    uint32_t offsets_capacity, places_capacity;
    weir_column column;    /* what is seen of it */
    weir_column *children; /* nchildren */
    struct node *nodes;    /* nchildren */
} node;

struct weir_generator {
    weir_schema *schema;
    weir_generator_config config;
    node root; /* a row: its children are the columns */
    place *places;
    uint32_t places_capacity;
    weir_columns view;
};

/* The finaliser of splitmix64. */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* ---- building and freeing the tree; depth is bounded by the schema's ---- */

static int build(node *n, const weir_schema_field *fields, uint32_t count, uint64_t *salt)
{
    n->nodes = weir_calloc(count > 0 ? count : 1, sizeof *n->nodes);
    n->children = weir_calloc(count > 0 ? count : 1, sizeof *n->children);
    if (n->nodes == NULL || n->children == NULL)
        return WEIR_ENO_MEMORY;
    n->column.nchildren = count;
    for (uint32_t i = 0; i < count; i++) {
        node *child = &n->nodes[i];

        child->field = &fields[i];
        child->salt = mix(*salt += GOLDEN_STEP);
        child->column.kind = fields[i].kind;
        if (fields[i].nchildren > 0 &&
            build(child, fields[i].children, fields[i].nchildren, salt) != 0)
            return WEIR_ENO_MEMORY;
    }
    return 0;
}

static void tear_down(node *n)
{
    for (uint32_t i = 0; n->nodes != NULL && i < n->column.nchildren; i++)
        tear_down(&n->nodes[i]);
    weir_free(n->nodes);
    weir_free(n->children);
    weir_free(n->values);
    weir_free(n->offsets);
    weir_free(n->places);
}

int weir_generator_new(weir_schema *schema, const weir_generator_config *config,
                       weir_generator **ret)
{
    weir_generator *g = weir_calloc(1, sizeof *g);
    uint64_t salt = 0;

    if (g == NULL)
        return WEIR_ENO_MEMORY;
    g->schema = weir_schema_ref(schema);
    g->config = *config;
    if (build(&g->root, weir_schema_fields(schema), weir_schema_count(schema), &salt) != 0) {
        weir_generator_destroy(&g);
        return WEIR_ENO_MEMORY;
    }
    if (config->sequence >= 0)
        g->root.nodes[config->sequence].is_sequence = true;
    *ret = g;
    return 0;
}

void weir_generator_destroy(weir_generator **generator)
{
    if (*generator == NULL)
        return;
    tear_down(&(*generator)->root);
    weir_free((*generator)->places);
    weir_schema_unref(&(*generator)->schema);
    weir_free(*generator);
    *generator = NULL;
}

/* ---- room ---- */

static int room_for_bytes(node *n, size_t size)
{
    void *grown;

    if (size <= n->capacity)
        return 0;
    size += size / 2;
    grown = weir_realloc(n->values, size);
    if (grown == NULL)
        return WEIR_ENO_MEMORY;
    n->values = grown;
    n->capacity = size;
    return 0;
}

static int room_for_offsets(node *n, uint32_t count)
{
    uint32_t *grown;

    if (count <= n->offsets_capacity)
        return 0;
    grown = weir_realloc(n->offsets, count * sizeof *grown);
    if (grown == NULL)
        return WEIR_ENO_MEMORY;
    n->offsets = grown;
    n->offsets_capacity = count;
    return 0;
}

static int room_for_places(place **places, uint32_t *capacity, uint32_t count)
{
    place *grown;

    if (count <= *capacity)
        return 0;
    grown = weir_realloc(*places, count * sizeof *grown);
    if (grown == NULL)
        return WEIR_ENO_MEMORY;
    *places = grown;
    *capacity = count;
    return 0;
}

/* ---- values ---- */

/* Uniform in [low, high]; a range of 2^64 values wraps to no reduction. */
static int64_t between(uint64_t hash, int64_t low, int64_t high)
{
    uint64_t range = (uint64_t)high - (uint64_t)low + 1;

    return (int64_t)((uint64_t)low + (range != 0 ? hash % range : hash));
}

static int64_t cut(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static int64_t make_integer(const weir_generator_config *c, uint64_t hash, int64_t low,
                            int64_t high)
{
    uint64_t keys = c->keys;

    if (keys > 0)
        return (int64_t)(hash % (keys <= (uint64_t)high ? keys : (uint64_t)high));
    return between(hash, cut(c->min, low, high), cut(c->max, low, high));
}

/* Two digits behind the point: rows stay readable. */
static double make_double(const weir_generator_config *c, uint64_t hash)
{
    int64_t high = c->keys > 0 ? (int64_t)(c->keys & INT64_MAX) : c->max;
    int64_t low = c->keys > 0 ? 0 : c->min;

    low = cut(low, -INT64_C(10000000000000), INT64_C(10000000000000));
    high = cut(high, -INT64_C(10000000000000), INT64_C(10000000000000));
    return (double)between(hash, low * 100, high * 100) / 100;
}

static weir_decimal make_decimal(const weir_generator_config *c, const weir_schema_field *field,
                                 uint64_t hash)
{
    int64_t limit = 1, whole, high = c->keys > 0 ? (int64_t)(c->keys & INT64_MAX) : c->max;
    uint32_t digits = field->precision - field->scale;
    wide unit = 1, value;
    weir_decimal result;

    for (uint32_t i = 0; i < digits && i < 18; i++)
        limit *= 10;
    for (uint32_t i = 0; i < field->scale; i++)
        unit *= 10;
    whole = between(hash, cut(c->keys > 0 ? 0 : c->min, 1 - limit, limit - 1),
                    cut(high, 1 - limit, limit - 1));
    value = (wide)(whole < 0 ? 0 - (uint64_t)whole : (uint64_t)whole) * unit +
            ((wide)mix(hash) << 64 | mix(hash + 1)) % unit;
    if (whole < 0)
        value = 0 - value;
    result.low = (uint64_t)value;
    result.high = (int64_t)(uint64_t)(value >> 64);
    return result;
}

static int64_t row_time_ms(const weir_generator_config *c, uint64_t row)
{
    return (int64_t)((uint64_t)c->start_ms + row * (uint64_t)c->step_ms);
}

static int64_t make_timestamp(const weir_generator_config *c, uint32_t precision, uint64_t row)
{
    int64_t ms = row_time_ms(c, row), factor = 1;

    if (precision == 0)
        return ms / 1000;
    for (; precision > 3; precision--)
        factor *= 10;
    return (int64_t)((uint64_t)ms * (uint64_t)factor);
}

static int64_t make_64(const weir_generator_config *c, const node *n, uint64_t hash, uint64_t row)
{
    switch (n->field->kind) {
    case WEIR_KIND_timestamp:
    case WEIR_KIND_timestamp_ltz:
        return make_timestamp(c, n->field->precision, row);
    case WEIR_KIND_interval_ms:
        return between(hash, 0, DAY_MS - 1);
    default:
        return n->is_sequence ? (int64_t)row : make_integer(c, hash, INT64_MIN, INT64_MAX);
    }
}

static int32_t make_32(const weir_generator_config *c, const node *n, uint64_t hash, uint64_t row)
{
    switch (n->field->kind) {
    case WEIR_KIND_date:
        return (int32_t)cut(row_time_ms(c, row) / DAY_MS + between(hash, 0, 364), INT32_MIN,
                            INT32_MAX);
    case WEIR_KIND_time:
        return (int32_t)between(hash, 0, DAY_MS - 1);
    case WEIR_KIND_interval_months:
        return (int32_t)between(hash, 0, 119);
    default:
        return (int32_t)make_integer(c, hash, INT32_MIN, INT32_MAX);
    }
}

static void make_fixed(const weir_generator_config *c, node *n, uint32_t i, const place *at)
{
    uint64_t hash = mix(at->hash ^ n->salt);

    switch (n->field->kind) {
    case WEIR_KIND_boolean:
        ((uint8_t *)n->values)[i >> 3] |= (uint8_t)((hash & 1) << (i & 7));
        break;
    case WEIR_KIND_tinyint:
        ((int8_t *)n->values)[i] = (int8_t)make_integer(c, hash, INT8_MIN, INT8_MAX);
        break;
    case WEIR_KIND_smallint:
        ((int16_t *)n->values)[i] = (int16_t)make_integer(c, hash, INT16_MIN, INT16_MAX);
        break;
    case WEIR_KIND_float:
        ((float *)n->values)[i] = (float)make_double(c, hash);
        break;
    case WEIR_KIND_double:
        ((double *)n->values)[i] = make_double(c, hash);
        break;
    case WEIR_KIND_decimal:
        ((weir_decimal *)n->values)[i] = make_decimal(c, n->field, hash);
        break;
    case WEIR_KIND_integer:
    case WEIR_KIND_date:
    case WEIR_KIND_time:
    case WEIR_KIND_interval_months:
        ((int32_t *)n->values)[i] = make_32(c, n, hash, at->row);
        break;
    default:
        ((int64_t *)n->values)[i] = make_64(c, n, hash, at->row);
        break;
    }
}

/* The length of the text; at most `room` bytes. */
static uint32_t make_text(const weir_generator_config *c, const node *n, uint64_t hash, char *out,
                          uint32_t room)
{
    uint32_t kind = n->field->kind, size = 0;
    char number[WEIR_NUMBER_MAX];

    if (c->keys > 0 && kind <= WEIR_KIND_string) {
        memcpy(number, "key-", 4);
        size =
            4 + (uint32_t)weir_number_format_int((int64_t)(hash % c->keys & INT64_MAX), number + 4);
        size = size < room ? size : room;
        memcpy(out, number, size);
        return size;
    }
    for (; size < room; size++) {
        if (size % 8 == 0 && size > 0)
            hash = mix(hash + GOLDEN_STEP);

        uint64_t byte = hash >> (8 * (size % 8)) & 255;

        if (kind <= WEIR_KIND_string)
            byte = 'a' + byte % 26;
        out[size] = (char)byte;
    }
    return size;
}

static int fill_variable(const weir_generator_config *c, node *n, const place *places,
                         uint32_t count)
{
    const weir_schema_field *field = n->field;
    bool keyed = c->keys > 0 && field->kind <= WEIR_KIND_string;
    bool limited = field->kind != WEIR_KIND_string && field->kind != WEIR_KIND_bytes;
    uint32_t each = keyed ? 24 : c->length, used = 0;

    if (limited && field->precision > 0 && field->precision < each)
        each = field->precision;
    if ((field->kind == WEIR_KIND_char || field->kind == WEIR_KIND_binary) &&
        field->precision > 0 && field->precision <= WIDTH_MAX)
        each = field->precision; /* it is no limit but the length */
    if (room_for_bytes(n, (size_t)each * count + 1) != 0 || room_for_offsets(n, count + 1) != 0)
        return WEIR_ENO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        char *to = (char *)n->values + used;
        uint32_t size = make_text(c, n, mix(places[i].hash ^ n->salt), to, each);

        if (field->kind == WEIR_KIND_char && size < each) {
            memset(to + size, ' ', each - size);
            size = each;
        }
        n->offsets[i] = used;
        used += size;
    }
    n->offsets[count] = used;
    return 0;
}

static int fill(const weir_generator_config *c, node *n, const place *places, uint32_t count);

static int fill_children(const weir_generator_config *c, node *n, const place *places,
                         uint32_t count)
{
    for (uint32_t i = 0; i < n->column.nchildren; i++) {
        if (fill(c, &n->nodes[i], places, count) != 0)
            return WEIR_ENO_MEMORY;
        n->children[i] = n->nodes[i].column;
    }
    n->column.children = n->children;
    return 0;
}

/* Arrays of 0 to 3 items, maps of 0 or 1 entry: their keys never meet. */
static int fill_list(const weir_generator_config *c, node *n, const place *places, uint32_t count)
{
    uint32_t most = n->field->kind == WEIR_KIND_array ? ITEMS_MAX : 1, used = 0;

    if (room_for_offsets(n, count + 1) != 0 ||
        room_for_places(&n->places, &n->places_capacity, count * most) != 0)
        return WEIR_ENO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t hash = mix(places[i].hash ^ n->salt);
        uint32_t items = (uint32_t)(hash % (most + 1));

        n->offsets[i] = used;
        for (uint32_t k = 0; k < items; k++)
            n->places[used++] = (place){mix(hash + (k + 1) * GOLDEN_STEP), places[i].row};
    }
    n->offsets[count] = used;
    return fill_children(c, n, n->places, used);
}

static int fill(const weir_generator_config *c, node *n, const place *places, uint32_t count)
{
    uint32_t kind = n->field->kind;
    size_t width = weir_kind_width(kind);
    size_t size = kind == WEIR_KIND_boolean ? ((size_t)count + 7) / 8 : width * count;
    int rc = 0;

    n->column.rows = count;
    if (kind == WEIR_KIND_row)
        return fill_children(c, n, places, count);
    if (kind == WEIR_KIND_array || kind == WEIR_KIND_map) {
        rc = fill_list(c, n, places, count);
    } else if (weir_kind_is_variable(kind)) {
        rc = fill_variable(c, n, places, count);
    } else {
        if (room_for_bytes(n, size + 16) != 0)
            return WEIR_ENO_MEMORY;
        if (kind == WEIR_KIND_boolean)
            memset(n->values, 0, size);
        for (uint32_t i = 0; i < count; i++)
            make_fixed(c, n, i, &places[i]);
    }
    n->column.values = n->values;
    n->column.offsets = n->offsets;
    return rc;
}

int weir_generator_make(weir_generator *g, uint64_t first, uint64_t stride, uint32_t count,
                        const weir_columns **ret)
{
    if (room_for_places(&g->places, &g->places_capacity, count > 0 ? count : 1) != 0)
        return WEIR_ENO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t row = first + i * stride;

        g->places[i] = (place){mix(mix(g->config.seed) + (row + 1) * GOLDEN_STEP), row};
    }
    if (fill_children(&g->config, &g->root, g->places, count) != 0)
        return WEIR_ENO_MEMORY;
    g->view = (weir_columns){.size = sizeof g->view,
                             .rows = count,
                             .ncolumns = g->root.column.nchildren,
                             .columns = g->root.children};
    *ret = &g->view;
    return 0;
}
