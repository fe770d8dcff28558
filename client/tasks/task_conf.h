/* Task files (F.conf): one section a task. docs/tasks.md lists the keys. */
#ifndef CLIENT_TASKS_TASK_CONF_H
#define CLIENT_TASKS_TASK_CONF_H

#include "slots/catalogue/catalogue.h"

/* Adds every task of a file to a catalogue, which may be partly filled on failure. Errors name file and line. Paths of
 * libraries are relative to the file's folder. */
int task_conf_add(slots_catalogue_t *catalogue, const char *path, fanmap_error_t *err);

#endif
