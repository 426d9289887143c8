#include "cli/context.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/units.h"
#include "cli/home.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME    "context"
#define DEFAULT_PORT 6120

enum { FILE_MAX = 16384 };

static bool take(const char *line, size_t length, const char *key, char *out, size_t size)
{
    size_t key_length = strlen(key);

    if (length < key_length || strncmp(line, key, key_length) != 0)
        return false;
    line += key_length;
    length -= key_length;
    while (length > 0 && *line == ' ') {
        line++;
        length--;
    }
    if (length >= size)
        return false;
    memcpy(out, line, length);
    out[length] = '\0';
    return true;
}

static int parse(const char *text, weir_cluster_context *ret)
{
    memset(ret, 0, sizeof *ret);
    for (const char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n");

        if (length > 0 && !take(line, length, "endpoint:", ret->endpoint, sizeof ret->endpoint) &&
            !take(line, length, "directory:", ret->directory, sizeof ret->directory) &&
            !take(line, length, "cluster:", ret->cluster, sizeof ret->cluster))
            return WEIR_EINVALID;
        line += length + (line[length] == '\n');
    }
    return ret->endpoint[0] == '\0' ? WEIR_EINVALID : 0;
}

int weir_cluster_context_load(weir_cluster_context *ret, weir_error *err)
{
    char path[PATH_MAX];
    weir_buffer text = WEIR_BUFFER_INIT;
    int rc = weir_home_path(FILE_NAME, path, sizeof path, err);

    if (rc != 0)
        return rc;
    rc = weir_file_read(path, FILE_MAX, &text, err);
    if (rc == WEIR_ENOT_FOUND)
        weir_error_set(
            err, rc,
            "no cluster is named; start one with: weir cluster start; or name one with -m "
            "ENDPOINT or: weir context use ENDPOINT");
    if (rc == 0 && parse(weir_buffer_text(&text), ret) != 0)
        rc = weir_error_set(
            err, WEIR_EINVALID,
            "%s: cannot be understood; write it anew with: weir context use ENDPOINT", path);
    weir_buffer_deinit(&text);
    return rc;
}

int weir_cluster_context_store(const weir_cluster_context *context, weir_error *err)
{
    char path[PATH_MAX];
    weir_buffer text = WEIR_BUFFER_INIT;
    int rc = weir_home_path(FILE_NAME, path, sizeof path, err);

    if (rc != 0)
        return rc;
    weir_buffer_printf(&text, "endpoint: %s\n", context->endpoint);
    if (context->directory[0] != '\0')
        weir_buffer_printf(&text, "directory: %s\n", context->directory);
    if (context->cluster[0] != '\0')
        weir_buffer_printf(&text, "cluster: %s\n", context->cluster);
    rc = weir_buffer_check(&text);
    if (rc == 0)
        rc = weir_home_write(path, text.data, text.size, err);
    else
        weir_error_set(err, rc, "no memory for the context");
    weir_buffer_deinit(&text);
    return rc;
}

int weir_cluster_context_clear(weir_error *err)
{
    char path[PATH_MAX];
    int rc = weir_home_path(FILE_NAME, path, sizeof path, err);

    if (rc == 0 && unlink(path) != 0 && errno != ENOENT)
        rc = weir_error_errno(err, errno, "%s: cannot be removed", path);
    return rc;
}

int weir_endpoint_parse(const char *text, char out[WEIR_ENDPOINT_MAX], weir_error *err)
{
    const char *host = strncmp(text, "tcp://", 6) == 0 ? text + 6 : text;
    const char *bracket = host[0] == '[' ? strchr(host, ']') : NULL;
    const char *colon = strchr(bracket == NULL ? host : bracket, ':');
    size_t length = colon == NULL ? strlen(host) : (size_t)(colon - host);
    int64_t port = DEFAULT_PORT;
    char quoted[WEIR_QUOTED_MAX];

    weir_format_quoted(text, quoted, sizeof quoted);
    bool is_good = length > 0 && length < WEIR_ENDPOINT_MAX - 16;
    for (const char *c = host; is_good && *c != '\0'; c++) /* addresses and names are ASCII */
        is_good = *c > ' ' && *c < 0x7F && *c != '/';
    if (is_good && colon != NULL)
        is_good = weir_parse_int(colon + 1, 1, 65535, &port, NULL) == 0;
    if (!is_good)
        return weir_error_set(err, WEIR_EINVALID,
                              "endpoint: expected tcp://host:port; found %s; the port of a "
                              "dispatcher is %d where nothing else was configured",
                              quoted, DEFAULT_PORT);
    snprintf(out, WEIR_ENDPOINT_MAX, "tcp://%.*s:%d", (int)length, host, (int)port);
    return 0;
}
