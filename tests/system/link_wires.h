/* tests/system/link_wires.h -- the wires of an emulated network, one per ordered pair of hosts:
 * each delays, loses and cuts the frames put on it, as it is told. Frames of a wire never overtake
 * one another. Pure but for memory: time and chance are the caller's. One thread. */
#ifndef TESTS_SYSTEM_LINK_WIRES_H
#define TESTS_SYSTEM_LINK_WIRES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRES_HOSTS_MAX 16
#define WIRES_FRAME_MAX 1600

typedef struct wires wires;

/* What a wire does to its frames. */
typedef struct wire_terms {
    int64_t delay_ns, jitter_ns; /* one way; jitter: up to so much more, by chance */
    int64_t bits_per_s;          /* 0: no limit */
    uint32_t loss;               /* chance of a frame in 1/100,000 */
    bool is_cut;
} wire_terms;

typedef struct wire_counts {
    uint64_t passed, lost, cut, overrun; /* frames; overrun: they found a full queue */
} wire_counts;

wires *wires_new(size_t hosts, uint64_t seed); /* NULL: no memory */
void wires_destroy(wires *all);
/* Terms may be changed at any time. A cut takes what is under way, too (wires_cut). */
wire_terms *wires_terms(wires *all, size_t from, size_t to);
void wires_cut(wires *all, size_t from, size_t to);
wire_counts wires_counts(const wires *all, size_t from, size_t to);

void wires_put(wires *all, size_t from, size_t to, const void *frame, size_t size, int64_t now_ns);
/* The next frame that has arrived by now. False: none. `ret_frame` is good until the next call. */
bool wires_take(wires *all, int64_t now_ns, size_t *ret_to, const void **ret_frame,
                size_t *ret_size);
int64_t wires_next_ns(const wires *all); /* when a frame arrives; INT64_MAX: none is under way */

#endif
