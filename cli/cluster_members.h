/* cli/cluster_members.h -- ending the processes of a cluster on this host. */
#ifndef CLI_CLUSTER_MEMBERS_H
#define CLI_CLUSTER_MEMBERS_H

#include "cli/cluster_directory.h"

/* Waits until all have ended, or the time is over; returns how many live. */
size_t weir_members_wait(const weir_members_list *members, int64_t timeout_ms);
/* SIGTERM, and for those that do not obey SIGKILL; then as above. */
size_t weir_members_kill(const weir_members_list *members);
/* "dispatcher 4101, taskmanager-1 4102": into out. */
const char *weir_members_text(const weir_members_list *members, char *out, size_t size);

#endif
