/* cli/commands.c -- the table of verbs: what can be said, and what help says about it. */
#include "cli/command.h"

#include "base/memory.h"
#include "base/units.h"
#include "cli/verbs.h"

#include <string.h>

#define OPTION(name, letter, argument, meaning)                                                    \
    {                                                                                              \
        name, letter, argument, meaning, false                                                     \
    }
#define HIDDEN(name, argument)                                                                     \
    {                                                                                              \
        name, 0, argument, "", true                                                                \
    }

#define CONNECT                                                                                    \
    OPTION("dispatcher", 'm', "ENDPOINT",                                                          \
           "the cluster's dispatcher, tcp://host:port; else the current context's")
#define CONFIG                                                                                     \
    OPTION("config", 0, "FILE", "configuration; else $WEIR_CONFIG or weir.yaml in ~/.weir"),       \
        OPTION("define", 'D', "KEY=VALUE", "one value of the configuration; may be repeated")
#define JSON      OPTION("output", 'o', "text|json", "how results are printed")
#define DIRECTORY OPTION("dir", 0, "DIR", "the cluster's directory; else ~/.weir/cluster")
#define JOB                                                                                        \
    OPTION("parallelism", 'p', "N", "subtasks of each operator that says nothing itself"),         \
        OPTION("set", 0, "NAME=VALUE", "a parameter of the job; may be repeated"),                 \
        OPTION("name", 0, "NAME", "the job's name, instead of its own")
#define INSECURE                                                                                   \
    OPTION("insecure", 0, NULL, "listen beyond loopback without keys: whoever connects is obeyed")
#define ALLOW_LIST OPTION("list", 0, "FILE", "the allow-list; else the one of security.allow-file")
#define ROLE                                                                                       \
    CONFIG, INSECURE,                                                                              \
        OPTION("dispatcher", 0, "ENDPOINT", "where the dispatcher is; else as configured"),        \
        OPTION("log", 0, "FILE", "all messages go there, appended; else to stderr"),               \
        OPTION("ready-fd", 0, "FD",                                                                \
               "a line with its address is written to this descriptor when it is ready"),          \
        HIDDEN("number", "N")

static const weir_command_option role_options[] = {ROLE};
static const weir_command_option run_options[] = {
    JOB,
    OPTION("detached", 'd', NULL, "do not wait: print the job's id and leave"),
    OPTION("local", 0, NULL, "in this process, also where a cluster is known"),
    OPTION("quiet", 'q', NULL, "no progress and no summary on stderr"),
    CONNECT,
    CONFIG,
    JSON,
};
static const weir_command_option plan_options[] = {
    JOB,
    CONFIG,
    OPTION("output", 'o', "text|json|dot", "how the plan is printed"),
};
static const weir_command_option start_options[] = {
    OPTION("taskmanagers", 't', "N", "how many TaskManagers; 1 without this"),
    OPTION("slots", 's', "N", "slots of each TaskManager"),
    DIRECTORY,
    INSECURE,
    CONFIG,
    JSON,
};
static const weir_command_option stop_options[] = {DIRECTORY, CONFIG};
static const weir_command_option status_options[] = {DIRECTORY, CONNECT, CONFIG, JSON};
static const weir_command_option list_options[] = {
    OPTION("all", 'a', NULL, "jobs that have ended, too"),
    CONNECT,
    CONFIG,
    JSON,
};
static const weir_command_option job_options[] = {CONNECT, CONFIG, JSON};
static const weir_command_option logs_options[] = {
    OPTION("lines", 'n', "N", "how many of the last lines; 100 without this"),
    CONNECT,
    CONFIG,
    JSON,
};
static const weir_command_option top_options[] = {
    OPTION("once", '1', NULL, "look once, as where stdout is no terminal"),
    CONNECT,
    CONFIG,
    JSON,
};
static const weir_command_option json_options[] = {JSON};
static const weir_command_option show_options[] = {ALLOW_LIST, CONFIG, JSON};
static const weir_command_option allow_options[] = {
    ALLOW_LIST,
    OPTION("label", 0, "TEXT", "whose key it is, for people"),
    CONFIG,
};
static const weir_command_option config_options[] = {
    CONFIG,
    OPTION("output", 'o', "text|json|yaml", "how keys are printed"),
};

#define OPTIONS(table) table, WEIR_COUNT(table)

static const weir_command commands[] = {
    {"run", "FILE.c|FILE.so", "Run a job, on a cluster or in this process.",
     "A FILE.c is compiled with $CC, cc, gcc or clang; what did not change is not compiled again.\n"
     "The cluster is the one of -m, else of the current context; without one, or with --local, "
     "the\n"
     "job runs in this process.  Its printed rows go to stdout, all else to stderr.  Ctrl-C "
     "cancels\n"
     "the job, after a question where there is a terminal.\n"
     "Exit codes: 0 done, 1 the job failed or was cancelled, 2 bad input, 3 not found, 4 timed "
     "out.",
     OPTIONS(run_options), 1, 1, NULL, false, weir_verb_run},
    {"plan", "FILE.c|FILE.so", "Show what a job would run: its tasks and the edges between them.",
     NULL, OPTIONS(plan_options), 1, 1, NULL, false, weir_verb_plan},
    {"cluster start", "", "Start a cluster on this host: dispatcher, JobManager, TaskManagers.",
     "It becomes the current context.  Logs lie in DIR/log, process ids in DIR/pid.",
     OPTIONS(start_options), 0, 0, "", false, weir_verb_cluster_start},
    {"cluster stop", "", "Stop the cluster of this host.", NULL, OPTIONS(stop_options), 0, 0, "",
     false, weir_verb_cluster_stop},
    {"cluster status", "", "Show the processes of a cluster and their slots.", NULL,
     OPTIONS(status_options), 0, 0, "", false, weir_verb_cluster_status},
    {"list", "", "List the jobs of a cluster.", NULL, OPTIONS(list_options), 0, 0, "", false,
     weir_verb_list},
    {"describe", "JOB", "Show a job: its tasks, its history, why it failed.",
     "JOB is an id, the beginning of one, or a name.", OPTIONS(job_options), 1, 1, "", false,
     weir_verb_describe},
    {"cancel", "JOB", "Cancel a job and wait for its end.",
     "JOB is an id, the beginning of one, or a name.", OPTIONS(job_options), 1, 1, "", false,
     weir_verb_cancel},
    {"logs", "JOB|dispatcher|jobmanager|taskmanager[-N]", "Show the end of a log.",
     "A job's log is that of its task runners.", OPTIONS(logs_options), 1, 1,
     "dispatcher jobmanager taskmanager", false, weir_verb_logs},
    {"top", "", "Watch jobs, tasks and processes.", NULL, OPTIONS(top_options), 0, 0, "", false,
     weir_verb_top},
    {"context", "[show | use ENDPOINT | clear]",
     "Show or choose the cluster that commands talk to.", NULL, OPTIONS(json_options), 0, 2,
     "show use clear", false, weir_verb_context},
    {"keys new", "FILE", "Make a key: the pair goes into FILE, its public half to stdout.",
     "A process uses it when security.key-file names FILE. Nobody but its owner may read FILE.",
     OPTIONS(json_options), 1, 1, NULL, false, weir_verb_keys_new},
    {"keys show", "[FILE]", "Show the public half of a key, or the list of allowed keys.", NULL,
     OPTIONS(show_options), 0, 1, NULL, false, weir_verb_keys_show},
    {"keys allow", "ROLE KEY", "Add a key to the list of allowed keys.",
     "ROLE is dispatcher, jobmanager, taskmanager or client. KEY is what weir keys new printed, or "
     "a\nkey's file. The list is the same on every host; running processes see a changed one at "
     "once.",
     OPTIONS(allow_options), 2, 2, "dispatcher jobmanager taskmanager client", false,
     weir_verb_keys_allow},
    {"config", "[KEY]",
     "Show every configuration key: its meaning, its value and where that is from.", NULL,
     OPTIONS(config_options), 0, 1, "", false, weir_verb_config},
    {"connectors", "[NAME]", "Show the connectors for sources and sinks, and their options.", NULL,
     OPTIONS(json_options), 0, 1, "", false, weir_verb_connectors},
    {"dispatcher", "", "Run a dispatcher: the front door of a cluster.", NULL,
     OPTIONS(role_options), 0, 0, "", false, weir_verb_dispatcher},
    {"jobmanager", "", "Run a JobManager.", NULL, OPTIONS(role_options), 0, 0, "", false,
     weir_verb_jobmanager},
    {"taskmanager", "", "Run a TaskManager: the agent of this host.", NULL, OPTIONS(role_options),
     0, 0, "", false, weir_verb_taskmanager},
    {"completion", "bash", "Print a script that completes commands in the shell.",
     "For this shell:  source <(weir completion bash)", NULL, 0, 1, 1, "bash", false,
     weir_verb_completion},
    {"version", "", "Print the version.", NULL, NULL, 0, 0, 0, "", false, weir_verb_version},
    {"help", "[VERB]", "Show what can be said, or all about one verb.", NULL, NULL, 0, 0, 2, "",
     false, weir_verb_help},
};

const weir_command *weir_commands(size_t *ret_count)
{
    *ret_count = WEIR_COUNT(commands);
    return commands;
}

const weir_command *weir_command_find(const char *first, const char *second, int *ret_used)
{
    for (size_t i = 0; i < WEIR_COUNT(commands); i++) {
        const char *name = commands[i].name, *blank = strchr(name, ' ');
        size_t length = blank == NULL ? strlen(name) : (size_t)(blank - name);

        if (strlen(first) != length || strncmp(first, name, length) != 0)
            continue;
        if (blank != NULL && (second == NULL || strcmp(second, blank + 1) != 0))
            continue;
        *ret_used = blank == NULL ? 1 : 2;
        return &commands[i];
    }
    return NULL;
}

const char *weir_command_suggest(const char *word)
{
    const char *names[WEIR_COUNT(commands)];
    size_t length = strlen(word);

    for (size_t i = 0; i < WEIR_COUNT(commands); i++) {
        names[i] = commands[i].name;
        /* The first word of two: any of its commands shows how to go on. */
        if (strncmp(names[i], word, length) == 0 && names[i][length] == ' ')
            return names[i];
    }
    return weir_suggest(word, names, WEIR_COUNT(commands));
}
