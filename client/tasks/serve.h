/* What a worker serves, from options: shared by the worker service and the embedded mode. */
#ifndef CLIENT_TASKS_SERVE_H
#define CLIENT_TASKS_SERVE_H

#include "client/options/options.h"
#include "worker/shell/shell.h"

/* "tasks", "exec" and "argv" into a catalogue, which may be partly filled on failure. */
int serve_catalogue(const fanmap_options_t *options, slots_catalogue_t *catalogue, fanmap_error_t *err);
/* Everything that options say; `options` and `catalogue` are borrowed. */
void serve_config(const fanmap_options_t *options, const slots_catalogue_t *catalogue, worker_shell_config_t *ret);
/* How many attempts an embedded worker runs at once: "slots", or what "concurrency" asks for. */
uint32_t serve_local_places(const fanmap_options_t *options);

#endif
