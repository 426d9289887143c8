/* exchange/watermark_merge.c -- see watermark_merge.h. The channels that count lie in a binary heap
 * by watermark, so that a thousand channels that advance in turn do not scan a thousand each time.
 */
#include "exchange/watermark_merge.h"

#include "base/memory.h"

#define NOT_COUNTED UINT32_MAX

typedef struct channel_state {
    int64_t watermark;
    uint32_t place; /* in the heap, or NOT_COUNTED: idle, ended or not caught up */
    bool idle, ended;
} channel_state;

struct weir_watermark_merge {
    int64_t merged;
    channel_state *channels;
    uint32_t *heap; /* indices of channels, the lowest watermark first */
    uint32_t count, counted, unended, idle;
};

int weir_watermark_merge_new(uint32_t channels, weir_watermark_merge **ret)
{
    weir_watermark_merge *merge = weir_calloc(1, sizeof *merge);
    if (merge == NULL) {
        return WEIR_ENO_MEMORY;
    }
    merge->channels = weir_calloc(channels, sizeof *merge->channels);
    merge->heap = weir_calloc(channels, sizeof *merge->heap);
    if (merge->channels == NULL || merge->heap == NULL) {
        weir_watermark_merge_destroy(&merge);
        return WEIR_ENO_MEMORY;
    }
    merge->merged = INT64_MIN;
    merge->count = merge->counted = merge->unended = channels;
    for (uint32_t i = 0; i < channels; i++) {
        merge->channels[i].watermark = INT64_MIN;
        merge->channels[i].place = i;
        merge->heap[i] = i;
    }
    *ret = merge;
    return 0;
}

void weir_watermark_merge_destroy(weir_watermark_merge **merge)
{
    if (*merge != NULL) {
        weir_free((*merge)->channels);
        weir_free((*merge)->heap);
        weir_free(*merge);
        *merge = NULL;
    }
}

/* ---- the heap ---- */

static int64_t watermark_at(const weir_watermark_merge *merge, uint32_t place)
{
    return merge->channels[merge->heap[place]].watermark;
}

static void put(weir_watermark_merge *merge, uint32_t place, uint32_t channel)
{
    merge->heap[place] = channel;
    merge->channels[channel].place = place;
}

static void sift_up(weir_watermark_merge *merge, uint32_t place)
{
    uint32_t channel = merge->heap[place];
    int64_t watermark = merge->channels[channel].watermark;
    while (place > 0 && watermark_at(merge, (place - 1) / 2) > watermark) {
        put(merge, place, merge->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(merge, place, channel);
}

static void sift_down(weir_watermark_merge *merge, uint32_t place)
{
    uint32_t channel = merge->heap[place];
    int64_t watermark = merge->channels[channel].watermark;
    for (uint32_t child; (child = 2 * place + 1) < merge->counted; place = child) {
        if (child + 1 < merge->counted &&
            watermark_at(merge, child + 1) < watermark_at(merge, child)) {
            child++;
        }
        if (watermark_at(merge, child) >= watermark) {
            break;
        }
        put(merge, place, merge->heap[child]);
    }
    put(merge, place, channel);
}

static void heap_insert(weir_watermark_merge *merge, uint32_t channel)
{
    put(merge, merge->counted, channel);
    sift_up(merge, merge->counted++);
}

static void heap_remove(weir_watermark_merge *merge, uint32_t channel)
{
    uint32_t place = merge->channels[channel].place;
    if (place == NOT_COUNTED) {
        return;
    }
    merge->channels[channel].place = NOT_COUNTED;
    uint32_t last = merge->heap[--merge->counted];
    if (last != channel) {
        put(merge, place, last);
        sift_down(merge, place);
        sift_up(merge, merge->channels[last].place);
    }
}

/* ---- the rules ---- */

static void advance(weir_watermark_merge *merge)
{
    if (merge->counted > 0 && watermark_at(merge, 0) > merge->merged) {
        merge->merged = watermark_at(merge, 0);
    }
}

static void advance_to_greatest(weir_watermark_merge *merge)
{
    for (uint32_t i = 0; i < merge->count; i++) {
        const channel_state *channel = &merge->channels[i];
        if (!channel->ended && channel->watermark > merge->merged) {
            merge->merged = channel->watermark;
        }
    }
}

void weir_watermark_merge_set(weir_watermark_merge *merge, uint32_t channel, int64_t watermark)
{
    channel_state *state = &merge->channels[channel];
    if (state->ended || watermark <= state->watermark) {
        return;
    }
    state->watermark = watermark;
    if (state->place != NOT_COUNTED) {
        sift_down(merge, state->place);
    } else if (!state->idle && watermark >= merge->merged) {
        heap_insert(merge, channel);
    } else if (weir_watermark_merge_is_idle(merge) && watermark > merge->merged) {
        merge->merged = watermark;
    }
    advance(merge);
}

void weir_watermark_merge_set_idle(weir_watermark_merge *merge, uint32_t channel, bool idle)
{
    channel_state *state = &merge->channels[channel];
    if (state->ended || state->idle == idle) {
        return;
    }
    state->idle = idle;
    if (idle) {
        heap_remove(merge, channel);
        merge->idle++;
        if (weir_watermark_merge_is_idle(merge)) {
            advance_to_greatest(merge);
        }
    } else {
        merge->idle--;
        if (state->watermark >= merge->merged) {
            heap_insert(merge, channel);
        }
    }
    advance(merge);
}

void weir_watermark_merge_end(weir_watermark_merge *merge, uint32_t channel)
{
    channel_state *state = &merge->channels[channel];
    if (state->ended) {
        return;
    }
    heap_remove(merge, channel);
    state->ended = true;
    merge->unended--;
    merge->idle -= state->idle ? 1 : 0;
    if (weir_watermark_merge_is_idle(merge)) {
        advance_to_greatest(merge);
    }
    advance(merge);
}

int64_t weir_watermark_merge_get(const weir_watermark_merge *merge)
{
    return merge->merged;
}

bool weir_watermark_merge_is_idle(const weir_watermark_merge *merge)
{
    return merge->unended > 0 && merge->idle == merge->unended;
}

bool weir_watermark_merge_is_ended(const weir_watermark_merge *merge)
{
    return merge->unended == 0;
}
