/* tests/unit/actors/test_security.c -- the keys of a process as its configuration says, and what a
 * daemon makes of them: every mistake has its error. */
#include "actors/daemon.h"
#include "actors/security.h"

#include "keys_fixture.h"

#include <sys/stat.h>

typedef struct fixture {
    keys keys;
    weir_config *config;
    weir_security *security;
    weir_error error;
    char dispatcher[WEIR_KEY_HEX];
} fixture;

static void set(fixture *f, const char *key, const char *value)
{
    assert_int_equal(weir_config_set(f->config, key, value, "-D", NULL), 0);
}

static int setup(void **state)
{
    fixture *f = weir_calloc(1, sizeof *f);
    keys_make(&f->keys);
    f->config = weir_config_new();
    set(f, "security.key-file", f->keys.files[CLIENT]);
    set(f, "security.allow-file", f->keys.allow);
    weir_public_key_format(&f->keys.pairs[DISPATCHER].shown, f->dispatcher);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    weir_security_destroy(&f->security);
    weir_config_destroy(&f->config);
    keys_remove(&f->keys);
    weir_free(f);
    return 0;
}

static int load(fixture *f, bool has_door)
{
    weir_security_destroy(&f->security);
    f->error.text[0] = '\0';
    return weir_security_new(f->config, "dispatcher", has_door, &f->security, &f->error);
}

static void expect_text(const fixture *f, const char *part)
{
    if (strstr(f->error.text, part) == NULL)
        fail_msg("'%s' has no '%s'", f->error.text, part);
}

/* --- loading --- */

static void test_what_is_loaded(void **state)
{
    fixture *f = *state;
    assert_int_equal(load(f, false), 0);
    assert_memory_equal(weir_security_key(f->security), &f->keys.pairs[CLIENT],
                        sizeof(weir_key_pair));
    assert_null(weir_security_authenticator(f->security));
    assert_int_equal(weir_security_own_roles(f->security), WEIR_ROLE_CLIENT);
    assert_int_equal(load(f, true), 0);
    assert_non_null(weir_security_authenticator(f->security));
    assert_null(weir_security_key(NULL));
    assert_null(weir_security_authenticator(NULL));
}

static void test_no_key_file_no_keys(void **state)
{
    fixture *f = *state;
    set(f, "security.key-file", "");
    assert_int_equal(load(f, true), 0);
    assert_null(f->security);
}

static void test_bad_files(void **state)
{
    fixture *f = *state;
    assert_int_equal(chmod(f->keys.files[CLIENT], 0644), 0);
    assert_int_equal(load(f, false), WEIR_EREFUSED);
    assert_null(f->security);
    expect_text(f, "-D: security.key-file: ");
    expect_text(f, f->keys.files[CLIENT]);
    assert_int_equal(chmod(f->keys.files[CLIENT], 0600), 0);
    set(f, "security.key-file", "/nowhere/key");
    assert_int_equal(load(f, false), WEIR_ENOT_FOUND);
    expect_text(f, "/nowhere/key");
    set(f, "security.key-file", f->keys.files[CLIENT]);
    assert_int_equal(chmod(f->keys.allow, 0666), 0);
    assert_int_equal(load(f, false), WEIR_EREFUSED);
    expect_text(f, "-D: security.allow-file: ");
    assert_int_equal(chmod(f->keys.allow, 0644), 0);
    set(f, "security.allow-file", "");
    assert_int_equal(load(f, true), WEIR_EREFUSED);
    expect_text(f, "nothing says whose keys it lets in; set security.allow-file");
    assert_int_equal(load(f, false), 0);
    assert_int_equal(weir_security_own_roles(f->security), 0);
    set(f, "security.dispatcher-key", "abc");
    assert_int_equal(load(f, false), WEIR_EINVALID);
    expect_text(f, "-D: security.dispatcher-key: expected a key of 64 hex digits");
}

static void test_memory_runs_out(void **state)
{
    fixture *f = *state;
    int rc = WEIR_ENO_MEMORY, failures = 0;
    for (uint64_t n = 1; rc != 0 && n < 1000; n++) {
        weir_memory_fail_at(n);
        rc = load(f, true);
        weir_memory_fail_at(0);
        assert_true((f->security != NULL) == (rc == 0));
        failures += rc != 0;
    }
    assert_int_equal(rc, 0);
    assert_true(failures > 5);
}

/* --- the dispatcher's key --- */

static int find(fixture *f, const char *endpoint, char out[WEIR_ENDPOINT_MAX])
{
    return weir_security_dispatcher(f->security, endpoint, out, &f->error);
}

static void expect_dispatcher(fixture *f, const char *endpoint, const char *address,
                              const char *key)
{
    char out[WEIR_ENDPOINT_MAX], expected[WEIR_ENDPOINT_MAX];
    assert_int_equal(find(f, endpoint, out), 0);
    snprintf(expected, sizeof expected, "%s%s%s", address, key[0] == '\0' ? "" : "#", key);
    assert_string_equal(out, expected);
}

static void test_the_dispatchers_key(void **state)
{
    fixture *f = *state;
    char other[WEIR_KEY_HEX], endpoint[WEIR_ENDPOINT_MAX], out[WEIR_ENDPOINT_MAX];
    weir_public_key_format(&f->keys.pairs[STRANGER].shown, other);
    expect_dispatcher(f, "tcp://h:1", "tcp://h:1", ""); /* without keys */
    assert_int_equal(load(f, false), 0);
    expect_dispatcher(f, "tcp://h:1", "tcp://h:1", f->dispatcher);
    expect_dispatcher(f, "inproc://d", "inproc://d", "");
    snprintf(endpoint, sizeof endpoint, "tcp://h:1#%s", other); /* what is said goes first */
    expect_dispatcher(f, endpoint, "tcp://h:1", other);
    assert_int_equal(find(f, "tcp://h:1#12", out), WEIR_EINVALID);
    keys_allow(&f->keys, DISPATCHER, WEIR_ROLE_CLIENT); /* the same key twice is one */
    assert_int_equal(load(f, false), 0);
    expect_dispatcher(f, "tcp://h:1", "tcp://h:1", f->dispatcher);
    keys_allow(&f->keys, STRANGER, WEIR_ROLE_DISPATCHER);
    assert_int_equal(load(f, false), 0);
    assert_int_equal(find(f, "tcp://h:1", out), WEIR_EINVALID);
    expect_text(f, "names several dispatchers");
    set(f, "security.dispatcher-key", other);
    assert_int_equal(load(f, false), 0);
    expect_dispatcher(f, "tcp://h:1", "tcp://h:1", other);
    set(f, "security.dispatcher-key", "");
    keys_disallow(&f->keys, STRANGER);
    keys_disallow(&f->keys, DISPATCHER);
    assert_int_equal(load(f, false), 0);
    assert_int_equal(find(f, "tcp://h:1", out), WEIR_EINVALID);
    expect_text(f, "names no dispatcher");
    set(f, "security.allow-file", "");
    assert_int_equal(load(f, false), 0);
    assert_int_equal(find(f, "tcp://h:1", out), WEIR_EINVALID);
    expect_text(f, "security.dispatcher-key: is not set, and neither is security.allow-file");
}

static void test_endpoints_that_are_too_long(void **state)
{
    fixture *f = *state;
    char endpoint[WEIR_ENDPOINT_MAX + 8], out[WEIR_ENDPOINT_MAX];
    assert_int_equal(load(f, false), 0);
    memset(endpoint, 'h', sizeof endpoint);
    memcpy(endpoint, "tcp://", 6);
    for (size_t length = 180; length < sizeof endpoint; length++) {
        char kept = endpoint[length];
        endpoint[length] = '\0';
        int rc = find(f, endpoint, out);
        if (rc == 0)
            assert_int_equal(strlen(out), length + 65);
        else
            assert_int_equal(rc, WEIR_EINVALID);
        assert_true((rc == 0) == (length + 65 < WEIR_ENDPOINT_MAX));
        endpoint[length] = kept;
    }
}

/* --- whom it believes --- */

static int check(fixture *f, int pair, weir_roles expected)
{
    char endpoint[WEIR_ENDPOINT_MAX], hex[WEIR_KEY_HEX];
    snprintf(endpoint, sizeof endpoint, "tcp://h:1#%s",
             weir_public_key_format(&f->keys.pairs[pair].shown, hex));
    return weir_security_check(f->security, endpoint, expected, &f->error);
}

static void test_whom_it_believes(void **state)
{
    fixture *f = *state;
    char hex[WEIR_KEY_HEX];
    assert_int_equal(load(f, false), 0);
    assert_int_equal(check(f, DISPATCHER, WEIR_ROLE_DISPATCHER), 0);
    assert_int_equal(check(f, JOBMANAGER, WEIR_ROLE_JOBMANAGER), 0);
    assert_int_equal(check(f, JOBMANAGER, WEIR_ROLE_DISPATCHER), WEIR_EREFUSED);
    assert_int_equal(check(f, STRANGER, WEIR_ROLE_JOBMANAGER), WEIR_EREFUSED);
    expect_text(f, "may be none by");
    assert_int_equal(check(f, DISPATCHER, 0), WEIR_EREFUSED); /* nobody in particular is nobody */
    assert_int_equal(weir_security_check(f->security, "tcp://h:1", WEIR_ROLE_DISPATCHER, NULL), 0);
    assert_int_equal(weir_security_check(f->security, "inproc://d", WEIR_ROLE_DISPATCHER, NULL), 0);
    keys_allow(&f->keys, STRANGER, WEIR_ROLE_JOBMANAGER); /* the list is read again */
    assert_int_equal(check(f, STRANGER, WEIR_ROLE_JOBMANAGER), 0);
    keys_disallow(&f->keys, STRANGER);
    assert_int_equal(check(f, STRANGER, WEIR_ROLE_JOBMANAGER), WEIR_EREFUSED);
    unlink(f->keys.allow); /* what is gone or bad does not count */
    assert_int_equal(check(f, JOBMANAGER, WEIR_ROLE_JOBMANAGER), 0);
    assert_int_equal(check(f, STRANGER, WEIR_ROLE_JOBMANAGER), WEIR_EREFUSED);
    keys_allow(&f->keys, JOBMANAGER, WEIR_ROLE_JOBMANAGER);
    set(f, "security.dispatcher-key", weir_public_key_format(&f->keys.pairs[STRANGER].shown, hex));
    assert_int_equal(load(f, false), 0);
    assert_int_equal(check(f, STRANGER, WEIR_ROLE_DISPATCHER), 0); /* set by hand */
    assert_int_equal(check(f, STRANGER, WEIR_ROLE_JOBMANAGER), WEIR_EREFUSED);
    set(f, "security.allow-file", "");
    assert_int_equal(load(f, false), 0); /* without a list: what the dispatcher says */
    assert_int_equal(check(f, TASKMANAGER, WEIR_ROLE_JOBMANAGER), 0);
    weir_security_destroy(&f->security);
    assert_int_equal(weir_security_new_of_key(&f->keys.pairs[CLIENT], &f->security, NULL), 0);
    assert_int_equal(check(f, TASKMANAGER, WEIR_ROLE_JOBMANAGER), 0);
}

/* --- daemons --- */

static void test_where_a_daemon_may_listen(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *host;
        bool is_loopback;
    } hosts[] = {
        {"127.0.0.1", true},    {"127.4.5.6", true}, {"localhost", true},    {"LOCALHOST", true},
        {"::1", true},          {"[::1]", true},     {"0.0.0.0", false},     {"*", false},
        {"10.1.2.3", false},    {"[::]", false},     {"127.example", false}, {"127.0.0.1.x", false},
        {"localhost.x", false}, {"eth0", false},     {"2130706433", false},
    };
    for (size_t i = 0; i < WEIR_COUNT(hosts); i++) {
        set(f, "dispatcher.bind-host", hosts[i].host);
        for (int how = 0; how < 16; how++) {
            bool key = how & 1, list = how & 2, insecure = how & 4, given = how & 8;
            set(f, "security.key-file", key ? f->keys.files[0] : "");
            set(f, "security.allow-file", list ? f->keys.allow : "");
            set(f, "security.insecure", insecure ? "true" : "false");
            bool may = hosts[i].is_loopback || (key && list) || insecure || given;
            int rc = weir_daemon_check_bind(f->config, "dispatcher.bind-host", given, &f->error);
            assert_int_equal(rc, may ? 0 : WEIR_EREFUSED);
            if (may)
                continue;
            expect_text(f, "-D: dispatcher.bind-host: ");
            expect_text(f, "security.key-file and security.allow-file");
            expect_text(f, "security.insecure");
        }
    }
}

static void test_what_a_daemon_tells_of_itself(void **state)
{
    fixture *f = *state;
    char out[WEIR_ENDPOINT_MAX], bound[WEIR_ENDPOINT_MAX], expected[WEIR_ENDPOINT_MAX];
    snprintf(bound, sizeof bound, "tcp://0.0.0.0:6123#%s", f->dispatcher);
    set(f, "jobmanager.rpc.address", "host-7");
    weir_daemon_advertise(f->config, "jobmanager.rpc.address", bound, out, sizeof out);
    snprintf(expected, sizeof expected, "tcp://host-7:6123#%s", f->dispatcher);
    assert_string_equal(out, expected);
}

static void test_a_daemon_without_its_keys_does_not_start(void **state)
{
    fixture *f = *state;
    weir_daemon *daemon = NULL;
    weir_daemon_config frame = {
        .config = f->config, .role = "dispatcher", .bind = "tcp://127.0.0.1"};
    set(f, "security.allow-file", "");
    assert_int_equal(weir_daemon_new(&frame, &daemon, &f->error), WEIR_EREFUSED);
    expect_text(f, "security.allow-file");
    frame.bind = "inproc://keyless"; /* which needs none */
    assert_int_equal(weir_daemon_new(&frame, &daemon, NULL), 0);
    assert_string_equal(weir_daemon_endpoint(daemon), "inproc://keyless");
    weir_daemon_destroy(&daemon);
    set(f, "security.allow-file", f->keys.allow);
    frame.bind = "tcp://127.0.0.1";
    assert_int_equal(weir_daemon_new(&frame, &daemon, NULL), 0);
    char out[WEIR_ENDPOINT_MAX], hex[WEIR_KEY_HEX];
    assert_string_equal(strchr(weir_daemon_endpoint(daemon), '#') + 1,
                        weir_public_key_format(&f->keys.pairs[CLIENT].shown, hex));
    assert_int_equal(weir_daemon_find_dispatcher(daemon, "tcp://h:1", out, NULL), 0);
    assert_string_equal(strchr(out, '#') + 1, f->dispatcher);
    weir_daemon_destroy(&daemon);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_loaded),
        TEST(test_no_key_file_no_keys),
        TEST(test_bad_files),
        TEST(test_memory_runs_out),
        TEST(test_the_dispatchers_key),
        TEST(test_endpoints_that_are_too_long),
        TEST(test_whom_it_believes),
        TEST(test_where_a_daemon_may_listen),
        TEST(test_what_a_daemon_tells_of_itself),
        TEST(test_a_daemon_without_its_keys_does_not_start),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed == 0)
        weir_zmq_end_process();
    return failed;
}
