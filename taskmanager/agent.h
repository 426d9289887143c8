/* taskmanager/agent.h -- the actor "agent": a host's TaskManager. Registers its slots with the
 * dispatcher, offers those it was told to allocate to the JobMaster, fetches the job's artifact,
 * starts one task runner per job through its host, and reports how it ended. No user code here. */
#ifndef TASKMANAGER_AGENT_H
#define TASKMANAGER_AGENT_H

#include "actors/actor.h"
#include "base/buffer.h"
#include "base/options.h"

#define WEIR_AGENT_ACTOR "agent"

/* The agent's hands: processes and files of the real host, or simulated ones. Agent's thread. */
typedef struct weir_agent_host {
    /* Path of a complete artifact, or WEIR_ENOT_FOUND. */
    int (*find_artifact)(struct weir_agent_host *self, const char *digest, char *path, size_t size);
    /* One chunk, in order from offset 0; the last one (offset + size == total) verifies the digest.
     */
    int (*store_artifact)(struct weir_agent_host *self, const char *digest, uint64_t offset,
                          const void *bytes, size_t size, uint64_t total, weir_error *err);
    /* Starts a task runner; its end is told by weir_agent_on_exit. */
    int (*spawn)(struct weir_agent_host *self, const Weir__Proto__RunnerSpec *spec,
                 weir_error *err);
    void (*kill)(struct weir_agent_host *self, const char *job); /* at once; none running is fine */
    /* The end of a log: "" the TaskManager's own, else that of a job's task runner. */
    int (*read_log)(struct weir_agent_host *self, const char *job, size_t max, weir_buffer *out,
                    weir_error *err);
    /* Once a minute: removes what is too old or too much. NULL: there is nothing to remove. */
    void (*sweep)(struct weir_agent_host *self, bool (*is_used)(void *data, const char *digest),
                  void *data);
    /* Ends runners that have hung; returns when, in ms, it wants to look again. NULL: others do. */
    int64_t (*look_after)(struct weir_agent_host *self);
} weir_agent_host;

typedef struct weir_agent_config {
    const weir_config *config; /* borrowed for the actor's life */
    const char *dispatcher;    /* endpoint */
    const char *host_name;     /* where other hosts reach it */
    uint32_t pid, slots;
    weir_agent_host *host;
    void (*registered)(void *data); /* first registration done; NULL */
    void *registered_data;
} weir_agent_config;

extern const weir_actor_class weir_agent_class;

int weir_agent_new(const weir_agent_config *config, void **ret, weir_error *err) WEIR_MUST_CHECK;

typedef struct weir_runner_exit {
    const char *job;
    int exit_code, signal; /* signal 0: it exited */
    const char *reason;    /* "was killed by SIGSEGV in split"; "" for an orderly end */
    const char *log;       /* the last lines */
} weir_runner_exit;
void weir_agent_on_exit(void *agent, weir_context *context, const weir_runner_exit *exit);

#endif
