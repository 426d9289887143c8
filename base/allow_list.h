/* base/allow_list.h -- which keys may do what: a text file, the same on every host of a cluster.
 * One line per key and role, `ROLE KEY [LABEL]`, roles as in base/role.h but for `runner`; `#`
 * begins a comment. It holds no secret, but whoever writes it owns the cluster: a file that others
 * than its owner (this user or root) may write is refused. Immutable once loaded. */
#ifndef BASE_ALLOW_LIST_H
#define BASE_ALLOW_LIST_H

#include "base/key.h"
#include "base/role.h"

#include <stddef.h>

#define WEIR_LABEL_MAX 64 /* with the NUL */

typedef struct weir_allow_list weir_allow_list;

typedef struct weir_allowed {
    weir_public_key key;
    weir_roles role; /* one */
    char label[WEIR_LABEL_MAX];
} weir_allowed;

/* Every bad line is reported, as `path:line: error: ...`. At most 1 MiB. */
int weir_allow_list_load(const char *path, weir_allow_list **ret, weir_error *err) WEIR_MUST_CHECK;
void weir_allow_list_destroy(weir_allow_list **list);
size_t weir_allow_list_count(const weir_allow_list *list);
const weir_allowed *weir_allow_list_at(const weir_allow_list *list, size_t index);
/* All roles of a key; 0: it is not in the list. `ret_label` (may be NULL): of its first line, "".
 */
weir_roles weir_allow_list_roles(const weir_allow_list *list, const weir_public_key *key,
                                 const char **ret_label);
/* Appends a line and syncs; makes the file (mode 0644) where there is none. WEIR_EEXISTS when the
 * line is there already. */
int weir_allow_list_add(const char *path, weir_roles role, const weir_public_key *key,
                        const char *label, weir_error *err) WEIR_MUST_CHECK;

#endif
