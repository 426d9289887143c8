/* actors/lookup.h -- looks up the address of a host's name without making anybody wait: in a thread
 * of its own, for as long as the name service takes. */
#ifndef ACTORS_LOOKUP_H
#define ACTORS_LOOKUP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define WEIR_ADDRESS_MAX 64 /* "10.0.0.1", "[fd00::1]"; with the NUL */

typedef struct weir_lookup weir_lookup;

/* 10.0.0.1, fd00::1, [fd00::1]: no name. */
bool weir_address_is_numeric(const char *host);
/* Waits. An IPv4 address where there is one, else IPv6, in brackets. WEIR_ENOT_FOUND. */
int weir_address_look_up(const char *name, char out[WEIR_ADDRESS_MAX],
                         weir_error *err) WEIR_MUST_CHECK;

/* `wake_fd`, an eventfd, is written to when the result is there; it may be closed meanwhile. */
int weir_lookup_start(const char *name, int wake_fd, weir_lookup **ret,
                      weir_error *err) WEIR_MUST_CHECK;
bool weir_lookup_is_done(weir_lookup *lookup);
/* Of one that is done. */
int weir_lookup_result(const weir_lookup *lookup, char out[WEIR_ADDRESS_MAX],
                       weir_error *err) WEIR_MUST_CHECK;
void weir_lookup_drop(weir_lookup **lookup); /* also while it is under way */

#endif
