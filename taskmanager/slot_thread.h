/* taskmanager/slot_thread.h -- the real driver of a slot: a thread, a mailbox, poll(2).
 *
 * Frames and commands come as mail; the thread sleeps when the slot has nothing to do. What the
 * slot tells goes through callbacks that run in the slot's thread and must be quick. */
#ifndef TASKMANAGER_SLOT_THREAD_H
#define TASKMANAGER_SLOT_THREAD_H

#include "actors/mailbox.h"
#include "taskmanager/deployment.h"
#include "taskmanager/slot.h"

typedef struct weir_slot_thread weir_slot_thread;

typedef struct weir_slot_thread_config {
    const weir_deployment *deployment; /* borrowed */
    uint32_t slot;
    void *self; /* of the callbacks, all in the slot's thread */
    int (*send)(void *self, uint32_t to_slot, weir_frame *frame, weir_error *err);
    void (*status)(void *self, uint32_t slot, uint32_t task, enum weir_task_status status,
                   uint64_t records_in, uint64_t records_out, const weir_error *error);
    void (*opened)(void *self, uint32_t slot, const weir_error *error);
    void (*want_split)(void *self, uint32_t operator_, uint32_t subtask, uint64_t number);
    void (*split)(void *self, void *cookie, const void *split, size_t size, bool end,
                  const weir_error *error);
    /* 0, or WEIR_READ_PENDING until weir_slot_thread_print_ready. */
    int (*print)(void *self, uint32_t slot, uint32_t operator_, const char *bytes, size_t size);
    /* The slot wakes, or sleeps after it has moved: whoever shows its progress may look. NULL */
    void (*moved)(void *self);
    /* What `send` was given may have been kept back until now: at the latest before the thread
     * sleeps, and soon after much was sent or some time has passed. NULL: send keeps nothing. */
    void (*hand_over)(void *self);
} weir_slot_thread_config;

/* Starts the thread; it opens the slot first. */
int weir_slot_thread_new(const weir_slot_thread_config *config, weir_slot_thread **ret,
                         weir_error *err) WEIR_MUST_CHECK;
/* Stops and joins; what still comes is only kept until it is destroyed. All slots of a runner are
 * stopped before one is destroyed: they send to each other. */
void weir_slot_thread_stop(weir_slot_thread *thread);
void weir_slot_thread_destroy(weir_slot_thread **thread);

/* From any thread. */
void weir_slot_thread_receive(weir_slot_thread *thread, weir_frame *frame); /* takes it over */
/* For one who has more: the same, but it may lie there until weir_slot_thread_wake, which does
 * nothing when nothing was put. */
void weir_slot_thread_put(weir_slot_thread *thread, weir_frame *frame);
void weir_slot_thread_wake(weir_slot_thread *thread);
void weir_slot_thread_start(weir_slot_thread *thread);
void weir_slot_thread_cancel(weir_slot_thread *thread);
void weir_slot_thread_fail(weir_slot_thread *thread, const weir_error *error);
void weir_slot_thread_give_split(weir_slot_thread *thread, uint32_t operator_, uint32_t subtask,
                                 uint64_t number, const void *split, size_t size, bool end);
void weir_slot_thread_ask_split(weir_slot_thread *thread, uint32_t operator_, uint32_t subtask,
                                uint64_t number, void *cookie);
void weir_slot_thread_print_ready(weir_slot_thread *thread);
size_t weir_slot_thread_progress(const weir_slot_thread *thread, weir_subtask_progress *out,
                                 size_t capacity, uint64_t *ret_counter, bool *ret_idle);

#endif
