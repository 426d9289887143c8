/* base/role.h -- the roles of processes, as sets. Who a process says it is, and what a key may be
 * used for, are the same words. */
#ifndef BASE_ROLE_H
#define BASE_ROLE_H

#include <stdint.h>

enum {
    WEIR_ROLE_DISPATCHER = 1 << 0,
    WEIR_ROLE_JOBMANAGER = 1 << 1,
    WEIR_ROLE_TASKMANAGER = 1 << 2,
    WEIR_ROLE_CLIENT = 1 << 3,
    WEIR_ROLE_RUNNER = 1 << 4, /* of one job; its key is made with the job and in no file */
};

#define WEIR_ROLES_TEXT_MAX 64

typedef uint32_t weir_roles; /* a set of the above */

weir_roles weir_role_parse(const char *name); /* "taskmanager"; 0: there is no such role */
/* "client, taskmanager"; "none" for the empty set. Returns out. */
const char *weir_roles_format(weir_roles roles, char out[WEIR_ROLES_TEXT_MAX]);

#endif
