/* tests/system/hostile.c -- one rude peer of a kind: hostile ATTACK ADDRESS PORT [COUNT [WORD...]]
 *
 * Prints a line when the attack is in force, and what it was told, if anything. Those that hold
 * their connections do so until stdin ends. Exit code 0: carried out as meant; 1: it could not be,
 * or the other side let through what it must not. Numbers are made from a fixed seed. */
#include "zmtp.h"

#include "base/memory.h"
#include "proto/control.pb-c.h"
#include "proto/data.pb-c.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGE_MAX = 1 << 16, BLOCK = 1 << 20, CLOSE_WITHIN_S = 20 };

struct attack {
    const char *address;
    int port;
    int count;
    char **words; /* the rest of the command line; NULL at its end */
};

static uint64_t seed = 88172645463325252u;

static uint64_t chance(void) /* xorshift64, by Marsaglia */
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void fill(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)chance();
}

static int number_of(const char *text)
{
    return (int)strtol(text, NULL, 10);
}

static int fail(const char *what)
{
    fprintf(stderr, "hostile: %s: %s\n", what, strerror(errno));
    return 1;
}

static void in_force(const char *what)
{
    printf("%s\n", what);
    fflush(stdout);
}

static void hold(void)
{
    char byte;

    while (read(0, &byte, 1) > 0)
        continue;
}

/* --- what speaks no ZMTP --- */

static int attack_garbage(const struct attack *attack)
{
    for (int i = 0; i < attack->count; i++) {
        uint8_t bytes[4096];
        int fd = zmtp_dial(attack->address, attack->port);
        if (fd < 0)
            return fail("connect");
        fill(bytes, sizeof bytes);
        zmtp_send_raw(fd, bytes, 1 + chance() % sizeof bytes); /* it may hang up meanwhile */
        close(fd);
    }
    in_force("garbage sent");
    return 0;
}

static int attack_greeting(const struct attack *attack)
{
    for (int i = 0; i < attack->count; i++) {
        uint8_t bytes[ZMTP_GREETING + 512];
        int fd = zmtp_dial(attack->address, attack->port);
        if (fd < 0)
            return fail("connect");
        zmtp_greeting(bytes);
        fill(bytes + ZMTP_GREETING, sizeof bytes - ZMTP_GREETING);
        if (i % 2 == 1) /* a greeting that is nearly right */
            bytes[chance() % ZMTP_GREETING] ^= (uint8_t)(1u << (chance() % 8));
        zmtp_send_raw(fd, bytes, sizeof bytes);
        close(fd);
    }
    in_force("greetings and garbage sent");
    return 0;
}

/* Connections that say `bytes` of a greeting, or nothing, and then no more. */
static int keep_open(const struct attack *attack, bool speaks)
{
    struct rlimit limit;
    uint8_t greeting[ZMTP_GREETING];

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    zmtp_greeting(greeting);
    for (int i = 0; i < attack->count; i++) {
        int fd = zmtp_dial(attack->address, attack->port);
        if (fd < 0)
            return fail("connect");
        if (speaks)
            zmtp_send_raw(fd, greeting, 1 + chance() % (ZMTP_GREETING - 1));
    }
    in_force("connections are open");
    hold();
    return 0;
}

static int attack_silent(const struct attack *attack)
{
    return keep_open(attack, false);
}

static int attack_half_open(const struct attack *attack)
{
    return keep_open(attack, true);
}

/* The head of a frame of 8 GiB, and as much of it as the other side takes. It must hang up. */
static int attack_huge(const struct attack *attack)
{
    static uint8_t block[BLOCK];

    for (int i = 0; i < attack->count; i++) {
        static const uint8_t head[9] = {ZMTP_LONG, 0, 0, 0, 2, 0, 0, 0, 0};
        int fd = zmtp_open(attack->address, attack->port), rc;
        if (fd < 0)
            return fail("open");
        rc = zmtp_send_raw(fd, head, sizeof head);
        for (int sent = 0; rc == 0 && sent < 64; sent++)
            rc = zmtp_send_raw(fd, block, sizeof block);
        if (rc == 0 && zmtp_wait_end(fd, CLOSE_WITHIN_S) != 0)
            return fail("a frame of 8 GiB is still welcome");
        close(fd);
    }
    in_force("hung up on");
    return 0;
}

/* --- what speaks ZMTP --- */

static size_t pack(const ProtobufCMessage *message, uint8_t out[MESSAGE_MAX])
{
    if (protobuf_c_message_get_packed_size(message) > MESSAGE_MAX)
        exit(fail("a message of its own is too large"));
    return protobuf_c_message_pack(message, out);
}

struct hello {
    Weir__Proto__Envelope envelope;
    Weir__Proto__PeerHello body;
    char process[64]; /* each attack is a process of its own, as others are */
};

/* words: CLUSTER ROLE */
static void make_hello(struct hello *hello, char **words)
{
    weir__proto__envelope__init(&hello->envelope);
    weir__proto__peer_hello__init(&hello->body);
    hello->envelope.from_process = hello->body.process = hello->process;
    snprintf(hello->process, sizeof hello->process, "hostile-%d", (int)getpid());
    hello->envelope.from = hello->envelope.to = (char *)(uintptr_t) "node";
    hello->envelope.correlation = 1;
    hello->envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_HELLO;
    hello->envelope.hello = &hello->body;
    hello->body.protocol_min = hello->body.protocol_max = 1;
    hello->body.version = (char *)(uintptr_t) "0.1.0";
    if (words[0] != NULL && words[1] != NULL) {
        hello->body.cluster = words[0];
        hello->body.role = words[1];
    }
}

/* Says hello and prints the answer. Returns what kind it is, or -1. */
static int greet(int fd, const struct hello *hello)
{
    uint8_t bytes[MESSAGE_MAX];
    size_t size = pack(&hello->envelope.base, bytes);

    if (zmtp_send(fd, 0, bytes, size) != 0)
        return -1;
    int got = zmtp_receive(fd, bytes, sizeof bytes);
    if (got < 0)
        return -1;
    Weir__Proto__Envelope *answer = weir__proto__envelope__unpack(NULL, (size_t)got, bytes);
    if (answer == NULL)
        return -1;
    int kind = (int)answer->body_case;
    if (kind == WEIR__PROTO__ENVELOPE__BODY_REFUSE)
        printf("refused: %s\n", answer->refuse->text);
    else
        printf("answer of kind %d\n", kind);
    fflush(stdout);
    weir__proto__envelope__free_unpacked(answer, NULL);
    return kind;
}

/* words: CLUSTER ROLE [PROTOCOL]. To be refused, in words. */
static int attack_refused(const struct attack *attack)
{
    struct hello hello;
    int fd = zmtp_open(attack->address, attack->port);

    if (fd < 0)
        return fail("open");
    make_hello(&hello, attack->words);
    if (attack->words[0] != NULL && attack->words[1] != NULL && attack->words[2] != NULL)
        hello.body.protocol_min = hello.body.protocol_max = (uint32_t)number_of(attack->words[2]);
    return greet(fd, &hello) == WEIR__PROTO__ENVELOPE__BODY_REFUSE ? 0 : fail("was not refused");
}

static void spoil(uint8_t *bytes, size_t *size)
{
    if (chance() % 2 == 0)
        *size = chance() % *size;
    for (uint64_t flips = chance() % 8 + 1; *size > 0 && flips > 0; flips--)
        bytes[chance() % *size] ^= (uint8_t)(1u << (chance() % 8));
}

/* Messages that were right once: before a hello, and, every other connection, after one. words:
 * CLUSTER ROLE */
static int attack_spoiled(const struct attack *attack)
{
    struct hello hello;
    uint8_t bytes[MESSAGE_MAX];

    make_hello(&hello, attack->words);
    for (int i = 0; i < attack->count; i++) {
        snprintf(hello.process, sizeof hello.process, "hostile-%d-%d", (int)getpid(), i);
        int fd = zmtp_open(attack->address, attack->port);
        if (fd < 0)
            return fail("open");
        if (i % 2 == 1 && zmtp_send(fd, 0, bytes, pack(&hello.envelope.base, bytes)) != 0)
            return fail("hello");
        for (int j = 0; j < 100; j++) {
            size_t size = pack(&hello.envelope.base, bytes);
            spoil(bytes, &size);
            if (zmtp_send(fd, j % 7 == 0 ? ZMTP_MORE : 0, bytes, size) != 0)
                break; /* it may hang up on us */
        }
        close(fd);
    }
    in_force("spoiled messages sent");
    return 0;
}

/* Asks and asks, and reads nothing. words: CLUSTER ROLE */
static int attack_unread(const struct attack *attack)
{
    struct hello hello;
    uint8_t bytes[MESSAGE_MAX];
    int fd = zmtp_open(attack->address, attack->port), asked = 0;

    if (fd < 0)
        return fail("open");
    make_hello(&hello, attack->words);
    if (greet(fd, &hello) != WEIR__PROTO__ENVELOPE__BODY_WELCOME)
        return fail("was not welcomed");
    Weir__Proto__FetchLog body = WEIR__PROTO__FETCH_LOG__INIT;
    body.what = (char *)(uintptr_t) "dispatcher";
    body.max_bytes = 1 << 20;
    hello.envelope.to = (char *)(uintptr_t) "dispatcher";
    hello.envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_FETCH_LOG;
    hello.envelope.fetch_log = &body;
    for (; asked < attack->count; asked++) {
        hello.envelope.correlation = (uint64_t)asked + 2;
        if (zmtp_send(fd, 0, bytes, pack(&hello.envelope.base, bytes)) != 0)
            break;
    }
    in_force("asked, and does not read");
    hold();
    return 0;
}

/* An end of a job that is not its to tell. words: CLUSTER ROLE JOB */
static int attack_forged(const struct attack *attack)
{
    struct hello hello;
    uint8_t bytes[MESSAGE_MAX];
    int fd = zmtp_open(attack->address, attack->port);

    if (fd < 0)
        return fail("open");
    make_hello(&hello, attack->words);
    if (greet(fd, &hello) != WEIR__PROTO__ENVELOPE__BODY_WELCOME)
        return fail("was not welcomed");
    char *job = attack->words[2], actor[64];
    Weir__Proto__JobSummary summary = WEIR__PROTO__JOB_SUMMARY__INIT;
    summary.job = summary.name = job;
    summary.state = (char *)(uintptr_t) "FINISHED";
    Weir__Proto__JobDetail detail = WEIR__PROTO__JOB_DETAIL__INIT;
    detail.summary = &summary;
    Weir__Proto__JobReport report = WEIR__PROTO__JOB_REPORT__INIT;
    report.detail = &detail;
    Weir__Proto__TaskReport task = WEIR__PROTO__TASK_REPORT__INIT;
    task.job = job;
    task.state = (char *)(uintptr_t) "FINISHED";
    Weir__Proto__EndRunner end = WEIR__PROTO__END_RUNNER__INIT;
    end.job = job;
    snprintf(actor, sizeof actor, "job-%s", job);
    const char *const actors[] = {"dispatcher", "jobmanager", "node", actor};
    for (uint64_t i = 0; i < 4 * 3 * 8; i++) {
        hello.envelope.to = (char *)(uintptr_t)actors[i % 4];
        hello.envelope.correlation = i + 2;
        hello.envelope.epoch = i / 12; /* 0 to 7: an old one, or a guessed one */
        switch (i / 4 % 3) {
        case 0:
            hello.envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_JOB_REPORT;
            hello.envelope.job_report = &report;
            break;
        case 1:
            hello.envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_TASK_REPORT;
            hello.envelope.task_report = &task;
            break;
        default:
            hello.envelope.body_case = WEIR__PROTO__ENVELOPE__BODY_END_RUNNER;
            hello.envelope.end_runner = &end;
        }
        if (zmtp_send(fd, 0, bytes, pack(&hello.envelope.base, bytes)) != 0)
            return fail("send");
    }
    in_force("forged reports sent");
    return 0;
}

/* At a task runner's data door: batches without a hello, and hellos that are not of the job. words:
 * JOB */
static int attack_data(const struct attack *attack)
{
    uint8_t bytes[MESSAGE_MAX];
    Weir__Proto__Hello hello = WEIR__PROTO__HELLO__INIT;
    Weir__Proto__DataHeader header = WEIR__PROTO__DATA_HEADER__INIT;

    for (int i = 0; i < attack->count; i++) {
        int fd = zmtp_open(attack->address, attack->port);
        if (fd < 0)
            return fail("open");
        weir__proto__data_header__init(&header);
        hello.protocol = i % 3 == 0 ? 99 : 1;
        hello.job = attack->words[0];
        hello.runner = (uint32_t)i % 4;
        hello.key = chance();
        if (i % 2 == 0) {
            header.body_case = WEIR__PROTO__DATA_HEADER__BODY_HELLO;
            header.hello = &hello;
            zmtp_send(fd, 0, bytes, pack(&header.base, bytes));
        }
        weir__proto__data_header__init(&header);
        header.channel = (uint32_t)i % 8;
        header.sequence = 1;
        header.body_case = WEIR__PROTO__DATA_HEADER__BODY_END_OF_INPUT;
        header.end_of_input = true;
        zmtp_send(fd, 0, bytes, pack(&header.base, bytes));
        header.body_case = WEIR__PROTO__DATA_HEADER__BODY_BATCH_SIZE;
        header.batch_size = 4096;
        zmtp_send(fd, ZMTP_MORE, bytes, pack(&header.base, bytes));
        fill(bytes, 4096);
        zmtp_send(fd, 0, bytes, 4096);
        close(fd);
    }
    in_force("data sent");
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const struct attack *attack);
    } attacks[] = {
        {"garbage", attack_garbage},     {"greeting", attack_greeting}, {"silent", attack_silent},
        {"half-open", attack_half_open}, {"huge", attack_huge},         {"refused", attack_refused},
        {"spoiled", attack_spoiled},     {"unread", attack_unread},     {"forged", attack_forged},
        {"data", attack_data},
    };

    if (argc < 4) {
        fprintf(stderr, "usage: hostile ATTACK ADDRESS PORT [COUNT [WORD...]]\n");
        return 2;
    }
    struct attack attack = {argv[2], number_of(argv[3]), argc > 4 ? number_of(argv[4]) : 1,
                            argv + (argc > 5 ? 5 : argc)};
    for (size_t i = 0; i < WEIR_COUNT(attacks); i++)
        if (strcmp(argv[1], attacks[i].name) == 0)
            return attacks[i].run(&attack);
    fprintf(stderr, "hostile: there is no attack '%s'\n", argv[1]);
    return 2;
}
