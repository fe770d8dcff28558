/* The happy path: topics are looked up -> the jobs topic is read to its end -> the group is joined -> records become
 * events -> the core's actions are carried out in order, before the next event -> at the end of each turn of the loop
 * what was gathered is flushed: runs into slots, packs into Kafka.
 *
 * What can fail: the core runs out of memory, Redis or Kafka refuse us: `ended` says why. Everything that can be
 * retried is retried below, in bus and port.
 */
#include "worker/shell/shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/random_id.h"
#include "worker/shell/inflight.h"
#include "worker/shell/room.h"
#include "worker/shell/state.h"
#include "worker/shell/stream.h"

enum { WINDOW_MAX = 10000, WINDOW_BYTES_MAX = 8 << 20 }; /* of a stream's lane */
enum { AMPLE_N = 8192 };  /* about what fits into the cache with all that belongs to it */
enum { LEAVE_MS = 5000 }; /* for what is on its way to Kafka, and the group, once the core is drained */

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

/* Once when it begins, once when it is over. */
static void tell_tokens(worker_shell_t *shell, const fanmap_error_t *err)
{
    if (shell->tokens_are_away == (err != NULL))
        return;
    shell->tokens_are_away = err != NULL;
    if (err)
        shell_log(shell, FANMAP_LOG_WARNING, "%s; jobs with a limit wait", err->message);
    else
        shell_log(shell, FANMAP_LOG_INFO, "the tokens are there again; jobs with a limit go on");
}

static void on_synced(void *arg, const char *job, uint64_t seq, const tokens_reply_t *reply, const fanmap_error_t *err)
{
    worker_shell_t *shell = arg;
    if (err && err->code == FANMAP_EREFUSED)
        shell_fail(shell, err);
    tell_tokens(shell, err);
    shell_step(shell, &(worker_event_t){.type = WORKER_TOKENS, .tokens = {job, seq, reply}});
}

static void note(worker_shell_t *shell, const worker_action_t *action)
{
    char topic[TOPIC_NAME_MAX];
    if (action->note.lane < 0)
        shell_log(shell, action->note.level, "%s", action->note.line);
    else
        shell_log(shell, action->note.level, "%s, partition %d: %s", shell_items_name(shell, action->note.lane, topic),
                  (int)shell_partition_of(shell, action->note.lane), action->note.line);
}

static void carry_out_in_slot(worker_shell_t *shell, const worker_action_t *a)
{
    switch (a->type) {
    case WORKER_RUN:
        shell_run(shell, a);
        break;
    case WORKER_TAKE_BACK:
        shell_take_back(shell, a->take_back.slot);
        break;
    case WORKER_KILL:
        slots_kill(shell->slots, a->kill.slot, a->kill.n, a->kill.hard);
        break;
    case WORKER_FREEZE:
        slots_freeze(shell->slots, a->freeze.slot, a->freeze.on);
        break;
    case WORKER_LAPSE:
        slots_set_lapse(shell->slots, a->lapse.job_key, a->lapse.at_ms);
        break;
    default:
        break;
    }
}

static void release(worker_shell_t *shell, void *payload)
{
    if (shell->stream)
        shell_stream_release(shell, payload);
    else
        bus_release(shell->bus, payload);
}

static void carry_out_of_lane(worker_shell_t *shell, const worker_action_t *a)
{
    switch (a->type) {
    case WORKER_PUBLISH:
        (shell->stream ? shell_stream_publish : shell_publish)(shell, a);
        break;
    case WORKER_PASS:
        shell_stream_pass(shell, a);
        break;
    case WORKER_LANE:
        if (shell->group)
            bus_group_want_lane(shell->group, shell_bus_lane(shell, a->lane.lane), a->lane.on);
        break;
    case WORKER_COMMIT:
        shell_commit(shell, a);
        break;
    case WORKER_LET_GO:
        shell_let_go(shell);
        break;
    case WORKER_WITNESS:
        if (shell->group)
            bus_group_witness(shell->group, shell_bus_lane(shell, a->witness.lane), a->witness.offset, a->witness.ms);
        break;
    case WORKER_DESCRIBE:
        shell_describe(shell, a);
        break;
    default:
        break;
    }
}

static void carry_out(worker_shell_t *shell, const worker_action_t *a)
{
    switch (a->type) {
    case WORKER_RUN:
    case WORKER_TAKE_BACK:
    case WORKER_KILL:
    case WORKER_FREEZE:
    case WORKER_LAPSE:
        carry_out_in_slot(shell, a);
        break;
    case WORKER_PUBLISH:
    case WORKER_PASS:
    case WORKER_LANE:
    case WORKER_COMMIT:
    case WORKER_LET_GO:
    case WORKER_WITNESS:
    case WORKER_DESCRIBE:
        carry_out_of_lane(shell, a);
        break;
    case WORKER_HAND_OFF:
        shell_hand_off(shell, a);
        break;
    case WORKER_BEG:
        shell_beg(shell, a);
        break;
    case WORKER_WATCH:
        shell_watch(shell, a);
        break;
    case WORKER_TELL:
        shell_tell(shell, a);
        break;
    case WORKER_JOIN_ANEW:
        shell_join_anew(shell);
        break;
    case WORKER_SYNC:
        shell->tokens->sync(shell->tokens, &a->sync.request, on_synced, shell);
        break;
    case WORKER_COPY_END:
        shell_copy_end(shell, a);
        break;
    case WORKER_WRITE_END:
        shell_write_end(shell, a);
        break;
    case WORKER_DEAD_LETTER:
        shell_dead_letter(shell, a);
        break;
    case WORKER_RELEASE:
        release(shell, a->release.payload);
        break;
    case WORKER_INTAKE:
        shell->core_wants = a->intake.on;
        shell_intake(shell);
        break;
    case WORKER_QUERY_JOBS_END:
        shell_query_jobs_end(shell);
        break;
    case WORKER_NOTE:
        note(shell, a);
        break;
    case WORKER_DRAINED:
        shell->is_drained = true;
        loop_timer_at(shell->leaving, loop_now_ms(shell->loop) + LEAVE_MS);
        break;
    }
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
    worker_config_t config = {.queue = shell->queue,
                              .incarnation = shell->incarnation,
                              .slots_n = shell->config.slots_n,
                              .tasks = shell->task_names,
                              .tasks_n = catalogue->n,
                              .budget_bytes = shell->config.budget_bytes,
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
                              .is_alone = shell->tokens != NULL && !shell->tokens->listen,
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
    shell->carry_out = carry_out;
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

void worker_shell_stats(const worker_shell_t *shell, worker_stats_t *ret)
{
    worker_stats(shell->core, ret);
}

size_t worker_shell_oldest(const worker_shell_t *shell, worker_oldest_t *ret, size_t max)
{
    return shell->core ? worker_oldest(shell->core, ret, max) : 0;
}

size_t worker_shell_waiting(const worker_shell_t *shell, worker_waiting_t *ret, size_t max)
{
    return shell->core ? worker_waiting(shell->core, ret, max) : 0;
}

bool worker_shell_has_partition(const worker_shell_t *shell, size_t task)
{
    return worker_has_partition(shell->core, (uint32_t)task);
}

bool worker_shell_is_stranded(const worker_shell_t *shell)
{
    return shell->core && worker_is_stranded(shell->core);
}

const worker_t *worker_shell_core(const worker_shell_t *shell)
{
    return shell->core;
}

bool worker_shell_lacks_tokens(const worker_shell_t *shell)
{
    return shell->tokens_are_away;
}

uint64_t worker_shell_running(const worker_shell_t *shell, const char *job)
{
    return shell->core ? worker_running(shell->core, job) : 0;
}

/* The payloads of items in hand. */
static void give_back(worker_shell_t *shell)
{
    if (!shell->core)
        return;
    worker_actions_clear(&shell->actions);
    worker_abandon(shell->core, &shell->actions);
    for (size_t i = 0; i < shell->actions.n; i++)
        release(shell, shell->actions.at[i].release.payload);
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
    shell_watches_close(shell);
    shell_group_close(shell);
    loop_defer_cancel(shell->loop, end_of_turn, shell);
    loop_defer_cancel(shell->loop, shell_tell_ended, shell);
    give_back(shell);
    worker_free(shell->core);
    worker_actions_free(&shell->actions);
    shell_free_packs(shell);
    shell_lanes_free(shell);
    free(shell->stream);
    buf_free(&shell->stream_context);
    buf_free(&shell->stream_text);
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
