/* The dispatcher, with clients, JobManagers and TaskManagers that say anything, and a disk in
 * memory that fails now and then.
 *
 *   see fuzz_world.c; its own step: u8 which failure, u8 when */
#include "fuzz_world.h"

#include "base/memory.h"
#include "dispatcher/artifact_memory.h"
#include "dispatcher/dispatcher.h"
#include "store/memory_records.h"

#define BODY(name) WEIR__PROTO__ENVELOPE__BODY_##name

static const char *const actors[] = {"dispatcher", NULL};
static const char *const incoming[] = {"client", "jobmanager", "taskmanager", NULL};
static const int bodies[] = {
    BODY(SUBMIT_JOB),     BODY(UPLOAD_CHUNK), BODY(LIST_JOBS),   BODY(DESCRIBE_JOB),
    BODY(CANCEL_JOB),     BODY(REGISTER),     BODY(JOB_REPORT),  BODY(REQUEST_SLOTS),
    BODY(FREE_SLOTS),     BODY(FETCH_ROWS),   BODY(FETCH_LOG),   BODY(FETCH_ARTIFACT),
    BODY(CLUSTER_STATUS), BODY(STOP_CLUSTER), BODY(OFFER_SLOTS), 0};

static void fail_disk(fuzz_world *world, fuzz_input *input)
{
    static const int codes[] = {WEIR_ENO_SPACE, WEIR_ENO_MEMORY, WEIR_EIO};
    weir_records *records = world->data;
    uint8_t how = fuzz_u8(input);
    weir_memory_records_fail_at(records, 1u + fuzz_u8(input) % 6,
                                how % 5 == 4 ? WEIR_RECORDS_FAIL_LATE : WEIR_RECORDS_FAIL,
                                codes[how % WEIR_COUNT(codes)]);
}

/* The next incarnation reads what this one has written. */
static void check_restart(weir_records *records, weir_artifact_store *artifacts,
                          const weir_dispatcher_config *config)
{
    void *dispatcher = NULL;
    weir_error err = WEIR_ERROR_INIT;

    weir_memory_records_crash(records);
    weir_artifact_memory_crash(artifacts);
    int rc = weir_dispatcher_new(config, records, artifacts, &dispatcher, &err);
    if (rc != 0)
        fuzz_fail(__FILE__, __LINE__, "it cannot be started again: %s", err.text);
    weir_dispatcher_class.destroy(dispatcher);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const fuzz_role role = {.role = "dispatcher",
                                   .actors = actors,
                                   .incoming = incoming,
                                   .bodies = bodies,
                                   .epoch = 1,
                                   .act = fail_disk,
                                   .answers_all = true};
    fuzz_input input = {data, size};
    fuzz_world world;
    weir_records *records = NULL;
    weir_artifact_store *artifacts = NULL;
    weir_dispatcher_config config;
    weir_error failure = WEIR_ERROR_INIT;
    void *dispatcher = NULL;

    FUZZ_OK(weir_memory_records_new(&records));
    FUZZ_OK(weir_artifact_memory_new(1u << 20, &artifacts));
    weir_dispatcher_config_init(&config);
    config.cluster = "c1";
    config.version = "0.1.0";
    config.host = "host";
    config.endpoint = "sim://dispatcher";
    config.jobs_max = 6;
    config.waiters_max = 4;
    config.history_max = 3;
    config.history_ms = 100000;
    config.heartbeat_timeout_ms = 60000;
    config.failure = &failure;
    FUZZ_OK(weir_dispatcher_new(&config, records, artifacts, &dispatcher, NULL));
    fuzz_world_init(&world, &role);
    world.data = records;
    fuzz_world_spawn(&world, "dispatcher", &weir_dispatcher_class, dispatcher);
    fuzz_world_run(&world, &input);
    if (failure.code != 0)
        fuzz_check_failure(failure.code, &failure);
    check_restart(records, artifacts, &config);
    weir_records_close(&records);
    weir_artifact_store_close(&artifacts);
    return 0;
}
