/* tests/unit/actors/test_node_keys.c -- a node whose links have keys: who may be whom, and what a
 * key's scope and the end of a key mean. */
#include "node_fixture.h"

/* What the transport says of every link. */
static struct {
    bool is_here;
    weir_identity identity;
} said;

static bool identify(weir_transport *self, uint64_t link, weir_identity *ret)
{
    (void)self;
    (void)link;
    *ret = said.identity;
    return said.is_here;
}

static weir_public_key issued[8], revoked[8];
static size_t issued_count, revoked_count;

static int issue_key(weir_transport *self, weir_roles roles, const char *scope, weir_key_pair *ret,
                     weir_error *err)
{
    (void)self;
    assert_int_equal(roles, WEIR_ROLE_RUNNER);
    assert_string_equal(scope, "door");
    if (issued_count == 2)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no more keys");
    memset(ret, (int)issued_count + 1, sizeof *ret);
    issued[issued_count++] = ret->shown;
    return 0;
}

static void revoke_key(weir_transport *self, const weir_public_key *key)
{
    (void)self;
    revoked[revoked_count++] = *key;
}

static int setup_keys(void **state)
{
    setup(state);
    fixture *f = *state;
    f->wire.transport.identify = identify;
    f->wire.transport.issue_key = issue_key;
    f->wire.transport.revoke_key = revoke_key;
    issued_count = revoked_count = 0;
    said.is_here = true;
    said.identity = (weir_identity){.roles = WEIR_ROLE_CLIENT};
    memset(said.identity.key.bytes, 0xab, WEIR_KEY_SIZE);
    return 0;
}

static void expect_refused(fixture *f, uint64_t link, const char *process, const char *text)
{
    give_hello(f, link, process, 1, "c1", 1, 1);
    const weir_envelope *answer = only_sent(f, link);
    assert_int_equal(answer->body_case, WEIR__PROTO__ENVELOPE__BODY_REFUSE);
    assert_int_equal(answer->refuse->code, WEIR_EREFUSED);
    if (strstr(answer->refuse->text, text) == NULL)
        fail_msg("'%s' has no '%s'", answer->refuse->text, text);
    assert_string_equal(f->actor->events, "");
    forget_sent(f);
}

static void test_a_key_with_the_role_comes_in(void **state)
{
    fixture *f = *state;
    said.identity.roles |= WEIR_ROLE_TASKMANAGER;
    admit(f, 1, "cli-1", 1);
    give_request(f, 1, "cli-1", 5);
    assert_int_equal(f->actor->received, 1);
}

static void test_a_key_of_another_role_is_refused(void **state)
{
    fixture *f = *state;
    said.identity.roles = WEIR_ROLE_TASKMANAGER | WEIR_ROLE_JOBMANAGER;
    expect_refused(f, 1, "cli-1", "may be jobmanager, taskmanager, not client");
    expect_refused(f, 2, "cli-1", "weir keys allow client abababababababab");
    said.is_here = false;
    expect_refused(f, 3, "cli-1", "weir keys allow client KEY");
    give_request(f, 1, "cli-1", 5); /* what it sends all the same reaches nobody */
    assert_int_equal(f->actor->received, 0);
}

static void test_a_process_id_is_its_first_keys(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    weir_identity first = said.identity;
    said.identity.key.bytes[0] = 1;
    expect_refused(f, 2, "cli-1", "is of a process with another key");
    give_goodbye(f, 1, "cli-1");
    f->actor->events[0] = '\0';
    expect_refused(f, 3, "cli-1", "is of a process with another key");
    said.identity = first;
    admit(f, 4, "cli-1", 2);
}

static void test_a_scope_is_the_only_actor(void **state)
{
    fixture *f = *state;
    snprintf(said.identity.scope, sizeof said.identity.scope, "job-1");
    witness *other = spawn(f->node, "job-1");
    admit(f, 1, "cli-1", 1);
    give_request(f, 1, "cli-1", 5); /* to "door" */
    assert_int_equal(f->actor->received, 0);
    const weir_envelope *reply = only_sent(f, 1);
    assert_int_equal(reply->body_case, WEIR__PROTO__ENVELOPE__BODY_ERROR);
    assert_int_equal(reply->error->code, WEIR_EREFUSED);
    assert_non_null(strstr(reply->error->text, "may speak to job-1 alone, not to door"));
    forget_sent(f);
    Weir__Proto__ListJobs body = WEIR__PROTO__LIST_JOBS__INIT;
    weir_envelope envelope = envelope_from("cli-1");
    envelope.to = (char *)(uintptr_t) "job-1";
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_LIST_JOBS;
    envelope.list_jobs = &body;
    give(f, 1, &envelope);
    assert_int_equal(other->received, 1);
}

static void test_rights_are_checked_of_every_message(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    Weir__Proto__Register body = WEIR__PROTO__REGISTER__INIT;
    weir_envelope envelope = envelope_from("cli-1");
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_REGISTER;
    envelope.register_ = &body;
    give(f, 1, &envelope); /* as a message */
    assert_int_equal(f->wire.sent_count, 0);
    assert_int_equal(f->wire.log_count, 1);
    assert_non_null(strstr(f->wire.logs[0], "a client may not send Register to a dispatcher"));
    envelope.correlation = 4; /* as a request */
    give(f, 1, &envelope);
    assert_int_equal(only_sent(f, 1)->error->code, WEIR_EREFUSED);
    forget_sent(f);
    envelope.reply = true; /* as a reply to nothing */
    envelope.correlation = 6;
    give(f, 1, &envelope);
    assert_int_equal(f->wire.sent_count, 0);
    assert_int_equal(f->actor->received, 0);
    assert_int_equal(f->wire.log_count, 1); /* once */
}

static void test_rights_without_keys_go_by_the_role(void **state)
{
    fixture *f = *state;
    f->wire.transport.identify = NULL;
    admit(f, 1, "cli-1", 1);
    give_request(f, 1, "cli-1", 5);
    assert_int_equal(f->actor->received, 1);
    Weir__Proto__JobReport body = WEIR__PROTO__JOB_REPORT__INIT;
    weir_envelope envelope = envelope_from("cli-1");
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_JOB_REPORT;
    envelope.job_report = &body;
    give(f, 1, &envelope);
    assert_int_equal(f->actor->received, 1);
}

static void lose_key(void **state, bool is_here, weir_roles roles)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 7);
    give_request(f, 1, "cli-1", 5);
    assert_int_equal(f->actor->received, 1);
    f->actor->events[0] = '\0';
    weir_node_on_identity(f->node, 1); /* nothing has changed */
    assert_int_equal(f->wire.sent_count, 0);
    said.is_here = is_here;
    said.identity.roles = roles;
    weir_node_on_identity(f->node, 1);
    weir_node_run(f->node);
    const weir_envelope *told = only_sent(f, 1);
    assert_int_equal(told->body_case, WEIR__PROTO__ENVELOPE__BODY_REFUSE);
    assert_int_equal(told->correlation, 7);
    assert_false(told->refuse->unknown_peer);
    assert_non_null(strstr(told->refuse->text, "may not be client any more: abab"));
    forget_sent(f);
    assert_non_null(strstr(f->actor->events, "down cli-1"));
    assert_int_equal(f->wire.disconnected[0], 1);
    f->actor->events[0] = '\0';
    give_request(f, 1, "cli-1", 6);
    assert_int_equal(f->actor->received, 1);
    forget_sent(f);
    expect_refused(f, 2, "cli-1", "weir keys allow");
}

static void test_a_revoked_key_ends_its_links(void **state)
{
    lose_key(state, false, 0);
}

static void test_a_revoked_role_ends_its_links(void **state)
{
    lose_key(state, true, WEIR_ROLE_TASKMANAGER);
}

static void test_unknown_roles_are_refused(void **state)
{
    fixture *f = *state;
    f->wire.transport.identify = NULL;
    Weir__Proto__PeerHello hello = WEIR__PROTO__PEER_HELLO__INIT;
    hello.protocol_min = hello.protocol_max = 1;
    hello.cluster = (char *)(uintptr_t) "c1";
    hello.process = (char *)(uintptr_t) "p-1";
    hello.role = (char *)(uintptr_t) "root";
    weir_envelope envelope = envelope_from("p-1");
    envelope.correlation = 1;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_HELLO;
    envelope.hello = &hello;
    give(f, 1, &envelope);
    assert_int_equal(only_sent(f, 1)->body_case, WEIR__PROTO__ENVELOPE__BODY_REFUSE);
    forget_sent(f);
    weir_node_config config = config_of("there");
    weir_node *node;
    config.role = "root";
    assert_int_equal(weir_node_new(&config, &f->wire.transport, &node, NULL), WEIR_EINVALID);
}

/* --- the other side --- */

static uint64_t connect_expecting(fixture *f, weir_roles expected, uint64_t *ret_number)
{
    assert_int_equal(weir_context_connect(f->actor->context, "jm", "tcp://jm#ab", expected, NULL),
                     0);
    *ret_number = only_sent(f, f->wire.last_link)->correlation;
    forget_sent(f);
    return f->wire.last_link;
}

static void test_somebody_else_answers(void **state)
{
    fixture *f = *state;
    uint64_t number;
    uint64_t link = connect_expecting(f, WEIR_ROLE_DISPATCHER | WEIR_ROLE_CLIENT, &number);
    give_welcome(f, link, "jm-1", number, 1); /* as a jobmanager */
    assert_string_equal(f->actor->events, "refused jm   a jobmanager answers at tcp://jm, and a "
                                          "dispatcher, client was looked for; check the address;");
    assert_string_equal(weir_context_role(f->actor->context, "jm"), "");
}

static void test_the_expected_one_answers(void **state)
{
    fixture *f = *state;
    uint64_t number;
    uint64_t link = connect_expecting(f, WEIR_ROLE_JOBMANAGER, &number);
    give_welcome(f, link, "jm-1", number, 1);
    assert_true(weir_context_is_up(f->actor->context, "jm"));
    assert_string_equal(weir_context_role(f->actor->context, "jm"), "jobmanager");
    assert_string_equal(weir_context_role(f->actor->context, ""), "dispatcher");
    assert_string_equal(weir_context_role(f->actor->context, "nobody"), "");
}

static void test_a_refusal_after_the_welcome_counts(void **state)
{
    fixture *f = *state;
    uint64_t number;
    uint64_t link = connect_expecting(f, WEIR_ROLE_JOBMANAGER, &number);
    give_welcome(f, link, "jm-1", number, 1);
    f->actor->events[0] = '\0';
    give_refuse(f, link, number - 1, "an old one", false);
    assert_string_equal(f->actor->events, "");
    give_refuse(f, link, number, "your key is gone", false);
    assert_non_null(strstr(f->actor->events, "refused jm jm-1 jobmanager your key is gone;"));
    assert_false(weir_context_is_up(f->actor->context, "jm"));
}

static void test_trouble_is_kept_and_told(void **state)
{
    fixture *f = *state;
    uint64_t number;
    uint64_t link = connect_expecting(f, WEIR_ROLE_JOBMANAGER, &number);
    weir_context *context = f->actor->context;
    assert_string_equal(weir_context_trouble(context, "jm"), "");
    weir_node_on_trouble(f->node, link, false, "it hangs up");
    weir_node_on_trouble(f->node, link, false, "it hangs up");
    assert_string_equal(weir_context_trouble(context, "jm"), "it hangs up");
    assert_int_equal(f->wire.log_count, 1);
    assert_string_equal(f->actor->events, "");
    give_welcome(f, link, "jm-1", number, 1);
    assert_string_equal(weir_context_trouble(context, "jm"), "");
    f->actor->events[0] = '\0';
    weir_node_on_trouble(f->node, link, true, "it wants keys");
    weir_node_run(f->node);
    assert_non_null(strstr(f->actor->events, "refused jm jm-1 jobmanager it wants keys;"));
    weir_node_on_trouble(f->node, 4711, true, "of nobody");
}

/* --- issued keys --- */

static void test_issued_keys_end_with_their_actor(void **state)
{
    fixture *f = *state;
    weir_key_pair pair;
    weir_context *context = f->actor->context;
    assert_true(weir_context_has_keys(context));
    assert_int_equal(weir_context_issue_key(context, WEIR_ROLE_RUNNER, &pair, NULL), 0);
    assert_int_equal(weir_context_issue_key(context, WEIR_ROLE_RUNNER, &pair, NULL), 0);
    assert_int_equal(weir_context_issue_key(context, WEIR_ROLE_RUNNER, &pair, NULL),
                     WEIR_ENO_MEMORY);
    assert_int_equal(revoked_count, 0);
    weir_context_end(context, "door");
    weir_node_run(f->node);
    assert_int_equal(revoked_count, 2);
    assert_memory_equal(revoked, issued, 2 * sizeof *issued);
}

static void test_no_keys_are_issued_without_keys(void **state)
{
    fixture *f = *state;
    weir_key_pair pair;
    f->wire.transport.issue_key = NULL;
    assert_false(weir_context_has_keys(f->actor->context));
    assert_int_equal(weir_context_issue_key(f->actor->context, WEIR_ROLE_RUNNER, &pair, NULL),
                     WEIR_ESTATE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_keys, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_key_with_the_role_comes_in),
        TEST(test_a_key_of_another_role_is_refused),
        TEST(test_a_process_id_is_its_first_keys),
        TEST(test_a_scope_is_the_only_actor),
        TEST(test_rights_are_checked_of_every_message),
        TEST(test_rights_without_keys_go_by_the_role),
        TEST(test_a_revoked_key_ends_its_links),
        TEST(test_a_revoked_role_ends_its_links),
        TEST(test_unknown_roles_are_refused),
        TEST(test_somebody_else_answers),
        TEST(test_the_expected_one_answers),
        TEST(test_a_refusal_after_the_welcome_counts),
        TEST(test_trouble_is_kept_and_told),
        TEST(test_issued_keys_end_with_their_actor),
        TEST(test_no_keys_are_issued_without_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
