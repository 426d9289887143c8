/* A file that is to be a job's shared object: its headers and notes are read without running
 * anything.
 *
 *   the file */
#include "fuzz.h"

#include "base/file.h"
#include "graph/module.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* One file, written over again and again. */
static const char *file_of(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[64];
    weir_error err = WEIR_ERROR_INIT;

    if (fd < 0) {
        fd = memfd_create("job", MFD_CLOEXEC);
        FUZZ_CHECK(fd >= 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    FUZZ_CHECK(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    FUZZ_OK(weir_file_write_all(fd, data, size, &err));
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = file_of(data, size);
    weir_error err = WEIR_ERROR_INIT;
    uint32_t abi = 0;
    int rc = weir_module_check(path, &abi, &err);

    if (rc != 0) {
        fuzz_check_failure(rc, &err);
        FUZZ_CHECK(rc == WEIR_EINVALID || rc == WEIR_EVERSION);
        FUZZ_CHECK(strncmp(err.text, path, strlen(path)) == 0);
    } else {
        FUZZ_CHECK(abi == WEIR_ABI && memmem(data, size, "Weir", 5) != NULL);
    }
    return 0;
}
