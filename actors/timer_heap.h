/* actors/timer_heap.h -- one-shot timers of one thread: a binary heap by time, then by number, so
 * timers of one moment fire in the order in which they were set. Embedded by value: all zero is an
 * empty one. */
#ifndef ACTORS_TIMER_HEAP_H
#define ACTORS_TIMER_HEAP_H

#include "actors/number_map.h"

typedef struct weir_timer {
    int64_t at_ms;
    uint64_t number; /* never 0, never reused */
    uint32_t kind;   /* the owner's */
    uint64_t owner;  /* the owner's */
} weir_timer;

typedef struct weir_timer_heap {
    struct weir_timer_node **nodes;
    size_t count, capacity;
    weir_number_map by_number;
    uint64_t last_number;
} weir_timer_heap;

void weir_timer_heap_deinit(weir_timer_heap *heap);
/* Returns the timer's number, or 0 when memory ends. */
uint64_t weir_timer_heap_add(weir_timer_heap *heap, int64_t at_ms, uint32_t kind,
                             uint64_t owner) WEIR_MUST_CHECK;
void weir_timer_heap_cancel(weir_timer_heap *heap, uint64_t number); /* unknown ones are fine */
void weir_timer_heap_cancel_all(weir_timer_heap *heap, uint32_t kind, uint64_t owner);
int64_t weir_timer_heap_next_ms(const weir_timer_heap *heap); /* INT64_MAX: none */
bool weir_timer_heap_pop(weir_timer_heap *heap, int64_t now_ms, weir_timer *ret); /* one due */

#endif
