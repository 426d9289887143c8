/* dispatcher/slot_pool.c -- the slot inventory. */
#include "dispatcher/slot_pool.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

struct weir_slot_pool {
    weir_slot_member *members;
};

weir_slot_pool *weir_slot_pool_new(void)
{
    return weir_calloc(1, sizeof(weir_slot_pool));
}

static void free_member(weir_slot_member *member)
{
    while (member->holds != NULL)
        weir_slot_member_drop(member, member->holds);
    weir_free(member->process);
    weir_free(member->host);
    weir_free(member);
}

void weir_slot_pool_destroy(weir_slot_pool **pool)
{
    if (pool == NULL || *pool == NULL)
        return;
    while ((*pool)->members != NULL)
        weir_slot_pool_remove(*pool, (*pool)->members);
    weir_free(*pool);
    *pool = NULL;
}

weir_slot_member *weir_slot_pool_add(weir_slot_pool *pool, const char *process, const char *host,
                                     uint32_t slots)
{
    weir_slot_member *member = weir_slot_pool_find(pool, process);
    if (member != NULL) {
        member->slots = slots;
        return member;
    }
    member = weir_calloc(1, sizeof *member);
    if (member == NULL)
        return NULL;
    member->process = weir_strdup(process);
    member->host = weir_strdup(host);
    member->slots = slots;
    if (member->process == NULL || member->host == NULL) {
        free_member(member);
        return NULL;
    }
    weir_slot_member **at = &pool->members;
    while (*at != NULL)
        at = &(*at)->next;
    *at = member;
    return member;
}

void weir_slot_pool_remove(weir_slot_pool *pool, weir_slot_member *member)
{
    weir_slot_member **at = &pool->members;
    while (*at != member)
        at = &(*at)->next;
    *at = member->next;
    free_member(member);
}

weir_slot_member *weir_slot_pool_find(const weir_slot_pool *pool, const char *process)
{
    weir_slot_member *member = pool->members;
    while (member != NULL && strcmp(member->process, process) != 0)
        member = member->next;
    return member;
}

weir_slot_member *weir_slot_pool_members(const weir_slot_pool *pool)
{
    return pool->members;
}

/* A member may have reported more holds than slots: then none are free. */
uint32_t weir_slot_member_free(const weir_slot_member *member)
{
    uint64_t used = 0;
    for (const weir_slot_hold *hold = member->holds; hold != NULL; hold = hold->next)
        used += hold->count;
    return used >= member->slots ? 0 : member->slots - (uint32_t)used;
}

weir_slot_hold *weir_slot_member_hold(weir_slot_member *member, const char *job, uint32_t count,
                                      enum weir_hold_state state)
{
    weir_slot_hold *hold = weir_calloc(1, sizeof *hold);
    if (hold == NULL)
        return NULL;
    snprintf(hold->job, sizeof hold->job, "%s", job);
    hold->member = member;
    hold->count = count;
    hold->state = state;
    hold->next = member->holds;
    member->holds = hold;
    return hold;
}

weir_slot_hold *weir_slot_member_find(const weir_slot_member *member, const char *job)
{
    weir_slot_hold *hold = member->holds;
    while (hold != NULL && strcmp(hold->job, job) != 0)
        hold = hold->next;
    return hold;
}

void weir_slot_member_drop(weir_slot_member *member, weir_slot_hold *hold)
{
    weir_slot_hold **at = &member->holds;
    while (*at != hold)
        at = &(*at)->next;
    *at = hold->next;
    weir_free(hold);
}

uint32_t weir_slot_pool_held(const weir_slot_pool *pool, const char *job,
                             enum weir_hold_state state)
{
    uint64_t count = 0;
    for (const weir_slot_member *member = pool->members; member != NULL; member = member->next) {
        const weir_slot_hold *hold = weir_slot_member_find(member, job);
        if (hold != NULL && hold->state == state)
            count += hold->count;
    }
    return count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
}

weir_slot_totals weir_slot_pool_totals(const weir_slot_pool *pool)
{
    weir_slot_totals totals = {0, 0, 0};
    for (const weir_slot_member *member = pool->members; member != NULL; member = member->next) {
        totals.members++;
        totals.slots += member->slots;
        totals.free += weir_slot_member_free(member);
    }
    return totals;
}

static void drop_reservations(weir_slot_pool *pool, const char *job)
{
    for (weir_slot_member *member = pool->members; member != NULL; member = member->next) {
        weir_slot_hold *hold = weir_slot_member_find(member, job);
        if (hold != NULL && hold->state == WEIR_HOLD_RESERVED)
            weir_slot_member_drop(member, hold);
    }
}

int weir_slot_pool_reserve(weir_slot_pool *pool, const char *job, uint32_t count,
                           bool (*skip)(void *data, const char *process), void *data)
{
    while (count > 0) {
        weir_slot_member *best = NULL;
        uint32_t best_free = 0;
        for (weir_slot_member *member = pool->members; member != NULL; member = member->next) {
            uint32_t free_slots = weir_slot_member_free(member);
            if (free_slots <= best_free || weir_slot_member_find(member, job) != NULL ||
                (skip != NULL && skip(data, member->process)))
                continue;
            best = member;
            best_free = free_slots;
        }
        uint32_t taken = best_free < count ? best_free : count;
        if (best == NULL || weir_slot_member_hold(best, job, taken, WEIR_HOLD_RESERVED) == NULL) {
            drop_reservations(pool, job);
            return best == NULL ? WEIR_ERESOURCES : WEIR_ENO_MEMORY;
        }
        count -= taken;
    }
    return 0;
}
