/* The artifact cache, and names of functions in a shared object. */
#include "base/file.h"
#include "base/id.h"
#include "taskmanager/artifact_cache.h"
#include "taskmanager/symbols.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_an_artifact_is_there_when_whole(void **state)
{
    char directory[] = "/tmp/weir-cache-XXXXXX", path[256], digest[WEIR_DIGEST_HEX];
    const char content[] = "0123456789";
    weir_digest of = weir_digest_of(content, 10);
    weir_error error = WEIR_ERROR_INIT;
    (void)state;

    assert_non_null(mkdtemp(directory));
    weir_digest_format(&of, digest);
    assert_int_equal(weir_artifact_cache_find(directory, digest, path, sizeof path),
                     WEIR_ENOT_FOUND);
    assert_int_equal(weir_artifact_cache_store(directory, digest, 0, content, 4, 10, &error), 0);
    assert_int_equal(weir_artifact_cache_find(directory, digest, path, sizeof path),
                     WEIR_ENOT_FOUND);
    assert_int_equal(weir_artifact_cache_store(directory, digest, 4, content + 4, 6, 10, &error),
                     0);
    assert_int_equal(weir_artifact_cache_find(directory, digest, path, sizeof path), 0);
    assert_int_equal(weir_file_remove_tree(directory, &error), 0);
}

static void test_another_content_is_refused(void **state)
{
    char directory[] = "/tmp/weir-cache-XXXXXX", path[256], digest[WEIR_DIGEST_HEX];
    weir_digest of = weir_digest_of("0123456789", 10);
    weir_error error = WEIR_ERROR_INIT;
    (void)state;

    assert_non_null(mkdtemp(directory));
    weir_digest_format(&of, digest);
    assert_int_equal(weir_artifact_cache_store(directory, digest, 0, "012345678X", 10, 10, &error),
                     WEIR_ECORRUPT);
    assert_int_equal(weir_artifact_cache_find(directory, digest, path, sizeof path),
                     WEIR_ENOT_FOUND);
    assert_int_equal(weir_artifact_cache_store(directory, "../../etc/passwd", 0, "x", 1, 1, &error),
                     WEIR_EINVALID);
    assert_int_equal(weir_file_remove_tree(directory, &error), 0);
}

/* Static functions are found, too: `split` is not exported by the example. */
static void test_functions_have_names(void **state)
{
    const char *path = WEIR_EXAMPLES_DIR "/wordcount.so";
    char name[64], found_split = 0;
    (void)state;

    for (uint64_t offset = 0; offset < 0x4000; offset++)
        found_split |=
            weir_symbol_at(path, offset, name, sizeof name) == 0 && strcmp(name, "split") == 0;
    assert_true(found_split);
    assert_int_equal(weir_symbol_at(path, 1ull << 60, name, sizeof name), -1);
    assert_int_equal(weir_symbol_at("/etc/passwd", 0, name, sizeof name), -1);
    assert_int_equal(weir_symbol_at("/nowhere", 0, name, sizeof name), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_artifact_is_there_when_whole),
        cmocka_unit_test(test_another_content_is_refused),
        cmocka_unit_test(test_functions_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
