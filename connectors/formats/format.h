/* formats/format.h -- how rows become bytes and bytes become rows: the options that every connector
 * with a format has in common, read once from a resolved operator. Texts are the operator's. */
#ifndef CONNECTORS_FORMATS_FORMAT_H
#define CONNECTORS_FORMATS_FORMAT_H

#include "base/error.h"
#include "graph/connector.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_FORMAT_LINE_SIZE_LIMIT                                                                \
    (32u << 20) /* half of a batch: max-line-size is at most this                                  \
                 */
#define WEIR_FORMAT_PLACE_MAX 320

enum weir_format_kind { WEIR_FORMAT_LINE, WEIR_FORMAT_CSV, WEIR_FORMAT_JSON, WEIR_FORMAT_ROW };
enum weir_changelog { WEIR_CHANGELOG_AUTO, WEIR_CHANGELOG_ALWAYS, WEIR_CHANGELOG_NEVER };

typedef struct weir_format {
    enum weir_format_kind kind;
    char delimiter;
    char quote;
    bool quoting;          /* false: quote= was given empty, no byte quotes */
    bool header;           /* the first line holds names */
    bool multiline;        /* a quoted field may hold newlines */
    bool skip_errors;      /* on-error=skip */
    const char *null_text; /* an unquoted field of these bytes is NULL, if the field is nullable */
    size_t null_size;
    size_t line_size_max;
    enum weir_changelog changelog;
} weir_format;

/* Options that are not in the operator keep their default. The format's default is `line` for one
 * string field (unless the path ends in .csv), else `csv`; an operator of print: `row`. Checks the
 * options and, when the operator has one, the schema: WEIR_EINVALID with the whole message. */
int weir_format_resolve(const weir_graph_operator *op, bool sink, weir_format *ret,
                        weir_error *err) WEIR_MUST_CHECK;

/* The operator's value of an option, or `fallback` when it has none of this name. */
const char *weir_format_option(const weir_graph_operator *op, const char *name,
                               const char *fallback);
bool weir_format_option_bool(const weir_graph_operator *op, const char *name);

/* "source 'file:/data'": how messages name the operator; without options, which may hold secrets.
 */
const char *weir_format_place(const weir_graph_operator *op, bool sink,
                              char out[WEIR_FORMAT_PLACE_MAX]);
weir_schema *weir_format_schema(const weir_graph_operator *op, bool sink); /* borrowed; or NULL */

/* Rows of the option table that connectors share. */
#define WEIR_FORMAT_OPTIONS_TEXT(source, sink)                                                     \
    {"delimiter", ",", "string", "csv: the byte between fields; \\t is a tab", source, sink},      \
        {"quote", "\"", "string", "csv: the byte around fields that hold delimiters; empty: none", \
         source,  sink},                                                                           \
    {                                                                                              \
        "null", "", "string", "csv: the unquoted text that stands for NULL", source, sink          \
    }
#define WEIR_FORMAT_OPTIONS_SOURCE                                                                 \
    {"on-error",  "fail",                                                                          \
     "fail|skip", "what a row that cannot be read does: fail the job, or be left out",             \
     true,        false},                                                                          \
        {"max-line-size", "16mb", "size", "the longest line, at most 32mb", true, false},          \
    {                                                                                              \
        "multiline", "false", "bool", "csv: quoted fields may hold newlines", true, false          \
    }
#define WEIR_FORMAT_OPTIONS_SINK                                                                   \
    {                                                                                              \
        "changelog", "auto", "auto|true|false",                                                    \
            "csv, json: a leading column op of +I, -U, +U, -D; auto: when the stream has changes", \
            false, true                                                                            \
    }

#endif
