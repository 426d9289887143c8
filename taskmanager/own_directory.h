/* taskmanager/own_directory.h -- DIR/taskmanager-N/artifacts, where a TaskManager keeps what it has
 * fetched. It is locked as long as its owner lives; what owners that are gone have left goes when
 * the next TaskManager starts. */
#ifndef TASKMANAGER_OWN_DIRECTORY_H
#define TASKMANAGER_OWN_DIRECTORY_H

#include "base/error.h"

/* Makes and locks `directory`, as long as *ret_fd is open, and removes those of TaskManagers that
 * have ended beside it (what they hold beside artifacts stays). WEIR_EEXISTS: another process of
 * this host has it. Waits while another TaskManager does the same. */
int weir_own_directory_take(const char *directory, int *ret_fd, weir_error *err) WEIR_MUST_CHECK;

#endif
