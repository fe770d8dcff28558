#include "cli/live.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "fanmap/admin.h"

enum { PART_MAX = 1 << 20, COPY_END = 0, COPY_STDERR = 2 };

static void end_attempt(live_t *live, size_t i)
{
    live_attempt_t *attempt = live->at[i];
    attempt->is_over = true;
    for (int stream = 0; stream < LIVE_STREAMS; stream++) {
        buf_t *part = &attempt->part[stream];
        if (part->len > 0)
            live->fn(live->arg, attempt, stream, (const char *)part->data, part->len);
        buf_free(part);
    }
    live->fn(live->arg, attempt, LIVE_STDOUT, NULL, 0);
    free(attempt);
    live->at[i] = live->at[--live->n];
}

/* There are as many as places, which are few. NULL: no memory. */
static live_attempt_t *find_attempt(live_t *live, const fanmap_copied_t *head)
{
    for (size_t i = 0; i < live->n; i++) {
        if (live->at[i]->index != head->index)
            continue;
        if (live->at[i]->attempt == head->attempt)
            return live->at[i];
        end_attempt(live, i--); /* it was killed, and another one has begun */
    }
    live_attempt_t *attempt = array_has_room(live->at, live->n, live->cap, 64) ? calloc(1, sizeof *attempt) : NULL;
    if (!attempt)
        return NULL;
    attempt->index = head->index;
    attempt->attempt = head->attempt;
    return live->at[live->n++] = attempt;
}

static void put_lines(live_t *live, live_attempt_t *attempt, int stream, const char *bytes, size_t len)
{
    buf_t *part = &attempt->part[stream];
    const char *last = len > 0 ? memrchr(bytes, '\n', len) : NULL;
    size_t whole = last ? (size_t)(last - bytes) + 1 : 0;
    if (whole > 0) {
        buf_append(part, bytes, whole);
        live->fn(live->arg, attempt, stream, (const char *)part->data, part->len);
        buf_clear(part);
    }
    buf_append(part, bytes + whole, len - whole);
    if (part->len < PART_MAX)
        return;
    live->fn(live->arg, attempt, stream, (const char *)part->data, part->len);
    buf_clear(part);
}

static void take_frame(live_t *live, const fanmap_copied_t *head, const char *bytes)
{
    int stream = head->stream == COPY_STDERR ? LIVE_STDERR : LIVE_STDOUT;
    live_attempt_t *attempt = find_attempt(live, head);
    if (!attempt)
        return;
    if (head->stream != COPY_END && live->by_lines)
        put_lines(live, attempt, stream, bytes, head->len);
    else if (head->stream != COPY_END)
        live->fn(live->arg, attempt, stream, bytes, head->len);
    for (size_t i = 0; head->stream == COPY_END && i < live->n; i++)
        if (live->at[i] == attempt) {
            end_attempt(live, i);
            break;
        }
}

void live_take(live_t *live, const void *bytes, size_t len)
{
    fanmap_copied_t head;
    size_t at = 0;
    buf_append(&live->in, bytes, len);
    while (live->in.len - at >= sizeof head) {
        memcpy(&head, live->in.data + at, sizeof head);
        if (live->in.len - at - sizeof head < head.len)
            break;
        take_frame(live, &head, (const char *)live->in.data + at + sizeof head);
        at += sizeof head + head.len;
    }
    buf_consume(&live->in, at);
}

void live_end_item(live_t *live, uint64_t index)
{
    for (size_t i = 0; i < live->n;)
        if (live->at[i]->index == index)
            end_attempt(live, i);
        else
            i++;
}

void live_free(live_t *live)
{
    while (live->n > 0)
        end_attempt(live, live->n - 1);
    free(live->at);
    buf_free(&live->in);
    *live = (live_t){0};
}
