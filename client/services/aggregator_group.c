/* A consumer group on the results topic deals its partitions out to the aggregators; a job's log is one partition, so
 * one of them sees the whole of it. Records go to aggregator/watch.c, which says what to commit.
 *
 * What can fail: a partition may go to another instance while a file of it is written: the part is dropped; should both end,
 * they have the same bytes. */
#include <inttypes.h>

#include "client/services/grower.h"

enum { COMMIT_NOW_MS = 2000 };

static void on_assigned(void *arg, int32_t partition, int64_t offset, bool was_committed, const char *metadata,
                        size_t metadata_len)
{
    fanmap_aggregator_t *a = arg;
    if (!watch_assigned(a->watch, partition, offset, metadata, was_committed ? metadata_len : 0))
        client_fail(a->f, err_of(FANMAP_ENOMEM, "out of memory"));
}

static void on_rebalanced(void *arg)
{
    fanmap_aggregator_t *a = arg;
    a->is_dealt = true;
    a->is_sweep_due = true; /* perhaps because one of us died */
}

static void on_revoked(void *arg, const int32_t *partitions, size_t n, bool lost)
{
    fanmap_aggregator_t *a = arg;
    watch_commit_t commit;
    a->is_dealt &= !lost;
    while (!lost && n > 0 && watch_next_commit(a->watch, &commit))
        (void)bus_group_commit_now(a->group, commit.partition, commit.offset, commit.metadata, commit.metadata_len,
                                   COMMIT_NOW_MS);
    for (size_t i = 0; i < n; i++) {
        growers_close_partition(a, partitions[i]);
        for (int k = 0; k < WRITERS_MAX; k++)
            if (a->writers[k].of && a->writers[k].task.partition == partitions[i])
                writer_abort(&a->writers[k]);
        watch_revoked(a->watch, partitions[i]);
    }
    if (a->is_leaving) {
        a->group = NULL;
        a->is_ended = true;
        loop_wake(a->f->loop);
    }
}

static void warn_of_dropped(fanmap_aggregator_t *a)
{
    uint64_t dropped = watch_dropped_n(a->watch);
    if (a->dropped_warned == 0 && dropped > 0)
        aggregator_log(
            a, FANMAP_LOG_WARNING,
            "more than %d jobs are open: the oldest are no longer watched and get no file (fanmap gather JOB "
            "still works); cancel what will not end",
            WATCH_JOBS_MAX);
    a->dropped_warned = dropped;
}

static void on_bad_record(fanmap_aggregator_t *a, const bus_record_t *record)
{
    if (watch_was_read_before(a->watch, record->partition, record->offset))
        return;
    dead_letter(a, record);
    a->dead_n++;
    if (!a->has_bad_records)
        aggregator_log(a, FANMAP_LOG_WARNING,
                       "the record at offset %" PRId64 " of results partition %" PRId32
                       " is bad or foreign and does not count; it is on the dead-letter topic, as later ones will be",
                       record->offset, record->partition);
    a->has_bad_records = true;
}

static bool on_record(void *arg, const bus_record_t *record)
{
    fanmap_aggregator_t *a = arg;
    a->record = record;
    if (!watch_record(a->watch, record->partition, record->offset, record->key, record->key_len, record->value,
                      record->value_len))
        on_bad_record(a, record);
    warn_of_dropped(a);
    return false;
}

static void on_committed(void *arg, int32_t partition, int64_t offset, uint64_t cookie, bool ok)
{
    (void)cookie;
    fanmap_aggregator_t *a = arg;
    (void)offset;
    if (!ok)
        watch_commit_failed(a->watch, partition);
}

static void on_gap(void *arg, int32_t partition, int64_t from, int64_t to)
{
    fanmap_aggregator_t *a = arg;
    fanmap_error_t err;
    if (to < from) {
        err_set_retry(&err, FANMAP_ELOST, "the results topic was deleted and made anew: start the aggregator again");
        client_fail(a->f, &err);
        return;
    }
    size_t lost = watch_gap(a->watch, partition, to);
    aggregator_log(a, lost ? FANMAP_LOG_ERROR : FANMAP_LOG_WARNING,
                   "Kafka deleted the records %" PRId64 " to %" PRId64 " of results partition %" PRId32
                   " before they were read (retention): jobs that began there get no file (%zu known)",
                   from, to - 1, partition, lost);
}

int aggregator_join(fanmap_aggregator_t *a, fanmap_error_t *err)
{
    static const bus_group_callbacks_t callbacks = {.assigned = on_assigned,
                                                    .rebalanced = on_rebalanced,
                                                    .revoked = on_revoked,
                                                    .record = on_record,
                                                    .committed = on_committed,
                                                    .gap = on_gap};
    char name[TOPIC_NAME_MAX];
    const char *group = options_text(a->f->options, OPT_GROUP);
    name_of_id(name, a->f->namespace_name, NAME_AGGREGATOR, group);
    int r = bus_group_join(&a->topics->results, 1, name, &callbacks, a, &a->group, err);
    if (r == FANMAP_OK)
        aggregator_log(a, FANMAP_LOG_INFO, "ready: jobs of namespace %s go to %s (group %s)", a->f->namespace_name,
                       a->dir, group);
    return r;
}
