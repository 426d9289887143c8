/* base/piece.h -- how much of a long transfer goes into one message: as much as a link takes in a
 * fraction of a second. So a fast one is not kept waiting, and on a slow one heartbeats, which wait
 * behind a message, still get through in time. */
#ifndef BASE_PIECE_H
#define BASE_PIECE_H

#include <stdint.h>

#define WEIR_PIECE_FIRST (128u << 10) /* bytes, before anything is known of the link */
#define WEIR_PIECE_MIN   (16u << 10)
#define WEIR_PIECE_MAX   (1u << 20)

/* The size of the next piece when one of `size` bytes took so long, until its answer. */
uint32_t weir_piece_next(uint32_t size, int64_t took_ms);

#endif
