#include "connectors/formats/fd_input.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define FILLS_PER_CALL 16 /* rows that are all left out must not keep the slot */

static int fill(int fd, weir_decoder *decoder, const char *place, weir_error *err)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    uint8_t *space;
    size_t size;
    ssize_t n;

    if (weir_decoder_space(decoder, &space, &size) != 0)
        return weir_error_set(err, WEIR_ENO_MEMORY,
                              "%s: no memory for a long line; lower max-line-size", place);
    if (poll(&wanted, 1, 0) == 0)
        return WEIR_READ_PENDING;
    do {
        n = read(fd, space, size);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return WEIR_READ_PENDING;
    if (n < 0)
        return weir_error_errno(err, errno, "%s: cannot read", place);
    if (n == 0)
        weir_decoder_end(decoder);
    else
        weir_decoder_filled(decoder, (size_t)n);
    return 0;
}

int weir_fd_input_read(int fd, weir_decoder *decoder, const char *place, weir_builder *into,
                       weir_wait *ret_wait, weir_error *err)
{
    for (unsigned fills = 0;; fills++) {
        int rc = weir_decoder_decode(decoder, into, err);

        if (rc < 0)
            return rc;
        if (rc == WEIR_DECODE_FULL || (rc == WEIR_DECODE_HUNGRY && fills == FILLS_PER_CALL))
            return WEIR_READ_MORE;
        if (rc == WEIR_DECODE_END)
            return WEIR_READ_END;
        rc = fill(fd, decoder, place, err);
        if (rc == WEIR_READ_PENDING)
            *ret_wait = (weir_wait){.fd = fd, .at_ms = INT64_MAX};
        if (rc != 0)
            return rc;
    }
}
