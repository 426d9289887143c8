/* cli/job_build.c -- parent and child are joined by a pipe. The child writes one answer and its
 * end: a zero and the packed graph, or an error's code and text. Less than a code means that it
 * died. */
#include "cli/job_build.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "graph/environment.h"
#include "graph/graph_codec.h"
#include "graph/module.h"
#include "graph/optimizer.h"
#include "taskmanager/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_MAX = 64 << 20, READ_SIZE = 65536 };

/* ---- the child ---- */

static int runtime_mode(const weir_config *config)
{
    const char *mode = weir_config_string(config, "execution.runtime-mode");

    return strcmp(mode, "STREAMING") == 0 ? 1 : strcmp(mode, "BATCH") == 0 ? 2 : 0;
}

static int build_here(const weir_job_build_config *config, weir_buffer *graph, weir_error *err)
{
    weir_loaded_module module = {NULL, NULL};
    weir_environment *environment = NULL;
    weir_api api = {.size = sizeof api, .abi = WEIR_ABI};
    weir_environment_config job = {
        .catalog = weir_taskmanager_catalog(),
        .params = config->params,
        .nparams = config->nparams,
        .job_name = weir_config_string(config->config, "pipeline.name"),
        .parallelism = (uint32_t)weir_config_int(config->config, "parallelism.default"),
        .max_parallelism = (int32_t)weir_config_int(config->config, "pipeline.max-parallelism"),
        .runtime_mode = runtime_mode(config->config),
        .local = config->local,
    };
    int rc = weir_module_load(config->path, &module, err);

    if (rc != 0)
        return rc;
    weir_environment_api(&api);
    rc = weir_environment_build(module.module, &job, &api, &environment, err);
    if (rc == 0) {
        rc = weir_graph_pack(weir_environment_graph(environment), graph);
        if (rc != 0)
            weir_error_set(err, rc, "%s: no memory for its graph", config->shown);
    }
    weir_environment_destroy(&environment);
    weir_module_unload(&module);
    return rc;
}

_Noreturn static void run_child(const weir_job_build_config *config, int fd)
{
    weir_buffer graph = WEIR_BUFFER_INIT;
    weir_error error = WEIR_ERROR_INIT;

    /* A crash ends this process, whoever wanted to hear of crashes in the one it was forked from.
     */
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    for (size_t i = 0; i < WEIR_COUNT(crashes); i++)
        signal(crashes[i], SIG_DFL);
    /* What the build function prints is not a row of the job. */
    dup2(STDERR_FILENO, STDOUT_FILENO);
    int32_t code = build_here(config, &graph, &error);
    int rc = weir_file_write_all(fd, &code, sizeof code, NULL);
    if (rc == 0 && code == 0)
        rc = weir_file_write_all(fd, graph.data, graph.size, NULL);
    else if (rc == 0)
        rc = weir_file_write_all(fd, error.text, strlen(error.text), NULL);
    weir_buffer_deinit(&graph);
    _exit(rc == 0 ? 0 : 1);
}

/* ---- the parent ---- */

static int fail_ended(const weir_job_build_config *config, int status, weir_error *err)
{
    if (WIFSIGNALED(status))
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: its build function crashed: SIG%s; nothing was started",
                              config->shown, sigabbrev_np(WTERMSIG(status)));
    return weir_error_set(err, WEIR_EINVALID,
                          "%s: its build function ended the process with exit code %d; it has to "
                          "return; nothing was started",
                          config->shown, WEXITSTATUS(status));
}

/* All that the child writes, until it closes its end or the time is over. */
static int read_answer(const weir_job_build_config *config, int fd, weir_buffer *answer,
                       weir_error *err)
{
    int64_t deadline = weir_clock_monotonic_ms() + WEIR_JOB_BUILD_MS;

    for (;;) {
        struct pollfd item = {.fd = fd, .events = POLLIN};
        int64_t left = deadline - weir_clock_monotonic_ms();

        if (left <= 0 || answer->size > ANSWER_MAX)
            return weir_error_set(err, left <= 0 ? WEIR_ETIMEOUT : WEIR_ETOO_LARGE,
                                  "%s: its build function %s; nothing was started", config->shown,
                                  left <= 0 ? "did not return within 60 s"
                                            : "made too large a graph");
        if (poll(&item, 1, (int)left) <= 0)
            continue;
        int rc = weir_buffer_reserve(answer, READ_SIZE);
        if (rc != 0)
            return weir_error_set(err, rc, "%s: no memory for its graph", config->shown);
        ssize_t count = read(fd, answer->data + answer->size, READ_SIZE);
        if (count == 0)
            return 0;
        if (count < 0 && errno != EINTR)
            return weir_error_errno(err, errno, "%s: its build function cannot be heard",
                                    config->shown);
        if (count > 0) {
            answer->size += (size_t)count;
            answer->data[answer->size] = '\0';
        }
    }
}

static int take_answer(const weir_job_build_config *config, const weir_buffer *answer, int status,
                       weir_buffer *ret, weir_error *err)
{
    int32_t code;

    if (answer->size < sizeof code || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return fail_ended(config, status, err);
    memcpy(&code, answer->data, sizeof code);
    const char *rest = (const char *)answer->data + sizeof code;
    if (code != 0)
        return weir_error_set(err, code < 0 ? code : WEIR_EINTERNAL, "%s", rest);
    weir_buffer_append(ret, rest, answer->size - sizeof code);
    if (weir_buffer_check(ret) != 0)
        return weir_error_set(err, WEIR_ENO_MEMORY, "%s: no memory for its graph", config->shown);
    return 0;
}

static int build_in_child(const weir_job_build_config *config, weir_buffer *ret, weir_error *err)
{
    weir_buffer answer = WEIR_BUFFER_INIT;
    int ends[2], status = 0;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return weir_error_errno(err, errno, "%s: no pipe to its build function", config->shown);
    fflush(NULL); /* what is buffered would be written twice */
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        run_child(config, ends[1]);
    }
    close(ends[1]);
    if (child < 0) {
        int saved = errno;
        close(ends[0]);
        return weir_error_errno(err, saved, "%s: no process for its build function", config->shown);
    }
    int rc = read_answer(config, ends[0], &answer, err);
    close(ends[0]);
    if (rc != 0)
        kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (rc == 0)
        rc = take_answer(config, &answer, status, ret, err);
    weir_buffer_deinit(&answer);
    return rc;
}

/* The user knows the object by another name than its path in the cache. */
static void show_name(const weir_job_build_config *config, weir_error *err)
{
    size_t length = strlen(config->path);
    char *at;

    if (err == NULL || strlen(config->shown) >= length)
        return;
    while ((at = strstr(err->text, config->path)) != NULL) {
        size_t shown = strlen(config->shown);

        memcpy(at, config->shown, shown);
        memmove(at + shown, at + length, strlen(at + length) + 1);
    }
}

int weir_job_build(const weir_job_build_config *config, weir_built_job *ret, weir_error *err)
{
    bool chaining = weir_config_bool(config->config, "pipeline.operator-chaining.enabled");

    memset(ret, 0, sizeof *ret);
    int rc = weir_module_check(config->path, NULL, err);
    if (rc == 0)
        rc = build_in_child(config, &ret->packed, err);
    if (rc == 0)
        rc = weir_graph_unpack(ret->packed.data, ret->packed.size, &ret->graph, err);
    if (rc == 0)
        rc = weir_graph_optimize(ret->graph, err);
    if (rc == 0)
        rc = weir_task_plan_new(ret->graph, chaining, &ret->plan, err);
    if (rc != 0) {
        weir_built_job_deinit(ret);
        show_name(config, err);
    }
    return rc;
}

void weir_built_job_deinit(weir_built_job *job)
{
    weir_buffer_deinit(&job->packed);
    weir_task_plan_destroy(&job->plan);
    weir_graph_destroy(&job->graph);
}
