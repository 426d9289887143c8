/* actors/mailbox.c -- a locked list and an eventfd. The descriptor is written only when the list
 * stops being empty, so a busy owner costs its pushers no system call. */
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

void weir_mailbox_push(weir_mailbox *mailbox, weir_mail *mail)
{
    mail->next = NULL;
    pthread_mutex_lock(&mailbox->lock);
    bool was_empty = mailbox->first == NULL;
    *mailbox->end = mail;
    mailbox->end = &mail->next;
    if (was_empty) {
        /* Cannot fail: the counter is 0 or 1, far from where a write would block. */
        uint64_t one = 1;
        ssize_t count = write(mailbox->fd, &one, sizeof one);
        (void)count;
    }
    pthread_mutex_unlock(&mailbox->lock);
}

weir_mail *weir_mailbox_take_all(weir_mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    weir_mail *first = mailbox->first;
    if (first != NULL) {
        mailbox->first = NULL;
        mailbox->end = &mailbox->first;
        uint64_t value;
        ssize_t count = read(mailbox->fd, &value, sizeof value);
        (void)count;
    }
    pthread_mutex_unlock(&mailbox->lock);
    return first;
}

int weir_mailbox_fd(const weir_mailbox *mailbox)
{
    return mailbox->fd;
}
