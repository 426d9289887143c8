/* actors/rights.c -- the table. A kind that is missing here reaches no actor. */
#include "actors/rights.h"

#include "base/memory.h"

#define KIND(name)  WEIR__PROTO__ENVELOPE__BODY_##name
#define CLIENT      WEIR_ROLE_CLIENT
#define DISPATCHER  WEIR_ROLE_DISPATCHER
#define JOBMANAGER  WEIR_ROLE_JOBMANAGER
#define TASKMANAGER WEIR_ROLE_TASKMANAGER
#define RUNNER      WEIR_ROLE_RUNNER
#define NOBODY      0

static const weir_right rights[] = {
    /* the nodes' own: they never come to an actor */
    {KIND(HELLO), NOBODY, NOBODY},
    {KIND(WELCOME), NOBODY, NOBODY},
    {KIND(REFUSE), NOBODY, NOBODY},
    {KIND(HEARTBEAT), NOBODY, NOBODY},
    {KIND(GOODBYE), NOBODY, NOBODY},

    /* replies */
    {KIND(ERROR), NOBODY, NOBODY},
    {KIND(ACK), NOBODY, NOBODY},
    {KIND(SUBMIT_REPLY), NOBODY, NOBODY},
    {KIND(UPLOAD_REPLY), NOBODY, NOBODY},
    {KIND(JOB_LIST), NOBODY, NOBODY},
    {KIND(JOB_DETAIL), NOBODY, NOBODY},
    {KIND(CLUSTER_DETAIL), NOBODY, NOBODY},
    {KIND(ROWS), NOBODY, NOBODY},
    {KIND(LOG_TEXT), NOBODY, NOBODY},
    {KIND(REGISTER_REPLY), NOBODY, NOBODY},
    {KIND(SLOTS_REPLY), NOBODY, NOBODY},
    {KIND(ARTIFACT_CHUNK), NOBODY, NOBODY},
    {KIND(OFFER_REPLY), NOBODY, NOBODY},
    {KIND(SPLIT_REPLY), NOBODY, NOBODY},
    {KIND(PRINT_REPLY), NOBODY, NOBODY},

    /* what a client asks */
    {KIND(SUBMIT_JOB), CLIENT, DISPATCHER},
    {KIND(UPLOAD_CHUNK), CLIENT, DISPATCHER},
    {KIND(LIST_JOBS), CLIENT, DISPATCHER},
    {KIND(DESCRIBE_JOB), CLIENT, DISPATCHER},
    {KIND(CLUSTER_STATUS), CLIENT, DISPATCHER},
    {KIND(STOP_CLUSTER), CLIENT, DISPATCHER},
    {KIND(CANCEL_JOB), CLIENT, DISPATCHER},
    {KIND(CANCEL_JOB), DISPATCHER, JOBMANAGER},
    {KIND(FETCH_ROWS), CLIENT, DISPATCHER},
    {KIND(FETCH_ROWS), DISPATCHER, JOBMANAGER},
    {KIND(FETCH_LOG), CLIENT, DISPATCHER},
    {KIND(FETCH_LOG), DISPATCHER, JOBMANAGER | TASKMANAGER},

    /* between the dispatcher and its members */
    {KIND(REGISTER), JOBMANAGER | TASKMANAGER, DISPATCHER},
    {KIND(START_JOB), DISPATCHER, JOBMANAGER},
    {KIND(JOB_REPORT), JOBMANAGER, DISPATCHER},
    {KIND(REQUEST_SLOTS), JOBMANAGER, DISPATCHER},
    {KIND(FREE_SLOTS), JOBMANAGER, DISPATCHER},
    {KIND(FREE_SLOTS), DISPATCHER, TASKMANAGER},
    {KIND(ALLOCATE_SLOTS), DISPATCHER, TASKMANAGER},
    {KIND(FETCH_ARTIFACT), TASKMANAGER, DISPATCHER},
    {KIND(SHUTDOWN), DISPATCHER, JOBMANAGER | TASKMANAGER},

    /* at the JobMaster of a job */
    {KIND(OFFER_SLOTS), TASKMANAGER, JOBMANAGER},
    {KIND(RUNNER_EXITED), TASKMANAGER, JOBMANAGER},
    {KIND(RUNNER_READY), RUNNER, JOBMANAGER},
    {KIND(TASK_REPORT), RUNNER, JOBMANAGER},
    {KIND(PROGRESS), RUNNER, JOBMANAGER},
    {KIND(REQUEST_SPLIT), RUNNER, JOBMANAGER},
    {KIND(PRINT_ROWS), RUNNER, JOBMANAGER},
    {KIND(DEPLOY), JOBMANAGER, RUNNER},
    {KIND(START_TASKS), JOBMANAGER, RUNNER},
    {KIND(CANCEL_TASKS), JOBMANAGER, RUNNER},
    {KIND(REQUEST_SPLIT), JOBMANAGER, RUNNER},
    {KIND(END_RUNNER), JOBMANAGER, RUNNER},
};

const weir_right *weir_rights(size_t *ret_count)
{
    *ret_count = WEIR_COUNT(rights);
    return rights;
}

bool weir_right_to_send(Weir__Proto__Envelope__BodyCase kind, weir_roles from, weir_roles to)
{
    for (size_t i = 0; i < WEIR_COUNT(rights); i++) {
        if (rights[i].kind == kind && (rights[i].from & from) != 0 && (rights[i].to & to) != 0)
            return true;
    }
    return false;
}

const char *weir_envelope_kind(Weir__Proto__Envelope__BodyCase kind)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(&weir__proto__envelope__descriptor, (unsigned)kind);
    if (field == NULL || field->type != PROTOBUF_C_TYPE_MESSAGE)
        return "a message";
    return ((const ProtobufCMessageDescriptor *)field->descriptor)->short_name;
}
