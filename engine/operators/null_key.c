#include "operators/null_key.h"

#include "operators/row_text.h"

static int refuse(const weir_graph_operator *consumer, const weir_schema *schema,
                  const weir_columns *columns, uint32_t field, weir_error *err)
{
    const char *where = consumer->where && *consumer->where ? consumer->where : "job";
    char record[WEIR_ROW_TEXT_MAX + 1];
    uint32_t row = 0;

    while (row + 1 < columns->rows && !weir_column_is_null(&columns->columns[field], row))
        row++;
    weir_row_text(schema, columns, row, record, sizeof record);
    return weir_error_set(err, WEIR_EUSER,
                          "%s: %s: a key is NULL; field %s of record %s; filter it out or give it "
                          "a value before key_by",
                          where, consumer->name, weir_schema_at(schema, field)->name, record);
}

int weir_null_key_check(const weir_graph_operator *consumer, const weir_schema *schema,
                        const weir_columns *columns, const uint32_t *keys, uint32_t nkeys,
                        weir_error *err)
{
    for (uint32_t i = 0; i < nkeys; i++)
        if (columns->columns[keys[i]].nulls > 0)
            return refuse(consumer, schema, columns, keys[i], err);
    return 0;
}
