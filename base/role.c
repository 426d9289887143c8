/* base/role.c -- the names of roles. */
#include "base/role.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static const char *const names[] = {"dispatcher", "jobmanager", "taskmanager", "client", "runner"};

weir_roles weir_role_parse(const char *name)
{
    for (size_t i = 0; i < WEIR_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0)
            return UINT32_C(1) << i;
    return 0;
}

const char *weir_roles_format(weir_roles roles, char out[WEIR_ROLES_TEXT_MAX])
{
    size_t size = 0;

    snprintf(out, WEIR_ROLES_TEXT_MAX, "none");
    for (size_t i = 0; i < WEIR_COUNT(names); i++)
        if (roles & (UINT32_C(1) << i))
            size += (size_t)snprintf(out + size, WEIR_ROLES_TEXT_MAX - size, "%s%s",
                                     size == 0 ? "" : ", ", names[i]);
    return out;
}
