/* cli/cluster_stop.c -- `weir cluster stop`: in order where the dispatcher answers, by signals
 * where it does not. */
#include "cli/verbs.h"

#include "actors/reactor.h"
#include "cli/client.h"
#include "cli/cluster_members.h"
#include "cli/connect.h"
#include "cli/message.h"
#include "cli/settings.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { ASK_MS = 5000, LEAVE_MS = 3000 };

/* --dir, else the directory of the current context, else the default. */
static int find_directory(const weir_arguments *arguments, const weir_config *config,
                          weir_cluster_directory *ret, weir_error *err)
{
    const char *named = weir_arguments_get(arguments, "dir");
    weir_cluster_context context;

    if (named == NULL && weir_cluster_context_load(&context, NULL) == 0 &&
        context.directory[0] != '\0')
        named = context.directory;
    return weir_cluster_directory_init(ret, named, config, err);
}

typedef struct stopping {
    weir_client *client;
    bool told;
} stopping;

static void on_stopped(void *data, const weir_envelope *reply, const weir_error *error)
{
    stopping *self = data;
    (void)reply;

    self->told = error == NULL;
    weir_client_stop(self->client);
}

static void on_dispatcher_ended(void *data)
{
    stopping *self = data;

    self->told = true; /* it does not leave before the others */
    weir_client_stop(self->client);
}

/* The answer of a process that ends at once may get lost with its connection: its end is one, too.
 */
static bool ask_to_stop(weir_client *client, int pidfd)
{
    Weir__Proto__StopCluster body = WEIR__PROTO__STOP_CLUSTER__INIT;
    weir_envelope request = WEIR__PROTO__ENVELOPE__INIT;
    stopping self = {.client = client};

    request.body_case = WEIR__PROTO__ENVELOPE__BODY_STOP_CLUSTER;
    request.stop_cluster = &body;
    if (weir_client_watch(client, pidfd, on_dispatcher_ended, &self) != 0)
        return false;
    int rc = weir_client_request(client, &request, ASK_MS, on_stopped, &self, NULL);
    if (rc == 0)
        rc = weir_client_run(client, ASK_MS);
    weir_client_unwatch(client, pidfd);
    weir_client_forget_all(client);
    return rc == 0 && self.told;
}

/* True: every process was told, and has time to leave. */
static bool ask_dispatcher(const weir_cluster_directory *directory, weir_config *config, int pidfd)
{
    weir_cluster_context context;
    weir_client *client = NULL;

    if (weir_cluster_directory_load(directory, &context, NULL) != 0 ||
        weir_config_set(config, "cluster.id", context.cluster, "weir.yaml", NULL) != 0 ||
        weir_client_open(config, context.endpoint, &client, NULL) != 0)
        return false;
    bool told = ask_to_stop(client, pidfd);
    weir_client_close(&client);
    return told;
}

/* -1: it does not live. */
static int dispatcher_of(const weir_members_list *members)
{
    for (size_t i = 0; i < members->count; i++)
        if (strcmp(members->of[i].name, "dispatcher") == 0)
            return members->of[i].pidfd;
    return -1;
}

static void forget_context(const weir_cluster_directory *directory)
{
    weir_cluster_context context;
    weir_error error = WEIR_ERROR_INIT;

    if (weir_cluster_context_load(&context, NULL) == 0 &&
        strcmp(context.directory, directory->path) == 0 && weir_cluster_context_clear(&error) != 0)
        weir_message_error(&error);
}

static int stop(const weir_cluster_directory *directory, weir_config *config, weir_error *err)
{
    weir_members_list members;
    char text[1024];
    int rc = weir_cluster_directory_members(directory, true, &members, err);

    if (rc != 0)
        return rc;
    if (members.count == 0) {
        forget_context(directory);
        return weir_error_set(
            err, WEIR_ENOT_FOUND,
            "%s: no cluster is running here; it was stopped already, or has another "
            "--dir",
            directory->path);
    }
    int pidfd = dispatcher_of(&members);
    bool told = pidfd >= 0 && ask_dispatcher(directory, config, pidfd);
    size_t living = told ? weir_members_wait(&members, LEAVE_MS) : members.count;
    if (living > 0)
        living = weir_members_kill(&members);
    for (size_t i = 0; living == 0 && i < members.count; i++)
        weir_cluster_directory_leave(directory, members.of[i].name);
    if (living > 0)
        rc = weir_error_set(err, WEIR_ETIMEOUT,
                            "%zu of these processes do not end: %s; see the system's log", living,
                            weir_members_text(&members, text, sizeof text));
    else
        weir_message("stopped %zu processes", members.count);
    if (rc == 0)
        forget_context(directory);
    weir_members_close(&members);
    return rc;
}

int weir_verb_cluster_stop(const weir_arguments *arguments)
{
    weir_error error = WEIR_ERROR_INIT;
    weir_config *config = NULL;
    weir_cluster_directory directory = {.lock_fd = -1};

    signal(SIGPIPE, SIG_IGN);
    int rc = weir_settings_load(arguments, &config, &error);
    if (rc == 0) {
        weir_session_setup_log(config);
        rc = find_directory(arguments, config, &directory, &error);
    }
    if (rc == 0)
        rc = weir_cluster_directory_lock(&directory, &error);
    if (rc == 0)
        rc = stop(&directory, config, &error);
    weir_cluster_directory_unlock(&directory);
    weir_config_destroy(&config);
    weir_reactor_end_process();
    return rc == 0 ? WEIR_EXIT_DONE : weir_message_error(&error);
}
