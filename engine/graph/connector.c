#include "graph/connector.h"

#include "base/memory.h"
#include "base/units.h"

#include <string.h>

#define NAMES_MAX 256 /* in suggestions and lists */

const weir_connector *weir_connector_find(const weir_connector_catalog *catalog, const char *name)
{
    for (size_t i = 0; catalog->connectors[i] != NULL; i++) {
        const weir_connector *connector = catalog->connectors[i];

        if (strcmp(connector->name, name) == 0)
            return connector;
        for (size_t k = 0; connector->aliases != NULL && connector->aliases[k] != NULL; k++) {
            if (strcmp(connector->aliases[k], name) == 0)
                return connector;
        }
    }
    return NULL;
}

const char *weir_connector_option_get(const weir_graph_operator *op, const char *name)
{
    for (uint32_t i = 0; i < op->noptions; i++) {
        if (strcmp(op->options[i].name, name) == 0)
            return op->options[i].value;
    }
    return NULL;
}

/* What a URL is resolved into, and with. */
typedef struct resolving {
    const weir_connector *connector;
    weir_arena *arena;
    bool sink;
    weir_graph_option *options; /* in the order of the connector's table; value NULL: not given */
    weir_buffer problems;       /* one per line */
    bool no_memory;
} resolving;

static void start_problem(resolving *r)
{
    if (r->problems.size > 0)
        weir_buffer_putc(&r->problems, '\n');
}

/* "; known: a, b; did you mean 'a'?" */
static void put_known(weir_buffer *out, const char *label, const char *word,
                      const char *const *names, size_t count)
{
    const char *near = weir_suggest(word, names, count);

    weir_buffer_printf(out, "; %s", label);
    for (size_t i = 0; i < count; i++)
        weir_buffer_printf(out, "%s%s", i == 0 ? "" : ", ", names[i]);
    if (near != NULL)
        weir_buffer_printf(out, "; did you mean '%s'?", near);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A percent-decoded copy; NULL when memory ends or, with *ret_bad, for a wrong escape. */
static char *decode(weir_arena *arena, const char *text, size_t size, bool *ret_bad)
{
    char *copy = weir_arena_alloc(arena, size + 1), *to = copy;

    *ret_bad = false;
    for (size_t i = 0; copy != NULL && i < size; i++) {
        if (text[i] == '%') {
            int high = i + 2 < size ? hex_digit(text[i + 1]) : -1;
            int low = i + 2 < size ? hex_digit(text[i + 2]) : -1;

            if (high < 0 || low < 0 || (high == 0 && low == 0)) {
                *ret_bad = true;
                return NULL;
            }
            *to++ = (char)(high * 16 + low);
            i += 2;
        } else {
            *to++ = text[i];
        }
    }
    return copy;
}

static bool applies(const resolving *r, const weir_connector_option *option)
{
    return r->sink ? option->sink : option->source;
}

static void unknown_option(resolving *r, const char *name)
{
    const char *names[NAMES_MAX] = {NULL};
    size_t count = 0;

    start_problem(r);
    for (uint32_t i = 0; i < r->connector->noptions; i++) {
        const weir_connector_option *option = &r->connector->options[i];

        if (strcmp(option->name, name) == 0) {
            weir_buffer_printf(&r->problems,
                               "option '%s' of connector '%s' is for %s only; this is a %s; remove "
                               "it",
                               name, r->connector->name, r->sink ? "sources" : "sinks",
                               r->sink ? "sink" : "source");
            return;
        }
        if (applies(r, option) && count < NAMES_MAX)
            names[count++] = option->name;
    }
    weir_buffer_printf(&r->problems, "connector '%s' has no option '%s'", r->connector->name, name);
    if (count == 0)
        weir_buffer_printf(&r->problems, "; as a %s it has none; remove it",
                           r->sink ? "sink" : "source");
    else
        put_known(&r->problems, "it has: ", name, names, count);
}

/* Is `value` one of the words of "a|b|c"? */
static bool is_choice(const char *choices, const char *value)
{
    size_t size = strlen(value);

    while (size > 0) {
        size_t length = strcspn(choices, "|");

        if (length == size && memcmp(choices, value, size) == 0)
            return true;
        if (choices[length] == '\0')
            break;
        choices += length + 1;
    }
    return false;
}

static int check_value(const weir_connector_option *option, const char *value, weir_error *err)
{
    int64_t number;
    uint64_t bytes;
    bool flag;

    if (strcmp(option->type, "string") == 0)
        return 0;
    if (strcmp(option->type, "int") == 0)
        return weir_parse_int(value, INT64_MIN, INT64_MAX, &number, err);
    if (strcmp(option->type, "size") == 0)
        return weir_parse_size(value, &bytes, err);
    if (strcmp(option->type, "duration") == 0)
        return weir_parse_duration_ms(value, &number, err);
    if (strcmp(option->type, "bool") == 0)
        return weir_parse_bool(value, &flag, err);
    if (is_choice(option->type, value))
        return 0;
    return weir_error_set(err, WEIR_EINVALID, "'%s' is none of %s", value, option->type);
}

static void take_option(resolving *r, const char *text, size_t size)
{
    const char *equals = memchr(text, '=', size);
    size_t name_size = equals == NULL ? size : (size_t)(equals - text);
    char *name = weir_arena_strndup(r->arena, text, name_size), *value = NULL;
    bool bad = false;
    weir_error problem = WEIR_ERROR_INIT;

    if (equals != NULL)
        value = decode(r->arena, equals + 1, size - name_size - 1, &bad);
    if (name == NULL || (value == NULL && equals != NULL && !bad)) {
        r->no_memory = true;
        return;
    }
    for (uint32_t i = 0; i < r->connector->noptions; i++) {
        const weir_connector_option *option = &r->connector->options[i];

        if (!applies(r, option) || strcmp(option->name, name) != 0)
            continue;
        if (equals == NULL || bad || r->options[i].value != NULL) {
            start_problem(r);
            weir_buffer_printf(
                &r->problems, "option '%s' %s", name,
                equals == NULL ? "has no value; write name=value"
                : bad ? "holds a '%' that is not followed by two hex digits; write %25 for a '%'"
                      : "is given twice; give it once");
            return;
        }
        r->options[i].value = value;
        if (value[0] == '\0' || check_value(option, value, &problem) == 0)
            return;
        start_problem(r);
        weir_buffer_printf(&r->problems, "option '%s': %s", name, problem.text);
        return;
    }
    unknown_option(r, name);
}

static void take_options(resolving *r, const char *text)
{
    while (*text != '\0') {
        size_t size = strcspn(text, "&");

        if (size > 0)
            take_option(r, text, size);
        text += size;
        text += *text == '&';
    }
}

/* Defaults for what was not given, and the list without what does not apply. */
static uint32_t fill_defaults(resolving *r)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < r->connector->noptions; i++) {
        const weir_connector_option *option = &r->connector->options[i];
        const char *value = r->options[i].value;

        if (!applies(r, option))
            continue;
        if (option->fallback == NULL && (value == NULL || value[0] == '\0')) {
            start_problem(r);
            weir_buffer_printf(&r->problems,
                               "connector '%s' needs option '%s'; it is not given; add %s=... (%s)",
                               r->connector->name, option->name, option->name, option->meaning);
            value = "";
        }
        r->options[count].name = option->name;
        r->options[count++].value = value != NULL ? value : option->fallback;
    }
    return count;
}

static int no_connector(const weir_connector_catalog *catalog, const char *name, weir_error *err)
{
    const char *names[NAMES_MAX] = {NULL}, *near;
    size_t count = 0;
    weir_buffer list = WEIR_BUFFER_INIT;

    for (size_t i = 0; catalog->connectors[i] != NULL; i++) {
        const weir_connector *connector = catalog->connectors[i];

        weir_buffer_printf(&list, "%s%s", i == 0 ? "" : ", ", connector->name);
        if (count < NAMES_MAX)
            names[count++] = connector->name;
        for (size_t k = 0; connector->aliases != NULL && connector->aliases[k] != NULL; k++) {
            if (count < NAMES_MAX)
                names[count++] = connector->aliases[k];
        }
    }
    near = weir_suggest(name, names, count);
    weir_error_set(err, WEIR_ENOT_FOUND, "there is no connector '%s'; there are: %s%s%s%s", name,
                   weir_buffer_text(&list), near == NULL ? "" : "; did you mean '",
                   near == NULL ? "" : near, near == NULL ? "" : "'?");
    weir_buffer_deinit(&list);
    return WEIR_ENOT_FOUND;
}

static int no_memory(weir_error *err)
{
    return weir_error_set(err, WEIR_ENO_MEMORY, "out of memory");
}

/* Finds the connector of `url`, and where the path begins. */
static int split_url(const weir_connector_catalog *catalog, weir_arena *arena, const char *url,
                     bool sink, const weir_connector **ret, const char **ret_path, weir_error *err)
{
    size_t size = strspn(url, "abcdefghijklmnopqrstuvwxyz0123456789-");
    const weir_connector *connector;
    char *name;

    if (size == 0 || url[size] != ':')
        return weir_error_set(err, WEIR_EINVALID,
                              "'%s' names no connector; write connector:path?option=value, as in "
                              "file:/tmp/words.txt",
                              url);
    name = weir_arena_strndup(arena, url, size);
    if (name == NULL)
        return no_memory(err);
    connector = weir_connector_find(catalog, name);
    if (connector == NULL)
        return no_connector(catalog, name, err);
    if (!(sink ? connector->sink : connector->source))
        return weir_error_set(err, WEIR_EINVALID,
                              "connector '%s' is no %s; it %s only; use another connector", name,
                              sink ? "sink" : "source", sink ? "reads" : "writes");
    *ret = connector;
    *ret_path = url + size + 1;
    return 0;
}

/* Reports what was found wrong; the operator's own check runs only when nothing was. */
static int conclude(resolving *r, weir_graph_operator *op, weir_error *err)
{
    int rc = 0;

    if (r->no_memory || weir_buffer_check(&r->problems) != 0)
        rc = no_memory(err);
    else if (r->problems.size > 0)
        rc = weir_error_set(err, WEIR_EINVALID, "%s", weir_buffer_text(&r->problems));
    else if (r->connector->check != NULL)
        rc = r->connector->check(op, r->sink, err);
    weir_buffer_deinit(&r->problems);
    return rc;
}

int weir_connector_resolve(const weir_connector_catalog *catalog, weir_arena *arena,
                           const char *url, bool sink, weir_graph_operator *op, weir_error *err)
{
    resolving r = {NULL, arena, sink, NULL, WEIR_BUFFER_INIT, false};
    const char *path = NULL;
    size_t path_size;
    bool bad;
    int rc = split_url(catalog, arena, url, sink, &r.connector, &path, err);

    if (rc != 0)
        return rc;
    path_size = strcspn(path, "?");
    op->connector = r.connector->name;
    op->url = weir_arena_strdup(arena, url);
    op->path = decode(arena, path, path_size, &bad);
    r.options = weir_arena_alloc(arena, (r.connector->noptions + 1u) * sizeof(*r.options));
    if (op->url == NULL || r.options == NULL || (op->path == NULL && !bad))
        r.no_memory = true;
    if (op->path == NULL) {
        op->path = "";
        weir_buffer_puts(&r.problems,
                         "the path holds a '%' that is not followed by two hex digits; "
                         "write %25 for a '%'");
    }
    if (op->url == NULL)
        op->url = "";
    if (!r.no_memory) {
        if (path[path_size] == '?')
            take_options(&r, path + path_size + 1);
        op->noptions = fill_defaults(&r);
        op->options = r.options;
    }
    return conclude(&r, op, err);
}
