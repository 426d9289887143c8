#include "cli/artifact.h"

#include "base/file.h"
#include "cli/compiler.h"
#include "cli/home.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ARTIFACT_MAX ((size_t)1 << 30) /* of any configuration: blob.max-size is the cluster's */

int weir_artifact_read_file(const char *path, weir_artifact *ret, weir_error *err)
{
    memset(ret, 0, sizeof *ret);
    int rc = weir_file_read(path, ARTIFACT_MAX, &ret->content, err);

    if (rc == 0) {
        weir_digest digest = weir_digest_of(ret->content.data, ret->content.size);
        weir_digest_format(&digest, ret->digest);
    } else {
        weir_artifact_deinit(ret);
    }
    return rc;
}

void weir_artifact_deinit(weir_artifact *artifact)
{
    weir_buffer_deinit(&artifact->content);
}

int weir_artifact_keep(const weir_artifact *artifact, char *ret_directory, weir_error *err)
{
    char cache[PATH_MAX], path[PATH_MAX];
    struct stat status;
    int rc = weir_home_cache(cache, sizeof cache, err);

    if (rc != 0)
        return rc;
    if (snprintf(ret_directory, PATH_MAX, "%s/artifacts", cache) >= PATH_MAX ||
        snprintf(path, sizeof path, "%s/%s.so", ret_directory, artifact->digest) >= PATH_MAX)
        return weir_error_set(err, WEIR_ETOO_LARGE, "%s: path too long", cache);
    /* One of another size is what a crash of the machine left. */
    if (stat(path, &status) == 0 && (uint64_t)status.st_size == artifact->content.size &&
        utimensat(AT_FDCWD, path, NULL, 0) == 0)
        return 0;
    rc = weir_home_write(path, artifact->content.data, artifact->content.size, err);
    if (rc != 0)
        return weir_error_wrap(err, rc,
                               "a local job needs a cache that can be written; set "
                               "XDG_CACHE_HOME");
    weir_cache_prune(ret_directory);
    return 0;
}
