/* store/record_store.h -- records in LMDB, policy "record": every commit is synced to disk, values
 * are checksummed and versioned, damage refuses to open and nothing is ever discarded.
 *
 * In the directory: data.mdb and lock.mdb (LMDB's), `format` (the store's id; written last when a
 * store is made, so that an emptied or missing data.mdb is noticed), `owner` (locked; the process
 * id of who has it open). The directory must lie on a local disk. One open per process; not across
 * fork. */
#ifndef STORE_RECORD_STORE_H
#define STORE_RECORD_STORE_H

#include "store/records.h"

typedef struct weir_record_store_config {
    const char *directory; /* made when absent */
    uint64_t map_size;     /* to start with; 0: 16 MiB. It doubles when it is full */
    uint64_t map_size_max; /* 0: 64 GiB. At the limit a commit fails with WEIR_ENO_SPACE */
} weir_record_store_config;

/* Reads and checks everything. WEIR_ECORRUPT: damage, WEIR_EVERSION: made by a newer version,
 * WEIR_ESTATE: open elsewhere ("in use by process 4101"). weir_records_close closes it. */
int weir_record_store_open(const weir_record_store_config *config, weir_records **ret,
                           weir_error *err) WEIR_MUST_CHECK;

/* Test hook: the n-th begin, put, remove or commit from now on fails with `code`; 0: off. */
void weir_record_store_fail_at(weir_records *records, uint64_t nth, int code);

#endif
