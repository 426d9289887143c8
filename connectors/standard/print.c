#include "connectors/standard/standard.h"

#include "base/memory.h"
#include "connectors/formats/outlet.h"

#include <errno.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIPE_SIZE 4096 /* PIPE_BUF: a pipe that can be written to takes this much, as one piece */
#define RETRY_MS  1

typedef struct printer {
    weir_writer base;
    const weir_connector_context *context;
    char place[WEIR_FORMAT_PLACE_MAX];
    weir_outlet outlet;
    bool is_file; /* stdout never makes us wait */
} printer;

static const weir_connector_option options[] = {
    {"format", "row", "row|csv|json|line", "row: name=value  name=value", false, true},
    WEIR_FORMAT_OPTIONS_TEXT(false, true),
    {"header", "false", "bool", "csv: a first line of names", false, true},
    WEIR_FORMAT_OPTIONS_SINK,
};

static int check(const weir_graph_operator *op, bool sink, weir_error *err)
{
    char place[WEIR_FORMAT_PLACE_MAX];
    weir_format format;

    if (op->path != NULL && op->path[0] != '\0')
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: print has no path; '%s' was given; write print: or file:%s",
                              weir_format_place(op, sink, place), op->path, op->path);
    return weir_format_resolve(op, sink, &format, err);
}

static int give_stdout(printer *p, const char *bytes, size_t size, size_t *ret_taken,
                       weir_error *err)
{
    struct pollfd wanted = {.fd = STDOUT_FILENO, .events = POLLOUT};
    ssize_t n;

    if (!p->is_file) {
        if (poll(&wanted, 1, 0) == 0)
            return WEIR_READ_PENDING;
        size = weir_outlet_lines(bytes, size, PIPE_SIZE, false);
    }
    do {
        n = write(STDOUT_FILENO, bytes, size);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return WEIR_READ_PENDING;
    if (n < 0)
        return weir_error_errno(err, errno, "%s: cannot write to stdout", p->place);
    *ret_taken = (size_t)n;
    return 0;
}

static int give(void *self, const char *bytes, size_t size, size_t *ret_taken, weir_error *err)
{
    printer *p = self;
    int rc;

    if (p->context->print == NULL)
        return give_stdout(p, bytes, size, ret_taken, err);
    size = weir_outlet_lines(bytes, size, WEIR_OUTLET_SIZE, true);
    rc = p->context->print(p->context->print_self, bytes, size);
    if (rc < 0)
        return weir_error_set(err, rc, "%s: the receiver of the rows refused them: %s; is it gone?",
                              p->place, weir_code_text(rc));
    *ret_taken = rc == 0 ? size : 0;
    return rc;
}

/* No descriptor says that the receiver has room again: look a little later. */
static int with_wait(const printer *p, int rc, weir_wait *ret_wait)
{
    if (rc == WEIR_READ_PENDING)
        *ret_wait =
            (weir_wait){.fd = -1, .at_ms = p->context->clock_ms(p->context->clock_self) + RETRY_MS};
    return rc;
}

static int write_rows(weir_writer *self, const weir_columns *columns, weir_wait *ret_wait,
                      weir_error *err)
{
    printer *p = (printer *)self;

    return with_wait(p, weir_outlet_write(&p->outlet, columns, err), ret_wait);
}

static int flush_rows(weir_writer *self, weir_wait *ret_wait, weir_error *err)
{
    printer *p = (printer *)self;

    return with_wait(p, weir_outlet_drain(&p->outlet, err), ret_wait);
}

static int finish_rows(weir_writer *self, weir_wait *ret_wait, weir_error *err)
{
    printer *p = (printer *)self;

    return with_wait(p, weir_outlet_finish(&p->outlet, err), ret_wait);
}

static void close_writer(weir_writer *self)
{
    printer *p = (printer *)self;

    weir_outlet_deinit(&p->outlet);
    weir_free(p);
}

static const struct weir_writer_class writer_class = {
    .write = write_rows,
    .flush = flush_rows,
    .finish = finish_rows,
    .close = close_writer,
};

static int open_writer(const weir_connector_context *context, weir_writer **ret, weir_error *err)
{
    printer *p = weir_calloc(1, sizeof *p);
    struct stat status;
    int rc;

    if (p == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "sink 'print:': no memory; free some");
    p->base.vtable = &writer_class;
    p->context = context;
    p->is_file = fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode);
    weir_format_place(context->operator_, true, p->place);
    rc = weir_outlet_init(&p->outlet, context->operator_, give, p, err);
    if (rc != 0) {
        close_writer(&p->base);
        return rc;
    }
    *ret = &p->base;
    return 0;
}

const weir_connector weir_print_connector = {
    .name = "print",
    .meaning = "Prints rows on the terminal.",
    .path_meaning = "none",
    .options = options,
    .noptions = WEIR_COUNT(options),
    .sink = true,
    .check = check,
    .open_writer = open_writer,
};
