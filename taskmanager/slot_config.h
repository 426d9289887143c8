/* taskmanager/slot_config.h -- a slot's configuration as a deployment and the job's configuration
 * give it; the same for the thread and for the simulator. */
#ifndef TASKMANAGER_SLOT_CONFIG_H
#define TASKMANAGER_SLOT_CONFIG_H

#include "taskmanager/deployment.h"
#include "taskmanager/slot.h"

weir_slot_config weir_slot_config_of(const weir_deployment *deployment, uint32_t slot,
                                     weir_slot_host *host);

#endif
