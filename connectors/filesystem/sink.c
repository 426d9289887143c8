#include "connectors/filesystem/filesystem.h"
#include "connectors/filesystem/part_directory.h"

#include "base/file.h"
#include "base/memory.h"
#include "connectors/formats/encoder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITE_SIZE (256u << 10)
#define NAME_SIZE  64

typedef struct file_writer {
    weir_writer base;
    char place[WEIR_FORMAT_PLACE_MAX];
    weir_format format;
    weir_encoder *encoder;
    weir_part_directory directory;
    char unfinished[NAME_SIZE], name[NAME_SIZE];
    int fd; /* of the unfinished file; -1: none */
    weir_buffer buffer;
} file_writer;

static int write_out(file_writer *w, weir_error *err)
{
    int rc = weir_file_write_all(w->fd, w->buffer.data, w->buffer.size, err);

    if (rc != 0)
        return weir_error_wrap(err, rc, "%s: file '%s/%s'", w->place, w->directory.path,
                               w->unfinished);
    weir_buffer_clear(&w->buffer);
    return 0;
}

static int write_rows(weir_writer *self, const weir_columns *columns, weir_wait *ret_wait,
                      weir_error *err)
{
    file_writer *w = (file_writer *)self;
    int rc = weir_encoder_append(w->encoder, columns, &w->buffer, err);

    (void)ret_wait;
    if (rc == 0 && w->buffer.size >= WRITE_SIZE)
        rc = write_out(w, err);
    return rc;
}

/* Nobody sees the file before it is finished: there is nothing to gain from small writes. */
static int flush_rows(weir_writer *self, weir_wait *ret_wait, weir_error *err)
{
    (void)self;
    (void)ret_wait;
    (void)err;
    return 0;
}

/* Is the name still that of the file that we write? Another run may have put its own there. */
static bool is_still_ours(const file_writer *w)
{
    struct stat named, held;

    return fstatat(w->directory.fd, w->unfinished, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstat(w->fd, &held) == 0 && named.st_ino == held.st_ino && named.st_dev == held.st_dev;
}

static int finish_file(weir_writer *self, weir_wait *ret_wait, weir_error *err)
{
    file_writer *w = (file_writer *)self;
    int rc;

    (void)ret_wait;
    if (w->fd < 0)
        return 0;
    if (weir_encoder_finish(w->encoder, &w->buffer) != 0)
        return weir_error_set(err, WEIR_ENO_MEMORY, "%s: no memory to finish; free some", w->place);
    rc = write_out(w, err);
    if (rc != 0)
        return rc;
    if (fsync(w->fd) != 0)
        return weir_error_errno(err, errno, "%s: cannot sync '%s/%s'", w->place, w->directory.path,
                                w->unfinished);
    if (!is_still_ours(w))
        return weir_error_set(err, WEIR_ESTALE,
                              "%s: '%s/%s' is gone or another's; a second run writes to this "
                              "directory; stop one of them",
                              w->place, w->directory.path, w->unfinished);
    if (renameat(w->directory.fd, w->unfinished, w->directory.fd, w->name) != 0)
        return weir_error_errno(err, errno, "%s: cannot rename '%s' to '%s' in '%s'", w->place,
                                w->unfinished, w->name, w->directory.path);
    close(w->fd);
    w->fd = -1;
    return weir_part_directory_settle(&w->directory, w->name, err);
}

static void close_writer(weir_writer *self)
{
    file_writer *w = (file_writer *)self;

    if (w->fd >= 0) {
        if (is_still_ours(w))
            (void)unlinkat(w->directory.fd, w->unfinished, 0); /* else it stays, hidden */
        close(w->fd);
    }
    weir_part_directory_close(&w->directory);
    weir_encoder_destroy(&w->encoder);
    weir_buffer_deinit(&w->buffer);
    weir_free(w);
}

static const struct weir_writer_class writer_class = {
    .write = write_rows,
    .flush = flush_rows,
    .finish = finish_file,
    .close = close_writer,
};

static int open_file(file_writer *w, const weir_connector_context *context, weir_error *err)
{
    int rc;

    snprintf(w->unfinished, sizeof w->unfinished, ".part-%u-0.%u.inprogress", context->subtask,
             context->attempt);
    snprintf(w->name, sizeof w->name, "part-%u-0.%s", context->subtask,
             weir_format_extension(w->format.kind));
    w->directory.place = w->place;
    w->directory.path = context->operator_->path;
    w->directory.subtask = context->subtask;
    w->directory.parallelism = context->parallelism;
    w->directory.job_id = context->job_id != NULL ? context->job_id : "";
    w->directory.overwrite = weir_format_option_bool(context->operator_, "overwrite");
    rc = weir_part_directory_open(&w->directory, err);
    if (rc != 0)
        return rc;
    w->fd = openat(w->directory.fd, w->unfinished, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (w->fd < 0)
        return weir_error_errno(err, errno, "%s: cannot create '%s/%s'", w->place,
                                w->directory.path, w->unfinished);
    return 0;
}

int weir_filesystem_open_writer(const weir_connector_context *context, weir_writer **ret,
                                weir_error *err)
{
    const weir_graph_operator *op = context->operator_;
    file_writer *w = weir_calloc(1, sizeof *w);
    int rc;

    if (w == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "sink '%s': no memory; free some", op->path);
    w->base.vtable = &writer_class;
    w->fd = w->directory.fd = -1;
    weir_format_place(op, true, w->place);
    rc = weir_format_resolve(op, true, &w->format, err);
    if (rc == 0) {
        rc = weir_encoder_new(weir_format_schema(op, true), &w->format, op->retracts, w->place,
                              &w->encoder);
        if (rc != 0)
            weir_error_set(err, rc, "%s: no memory to write; free some", w->place);
    }
    if (rc == 0)
        rc = open_file(w, context, err);
    if (rc != 0) {
        close_writer(&w->base);
        return rc;
    }
    *ret = &w->base;
    return 0;
}
