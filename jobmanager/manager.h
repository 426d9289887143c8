/* jobmanager/manager.h -- the actor "jobmanager": registers with the dispatcher, starts a JobMaster
 * per job, forgets it when it has ended. */
#ifndef JOBMANAGER_MANAGER_H
#define JOBMANAGER_MANAGER_H

#include "actors/actor.h"
#include "base/options.h"

#define WEIR_MANAGER_ACTOR "jobmanager"

extern const weir_actor_class weir_manager_class;

typedef struct weir_manager_config {
    const weir_config *config; /* borrowed for the actor's life */
    const char *dispatcher;    /* endpoint */
    const char *endpoint;      /* own door, told to agents and runners */
    const char *host;
    uint32_t pid;
    const char *log_path; /* own log; "" when there is none */
} weir_manager_config;

int weir_manager_new(const weir_manager_config *config, void **ret,
                     weir_error *err) WEIR_MUST_CHECK;

#endif
