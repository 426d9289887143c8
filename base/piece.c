#include "base/piece.h"

enum { QUICK_MS = 50, SLOW_MS = 200 };

uint32_t weir_piece_next(uint32_t size, int64_t took_ms)
{
    if (took_ms < QUICK_MS && size < WEIR_PIECE_MAX)
        return size * 2 < WEIR_PIECE_MAX ? size * 2 : WEIR_PIECE_MAX;
    if (took_ms > SLOW_MS && size > WEIR_PIECE_MIN)
        return size / 2 > WEIR_PIECE_MIN ? size / 2 : WEIR_PIECE_MIN;
    return size;
}
