/* Slots in threads of their own: a whole job through mailboxes, with real files. Run under the
 * thread sanitizer, too. */
#include "slot_job.h"

#include "base/file.h"
#include "taskmanager/slot_thread.h"

#include <pthread.h>
#include <unistd.h>

#define SLOTS 4

typedef struct threaded_job {
    weir_deployment deployment;
    weir_slot_thread *slots[SLOTS];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t opened, finished, ended;
    weir_error error;
    char *printed;
    size_t printed_size;
    uint32_t refuse; /* prints that are not taken at first */
} threaded_job;

static int on_send(void *self, uint32_t to_slot, weir_frame *frame, weir_error *err)
{
    (void)err;
    weir_slot_thread_receive(((threaded_job *)self)->slots[to_slot], frame);
    return 0;
}

static void on_status(void *self, uint32_t slot, uint32_t task, enum weir_task_status status,
                      uint64_t in, uint64_t out, const weir_error *error)
{
    threaded_job *job = self;
    (void)slot;
    (void)task;
    (void)in;
    (void)out;
    pthread_mutex_lock(&job->lock);
    job->finished += status == WEIR_TASK_FINISHED;
    job->ended += weir_state_is_terminal(&weir_task_status_table, (uint32_t)status);
    if (error && job->error.code == 0)
        job->error = *error;
    pthread_cond_signal(&job->changed);
    pthread_mutex_unlock(&job->lock);
}

static void on_opened(void *self, uint32_t slot, const weir_error *error)
{
    threaded_job *job = self;
    (void)slot;
    pthread_mutex_lock(&job->lock);
    job->opened++;
    if (error)
        job->error = *error;
    pthread_cond_signal(&job->changed);
    pthread_mutex_unlock(&job->lock);
}

/* As the JobMaster relays it: slot 0 is asked, the answer goes to whoever wants it. */
typedef struct split_question {
    threaded_job *job;
    uint32_t operator_, subtask;
    uint64_t number;
} split_question;

static void on_want_split(void *self, uint32_t operator_, uint32_t subtask, uint64_t number)
{
    split_question *question = weir_alloc(sizeof *question);
    *question = (split_question){self, operator_, subtask, number};
    weir_slot_thread_ask_split(question->job->slots[0], operator_, subtask, number, question);
}

static void on_split(void *self, void *cookie, const void *split, size_t size, bool end,
                     const weir_error *error)
{
    split_question *question = cookie;
    threaded_job *job = self;
    if (error)
        job->error = *error;
    weir_slot_thread_give_split(job->slots[question->subtask], question->operator_,
                                question->subtask, question->number, split, size, end);
    weir_free(question);
}

static int on_print(void *self, uint32_t slot, uint32_t operator_, const char *bytes, size_t size)
{
    threaded_job *job = self;
    (void)operator_;
    pthread_mutex_lock(&job->lock);
    bool refused = job->refuse > 0;
    if (refused) {
        job->refuse--;
    } else {
        job->printed = realloc(job->printed, job->printed_size + size + 1);
        memcpy(job->printed + job->printed_size, bytes, size);
        job->printed_size += size;
        job->printed[job->printed_size] = 0;
    }
    pthread_mutex_unlock(&job->lock);
    if (refused)
        weir_slot_thread_print_ready(job->slots[slot]);
    return refused ? WEIR_READ_PENDING : 0;
}

static void start(threaded_job *job, slot_job *base, weir_config *config)
{
    uint32_t runners[SLOTS] = {0};
    weir_error error = WEIR_ERROR_INIT;

    pthread_mutex_init(&job->lock, NULL);
    pthread_cond_init(&job->changed, NULL);
    job->deployment = (weir_deployment){.job = "0123456789abcdef0123456789abcdef",
                                        .epoch = 3,
                                        .graph = base->graph,
                                        .plan = base->plan,
                                        .environment = base->environment,
                                        .api = base->api,
                                        .catalog = weir_connectors(),
                                        .slot_runner = runners,
                                        .nslots = base->plan->slots,
                                        .nrunners = 1,
                                        .config = config};
    pthread_mutex_lock(&job->lock);
    for (uint32_t s = 0; s < base->plan->slots; s++) {
        weir_slot_thread_config thread = {&job->deployment, s,         job,           on_send,
                                          on_status,        on_opened, on_want_split, on_split,
                                          on_print,         NULL,      NULL};
        if (weir_slot_thread_new(&thread, &job->slots[s], &error) < 0)
            fail_msg("%s", error.text);
    }
    while (job->opened < base->plan->slots)
        pthread_cond_wait(&job->changed, &job->lock);
    job->deployment.slot_runner = NULL;
    pthread_mutex_unlock(&job->lock);
    for (uint32_t s = 0; s < base->plan->slots; s++)
        weir_slot_thread_start(job->slots[s]);
}

static void finish(threaded_job *job, slot_job *base, weir_config **config)
{
    uint32_t subtasks = 0;

    for (uint32_t t = 0; t < base->plan->ntasks; t++)
        subtasks += base->plan->tasks[t].parallelism;
    pthread_mutex_lock(&job->lock);
    while (job->ended < subtasks)
        pthread_cond_wait(&job->changed, &job->lock);
    pthread_mutex_unlock(&job->lock);
    for (uint32_t s = 0; s < base->plan->slots; s++)
        weir_slot_thread_destroy(&job->slots[s]);
    pthread_mutex_destroy(&job->lock);
    pthread_cond_destroy(&job->changed);
    weir_config_destroy(config);
}

/* The job of slot_job.h, whose own slots are not used. */
static void open_base(slot_job *base, const weir_graph_option *params, uint32_t nparams)
{
    job_open(base, WEIR_EXAMPLES_DIR "/wordcount.so", params, nparams, SLOTS, true, 1);
    for (uint32_t s = 0; s < base->plan->slots; s++)
        weir_slot_destroy(&base->slots[s].slot);
}

static void test_threads_count_exactly(void **state)
{
    char path[] = "/tmp/weir-threads-XXXXXX", url[128];
    weir_graph_option params[] = {{"input", url}, {"output", "print:?format=csv"}};
    threaded_job job = {.refuse = 2};
    slot_job base;
    weir_config *config = weir_config_new();
    (void)state;

    close(mkstemp(path));
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 20000; i++)
        fprintf(file, "one two two three three three w%d\n", i % 100);
    fclose(file);
    snprintf(url, sizeof url, "file:%s?split-size=20kb", path);
    open_base(&base, params, 2);
    start(&job, &base, config);
    finish(&job, &base, &config);
    if (job.error.code)
        fail_msg("%s", job.error.text);
    assert_non_null(strstr(job.printed, "one,20000\n"));
    assert_non_null(strstr(job.printed, "two,40000\n"));
    assert_non_null(strstr(job.printed, "three,60000\n"));
    assert_non_null(strstr(job.printed, "w42,200\n"));
    uint32_t lines = 0;
    for (const char *at = job.printed; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, 103);
    free(job.printed);
    job_close(&base);
    unlink(path);
}

static void test_threads_are_cancelled(void **state)
{
    weir_graph_option params[] = {{"input", "datagen:?rows=0&rate=1000"}, {"output", "blackhole:"}};
    threaded_job job = {0};
    slot_job base;
    weir_config *config = weir_config_new();
    (void)state;

    open_base(&base, params, 2);
    start(&job, &base, config);
    for (uint32_t s = 0; s < base.plan->slots; s++)
        weir_slot_thread_cancel(job.slots[s]);
    finish(&job, &base, &config);
    assert_int_equal(job.finished, 0);
    assert_int_equal(job.error.code, 0);
    job_close(&base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_count_exactly),
        cmocka_unit_test(test_threads_are_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
