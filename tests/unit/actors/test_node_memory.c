/* tests/unit/actors/test_node_memory.c -- what a node keeps of peers that come, ask and go: nothing
 * that grows with their number. */
#include "tests/unit/actors/node_fixture.h"

#include <malloc.h>

static void give_settling(fixture *f, uint64_t correlation, uint64_t oldest)
{
    Weir__Proto__SubmitJob job = WEIR__PROTO__SUBMIT_JOB__INIT;
    weir_envelope envelope = envelope_from("cli-1");
    envelope.correlation = correlation;
    envelope.oldest = oldest;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_SUBMIT_JOB;
    envelope.submit_job = &job;
    give(f, 1, &envelope);
}

static void test_an_answer_is_kept_until_its_asker_has_it(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    f->actor->answers = true;
    give_settling(f, 50, 50);
    give_settling(f, 51, 50);
    forget_sent(f);
    give_settling(f, 50, 50); /* its answer was lost */
    assert_string_equal(only_sent(f, 1)->submit_reply->job, "answer-1");
    forget_sent(f);
    give_settling(f, 52, 51); /* 50 has arrived, 51 has not */
    forget_sent(f);
    give_settling(f, 50, 50); /* a late repeat is neither answered nor run again */
    assert_int_equal(f->wire.sent_count, 0);
    give_settling(f, 51, 50);
    assert_string_equal(only_sent(f, 1)->submit_reply->job, "answer-2");
    assert_int_equal(f->actor->received, 3);
}

static void test_an_answer_that_nobody_waits_for_is_not_kept(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    give_settling(f, 50, 50);
    weir_reply_to late = f->actor->last;
    give_settling(f, 51, 51); /* 50 was given up */
    weir_context_reply_ack(f->actor->context, &late);
    forget_sent(f);
    give_settling(f, 50, 50);
    assert_int_equal(f->wire.sent_count, 0);
    assert_int_equal(f->actor->received, 2);
}

/* The next incarnation counts anew, perhaps from a lower number. */
static void test_another_incarnation_begins_anew(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    f->actor->answers = true;
    give_settling(f, 50, 50);
    give_goodbye(f, 1, "cli-1");
    forget_sent(f);
    admit(f, 1, "cli-1", 2);
    give_settling(f, 7, 7);
    assert_int_equal(f->actor->received, 2);
}

static void test_requests_tell_which_is_the_oldest(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    uint64_t first = ask(f, "jm", 10000), second = ask(f, "jm", 10000);
    assert_int_equal(f->wire.sent[0].envelope->oldest, first);
    assert_int_equal(f->wire.sent[1].envelope->oldest, first);
    give_reply(f, link, "jm-1", second);
    forget_sent(f);
    uint64_t third = ask(f, "jm", 10000);
    assert_int_equal(only_sent(f, link)->oldest, first);
    give_reply(f, link, "jm-1", first);
    forget_sent(f);
    ask(f, "jm", 10000);
    assert_int_equal(only_sent(f, link)->oldest, third);
}

static void come_ask_and_go(fixture *f, int index)
{
    char process[32];
    uint64_t link = 1000 + (uint64_t)index;
    snprintf(process, sizeof process, "cli-%d", index);
    admit(f, link, process, 1);
    give_request(f, link, process, 50);
    give_goodbye(f, link, process);
    forget_sent(f);
    f->actor->events[0] = '\0';
}

static void test_those_that_left_leave_little(void **state)
{
    fixture *f = *state;
    size_t used = 0;
    f->actor->answers = true;
    for (int i = 0; i < 260; i++) {
        if (i == 100)
            used = mallinfo2().uordblks;
        come_ask_and_go(f, i);
    }
    /* 160 records would be twice as much. */
    assert_true(mallinfo2().uordblks < used + 64 * 1024);
    /* The last one is known yet: its late hello does not bring it back. */
    give_hello(f, 1259, "cli-259", 1, "c1", 1, 1);
    assert_int_equal(f->wire.sent_count, 0);
}

static void test_who_is_watched_by_others_may_be_silent(void **state)
{
    fixture *f = *state;
    Weir__Proto__PeerHello hello = WEIR__PROTO__PEER_HELLO__INIT;
    weir_envelope envelope = envelope_from("cli-1");
    hello.protocol_min = hello.protocol_max = 1;
    hello.cluster = (char *)(uintptr_t) "c1";
    hello.process = (char *)(uintptr_t) "cli-1";
    hello.role = (char *)(uintptr_t) "client";
    hello.version = (char *)(uintptr_t) "0.1.0";
    hello.silence_ms = 4 * TIMEOUT;
    envelope.correlation = 1;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_HELLO;
    envelope.hello = &hello;
    give(f, 1, &envelope);
    forget_sent(f);
    admit(f, 2, "cli-2", 1);
    wait_ms(f, TIMEOUT);
    assert_true(weir_context_is_up(f->actor->context, "cli-1"));
    assert_false(weir_context_is_up(f->actor->context, "cli-2"));
    wait_ms(f, 3 * TIMEOUT - 1);
    assert_true(weir_context_is_up(f->actor->context, "cli-1"));
    wait_ms(f, 1);
    assert_false(weir_context_is_up(f->actor->context, "cli-1"));
    /* A process that asks for for ever is not believed. */
    hello.silence_ms = UINT64_MAX;
    envelope.correlation = 2;
    give(f, 3, &envelope);
    for (int i = 0; i < 11 * 60; i++)
        wait_ms(f, 1000);
    assert_false(weir_context_is_up(f->actor->context, "cli-1"));
}

static void test_a_watched_process_says_so(void **state)
{
    fixture *f = *state;
    weir_node *node = NULL;
    weir_node_config config = config_of("elsewhere");
    config.silence_ms = 12345;
    assert_int_equal(weir_node_new(&config, &f->wire.transport, &node, NULL), 0);
    witness *actor = spawn(node, "door");
    assert_int_equal(weir_context_connect(actor->context, "jm", "tcp://jm", 0, NULL), 0);
    const weir_envelope *hello = f->wire.sent[0].envelope;
    assert_int_equal(hello->body_case, WEIR__PROTO__ENVELOPE__BODY_HELLO);
    assert_int_equal(hello->hello->silence_ms, 12345);
    weir_node_destroy(&node);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_an_answer_is_kept_until_its_asker_has_it),
        T(test_an_answer_that_nobody_waits_for_is_not_kept),
        T(test_another_incarnation_begins_anew),
        T(test_requests_tell_which_is_the_oldest),
        T(test_those_that_left_leave_little),
        T(test_who_is_watched_by_others_may_be_silent),
        T(test_a_watched_process_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
