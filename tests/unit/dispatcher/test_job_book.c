/* The promises of dispatcher/job_book.h and dispatcher/job_record.h. */
#include "base/memory.h"
#include "dispatcher/job_book.h"
#include "graph/status.h"
#include "proto/codec.h"
#include "store/memory_records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const char *const ids[] = {"ffff0000000000000000000000000001",
                                  "aaaa0000000000000000000000000002",
                                  "bbbb0000000000000000000000000003"};

static int accept(weir_job_book *book, size_t index, weir_job **ret)
{
    Weir__Proto__SubmitJob submit = WEIR__PROTO__SUBMIT_JOB__INIT;
    submit.job = (char *)ids[index];
    submit.name = (char *)"name";
    submit.graph.data = (uint8_t *)"graph";
    submit.graph.len = 5;
    submit.artifact = (char *)"0123";
    return weir_job_book_accept(book, &submit, 1000 + (int64_t)index, ret, NULL);
}

static int end(weir_job_book *book, weir_job *job, const char *error)
{
    Weir__Proto__JobSummary summary = WEIR__PROTO__JOB_SUMMARY__INIT;
    Weir__Proto__JobDetail detail = WEIR__PROTO__JOB_DETAIL__INIT;
    summary.state = (char *)"FAILED";
    summary.error = (char *)error;
    detail.summary = &summary;
    weir_job_end ending = {.job = job, .detail = &detail};
    return weir_job_book_end(book, &ending, 1, 2000, NULL);
}

static weir_job_book *reopen(weir_records *records, weir_job_book **book)
{
    weir_error err = WEIR_ERROR_INIT;
    weir_job_book_close(book);
    if (weir_job_book_open(records, book, &err) != 0)
        fail_msg("%s", err.text);
    return *book;
}

static void test_a_book_is_reopened(void **state)
{
    (void)state;
    weir_records *records = NULL;
    weir_job_book *book = NULL;
    weir_job *jobs[3];
    assert_int_equal(weir_memory_records_new(&records), 0);
    reopen(records, &book);
    assert_int_equal(weir_job_book_epoch(book), 1);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(accept(book, i, &jobs[i]), 0);
    assert_int_equal(weir_job_book_start(book, jobs[1], "jm", NULL), 0);
    assert_int_equal(weir_job_book_start(book, jobs[2], "jm", NULL), 0);
    assert_int_equal(weir_job_book_start(book, jobs[2], "jm", NULL), WEIR_ESTATE);
    assert_int_equal(end(book, jobs[2], "because"), 0);
    assert_int_equal(end(book, jobs[2], "because"), WEIR_ESTATE);
    assert_int_equal(weir_job_book_active(book), 2);
    uint64_t version = jobs[2]->detail->summary->version;
    reopen(records, &book);
    assert_int_equal(weir_job_book_epoch(book), 2);
    assert_int_equal(weir_job_book_count(book), 3);
    assert_int_equal(weir_job_book_active(book), 2);
    /* In order of acceptance, not of ids. */
    weir_job *job;
    size_t n = 0;
    for (size_t i = 0; (job = weir_job_book_next(book, &i)) != NULL; n++)
        assert_string_equal(job->id, ids[n]);
    job = weir_job_book_get(book, ids[0]);
    assert_int_equal(job->stage, WEIR_STAGE_ACCEPTED);
    assert_string_equal(weir_job_state(job), "INITIALIZING");
    assert_int_equal(job->submitted_ms, 1000);
    assert_string_equal(job->artifact, "0123");
    job = weir_job_book_get(book, ids[1]);
    assert_int_equal(job->stage, WEIR_STAGE_STARTED);
    assert_string_equal(job->jobmanager, "jm");
    assert_string_equal(weir_job_state(job), "RECONCILING");
    job = weir_job_book_get(book, ids[2]);
    assert_int_equal(job->stage, WEIR_STAGE_ENDED);
    assert_string_equal(weir_job_state(job), "FAILED");
    assert_string_equal(job->detail->summary->error, "because");
    assert_int_equal(job->ended_ms, 2000);
    assert_true(job->detail->summary->version > version);
    /* The submission is kept until the end, and not longer. */
    Weir__Proto__SubmitJob *submission = NULL;
    assert_int_equal(
        weir_job_book_submission(book, weir_job_book_get(book, ids[1]), &submission, NULL), 0);
    assert_string_equal(submission->name, "name");
    assert_int_equal(submission->graph.len, 5);
    weir_proto_free(&submission->base);
    assert_int_equal(weir_job_book_submission(book, job, &submission, NULL), WEIR_ENOT_FOUND);
    assert_true(weir_job_book_uses_artifact(book, "0123"));
    assert_int_equal(weir_job_book_drop(book, &job, 1, NULL), 0);
    reopen(records, &book);
    assert_int_equal(weir_job_book_count(book), 2);
    weir_job_book_close(&book);
    weir_records_close(&records);
}

/* Every operation, failing at every step and at every allocation: it happened whole, or not at all.
 */
static int operate(weir_job_book *book, int operation)
{
    weir_job *job = weir_job_book_get(book, ids[0]);
    switch (operation) {
    case 0:
        return accept(book, 0, &job);
    case 1:
        return weir_job_book_start(book, job, "jm", NULL);
    case 2:
        return end(book, job, "x");
    default:
        return weir_job_book_drop(book, &job, 1, NULL);
    }
}

static int stage_of(const weir_job_book *book)
{
    const weir_job *job = weir_job_book_get(book, ids[0]);
    return job == NULL ? -1 : (int)job->stage;
}

static void test_failures(void **state)
{
    (void)state;
    static const int stages[] = {-1, WEIR_STAGE_ACCEPTED, WEIR_STAGE_STARTED, WEIR_STAGE_ENDED, -1};
    for (int memory = 0; memory < 2; memory++) {
        for (int operation = 0; operation < 4; operation++) {
            bool done = false;
            for (uint64_t nth = 1; !done; nth++) {
                weir_records *records = NULL;
                weir_job_book *book = NULL;
                assert_true(nth < 200);
                assert_int_equal(weir_memory_records_new(&records), 0);
                reopen(records, &book);
                for (int before = 0; before < operation; before++)
                    assert_int_equal(operate(book, before), 0);
                if (memory)
                    weir_memory_fail_at(nth);
                else
                    weir_memory_records_fail_at(records, nth, WEIR_RECORDS_FAIL, WEIR_ENO_SPACE);
                int rc = operate(book, operation);
                weir_memory_fail_at(0);
                weir_memory_records_fail_at(records, 0, WEIR_RECORDS_FAIL, 0);
                done = rc == 0;
                if (!done)
                    assert_int_equal(rc, memory ? WEIR_ENO_MEMORY : WEIR_ENO_SPACE);
                int expected = stages[done ? operation + 1 : operation];
                assert_int_equal(stage_of(book), expected);
                reopen(records, &book);
                assert_int_equal(stage_of(book), expected);
                if (!done) /* nothing is left over that were in the way */
                    assert_int_equal(operate(book, operation), 0);
                weir_job_book_close(&book);
                weir_records_close(&records);
            }
        }
    }
}

static void test_versions_grow_with_changes(void **state)
{
    (void)state;
    weir_records *records = NULL;
    weir_job_book *book = NULL;
    weir_job *job = NULL;
    assert_int_equal(weir_memory_records_new(&records), 0);
    reopen(records, &book);
    assert_int_equal(accept(book, 0, &job), 0);
    Weir__Proto__JobSummary summary = WEIR__PROTO__JOB_SUMMARY__INIT;
    Weir__Proto__JobDetail detail = WEIR__PROTO__JOB_DETAIL__INIT;
    summary.state = (char *)"RUNNING";
    summary.name = (char *)"something else";
    summary.job = (char *)"something else";
    detail.summary = &summary;
    uint64_t first = job->detail->summary->version;
    assert_int_equal(weir_job_book_update(book, job, &detail), 1);
    uint64_t second = job->detail->summary->version;
    assert_true(second > first);
    summary.version = 99; /* of the JobManager's own counting */
    assert_int_equal(weir_job_book_update(book, job, &detail), 0);
    assert_int_equal(job->detail->summary->version, second);
    assert_string_equal(weir_job_name(job), "name");
    assert_string_equal(job->detail->summary->job, ids[0]);
    weir_job_book_close(&book);
    weir_records_close(&records);
}

static void test_damaged_records(void **state)
{
    (void)state;
    weir_buffer packed = WEIR_BUFFER_INIT;
    weir_job_record record = {.stage = WEIR_STAGE_STARTED,
                              .submitted_ms = -5,
                              .ended_ms = INT64_MAX,
                              .number = 7,
                              .artifact = "0123",
                              .jobmanager = "jm",
                              .detail = (const uint8_t *)"detail",
                              .detail_size = 6};
    weir_job_record read;
    memset(record.submission.bytes, 0xAB, sizeof record.submission.bytes);
    assert_int_equal(weir_job_record_pack(&record, &packed), 0);
    assert_int_equal(weir_job_record_unpack(1, packed.data, packed.size, &read, NULL), 0);
    assert_int_equal(read.stage, record.stage);
    assert_int_equal(read.submitted_ms, -5);
    assert_int_equal(read.ended_ms, INT64_MAX);
    assert_int_equal(read.number, 7);
    assert_memory_equal(&read.submission, &record.submission, sizeof read.submission);
    assert_string_equal(read.artifact, "0123");
    assert_string_equal(read.jobmanager, "jm");
    assert_int_equal(read.detail_size, 6);
    assert_memory_equal(read.detail, "detail", 6);
    assert_int_equal(weir_job_record_unpack(2, packed.data, packed.size, &read, NULL),
                     WEIR_EVERSION);
    for (size_t cut = 0; cut < packed.size; cut++) {
        uint8_t *exact = malloc(cut + 1); /* so that a read behind it is noticed */
        memcpy(exact, packed.data, cut);
        assert_int_equal(weir_job_record_unpack(1, exact, cut, &read, NULL), WEIR_ECORRUPT);
        free(exact);
    }
    for (size_t i = 0; i < packed.size; i++) {
        packed.data[i] ^= 0xFF; /* anything but a crash */
        int rc = weir_job_record_unpack(1, packed.data, packed.size, &read, NULL);
        assert_true(rc == 0 || rc == WEIR_ECORRUPT);
        packed.data[i] ^= 0xFF;
    }
    /* A book with such a job does not open. */
    static const char *const tables[][2] = {
        {"job", "ffff0000000000000000000000000001"}, {"job", "not an id"}, {"meta", "epoch"}};
    for (size_t i = 0; i < WEIR_COUNT(tables); i++) {
        weir_records *records = NULL;
        weir_job_book *book = NULL;
        weir_error err = WEIR_ERROR_INIT;
        assert_int_equal(weir_memory_records_new(&records), 0);
        assert_int_equal(weir_records_begin(records, NULL), 0);
        assert_int_equal(weir_records_put(records, tables[i][0], tables[i][1], 1, packed.data,
                                          packed.size, NULL),
                         0);
        assert_int_equal(weir_records_commit(records, NULL), 0);
        assert_int_equal(weir_job_book_open(records, &book, &err), WEIR_ECORRUPT);
        assert_null(book);
        weir_records_close(&records);
    }
    weir_buffer_deinit(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_book_is_reopened),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_versions_grow_with_changes),
        cmocka_unit_test(test_damaged_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
