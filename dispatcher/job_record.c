/* dispatcher/job_record.c -- a job as it lies in the record store. */
#include "dispatcher/job_record.h"

#include "base/memory.h"

#include <string.h>

static const weir_state_row stage_rows[] = {
    [WEIR_STAGE_ACCEPTED] = {"ACCEPTED", 1u << WEIR_STAGE_STARTED | 1u << WEIR_STAGE_ENDED, false},
    [WEIR_STAGE_STARTED] = {"STARTED", 1u << WEIR_STAGE_ENDED, false},
    [WEIR_STAGE_ENDED] = {"ENDED", 0, true},
};

const weir_state_table weir_job_stage_table = {"stored job", stage_rows, WEIR_COUNT(stage_rows)};

static void put_integer(weir_buffer *out, uint64_t value, unsigned bytes)
{
    uint8_t packed[8];
    for (unsigned i = 0; i < bytes; i++)
        packed[i] = (uint8_t)(value >> (8 * i));
    weir_buffer_append(out, packed, bytes);
}

static void put_bytes(weir_buffer *out, const void *bytes, size_t size, unsigned length_bytes)
{
    put_integer(out, size, length_bytes);
    if (size > 0)
        weir_buffer_append(out, bytes, size);
}

int weir_job_record_pack(const weir_job_record *record, weir_buffer *out)
{
    weir_buffer_clear(out);
    if (record->detail_size > UINT32_MAX)
        return WEIR_ETOO_LARGE;
    put_integer(out, record->stage, 4);
    put_integer(out, (uint64_t)record->submitted_ms, 8);
    put_integer(out, (uint64_t)record->ended_ms, 8);
    put_integer(out, record->number, 8);
    weir_buffer_append(out, record->submission.bytes, sizeof record->submission.bytes);
    put_bytes(out, record->artifact, strlen(record->artifact), 2);
    put_bytes(out, record->jobmanager, strlen(record->jobmanager), 2);
    put_bytes(out, record->detail, record->detail_size, 4);
    return weir_buffer_check(out);
}

typedef struct reader {
    const uint8_t *at;
    size_t left;
    bool failed;
} reader;

static const uint8_t *take(reader *from, size_t size)
{
    if (from->failed || size > from->left) {
        from->failed = true;
        return NULL;
    }
    const uint8_t *taken = from->at;
    from->at += size;
    from->left -= size;
    return taken;
}

static uint64_t take_integer(reader *from, unsigned bytes)
{
    const uint8_t *at = take(from, bytes);
    uint64_t value = 0;
    for (unsigned i = 0; at != NULL && i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static void take_text(reader *from, char *out, size_t capacity)
{
    size_t size = (size_t)take_integer(from, 2);
    const uint8_t *at = take(from, size);
    out[0] = '\0';
    if (at == NULL || size >= capacity || memchr(at, 0, size) != NULL) {
        from->failed = true;
        return;
    }
    memcpy(out, at, size);
    out[size] = '\0';
}

int weir_job_record_unpack(uint16_t version, const void *bytes, size_t size, weir_job_record *ret,
                           weir_error *err)
{
    reader from = {bytes, size, false};
    weir_job_record record = {0};
    if (version != WEIR_JOB_RECORD_VERSION)
        return weir_error_set(
            err, WEIR_EVERSION,
            "the stored job has version %u; this program knows %u; use the program "
            "that wrote it, or a newer one",
            version, WEIR_JOB_RECORD_VERSION);
    record.stage = (uint32_t)take_integer(&from, 4);
    record.submitted_ms = (int64_t)take_integer(&from, 8);
    record.ended_ms = (int64_t)take_integer(&from, 8);
    record.number = take_integer(&from, 8);
    const uint8_t *digest = take(&from, sizeof record.submission.bytes);
    if (digest != NULL)
        memcpy(record.submission.bytes, digest, sizeof record.submission.bytes);
    take_text(&from, record.artifact, sizeof record.artifact);
    take_text(&from, record.jobmanager, sizeof record.jobmanager);
    record.detail_size = (size_t)take_integer(&from, 4);
    record.detail = take(&from, record.detail_size);
    if (from.failed || from.left != 0 || record.stage >= weir_job_stage_table.count)
        return weir_error_set(err, WEIR_ECORRUPT, "the stored job cannot be read; found %zu bytes",
                              size);
    *ret = record;
    return 0;
}
