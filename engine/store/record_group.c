/* store/record_group.c -- the writes between begin and commit. */
#include "store/record_group.h"

#include "base/memory.h"

#include <string.h>

int weir_record_key(const char *table, const char *key, char **ret, weir_error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    if (table[0] == '\0' || table[strspn(table, allowed)] != '\0')
        return weir_error_set(err, WEIR_EINVALID, "record store: '%s' is no name of a table",
                              table);
    if (key[0] == '\0')
        return weir_error_set(err, WEIR_EINVALID, "record store: a key of table %s is empty",
                              table);
    if (strlen(table) + 1 + strlen(key) > WEIR_RECORD_KEY_MAX)
        return weir_error_set(
            err, WEIR_ETOO_LARGE,
            "record store: a key of table %s is too long; found %zu bytes; at most "
            "%d fit with the table's name",
            table, strlen(key), WEIR_RECORD_KEY_MAX);
    char *full = weir_asprintf("%s/%s", table, key);
    if (full == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "record store: out of memory");
    *ret = full;
    return 0;
}

int weir_record_group_begin(weir_record_group *group, weir_error *err)
{
    if (group->open)
        return weir_error_set(err, WEIR_ESTATE, "record store: a group of writes is open already");
    group->open = true;
    group->failed.code = 0;
    return 0;
}

int weir_record_group_fail(weir_record_group *group, int code, const weir_error *err)
{
    if (group->failed.code != 0)
        return code;
    weir_error_set(&group->failed, code, "%s",
                   err != NULL && err->code != 0 ? err->text
                                                 : "record store: a write of the group failed");
    return code;
}

static int add(weir_record_group *group, const weir_record_write *write, const char *table,
               const char *key, weir_error *err)
{
    if (!group->open)
        return weir_error_set(err, WEIR_ESTATE, "record store: no group of writes is open");
    if (write->size > WEIR_RECORD_SIZE_MAX)
        return weir_error_set(err, WEIR_ETOO_LARGE,
                              "record store: the value of %s/%s is too large; found %zu bytes; the "
                              "limit is %u",
                              table, key, write->size, WEIR_RECORD_SIZE_MAX);
    if (group->count == group->capacity) {
        size_t capacity = group->capacity == 0 ? 8 : 2 * group->capacity;
        weir_record_write *writes = weir_realloc(group->writes, capacity * sizeof *writes);
        if (writes == NULL)
            return weir_error_set(err, WEIR_ENO_MEMORY, "record store: out of memory");
        group->writes = writes;
        group->capacity = capacity;
    }
    weir_record_write copy = *write;
    copy.bytes = NULL;
    int rc = weir_record_key(table, key, &copy.key, err);
    if (rc != 0)
        return rc;
    if (write->size > 0) {
        copy.bytes = weir_alloc(write->size);
        if (copy.bytes == NULL) {
            weir_free(copy.key);
            return weir_error_set(err, WEIR_ENO_MEMORY, "record store: out of memory");
        }
        memcpy(copy.bytes, write->bytes, write->size);
    }
    group->writes[group->count++] = copy;
    return 0;
}

static int add_or_fail(weir_record_group *group, const weir_record_write *write, const char *table,
                       const char *key, weir_error *err)
{
    weir_error failure = WEIR_ERROR_INIT;
    int rc = add(group, write, table, key, &failure);
    if (rc == 0)
        return 0;
    weir_record_group_fail(group, rc, &failure);
    return weir_error_set(err, rc, "%s", failure.text);
}

int weir_record_group_put(weir_record_group *group, const char *table, const char *key,
                          uint16_t version, const void *bytes, size_t size, weir_error *err)
{
    weir_record_write write = {
        .put = true, .version = version, .bytes = (uint8_t *)(uintptr_t)bytes, .size = size};
    return add_or_fail(group, &write, table, key, err);
}

int weir_record_group_remove(weir_record_group *group, const char *table, const char *key,
                             weir_error *err)
{
    weir_record_write write = {.put = false};
    return add_or_fail(group, &write, table, key, err);
}

int weir_record_group_check(const weir_record_group *group, weir_error *err)
{
    if (!group->open)
        return weir_error_set(err, WEIR_ESTATE, "record store: no group of writes is open");
    if (group->failed.code != 0)
        return weir_error_set(err, group->failed.code, "%s", group->failed.text);
    return 0;
}

int weir_record_group_check_closed(const weir_record_group *group, weir_error *err)
{
    if (group->open)
        return weir_error_set(err, WEIR_ESTATE, "record store: read inside a group of writes");
    return 0;
}

void weir_record_group_end(weir_record_group *group)
{
    for (size_t i = 0; i < group->count; i++) {
        weir_free(group->writes[i].key);
        weir_free(group->writes[i].bytes);
    }
    weir_free(group->writes);
    group->writes = NULL;
    group->count = group->capacity = 0;
    group->open = false;
    group->failed.code = 0;
}
