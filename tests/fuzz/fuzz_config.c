/* The configuration: a YAML text, keys and values one by one, the environment. Every load is all or
 * nothing; what was accepted can be handed on and comes out the same.
 *
 *   u8 which; then the YAML text, or key NUL value NUL ..., or NAME=value NUL ... */
#include "fuzz.h"

#include "base/memory.h"
#include "base/options.h"
#include "base/units.h"

#include <string.h>
#include <unistd.h>

enum { VARIABLES_MAX = 20 };

/* Every set value, as text. */
static void list(const weir_config *config, weir_buffer *out)
{
    const char *key, *value;
    for (size_t i = 0; weir_config_next(config, &i, &key, &value);)
        weir_buffer_printf(out, "%s=%s\n", key, value);
    FUZZ_OK(weir_buffer_check(out));
}

static void check_value(const weir_config *config, const weir_option *option)
{
    int first, last;
    int64_t number;
    uint64_t size;

    FUZZ_CHECK(weir_config_string(config, option->key) != NULL);
    switch (option->type) {
    case WEIR_OPTION_INT:
        number = weir_config_int(config, option->key);
        FUZZ_CHECK(number >= option->min && number <= option->max);
        break;
    case WEIR_OPTION_DURATION:
        number = weir_config_duration_ms(config, option->key);
        FUZZ_CHECK(number >= 0);
        FUZZ_CHECK(option->max == 0 || (number >= option->min && number <= option->max));
        break;
    case WEIR_OPTION_SIZE:
        size = weir_config_size(config, option->key);
        FUZZ_CHECK(option->max == 0 ||
                   (size >= (uint64_t)option->min && size <= (uint64_t)option->max));
        break;
    case WEIR_OPTION_PORT_RANGE:
        weir_config_ports(config, option->key, &first, &last);
        FUZZ_CHECK(first >= 0 && first <= last && last <= 65535);
        break;
    case WEIR_OPTION_DOUBLE:
        (void)weir_config_double(config, option->key);
        break;
    case WEIR_OPTION_BOOL:
        (void)weir_config_bool(config, option->key);
        break;
    case WEIR_OPTION_STRING:
    case WEIR_OPTION_ENUM:
        break;
    }
}

/* As between processes: key by key, as texts of messages. */
static void check_handed_on(const weir_config *config, const weir_buffer *before)
{
    weir_config *other = weir_config_new(), *clone = weir_config_clone(config);
    weir_buffer after = WEIR_BUFFER_INIT, cloned = WEIR_BUFFER_INIT;
    const char *key, *value;
    weir_error err = WEIR_ERROR_INIT;
    size_t count;
    const weir_option *options = weir_options(&count);

    FUZZ_CHECK(other != NULL && clone != NULL);
    for (size_t i = 0; weir_config_next(config, &i, &key, &value);) {
        if (!fuzz_is_clean(value))
            fuzz_fail(__FILE__, __LINE__, "%s has a value that no message can hold", key);
        FUZZ_OK(weir_config_set(other, key, value, "job", &err));
        FUZZ_CHECK(weir_config_is_set(config, key));
    }
    list(other, &after);
    list(clone, &cloned);
    FUZZ_CHECK(fuzz_same(before, &after) && fuzz_same(before, &cloned));
    for (size_t i = 0; i < count; i++)
        check_value(config, &options[i]);
    weir_config_destroy(&other);
    weir_config_destroy(&clone);
    weir_buffer_deinit(&after);
    weir_buffer_deinit(&cloned);
}

static int set_all(weir_config *config, fuzz_input *input, weir_error *err)
{
    size_t size;
    const char *at = (const char *)fuzz_rest(input, &size);
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < size;) {
        char *key = fuzz_text(at + i, size - i);
        i += strlen(key) + 1;
        char *value = fuzz_text(at + (i < size ? i : size), i < size ? size - i : 0);
        i += strlen(value) + 1;
        rc = weir_config_set(config, key, value, i % 2 == 0 ? "-D" : "job", err);
        weir_free(key);
        weir_free(value);
    }
    return rc;
}

static int load_environment(weir_config *config, fuzz_input *input, weir_error *err)
{
    char *variables[VARIABLES_MAX + 1] = {NULL}, **kept = environ;
    size_t size, count = 0;
    const char *at = (const char *)fuzz_rest(input, &size);

    for (size_t i = 0; i < size && count < VARIABLES_MAX; i += strlen(variables[count++]) + 1)
        variables[count] = fuzz_text(at + i, size - i);
    environ = variables;
    int rc = weir_config_load_environment(config, err);
    environ = kept;
    for (size_t i = 0; i < count; i++)
        weir_free(variables[i]);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, size};
    weir_config *config = weir_config_new();
    weir_buffer before = WEIR_BUFFER_INIT, after = WEIR_BUFFER_INIT;
    weir_error err = WEIR_ERROR_INIT;
    uint32_t which = fuzz_below(&input, 4);
    size_t length;
    int rc;

    FUZZ_CHECK(config != NULL);
    FUZZ_OK(weir_config_set(config, "cluster.id", "before", "-D", NULL));
    list(config, &before);
    if (which == 1) {
        rc = set_all(config, &input, &err);
    } else if (which == 2) {
        rc = load_environment(config, &input, &err);
    } else {
        const uint8_t *rest = fuzz_rest(&input, &length);
        char *text = fuzz_copy(rest, length);
        rc = weir_config_load_text(config, "weir.yaml", text, length, &err);
        weir_free(text);
    }
    list(config, &after);
    if (rc != 0)
        fuzz_check_failure(rc, &err);
    FUZZ_CHECK(rc == 0 || which == 1 || fuzz_same(&before, &after));
    check_handed_on(config, &after);
    weir_config_destroy(&config);
    weir_buffer_deinit(&before);
    weir_buffer_deinit(&after);
    return 0;
}
