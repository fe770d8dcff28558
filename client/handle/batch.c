/* Many items and many outcomes in one call. A batch is a run of what fanmap_push and fanmap_next do one by one; each of
 * its arrays is a buffer that the job keeps. */
#include <inttypes.h>

#include "client/handle/handle.h"

enum { OBJECTS_BYTES = 1 << 20 };

int fanmap_push_batch(fanmap_job_t *job, fanmap_format_t format, const void *bytes, const uint32_t *lens, size_t n,
                      size_t *ret_taken, fanmap_error_t *err)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < n; i++) {
        int r = fanmap_push(job, format, at, lens[i], err);
        if (r < 0)
            return r;
        if (r == FANMAP_AGAIN) {
            *ret_taken = i;
            return FANMAP_AGAIN;
        }
        at += lens[i];
    }
    *ret_taken = n;
    return FANMAP_OK;
}

static void clear(batch_t *b)
{
    buf_t *const all[] = {&b->indexes, &b->attempts, &b->kinds, &b->lens, &b->objects, &b->partitions};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        buf_clear(all[i]);
    b->out = (fanmap_batch_t){0};
}

void batch_free(batch_t *b)
{
    buf_free(&b->indexes);
    buf_free(&b->attempts);
    buf_free(&b->kinds);
    buf_free(&b->lens);
    buf_free(&b->objects);
    buf_free(&b->partitions);
}

static bool add_outcome(batch_t *b, const fanmap_outcome_t *o)
{
    size_t before = b->objects.len;
    uint8_t kind = (uint8_t)o->kind;
    if (o->kind == FANMAP_VALUE)
        buf_append(&b->objects, o->value, o->value_len);
    else
        outcome_put_error(&b->objects, o, false);
    uint32_t len = (uint32_t)(b->objects.len - before);
    buf_append(&b->indexes, &o->index, sizeof o->index);
    buf_append(&b->attempts, &o->attempts, sizeof o->attempts);
    buf_append(&b->kinds, &kind, sizeof kind);
    buf_append(&b->lens, &len, sizeof len);
    buf_append(&b->partitions, &o->partition, sizeof o->partition);
    b->out.n++;
    return !b->indexes.failed && !b->attempts.failed && !b->kinds.failed && !b->lens.failed && !b->objects.failed &&
           !b->partitions.failed;
}

static void fill_batch(batch_t *b, const fanmap_batch_t **ret)
{
    b->out.indexes = (const uint64_t *)(const void *)b->indexes.data;
    b->out.attempts = (const uint32_t *)(const void *)b->attempts.data;
    b->out.kinds = b->kinds.data;
    b->out.lens = (const uint32_t *)(const void *)b->lens.data;
    b->out.bytes = b->objects.data;
    b->out.bytes_len = b->objects.len;
    b->out.partitions = (const int32_t *)(const void *)b->partitions.data;
    *ret = &b->out;
}

int fanmap_next_batch(fanmap_job_t *job, int timeout_ms, size_t max, const fanmap_batch_t **ret_batch,
                      fanmap_error_t *err)
{
    batch_t *b = &job->handout->batch;
    const fanmap_outcome_t *outcome;
    if (job->handout->view.format != FANMAP_MSGPACK)
        return err_set(err, FANMAP_EUSAGE, "the job's value-format is not msgpack");
    clear(b);
    int r = fanmap_next(job, timeout_ms, &outcome, err);
    while (r == FANMAP_OK) {
        if (!add_outcome(b, outcome))
            return err_set(err, FANMAP_ENOMEM, "out of memory for outcome %" PRIu64, outcome->index);
        if (b->out.n >= max || b->objects.len >= OBJECTS_BYTES || !gather_has_next(job))
            break;
        r = job_poll(job, &outcome, NULL); /* an end or a failure stays, and is told by the next call */
    }
    if (b->out.n == 0)
        return r;
    client_mark(job->f);
    fill_batch(b, ret_batch);
    return FANMAP_OK;
}
