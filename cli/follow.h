/* cli/follow.h -- waits for a job as its attached client: its printed rows go to stdout, its
 * progress to stderr, Ctrl-C cancels it (after a question, where there is a terminal to answer on).
 * A stdout that is not read holds up the rows and nothing else. */
#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

#include "base/id.h"
#include "cli/client.h"

#define WEIR_FOLLOW_SILENCE_MS 30000 /* a cluster that is gone for so long is given up */

typedef struct weir_follow_config {
    weir_client *client;
    const char *job;  /* id */
    const char *name; /* for questions */
    bool fetch_rows;  /* there are rows of print: to fetch */
    bool show_states; /* one line per change of state on stderr */
    bool show_line;   /* one line, rewritten: stderr is a terminal */
    bool ask;         /* stdin is a terminal that the job does not read */
    int signal_fd;    /* gives SIGINT (and SIGTERM, which never asks); -1: none */
} weir_follow_config;

typedef struct weir_followed {
    weir_envelope *detail; /* the job's last JobDetail; NULL: it never came */
    bool is_abandoned;     /* the user did not want to wait for the cancelling */
    bool is_stdout_closed; /* whoever read the rows is gone: the job was cancelled */
    bool are_rows_lost;    /* rows did not come to stdout; that was told on stderr */
} weir_followed;

/* 0: the job has ended, or the user left (is_abandoned). WEIR_ETIMEOUT: the cluster is silent, the
 * job may run on. */
int weir_follow(const weir_follow_config *config, weir_followed *ret,
                weir_error *err) WEIR_MUST_CHECK;
void weir_followed_deinit(weir_followed *followed);

#endif
