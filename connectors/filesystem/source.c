#include "connectors/filesystem/filesystem.h"
#include "connectors/filesystem/split.h"

#include "base/memory.h"
#include "connectors/formats/decoder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_SIZE    (256u << 10) /* of one read: stays in the second-level cache */
#define TAIL_SIZE      (64u << 10)  /* read at once behind the split's end, for its last line */
#define FILLS_PER_CALL 8            /* a file of bad rows must not keep the slot */

typedef struct file_reader {
    weir_reader base;
    const weir_graph_operator *op;
    weir_format format;
    char place[WEIR_FORMAT_PLACE_MAX];
    weir_decoder *decoder;
    weir_file_split split;
    int fd;            /* -1: no split */
    uint64_t position; /* of the next read */
} file_reader;

static void end_split(file_reader *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
    weir_file_split_deinit(&r->split);
}

static int changed(const file_reader *r, uint64_t size, weir_error *err)
{
    return weir_error_set(
        err, WEIR_EIO,
        "%s: '%s' changed while it was read; it had %llu bytes and has %llu; read "
        "files that are complete",
        r->place, r->split.path, (unsigned long long)r->split.file_size, (unsigned long long)size);
}

static int open_file(file_reader *r, weir_error *err)
{
    struct stat status;

    r->fd = open(r->split.path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (r->fd < 0)
        return weir_error_errno(err, errno, "%s: cannot open '%s'", r->place, r->split.path);
    if (fstat(r->fd, &status) != 0)
        return weir_error_errno(err, errno, "%s: cannot look at '%s'", r->place, r->split.path);
    if ((uint64_t)status.st_size != r->split.file_size)
        return changed(r, (uint64_t)status.st_size, err);
    /* Advice only: a file system that refuses it reads as well. */
    (void)posix_fadvise(r->fd, (off_t)r->split.start, (off_t)(r->split.end - r->split.start),
                        POSIX_FADV_SEQUENTIAL);
    return 0;
}

static int add_split(weir_reader *self, const void *split, size_t size, weir_error *err)
{
    file_reader *r = (file_reader *)self;
    const char *name;
    bool skip;
    int rc;

    end_split(r);
    rc = weir_file_split_read(split, size, &r->split);
    if (rc == WEIR_ENO_MEMORY)
        return weir_error_set(err, rc, "%s: no memory for a split; free some", r->place);
    if (rc != 0)
        return weir_error_set(err, rc,
                              "%s: a split cannot be read; its %zu bytes are no range of a file of "
                              "this version; start the job anew",
                              r->place, size);
    rc = open_file(r, err);
    if (rc != 0) {
        end_split(r);
        return rc;
    }
    /* From the byte before the start: is it a newline, the first line is ours. */
    r->position = r->split.start > 0 ? r->split.start - 1 : 0;
    skip = r->split.start > 0 || r->format.header;
    name = strcmp(r->split.path, r->op->path) == 0 ? "" : r->split.path;
    rc = weir_decoder_start(r->decoder, name, r->position, r->split.end, skip);
    if (rc != 0) {
        end_split(r);
        return weir_error_set(err, rc, "%s: no memory for a split; free some", r->place);
    }
    return 0;
}

static int at_end_of_file(file_reader *r, weir_error *err)
{
    struct stat status;

    if (fstat(r->fd, &status) != 0)
        return weir_error_errno(err, errno, "%s: cannot look at '%s'", r->place, r->split.path);
    if ((uint64_t)status.st_size != r->split.file_size || r->position != r->split.file_size)
        return changed(r, (uint64_t)status.st_size, err);
    weir_decoder_end(r->decoder);
    return 0;
}

static int fill(file_reader *r, weir_error *err)
{
    uint64_t left = r->split.file_size - r->position, wanted = TAIL_SIZE;
    uint8_t *space;
    size_t size;
    ssize_t n;

    if (left == 0)
        return at_end_of_file(r, err);
    if (weir_decoder_space(r->decoder, &space, &size) != 0)
        return weir_error_set(err, WEIR_ENO_MEMORY,
                              "%s: no memory for a long line at byte %llu of '%s'; lower "
                              "max-line-size",
                              r->place, (unsigned long long)r->position, r->split.path);
    if (r->position < r->split.end)
        wanted += r->split.end - r->position;
    wanted = wanted < left ? wanted : left;
    if (size > wanted)
        size = (size_t)wanted;
    do {
        n = pread(r->fd, space, size, (off_t)r->position);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return weir_error_errno(err, errno, "%s: cannot read '%s' at byte %llu", r->place,
                                r->split.path, (unsigned long long)r->position);
    if (n == 0)
        return at_end_of_file(r, err);
    weir_decoder_filled(r->decoder, (size_t)n);
    r->position += (uint64_t)n;
    return 0;
}

static int read_rows(weir_reader *self, weir_builder *into, weir_wait *ret_wait, weir_error *err)
{
    file_reader *r = (file_reader *)self;

    (void)ret_wait;
    if (r->fd < 0)
        return WEIR_READ_SPLIT_END;
    for (unsigned fills = 0;; fills++) {
        int rc = weir_decoder_decode(r->decoder, into, err);

        if (rc == WEIR_DECODE_FULL)
            return WEIR_READ_MORE;
        if (rc == WEIR_DECODE_END) {
            end_split(r);
            return WEIR_READ_SPLIT_END;
        }
        if (rc == WEIR_DECODE_HUNGRY && fills == FILLS_PER_CALL)
            return WEIR_READ_MORE;
        if (rc == WEIR_DECODE_HUNGRY)
            rc = fill(r, err);
        if (rc != 0)
            return rc;
    }
}

static void close_reader(weir_reader *self)
{
    file_reader *r = (file_reader *)self;

    end_split(r);
    weir_decoder_destroy(&r->decoder);
    weir_free(r);
}

static const struct weir_reader_class reader_class = {
    .read = read_rows,
    .add_split = add_split,
    .close = close_reader,
};

int weir_filesystem_open_reader(const weir_connector_context *context, weir_reader **ret,
                                weir_error *err)
{
    weir_schema *schema = weir_format_schema(context->operator_, false);
    file_reader *r = weir_calloc(1, sizeof *r);
    int rc;

    if (r == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "source '%s': no memory; free some",
                              context->operator_->path);
    r->base.vtable = &reader_class;
    r->op = context->operator_;
    r->fd = -1;
    weir_format_place(r->op, false, r->place);
    rc = weir_format_resolve(r->op, false, &r->format, err);
    if (rc == 0) {
        rc = weir_decoder_new(schema, &r->format, r->place, BUFFER_SIZE, &r->decoder);
        if (rc != 0)
            weir_error_set(err, rc, "%s: no memory to read; free some", r->place);
    }
    if (rc != 0) {
        close_reader(&r->base);
        return rc;
    }
    *ret = &r->base;
    return 0;
}
