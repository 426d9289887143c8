/* cli/verbs.h -- the functions behind the table of commands (cli/commands.c), a file per group.
 * Each returns the exit code and has told on stderr what went wrong. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "cli/arguments.h"

/* roles.c */
int weir_verb_dispatcher(const weir_arguments *arguments);
int weir_verb_jobmanager(const weir_arguments *arguments);
int weir_verb_taskmanager(const weir_arguments *arguments);
/* run.c */
int weir_verb_run(const weir_arguments *arguments);
/* plan.c */
int weir_verb_plan(const weir_arguments *arguments);
/* cluster_start.c, cluster_stop.c, cluster_status.c */
int weir_verb_cluster_start(const weir_arguments *arguments);
int weir_verb_cluster_stop(const weir_arguments *arguments);
int weir_verb_cluster_status(const weir_arguments *arguments);
/* jobs.c */
int weir_verb_list(const weir_arguments *arguments);
int weir_verb_describe(const weir_arguments *arguments);
int weir_verb_cancel(const weir_arguments *arguments);
/* logs.c */
int weir_verb_logs(const weir_arguments *arguments);
/* top.c */
int weir_verb_top(const weir_arguments *arguments);
/* context_verb.c */
int weir_verb_context(const weir_arguments *arguments);
/* keys.c */
int weir_verb_keys_new(const weir_arguments *arguments);
int weir_verb_keys_show(const weir_arguments *arguments);
int weir_verb_keys_allow(const weir_arguments *arguments);
/* reference.c */
int weir_verb_config(const weir_arguments *arguments);
int weir_verb_connectors(const weir_arguments *arguments);
/* help.c */
int weir_verb_help(const weir_arguments *arguments);
int weir_verb_completion(const weir_arguments *arguments);
int weir_verb_version(const weir_arguments *arguments);

#endif
