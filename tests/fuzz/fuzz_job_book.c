/* What the dispatcher reads back at its start, behind the checksums: jobs, submissions, the epoch.
 * A book that opens can be used, and what it writes then opens again.
 *
 *   u8 length and epoch; then per job: u8 id, u8 flags, u16 length and detail, u16 length and
 * submission */
#include "fuzz.h"

#include "base/memory.h"
#include "dispatcher/job_book.h"
#include "graph/status.h"
#include "proto/codec.h"
#include "store/memory_records.h"

#include <stdio.h>
#include <string.h>

enum { JOBS_MAX = 5, RAW = 0x80, OTHER_VERSION = 0x40, ODD_KEY = 0x20 };

static const uint8_t *take(fuzz_input *input, size_t *ret_size)
{
    size_t size = fuzz_u16(input) % 4096;
    const uint8_t *bytes = input->at;
    size = size < input->left ? size : input->left;
    input->at += size;
    input->left -= size;
    *ret_size = size;
    return size > 0 ? bytes : (const uint8_t *)"";
}

/* A right record around a detail of any bytes, or any bytes. */
static void put_job(weir_records *records, fuzz_input *input)
{
    weir_job_record record = {.stage = 0};
    weir_buffer packed = WEIR_BUFFER_INIT;
    char key[64];
    uint8_t which = fuzz_u8(input), flags = fuzz_u8(input);
    size_t size;

    snprintf(key, sizeof key, (flags & ODD_KEY) != 0 ? "%dx" : "%032d", which % 7);
    const uint8_t *detail = take(input, &size);
    record.detail = detail;
    record.detail_size = size;
    record.stage = (flags >> 1) % 3;
    record.number = which;
    record.submitted_ms = 1000;
    record.ended_ms = record.stage == WEIR_STAGE_ENDED ? 2000 : 0;
    snprintf(record.jobmanager, sizeof record.jobmanager, "%s", record.stage > 0 ? "jm-1" : "");
    snprintf(record.artifact, sizeof record.artifact, "%064d", which);
    FUZZ_OK(weir_job_record_pack(&record, &packed));
    uint16_t version = (flags & OTHER_VERSION) != 0 ? which : WEIR_JOB_RECORD_VERSION;
    if ((flags & RAW) != 0)
        FUZZ_OK(weir_records_put(records, "job", key, version, detail, size, NULL));
    else
        FUZZ_OK(weir_records_put(records, "job", key, version, packed.data, packed.size, NULL));
    const uint8_t *submission = take(input, &size);
    if ((flags & 1) != 0)
        FUZZ_OK(weir_records_put(records, "submission", key, 1, submission, size, NULL));
    weir_buffer_deinit(&packed);
}

static weir_records *fill(fuzz_input *input)
{
    weir_records *records = NULL;
    size_t size;
    const uint8_t *epoch = fuzz_bytes(input, &size);

    FUZZ_OK(weir_memory_records_new(&records));
    FUZZ_OK(weir_records_begin(records, NULL));
    if (size > 0)
        FUZZ_OK(weir_records_put(records, "meta", "epoch", 1, epoch, size, NULL));
    for (int i = 0; i < JOBS_MAX && input->left > 0; i++)
        put_job(records, input);
    FUZZ_OK(weir_records_commit(records, NULL));
    return records;
}

static void check_find(const weir_job_book *book, const char *text)
{
    weir_job *found = NULL;
    weir_error err = WEIR_ERROR_INIT;
    int rc = weir_job_book_find(book, text, &found, &err);
    if (rc != 0)
        fuzz_check_failure(rc, &err);
    else
        FUZZ_CHECK(found != NULL);
}

/* On to the end of its life. */
static void live_on(weir_job_book *book, weir_job *job)
{
    Weir__Proto__SubmitJob *submission = NULL;
    weir_error err = WEIR_ERROR_INIT;
    weir_job_end end = {.job = job};

    int rc = weir_job_book_submission(book, job, &submission, &err);
    if (rc != 0)
        fuzz_check_failure(rc, &err);
    else
        weir_proto_free(&submission->base);
    if (job->stage == WEIR_STAGE_ACCEPTED && job->number % 2 == 0)
        FUZZ_OK(weir_job_book_start(book, job, "jm-2", &err));
    if (job->stage == WEIR_STAGE_STARTED)
        FUZZ_CHECK(weir_job_book_update(book, job, job->detail) >= 0);
    end.detail = job->detail;
    if (job->stage != WEIR_STAGE_ENDED && job->number % 3 == 0)
        FUZZ_OK(weir_job_book_end(book, &end, 1, 5000, &err));
}

static void check_book(weir_job_book *book)
{
    weir_job *job, *ended = NULL;
    weir_error err = WEIR_ERROR_INIT;
    size_t active = 0;

    for (size_t i = 0; (job = weir_job_book_next(book, &i)) != NULL;) {
        FUZZ_CHECK(weir_job_book_get(book, job->id) == job);
        FUZZ_CHECK(job->detail != NULL && job->detail->summary != NULL);
        FUZZ_CHECK(job->stage <= WEIR_STAGE_ENDED && job->detail->summary->version > 0);
        check_find(book, weir_job_name(job));
        check_find(book, job->id);
        check_find(book, "0");
        live_on(book, job);
        active += job->stage != WEIR_STAGE_ENDED;
        ended = job->stage == WEIR_STAGE_ENDED ? job : ended;
    }
    check_find(book, "nobody");
    FUZZ_CHECK(weir_job_book_active(book) == active);
    if (ended != NULL)
        FUZZ_OK(weir_job_book_drop(book, &ended, 1, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, size};
    weir_records *records = fill(&input);
    weir_job_book *book = NULL;
    weir_error err = WEIR_ERROR_INIT;

    int rc = weir_job_book_open(records, &book, &err);
    if (rc != 0) {
        fuzz_check_failure(rc, &err);
        FUZZ_CHECK(rc == WEIR_ECORRUPT || rc == WEIR_EVERSION || rc == WEIR_ETOO_LARGE);
    } else {
        uint64_t epoch = weir_job_book_epoch(book);
        check_book(book);
        size_t count = weir_job_book_count(book);
        weir_job_book_close(&book);
        rc = weir_job_book_open(records, &book, &err);
        if (rc != 0)
            fuzz_fail(__FILE__, __LINE__, "its own writing is refused: %s", err.text);
        FUZZ_CHECK(weir_job_book_count(book) == count);
        FUZZ_CHECK(weir_job_book_epoch(book) > epoch);
    }
    weir_job_book_close(&book);
    weir_records_close(&records);
    return 0;
}
