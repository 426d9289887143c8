/* A schema from the descriptor that WEIR_RECORD makes. The descriptor is a job's: its numbers are
 * checked, so that no later read of a record leaves the record. */
#include "batch/schema_build.h"

#include <stdio.h>
#include <string.h>

static weir_schema_field *fields_from_type(weir__schema_build *build, const weir_type *type,
                                           uint32_t depth, const char *where);

/* Fields of a newer module may be longer than ours: the array is walked by its own stride. */
static const weir_field *field_at(const weir_type *type, uint32_t index)
{
    const char *base = (const char *)type->fields;
    return (const weir_field *)(const void *)(base + (size_t)index * type->field_size);
}

static bool set_row(weir__schema_build *build, weir_schema_field *into, const weir_type *type,
                    uint32_t depth, const char *where)
{
    if (type == NULL) {
        weir__schema_problem(build, "%s names no record for its row", where);
        return false;
    }
    if (into->nullable) {
        weir__schema_problem(build, "%s is a nullable row, which has no C form", where);
        return false;
    }
    weir_schema_field *children = fields_from_type(build, type, depth + 1, where);
    if (children == NULL)
        return false;
    into->children = children;
    into->nchildren = type->nfields;
    into->record_size = type->record_size;
    return true;
}

/* The items of an array, the keys and values of a map: scalars, or a record. */
static bool set_item(weir__schema_build *build, weir_schema_field *into, const weir_field *from,
                     bool is_key, uint32_t depth, const char *where)
{
    uint32_t kind = is_key ? from->key : from->element;
    into->kind = kind & ~(uint32_t)WEIR_NULLABLE;
    into->nullable = (kind & WEIR_NULLABLE) != 0;
    if (into->kind == WEIR_KIND_array || into->kind == WEIR_KIND_map) {
        weir__schema_problem(build, "%s holds an %s, wrap it in a row", where,
                             weir_kind_name(into->kind));
        return false;
    }
    if (!is_key && weir__kind_has_precision(into->kind)) {
        into->precision = from->precision;
        into->scale = from->scale;
    }
    weir__schema_defaults(into);
    if (into->kind == WEIR_KIND_row)
        return set_row(build, into, from->row, depth, where);
    into->record_size = weir__field_stride(into);
    return true;
}

static bool set_nested(weir__schema_build *build, weir_schema_field *into, const weir_field *from,
                       uint32_t depth, const char *where)
{
    if (into->kind == WEIR_KIND_row)
        return set_row(build, into, from->row, depth, where);
    uint32_t count = into->kind == WEIR_KIND_map ? 2 : 1;
    weir_schema_field *items = weir__schema_build_fields(build, count, depth + 1, where);
    if (items == NULL)
        return false;
    if (count == 2 && !set_item(build, &items[0], from, true, depth + 1, where))
        return false;
    if (!set_item(build, &items[count - 1], from, false, depth + 1, where))
        return false;
    into->children = items;
    into->nchildren = count;
    return true;
}

static void set_field(weir__schema_build *build, weir_schema_field *into, const weir_field *from,
                      const weir_type *type, uint32_t depth, const char *where)
{
    into->name = from->name != NULL ? weir_arena_strdup(build->arena, from->name) : NULL;
    if (from->name != NULL && into->name == NULL)
        build->failed = true;
    into->kind = from->kind & ~(uint32_t)WEIR_NULLABLE;
    into->nullable = (from->kind & WEIR_NULLABLE) != 0;
    into->offset = from->offset;
    bool nested =
        into->kind == WEIR_KIND_array || into->kind == WEIR_KIND_map || into->kind == WEIR_KIND_row;
    if (!nested) {
        into->precision = from->precision;
        into->scale = from->scale;
        weir__schema_defaults(into);
    } else if (!set_nested(build, into, from, depth, where)) {
        return;
    }
    uint64_t size = into->kind == WEIR_KIND_row ? into->record_size : weir__kind_c_size(into->kind);
    if (size > 0 && (uint64_t)from->offset + size + (into->nullable ? 1 : 0) > type->record_size)
        weir__schema_problem(build,
                             "%s lies at offset %u, outside of its record of %u bytes, declare "
                             "the record with WEIR_RECORD",
                             where, from->offset, type->record_size);
}

static weir_schema_field *fields_from_type(weir__schema_build *build, const weir_type *type,
                                           uint32_t depth, const char *where)
{
    if (type->size < sizeof(weir_type) || type->field_size < sizeof(weir_field) ||
        type->field_size % _Alignof(weir_field) != 0) {
        weir__schema_problem(build, "%s was made by another version of weir/types.h, rebuild it",
                             where);
        return NULL;
    }
    if (type->nfields == 0 || type->fields == NULL || type->record_size == 0 ||
        type->record_size > WEIR__RECORD_SIZE_MAX) {
        weir__schema_problem(build, "%s is a record of %u bytes with %u fields", where,
                             type->record_size, type->nfields);
        return NULL;
    }
    weir_schema_field *fields = weir__schema_build_fields(build, type->nfields, depth, where);
    for (uint32_t i = 0; fields != NULL && i < type->nfields; i++) {
        const weir_field *from = field_at(type, i);
        char path[300];
        const char *name = from->name != NULL ? from->name : "";
        if (depth == 1)
            snprintf(path, sizeof path, "field '%.64s'", name);
        else
            snprintf(path, sizeof path, "%.200s.%.64s", where, name);
        set_field(build, &fields[i], from, type, depth, path);
    }
    return fields;
}

int weir_schema_from_type(const weir_type *type, weir_schema **ret, weir_error *err)
{
    if (type == NULL)
        return weir_error_set(err, WEIR_EINVALID, "schema: there is no record descriptor");
    weir__schema_build build;
    int result = weir__schema_build_init(&build);
    if (result != 0)
        return weir_error_set(err, result, "schema: out of memory");
    weir_schema_field *fields = fields_from_type(&build, type, 1, "the record");
    bool readable = type->size >= sizeof(weir_type);
    result = weir__schema_build_finish(&build, readable ? type->name : NULL, fields,
                                       readable ? type->nfields : 0,
                                       readable ? type->record_size : 0, ret, err);
    weir__schema_build_deinit(&build);
    return result;
}
