/* actors/door_watch.c -- counts strangers by address. */
#include "actors/door_watch.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

void weir_door_watch_deinit(weir_door_watch *watch)
{
    weir_number_map_deinit(&watch->strangers);
    *watch = (weir_door_watch){.count = 0};
}

static weir_door_address *address_of(weir_door_watch *watch, const char *text)
{
    for (size_t i = 0; i < watch->count; i++)
        if (strcmp(watch->addresses[i].text, text) == 0)
            return &watch->addresses[i];
    bool is_full = watch->count == WEIR_DOOR_ADDRESSES_MAX;
    weir_door_address *found = &watch->addresses[watch->count];
    if (!is_full)
        watch->count++;
    if (found->text[0] == '\0') {
        snprintf(found->text, sizeof found->text, "%s", is_full ? "elsewhere" : text);
        found->told_ms = INT64_MIN;
    }
    return found;
}

void weir_door_watch_accepted_from(weir_door_watch *watch, int fd, const char *address)
{
    /* When memory ends this stranger's end goes untold; nothing hangs on it. */
    int rc = weir_number_map_put(&watch->strangers, (uint64_t)fd, address_of(watch, address));
    (void)rc;
}

void weir_door_watch_accepted(weir_door_watch *watch, int fd)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    char text[INET6_ADDRSTRLEN] = "an address that was gone at once";

    if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0) {
        const void *number = peer.ss_family == AF_INET6
                                 ? (const void *)&((struct sockaddr_in6 *)&peer)->sin6_addr
                                 : (const void *)&((struct sockaddr_in *)&peer)->sin_addr;
        inet_ntop(peer.ss_family, number, text, sizeof text);
    }
    weir_door_watch_accepted_from(watch, fd, text);
}

void weir_door_watch_spoke(weir_door_watch *watch, int fd)
{
    weir_number_map_take(&watch->strangers, (uint64_t)fd);
}

bool weir_door_watch_gone(weir_door_watch *watch, int fd, int64_t now_ms,
                          char line[WEIR_DOOR_LINE_MAX])
{
    weir_door_address *from = weir_number_map_take(&watch->strangers, (uint64_t)fd);

    if (from == NULL)
        return false;
    from->untold++;
    if (from->told_ms != INT64_MIN && now_ms - from->told_ms < WEIR_DOOR_WINDOW_MS)
        return false;
    if (from->untold == 1)
        snprintf(line, WEIR_DOOR_LINE_MAX,
                 "refused a connection from %s: it ended without a message of ours", from->text);
    else
        snprintf(line, WEIR_DOOR_LINE_MAX,
                 "refused %" PRIu64 " connections from %s: they ended without a message of ours",
                 from->untold, from->text);
    from->told_ms = now_ms;
    from->untold = 0;
    return true;
}
