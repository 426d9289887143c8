/* line_server PORT_FILE -- a TCP server for tests of the socket source: listens on a free port of
 * loopback, writes the port to PORT_FILE (renamed into place when clients may connect), and hands
 * what comes on stdin to its one client, at once. It ends with its stdin or with the client. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void check(int ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

static void publish(const char *path, int port)
{
    char part[4096];

    snprintf(part, sizeof part, "%s.part", path);
    FILE *file = fopen(part, "w");
    check(file != NULL, part);
    check(fprintf(file, "%d\n", port) > 0 && fclose(file) == 0, part);
    check(rename(part, path) == 0, path);
}

static int accept_one(const char *path)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    check(listener >= 0, "socket");
    check(bind(listener, (struct sockaddr *)&address, size) == 0, "bind");
    check(listen(listener, 1) == 0, "listen");
    check(getsockname(listener, (struct sockaddr *)&address, &size) == 0, "getsockname");
    publish(path, ntohs(address.sin_port));
    int client = accept(listener, NULL, NULL);
    check(client >= 0, "accept");
    close(listener);
    return client;
}

/* False at the end of stdin. */
static int pass_on(int client)
{
    char bytes[65536];
    ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);

    check(count >= 0, "stdin");
    for (ssize_t done = 0, n; done < count; done += n) {
        n = write(client, bytes + done, (size_t)(count - done));
        check(n > 0, "client");
    }
    return count > 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: line_server PORT_FILE\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    struct pollfd from[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                             {.fd = accept_one(argv[1]), .events = POLLIN}};
    int open = 1;
    while (open && from[1].revents == 0) {
        check(poll(from, 2, -1) > 0, "poll");
        if (from[0].revents != 0)
            open = pass_on(from[1].fd);
    }
    return 0;
}
