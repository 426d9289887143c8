/* actors/outbox.c -- counts what ZeroMQ holds. */
#include "actors/outbox.h"

#include "base/handover.h"
#include "base/memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <zmq.h>

struct weir_outbox {
    atomic_size_t bytes;
    atomic_size_t users; /* its owner, its messages, and for `all` the others */
    weir_outbox *all;    /* NULL: this is it */
};

struct letter {
    weir_outbox *box;
    size_t size;
    unsigned char bytes[];
};

weir_outbox *weir_outbox_new(weir_outbox *all)
{
    weir_outbox *box = weir_calloc(1, sizeof *box);

    if (box == NULL)
        return NULL;
    atomic_init(&box->bytes, 0);
    atomic_init(&box->users, 1);
    box->all = all;
    if (all != NULL)
        atomic_fetch_add_explicit(&all->users, 1, memory_order_relaxed);
    return box;
}

static void leave(weir_outbox *box)
{
    if (atomic_fetch_sub_explicit(&box->users, 1, memory_order_acq_rel) != 1)
        return;
    weir_outbox *all = box->all;
    weir_free(box);
    if (all != NULL)
        leave(all);
}

void weir_outbox_destroy(weir_outbox **box)
{
    if (box == NULL || *box == NULL)
        return;
    leave(*box);
    *box = NULL;
}

size_t weir_outbox_bytes(const weir_outbox *box)
{
    return atomic_load_explicit(&box->bytes, memory_order_relaxed);
}

/* Only the owner's thread adds, so that what was found below a limit is below it when it is used.
 */
static bool has_room(const weir_outbox *box, size_t size)
{
    size_t own = weir_outbox_bytes(box);

    if (own > 0 && own + size > WEIR_OUTBOX_ONE_MAX)
        return false;
    if (box->all == NULL || weir_outbox_bytes(box->all) + size <= WEIR_OUTBOX_ALL_MAX)
        return true;
    return size <= WEIR_OUTBOX_SMALL && own + size <= WEIR_OUTBOX_SPARE_MAX;
}

static void count(weir_outbox *box, size_t size)
{
    atomic_fetch_add_explicit(&box->bytes, size, memory_order_relaxed);
    if (box->all != NULL)
        atomic_fetch_add_explicit(&box->all->bytes, size, memory_order_relaxed);
}

static void forget(weir_outbox *box, size_t size)
{
    atomic_fetch_sub_explicit(&box->bytes, size, memory_order_relaxed);
    if (box->all != NULL)
        atomic_fetch_sub_explicit(&box->all->bytes, size, memory_order_relaxed);
}

/* On a thread of ZeroMQ's, or on ours. */
static void on_sent(void *bytes, void *hint)
{
    struct letter *letter = hint;
    weir_outbox *box = letter->box;

    (void)bytes;
    WEIR_TAKE_OVER(letter);
    forget(box, letter->size);
    weir_free(letter);
    leave(box);
}

static int send_address(void *socket, const void *to, size_t size)
{
    int rc;

    do
        rc = zmq_send(socket, to, size, ZMQ_DONTWAIT | ZMQ_SNDMORE);
    while (rc < 0 && zmq_errno() == EINTR);
    return rc < 0 ? WEIR_EUNAVAILABLE : 0;
}

int weir_outbox_send(weir_outbox *box, void *socket, const void *to, size_t to_size,
                     const void *bytes, size_t size)
{
    zmq_msg_t message;

    if (!has_room(box, size))
        return WEIR_EUNAVAILABLE;
    struct letter *letter = weir_alloc(sizeof *letter + size);
    if (letter == NULL)
        return WEIR_EUNAVAILABLE; /* as a full queue: it is sent again, or missed, in the same way
                                   */
    letter->box = box;
    letter->size = size;
    memcpy(letter->bytes, bytes, size);
    if (zmq_msg_init_data(&message, letter->bytes, size, on_sent, letter) != 0) {
        weir_free(letter);
        return WEIR_EUNAVAILABLE;
    }
    count(box, size);
    /* From here on the message has an owner, whatever fails. */
    atomic_fetch_add_explicit(&box->users, 1, memory_order_relaxed);
    WEIR_HAND_OVER(letter);
    int rc = to == NULL ? 0 : send_address(socket, to, to_size);
    while (rc == 0) {
        if (zmq_msg_send(&message, socket, ZMQ_DONTWAIT) >= 0)
            return 0;
        if (zmq_errno() != EINTR)
            break;
    }
    zmq_msg_close(&message);
    return WEIR_EUNAVAILABLE;
}
