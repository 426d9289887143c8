#include "harness.h"

WEIR_RECORD(sale, (string, shop), (bigint, cents), (bigint, sales));
WEIR_RECORD(note, (bigint, id), (string, text), (array, tags, WEIR_OF(string)));

static int add_up(weir_ctx *ctx, void *accumulator, const void *record)
{
    sale *sum = accumulator;
    const sale *s = record;

    if (s->cents == 666)
        return weir_fail(ctx, "cursed");
    if (s->cents == 667)
        return weir_emit(ctx, record);
    sum->cents += s->cents;
    sum->sales += s->sales;
    return 0;
}

static int only_add(weir_ctx *ctx, void *accumulator, const void *record)
{
    sale *sum = accumulator;
    const sale *s = record;

    (void)ctx;
    sum->cents += s->cents;
    sum->sales += s->sales;
    return 0;
}

/* Lets the accumulator point to the record in hand, to its own bytes, and to memory of its own. */
static int longest(weir_ctx *ctx, void *accumulator, const void *record)
{
    static const weir_string constant[2] = {{"from", 4}, {"module", 6}};
    note *best = accumulator;
    const note *n = record;

    (void)ctx;
    if (n->text.n > best->text.n) {
        best->text = n->text;
        best->tags = n->tags;
    } else if (n->text.n == 1) {
        best->text.n--; /* shorter, in place */
    } else if (n->text.n == 0) {
        best->tags = (weir_array){constant, 2};
    }
    return 0;
}

static void reduce_init(fixture *f, enum weir_phase phase, bool batch, const weir_type *type,
                        weir_reduce_fn fn)
{
    fixture_init(f, WEIR_OPERATOR_REDUCE, type, type);
    f->described.name = "reduce";
    f->described.phase = phase;
    f->described.nkeys = 1;
    f->graph.batch = batch;
    f->code.reduce = fn;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_rows(catcher *c)
{
    if (c->count > 0)
        qsort(c->rows, c->count, sizeof *c->rows, by_text);
}

static void test_complete_batch(void **state)
{
    fixture f;

    (void)state;
    reduce_init(&f, WEIR_PHASE_COMPLETE, true, WEIR_TYPE(sale), add_up);
    assert_int_equal(fixture_open(&f), 0);
    add(&f, &(sale){str("paris"), 100, 1});
    add(&f, &(sale){str("rome"), 5, 1});
    assert_int_equal(feed(&f, 0), 0);
    add(&f, &(sale){str("paris"), 20, 1});
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(flush(&f), 0);
    assert_int_equal(f.outputs[0].count, 0);
    assert_int_equal(end_input(&f, NULL), 0);
    sort_rows(&f.outputs[0]);
    EXPECT(&f.outputs[0], "+I{shop=paris, cents=120, sales=2}", "+I{shop=rome, cents=5, sales=1}");
    assert_int_equal(f.op->records_in, 3);
    assert_int_equal(f.op->records_out, 2);
    fixture_close(&f);
}

static void test_changes(void **state)
{
    fixture f;

    (void)state;
    reduce_init(&f, WEIR_PHASE_COMPLETE, false, WEIR_TYPE(sale), add_up);
    assert_int_equal(fixture_open(&f), 0);
    add_full(&f, 0, &(sale){str("a"), 1, 1}, 10, WEIR_INSERT);
    add_full(&f, 0, &(sale){str("b"), 2, 1}, 11, WEIR_INSERT);
    add_full(&f, 0, &(sale){str("a"), 3, 1}, 12, WEIR_INSERT);
    assert_int_equal(feed(&f, 0), 0);
    add_full(&f, 0, &(sale){str("a"), 4, 1}, 13, WEIR_UPDATE_AFTER);
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(end_input(&f, NULL), 0);
    EXPECT(&f.outputs[0], "+I{shop=a, cents=1, sales=1}@10", "+I{shop=b, cents=2, sales=1}@11",
           "-U{shop=a, cents=1, sales=1}@12", "+U{shop=a, cents=4, sales=2}@12",
           "-U{shop=a, cents=4, sales=2}@13", "+U{shop=a, cents=8, sales=3}@13");
    fixture_close(&f);
}

/* An accumulator outlives the batches and the memory that it was folded from. */
static void test_accumulator_owns_its_memory(void **state)
{
    weir_string tags[2] = {str("x"), str("yy")};
    fixture f;

    (void)state;
    reduce_init(&f, WEIR_PHASE_COMPLETE, true, WEIR_TYPE(note), longest);
    assert_int_equal(fixture_open(&f), 0);
    for (uint32_t length = 2; length < 300; length += 7) {
        char text[300];

        memset(text, 'a' + (int)(length % 26), length);
        add(&f, &(note){1, {text, length}, {tags, length % 3}});
        assert_int_equal(feed(&f, 0), 0);
    }
    add(&f, &(note){1, str("longer than nothing"), {tags, 1}});
    add(&f, &(note){2, str("second"), {tags, 2}});
    add(&f, &(note){2, str("-"), {NULL, 0}});
    add(&f, &(note){2, str("-"), {NULL, 0}});
    add(&f, &(note){3, str("third"), {tags, 2}});
    add(&f, &(note){3, str(""), {NULL, 0}});
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(end_input(&f, NULL), 0);
    sort_rows(&f.outputs[0]);
    assert_int_equal(f.outputs[0].count, 3);
    assert_non_null(strstr(f.outputs[0].rows[0], "+I{id=1, text=kkkkk"));
    assert_string_equal(f.outputs[0].rows[1], "+I{id=2, text=seco, tags=[x, yy]}");
    assert_string_equal(f.outputs[0].rows[2], "+I{id=3, text=third, tags=[from, module]}");
    fixture_close(&f);
}

/* PARTIAL, whatever its memory, then FINAL gives what COMPLETE gives: the naive sums. */
static void test_two_phases_model(void **state)
{
    static const uint64_t limits[] = {0, 30000, 100000, 1u << 20};
    enum { SHOPS = 300 };

    (void)state;
    for (size_t l = 0; l < WEIR_COUNT(limits); l++) {
        int64_t cents[SHOPS] = {0}, sales[SHOPS] = {0};
        weir_prng prng = {l + 9};
        fixture partial, final;
        size_t present = 0;

        reduce_init(&partial, WEIR_PHASE_PARTIAL, true, WEIR_TYPE(sale), only_add);
        reduce_init(&final, WEIR_PHASE_FINAL, true, WEIR_TYPE(sale), only_add);
        partial.context.combine_memory = limits[l];
        assert_int_equal(fixture_open(&partial), 0);
        assert_int_equal(fixture_open(&final), 0);
        for (int batch = 0; batch < 40; batch++) {
            for (int i = 0; i < 120; i++) {
                uint64_t shop = weir_prng_below(&prng, SHOPS);
                int64_t amount = (int64_t)weir_prng_below(&prng, 600);
                char name[40];

                (void)snprintf(name, sizeof name, shop % 2 ? "s%llu" : "the-shop-with-number-%llu",
                               (unsigned long long)shop);
                cents[shop] += amount;
                sales[shop]++;
                add(&partial, &(sale){str(name), amount, 1});
            }
            assert_int_equal(feed(&partial, 0), 0);
        }
        assert_int_equal(end_input(&partial, NULL), 0);
        assert_true(partial.outputs[0].largest <= 100);
        for (size_t i = 0; i < partial.outputs[0].count; i++) {
            char name[64];
            long long c, n;

            assert_int_equal(sscanf(partial.outputs[0].rows[i],
                                    "+I{shop=%63[^,], cents=%lld, sales=%lld}", name, &c, &n),
                             3);
            add(&final, &(sale){str(name), c, n});
            if (i % 77 == 0)
                assert_int_equal(feed(&final, 0), 0);
        }
        assert_int_equal(feed(&final, 0), 0);
        assert_int_equal(end_input(&final, NULL), 0);
        for (size_t i = 0; i < final.outputs[0].count; i++) {
            const char *row = final.outputs[0].rows[i];
            const char *number = strpbrk(row + 8, "0123456789");
            long long shop, c, n;

            assert_non_null(number);
            assert_int_equal(sscanf(number, "%lld, cents=%lld, sales=%lld", &shop, &c, &n), 3);
            assert_int_equal(c, cents[shop]);
            assert_int_equal(n, sales[shop]);
        }
        for (int i = 0; i < SHOPS; i++)
            present += sales[i] > 0;
        assert_int_equal(final.outputs[0].count, present);
        fixture_close(&partial);
        fixture_close(&final);
    }
}

static void test_failures(void **state)
{
    static const struct {
        int64_t cents;
        uint8_t kind;
        const char *text;
    } cases[] = {
        {666, WEIR_INSERT, "job.c:7: reduce: cursed; record {shop=a, cents=666, sales=1}"},
        {667, WEIR_INSERT, "weir_emit where nothing may be emitted"},
        {1, WEIR_DELETE, "a row of kind -D came in"},
        {1, WEIR_UPDATE_BEFORE, "a row of kind -U came in"},
    };

    (void)state;
    for (size_t i = 0; i < 2 * WEIR_COUNT(cases); i++) {
        fixture f;

        reduce_init(&f, WEIR_PHASE_COMPLETE, i % 2, WEIR_TYPE(sale), add_up);
        assert_int_equal(fixture_open(&f), 0);
        add(&f, &(sale){str("a"), 1, 1});
        add_full(&f, 0, &(sale){str("a"), cases[i / 2].cents, 1}, INT64_MIN, cases[i / 2].kind);
        assert_int_equal(feed(&f, 0), WEIR_EUSER);
        assert_non_null(strstr(f.err.text, cases[i / 2].text));
        assert_int_equal(flush(&f), 0);
        assert_int_equal(f.outputs[0].count, 0); /* what waited is dropped */
        fixture_close(&f);
    }
}

static void test_end_is_resumable(void **state)
{
    uint32_t turns;
    fixture f;

    (void)state;
    reduce_init(&f, WEIR_PHASE_COMPLETE, true, WEIR_TYPE(sale), only_add);
    f.described.keys[0] = 1;
    assert_int_equal(fixture_open(&f), 0);
    for (int64_t i = 0; i < 5000; i++)
        add(&f, &(sale){str("a"), i, 1});
    assert_int_equal(feed(&f, 0), 0);
    assert_int_equal(end_input(&f, &turns), 0);
    assert_int_equal(f.outputs[0].count, 5000);
    assert_true(turns >= 45 && turns <= 51);
    fixture_close(&f);
}

/* Every allocation while folding may fail: an error, no leak. */
static void test_out_of_memory(void **state)
{
    weir_string tags[1] = {str("tag")};

    (void)state;
    for (uint64_t nth = 1;; nth++) {
        weir_batch *batch = NULL;
        fixture f;
        int rc;

        reduce_init(&f, WEIR_PHASE_COMPLETE, false, WEIR_TYPE(note), longest);
        assert_int_equal(fixture_open(&f), 0);
        for (int64_t i = 0; i < 400; i++)
            add(&f, &(note){i % 150, i < 150 ? str("a") : str("longer text"), {tags, 1}});
        assert_int_equal(weir_builder_finish(f.input[0], &batch), 0);
        weir_memory_fail_at(nth);
        rc = f.op->vtable->process_batch(f.op, 0, weir_batch_columns(batch), &f.wait, &f.err);
        weir_memory_fail_at(0);
        weir_batch_unref(&batch);
        fixture_close(&f);
        if (rc == 0)
            break;
        assert_int_equal(rc, WEIR_ENO_MEMORY);
        assert_non_null(strstr(f.err.text, "job.c:7: reduce: "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete_batch),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_accumulator_owns_its_memory),
        cmocka_unit_test(test_two_phases_model),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_end_is_resumable),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
