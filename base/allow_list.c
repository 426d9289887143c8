/* base/allow_list.c -- the file of keys and roles. */
#include "base/allow_list.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum {
    FILE_MAX = 1 << 20,
    WRITABLE_BY_OTHERS = 022,
    LIST_MODE = 0644,
    FIRST_CAPACITY = 16,
    LINE_MAX_SHOWN = 120,
};

struct weir_allow_list {
    size_t count, capacity;
    weir_allowed *lines;
};

static const weir_roles of_files =
    WEIR_ROLE_DISPATCHER | WEIR_ROLE_JOBMANAGER | WEIR_ROLE_TASKMANAGER | WEIR_ROLE_CLIENT;

/* --- reading --- */

/* Splits off the next word of a line. */
static char *take_word(char **rest)
{
    char *word = *rest + strspn(*rest, " \t\r");
    size_t length = strcspn(word, " \t\r");

    *rest = word + length;
    if (**rest != '\0')
        *(*rest)++ = '\0';
    return word;
}

/* The rest of a line is its label: cleaned, cut, without blanks around it. */
static void take_label(char *rest, char out[WEIR_LABEL_MAX])
{
    rest += strspn(rest, " \t\r");
    size_t length = strlen(rest);
    while (length > 0 && strchr(" \t\r", rest[length - 1]) != NULL)
        length--;
    rest[length] = '\0';
    weir_text_clean(rest);
    length = weir_text_cut(rest, length < WEIR_LABEL_MAX - 1 ? length : WEIR_LABEL_MAX - 1);
    memcpy(out, rest, length);
    out[length] = '\0';
}

static int parse_line(char *line, weir_allowed *ret, weir_error *err)
{
    char *rest = line;
    const char *role = take_word(&rest);

    *ret = (weir_allowed){.role = weir_role_parse(role)};
    if ((ret->role & of_files) == 0)
        return weir_error_set(err, WEIR_EINVALID,
                              "expected `ROLE KEY [LABEL]` with a role of dispatcher, jobmanager, "
                              "taskmanager, client; found '%.*s'",
                              LINE_MAX_SHOWN, role);
    int rc = weir_public_key_parse(take_word(&rest), &ret->key, err);
    if (rc == 0)
        take_label(rest, ret->label);
    return rc;
}

static int append(weir_allow_list *list, const weir_allowed *line)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? FIRST_CAPACITY : list->capacity * 2;
        weir_allowed *moved = weir_realloc(list->lines, capacity * sizeof *moved);
        if (moved == NULL)
            return WEIR_ENO_MEMORY;
        list->lines = moved;
        list->capacity = capacity;
    }
    list->lines[list->count++] = *line;
    return 0;
}

/* Every line in turn; what is wrong goes into `problems`. */
static int parse_text(weir_allow_list *list, const char *path, char *text, weir_buffer *problems)
{
    size_t number = 0;

    for (char *line = text, *next; line != NULL; line = next) {
        weir_allowed allowed;
        weir_error error;

        number++;
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        char *comment = strchr(line, '#');
        if (comment != NULL)
            *comment = '\0';
        if (line[strspn(line, " \t\r")] == '\0')
            continue;
        int rc = parse_line(line, &allowed, &error);
        if (rc == 0 && append(list, &allowed) != 0)
            return WEIR_ENO_MEMORY;
        if (rc != 0)
            weir_buffer_printf(problems, "%s%s:%zu: error: %s", problems->size == 0 ? "" : "\n",
                               path, number, error.text);
    }
    return 0;
}

static int parse(weir_allow_list *list, const char *path, weir_buffer *text, weir_error *err)
{
    weir_buffer problems = WEIR_BUFFER_INIT;

    if (strlen(weir_buffer_text(text)) != text->size)
        return weir_error_set(err, WEIR_EINVALID,
                              "%s: is no allow-list: it holds a NUL byte; make one with: weir keys "
                              "allow ROLE KEY",
                              path);
    int rc = text->size == 0 ? 0 : parse_text(list, path, (char *)text->data, &problems);
    if (rc == 0)
        rc = weir_buffer_check(&problems);
    if (rc != 0)
        weir_error_set(err, rc, "%s: no memory to read it", path);
    else if (problems.size > 0)
        rc = weir_error_set(err, WEIR_EINVALID, "%s", weir_buffer_text(&problems));
    weir_buffer_deinit(&problems);
    return rc;
}

int weir_allow_list_load(const char *path, weir_allow_list **ret, weir_error *err)
{
    weir_allow_list *list = weir_calloc(1, sizeof *list);
    weir_buffer text = WEIR_BUFFER_INIT;

    if (list == NULL)
        return weir_error_set(err, WEIR_ENO_MEMORY, "%s: no memory to read it", path);
    int rc = weir_file_read_guarded(path, FILE_MAX, WRITABLE_BY_OTHERS, &text, err);
    if (rc == 0)
        rc = parse(list, path, &text, err);
    weir_buffer_deinit(&text);
    if (rc != 0)
        weir_allow_list_destroy(&list);
    else
        *ret = list;
    return rc;
}

void weir_allow_list_destroy(weir_allow_list **list)
{
    if (list == NULL || *list == NULL)
        return;
    weir_free((*list)->lines);
    weir_free(*list);
    *list = NULL;
}

/* --- looking --- */

size_t weir_allow_list_count(const weir_allow_list *list)
{
    return list->count;
}

const weir_allowed *weir_allow_list_at(const weir_allow_list *list, size_t index)
{
    return &list->lines[index];
}

weir_roles weir_allow_list_roles(const weir_allow_list *list, const weir_public_key *key,
                                 const char **ret_label)
{
    weir_roles roles = 0;

    for (size_t i = 0; i < list->count; i++) {
        const weir_allowed *line = &list->lines[i];
        if (!weir_public_key_equal(&line->key, key))
            continue;
        if (roles == 0 && ret_label != NULL)
            *ret_label = line->label;
        roles |= line->role;
    }
    return roles;
}

/* --- adding --- */

static int read_to_extend(const char *path, weir_roles role, const weir_public_key *key,
                          weir_buffer *text, weir_error *err)
{
    weir_allow_list *list;
    char name[WEIR_ROLES_TEXT_MAX];

    if (!weir_file_exists(path))
        return 0;
    int rc = weir_allow_list_load(path, &list, err); /* a damaged file is not made longer */
    if (rc != 0)
        return rc;
    bool is_there = (weir_allow_list_roles(list, key, NULL) & role) != 0;
    weir_allow_list_destroy(&list);
    if (is_there)
        return weir_error_set(err, WEIR_EEXISTS, "%s: allows this key as %s already", path,
                              weir_roles_format(role, name));
    rc = weir_file_read_guarded(path, FILE_MAX, WRITABLE_BY_OTHERS, text, err);
    if (rc == 0 && text->size > 0 && text->data[text->size - 1] != '\n')
        weir_buffer_putc(text, '\n');
    return rc;
}

int weir_allow_list_add(const char *path, weir_roles role, const weir_public_key *key,
                        const char *label, weir_error *err)
{
    weir_buffer text = WEIR_BUFFER_INIT;
    char name[WEIR_ROLES_TEXT_MAX], hex[WEIR_KEY_HEX];
    int rc = read_to_extend(path, role, key, &text, err);

    if (rc == 0) {
        if (text.size == 0)
            weir_buffer_puts(&text, "# ROLE KEY LABEL: who may do what in this cluster.\n");
        weir_buffer_printf(&text, "%s %s%s%s\n", weir_roles_format(role, name),
                           weir_public_key_format(key, hex), label[0] == '\0' ? "" : " ", label);
        rc = weir_buffer_check(&text);
        if (rc != 0)
            weir_error_set(err, rc, "%s: no memory to write it", path);
    }
    if (rc == 0)
        rc = weir_file_write_atomic(path, text.data, text.size, LIST_MODE, err);
    weir_buffer_deinit(&text);
    return rc;
}
