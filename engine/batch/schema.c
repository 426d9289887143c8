#include "batch/schema.h"

#include "base/memory.h"
#include "batch/schema_build.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define LENGTH_MAX 2147483647u

struct weir_schema {
    atomic_uint refs;
    weir_arena *arena; /* everything below */
    const char *name;
    const weir_schema_field *fields;
    uint32_t count;
    uint32_t nodes;
    uint32_t record_size;
    uint64_t fingerprint;
};

typedef struct kind_info {
    const char *name;
    uint8_t width, c_size, c_align;
} kind_info;

static const kind_info kinds[] = {
    [WEIR_KIND_boolean] = {"boolean", 0, sizeof(bool), _Alignof(bool)},
    [WEIR_KIND_tinyint] = {"tinyint", 1, 1, 1},
    [WEIR_KIND_smallint] = {"smallint", 2, 2, _Alignof(int16_t)},
    [WEIR_KIND_integer] = {"integer", 4, 4, _Alignof(int32_t)},
    [WEIR_KIND_bigint] = {"bigint", 8, 8, _Alignof(int64_t)},
    [WEIR_KIND_float] = {"float", 4, 4, _Alignof(float)},
    [WEIR_KIND_double] = {"double", 8, 8, _Alignof(double)},
    [WEIR_KIND_decimal] = {"decimal", 16, sizeof(weir_decimal), _Alignof(weir_decimal)},
    [WEIR_KIND_char] = {"char", 0, sizeof(weir_string), _Alignof(weir_string)},
    [WEIR_KIND_varchar] = {"varchar", 0, sizeof(weir_string), _Alignof(weir_string)},
    [WEIR_KIND_string] = {"string", 0, sizeof(weir_string), _Alignof(weir_string)},
    [WEIR_KIND_binary] = {"binary", 0, sizeof(weir_bytes), _Alignof(weir_bytes)},
    [WEIR_KIND_bytes] = {"bytes", 0, sizeof(weir_bytes), _Alignof(weir_bytes)},
    [WEIR_KIND_date] = {"date", 4, 4, _Alignof(int32_t)},
    [WEIR_KIND_time] = {"time", 4, 4, _Alignof(int32_t)},
    [WEIR_KIND_timestamp] = {"timestamp", 8, 8, _Alignof(int64_t)},
    [WEIR_KIND_timestamp_ltz] = {"timestamp_ltz", 8, 8, _Alignof(int64_t)},
    [WEIR_KIND_interval_months] = {"interval_months", 4, 4, _Alignof(int32_t)},
    [WEIR_KIND_interval_ms] = {"interval_ms", 8, 8, _Alignof(int64_t)},
    [WEIR_KIND_array] = {"array", 0, sizeof(weir_array), _Alignof(weir_array)},
    [WEIR_KIND_map] = {"map", 0, sizeof(weir_map_view), _Alignof(weir_map_view)},
    [WEIR_KIND_row] = {"row", 0, 0, 1},
};

static const kind_info *kind_of(uint32_t kind)
{
    return kind < WEIR_COUNT(kinds) && kinds[kind].name != NULL ? &kinds[kind] : NULL;
}

const char *weir_kind_name(uint32_t kind)
{
    const kind_info *info = kind_of(kind);
    return info != NULL ? info->name : "?";
}

uint32_t weir_kind_width(uint32_t kind)
{
    const kind_info *info = kind_of(kind);
    return info != NULL ? info->width : 0;
}

bool weir_kind_is_variable(uint32_t kind)
{
    return kind >= WEIR_KIND_char && kind <= WEIR_KIND_bytes;
}

uint32_t weir__kind_c_size(uint32_t kind)
{
    const kind_info *info = kind_of(kind);
    return info != NULL ? info->c_size : 0;
}

uint32_t weir__kind_c_align(uint32_t kind)
{
    const kind_info *info = kind_of(kind);
    return info != NULL ? info->c_align : 1;
}

uint32_t weir__field_stride(const weir_schema_field *field)
{
    if (field->kind == WEIR_KIND_row)
        return field->record_size;
    uint32_t size = weir__kind_c_size(field->kind);
    uint32_t align = weir__kind_c_align(field->kind);
    return field->nullable ? (size + 1 + align - 1) / align * align : size;
}

/* ---- making one ---- */

int weir__schema_build_init(weir__schema_build *build)
{
    *build = (weir__schema_build){.problems = WEIR_BUFFER_INIT};
    build->arena = weir_arena_new(0);
    return build->arena != NULL ? 0 : WEIR_ENO_MEMORY;
}

void weir__schema_build_deinit(weir__schema_build *build)
{
    weir_arena_destroy(&build->arena);
    weir_buffer_deinit(&build->problems);
}

void weir__schema_problem(weir__schema_build *build, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (build->problems.size > 0)
        weir_buffer_puts(&build->problems, "; ");
    weir_buffer_puts(&build->problems, text);
}

weir_schema_field *weir__schema_build_fields(weir__schema_build *build, uint32_t count,
                                             uint32_t depth, const char *where)
{
    if (depth > WEIR_SCHEMA_DEPTH_MAX) {
        weir__schema_problem(build, "%s is nested deeper than %d levels", where,
                             WEIR_SCHEMA_DEPTH_MAX);
        return NULL;
    }
    if (count > WEIR_SCHEMA_FIELDS_MAX || build->nfields + count > WEIR_SCHEMA_FIELDS_MAX) {
        if (!build->too_many)
            weir__schema_problem(build, "%s has more than %d fields, nested ones included", where,
                                 WEIR_SCHEMA_FIELDS_MAX);
        build->too_many = true;
        return NULL;
    }
    build->nfields += count;
    weir_schema_field *fields = weir_arena_alloc(build->arena, count * sizeof *fields + 1);
    if (fields == NULL)
        build->failed = true;
    return fields;
}

bool weir__kind_has_precision(uint32_t kind)
{
    return kind == WEIR_KIND_decimal || kind == WEIR_KIND_char || kind == WEIR_KIND_varchar ||
           kind == WEIR_KIND_binary || kind == WEIR_KIND_timestamp ||
           kind == WEIR_KIND_timestamp_ltz;
}

void weir__schema_defaults(weir_schema_field *field)
{
    if (field->precision != 0)
        return;
    switch (field->kind) {
    case WEIR_KIND_decimal:
        field->precision = 10;
        break;
    case WEIR_KIND_char:
    case WEIR_KIND_varchar:
    case WEIR_KIND_binary:
        field->precision = 1;
        break;
    case WEIR_KIND_timestamp:
    case WEIR_KIND_timestamp_ltz:
        field->precision = 3;
        break;
    default:
        break;
    }
}

static void check_precision(weir__schema_build *build, const weir_schema_field *field,
                            const char *where)
{
    uint32_t p = field->precision, s = field->scale;
    switch (field->kind) {
    case WEIR_KIND_decimal:
        if (p < 1 || p > 38 || s > p)
            weir__schema_problem(build,
                                 "%s is decimal(%u, %u), give a precision of 1 to 38 and a scale "
                                 "of at most the precision",
                                 where, p, s);
        return;
    case WEIR_KIND_char:
    case WEIR_KIND_varchar:
    case WEIR_KIND_binary:
        if (p < 1 || p > LENGTH_MAX || s != 0)
            weir__schema_problem(build, "%s is %s(%u), give a length of 1 to %u", where,
                                 weir_kind_name(field->kind), p, LENGTH_MAX);
        return;
    case WEIR_KIND_timestamp:
    case WEIR_KIND_timestamp_ltz:
        if ((p != 0 && p != 3 && p != 6 && p != 9) || s != 0)
            weir__schema_problem(build, "%s is %s(%u), give 0, 3, 6 or 9 digits", where,
                                 weir_kind_name(field->kind), p);
        return;
    default:
        if (p != 0 || s != 0)
            weir__schema_problem(build, "%s is %s(%u, %u), which takes no precision", where,
                                 weir_kind_name(field->kind), p, s);
    }
}

static void check_names(weir__schema_build *build, const weir_schema_field *fields, uint32_t count,
                        const char *where)
{
    for (uint32_t i = 0; i < count; i++) {
        if (fields[i].name == NULL || fields[i].name[0] == 0) {
            weir__schema_problem(build, "%s%sfield %u has no name, give it one", where,
                                 where[0] != 0 ? ": " : "", i + 1);
            continue;
        }
        if (strnlen(fields[i].name, WEIR__NAME_SIZE_MAX + 1) > WEIR__NAME_SIZE_MAX)
            weir__schema_problem(build, "%s%sthe name of field %u is longer than %u bytes", where,
                                 where[0] != 0 ? ": " : "", i + 1, WEIR__NAME_SIZE_MAX);
        for (uint32_t k = 0; k < i; k++) {
            if (fields[k].name != NULL && strcmp(fields[k].name, fields[i].name) == 0) {
                weir__schema_problem(build, "%s%stwo fields are named '%.64s', rename one", where,
                                     where[0] != 0 ? ": " : "", fields[i].name);
                break;
            }
        }
    }
}

static void check_field(weir__schema_build *build, weir_schema_field *field, const char *where);

static void check_children(weir__schema_build *build, weir_schema_field *field, const char *where)
{
    static const char *const item_names[] = {"item"}, *const map_names[] = {"key", "value"};
    uint32_t wanted = field->kind == WEIR_KIND_array ? 1 : field->kind == WEIR_KIND_map ? 2 : 0;
    weir_schema_field *children = (weir_schema_field *)(uintptr_t)field->children;
    if (field->nchildren == 0 && build->problems.size > 0)
        return; /* its makers said why */
    if (field->kind == WEIR_KIND_row ? field->nchildren == 0 : field->nchildren != wanted) {
        weir__schema_problem(build, "%s is %s with %u types inside", where,
                             weir_kind_name(field->kind), field->nchildren);
        return;
    }
    if (field->kind == WEIR_KIND_row)
        check_names(build, children, field->nchildren, where);
    for (uint32_t i = 0; i < field->nchildren; i++) {
        if (field->kind != WEIR_KIND_row)
            children[i].name = wanted == 1 ? item_names[0] : map_names[i];
        char path[300];
        const char *name = children[i].name != NULL ? children[i].name : "";
        snprintf(path, sizeof path, "%.200s.%.64s", where, name);
        check_field(build, &children[i], path);
    }
    if (field->kind == WEIR_KIND_map && children[0].nullable)
        weir__schema_problem(build, "%s is a map with nullable keys, make them not null", where);
}

static void check_field(weir__schema_build *build, weir_schema_field *field, const char *where)
{
    if (kind_of(field->kind) == NULL) {
        weir__schema_problem(build, "%s is of unknown kind %u", where, field->kind);
        return;
    }
    check_precision(build, field, where);
    check_children(build, field, where);
}

static void canonical_u32(weir_buffer *out, uint32_t value)
{
    uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                        (uint8_t)(value >> 24)};
    weir_buffer_append(out, bytes, sizeof bytes);
}

/* The byte form behind the fingerprint; frozen, since it stands in files. */
static void canonical_fields(weir_buffer *out, const weir_schema_field *fields, uint32_t count)
{
    canonical_u32(out, count);
    for (uint32_t i = 0; i < count; i++) {
        const weir_schema_field *f = &fields[i];
        uint32_t size = (uint32_t)strlen(f->name);
        canonical_u32(out, size);
        weir_buffer_append(out, f->name, size);
        canonical_u32(out, f->kind);
        canonical_u32(out, f->nullable ? 1 : 0);
        canonical_u32(out, f->precision);
        canonical_u32(out, f->scale);
        canonical_fields(out, f->children, f->nchildren);
    }
}

static int fingerprint(weir_schema *schema)
{
    weir_buffer bytes = WEIR_BUFFER_INIT;
    canonical_fields(&bytes, schema->fields, schema->count);
    int result = weir_buffer_check(&bytes);
    if (result == 0)
        schema->fingerprint = XXH3_64bits(bytes.data, bytes.size);
    weir_buffer_deinit(&bytes);
    return result;
}

static int make(weir__schema_build *build, const char *name, const weir_schema_field *fields,
                uint32_t count, uint32_t record_size, weir_schema **ret)
{
    weir_schema *schema = weir_calloc(1, sizeof *schema);
    if (schema == NULL)
        return WEIR_ENO_MEMORY;
    atomic_init(&schema->refs, 1);
    schema->name = weir_arena_strdup(build->arena, name != NULL ? name : "");
    schema->fields = fields;
    schema->count = count;
    schema->nodes = build->nfields;
    schema->record_size = record_size;
    if (schema->name == NULL || fingerprint(schema) != 0) {
        weir_free(schema);
        return WEIR_ENO_MEMORY;
    }
    schema->arena = build->arena;
    build->arena = NULL;
    *ret = schema;
    return 0;
}

int weir__schema_build_finish(weir__schema_build *build, const char *name,
                              weir_schema_field *fields, uint32_t count, uint32_t record_size,
                              weir_schema **ret, weir_error *err)
{
    const char *kind = name != NULL && name[0] != 0 ? name : "schema";
    if (!build->failed && fields != NULL) {
        if (count == 0)
            weir__schema_problem(build, "there are no fields, give at least one");
        check_names(build, fields, count, "");
        for (uint32_t i = 0; i < count; i++) {
            char where[100];
            snprintf(where, sizeof where, "field '%.64s'",
                     fields[i].name != NULL ? fields[i].name : "");
            check_field(build, &fields[i], where);
        }
    }
    if (build->failed || weir_buffer_check(&build->problems) != 0)
        return weir_error_set(err, WEIR_ENO_MEMORY, "%.64s: out of memory", kind);
    if (build->problems.size > 0)
        return weir_error_set(err, WEIR_EINVALID, "%.64s: %s", kind,
                              weir_buffer_text(&build->problems));
    int result = make(build, name, fields, count, record_size, ret);
    return result == 0 ? 0 : weir_error_set(err, result, "%.64s: out of memory", kind);
}

/* ---- from a field list ---- */

static weir_schema_field *copy_fields(weir__schema_build *build, const weir_schema_field *fields,
                                      uint32_t count, uint32_t depth)
{
    weir_schema_field *copy = weir__schema_build_fields(build, count, depth, "the schema");
    if (copy == NULL)
        return NULL;
    for (uint32_t i = 0; i < count; i++) {
        copy[i] = fields[i];
        if (fields[i].kind & WEIR_NULLABLE) {
            copy[i].kind &= ~(uint32_t)WEIR_NULLABLE;
            copy[i].nullable = true;
        }
        if (copy[i].kind != WEIR_KIND_timestamp && copy[i].kind != WEIR_KIND_timestamp_ltz)
            weir__schema_defaults(&copy[i]);
        if (fields[i].name != NULL) {
            copy[i].name = weir_arena_strdup(build->arena, fields[i].name);
            if (copy[i].name == NULL)
                build->failed = true;
        }
        copy[i].children = NULL;
        if (fields[i].nchildren > 0 && fields[i].children != NULL)
            copy[i].children =
                copy_fields(build, fields[i].children, fields[i].nchildren, depth + 1);
        if (copy[i].children == NULL)
            copy[i].nchildren = 0;
    }
    return copy;
}

int weir_schema_new(const char *name, const weir_schema_field *fields, uint32_t count,
                    weir_schema **ret, weir_error *err)
{
    weir__schema_build build;
    int result = weir__schema_build_init(&build);
    if (result != 0)
        return weir_error_set(err, result, "schema: out of memory");
    weir_schema_field *copy = copy_fields(&build, fields, count, 1);
    result = weir__schema_build_finish(&build, name, copy, count, 0, ret, err);
    weir__schema_build_deinit(&build);
    return result;
}

/* ---- life ---- */

weir_schema *weir_schema_ref(weir_schema *schema)
{
    if (schema != NULL)
        atomic_fetch_add_explicit(&schema->refs, 1, memory_order_relaxed);
    return schema;
}

void weir_schema_unref(weir_schema **schema)
{
    if (schema == NULL || *schema == NULL)
        return;
    weir_schema *self = *schema;
    *schema = NULL;
    if (atomic_fetch_sub_explicit(&self->refs, 1, memory_order_acq_rel) != 1)
        return;
    weir_arena_destroy(&self->arena);
    weir_free(self);
}

/* ---- reading it ---- */

const char *weir_schema_name(const weir_schema *schema)
{
    return schema->name;
}

uint32_t weir_schema_count(const weir_schema *schema)
{
    return schema->count;
}

const weir_schema_field *weir_schema_at(const weir_schema *schema, uint32_t index)
{
    return index < schema->count ? &schema->fields[index] : NULL;
}

const weir_schema_field *weir_schema_fields(const weir_schema *schema)
{
    return schema->fields;
}

int weir_schema_find(const weir_schema *schema, const char *name)
{
    for (uint32_t i = 0; name != NULL && i < schema->count; i++) {
        if (strcmp(schema->fields[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

uint32_t weir_schema_record_size(const weir_schema *schema)
{
    return schema->record_size;
}

uint32_t weir__schema_nodes(const weir_schema *schema)
{
    return schema->nodes;
}

uint64_t weir_schema_fingerprint(const weir_schema *schema)
{
    return schema->fingerprint;
}

static bool fields_equal(const weir_schema_field *a, const weir_schema_field *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (a[i].kind != b[i].kind || a[i].nullable != b[i].nullable ||
            a[i].precision != b[i].precision || a[i].scale != b[i].scale ||
            a[i].nchildren != b[i].nchildren || strcmp(a[i].name, b[i].name) != 0 ||
            !fields_equal(a[i].children, b[i].children, a[i].nchildren))
            return false;
    }
    return true;
}

bool weir_schema_equal(const weir_schema *a, const weir_schema *b)
{
    if (a == b)
        return true;
    return a->count == b->count && a->fingerprint == b->fingerprint &&
           fields_equal(a->fields, b->fields, a->count);
}
