#include "connectors/formats/csv_block.h"

#include "base/memory.h"
#include "connectors/formats/calendar.h"
#include "connectors/formats/csv_value.h"
#include "connectors/formats/digits.h"
#include "connectors/formats/number.h"
#include "connectors/formats/scan.h"
#include "connectors/formats/text.h"

#include <string.h>

#define ROWS_MAX   128u
#define ROWS_MIN   8u
#define FIELDS_MAX 2048u /* of a block, about: they stay in the first-level cache */

typedef unsigned __int128 wide;

typedef enum csv_op {
    READ_INT,
    READ_DOUBLE,
    READ_TIMESTAMP,
    READ_SCALAR,
    READ_BOOLEAN,
    READ_TEXT,
    READ_HEX
} csv_op;

typedef struct block_column {
    uint8_t op; /* csv_op */
    uint8_t width;
    bool nullable;
    bool bounded;     /* a text whose length is checked */
    int64_t min, max; /* READ_INT */
    const weir_schema_field *field;
    weir_calendar_near near;
} block_column;

struct weir_csv_block {
    weir_schema *schema;
    weir_format format;
    block_column *columns;
    uint32_t count, rows_max;
    /* Column by column, rows_max each. */
    weir_string *fields;
    uint8_t *quoted;
    bool any_quoted; /* otherwise `quoted` means nothing */
    /* Of the column in hand. */
    uint8_t valid[ROWS_MAX];
    union {
        int64_t i64[ROWS_MAX];
        double f64[ROWS_MAX];
        uint8_t bytes[ROWS_MAX * 16];
    } values;
    /* Unescaped and hex texts of the block in hand. */
    char *scratch;
    size_t scratch_size, scratch_capacity, scratch_wanted;
};

/* ---- life ---- */

static void set_column(block_column *c, const weir_schema_field *field)
{
    *c = (block_column){.op = READ_SCALAR,
                        .width = (uint8_t)weir_kind_width(field->kind),
                        .nullable = field->nullable,
                        .field = field};
    switch (field->kind) {
    case WEIR_KIND_tinyint:
    case WEIR_KIND_smallint:
    case WEIR_KIND_integer:
    case WEIR_KIND_bigint:
    case WEIR_KIND_interval_months:
    case WEIR_KIND_interval_ms:
        c->op = READ_INT;
        c->max = INT64_MAX >> (64 - 8 * c->width);
        c->min = -c->max - 1;
        break;
    case WEIR_KIND_double:
        c->op = READ_DOUBLE;
        break;
    case WEIR_KIND_timestamp:
    case WEIR_KIND_timestamp_ltz:
        c->op = READ_TIMESTAMP;
        break;
    case WEIR_KIND_boolean:
        c->op = READ_BOOLEAN;
        break;
    default:
        if (!weir_kind_is_variable(field->kind))
            break;
        c->op = weir_text_is_binary(field->kind) ? READ_HEX : READ_TEXT;
        c->bounded = field->kind != WEIR_KIND_string;
        break;
    }
}

int weir_csv_block_new(weir_schema *schema, const weir_format *format, weir_csv_block **ret)
{
    weir_csv_block *block = weir_calloc(1, sizeof *block);
    uint32_t rows;

    if (block == NULL)
        return WEIR_ENO_MEMORY;
    block->schema = weir_schema_ref(schema);
    block->format = *format;
    block->count = weir_schema_count(schema);
    rows = FIELDS_MAX / block->count;
    block->rows_max = rows < ROWS_MIN ? ROWS_MIN : rows < ROWS_MAX ? rows : ROWS_MAX;
    block->columns = weir_calloc(block->count, sizeof *block->columns);
    block->fields = weir_calloc((size_t)block->count * block->rows_max, sizeof *block->fields);
    block->quoted = weir_calloc(block->count, block->rows_max);
    if (block->columns == NULL || block->fields == NULL || block->quoted == NULL) {
        weir_csv_block_destroy(&block);
        return WEIR_ENO_MEMORY;
    }
    for (uint32_t i = 0; i < block->count; i++)
        set_column(&block->columns[i], weir_schema_at(schema, i));
    *ret = block;
    return 0;
}

void weir_csv_block_destroy(weir_csv_block **block)
{
    if (*block == NULL)
        return;
    weir_schema_unref(&(*block)->schema);
    weir_free((*block)->columns);
    weir_free((*block)->fields);
    weir_free((*block)->quoted);
    weir_free((*block)->scratch);
    weir_free(*block);
    *block = NULL;
}

uint32_t weir_csv_block_rows_max(const weir_csv_block *block)
{
    return block->rows_max;
}

/* ---- splitting ---- */

/* Room for every unescaped field of the block and for every hex value, made once: pointers into the
 * scratch stay valid. NULL: no memory. */
static char *scratch_room(weir_csv_block *block)
{
    if (block->scratch_size == 0 && block->scratch_capacity < block->scratch_wanted) {
        char *grown = weir_realloc(block->scratch, block->scratch_wanted);

        if (grown == NULL)
            return NULL;
        block->scratch = grown;
        block->scratch_capacity = block->scratch_wanted;
    }
    return block->scratch + block->scratch_size;
}

/* Copies a quoted field with doubled quotes, whose first one is at `close`. Returns where its
 * closing quote is; NULL: nowhere, or no memory. */
static const char *unescape(weir_csv_block *block, const char *p, const char *close,
                            const char *end, weir_string *ret)
{
    char *room = scratch_room(block);
    char quote = block->format.quote;
    uint32_t used = 0;

    if (room == NULL)
        return NULL;
    while (close + 1 < end && close[1] == quote) {
        memcpy(room + used, p, (size_t)(close + 1 - p));
        used += (uint32_t)(close + 1 - p);
        p = close + 2;
        close = weir_scan_first(p, end, quote);
    }
    memcpy(room + used, p, (size_t)(close - p));
    used += (uint32_t)(close - p);
    block->scratch_size += used;
    *ret = (weir_string){room, used};
    return close < end ? close : NULL;
}

/* A record that holds quotes, field by field. */
static bool split_quoted(weir_csv_block *block, const char *p, const char *end, uint32_t row)
{
    const weir_format *format = &block->format;

    if (!block->any_quoted)
        memset(block->quoted, 0, (size_t)block->count * block->rows_max);
    block->any_quoted = true;
    for (uint32_t i = 0; i < block->count; i++, p++) {
        size_t at = (size_t)i * block->rows_max + row;
        const char *start = p;

        if (p < end && *p == format->quote) {
            p = weir_scan_first(++start, end, format->quote);
            block->fields[at] = (weir_string){start, (uint32_t)(p - start)};
            block->quoted[at] = 1;
            if (p + 1 < end && p[1] == format->quote)
                p = unescape(block, start, p, end, &block->fields[at]);
            if (p == NULL || p >= end || (p + 1 < end && p[1] != format->delimiter))
                return false;
            p++;
        } else {
            p = weir_scan_first(p, end, format->delimiter);
            block->fields[at] = (weir_string){start, (uint32_t)(p - start)};
        }
        if ((p < end) == (i + 1 == block->count)) /* too many fields, or too few */
            return false;
    }
    return true;
}

/* Any record; 64 bytes behind it may be read. */
static bool split(weir_csv_block *block, const char *p, uint32_t size, uint32_t row)
{
    weir_string *field = block->fields + row;
    const char *start = p, *end = p + size;
    uint32_t column = 0, last = block->count - 1, rows_max = block->rows_max;
    char quote = block->format.quoting ? block->format.quote : '\n';

    for (uint32_t at = 0; at < size; at += 64) {
        uint64_t inside = size - at < 64 ? (UINT64_C(1) << (size - at)) - 1 : UINT64_MAX;
        uint64_t quotes, found = weir_scan_64(p + at, block->format.delimiter, quote, &quotes);

        if (block->format.quoting && (quotes & inside) != 0)
            return split_quoted(block, p, end, row);
        for (found &= inside; found != 0; found &= found - 1) {
            const char *stop = p + at + __builtin_ctzll(found);

            if (column == last)
                return false;
            *field = (weir_string){start, (uint32_t)(stop - start)};
            field += rows_max;
            column++;
            start = stop + 1;
        }
    }
    *field = (weir_string){start, (uint32_t)(end - start)};
    return column == last;
}

/* ---- reading columns ---- */

static inline bool quick_int(const char *p, size_t n, int64_t *ret)
{
    bool negative = *p == '-';
    uint32_t high = 0, low;

    p += negative;
    n -= negative;
    if (n - 1 >= 16)
        return false;
    if (n > 8) {
        if (!weir_digits_read(weir_digits_load(p), n - 8, &high))
            return false;
        p += n - 8;
        n = 8;
    }
    if (!weir_digits_read(weir_digits_load(p), n, &low))
        return false;
    *ret = (int64_t)high * 100000000 + low;
    *ret = negative ? -*ret : *ret;
    return true;
}

/* Digits with a point among them, at most 16 bytes: the parts are put together before they become a
 * number. False for anything else; that is read slowly. */
static inline bool quick_double(const char *p, size_t n, double *ret)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    bool negative = *p == '-';
    uint32_t high = 0, low;
    size_t places = 0;
    uint64_t digits;
    wide text;

    p += negative;
    n -= negative;
    if (n - 1 >= 16)
        return false;
    memcpy(&text, p, sizeof text);
    digits = weir_digits_find((uint64_t)text, '.', n < 8 ? n : 8);
    if (digits != 0) {
        size_t at = (size_t)__builtin_ctzll(digits) & ~(size_t)7; /* bits before the point */
        wide before = ((wide)1 << at) - 1;

        places = n - 1 - at / 8;
        text = (text & before) | ((text >> 8) & ~before);
        n--;
    } else if (n > 8 && (digits = weir_digits_find((uint64_t)(text >> 64), '.', n - 8)) != 0) {
        size_t at = (size_t)__builtin_ctzll(digits) & ~(size_t)7;
        uint64_t before = (UINT64_C(1) << at) - 1, top = (uint64_t)(text >> 64);

        places = n - 9 - at / 8;
        text = (wide)((top & before) | ((top >> 8) & ~before)) << 64 | (uint64_t)text;
        n--;
    }
    if (n > 8) {
        if (!weir_digits_read((uint64_t)text, n - 8, &high))
            return false;
        text >>= 8 * (n - 8);
        n = 8;
    }
    if (n == 0 || !weir_digits_read((uint64_t)text, n, &low))
        return false;
    digits = (uint64_t)high * 100000000 + low;
    /* With a point there are 15 digits at most: both operands are exact, so the one rounding is the
     * right one. Without, it is that of the conversion. */
    *ret = (double)digits / powers[places];
    *ret = negative ? -*ret : *ret;
    return true;
}

/* What is not plain is read by the parser of single records' functions; false: it is bad. */
static __attribute__((noinline)) bool read_slowly(const block_column *c, const weir_string *field,
                                                  void *to)
{
    weir_csv_value slow = {.null = false};

    if (weir_csv_read_scalar(c->field, field->p, field->n, &slow) != NULL)
        return false;
    memcpy(to, &slow.value, c->width);
    return true;
}

/* Inlined with each width. NULLs are zero. */
static inline __attribute__((always_inline)) bool
read_ints(weir_csv_block *block, const block_column *c, const weir_string *fields,
          const uint8_t *valid, uint32_t count, size_t width)
{
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *to = block->values.bytes + i * width;
        int64_t value = 0;

        if (valid != NULL && valid[i] == 0) {
            memset(to, 0, width);
        } else if (quick_int(fields[i].p, fields[i].n, &value) && value >= c->min &&
                   value <= c->max) {
            memcpy(to, &value, width);
        } else if (!read_slowly(c, &fields[i], to)) {
            return false;
        }
    }
    return true;
}

static bool read_any_ints(weir_csv_block *block, const block_column *c, const weir_string *fields,
                          const uint8_t *valid, uint32_t count)
{
    switch (c->width) {
    case 1:
        return read_ints(block, c, fields, valid, count, 1);
    case 2:
        return read_ints(block, c, fields, valid, count, 2);
    case 4:
        return read_ints(block, c, fields, valid, count, 4);
    default:
        return read_ints(block, c, fields, valid, count, 8);
    }
}

static bool read_doubles(weir_csv_block *block, const block_column *c, const weir_string *fields,
                         const uint8_t *valid, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        double *to = &block->values.f64[i];

        if (valid != NULL && valid[i] == 0)
            *to = 0;
        else if (!quick_double(fields[i].p, fields[i].n, to) && !read_slowly(c, &fields[i], to))
            return false;
    }
    return true;
}

static bool read_timestamps(weir_csv_block *block, block_column *c, const weir_string *fields,
                            const uint8_t *valid, uint32_t count)
{
    bool zone = c->field->kind == WEIR_KIND_timestamp_ltz;

    for (uint32_t i = 0; i < count; i++) {
        int64_t *to = &block->values.i64[i];

        if (valid != NULL && valid[i] == 0)
            *to = 0;
        else if (!weir_calendar_parse_near(fields[i].p, fields[i].n, c->field->precision, zone,
                                           &c->near, to) &&
                 !read_slowly(c, &fields[i], to))
            return false;
    }
    return true;
}

static bool read_scalars(weir_csv_block *block, const block_column *c, const weir_string *fields,
                         const uint8_t *valid, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *to = block->values.bytes + (size_t)i * c->width;

        if (valid != NULL && valid[i] == 0)
            memset(to, 0, c->width);
        else if (!read_slowly(c, &fields[i], to))
            return false;
    }
    return true;
}

static bool read_booleans(weir_csv_block *block, const block_column *c, const weir_string *fields,
                          const uint8_t *valid, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        weir_csv_value value = {.null = false};

        if ((valid == NULL || valid[i] != 0) &&
            weir_csv_read_scalar(c->field, fields[i].p, fields[i].n, &value) != NULL)
            return false;
        block->values.bytes[i] = value.value.boolean;
    }
    return true;
}

static bool check_texts(const block_column *c, const weir_string *fields, const uint8_t *valid,
                        uint32_t count)
{
    weir_csv_value value;

    for (uint32_t i = 0; c->bounded && i < count; i++) {
        if ((valid == NULL || valid[i] != 0) &&
            weir_csv_read_text(c->field, fields[i].p, fields[i].n, &value) != NULL)
            return false;
    }
    return true;
}

static bool read_hex(weir_csv_block *block, const block_column *c, weir_string *fields,
                     const uint8_t *valid, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        weir_csv_value value;
        char *room = scratch_room(block);

        if (valid != NULL && valid[i] == 0)
            continue;
        if (room == NULL ||
            weir_csv_read_hex(c->field, fields[i].p, fields[i].n, room, &value) != NULL)
            return false;
        fields[i] = (weir_string){value.bytes, (uint32_t)value.size};
        block->scratch_size += value.size;
    }
    return true;
}

/* Which of the values are not NULL; NULL: all of them. */
static const uint8_t *find_nulls(weir_csv_block *block, uint32_t index, uint32_t count)
{
    const weir_string *fields = block->fields + (size_t)index * block->rows_max;
    const uint8_t *quoted = block->quoted + (size_t)index * block->rows_max;
    size_t size = block->format.null_size;
    bool any = false;

    for (uint32_t i = 0; i < count; i++) {
        bool null = fields[i].n == size && (!block->any_quoted || quoted[i] == 0) &&
                    (size == 0 || memcmp(fields[i].p, block->format.null_text, size) == 0);

        block->valid[i] = !null;
        any |= null;
    }
    return any ? block->valid : NULL;
}

static bool put_column(weir_csv_block *block, uint32_t index, uint32_t count, weir_builder *into)
{
    block_column *c = &block->columns[index];
    weir_string *fields = block->fields + (size_t)index * block->rows_max;
    const uint8_t *valid = c->nullable ? find_nulls(block, index, count) : NULL;
    bool good;

    switch ((csv_op)c->op) {
    case READ_TEXT:
        return check_texts(c, fields, valid, count) &&
               weir_builder_put_bytes_rows(into, index, fields, valid, count) == 0;
    case READ_HEX:
        return read_hex(block, c, fields, valid, count) &&
               weir_builder_put_bytes_rows(into, index, fields, valid, count) == 0;
    case READ_BOOLEAN:
        return read_booleans(block, c, fields, valid, count) &&
               weir_builder_put_bool_rows(into, index, block->values.bytes, valid, count) == 0;
    case READ_INT:
        good = read_any_ints(block, c, fields, valid, count);
        break;
    case READ_DOUBLE:
        good = read_doubles(block, c, fields, valid, count);
        break;
    case READ_TIMESTAMP:
        good = read_timestamps(block, c, fields, valid, count);
        break;
    default:
        good = read_scalars(block, c, fields, valid, count);
        break;
    }
    return good && weir_builder_put_fixed_rows(into, index, block->values.bytes, valid, count) == 0;
}

bool weir_csv_block_append(weir_csv_block *block, const char *base, const uint32_t *starts,
                           const uint32_t *lengths, uint32_t count, weir_builder *into)
{
    bool good = count > 0;

    block->any_quoted = false;
    block->scratch_size = 0;
    block->scratch_wanted = WEIR_SCAN_SLACK;
    for (uint32_t i = 0; i < count; i++)
        block->scratch_wanted += (size_t)2 * lengths[i];
    for (uint32_t i = 0; good && i < count; i++)
        good =
            (lengths[i] > 0 || block->count == 1) && split(block, base + starts[i], lengths[i], i);
    for (uint32_t i = 0; good && i < block->count; i++)
        good = put_column(block, i, count, into);
    /* Ends the rows in any case: what columns were put before a bad one is forgotten. */
    return weir_builder_end_rows(into, good ? count : 0) == 0 && good;
}
