#include "connectors/formats/csv_parser.h"

#include "base/memory.h"
#include "connectors/formats/csv_value.h"
#include "connectors/formats/scan.h"
#include "connectors/formats/text.h"

#include <string.h>

/* A record is read as a whole before the builder sees any of it: a bad last field must not leave
 * the first ones behind. */
struct weir_csv_parser {
    weir_schema *schema;
    const weir_schema_field *fields;
    uint32_t count;
    weir_format format;
    weir_csv_value *cells;
    char *scratch; /* unescaped fields of the present record */
    size_t scratch_size, scratch_capacity;
};

/* No fault of the record: it must not be left out for it. */
static const char no_memory[] = "needs more memory than there is";

int weir_csv_parser_new(weir_schema *schema, const weir_format *format, weir_csv_parser **ret)
{
    weir_csv_parser *parser = weir_calloc(1, sizeof *parser);

    if (parser == NULL)
        return WEIR_ENO_MEMORY;
    parser->schema = weir_schema_ref(schema);
    parser->fields = weir_schema_fields(schema);
    parser->count = weir_schema_count(schema);
    parser->format = *format;
    parser->cells = weir_calloc(parser->count, sizeof *parser->cells);
    if (parser->cells == NULL) {
        weir_csv_parser_destroy(&parser);
        return WEIR_ENO_MEMORY;
    }
    *ret = parser;
    return 0;
}

void weir_csv_parser_destroy(weir_csv_parser **parser)
{
    if (*parser == NULL)
        return;
    weir_schema_unref(&(*parser)->schema);
    weir_free((*parser)->cells);
    weir_free((*parser)->scratch);
    weir_free(*parser);
    *parser = NULL;
}

/* ---- records ---- */

/* Room for the present record's unescaped fields and hex values. Each kind is shorter than the
 * record, and room for both is made at once: pointers into the scratch stay valid. */
static char *scratch_room(weir_csv_parser *parser, size_t record_size)
{
    size_t capacity = 2 * record_size + WEIR_SCAN_SLACK;

    if (parser->scratch_size == 0 && parser->scratch_capacity < capacity) {
        char *grown = weir_realloc(parser->scratch, capacity);

        if (grown == NULL)
            return NULL;
        parser->scratch = grown;
        parser->scratch_capacity = capacity;
    }
    return parser->scratch + parser->scratch_size;
}

typedef struct raw_field {
    const char *p;
    size_t n;
    bool quoted;
} raw_field;

/* Takes a quoted field whose opening quote is at *cursor; NULL, or the problem. */
static const char *take_quoted(weir_csv_parser *parser, const char *record, const char *end,
                               const char **cursor, raw_field *ret)
{
    const char *p = *cursor + 1, *close;
    char quote = parser->format.quote, *room;
    size_t used = 0;

    close = weir_scan_first(p, end, quote);
    if (close + 1 < end && close[1] == quote) {
        room = scratch_room(parser, (size_t)(end - record));
        if (room == NULL)
            return no_memory;
        while (close + 1 < end && close[1] == quote) {
            memcpy(room + used, p, (size_t)(close + 1 - p));
            used += (size_t)(close + 1 - p);
            p = close + 2;
            close = weir_scan_first(p, end, quote);
        }
        memcpy(room + used, p, (size_t)(close - p));
        used += (size_t)(close - p);
        parser->scratch_size += used;
        *ret = (raw_field){room, used, true};
    } else {
        *ret = (raw_field){p, (size_t)(close - p), true};
    }
    if (close >= end)
        return parser->format.multiline
                   ? "has no closing quote"
                   : "has no closing quote on its line (multiline=true allows newlines in fields)";
    if (close + 1 < end && close[1] != parser->format.delimiter)
        return "has text behind its closing quote";
    *cursor = close + 1;
    return NULL;
}

static const char *read_field(weir_csv_parser *parser, size_t size, uint32_t index,
                              const raw_field *raw)
{
    const weir_schema_field *field = &parser->fields[index];
    weir_csv_value *to = &parser->cells[index];
    const char *problem;
    char *room;

    to->null = field->nullable && !raw->quoted && raw->n == parser->format.null_size &&
               memcmp(raw->p, parser->format.null_text, raw->n) == 0;
    if (to->null)
        return NULL;
    if (!weir_kind_is_variable(field->kind))
        return weir_csv_read_scalar(field, raw->p, raw->n, to);
    if (!weir_text_is_binary(field->kind))
        return weir_csv_read_text(field, raw->p, raw->n, to);
    room = scratch_room(parser, size);
    if (room == NULL)
        return no_memory;
    problem = weir_csv_read_hex(field, raw->p, raw->n, room, to);
    parser->scratch_size += to->size;
    return problem;
}

static int parse_record(weir_csv_parser *parser, const char *record, size_t size,
                        weir_csv_problem *ret)
{
    const char *p = record, *end = record + size;
    char delimiter = parser->format.delimiter;

    parser->scratch_size = 0;
    for (uint32_t i = 0; i < parser->count; i++) {
        const char *problem = NULL;
        raw_field raw = {p, 0, false};

        if (parser->format.quoting && p < end && *p == parser->format.quote) {
            problem = take_quoted(parser, record, end, &p, &raw);
        } else {
            p = weir_scan_first(p, end, delimiter);
            raw.n = (size_t)(p - raw.p);
        }
        if (problem == NULL)
            problem = read_field(parser, size, i, &raw);
        if (problem == no_memory)
            return WEIR_ENO_MEMORY;
        if (problem != NULL) {
            *ret = (weir_csv_problem){&parser->fields[i], problem, raw.p, raw.n};
            return WEIR_EINVALID;
        }
        if (p < end && i + 1 == parser->count) {
            *ret = (weir_csv_problem){NULL, "has more fields than the record type", record, size};
            return WEIR_EINVALID;
        }
        if (p == end && i + 1 < parser->count) {
            *ret = (weir_csv_problem){NULL, "has fewer fields than the record type", record, size};
            return WEIR_EINVALID;
        }
        p++;
    }
    return 0;
}

int weir_csv_parser_row(weir_csv_parser *parser, const char *record, size_t size,
                        weir_builder *into, weir_csv_problem *ret_problem)
{
    int rc;

    if (size == 0 && parser->count > 1)
        return 0;
    rc = parse_record(parser, record, size, ret_problem);
    for (uint32_t i = 0; rc == 0 && i < parser->count; i++) {
        const weir_csv_value *from = &parser->cells[i];
        uint32_t kind = parser->fields[i].kind;

        if (from->null)
            rc = weir_builder_put_null(into, i);
        else if (weir_kind_is_variable(kind))
            rc = weir_builder_put_bytes(into, i, from->bytes, from->size);
        else if (kind == WEIR_KIND_boolean)
            rc = weir_builder_put_bool(into, i, from->value.boolean);
        else
            rc = weir_builder_put_fixed(into, i, &from->value);
        if (rc == WEIR_EINVALID)
            rc = WEIR_EINTERNAL; /* the value was checked: the builder and we disagree */
    }
    if (rc == 0) {
        rc = weir_builder_end_row(into, INT64_MIN, WEIR_INSERT);
        if (rc == WEIR_EINVALID)
            rc = WEIR_EINTERNAL;
    }
    return rc;
}

uint32_t weir_csv_scan_ends(weir_csv_scan *scan, const weir_format *format, const char *p,
                            uint32_t n, uint32_t *positions, uint32_t max)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < n && count < max; i++) {
        char c = p[i];

        if (format->quoting && c == format->quote && (scan->inside || !scan->after_start)) {
            /* A doubled quote leaves and enters again: the state behind it is the same. */
            scan->inside = !scan->inside;
            scan->after_start = !scan->inside && scan->after_start;
        } else if (!scan->inside && c == '\n') {
            positions[count++] = i;
            scan->after_start = false;
        } else if (!scan->inside) {
            scan->after_start = c != format->delimiter;
        }
    }
    return count;
}
