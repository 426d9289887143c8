/* cli/cluster_directory.h -- the directory of a cluster on this host:
 *
 *   weir.yaml                        what its processes were started with
 *   lock                             held while the cluster is started or stopped
 *   pid/<role>-<n>.pid               "<pid> <start time>", a line, while the process should live
 *   log/<role>-<n>.log               its stdout and stderr
 *   dispatcher/, taskmanager-<n>/    what they keep
 *
 * The default is cluster.directory, else `cluster` in the user's directory. */
#ifndef CLI_CLUSTER_DIRECTORY_H
#define CLI_CLUSTER_DIRECTORY_H

#include "base/options.h"
#include "cli/context.h"

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#define WEIR_MEMBERS_MAX 130 /* processes of one cluster on one host */

typedef struct weir_cluster_directory {
    char path[PATH_MAX]; /* absolute */
    char log[PATH_MAX];  /* of log files: env.log.dir, else log/ in it */
    int lock_fd;         /* -1: not locked */
} weir_cluster_directory;

typedef struct weir_member_process {
    char name[64]; /* "taskmanager-1" */
    pid_t pid;
    uint64_t started; /* see cli/process.h */
    int pidfd;        /* readable when it has ended; closed by weir_members_close */
} weir_member_process;

typedef struct weir_members_list {
    weir_member_process of[WEIR_MEMBERS_MAX];
    size_t count;
} weir_members_list;

/* `named`: --dir, or NULL. Makes nothing. */
int weir_cluster_directory_init(weir_cluster_directory *directory, const char *named,
                                const weir_config *config, weir_error *err) WEIR_MUST_CHECK;
/* Makes the folders and takes the lock; WEIR_ESTATE when another command holds it. */
int weir_cluster_directory_lock(weir_cluster_directory *directory, weir_error *err) WEIR_MUST_CHECK;
void weir_cluster_directory_unlock(weir_cluster_directory *directory);
/* "<path>/<folder>/<name><suffix>" into out (PATH_MAX bytes). */
int weir_cluster_directory_file(const weir_cluster_directory *directory, const char *folder,
                                const char *name, const char *suffix, char *out,
                                weir_error *err) WEIR_MUST_CHECK;

/* Pid files. */
int weir_cluster_directory_enter(const weir_cluster_directory *directory, const char *name,
                                 pid_t pid, weir_error *err) WEIR_MUST_CHECK;
void weir_cluster_directory_leave(const weir_cluster_directory *directory, const char *name);
/* The processes that live; pid files of others are removed when `clean`. */
int weir_cluster_directory_members(const weir_cluster_directory *directory, bool clean,
                                   weir_members_list *ret, weir_error *err) WEIR_MUST_CHECK;
void weir_members_close(weir_members_list *members);

/* weir.yaml: every value that was set, and the dispatcher's endpoint. */
int weir_cluster_directory_store(const weir_cluster_directory *directory, const weir_config *config,
                                 weir_error *err) WEIR_MUST_CHECK;
/* The endpoint and cluster.id of weir.yaml. WEIR_ENOT_FOUND: there was no cluster here. */
int weir_cluster_directory_load(const weir_cluster_directory *directory, weir_cluster_context *ret,
                                weir_error *err) WEIR_MUST_CHECK;

#endif
