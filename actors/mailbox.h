/* actors/mailbox.h -- a queue of messages into one thread, with a file descriptor to sleep on. Any
 * thread may push, never blocks and never fails (the node is the caller's, intrusive). The owner
 * takes. Order per pusher is kept. What is bounded is bounded by who pushes (credits).
 *
 * An owner that is busy need not be woken: one that takes its mail with weir_mailbox_look, and asks
 * weir_mailbox_rest before each sleep, costs its pushers no system call while it is awake. */
#ifndef ACTORS_MAILBOX_H
#define ACTORS_MAILBOX_H

#include "base/error.h"

#include <stdbool.h>

typedef struct weir_mail {
    struct weir_mail *next;
} weir_mail;

typedef struct weir_mailbox weir_mailbox;

int weir_mailbox_new(weir_mailbox **ret, weir_error *err) WEIR_MUST_CHECK;
/* Must be empty, or mail leaks; no push may be under way, though its mail was taken already. */
void weir_mailbox_destroy(weir_mailbox **mailbox);
void weir_mailbox_push(weir_mailbox *mailbox, weir_mail *mail);
/* For one who has more to send: push is add and wake. Whoever adds must wake the owner in the end,
 * or the mail lies there. */
void weir_mailbox_add(weir_mailbox *mailbox, weir_mail *mail);
void weir_mailbox_wake(weir_mailbox *mailbox);

/* All mail as a list in order, or NULL; empties the descriptor. */
weir_mail *weir_mailbox_take_all(weir_mailbox *mailbox);
int weir_mailbox_fd(const weir_mailbox *mailbox); /* readable when there is mail */

/* As take_all; from now on the descriptor tells nothing, until the owner rests. */
weir_mail *weir_mailbox_look(weir_mailbox *mailbox);
/* The owner is about to sleep on the descriptor. False: there is mail already. */
bool weir_mailbox_rest(weir_mailbox *mailbox) WEIR_MUST_CHECK;

#endif
