#include "actors/lookup.h"

#include "base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STACK_BYTES = 1 << 20 };

struct weir_lookup {
    atomic_int holders; /* who asked, and the thread */
    atomic_bool is_done;
    int wake_fd; /* our own */
    char *name;
    char address[WEIR_ADDRESS_MAX];
    weir_error error; /* code 0: the address is there */
};

bool weir_address_is_numeric(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return host[0] == '[' || inet_pton(AF_INET, host, address) == 1 ||
           inet_pton(AF_INET6, host, address) == 1;
}

static int look_up(const char *name, int family, char out[WEIR_ADDRESS_MAX])
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char text[INET6_ADDRSTRLEN];
    int rc = getaddrinfo(name, NULL, &hints, &found);
    if (rc != 0)
        return rc;
    rc = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
    freeaddrinfo(found);
    if (rc == 0)
        snprintf(out, WEIR_ADDRESS_MAX, family == AF_INET6 ? "[%s]" : "%s", text);
    return rc;
}

int weir_address_look_up(const char *name, char out[WEIR_ADDRESS_MAX], weir_error *err)
{
    if (look_up(name, AF_INET, out) == 0)
        return 0;
    int rc = look_up(name, AF_INET6, out);
    if (rc == 0)
        return 0;
    return weir_error_set(err, WEIR_ENOT_FOUND, "the name '%.120s' has no address: %s", name,
                          rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
}

static void release(weir_lookup *lookup)
{
    if (atomic_fetch_sub(&lookup->holders, 1) > 1)
        return;
    if (lookup->wake_fd >= 0)
        close(lookup->wake_fd);
    weir_free(lookup->name);
    weir_free(lookup);
}

static void *run(void *data)
{
    weir_lookup *lookup = data;
    pthread_setname_np(pthread_self(), "weir-lookup");
    if (weir_address_look_up(lookup->name, lookup->address, &lookup->error) == 0)
        lookup->error.code = 0;
    atomic_store(&lookup->is_done, true);
    uint64_t one = 1;
    ssize_t count = write(lookup->wake_fd, &one, sizeof one);
    (void)count; /* a full counter is readable, too */
    release(lookup);
    return NULL;
}

static int start_thread(weir_lookup *lookup)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, kept;
    int rc = pthread_attr_init(&attributes);
    if (rc != 0)
        return rc;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &kept); /* signals are the main thread's */
    atomic_store(&lookup->holders, 2);
    rc = pthread_create(&thread, &attributes, run, lookup);
    if (rc != 0)
        atomic_store(&lookup->holders, 1);
    pthread_sigmask(SIG_SETMASK, &kept, NULL);
    pthread_attr_destroy(&attributes);
    return rc;
}

int weir_lookup_start(const char *name, int wake_fd, weir_lookup **ret, weir_error *err)
{
    weir_lookup *lookup = weir_calloc(1, sizeof *lookup);
    if (lookup == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory to look up '%.120s'", name);
    atomic_store(&lookup->holders, 1);
    lookup->wake_fd = fcntl(wake_fd, F_DUPFD_CLOEXEC, 0);
    lookup->name = weir_strdup(name);
    int rc = lookup->wake_fd < 0 ? errno : lookup->name == NULL ? ENOMEM : start_thread(lookup);
    if (rc != 0) {
        release(lookup);
        return weir_error_errno(err, rc, "'%.120s' cannot be looked up", name);
    }
    *ret = lookup;
    return 0;
}

bool weir_lookup_is_done(weir_lookup *lookup)
{
    return atomic_load(&lookup->is_done);
}

int weir_lookup_result(const weir_lookup *lookup, char out[WEIR_ADDRESS_MAX], weir_error *err)
{
    if (lookup->error.code == 0)
        memcpy(out, lookup->address, WEIR_ADDRESS_MAX);
    else if (err != NULL)
        *err = lookup->error;
    return lookup->error.code;
}

void weir_lookup_drop(weir_lookup **lookup)
{
    if (lookup == NULL || *lookup == NULL)
        return;
    release(*lookup);
    *lookup = NULL;
}
