/* formats/fd_input.h -- rows from a file descriptor that gives bytes when it likes: stdin, a
 * socket. */
#ifndef CONNECTORS_FORMATS_FD_INPUT_H
#define CONNECTORS_FORMATS_FD_INPUT_H

#include "connectors/formats/decoder.h"

/* Reads and decodes until the builder is full or nothing is there: a weir_read_result (END: the
 * other side has closed and every row was given) or an error. Never blocks, whether the descriptor
 * is set to block or not; does not change its flags. PENDING sets *ret_wait to the descriptor. */
int weir_fd_input_read(int fd, weir_decoder *decoder, const char *place, weir_builder *into,
                       weir_wait *ret_wait, weir_error *err) WEIR_MUST_CHECK;

#endif
