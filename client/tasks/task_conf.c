/* A file of tasks: each section (task_file.h) becomes a task of the catalogue, by what its keys (task_keys.h) say. */
#include "client/tasks/task_conf.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "client/tasks/task_keys.h"
#include "io/trusted_file.h"

enum { READ_BYTES = 64 * 1024 };

static int check_entry(const task_entry_t *e, unsigned engine, fanmap_error_t *err)
{
    const task_key_t *key = task_key_find(e->key);
    char safe[80];
    text_escape_to(safe, sizeof safe, e->key, strlen(e->key));
    if (!key)
        return err_set(err, FANMAP_EUSAGE, "line %u: no such key: %s", e->line, safe);
    if (!(key->engines & engine))
        return err_set(err, FANMAP_EUSAGE, "line %u: %s cannot be given with %s", e->line, safe,
                       engine == FOR_SO ? "so (its functions share one process)" : "serve");
    if (e->is_list && !key->takes_list)
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
    int code = task_words_read(e, &words, err);
    if (code != FANMAP_OK)
        return code;
    code = slots_catalogue_add_words(c, engine, s->name, (const char *const *)words, NULL, err);
    words_free(words);
    return code;
}

static int add_container(slots_task_t *task, const task_section_t *s, const task_entry_t **ret_entry,
                         fanmap_error_t *err)
{
    char **words;
    const task_entry_t *e = task_file_find(s, "container");
    if (!e)
        return task->terms.kill_argv || task->terms.list_argv
                   ? err_set(err, FANMAP_EUSAGE, "container-kill and container-list belong to a container")
                   : FANMAP_OK;
    *ret_entry = e;
    int code = task_words_read(e, &words, err);
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
        const task_key_t *key = task_key_find(e->key);
        if (key->read)
            code = key->read(e, (char *)&c->tasks[c->n - 1].terms + key->at, err);
    }
    if (code == FANMAP_OK)
        code = add_container(&c->tasks[c->n - 1], s, &e, err);
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
