/* The command line of every verb: words and options in any order.
 *
 *   u8 which verb, then arguments, each ended by a NUL */
#include "fuzz.h"

#include "base/memory.h"
#include "base/options.h"
#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/settings.h"

#include <string.h>

enum { ARGUMENTS_MAX = 24 };

static bool is_one_of(const char *text, char *const *argv, int argc)
{
    for (int i = 0; i < argc; i++) {
        if (text >= argv[i] && text <= argv[i] + strlen(argv[i]))
            return true;
    }
    return false;
}

static void check_settings(const weir_arguments *arguments)
{
    weir_config *config = NULL;
    weir_error err = WEIR_ERROR_INIT;
    int rc;

    if (weir_arguments_has(arguments, "config")) /* a file of the user's */
        return;
    rc = weir_settings_load(arguments, &config, &err);
    if (rc != 0)
        fuzz_check_failure(rc, &err);
    weir_config_destroy(&config);
}

static void check_accepted(const weir_arguments *arguments, char *const *argv, int argc)
{
    const weir_command *command = arguments->command;
    weir_error err = WEIR_ERROR_INIT;
    int number, rc;

    if (arguments->help)
        return;
    FUZZ_CHECK(arguments->nwords >= command->words_min && arguments->nwords <= command->words_max);
    for (int i = 0; i < arguments->nwords; i++)
        FUZZ_CHECK(is_one_of(arguments->words[i], argv, argc));
    for (size_t i = 0; i < arguments->ngiven; i++) {
        const weir_given_option *given = &arguments->given[i];
        FUZZ_CHECK((given->value == NULL) == (given->option->argument == NULL));
        FUZZ_CHECK(given->value == NULL || is_one_of(given->value, argv, argc));
        FUZZ_CHECK(weir_arguments_has(arguments, given->option->name));
        rc = weir_arguments_int(arguments, given->option->name, 5, 1, 100, &number, &err);
        if (rc != 0)
            fuzz_check_failure(rc, &err);
        else
            FUZZ_CHECK(number >= 1 && number <= 100);
    }
    rc = weir_arguments_format(arguments, "text|json", &number, &err);
    if (rc != 0)
        fuzz_check_failure(rc, &err);
    else
        FUZZ_CHECK(number == 0 || number == 1);
    check_settings(arguments);
}

static void check_endpoint(const char *text)
{
    char first[WEIR_ENDPOINT_MAX], second[WEIR_ENDPOINT_MAX];
    weir_error err = WEIR_ERROR_INIT;
    int rc = weir_endpoint_parse(text, first, &err);

    if (rc != 0) {
        fuzz_check_failure(rc, &err);
        return;
    }
    FUZZ_CHECK(strncmp(first, "tcp://", 6) == 0 && strlen(first) < WEIR_ENDPOINT_MAX);
    FUZZ_CHECK(fuzz_is_clean(first));
    FUZZ_OK(weir_endpoint_parse(first, second, &err));
    FUZZ_CHECK(strcmp(first, second) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, size};
    size_t count, length;
    const weir_command *commands = weir_commands(&count);
    const weir_command *command = &commands[fuzz_u8(&input) % count];
    const char *rest = (const char *)fuzz_rest(&input, &length);
    char *argv[ARGUMENTS_MAX + 1] = {NULL}, *kept[ARGUMENTS_MAX];
    weir_arguments arguments;
    weir_error err = WEIR_ERROR_INIT;
    int argc = 0;

    for (size_t i = 0; i < length && argc < ARGUMENTS_MAX; i += strlen(argv[argc++]) + 1)
        argv[argc] = fuzz_text(rest + i, length - i);
    memcpy(kept, argv, sizeof kept);
    for (int i = 0; i < argc; i++)
        check_endpoint(argv[i]);
    int rc = weir_arguments_parse(command, argc, argv, &arguments, &err);
    if (rc != 0)
        fuzz_check_failure(rc, &err);
    else
        check_accepted(&arguments, kept, argc);
    if (rc == 0)
        weir_arguments_deinit(&arguments);
    for (int i = 0; i < argc; i++)
        weir_free(kept[i]);
    return 0;
}
