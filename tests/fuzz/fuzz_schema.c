/* The SQL spelling of a schema: refused with a reason, or printed and read again to the same.
 *
 *   the text */
#include "fuzz.h"

#include "base/memory.h"
#include "batch/arrow.h"
#include "batch/schema.h"

#include <string.h>

static void check_accepted(const weir_schema *schema)
{
    weir_buffer first = WEIR_BUFFER_INIT, second = WEIR_BUFFER_INIT;
    weir_schema *again = NULL, *copy = NULL;
    weir_error err = WEIR_ERROR_INIT;
    struct ArrowSchema arrow;

    weir_schema_format(schema, &first);
    FUZZ_OK(weir_buffer_check(&first));
    int rc = weir_schema_parse(weir_buffer_text(&first), &again, &err);
    if (rc != 0)
        fuzz_fail(__FILE__, __LINE__, "%s does not read back: %s", weir_buffer_text(&first),
                  err.text);
    FUZZ_CHECK(weir_schema_equal(schema, again));
    FUZZ_CHECK(weir_schema_fingerprint(schema) == weir_schema_fingerprint(again));
    weir_schema_format(again, &second);
    FUZZ_CHECK(fuzz_same(&first, &second));
    FUZZ_OK(weir_schema_new(weir_schema_name(schema), weir_schema_fields(schema),
                            weir_schema_count(schema), &copy, &err));
    FUZZ_CHECK(weir_schema_equal(schema, copy));
    for (uint32_t i = 0; i < weir_schema_count(schema); i++)
        FUZZ_CHECK(weir_schema_find(schema, weir_schema_at(schema, i)->name) == (int)i);
    FUZZ_OK(weir_arrow_export_schema(schema, &arrow));
    arrow.release(&arrow);
    weir_schema_unref(&again);
    weir_schema_unref(&copy);
    weir_buffer_deinit(&first);
    weir_buffer_deinit(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    weir_schema *schema = NULL;
    weir_error err = WEIR_ERROR_INIT;
    int rc = weir_schema_parse(text, &schema, &err);

    if (rc != 0)
        fuzz_check_failure(rc, &err);
    else
        check_accepted(schema);
    weir_schema_unref(&schema);
    weir_free(text);
    return 0;
}
