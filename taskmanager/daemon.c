#include "taskmanager/daemon.h"

#include "actors/endpoint.h"
#include "taskmanager/agent.h"
#include "taskmanager/local_host.h"
#include "taskmanager/process_host.h"

#include <unistd.h>

typedef struct running {
    const weir_taskmanager_daemon_config *config;
    weir_daemon *daemon;
    weir_process_host *processes; /* one of the two */
    weir_local_host *threads;
} running;

static void on_registered(void *data)
{
    running *self = data;

    if (self->config->ready)
        self->config->ready(self->config->ready_data, weir_daemon_process(self->daemon),
                            weir_daemon_reactor(self->daemon));
}

static int new_host(running *self, weir_agent_host **ret, weir_error *err)
{
    const weir_taskmanager_daemon_config *config = self->config;
    weir_reactor *reactor = weir_daemon_reactor(self->daemon);
    int rc;

    if (config->local) {
        rc = weir_local_host_new(reactor, config->artifact_directory, &self->threads, err);
        *ret = rc == 0 ? weir_local_host_vtable(self->threads) : NULL;
        return rc;
    }
    weir_process_host_config files = {config->config, config->log_path ? config->log_path : "",
                                      config->log_directory, config->artifact_directory};
    rc = weir_process_host_new(reactor, &files, &self->processes, err);
    *ret = rc == 0 ? weir_process_host_vtable(self->processes) : NULL;
    return rc;
}

static int run(running *self, weir_error *err)
{
    const weir_config *config = self->config->config;
    weir_agent_host *host = NULL;
    void *agent = NULL;
    char dispatcher[WEIR_ENDPOINT_MAX];
    int rc = weir_daemon_find_dispatcher(self->daemon, self->config->dispatcher, dispatcher, err);

    if (rc == 0)
        rc = new_host(self, &host, err);
    if (rc < 0)
        return rc;
    const char *host_name = NULL;
    if (self->config->local)
        host_name = weir_config_string(config, "taskmanager.host");
    else
        rc = weir_endpoint_host(config, "taskmanager.host", "taskmanager.bind-host", &host_name,
                                err);
    if (rc < 0)
        return rc;
    weir_agent_config agent_config = {
        .config = config,
        .dispatcher = dispatcher,
        .host_name = host_name,
        .pid = (uint32_t)getpid(),
        .slots = (uint32_t)weir_config_int(config, "taskmanager.numberOfTaskSlots"),
        .host = host,
        .registered = on_registered,
        .registered_data = self,
    };
    rc = weir_agent_new(&agent_config, &agent, err);
    if (rc < 0)
        return rc;
    if (self->processes)
        weir_process_host_attach(self->processes, agent);
    else
        weir_local_host_attach(self->threads, agent);
    rc = weir_node_spawn(weir_daemon_node(self->daemon), WEIR_AGENT_ACTOR, &weir_agent_class, agent,
                         err);
    return rc == 0 ? weir_daemon_run(self->daemon, err) : rc;
}

int weir_taskmanager_run(const weir_taskmanager_daemon_config *config, weir_error *err)
{
    running self = {.config = config};
    weir_daemon_config frame = {.config = config->config,
                                .role = "taskmanager",
                                .takes_no_key = config->local,
                                .signals = config->signals};
    int rc = weir_daemon_new(&frame, &self.daemon, err);

    if (rc == 0)
        rc = run(&self, err);
    weir_process_host_destroy(&self.processes);
    weir_local_host_destroy(&self.threads);
    weir_daemon_destroy(&self.daemon);
    return rc;
}
