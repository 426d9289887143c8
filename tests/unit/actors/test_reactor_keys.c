/* tests/unit/actors/test_reactor_keys.c -- nodes over real sockets with keys: no message of
 * somebody who may not be there reaches an actor, and everybody learns why. */
#include "actors/reactor.h"
#include "base/clock.h"
#include "base/log.h"
#include "proto/codec.h"

#include "keys_fixture.h"

#include <sched.h>

enum { NO_KEY = -1, SIDES = 4 };

/* A process: one reactor, one actor that writes down what happens to it. */
typedef struct side {
    weir_config *config;
    weir_security *security;
    weir_reactor *reactor;
    weir_context *context;
    int received, answered, ups, downs, last_code;
    char refused[1024], down[1024], last_text[WEIR_ERROR_TEXT_MAX];
} side;

typedef struct fixture {
    keys keys;
    side *sides[SIDES];
    size_t count;
} fixture;

static void on_start(void *data, weir_context *context)
{
    ((side *)data)->context = context;
}

static void on_receive(void *data, weir_context *context, const weir_envelope *message)
{
    ((side *)data)->received++;
    weir_reply_to to = weir_reply_to_of(message);
    if (to.correlation != 0)
        weir_context_reply_ack(context, &to);
}

static void on_peer(void *data, weir_context *context, enum weir_peer_event event,
                    const weir_peer_info *peer)
{
    side *self = data;
    (void)context;
    self->ups += event == WEIR_PEER_UP;
    self->downs += event == WEIR_PEER_DOWN;
    if (event == WEIR_PEER_REFUSED)
        snprintf(self->refused, sizeof self->refused, "%s", peer->text);
    if (event == WEIR_PEER_DOWN)
        snprintf(self->down, sizeof self->down, "%s", peer->text);
}

static const weir_actor_class actor_class = {
    .name = "actor",
    .start = on_start,
    .receive = on_receive,
    .peer = on_peer,
};

static void set(weir_config *config, const char *key, const char *value)
{
    assert_int_equal(weir_config_set(config, key, value, "test", NULL), 0);
}

/* A side with the key of a pair, or without, or with one that it was given. */
static side *open_given(fixture *f, int pair, const weir_key_pair *given, const char *role,
                        const char *process, const char *bind)
{
    side *self = weir_calloc(1, sizeof *self);
    self->config = weir_config_new();
    assert_non_null(self->config);
    if (pair != NO_KEY) {
        set(self->config, "security.key-file", f->keys.files[pair]);
        set(self->config, "security.allow-file", f->keys.allow);
    }
    int rc = given != NULL
                 ? weir_security_new_of_key(given, &self->security, NULL)
                 : weir_security_new(self->config, role, bind != NULL, &self->security, NULL);
    assert_int_equal(rc, 0);
    assert_true((self->security != NULL) == (pair != NO_KEY || given != NULL));
    weir_reactor_config config = {
        .node = {.cluster = "c1",
                 .role = role,
                 .process = process,
                 .version = "0.1.0",
                 .heartbeat_interval_ms = 50,
                 .heartbeat_timeout_ms = 10000,
                 .retry_interval_ms = 50,
                 .peers_max = 16,
                 .message_max = 256 << 10},
        .bind = bind,
        .connections_max = 16,
        .security = self->security,
    };
    assert_int_equal(weir_reactor_new(&config, &self->reactor, NULL), 0);
    assert_int_equal(
        weir_node_spawn(weir_reactor_node(self->reactor), "actor", &actor_class, self, NULL), 0);
    assert_int_equal(weir_reactor_run(self->reactor, weir_clock_monotonic_ms()), WEIR_ETIMEOUT);
    assert_true(f->count < SIDES);
    f->sides[f->count++] = self;
    return self;
}

static side *open_side(fixture *f, int pair, const char *role, const char *process,
                       const char *bind)
{
    return open_given(f, pair, NULL, role, process, bind);
}

static int setup(void **state)
{
    fixture *f = weir_calloc(1, sizeof *f);
    keys_make(&f->keys);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    while (f->count > 0) {
        side *self = f->sides[--f->count];
        weir_reactor_destroy(&self->reactor);
        weir_security_destroy(&self->security);
        weir_config_destroy(&self->config);
        weir_free(self);
    }
    keys_remove(&f->keys);
    weir_free(f);
    return 0;
}

/* Gives every side its turn. */
static void turn(fixture *f)
{
    for (size_t i = 0; i < f->count; i++) {
        int64_t until_ms = weir_clock_monotonic_ms() + (i == 0 ? 2 : 0);
        assert_int_equal(weir_reactor_run(f->sides[i]->reactor, until_ms), WEIR_ETIMEOUT);
    }
}

/* Turns until the condition holds, or patience ends. */
#define AWAIT(f, condition)                                                                        \
    do {                                                                                           \
        int64_t until_ms = weir_clock_monotonic_ms() + PATIENCE;                                   \
        while (!(condition) && weir_clock_monotonic_ms() < until_ms)                               \
            turn(f);                                                                               \
        assert_true(condition);                                                                    \
    } while (0)

static void expect_text(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' has no '%s'", text, part);
}

static void expect_key(const fixture *f, const char *text, const char *format, int pair)
{
    char hex[WEIR_KEY_HEX], part[160];
    weir_public_key_format(&f->keys.pairs[pair].shown, hex);
    snprintf(part, sizeof part, "%s%s", format, hex);
    expect_text(text, part);
}

static const char *with_key(const fixture *f, const side *door, int pair,
                            char out[WEIR_ENDPOINT_MAX])
{
    char hex[WEIR_KEY_HEX];
    const char *endpoint = weir_reactor_endpoint(door->reactor);
    int length = (int)strcspn(endpoint, "#");
    if (pair == NO_KEY)
        snprintf(out, WEIR_ENDPOINT_MAX, "%.*s", length, endpoint);
    else
        snprintf(out, WEIR_ENDPOINT_MAX, "%.*s#%s", length, endpoint,
                 weir_public_key_format(&f->keys.pairs[pair].shown, hex));
    return out;
}

static int try_connect(side *self, const char *endpoint, weir_roles expected, weir_error *err)
{
    return weir_context_connect(self->context, "door", endpoint, expected, err);
}

static void connect_to(side *self, const side *door, weir_roles expected)
{
    assert_int_equal(try_connect(self, weir_reactor_endpoint(door->reactor), expected, NULL), 0);
}

static void on_reply(void *data, weir_context *context, void *tag, const weir_envelope *reply,
                     const weir_error *error)
{
    side *self = data;
    (void)context;
    (void)tag;
    self->answered++;
    self->last_code = error == NULL ? 0 : error->code;
    snprintf(self->last_text, sizeof self->last_text, "%s", error == NULL ? "" : error->text);
    assert_true(error != NULL || reply->body_case == WEIR__PROTO__ENVELOPE__BODY_ACK);
}

static void ask_list(side *self)
{
    Weir__Proto__ListJobs body = WEIR__PROTO__LIST_JOBS__INIT;
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;
    ask.body_case = WEIR__PROTO__ENVELOPE__BODY_LIST_JOBS;
    ask.list_jobs = &body;
    weir_context_request(self->context, (weir_address){"door", "actor"}, &ask, PATIENCE, on_reply,
                         NULL);
}

static void ask_report(side *self, const char *actor)
{
    Weir__Proto__TaskReport body = WEIR__PROTO__TASK_REPORT__INIT;
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;
    ask.body_case = WEIR__PROTO__ENVELOPE__BODY_TASK_REPORT;
    ask.task_report = &body;
    weir_context_request(self->context, (weir_address){"door", actor}, &ask, PATIENCE, on_reply,
                         NULL);
}

/* --- the tests --- */

static void test_an_allowed_key_is_served(void **state)
{
    fixture *f = *state;
    side *door = open_side(f, DISPATCHER, "dispatcher", "d-1", "tcp://127.0.0.1");
    side *client = open_side(f, CLIENT, "client", "c-1", NULL);
    connect_to(client, door, WEIR_ROLE_DISPATCHER);
    ask_list(client);
    AWAIT(f, client->answered == 1);
    assert_int_equal(client->last_code, 0);
    assert_int_equal(door->received, 1);
    ask_report(client, "actor"); /* which is a runner's to send */
    AWAIT(f, client->answered == 2);
    assert_int_equal(client->last_code, WEIR_EREFUSED);
    expect_text(client->last_text, "a client may not send TaskReport to a dispatcher");
    assert_int_equal(door->received, 1);
}

/* Fails as `text` says, without a message at the door. */
static void expect_refused(fixture *f, const side *door, side *client, const char *endpoint,
                           const char *text)
{
    int64_t before_ms = weir_clock_monotonic_ms();
    assert_int_equal(try_connect(client, endpoint, WEIR_ROLE_DISPATCHER, NULL), 0);
    ask_list(client);
    AWAIT(f, client->refused[0] != '\0' && client->answered == 1);
    assert_true(weir_clock_monotonic_ms() - before_ms < PATIENCE / 2); /* not a timeout */
    assert_int_equal(client->last_code, WEIR_EUNAVAILABLE);
    expect_text(client->refused, text);
    assert_int_equal(door->received, 0);
    assert_int_equal(door->ups, 0);
}

static void test_a_key_that_is_not_allowed(void **state)
{
    fixture *f = *state;
    side *door = open_side(f, DISPATCHER, "dispatcher", "d-1", "tcp://127.0.0.1");
    side *client = open_side(f, STRANGER, "client", "c-1", NULL);
    expect_refused(f, door, client, weir_reactor_endpoint(door->reactor),
                   "it does not let this process's key in");
    expect_key(f, client->refused, "weir keys allow client ", STRANGER);
}

static void test_a_key_of_another_role(void **state)
{
    fixture *f = *state;
    side *door = open_side(f, DISPATCHER, "dispatcher", "d-1", "tcp://127.0.0.1");
    side *client = open_side(f, TASKMANAGER, "client", "c-1", NULL);
    expect_refused(f, door, client, weir_reactor_endpoint(door->reactor),
                   "may be taskmanager, not client");
    expect_key(f, client->refused, "weir keys allow client ", TASKMANAGER);
}

static void test_no_key_at_all(void **state)
{
    fixture *f = *state;
    char endpoint[WEIR_ENDPOINT_MAX];
    weir_error error;
    side *door = open_side(f, DISPATCHER, "dispatcher", "d-1", "tcp://127.0.0.1");
    side *client = open_side(f, NO_KEY, "client", "c-1", NULL);
    assert_int_equal(
        try_connect(client, weir_reactor_endpoint(door->reactor), WEIR_ROLE_DISPATCHER, &error),
        WEIR_EREFUSED);
    expect_text(error.text, "security.key-file");
    expect_refused(f, door, client, with_key(f, door, NO_KEY, endpoint),
                   "this process has none; set security.key-file");
}

static void test_a_door_without_keys(void **state)
{
    fixture *f = *state;
    char endpoint[WEIR_ENDPOINT_MAX];
    weir_error error;
    side *door = open_side(f, NO_KEY, "dispatcher", "d-1", "tcp://127.0.0.1");
    side *client = open_side(f, CLIENT, "client", "c-1", NULL);
    assert_int_equal(
        try_connect(client, weir_reactor_endpoint(door->reactor), WEIR_ROLE_DISPATCHER, &error),
        WEIR_EREFUSED);
    expect_text(error.text, "comes without a key");
    expect_refused(f, door, client, with_key(f, door, DISPATCHER, endpoint),
                   "it has no key, and this process talks to none without");
}

static void test_a_door_with_another_key(void **state)
{
    fixture *f = *state;
    char endpoint[WEIR_ENDPOINT_MAX];
    side *door = open_side(f, JOBMANAGER, "dispatcher", "d-1", "tcp://127.0.0.1");
    side *client = open_side(f, CLIENT, "client", "c-1", NULL);
    with_key(f, door, DISPATCHER, endpoint);
    assert_int_equal(try_connect(client, endpoint, WEIR_ROLE_DISPATCHER, NULL), 0);
    AWAIT(f, weir_context_trouble(client->context, "door")[0] != '\0');
    expect_text(weir_context_trouble(client->context, "door"), "it hangs up on us");
    assert_string_equal(client->refused, ""); /* it goes on trying */
    assert_int_equal(door->received, 0);
}

static void test_a_key_that_may_not_be_a_dispatcher(void **state)
{
    fixture *f = *state;
    weir_error error;
    side *door = open_side(f, JOBMANAGER, "dispatcher", "d-1", "tcp://127.0.0.1");
    side *client = open_side(f, CLIENT, "client", "c-1", NULL);
    const char *endpoint = weir_reactor_endpoint(door->reactor);
    assert_int_equal(try_connect(client, endpoint, WEIR_ROLE_DISPATCHER, &error), WEIR_EREFUSED);
    expect_text(error.text, "may be jobmanager by");
    expect_key(f, error.text, "weir keys allow dispatcher ", JOBMANAGER);
    keys_allow(&f->keys, JOBMANAGER, WEIR_ROLE_DISPATCHER); /* read when it is needed */
    assert_int_equal(try_connect(client, endpoint, WEIR_ROLE_DISPATCHER, NULL), 0);
    ask_list(client);
    AWAIT(f, client->answered == 1);
    assert_int_equal(client->last_code, 0);
}

static void test_a_key_that_is_taken_away(void **state)
{
    fixture *f = *state;
    side *door = open_side(f, DISPATCHER, "dispatcher", "d-1", "tcp://127.0.0.1");
    side *client = open_side(f, CLIENT, "client", "c-1", NULL);
    connect_to(client, door, WEIR_ROLE_DISPATCHER);
    ask_list(client);
    AWAIT(f, client->answered == 1);
    uint64_t before = weir_authenticator_generation(weir_security_authenticator(door->security));
    keys_disallow(&f->keys, CLIENT);
    AWAIT(f, weir_authenticator_generation(weir_security_authenticator(door->security)) > before);
    ask_list(client); /* before the door has seen anything of it */
    AWAIT(f, client->refused[0] != '\0' && door->downs == 1);
    assert_int_equal(door->received, 1);
    expect_text(client->refused, "its key may not be client any more");
    expect_key(f, door->down, "", CLIENT);
}

/* Also before it has said anything more. */
static void test_nothing_is_told_to_a_key_that_is_taken_away(void **state)
{
    fixture *f = *state;
    side *door = open_side(f, DISPATCHER, "dispatcher", "d-1", "tcp://127.0.0.1");
    side *member = open_side(f, JOBMANAGER, "jobmanager", "j-1", NULL);
    Weir__Proto__StartJob body = WEIR__PROTO__START_JOB__INIT;
    weir_envelope order = WEIR__PROTO__ENVELOPE__INIT;
    order.body_case = WEIR__PROTO__ENVELOPE__BODY_START_JOB;
    order.start_job = &body;
    connect_to(member, door, WEIR_ROLE_DISPATCHER);
    AWAIT(f, door->ups == 1 && member->ups == 1);
    weir_context_send(door->context, (weir_address){"j-1", "actor"}, &order);
    AWAIT(f, member->received == 1);
    weir_authenticator *authenticator = weir_security_authenticator(door->security);
    uint64_t before = weir_authenticator_generation(authenticator);
    keys_disallow(&f->keys, JOBMANAGER);
    while (weir_authenticator_generation(authenticator) == before) /* its thread, not the door's */
        sched_yield();
    weir_context_send(door->context, (weir_address){"j-1", "actor"}, &order);
    AWAIT(f, member->refused[0] != '\0');
    assert_int_equal(member->received, 1);
}

/* A routing id is its owner's choice. Who comes with that of another, and another key, is nobody.
 */
static void test_a_routing_id_carries_no_key(void **state)
{
    fixture *f = *state;
    side *door = open_side(f, DISPATCHER, "dispatcher", "d-1", "tcp://127.0.0.1");
    const char *endpoint = weir_reactor_endpoint(door->reactor);
    Weir__Proto__PeerHello hello = WEIR__PROTO__PEER_HELLO__INIT;
    Weir__Proto__ListJobs list = WEIR__PROTO__LIST_JOBS__INIT;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    weir_buffer greeting = WEIR_BUFFER_INIT, question = WEIR_BUFFER_INIT;
    hello.protocol_min = hello.protocol_max = 1;
    hello.cluster = (char *)(uintptr_t) "c1";
    envelope.from_process = hello.process = (char *)(uintptr_t) "c-1";
    hello.role = (char *)(uintptr_t) "client";
    envelope.correlation = 1;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_HELLO;
    envelope.hello = &hello;
    assert_int_equal(weir_proto_pack(&envelope.base, &greeting), 0);
    envelope.correlation = 0;
    envelope.from = envelope.to = (char *)(uintptr_t) "actor";
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_LIST_JOBS;
    envelope.list_jobs = &list;
    assert_int_equal(weir_proto_pack(&envelope.base, &question), 0);

    raw first = raw_connect(endpoint, WITH_KEY, &f->keys.pairs[CLIENT], "same-id");
    zmq_send(first.socket, greeting.data, greeting.size, ZMQ_DONTWAIT);
    zmq_send(first.socket, question.data, question.size, ZMQ_DONTWAIT);
    AWAIT(f, door->received == 1);
    raw_close(&first);
    keys_allow(&f->keys, TASKMANAGER, WEIR_ROLE_CLIENT);
    for (int tries = 0; tries < 100; tries++) { /* until the former connection's end is seen */
        raw second = raw_connect(endpoint, WITH_KEY, &f->keys.pairs[TASKMANAGER], "same-id");
        zmq_send(second.socket, question.data, question.size, ZMQ_DONTWAIT);
        assert_int_equal(raw_news(&second), WEIR_ZMQ_CONNECTED);
        zmq_pollitem_t item = {.socket = second.socket, .events = ZMQ_POLLIN};
        for (int i = 0; i < 20 && zmq_poll(&item, 1, 0) == 0; i++)
            turn(f);
        bool is_heard = zmq_poll(&item, 1, 0) > 0; /* "say hello first" */
        raw_close(&second);
        if (is_heard)
            break;
    }
    assert_int_equal(door->received, 1);
    weir_buffer_deinit(&greeting);
    weir_buffer_deinit(&question);
}

static void test_issued_keys(void **state)
{
    fixture *f = *state;
    weir_key_pair pair;
    side *master = open_side(f, JOBMANAGER, "jobmanager", "j-1", "tcp://127.0.0.1");
    side other = {0};
    assert_int_equal(
        weir_node_spawn(weir_reactor_node(master->reactor), "other", &actor_class, &other, NULL),
        0);
    assert_true(weir_context_has_keys(master->context));
    assert_int_equal(weir_context_issue_key(master->context, WEIR_ROLE_RUNNER, &pair, NULL), 0);
    side *runner = open_given(f, NO_KEY, &pair, "runner", "r-1", NULL);
    side *impostor = open_given(f, NO_KEY, &pair, "taskmanager", "t-1", NULL);
    connect_to(runner, master, WEIR_ROLE_JOBMANAGER);
    ask_report(runner, "actor");
    AWAIT(f, runner->answered == 1);
    assert_int_equal(runner->last_code, 0);
    ask_report(runner, "other");
    AWAIT(f, runner->answered == 2);
    assert_int_equal(runner->last_code, WEIR_EREFUSED);
    expect_text(runner->last_text, "its key may speak to actor alone, not to other");
    assert_int_equal(other.received, 0);
    connect_to(impostor, master, WEIR_ROLE_JOBMANAGER);
    AWAIT(f, impostor->refused[0] != '\0');
    expect_text(impostor->refused, "may be runner, not taskmanager");
    weir_context_end(master->context, "actor");
    AWAIT(f, runner->refused[0] != '\0');
    expect_text(runner->refused, "its key may not be runner any more");
    assert_int_equal(master->received, 1);
}

static void test_a_door_needs_an_allow_list(void **state)
{
    fixture *f = *state;
    weir_security *security = NULL;
    weir_reactor *reactor = NULL;
    weir_error error;
    assert_int_equal(weir_security_new_of_key(&f->keys.pairs[0], &security, NULL), 0);
    weir_reactor_config config = {
        .node = {.cluster = "c1", .role = "dispatcher", .process = "d-1", .peers_max = 1},
        .bind = "tcp://127.0.0.1",
        .security = security,
    };
    assert_int_equal(weir_reactor_new(&config, &reactor, &error), WEIR_EREFUSED);
    expect_text(error.text, "security.allow-file");
    weir_security_destroy(&security);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_allowed_key_is_served),
        TEST(test_a_key_that_is_not_allowed),
        TEST(test_a_key_of_another_role),
        TEST(test_no_key_at_all),
        TEST(test_a_door_without_keys),
        TEST(test_a_door_with_another_key),
        TEST(test_a_key_that_may_not_be_a_dispatcher),
        TEST(test_a_key_that_is_taken_away),
        TEST(test_nothing_is_told_to_a_key_that_is_taken_away),
        TEST(test_a_routing_id_carries_no_key),
        TEST(test_issued_keys),
        TEST(test_a_door_needs_an_allow_list),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed == 0)
        weir_reactor_end_process();
    return failed;
}
