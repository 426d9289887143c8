#include "cli/local_cluster.h"

#include "base/clock.h"
#include "base/memory.h"
#include "dispatcher/daemon.h"
#include "jobmanager/daemon.h"
#include "taskmanager/daemon.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define STOP_MS 2000

enum role { DISPATCHER, JOBMANAGER, TASKMANAGER, ROLES };

typedef struct role_thread {
    weir_local_cluster *cluster;
    enum role role;
    pthread_t thread;
    bool is_started, is_ready, has_ended; /* is_started: caller's; the others: under the lock */
    weir_error error;                     /* code 0: an orderly end */
} role_thread;

struct weir_local_cluster {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    weir_config *config;
    char dispatcher[64], jobmanager[64]; /* endpoints */
    char *artifacts;                     /* folder */
    role_thread roles[ROLES];
};

/* ---- the threads ---- */

static void on_ready(void *data, const char *endpoint, weir_reactor *reactor)
{
    role_thread *self = data;
    (void)endpoint;
    (void)reactor;

    pthread_mutex_lock(&self->cluster->lock);
    self->is_ready = true;
    pthread_cond_broadcast(&self->cluster->changed);
    pthread_mutex_unlock(&self->cluster->lock);
}

static int run_dispatcher(role_thread *self, weir_error *err)
{
    weir_dispatcher_daemon_config config = {
        .config = self->cluster->config,
        .bind = self->cluster->dispatcher,
        .in_memory = true,
        .ready = on_ready,
        .ready_data = self,
    };
    return weir_dispatcher_run(&config, err);
}

static int run_jobmanager(role_thread *self, weir_error *err)
{
    weir_jobmanager_daemon_config config = {
        .config = self->cluster->config,
        .dispatcher = self->cluster->dispatcher,
        .bind = self->cluster->jobmanager,
        .log_path = "",
        .ready = on_ready,
        .ready_data = self,
    };
    return weir_jobmanager_run(&config, err);
}

static int run_taskmanager(role_thread *self, weir_error *err)
{
    weir_taskmanager_daemon_config config = {
        .config = self->cluster->config,
        .dispatcher = self->cluster->dispatcher,
        .local = true,
        .log_path = "",
        .log_directory = self->cluster->artifacts,
        .artifact_directory = self->cluster->artifacts,
        .ready = on_ready,
        .ready_data = self,
    };
    return weir_taskmanager_run(&config, err);
}

static void *run_role(void *data)
{
    static int (*const run[ROLES])(role_thread *, weir_error *) = {run_dispatcher, run_jobmanager,
                                                                   run_taskmanager};
    role_thread *self = data;
    weir_error error = WEIR_ERROR_INIT;

    if (run[self->role](self, &error) != 0 && error.code == 0)
        weir_error_set(&error, WEIR_EINTERNAL, "a part of the local cluster ended");
    pthread_mutex_lock(&self->cluster->lock);
    self->error = error;
    self->has_ended = true;
    pthread_cond_broadcast(&self->cluster->changed);
    pthread_mutex_unlock(&self->cluster->lock);
    return NULL;
}

static int start_role(weir_local_cluster *cluster, enum role role, weir_error *err)
{
    role_thread *self = &cluster->roles[role];

    self->cluster = cluster;
    self->role = role;
    int rc = pthread_create(&self->thread, NULL, run_role, self);
    if (rc != 0)
        return weir_error_errno(err, rc, "no thread for the local cluster");
    self->is_started = true;
    return 0;
}

static int wait_ready(weir_local_cluster *cluster, enum role role, weir_error *err)
{
    role_thread *self = &cluster->roles[role];
    int64_t wait_ms = weir_config_duration_ms(cluster->config, "cluster.registration.timeout");
    int64_t until_ns = weir_clock_monotonic_ns() + wait_ms * 1000000;
    struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
    int rc = 0;

    pthread_mutex_lock(&cluster->lock);
    while (!self->is_ready && !self->has_ended && rc == 0)
        rc = pthread_cond_clockwait(&cluster->changed, &cluster->lock, CLOCK_MONOTONIC, &until);
    bool is_ready = self->is_ready;
    weir_error error = self->error;
    pthread_mutex_unlock(&cluster->lock);
    if (is_ready)
        return 0;
    if (error.code == 0)
        return weir_error_set(err, WEIR_ETIMEOUT, "the local cluster did not start in time");
    if (err != NULL)
        *err = error;
    return error.code;
}

/* ---- start and stop ---- */

static int prepare(weir_local_cluster *cluster, const weir_config *config, uint32_t slots,
                   const char *artifacts, weir_error *err)
{
    char number[16];

    snprintf(cluster->dispatcher, sizeof cluster->dispatcher, "inproc://dispatcher-%p",
             (void *)cluster);
    snprintf(cluster->jobmanager, sizeof cluster->jobmanager, "inproc://jobmanager-%p",
             (void *)cluster);
    cluster->artifacts = weir_strdup(artifacts);
    cluster->config = weir_config_clone(config);
    if (cluster->config == NULL || cluster->artifacts == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the local cluster");
    snprintf(number, sizeof number, "%u", slots);
    return weir_config_set(cluster->config, "taskmanager.numberOfTaskSlots", number, "weir run",
                           err);
}

static void destroy(weir_local_cluster *cluster)
{
    weir_config_destroy(&cluster->config);
    weir_free(cluster->artifacts);
    pthread_cond_destroy(&cluster->changed);
    pthread_mutex_destroy(&cluster->lock);
    weir_free(cluster);
}

int weir_local_cluster_start(const weir_config *config, uint32_t slots, const char *artifacts,
                             weir_local_cluster **ret, weir_error *err)
{
    weir_local_cluster *cluster = weir_calloc(1, sizeof *cluster);

    if (cluster == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the local cluster");
    pthread_mutex_init(&cluster->lock, NULL);
    pthread_cond_init(&cluster->changed, NULL);
    int rc = prepare(cluster, config, slots, artifacts, err);
    if (rc != 0) {
        destroy(cluster);
        return rc;
    }
    *ret = cluster; /* from here on it stays: threads may use it */
    rc = start_role(cluster, DISPATCHER, err);
    if (rc == 0)
        rc = wait_ready(cluster, DISPATCHER, err);
    if (rc == 0)
        rc = start_role(cluster, JOBMANAGER, err);
    if (rc == 0)
        rc = start_role(cluster, TASKMANAGER, err);
    if (rc == 0)
        rc = wait_ready(cluster, JOBMANAGER, err);
    if (rc == 0)
        rc = wait_ready(cluster, TASKMANAGER, err);
    return rc;
}

const char *weir_local_cluster_endpoint(const weir_local_cluster *cluster)
{
    return cluster->dispatcher;
}

static bool join_all(weir_local_cluster *cluster)
{
    int64_t until_ns = weir_clock_monotonic_ns() + (int64_t)STOP_MS * 1000000;
    struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};

    for (int i = 0; i < ROLES; i++) {
        role_thread *role = &cluster->roles[i];
        int rc = 0;

        if (!role->is_started)
            continue;
        pthread_mutex_lock(&cluster->lock);
        while (!role->has_ended && rc == 0)
            rc = pthread_cond_clockwait(&cluster->changed, &cluster->lock, CLOCK_MONOTONIC, &until);
        bool has_ended = role->has_ended;
        pthread_mutex_unlock(&cluster->lock);
        if (!has_ended)
            return false;
        pthread_join(role->thread, NULL); /* it does nothing more */
    }
    return true;
}

bool weir_local_cluster_stop(weir_local_cluster **cluster, weir_client **client)
{
    Weir__Proto__StopCluster body = WEIR__PROTO__STOP_CLUSTER__INIT;
    weir_envelope request = WEIR__PROTO__ENVELOPE__INIT;

    request.body_case = WEIR__PROTO__ENVELOPE__BODY_STOP_CLUSTER;
    request.stop_cluster = &body;
    int rc =
        weir_client_call(*client, &request, STOP_MS, WEIR__PROTO__ENVELOPE__BODY_ACK, NULL, NULL);
    weir_client_close(client);
    if (rc != 0 || !join_all(*cluster))
        return false;
    destroy(*cluster);
    *cluster = NULL;
    return true;
}
