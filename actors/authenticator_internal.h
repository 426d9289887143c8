/* actors/authenticator_internal.h -- what the files of the authenticator share: authenticator.c
 * (the tables, the life of the thread) and authenticator_thread.c (what the thread does). */
#ifndef ACTORS_AUTHENTICATOR_INTERNAL_H
#define ACTORS_AUTHENTICATOR_INTERNAL_H

#include "actors/authenticator.h"
#include "base/allow_list.h"
#include "base/map.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

enum {
    WEIR__DOMAIN_MAX = 24,
    WEIR__COMPLAINTS_KEPT = 32, /* keys and addresses that were turned away, the latest */
    WEIR__ADDRESS_MAX = 64,
};

/* Somebody who was turned away. */
struct weir__turned_away {
    weir_public_key key;
    char address[WEIR__ADDRESS_MAX];
    int64_t logged_ms; /* 0: free */
};

/* A version of a file. */
struct weir__file_stamp {
    dev_t device;
    ino_t number;
    off_t size;
    struct timespec written, changed;
};

struct weir_authenticator {
    struct weir_authenticator *next; /* of all, under weir__handler.lock, as what follows */
    char domain[WEIR__DOMAIN_MAX];
    char *what, *path; /* path: of the allow-list; NULL: none */
    weir_allow_list *list;
    weir_map *admitted; /* hex of the key -> weir_identity */
    atomic_uint_fast64_t generation;
    struct weir__file_stamp stamp; /* the thread's: of the file that was loaded, or was bad */
    bool is_missing;               /* the thread's: said that the file is gone */
    struct weir__turned_away turned_away[WEIR__COMPLAINTS_KEPT];
    size_t next_turned_away;
};

/* One per process, as is the ZeroMQ context. */
struct weir__handler {
    pthread_mutex_t life; /* new and destroy, one at a time */
    pthread_mutex_t lock; /* the list and the tables in it */
    weir_authenticator *first;
    pthread_t thread;
    void *socket;
    int stop_fd, watch_fd; /* watch_fd: inotify; -1 where the system gives none */
};

extern struct weir__handler weir__handler;

void *weir__handler_main(void *handler);
bool weir__file_stamp_of(const char *path, struct weir__file_stamp *ret);
bool weir__file_stamp_is_same(const struct weir__file_stamp *a, const struct weir__file_stamp *b);
/* Under the lock. False: no such key here. */
bool weir__authenticator_find(const weir_authenticator *authenticator, const weir_public_key *key,
                              weir_identity *ret);

#endif
