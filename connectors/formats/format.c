#include "connectors/formats/format.h"

#include "base/units.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *weir_format_option(const weir_graph_operator *op, const char *name,
                               const char *fallback)
{
    for (uint32_t i = 0; i < op->noptions; i++) {
        if (strcmp(op->options[i].name, name) == 0)
            return op->options[i].value != NULL ? op->options[i].value : fallback;
    }
    return fallback;
}

bool weir_format_option_bool(const weir_graph_operator *op, const char *name)
{
    return strcasecmp(weir_format_option(op, name, "false"), "true") == 0;
}

const char *weir_format_place(const weir_graph_operator *op, bool sink,
                              char out[WEIR_FORMAT_PLACE_MAX])
{
    const char *scheme = op->url != NULL ? op->url : op->connector;
    const char *path = op->path != NULL ? op->path : "";
    size_t size = scheme != NULL ? strcspn(scheme, ":") : 0;

    snprintf(out, WEIR_FORMAT_PLACE_MAX, "%s '%.*s:%.250s'", sink ? "sink" : "source",
             (int)(size < 32 ? size : 32), scheme != NULL ? scheme : "", path);
    return out;
}

weir_schema *weir_format_schema(const weir_graph_operator *op, bool sink)
{
    return sink ? op->inputs[0] : op->outputs[0];
}

static bool is_one_text(const weir_schema *schema)
{
    return weir_schema_count(schema) == 1 && weir_kind_is_variable(weir_schema_at(schema, 0)->kind);
}

static bool ends_in_csv(const char *path)
{
    size_t size = path != NULL ? strlen(path) : 0;

    return size >= 4 && strcasecmp(path + size - 4, ".csv") == 0;
}

static int resolve_kind(const weir_graph_operator *op, bool sink, const weir_schema *schema,
                        weir_format *ret, weir_error *err)
{
    const char *text = weir_format_option(op, "format", "");
    char place[WEIR_FORMAT_PLACE_MAX];

    if (strcasecmp(text, "line") == 0)
        ret->kind = WEIR_FORMAT_LINE;
    else if (strcasecmp(text, "csv") == 0)
        ret->kind = WEIR_FORMAT_CSV;
    else if (strcasecmp(text, "json") == 0)
        ret->kind = WEIR_FORMAT_JSON;
    else if (strcasecmp(text, "row") == 0)
        ret->kind = WEIR_FORMAT_ROW;
    else if (text[0] != '\0')
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: unknown format; format is '%s'; use line, csv or json",
                              weir_format_place(op, sink, place), text);
    else if (schema != NULL && is_one_text(schema) && (sink || !ends_in_csv(op->path)))
        ret->kind = WEIR_FORMAT_LINE;
    else
        ret->kind = WEIR_FORMAT_CSV;
    if (!sink && ret->kind != WEIR_FORMAT_LINE && ret->kind != WEIR_FORMAT_CSV)
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: this format cannot be read; format is '%s'; use line or csv",
                              weir_format_place(op, sink, place), text);
    return 0;
}

static int check_schema(const weir_graph_operator *op, bool sink, const weir_schema *schema,
                        const weir_format *format, weir_error *err)
{
    char place[WEIR_FORMAT_PLACE_MAX];

    if (schema == NULL)
        return 0;
    if (format->kind == WEIR_FORMAT_LINE && !is_one_text(schema))
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: format=line needs a record of one string field; it has %u "
                              "field(s), the first '%s' is %s; use format=csv",
                              weir_format_place(op, sink, place), weir_schema_count(schema),
                              weir_schema_at(schema, 0)->name,
                              weir_kind_name(weir_schema_at(schema, 0)->kind));
    for (uint32_t i = 0; format->kind == WEIR_FORMAT_CSV && i < weir_schema_count(schema); i++) {
        const weir_schema_field *field = weir_schema_at(schema, i);

        if (field->kind >= WEIR_KIND_array)
            return weir_error_set(
                err, WEIR_EINVALID, "%s: csv holds plain values only; field '%s' is %s; %s",
                weir_format_place(op, sink, place), field->name, weir_kind_name(field->kind),
                sink ? "use format=json" : "leave the field out of the record");
    }
    return 0;
}

static int resolve_delimiter(const weir_graph_operator *op, bool sink, weir_format *ret,
                             weir_error *err)
{
    const char *delimiter = weir_format_option(op, "delimiter", ",");
    const char *quote = weir_format_option(op, "quote", "\"");
    char place[WEIR_FORMAT_PLACE_MAX];

    if (strcmp(delimiter, "\\t") == 0)
        delimiter = "\t";
    if (strlen(delimiter) != 1 ||
        strspn(delimiter, "\r\n.+-_0123456789"
                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != 0)
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: delimiter must be one byte that no number or word holds; it is "
                              "'%s'; use for example , ; | or \\t",
                              weir_format_place(op, sink, place), delimiter);
    if (strlen(quote) > 1 || (quote[0] != '\0' && strpbrk(quote, "\r\n") != NULL) ||
        quote[0] == delimiter[0])
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: quote must be one byte other than the delimiter, or empty; it "
                              "is '%s'; use for example \" or '",
                              weir_format_place(op, sink, place), quote);
    ret->delimiter = delimiter[0];
    ret->quoting = quote[0] != '\0';
    ret->quote = ret->quoting ? quote[0] : '"';
    ret->null_text = weir_format_option(op, "null", "");
    ret->null_size = strlen(ret->null_text);
    if (strpbrk(ret->null_text, "\r\n") != NULL || strchr(ret->null_text, delimiter[0]) != NULL)
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: null may hold neither delimiter nor newline; it is '%s'; use "
                              "for example \\N",
                              weir_format_place(op, sink, place), ret->null_text);
    return 0;
}

static int resolve_line_size(const weir_graph_operator *op, bool sink, weir_format *ret,
                             weir_error *err)
{
    const char *text = weir_format_option(op, "max-line-size", "16mb");
    char place[WEIR_FORMAT_PLACE_MAX];
    uint64_t size;
    int rc = weir_parse_size(text, &size, err);

    if (rc != 0)
        return weir_error_wrap(err, rc, "%s: max-line-size", weir_format_place(op, sink, place));
    if (size < 1 || size > WEIR_FORMAT_LINE_SIZE_LIMIT)
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: max-line-size must be 1 byte to 32mb; it is '%s'; give less",
                              weir_format_place(op, sink, place), text);
    ret->line_size_max = (size_t)size;
    return 0;
}

int weir_format_resolve(const weir_graph_operator *op, bool sink, weir_format *ret, weir_error *err)
{
    const weir_schema *schema = weir_format_schema(op, sink);
    const char *changelog = weir_format_option(op, "changelog", "auto");
    weir_format format = {0};
    int rc = resolve_kind(op, sink, schema, &format, err);

    if (rc == 0)
        rc = check_schema(op, sink, schema, &format, err);
    if (rc == 0)
        rc = resolve_delimiter(op, sink, &format, err);
    if (rc == 0)
        rc = resolve_line_size(op, sink, &format, err);
    if (rc != 0)
        return rc;
    format.header = weir_format_option_bool(op, "header");
    format.multiline = format.kind == WEIR_FORMAT_CSV && weir_format_option_bool(op, "multiline");
    format.skip_errors = strcasecmp(weir_format_option(op, "on-error", "fail"), "skip") == 0;
    format.changelog = strcasecmp(changelog, "true") == 0    ? WEIR_CHANGELOG_ALWAYS
                       : strcasecmp(changelog, "false") == 0 ? WEIR_CHANGELOG_NEVER
                                                             : WEIR_CHANGELOG_AUTO;
    *ret = format;
    return 0;
}
