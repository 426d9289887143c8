#include "graph/environment.h"

#include "base/memory.h"
#include "graph/job_builder.h"

#include <stdio.h>
#include <string.h>

struct weir_environment {
    weir_graph *graph;
    weir_user_code *code;
    uint32_t ncode;
};

/* Only for calls that get NULL instead of a stream, which cannot say whose job they belong to: set
 * while a build function runs, and no other code can run on its thread meanwhile. */
static _Thread_local weir_env *building;

weir_env *weir_job_building(void)
{
    return building;
}

/* ---- errors ---- */

static void note_line(weir_env *env, const char *where, const char *text, size_t size)
{
    weir_noted_error *note;

    env->nerrors++;
    if (env->nerrors > WEIR_JOB_ERRORS_MAX)
        return;
    note = weir_arena_alloc(env->arena, sizeof(*note));
    if (note != NULL)
        note->text = weir_arena_printf(env->arena, "%s: error: %.*s", where, (int)size, text);
    if (note == NULL || note->text == NULL) {
        env->no_memory = true;
        return;
    }
    *env->errors_tail = note;
    env->errors_tail = &note->next;
}

static void WEIR_PRINTF(4, 0)
    note_lines(weir_env *env, const char *where, const char *name, const char *format, va_list args)
{
    char text[WEIR_ERROR_TEXT_MAX], line[WEIR_ERROR_TEXT_MAX + 64];
    const char *at = text;

    vsnprintf(text, sizeof(text), format, args);
    for (;;) {
        size_t size = strcspn(at, "\n");

        snprintf(line, sizeof(line), "%s%s%.*s", name, name[0] == '\0' ? "" : ": ", (int)size, at);
        note_line(env, where, line, strlen(line));
        if (at[size] == '\0')
            return;
        at += size + 1;
    }
}

void weir_job_note(weir_env *env, const weir_call *call, const char *format, ...)
{
    char where[512];
    va_list args;

    snprintf(where, sizeof(where), "%s:%d", call->file == NULL ? "?" : call->file, call->line);
    va_start(args, format);
    note_lines(env, where, call->name, format, args);
    va_end(args);
}

void weir_job_note_at(weir_env *env, const char *where, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    note_lines(env, where, "", format, args);
    va_end(args);
}

/* As many lines as fit, and how many did not; the closing line always. */
static int report(const weir_env *env, weir_error *err)
{
    enum { LINE_MAX_BYTES = 640, CLOSING = 100 };
    char text[WEIR_ERROR_TEXT_MAX];
    size_t used = 0;
    uint32_t shown = 0;

    for (const weir_noted_error *note = env->errors; note != NULL; note = note->next) {
        size_t size = strlen(note->text);
        bool cut = size > LINE_MAX_BYTES;

        if (cut)
            size = LINE_MAX_BYTES;
        if (used + size + CLOSING > sizeof(text))
            break;
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%.*s%s\n", (int)size,
                                 note->text, cut ? "..." : "");
        shown++;
    }
    if (shown < env->nerrors)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "and %u more\n",
                                 env->nerrors - shown);
    snprintf(text + used, sizeof(text) - used, "%u error%s; nothing was started", env->nerrors,
             env->nerrors == 1 ? "" : "s");
    return weir_error_set(err, WEIR_EINVALID, "%s", text);
}

/* ---- building ---- */

static int env_init(weir_env *env, const weir_module *module, const weir_environment_config *config)
{
    bool named = config->job_name != NULL && config->job_name[0] != '\0';

    memset(env, 0, sizeof(*env));
    env->config = config;
    env->streams_tail = &env->streams;
    env->params_tail = &env->params;
    env->errors_tail = &env->errors;
    env->lost.env = env;
    env->lost.used = true;
    env->arena = weir_arena_new(0);
    if (env->arena == NULL)
        return WEIR_ENO_MEMORY;
    return weir_graph_new(named ? config->job_name : module->name, &env->graph);
}

static void env_deinit(weir_env *env)
{
    weir_graph_destroy(&env->graph);
    weir_arena_destroy(&env->arena);
    weir_free(env->edges);
    weir_free(env->code);
}

static int check_module(const weir_module *module, const weir_api *api, weir_error *err)
{
    if (module->magic != WEIR_MAGIC || module->size < sizeof(weir_module) ||
        module->build == NULL || module->name == NULL)
        return weir_error_set(err, WEIR_EINVALID,
                              "job module: its description is damaged; compile the job again");
    if (module->abi != WEIR_ABI || module->api_size > api->size)
        return weir_error_set(err, WEIR_EVERSION,
                              "job module: built for ABI %u with a table of %u bytes, this weir "
                              "has ABI %u and %u bytes; compile it again with this weir's headers",
                              module->abi, module->api_size, WEIR_ABI, api->size);
    return 0;
}

static int hand_over(weir_env *env, weir_environment **ret, weir_error *err)
{
    weir_environment *environment;

    if (env->no_memory)
        return weir_error_set(err, WEIR_ENO_MEMORY, "job '%s': out of memory", env->graph->name);
    if (env->nerrors > 0)
        return report(env, err);
    environment = weir_calloc(1, sizeof(*environment));
    if (environment == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "job '%s': out of memory", env->graph->name);
    environment->graph = env->graph;
    environment->code = env->code;
    environment->ncode = env->graph->noperators;
    env->graph = NULL;
    env->code = NULL;
    *ret = environment;
    return 0;
}

int weir_environment_build(const weir_module *module, const weir_environment_config *config,
                           const weir_api *api, weir_environment **ret, weir_error *err)
{
    weir_env env, *before = building;
    int rc = check_module(module, api, err);

    if (rc != 0)
        return rc;
    rc = env_init(&env, module, config);
    if (rc == 0) {
        building = &env;
        module->build(api, &env);
        building = before;
        weir_job_finish(&env);
        rc = hand_over(&env, ret, err);
    } else {
        weir_error_set(err, rc, "job '%s': out of memory", module->name);
    }
    env_deinit(&env);
    return rc;
}

void weir_environment_destroy(weir_environment **environment)
{
    if (environment == NULL || *environment == NULL)
        return;
    weir_graph_destroy(&(*environment)->graph);
    weir_free((*environment)->code);
    weir_free(*environment);
    *environment = NULL;
}

weir_graph *weir_environment_graph(weir_environment *environment)
{
    return environment->graph;
}

weir_graph *weir_environment_take_graph(weir_environment *environment)
{
    weir_graph *graph = environment->graph;

    environment->graph = NULL;
    return graph;
}

const weir_user_code *weir_environment_code(const weir_environment *environment, uint32_t index)
{
    return index < environment->ncode ? &environment->code[index] : NULL;
}
