/* actors/door_watch.h -- who came to a door and never spoke as one of ours: a port scan, another
 * program, a broken peer. ZeroMQ drops such connections without a word; this says so once for each
 * address and then at most once a minute, with their number. Fed with the news of the door
 * (actors/zmq_socket.h); owned by one thread. All zero is an empty one. */
#ifndef ACTORS_DOOR_WATCH_H
#define ACTORS_DOOR_WATCH_H

#include "actors/number_map.h"

#include <netinet/in.h>

enum {
    WEIR_DOOR_ADDRESSES_MAX = 64, /* that are told apart; the rest counts as one */
    WEIR_DOOR_LINE_MAX = 192,
    WEIR_DOOR_WINDOW_MS = 60000,
};

typedef struct weir_door_address {
    char text[INET6_ADDRSTRLEN];
    int64_t told_ms;
    uint64_t untold;
} weir_door_address;

typedef struct weir_door_watch {
    weir_number_map strangers; /* descriptor -> weir_door_address */
    weir_door_address addresses[WEIR_DOOR_ADDRESSES_MAX + 1];
    size_t count;
} weir_door_watch;

void weir_door_watch_deinit(weir_door_watch *watch);
/* A connection was accepted. Its address is asked for at once: soon it may be another's descriptor.
 */
void weir_door_watch_accepted(weir_door_watch *watch, int fd);
void weir_door_watch_accepted_from(weir_door_watch *watch, int fd, const char *address);
void weir_door_watch_spoke(weir_door_watch *watch,
                           int fd); /* a message came: no stranger any more */
/* A connection ended. True: `line` is to be logged. */
bool weir_door_watch_gone(weir_door_watch *watch, int fd, int64_t now_ms,
                          char line[WEIR_DOOR_LINE_MAX]);

#endif
