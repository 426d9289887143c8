/* A message of the data bus: letters in it, whose bodies share its memory. What is taken out can be
 * packed and taken out again.
 *
 *   u8 0: it has one part, u8 which bodies their receiver keeps for a while, u16 size of the second
 *   part, whose bytes count up, the rest: the first part */
#include "fuzz.h"

#include "actors/data_bus_internal.h"
#include "base/memory.h"

#include <string.h>

enum { RUNNER = 7, MESSAGE_MAX = 40000 };

typedef struct received {
    struct weir__letter *letter; /* its header, body and release */
    bool is_kept;                /* else the body is a copy of ours */
} received;

typedef struct box {
    received all[WEIR__BUS_LETTERS_MAX];
    size_t count;
    uint8_t kept; /* one bit for each, over and over */
} box;

static void on_receive(void *self, uint32_t from, const void *header, size_t header_size,
                       void *body, size_t body_size, void (*release)(void *, void *), void *hint)
{
    box *into = self;
    FUZZ_CHECK(from == RUNNER && into->count < WEIR__BUS_LETTERS_MAX);
    FUZZ_CHECK(header_size <= WEIR__BUS_HEADER_MAX && body_size <= MESSAGE_MAX);
    received *to = &into->all[into->count];
    *to = (received){weir_calloc(1, sizeof *to->letter + header_size), false};
    FUZZ_CHECK(to->letter != NULL);
    to->letter->header_size = header_size;
    if (header_size > 0)
        memcpy(to->letter->header, header, header_size);
    if (body != NULL) {
        to->is_kept = (into->kept >> (into->count % 8)) & 1;
        to->letter->body = to->is_kept ? body : fuzz_copy(body, body_size);
        to->letter->body_size = body_size;
        to->letter->release = release;
        to->letter->hint = hint;
        if (!to->is_kept)
            release(body, hint);
    }
    if (into->count > 0)
        into->all[into->count - 1].letter->next = to->letter;
    into->count++;
}

static void empty(box *of)
{
    for (size_t i = 0; i < of->count; i++) {
        struct weir__letter *letter = of->all[i].letter;
        if (of->all[i].is_kept)
            letter->release(letter->body, letter->hint);
        else
            weir_free(letter->body);
        weir_free(letter);
    }
    of->count = 0;
}

static bool take_out(const void *head, size_t size, const void *body, size_t body_size, box *ret)
{
    weir_data_bus bus = {
        .config = {.self = ret, .receive = on_receive, .message_max = MESSAGE_MAX}};
    void *exact = fuzz_copy(head, size);
    zmq_msg_t second;

    FUZZ_CHECK(zmq_msg_init_size(&second, body_size) == 0);
    if (body_size > 0)
        memcpy(zmq_msg_data(&second), body, body_size);
    bool is_fine = weir__envelope_open(&bus, RUNNER, exact, size, body != NULL ? &second : NULL);
    FUZZ_CHECK(is_fine == bus.has_received && is_fine == (ret->count > 0));
    FUZZ_CHECK(zmq_msg_close(&second) == 0);
    weir_free(exact);
    return is_fine;
}

static void check_equal(const box *a, size_t from, const box *b)
{
    FUZZ_CHECK(b->count <= a->count - from);
    for (size_t i = 0; i < b->count; i++) {
        const struct weir__letter *left = a->all[from + i].letter, *right = b->all[i].letter;
        FUZZ_CHECK(left->header_size == right->header_size);
        FUZZ_CHECK(memcmp(left->header, right->header, left->header_size) == 0);
        FUZZ_CHECK((left->body == NULL) == (right->body == NULL));
        FUZZ_CHECK(left->body_size == right->body_size);
        FUZZ_CHECK(left->body_size == 0 || memcmp(left->body, right->body, left->body_size) == 0);
    }
}

static void check_again(const box *first)
{
    struct weir__envelope *envelope = weir_calloc(1, sizeof *envelope);
    FUZZ_CHECK(envelope != NULL);
    for (size_t sent = 0; sent < first->count; sent += envelope->letters) {
        box again = {.kept = 0x55};
        FUZZ_OK(weir__envelope_pack(envelope, first->all[sent].letter, MESSAGE_MAX));
        FUZZ_CHECK(envelope->letters > 0 && envelope->letters <= first->count - sent);
        FUZZ_CHECK(envelope->head_size <= WEIR__BUS_HEAD_MAX);
        FUZZ_CHECK(take_out(envelope->head, envelope->head_size,
                            envelope->has_body ? envelope->body : NULL, envelope->body_size,
                            &again));
        FUZZ_CHECK(again.count == envelope->letters);
        check_equal(first, sent, &again);
        if (envelope->is_gathered)
            weir_free((void *)(uintptr_t)envelope->body);
        empty(&again);
    }
    weir_free(envelope);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, size};
    bool is_alone = fuzz_u8(&input) == 0;
    static box first;
    first.kept = fuzz_u8(&input);
    size_t body_size = fuzz_u16(&input), head_size;
    const uint8_t *head = fuzz_rest(&input, &head_size);
    static uint8_t body[UINT16_MAX];

    for (size_t i = 0; i < body_size; i++)
        body[i] = (uint8_t)(i + i / 256);
    if (take_out(head, head_size, is_alone ? NULL : body, is_alone ? 0 : body_size, &first))
        check_again(&first);
    empty(&first);
    return 0;
}
