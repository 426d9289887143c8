#include "cli/client.h"

#include "actors/daemon.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/units.h"
#include "proto/codec.h"

#include <stdio.h>
#include <string.h>

#define DISPATCHER "dispatcher" /* alias of its process, and the name of its actor */
#define ACTOR      "client"

enum connection { CONNECTING, UP, DOWN, REFUSED, BROKEN };

/* A request under way: what the node gives back as data. */
typedef struct request {
    weir_client *client;
    weir_client_callback callback; /* NULL: free */
    void *data;
    uint64_t number;
} request;

struct weir_client {
    weir_daemon *daemon;
    weir_context *context;
    const weir_config *config;
    char *endpoint, *secured; /* as it was given; with the dispatcher's key, where there are keys */
    enum connection connection;
    weir_error trouble; /* of REFUSED, BROKEN */
    bool stopped;       /* asked for since the last run began */
    request requests[WEIR_CLIENT_REQUESTS_MAX];
};

/* ---- the actor ---- */

static void start(void *actor, weir_context *context)
{
    weir_client *client = actor;

    client->context = context;
    if (weir_context_connect(context, DISPATCHER, client->secured, WEIR_ROLE_DISPATCHER,
                             &client->trouble) != 0) {
        client->connection = BROKEN;
        weir_client_stop(client);
    }
}

static void receive(void *actor, weir_context *context, const weir_envelope *message)
{
    weir_reply_to to = weir_reply_to_of(message);
    (void)actor;

    weir_context_reply_error(context, &to, WEIR_EINVALID, "a client answers nothing");
}

static void on_peer(void *actor, weir_context *context, enum weir_peer_event event,
                    const weir_peer_info *peer)
{
    weir_client *client = actor;
    bool was_waiting = client->connection == CONNECTING;
    (void)context;

    if (strcmp(peer->process, DISPATCHER) != 0)
        return;
    if (event == WEIR_PEER_REFUSED) {
        client->connection = REFUSED;
        weir_error_set(&client->trouble, WEIR_EREFUSED, "%s refused the connection: %s",
                       client->endpoint, peer->text);
    } else if (event == WEIR_PEER_UP) {
        client->connection = UP;
    } else if (client->connection == UP) {
        client->connection = DOWN;
    }
    if (was_waiting && client->connection != CONNECTING)
        weir_client_stop(client);
}

static const weir_actor_class client_class = {"client", start, receive, NULL, on_peer, NULL};

/* ---- open and close ---- */

static int connect_to(weir_client *client, weir_error *err)
{
    char shown[32];
    int rc = weir_node_spawn(weir_daemon_node(client->daemon), ACTOR, &client_class, client, err);

    if (rc != 0)
        return rc;
    rc = weir_client_run(client, WEIR_CLIENT_CONNECT_MS);
    if (client->connection == UP)
        return 0;
    if (client->connection == REFUSED || client->connection == BROKEN) {
        if (err != NULL)
            *err = client->trouble;
        return client->trouble.code;
    }
    if (rc != WEIR_ETIMEOUT)
        return weir_error_set(err, WEIR_EINTERNAL, "the client's loop ended");
    const char *trouble = weir_context_trouble(client->context, DISPATCHER);
    if (trouble[0] != '\0')
        return weir_error_set(err, WEIR_EUNAVAILABLE, "%s: %s", client->endpoint, trouble);
    weir_format_duration(WEIR_CLIENT_CONNECT_MS, shown, sizeof shown);
    return weir_error_set(
        err, WEIR_EUNAVAILABLE,
        "no answer from %s within %s; is the cluster running? start one with: weir "
        "cluster start",
        client->endpoint, strcmp(shown, "2.0 s") == 0 ? "2 s" : shown);
}

int weir_client_open(const weir_config *config, const char *endpoint, weir_client **ret,
                     weir_error *err)
{
    weir_client *client = weir_calloc(1, sizeof *client);
    weir_daemon_config frame = {
        .config = config, .role = "client", .takes_no_key = strncmp(endpoint, "inproc://", 9) == 0};
    char secured[WEIR_ENDPOINT_MAX];

    if (client == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for a client");
    client->config = config;
    int rc = weir_daemon_new(&frame, &client->daemon, err);
    if (rc == 0)
        rc = weir_daemon_find_dispatcher(client->daemon, endpoint, secured, err);
    if (rc == 0) {
        client->endpoint = weir_strdup(endpoint);
        client->secured = weir_strdup(secured);
        if (client->endpoint == NULL || client->secured == NULL)
            rc = weir_error_set(err, WEIR_ENO_MEMORY, "no memory for a client");
    }
    if (rc == 0)
        rc = connect_to(client, err);
    if (rc != 0) {
        weir_client_close(&client);
        return rc;
    }
    *ret = client;
    return 0;
}

void weir_client_close(weir_client **client)
{
    if (client == NULL || *client == NULL)
        return;
    if ((*client)->daemon != NULL && (*client)->context != NULL) {
        weir_context_disconnect((*client)->context, DISPATCHER); /* says goodbye */
        (*client)->context = NULL;
    }
    weir_daemon_destroy(&(*client)->daemon);
    weir_free((*client)->endpoint);
    weir_free((*client)->secured);
    weir_free(*client);
    *client = NULL;
}

const char *weir_client_endpoint(const weir_client *client)
{
    return client->endpoint;
}

bool weir_client_is_up(const weir_client *client)
{
    return client->connection == UP;
}

/* ---- requests ---- */

static void on_reply(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                     const weir_error *error)
{
    request *one = data;
    weir_client_callback callback = one->callback;
    (void)actor;
    (void)context;

    one->callback = NULL; /* free for what the callback asks */
    callback(one->data, reply, error);
}

int weir_client_request(weir_client *client, weir_envelope *envelope, int64_t deadline_ms,
                        weir_client_callback callback, void *data, weir_error *err)
{
    weir_address to = {DISPATCHER, DISPATCHER};

    if (deadline_ms == 0)
        deadline_ms = weir_config_duration_ms(client->config, "rpc.ask.timeout");
    for (size_t i = 0; i < WEIR_CLIENT_REQUESTS_MAX; i++) {
        request *one = &client->requests[i];

        if (one->callback != NULL)
            continue;
        *one = (request){client, callback, data, 0};
        one->number =
            weir_context_request(client->context, to, envelope, deadline_ms, on_reply, one);
        return 0;
    }
    return weir_error_set(err, WEIR_ERESOURCES, "too many requests at a time");
}

void weir_client_forget_all(weir_client *client)
{
    for (size_t i = 0; i < WEIR_CLIENT_REQUESTS_MAX; i++) {
        if (client->requests[i].callback != NULL)
            weir_context_forget(client->context, client->requests[i].number);
        client->requests[i].callback = NULL;
    }
}

int weir_client_run(weir_client *client, int64_t timeout_ms)
{
    int64_t now = weir_clock_monotonic_ms();
    int64_t deadline = timeout_ms > INT64_MAX - now ? INT64_MAX : now + timeout_ms;
    weir_reactor *reactor = weir_daemon_reactor(client->daemon);
    weir_node *node = weir_daemon_node(client->daemon);

    client->stopped = false;
    while (!client->stopped) {
        int rc = weir_reactor_run(reactor, deadline);

        if (client->stopped)
            break;
        if (rc != 0)
            return rc;
        if (weir_node_is_stopped(node))
            return WEIR_EINTERNAL;
    }
    return 0;
}

void weir_client_stop(weir_client *client)
{
    client->stopped = true;
    weir_reactor_interrupt(weir_daemon_reactor(client->daemon));
}

int weir_client_watch(weir_client *client, int fd, void (*ready)(void *data), void *data)
{
    return weir_reactor_watch(weir_daemon_reactor(client->daemon), fd, ready, data);
}

void weir_client_unwatch(weir_client *client, int fd)
{
    weir_reactor_unwatch(weir_daemon_reactor(client->daemon), fd);
}

/* ---- calls ---- */

typedef struct call {
    weir_client *client;
    Weir__Proto__Envelope__BodyCase body_case;
    weir_envelope *reply;
    bool done;
    int rc;
    weir_error *err;
} call;

/* The reply is the node's: what the caller gets is a copy. */
static int copy_reply(call *self, const weir_envelope *reply)
{
    ProtobufCMessage *copy = NULL;
    int rc = weir_proto_copy(&reply->base, &copy);

    if (rc < 0)
        weir_error_set(self->err, rc, "no memory for a reply");
    self->reply = (weir_envelope *)copy;
    return rc;
}

static void on_called(void *data, const weir_envelope *reply, const weir_error *error)
{
    call *self = data;

    self->done = true;
    if (error != NULL) {
        self->rc = error->code;
        if (self->err != NULL)
            *self->err = *error;
    } else if (reply->body_case != self->body_case) {
        self->rc =
            weir_error_set(self->err, WEIR_ECORRUPT,
                           "%s answered with another message than expected (%d instead of "
                           "%d); do both run the same version of weir?",
                           self->client->endpoint, (int)reply->body_case, (int)self->body_case);
    } else {
        self->rc = copy_reply(self, reply);
    }
    weir_client_stop(self->client);
}

int weir_client_call(weir_client *client, weir_envelope *envelope, int64_t deadline_ms,
                     Weir__Proto__Envelope__BodyCase body_case, weir_envelope **ret_reply,
                     weir_error *err)
{
    call self = {.client = client, .body_case = body_case, .err = err};
    int rc = weir_client_request(client, envelope, deadline_ms, on_called, &self, err);

    while (rc == 0 && !self.done)
        rc = weir_client_run(client, INT64_MAX);
    if (!self.done)
        return weir_error_set(err, WEIR_EINTERNAL, "the client's loop ended");
    if (self.rc == 0 && ret_reply != NULL)
        *ret_reply = self.reply;
    else if (self.reply != NULL)
        weir_proto_free(&self.reply->base);
    return self.rc;
}
