/* actors/rights.h -- who may send what to whom: a table of kinds of messages and roles. The node
 * that receives a message looks here before an actor sees it, with keys and without. Replies need
 * no right: they are taken from whoever was asked, once. */
#ifndef ACTORS_RIGHTS_H
#define ACTORS_RIGHTS_H

#include "base/role.h"
#include "proto/control.pb-c.h"

#include <stdbool.h>
#include <stddef.h>

/* A kind that is an order or a question has a row for every pair of roles, or a row with sets of
 * them; one that only the nodes themselves send, or that is only ever a reply, has a row without.
 */
typedef struct weir_right {
    Weir__Proto__Envelope__BodyCase kind;
    weir_roles from, to;
} weir_right;

const weir_right *weir_rights(size_t *ret_count);
/* `from`, `to`: one role each, of the sender and of the receiver. */
bool weir_right_to_send(Weir__Proto__Envelope__BodyCase kind, weir_roles from, weir_roles to);
/* "SubmitJob": the kind's name; "a message" for what is none. */
const char *weir_envelope_kind(Weir__Proto__Envelope__BodyCase kind);

#endif
