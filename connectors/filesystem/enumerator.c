#include "connectors/filesystem/file_list.h"
#include "connectors/filesystem/filesystem.h"
#include "connectors/filesystem/split.h"

#include "base/memory.h"
#include "base/units.h"
#include "connectors/formats/format.h"

typedef struct file_enumerator {
    weir_enumerator base;
    const weir_graph_operator *op;
    bool whole; /* one split per file */
    uint64_t split_size;
    bool listed;
    weir_file_list list;
    uint32_t file; /* the next split's */
    uint64_t offset;
} file_enumerator;

static int list_files(file_enumerator *e, weir_error *err)
{
    char place[WEIR_FORMAT_PLACE_MAX];
    int rc =
        weir_file_list_fill(&e->list, weir_format_place(e->op, false, place), e->op->path, err);

    if (rc != 0)
        weir_file_list_deinit(&e->list);
    e->listed = rc == 0;
    return rc;
}

static int next_split(weir_enumerator *self, uint32_t subtask, weir_buffer *out, weir_error *err)
{
    file_enumerator *e = (file_enumerator *)self;
    weir_file_split split;
    int rc;

    (void)subtask;
    if (!e->listed) {
        rc = list_files(e, err);
        if (rc != 0)
            return rc;
    }
    while (e->file < e->list.count && e->offset >= e->list.files[e->file].size) {
        e->file++;
        e->offset = 0;
    }
    if (e->file == e->list.count)
        return WEIR_READ_END;
    split.path = e->list.files[e->file].path;
    split.file_size = e->list.files[e->file].size;
    split.start = e->offset;
    split.end = split.file_size;
    if (!e->whole && split.file_size - e->offset > e->split_size)
        split.end = e->offset + e->split_size;
    rc = weir_file_split_write(&split, out);
    if (rc != 0)
        return weir_error_set(err, rc, "split of '%s': no memory; free some", split.path);
    e->offset = split.end;
    return 0;
}

static void close_enumerator(weir_enumerator *self)
{
    file_enumerator *e = (file_enumerator *)self;

    weir_file_list_deinit(&e->list);
    weir_free(e);
}

static const struct weir_enumerator_class enumerator_class = {
    .next = next_split,
    .close = close_enumerator,
};

int weir_filesystem_open_enumerator(const weir_connector_context *context, weir_enumerator **ret,
                                    weir_error *err)
{
    const weir_graph_operator *op = context->operator_;
    weir_format format;
    file_enumerator *e;
    uint64_t split_size;
    int rc = weir_format_resolve(op, false, &format, err);

    if (rc == 0)
        rc = weir_parse_size(weir_format_option(op, "split-size", "64mb"), &split_size, err);
    if (rc != 0)
        return rc;
    e = weir_calloc(1, sizeof *e);
    if (e == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "source '%s': no memory; free some", op->path);
    e->base.vtable = &enumerator_class;
    e->op = op;
    e->whole = format.multiline;
    e->split_size = split_size > 0 ? split_size : 1;
    *ret = &e->base;
    return 0;
}
