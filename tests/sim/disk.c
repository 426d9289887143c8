/* tests/sim/disk.c -- the dispatcher's disk: records and artifacts in memory, which outlive its
 * incarnations. It fails as planned, and it watches what is written: a job is accepted once,
 * started once, by one JobManager, and ends once. */
#include "cluster.h"

#include "base/map.h"
#include "base/memory.h"
#include "dispatcher/artifact_memory.h"
#include "dispatcher/job_record.h"
#include "store/memory_records.h"

#include <stdlib.h>
#include <string.h>

enum { UPLOADS_MAX_BYTES = 1 << 20 };

typedef struct stored { /* a job, as it lies on the disk */
    bool present;
    uint32_t stage;
    char jobmanager[WEIR_PROCESS_NAME_MAX];
} stored;

struct sim_disk {
    weir_records records;        /* first: the handle */
    weir_artifact_store uploads; /* not first: see disk_of_uploads */
    weir_records *inner;
    weir_artifact_store *inner_uploads;
    sim_cluster *cluster;
    enum sim_disaster_kind how;
    uint64_t countdown, dice;
    bool is_full, full_untold;
    bool is_frozen; /* its process dies: nothing is written any more */
    stored jobs[SIM_JOBS_MAX], pending[SIM_JOBS_MAX];
};

static sim_disk *disk_of(weir_records *records)
{
    return (sim_disk *)records;
}

static sim_disk *disk_of_uploads(weir_artifact_store *uploads)
{
    return (sim_disk *)(void *)((char *)uploads - offsetof(sim_disk, uploads));
}

/* ---- what must be true ---- */

static const char *const stage_names[] = {"ACCEPTED", "STARTED", "ENDED"};

static void check_step(sim_disk *disk, const sim_job *job, const stored *from, const stored *to)
{
    const char *was = from->present ? stage_names[from->stage] : "not there";
    if (!to->present) {
        if (from->present && from->stage != WEIR_STAGE_ENDED)
            sim_wrong(disk->cluster, "job %u was %s on the disk and was removed", job->index, was);
        return;
    }
    bool good = from->present ? to->stage > from->stage : to->stage == WEIR_STAGE_ACCEPTED;
    if (!good)
        sim_wrong(disk->cluster, "job %u was %s on the disk and became %s", job->index, was,
                  stage_names[to->stage]);
    if (from->present && from->stage == WEIR_STAGE_STARTED &&
        strcmp(from->jobmanager, to->jobmanager) != 0)
        sim_wrong(disk->cluster, "job %u was given to JobManager %s and then to %s", job->index,
                  from->jobmanager, to->jobmanager);
}

static void note(sim_disk *disk, const char *table, const char *key, uint16_t version,
                 const void *bytes, size_t size)
{
    sim_job *job = strcmp(table, "job") == 0 ? sim_job_of(disk->cluster, key) : NULL;
    weir_job_record record;
    if (job == NULL)
        return;
    stored *to = &disk->pending[job->index];
    to->present = bytes != NULL;
    if (bytes == NULL)
        return;
    if (weir_job_record_unpack(version, bytes, size, &record, NULL) != 0)
        sim_wrong(disk->cluster, "the record of job %u cannot be read", job->index);
    to->stage = record.stage;
    memcpy(to->jobmanager, record.jobmanager, sizeof to->jobmanager);
}

static void keep_pending(sim_disk *disk)
{
    for (uint32_t i = 0; i < disk->cluster->njobs; i++) {
        if (memcmp(&disk->jobs[i], &disk->pending[i], sizeof disk->jobs[i]) != 0)
            check_step(disk, &disk->cluster->jobs[i], &disk->jobs[i], &disk->pending[i]);
    }
    memcpy(disk->jobs, disk->pending, sizeof disk->jobs);
}

static void drop_pending(sim_disk *disk)
{
    memcpy(disk->pending, disk->jobs, sizeof disk->pending);
}

/* ---- what goes wrong ---- */

static int io_error(weir_error *err)
{
    return weir_error_set(err, WEIR_EIO, "record store: the disk has a planned failure");
}

static void kill_writer(sim_disk *disk)
{
    sim_cluster *cluster = disk->cluster;
    sim_mattered(cluster, SIM_KILLED_WRITING);
    disk->is_frozen = true;
    if (cluster->dispatcher != NULL)
        weir_simulator_kill(cluster->simulator, cluster->dispatcher);
}

/* One step; `commit` is set for the one that syncs. A failure, or 0: it may go on. */
static int step(sim_disk *disk, bool commit, bool *ret_kill_after, weir_error *err)
{
    if (disk->is_frozen)
        return io_error(err);
    bool hit = disk->countdown > 0 && --disk->countdown == 0;
    if (!hit)
        return 0;
    switch (disk->how) {
    case SIM_KILL_WRITING:
        if (commit && disk->dice % 2 == 0) { /* it was synced, and nobody will hear of it */
            *ret_kill_after = true;
            return 0;
        }
        kill_writer(disk);
        return io_error(err);
    case SIM_FAIL_SYNC:
        if (!commit) {
            disk->countdown = 1; /* the next one */
            return 0;
        }
        sim_mattered(disk->cluster, SIM_DISK_SYNC_FAILS);
        return io_error(err);
    default:
        sim_mattered(disk->cluster, SIM_DISK_WRITE_FAILS);
        return io_error(err);
    }
}

static int disk_begin(weir_records *records, weir_error *err)
{
    sim_disk *disk = disk_of(records);
    bool after = false;
    int rc = step(disk, false, &after, err);
    return rc != 0 ? rc : weir_records_begin(disk->inner, err);
}

static int disk_put(weir_records *records, const char *table, const char *key, uint16_t version,
                    const void *bytes, size_t size, weir_error *err)
{
    sim_disk *disk = disk_of(records);
    bool after = false;
    int rc = step(disk, false, &after, err);
    if (rc != 0)
        return rc;
    note(disk, table, key, version, bytes, size);
    return weir_records_put(disk->inner, table, key, version, bytes, size, err);
}

static int disk_remove(weir_records *records, const char *table, const char *key, weir_error *err)
{
    sim_disk *disk = disk_of(records);
    bool after = false;
    int rc = step(disk, false, &after, err);
    if (rc != 0)
        return rc;
    note(disk, table, key, 0, NULL, 0);
    return weir_records_remove(disk->inner, table, key, err);
}

static int no_space(sim_disk *disk, weir_error *err)
{
    if (disk->full_untold)
        sim_mattered(disk->cluster, SIM_DISK_FULL);
    disk->full_untold = false;
    return weir_error_set(err, WEIR_ENO_SPACE, "record store: the disk is full, as planned");
}

static int commit_inner(sim_disk *disk, weir_error *err)
{
    int rc = weir_records_commit(disk->inner, err);
    if (rc == 0)
        keep_pending(disk);
    else
        drop_pending(disk);
    return rc;
}

static int disk_commit(weir_records *records, weir_error *err)
{
    sim_disk *disk = disk_of(records);
    bool kill_after = false;
    int rc = disk->is_full && !disk->is_frozen ? no_space(disk, err)
                                               : step(disk, true, &kill_after, err);
    if (rc != 0) {
        /* A sync that failed may have written all the same. */
        bool written =
            rc == WEIR_EIO && !disk->is_frozen && disk->how == SIM_FAIL_SYNC && disk->dice % 2 == 0;
        if (written) {
            (void)!commit_inner(disk, NULL);
        } else {
            weir_records_abort(disk->inner);
            drop_pending(disk);
        }
        return rc;
    }
    rc = commit_inner(disk, err);
    if (kill_after)
        kill_writer(disk);
    return rc;
}

static void disk_abort(weir_records *records)
{
    weir_records_abort(disk_of(records)->inner);
    drop_pending(disk_of(records));
}

static int disk_get(weir_records *records, const char *table, const char *key,
                    uint16_t *ret_version, weir_buffer *out, weir_error *err)
{
    return weir_records_get(disk_of(records)->inner, table, key, ret_version, out, err);
}

static int disk_iterate(weir_records *records, const char *table, weir_records_visit visit,
                        void *data, weir_error *err)
{
    return weir_records_iterate(disk_of(records)->inner, table, visit, data, err);
}

/* ---- artifacts ---- */

static int uploads_append(weir_artifact_store *uploads, const char *digest, uint64_t offset,
                          uint64_t total, const void *bytes, size_t size, uint64_t *ret_received,
                          bool *ret_complete, weir_error *err)
{
    sim_disk *disk = disk_of_uploads(uploads);
    if (disk->is_full)
        return no_space(disk, err);
    return weir_artifact_append(disk->inner_uploads, digest, offset, total, bytes, size,
                                ret_received, ret_complete, err);
}

static int uploads_read(weir_artifact_store *uploads, const char *digest, uint64_t offset,
                        size_t max_size, weir_buffer *out, uint64_t *ret_total, weir_error *err)
{
    return weir_artifact_read(disk_of_uploads(uploads)->inner_uploads, digest, offset, max_size,
                              out, ret_total, err);
}

static int uploads_remove(weir_artifact_store *uploads, const char *digest, weir_error *err)
{
    return weir_artifact_remove(disk_of_uploads(uploads)->inner_uploads, digest, err);
}

static int uploads_list(weir_artifact_store *uploads, void (*visit)(void *data, const char *digest),
                        void *data, weir_error *err)
{
    return weir_artifact_list(disk_of_uploads(uploads)->inner_uploads, visit, data, err);
}

/* ---- the disk ---- */

sim_disk *sim_disk_new(sim_cluster *cluster)
{
    sim_disk *disk = weir_calloc(1, sizeof *disk);
    if (disk == NULL || weir_memory_records_new(&disk->inner) != 0 ||
        weir_artifact_memory_new(UPLOADS_MAX_BYTES, &disk->inner_uploads) != 0)
        abort();
    disk->cluster = cluster;
    disk->records = (weir_records){.begin = disk_begin,
                                   .put = disk_put,
                                   .remove = disk_remove,
                                   .commit = disk_commit,
                                   .abort = disk_abort,
                                   .get = disk_get,
                                   .iterate = disk_iterate};
    disk->uploads = (weir_artifact_store){.append = uploads_append,
                                          .read = uploads_read,
                                          .remove = uploads_remove,
                                          .list = uploads_list};
    return disk;
}

void sim_disk_close(sim_disk **disk)
{
    weir_records_close(&(*disk)->inner);
    weir_artifact_store_close(&(*disk)->inner_uploads);
    weir_free(*disk);
    *disk = NULL;
}

weir_records *sim_disk_records(sim_disk *disk)
{
    return &disk->records;
}

weir_artifact_store *sim_disk_artifacts(sim_disk *disk)
{
    return &disk->uploads;
}

void sim_disk_arm(sim_disk *disk, enum sim_disaster_kind how, uint64_t nth, uint64_t dice)
{
    disk->how = how;
    disk->countdown = nth;
    disk->dice = dice;
}

void sim_disk_fill(sim_disk *disk, bool is_full)
{
    disk->full_untold = is_full && !disk->is_full;
    disk->is_full = is_full;
}

bool sim_disk_has(const sim_disk *disk, const sim_job *job)
{
    return disk->jobs[job->index].present;
}

void sim_disk_crash(sim_disk *disk)
{
    weir_memory_records_crash(disk->inner);
    weir_artifact_memory_crash(disk->inner_uploads);
    drop_pending(disk);
    disk->is_frozen = false;
}

void sim_disk_heal(sim_disk *disk)
{
    disk->countdown = 0;
    sim_disk_fill(disk, false);
}
