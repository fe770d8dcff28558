/* Each key of a section (task_file.h) has a row in a table here, with what it does to the task. */
#include "client/tasks/task_conf.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/text.h"
#include "client/options/rules.h"
#include "client/tasks/task_file.h"
#include "io/trusted_file.h"

enum { COUNT_MAX = 1 << 20, NICE_MAX = 19, READ_BYTES = 64 * 1024 };

/* Which engines a key is for. */
enum { FOR_SO = 1, FOR_EXEC = 2, FOR_SERVE = 4, FOR_SH = 8, FOR_COMMANDS = FOR_EXEC | FOR_SH, FOR_ALL = 15 };

typedef enum {
    KEY_ENGINE,
    KEY_OUTPUT,
    KEY_RAW,
    KEY_SIZE,
    KEY_CPUS,
    KEY_MS,
    KEY_COUNT,
    KEY_NICE,
    KEY_TEXT,
    KEY_ENV,
    KEY_WORDS
} type_t;

typedef struct {
    const char *name;
    type_t type;
    unsigned engines;
    size_t at; /* in terms_t */
} key_row_t;

static const key_row_t keys[] = {
    {"so", KEY_ENGINE, FOR_ALL, 0},
    {"exec", KEY_ENGINE, FOR_ALL, 0},
    {"serve", KEY_ENGINE, FOR_ALL, 0},
    {"sh", KEY_ENGINE, FOR_ALL, 0},
    {"output", KEY_OUTPUT, FOR_COMMANDS, 0},
    {"raw", KEY_RAW, FOR_COMMANDS, 0},
    {"memory", KEY_SIZE, FOR_ALL, offsetof(terms_t, limits.memory_bytes)},
    {"file-size", KEY_SIZE, FOR_ALL, offsetof(terms_t, limits.file_bytes)},
    {"cpus", KEY_CPUS, FOR_ALL, offsetof(terms_t, limits.cpus_milli)},
    {"cpu-time", KEY_MS, FOR_ALL, offsetof(terms_t, limits.cpu_time_ms)},
    {"timeout", KEY_MS, FOR_ALL, offsetof(terms_t, timeout_ms)},
    {"files", KEY_COUNT, FOR_ALL, offsetof(terms_t, limits.files_n)},
    {"processes", KEY_COUNT, FOR_ALL, offsetof(terms_t, limits.processes_n)},
    {"nice", KEY_NICE, FOR_COMMANDS | FOR_SERVE, offsetof(terms_t, nice)},
    {"workdir", KEY_TEXT, FOR_COMMANDS | FOR_SERVE, offsetof(terms_t, workdir)},
    {"env", KEY_ENV, FOR_COMMANDS | FOR_SERVE, offsetof(terms_t, env)},
    {"container", KEY_WORDS, FOR_COMMANDS, 0},
    {"container-kill", KEY_WORDS, FOR_COMMANDS, offsetof(terms_t, kill_argv)},
    {"container-list", KEY_WORDS, FOR_COMMANDS, offsetof(terms_t, list_argv)},
};

static const key_row_t *find_key(const char *name)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

/* ---- values ---- */

static int read_size(const char *text, uint64_t *ret, fanmap_error_t *err)
{
    int code = size_parse(text, ret, err);
    if (code == FANMAP_OK && *ret < 4096)
        return err_set(err, FANMAP_EUSAGE, "\"%.40s\" is too small: at least 4KiB", text);
    return code;
}

static int read_ms(const char *text, uint32_t *ret, fanmap_error_t *err)
{
    int64_t ms;
    int code = duration_parse(text, &ms, err);
    if (code == FANMAP_OK && (ms < 1 || ms > INT32_MAX))
        return err_set(err, FANMAP_EUSAGE, "\"%.40s\" is not between 1ms and 24d", text);
    if (code == FANMAP_OK)
        *ret = (uint32_t)ms;
    return code;
}

static int read_count(const char *text, long least, long most, long *ret, fanmap_error_t *err)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end || n < least || n > most)
        return err_set(err, FANMAP_EUSAGE, "\"%.40s\" is not a whole number from %ld to %ld", text, least, most);
    *ret = n;
    return FANMAP_OK;
}

static int read_env(char **values, char ***ret, fanmap_error_t *err)
{
    for (size_t i = 0; values[i]; i++) {
        const char *equals = strchr(values[i], '=');
        if (!equals || equals == values[i])
            return err_set(err, FANMAP_EUSAGE, "\"%.60s\" is not NAME=VALUE", values[i]);
        if (strncmp(values[i], "FANMAP_", 7) == 0)
            return err_set(err, FANMAP_EUSAGE, "\"%.60s\": names that begin with FANMAP_ are fanmap's own", values[i]);
    }
    *ret = words_copy((const char *const *)values);
    return *ret ? FANMAP_OK : err_set(err, FANMAP_ENOMEM, "no memory");
}

/* A list as it is; one text is split as --exec is. */
static int read_words(const task_entry_t *e, char ***ret, fanmap_error_t *err)
{
    char **words = NULL;
    if (!e->is_list) {
        int code = slots_split_words(e->values[0], &words, err);
        if (code != FANMAP_OK)
            return code;
    } else if (!(words = words_copy((const char *const *)e->values))) {
        return err_set(err, FANMAP_ENOMEM, "no memory");
    }
    if (!words[0] || !*words[0]) {
        words_free(words);
        return err_set(err, FANMAP_EUSAGE, "the command is empty");
    }
    *ret = words;
    return FANMAP_OK;
}

static int read_text(const char *text, char **ret, fanmap_error_t *err)
{
    if (*text != '/')
        return err_set(err, FANMAP_EUSAGE, "\"%.60s\" is no absolute path", text);
    *ret = strdup(text);
    return *ret ? FANMAP_OK : err_set(err, FANMAP_ENOMEM, "no memory");
}

/* Bytes as they are, both ways; what `output` said of stdout as JSON stays. */
static int read_raw(const char *text, terms_t *terms, fanmap_error_t *err)
{
    bool is_raw = strcmp(text, "true") == 0;
    if (!is_raw && strcmp(text, "false") != 0)
        return err_set(err, FANMAP_EUSAGE, "\"%.40s\" is neither true nor false", text);
    terms->raw_input = is_raw;
    if (is_raw && terms->output == STDOUT_TEXT)
        terms->output = STDOUT_RAW;
    return FANMAP_OK;
}

static int read_value(const key_row_t *key, const task_entry_t *e, slots_task_t *task, fanmap_error_t *err)
{
    void *at = (char *)&task->terms + key->at;
    long n = 0;
    int code = FANMAP_OK;
    switch (key->type) {
    case KEY_SIZE:
        return read_size(e->values[0], at, err);
    case KEY_CPUS:
        return cpus_parse(e->values[0], at, err);
    case KEY_MS:
        return read_ms(e->values[0], at, err);
    case KEY_COUNT:
        code = read_count(e->values[0], 1, COUNT_MAX, &n, err);
        if (code == FANMAP_OK)
            *(uint32_t *)at = (uint32_t)n;
        return code;
    case KEY_NICE:
        code = read_count(e->values[0], 0, NICE_MAX, &n, err);
        if (code == FANMAP_OK)
            *(int32_t *)at = (int32_t)n;
        return code;
    case KEY_TEXT:
        return read_text(e->values[0], at, err);
    case KEY_ENV:
        return read_env(e->values, at, err);
    case KEY_WORDS: /* container itself comes last: see contain */
        return strcmp(key->name, "container") == 0 ? FANMAP_OK : read_words(e, at, err);
    case KEY_OUTPUT:
        if (strcmp(e->values[0], "json") == 0)
            task->terms.output = STDOUT_JSON;
        else if (strcmp(e->values[0], "text") != 0)
            return err_set(err, FANMAP_EUSAGE, "\"%.40s\" is neither text nor json", e->values[0]);
        return FANMAP_OK;
    case KEY_RAW:
        return read_raw(e->values[0], &task->terms, err);
    case KEY_ENGINE:
        break;
    }
    return FANMAP_OK;
}

/* ---- sections ---- */

static int check_entry(const task_entry_t *e, unsigned engine, fanmap_error_t *err)
{
    const key_row_t *key = find_key(e->key);
    char safe[80];
    text_escape_to(safe, sizeof safe, e->key, strlen(e->key));
    if (!key)
        return err_set(err, FANMAP_EUSAGE, "line %u: no such key: %s", e->line, safe);
    if (!(key->engines & engine))
        return err_set(err, FANMAP_EUSAGE, "line %u: %s cannot be given with %s", e->line, safe,
                       engine == FOR_SO ? "so (its functions share one process)" : "serve");
    bool takes_list = key->type == KEY_WORDS || key->type == KEY_ENV || key->type == KEY_ENGINE;
    if (e->is_list && (!takes_list || strcmp(e->key, "so") == 0 || strcmp(e->key, "sh") == 0))
        return err_set(err, FANMAP_EUSAGE, "line %u: %s takes one value", e->line, safe);
    return FANMAP_OK;
}

static int find_engine(const task_section_t *s, const task_entry_t **ret, unsigned *ret_engine, fanmap_error_t *err)
{
    static const char *const names[] = {"so", "exec", "serve", "sh"};
    const task_entry_t *found = NULL;
    for (unsigned i = 0; i < 4; i++) {
        const task_entry_t *e = task_file_find(s, names[i]);
        if (e && found)
            return err_set(err, FANMAP_EUSAGE, "line %u: [%s] has %s already", e->line, s->name, found->key);
        if (e) {
            found = e;
            *ret_engine = 1U << i;
        }
    }
    *ret = found;
    return found ? FANMAP_OK
                 : err_set(err, FANMAP_EUSAGE, "line %u: [%s] needs exec, sh, serve or so", s->line, s->name);
}

static int add_library(slots_catalogue_t *c, const char *folder, const task_section_t *s, const char *path,
                       fanmap_error_t *err)
{
    char whole[PATH_MAX];
    int n = snprintf(whole, sizeof whole, "%s%s", *path == '/' ? "" : folder, path);
    if (n < 0 || (size_t)n >= sizeof whole)
        return err_set(err, FANMAP_EUSAGE, "the path is too long");
    return slots_catalogue_add_function(c, whole, s->name, err);
}

static int add_words(slots_catalogue_t *c, const task_section_t *s, const task_entry_t *e, task_engine_t engine,
                     fanmap_error_t *err)
{
    char **words;
    int code = read_words(e, &words, err);
    if (code != FANMAP_OK)
        return code;
    code = slots_catalogue_add_words(c, engine, s->name, (const char *const *)words, NULL, err);
    words_free(words);
    return code;
}

static int contain(slots_task_t *task, const task_section_t *s, const task_entry_t **ret_entry, fanmap_error_t *err)
{
    char **words;
    const task_entry_t *e = task_file_find(s, "container");
    if (!e)
        return task->terms.kill_argv || task->terms.list_argv
                   ? err_set(err, FANMAP_EUSAGE, "container-kill and container-list belong to a container")
                   : FANMAP_OK;
    *ret_entry = e;
    int code = read_words(e, &words, err);
    if (code != FANMAP_OK)
        return code;
    code = slots_catalogue_contain(task, (const char *const *)words, err);
    words_free(words);
    return code;
}

static int add_engine(slots_catalogue_t *c, const char *folder, const task_section_t *s, const task_entry_t *e,
                      unsigned engine, fanmap_error_t *err)
{
    switch (engine) {
    case FOR_SO:
        return add_library(c, folder, s, e->values[0], err);
    case FOR_SH:
        return slots_catalogue_add_shell(c, s->name, e->values[0], NULL, err);
    default:
        return add_words(c, s, e, engine == FOR_SERVE ? TASK_SERVE : TASK_EXEC, err);
    }
}

static int add_section(slots_catalogue_t *c, const char *folder, const task_section_t *s, fanmap_error_t *err)
{
    const task_entry_t *e = NULL;
    unsigned engine = 0;
    int code = find_engine(s, &e, &engine, err);
    if (code != FANMAP_OK)
        return code;
    for (size_t i = 0; i < s->entries_n; i++)
        if ((code = check_entry(&s->entries[i], engine, err)) != FANMAP_OK)
            return code;
    code = add_engine(c, folder, s, e, engine, err);
    for (size_t i = 0; i < s->entries_n && code == FANMAP_OK; i++) {
        e = &s->entries[i];
        code = read_value(find_key(e->key), e, &c->tasks[c->n - 1], err);
    }
    if (code == FANMAP_OK)
        code = contain(&c->tasks[c->n - 1], s, &e, err);
    return code == FANMAP_OK ? code : err_wrap(err, "line %u: %s", e->line, e->key);
}

/* ---- the file ---- */

static int read_file(const char *path, buf_t *text, fanmap_error_t *err)
{
    FILE *file;
    bool is_shared, is_read = true;
    int r = trusted_open(path, &file, &is_shared, err);
    if (r != FANMAP_OK)
        return r;
    while (is_read && !feof(file) && text->len <= TASK_FILE_BYTES_MAX) {
        void *room = buf_reserve(text, READ_BYTES);
        text->len += room ? fread(room, 1, READ_BYTES, file) : 0;
        is_read = room && !ferror(file);
    }
    int error = errno;
    fclose(file);
    return is_read ? FANMAP_OK : err_set(err, FANMAP_EUSAGE, "%s", strerror(error));
}

static int add_text(slots_catalogue_t *c, const char *path, const buf_t *text, fanmap_error_t *err)
{
    char folder[PATH_MAX] = "";
    task_file_t file;
    const char *slash = strrchr(path, '/');
    if (slash && (size_t)(slash - path) + 2 < sizeof folder)
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path) + 1, path);
    int code = task_file_parse(&file, text->data ? (const char *)text->data : "", text->len, err);
    if (code == FANMAP_OK && file.sections_n == 0)
        code = err_set(err, FANMAP_EUSAGE, "no [TASK] in it");
    for (size_t i = 0; i < file.sections_n && code == FANMAP_OK; i++)
        code = add_section(c, folder, &file.sections[i], err);
    task_file_free(&file);
    return code;
}

int task_conf_add(slots_catalogue_t *c, const char *path, fanmap_error_t *err)
{
    buf_t text = {0};
    char safe[300];
    int code = read_file(path, &text, err);
    if (code == FANMAP_OK)
        code = add_text(c, path, &text, err);
    buf_free(&text);
    text_escape_to(safe, sizeof safe, path, strlen(path));
    return code == FANMAP_OK ? code : err_wrap(err, "task file %s", safe);
}
