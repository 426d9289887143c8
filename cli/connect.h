/* cli/connect.h -- which cluster a command talks to, and the connection to it. */
#ifndef CLI_CONNECT_H
#define CLI_CONNECT_H

#include "cli/arguments.h"
#include "cli/client.h"
#include "cli/context.h"

/* What a command that talks to a cluster needs all along. */
typedef struct weir_session {
    weir_config *config;
    char endpoint[WEIR_ENDPOINT_MAX];
    weir_client *client;
} weir_session;

/* -m, else the current context, whose cluster.id the configuration takes where it has none of its
 * own. WEIR_ENOT_FOUND: neither is there. */
int weir_connect_endpoint(const weir_arguments *arguments, weir_config *config,
                          char out[WEIR_ENDPOINT_MAX], weir_error *err) WEIR_MUST_CHECK;
/* Loads the configuration, finds the endpoint, connects. */
int weir_session_open(const weir_arguments *arguments, weir_session *ret,
                      weir_error *err) WEIR_MUST_CHECK;
void weir_session_close(weir_session *session);
/* The log of this process: off, unless env.log.level was set. */
void weir_session_setup_log(const weir_config *config);

#endif
