/* actors/security.c -- the keys of one process. */
#include "actors/security.h"

#include "actors/authenticator_internal.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

#define KEY_FILE       "security.key-file"
#define ALLOW_FILE     "security.allow-file"
#define DISPATCHER_KEY "security.dispatcher-key"

struct weir_security {
    weir_key_pair key;
    char *path; /* of the allow-list; NULL: none */
    struct weir__file_stamp stamp;
    weir_allow_list *list;
    bool has_dispatcher;
    weir_public_key dispatcher; /* of security.dispatcher-key */
    weir_authenticator *authenticator;
};

/* --- new --- */

static int load_list(weir_security *security, const weir_config *config, weir_error *err)
{
    security->path = weir_strdup(weir_config_string(config, ALLOW_FILE));
    if (security->path == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for an allow-list");
    weir__file_stamp_of(security->path, &security->stamp);
    return weir_allow_list_load(security->path, &security->list, err);
}

static int parse_dispatcher(weir_security *security, const weir_config *config, weir_error *err)
{
    int rc = weir_public_key_parse(weir_config_string(config, DISPATCHER_KEY),
                                   &security->dispatcher, err);
    security->has_dispatcher = rc == 0;
    return rc == 0 ? 0
                   : weir_error_wrap(err, rc, "%s: %s", weir_config_origin(config, DISPATCHER_KEY),
                                     DISPATCHER_KEY);
}

static int fill(weir_security *security, const weir_config *config, const char *what, bool has_door,
                weir_error *err)
{
    bool has_list = weir_config_string(config, ALLOW_FILE)[0] != '\0';
    int rc = weir_key_pair_load(weir_config_string(config, KEY_FILE), &security->key, err);
    if (rc != 0)
        return weir_error_wrap(err, rc, "%s: %s", weir_config_origin(config, KEY_FILE), KEY_FILE);
    if (has_door && !has_list)
        return weir_error_set(err, WEIR_EREFUSED,
                              "%s: %s: the %s has a key, and nothing says whose keys it lets in; "
                              "set %s to the file that `weir keys allow` writes",
                              weir_config_origin(config, KEY_FILE), KEY_FILE, what, ALLOW_FILE);
    if (has_list && (rc = load_list(security, config, err)) != 0)
        return weir_error_wrap(err, rc, "%s: %s", weir_config_origin(config, ALLOW_FILE),
                               ALLOW_FILE);
    if (weir_config_string(config, DISPATCHER_KEY)[0] != '\0')
        rc = parse_dispatcher(security, config, err);
    if (rc != 0 || !has_door)
        return rc;
    weir_authenticator_config door = {.allow_file = security->path, .what = what};
    return weir_authenticator_new(&door, &security->authenticator, err);
}

int weir_security_new(const weir_config *config, const char *what, bool has_door,
                      weir_security **ret, weir_error *err)
{
    *ret = NULL;
    if (weir_config_string(config, KEY_FILE)[0] == '\0')
        return 0;
    weir_security *security = weir_calloc(1, sizeof *security);
    if (security == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for the keys of the %s", what);
    int rc = fill(security, config, what, has_door, err);
    if (rc != 0)
        weir_security_destroy(&security);
    *ret = security;
    return rc;
}

int weir_security_new_of_key(const weir_key_pair *key, weir_security **ret, weir_error *err)
{
    weir_security *security = weir_calloc(1, sizeof *security);
    if (security == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory for a key");
    security->key = *key;
    *ret = security;
    return 0;
}

void weir_security_destroy(weir_security **security)
{
    if (security == NULL || *security == NULL)
        return;
    weir_security *gone = *security;
    *security = NULL;
    weir_authenticator_destroy(&gone->authenticator);
    weir_allow_list_destroy(&gone->list);
    weir_free(gone->path);
    weir_key_pair_wipe(&gone->key);
    weir_free(gone);
}

const weir_key_pair *weir_security_key(const weir_security *security)
{
    return security == NULL ? NULL : &security->key;
}

weir_authenticator *weir_security_authenticator(const weir_security *security)
{
    return security == NULL ? NULL : security->authenticator;
}

weir_roles weir_security_own_roles(const weir_security *security)
{
    return security->list == NULL
               ? 0
               : weir_allow_list_roles(security->list, &security->key.shown, NULL);
}

/* --- whom it believes --- */

/* A list that became bad does not count; the authenticator, or the next start, tells of it. */
static void refresh(weir_security *security)
{
    struct weir__file_stamp stamp;
    weir_allow_list *list;
    if (!weir__file_stamp_of(security->path, &stamp) ||
        weir__file_stamp_is_same(&stamp, &security->stamp))
        return;
    int rc = weir_allow_list_load(security->path, &list, NULL);
    if (rc == 0 || rc == WEIR_EINVALID || rc == WEIR_EREFUSED)
        security->stamp = stamp; /* else it could not be read now: the next time shall try again */
    if (rc != 0)
        return;
    weir_allow_list_destroy(&security->list);
    security->list = list;
}

int weir_security_check(weir_security *security, const char *endpoint, weir_roles expected,
                        weir_error *err)
{
    char address[WEIR_ENDPOINT_MAX], hex[WEIR_KEY_HEX];
    char wanted[WEIR_ROLES_TEXT_MAX], found[WEIR_ROLES_TEXT_MAX];
    weir_public_key key;
    bool has_key;
    int rc = weir_zmq_split(endpoint, address, &key, &has_key, err);
    if (rc != 0 || !has_key || security->list == NULL)
        return rc; /* a missing key is the socket's to refuse */
    if ((expected & WEIR_ROLE_DISPATCHER) != 0 && security->has_dispatcher &&
        weir_public_key_equal(&key, &security->dispatcher))
        return 0;
    refresh(security);
    weir_roles roles = weir_allow_list_roles(security->list, &key, NULL);
    if ((roles & expected) != 0)
        return 0;
    weir_public_key_format(&key, hex);
    weir_roles_format(expected, wanted);
    return weir_error_set(err, WEIR_EREFUSED,
                          "%s: its key %s may be %s by %s, not %s; to believe it, here: weir keys "
                          "allow %s %s",
                          address, hex, weir_roles_format(roles, found), security->path, wanted,
                          wanted, hex);
}

static int find_dispatcher(const weir_security *security, weir_public_key *ret, weir_error *err)
{
    size_t count = security->list == NULL ? 0 : weir_allow_list_count(security->list);
    bool is_found = false;
    for (size_t i = 0; i < count; i++) {
        const weir_allowed *line = weir_allow_list_at(security->list, i);
        if (line->role != WEIR_ROLE_DISPATCHER ||
            (is_found && weir_public_key_equal(&line->key, ret)))
            continue;
        if (is_found)
            return weir_error_set(err, WEIR_EINVALID,
                                  "%s: is not set, and %s names several dispatchers; set it to the "
                                  "key of this cluster's",
                                  DISPATCHER_KEY, security->path);
        *ret = line->key;
        is_found = true;
    }
    if (is_found)
        return 0;
    if (security->list == NULL)
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: is not set, and neither is %s; set one of them, so that the "
                              "dispatcher can be told from anybody else",
                              DISPATCHER_KEY, ALLOW_FILE);
    return weir_error_set(err, WEIR_EINVALID,
                          "%s: is not set, and %s names no dispatcher; set it, or: weir keys allow "
                          "dispatcher KEY",
                          DISPATCHER_KEY, security->path);
}

int weir_security_dispatcher(const weir_security *security, const char *endpoint,
                             char out[WEIR_ENDPOINT_MAX], weir_error *err)
{
    char hex[WEIR_KEY_HEX];
    weir_public_key key;
    bool has_key;
    int rc = weir_zmq_split(endpoint, out, &key, &has_key, err);
    if (rc != 0)
        return rc;
    bool needs_key = security != NULL && strncmp(endpoint, "tcp://", 6) == 0;
    if (!has_key && !needs_key)
        return 0;
    if (!has_key && security->has_dispatcher)
        key = security->dispatcher;
    else if (!has_key)
        rc = find_dispatcher(security, &key, err);
    size_t length = strlen(out);
    if (rc == 0 && length + WEIR_KEY_HEX >= WEIR_ENDPOINT_MAX)
        rc = weir_error_set(err, WEIR_EINVALID, "'%.60s...': this endpoint is too long", endpoint);
    if (rc == 0)
        snprintf(out + length, WEIR_ENDPOINT_MAX - length, "#%s",
                 weir_public_key_format(&key, hex));
    return rc;
}
