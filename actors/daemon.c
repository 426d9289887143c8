#include "actors/daemon.h"

#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct weir_daemon {
    weir_daemon_config config;
    weir_reactor *reactor;
    char process[64];
    int signal_fd; /* -1: none */
};

int weir_daemon_check_bind(const weir_config *config, const char *key, weir_error *err)
{
    const char *host = weir_config_string(config, key);

    if (weir_config_bool(config, "security.insecure") || strncmp(host, "127.", 4) == 0 ||
        strcasecmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
        strcmp(host, "[::1]") == 0)
        return 0;
    return weir_error_set(
        err, WEIR_EREFUSED,
        "%s: %s: needs keys beyond loopback; found '%s'; bind to 127.0.0.1, or set "
        "security.insecure to true where everyone may use the cluster",
        weir_config_origin(config, key), key, host);
}

void weir_daemon_advertise(const weir_config *config, const char *key, const char *endpoint,
                           char *out, size_t size)
{
    const char *port = strrchr(endpoint, ':');
    bool wildcard = strncmp(endpoint, "tcp://0.0.0.0:", 14) == 0 ||
                    strncmp(endpoint, "tcp://*:", 8) == 0 ||
                    strncmp(endpoint, "tcp://[::]:", 11) == 0;

    if (port && strncmp(endpoint, "tcp://", 6) == 0 &&
        (wildcard || weir_config_is_set(config, key)))
        snprintf(out, size, "tcp://%s%s", weir_config_string(config, key), port);
    else
        snprintf(out, size, "%s", endpoint);
}

static void stop_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

void weir_daemon_block_signals(void)
{
    sigset_t set;

    stop_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void on_signal(void *data)
{
    weir_daemon *daemon = data;
    struct signalfd_siginfo info;

    if (read(daemon->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (daemon->config.on_signal)
        daemon->config.on_signal(daemon->config.data);
    else
        weir_node_stop(weir_reactor_node(daemon->reactor));
}

static int watch_signals(weir_daemon *daemon, weir_error *err)
{
    sigset_t set;

    stop_signals(&set);
    daemon->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (daemon->signal_fd < 0)
        return weir_error_errno(err, errno, "signals cannot be watched");
    int rc = weir_reactor_watch(daemon->reactor, daemon->signal_fd, on_signal, daemon);
    return rc < 0 ? weir_error_set(err, rc, "signals cannot be watched") : 0;
}

static int new_reactor(weir_daemon *daemon, weir_error *err)
{
    const weir_config *config = daemon->config.config;
    weir_reactor_config reactor = {
        .node = {.cluster = weir_config_string(config, "cluster.id"),
                 .role = daemon->config.role,
                 .process = daemon->process,
                 .version = WEIR_VERSION,
                 .heartbeat_interval_ms = weir_config_duration_ms(config, "heartbeat.interval"),
                 .heartbeat_timeout_ms = weir_config_duration_ms(config, "heartbeat.timeout"),
                 .retry_interval_ms = weir_config_duration_ms(config, "rpc.retry-interval"),
                 .peers_max =
                     (uint32_t)weir_config_int(config, "taskmanager.network.max-connections"),
                 .message_max = (uint32_t)weir_config_size(config, "actors.max-message-size")},
        .bind = daemon->config.bind,
        .port_key = daemon->config.port_key,
        .connections_max = (uint32_t)weir_config_int(config, "taskmanager.network.max-connections"),
    };
    if (daemon->config.port_key)
        weir_config_ports(config, daemon->config.port_key, &reactor.port_first, &reactor.port_last);
    int rc = weir_reactor_new(&reactor, &daemon->reactor, err);
    return rc;
}

int weir_daemon_new(const weir_daemon_config *config, weir_daemon **ret, weir_error *err)
{
    weir_daemon *daemon = weir_calloc(1, sizeof *daemon);

    if (!daemon)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the %s", config->role);
    daemon->config = *config;
    daemon->signal_fd = -1;
    snprintf(daemon->process, sizeof daemon->process, "%s-%d-%08x", config->role, (int)getpid(),
             (unsigned)weir_random_u64());
    int rc = new_reactor(daemon, err);
    if (rc == 0 && config->signals)
        rc = watch_signals(daemon, err);
    if (rc < 0) {
        weir_daemon_destroy(&daemon);
        return rc;
    }
    *ret = daemon;
    return 0;
}

void weir_daemon_destroy(weir_daemon **daemon)
{
    if (!*daemon)
        return;
    weir_reactor_destroy(&(*daemon)->reactor);
    if ((*daemon)->signal_fd >= 0)
        close((*daemon)->signal_fd);
    weir_free(*daemon);
    *daemon = NULL;
}

weir_reactor *weir_daemon_reactor(weir_daemon *daemon)
{
    return daemon->reactor;
}

weir_node *weir_daemon_node(weir_daemon *daemon)
{
    return weir_reactor_node(daemon->reactor);
}

const char *weir_daemon_endpoint(const weir_daemon *daemon)
{
    return weir_reactor_endpoint(daemon->reactor);
}

const char *weir_daemon_process(const weir_daemon *daemon)
{
    return daemon->process;
}

int weir_daemon_run(weir_daemon *daemon, weir_error *err)
{
    int rc = weir_reactor_run(daemon->reactor, INT64_MAX);

    return rc < 0 ? weir_error_set(err, rc, "the loop of the %s ended: %s", daemon->config.role,
                                   weir_code_text(rc))
                  : 0;
}
