/* wordcount.c -- how often each word occurs
 *
 *   weir run wordcount.c --set input=file:book.txt
 *   weir run wordcount.c --set input=stdin: < book.txt
 */
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

static const weir_op splitter = {WEIR_OP("split", weir_line, word), .on_record = split};

WEIR_JOB("wordcount")
{
    weir_stream *lines = weir_source(env, "${input:stdin:}", weir_line);
    weir_stream *words = weir_key_by(weir_flat_map(lines, &splitter), "text");

    weir_sink(weir_count(words, count), "${output:print:}");
}
