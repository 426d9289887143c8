/* graph/job_builder.h -- a job while its build function runs: what stands behind weir_env and
 * weir_stream. Private to environment*.c. One thread; lives for one weir_environment_build.
 *
 * Operators go into the graph at once, with their schemas; edges are kept aside until the end,
 * because their kind may depend on parallelism that is set later. An error never stops the
 * building: it is noted, and the call goes on with what is known, so that all errors are found in
 * one run. */
#ifndef GRAPH_JOB_BUILDER_H
#define GRAPH_JOB_BUILDER_H

#include "base/buffer.h"
#include "graph/environment.h"

/* A call of the job API, and where it stands. */
typedef struct weir_call {
    const char *name; /* "key_by"; "" when the text says all */
    const char *file;
    int line;
} weir_call;

/* One upstream of a stream. */
typedef struct weir_part {
    uint32_t from, from_output;
    int kind; /* enum weir_edge_kind; 0: whatever fits */
    uint32_t keys[WEIR_GRAPH_KEYS_MAX], nkeys;
    weir_call chosen; /* the call that chose `kind` */
} weir_part;

struct weir_stream {
    weir_env *env;
    weir_stream *next;   /* in the order of the calls */
    weir_call call;      /* that made it */
    weir_schema *schema; /* borrowed from an operator; NULL: not known, because of an error */
    weir_part *parts;    /* several after union; none after an error */
    uint32_t nparts;
    bool used; /* something reads it */
};

typedef struct weir_pending_edge {
    weir_part part;
    uint32_t to, to_input;
} weir_pending_edge;

typedef struct weir_asked_param {
    struct weir_asked_param *next;
    const char *name, *value;
    const char *fallback; /* NULL: it has none */
    bool given;           /* with --set */
    weir_call call;
} weir_asked_param;

typedef struct weir_noted_error {
    struct weir_noted_error *next;
    const char *text;
} weir_noted_error;

#define WEIR_JOB_ERRORS_MAX 1000 /* that are kept; more are counted only */

struct weir_env {
    const weir_environment_config *config;
    weir_graph *graph;
    weir_user_code *code; /* one per operator */
    uint32_t code_capacity;
    weir_arena *arena; /* streams, errors, parameters */
    weir_stream *streams, **streams_tail;
    weir_stream lost; /* stands in when memory or a limit ends */
    weir_pending_edge *edges;
    uint32_t nedges, edges_capacity;
    weir_asked_param *params, **params_tail;
    weir_noted_error *errors, **errors_tail;
    uint32_t nerrors;
    bool no_memory, limit_noted;
};

/* ---- environment.c ---- */

/* Notes "file:line: error: <call>: <text>"; a text of several lines is as many errors. */
void weir_job_note(weir_env *env, const weir_call *call, const char *format, ...) WEIR_PRINTF(3, 4);
/* Notes "<where>: error: <text>" about the job as a whole. */
void weir_job_note_at(weir_env *env, const char *where, const char *format, ...) WEIR_PRINTF(3, 4);
/* The job that this thread builds, or NULL. */
weir_env *weir_job_building(void);

/* ---- environment_params.c ---- */

/* The value of a parameter, noted as asked for; "" after an error. Lives as long as the graph. */
const char *weir_job_param(weir_env *env, const weir_call *call, const char *name,
                           const char *fallback);
/* `url` with its ${...} replaced; NULL after an error. */
const char *weir_job_expand(weir_env *env, const weir_call *call, const char *url);
/* Copies the parameters into the graph; --set of what nobody asked for is noted. */
void weir_job_finish_params(weir_env *env);

/* ---- environment_streams.c ---- */

/* `stream`, or a stand-in when it is NULL (noted); NULL when no job is being built. */
weir_stream *weir_job_stream(weir_stream *stream, const weir_call *call);
/* A new stream of `nparts` zeroed parts; never NULL. */
weir_stream *weir_job_stream_new(weir_env *env, const weir_call *call, weir_schema *schema,
                                 uint32_t nparts);
/* The keys that all parts of the stream agree on, or NULL: it is not keyed. */
const weir_part *weir_job_keys(const weir_stream *stream);
/* "word" of the record, or "the stream" where it has no name or is not known. */
const char *weir_job_record_name(const weir_schema *schema);
/* Copies of a stream with another partitioning, as the job API has them. */
weir_stream *weir_job_key_by(weir_stream *in, const weir_call *call, const char *fields);
weir_stream *weir_job_partition(weir_stream *in, const weir_call *call, int how);
weir_stream *weir_job_union(weir_stream *a, weir_stream *b, const weir_call *call);
weir_stream *weir_job_side(weir_stream *in, const weir_call *call, const char *output);
weir_stream *weir_job_set(weir_stream *in, const weir_call *call, int what, const char *text,
                          int64_t number);
/* "a, b, c": the fields of a schema. */
void weir_job_put_fields(weir_buffer *out, const weir_schema *schema);
/* "; did you mean 'x'?" when a field has a similar name. */
void weir_job_put_similar(weir_buffer *out, const weir_schema *schema, const char *name);

/* ---- environment_finish.c ---- */

/* After the build function: the checks of the whole job, ids, and the edges. */
void weir_job_finish(weir_env *env);

/* ---- environment_calls.c fills the table with the calls that make operators ---- */

#endif
