/* clang-format off */ /* macros and one-line functions read better as they stand */
/* weir/weir.h -- the job API.
 *
 * A job is a shared object with one exported symbol. It links to nothing: every call goes through an
 * append-only function table that the engine hands over after it has read the job's ABI version from
 * an ELF note, before any of the job's code runs.
 *
 *   weir run wordcount.c --set input=stdin: < book.txt
 *
 * Building the graph never fails at once: errors are collected with file and line and reported all
 * together. At run time a callback returns 0, or the negative result of weir_fail. Operator contexts
 * belong to one thread and live for the callback only; values handed to a callback are borrowed until
 * it returns, values that it emits are copied at once. C99- and C++-clean. */
#ifndef WEIR_H
#define WEIR_H

#include <weir/types.h>

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_ABI   1u
#define WEIR_MAGIC 0x57524a31u /* "WRJ1" */

#define WEIR_SEC(n) ((int64_t)(n) * 1000)
#define WEIR_MIN(n) ((int64_t)(n) * 60000)
#define WEIR_HOUR(n) ((int64_t)(n) * 3600000)
#define WEIR_NO_TIMESTAMP INT64_MIN

typedef struct weir_env weir_env;       /* the job under construction */
typedef struct weir_stream weir_stream; /* an edge of the job graph */
typedef struct weir_api weir_api;

/* One running subtask. The first members are public, so that the hot calls are direct. */
typedef struct weir_ctx {
    int (*emit)(struct weir_ctx *ctx, const void *record); /* to the main output */
    const weir_api *api;
} weir_ctx;

/* A side output: declared in the operator, chosen by its index in weir_emit_to (1 = the first). */
typedef struct weir_output {
    const char *name;
    const weir_type *type;
} weir_output;

/* An operator is plain data; members that are not set keep their default. Members are only ever
 * appended; `size` tells which ones this job knows. Set at most one of on_record, on_input, on_batch. */
typedef struct weir_op {
    uint32_t size;
    const char *name;       /* shown in plans, metrics, errors */
    const weir_type *in;    /* of input 0; checked against the stream */
    const weir_type *out;   /* of the main output; NULL: none */
    const weir_output *sides; /* ends with {NULL, NULL}; NULL: none */
    uint32_t instance_size; /* bytes of zeroed memory per subtask, see weir_instance */
    int (*open)(weir_ctx *ctx);
    int (*on_record)(weir_ctx *ctx, const void *record);
    int (*on_input)(weir_ctx *ctx, uint32_t input, const void *record);
    int (*on_batch)(weir_ctx *ctx, uint32_t input, const weir_columns *batch);
    int (*on_end)(weir_ctx *ctx); /* all inputs have ended; may emit */
    int (*close)(weir_ctx *ctx);  /* always called once if open succeeded; may not emit */
    const weir_type *in2;   /* of input 1, for weir_process2 */
} weir_op;

typedef int (*weir_map_fn)(weir_ctx *ctx, const void *in, void *out);  /* out is zeroed */
typedef bool (*weir_filter_fn)(weir_ctx *ctx, const void *record);     /* true keeps it */
typedef int (*weir_reduce_fn)(weir_ctx *ctx, void *accumulator, const void *record);

struct weir_api {
    uint32_t size, abi;

    /* Building. Never NULL: after an error a stream is still usable, so that more errors are found. */
    weir_stream *(*source)(weir_env *, const char *url, const weir_type *, const char *file, int line);
    weir_stream *(*map)(weir_stream *, const char *name, weir_map_fn, const weir_type *in,
                        const weir_type *out, const char *file, int line);
    weir_stream *(*filter)(weir_stream *, const char *name, weir_filter_fn, const weir_type *in,
                           const char *file, int line);
    weir_stream *(*process)(weir_stream *, const weir_op *, const char *file, int line);
    weir_stream *(*process2)(weir_stream *, weir_stream *, const weir_op *, const char *file, int line);
    weir_stream *(*side)(weir_stream *, const char *output, const char *file, int line);
    weir_stream *(*union_)(weir_stream *, weir_stream *, const char *file, int line);
    weir_stream *(*key_by)(weir_stream *, const char *fields, const char *file, int line);
    weir_stream *(*partition)(weir_stream *, int how, const char *file, int line);
    weir_stream *(*count)(weir_stream *, const weir_type *out, const char *file, int line);
    weir_stream *(*reduce)(weir_stream *, weir_reduce_fn, const weir_type *, const char *file, int line);
    void (*sink)(weir_stream *, const char *url, const char *file, int line);
    weir_stream *(*set)(weir_stream *, int what, const char *text, int64_t number, const char *file,
                        int line);
    const char *(*env_param)(weir_env *, const char *name, const char *fallback, const char *file,
                             int line);
    void (*env_fail)(weir_env *, const char *file, int line, const char *format, ...);

    /* Running. */
    int (*emit_to)(weir_ctx *, uint32_t output, const void *record, int64_t timestamp, int row_kind);
    int (*emit_columns)(weir_ctx *, uint32_t output, const weir_columns *, const uint32_t *selection,
                        uint32_t count);
    int (*fail)(weir_ctx *, const char *format, ...);
    void *(*instance)(weir_ctx *);
    const char *(*param)(weir_ctx *, const char *name); /* as given with --set, or its default; NULL */
    uint32_t (*subtask)(weir_ctx *);
    uint32_t (*parallelism)(weir_ctx *);
    int64_t (*timestamp)(weir_ctx *);   /* of the record in hand; WEIR_NO_TIMESTAMP when it has none */
    int (*row_kind)(weir_ctx *);        /* of the record in hand: enum weir_row_kind */
    void (*log)(weir_ctx *, const char *format, ...);
};

enum weir_partitioning { WEIR_FORWARD = 1, WEIR_REBALANCE = 2, WEIR_BROADCAST = 3 };
enum weir_setting { WEIR_SET_UID = 1, WEIR_SET_NAME = 2, WEIR_SET_PARALLELISM = 3, WEIR_SET_NO_CHAIN = 4 };

/* ---- the module ---- */

typedef struct weir_module {
    uint32_t magic, abi, size, api_size;
    const char *name;
    const char *compiler;
    void (*build)(const weir_api *api, weir_env *env);
} weir_module;

#ifndef WEIR_EXTERN_API
static const weir_api *weir__ __attribute__((unused)); /* for jobs of several files: see WEIR_EXTERN_API in docs/job-api.md */
#else
extern const weir_api *weir__;
#endif

/* The ABI version, readable without loading the code: an ELF note of owner "Weir", type 1. */
#define WEIR__NOTE                                                                               \
    __attribute__((section(".note.weir"), used, aligned(4))) static const struct {               \
        uint32_t name_size, content_size, type;                                                  \
        char name[8];                                                                            \
        uint32_t magic, abi, api_size;                                                           \
    } weir__note = { 5, 12, 1, "Weir", WEIR_MAGIC, WEIR_ABI, (uint32_t)sizeof(weir_api) }

#ifdef __cplusplus
#define WEIR__C extern "C"
#else
#define WEIR__C extern
#endif

#define WEIR_JOB(NAME)                                                                           \
    static void weir__build(weir_env *env);                                                      \
    static void weir__enter(const weir_api *api, weir_env *env) { weir__ = api; weir__build(env); } \
    WEIR__NOTE;                                                                                  \
    WEIR__C __attribute__((visibility("default"))) const weir_module weir_module_v1;             \
    const weir_module weir_module_v1 = {                                                         \
        WEIR_MAGIC, WEIR_ABI, sizeof(weir_module), sizeof(weir_api), NAME, __VERSION__, weir__enter }; \
    static void weir__build(weir_env *env)

/* ---- building ---- */

#define WEIR_OP(N, IN, OUT) sizeof(weir_op), N, WEIR_TYPE(IN), WEIR_TYPE(OUT)

#define weir_source(e, url, T)       weir__->source(e, url, WEIR_TYPE(T), __FILE__, __LINE__)
#define weir_map(s, fn, IN, OUT)     weir__->map(s, #fn, fn, WEIR_TYPE(IN), WEIR_TYPE(OUT), __FILE__, __LINE__)
#define weir_filter(s, fn, T)        weir__->filter(s, #fn, fn, WEIR_TYPE(T), __FILE__, __LINE__)
#define weir_apply(s, op)            weir__->process(s, op, __FILE__, __LINE__)
#define weir_flat_map(s, op)         weir__->process(s, op, __FILE__, __LINE__)
#define weir_process(s, op)          weir__->process(s, op, __FILE__, __LINE__)
#define weir_process2(a, b, op)      weir__->process2(a, b, op, __FILE__, __LINE__)
#define weir_side(s, output)         weir__->side(s, output, __FILE__, __LINE__)
#define weir_union(a, b)             weir__->union_(a, b, __FILE__, __LINE__)
#define weir_key_by(s, fields)       weir__->key_by(s, fields, __FILE__, __LINE__) /* "a" or "a, b" */
#define weir_forward(s)              weir__->partition(s, WEIR_FORWARD, __FILE__, __LINE__)
#define weir_rebalance(s)            weir__->partition(s, WEIR_REBALANCE, __FILE__, __LINE__)
#define weir_broadcast(s)            weir__->partition(s, WEIR_BROADCAST, __FILE__, __LINE__)
/* T: the key fields by name and one bigint field more, which becomes the count. */
#define weir_count(s, T)             weir__->count(s, WEIR_TYPE(T), __FILE__, __LINE__)
/* fn folds a record into the key's accumulator, which starts as a copy of the key's first record. */
#define weir_reduce(s, fn, T)        weir__->reduce(s, fn, WEIR_TYPE(T), __FILE__, __LINE__)
#define weir_sink(s, url)            weir__->sink(s, url, __FILE__, __LINE__)

/* About the operator that made the stream. */
#define weir_uid(s, text)            weir__->set(s, WEIR_SET_UID, text, 0, __FILE__, __LINE__)
#define weir_name(s, text)           weir__->set(s, WEIR_SET_NAME, text, 0, __FILE__, __LINE__)
#define weir_parallelism(s, n)       weir__->set(s, WEIR_SET_PARALLELISM, NULL, n, __FILE__, __LINE__)
#define weir_no_chain(s)             weir__->set(s, WEIR_SET_NO_CHAIN, NULL, 1, __FILE__, __LINE__)

#define weir_env_param(e, name, fallback) weir__->env_param(e, name, fallback, __FILE__, __LINE__)
#define weir_env_fail(e, ...)        weir__->env_fail(e, __FILE__, __LINE__, __VA_ARGS__)

/* ---- running: functions, because &(T){ .a = 1, .b = 2 } has commas ---- */

static inline int weir_emit(weir_ctx *ctx, const void *record) { return ctx->emit(ctx, record); }
static inline int weir_emit_to(weir_ctx *ctx, uint32_t output, const void *record)
{
    return ctx->api->emit_to(ctx, output, record, ctx->api->timestamp(ctx), WEIR_INSERT);
}
static inline int weir_emit_columns(weir_ctx *ctx, uint32_t output, const weir_columns *columns,
                                    const uint32_t *selection, uint32_t count)
{
    return ctx->api->emit_columns(ctx, output, columns, selection, count);
}
static inline void *weir_instance(weir_ctx *ctx) { return ctx->api->instance(ctx); }
static inline const char *weir_param(weir_ctx *ctx, const char *name) { return ctx->api->param(ctx, name); }
static inline uint32_t weir_subtask_index(weir_ctx *ctx) { return ctx->api->subtask(ctx); }
static inline int64_t weir_time(weir_ctx *ctx) { return ctx->api->timestamp(ctx); }
#define weir_fail(ctx, ...) ((ctx)->api->fail(ctx, __VA_ARGS__))
#define weir_log_line(ctx, ...) ((ctx)->api->log(ctx, __VA_ARGS__))

/* ---- for first jobs ---- */

WEIR_RECORD(weir_line, (string, text));

static inline weir_string weir_text(const char *text)
{
    weir_string s;
    s.p = text;
    s.n = (uint32_t)strlen(text);
    return s;
}

/* The first n (at most 8) bytes at p as a little-endian word, zero-padded; reads nothing else. */
static inline uint64_t weir__word(const char *p, size_t n)
{
    uint64_t w;
    uint32_t a, b;

    if (n >= 8) {
        memcpy(&w, p, 8);
        return w;
    }
    if (n >= 4) {
        memcpy(&a, p, 4);
        memcpy(&b, p + n - 4, 4);
        return a | (uint64_t)b << (8 * (n - 4));
    }
    if (n == 0)
        return 0;
    return (uint64_t)(unsigned char)p[0] | (uint64_t)(unsigned char)p[n >> 1] << (8 * (n >> 1)) |
           (uint64_t)(unsigned char)p[n - 1] << (8 * (n - 1));
}

/* Which bytes of a text separate, 16 at a time where there are such instructions, else 8: in both
 * ways nothing behind the text is read. */
#if defined(__SSE2__) && defined(__GNUC__)
#define WEIR__STEP 16u
typedef char weir__bytes __attribute__((vector_size(16)));
typedef long long weir__words __attribute__((vector_size(16)));

static inline uint32_t weir__marks(weir__bytes bytes, const char *separators, size_t n)
{
    weir__bytes found = bytes ^ bytes;
    size_t i;

    for (i = 0; i < n; i++)
        found |= (weir__bytes)(bytes == (weir__bytes)((found ^ found) + separators[i]));
    return (uint32_t)__builtin_ia32_pmovmskb128(found);
}

/* Bit i: byte i at p separates; so do all behind the `left` bytes of the text. */
static inline uint32_t weir__separators(const char *p, size_t left, const char *separators, size_t n)
{
    weir__words words = { 0, 0 };
    uint64_t first, last;
    uint32_t found;

    if (__builtin_expect(left >= 16, 1)) {
        memcpy(&words, p, 16);
        return weir__marks((weir__bytes)words, separators, n);
    }
    first = last = weir__word(p, left);
    if (left >= 8)
        memcpy(&last, p + left - 8, 8);
    words[0] = (long long)first;
    words[1] = (long long)last;
    found = weir__marks((weir__bytes)words, separators, n);
    if (left >= 8)
        found = (found & 0xff) | (found >> 8) << (left - 8);
    return found | ~(uint32_t)0 << left;
}
#else
#define WEIR__STEP 8u
static inline uint32_t weir__separators(const char *p, size_t left, const char *separators, size_t n)
{
    const uint64_t ones = 0x0101010101010101u, lows = 0x7f7f7f7f7f7f7f7fu;
    uint64_t word = weir__word(p, left), found = 0;
    uint32_t marks;
    size_t i;

    for (i = 0; i < n; i++) {
        uint64_t x = word ^ ones * (unsigned char)separators[i];
        found |= ~(((x & lows) + lows) | x | lows);
    }
    marks = (uint32_t)(((found >> 7) * 0x0102040810204080u) >> 56);
    return left < 8 ? marks | ~(uint32_t)0 << left : marks;
}
#endif

/* Separators in front that are not just one, a token that is long, the end of the text. */
static __attribute__((noinline, unused)) weir_string weir__token_slowly(
    const char *p, const char *end, const char *separators, size_t n)
{
    uint32_t found = weir__separators(p, (size_t)(end - p), separators, n), size;
    weir_string t;

    while (p < end && (found & 1)) {
        size = ~found ? (uint32_t)__builtin_ctz(~found) : WEIR__STEP;
        size = size < WEIR__STEP ? size : WEIR__STEP;
        p += (size_t)(end - p) < size ? (size_t)(end - p) : size;
        found = weir__separators(p, (size_t)(end - p), separators, n);
    }
    t.p = p;
    for (; found == 0; found = weir__separators(p, (size_t)(end - p), separators, n))
        p += WEIR__STEP;
    if (p < end)
        p += __builtin_ctz(found);
    t.n = (uint32_t)(p - t.p);
    return t;
}

/* "The next token of *s into *t": *s then begins with the separator behind it. One look at the bytes
 * finds both ends of a short token: a loop over single bytes would mispredict at almost every one. */
static inline bool weir_token(weir_string *s, const char *separators, weir_string *t)
{
    const char *p = s->p, *end = s->p + s->n;
    size_t n = strlen(separators);
    uint32_t found = weir__separators(p, s->n, separators, n);

    if ((found & 3) == 1) { /* the separator behind the token before */
        p++;
        found >>= 1;
    }
    if (__builtin_expect((found & 1) || found == 0, 0)) {
        *t = weir__token_slowly(p, end, separators, n);
    } else {
        t->p = p;
        t->n = (uint32_t)__builtin_ctz(found);
    }
    s->p = t->p + t->n;
    s->n = (uint32_t)(end - s->p);
    return t->n > 0;
}

#ifdef __cplusplus
}
#endif
#endif
