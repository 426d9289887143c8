/* Durations, sizes, numbers, ids and other words as users write them.
 *
 *   u8 which, the text */
#include "fuzz.h"

#include "base/id.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/option_value.h"
#include "base/units.h"
#include "graph/status.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CANARY = 0x5A };

static void check(int rc, const weir_error *err)
{
    if (rc != 0) {
        fuzz_check_failure(rc, err);
        FUZZ_CHECK(rc == WEIR_EINVALID);
    }
}

static void parse_duration(const char *text)
{
    weir_error err = WEIR_ERROR_INIT;
    int64_t ms = CANARY, again = 0;
    char written[64];
    int rc = weir_parse_duration_ms(text, &ms, &err);

    check(rc, &err);
    FUZZ_CHECK(rc == 0 ? ms >= 0 : ms == CANARY);
    snprintf(written, sizeof written, "%" PRId64 " ms", ms);
    FUZZ_OK(weir_parse_duration_ms(written, &again, NULL));
    FUZZ_CHECK(again == ms);
}

static void parse_size(const char *text)
{
    weir_error err = WEIR_ERROR_INIT;
    uint64_t bytes = CANARY, again = 0;
    char written[64];
    int rc = weir_parse_size(text, &bytes, &err);

    check(rc, &err);
    FUZZ_CHECK(rc == 0 || bytes == CANARY);
    snprintf(written, sizeof written, " %" PRIu64 "\tB ", bytes);
    FUZZ_OK(weir_parse_size(written, &again, NULL));
    FUZZ_CHECK(again == bytes);
}

/* The C library is asked, too. */
static void parse_int(const char *text)
{
    weir_error err = WEIR_ERROR_INIT;
    int64_t value = CANARY, narrow = CANARY;
    char *end;
    int rc = weir_parse_int(text, INT64_MIN, INT64_MAX, &value, &err);

    check(rc, &err);
    errno = 0;
    long long other = strtoll(text, &end, 10);
    bool taken = end != text && errno == 0 && end[strspn(end, " \t")] == '\0' &&
                 strpbrk(text, "\n\v\f\r") == NULL;
    FUZZ_CHECK((rc == 0) == taken && (rc != 0 || value == other));
    rc = weir_parse_int(text, -100, 100, &narrow, &err);
    check(rc, &err);
    FUZZ_CHECK(rc == 0 ? narrow == value && llabs(narrow) <= 100 : narrow == CANARY);
}

static void parse_double(const char *text)
{
    weir_error err = WEIR_ERROR_INIT;
    double value = CANARY, again = 0;
    char written[64];
    int rc = weir_parse_double(text, &value, &err);

    check(rc, &err);
    FUZZ_CHECK(isfinite(value));
    snprintf(written, sizeof written, "%.17g", value);
    FUZZ_OK(weir_parse_double(written, &again, NULL));
    FUZZ_CHECK(memcmp(&again, &value, sizeof value) == 0);
}

static void parse_ids(const char *text)
{
    weir_id id, id_again;
    weir_digest digest, digest_again;
    char hex[WEIR_DIGEST_HEX];

    if (weir_id_parse(text, &id) == 0) {
        FUZZ_OK(weir_id_parse(weir_id_format(&id, hex), &id_again));
        FUZZ_CHECK(weir_id_equal(&id, &id_again) && strcasecmp(hex, text) == 0);
    }
    if (weir_digest_parse(text, &digest) == 0) {
        FUZZ_OK(weir_digest_parse(weir_digest_format(&digest, hex), &digest_again));
        FUZZ_CHECK(weir_digest_equal(&digest, &digest_again) && strcasecmp(hex, text) == 0);
    }
}

static void parse_words(const char *text)
{
    weir_error err = WEIR_ERROR_INIT;
    enum weir_log_level level;
    bool flag;

    check(weir_log_parse_level(text, &level, &err), &err);
    check(weir_parse_bool(text, &flag, &err), &err);
    int status = weir_status_parse(&weir_job_status_table, text);
    FUZZ_CHECK(status < 0 ||
               strcmp(weir_state_name(&weir_job_status_table, (uint32_t)status), text) == 0);
}

/* As a value of every option, and as the name of one. */
static void parse_options(const char *text)
{
    size_t count;
    const weir_option *options = weir_options(&count);

    for (size_t i = 0; i < count; i++) {
        weir_option_value value = {.number = CANARY}, again = {0};
        weir_error err = WEIR_ERROR_INIT;
        int rc = weir_option_value_parse(&options[i], text, &value, &err);

        check(rc, &err);
        if (rc != 0) {
            FUZZ_CHECK(value.number == CANARY && value.text == NULL);
            continue;
        }
        FUZZ_OK(weir_option_value_parse(&options[i], value.text, &again, &err));
        FUZZ_CHECK(strcmp(value.text, again.text) == 0 && value.number == again.number);
        FUZZ_CHECK(value.last == again.last && value.size == again.size);
        weir_option_value_deinit(&value);
        weir_option_value_deinit(&again);
    }
    const char *near = weir_option_suggest(text);
    FUZZ_CHECK(near == NULL || weir_option_find(near) != NULL);
    (void)weir_option_is_section(text);
    (void)weir_option_find_variable(text);
    if (strncmp(text, WEIR_OPTION_VARIABLE_PREFIX, strlen(WEIR_OPTION_VARIABLE_PREFIX)) == 0)
        (void)weir_option_suggest_variable(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const parsers[])(const char *) = {parse_duration, parse_size,   parse_int,
                                                    parse_double,   parse_ids,    parse_words,
                                                    parse_options,  parse_options};
    fuzz_input input = {data, size};
    uint32_t which = fuzz_below(&input, WEIR_COUNT(parsers));
    size_t length;
    const uint8_t *rest = fuzz_rest(&input, &length);
    char *text = fuzz_text(rest, length);

    parsers[which](text);
    weir_free(text);
    return 0;
}
