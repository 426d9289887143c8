/* Texts that come from elsewhere and are shown: cleaned, cut, quoted, escaped; the tail of a log;
 * numbers and times formatted into small rooms.
 *
 *   u8 which, u8 size of the room, the bytes */
#include "fuzz.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/units.h"
#include "connectors/formats/outlet.h"
#include "connectors/formats/text.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void clean(const uint8_t *bytes, size_t size, size_t room)
{
    char *text = fuzz_text(bytes, size), *copy = weir_alloc(size + 1);
    size_t length = strlen(text), cut;

    (void)room;
    FUZZ_CHECK(copy != NULL);
    memcpy(copy, bytes, size);
    copy[size] = '\0';
    weir_text_clean(text);
    FUZZ_CHECK(strlen(text) == length && fuzz_is_clean(text));
    weir_text_clean_bytes(copy, size);
    FUZZ_CHECK(strlen(copy) == size && fuzz_is_clean(copy));
    for (size_t max = 0; max <= size && max < 20; max++) {
        cut = weir_text_cut(copy, max);
        FUZZ_CHECK(cut <= max && max - cut < 4 && fuzz_is_utf8(copy, cut));
    }
    weir_free(text);
    weir_free(copy);
}

static void quote(const uint8_t *bytes, size_t size, size_t room)
{
    char *text = fuzz_text(bytes, size), *out = weir_alloc(room);
    char *escaped = weir_alloc(WEIR_TEXT_ESCAPED_MAX);

    FUZZ_CHECK(out != NULL && escaped != NULL);
    weir_format_quoted(text, out, room);
    FUZZ_CHECK(room == 0 || strlen(out) < room);
    if (fuzz_is_utf8(text, strlen(text)) && room > 0)
        FUZZ_CHECK(fuzz_is_utf8(out, strlen(out)));
    weir_text_escape(bytes, size, escaped);
    for (const char *c = escaped; *c != '\0'; c++)
        FUZZ_CHECK(*c >= 0x20 && *c < 0x7F);
    FUZZ_CHECK(strlen(escaped) < WEIR_TEXT_ESCAPED_MAX);
    weir_free(text);
    weir_free(out);
    weir_free(escaped);
}

static void suggest(const uint8_t *bytes, size_t size, size_t room)
{
    static const char *const known[] = {"parallelism", "format", "delimiter", "x", ""};
    char *word = fuzz_text(bytes, size);
    const char *own[] = {word};

    (void)room;
    const char *near = weir_suggest(word, known, WEIR_COUNT(known));
    FUZZ_CHECK(near == NULL || strlen(near) < 2 * strlen(word) + 1);
    if (strlen(word) > 0 && strlen(word) <= 100)
        FUZZ_CHECK(weir_suggest(word, own, 1) == word);
    weir_free(word);
}

static void format(const uint8_t *bytes, size_t size, size_t room)
{
    fuzz_input input = {bytes, size};
    uint64_t value = fuzz_u64(&input);
    char *out = weir_alloc(room);

    FUZZ_CHECK(out != NULL);
    weir_format_duration((int64_t)value, out, room);
    FUZZ_CHECK(room == 0 || strlen(out) < room);
    weir_format_size(value, out, room);
    FUZZ_CHECK(room == 0 || strlen(out) < room);
    weir_format_count(value, out, room);
    FUZZ_CHECK(room == 0 || strlen(out) < room);
    weir_free(out);
}

/* The last bytes of a file, from the start of a line; and whole lines from the front. */
static void tail(const uint8_t *bytes, size_t size, size_t room)
{
    char path[64];
    weir_buffer out = WEIR_BUFFER_INIT;
    weir_error err = WEIR_ERROR_INIT;
    int fd = memfd_create("log", MFD_CLOEXEC);

    FUZZ_CHECK(fd >= 0);
    FUZZ_OK(weir_file_write_all(fd, bytes, size, &err));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    FUZZ_OK(weir_file_tail(path, room, &out, &err));
    FUZZ_CHECK(out.size <= room && out.size <= size);
    FUZZ_CHECK(out.size == 0 || memcmp(out.data, bytes + size - out.size, out.size) == 0);
    if (size > room && out.size > 0 && out.size < room)
        FUZZ_CHECK(bytes[size - out.size - 1] == '\n');
    FUZZ_CHECK(size > room || out.size == size);
    for (int whole = 0; whole < 2; whole++) {
        size_t lines = weir_outlet_lines((const char *)bytes, size, room, whole != 0);
        FUZZ_CHECK(lines <= size && (whole != 0 || lines <= room));
        FUZZ_CHECK(room == 0 || size == 0 || lines > 0 || whole != 0);
    }
    close(fd);
    weir_buffer_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const whats[])(const uint8_t *, size_t, size_t) = {clean, quote, suggest, format,
                                                                     tail};
    fuzz_input input = {data, size};
    uint32_t which = fuzz_below(&input, WEIR_COUNT(whats));
    size_t room = fuzz_u8(&input), length;
    const uint8_t *rest = fuzz_rest(&input, &length);
    uint8_t *copy = fuzz_copy(rest, length);

    whats[which](copy, length, room);
    weir_free(copy);
    return 0;
}
