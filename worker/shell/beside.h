/* Lanes that are read beside the group: for notes about what others claim (notes.c), and again for what the core put off (fetch.c). */
#ifndef WORKER_SHELL_BESIDE_H
#define WORKER_SHELL_BESIDE_H

#include "worker/shell/state.h"

typedef struct watch watch_t; /* one lane that is read for notes */
typedef struct fetch fetch_t; /* one that is read again */

void shell_watch(worker_shell_t *shell, const worker_action_t *action);
void shell_watches_close(worker_shell_t *shell);
void shell_fetch(worker_shell_t *shell, const worker_action_t *action);
void shell_fetches_close(worker_shell_t *shell);

#endif
