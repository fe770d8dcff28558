#include "serve/items.h"

#include <string.h>

static bool is_blank(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != ' ' && bytes[i] != '\t' && bytes[i] != '\r')
            return false;
    return true;
}

/* False: the job takes none for now. A job that has ended takes all and does nothing. */
static bool push(items_t *items, const char *bytes, size_t len)
{
    return is_blank(bytes, len) || fanmap_push(items->job, FANMAP_JSON, bytes, len, NULL) != FANMAP_AGAIN;
}

static bool push_line(items_t *items)
{
    if (!push(items, (const char *)items->line.data, items->line.len)) {
        items->is_whole = true;
        return false;
    }
    items->is_whole = items->is_cutting = false;
    buf_clear(&items->line);
    return true;
}

/* Of a line that is too long one byte more than may be is kept: enough to be refused at its place. */
static void keep(items_t *items, const char *bytes, size_t len)
{
    size_t room = items->item_max + 1 - items->line.len;
    buf_append(&items->line, bytes, len < room ? len : room);
    items->is_cutting = len > room;
}

size_t items_feed(items_t *items, const char *bytes, size_t len)
{
    size_t at = 0;
    if (items->is_whole)
        return 0;
    while (at < len) {
        const char *end = memchr(bytes + at, '\n', len - at);
        size_t n = end ? (size_t)(end - bytes) - at : len - at;
        if (end && items->line.len == 0 && n <= items->item_max) {
            if (!push(items, bytes + at, n))
                return at;
        } else {
            keep(items, bytes + at, n);
            if (end && !push_line(items))
                return at + n + 1;
        }
        at += n + (end ? 1 : 0);
    }
    return len;
}

static void close_input(items_t *items)
{
    items->is_closed = true;
    (void)fanmap_end_input(items->job, NULL, NULL);
}

void items_end(items_t *items)
{
    items->has_ended = true;
    if (items->line.len > 0 && !push_line(items))
        return;
    if (!items->is_closed)
        close_input(items);
}

bool items_resume(items_t *items)
{
    if (items->is_whole && !push_line(items))
        return false;
    if (items->has_ended && !items->is_closed)
        close_input(items);
    return !items->has_ended;
}

void items_free(items_t *items)
{
    buf_free(&items->line);
}
