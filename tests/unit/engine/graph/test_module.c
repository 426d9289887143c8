/* Loading a real job, and files that are none. */
#include "graph_fixture.h"

#include "base/file.h"
#include "graph/module.h"

#include <elf.h>
#include <stdlib.h>
#include <unistd.h>

#define WORDCOUNT WEIR_EXAMPLES_DIR "/wordcount.so"

static weir_buffer original = WEIR_BUFFER_INIT; /* the bytes of WORDCOUNT */
static char scratch[] = "/tmp/weir-module-XXXXXX";
static char scratch_file[64];

static int setup(void **state)
{
    (void)state;
    if (weir_file_read(WORDCOUNT, 64u << 20, &original, NULL) != 0 || mkdtemp(scratch) == NULL)
        return -1;
    snprintf(scratch_file, sizeof(scratch_file), "%s/job.so", scratch);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_buffer_deinit(&original);
    return weir_file_remove_tree(scratch, NULL);
}

/* Writes the bytes in place: a fresh file each time would cost an fsync. */
static int check_bytes(const void *bytes, size_t size, weir_error *err)
{
    FILE *file = fopen(scratch_file, "wb");
    uint32_t abi = 77;
    int rc;

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    rc = weir_module_check(scratch_file, &abi, err);
    assert_int_equal(abi, rc == 0 ? WEIR_ABI : 77);
    return rc;
}

static uint8_t *copy_original(void)
{
    uint8_t *copy = malloc(original.size);

    assert_non_null(copy);
    memcpy(copy, original.data, original.size);
    return copy;
}

/* Where the note's content (magic, abi, api size) lies in the file. */
static size_t note_offset(void)
{
    const uint32_t head[] = {5, 12, 1};

    for (size_t i = 0; i + 32 <= original.size; i += 4) {
        if (memcmp(original.data + i, head, sizeof(head)) == 0 &&
            memcmp(original.data + i + 12, "Weir", 5) == 0)
            return i + 20;
    }
    fail_msg("no note in %s", WORDCOUNT);
    return 0;
}

static void test_load(void **state)
{
    weir_loaded_module module = {NULL, NULL};
    weir_environment *environment = NULL;
    weir_environment_config config = fixture_config();
    weir_error err = WEIR_ERROR_INIT;
    weir_graph *graph;
    uint32_t abi = 0;

    (void)state;
    assert_int_equal(weir_module_check(WORDCOUNT, &abi, &err), 0);
    assert_int_equal(abi, WEIR_ABI);
    assert_int_equal(weir_module_load(WORDCOUNT, &module, &err), 0);
    assert_string_equal(module.module->name, "wordcount");
    assert_int_equal(fixture_try(module.module, &config, &environment, &err), 0);
    graph = weir_environment_graph(environment);
    assert_int_equal(graph->noperators, 4);
    assert_string_equal(graph->operators[1].name, "split");
    assert_non_null(strstr(graph->operators[1].where, "wordcount.c:"));
    weir_environment_destroy(&environment);
    weir_module_unload(&module);
    weir_module_unload(&module);
    weir_module_unload(NULL);
}

static void test_no_job(void **state)
{
    static const char *const text = "int main(void) { return 0; } /* long enough for a header */\n";
    weir_error err = WEIR_ERROR_INIT;
    uint8_t *copy = copy_original();

    (void)state;
    assert_int_equal(weir_module_check("/nowhere/x.so", NULL, &err), WEIR_ENOT_FOUND);
    assert_int_equal(weir_module_check("/tmp", NULL, &err), WEIR_EINVALID);
    assert_int_equal(check_bytes(text, strlen(text), &err), WEIR_EINVALID);
    assert_non_null(strstr(err.text, "it is no ELF file"));
    assert_int_equal(check_bytes("", 0, &err), WEIR_EINVALID);

    memcpy(copy + note_offset() - 8, "Wier", 4);
    assert_int_equal(check_bytes(copy, original.size, &err), WEIR_EINVALID);
    assert_non_null(strstr(err.text, "not a weir job: it has no WEIR_JOB"));
    free(copy);
    assert_int_equal(weir_module_check("/proc/self/exe", NULL, &err), WEIR_EINVALID);
}

static void test_versions(void **state)
{
    weir_error err = WEIR_ERROR_INIT;
    weir_loaded_module module = {NULL, NULL};
    uint8_t *copy = copy_original();
    uint32_t number = 2, larger = sizeof(weir_api) + 8, smaller = 64;
    size_t at = note_offset();

    (void)state;
    memcpy(copy + at + 4, &number, 4);
    assert_int_equal(check_bytes(copy, original.size, &err), WEIR_EVERSION);
    assert_non_null(strstr(err.text, "built for ABI 2, this weir speaks 1; compile it again with "
                                     "this weir's headers: weir run job.c"));
    assert_int_equal(weir_module_load(scratch_file, &module, &err), WEIR_EVERSION);
    assert_null(module.handle);
    memcpy(copy + at + 4, original.data + at + 4, 4);
    memcpy(copy + at + 8, &larger, 4);
    assert_int_equal(check_bytes(copy, original.size, &err), WEIR_EVERSION);
    memcpy(copy + at + 8, &smaller, 4);
    assert_int_equal(check_bytes(copy, original.size, &err), 0);
    free(copy);
}

static void test_other_files(void **state)
{
    weir_error err = WEIR_ERROR_INIT;
    uint8_t *copy = copy_original();
    Elf64_Ehdr *header = (Elf64_Ehdr *)(void *)copy;

    (void)state;
    header->e_machine = EM_S390;
    assert_int_equal(check_bytes(copy, original.size, &err), WEIR_EINVALID);
    assert_non_null(strstr(err.text, "another kind of machine"));
    memcpy(copy, original.data, sizeof(*header));
    header->e_type = ET_EXEC;
    assert_int_equal(check_bytes(copy, original.size, &err), WEIR_EINVALID);
    assert_non_null(strstr(err.text, "link it with -shared"));
    memcpy(copy, original.data, sizeof(*header));
    header->e_phnum = 0; /* the section is found without a segment */
    assert_int_equal(check_bytes(copy, original.size, &err), 0);
    header->e_shnum = 0;
    assert_int_equal(check_bytes(copy, original.size, &err), WEIR_EINVALID);
    free(copy);
}

/* Damaged and cut files: an answer, whatever it is, and no read outside of the file. */
static void test_damage(void **state)
{
    uint64_t seed = 7;

    (void)state;
    for (size_t size = 0; size < original.size; size += 1 + original.size / 200)
        (void)check_bytes(original.data, size, NULL);
    /* Its first quarter holds the note, and too little of the rest to be loaded. */
    assert_int_equal(check_bytes(original.data, original.size / 4, NULL), WEIR_EINVALID);
    for (int round = 0; round < 2000; round++) {
        uint8_t *copy = copy_original();

        for (int i = 0; i < 4; i++) {
            size_t range;

            seed = seed * 6364136223846793005u + 1442695040888963407u;
            /* Mostly the headers, where the offsets are. */
            range = (seed >> 60) < 12 ? 1024 : original.size;
            copy[(seed >> 20) % range] = (uint8_t)(seed >> 50);
        }
        (void)check_bytes(copy, original.size, NULL);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load),     cmocka_unit_test(test_no_job),
        cmocka_unit_test(test_versions), cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_damage),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
