/* tests/fuzz/fuzz_exchange.h -- what the targets of the exchange share: batches, and frames that
 * come from the input, most of them as they should be, others of any bytes. */
#ifndef TESTS_FUZZ_FUZZ_EXCHANGE_H
#define TESTS_FUZZ_FUZZ_EXCHANGE_H

#include "fuzz.h"

#include "exchange/frame.h"

enum { FUZZ_EPOCH = 5, FUZZ_BATCHES = 3 };

/* Made once and kept. */
weir_schema *fuzz_exchange_schema(void);
weir_batch *
fuzz_exchange_batch(uint32_t index); /* 0 .. FUZZ_BATCHES - 1, of growing size; borrowed */

/* A frame through the wire form: u8 length and header, u16 length and body. NULL: it was refused.
 */
weir_frame *fuzz_raw_frame(fuzz_input *input);

#endif
