/* Carries out what worker/core/burial.h says: reads the claimed range of the jobs topic again, and puts what cannot be used
 * of it on the dead letters, a bounded number at a time. When all of them are stored, that is written and logged, once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/names.h"
#include "worker/core/burial.h"
#include "worker/shell/state.h"

enum { UNDER_WAY_MAX = 256, PAUSE_MS = 200 };

struct shell_burial {
    worker_shell_t *shell;
    burial_t core;
    bus_topic_t *jobs, *dead; /* handles of our own: their reports come here. NULL: not needed yet */
    bus_reader_t *reader;
    loop_timer_t *timer;
    jobs_dead_t range;
    int64_t next, first; /* of the range: where to read on; the first that was put away, -1: none */
    uint64_t n, under_way, refused;
    bool is_read;     /* all of the range */
    bool is_stopping; /* the reader is to be closed, and what it brings until then is read again */
};

static bool is_usable(const bus_record_t *record)
{
    jobs_record_t decoded;
    jobs_dead_t mark;
    return jobs_decode(record->key, record->key_len, record->value, record->value_len, &decoded) ||
           jobs_is_clock(record->key, record->key_len) ||
           jobs_dead_decode(record->key, record->key_len, record->value, record->value_len, &mark);
}

/* False: the bus has no room now, or never. */
static bool put_mark(shell_burial_t *b, const jobs_dead_t *mark)
{
    fanmap_error_t err;
    buf_t value = {0};
    jobs_dead_encode(&value, mark);
    bool is_put = !value.failed && bus_produce(b->jobs, 0, jobs_dead_key, strlen(jobs_dead_key), value.data, value.len,
                                               0, &err) == FANMAP_OK;
    buf_free(&value);
    return is_put;
}

static void set_timer(shell_burial_t *b)
{
    int64_t due = burial_next_ms(&b->core);
    if (due == INT64_MAX)
        loop_timer_stop(b->timer);
    else
        loop_timer_at(b->timer, due);
}

static void end_of_range(shell_burial_t *b)
{
    jobs_dead_t mark;
    if (!b->core.is_burying)
        return; /* another worker's claim is newer */
    burial_done(&b->core, &mark);
    if (!put_mark(b, &mark)) {
        loop_timer_at(b->timer, loop_now_ms(b->shell->loop) + PAUSE_MS);
        return;
    }
    b->is_read = false;
    if (b->n > 0)
        shell_log(
            b->shell, FANMAP_LOG_WARNING,
            "%llu records of the jobs topic, the first at offset %lld, are none that this version can use: they are "
            "on the dead letters now",
            (unsigned long long)b->n, (long long)b->first);
    if (b->refused > 0)
        shell_log(b->shell, FANMAP_LOG_WARNING, "%llu of them could not be kept: Kafka refused them",
                  (unsigned long long)b->refused);
}

static void on_stored(void *arg, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err)
{
    shell_burial_t *b = arg;
    (void)cookie, (void)partition, (void)offset;
    b->under_way--;
    b->refused += err != NULL;
    if (b->under_way == 0 && b->is_read)
        end_of_range(b);
    else if (b->under_way == 0 && !b->reader)
        loop_timer_at(b->timer, loop_now_ms(b->shell->loop));
}

static void on_mark_stored(void *arg, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err)
{
    (void)arg, (void)cookie, (void)partition, (void)offset, (void)err; /* what counts is read */
}

static bool put_letter(shell_burial_t *b, const bus_record_t *record)
{
    static const char *const names[] = {"fanmap.topic", "fanmap.partition", "fanmap.offset", "fanmap.reason",
                                        "fanmap.stage"};
    char topic[TOPIC_NAME_MAX], offset[24];
    bus_header_t headers[sizeof names / sizeof names[0]];
    fanmap_error_t err;
    (void)snprintf(offset, sizeof offset, "%lld", (long long)record->offset);
    const char *texts[] = {name_shared(topic, b->shell->name_space, NAME_JOBS), "0", offset,
                           "not a record that this version can use", "worker"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        headers[i] = (bus_header_t){names[i], texts[i], strlen(texts[i])};
    if (bus_produce_with(b->dead, 0, record->key, record->key_len, record->value, record->value_len, headers,
                         sizeof names / sizeof names[0], 0, &err) != FANMAP_OK)
        return false;
    b->first = b->n++ == 0 ? record->offset : b->first;
    b->under_way++;
    return true;
}

/* Reading ends here, for good or until what is under way was stored. */
static void stop_reading(void *arg)
{
    shell_burial_t *b = arg;
    (void)bus_reader_drop(&b->reader);
    b->is_stopping = false;
    if (b->under_way > 0)
        return;
    if (b->is_read)
        end_of_range(b);
    else
        loop_timer_at(b->timer, loop_now_ms(b->shell->loop) + PAUSE_MS);
}

static void stop_soon(shell_burial_t *b)
{
    b->is_stopping = true;
    loop_defer(b->shell->loop, stop_reading, b);
}

static bool on_record(void *arg, const bus_record_t *record)
{
    shell_burial_t *b = arg;
    if (b->is_stopping || record->offset < b->next)
        return false;
    b->is_read = !b->core.is_burying || record->offset >= b->range.target;
    bool is_full = !b->is_read && !is_usable(record) && !put_letter(b, record);
    if (!is_full && !b->is_read)
        b->next = record->offset + 1;
    b->is_read |= b->next >= b->range.target;
    if (b->is_read || is_full || b->under_way >= UNDER_WAY_MAX)
        stop_soon(b);
    return false;
}

static void on_end(void *arg, int64_t position)
{
    shell_burial_t *b = arg;
    if (b->is_stopping || position < b->range.target)
        return;
    b->is_read = true; /* compaction may have taken the last ones */
    stop_soon(b);
}

static void on_gone(void *arg, int64_t low)
{
    shell_burial_t *b = arg;
    b->next = low > b->next ? low : b->range.target;
    b->is_read = b->next >= b->range.target;
    stop_soon(b);
}

static void read_on(shell_burial_t *b)
{
    static const bus_reader_callbacks_t callbacks = {.record = on_record, .at_end = on_end, .gone = on_gone};
    fanmap_error_t err;
    if (bus_read(b->jobs, 0, b->next, &callbacks, b, &b->reader, &err) != FANMAP_OK)
        loop_timer_at(b->timer, loop_now_ms(b->shell->loop) + PAUSE_MS);
}

/* True: the topics are open. */
static bool open_topics(shell_burial_t *b)
{
    char name[TOPIC_NAME_MAX];
    fanmap_error_t err;
    if (!b->jobs && bus_topic_open(b->shell->bus, name_shared(name, b->shell->name_space, NAME_JOBS), on_mark_stored, b,
                                   &b->jobs, &err) != FANMAP_OK)
        return false;
    return b->dead || bus_topic_open(b->shell->bus, name_shared(name, b->shell->name_space, NAME_DEAD), on_stored, b,
                                     &b->dead, &err) == FANMAP_OK;
}

static void on_timer(void *arg)
{
    shell_burial_t *b = arg;
    jobs_dead_t what;
    if (b->shell->is_draining || b->reader || b->under_way > 0 || !open_topics(b))
        return;
    if (b->core.is_burying && b->is_read) {
        end_of_range(b);
        return;
    }
    if (b->core.is_burying && b->next < b->range.target) {
        read_on(b);
        return;
    }
    switch (burial_next(&b->core, loop_now_ms(b->shell->loop), &what)) {
    case BURIAL_CLAIM:
        (void)put_mark(b, &what);
        break;
    case BURIAL_BURY:
        b->range = what;
        b->next = what.until;
        b->n = b->refused = 0;
        b->first = -1;
        b->is_read = false;
        read_on(b);
        return;
    case BURIAL_NOTHING:
        break;
    }
    set_timer(b);
}

int shell_burial_open(worker_shell_t *shell, shell_burial_t **ret, fanmap_error_t *err)
{
    shell_burial_t *b = calloc(1, sizeof *b);
    if (!b)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    b->shell = shell;
    burial_init(&b->core, shell->incarnation);
    int r = loop_timer_new(shell->loop, on_timer, b, &b->timer, err);
    if (r == FANMAP_OK)
        *ret = b;
    else
        free(b);
    return r;
}

void shell_burial_close(shell_burial_t *b)
{
    if (!b)
        return;
    loop_defer_cancel(b->shell->loop, stop_reading, b);
    (void)bus_reader_drop(&b->reader);
    loop_timer_free(b->timer);
    free(b);
}

void shell_burial_record(shell_burial_t *b, const bus_record_t *record)
{
    int64_t now_ms = loop_now_ms(b->shell->loop);
    jobs_dead_t mark;
    if (jobs_dead_decode(record->key, record->key_len, record->value, record->value_len, &mark))
        burial_mark(&b->core, &mark, record->offset, now_ms);
    else
        burial_bad(&b->core, record->offset, now_ms);
    if (b->shell->is_caught_up && !b->reader && b->under_way == 0)
        set_timer(b);
}

void shell_burial_caught_up(shell_burial_t *b)
{
    set_timer(b);
}
