/* The JobManager and the JobMasters that it starts, with a dispatcher, agents and task runners that
 * say anything.
 *
 *   see fuzz_world.c */
#include "fuzz_world.h"

#include "base/memory.h"
#include "jobmanager/manager.h"

#define BODY(name) WEIR__PROTO__ENVELOPE__BODY_##name

static const char *const actors[] = {"jobmanager", "job-" FUZZ_JOB_A, "job-" FUZZ_JOB_B, NULL};
static const char *const incoming[] = {"taskmanager", "runner", NULL};
static const int bodies[] = {BODY(START_JOB),
                             BODY(OFFER_SLOTS),
                             BODY(RUNNER_READY),
                             BODY(RUNNER_EXITED),
                             BODY(TASK_REPORT),
                             BODY(PROGRESS),
                             BODY(REQUEST_SPLIT),
                             BODY(PRINT_ROWS),
                             BODY(FETCH_ROWS),
                             BODY(CANCEL_JOB),
                             BODY(FETCH_LOG),
                             BODY(SHUTDOWN),
                             0};

static weir_config *configuration(void)
{
    static weir_config *config;
    if (config == NULL) {
        config = weir_config_new();
        FUZZ_CHECK(config != NULL);
        FUZZ_OK(weir_config_set(config, "print.buffer-size", "64kb", "test", NULL));
    }
    return config;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const fuzz_role role = {.role = "jobmanager",
                                   .actors = actors,
                                   .incoming = incoming,
                                   .bodies = bodies,
                                   .epoch = 1,
                                   .answers_all = true};
    fuzz_input input = {data, size};
    fuzz_world world;
    weir_manager_config config = {.config = configuration(),
                                  .dispatcher = "sim://dispatcher",
                                  .endpoint = "sim://jobmanager",
                                  .host = "host",
                                  .pid = 1,
                                  .log_path = "/proc/self/comm"};
    void *manager = NULL;

    FUZZ_OK(weir_manager_new(&config, &manager, NULL));
    fuzz_world_init(&world, &role);
    fuzz_world_spawn(&world, WEIR_MANAGER_ACTOR, &weir_manager_class, manager);
    fuzz_world_run(&world, &input);
    return 0;
}
