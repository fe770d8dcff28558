/* The happy path: topics are looked up -> the jobs topic is read to its end -> the group is joined -> records become
 * events -> the core's actions are carried out in order, before the next event -> at the end of each turn of the loop
 * what was gathered is flushed: runs into slots, packs into Kafka.
 *
 * What can fail: the core runs out of memory, Redis or Kafka refuse us: `ended` says why. Everything that can be
 * retried is retried below, in bus and port.
 */
#include "worker/shell/shell.h"
#include "worker/shell/beside.h"

#include <stdio.h>
#include <stdlib.h>

#include "io/random_id.h"
#include "worker/shell/inflight.h"
#include "worker/shell/room.h"
#include "worker/shell/state.h"
#include "worker/shell/stream.h"

enum { WINDOW_MAX = 10000, WINDOW_BYTES_MAX = 8 << 20 }; /* of a stream's lane */
enum { AMPLE_N = 8192 }; /* about what fits into the cache with all that belongs to it */

/* ---- stepping ---- */

static void end_of_turn(void *arg)
{
    worker_shell_t *shell = arg;
    shell_settle(shell);
    shell->is_dirty = false;
    shell_describe_now(shell);
    slots_flush(shell->slots);
    shell_offer_soon(shell);
    shell_send_packs(shell, false);
    if (shell->is_drained && !shell->is_leaving && bus_outbox_n(shell->bus) == 0)
        shell_leave(shell);
    loop_timer_at(shell->timer, worker_next_ms(shell->core));
}

static void on_leave_over(void *arg)
{
    worker_shell_t *shell = arg;
    if (!shell->was_ended)
        shell_log(shell, FANMAP_LOG_WARNING,
                  "Kafka did not confirm everything in time: what it lacks runs again elsewhere");
    shell_tell_ended(shell);
}

static void on_timer(void *arg)
{
    shell_step(arg, &(worker_event_t){.type = WORKER_TICK});
}

static void on_wake(void *arg, const char *job)
{
    shell_step(arg, &(worker_event_t){.type = WORKER_WAKE, .wake = {job}});
}

/* ---- life ---- */

static int make_core(worker_shell_t *shell, fanmap_error_t *err)
{
    const slots_catalogue_t *catalogue = shell->config.catalogue;
    shell->task_names = calloc(catalogue->n + 1, sizeof *shell->task_names);
    shell->takes = calloc(shell->config.slots_n, 4 * sizeof *shell->takes);
    shell->take_n = calloc(shell->config.slots_n, 4 * sizeof *shell->take_n);
    shell->slot_job = calloc(shell->config.slots_n, sizeof *shell->slot_job);
    shell->slot_task = calloc(shell->config.slots_n, sizeof *shell->slot_task);
    if (!shell->task_names || !shell->takes || !shell->take_n || !shell->slot_job || !shell->slot_task)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    for (size_t i = 0; i < catalogue->n; i++)
        shell->task_names[i] = catalogue->tasks[i].name;
    uint64_t seed = 0;
    const char *given = shell->config.incarnation;
    int named = given ? FANMAP_OK : random_id(shell->incarnation, 20);
    if (given)
        snprintf(shell->incarnation, sizeof shell->incarnation, "%s", given);
    if (named != FANMAP_OK || random_bytes(&seed, sizeof seed) != FANMAP_OK)
        return err_set(err, FANMAP_EIO, "the system gives no random bytes");
    bool is_alone = shell->tokens != NULL && !shell->tokens->listen;
    worker_config_t config = {.queue = shell->queue,
                              .incarnation = shell->incarnation,
                              .slots_n = shell->config.slots_n,
                              .tasks = shell->task_names,
                              .tasks_n = catalogue->n,
                              .budget_bytes = shell->config.budget_bytes / 4 * 3, /* the core adds a third */
                              .items_max = ITEMS_MAX,
                              .ample_n = AMPLE_N,
                              .item_bytes_max = shell->config.item_bytes_max,
                              .commit_every_ms = 1000,
                              .session_ms = shell->config.session_ms,
                              .drain_ms = shell->config.drain_ms,
                              .revoke_ms = REVOKE_MS,
                              .ahead_n = AHEAD_N,
                              .ahead_bytes = AHEAD_BYTES,
                              .publishing_max = PUBLISHING_MAX,
                              .has_tokens = shell->tokens != NULL,
                              .is_alone = is_alone,
                              .can_fetch = !is_alone &&
                                           !shell->stream, /* the logs of the one that is alone forget what was read */
                              .has_handoff = shell->tokens != NULL && !shell->stream,
                              .window_max = WINDOW_MAX,
                              .window_bytes_max = WINDOW_BYTES_MAX,
                              .seed = seed};
    shell->core = worker_new(&config);
    return shell->core ? FANMAP_OK : err_set(err, FANMAP_ENOMEM, "out of memory");
}

static int open_parts(worker_shell_t *shell, fanmap_error_t *err)
{
    int r = shell_stream_new(shell, err);
    if (r == FANMAP_OK)
        r = make_core(shell, err);
    if (r == FANMAP_OK)
        r = loop_timer_new(shell->loop, on_timer, shell, &shell->timer, err);
    if (r == FANMAP_OK)
        r = loop_timer_new(shell->loop, on_leave_over, shell, &shell->leaving, err);
    if (r == FANMAP_OK)
        r = loop_timer_new(shell->loop, shell_on_linger, shell, &shell->linger, err);
    if (r == FANMAP_OK)
        r = shell_held_open(shell, err);
    if (r == FANMAP_OK)
        r = shell_open_slots(shell, err);
    if (r == FANMAP_OK)
        r = shell_burial_open(shell, &shell->burial, err);
    if (r == FANMAP_OK)
        r = shell_open_topics(shell, err);
    if (r == FANMAP_OK && shell->tokens && shell->tokens->listen)
        shell->tokens->listen(shell->tokens, TOKENS_WAKES, shell->incarnation, on_wake, shell);
    if (r == FANMAP_OK && !shell->stream)
        r = shell_open_handoff(shell, err);
    if (r == FANMAP_OK)
        r = shell_positions_open(shell, err);
    return r == FANMAP_OK ? shell_watch_room(shell, err) : r;
}

int worker_shell_open(loop_t *loop, bus_t *bus, tokens_port_t *tokens, const worker_shell_config_t *config,
                      const worker_shell_callbacks_t *callbacks, void *arg, worker_shell_t **ret, fanmap_error_t *err)
{
    worker_shell_t *shell = calloc(1, sizeof *shell);
    if (!shell)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    shell->loop = loop;
    shell->bus = bus;
    shell->tokens = tokens;
    shell->config = *config;
    shell->callbacks = *callbacks;
    shell->arg = arg;
    shell->carry_out = shell_carry_out;
    shell->end_of_turn = end_of_turn;
    shell->unsent_last = &shell->unsent;
    snprintf(shell->name_space, sizeof shell->name_space, "%s", config->name_space);
    snprintf(shell->queue, sizeof shell->queue, "%s", config->queue);
    int r = open_parts(shell, err);
    if (r != FANMAP_OK) {
        worker_shell_close(shell);
        return r;
    }
    *ret = shell;
    return FANMAP_OK;
}

void worker_shell_drain(worker_shell_t *shell)
{
    if (shell->is_draining)
        return;
    shell->is_draining = true;
    shell_step(shell, &(worker_event_t){.type = WORKER_DRAIN});
}

const worker_t *worker_shell_core(const worker_shell_t *shell)
{
    return shell->core;
}

bool worker_shell_lacks_tokens(const worker_shell_t *shell)
{
    return shell->tokens_are_away;
}

/* The payloads of items in hand. */
static void give_back(worker_shell_t *shell)
{
    if (!shell->core)
        return;
    worker_actions_clear(&shell->actions);
    worker_abandon(shell->core, &shell->actions);
    for (size_t i = 0; i < shell->actions.n; i++)
        shell_carry_out(shell, &shell->actions.at[i]);
}

void worker_shell_close(worker_shell_t *shell)
{
    if (!shell)
        return;
    shell->was_ended = true;
    bus_forget(shell->bus, shell);
    if (shell->link)
        shell->link->shell = NULL;
    if (shell->group && !shell->is_leaving)
        bus_group_leave(shell->group);
    if (shell->slots)
        slots_close(shell->slots);
    if (shell->jobs_reader)
        bus_reader_close(shell->jobs_reader);
    loop_timer_free(shell->leaving);
    loop_timer_free(shell->timer);
    loop_timer_free(shell->room.timer);
    loop_timer_free(shell->linger);
    shell_held_close(shell);
    shell_close_handoff(shell);
    shell_burial_close(shell->burial);
    beside_close(&shell->watches);
    beside_close(&shell->fetches);
    shell_group_close(shell);
    loop_defer_cancel(shell->loop, end_of_turn, shell);
    loop_defer_cancel(shell->loop, shell_tell_ended, shell);
    give_back(shell);
    worker_free(shell->core);
    worker_actions_free(&shell->actions);
    shell_free_packs(shell);
    shell_lanes_free(shell);
    shell_positions_close(shell);
    shell_stream_free(shell);
    free(shell->items);
    free(shell->items_partitions);
    free(shell->task_names);
    free(shell->takes);
    free(shell->take_n);
    free(shell->slot_job);
    free(shell->slot_task);
    free(shell->start_troubles);
    free(shell);
}
