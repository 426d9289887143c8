#include "actors/daemon.h"

#include "actors/endpoint.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define WATCHED_PACE 40

struct weir_daemon {
    weir_daemon_config config;
    weir_security *security; /* NULL: no keys */
    weir_reactor *reactor;
    char process[64];
    int signal_fd; /* -1: none */
};

/* 127.x.y.z in numbers: a name that begins so may be anywhere. */
static bool is_loopback(const char *host)
{
    struct in_addr address;

    if (inet_pton(AF_INET, host, &address) == 1)
        return (ntohl(address.s_addr) >> 24) == 127;
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
           strcmp(host, "[::1]") == 0;
}

int weir_daemon_check_bind(const weir_config *config, const char *key, bool has_key,
                           weir_error *err)
{
    const char *host = weir_config_string(config, key);

    if (is_loopback(host) || has_key || weir_config_bool(config, "security.insecure") ||
        (weir_config_string(config, "security.key-file")[0] != '\0' &&
         weir_config_string(config, "security.allow-file")[0] != '\0'))
        return 0;
    return weir_error_set(
        err, WEIR_EREFUSED,
        "%s: %s: needs keys beyond loopback; found '%s'; set security.key-file and "
        "security.allow-file (weir help keys), or bind to 127.0.0.1, or set security.insecure to "
        "true where everyone may use the cluster",
        weir_config_origin(config, key), key, host);
}

int weir_daemon_find_dispatcher(const weir_daemon *daemon, const char *endpoint,
                                char out[WEIR_ENDPOINT_MAX], weir_error *err)
{
    return weir_security_dispatcher(daemon->security, endpoint, out, err);
}

void weir_daemon_advertise(const weir_config *config, const char *key, const char *endpoint,
                           char *out, size_t size)
{
    const char *port = strrchr(endpoint, ':');
    char host[300];
    bool wildcard = strncmp(endpoint, "tcp://0.0.0.0:", 14) == 0 ||
                    strncmp(endpoint, "tcp://*:", 8) == 0 ||
                    strncmp(endpoint, "tcp://[::]:", 11) == 0;

    if (port && strncmp(endpoint, "tcp://", 6) == 0 &&
        (wildcard || weir_config_is_set(config, key))) {
        weir_endpoint_of_host(weir_config_string(config, key), 0, host, sizeof host);
        snprintf(out, size, "%s%s", host, port);
    } else {
        snprintf(out, size, "%s", endpoint);
    }
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

/* Each connection takes a descriptor, also one that says nothing; where none is left, ZeroMQ tries
 * to accept the next one again and again. */
static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
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

static int take_keys(weir_daemon *daemon, weir_error *err)
{
    const weir_daemon_config *config = &daemon->config;
    bool has_door = config->bind && strncmp(config->bind, "tcp://", 6) == 0;
    char hex[WEIR_KEY_HEX];

    if (config->takes_no_key || (config->bind && !has_door))
        return 0;
    if (config->key)
        return weir_security_new_of_key(config->key, &daemon->security, err);
    int rc = weir_security_new(config->config, config->role, has_door, &daemon->security, err);
    if (rc != 0 || !daemon->security || !has_door)
        return rc;
    weir_public_key_format(&weir_security_key(daemon->security)->shown, hex);
    if (weir_security_own_roles(daemon->security) & weir_role_parse(config->role))
        weir_log_info("this process's key is %s", hex);
    else
        weir_log_warn("this process's key %s is not allowed as %s in its own allow-list; others "
                      "with the same list will not talk to it; run: weir keys allow %s %s",
                      hex, config->role, config->role, hex);
    return 0;
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
        .security = daemon->security,
    };
    if (daemon->config.is_watched) {
        reactor.node.heartbeat_interval_ms *= WATCHED_PACE;
        reactor.node.heartbeat_timeout_ms *= WATCHED_PACE;
        reactor.node.silence_ms = reactor.node.heartbeat_timeout_ms;
    }
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
    int rc = take_keys(daemon, err);
    if (rc == 0)
        rc = new_reactor(daemon, err);
    if (rc == 0 && config->signals)
        rc = watch_signals(daemon, err);
    if (config->signals)
        raise_file_limit();
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
    weir_security_destroy(&(*daemon)->security);
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
    const weir_error *failure = weir_node_failure(weir_daemon_node(daemon));

    if (rc == 0 && failure)
        return weir_error_set(err, failure->code, "%s", failure->text);
    return rc < 0 ? weir_error_set(err, rc, "the loop of the %s ended: %s", daemon->config.role,
                                   weir_code_text(rc))
                  : 0;
}
