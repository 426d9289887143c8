/* cli/artifact.h -- a job's shared object on its way to a cluster: its bytes and their digest. A
 * cluster in this process takes it from the user's cache, where it lies under its digest. */
#ifndef CLI_ARTIFACT_H
#define CLI_ARTIFACT_H

#include "base/buffer.h"
#include "base/id.h"

typedef struct weir_artifact {
    weir_buffer content;
    char digest[WEIR_DIGEST_HEX];
} weir_artifact;

int weir_artifact_read_file(const char *path, weir_artifact *ret, weir_error *err) WEIR_MUST_CHECK;
void weir_artifact_deinit(weir_artifact *artifact);
/* Puts <digest>.so into artifacts/ of the cache, unless it is there; tells that folder (PATH_MAX).
 */
int weir_artifact_keep(const weir_artifact *artifact, char *ret_directory,
                       weir_error *err) WEIR_MUST_CHECK;

#endif
