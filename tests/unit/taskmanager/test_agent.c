/* tests/unit/taskmanager/test_agent.c -- the agent between a dispatcher and JobManagers that the
 * test plays, over the simulator: what it keeps while jobs come and go. */
#include "actors/simulator.h"
#include "base/memory.h"
#include "taskmanager/agent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000)
#define JOBS   3

typedef struct world {
    weir_simulator *simulator;
    weir_simulated_node *taskmanager, *dispatcher, *jobmanagers[JOBS];
    weir_agent_host host;
    weir_config *config;
    void *agent;
    weir_context *to_agent; /* of the dispatcher */
    char agent_process[WEIR_PROCESS_NAME_MAX];
    bool is_running[JOBS];
    uint32_t sweeps, looks, swept_used;
    char artifact[8];
} world;

static world *the;

static const char *job_name(int job)
{
    static char names[JOBS][33];
    snprintf(names[job], sizeof names[job], "%032d", job + 1);
    return names[job];
}

static int job_number(const char *name)
{
    return name[31] - '1';
}

/* ---- the agent's hands ---- */

static int find_artifact(weir_agent_host *self, const char *digest, char *path, size_t size)
{
    (void)self;
    snprintf(path, size, "/%s.so", digest);
    return 0;
}

static int spawn(weir_agent_host *self, const Weir__Proto__RunnerSpec *spec, weir_error *err)
{
    (void)self;
    (void)err;
    the->is_running[job_number(spec->job)] = true;
    return 0;
}

static void end_runner(int job)
{
    weir_runner_exit end = {job_name(job), 0, 0, "", ""};
    the->is_running[job] = false;
    weir_agent_on_exit(
        the->agent, weir_node_context(weir_simulated_node_get(the->taskmanager), WEIR_AGENT_ACTOR),
        &end);
}

static void kill_runner(weir_agent_host *self, const char *job)
{
    (void)self;
    the->is_running[job_number(job)] = false;
}

static void sweep(weir_agent_host *self, bool (*is_used)(void *, const char *), void *data)
{
    (void)self;
    the->sweeps++;
    the->swept_used = 0;
    for (char name[] = "a0"; name[1] < '0' + JOBS; name[1]++)
        the->swept_used += is_used(data, name);
}

static int64_t look_after(weir_agent_host *self)
{
    (void)self;
    the->looks++;
    return 1000;
}

/* ---- dispatcher and JobMasters ---- */

static void dispatcher_receive(void *data, weir_context *context, const weir_envelope *message)
{
    weir_reply_to to = weir_reply_to_of(message);
    Weir__Proto__RegisterReply body = WEIR__PROTO__REGISTER_REPLY__INIT;
    weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
    (void)data;

    assert_int_equal(message->body_case, WEIR__PROTO__ENVELOPE__BODY_REGISTER);
    the->to_agent = context;
    snprintf(the->agent_process, sizeof the->agent_process, "%s", message->from_process);
    reply.body_case = WEIR__PROTO__ENVELOPE__BODY_REGISTER_REPLY;
    reply.register_reply = &body;
    weir_context_reply(context, &to, &reply);
}

static void master_receive(void *data, weir_context *context, const weir_envelope *message)
{
    weir_reply_to to = weir_reply_to_of(message);
    Weir__Proto__OfferReply body = WEIR__PROTO__OFFER_REPLY__INIT;
    weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
    char artifact[] = "a0";
    (void)data;

    if (message->body_case != WEIR__PROTO__ENVELOPE__BODY_OFFER_SLOTS) {
        weir_context_reply_ack(context, &to);
        return;
    }
    artifact[1] = (char)('0' + job_number(message->offer_slots->job));
    body.accepted = true;
    body.artifact = artifact;
    body.epoch = 1;
    body.count = 1;
    reply.body_case = WEIR__PROTO__ENVELOPE__BODY_OFFER_REPLY;
    reply.offer_reply = &body;
    weir_context_reply(context, &to, &reply);
}

static void free_nothing(void *data)
{
    (void)data;
}

static const weir_actor_class dispatcher_class = {"dispatcher", NULL, dispatcher_receive,
                                                  NULL,         NULL, free_nothing};
static const weir_actor_class master_class = {"master", NULL, master_receive,
                                              NULL,     NULL, free_nothing};

static void on_acknowledged(void *self, weir_context *context, void *data,
                            const weir_envelope *reply, const weir_error *error)
{
    (void)self;
    (void)context;
    (void)data;
    (void)reply;
    if (error)
        fail_msg("%s", error->text);
}

static void tell_agent(weir_envelope *order)
{
    weir_context_request(the->to_agent, (weir_address){the->agent_process, WEIR_AGENT_ACTOR}, order,
                         5000, on_acknowledged, NULL);
}

/* Job i has a JobManager of its own. */
static void allocate(int job)
{
    Weir__Proto__AllocateSlots body = WEIR__PROTO__ALLOCATE_SLOTS__INIT;
    weir_envelope order = WEIR__PROTO__ENVELOPE__INIT;
    char endpoint[32];

    snprintf(endpoint, sizeof endpoint, "sim://jobmanager-%d", job);
    body.job = (char *)(uintptr_t)job_name(job);
    body.count = 1;
    body.jobmanager = endpoint;
    body.master = (char *)(uintptr_t) "master";
    order.body_case = WEIR__PROTO__ENVELOPE__BODY_ALLOCATE_SLOTS;
    order.allocate_slots = &body;
    tell_agent(&order);
}

static void give_back(int job)
{
    Weir__Proto__FreeSlots body = WEIR__PROTO__FREE_SLOTS__INIT;
    weir_envelope order = WEIR__PROTO__ENVELOPE__INIT;

    body.job = (char *)(uintptr_t)job_name(job);
    order.body_case = WEIR__PROTO__ENVELOPE__BODY_FREE_SLOTS;
    order.free_slots = &body;
    tell_agent(&order);
}

/* ---- the world ---- */

static weir_simulated_node *add(const char *role, const char *process, const char *endpoint,
                                const char *actor, const weir_actor_class *vtable, void *self)
{
    weir_node_config config = {.cluster = "test",
                               .role = role,
                               .process = process,
                               .version = "test",
                               .heartbeat_interval_ms = 200,
                               .heartbeat_timeout_ms = 1000,
                               .retry_interval_ms = 100,
                               .peers_max = 16,
                               .message_max = 1u << 20};
    weir_simulated_node *node = NULL;
    weir_error error = WEIR_ERROR_INIT;

    if (weir_simulator_add(the->simulator, &config, endpoint, NULL, NULL, &node, &error) != 0 ||
        weir_node_spawn(weir_simulated_node_get(node), actor, vtable, self, &error) != 0)
        fail_msg("%s", error.text);
    return node;
}

static void run_for(int64_t us)
{
    int64_t until = weir_simulator_now_us(the->simulator) + us;
    assert_int_equal(weir_simulator_run(the->simulator, NULL, NULL, until), WEIR_ETIMEOUT);
}

static int setup(void **state)
{
    weir_error error = WEIR_ERROR_INIT;
    world *w = weir_calloc(1, sizeof *w);

    the = *state = w;
    w->config = weir_config_new();
    assert_int_equal(weir_simulator_new(7, &w->simulator), 0);
    w->dispatcher =
        add("dispatcher", "dispatcher-1", "sim://dispatcher", "dispatcher", &dispatcher_class, w);
    for (int i = 0; i < JOBS; i++) {
        char process[32], endpoint[32];
        snprintf(process, sizeof process, "jobmanager-%d", i);
        snprintf(endpoint, sizeof endpoint, "sim://jobmanager-%d", i);
        w->jobmanagers[i] = add("jobmanager", process, endpoint, "master", &master_class, w);
    }
    w->host = (weir_agent_host){.find_artifact = find_artifact,
                                .spawn = spawn,
                                .kill = kill_runner,
                                .sweep = sweep,
                                .look_after = look_after};
    weir_agent_config config = {.config = w->config,
                                .dispatcher = "sim://dispatcher",
                                .host_name = "here",
                                .pid = 1,
                                .slots = 8,
                                .host = &w->host};
    assert_int_equal(weir_agent_new(&config, &w->agent, &error), 0);
    w->taskmanager =
        add("taskmanager", "taskmanager-1", NULL, WEIR_AGENT_ACTOR, &weir_agent_class, w->agent);
    run_for(SECOND);
    assert_string_equal(w->agent_process, "taskmanager-1");
    return 0;
}

static int teardown(void **state)
{
    world *w = *state;
    weir_simulator_destroy(&w->simulator);
    weir_config_destroy(&w->config);
    weir_free(w);
    return 0;
}

/* How many connections the agent has beside the one to the dispatcher: an endpoint that is
 * connected cannot be connected again. */
static int connections(void)
{
    weir_context *context =
        weir_node_context(weir_simulated_node_get(the->taskmanager), WEIR_AGENT_ACTOR);
    int count = 0;

    for (int i = 0; i < JOBS; i++) {
        char endpoint[32];
        snprintf(endpoint, sizeof endpoint, "sim://jobmanager-%d", i);
        if (weir_context_connect(context, "probe", endpoint, 0, NULL) == WEIR_EEXISTS)
            count++;
        else
            weir_context_disconnect(context, "probe");
    }
    return count;
}

/* ---- tests ---- */

static void test_a_connection_lives_as_long_as_its_jobmanager(void **state)
{
    (void)state;
    for (int i = 0; i < JOBS; i++)
        allocate(i);
    run_for(SECOND);
    assert_true(the->is_running[0] && the->is_running[1] && the->is_running[2]);
    assert_int_equal(connections(), 3);
    end_runner(0);
    give_back(0);
    run_for(SECOND);
    assert_int_equal(connections(), 3); /* it is up, and may have the next job */
    weir_simulator_kill(the->simulator, the->jobmanagers[0]);
    run_for(3 * SECOND);
    assert_int_equal(connections(), 2);
    /* Of one that dies first, what its jobs leave is told to nobody, but they are known. */
    weir_simulator_kill(the->simulator, the->jobmanagers[1]);
    run_for(3 * SECOND);
    assert_int_equal(connections(), 2);
    give_back(1);
    end_runner(1);
    run_for(3 * SECOND);
    assert_int_equal(connections(), 1);
    assert_true(the->is_running[2]);
}

static void test_a_runner_that_is_killed_late_leaves_no_connection(void **state)
{
    (void)state;
    allocate(0);
    run_for(SECOND);
    weir_simulator_kill(the->simulator, the->jobmanagers[0]);
    run_for(3 * SECOND);
    give_back(0);
    run_for(3 * SECOND); /* the runner did not end by itself */
    assert_false(the->is_running[0]);
    assert_int_equal(connections(), 0);
}

static void test_files_are_swept_once_a_minute(void **state)
{
    (void)state;
    uint32_t before = the->sweeps;
    allocate(0);
    allocate(2);
    run_for(61 * SECOND);
    assert_int_equal(the->sweeps, before + 1);
    assert_int_equal(the->swept_used, 2);
    end_runner(0);
    give_back(0);
    run_for(60 * SECOND);
    assert_int_equal(the->sweeps, before + 2);
    assert_int_equal(the->swept_used, 1);
}

static void test_runners_are_looked_after_while_there_are_any(void **state)
{
    (void)state;
    assert_int_equal(the->looks, 0);
    allocate(0);
    run_for(5 * SECOND);
    assert_in_range(the->looks, 4, 6);
    end_runner(0);
    give_back(0);
    run_for(2 * SECOND);
    uint32_t looks = the->looks;
    run_for(60 * SECOND);
    assert_int_equal(the->looks, looks);
    allocate(1);
    run_for(5 * SECOND);
    assert_in_range(the->looks, looks + 4, looks + 6);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_a_connection_lives_as_long_as_its_jobmanager),
        T(test_a_runner_that_is_killed_late_leaves_no_connection),
        T(test_files_are_swept_once_a_minute),
        T(test_runners_are_looked_after_while_there_are_any),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
