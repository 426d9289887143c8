/* cli/context.h -- the cluster that commands talk to when none is named: a small file in the user's
 * directory, written by `weir cluster start` and `weir context use`. */
#ifndef CLI_CONTEXT_H
#define CLI_CONTEXT_H

#include "base/error.h"

#include <limits.h>

#define WEIR_ENDPOINT_MAX 256

typedef struct weir_cluster_context {
    char endpoint[WEIR_ENDPOINT_MAX]; /* "tcp://127.0.0.1:6120" */
    char directory[PATH_MAX];         /* of a local cluster; "" when it is not one of ours */
    char cluster[96];                 /* cluster.id; "" when not known */
} weir_cluster_context;

/* WEIR_ENOT_FOUND: none is set. WEIR_EINVALID: the file is damaged; it says what to do. */
int weir_cluster_context_load(weir_cluster_context *ret, weir_error *err) WEIR_MUST_CHECK;
int weir_cluster_context_store(const weir_cluster_context *context,
                               weir_error *err) WEIR_MUST_CHECK;
int weir_cluster_context_clear(weir_error *err) WEIR_MUST_CHECK; /* none set is fine */

/* What a user may write for an endpoint ("host", "host:port", "tcp://host:port") in full. */
int weir_endpoint_parse(const char *text, char out[WEIR_ENDPOINT_MAX],
                        weir_error *err) WEIR_MUST_CHECK;

#endif
