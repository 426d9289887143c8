/* Lines and csv as a file or a socket gives them. What is read does not depend on how the bytes
 * come or how a file is split, and rows that are written as csv read back the same.
 *
 *   u8 schema, u8 format, u8 delimiter, u8 quote, u8 null, u8 bytes at a time, the text */
#include "fuzz_columns.h"

#include "base/memory.h"
#include "connectors/formats/decoder.h"
#include "connectors/formats/encoder.h"

#include <string.h>

enum {
    MULTILINE = 1,
    SKIP_ERRORS = 2,
    NO_QUOTES = 4,
    SHORT_LINES = 8,
    LINES = 16,
    SKIP_FIRST = 32
};

typedef struct choice {
    weir_schema *schema;
    weir_format format;
    bool skip_first;
} choice;

typedef struct result {
    int code;
    weir_buffer rows; /* as JSON */
    weir_error err;
    uint64_t skipped;
} result;

static void keep_rows(const choice *of, weir_builder *builder, weir_buffer *out)
{
    const weir_columns *columns = weir_builder_view(builder);
    fuzz_read_columns(of->schema, columns);
    fuzz_write_columns(of->schema, columns, out);
    weir_builder_clear(builder);
}

/* Records that start in [offset, limit) of the text, read `step` bytes at a time. */
static void decode(const choice *of, bool skip, const uint8_t *text, size_t size, size_t offset,
                   size_t limit, size_t step, result *ret)
{
    weir_decoder *decoder = NULL;
    weir_builder *builder = NULL;
    size_t at = offset;
    int rc;

    FUZZ_OK(weir_builder_new(of->schema, 7, 1u << 12, &builder));
    FUZZ_OK(weir_decoder_new(of->schema, &of->format, "source 'file:/x'", 64, &decoder));
    FUZZ_OK(weir_decoder_start(decoder, "/x", at, limit, skip));
    for (;;) {
        uint8_t *space;
        size_t room;

        rc = weir_decoder_decode(decoder, builder, &ret->err);
        keep_rows(of, builder, &ret->rows);
        if (rc < 0 || rc == WEIR_DECODE_END)
            break;
        if (rc == WEIR_DECODE_FULL)
            continue;
        FUZZ_OK(weir_decoder_space(decoder, &space, &room));
        FUZZ_CHECK(room > 0);
        room = room < step ? room : step;
        room = room < size - at ? room : size - at;
        memcpy(space, text + at, room);
        weir_decoder_filled(decoder, room);
        at += room;
        if (at == size)
            weir_decoder_end(decoder);
    }
    ret->code = rc < 0 ? rc : 0;
    if (rc < 0)
        fuzz_check_failure(rc, &ret->err);
    ret->skipped += weir_decoder_skipped(decoder);
    weir_decoder_destroy(&decoder);
    weir_builder_destroy(&builder);
}

static void check_same(const result *a, const result *b)
{
    if (a->code != b->code || !fuzz_same(&a->rows, &b->rows) || a->skipped != b->skipped)
        fuzz_fail(__FILE__, __LINE__,
                  "%d, %zu bytes, %llu skipped: %s\n%s\n%d, %zu bytes, %llu: %s\n%s", a->code,
                  a->rows.size, (unsigned long long)a->skipped, a->err.text,
                  weir_buffer_text(&a->rows), b->code, b->rows.size, (unsigned long long)b->skipped,
                  b->err.text, weir_buffer_text(&b->rows));
    /* How much of a line that is too long can be shown depends on how much was read. */
    const char *end = strstr(a->err.text, "; found");
    FUZZ_CHECK(strncmp(a->err.text, b->err.text,
                       end == NULL ? WEIR_ERROR_TEXT_MAX : (size_t)(end - a->err.text)) == 0);
}

/* As the filesystem connector reads ranges: one byte earlier, whose line is another range's. */
static void check_ranges(const choice *of, const uint8_t *text, size_t size, const result *whole)
{
    for (size_t cut = 1; cut < size && cut < 40; cut += 1 + cut / 3) {
        result parts = {.code = 0};
        decode(of, of->skip_first, text, size, 0, cut, 1000, &parts);
        if (parts.code == 0)
            decode(of, true, text, size, cut - 1, size, 1000, &parts);
        check_same(whole, &parts);
        weir_buffer_deinit(&parts.rows);
    }
}

/* The rows as csv, which is read again. */
static void check_written(const choice *of, const uint8_t *text, size_t size)
{
    choice reading = *of;
    weir_decoder *decoder = NULL;
    weir_builder *builder = NULL;
    weir_encoder *encoder = NULL;
    weir_batch *batch = NULL;
    weir_buffer written = WEIR_BUFFER_INIT, before = WEIR_BUFFER_INIT;
    result after = {.code = 0};
    weir_error err = WEIR_ERROR_INIT;
    uint8_t *space;
    size_t room;

    FUZZ_OK(weir_builder_new(of->schema, 1000, 1u << 16, &builder));
    FUZZ_OK(weir_decoder_new(of->schema, &of->format, "source", size + 64, &decoder));
    FUZZ_OK(weir_decoder_start(decoder, "", 0, size, of->skip_first));
    FUZZ_OK(weir_decoder_space(decoder, &space, &room));
    FUZZ_CHECK(room >= size);
    memcpy(space, text, size);
    weir_decoder_filled(decoder, size);
    weir_decoder_end(decoder);
    int rc = weir_decoder_decode(decoder, builder, &err);
    FUZZ_OK(weir_builder_finish(builder, &batch));
    if (rc >= 0 && weir_batch_rows(batch) > 0) {
        const weir_columns *columns = weir_batch_columns(batch);
        reading.format.kind = WEIR_FORMAT_CSV;
        reading.format.multiline = true;
        reading.format.changelog = WEIR_CHANGELOG_NEVER;
        reading.format.line_size_max = WEIR_FORMAT_LINE_SIZE_LIMIT;
        reading.skip_first = reading.format.header = size % 2 == 0;
        fuzz_write_columns(of->schema, columns, &before);
        FUZZ_OK(weir_encoder_new(of->schema, &reading.format, false, "sink", &encoder));
        rc = weir_encoder_append(encoder, columns, &written, &err);
        if (rc == 0) {
            decode(&reading, reading.skip_first, written.data, written.size, 0, written.size, 1000,
                   &after);
            if (after.code != 0 || !fuzz_same(&before, &after.rows))
                fuzz_fail(__FILE__, __LINE__, "%s reads back as %s (%s), not as %s",
                          (const char *)written.data, weir_buffer_text(&after.rows), after.err.text,
                          weir_buffer_text(&before));
        } else { /* it needs quotes, and there are none */
            fuzz_check_failure(rc, &err);
            FUZZ_CHECK(!of->format.quoting && written.size == 0);
        }
        weir_encoder_destroy(&encoder);
    }
    weir_batch_unref(&batch);
    weir_builder_destroy(&builder);
    weir_decoder_destroy(&decoder);
    weir_buffer_deinit(&written);
    weir_buffer_deinit(&before);
    weir_buffer_deinit(&after.rows);
}

/* Through the option table, so that only formats are tried that a job can have. */
static bool choose(fuzz_input *input, choice *ret)
{
    static const char *const delimiters[] = {",", ";", "\\t", "|", " ", ":", "\xc3", "\""};
    static const char *const quotes[] = {"\"", "'", "\\", "\x80"};
    static const char *const nulls[] = {"", "NULL", "\\N", "0", "-1", "ab", "true", "1970-01-01"};
    static const uint32_t schemas[] = {0, 1, 2, 4};
    uint32_t schema = schemas[fuzz_below(input, WEIR_COUNT(schemas))];
    uint8_t flags = fuzz_u8(input);
    weir_graph_option options[] = {
        {"format", (flags & LINES) != 0 && schema == 4 ? "line" : "csv"},
        {"delimiter", delimiters[fuzz_below(input, WEIR_COUNT(delimiters))]},
        {"quote", quotes[fuzz_below(input, WEIR_COUNT(quotes))]},
        {"null", nulls[fuzz_below(input, WEIR_COUNT(nulls))]},
        {"multiline", (flags & MULTILINE) != 0 ? "true" : "false"},
        {"on-error", (flags & SKIP_ERRORS) != 0 ? "skip" : "fail"},
        {"max-line-size", (flags & SHORT_LINES) != 0 ? "20" : "16mb"},
    };
    weir_graph_operator op = {.connector = "filesystem",
                              .url = "file:/x",
                              .path = "/x",
                              .options = options,
                              .noptions = WEIR_COUNT(options)};
    weir_error err = WEIR_ERROR_INIT;

    if ((flags & NO_QUOTES) != 0)
        options[2].value = "";
    ret->schema = op.outputs[0] = fuzz_schema(schema);
    ret->skip_first = (flags & SKIP_FIRST) != 0;
    int rc = weir_format_resolve(&op, false, &ret->format, &err);
    if (rc != 0)
        fuzz_check_failure(rc, &err);
    return rc == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, size};
    choice of;
    result whole = {.code = 0}, parts = {.code = 0};
    size_t length;

    if (!choose(&input, &of))
        return 0;
    size_t step = 1 + fuzz_below(&input, 64);
    const uint8_t *text = fuzz_rest(&input, &length);
    decode(&of, of.skip_first, text, length, 0, length, 1u << 20, &whole);
    decode(&of, of.skip_first, text, length, 0, length, step, &parts);
    check_same(&whole, &parts);
    if (!of.format.multiline) /* else files are not split */
        check_ranges(&of, text, length, &whole);
    if (whole.code == 0)
        check_written(&of, text, length);
    weir_buffer_deinit(&whole.rows);
    weir_buffer_deinit(&parts.rows);
    return 0;
}
