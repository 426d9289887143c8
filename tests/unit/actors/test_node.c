/* tests/unit/actors/test_node.c -- handshakes, peers and heartbeats of a node. */
#include "tests/unit/actors/node_fixture.h"

/* --- the acceptor's side --- */

static void test_hello_is_welcomed_once(void **state)
{
    fixture *f = *state;
    give_hello(f, 1, "cli-1", 1, "c1", 1, 3);
    const weir_envelope *answer = only_sent(f, 1);
    assert_int_equal(answer->body_case, WEIR__PROTO__ENVELOPE__BODY_WELCOME);
    assert_int_equal(answer->welcome->protocol, 1);
    assert_string_equal(answer->from_process, "here");
    assert_string_equal(f->actor->events, "up cli-1 cli-1 client ;");
    assert_true(weir_context_is_up(f->actor->context, "cli-1"));
    forget_sent(f);
    f->actor->events[0] = '\0';
    /* A repeat is welcomed again and is no news; a new handshake of the same incarnation is. */
    admit(f, 1, "cli-1", 1);
    give_hello(f, 1, "cli-1", 1, "c1", 1, 3);
    assert_string_equal(f->actor->events, "");
    give_hello(f, 1, "cli-1", 2, "c1", 1, 3);
    assert_string_equal(f->actor->events, "up cli-1 cli-1 client ;");
    /* An overtaken one of before is ignored. */
    forget_sent(f);
    give_hello(f, 1, "cli-1", 1, "c1", 1, 3);
    assert_int_equal(f->wire.sent_count, 0);
}

static void expect_refusal(fixture *f, int code, const char *text)
{
    const weir_envelope *answer = only_sent(f, 1);
    assert_int_equal(answer->body_case, WEIR__PROTO__ENVELOPE__BODY_REFUSE);
    assert_int_equal(answer->refuse->code, code);
    assert_false(answer->refuse->unknown_peer);
    assert_non_null(strstr(answer->refuse->text, text));
    assert_string_equal(f->actor->events, "");
    forget_sent(f);
}

static void test_bad_hellos_are_refused(void **state)
{
    fixture *f = *state;
    give_hello(f, 1, "cli-1", 1, "c2", 1, 1);
    expect_refusal(f, WEIR_EREFUSED, "'c2'");
    give_hello(f, 1, "cli-1", 1, "c1", 2, 3);
    expect_refusal(f, WEIR_EVERSION, "2 to 3");
    give_hello(f, 1, "cli-1", 1, "c1", 0, 0);
    expect_refusal(f, WEIR_EVERSION, "0 to 0");
    give_hello(f, 1, "", 1, "c1", 1, 1);
    expect_refusal(f, WEIR_EINVALID, "bad process id");
    give_hello(f, 1, "a b", 1, "c1", 1, 1);
    expect_refusal(f, WEIR_EINVALID, "bad process id");
    char name[WEIR_PROCESS_NAME_MAX + 1];
    memset(name, 'a', sizeof name);
    name[WEIR_PROCESS_NAME_MAX] = '\0';
    give_hello(f, 1, name, 1, "c1", 1, 1);
    expect_refusal(f, WEIR_EINVALID, "bad process id");
    give_hello(f, 1, "here", 1, "c1", 1, 1);
    expect_refusal(f, WEIR_EREFUSED, "taken");
    /* The same complaint of one link is logged once. */
    assert_int_equal(f->wire.log_count, 1);
    name[WEIR_PROCESS_NAME_MAX - 1] = '\0';
    admit(f, 1, name, 1);
}

static void test_a_link_speaks_for_one_process(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    give_hello(f, 1, "cli-2", 1, "c1", 1, 1);
    expect_refusal(f, WEIR_EREFUSED, "'cli-1'");
    give_request(f, 1, "cli-2", 5);
    assert_int_equal(f->actor->received, 0);
    expect_refusal(f, WEIR_EREFUSED, "process id");
}

static void test_an_alias_is_not_taken_over(void **state)
{
    fixture *f = *state;
    connect_up(f, "jm-1");
    give_hello(f, 1, "jm", 1, "c1", 1, 1);
    expect_refusal(f, WEIR_EREFUSED, "taken");
}

static void test_a_stranger_is_told_to_say_hello(void **state)
{
    fixture *f = *state;
    give_request(f, 1, "cli-1", 5);
    const weir_envelope *answer = only_sent(f, 1);
    assert_int_equal(answer->body_case, WEIR__PROTO__ENVELOPE__BODY_REFUSE);
    assert_true(answer->refuse->unknown_peer);
    forget_sent(f);
    give_heartbeat(f, 1, "cli-1");
    assert_int_equal(f->wire.sent_count, 1);
    forget_sent(f);
    assert_int_equal(f->actor->received, 0);
    give_goodbye(f, 1, "cli-1"); /* these need no answer, and would be answered for ever */
    give_refuse(f, 1, 0, "say hello", true);
    give_welcome(f, 1, "cli-1", 1, 1);
    assert_int_equal(f->wire.sent_count, 0);
}

static void test_too_many_peers(void **state)
{
    fixture *f = *state;
    char name[16];
    for (uint64_t i = 1; i <= 4; i++) {
        snprintf(name, sizeof name, "cli-%d", (int)i);
        admit(f, i + 10, name, i);
    }
    give_hello(f, 1, "cli-5", 1, "c1", 1, 1);
    expect_refusal(f, WEIR_ERESOURCES, "4 connections");
    give_goodbye(f, 11, "cli-1");
    f->actor->events[0] = '\0';
    admit(f, 1, "cli-5", 1);
}

static void test_records_of_the_gone_are_bounded(void **state)
{
    fixture *f = *state;
    char name[16];
    for (uint64_t i = 1; i <= 1000; i++) {
        snprintf(name, sizeof name, "cli-%d", (int)i);
        admit(f, i + 1000, name, 1);
        f->actor->answers = true;
        give_request(f, i + 1000, name, 1);
        give_goodbye(f, i + 1000, name);
        forget_sent(f);
        f->actor->events[0] = '\0';
    }
    /* The latest is remembered: its late hello is one of a closed connection. */
    give_hello(f, 9000, "cli-1000", 1, "c1", 1, 1);
    assert_int_equal(f->wire.sent_count, 0);
    /* The first was forgotten long ago. */
    admit(f, 9001, "cli-1", 1);
}

static void test_junk_is_logged_once_and_bounded(void **state)
{
    fixture *f = *state;
    uint64_t random = 42;
    uint8_t junk[300];
    for (uint64_t link = 1; link <= 2000; link++) {
        for (size_t i = 0; i < sizeof junk; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            junk[i] = (uint8_t)(random >> 56);
        }
        weir_node_on_message(f->node, link, junk, 1 + (size_t)(random >> 33) % sizeof junk);
        weir_node_on_message(f->node, link, junk, sizeof junk);
        weir_node_on_message(f->node, link, "", 0);
        weir_node_run(f->node);
    }
    assert_int_equal(f->actor->received, 0);
    assert_true(f->wire.log_count > 0 && f->wire.log_count <= 20);
    /* All but the last few links were forgotten again. */
    assert_int_equal(f->wire.disconnected_count, WEIR_COUNT(f->wire.disconnected));
    admit(f, 2001, "cli-1", 1);
    size_t logged = f->wire.log_count;
    weir_node_on_message(f->node, 2001, junk, sizeof junk);
    weir_node_on_message(f->node, 2001, junk, sizeof junk);
    assert_int_equal(f->wire.log_count, logged + 1);
    assert_true(weir_context_is_up(f->actor->context, "cli-1"));
}

static void test_every_cut_of_a_message_is_survived(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    Weir__Proto__SubmitJob job = WEIR__PROTO__SUBMIT_JOB__INIT;
    job.name = (char *)(uintptr_t) "a name";
    weir_envelope envelope = envelope_from("cli-1");
    envelope.correlation = 9;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_SUBMIT_JOB;
    envelope.submit_job = &job;
    weir_buffer bytes = WEIR_BUFFER_INIT;
    assert_int_equal(weir_proto_pack(&envelope.base, &bytes), 0);
    for (size_t size = 0; size < bytes.size; size++) {
        uint8_t *exact = weir_alloc(size); /* so that a read behind the end is seen */
        memcpy(exact, bytes.data, size);
        weir_node_on_message(f->node, 1, exact, size);
        weir_free(exact);
    }
    for (size_t i = 0; i < bytes.size * 8; i++) {
        bytes.data[i / 8] ^= (uint8_t)(1 << i % 8);
        weir_node_on_message(f->node, 1, bytes.data, bytes.size);
        weir_node_run(f->node);
        bytes.data[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    weir_buffer_deinit(&bytes);
    assert_true(weir_context_is_up(f->actor->context, "cli-1"));
}

static void test_a_message_over_the_limit_is_dropped(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    uint8_t *large = weir_calloc(1, (64 << 10) + 1);
    weir_node_on_message(f->node, 1, large, (64 << 10) + 1);
    weir_free(large);
    assert_int_equal(f->wire.log_count, 1);
    assert_non_null(strstr(f->wire.logs[0], "65537 bytes"));
}

static void test_bad_addresses_are_dropped(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    char name[WEIR_ACTOR_NAME_MAX + 1];
    memset(name, 'a', sizeof name);
    name[WEIR_ACTOR_NAME_MAX] = '\0';
    Weir__Proto__ListJobs question = WEIR__PROTO__LIST_JOBS__INIT;
    weir_envelope envelope = envelope_from("cli-1");
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_LIST_JOBS;
    envelope.list_jobs = &question;
    envelope.from = name;
    give(f, 1, &envelope);
    envelope.from = (char *)(uintptr_t) "no\nname";
    give(f, 1, &envelope);
    assert_int_equal(f->actor->received, 0);
    envelope.from = (char *)(uintptr_t) "name";
    give(f, 1, &envelope);
    assert_int_equal(f->actor->received, 1);
}

static void test_heartbeats_are_answered_and_silence_is_death(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    for (int i = 0; i < 4; i++) {
        wait_ms(f, TIMEOUT - 1);
        give_heartbeat(f, 1, "cli-1");
        const weir_envelope *answer = only_sent(f, 1);
        assert_int_equal(answer->body_case, WEIR__PROTO__ENVELOPE__BODY_HEARTBEAT);
        assert_int_equal(answer->heartbeat->number, 5);
        forget_sent(f);
    }
    wait_ms(f, TIMEOUT - 1);
    give_request(f, 1, "cli-1", 77); /* any message counts */
    wait_ms(f, TIMEOUT - 1);
    assert_true(weir_context_is_up(f->actor->context, "cli-1"));
    f->actor->events[0] = '\0';
    wait_ms(f, 1);
    assert_string_equal(f->actor->events, "down cli-1 cli-1 client no sign of life for 5 s;");
    assert_false(weir_context_is_up(f->actor->context, "cli-1"));
    /* It is a stranger now. */
    give_heartbeat(f, 1, "cli-1");
    assert_true(only_sent(f, 1)->refuse->unknown_peer);
}

static void test_a_stalled_process_gives_its_peers_another_interval(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    weir_node_run(f->node);
    f->wire.now_ms += 10 * TIMEOUT;
    weir_node_run(f->node);
    assert_true(weir_context_is_up(f->actor->context, "cli-1"));
    wait_ms(f, INTERVAL);
    assert_false(weir_context_is_up(f->actor->context, "cli-1"));
}

static void test_goodbye_is_down_at_once_and_final(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 3);
    give_goodbye(f, 1, "cli-1");
    assert_string_equal(f->actor->events, "down cli-1 cli-1 client it said goodbye: done;");
    f->actor->events[0] = '\0';
    give_hello(f, 2, "cli-1", 3, "c1", 1, 1); /* a late repeat */
    assert_int_equal(f->wire.sent_count, 0);
    assert_string_equal(f->actor->events, "");
    admit(f, 2, "cli-1", 4); /* connected again */
}

static void test_a_known_process_on_a_new_link_replaces_the_old(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    give_request(f, 1, "cli-1", 50);
    give_hello(f, 2, "cli-1", 2, "c1", 1, 1);
    assert_int_equal(f->wire.disconnected[0], 1);
    forget_sent(f);
    f->actor->events[0] = '\0';
    /* The old link is a stranger's; what it asked is answered on the new one. */
    give_heartbeat(f, 1, "cli-1");
    assert_true(only_sent(f, 1)->refuse->unknown_peer);
    forget_sent(f);
    weir_context_reply_ack(f->actor->context, &f->actor->last);
    assert_int_equal(only_sent(f, 2)->correlation, 50);
}

/* --- the connector's side --- */

static void test_hello_is_repeated_until_welcomed(void **state)
{
    fixture *f = *state;
    assert_int_equal(weir_context_connect(f->actor->context, "jm", "tcp://jm", 0, NULL), 0);
    assert_false(weir_context_is_up(f->actor->context, "jm"));
    wait_ms(f, 10 * RETRY);
    assert_int_equal(f->wire.sent_count, 11);
    uint64_t number = f->wire.sent[0].envelope->correlation;
    for (size_t i = 0; i < f->wire.sent_count; i++) {
        assert_int_equal(f->wire.sent[i].envelope->correlation, number);
        assert_string_equal(f->wire.sent[i].envelope->hello->cluster, "c1");
    }
    forget_sent(f);
    uint64_t link = f->wire.last_link;
    weir_node_on_link(f->node, link, true); /* the door is there: at once */
    assert_int_equal(only_sent(f, link)->correlation, number);
    give_welcome(f, link, "jm-1", number + 1, 1); /* not of this handshake */
    assert_string_equal(f->actor->events, "");
    give_welcome(f, link, "jm-1", number, 1);
    assert_string_equal(f->actor->events, "up jm jm-1 jobmanager ;");
    give_welcome(f, link, "jm-1", number, 1); /* of a repeat */
    assert_string_equal(f->actor->events, "up jm jm-1 jobmanager ;");
}

static void test_connect_checks(void **state)
{
    fixture *f = *state;
    weir_context *context = f->actor->context;
    connect_up(f, "jm-1");
    admit(f, 1, "cli-1", 1);
    assert_int_equal(weir_context_connect(context, "jm", "tcp://other", 0, NULL), WEIR_EEXISTS);
    assert_int_equal(weir_context_connect(context, "jm2", "tcp://jm", 0, NULL), WEIR_EEXISTS);
    assert_int_equal(weir_context_connect(context, "cli-1", "tcp://x", 0, NULL), WEIR_EEXISTS);
    assert_int_equal(weir_context_connect(context, "here", "tcp://x", 0, NULL), WEIR_EEXISTS);
    assert_int_equal(weir_context_connect(context, "a b", "tcp://x", 0, NULL), WEIR_EINVALID);
    assert_int_equal(weir_context_connect(context, "", "tcp://x", 0, NULL), WEIR_EINVALID);
    assert_int_equal(weir_context_connect(context, "x", "bad", 0, NULL), WEIR_EINVALID);
    assert_int_equal(weir_context_connect(context, "x", "tcp://x", 0, NULL), 0);
}

static void test_the_connector_beats_and_gives_up_the_silent(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    wait_ms(f, TIMEOUT - 1);
    assert_int_equal(f->wire.sent_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(f->wire.sent[i].envelope->body_case,
                         WEIR__PROTO__ENVELOPE__BODY_HEARTBEAT);
    give_heartbeat(f, link, "jm-1");
    wait_ms(f, TIMEOUT - 1);
    assert_string_equal(f->actor->events, "");
    forget_sent(f);
    wait_ms(f, 1);
    assert_string_equal(f->actor->events, "down jm jm-1 jobmanager no sign of life for 5 s;");
    assert_int_equal(f->wire.sent[0].envelope->body_case, WEIR__PROTO__ENVELOPE__BODY_HELLO);
    forget_sent(f);
    wait_ms(f, 1000 * 1000); /* it is tried for ever */
    assert_int_equal(f->wire.sent_count, 1000 * 1000 / RETRY);
}

static void test_unknown_peer_means_a_new_handshake(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    give_refuse(f, link, 0, "say hello", true);
    give_refuse(f, link, 0, "say hello", true); /* one handshake at a time */
    const weir_envelope *hello = only_sent(f, link);
    assert_int_equal(hello->body_case, WEIR__PROTO__ENVELOPE__BODY_HELLO);
    uint64_t number = hello->correlation;
    forget_sent(f);
    give_welcome(f, link, "jm-1", number, 1);
    assert_string_equal(f->actor->events, "up jm jm-1 jobmanager ;");
}

static void test_another_incarnation_is_down_then_up(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    /* What another process says on this link is not believed, but makes us ask. */
    give_heartbeat(f, link, "jm-2");
    uint64_t number = only_sent(f, link)->correlation;
    forget_sent(f);
    give_welcome(f, link, "jm-2", number, 1);
    assert_string_equal(f->actor->events, "down jm jm-1 jobmanager another incarnation took its "
                                          "place;up jm jm-2 jobmanager ;");
    give_heartbeat(f, link, "jm-1"); /* a late word of the former */
    assert_int_equal(f->wire.sent_count, 0);
}

static void test_a_refusal_is_final(void **state)
{
    fixture *f = *state;
    assert_int_equal(weir_context_connect(f->actor->context, "jm", "tcp://jm", 0, NULL), 0);
    uint64_t link = f->wire.last_link;
    uint64_t number = only_sent(f, link)->correlation;
    forget_sent(f);
    ask(f, "jm", 10000);
    give_refuse(f, link, 0, "of another message", false);
    assert_string_equal(f->actor->events, "");
    give_refuse(f, link, number, "wrong cluster", false);
    assert_string_equal(f->actor->events,
                        "refused jm   wrong cluster;job failed -10 jm refused the connection: "
                        "wrong cluster;");
    f->actor->events[0] = '\0';
    ask(f, "jm", 10000);
    weir_node_run(f->node);
    assert_non_null(strstr(f->actor->events, "job failed -10"));
    forget_sent(f);
    wait_ms(f, 100 * RETRY);
    assert_int_equal(f->wire.sent_count, 0);
    assert_int_equal(f->wire.disconnected[0], link);
    weir_context_disconnect(f->actor->context, "jm"); /* and may be tried by hand */
    f->actor->events[0] = '\0';
    connect_up(f, "jm-1");
}

static void test_a_protocol_of_the_future_is_refused(void **state)
{
    fixture *f = *state;
    assert_int_equal(weir_context_connect(f->actor->context, "jm", "tcp://jm", 0, NULL), 0);
    uint64_t number = only_sent(f, f->wire.last_link)->correlation;
    give_welcome(f, f->wire.last_link, "jm-1", number, 2);
    assert_non_null(strstr(f->actor->events, "refused jm"));
}

static void test_disconnect_says_goodbye(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    ask(f, "jm", 10000);
    forget_sent(f);
    weir_context_disconnect(f->actor->context, "jm");
    assert_int_equal(only_sent(f, link)->body_case, WEIR__PROTO__ENVELOPE__BODY_GOODBYE);
    weir_node_run(f->node);
    assert_string_equal(f->actor->events, "down jm jm-1 jobmanager disconnected;"
                                          "job failed -10 jm: disconnected;");
    assert_int_equal(f->wire.disconnected[0], link);
    forget_sent(f);
    f->actor->events[0] = '\0';
    connect_up(f, "jm-1");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_hello_is_welcomed_once),
        T(test_bad_hellos_are_refused),
        T(test_a_link_speaks_for_one_process),
        T(test_an_alias_is_not_taken_over),
        T(test_a_stranger_is_told_to_say_hello),
        T(test_too_many_peers),
        T(test_records_of_the_gone_are_bounded),
        T(test_junk_is_logged_once_and_bounded),
        T(test_every_cut_of_a_message_is_survived),
        T(test_a_message_over_the_limit_is_dropped),
        T(test_bad_addresses_are_dropped),
        T(test_heartbeats_are_answered_and_silence_is_death),
        T(test_a_stalled_process_gives_its_peers_another_interval),
        T(test_goodbye_is_down_at_once_and_final),
        T(test_a_known_process_on_a_new_link_replaces_the_old),
        T(test_hello_is_repeated_until_welcomed),
        T(test_connect_checks),
        T(test_the_connector_beats_and_gives_up_the_silent),
        T(test_unknown_peer_means_a_new_handshake),
        T(test_another_incarnation_is_down_then_up),
        T(test_a_refusal_is_final),
        T(test_a_protocol_of_the_future_is_refused),
        T(test_disconnect_says_goodbye),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
