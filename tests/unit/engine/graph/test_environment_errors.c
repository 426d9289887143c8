/* What is said about wrong jobs: all of it at once, with file and line. */
#include "graph_fixture.h"

WEIR_RECORD(payment, (string, card), (bigint, cents), (timestamp, at));
WEIR_RECORD(per_card, (string, card), (bigint, n));
WEIR_RECORD(no_number, (string, card), (string, n));
WEIR_RECORD(too_much, (string, card), (bigint, n), (bigint, m));
WEIR_RECORD(wrong_key, (bigint, card), (bigint, n));
WEIR_RECORD(tagged, (array, tags, WEIR_OF(string)), (string, card));

static int on_record(weir_ctx *ctx, const void *in)
{
    (void)ctx, (void)in;
    return 0;
}
static int on_input(weir_ctx *ctx, uint32_t input, const void *in)
{
    (void)ctx, (void)input, (void)in;
    return 0;
}
static int copy(weir_ctx *ctx, const void *in, void *out)
{
    (void)ctx, (void)in, (void)out;
    return 0;
}
static int fold(weir_ctx *ctx, void *accumulator, const void *in)
{
    (void)ctx, (void)accumulator, (void)in;
    return 0;
}

static const weir_output late[] = {{"late", WEIR_TYPE(payment)}, {NULL, NULL}};
static const weir_output twice[] = {
    {"x", WEIR_TYPE(payment)}, {"x", WEIR_TYPE(payment)}, {NULL, NULL}};
static const weir_op detect = {WEIR_OP("detect", payment, payment), .sides = late,
                               .on_record = on_record};
static const weir_op no_callback = {WEIR_OP("idle", payment, payment), .sides = NULL};
static const weir_op both = {WEIR_OP("both", payment, payment), .on_record = on_record,
                             .on_input = on_input};
static const weir_op two_inputs = {WEIR_OP("join", payment, payment), .on_record = on_record,
                                   .in2 = WEIR_TYPE(payment)};
static const weir_op two_streams = {WEIR_OP("zip", payment, payment), .on_input = on_input,
                                    .in2 = WEIR_TYPE(payment)};
static const weir_op same_sides = {WEIR_OP("sides", payment, payment), .sides = twice,
                                   .on_record = on_record};
static const weir_op only_sides = {
    sizeof(weir_op), "aside", WEIR_TYPE(payment), NULL, .sides = late, .on_record = on_record};

/* Line numbers are those of the jobs below, in a file of their own. */

JOB(keys)
{
#line 36 "broken.c"
    weir_stream *in = weir_source(env, "socket:x", payment);

    weir_sink(weir_key_by(in, "crad"), "print:");
    weir_sink(weir_key_by(in, "card, card"), "print:");
    weir_sink(weir_key_by(in, "card,, at"), "print:");
    weir_sink(weir_key_by(in, ""), "print:");
    weir_sink(weir_key_by(weir_source(env, "socket:x", tagged), "tags"), "print:");
    weir_sink(weir_key_by(in, NULL), "print:");
}

static void test_keys(void **state)
{
    (void)state;
    fixture_expect(
        &keys, NULL,
        "broken.c:38: error: key_by: 'payment' has no field 'crad'; it has: card, cents, at; did "
        "you "
        "mean 'card'?\n"
        "broken.c:39: error: key_by: field 'card' is named twice; name it once\n"
        "broken.c:40: error: key_by: 'card,, at' names no field; write key fields like \"a\" or "
        "\"a, "
        "b\"\n"
        "broken.c:41: error: key_by: '' names no field; write key fields like \"a\" or \"a, b\"\n"
        "broken.c:42: error: key_by: field 'tags' of 'tagged' is of type array, which cannot be a "
        "key; take fields that are no array, map or row\n"
        "broken.c:43: error: key_by: the key fields are NULL; write \"a\" or \"a, b\"\n");
}

JOB(counts)
{
#line 10 "broken.c"
    weir_stream *in = weir_source(env, "socket:x", payment);
    weir_stream *by = weir_key_by(in, "card");

    weir_sink(weir_count(in, per_card), "print:");
    weir_sink(weir_count(by, no_number), "print:");
    weir_sink(weir_count(by, too_much), "print:");
    weir_sink(weir_count(by, wrong_key), "print:");
    weir_sink(weir_count(by, payment), "print:");
    weir_sink(weir_reduce(weir_rebalance(by), fold, payment), "print:");
    weir_sink(weir_count(weir_count(by, per_card), per_card), "print:");
    weir_sink(weir_count(weir_key_by(in, "cents"), per_card), "print:");
}

static void test_counts(void **state)
{
    (void)state;
    fixture_expect(
        &counts, NULL,
        "broken.c:13: error: count: the stream is not keyed; a count works per key; call "
        "weir_key_by "
        "before it\n"
        "broken.c:14: error: count: 'no_number' must be the keys and exactly one bigint more for "
        "the "
        "count; it has: card, n; change the record\n"
        "broken.c:15: error: count: 'too_much' must be the keys and exactly one bigint more for "
        "the "
        "count; it has: card, n, m; change the record\n"
        "broken.c:16: error: count: field 'card' of 'wrong_key' is of another type than the key of "
        "the stream; it is bigint, the key is string; make them the same\n"
        "broken.c:17: error: count: 'payment' must be the keys and exactly one bigint more for the "
        "count; it has: card, cents, at; change the record\n"
        "broken.c:18: error: reduce: the stream is not keyed; a reduce works per key; call "
        "weir_key_by before it\n"
        "broken.c:19: error: count: the stream is not keyed; a count works per key; call "
        "weir_key_by "
        "before it\n"
        "broken.c:20: error: count: 'per_card' has no field 'cents', which is a key of the stream; "
        "it has: card, n; add it\n"
        "broken.c:20: error: count: 'per_card' must be the keys and exactly one bigint more for "
        "the "
        "count; it has: card, n; change the record\n");
}

JOB(types)
{
#line 1 "broken.c"
    weir_stream *in = weir_source(env, "socket:x", payment);
    weir_stream *lines = weir_source(env, "socket:x", weir_line);

    weir_sink(weir_map(in, copy, weir_line, weir_line), "print:");
    weir_sink(weir_union(in, lines), "print:");
    weir_sink(weir__->map(in, "", NULL, WEIR_TYPE(payment), NULL, __FILE__, __LINE__), "print:");
}

static void test_types(void **state)
{
    (void)state;
    fixture_expect(
        &types, NULL,
        "broken.c:4: error: map: 'copy' takes 'weir_line' (text string not null); the stream "
        "carries "
        "'payment' (card string not null, cents bigint not null, at timestamp(3) not null); make "
        "them the same\n"
        "broken.c:5: error: union: the streams differ in type; 'payment' is (card string not null, "
        "cents bigint not null, at timestamp(3) not null), 'weir_line' is (text string not null); "
        "map one to the other's type\n"
        "broken.c:6: error: map: the operator's name is missing or too long; give 1 to 255 bytes\n"
        "broken.c:6: error: map: the function is NULL; give a weir_map_fn\n"
        "broken.c:6: error: map: the record type is NULL; declare it with WEIR_RECORD and give it "
        "with WEIR_TYPE\n");
}

static union {
    weir_op op;
    unsigned char bytes[sizeof(weir_op) + 16];
} newer;

JOB(operators)
{
#line 1 "broken.c"
    weir_stream *in = weir_source(env, "socket:x", payment);

    weir_sink(weir_process(in, &no_callback), "print:");
    weir_sink(weir_process(in, &both), "print:");
    weir_sink(weir_process(in, &two_inputs), "print:");
    weir_sink(weir_process2(in, in, &two_inputs), "print:");
    weir_sink(weir_process(in, &same_sides), "print:");
    weir_process(in, &only_sides);
    weir_sink(weir_process(in, NULL), "print:");
    weir_sink(weir_process(in, &newer.op), "print:");
    weir_sink(weir_side(weir_process(in, &detect), "lat"), "print:");
    weir_sink(weir_side(in, "late"), "print:");
    weir_sink(weir_side(weir_process(in, &detect), NULL), "print:");
}

static void test_operators(void **state)
{
    (void)state;
    newer.op = detect;
    newer.op.size = sizeof(newer);
    newer.bytes[sizeof(newer) - 1] = 1;
    fixture_expect(
        &operators, NULL,
        "broken.c:3: error: process: 'idle' has none of on_record, on_input and on_batch; set "
        "exactly one\n"
        "broken.c:4: error: process: 'both' has several of on_record, on_input and on_batch; set "
        "exactly one\n"
        "broken.c:5: error: process: 'join' declares a second input (.in2); call weir_process2\n"
        "broken.c:6: error: process2: 'join' has on_record, which cannot tell its two inputs "
        "apart; "
        "set on_input\n"
        "broken.c:7: error: process: 'sides' has two side outputs 'x'; rename one\n"
        "broken.c:8: error: process: 'aside' has side outputs but no main output; set .out\n"
        "broken.c:9: error: process: the operator is NULL; give a weir_op\n"
        "broken.c:10: error: process: operator 'detect' sets members that this weir does not know; "
        "it was built with newer headers; update weir or build it with this weir's headers\n"
        "broken.c:11: error: side: 'detect' has no side output 'lat'; it has: late; did you mean "
        "'late'?\n"
        "broken.c:12: error: side: the stream is not that of one weir_process, so it has no side "
        "outputs; give it the result of weir_process and a name\n"
        "broken.c:13: error: side: the stream is not that of one weir_process, so it has no side "
        "outputs; give it the result of weir_process and a name\n");
}

JOB(settings)
{
#line 1 "broken.c"
    weir_stream *in = weir_source(env, "socket:x", payment);
    weir_stream *out = weir_process(in, &detect);

    weir_uid(in, "a");
    weir_uid(out, "a");
    weir_uid(out, "");
    weir_name(out, NULL);
    weir_parallelism(out, 0);
    weir_parallelism(out, 32769);
    weir__->set(out, 99, NULL, 0, __FILE__, __LINE__);
    weir_parallelism(out, 3);
    weir__->partition(out, 9, __FILE__, __LINE__);
    weir_name(weir_union(in, out), "u");
    weir_sink(weir_forward(out), "print:");
}

static void test_settings(void **state)
{
    (void)state;
    fixture_expect(
        &settings, NULL,
        "broken.c:5: error: uid: 'a' is set twice; 'source socket' (broken.c:1) has it already; a "
        "uid names one operator, choose another\n"
        "broken.c:6: error: uid: the text is empty; give 1 to 255 bytes\n"
        "broken.c:7: error: name: the text is empty; give 1 to 255 bytes\n"
        "broken.c:8: error: parallelism: parallelism of 'detect' is 0; it must be 1 to 32768\n"
        "broken.c:9: error: parallelism: parallelism of 'detect' is 32769; it must be 1 to 32768\n"
        "broken.c:10: error: set: unknown setting 99; the job needs a newer weir\n"
        "broken.c:12: error: partition: unknown partitioning 9; use weir_forward, weir_rebalance "
        "or "
        "weir_broadcast\n"
        "broken.c:13: error: name: a union is no operator; set it on the streams before the union\n"
        "broken.c:13: error: union: nothing reads its stream of 'payment'; end it with weir_sink, "
        "or "
        "remove the call\n"
        "broken.c:14: error: forward: forward needs equal parallelism; 'detect' has 3 and 'sink "
        "print' has 2; make them equal or use weir_rebalance\n");
}

JOB(connectors)
{
#line 1 "broken.c"
    weir_sink(weir_source(env, "fiel:/a", payment), "print:");
    weir_sink(weir_source(env, "file:?skip=x&formt=1&header=ja", payment), "print:");
    weir_sink(weir_source(env, "print:", payment), "socket:");
    weir_sink(weir_source(env, "stdin:", payment), "/tmp/x");
    weir_sink(weir_source(env, NULL, payment), NULL);
}

static void test_connectors(void **state)
{
    weir_environment_config config = fixture_config();

    (void)state;
    config.local = false;
    fixture_expect(
        &connectors, &config,
        "broken.c:1: error: source: there is no connector 'fiel'; there are: filesystem, stdin, "
        "print, socket, generator; did you mean 'file'?\n"
        "broken.c:2: error: source: option 'skip': expected a whole number; found 'x'\n"
        "broken.c:2: error: source: connector 'filesystem' has no option 'formt'; it has: format, "
        "split-size, poll, header, skip; did you mean 'format'?\n"
        "broken.c:2: error: source: option 'header': expected true or false; found 'ja'\n"
        "broken.c:3: error: source: connector 'print' is no source; it writes only; use another "
        "connector\n"
        "broken.c:3: error: sink: connector 'socket' is no sink; it reads only; use another "
        "connector\n"
        "broken.c:4: error: source: 'stdin:' belongs to this terminal; the job runs on a cluster, "
        "which does not see it; run the job locally or use another connector\n"
        "broken.c:4: error: sink: '/tmp/x' names no connector; write connector:path?option=value, "
        "as "
        "in file:/tmp/words.txt\n"
        "broken.c:5: error: source: the URL is NULL; write connector:path?option=value\n"
        "broken.c:5: error: sink: the URL is NULL; write connector:path?option=value\n");
}

JOB(parameters)
{
#line 1 "broken.c"
    weir_stream *in = weir_source(env, "file:/${input}", payment);

    weir_sink(in, "${out:file:/a");
    weir_sink(in, "file:/$x");
    weir_sink(in, "file:/${a b:c}");
    assert_string_equal(weir_env_param(env, "limit", NULL), "");
    weir_env_param(env, "n", "1");
    weir_env_param(env, "n", "2");
    weir_env_param(env, "n", "1");
    weir_env_fail(env, "%d is odd", 3);
}

static void test_parameters(void **state)
{
    weir_environment_config config = fixture_config();

    (void)state;
    config.params = (const weir_graph_option[]){{"inptu", "x"}};
    config.nparams = 1;
    fixture_expect(
        &parameters, &config,
        "broken.c:1: error: source: parameter 'input' has no value; give it with --set input=...\n"
        "broken.c:3: error: sink: '${out:file:/a' has no closing '}'; write ${name} or "
        "${name:default}, and $$ for a dollar\n"
        "broken.c:4: error: sink: 'file:/$x' has a lone '$'; write $$ for a dollar\n"
        "broken.c:5: error: sink: 'a b' cannot be the name of a parameter; use up to 255 letters, "
        "digits, '.', '_' and '-'\n"
        "broken.c:6: error: env_param: parameter 'limit' has no value; give it with --set "
        "limit=...\n"
        "broken.c:8: error: env_param: parameter 'n' has two defaults; '1' at broken.c:7 and '2' "
        "here; give it one\n"
        "broken.c:10: error: 3 is odd\n"
        "--set inptu: error: the job has no parameter 'inptu'; it has: input, limit, n; did you "
        "mean "
        "'input'?\n");
}

JOB(loose)
{
#line 1 "broken.c"
    weir_stream *in = weir_source(env, "socket:x", payment);

    weir_source(env, "socket:x", per_card);
    weir_key_by(in, "card");
    weir_process(in, &detect);
}

JOB(empty)
{
    (void)env;
}

JOB(null_stream)
{
#line 1 "broken.c"
    weir_sink(weir_map(NULL, copy, payment, payment), "print:");
    weir_sink(weir_union(weir_source(env, "file:/a", payment), NULL), "print:");
    weir_sink(weir_name(weir_key_by(NULL, "a"), "x"), "print:");
    weir_sink(NULL, "print:");
}

static void test_whole_job(void **state)
{
    (void)state;
    fixture_expect(&loose, NULL,
                   "broken.c:3: error: source: nothing reads its stream of 'per_card'; end it with "
                   "weir_sink, or remove the call\n"
                   "broken.c:4: error: key_by: nothing reads its stream of 'payment'; end it with "
                   "weir_sink, or remove the call\n"
                   "broken.c:5: error: process: nothing reads its stream of 'payment'; end it with "
                   "weir_sink, or remove the call\n"
                   "job 'loose': error: a job needs at least one sink; it has none; end a stream "
                   "with weir_sink(stream, url)\n");
    fixture_expect(&empty, NULL,
                   "job 'empty': error: a job needs at least one source; it has none; begin with "
                   "weir_source(env, url, type)\n"
                   "job 'empty': error: a job needs at least one sink; it has none; end a stream "
                   "with weir_sink(stream, url)\n");
    fixture_expect(
        &null_stream, NULL,
        "broken.c:1: error: map: the stream is NULL; give it the result of another call\n"
        "broken.c:2: error: union: the stream is NULL; give it the result of another "
        "call\n"
        "broken.c:3: error: key_by: the stream is NULL; give it the result of another "
        "call\n"
        "broken.c:4: error: sink: the stream is NULL; give it the result of another "
        "call\n");
}

JOB(unbounded)
{
#line 1 "broken.c"
    weir_stream *by = weir_key_by(weir_source(env, "socket:x", payment), "card");

    weir_sink(weir_reduce(weir_key_by(weir_reduce(by, fold, payment), "card"), fold, payment),
              "print:");
}

static void test_modes(void **state)
{
    weir_environment_config config = fixture_config();

    (void)state;
    fixture_expect(&unbounded, NULL,
                   "broken.c:3: error: reduce: 'reduce' before it takes rows back, which a reduce "
                   "cannot do; reduce before it, or run the job in batch mode\n");
    config.runtime_mode = 2;
    fixture_expect(&unbounded, &config,
                   "broken.c:1: error: source: 'socket:x' does not end by itself; batch mode needs "
                   "sources that do; set execution.runtime-mode to STREAMING or AUTOMATIC\n");
}

JOB(wide)
{
#line 1 "broken.c"
    weir_stream *in = weir_parallelism(weir_source(env, "file:/x", payment), 5);

    weir_sink(in, "print:");
}

static void test_parallelism(void **state)
{
    weir_environment_config config = fixture_config();

    (void)state;
    config.max_parallelism = 4;
    fixture_expect(&wide, &config,
                   "broken.c:1: error: parallelism of 'source file' is 5; pipeline.max-parallelism "
                   "is 4; lower the first or raise the second\n");
    config.parallelism = 0;
    config.max_parallelism = 0;
    fixture_expect(&wide, &config,
                   "job 'wide': error: parallelism is 0; it must be 1 to 32768\n"
                   "job 'wide': error: pipeline.max-parallelism is 0; it must be 1 to 32768, or "
                   "-1\n");
}

/* However many errors there are, the closing line tells the number. */
JOB(many)
{
    weir_stream *in = weir_source(env, "file:/x", payment);

    for (int i = 0; i < 2000; i++)
        weir_sink(weir_key_by(in, "carx"), "print:");
}

JOB(too_many_operators)
{
    weir_stream *in = weir_source(env, "file:/x", payment);

    for (int i = 0; i < 5000; i++)
        in = weir_map(in, copy, payment, payment);
    weir_sink(in, "print:");
}

JOB(too_many_parts)
{
    weir_stream *in = weir_source(env, "file:/x", payment);

    for (int i = 0; i < 64; i++)
        in = weir_union(in, in);
    weir_sink(in, "print:");
}

static void test_limits(void **state)
{
    weir_environment *environment = NULL;
    weir_error err = WEIR_ERROR_INIT;

    (void)state;
    assert_int_equal(fixture_try(&many, NULL, &environment, &err), WEIR_EINVALID);
    assert_non_null(strstr(err.text, "\nand "));
    assert_non_null(strstr(err.text, " more\n2000 errors; nothing was started"));
    assert_int_equal(fixture_try(&too_many_operators, NULL, &environment, &err), WEIR_EINVALID);
    assert_non_null(strstr(err.text, "more than 4096 operators"));
    assert_int_equal(fixture_try(&too_many_parts, NULL, &environment, &err), WEIR_EINVALID);
    assert_non_null(strstr(err.text, "a union of 8192 streams; at most 4096"));
}

/* A build function that builds another job meanwhile: the streams of the two do not mix. */
static weir_stream *outer_stream;

JOB(inner)
{
#line 1 "inner.c"
    weir_stream *in = weir_source(env, "file:/x", payment);

    weir_sink(weir_union(in, outer_stream), "print:");
    weir_sink(weir_process2(in, outer_stream, &two_streams), "print:");
}

JOB(outer)
{
    const weir_api *api = weir__; /* the inner job brings its own */

    outer_stream = weir_source(env, "file:/y", payment);
    fixture_expect(
        &inner, NULL,
        "inner.c:3: error: union: the streams belong to two jobs; use streams of this "
        "job\n"
        "inner.c:4: error: process2: the streams belong to two jobs; use streams of this "
        "job\n");
    weir__ = api;
    weir_sink(outer_stream, "print:");
}

static void test_two_jobs(void **state)
{
    weir_graph *graph = fixture_graph(&outer, NULL);

    (void)state;
    assert_int_equal(graph->noperators, 2);
    weir_graph_destroy(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),       cmocka_unit_test(test_counts),
        cmocka_unit_test(test_types),      cmocka_unit_test(test_operators),
        cmocka_unit_test(test_settings),   cmocka_unit_test(test_connectors),
        cmocka_unit_test(test_parameters), cmocka_unit_test(test_whole_job),
        cmocka_unit_test(test_modes),      cmocka_unit_test(test_parallelism),
        cmocka_unit_test(test_limits),     cmocka_unit_test(test_two_jobs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
