/* actors/authenticator.h -- who may come in at one door, by key: the keys of an allow-list, and
 * keys that the process itself admits (of its jobs). Says so to ZeroMQ when a connection is made,
 * and to the door's owner for every key whose table changed since.
 *
 * One thread for all authenticators of the process answers ZeroMQ (the ZAP protocol, bound to
 * inproc://zeromq.zap.01 of the only context). It starts with the first authenticator and ends with
 * the last; a door without it lets nobody in. It also loads the allow-list again when the file
 * changes: a bad one is logged and the former list stays. Whom it turns away it logs, with what to
 * do, each key and address once a minute at most. Thread-safe. */
#ifndef ACTORS_AUTHENTICATOR_H
#define ACTORS_AUTHENTICATOR_H

#include "actors/transport.h"

#include <stdbool.h>

typedef struct weir_authenticator weir_authenticator;

typedef struct weir_authenticator_config {
    const char *allow_file; /* NULL: only admitted keys come in */
    const char *what;       /* whose door it is, for the log: "dispatcher" */
} weir_authenticator_config;

/* Starts the thread if need be; texts are copied. */
int weir_authenticator_new(const weir_authenticator_config *config, weir_authenticator **ret,
                           weir_error *err) WEIR_MUST_CHECK;
void weir_authenticator_destroy(weir_authenticator **authenticator);
/* Unique in the process, for the door. */
const char *weir_authenticator_domain(const weir_authenticator *authenticator);

/* Lets a key in, as `roles`, to speak to the actor `scope` alone ("": to any). Replaces what was
 * said of it before; an admitted key's line in the allow-list does not count. */
int weir_authenticator_admit(weir_authenticator *authenticator, const weir_public_key *key,
                             weir_roles roles, const char *scope, weir_error *err) WEIR_MUST_CHECK;
void weir_authenticator_revoke(weir_authenticator *authenticator, const weir_public_key *key);

/* Grows when a key may have lost something. */
uint64_t weir_authenticator_generation(const weir_authenticator *authenticator);
/* The identity of a key that came in, by the User-Id that ZeroMQ gives with its messages. False: it
 * may not be here (any more); its roles are 0 then, and its key is set if the text is one. */
bool weir_authenticator_identify(weir_authenticator *authenticator, const char *user_id,
                                 weir_identity *ret);

#endif
