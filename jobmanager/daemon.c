#include "jobmanager/daemon.h"

#include "actors/endpoint.h"
#include "jobmanager/manager.h"

#include <stdio.h>
#include <unistd.h>

static int run(weir_daemon *daemon, const weir_jobmanager_daemon_config *config, weir_error *err)
{
    void *manager = NULL;
    const char *host = NULL;
    char endpoint[300], dispatcher[WEIR_ENDPOINT_MAX];
    int rc = weir_daemon_find_dispatcher(daemon, config->dispatcher, dispatcher, err);

    if (rc == 0 && config->bind)
        host = weir_config_string(config->config, "jobmanager.rpc.address");
    else if (rc == 0)
        rc = weir_endpoint_host(config->config, "jobmanager.rpc.address", "jobmanager.bind-host",
                                &host, err);
    if (rc < 0)
        return rc;
    weir_daemon_advertise(config->config, "jobmanager.rpc.address", weir_daemon_endpoint(daemon),
                          endpoint, sizeof endpoint);
    weir_manager_config manager_config = {
        .config = config->config,
        .dispatcher = dispatcher,
        .endpoint = endpoint,
        .host = host,
        .pid = (uint32_t)getpid(),
        .log_path = config->log_path ? config->log_path : "",
    };
    rc = weir_manager_new(&manager_config, &manager, err);
    if (rc == 0)
        rc = weir_node_spawn(weir_daemon_node(daemon), WEIR_MANAGER_ACTOR, &weir_manager_class,
                             manager, err);
    if (rc < 0)
        return rc;
    if (config->ready)
        config->ready(config->ready_data, weir_daemon_endpoint(daemon),
                      weir_daemon_reactor(daemon));
    return weir_daemon_run(daemon, err);
}

int weir_jobmanager_run(const weir_jobmanager_daemon_config *config, weir_error *err)
{
    char bind[300];
    weir_daemon *daemon = NULL;

    weir_daemon_config frame = {
        .config = config->config,
        .role = "jobmanager",
        .bind = config->bind ? config->bind : bind,
        .port_key = config->bind ? NULL : "jobmanager.rpc.port",
        .signals = config->signals,
    };
    int rc = config->bind
                 ? 0
                 : weir_daemon_check_bind(config->config, "jobmanager.bind-host", false, err);
    if (rc == 0 && !config->bind)
        rc = weir_endpoint_to_bind(config->config, "jobmanager.bind-host", bind, sizeof bind, err);
    if (rc == 0)
        rc = weir_daemon_new(&frame, &daemon, err);
    if (rc == 0)
        rc = run(daemon, config, err);
    weir_daemon_destroy(&daemon);
    return rc;
}
