/* tests/sim/texts.c -- what jobs read, what they must write, and whether they did. A job that
 * FINISHED has counted every word right. Of any other job nothing wrong may be visible either: what
 * is there is right. */
#include "cluster.h"

#include "base/file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_PER_LINE = 9, LINE_BYTES = 256 };

bool sim_is_terminal(const char *state)
{
    return strcmp(state, "FINISHED") == 0 || strcmp(state, "FAILED") == 0 ||
           strcmp(state, "CANCELED") == 0;
}

void sim_job_urls(const sim_job *job, char urls[4][SIM_URL_MAX])
{
    snprintf(urls[0], SIM_URL_MAX, "file:%s/input?split-size=500b", job->directory);
    if (job->plan->printed)
        snprintf(urls[1], SIM_URL_MAX, "print:?format=csv");
    else
        snprintf(urls[1], SIM_URL_MAX, "filesystem:%s/output?format=csv", job->directory);
    snprintf(urls[2], SIM_URL_MAX, "file:%s/more?split-size=700b", job->directory);
    snprintf(urls[3], SIM_URL_MAX, "filesystem:%s/joined?format=csv", job->directory);
}

/* ---- inputs ---- */

/* Every word counts `first` times for the first output, `second` times for the second. */
static void write_text(sim_job *job, const char *name, uint64_t salt, uint64_t first,
                       uint64_t second)
{
    weir_prng prng = {job->cluster->plan->seed * 1000 + job->index * 10 + salt};
    char path[SIM_URL_MAX];
    snprintf(path, sizeof path, "%s/%s", job->directory, name);
    FILE *file = fopen(path, "w");
    if (file == NULL)
        abort();
    for (uint32_t i = 0; i < job->plan->lines; i++) {
        uint64_t n = weir_prng_below(&prng, WORDS_PER_LINE);
        for (uint64_t w = 0; w < n; w++) {
            uint64_t which = weir_prng_below(&prng, SIM_WORDS);
            job->expected[0][which] += first;
            job->expected[1][which] += second;
            fprintf(file, "w%llu ", (unsigned long long)which);
        }
        fputc('\n', file);
    }
    fclose(file);
}

void sim_write_inputs(sim_job *job)
{
    if (weir_file_make_directories(job->directory, 0700, NULL) < 0)
        abort();
    write_text(job, "input", 1, 1, 1 + job->plan->parallelism);
    if (job->plan->shapes)
        write_text(job, "more", 2, 1, 1);
}

/* ---- outputs ---- */

typedef struct counted {
    const sim_job *job;
    const char *what; /* "output", "joined", "rows" */
    uint64_t counts[SIM_WORDS];
    bool seen[SIM_WORDS];
} counted;

/* "w7,3": each word once. "+U,w7,3": a changelog, which must replay without a flaw. */
static void apply_line(counted *to, char *line)
{
    const sim_job *job = to->job;
    char *comma = strrchr(line, ','), kept[LINE_BYTES];
    const char *change = "+I";
    uint64_t which = SIM_WORDS, n = 0;

    snprintf(kept, sizeof kept, "%s", line);
    if (comma != NULL) {
        n = strtoull(comma + 1, NULL, 10);
        *comma = 0;
    }
    if ((line[0] == '+' || line[0] == '-') && line[1] != 0 && line[2] == ',') {
        change = line;
        line[2] = 0;
        line += 3;
    }
    if (line[0] == 'w' && comma != NULL)
        which = strtoull(line + 1, NULL, 10);
    if (which >= SIM_WORDS)
        sim_wrong(job->cluster, "job %u: its %s have a line that cannot be: '%s'", job->index,
                  to->what, kept);
    uint64_t before = strcmp(change, "-U") == 0 ? n : strcmp(change, "+U") == 0 ? n - 1 : 0;
    if (to->counts[which] != before)
        sim_wrong(job->cluster, "job %u: '%s' in its %s follows a count of %llu", job->index, kept,
                  to->what, (unsigned long long)to->counts[which]);
    to->counts[which] = n;
    to->seen[which] = true;
}

static void apply_bytes(counted *to, const char *bytes, size_t size)
{
    char line[LINE_BYTES];
    for (size_t i = 0, length = 0; i < size; i++) {
        if (bytes[i] != '\n') {
            if (length + 1 < sizeof line)
                line[length++] = bytes[i];
            continue;
        }
        line[length] = 0;
        length = 0;
        apply_line(to, line);
    }
}

static void apply_directory(counted *to, const char *path)
{
    DIR *listing = opendir(path);
    char name[SIM_URL_MAX + 300];
    weir_buffer content = WEIR_BUFFER_INIT;
    struct dirent *entry;

    while (listing != NULL && (entry = readdir(listing)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (weir_file_read(name, 1 << 24, &content, NULL) < 0)
            abort();
        apply_bytes(to, (const char *)content.data, content.size);
        weir_buffer_clear(&content);
    }
    if (listing != NULL)
        closedir(listing);
    weir_buffer_deinit(&content);
}

static void compare(const counted *to, const uint64_t *expected, bool is_all)
{
    const sim_job *job = to->job;
    for (size_t w = 0; w < SIM_WORDS; w++) {
        bool right = to->counts[w] == expected[w] || (!is_all && !to->seen[w]);
        if (!right)
            sim_wrong(job->cluster,
                      "job %u is %s, and in its %s 'w%zu' was counted %llu times; it occurs %llu "
                      "times",
                      job->index, job->state, to->what, w, (unsigned long long)to->counts[w],
                      (unsigned long long)expected[w]);
    }
}

void sim_check_output(const sim_job *job)
{
    bool is_all = strcmp(job->state, "FINISHED") == 0;
    counted output = {.job = job, .what = "output"}, joined = {.job = job, .what = "joined"};
    char path[SIM_URL_MAX];

    if (job->plan->printed) {
        /* What it printed before it failed may be anything but wrong in the middle. */
        output.what = "rows";
        if (is_all && (!job->rows_lost || job->excuse == NULL)) {
            apply_bytes(&output, (const char *)job->rows.data, job->rows.size);
            compare(&output, job->expected[0], true);
        }
        return;
    }
    snprintf(path, sizeof path, "%s/output", job->directory);
    apply_directory(&output, path);
    compare(&output, job->expected[0], is_all);
    if (!job->plan->shapes)
        return;
    snprintf(path, sizeof path, "%s/joined", job->directory);
    apply_directory(&joined, path);
    compare(&joined, job->expected[1], is_all);
}

/* ---- ends ---- */

void sim_tell_unended(const sim_cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->njobs; i++) {
        const sim_job *job = &cluster->jobs[i];
        if (!job->ended)
            sim_wrong(cluster, "job %u does not end; it is %s%s%s%s", i,
                      job->state[0] != 0 ? job->state
                      : job->accepted    ? "accepted"
                                         : "not accepted",
                      job->error[0] != 0 ? ": " : "", job->error,
                      sim_is_terminal(job->state) ? "; its rows have no end" : "");
    }
}

void sim_check_job(const sim_job *job)
{
    const sim_cluster *cluster = job->cluster;
    sim_result *result = cluster->result;

    if (strcmp(job->state, "FINISHED") == 0) {
        result->finished++;
        if (job->hurt)
            sim_wrong(cluster, "job %u finished, though its data was tampered with", job->index);
        if (job->cancel_told)
            sim_wrong(cluster, "job %u finished, though its client was told it is cancelled",
                      job->index);
    } else if (strcmp(job->state, "CANCELED") == 0) {
        result->canceled++;
        if (job->plan->cancel_us == SIM_NEVER)
            sim_wrong(cluster, "job %u is CANCELED, and nobody cancelled it", job->index);
    } else {
        result->failed++;
        if (job->excuse == NULL)
            sim_wrong(cluster, "job %u failed without a reason to: %s", job->index, job->error);
        if (job->error[0] == 0)
            sim_wrong(cluster, "job %u failed in silence", job->index);
    }
    sim_check_output(job);
}
