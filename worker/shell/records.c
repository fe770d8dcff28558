/* What a worker stores besides outcomes: ends of jobs, dead letters, notes to other members, and what tells it the time. */
#include <stdio.h>
#include <string.h>

#include "schemas/item.h"
#include "worker/shell/inflight.h"

static void send_record(worker_shell_t *shell, inflight_t *inflight, bus_topic_t *topic, int32_t partition)
{
    inflight->topic = topic;
    inflight->partition = partition;
    inflight_send(shell, inflight);
}

void shell_copy_end(worker_shell_t *shell, const worker_action_t *a)
{
    inflight_t *inflight = inflight_new(shell, INFLIGHT_END_COPY);
    if (!inflight)
        return;
    memcpy(inflight->job, a->end.spec->job, sizeof inflight->job);
    inflight->key_len = jobs_key(inflight->key, sizeof inflight->key, inflight->job, JOBS_END);
    jobs_encode_end(&inflight->value, a->end.reason);
    send_record(shell, inflight, shell->jobs, 0);
}

void shell_write_end(worker_shell_t *shell, const worker_action_t *a)
{
    inflight_t *inflight = inflight_new(shell, INFLIGHT_END);
    if (!inflight)
        return;
    memcpy(inflight->job, a->end.spec->job, sizeof inflight->job);
    inflight->key_len = strlen(inflight->job);
    memcpy(inflight->key, inflight->job, inflight->key_len + 1);
    joblog_encode_end(&inflight->value, a->end.reason);
    send_record(shell, inflight, shell->results, (int32_t)a->end.spec->results_partition);
}

void shell_dead_letter(worker_shell_t *shell, const worker_action_t *a)
{
    inflight_t *inflight = inflight_new(shell, INFLIGHT_DEAD);
    if (!inflight || !inflight_keep_item(inflight, a->dead.item))
        return;
    inflight->from_lane = a->dead.lane;
    (void)snprintf(inflight->from[0], sizeof inflight->from[0], "%d", (int)shell_partition_of(shell, a->dead.lane));
    (void)snprintf(inflight->from[1], sizeof inflight->from[1], "%lld", (long long)a->dead.offset);
    inflight->why = a->dead.why;
    buf_append(&inflight->value, a->dead.value, a->dead.value_len);
    buf_append(&inflight->body, a->dead.key, a->dead.key_len);
    send_record(shell, inflight, shell->dead, 0);
}

/* What the worker has read may be old; a record that it stores itself tells it the broker's time exactly. Once is enough:
 * from then on its own clock goes on as fast. */
void shell_ask_clock(worker_shell_t *shell, const jobs_record_t *job)
{
    bool has_deadline = job->field == JOBS_SPEC && !job->tombstone && job->spec.deadline_ms > 0;
    bool must_ask = has_deadline && !shell->has_asked_clock;
    inflight_t *inflight = must_ask ? inflight_new(shell, INFLIGHT_CLOCK) : NULL;
    if (!inflight)
        return;
    shell->has_asked_clock = true;
    inflight->key_len = strlen(jobs_clock_key);
    memcpy(inflight->key, jobs_clock_key, inflight->key_len + 1);
    send_record(shell, inflight, shell->jobs, 0);
}

void shell_tell(worker_shell_t *shell, const worker_action_t *a)
{
    item_t note = {.type = a->tell.is_done ? ITEM_DONE_NOTE : ITEM_RELEASE_NOTE,
                   .done_offset = a->tell.offset,
                   .partition = a->tell.partition,
                   .attempts = a->tell.attempts,
                   .charges = a->tell.charges,
                   .log = a->tell.log};
    inflight_t *inflight = inflight_new(shell, INFLIGHT_NOTE);
    if (!inflight)
        return;
    memcpy(note.member, a->tell.member, sizeof note.member);
    item_encode_note(&inflight->value, &note);
    inflight->key_len = strlen(a->tell.job);
    memcpy(inflight->key, a->tell.job, inflight->key_len + 1);
    send_record(shell, inflight, shell_items_of(shell, a->tell.lane), a->tell.partition);
}
