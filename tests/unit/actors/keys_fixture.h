/* tests/unit/actors/keys_fixture.h -- a directory with key files and an allow-list, and raw ZeroMQ
 * clients of every kind, well-behaved and not. For the tests of doors with keys. */
#ifndef TESTS_UNIT_ACTORS_KEYS_FIXTURE_H
#define TESTS_UNIT_ACTORS_KEYS_FIXTURE_H

#include "actors/authenticator.h"
#include "actors/zmq_socket.h"
#include "base/allow_list.h"
#include "base/file.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

enum { DISPATCHER, JOBMANAGER, TASKMANAGER, CLIENT, STRANGER, PAIRS, PATIENCE = 20000 };

typedef struct keys {
    char directory[64], allow[96], files[PAIRS][96];
    weir_key_pair pairs[PAIRS]; /* all but the STRANGER are in the allow-list, by their names */
} keys;

static inline void keys_allow(const keys *self, int pair, weir_roles role)
{
    assert_int_equal(
        weir_allow_list_add(self->allow, role, &self->pairs[pair].shown, "a label", NULL), 0);
}

static inline void keys_make(keys *self)
{
    char directory[] = "/tmp/weir-keys-XXXXXX";
    assert_non_null(mkdtemp(directory));
    memcpy(self->directory, directory, sizeof directory);
    snprintf(self->allow, sizeof self->allow, "%s/allow", directory);
    for (int i = 0; i < PAIRS; i++) {
        snprintf(self->files[i], sizeof self->files[i], "%s/%d.key", directory, i);
        assert_int_equal(weir_key_pair_new(&self->pairs[i], NULL), 0);
        assert_int_equal(weir_key_pair_store(&self->pairs[i], self->files[i], NULL), 0);
    }
    for (int i = 0; i < STRANGER; i++)
        keys_allow(self, i, UINT32_C(1) << i);
}

/* Writes the list anew without the lines of one pair, by renaming. */
static inline void keys_disallow(const keys *self, int pair)
{
    keys other = *self;
    snprintf(other.allow, sizeof other.allow, "%.64s.new", self->allow);
    weir_allow_list *list;
    assert_int_equal(weir_allow_list_load(self->allow, &list, NULL), 0);
    for (size_t i = 0; i < weir_allow_list_count(list); i++) {
        const weir_allowed *line = weir_allow_list_at(list, i);
        if (!weir_public_key_equal(&line->key, &self->pairs[pair].shown))
            assert_int_equal(
                weir_allow_list_add(other.allow, line->role, &line->key, line->label, NULL), 0);
    }
    weir_allow_list_destroy(&list);
    assert_int_equal(rename(other.allow, self->allow), 0);
}

static inline void keys_remove(keys *self)
{
    for (int i = 0; i < PAIRS; i++)
        unlink(self->files[i]);
    unlink(self->allow);
    assert_int_equal(rmdir(self->directory), 0);
}

/* --- raw clients --- */

enum manner {
    NO_MECHANISM, /* as a Weir without keys */
    PLAIN,        /* a name and a password */
    WRONG_SERVER, /* CURVE to another server than the one that is there */
    WITH_KEY,     /* as it should be */
};

typedef struct raw {
    void *socket, *monitor;
} raw;

/* Connects to a door and says "boo" once that is possible. */
static inline raw raw_connect(const char *endpoint, enum manner manner, const weir_key_pair *pair,
                              const char *id)
{
    raw client = {NULL, NULL};
    char address[WEIR_ENDPOINT_MAX];
    weir_public_key server;
    bool has_key;
    weir_zmq_settings settings = {.message_max = 1 << 20};
    assert_int_equal(weir_zmq_open(ZMQ_DEALER, &settings, &client.socket, NULL), 0);
    assert_int_equal(weir_zmq_split(endpoint, address, &server, &has_key, NULL), 0);
    if (id != NULL)
        assert_int_equal(zmq_setsockopt(client.socket, ZMQ_ROUTING_ID, id, strlen(id)), 0);
    if (manner == PLAIN) {
        assert_int_equal(zmq_setsockopt(client.socket, ZMQ_PLAIN_USERNAME, "root", 4), 0);
        assert_int_equal(zmq_setsockopt(client.socket, ZMQ_PLAIN_PASSWORD, "root", 4), 0);
    }
    if (manner == WRONG_SERVER)
        server = pair->shown;
    if (manner >= WRONG_SERVER) {
        assert_true(has_key);
        zmq_setsockopt(client.socket, ZMQ_CURVE_PUBLICKEY, pair->shown.bytes, WEIR_KEY_SIZE);
        zmq_setsockopt(client.socket, ZMQ_CURVE_SECRETKEY, pair->secret, WEIR_KEY_SIZE);
        zmq_setsockopt(client.socket, ZMQ_CURVE_SERVERKEY, server.bytes, WEIR_KEY_SIZE);
    }
    assert_int_equal(weir_zmq_watch(client.socket, &client.monitor, NULL), 0);
    assert_int_equal(zmq_connect(client.socket, address), 0);
    (void)zmq_send(client.socket, "boo", 3,
                   ZMQ_DONTWAIT); /* it may have been turned away already */
    return client;
}

static inline void raw_close(raw *client)
{
    weir_zmq_unwatch(client->socket, &client->monitor);
    weir_zmq_close(&client->socket);
}

/* What became of its connection. */
static inline enum weir_zmq_news raw_news(const raw *client)
{
    zmq_pollitem_t item = {.socket = client->monitor, .events = ZMQ_POLLIN};
    enum weir_zmq_news news = WEIR_ZMQ_NO_NEWS;
    while (news == WEIR_ZMQ_NO_NEWS && zmq_poll(&item, 1, PATIENCE) > 0)
        news = weir_zmq_next_news(client->monitor, NULL);
    return news;
}

#endif
