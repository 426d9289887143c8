#include "cli/row_writer.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { STOP_S = 1 };

struct weir_row_writer {
    int fd, done_fd, stop_fd;
    bool has_thread, is_busy; /* the caller's own */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    weir_buffer chunk; /* the thread's while there is work, else the caller's */
    bool has_work, stops;
    bool has_ended, is_left; /* left: the thread frees everything when it ends */
    int code;                /* of the last chunk */
    weir_error error;
};

static void free_writer(weir_row_writer *self)
{
    if (self->done_fd >= 0)
        close(self->done_fd);
    if (self->stop_fd >= 0)
        close(self->stop_fd);
    pthread_cond_destroy(&self->wake);
    pthread_mutex_destroy(&self->lock);
    weir_buffer_deinit(&self->chunk);
    weir_free(self);
}

/* A pipe that is ready takes PIPE_BUF bytes at once: so the thread waits where it can be stopped.
 */
static int write_chunk(weir_row_writer *self, weir_error *err)
{
    for (size_t at = 0; at < self->chunk.size;) {
        struct pollfd items[] = {{.fd = self->fd, .events = POLLOUT},
                                 {.fd = self->stop_fd, .events = POLLIN}};
        size_t size = self->chunk.size - at < PIPE_BUF ? self->chunk.size - at : PIPE_BUF;

        (void)!poll(items, 2, -1); /* without memory for it: the write waits */
        if (items[1].revents != 0)
            return WEIR_ECANCELLED;
        int rc = weir_file_write_all(self->fd, self->chunk.data + at, size, err);
        if (rc != 0)
            return errno == EPIPE ? WEIR_ECANCELLED : rc;
        at += size;
    }
    return 0;
}

static void *work(void *data)
{
    weir_row_writer *self = data;
    uint64_t one = 1;

    pthread_mutex_lock(&self->lock);
    for (;;) {
        weir_error error = WEIR_ERROR_INIT;

        while (!self->has_work && !self->stops)
            pthread_cond_wait(&self->wake, &self->lock);
        if (self->stops)
            break;
        pthread_mutex_unlock(&self->lock);
        int code = write_chunk(self, &error);
        pthread_mutex_lock(&self->lock);
        self->has_work = false;
        self->code = code;
        self->error = error;
        ssize_t count = write(self->done_fd, &one, sizeof one);
        (void)count; /* a full counter is readable, too */
    }
    self->has_ended = true;
    bool is_left = self->is_left;
    pthread_mutex_unlock(&self->lock);
    if (is_left)
        free_writer(self);
    return NULL;
}

/* Signals are the caller's; a broken pipe shall be an error, not a signal. */
static int start_thread(weir_row_writer *self)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&self->thread, NULL, work, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    self->has_thread = rc == 0;
    return rc;
}

int weir_row_writer_new(int fd, weir_row_writer **ret, weir_error *err)
{
    weir_row_writer *self = weir_calloc(1, sizeof *self);

    if (self == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the writer of rows");
    self->fd = fd;
    self->chunk = (weir_buffer)WEIR_BUFFER_INIT;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->wake, NULL);
    self->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    self->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int errno_value = self->done_fd < 0 || self->stop_fd < 0 ? errno : start_thread(self);
    if (errno_value != 0) {
        int rc = weir_error_errno(err, errno_value, "rows cannot be written");
        weir_row_writer_destroy(&self);
        return rc;
    }
    *ret = self;
    return 0;
}

/* It may sit in a write that does not return, to a terminal that was stopped: then it is left. */
static bool stop_thread(weir_row_writer *self)
{
    uint64_t one = 1;
    struct timespec until;

    pthread_mutex_lock(&self->lock);
    self->stops = true;
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->lock);
    ssize_t count = write(self->stop_fd, &one, sizeof one);
    (void)count;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STOP_S;
    if (pthread_timedjoin_np(self->thread, NULL, &until) == 0)
        return true;
    pthread_mutex_lock(&self->lock);
    bool has_ended = self->has_ended;
    self->is_left = !has_ended;
    pthread_t thread = self->thread;
    pthread_mutex_unlock(&self->lock);
    if (has_ended)
        pthread_join(thread, NULL);
    else
        pthread_detach(thread);
    return has_ended;
}

void weir_row_writer_destroy(weir_row_writer **writer)
{
    if (writer == NULL || *writer == NULL)
        return;
    weir_row_writer *self = *writer;
    *writer = NULL;
    if (!self->has_thread || stop_thread(self))
        free_writer(self);
}

int weir_row_writer_fd(const weir_row_writer *writer)
{
    return writer->done_fd;
}

bool weir_row_writer_is_busy(const weir_row_writer *writer)
{
    return writer->is_busy;
}

int weir_row_writer_start(weir_row_writer *writer, const void *bytes, size_t size, weir_error *err)
{
    assert(!writer->is_busy);
    weir_buffer_clear(&writer->chunk);
    weir_buffer_append(&writer->chunk, bytes, size);
    if (weir_buffer_check(&writer->chunk) != 0)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for rows");
    writer->is_busy = true;
    pthread_mutex_lock(&writer->lock);
    writer->has_work = true;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->lock);
    return 0;
}

int weir_row_writer_finish(weir_row_writer *writer, weir_error *err)
{
    uint64_t count;

    pthread_mutex_lock(&writer->lock);
    bool has_work = writer->has_work;
    pthread_mutex_unlock(&writer->lock);
    if (has_work || !writer->is_busy)
        return weir_error_set(err, WEIR_ESTATE, "rows are still being written");
    ssize_t got = read(writer->done_fd, &count, sizeof count);
    (void)got; /* it is only for the loop */
    writer->is_busy = false;
    if (writer->code != 0 && err != NULL)
        *err = writer->error;
    return writer->code;
}
