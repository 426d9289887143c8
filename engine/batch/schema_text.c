/* The SQL spelling of a schema: `name type [not null], ...`, read and written. */
#include "base/memory.h"
#include "base/units.h"
#include "batch/schema_build.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 64u

typedef struct parser {
    weir__schema_build build;
    const char *text;
    const char *at;
    bool stopped; /* a problem was found: nothing after it makes sense */
} parser;

typedef struct spelling {
    const char *word;
    uint32_t kind;
} spelling;

static const spelling spellings[] = {
    {"boolean", WEIR_KIND_boolean},
    {"tinyint", WEIR_KIND_tinyint},
    {"smallint", WEIR_KIND_smallint},
    {"integer", WEIR_KIND_integer},
    {"int", WEIR_KIND_integer},
    {"bigint", WEIR_KIND_bigint},
    {"float", WEIR_KIND_float},
    {"double", WEIR_KIND_double},
    {"decimal", WEIR_KIND_decimal},
    {"dec", WEIR_KIND_decimal},
    {"numeric", WEIR_KIND_decimal},
    {"char", WEIR_KIND_char},
    {"varchar", WEIR_KIND_varchar},
    {"string", WEIR_KIND_string},
    {"binary", WEIR_KIND_binary},
    {"bytes", WEIR_KIND_bytes},
    {"date", WEIR_KIND_date},
    {"time", WEIR_KIND_time},
    {"timestamp", WEIR_KIND_timestamp},
    {"timestamp_ltz", WEIR_KIND_timestamp_ltz},
    {"interval_months", WEIR_KIND_interval_months},
    {"interval_ms", WEIR_KIND_interval_ms},
    {"array", WEIR_KIND_array},
    {"map", WEIR_KIND_map},
    {"row", WEIR_KIND_row},
};

static void stop(parser *self, const char *what)
{
    if (self->stopped)
        return;
    self->stopped = true;
    size_t column = (size_t)(self->at - self->text) + 1;
    if (*self->at == 0)
        weir__schema_problem(&self->build, "%s at the end of the text", what);
    else
        weir__schema_problem(&self->build, "%s at column %zu; found '%.16s'", what, column,
                             self->at);
}

static void skip_space(parser *self)
{
    while (isspace((unsigned char)*self->at))
        self->at++;
}

static bool accept(parser *self, char c)
{
    skip_space(self);
    if (self->stopped || *self->at != c)
        return false;
    self->at++;
    return true;
}

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static size_t word_size(const char *at)
{
    size_t size = 0;
    while (is_word_char(at[size]))
        size++;
    return size;
}

static bool accept_word(parser *self, const char *word)
{
    skip_space(self);
    size_t size = word_size(self->at);
    if (self->stopped || size != strlen(word) || strncasecmp(self->at, word, size) != 0)
        return false;
    self->at += size;
    return true;
}

static void expect_word(parser *self, const char *word)
{
    if (!accept_word(self, word)) {
        char what[64];
        snprintf(what, sizeof what, "expected '%s'", word);
        stop(self, what);
    }
}

/* An identifier, or `any text` with `` for a backquote. */
static const char *parse_name(parser *self)
{
    skip_space(self);
    const char *start = self->at;
    size_t size = word_size(start);
    bool quoted = *start == '`';
    if (quoted) {
        size = 1;
        while (start[size] != 0 && (start[size] != '`' || start[size + 1] == '`'))
            size += start[size] == '`' ? 2 : 1;
        if (start[size] == 0) {
            stop(self, "a quoted name has no closing backquote");
            return NULL;
        }
        size++;
    }
    if (size == 0 || (!quoted && isdigit((unsigned char)*start))) {
        stop(self, "expected a field name");
        return NULL;
    }
    self->at += size;
    char *name =
        weir_arena_strndup(self->build.arena, quoted ? start + 1 : start, quoted ? size - 2 : size);
    if (name == NULL) {
        self->build.failed = self->stopped = true;
        return NULL;
    }
    size_t length = 0;
    for (const char *c = name; *c != 0; c += quoted && c[0] == '`' ? 2 : 1)
        name[length++] = *c;
    name[length] = 0;
    return name;
}

static uint32_t parse_number(parser *self)
{
    skip_space(self);
    uint64_t value = 0;
    if (!isdigit((unsigned char)*self->at))
        stop(self, "expected a number");
    while (isdigit((unsigned char)*self->at)) {
        value = value * 10 + (uint64_t)(*self->at++ - '0');
        if (value > INT32_MAX) {
            stop(self, "the number is too large");
            return 0;
        }
    }
    return (uint32_t)value;
}

static bool parse_kind(parser *self, weir_schema_field *field)
{
    skip_space(self);
    size_t size = word_size(self->at);
    for (size_t i = 0; i < WEIR_COUNT(spellings); i++) {
        if (accept_word(self, spellings[i].word)) {
            field->kind = spellings[i].kind;
            return true;
        }
    }
    const char *known[WEIR_COUNT(spellings)];
    for (size_t i = 0; i < WEIR_COUNT(spellings); i++)
        known[i] = spellings[i].word;
    char word[WORD_MAX], what[200];
    snprintf(word, sizeof word, "%.*s", (int)(size < WORD_MAX ? size : WORD_MAX - 1), self->at);
    const char *near = size > 0 ? weir_suggest(word, known, WEIR_COUNT(known)) : NULL;
    snprintf(what, sizeof what, "expected a type%s%s%s", near != NULL ? " (did you mean '" : "",
             near != NULL ? near : "", near != NULL ? "'?)" : "");
    stop(self, what);
    return false;
}

/* interval year [to month] | month | day|hour|minute|second [to ...]; a precision is ignored, since
 * an interval is whole months or whole milliseconds. */
static bool parse_interval(parser *self, weir_schema_field *field)
{
    static const char *const units[] = {"year", "month", "day", "hour", "minute", "second"};
    if (!accept_word(self, "interval"))
        return false;
    uint32_t from = WEIR_COUNT(units), to;
    for (uint32_t i = 0; i < WEIR_COUNT(units) && from == WEIR_COUNT(units); i++) {
        if (accept_word(self, units[i]))
            from = i;
    }
    to = from;
    if (from < WEIR_COUNT(units) && accept_word(self, "to")) {
        to = WEIR_COUNT(units);
        for (uint32_t i = from + 1; i < WEIR_COUNT(units) && to == WEIR_COUNT(units); i++) {
            if (accept_word(self, units[i]))
                to = i;
        }
    }
    if (to == WEIR_COUNT(units) || (from < 2 && to >= 2))
        stop(self, "expected 'year to month' or 'day to second'");
    field->kind = from < 2 ? WEIR_KIND_interval_months : WEIR_KIND_interval_ms;
    return true;
}

static void parse_precision(parser *self, weir_schema_field *field)
{
    bool given = weir__kind_has_precision(field->kind) && accept(self, '(');
    if (!given) {
        weir__schema_defaults(field);
    } else {
        field->precision = parse_number(self);
        if (field->kind == WEIR_KIND_decimal && accept(self, ','))
            field->scale = parse_number(self);
        if (!accept(self, ')'))
            stop(self, "expected ')'");
    }
    if (field->kind == WEIR_KIND_double)
        (void)accept_word(self, "precision");
    if (field->kind != WEIR_KIND_timestamp)
        return;
    bool with = accept_word(self, "with");
    if (with || accept_word(self, "without")) {
        if (with)
            expect_word(self, "local");
        expect_word(self, "time");
        expect_word(self, "zone");
        if (with)
            field->kind = WEIR_KIND_timestamp_ltz;
    }
}

static void parse_type(parser *self, weir_schema_field *field, uint32_t depth);

static weir_schema_field *parse_fields(parser *self, char end, uint32_t depth, uint32_t *ret_count)
{
    /* The count is not known ahead: the list doubles, and what it leaves stays in the arena. */
    weir_schema_field *fields = NULL;
    uint32_t count = 0, capacity = 0;
    do {
        if (weir__schema_build_fields(&self->build, 1, depth, "the schema") == NULL) {
            self->stopped = true;
            return NULL;
        }
        if (count == capacity) {
            capacity = capacity == 0 ? 8 : capacity * 2;
            weir_schema_field *grown =
                weir_arena_alloc(self->build.arena, capacity * sizeof *fields);
            if (grown == NULL) {
                self->build.failed = self->stopped = true;
                return NULL;
            }
            if (count > 0)
                memcpy(grown, fields, count * sizeof *fields);
            fields = grown;
        }
        fields[count].name = parse_name(self);
        if (!self->stopped)
            parse_type(self, &fields[count], depth);
        count++;
    } while (!self->stopped && accept(self, ','));
    if (end != 0 && !accept(self, end))
        stop(self, end == '>' ? "expected ',' or '>'" : "expected ',' or ')'");
    *ret_count = count;
    return self->stopped ? NULL : fields;
}

static void parse_nested(parser *self, weir_schema_field *field, uint32_t depth)
{
    bool round = field->kind == WEIR_KIND_row && accept(self, '(');
    if (!round && !accept(self, '<')) {
        stop(self, "expected '<'");
        return;
    }
    if (field->kind == WEIR_KIND_row) {
        field->children = parse_fields(self, round ? ')' : '>', depth + 1, &field->nchildren);
        return;
    }
    uint32_t count = field->kind == WEIR_KIND_map ? 2 : 1;
    weir_schema_field *items =
        weir__schema_build_fields(&self->build, count, depth + 1, "the schema");
    if (items == NULL) {
        self->stopped = true;
        return;
    }
    parse_type(self, &items[0], depth + 1);
    if (count == 2) {
        items[0].nullable = false; /* a map's keys are never NULL */
        if (!accept(self, ','))
            stop(self, "expected ','");
        if (!self->stopped)
            parse_type(self, &items[1], depth + 1);
    }
    if (!accept(self, '>'))
        stop(self, "expected '>'");
    field->children = items;
    field->nchildren = count;
}

static void parse_type(parser *self, weir_schema_field *field, uint32_t depth)
{
    if (!parse_interval(self, field) && !parse_kind(self, field))
        return;
    if (field->kind >= WEIR_KIND_array)
        parse_nested(self, field, depth);
    else
        parse_precision(self, field);
    field->nullable = true;
    if (accept_word(self, "not")) {
        expect_word(self, "null");
        field->nullable = false;
    } else {
        (void)accept_word(self, "null");
    }
}

int weir_schema_parse(const char *text, weir_schema **ret, weir_error *err)
{
    parser self = {.text = text, .at = text};
    int result = weir__schema_build_init(&self.build);
    if (result != 0)
        return weir_error_set(err, result, "schema: out of memory");
    uint32_t count = 0;
    weir_schema_field *fields = parse_fields(&self, 0, 1, &count);
    skip_space(&self);
    if (!self.stopped && *self.at != 0)
        stop(&self, "expected ','");
    result = weir__schema_build_finish(&self.build, NULL, self.stopped ? NULL : fields, count, 0,
                                       ret, err);
    weir__schema_build_deinit(&self.build);
    return result;
}

/* ---- writing ---- */

static void format_name(const char *name, weir_buffer *out)
{
    bool plain = !isdigit((unsigned char)name[0]) && word_size(name) == strlen(name);
    if (plain) {
        weir_buffer_puts(out, name);
        return;
    }
    weir_buffer_putc(out, '`');
    for (const char *c = name; *c != 0; c++) {
        if (*c == '`')
            weir_buffer_putc(out, '`');
        weir_buffer_putc(out, *c);
    }
    weir_buffer_putc(out, '`');
}

static void format_type(const weir_schema_field *field, weir_buffer *out)
{
    if (field->kind == WEIR_KIND_interval_months)
        weir_buffer_puts(out, "interval year to month");
    else if (field->kind == WEIR_KIND_interval_ms)
        weir_buffer_puts(out, "interval day to second");
    else
        weir_buffer_puts(out, weir_kind_name(field->kind));
    if (field->kind == WEIR_KIND_decimal)
        weir_buffer_printf(out, "(%u, %u)", field->precision, field->scale);
    else if (weir__kind_has_precision(field->kind))
        weir_buffer_printf(out, "(%u)", field->precision);
    for (uint32_t i = 0; i < field->nchildren; i++) {
        weir_buffer_puts(out, i == 0 ? "<" : ", ");
        if (field->kind == WEIR_KIND_row) {
            format_name(field->children[i].name, out);
            weir_buffer_putc(out, ' ');
        }
        format_type(&field->children[i], out);
    }
    if (field->nchildren > 0)
        weir_buffer_putc(out, '>');
    if (!field->nullable)
        weir_buffer_puts(out, " not null");
}

void weir_schema_format(const weir_schema *schema, weir_buffer *out)
{
    for (uint32_t i = 0; i < weir_schema_count(schema); i++) {
        const weir_schema_field *field = weir_schema_at(schema, i);
        if (i > 0)
            weir_buffer_puts(out, ", ");
        format_name(field->name, out);
        weir_buffer_putc(out, ' ');
        format_type(field, out);
    }
}
