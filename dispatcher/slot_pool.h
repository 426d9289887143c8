/* dispatcher/slot_pool.h -- the slot inventory: which TaskManager offers how many, and which job
 * holds them. Pure accounting; one owner, one thread. At any time the holds of a member are at most
 * its slots, except when the member itself reported more.
 *
 *   hold:  RESERVED (the agent was asked) -> HELD (it agreed) -> RELEASING (it was told) -> gone */
#ifndef DISPATCHER_SLOT_POOL_H
#define DISPATCHER_SLOT_POOL_H

#include "base/error.h"
#include "base/id.h"

#include <stdbool.h>
#include <stdint.h>

enum weir_hold_state { WEIR_HOLD_RESERVED, WEIR_HOLD_HELD, WEIR_HOLD_RELEASING };

typedef struct weir_slot_member weir_slot_member;

typedef struct weir_slot_hold {
    struct weir_slot_hold *next;
    weir_slot_member *member;
    char job[WEIR_ID_HEX];
    uint32_t count;
    enum weir_hold_state state;
    uint64_t request; /* the owner's note: outstanding request about it */
    uint64_t order;   /* the owner's note: of its AllocateSlots; 0: taken over */
} weir_slot_hold;

struct weir_slot_member {
    struct weir_slot_member *next; /* in order of registration */
    char *process, *host;
    uint32_t slots;
    weir_slot_hold *holds;
};

typedef struct weir_slot_pool weir_slot_pool;

weir_slot_pool *weir_slot_pool_new(void) WEIR_MUST_CHECK; /* NULL when memory ends */
void weir_slot_pool_destroy(weir_slot_pool **pool);

/* A new member, or a known one with another number of slots. NULL when memory ends. */
weir_slot_member *weir_slot_pool_add(weir_slot_pool *pool, const char *process, const char *host,
                                     uint32_t slots) WEIR_MUST_CHECK;
void weir_slot_pool_remove(weir_slot_pool *pool, weir_slot_member *member); /* and its holds */
weir_slot_member *weir_slot_pool_find(const weir_slot_pool *pool, const char *process);
weir_slot_member *weir_slot_pool_members(const weir_slot_pool *pool); /* first */
uint32_t weir_slot_member_free(const weir_slot_member *member);

weir_slot_hold *weir_slot_member_hold(weir_slot_member *member, const char *job, uint32_t count,
                                      enum weir_hold_state state) WEIR_MUST_CHECK;
weir_slot_hold *weir_slot_member_find(const weir_slot_member *member, const char *job);
void weir_slot_member_drop(weir_slot_member *member, weir_slot_hold *hold);

/* Slots of all holds of the job that are in `state`. */
uint32_t weir_slot_pool_held(const weir_slot_pool *pool, const char *job,
                             enum weir_hold_state state);
typedef struct weir_slot_totals {
    uint32_t members, slots, free;
} weir_slot_totals;
weir_slot_totals weir_slot_pool_totals(const weir_slot_pool *pool);

/* Reserves `count` slots for a job: of the member with the most free ones as many as it has, then
 * of the next; among equals the one that came first. Members for which `skip(data, process)` is
 * true, and those with any hold of the job, are left out. All or nothing: WEIR_ERESOURCES,
 * WEIR_ENO_MEMORY. */
int weir_slot_pool_reserve(weir_slot_pool *pool, const char *job, uint32_t count,
                           bool (*skip)(void *data, const char *process),
                           void *data) WEIR_MUST_CHECK;

#endif
