/* tests/sim/audit.c -- the dispatcher's books, looked at while it lives: no slot is promised twice.
 * Agents refuse what they do not have, so that such a mistake would show late or never. What is
 * being given back does not count: an agent's word may come late, and claim it once more. */
#include "cluster.h"

#include "dispatcher/parts.h"

enum { EVERY_US = 3000 };

static void audit(void *data)
{
    sim_cluster *cluster = data;
    if (cluster->is_over || cluster->dispatcher == NULL)
        return; /* its successor has an audit of its own */
    const weir_dispatcher *dispatcher = cluster->dispatcher_actor;
    for (const weir_slot_member *member = weir_slot_pool_members(dispatcher->pool); member != NULL;
         member = member->next) {
        uint64_t promised = 0;
        for (const weir_slot_hold *hold = member->holds; hold != NULL; hold = hold->next)
            promised += hold->state == WEIR_HOLD_RELEASING ? 0 : hold->count;
        if (promised > member->slots)
            sim_wrong(cluster, "%llu slots of %s are promised to jobs; it has %u",
                      (unsigned long long)promised, member->process, member->slots);
    }
    sim_schedule(cluster, cluster->dispatcher, EVERY_US, audit, cluster);
}

bool sim_is_allocating(const sim_cluster *cluster)
{
    const weir_dispatcher *dispatcher = cluster->dispatcher_actor;
    if (cluster->dispatcher == NULL)
        return false;
    const weir_slot_request *request = dispatcher->slot_requests;
    while (request != NULL && !request->allocating)
        request = request->next;
    return request != NULL;
}

void sim_start_audit(sim_cluster *cluster)
{
    sim_schedule(cluster, cluster->dispatcher, EVERY_US, audit, cluster);
}
