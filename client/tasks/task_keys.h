/* The keys of a section of a task file (task_file.h), and what each of them does to the task. */
#ifndef CLIENT_TASKS_TASK_KEYS_H
#define CLIENT_TASKS_TASK_KEYS_H

#include "base/error.h"
#include "client/tasks/task_file.h"
#include "slots/catalogue/catalogue.h"

/* Which engines a key is for. */
enum { FOR_SO = 1, FOR_EXEC = 2, FOR_SERVE = 4, FOR_SH = 8, FOR_COMMANDS = FOR_EXEC | FOR_SH, FOR_ALL = 15 };

typedef struct {
    const char *name;
    /* Puts the value of an entry where it belongs. NULL: an engine, or the container (task_conf.c). */
    int (*read)(const task_entry_t *e, void *at, fanmap_error_t *err);
    size_t at; /* in terms_t */
    unsigned engines;
    bool takes_list;
} task_key_t;

/* NULL: there is no such key. */
const task_key_t *task_key_find(const char *name);
/* A command as a list, which the caller frees with words_free: *(char ***)ret_words. A list of the file as it is; one text is
 * split as --exec is. */
int task_words_read(const task_entry_t *e, void *ret_words, fanmap_error_t *err);

#endif
