/* clang-format off */ /* macros and one-line functions read better as they stand */
/* weir/types.h -- values, records and column views, as a job and a connector see them.
 *
 * A record is a C struct whose fields are declared once with WEIR_RECORD; the declaration also makes
 * the descriptor that the engine, the wire and the files use:
 *
 *   WEIR_RECORD(trade, (string, symbol), (decimal, price, WEIR_PRECISION(10, 2)),
 *               (nullable_bigint, volume), (timestamp, at));
 *
 * C99- and C++-clean. Structures are only ever appended to; those that a job hands over begin with
 * their size. All pointers in values are borrowed: valid until the callback returns. */
#ifndef WEIR_TYPES_H
#define WEIR_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- kinds: the SQL names. Numbers are part of the ABI and of every file: never reused. ---- */

enum weir_kind {
    WEIR_KIND_boolean = 1,
    WEIR_KIND_tinyint = 2,
    WEIR_KIND_smallint = 3,
    WEIR_KIND_integer = 4,
    WEIR_KIND_bigint = 5,
    WEIR_KIND_float = 6,
    WEIR_KIND_double = 7,
    WEIR_KIND_decimal = 8, /* precision 1..38, scale 0..precision */
    WEIR_KIND_char = 9,    /* precision = length in characters, padded with spaces */
    WEIR_KIND_varchar = 10, /* precision = greatest length in characters */
    WEIR_KIND_string = 11, /* UTF-8 */
    WEIR_KIND_binary = 12, /* precision = length in bytes */
    WEIR_KIND_bytes = 13,
    WEIR_KIND_date = 14,          /* days since 1970-01-01 */
    WEIR_KIND_time = 15,          /* milliseconds since midnight */
    WEIR_KIND_timestamp = 16,     /* without zone; precision 0, 3, 6 or 9 digits: s, ms, us, ns */
    WEIR_KIND_timestamp_ltz = 17, /* an instant, UTC; precision as above */
    WEIR_KIND_interval_months = 18,
    WEIR_KIND_interval_ms = 19,
    WEIR_KIND_array = 20,
    WEIR_KIND_map = 21,
    WEIR_KIND_row = 22,

    WEIR_NULLABLE = 0x100 /* flag in weir_field.kind */
};

/* ---- values ---- */

typedef struct weir_string { const char *p; uint32_t n; } weir_string; /* not NUL-terminated */
typedef struct weir_bytes { const void *p; uint32_t n; } weir_bytes;
typedef struct weir_decimal { uint64_t low; int64_t high; } weir_decimal; /* 128-bit, unscaled */
typedef struct weir_array { const void *items; uint32_t n; } weir_array; /* n items, C layout */
typedef struct weir_map_view { const void *keys, *values; uint32_t n; } weir_map_view;
typedef int64_t weir_bigint;
typedef int64_t weir_timestamp;

/* The C type of each kind. */
#define WEIR_C_boolean bool
#define WEIR_C_tinyint int8_t
#define WEIR_C_smallint int16_t
#define WEIR_C_integer int32_t
#define WEIR_C_bigint int64_t
#define WEIR_C_float float
#define WEIR_C_double double
#define WEIR_C_decimal weir_decimal
#define WEIR_C_char weir_string
#define WEIR_C_varchar weir_string
#define WEIR_C_string weir_string
#define WEIR_C_binary weir_bytes
#define WEIR_C_bytes weir_bytes
#define WEIR_C_date int32_t
#define WEIR_C_time int32_t
#define WEIR_C_timestamp int64_t
#define WEIR_C_timestamp_ltz int64_t
#define WEIR_C_interval_months int32_t
#define WEIR_C_interval_ms int64_t
#define WEIR_C_array weir_array
#define WEIR_C_map weir_map_view
#define WEIR_C_row_of(T) T                /* (row_of(point), at, WEIR_ROW(point)) */
#define WEIR_KIND_row_of(T) WEIR_KIND_row

/* A nullable field is a small struct, so that a zeroed record holds zeroes, not NULLs:
 *   if (!t->volume.is_null) sum += t->volume.value; */
#define WEIR__NULLABLE(k) typedef struct weir_nullable_##k { WEIR_C_##k value; bool is_null; } weir_nullable_##k
WEIR__NULLABLE(boolean);
WEIR__NULLABLE(tinyint);
WEIR__NULLABLE(smallint);
WEIR__NULLABLE(integer);
WEIR__NULLABLE(bigint);
WEIR__NULLABLE(float);
WEIR__NULLABLE(double);
WEIR__NULLABLE(decimal);
WEIR__NULLABLE(string);
WEIR__NULLABLE(bytes);
WEIR__NULLABLE(date);
WEIR__NULLABLE(time);
WEIR__NULLABLE(timestamp);
WEIR__NULLABLE(timestamp_ltz);
WEIR__NULLABLE(interval_months);
WEIR__NULLABLE(interval_ms);
WEIR__NULLABLE(array);
WEIR__NULLABLE(map);
typedef weir_nullable_string weir_nullable_char, weir_nullable_varchar;
typedef weir_nullable_bytes weir_nullable_binary;

#define WEIR_C_nullable_boolean weir_nullable_boolean
#define WEIR_C_nullable_tinyint weir_nullable_tinyint
#define WEIR_C_nullable_smallint weir_nullable_smallint
#define WEIR_C_nullable_integer weir_nullable_integer
#define WEIR_C_nullable_bigint weir_nullable_bigint
#define WEIR_C_nullable_float weir_nullable_float
#define WEIR_C_nullable_double weir_nullable_double
#define WEIR_C_nullable_decimal weir_nullable_decimal
#define WEIR_C_nullable_char weir_nullable_char
#define WEIR_C_nullable_varchar weir_nullable_varchar
#define WEIR_C_nullable_string weir_nullable_string
#define WEIR_C_nullable_binary weir_nullable_binary
#define WEIR_C_nullable_bytes weir_nullable_bytes
#define WEIR_C_nullable_date weir_nullable_date
#define WEIR_C_nullable_time weir_nullable_time
#define WEIR_C_nullable_timestamp weir_nullable_timestamp
#define WEIR_C_nullable_timestamp_ltz weir_nullable_timestamp_ltz
#define WEIR_C_nullable_interval_months weir_nullable_interval_months
#define WEIR_C_nullable_interval_ms weir_nullable_interval_ms
#define WEIR_C_nullable_array weir_nullable_array
#define WEIR_C_nullable_map weir_nullable_map

#define WEIR_KIND_nullable_boolean (WEIR_KIND_boolean | WEIR_NULLABLE)
#define WEIR_KIND_nullable_tinyint (WEIR_KIND_tinyint | WEIR_NULLABLE)
#define WEIR_KIND_nullable_smallint (WEIR_KIND_smallint | WEIR_NULLABLE)
#define WEIR_KIND_nullable_integer (WEIR_KIND_integer | WEIR_NULLABLE)
#define WEIR_KIND_nullable_bigint (WEIR_KIND_bigint | WEIR_NULLABLE)
#define WEIR_KIND_nullable_float (WEIR_KIND_float | WEIR_NULLABLE)
#define WEIR_KIND_nullable_double (WEIR_KIND_double | WEIR_NULLABLE)
#define WEIR_KIND_nullable_decimal (WEIR_KIND_decimal | WEIR_NULLABLE)
#define WEIR_KIND_nullable_char (WEIR_KIND_char | WEIR_NULLABLE)
#define WEIR_KIND_nullable_varchar (WEIR_KIND_varchar | WEIR_NULLABLE)
#define WEIR_KIND_nullable_string (WEIR_KIND_string | WEIR_NULLABLE)
#define WEIR_KIND_nullable_binary (WEIR_KIND_binary | WEIR_NULLABLE)
#define WEIR_KIND_nullable_bytes (WEIR_KIND_bytes | WEIR_NULLABLE)
#define WEIR_KIND_nullable_date (WEIR_KIND_date | WEIR_NULLABLE)
#define WEIR_KIND_nullable_time (WEIR_KIND_time | WEIR_NULLABLE)
#define WEIR_KIND_nullable_timestamp (WEIR_KIND_timestamp | WEIR_NULLABLE)
#define WEIR_KIND_nullable_timestamp_ltz (WEIR_KIND_timestamp_ltz | WEIR_NULLABLE)
#define WEIR_KIND_nullable_interval_months (WEIR_KIND_interval_months | WEIR_NULLABLE)
#define WEIR_KIND_nullable_interval_ms (WEIR_KIND_interval_ms | WEIR_NULLABLE)
#define WEIR_KIND_nullable_array (WEIR_KIND_array | WEIR_NULLABLE)
#define WEIR_KIND_nullable_map (WEIR_KIND_map | WEIR_NULLABLE)

/* ---- descriptors ---- */

typedef struct weir_type weir_type;

typedef struct weir_field {
    const char *name;
    uint32_t kind;      /* enum weir_kind, perhaps | WEIR_NULLABLE */
    uint32_t offset;    /* of the member in the struct */
    uint32_t precision; /* decimal, char, varchar, binary, timestamp; 0: the default */
    uint32_t scale;     /* decimal */
    uint32_t element;   /* array: kind of its items; map: kind of its values */
    uint32_t key;       /* map: kind of its keys */
    const weir_type *row; /* the nested record of a row, or of the items of an array of rows */
} weir_field;

struct weir_type {
    uint32_t size;         /* of this structure */
    uint32_t field_size;   /* sizeof(weir_field) of the module that made it */
    const char *name;
    uint32_t record_size;  /* sizeof the struct */
    uint32_t nfields;
    const weir_field *fields;
};

#define WEIR_PRECISION(p, s) (p), (s), 0, 0, 0
#define WEIR_LENGTH(n) (n), 0, 0, 0, 0
#define WEIR_OF(k) 0, 0, WEIR_KIND_##k, 0, 0                    /* (array, tags, WEIR_OF(string)) */
#define WEIR_FROM_TO(k, v) 0, 0, WEIR_KIND_##v, WEIR_KIND_##k, 0 /* (map, m, WEIR_FROM_TO(string, bigint)) */
#define WEIR_ROW(T) 0, 0, 0, 0, &T##_type
#define WEIR_OF_ROWS(T) 0, 0, WEIR_KIND_row, 0, &T##_type       /* (array, items, WEIR_OF_ROWS(item)) */

/* ---- WEIR_RECORD ---- */

#define WEIR__CAT_(a, b) a##b
#define WEIR__CAT(a, b) WEIR__CAT_(a, b)
#define WEIR__EXPAND(x) x
#define WEIR__UNPACK(...) __VA_ARGS__
/* WEIR__EACH applies a macro to each of up to 64 tuples. */
#define WEIR__NTH(_1,_2,_3,_4,_5,_6,_7,_8,_9,_10,_11,_12,_13,_14,_15,_16,_17,_18,_19,_20,_21, \
    _22,_23,_24,_25,_26,_27,_28,_29,_30,_31,_32,_33,_34,_35,_36,_37,_38,_39,_40,_41,_42,_43,_44,_45, \
    _46,_47,_48,_49,_50,_51,_52,_53,_54,_55,_56,_57,_58,_59,_60,_61,_62,_63,_64,N,...) N
#define WEIR__N(...) WEIR__EXPAND(WEIR__NTH(__VA_ARGS__,64,63,62,61,60,59,58,57,56,55,54,53,52, \
    51,50,49,48,47,46,45,44,43,42,41,40,39,38,37,36,35,34,33,32,31,30,29,28,27,26,25,24,23,22,21,20, \
    19,18,17,16,15,14,13,12,11,10,9,8,7,6,5,4,3,2,1,0))
#define WEIR__E1(m, T, x) m(T, x)
#define WEIR__E2(m, T, x, ...) m(T, x) WEIR__E1(m, T, __VA_ARGS__)
#define WEIR__E3(m, T, x, ...) m(T, x) WEIR__E2(m, T, __VA_ARGS__)
#define WEIR__E4(m, T, x, ...) m(T, x) WEIR__E3(m, T, __VA_ARGS__)
#define WEIR__E5(m, T, x, ...) m(T, x) WEIR__E4(m, T, __VA_ARGS__)
#define WEIR__E6(m, T, x, ...) m(T, x) WEIR__E5(m, T, __VA_ARGS__)
#define WEIR__E7(m, T, x, ...) m(T, x) WEIR__E6(m, T, __VA_ARGS__)
#define WEIR__E8(m, T, x, ...) m(T, x) WEIR__E7(m, T, __VA_ARGS__)
#define WEIR__E9(m, T, x, ...) m(T, x) WEIR__E8(m, T, __VA_ARGS__)
#define WEIR__E10(m, T, x, ...) m(T, x) WEIR__E9(m, T, __VA_ARGS__)
#define WEIR__E11(m, T, x, ...) m(T, x) WEIR__E10(m, T, __VA_ARGS__)
#define WEIR__E12(m, T, x, ...) m(T, x) WEIR__E11(m, T, __VA_ARGS__)
#define WEIR__E13(m, T, x, ...) m(T, x) WEIR__E12(m, T, __VA_ARGS__)
#define WEIR__E14(m, T, x, ...) m(T, x) WEIR__E13(m, T, __VA_ARGS__)
#define WEIR__E15(m, T, x, ...) m(T, x) WEIR__E14(m, T, __VA_ARGS__)
#define WEIR__E16(m, T, x, ...) m(T, x) WEIR__E15(m, T, __VA_ARGS__)
#define WEIR__E17(m, T, x, ...) m(T, x) WEIR__E16(m, T, __VA_ARGS__)
#define WEIR__E18(m, T, x, ...) m(T, x) WEIR__E17(m, T, __VA_ARGS__)
#define WEIR__E19(m, T, x, ...) m(T, x) WEIR__E18(m, T, __VA_ARGS__)
#define WEIR__E20(m, T, x, ...) m(T, x) WEIR__E19(m, T, __VA_ARGS__)
#define WEIR__E21(m, T, x, ...) m(T, x) WEIR__E20(m, T, __VA_ARGS__)
#define WEIR__E22(m, T, x, ...) m(T, x) WEIR__E21(m, T, __VA_ARGS__)
#define WEIR__E23(m, T, x, ...) m(T, x) WEIR__E22(m, T, __VA_ARGS__)
#define WEIR__E24(m, T, x, ...) m(T, x) WEIR__E23(m, T, __VA_ARGS__)
#define WEIR__E25(m, T, x, ...) m(T, x) WEIR__E24(m, T, __VA_ARGS__)
#define WEIR__E26(m, T, x, ...) m(T, x) WEIR__E25(m, T, __VA_ARGS__)
#define WEIR__E27(m, T, x, ...) m(T, x) WEIR__E26(m, T, __VA_ARGS__)
#define WEIR__E28(m, T, x, ...) m(T, x) WEIR__E27(m, T, __VA_ARGS__)
#define WEIR__E29(m, T, x, ...) m(T, x) WEIR__E28(m, T, __VA_ARGS__)
#define WEIR__E30(m, T, x, ...) m(T, x) WEIR__E29(m, T, __VA_ARGS__)
#define WEIR__E31(m, T, x, ...) m(T, x) WEIR__E30(m, T, __VA_ARGS__)
#define WEIR__E32(m, T, x, ...) m(T, x) WEIR__E31(m, T, __VA_ARGS__)
#define WEIR__E33(m, T, x, ...) m(T, x) WEIR__E32(m, T, __VA_ARGS__)
#define WEIR__E34(m, T, x, ...) m(T, x) WEIR__E33(m, T, __VA_ARGS__)
#define WEIR__E35(m, T, x, ...) m(T, x) WEIR__E34(m, T, __VA_ARGS__)
#define WEIR__E36(m, T, x, ...) m(T, x) WEIR__E35(m, T, __VA_ARGS__)
#define WEIR__E37(m, T, x, ...) m(T, x) WEIR__E36(m, T, __VA_ARGS__)
#define WEIR__E38(m, T, x, ...) m(T, x) WEIR__E37(m, T, __VA_ARGS__)
#define WEIR__E39(m, T, x, ...) m(T, x) WEIR__E38(m, T, __VA_ARGS__)
#define WEIR__E40(m, T, x, ...) m(T, x) WEIR__E39(m, T, __VA_ARGS__)
#define WEIR__E41(m, T, x, ...) m(T, x) WEIR__E40(m, T, __VA_ARGS__)
#define WEIR__E42(m, T, x, ...) m(T, x) WEIR__E41(m, T, __VA_ARGS__)
#define WEIR__E43(m, T, x, ...) m(T, x) WEIR__E42(m, T, __VA_ARGS__)
#define WEIR__E44(m, T, x, ...) m(T, x) WEIR__E43(m, T, __VA_ARGS__)
#define WEIR__E45(m, T, x, ...) m(T, x) WEIR__E44(m, T, __VA_ARGS__)
#define WEIR__E46(m, T, x, ...) m(T, x) WEIR__E45(m, T, __VA_ARGS__)
#define WEIR__E47(m, T, x, ...) m(T, x) WEIR__E46(m, T, __VA_ARGS__)
#define WEIR__E48(m, T, x, ...) m(T, x) WEIR__E47(m, T, __VA_ARGS__)
#define WEIR__E49(m, T, x, ...) m(T, x) WEIR__E48(m, T, __VA_ARGS__)
#define WEIR__E50(m, T, x, ...) m(T, x) WEIR__E49(m, T, __VA_ARGS__)
#define WEIR__E51(m, T, x, ...) m(T, x) WEIR__E50(m, T, __VA_ARGS__)
#define WEIR__E52(m, T, x, ...) m(T, x) WEIR__E51(m, T, __VA_ARGS__)
#define WEIR__E53(m, T, x, ...) m(T, x) WEIR__E52(m, T, __VA_ARGS__)
#define WEIR__E54(m, T, x, ...) m(T, x) WEIR__E53(m, T, __VA_ARGS__)
#define WEIR__E55(m, T, x, ...) m(T, x) WEIR__E54(m, T, __VA_ARGS__)
#define WEIR__E56(m, T, x, ...) m(T, x) WEIR__E55(m, T, __VA_ARGS__)
#define WEIR__E57(m, T, x, ...) m(T, x) WEIR__E56(m, T, __VA_ARGS__)
#define WEIR__E58(m, T, x, ...) m(T, x) WEIR__E57(m, T, __VA_ARGS__)
#define WEIR__E59(m, T, x, ...) m(T, x) WEIR__E58(m, T, __VA_ARGS__)
#define WEIR__E60(m, T, x, ...) m(T, x) WEIR__E59(m, T, __VA_ARGS__)
#define WEIR__E61(m, T, x, ...) m(T, x) WEIR__E60(m, T, __VA_ARGS__)
#define WEIR__E62(m, T, x, ...) m(T, x) WEIR__E61(m, T, __VA_ARGS__)
#define WEIR__E63(m, T, x, ...) m(T, x) WEIR__E62(m, T, __VA_ARGS__)
#define WEIR__E64(m, T, x, ...) m(T, x) WEIR__E63(m, T, __VA_ARGS__)
#define WEIR__EACH(m, T, ...) WEIR__CAT(WEIR__E, WEIR__N(__VA_ARGS__))(m, T, __VA_ARGS__)

/* (kind, name) or (kind, name, five attribute values). */
#define WEIR__MEMBER(T, tuple) WEIR__MEMBER_(T, WEIR__UNPACK tuple, 0)
#define WEIR__MEMBER_(T, ...) WEIR__EXPAND(WEIR__MEMBER_2(T, __VA_ARGS__))
#define WEIR__MEMBER_2(T, k, f, ...) WEIR_C_##k f;
#define WEIR__FIELD(T, tuple) WEIR__FIELD_(T, WEIR__UNPACK tuple, WEIR__END)
#define WEIR__FIELD_(T, ...) WEIR__EXPAND(WEIR__CAT(WEIR__FIELD_, WEIR__ARITY(__VA_ARGS__))(T, __VA_ARGS__))
#define WEIR__ARITY(...) WEIR__EXPAND(WEIR__ARITY_(__VA_ARGS__, 8, 7, 6, 5, 4, 3, 2, 1, 0))
#define WEIR__ARITY_(a, b, c, d, e, f, g, h, n, ...) n
#define WEIR__FIELD_3(T, k, f, end) \
    { #f, WEIR_KIND_##k, (uint32_t)offsetof(T, f), 0, 0, 0, 0, 0 },
#define WEIR__FIELD_8(T, k, f, p, s, e, y, r, end) \
    { #f, WEIR_KIND_##k, (uint32_t)offsetof(T, f), p, s, e, y, r },

#define WEIR_RECORD(T, ...)                                                                      \
    typedef struct T { WEIR__EACH(WEIR__MEMBER, T, __VA_ARGS__) } T;                             \
    static const weir_field T##_fields[] __attribute__((unused)) = { WEIR__EACH(WEIR__FIELD, T, __VA_ARGS__) };          \
    static const weir_type T##_type __attribute__((unused)) = { sizeof(weir_type), sizeof(weir_field), #T, sizeof(T),    \
                                        sizeof T##_fields / sizeof T##_fields[0], T##_fields }
#define WEIR_TYPE(T) (&T##_type)

/* ---- column views: a batch as it lies in memory (Apache Arrow's layout) ---- */

enum weir_row_kind { WEIR_INSERT = 0, WEIR_UPDATE_BEFORE = 1, WEIR_UPDATE_AFTER = 2, WEIR_DELETE = 3 };

typedef struct weir_column {
    uint32_t kind;                /* without WEIR_NULLABLE */
    uint32_t nulls;               /* how many rows are NULL; 0: validity may be NULL */
    const uint8_t *validity;      /* bit i set: row i has a value (least significant bit first) */
    const void *values;           /* fixed width: rows * width bytes (boolean: a bitmap);
                                     variable width: the bytes */
    const uint32_t *offsets;      /* variable width, array, map: rows + 1 offsets */
    const struct weir_column *children; /* row: its fields; array: [items]; map: [keys, values] */
    uint32_t nchildren;
    uint32_t rows;                /* of this column (children of arrays have their own count) */
} weir_column;

typedef struct weir_columns {
    uint32_t size;                /* of this structure */
    uint32_t rows;
    uint32_t ncolumns;
    const weir_column *columns;
    const int64_t *timestamps;    /* event time in ms per row, or NULL */
    const uint8_t *row_kinds;     /* enum weir_row_kind per row, or NULL: all inserts */
} weir_columns;

static inline bool weir_column_is_null(const weir_column *column, uint32_t row)
{
    return column->nulls != 0 && !((column->validity[row >> 3] >> (row & 7)) & 1);
}

static inline weir_string weir_column_string(const weir_column *column, uint32_t row)
{
    weir_string s;
    uint32_t bounds[2]; /* a batch from the wire need not be aligned */
    memcpy(bounds, column->offsets + row, sizeof bounds);
    s.p = (const char *)column->values + bounds[0];
    s.n = bounds[1] - bounds[0];
    return s;
}

#ifdef __cplusplus
}
#endif
#endif
