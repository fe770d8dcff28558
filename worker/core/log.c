/* Which log a partition is. A topic that was deleted and made anew has partitions of the old names, whose offsets begin at
 * 0 again: nothing that is known by offset holds for them.
 *
 * The happy path: whoever begins a partition without a commit draws a number for its log; every commit repeats it, with
 * what tells the log apart: the offset of the first record that was read of it, and when the broker appended that.
 * Everything in a log made anew was appended later, also at the offsets up to there. A record that shows it, or the shell,
 * which can ask (WORKER_WITNESS) and says WORKER_REMADE, ends the old log: a commit to the beginning, under a number of its own, stands in for whatever was
 * committed to the old log, all that runs is killed, and the worker joins anew.
 *
 * What can fail:
 * - The commit found says nothing of a log: it is of an older version, or somebody has set the group's offsets. What is read
 *   first then is not the first of its log, and bears no witness (witness_ms -1): the clock of another leader may have been
 *   ahead before it.
 * - A commit for the old log reaches the new one, from an owner that has not noticed. The witness in it shows that to the
 *   next owner, and the number in the commit to the beginning is another.
 * - Who had the partition earlier remembers what was finished, by offset, and may still run items of it. Another number
 *   than the one it remembers: it forgets, and if anything of it is here, that is killed too.
 */
#include "base/random.h"
#include "worker/core/state.h"

static uint32_t draw(worker_t *w)
{
    return (uint32_t)random_next(&w->log_random) | 1;
}

static void begin(worker_part_t *part, uint32_t log, int64_t witness_ms)
{
    tracker_forget(&part->tracker);
    part->log = log;
    part->witness = -1;
    part->witness_ms = witness_ms;
}

static void bear_witness(worker_t *w, worker_part_t *part, int64_t offset, int64_t ms)
{
    worker_action_t *action = act(w, WORKER_WITNESS);
    part->witness = offset;
    part->witness_ms = ms;
    if (action == NULL)
        return;
    action->witness.lane = part->number;
    action->witness.offset = offset;
    action->witness.ms = ms;
}

bool log_arrived(worker_t *w, worker_part_t *part, int64_t offset, int64_t appended_ms)
{
    if (part->log == 0 || appended_ms == 0)
        return true;
    if (part->witness_ms == 0)
        bear_witness(w, part, offset, appended_ms);
    return part->witness_ms < 0 || offset > part->witness || appended_ms <= part->witness_ms;
}

void log_found(worker_t *w, worker_part_t *part, bool was_committed, const commit_meta_t *meta)
{
    bool says_log = was_committed && meta->log > 0;
    bool is_strange = was_committed && !says_log; /* what lies before it, nobody has read */
    bool is_another = part->log > 0 && (says_log ? meta->log != part->log : !was_committed);
    if (part->log == 0 || is_another)
        begin(part, says_log ? meta->log : draw(w), is_strange ? -1 : 0);
    if (says_log && meta->witness_ms < 0)
        part->witness_ms = -1;
    else if (says_log && meta->witness_ms > 0)
        bear_witness(w, part, meta->witness, meta->witness_ms);
}

bool log_is_haunted(const worker_part_t *part)
{
    for (const worker_item_t *item = part->items; item != NULL; item = item->part_next)
        if (item->log != part->log && item->lost_n == 0 && !item_is_published(item))
            return true;
    return false;
}

void log_remade(worker_t *w, int32_t lane)
{
    worker_part_t *part = part_get(w, lane);
    worker_action_t *action = NULL;
    if (part != NULL && part->is_owned && part->source == NULL)
        action = act(w, WORKER_COMMIT);
    if (action != NULL) {
        begin(part, draw(w), 0);
        commit_meta_t meta = {.clean = true, .mark = -1, .horizon = -1, .log = part->log};
        buf_clear(&part->metadata);
        (void)commit_encode(&part->metadata, &meta, 0, NULL);
        action->commit.lane = lane;
        action->commit.offset = 0;
        action->commit.metadata = (const char *)part->metadata.data;
        action->commit.metadata_len = part->metadata.len;
        action->commit.number = ++w->commits_n;
        action->commit.is_closing = true;
    }
    parts_lost(w);
}
