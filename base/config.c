/* base/config.c -- a configuration: one value for each option of the table.
 *
 * Invariant: settings[i] belongs to row i of the table and always holds a good value; its origin is
 * NULL while that is the default. A load parses into a second array and swaps at the end, so that a
 * failure leaves everything as it was. */
#include "base/options.h"

#include "base/buffer.h"
#include "base/config_file.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/option_value.h"
#include "base/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_SIZE_MAX = 1024 * 1024, HIDDEN_LINE_ROOM = 128 };

typedef struct setting {
    weir_option_value value;
    char *origin; /* NULL: the default */
    size_t line;  /* while a file is read: where it was set */
} setting;

struct weir_config {
    size_t count;
    setting settings[];
};

/* The problems of one load, one whole line each. The error's text has an end, so lines over it are
 * only counted. */
typedef struct report {
    const char *name; /* "weir.yaml" */
    weir_buffer lines;
    size_t count, hidden;
} report;

static void setting_deinit(setting *one)
{
    weir_option_value_deinit(&one->value);
    weir_free(one->origin);
    one->origin = NULL;
}

void weir_config_destroy(weir_config **config)
{
    if (config == NULL || *config == NULL)
        return;
    for (size_t i = 0; i < (*config)->count; i++)
        setting_deinit(&(*config)->settings[i]);
    weir_free(*config);
    *config = NULL;
}

/* A configuration without values: half-built, for filling or staging. */
static weir_config *new_empty(void)
{
    size_t count;
    weir_options(&count);
    weir_config *config = weir_calloc(1, sizeof *config + count * sizeof(setting));
    if (config != NULL)
        config->count = count;
    return config;
}

weir_config *weir_config_new(void)
{
    weir_config *config = new_empty();
    if (config == NULL)
        return NULL;
    size_t count;
    const weir_option *options = weir_options(&count);
    for (size_t i = 0; i < count; i++) {
        int rc = weir_option_value_parse(&options[i], options[i].fallback,
                                         &config->settings[i].value, NULL);
        if (rc == WEIR_ENO_MEMORY) {
            weir_config_destroy(&config);
            return NULL;
        }
        if (rc != 0) { /* the table contradicts itself */
            fprintf(stderr, "weir: option %s has a bad default\n", options[i].key);
            abort();
        }
    }
    return config;
}

weir_config *weir_config_clone(const weir_config *config)
{
    weir_config *copy = new_empty();
    if (copy == NULL)
        return NULL;
    for (size_t i = 0; i < config->count; i++) {
        const setting *from = &config->settings[i];
        setting *to = &copy->settings[i];
        to->value = from->value;
        to->value.text = weir_strdup(from->value.text);
        to->origin = weir_strdup(from->origin);
        if (to->value.text == NULL || (from->origin != NULL && to->origin == NULL)) {
            weir_config_destroy(&copy);
            return NULL;
        }
    }
    return copy;
}

static void report_line(report *problems, const char *where, const char *text)
{
    problems->count++;
    size_t need = strlen(where) + strlen(": error: ") + strlen(text) + 1;
    bool first = problems->lines.size == 0;
    if (!first && (problems->hidden > 0 ||
                   problems->lines.size + need > WEIR_ERROR_TEXT_MAX - HIDDEN_LINE_ROOM)) {
        problems->hidden++;
        return;
    }
    weir_buffer_printf(&problems->lines, "%s%s: error: %s", first ? "" : "\n", where, text);
}

/* Turns what was found into the result of a load. Destroys the report. */
static int report_end(report *problems, int rc, weir_error *err)
{
    if (weir_buffer_check(&problems->lines) != 0)
        rc = WEIR_ENO_MEMORY;
    if (rc == WEIR_ENO_MEMORY) {
        weir_error_set(err, rc, "%s: error: out of memory while reading", problems->name);
    } else if (problems->count > 0) {
        rc = WEIR_EINVALID;
        if (problems->hidden > 0)
            weir_buffer_printf(&problems->lines,
                               "\n%.64s: error: %zu more problems; fix these first", problems->name,
                               problems->hidden);
        if (weir_buffer_check(&problems->lines) != 0)
            rc = weir_error_set(err, WEIR_ENO_MEMORY, "%s: error: out of memory", problems->name);
        else
            weir_error_set(err, rc, "%s", weir_buffer_text(&problems->lines));
    }
    weir_buffer_deinit(&problems->lines);
    return rc;
}

static void report_unknown(report *problems, const char *where, const char *key)
{
    char quoted[WEIR_QUOTED_MAX];
    weir_format_quoted(key, quoted, sizeof quoted);
    const char *near = weir_option_suggest(key);
    weir_error text;
    if (near != NULL)
        weir_error_set(&text, WEIR_EINVALID, "unknown key %s; did you mean '%s'?", quoted, near);
    else
        weir_error_set(&text, WEIR_EINVALID, "unknown key %s; `weir config` shows all keys",
                       quoted);
    report_line(problems, where, text.text);
}

static size_t index_of(const weir_option *option)
{
    size_t count;
    return (size_t)(option - weir_options(&count));
}

/* Parses into a staged setting. `shown_key` is put in front of the problem when `where` does not
 * name the key. Only memory is an error here: a bad value is a line of the report. */
static int stage(setting *staged, const weir_option *option, const char *value, const char *origin,
                 const char *where, const char *shown_key, report *problems)
{
    weir_error text = WEIR_ERROR_INIT;
    setting made = {.line = staged->line};
    int rc = weir_option_value_parse(option, value, &made.value, &text);
    if (rc == WEIR_ENO_MEMORY)
        return rc;
    if (rc != 0) {
        if (shown_key != NULL)
            weir_error_wrap(&text, rc, "%s", shown_key);
        report_line(problems, where, text.text);
        return 0;
    }
    made.origin = weir_strdup(origin);
    if (made.origin == NULL) {
        setting_deinit(&made);
        return WEIR_ENO_MEMORY;
    }
    setting_deinit(staged);
    *staged = made;
    return 0;
}

/* Takes over what was staged, when nothing went wrong; destroys the stage. */
static void commit(weir_config *config, weir_config **staged, int rc)
{
    for (size_t i = 0; rc == 0 && i < config->count; i++) {
        setting *from = &(*staged)->settings[i];
        if (from->origin == NULL)
            continue;
        setting old = config->settings[i];
        config->settings[i] = *from;
        *from = old;
    }
    weir_config_destroy(staged);
}

typedef struct file_load {
    weir_config *staged;
    report problems;
} file_load;

static int file_problem(void *context, size_t line, const char *text)
{
    file_load *load = context;
    char *where = weir_asprintf("%s:%zu", load->problems.name, line);
    if (where == NULL)
        return WEIR_ENO_MEMORY;
    report_line(&load->problems, where, text);
    weir_free(where);
    return 0;
}

/* A known key: set once, with a value. */
static int file_known(file_load *load, size_t line, const char *where, const weir_option *option,
                      const char *value)
{
    setting *staged = &load->staged->settings[index_of(option)];
    weir_error text;
    if (staged->line != 0) {
        weir_error_set(&text, WEIR_EINVALID, "%s: set twice; first on line %zu; keep one of them",
                       option->key, staged->line);
        report_line(&load->problems, where, text.text);
        return 0;
    }
    staged->line = line;
    if (value == NULL) {
        weir_error_set(&text, WEIR_EINVALID, "%s: has no value; write one or remove the line",
                       option->key);
        report_line(&load->problems, where, text.text);
        return 0;
    }
    return stage(staged, option, value, where, where, option->key, &load->problems);
}

static int file_setting(void *context, size_t line, const char *key, const char *value)
{
    file_load *load = context;
    const weir_option *option = weir_option_find(key);
    if (option == NULL && value == NULL && weir_option_is_section(key))
        return 0; /* a section whose keys are all commented out */
    char *where = weir_asprintf("%s:%zu", load->problems.name, line);
    if (where == NULL)
        return WEIR_ENO_MEMORY;
    int rc = 0;
    if (option == NULL)
        report_unknown(&load->problems, where, key);
    else
        rc = file_known(load, line, where, option, value);
    weir_free(where);
    return rc;
}

int weir_config_load_text(weir_config *config, const char *name, const char *text, size_t size,
                          weir_error *err)
{
    if (size > FILE_SIZE_MAX)
        return weir_error_set(err, WEIR_ETOO_LARGE,
                              "%s: error: too large for a configuration; the limit is 1 MiB", name);
    file_load load = {.staged = new_empty(), .problems = {.name = name}};
    int rc = WEIR_ENO_MEMORY;
    if (load.staged != NULL) {
        const weir_config_file_handler handler = {&load, file_setting, file_problem};
        rc = weir_config_file_walk(text, size, &handler);
    }
    rc = report_end(&load.problems, rc, err);
    commit(config, &load.staged, rc);
    return rc;
}

int weir_config_load(weir_config *config, const char *path, weir_error *err)
{
    weir_buffer content = WEIR_BUFFER_INIT;
    weir_error cause = WEIR_ERROR_INIT;
    int rc = weir_file_read(path, FILE_SIZE_MAX, &content, &cause);
    if (rc != 0) {
        const char *what = cause.text;
        size_t size = strlen(path);
        if (strncmp(what, path, size) == 0 && strncmp(what + size, ": ", 2) == 0)
            what += size + 2; /* the path is shown once */
        weir_error_set(err, rc, "%s: error: %s", path, what);
    } else {
        rc = weir_config_load_text(config, path, weir_buffer_text(&content), content.size, err);
    }
    weir_buffer_deinit(&content);
    return rc;
}

static void report_unknown_variable(report *problems, const char *name)
{
    const weir_option *option = weir_option_suggest_variable(name);
    if (option == NULL) {
        report_line(problems, name, "unknown variable; `weir config` shows all keys");
        return;
    }
    char near[WEIR_OPTION_VARIABLE_MAX];
    weir_error text;
    weir_error_set(&text, WEIR_EINVALID, "unknown variable; did you mean '%s'?",
                   weir_option_variable(option, near));
    report_line(problems, name, text.text);
}

static int load_variable(weir_config *staged, const char *variable, report *problems)
{
    size_t size = strcspn(variable, "=");
    if (variable[size] != '=')
        return 0;
    char *name = weir_strndup(variable, size);
    if (name == NULL)
        return WEIR_ENO_MEMORY;
    int rc = 0;
    const weir_option *option = weir_option_find_variable(name);
    if (option == NULL)
        report_unknown_variable(problems, name);
    else
        rc = stage(&staged->settings[index_of(option)], option, variable + size + 1, "environment",
                   name, NULL, problems);
    weir_free(name);
    return rc;
}

int weir_config_load_environment(weir_config *config, weir_error *err)
{
    report problems = {.name = "environment"};
    weir_config *staged = new_empty();
    int rc = staged == NULL ? WEIR_ENO_MEMORY : 0;
    for (char **at = environ; rc == 0 && at != NULL && *at != NULL; at++)
        if (strncmp(*at, WEIR_OPTION_VARIABLE_PREFIX, strlen(WEIR_OPTION_VARIABLE_PREFIX)) == 0)
            rc = load_variable(staged, *at, &problems);
    rc = report_end(&problems, rc, err);
    commit(config, &staged, rc);
    return rc;
}

/* "-D key=value" for an option of the command line, else the origin itself. */
static void format_where(const char *key, const char *value, const char *origin, char *out,
                         size_t size)
{
    char quoted[WEIR_QUOTED_MAX], shown[2 * WEIR_QUOTED_MAX];
    if (origin[0] != '-') {
        snprintf(out, size, "%s", origin);
        return;
    }
    weir_format_quoted(key, quoted, sizeof quoted);
    int end = snprintf(shown, sizeof shown, "%.*s", (int)strlen(quoted) - 2, quoted + 1);
    weir_format_quoted(value, quoted, sizeof quoted);
    snprintf(shown + end, sizeof shown - (size_t)end, "=%.*s", (int)strlen(quoted) - 2, quoted + 1);
    snprintf(out, size, "%s %s", origin, shown);
}

int weir_config_set(weir_config *config, const char *key, const char *value, const char *origin,
                    weir_error *err)
{
    char where[512];
    format_where(key, value, origin, where, sizeof where);
    report problems = {.name = where};
    const weir_option *option = weir_option_find(key);
    int rc = 0;
    if (option == NULL)
        report_unknown(&problems, where, key);
    else
        rc = stage(&config->settings[index_of(option)], option, value, origin, where,
                   origin[0] == '-' ? NULL : key, &problems);
    return report_end(&problems, rc, err);
}

/* Reading a key that is not in the table, or as another type, is a mistake in our own code. */
static const setting *get(const weir_config *config, const char *key, int type)
{
    const weir_option *option = weir_option_find(key);
    if (option == NULL || (type >= 0 && option->type != (enum weir_option_type)type)) {
        fprintf(stderr, "weir: option %s is not in the table, or of another type\n", key);
        abort();
    }
    return &config->settings[index_of(option)];
}

bool weir_config_is_set(const weir_config *config, const char *key)
{
    return get(config, key, -1)->origin != NULL;
}

const char *weir_config_origin(const weir_config *config, const char *key)
{
    const char *origin = get(config, key, -1)->origin;
    return origin == NULL ? "default" : origin;
}

const char *weir_config_string(const weir_config *config, const char *key)
{
    return get(config, key, -1)->value.text;
}

int64_t weir_config_int(const weir_config *config, const char *key)
{
    return get(config, key, WEIR_OPTION_INT)->value.number;
}

double weir_config_double(const weir_config *config, const char *key)
{
    return get(config, key, WEIR_OPTION_DOUBLE)->value.real;
}

bool weir_config_bool(const weir_config *config, const char *key)
{
    return get(config, key, WEIR_OPTION_BOOL)->value.number != 0;
}

int64_t weir_config_duration_ms(const weir_config *config, const char *key)
{
    return get(config, key, WEIR_OPTION_DURATION)->value.number;
}

uint64_t weir_config_size(const weir_config *config, const char *key)
{
    return get(config, key, WEIR_OPTION_SIZE)->value.size;
}

void weir_config_ports(const weir_config *config, const char *key, int *ret_first, int *ret_last)
{
    const setting *ports = get(config, key, WEIR_OPTION_PORT_RANGE);
    *ret_first = (int)ports->value.number;
    *ret_last = (int)ports->value.last;
}

bool weir_config_next(const weir_config *config, size_t *cursor, const char **ret_key,
                      const char **ret_value)
{
    size_t count;
    const weir_option *options = weir_options(&count);
    for (; *cursor < config->count; ++*cursor) {
        if (config->settings[*cursor].origin == NULL)
            continue;
        *ret_key = options[*cursor].key;
        *ret_value = config->settings[*cursor].value.text;
        ++*cursor;
        return true;
    }
    return false;
}
