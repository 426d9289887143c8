/* base/options.c -- the table of configuration keys. The documents and `weir config` are made from
 * it, so a meaning is one whole sentence for a user. */
#include "base/options.h"

#include "base/memory.h"
#include "base/option_value.h"
#include "base/units.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define KIB          INT64_C(1024)
#define MIB          (1024 * KIB)
#define GIB          (1024 * MIB)
#define TIB          (1024 * GIB)
#define DURATION_MAX (INT64_C(365) * 24 * 3600 * 1000)

#define STRING(key, fallback, meaning)                                                             \
    {                                                                                              \
        key, fallback, WEIR_OPTION_STRING, NULL, 0, 0, meaning                                     \
    }
#define BOOL(key, fallback, meaning)                                                               \
    {                                                                                              \
        key, fallback, WEIR_OPTION_BOOL, NULL, 0, 0, meaning                                       \
    }
#define PORTS(key, fallback, meaning)                                                              \
    {                                                                                              \
        key, fallback, WEIR_OPTION_PORT_RANGE, NULL, 0, 0, meaning                                 \
    }
#define ENUM(key, fallback, choices, meaning)                                                      \
    {                                                                                              \
        key, fallback, WEIR_OPTION_ENUM, choices, 0, 0, meaning                                    \
    }
#define INT(key, fallback, min, max, meaning)                                                      \
    {                                                                                              \
        key, fallback, WEIR_OPTION_INT, NULL, min, max, meaning                                    \
    }
#define SIZE(key, fallback, min, max, meaning)                                                     \
    {                                                                                              \
        key, fallback, WEIR_OPTION_SIZE, NULL, min, max, meaning                                   \
    }
#define DURATION(key, fallback, min, meaning)                                                      \
    {                                                                                              \
        key, fallback, WEIR_OPTION_DURATION, NULL, min, DURATION_MAX, meaning                      \
    }

static const weir_option options[] = {
    STRING("jobmanager.rpc.address", "localhost",
           "The address under which other processes reach the JobManager."),
    STRING("jobmanager.bind-host", "127.0.0.1",
           "The local address that the JobManager's control socket listens on."),
    PORTS("jobmanager.rpc.port", "6123",
          "The JobManager's control port; of a range the first free one, of 0 any free one."),
    STRING("dispatcher.rpc.address", "127.0.0.1",
           "The address where clients, JobManagers and TaskManagers find the dispatcher."),
    STRING("dispatcher.bind-host", "127.0.0.1",
           "The local address that the dispatcher's control socket listens on."),
    PORTS("dispatcher.rpc.port", "6120-6129",
          "The dispatcher's control port; of a range the first free one."),
    STRING("taskmanager.host", "127.0.0.1",
           "The address under which other processes reach this TaskManager and its task runners."),
    STRING("taskmanager.bind-host", "127.0.0.1",
           "The local address that the TaskManager and its task runners listen on."),
    PORTS("taskmanager.data.port", "0",
          "The port of a task runner's data socket; of a range the first free one, of 0 any."),
    INT("taskmanager.numberOfTaskSlots", "1", 1, 1024,
        "How many slots this TaskManager offers; each runs one parallel slice of a pipeline."),
    INT("taskmanager.network.max-connections", "1024", 1, 65535,
        "The most network connections a process accepts at a time."),
    DURATION("taskmanager.slot.progress-timeout", "0", 0,
             "How long a slot may make no progress before its task fails; 0 means never."),
    SIZE("taskmanager.memory.network.size", "64mb", MIB, TIB,
         "The memory of a task runner for batches on their way to and from other slots."),
    SIZE("taskmanager.memory.task.size", "1gb", 0, 16 * TIB,
         "The memory a task runner may use for each of its slots; 0 means no limit."),
    SIZE("taskmanager.memory.segment-size", "128kb", KIB, 64 * MIB,
         "The size a batch of rows grows to, at most about that much, before it is sent."),

    INT("parallelism.default", "1", 1, 32768, "The parallelism of a job that names none itself."),
    STRING("pipeline.name", "", "The name of the job; unset means the name its program gives."),
    INT("pipeline.max-parallelism", "-1", -1, 32768,
        "The number of key groups, the most a job can ever be scaled to; -1 means derived from its "
        "parallelism."),
    BOOL("pipeline.operator-chaining.enabled", "true",
         "Whether neighbouring operators run as one task where nothing lies between them."),
    ENUM("execution.runtime-mode", "AUTOMATIC", "AUTOMATIC|STREAMING|BATCH",
         "How a job runs: AUTOMATIC takes BATCH when all its sources end."),
    BOOL("execution.attached", "true", "Whether `weir run` waits for the job and ends with it."),
    BOOL("execution.buffer-timeout.enabled", "true",
         "Whether a batch that is not full is sent after a time."),
    DURATION(
        "execution.buffer-timeout.interval", "100 ms", 0,
        "How long a batch may wait for more rows before it is sent; 0 sends every one at once."),
    INT("execution.batch.max-rows", "4096", 1, 65536, "The most rows a batch holds."),
    SIZE("execution.combine.memory", "16mb", 64 * KIB, TIB,
         "The memory of one combiner, which merges rows of equal keys before they are sent."),
    SIZE("print.buffer-size", "1mb", 4 * KIB, GIB,
         "How much printed output of a job is kept for an attached client that reads slowly."),

    DURATION("heartbeat.interval", "500 ms", 1,
             "The time between two heartbeats of a process to each of its peers."),
    DURATION("heartbeat.timeout", "5 s", 2,
             "How long a peer may be silent before it counts as lost; several intervals long."),
    DURATION("rpc.ask.timeout", "10 s", 1, "The deadline of a control request."),
    DURATION("rpc.retry-interval", "200 ms", 1,
             "The time between two tries to reach a peer that does not answer."),
    SIZE("actors.max-message-size", "16mb", 64 * KIB, GIB,
         "The largest control message; a longer one is refused, and its connection closed."),
    DURATION("slot.request.timeout", "10 s", 1,
             "How long a job waits for the slots it needs before it fails."),
    DURATION("task.cancellation.timeout", "30 s", 0,
             "How long a task may take to obey a cancel before its task runner is killed; 0 means "
             "for ever."),

    STRING("cluster.id", "default",
           "The name of the cluster; processes of another cluster are refused."),
    DURATION("cluster.registration.timeout", "10 s", 1,
             "How long a process tries to register with its cluster before it gives up."),
    STRING("cluster.directory", "",
           "The directory of process ids, logs and data; unset means one in the user's home."),
    INT("jobstore.max-capacity", "1000", 1, 1000000,
        "The most ended jobs whose results and logs are kept; the oldest go first."),
    DURATION("jobstore.expiration-time", "1 h", 60000,
             "How long result and logs of an ended job are kept; a number alone is in "
             "milliseconds."),
    SIZE("blob.max-size", "64mb", KIB, 16 * GIB,
         "The size of the largest artifact that a job may bring."),
    DURATION("blob.service.cleanup.interval", "1 h", 60000,
             "How long a TaskManager keeps an artifact that no job uses; a number alone is in "
             "milliseconds."),
    ENUM("env.log.level", "INFO", "ERROR|WARN|INFO|DEBUG|OFF",
         "The least important kind of message that is logged."),
    INT("env.log.max", "10", 0, 1000, "How many full log files of each daemon are kept."),
    SIZE("env.log.max-size", "16mb", 4 * KIB, TIB,
         "The size at which a daemon's log file is full, and the next one is begun."),
    STRING("env.log.dir", "",
           "The directory of log files; unset means `log` in cluster.directory."),
    STRING("security.key-file", "",
           "This process's key; once set, connections are encrypted and both ends checked."),
    STRING("security.allow-file", "",
           "The list of keys and their roles, the same on all hosts; see weir keys allow."),
    STRING("security.dispatcher-key", "",
           "The dispatcher's public key; unset means the only one of that role in the allow-list."),
    BOOL("security.insecure", "false",
         "Whether a process may listen beyond loopback without keys; anyone can then use it."),
};

const weir_option *weir_options(size_t *ret_count)
{
    *ret_count = WEIR_COUNT(options);
    return options;
}

const weir_option *weir_option_find(const char *key)
{
    for (size_t i = 0; i < WEIR_COUNT(options); i++)
        if (strcmp(options[i].key, key) == 0)
            return &options[i];
    return NULL;
}

bool weir_option_is_section(const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < WEIR_COUNT(options); i++)
        if (strncmp(options[i].key, name, size) == 0 && options[i].key[size] == '.')
            return true;
    return false;
}

/* Whether `key` is the first or the last words of `option`, as in "parallelism" or "bind-host". */
static bool is_part(const char *key, size_t size, const char *option)
{
    size_t option_size = strlen(option);
    if (size == 0 || size >= option_size)
        return false;
    const char *tail = option + option_size - size;
    return (strncasecmp(option, key, size) == 0 && option[size] == '.') ||
           (strcasecmp(tail, key) == 0 && tail[-1] == '.');
}

const char *weir_option_suggest(const char *key)
{
    const char *known[WEIR_COUNT(options)];
    for (size_t i = 0; i < WEIR_COUNT(options); i++)
        known[i] = options[i].key;
    const char *near = weir_suggest(key, known, WEIR_COUNT(options));
    if (near != NULL)
        return near;
    for (size_t i = 0; i < WEIR_COUNT(options); i++) {
        if (!is_part(key, strlen(key), options[i].key))
            continue;
        if (near != NULL)
            return NULL; /* more than one: no guess is better than a wrong one */
        near = options[i].key;
    }
    return near;
}

/* "WEIR_CONF_PARALLELISM_DEFAULT"; upper case is ASCII, whatever the locale. */
const char *weir_option_variable(const weir_option *option, char out[WEIR_OPTION_VARIABLE_MAX])
{
    int length =
        snprintf(out, WEIR_OPTION_VARIABLE_MAX, WEIR_OPTION_VARIABLE_PREFIX "%s", option->key);
    assert(length > 0 && length < WEIR_OPTION_VARIABLE_MAX);
    (void)length;
    for (char *at = out; *at != '\0'; at++) {
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
        else if (*at == '.' || *at == '-')
            *at = '_';
    }
    return out;
}

const weir_option *weir_option_find_variable(const char *name)
{
    char variable[WEIR_OPTION_VARIABLE_MAX];
    for (size_t i = 0; i < WEIR_COUNT(options); i++)
        if (strcmp(weir_option_variable(&options[i], variable), name) == 0)
            return &options[i];
    return NULL;
}

/* Compared without the prefix, whose length would let anything be near. */
const weir_option *weir_option_suggest_variable(const char *name)
{
    char names[WEIR_COUNT(options)][WEIR_OPTION_VARIABLE_MAX];
    const char *known[WEIR_COUNT(options)];
    const size_t prefix = strlen(WEIR_OPTION_VARIABLE_PREFIX);
    for (size_t i = 0; i < WEIR_COUNT(options); i++)
        known[i] = weir_option_variable(&options[i], names[i]) + prefix;
    const char *near = weir_suggest(name + prefix, known, WEIR_COUNT(options));
    for (size_t i = 0; i < WEIR_COUNT(options); i++)
        if (known[i] == near)
            return &options[i];
    return NULL;
}
