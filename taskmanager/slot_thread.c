#include "taskmanager/slot_thread.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "taskmanager/crash.h"
#include "taskmanager/slot_config.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define STACK_SIZE (1u << 20)  /* reserved, not used: user code runs on it */
#define ALTERNATE  (64u << 10) /* stack of the crash handler */
#define WAITS_MAX  64
#define HAND_OVER  (64u << 10) /* bytes sent that are worth a wake-up */

enum command_kind {
    COMMAND_FRAME,
    COMMAND_START,
    COMMAND_CANCEL,
    COMMAND_FAIL,
    COMMAND_GIVE_SPLIT,
    COMMAND_ASK_SPLIT,
    COMMAND_PRINT_READY,
    COMMAND_STOP
};

typedef struct command {
    weir_mail mail;
    enum command_kind kind;
    weir_frame *frame;
    weir_error *error;
    uint32_t operator_, subtask;
    uint64_t number;
    void *cookie;
    bool end;
    size_t size;
    uint8_t bytes[];
} command;

struct weir_slot_thread {
    weir_slot_host host;
    weir_slot_thread_config config;
    weir_slot *slot;
    _Atomic(const weir_slot *) watched; /* the same, once other threads may ask for its progress */
    weir_mailbox *mailbox;
    pthread_t thread;
    bool thread_started;
    bool stopping;
    bool has_sent; /* and not handed over */
    size_t unsent; /* bytes of it */
    int64_t handed_over_ms;
    _Atomic bool was_put; /* something, without a wake-up */
    command stop;         /* needs no memory when it must be sent */
};

/* ---- the host of the slot ---- */

static weir_slot_thread *of(weir_slot_host *host)
{
    return (weir_slot_thread *)host;
}

static int host_send(weir_slot_host *host, uint32_t to_slot, weir_frame *frame, weir_error *err)
{
    of(host)->has_sent = true;
    of(host)->unsent += frame->cost;
    return of(host)->config.send(of(host)->config.self, to_slot, frame, err);
}

static void host_status(weir_slot_host *host, uint32_t task, uint32_t subtask,
                        enum weir_task_status status, const weir_error *error)
{
    weir_slot_thread *self = of(host);
    weir_subtask_progress now[WAITS_MAX];
    uint64_t counter, in = 0, out = 0;
    bool idle;

    if (weir_state_is_terminal(&weir_task_status_table, (uint32_t)status)) {
        size_t n = weir_slot_progress(self->slot, now, WEIR_COUNT(now), &counter, &idle);
        for (size_t i = 0; i < n && i < WEIR_COUNT(now); i++) {
            if (now[i].task == task) {
                in = now[i].records_in;
                out = now[i].records_out;
            }
        }
    }
    self->config.status(self->config.self, subtask, task, status, in, out, error);
}

static void host_want_split(weir_slot_host *host, uint32_t operator_, uint32_t subtask,
                            uint64_t number)
{
    of(host)->config.want_split(of(host)->config.self, operator_, subtask, number);
}

static int host_print(weir_slot_host *host, uint32_t operator_, uint32_t subtask, const char *bytes,
                      size_t size)
{
    return of(host)->config.print(of(host)->config.self, subtask, operator_, bytes, size);
}

static int64_t host_now_ms(weir_slot_host *host)
{
    (void)host;
    return weir_clock_monotonic_ms();
}

static void host_log(weir_slot_host *host, const char *line)
{
    (void)host;
    weir_log_info("%s", line);
}

/* ---- commands ---- */

static command *new_command(enum command_kind kind, const void *bytes, size_t size)
{
    command *c = weir_calloc(1, sizeof *c + size);

    if (!c)
        return NULL;
    c->kind = kind;
    c->size = size;
    if (size)
        memcpy(c->bytes, bytes, size);
    return c;
}

/* A message that is lost would leave the job waiting for ever. */
static void post(weir_slot_thread *self, command *c)
{
    if (!c)
        weir_crash_end("ran out of memory");
    weir_mailbox_push(self->mailbox, &c->mail);
}

static void answer_split(weir_slot_thread *self, const command *c)
{
    weir_buffer split = WEIR_BUFFER_INIT;
    weir_error error = WEIR_ERROR_INIT;
    int rc = weir_slot_next_split(self->slot, c->operator_, c->subtask, c->number, &split, &error);

    self->config.split(self->config.self, c->cookie, split.data, split.size, rc == WEIR_READ_END,
                       rc < 0 ? &error : NULL);
    weir_buffer_deinit(&split);
}

static void obey(weir_slot_thread *self, command *c)
{
    switch (c->kind) {
    case COMMAND_FRAME:
        weir_slot_receive(self->slot, c->frame);
        break;
    case COMMAND_START:
        weir_slot_start(self->slot);
        break;
    case COMMAND_CANCEL:
        weir_slot_cancel(self->slot);
        break;
    case COMMAND_FAIL:
        weir_slot_fail(self->slot, c->error);
        weir_free(c->error);
        break;
    case COMMAND_GIVE_SPLIT:
        weir_slot_give_split(self->slot, c->operator_, c->subtask, c->number, c->bytes, c->size,
                             c->end);
        break;
    case COMMAND_ASK_SPLIT:
        answer_split(self, c);
        break;
    case COMMAND_PRINT_READY:
        weir_slot_print_ready(self->slot);
        break;
    case COMMAND_STOP:
        self->stopping = true;
        return;
    }
    weir_free(c);
}

/* Mail that comes after the stop is only freed. */
static void discard(command *c)
{
    if (c->kind == COMMAND_STOP)
        return;
    weir_frame_destroy(&c->frame);
    weir_free(c->error);
    weir_free(c);
}

static bool read_mail(weir_slot_thread *self)
{
    weir_mail *mail = weir_mailbox_look(self->mailbox);
    bool any = mail != NULL;

    while (mail) {
        weir_mail *next = mail->next;
        if (self->stopping)
            discard((command *)mail);
        else
            obey(self, (command *)mail);
        mail = next;
    }
    return any;
}

/* ---- the thread ---- */

static void hand_over(weir_slot_thread *self)
{
    if (self->has_sent && self->config.hand_over)
        self->config.hand_over(self->config.self);
    self->has_sent = false;
    self->unsent = 0;
}

/* Whom a small message would wake is better woken for several: they wait up to a millisecond. */
static void end_turn(weir_slot_thread *self)
{
    int64_t now_ms = weir_clock_monotonic_ms();

    if (self->unsent >= HAND_OVER || now_ms != self->handed_over_ms)
        hand_over(self);
    self->handed_over_ms = now_ms;
}

static void sleep_until_needed(weir_slot_thread *self)
{
    hand_over(self);
    if (!weir_mailbox_rest(self->mailbox))
        return;
    struct pollfd polled[WAITS_MAX + 1];
    int fds[WAITS_MAX];
    int64_t at_ms;
    size_t n = weir_slot_wait(self->slot, fds, WAITS_MAX, &at_ms);
    int timeout = -1;

    polled[0] = (struct pollfd){weir_mailbox_fd(self->mailbox), POLLIN, 0};
    for (size_t i = 0; i < n; i++)
        polled[i + 1] = (struct pollfd){fds[i], POLLIN, 0};
    if (at_ms != INT64_MAX) {
        int64_t left = at_ms - weir_clock_monotonic_ms();
        timeout = left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
    }
    (void)poll(polled, n + 1, timeout);
}

/* Said before the sleep, for what has happened, and after it, for what may last long. */
static void sleep_and_tell(weir_slot_thread *self, bool moved)
{
    if (moved && self->config.moved)
        self->config.moved(self->config.self);
    sleep_until_needed(self);
    if (self->config.moved)
        self->config.moved(self->config.self);
}

/* A stack overflow in user code must still find a stack to report it on. */
static void *set_alternate_stack(void)
{
    void *memory = weir_alloc(ALTERNATE);
    stack_t stack = {.ss_sp = memory, .ss_size = ALTERNATE};

    if (memory)
        sigaltstack(&stack, NULL);
    return memory;
}

static void *run(void *data)
{
    weir_slot_thread *self = data;
    weir_error error = WEIR_ERROR_INIT;
    void *alternate = set_alternate_stack();
    bool moved = true;
    char name[16];

    snprintf(name, sizeof name, "slot %u", self->config.slot);
    pthread_setname_np(pthread_self(), name);
    weir_slot_config config =
        weir_slot_config_of(self->config.deployment, self->config.slot, &self->host);
    int rc = weir_slot_new(&config, &self->slot, &error);
    if (rc == 0) {
        atomic_store(&self->watched, self->slot);
        rc = weir_slot_open(self->slot, &error);
    }
    self->config.opened(self->config.self, self->config.slot, rc < 0 ? &error : NULL);
    while (!self->stopping) {
        if (!self->slot) { /* nothing to run: wait for the stop */
            struct pollfd mail = {weir_mailbox_fd(self->mailbox), POLLIN, 0};
            (void)poll(&mail, 1, -1);
            for (weir_mail *m = weir_mailbox_take_all(self->mailbox), *next; m; m = next) {
                next = m->next;
                self->stopping |= ((command *)m)->kind == COMMAND_STOP;
                discard((command *)m);
            }
            continue;
        }
        bool progress = read_mail(self);
        if (self->stopping || weir_slot_turn(self->slot) || progress) {
            moved = true;
            end_turn(self);
            continue;
        }
        sleep_and_tell(self, moved);
        moved = false;
    }
    hand_over(self);
    weir_slot_destroy(&self->slot);
    sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    weir_free(alternate);
    return NULL;
}

int weir_slot_thread_new(const weir_slot_thread_config *config, weir_slot_thread **ret,
                         weir_error *err)
{
    weir_slot_thread *self = weir_calloc(1, sizeof *self);
    pthread_attr_t attributes;

    if (!self)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for slot %u", config->slot);
    self->host = (weir_slot_host){host_send,  host_status, host_want_split,
                                  host_print, host_now_ms, host_log};
    self->config = *config;
    self->stop.kind = COMMAND_STOP;
    int rc = weir_mailbox_new(&self->mailbox, err);
    if (rc == 0) {
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, STACK_SIZE);
        int failed = pthread_create(&self->thread, &attributes, run, self);
        pthread_attr_destroy(&attributes);
        self->thread_started = failed == 0;
        if (failed)
            rc = weir_error_errno(err, failed, "slot %u: no thread", config->slot);
    }
    if (rc < 0)
        weir_slot_thread_destroy(&self);
    else
        *ret = self;
    return rc;
}

void weir_slot_thread_stop(weir_slot_thread *thread)
{
    if (!thread || !thread->thread_started)
        return;
    weir_mailbox_push(thread->mailbox, &thread->stop.mail);
    pthread_join(thread->thread, NULL);
    thread->thread_started = false;
}

void weir_slot_thread_destroy(weir_slot_thread **thread)
{
    weir_slot_thread *self = *thread;

    if (!self)
        return;
    weir_slot_thread_stop(self);
    if (self->mailbox) {
        for (weir_mail *mail = weir_mailbox_take_all(self->mailbox), *next; mail; mail = next) {
            next = mail->next;
            discard((command *)mail);
        }
    }
    weir_mailbox_destroy(&self->mailbox);
    weir_free(self);
    *thread = NULL;
}

/* ---- from other threads ---- */

void weir_slot_thread_put(weir_slot_thread *thread, weir_frame *frame)
{
    command *c = new_command(COMMAND_FRAME, NULL, 0);

    if (!c)
        weir_crash_end("ran out of memory");
    c->frame = frame;
    weir_mailbox_add(thread->mailbox, &c->mail);
    atomic_store(&thread->was_put, true);
}

void weir_slot_thread_wake(weir_slot_thread *thread)
{
    if (atomic_load_explicit(&thread->was_put, memory_order_relaxed) &&
        atomic_exchange(&thread->was_put, false))
        weir_mailbox_wake(thread->mailbox);
}

void weir_slot_thread_receive(weir_slot_thread *thread, weir_frame *frame)
{
    weir_slot_thread_put(thread, frame);
    weir_slot_thread_wake(thread);
}

void weir_slot_thread_start(weir_slot_thread *thread)
{
    post(thread, new_command(COMMAND_START, NULL, 0));
}

void weir_slot_thread_cancel(weir_slot_thread *thread)
{
    post(thread, new_command(COMMAND_CANCEL, NULL, 0));
}

void weir_slot_thread_fail(weir_slot_thread *thread, const weir_error *error)
{
    command *c = new_command(COMMAND_FAIL, NULL, 0);

    if (c) {
        c->error = weir_alloc(sizeof *c->error);
        if (c->error)
            *c->error = *error;
    }
    post(thread, c);
}

void weir_slot_thread_give_split(weir_slot_thread *thread, uint32_t operator_, uint32_t subtask,
                                 uint64_t number, const void *split, size_t size, bool end)
{
    command *c = new_command(COMMAND_GIVE_SPLIT, split, size);

    if (c) {
        c->operator_ = operator_;
        c->subtask = subtask;
        c->number = number;
        c->end = end;
    }
    post(thread, c);
}

void weir_slot_thread_ask_split(weir_slot_thread *thread, uint32_t operator_, uint32_t subtask,
                                uint64_t number, void *cookie)
{
    command *c = new_command(COMMAND_ASK_SPLIT, NULL, 0);

    if (c) {
        c->operator_ = operator_;
        c->subtask = subtask;
        c->number = number;
        c->cookie = cookie;
    }
    post(thread, c);
}

void weir_slot_thread_print_ready(weir_slot_thread *thread)
{
    post(thread, new_command(COMMAND_PRINT_READY, NULL, 0));
}

size_t weir_slot_thread_progress(const weir_slot_thread *thread, weir_subtask_progress *out,
                                 size_t capacity, uint64_t *ret_counter, bool *ret_idle)
{
    *ret_counter = 0;
    *ret_idle = true;
    const weir_slot *slot = atomic_load(&thread->watched);
    return slot ? weir_slot_progress(slot, out, capacity, ret_counter, ret_idle) : 0;
}
