/* graph/graph_codec.h -- a graph as protobuf (proto/graph.proto) and back. Unpacking checks every
 * number and ends with weir_graph_validate: bytes from the wire or the store are not trusted. */
#ifndef GRAPH_GRAPH_CODEC_H
#define GRAPH_GRAPH_CODEC_H

#include "base/buffer.h"
#include "graph/graph.h"

int weir_graph_pack(const weir_graph *graph, weir_buffer *out) WEIR_MUST_CHECK;
int weir_graph_unpack(const void *bytes, size_t size, weir_graph **ret,
                      weir_error *err) WEIR_MUST_CHECK;

#endif
