/* tests/unit/base/test_key.c -- key pairs, their files, and the list of allowed keys. */
#include "base/allow_list.h"
#include "base/file.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/weir-test-key-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    FILE *file = fopen(path_of(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path_of(name), mode), 0);
}

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) == NULL ? -1 : 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return weir_file_remove_tree(directory, NULL);
}

static void a_key_comes_back_from_its_file(void **state)
{
    (void)state;
    weir_key_pair made, read;
    struct stat status;
    assert_int_equal(weir_key_pair_new(&made, NULL), 0);
    umask(0); /* even where a user's mask would let everybody read */
    assert_int_equal(weir_key_pair_store(&made, path_of("a.key"), NULL), 0);
    umask(022);
    assert_int_equal(stat(path_of("a.key"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(weir_key_pair_load(path_of("a.key"), &read, NULL), 0);
    assert_memory_equal(&made, &read, sizeof made);
}

static void a_key_is_never_overwritten(void **state)
{
    (void)state;
    weir_key_pair first, second, read;
    assert_int_equal(weir_key_pair_new(&first, NULL), 0);
    assert_int_equal(weir_key_pair_new(&second, NULL), 0);
    assert_memory_not_equal(&first, &second, sizeof first);
    assert_int_equal(weir_key_pair_store(&first, path_of("once.key"), NULL), 0);
    assert_int_equal(weir_key_pair_store(&second, path_of("once.key"), NULL), WEIR_EEXISTS);
    assert_int_equal(weir_key_pair_load(path_of("once.key"), &read, NULL), 0);
    assert_memory_equal(&first, &read, sizeof first);
}

static void a_key_that_others_can_read_is_refused(void **state)
{
    (void)state;
    static const mode_t bad[] = {0640, 0604, 0620, 0602, 0610, 0601, 0644};
    weir_key_pair pair;
    weir_error error;
    assert_int_equal(weir_key_pair_new(&pair, NULL), 0);
    assert_int_equal(weir_key_pair_store(&pair, path_of("open.key"), NULL), 0);
    for (size_t i = 0; i < WEIR_COUNT(bad); i++) {
        assert_int_equal(chmod(path_of("open.key"), bad[i]), 0);
        assert_int_equal(weir_key_pair_load(path_of("open.key"), &pair, &error), WEIR_EREFUSED);
        assert_non_null(strstr(error.text, "chmod 0600"));
    }
    assert_int_equal(chmod(path_of("open.key"), 0400), 0);
    assert_int_equal(weir_key_pair_load(path_of("open.key"), &pair, &error), 0);
}

static void a_key_of_another_user_is_refused(void **state)
{
    (void)state;
    weir_key_pair pair;
    weir_error error;
    if (geteuid() != 0)
        skip();
    assert_int_equal(weir_key_pair_new(&pair, NULL), 0);
    assert_int_equal(weir_key_pair_store(&pair, path_of("foreign.key"), NULL), 0);
    assert_int_equal(chown(path_of("foreign.key"), 12345, 12345), 0);
    assert_int_equal(weir_key_pair_load(path_of("foreign.key"), &pair, &error), WEIR_EREFUSED);
    assert_non_null(strstr(error.text, "12345"));
}

#define PUBLISHED_SERVER "54fcba24e93249969316fb617c872bb0c1d1ff14800427c594cbfacf1bc2d652"
#define PUBLISHED_SECRET "8e0bdd697628b91d8f245587ee95c5b04d48963f79259877b49cd9063aead3b7"
#define OF_64_DIGITS     "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void what_is_no_key_file_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "weir-key 1\n",
        "weir-key 2\npublic " OF_64_DIGITS "\nsecret " OF_64_DIGITS "\n",
        "weir-key 1\npublic " OF_64_DIGITS "\n",
        "weir-key 1\npublic " OF_64_DIGITS "\nsecret 00\n",
        "weir-key 1\npublic " OF_64_DIGITS "0\nsecret " OF_64_DIGITS "\n",
        "weir-key 1\npublic " OF_64_DIGITS "\nsecret " OF_64_DIGITS "\nmore\n",
        "weir-key 1\npublic " OF_64_DIGITS "\npublic " OF_64_DIGITS "\n",
    };
    weir_key_pair pair;
    weir_error error;
    for (size_t i = 0; i < WEIR_COUNT(bad); i++) {
        write_file("bad.key", bad[i], 0600);
        assert_int_equal(weir_key_pair_load(path_of("bad.key"), &pair, &error), WEIR_EINVALID);
        assert_non_null(strstr(error.text, "weir keys new"));
    }
    write_file("bad.key", "weir-key 1\npublic " OF_64_DIGITS "\nsecret " OF_64_DIGITS "\n", 0600);
    assert_int_equal(weir_key_pair_load(path_of("bad.key"), &pair, &error), WEIR_EINVALID);
    assert_non_null(strstr(error.text, "belong together"));
    assert_int_equal(weir_key_pair_load(path_of("none.key"), &pair, &error), WEIR_ENOT_FOUND);
}

static void the_key_of_the_manual_is_refused(void **state)
{
    (void)state;
    weir_key_pair pair;
    weir_error error;
    write_file("manual.key",
               "weir-key 1\npublic " PUBLISHED_SERVER "\nsecret " PUBLISHED_SECRET "\n", 0600);
    assert_int_equal(weir_key_pair_load(path_of("manual.key"), &pair, &error), WEIR_EINVALID);
    assert_non_null(strstr(error.text, "manual"));
}

static void public_keys_are_64_hex_digits(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "00",
        OF_64_DIGITS "0",
        OF_64_DIGITS "00",
        "0x112233445566778899aabbccddeeff00112233445566778899aabbccddeef",
        "g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"};
    weir_public_key key, upper;
    char hex[WEIR_KEY_HEX];
    for (size_t i = 0; i < WEIR_COUNT(bad); i++)
        assert_int_equal(weir_public_key_parse(bad[i], &key, NULL), WEIR_EINVALID);
    assert_int_equal(weir_public_key_parse(OF_64_DIGITS, &key, NULL), 0);
    assert_string_equal(weir_public_key_format(&key, hex), OF_64_DIGITS);
    for (size_t i = 0; hex[i] != '\0'; i++)
        if (hex[i] >= 'a')
            hex[i] = (char)(hex[i] - 'a' + 'A');
    assert_int_equal(weir_public_key_parse(hex, &upper, NULL), 0);
    assert_true(weir_public_key_equal(&key, &upper));
}

/* --- the list --- */

static void a_list_tells_roles(void **state)
{
    (void)state;
    weir_key_pair a, b, c;
    weir_allow_list *list;
    const char *label = NULL;
    const char *path = path_of("allowed");
    assert_int_equal(weir_key_pair_new(&a, NULL), 0);
    assert_int_equal(weir_key_pair_new(&b, NULL), 0);
    assert_int_equal(weir_key_pair_new(&c, NULL), 0);
    assert_int_equal(weir_allow_list_add(path, WEIR_ROLE_CLIENT, &a.shown, "ann on b", NULL), 0);
    assert_int_equal(weir_allow_list_add(path, WEIR_ROLE_TASKMANAGER, &b.shown, "", NULL), 0);
    assert_int_equal(weir_allow_list_add(path, WEIR_ROLE_DISPATCHER, &a.shown, "", NULL), 0);
    assert_int_equal(weir_allow_list_add(path, WEIR_ROLE_CLIENT, &a.shown, "", NULL), WEIR_EEXISTS);
    assert_int_equal(weir_allow_list_load(path, &list, NULL), 0);
    assert_int_equal(weir_allow_list_count(list), 3);
    assert_int_equal(weir_allow_list_roles(list, &a.shown, &label),
                     WEIR_ROLE_CLIENT | WEIR_ROLE_DISPATCHER);
    assert_string_equal(label, "ann on b");
    assert_int_equal(weir_allow_list_roles(list, &b.shown, NULL), WEIR_ROLE_TASKMANAGER);
    assert_int_equal(weir_allow_list_roles(list, &c.shown, NULL), 0);
    weir_allow_list_destroy(&list);
}

static void every_bad_line_is_told(void **state)
{
    (void)state;
    weir_allow_list *list = NULL;
    weir_error error;
    write_file("bad-list",
               "# fine\n\n  client\t" OF_64_DIGITS "   ann  # and a comment\n"
               "runner " OF_64_DIGITS "\n"
               "client\n"
               "root " OF_64_DIGITS "\n"
               "client " OF_64_DIGITS "0\n",
               0644);
    assert_int_equal(weir_allow_list_load(path_of("bad-list"), &list, &error), WEIR_EINVALID);
    assert_null(list);
    assert_null(strstr(error.text, "bad-list:3: error: "));
    for (int line = 4; line <= 7; line++) {
        char start[32];
        snprintf(start, sizeof start, "bad-list:%d: error: ", line);
        assert_non_null(strstr(error.text, start));
    }
}

static void a_list_that_others_can_write_is_refused(void **state)
{
    (void)state;
    weir_allow_list *list;
    weir_key_pair pair;
    weir_error error;
    assert_int_equal(weir_key_pair_new(&pair, NULL), 0);
    write_file("open-list", "client " OF_64_DIGITS "\n", 0664);
    assert_int_equal(weir_allow_list_load(path_of("open-list"), &list, &error), WEIR_EREFUSED);
    assert_non_null(strstr(error.text, "chmod 0644"));
    assert_int_equal(
        weir_allow_list_add(path_of("open-list"), WEIR_ROLE_CLIENT, &pair.shown, "", &error),
        WEIR_EREFUSED);
}

/* A damaged list is not made longer; a failing disk leaves the old one. */
static void adding_is_all_or_nothing(void **state)
{
    (void)state;
    weir_allow_list *list;
    weir_key_pair pair;
    assert_int_equal(weir_key_pair_new(&pair, NULL), 0);
    const char *path = path_of("whole");
    write_file("whole", "client " OF_64_DIGITS, 0644); /* without a newline at its end */
    int rc = -1;
    for (uint64_t nth = 1; rc != 0; nth++) {
        assert_true(nth < 100);
        weir_file_fail_at(nth, 5);
        rc = weir_allow_list_add(path, WEIR_ROLE_TASKMANAGER, &pair.shown, "", NULL);
        weir_file_fail_at(0, 0);
        assert_int_equal(weir_allow_list_load(path, &list, NULL), 0);
        size_t count = weir_allow_list_count(list);
        weir_allow_list_destroy(&list);
        assert_true(rc != 0 ? count == 1 || count == 2 : count == 2);
        if (rc == WEIR_EEXISTS)
            break; /* the one before failed behind its rename only */
    }
}

static void roles_have_names(void **state)
{
    (void)state;
    char text[WEIR_ROLES_TEXT_MAX];
    assert_int_equal(weir_role_parse("taskmanager"), WEIR_ROLE_TASKMANAGER);
    assert_int_equal(weir_role_parse("Client"), 0);
    assert_int_equal(weir_role_parse(""), 0);
    assert_string_equal(weir_roles_format(0, text), "none");
    assert_string_equal(weir_roles_format(WEIR_ROLE_CLIENT | WEIR_ROLE_DISPATCHER, text),
                        "dispatcher, client");
    assert_string_equal(weir_roles_format(~0u, text),
                        "dispatcher, jobmanager, taskmanager, client, runner");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_comes_back_from_its_file),
        cmocka_unit_test(a_key_is_never_overwritten),
        cmocka_unit_test(a_key_that_others_can_read_is_refused),
        cmocka_unit_test(a_key_of_another_user_is_refused),
        cmocka_unit_test(what_is_no_key_file_is_refused),
        cmocka_unit_test(the_key_of_the_manual_is_refused),
        cmocka_unit_test(public_keys_are_64_hex_digits),
        cmocka_unit_test(a_list_tells_roles),
        cmocka_unit_test(every_bad_line_is_told),
        cmocka_unit_test(a_list_that_others_can_write_is_refused),
        cmocka_unit_test(adding_is_all_or_nothing),
        cmocka_unit_test(roles_have_names),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
