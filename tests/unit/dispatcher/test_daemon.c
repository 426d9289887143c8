/* The real process: this program starts itself as a dispatcher, talks to it over TCP, kills it. */
#include "base/clock.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/memory.h"
#include "dispatcher/daemon.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define BODY(name) WEIR__PROTO__ENVELOPE__BODY_##name

static char directory[256];

/* ---- as the dispatcher ---- */

static void say_endpoint(void *data, const char *endpoint, weir_reactor *reactor)
{
    (void)data;
    (void)reactor;
    printf("%s\n", endpoint);
    fflush(stdout);
}

static int be_dispatcher(const char *at)
{
    weir_error err = WEIR_ERROR_INIT;
    weir_config *config = weir_config_new();
    weir_daemon_block_signals();
    weir_log_setup("dispatcher", WEIR_LOG_OFF);
    if (config == NULL || weir_config_set(config, "cluster.directory", at, "-D", &err) != 0 ||
        weir_config_set(config, "dispatcher.rpc.port", "0", "-D", &err) != 0)
        return 3;
    weir_dispatcher_daemon_config of = {.config = config, .signals = true, .ready = say_endpoint};
    int rc = weir_dispatcher_run(&of, &err);
    if (rc != 0)
        printf("%d %s\n", rc, err.text);
    weir_config_destroy(&config);
    weir_reactor_end_process();
    return rc == 0 ? 0 : 4;
}

/* ---- as its starter ---- */

static pid_t start_process(char *line, size_t size)
{
    int ends[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    char *const arguments[] = {(char *)"/proc/self/exe", directory, NULL};
    assert_int_equal(pipe(ends), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    FILE *out = fdopen(ends[0], "r");
    assert_non_null(fgets(line, (int)size, out));
    line[strcspn(line, "\n")] = '\0';
    fclose(out);
    return pid;
}

static int wait_process(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* ---- a client ---- */

typedef struct client {
    weir_envelope *question;
    void (*check)(const weir_envelope *reply);
    const char *endpoint;
    int code;
} client;

static void on_reply(void *actor, weir_context *context, void *data, const weir_envelope *reply,
                     const weir_error *error)
{
    client *self = actor;
    (void)data;
    self->code = error == NULL ? 0 : error->code;
    if (error == NULL && self->check != NULL)
        self->check(reply);
    weir_context_stop_node(context);
}

static void client_start(void *actor, weir_context *context)
{
    client *self = actor;
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(weir_context_connect(context, "dispatcher", self->endpoint, 0, &err), 0);
    weir_context_request(context, (weir_address){"dispatcher", "dispatcher"}, self->question, 20000,
                         on_reply, NULL);
}

static void client_receive(void *actor, weir_context *context, const weir_envelope *message)
{
    (void)actor, (void)context, (void)message;
}

static void client_destroy(void *actor)
{
    (void)actor;
}

static const weir_actor_class client_class = {"Client", client_start, client_receive,
                                              NULL,     NULL,         client_destroy};

static int ask(const char *endpoint, weir_envelope *question,
               void (*check)(const weir_envelope *reply))
{
    weir_error err = WEIR_ERROR_INIT;
    weir_config *config = weir_config_new();
    weir_daemon *daemon = NULL;
    client self = {question, check, endpoint, 1};
    weir_daemon_config frame = {.config = config, .role = "client"};
    assert_int_equal(weir_daemon_new(&frame, &daemon, &err), 0);
    assert_int_equal(
        weir_node_spawn(weir_daemon_node(daemon), "client", &client_class, &self, &err), 0);
    assert_int_equal(weir_daemon_run(daemon, &err), 0);
    weir_daemon_destroy(&daemon);
    weir_config_destroy(&config);
    return self.code;
}

static void check_complete(const weir_envelope *reply)
{
    assert_int_equal(reply->body_case, BODY(UPLOAD_REPLY));
    assert_true(reply->upload_reply->complete);
}

static void check_accepted(const weir_envelope *reply)
{
    assert_int_equal(reply->body_case, BODY(JOB_DETAIL));
    assert_string_equal(reply->job_detail->summary->state, "INITIALIZING");
}

static void check_status(const weir_envelope *reply)
{
    assert_int_equal(reply->body_case, BODY(CLUSTER_DETAIL));
    assert_int_equal(reply->cluster_detail->n_processes, 1);
}

static const char job[] = "00112233445566778899aabbccddeeff";

static void submit_over(const char *endpoint)
{
    Weir__Proto__UploadChunk chunk = WEIR__PROTO__UPLOAD_CHUNK__INIT;
    Weir__Proto__SubmitJob submit = WEIR__PROTO__SUBMIT_JOB__INIT;
    weir_envelope question = WEIR__PROTO__ENVELOPE__INIT;
    weir_digest digest = weir_digest_of("object", 6);
    char hex[WEIR_DIGEST_HEX];
    weir_digest_format(&digest, hex);
    chunk.artifact = hex;
    chunk.total = 6;
    chunk.content.data = (uint8_t *)"object";
    chunk.content.len = 6;
    question.body_case = BODY(UPLOAD_CHUNK);
    question.upload_chunk = &chunk;
    assert_int_equal(ask(endpoint, &question, check_complete), 0);
    submit.job = (char *)job;
    submit.name = (char *)"wordcount";
    submit.graph.data = (uint8_t *)"graph";
    submit.graph.len = 5;
    submit.artifact = hex;
    question.body_case = BODY(SUBMIT_JOB);
    question.submit_job = &submit;
    assert_int_equal(ask(endpoint, &question, NULL), 0);
}

static void test_accepted_job_survives_kill(void **state)
{
    (void)state;
    char endpoint[256], other[256];
    Weir__Proto__DescribeJob describe = WEIR__PROTO__DESCRIBE_JOB__INIT;
    weir_envelope question = WEIR__PROTO__ENVELOPE__INIT;
    pid_t pid = start_process(endpoint, sizeof endpoint);
    assert_int_equal(strncmp(endpoint, "tcp://127.0.0.1:", 16), 0);
    submit_over(endpoint);
    /* The directory is this one's alone. */
    pid_t second = start_process(other, sizeof other);
    assert_int_equal(WEXITSTATUS(wait_process(second)), 4);
    assert_non_null(strstr(other, "in use by process"));
    kill(pid, SIGKILL);
    assert_true(WIFSIGNALED(wait_process(pid)));
    pid = start_process(endpoint, sizeof endpoint);
    describe.job = (char *)"wordcount";
    question.body_case = BODY(DESCRIBE_JOB);
    question.describe_job = &describe;
    assert_int_equal(ask(endpoint, &question, check_accepted), 0);
    submit_over(endpoint); /* again, the same */
    kill(pid, SIGTERM);
    assert_int_equal(wait_process(pid), 0);
    /* StopCluster ends it, too. */
    Weir__Proto__StopCluster stop = WEIR__PROTO__STOP_CLUSTER__INIT;
    pid = start_process(endpoint, sizeof endpoint);
    question.body_case = BODY(STOP_CLUSTER);
    question.stop_cluster = &stop;
    assert_int_equal(ask(endpoint, &question, NULL), 0);
    assert_int_equal(wait_process(pid), 0);
}

/* ---- in a thread, as local mode has it ---- */

typedef struct local {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    weir_reactor *reactor;
    char endpoint[256];
    const weir_config *config;
    int rc;
} local;

static void on_ready(void *data, const char *endpoint, weir_reactor *reactor)
{
    local *self = data;
    pthread_mutex_lock(&self->lock);
    self->reactor = reactor;
    snprintf(self->endpoint, sizeof self->endpoint, "%s", endpoint);
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static void *run_local(void *data)
{
    local *self = data;
    weir_error err = WEIR_ERROR_INIT;
    weir_dispatcher_daemon_config of = {.config = self->config,
                                        .bind = "inproc://dispatcher-test",
                                        .in_memory = true,
                                        .ready = on_ready,
                                        .ready_data = self};
    self->rc = weir_dispatcher_run(&of, &err);
    return NULL;
}

static void test_local_mode(void **state)
{
    (void)state;
    weir_config *config = weir_config_new();
    local self = {.lock = PTHREAD_MUTEX_INITIALIZER,
                  .changed = PTHREAD_COND_INITIALIZER,
                  .config = config,
                  .rc = 1};
    Weir__Proto__ClusterStatus status = WEIR__PROTO__CLUSTER_STATUS__INIT;
    weir_envelope question = WEIR__PROTO__ENVELOPE__INIT;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_local, &self), 0);
    pthread_mutex_lock(&self.lock);
    while (self.reactor == NULL)
        pthread_cond_wait(&self.changed, &self.lock);
    pthread_mutex_unlock(&self.lock);
    question.body_case = BODY(CLUSTER_STATUS);
    question.cluster_status = &status;
    assert_int_equal(ask(self.endpoint, &question, check_status), 0);
    submit_over(self.endpoint);
    weir_reactor_interrupt(self.reactor);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(self.rc, 0);
    weir_config_destroy(&config);
}

static void test_refusals(void **state)
{
    (void)state;
    weir_error err = WEIR_ERROR_INIT;
    weir_config *config = weir_config_new();
    weir_dispatcher_daemon_config of = {.config = config};
    assert_int_equal(weir_dispatcher_run(&of, &err), WEIR_EINVALID);
    assert_non_null(strstr(err.text, "cluster.directory"));
    assert_int_equal(weir_config_set(config, "dispatcher.bind-host", "0.0.0.0", "-D", &err), 0);
    of.directory = directory;
    assert_int_equal(weir_dispatcher_run(&of, &err), WEIR_EREFUSED);
    assert_non_null(strstr(err.text, "security.insecure"));
    weir_config_destroy(&config);
}

static int setup(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/weir-dispatcher-XXXXXX");
    assert_non_null(mkdtemp(directory));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return weir_file_remove_tree(directory, NULL);
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return be_dispatcher(argv[1]);
    weir_log_setup("test", WEIR_LOG_OFF);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_accepted_job_survives_kill, setup, teardown),
        cmocka_unit_test_setup_teardown(test_local_mode, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    weir_reactor_end_process();
    return failed;
}
