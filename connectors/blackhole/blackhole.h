/* blackhole/blackhole.h -- a sink that takes every row and keeps none, for measurements. */
#ifndef CONNECTORS_BLACKHOLE_BLACKHOLE_H
#define CONNECTORS_BLACKHOLE_BLACKHOLE_H

#include "graph/connector.h"

extern const weir_connector weir_blackhole_connector;

/* What a writer of this connector has seen: rows, and the xor of the bytes that it read. */
void weir_blackhole_seen(const weir_writer *writer, uint64_t *ret_rows, uint64_t *ret_xor);

#endif
