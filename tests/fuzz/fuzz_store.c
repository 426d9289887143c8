/* A damaged record store: bytes of data.mdb changed or cut off, or its file `format`. It is
 * refused, or everything that was committed is there, can be changed, and is there again after the
 * next open.
 *
 *   u8 image, u8 what is cut, u16 where; then changes: u8 page, u16 place, u8 how, u8 byte */
#include "fuzz.h"

#include "base/file.h"
#include "base/memory.h"
#include "store/record_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IMAGES = 3, PAGE = 4096, PATH_SIZE = 128, CUT_DATA = 1, CUT_FORMAT = 2 };

typedef struct image {
    weir_buffer data, format, content;
} image;

static char directory[64];

static const char *path_of(const char *name, char out[PATH_SIZE])
{
    snprintf(out, PATH_SIZE, "%s/%s", directory, name);
    return out;
}

static void clean_up(void)
{
    (void)!weir_file_remove_tree(directory, NULL);
}

static void write_file(const char *name, const uint8_t *bytes, size_t size)
{
    char path[PATH_SIZE];
    FILE *file = fopen(path_of(name, path), "wb");
    FUZZ_CHECK(file != NULL);
    FUZZ_CHECK(size == 0 || fwrite(bytes, 1, size, file) == size);
    FUZZ_CHECK(fclose(file) == 0);
}

static void read_file(const char *name, weir_buffer *out)
{
    char path[PATH_SIZE];
    FUZZ_OK(weir_file_read(path_of(name, path), 64u << 20, out, NULL));
}

static int open_store(weir_records **ret, weir_error *err)
{
    weir_record_store_config config = {.directory = directory, .map_size = 1u << 20};
    return weir_record_store_open(&config, ret, err);
}

/* ---- content ---- */

static int list_one(void *data, const char *key, uint16_t version, const void *bytes, size_t size,
                    weir_error *err)
{
    (void)err;
    weir_buffer_printf(data, "%s %u ", key, version);
    weir_buffer_append(data, bytes, size);
    weir_buffer_putc(data, '\n');
    return 0;
}

static void list(weir_records *records, weir_buffer *out)
{
    static const char *const tables[] = {"job", "submission", "meta"};
    weir_buffer_clear(out);
    for (size_t i = 0; i < WEIR_COUNT(tables); i++)
        FUZZ_OK(weir_records_iterate(records, tables[i], list_one, out, NULL));
    FUZZ_OK(weir_buffer_check(out));
}

static void put(weir_records *records, const char *table, uint32_t number, size_t size)
{
    char key[40];
    uint8_t *bytes = weir_alloc(size);
    FUZZ_CHECK(bytes != NULL);
    memset(bytes, 'a' + (int)(number % 26), size);
    snprintf(key, sizeof key, "%032u", number);
    FUZZ_OK(weir_records_put(records, table, key, 1, bytes, size, NULL));
    weir_free(bytes);
}

static void take(weir_records *records, const char *table, uint32_t number)
{
    char key[40];
    snprintf(key, sizeof key, "%032u", number);
    FUZZ_OK(weir_records_remove(records, table, key, NULL));
}

/* One value; a tree with pages of its own for large values; and one with many free pages. */
static void fill(weir_records *records, uint32_t which)
{
    for (uint32_t round = 0; round < 3 * which + 1; round++) {
        FUZZ_OK(weir_records_begin(records, NULL));
        for (uint32_t i = 0; i < 20 * which; i++)
            put(records, "job", round * 20 + i, 50 + 10 * i);
        for (uint32_t i = 0; i < which; i++)
            put(records, "submission", round + i, 9000);
        for (uint32_t i = 0; which == 2 && round > 0 && i < 15; i++)
            take(records, "job", (round - 1) * 20 + i);
        take(records, "submission", round - 2);
        put(records, "meta", 1, 8);
        FUZZ_OK(weir_records_commit(records, NULL));
    }
}

static image *make(uint32_t which)
{
    static image images[IMAGES];
    image *of = &images[which];
    weir_records *records = NULL;
    weir_error err = WEIR_ERROR_INIT;

    if (of->data.size > 0)
        return of;
    if (directory[0] == '\0') {
        snprintf(directory, sizeof directory, "%s/weir-fuzz-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        FUZZ_CHECK(mkdtemp(directory) != NULL && atexit(clean_up) == 0);
    }
    FUZZ_OK(weir_file_remove_tree(directory, &err));
    FUZZ_OK(open_store(&records, &err));
    fill(records, which);
    list(records, &of->content);
    weir_records_close(&records);
    read_file("data.mdb", &of->data);
    read_file("format", &of->format);
    return of;
}

/* ---- damage ---- */

static void damage(fuzz_input *input, weir_buffer *data)
{
    size_t pages = data->size / PAGE;

    for (int i = 0; i < 8 && input->left > 0; i++) {
        size_t at = fuzz_u8(input) % pages * PAGE + fuzz_u16(input) % PAGE;
        uint8_t how = fuzz_u8(input), byte = fuzz_u8(input);
        if (how % 4 == 0)
            data->data[at] = byte;
        else if (how % 4 == 1)
            data->data[at] ^= (uint8_t)(1u << (byte % 8));
        else if (how % 4 == 2)
            data->data[at] = (uint8_t)(data->data[at] + (int8_t)byte);
        else /* another page in its place */
            memmove(data->data + at / PAGE * PAGE, data->data + byte % pages * PAGE, PAGE);
    }
}

static void write_damaged(fuzz_input *input, const image *of)
{
    weir_buffer data = WEIR_BUFFER_INIT;
    uint32_t cut = fuzz_below(input, 4);
    size_t at = fuzz_u16(input), format_size = of->format.size;

    weir_buffer_append(&data, of->data.data, of->data.size);
    FUZZ_OK(weir_buffer_check(&data));
    damage(input, &data);
    if (cut == CUT_DATA)
        data.size = at * 16 < data.size ? data.size - at * 16 : 0;
    if (cut == CUT_FORMAT)
        format_size = at < format_size ? at : format_size;
    write_file("data.mdb", data.data, data.size);
    write_file("format", of->format.data, format_size);
    char path[PATH_SIZE];
    (void)unlink(path_of("lock.mdb", path));
    weir_buffer_deinit(&data);
}

/* ---- what must hold ---- */

static bool check_refused(int rc, const weir_error *err)
{
    if (rc == 0)
        return false;
    fuzz_check_failure(rc, err);
    if (rc != WEIR_ECORRUPT && rc != WEIR_EVERSION)
        fuzz_fail(__FILE__, __LINE__, "refused as if it were no damage: %s", err->text);
    return true;
}

static void check_equal(weir_records *records, const weir_buffer *expected, const char *when)
{
    weir_buffer found = WEIR_BUFFER_INIT;
    list(records, &found);
    if (!fuzz_same(&found, expected))
        fuzz_fail(__FILE__, __LINE__, "%s: other values are there: %zu bytes of %zu", when,
                  found.size, expected->size);
    weir_buffer_deinit(&found);
}

static void check_changes(weir_records *records)
{
    weir_error err = WEIR_ERROR_INIT;
    weir_buffer expected = WEIR_BUFFER_INIT;

    for (uint32_t i = 0; i < 3; i++) {
        FUZZ_OK(weir_records_begin(records, NULL));
        for (uint32_t k = 0; k < 10; k++)
            put(records, "job", 1000 * i + k, 200);
        put(records, "submission", 7 + i, 12000);
        take(records, "job", 3 + i);
        FUZZ_OK(weir_records_commit(records, &err));
    }
    list(records, &expected);
    weir_records_close(&records);
    int rc = open_store(&records, &err);
    if (rc != 0)
        fuzz_fail(__FILE__, __LINE__, "changes made it unreadable: %s", err.text);
    check_equal(records, &expected, "after changes");
    weir_records_close(&records);
    weir_buffer_deinit(&expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, size};
    const image *of = make(fuzz_below(&input, IMAGES));
    weir_records *records = NULL;
    weir_error err = WEIR_ERROR_INIT;

    write_damaged(&input, of);
    int rc = open_store(&records, &err);
    if (check_refused(rc, &err))
        return 0;
    check_equal(records, &of->content, "after damage");
    check_changes(records);
    return 0;
}
