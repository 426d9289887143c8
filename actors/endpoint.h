/* actors/endpoint.h -- endpoints of hosts as users write them: a name, 10.0.0.1, fd00::1,
 * [fd00::1], or a wildcard (0.0.0.0, ::, *), which is a place to listen and no place to find
 * somebody. */
#ifndef ACTORS_ENDPOINT_H
#define ACTORS_ENDPOINT_H

#include "base/error.h"
#include "base/options.h"

#include <stdbool.h>
#include <stddef.h>

/* "tcp://host:port", brackets around an IPv6 address; without the port when it is 0. Returns out.
 */
const char *weir_endpoint_of_host(const char *host, int port, char *out, size_t size);

/* The endpoint with an address in place of a name, which is looked up now: waits. */
int weir_endpoint_resolve(const char *endpoint, char *out, size_t size,
                          weir_error *err) WEIR_MUST_CHECK;

/* "tcp://address" to listen on, of what the key `bind_key` holds; a name is looked up now. */
int weir_endpoint_to_bind(const weir_config *config, const char *bind_key, char *out, size_t size,
                          weir_error *err) WEIR_MUST_CHECK;

/* The host under which others find a process: what `host_key` holds when it is set, else what it
 * listens on. WEIR_EINVALID: that is a wildcard. `ret` is the configuration's. */
int weir_endpoint_host(const weir_config *config, const char *host_key, const char *bind_key,
                       const char **ret, weir_error *err) WEIR_MUST_CHECK;

#endif
