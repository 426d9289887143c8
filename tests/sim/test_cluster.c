/* tests/sim/test_cluster.c -- many seeds of the simulated cluster, in several processes: each runs
 * to its end without breaking what must be true, twice the same seed is twice the same run, and
 * every kind of fault was made and hit something.
 *
 *   test_sim_cluster [--seeds N] [--from SEED] [--workers N] [--failures N] [--progress]
 *   test_sim_cluster --seed SEED [--trace]      one again
 *
 * It ends after so many failures (10), which shows more of them than the first. */
#include "cluster.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SEEDS = 200,
    REPEAT_EVERY = 40, /* this seed is run twice */
    WORKERS_MAX = 64,
    FAILURES_MAX = 10,
    MATTERS_FROM = 200,
    MATTERS_PER = 200 /* of so many seeds every fault must have mattered once */
};

typedef struct worker { /* in memory shared with the process */
    pid_t process;
    uint64_t seed; /* the present one */
    uint64_t done;
    sim_result total;
} worker;

static struct {
    uint64_t first, count, failures_max;
    uint32_t workers;
    bool one, trace, progress;
} run = {1, SEEDS, FAILURES_MAX, 2, false, false, false};

/* ---- one seed ---- */

static void add_up(sim_result *to, const sim_result *from)
{
    to->finished += from->finished;
    to->failed += from->failed;
    to->canceled += from->canceled;
    to->frames += from->frames;
    to->virtual_us += from->virtual_us;
    for (int i = 0; i < SIM_FAULTS; i++) {
        to->counts.made[i] += from->counts.made[i];
        to->counts.mattered[i] += from->counts.mattered[i];
    }
}

static void run_seed(uint64_t seed, bool twice, sim_result *total)
{
    sim_plan plan;
    sim_result result, again;

    sim_plan_choose(&plan, seed);
    plan.trace = run.trace;
    sim_run(&plan, &result);
    add_up(total, &result);
    if (!twice)
        return;
    sim_run(&plan, &again);
    if (again.hash == result.hash)
        return;
    fprintf(stderr, "seed %llu: run twice, it was two different runs\n", (unsigned long long)seed);
    _exit(1);
}

/* ---- many ---- */

static _Noreturn void work(worker *self, uint64_t seed)
{
    for (; seed < run.first + run.count; seed += run.workers) {
        self->seed = seed;
        run_seed(seed, seed % REPEAT_EVERY == 0, &self->total);
        self->done++;
    }
    exit(0);
}

static void start(worker *self, uint64_t seed)
{
    fflush(NULL);
    pid_t process = fork();
    if (process < 0) {
        fprintf(stderr, "test_sim_cluster: cannot fork: %s\n", strerror(errno));
        exit(1);
    }
    if (process == 0)
        work(self, seed);
    self->process = process;
}

/* True: it was a failure. */
static bool tell_end(const worker *self, int status, const char *program)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return false;
    if (WIFSIGNALED(status))
        fprintf(stderr, "seed %llu: killed by signal %d, %s\n  replay: %s --seed %llu --trace\n",
                (unsigned long long)self->seed, WTERMSIG(status), strsignal(WTERMSIG(status)),
                program, (unsigned long long)self->seed);
    return true;
}

static void tell_progress(const worker *workers, uint64_t failures)
{
    uint64_t done = 0;
    for (uint32_t i = 0; i < run.workers; i++)
        done += workers[i].done;
    fprintf(stderr, "%llu of %llu seeds, %llu failed\n", (unsigned long long)done,
            (unsigned long long)run.count, (unsigned long long)failures);
}

/* The number of seeds that failed. */
static uint64_t run_many(worker *workers, const char *program)
{
    const struct timespec a_while = {.tv_sec = 2};
    sigset_t child;
    uint64_t failures = 0;
    uint32_t alive = run.workers;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    for (uint32_t i = 0; i < run.workers; i++)
        start(&workers[i], run.first + i);
    while (alive > 0) {
        int status;
        pid_t process = waitpid(-1, &status, WNOHANG);
        if (process == 0) {
            if (sigtimedwait(&child, NULL, &a_while) < 0 && errno == EAGAIN && run.progress)
                tell_progress(workers, failures);
            continue;
        }
        for (uint32_t i = 0; i < run.workers; i++) {
            worker *ended = &workers[i];
            if (ended->process != process)
                continue;
            alive--;
            if (!tell_end(ended, status, program))
                continue;
            if (++failures < run.failures_max) {
                ended->done++;
                alive++;
                start(ended, ended->seed + run.workers);
            }
        }
    }
    return failures;
}

/* ---- what it came to ---- */

/* A simulator that makes no faults, or only such that hit nothing, proves nothing. */
static bool check_counts(const sim_counts *counts, uint64_t seeds)
{
    bool enough = true;
    printf("%-34s %12s %12s\n", "fault", "made", "mattered");
    for (int i = 0; i < SIM_FAULTS; i++) {
        uint64_t wanted = seeds < MATTERS_FROM ? 0 : seeds / MATTERS_PER;
        bool few = counts->mattered[i] < wanted;
        printf("%-34s %12llu %12llu", sim_fault_names[i], (unsigned long long)counts->made[i],
               (unsigned long long)counts->mattered[i]);
        if (few)
            printf("  too few: expected %llu", (unsigned long long)wanted);
        printf("\n");
        enough = enough && !few;
    }
    return enough;
}

static int tell_all(const worker *workers, uint64_t failures)
{
    sim_result total;
    memset(&total, 0, sizeof total);
    uint64_t done = 0;
    for (uint32_t i = 0; i < run.workers; i++) {
        add_up(&total, &workers[i].total);
        done += workers[i].done;
    }
    bool enough = check_counts(&total.counts, done);
    printf("%llu seeds, %llu failed; jobs: %llu finished, %llu failed, %llu canceled; %llu data "
           "frames; %.1f hours of virtual time\n",
           (unsigned long long)done, (unsigned long long)failures,
           (unsigned long long)total.finished, (unsigned long long)total.failed,
           (unsigned long long)total.canceled, (unsigned long long)total.frames,
           (double)total.virtual_us / 3.6e9);
    return failures == 0 && enough && total.finished > done && total.failed > 0 ? 0 : 1;
}

static int run_one(void)
{
    sim_result result;
    memset(&result, 0, sizeof result);
    run_seed(run.first, !run.trace, &result);
    printf("seed %llu: jobs: %llu finished, %llu failed, %llu canceled; %lld ms of virtual time\n",
           (unsigned long long)run.first, (unsigned long long)result.finished,
           (unsigned long long)result.failed, (unsigned long long)result.canceled,
           (long long)(result.virtual_us / 1000));
    for (int i = 0; i < SIM_FAULTS; i++) {
        if (result.counts.made[i] > 0)
            printf("  %-32s made %llu, mattered %llu\n", sim_fault_names[i],
                   (unsigned long long)result.counts.made[i],
                   (unsigned long long)result.counts.mattered[i]);
    }
    return 0;
}

static bool read_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        uint64_t number = value != NULL ? strtoull(value, NULL, 10) : 0;
        if (strcmp(argv[i], "--trace") == 0) {
            run.trace = true;
            continue;
        }
        if (strcmp(argv[i], "--progress") == 0) {
            run.progress = true;
            continue;
        }
        if (value == NULL)
            return false;
        if (strcmp(argv[i], "--seeds") == 0)
            run.count = number;
        else if (strcmp(argv[i], "--from") == 0)
            run.first = number;
        else if (strcmp(argv[i], "--workers") == 0)
            run.workers = (uint32_t)number;
        else if (strcmp(argv[i], "--failures") == 0)
            run.failures_max = number;
        else if (strcmp(argv[i], "--seed") == 0 && (run.one = true))
            run.first = number;
        else
            return false;
        i++;
    }
    return run.count > 0 && run.workers > 0 && run.workers <= WORKERS_MAX;
}

int main(int argc, char **argv)
{
    if (!read_options(argc, argv)) {
        fprintf(stderr,
                "usage: %s [--seeds N] [--from SEED] [--jobs N] [--progress]\n"
                "       %s --seed SEED [--trace]\n",
                argv[0], argv[0]);
        return 2;
    }
    if (run.one)
        return run_one();
    if (run.workers > run.count)
        run.workers = (uint32_t)run.count;
    worker *workers = mmap(NULL, run.workers * sizeof *workers, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (workers == MAP_FAILED)
        return 1;
    return tell_all(workers, run_many(workers, argv[0]));
}
