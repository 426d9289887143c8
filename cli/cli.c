#include "cli/cli.h"

#include "cli/arguments.h"
#include "cli/help.h"
#include "cli/message.h"
#include "cli/output.h"

#include "base/units.h"

#include <stdio.h>
#include <string.h>

/* The second words behind a first one; false: nothing begins with it. */
static bool list_second_words(const char *first, weir_buffer *out)
{
    size_t count, length = strlen(first);
    const weir_command *commands = weir_commands(&count);

    for (size_t i = 0; i < count; i++)
        if (strncmp(commands[i].name, first, length) == 0 && commands[i].name[length] == ' ')
            weir_buffer_printf(out, "%s%s", out->size == 0 ? "" : ", ",
                               commands[i].name + length + 1);
    return out->size > 0;
}

static int fail_unknown(const char *first, const char *second)
{
    const char *near = weir_command_suggest(first);
    char quoted[WEIR_QUOTED_MAX];
    weir_buffer words = WEIR_BUFFER_INIT;
    int code;

    if (list_second_words(first, &words))
        code = weir_message_fail(
            WEIR_EINVALID, "weir %s: expected one of %s; found %s", first, weir_buffer_text(&words),
            second == NULL ? "nothing" : weir_format_quoted(second, quoted, sizeof quoted));
    else if (near != NULL)
        code = weir_message_fail(WEIR_EINVALID, "there is no verb %s; did you mean 'weir %s'?",
                                 weir_format_quoted(first, quoted, sizeof quoted), near);
    else
        code = weir_message_fail(WEIR_EINVALID, "there is no verb %s; `weir help` shows all",
                                 weir_format_quoted(first, quoted, sizeof quoted));
    weir_buffer_deinit(&words);
    return code;
}

static int run(const weir_command *command, int argc, char **argv, const char *include_dir)
{
    weir_arguments arguments;
    weir_error error = WEIR_ERROR_INIT;
    weir_buffer text = WEIR_BUFFER_INIT;
    int code;

    if (weir_arguments_parse(command, argc, argv, &arguments, &error) != 0)
        return weir_message_error(&error);
    arguments.include_dir = include_dir;
    if (arguments.help) {
        weir_help_command(command, &text);
        code = weir_output_text(&text);
    } else {
        code = command->run(&arguments);
    }
    weir_arguments_deinit(&arguments);
    return code;
}

int weir_cli_run(int argc, char **argv, const char *include_dir)
{
    weir_buffer text = WEIR_BUFFER_INIT;
    int used = 0;

    if (argc < 2) {
        weir_help_all(&text);
        fputs(weir_buffer_text(&text), stderr);
        weir_buffer_deinit(&text);
        return WEIR_EXIT_BAD_INPUT;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        weir_help_all(&text);
        return weir_output_text(&text);
    }
    const weir_command *command = weir_command_find(argv[1], argc > 2 ? argv[2] : NULL, &used);
    if (command == NULL)
        return fail_unknown(argv[1], argc > 2 ? argv[2] : NULL);
    return run(command, argc - 1 - used, argv + 1 + used, include_dir);
}
