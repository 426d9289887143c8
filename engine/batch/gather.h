/* batch/gather.h -- internal to the room: values of chosen rows, one behind the other. The source
 * may lie at any address. A loop that reads here and there and writes in order is three times as
 * fast as one that reads in order and writes here and there: a store to a place that was just
 * computed holds up the loads behind it. */
#ifndef BATCH_GATHER_H
#define BATCH_GATHER_H

#include "batch/bytes.h"

/* ---- bits ---- */

static inline void weir__gather_bits(uint8_t *bits, uint32_t row, const uint8_t *from,
                                     const weir__rows *rows)
{
    uint32_t i = 0;
    for (; i < rows->count && (row + i) % 8 != 0; i++)
        weir__bit_append(bits, row + i, weir__bit(from, weir__rows_at(rows, i)));
    if (rows->selection == NULL && (rows->start + i) % 8 == 0 && i < rows->count) {
        uint32_t whole = (rows->count - i) / 8;
        memcpy(bits + (row + i) / 8, from + (rows->start + i) / 8, whole);
        i += whole * 8;
    }
    for (; i + 8 <= rows->count; i += 8) {
        uint32_t byte = 0;
        for (uint32_t k = 0; k < 8; k++)
            byte |= (uint32_t)weir__bit(from, weir__rows_at(rows, i + k)) << k;
        bits[(row + i) / 8] = (uint8_t)byte;
    }
    for (; i < rows->count; i++)
        weir__bit_append(bits, row + i, weir__bit(from, weir__rows_at(rows, i)));
}

/* How many of the rows have their bit not set. */
static inline uint32_t weir__gather_count_unset(const uint8_t *from, const weir__rows *rows)
{
    uint32_t unset = 0;
    for (uint32_t i = 0; i < rows->count; i++)
        unset += !weir__bit(from, weir__rows_at(rows, i));
    return unset;
}

/* ---- fixed width ---- */

#define WEIR__GATHER_LOOP(width)                                                                   \
    for (uint32_t i = 0; i < rows->count; i++)                                                     \
    memcpy(to + (size_t)i * (width), from + (size_t)rows->selection[i] * (width), (width))

static inline void weir__gather_fixed(uint8_t *to, uint32_t width, const uint8_t *from,
                                      const weir__rows *rows)
{
    if (rows->selection == NULL) {
        memcpy(to, from + (size_t)rows->start * width, (size_t)rows->count * width);
        return;
    }
    switch (width) {
    case 1:
        WEIR__GATHER_LOOP(1);
        break;
    case 2:
        WEIR__GATHER_LOOP(2);
        break;
    case 4:
        WEIR__GATHER_LOOP(4);
        break;
    case 8:
        WEIR__GATHER_LOOP(8);
        break;
    default:
        WEIR__GATHER_LOOP(16);
        break;
    }
}

#endif
