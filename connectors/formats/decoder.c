#include "connectors/formats/decoder.h"

#include "base/memory.h"
#include "connectors/formats/csv_block.h"
#include "connectors/formats/csv_parser.h"
#include "connectors/formats/scan.h"
#include "connectors/formats/text.h"

#include <string.h>

#define LINES_MAX   256         /* records that are looked for at once */
#define WINDOW_SIZE (32u << 10) /* bytes that are looked at once: they stay in the L1 cache */

struct weir_decoder {
    weir_schema *schema;
    weir_format format;
    char *place, *file;
    char *buffer; /* capacity + WEIR_SCAN_SLACK bytes */
    size_t capacity, read_size;
    size_t begin, end; /* what is read and not yet taken */
    size_t scanned;    /* bytes behind begin that are known to hold no record's end */
    uint64_t base;     /* offset in the stream of buffer[0] */
    uint64_t limit;    /* records that start here or later are not ours */
    bool ended;        /* no more bytes come */
    bool discarding;   /* up to the next newline */
    bool bulk;         /* lines go to the builder many at a time */
    uint64_t skipped;
    weir_csv_parser *csv;
    weir_csv_block *block;
    weir_csv_scan csv_scan;        /* at begin + scanned */
    uint32_t ends[LINES_MAX + 64]; /* of records, relative to begin */
    uint32_t starts[LINES_MAX + 64], lengths[LINES_MAX + 64];
};

int weir_decoder_new(weir_schema *schema, const weir_format *format, const char *place,
                     size_t buffer_size, weir_decoder **ret)
{
    weir_decoder *decoder = weir_calloc(1, sizeof *decoder);
    const weir_schema_field *first = weir_schema_at(schema, 0);

    if (decoder == NULL)
        return WEIR_ENO_MEMORY;
    decoder->schema = weir_schema_ref(schema);
    decoder->format = *format;
    decoder->place = weir_strdup(place);
    decoder->buffer = weir_alloc(buffer_size + WEIR_SCAN_SLACK);
    decoder->capacity = decoder->read_size = buffer_size;
    decoder->bulk = format->kind == WEIR_FORMAT_LINE && !first->nullable &&
                    (first->kind == WEIR_KIND_string || first->kind == WEIR_KIND_bytes);
    if (decoder->place == NULL || decoder->buffer == NULL ||
        (format->kind == WEIR_FORMAT_CSV &&
         (weir_csv_parser_new(schema, format, &decoder->csv) != 0 ||
          weir_csv_block_new(schema, format, &decoder->block) != 0))) {
        weir_decoder_destroy(&decoder);
        return WEIR_ENO_MEMORY;
    }
    decoder->ended = true; /* until it is started it has nothing to give */
    *ret = decoder;
    return 0;
}

void weir_decoder_destroy(weir_decoder **decoder)
{
    if (*decoder == NULL)
        return;
    weir_schema_unref(&(*decoder)->schema);
    weir_csv_parser_destroy(&(*decoder)->csv);
    weir_csv_block_destroy(&(*decoder)->block);
    weir_free((*decoder)->place);
    weir_free((*decoder)->file);
    weir_free((*decoder)->buffer);
    weir_free(*decoder);
    *decoder = NULL;
}

int weir_decoder_start(weir_decoder *decoder, const char *file, uint64_t offset, uint64_t limit,
                       bool skip_first)
{
    char *copy = weir_strdup(file);

    if (copy == NULL)
        return WEIR_ENO_MEMORY;
    weir_free(decoder->file);
    decoder->file = copy;
    decoder->begin = decoder->end = decoder->scanned = 0;
    decoder->base = offset;
    decoder->limit = limit;
    decoder->ended = false;
    decoder->discarding = skip_first;
    decoder->csv_scan = (weir_csv_scan){false, false};
    return 0;
}

int weir_decoder_space(weir_decoder *decoder, uint8_t **ret, size_t *ret_size)
{
    size_t held = decoder->end - decoder->begin;

    if (decoder->begin > 0) {
        memmove(decoder->buffer, decoder->buffer + decoder->begin, held);
        decoder->base += decoder->begin;
        decoder->begin = 0;
        decoder->end = held;
    }
    if (decoder->capacity - held < decoder->read_size / 2) {
        size_t capacity = 2 * decoder->capacity;
        char *grown = weir_realloc(decoder->buffer, capacity + WEIR_SCAN_SLACK);

        if (grown == NULL)
            return WEIR_ENO_MEMORY;
        decoder->buffer = grown;
        decoder->capacity = capacity;
    }
    *ret = (uint8_t *)decoder->buffer + held;
    *ret_size = decoder->capacity - held;
    return 0;
}

void weir_decoder_filled(weir_decoder *decoder, size_t bytes)
{
    decoder->end += bytes;
}

void weir_decoder_end(weir_decoder *decoder)
{
    decoder->ended = true;
}

uint64_t weir_decoder_skipped(const weir_decoder *decoder)
{
    return decoder->skipped;
}

/* Everything before `to` is done with. */
static void advance(weir_decoder *decoder, size_t to)
{
    decoder->begin = to;
    decoder->scanned = 0;
    decoder->csv_scan = (weir_csv_scan){false, false};
}

/* ---- bad records ---- */

static int fail_record(const weir_decoder *decoder, uint64_t at, const weir_csv_problem *problem,
                       const char *record, size_t size, weir_error *err)
{
    char text[WEIR_TEXT_ESCAPED_MAX], row[WEIR_TEXT_ESCAPED_MAX];
    const char *comma = decoder->file[0] != '\0' ? ", " : "";

    weir_text_escape(record, size, row);
    if (problem->field == NULL)
        return weir_error_set(err, WEIR_EINVALID,
                              "%s%s%s, byte %llu: row %s; found \"%s\"; correct it, or set "
                              "on-error=skip",
                              decoder->place, comma, decoder->file, (unsigned long long)at,
                              problem->what, row);
    return weir_error_set(err, WEIR_EINVALID,
                          "%s%s%s, byte %llu: field '%s' (%s) %s; found \"%s\" in \"%s\"; correct "
                          "it, or set on-error=skip",
                          decoder->place, comma, decoder->file, (unsigned long long)at,
                          problem->field->name, weir_kind_name(problem->field->kind), problem->what,
                          weir_text_escape(problem->text, problem->size, text), row);
}

static int bad_record(weir_decoder *decoder, const weir_csv_problem *problem, size_t begin,
                      size_t size, weir_error *err)
{
    if (decoder->format.skip_errors) {
        decoder->skipped++;
        return 0;
    }
    return fail_record(decoder, decoder->base + begin, problem, decoder->buffer + begin, size, err);
}

static int too_long(weir_decoder *decoder, size_t begin, size_t size, weir_error *err)
{
    static const char what[] = "is longer than max-line-size";
    const weir_csv_problem problem = {NULL, what, NULL, 0};

    return bad_record(decoder, &problem, begin, size, err);
}

/* ---- finding records ---- */

/* Where the first record ends in `size` bytes behind those that were scanned; false: not there. */
static bool find_end(weir_decoder *decoder, const char *from, size_t size, size_t *ret)
{
    const char *newline;

    if (decoder->format.multiline) {
        uint32_t part = (uint32_t)(size < UINT32_MAX ? size : UINT32_MAX);

        if (weir_csv_scan_ends(&decoder->csv_scan, &decoder->format, from, part, decoder->ends,
                               1) == 0)
            return false;
        *ret = decoder->ends[0];
        return true;
    }
    newline = memchr(from, '\n', size);
    *ret = newline != NULL ? (size_t)(newline - from) : 0;
    return newline != NULL;
}

/* Drops bytes up to the end of the record; whether it was there. */
static bool discard(weir_decoder *decoder)
{
    size_t from = decoder->begin + decoder->scanned, end;

    if (find_end(decoder, decoder->buffer + from, decoder->end - from, &end)) {
        advance(decoder, from + end + 1);
        decoder->discarding = false;
        return true;
    }
    decoder->begin = decoder->end; /* the scan goes on where it is */
    decoder->scanned = 0;
    return false;
}

/* What was scanned is more than a line, even if its last byte is the \r of a CRLF. */
static bool is_too_long(const weir_decoder *decoder)
{
    return decoder->scanned > decoder->format.line_size_max + 1;
}

/* Finds ends of records, relative to begin, into `ends`. 0: none in what there is; then `scanned`
 * has moved on. */
static uint32_t find_ends(weir_decoder *decoder)
{
    while (decoder->begin + decoder->scanned < decoder->end) {
        size_t left = decoder->end - decoder->begin - decoder->scanned;
        uint32_t size = (uint32_t)(left < WINDOW_SIZE ? left : WINDOW_SIZE), count;
        const char *from = decoder->buffer + decoder->begin + decoder->scanned;

        if (decoder->format.multiline)
            count = weir_csv_scan_ends(&decoder->csv_scan, &decoder->format, from, size,
                                       decoder->ends, LINES_MAX);
        else
            count = weir_scan_all(from, size, '\n', decoder->ends, LINES_MAX);
        if (count > 0) {
            if (decoder->scanned > 0) {
                for (uint32_t i = 0; i < count; i++)
                    decoder->ends[i] += (uint32_t)decoder->scanned;
            }
            return count;
        }
        decoder->scanned += size;
        if (is_too_long(decoder))
            return 0;
    }
    return 0;
}

/* Leaves out records that start at or behind the limit; the first one does not. */
static uint32_t within_limit(const weir_decoder *decoder, uint32_t count)
{
    uint64_t begin = decoder->base + decoder->begin;

    while (count > 1 && begin + decoder->ends[count - 2] + 1 >= decoder->limit)
        count--;
    return count;
}

/* Without the \r of a CRLF; sets start and length of record i. */
static uint32_t measure(weir_decoder *decoder, uint32_t i)
{
    const char *record = decoder->buffer + decoder->begin;
    uint32_t start = i == 0 ? 0 : decoder->ends[i - 1] + 1, length = decoder->ends[i] - start;

    if (length > 0 && record[start + length - 1] == '\r')
        length--;
    decoder->starts[i] = start;
    decoder->lengths[i] = length;
    return length;
}

/* ---- taking records ---- */

static int take_csv(weir_decoder *decoder, uint32_t i, weir_builder *into, weir_error *err)
{
    size_t begin = decoder->begin + decoder->starts[i];
    weir_csv_problem problem;
    int rc = weir_csv_parser_row(decoder->csv, decoder->buffer + begin, decoder->lengths[i], into,
                                 &problem);

    if (rc == WEIR_EINVALID)
        return bad_record(decoder, &problem, begin, decoder->lengths[i], err);
    if (rc != 0)
        return weir_error_set(
            err, rc, "%s: row at byte %llu does not fit a batch: %s; leave it out", decoder->place,
            (unsigned long long)(decoder->base + begin), weir_code_text(rc));
    return 0;
}

static int take_line(weir_decoder *decoder, uint32_t i, weir_builder *into, weir_error *err)
{
    const weir_schema_field *field = weir_schema_at(decoder->schema, 0);
    size_t begin = decoder->begin + decoder->starts[i], characters = 0;
    const char *line = decoder->buffer + begin;
    weir_csv_problem problem = {field, "is longer than its type allows", line, decoder->lengths[i]};
    int rc;

    if (field->kind != WEIR_KIND_string && field->kind != WEIR_KIND_bytes) {
        for (uint32_t at = 0; at < decoder->lengths[i]; at++)
            characters += field->kind == WEIR_KIND_binary || (line[at] & 0xc0) != 0x80;
        if (characters > field->precision)
            return bad_record(decoder, &problem, begin, decoder->lengths[i], err);
    }
    rc = weir_builder_put_bytes(into, 0, line, decoder->lengths[i]);
    if (rc == 0)
        rc = weir_builder_end_row(into, INT64_MIN, WEIR_INSERT);
    if (rc != 0)
        return weir_error_set(
            err, rc, "%s: line at byte %llu does not fit a batch: %s; leave it out", decoder->place,
            (unsigned long long)(decoder->base + begin), weir_code_text(rc));
    return 0;
}

/* Records [from, to), measured, one after the other, until the builder is full; *ret_next is the
 * first that was not taken. */
static int take_singly(weir_decoder *decoder, uint32_t from, uint32_t to, weir_builder *into,
                       uint32_t *ret_next, weir_error *err)
{
    int rc = 0;
    uint32_t i;

    for (i = from; rc == 0 && i < to && !weir_builder_is_full(into); i++) {
        uint32_t length = decoder->lengths[i];

        if (length > decoder->format.line_size_max)
            rc = too_long(decoder, decoder->begin + decoder->starts[i], length, err);
        else if (decoder->format.kind == WEIR_FORMAT_CSV)
            rc = take_csv(decoder, i, into, err);
        else
            rc = take_line(decoder, i, into, err);
    }
    *ret_next = i;
    return rc;
}

/* Blocks of csv records; those of a block that is not plain singly. */
static int take_blocks(weir_decoder *decoder, uint32_t count, weir_builder *into,
                       uint32_t *ret_count, weir_error *err)
{
    uint32_t rows_max = weir_csv_block_rows_max(decoder->block), next = 0;
    int rc = 0;

    while (rc == 0 && next < count && !weir_builder_is_full(into)) {
        uint32_t left = weir_builder_rows_left(into), rows = count - next;

        rows = rows < rows_max ? rows : rows_max;
        rows = rows < left ? rows : left;
        if (weir_csv_block_append(decoder->block, decoder->buffer + decoder->begin,
                                  decoder->starts + next, decoder->lengths + next, rows, into))
            next += rows;
        else
            rc = take_singly(decoder, next, next + rows, into, &next, err);
    }
    *ret_count = next;
    return rc;
}

/* Starts and lengths of `count` records; returns the greatest length. */
static uint32_t measure_all(weir_decoder *decoder, uint32_t count)
{
    uint32_t longest = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t length = measure(decoder, i);

        longest = length > longest ? length : longest;
    }
    return longest;
}

static int take_lines(weir_decoder *decoder, uint32_t count, weir_builder *into,
                      uint32_t *ret_count, weir_error *err)
{
    int rc;

    *ret_count = count;
    rc = weir_builder_append_strings(into, decoder->buffer + decoder->begin, decoder->starts,
                                     decoder->lengths, count);
    if (rc != 0)
        return weir_error_set(err, rc,
                              "%s: lines at byte %llu do not fit a batch: %s; set a smaller "
                              "max-line-size",
                              decoder->place, (unsigned long long)(decoder->base + decoder->begin),
                              weir_code_text(rc));
    return 0;
}

/* Takes some of the first `count` records, many at once if they are plain. */
static int take(weir_decoder *decoder, uint32_t count, weir_builder *into, uint32_t *ret_count,
                weir_error *err)
{
    if (measure_all(decoder, count) <= decoder->format.line_size_max) {
        if (decoder->bulk)
            return take_lines(decoder, count, into, ret_count, err);
        if (decoder->block != NULL)
            return take_blocks(decoder, count, into, ret_count, err);
    }
    return take_singly(decoder, 0, count, into, ret_count, err);
}

/* No record ends in what there is. Returns an enum weir_decode_result, or -1: records were made. */
static int at_end_of_bytes(weir_decoder *decoder, uint32_t *ret_count, int *ret_rc, weir_error *err)
{
    size_t held = decoder->end - decoder->begin;

    *ret_rc = 0;
    if (is_too_long(decoder)) {
        *ret_rc = too_long(decoder, decoder->begin, held, err);
        decoder->discarding = true;
        return -1;
    }
    if (!decoder->ended)
        return WEIR_DECODE_HUNGRY;
    if (held == 0)
        return WEIR_DECODE_END;
    decoder->ends[0] = (uint32_t)held;
    *ret_count = 1;
    return -1;
}

int weir_decoder_decode(weir_decoder *decoder, weir_builder *into, weir_error *err)
{
    while (!weir_builder_is_full(into)) {
        uint32_t count, taken = 0;
        size_t next;
        int rc = 0, result;

        if (decoder->base + decoder->begin >= decoder->limit)
            return WEIR_DECODE_END;
        if (decoder->discarding && !discard(decoder))
            return decoder->ended ? WEIR_DECODE_END : WEIR_DECODE_HUNGRY;
        if (decoder->base + decoder->begin >= decoder->limit)
            return WEIR_DECODE_END;
        count = find_ends(decoder);
        if (count == 0) {
            result = at_end_of_bytes(decoder, &count, &rc, err);
            if (result >= 0 || rc != 0)
                return rc != 0 ? rc : result;
        }
        if (count == 0)
            continue;
        count = within_limit(decoder, count);
        rc = take(decoder, count, into, &taken, err);
        if (rc != 0)
            return rc;
        if (taken > 0) {
            next = decoder->begin + decoder->ends[taken - 1] + 1;
            advance(decoder, next < decoder->end ? next : decoder->end);
        }
    }
    return WEIR_DECODE_FULL;
}
