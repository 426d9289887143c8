/* actors/security.h -- the keys of one process: its own, and those that it believes. Made from the
 * configuration (security.key-file, .allow-file, .dispatcher-key), or from a key that it was given.
 * NULL stands for a process without keys. Owned by one thread; blocks when it is made, and shortly
 * when the allow-list has changed since. */
#ifndef ACTORS_SECURITY_H
#define ACTORS_SECURITY_H

#include "actors/authenticator.h"
#include "actors/zmq_socket.h"
#include "base/options.h"

#include <stdbool.h>

typedef struct weir_security weir_security;

/* `*ret` is NULL when the configuration names no key. With a door there must be an allow-list, and
 * an authenticator is made of it. `what`: who asks, for errors and the log. */
int weir_security_new(const weir_config *config, const char *what, bool has_door,
                      weir_security **ret, weir_error *err) WEIR_MUST_CHECK;
/* For a process that has this key (copied) and no door, and believes every endpoint that it is told
 * of by whoever gave it the key. */
int weir_security_new_of_key(const weir_key_pair *key, weir_security **ret,
                             weir_error *err) WEIR_MUST_CHECK;
void weir_security_destroy(weir_security **security); /* wipes the key */
const weir_key_pair *weir_security_key(const weir_security *security);
/* NULL without a door. */
weir_authenticator *weir_security_authenticator(const weir_security *security);
/* What the allow-list gives the own key; 0 where there is none. */
weir_roles weir_security_own_roles(const weir_security *security);

/* Whether the key of an endpoint (of tcp://) is of a process with one of these roles: what the
 * allow-list says, where there is one. WEIR_EREFUSED when not, or when the endpoint has no key. */
int weir_security_check(weir_security *security, const char *endpoint, weir_roles expected,
                        weir_error *err) WEIR_MUST_CHECK;
/* The dispatcher's endpoint with its key: the one that the endpoint has, that of
 * security.dispatcher-key, or the only one that the allow-list names. */
int weir_security_dispatcher(const weir_security *security, const char *endpoint,
                             char out[WEIR_ENDPOINT_MAX], weir_error *err) WEIR_MUST_CHECK;

#endif
