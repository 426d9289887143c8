/* tests/fuzz/replay.c -- runs a target on the inputs that are kept: every file of the given
 * directories, or the given files. The targets' entry functions have names of their own here.
 *
 *   fuzz_replay TARGET [FILE|DIRECTORY...]
 *
 * What goes wrong ends the process; the last file that was named is the one. */
#include "fuzz.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef int (*entry)(const uint8_t *data, size_t size);

#define TARGET(name) int fuzz_one_##name(const uint8_t *data, size_t size);
#include "fuzz_targets.inc"
#undef TARGET

static const struct {
    const char *name;
    entry run;
} targets[] = {
#define TARGET(name) {#name, fuzz_one_##name},
#include "fuzz_targets.inc"
#undef TARGET
};

static int failed(const char *path, const char *what)
{
    fprintf(stderr, "fuzz_replay: error: %s: %s\n", path, what);
    return 1;
}

static int run_file(entry run, const char *path)
{
    weir_buffer content = WEIR_BUFFER_INIT;
    weir_error err = WEIR_ERROR_INIT;

    fprintf(stderr, "%s\n", path);
    if (weir_file_read(path, 16u << 20, &content, &err) != 0)
        return failed(path, err.text);
    uint8_t *exact = fuzz_copy(content.data, content.size);
    run(exact, content.size);
    weir_free(exact);
    weir_buffer_deinit(&content);
    return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int run_path(entry run, const char *path)
{
    struct dirent **names = NULL;
    struct stat status;
    int rc = 0;

    if (stat(path, &status) != 0)
        return errno == ENOENT ? 0 : failed(path, strerror(errno)); /* no crashes of this target */
    if (!S_ISDIR(status.st_mode))
        return run_file(run, path);
    int count = scandir(path, &names, NULL, by_name);
    if (count < 0)
        return failed(path, strerror(errno));
    for (int i = 0; i < count; i++) {
        char *file = weir_asprintf("%s/%s", path, names[i]->d_name);
        FUZZ_CHECK(file != NULL);
        if (names[i]->d_name[0] != '.' && rc == 0)
            rc = run_path(run, file);
        weir_free(file);
        free(names[i]);
    }
    free(names);
    return rc;
}

int main(int argc, char **argv)
{
    entry run = NULL;
    int rc = 0;

    for (size_t i = 0; argc > 1 && i < WEIR_COUNT(targets); i++) {
        if (strcmp(argv[1], targets[i].name) == 0)
            run = targets[i].run;
    }
    if (run == NULL)
        return failed(argc > 1 ? argv[1] : "TARGET", "no such target; see tests/fuzz/README.md");
    weir_log_setup("fuzz", WEIR_LOG_OFF);
    run((const uint8_t *)"", 0);
    for (int i = 2; rc == 0 && i < argc; i++)
        rc = run_path(run, argv[i]);
    return rc;
}
