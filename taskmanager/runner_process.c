/* The life of a task runner: its specification, its limits, its node, its end. */
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "proto/codec.h"
#include "taskmanager/crash.h"
#include "taskmanager/daemon.h"
#include "taskmanager/runner_life.h"
#include "taskmanager/runner_threads.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define SPEC_MAX (1u << 20)

static int read_exactly(int fd, void *into, size_t size)
{
    uint8_t *at = into;

    while (size > 0) {
        ssize_t n = read(fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return WEIR_EIO;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

static int read_spec(Weir__Proto__RunnerSpec **ret, weir_error *err)
{
    uint32_t size = 0;
    ProtobufCMessage *message = NULL;

    if (read_exactly(STDIN_FILENO, &size, sizeof size) < 0 || size > SPEC_MAX)
        return weir_error_set(err, WEIR_EINVALID,
                              "a task runner is started by a TaskManager, not by hand");
    void *bytes = weir_alloc(size + 1);
    if (!bytes)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory");
    int rc = read_exactly(STDIN_FILENO, bytes, size);
    if (rc < 0)
        weir_error_set(err, rc, "the task runner's specification is cut short");
    else
        rc = weir_proto_unpack(&weir__proto__runner_spec__descriptor, bytes, size, 16u * SPEC_MAX,
                               &message, err);
    explicit_bzero(bytes, size); /* the job's key is in it */
    weir_free(bytes);
    *ret = (Weir__Proto__RunnerSpec *)message;
    return rc;
}

/* Takes the job's key out of the specification. Both empty: there are no keys. */
static int take_key(Weir__Proto__RunnerSpec *spec, weir_key_pair *key, bool *ret_has_key,
                    weir_error *err)
{
    ProtobufCBinaryData *secret = &spec->job_key_secret;

    *ret_has_key = spec->job_key_public.len > 0 || secret->len > 0;
    if (!*ret_has_key)
        return 0;
    if (spec->job_key_public.len != WEIR_KEY_SIZE || secret->len != WEIR_KEY_SIZE)
        return weir_error_set(err, WEIR_EINVALID, "the job's key has not its size");
    memcpy(key->shown.bytes, spec->job_key_public.data, WEIR_KEY_SIZE);
    memcpy(key->secret, secret->data, WEIR_KEY_SIZE);
    explicit_bzero(secret->data, secret->len);
    return weir_key_pair_check(key, err);
}

/* The memory of the job's slots, and what Weir itself needs beside them. */
static uint64_t limit_memory(const Weir__Proto__RunnerSpec *spec, const weir_config *config)
{
    uint64_t task = weir_config_size(config, "taskmanager.memory.task.size");

    if (task == 0)
        return 0;
    uint64_t limit = spec->slots * task +
                     weir_config_size(config, "taskmanager.memory.network.size") + (64u << 20);
    struct rlimit value = {limit, limit};
    return setrlimit(RLIMIT_DATA, &value) == 0 ? limit : 0;
}

/* Batches come and go by the thousand and have a hundred kilobytes: memory for them that went back
 * to the system each time would be cleared and mapped anew each time, which takes as long as all
 * else that is done with it. What is kept is no more than a job's network memory. */
static void tune_memory(void)
{
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

/* The agent's end of the pipe is closed: it died, and a runner without an agent must not live. */
static void on_agent_gone(void *data)
{
    char byte;
    (void)data;

    if (read(STDIN_FILENO, &byte, 1) == 0) {
        weir_log_warn("the TaskManager is gone; this task runner ends with it");
        weir_crash_expect_exit();
        _exit(3);
    }
}

int weir_runner_process_run(void)
{
    Weir__Proto__RunnerSpec *spec = NULL;
    weir_config *config = NULL;
    weir_pulse *pulse = NULL;
    weir_error error = WEIR_ERROR_INIT;
    weir_key_pair key = {.secret = {0}};
    bool has_key = false;

    weir_daemon_block_signals();
    tune_memory();
    prctl(PR_SET_DUMPABLE, 0);
    weir_log_setup("runner", WEIR_LOG_INFO);
    int rc = read_spec(&spec, &error);
    if (rc == 0)
        rc = take_key(spec, &key, &has_key, &error);
    if (rc == 0)
        rc = weir_pulse_open(WEIR_PULSE_FD, &pulse, &error);
    if (rc == 0)
        rc = weir_runner_config_of(spec, &config, &error);
    if (rc == 0) {
        weir_crash_install(limit_memory(spec, config));
        weir_runner_life life = {.spec = spec,
                                 .config = config,
                                 .key = has_key ? &key : NULL,
                                 .signals = true,
                                 .watch_fd = STDIN_FILENO,
                                 .on_watch = on_agent_gone,
                                 .pulse = pulse};
        rc = weir_runner_live(&life, &error);
    }
    if (rc < 0)
        weir_log_error("%s", error.text);
    weir_crash_expect_exit();
    weir_key_pair_wipe(&key);
    if (spec)
        weir_proto_free(&spec->base);
    weir_config_destroy(&config);
    weir_pulse_close(&pulse);
    weir_reactor_end_process();
    return rc < 0 ? 1 : 0;
}
