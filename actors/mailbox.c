/* actors/mailbox.c -- a locked list and an eventfd. The descriptor is written only when its owner
 * may sleep and was not told yet, and after the lock is released: whom it wakes wants the lock at
 * once. */
#include "actors/mailbox.h"

#include "base/memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct weir_mailbox {
    pthread_mutex_t lock;
    weir_mail *first;
    weir_mail **end; /* where the next one goes */
    bool is_awake;   /* the owner looks again before it sleeps */
    bool is_told;    /* the descriptor was written, or is about to be */
    int fd;
};

int weir_mailbox_new(weir_mailbox **ret, weir_error *err)
{
    weir_mailbox *mailbox = weir_calloc(1, sizeof *mailbox);
    if (mailbox == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "mailbox: no memory for it");
    mailbox->end = &mailbox->first;
    mailbox->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mailbox->fd < 0) {
        int saved = errno;
        weir_free(mailbox);
        return weir_error_errno(err, saved, "mailbox: cannot make an eventfd");
    }
    int rc = pthread_mutex_init(&mailbox->lock, NULL);
    if (rc != 0) {
        close(mailbox->fd);
        weir_free(mailbox);
        return weir_error_errno(err, rc, "mailbox: cannot make a lock");
    }
    *ret = mailbox;
    return 0;
}

void weir_mailbox_destroy(weir_mailbox **mailbox)
{
    if (mailbox == NULL || *mailbox == NULL)
        return;
    weir_mailbox *gone = *mailbox;
    *mailbox = NULL;
    pthread_mutex_destroy(&gone->lock);
    close(gone->fd);
    weir_free(gone);
}

void weir_mailbox_add(weir_mailbox *mailbox, weir_mail *mail)
{
    mail->next = NULL;
    pthread_mutex_lock(&mailbox->lock);
    *mailbox->end = mail;
    mailbox->end = &mail->next;
    pthread_mutex_unlock(&mailbox->lock);
}

/* Whether the caller must write the descriptor. With the lock held. */
static bool must_tell(weir_mailbox *mailbox)
{
    bool must = mailbox->first != NULL && !mailbox->is_awake && !mailbox->is_told;
    mailbox->is_told |= must;
    return must;
}

/* Cannot fail: the counter is 0 or 1, far from where a write would block. */
static void tell(const weir_mailbox *mailbox)
{
    uint64_t one = 1;
    ssize_t count = write(mailbox->fd, &one, sizeof one);
    (void)count;
}

void weir_mailbox_wake(weir_mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    bool must = must_tell(mailbox);
    pthread_mutex_unlock(&mailbox->lock);
    if (must)
        tell(mailbox);
}

void weir_mailbox_push(weir_mailbox *mailbox, weir_mail *mail)
{
    mail->next = NULL;
    pthread_mutex_lock(&mailbox->lock);
    *mailbox->end = mail;
    mailbox->end = &mail->next;
    bool must = must_tell(mailbox);
    pthread_mutex_unlock(&mailbox->lock);
    if (must)
        tell(mailbox);
}

static weir_mail *take(weir_mailbox *mailbox, bool stays_awake)
{
    pthread_mutex_lock(&mailbox->lock);
    weir_mail *first = mailbox->first;
    mailbox->first = NULL;
    mailbox->end = &mailbox->first;
    mailbox->is_awake = stays_awake;
    /* A write that is still to come is waited for by leaving it noted: it wakes the owner once for
     * nothing, and nobody writes a second. */
    uint64_t value;
    if (mailbox->is_told && read(mailbox->fd, &value, sizeof value) == (ssize_t)sizeof value)
        mailbox->is_told = false;
    pthread_mutex_unlock(&mailbox->lock);
    return first;
}

weir_mail *weir_mailbox_take_all(weir_mailbox *mailbox)
{
    return take(mailbox, false);
}

weir_mail *weir_mailbox_look(weir_mailbox *mailbox)
{
    return take(mailbox, true);
}

bool weir_mailbox_rest(weir_mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    bool is_empty = mailbox->first == NULL;
    mailbox->is_awake = !is_empty;
    pthread_mutex_unlock(&mailbox->lock);
    return is_empty;
}

int weir_mailbox_fd(const weir_mailbox *mailbox)
{
    return mailbox->fd;
}
