/* store/memory_records.h -- records in memory: for the simulator, whose disk they are, and for
 * local mode, which keeps nothing. What is committed counts as synced; the open group does not.
 *
 * The n-th step can be made to fail; steps are begin, put, remove and commit, counted together. */
#ifndef STORE_MEMORY_RECORDS_H
#define STORE_MEMORY_RECORDS_H

#include "store/records.h"

enum weir_records_failure {
    WEIR_RECORDS_FAIL,      /* the step fails with `code`, nothing is written; later ones succeed */
    WEIR_RECORDS_FAIL_LATE, /* a commit is written and fails all the same: the owner cannot know */
    WEIR_RECORDS_FREEZE     /* from this step on everything fails and nothing is written, until the
                               crash: what a process that dies here leaves behind */
};

int weir_memory_records_new(weir_records **ret) WEIR_MUST_CHECK; /* weir_records_close frees it */

/* The process died: the open group and every planned failure are gone; what was committed stays. */
void weir_memory_records_crash(weir_records *records);
void weir_memory_records_fail_at(weir_records *records, uint64_t nth,
                                 enum weir_records_failure failure, int code); /* nth 0: off */
uint64_t weir_memory_records_steps(const weir_records *records);               /* since new */
size_t weir_memory_records_count(const weir_records *records); /* committed values */

#endif
