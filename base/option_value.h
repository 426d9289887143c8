/* base/option_value.h -- one value of the table of options: from text to what the typed reads give.
 * For base/config.c; other rooms read base/options.h. */
#ifndef BASE_OPTION_VALUE_H
#define BASE_OPTION_VALUE_H

#include "base/options.h"

#define WEIR_OPTION_VALUE_MAX       4096 /* bytes of a value's text */
#define WEIR_OPTION_VARIABLE_PREFIX "WEIR_CONF_"
#define WEIR_OPTION_VARIABLE_MAX    96

typedef struct weir_option_value {
    char *text;     /* as written; an ENUM as the table spells it. Owned */
    int64_t number; /* INT, BOOL, DURATION in ms, PORT_RANGE's first */
    int64_t last;   /* PORT_RANGE's last */
    uint64_t size;  /* SIZE */
    double real;    /* DOUBLE */
} weir_option_value;

/* Fills *ret, or fails with WEIR_EINVALID ("expected ...; found ...") or WEIR_ENO_MEMORY. */
int weir_option_value_parse(const weir_option *option, const char *text, weir_option_value *ret,
                            weir_error *err) WEIR_MUST_CHECK;
void weir_option_value_deinit(weir_option_value *value);

/* The key the user may have meant, or NULL. */
const char *weir_option_suggest(const char *key);
/* Whether keys of the table start with `name` and a dot. */
bool weir_option_is_section(const char *name);
/* The name of the option's environment variable. */
const char *weir_option_variable(const weir_option *option, char out[WEIR_OPTION_VARIABLE_MAX]);
const weir_option *weir_option_find_variable(const char *name);
/* The option whose variable the user may have meant (`name` starts with the prefix), or NULL. */
const weir_option *weir_option_suggest_variable(const char *name);

#endif
