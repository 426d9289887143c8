/* actors/daemon.h -- the frame of every process with a node: its configuration read into a reactor,
 * SIGTERM and SIGINT as an orderly stop, a name for the incarnation, the word "ready". A daemon
 * proper adds its actors. In local mode the same frame runs in a thread, without signals. */
#ifndef ACTORS_DAEMON_H
#define ACTORS_DAEMON_H

#include "actors/reactor.h"
#include "base/options.h"

#define WEIR_VERSION "0.1.0"

typedef struct weir_daemon weir_daemon;

typedef struct weir_daemon_config {
    const weir_config *config;
    const char *role;     /* "taskmanager": of its node */
    const char *bind;     /* "tcp://host", "inproc://name"; NULL: no door */
    const char *port_key; /* config key of the port range, for tcp doors */
    bool takes_no_key;    /* of the configuration: it needs none, over inproc://, or has `key` */
    const weir_key_pair *key; /* a task runner's: its job's, and none of the configuration; NULL */
    bool signals;             /* SIGTERM, SIGINT stop it; they must be blocked in all threads */
    bool is_watched; /* somebody else finds out when it hangs: it beats 40 times as slowly */
    void (*on_signal)(void *data); /* instead of stopping the node at once; NULL */
    void *data;
} weir_daemon_config;

int weir_daemon_new(const weir_daemon_config *config, weir_daemon **ret,
                    weir_error *err) WEIR_MUST_CHECK;
void weir_daemon_destroy(weir_daemon **daemon);
weir_reactor *weir_daemon_reactor(weir_daemon *daemon);
weir_node *weir_daemon_node(weir_daemon *daemon);
const char *weir_daemon_endpoint(const weir_daemon *daemon);
const char *weir_daemon_process(const weir_daemon *daemon); /* id of this incarnation */
/* Until the node has stopped. An error when an actor said that it failed. */
int weir_daemon_run(weir_daemon *daemon, weir_error *err) WEIR_MUST_CHECK;

/* Beyond loopback anyone could connect: WEIR_EREFUSED unless the address that `key` names is a
 * loopback one, or the process has keys (security.key-file and .allow-file, or `has_key`: one that
 * it was given), or security.insecure is set. */
int weir_daemon_check_bind(const weir_config *config, const char *key, bool has_key,
                           weir_error *err) WEIR_MUST_CHECK;

/* The dispatcher's endpoint with the key that it must have, where this daemon has keys. */
int weir_daemon_find_dispatcher(const weir_daemon *daemon, const char *endpoint,
                                char out[WEIR_ENDPOINT_MAX], weir_error *err) WEIR_MUST_CHECK;

/* The endpoint that others are told: the bound one, with its key, and with the host that `key`
 * names where it is set or where a wildcard is bound. */
void weir_daemon_advertise(const weir_config *config, const char *key, const char *endpoint,
                           char *out, size_t size);

/* Blocks SIGTERM, SIGINT (and SIGPIPE for good) in this thread and those it starts. */
void weir_daemon_block_signals(void);

#endif
