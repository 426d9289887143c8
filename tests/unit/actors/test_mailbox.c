/* tests/unit/actors/test_mailbox.c -- many pushers, one owner that sleeps on the descriptor. */
#include "actors/mailbox.h"
#include "base/memory.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { PUSHERS = 4, LETTERS = 50000 };

typedef struct letter {
    weir_mail mail;
    int pusher, number;
} letter;

typedef struct pusher {
    weir_mailbox *mailbox;
    int index;
    letter *letters;
} pusher;

static void *push_all(void *data)
{
    pusher *self = data;
    for (int i = 0; i < LETTERS; i++) {
        self->letters[i].pusher = self->index;
        self->letters[i].number = i;
        weir_mailbox_push(self->mailbox, &self->letters[i].mail);
    }
    return NULL;
}

static bool is_readable(const weir_mailbox *mailbox, int wait_ms)
{
    struct pollfd item = {weir_mailbox_fd(mailbox), POLLIN, 0};
    return poll(&item, 1, wait_ms) == 1;
}

static void test_order_and_descriptor(void **state)
{
    (void)state;
    weir_mailbox *mailbox = NULL;
    assert_int_equal(weir_mailbox_new(&mailbox, NULL), 0);
    assert_false(is_readable(mailbox, 0));
    assert_null(weir_mailbox_take_all(mailbox));
    letter letters[3] = {0};
    for (int i = 0; i < 3; i++)
        weir_mailbox_push(mailbox, &letters[i].mail);
    assert_true(is_readable(mailbox, 0));
    weir_mail *mail = weir_mailbox_take_all(mailbox);
    for (int i = 0; i < 3; i++, mail = mail->next)
        assert_ptr_equal(mail, &letters[i].mail);
    assert_null(mail);
    assert_false(is_readable(mailbox, 0));
    assert_null(weir_mailbox_take_all(mailbox));
    weir_mailbox_push(mailbox, &letters[1].mail);
    assert_true(is_readable(mailbox, 0));
    assert_ptr_equal(weir_mailbox_take_all(mailbox), &letters[1].mail);
    weir_mailbox_destroy(&mailbox);
    assert_null(mailbox);
    weir_mailbox_destroy(&mailbox);
}

static void test_many_pushers(void **state)
{
    (void)state;
    weir_mailbox *mailbox = NULL;
    assert_int_equal(weir_mailbox_new(&mailbox, NULL), 0);
    pusher pushers[PUSHERS];
    pthread_t threads[PUSHERS];
    for (int i = 0; i < PUSHERS; i++) {
        pushers[i] = (pusher){mailbox, i, weir_calloc(LETTERS, sizeof(letter))};
        assert_int_equal(pthread_create(&threads[i], NULL, push_all, &pushers[i]), 0);
    }
    int next[PUSHERS] = {0};
    for (int left = PUSHERS * LETTERS; left > 0;) {
        assert_true(is_readable(mailbox, 60000)); /* no wake-up is lost */
        weir_mail *mail = weir_mailbox_take_all(mailbox);
        for (; mail != NULL; mail = mail->next, left--) {
            const letter *one = (const letter *)mail;
            assert_int_equal(one->number, next[one->pusher]++);
        }
    }
    for (int i = 0; i < PUSHERS; i++) {
        pthread_join(threads[i], NULL);
        weir_free(pushers[i].letters);
    }
    weir_mailbox_destroy(&mailbox);
}

/* An owner that is awake is not woken; one that rests is, for what came before and after. */
static void test_an_awake_owner_is_not_woken(void **state)
{
    (void)state;
    weir_mailbox *mailbox = NULL;
    assert_int_equal(weir_mailbox_new(&mailbox, NULL), 0);
    letter letters[3] = {0};
    weir_mailbox_add(mailbox, &letters[0].mail);
    assert_false(is_readable(mailbox, 0));
    weir_mailbox_wake(mailbox);
    weir_mailbox_wake(mailbox);
    assert_true(is_readable(mailbox, 0));
    assert_ptr_equal(weir_mailbox_look(mailbox), &letters[0].mail);
    assert_false(is_readable(mailbox, 0));
    weir_mailbox_wake(mailbox); /* for nothing */
    weir_mailbox_push(mailbox, &letters[1].mail);
    assert_false(is_readable(mailbox, 0));
    assert_false(weir_mailbox_rest(mailbox)); /* there is mail: it must not sleep */
    assert_ptr_equal(weir_mailbox_look(mailbox), &letters[1].mail);
    assert_true(weir_mailbox_rest(mailbox));
    assert_false(is_readable(mailbox, 0));
    weir_mailbox_push(mailbox, &letters[2].mail);
    assert_true(is_readable(mailbox, 0));
    assert_ptr_equal(weir_mailbox_take_all(mailbox), &letters[2].mail);
    assert_null(weir_mailbox_look(mailbox));
    weir_mailbox_destroy(&mailbox);
}

static void *add_all(void *data)
{
    pusher *self = data;
    for (int i = 0; i < LETTERS; i++) {
        self->letters[i].pusher = self->index;
        self->letters[i].number = i;
        weir_mailbox_add(self->mailbox, &self->letters[i].mail);
        if (i % 7 == 0 || i == LETTERS - 1)
            weir_mailbox_wake(self->mailbox);
    }
    return NULL;
}

/* The owner sleeps whenever it may: no wake-up is lost, and none is for nothing for ever. */
static void test_many_who_add(void **state)
{
    (void)state;
    weir_mailbox *mailbox = NULL;
    assert_int_equal(weir_mailbox_new(&mailbox, NULL), 0);
    pusher pushers[PUSHERS];
    pthread_t threads[PUSHERS];
    for (int i = 0; i < PUSHERS; i++) {
        pushers[i] = (pusher){mailbox, i, weir_calloc(LETTERS, sizeof(letter))};
        assert_int_equal(pthread_create(&threads[i], NULL, add_all, &pushers[i]), 0);
    }
    int next[PUSHERS] = {0};
    for (int left = PUSHERS * LETTERS; left > 0;) {
        weir_mail *mail = weir_mailbox_look(mailbox);
        for (; mail != NULL; mail = mail->next, left--) {
            const letter *one = (const letter *)mail;
            assert_int_equal(one->number, next[one->pusher]++);
        }
        if (left > 0 && weir_mailbox_rest(mailbox))
            assert_true(is_readable(mailbox, 60000));
    }
    for (int i = 0; i < PUSHERS; i++) {
        pthread_join(threads[i], NULL);
        weir_free(pushers[i].letters);
    }
    assert_null(weir_mailbox_look(mailbox));
    assert_true(weir_mailbox_rest(mailbox));
    weir_mailbox_destroy(&mailbox);
}

static void test_no_memory(void **state)
{
    (void)state;
    weir_mailbox *mailbox = NULL;
    weir_memory_fail_at(1);
    assert_int_equal(weir_mailbox_new(&mailbox, NULL), WEIR_ENO_MEMORY);
    weir_memory_fail_at(0);
    assert_null(mailbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_descriptor),
        cmocka_unit_test(test_many_pushers),
        cmocka_unit_test(test_an_awake_owner_is_not_woken),
        cmocka_unit_test(test_many_who_add),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
