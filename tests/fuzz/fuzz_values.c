/* Numbers, dates and times as text, both ways: what parses is written and parses to the same; what
 * is written from any bits, of which a column from a peer may consist, fits its room and parses
 * back.
 *
 *   u8 kind, u8 precision, u8 scale, 16 bytes of a value, the text */
#include "fuzz.h"

#include "base/memory.h"
#include "connectors/formats/calendar.h"
#include "connectors/formats/number.h"
#include "connectors/formats/text.h"

#include <math.h>
#include <string.h>

enum { ROOM = WEIR_TEXT_SCALAR_MAX };

typedef struct value {
    weir_schema_field field;
    uint8_t bytes[16];
} value;

static size_t width(const value *v)
{
    return v->field.kind == WEIR_KIND_boolean ? 1 : weir_kind_width(v->field.kind);
}

static size_t write(const value *v, char *out)
{
    uint8_t *exact = fuzz_copy(v->bytes, width(v));
    weir_column column = {.kind = v->field.kind, .values = exact, .rows = 1};
    size_t size = weir_text_scalar(&v->field, &column, 0, out);
    weir_free(exact);
    FUZZ_CHECK(size > 0 && size <= ROOM && fuzz_is_utf8(out, size));
    return size;
}

/* NULL, or the problem. */
static const char *parse(value *v, const char *text, size_t n)
{
    const weir_schema_field *field = &v->field;
    int64_t whole = 0;
    const char *problem;

    switch (field->kind) {
    case WEIR_KIND_float:
        return weir_number_parse_float(text, n, (float *)(void *)v->bytes);
    case WEIR_KIND_double:
        return weir_number_parse_double(text, n, (double *)(void *)v->bytes);
    case WEIR_KIND_decimal:
        return weir_number_parse_decimal(text, n, field->precision, field->scale,
                                         (weir_decimal *)(void *)v->bytes);
    case WEIR_KIND_date:
        return weir_calendar_parse_date(text, n, (int32_t *)(void *)v->bytes);
    case WEIR_KIND_time:
        return weir_calendar_parse_time(text, n, (int32_t *)(void *)v->bytes);
    case WEIR_KIND_timestamp:
    case WEIR_KIND_timestamp_ltz:
        return weir_calendar_parse_timestamp(text, n, field->precision,
                                             field->kind == WEIR_KIND_timestamp_ltz,
                                             (int64_t *)(void *)v->bytes);
    default:
        problem = weir_number_parse_int(text, n, INT64_MIN, INT64_MAX, &whole);
        if (problem == NULL)
            memcpy(v->bytes, &whole, sizeof whole);
        return problem;
    }
}

static bool is_number_kind(const value *v)
{
    return v->field.kind == WEIR_KIND_float || v->field.kind == WEIR_KIND_double;
}

static bool is_nan(const value *v)
{
    float narrow;
    double wide;
    memcpy(&narrow, v->bytes, sizeof narrow);
    memcpy(&wide, v->bytes, sizeof wide);
    return v->field.kind == WEIR_KIND_float ? isnan(narrow)
                                            : v->field.kind == WEIR_KIND_double && isnan(wide);
}

static void check_read_back(const value *v, const char *text, size_t size)
{
    value again = {.field = v->field};
    const char *problem = parse(&again, text, size);

    if (problem != NULL)
        fuzz_fail(__FILE__, __LINE__, "'%.*s' was written; it %s", (int)size, text, problem);
    if (is_nan(v))
        FUZZ_CHECK(is_nan(&again));
    else if (memcmp(v->bytes, again.bytes, width(v)) != 0)
        fuzz_fail(__FILE__, __LINE__, "'%.*s' reads back as another value", (int)size, text);
}

/* Years of more than 7 digits, times behind midnight and decimals of too many digits are no values
 * of their types: they must only not do harm. */
static bool has_text(const value *v)
{
    int64_t whole = 0;
    memcpy(&whole, v->bytes, width(v) < 8 ? width(v) : 8);

    switch (v->field.kind) {
    case WEIR_KIND_time:
        return (uint32_t)whole < 86400000u;
    case WEIR_KIND_timestamp:
    case WEIR_KIND_timestamp_ltz:
        for (uint32_t i = 0; i < v->field.precision; i++)
            whole /= 10;
        return whole > -300000000000000 && whole < 300000000000000;
    case WEIR_KIND_decimal:
        return false; /* checked from the text's side */
    default:
        return true;
    }
}

static value choose(fuzz_input *input)
{
    static const uint32_t kinds[] = {WEIR_KIND_bigint,    WEIR_KIND_float,        WEIR_KIND_double,
                                     WEIR_KIND_decimal,   WEIR_KIND_date,         WEIR_KIND_time,
                                     WEIR_KIND_timestamp, WEIR_KIND_timestamp_ltz};
    static const uint32_t precisions[] = {0, 3, 6, 9};
    value v = {.field = {.name = "f", .kind = kinds[fuzz_below(input, WEIR_COUNT(kinds))]}};
    uint32_t precision = fuzz_u8(input), scale = fuzz_u8(input);

    if (v.field.kind == WEIR_KIND_decimal) {
        v.field.precision = 1 + precision % 38;
        v.field.scale = scale % (v.field.precision + 1);
    } else if (v.field.kind >= WEIR_KIND_timestamp) {
        v.field.precision = precisions[precision % 4];
    }
    for (size_t i = 0; i < sizeof v.bytes; i++)
        v.bytes[i] = fuzz_u8(input);
    return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, size};
    value v = choose(&input);
    char *out = weir_alloc(ROOM);
    size_t length;
    const uint8_t *rest = fuzz_rest(&input, &length);
    char *text = fuzz_copy(rest, length);

    FUZZ_CHECK(out != NULL);
    size_t written = write(&v, out);
    if (has_text(&v))
        check_read_back(&v, out, written);
    value before = v;
    const char *problem = parse(&v, text, length);
    if (problem != NULL) {
        FUZZ_CHECK(problem[0] != '\0' && fuzz_is_clean(problem));
        FUZZ_CHECK(memcmp(before.bytes, v.bytes, sizeof v.bytes) == 0);
    } else {
        written = write(&v, out);
        check_read_back(&v, out, written);
        FUZZ_CHECK(!is_number_kind(&v) || written <= WEIR_NUMBER_MAX);
    }
    weir_free(out);
    weir_free(text);
    return 0;
}
