/* exchange/frame_queue.h -- a queue of frames, linked through them. Owned by one thread. */
#ifndef EXCHANGE_FRAME_QUEUE_H
#define EXCHANGE_FRAME_QUEUE_H

#include "exchange/frame.h"

#include <stddef.h>

typedef struct weir_frame_queue {
    weir_frame *head, *tail;
} weir_frame_queue;

static inline void weir_frame_queue_push(weir_frame_queue *queue, weir_frame *frame)
{
    frame->next = NULL;
    if (queue->tail != NULL) {
        queue->tail->next = frame;
    } else {
        queue->head = frame;
    }
    queue->tail = frame;
}

/* NULL when it is empty. */
static inline weir_frame *weir_frame_queue_pop(weir_frame_queue *queue)
{
    weir_frame *frame = queue->head;
    if (frame != NULL) {
        queue->head = frame->next;
        if (queue->head == NULL) {
            queue->tail = NULL;
        }
        frame->next = NULL;
    }
    return frame;
}

static inline void weir_frame_queue_deinit(weir_frame_queue *queue)
{
    for (weir_frame *frame; (frame = weir_frame_queue_pop(queue)) != NULL;) {
        weir_frame_destroy(&frame);
    }
}

#endif
