/* tests/unit/actors/test_rights.c -- who may send what to whom, written down a second time. */
#include "actors/rights.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ROLES = 5 };

/* "SubmitJob c>d": a client to the dispatcher. What is not here nobody may send. */
static const char *const allowed[] = {
    "SubmitJob c>d",     "UploadChunk c>d",   "ListJobs c>d",     "DescribeJob c>d",
    "ClusterStatus c>d", "StopCluster c>d",   "CancelJob c>d",    "CancelJob d>j",
    "FetchRows c>d",     "FetchRows d>j",     "FetchLog c>d",     "FetchLog d>j",
    "FetchLog d>t",      "Register j>d",      "Register t>d",     "StartJob d>j",
    "JobReport j>d",     "RequestSlots j>d",  "FreeSlots j>d",    "FreeSlots d>t",
    "AllocateSlots d>t", "FetchArtifact t>d", "Shutdown d>j",     "Shutdown d>t",
    "OfferSlots t>j",    "RunnerExited t>j",  "RunnerReady r>j",  "TaskReport r>j",
    "Progress r>j",      "RequestSplit r>j",  "RequestSplit j>r", "PrintRows r>j",
    "Deploy j>r",        "StartTasks j>r",    "CancelTasks j>r",  "EndRunner j>r",
};

static char letter_of(weir_roles role)
{
    char name[WEIR_ROLES_TEXT_MAX];
    return weir_roles_format(role, name)[0];
}

static bool is_allowed(const char *kind, weir_roles from, weir_roles to)
{
    char row[64];
    snprintf(row, sizeof row, "%s %c>%c", kind, letter_of(from), letter_of(to));
    for (size_t i = 0; i < WEIR_COUNT(allowed); i++) {
        if (strcmp(allowed[i], row) == 0)
            return true;
    }
    return false;
}

/* Of every kind of message between every two roles. */
static void test_the_table(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *envelope = &weir__proto__envelope__descriptor;
    size_t used = 0;
    for (unsigned i = 0; i < envelope->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &envelope->fields[i];
        Weir__Proto__Envelope__BodyCase kind = (Weir__Proto__Envelope__BodyCase)field->id;
        for (int pair = 0; pair < ROLES * ROLES; pair++) {
            weir_roles from = UINT32_C(1) << (pair / ROLES), to = UINT32_C(1) << (pair % ROLES);
            bool expected = field->type == PROTOBUF_C_TYPE_MESSAGE &&
                            is_allowed(weir_envelope_kind(kind), from, to);
            if (weir_right_to_send(kind, from, to) != expected)
                fail_msg("%s from %c to %c", field->name, letter_of(from), letter_of(to));
            used += expected;
        }
    }
    assert_int_equal(used, WEIR_COUNT(allowed));
}

static void test_every_kind_has_a_row(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *envelope = &weir__proto__envelope__descriptor;
    size_t count;
    const weir_right *rights = weir_rights(&count);
    for (unsigned i = 0; i < envelope->n_fields; i++) {
        bool is_found = envelope->fields[i].type != PROTOBUF_C_TYPE_MESSAGE;
        for (size_t row = 0; row < count && !is_found; row++)
            is_found = (unsigned)rights[row].kind == envelope->fields[i].id;
        if (!is_found)
            fail_msg("%s has no row in actors/rights.c: say who may send it, or that it is only a "
                     "reply",
                     envelope->fields[i].name);
    }
}

static void test_what_is_no_kind_and_no_role_is_refused(void **state)
{
    (void)state;
    assert_false(weir_right_to_send(WEIR__PROTO__ENVELOPE__BODY__NOT_SET, ~0u, ~0u));
    assert_false(weir_right_to_send((Weir__Proto__Envelope__BodyCase)9999, ~0u, ~0u));
    assert_false(
        weir_right_to_send(WEIR__PROTO__ENVELOPE__BODY_SUBMIT_JOB, 0, WEIR_ROLE_DISPATCHER));
    assert_false(weir_right_to_send(WEIR__PROTO__ENVELOPE__BODY_SUBMIT_JOB, WEIR_ROLE_CLIENT, 0));
    assert_string_equal(weir_envelope_kind(WEIR__PROTO__ENVELOPE__BODY_SUBMIT_JOB), "SubmitJob");
    assert_string_equal(weir_envelope_kind((Weir__Proto__Envelope__BodyCase)1), "a message");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table),
        cmocka_unit_test(test_every_kind_has_a_row),
        cmocka_unit_test(test_what_is_no_kind_and_no_role_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
