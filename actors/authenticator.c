/* actors/authenticator.c -- tables of keys, and the life of the thread that answers for them. */
#include "actors/authenticator.h"

#include "actors/authenticator_internal.h"
#include "actors/zmq_socket.h"
#include "base/memory.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <zmq.h>

enum { STACK_BYTES = 128 << 10 };

#define HANDLER_ENDPOINT "inproc://zeromq.zap.01"

struct weir__handler weir__handler = {
    .life = PTHREAD_MUTEX_INITIALIZER,
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .stop_fd = -1,
    .watch_fd = -1,
};

/* --- the thread's life --- */

static int open_socket(struct weir__handler *handler, weir_error *err)
{
    weir_zmq_settings settings = {.message_max = -1, .linger_ms = 0, .reconnects = false};
    int rc = weir_zmq_open(ZMQ_REP, &settings, &handler->socket, err);
    if (rc != 0)
        return rc;
    if (zmq_bind(handler->socket, HANDLER_ENDPOINT) == 0)
        return 0;
    return weir_error_set(err, WEIR_EINTERNAL, "cannot answer for keys at %s: %s", HANDLER_ENDPOINT,
                          zmq_strerror(zmq_errno()));
}

static int start_thread(struct weir__handler *handler, weir_error *err)
{
    pthread_attr_t attributes;
    sigset_t all, kept;
    sigfillset(&all);
    int rc = pthread_attr_init(&attributes);
    if (rc == 0) {
        pthread_attr_setstacksize(&attributes, STACK_BYTES);
        pthread_sigmask(SIG_SETMASK, &all, &kept); /* signals are the main thread's */
        rc = pthread_create(&handler->thread, &attributes, weir__handler_main, handler);
        pthread_sigmask(SIG_SETMASK, &kept, NULL);
        pthread_attr_destroy(&attributes);
    }
    return rc == 0 ? 0 : weir_error_errno(err, rc, "cannot start the thread that checks keys");
}

/* A closed socket leaves its name some time later, and the next handler would find it taken. */
static void close_handler(struct weir__handler *handler)
{
    if (handler->socket != NULL)
        zmq_unbind(handler->socket, HANDLER_ENDPOINT);
    weir_zmq_close(&handler->socket);
    if (handler->stop_fd >= 0)
        close(handler->stop_fd);
    if (handler->watch_fd >= 0)
        close(handler->watch_fd);
    handler->stop_fd = handler->watch_fd = -1;
}

/* Once per process; `life` is held. */
static int start_handler(struct weir__handler *handler, weir_error *err)
{
    handler->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (handler->stop_fd < 0)
        return weir_error_errno(err, errno, "cannot make an eventfd");
    handler->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK); /* without it time must do */
    int rc = open_socket(handler, err);
    if (rc == 0)
        rc = start_thread(handler, err);
    if (rc != 0)
        close_handler(handler);
    return rc;
}

static void stop_handler(struct weir__handler *handler)
{
    uint64_t one = 1;
    ssize_t count = write(handler->stop_fd, &one, sizeof one);
    (void)count; /* a new counter takes it */
    pthread_join(handler->thread, NULL);
    close_handler(handler);
}

/* --- new and destroy --- */

/* The directory is watched, not the file: whoever replaces a file by renaming makes another one. */
static void watch_directory(const struct weir__handler *handler, const char *path)
{
    if (handler->watch_fd < 0)
        return;
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    char *directory = weir_asprintf("%.*s", (int)length, slash == NULL ? "." : path);
    if (directory != NULL)
        inotify_add_watch(handler->watch_fd, directory,
                          IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE | IN_ATTRIB);
    weir_free(directory);
}

static int load_list(weir_authenticator *authenticator, const char *path, weir_error *err)
{
    authenticator->path = weir_strdup(path);
    if (authenticator->path == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for an allow-list");
    /* Before the content: a file that changes between the two is loaded again. */
    weir__file_stamp_of(path, &authenticator->stamp);
    return weir_allow_list_load(path, &authenticator->list, err);
}

static int fill(weir_authenticator *authenticator, const weir_authenticator_config *config,
                weir_error *err)
{
    static unsigned last_domain;
    snprintf(authenticator->domain, sizeof authenticator->domain, "weir-%u", ++last_domain);
    authenticator->what = weir_strdup(config->what);
    authenticator->admitted = weir_map_new(weir_free);
    if (authenticator->what == NULL || authenticator->admitted == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory to check keys");
    return config->allow_file == NULL ? 0 : load_list(authenticator, config->allow_file, err);
}

static void free_authenticator(weir_authenticator *authenticator)
{
    weir_allow_list_destroy(&authenticator->list);
    weir_map_destroy(&authenticator->admitted);
    weir_free(authenticator->what);
    weir_free(authenticator->path);
    weir_free(authenticator);
}

int weir_authenticator_new(const weir_authenticator_config *config, weir_authenticator **ret,
                           weir_error *err)
{
    struct weir__handler *handler = &weir__handler;
    weir_authenticator *authenticator = weir_calloc(1, sizeof *authenticator);
    if (authenticator == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory to check keys");
    pthread_mutex_lock(&handler->life);
    int rc = fill(authenticator, config, err);
    if (rc == 0 && handler->first == NULL)
        rc = start_handler(handler, err);
    if (rc == 0) {
        if (authenticator->path != NULL)
            watch_directory(handler, authenticator->path);
        pthread_mutex_lock(&handler->lock);
        authenticator->next = handler->first;
        handler->first = authenticator;
        pthread_mutex_unlock(&handler->lock);
        *ret = authenticator;
    } else {
        free_authenticator(authenticator);
    }
    pthread_mutex_unlock(&handler->life);
    return rc;
}

void weir_authenticator_destroy(weir_authenticator **authenticator)
{
    if (authenticator == NULL || *authenticator == NULL)
        return;
    struct weir__handler *handler = &weir__handler;
    weir_authenticator *gone = *authenticator;
    *authenticator = NULL;
    pthread_mutex_lock(&handler->life);
    pthread_mutex_lock(&handler->lock);
    weir_authenticator **at = &handler->first;
    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    bool is_last = handler->first == NULL;
    pthread_mutex_unlock(&handler->lock);
    if (is_last)
        stop_handler(handler);
    free_authenticator(gone);
    pthread_mutex_unlock(&handler->life);
}

const char *weir_authenticator_domain(const weir_authenticator *authenticator)
{
    return authenticator->domain;
}

/* --- tables --- */

int weir_authenticator_admit(weir_authenticator *authenticator, const weir_public_key *key,
                             weir_roles roles, const char *scope, weir_error *err)
{
    char hex[WEIR_KEY_HEX];
    weir_identity *entry = weir_calloc(1, sizeof *entry);
    if (entry == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory to admit a key");
    entry->key = *key;
    entry->roles = roles;
    snprintf(entry->scope, sizeof entry->scope, "%s", scope);
    pthread_mutex_lock(&weir__handler.lock);
    int rc = weir_map_put(authenticator->admitted, weir_public_key_format(key, hex), entry);
    atomic_fetch_add(&authenticator->generation, 1);
    pthread_mutex_unlock(&weir__handler.lock);
    if (rc == 0)
        return 0;
    weir_free(entry);
    return weir_error_set(err, rc, "no memory to admit a key");
}

void weir_authenticator_revoke(weir_authenticator *authenticator, const weir_public_key *key)
{
    char hex[WEIR_KEY_HEX];
    pthread_mutex_lock(&weir__handler.lock);
    if (weir_map_remove(authenticator->admitted, weir_public_key_format(key, hex)))
        atomic_fetch_add(&authenticator->generation, 1);
    pthread_mutex_unlock(&weir__handler.lock);
}

uint64_t weir_authenticator_generation(const weir_authenticator *authenticator)
{
    return atomic_load(&authenticator->generation);
}

bool weir__authenticator_find(const weir_authenticator *authenticator, const weir_public_key *key,
                              weir_identity *ret)
{
    char hex[WEIR_KEY_HEX];
    const weir_identity *found =
        weir_map_get(authenticator->admitted, weir_public_key_format(key, hex));
    *ret = found != NULL ? *found : (weir_identity){.key = *key};
    if (found == NULL && authenticator->list != NULL)
        ret->roles = weir_allow_list_roles(authenticator->list, key, NULL);
    return ret->roles != 0;
}

bool weir_authenticator_identify(weir_authenticator *authenticator, const char *user_id,
                                 weir_identity *ret)
{
    weir_public_key key;
    *ret = (weir_identity){.roles = 0};
    if (user_id == NULL || weir_public_key_parse(user_id, &key, NULL) != 0)
        return false;
    pthread_mutex_lock(&weir__handler.lock);
    bool is_here = weir__authenticator_find(authenticator, &key, ret);
    pthread_mutex_unlock(&weir__handler.lock);
    return is_here;
}
