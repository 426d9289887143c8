/* LMDB's functions, interposed: tests/faults/faults.h. Calls from inside LMDB do not count. A
 * call that fails leaves what LMDB leaves then: a transaction whose commit fails is gone. */
#include "tests/faults/faults_internal.h"

#include <lmdb.h>

_Static_assert(FAULTS_MAP_FULL == MDB_MAP_FULL && FAULTS_TXN_FULL == MDB_TXN_FULL &&
                   FAULTS_PAGE_FULL == MDB_PAGE_FULL && FAULTS_CORRUPTED == MDB_CORRUPTED &&
                   FAULTS_PANIC == MDB_PANIC && FAULTS_BAD_TXN == MDB_BAD_TXN,
               "faults.h has LMDB's codes");

static _Thread_local unsigned depth;

static enum faults_verdict verdict_of(const char *name, int *ret_code)
{
    return depth > 0 ? FAULTS_PASS : faults__lmdb(name, ret_code);
}

#define BEFORE(name)                                                                               \
    FAULTS_REAL(name);                                                                             \
    int code = 0;                                                                                  \
    enum faults_verdict verdict = verdict_of(#name, &code);                                        \
    if (verdict == FAULTS_FAILS)                                                                   \
    return code

#define CALL(...)                                                                                  \
    depth++;                                                                                       \
    int rc = real(__VA_ARGS__);                                                                    \
    depth--;                                                                                       \
    return verdict == FAULTS_FAILS_LATE && rc == 0 ? code : rc

FAULTS_CALL int mdb_env_create(MDB_env **env)
{
    BEFORE(mdb_env_create);
    if (verdict == FAULTS_FAILS_LATE)
        return code; /* nothing is there to be freed */
    CALL(env);
}

FAULTS_CALL int mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode)
{
    BEFORE(mdb_env_open);
    CALL(env, path, flags, mode);
}

FAULTS_CALL int mdb_env_set_mapsize(MDB_env *env, size_t size)
{
    BEFORE(mdb_env_set_mapsize);
    CALL(env, size);
}

FAULTS_CALL int mdb_env_info(MDB_env *env, MDB_envinfo *out)
{
    BEFORE(mdb_env_info);
    CALL(env, out);
}

FAULTS_CALL int mdb_env_stat(MDB_env *env, MDB_stat *out)
{
    BEFORE(mdb_env_stat);
    CALL(env, out);
}

FAULTS_CALL int mdb_env_set_assert(MDB_env *env, MDB_assert_func *function)
{
    BEFORE(mdb_env_set_assert);
    CALL(env, function);
}

FAULTS_CALL int mdb_reader_check(MDB_env *env, int *dead)
{
    BEFORE(mdb_reader_check);
    CALL(env, dead);
}

FAULTS_CALL int mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn)
{
    BEFORE(mdb_txn_begin);
    if (verdict == FAULTS_FAILS_LATE)
        return code;
    CALL(env, parent, flags, txn);
}

FAULTS_CALL int mdb_txn_commit(MDB_txn *txn)
{
    FAULTS_REAL(mdb_txn_commit);
    int code = 0;
    enum faults_verdict verdict = verdict_of("mdb_txn_commit", &code);
    if (verdict == FAULTS_FAILS) {
        depth++;
        mdb_txn_abort(txn);
        depth--;
        return code;
    }
    CALL(txn);
}

FAULTS_CALL int mdb_dbi_open(MDB_txn *txn, const char *name, unsigned flags, MDB_dbi *dbi)
{
    BEFORE(mdb_dbi_open);
    CALL(txn, name, flags, dbi);
}

FAULTS_CALL int mdb_get(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value)
{
    BEFORE(mdb_get);
    CALL(txn, dbi, key, value);
}

FAULTS_CALL int mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value, unsigned flags)
{
    BEFORE(mdb_put);
    CALL(txn, dbi, key, value, flags);
}

FAULTS_CALL int mdb_del(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value)
{
    BEFORE(mdb_del);
    CALL(txn, dbi, key, value);
}

FAULTS_CALL int mdb_cursor_open(MDB_txn *txn, MDB_dbi dbi, MDB_cursor **cursor)
{
    BEFORE(mdb_cursor_open);
    if (verdict == FAULTS_FAILS_LATE)
        return code;
    CALL(txn, dbi, cursor);
}

FAULTS_CALL int mdb_cursor_get(MDB_cursor *cursor, MDB_val *key, MDB_val *value, MDB_cursor_op op)
{
    BEFORE(mdb_cursor_get);
    CALL(cursor, key, value, op);
}
