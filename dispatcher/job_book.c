/* dispatcher/job_book.c -- every job that the dispatcher knows. */
#include "dispatcher/job_book.h"

#include "base/map.h"
#include "base/memory.h"
#include "base/units.h"
#include "graph/status.h"
#include "proto/codec.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define JOB_TABLE        "job"
#define SUBMISSION_TABLE "submission"
#define META_TABLE       "meta"
#define EPOCH_KEY        "epoch"
#define MESSAGE_MAX      ((size_t)256 << 20) /* memory of one stored message, unpacked */

struct weir_job_book {
    weir_records *records;
    weir_map *jobs; /* id -> weir_job, owned; in order of acceptance */
    uint64_t epoch;
    uint64_t version; /* of the newest change; starts at epoch << 32, so it grows over restarts */
    uint64_t number;  /* of the newest job */
    size_t active;
};

static int no_memory(weir_error *err)
{
    return weir_error_set(err, WEIR_ENO_MEMORY, "dispatcher: out of memory");
}

static void free_job(void *value)
{
    weir_job *job = value;
    if (job == NULL)
        return;
    weir_proto_free(job->detail == NULL ? NULL : &job->detail->base);
    weir_free(job->orphan_reason);
    weir_free(job);
}

/* ---- details ---- */

/* Packs the detail as the book keeps it: id, name and start are the book's, the version is left
 * out. */
static int pack_detail(const weir_job *job, const char *name, const Weir__Proto__JobDetail *detail,
                       weir_buffer *out)
{
    Weir__Proto__JobSummary summary = *detail->summary;
    Weir__Proto__JobDetail copy = *detail;
    summary.job = (char *)job->id;
    summary.name = (char *)name;
    summary.version = 0;
    if (summary.start_ms == 0)
        summary.start_ms = job->submitted_ms;
    copy.summary = &summary;
    weir_buffer_clear(out);
    return weir_proto_pack(&copy.base, out);
}

static int unpack_detail(const void *bytes, size_t size, Weir__Proto__JobDetail **ret,
                         weir_error *err)
{
    ProtobufCMessage *message = NULL;
    int rc = weir_proto_unpack(&weir__proto__job_detail__descriptor, bytes, size, MESSAGE_MAX,
                               &message, err);
    if (rc != 0)
        return rc;
    Weir__Proto__JobDetail *detail = (Weir__Proto__JobDetail *)message;
    if (detail->summary == NULL) {
        weir_proto_free(message);
        return weir_error_set(err, WEIR_ECORRUPT, "a job's detail has no summary");
    }
    *ret = detail;
    return 0;
}

/* Takes `ready` over. */
static void set_detail(weir_job_book *book, weir_job *job, Weir__Proto__JobDetail *ready,
                       const weir_digest *digest)
{
    weir_proto_free(job->detail == NULL ? NULL : &job->detail->base);
    job->detail = ready;
    job->detail_digest = *digest;
    ready->summary->version = ++book->version;
}

/* ---- writing ---- */

static int put_job(weir_job_book *book, const weir_job *job, const weir_buffer *detail,
                   weir_error *err)
{
    weir_buffer packed = WEIR_BUFFER_INIT;
    weir_job_record record = {.stage = job->stage,
                              .submitted_ms = job->submitted_ms,
                              .ended_ms = job->ended_ms,
                              .number = job->number,
                              .submission = job->submission,
                              .detail = detail->data,
                              .detail_size = detail->size};
    memcpy(record.artifact, job->artifact, sizeof record.artifact);
    memcpy(record.jobmanager, job->jobmanager, sizeof record.jobmanager);
    int rc = weir_job_record_pack(&record, &packed);
    if (rc != 0)
        rc = weir_error_set(err, rc, "job '%s' cannot be stored", job->id);
    else
        rc = weir_records_put(book->records, JOB_TABLE, job->id, WEIR_JOB_RECORD_VERSION,
                              packed.data, packed.size, err);
    weir_buffer_deinit(&packed);
    return rc;
}

/* Commits what was put, or drops it when a put failed. */
static int finish_group(weir_job_book *book, int rc, weir_error *err)
{
    if (rc == 0)
        return weir_records_commit(book->records, err);
    weir_records_abort(book->records);
    return rc;
}

weir_digest weir_job_book_digest(const Weir__Proto__SubmitJob *submit, int *ret_code)
{
    weir_buffer packed = WEIR_BUFFER_INIT;
    *ret_code = weir_proto_pack(&submit->base, &packed);
    weir_digest digest =
        weir_digest_of(*ret_code == 0 ? packed.data : NULL, *ret_code == 0 ? packed.size : 0);
    weir_buffer_deinit(&packed);
    return digest;
}

/* Everything that may fail for want of memory comes before the commit: after it the job exists. */
static int prepare_job(weir_job_book *book, const Weir__Proto__SubmitJob *submit, int64_t wall_ms,
                       weir_job **ret, weir_buffer *detail, weir_buffer *submission,
                       weir_error *err)
{
    Weir__Proto__JobSummary summary = WEIR__PROTO__JOB_SUMMARY__INIT;
    Weir__Proto__StateChange change = WEIR__PROTO__STATE_CHANGE__INIT;
    Weir__Proto__StateChange *changes[] = {&change};
    Weir__Proto__JobDetail start = WEIR__PROTO__JOB_DETAIL__INIT;
    weir_job *job = weir_calloc(1, sizeof *job);
    if (job == NULL)
        return no_memory(err);
    *ret = job;
    snprintf(job->id, sizeof job->id, "%s", submit->job);
    snprintf(job->artifact, sizeof job->artifact, "%s", submit->artifact);
    job->submitted_ms = wall_ms;
    job->number = book->number + 1;
    summary.state = (char *)weir_state_name(&weir_job_status_table, WEIR_JOB_INITIALIZING);
    change.state = summary.state;
    change.at_ms = wall_ms;
    start.summary = &summary;
    start.history = changes;
    start.n_history = 1;
    Weir__Proto__JobDetail *ready = NULL;
    int rc = pack_detail(job, submit->name, &start, detail);
    if (rc == 0)
        rc = weir_proto_pack(&submit->base, submission);
    if (rc != 0)
        return no_memory(err);
    rc = unpack_detail(detail->data, detail->size, &ready, err);
    if (rc != 0)
        return rc;
    weir_digest digest = weir_digest_of(detail->data, detail->size);
    job->submission = weir_digest_of(submission->data, submission->size);
    set_detail(book, job, ready, &digest);
    return 0;
}

int weir_job_book_accept(weir_job_book *book, const Weir__Proto__SubmitJob *submit, int64_t wall_ms,
                         weir_job **ret, weir_error *err)
{
    weir_buffer detail = WEIR_BUFFER_INIT, submission = WEIR_BUFFER_INIT;
    weir_job *job = NULL;
    int rc = prepare_job(book, submit, wall_ms, &job, &detail, &submission, err);
    if (rc == 0 && weir_map_put(book->jobs, job->id, job) != 0)
        rc = no_memory(err);
    if (rc != 0) {
        free_job(job);
        goto out;
    }
    rc = weir_records_begin(book->records, err);
    if (rc == 0) {
        rc = put_job(book, job, &detail, err);
        if (rc == 0)
            rc = weir_records_put(book->records, SUBMISSION_TABLE, job->id, 1, submission.data,
                                  submission.size, err);
        rc = finish_group(book, rc, err);
    }
    if (rc != 0) {
        weir_map_remove(book->jobs, submit->job);
        goto out;
    }
    book->number = job->number;
    book->active++;
    *ret = job;
out:
    weir_buffer_deinit(&detail);
    weir_buffer_deinit(&submission);
    return rc;
}

int weir_job_book_submission(weir_job_book *book, const weir_job *job, Weir__Proto__SubmitJob **ret,
                             weir_error *err)
{
    weir_buffer packed = WEIR_BUFFER_INIT;
    ProtobufCMessage *message = NULL;
    uint16_t version;
    int rc = weir_records_get(book->records, SUBMISSION_TABLE, job->id, &version, &packed, err);
    if (rc == 0 && version != 1)
        rc = weir_error_set(err, WEIR_EVERSION, "the submission of job '%s' has version %u",
                            job->id, version);
    if (rc == 0)
        rc = weir_proto_unpack(&weir__proto__submit_job__descriptor, packed.data, packed.size,
                               MESSAGE_MAX, &message, err);
    if (rc == 0)
        *ret = (Weir__Proto__SubmitJob *)message;
    weir_buffer_deinit(&packed);
    return rc;
}

int weir_job_book_start(weir_job_book *book, weir_job *job, const char *jobmanager, weir_error *err)
{
    weir_buffer detail = WEIR_BUFFER_INIT;
    weir_job changed = *job;
    int rc = weir_state_move(&weir_job_stage_table, &changed.stage, WEIR_STAGE_STARTED, err);
    if (rc != 0)
        return rc;
    snprintf(changed.jobmanager, sizeof changed.jobmanager, "%s", jobmanager);
    if (pack_detail(job, weir_job_name(job), job->detail, &detail) != 0) {
        rc = no_memory(err);
    } else {
        rc = weir_records_begin(book->records, err);
        if (rc == 0)
            rc = finish_group(book, put_job(book, &changed, &detail, err), err);
    }
    if (rc == 0)
        *job = changed;
    weir_buffer_deinit(&detail);
    return rc;
}

int weir_job_book_update(weir_job_book *book, weir_job *job, const Weir__Proto__JobDetail *detail)
{
    weir_buffer packed = WEIR_BUFFER_INIT;
    Weir__Proto__JobDetail *ready = NULL;
    assert(job->stage != WEIR_STAGE_ENDED);
    int rc = pack_detail(job, weir_job_name(job), detail, &packed);
    if (rc == 0) {
        weir_digest digest = weir_digest_of(packed.data, packed.size);
        if (!weir_digest_equal(&digest, &job->detail_digest)) {
            rc = unpack_detail(packed.data, packed.size, &ready, NULL);
            if (rc == 0) {
                set_detail(book, job, ready, &digest);
                rc = 1;
            }
        }
    }
    weir_buffer_deinit(&packed);
    return rc;
}

static int put_end(weir_job_book *book, weir_job_end *end, int64_t wall_ms, weir_error *err)
{
    weir_buffer packed = WEIR_BUFFER_INIT;
    weir_job changed = *end->job;
    int rc = weir_state_move(&weir_job_stage_table, &changed.stage, WEIR_STAGE_ENDED, err);
    if (rc != 0)
        return rc;
    changed.ended_ms = wall_ms;
    if (pack_detail(end->job, weir_job_name(end->job), end->detail, &packed) != 0)
        rc = no_memory(err);
    if (rc == 0)
        rc = unpack_detail(packed.data, packed.size, &end->ready, err);
    if (rc == 0) {
        end->digest = weir_digest_of(packed.data, packed.size);
        rc = put_job(book, &changed, &packed, err);
    }
    if (rc == 0)
        rc = weir_records_remove(book->records, SUBMISSION_TABLE, end->job->id, err);
    weir_buffer_deinit(&packed);
    return rc;
}

int weir_job_book_end(weir_job_book *book, weir_job_end *ends, size_t count, int64_t wall_ms,
                      weir_error *err)
{
    int rc = weir_records_begin(book->records, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < count; i++)
        ends[i].ready = NULL;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = put_end(book, &ends[i], wall_ms, err);
    rc = finish_group(book, rc, err);
    for (size_t i = 0; i < count; i++) {
        if (rc != 0) {
            weir_proto_free(ends[i].ready == NULL ? NULL : &ends[i].ready->base);
            continue;
        }
        ends[i].job->stage = WEIR_STAGE_ENDED;
        ends[i].job->ended_ms = wall_ms;
        set_detail(book, ends[i].job, ends[i].ready, &ends[i].digest);
        book->active--;
    }
    return rc;
}

int weir_job_book_drop(weir_job_book *book, weir_job **jobs, size_t count, weir_error *err)
{
    int rc = weir_records_begin(book->records, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        assert(jobs[i]->stage == WEIR_STAGE_ENDED);
        rc = weir_records_remove(book->records, JOB_TABLE, jobs[i]->id, err);
    }
    rc = finish_group(book, rc, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        char id[WEIR_ID_HEX];
        memcpy(id, jobs[i]->id, sizeof id); /* the job is freed while its key is looked at */
        weir_map_remove(book->jobs, id);
    }
    return rc;
}

/* ---- loading ---- */

typedef struct loading {
    weir_job_book *book;
    weir_job **jobs;
    size_t count, capacity;
} loading;

/* What a job that was running says until its JobManager reports again. */
static int mark_reconciling(weir_job_book *book, weir_job *job)
{
    Weir__Proto__JobSummary summary = *job->detail->summary;
    Weir__Proto__JobDetail detail = *job->detail;
    summary.state = (char *)weir_state_name(&weir_job_status_table, WEIR_JOB_RECONCILING);
    detail.summary = &summary;
    int rc = weir_job_book_update(book, job, &detail);
    return rc < 0 ? rc : 0;
}

static int load_job(void *data, const char *key, uint16_t version, const void *bytes, size_t size,
                    weir_error *err)
{
    loading *into = data;
    weir_job_record record;
    Weir__Proto__JobDetail *detail = NULL;
    weir_id id;
    int rc = weir_job_record_unpack(version, bytes, size, &record, err);
    if (rc == 0 && weir_id_parse(key, &id) != 0)
        rc = weir_error_set(err, WEIR_ECORRUPT, "'%.64s' is no id of a job", key);
    if (rc == 0)
        rc = unpack_detail(record.detail, record.detail_size, &detail, err);
    if (rc != 0)
        return rc;
    weir_job *job = weir_calloc(1, sizeof *job);
    if (job != NULL && into->count == into->capacity) {
        size_t capacity = into->capacity == 0 ? 16 : 2 * into->capacity;
        weir_job **jobs = weir_realloc(into->jobs, capacity * sizeof *jobs);
        if (jobs != NULL) {
            into->jobs = jobs;
            into->capacity = capacity;
        }
    }
    if (job == NULL || into->count == into->capacity) {
        weir_free(job);
        weir_proto_free(&detail->base);
        return no_memory(err);
    }
    snprintf(job->id, sizeof job->id, "%s", key);
    job->stage = record.stage;
    job->submitted_ms = record.submitted_ms;
    job->ended_ms = record.ended_ms;
    job->number = record.number;
    job->submission = record.submission;
    memcpy(job->artifact, record.artifact, sizeof job->artifact);
    memcpy(job->jobmanager, record.jobmanager, sizeof job->jobmanager);
    weir_digest digest = weir_digest_of(record.detail, record.detail_size);
    set_detail(into->book, job, detail, &digest);
    into->jobs[into->count++] = job;
    return 0;
}

static int by_number(const void *left, const void *right)
{
    const weir_job *a = *(weir_job *const *)left, *b = *(weir_job *const *)right;
    return a->number < b->number ? -1 : a->number > b->number;
}

static int load_jobs(weir_job_book *book, weir_error *err)
{
    loading into = {.book = book};
    int rc = weir_records_iterate(book->records, JOB_TABLE, load_job, &into, err);
    if (into.count > 0)
        qsort(into.jobs, into.count, sizeof(weir_job *), by_number);
    for (size_t i = 0; i < into.count; i++) {
        weir_job *job = into.jobs[i];
        if (rc == 0 && weir_map_put(book->jobs, job->id, job) != 0)
            rc = no_memory(err);
        if (rc != 0) {
            free_job(job);
            continue;
        }
        book->number = job->number;
        book->active += job->stage == WEIR_STAGE_ENDED ? 0 : 1;
        if (job->stage == WEIR_STAGE_STARTED && mark_reconciling(book, job) != 0)
            rc = no_memory(err);
    }
    weir_free(into.jobs);
    return rc;
}

static int count_incarnation(weir_job_book *book, weir_error *err)
{
    weir_buffer value = WEIR_BUFFER_INIT;
    uint16_t version;
    uint64_t epoch = 0;
    int rc = weir_records_get(book->records, META_TABLE, EPOCH_KEY, &version, &value, err);
    if (rc == 0 && (version != 1 || value.size != 8))
        rc = weir_error_set(err, WEIR_ECORRUPT, "the stored epoch cannot be read");
    for (unsigned i = 0; rc == 0 && i < 8; i++)
        epoch |= (uint64_t)value.data[i] << (8 * i);
    weir_buffer_deinit(&value);
    if (rc != 0 && rc != WEIR_ENOT_FOUND)
        return rc;
    epoch++;
    uint8_t packed[8];
    for (unsigned i = 0; i < 8; i++)
        packed[i] = (uint8_t)(epoch >> (8 * i));
    rc = weir_records_begin(book->records, err);
    if (rc == 0)
        rc = finish_group(
            book,
            weir_records_put(book->records, META_TABLE, EPOCH_KEY, 1, packed, sizeof packed, err),
            err);
    book->epoch = epoch;
    book->version = epoch << 32;
    return rc;
}

int weir_job_book_open(weir_records *records, weir_job_book **ret, weir_error *err)
{
    weir_job_book *book = weir_calloc(1, sizeof *book);
    if (book == NULL)
        return no_memory(err);
    book->records = records;
    book->jobs = weir_map_new(free_job);
    int rc = book->jobs == NULL ? no_memory(err) : count_incarnation(book, err);
    if (rc == 0)
        rc = load_jobs(book, err);
    if (rc != 0) {
        weir_job_book_close(&book);
        return weir_error_wrap(err, rc, "the dispatcher's jobs cannot be loaded");
    }
    *ret = book;
    return 0;
}

void weir_job_book_close(weir_job_book **book)
{
    if (book == NULL || *book == NULL)
        return;
    weir_map_destroy(&(*book)->jobs);
    weir_free(*book);
    *book = NULL;
}

/* ---- looking ---- */

uint64_t weir_job_book_epoch(const weir_job_book *book)
{
    return book->epoch;
}

size_t weir_job_book_count(const weir_job_book *book)
{
    return weir_map_count(book->jobs);
}

size_t weir_job_book_active(const weir_job_book *book)
{
    return book->active;
}

weir_job *weir_job_book_get(const weir_job_book *book, const char *id)
{
    return weir_map_get(book->jobs, id);
}

weir_job *weir_job_book_next(const weir_job_book *book, size_t *cursor)
{
    const char *id;
    void *job;
    return weir_map_next(book->jobs, cursor, &id, &job) ? job : NULL;
}

bool weir_job_book_uses_artifact(const weir_job_book *book, const char *artifact)
{
    const weir_job *job;
    for (size_t i = 0; (job = weir_job_book_next(book, &i)) != NULL;) {
        if (strcmp(job->artifact, artifact) == 0)
            return true;
    }
    return false;
}

static bool has_prefix(const weir_job *job, const char *text)
{
    return strncasecmp(job->id, text, strlen(text)) == 0;
}

static int ambiguous(const weir_job_book *book, const char *text, size_t fits, weir_error *err)
{
    enum { SHOWN = 5 };
    weir_buffer list = WEIR_BUFFER_INIT;
    const weir_job *job;
    char quoted[WEIR_QUOTED_MAX];
    size_t shown = 0;
    for (size_t i = 0; shown < SHOWN && (job = weir_job_book_next(book, &i)) != NULL;) {
        bool named = strcmp(weir_job_name(job), text) == 0 && job->stage != WEIR_STAGE_ENDED;
        if (named || has_prefix(job, text))
            weir_buffer_printf(&list, "%s%s (%s, %s)", shown++ > 0 ? ", " : "", job->id,
                               weir_job_name(job), weir_job_state(job));
    }
    int rc =
        weir_error_set(err, WEIR_EINVALID, "job %s fits %zu jobs; found %s%s; give digits of an id",
                       weir_format_quoted(text, quoted, sizeof quoted), fits,
                       weir_buffer_text(&list), fits > SHOWN ? ", ..." : "");
    weir_buffer_deinit(&list);
    return rc;
}

static int not_found(const weir_job_book *book, const char *text, weir_error *err)
{
    char quoted[WEIR_QUOTED_MAX];
    const char **names = weir_calloc(weir_job_book_count(book) + 1, sizeof *names);
    const weir_job *job;
    size_t count = 0;
    for (size_t i = 0; names != NULL && (job = weir_job_book_next(book, &i)) != NULL;)
        names[count++] = weir_job_name(job);
    const char *near = names == NULL ? NULL : weir_suggest(text, names, count);
    weir_format_quoted(text, quoted, sizeof quoted);
    int rc;
    if (near != NULL)
        rc = weir_error_set(err, WEIR_ENOT_FOUND, "job %s is not known; did you mean '%s'?", quoted,
                            near);
    else
        rc = weir_error_set(err, WEIR_ENOT_FOUND,
                            "job %s is not known; there %s %zu job%s; see 'weir list'", quoted,
                            weir_job_book_count(book) == 1 ? "is" : "are",
                            weir_job_book_count(book), weir_job_book_count(book) == 1 ? "" : "s");
    weir_free(names);
    return rc;
}

/* A live job comes before those of its name that have ended; two live ones are told apart by id. */
int weir_job_book_find(const weir_job_book *book, const char *text, weir_job **ret, weir_error *err)
{
    weir_job *job, *ended = NULL, *live = NULL, *prefixed = NULL;
    size_t fits = 0, alive = 0;
    for (size_t i = 0; (job = weir_job_book_next(book, &i)) != NULL;) {
        if (strcasecmp(job->id, text) == 0) {
            *ret = job;
            return 0;
        }
        if (strcmp(weir_job_name(job), text) == 0) {
            if (job->stage == WEIR_STAGE_ENDED) {
                ended = job; /* the last one is the newest */
            } else {
                live = job;
                alive++;
            }
        }
        if (text[0] != '\0' && has_prefix(job, text)) {
            prefixed = job;
            fits++;
        }
    }
    if (alive > 1)
        return ambiguous(book, text, alive, err);
    weir_job *named = live != NULL ? live : ended;
    if (named == NULL && fits > 1)
        return ambiguous(book, text, fits, err);
    if (named == NULL && fits == 0)
        return not_found(book, text, err);
    *ret = named != NULL ? named : prefixed;
    return 0;
}
