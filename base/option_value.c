/* base/option_value.c -- one value of the table of options, from its text. */
#include "base/option_value.h"

#include "base/memory.h"
#include "base/text.h"
#include "base/units.h"

#include <string.h>
#include <strings.h>

enum { PORT_MAX = 65535 };

static bool out_of_bounds(const weir_option *option, uint64_t value)
{
    return option->max != 0 && (value < (uint64_t)option->min || value > (uint64_t)option->max);
}

static int parse_duration(const weir_option *option, const char *text, int64_t *ret,
                          weir_error *err)
{
    int64_t ms;
    int rc = weir_parse_duration_ms(text, &ms, err);
    if (rc != 0)
        return rc;
    if (out_of_bounds(option, (uint64_t)ms)) {
        char quoted[WEIR_QUOTED_MAX], min[32], max[32];
        return weir_error_set(err, WEIR_EINVALID, "expected a duration from %s to %s; found %s",
                              weir_format_duration(option->min, min, sizeof min),
                              weir_format_duration(option->max, max, sizeof max),
                              weir_format_quoted(text, quoted, sizeof quoted));
    }
    *ret = ms;
    return 0;
}

static int parse_size(const weir_option *option, const char *text, uint64_t *ret, weir_error *err)
{
    uint64_t bytes;
    int rc = weir_parse_size(text, &bytes, err);
    if (rc != 0)
        return rc;
    if (out_of_bounds(option, bytes)) {
        char quoted[WEIR_QUOTED_MAX], min[32], max[32];
        return weir_error_set(err, WEIR_EINVALID, "expected a size from %s to %s; found %s",
                              weir_format_size((uint64_t)option->min, min, sizeof min),
                              weir_format_size((uint64_t)option->max, max, sizeof max),
                              weir_format_quoted(text, quoted, sizeof quoted));
    }
    *ret = bytes;
    return 0;
}

/* "0", "6123" or "50100-50200"; 0 is no end of a range. */
static int parse_ports(const char *text, weir_option_value *ret, weir_error *err)
{
    char first[16], last[16];
    size_t size = strlen(text), split = strcspn(text, "-");
    size_t last_size = split < size ? size - split - 1 : split;
    int64_t from = 0, to = 0;
    bool good = split < sizeof first && last_size < sizeof last;
    if (good) {
        memcpy(first, text, split);
        first[split] = '\0';
        memcpy(last, split < size ? text + split + 1 : text, last_size);
        last[last_size] = '\0';
        good = weir_parse_int(first, split < size ? 1 : 0, PORT_MAX, &from, NULL) == 0 &&
               weir_parse_int(last, from, PORT_MAX, &to, NULL) == 0;
    }
    if (!good) {
        char quoted[WEIR_QUOTED_MAX];
        return weir_error_set(
            err, WEIR_EINVALID,
            "expected a port or a range of ports from 1 to %d; found %s; write 0, "
            "6123 or 50100-50200",
            PORT_MAX, weir_format_quoted(text, quoted, sizeof quoted));
    }
    ret->number = from;
    ret->last = to;
    return 0;
}

/* The choice that `text` is, without case: its place in `choices` and its length. */
static const char *find_choice(const char *choices, const char *text, size_t *ret_size)
{
    size_t size = strlen(text);
    for (const char *at = choices; *at != '\0';) {
        size_t length = strcspn(at, "|");
        if (length == size && strncasecmp(at, text, size) == 0) {
            *ret_size = length;
            return at;
        }
        at += length + (at[length] == '|' ? 1 : 0);
    }
    return NULL;
}

static int refuse_choice(const char *choices, const char *text, weir_error *err)
{
    char list[256], quoted[WEIR_QUOTED_MAX];
    size_t end = 0;
    for (const char *at = choices; *at != '\0' && end + 3 < sizeof list; at++) {
        if (*at == '|') {
            list[end++] = ',';
            list[end++] = ' ';
        } else {
            list[end++] = *at;
        }
    }
    list[end] = '\0';
    return weir_error_set(err, WEIR_EINVALID, "expected one of %s; found %s", list,
                          weir_format_quoted(text, quoted, sizeof quoted));
}

static int parse_typed(const weir_option *option, const char *text, weir_option_value *ret,
                       weir_error *err)
{
    bool flag = false;
    int rc = 0;
    switch (option->type) {
    case WEIR_OPTION_INT:
        return weir_parse_int(text, option->min, option->max, &ret->number, err);
    case WEIR_OPTION_DOUBLE:
        return weir_parse_double(text, &ret->real, err);
    case WEIR_OPTION_BOOL:
        rc = weir_parse_bool(text, &flag, err);
        ret->number = flag ? 1 : 0;
        return rc;
    case WEIR_OPTION_DURATION:
        return parse_duration(option, text, &ret->number, err);
    case WEIR_OPTION_SIZE:
        return parse_size(option, text, &ret->size, err);
    case WEIR_OPTION_PORT_RANGE:
        return parse_ports(text, ret, err);
    case WEIR_OPTION_STRING:
    case WEIR_OPTION_ENUM:
        break;
    }
    return 0;
}

/* Control characters have no place in any value, and would reach logs, files and other processes;
 * nor have other bytes than UTF-8, which messages and files refuse. */
static int check_text(const char *text, weir_error *err)
{
    size_t size = strnlen(text, WEIR_OPTION_VALUE_MAX + 1);
    if (size > WEIR_OPTION_VALUE_MAX)
        return weir_error_set(err, WEIR_EINVALID, "the value is too long; the limit is %d bytes",
                              WEIR_OPTION_VALUE_MAX);
    for (size_t i = 0, length; i < size; i += length) {
        length = weir_text_character(text + i, size - i);
        if (length == 0 || weir_text_is_control(text + i, length)) {
            char quoted[WEIR_QUOTED_MAX];
            return weir_error_set(err, WEIR_EINVALID, "expected %s; found %s",
                                  length == 0 ? "UTF-8 text"
                                              : "one line without control characters",
                                  weir_format_quoted(text, quoted, sizeof quoted));
        }
    }
    return 0;
}

int weir_option_value_parse(const weir_option *option, const char *text, weir_option_value *ret,
                            weir_error *err)
{
    weir_option_value value = {0};
    int rc = check_text(text, err);
    if (rc != 0)
        return rc;
    size_t size = strlen(text);
    const char *kept = text;
    if (option->type == WEIR_OPTION_ENUM) {
        kept = find_choice(option->choices, text, &size);
        if (kept == NULL)
            return refuse_choice(option->choices, text, err);
    }
    rc = parse_typed(option, text, &value, err);
    if (rc != 0)
        return rc;
    value.text = weir_strndup(kept, size);
    if (value.text == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "out of memory");
    *ret = value;
    return 0;
}

void weir_option_value_deinit(weir_option_value *value)
{
    weir_free(value->text);
    *value = (weir_option_value){0};
}
