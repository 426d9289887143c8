#include "taskmanager/local_host.h"

#include "base/memory.h"
#include "proto/codec.h"
#include "taskmanager/artifact_cache.h"
#include "taskmanager/runner_life.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* One task runner; there is one job in local mode, but nothing here relies on it. */
typedef struct local_runner {
    weir_mail mail; /* pushed when the thread is about to end */
    struct local_runner *next;
    weir_mailbox *mailbox;
    pthread_t thread;
    Weir__Proto__RunnerSpec *spec;
    char job[33];
    int rc;
    weir_error error;
} local_runner;

struct weir_local_host {
    weir_agent_host vtable;
    weir_reactor *reactor;
    void *agent;
    char *artifact_directory;
    weir_mailbox *mailbox;
    bool watched;
    local_runner *runners;
};

static weir_local_host *of(weir_agent_host *self)
{
    return (weir_local_host *)self;
}

static int find_artifact(weir_agent_host *self, const char *digest, char *path, size_t size)
{
    return weir_artifact_cache_find(of(self)->artifact_directory, digest, path, size);
}

static int store_artifact(weir_agent_host *self, const char *digest, uint64_t offset,
                          const void *bytes, size_t size, uint64_t total, weir_error *err)
{
    return weir_artifact_cache_store(of(self)->artifact_directory, digest, offset, bytes, size,
                                     total, err);
}

static void *live(void *data)
{
    local_runner *runner = data;
    weir_config *config = NULL;

    runner->rc = weir_runner_config_of(runner->spec, &config, &runner->error);
    if (runner->rc == 0) {
        weir_runner_life life = {
            .spec = runner->spec, .config = config, .local = true, .watch_fd = -1};
        runner->rc = weir_runner_live(&life, &runner->error);
    }
    weir_config_destroy(&config);
    weir_mailbox_push(runner->mailbox, &runner->mail);
    return NULL;
}

static void free_runner(local_runner *runner)
{
    if (runner->spec)
        weir_proto_free(&runner->spec->base);
    weir_free(runner);
}

static int spawn(weir_agent_host *vtable, const Weir__Proto__RunnerSpec *spec, weir_error *err)
{
    weir_local_host *self = of(vtable);
    local_runner *runner = weir_calloc(1, sizeof *runner);
    int rc =
        runner ? weir_proto_copy(&spec->base, (ProtobufCMessage **)&runner->spec) : WEIR_ENO_MEMORY;

    if (rc == 0) {
        runner->mailbox = self->mailbox;
        snprintf(runner->job, sizeof runner->job, "%s", spec->job);
        if (pthread_create(&runner->thread, NULL, live, runner) != 0)
            rc = WEIR_ERESOURCES;
    }
    if (rc < 0) {
        if (runner)
            free_runner(runner);
        return weir_error_set(err, rc, "no thread for the task runner");
    }
    runner->next = self->runners;
    self->runners = runner;
    return 0;
}

/* A thread cannot be killed; the runner is told by its JobMaster, and the process ends after it. */
static void kill_runner(weir_agent_host *self, const char *job)
{
    (void)self;
    (void)job;
}

static int read_log(weir_agent_host *self, const char *job, size_t max, weir_buffer *out,
                    weir_error *err)
{
    (void)self;
    (void)job;
    (void)max;
    (void)out;
    return weir_error_set(err, WEIR_ENOT_FOUND, "a local run writes its log to the terminal");
}

static void forget(weir_local_host *self, local_runner *runner)
{
    for (local_runner **at = &self->runners; *at; at = &(*at)->next) {
        if (*at == runner) {
            *at = runner->next;
            break;
        }
    }
    pthread_join(runner->thread, NULL);
    free_runner(runner);
}

static void on_mail(void *data)
{
    weir_local_host *self = data;

    for (weir_mail *mail = weir_mailbox_take_all(self->mailbox), *next; mail; mail = next) {
        local_runner *runner = (local_runner *)mail;
        weir_context *context =
            weir_node_context(weir_reactor_node(self->reactor), WEIR_AGENT_ACTOR);
        weir_runner_exit end = {runner->job, runner->rc < 0, 0,
                                runner->rc < 0 ? runner->error.text : "", ""};
        next = mail->next;
        if (context && self->agent)
            weir_agent_on_exit(self->agent, context, &end);
        forget(self, runner);
    }
}

int weir_local_host_new(weir_reactor *reactor, const char *artifact_directory,
                        weir_local_host **ret, weir_error *err)
{
    weir_local_host *self = weir_calloc(1, sizeof *self);

    if (!self)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the agent");
    self->vtable =
        (weir_agent_host){find_artifact, store_artifact, spawn, kill_runner, read_log, NULL, NULL};
    self->reactor = reactor;
    self->artifact_directory = weir_strdup(artifact_directory);
    int rc = self->artifact_directory ? weir_mailbox_new(&self->mailbox, err) : WEIR_ENO_MEMORY;
    if (rc == 0) {
        rc = weir_reactor_watch(reactor, weir_mailbox_fd(self->mailbox), on_mail, self);
        self->watched = rc == 0;
    }
    if (rc < 0) {
        weir_local_host_destroy(&self);
        return weir_error_set(err, rc, "no memory for the agent");
    }
    *ret = self;
    return 0;
}

void weir_local_host_destroy(weir_local_host **host)
{
    weir_local_host *self = *host;

    if (!self)
        return;
    while (self->runners)
        forget(self, self->runners);
    if (self->watched)
        weir_reactor_unwatch(self->reactor, weir_mailbox_fd(self->mailbox));
    if (self->mailbox)
        (void)weir_mailbox_take_all(self->mailbox);
    weir_mailbox_destroy(&self->mailbox);
    weir_free(self->artifact_directory);
    weir_free(self);
    *host = NULL;
}

weir_agent_host *weir_local_host_vtable(weir_local_host *host)
{
    return &host->vtable;
}

void weir_local_host_attach(weir_local_host *host, void *agent)
{
    host->agent = agent;
}
