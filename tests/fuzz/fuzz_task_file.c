#include <stdlib.h>
#include <string.h>

#include "client/tasks/task_file.h"
#include "fuzz.h"

/* The corpus has one line a file: | stands for the end of a line. A file that is read has whole sections and keys; one
 * that is not says in which line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    task_file_t file;
    fanmap_error_t err = {0};
    char *text = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        text[i] = data[i] == '|' ? '\n' : (char)data[i];
    if (task_file_parse(&file, text, size, &err) != FANMAP_OK) {
        MUST(strncmp(err.message, "line ", 5) == 0 && !file.sections && file.sections_n == 0);
        free(text);
        return 0;
    }
    for (size_t i = 0; i < file.sections_n; i++) {
        const task_section_t *s = &file.sections[i];
        MUST(*s->name && s->line > 0);
        for (size_t k = 0; k < s->entries_n; k++) {
            MUST(*s->entries[k].key && s->entries[k].values && s->entries[k].line >= s->line);
            MUST(s->entries[k].is_list || s->entries[k].values[0]);
            MUST(task_file_find(s, s->entries[k].key) == &s->entries[k]);
        }
    }
    task_file_free(&file);
    free(text);
    return 0;
}
