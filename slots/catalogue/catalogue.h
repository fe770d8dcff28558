/* Which tasks a worker serves: read from task libraries, command lines and container templates, before any slot is
 * opened. Called from any thread; blocks while a helper process lists a library. */
#ifndef SLOTS_CATALOGUE_H
#define SLOTS_CATALOGUE_H

#include "base/error.h"
#include "slots/shared/task.h"

/* Zeroed is empty. Names, paths and words live as long as the catalogue. Each of the functions that add fails with
 * FANMAP_EUSAGE, which says what is wrong with the task, or FANMAP_ENOMEM. */
typedef struct {
    slots_task_t *tasks;
    size_t n;
    const char *task_user; /* set before anything is added: whom attempts run as; NULL: who this is */
    bool new_privileges;   /* setuid programs work in attempts */
} slots_catalogue_t;

/* Reads a task library's table in a helper process (never in this one) and adds its tasks. An unreadable library, or
 * one with no table, is FANMAP_EUSAGE. */
int slots_catalogue_add_library(slots_catalogue_t *c, const char *path, fanmap_error_t *err);
/* One task of a library. */
int slots_catalogue_add_function(slots_catalogue_t *c, const char *path, const char *name, fanmap_error_t *err);
/* `command` is split on blanks, honouring quotes; nothing is expanded. TASK_SERVE: a program that speaks the slot protocol
 * (docs/tasks.md). */
int slots_catalogue_add_command(slots_catalogue_t *c, task_engine_t engine, const char *name, const char *command,
                                const char *replace, fanmap_error_t *err);
/* `argv` as it is. `replace`, here and below, is what stands for the item; NULL: {}. */
int slots_catalogue_add_words(slots_catalogue_t *c, task_engine_t engine, const char *name, const char *const *argv,
                              const char *replace, fanmap_error_t *err);
/* A text for sh, as the operator wrote it, in which placeholders become parameters (shell_text.h). */
int slots_catalogue_add_shell(slots_catalogue_t *c, const char *name, const char *text, const char *replace,
                              fanmap_error_t *err);
/* Puts a command into containers: `template` is the runtime's command line with the word {argv} where the task's own
 * words go; {container} in a word becomes a name of the attempt's own. */
int slots_catalogue_contain(slots_task_t *task, const char *const *template, fanmap_error_t *err);
/* Splits as slots_catalogue_add_command does. The words are the caller's, to be freed with words_free. */
int slots_split_words(const char *text, char ***ret_words, fanmap_error_t *err);
/* Adds a task that has a name and nothing else, for the files of this folder. */
int slots_catalogue_add_task(slots_catalogue_t *c, const char *name, slots_task_t **ret, fanmap_error_t *err);
void slots_catalogue_free(slots_catalogue_t *c);

#endif
