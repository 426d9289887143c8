/* store/record_check.c -- reads a whole record store in a child process. */
#include "store/record_check.h"

#include "base/memory.h"
#include "store/record_pages.h"
#include "store/record_value.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS_MAX = 600 }; /* a loop between damaged pages must end */
enum { EXIT_REPORTED, EXIT_DAMAGED, EXIT_UNREPORTED };

static void store64(uint8_t *at, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t load64(const uint8_t *at)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

void weir_record_facts_pack(const weir_record_facts *facts, uint8_t out[WEIR_RECORD_FACTS_SIZE])
{
    memcpy(out, facts->id.bytes, sizeof facts->id.bytes);
    store64(out + 16, facts->count);
    store64(out + 24, facts->generation);
}

int weir_record_facts_unpack(const void *bytes, size_t size, weir_record_facts *ret)
{
    const uint8_t *at = bytes;
    if (size != WEIR_RECORD_FACTS_SIZE)
        return WEIR_ECORRUPT;
    memcpy(ret->id.bytes, at, sizeof ret->id.bytes);
    ret->count = load64(at + 16);
    ret->generation = load64(at + 24);
    return 0;
}

/* ---- in the child ---- */

/* What the system says is of the moment, and no damage; LMDB's own codes are negative. */
static int lmdb_failed(int rc, const char *what, weir_error *err)
{
    if (rc > 0)
        return weir_error_errno(err, rc, "%s", what);
    return weir_error_set(err, WEIR_ECORRUPT, "%s: %s", what, mdb_strerror(rc));
}

/* LMDB takes an empty file for one that is to be made. */
static int check_not_empty(const char *path, weir_error *err)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return weir_error_errno(err, errno, "it cannot be looked at");
    return status.st_size > 0 ? 0 : weir_error_set(err, WEIR_ECORRUPT, "it is empty");
}

/* A file that is shorter than its pages would be a SIGBUS. Only the two meta pages are read here,
 * which LMDB has checked. */
static int check_size(MDB_env *env, const char *path, weir_error *err)
{
    MDB_envinfo info;
    MDB_stat stat_of;
    struct stat status;
    int rc = mdb_env_info(env, &info);
    if (rc == 0)
        rc = mdb_env_stat(env, &stat_of);
    if (rc != 0)
        return lmdb_failed(rc, "its first pages cannot be read", err);
    if (stat(path, &status) != 0)
        return weir_error_errno(err, errno, "it cannot be looked at");
    uint64_t needed = ((uint64_t)info.me_last_pgno + 1) * stat_of.ms_psize;
    if ((uint64_t)status.st_size < needed)
        return weir_error_set(err, WEIR_ECORRUPT, "it is cut: %lld bytes of %llu",
                              (long long)status.st_size, (unsigned long long)needed);
    return 0;
}

static int check_value(const MDB_val *key, const MDB_val *value, const weir_id *id,
                       weir_record_facts *facts, bool *found, weir_error *err)
{
    uint16_t version;
    const uint8_t *payload;
    size_t size;
    int rc = weir_record_unseal(key->mv_data, key->mv_size, value->mv_data, value->mv_size,
                                &version, &payload, &size, err);
    if (rc != 0)
        return rc;
    if (key->mv_size != strlen(WEIR_RECORD_FACTS_KEY) ||
        memcmp(key->mv_data, WEIR_RECORD_FACTS_KEY, key->mv_size) != 0)
        return 0;
    *found = true;
    if (weir_record_facts_unpack(payload, size, facts) != 0)
        return weir_error_set(err, WEIR_ECORRUPT, "its own value is damaged");
    if (!weir_id_equal(&facts->id, id))
        return weir_error_set(err, WEIR_ECORRUPT,
                              "it belongs to another store than the file `format` beside it");
    return 0;
}

static int check_values(MDB_txn *txn, const weir_id *id, weir_error *err)
{
    MDB_dbi dbi;
    MDB_cursor *cursor;
    MDB_val key, value, last = {0, NULL};
    weir_record_facts facts = {0};
    uint64_t count = 0;
    bool found = false;
    int rc = mdb_dbi_open(txn, NULL, 0, &dbi);
    if (rc == 0)
        rc = mdb_cursor_open(txn, dbi, &cursor);
    if (rc != 0)
        return lmdb_failed(rc, "its values cannot be read", err);
    int failure = 0;
    while (failure == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        failure = check_value(&key, &value, id, &facts, &found, err);
        /* Pages in the wrong place show up as keys out of order. */
        if (failure == 0 && last.mv_data != NULL && mdb_cmp(txn, dbi, &last, &key) >= 0)
            failure = weir_error_set(err, WEIR_ECORRUPT, "its keys are out of order");
        last = key;
        count++;
    }
    mdb_cursor_close(cursor);
    if (failure != 0)
        return failure;
    if (rc != MDB_NOTFOUND)
        return lmdb_failed(rc, "its values cannot be read", err);
    if (!found || count != facts.count + 1)
        return weir_error_set(err, WEIR_ECORRUPT, "values are missing: %llu of %llu were found",
                              (unsigned long long)(found ? count - 1 : count),
                              (unsigned long long)facts.count);
    /* Every commit of LMDB is a group of ours. A damaged number makes it take an older state. */
    if (facts.generation != mdb_txn_id(txn))
        return weir_error_set(err, WEIR_ECORRUPT, "its first pages disagree: %llu is not %llu",
                              (unsigned long long)mdb_txn_id(txn),
                              (unsigned long long)facts.generation);
    return 0;
}

static int check_pages(MDB_env *env, MDB_txn *txn, const char *path, weir_error *err)
{
    MDB_stat stat_of;
    int rc = mdb_env_stat(env, &stat_of);
    if (rc != 0)
        return lmdb_failed(rc, "its first pages cannot be read", err);
    return weir_record_pages_check(path, stat_of.ms_psize, mdb_txn_id(txn), err);
}

/* LMDB's own assertions speak to stderr before they abort; the parent's report says it better. */
_Noreturn static void assertion_failed(MDB_env *env, const char *text)
{
    (void)env;
    (void)text;
    _exit(EXIT_DAMAGED);
}

static int check_in_child(const char *directory, const char *path, const weir_id *id,
                          weir_error *err)
{
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    int failure = check_not_empty(path, err);
    if (failure != 0)
        return failure;
    int rc = mdb_env_create(&env);
    if (rc == 0)
        rc = mdb_env_set_assert(env, assertion_failed);
    if (rc == 0)
        rc = mdb_env_open(env, directory, MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, 0);
    if (rc != 0) {
        mdb_env_close(env);
        return lmdb_failed(rc, "it cannot be opened", err);
    }
    failure = check_size(env, path, err);
    if (failure == 0 && (rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn)) != 0)
        failure = lmdb_failed(rc, "it cannot be read", err);
    if (failure == 0)
        failure = check_pages(env, txn, path, err);
    if (failure == 0)
        failure = check_values(txn, id, err);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    return failure;
}

/* A child that outlives its parent would keep the parent's lock on the store, and its sockets. */
static void leave_parent(int report, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_UNREPORTED);
    if (report > 3)
        close_range(3, (unsigned)report - 1, 0);
    close_range((unsigned)report + 1, ~0U, 0);
}

_Noreturn static void child(int report, pid_t parent, const char *directory, const char *path,
                            const weir_id *id)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM};
    sigset_t none;
    leave_parent(report, parent);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (size_t i = 0; i < WEIR_COUNT(fatal); i++)
        signal(fatal[i], SIG_DFL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    alarm(SECONDS_MAX);
    weir_error failure = WEIR_ERROR_INIT;
    failure.code = check_in_child(directory, path, id, &failure);
    /* One write below PIPE_BUF: the parent gets all of it or nothing. */
    _Static_assert(sizeof failure <= 4096, "a report is one atomic write");
    ssize_t written = write(report, &failure, sizeof failure);
    _exit(written == (ssize_t)sizeof failure ? EXIT_REPORTED : EXIT_UNREPORTED);
}

/* ---- in the parent ---- */

/* The child's verdict; 0: the store is whole. Whoever kills the child says nothing about the store.
 */
static int wait_for(pid_t pid, int report, weir_error *ret_failure)
{
    weir_error said = WEIR_ERROR_INIT;
    ssize_t size;
    int status;
    do {
        size = read(report, &said, sizeof said);
    } while (size < 0 && errno == EINTR);
    int read_errno = size < 0 ? errno : 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return weir_error_errno(ret_failure, errno, "the process that reads it was lost");
    }
    if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGTERM))
        return weir_error_set(ret_failure, WEIR_EIO,
                              "the process that reads it was killed (%s); start again",
                              strsignal(WTERMSIG(status)));
    if (WIFSIGNALED(status))
        return weir_error_set(ret_failure, WEIR_ECORRUPT,
                              "its pages are damaged: reading it ends in %s",
                              strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) == EXIT_DAMAGED)
        return weir_error_set(ret_failure, WEIR_ECORRUPT,
                              "its pages are damaged: reading it fails");
    if (size != (ssize_t)sizeof said || WEXITSTATUS(status) != EXIT_REPORTED)
        return weir_error_errno(ret_failure, read_errno != 0 ? read_errno : EIO,
                                "the process that reads it could not say what it found");
    *ret_failure = said;
    ret_failure->text[sizeof ret_failure->text - 1] = '\0';
    return ret_failure->code;
}

static int refuse(const char *path, const char *directory, const weir_error *failure,
                  weir_error *err)
{
    if (failure->code != WEIR_ECORRUPT)
        return weir_error_set(err, failure->code, "%s: cannot be checked; %s", path, failure->text);
    return weir_error_set(
        err, WEIR_ECORRUPT,
        "%s: the record store is damaged; %s; put back a copy of %s from a backup, "
        "or move the directory away to start without its jobs",
        path, failure->text, directory);
}

int weir_record_check(const char *directory, const weir_id *id, weir_error *err)
{
    int ends[2];
    weir_error failure = WEIR_ERROR_INIT;
    char *path = weir_asprintf("%s/data.mdb", directory);
    if (path == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "%s: out of memory", directory);
    int rc = 0;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        rc = weir_error_errno(err, errno, "%s: cannot be checked", path);
        weir_free(path);
        return rc;
    }
    const pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        child(ends[1], parent, directory, path, id);
    close(ends[1]);
    if (pid < 0)
        rc = weir_error_errno(err, errno, "%s: cannot be checked", path);
    else if (wait_for(pid, ends[0], &failure) != 0)
        rc = refuse(path, directory, &failure, err);
    close(ends[0]);
    weir_free(path);
    return rc;
}
