/* The agent's cache of artifacts while one allocation or file operation fails, the n-th, for every
 * n: a file under its digest is whole, and what failed can be fetched again. */
#include "base/file.h"
#include "base/id.h"
#include "base/memory.h"
#include "taskmanager/artifact_cache.h"
#include "tests/faults/faults.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { BYTES = 2500, CHUNK = 1000 };

static char top[200], directory[256], digest[WEIR_DIGEST_HEX], content[BYTES], context[300];

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < BYTES; i++)
        content[i] = (char)(i * 7 + i / 256);
    weir_digest of = weir_digest_of(content, BYTES);
    weir_digest_format(&of, digest);
    snprintf(top, sizeof top, "/tmp/weir-nth-cache-XXXXXX");
    assert_non_null(mkdtemp(top));
    snprintf(directory, sizeof directory, "%s/artifacts", top);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return weir_file_remove_tree(top, NULL);
}

static size_t count_entries(const char *path)
{
    DIR *entries = opendir(path);
    size_t count = 0;
    assert_non_null(entries);
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;)
        count += entry->d_name[0] != '.' && strtol(entry->d_name, NULL, 10) < FAULTS_DESCRIPTORS;
    closedir(entries);
    return count;
}

/* As the agent does it: chunk for chunk, and the first error ends it. */
static int fetch(weir_error *err)
{
    char path[400];
    int rc = 0;
    if (weir_artifact_cache_find(directory, digest, path, sizeof path) == 0)
        return 0;
    for (size_t at = 0; rc == 0 && at < BYTES; at += CHUNK) {
        size_t size = BYTES - at < CHUNK ? BYTES - at : CHUNK;
        rc = weir_artifact_cache_store(directory, digest, at, content + at, size, BYTES, err);
    }
    return rc == 0 ? weir_artifact_cache_find(directory, digest, path, sizeof path) : rc;
}

/* Whoever finds it finds all of it. */
static bool is_there_whole(bool for_good)
{
    char path[400];
    weir_buffer found = WEIR_BUFFER_INIT;
    if (weir_artifact_cache_find(directory, digest, path, sizeof path) != 0)
        return false;
    assert_int_equal(weir_file_read(path, 1 << 20, &found, NULL), 0);
    assert_int_equal(found.size, BYTES);
    assert_memory_equal(found.data, content, BYTES);
    if (!for_good)
        assert_false(faults_is_lost(path));
    weir_buffer_deinit(&found);
    return true;
}

static bool try_one(const faults_plan *plan)
{
    weir_error err = WEIR_ERROR_INIT;
    size_t descriptors = count_entries("/proc/self/fd");
    assert_int_equal(weir_file_remove_tree(directory, NULL), 0);
    faults_watch(top);
    faults_set(plan);
    if (plan->of == 0)
        weir_memory_fail_at(plan->nth);
    faults_arm(plan->of != 0);
    int rc = fetch(&err);
    faults_arm(false);
    bool hit = plan->of == 0 ? weir_memory_fail_left() == 0 : faults_hit();
    weir_memory_fail_at(0);
    bool there = is_there_whole(plan->for_good);
    if (rc == 0)
        assert_true(there);
    else if (rc != WEIR_ENOT_FOUND)
        assert_true(err.code == rc && strlen(err.text) > 10);
    assert_int_equal(fetch(&err), 0);
    assert_true(is_there_whole(plan->for_good));
    assert_int_equal(count_entries(directory), 1); /* no part is left */
    assert_int_equal(count_entries("/proc/self/fd"), descriptors);
    return hit;
}

/* The agent dies at the n-th operation. */
static bool try_kill(const faults_plan *plan)
{
    int status;
    assert_int_equal(weir_file_remove_tree(directory, NULL), 0);
    faults_watch(top);
    pid_t pid = fork();
    if (pid == 0) {
        faults_set(plan);
        faults_arm(true);
        _exit(fetch(NULL) == 0 ? 0 : 3);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    faults_arm(false); /* the plan is shared */
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    (void)is_there_whole(false);
    assert_int_equal(fetch(NULL), 0);
    assert_true(is_there_whole(false));
    return WIFSIGNALED(status);
}

static void test_every_operation(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        faults_plan plan;
        bool (*one)(const faults_plan *plan);
    } trials[] = {
        {"an allocation", {.of = 0}, try_one},
        {"EIO", {.of = FAULTS_OF_FILES, .kind = FAULTS_FAIL, .code = EIO}, try_one},
        {"ENOSPC", {.of = FAULTS_OF_FILES, .kind = FAULTS_FAIL, .code = ENOSPC}, try_one},
        {"a full disk",
         {.of = FAULTS_OF_FILES, .kind = FAULTS_FAIL, .code = ENOSPC, .for_good = true},
         try_one},
        {"a late EIO", {.of = FAULTS_OF_FILES, .kind = FAULTS_LATE, .code = EIO}, try_one},
        {"a short write", {.of = FAULTS_OF_FILES, .kind = FAULTS_SHORT}, try_one},
        {"killed", {.of = FAULTS_OF_FILES, .kind = FAULTS_KILL}, try_kill},
    };
    for (size_t i = 0; i < WEIR_COUNT(trials); i++) {
        faults_plan plan = trials[i].plan;
        bool more = true;
        for (plan.nth = 1; more; plan.nth++) {
            assert_true(plan.nth < 1000);
            snprintf(context, sizeof context, "%s, n = %llu", trials[i].name,
                     (unsigned long long)plan.nth);
            more = trials[i].one(&plan);
        }
        assert_true(plan.nth > 3);
        print_message("%5llu times: %s\n", (unsigned long long)plan.nth - 2, trials[i].name);
    }
    context[0] = '\0';
}

static int tell_context(void **state)
{
    (void)state;
    faults_arm(false);
    if (context[0] != '\0')
        print_message("  while: %s; it was: %s\n", context, faults_what());
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_every_operation, tell_context),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
