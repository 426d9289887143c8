/* Files of the user's directory and of a cluster's: the context, pid files, weir.yaml, keys and the
 * list of those who may. Whatever they hold, reading them ends well; what Weir writes it reads
 * back.
 *
 *   u8 which file, its content */
#include "fuzz.h"

#include "base/allow_list.h"
#include "base/file.h"
#include "base/key.h"
#include "base/memory.h"
#include "cli/cluster_directory.h"
#include "cli/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char home[64];

static void clean_up(void)
{
    (void)!weir_file_remove_tree(home, NULL);
}

static void set_up(void)
{
    char path[128];
    if (home[0] != '\0')
        return;
    snprintf(home, sizeof home, "%s/weir-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    FUZZ_CHECK(mkdtemp(home) != NULL && atexit(clean_up) == 0);
    FUZZ_CHECK(setenv("WEIR_HOME", home, 1) == 0);
    snprintf(path, sizeof path, "%s/pid", home);
    FUZZ_CHECK(mkdir(path, 0700) == 0);
}

static const char *put_file(const char *name, const void *bytes, size_t size)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", home, name);
    FILE *file = fopen(path, "wb");
    FUZZ_CHECK(file != NULL && fchmod(fileno(file), 0600) == 0);
    FUZZ_CHECK(size == 0 || fwrite(bytes, 1, size, file) == size);
    FUZZ_CHECK(fclose(file) == 0);
    return path;
}

/* ---- the context ---- */

static void check_context(const uint8_t *bytes, size_t size)
{
    weir_cluster_context context, again;
    weir_error err = WEIR_ERROR_INIT;

    put_file("context", bytes, size);
    int rc = weir_cluster_context_load(&context, &err);
    if (rc != 0) {
        fuzz_check_failure(rc, &err);
        return;
    }
    FUZZ_CHECK(context.endpoint[0] != '\0');
    FUZZ_OK(weir_cluster_context_store(&context, &err));
    FUZZ_OK(weir_cluster_context_load(&again, &err));
    FUZZ_CHECK(strcmp(context.endpoint, again.endpoint) == 0);
    FUZZ_CHECK(strcmp(context.directory, again.directory) == 0);
    FUZZ_CHECK(strcmp(context.cluster, again.cluster) == 0);
}

/* ---- a cluster's directory ---- */

static void init_directory(weir_cluster_directory *directory, const weir_config *config)
{
    FUZZ_OK(weir_cluster_directory_init(directory, home, config, NULL));
}

static void check_pid(const uint8_t *bytes, size_t size)
{
    weir_cluster_directory directory;
    static weir_members_list members;
    weir_config *config = weir_config_new();
    weir_error err = WEIR_ERROR_INIT;

    FUZZ_CHECK(config != NULL);
    init_directory(&directory, config);
    put_file("pid/dispatcher-1.pid", bytes, size);
    FUZZ_OK(weir_cluster_directory_members(&directory, false, &members, &err));
    FUZZ_CHECK(members.count <= 1);
    weir_members_close(&members);
    weir_config_destroy(&config);
}

static void check_yaml(const uint8_t *bytes, size_t size)
{
    weir_cluster_directory directory;
    weir_cluster_context context;
    weir_config *config = weir_config_new();
    weir_error err = WEIR_ERROR_INIT;

    FUZZ_CHECK(config != NULL);
    init_directory(&directory, config);
    put_file("weir.yaml", bytes, size);
    int rc = weir_cluster_directory_load(&directory, &context, &err);
    if (rc != 0)
        fuzz_check_failure(rc, &err);
    weir_config_destroy(&config);
}

/* Any values that the configuration takes: what is written for the daemons is what they read. */
static void check_stored_yaml(const uint8_t *bytes, size_t size)
{
    weir_cluster_directory directory;
    weir_config *config = weir_config_new(), *again = weir_config_new();
    weir_error err = WEIR_ERROR_INIT;
    const char *key, *value;
    char path[128], *text = fuzz_text(bytes, size);

    FUZZ_CHECK(config != NULL && again != NULL);
    init_directory(&directory, config);
    int rc = weir_config_set(config, "env.log.dir", text, "-D", &err);
    if (rc != 0) {
        fuzz_check_failure(rc, &err);
    } else {
        FUZZ_OK(weir_cluster_directory_store(&directory, config, &err));
        snprintf(path, sizeof path, "%s/weir.yaml", home);
        rc = weir_config_load(again, path, &err);
        if (rc != 0)
            fuzz_fail(__FILE__, __LINE__, "what was stored is refused: %s", err.text);
        for (size_t i = 0; weir_config_next(config, &i, &key, &value);)
            FUZZ_CHECK(strcmp(weir_config_string(again, key), value) == 0);
    }
    weir_config_destroy(&config);
    weir_config_destroy(&again);
    weir_free(text);
}

/* ---- keys ---- */

static void check_key(const uint8_t *bytes, size_t size)
{
    weir_key_pair pair, again;
    weir_error err = WEIR_ERROR_INIT;
    const char *path = put_file("key", bytes, size);
    int rc = weir_key_pair_load(path, &pair, &err);

    if (rc != 0) {
        fuzz_check_failure(rc, &err);
        return;
    }
    FUZZ_OK(weir_key_pair_check(&pair, &err));
    FUZZ_CHECK(unlink(path) == 0);
    FUZZ_OK(weir_key_pair_store(&pair, path, &err));
    FUZZ_OK(weir_key_pair_load(path, &again, &err));
    FUZZ_CHECK(weir_public_key_equal(&pair.shown, &again.shown));
    weir_key_pair_wipe(&pair);
    weir_key_pair_wipe(&again);
}

static void check_public_key(const uint8_t *bytes, size_t size)
{
    weir_public_key key, again;
    char hex[WEIR_KEY_HEX], *text = fuzz_text(bytes, size);
    weir_error err = WEIR_ERROR_INIT;
    int rc = weir_public_key_parse(text, &key, &err);

    if (rc != 0) {
        fuzz_check_failure(rc, &err);
    } else {
        FUZZ_OK(weir_public_key_parse(weir_public_key_format(&key, hex), &again, &err));
        FUZZ_CHECK(weir_public_key_equal(&key, &again));
    }
    weir_free(text);
}

static void check_allow_list(const uint8_t *bytes, size_t size)
{
    weir_allow_list *list = NULL, *again = NULL;
    weir_error err = WEIR_ERROR_INIT;
    const char *path = put_file("allow", bytes, size), *label = NULL;
    int rc = weir_allow_list_load(path, &list, &err);

    if (rc != 0) {
        fuzz_check_failure(rc, &err);
        return;
    }
    FUZZ_CHECK(unlink(path) == 0);
    for (size_t i = 0; i < weir_allow_list_count(list); i++) {
        const weir_allowed *one = weir_allow_list_at(list, i);
        FUZZ_CHECK((weir_allow_list_roles(list, &one->key, &label) & one->role) == one->role);
        FUZZ_CHECK(fuzz_is_clean(one->label) && strlen(one->label) < WEIR_LABEL_MAX);
        rc = weir_allow_list_add(path, one->role, &one->key, one->label, &err);
        if (rc != 0)
            fuzz_check_failure(rc, &err);
        FUZZ_CHECK(rc == 0 || rc == WEIR_EEXISTS);
    }
    if (weir_allow_list_count(list) > 0) {
        rc = weir_allow_list_load(path, &again, &err);
        if (rc != 0)
            fuzz_fail(__FILE__, __LINE__, "what was added is refused: %s", err.text);
        for (size_t i = 0; i < weir_allow_list_count(list); i++) {
            const weir_public_key *key = &weir_allow_list_at(list, i)->key;
            FUZZ_CHECK(weir_allow_list_roles(list, key, NULL) ==
                       weir_allow_list_roles(again, key, NULL));
        }
    }
    weir_allow_list_destroy(&list);
    weir_allow_list_destroy(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const files[])(const uint8_t *, size_t) = {
        check_context, check_pid,        check_yaml,      check_stored_yaml,
        check_key,     check_public_key, check_allow_list};
    fuzz_input input = {data, size};
    uint32_t which = fuzz_below(&input, WEIR_COUNT(files));
    size_t length;
    const uint8_t *rest = fuzz_rest(&input, &length);

    set_up();
    files[which](rest, length);
    return 0;
}
