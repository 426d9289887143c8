#include "taskmanager/runner_life.h"

#include "actors/daemon.h"
#include "taskmanager/runner_threads.h"

#include <unistd.h>

#define BEATS 1 /* between two looks of the agent, which misses one now and then */

int weir_runner_config_of(const Weir__Proto__RunnerSpec *spec, weir_config **ret, weir_error *err)
{
    weir_config *config = weir_config_new();
    int rc = config ? 0 : weir_error_set(err, WEIR_ENO_MEMORY, "no memory");

    for (size_t i = 0; rc == 0 && i < spec->n_configuration; i++)
        rc = weir_config_set(config, spec->configuration[i]->key, spec->configuration[i]->value,
                             "job", err);
    if (rc < 0)
        weir_config_destroy(&config);
    *ret = config;
    return rc;
}

static int run(weir_daemon *daemon, const weir_runner_life *life, weir_runner_threads **threads,
               weir_error *err)
{
    weir_runner_threads_config threads_config = {
        life->config, life->spec, weir_daemon_reactor(daemon), life->key, life->local, life->pulse};
    void *runner = NULL;
    char endpoint[300];
    int rc = weir_runner_threads_new(&threads_config, threads, err);
    if (rc < 0)
        return rc;
    weir_daemon_advertise(life->config, "taskmanager.host", weir_runner_threads_endpoint(*threads),
                          endpoint, sizeof endpoint);
    weir_runner_config config = {
        .spec = life->spec,
        .config = life->config,
        .data_endpoint = endpoint,
        .pid = (uint32_t)getpid(),
        .beat_ms = life->pulse ? weir_pulse_interval_ms(life->pulse) / BEATS : 0,
        .host = weir_runner_threads_host(*threads),
    };
    rc = weir_runner_new(&config, &runner, err);
    if (rc == 0) {
        weir_runner_threads_attach(*threads, runner);
        rc = weir_node_spawn(weir_daemon_node(daemon), WEIR_RUNNER_ACTOR, &weir_runner_class,
                             runner, err);
    }
    if (rc == 0 && life->watch_fd >= 0) {
        rc = weir_reactor_watch(weir_daemon_reactor(daemon), life->watch_fd, life->on_watch,
                                life->data);
        if (rc < 0)
            return weir_error_set(err, rc, "the TaskManager cannot be watched");
    }
    return rc == 0 ? weir_daemon_run(daemon, err) : rc;
}

int weir_runner_live(const weir_runner_life *life, weir_error *err)
{
    weir_daemon *daemon = NULL;
    weir_runner_threads *threads = NULL;
    weir_daemon_config frame = {.config = life->config,
                                .role = "runner",
                                .takes_no_key = life->key == NULL,
                                .key = life->key,
                                .signals = life->signals,
                                .is_watched = life->pulse != NULL}; /* its agent feels it */
    int rc = weir_daemon_new(&frame, &daemon, err);

    if (rc == 0)
        rc = run(daemon, life, &threads, err);
    weir_runner_threads_destroy(&threads);
    weir_daemon_destroy(&daemon);
    return rc;
}
