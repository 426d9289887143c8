#include "cli/submission.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/piece.h"
#include "cli/settings.h"
#include "proto/codec.h"

#include <stdio.h>

static int upload_chunk(weir_client *client, const char *digest, const weir_buffer *content,
                        uint32_t *piece, uint64_t *offset, bool *ret_complete, weir_error *err)
{
    Weir__Proto__UploadChunk body = WEIR__PROTO__UPLOAD_CHUNK__INIT;
    weir_envelope request = WEIR__PROTO__ENVELOPE__INIT, *reply;
    size_t left = content->size - (size_t)*offset;
    int64_t started_ms = weir_clock_monotonic_ms();

    body.artifact = (char *)(uintptr_t)digest;
    body.offset = *offset;
    body.total = content->size;
    body.content.data = content->data + *offset;
    body.content.len = left < *piece ? left : *piece;
    request.body_case = WEIR__PROTO__ENVELOPE__BODY_UPLOAD_CHUNK;
    request.upload_chunk = &body;
    int rc = weir_client_call(client, &request, 0, WEIR__PROTO__ENVELOPE__BODY_UPLOAD_REPLY, &reply,
                              err);
    if (rc != 0)
        return rc;
    *piece = weir_piece_next(*piece, weir_clock_monotonic_ms() - started_ms);
    *offset = reply->upload_reply->received;
    *ret_complete = reply->upload_reply->complete;
    weir_proto_free(&reply->base);
    return 0;
}

static int upload(weir_client *client, const weir_submission *submission, weir_error *err)
{
    const weir_buffer *content = &submission->artifact->content;
    const char *name = submission->artifact_name;
    uint64_t offset = 0;
    uint32_t piece = WEIR_PIECE_FIRST;
    bool complete = false;
    /* Each answer says how much is there; one that never grows would go round for ever. */
    size_t tries = 2 * (content->size / WEIR_PIECE_MIN + 1) + 8;

    while (!complete && tries-- > 0) {
        int rc = upload_chunk(client, submission->artifact->digest, content, &piece, &offset,
                              &complete, err);

        if (rc != 0)
            return weir_error_wrap(err, rc, "%s: uploaded %llu of %zu bytes to %s", name,
                                   (unsigned long long)offset, content->size,
                                   weir_client_endpoint(client));
        if (!complete && offset >= content->size)
            offset = 0; /* somebody else's upload of the same failed */
    }
    return complete
               ? 0
               : weir_error_set(err, WEIR_EIO,
                                "%s: its upload does not get to its end; see the dispatcher's log: "
                                "weir logs dispatcher",
                                name);
}

/* Pairs point into the configuration. */
static size_t list_configuration(const weir_config *config, Weir__Proto__KeyValue *pairs,
                                 Weir__Proto__KeyValue **pointers, size_t capacity)
{
    size_t count = 0, cursor = 0;
    const char *key, *value;

    while (count < capacity && weir_config_next(config, &cursor, &key, &value)) {
        if (!weir_settings_is_of_job(key))
            continue;
        weir__proto__key_value__init(&pairs[count]);
        pairs[count].key = (char *)(uintptr_t)key;
        pairs[count].value = (char *)(uintptr_t)value;
        pointers[count] = &pairs[count];
        count++;
    }
    return count;
}

static int submit(weir_client *client, const weir_submission *submission, const char *id,
                  weir_error *err)
{
    Weir__Proto__SubmitJob body = WEIR__PROTO__SUBMIT_JOB__INIT;
    weir_envelope request = WEIR__PROTO__ENVELOPE__INIT;
    size_t capacity;
    weir_options(&capacity);
    Weir__Proto__KeyValue *pairs = weir_calloc(capacity, sizeof *pairs);

    body.configuration = weir_calloc(capacity, sizeof *body.configuration);
    if (pairs == NULL || body.configuration == NULL) {
        weir_free(pairs);
        weir_free(body.configuration);
        return weir_error_set(err, WEIR_ENO_MEMORY, "no memory to submit the job");
    }
    body.n_configuration =
        list_configuration(submission->config, pairs, body.configuration, capacity);
    body.job = (char *)(uintptr_t)id;
    body.name = (char *)(uintptr_t)submission->job->graph->name;
    body.graph.data = submission->job->packed.data;
    body.graph.len = submission->job->packed.size;
    body.artifact = (char *)(uintptr_t)submission->artifact->digest;
    body.artifact_name = (char *)(uintptr_t)submission->artifact_name;
    body.attached = submission->attached;
    request.body_case = WEIR__PROTO__ENVELOPE__BODY_SUBMIT_JOB;
    request.submit_job = &body;
    int rc =
        weir_client_call(client, &request, 0, WEIR__PROTO__ENVELOPE__BODY_SUBMIT_REPLY, NULL, err);
    if (rc == WEIR_ETIMEOUT)
        weir_error_wrap(err, rc, "job '%s' may have been accepted (see: weir describe %s)",
                        body.name, id);
    weir_free(pairs);
    weir_free(body.configuration);
    return rc;
}

int weir_submit(weir_client *client, const weir_submission *submission, char ret_id[WEIR_ID_HEX],
                weir_error *err)
{
    weir_id id = weir_id_random();

    weir_id_format(&id, ret_id);
    int rc = upload(client, submission, err);
    return rc == 0 ? submit(client, submission, ret_id, err) : rc;
}
