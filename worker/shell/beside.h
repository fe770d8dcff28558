/* Lanes that are read beside the group: for notes about what others claim (notes.c), and again for what the core put off (fetch.c). */
#ifndef WORKER_SHELL_BESIDE_H
#define WORKER_SHELL_BESIDE_H

#include "worker/shell/state.h"

/* One lane that is read; what the callbacks get. */
typedef struct beside beside_t;
struct beside {
    beside_t *next;
    worker_shell_t *shell;
    int32_t lane;
    bus_reader_t *reader; /* NULL: it is over */
};

/* beside.c */
/* Reads the lane from there on, in place of what read it in this list before; `from` -1: nothing does. What goes wrong ends the shell. */
void beside_read(worker_shell_t *shell, beside_t **list, int32_t lane, int64_t from,
                 const bus_reader_callbacks_t *callbacks);
void beside_close(beside_t **list);

void shell_watch(worker_shell_t *shell, const worker_action_t *action);
void shell_fetch(worker_shell_t *shell, const worker_action_t *action);

#endif
