/* cli/logs.c -- `weir logs`: the end of a process's or a job's log. */
#include "cli/verbs.h"

#include "actors/reactor.h"
#include "base/file.h"
#include "cli/cluster_directory.h"
#include "cli/connect.h"
#include "cli/message.h"
#include "cli/output.h"
#include "proto/codec.h"

#include <stdio.h>
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

/* TaskManagers of a cluster on this host are called as in its pid files; the dispatcher counts in
 * its own order. True: `out` is the process's id there. */
static bool find_member(weir_session *session, const char *what, char *out, size_t size)
{
    Weir__Proto__ClusterStatus body = WEIR__PROTO__CLUSTER_STATUS__INIT;
    weir_envelope request = WEIR__PROTO__ENVELOPE__INIT, *reply;
    weir_cluster_context context;
    weir_cluster_directory directory;
    weir_members_list members;
    pid_t pid = 0;

    if (weir_cluster_context_load(&context, NULL) != 0 ||
        strcmp(context.endpoint, session->endpoint) != 0 || context.directory[0] == '\0' ||
        weir_cluster_directory_init(&directory, context.directory, session->config, NULL) != 0 ||
        weir_cluster_directory_members(&directory, false, &members, NULL) != 0)
        return false;
    for (size_t i = 0; i < members.count; i++)
        if (strcmp(members.of[i].name, what) == 0)
            pid = members.of[i].pid;
    weir_members_close(&members);
    request.body_case = WEIR__PROTO__ENVELOPE__BODY_CLUSTER_STATUS;
    request.cluster_status = &body;
    if (pid == 0 || weir_client_call(session->client, &request, 0,
                                     WEIR__PROTO__ENVELOPE__BODY_CLUSTER_DETAIL, &reply, NULL) != 0)
        return false;
    out[0] = '\0';
    for (size_t i = 0; i < reply->cluster_detail->n_processes; i++)
        if (reply->cluster_detail->processes[i]->pid == (uint32_t)pid)
            snprintf(out, size, "%s", reply->cluster_detail->processes[i]->process);
    weir_proto_free(&reply->base);
    return out[0] != '\0';
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
    const char *what = arguments->words[0];
    char process[WEIR_PROCESS_NAME_MAX];
    int lines = 0, format = 0;
    int rc = weir_arguments_format(arguments, "text|json", &format, &error);

    if (rc == 0)
        rc = weir_arguments_int(arguments, "lines", LINES, 1, LINES_MAX, &lines, &error);
    if (rc == 0)
        rc = weir_session_open(arguments, &session, &error);
    if (rc == 0 && strncmp(what, "taskmanager-", strlen("taskmanager-")) == 0 &&
        find_member(&session, what, process, sizeof process))
        what = process;
    if (rc == 0)
        rc = ask(session.client, what, lines, &reply, &error);
    int code = rc == 0 ? tell(reply->log_text, lines, format) : weir_message_error(&error);
    if (reply != NULL)
        weir_proto_free(&reply->base);
    weir_session_close(&session);
    weir_reactor_end_process();
    return code;
}
