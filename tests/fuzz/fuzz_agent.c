/* The agent of a TaskManager, with a dispatcher and JobMasters that say anything. Its hands start
 * nothing and check that they are only given what may become a path or a process.
 *
 *   see fuzz_world.c; its own step: u8 which job, u8 how its task runner ends, u8 length and log */
#include "fuzz_world.h"

#include "base/id.h"
#include "base/memory.h"
#include "proto/codec.h"
#include "taskmanager/agent.h"

#include <string.h>

#define BODY(name) WEIR__PROTO__ENVELOPE__BODY_##name

enum { SLOTS = 4, RUNNERS_MAX = 8 };

typedef struct hands {
    weir_agent_host host; /* first */
    void *agent;
    uint64_t stored, steps;
    bool whole;
    char runners[RUNNERS_MAX][33];
    uint32_t nrunners;
} hands;

static const char *const actors[] = {"agent", NULL};
static const char *const incoming[] = {"jobmanager", NULL};
static const int bodies[] = {BODY(ALLOCATE_SLOTS), BODY(FREE_SLOTS), BODY(FETCH_LOG),
                             BODY(SHUTDOWN), 0};

static int find_artifact(weir_agent_host *self, const char *digest, char *path, size_t size)
{
    const hands *h = (hands *)self;
    (void)digest; /* artifact_cache.c refuses what is no digest */
    FUZZ_CHECK(size > 10);
    memcpy(path, "/x.so", 6);
    return h->whole ? 0 : WEIR_ENOT_FOUND;
}

static int store_artifact(weir_agent_host *self, const char *digest, uint64_t offset,
                          const void *bytes, size_t size, uint64_t total, weir_error *err)
{
    hands *h = (hands *)self;
    weir_digest checked;
    if (weir_digest_parse(digest, &checked) != 0)
        return weir_error_set(err, WEIR_EINVALID, "no digest");
    for (size_t i = 0; i < size; i++)
        (void)*((volatile const uint8_t *)bytes + i);
    h->stored += size;
    h->whole = offset + size >= total;
    return 0;
}

static int spawn(weir_agent_host *self, const Weir__Proto__RunnerSpec *spec, weir_error *err)
{
    hands *h = (hands *)self;
    weir_id id;
    FUZZ_OK(weir_id_parse(spec->job, &id));
    FUZZ_CHECK(spec->slots >= 1 && spec->slots <= SLOTS && spec->artifact[0] == '/');
    FUZZ_OK(weir_proto_check_text(&spec->base, err));
    if (++h->steps % 4 == 0 || h->nrunners == RUNNERS_MAX)
        return weir_error_set(err, WEIR_ERESOURCES, "no process");
    memcpy(h->runners[h->nrunners++], spec->job, 33);
    return 0;
}

static void kill_runner(weir_agent_host *self, const char *job)
{
    weir_id id;
    (void)self;
    FUZZ_OK(weir_id_parse(job, &id));
}

static int read_log(weir_agent_host *self, const char *job, size_t max, weir_buffer *out,
                    weir_error *err)
{
    (void)self;
    if (job[0] == 'x')
        return weir_error_set(err, WEIR_ENOT_FOUND, "no log");
    weir_buffer_append(out, "a log\xff\0 with odd bytes\n", max < 23 ? max : 23);
    return weir_buffer_check(out);
}

static void sweep(weir_agent_host *self, bool (*is_used)(void *data, const char *digest),
                  void *data)
{
    ((hands *)self)->whole &= is_used(data, fuzz_world_artifact());
}

static void end_runner(fuzz_world *world, fuzz_input *input)
{
    hands *h = world->data;
    weir_context *context = weir_node_context(world->node, WEIR_AGENT_ACTOR);
    uint8_t which = fuzz_u8(input), how = fuzz_u8(input);
    size_t size;
    const uint8_t *bytes = fuzz_bytes(input, &size);

    if (h->nrunners == 0 || context == NULL)
        return;
    /* As the process's host does (taskmanager/process_host.c). */
    char *log = fuzz_text(bytes, size);
    for (char *c = log; *c != '\0'; c++)
        *c = *c & 0x80 ? '?' : *c;
    weir_runner_exit exit = {h->runners[which % h->nrunners], how & 3, how >> 4,
                             (how & 4) != 0 ? "was killed by SIGSEGV" : "", log};
    weir_agent_on_exit(h->agent, context, &exit);
    weir_free(log);
}

static weir_config *configuration(void)
{
    static weir_config *config;
    if (config == NULL) {
        config = weir_config_new();
        FUZZ_CHECK(config != NULL);
        FUZZ_OK(weir_config_set(config, "taskmanager.host", "here", "test", NULL));
    }
    return config;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const fuzz_role role = {.role = "taskmanager",
                                   .actors = actors,
                                   .incoming = incoming,
                                   .bodies = bodies,
                                   .epoch = 1,
                                   .act = end_runner,
                                   .answers_all = true};
    fuzz_input input = {data, size};
    fuzz_world world;
    hands h = {.host = {.find_artifact = find_artifact,
                        .store_artifact = store_artifact,
                        .spawn = spawn,
                        .kill = kill_runner,
                        .read_log = read_log,
                        .sweep = sweep}};
    weir_agent_config config = {.config = configuration(),
                                .dispatcher = "sim://dispatcher",
                                .host_name = "host",
                                .pid = 1,
                                .slots = SLOTS,
                                .host = &h.host};

    FUZZ_OK(weir_agent_new(&config, &h.agent, NULL));
    fuzz_world_init(&world, &role);
    world.data = &h;
    fuzz_world_spawn(&world, WEIR_AGENT_ACTOR, &weir_agent_class, h.agent);
    fuzz_world_run(&world, &input);
    return 0;
}
