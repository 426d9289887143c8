/* tests/fuzz/seeds_worlds.c -- seeds of the targets with actors: conversations as they should be.
 * Bodies are named by their place in the target's list. */
#include "fuzz_world.h"
#include "seeds.h"

#define TEXT(text) ((char *)(uintptr_t)(text))

/* ---- parts that several have ---- */

static Weir__Proto__Register registration(const char *process, const char *role)
{
    Weir__Proto__Register body = WEIR__PROTO__REGISTER__INIT;
    body.process = TEXT(process);
    body.role = TEXT(role);
    body.host = TEXT("host");
    body.pid = 7;
    body.endpoint = TEXT("sim://a");
    return body;
}

static void put_register_reply(weir_buffer *out)
{
    Weir__Proto__RegisterReply body = WEIR__PROTO__REGISTER_REPLY__INIT;
    body.cluster = TEXT("c1");
    body.epoch = 1;
    fuzz_put_answer(out, 0, &body.base);
}

static void put_ack(weir_buffer *out, uint8_t asked)
{
    Weir__Proto__Ack body = WEIR__PROTO__ACK__INIT;
    fuzz_put_answer(out, asked, &body.base);
}

/* ---- the dispatcher ---- */

static void put_submission(weir_buffer *out)
{
    Weir__Proto__UploadChunk chunk = WEIR__PROTO__UPLOAD_CHUNK__INIT;
    Weir__Proto__SubmitJob submit = WEIR__PROTO__SUBMIT_JOB__INIT;
    Weir__Proto__KeyValue pair = WEIR__PROTO__KEY_VALUE__INIT, *pairs[] = {&pair};
    const weir_buffer *content = fuzz_world_pool()->bytes[0];

    chunk.artifact = submit.artifact = TEXT(fuzz_world_artifact());
    chunk.total = content->size;
    chunk.content = (ProtobufCBinaryData){content->size, content->data};
    fuzz_put_send(out, 0, 0, 1, &chunk.base);
    submit.job = TEXT(FUZZ_JOB_A);
    submit.name = TEXT("words");
    submit.graph = (ProtobufCBinaryData){fuzz_world_graph()->size, fuzz_world_graph()->data};
    pair.key = TEXT("parallelism.default");
    pair.value = TEXT("1");
    submit.configuration = pairs;
    submit.n_configuration = 1;
    submit.attached = true;
    fuzz_put_send(out, 0, 0, 0, &submit.base);
}

static void put_members(weir_buffer *out)
{
    Weir__Proto__Register jobmanager = registration("p1", "jobmanager");
    Weir__Proto__Register taskmanager = registration("p2", "taskmanager");
    taskmanager.slots = 4;
    fuzz_put_come(out, 1, 1);
    fuzz_put_send(out, 1, 0, 5, &jobmanager.base);
    fuzz_put_come(out, 2, 2);
    fuzz_put_send(out, 2, 0, 5, &taskmanager.base);
}

static void put_report(weir_buffer *out, const char *state, const char *error)
{
    Weir__Proto__JobReport body = WEIR__PROTO__JOB_REPORT__INIT;
    Weir__Proto__JobDetail detail = WEIR__PROTO__JOB_DETAIL__INIT;
    Weir__Proto__JobSummary summary = WEIR__PROTO__JOB_SUMMARY__INIT;
    summary.job = TEXT(FUZZ_JOB_A);
    summary.name = TEXT("words");
    summary.state = TEXT(state);
    summary.error = TEXT(error);
    summary.version = 3;
    detail.summary = &summary;
    body.detail = &detail;
    fuzz_put_send(out, 1, 0, 6, &body.base);
}

static void put_slots(weir_buffer *out)
{
    Weir__Proto__RequestSlots request = WEIR__PROTO__REQUEST_SLOTS__INIT;
    Weir__Proto__FetchArtifact fetch = WEIR__PROTO__FETCH_ARTIFACT__INIT;
    Weir__Proto__FreeSlots release = WEIR__PROTO__FREE_SLOTS__INIT;
    request.job = release.job = TEXT(FUZZ_JOB_A);
    request.count = 2;
    fuzz_put_send(out, 1, 0, 7, &request.base);
    put_ack(out, 0);
    fetch.artifact = TEXT(fuzz_world_artifact());
    fetch.max_bytes = 20;
    fuzz_put_send(out, 2, 0, 11, &fetch.base);
    fuzz_put_send(out, 1, 0, 8, &release.base);
}

static void put_questions(weir_buffer *out)
{
    Weir__Proto__ListJobs jobs = WEIR__PROTO__LIST_JOBS__INIT;
    Weir__Proto__DescribeJob describe = WEIR__PROTO__DESCRIBE_JOB__INIT;
    Weir__Proto__FetchRows rows = WEIR__PROTO__FETCH_ROWS__INIT;
    Weir__Proto__FetchLog log = WEIR__PROTO__FETCH_LOG__INIT;
    Weir__Proto__ClusterStatus status = WEIR__PROTO__CLUSTER_STATUS__INIT;
    jobs.ended = true;
    describe.job = rows.job = log.what = TEXT(FUZZ_JOB_A);
    describe.wait_ms = rows.wait_ms = 50;
    log.max_bytes = 60;
    fuzz_put_send(out, 0, 0, 2, &jobs.base);
    fuzz_put_send(out, 0, 0, 3, &describe.base);
    fuzz_put_send(out, 0, 0, 9, &rows.base);
    fuzz_put_send(out, 0, 0, 10, &log.base);
    log.what = TEXT("taskmanager-1");
    fuzz_put_send(out, 0, 0, 10, &log.base);
    fuzz_put_send(out, 0, 0, 12, &status.base);
}

static void seed_dispatcher(void)
{
    weir_buffer out = WEIR_BUFFER_INIT;
    Weir__Proto__CancelJob cancel = WEIR__PROTO__CANCEL_JOB__INIT;
    Weir__Proto__StopCluster stop = WEIR__PROTO__STOP_CLUSTER__INIT;

    cancel.job = TEXT(FUZZ_JOB_A);
    fuzz_put_come(&out, 0, 0);
    put_submission(&out);
    put_members(&out);
    put_ack(&out, 0); /* StartJob */
    put_slots(&out);
    put_report(&out, "RUNNING", "");
    put_questions(&out);
    put_report(&out, "FINISHED", "");
    put_questions(&out);
    fuzz_put_time(&out, 5);
    fuzz_seed("dispatcher", "a-job", &out);

    fuzz_put_come(&out, 0, 0);
    put_submission(&out);
    put_questions(&out);
    put_members(&out);
    fuzz_put_send(&out, 0, 0, 4, &cancel.base);
    put_ack(&out, 0);
    fuzz_put_come(&out, 1, 0x80); /* the JobManager leaves */
    fuzz_put_time(&out, 3);
    put_questions(&out);
    fuzz_put_send(&out, 0, 0, 13, &stop.base);
    fuzz_put_time(&out, 4);
    fuzz_seed("dispatcher", "cancel-and-stop", &out);

    put_members(&out);
    fuzz_put_come(&out, 0, 0);
    FUZZ_PUT(&out, "\11\0\2"); /* the disk is full */
    put_submission(&out);
    put_submission(&out);
    fuzz_put_time(&out, 3);
    put_report(&out, "FAILED", "killed by SIGSEGV");
    fuzz_seed("dispatcher", "disk-full", &out);
    weir_buffer_deinit(&out);
}

/* ---- the JobManager ---- */

static void put_start_job(weir_buffer *out)
{
    Weir__Proto__StartJob body = WEIR__PROTO__START_JOB__INIT;
    body.job = TEXT(FUZZ_JOB_A);
    body.name = TEXT("words");
    body.graph = (ProtobufCBinaryData){fuzz_world_graph()->size, fuzz_world_graph()->data};
    body.artifact = TEXT(fuzz_world_artifact());
    body.attached = true;
    fuzz_put_send(out, 7, 0, 0, &body.base);
}

static void put_grant(weir_buffer *out)
{
    Weir__Proto__SlotsReply body = WEIR__PROTO__SLOTS_REPLY__INIT;
    Weir__Proto__SlotGrant grant = WEIR__PROTO__SLOT_GRANT__INIT, *grants[] = {&grant};
    grant.taskmanager = TEXT("p0");
    grant.host = TEXT("host");
    grant.count = 2;
    body.grants = grants;
    body.n_grants = 1;
    fuzz_put_answer(out, 0, &body.base);
}

static void put_runner(weir_buffer *out)
{
    Weir__Proto__OfferSlots offer = WEIR__PROTO__OFFER_SLOTS__INIT;
    Weir__Proto__RunnerReady ready = WEIR__PROTO__RUNNER_READY__INIT;
    offer.job = ready.job = TEXT(FUZZ_JOB_A);
    offer.count = 2;
    offer.taskmanager = ready.taskmanager = TEXT("p0");
    ready.data_endpoint = TEXT("inproc://data");
    fuzz_put_come(out, 0, 0);
    fuzz_put_send(out, 0, 1, 1, &offer.base);
    fuzz_put_come(out, 1, 1);
    fuzz_put_send(out, 1, 1, 2, &ready.base);
}

static void put_states(weir_buffer *out, const char *state)
{
    for (uint32_t i = 0; i < 4; i++) {
        Weir__Proto__TaskReport body = WEIR__PROTO__TASK_REPORT__INIT;
        body.job = TEXT(FUZZ_JOB_A);
        body.task = i / 2;
        body.subtask = i % 2;
        body.state = TEXT(state);
        body.records_in = 5;
        fuzz_put_send(out, 1, 1, 4, &body.base);
    }
}

static void put_work(weir_buffer *out)
{
    Weir__Proto__Progress progress = WEIR__PROTO__PROGRESS__INIT;
    Weir__Proto__SlotProgress slot = WEIR__PROTO__SLOT_PROGRESS__INIT, *slots[] = {&slot};
    Weir__Proto__TaskProgress task = WEIR__PROTO__TASK_PROGRESS__INIT, *tasks[] = {&task};
    Weir__Proto__RequestSplit split = WEIR__PROTO__REQUEST_SPLIT__INIT;
    Weir__Proto__PrintRows print = WEIR__PROTO__PRINT_ROWS__INIT;
    Weir__Proto__FetchRows fetch = WEIR__PROTO__FETCH_ROWS__INIT;

    progress.job = split.job = print.job = fetch.job = TEXT(FUZZ_JOB_A);
    slot.counter = 3;
    task.records_in = 7;
    progress.slots = slots;
    progress.tasks = tasks;
    progress.n_slots = progress.n_tasks = 1;
    fuzz_put_send(out, 1, 1, 5, &progress.base);
    split.number = 1;
    fuzz_put_send(out, 1, 1, 6, &split.base);
    print.number = 1;
    print.text = (ProtobufCBinaryData){5, (uint8_t *)TEXT("a row")};
    fuzz_put_send(out, 1, 1, 7, &print.base);
    fetch.wait_ms = 50;
    fuzz_put_send(out, 7, 1, 8, &fetch.base);
    fetch.position = 5;
    fuzz_put_send(out, 7, 1, 8, &fetch.base);
}

static void seed_manager(void)
{
    weir_buffer out = WEIR_BUFFER_INIT;
    Weir__Proto__RunnerExited exited = WEIR__PROTO__RUNNER_EXITED__INIT;
    Weir__Proto__CancelJob cancel = WEIR__PROTO__CANCEL_JOB__INIT;

    exited.job = cancel.job = TEXT(FUZZ_JOB_A);
    exited.reason = TEXT("killed by SIGSEGV");
    exited.log = TEXT("a text\nof two lines");
    for (int end = 0; end < 3; end++) {
        static const char *const names[] = {"finished", "crashed", "cancelled"};
        put_register_reply(&out);
        put_start_job(&out);
        put_grant(&out);
        put_ack(&out, 0); /* the report */
        put_runner(&out);
        put_ack(&out, 0); /* Deploy */
        put_ack(&out, 0);
        put_states(&out, "RUNNING");
        put_work(&out);
        if (end == 1)
            fuzz_put_send(&out, 0, 1, 3, &exited.base);
        if (end == 2)
            fuzz_put_send(&out, 7, 1, 9, &cancel.base);
        put_states(&out, end == 0 ? "FINISHED" : "CANCELED");
        for (uint8_t i = 0; i < 6; i++)
            put_ack(&out, 0);
        fuzz_put_time(&out, 4);
        fuzz_seed("manager", names[end], &out);
    }
    weir_buffer_deinit(&out);
}

/* ---- the agent ---- */

static void put_allocation(weir_buffer *out, const char *job)
{
    Weir__Proto__AllocateSlots body = WEIR__PROTO__ALLOCATE_SLOTS__INIT;
    body.job = TEXT(job);
    body.count = 2;
    body.jobmanager = TEXT("sim://a");
    body.master = TEXT("job-" FUZZ_JOB_A);
    fuzz_put_send(out, 7, 0, 0, &body.base);
}

static void put_acceptance(weir_buffer *out)
{
    Weir__Proto__OfferReply offer = WEIR__PROTO__OFFER_REPLY__INIT;
    Weir__Proto__KeyValue pair = WEIR__PROTO__KEY_VALUE__INIT, *pairs[] = {&pair};
    Weir__Proto__ArtifactChunk chunk = WEIR__PROTO__ARTIFACT_CHUNK__INIT;
    const weir_buffer *content = fuzz_world_pool()->bytes[0];

    offer.accepted = true;
    offer.artifact = TEXT(fuzz_world_artifact());
    offer.count = 2;
    offer.epoch = 1;
    pair.key = TEXT("parallelism.default");
    pair.value = TEXT("1");
    offer.configuration = pairs;
    offer.n_configuration = 1;
    fuzz_put_answer(out, 0, &offer.base);
    chunk.total = content->size;
    chunk.content = (ProtobufCBinaryData){content->size, content->data};
    fuzz_put_answer(out, 0, &chunk.base);
}

static void seed_agent(void)
{
    weir_buffer out = WEIR_BUFFER_INIT;
    Weir__Proto__FreeSlots release = WEIR__PROTO__FREE_SLOTS__INIT;
    Weir__Proto__FetchLog log = WEIR__PROTO__FETCH_LOG__INIT;
    Weir__Proto__Shutdown shutdown = WEIR__PROTO__SHUTDOWN__INIT;

    release.job = log.what = TEXT(FUZZ_JOB_A);
    log.max_bytes = 20;
    put_register_reply(&out);
    put_allocation(&out, FUZZ_JOB_A);
    put_acceptance(&out);
    fuzz_put_send(&out, 7, 0, 2, &log.base);
    put_allocation(&out, FUZZ_JOB_B);
    put_acceptance(&out);
    FUZZ_PUT(&out, "\11\0\264\3log"); /* a runner ends */
    put_ack(&out, 0);
    fuzz_put_send(&out, 7, 0, 1, &release.base);
    release.job = TEXT(FUZZ_JOB_B);
    fuzz_put_send(&out, 7, 0, 1, &release.base);
    fuzz_put_time(&out, 4);
    fuzz_seed("agent", "two-jobs", &out);
    put_register_reply(&out);
    put_allocation(&out, FUZZ_JOB_A);
    fuzz_put_send(&out, 7, 0, 3, &shutdown.base);
    fuzz_seed("agent", "shutdown", &out);
    weir_buffer_deinit(&out);
}

/* ---- the task runner ---- */

static void seed_runner(void)
{
    weir_buffer out = WEIR_BUFFER_INIT;
    Weir__Proto__StartTasks start = WEIR__PROTO__START_TASKS__INIT;
    Weir__Proto__RequestSplit split = WEIR__PROTO__REQUEST_SPLIT__INIT;
    Weir__Proto__PrintReply printed = WEIR__PROTO__PRINT_REPLY__INIT;
    Weir__Proto__CancelTasks cancel = WEIR__PROTO__CANCEL_TASKS__INIT;
    Weir__Proto__EndRunner end = WEIR__PROTO__END_RUNNER__INIT;

    start.job = split.job = cancel.job = end.job = TEXT(FUZZ_JOB_A);
    for (int how = 0; how < 2; how++) {
        weir_buffer_putc(&out, 0);
        put_ack(&out, 0); /* ready */
        fuzz_put_send(&out, 7, 0, 0, &start.base);
        FUZZ_PUT(&out, "\11\2\1\1\377\377"); /* the other one's credit */
        FUZZ_PUT(&out, "\11\2\2\0");         /* its rows */
        fuzz_put_send(&out, 7, 0, 3, &split.base);
        FUZZ_PUT(&out, "\11\2\2\4\7"
                       "\11\2\2\6\1");
        fuzz_put_answer(&out, 0, &printed.base);
        fuzz_put_time(&out, 3);
        if (how == 0)
            FUZZ_PUT(&out, "\11\2\2\2\0"); /* its end */
        else
            fuzz_put_send(&out, 7, 0, 1, &cancel.base);
        for (uint8_t i = 0; i < 6; i++)
            put_ack(&out, 0);
        fuzz_put_time(&out, 3);
        fuzz_put_send(&out, 7, 0, 4, &end.base);
        fuzz_seed("runner", how == 0 ? "finished" : "cancelled", &out);
    }
    weir_buffer_deinit(&out);
}

static void seed_node(void)
{
    weir_buffer out = WEIR_BUFFER_INIT;
    Weir__Proto__SubmitJob submit = WEIR__PROTO__SUBMIT_JOB__INIT;
    Weir__Proto__ListJobs list = WEIR__PROTO__LIST_JOBS__INIT;

    fuzz_put_come(&out, 0, 0);
    fuzz_put_send(&out, 0, 0, 0, &submit.base);
    fuzz_put_send(&out, 0, 1, 8, &list.base);
    put_ack(&out, 0);
    FUZZ_PUT(&out, "\11\3\2\11\6\0"); /* its actor asks and connects */
    fuzz_put_time(&out, 3);
    fuzz_put_come(&out, 0, 0x80);
    fuzz_put_come(&out, 1, 0x41);
    FUZZ_PUT(&out, "\10\3\3\12\1\2"); /* bytes of a stranger */
    fuzz_put_time(&out, 5);
    fuzz_seed("node", "all-kinds", &out);
    weir_buffer_deinit(&out);
}

void fuzz_seed_worlds(void)
{
    seed_node();
    seed_dispatcher();
    seed_manager();
    seed_agent();
    seed_runner();
}
