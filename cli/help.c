/* cli/help.c -- `weir help`, `weir version`, `weir completion`: all from the table of commands. */
#include "cli/help.h"

#include "actors/daemon.h"
#include "base/memory.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/verbs.h"

#include <string.h>

/* ---- help ---- */

static void put_usage(weir_buffer *out, const weir_command *command)
{
    weir_buffer_printf(out, "weir %s%s%s%s", command->name, command->usage[0] == '\0' ? "" : " ",
                       command->usage, command->noptions > 0 ? " [OPTIONS]" : "");
}

void weir_help_command(const weir_command *command, weir_buffer *out)
{
    weir_buffer_puts(out, "usage: ");
    put_usage(out, command);
    weir_buffer_printf(out, "\n\n%s\n", command->summary);
    if (command->details != NULL)
        weir_buffer_printf(out, "%s\n", command->details);
    if (command->noptions > 0)
        weir_buffer_puts(out, "\noptions:\n");
    for (size_t i = 0; i < command->noptions; i++) {
        const weir_command_option *option = &command->options[i];

        if (option->hidden)
            continue;
        if (option->letter != 0)
            weir_buffer_printf(out, "  -%c, --%s", option->letter, option->name);
        else
            weir_buffer_printf(out, "      --%s", option->name);
        if (option->argument != NULL)
            weir_buffer_printf(out, " %s", option->argument);
        weir_buffer_printf(out, "\n          %s\n", option->meaning);
    }
}

void weir_help_all(weir_buffer *out)
{
    size_t count, width = 0;
    const weir_command *commands = weir_commands(&count);

    weir_buffer_puts(out, "usage: weir VERB [WORDS] [OPTIONS]\n\n");
    for (size_t i = 0; i < count; i++)
        if (strlen(commands[i].name) > width)
            width = strlen(commands[i].name);
    for (size_t i = 0; i < count; i++)
        if (!commands[i].hidden)
            weir_buffer_printf(out, "  %-*s  %s\n", (int)width, commands[i].name,
                               commands[i].summary);
    weir_buffer_puts(out, "\nAll about one of them: weir help VERB\n"
                          "First steps:\n"
                          "  weir run wordcount.c < book.txt\n"
                          "  weir cluster start --slots 4\n");
}

/* "cluster" stands for all its verbs. Returns how many there are. */
static size_t put_group(weir_buffer *out, const char *group)
{
    size_t count, found = 0, size = strlen(group);
    const weir_command *commands = weir_commands(&count);

    for (size_t i = 0; i < count; i++) {
        if (strncmp(commands[i].name, group, size) != 0 || commands[i].name[size] != ' ')
            continue;
        if (found++ > 0)
            weir_buffer_puts(out, "\n\n");
        weir_help_command(&commands[i], out);
    }
    return found;
}

int weir_verb_help(const weir_arguments *arguments)
{
    weir_buffer text = WEIR_BUFFER_INIT;
    const char *first = arguments->nwords > 0 ? arguments->words[0] : NULL;
    const char *second = arguments->nwords > 1 ? arguments->words[1] : NULL;
    int used;

    if (first == NULL) {
        weir_help_all(&text);
        return weir_output_text(&text);
    }
    const weir_command *command = weir_command_find(first, second, &used);
    if (command == NULL && second == NULL && put_group(&text, first) > 0)
        return weir_output_text(&text);
    if (command == NULL) {
        const char *near = weir_command_suggest(first);
        if (near != NULL)
            return weir_message_fail(WEIR_EINVALID,
                                     "weir help: there is no verb '%.80s'; did you mean '%s'?",
                                     first, near);
        return weir_message_fail(
            WEIR_EINVALID, "weir help: there is no verb '%.80s'; `weir help` shows all", first);
    }
    weir_help_command(command, &text);
    return weir_output_text(&text);
}

int weir_verb_version(const weir_arguments *arguments)
{
    weir_buffer text = WEIR_BUFFER_INIT;
    (void)arguments;

    weir_buffer_puts(&text, "weir " WEIR_VERSION "\n");
    return weir_output_text(&text);
}

/* ---- completion ---- */

static void put_options(weir_buffer *out, const weir_command *command)
{
    weir_buffer_puts(out, "--help");
    for (size_t i = 0; i < command->noptions; i++)
        if (!command->options[i].hidden)
            weir_buffer_printf(out, " --%s", command->options[i].name);
}

static void put_first_words(weir_buffer *out)
{
    size_t count;
    const weir_command *commands = weir_commands(&count);

    for (size_t i = 0; i < count; i++) {
        size_t length = strcspn(commands[i].name, " ");
        bool is_again = i > 0 && strncmp(commands[i].name, commands[i - 1].name, length) == 0 &&
                        commands[i - 1].name[length] == ' ';

        if (!commands[i].hidden && !is_again)
            weir_buffer_printf(out, "%s%.*s", i == 0 ? "" : " ", (int)length, commands[i].name);
    }
}

/* The second words behind `first`; nothing for verbs of one word. */
static void put_second_words(weir_buffer *out)
{
    size_t count;
    const weir_command *commands = weir_commands(&count);

    for (size_t i = 0; i < count; i++) {
        const char *blank = strchr(commands[i].name, ' ');
        if (blank != NULL)
            weir_buffer_printf(out, " %s", blank + 1);
    }
}

void weir_help_completion(weir_buffer *out)
{
    size_t count;
    const weir_command *commands = weir_commands(&count);

    weir_buffer_puts(out, "# bash completion for weir; made by `weir completion bash`\n"
                          "_weir()\n{\n"
                          "    local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]}\n"
                          "    local options='' words='' files=1\n"
                          "    COMPREPLY=()\n"
                          "    if ((COMP_CWORD == 1)); then\n"
                          "        COMPREPLY=($(compgen -W '");
    put_first_words(out);
    weir_buffer_puts(out, "' -- \"$word\"))\n        return\n    fi\n"
                          "    if [[ $verb == cluster ]]; then\n"
                          "        if ((COMP_CWORD == 2)); then\n"
                          "            COMPREPLY=($(compgen -W '");
    put_second_words(out);
    weir_buffer_puts(out, "' -- \"$word\"))\n            return\n        fi\n"
                          "        verb=\"cluster ${COMP_WORDS[2]}\"\n    fi\n"
                          "    case $verb in\n");
    for (size_t i = 0; i < count; i++) {
        weir_buffer_printf(out, "    '%s')\n        options='", commands[i].name);
        put_options(out, &commands[i]);
        weir_buffer_printf(out, "'\n        words='%s'\n        files=%d\n        ;;\n",
                           commands[i].choices == NULL ? "" : commands[i].choices,
                           commands[i].choices == NULL ? 1 : 0);
    }
    weir_buffer_puts(out,
                     "    esac\n"
                     "    if [[ $word == -* ]]; then\n"
                     "        COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
                     "    elif ((files)) || [[ ${COMP_WORDS[COMP_CWORD-1]} == --@(config|dir|log) "
                     "]]; then\n"
                     "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
                     "    else\n"
                     "        COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
                     "    fi\n}\n"
                     "complete -o filenames -F _weir weir\n");
}

int weir_verb_completion(const weir_arguments *arguments)
{
    weir_buffer text = WEIR_BUFFER_INIT;

    if (strcmp(arguments->words[0], "bash") != 0)
        return weir_message_fail(WEIR_EINVALID, "weir completion: expected bash; found '%.80s'",
                                 arguments->words[0]);
    weir_help_completion(&text);
    return weir_output_text(&text);
}
