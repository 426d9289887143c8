/* How fast ZeroMQ alone is: two processes, one TCP connection over loopback, messages of 128 KiB of
 * one part, sent without a copy from memory that is in the caches, and dropped unread.
 *
 *   reference_raw_zmq [key=value ...]
 *
 * Keys: curve (1: encrypted), push (1: PUSH to PULL, 0: DEALER to ROUTER), size (bytes of a
 * message), keep (1: the allocator keeps freed memory, 0: as it is by default), buffers (bytes of
 * the sockets' buffers; 0: the system's choice), ms, warmup-ms. Prints MB/s. */
#include <zmq.h>

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BUFFERS  8 /* that are sent in turn */
#define KEY_TEXT 41

typedef struct options {
    long curve, push, size, keep, buffers, ms, warmup_ms;
} options;

typedef struct keys {
    char server[KEY_TEXT], server_secret[KEY_TEXT], client[KEY_TEXT], client_secret[KEY_TEXT];
} keys;

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "reference_raw_zmq: %s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}

static void check(int rc, const char *what)
{
    if (rc < 0)
        die(what);
}

static void keep_body(void *body, void *hint)
{
    (void)body;
    (void)hint;
}

static void set_buffers(void *socket, const options *o)
{
    int bytes = (int)o->buffers;
    if (bytes > 0) {
        check(zmq_setsockopt(socket, ZMQ_SNDBUF, &bytes, sizeof bytes), "SNDBUF");
        check(zmq_setsockopt(socket, ZMQ_RCVBUF, &bytes, sizeof bytes), "RCVBUF");
    }
}

static _Noreturn void send_for_ever(const options *o, const keys *k, int in)
{
    char endpoint[256];
    ssize_t length = read(in, endpoint, sizeof endpoint - 1);
    if (length <= 0)
        exit(1);
    endpoint[length] = '\0';
    void *socket = zmq_socket(zmq_ctx_new(), o->push ? ZMQ_PUSH : ZMQ_DEALER);
    if (socket == NULL)
        die("socket");
    set_buffers(socket, o);
    if (o->curve) {
        check(zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, k->server, KEY_TEXT), "key");
        check(zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, k->client, KEY_TEXT), "key");
        check(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, k->client_secret, KEY_TEXT), "key");
    }
    check(zmq_connect(socket, endpoint), "connect");
    size_t size = (size_t)o->size;
    char *bodies = malloc(size * BUFFERS);
    if (bodies == NULL)
        die("memory");
    memset(bodies, 1, size * BUFFERS);
    for (size_t i = 0;; i++) {
        zmq_msg_t message;
        check(zmq_msg_init_data(&message, bodies + i % BUFFERS * size, size, keep_body, NULL),
              "message");
        check(zmq_msg_send(&message, socket, 0), "send");
    }
}

static double receive(void *socket, const options *o)
{
    double begin = seconds_now(), start = 0;
    double bytes = 0;
    for (size_t count = 1;; count++) {
        zmq_msg_t message;
        zmq_msg_init(&message);
        check(zmq_msg_recv(&message, socket, 0), "receive");
        size_t size = zmq_msg_size(&message);
        zmq_msg_close(&message);
        bytes += size == (size_t)o->size ? (double)size : 0; /* a ROUTER's ids do not count */
        if (count % 32 != 0)
            continue;
        double now = seconds_now();
        if (start == 0 && now - begin >= (double)o->warmup_ms * 1e-3) {
            start = now;
            bytes = 0;
        } else if (start > 0 && now - start >= (double)o->ms * 1e-3) {
            return bytes / (now - start) * 1e-6;
        }
    }
}

static double measure(const options *o)
{
    keys k;
    int pipes[2];
    if (o->curve) {
        check(zmq_curve_keypair(k.server, k.server_secret), "keys");
        check(zmq_curve_keypair(k.client, k.client_secret), "keys");
    }
    if (pipe(pipes) != 0)
        die("pipe");
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        send_for_ever(o, &k, pipes[0]);
    }
    void *socket = zmq_socket(zmq_ctx_new(), o->push ? ZMQ_PULL : ZMQ_ROUTER);
    if (child < 0 || socket == NULL)
        die("start");
    set_buffers(socket, o);
    int one = 1;
    if (o->curve) {
        check(zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &one, sizeof one), "server");
        check(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, k.server_secret, KEY_TEXT), "key");
    }
    char endpoint[256];
    size_t length = sizeof endpoint;
    check(zmq_bind(socket, "tcp://127.0.0.1:*"), "bind");
    check(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &length), "endpoint");
    if (write(pipes[1], endpoint, strlen(endpoint)) < 0)
        die("pipe");
    double speed = receive(socket, o);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return speed;
}

static void set_option(options *o, const char *text)
{
    struct {
        const char *name;
        long *value;
    } known[] = {
        {"curve=", &o->curve},     {"push=", &o->push}, {"size=", &o->size},
        {"keep=", &o->keep},       {"ms=", &o->ms},     {"warmup-ms=", &o->warmup_ms},
        {"buffers=", &o->buffers},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t length = strlen(known[i].name);
        if (strncmp(text, known[i].name, length) == 0) {
            *known[i].value = strtol(text + length, NULL, 10);
            return;
        }
    }
    fprintf(stderr, "reference_raw_zmq: there is no option '%s'\n", text);
    exit(2);
}

int main(int argc, char **argv)
{
    options o = {.push = 1, .size = 131072, .ms = 1000, .warmup_ms = 300};
    for (int i = 1; i < argc; i++)
        set_option(&o, argv[i]);
    if (o.keep) {
        mallopt(M_MMAP_THRESHOLD, 4 << 20);
        mallopt(M_TRIM_THRESHOLD, 64 << 20);
    }
    printf("%.0f\n", measure(&o));
    return 0;
}
