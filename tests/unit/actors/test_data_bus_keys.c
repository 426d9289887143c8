/* tests/unit/actors/test_data_bus_keys.c -- data buses with keys: a job's key opens its own
 * channels and no others. */
#include "actors/data_bus.h"

#include "keys_fixture.h"

#include <pthread.h>
#include <time.h>

enum { DATA_KEY = 7, OWN = CLIENT, OTHERS = STRANGER };

typedef struct runner {
    weir_data_bus *bus;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int received, lost;
    char lost_text[512];
} runner;

static void on_receive(void *data, uint32_t from, const void *header, size_t header_size,
                       void *body, size_t body_size, void (*release)(void *, void *), void *hint)
{
    runner *self = data;
    (void)from, (void)header, (void)header_size, (void)body_size;
    pthread_mutex_lock(&self->lock);
    self->received++;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
    if (body != NULL)
        release(body, hint);
}

static void on_lost(void *data, uint32_t peer, const char *text)
{
    runner *self = data;
    (void)peer;
    pthread_mutex_lock(&self->lock);
    self->lost++;
    snprintf(self->lost_text, sizeof self->lost_text, "%s", text);
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static void runner_open(runner *self, uint32_t index, const weir_key_pair *pair)
{
    *self = (runner){.received = 0};
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    weir_data_bus_config config = {
        .bind = "tcp://127.0.0.1",
        .job = "0123456789abcdef0123456789abcdef",
        .runner = index,
        .message_max = 1 << 20,
        .receive = on_receive,
        .lost = on_lost,
        .self = self,
        .key = pair,
    };
    assert_int_equal(weir_data_bus_new(&config, &self->bus, NULL), 0);
}

static void runner_close(runner *self)
{
    weir_data_bus_destroy(&self->bus);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
}

static int join_with(runner *self, uint32_t index, const char *endpoint, weir_error *err)
{
    uint32_t indices[1] = {index};
    const char *endpoints[1] = {endpoint};
    return weir_data_bus_join(self->bus, DATA_KEY, indices, endpoints, 1, err);
}

/* Until something happened to it. */
static void await_change(runner *self)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE / 1000;
    pthread_mutex_lock(&self->lock);
    int rc = 0;
    while (rc == 0 && self->received == 0 && self->lost == 0)
        rc = pthread_cond_timedwait(&self->changed, &self->lock, &until);
    pthread_mutex_unlock(&self->lock);
    assert_int_equal(rc, 0);
}

static int setup(void **state)
{
    keys *self = weir_calloc(1, sizeof *self);
    keys_make(self);
    *state = self;
    return 0;
}

static int teardown(void **state)
{
    keys_remove(*state);
    weir_free(*state);
    return 0;
}

static void test_one_job(void **state)
{
    keys *k = *state;
    runner zero, one;
    runner_open(&zero, 0, &k->pairs[OWN]);
    runner_open(&one, 1, &k->pairs[OWN]);
    assert_int_equal(join_with(&zero, 1, weir_data_bus_endpoint(one.bus), NULL), 0);
    assert_int_equal(join_with(&one, 0, weir_data_bus_endpoint(zero.bus), NULL), 0);
    assert_int_equal(weir_data_bus_send(zero.bus, 1, "h", 1, NULL, 0, NULL, NULL), 0);
    assert_int_equal(weir_data_bus_send(one.bus, 0, "h", 1, NULL, 0, NULL, NULL), 0);
    await_change(&zero);
    await_change(&one);
    assert_int_equal(zero.received, 1);
    assert_int_equal(one.received, 1);
    runner_close(&zero);
    runner_close(&one);
}

/* Raw clients at a door of which the whole rest is known: the job, the data key, the protocol. */
static void test_strangers(void **state)
{
    keys *k = *state;
    static const struct {
        enum manner manner;
        int pair;
        enum weir_zmq_news expected;
    } cases[] = {
        {NO_MECHANISM, OWN, WEIR_ZMQ_MISMATCH},     {PLAIN, OWN, WEIR_ZMQ_MISMATCH},
        {WRONG_SERVER, OTHERS, WEIR_ZMQ_BROKE_OFF}, {WITH_KEY, OTHERS, WEIR_ZMQ_REFUSED},
        {WITH_KEY, DISPATCHER, WEIR_ZMQ_REFUSED},
    };
    runner one;
    runner_open(&one, 1, &k->pairs[OWN]);
    char endpoint[WEIR_ENDPOINT_MAX];
    snprintf(endpoint, sizeof endpoint, "%s", weir_data_bus_endpoint(one.bus));
    assert_int_equal(join_with(&one, 0, endpoint, NULL), 0);
    for (size_t i = 0; i < WEIR_COUNT(cases); i++) {
        raw client = raw_connect(endpoint, cases[i].manner, &k->pairs[cases[i].pair], NULL);
        assert_int_equal(raw_news(&client), cases[i].expected);
        raw_close(&client);
    }
    runner_close(&one);
    assert_int_equal(one.received, 0);
    assert_int_equal(one.lost, 0);
}

static void test_another_jobs_runner(void **state)
{
    keys *k = *state;
    weir_error error;
    runner zero, one;
    char endpoint[WEIR_ENDPOINT_MAX], hex[WEIR_KEY_HEX];
    runner_open(&zero, 0, &k->pairs[OTHERS]);
    runner_open(&one, 1, &k->pairs[OWN]);
    assert_int_equal(join_with(&one, 0, weir_data_bus_endpoint(zero.bus), &error), WEIR_EREFUSED);
    assert_non_null(strstr(error.text, "has not the job's key"));
    const char *to = weir_data_bus_endpoint(one.bus);
    snprintf(endpoint, sizeof endpoint, "%.*s", (int)strcspn(to, "#"), to);
    assert_int_equal(join_with(&zero, 1, endpoint, &error), WEIR_EREFUSED); /* no key */
    size_t length = strlen(endpoint);
    snprintf(endpoint + length, sizeof endpoint - length, "#%s",
             weir_public_key_format(&k->pairs[OTHERS].shown, hex));
    assert_int_equal(weir_data_bus_send(zero.bus, 1, "h", 1, NULL, 0, NULL, NULL), WEIR_ENOT_FOUND);
    assert_int_equal(join_with(&zero, 1, endpoint, NULL), 0); /* whose door is another's */
    assert_int_equal(weir_data_bus_send(zero.bus, 1, "h", 1, NULL, 0, NULL, NULL), 0);
    runner_close(&zero); /* it would try for a minute */
    runner_close(&one);
    assert_int_equal(one.received, 0);
}

static void test_a_runner_without_a_key(void **state)
{
    keys *k = *state;
    runner zero, one;
    char endpoint[WEIR_ENDPOINT_MAX];
    runner_open(&zero, 0, NULL);
    runner_open(&one, 1, &k->pairs[OWN]);
    const char *to = weir_data_bus_endpoint(one.bus);
    snprintf(endpoint, sizeof endpoint, "%.*s", (int)strcspn(to, "#"), to);
    assert_int_equal(join_with(&zero, 1, endpoint, NULL), 0);
    assert_int_equal(weir_data_bus_send(zero.bus, 1, "h", 1, NULL, 0, NULL, NULL), 0);
    await_change(&zero);
    assert_int_equal(zero.lost, 1);
    assert_non_null(strstr(zero.lost_text, "does not take this job's key"));
    runner_close(&zero);
    runner_close(&one);
    assert_int_equal(one.received, 0);
}

static void test_memory_runs_out(void **state)
{
    keys *k = *state;
    int rc = WEIR_ENO_MEMORY, failures = 0;
    weir_data_bus *bus = NULL;
    weir_data_bus_config config = {
        .bind = "tcp://127.0.0.1",
        .job = "0123456789abcdef0123456789abcdef",
        .message_max = 1 << 20,
        .receive = on_receive,
        .lost = on_lost,
        .key = &k->pairs[OWN],
    };
    for (uint64_t n = 1; rc != 0 && n < 1000; n++) {
        weir_memory_fail_at(n);
        rc = weir_data_bus_new(&config, &bus, NULL);
        weir_memory_fail_at(0);
        failures += rc != 0;
    }
    assert_int_equal(rc, 0);
    assert_true(failures > 6);
    weir_data_bus_destroy(&bus);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_job),
        TEST(test_strangers),
        TEST(test_another_jobs_runner),
        TEST(test_a_runner_without_a_key),
        TEST(test_memory_runs_out),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed == 0)
        weir_zmq_end_process();
    return failed;
}
