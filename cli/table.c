#include "cli/table.h"

#include "base/arena.h"
#include "base/memory.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct weir_table {
    weir_arena *arena;
    size_t columns;
    const char *headings[WEIR_TABLE_COLUMNS_MAX];
    bool is_right[WEIR_TABLE_COLUMNS_MAX];
    char **cells;
    size_t count, capacity;
    bool failed;
};

weir_table *weir_table_new(const char *const *headings, size_t count)
{
    weir_table *table = weir_calloc(1, sizeof *table);

    assert(count > 0 && count <= WEIR_TABLE_COLUMNS_MAX);
    if (table == NULL)
        return NULL;
    table->arena = weir_arena_new(0);
    if (table->arena == NULL) {
        weir_free(table);
        return NULL;
    }
    table->columns = count;
    for (size_t i = 0; i < count; i++) {
        table->is_right[i] = headings[i][0] == '>';
        table->headings[i] = headings[i] + (table->is_right[i] ? 1 : 0);
    }
    return table;
}

void weir_table_destroy(weir_table **table)
{
    if (table == NULL || *table == NULL)
        return;
    weir_arena_destroy(&(*table)->arena);
    weir_free((*table)->cells);
    weir_free(*table);
    *table = NULL;
}

void weir_table_cell(weir_table *table, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = '?';
    if (table->count == table->capacity) {
        size_t capacity = table->capacity == 0 ? 64 : 2 * table->capacity;
        char **cells = weir_realloc(table->cells, capacity * sizeof *cells);

        if (cells == NULL) {
            table->failed = true;
            return;
        }
        table->cells = cells;
        table->capacity = capacity;
    }
    char *copy = weir_arena_strdup(table->arena, text);
    if (copy == NULL)
        table->failed = true;
    else
        table->cells[table->count++] = copy;
}

size_t weir_table_rows(const weir_table *table)
{
    return table->count / table->columns;
}

/* Characters, not bytes; a character that takes two places is counted as one. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static void put_row(const weir_table *table, const char *const *cells, const size_t *widths,
                    weir_buffer *out)
{
    for (size_t i = 0; i < table->columns; i++) {
        size_t padding = widths[i] - width_of(cells[i]);
        bool is_last = i + 1 == table->columns;

        if (i > 0)
            weir_buffer_puts(out, "  ");
        if (table->is_right[i])
            weir_buffer_printf(out, "%*s", (int)padding, "");
        weir_buffer_puts(out, cells[i]);
        if (!table->is_right[i] && !is_last)
            weir_buffer_printf(out, "%*s", (int)padding, "");
    }
    weir_buffer_putc(out, '\n');
}

int weir_table_print(const weir_table *table, weir_buffer *out)
{
    size_t widths[WEIR_TABLE_COLUMNS_MAX] = {0};
    size_t rows = weir_table_rows(table);

    if (table->failed)
        return WEIR_ENO_MEMORY;
    for (size_t c = 0; c < table->columns; c++) {
        widths[c] = width_of(table->headings[c]);
        for (size_t r = 0; r < rows; r++) {
            size_t width = width_of(table->cells[r * table->columns + c]);
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    put_row(table, table->headings, widths, out);
    for (size_t r = 0; r < rows; r++)
        put_row(table, (const char *const *)(table->cells + r * table->columns), widths, out);
    return weir_buffer_check(out);
}
