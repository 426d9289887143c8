/* cli/cluster_status.c -- `weir cluster status`. */
#include "cli/verbs.h"

#include "actors/reactor.h"
#include "base/clock.h"
#include "base/memory.h"
#include "cli/cluster_directory.h"
#include "cli/connect.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/settings.h"
#include "proto/codec.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static int tell_text(const Weir__Proto__ClusterDetail *detail)
{
    static const char *const headings[] = {"ROLE",   "PROCESS", "HOST", ">PID",
                                           ">SLOTS", ">FREE",   ">UP",  "ENDPOINT"};
    weir_table *table = weir_table_new(headings, WEIR_COUNT(headings));
    int64_t now = weir_clock_wall_ms();
    char shown[32];

    for (size_t i = 0; table != NULL && i < detail->n_processes; i++) {
        const Weir__Proto__ProcessSummary *process = detail->processes[i];
        const char *endpoint = process->endpoint[0] == '\0' ? "-" : process->endpoint;
        bool offers = strcmp(process->role, "taskmanager") == 0;

        weir_table_cell(table, "%s", process->role);
        weir_table_cell(table, "%s", process->process);
        weir_table_cell(table, "%s", process->host);
        weir_table_cell(table, "%u", process->pid);
        weir_table_cell(table, offers ? "%u" : "-", process->slots);
        weir_table_cell(table, offers ? "%u" : "-", process->slots_free);
        weir_table_cell(table, "%s",
                        weir_progress_duration(now - process->since_ms, shown, sizeof shown));
        weir_table_cell(table, "%.*s", (int)strcspn(endpoint, "#"), endpoint); /* no key */
    }
    int code = weir_output_table(&table);
    if (code == WEIR_EXIT_DONE)
        weir_message("cluster '%s', weir %s: %u job%s running, %u ended", detail->cluster,
                     detail->version, detail->jobs_running, detail->jobs_running == 1 ? "" : "s",
                     detail->jobs_ended);
    return code;
}

static int tell_json(const Weir__Proto__ClusterDetail *detail)
{
    json_t *processes = json_array();

    for (size_t i = 0; i < detail->n_processes; i++) {
        const Weir__Proto__ProcessSummary *process = detail->processes[i];

        json_array_append_new(
            processes,
            json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:I}", "process", process->process,
                      "role", process->role, "host", process->host, "pid", (json_int_t)process->pid,
                      "slots", (json_int_t)process->slots, "slots_free",
                      (json_int_t)process->slots_free, "endpoint", process->endpoint, "since_ms",
                      (json_int_t)process->since_ms));
    }
    return weir_output_json(json_pack("{s:s, s:s, s:I, s:I, s:o}", "cluster", detail->cluster,
                                      "version", detail->version, "jobs_running",
                                      (json_int_t)detail->jobs_running, "jobs_ended",
                                      (json_int_t)detail->jobs_ended, "processes", processes));
}

/* A cluster of this host that is known to be down need not be waited for. */
static int check_directory(const weir_cluster_directory *directory, weir_error *err)
{
    weir_members_list members;
    int rc = weir_cluster_directory_members(directory, false, &members, err);
    bool is_none = rc == 0 && members.count == 0;

    if (rc == 0)
        weir_members_close(&members);
    if (is_none)
        rc = weir_error_set(err, WEIR_ENOT_FOUND,
                            "%s: no cluster is running here; start one with: weir cluster start",
                            directory->path);
    return rc;
}

/* -m, --dir, the current context, in this order. */
static int find_endpoint(const weir_arguments *arguments, weir_session *session, weir_error *err)
{
    const char *named = weir_arguments_get(arguments, "dir");
    weir_cluster_context context = {.endpoint = ""};
    weir_cluster_directory directory;
    int rc = 0;

    if (weir_arguments_has(arguments, "dispatcher"))
        return weir_connect_endpoint(arguments, session->config, session->endpoint, err);
    if (named == NULL && weir_cluster_context_load(&context, NULL) == 0 &&
        context.directory[0] == '\0')
        return weir_connect_endpoint(arguments, session->config, session->endpoint, err);
    if (named == NULL && context.directory[0] != '\0')
        named = context.directory;
    rc = weir_cluster_directory_init(&directory, named, session->config, err);
    if (rc == 0)
        rc = check_directory(&directory, err);
    if (rc == 0)
        rc = weir_cluster_directory_load(&directory, &context, err);
    if (rc == 0)
        rc = weir_config_set(session->config, "cluster.id", context.cluster, "weir.yaml", err);
    if (rc == 0)
        memcpy(session->endpoint, context.endpoint, sizeof context.endpoint);
    return rc;
}

static int ask(weir_session *session, weir_envelope **ret_reply, weir_error *err)
{
    Weir__Proto__ClusterStatus body = WEIR__PROTO__CLUSTER_STATUS__INIT;
    weir_envelope request = WEIR__PROTO__ENVELOPE__INIT;

    request.body_case = WEIR__PROTO__ENVELOPE__BODY_CLUSTER_STATUS;
    request.cluster_status = &body;
    return weir_client_call(session->client, &request, 0,
                            WEIR__PROTO__ENVELOPE__BODY_CLUSTER_DETAIL, ret_reply, err);
}

int weir_verb_cluster_status(const weir_arguments *arguments)
{
    weir_error error = WEIR_ERROR_INIT;
    weir_session session = {.config = NULL};
    weir_envelope *reply = NULL;
    int format = 0;

    signal(SIGPIPE, SIG_IGN);
    int rc = weir_arguments_format(arguments, "text|json", &format, &error);
    if (rc == 0)
        rc = weir_settings_load(arguments, &session.config, &error);
    if (rc == 0) {
        weir_session_setup_log(session.config);
        rc = find_endpoint(arguments, &session, &error);
    }
    if (rc == 0)
        rc = weir_client_open(session.config, session.endpoint, &session.client, &error);
    if (rc == 0)
        rc = ask(&session, &reply, &error);
    int code = rc != 0       ? weir_message_error(&error)
               : format == 1 ? tell_json(reply->cluster_detail)
                             : tell_text(reply->cluster_detail);
    if (reply != NULL)
        weir_proto_free(&reply->base);
    weir_session_close(&session);
    weir_reactor_end_process();
    return code;
}
