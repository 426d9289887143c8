/* batch/key_field.h -- internal to the room: the fields of a key codec, for encoding and decoding.
 */
#ifndef BATCH_KEY_FIELD_H
#define BATCH_KEY_FIELD_H

#include "batch/key.h"

#define WEIR__KEY_NULL  0
#define WEIR__KEY_VALUE 1

enum weir__key_op {
    WEIR__KEY_BOOLEAN,
    WEIR__KEY_1, /* integers of so many bytes, and what is counted in them */
    WEIR__KEY_2,
    WEIR__KEY_4,
    WEIR__KEY_8,
    WEIR__KEY_FLOAT,
    WEIR__KEY_DOUBLE,
    WEIR__KEY_DECIMAL,
    WEIR__KEY_BYTES,
    WEIR__KEY_CHAR /* bytes without trailing spaces */
};

typedef struct weir__key_field {
    const weir_column *column; /* of the batch at hand */
    uint32_t index;            /* of the column */
    uint8_t op;                /* enum weir__key_op */
    uint8_t kind;
    uint8_t width; /* of a fixed-width value, encoded */
    bool has_zero; /* a zero byte is among the values of the rows at hand */
} weir__key_field;

struct weir_key_codec {
    weir__key_field *fields;
    uint32_t count;
    uint32_t fixed_size; /* of a key's markers and fixed-width values, and the ends of others */
    uint8_t *bytes;
    size_t bytes_capacity;
    uint32_t *offsets;
    uint64_t *hashes;
    uint32_t rows_capacity;
};

#endif
