/* A small catalog of connectors that open nothing, and helpers to build job modules that lie in the
 * test itself. Include it first: it brings the job API and cmocka in the order that they need. */
#ifndef GRAPH_FIXTURE_H
#define GRAPH_FIXTURE_H

/* Not every test builds jobs. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-variable"
#include <weir/weir.h>
#pragma GCC diagnostic pop

#include "base/memory.h"
#include "graph/environment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- connectors ---- */

static inline bool fixture_bounded_when_local(const weir_graph_operator *op, bool local)
{
    (void)op;
    return local;
}

static inline bool fixture_never_bounded(const weir_graph_operator *op, bool local)
{
    (void)op, (void)local;
    return false;
}

static inline int fixture_check_file(const weir_graph_operator *op, bool sink, weir_error *err)
{
    (void)sink;
    if (op->path[0] == '\0')
        return weir_error_set(err, WEIR_EINVALID, "the path is empty; write file:/a/b.txt");
    return 0;
}

static const char *const fixture_file_aliases[] = {"file", NULL};
static const weir_connector_option fixture_file_options[] = {
    {"format", "lines", "lines|csv", "how records are written", true, true},
    {"part-size", "", "size", "size of a part", false, true},
    {"split-size", "1 mb", "size", "bytes of a split", true, false},
    {"poll", "1 s", "duration", "how often to look", true, false},
    {"header", "false", "bool", "is the first line a header", true, true},
    {"skip", "0", "int", "lines to skip", true, false},
};
static const weir_connector fixture_file = {
    .name = "filesystem",
    .aliases = fixture_file_aliases,
    .options = fixture_file_options,
    .noptions = WEIR_COUNT(fixture_file_options),
    .source = true,
    .sink = true,
    .check = fixture_check_file,
};
static const weir_connector fixture_stdin = {
    .name = "stdin", .source = true, .local_only = true, .bounded = fixture_bounded_when_local};
static const weir_connector fixture_print = {.name = "print", .sink = true};
static const weir_connector fixture_socket = {
    .name = "socket", .source = true, .bounded = fixture_never_bounded};
static const weir_connector_option fixture_generator_options[] = {
    {"rows", NULL, "int", "how many rows", true, false},
};
static const weir_connector fixture_generator = {
    .name = "generator", .options = fixture_generator_options, .noptions = 1, .source = true};
static const weir_connector *const fixture_connectors[] = {
    &fixture_file, &fixture_stdin, &fixture_print, &fixture_socket, &fixture_generator, NULL};
static const weir_connector_catalog fixture_catalog = {fixture_connectors};

/* ---- jobs ---- */

/* JOB(name) { ... } with `env`: a module of that name. */
#define JOB(NAME)                                                                                  \
    static void NAME##_body(weir_env *env);                                                        \
    static void NAME##_build(const weir_api *api, weir_env *env)                                   \
    {                                                                                              \
        weir__ = api;                                                                              \
        NAME##_body(env);                                                                          \
    }                                                                                              \
    static const weir_module NAME = {WEIR_MAGIC, WEIR_ABI, sizeof(weir_module), sizeof(weir_api),  \
                                     #NAME,      "test",   NAME##_build};                          \
    static void NAME##_body(weir_env *env)

static inline weir_environment_config fixture_config(void)
{
    return (weir_environment_config){.catalog = &fixture_catalog,
                                     .job_name = "",
                                     .parallelism = 2,
                                     .max_parallelism = -1,
                                     .local = true};
}

static inline int fixture_try(const weir_module *module, const weir_environment_config *config,
                              weir_environment **ret, weir_error *err)
{
    weir_environment_config standard = fixture_config();
    weir_api api;

    weir_environment_api(&api);
    return weir_environment_build(module, config == NULL ? &standard : config, &api, ret, err);
}

static inline weir_environment *fixture_build(const weir_module *module,
                                              const weir_environment_config *config)
{
    weir_environment *environment = NULL;
    weir_error err = WEIR_ERROR_INIT;

    if (fixture_try(module, config, &environment, &err) != 0)
        fail_msg("%s: %s", module->name, err.text);
    return environment;
}

/* The graph of a module, its environment gone. */
static inline weir_graph *fixture_graph(const weir_module *module,
                                        const weir_environment_config *config)
{
    weir_environment *environment = fixture_build(module, config);
    weir_graph *graph = weir_environment_take_graph(environment);

    weir_environment_destroy(&environment);
    return graph;
}

/* Expects the module to fail with a text that is exactly `lines` and the closing line. */
static inline void fixture_expect(const weir_module *module, const weir_environment_config *config,
                                  const char *lines)
{
    weir_environment *environment = NULL;
    weir_error err = WEIR_ERROR_INIT;
    char expected[4096];
    unsigned count = 0;

    assert_int_equal(fixture_try(module, config, &environment, &err), WEIR_EINVALID);
    assert_null(environment);
    for (const char *at = lines; *at != '\0'; at++)
        count += *at == '\n';
    snprintf(expected, sizeof(expected), "%s%u error%s; nothing was started", lines, count,
             count == 1 ? "" : "s");
    assert_string_equal(err.text, expected);
}

/* Names of operators in the graph: index of the one called `name` in phase `phase`. */
static inline uint32_t fixture_find(const weir_graph *graph, const char *name,
                                    enum weir_phase phase)
{
    for (uint32_t i = 0; i < graph->noperators; i++) {
        if (strcmp(graph->operators[i].name, name) == 0 && graph->operators[i].phase == phase)
            return i;
    }
    fail_msg("no operator '%s'", name);
    return 0;
}

#endif
