/* tests/fuzz/seeds.c -- writes the seeds of the fuzz targets anew: small inputs made of real
 * values.
 *
 *   fuzz_seeds tests/fuzz/seeds
 *
 * Run it when a format has changed, so that the targets begin with inputs that are accepted. */
#include "seeds.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static const char *directory;

void fuzz_seed(const char *target, const char *name, weir_buffer *content)
{
    char path[512];

    FUZZ_OK(weir_buffer_check(content));
    snprintf(path, sizeof path, "%s/%s", directory, target);
    FUZZ_OK(weir_file_make_directories(path, 0755, NULL));
    snprintf(path, sizeof path, "%s/%s/%s", directory, target, name);
    FILE *file = fopen(path, "wb");
    FUZZ_CHECK(file != NULL);
    FUZZ_CHECK(content->size == 0 ||
               fwrite(content->data, 1, content->size, file) == content->size);
    FUZZ_CHECK(fclose(file) == 0);
    weir_buffer_clear(content);
}

void fuzz_seed_bytes(const char *target, const char *name, const void *prefix, size_t prefix_size,
                     const void *bytes, size_t size)
{
    weir_buffer out = WEIR_BUFFER_INIT;
    weir_buffer_append(&out, prefix, prefix_size);
    weir_buffer_append(&out, bytes, size);
    fuzz_seed(target, name, &out);
    weir_buffer_deinit(&out);
}

void fuzz_seed_text(const char *target, const char *name, int first, const char *text)
{
    uint8_t byte = (uint8_t)first;
    fuzz_seed_bytes(target, name, &byte, first < 0 ? 0 : 1, text, strlen(text));
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: fuzz_seeds DIRECTORY\n");
        return 2;
    }
    directory = argv[1];
    fuzz_seed_texts();
    fuzz_seed_data();
    fuzz_seed_worlds();
    return 0;
}
