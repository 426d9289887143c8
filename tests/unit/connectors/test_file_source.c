/* test_file_source.c -- files, splits, lines and csv from the filesystem connector. */
#include "harness.h"

#include "connectors/filesystem/split.h"

#include <sys/stat.h>
#include <unistd.h>

#define LINE "text string not null"

typedef struct directory {
    char path[64], file[96], url[256];
} directory;

static void make(directory *d, const char *name, const void *bytes, size_t size)
{
    harness_directory(d->path);
    snprintf(d->file, sizeof d->file, "%s/%s", d->path, name);
    snprintf(d->url, sizeof d->url, "file:%s", d->file);
    harness_write_file(d->file, bytes, size);
}

static void drop(directory *d)
{
    assert_int_equal(weir_file_remove_tree(d->path, NULL), 0);
}

/* Reads `content` with the given options and compares rows (as JSON lines). */
static void expect(const char *content, size_t size, const char *options, const char *schema,
                   const char *wanted)
{
    weir_buffer rows = WEIR_BUFFER_INIT;
    directory d;
    harness h;

    make(&d, "in.txt", content, size);
    snprintf(d.url, sizeof d.url, "file:%s?%s", d.file, options);
    if (harness_open(&h, d.url, schema, false) != 0)
        fail_msg("%s", h.err.text);
    if (harness_read_all(&h, 3, &rows) != 0)
        fail_msg("%s", h.err.text);
    assert_string_equal(weir_buffer_text(&rows), wanted);
    weir_buffer_deinit(&rows);
    harness_close(&h);
    drop(&d);
}

static void expect_text(const char *content, const char *options, const char *schema,
                        const char *wanted)
{
    expect(content, strlen(content), options, schema, wanted);
}

/* Reading fails, and the message holds both pieces. */
static void expect_error(const char *content, const char *options, const char *schema,
                         const char *piece, const char *piece2)
{
    weir_buffer rows = WEIR_BUFFER_INIT;
    directory d;
    harness h;

    make(&d, "in.csv", content, strlen(content));
    snprintf(d.url, sizeof d.url, "file:%s?%s", d.file, options);
    assert_int_equal(harness_open(&h, d.url, schema, false), 0);
    assert_true(harness_read_all(&h, 100, &rows) < 0);
    if (strstr(h.err.text, piece) == NULL || strstr(h.err.text, piece2) == NULL)
        fail_msg("'%s' lacks '%s' or '%s'", h.err.text, piece, piece2);
    assert_non_null(strstr(h.err.text, d.file));
    weir_buffer_deinit(&rows);
    harness_close(&h);
    drop(&d);
}

static void lines_end_as_they_may(void **state)
{
    (void)state;
    expect_text("", "", LINE, "");
    expect_text("a", "", LINE, "{\"text\":\"a\"}\n");
    expect_text("a\n", "", LINE, "{\"text\":\"a\"}\n");
    expect_text("\n", "", LINE, "{\"text\":\"\"}\n");
    expect_text("a\r\n\r\nb\r", "", LINE, "{\"text\":\"a\"}\n{\"text\":\"\"}\n{\"text\":\"b\"}\n");
    expect_text("h\na\n", "header=true", LINE, "{\"text\":\"a\"}\n");
    expect_text("h", "header=true", LINE, "");
    expect("a\0b\nc", 5, "", LINE, "{\"text\":\"a\\u0000b\"}\n{\"text\":\"c\"}\n");
    expect_text("\xff\n", "", LINE, "{\"text\":\"\xef\xbf\xbd\"}\n");
    expect_text("a\nbcd\n", "", "text string", "{\"text\":\"a\"}\n{\"text\":\"bcd\"}\n");
    expect_text("a\nbcd\n", "on-error=skip", "text varchar(2) not null", "{\"text\":\"a\"}\n");
}

/* Random files, random split sizes, several batch limits: every line once, in order. */
static void splits_give_every_line_once(void **state)
{
    weir_prng prng = {11};

    (void)state;
    for (int round = 0; round < 300; round++) {
        char content[2000];
        size_t size = (size_t)weir_prng_below(&prng, sizeof content);
        uint64_t newline = 1 + weir_prng_below(&prng, 40);
        weir_buffer wanted = WEIR_BUFFER_INIT, got = WEIR_BUFFER_INIT;
        bool header = weir_prng_below(&prng, 4) == 0;
        directory d;
        harness h;

        for (size_t i = 0; i < size; i++)
            content[i] = weir_prng_below(&prng, newline) == 0
                             ? '\n'
                             : (char)('a' + weir_prng_below(&prng, 26));
        for (size_t from = 0, n = 0; from < size; n++) {
            const char *end = memchr(content + from, '\n', size - from);
            size_t length = (end != NULL ? (size_t)(end - content) : size) - from;

            if (n > 0 || !header)
                weir_buffer_printf(&wanted, "{\"text\":\"%.*s\"}\n", (int)length, content + from);
            from += length + 1;
        }
        make(&d, "in.txt", content, size);
        snprintf(d.url, sizeof d.url, "file:%s?split-size=%u&header=%s", d.file,
                 1 + (unsigned)weir_prng_below(&prng, round % 2 ? 12 : 900),
                 header ? "true" : "false");
        assert_int_equal(harness_open(&h, d.url, LINE, false), 0);
        assert_int_equal(harness_read_all(&h, 1 + (uint32_t)weir_prng_below(&prng, 50), &got), 0);
        assert_string_equal(weir_buffer_text(&got), weir_buffer_text(&wanted));
        weir_buffer_deinit(&wanted);
        weir_buffer_deinit(&got);
        harness_close(&h);
        drop(&d);
    }
}

/* More than the buffer, in lines longer than the window, over many splits. */
static void large_files_are_read_whole(void **state)
{
    size_t size = 5u << 20, lines = 0, bytes = 0;
    char *content = weir_alloc(size + 1);
    weir_prng prng = {13};
    weir_buffer got = WEIR_BUFFER_INIT;
    directory d;
    harness h;

    (void)state;
    assert_non_null(content);
    memset(content, 'x', size);
    for (size_t at = 0; at < size;
         at += 1 + weir_prng_below(&prng, lines % 50 == 0 ? 400000 : 90)) {
        content[at] = '\n';
        lines++;
    }
    content[size - 1] = '\n';
    make(&d, "in.txt", content, size);
    snprintf(d.url, sizeof d.url, "file:%s?split-size=700kb", d.file);
    assert_int_equal(harness_open(&h, d.url, LINE, false), 0);
    assert_int_equal(harness_read_all(&h, 1000, &got), 0);
    lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += content[i] == '\n';
    for (size_t i = 0; i < got.size; i++)
        bytes += got.data[i] == '\n';
    assert_int_equal(bytes, lines);
    assert_int_equal(got.size - bytes * (sizeof "{\"text\":\"\"}\n" - 1), size - lines);
    weir_buffer_deinit(&got);
    weir_free(content);
    harness_close(&h);
    drop(&d);
}

static void csv_reads_every_type(void **state)
{
    (void)state;
    expect_text(
        "true,-1,2,-3,4,1.5,2.25,12.30,abc,de,00ff,2024-02-29,10:00,2024-02-29 10:00:00.5,"
        "2024-02-29T10:00:00Z,7,8\n",
        "format=csv",
        "a boolean not null, b tinyint not null, c smallint not null, d integer not null, "
        "e bigint not null, f float not null, g double not null, h decimal(10, 2) not null, "
        "i string not null, j varchar(2) not null, k bytes not null, l date not null, "
        "m time not null, n timestamp(3) not null, o timestamp_ltz(6) not null, "
        "p bigint not null, q integer",
        "{\"a\":true,\"b\":-1,\"c\":2,\"d\":-3,\"e\":4,\"f\":1.5,\"g\":2.25,\"h\":12.30,"
        "\"i\":\"abc\",\"j\":\"de\",\"k\":\"00ff\",\"l\":\"2024-02-29\",\"m\":\"10:00:00\","
        "\"n\":\"2024-02-29 10:00:00.500\",\"o\":\"2024-02-29 10:00:00.000000Z\",\"p\":7,"
        "\"q\":8}\n");
}

static void csv_quotes_and_nulls(void **state)
{
    const char *two = "a string, b integer";

    (void)state;
    expect_text("x,1\n\"x\"\"y,\",2\n,\n\"\",3\n\n", "", two,
                "{\"a\":\"x\",\"b\":1}\n{\"a\":\"x\\\"y,\",\"b\":2}\n{\"a\":null,\"b\":null}\n"
                "{\"a\":\"\",\"b\":3}\n");
    expect_text("\"\"\"\"\"\",1\n\"a\"\"b\"\"c\",2", "", two,
                "{\"a\":\"\\\"\\\"\",\"b\":1}\n{\"a\":\"a\\\"b\\\"c\",\"b\":2}\n");
    expect_text("NA;NA\r\n\"NA\"; 5 \r\n;6", "delimiter=;&null=NA", two,
                "{\"a\":null,\"b\":null}\n{\"a\":\"NA\",\"b\":5}\n{\"a\":\"\",\"b\":6}\n");
    expect_text("5\" pipe,1\n", "", two, "{\"a\":\"5\\\" pipe\",\"b\":1}\n");
    expect_text("\"a,1\n", "quote=", two, "{\"a\":\"\\\"a\",\"b\":1}\n");
    expect_text("a\t1\n", "delimiter=\\t", two, "{\"a\":\"a\",\"b\":1}\n");
    expect_text("\"a\nb\",1\nc,2", "multiline=true&split-size=1", two,
                "{\"a\":\"a\\nb\",\"b\":1}\n{\"a\":\"c\",\"b\":2}\n");
    expect_text("1\n\n2\n", "", "n integer", "{\"n\":1}\n{\"n\":null}\n{\"n\":2}\n");
    expect_text("a,b\n1,2\n", "header=true", "a integer, b integer", "{\"a\":1,\"b\":2}\n");
}

static void bad_rows_are_named_or_skipped(void **state)
{
    const char *two = "a string, b integer not null";

    (void)state;
    expect_error("x,1\ny,12a\n", "", two, "byte 4: field 'b' (integer) is not a number",
                 "found \"12a\" in \"y,12a\"");
    expect_error("x,1\ny\n", "", two, "byte 4: row has fewer fields", "found \"y\"");
    expect_error("x,1,2\n", "", two, "byte 0: row has more fields", "on-error=skip");
    expect_error("x,\n", "", two, "field 'b' (integer) is empty", "found \"\"");
    expect_error("\"x,1\nz,2\n", "", two, "no closing quote on its line", "multiline=true");
    expect_error("\"x,1\nz,2\n", "multiline=true", two, "no closing quote", "found");
    expect_error("\"x\"y,1\n", "", two, "text behind its closing quote", "byte 0");
    expect_error("\x01\n", "", two, "fewer fields", "found \"\\x01\"");
    expect_error("0123456789\n", "max-line-size=9&format=line", LINE, "longer than max-line-size",
                 "byte 0");
    expect_text("x,1\ny,12a\nz\nw,4\n", "format=csv&on-error=skip", two,
                "{\"a\":\"x\",\"b\":1}\n{\"a\":\"w\",\"b\":4}\n");
    expect_text("0123456789\nab\n0123456789", "max-line-size=9&on-error=skip", LINE,
                "{\"text\":\"ab\"}\n");
}

static void lines_beyond_the_limit_fail_or_are_skipped(void **state)
{
    size_t size = (20u << 20) + 3;
    char *content = weir_alloc(size);
    weir_buffer rows = WEIR_BUFFER_INIT;
    directory d;
    harness h;

    (void)state;
    assert_non_null(content);
    memset(content, 'x', size);
    memcpy(content + size - 3, "\nyz", 3);
    make(&d, "in.txt", content, size);
    assert_int_equal(harness_open(&h, d.url, LINE, false), 0);
    assert_int_equal(harness_read_all(&h, 10, &rows), WEIR_EINVALID);
    assert_non_null(strstr(h.err.text, "byte 0: row is longer than max-line-size"));
    harness_close(&h);
    snprintf(d.url, sizeof d.url, "file:%s?on-error=skip&split-size=1mb", d.file);
    assert_int_equal(harness_open(&h, d.url, LINE, false), 0);
    assert_int_equal(harness_read_all(&h, 10, &rows), 0);
    assert_string_equal(weir_buffer_text(&rows), "{\"text\":\"yz\"}\n");
    harness_close(&h);
    weir_buffer_clear(&rows);
    snprintf(d.url, sizeof d.url, "file:%s?max-line-size=21mb&split-size=1mb", d.file);
    assert_int_equal(harness_open(&h, d.url, LINE, false), 0);
    assert_int_equal(harness_read_all(&h, 10, &rows), 0);
    assert_int_equal(rows.size, size - 3 + 2 + 2 * strlen("{\"text\":\"\"}\n"));
    harness_close(&h);
    weir_buffer_deinit(&rows);
    weir_free(content);
    drop(&d);
}

/* Whatever the bytes are: rows or an error, never a crash. */
static void hostile_bytes_do_no_harm(void **state)
{
    static const char alphabet[] = "\"\",,\n\n\r019.-e aT:Z\0\xff\x80";
    static const char *const options[] = {"format=csv&on-error=skip", "format=csv",
                                          "format=csv&multiline=true&on-error=skip",
                                          "format=csv&split-size=7&on-error=skip&null=a",
                                          "format=csv&max-line-size=20&on-error=skip"};
    weir_prng prng = {17};

    (void)state;
    for (int round = 0; round < 400; round++) {
        char content[3000];
        size_t size = (size_t)weir_prng_below(&prng, sizeof content);
        weir_buffer rows = WEIR_BUFFER_INIT;
        directory d;
        harness h;

        for (size_t i = 0; i < size; i++)
            content[i] = alphabet[weir_prng_below(&prng, sizeof alphabet)];
        make(&d, "in", content, size);
        snprintf(d.url, sizeof d.url, "file:%s?%s", d.file,
                 options[weir_prng_below(&prng, WEIR_COUNT(options))]);
        assert_int_equal(harness_open(&h, d.url,
                                      round % 2 ? "a string, b bytes, c double"
                                                : "a timestamp(9), b decimal(38, 5)",
                                      false),
                         0);
        (void)!harness_read_all(&h, 20, &rows);
        weir_buffer_deinit(&rows);
        harness_close(&h);
        drop(&d);
    }
}

static void paths_mean_files_directories_and_globs(void **state)
{
    weir_buffer rows = WEIR_BUFFER_INIT;
    char path[160];
    directory d;
    harness h;

    (void)state;
    make(&d, "b.txt", "b\n", 2);
    snprintf(path, sizeof path, "%s/a.txt", d.path);
    harness_write_file(path, "a", 1);
    snprintf(path, sizeof path, "%s/.hidden", d.path);
    harness_write_file(path, "no\n", 3);
    snprintf(path, sizeof path, "%s/_SUCCESS", d.path);
    harness_write_file(path, "no\n", 3);
    snprintf(path, sizeof path, "%s/sub", d.path);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "%s/sub/c.log", d.path);
    harness_write_file(path, "c\n", 2);
    snprintf(path, sizeof path, "filesystem:%s", d.path);
    assert_int_equal(harness_open(&h, path, LINE, false), 0);
    assert_int_equal(harness_read_all(&h, 10, &rows), 0);
    assert_string_equal(weir_buffer_text(&rows),
                        "{\"text\":\"a\"}\n{\"text\":\"b\"}\n{\"text\":\"c\"}\n");
    harness_close(&h);
    weir_buffer_clear(&rows);
    snprintf(path, sizeof path, "file:%s/*.txt", d.path);
    assert_int_equal(harness_open(&h, path, LINE, false), 0);
    assert_int_equal(harness_read_all(&h, 10, &rows), 0);
    assert_string_equal(weir_buffer_text(&rows), "{\"text\":\"a\"}\n{\"text\":\"b\"}\n");
    harness_close(&h);
    weir_buffer_deinit(&rows);
    drop(&d);
}

static void expect_no_list(const char *url, int code, const char *piece)
{
    weir_buffer rows = WEIR_BUFFER_INIT;
    harness h;

    assert_int_equal(harness_open(&h, url, LINE, false), 0);
    assert_int_equal(harness_read_all(&h, 10, &rows), code);
    if (strstr(h.err.text, piece) == NULL)
        fail_msg("'%s' lacks '%s'", h.err.text, piece);
    weir_buffer_deinit(&rows);
    harness_close(&h);
}

static void wrong_paths_are_explained(void **state)
{
    (void)state;
    expect_no_list("file:/nope", WEIR_ENOT_FOUND, "source 'file:/nope': no such file");
    expect_no_list("file:nope", WEIR_ENOT_FOUND, "was looked up in /");
    expect_no_list("file:/nope-*.txt", WEIR_ENOT_FOUND, "no file matches");
    expect_no_list("file:/dev/null", WEIR_EINVALID, "no regular file");
}

static void changed_files_are_noticed(void **state)
{
    weir_buffer split = WEIR_BUFFER_INIT;
    weir_enumerator *enumerator;
    weir_reader *reader;
    directory d;
    harness h;

    (void)state;
    make(&d, "in.txt", "abc\ndef\n", 8);
    assert_int_equal(harness_open(&h, d.url, LINE, false), 0);
    assert_int_equal(h.connector->open_enumerator(&h.context, &enumerator, &h.err), 0);
    assert_int_equal(h.connector->open_reader(&h.context, &reader, &h.err), 0);
    assert_int_equal(enumerator->vtable->next(enumerator, 0, &split, &h.err), 0);
    harness_write_file(d.file, "abc\n", 4);
    assert_int_equal(reader->vtable->add_split(reader, split.data, split.size, &h.err), WEIR_EIO);
    assert_non_null(strstr(h.err.text, "it had 8 bytes and has 4"));
    assert_int_equal(unlink(d.file), 0);
    assert_int_equal(reader->vtable->add_split(reader, split.data, split.size, &h.err),
                     WEIR_ENOT_FOUND);
    enumerator->vtable->close(enumerator);
    reader->vtable->close(reader);
    weir_buffer_deinit(&split);
    harness_close(&h);
    drop(&d);
}

static void splits_are_checked(void **state)
{
    weir_file_split split = {5, 10, 10, (char *)(uintptr_t) "/a/b"}, back;
    weir_buffer bytes = WEIR_BUFFER_INIT;
    weir_prng prng = {19};

    (void)state;
    assert_int_equal(weir_file_split_write(&split, &bytes), 0);
    assert_int_equal(weir_file_split_read(bytes.data, bytes.size, &back), 0);
    assert_int_equal(back.start, 5);
    assert_int_equal(back.end, 10);
    assert_int_equal(back.file_size, 10);
    assert_string_equal(back.path, "/a/b");
    weir_file_split_deinit(&back);
    for (size_t size = 0; size <= 25; size++)
        assert_true(weir_file_split_read(bytes.data, size, &back) < 0);
    bytes.data[0] = 2;
    assert_int_equal(weir_file_split_read(bytes.data, bytes.size, &back), WEIR_EVERSION);
    bytes.data[0] = 1;
    for (int i = 0; i < 2000; i++) {
        bytes.data[1 + weir_prng_below(&prng, bytes.size - 1)] = (uint8_t)weir_prng_next(&prng);
        if (weir_file_split_read(bytes.data, bytes.size, &back) == 0) {
            assert_true(back.start <= back.end && back.end <= back.file_size);
            weir_file_split_deinit(&back);
        }
    }
    weir_buffer_deinit(&bytes);
}

static void wrong_options_are_refused(void **state)
{
    static const char *const urls[] = {"file:",
                                       "file:/x?delimiter=ab",
                                       "file:/x?delimiter=a",
                                       "file:/x?quote=,",
                                       "file:/x?format=json",
                                       "file:/x?split-size=0",
                                       "file:/x?max-line-size=33mb",
                                       "file:/x?null=a%2cb",
                                       "file:/x?overwrite=true"};
    harness h;

    (void)state;
    for (size_t i = 0; i < WEIR_COUNT(urls); i++) {
        if (harness_open(&h, urls[i], LINE, false) == 0)
            fail_msg("%s was accepted", urls[i]);
        harness_close(&h);
    }
    assert_true(harness_open(&h, "file:/x?format=line", "a integer, b string", false) < 0);
    harness_close(&h);
    assert_true(harness_open(&h, "file:/x", "a integer, b array<string>", false) < 0);
    assert_non_null(strstr(h.err.text, "field 'b' is array"));
    harness_close(&h);
}

/* One pass over a csv file whose n-th allocation fails. */
static int read_with_failure(harness *h, weir_builder *builder, uint64_t nth)
{
    weir_enumerator *enumerator = NULL;
    weir_reader *reader = NULL;
    weir_buffer split = WEIR_BUFFER_INIT;
    weir_wait wait;
    int rc;

    weir_memory_fail_at(nth);
    rc = h->connector->open_enumerator(&h->context, &enumerator, &h->err);
    if (rc == 0)
        rc = h->connector->open_reader(&h->context, &reader, &h->err);
    if (rc == 0)
        rc = enumerator->vtable->next(enumerator, 0, &split, &h->err);
    if (rc == 0)
        rc = reader->vtable->add_split(reader, split.data, split.size, &h->err);
    while (rc == 0 && !weir_builder_is_full(builder))
        rc = reader->vtable->read(reader, builder, &wait, &h->err);
    weir_memory_fail_at(0);
    if (enumerator != NULL)
        enumerator->vtable->close(enumerator);
    if (reader != NULL)
        reader->vtable->close(reader);
    weir_buffer_deinit(&split);
    weir_builder_clear(builder);
    return rc;
}

static void memory_may_end_anywhere(void **state)
{
    weir_builder *builder = NULL;
    directory d;
    harness h;
    uint64_t nth = 1;
    int rc;

    (void)state;
    make(&d, "in.csv", "\"a\"\"b\",00\n", 10);
    assert_int_equal(harness_open(&h, d.url, "a string, b bytes", false), 0);
    assert_int_equal(weir_builder_new(h.schema, 10, 1u << 20, &builder), 0);
    for (; (rc = read_with_failure(&h, builder, nth)) != WEIR_READ_SPLIT_END && nth < 100; nth++) {
        if (rc >= 0 || strstr(h.err.text, "memory") == NULL)
            fail_msg("allocation %u: %d %s", (unsigned)nth, rc, h.err.text);
    }
    assert_true(nth > 8 && nth < 100);
    weir_builder_destroy(&builder);
    harness_close(&h);
    drop(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_as_they_may),
        cmocka_unit_test(splits_give_every_line_once),
        cmocka_unit_test(large_files_are_read_whole),
        cmocka_unit_test(csv_reads_every_type),
        cmocka_unit_test(csv_quotes_and_nulls),
        cmocka_unit_test(bad_rows_are_named_or_skipped),
        cmocka_unit_test(lines_beyond_the_limit_fail_or_are_skipped),
        cmocka_unit_test(hostile_bytes_do_no_harm),
        cmocka_unit_test(paths_mean_files_directories_and_globs),
        cmocka_unit_test(wrong_paths_are_explained),
        cmocka_unit_test(changed_files_are_noticed),
        cmocka_unit_test(splits_are_checked),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(memory_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
