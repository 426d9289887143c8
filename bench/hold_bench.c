/* bench/hold_bench.c -- a TCP server that sends nothing: it prints its port, accepts whoever comes
 * and keeps the connections until its stdin ends. For sources that have nothing to read. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char byte;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (door < 0 || bind(door, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(door, 512) != 0 || getsockname(door, (struct sockaddr *)&address, &size) != 0) {
        fprintf(stderr, "hold_bench: error: cannot listen: %s\n", strerror(errno));
        return 1;
    }
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        struct pollfd wanted[] = {{.fd = door, .events = POLLIN},
                                  {.fd = STDIN_FILENO, .events = POLLIN}};
        if (poll(wanted, 2, -1) < 0 && errno != EINTR)
            return 1;
        if (wanted[1].revents && read(STDIN_FILENO, &byte, 1) <= 0)
            return 0;
        if (wanted[0].revents && accept4(door, NULL, NULL, SOCK_CLOEXEC) < 0 && errno != EINTR) {
            fprintf(stderr, "hold_bench: error: cannot accept: %s\n", strerror(errno));
            return 1;
        }
    }
}
