/* cli/context_verb.c -- `weir context`. */
#include "cli/verbs.h"

#include "cli/context.h"
#include "cli/message.h"
#include "cli/output.h"

#include <stdio.h>
#include <string.h>

static int show(int format)
{
    weir_cluster_context context;
    weir_error error = WEIR_ERROR_INIT;
    weir_buffer text = WEIR_BUFFER_INIT;

    if (weir_cluster_context_load(&context, &error) != 0)
        return weir_message_error(&error);
    if (format == 1)
        return weir_output_json(json_pack("{s:s, s:s, s:s}", "endpoint", context.endpoint,
                                          "directory", context.directory, "cluster",
                                          context.cluster));
    weir_buffer_printf(&text, "%s", context.endpoint);
    if (context.directory[0] != '\0')
        weir_buffer_printf(&text, "  (cluster in %s)", context.directory);
    weir_buffer_putc(&text, '\n');
    return weir_output_text(&text);
}

static int use(const char *text)
{
    weir_cluster_context context = {.endpoint = ""};
    weir_error error = WEIR_ERROR_INIT;
    int rc = weir_endpoint_parse(text, context.endpoint, &error);

    if (rc == 0)
        rc = weir_cluster_context_store(&context, &error);
    return rc == 0 ? WEIR_EXIT_DONE : weir_message_error(&error);
}

static int clear(void)
{
    weir_error error = WEIR_ERROR_INIT;

    return weir_cluster_context_clear(&error) == 0 ? WEIR_EXIT_DONE : weir_message_error(&error);
}

int weir_verb_context(const weir_arguments *arguments)
{
    const char *what = arguments->nwords == 0 ? "show" : arguments->words[0];
    weir_error error = WEIR_ERROR_INIT;
    int format;

    if (weir_arguments_format(arguments, "text|json", &format, &error) != 0)
        return weir_message_error(&error);
    if (strcmp(what, "show") == 0 && arguments->nwords < 2)
        return show(format);
    if (strcmp(what, "clear") == 0 && arguments->nwords < 2)
        return clear();
    if (strcmp(what, "use") == 0 && arguments->nwords == 2)
        return use(arguments->words[1]);
    return weir_message_fail(
        WEIR_EINVALID, "weir context: expected show, use ENDPOINT or clear; found '%.80s'", what);
}
