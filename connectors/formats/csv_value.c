#include "connectors/formats/csv_value.h"

#include "connectors/formats/calendar.h"
#include "connectors/formats/number.h"

#include <string.h>
#include <strings.h>

static const char *read_int(const weir_schema_field *field, const char *p, size_t n,
                            weir_csv_value *to)
{
    const char *problem;
    int64_t value = 0;

    switch (field->kind) {
    case WEIR_KIND_tinyint:
        problem = weir_number_parse_int(p, n, INT8_MIN, INT8_MAX, &value);
        to->value.i8 = (int8_t)value;
        return problem;
    case WEIR_KIND_smallint:
        problem = weir_number_parse_int(p, n, INT16_MIN, INT16_MAX, &value);
        to->value.i16 = (int16_t)value;
        return problem;
    case WEIR_KIND_integer:
    case WEIR_KIND_interval_months:
        problem = weir_number_parse_int(p, n, INT32_MIN, INT32_MAX, &value);
        to->value.i32 = (int32_t)value;
        return problem;
    default:
        return weir_number_parse_int(p, n, INT64_MIN, INT64_MAX, &to->value.i64);
    }
}

static const char *read_boolean(const char *p, size_t n, weir_csv_value *to)
{
    bool yes = (n == 4 && memcmp(p, "true", 4) == 0) || (n == 1 && (*p == '1' || *p == 't'));
    bool no = (n == 5 && memcmp(p, "false", 5) == 0) || (n == 1 && (*p == '0' || *p == 'f'));

    if (!yes && !no) {
        yes = n == 4 && strncasecmp(p, "true", 4) == 0;
        no = n == 5 && strncasecmp(p, "false", 5) == 0;
    }
    to->value.boolean = yes;
    return yes || no ? NULL : n == 0 ? "is empty" : "is neither true nor false";
}

const char *weir_csv_read_scalar(const weir_schema_field *field, const char *p, size_t n,
                                 weir_csv_value *to)
{
    while (n > 0 && (*p == ' ' || *p == '\t')) {
        p++;
        n--;
    }
    while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t'))
        n--;
    switch (field->kind) {
    case WEIR_KIND_boolean:
        return read_boolean(p, n, to);
    case WEIR_KIND_float:
        return weir_number_parse_float(p, n, &to->value.f32);
    case WEIR_KIND_double:
        return weir_number_parse_double(p, n, &to->value.f64);
    case WEIR_KIND_decimal:
        return weir_number_parse_decimal(p, n, field->precision, field->scale, &to->value.decimal);
    case WEIR_KIND_date:
        return weir_calendar_parse_date(p, n, &to->value.i32);
    case WEIR_KIND_time:
        return weir_calendar_parse_time(p, n, &to->value.i32);
    case WEIR_KIND_timestamp:
    case WEIR_KIND_timestamp_ltz:
        return weir_calendar_parse_timestamp(
            p, n, field->precision, field->kind == WEIR_KIND_timestamp_ltz, &to->value.i64);
    default:
        return read_int(field, p, n, to);
    }
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

const char *weir_csv_read_hex(const weir_schema_field *field, const char *p, size_t n, char *room,
                              weir_csv_value *to)
{
    if (n % 2 != 0)
        return "is not hex";
    for (size_t i = 0; i < n; i += 2) {
        int high = hex_digit(p[i]), low = hex_digit(p[i + 1]);

        if (high < 0 || low < 0)
            return "is not hex";
        room[i / 2] = (char)(high * 16 + low);
    }
    to->bytes = room;
    to->size = n / 2;
    if (field->kind == WEIR_KIND_binary && field->precision != 0 && to->size > field->precision)
        return "is longer than its type allows";
    return NULL;
}

const char *weir_csv_read_text(const weir_schema_field *field, const char *p, size_t n,
                               weir_csv_value *to)
{
    to->bytes = p;
    to->size = n;
    if ((field->kind == WEIR_KIND_char || field->kind == WEIR_KIND_varchar) &&
        n > field->precision) {
        size_t characters = 0;

        for (size_t i = 0; i < n; i++)
            characters += ((unsigned char)p[i] & 0xc0) != 0x80;
        if (characters > field->precision)
            return "is longer than its type allows";
    }
    return NULL;
}
