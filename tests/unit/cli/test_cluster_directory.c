/* tests/unit/cli/test_cluster_directory.c -- pid files, locks and the configuration of a cluster.
 */
#include "cli/cluster_directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "cli/cluster_members.h"
#include "cli/process.h"
#include "home_fixture.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static weir_cluster_directory directory;

static int make_directory(void **state)
{
    weir_config *config = weir_config_new();
    int rc = make_home(state);

    if (rc == 0)
        rc = weir_cluster_directory_init(&directory, NULL, config, NULL);
    weir_config_destroy(&config);
    return rc;
}

static pid_t spawn_sleeper(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        signal(SIGTERM, SIG_DFL);
        for (;;)
            pause();
    }
    return pid;
}

static void where_it_lies(void **state)
{
    weir_config *config = weir_config_new();
    weir_cluster_directory other;
    (void)state;

    assert_string_equal(directory.path, in_home("cluster"));
    assert_string_equal(directory.log, in_home("cluster/log"));
    assert_int_equal(weir_config_set(config, "cluster.directory", "/var/weir", "test", NULL), 0);
    assert_int_equal(weir_config_set(config, "env.log.dir", "/var/log/weir", "test", NULL), 0);
    assert_int_equal(weir_cluster_directory_init(&other, NULL, config, NULL), 0);
    assert_string_equal(other.path, "/var/weir");
    assert_string_equal(other.log, "/var/log/weir");
    assert_int_equal(weir_cluster_directory_init(&other, "/named", config, NULL), 0);
    assert_string_equal(other.path, "/named");
    weir_config_destroy(&config);
}

static void one_command_at_a_time(void **state)
{
    weir_cluster_directory second = directory;
    weir_error error;
    (void)state;

    assert_int_equal(weir_cluster_directory_lock(&directory, NULL), 0);
    assert_int_equal(weir_cluster_directory_lock(&second, &error), WEIR_ESTATE);
    assert_int_equal(second.lock_fd, -1);
    weir_cluster_directory_unlock(&directory);
    assert_int_equal(weir_cluster_directory_lock(&second, NULL), 0);
    weir_cluster_directory_unlock(&second);
}

static void the_living_and_the_dead(void **state)
{
    weir_members_list members;
    char text[256], expected[256];
    (void)state;

    assert_int_equal(weir_cluster_directory_members(&directory, true, &members, NULL), 0);
    assert_int_equal(members.count, 0);
    pid_t a = spawn_sleeper(), b = spawn_sleeper();
    assert_int_equal(weir_cluster_directory_enter(&directory, "taskmanager-10", a, NULL), 0);
    assert_int_equal(weir_cluster_directory_enter(&directory, "taskmanager-9", b, NULL), 0);
    /* The same number, another process: started at another time. */
    snprintf(text, sizeof text, "%ld 12345\n", (long)getpid());
    write_file(in_home("cluster/pid/impostor.pid"), text);
    write_file(in_home("cluster/pid/damaged.pid"), "not numbers\n");
    write_file(in_home("cluster/pid/huge.pid"), "99999999999999999999 1\n");
    write_file(in_home("cluster/pid/other.txt"), "1 1\n");
    assert_int_equal(weir_cluster_directory_members(&directory, false, &members, NULL), 0);
    assert_int_equal(members.count, 2);
    snprintf(expected, sizeof expected, "taskmanager-9 %ld, taskmanager-10 %ld", (long)b, (long)a);
    assert_string_equal(weir_members_text(&members, text, sizeof text), expected);
    weir_members_close(&members);
    assert_true(weir_file_exists(in_home("cluster/pid/impostor.pid")));

    assert_int_equal(weir_cluster_directory_members(&directory, true, &members, NULL), 0);
    assert_int_equal(members.count, 2);
    assert_false(weir_file_exists(in_home("cluster/pid/impostor.pid")));
    assert_false(weir_file_exists(in_home("cluster/pid/damaged.pid")));
    assert_true(weir_file_exists(in_home("cluster/pid/other.txt")));

    assert_int_equal(weir_members_wait(&members, 0), 2);
    assert_int_equal(weir_members_kill(&members), 0);
    weir_members_close(&members);
    assert_int_equal(weir_process_started(a), 0); /* a zombie does not live */
    assert_int_equal(weir_cluster_directory_members(&directory, true, &members, NULL), 0);
    assert_int_equal(members.count, 0);
    waitpid(a, NULL, 0);
    waitpid(b, NULL, 0);
}

static void who_ignores_sigterm_is_killed(void **state)
{
    weir_members_list members;
    int ends[2], status;
    char byte;
    (void)state;

    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGTERM, SIG_IGN);
        if (write(ends[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(weir_cluster_directory_enter(&directory, "stubborn", pid, NULL), 0);
    assert_int_equal(weir_cluster_directory_members(&directory, true, &members, NULL), 0);
    assert_int_equal(weir_members_kill(&members), 0);
    weir_members_close(&members);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    weir_cluster_directory_leave(&directory, "stubborn");
    assert_false(weir_file_exists(in_home("cluster/pid/stubborn.pid")));
    close(ends[0]);
    close(ends[1]);
}

static void the_configuration_comes_back(void **state)
{
    static const char awkward[] = "a \"quoted\" \\ text: # no comment, {x: [y]}, \xC3\xA9";
    weir_config *config = weir_config_new(), *read = weir_config_new();
    weir_cluster_context context;
    weir_error error;
    (void)state;

    assert_int_equal(weir_cluster_directory_load(&directory, &context, &error), WEIR_ENOT_FOUND);
    assert_int_equal(weir_config_set(config, "pipeline.name", awkward, "test", NULL), 0);
    assert_int_equal(weir_config_set(config, "dispatcher.rpc.port", "6127", "test", NULL), 0);
    assert_int_equal(weir_config_set(config, "cluster.id", "green", "test", NULL), 0);
    assert_int_equal(weir_cluster_directory_store(&directory, config, NULL), 0);
    if (weir_config_load(read, in_home("cluster/weir.yaml"), &error) != 0)
        fail_msg("%s", error.text);
    assert_string_equal(weir_config_string(read, "pipeline.name"), awkward);
    assert_false(weir_config_is_set(read, "rpc.ask.timeout"));
    assert_int_equal(weir_cluster_directory_load(&directory, &context, NULL), 0);
    assert_string_equal(context.endpoint, "tcp://127.0.0.1:6127");
    assert_string_equal(context.cluster, "green");
    assert_string_equal(context.directory, directory.path);
    weir_config_destroy(&config);
    weir_config_destroy(&read);
}

static void daemons_get_what_they_need(void **state)
{
    const char *argv[] = {"/bin/sh", "-c", "echo said; read x || echo no input >&2; echo ready >&3",
                          NULL};
    weir_buffer log = WEIR_BUFFER_INIT;
    char line[16] = {0};
    int ends[2], status;
    pid_t pid;
    weir_error error;
    (void)state;

    assert_int_equal(pipe(ends), 0);
    weir_process_spawn how = {"/bin/sh", argv, environ, in_home("log"), ends[1]};
    assert_int_equal(weir_process_spawn_daemon(&how, &pid, NULL), 0);
    close(ends[1]);
    assert_int_equal(read(ends[0], line, sizeof line - 1), 6);
    assert_string_equal(line, "ready\n");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(read(ends[0], line, 1), 0); /* nobody else holds the other end */
    assert_int_equal(weir_file_read(in_home("log"), 1000, &log, NULL), 0);
    assert_string_equal(weir_buffer_text(&log), "said\nno input\n");
    weir_buffer_deinit(&log);
    close(ends[0]);
    how.path = "/no/such/program";
    how.ready_fd = -1;
    assert_int_equal(weir_process_spawn_daemon(&how, &pid, &error), WEIR_ENOT_FOUND);
    assert_true(weir_process_resident(getpid()) > 100000);
    assert_int_equal(weir_process_resident(-1), 0);
    assert_int_equal(weir_process_open(getpid(), 1), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_it_lies),
        cmocka_unit_test(one_command_at_a_time),
        cmocka_unit_test(the_living_and_the_dead),
        cmocka_unit_test(who_ignores_sigterm_is_killed),
        cmocka_unit_test(the_configuration_comes_back),
        cmocka_unit_test(daemons_get_what_they_need),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_home);
}
