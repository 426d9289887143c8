#include "cli/settings.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/units.h"
#include "cli/home.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Options that are short for a key. */
static const struct {
    const char *option, *key;
} shorthands[] = {
    {"parallelism", "parallelism.default"},
    {"slots", "taskmanager.numberOfTaskSlots"},
    {"name", "pipeline.name"},
};

static int load_file(const weir_arguments *arguments, weir_config *config, weir_error *err)
{
    const char *named = weir_arguments_get(arguments, "config");
    char path[PATH_MAX];

    if (named == NULL)
        named = getenv("WEIR_CONFIG");
    if (named != NULL && named[0] != '\0')
        return weir_config_load(config, named, err);
    if (weir_home_path("weir.yaml", path, sizeof path, err) != 0 || !weir_file_exists(path))
        return 0;
    return weir_config_load(config, path, err);
}

/* Bad ones are collected, so that all of them are told at once. */
static int set(weir_config *config, const char *key, const char *value, const char *origin,
               weir_buffer *problems)
{
    weir_error error = WEIR_ERROR_INIT;
    int rc = weir_config_set(config, key, value, origin, &error);

    if (rc == 0 || rc == WEIR_ENO_MEMORY)
        return rc;
    weir_buffer_printf(problems, "%s%s", problems->size == 0 ? "" : "\n", error.text);
    return 0;
}

static int define(weir_config *config, const char *text, weir_buffer *problems)
{
    const char *equals = strchr(text, '=');
    char quoted[WEIR_QUOTED_MAX];

    if (equals == NULL || equals == text) {
        weir_buffer_printf(problems, "%s-D: error: expected key=value; found %s",
                           problems->size == 0 ? "" : "\n",
                           weir_format_quoted(text, quoted, sizeof quoted));
        return 0;
    }
    char *key = weir_strndup(text, (size_t)(equals - text));
    if (key == NULL)
        return WEIR_ENO_MEMORY;
    int rc = set(config, key, equals + 1, "-D", problems);
    weir_free(key);
    return rc;
}

static int load_options(const weir_arguments *arguments, weir_config *config, weir_error *err)
{
    weir_buffer problems = WEIR_BUFFER_INIT;
    const char *value;
    int rc = 0;

    for (size_t i = 0; rc == 0 && (value = weir_arguments_next(arguments, "define", &i)) != NULL;)
        rc = define(config, value, &problems);
    for (size_t i = 0; rc == 0 && i < WEIR_COUNT(shorthands); i++) {
        char origin[32] = "--";

        value = weir_arguments_get(arguments, shorthands[i].option);
        if (value == NULL)
            continue;
        strncat(origin, shorthands[i].option, sizeof origin - 3);
        rc = set(config, shorthands[i].key, value, origin, &problems);
    }
    if (rc == 0 && weir_arguments_has(arguments, "insecure"))
        rc = set(config, "security.insecure", "true", "--insecure", &problems);
    if (rc == 0)
        rc = weir_buffer_check(&problems);
    if (rc != 0)
        weir_error_set(err, rc, "no memory for the configuration");
    else if (problems.size > 0)
        rc = weir_error_set(err, WEIR_EINVALID, "%s", weir_buffer_text(&problems));
    weir_buffer_deinit(&problems);
    return rc;
}

int weir_settings_load(const weir_arguments *arguments, weir_config **ret, weir_error *err)
{
    weir_config *config = weir_config_new();

    if (config == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the configuration");
    int rc = load_file(arguments, config, err);
    if (rc == 0)
        rc = weir_config_load_environment(config, err);
    if (rc == 0)
        rc = load_options(arguments, config, err);
    if (rc != 0) {
        weir_config_destroy(&config);
        return rc;
    }
    *ret = config;
    return 0;
}

bool weir_settings_is_of_job(const char *key)
{
    static const char *const of_processes[] = {
        "actors.",
        "blob.",
        "cluster.",
        "dispatcher.",
        "env.",
        "heartbeat.",
        "jobmanager.",
        "jobstore.",
        "rpc.",
        "security.",
        "taskmanager.host",
        "taskmanager.bind-host",
        "taskmanager.data.port",
        "taskmanager.numberOfTaskSlots",
        "taskmanager.network.max-connections",
    };

    for (size_t i = 0; i < WEIR_COUNT(of_processes); i++)
        if (strncmp(key, of_processes[i], strlen(of_processes[i])) == 0)
            return false;
    return true;
}
