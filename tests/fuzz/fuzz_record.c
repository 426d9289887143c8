/* A value of the record store as it lies on disk, and a job's record behind its checksum.
 *
 *   u8 what to make right, u8 length and key, the value */
#include "fuzz.h"

#include "base/memory.h"
#include "dispatcher/job_record.h"
#include "store/record_check.h"
#include "store/record_value.h"

#include <string.h>

enum { SEALED = 1 };

static void check_job(uint16_t version, const uint8_t *payload, size_t size)
{
    weir_job_record record, again;
    weir_buffer packed = WEIR_BUFFER_INIT;
    weir_error err = WEIR_ERROR_INIT;
    int rc = weir_job_record_unpack(version, payload, size, &record, &err);

    if (rc != 0) {
        fuzz_check_failure(rc, &err);
        FUZZ_CHECK(rc == WEIR_ECORRUPT || rc == WEIR_EVERSION);
        return;
    }
    FUZZ_CHECK(strlen(record.artifact) < sizeof record.artifact);
    FUZZ_CHECK(strlen(record.jobmanager) < sizeof record.jobmanager);
    FUZZ_OK(weir_job_record_pack(&record, &packed));
    FUZZ_CHECK(packed.size == size && memcmp(packed.data, payload, size) == 0);
    FUZZ_OK(weir_job_record_unpack(version, packed.data, packed.size, &again, &err));
    FUZZ_CHECK(again.number == record.number && again.stage == record.stage);
    weir_buffer_deinit(&packed);
}

static void check_facts(const uint8_t *payload, size_t size)
{
    weir_record_facts facts;
    uint8_t packed[WEIR_RECORD_FACTS_SIZE];

    if (weir_record_facts_unpack(payload, size, &facts) != 0)
        return;
    weir_record_facts_pack(&facts, packed);
    FUZZ_CHECK(size == sizeof packed && memcmp(packed, payload, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input input = {data, size};
    bool seal = (fuzz_u8(&input) & SEALED) != 0;
    uint16_t version = fuzz_u16(&input), found = 0;
    size_t key_size, value_size, payload_size;
    const uint8_t *from = fuzz_bytes(&input, &key_size);
    char *key = fuzz_copy(from, key_size);
    from = fuzz_rest(&input, &value_size);
    uint8_t *value = weir_alloc(value_size + (seal ? WEIR_RECORD_HEADER : 0));
    const uint8_t *payload = NULL;
    weir_error err = WEIR_ERROR_INIT;

    FUZZ_CHECK(value != NULL);
    if (seal) {
        FUZZ_OK(weir_record_seal(key, key_size, version, from, value_size, value, &err));
        value_size += WEIR_RECORD_HEADER;
    } else if (value_size > 0) {
        memcpy(value, from, value_size);
    }
    int rc =
        weir_record_unseal(key, key_size, value, value_size, &found, &payload, &payload_size, &err);
    if (rc != 0) {
        fuzz_check_failure(rc, &err);
        FUZZ_CHECK(!seal && (rc == WEIR_ECORRUPT || rc == WEIR_EVERSION));
    } else {
        FUZZ_CHECK(payload == value + WEIR_RECORD_HEADER);
        FUZZ_CHECK(payload_size == value_size - WEIR_RECORD_HEADER && (!seal || found == version));
        check_job(found, payload, payload_size);
        check_facts(payload, payload_size);
    }
    weir_free(key);
    weir_free(value);
    return 0;
}
