#include "connectors/filesystem/filesystem.h"

#include "base/memory.h"
#include "base/units.h"
#include "connectors/formats/format.h"

static const weir_connector_option options[] = {
    {"format", "", "line|csv",
     "line: every line is a record of one string; csv: fields. Default: line for a record of one "
     "string field (if the path does not end in .csv), else csv",
     true, false},
    {"format", "", "csv|line|json", "default: line for a record of one string field, else csv",
     false, true},
    WEIR_FORMAT_OPTIONS_TEXT(true, true),
    {"header", "false", "bool",
     "the first line of each file holds names: it is skipped, or written (csv)", true, true},
    {"split-size", "64mb", "size",
     "files are read in ranges of this size, by any subtask; at least 1 byte", true, false},
    WEIR_FORMAT_OPTIONS_SOURCE,
    {"overwrite", "false", "bool",
     "replace the part files of an earlier run, when the new ones are complete", false, true},
    WEIR_FORMAT_OPTIONS_SINK,
};

static int check(const weir_graph_operator *op, bool sink, weir_error *err)
{
    const char *split_size = weir_format_option(op, "split-size", "64mb");
    char place[WEIR_FORMAT_PLACE_MAX];
    weir_format format;
    uint64_t size = 0;
    int rc;

    weir_format_place(op, sink, place);
    if (op->path == NULL || op->path[0] == '\0')
        return weir_error_set(err, WEIR_EINVALID, "%s: no path is given; write file:%s", place,
                              sink ? "/path/of/directory" : "/path/of/file");
    rc = weir_format_resolve(op, sink, &format, err);
    if (rc != 0)
        return rc;
    if (sink && format.header && format.kind != WEIR_FORMAT_CSV)
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: only csv has a header; header is true for another format; use "
                              "format=csv or leave header out",
                              place);
    if (!sink && (weir_parse_size(split_size, &size, NULL) != 0 || size < 1))
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: split-size must be a size of at least 1 byte; it is '%s'; use "
                              "for example 64mb",
                              place, split_size);
    return 0;
}

static const char *const aliases[] = {"file", NULL};

const weir_connector weir_filesystem_connector = {
    .name = "filesystem",
    .aliases = aliases,
    .meaning = "Reads the lines of files, and writes a part file per subtask into a directory; "
               "parts appear when the job ends.",
    .path_meaning = "source: a file, a directory (all its files that do not start with . or _, in "
                    "sub-directories too) or a glob; sink: a directory",
    .options = options,
    .noptions = WEIR_COUNT(options),
    .source = true,
    .sink = true,
    .check = check,
    .open_enumerator = weir_filesystem_open_enumerator,
    .open_reader = weir_filesystem_open_reader,
    .open_writer = weir_filesystem_open_writer,
};
