/* How fast a hash exchange is as a job sees it: producers' slots (threads) with edge writers and
 * output channels, consumers' slots with input gates that read every column of every row, credits
 * on their way back.
 *
 *   exchange_pair_bench slots|shared|runners [key=value ...]
 *
 * slots: all in one process, frames go by pointer. shared: the same, but slot i both produces and
 * consumes, as it does in a job, so that some rows stay in their slot. runners: producers in one
 * process, consumers in another, with a data bus each and TCP over loopback between them. Keys:
 * producers, consumers (the threads of each; equal for shared), ms, warmup-ms, network-mb (the
 * runner's memory for the exchange), curve (1: encrypted).
 *
 * Prints one line of JSON: MB/s of rows (100 bytes each), how large batches became, processor time
 * per row of all threads together. Fails unless exactly the rows that were sent have come. */
#include "exchange_rows.h"

#include "actors/data_bus.h"
#include "actors/mailbox.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/key.h"
#include "base/units.h"
#include "exchange/edge_writer.h"
#include "exchange/frame_queue.h"
#include "exchange/input_gate.h"

#include <inttypes.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define LANES_MAX        1024u
#define JOB              "0123456789abcdef0123456789abcdef"
#define DATA_KEY         UINT64_C(0x6578636861)
#define WINDOW_MIN       (32u << 10)
#define WINDOW_MAX       (4u << 20)
#define SEGMENT          (128u << 10)
#define INPUT_ROWS       4096u
#define PRODUCERS_RUNNER 0u
#define CONSUMERS_RUNNER 1u
#define EPOCH            1u
#define HAND_OVER_BYTES  (64u << 10)

typedef struct options {
    int64_t producers, consumers, ms, warmup_ms, network_mb, curve;
    const char *mode;
} options;

/* What one side counted. */
typedef struct tally {
    uint64_t rows, sum, batches, bytes;
    double measured_rows, measured_seconds, cpu_seconds;
} tally;

typedef struct lane lane;

/* Lanes that were sent something and are not woken yet. */
typedef struct touched {
    lane *lanes[2 * LANES_MAX];
    uint32_t count;
} touched;

/* Carries frames to one lane of the other side. */
typedef struct lane_port {
    weir_port port;
    lane *from;
    bool to_consumer;
    uint32_t to;
} lane_port;

/* A slot: a thread and its mailbox; it produces (has a writer), consumes (has a gate), or both. */
struct lane {
    struct bench *bench;
    uint32_t index;
    weir_mailbox *mailbox;
    touched touched;
    bool used_bus;
    size_t unsent;   /* bytes sent and not handed over */
    int64_t sent_ms; /* when it last handed over */
    pthread_t thread;
    lane_port *data_ports, *credit_ports; /* by consumer, by producer */
    weir_output_channel **channels;
    weir_edge_writer *writer;
    weir_input_gate *gate;
    weir_frame_queue own; /* to itself */
    uint32_t next_input;
    bool has_ended, gate_has_ended;
    tally sent, came;
    _Atomic uint64_t rows; /* so far, for whoever watches */
    weir_error failure;
};

typedef struct bench {
    options options;
    weir_schema *schema;
    uint32_t window, batch_bytes;
    weir_batch *inputs[ROW_INPUTS]; /* shared: what an operator hands on is in the caches */
    uint64_t sums[ROW_INPUTS];
    lane *producers, *consumers;
    weir_data_bus *bus;
    weir_key_pair key; /* of the job, with curve=1 */
    touched touched;   /* by the bus */
    uint32_t peer;
    _Atomic bool stopping; /* producers end */
} bench;

typedef struct letter {
    weir_mail mail; /* first */
    weir_frame *frame;
} letter;

static _Noreturn void die(const char *what, const weir_error *err)
{
    fprintf(stderr, "exchange_pair_bench: %s: %s\n", what, err->text);
    exit(1);
}

static void check(int rc, const char *what, const weir_error *err)
{
    if (rc < 0) {
        die(what, err);
    }
}

static void *need(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "exchange_pair_bench: out of memory\n");
        exit(1);
    }
    return memory;
}

/* ---- frames between lanes, as the task runner carries them ---- */

static void deliver(touched *by, lane *to, weir_frame *frame)
{
    letter *mail = need(weir_alloc(sizeof *mail));
    mail->frame = frame;
    weir_mailbox_add(to->mailbox, &mail->mail);
    for (uint32_t i = 0; i < by->count; i++) {
        if (by->lanes[i] == to) {
            return;
        }
    }
    by->lanes[by->count++] = to;
}

static void wake_touched(touched *by)
{
    for (uint32_t i = 0; i < by->count; i++) {
        weir_mailbox_wake(by->lanes[i]->mailbox);
    }
    by->count = 0;
}

static void release_batch(void *bytes, void *hint)
{
    weir_batch *batch = hint;
    (void)bytes;
    weir_batch_unref(&batch);
}

static int send_by_bus(bench *self, weir_frame *frame, weir_error *err)
{
    weir_buffer header = WEIR_BUFFER_INIT;
    int rc = weir_frame_pack_header(frame, &header);
    if (rc == 0) {
        weir_batch *batch = frame->kind == WEIR_FRAME_BATCH ? frame->batch : NULL;
        frame->batch = NULL;
        rc = weir_data_bus_put(self->bus, self->peer, header.data, header.size,
                               batch ? (void *)(uintptr_t)weir_batch_bytes(batch) : NULL,
                               batch ? weir_batch_size(batch) : 0, release_batch, batch);
    }
    weir_buffer_deinit(&header);
    weir_frame_destroy(&frame);
    return rc < 0 ? weir_error_set(err, rc, "a frame could not be sent") : 0;
}

static int send_frame(weir_port *port, weir_frame *frame, weir_error *err)
{
    lane_port *self = (lane_port *)port;
    lane *from = self->from;
    bench *b = from->bench;
    lane *to = self->to_consumer ? b->consumers : b->producers;
    if (to == NULL) {
        from->used_bus = true;
        from->unsent += frame->cost;
        return send_by_bus(b, frame, err);
    }
    to += self->to;
    if (to == from) {
        weir_frame_queue_push(&from->own, frame);
    } else {
        from->unsent += frame->cost;
        deliver(&from->touched, to, frame);
    }
    return 0;
}

static void on_frame(void *data, uint32_t from, const void *header, size_t header_size, void *body,
                     size_t body_size, void (*release)(void *, void *), void *hint)
{
    bench *self = data;
    weir_frame *frame = NULL;
    weir_error err = WEIR_ERROR_INIT;
    (void)from;
    check(weir_frame_unpack(header, header_size, body, body_size, release, hint, &frame, &err),
          "a frame that came", &err);
    uint32_t consumers = (uint32_t)self->options.consumers;
    deliver(&self->touched,
            frame->kind == WEIR_FRAME_CREDIT ? &self->producers[frame->channel / consumers]
                                             : &self->consumers[frame->channel % consumers],
            frame);
}

static void on_received(void *data)
{
    wake_touched(&((bench *)data)->touched);
}

static void on_lost(void *data, uint32_t runner, const char *text)
{
    bench *self = data;
    (void)runner;
    if (!atomic_load(&self->stopping)) {
        fprintf(stderr, "exchange_pair_bench: %s\n", text);
        _exit(1);
    }
}

/* ---- a lane's thread ---- */

static void take_frame(lane *self, weir_frame *frame)
{
    weir_error err = WEIR_ERROR_INIT;
    if (frame->kind == WEIR_FRAME_CREDIT) {
        uint32_t at = frame->channel % (uint32_t)self->bench->options.consumers;
        check(weir_output_channel_credit(self->channels[at], frame, &err), "credit", &err);
        weir_frame_destroy(&frame);
    } else {
        check(weir_input_gate_receive(self->gate, frame, &err), "frame", &err);
    }
}

static bool take_all(lane *self)
{
    weir_mail *mail = weir_mailbox_look(self->mailbox);
    bool any = mail != NULL || self->own.head != NULL;
    while (mail != NULL) {
        weir_mail *next = mail->next;
        take_frame(self, ((letter *)mail)->frame);
        weir_free(mail);
        mail = next;
    }
    weir_frame_queue own = self->own;
    self->own = (weir_frame_queue){0};
    for (weir_frame *frame; (frame = weir_frame_queue_pop(&own)) != NULL;) {
        take_frame(self, frame);
    }
    return any;
}

static void hand_over(lane *self)
{
    self->unsent = 0;
    wake_touched(&self->touched);
    if (self->used_bus) {
        weir_data_bus_wake(self->bench->bus);
    }
    self->used_bus = false;
}

/* As a slot's thread does it: what is small waits for more, up to a millisecond. */
static void end_turn(lane *self)
{
    int64_t now_ms = weir_clock_monotonic_ms();
    if (self->unsent >= HAND_OVER_BYTES || now_ms != self->sent_ms) {
        hand_over(self);
    }
    self->sent_ms = now_ms;
}

static void sleep_until_mail(lane *self)
{
    hand_over(self);
    if (!weir_mailbox_rest(self->mailbox)) {
        return;
    }
    struct pollfd mail = {weir_mailbox_fd(self->mailbox), POLLIN, 0};
    (void)poll(&mail, 1, -1);
}

static bool consume(lane *self)
{
    weir_error err = WEIR_ERROR_INIT;
    weir_gate_item item;
    int event = weir_input_gate_next(self->gate, &item, &err);
    check(event, "next", &err);
    self->gate_has_ended |= event == WEIR_GATE_END;
    if (event == WEIR_GATE_BATCH) {
        self->came.rows += weir_batch_rows(item.batch);
        self->came.bytes += weir_batch_size(item.batch);
        self->came.batches++;
        self->came.sum += rows_read(weir_batch_columns(item.batch));
        atomic_store_explicit(&self->rows, self->came.rows, memory_order_relaxed);
        check(weir_input_gate_release(self->gate, &item, &err), "release", &err);
    }
    return event != WEIR_GATE_EMPTY;
}

static bool produce(lane *self)
{
    weir_error err = WEIR_ERROR_INIT;
    if (atomic_load_explicit(&self->bench->stopping, memory_order_relaxed)) {
        check(self->has_ended ? 0 : weir_edge_writer_end(self->writer, &err), "end", &err);
        bool has_just = !self->has_ended;
        self->has_ended = true;
        return has_just;
    }
    if (!weir_edge_writer_has_room(self->writer)) {
        return false;
    }
    uint32_t input = self->next_input++ % ROW_INPUTS;
    const weir_columns *columns = weir_batch_columns(self->bench->inputs[input]);
    weir_collector *collector = weir_edge_writer_collector(self->writer);
    check(collector->collect(collector, columns, &err), "collect", &err);
    self->sent.rows += columns->rows;
    self->sent.sum += self->bench->sums[input];
    return true;
}

static bool is_done(const lane *self)
{
    return (self->gate == NULL || self->gate_has_ended) &&
           (self->writer == NULL || (self->has_ended && weir_edge_writer_is_drained(self->writer)));
}

static void *run_lane(void *data)
{
    lane *self = data;
    weir_error err = WEIR_ERROR_INIT;
    check(self->gate != NULL ? weir_input_gate_start(self->gate, &err) : 0, "start", &err);
    while (!is_done(self)) {
        bool any = take_all(self);
        any |= self->gate != NULL && !self->gate_has_ended && consume(self);
        any |= self->writer != NULL && produce(self);
        if (any) {
            end_turn(self);
        } else {
            sleep_until_mail(self);
        }
    }
    hand_over(self);
    return NULL;
}

/* ---- setting up ---- */

static void set_sizes(bench *self)
{
    uint64_t channels = (uint64_t)(self->options.producers * self->options.consumers);
    uint64_t window = ((uint64_t)self->options.network_mb << 20) / channels;
    window = window < WINDOW_MIN ? WINDOW_MIN : window;
    self->window = (uint32_t)(window > WINDOW_MAX ? WINDOW_MAX : window);
    self->batch_bytes = self->window / 2 < SEGMENT ? self->window / 2 : SEGMENT;
}

static lane_port *make_ports(lane *self, uint32_t others, bool to_consumers)
{
    lane_port *ports = need(weir_calloc(others, sizeof *ports));
    for (uint32_t i = 0; i < others; i++) {
        ports[i] = (lane_port){{send_frame}, self, to_consumers, i};
    }
    return ports;
}

static void make_producer(bench *b, lane *self)
{
    static const uint32_t keys[1] = {0};
    uint32_t n = (uint32_t)b->options.consumers;
    weir_error err = WEIR_ERROR_INIT;
    self->data_ports = make_ports(self, n, true);
    self->channels = need(weir_calloc(n, sizeof(weir_output_channel *)));
    for (uint32_t i = 0; i < n; i++) {
        check(weir_output_channel_new(self->index * n + i, EPOCH, &self->data_ports[i].port,
                                      &self->channels[i]),
              "channel", &err);
    }
    weir_edge_writer_config config = {.kind = WEIR_WRITE_HASH,
                                      .schema = b->schema,
                                      .keys = keys,
                                      .nkeys = 1,
                                      .max_parallelism = 4096,
                                      .channels = self->channels,
                                      .nchannels = n,
                                      .batch_rows = INPUT_ROWS,
                                      .batch_bytes = b->batch_bytes,
                                      .overdraft_max = (uint64_t)b->options.network_mb << 20};
    check(weir_edge_writer_new(&config, &self->writer, &err), "writer", &err);
    self->next_input = self->index;
}

static void make_consumer(bench *b, lane *self)
{
    uint32_t n = (uint32_t)b->options.producers;
    weir_error err = WEIR_ERROR_INIT;
    uint32_t *ids = need(weir_calloc(n, sizeof *ids));
    weir_port **ports = need(weir_calloc(n, sizeof(weir_port *)));
    self->credit_ports = make_ports(self, n, false);
    for (uint32_t i = 0; i < n; i++) {
        ids[i] = i * (uint32_t)b->options.consumers + self->index;
        ports[i] = &self->credit_ports[i].port;
    }
    check(weir_input_gate_new(b->schema, ids, ports, n, EPOCH, b->window, &self->gate), "gate",
          &err);
    weir_free(ids);
    weir_free(ports);
}

/* What an operator hands on is limited as a batch is. */
static void make_inputs(bench *b)
{
    weir_error err = WEIR_ERROR_INIT;
    uint32_t rows = b->batch_bytes / ROW_BYTES;
    rows = rows < INPUT_ROWS ? rows : INPUT_ROWS;
    check(rows_make_inputs(b->schema, rows, 1, b->inputs), "input", &err);
    for (uint32_t i = 0; i < ROW_INPUTS; i++) {
        b->sums[i] = rows_read(weir_batch_columns(b->inputs[i]));
    }
}

static lane *make_lanes(bench *b, int64_t count, bool producers, bool consumers)
{
    weir_error err = WEIR_ERROR_INIT;
    uint32_t n = (uint32_t)count;
    lane *lanes = need(weir_calloc(n, sizeof *lanes));
    if (producers) {
        make_inputs(b);
    }
    for (uint32_t i = 0; i < n; i++) {
        lanes[i] = (lane){.bench = b, .index = i};
        check(weir_mailbox_new(&lanes[i].mailbox, &err), "mailbox", &err);
        if (producers) {
            make_producer(b, &lanes[i]);
        }
        if (consumers) {
            make_consumer(b, &lanes[i]);
        }
    }
    return lanes;
}

static void start_lanes(lane *lanes, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (pthread_create(&lanes[i].thread, NULL, run_lane, &lanes[i]) != 0) {
            need(NULL);
        }
    }
}

static void join_lanes(lane *lanes, int64_t n, tally *sent, tally *came)
{
    for (int64_t i = 0; i < n; i++) {
        pthread_join(lanes[i].thread, NULL);
        sent->rows += lanes[i].sent.rows;
        sent->sum += lanes[i].sent.sum;
        came->rows += lanes[i].came.rows;
        came->sum += lanes[i].came.sum;
        came->batches += lanes[i].came.batches;
        came->bytes += lanes[i].came.bytes;
    }
}

/* ---- measuring ---- */

static double cpu_now(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static void pass_ms(int64_t ms)
{
    poll(NULL, 0, (int)ms);
}

static uint64_t rows_so_far(const bench *self)
{
    uint64_t rows = 0;
    for (int64_t i = 0; i < self->options.consumers; i++) {
        rows += atomic_load_explicit(&self->consumers[i].rows, memory_order_relaxed);
    }
    return rows;
}

static void watch(bench *self, tally *total)
{
    pass_ms(self->options.warmup_ms);
    double start = seconds_now();
    uint64_t first = rows_so_far(self);
    pass_ms(self->options.ms);
    total->measured_rows = (double)(rows_so_far(self) - first);
    total->measured_seconds = seconds_now() - start;
}

static int report(const bench *self, const tally *sent, const tally *came)
{
    if (sent->rows != came->rows || sent->sum != came->sum) {
        fprintf(stderr, "exchange_pair_bench: %" PRIu64 " rows were sent, %" PRIu64 " came%s\n",
                sent->rows, came->rows, sent->rows == came->rows ? ", damaged" : "");
        return 1;
    }
    double cpu = (sent->cpu_seconds + came->cpu_seconds) * 1e9 / (double)came->rows;
    printf("{\"mode\": \"%s\", \"channels\": %" PRId64 ", \"mb_per_s\": %.0f, "
           "\"rows_per_batch\": %.0f, \"bytes_per_row\": %.1f, \"cpu_ns_per_row\": %.1f, "
           "\"cpu_ns_producer\": %.1f, \"cpu_ns_consumer\": %.1f}\n",
           self->options.mode, self->options.producers * self->options.consumers,
           came->measured_rows * ROW_BYTES / came->measured_seconds * 1e-6,
           (double)came->rows / (double)came->batches, (double)came->bytes / (double)came->rows,
           cpu, sent->cpu_seconds * 1e9 / (double)came->rows,
           came->cpu_seconds * 1e9 / (double)came->rows);
    return 0;
}

static int run_slots(bench *self, bool shared)
{
    tally sent = {0}, came = {0};
    int64_t producers = self->options.producers, consumers = self->options.consumers;
    self->producers = make_lanes(self, producers, true, shared);
    self->consumers = shared ? self->producers : make_lanes(self, consumers, false, true);
    double before = cpu_now();
    start_lanes(self->consumers, consumers);
    start_lanes(self->producers, shared ? 0 : producers);
    watch(self, &came);
    atomic_store(&self->stopping, true);
    join_lanes(self->consumers, consumers, &sent, &came);
    join_lanes(self->producers, shared ? 0 : producers, &sent, &came);
    came.cpu_seconds = cpu_now() - before;
    return report(self, &sent, &came);
}

/* ---- two processes ---- */

static void put(int fd, const void *bytes, size_t size)
{
    if (write(fd, bytes, size) != (ssize_t)size) {
        perror("exchange_pair_bench: pipe");
        exit(1);
    }
}

static void get(int fd, void *bytes, size_t size)
{
    if (read(fd, bytes, size) != (ssize_t)size) {
        fprintf(stderr, "exchange_pair_bench: the other process ended\n");
        exit(1);
    }
}

static void join_bus(bench *self, uint32_t own, int in, int out)
{
    weir_error err = WEIR_ERROR_INIT;
    char own_endpoint[256] = "", endpoint[256];
    self->peer = own == PRODUCERS_RUNNER ? CONSUMERS_RUNNER : PRODUCERS_RUNNER;
    weir_data_bus_config config = {.bind = "tcp://127.0.0.1",
                                   .job = JOB,
                                   .runner = own,
                                   .message_max = WEIR_BATCH_SIZE_MAX + 4096,
                                   .receive = on_frame,
                                   .received = on_received,
                                   .lost = on_lost,
                                   .self = self,
                                   .key = self->options.curve != 0 ? &self->key : NULL};
    check(weir_data_bus_new(&config, &self->bus, &err), "data bus", &err);
    snprintf(own_endpoint, sizeof own_endpoint, "%s", weir_data_bus_endpoint(self->bus));
    put(out, own_endpoint, sizeof own_endpoint);
    get(in, endpoint, sizeof endpoint);
    const char *endpoints[1] = {endpoint};
    check(weir_data_bus_join(self->bus, DATA_KEY, &self->peer, endpoints, 1, &err), "join", &err);
}

static int run_consumers(bench *self, int in, int out)
{
    tally came = {0}, none = {0};
    char done;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    self->consumers = make_lanes(self, self->options.consumers, false, true);
    join_bus(self, CONSUMERS_RUNNER, in, out);
    start_lanes(self->consumers, self->options.consumers);
    watch(self, &came);
    atomic_store(&self->stopping, true);
    put(out, "", 1);
    join_lanes(self->consumers, self->options.consumers, &none, &came);
    came.cpu_seconds = cpu_now();
    put(out, &came, sizeof came);
    get(in, &done, 1);
    return 0;
}

static int run_producers(bench *self, int in, int out)
{
    tally sent = {0}, came, none = {0};
    char done;
    self->producers = make_lanes(self, self->options.producers, true, false);
    join_bus(self, PRODUCERS_RUNNER, in, out);
    start_lanes(self->producers, self->options.producers);
    get(in, &done, 1);
    atomic_store(&self->stopping, true);
    join_lanes(self->producers, self->options.producers, &sent, &none);
    sent.cpu_seconds = cpu_now();
    get(in, &came, sizeof came);
    int rc = report(self, &sent, &came);
    put(out, "", 1);
    return rc;
}

static int run_runners(bench *self)
{
    int down[2], up[2];
    if (pipe(down) != 0 || pipe(up) != 0) {
        perror("exchange_pair_bench: pipe");
        return 1;
    }
    weir_error err = WEIR_ERROR_INIT;
    check(self->options.curve != 0 ? weir_key_pair_new(&self->key, &err) : 0, "key", &err);
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) {
        perror("exchange_pair_bench: fork");
        return 1;
    }
    if (child == 0) {
        close(down[1]);
        close(up[0]);
        _exit(run_consumers(self, down[0], up[1]));
    }
    close(down[0]);
    close(up[1]);
    int rc = run_producers(self, up[0], down[1]);
    int status = 0;
    waitpid(child, &status, 0);
    return rc != 0 || status != 0;
}

/* ---- options ---- */

static void set_option(options *o, char *text)
{
    struct {
        const char *name;
        int64_t *value, min, max;
    } known[] = {
        {"producers", &o->producers, 1, LANES_MAX},
        {"consumers", &o->consumers, 1, LANES_MAX},
        {"ms", &o->ms, 1, 600000},
        {"warmup-ms", &o->warmup_ms, 0, 600000},
        {"network-mb", &o->network_mb, 1, 65536},
        {"curve", &o->curve, 0, 1},
    };
    weir_error err = WEIR_ERROR_INIT;
    char *value = strchr(text, '=');
    for (size_t i = 0; value != NULL && i < WEIR_COUNT(known); i++) {
        if (strncmp(text, known[i].name, (size_t)(value - text)) == 0 &&
            known[i].name[value - text] == 0) {
            check(weir_parse_int(value + 1, known[i].min, known[i].max, known[i].value, &err), text,
                  &err);
            return;
        }
    }
    fprintf(stderr, "exchange_pair_bench: there is no option '%s'\n", text);
    exit(2);
}

int main(int argc, char **argv)
{
    static bench self = {
        .options = {
            .producers = 1, .consumers = 2, .ms = 1000, .warmup_ms = 300, .network_mb = 64}};
    const char *mode = argc > 1 ? argv[1] : "";
    bool shared = strcmp(mode, "shared") == 0, runners = strcmp(mode, "runners") == 0;
    if (!shared && !runners && strcmp(mode, "slots") != 0) {
        fprintf(stderr, "usage: exchange_pair_bench slots|shared|runners [key=value ...]\n");
        return 2;
    }
    self.options.mode = mode;
    for (int i = 2; i < argc; i++) {
        set_option(&self.options, argv[i]);
    }
    weir_error err = WEIR_ERROR_INIT;
    mallopt(M_ARENA_MAX, 2); /* as a task runner does */
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    check(rows_schema(&self.schema, &err), "schema", &err);
    set_sizes(&self);
    if (shared && self.options.producers != self.options.consumers) {
        fprintf(stderr, "exchange_pair_bench: shared slots need as many consumers as producers\n");
        return 2;
    }
    return runners ? run_runners(&self) : run_slots(&self, shared);
}
