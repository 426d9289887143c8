/* Parameters of a job: --set, defaults, and ${name:default} in URLs. */
#include "base/memory.h"
#include "base/units.h"
#include "graph/job_builder.h"

#include <string.h>

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

/* The last --set of a name counts. */
static const char *given_value(const weir_env *env, const char *name)
{
    const char *value = NULL;

    for (uint32_t i = 0; i < env->config->nparams; i++) {
        if (strcmp(env->config->params[i].name, name) == 0)
            value = env->config->params[i].value;
    }
    return value;
}

static weir_asked_param *find_asked(const weir_env *env, const char *name)
{
    weir_asked_param *param = env->params;

    while (param != NULL && strcmp(param->name, name) != 0)
        param = param->next;
    return param;
}

static weir_asked_param *ask(weir_env *env, const weir_call *call, const char *name,
                             const char *fallback)
{
    weir_asked_param *param = weir_arena_alloc(env->graph->arena, sizeof(*param));
    const char *given = given_value(env, name);

    if (param == NULL)
        return NULL;
    param->name = weir_arena_strdup(env->graph->arena, name);
    param->given = given != NULL;
    param->call = *call;
    if (fallback != NULL)
        param->fallback = weir_arena_strdup(env->graph->arena, fallback);
    param->value = given == NULL ? param->fallback : weir_arena_strdup(env->graph->arena, given);
    if (param->name == NULL || (fallback != NULL && param->fallback == NULL) ||
        (given != NULL && param->value == NULL))
        return NULL;
    *env->params_tail = param;
    env->params_tail = &param->next;
    if (param->value == NULL)
        weir_job_note(env, call, "parameter '%s' has no value; give it with --set %s=...", name,
                      name);
    return param;
}

const char *weir_job_param(weir_env *env, const weir_call *call, const char *name,
                           const char *fallback)
{
    weir_asked_param *param;

    if (name == NULL || name[0] == '\0' || name[strspn(name, NAME_CHARACTERS)] != '\0' ||
        strlen(name) > WEIR_GRAPH_NAME_MAX) {
        weir_job_note(env, call,
                      "'%s' cannot be the name of a parameter; use up to %d letters, digits, '.', "
                      "'_' and '-'",
                      name == NULL ? "" : name, WEIR_GRAPH_NAME_MAX);
        return "";
    }
    param = find_asked(env, name);
    if (param == NULL) {
        param = ask(env, call, name, fallback);
        if (param == NULL)
            env->no_memory = true;
    } else if (!param->given && fallback != NULL && param->fallback != NULL &&
               strcmp(param->fallback, fallback) != 0) {
        weir_job_note(env, call,
                      "parameter '%s' has two defaults; '%s' at %s:%d and '%s' here; give it one",
                      name, param->fallback, param->call.file, param->call.line, fallback);
    }
    return param == NULL || param->value == NULL ? "" : param->value;
}

/* One "${...}" at `text`; returns what follows it, NULL after an error. */
static const char *expand_one(weir_env *env, const weir_call *call, const char *text,
                              weir_buffer *out)
{
    size_t size = strcspn(text + 2, "}"), name_size = strcspn(text + 2, ":}");
    const char *fallback = NULL, *name;

    if (text[2 + size] != '}') {
        weir_job_note(env, call,
                      "'%s' has no closing '}'; write ${name} or ${name:default}, and $$ "
                      "for a dollar",
                      text);
        return NULL;
    }
    name = weir_arena_strndup(env->arena, text + 2, name_size);
    if (name_size < size)
        fallback = weir_arena_strndup(env->arena, text + 2 + name_size + 1, size - name_size - 1);
    if (name == NULL || (name_size < size && fallback == NULL)) {
        env->no_memory = true;
        return NULL;
    }
    weir_buffer_puts(out, weir_job_param(env, call, name, fallback));
    return text + 2 + size + 1;
}

const char *weir_job_expand(weir_env *env, const weir_call *call, const char *url)
{
    weir_buffer out = WEIR_BUFFER_INIT;
    const char *at = url, *result = NULL;
    uint32_t errors = env->nerrors;

    while (at != NULL && *at != '\0') {
        size_t plain = strcspn(at, "$");

        weir_buffer_append(&out, at, plain);
        at += plain;
        if (at[0] == '$' && at[1] == '$') {
            weir_buffer_putc(&out, '$');
            at += 2;
        } else if (at[0] == '$' && at[1] == '{') {
            at = expand_one(env, call, at, &out);
        } else if (at[0] == '$') {
            weir_job_note(env, call, "'%s' has a lone '$'; write $$ for a dollar", url);
            at = NULL;
        }
    }
    if (weir_buffer_check(&out) != 0)
        env->no_memory = true;
    else if (env->nerrors == errors) {
        result = weir_arena_strdup(env->arena, weir_buffer_text(&out));
        if (result == NULL)
            env->no_memory = true;
    }
    weir_buffer_deinit(&out);
    return result;
}

/* --set of a name that the job does not ask for is most often a slip of the pen. */
static void note_unknown(weir_env *env, const weir_graph_option *given)
{
    const char *names[256] = {NULL}, *near;
    size_t count = 0;
    weir_buffer list = WEIR_BUFFER_INIT, where = WEIR_BUFFER_INIT;

    for (const weir_asked_param *param = env->params; param != NULL; param = param->next) {
        if (count < WEIR_COUNT(names))
            names[count++] = param->name;
        weir_buffer_printf(&list, "%s%s", list.size == 0 ? "" : ", ", param->name);
    }
    near = weir_suggest(given->name, names, count);
    weir_buffer_printf(&where, "--set %s", given->name);
    weir_job_note_at(
        env, weir_buffer_text(&where), "the job has no parameter '%s'; it has: %s%s%s%s",
        given->name, count == 0 ? "none" : weir_buffer_text(&list),
        near == NULL ? "" : "; did you mean '", near == NULL ? "" : near, near == NULL ? "" : "'?");
    weir_buffer_deinit(&list);
    weir_buffer_deinit(&where);
}

void weir_job_finish_params(weir_env *env)
{
    weir_graph *graph = env->graph;
    uint32_t count = 0, i = 0;

    for (uint32_t k = 0; k < env->config->nparams; k++) {
        if (find_asked(env, env->config->params[k].name) == NULL)
            note_unknown(env, &env->config->params[k]);
    }
    for (const weir_asked_param *param = env->params; param != NULL; param = param->next)
        count++;
    if (count == 0)
        return;
    graph->params = weir_arena_alloc(graph->arena, count * sizeof(*graph->params));
    if (graph->params == NULL) {
        env->no_memory = true;
        return;
    }
    for (const weir_asked_param *param = env->params; param != NULL; param = param->next) {
        graph->params[i].name = param->name;
        graph->params[i++].value = param->value == NULL ? "" : param->value;
    }
    graph->nparams = count;
}
