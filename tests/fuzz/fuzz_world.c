/* tests/fuzz/fuzz_world.c -- see fuzz_world.h. Steps, by their first byte:
 *
 *   0-3 a message   u8 puppet, u8 actor, u8 flags (EPOCH.., REPEAT, NO_REPLY), u8 body, its fields
 *   4-5 an answer   u8 which request, u8 how (0: as it should be), if so its fields
 *   6   time        u8 how long
 *   7   a puppet    u8 puppet, u8 what: comes, goes, comes as another, its link breaks
 *   8   bytes       u8 puppet, u8 length and bytes
 *   9   the target's own */
#include "fuzz_world.h"

#include "base/id.h"
#include "base/memory.h"
#include "graph/graph_codec.h"
#include "proto/codec.h"

#include <stdio.h>
#include <string.h>

enum {
    OTHER_EPOCH = 1,
    REPEAT = 2,
    NO_REPLY = 4,
    NO_EPOCH = 8,
    STEPS_MAX = 2000, /* of a node in one stretch of time */
    HOUR_MS = 3600000,
};

#define BODY(name) WEIR__PROTO__ENVELOPE__BODY_##name

/* ---- what messages are made of ---- */

static void add_operator(weir_graph *graph, enum weir_operator_kind kind, const char *name,
                         weir_schema *in, weir_schema *out)
{
    weir_graph_operator *op = weir_graph_add_operator(graph);
    FUZZ_CHECK(op != NULL);
    op->kind = kind;
    op->name = name;
    op->uid = op->url = op->path = op->connector = "";
    op->where = "job.c:1";
    op->id = weir_id_derive(name);
    op->origin = op->index;
    if (in != NULL)
        op->inputs[op->ninputs++] = weir_schema_ref(in);
    if (out != NULL) {
        op->output_names[0] = "";
        op->outputs[op->noutputs++] = weir_schema_ref(out);
    }
}

/* datagen -> count by key -> print, parallelism 2. */
const weir_buffer *fuzz_world_graph(void)
{
    static weir_buffer packed;
    weir_schema *word = NULL, *count = NULL;
    weir_graph *graph = NULL;
    weir_error err = WEIR_ERROR_INIT;

    if (packed.size > 0)
        return &packed;
    FUZZ_OK(weir_graph_new("words", &graph));
    FUZZ_OK(weir_schema_parse("text string not null", &word, NULL));
    FUZZ_OK(weir_schema_parse("text string not null, n bigint not null", &count, NULL));
    add_operator(graph, WEIR_OPERATOR_SOURCE, "source", NULL, word);
    add_operator(graph, WEIR_OPERATOR_COUNT, "count", word, count);
    add_operator(graph, WEIR_OPERATOR_SINK, "sink", count, NULL);
    graph->operators[0].connector = "datagen";
    graph->operators[0].url = "datagen:?rows=10";
    graph->operators[0].bounded = true;
    graph->operators[1].nkeys = 1;
    graph->operators[1].count_field = 1;
    graph->operators[2].connector = "print";
    graph->operators[2].url = "print:";
    for (uint32_t i = 0; i < 2; i++) {
        weir_graph_edge *edge = weir_graph_add_edge(graph);
        FUZZ_CHECK(edge != NULL);
        *edge = (weir_graph_edge){.from = i, .to = i + 1, .kind = WEIR_EDGE_FORWARD};
    }
    graph->edges[0].kind = WEIR_EDGE_HASH;
    graph->edges[0].nkeys = 1;
    graph->parallelism = 2;
    graph->max_parallelism = 128;
    graph->batch = true;
    int rc = weir_graph_validate(graph, &err);
    if (rc != 0)
        fuzz_fail(__FILE__, __LINE__, "%s", err.text);
    FUZZ_OK(weir_graph_pack(graph, &packed));
    weir_graph_destroy(&graph);
    weir_schema_unref(&word);
    weir_schema_unref(&count);
    return &packed;
}

static const weir_buffer *artifact_content(void)
{
    static weir_buffer content;
    if (content.size == 0)
        weir_buffer_puts(&content, "not really a shared object");
    return &content;
}

const char *fuzz_world_artifact(void)
{
    static char hex[WEIR_DIGEST_HEX];
    if (hex[0] == '\0') {
        weir_digest digest = weir_digest_of(artifact_content()->data, artifact_content()->size);
        weir_digest_format(&digest, hex);
    }
    return hex;
}

/* What messages name; NULL: only known when it runs. */
#define TEXT_ARTIFACT 4
static const char *pool_texts[] = {FUZZ_JOB_A,
                                   FUZZ_JOB_B,
                                   "job-" FUZZ_JOB_A,
                                   "job-" FUZZ_JOB_B,
                                   NULL,
                                   "words",
                                   "self",
                                   "p0",
                                   "p1",
                                   "p2",
                                   "p3",
                                   "p4",
                                   "p5",
                                   "p6",
                                   "p7",
                                   "dispatcher",
                                   "jobmanager",
                                   "taskmanager",
                                   "runner",
                                   "client",
                                   "agent",
                                   "c1",
                                   "0.1.0",
                                   "host",
                                   "sim://a",
                                   "sim://b",
                                   "tcp://127.0.0.1:7000",
                                   "inproc://data",
                                   "INITIALIZING",
                                   "CREATED",
                                   "RUNNING",
                                   "FAILING",
                                   "FAILED",
                                   "CANCELLING",
                                   "CANCELED",
                                   "FINISHED",
                                   "RESTARTING",
                                   "SUSPENDED",
                                   "RECONCILING",
                                   "SCHEDULED",
                                   "DEPLOYING",
                                   "parallelism.default",
                                   "1",
                                   "rpc.ask.timeout",
                                   "3 s",
                                   "pipeline.operator-chaining.enabled",
                                   "false",
                                   "0",
                                   "000000000000000000000000000000",
                                   "taskmanager-1",
                                   "killed by SIGSEGV",
                                   "a text\nof two lines",
                                   "\xc3\xa4\xe2\x82\xac",
                                   "000000000000000000000000000000AA",
                                   NULL};

const fuzz_pool *fuzz_world_pool(void)
{
    static const weir_buffer *bytes[2];
    static fuzz_pool pool;
    static char text[400];

    if (pool.ntexts == 0) {
        memset(text, 'x', sizeof text - 1);
        pool_texts[TEXT_ARTIFACT] = fuzz_world_artifact();
        pool_texts[WEIR_COUNT(pool_texts) - 1] = text;
        bytes[0] = artifact_content();
        bytes[1] = fuzz_world_graph();
        pool = (fuzz_pool){pool_texts, WEIR_COUNT(pool_texts), bytes, WEIR_COUNT(bytes)};
    }
    return &pool;
}

/* ---- the transport ---- */

static fuzz_world *of(weir_transport *self)
{
    return (fuzz_world *)self;
}

static fuzz_puppet *puppet_of(fuzz_world *world, uint64_t link)
{
    for (size_t i = 0; i < FUZZ_PUPPETS; i++) {
        if (link != 0 && world->puppets[i].link == link)
            return &world->puppets[i];
    }
    return NULL;
}

static int connect(weir_transport *self, const char *endpoint, weir_roles expected,
                   uint64_t *ret_link, weir_error *err)
{
    fuzz_world *world = of(self);
    (void)endpoint;
    for (size_t i = FUZZ_PUPPETS; i-- > FUZZ_PUPPETS / 2;) {
        fuzz_puppet *puppet = &world->puppets[i];
        if (puppet->link != 0)
            continue;
        puppet->link = *ret_link = ++world->links;
        puppet->incoming = false;
        puppet->role = (expected & WEIR_ROLE_DISPATCHER) != 0 ? "dispatcher" : "jobmanager";
        return 0;
    }
    return weir_error_set(err, WEIR_ERESOURCES, "too many connections");
}

static void disconnect(weir_transport *self, uint64_t link)
{
    fuzz_puppet *puppet = puppet_of(of(self), link);
    if (puppet != NULL)
        puppet->link = 0;
}

static void note_answer(fuzz_world *world, const fuzz_puppet *puppet, const weir_envelope *message)
{
    for (size_t i = 0; i < world->nwaiting; i++) {
        fuzz_waiting *waiting = &world->waiting[i];
        if (&world->puppets[waiting->puppet] != puppet ||
            waiting->correlation != message->correlation)
            continue;
        if (++waiting->answered > waiting->asked)
            fuzz_fail(__FILE__, __LINE__, "a request was answered twice, now with body %d",
                      (int)message->body_case);
        return;
    }
}

static void note_request(fuzz_world *world, uint64_t link, const weir_envelope *message)
{
    for (size_t i = 0; i < world->nasked; i++) {
        if (world->asked[i].correlation == message->correlation)
            return;
    }
    if (world->nasked == FUZZ_ASKED)
        memmove(world->asked, world->asked + 1, --world->nasked * sizeof world->asked[0]);
    fuzz_asked *asked = &world->asked[world->nasked++];
    *asked = (fuzz_asked){
        .link = link, .correlation = message->correlation, .body = (int)message->body_case};
    snprintf(asked->to, sizeof asked->to, "%s", message->to);
}

static int send(weir_transport *self, uint64_t link, const void *bytes, size_t size)
{
    fuzz_world *world = of(self);
    fuzz_puppet *puppet = puppet_of(world, link);
    ProtobufCMessage *base = NULL;
    weir_error err = WEIR_ERROR_INIT;

    int rc =
        weir_proto_unpack(&weir__proto__envelope__descriptor, bytes, size, 64u << 20, &base, &err);
    if (rc != 0)
        fuzz_fail(__FILE__, __LINE__, "it sent what cannot be read: %s", err.text);
    const weir_envelope *message = (const weir_envelope *)base;
    FUZZ_CHECK(message->body_case != BODY(_NOT_SET));
    if (puppet != NULL) {
        if (message->body_case == BODY(HELLO)) {
            puppet->welcome_due = true;
            puppet->hello = message->correlation;
        } else if (message->body_case == BODY(WELCOME)) {
            puppet->up = true;
        } else if (message->body_case == BODY(HEARTBEAT)) {
            puppet->heartbeat_due = !puppet->incoming;
        } else if (message->reply) {
            note_answer(world, puppet, message);
        } else if (message->correlation != 0 && message->body_case != BODY(REFUSE)) {
            note_request(world, link, message);
        }
    }
    weir_proto_free(base);
    return puppet != NULL ? 0 : WEIR_EUNAVAILABLE;
}

static int64_t now_ms(weir_transport *self)
{
    return of(self)->now_ms;
}

static int64_t wall_ms(weir_transport *self)
{
    return 1700000000000 + of(self)->now_ms;
}

static uint64_t next_random(weir_transport *self)
{
    return of(self)->random += 0x9e3779b97f4a7c15u;
}

static void take_log(weir_transport *self, int level, const char *line)
{
    (void)self;
    (void)level;
    FUZZ_CHECK(line[0] != '\0');
}

/* ---- saying things ---- */

static void give(fuzz_world *world, uint64_t link, const weir_envelope *message)
{
    weir_buffer bytes = WEIR_BUFFER_INIT;
    FUZZ_OK(weir_proto_pack(&message->base, &bytes));
    uint8_t *exact = fuzz_copy(bytes.data, bytes.size);
    weir_node_on_message(world->node, link, exact, bytes.size);
    weir_free(exact);
    weir_buffer_deinit(&bytes);
}

static weir_envelope from(fuzz_puppet *puppet)
{
    weir_envelope message = WEIR__PROTO__ENVELOPE__INIT;
    message.from_process = puppet->process;
    message.from = (char *)(uintptr_t) "puppet";
    message.to = (char *)(uintptr_t) "node";
    return message;
}

static void say_hello(fuzz_world *world, fuzz_puppet *puppet)
{
    Weir__Proto__PeerHello hello = WEIR__PROTO__PEER_HELLO__INIT;
    weir_envelope message = from(puppet);
    hello.protocol_min = hello.protocol_max = 1;
    hello.cluster = (char *)(uintptr_t) "c1";
    hello.process = puppet->process;
    hello.role = (char *)(uintptr_t)puppet->role;
    hello.version = (char *)(uintptr_t) "0.1.0";
    puppet->up = false; /* until it is welcomed */
    message.correlation = puppet->hello = ++world->hellos;
    message.body_case = BODY(HELLO);
    message.hello = &hello;
    give(world, puppet->link, &message);
}

static void say_what_is_due(fuzz_world *world, fuzz_puppet *puppet)
{
    Weir__Proto__Welcome welcome = WEIR__PROTO__WELCOME__INIT;
    Weir__Proto__Heartbeat heartbeat = WEIR__PROTO__HEARTBEAT__INIT;
    weir_envelope message = from(puppet);

    if (puppet->welcome_due && puppet->link != 0) {
        puppet->welcome_due = false;
        welcome.protocol = 1;
        welcome.process = puppet->process;
        welcome.role = (char *)(uintptr_t)puppet->role;
        message.correlation = puppet->hello;
        message.reply = true;
        message.body_case = BODY(WELCOME);
        message.welcome = &welcome;
        puppet->up = true;
        give(world, puppet->link, &message);
    }
    if (puppet->heartbeat_due && puppet->link != 0) {
        puppet->heartbeat_due = false;
        message = from(puppet);
        message.body_case = BODY(HEARTBEAT);
        message.heartbeat = &heartbeat;
        give(world, puppet->link, &message);
    }
}

static int64_t run(fuzz_world *world)
{
    int64_t next = weir_node_run(world->node);
    for (size_t i = 0; i < FUZZ_PUPPETS; i++) {
        fuzz_puppet *puppet = &world->puppets[i];
        if (puppet->welcome_due || puppet->heartbeat_due) {
            say_what_is_due(world, puppet);
            next = weir_node_run(world->node);
        }
    }
    return next;
}

void fuzz_world_settle(fuzz_world *world)
{
    for (int i = 0; i < STEPS_MAX && run(world) <= world->now_ms; i++)
        continue;
}

static void pass_time(fuzz_world *world, int64_t ms)
{
    int64_t end = world->now_ms + ms;
    for (int i = 0; i < STEPS_MAX; i++) {
        int64_t next = run(world);
        if (next > end)
            break;
        world->now_ms = next > world->now_ms ? next : world->now_ms;
    }
    world->now_ms = end;
    fuzz_world_settle(world);
}

/* ---- steps ---- */

/* The body of a message: the field of the envelope, and what lies in it. */
static void set_body(fuzz_world *world, fuzz_input *input, weir_envelope *message, unsigned id)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(&weir__proto__envelope__descriptor, id);
    if (field == NULL || (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
        return;
    ProtobufCMessage *body =
        fuzz_message(input, world->arena, fuzz_world_pool(), field->descriptor);
    message->body_case = (Weir__Proto__Envelope__BodyCase)id;
    memcpy((char *)message + field->offset, &body, sizeof body);
}

static const char *choose_text(fuzz_input *input, const char *const *list)
{
    size_t count = 0;
    while (list[count] != NULL)
        count++;
    uint8_t choice = fuzz_u8(input);
    if (choice >= 250)
        return fuzz_world_pool()->texts[fuzz_below(input, (uint32_t)fuzz_world_pool()->ntexts)];
    return list[choice % count];
}

static unsigned choose_body(fuzz_world *world, fuzz_input *input)
{
    size_t count = 0;
    while (world->role->bodies[count] != 0)
        count++;
    uint8_t choice = fuzz_u8(input);
    return choice >= 250 ? fuzz_u8(input) : (unsigned)world->role->bodies[choice % count];
}

static void note_waiting(fuzz_world *world, const fuzz_puppet *puppet, uint64_t correlation,
                         bool must)
{
    uint32_t index = (uint32_t)(puppet - world->puppets);
    fuzz_waiting *found = NULL;

    for (size_t i = 0; i < world->nwaiting; i++) {
        if (world->waiting[i].puppet == index && world->waiting[i].correlation == correlation)
            found = &world->waiting[i];
    }
    if (found == NULL && world->nwaiting < FUZZ_WAITING) {
        found = &world->waiting[world->nwaiting++];
        *found = (fuzz_waiting){
            .puppet = index, .correlation = correlation, .must = must, .hello = puppet->hello};
    }
    if (found != NULL)
        found->asked++;
}

static bool is_name(const char *text)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
    size_t size = strlen(text);
    return size > 0 && size < WEIR_ACTOR_NAME_MAX && strspn(text, allowed) == size;
}

static void send_message(fuzz_world *world, fuzz_input *input)
{
    fuzz_puppet *puppet = &world->puppets[fuzz_below(input, FUZZ_PUPPETS)];
    const char *to = choose_text(input, world->role->actors);
    uint8_t flags = fuzz_u8(input);
    weir_envelope message = from(puppet);

    message.to = (char *)(uintptr_t)to;
    message.epoch = (flags & NO_EPOCH) != 0      ? 0
                    : (flags & OTHER_EPOCH) != 0 ? fuzz_u8(input)
                                                 : world->role->epoch;
    if ((flags & NO_REPLY) == 0)
        message.correlation = (flags & REPEAT) != 0 && world->correlations > 0
                                  ? world->correlations
                                  : ++world->correlations;
    set_body(world, input, &message, choose_body(world, input));
    if (puppet->link == 0 || message.body_case == BODY(_NOT_SET))
        return;
    bool is_fit = is_name(to) && weir_proto_check_text(&message.base, NULL) == 0;
    bool is_told = message.body_case == BODY(PROGRESS); /* and never answered */
    if (message.correlation != 0)
        note_waiting(world, puppet, message.correlation,
                     puppet->up && is_fit && !is_told && message.body_case >= BODY(SUBMIT_JOB));
    give(world, puppet->link, &message);
}

void fuzz_world_tell(fuzz_world *world, uint32_t puppet, const char *to, int body_case,
                     ProtobufCMessage *body)
{
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(
        &weir__proto__envelope__descriptor, (unsigned)body_case);
    fuzz_puppet *teller = &world->puppets[puppet];
    weir_envelope message = from(teller);

    FUZZ_CHECK(field != NULL && teller->link != 0);
    message.to = (char *)(uintptr_t)to;
    message.epoch = world->role->epoch;
    message.correlation = ++world->correlations;
    message.body_case = (Weir__Proto__Envelope__BodyCase)body_case;
    memcpy((char *)&message + field->offset, &body, sizeof body);
    give(world, teller->link, &message);
    fuzz_world_settle(world);
}

/* What a request wants to hear. */
static unsigned right_answer(int body)
{
    switch (body) {
    case BODY(SUBMIT_JOB):
        return BODY(SUBMIT_REPLY);
    case BODY(REGISTER):
        return BODY(REGISTER_REPLY);
    case BODY(REQUEST_SLOTS):
        return BODY(SLOTS_REPLY);
    case BODY(FETCH_ARTIFACT):
        return BODY(ARTIFACT_CHUNK);
    case BODY(OFFER_SLOTS):
        return BODY(OFFER_REPLY);
    case BODY(REQUEST_SPLIT):
        return BODY(SPLIT_REPLY);
    case BODY(PRINT_ROWS):
        return BODY(PRINT_REPLY);
    case BODY(FETCH_ROWS):
        return BODY(ROWS);
    case BODY(FETCH_LOG):
        return BODY(LOG_TEXT);
    default:
        return BODY(ACK);
    }
}

static void answer(fuzz_world *world, fuzz_input *input)
{
    uint8_t which = fuzz_u8(input), how = fuzz_u8(input);
    if (world->nasked == 0)
        return;
    size_t index = which % world->nasked;
    fuzz_asked asked = world->asked[index];
    fuzz_puppet *puppet = puppet_of(world, asked.link);
    unsigned body = how < 160   ? right_answer(asked.body)
                    : how < 200 ? BODY(ERROR)
                    : how < 220 ? BODY(ACK)
                                : fuzz_u8(input);

    if (how % 8 != 7) /* else it may be answered twice */
        memmove(&world->asked[index], &world->asked[index + 1],
                (--world->nasked - index) * sizeof asked);
    if (puppet == NULL)
        return;
    weir_envelope message = from(puppet);
    message.from = asked.to;
    message.correlation = asked.correlation;
    message.reply = true;
    message.epoch = world->role->epoch;
    set_body(world, input, &message, body);
    if (message.body_case == BODY(ERROR) && message.error->code > 0)
        message.error->code = -message.error->code % 20;
    give(world, puppet->link, &message);
}

static void move_puppet(fuzz_world *world, fuzz_input *input)
{
    uint32_t index = fuzz_below(input, FUZZ_PUPPETS);
    fuzz_puppet *puppet = &world->puppets[index];
    uint8_t what = fuzz_u8(input);
    Weir__Proto__Goodbye goodbye = WEIR__PROTO__GOODBYE__INIT;
    weir_envelope message;

    if (puppet->link != 0 && !puppet->incoming) { /* the node's own connection */
        weir_node_on_link(world->node, puppet->link, (what & 1) != 0);
        if ((what & 2) != 0) { /* another incarnation, which nobody knows yet */
            snprintf(puppet->process, sizeof puppet->process, "p%u-%u", index, what);
            puppet->up = false;
        }
        puppet->welcome_due = (what & 4) != 0;
        return;
    }
    if (puppet->link != 0 && (what & 0x80) != 0) {
        message = from(puppet);
        message.body_case = BODY(GOODBYE);
        message.goodbye = &goodbye;
        give(world, puppet->link, &message);
        puppet->up = false;
        return;
    }
    if (puppet->link == 0)
        puppet->link = ++world->links;
    puppet->incoming = true;
    if ((what & 0x40) != 0)
        snprintf(puppet->process, sizeof puppet->process, "p%u-%u", index, what);
    size_t roles = 0;
    while (world->role->incoming[roles] != NULL)
        roles++;
    puppet->role = world->role->incoming[(what & 7) % roles];
    say_hello(world, puppet);
}

static void send_bytes(fuzz_world *world, fuzz_input *input)
{
    fuzz_puppet *puppet = &world->puppets[fuzz_below(input, FUZZ_PUPPETS)];
    size_t size;
    const uint8_t *bytes = fuzz_bytes(input, &size);
    uint8_t *copy = fuzz_copy(bytes, size);
    weir_node_on_message(world->node, puppet->link != 0 ? puppet->link : ++world->links, copy,
                         size);
    weir_free(copy);
}

static void step(fuzz_world *world, fuzz_input *input)
{
    static const int64_t times[] = {1, 30, 500, 2000, 11000, 61000, 320000, 1000000};
    uint32_t what = fuzz_below(input, 10);

    world->arena = weir_arena_new(4096);
    FUZZ_CHECK(world->arena != NULL);
    if (what < 4)
        send_message(world, input);
    else if (what < 6)
        answer(world, input);
    else if (what == 6)
        pass_time(world, times[fuzz_below(input, WEIR_COUNT(times))]);
    else if (what == 7)
        move_puppet(world, input);
    else if (what == 8)
        send_bytes(world, input);
    else if (world->role->act != NULL)
        world->role->act(world, input);
    fuzz_world_settle(world);
    weir_arena_destroy(&world->arena);
}

/* ---- a whole run ---- */

void fuzz_world_init(fuzz_world *world, const fuzz_role *role)
{
    weir_node_config config = {.cluster = "c1",
                               .role = role->role,
                               .process = "self",
                               .version = "0.1.0",
                               .heartbeat_interval_ms = HOUR_MS,
                               .heartbeat_timeout_ms = 4 * HOUR_MS,
                               .retry_interval_ms = 5000,
                               .peers_max = 6,
                               .message_max = 1u << 20,
                               .replies_kept = 20};

    *world = (fuzz_world){.role = role, .now_ms = 1000};
    world->transport = (weir_transport){.connect = connect,
                                        .disconnect = disconnect,
                                        .send = send,
                                        .now_ms = now_ms,
                                        .wall_ms = wall_ms,
                                        .random = next_random,
                                        .log = take_log};
    for (unsigned i = 0; i < FUZZ_PUPPETS; i++) {
        snprintf(world->puppets[i].process, sizeof world->puppets[i].process, "p%u", i);
        world->puppets[i].role = role->incoming[0];
    }
    FUZZ_OK(weir_node_new(&config, &world->transport, &world->node, NULL));
}

void fuzz_world_spawn(fuzz_world *world, const char *name, const weir_actor_class *vtable,
                      void *self)
{
    weir_error err = WEIR_ERROR_INIT;
    int rc = weir_node_spawn(world->node, name, vtable, self, &err);
    if (rc != 0)
        fuzz_fail(__FILE__, __LINE__, "%s", err.text);
    fuzz_world_settle(world);
}

/* The first request that should have been answered and was not; NULL: there is none. */
static const fuzz_waiting *unanswered(const fuzz_world *world)
{
    for (size_t i = 0; i < world->nwaiting && !weir_node_is_stopped(world->node); i++) {
        const fuzz_waiting *waiting = &world->waiting[i];
        const fuzz_puppet *puppet = &world->puppets[waiting->puppet];
        if (waiting->must && waiting->answered == 0 && puppet->link != 0 && puppet->up &&
            puppet->hello == waiting->hello)
            return waiting; /* who left is not answered */
    }
    return NULL;
}

void fuzz_world_run(fuzz_world *world, fuzz_input *input)
{
    const fuzz_waiting *left = NULL;

    while (input->left > 0 && !weir_node_is_stopped(world->node))
        step(world, input);
    for (int i = 0; i < 12 && world->role->answers_all && (left = unanswered(world)) != NULL; i++)
        pass_time(world, HOUR_MS / 12);
    if (left != NULL && (left = unanswered(world)) != NULL)
        fuzz_fail(__FILE__, __LINE__, "request %llu of %s was never answered",
                  (unsigned long long)left->correlation, world->puppets[left->puppet].process);
    weir_node_destroy(&world->node);
}

/* ---- seeds ---- */

void fuzz_put_come(weir_buffer *out, uint8_t puppet, uint8_t role)
{
    weir_buffer_putc(out, 7);
    weir_buffer_putc(out, (char)puppet);
    weir_buffer_putc(out, (char)role);
}

void fuzz_put_send(weir_buffer *out, uint8_t puppet, uint8_t actor, uint8_t body_index,
                   const ProtobufCMessage *body)
{
    weir_buffer_putc(out, 0);
    weir_buffer_putc(out, (char)puppet);
    weir_buffer_putc(out, (char)actor);
    weir_buffer_putc(out, 0);
    weir_buffer_putc(out, (char)body_index);
    fuzz_put_message(out, fuzz_world_pool(), body);
}

void fuzz_put_answer(weir_buffer *out, uint8_t asked, const ProtobufCMessage *body)
{
    weir_buffer_putc(out, 4);
    weir_buffer_putc(out, (char)asked);
    weir_buffer_putc(out, 0);
    fuzz_put_message(out, fuzz_world_pool(), body);
}

void fuzz_put_time(weir_buffer *out, uint8_t which)
{
    weir_buffer_putc(out, 6);
    weir_buffer_putc(out, (char)which);
}
