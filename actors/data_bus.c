/* actors/data_bus.c -- the bus, its thread, and letters from other threads. */
#include "actors/data_bus.h"

#include "actors/data_bus_internal.h"
#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

enum {
    STACK_BYTES = 256 << 10,
    WAIT_MAX_MS = 60000,
    RELEASE_WAIT_S = 1,
};

/* --- the tally of bodies --- */

static struct weir__tally *tally_new(void)
{
    struct weir__tally *tally = weir_calloc(1, sizeof *tally);
    if (tally == NULL)
        return NULL;
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) == 0) {
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        int rc = pthread_cond_init(&tally->none_left, &attributes);
        pthread_condattr_destroy(&attributes);
        if (rc == 0) {
            if (pthread_mutex_init(&tally->lock, NULL) == 0)
                return tally;
            pthread_cond_destroy(&tally->none_left);
        }
    }
    weir_free(tally);
    return NULL;
}

static void tally_free(struct weir__tally *tally)
{
    pthread_mutex_destroy(&tally->lock);
    pthread_cond_destroy(&tally->none_left);
    weir_free(tally);
}

static void tally_add(struct weir__tally *tally)
{
    pthread_mutex_lock(&tally->lock);
    tally->bodies++;
    pthread_mutex_unlock(&tally->lock);
}

static void tally_remove(struct weir__tally *tally)
{
    pthread_mutex_lock(&tally->lock);
    bool is_last = --tally->bodies == 0;
    bool is_orphan = tally->is_orphan;
    if (is_last && !is_orphan)
        pthread_cond_signal(&tally->none_left);
    pthread_mutex_unlock(&tally->lock);
    if (is_last && is_orphan)
        tally_free(tally);
}

/* ZeroMQ gives bodies back from threads of its own, soon after a socket was closed; whoever owns
 * them wants them back before the bus is gone. A receiver in this process may keep one for longer.
 */
static void tally_leave(struct weir__tally *tally)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += RELEASE_WAIT_S;
    pthread_mutex_lock(&tally->lock);
    int rc = 0;
    while (tally->bodies > 0 && rc == 0)
        rc = pthread_cond_timedwait(&tally->none_left, &tally->lock, &until);
    tally->is_orphan = tally->bodies > 0;
    bool is_done = !tally->is_orphan;
    pthread_mutex_unlock(&tally->lock);
    if (is_done)
        tally_free(tally);
}

/* --- letters --- */

void weir__letter_free(struct weir__letter *letter)
{
    struct weir__tally *tally = letter->body != NULL ? letter->tally : NULL;
    if (letter->body != NULL && letter->release != NULL)
        letter->release(letter->body, letter->hint);
    weir_free(letter);
    if (tally != NULL)
        tally_remove(tally);
}

void weir__letters_release(void *body, void *hint)
{
    (void)body;
    for (struct weir__letter *letter = hint, *next; letter != NULL; letter = next) {
        next = letter->next;
        weir__letter_free(letter);
    }
}

int weir_data_bus_put(weir_data_bus *bus, uint32_t runner, const void *header, size_t header_size,
                      void *body, size_t body_size, void (*release)(void *, void *), void *hint)
{
    if (!bus->joined || weir_number_map_get(&bus->by_runner, runner) == NULL)
        return WEIR_ENOT_FOUND;
    if (header_size > WEIR__BUS_HEADER_MAX || body_size > bus->config.message_max)
        return WEIR_ETOO_LARGE;
    struct weir__letter *letter = weir_alloc(sizeof *letter + header_size);
    if (letter == NULL)
        return WEIR_ENO_MEMORY;
    *letter = (struct weir__letter){
        .tally = bus->tally,
        .runner = runner,
        .body = body,
        .body_size = body_size,
        .release = release,
        .hint = hint,
        .header_size = header_size,
    };
    memcpy(letter->header, header, header_size);
    if (body != NULL)
        tally_add(bus->tally);
    weir_mailbox_add(bus->mailbox, &letter->mail);
    return 0;
}

void weir_data_bus_wake(weir_data_bus *bus)
{
    weir_mailbox_wake(bus->mailbox);
}

int weir_data_bus_send(weir_data_bus *bus, uint32_t runner, const void *header, size_t header_size,
                       void *body, size_t body_size, void (*release)(void *, void *), void *hint)
{
    int rc = weir_data_bus_put(bus, runner, header, header_size, body, body_size, release, hint);
    if (rc == 0)
        weir_data_bus_wake(bus);
    return rc;
}

/* Sends all mail, or drops it. False: the bus is to stop; what came behind that is dropped. */
static bool send_mail(weir_data_bus *bus, bool goes_on)
{
    for (weir_mail *mail = weir_mailbox_look(bus->mailbox), *next; mail != NULL; mail = next) {
        next = mail->next;
        if (mail == &bus->stop) {
            goes_on = false;
            continue;
        }
        struct weir__letter *letter = (struct weir__letter *)mail;
        if (goes_on)
            weir__bus_peer_send(bus, weir_number_map_get(&bus->by_runner, letter->runner), letter);
        else
            weir__letter_free(letter);
    }
    return goes_on;
}

/* --- the thread --- */

/* Hears from a descriptor; `due` (or NULL) is set when there is something. */
static void listen_to(weir_data_bus *bus, size_t *count, int fd, bool *due)
{
    bus->items[*count] = (struct pollfd){.fd = fd, .events = POLLIN};
    bus->dues[(*count)++] = due;
}

/* A ZeroMQ socket's descriptor tells that something has come or room was made, once: until all that
 * is there was taken it tells no more. So what is due stays due until a call found nothing. */
static void listen_to_socket(weir_data_bus *bus, size_t *count, void *socket, bool *due)
{
    int fd = -1;
    size_t size = sizeof fd;
    if (socket != NULL && zmq_getsockopt(socket, ZMQ_FD, &fd, &size) == 0)
        listen_to(bus, count, fd, due);
}

static size_t list_items(weir_data_bus *bus, bool *ret_any_due)
{
    size_t count = 0;
    listen_to(bus, &count, weir_mailbox_fd(bus->mailbox), NULL);
    listen_to_socket(bus, &count, bus->door, &bus->door_due);
    listen_to_socket(bus, &count, bus->door_monitor, &bus->door_news_due);
    for (size_t i = 0; i < bus->peer_count; i++) {
        struct weir__bus_peer *peer = &bus->peers[i];
        listen_to_socket(bus, &count, peer->socket, &peer->is_due);
        listen_to_socket(bus, &count, peer->monitor, &peer->news_due);
    }
    *ret_any_due = false;
    for (size_t i = 1; i < count; i++)
        *ret_any_due |= *bus->dues[i];
    return count;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* How long the thread may sleep. */
static long wait_of(const weir_data_bus *bus, int64_t now_ms)
{
    int64_t until_ms = now_ms + WAIT_MAX_MS;
    for (size_t i = 0; i < bus->peer_count; i++) {
        const struct weir__bus_peer *peer = &bus->peers[i];
        if (peer->connects && peer->state < WEIR__BUS_OPEN)
            until_ms = least(until_ms, peer->socket == NULL ? peer->retry_ms : peer->give_up_ms);
        else if (peer->state == WEIR__BUS_OPEN && peer->waiting > 0)
            until_ms = least(until_ms, peer->full_until_ms);
    }
    return until_ms <= now_ms ? 0 : (long)(until_ms - now_ms);
}

/* Messages are taken before losses: a peer's last words count even when it is gone. */
static void serve(weir_data_bus *bus)
{
    for (size_t i = 0; i < bus->peer_count; i++)
        weir__bus_peer_flush(bus, &bus->peers[i]);
    if (bus->door != NULL && (bus->door_due || bus->door_news_due))
        weir__bus_door_drain(bus);
    if (bus->door_monitor != NULL && bus->door_news_due)
        weir__bus_door_news(bus);
    int64_t now_ms = weir_clock_monotonic_ms();
    for (size_t i = 0; i < bus->peer_count; i++) {
        struct weir__bus_peer *peer = &bus->peers[i];
        if (peer->is_due || peer->news_due)
            weir__bus_peer_drain(bus, peer);
        if (peer->news_due)
            weir__bus_peer_news(bus, peer);
        weir__bus_peer_tick(bus, peer, now_ms);
        weir__bus_peer_flush(bus, peer);
    }
    if (bus->has_received && bus->config.received != NULL)
        bus->config.received(bus->config.self);
    bus->has_received = false;
}

/* Sleeps until something is due. A failure (a signal) is as good as a wake-up. */
static void rest(weir_data_bus *bus)
{
    bool any_due;
    size_t count = list_items(bus, &any_due);
    long wait_ms =
        any_due || !weir_mailbox_rest(bus->mailbox) ? 0 : wait_of(bus, weir_clock_monotonic_ms());
    if (poll(bus->items, count, (int)wait_ms) <= 0)
        return;
    for (size_t i = 1; i < count; i++)
        *bus->dues[i] |= bus->items[i].revents != 0;
}

static void *bus_main(void *data)
{
    weir_data_bus *bus = data;
    pthread_setname_np(pthread_self(), "weir-data");
    for (size_t i = 0; i < bus->peer_count; i++) {
        if (bus->peers[i].connects)
            weir__bus_peer_open(bus, &bus->peers[i]);
    }
    bus->door_due = bus->door_news_due = true;
    while (send_mail(bus, true)) {
        serve(bus);
        rest(bus);
    }
    for (size_t i = 0; i < bus->peer_count; i++)
        weir__bus_peer_close(&bus->peers[i]);
    return NULL;
}

static int start_thread(weir_data_bus *bus, weir_error *err)
{
    pthread_attr_t attributes;
    sigset_t all, kept;
    sigfillset(&all);
    int rc = pthread_attr_init(&attributes);
    if (rc == 0) {
        pthread_attr_setstacksize(&attributes, STACK_BYTES);
        pthread_sigmask(SIG_SETMASK, &all, &kept); /* signals are the main thread's */
        rc = pthread_create(&bus->thread, &attributes, bus_main, bus);
        pthread_sigmask(SIG_SETMASK, &kept, NULL);
        pthread_attr_destroy(&attributes);
    }
    return rc == 0 ? 0 : weir_error_errno(err, rc, "data bus: cannot start its thread");
}

/* --- new, join, destroy --- */

int weir__bus_open(const weir_data_bus *bus, int type, void **ret, weir_error *err)
{
    int64_t message_max = bus->config.message_max;
    weir_zmq_settings settings = {
        .message_max = message_max < WEIR__BUS_HEAD_MAX ? WEIR__BUS_HEAD_MAX : message_max,
        .linger_ms = 0,
        .reconnects = false,
        .silence_ms = bus->config.silence_ms,
        .pings = true,
    };
    return weir_zmq_open(type, &settings, ret, err);
}

static int open_door(weir_data_bus *bus, weir_error *err)
{
    const weir_data_bus_config *config = &bus->config;
    int rc = weir__bus_open(bus, ZMQ_ROUTER, &bus->door, err);
    if (rc == 0 && strncmp(config->bind, "inproc://", 9) != 0)
        rc = weir_zmq_watch(bus->door, &bus->door_monitor, err);
    if (rc != 0)
        return rc;
    weir_zmq_door door = {
        .bind = config->bind,
        .port_first = config->port_first,
        .port_last = config->port_last,
        .what = config->what != NULL ? config->what : "task runner",
        .port_key = config->port_key,
        .key = bus->pair,
        .domain = bus->pair != NULL ? weir_authenticator_domain(bus->authenticator) : NULL,
    };
    return weir_zmq_bind(bus->door, &door, bus->endpoint, err);
}

/* All runners of the job have this one key, and nobody else comes in. */
static int take_key(weir_data_bus *bus, const weir_key_pair *key, weir_error *err)
{
    bus->pair = weir_alloc(sizeof *bus->pair);
    if (bus->pair == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "data bus: no memory for it");
    *bus->pair = *key;
    weir_authenticator_config config = {.what = "data bus"};
    int rc = weir_authenticator_new(&config, &bus->authenticator, err);
    return rc == 0 ? weir_authenticator_admit(bus->authenticator, &key->shown, WEIR_ROLE_RUNNER, "",
                                              err)
                   : rc;
}

static void close_door(weir_data_bus *bus)
{
    if (bus->door_monitor != NULL)
        weir_zmq_unwatch(bus->door, &bus->door_monitor);
    weir_zmq_close(&bus->door);
}

static int fill(weir_data_bus *bus, weir_error *err)
{
    bus->job = weir_strdup(bus->config.job);
    bus->tally = tally_new();
    bus->envelope = weir_alloc(sizeof *bus->envelope);
    if (bus->job == NULL || bus->tally == NULL || bus->envelope == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "data bus: no memory for it");
    int rc = weir_mailbox_new(&bus->mailbox, err);
    if (rc == 0 && bus->config.key != NULL)
        rc = take_key(bus, bus->config.key, err);
    return rc == 0 ? open_door(bus, err) : rc;
}

int weir_data_bus_new(const weir_data_bus_config *config, weir_data_bus **ret, weir_error *err)
{
    weir_data_bus *bus = weir_calloc(1, sizeof *bus);
    if (bus == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "data bus: no memory for it");
    bus->config = *config;
    int rc = fill(bus, err);
    bus->config.job = NULL; /* these are borrowed for the call */
    bus->config.bind = bus->config.what = bus->config.port_key = NULL;
    bus->config.key = NULL;
    if (rc != 0) {
        weir_data_bus_destroy(&bus);
        return rc;
    }
    *ret = bus;
    return 0;
}

static void free_peers(weir_data_bus *bus)
{
    for (size_t i = 0; i < bus->peer_count; i++)
        weir_free(bus->peers[i].endpoint);
    weir_free(bus->peers);
    weir_free(bus->items);
    weir_free(bus->dues);
    bus->peers = NULL;
    bus->items = NULL;
    bus->dues = NULL;
    bus->peer_count = 0;
    weir_number_map_deinit(&bus->by_runner);
    weir_number_map_deinit(&bus->by_id);
    weir_number_map_deinit(&bus->closed_fds);
}

void weir_data_bus_destroy(weir_data_bus **bus)
{
    if (bus == NULL || *bus == NULL)
        return;
    weir_data_bus *gone = *bus;
    *bus = NULL;
    if (gone->joined) {
        weir_mailbox_push(gone->mailbox, &gone->stop);
        pthread_join(gone->thread, NULL);
        gone->joined = false;
        send_mail(gone, false);
    }
    close_door(gone);
    weir_authenticator_destroy(&gone->authenticator);
    if (gone->pair != NULL)
        weir_key_pair_wipe(gone->pair);
    weir_free(gone->pair);
    if (gone->tally != NULL)
        tally_leave(gone->tally);
    free_peers(gone);
    weir_mailbox_destroy(&gone->mailbox);
    weir_free(gone->envelope);
    weir_free(gone->job);
    weir_free(gone);
}

const char *weir_data_bus_endpoint(const weir_data_bus *bus)
{
    return bus->endpoint;
}

/* With a key, every runner of the job has that very one. */
static int check_key(const weir_data_bus *bus, uint32_t runner, const char *endpoint,
                     weir_error *err)
{
    char address[WEIR_ENDPOINT_MAX];
    weir_public_key key;
    bool has_key;
    int rc = weir_zmq_split(endpoint, address, &key, &has_key, err);
    if (rc != 0 || bus->pair == NULL || strncmp(address, "tcp://", 6) != 0)
        return rc;
    if (has_key && weir_public_key_equal(&key, &bus->pair->shown))
        return 0;
    return weir_error_set(err, WEIR_EREFUSED,
                          "data bus: runner %u at %s has not the job's key; it is another job's",
                          runner, address);
}

static int add_peer(weir_data_bus *bus, uint32_t runner, const char *endpoint, weir_error *err)
{
    if (runner == bus->config.runner)
        return 0;
    if (weir_number_map_get(&bus->by_runner, runner) != NULL)
        return weir_error_set(err, WEIR_EINVALID, "data bus: runner %u is named twice", runner);
    int rc = check_key(bus, runner, endpoint, err);
    if (rc != 0)
        return rc;
    struct weir__bus_peer *peer = &bus->peers[bus->peer_count];
    *peer = (struct weir__bus_peer){
        .runner = runner,
        .connects = bus->config.runner < runner,
        .fd = -1,
    };
    peer->end = &peer->first;
    peer->endpoint = weir_strdup(endpoint);
    if (peer->endpoint == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "data bus: no memory for its peers");
    bus->peer_count++;
    rc = weir_number_map_put(&bus->by_runner, runner, peer);
    return rc == 0 ? 0 : weir_error_set(err, rc, "data bus: no memory for its peers");
}

int weir_data_bus_join(weir_data_bus *bus, uint64_t key, const uint32_t *runners,
                       const char *const *endpoints, uint32_t count, weir_error *err)
{
    if (bus->joined)
        return weir_error_set(err, WEIR_ESTATE, "data bus: it has joined its job already");
    bus->key = key;
    bus->peers = weir_calloc((size_t)count + 1, sizeof *bus->peers);
    bus->items = weir_calloc((size_t)count * 2 + 3, sizeof *bus->items);
    bus->dues = weir_calloc((size_t)count * 2 + 3, sizeof(bool *));
    int rc = 0;
    if (bus->peers == NULL || bus->items == NULL || bus->dues == NULL)
        rc = weir_error_set(err, WEIR_ENO_MEMORY, "data bus: no memory for its peers");
    for (uint32_t i = 0; i < count && rc == 0; i++)
        rc = add_peer(bus, runners[i], endpoints[i], err);
    bool is_alone = bus->peer_count == 0;
    if (rc == 0 && is_alone)
        close_door(bus); /* nobody will come who is welcome, and there is nothing to do */
    else if (rc == 0)
        rc = start_thread(bus, err);
    if (rc != 0)
        free_peers(bus);
    bus->joined = rc == 0 && !is_alone;
    return rc;
}
