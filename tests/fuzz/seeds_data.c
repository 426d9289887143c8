/* tests/fuzz/seeds_data.c -- seeds of the targets that read bytes. */
#include "fuzz_columns.h"
#include "fuzz_exchange.h"
#include "fuzz_message.h"
#include "fuzz_world.h"
#include "seeds.h"

#include "base/memory.h"
#include "batch/builder.h"
#include "batch/key.h"
#include "connectors/filesystem/split.h"
#include "dispatcher/job_record.h"
#include "graph/module.h"
#include "proto/codec.h"
#include "proto/data.pb-c.h"
#include "store/record_value.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

/* ---- batches and keys ---- */

static void put_values(weir_builder *builder, const weir_schema *schema, uint32_t row)
{
    for (uint32_t i = 0; i < weir_schema_count(schema); i++) {
        const weir_schema_field *field = weir_schema_at(schema, i);
        uint64_t words[2] = {row * 1000 + i, 0};

        if (field->nullable && (row + i) % 3 == 0)
            FUZZ_OK(weir_builder_put_null(builder, i));
        else if (field->kind == WEIR_KIND_boolean)
            FUZZ_OK(weir_builder_put_bool(builder, i, row % 2 == 0));
        else if (weir_kind_is_variable(field->kind))
            FUZZ_OK(weir_builder_put_bytes(builder, i, "a\0b", row % 3));
        else
            FUZZ_OK(weir_builder_put_fixed(builder, i, words));
    }
}

static weir_batch *flat_batch(weir_schema *schema, uint32_t rows, bool times)
{
    weir_builder *builder = NULL;
    weir_batch *batch = NULL;

    FUZZ_OK(weir_builder_new(schema, 100, 1u << 16, &builder));
    for (uint32_t row = 0; row < rows; row++) {
        put_values(builder, schema, row);
        FUZZ_OK(weir_builder_end_row(builder, times ? 1000 + row : INT64_MIN,
                                     times ? (uint8_t)(row % 4) : WEIR_INSERT));
    }
    FUZZ_OK(weir_builder_finish(builder, &batch));
    weir_builder_destroy(&builder);
    return batch;
}

/* Of the record of every kind: its fields are zeroes, its lists empty but for one. */
static weir_batch *record_batch(weir_schema *schema, uint32_t rows)
{
    weir_builder *builder = NULL;
    weir_batch *batch = NULL;
    uint8_t *record = weir_calloc(1, weir_schema_record_size(schema));
    static const int32_t items[] = {1, 2, 3};

    FUZZ_CHECK(record != NULL);
    FUZZ_OK(weir_builder_new(schema, 100, 1u << 16, &builder));
    int at = weir_schema_find(schema, "numbers");
    FUZZ_CHECK(at >= 0);
    for (uint32_t row = 0; row < rows; row++) {
        weir_array numbers = {items, row % 4};
        memcpy(record + weir_schema_at(schema, (uint32_t)at)->offset, &numbers, sizeof numbers);
        FUZZ_OK(weir_builder_append_record(builder, record, INT64_MIN, WEIR_INSERT));
    }
    FUZZ_OK(weir_builder_finish(builder, &batch));
    weir_builder_destroy(&builder);
    weir_free(record);
    return batch;
}

static void seed_batches(void)
{
    for (uint8_t i = 0; i < FUZZ_SCHEMAS; i++) {
        weir_schema *schema = fuzz_schema(i);
        for (uint8_t rows = 0; rows < 10; rows = rows == 0 ? 1 : (uint8_t)(rows * 3)) {
            bool nested = weir_schema_at(schema, 0)->kind >= WEIR_KIND_array;
            weir_batch *batch = weir_schema_record_size(schema) > 0 ? record_batch(schema, rows)
                                : nested                            ? flat_batch(schema, 0, false)
                                         : flat_batch(schema, rows, rows == 9);
            const uint8_t head[] = {i, rows == 3, 7};
            char name[32];
            snprintf(name, sizeof name, "schema-%u-rows-%u", i, rows);
            fuzz_seed_bytes("batch", name, head, sizeof head, weir_batch_bytes(batch),
                            weir_batch_size(batch));
            weir_batch_unref(&batch);
        }
    }
}

static void seed_keys(void)
{
    static const struct {
        uint8_t choice;
        uint32_t schema, count, fields[4]; /* as in fuzz_key.c */
    } keys[] = {{0, 0, 2, {0, 1}},       {1, 1, 2, {1, 0}},         {2, 2, 4, {0, 1, 2, 3}},
                {3, 2, 4, {4, 5, 6, 7}}, {4, 2, 4, {8, 9, 10, 11}}, {5, 2, 4, {12, 13, 14, 15}},
                {6, 4, 1, {0}}};
    for (size_t i = 0; i < WEIR_COUNT(keys); i++) {
        weir_schema *schema = fuzz_schema(keys[i].schema);
        weir_batch *batch = flat_batch(schema, 6, false);
        weir_key_codec *codec = NULL;
        weir_keys encoded;

        FUZZ_OK(weir_key_codec_new(schema, keys[i].fields, keys[i].count, &codec, NULL));
        FUZZ_OK(weir_key_codec_encode(codec, weir_batch_columns(batch), &encoded));
        for (uint32_t row = 0; row < encoded.rows; row += 2) {
            char name[32];
            snprintf(name, sizeof name, "%zu-%u", i, row);
            fuzz_seed_bytes("key", name, &keys[i].choice, 1, encoded.bytes + encoded.offsets[row],
                            encoded.offsets[row + 1] - encoded.offsets[row]);
        }
        weir_key_codec_destroy(&codec);
        weir_batch_unref(&batch);
    }
}

/* ---- messages of the data bus ---- */

/* Letters with a header of `i` bytes each, and bodies of these sizes; -1: none. */
static void seed_letters(const char *name, const int32_t *sizes, uint8_t count)
{
    weir_buffer out = WEIR_BUFFER_INIT;
    uint32_t all = 0;
    uint8_t headers = 0;

    for (uint8_t i = 0; i < count; i++)
        all += sizes[i] > 0 ? (uint32_t)sizes[i] : 0;
    weir_buffer_putc(&out, (char)(all > 0));
    weir_buffer_putc(&out, 0x35);
    weir_buffer_append(&out, &(uint16_t){(uint16_t)all}, 2);
    weir_buffer_append(&out, (uint8_t[]){1, 0, count, 0}, 4);
    for (uint8_t i = 0; i < count; headers = (uint8_t)(headers + i), i++) {
        fuzz_put_u32(&out, (uint32_t)sizes[i]);
        weir_buffer_append(&out, (uint8_t[]){i, 0, 0, 0}, 4);
    }
    for (uint8_t i = 0; i < headers; i++)
        weir_buffer_putc(&out, (char)i);
    fuzz_seed("letters", name, &out);
    weir_buffer_deinit(&out);
}

static void seed_all_letters(void)
{
    seed_letters("one", (int32_t[]){-1}, 1);
    seed_letters("one-body", (int32_t[]){5}, 1);
    seed_letters("small-bodies", (int32_t[]){5, -1, 0, 300, -1, 70}, 6);
    seed_letters("large-bodies", (int32_t[]){9000, 100, 12000, -1}, 4);
    seed_letters("too-large", (int32_t[]){40001}, 1);
}

/* ---- frames ---- */

static void put_frame(weir_buffer *out, enum weir_frame_kind kind, uint64_t sequence)
{
    weir_frame *frame = weir_frame_new(kind, 100);
    weir_buffer header = WEIR_BUFFER_INIT;

    FUZZ_CHECK(frame != NULL);
    frame->epoch = FUZZ_EPOCH;
    frame->sequence = sequence;
    frame->u.credit = kind == WEIR_FRAME_CREDIT ? 300 : 1;
    if (kind == WEIR_FRAME_BATCH)
        frame->batch = weir_batch_ref(fuzz_exchange_batch(0));
    FUZZ_OK(weir_frame_pack_header(frame, &header));
    fuzz_put_bytes(out, header.data, header.size);
    weir_frame_destroy(&frame);
    weir_buffer_deinit(&header);
}

static void put_body(weir_buffer *out, bool has_size)
{
    const weir_batch *batch = fuzz_exchange_batch(0);
    size_t size = weir_batch_size(batch);
    if (has_size) {
        weir_buffer_putc(out, (char)size);
        weir_buffer_putc(out, (char)(size >> 8));
    }
    weir_buffer_append(out, weir_batch_bytes(batch), size);
}

static void seed_frames(void)
{
    weir_buffer out = WEIR_BUFFER_INIT;
    char name[32];

    for (int kind = WEIR_FRAME_BATCH; kind <= WEIR_FRAME_IDLE; kind++) {
        put_frame(&out, (enum weir_frame_kind)kind, 1);
        if (kind == WEIR_FRAME_BATCH)
            put_body(&out, false);
        snprintf(name, sizeof name, "kind-%d", kind);
        fuzz_seed("frame", name, &out);
    }
    /* window, channels, start; batch, raw batch, watermark, barrier, idle, drain, end */
    FUZZ_PUT(&out, "\2\1\1"
                   "\6\0\1\0"
                   "\2\0");
    put_frame(&out, WEIR_FRAME_BATCH, 2);
    put_body(&out, true);
    FUZZ_PUT(&out, "\6\0\2\5"
                   "\6\1\3\1"
                   "\6\0\6\1"
                   "\5\0"
                   "\6\0\4\0"
                   "\6\1\4\0"
                   "\5\0");
    fuzz_seed("gate", "all-kinds", &out);
    FUZZ_PUT(&out, "\2\1\1\0\0");
    put_frame(&out, WEIR_FRAME_BATCH, 1);
    put_body(&out, true);
    FUZZ_PUT(&out, "\5\0"
                   "\1\0\1\0\0\2");
    fuzz_seed("gate", "raw-and-wrong", &out);
    /* credit, batches, watermarks, a credit in parts, barrier, idle, end */
    FUZZ_PUT(&out, "\6\3\4\2\4\1\0\5\0\7\7\200\1\2\1\4\0\7\377\3\7\377");
    fuzz_seed("channel", "all-kinds", &out);
    FUZZ_PUT(&out, "\6\2\4\1\12");
    put_frame(&out, WEIR_FRAME_CREDIT, 2);
    FUZZ_PUT(&out, "\0\0\4\0");
    fuzz_seed("channel", "raw", &out);
    weir_buffer_deinit(&out);
}

/* ---- files ---- */

/* The least that passes for a job: one note, in a segment or in a section. */
static void seed_module(const char *name, bool in_section)
{
    struct {
        Elf64_Ehdr header;
        Elf64_Phdr segments[2];
        Elf64_Shdr sections[3];
        Elf64_Nhdr note;
        char owner[8];
        uint32_t content[3];
        char names[32];
    } file = {.owner = "Weir", .names = "\0.note.weir\0.shstrtab"};

    memcpy(file.header.e_ident, ELFMAG, SELFMAG);
    file.header.e_ident[EI_CLASS] = ELFCLASS64;
    file.header.e_ident[EI_DATA] = ELFDATA2LSB;
    file.header.e_ident[EI_VERSION] = EV_CURRENT;
    file.header.e_type = ET_DYN;
    file.header.e_machine = EM_X86_64;
    file.header.e_phoff = sizeof file.header;
    file.header.e_phentsize = sizeof(Elf64_Phdr);
    file.header.e_phnum = 2;
    file.header.e_shoff = sizeof file.header + sizeof file.segments;
    file.header.e_shentsize = sizeof(Elf64_Shdr);
    file.header.e_shnum = 3;
    file.header.e_shstrndx = 2;
    size_t note = (size_t)((char *)&file.note - (char *)&file);
    size_t note_size = sizeof file.note + sizeof file.owner + sizeof file.content;
    file.segments[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_filesz = sizeof file};
    file.segments[1] = (Elf64_Phdr){.p_type = in_section ? PT_NULL : PT_NOTE,
                                    .p_offset = note,
                                    .p_filesz = note_size,
                                    .p_align = 4};
    file.sections[1] = (Elf64_Shdr){
        .sh_name = 1, .sh_type = SHT_PROGBITS, .sh_offset = note, .sh_size = note_size};
    file.sections[2] = (Elf64_Shdr){.sh_name = 12,
                                    .sh_type = SHT_STRTAB,
                                    .sh_offset = (size_t)(file.names - (char *)&file),
                                    .sh_size = sizeof file.names};
    file.note = (Elf64_Nhdr){.n_namesz = 5, .n_descsz = sizeof file.content, .n_type = 1};
    file.content[0] = WEIR_MAGIC;
    file.content[1] = WEIR_ABI;
    file.content[2] = sizeof(weir_api);
    fuzz_seed_bytes("module", name, "", 0, &file, sizeof file);
}

static void seed_splits(void)
{
    weir_buffer out = WEIR_BUFFER_INIT;
    weir_file_split split = {
        .start = 10, .end = 500, .file_size = 1000, .path = (char *)(uintptr_t) "/data/in.csv"};
    FUZZ_OK(weir_file_split_write(&split, &out));
    fuzz_seed("split", "one", &out);
    weir_buffer_deinit(&out);
}

static void pack_detail(weir_buffer *out, const char *state)
{
    Weir__Proto__JobDetail detail = WEIR__PROTO__JOB_DETAIL__INIT;
    Weir__Proto__JobSummary summary = WEIR__PROTO__JOB_SUMMARY__INIT;
    Weir__Proto__StateChange change = WEIR__PROTO__STATE_CHANGE__INIT, *changes[] = {&change};

    summary.job = (char *)(uintptr_t)FUZZ_JOB_A;
    summary.name = (char *)(uintptr_t) "words";
    summary.state = change.state = (char *)(uintptr_t)state;
    summary.tasks = 3;
    detail.summary = &summary;
    detail.history = changes;
    detail.n_history = 1;
    FUZZ_OK(weir_proto_pack(&detail.base, out));
}

static void pack_submission(weir_buffer *out)
{
    Weir__Proto__SubmitJob submit = WEIR__PROTO__SUBMIT_JOB__INIT;
    submit.job = (char *)(uintptr_t)FUZZ_JOB_A;
    submit.name = (char *)(uintptr_t) "words";
    submit.artifact = (char *)(uintptr_t)fuzz_world_artifact();
    submit.graph.data = fuzz_world_graph()->data;
    submit.graph.len = 20;
    FUZZ_OK(weir_proto_pack(&submit.base, out));
}

static void put_sized(weir_buffer *out, const weir_buffer *bytes)
{
    weir_buffer_putc(out, (char)bytes->size);
    weir_buffer_putc(out, (char)(bytes->size >> 8));
    weir_buffer_append(out, bytes->data, bytes->size);
}

static void seed_records(void)
{
    weir_buffer detail = WEIR_BUFFER_INIT, submission = WEIR_BUFFER_INIT, out = WEIR_BUFFER_INIT;
    weir_job_record record = {.stage = 1, .number = 3};

    pack_detail(&detail, "RUNNING");
    pack_submission(&submission);
    memset(record.artifact, 'a', WEIR_DIGEST_HEX - 1);
    record.detail = detail.data;
    record.detail_size = detail.size;
    FUZZ_OK(weir_job_record_pack(&record, &out));
    fuzz_seed_bytes("record", "job", "\1\1\0\2jo", 6, out.data, out.size);
    uint8_t sealed[WEIR_RECORD_HEADER + 40];
    FUZZ_OK(weir_record_seal("jo", 2, 1, "some bytes", 10, sealed, NULL));
    fuzz_seed_bytes("record", "sealed", "\0\1\0\2jo", 6, sealed, WEIR_RECORD_HEADER + 10);
    uint8_t facts[32] = {1, 2, 3};
    fuzz_seed_bytes("record", "facts", "\1\1\0\2jo", 6, facts, sizeof facts);
    weir_buffer_clear(&out);
    FUZZ_PUT(&out, "\10\5\0\0\0\0\0\0\0"); /* the epoch */
    for (char i = 0; i < 4; i++) {
        weir_buffer_putc(&out, (char)(3 * i));
        weir_buffer_putc(&out, (char)(1 + 2 * (i % 3)));
        put_sized(&out, &detail);
        put_sized(&out, &submission);
    }
    fuzz_seed("job_book", "four-jobs", &out);
    weir_buffer_deinit(&detail);
    weir_buffer_deinit(&submission);
    weir_buffer_deinit(&out);
}

/* Fields of LMDB's first pages, of a page's header and its table of nodes. */
static void seed_store(void)
{
    static const uint16_t places[] = {0, 10, 16, 20, 24, 32, 40, 52, 88, 100, 120, 136, 144};
    char name[32];

    for (uint8_t image = 0; image < 3; image++) {
        for (size_t i = 0; i < WEIR_COUNT(places); i++) {
            const uint8_t bytes[] = {image,
                                     0,
                                     0,
                                     0,
                                     (uint8_t)(i % 4),
                                     (uint8_t)places[i],
                                     (uint8_t)(places[i] >> 8),
                                     (uint8_t)(i % 3),
                                     (uint8_t)(i * 37)};
            snprintf(name, sizeof name, "image-%u-%zu", image, i);
            fuzz_seed_bytes("store", name, bytes, sizeof bytes, "", 0);
        }
    }
    fuzz_seed_bytes("store", "whole", "\2\0\0\0", 4, "", 0);
    fuzz_seed_bytes("store", "cut", "\2\1\0\2", 4, "", 0);
    fuzz_seed_bytes("store", "format-cut", "\1\2\24\0", 4, "", 0);
    fuzz_seed_bytes("store", "page-moved", "\2\0\0\0\4\0\0\3\5", 9, "", 0);
}

/* ---- messages ---- */

static void seed_packed(const char *name, uint8_t root, const ProtobufCMessage *message)
{
    weir_buffer packed = WEIR_BUFFER_INIT;
    const uint8_t head[] = {root, 0};
    FUZZ_OK(weir_proto_pack(message, &packed));
    fuzz_seed_bytes("envelope", name, head, sizeof head, packed.data, packed.size);
    weir_buffer_deinit(&packed);
}

/* Every kind of envelope, each field of its body set. */
static void seed_envelopes(void)
{
    const ProtobufCMessageDescriptor *descriptor = &weir__proto__envelope__descriptor;
    uint8_t ones[200];

    memset(ones, 1, sizeof ones);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        weir_arena *arena = weir_arena_new(0);
        fuzz_input input = {ones, sizeof ones};
        weir_envelope envelope = WEIR__PROTO__ENVELOPE__INIT;
        ProtobufCMessage *body = fuzz_message(&input, arena, fuzz_world_pool(), field->descriptor);
        envelope.from = envelope.to = (char *)(uintptr_t) "actor";
        envelope.correlation = 17;
        envelope.body_case = (Weir__Proto__Envelope__BodyCase)field->id;
        memcpy((char *)&envelope + field->offset, &body, sizeof body);
        seed_packed(field->name, 0, &envelope.base);
        weir_arena_destroy(&arena);
    }
    weir_arena *arena = weir_arena_new(0);
    fuzz_input input = {ones, sizeof ones};
    seed_packed(
        "runner-spec", 4,
        fuzz_message(&input, arena, fuzz_world_pool(), &weir__proto__runner_spec__descriptor));
    weir_arena_destroy(&arena);
    fuzz_seed_bytes("envelope", "graph", "\2\0", 2, fuzz_world_graph()->data,
                    fuzz_world_graph()->size);
    fuzz_seed_bytes("graph", "words", "", 0, fuzz_world_graph()->data, fuzz_world_graph()->size);
}

/* A record of a bigint, a string, an array of its own kind of rows. */
static void seed_types(void)
{
    static const char types[] = {
        0,  64, 0,  3,              /* oddity, record size, fields */
        5,  4,  0,  0, 0, 0, 0,  0, /* bigint at 0 */
        11, 5,  16, 0, 0, 0, 0,  0, /* nullable string at 16 */
        20, 6,  48, 0, 0, 0, 22, 0, /* array of rows at 48 */
        0,  32, 0,  2,              /* the rows */
        4,  4,  0,  0, 0, 0, 0,  0, /* integer at 0 */
        12, 4,  16, 0, 9, 0, 0,  0, /* binary(9) at 16 */
        1,  2,  3,  4, 5, 6, 7,  8, 1, 3, 'a', 'b', 'c', 2, 1, 2, 3, 4, 5, 6, 7, 8, 2, 'x', 'y',
    };
    static const char map[] = {
        0, 64,  0,   2, 21, 4, 0, 0, 0, 0, 7, 11, 8, 5, 32, 0, 10, 2, 0, 0, 2,  1, 'k',
        2, 'k', 'l', 1, 2,  3, 4, 5, 6, 7, 8, 8,  7, 6, 5,  4, 3,  2, 1, 1, 99, 0,
    };
    fuzz_seed_bytes("type", "rows", "", 0, types, sizeof types);
    fuzz_seed_bytes("type", "map", "", 0, map, sizeof map);
}

void fuzz_seed_data(void)
{
    seed_batches();
    seed_keys();
    seed_all_letters();
    seed_frames();
    seed_module("segment", false);
    seed_module("section", true);
    seed_splits();
    seed_records();
    seed_store();
    seed_envelopes();
    seed_types();
}
