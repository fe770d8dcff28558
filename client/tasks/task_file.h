/* The text of a task file, read into sections and keys; what they mean is task_conf.c's business. A small part of TOML:
 *
 *   file    = line*            one section a task; comments begin with #
 *   line    = [ "[" NAME "]" | KEY "=" value ]
 *   value   = string | word | "[" [ value-less-list ("," ...)* [","] ] "]"        a list may go on over several lines
 *   string  = "..." with \" \\ \n \t \r \e and \u0041 | '...' as it is
 *   word    = [A-Za-z0-9_.+-]+
 *
 * Pure: no file is opened here. Every error names its line.
 */
#ifndef CLIENT_TASKS_TASK_FILE_H
#define CLIENT_TASKS_TASK_FILE_H

#include "base/buf.h"
#include "base/error.h"

enum { TASK_FILE_BYTES_MAX = 1 << 20, TASK_FILE_NAME_MAX = 63 };

typedef struct {
    char *key;
    bool is_list;
    char **values; /* NULL-terminated; one unless it is a list */
    unsigned line;
} task_entry_t;

typedef struct {
    char name[TASK_FILE_NAME_MAX + 1];
    unsigned line;
    task_entry_t *entries;
    size_t entries_n;
} task_section_t;

typedef struct {
    task_section_t *sections;
    size_t sections_n;
} task_file_t;

/* Text of at most TASK_FILE_BYTES_MAX. Failure: FANMAP_EUSAGE or FANMAP_ENOMEM, "line 3: ...", and *ret is empty. */
int task_file_parse(task_file_t *ret, const char *text, size_t len, fanmap_error_t *err);
void task_file_free(task_file_t *file);
/* NULL: the section has no such key. */
const task_entry_t *task_file_find(const task_section_t *section, const char *key);

#endif
