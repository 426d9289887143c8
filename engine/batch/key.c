#include "batch/key.h"

#include "base/memory.h"
#include "batch/bytes.h"
#include "batch/key_field.h"
#include "batch/key_hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Rows that are encoded at once when only the hashes are wanted: their keys stay in the cache. */
#define HASH_ROWS 512u
#define SIGN_64   (UINT64_C(1) << 63)

/* ---- life ---- */

static uint8_t op_of(uint32_t kind)
{
    switch (kind) {
    case WEIR_KIND_boolean:
        return WEIR__KEY_BOOLEAN;
    case WEIR_KIND_float:
        return WEIR__KEY_FLOAT;
    case WEIR_KIND_double:
        return WEIR__KEY_DOUBLE;
    case WEIR_KIND_decimal:
        return WEIR__KEY_DECIMAL;
    case WEIR_KIND_char:
        return WEIR__KEY_CHAR;
    default:
        break;
    }
    switch (weir_kind_width(kind)) {
    case 1:
        return WEIR__KEY_1;
    case 2:
        return WEIR__KEY_2;
    case 4:
        return WEIR__KEY_4;
    case 8:
        return WEIR__KEY_8;
    default:
        return WEIR__KEY_BYTES;
    }
}

static int set_field(weir__key_field *field, const weir_schema *schema, uint32_t index,
                     weir_error *err)
{
    const weir_schema_field *from = weir_schema_at(schema, index);
    if (from == NULL)
        return weir_error_set(err, WEIR_EINVALID,
                              "key: there is no field %u; the record has %u fields; name one of "
                              "them",
                              index, weir_schema_count(schema));
    if (from->kind >= WEIR_KIND_array)
        return weir_error_set(err, WEIR_EINVALID,
                              "key: field '%s' cannot be a key; it is of kind %s; use fields of "
                              "plain kinds",
                              from->name, weir_kind_name(from->kind));
    *field = (weir__key_field){.index = index,
                               .op = op_of(from->kind),
                               .kind = (uint8_t)from->kind,
                               .width = (uint8_t)weir_kind_width(from->kind)};
    if (field->op == WEIR__KEY_BOOLEAN)
        field->width = 1;
    return 0;
}

int weir_key_codec_new(weir_schema *schema, const uint32_t *fields, uint32_t count,
                       weir_key_codec **ret, weir_error *err)
{
    if (count == 0 || count > WEIR_SCHEMA_FIELDS_MAX)
        return weir_error_set(err, WEIR_EINVALID,
                              "key: a key has 1 to %d fields; found %u; name the fields",
                              WEIR_SCHEMA_FIELDS_MAX, count);
    weir_key_codec *self = weir_calloc(1, sizeof *self);
    if (self != NULL)
        self->fields = weir_calloc(count, sizeof *self->fields);
    if (self == NULL || self->fields == NULL) {
        weir_key_codec_destroy(&self);
        return weir_error_set(err, WEIR_ENO_MEMORY, "key: out of memory");
    }
    self->count = count;
    for (uint32_t i = 0; i < count; i++) {
        int result = set_field(&self->fields[i], schema, fields[i], err);
        if (result != 0) {
            weir_key_codec_destroy(&self);
            return result;
        }
        self->fixed_size += 1u + (self->fields[i].width > 0 ? self->fields[i].width : 2u);
    }
    *ret = self;
    return 0;
}

void weir_key_codec_destroy(weir_key_codec **codec)
{
    if (codec == NULL || *codec == NULL)
        return;
    weir_key_codec *self = *codec;
    *codec = NULL;
    weir_free(self->fields);
    weir_free(self->bytes);
    weir_free(self->offsets);
    weir_free(self->hashes);
    weir_free(self);
}

/* ---- one field ---- */

static inline uint8_t *put_big_endian_64(uint8_t *to, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(to, &value, sizeof value);
    return to + sizeof value;
}

static inline uint8_t *put_big_endian_32(uint8_t *to, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(to, &value, sizeof value);
    return to + sizeof value;
}

/* Bits of a double whose unsigned order is the order of the numbers. */
static uint64_t ordered_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    if (value != value)
        bits = UINT64_C(0x7ff8000000000000);
    else if (bits == SIGN_64)
        bits = 0;
    return bits & SIGN_64 ? ~bits : bits ^ SIGN_64;
}

static uint32_t ordered_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    if (value != value)
        bits = 0x7fc00000u;
    else if (bits == 0x80000000u)
        bits = 0;
    return bits & 0x80000000u ? ~bits : bits ^ 0x80000000u;
}

static uint8_t *put_escaped(uint8_t *to, const uint8_t *from, uint32_t size)
{
    while (size > 0) {
        const uint8_t *zero = memchr(from, 0, size);
        uint32_t run = zero != NULL ? (uint32_t)(zero - from) + 1 : size;
        memcpy(to, from, run);
        to += run;
        from += run;
        size -= run;
        if (zero != NULL)
            *to++ = 0xff;
    }
    return to;
}

static inline uint8_t *put_bytes(const weir__key_field *field, uint32_t row, uint8_t *to)
{
    const weir_column *column = field->column;
    uint32_t start = weir__load_u32(column->offsets, row);
    uint32_t size = weir__load_u32(column->offsets, (size_t)row + 1) - start;
    const uint8_t *from = (const uint8_t *)column->values + start;
    while (field->op == WEIR__KEY_CHAR && size > 0 && from[size - 1] == ' ')
        size--;
    if (WEIR_UNLIKELY(field->has_zero)) {
        to = put_escaped(to, from, size);
    } else {
        /* Bytes behind these in the same buffer may be read. */
        size_t readable = weir__load_u32(column->offsets, column->rows) - (size_t)start;
        weir__copy_bounded(to, from, size, readable);
        to += size;
    }
    memset(to, 0, 2);
    return to + 2;
}

static inline uint8_t *put_field(const weir__key_field *field, uint32_t row, uint8_t *to,
                                 bool *has_null)
{
    if (weir_column_is_null(field->column, row)) {
        *has_null = true;
        *to++ = WEIR__KEY_NULL;
        return to;
    }
    *to++ = WEIR__KEY_VALUE;
    const uint8_t *values = field->column->values;
    uint16_t small;
    switch ((enum weir__key_op)field->op) {
    case WEIR__KEY_BOOLEAN:
        *to++ = weir__bit(values, row);
        return to;
    case WEIR__KEY_1:
        *to++ = values[row] ^ 0x80;
        return to;
    case WEIR__KEY_2:
        memcpy(&small, values + (size_t)row * 2, 2);
        small = __builtin_bswap16(small ^ 0x8000);
        memcpy(to, &small, 2);
        return to + 2;
    case WEIR__KEY_4:
        return put_big_endian_32(to, weir__load_u32(values, row) ^ 0x80000000u);
    case WEIR__KEY_8:
        return put_big_endian_64(to, weir__load_u64(values, row) ^ SIGN_64);
    case WEIR__KEY_FLOAT:
        return put_big_endian_32(to, ordered_float(weir__load_u32(values, row)));
    case WEIR__KEY_DOUBLE:
        return put_big_endian_64(to, ordered_double(weir__load_u64(values, row)));
    case WEIR__KEY_DECIMAL:
        to = put_big_endian_64(to, weir__load_u64(values, (size_t)row * 2 + 1) ^ SIGN_64);
        return put_big_endian_64(to, weir__load_u64(values, (size_t)row * 2));
    case WEIR__KEY_BYTES:
    case WEIR__KEY_CHAR:
        break;
    }
    return put_bytes(field, row, to);
}

/* ---- rows ---- */

static int set_columns(weir_key_codec *self, const weir_columns *columns)
{
    for (uint32_t i = 0; i < self->count; i++) {
        weir__key_field *field = &self->fields[i];
        if (field->index >= columns->ncolumns || columns->columns[field->index].kind != field->kind)
            return WEIR_EINVALID;
        field->column = &columns->columns[field->index];
    }
    return 0;
}

/* Room in `bytes` for the keys of rows [first, last), with slack for short copies. One look over
 * all values for zero bytes spares a look at each. */
static int reserve_bytes(weir_key_codec *self, uint32_t first, uint32_t last)
{
    uint64_t size = (uint64_t)(last - first) * self->fixed_size + WEIR_COPY_SLACK;
    for (uint32_t i = 0; first < last && i < self->count; i++) {
        weir__key_field *field = &self->fields[i];
        if (field->op < WEIR__KEY_BYTES)
            continue;
        uint32_t start = weir__load_u32(field->column->offsets, first);
        uint32_t total = weir__load_u32(field->column->offsets, last) - start;
        const uint8_t *values = field->column->values;
        field->has_zero = total > 0 && memchr(values + start, 0, total) != NULL;
        size += (uint64_t)total * (field->has_zero ? 2 : 1);
    }
    if (size > UINT32_MAX)
        return WEIR_ETOO_LARGE;
    if (size <= self->bytes_capacity)
        return 0;
    size_t capacity = size < self->bytes_capacity * 2 ? self->bytes_capacity * 2 : (size_t)size;
    uint8_t *grown = weir_alloc(capacity);
    if (grown == NULL)
        return WEIR_ENO_MEMORY;
    weir_free(self->bytes);
    self->bytes = grown;
    self->bytes_capacity = capacity;
    return 0;
}

static int reserve_rows(weir_key_codec *self, uint32_t rows)
{
    if (self->offsets != NULL && rows <= self->rows_capacity)
        return 0;
    uint32_t *offsets = weir_alloc(((size_t)rows + 1) * sizeof *offsets);
    uint64_t *hashes = weir_alloc(((size_t)rows + 1) * sizeof *hashes);
    if (offsets == NULL || hashes == NULL) {
        weir_free(offsets);
        weir_free(hashes);
        return WEIR_ENO_MEMORY;
    }
    weir_free(self->offsets);
    weir_free(self->hashes);
    self->offsets = offsets;
    self->hashes = hashes;
    self->rows_capacity = rows;
    return 0;
}

/* One string field: what is the same for every row stays out of the loop. */
static void encode_strings(weir_key_codec *self, uint32_t first, uint32_t last)
{
    const weir_column *column = self->fields[0].column;
    const uint8_t *values = column->values;
    size_t end = weir__load_u32(column->offsets, column->rows);
    uint8_t *to = self->bytes;
    uint32_t *offsets = self->offsets;
    uint32_t start = weir__load_u32(column->offsets, first), at = 0;
    for (uint32_t row = first; row < last; row++) {
        uint32_t stop = weir__load_u32(column->offsets, (size_t)row + 1);
        uint32_t size = stop - start;
        offsets[row - first] = at;
        to[at] = WEIR__KEY_VALUE;
        weir__copy_bounded(to + at + 1, values + start, size, end - start);
        memset(to + at + 1 + size, 0, 2);
        at += size + 3;
        start = stop;
    }
    offsets[last - first] = at;
}

static bool encode_rows(weir_key_codec *self, uint32_t first, uint32_t last)
{
    const weir__key_field *field = &self->fields[0], *end = field + self->count;
    if (self->count == 1 && field->op == WEIR__KEY_BYTES && field->column->nulls == 0 &&
        !field->has_zero) {
        encode_strings(self, first, last);
        return false;
    }
    bool has_null = false;
    uint8_t *to = self->bytes;
    for (uint32_t row = first; row < last; row++) {
        self->offsets[row - first] = (uint32_t)(to - self->bytes);
        for (field = self->fields; field < end; field++)
            to = put_field(field, row, to, &has_null);
    }
    self->offsets[last - first] = (uint32_t)(to - self->bytes);
    return has_null;
}

static void hash_rows(const weir_key_codec *self, uint32_t rows, uint64_t *hashes)
{
    const uint8_t *bytes = self->bytes;
    const uint32_t *offsets = self->offsets;
    for (uint32_t i = 0; i < rows; i++)
        hashes[i] = XXH3_64bits(bytes + offsets[i], offsets[i + 1] - offsets[i]);
}

int weir_key_codec_encode(weir_key_codec *codec, const weir_columns *columns, weir_keys *ret)
{
    int result = set_columns(codec, columns);
    if (result == 0)
        result = reserve_rows(codec, columns->rows);
    if (result == 0)
        result = reserve_bytes(codec, 0, columns->rows);
    if (result != 0)
        return result;
    bool has_null = encode_rows(codec, 0, columns->rows);
    hash_rows(codec, columns->rows, codec->hashes);
    *ret = (weir_keys){.bytes = codec->bytes,
                       .offsets = codec->offsets,
                       .hashes = codec->hashes,
                       .rows = columns->rows,
                       .has_null = has_null};
    return 0;
}

/* ---- hashes only ---- */

static void hash_8(const weir_column *column, uint32_t rows, uint64_t *hashes)
{
    for (uint32_t i = 0; i < rows; i++) {
        uint64_t value = __builtin_bswap64(weir__load_u64(column->values, i) ^ SIGN_64);
        hashes[i] = weir__hash_9to16(value << 8 | WEIR__KEY_VALUE, value, 9);
    }
}

static void hash_4(const weir_column *column, uint32_t rows, uint64_t *hashes)
{
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t value = __builtin_bswap32(weir__load_u32(column->values, i) ^ 0x80000000u);
        hashes[i] = weir__hash_4to8(value << 8 | WEIR__KEY_VALUE, value, 5);
    }
}

/* The key of a string of 1 to 13 bytes, in two words: marker, bytes, two zeros. */
static inline uint64_t hash_short_string(const uint8_t *from, uint32_t size)
{
    uint64_t low = weir__load_u64(from, 0), high = weir__load_u64(from, 1);
    if (size < 8) {
        low &= ~(~UINT64_C(0) << (8 * size));
        return size <= 5 ? weir__hash_short(low << 8 | WEIR__KEY_VALUE, 0, size + 3)
                         : weir__hash_short(low << 8 | WEIR__KEY_VALUE, low >> 56, size + 3);
    }
    high &= ~(~UINT64_C(0) << (8 * (size - 8)));
    return weir__hash_short(low << 8 | WEIR__KEY_VALUE, high << 8 | low >> 56, size + 3);
}

/* Strings without NULLs and zero bytes. */
static int hash_strings(weir_key_codec *self, const weir_column *column, uint32_t rows,
                        uint64_t *hashes)
{
    const uint8_t *values = column->values;
    size_t end = weir__load_u32(column->offsets, column->rows);
    uint32_t start = weir__load_u32(column->offsets, 0);
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t stop = weir__load_u32(column->offsets, (size_t)row + 1);
        uint32_t size = stop - start;
        if (WEIR_LIKELY(size - 1 < 13 && end - start >= 16)) {
            hashes[row] = hash_short_string(values + start, size);
        } else {
            uint8_t *to = self->bytes; /* holds the longest of them, since it holds all */
            *to = WEIR__KEY_VALUE;
            memcpy(to + 1, values + start, size);
            memset(to + 1 + size, 0, 2);
            hashes[row] = XXH3_64bits(to, (size_t)size + 3);
        }
        start = stop;
    }
    return 0;
}

static int hash_in_chunks(weir_key_codec *self, uint32_t rows, uint64_t *hashes)
{
    int result = reserve_rows(self, rows < HASH_ROWS ? rows : HASH_ROWS);
    for (uint32_t first = 0; result == 0 && first < rows; first += HASH_ROWS) {
        uint32_t count = rows - first < HASH_ROWS ? rows - first : HASH_ROWS;
        result = reserve_bytes(self, first, first + count);
        if (result == 0) {
            (void)encode_rows(self, first, first + count);
            hash_rows(self, count, hashes + first);
        }
    }
    return result;
}

int weir_key_codec_hash(weir_key_codec *codec, const weir_columns *columns, uint64_t *ret_hashes)
{
    int result = set_columns(codec, columns);
    if (result != 0)
        return result;
    uint32_t rows = columns->rows;
    const weir__key_field *field = &codec->fields[0];
    if (codec->count == 1 && field->column->nulls == 0) {
        if (field->op == WEIR__KEY_8) {
            hash_8(field->column, rows, ret_hashes);
            return 0;
        }
        if (field->op == WEIR__KEY_4) {
            hash_4(field->column, rows, ret_hashes);
            return 0;
        }
        if (field->op == WEIR__KEY_BYTES) {
            result = reserve_bytes(codec, 0, rows);
            if (result != 0)
                return result;
            if (!field->has_zero)
                return hash_strings(codec, field->column, rows, ret_hashes);
        }
    }
    return hash_in_chunks(codec, rows, ret_hashes);
}

uint64_t weir_key_hash(const void *key, size_t size)
{
    return XXH3_64bits(key, size);
}

uint32_t weir_max_parallelism_default(uint32_t parallelism)
{
    uint64_t wanted = (uint64_t)parallelism + parallelism / 2, power = 128;
    while (power < wanted && power < WEIR_MAX_PARALLELISM_LIMIT)
        power *= 2;
    return (uint32_t)power;
}
