/* dispatcher/daemon.c -- the process `weir dispatcher`. The store is opened before the door:
 * whoever can connect finds a dispatcher that knows its jobs. */
#include "dispatcher/daemon.h"

#include "actors/endpoint.h"
#include "base/memory.h"
#include "dispatcher/artifact_files.h"
#include "dispatcher/artifact_memory.h"
#include "dispatcher/dispatcher.h"
#include "store/memory_records.h"
#include "store/record_store.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int open_in_memory(uint64_t artifact_max, weir_records **ret_records,
                          weir_artifact_store **ret_artifacts, weir_error *err)
{
    if (weir_memory_records_new(ret_records) != 0 ||
        weir_artifact_memory_new(artifact_max, ret_artifacts) != 0)
        return weir_error_set(err, WEIR_ENO_MEMORY, "dispatcher: out of memory");
    return 0;
}

static int open_stores(const weir_dispatcher_daemon_config *config, weir_records **ret_records,
                       weir_artifact_store **ret_artifacts, weir_error *err)
{
    const uint64_t artifact_max = weir_config_size(config->config, "blob.max-size");
    if (config->in_memory)
        return open_in_memory(artifact_max, ret_records, ret_artifacts, err);
    const char *directory = config->directory != NULL
                                ? config->directory
                                : weir_config_string(config->config, "cluster.directory");
    if (directory[0] == '\0')
        return weir_error_set(err, WEIR_EINVALID,
                              "cluster.directory: is not set; the dispatcher keeps its jobs there; "
                              "set it to a directory on a local disk");
    char *records = weir_asprintf("%s/dispatcher", directory);
    char *artifacts = weir_asprintf("%s/dispatcher/artifacts", directory);
    int rc = records == NULL || artifacts == NULL
                 ? weir_error_set(err, WEIR_ENO_MEMORY, "dispatcher: out of memory")
                 : 0;
    if (rc == 0)
        rc = weir_record_store_open(&(weir_record_store_config){.directory = records}, ret_records,
                                    err);
    if (rc == 0)
        rc = weir_artifact_files_open(artifacts, artifact_max, ret_artifacts, err);
    weir_free(records);
    weir_free(artifacts);
    return rc;
}

static void read_config(const weir_config *config, const char *host, weir_dispatcher_config *out)
{
    weir_dispatcher_config_init(out);
    out->cluster = weir_config_string(config, "cluster.id");
    out->version = WEIR_VERSION;
    out->host = host;
    out->pid = (uint32_t)getpid();
    out->slot_timeout_ms = weir_config_duration_ms(config, "slot.request.timeout");
    out->heartbeat_timeout_ms = weir_config_duration_ms(config, "heartbeat.timeout");
    out->ask_timeout_ms = weir_config_duration_ms(config, "rpc.ask.timeout");
    out->history_ms = weir_config_duration_ms(config, "jobstore.expiration-time");
    out->history_max = (uint32_t)weir_config_int(config, "jobstore.max-capacity");
    /* A chunk travels in one message, with room for what is around it. */
    uint64_t message_max = weir_config_size(config, "actors.max-message-size");
    if (out->chunk_max > message_max / 2)
        out->chunk_max = (uint32_t)(message_max / 2);
}

static int run(weir_daemon *daemon, const weir_dispatcher_daemon_config *config,
               weir_records *records, weir_artifact_store *artifacts, weir_error *err)
{
    weir_error failure = WEIR_ERROR_INIT;
    weir_dispatcher_config dispatcher_config;
    void *dispatcher = NULL;
    const char *host = NULL;
    int rc = 0;
    if (config->bind != NULL)
        host = weir_config_string(config->config, "dispatcher.rpc.address");
    else
        rc = weir_endpoint_host(config->config, "dispatcher.rpc.address", "dispatcher.bind-host",
                                &host, err);
    if (rc != 0)
        return rc;
    char endpoint[300];
    weir_daemon_advertise(config->config, "dispatcher.rpc.address", weir_daemon_endpoint(daemon),
                          endpoint, sizeof endpoint);
    read_config(config->config, host, &dispatcher_config);
    dispatcher_config.endpoint = endpoint;
    dispatcher_config.log_path = config->log_path != NULL ? config->log_path : "";
    dispatcher_config.failure = &failure;
    rc = weir_dispatcher_new(&dispatcher_config, records, artifacts, &dispatcher, err);
    if (rc == 0)
        rc = weir_node_spawn(weir_daemon_node(daemon), WEIR_DISPATCHER_ACTOR,
                             &weir_dispatcher_class, dispatcher, err);
    if (rc != 0)
        return rc;
    if (config->ready != NULL)
        config->ready(config->ready_data, weir_daemon_endpoint(daemon),
                      weir_daemon_reactor(daemon));
    rc = weir_daemon_run(daemon, err);
    /* The actor holds a pointer to `failure`, but no callback runs any more. */
    if (rc == 0 && failure.code != 0)
        rc = weir_error_set(err, failure.code, "%s", failure.text);
    return rc;
}

int weir_dispatcher_run(const weir_dispatcher_daemon_config *config, weir_error *err)
{
    char bind[300];
    weir_daemon *daemon = NULL;
    weir_records *records = NULL;
    weir_artifact_store *artifacts = NULL;
    weir_daemon_config frame = {.config = config->config,
                                .role = "dispatcher",
                                .bind = config->bind != NULL ? config->bind : bind,
                                .port_key = config->bind != NULL ? NULL : "dispatcher.rpc.port",
                                .signals = config->signals};
    int rc = config->bind != NULL
                 ? 0
                 : weir_daemon_check_bind(config->config, "dispatcher.bind-host", false, err);
    if (rc == 0 && config->bind == NULL)
        rc = weir_endpoint_to_bind(config->config, "dispatcher.bind-host", bind, sizeof bind, err);
    if (rc == 0)
        rc = open_stores(config, &records, &artifacts, err);
    if (rc == 0)
        rc = weir_daemon_new(&frame, &daemon, err);
    if (rc == 0)
        rc = run(daemon, config, records, artifacts, err);
    weir_daemon_destroy(&daemon); /* the actor with it, which used the stores to the end */
    weir_artifact_store_close(&artifacts);
    weir_records_close(&records);
    return rc;
}
