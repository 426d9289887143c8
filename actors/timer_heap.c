/* actors/timer_heap.c -- a binary heap of pointers; each node knows its place, so that a timer is
 * cancelled in O(log n). */
#include "actors/timer_heap.h"

#include "base/memory.h"

enum { FIRST_CAPACITY = 16 };

struct weir_timer_node {
    weir_timer timer;
    size_t place; /* index in `nodes` */
};

void weir_timer_heap_deinit(weir_timer_heap *heap)
{
    for (size_t i = 0; i < heap->count; i++)
        weir_free(heap->nodes[i]);
    weir_free(heap->nodes);
    weir_number_map_deinit(&heap->by_number);
    *heap = (weir_timer_heap){.last_number = heap->last_number};
}

static bool is_before(const struct weir_timer_node *a, const struct weir_timer_node *b)
{
    if (a->timer.at_ms != b->timer.at_ms)
        return a->timer.at_ms < b->timer.at_ms;
    return a->timer.number < b->timer.number;
}

static void put_at(weir_timer_heap *heap, size_t place, struct weir_timer_node *node)
{
    heap->nodes[place] = node;
    node->place = place;
}

static void sift_up(weir_timer_heap *heap, size_t place)
{
    struct weir_timer_node *node = heap->nodes[place];
    while (place > 0 && is_before(node, heap->nodes[(place - 1) / 2])) {
        put_at(heap, place, heap->nodes[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put_at(heap, place, node);
}

static void sift_down(weir_timer_heap *heap, size_t place)
{
    struct weir_timer_node *node = heap->nodes[place];
    for (;;) {
        size_t child = place * 2 + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && is_before(heap->nodes[child + 1], heap->nodes[child]))
            child++;
        if (!is_before(heap->nodes[child], node))
            break;
        put_at(heap, place, heap->nodes[child]);
        place = child;
    }
    put_at(heap, place, node);
}

static int reserve(weir_timer_heap *heap)
{
    if (heap->count < heap->capacity)
        return 0;
    size_t capacity = heap->capacity == 0 ? FIRST_CAPACITY : heap->capacity * 2;
    struct weir_timer_node **nodes = weir_realloc(heap->nodes, capacity * sizeof(void *));
    if (nodes == NULL)
        return WEIR_ENO_MEMORY;
    heap->nodes = nodes;
    heap->capacity = capacity;
    return 0;
}

uint64_t weir_timer_heap_add(weir_timer_heap *heap, int64_t at_ms, uint32_t kind, uint64_t owner)
{
    if (reserve(heap) != 0)
        return 0;
    struct weir_timer_node *node = weir_alloc(sizeof *node);
    if (node == NULL)
        return 0;
    node->timer = (weir_timer){at_ms, heap->last_number + 1, kind, owner};
    if (weir_number_map_put(&heap->by_number, node->timer.number, node) != 0) {
        weir_free(node);
        return 0;
    }
    heap->last_number++;
    put_at(heap, heap->count, node);
    heap->count++;
    sift_up(heap, node->place);
    return node->timer.number;
}

static void remove_node(weir_timer_heap *heap, struct weir_timer_node *node)
{
    size_t place = node->place;
    heap->count--;
    if (place < heap->count) {
        put_at(heap, place, heap->nodes[heap->count]);
        sift_down(heap, place);
        sift_up(heap, place);
    }
    weir_number_map_take(&heap->by_number, node->timer.number);
    weir_free(node);
}

void weir_timer_heap_cancel(weir_timer_heap *heap, uint64_t number)
{
    struct weir_timer_node *node = weir_number_map_get(&heap->by_number, number);
    if (node != NULL)
        remove_node(heap, node);
}

void weir_timer_heap_cancel_all(weir_timer_heap *heap, uint32_t kind, uint64_t owner)
{
    size_t kept = 0;
    for (size_t i = 0; i < heap->count; i++) {
        struct weir_timer_node *node = heap->nodes[i];
        if (node->timer.kind == kind && node->timer.owner == owner) {
            weir_number_map_take(&heap->by_number, node->timer.number);
            weir_free(node);
        } else {
            put_at(heap, kept++, node);
        }
    }
    if (kept == heap->count)
        return;
    heap->count = kept;
    for (size_t i = kept / 2; i-- > 0;)
        sift_down(heap, i);
}

int64_t weir_timer_heap_next_ms(const weir_timer_heap *heap)
{
    return heap->count == 0 ? INT64_MAX : heap->nodes[0]->timer.at_ms;
}

bool weir_timer_heap_pop(weir_timer_heap *heap, int64_t now_ms, weir_timer *ret)
{
    if (weir_timer_heap_next_ms(heap) > now_ms || heap->count == 0)
        return false;
    *ret = heap->nodes[0]->timer;
    remove_node(heap, heap->nodes[0]);
    return true;
}
