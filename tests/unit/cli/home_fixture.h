/* tests/unit/cli/home_fixture.h -- a test's own $WEIR_HOME and cache, in a directory that goes with
 * it.
 */
#ifndef TESTS_CLI_HOME_FIXTURE_H
#define TESTS_CLI_HOME_FIXTURE_H

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char home[64];

static int make_home(void **state)
{
    (void)state;
    snprintf(home, sizeof home, "/tmp/weir-cli-XXXXXX");
    if (mkdtemp(home) == NULL)
        return -1;
    return setenv("WEIR_HOME", home, 1) != 0 || setenv("XDG_CACHE_HOME", home, 1) != 0 ||
           unsetenv("WEIR_CONFIG") != 0 || unsetenv("CC") != 0;
}

static int remove_home(void **state)
{
    (void)state;
    return weir_file_remove_tree(home, NULL);
}

/* "<home>/<name>"; the text lives until the next call but three. */
static const char *in_home(const char *name)
{
    static char texts[4][128];
    static unsigned next;
    char *text = texts[next++ % 4];

    snprintf(text, sizeof texts[0], "%s/%s", home, name);
    return text;
}

static void write_file(const char *path, const char *text)
{
    if (weir_file_write_atomic(path, text, strlen(text), 0644, NULL) != 0)
        abort();
}

#endif
