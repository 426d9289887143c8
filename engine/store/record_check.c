/* store/record_check.c -- reads a whole record store in a child process. */
#include "store/record_check.h"

#include "base/memory.h"
#include "store/record_value.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS_MAX = 600 }; /* a loop between damaged pages must end */

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

static int lmdb_failed(int rc, const char *what, weir_error *err)
{
    return weir_error_set(err, rc == ENOMEM ? WEIR_ENO_MEMORY : WEIR_ECORRUPT, "%s: %s", what,
                          mdb_strerror(rc));
}

/* A file that is shorter than its pages would be a SIGBUS. Only the two meta pages are read here,
 * which LMDB has checked. */
static int check_size(MDB_env *env, const char *path, weir_error *err)
{
    MDB_envinfo info;
    MDB_stat stat_of;
    struct stat status;
    if (mdb_env_info(env, &info) != 0 || mdb_env_stat(env, &stat_of) != 0)
        return weir_error_set(err, WEIR_ECORRUPT, "its first pages cannot be read");
    if (stat(path, &status) != 0)
        return weir_error_errno(err, errno, "it cannot be looked at");
    uint64_t needed = ((uint64_t)info.me_last_pgno + 1) * stat_of.ms_psize;
    if ((uint64_t)status.st_size < needed)
        return weir_error_set(err, WEIR_ECORRUPT, "it is cut: %lld bytes of %llu",
                              (long long)status.st_size, (unsigned long long)needed);
    return 0;
}

/* The list of free pages: a damaged one would harm the next commit. Values are lists of page
 * numbers, the first their count. */
static int check_free_pages(MDB_txn *txn, weir_error *err)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = mdb_cursor_open(txn, 0, &cursor);
    if (rc != 0)
        return lmdb_failed(rc, "its free pages cannot be read", err);
    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        size_t count;
        if (key.mv_size != sizeof count || value.mv_size < sizeof count)
            break;
        memcpy(&count, value.mv_data, sizeof count);
        if (count > value.mv_size / sizeof count - 1)
            break;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0
                              : weir_error_set(err, WEIR_ECORRUPT, "its free pages are damaged");
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
    return 0;
}

/* LMDB's own assertions speak to stderr before they abort; the parent's report says it better. */
_Noreturn static void assertion_failed(MDB_env *env, const char *text)
{
    (void)env;
    (void)text;
    _exit(1);
}

static int check_in_child(const char *directory, const char *path, const weir_id *id,
                          weir_error *err)
{
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    int rc = mdb_env_create(&env);
    if (rc == 0)
        rc = mdb_env_set_assert(env, assertion_failed);
    if (rc == 0)
        rc = mdb_env_open(env, directory, MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, 0);
    if (rc != 0) {
        mdb_env_close(env);
        return lmdb_failed(rc, "it cannot be opened", err);
    }
    int failure = check_size(env, path, err);
    if (failure == 0 && (rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn)) != 0)
        failure = lmdb_failed(rc, "it cannot be read", err);
    if (failure == 0)
        failure = check_free_pages(txn, err);
    if (failure == 0)
        failure = check_values(txn, id, err);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    return failure;
}

_Noreturn static void child(int report, const char *directory, const char *path, const weir_id *id)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM};
    sigset_t none;
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
    _exit(written == (ssize_t)sizeof failure ? 0 : 1);
}

/* ---- in the parent ---- */

static int wait_for(pid_t pid, int report, weir_error *ret_failure, weir_error *err)
{
    ssize_t size;
    int status;
    do {
        size = read(report, ret_failure, sizeof *ret_failure);
    } while (size < 0 && errno == EINTR);
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return weir_error_errno(err, errno, "the check of the record store was lost");
    }
    if (WIFSIGNALED(status))
        return weir_error_set(ret_failure, WEIR_ECORRUPT,
                              "its pages are damaged: reading it ends in %s",
                              strsignal(WTERMSIG(status)));
    if (size != (ssize_t)sizeof *ret_failure || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return weir_error_set(ret_failure, WEIR_ECORRUPT,
                              "its pages are damaged: reading it fails");
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
    pid_t pid = fork();
    if (pid == 0)
        child(ends[1], directory, path, id);
    close(ends[1]);
    if (pid < 0)
        rc = weir_error_errno(err, errno, "%s: cannot be checked", path);
    else if (wait_for(pid, ends[0], &failure, err) != 0)
        rc = failure.code != 0 ? refuse(path, directory, &failure, err) : WEIR_EIO;
    close(ends[0]);
    weir_free(path);
    return rc;
}
