#include "cli/output.h"

#include "cli/message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int write_out(const char *text, size_t size)
{
    if (fwrite(text, 1, size, stdout) == size && fflush(stdout) == 0)
        return WEIR_EXIT_DONE;
    if (errno == EPIPE) /* the reader has seen enough */
        return WEIR_EXIT_DONE;
    weir_error error;
    weir_error_errno(&error, errno, "stdout: cannot be written");
    return weir_message_error(&error);
}

int weir_output_text(weir_buffer *text)
{
    int code;

    if (weir_buffer_check(text) != 0)
        code = weir_message_fail(WEIR_ENO_MEMORY, "no memory for the output");
    else
        code = write_out(weir_buffer_text(text), text->size);
    weir_buffer_deinit(text);
    return code;
}

int weir_output_table(weir_table **table)
{
    weir_buffer text = WEIR_BUFFER_INIT;

    if (*table == NULL || weir_table_print(*table, &text) != 0)
        text.failed = true;
    weir_table_destroy(table);
    return weir_output_text(&text);
}

static int put_bytes(const char *bytes, size_t size, void *data)
{
    weir_buffer_append(data, bytes, size);
    return 0;
}

int weir_output_json(json_t *document)
{
    weir_buffer text = WEIR_BUFFER_INIT;

    if (document == NULL || json_dump_callback(document, put_bytes, &text, JSON_INDENT(2)) != 0)
        text.failed = true;
    weir_buffer_putc(&text, '\n');
    json_decref(document);
    return weir_output_text(&text);
}

const char *weir_format_rate(double per_second, char *out, size_t size)
{
    if (!(per_second > 0)) /* NaN, too */
        snprintf(out, size, "0 /s");
    else if (per_second >= 1e9)
        snprintf(out, size, "%.1f G/s", per_second / 1e9);
    else if (per_second >= 999950)
        snprintf(out, size, "%.1f M/s", per_second / 1e6);
    else if (per_second >= 1000)
        snprintf(out, size, "%.1f k/s", per_second / 1e3);
    else
        snprintf(out, size, "%.0f /s", per_second);
    return out;
}

const char *weir_format_local_time(int64_t wall_ms, char *out, size_t size)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;

    if (wall_ms <= 0 || localtime_r(&seconds, &parts) == NULL ||
        strftime(out, size, "%Y-%m-%d %H:%M:%S", &parts) == 0)
        snprintf(out, size, "-");
    return out;
}
