/* tests/sim/cluster.h -- a whole cluster in the simulator: dispatcher, JobManager, TaskManagers,
 * task runners and clients, the same actors and slots as in the processes, over simulated messages,
 * processes, disks and data connections. Jobs are submitted and followed to their ends while a
 * plan, made from a seed, does its worst; then everything must be well again.
 *
 *   plan.c       what happens in a seed
 *   agent.c      TaskManagers
 *   cluster.c    processes that start, end, and are started again; the run
 *   disasters.c  what the plan does to processes and connections
 *   disk.c       the dispatcher's disk, which fails as planned, and what must be true of it
 *   runner.c     task runners and their slots
 *   data.c       frames between slots, what happens to them, and the count of their credit
 *   client.c     clients: upload, submit, submit again, follow, fetch rows, cancel
 *   probe.c      requests that must be carried out once
 *   audit.c      the dispatcher's slots, each promised once
 *   settle.c     after the last job: nothing is left behind, and the cluster still works
 *   texts.c      what jobs read, what they must write, and whether they did */
#ifndef TESTS_SIM_CLUSTER_H
#define TESTS_SIM_CLUSTER_H

#include "actors/simulator.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/options.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_TASKMANAGERS_MAX 4
#define SIM_JOBS_MAX         4 /* the last one is run when everything is over */
#define SIM_DISASTERS_MAX    8
#define SIM_SLOTS_MAX        16 /* of a job */
#define SIM_WORDS            40
#define SIM_OUTPUTS          2
#define SIM_ARTIFACTS        2
#define SIM_URL_MAX          256
#define SIM_NEVER            INT64_MAX

/* ---- faults, and how often each kind was made and mattered ---- */

enum sim_fault {
    SIM_MESSAGE_DROPPED,
    SIM_MESSAGE_REPEATED,
    SIM_MESSAGE_REORDERED,
    SIM_MESSAGE_LATE,
    SIM_MESSAGE_POSTHUMOUS, /* of a process that has ended since */
    SIM_MESSAGE_STALE,      /* a command of an earlier epoch */
    SIM_CUT_BOTH,
    SIM_CUT_ONE,
    SIM_HOST_ISOLATED,
    SIM_PAUSED_DISPATCHER,
    SIM_PAUSED_JOBMANAGER,
    SIM_PAUSED_TASKMANAGER,
    SIM_PAUSED_CLIENT,
    SIM_KILLED_DISPATCHER,
    SIM_KILLED_WRITING, /* the dispatcher, in the middle of writing to its disk */
    SIM_KILLED_JOBMANAGER,
    SIM_KILLED_TASKMANAGER,
    SIM_KILLED_RUNNER,
    SIM_DISK_WRITE_FAILS,
    SIM_DISK_SYNC_FAILS, /* nobody can know whether it was written */
    SIM_DISK_FULL,
    SIM_CACHE_FAILS, /* a TaskManager cannot keep an artifact */
    SIM_FRAME_DROPPED,
    SIM_FRAME_REPEATED,
    SIM_FRAME_REORDERED,
    SIM_FRAME_LATE,
    SIM_FRAME_STALE,
    SIM_CONNECTION_BROKEN, /* between two task runners; both are told */
    SIM_SUBMITTED_AGAIN,   /* with the same id; mattered: it had been accepted */
    SIM_CANCELLED,         /* mattered: before the job's end */
    SIM_CREDIT_USED_UP,    /* no fault: channels whose window was full; made: channels */
    SIM_FAULTS
};

typedef struct sim_counts {
    uint64_t made[SIM_FAULTS], mattered[SIM_FAULTS];
} sim_counts;

extern const char *const sim_fault_names[SIM_FAULTS];

/* ---- the plan ---- */

enum sim_disaster_kind {
    SIM_KILL_DISPATCHER,
    SIM_KILL_WRITING,
    SIM_KILL_JOBMANAGER,
    SIM_KILL_TASKMANAGER,
    SIM_KILL_RUNNER,
    SIM_PAUSE,
    SIM_CUT,
    SIM_ISOLATE, /* a whole host, until all is over */
    SIM_FAIL_WRITE,
    SIM_FAIL_SYNC,
    SIM_FILL_DISK,
    SIM_FAIL_CACHE,
    SIM_BREAK_CONNECTION,
    SIM_FORGE
};

typedef struct sim_disaster {
    enum sim_disaster_kind kind;
    int64_t at_us, for_us;
    uint64_t dice; /* for what else there is to choose */
} sim_disaster;

typedef struct sim_job_plan {
    bool shapes;  /* tests/sim/jobs/shapes.c; else examples/wordcount.c */
    bool stream;  /* execution.runtime-mode: a changelog, every row shuffled */
    bool printed; /* rows go to the client, by way of the JobMaster */
    uint32_t parallelism, lines;
    int64_t submit_us;
    int64_t cancel_us;   /* SIM_NEVER: not */
    int64_t patience_ms; /* of the client with one request; then it asks again */
    bool submits_again;  /* when it has been answered already */
} sim_job_plan;

typedef struct sim_plan {
    uint64_t seed;
    uint32_t taskmanagers, slots;
    sim_job_plan jobs[SIM_JOBS_MAX];
    uint32_t njobs; /* without the last one */
    weir_fault_plan messages;
    uint32_t frame_drop, frame_repeat, frame_reorder, frame_late, frame_stale; /* in 1/100,000 */
    int64_t ask_timeout_ms; /* 0: as configured; a short one makes askers give up and ask again */
    uint32_t window, batch_rows, batch_bytes; /* of slots */
    sim_disaster disasters[SIM_DISASTERS_MAX];
    uint32_t ndisasters;
    bool restart_at_end; /* the dispatcher, before everything is looked at */
    bool trace;
} sim_plan;

void sim_plan_choose(sim_plan *plan, uint64_t seed);

typedef struct sim_result {
    uint64_t finished, failed, canceled; /* jobs */
    sim_counts counts;
    uint64_t frames, hash;
    int64_t virtual_us;
} sim_result;

/* Runs a seed. What must never happen ends the process, after a message that says what did and how
 * to see it again. */
void sim_run(const sim_plan *plan, sim_result *result);

/* ---- shared by the files of the simulated cluster ---- */

typedef struct sim_cluster sim_cluster;
typedef struct sim_runner sim_runner;
typedef struct sim_taskmanager sim_taskmanager;
typedef struct sim_disk sim_disk;
typedef struct sim_channel sim_channel;

typedef struct sim_job {
    sim_cluster *cluster;
    const sim_job_plan *plan;
    uint32_t index;
    char id[WEIR_ID_HEX], artifact[WEIR_DIGEST_HEX];
    char directory[160];
    uint64_t expected[SIM_OUTPUTS][SIM_WORDS];
    weir_buffer graph;
    weir_buffer rows; /* of a printed one, as the client got them */
    bool rows_lost;
    weir_simulated_node *client;
    bool accepted;      /* the client was told so */
    bool cancel_told;   /* the client was told that it will be */
    bool ended;         /* the client was told its end */
    bool tampered;      /* with its frames: its credit cannot be counted any more */
    bool hurt;          /* its data was tampered with while somebody was there to notice */
    const char *excuse; /* why it may fail; NULL: it may not */
    char state[16];     /* the last that the client heard */
    char error[WEIR_ERROR_TEXT_MAX];
    uint64_t version;
    char jobmanager[64];             /* endpoint and epoch: whoever runs it */
    bool runner_seen[SIM_SLOTS_MAX]; /* by its index: it was started */
    sim_channel *channels;           /* data.c */
    uint32_t nchannels;
    bool broken[SIM_SLOTS_MAX][SIM_SLOTS_MAX]; /* data connections between its runners */
} sim_job;

typedef struct sim_artifact { /* what stands for a shared object */
    char digest[WEIR_DIGEST_HEX];
    const char *path;
    char content[1200];
} sim_artifact;

typedef struct sim_planned {
    sim_cluster *cluster;
    const sim_disaster *what;
} sim_planned;

struct sim_cluster {
    const sim_plan *plan;
    sim_result *result;
    weir_simulator *simulator;
    weir_config *config;
    char directory[128];
    sim_artifact artifacts[SIM_ARTIFACTS]; /* wordcount, shapes */
    sim_disk *disk;
    weir_simulated_node *dispatcher, *jobmanager;
    const void *dispatcher_actor;
    sim_taskmanager *taskmanagers[SIM_TASKMANAGERS_MAX]; /* the present ones */
    sim_taskmanager *all_taskmanagers;                   /* those of former times, too */
    sim_job jobs[SIM_JOBS_MAX];
    uint32_t njobs;                  /* submitted, or to be */
    sim_runner *runners;             /* alive */
    struct sim_delivery *deliveries; /* data frames under way */
    sim_planned planned[SIM_DISASTERS_MAX];
    struct {
        weir_simulated_node *node;
        enum sim_fault fault;
    } pauses[SIM_DISASTERS_MAX];
    uint32_t npauses, serial;
    int64_t silence_us; /* of all pauses and cuts so far */
    int64_t paused_until_us;
    bool is_calm; /* the time of disasters is over */
    bool is_over; /* nothing that ends is started again */
};

/* Ends the process: an oracle was broken. */
void sim_wrong(const sim_cluster *cluster, const char *format, ...) WEIR_PRINTF(2, 3)
    __attribute__((noreturn));
/* From now on every job that has not ended may fail; the first reason stays. */
void sim_excuse(sim_cluster *cluster, const char *why);
void sim_made(sim_cluster *cluster, enum sim_fault fault);
void sim_mattered(sim_cluster *cluster, enum sim_fault fault);
sim_job *sim_job_of(sim_cluster *cluster, const char *id);
/* Something is being done, so that a fault can matter. */
bool sim_is_busy(const sim_cluster *cluster);

/* cluster.c */
weir_simulated_node *sim_add_node(sim_cluster *cluster, const char *role, const char *endpoint,
                                  void (*killed)(void *), void *data);
void sim_spawn(weir_simulated_node *node, const char *name, const weir_actor_class *vtable,
               void *self);
void sim_schedule(sim_cluster *cluster, weir_simulated_node *node, int64_t delay_us,
                  void (*run)(void *), void *data);
bool sim_master_of(const sim_job *job);        /* it has a JobMaster */
bool sim_is_whole(const sim_cluster *cluster); /* every process is there */

/* agent.c */
void sim_start_taskmanager(sim_cluster *cluster, uint32_t index);
/* NULL: it is not alive. */
weir_simulated_node *sim_taskmanager_node(const sim_taskmanager *taskmanager);
void sim_taskmanager_fail_cache(sim_taskmanager *taskmanager); /* the next time it is written to */
void sim_runner_exited(sim_taskmanager *taskmanager, const char *job, const char *reason);
void sim_free_taskmanagers(sim_cluster *cluster);

/* disasters.c */
void sim_plan_disasters(sim_cluster *cluster);
void sim_count_pauses(sim_cluster *cluster); /* that mattered */

/* disk.c */
sim_disk *sim_disk_new(sim_cluster *cluster);
void sim_disk_close(sim_disk **disk);
struct weir_records *sim_disk_records(sim_disk *disk);
struct weir_artifact_store *sim_disk_artifacts(sim_disk *disk);
/* The `nth` step (begin, put, remove, commit) from now on goes wrong in this way. */
void sim_disk_arm(sim_disk *disk, enum sim_disaster_kind how, uint64_t nth, uint64_t dice);
void sim_disk_fill(sim_disk *disk, bool is_full);
bool sim_disk_has(const sim_disk *disk, const sim_job *job); /* it was accepted */
void sim_disk_crash(sim_disk *disk); /* its process died: what was not synced is gone */
void sim_disk_heal(sim_disk *disk);

/* runner.c */
sim_runner *sim_runner_any(const sim_cluster *cluster, uint64_t dice); /* NULL: there is none */
weir_simulated_node *sim_runner_node(const sim_runner *runner);
int sim_runner_spawn(sim_cluster *cluster, sim_taskmanager *taskmanager,
                     const Weir__Proto__RunnerSpec *spec, weir_error *err);
/* job NULL: all of that TaskManager. How many. */
uint32_t sim_runner_kill(sim_cluster *cluster, const sim_taskmanager *taskmanager, const char *job);

/* data.c */
void sim_drop_deliveries(sim_cluster *cluster);

/* audit.c */
void sim_start_audit(sim_cluster *cluster);         /* of the present dispatcher */
bool sim_is_allocating(const sim_cluster *cluster); /* it is asking agents for slots */

/* client.c */
void sim_start_client(sim_job *job);
void sim_free_job(sim_job *job);

/* probe.c */
void sim_start_ledger(sim_cluster *cluster, weir_simulated_node *node);
void sim_start_probe(const sim_job *job);

/* settle.c */
void sim_settle(sim_cluster *cluster);

/* texts.c */
void sim_write_inputs(sim_job *job);
void sim_job_urls(const sim_job *job, char urls[4][SIM_URL_MAX]); /* input output more joined */
void sim_check_output(const sim_job *job);
void sim_check_job(const sim_job *job); /* counts its end, too */
bool sim_is_terminal(const char *state);
/* Says which job does not end. */
void sim_tell_unended(const sim_cluster *cluster);

#endif
