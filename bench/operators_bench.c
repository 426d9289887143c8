/* operators_bench -- nanoseconds per word of the word count's hot path: lines -> split -> combiner.
 *
 *   operators_bench TEXT [MIB] [ROWS]     TEXT is repeated up to MIB (256); batches have ROWS rows
 * (4096)
 *
 * One thread, no exchange, no input or output: what a core spends in the operators themselves. */
#include "../examples/wordcount.c"

#include "base/clock.h"
#include "base/memory.h"
#include "operators/operators.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct to_operator {
    weir_collector base;
    weir_operator *next; /* NULL: only counts rows */
    uint64_t rows;
} to_operator;

typedef struct chain {
    weir_graph graph;
    weir_graph_operator split, combine;
    weir_user_code code;
    weir_api api;
    weir_schema *line, *word, *counted;
    to_operator to_combine, end;
    uint32_t batch_rows;
} chain;

typedef struct text {
    char *bytes;
    uint32_t *starts, *lengths;
    uint32_t lines;
    size_t size;
} text;

static void check(int rc, const weir_error *err)
{
    if (rc >= 0)
        return;
    (void)fprintf(stderr, "operators_bench: %s: %s\n", weir_code_text(rc), err->text);
    exit(1);
}

static int collect(weir_collector *self, const weir_columns *columns, weir_error *err)
{
    to_operator *to = (to_operator *)self;
    weir_wait wait;

    to->rows += columns->rows;
    return to->next ? to->next->vtable->process_batch(to->next, 0, columns, &wait, err) : 0;
}

static void load(const char *path, size_t wanted, text *t)
{
    FILE *file = fopen(path, "r");
    size_t unit;

    t->bytes = weir_alloc(wanted + 1);
    t->starts = weir_alloc((wanted + 1) * sizeof *t->starts);
    t->lengths = weir_alloc((wanted + 1) * sizeof *t->lengths);
    if (!file || !t->bytes || !t->starts || !t->lengths) {
        (void)fprintf(stderr, "operators_bench: cannot read %s\n", path);
        exit(1);
    }
    unit = fread(t->bytes, 1, wanted, file);
    (void)fclose(file);
    for (t->size = unit; unit > 0 && t->size + unit <= wanted; t->size += unit)
        memcpy(t->bytes + t->size, t->bytes, unit);
    for (size_t at = 0; at < t->size;) {
        const char *end = memchr(t->bytes + at, '\n', t->size - at);
        size_t n = end ? (size_t)(end - t->bytes) - at : t->size - at;

        t->starts[t->lines] = (uint32_t)at;
        t->lengths[t->lines++] = (uint32_t)n;
        at += n + 1;
    }
}

static weir_operator *open_operator(chain *c, const weir_graph_operator *described,
                                    const weir_user_code *code, weir_collector *to)
{
    weir_error err = WEIR_ERROR_INIT;
    weir_operator_context context = {.graph = &c->graph,
                                     .operator_ = described,
                                     .code = code,
                                     .api = &c->api,
                                     .parallelism = 1,
                                     .outputs = {to},
                                     .batch_rows = c->batch_rows,
                                     .batch_bytes = 64u << 10,
                                     .combine_memory = 64u << 20};
    weir_operator *operator_;

    check(weir_operator_new(&context, &operator_), &err);
    check(operator_->vtable->open(operator_, &err), &err);
    return operator_;
}

static void chain_init(chain *c, uint32_t batch_rows)
{
    weir_error err = WEIR_ERROR_INIT;

    memset(c, 0, sizeof *c);
    c->batch_rows = batch_rows;
    c->graph = (weir_graph){.name = "bench", .batch = true, .parallelism = 1};
    c->api.size = sizeof c->api;
    weir_user_context_api(&c->api);
    check(weir_schema_from_type(WEIR_TYPE(weir_line), &c->line, &err), &err);
    check(weir_schema_from_type(WEIR_TYPE(word), &c->word, &err), &err);
    check(weir_schema_from_type(WEIR_TYPE(count), &c->counted, &err), &err);
    c->split = (weir_graph_operator){.kind = WEIR_OPERATOR_PROCESS,
                                     .name = "split",
                                     .ninputs = 1,
                                     .inputs = {c->line},
                                     .noutputs = 1,
                                     .outputs = {c->word}};
    c->combine = (weir_graph_operator){.index = 1,
                                       .kind = WEIR_OPERATOR_COUNT,
                                       .phase = WEIR_PHASE_PARTIAL,
                                       .name = "count",
                                       .ninputs = 1,
                                       .inputs = {c->word},
                                       .noutputs = 1,
                                       .outputs = {c->counted},
                                       .nkeys = 1,
                                       .count_field = 1};
    c->code = (weir_user_code){.op = &splitter, .in = WEIR_TYPE(weir_line), .out = WEIR_TYPE(word)};
}

/* Lines of the text through split and, when `combine`, the combiner. */
static void run(chain *c, const text *t, bool combine)
{
    weir_error err = WEIR_ERROR_INIT;
    weir_operator *split, *counter = NULL;
    weir_builder *lines = NULL;
    weir_wait wait;
    uint64_t words;
    int64_t start, ns;
    int rc;

    c->end = (to_operator){.base.collect = collect};
    c->to_combine = (to_operator){.base.collect = collect};
    if (combine)
        counter = open_operator(c, &c->combine, NULL, &c->end.base);
    c->to_combine.next = counter;
    split = open_operator(c, &c->split, &c->code, &c->to_combine.base);
    check(weir_builder_new(c->line, c->batch_rows, 1u << 20, &lines), &err);
    start = weir_clock_monotonic_ns();
    for (uint32_t at = 0; at < t->lines; at += 512) {
        uint32_t n = t->lines - at < 512 ? t->lines - at : 512;

        check(weir_builder_append_strings(lines, t->bytes, t->starts + at, t->lengths + at, n),
              &err);
        check(split->vtable->process_batch(split, 0, weir_builder_view(lines), &wait, &err), &err);
        weir_builder_clear(lines);
    }
    check(split->vtable->end_of_input(split, &wait, &err), &err);
    while (counter && (rc = counter->vtable->end_of_input(counter, &wait, &err)) != WEIR_DONE)
        check(rc, &err);
    ns = weir_clock_monotonic_ns() - start;
    words = split->records_out;
    (void)printf("%-14s %10" PRIu64 " words  %7.2f ns/word  %7.0f MB/s  %" PRIu64 " rows out\n",
                 combine ? "split + count" : "split", words, (double)ns / (double)words,
                 (double)t->size * 1e3 / (double)ns, combine ? c->end.rows : c->to_combine.rows);
    split->vtable->close(split);
    if (counter)
        counter->vtable->close(counter);
    weir_builder_destroy(&lines);
}

int main(int argc, char **argv)
{
    text t = {0};
    chain c;

    if (argc < 2) {
        (void)fprintf(stderr, "usage: operators_bench TEXT [MIB] [ROWS]\n");
        return 2;
    }
    load(argv[1], (argc > 2 ? strtoul(argv[2], NULL, 10) : 256) << 20, &t);
    chain_init(&c, argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 4096);
    for (int i = 0; i < 3; i++) {
        run(&c, &t, false);
        run(&c, &t, true);
    }
    weir_schema_unref(&c.line);
    weir_schema_unref(&c.word);
    weir_schema_unref(&c.counted);
    weir_free(t.bytes);
    weir_free(t.starts);
    weir_free(t.lengths);
    return 0;
}
