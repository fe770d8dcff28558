/* A shell that serves a stream: its lanes are the partitions of an existing topic, its outcomes go to the stream's own log. */
#ifndef WORKER_SHELL_STREAM_H
#define WORKER_SHELL_STREAM_H

#include "worker/shell/state.h"

/* Of the config's stream; its task must be in the catalogue. */
int shell_stream_new(worker_shell_t *shell, fanmap_error_t *err);
/* In place of items: the source and the log, which are there; `fn` follows. */
int shell_stream_open_topics(worker_shell_t *shell, bus_topics_fn fn, fanmap_error_t *err);
/* A partition of the source is this worker's: the log has as many from now on, or it is said why not. */
void shell_stream_grow(worker_shell_t *shell, uint32_t partitions);
/* A record of the source, as an event; what is needed of it is copied. */
void shell_stream_item(worker_shell_t *shell, int32_t lane, const bus_record_t *record);
/* What the run's task is told of its record; valid until the next call. */
void shell_stream_context(worker_shell_t *shell, const worker_action_t *action, slot_run_t *ret_run);
/* kept_positions.c: looks from now on whether its group keeps them. */
int shell_positions_open(worker_shell_t *shell, fanmap_error_t *err);
void shell_positions_close(worker_shell_t *shell);
/* group.c: the error of a partition that its group has no position for. */
void shell_lacks_position(const worker_shell_t *shell, int32_t partition, fanmap_error_t *err);
/* Behind the last of them. */
void shell_stream_free(worker_shell_t *shell);
void shell_stream_publish(worker_shell_t *shell, const worker_action_t *action);
void shell_stream_pass(worker_shell_t *shell, const worker_action_t *action);

#endif
