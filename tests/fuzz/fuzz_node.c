/* A node that is told anything, before and after handshakes, in the name of anybody. Its one actor
 * asks, answers some, connects, ends.
 *
 *   see fuzz_world.c */
#include "fuzz_world.h"

#include "base/memory.h"

#include <string.h>

#define BODY(name) WEIR__PROTO__ENVELOPE__BODY_##name

typedef struct witness {
    weir_context *context;
    uint64_t received, replies;
} witness;

static void on_reply(void *self, weir_context *context, void *data, const weir_envelope *reply,
                     const weir_error *error)
{
    (void)context;
    (void)data;
    ((witness *)self)->replies++;
    FUZZ_CHECK((reply == NULL) != (error == NULL));
    if (error != NULL)
        FUZZ_CHECK(error->code < 0 && fuzz_is_clean(error->text));
}

static void ask(weir_context *context, const char *process)
{
    Weir__Proto__SubmitJob job = WEIR__PROTO__SUBMIT_JOB__INIT;
    weir_envelope request = WEIR__PROTO__ENVELOPE__INIT;
    request.body_case = BODY(SUBMIT_JOB);
    request.submit_job = &job;
    weir_context_request(context, (weir_address){process, "witness"}, &request, 20000, on_reply,
                         NULL);
}

static void receive(void *self, weir_context *context, const weir_envelope *message)
{
    weir_reply_to to = weir_reply_to_of(message);
    FUZZ_CHECK(message->from_process != NULL && message->from[0] != '\0');
    switch (++((witness *)self)->received % 4) {
    case 0:
        weir_context_reply_error(context, &to, WEIR_EINVALID, "no");
        break;
    case 1: /* asks back */
        ask(context, message->from_process);
        weir_context_reply_ack(context, &to);
        break;
    case 2: /* answers twice: the second one is dropped */
        weir_context_reply_ack(context, &to);
        weir_context_reply_ack(context, &to);
        break;
    default:
        weir_context_reply_ack(context, &to);
        break;
    }
}

static void start(void *self, weir_context *context)
{
    weir_error err = WEIR_ERROR_INIT;
    ((witness *)self)->context = context;
    FUZZ_OK(weir_context_connect(context, "other", "sim://other", 0, &err));
}

static void timer(void *self, weir_context *context, uint64_t number)
{
    (void)number;
    if (((witness *)self)->received % 2 == 0)
        ask(context, "other");
}

static void peer(void *self, weir_context *context, enum weir_peer_event event,
                 const weir_peer_info *info)
{
    (void)self;
    FUZZ_CHECK(info->process[0] != '\0' && fuzz_is_clean(info->text));
    if (event == WEIR_PEER_UP)
        weir_context_set_timer(context, 10);
}

static void destroy(void *self)
{
    weir_free(self);
}

static const weir_actor_class witness_class = {"witness", start, receive, timer, peer, destroy};

/* What a job of a process does: connects, disconnects, asks whoever there is. */
static void act(fuzz_world *world, fuzz_input *input)
{
    weir_context *context = weir_node_context(world->node, "witness");
    const fuzz_pool *pool = fuzz_world_pool();
    const char *name = pool->texts[fuzz_below(input, (uint32_t)pool->ntexts)];
    weir_error err = WEIR_ERROR_INIT;

    switch (fuzz_below(input, 4)) {
    case 0: {
        int rc = weir_context_connect(context, name, name, 0, &err);
        if (rc != 0)
            fuzz_check_failure(rc, &err);
        break;
    }
    case 1:
        weir_context_disconnect(context, name);
        break;
    case 2:
        ask(context, name);
        break;
    default:
        ask(context, "other");
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const actors[] = {"witness", "nobody", NULL};
    static const char *const incoming[] = {"client", "taskmanager", NULL};
    static const int bodies[] = {BODY(SUBMIT_JOB),
                                 BODY(ACK),
                                 BODY(HEARTBEAT),
                                 BODY(GOODBYE),
                                 BODY(HELLO),
                                 BODY(WELCOME),
                                 BODY(REFUSE),
                                 BODY(ERROR),
                                 BODY(LIST_JOBS),
                                 BODY(FETCH_LOG),
                                 0};
    static const fuzz_role role = {.role = "dispatcher",
                                   .actors = actors,
                                   .incoming = incoming,
                                   .bodies = bodies,
                                   .epoch = 1,
                                   .act = act,
                                   .answers_all = true};
    fuzz_input input = {data, size};
    fuzz_world world;

    fuzz_world_init(&world, &role);
    fuzz_world_spawn(&world, "witness", &witness_class, weir_calloc(1, sizeof(witness)));
    fuzz_world_run(&world, &input);
    return 0;
}
