/* actors/data_bus_envelope.c -- many letters in one message: what a message costs, in system calls
 * and wake-ups, is paid once for all that wait for a peer.
 *
 * A message has a head and, when a letter in it has a body, the bodies one behind the other:
 *   head: kind u8 (1), 0 u8, count u16, then per letter: size of its body u32 (NO_BODY: none), size
 *   of its header u16, 0 u16; then the headers. Little endian.
 * Bodies that lie side by side in memory travel as they lie, without a copy; others, if they are
 * not large, are copied together: a copy costs less than a message. At the other end bodies share
 * the memory of their message; small ones are copied out, so that they do not keep it. */
#include "actors/data_bus_internal.h"
#include "base/handover.h"
#include "base/memory.h"

#include <stdatomic.h>
#include <string.h>

enum {
    KIND = 1, /* no DataHeader begins like this: a hello is never taken for an envelope */
    HEAD_SIZE = 4,
    ENTRY_SIZE = 8,
    BODIES_MAX = 256 << 10, /* bytes of several bodies in a message */
    ENOUGH = 64 << 10,      /* bytes of bodies that are worth a message of their own */
    COPIED_MAX = 64 << 10,  /* bytes of a body that is copied to go with others */
    COPIED_OUT = 8192,      /* bytes; a body under it does not keep those beside it, */
    COPIED_OUT_PART = 4, /* nor one that is less than this part of its message: what is kept is */
                         /* bounded by what credits count */
};
#define NO_BODY UINT32_MAX

/* --- on the way out --- */

static bool is_adjacent(const struct weir__envelope *envelope, const struct weir__letter *letter)
{
    return (const uint8_t *)letter->body == envelope->body + envelope->body_size;
}

/* Whether the letter goes with those before it. */
static bool goes_along(const struct weir__envelope *envelope, const struct weir__letter *letter,
                       size_t body_max)
{
    if (envelope->letters == WEIR__BUS_LETTERS_MAX ||
        envelope->headers + letter->header_size > WEIR__BUS_HEADER_MAX)
        return false;
    if (letter->body == NULL || !envelope->has_body)
        return true;
    return envelope->body_size + letter->body_size <= body_max &&
           (envelope->is_gathered ? letter->body_size <= COPIED_MAX
                                  : is_adjacent(envelope, letter));
}

/* Takes as many letters as go together; `is_gathered` says in which way. Returns the next. */
static const struct weir__letter *take_along(struct weir__envelope *envelope,
                                             const struct weir__letter *letter, size_t body_max,
                                             bool is_gathered)
{
    envelope->letters = envelope->headers = envelope->body_size = 0;
    envelope->has_body = false;
    envelope->is_gathered = is_gathered;
    for (; letter != NULL && goes_along(envelope, letter, body_max); letter = letter->next) {
        envelope->letters++;
        envelope->headers += letter->header_size;
        if (letter->body == NULL)
            continue;
        if (!envelope->has_body)
            envelope->body = letter->body;
        envelope->has_body = true;
        envelope->body_size += letter->body_size;
    }
    return letter;
}

static void put_u16(uint8_t *to, size_t value)
{
    uint16_t small = (uint16_t)value;
    memcpy(to, &small, sizeof small);
}

static void write_head(const struct weir__envelope *envelope, const struct weir__letter *letter,
                       uint8_t *to)
{
    uint8_t *entry = to + HEAD_SIZE, *header = entry + envelope->letters * ENTRY_SIZE;
    to[0] = KIND;
    to[1] = 0;
    put_u16(to + 2, envelope->letters);
    for (size_t i = 0; i < envelope->letters; i++, letter = letter->next) {
        uint32_t size = letter->body != NULL ? (uint32_t)letter->body_size : NO_BODY;
        memcpy(entry, &size, sizeof size);
        put_u16(entry + 4, letter->header_size);
        put_u16(entry + 6, 0);
        memcpy(header, letter->header, letter->header_size);
        entry += ENTRY_SIZE;
        header += letter->header_size;
    }
}

static int gather_bodies(struct weir__envelope *envelope, const struct weir__letter *letter)
{
    uint8_t *to = weir_alloc(envelope->body_size);
    if (to == NULL)
        return WEIR_ENO_MEMORY;
    envelope->body = to;
    for (size_t i = 0; i < envelope->letters; i++, letter = letter->next) {
        if (letter->body != NULL) {
            memcpy(to, letter->body, letter->body_size);
            to += letter->body_size;
        }
    }
    return 0;
}

int weir__envelope_pack(struct weir__envelope *envelope, const struct weir__letter *first,
                        size_t body_max)
{
    body_max = body_max < BODIES_MAX ? body_max : BODIES_MAX;
    const struct weir__letter *next = take_along(envelope, first, body_max, false);
    if (next != NULL && next->body != NULL && next->body_size <= COPIED_MAX &&
        envelope->body_size < ENOUGH) {
        size_t letters = envelope->letters;
        take_along(envelope, first, body_max, true);
        if (envelope->letters <= letters) /* nothing was won */
            take_along(envelope, first, body_max, false);
    }
    envelope->head_size = HEAD_SIZE + envelope->letters * ENTRY_SIZE + envelope->headers;
    write_head(envelope, first, envelope->head);
    envelope->is_gathered &= envelope->has_body;
    return envelope->is_gathered ? gather_bodies(envelope, first) : 0;
}

/* --- on the way in --- */

/* A body that several letters share; the last of them closes it. */
struct shared {
    atomic_size_t letters;
    zmq_msg_t message;
};

static void release_shared(void *body, void *hint)
{
    (void)body;
    struct shared *shared = hint;
    if (atomic_fetch_sub_explicit(&shared->letters, 1, memory_order_acq_rel) == 1) {
        zmq_msg_close(&shared->message);
        weir_free(shared);
    }
}

static void release_copy(void *body, void *hint)
{
    (void)hint;
    weir_free(body);
}

/* One letter of a head: where it says its parts are. */
struct entry {
    uint32_t body_size;
    uint16_t header_size;
};

static struct entry entry_at(const uint8_t *head, size_t index)
{
    struct entry entry;
    memcpy(&entry.body_size, head + HEAD_SIZE + index * ENTRY_SIZE, sizeof entry.body_size);
    memcpy(&entry.header_size, head + HEAD_SIZE + index * ENTRY_SIZE + 4, sizeof entry.header_size);
    return entry;
}

/* How many letters it has, if it agrees with itself; else 0. */
static size_t check_head(const weir_data_bus *bus, const uint8_t *head, size_t size,
                         size_t *ret_bodies, uint64_t *ret_body_size)
{
    uint16_t count;
    if (size < HEAD_SIZE || head[0] != KIND || head[1] != 0)
        return 0;
    memcpy(&count, head + 2, sizeof count);
    uint64_t expected = HEAD_SIZE + (uint64_t)count * ENTRY_SIZE;
    if (count > WEIR__BUS_LETTERS_MAX || expected > size)
        return 0;
    *ret_bodies = 0;
    *ret_body_size = 0;
    for (size_t i = 0; i < count; i++) {
        struct entry entry = entry_at(head, i);
        expected += entry.header_size;
        if (entry.header_size > WEIR__BUS_HEADER_MAX)
            return 0;
        if (entry.body_size == NO_BODY)
            continue;
        ++*ret_bodies;
        *ret_body_size += entry.body_size;
        if (entry.body_size > bus->config.message_max)
            return 0;
    }
    return expected == size ? count : 0;
}

/* Hands on one letter with a body; its share of `shared` goes to the receiver or is dropped. */
static bool hand_on(weir_data_bus *bus, uint32_t runner, const uint8_t *header, struct entry entry,
                    uint8_t *body, bool is_alone, struct shared *shared)
{
    const weir_data_bus_config *config = &bus->config;
    if (is_alone || (entry.body_size >= COPIED_OUT &&
                     entry.body_size >= zmq_msg_size(&shared->message) / COPIED_OUT_PART)) {
        config->receive(config->self, runner, header, entry.header_size, body, entry.body_size,
                        release_shared, shared);
        return true;
    }
    uint8_t *copy = weir_alloc(entry.body_size);
    if (copy != NULL) {
        memcpy(copy, body, entry.body_size);
        config->receive(config->self, runner, header, entry.header_size, copy, entry.body_size,
                        release_copy, NULL);
    }
    release_shared(body, shared);
    return copy != NULL;
}

static bool hand_on_all(weir_data_bus *bus, uint32_t runner, const uint8_t *head, size_t count,
                        size_t bodies, struct shared *shared)
{
    const weir_data_bus_config *config = &bus->config;
    const uint8_t *header = head + HEAD_SIZE + count * ENTRY_SIZE;
    uint8_t *body = shared != NULL ? zmq_msg_data(&shared->message) : NULL;
    size_t left = bodies;
    bool is_fine = true;
    for (size_t i = 0; i < count && is_fine; i++) {
        struct entry entry = entry_at(head, i);
        if (entry.body_size == NO_BODY) {
            config->receive(config->self, runner, header, entry.header_size, NULL, 0, NULL, NULL);
        } else {
            is_fine = hand_on(bus, runner, header, entry, body, bodies == 1, shared);
            body += entry.body_size;
            left--;
        }
        header += entry.header_size;
    }
    for (; left > 0; left--)
        release_shared(NULL, shared);
    return is_fine;
}

bool weir__envelope_open(weir_data_bus *bus, uint32_t runner, const void *head, size_t head_size,
                         zmq_msg_t *body)
{
    size_t bodies = 0;
    uint64_t body_size = 0;
    size_t count = check_head(bus, head, head_size, &bodies, &body_size);
    if (count == 0 || (bodies > 0) != (body != NULL) ||
        (body != NULL && zmq_msg_size(body) != body_size))
        return false;
    bus->has_received = true;
    struct shared *shared = NULL;
    if (body != NULL) {
        shared = weir_alloc(sizeof *shared);
        if (shared == NULL)
            return false;
        atomic_init(&shared->letters, bodies);
        zmq_msg_init(&shared->message);
        zmq_msg_move(&shared->message, body);
        WEIR_TAKE_OVER(zmq_msg_data(&shared->message)); /* inproc: the very memory that was sent */
    }
    return hand_on_all(bus, runner, head, count, bodies, shared);
}
