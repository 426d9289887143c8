#include "taskmanager/slot_config.h"

weir_slot_config weir_slot_config_of(const weir_deployment *deployment, uint32_t slot,
                                     weir_slot_host *host)
{
    const weir_config *config = deployment->config;
    bool timed = weir_config_bool(config, "execution.buffer-timeout.enabled");

    return (weir_slot_config){
        .graph = deployment->graph,
        .plan = deployment->plan,
        .environment = deployment->environment,
        .api = &deployment->api,
        .catalog = deployment->catalog,
        .slot = slot,
        .job_id = deployment->job,
        .attempt = 1,
        .epoch = deployment->epoch,
        .window = weir_deployment_window(deployment),
        .batch_rows = (uint32_t)weir_config_int(config, "execution.batch.max-rows"),
        .batch_bytes = weir_deployment_batch_bytes(deployment),
        .combine_memory = weir_config_size(config, "execution.combine.memory"),
        .overdraft_max = weir_config_size(config, "taskmanager.memory.network.size"),
        .buffer_timeout_ms =
            timed ? weir_config_duration_ms(config, "execution.buffer-timeout.interval") : -1,
        .host = host,
    };
}
