/* tests/unit/actors/test_authenticator.c -- a door with keys against ZeroMQ clients of every kind;
 * the authenticator's own protocol; lists that change; and that no door opens without it. */
#include "keys_fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include <sys/inotify.h>

/* --- a library that does not do as it is told --- */

static enum { OBEYS, CANNOT_BE_READ, READS_ZERO, CANNOT_BE_SET } enforcing;

int zmq_getsockopt(void *socket, int option, void *value, size_t *size)
{
    int (*real)(void *, int, void *, size_t *);
    *(void **)&real = dlsym(RTLD_NEXT, "zmq_getsockopt");
    if (option == 93 && enforcing == CANNOT_BE_READ) {
        errno = EINVAL;
        return -1;
    }
    int rc = real(socket, option, value, size);
    if (option == 93 && enforcing == READS_ZERO)
        *(int *)value = 0;
    return rc;
}

int zmq_setsockopt(void *socket, int option, const void *value, size_t size)
{
    int (*real)(void *, int, const void *, size_t);
    *(void **)&real = dlsym(RTLD_NEXT, "zmq_setsockopt");
    if (option == 93 && enforcing == CANNOT_BE_SET) {
        errno = EINVAL;
        return -1;
    }
    return real(socket, option, value, size);
}

/* --- a system that tells of no changes, as that of a network file system --- */

static bool is_silent;

int inotify_init1(int flags)
{
    int (*real)(int);
    *(void **)&real = dlsym(RTLD_NEXT, "inotify_init1");
    return is_silent ? -1 : real(flags);
}

/* --- a door --- */

typedef struct door {
    keys keys;
    weir_authenticator *authenticator;
    void *socket;
    char endpoint[WEIR_ENDPOINT_MAX];
} door;

static int try_bind(door *self, weir_error *err)
{
    weir_zmq_settings settings = {.message_max = 1 << 20};
    weir_zmq_door config = {
        .bind = "tcp://127.0.0.1",
        .what = "dispatcher",
        .key = &self->keys.pairs[DISPATCHER],
        .domain = weir_authenticator_domain(self->authenticator),
    };
    assert_int_equal(weir_zmq_open(ZMQ_ROUTER, &settings, &self->socket, NULL), 0);
    int rc = weir_zmq_bind(self->socket, &config, self->endpoint, err);
    if (rc != 0)
        weir_zmq_close(&self->socket);
    return rc;
}

static int setup(void **state)
{
    door *self = weir_calloc(1, sizeof *self);
    keys_make(&self->keys);
    weir_authenticator_config config = {.allow_file = self->keys.allow, .what = "dispatcher"};
    assert_int_equal(weir_authenticator_new(&config, &self->authenticator, NULL), 0);
    enforcing = OBEYS;
    assert_int_equal(try_bind(self, NULL), 0);
    *state = self;
    return 0;
}

static int setup_in_silence(void **state)
{
    is_silent = true;
    int rc = setup(state);
    is_silent = false;
    return rc;
}

static int teardown(void **state)
{
    door *self = *state;
    weir_zmq_close(&self->socket);
    weir_authenticator_destroy(&self->authenticator);
    keys_remove(&self->keys);
    weir_free(self);
    return 0;
}

/* Waits for a message; returns its User-Id in `user`. False: none came. */
static bool receive(door *self, int wait_ms, char user[WEIR_KEY_HEX])
{
    zmq_pollitem_t item = {.socket = self->socket, .events = ZMQ_POLLIN};
    if (zmq_poll(&item, 1, wait_ms) <= 0)
        return false;
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    assert_true(zmq_msg_recv(&frame, self->socket, 0) >= 0);
    assert_true(zmq_msg_more(&frame));
    assert_int_equal(zmq_msg_recv(&frame, self->socket, 0), 3);
    const char *said = zmq_msg_gets(&frame, "User-Id");
    snprintf(user, WEIR_KEY_HEX, "%s", said == NULL ? "" : said);
    assert_false(zmq_msg_more(&frame));
    zmq_msg_close(&frame);
    return true;
}

static void expect_in(door *self, int pair)
{
    char hex[WEIR_KEY_HEX], user[WEIR_KEY_HEX];
    raw client = raw_connect(self->endpoint, WITH_KEY, &self->keys.pairs[pair], NULL);
    assert_true(receive(self, PATIENCE, user));
    assert_string_equal(user, weir_public_key_format(&self->keys.pairs[pair].shown, hex));
    assert_int_equal(raw_news(&client), WEIR_ZMQ_CONNECTED);
    raw_close(&client);
}

static void expect_out(door *self, enum manner manner, int pair, enum weir_zmq_news expected)
{
    char user[WEIR_KEY_HEX];
    raw client = raw_connect(self->endpoint, manner, &self->keys.pairs[pair], NULL);
    enum weir_zmq_news news = raw_news(&client);
    if (news != expected)
        fail_msg("manner %d: news %d instead of %d", (int)manner, (int)news, (int)expected);
    assert_false(receive(self, 0, user));
    raw_close(&client);
}

static void test_who_comes_in(void **state)
{
    door *self = *state;
    expect_in(self, CLIENT);
    expect_out(self, NO_MECHANISM, CLIENT, WEIR_ZMQ_MISMATCH);
    expect_out(self, PLAIN, CLIENT, WEIR_ZMQ_MISMATCH);
    expect_out(self, WRONG_SERVER, CLIENT, WEIR_ZMQ_BROKE_OFF);
    expect_out(self, WITH_KEY, STRANGER, WEIR_ZMQ_REFUSED);
    expect_in(self, TASKMANAGER);
    weir_zmq_settings settings = {.message_max = 1 << 20};
    void *socket;
    weir_error error;
    assert_int_equal(weir_zmq_open(ZMQ_DEALER, &settings, &socket, NULL), 0);
    assert_int_equal(weir_zmq_connect(socket, NULL, self->endpoint, &error), WEIR_EREFUSED);
    assert_non_null(strstr(error.text, "security.key-file"));
    assert_int_equal(weir_zmq_connect(socket, &self->keys.pairs[0], "tcp://127.0.0.1:9", &error),
                     WEIR_EREFUSED);
    assert_non_null(strstr(error.text, "comes without a key"));
    assert_int_equal(weir_zmq_connect(socket, NULL, "tcp://127.0.0.1:9#xyz", &error),
                     WEIR_EINVALID);
    weir_zmq_close(&socket);
}

/* Whatever a client claims in its handshake, the User-Id is the authenticator's word. */
static void test_nobody_names_himself(void **state)
{
    door *self = *state;
    char hex[WEIR_KEY_HEX], user[WEIR_KEY_HEX], claim[128];
    raw client = {NULL, NULL};
    weir_zmq_settings settings = {.message_max = 1 << 20};
    assert_int_equal(weir_zmq_open(ZMQ_DEALER, &settings, &client.socket, NULL), 0);
    snprintf(claim, sizeof claim, "User-Id:%s",
             weir_public_key_format(&self->keys.pairs[DISPATCHER].shown, hex));
    zmq_setsockopt(client.socket, 95 /* ZMQ_METADATA, draft; refused by some */, claim,
                   strlen(claim));
    assert_int_equal(
        weir_zmq_connect(client.socket, &self->keys.pairs[CLIENT], self->endpoint, NULL), 0);
    assert_int_equal(zmq_send(client.socket, "boo", 3, 0), 3);
    assert_true(receive(self, PATIENCE, user));
    assert_string_equal(user, weir_public_key_format(&self->keys.pairs[CLIENT].shown, hex));
    weir_zmq_close(&client.socket);
}

static void test_without_its_thread_a_door_is_shut(void **state)
{
    door *self = *state;
    char user[WEIR_KEY_HEX];
    expect_in(self, CLIENT);
    weir_authenticator_destroy(&self->authenticator);
    raw client = raw_connect(self->endpoint, WITH_KEY, &self->keys.pairs[CLIENT], NULL);
    assert_int_equal(raw_news(&client), WEIR_ZMQ_BROKE_OFF);
    assert_false(receive(self, 0, user));
    raw_close(&client);
}

/* A door whose domain is nobody's, beside one that is well. */
static void test_an_unknown_domain_lets_nobody_in(void **state)
{
    door *self = *state;
    weir_authenticator *other;
    weir_authenticator_config config = {.what = "other"};
    assert_int_equal(weir_authenticator_new(&config, &other, NULL), 0);
    weir_authenticator_destroy(&self->authenticator);
    expect_out(self, WITH_KEY, CLIENT, WEIR_ZMQ_REFUSED);
    weir_authenticator_destroy(&other);
}

static void test_no_enforcement_no_door(void **state)
{
    door *self = *state;
    weir_error error;
    for (enforcing = CANNOT_BE_READ; enforcing <= CANNOT_BE_SET; enforcing++) {
        door other = *self;
        assert_int_equal(try_bind(&other, &error), WEIR_EINTERNAL);
        assert_non_null(strstr(error.text, "ZeroMQ"));
    }
}

/* --- keys that are admitted --- */

static void test_each_door_has_its_own_keys(void **state)
{
    door *self = *state;
    const weir_public_key *stranger = &self->keys.pairs[STRANGER].shown;
    char hex[WEIR_KEY_HEX];
    weir_identity identity;
    weir_authenticator *other;
    weir_authenticator_config config = {.what = "data bus"};
    assert_int_equal(weir_authenticator_new(&config, &other, NULL), 0);
    assert_int_equal(weir_authenticator_admit(other, stranger, WEIR_ROLE_RUNNER, "", NULL), 0);
    assert_string_not_equal(weir_authenticator_domain(other),
                            weir_authenticator_domain(self->authenticator));
    expect_out(self, WITH_KEY, STRANGER, WEIR_ZMQ_REFUSED);
    assert_int_equal(
        weir_authenticator_admit(self->authenticator, stranger, WEIR_ROLE_RUNNER, "job-1", NULL),
        0);
    expect_in(self, STRANGER);
    weir_public_key_format(stranger, hex);
    assert_true(weir_authenticator_identify(self->authenticator, hex, &identity));
    assert_int_equal(identity.roles, WEIR_ROLE_RUNNER);
    assert_string_equal(identity.scope, "job-1");
    assert_true(weir_public_key_equal(&identity.key, stranger));
    uint64_t before = weir_authenticator_generation(self->authenticator);
    weir_authenticator_revoke(self->authenticator, stranger);
    assert_true(weir_authenticator_generation(self->authenticator) > before);
    assert_false(weir_authenticator_identify(self->authenticator, hex, &identity));
    assert_int_equal(identity.roles, 0);
    expect_out(self, WITH_KEY, STRANGER, WEIR_ZMQ_REFUSED);
    assert_true(weir_authenticator_identify(other, hex, &identity));
    weir_authenticator_destroy(&other);
}

static void test_identities_of_the_list(void **state)
{
    door *self = *state;
    char hex[WEIR_KEY_HEX];
    weir_identity identity;
    keys_allow(&self->keys, CLIENT, WEIR_ROLE_TASKMANAGER);
    expect_in(self, CLIENT); /* after it the list need not be loaded again, but may be */
    weir_public_key_format(&self->keys.pairs[JOBMANAGER].shown, hex);
    assert_true(weir_authenticator_identify(self->authenticator, hex, &identity));
    assert_int_equal(identity.roles, WEIR_ROLE_JOBMANAGER);
    assert_string_equal(identity.scope, "");
    assert_false(weir_authenticator_identify(self->authenticator, NULL, &identity));
    assert_false(weir_authenticator_identify(self->authenticator, "", &identity));
    hex[63] = 'x';
    assert_false(weir_authenticator_identify(self->authenticator, hex, &identity));
}

/* --- lists that change --- */

static bool is_here(door *self, int pair)
{
    char hex[WEIR_KEY_HEX];
    weir_identity identity;
    return weir_authenticator_identify(
        self->authenticator, weir_public_key_format(&self->keys.pairs[pair].shown, hex), &identity);
}

/* The thread hears of a change from the system; there is nothing to wait for but its effect. */
static bool await_gone(door *self, int pair)
{
    char user[WEIR_KEY_HEX];
    for (int left = PATIENCE / 5; left > 0 && is_here(self, pair); left--)
        receive(self, 5, user);
    return !is_here(self, pair);
}

static void test_a_key_that_was_just_allowed_comes_in(void **state)
{
    door *self = *state;
    expect_out(self, WITH_KEY, STRANGER, WEIR_ZMQ_REFUSED);
    keys_allow(&self->keys, STRANGER, WEIR_ROLE_CLIENT);
    expect_in(self, STRANGER);
}

static void test_a_key_that_was_taken_away_is_gone(void **state)
{
    door *self = *state;
    uint64_t before = weir_authenticator_generation(self->authenticator);
    expect_in(self, CLIENT);
    keys_disallow(&self->keys, CLIENT);
    assert_true(await_gone(self, CLIENT));
    assert_true(weir_authenticator_generation(self->authenticator) > before);
    expect_out(self, WITH_KEY, CLIENT, WEIR_ZMQ_REFUSED);
    expect_in(self, TASKMANAGER);
}

static void test_a_bad_list_changes_nothing(void **state)
{
    door *self = *state;
    FILE *file = fopen(self->keys.allow, "we");
    fprintf(file, "client 123\n");
    fclose(file);
    expect_out(self, WITH_KEY, STRANGER, WEIR_ZMQ_REFUSED); /* it looks at the file now */
    expect_in(self, CLIENT);
    unlink(self->keys.allow);
    expect_out(self, WITH_KEY, STRANGER, WEIR_ZMQ_REFUSED);
    expect_in(self, CLIENT);
    keys_allow(&self->keys, STRANGER, WEIR_ROLE_CLIENT); /* a new list, with one line */
    expect_in(self, STRANGER);
    expect_out(self, WITH_KEY, CLIENT, WEIR_ZMQ_REFUSED);
}

/* --- its own protocol --- */

typedef struct part {
    const void *bytes;
    size_t size;
} part;

/* Sends a question (an empty delimiter goes before it) and returns the status of the answer. */
static void expect_status(const part *parts, size_t count, const char *request, const char *status,
                          const char *user)
{
    weir_zmq_settings settings = {.message_max = 1 << 20};
    void *socket;
    char frames[7][300];
    int sizes[7], received = 0, more = 1;
    size_t more_size = sizeof more;
    assert_int_equal(weir_zmq_open(ZMQ_DEALER, &settings, &socket, NULL), 0);
    assert_int_equal(zmq_connect(socket, "inproc://zeromq.zap.01"), 0);
    zmq_send(socket, "", 0, ZMQ_SNDMORE);
    for (size_t i = 0; i < count; i++)
        zmq_send(socket, parts[i].bytes, parts[i].size, i + 1 < count ? ZMQ_SNDMORE : 0);
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&item, 1, PATIENCE), 1);
    for (; more && received < 7; received++) {
        sizes[received] = zmq_recv(socket, frames[received], sizeof frames[0] - 1, 0);
        assert_true(sizes[received] >= 0 && sizes[received] < (int)sizeof frames[0]);
        frames[received][sizes[received]] = '\0';
        zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &more_size);
    }
    assert_int_equal(received, 7);
    assert_false(more);
    assert_string_equal(frames[1], "1.0");
    assert_string_equal(frames[2], request);
    assert_string_equal(frames[3], status);
    assert_string_equal(frames[5], user);
    weir_zmq_close(&socket);
}

static void test_questions_of_any_shape(void **state)
{
    door *self = *state;
    char long_text[600], hex[WEIR_KEY_HEX];
    memset(long_text, 'x', sizeof long_text);
    const char *domain = weir_authenticator_domain(self->authenticator);
    const uint8_t *key = self->keys.pairs[CLIENT].shown.bytes;
    const part good[] = {{"1.0", 3},       {"r1", 2}, {domain, strlen(domain)},
                         {"127.0.0.1", 9}, {"", 0},   {"CURVE", 5},
                         {key, 32},        {key, 32}};
    weir_public_key_format(&self->keys.pairs[CLIENT].shown, hex);
    expect_status(good, 7, "r1", "200", hex);
    for (size_t count = 1; count < 7; count++) /* cut short */
        expect_status(good, count, count < 2 ? "" : "r1", "400", "");
    expect_status(good, 8, "r1", "400", ""); /* a field too many */
    static const struct {
        size_t field, size;
        const char *bytes; /* NULL: long_text */
    } changes[] = {
        {0, 3, "2.0"},    {0, 0, ""},     {0, 600, NULL}, {1, 600, NULL}, {2, 0, ""},
        {2, 6, "weir-0"}, {2, 600, NULL}, {3, 600, NULL}, {5, 4, "NULL"}, {5, 5, "PLAIN"},
        {5, 6, "CURVEX"}, {5, 600, NULL}, {6, 0, ""},     {6, 31, NULL},  {6, 33, NULL},
        {6, 32, NULL},    {6, 600, NULL},
    };
    for (size_t i = 0; i < WEIR_COUNT(changes); i++) {
        part changed[7];
        memcpy(changed, good, sizeof changed);
        changed[changes[i].field] =
            (part){changes[i].bytes == NULL ? long_text : changes[i].bytes, changes[i].size};
        expect_status(changed, 7, changes[i].field == 1 ? "" : "r1", "400", "");
    }
    char longer[WEIR_KEY_SIZE + 1] = {0}; /* the key, and something more */
    memcpy(longer, key, WEIR_KEY_SIZE);
    part changed[7];
    memcpy(changed, good, sizeof changed);
    changed[6] = (part){longer, sizeof longer};
    expect_status(changed, 7, "r1", "400", "");
    expect_status(good, 7, "r1", "200", hex);
    expect_in(self, CLIENT);
}

/* --- making one --- */

static void test_a_list_that_cannot_be_loaded(void **state)
{
    (void)state;
    weir_authenticator *authenticator = NULL;
    weir_error error;
    weir_authenticator_config config = {.allow_file = "/nowhere/allow", .what = "dispatcher"};
    assert_int_not_equal(weir_authenticator_new(&config, &authenticator, &error), 0);
    assert_null(authenticator);
    assert_non_null(strstr(error.text, "/nowhere/allow"));
    weir_authenticator_destroy(&authenticator);
    weir_authenticator_destroy(NULL);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    keys *self = weir_calloc(1, sizeof *self);
    keys_make(self);
    weir_authenticator_config config = {.allow_file = self->allow, .what = "dispatcher"};
    int rc = WEIR_ENO_MEMORY, failures = 0;
    for (uint64_t n = 1; rc != 0 && n < 1000; n++) {
        weir_authenticator *authenticator = NULL;
        weir_memory_fail_at(n);
        rc = weir_authenticator_new(&config, &authenticator, NULL);
        if (rc == 0)
            rc = weir_authenticator_admit(authenticator, &self->pairs[0].shown, WEIR_ROLE_RUNNER,
                                          "", NULL);
        weir_memory_fail_at(0);
        failures += rc != 0;
        weir_authenticator_destroy(&authenticator);
    }
    assert_int_equal(rc, 0);
    assert_true(failures > 4);
    keys_remove(self);
    weir_free(self);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_who_comes_in),
        TEST(test_nobody_names_himself),
        TEST(test_without_its_thread_a_door_is_shut),
        TEST(test_an_unknown_domain_lets_nobody_in),
        TEST(test_no_enforcement_no_door),
        TEST(test_each_door_has_its_own_keys),
        TEST(test_identities_of_the_list),
        TEST(test_a_key_that_was_just_allowed_comes_in),
        cmocka_unit_test_setup_teardown(test_a_key_that_was_just_allowed_comes_in, setup_in_silence,
                                        teardown),
        TEST(test_a_key_that_was_taken_away_is_gone),
        TEST(test_a_bad_list_changes_nothing),
        TEST(test_questions_of_any_shape),
        cmocka_unit_test(test_a_list_that_cannot_be_loaded),
        cmocka_unit_test(test_memory_runs_out),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed == 0)
        weir_zmq_end_process(); /* returns when every socket is closed */
    return failed;
}
