/* base/config_file.c -- a YAML text as a flat list of keys and values, over libyaml's events.
 *
 * Invariants: `path` holds the joined key of the value that comes next; a section on the stack owns
 * its first `path_size` bytes. While `skip` is not 0 the walk is inside a node that was refused. */
#include "base/config_file.h"

#include "base/buffer.h"
#include "base/units.h"

#include <stdbool.h>
#include <string.h>
#include <yaml.h>

typedef struct section {
    size_t path_size; /* of the section's own name */
    size_t line;      /* of the present key */
    bool expects_value;
    bool refused; /* the present key is no good: its value is passed over */
    bool empty;
} section;

typedef struct walk {
    const weir_config_file_handler *handler;
    const char *text;
    size_t size;
    weir_buffer path, list;
    section sections[WEIR_CONFIG_FILE_DEPTH_MAX];
    size_t depth, skip;
    size_t documents;
    bool in_list, list_refused, list_empty;
} walk;

static size_t line_of(const yaml_event_t *event)
{
    return event->start_mark.line + 1;
}

static int report(walk *at, size_t line, const char *text)
{
    return at->handler->problem(at->handler->context, line, text);
}

static void cut(weir_buffer *buffer, size_t size)
{
    if (buffer->data == NULL)
        return;
    buffer->size = size;
    buffer->data[size] = '\0';
}

static section *top(walk *at)
{
    return at->depth == 0 ? NULL : &at->sections[at->depth - 1];
}

/* The node that was a key or a value is over. */
static void node_ends(walk *at)
{
    section *in = top(at);
    if (in == NULL)
        return;
    if (in->expects_value) {
        in->expects_value = false;
        in->refused = false;
        cut(&at->path, in->path_size);
    } else { /* a key that was refused: its value comes next */
        in->expects_value = true;
        in->refused = true;
    }
}

static int emit(walk *at, const char *value)
{
    if (weir_buffer_check(&at->path) != 0 || weir_buffer_check(&at->list) != 0)
        return WEIR_ENO_MEMORY;
    return at->handler->setting(at->handler->context, top(at)->line, weir_buffer_text(&at->path),
                                value);
}

/* Anchors and tags promise what a configuration does not do: references and types of the file's. */
static int check_decorations(walk *at, size_t line, const yaml_char_t *anchor,
                             const yaml_char_t *tag)
{
    int rc = 0;
    if (anchor != NULL)
        rc = report(at, line, "anchors (&name) are not supported; write the value itself");
    if (rc == 0 && tag != NULL)
        rc = report(at, line, "tags (!name) are not supported; remove the tag");
    return rc;
}

static bool holds_control(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            return true;
    return false;
}

static int take_key(walk *at, size_t line, const char *key, size_t size)
{
    section *in = top(at);
    in->empty = false;
    in->line = line;
    in->expects_value = true;
    in->refused = true;
    if (size == 0)
        return report(at, line, "a key is empty; write a name in front of the ':'");
    if (holds_control(key, size))
        return report(at, line, "a key holds control characters; remove them");
    if (size + at->path.size + 1 > WEIR_CONFIG_FILE_KEY_MAX)
        return report(at, line, "a key is too long; the limit is 256 bytes");
    if (at->path.size > 0)
        weir_buffer_putc(&at->path, '.');
    weir_buffer_append(&at->path, key, size);
    if (weir_buffer_check(&at->path) != 0)
        return WEIR_ENO_MEMORY;
    in->refused = false;
    return 0;
}

static bool is_null(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    return event->data.scalar.plain_implicit &&
           (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 ||
            strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0);
}

static int take_list_item(walk *at, const yaml_event_t *event)
{
    if (is_null(event)) {
        at->list_refused = true;
        return report(at, line_of(event), "an item of a list has no value; write one or remove it");
    }
    if (!at->list_empty)
        weir_buffer_putc(&at->list, ',');
    at->list_empty = false;
    weir_buffer_append(&at->list, event->data.scalar.value, event->data.scalar.length);
    return weir_buffer_check(&at->list);
}

static int take_scalar(walk *at, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length, line = line_of(event);
    int rc = check_decorations(at, line, event->data.scalar.anchor, event->data.scalar.tag);
    if (rc != 0)
        return rc;
    section *in = top(at);
    if (in == NULL)
        return is_null(event) ? 0
                              : report(at, line, "expected `key: value` lines; found one value");
    bool nul = memchr(value, '\0', size) != NULL;
    if (nul && (at->in_list || in->expects_value)) {
        at->list_refused = true;
        rc = report(at, line, "a value holds a NUL character; remove it");
    } else if (at->in_list) {
        return take_list_item(at, event);
    } else if (!in->expects_value) {
        return take_key(at, line, value, size);
    } else if (!in->refused) {
        rc = emit(at, is_null(event) ? NULL : value);
    }
    if (!at->in_list)
        node_ends(at);
    return rc;
}

/* A section or list where none can be; NULL when it can be here. */
static const char *misplaced(walk *at, bool is_list)
{
    section *in = top(at);
    if (at->in_list)
        return "a list holds something else than plain values; write `- value` lines only";
    if (in == NULL)
        return is_list ? "expected `key: value` lines; found a list" : NULL;
    if (!in->expects_value)
        return "a key is a list or a section; write a plain name";
    if (!is_list && at->depth == WEIR_CONFIG_FILE_DEPTH_MAX)
        return "sections are nested too deep; the limit is 16; join names by '.' instead";
    return NULL;
}

static int start_collection(walk *at, const yaml_event_t *event, bool is_list)
{
    size_t line = line_of(event);
    int rc = is_list ? check_decorations(at, line, event->data.sequence_start.anchor,
                                         event->data.sequence_start.tag)
                     : check_decorations(at, line, event->data.mapping_start.anchor,
                                         event->data.mapping_start.tag);
    if (rc != 0)
        return rc;
    section *in = top(at);
    const char *refusal = misplaced(at, is_list);
    if (refusal != NULL) {
        at->skip = 1;
        at->list_refused = true;
        return report(at, line, refusal);
    }
    if (in != NULL && in->refused) {
        at->skip = 1;
    } else if (is_list) {
        at->in_list = true;
        at->list_refused = false;
        at->list_empty = true;
        weir_buffer_clear(&at->list);
    } else {
        at->sections[at->depth++] = (section){.path_size = at->path.size, .empty = true};
    }
    return 0;
}

static int end_section(walk *at)
{
    bool empty = top(at)->empty;
    at->depth--;
    int rc = 0;
    if (empty && at->depth > 0) /* `key: {}` is as little as `key:` */
        rc = emit(at, NULL);
    node_ends(at);
    return rc;
}

static int end_list(walk *at)
{
    at->in_list = false;
    int rc = at->list_refused ? 0 : emit(at, weir_buffer_text(&at->list));
    node_ends(at);
    return rc;
}

/* Far too deep ends the walk: libyaml's time grows with the square of the open brackets. */
static int pass_over(walk *at, const yaml_event_t *event, bool *ret_done)
{
    switch (event->type) {
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        if (at->skip++ < WEIR_CONFIG_FILE_DEPTH_MAX)
            return 0;
        *ret_done = true;
        return report(at, line_of(event), "brackets or lists are nested too deep; the limit is 16");
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        at->skip--;
        if (at->skip == 0 && !at->in_list)
            node_ends(at);
        return 0;
    default:
        return 0;
    }
}

static int take_alias(walk *at, const yaml_event_t *event)
{
    at->list_refused = true;
    int rc =
        report(at, line_of(event), "aliases (*name) are not supported; write the value itself");
    if (!at->in_list)
        node_ends(at);
    return rc;
}

/* Sets *ret_done at the end of what is read: the stream, a second document, or too deep a nesting.
 */
static int take_event(walk *at, const yaml_event_t *event, bool *ret_done)
{
    if (at->skip > 0)
        return pass_over(at, event, ret_done);
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (at->documents++ == 0)
            return 0;
        *ret_done = true;
        return report(at, line_of(event), "a second document (---) starts; write only one");
    case YAML_STREAM_END_EVENT:
        *ret_done = true;
        return 0;
    case YAML_ALIAS_EVENT:
        return take_alias(at, event);
    case YAML_SCALAR_EVENT:
        return take_scalar(at, event);
    case YAML_MAPPING_START_EVENT:
        return start_collection(at, event, false);
    case YAML_SEQUENCE_START_EVENT:
        return start_collection(at, event, true);
    case YAML_MAPPING_END_EVENT:
        return end_section(at);
    case YAML_SEQUENCE_END_EVENT:
        return end_list(at);
    default:
        return 0;
    }
}

static size_t line_at(const walk *at, size_t offset)
{
    size_t line = 1;
    for (size_t i = 0; i < at->size && i < offset; i++)
        line += at->text[i] == '\n';
    return line;
}

/* Whether the line (from 1) is indented with a tab: the most frequent mistake, and the one whose
 * message in libyaml says the least. */
static bool has_tab_indent(const walk *at, size_t line)
{
    const char *end = at->text + at->size;
    const char *start = at->text;
    while (line > 1 && start != NULL) {
        start = memchr(start, '\n', (size_t)(end - start));
        start = start == NULL ? NULL : start + 1;
        line--;
    }
    while (start != NULL && start < end && *start == ' ')
        start++;
    return start != NULL && start < end && *start == '\t';
}

static int report_syntax(walk *at, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return WEIR_ENO_MEMORY;
    const char *problem = parser->problem == NULL ? "it cannot be read" : parser->problem;
    weir_error text;
    if (parser->error == YAML_READER_ERROR) {
        weir_error_set(&text, WEIR_EINVALID, "not UTF-8 text; %s; save the file as UTF-8", problem);
        return report(at, line_at(at, parser->problem_offset), text.text);
    }
    size_t line = parser->problem_mark.line + 1;
    if (has_tab_indent(at, line))
        return report(at, line, "not valid YAML; the line starts with a tab; indent with spaces");
    weir_error_set(&text, WEIR_EINVALID,
                   "not valid YAML; %s at column %zu; check the indentation, "
                   "quotes and ':' here and in the line above",
                   problem, parser->problem_mark.column + 1);
    return report(at, line, text.text);
}

int weir_config_file_walk(const char *text, size_t size, const weir_config_file_handler *handler)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return WEIR_ENO_MEMORY;
    /* Fixed, so that a byte order mark cannot switch the reader to UTF-16. */
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    walk at = {.handler = handler,
               .text = text,
               .size = size,
               .path = WEIR_BUFFER_INIT,
               .list = WEIR_BUFFER_INIT};
    int rc = 0;
    for (bool done = false; rc == 0 && !done;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            rc = report_syntax(&at, &parser);
            break;
        }
        rc = take_event(&at, &event, &done);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    weir_buffer_deinit(&at.path);
    weir_buffer_deinit(&at.list);
    return rc;
}
