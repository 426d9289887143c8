/* cli/client.h -- a conversation with a cluster's dispatcher: one node with one actor, driven by
 * the caller's thread. Calls block; several requests at a time go through weir_client_request and
 * weir_client_run. A cluster of this process is reached by the same path over inproc:// endpoints.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "actors/reactor.h"
#include "base/options.h"

#define WEIR_CLIENT_CONNECT_MS 2000

typedef struct weir_client weir_client;

/* Connects; WEIR_EUNAVAILABLE when nobody answers within WEIR_CLIENT_CONNECT_MS, WEIR_EREFUSED when
 * somebody does not want us. The configuration is borrowed until close. */
int weir_client_open(const weir_config *config, const char *endpoint, weir_client **ret,
                     weir_error *err) WEIR_MUST_CHECK;
void weir_client_close(weir_client **client);
const char *weir_client_endpoint(const weir_client *client);
bool weir_client_is_up(const weir_client *client); /* the dispatcher is there, as far as we know */

/* One request to the dispatcher and its reply, whose body is `body_case` (another one is an error).
 * The caller frees the reply with weir_proto_free(&reply->base). `deadline_ms`: from now; 0: that
 * of rpc.ask.timeout. */
int weir_client_call(weir_client *client, weir_envelope *request, int64_t deadline_ms,
                     Weir__Proto__Envelope__BodyCase body_case, weir_envelope **ret_reply,
                     weir_error *err) WEIR_MUST_CHECK;

/* `reply` is borrowed for the call; NULL when `error` is set. */
typedef void (*weir_client_callback)(void *data, const weir_envelope *reply,
                                     const weir_error *error);

/* The callback comes from weir_client_run, once, unless the client is closed before. One of
 * WEIR_CLIENT_REQUESTS_MAX at a time; a further one fails. */
#define WEIR_CLIENT_REQUESTS_MAX 8
int weir_client_request(weir_client *client, weir_envelope *request, int64_t deadline_ms,
                        weir_client_callback callback, void *data, weir_error *err) WEIR_MUST_CHECK;
/* No callback comes for what is under way. Not from a callback. */
void weir_client_forget_all(weir_client *client);
/* Until weir_client_stop, or for `timeout_ms` (INT64_MAX: no limit): then WEIR_ETIMEOUT. */
int weir_client_run(weir_client *client, int64_t timeout_ms) WEIR_MUST_CHECK;
void weir_client_stop(weir_client *client); /* weir_client_run returns 0 */
/* Calls `ready` from weir_client_run whenever fd is readable. */
int weir_client_watch(weir_client *client, int fd, void (*ready)(void *data),
                      void *data) WEIR_MUST_CHECK;
void weir_client_unwatch(weir_client *client, int fd);

#endif
