#include "connectors/standard/standard.h"

#include "base/memory.h"
#include "connectors/formats/fd_input.h"

#include <unistd.h>

#define BUFFER_SIZE (256u << 10)

typedef struct stdin_reader {
    weir_reader base;
    char place[WEIR_FORMAT_PLACE_MAX];
    weir_decoder *decoder; /* NULL: not subtask 0 */
} stdin_reader;

static const weir_connector_option options[] = {
    {"format", "", "line|csv", "default: line for a record of one string field, else csv", true,
     false},
    WEIR_FORMAT_OPTIONS_TEXT(true, false),
    {"header", "false", "bool", "the first line holds names and is skipped", true, false},
    WEIR_FORMAT_OPTIONS_SOURCE,
};

static int check(const weir_graph_operator *op, bool sink, weir_error *err)
{
    char place[WEIR_FORMAT_PLACE_MAX];
    weir_format format;

    if (op->path != NULL && op->path[0] != '\0')
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: stdin has no path; '%s' was given; write stdin: or file:%s",
                              weir_format_place(op, sink, place), op->path, op->path);
    return weir_format_resolve(op, sink, &format, err);
}

static bool bounded(const weir_graph_operator *op, bool local)
{
    (void)op;
    return local && isatty(STDIN_FILENO) == 0;
}

static int read_rows(weir_reader *self, weir_builder *into, weir_wait *ret_wait, weir_error *err)
{
    stdin_reader *r = (stdin_reader *)self;

    if (r->decoder == NULL)
        return WEIR_READ_END;
    return weir_fd_input_read(STDIN_FILENO, r->decoder, r->place, into, ret_wait, err);
}

static void close_reader(weir_reader *self)
{
    stdin_reader *r = (stdin_reader *)self;

    weir_decoder_destroy(&r->decoder);
    weir_free(r);
}

static const struct weir_reader_class reader_class = {.read = read_rows, .close = close_reader};

static int open_reader(const weir_connector_context *context, weir_reader **ret, weir_error *err)
{
    const weir_graph_operator *op = context->operator_;
    stdin_reader *r = weir_calloc(1, sizeof *r);
    weir_format format;
    int rc = 0;

    if (r == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "source 'stdin:': no memory; free some");
    r->base.vtable = &reader_class;
    weir_format_place(op, false, r->place);
    if (context->subtask == 0) {
        rc = weir_format_resolve(op, false, &format, err);
        if (rc == 0) {
            rc = weir_decoder_new(weir_format_schema(op, false), &format, r->place, BUFFER_SIZE,
                                  &r->decoder);
            if (rc == 0)
                rc = weir_decoder_start(r->decoder, "", 0, UINT64_MAX, format.header);
            if (rc != 0)
                weir_error_set(err, rc, "%s: no memory to read; free some", r->place);
        }
    }
    if (rc != 0) {
        close_reader(&r->base);
        return rc;
    }
    *ret = &r->base;
    return 0;
}

const weir_connector weir_stdin_connector = {
    .name = "stdin",
    .meaning = "Reads lines from the terminal, pipe or file that `weir run` was started with.",
    .path_meaning = "none",
    .options = options,
    .noptions = WEIR_COUNT(options),
    .source = true,
    .local_only = true,
    .check = check,
    .bounded = bounded,
    .open_reader = open_reader,
};
