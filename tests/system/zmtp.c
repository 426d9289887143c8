#include "zmtp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { DEADLINE_S = 5 };

int zmtp_dial(const char *address, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval deadline = {.tv_sec = DEADLINE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (inet_pton(AF_INET, address, &to.sin_addr) == 1 &&
        connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

void zmtp_greeting(uint8_t out[ZMTP_GREETING])
{
    memset(out, 0, ZMTP_GREETING);
    out[0] = 0xff;
    out[9] = 0x7f;
    out[10] = 3;
    memcpy(out + 12, "NULL", 4);
}

int zmtp_send_raw(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;

    while (size > 0) {
        ssize_t count = send(fd, at, size, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return -1;
        at += count;
        size -= (size_t)count;
    }
    return 0;
}

int zmtp_send(int fd, int flags, const void *bytes, size_t size)
{
    uint8_t head[9];
    size_t length = size < 256 ? 2 : 9;

    head[0] = (uint8_t)(flags | (length == 9 ? ZMTP_LONG : 0));
    head[1] = (uint8_t)size;
    for (size_t i = 1; length == 9 && i < 9; i++)
        head[i] = (uint8_t)((uint64_t)size >> (8 * (8 - i)));
    return zmtp_send_raw(fd, head, length) == 0 ? zmtp_send_raw(fd, bytes, size) : -1;
}

static int read_all(int fd, void *out, size_t size)
{
    char *at = out;

    while (size > 0) {
        ssize_t count = recv(fd, at, size, 0);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return -1;
        at += count;
        size -= (size_t)count;
    }
    return 0;
}

/* One frame; what does not fit into `out` is dropped. */
static int read_frame(int fd, int *ret_flags, void *out, size_t max)
{
    uint8_t head[9];
    uint64_t size;

    if (read_all(fd, head, 2) != 0)
        return -1;
    size = head[1];
    if ((head[0] & ZMTP_LONG) != 0) {
        if (read_all(fd, head + 2, 7) != 0)
            return -1;
        size = 0;
        for (size_t i = 1; i < 9; i++)
            size = size << 8 | head[i];
    }
    *ret_flags = head[0];
    uint64_t kept = size < max ? size : max;
    if (read_all(fd, out, (size_t)kept) != 0)
        return -1;
    for (uint64_t left = size - kept; left > 0;) {
        char dropped[4096];
        size_t part = left < sizeof dropped ? (size_t)left : sizeof dropped;
        if (read_all(fd, dropped, part) != 0)
            return -1;
        left -= part;
    }
    return (int)kept;
}

int zmtp_open(const char *address, int port)
{
    static const uint8_t ready[] = "\5READY\13Socket-Type\0\0\0\6DEALER";
    uint8_t greeting[ZMTP_GREETING], answer[512];
    int flags, fd = zmtp_dial(address, port);

    if (fd < 0)
        return -1;
    zmtp_greeting(greeting);
    if (zmtp_send_raw(fd, greeting, sizeof greeting) == 0 &&
        read_all(fd, answer, ZMTP_GREETING) == 0 &&
        zmtp_send(fd, ZMTP_COMMAND, ready, sizeof ready - 1) == 0 &&
        read_frame(fd, &flags, answer, sizeof answer) >= 6 && (flags & ZMTP_COMMAND) != 0 &&
        memcmp(answer, "\5READY", 6) == 0)
        return fd;
    close(fd);
    errno = EPROTO;
    return -1;
}

int zmtp_receive(int fd, void *out, size_t max)
{
    int flags, size;

    do
        size = read_frame(fd, &flags, out, max);
    while (size >= 0 && (flags & ZMTP_COMMAND) != 0);
    return size;
}

int zmtp_wait_end(int fd, int seconds)
{
    time_t until = time(NULL) + seconds;
    char dropped[65536];

    while (time(NULL) <= until) {
        struct pollfd item = {.fd = fd, .events = POLLIN};
        if (poll(&item, 1, 200) > 0 && recv(fd, dropped, sizeof dropped, MSG_DONTWAIT) <= 0 &&
            errno != EAGAIN)
            return 0;
    }
    return -1;
}
