/* dispatcher/artifact_door.c -- artifacts come in from clients and go out to agents. */
#include "dispatcher/parts.h"

#include "base/memory.h"

void weir_artifacts_on_upload(weir_dispatcher *self, weir_context *context,
                              const weir_envelope *message)
{
    const Weir__Proto__UploadChunk *chunk = message->upload_chunk;
    Weir__Proto__UploadReply body = WEIR__PROTO__UPLOAD_REPLY__INIT;
    weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
    weir_error err = WEIR_ERROR_INIT;
    bool complete = false;
    if (weir_artifact_append(self->artifacts, chunk->artifact, chunk->offset, chunk->total,
                             chunk->content.data, chunk->content.len, &body.received, &complete,
                             &err) != 0) {
        weir_answer_error(context, message, &err);
        return;
    }
    body.complete = complete;
    reply.body_case = WEIR_BODY(UPLOAD_REPLY);
    reply.upload_reply = &body;
    weir_answer(context, message, &reply);
}

void weir_artifacts_on_fetch(weir_dispatcher *self, weir_context *context,
                             const weir_envelope *message)
{
    const Weir__Proto__FetchArtifact *fetch = message->fetch_artifact;
    Weir__Proto__ArtifactChunk body = WEIR__PROTO__ARTIFACT_CHUNK__INIT;
    weir_envelope reply = WEIR__PROTO__ENVELOPE__INIT;
    weir_buffer content = WEIR_BUFFER_INIT;
    weir_error err = WEIR_ERROR_INIT;
    uint32_t size =
        fetch->max_bytes < self->config.chunk_max ? fetch->max_bytes : self->config.chunk_max;
    if (weir_artifact_read(self->artifacts, fetch->artifact, fetch->offset, size, &content,
                           &body.total, &err) != 0) {
        weir_answer_error(context, message, &err);
    } else {
        body.offset = fetch->offset;
        body.content.data = content.data;
        body.content.len = content.size;
        reply.body_case = WEIR_BODY(ARTIFACT_CHUNK);
        reply.artifact_chunk = &body;
        weir_answer(context, message, &reply);
    }
    weir_buffer_deinit(&content);
}

bool weir_artifacts_has(weir_dispatcher *self, const char *digest, weir_error *err)
{
    weir_buffer none = WEIR_BUFFER_INIT;
    uint64_t total;
    int rc = weir_artifact_read(self->artifacts, digest, 0, 0, &none, &total, err);
    weir_buffer_deinit(&none);
    return rc == 0;
}

/* ---- what no job uses ---- */

typedef struct sweep {
    weir_dispatcher *dispatcher;
    int64_t now_ms;
    weir_map *seen; /* of this time; the next time's memory */
} sweep;

static void look(void *data, const char *digest)
{
    sweep *of = data;
    if (weir_job_book_uses_artifact(of->dispatcher->book, digest))
        return;
    int64_t *since = weir_map_take(of->dispatcher->unused_artifacts, digest);
    if (since == NULL) {
        since = weir_alloc(sizeof *since);
        if (since == NULL)
            return; /* seen for the first time again, next time */
        *since = of->now_ms;
    }
    if (weir_map_put(of->seen, digest, since) != 0)
        weir_free(since);
}

/* An upload comes before its submission, so only what was unused for as long as results are kept
 * goes; what the history used goes with it (jobs.c). */
void weir_artifacts_sweep(weir_dispatcher *self, weir_context *context)
{
    sweep of = {self, weir_context_now_ms(context), weir_map_new(weir_free)};
    weir_error err = WEIR_ERROR_INIT;
    const char *digest;
    void *since;
    if (of.seen == NULL)
        return;
    int rc = weir_artifact_list(self->artifacts, look, &of, &err);
    weir_map_destroy(&self->unused_artifacts);
    self->unused_artifacts = of.seen;
    for (size_t i = 0; rc == 0 && weir_map_next(of.seen, &i, &digest, &since);) {
        if (of.now_ms - *(int64_t *)since < self->config.history_ms)
            continue;
        rc = weir_artifact_remove(self->artifacts, digest, &err);
        weir_map_remove(of.seen, digest);
    }
    if (rc != 0)
        weir_context_log(context, WEIR_LOG_WARN, "unused artifacts cannot be removed: %s",
                         err.text);
}
