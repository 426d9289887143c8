#include "taskmanager/runner.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/units.h"
#include "taskmanager/pulse.h"

#include <stdio.h>
#include <string.h>

#define MASTER         "jobmanager" /* alias of the JobMaster's process */
#define SPLIT_AGAIN_MS 200
#define SUBTASKS_MAX   256 /* of one slot, in a progress report */

/* Rows on their way to the JobMaster. */
typedef struct printed {
    struct printed *next;
    uint32_t slot;
    size_t size;
    uint8_t bytes[];
} printed;

/* A change of a subtask's status, until the JobMaster has heard it. The end of a subtask is held
 * back until its rows were taken. */
typedef struct told {
    struct told *next;
    bool held;
    uint32_t slot, task;
    enum weir_task_status status;
    uint64_t records_in, records_out;
    int code;
    char error[]; /* "": none */
} told;

/* A source that waits to ask for a split again. */
typedef struct split_retry {
    struct split_retry *next;
    uint64_t timer;
    void *request;
} split_retry;

typedef struct runner {
    const Weir__Proto__RunnerSpec *spec;
    const weir_config *config;
    char *data_endpoint;
    uint32_t pid;
    weir_runner_host *host;
    weir_deployment *deployment; /* owned by the host once deployed */
    weir_reply_to deploy_reply;  /* correlation 0: not deploying */
    uint32_t slots_opened, slots_here;
    bool open_failed;
    weir_error open_error;
    uint32_t *printing;      /* by slot: PrintRows under way */
    uint64_t *print_numbers; /* by slot */
    told *told;
    split_retry *retries;
    struct printed *prints;  /* under way */
    uint64_t progress_timer; /* 0: no slot has moved since the last report */
    uint64_t reported;       /* digest of that report */
    uint64_t beat_timer;
    int64_t beat_ms;
    bool ready_heard;
    bool cancelled; /* perhaps before the deployment came */
    uint32_t subtasks_here, subtasks_ended;
    bool is_fenced; /* the job may be run by others: nothing is told or done any more */
    uint64_t meet_timer, fence_timer;
    char fence_reason[600];
} runner;

static weir_address master_of(const runner *self)
{
    return (weir_address){MASTER, self->spec->master};
}

int weir_runner_new(const weir_runner_config *config, void **ret, weir_error *err)
{
    runner *self = weir_calloc(1, sizeof *self);

    if (!self)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the task runner");
    self->spec = config->spec;
    self->config = config->config;
    self->data_endpoint = weir_strdup(config->data_endpoint);
    self->pid = config->pid;
    self->beat_ms = config->beat_ms;
    self->host = config->host;
    if (!self->data_endpoint) {
        weir_free(self);
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the task runner");
    }
    *ret = self;
    return 0;
}

static void forget_print(runner *self, printed *rows)
{
    printed **at = &self->prints;

    while (*at != rows)
        at = &(*at)->next;
    *at = rows->next;
    weir_free(rows);
}

static void destroy(void *actor)
{
    runner *self = actor;

    while (self->told) {
        told *next = self->told->next;
        weir_free(self->told);
        self->told = next;
    }
    while (self->retries) {
        split_retry *next = self->retries->next;
        weir_free(self->retries);
        self->retries = next;
    }
    while (self->prints)
        forget_print(self, self->prints);
    weir_free(self->printing);
    weir_free(self->print_numbers);
    weir_free(self->data_endpoint);
    weir_free(self);
}

/* ---- the fence ---- */

static bool may_pass(const weir_error *error)
{
    return error->code == WEIR_ETIMEOUT || error->code == WEIR_EUNAVAILABLE ||
           error->code == WEIR_ERESOURCES;
}

/* By the timer, not at once: a slot may be in the middle of telling its end. */
static void end_when_stopped(runner *self, weir_context *context)
{
    if (!self->is_fenced || self->subtasks_ended < self->subtasks_here)
        return;
    weir_context_cancel_timer(context, self->fence_timer);
    self->fence_timer = weir_context_set_timer(context, 0);
}

/* The JobMaster gives up a task runner that it does not hear, and what it gave up must not go on:
 * it may run elsewhere. So tasks whose JobMaster is not heard, or does not want them, are stopped;
 * what the agent tells of this end reaches a JobMaster that was itself away. */
static void fence(runner *self, weir_context *context, const char *why)
{
    int64_t limit = weir_config_duration_ms(self->config, "task.cancellation.timeout");

    if (self->is_fenced)
        return;
    self->is_fenced = self->cancelled = true;
    snprintf(self->fence_reason, sizeof self->fence_reason, "stopped its tasks: %s", why);
    weir_context_log(context, WEIR_LOG_ERROR, "%s; its tasks are stopped", why);
    if (!self->deployment || self->open_failed)
        self->subtasks_here = 0;
    else
        self->host->cancel(self->host);
    if (limit > 0)
        self->fence_timer = weir_context_set_timer(context, limit);
    end_when_stopped(self, context);
}

static void on_meet_timeout(runner *self, weir_context *context)
{
    const char *address = self->spec->jobmanager;
    char why[512], shown[48];

    if (self->ready_heard)
        return;
    weir_format_duration(weir_config_duration_ms(self->config, "slot.request.timeout"), shown,
                         sizeof shown);
    snprintf(why, sizeof why,
             "no answer from the JobManager at %.*s within %s; see jobmanager.rpc.address, and "
             "whether its port is open",
             (int)strcspn(address, "#"), address, shown);
    fence(self, context, why);
}

/* ---- start ---- */

/* Slowly while nothing moves: with many jobs at rest their wakeups would add up. */
static void beat(runner *self, weir_context *context)
{
    bool rests = self->deployment && self->progress_timer == 0;
    uint32_t pace = rests ? WEIR_PULSE_PACE_MAX : 1;

    self->host->beat(self->host, pace);
    self->beat_timer = weir_context_set_timer(context, self->beat_ms * pace);
}

static void start(void *actor, weir_context *context)
{
    runner *self = actor;
    weir_error error = WEIR_ERROR_INIT;

    if (self->beat_ms > 0)
        beat(self, context);
    if (weir_context_connect(context, MASTER, self->spec->jobmanager, WEIR_ROLE_JOBMANAGER,
                             &error) < 0) {
        weir_context_fail_node(context, error.code, "cannot connect to the JobManager: %s",
                               error.text);
    }
    self->meet_timer = weir_context_set_timer(
        context, weir_config_duration_ms(self->config, "slot.request.timeout"));
}

/* ---- ready ---- */

/* Told again after every reconnection: it may have been given up meanwhile. */
static void on_ready_heard(void *actor, weir_context *context, void *data,
                           const weir_envelope *reply, const weir_error *error)
{
    runner *self = actor;
    (void)data;
    (void)reply;
    if (!error)
        self->ready_heard = true;
    if (!error || (self->ready_heard && may_pass(error)))
        return;
    if (self->ready_heard) {
        char why[WEIR_ERROR_TEXT_MAX + 64];
        snprintf(why, sizeof why, "the JobMaster has given this task runner up: %s",
                 error->code == WEIR_ENOT_FOUND ? "its job has ended" : error->text);
        fence(self, context, why);
        return;
    }
    weir_context_log(context, WEIR_LOG_ERROR, "the JobMaster does not want this task runner: %s",
                     error->text);
    weir_context_stop_node(context);
}

static void say_ready(runner *self, weir_context *context)
{
    Weir__Proto__RunnerReady body = WEIR__PROTO__RUNNER_READY__INIT;
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;

    body.job = self->spec->job;
    body.runner = self->spec->runner;
    body.pid = self->pid;
    body.data_endpoint = self->data_endpoint;
    body.taskmanager = self->spec->taskmanager;
    ask.epoch = self->spec->epoch;
    ask.body_case = WEIR__PROTO__ENVELOPE__BODY_RUNNER_READY;
    ask.runner_ready = &body;
    weir_context_request(context, master_of(self), &ask,
                         weir_config_duration_ms(self->config, "slot.request.timeout"),
                         on_ready_heard, NULL);
}

/* Then the JobManager ends when the process does. */
static bool is_in_one_process(const runner *self)
{
    return strncmp(self->spec->jobmanager, "inproc://", strlen("inproc://")) == 0;
}

static void on_peer(void *actor, weir_context *context, enum weir_peer_event event,
                    const weir_peer_info *peer)
{
    runner *self = actor;

    if (event == WEIR_PEER_UP) {
        say_ready(self, context);
    } else if (event == WEIR_PEER_REFUSED) {
        weir_context_fail_node(context, WEIR_EREFUSED,
                               "the JobManager refused this task runner: %s", peer->text);
    } else if (!is_in_one_process(self)) {
        const char *address = self->spec->jobmanager;
        char why[512];
        snprintf(why, sizeof why, "lost the JobManager at %.*s: %s", (int)strcspn(address, "#"),
                 address, peer->text ? peer->text : "no answer");
        fence(self, context, why);
    }
}

/* ---- deployment ---- */

static void start_progress_timer(runner *self, weir_context *context)
{
    self->progress_timer = weir_context_set_timer(
        context, weir_config_duration_ms(self->config, "heartbeat.interval"));
}

static void end_deploy(runner *self, weir_context *context)
{
    if (self->deploy_reply.correlation == 0)
        return;
    if (self->open_failed)
        weir_context_reply_error(context, &self->deploy_reply, self->open_error.code, "%s",
                                 self->open_error.text);
    else
        weir_context_reply_ack(context, &self->deploy_reply);
    self->deploy_reply.correlation = 0;
}

static int allocate_slots(runner *self, uint32_t nslots)
{
    self->printing = weir_calloc(nslots, sizeof *self->printing);
    self->print_numbers = weir_calloc(nslots, sizeof *self->print_numbers);
    return self->printing && self->print_numbers ? 0 : WEIR_ENO_MEMORY;
}

static uint32_t count_subtasks(const runner *self)
{
    const weir_deployment *deployment = self->deployment;
    uint32_t count = 0;

    for (uint32_t t = 0; t < deployment->plan->ntasks; t++) {
        for (uint32_t s = 0; s < deployment->plan->tasks[t].parallelism; s++)
            count += deployment->slot_runner[s] == self->spec->runner;
    }
    return count;
}

static void on_deploy(runner *self, weir_context *context, const weir_envelope *message)
{
    weir_reply_to reply_to = weir_reply_to_of(message);
    weir_deployment *deployment = NULL;
    weir_error error = WEIR_ERROR_INIT;

    if (self->deployment || self->cancelled) {
        weir_context_reply_error(context, &reply_to,
                                 self->cancelled ? WEIR_ECANCELLED : WEIR_ESTATE,
                                 self->cancelled ? "the job was cancelled before its tasks came"
                                                 : "tasks are deployed already");
        return;
    }
    int rc = weir_deployment_new(message->deploy, self->spec->epoch, self->spec->runner,
                                 self->spec->artifact, self->config, &deployment, &error);
    if (rc == 0)
        rc = allocate_slots(self, deployment->nslots);
    if (rc < 0) {
        weir_deployment_destroy(&deployment);
        weir_context_reply_error(context, &reply_to, rc, "%s", error.text);
        return;
    }
    self->deployment = deployment;
    self->deploy_reply = reply_to;
    for (uint32_t s = 0; s < deployment->nslots; s++)
        self->slots_here += deployment->slot_runner[s] == self->spec->runner;
    self->subtasks_here = count_subtasks(self);
    rc = self->host->deploy(self->host, deployment, &error);
    if (rc < 0) {
        self->open_failed = true;
        self->open_error = error;
        end_deploy(self, context);
        return;
    }
    start_progress_timer(self, context);
}

void weir_runner_on_opened(void *actor, weir_context *context, uint32_t slot,
                           const weir_error *error)
{
    runner *self = actor;
    (void)slot;

    self->slots_opened++;
    if (error && !self->open_failed) {
        self->open_failed = true;
        self->open_error = *error;
    }
    if (self->slots_opened == self->slots_here)
        end_deploy(self, context);
}

/* ---- status ---- */

static void send_report(runner *self, weir_context *context, told *what);

static void forget_report(runner *self, told *what)
{
    told **at = &self->told;

    while (*at != what)
        at = &(*at)->next;
    *at = what->next;
    weir_free(what);
}

static void on_report_heard(void *actor, weir_context *context, void *data,
                            const weir_envelope *reply, const weir_error *error)
{
    runner *self = actor;
    told *what = data;
    (void)reply;

    if (error && may_pass(error)) {
        send_report(self, context, what);
        return;
    }
    if (error && error->code != WEIR_ENOT_FOUND && error->code != WEIR_ESTATE) {
        weir_context_log(context, WEIR_LOG_ERROR, "a report was refused by the JobMaster: %s",
                         error->text);
        self->host->die(self->host, "could not tell the end of a subtask");
    }
    forget_report(self, what); /* heard, or the job is over */
}

static void send_report(runner *self, weir_context *context, told *what)
{
    Weir__Proto__TaskReport body = WEIR__PROTO__TASK_REPORT__INIT;
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;

    body.job = self->spec->job;
    body.task = what->task;
    body.subtask = what->slot;
    body.state = (char *)weir_state_name(&weir_task_status_table, (uint32_t)what->status);
    body.records_in = what->records_in;
    body.records_out = what->records_out;
    body.error = what->error;
    body.code = what->code;
    ask.epoch = self->spec->epoch;
    ask.body_case = WEIR__PROTO__ENVELOPE__BODY_TASK_REPORT;
    ask.task_report = &body;
    weir_context_request(context, master_of(self), &ask,
                         6 * weir_config_duration_ms(self->config, "rpc.ask.timeout"),
                         on_report_heard, what);
}

/* Another subtask's report says the same and is still under way. */
static bool is_told(const runner *self, const told *what)
{
    for (const told *other = self->told; other; other = other->next) {
        if (other != what && strcmp(other->error, what->error) == 0)
            return true;
    }
    return false;
}

static void report(runner *self, weir_context *context, uint32_t slot, uint32_t task,
                   enum weir_task_status status, uint64_t records_in, uint64_t records_out,
                   const weir_error *error)
{
    size_t size = error ? strlen(error->text) : 0;

    self->subtasks_ended += weir_state_is_terminal(&weir_task_status_table, (uint32_t)status);
    if (self->is_fenced) {
        end_when_stopped(self, context);
        return;
    }
    told *what = weir_calloc(1, sizeof *what + size + 1);

    if (!what) {
        self->host->die(self->host, "ran out of memory");
        return;
    }
    what->next = self->told;
    self->told = what;
    what->slot = slot;
    what->task = task;
    what->status = status;
    what->records_in = records_in;
    what->records_out = records_out;
    if (error) {
        memcpy(what->error, error->text, size);
        what->code = error->code;
        if (!is_told(self, what)) /* what strikes all of them is logged once */
            weir_context_log(context, WEIR_LOG_ERROR, "%s", error->text);
    }
    what->held = status == WEIR_TASK_FINISHED && self->printing[slot] > 0;
    if (!what->held)
        send_report(self, context, what);
}

void weir_runner_on_status(void *actor, weir_context *context, uint32_t slot, uint32_t task,
                           enum weir_task_status status, uint64_t records_in, uint64_t records_out,
                           const weir_error *error)
{
    report(actor, context, slot, task, status, records_in, records_out, error);
}

static void release_held(runner *self, weir_context *context, uint32_t slot)
{
    for (told *what = self->told; what; what = what->next) {
        if (!what->held || what->slot != slot)
            continue;
        what->held = false;
        send_report(self, context, what);
    }
}

/* What a report says, in a word: equal ones say the same, but for a chance of 1 in 2^64. */
static uint64_t mix(uint64_t digest, uint64_t value)
{
    digest = (digest ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return digest ^ digest >> 29;
}

/* False: no memory. */
static bool add_slot(runner *self, weir_arena *arena, Weir__Proto__Progress *body, uint32_t s,
                     uint64_t *digest, bool *all_idle)
{
    weir_subtask_progress now[SUBTASKS_MAX];
    Weir__Proto__SlotProgress *slot = weir_arena_alloc(arena, sizeof *slot);
    bool idle = false;

    if (!slot)
        return false;
    weir__proto__slot_progress__init(slot);
    size_t n = self->host->progress(self->host, s, now, SUBTASKS_MAX, &slot->counter, &idle);
    slot->slot = s;
    slot->idle = idle;
    *all_idle &= idle;
    *digest = mix(*digest, slot->counter);
    body->slots[body->n_slots++] = slot;
    for (size_t i = 0; i < n && i < SUBTASKS_MAX; i++) {
        Weir__Proto__TaskProgress *task = weir_arena_alloc(arena, sizeof *task);
        if (!task)
            return false;
        weir__proto__task_progress__init(task);
        task->task = now[i].task;
        task->subtask = now[i].subtask;
        task->records_in = now[i].records_in;
        task->records_out = now[i].records_out;
        task->bytes_queued = now[i].bytes_queued;
        task->backpressured_permille = now[i].backpressured ? 1000 : 0;
        *digest = mix(mix(*digest, task->records_in), task->records_out);
        *digest = mix(mix(*digest, task->bytes_queued), task->backpressured_permille);
        body->tasks[body->n_tasks++] = task;
    }
    return true;
}

/* True: all slots are idle, as they were when it was last told. */
static bool report_progress(runner *self, weir_context *context, weir_arena *arena)
{
    Weir__Proto__Progress body = WEIR__PROTO__PROGRESS__INIT;
    weir_envelope message = WEIR__PROTO__ENVELOPE__INIT;
    uint32_t nslots = self->deployment->nslots;
    uint64_t digest = 0;
    bool all_idle = true, whole = true;

    body.slots = weir_arena_alloc(arena, nslots * sizeof(void *));
    body.tasks =
        weir_arena_alloc(arena, (size_t)nslots * self->deployment->plan->ntasks * sizeof(void *));
    if (!body.slots || !body.tasks)
        return false;
    for (uint32_t s = 0; whole && s < nslots; s++) {
        if (self->deployment->slot_runner[s] == self->spec->runner)
            whole = add_slot(self, arena, &body, s, &digest, &all_idle);
    }
    if (whole && all_idle && digest == self->reported)
        return true;
    self->reported = digest;
    body.job = self->spec->job;
    body.runner = self->spec->runner;
    message.epoch = self->spec->epoch;
    message.body_case = WEIR__PROTO__ENVELOPE__BODY_PROGRESS;
    message.progress = &body;
    weir_context_send(context, master_of(self), &message);
    return false;
}

/* Once nothing moves any more, a slot that does wakes this up again. It is told so before the slots
 * are looked at, so that none moves unseen in between. */
static void progress(runner *self, weir_context *context)
{
    weir_arena *arena = weir_arena_new(8192);
    bool rest = false;

    if (self->host->await_move)
        self->host->await_move(self->host, true);
    if (arena)
        rest = report_progress(self, context, arena) && self->host->await_move;
    weir_arena_destroy(&arena);
    self->progress_timer = 0;
    if (rest)
        return;
    if (self->host->await_move)
        self->host->await_move(self->host, false);
    start_progress_timer(self, context);
}

void weir_runner_on_moved(void *actor, weir_context *context)
{
    runner *self = actor;

    if (self->progress_timer != 0 || !self->deployment)
        return;
    start_progress_timer(self, context);
    if (self->beat_ms > 0) {
        weir_context_cancel_timer(context, self->beat_timer);
        beat(self, context);
    }
}

static void retry_split(runner *self, weir_context *context, uint64_t timer);

static void on_timer(void *actor, weir_context *context, uint64_t timer)
{
    runner *self = actor;

    if (timer == self->progress_timer)
        progress(self, context);
    else if (timer == self->beat_timer)
        beat(self, context);
    else if (timer == self->fence_timer)
        self->host->die(self->host, self->fence_reason);
    else if (timer == self->meet_timer)
        on_meet_timeout(self, context);
    else
        retry_split(self, context, timer);
}

/* ---- splits ---- */

/* A request in one word, for its callback: operators and subtasks stay far below 2^16. */
static void *pack_request(uint32_t operator_, uint32_t subtask, uint64_t number)
{
    return (void *)(uintptr_t)((uint64_t)operator_ << 48 | (uint64_t)subtask << 32 |
                               (number & UINT32_MAX));
}

static void want_split(runner *self, weir_context *context, void *packed);

static void want_split_later(runner *self, weir_context *context, void *request)
{
    split_retry *retry = self->cancelled ? NULL : weir_alloc(sizeof *retry);

    if (!retry)
        return; /* cancelled: nobody needs it */
    *retry = (split_retry){self->retries, weir_context_set_timer(context, SPLIT_AGAIN_MS), request};
    self->retries = retry;
}

static void retry_split(runner *self, weir_context *context, uint64_t timer)
{
    for (split_retry **at = &self->retries; *at; at = &(*at)->next) {
        split_retry *retry = *at;
        if (retry->timer != timer)
            continue;
        void *request = retry->request;
        *at = retry->next;
        weir_free(retry);
        if (!self->cancelled)
            want_split(self, context, request);
        return;
    }
}

static uint32_t task_of_source(const runner *self, uint32_t operator_)
{
    uint32_t task = 0;

    while (task + 1 < self->deployment->plan->ntasks &&
           self->deployment->plan->tasks[task].operators[0] != operator_)
        task++;
    return task;
}

static void on_split_reply(void *actor, weir_context *context, void *data,
                           const weir_envelope *reply, const weir_error *error)
{
    runner *self = actor;
    uint64_t packed = (uint64_t)(uintptr_t)data;
    uint32_t operator_ = (uint32_t)(packed >> 48), subtask = (uint32_t)(packed >> 32) & 0xffff;

    if (error && may_pass(error)) {
        want_split_later(self, context, data);
    } else if (error || reply->body_case != WEIR__PROTO__ENVELOPE__BODY_SPLIT_REPLY) {
        weir_error none = {WEIR_ECORRUPT, "the JobMaster answered with something that is no split"};
        if (!error)
            error = &none;
        report(self, context, subtask, task_of_source(self, operator_), WEIR_TASK_FAILED, 0, 0,
               error);
    } else {
        const Weir__Proto__SplitReply *split = reply->split_reply;
        self->host->give_split(self->host, operator_, subtask, packed & UINT32_MAX,
                               split->split.data, split->split.len, split->none_left);
    }
}

static void want_split(runner *self, weir_context *context, void *packed)
{
    Weir__Proto__RequestSplit body = WEIR__PROTO__REQUEST_SPLIT__INIT;
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;
    uint64_t request = (uint64_t)(uintptr_t)packed;

    body.job = self->spec->job;
    body.operator_ = (uint32_t)(request >> 48);
    body.subtask = (uint32_t)(request >> 32) & 0xffff;
    body.number = request & UINT32_MAX;
    ask.epoch = self->spec->epoch;
    ask.body_case = WEIR__PROTO__ENVELOPE__BODY_REQUEST_SPLIT;
    ask.request_split = &body;
    weir_context_request(context, master_of(self), &ask,
                         2 * weir_config_duration_ms(self->config, "rpc.ask.timeout"),
                         on_split_reply, packed);
}

void weir_runner_on_want_split(void *actor, weir_context *context, uint32_t operator_,
                               uint32_t subtask, uint64_t number)
{
    want_split(actor, context, pack_request(operator_, subtask, number));
}

static void on_request_split(runner *self, weir_context *context, const weir_envelope *message)
{
    const Weir__Proto__RequestSplit *request = message->request_split;
    weir_reply_to *reply_to = weir_alloc(sizeof *reply_to);

    if (!reply_to)
        return;
    *reply_to = weir_reply_to_of(message);
    if (!self->deployment || self->deployment->slot_runner[0] != self->spec->runner) {
        weir_context_reply_error(context, reply_to, WEIR_ESTATE, "slot 0 is not here");
        weir_free(reply_to);
        return;
    }
    self->host->ask_split(self->host, request->operator_, request->subtask, request->number,
                          reply_to);
}

void weir_runner_on_split(void *actor, weir_context *context, void *cookie, const void *split,
                          size_t size, bool end, const weir_error *error)
{
    weir_reply_to *reply_to = cookie;
    (void)actor;

    if (error) {
        weir_context_reply_error(context, reply_to, error->code, "%s", error->text);
    } else {
        Weir__Proto__SplitReply body = WEIR__PROTO__SPLIT_REPLY__INIT;
        weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
        body.split.data = (uint8_t *)(uintptr_t)split;
        body.split.len = size;
        body.none_left = end;
        reply.body_case = WEIR__PROTO__ENVELOPE__BODY_SPLIT_REPLY;
        reply.split_reply = &body;
        weir_context_reply(context, reply_to, &reply);
    }
    weir_free(reply_to);
}

/* ---- print ---- */

static void send_print(runner *self, weir_context *context, printed *rows);

static void on_printed(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                       const weir_error *error)
{
    runner *self = actor;
    printed *rows = data;

    if (error && error->code == WEIR_ETIMEOUT) {
        self->printing[rows->slot]--;
        send_print(self, context, rows); /* the client is slow */
        return;
    }
    if (error || reply->body_case != WEIR__PROTO__ENVELOPE__BODY_PRINT_REPLY ||
        reply->print_reply->to_log)
        self->host->print_to_log(self->host, rows->bytes, rows->size);
    uint32_t slot = rows->slot;
    forget_print(self, rows);
    self->printing[slot]--;
    self->host->print_ready(self->host, slot);
    if (self->printing[slot] == 0)
        release_held(self, context, slot);
}

static void send_print(runner *self, weir_context *context, printed *rows)
{
    Weir__Proto__PrintRows body = WEIR__PROTO__PRINT_ROWS__INIT;
    weir_envelope ask = WEIR__PROTO__ENVELOPE__INIT;

    body.job = self->spec->job;
    body.subtask = rows->slot;
    body.number = self->print_numbers[rows->slot];
    body.text.data = rows->bytes;
    body.text.len = rows->size;
    ask.epoch = self->spec->epoch;
    ask.body_case = WEIR__PROTO__ENVELOPE__BODY_PRINT_ROWS;
    ask.print_rows = &body;
    self->printing[rows->slot]++;
    /* The answer may wait for a client that reads slowly; asked again, it would print twice. */
    weir_context_request(context, master_of(self), &ask, INT64_MAX / 4, on_printed, rows);
}

void weir_runner_on_print(void *actor, weir_context *context, uint32_t slot, uint32_t operator_,
                          const void *bytes, size_t size)
{
    runner *self = actor;
    (void)operator_;

    if (!self->deployment->attached) {
        self->host->print_to_log(self->host, bytes, size);
        self->host->print_ready(self->host, slot);
        return;
    }
    printed *rows = weir_alloc(sizeof *rows + size);
    if (!rows) {
        self->host->die(self->host, "ran out of memory");
        return;
    }
    rows->next = self->prints;
    self->prints = rows;
    rows->slot = slot;
    rows->size = size;
    memcpy(rows->bytes, bytes, size);
    self->print_numbers[slot]++;
    send_print(self, context, rows);
}

/* ---- the actor ---- */

static void receive(void *actor, weir_context *context, const weir_envelope *message)
{
    runner *self = actor;
    weir_reply_to reply_to = weir_reply_to_of(message);

    if (message->epoch != 0 && message->epoch != self->spec->epoch) {
        weir_context_reply_error(
            context, &reply_to, WEIR_ESTALE, "this task runner belongs to epoch %llu, not %llu",
            (unsigned long long)self->spec->epoch, (unsigned long long)message->epoch);
        return;
    }
    switch (message->body_case) {
    case WEIR__PROTO__ENVELOPE__BODY_DEPLOY:
        on_deploy(self, context, message);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_START_TASKS:
        weir_context_reply_ack(context, &reply_to);
        self->host->start(self->host);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_CANCEL_TASKS:
        weir_context_reply_ack(context, &reply_to);
        self->cancelled = true;
        self->host->cancel(self->host);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_REQUEST_SPLIT:
        on_request_split(self, context, message);
        break;
    case WEIR__PROTO__ENVELOPE__BODY_END_RUNNER:
        weir_context_reply_ack(context, &reply_to);
        weir_context_stop_node(context);
        break;
    default:
        weir_context_reply_error(context, &reply_to, WEIR_EINVALID,
                                 "a task runner does not answer this message");
        break;
    }
}

const weir_actor_class weir_runner_class = {"Runner", start, receive, on_timer, on_peer, destroy};
