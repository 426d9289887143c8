/* dispatcher/job_book.h -- every job that the dispatcher knows, and what it promised about them. A
 * change of stage is committed to the records before it shows here; what runs in between (states,
 * counters) lives in memory only and is told again by the JobManager.
 *
 * One owner, one thread; commits block for a disk sync. Jobs are kept in order of acceptance. */
#ifndef DISPATCHER_JOB_BOOK_H
#define DISPATCHER_JOB_BOOK_H

#include "dispatcher/job_record.h"
#include "store/records.h"

typedef struct weir_job_book weir_job_book;

typedef struct weir_job {
    char id[WEIR_ID_HEX];
    uint32_t stage;
    int64_t submitted_ms, ended_ms;
    uint64_t number;
    weir_digest submission;
    char artifact[WEIR_DIGEST_HEX];
    char jobmanager[WEIR_PROCESS_NAME_MAX];
    Weir__Proto__JobDetail *detail; /* never NULL, nor its summary; its version is the book's */
    weir_digest detail_digest;      /* of the detail without its version */
    /* The dispatcher's own notes; not kept over a restart. */
    uint64_t start_request;    /* outstanding StartJob; 0: none */
    bool start_unsent;         /* there was no memory to send it */
    uint64_t reported_version; /* newest of the JobManager's reports */
    uint32_t slots_granted;    /* by the last answer to RequestSlots; 0: none, or unknown */
    bool orphaned;             /* its JobManager is gone for good: to be failed */
    char *orphan_reason;       /* why; owned; NULL: there was no memory to note it */
} weir_job;

#define weir_job_name(job)  ((const char *)(job)->detail->summary->name)
#define weir_job_state(job) ((const char *)(job)->detail->summary->state)

/* Loads the jobs and counts the incarnation up, durably. The records are borrowed. */
int weir_job_book_open(weir_records *records, weir_job_book **ret, weir_error *err) WEIR_MUST_CHECK;
void weir_job_book_close(weir_job_book **book);          /* the records stay open */
uint64_t weir_job_book_epoch(const weir_job_book *book); /* of this incarnation; from 1 */

/* Adds a job, durably: after 0 it is never lost. `submit` has been checked. */
int weir_job_book_accept(weir_job_book *book, const Weir__Proto__SubmitJob *submit, int64_t wall_ms,
                         weir_job **ret, weir_error *err) WEIR_MUST_CHECK;
weir_digest weir_job_book_digest(const Weir__Proto__SubmitJob *submit, int *ret_code);
/* The submission of a job that has not ended; free with weir_proto_free. */
int weir_job_book_submission(weir_job_book *book, const weir_job *job, Weir__Proto__SubmitJob **ret,
                             weir_error *err) WEIR_MUST_CHECK;

/* Durable: STARTED on a JobManager's process. */
int weir_job_book_start(weir_job_book *book, weir_job *job, const char *jobmanager,
                        weir_error *err) WEIR_MUST_CHECK;
/* In memory: a new detail of a job that has not ended. Returns 1 when it differs (its version
 * grows), 0 when not, or an error. */
int weir_job_book_update(weir_job_book *book, weir_job *job,
                         const Weir__Proto__JobDetail *detail) WEIR_MUST_CHECK;

/* The end of one job, of some that end together. */
typedef struct weir_job_end {
    weir_job *job;
    const Weir__Proto__JobDetail *detail; /* terminal; borrowed for the call */
    Weir__Proto__JobDetail *ready;        /* the book's own */
    weir_digest digest;
} weir_job_end;

/* Durable, all or none: the jobs become ENDED with these details; their submissions go. */
int weir_job_book_end(weir_job_book *book, weir_job_end *ends, size_t count, int64_t wall_ms,
                      weir_error *err) WEIR_MUST_CHECK;
/* Durable: forgets ended jobs; frees them. */
int weir_job_book_drop(weir_job_book *book, weir_job **jobs, size_t count,
                       weir_error *err) WEIR_MUST_CHECK;

size_t weir_job_book_count(const weir_job_book *book);
size_t weir_job_book_active(const weir_job_book *book); /* not ended */
weir_job *weir_job_book_get(const weir_job_book *book,
                            const char *id); /* exact; NULL when absent */
/* By id, by name (the live one of that name, else the newest) or by a prefix of the id that fits
 * one job. WEIR_ENOT_FOUND, or WEIR_EINVALID when a prefix fits several: the text lists them. */
int weir_job_book_find(const weir_job_book *book, const char *text, weir_job **ret,
                       weir_error *err) WEIR_MUST_CHECK;
/* for (size_t i = 0; (job = weir_job_book_next(book, &i)) != NULL;) in order of acceptance. Nothing
 * may be accepted or dropped in between. */
weir_job *weir_job_book_next(const weir_job_book *book, size_t *cursor);
bool weir_job_book_uses_artifact(const weir_job_book *book, const char *artifact);

#endif
