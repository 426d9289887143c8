/* bench/reference/relay.c -- what no program can be faster than: reads a socket, writes to stdout.
 *
 *   reference_relay PORT */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char bytes[65536];
    ssize_t size;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (argc != 2)
        return 2;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("relay");
        return 1;
    }
    while ((size = read(fd, bytes, sizeof bytes)) > 0) {
        if (write(STDOUT_FILENO, bytes, (size_t)size) != size)
            return 1;
    }
    return size < 0;
}
