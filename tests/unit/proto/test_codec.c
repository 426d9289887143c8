/* Packing and unpacking: limits, damaged texts, unknown things, nesting. */
#include "proto/codec.h"

#include "base/memory.h"
#include "proto/control.pb-c.h"
#include "proto/data.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MEMORY (64u << 10)

/* ---- a message with one field of each sort that is checked ----
 * message Box { string text = 1; repeated string texts = 2; Color color = 3; repeated Leaf leaves =
 * 4; oneof o { string a = 5; uint32 b = 6; Leaf c = 8; } bytes raw = 7; repeated Color colors = 9;
 * } */

typedef struct leaf {
    ProtobufCMessage base;
    char *name;
} leaf;

typedef struct box {
    ProtobufCMessage base;
    char *text;
    size_t ntexts;
    char **texts;
    int color;
    size_t nleaves;
    leaf **leaves;
    uint32_t o_case;
    union {
        char *a;
        uint32_t b;
        leaf *c;
    } o;
    ProtobufCBinaryData raw;
    size_t ncolors;
    int *colors;
} box;

static const ProtobufCMessageDescriptor box_descriptor;

static const ProtobufCEnumValue color_values[] = {{"NONE", "NONE", 0}, {"RED", "RED", 3}};
static const ProtobufCIntRange color_ranges[] = {{0, 0}, {3, 1}, {0, 2}};
static const ProtobufCEnumDescriptor color_descriptor = {
    .magic = PROTOBUF_C__ENUM_DESCRIPTOR_MAGIC,
    .name = "test.Color",
    .n_values = 2,
    .values = color_values,
    .n_value_ranges = 2,
    .value_ranges = color_ranges,
};

#define FIELD(NAME, ID, LABEL, TYPE, QUANTIFIER, OFFSET, DESCRIPTOR, DEFAULT, FLAGS)               \
    {                                                                                              \
        .name = NAME, .id = ID, .label = PROTOBUF_C_LABEL_##LABEL, .type = PROTOBUF_C_TYPE_##TYPE, \
        .quantifier_offset = QUANTIFIER, .offset = OFFSET, .descriptor = DESCRIPTOR,               \
        .default_value = DEFAULT, .flags = FLAGS                                                   \
    }
#define ONEOF PROTOBUF_C_FIELD_FLAG_ONEOF
#define AT(F) offsetof(box, F)

static const ProtobufCFieldDescriptor leaf_fields[] = {
    FIELD("name", 1, NONE, STRING, 0, offsetof(leaf, name), NULL, protobuf_c_empty_string, 0)};
static const ProtobufCIntRange leaf_ranges[] = {{1, 0}, {0, 1}};
static const ProtobufCMessageDescriptor leaf_descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "test.Leaf",
    .sizeof_message = sizeof(leaf),
    .n_fields = 1,
    .fields = leaf_fields,
    .n_field_ranges = 1,
    .field_ranges = leaf_ranges,
};

static const ProtobufCFieldDescriptor box_fields[] = {
    FIELD("text", 1, NONE, STRING, 0, AT(text), NULL, protobuf_c_empty_string, 0),
    FIELD("texts", 2, REPEATED, STRING, AT(ntexts), AT(texts), NULL, protobuf_c_empty_string, 0),
    FIELD("color", 3, NONE, ENUM, 0, AT(color), &color_descriptor, NULL, 0),
    FIELD("leaves", 4, REPEATED, MESSAGE, AT(nleaves), AT(leaves), &leaf_descriptor, NULL, 0),
    FIELD("a", 5, NONE, STRING, AT(o_case), AT(o), NULL, protobuf_c_empty_string, ONEOF),
    FIELD("b", 6, NONE, UINT32, AT(o_case), AT(o), NULL, NULL, ONEOF),
    FIELD("raw", 7, NONE, BYTES, 0, AT(raw), NULL, NULL, 0),
    FIELD("c", 8, NONE, MESSAGE, AT(o_case), AT(o), &leaf_descriptor, NULL, ONEOF),
    FIELD("colors", 9, REPEATED, ENUM, AT(ncolors), AT(colors), &color_descriptor, NULL, 0)};
/* As generated code does it: a oneof begins empty, without its texts' default. */
static void init_box(ProtobufCMessage *message)
{
    *(box *)message = (box){.base = PROTOBUF_C_MESSAGE_INIT(&box_descriptor),
                            .text = (char *)(uintptr_t)protobuf_c_empty_string};
}

static const ProtobufCIntRange box_ranges[] = {{1, 0}, {0, 9}};
static const ProtobufCMessageDescriptor box_descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "test.Box",
    .sizeof_message = sizeof(box),
    .n_fields = 9,
    .fields = box_fields,
    .n_field_ranges = 1,
    .field_ranges = box_ranges,
    .message_init = init_box,
};

static int try_box(const void *bytes, size_t size, size_t memory_max, weir_error *err)
{
    ProtobufCMessage *message = NULL;
    int rc = weir_proto_unpack(&box_descriptor, bytes, size, memory_max, &message, err);
    assert_true((rc == 0) == (message != NULL));
    weir_proto_free(message);
    return rc;
}

#define TRY(BYTES, ERR) try_box(BYTES, sizeof(BYTES) - 1, MEMORY, ERR)

static const char everything[] = "\x0a\x02hi"
                                 "\x12\x03one"
                                 "\x12\x03two"
                                 "\x18\x03"
                                 "\x22\x06\x0a\x04leaf"
                                 "\x2a\x01z"
                                 "\x3a\x03\x00\xff\x00"
                                 "\x4a\x02\x00\x03";

static void reads_what_was_packed(void **state)
{
    (void)state;
    Weir__Proto__Hello hello = WEIR__PROTO__HELLO__INIT;
    char job[] = "0123456789abcdef0123456789abcdef";
    hello.protocol = 3;
    hello.job = job;
    hello.key = UINT64_MAX;
    Weir__Proto__DataHeader header = WEIR__PROTO__DATA_HEADER__INIT;
    header.channel = 7;
    header.body_case = WEIR__PROTO__DATA_HEADER__BODY_HELLO;
    header.hello = &hello;
    weir_buffer out = WEIR_BUFFER_INIT;
    weir_buffer_puts(&out, "before");
    assert_int_equal(weir_proto_pack(&header.base, &out), 0);
    assert_memory_equal(out.data, "before", 6);
    assert_int_equal(out.data[out.size], 0);

    ProtobufCMessage *message = NULL;
    assert_int_equal(weir_proto_unpack(&weir__proto__data_header__descriptor, out.data + 6,
                                       out.size - 6, MEMORY, &message, NULL),
                     0);
    const Weir__Proto__DataHeader *found = (const Weir__Proto__DataHeader *)message;
    assert_int_equal(found->channel, 7);
    assert_int_equal(found->body_case, WEIR__PROTO__DATA_HEADER__BODY_HELLO);
    assert_string_equal(found->hello->job, job);
    assert_true(found->hello->key == UINT64_MAX);
    weir_proto_free(message);
    weir_buffer_deinit(&out);
}

static void an_empty_message_is_one(void **state)
{
    (void)state;
    Weir__Proto__DataHeader header = WEIR__PROTO__DATA_HEADER__INIT;
    weir_buffer out = WEIR_BUFFER_INIT;
    assert_int_equal(weir_proto_pack(&header.base, &out), 0);
    assert_int_equal(out.size, 0);
    assert_int_equal(try_box(NULL, 0, MEMORY, NULL), 0);
    weir_proto_free(NULL);
    weir_buffer_deinit(&out);
}

static void reads_every_sort_of_field(void **state)
{
    (void)state;
    ProtobufCMessage *message = NULL;
    assert_int_equal(weir_proto_unpack(&box_descriptor, everything, sizeof everything - 1, MEMORY,
                                       &message, NULL),
                     0);
    const box *found = (const box *)message;
    assert_string_equal(found->text, "hi");
    assert_int_equal(found->ntexts, 2);
    assert_string_equal(found->leaves[0]->name, "leaf");
    assert_string_equal(found->o.a, "z");
    assert_int_equal(found->raw.len, 3);
    assert_int_equal(found->ncolors, 2);
    weir_proto_free(message);
}

static void refuses_embedded_nul(void **state)
{
    (void)state;
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(TRY("\x0a\x03h\0i", &err), WEIR_ECORRUPT);
    assert_non_null(strstr(err.text, "test.Box"));
    assert_non_null(strstr(err.text, "NUL"));
    assert_int_equal(TRY("\x0a\x01\0", NULL), WEIR_ECORRUPT);
    assert_int_equal(TRY("\x0a\x02h\0", NULL), WEIR_ECORRUPT);
    assert_int_equal(TRY("\x12\x01x\x12\x02\0y", NULL), WEIR_ECORRUPT);
    assert_int_equal(TRY("\x22\x04\x0a\x02\0y", NULL), WEIR_ECORRUPT);
    assert_int_equal(TRY("\x2a\x02\0y", NULL), WEIR_ECORRUPT);
    assert_int_equal(TRY("\x42\x04\x0a\x02\0y", NULL), WEIR_ECORRUPT);
    assert_int_equal(TRY("\x3a\x02\0y", NULL), 0); /* bytes may */
    assert_int_equal(TRY("\x0a\x00", NULL), 0);
    /* the last one counts */
    assert_int_equal(TRY("\x2a\x02\0y\x30\x05", NULL), 0);
}

static void refuses_what_is_not_utf8(void **state)
{
    (void)state;
    static const char *const wrong[] = {"\x80",
                                        "\xbf",
                                        "\xc0\x80",
                                        "\xc1\xbf",
                                        "\xc2",
                                        "\xc2\x41",
                                        "\xe0\x9f\xbf",
                                        "\xed\xa0\x80",
                                        "\xed\xbf\xbf",
                                        "\xe1\x80",
                                        "\xe1\x80\xc0",
                                        "\xf0\x8f\xbf\xbf",
                                        "\xf4\x90\x80\x80",
                                        "\xf5\x80\x80\x80",
                                        "\xf1\x80\x80",
                                        "\xff",
                                        "ok\xfe",
                                        "\xf1\x80\x80\x41"};
    static const char *const right[] = {"\x7f",
                                        "\xc2\x80",
                                        "\xdf\xbf",
                                        "\xe0\xa0\x80",
                                        "\xed\x9f\xbf",
                                        "\xee\x80\x80",
                                        "\xef\xbf\xbf",
                                        "\xf0\x90\x80\x80",
                                        "\xf4\x8f\xbf\xbf",
                                        "Gr\xc3\xbc\xc3\x9f"};
    for (size_t i = 0; i < WEIR_COUNT(wrong) + WEIR_COUNT(right); i++) {
        bool bad = i < WEIR_COUNT(wrong);
        const char *text = bad ? wrong[i] : right[i - WEIR_COUNT(wrong)];
        char bytes[16] = {0x0a, (char)strlen(text)};
        memcpy(bytes + 2, text, strlen(text));
        assert_int_equal(try_box(bytes, 2 + strlen(text), MEMORY, NULL), bad ? WEIR_ECORRUPT : 0);
    }
}

static void finds_what_a_receiver_would_refuse(void **state)
{
    (void)state;
    leaf inner = {.base = PROTOBUF_C_MESSAGE_INIT(&leaf_descriptor)};
    leaf *leaves[] = {&inner};
    char *texts[] = {(char *)(uintptr_t) "fine", (char *)(uintptr_t) "caf\xC3\xA9"};
    box outer;
    init_box(&outer.base);
    outer.texts = texts;
    outer.ntexts = 2;
    outer.leaves = leaves;
    outer.nleaves = 1;
    outer.o_case = 5;
    outer.o.a = (char *)(uintptr_t) "a";
    assert_int_equal(weir_proto_check_text(&outer.base, NULL), 0);
    char *const bad = (char *)(uintptr_t) "caf\xE9";
    char **const places[] = {&outer.text, &texts[1], &inner.name, &outer.o.a};
    const char *const names[] = {"field text ", "field texts ", "field name ", "field a "};
    for (size_t i = 0; i < 4; i++) {
        char *kept = *places[i];
        *places[i] = bad;
        weir_error err = WEIR_ERROR_INIT;
        assert_int_equal(weir_proto_check_text(&outer.base, &err), WEIR_EINVALID);
        assert_non_null(strstr(err.text, names[i]));
        *places[i] = kept;
    }
    outer.o_case = 6; /* whatever lies there is no text now */
    outer.o.b = 1;
    outer.color = 2;
    assert_int_equal(weir_proto_check_text(&outer.base, NULL), WEIR_EINVALID);
    outer.color = 3;
    assert_int_equal(weir_proto_check_text(&outer.base, NULL), 0);
}

static void refuses_what_it_does_not_know(void **state)
{
    (void)state;
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(TRY("\x50\x01", &err), WEIR_ECORRUPT); /* field 10 */
    assert_non_null(strstr(err.text, "number 10"));
    assert_int_equal(TRY("\x22\x02\x10\x01", NULL), WEIR_ECORRUPT); /* in a leaf */
    assert_int_equal(TRY("\x18\x02", NULL), WEIR_ECORRUPT);         /* enums */
    assert_int_equal(TRY("\x18\x00", NULL), 0);
    assert_int_equal(TRY("\x4a\x02\x03\x04", NULL), WEIR_ECORRUPT);
    assert_int_equal(TRY("\x0a\x02hi\xff", NULL), WEIR_ECORRUPT); /* garbage behind */
    assert_int_equal(TRY("\x0a\x7fhi", NULL), WEIR_ECORRUPT);     /* cut short */
}

static void refuses_what_takes_too_much_memory(void **state)
{
    (void)state;
    size_t size = sizeof everything - 1, limit = 0;
    weir_error err = WEIR_ERROR_INIT;
    while (try_box(everything, size, limit, &err) != 0) {
        assert_int_equal(err.code, WEIR_ETOO_LARGE);
        assert_true(++limit < 2000);
    }
    assert_true(limit > size);
    assert_int_equal(try_box(everything, size, limit + 1, NULL), 0);
    assert_non_null(strstr(err.text, "test.Box"));
    /* 40,000 empty leaves: 2 bytes of input each, tens of them in memory */
    weir_buffer many = WEIR_BUFFER_INIT;
    for (int i = 0; i < 40000; i++) {
        weir_buffer_append(&many, "\x22\x00", 2);
    }
    assert_int_equal(try_box(many.data, many.size, MEMORY, NULL), WEIR_ETOO_LARGE);
    assert_int_equal(try_box(many.data, many.size, 16u << 20, NULL), 0);
    weir_buffer_deinit(&many);
}

static void counts_what_is_held_at_once(void **state)
{
    (void)state;
    /* 200 texts of 100 bytes for one oneof: each replaces the one before */
    char text[100];
    weir_buffer many = WEIR_BUFFER_INIT;
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 200; i++) {
        weir_buffer_append(&many, "\x2a\x64", 2);
        weir_buffer_append(&many, text, sizeof text);
    }
    assert_int_equal(try_box(many.data, many.size, 20000, NULL), 0);
    weir_buffer_deinit(&many);
}

static void survives_lack_of_memory(void **state)
{
    (void)state;
    int rc = WEIR_ENO_MEMORY;
    unsigned n = 0;
    while (rc != 0) {
        weir_memory_fail_at(++n);
        rc = try_box(everything, sizeof everything - 1, MEMORY, NULL);
        weir_memory_fail_at(0);
        assert_true(rc == 0 || rc == WEIR_ENO_MEMORY);
        assert_true(n < 100);
    }
    assert_true(n > 8);
}

static void survives_damage(void **state)
{
    (void)state;
    char bytes[sizeof everything];
    for (size_t size = 0; size < sizeof everything; size++) {
        int rc = try_box(everything, size, MEMORY, NULL);
        assert_true(rc == 0 || rc == WEIR_ECORRUPT);
    }
    for (size_t bit = 0; bit < 8 * (sizeof everything - 1); bit++) {
        for (size_t other = 0; other < 8 * (sizeof everything - 1); other++) {
            memcpy(bytes, everything, sizeof bytes);
            bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << (bit % 8)));
            bytes[other / 8] = (char)(bytes[other / 8] ^ (1 << (other % 8)));
            int rc = try_box(bytes, sizeof bytes - 1, MEMORY, NULL);
            assert_true(rc == 0 || rc == WEIR_ECORRUPT || rc == WEIR_ETOO_LARGE);
        }
    }
}

static void packing_fails_when_memory_ends(void **state)
{
    (void)state;
    Weir__Proto__DataHeader header = WEIR__PROTO__DATA_HEADER__INIT;
    header.channel = 7;
    weir_buffer out = WEIR_BUFFER_INIT;
    weir_memory_fail_at(1);
    assert_int_equal(weir_proto_pack(&header.base, &out), WEIR_ENO_MEMORY);
    weir_memory_fail_at(0);
    assert_int_equal(out.size, 0);
    weir_buffer_deinit(&out);
}

/* ---- nesting ---- */

static ProtobufCFieldDescriptor link_to(const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCFieldDescriptor field = FIELD("next", 1, OPTIONAL, MESSAGE, 0, 0, descriptor, NULL, 0);
    return field;
}

static void finds_messages_that_contain_themselves(void **state)
{
    (void)state;
    ProtobufCFieldDescriptor fields[3];
    ProtobufCMessageDescriptor messages[3] = {{.name = "test.A", .n_fields = 1},
                                              {.name = "test.B", .n_fields = 1},
                                              {.name = "test.C", .n_fields = 1}};
    for (size_t i = 0; i < 3; i++) {
        fields[i] = link_to(&messages[(i + 1) % 3]);
        messages[i].fields = &fields[i];
    }
    weir_error err = WEIR_ERROR_INIT;
    assert_int_equal(weir_proto_check_nesting(&messages[0], &err), WEIR_EINVALID);
    assert_non_null(strstr(err.text, "test.A: it contains itself"));
    fields[2] = link_to(&leaf_descriptor);
    assert_int_equal(weir_proto_check_nesting(&messages[0], NULL), 0);
    fields[0] = link_to(&messages[0]);
    assert_int_equal(weir_proto_check_nesting(&messages[0], NULL), WEIR_EINVALID);
    assert_int_equal(weir_proto_check_nesting(&messages[1], NULL), 0);
    /* reached twice is not nested */
    ProtobufCFieldDescriptor twice[2] = {link_to(&messages[1]), link_to(&messages[2])};
    ProtobufCMessageDescriptor diamond = {.name = "test.D", .n_fields = 2, .fields = twice};
    assert_int_equal(weir_proto_check_nesting(&diamond, NULL), 0);
}

static void finds_messages_that_nest_too_deep(void **state)
{
    (void)state;
    ProtobufCFieldDescriptor fields[20];
    ProtobufCMessageDescriptor messages[21] = {{.name = "test.End"}};
    for (size_t i = 1; i <= 20; i++) {
        fields[i - 1] = link_to(&messages[i - 1]);
        messages[i] = (ProtobufCMessageDescriptor){
            .name = "test.Deep", .n_fields = 1, .fields = &fields[i - 1]};
        assert_int_equal(weir_proto_check_nesting(&messages[i], NULL), i < 16 ? 0 : WEIR_EINVALID);
    }
}

static void our_messages_do_not_nest_in_themselves(void **state)
{
    (void)state;
    assert_int_equal(weir_proto_check_nesting(&weir__proto__data_header__descriptor, NULL), 0);
    assert_int_equal(weir_proto_check_nesting(&weir__proto__envelope__descriptor, NULL), 0);
    assert_int_equal(weir_proto_check_nesting(&box_descriptor, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_was_packed),
        cmocka_unit_test(an_empty_message_is_one),
        cmocka_unit_test(reads_every_sort_of_field),
        cmocka_unit_test(refuses_embedded_nul),
        cmocka_unit_test(refuses_what_is_not_utf8),
        cmocka_unit_test(finds_what_a_receiver_would_refuse),
        cmocka_unit_test(refuses_what_it_does_not_know),
        cmocka_unit_test(refuses_what_takes_too_much_memory),
        cmocka_unit_test(counts_what_is_held_at_once),
        cmocka_unit_test(survives_lack_of_memory),
        cmocka_unit_test(survives_damage),
        cmocka_unit_test(packing_fails_when_memory_ends),
        cmocka_unit_test(finds_messages_that_contain_themselves),
        cmocka_unit_test(finds_messages_that_nest_too_deep),
        cmocka_unit_test(our_messages_do_not_nest_in_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
