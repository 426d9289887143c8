#include "operators/keyed_rows.h"

#include "operators/classes.h"
#include "operators/null_key.h"

#include <assert.h>
#include <string.h>

/* Char keys compare without their trailing spaces; floats, decimals and booleans have values with
 * several encodings or no bytes of their own: all of those go through the codec. */
static void choose_form(weir_keyed_rows *keyed)
{
    const weir_schema_field *field = weir_schema_at(keyed->schema, keyed->fields[0]);

    keyed->form = WEIR_KEYS_ENCODED;
    if (keyed->count != 1)
        return;
    switch (field->kind) {
    case WEIR_KIND_varchar:
    case WEIR_KIND_string:
    case WEIR_KIND_binary:
    case WEIR_KIND_bytes:
        keyed->form = WEIR_KEYS_STRING;
        break;
    case WEIR_KIND_tinyint:
    case WEIR_KIND_smallint:
    case WEIR_KIND_integer:
    case WEIR_KIND_bigint:
    case WEIR_KIND_date:
    case WEIR_KIND_time:
    case WEIR_KIND_timestamp:
    case WEIR_KIND_timestamp_ltz:
    case WEIR_KIND_interval_months:
    case WEIR_KIND_interval_ms:
        keyed->form = WEIR_KEYS_WORD;
        keyed->width = weir_kind_width(field->kind);
        break;
    default:
        break;
    }
}

int weir_keyed_rows_init(weir_keyed_rows *keyed, const weir_operator *operator_, bool limited,
                         weir_error *err)
{
    const weir_graph_operator *described = operator_->context.operator_;
    uint64_t seed = (uint64_t)described->index * 4 + (uint64_t)described->phase;
    int rc;

    memset(keyed, 0, sizeof *keyed);
    keyed->operator_ = operator_;
    keyed->schema = described->inputs[0];
    keyed->count = described->nkeys;
    keyed->limit = limited ? operator_->context.combine_memory / 2 : UINT64_MAX;
    weir_key_table_init(&keyed->tables[0], seed);
    weir_key_table_init(&keyed->tables[1], seed);
    keyed->table = &keyed->tables[0];
    if (keyed->count == 0 || keyed->count > WEIR_GRAPH_KEYS_MAX)
        return weir_operator_error(operator_, err, WEIR_EINVALID,
                                   "it has %u keys; key_by takes 1 to %d", keyed->count,
                                   WEIR_GRAPH_KEYS_MAX);
    for (uint32_t i = 0; i < keyed->count; i++) {
        keyed->fields[i] = described->keys[i];
        if (keyed->fields[i] >= weir_schema_count(keyed->schema))
            return weir_operator_error(operator_, err, WEIR_EINVALID,
                                       "key column %u is not there; its input has %u columns",
                                       keyed->fields[i], weir_schema_count(keyed->schema));
    }
    choose_form(keyed);
    if (keyed->form != WEIR_KEYS_ENCODED)
        return 0;
    rc = weir_key_codec_new(keyed->schema, keyed->fields, keyed->count, &keyed->codec, err);
    return rc < 0 ? weir_operator_wrap(operator_, err, rc) : 0;
}

void weir_keyed_rows_deinit(weir_keyed_rows *keyed)
{
    weir_key_codec_destroy(&keyed->codec);
    weir_key_table_deinit(&keyed->tables[0]);
    weir_key_table_deinit(&keyed->tables[1]);
}

int weir_keyed_rows_bind(weir_keyed_rows *keyed, const weir_schema *output, weir_error *err)
{
    for (uint32_t i = 0; i < keyed->count; i++) {
        const weir_schema_field *field = weir_schema_at(keyed->schema, keyed->fields[i]);
        int column = weir_schema_find(output, field->name);

        if (column < 0 || weir_schema_at(output, (uint32_t)column)->kind != field->kind)
            return weir_operator_error(keyed->operator_, err, WEIR_EINVALID,
                                       "its output has no column %s of %s for the key; declare it",
                                       field->name, weir_kind_name(field->kind));
        keyed->into[i] = (uint32_t)column;
    }
    return 0;
}

static int encode(weir_keyed_rows *keyed, const weir_columns *columns, weir_error *err)
{
    weir_keys keys;
    int rc = weir_key_codec_encode(keyed->codec, columns, &keys);

    if (rc < 0)
        return weir_operator_error(keyed->operator_, err, rc,
                                   "cannot encode the keys of %u rows: %s", columns->rows,
                                   weir_code_text(rc));
    keyed->bytes = keys.bytes;
    keyed->offsets = keys.offsets;
    keyed->readable = columns->rows > 0 ? keys.offsets[columns->rows] : 0;
    return 0;
}

static int out_of_room(const weir_keyed_rows *keyed, int rc, weir_error *err)
{
    return weir_operator_error(
        keyed->operator_, err, rc,
        "%s; %llu keys hold %llu MiB in subtask %u of %u; raise the parallelism or the memory",
        rc == WEIR_ENO_MEMORY ? "out of memory for its keys" : "too many keys",
        (unsigned long long)keyed->table->count,
        (unsigned long long)(weir_key_table_memory(keyed->table) >> 20),
        keyed->operator_->context.subtask + 1, keyed->operator_->context.parallelism);
}

int weir_keyed_rows_begin(weir_keyed_rows *keyed, const weir_columns *columns, weir_error *err)
{
    const weir_column *first = &columns->columns[keyed->fields[0]];
    uint32_t size = 0;
    int rc;

    rc = weir_null_key_check(keyed->operator_->context.operator_, keyed->schema, columns,
                             keyed->fields, keyed->count, err);
    if (rc < 0)
        return rc;
    rc = weir_key_table_reserve(keyed->table, columns->rows, keyed->limit);
    if (rc == WEIR_ETOO_LARGE && keyed->limit != UINT64_MAX && keyed->table->count > 0)
        return WEIR_PENDING;
    if (rc < 0)
        return out_of_room(keyed, rc, err);
    switch (keyed->form) {
    case WEIR_KEYS_STRING:
        if (columns->rows > 0)
            memcpy(&size, first->offsets + columns->rows, sizeof size);
        keyed->bytes = first->values;
        keyed->offsets = first->offsets;
        keyed->readable = size;
        return 0;
    case WEIR_KEYS_WORD:
        keyed->words = first->values;
        return 0;
    default:
        return encode(keyed, columns, err);
    }
}

static void find_words(weir_keyed_rows *keyed, uint32_t first, uint32_t count, weir_key_entry **ret)
{
    uint64_t words[WEIR_KEY_BLOCK];
    const uint8_t *from = keyed->words + (size_t)first * keyed->width;

    if (keyed->width == 8) {
        memcpy(words, from, count * sizeof *words);
    } else {
        for (uint32_t i = 0; i < count; i++) {
            words[i] = 0;
            memcpy(&words[i], from + (size_t)i * keyed->width, keyed->width);
        }
    }
    weir_key_table_find_words(keyed->table, words, keyed->width, count, ret);
}

int weir_keyed_rows_find(weir_keyed_rows *keyed, uint32_t first, uint32_t count,
                         weir_key_entry **ret, weir_error *err)
{
    int rc;

    if (keyed->form == WEIR_KEYS_WORD) {
        find_words(keyed, first, count, ret);
        return 0;
    }
    rc = weir_key_table_find(keyed->table, keyed->bytes, keyed->offsets + first, keyed->readable,
                             count, ret);
    return rc < 0 ? out_of_room(keyed, rc, err) : 0;
}

static int overflow(const weir_keyed_rows *keyed, weir_error *err)
{
    return weir_operator_error(keyed->operator_, err, WEIR_EUSER,
                               "a count is beyond the range of bigint; count fewer rows");
}

int weir_keyed_rows_count(weir_keyed_rows *keyed, uint32_t first, uint32_t count, weir_error *err)
{
    weir_key_entry *entries[WEIR_KEY_BLOCK];
    int rc;

    if (keyed->form != WEIR_KEYS_WORD) {
        rc = weir_key_table_count(keyed->table, keyed->bytes, keyed->offsets + first,
                                  keyed->readable, count);
        return rc == WEIR_EINVALID ? overflow(keyed, err)
               : rc < 0            ? out_of_room(keyed, rc, err)
                                   : 0;
    }
    find_words(keyed, first, count, entries);
    for (uint32_t i = 0; i < count; i++)
        if (__builtin_add_overflow(entries[i]->value.count, 1, &entries[i]->value.count))
            return overflow(keyed, err);
    return 0;
}

void weir_keyed_rows_turn(weir_keyed_rows *keyed)
{
    assert(!keyed->draining);
    keyed->draining = keyed->table;
    keyed->table = &keyed->tables[keyed->table == &keyed->tables[0] ? 1 : 0];
    keyed->cursor = 0;
}

const weir_key_entry *weir_keyed_rows_drain(weir_keyed_rows *keyed)
{
    const weir_key_entry *entry = NULL;

    if (!keyed->draining)
        return NULL;
    entry = weir_key_table_next(keyed->draining, &keyed->cursor);
    if (!entry) {
        uint64_t seed = keyed->draining->seed;

        if (keyed->limit != UINT64_MAX) {
            weir_key_table_clear(keyed->draining); /* it fills again */
        } else {
            weir_key_table_deinit(keyed->draining);
            keyed->draining->seed = seed;
        }
        keyed->draining = NULL;
    }
    return entry;
}

int weir_keyed_rows_put(const weir_keyed_rows *keyed, const weir_key_entry *entry,
                        weir_builder *builder, weir_error *err)
{
    const uint8_t *bytes = weir_key_entry_bytes(entry);
    uint32_t size = weir_key_entry_size(entry);
    int rc;

    switch (keyed->form) {
    case WEIR_KEYS_STRING:
        rc = weir_builder_put_bytes(builder, keyed->into[0], bytes, size);
        break;
    case WEIR_KEYS_WORD:
        rc = weir_builder_put_fixed(builder, keyed->into[0], bytes);
        break;
    default:
        rc = weir_key_codec_decode(keyed->codec, bytes, size, builder, keyed->into, err);
        return rc < 0 ? weir_operator_wrap(keyed->operator_, err, rc) : 0;
    }
    return rc < 0
               ? weir_operator_error(keyed->operator_, err, rc, "cannot emit a key of %u bytes: %s",
                                     size, weir_code_text(rc))
               : 0;
}
