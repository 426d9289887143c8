#include "taskmanager/runner_threads.h"

#include "actors/daemon.h"
#include "actors/data_bus.h"
#include "actors/endpoint.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "taskmanager/crash.h"
#include "taskmanager/slot_thread.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum event_kind {
    EVENT_STATUS,
    EVENT_OPENED,
    EVENT_WANT_SPLIT,
    EVENT_SPLIT,
    EVENT_PRINT,
    EVENT_MOVED
};

/* From a slot's thread to the control thread. */
typedef struct event {
    weir_mail mail;
    enum event_kind kind;
    uint32_t slot, task, operator_, subtask;
    enum weir_task_status status;
    uint64_t number, records_in, records_out;
    void *cookie;
    bool end;
    weir_error *error;
    size_t size;
    uint8_t bytes[];
} event;

struct weir_runner_threads {
    weir_runner_host host;
    weir_runner_threads_config config;
    weir_mailbox *mailbox;
    bool watched;
    void *runner;
    weir_data_bus *bus;
    weir_deployment *deployment;
    weir_slot_thread **slots; /* by slot of the job; NULL: in another runner */
    uint32_t nslots;
    _Atomic bool *printing;      /* by slot: rows are under way */
    _Atomic bool awaiting;       /* a slot that moves is to say so */
    pthread_mutex_t stdout_lock; /* whole chunks of rows, not mixed */
};

/* ---- events ---- */

static event *new_event(enum event_kind kind, const weir_error *error, const void *bytes,
                        size_t size)
{
    event *e = weir_calloc(1, sizeof *e + size);

    if (!e)
        return NULL;
    e->kind = kind;
    e->size = size;
    if (size)
        memcpy(e->bytes, bytes, size);
    if (error) {
        e->error = weir_alloc(sizeof *e->error);
        if (e->error)
            *e->error = *error;
    }
    return e;
}

static void post(weir_runner_threads *self, event *e)
{
    if (!e)
        weir_crash_end(
            "ran out of memory"); /* a lost message would leave the job waiting for ever */
    weir_mailbox_push(self->mailbox, &e->mail);
}

static void free_event(event *e)
{
    weir_free(e->error);
    weir_free(e);
}

static void handle(weir_runner_threads *self, weir_context *context, event *e)
{
    switch (e->kind) {
    case EVENT_STATUS:
        weir_runner_on_status(self->runner, context, e->slot, e->task, e->status, e->records_in,
                              e->records_out, e->error);
        break;
    case EVENT_OPENED:
        weir_runner_on_opened(self->runner, context, e->slot, e->error);
        break;
    case EVENT_WANT_SPLIT:
        weir_runner_on_want_split(self->runner, context, e->operator_, e->subtask, e->number);
        break;
    case EVENT_SPLIT:
        weir_runner_on_split(self->runner, context, e->cookie, e->bytes, e->size, e->end, e->error);
        break;
    case EVENT_PRINT:
        weir_runner_on_print(self->runner, context, e->slot, e->operator_, e->bytes, e->size);
        break;
    case EVENT_MOVED:
        weir_runner_on_moved(self->runner, context);
        break;
    }
}

static void on_mail(void *data)
{
    weir_runner_threads *self = data;
    weir_context *context =
        weir_node_context(weir_reactor_node(self->config.reactor), WEIR_RUNNER_ACTOR);

    for (weir_mail *mail = weir_mailbox_take_all(self->mailbox), *next; mail; mail = next) {
        next = mail->next;
        if (context)
            handle(self, context, (event *)mail);
        free_event((event *)mail);
    }
}

/* ---- from the slots' threads ---- */

static void release_batch(void *bytes, void *hint)
{
    weir_batch *batch = hint;
    (void)bytes;
    weir_batch_unref(&batch);
}

static int slot_send(void *data, uint32_t to_slot, weir_frame *frame, weir_error *err)
{
    weir_runner_threads *self = data;

    if (to_slot >= self->nslots) {
        weir_frame_destroy(&frame);
        return weir_error_set(err, WEIR_EINTERNAL, "there is no slot %u", to_slot);
    }
    if (self->slots[to_slot]) {
        weir_slot_thread_put(self->slots[to_slot], frame);
        return 0;
    }
    weir_buffer header = WEIR_BUFFER_INIT;
    int rc = weir_frame_pack_header(frame, &header);
    if (rc == 0) {
        weir_batch *batch = frame->kind == WEIR_FRAME_BATCH ? frame->batch : NULL;
        frame->batch = NULL; /* the bus releases it when it is sent */
        rc = weir_data_bus_put(self->bus, self->deployment->slot_runner[to_slot], header.data,
                               header.size,
                               batch ? (void *)(uintptr_t)weir_batch_bytes(batch) : NULL,
                               batch ? weir_batch_size(batch) : 0, release_batch, batch);
        if (rc < 0 && batch)
            weir_batch_unref(&batch);
    }
    weir_buffer_deinit(&header);
    weir_frame_destroy(&frame);
    return rc < 0 ? weir_error_set(err, rc, "a frame could not be sent: %s", weir_code_text(rc))
                  : 0;
}

static void wake_slots(void *data)
{
    weir_runner_threads *self = data;

    for (uint32_t s = 0; s < self->nslots; s++) {
        if (self->slots[s])
            weir_slot_thread_wake(self->slots[s]);
    }
}

static void hand_over(void *data)
{
    weir_runner_threads *self = data;

    wake_slots(self);
    if (self->bus)
        weir_data_bus_wake(self->bus);
}

static void slot_status(void *data, uint32_t slot, uint32_t task, enum weir_task_status status,
                        uint64_t records_in, uint64_t records_out, const weir_error *error)
{
    event *e = new_event(EVENT_STATUS, error, NULL, 0);

    if (e) {
        e->slot = slot;
        e->task = task;
        e->status = status;
        e->records_in = records_in;
        e->records_out = records_out;
    }
    post(data, e);
}

static void slot_opened(void *data, uint32_t slot, const weir_error *error)
{
    event *e = new_event(EVENT_OPENED, error, NULL, 0);

    if (e)
        e->slot = slot;
    post(data, e);
}

static void slot_want_split(void *data, uint32_t operator_, uint32_t subtask, uint64_t number)
{
    event *e = new_event(EVENT_WANT_SPLIT, NULL, NULL, 0);

    if (e) {
        e->operator_ = operator_;
        e->subtask = subtask;
        e->number = number;
    }
    post(data, e);
}

static void slot_split(void *data, void *cookie, const void *split, size_t size, bool end,
                       const weir_error *error)
{
    event *e = new_event(EVENT_SPLIT, error, split, size);

    if (e) {
        e->cookie = cookie;
        e->end = end;
    }
    post(data, e);
}

static int print_here(weir_runner_threads *self, const void *bytes, size_t size)
{
    weir_error error = WEIR_ERROR_INIT;

    pthread_mutex_lock(&self->stdout_lock);
    int rc = weir_file_write_all(STDOUT_FILENO, bytes, size, &error);
    pthread_mutex_unlock(&self->stdout_lock);
    return rc;
}

static int slot_print(void *data, uint32_t slot, uint32_t operator_, const char *bytes, size_t size)
{
    weir_runner_threads *self = data;

    if (self->config.print_to_stdout)
        return print_here(self, bytes, size);
    if (atomic_exchange(&self->printing[slot], true))
        return WEIR_READ_PENDING;
    event *e = new_event(EVENT_PRINT, NULL, bytes, size);
    if (e) {
        e->slot = slot;
        e->operator_ = operator_;
    }
    post(self, e);
    return e ? 0 : WEIR_ENO_MEMORY;
}

/* The slot has written its counters, then takes the flag; the control thread sets the flag, then
 * reads the counters. Of two exchanges of one flag the later sees what came before the earlier. */
static void slot_moved(void *data)
{
    weir_runner_threads *self = data;

    if (atomic_exchange(&self->awaiting, false))
        post(self, new_event(EVENT_MOVED, NULL, NULL, 0));
}

/* ---- from the data bus's thread ---- */

static void bus_receive(void *data, uint32_t from_runner, const void *header, size_t header_size,
                        void *body, size_t body_size, void (*release)(void *, void *), void *hint)
{
    weir_runner_threads *self = data;
    weir_frame *frame = NULL;
    weir_error error = WEIR_ERROR_INIT;
    uint32_t slot = 0;

    int rc = weir_frame_unpack(header, header_size, body, body_size, release, hint, &frame, &error);
    if (rc < 0 && body)
        release(body, hint);
    if (rc == 0 && weir_deployment_route(self->deployment, frame, &slot) < 0)
        rc = weir_error_set(&error, WEIR_ECORRUPT, "a frame for channel %u came, which is not here",
                            frame->channel);
    if (rc == 0 && self->slots[slot]) {
        weir_slot_thread_put(self->slots[slot], frame);
        return;
    }
    if (rc == 0)
        rc = weir_error_set(&error, WEIR_ECORRUPT, "a frame for slot %u came, which is not here",
                            slot);
    weir_frame_destroy(&frame);
    weir_log_error("bad data from task runner %u: %s", from_runner, error.text);
    for (uint32_t s = 0; s < self->nslots; s++) {
        if (self->slots[s] && rc < 0)
            weir_slot_thread_fail(self->slots[s], &error);
    }
}

static void bus_lost(void *data, uint32_t runner, const char *text)
{
    weir_runner_threads *self = data;
    weir_error error = WEIR_ERROR_INIT;

    weir_error_set(&error, WEIR_EUNAVAILABLE,
                   "the task runner on host %s lost its data connection to task runner %u at %s",
                   self->config.spec->host, runner, text);
    for (uint32_t s = 0; s < self->nslots; s++) {
        if (self->slots && self->slots[s])
            weir_slot_thread_fail(self->slots[s], &error);
    }
}

/* ---- the host, in the control thread ---- */

static weir_runner_threads *of(weir_runner_host *host)
{
    return (weir_runner_threads *)host;
}

static int join_bus(weir_runner_threads *self, weir_error *err)
{
    const weir_deployment *deployment = self->deployment;
    uint32_t *others = weir_calloc(deployment->nrunners + 1, sizeof *others);
    const char **endpoints = weir_calloc(deployment->nrunners + 1, sizeof(char *));
    uint32_t n = 0;
    int rc = WEIR_ENO_MEMORY;

    for (uint32_t r = 0; others && endpoints && r < deployment->nrunners; r++) {
        if (r == deployment->runner)
            continue;
        others[n] = r;
        endpoints[n++] = deployment->endpoints[r];
    }
    if (others && endpoints)
        rc = self->bus == NULL
                 ? 0 /* a local job */
                 : weir_data_bus_join(self->bus, deployment->data_key, others, endpoints, n, err);
    else
        weir_error_set(err, rc, "no memory for the data connections");
    weir_free(others);
    weir_free(endpoints);
    return rc;
}

static int start_slot(weir_runner_threads *self, uint32_t slot, weir_error *err)
{
    weir_slot_thread_config config = {
        .deployment = self->deployment,
        .slot = slot,
        .self = self,
        .send = slot_send,
        .status = slot_status,
        .opened = slot_opened,
        .want_split = slot_want_split,
        .split = slot_split,
        .print = slot_print,
        .moved = slot_moved,
        .hand_over = hand_over,
    };
    return weir_slot_thread_new(&config, &self->slots[slot], err);
}

static int host_deploy(weir_runner_host *host, weir_deployment *deployment, weir_error *err)
{
    weir_runner_threads *self = of(host);

    self->deployment = deployment;
    self->slots = weir_calloc(deployment->nslots, sizeof(weir_slot_thread *));
    self->printing = weir_calloc(deployment->nslots, sizeof *self->printing);
    if (!self->slots || !self->printing)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for %u slots", deployment->nslots);
    self->nslots = deployment->nslots;
    int rc = 0;
    for (uint32_t s = 0; rc == 0 && s < self->nslots; s++) {
        if (deployment->slot_runner[s] == deployment->runner)
            rc = start_slot(self, s, err);
    }
    return rc == 0 ? join_bus(self, err) : rc;
}

static void host_start(weir_runner_host *host)
{
    for (uint32_t s = 0; s < of(host)->nslots; s++) {
        if (of(host)->slots[s])
            weir_slot_thread_start(of(host)->slots[s]);
    }
}

static void host_cancel(weir_runner_host *host)
{
    for (uint32_t s = 0; s < of(host)->nslots; s++) {
        if (of(host)->slots[s])
            weir_slot_thread_cancel(of(host)->slots[s]);
    }
}

static void host_give_split(weir_runner_host *host, uint32_t operator_, uint32_t subtask,
                            uint64_t number, const void *split, size_t size, bool end)
{
    weir_runner_threads *self = of(host);

    if (subtask < self->nslots && self->slots[subtask])
        weir_slot_thread_give_split(self->slots[subtask], operator_, subtask, number, split, size,
                                    end);
}

static void host_ask_split(weir_runner_host *host, uint32_t operator_, uint32_t subtask,
                           uint64_t number, void *cookie)
{
    weir_slot_thread_ask_split(of(host)->slots[0], operator_, subtask, number, cookie);
}

static void host_print_ready(weir_runner_host *host, uint32_t slot)
{
    weir_runner_threads *self = of(host);

    atomic_store(&self->printing[slot], false);
    weir_slot_thread_print_ready(self->slots[slot]);
}

static size_t host_progress(weir_runner_host *host, uint32_t slot, weir_subtask_progress *out,
                            size_t capacity, uint64_t *ret_counter, bool *ret_idle)
{
    weir_runner_threads *self = of(host);

    return self->slots[slot]
               ? weir_slot_thread_progress(self->slots[slot], out, capacity, ret_counter, ret_idle)
               : 0;
}

static void host_print_to_log(weir_runner_host *host, const void *bytes, size_t size)
{
    (void)print_here(of(host), bytes, size);
}

static void host_die(weir_runner_host *host, const char *reason)
{
    (void)host;
    weir_crash_end(reason);
}

static void host_await_move(weir_runner_host *host, bool await)
{
    (void)atomic_exchange(&of(host)->awaiting, await);
}

static void host_beat(weir_runner_host *host, uint32_t pace)
{
    weir_pulse_beat(of(host)->config.pulse, pace);
}

/* ---- construction ---- */

static int milliseconds(const weir_config *config, const char *key)
{
    int64_t value = weir_config_duration_ms(config, key);

    return value < INT_MAX ? (int)value : INT_MAX;
}

static int new_bus(weir_runner_threads *self, weir_error *err)
{
    const weir_config *config = self->config.config;
    char bind[300];
    weir_data_bus_config bus = {
        .bind = bind,
        .what = "task runner",
        .port_key = "taskmanager.data.port",
        .job = self->config.spec->job,
        .runner = self->config.spec->runner,
        .message_max = WEIR_BATCH_SIZE_MAX + 4096,
        .silence_ms = milliseconds(config, "heartbeat.timeout"),
        .meet_ms = milliseconds(config, "slot.request.timeout"),
        .receive = bus_receive,
        .received = wake_slots,
        .lost = bus_lost,
        .self = self,
        .key = self->config.key,
    };
    weir_config_ports(config, "taskmanager.data.port", &bus.port_first, &bus.port_last);
    int rc = weir_daemon_check_bind(config, "taskmanager.bind-host", bus.key != NULL, err);
    if (rc == 0)
        rc = weir_endpoint_to_bind(config, "taskmanager.bind-host", bind, sizeof bind, err);
    return rc == 0 ? weir_data_bus_new(&bus, &self->bus, err) : rc;
}

int weir_runner_threads_new(const weir_runner_threads_config *config, weir_runner_threads **ret,
                            weir_error *err)
{
    weir_runner_threads *self = weir_calloc(1, sizeof *self);

    if (!self)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the task runner");
    self->host =
        (weir_runner_host){host_deploy,    host_start,       host_cancel,   host_give_split,
                           host_ask_split, host_print_ready, host_progress, host_print_to_log,
                           host_die,       host_await_move,  host_beat};
    self->config = *config;
    pthread_mutex_init(&self->stdout_lock, NULL);
    int rc = weir_mailbox_new(&self->mailbox, err);
    if (rc == 0 && !config->print_to_stdout) /* a local job has one runner: no bus */
        rc = new_bus(self, err);
    if (rc == 0) {
        rc = weir_reactor_watch(config->reactor, weir_mailbox_fd(self->mailbox), on_mail, self);
        self->watched = rc == 0;
        if (rc < 0)
            weir_error_set(err, rc, "no memory for the task runner");
    }
    if (rc < 0)
        weir_runner_threads_destroy(&self);
    else
        *ret = self;
    return rc;
}

void weir_runner_threads_destroy(weir_runner_threads **threads)
{
    weir_runner_threads *self = *threads;

    if (!self)
        return;
    for (uint32_t s = 0; self->slots && s < self->nslots; s++)
        weir_slot_thread_stop(self->slots[s]);
    weir_data_bus_destroy(&self->bus);
    for (uint32_t s = 0; self->slots && s < self->nslots; s++)
        weir_slot_thread_destroy(&self->slots[s]);
    if (self->watched)
        weir_reactor_unwatch(self->config.reactor, weir_mailbox_fd(self->mailbox));
    if (self->mailbox) {
        for (weir_mail *mail = weir_mailbox_take_all(self->mailbox), *next; mail; mail = next) {
            next = mail->next;
            free_event((event *)mail);
        }
    }
    weir_mailbox_destroy(&self->mailbox);
    weir_free(self->slots);
    weir_free(self->printing);
    weir_deployment_destroy(&self->deployment);
    pthread_mutex_destroy(&self->stdout_lock);
    weir_free(self);
    *threads = NULL;
}

weir_runner_host *weir_runner_threads_host(weir_runner_threads *threads)
{
    return &threads->host;
}

const char *weir_runner_threads_endpoint(const weir_runner_threads *threads)
{
    return threads->bus ? weir_data_bus_endpoint(threads->bus) : "inproc://local";
}

void weir_runner_threads_attach(weir_runner_threads *threads, void *runner)
{
    threads->runner = runner;
}
