/* cli/reference.c -- `weir config` and `weir connectors`: documentation made from the tables that
 * the program itself runs by. */
#include "cli/verbs.h"

#include "base/memory.h"
#include "base/option_value.h"
#include "base/units.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "taskmanager/catalog.h"

#include <stdio.h>
#include <string.h>

/* ---- config ---- */

enum config_format { CONFIG_TEXT, CONFIG_JSON, CONFIG_YAML };

static const char *type_name(const weir_option *option)
{
    static const char *const names[] = {
        [WEIR_OPTION_STRING] = "string",
        [WEIR_OPTION_INT] = "integer",
        [WEIR_OPTION_DOUBLE] = "number",
        [WEIR_OPTION_BOOL] = "true|false",
        [WEIR_OPTION_DURATION] = "duration",
        [WEIR_OPTION_SIZE] = "size",
        [WEIR_OPTION_ENUM] = "",
        [WEIR_OPTION_PORT_RANGE] = "port or range",
    };

    return option->type == WEIR_OPTION_ENUM ? option->choices : names[option->type];
}

static json_t *option_json(const weir_config *config, const weir_option *option)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "key", option->key, "type",
                     type_name(option), "default", option->fallback, "value",
                     weir_config_string(config, option->key), "origin",
                     weir_config_origin(config, option->key), "meaning", option->meaning);
}

static void put_option(weir_buffer *out, const weir_config *config, const weir_option *option,
                       int format)
{
    const char *value = weir_config_string(config, option->key);

    if (format == CONFIG_YAML) {
        weir_buffer_printf(out, "# %s\n%s%s: %s\n", option->meaning, value[0] == '\0' ? "# " : "",
                           option->key, value);
        return;
    }
    weir_buffer_printf(out, "%s = %s\n", option->key, value[0] == '\0' ? "(not set)" : value);
    weir_buffer_printf(out, "    %s\n    %s", option->meaning, type_name(option));
    if (option->fallback[0] != '\0')
        weir_buffer_printf(out, "; default %s", option->fallback);
    if (weir_config_is_set(config, option->key))
        weir_buffer_printf(out, "; set by %s", weir_config_origin(config, option->key));
    weir_buffer_putc(out, '\n');
}

static int tell_options(const weir_config *config, const weir_option *first, size_t count,
                        int format)
{
    weir_buffer text = WEIR_BUFFER_INIT;

    if (format == CONFIG_JSON) {
        json_t *list = json_array();
        for (size_t i = 0; i < count; i++)
            json_array_append_new(list, option_json(config, &first[i]));
        return weir_output_json(list);
    }
    for (size_t i = 0; i < count; i++)
        put_option(&text, config, &first[i], format);
    return weir_output_text(&text);
}

static int tell_key(const weir_config *config, const char *key, int format)
{
    const weir_option *option = weir_option_find(key);
    const char *near = option == NULL ? weir_option_suggest(key) : NULL;
    char quoted[WEIR_QUOTED_MAX];

    weir_format_quoted(key, quoted, sizeof quoted);
    if (option == NULL && near != NULL)
        return weir_message_fail(WEIR_EINVALID, "weir config: unknown key %s; did you mean '%s'?",
                                 quoted, near);
    if (option == NULL)
        return weir_message_fail(
            WEIR_EINVALID, "weir config: unknown key %s; `weir config` shows all keys", quoted);
    if (format == CONFIG_JSON)
        return weir_output_json(option_json(config, option));
    return tell_options(config, option, 1, format);
}

int weir_verb_config(const weir_arguments *arguments)
{
    weir_error error = WEIR_ERROR_INIT;
    weir_config *config = NULL;
    int format = 0, code;
    size_t count;
    const weir_option *options = weir_options(&count);

    if (weir_arguments_format(arguments, "text|json|yaml", &format, &error) != 0 ||
        weir_settings_load(arguments, &config, &error) != 0)
        return weir_message_error(&error);
    if (arguments->nwords > 0)
        code = tell_key(config, arguments->words[0], format);
    else
        code = tell_options(config, options, count, format);
    weir_config_destroy(&config);
    return code;
}

/* ---- connectors ---- */

static json_t *connector_json(const weir_connector *connector)
{
    json_t *options = json_array(), *aliases = json_array();

    for (size_t i = 0; connector->aliases != NULL && connector->aliases[i] != NULL; i++)
        json_array_append_new(aliases, json_string(connector->aliases[i]));
    for (size_t i = 0; i < connector->noptions; i++) {
        const weir_connector_option *option = &connector->options[i];

        json_array_append_new(
            options, json_pack("{s:s, s:s, s:s?, s:b, s:b, s:b, s:s}", "name", option->name, "type",
                               option->type, "default", option->fallback, "required",
                               option->fallback == NULL, "source", (int)option->source, "sink",
                               (int)option->sink, "meaning", option->meaning));
    }
    return json_pack("{s:s, s:o, s:s, s:s, s:b, s:b, s:b, s:o}", "name", connector->name, "aliases",
                     aliases, "meaning", connector->meaning, "path",
                     connector->path_meaning == NULL ? "" : connector->path_meaning, "source",
                     (int)connector->source, "sink", (int)connector->sink, "local_only",
                     (int)connector->local_only, "options", options);
}

static const char *use_of(bool source, bool sink)
{
    return source && sink ? "source and sink" : source ? "source" : "sink";
}

static void put_connector(weir_buffer *out, const weir_connector *connector)
{
    weir_buffer_printf(
        out, "%s:%s  (%s%s)\n    %s\n", connector->name,
        connector->path_meaning == NULL || strcmp(connector->path_meaning, "none") == 0 ? ""
                                                                                        : "PATH",
        use_of(connector->source, connector->sink),
        connector->local_only ? "; in local jobs only" : "", connector->meaning);
    for (size_t i = 0; connector->aliases != NULL && connector->aliases[i] != NULL; i++)
        weir_buffer_printf(out, "    also called %s:\n", connector->aliases[i]);
    if (connector->path_meaning != NULL && strcmp(connector->path_meaning, "none") != 0)
        weir_buffer_printf(out, "    PATH: %s\n", connector->path_meaning);
    for (size_t i = 0; i < connector->noptions; i++) {
        const weir_connector_option *option = &connector->options[i];

        weir_buffer_printf(out, "    %s=%s", option->name, option->type);
        if (option->fallback == NULL)
            weir_buffer_puts(out, "  required");
        else if (option->fallback[0] != '\0')
            weir_buffer_printf(out, "  default %s", option->fallback);
        if (option->source != option->sink && connector->source && connector->sink)
            weir_buffer_printf(out, "  (%s only)", use_of(option->source, option->sink));
        weir_buffer_printf(out, "\n        %s\n", option->meaning);
    }
}

static int fail_unknown(const char *name)
{
    const weir_connector_catalog *catalog = weir_taskmanager_catalog();
    weir_buffer known = WEIR_BUFFER_INIT;
    char quoted[WEIR_QUOTED_MAX];

    for (size_t i = 0; catalog->connectors[i] != NULL; i++)
        weir_buffer_printf(&known, "%s%s", i == 0 ? "" : ", ", catalog->connectors[i]->name);
    int code = weir_message_fail(
        WEIR_ENOT_FOUND, "weir connectors: there is no connector %s; known are: %s",
        weir_format_quoted(name, quoted, sizeof quoted), weir_buffer_text(&known));
    weir_buffer_deinit(&known);
    return code;
}

int weir_verb_connectors(const weir_arguments *arguments)
{
    const weir_connector_catalog *catalog = weir_taskmanager_catalog();
    const char *name = arguments->nwords > 0 ? arguments->words[0] : NULL;
    const weir_connector *one = name == NULL ? NULL : weir_connector_find(catalog, name);
    weir_error error = WEIR_ERROR_INIT;
    weir_buffer text = WEIR_BUFFER_INIT;
    int format;

    if (weir_arguments_format(arguments, "text|json", &format, &error) != 0)
        return weir_message_error(&error);
    if (name != NULL && one == NULL)
        return fail_unknown(name);
    if (format == 1 && one != NULL)
        return weir_output_json(connector_json(one));
    json_t *list = format == 1 ? json_array() : NULL;
    for (size_t i = 0; catalog->connectors[i] != NULL; i++) {
        if (one != NULL && catalog->connectors[i] != one)
            continue;
        if (format == 1)
            json_array_append_new(list, connector_json(catalog->connectors[i]));
        else
            put_connector(&text, catalog->connectors[i]);
    }
    return format == 1 ? weir_output_json(list) : weir_output_text(&text);
}
