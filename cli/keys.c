/* cli/keys.c -- `weir keys`: making keys, showing them, and saying what they are allowed to do. */
#include "cli/verbs.h"

#include "base/allow_list.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/options.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/settings.h"

#include <limits.h>
#include <string.h>

static int print_key(const weir_public_key *key, const char *path, int format)
{
    char hex[WEIR_KEY_HEX];
    weir_buffer text = WEIR_BUFFER_INIT;

    weir_public_key_format(key, hex);
    if (format == 1)
        return weir_output_json(json_pack("{s:s, s:s}", "file", path, "public", hex));
    weir_buffer_printf(&text, "%s\n", hex);
    return weir_output_text(&text);
}

int weir_verb_keys_new(const weir_arguments *arguments)
{
    const char *path = arguments->words[0];
    weir_error error = WEIR_ERROR_INIT;
    weir_key_pair pair;
    int format;

    if (weir_arguments_format(arguments, "text|json", &format, &error) != 0)
        return weir_message_error(&error);
    int rc = weir_key_pair_new(&pair, &error);
    if (rc == 0)
        rc = weir_key_pair_store(&pair, path, &error);
    if (rc == WEIR_EEXISTS)
        weir_error_set(&error, rc,
                       "%s: there is a file of this name, and a key is never overwritten; choose "
                       "another name, or remove it when no process uses it",
                       path);
    int code = rc != 0 ? weir_message_error(&error) : print_key(&pair.shown, path, format);
    weir_key_pair_wipe(&pair);
    return code;
}

/* --- show --- */

static int show_file(const char *path, int format)
{
    weir_error error = WEIR_ERROR_INIT;
    weir_key_pair pair;

    if (weir_key_pair_load(path, &pair, &error) != 0)
        return weir_message_error(&error);
    weir_public_key shown = pair.shown;
    weir_key_pair_wipe(&pair);
    return print_key(&shown, path, format);
}

static int show_list_json(const weir_allow_list *list)
{
    json_t *lines = json_array();

    for (size_t i = 0; i < weir_allow_list_count(list); i++) {
        const weir_allowed *line = weir_allow_list_at(list, i);
        char role[WEIR_ROLES_TEXT_MAX], hex[WEIR_KEY_HEX];
        json_array_append_new(lines, json_pack("{s:s, s:s, s:s}", "role",
                                               weir_roles_format(line->role, role), "public",
                                               weir_public_key_format(&line->key, hex), "label",
                                               line->label));
    }
    return weir_output_json(lines);
}

static int show_list_text(const weir_allow_list *list)
{
    static const char *const headings[] = {"ROLE", "KEY", "LABEL"};
    weir_table *table = weir_table_new(headings, WEIR_COUNT(headings));

    if (table == NULL)
        return weir_message_fail(WEIR_ENO_MEMORY, "no memory for the table of keys");
    for (size_t i = 0; i < weir_allow_list_count(list); i++) {
        const weir_allowed *line = weir_allow_list_at(list, i);
        char role[WEIR_ROLES_TEXT_MAX], hex[WEIR_KEY_HEX];
        weir_table_cell(table, "%s", weir_roles_format(line->role, role));
        weir_table_cell(table, "%s", weir_public_key_format(&line->key, hex));
        weir_table_cell(table, "%s", line->label);
    }
    return weir_output_table(&table);
}

static int show_list(const char *path, int format)
{
    weir_error error = WEIR_ERROR_INIT;
    weir_allow_list *list;

    if (weir_allow_list_load(path, &list, &error) != 0)
        return weir_message_error(&error);
    int code = format == 1 ? show_list_json(list) : show_list_text(list);
    weir_allow_list_destroy(&list);
    return code;
}

/* --list FILE, else as configured. Fails, having told so, when there is neither. */
static int allow_file_of(const weir_arguments *arguments, char out[PATH_MAX])
{
    const char *named = weir_arguments_get(arguments, "list");
    weir_error error = WEIR_ERROR_INIT;
    weir_config *config = NULL;

    if (named == NULL && weir_settings_load(arguments, &config, &error) != 0)
        return weir_message_error(&error);
    const char *path = named != NULL ? named : weir_config_string(config, "security.allow-file");
    bool fits = strlen(path) < PATH_MAX;
    if (fits)
        memcpy(out, path, strlen(path) + 1);
    weir_config_destroy(&config);
    if (!fits)
        return weir_message_fail(WEIR_EINVALID, "the allow-list: its path is too long");
    if (out[0] == '\0')
        return weir_message_fail(WEIR_EINVALID, "security.allow-file: is not set, so it is not "
                                                "known which list is meant; set it, or name one "
                                                "with --list FILE");
    return WEIR_EXIT_DONE;
}

int weir_verb_keys_show(const weir_arguments *arguments)
{
    weir_error error = WEIR_ERROR_INIT;
    char path[PATH_MAX];
    int format;

    if (weir_arguments_format(arguments, "text|json", &format, &error) != 0)
        return weir_message_error(&error);
    if (arguments->nwords == 1)
        return show_file(arguments->words[0], format);
    int code = allow_file_of(arguments, path);
    return code != WEIR_EXIT_DONE ? code : show_list(path, format);
}

/* --- allow --- */

/* A key, or the file of a pair. */
static int read_key(const char *text, weir_public_key *ret, weir_error *err)
{
    if (!weir_file_exists(text)) {
        if (weir_public_key_parse(text, ret, NULL) == 0)
            return 0;
        return weir_error_set(err, WEIR_EINVALID,
                              "weir keys allow: expected a key of 64 hex digits, or the file of "
                              "one; found '%.80s'",
                              text);
    }
    weir_key_pair pair;
    int rc = weir_key_pair_load(text, &pair, err);
    if (rc == 0)
        *ret = pair.shown;
    weir_key_pair_wipe(&pair);
    return rc;
}

static int read_label(const weir_arguments *arguments, const char **ret, weir_error *err)
{
    const char *label = weir_arguments_get(arguments, "label");

    *ret = label == NULL ? "" : label;
    if (strlen(*ret) < WEIR_LABEL_MAX && strpbrk(*ret, "#\r\n") == NULL)
        return 0;
    return weir_error_set(err, WEIR_EINVALID,
                          "--label: expected one line of up to %d bytes without '#'; found '%.80s'",
                          WEIR_LABEL_MAX - 1, *ret);
}

int weir_verb_keys_allow(const weir_arguments *arguments)
{
    weir_roles role = weir_role_parse(arguments->words[0]);
    weir_error error = WEIR_ERROR_INIT;
    weir_public_key key;
    const char *label;
    char path[PATH_MAX], hex[WEIR_KEY_HEX];

    if (role == 0 || role == WEIR_ROLE_RUNNER)
        return weir_message_fail(WEIR_EINVALID,
                                 "weir keys allow: expected a role: dispatcher, jobmanager, "
                                 "taskmanager or client; found '%.80s'",
                                 arguments->words[0]);
    if (read_key(arguments->words[1], &key, &error) != 0 ||
        read_label(arguments, &label, &error) != 0)
        return weir_message_error(&error);
    int code = allow_file_of(arguments, path);
    if (code != WEIR_EXIT_DONE)
        return code;
    int rc = weir_allow_list_add(path, role, &key, label, &error);
    if (rc != 0 && rc != WEIR_EEXISTS)
        return weir_message_error(&error);
    if (rc == WEIR_EEXISTS)
        weir_message("%s", error.text);
    else
        weir_message("%s: allows %s as %s; copy it to the other hosts", path,
                     weir_public_key_format(&key, hex), arguments->words[0]);
    return WEIR_EXIT_DONE;
}
