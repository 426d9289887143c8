/* actors/authenticator_thread.c -- what the authenticators' thread does: answers ZeroMQ's questions
 * (ZAP 1.0), logs whom it turned away, loads allow-lists that changed. */
#include "actors/authenticator_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

enum {
    FIELD_MAX = 255, /* bytes of a field of a request; ZeroMQ's own limits are lower */
    LOOK_EVERY_MS = 10000,
    SETTLED_MS = 1000, /* a file that nobody told about may still be written */
    SAME_EVERY_MS = 60000,
    LINES_PER_WINDOW = 20,
    WINDOW_MS = 10000,
};

/* --- a question --- */

enum { VERSION, REQUEST, DOMAIN, ADDRESS, IDENTITY, MECHANISM, CREDENTIAL, FIELDS };

struct question {
    struct {
        size_t size;
        uint8_t bytes[FIELD_MAX + 1]; /* a text, too: with a NUL behind */
    } fields[FIELDS];
    bool is_whole; /* as many fields as there should be, none too long */
};

/* Reads a message to its end, whatever it is. False: there is none. */
static bool receive_question(void *socket, struct question *question)
{
    zmq_msg_t frame;
    size_t count = 0;
    bool fits = true, more = true;
    zmq_msg_init(&frame);
    for (; more && zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) >= 0; count++) {
        size_t size = zmq_msg_size(&frame);
        more = zmq_msg_more(&frame) != 0;
        if (count >= FIELDS || size > FIELD_MAX) {
            fits = false;
            if (count < FIELDS)
                question->fields[count].size = 0;
            continue;
        }
        memcpy(question->fields[count].bytes, zmq_msg_data(&frame), size);
        question->fields[count].bytes[size] = '\0';
        question->fields[count].size = size;
    }
    zmq_msg_close(&frame);
    for (size_t i = count; i < FIELDS; i++)
        question->fields[i].size = 0;
    question->is_whole = fits && !more && count == FIELDS;
    return count > 0;
}

static bool is_text(const struct question *question, size_t field, const char *text)
{
    return question->fields[field].size == strlen(text) &&
           memcmp(question->fields[field].bytes, text, strlen(text)) == 0;
}

static bool is_proper(const struct question *question)
{
    return question->is_whole && is_text(question, VERSION, "1.0") &&
           is_text(question, MECHANISM, "CURVE") &&
           question->fields[CREDENTIAL].size == WEIR_KEY_SIZE;
}

static void answer(void *socket, const struct question *question, const char *status,
                   const char *text, const char *user)
{
    zmq_send(socket, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(socket, question->fields[REQUEST].bytes, question->fields[REQUEST].size, ZMQ_SNDMORE);
    zmq_send(socket, status, strlen(status), ZMQ_SNDMORE);
    zmq_send(socket, text, strlen(text), ZMQ_SNDMORE);
    zmq_send(socket, user, strlen(user), ZMQ_SNDMORE);
    zmq_send(socket, "", 0, 0);
}

/* --- whom it turned away --- */

struct complaint {
    char what[64], path[256], address[WEIR__ADDRESS_MAX];
    weir_public_key key;
    bool is_due;
};

/* The same key from the same address once in a while; of all not too many. Under the lock. */
static bool may_complain(weir_authenticator *authenticator, const weir_public_key *key,
                         const char *address)
{
    static int64_t window_ms;
    static int lines;
    int64_t now_ms = weir_clock_monotonic_ms() + 1; /* 0 is a free place */
    struct weir__turned_away *place = NULL;
    for (size_t i = 0; i < WEIR__COMPLAINTS_KEPT && place == NULL; i++) {
        struct weir__turned_away *one = &authenticator->turned_away[i];
        if (one->logged_ms != 0 && weir_public_key_equal(&one->key, key) &&
            strcmp(one->address, address) == 0)
            place = one;
    }
    if (place != NULL && now_ms - place->logged_ms < SAME_EVERY_MS)
        return false;
    if (now_ms - window_ms >= WINDOW_MS) {
        window_ms = now_ms;
        lines = 0;
    }
    if (lines >= LINES_PER_WINDOW)
        return false;
    lines++;
    if (place == NULL) {
        place = &authenticator->turned_away[authenticator->next_turned_away];
        authenticator->next_turned_away =
            (authenticator->next_turned_away + 1) % WEIR__COMPLAINTS_KEPT;
    }
    place->key = *key;
    snprintf(place->address, sizeof place->address, "%s", address);
    place->logged_ms = now_ms;
    return true;
}

static void fill_complaint(struct complaint *complaint, weir_authenticator *authenticator,
                           const struct question *question, const weir_public_key *key)
{
    complaint->key = *key;
    snprintf(complaint->address, sizeof complaint->address, "%.*s", WEIR__ADDRESS_MAX - 1,
             (const char *)question->fields[ADDRESS].bytes);
    complaint->is_due = may_complain(authenticator, key, complaint->address);
    snprintf(complaint->what, sizeof complaint->what, "%s", authenticator->what);
    snprintf(complaint->path, sizeof complaint->path, "%s",
             authenticator->path == NULL ? "" : authenticator->path);
}

static void complain(const struct complaint *complaint)
{
    char hex[WEIR_KEY_HEX];
    weir_public_key_format(&complaint->key, hex);
    if (complaint->path[0] == '\0')
        weir_log_warn("%s: turned away key %s from %s: it is not of this job", complaint->what, hex,
                      complaint->address);
    else
        weir_log_warn("%s: turned away key %s from %s: it is not in %s; to let it in: weir keys "
                      "allow ROLE %s",
                      complaint->what, hex, complaint->address, complaint->path, hex);
}

/* --- allow-lists that changed --- */

bool weir__file_stamp_of(const char *path, struct weir__file_stamp *ret)
{
    struct stat status;
    *ret = (struct weir__file_stamp){.size = 0};
    if (stat(path, &status) != 0)
        return false;
    ret->device = status.st_dev;
    ret->number = status.st_ino;
    ret->size = status.st_size;
    ret->written = status.st_mtim;
    ret->changed = status.st_ctim;
    return true;
}

bool weir__file_stamp_is_same(const struct weir__file_stamp *a, const struct weir__file_stamp *b)
{
    return a->device == b->device && a->number == b->number && a->size == b->size &&
           a->written.tv_sec == b->written.tv_sec && a->written.tv_nsec == b->written.tv_nsec &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static bool is_settled(const struct weir__file_stamp *stamp)
{
    int64_t written_ms = stamp->written.tv_sec * 1000 + stamp->written.tv_nsec / 1000000;
    int64_t age_ms = weir_clock_wall_ms() - written_ms;
    return age_ms < 0 || age_ms >= SETTLED_MS;
}

/* What is to be loaded again: a copy, for nothing is locked while a file is read. */
struct reload {
    char domain[WEIR__DOMAIN_MAX], what[64];
    char *path;
    struct weir__file_stamp stamp;
};

/* The first list behind `after` whose file changed. False: there is none. */
static bool find_changed(struct weir__handler *handler, bool was_told, struct reload *ret)
{
    bool is_found = false;
    pthread_mutex_lock(&handler->lock);
    for (weir_authenticator *at = handler->first; at != NULL && !is_found; at = at->next) {
        if (at->path == NULL)
            continue;
        bool is_there = weir__file_stamp_of(at->path, &ret->stamp);
        if (!is_there && !at->is_missing)
            weir_log_error("%s: the allow-list %s cannot be found; the keys that it had stay",
                           at->what, at->path);
        at->is_missing = !is_there;
        if (!is_there || weir__file_stamp_is_same(&ret->stamp, &at->stamp) ||
            (!was_told && !is_settled(&ret->stamp)))
            continue;
        ret->path = weir_strdup(at->path);
        if (ret->path == NULL)
            continue; /* it is looked at again */
        is_found = true;
        at->stamp = ret->stamp; /* also of a bad one, which is not read again */
        memcpy(ret->domain, at->domain, sizeof ret->domain);
        snprintf(ret->what, sizeof ret->what, "%s", at->what);
    }
    pthread_mutex_unlock(&handler->lock);
    return is_found;
}

static void put_list(struct weir__handler *handler, const char *domain, weir_allow_list **list)
{
    pthread_mutex_lock(&handler->lock);
    for (weir_authenticator *at = handler->first; at != NULL; at = at->next) {
        if (strcmp(at->domain, domain) != 0)
            continue;
        weir_allow_list *former = at->list;
        at->list = *list;
        *list = former;
        atomic_fetch_add(&at->generation, 1);
    }
    pthread_mutex_unlock(&handler->lock);
    weir_allow_list_destroy(list);
}

/* Nothing is wrong with the file, but it could not be read now: the next look shall try again. */
static void forget_stamp(struct weir__handler *handler, const char *domain)
{
    pthread_mutex_lock(&handler->lock);
    for (weir_authenticator *at = handler->first; at != NULL; at = at->next)
        if (strcmp(at->domain, domain) == 0)
            memset(&at->stamp, 0, sizeof at->stamp);
    pthread_mutex_unlock(&handler->lock);
}

static bool is_bad_file(int rc)
{
    return rc == WEIR_EINVALID || rc == WEIR_EREFUSED || rc == WEIR_ETOO_LARGE;
}

static void reload_changed(struct weir__handler *handler, bool was_told)
{
    struct reload reload;
    while (find_changed(handler, was_told, &reload)) {
        weir_allow_list *list = NULL;
        weir_error error;
        int rc = weir_allow_list_load(reload.path, &list, &error);
        if (rc == 0)
            weir_log_info("%s: loaded %s again: %zu lines", reload.what, reload.path,
                          weir_allow_list_count(list));
        else
            weir_log_error("%s: the keys that the allow-list had stay, for it is bad now: %s",
                           reload.what, error.text);
        if (rc == 0)
            put_list(handler, reload.domain, &list);
        else if (!is_bad_file(rc))
            forget_stamp(handler, reload.domain);
        weir_free(reload.path);
        if (rc != 0 && !is_bad_file(rc))
            break; /* not at once, and not for ever */
    }
}

/* --- answering --- */

/* Under the lock. */
static weir_authenticator *of_domain(const struct weir__handler *handler,
                                     const struct question *question)
{
    weir_authenticator *at = handler->first;
    while (at != NULL && !is_text(question, DOMAIN, at->domain))
        at = at->next;
    return at;
}

/* `complaint` (may be NULL) is filled in when the answer is no. */
static bool is_welcome(struct weir__handler *handler, const struct question *question,
                       const weir_public_key *key, struct complaint *complaint)
{
    weir_identity identity;
    pthread_mutex_lock(&handler->lock);
    weir_authenticator *authenticator = of_domain(handler, question);
    bool is_known =
        authenticator != NULL && weir__authenticator_find(authenticator, key, &identity);
    if (!is_known && authenticator != NULL && complaint != NULL)
        fill_complaint(complaint, authenticator, question, key);
    pthread_mutex_unlock(&handler->lock);
    return is_known;
}

static void answer_question(struct weir__handler *handler, const struct question *question)
{
    struct complaint complaint = {.is_due = false};
    weir_public_key key;
    char hex[WEIR_KEY_HEX];
    if (!is_proper(question)) {
        answer(handler->socket, question, "400", "no key", "");
        return;
    }
    memcpy(key.bytes, question->fields[CREDENTIAL].bytes, sizeof key.bytes);
    bool comes_in = is_welcome(handler, question, &key, NULL);
    if (!comes_in) { /* it may have been allowed just now: who waits for `weir keys allow` may come
                      */
        reload_changed(handler, true);
        comes_in = is_welcome(handler, question, &key, &complaint);
    }
    if (comes_in)
        answer(handler->socket, question, "200", "OK", weir_public_key_format(&key, hex));
    else
        answer(handler->socket, question, "400", "this key may not come in", "");
    if (complaint.is_due)
        complain(&complaint);
}

/* --- the thread --- */

static void drain(int fd)
{
    char events[4096];
    while (read(fd, events, sizeof events) > 0)
        continue;
}

void *weir__handler_main(void *data)
{
    struct weir__handler *handler = data;
    pthread_setname_np(pthread_self(), "weir-keys");
    struct question question;
    zmq_pollitem_t items[3] = {
        {.socket = handler->socket, .events = ZMQ_POLLIN},
        {.fd = handler->stop_fd, .events = ZMQ_POLLIN},
        {.fd = handler->watch_fd, .events = ZMQ_POLLIN},
    };
    int count = handler->watch_fd < 0 ? 2 : 3;
    while (items[1].revents == 0) {
        int ready = zmq_poll(items, count, LOOK_EVERY_MS);
        bool was_told = ready > 0 && count == 3 && items[2].revents != 0;
        if (was_told)
            drain(handler->watch_fd);
        if (was_told || ready == 0)
            reload_changed(handler, was_told);
        while (receive_question(handler->socket, &question))
            answer_question(handler, &question);
    }
    return NULL;
}
