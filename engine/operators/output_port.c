#include "operators/output_port.h"

#include "operators/classes.h"

#define SLICE 512u /* rows gathered between two looks at the builder's size */

/* char, varchar and binary have a length to check: they go through the builder. */
static bool is_one_string(const weir_schema *schema)
{
    const weir_schema_field *field = weir_schema_at(schema, 0);

    return weir_schema_count(schema) == 1 && !field->nullable &&
           (field->kind == WEIR_KIND_string || field->kind == WEIR_KIND_bytes);
}

int weir_output_port_init(weir_output_port *port, weir_operator *operator_, weir_schema *schema,
                          weir_collector *collector)
{
    uint32_t rows = operator_->context.batch_rows, bytes = operator_->context.batch_bytes;
    int rc;

    memset(port, 0, sizeof *port);
    port->operator_ = operator_;
    port->collector = collector;
    port->schema = weir_schema_ref(schema);
    rc = weir_builder_new(schema, rows, bytes, &port->builder);
    if (rc < 0 || !is_one_string(schema))
        return rc;
    /* Half of the bytes at least are for long strings. */
    if (rows > bytes / (2 * WEIR_PORT_SHORT))
        rows = bytes < 2 * WEIR_PORT_SHORT ? 1 : bytes / (2 * WEIR_PORT_SHORT);
    port->bytes = weir_alloc((size_t)bytes + 2 * WEIR_PORT_SHORT);
    port->offsets = weir_calloc((size_t)rows + 1, sizeof *port->offsets);
    if (!port->bytes || !port->offsets)
        return WEIR_ENO_MEMORY;
    port->rows_max = port->rows_room = rows;
    port->long_max = bytes > rows * WEIR_PORT_SHORT ? bytes - rows * WEIR_PORT_SHORT : 0;
    port->strings = true;
    return 0;
}

void weir_output_port_deinit(weir_output_port *port)
{
    weir_builder_destroy(&port->builder);
    weir_schema_unref(&port->schema);
    weir_free(port->bytes);
    weir_free(port->offsets);
    memset(port, 0, sizeof *port);
}

static int collect(weir_output_port *port, const weir_columns *columns, weir_error *err)
{
    port->operator_->records_out += columns->rows;
    return port->collector->collect(port->collector, columns, err);
}

static int hand_on_strings(weir_output_port *port, weir_error *err)
{
    const weir_column column = {.kind = weir_schema_at(port->schema, 0)->kind,
                                .values = port->bytes,
                                .offsets = port->offsets,
                                .rows = port->rows};
    const weir_columns columns = {
        .size = sizeof columns, .rows = port->rows, .ncolumns = 1, .columns = &column};
    int rc = collect(port, &columns, err);

    port->rows = 0;
    port->used = 0;
    return rc;
}

int weir_output_port_begin(weir_output_port *port, weir_error *err)
{
    port->rows_room = 0;
    return port->rows > 0 ? hand_on_strings(port, err) : 0;
}

int weir_output_port_hand_on(weir_output_port *port, weir_error *err)
{
    int rc;

    port->rows_room = port->rows_max;
    if (port->rows > 0)
        return hand_on_strings(port, err);
    if (weir_builder_rows(port->builder) == 0)
        return 0;
    rc = collect(port, weir_builder_view(port->builder), err);
    weir_builder_clear(port->builder);
    return rc;
}

int weir_output_port_pass(weir_output_port *port, const weir_columns *columns, weir_error *err)
{
    int rc = weir_output_port_hand_on(port, err);

    return rc < 0 || columns->rows == 0 ? rc : collect(port, columns, err);
}

int weir_output_port_gather(weir_output_port *port, const weir_columns *columns,
                            const uint32_t *selection, uint32_t count, weir_error *err)
{
    uint32_t total = selection ? count : columns->rows, done = 0, slice[SLICE];
    int rc = weir_output_port_begin(port, err);

    while (rc == 0 && done < total) {
        uint32_t n = total - done < SLICE ? total - done : SLICE;

        for (uint32_t i = 0; !selection && i < n; i++)
            slice[i] = done + i;
        rc = weir_builder_append_columns(port->builder, columns,
                                         selection ? selection + done : slice, n, NULL);
        if (rc < 0)
            return weir_operator_error(port->operator_, err, rc,
                                       "cannot append %u rows to a batch; %s; a batch holds at "
                                       "most %u MiB",
                                       n, weir_code_text(rc), WEIR_BATCH_SIZE_MAX >> 20);
        done += n;
        rc = weir_output_port_advance(port, err);
    }
    return rc;
}

void weir_output_port_clear(weir_output_port *port)
{
    port->rows = 0;
    port->used = 0;
    port->rows_room = port->rows_max;
    if (port->builder)
        weir_builder_clear(port->builder);
}
