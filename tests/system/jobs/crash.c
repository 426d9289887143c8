/* crash.c -- numbers pass until the 1000th, then what --set how=... says happens. */
#include <weir/weir.h>

#include <stdlib.h>

WEIR_RECORD(number, (bigint, sequence));

typedef struct counter {
    long long seen;
    void (*disaster)(void);
} counter;

/* Kept from the compiler, which would see through them. */
static volatile int zero;
static char *volatile nowhere;
static volatile long depth;

__attribute__((noinline)) static void write_nowhere(void)
{
    *nowhere = 1;
}

__attribute__((noinline)) static void give_up(void)
{
    abort();
}

__attribute__((noinline)) static void leave_quietly(void)
{
    exit(0);
}

__attribute__((noinline)) static void divide_by_zero(void)
{
    depth = 1000 / zero;
}

__attribute__((noinline)) static void recurse(void)
{
    volatile char frame[512];

    frame[0] = (char)depth++;
    if (depth > 0)
        recurse();
    frame[1] = frame[0];
}

__attribute__((noinline)) static void eat_memory(void)
{
    for (;;) {
        char *piece = malloc(1 << 20);

        memset(piece, 1, 1 << 20);
        nowhere = piece;
    }
}

static int open_counter(weir_ctx *ctx)
{
    static const struct {
        const char *name;
        void (*function)(void);
    } known[] = {{"segfault", write_nowhere}, {"abort", give_up},   {"exit", leave_quietly},
                 {"divide", divide_by_zero},  {"recurse", recurse}, {"allocate", eat_memory}};
    counter *c = weir_instance(ctx);
    const char *how = weir_param(ctx, "how");

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(how, known[i].name) == 0)
            c->disaster = known[i].function;
    return c->disaster == NULL ? weir_fail(ctx, "how=%s is not known", how) : 0;
}

static int pass(weir_ctx *ctx, const void *in)
{
    counter *c = weir_instance(ctx);

    if (++c->seen == 1000) {
        weir_log_line(ctx, "the 1000th record is here");
        c->disaster();
    }
    return weir_emit(ctx, in);
}

static const weir_op passing = {WEIR_OP("pass", number, number), .instance_size = sizeof(counter),
                                .open = open_counter, .on_record = pass};

WEIR_JOB("crash")
{
    weir_stream *numbers = weir_source(env, "datagen:?rows=20000&rate=20000", number);

    weir_env_param(env, "how", "segfault");
    weir_sink(weir_process(numbers, &passing), "blackhole:");
}
