/* actors/mailbox.h -- a queue of messages into one thread, with a file descriptor to sleep on. Any
 * thread may push, never blocks and never fails (the node is the caller's, intrusive). The owner
 * pops. Order per pusher is kept. What is bounded is bounded by who pushes (credits). */
#ifndef ACTORS_MAILBOX_H
#define ACTORS_MAILBOX_H

#include "base/error.h"

#include <stdbool.h>

typedef struct weir_mail {
    struct weir_mail *next;
} weir_mail;

typedef struct weir_mailbox weir_mailbox;

int weir_mailbox_new(weir_mailbox **ret, weir_error *err) WEIR_MUST_CHECK;
void weir_mailbox_destroy(weir_mailbox **mailbox); /* must be empty, or mail leaks */
void weir_mailbox_push(weir_mailbox *mailbox, weir_mail *mail);
/* All mail as a list in order, or NULL; empties the descriptor. */
weir_mail *weir_mailbox_take_all(weir_mailbox *mailbox);
int weir_mailbox_fd(const weir_mailbox *mailbox); /* readable when there is mail */

#endif
