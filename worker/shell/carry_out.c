/* What each action of the core means on the real world. */
#include "base/invariant.h"
#include "worker/shell/beside.h"
#include "worker/shell/inflight.h"
#include "worker/shell/state.h"
#include "worker/shell/stream.h"

enum { LEAVE_MS = 5000 }; /* for what is on its way to Kafka, and the group, once the core is drained */

static void kill_run(worker_shell_t *shell, const worker_action_t *a)
{
    slots_kill(shell->slots, a->kill.slot, a->kill.n, a->kill.hard);
}

static void freeze(worker_shell_t *shell, const worker_action_t *a)
{
    slots_freeze(shell->slots, a->freeze.slot, a->freeze.on);
}

static void set_lapse(worker_shell_t *shell, const worker_action_t *a)
{
    slots_set_lapse(shell->slots, a->lapse.job_key, a->lapse.at_ms);
}

static void publish(worker_shell_t *shell, const worker_action_t *a)
{
    (shell->stream ? shell_stream_publish : shell_publish)(shell, a);
}

static void want_lane(worker_shell_t *shell, const worker_action_t *a)
{
    if (shell->group)
        bus_group_want_lane(shell->group, shell_bus_lane(shell, a->lane.lane), a->lane.on);
}

static void witness(worker_shell_t *shell, const worker_action_t *a)
{
    if (shell->group)
        bus_group_witness(shell->group, shell_bus_lane(shell, a->witness.lane), a->witness.offset, a->witness.ms);
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

static void sync_tokens(worker_shell_t *shell, const worker_action_t *a)
{
    shell->tokens->sync(shell->tokens, &a->sync.request, on_synced, shell);
}

static void release(worker_shell_t *shell, const worker_action_t *a)
{
    if (shell->stream)
        spares_put(&shell->stream_spares, a->release.payload);
    else
        bus_release(shell->bus, a->release.payload);
}

static void want_items(worker_shell_t *shell, const worker_action_t *a)
{
    shell->core_wants = a->intake.on;
    shell_intake(shell);
}

static void query_jobs_end(worker_shell_t *shell, const worker_action_t *a)
{
    (void)a;
    shell_query_jobs_end(shell);
}

static void note(worker_shell_t *shell, const worker_action_t *a)
{
    char topic[TOPIC_NAME_MAX];
    if (a->note.lane < 0)
        shell_log(shell, a->note.level, "%s", a->note.line);
    else
        shell_log(shell, a->note.level, "%s, partition %d: %s", shell_items_name(shell, a->note.lane, topic),
                  (int)shell_partition_of(shell, a->note.lane), a->note.line);
}

static void drained(worker_shell_t *shell, const worker_action_t *a)
{
    (void)a;
    shell->is_drained = true;
    loop_timer_at(shell->leaving, loop_now_ms(shell->loop) + LEAVE_MS);
}

void shell_carry_out(worker_shell_t *shell, const worker_action_t *action)
{
    static void (*const functions[])(worker_shell_t *, const worker_action_t *) = {
        [WORKER_RUN] = shell_run,
        [WORKER_TAKE_BACK] = shell_take_back,
        [WORKER_KILL] = kill_run,
        [WORKER_FREEZE] = freeze,
        [WORKER_LAPSE] = set_lapse,
        [WORKER_HAND_OFF] = shell_hand_off,
        [WORKER_BEG] = shell_beg,
        [WORKER_PUBLISH] = publish,
        [WORKER_PASS] = shell_stream_pass,
        [WORKER_LANE] = want_lane,
        [WORKER_COMMIT] = shell_commit,
        [WORKER_DESCRIBE] = shell_describe,
        [WORKER_WATCH] = shell_watch,
        [WORKER_FETCH] = shell_fetch,
        [WORKER_WITNESS] = witness,
        [WORKER_TELL] = shell_tell,
        [WORKER_JOIN_ANEW] = shell_join_anew,
        [WORKER_LET_GO] = shell_let_go,
        [WORKER_SYNC] = sync_tokens,
        [WORKER_COPY_END] = shell_copy_end,
        [WORKER_WRITE_END] = shell_write_end,
        [WORKER_DEAD_LETTER] = shell_dead_letter,
        [WORKER_RELEASE] = release,
        [WORKER_INTAKE] = want_items,
        [WORKER_QUERY_JOBS_END] = query_jobs_end,
        [WORKER_NOTE] = note,
        [WORKER_DRAINED] = drained,
    };
    _Static_assert(sizeof functions / sizeof *functions == WORKER_DRAINED + 1, "each action has its function");
    invariant(functions[action->type] != NULL);
    functions[action->type](shell, action);
}
