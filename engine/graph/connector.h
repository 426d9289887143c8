/* graph/connector.h -- what a connector is: a descriptor that plans and documentation read, and
 * vtables that run in a task runner.
 *
 * URL: `name:path?option=value&option=value`, name in [a-z0-9-]+, values percent-encoded where they
 * hold & or %. `${name:default}` is replaced by parameters before parsing. Unknown options, bad
 * values and missing required ones are errors. Threads: a reader or writer belongs to one slot's
 * thread; an enumerator runs in the thread of the slot that holds subtask 0. Nothing here may block
 * for long: a reader that has nothing returns PENDING with a file descriptor or a time to wake. */
#ifndef GRAPH_CONNECTOR_H
#define GRAPH_CONNECTOR_H

#include "base/buffer.h"
#include "batch/builder.h"
#include "graph/graph.h"

enum weir_read_result {                          /* non-negative results of weir_reader read */
                        WEIR_READ_MORE = 0,      /* gave rows or made progress; call again */
                        WEIR_READ_PENDING = 1,   /* nothing now; see weir_wait */
                        WEIR_READ_SPLIT_END = 2, /* the present split is done; wants another */
                        WEIR_READ_END = 3 /* the source has ended (readers that need no splits) */
};

typedef struct weir_wait {
    int fd;        /* wake when readable; -1: none */
    int64_t at_ms; /* wake at this monotonic time; INT64_MAX: none */
} weir_wait;

typedef struct weir_connector_option {
    const char *name, *fallback; /* fallback NULL: required; "": not set */
    const char *type;            /* "string", "int", "size", "duration", "bool", "a|b|c" */
    const char *meaning;
    bool source, sink; /* where it applies */
} weir_connector_option;

typedef struct weir_connector weir_connector;

/* What a reader, writer or enumerator is opened with. Borrowed until closed. */
typedef struct weir_connector_context {
    const weir_graph_operator *operator_; /* url, path, options, schemas, where */
    uint32_t subtask, parallelism;
    const char *job_id; /* 32 hex digits */
    uint32_t attempt;
    int64_t now_ms; /* monotonic, at open */
    int64_t (*clock_ms)(void *);
    void *clock_self;
    /* print: where rows go. NULL: the process's stdout. Returns 0, or WEIR_READ_PENDING when the
     * receiver is full (bytes not taken). */
    int (*print)(void *self, const char *bytes, size_t size);
    void *print_self;
} weir_connector_context;

typedef struct weir_reader {
    const struct weir_reader_class *vtable;
} weir_reader;

struct weir_reader_class {
    /* Appends rows to the builder until it is full or nothing is left; returns weir_read_result or
     * a negative error whose text names the source, the place (line, byte) and the bytes. */
    int (*read)(weir_reader *self, weir_builder *into, weir_wait *ret_wait, weir_error *err);
    /* Starts on a split (opaque bytes of this connector's enumerator). NULL: needs no splits. */
    int (*add_split)(weir_reader *self, const void *split, size_t size, weir_error *err);
    void (*close)(weir_reader *self);
};

typedef struct weir_enumerator {
    const struct weir_enumerator_class *vtable;
} weir_enumerator;

struct weir_enumerator_class {
    /* The next split for `subtask` into out; returns 0, or WEIR_READ_END when none is left. */
    int (*next)(weir_enumerator *self, uint32_t subtask, weir_buffer *out, weir_error *err);
    void (*close)(weir_enumerator *self);
};

typedef struct weir_writer {
    const struct weir_writer_class *vtable;
} weir_writer;

struct weir_writer_class {
    /* Takes all rows, or returns WEIR_READ_PENDING with nothing taken: call again with the same. */
    int (*write)(weir_writer *self, const weir_columns *columns, weir_wait *ret_wait,
                 weir_error *err);
    /* Nothing more will come soon: hand over what is buffered. May return WEIR_READ_PENDING. */
    int (*flush)(weir_writer *self, weir_wait *ret_wait, weir_error *err);
    /* All input was written: make it final. May return WEIR_READ_PENDING. */
    int (*finish)(weir_writer *self, weir_wait *ret_wait, weir_error *err);
    void (*close)(weir_writer *self); /* without finish: discards what is not final */
};

struct weir_connector {
    const char *name;           /* "filesystem" */
    const char *const *aliases; /* {"file", NULL} */
    const char *meaning;        /* one sentence */
    const char *path_meaning;   /* "path or glob" */
    const weir_connector_option *options;
    uint32_t noptions;
    bool source, sink;
    bool local_only; /* belongs to this terminal: stdin: */
    /* Extra checks of a resolved operator (option combinations, schema); NULL: none. Pure. */
    int (*check)(const weir_graph_operator *op, bool sink, weir_error *err);
    /* Does the source end by itself? NULL: always bounded. `local`: it runs in this process. */
    bool (*bounded)(const weir_graph_operator *op, bool local);
    int (*open_enumerator)(const weir_connector_context *, weir_enumerator **, weir_error *);
    int (*open_reader)(const weir_connector_context *, weir_reader **, weir_error *);
    int (*open_writer)(const weir_connector_context *, weir_writer **, weir_error *);
};

typedef struct weir_connector_catalog {
    const weir_connector *const *connectors; /* ends with NULL */
} weir_connector_catalog;

const weir_connector *weir_connector_find(const weir_connector_catalog *catalog, const char *name);
/* Parses a URL (parameters already replaced) into op->connector, url, path, options (every option
 * of the connector, defaults filled in) and runs its check. Texts go to `arena`. */
int weir_connector_resolve(const weir_connector_catalog *catalog, weir_arena *arena,
                           const char *url, bool sink, weir_graph_operator *op,
                           weir_error *err) WEIR_MUST_CHECK;
/* The value of an option; its default when the user gave none. */
const char *weir_connector_option_get(const weir_graph_operator *op, const char *name);

#endif
