/* base/options.h -- the table of configuration keys and a configuration.
 *
 * Keys, types, defaults and meanings stand in one table (base/options.c); `weir config` and
 * docs/config.md are made from it. Names are Flink's where Flink has one. Values come, later over
 * earlier, from: default, config file, environment (WEIR_CONF_<KEY, upper case, . and - as _>), -D.
 * An unknown key is an error with a suggestion. A configuration is not changed once threads run. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum weir_option_type {
    WEIR_OPTION_STRING,
    WEIR_OPTION_INT,
    WEIR_OPTION_DOUBLE,
    WEIR_OPTION_BOOL,
    WEIR_OPTION_DURATION,
    WEIR_OPTION_SIZE,
    WEIR_OPTION_ENUM,      /* `choices`, separated by '|'; compared without case */
    WEIR_OPTION_PORT_RANGE /* "0", "6123" or "50100-50200" */
};

typedef struct weir_option {
    const char *key, *fallback; /* fallback "" means: not set */
    enum weir_option_type type;
    const char *choices; /* for ENUM */
    int64_t min, max;    /* INT; DURATION in ms and SIZE in bytes where max is not 0 */
    const char *meaning; /* one sentence */
} weir_option;

const weir_option *weir_options(size_t *ret_count);
const weir_option *weir_option_find(const char *key);

typedef struct weir_config weir_config;

weir_config *weir_config_new(void) WEIR_MUST_CHECK; /* every key at its default */
void weir_config_destroy(weir_config **config);
weir_config *weir_config_clone(const weir_config *config) WEIR_MUST_CHECK;
/* Loads are all or nothing: after a failure the configuration is as it was. The text of a failure
 * is made of whole lines to print as they are, each `where: error: what; what was found; what to
 * do`.
 *
 * Flat (`a.b: c`) or nested YAML; lists become comma-separated; a section whose keys are all
 * commented out is fine. Every problem of the file is reported, one per line, as `file:line: error:
 * ...`. `origin` of the values is "file:line". At most 1 MiB; no anchors, aliases, tags. */
int weir_config_load(weir_config *config, const char *path, weir_error *err) WEIR_MUST_CHECK;
int weir_config_load_text(weir_config *config, const char *name, const char *text, size_t size,
                          weir_error *err) WEIR_MUST_CHECK;
int weir_config_load_environment(weir_config *config, weir_error *err) WEIR_MUST_CHECK;
/* Checks the key and the value's type. `origin` is shown by `weir config`: "-D", "environment"... A
 * failure names "-D key=value" when the origin is an option of the command line, else the origin.
 */
int weir_config_set(weir_config *config, const char *key, const char *value, const char *origin,
                    weir_error *err) WEIR_MUST_CHECK;
bool weir_config_is_set(const weir_config *config, const char *key); /* other than the default */
const char *weir_config_origin(const weir_config *config, const char *key); /* "default" ... */

/* Typed reads of a key of the table; a key that is not in it is a programming error (abort). The
 * texts live as long as the configuration, or until the key is set again. An unset string is "".
 * weir_config_string reads any type, as it was written (an ENUM as the table spells it); the others
 * only their own type. */
const char *weir_config_string(const weir_config *config, const char *key);
int64_t weir_config_int(const weir_config *config, const char *key);
double weir_config_double(const weir_config *config, const char *key);
bool weir_config_bool(const weir_config *config, const char *key);
int64_t weir_config_duration_ms(const weir_config *config, const char *key);
uint64_t weir_config_size(const weir_config *config, const char *key);
void weir_config_ports(const weir_config *config, const char *key, int *ret_first, int *ret_last);

/* Every set value (not defaults), for handing to another process: cursor starts at 0. */
bool weir_config_next(const weir_config *config, size_t *cursor, const char **ret_key,
                      const char **ret_value);

#endif
