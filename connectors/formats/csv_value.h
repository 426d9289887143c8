/* formats/csv_value.h -- the text of one field to a value of its kind.
 *
 * Each returns NULL, or the problem as the end of a sentence about the field. Pure. */
#ifndef CONNECTORS_FORMATS_CSV_VALUE_H
#define CONNECTORS_FORMATS_CSV_VALUE_H

#include "batch/schema.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct weir_csv_value {
    bool null;
    const char *bytes; /* variable width */
    size_t size;
    union {
        bool boolean;
        int8_t i8;
        int16_t i16;
        int32_t i32;
        int64_t i64;
        float f32;
        double f64;
        weir_decimal decimal;
    } value;
} weir_csv_value;

/* Fixed-width kinds and booleans; spaces around them are ignored. */
const char *weir_csv_read_scalar(const weir_schema_field *field, const char *p, size_t n,
                                 weir_csv_value *to);
/* char, varchar, string: points into the text, whose length is checked. */
const char *weir_csv_read_text(const weir_schema_field *field, const char *p, size_t n,
                               weir_csv_value *to);
/* binary, bytes: hex into `room`, n / 2 bytes. */
const char *weir_csv_read_hex(const weir_schema_field *field, const char *p, size_t n, char *room,
                              weir_csv_value *to);

#endif
