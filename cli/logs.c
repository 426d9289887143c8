/* cli/logs.c -- `weir logs`: the end of a process's or a job's log. */
#include "cli/verbs.h"

#include "actors/reactor.h"
#include "base/file.h"
#include "cli/connect.h"
#include "cli/message.h"
#include "cli/output.h"
#include "proto/codec.h"

#include <string.h>

enum { LINES = 100, LINES_MAX = 1000000, LINE_BYTES = 512, BYTES_MAX = 4 << 20 };

/* The last `lines` lines of a text. */
static const char *last_lines(const char *text, int lines)
{
    size_t at = strlen(text);

    if (at > 0 && text[at - 1] == '\n')
        at--;
    while (at > 0 && (text[at - 1] != '\n' || --lines > 0))
        at--;
    return text + at;
}

static int ask(weir_client *client, const char *what, int lines, weir_envelope **ret,
               weir_error *err)
{
    Weir__Proto__FetchLog body = WEIR__PROTO__FETCH_LOG__INIT;
    weir_envelope request = WEIR__PROTO__ENVELOPE__INIT;

    body.what = (char *)(uintptr_t)what;
    body.max_bytes = lines > BYTES_MAX / LINE_BYTES ? BYTES_MAX : (uint32_t)lines * LINE_BYTES;
    request.body_case = WEIR__PROTO__ENVELOPE__BODY_FETCH_LOG;
    request.fetch_log = &body;
    return weir_client_call(client, &request, 0, WEIR__PROTO__ENVELOPE__BODY_LOG_TEXT, ret, err);
}

static int tell(const Weir__Proto__LogText *log, int lines, int format)
{
    const char *text = last_lines(log->text, lines);
    weir_buffer out = WEIR_BUFFER_INIT;

    if (format == 1)
        return weir_output_json(json_pack("{s:s, s:s}", "source", log->source, "text", text));
    weir_buffer_puts(&out, text);
    if (out.size > 0 && out.data[out.size - 1] != '\n')
        weir_buffer_putc(&out, '\n');
    return weir_output_text(&out);
}

int weir_verb_logs(const weir_arguments *arguments)
{
    weir_error error = WEIR_ERROR_INIT;
    weir_session session = {.config = NULL};
    weir_envelope *reply = NULL;
    int lines = 0, format = 0;
    int rc = weir_arguments_format(arguments, "text|json", &format, &error);

    if (rc == 0)
        rc = weir_arguments_int(arguments, "lines", LINES, 1, LINES_MAX, &lines, &error);
    if (rc == 0)
        rc = weir_session_open(arguments, &session, &error);
    if (rc == 0)
        rc = ask(session.client, arguments->words[0], lines, &reply, &error);
    int code = rc == 0 ? tell(reply->log_text, lines, format) : weir_message_error(&error);
    if (reply != NULL)
        weir_proto_free(&reply->base);
    weir_session_close(&session);
    weir_reactor_end_process();
    return code;
}
