/* dispatcher/job_record.h -- a job as it lies in the record store, table "job", version 1. The
 * submission itself lies beside it, in table "submission", as a packed SubmitJob, until the job
 * ends.
 *
 *   u8 stage, 3 bytes 0, i64 submitted_ms, i64 ended_ms, u64 number, 32 bytes digest of the packed
 *   SubmitJob, u16 length + artifact, u16 length + JobManager, u32 length + packed JobDetail; all
 *   integers little-endian; nothing behind. */
#ifndef DISPATCHER_JOB_RECORD_H
#define DISPATCHER_JOB_RECORD_H

#include "actors/actor.h"
#include "base/buffer.h"
#include "base/id.h"
#include "base/state_machine.h"

#define WEIR_JOB_RECORD_VERSION 1

/*   ACCEPTED (durable, nobody runs it) -> STARTED (a JobManager may run it) -> ENDED (for ever)
 *   ACCEPTED -> ENDED (cancelled before it was handed out) */
enum weir_job_stage { /* numbers are stored: never reused */
                      WEIR_STAGE_ACCEPTED = 0,
                      WEIR_STAGE_STARTED = 1,
                      WEIR_STAGE_ENDED = 2
};

extern const weir_state_table weir_job_stage_table;

typedef struct weir_job_record {
    uint32_t stage;
    int64_t submitted_ms, ended_ms; /* wall; ended_ms 0: it has not */
    uint64_t number;                /* order of acceptance */
    weir_digest submission;
    char artifact[WEIR_DIGEST_HEX];
    char jobmanager[WEIR_PROCESS_NAME_MAX]; /* process it was handed to; "" before */
    const uint8_t *detail;                  /* packed JobDetail, borrowed */
    size_t detail_size;
} weir_job_record;

int weir_job_record_pack(const weir_job_record *record, weir_buffer *out) WEIR_MUST_CHECK;
/* WEIR_ECORRUPT, WEIR_EVERSION. `detail` is borrowed from the bytes. */
int weir_job_record_unpack(uint16_t version, const void *bytes, size_t size, weir_job_record *ret,
                           weir_error *err) WEIR_MUST_CHECK;

#endif
