#include "cli/cli.h"

#include "cli/arguments.h"
#include "cli/help.h"
#include "cli/message.h"
#include "cli/output.h"

#include "base/units.h"

#include <stdio.h>
#include <string.h>

static int fail_unknown(const char *word)
{
    const char *near = weir_command_suggest(word);
    char quoted[WEIR_QUOTED_MAX];

    weir_format_quoted(word, quoted, sizeof quoted);
    if (near != NULL)
        return weir_message_fail(WEIR_EINVALID, "there is no verb %s; did you mean 'weir %s'?",
                                 quoted, near);
    return weir_message_fail(WEIR_EINVALID, "there is no verb %s; `weir help` shows all", quoted);
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
        return fail_unknown(argv[1]);
    return run(command, argc - 1 - used, argv + 1 + used, include_dir);
}
