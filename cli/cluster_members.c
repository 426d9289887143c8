#include "cli/cluster_members.h"

#include "base/clock.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TERM_MS = 3000, KILL_MS = 2000 };

static size_t list_living(const weir_members_list *members, struct pollfd *items)
{
    size_t count = 0;

    for (size_t i = 0; i < members->count; i++) {
        struct pollfd item = {.fd = members->of[i].pidfd, .events = POLLIN};

        if (poll(&item, 1, 0) == 0)
            items[count++] = item;
    }
    return count;
}

size_t weir_members_wait(const weir_members_list *members, int64_t timeout_ms)
{
    struct pollfd items[WEIR_MEMBERS_MAX];
    int64_t deadline = weir_clock_monotonic_ms() + timeout_ms;

    for (;;) {
        size_t count = list_living(members, items);
        int64_t left = deadline - weir_clock_monotonic_ms();

        if (count == 0 || left <= 0)
            return count;
        poll(items, (nfds_t)count, (int)left);
    }
}

/* By descriptor: a process number may have changed hands. */
static void signal_all(const weir_members_list *members, int number)
{
    for (size_t i = 0; i < members->count; i++)
        syscall(SYS_pidfd_send_signal, members->of[i].pidfd, number, NULL, 0);
}

size_t weir_members_kill(const weir_members_list *members)
{
    signal_all(members, SIGTERM);
    if (weir_members_wait(members, TERM_MS) == 0)
        return 0;
    signal_all(members, SIGKILL);
    return weir_members_wait(members, KILL_MS);
}

const char *weir_members_text(const weir_members_list *members, char *out, size_t size)
{
    size_t end = 0;

    out[0] = '\0';
    for (size_t i = 0; i < members->count && end < size; i++)
        end += (size_t)snprintf(out + end, size - end, "%s%s %ld", i == 0 ? "" : ", ",
                                members->of[i].name, (long)members->of[i].pid);
    return out;
}
