#include "link_wires.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
    FRAMES = 16384,           /* of all wires, under way at a time */
    BACKLOG_MAX = 256 * 1024, /* bytes that wait for a wire of limited rate */
    LOSS_ONE = 100000,
};
#define SECOND_NS INT64_C(1000000000)

typedef struct frame {
    struct frame *next;
    int64_t arrives_ns;
    size_t size;
    uint8_t bytes[WIRES_FRAME_MAX];
} frame;

typedef struct wire {
    wire_terms terms;
    wire_counts counts;
    int64_t free_ns; /* when all that was put on it is sent */
    frame *first, *last;
} wire;

struct wires {
    size_t hosts;
    weir_prng chance;
    frame *frames, *spare; /* spare ones, last used first: untouched memory stays unused */
    size_t used;           /* of `frames`, ever */
    frame *taken;          /* given out by wires_take */
    wire wire[WIRES_HOSTS_MAX][WIRES_HOSTS_MAX];
};

wires *wires_new(size_t hosts, uint64_t seed)
{
    wires *all = calloc(1, sizeof *all);
    if (all == NULL)
        return NULL;
    all->hosts = hosts;
    all->chance.state = seed;
    all->frames = calloc(FRAMES, sizeof *all->frames);
    if (all->frames == NULL) {
        free(all);
        return NULL;
    }
    return all;
}

void wires_destroy(wires *all)
{
    if (all == NULL)
        return;
    free(all->frames);
    free(all);
}

wire_terms *wires_terms(wires *all, size_t from, size_t to)
{
    return &all->wire[from][to].terms;
}

wire_counts wires_counts(const wires *all, size_t from, size_t to)
{
    return all->wire[from][to].counts;
}

/* --- frames --- */

static frame *get_frame(wires *all)
{
    frame *got = all->spare;
    if (got != NULL)
        all->spare = got->next;
    else if (all->used < FRAMES)
        got = &all->frames[all->used++];
    return got;
}

static void give_back(wires *all, frame *gone)
{
    gone->next = all->spare;
    all->spare = gone;
}

static frame *pop(wire *of)
{
    frame *first = of->first;
    of->first = first->next;
    if (of->first == NULL)
        of->last = NULL;
    return first;
}

void wires_cut(wires *all, size_t from, size_t to)
{
    wire *of = &all->wire[from][to];
    of->terms.is_cut = true;
    while (of->first != NULL) {
        give_back(all, pop(of));
        of->counts.cut++;
    }
}

/* --- in and out --- */

/* When a frame that is put on the wire now will have been sent; -1: too much waits already. */
static int64_t send_time(const wire *on, size_t size, int64_t now_ns)
{
    int64_t rate = on->terms.bits_per_s;
    int64_t start_ns = on->free_ns > now_ns ? on->free_ns : now_ns;
    if (rate == 0)
        return now_ns;
    int64_t backlog = (start_ns - now_ns) / 1000 * (rate / 8) / (SECOND_NS / 1000);
    return backlog > BACKLOG_MAX ? -1 : start_ns + (int64_t)size * 8 * SECOND_NS / rate;
}

void wires_put(wires *all, size_t from, size_t to, const void *bytes, size_t size, int64_t now_ns)
{
    wire *on = &all->wire[from][to];
    if (on->terms.is_cut) {
        on->counts.cut++;
        return;
    }
    if (on->terms.loss > 0 && weir_prng_below(&all->chance, LOSS_ONE) < on->terms.loss) {
        on->counts.lost++;
        return;
    }
    int64_t sent_ns = send_time(on, size, now_ns);
    frame *put = sent_ns < 0 || size > WIRES_FRAME_MAX ? NULL : get_frame(all);
    if (put == NULL) {
        on->counts.overrun++;
        return;
    }
    on->free_ns = sent_ns;
    put->next = NULL;
    put->size = size;
    put->arrives_ns = sent_ns + on->terms.delay_ns;
    if (on->terms.jitter_ns > 0)
        put->arrives_ns +=
            (int64_t)weir_prng_below(&all->chance, (uint64_t)on->terms.jitter_ns + 1);
    if (on->last != NULL && put->arrives_ns < on->last->arrives_ns)
        put->arrives_ns = on->last->arrives_ns;
    memcpy(put->bytes, bytes, size);
    if (on->last != NULL)
        on->last->next = put;
    else
        on->first = put;
    on->last = put;
}

bool wires_take(wires *all, int64_t now_ns, size_t *ret_to, const void **ret_frame,
                size_t *ret_size)
{
    if (all->taken != NULL)
        give_back(all, all->taken);
    all->taken = NULL;
    for (size_t i = 0; i < all->hosts * all->hosts; i++) {
        wire *of = &all->wire[i / all->hosts][i % all->hosts];
        if (of->first == NULL || of->first->arrives_ns > now_ns)
            continue;
        all->taken = pop(of);
        of->counts.passed++;
        *ret_to = i % all->hosts;
        *ret_frame = all->taken->bytes;
        *ret_size = all->taken->size;
        return true;
    }
    return false;
}

int64_t wires_next_ns(const wires *all)
{
    int64_t next_ns = INT64_MAX;
    for (size_t i = 0; i < all->hosts * all->hosts; i++) {
        const frame *first = all->wire[i / all->hosts][i % all->hosts].first;
        if (first != NULL && first->arrives_ns < next_ns)
            next_ns = first->arrives_ns;
    }
    return next_ns;
}
