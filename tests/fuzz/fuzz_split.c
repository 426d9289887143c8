/* A split of the filesystem source: bytes that travel from its enumerator to a reader.
 *
 *   the bytes */
#include "fuzz.h"

#include "base/memory.h"
#include "connectors/filesystem/split.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = fuzz_copy(data, size);
    weir_file_split split = {.path = NULL}, again = {.path = NULL};
    weir_buffer written = WEIR_BUFFER_INIT;
    int rc = weir_file_split_read(bytes, size, &split);

    if (rc == 0) {
        FUZZ_CHECK(split.start <= split.end && split.end <= split.file_size);
        FUZZ_CHECK(split.path[0] != '\0');
        FUZZ_OK(weir_file_split_write(&split, &written));
        FUZZ_CHECK(written.size == size && memcmp(written.data, bytes, size) == 0);
        FUZZ_OK(weir_file_split_read(written.data, written.size, &again));
        FUZZ_CHECK(strcmp(split.path, again.path) == 0 && split.start == again.start);
    } else {
        FUZZ_CHECK(rc == WEIR_ECORRUPT || rc == WEIR_EVERSION);
        FUZZ_CHECK(split.path == NULL);
    }
    weir_file_split_deinit(&split);
    weir_file_split_deinit(&again);
    weir_buffer_deinit(&written);
    weir_free(bytes);
    return 0;
}
