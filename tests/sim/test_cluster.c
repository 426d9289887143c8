/* The whole cluster counts words under many seeds, with delays, drops, repeats, killed and paused
 * TaskManagers, a restarted dispatcher, lost data frames and cancellations: each run ends with the
 * exact result or with a loud failure, never with a wrong result or none.
 *
 *   test_sim_cluster [--seeds N] [--first SEED]     many
 *   test_sim_cluster --seed SEED [--trace]          one again */
#include "cluster.h"

#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const words[] = {"weir", "the", "of", "and", "stream", "a", "to", "river"};

static struct {
    uint64_t first, count;
    bool trace;
} run = {1, 200, false};

typedef struct totals {
    uint64_t finished, failed, canceled, killed_seen, data_faults;
    weir_fault_counts faults;
} totals;

static void write_text(const char *path, uint64_t seed, uint64_t *counts)
{
    weir_prng prng = {seed * 77 + 5};
    FILE *file = fopen(path, "w");
    uint64_t lines = 50 + weir_prng_below(&prng, 400);

    assert_non_null(file);
    for (uint64_t i = 0; i < lines; i++) {
        uint64_t n = weir_prng_below(&prng, 9);
        for (uint64_t w = 0; w < n; w++) {
            uint64_t which = weir_prng_below(&prng, WEIR_COUNT(words));
            counts[which]++;
            fprintf(file, "%s ", words[which]);
        }
        fputc('\n', file);
    }
    fclose(file);
}

static uint64_t *count_of(uint64_t *counts, const char *word)
{
    for (size_t w = 0; w < WEIR_COUNT(words); w++) {
        if (strcmp(words[w], word) == 0)
            return &counts[w];
    }
    fail_msg("a word that is not in the text: '%s'", word);
    return NULL;
}

/* "word,n": each word once. "+U,word,n": a changelog, which must replay without a flaw. */
static void apply_line(char *line, uint64_t *counts)
{
    char *comma = strrchr(line, ',');
    const char *change = "+I";

    assert_non_null(comma);
    *comma = 0;
    uint64_t n = strtoull(comma + 1, NULL, 10);
    if ((line[0] == '+' || line[0] == '-') && line[2] == ',') {
        change = line;
        line[2] = 0;
        line += 3;
    }
    uint64_t *count = count_of(counts, line);
    if (strcmp(change, "-U") == 0) {
        assert_int_equal(*count, n);
        return;
    }
    assert_int_equal(*count, strcmp(change, "+U") == 0 ? n - 1 : 0);
    *count = n;
}

static void read_counts(const char *directory, uint64_t *counts)
{
    DIR *listing = opendir(directory);
    char path[512], line[256];

    assert_non_null(listing);
    for (struct dirent *entry; (entry = readdir(listing));) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        while (fgets(line, sizeof line, file))
            apply_line(line, counts);
        fclose(file);
    }
    closedir(listing);
}

static void choose_faults(sim_plan *plan, weir_prng *prng)
{
    plan->taskmanagers = 1 + (uint32_t)weir_prng_below(prng, 3);
    plan->slots = 1 + (uint32_t)weir_prng_below(prng, 3);
    plan->parallelism = 1 + (uint32_t)weir_prng_below(prng, plan->taskmanagers * plan->slots);
    plan->faults.delay_max_us = 100 + (int64_t)weir_prng_below(prng, 20000);
    plan->streaming = weir_prng_below(prng, 3) == 0;
    if (weir_prng_below(prng, 3) > 0) {
        plan->faults.drop = (uint32_t)weir_prng_below(prng, 100);
        plan->faults.repeat = (uint32_t)weir_prng_below(prng, 100);
        plan->faults.reorder = (uint32_t)weir_prng_below(prng, 100);
    }
    switch (weir_prng_below(prng, 12)) {
    case 0:
        plan->kill_taskmanager_us = (int64_t)weir_prng_below(prng, 600000);
        break;
    case 1:
        plan->pause_us = (int64_t)weir_prng_below(prng, 400000);
        plan->pause_for_us = (int64_t)weir_prng_below(prng, 8000000);
        break;
    case 2:
        plan->restart_dispatcher_us = (int64_t)weir_prng_below(prng, 500000);
        break;
    case 3:
    case 8:
        plan->streaming = true;
        plan->taskmanagers = 3;
        plan->slots = 1;
        plan->parallelism = 3;
        plan->data_drop = 1000;
        plan->data_repeat = 1000;
        break;
    case 4:
        plan->cancel_us = (int64_t)weir_prng_below(prng, 400000);
        break;
    case 5:
        plan->kill_runner_us = (int64_t)weir_prng_below(prng, 600000);
        break;
    case 6:
        plan->kill_jobmanager_us = (int64_t)weir_prng_below(prng, 600000);
        break;
    case 7:
        plan->cut_us = (int64_t)weir_prng_below(prng, 400000);
        plan->cut_for_us = (int64_t)weir_prng_below(prng, 9000000);
        if (weir_prng_below(prng, 3) == 0)
            plan->cut_for_us += 600000000; /* for good */
        break;
    default:
        break;
    }
}

static void check_result(const sim_plan *plan, const sim_result *result, const char *output,
                         const uint64_t *expected, totals *sum)
{
    uint64_t counts[WEIR_COUNT(words)] = {0};
    bool harmless = plan->kill_taskmanager_us == INT64_MAX && plan->pause_us == INT64_MAX &&
                    plan->kill_runner_us == INT64_MAX && plan->kill_jobmanager_us == INT64_MAX &&
                    plan->cut_us == INT64_MAX && plan->cancel_us == INT64_MAX &&
                    result->frames_dropped == 0 && result->frames_repeated == 0;

    if (strcmp(result->state, "FINISHED") == 0) {
        sum->finished++;
        read_counts(output, counts);
        for (size_t w = 0; w < WEIR_COUNT(words); w++) {
            if (counts[w] != expected[w])
                fail_msg("seed %llu: '%s' was counted %llu times; it occurs %llu times",
                         (unsigned long long)plan->seed, words[w], (unsigned long long)counts[w],
                         (unsigned long long)expected[w]);
        }
    } else if (strcmp(result->state, "CANCELED") == 0) {
        sum->canceled++;
        assert_true(plan->cancel_us != INT64_MAX);
    } else {
        sum->failed++;
        if (harmless)
            fail_msg("seed %llu: the job failed without a reason to: %s",
                     (unsigned long long)plan->seed, result->error);
        if (!*result->error)
            fail_msg("seed %llu: the job failed in silence", (unsigned long long)plan->seed);
    }
}

static void run_seed(uint64_t seed, totals *sum)
{
    char directory[] = "/tmp/weir-sim-XXXXXX", text[64], output[64], input_url[128],
         output_url[128];
    uint64_t expected[WEIR_COUNT(words)] = {0};
    weir_prng prng = {seed};
    sim_plan plan;
    sim_result result;

    assert_non_null(mkdtemp(directory));
    snprintf(text, sizeof text, "%s/text", directory);
    snprintf(output, sizeof output, "%s/out", directory);
    write_text(text, seed, expected);
    snprintf(input_url, sizeof input_url, "file:%s?split-size=1kb", text);
    snprintf(output_url, sizeof output_url, "filesystem:%s?format=csv", output);
    weir_graph_option params[] = {{"input", input_url}, {"output", output_url}};
    sim_plan_init(&plan);
    plan.seed = seed;
    plan.module = WEIR_EXAMPLES_DIR "/wordcount.so";
    plan.params = params;
    plan.nparams = 2;
    plan.trace = run.trace;
    choose_faults(&plan, &prng);
    sim_run(&plan, &result);
    if (run.count == 1)
        print_message("%s after %lld ms of virtual time%s%s\n", result.state,
                      (long long)(result.virtual_us / 1000), *result.error ? ": " : "",
                      result.error);
    check_result(&plan, &result, output, expected, sum);
    sum->faults.messages += result.faults.messages;
    sum->faults.dropped += result.faults.dropped;
    sum->faults.repeated += result.faults.repeated;
    sum->faults.reordered += result.faults.reordered;
    sum->faults.killed += result.faults.killed;
    sum->faults.paused += result.faults.paused;
    sum->faults.cut += result.faults.cut;
    sum->data_faults += result.frames_dropped + result.frames_repeated;
    if (weir_file_remove_tree(directory, NULL) < 0)
        fail_msg("%s cannot be removed", directory);
}

static void test_exact_or_loud(void **state)
{
    totals sum = {0};
    (void)state;

    for (uint64_t i = 0; i < run.count; i++)
        run_seed(run.first + i, &sum);
    print_message("%llu seeds: %llu finished, %llu failed, %llu canceled; %llu messages, %llu "
                  "dropped, %llu repeated, %llu reordered, %llu killed, %llu paused, %llu cut, "
                  "%llu data faults\n",
                  (unsigned long long)run.count, (unsigned long long)sum.finished,
                  (unsigned long long)sum.failed, (unsigned long long)sum.canceled,
                  (unsigned long long)sum.faults.messages, (unsigned long long)sum.faults.dropped,
                  (unsigned long long)sum.faults.repeated, (unsigned long long)sum.faults.reordered,
                  (unsigned long long)sum.faults.killed, (unsigned long long)sum.faults.paused,
                  (unsigned long long)sum.faults.cut, (unsigned long long)sum.data_faults);
    if (run.count < 100)
        return;
    /* A simulator that injects nothing proves nothing. */
    assert_true(sum.finished > run.count / 2);
    assert_true(sum.failed > 0 && sum.canceled > 0);
    assert_true(sum.faults.dropped > run.count && sum.faults.repeated > run.count);
    assert_true(sum.faults.reordered > run.count && sum.data_faults > run.count / 40);
    assert_true(sum.faults.killed >= run.count / 20 && sum.faults.paused >= run.count / 40);
    assert_true(sum.faults.cut >= run.count / 40);
}

static void test_a_seed_replays(void **state)
{
    char text[] = "/tmp/weir-sim-text-XXXXXX", url[96];
    uint64_t expected[WEIR_COUNT(words)] = {0}, hash = 0;
    (void)state;

    close(mkstemp(text));
    write_text(text, 3, expected);
    snprintf(url, sizeof url, "file:%s?split-size=1kb", text);
    weir_graph_option params[] = {{"input", url}, {"output", "blackhole:"}};
    for (int i = 0; i < 2; i++) {
        sim_plan plan;
        sim_result result;
        sim_plan_init(&plan);
        plan.seed = 3;
        plan.module = WEIR_EXAMPLES_DIR "/wordcount.so";
        plan.params = params;
        plan.nparams = 2;
        plan.faults.drop = 50;
        plan.faults.reorder = 50;
        sim_run(&plan, &result);
        if (strcmp(result.state, "FINISHED") != 0)
            fail_msg("%s: %s", result.state, result.error);
        assert_true(hash == 0 || hash == result.hash);
        hash = result.hash;
    }
    unlink(text);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc)
            run.count = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--first") == 0 && i + 1 < argc)
            run.first = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            run.first = strtoull(argv[++i], NULL, 10);
            run.count = 1;
        } else if (strcmp(argv[i], "--trace") == 0)
            run.trace = true;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exact_or_loud),
                                       cmocka_unit_test(test_a_seed_replays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
