/* shapes.c -- every kind of edge in one job: two sources, a union, a rebalance, a broadcast, keys,
 * an operator with two inputs. `output` counts the words of both inputs; `joined` the same, and the
 * words of the first input once more for every subtask. */
#include <weir/weir.h>

WEIR_RECORD(word, (string, text));
WEIR_RECORD(count, (string, text), (bigint, n));

static int split(weir_ctx *ctx, const void *in)
{
    const weir_line *line = in;
    weir_string rest = line->text, token;
    int rc = 0;

    while (rc == 0 && weir_token(&rest, " \t", &token))
        rc = weir_emit(ctx, &(word){.text = token});
    return rc;
}

static int pass(weir_ctx *ctx, uint32_t input, const void *in)
{
    (void)input;
    return weir_emit(ctx, in);
}

static const weir_op splitter = {WEIR_OP("split", weir_line, word), .on_record = split};
static const weir_op joiner = {WEIR_OP("join", word, word), .in2 = WEIR_TYPE(word),
                               .on_input = pass};

WEIR_JOB("shapes")
{
    weir_stream *lines = weir_source(env, "${input:}", weir_line);
    weir_stream *more = weir_source(env, "${more:}", weir_line);
    weir_stream *words = weir_flat_map(weir_rebalance(weir_union(lines, more)), &splitter);
    weir_stream *all = weir_flat_map(weir_broadcast(lines), &splitter);
    weir_stream *joined =
        weir_process2(weir_key_by(words, "text"), weir_key_by(all, "text"), &joiner);

    weir_sink(weir_count(weir_key_by(words, "text"), count), "${output:}");
    weir_sink(weir_count(weir_key_by(joined, "text"), count), "${joined:}");
}
