/* tests/unit/actors/test_node_requests.c -- requests of others and of our own; actors and timers of
 * one node; memory that ends. */
#include "tests/unit/actors/node_fixture.h"

/* --- requests of others --- */

static void test_requests_run_once_and_repeats_are_answered(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    give_request(f, 1, "cli-1", 50);
    give_request(f, 1, "cli-1", 50);
    assert_string_equal(f->actor->events, "got 20 from cli-1/client epoch 7;");
    assert_int_equal(f->wire.sent_count, 0);
    weir_context_reply_error(f->actor->context, &f->actor->last, WEIR_ESTALE, "epoch %d", 3);
    weir_context_reply_ack(f->actor->context, &f->actor->last); /* a second answer is none */
    const weir_envelope *reply = only_sent(f, 1);
    assert_int_equal(reply->body_case, WEIR__PROTO__ENVELOPE__BODY_ERROR);
    assert_int_equal(reply->error->code, WEIR_ESTALE);
    assert_string_equal(reply->error->text, "epoch 3");
    assert_string_equal(reply->to, "client");
    assert_string_equal(reply->from, "door");
    assert_true(reply->reply);
    forget_sent(f);
    give_request(f, 1, "cli-1", 50);
    assert_int_equal(f->actor->received, 1);
    assert_string_equal(only_sent(f, 1)->error->text, "epoch 3");
    /* Another process may use the same number. */
    forget_sent(f);
    admit(f, 2, "cli-2", 1);
    give_request(f, 2, "cli-2", 50);
    assert_int_equal(f->actor->received, 2);
}

static void test_answers_survive_a_silence(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    f->actor->answers = true;
    give_request(f, 1, "cli-1", 50);
    give_request(f, 1, "cli-1", 51);
    f->actor->answers = false;
    give_request(f, 1, "cli-1", 52);
    weir_reply_to late = f->actor->last;
    wait_ms(f, 2 * TIMEOUT);
    assert_false(weir_context_is_up(f->actor->context, "cli-1"));
    forget_sent(f);
    weir_context_reply_ack(f->actor->context, &late); /* kept for the repeat */
    assert_int_equal(f->wire.sent_count, 0);
    admit(f, 9, "cli-1", 2);
    give_request(f, 9, "cli-1", 50);
    assert_string_equal(only_sent(f, 9)->submit_reply->job, "answer-1");
    forget_sent(f);
    give_request(f, 9, "cli-1", 52);
    assert_int_equal(only_sent(f, 9)->body_case, WEIR__PROTO__ENVELOPE__BODY_ACK);
    assert_int_equal(f->actor->received, 3);
}

static void test_memory_of_answers_is_bounded(void **state)
{
    fixture *f = *state;
    f->actor->answers = true;
    admit(f, 1, "cli-1", 1);
    for (uint64_t i = 1; i <= 20; i++)
        give_request(f, 1, "cli-1", i);
    assert_int_equal(f->actor->received, 20);
    for (uint64_t i = 13; i <= 20; i++) /* replies_kept: 8 */
        give_request(f, 1, "cli-1", i);
    assert_int_equal(f->actor->received, 20);
    give_request(f, 1, "cli-1", 12);
    assert_int_equal(f->actor->received, 21);
    /* Requests in progress are bounded, too, by refusing more of them. */
    f->actor->answers = false;
    forget_sent(f);
    for (uint64_t i = 100; i < 108; i++)
        give_request(f, 1, "cli-1", i);
    assert_int_equal(f->wire.sent_count, 0);
    give_request(f, 1, "cli-1", 108);
    assert_int_equal(only_sent(f, 1)->error->code, WEIR_ERESOURCES);
    assert_int_equal(f->actor->received, 29);
}

static void test_nobody_of_that_name(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    Weir__Proto__ListJobs question = WEIR__PROTO__LIST_JOBS__INIT;
    weir_envelope envelope = envelope_from("cli-1");
    envelope.to = (char *)(uintptr_t) "nobody";
    envelope.correlation = 3;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_LIST_JOBS;
    envelope.list_jobs = &question;
    give(f, 1, &envelope);
    const weir_envelope *reply = only_sent(f, 1);
    assert_int_equal(reply->error->code, WEIR_ENOT_FOUND);
    assert_non_null(strstr(reply->error->text, "'nobody'"));
    forget_sent(f);
    envelope.correlation = 0;
    give(f, 1, &envelope);
    assert_int_equal(f->wire.sent_count, 0);
}

static void test_an_actor_that_ends_leaves_no_request_unanswered(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    bool destroyed = false;
    f->actor->destroyed = &destroyed;
    f->actor->ends_itself = true;
    give_request(f, 1, "cli-1", 50);
    assert_true(destroyed);
    assert_null(weir_node_context(f->node, "door"));
    assert_int_equal(only_sent(f, 1)->error->code, WEIR_EUNAVAILABLE);
    forget_sent(f);
    f->actor = spawn(f->node, "door");
    give_request(f, 1, "cli-1", 50); /* answered from memory, not run by the successor */
    assert_int_equal(f->actor->received, 0);
    assert_int_equal(f->wire.sent_count, 1);
}

/* --- requests of our own --- */

static void test_requests_are_repeated_until_answered(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    uint64_t number = ask(f, "jm", 10000);
    wait_ms(f, 4 * RETRY);
    assert_int_equal(f->wire.sent_count, 3); /* at once, after 1 and after 3 intervals */
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(f->wire.sent[i].envelope->correlation, number);
        assert_string_equal(f->wire.sent[i].envelope->to, "master");
        assert_string_equal(f->wire.sent[i].envelope->from, "door");
    }
    forget_sent(f);
    admit(f, 1, "cli-1", 1);
    give_reply(f, 1, "cli-1", number); /* not asked */
    assert_string_equal(f->actor->events, "");
    give_reply(f, link, "jm-1", number);
    give_reply(f, link, "jm-1", number);
    assert_string_equal(f->actor->events, "job J from jm/master;");
    wait_ms(f, INTERVAL - 5 * RETRY);
    assert_int_equal(f->wire.sent_count, 0);
    assert_int_not_equal(ask(f, "jm", 10000), number);
}

/* How many requests go out in so many intervals of repeats; the peer is alive. */
static size_t requests_in(fixture *f, uint64_t link, int intervals)
{
    size_t count = 0;
    for (int i = 0; i < intervals; i++) {
        give_heartbeat(f, link, "jm-1");
        wait_ms(f, RETRY);
        for (size_t s = 0; s < f->wire.sent_count; s++)
            count += f->wire.sent[s].envelope->body_case != WEIR__PROTO__ENVELOPE__BODY_HEARTBEAT;
        forget_sent(f);
    }
    return count;
}

/* Large ones most of all: on a slow link the repeats would take the place of the request. */
static void test_repeats_become_rarer(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    ask(f, "jm", 60000);
    assert_int_equal(requests_in(f, link, 15), 5); /* after 0, 1, 3, 7 and 15 intervals */
    assert_int_equal(requests_in(f, link, 16), 1);
    assert_int_equal(requests_in(f, link, 48), 3); /* not rarer than that */
    char text[32769] = "";
    memset(text, 'x', sizeof text - 1);
    Weir__Proto__LogText body = WEIR__PROTO__LOG_TEXT__INIT;
    body.text = text;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_LOG_TEXT;
    envelope.log_text = &body;
    weir_context_request(f->actor->context, (weir_address){"jm", "x"}, &envelope, 60000, on_reply,
                         (void *)(uintptr_t) "log");
    assert_int_equal(requests_in(f, link, 3), 1); /* half a second for 32 KiB */
    assert_int_equal(requests_in(f, link, 3), 1);
}

static void test_a_new_connection_repeats_at_once(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    uint64_t number = ask(f, "jm", 60000);
    wait_ms(f, 4 * RETRY);
    weir_node_on_link(f->node, link, false);
    weir_node_on_link(f->node, link, true);
    uint64_t hello = f->wire.sent[f->wire.sent_count - 1].envelope->correlation;
    forget_sent(f);
    give_welcome(f, link, "jm-1", hello, 1);
    assert_int_equal(only_sent(f, link)->correlation, number);
    wait_ms(f, RETRY);
    assert_int_equal(f->wire.sent_count, 2); /* and is as impatient as at first */
}

static void test_a_large_answer_is_not_multiplied(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    give_request(f, 1, "cli-1", 50);
    char text[32769] = "";
    memset(text, 'x', sizeof text - 1);
    Weir__Proto__LogText body = WEIR__PROTO__LOG_TEXT__INIT;
    body.text = text;
    weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
    reply.body_case = WEIR__PROTO__ENVELOPE__BODY_LOG_TEXT;
    reply.log_text = &body;
    weir_context_reply(f->actor->context, &f->actor->last, &reply);
    assert_int_equal(f->wire.sent_count, 1);
    give_request(f, 1, "cli-1", 50); /* it is still on its way */
    assert_int_equal(f->wire.sent_count, 1);
    wait_ms(f, 1000);
    forget_sent(f);
    give_request(f, 1, "cli-1", 50);
    assert_int_equal(f->wire.sent_count, 1);
    forget_sent(f);
    admit(f, 9, "cli-1", 2); /* on another connection it was never sent */
    give_request(f, 9, "cli-1", 50);
    assert_int_equal(f->wire.sent_count, 1);
}

static void test_a_deadline_names_the_peer_and_the_kind(void **state)
{
    fixture *f = *state;
    connect_up(f, "jm-1");
    f->wire.is_dead = true;
    ask(f, "jm", 3000);
    wait_ms(f, 2999);
    assert_string_equal(f->actor->events, "");
    wait_ms(f, 1);
    assert_string_equal(f->actor->events,
                        "job failed -9 no answer from jm to SubmitJob within 3 s;");
    f->actor->events[0] = '\0';
    ask(f, "jm", 10000); /* longer than the silence allowed */
    wait_ms(f, 10000);
    assert_non_null(strstr(f->actor->events, "down jm jm-1"));
    assert_non_null(strstr(f->actor->events, "job failed -9 no answer from jm to SubmitJob within "
                                             "10 s; there is no connection to it;"));
}

static void test_a_request_waits_for_its_peer_and_for_a_successor(void **state)
{
    fixture *f = *state;
    assert_int_equal(weir_context_connect(f->actor->context, "jm", "tcp://jm", 0, NULL), 0);
    uint64_t link = f->wire.last_link;
    uint64_t number = ask(f, "jm", 60000);
    wait_ms(f, RETRY / 2);
    uint64_t hello = only_sent(f, link)->correlation;
    forget_sent(f);
    give_welcome(f, link, "jm-1", hello, 1);
    assert_int_equal(only_sent(f, link)->correlation, number); /* at once */
    forget_sent(f);
    give_heartbeat(f, link, "jm-2");
    hello = only_sent(f, link)->correlation;
    forget_sent(f);
    give_welcome(f, link, "jm-2", hello, 1);
    assert_int_equal(only_sent(f, link)->correlation, number);
    give_reply(f, link, "jm-2", number);
    assert_non_null(strstr(f->actor->events, "job J from jm/master;"));
}

static void test_a_request_to_nobody_fails_from_the_loop(void **state)
{
    fixture *f = *state;
    ask(f, "never", 10000);
    assert_string_equal(f->actor->events, "");
    weir_node_run(f->node);
    assert_string_equal(f->actor->events, "job failed -10 never: there is no connection to it;");
}

static void test_forget(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    uint64_t number = ask(f, "jm", 10000);
    weir_context_forget(f->actor->context, number);
    give_reply(f, link, "jm-1", number);
    number = ask(f, "never", 10000); /* its outcome is queued already */
    weir_context_forget(f->actor->context, number);
    weir_context_forget(f->actor->context, 12345);
    wait_ms(f, 20000);
    assert_null(strstr(f->actor->events, "job failed"));
    assert_null(strstr(f->actor->events, "job J"));
}

static void test_the_end_of_an_actor_ends_its_requests_and_timers(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    bool destroyed = false;
    f->actor->destroyed = &destroyed;
    uint64_t number = ask(f, "jm", 10000);
    ask(f, "never", 10000); /* its outcome is queued */
    weir_context_set_timer(f->actor->context, 10);
    weir_context_end(f->actor->context, "door");
    assert_false(destroyed);
    /* Between its end and its burial it may still call; nothing comes of it. */
    assert_int_not_equal(weir_context_set_timer(f->actor->context, 10), 0);
    ask(f, "jm", 1);
    forget_sent(f);
    weir_node_run(f->node);
    assert_true(destroyed);
    give_reply(f, link, "jm-1", number);
    wait_ms(f, INTERVAL - 1);
    assert_int_equal(f->wire.sent_count, 0);
    f->actor = spawn(f->node, "door");
    assert_string_equal(f->actor->events, "start;");
}

static void test_an_error_reply_is_an_error(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    Weir__Proto__Error body = WEIR__PROTO__ERROR__INIT;
    body.text = (char *)(uintptr_t) "no such job";
    weir_envelope envelope = envelope_from("jm-1");
    envelope.reply = true;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_ERROR;
    envelope.error = &body;
    body.code = WEIR_ENOT_FOUND;
    envelope.correlation = ask(f, "jm", 10000);
    give(f, link, &envelope);
    assert_string_equal(f->actor->events, "job failed -2 no such job;");
    f->actor->events[0] = '\0';
    body.code = 0; /* would read as success */
    envelope.correlation = ask(f, "jm", 10000);
    give(f, link, &envelope);
    assert_string_equal(f->actor->events, "job failed -17 no such job;");
}

static void test_too_large_is_said_on_both_sides(void **state)
{
    fixture *f = *state;
    connect_up(f, "jm-1");
    admit(f, 1, "cli-1", 1);
    char *text = weir_calloc(1, 70000);
    memset(text, 'x', 69999);
    Weir__Proto__LogText body = WEIR__PROTO__LOG_TEXT__INIT;
    body.text = text;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_LOG_TEXT;
    envelope.log_text = &body;
    weir_context_request(f->actor->context, (weir_address){"jm", "x"}, &envelope, 1000, on_reply,
                         (void *)(uintptr_t) "log");
    weir_node_run(f->node);
    assert_non_null(strstr(f->actor->events, "log failed -8"));
    give_request(f, 1, "cli-1", 5);
    forget_sent(f);
    weir_context_reply(f->actor->context, &f->actor->last, &envelope);
    assert_int_equal(only_sent(f, 1)->error->code, WEIR_ETOO_LARGE);
    weir_free(text);
}

/* --- within the process --- */

static void test_local_messages_are_in_order_and_packed(void **state)
{
    fixture *f = *state;
    witness *other = spawn(f->node, "other");
    other->answers = true;
    Weir__Proto__SubmitJob job = WEIR__PROTO__SUBMIT_JOB__INIT;
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_SUBMIT_JOB;
    envelope.submit_job = &job;
    for (uint64_t i = 0; i < 3; i++) {
        envelope.epoch = i;
        weir_context_send(f->actor->context, (weir_address){"", "other"}, &envelope);
    }
    weir_context_request(f->actor->context, (weir_address){NULL, "other"}, &envelope, 1000,
                         on_reply, (void *)(uintptr_t) "job");
    weir_context_request(f->actor->context, (weir_address){"here", "nobody"}, &envelope, 1000,
                         on_reply, (void *)(uintptr_t) "none");
    assert_int_equal(other->received, 0);
    weir_node_run(f->node);
    assert_string_equal(other->events, "start;got 20 from /door epoch 0;got 20 from /door epoch 1;"
                                       "got 20 from /door epoch 2;got 20 from /door epoch 2;");
    assert_string_equal(f->actor->events,
                        "job answer-4 from /other;none failed -2 there is no actor 'nobody' "
                        "here;");
    assert_int_equal(f->wire.sent_count, 0);
    other->answers = false;
    f->actor->events[0] = '\0';
    weir_context_request(f->actor->context, (weir_address){"", "other"}, &envelope, 1000, on_reply,
                         (void *)(uintptr_t) "job");
    wait_ms(f, 1000);
    assert_string_equal(f->actor->events,
                        "job failed -9 no answer from other to SubmitJob within 1 s;");
    f->actor->events[0] = '\0';
    weir_context_request(f->actor->context, (weir_address){"", "other"}, &envelope, 1000, on_reply,
                         (void *)(uintptr_t) "job");
    weir_node_run(f->node);
    weir_context_end(f->actor->context, "other");
    weir_node_run(f->node);
    assert_string_equal(f->actor->events, "job failed -10 actor other ended without an answer;");
}

static void test_timers_fire_in_order(void **state)
{
    fixture *f = *state;
    weir_context *context = f->actor->context;
    uint64_t a = weir_context_set_timer(context, 30);
    uint64_t b = weir_context_set_timer(context, 10);
    uint64_t c = weir_context_set_timer(context, 10);
    uint64_t d = weir_context_set_timer(context, 20);
    weir_context_cancel_timer(context, d);
    weir_context_cancel_timer(context, 999);
    assert_int_equal(weir_node_run(f->node), f->wire.now_ms + 10);
    wait_ms(f, 100);
    char expected[128];
    snprintf(expected, sizeof expected, "timer %d;timer %d;timer %d;", (int)b, (int)c, (int)a);
    assert_string_equal(f->actor->events, expected);
    assert_int_equal(weir_node_run(f->node), INT64_MAX);
}

static void test_spawn_checks(void **state)
{
    fixture *f = *state;
    bool destroyed = false;
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"door", "a/b", ""};
        witness *actor = weir_calloc(1, sizeof *actor);
        actor->destroyed = &destroyed;
        assert_int_equal(
            weir_context_spawn(f->actor->context, names[i], &witness_class, actor, NULL),
            i == 0 ? WEIR_EEXISTS : WEIR_EINVALID);
        assert_true(destroyed);
        destroyed = false;
    }
    weir_context_end(f->actor->context, "nobody");
}

static void test_stop_says_goodbye_and_destroys(void **state)
{
    fixture *f = *state;
    uint64_t link = connect_up(f, "jm-1");
    admit(f, 1, "cli-1", 1);
    bool destroyed = false;
    f->actor->destroyed = &destroyed;
    ask(f, "never", 1000);
    forget_sent(f);
    weir_context_stop_node(f->actor->context);
    assert_false(weir_node_is_stopped(f->node));
    assert_int_equal(weir_node_run(f->node), INT64_MAX);
    assert_true(weir_node_is_stopped(f->node));
    assert_true(destroyed);
    assert_int_equal(f->wire.sent_count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(f->wire.sent[i].envelope->body_case, WEIR__PROTO__ENVELOPE__BODY_GOODBYE);
    assert_int_equal(f->wire.sent[0].link, link);
    give_request(f, 1, "cli-1", 5);
    assert_int_equal(weir_node_run(f->node), INT64_MAX);
    assert_null(weir_node_context(f->node, "door"));
}

static void test_config_checks(void **state)
{
    fixture *f = *state;
    weir_node *node = NULL;
    weir_node_config config = config_of("bad name");
    assert_int_equal(weir_node_new(&config, &f->wire.transport, &node, NULL), WEIR_EINVALID);
    config = config_of("x");
    config.cluster = "";
    assert_int_equal(weir_node_new(&config, &f->wire.transport, &node, NULL), WEIR_EINVALID);
    config = config_of("x");
    config.heartbeat_timeout_ms = config.heartbeat_interval_ms;
    assert_int_equal(weir_node_new(&config, &f->wire.transport, &node, NULL), WEIR_EINVALID);
    config = config_of("x");
    for (uint64_t nth = 1;; nth++) {
        weir_memory_fail_at(nth);
        int rc = weir_node_new(&config, &f->wire.transport, &node, NULL);
        weir_memory_fail_at(0);
        if (rc == 0)
            break;
        assert_int_equal(rc, WEIR_ENO_MEMORY);
        assert_null(node);
    }
    weir_node_destroy(&node);
    weir_node_destroy(&node);
}

/* Wherever memory ends, nothing is corrupted, and a request has its outcome or the node stops. */
static void test_memory_may_end_anywhere(void **state)
{
    fixture *f = *state;
    for (uint64_t nth = 1; nth < 60; nth++) {
        weir_node_config config = config_of("there");
        weir_node *kept = f->node;
        assert_int_equal(weir_node_new(&config, &f->wire.transport, &f->node, NULL), 0);
        f->actor = spawn(f->node, "door");
        char events[sizeof f->actor->events];
        weir_memory_fail_at(nth);
        ask(f, "nobody", 100);
        if (weir_context_connect(f->actor->context, "jm", "tcp://jm", 0, NULL) == 0)
            ask(f, "jm", 100);
        ask(f, "", 100);
        weir_context_set_timer(f->actor->context, 5);
        weir_node_on_message(f->node, 3, "\x0a\x01x", 3);
        memcpy(events, f->actor->events, sizeof events);
        weir_memory_fail_at(0);
        f->wire.now_ms += 1;
        int64_t end = f->wire.now_ms + 200;
        weir_context *door = weir_node_context(f->node, "door");
        assert_non_null(door);
        while (!weir_node_is_stopped(f->node) && f->wire.now_ms < end) {
            weir_node_run(f->node);
            if (!weir_node_is_stopped(f->node))
                memcpy(events, f->actor->events, sizeof events);
            f->wire.now_ms++;
        }
        if (!weir_node_is_stopped(f->node))
            assert_non_null(strstr(events, "job failed"));
        weir_node_destroy(&f->node);
        f->node = kept;
        forget_sent(f);
    }
    f->actor = NULL;
}

/* --- texts that a receiver would refuse --- */

static char *const ill_formed = (char *)(uintptr_t) "caf\xE9";

static weir_envelope report_of(Weir__Proto__SubmitReply *body)
{
    weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
    weir__proto__submit_reply__init(body);
    body->job = ill_formed;
    envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_SUBMIT_REPLY;
    envelope.submit_reply = body;
    return envelope;
}

static void test_a_request_that_would_be_refused_fails_at_once(void **state)
{
    fixture *f = *state;
    connect_up(f, "jm-1");
    const char *const peers[] = {"jm", ""};
    for (size_t i = 0; i < 2; i++) {
        Weir__Proto__SubmitReply body;
        weir_envelope envelope = report_of(&body);
        f->actor->events[0] = '\0';
        weir_context_request(f->actor->context, (weir_address){peers[i], "door"}, &envelope, 10000,
                             on_reply, (void *)(uintptr_t) "job");
        weir_node_run(f->node);
        assert_int_equal(f->wire.sent_count, 0);
        assert_non_null(strstr(f->actor->events, "job failed -1 "));
        assert_non_null(strstr(f->actor->events, "field job "));
    }
}

static void test_a_message_that_would_be_refused_is_logged_and_not_sent(void **state)
{
    fixture *f = *state;
    connect_up(f, "jm-1");
    const char *const peers[] = {"jm", ""};
    for (size_t i = 0; i < 2; i++) {
        Weir__Proto__SubmitReply body;
        weir_envelope envelope = report_of(&body);
        size_t logged = f->wire.log_count;
        weir_context_send(f->actor->context, (weir_address){peers[i], "door"}, &envelope);
        weir_node_run(f->node);
        assert_int_equal(f->wire.sent_count, 0);
        assert_int_equal(f->wire.log_count, logged + 1);
        assert_non_null(strstr(f->wire.logs[logged], "was not sent"));
        assert_false(weir_node_is_stopped(f->node));
    }
}

static void test_a_reply_that_would_be_refused_becomes_an_error(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    give_request(f, 1, "cli-1", 50);
    Weir__Proto__SubmitReply body;
    weir_envelope envelope = report_of(&body);
    size_t logged = f->wire.log_count;
    weir_context_reply(f->actor->context, &f->actor->last, &envelope);
    assert_int_equal(only_sent(f, 1)->error->code, WEIR_EINVALID);
    assert_int_equal(f->wire.log_count, logged + 1);
}

static void test_an_error_text_of_any_bytes_arrives(void **state)
{
    fixture *f = *state;
    admit(f, 1, "cli-1", 1);
    give_request(f, 1, "cli-1", 50);
    weir_context_reply_error(f->actor->context, &f->actor->last, WEIR_EUSER, "bad line '%s'",
                             ill_formed);
    assert_int_equal(only_sent(f, 1)->error->code, WEIR_EUSER);
    assert_string_equal(only_sent(f, 1)->error->text, "bad line 'caf?'");
}

/* The node's default, which a burst of a large job's reports stays below. */
static void test_thousands_of_requests_may_be_in_progress(void **state)
{
    fixture *f = *state;
    weir_node_config config = config_of("here");
    config.replies_kept = 0;
    weir_node_destroy(&f->node);
    assert_int_equal(weir_node_new(&config, &f->wire.transport, &f->node, NULL), 0);
    f->actor = spawn(f->node, "door");
    admit(f, 1, "cli-1", 1);
    for (uint64_t i = 1; i <= 16384; i++)
        give_request(f, 1, "cli-1", i);
    assert_int_equal(f->wire.sent_count, 0);
    assert_int_equal(f->actor->received, 16384);
    give_request(f, 1, "cli-1", 16385);
    assert_int_equal(only_sent(f, 1)->error->code, WEIR_ERESOURCES);
    forget_sent(f);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_requests_run_once_and_repeats_are_answered),
        T(test_answers_survive_a_silence),
        T(test_memory_of_answers_is_bounded),
        T(test_nobody_of_that_name),
        T(test_an_actor_that_ends_leaves_no_request_unanswered),
        T(test_requests_are_repeated_until_answered),
        T(test_repeats_become_rarer),
        T(test_a_new_connection_repeats_at_once),
        T(test_a_large_answer_is_not_multiplied),
        T(test_a_deadline_names_the_peer_and_the_kind),
        T(test_a_request_waits_for_its_peer_and_for_a_successor),
        T(test_a_request_to_nobody_fails_from_the_loop),
        T(test_forget),
        T(test_the_end_of_an_actor_ends_its_requests_and_timers),
        T(test_an_error_reply_is_an_error),
        T(test_too_large_is_said_on_both_sides),
        T(test_local_messages_are_in_order_and_packed),
        T(test_timers_fire_in_order),
        T(test_spawn_checks),
        T(test_stop_says_goodbye_and_destroys),
        T(test_config_checks),
        T(test_a_request_that_would_be_refused_fails_at_once),
        T(test_a_message_that_would_be_refused_is_logged_and_not_sent),
        T(test_a_reply_that_would_be_refused_becomes_an_error),
        T(test_an_error_text_of_any_bytes_arrives),
        T(test_thousands_of_requests_may_be_in_progress),
        T(test_memory_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
