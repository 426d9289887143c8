#include "cli/job_source.h"

#include "base/arena.h"
#include "base/memory.h"
#include "base/units.h"
#include "cli/compiler.h"
#include "cli/home.h"
#include "cli/message.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static bool ends_with(const char *text, const char *suffix)
{
    size_t length = strlen(text), end = strlen(suffix);

    return length > end && strcmp(text + length - end, suffix) == 0;
}

/* From FILE to the path of a shared object. */
static int find_object(const weir_arguments *arguments, weir_job_source *ret, weir_error *err)
{
    const char *file = arguments->words[0];
    char include_dir[PATH_MAX], quoted[WEIR_QUOTED_MAX];
    weir_compiled compiled;

    if (ends_with(file, ".so"))
        return weir_home_absolute(file, ret->path, sizeof ret->path, err);
    if (!ends_with(file, ".c"))
        return weir_error_set(
            err, WEIR_EINVALID,
            "weir %s: expected FILE.c or FILE.so; found %s; a job is written in C: "
            "see docs/job-api.md",
            arguments->command->name, weir_format_quoted(file, quoted, sizeof quoted));
    int rc = weir_home_include(arguments->include_dir, include_dir, sizeof include_dir, err);
    if (rc == 0)
        rc = weir_compile(file, include_dir, &compiled, err);
    if (rc == 0 &&
        (size_t)snprintf(ret->path, sizeof ret->path, "%s", compiled.path) >= sizeof ret->path)
        rc = weir_error_set(err, WEIR_ETOO_LARGE, "%s: path too long", compiled.path);
    return rc;
}

/* --set name=value, as often as given. */
static int read_params(const weir_arguments *arguments, weir_arena *arena,
                       weir_job_build_config *config, weir_error *err)
{
    weir_graph_option *params = weir_arena_alloc(arena, (arguments->ngiven + 1) * sizeof *params);
    const char *value;
    char quoted[WEIR_QUOTED_MAX];

    if (params == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for --set");
    config->params = params;
    for (size_t i = 0; (value = weir_arguments_next(arguments, "set", &i)) != NULL;) {
        const char *equals = strchr(value, '=');

        if (equals == NULL || equals == value)
            return weir_error_set(err, WEIR_EINVALID, "--set: expected name=value; found %s",
                                  weir_format_quoted(value, quoted, sizeof quoted));
        params[config->nparams].name = weir_arena_strndup(arena, value, (size_t)(equals - value));
        params[config->nparams].value = equals + 1;
        if (params[config->nparams++].name == NULL)
            return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for --set");
    }
    return 0;
}

int weir_job_source_open(const weir_arguments *arguments, const weir_config *config, bool local,
                         weir_job_source *ret, weir_error *err)
{
    const char *slash = strrchr(arguments->words[0], '/');
    weir_arena *arena = weir_arena_new(0);

    memset(ret, 0, sizeof *ret);
    ret->shown = slash == NULL ? arguments->words[0] : slash + 1;
    if (arena == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "%s: no memory for it", ret->shown);
    weir_job_build_config build = {
        .path = ret->path, .shown = ret->shown, .config = config, .local = local};
    int rc = read_params(arguments, arena, &build, err);
    if (rc == 0)
        rc = find_object(arguments, ret, err);
    if (rc == 0)
        rc = weir_job_build(&build, &ret->job, err);
    weir_arena_destroy(&arena);
    return rc;
}

void weir_job_source_close(weir_job_source *source)
{
    weir_built_job_deinit(&source->job);
}

bool weir_job_source_uses(const weir_job_source *source, const char *connector, bool sink)
{
    const weir_graph *graph = source->job.graph;

    for (uint32_t i = 0; i < graph->noperators; i++) {
        const weir_graph_operator *op = &graph->operators[i];

        if (op->kind == (sink ? WEIR_OPERATOR_SINK : WEIR_OPERATOR_SOURCE) &&
            op->connector != NULL && strcmp(op->connector, connector) == 0)
            return true;
    }
    return false;
}
