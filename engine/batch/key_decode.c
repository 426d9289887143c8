#include "base/memory.h"
#include "batch/bytes.h"
#include "batch/key_field.h"

#define UNESCAPED_SIZE 256u

typedef struct reader {
    const uint8_t *at, *end;
} reader;

static int damaged(weir_error *err)
{
    return weir_error_set(err, WEIR_ECORRUPT,
                          "key: damaged; it does not decode to its fields; restore from a "
                          "checkpoint");
}

static uint64_t big_endian(const uint8_t *from, uint32_t width)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < width; i++)
        value = value << 8 | from[i];
    return value;
}

static uint64_t from_ordered(uint64_t bits, uint64_t sign)
{
    return bits & sign ? bits ^ sign : ~bits;
}

/* The value's bits in the layout of weir_kind_width. */
static int get_fixed(const weir__key_field *field, reader *from, weir_builder *builder,
                     uint32_t into)
{
    uint64_t words[2] = {0, 0};
    uint32_t width = field->width;
    uint64_t sign = UINT64_C(1) << (8 * (width < 8 ? width : 8) - 1);
    words[0] = big_endian(from->at, width < 8 ? width : 8);
    switch (field->op) {
    case WEIR__KEY_BOOLEAN:
        return weir_builder_put_bool(builder, into, words[0] != 0);
    case WEIR__KEY_FLOAT:
    case WEIR__KEY_DOUBLE:
        words[0] = from_ordered(words[0], sign);
        break;
    case WEIR__KEY_DECIMAL:
        words[1] = words[0] ^ sign;
        words[0] = big_endian(from->at + 8, 8);
        break;
    default:
        words[0] ^= sign;
        break;
    }
    return weir_builder_put_fixed(builder, into, words);
}

/* Copies up to the end 0x00 0x00, with 0x00 0xff back to 0x00. The size was measured before. */
static void unescape(const uint8_t *from, size_t size, uint8_t *to)
{
    for (size_t i = 0; i < size; i++) {
        *to++ = from[i];
        if (from[i] == 0)
            i++;
    }
}

static int get_bytes(reader *from, weir_builder *builder, uint32_t into, weir_error *err)
{
    const uint8_t *start = from->at;
    size_t zeros = 0;
    for (;;) {
        const uint8_t *zero = memchr(from->at, 0, (size_t)(from->end - from->at));
        if (zero == NULL || from->end - zero < 2 || (zero[1] != 0 && zero[1] != 0xff))
            return damaged(err);
        from->at = zero + 2;
        if (zero[1] == 0)
            break;
        zeros++;
    }
    size_t escaped = (size_t)(from->at - 2 - start);
    if (zeros == 0)
        return weir_builder_put_bytes(builder, into, start, escaped);
    uint8_t small[UNESCAPED_SIZE];
    uint8_t *bytes = escaped <= sizeof small ? small : weir_alloc(escaped);
    if (bytes == NULL)
        return WEIR_ENO_MEMORY;
    unescape(start, escaped, bytes);
    int result = weir_builder_put_bytes(builder, into, bytes, escaped - zeros);
    if (bytes != small)
        weir_free(bytes);
    return result;
}

static int get_field(const weir__key_field *field, reader *from, weir_builder *builder,
                     uint32_t into, weir_error *err)
{
    if (from->at == from->end)
        return damaged(err);
    uint8_t marker = *from->at++;
    if (marker == WEIR__KEY_NULL)
        return weir_builder_put_null(builder, into);
    if (marker != WEIR__KEY_VALUE)
        return damaged(err);
    if (field->op >= WEIR__KEY_BYTES)
        return get_bytes(from, builder, into, err);
    if (from->end - from->at < field->width || (field->op == WEIR__KEY_BOOLEAN && *from->at > 1))
        return damaged(err);
    int result = get_fixed(field, from, builder, into);
    from->at += field->width;
    return result;
}

int weir_key_codec_decode(const weir_key_codec *codec, const uint8_t *key, size_t size,
                          weir_builder *builder, const uint32_t *into, weir_error *err)
{
    if (size == 0)
        return damaged(err);
    reader from = {.at = key, .end = key + size};
    for (uint32_t i = 0; i < codec->count; i++) {
        int result = get_field(&codec->fields[i], &from, builder, into[i], err);
        if (result == WEIR_ECORRUPT)
            return result;
        if (result != 0)
            return weir_error_set(err, result,
                                  "key: field %u of the key does not go into column %u; %s; "
                                  "give a column of its type",
                                  i, into[i], weir_code_text(result));
    }
    return from.at == from.end ? 0 : damaged(err);
}
