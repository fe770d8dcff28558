/* Records on their way. Each carries a cookie, its inflight_t, which says what the report of its storing means.
 *
 * What can fail: the bus is full: the record waits in `unsent`, in order.
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "worker/shell/inflight.h"

static inflight_t *inflight_make(worker_shell_t *shell)
{
    inflight_t *inflight = calloc(1, sizeof *inflight);
    if (!inflight)
        return NULL;
    inflight->next_made = shell->made;
    shell->made = inflight;
    return inflight;
}

inflight_t *inflight_new(worker_shell_t *shell, inflight_type_t type)
{
    fanmap_error_t err;
    inflight_t *inflight = shell->spare;
    if (inflight)
        shell->spare = inflight->next;
    else
        inflight = inflight_make(shell);
    if (!inflight) {
        err_set(&err, FANMAP_ENOMEM, "out of memory");
        shell_fail(shell, &err);
        return NULL;
    }
    inflight->type = type;
    inflight->next = NULL;
    inflight->count = 0;
    inflight->is_stream = false;
    inflight->whole = -1;
    inflight->items_n = 0;
    buf_clear(&inflight->body);
    buf_clear(&inflight->value);
    buf_clear(&inflight->waits);
    return inflight;
}

/* Large values must not stay behind in packs that are used again. */
void inflight_reuse(worker_shell_t *shell, inflight_t *inflight)
{
    size_t kept = shell->stream ? 2 * STREAM_PACK_BYTES : 2 * PACK_BYTES;
    if (inflight->body.cap > kept)
        buf_free(&inflight->body);
    if (inflight->value.cap > kept)
        buf_free(&inflight->value);
    inflight->next = shell->spare;
    shell->spare = inflight;
}

/* Also those under way, of which the bus will say nothing any more. */
void shell_free_packs(worker_shell_t *shell)
{
    while (shell->made) {
        inflight_t *inflight = shell->made;
        shell->made = inflight->next_made;
        buf_free(&inflight->body);
        buf_free(&inflight->value);
        buf_free(&inflight->waits);
        free(inflight->items);
        free(inflight);
    }
    shell->open = shell->unsent = shell->spare = NULL;
}

bool inflight_keep_item(inflight_t *inflight, worker_item_t *item)
{
    if (!array_has_room(inflight->items, inflight->items_n, inflight->items_cap, 64))
        return false;
    inflight->items[inflight->items_n++] = item;
    return true;
}

/* ---- sending ---- */

/* Where a dead letter came from, and why it is one: schemas/README.md. */
static size_t origin_headers(const inflight_t *inflight, const char *topic, bus_header_t *ret)
{
    static const char *const names[] = {"fanmap.topic", "fanmap.partition", "fanmap.offset", "fanmap.reason",
                                        "fanmap.stage"};
    const char *texts[] = {topic, inflight->from[0], inflight->from[1], inflight->why, "worker"};
    size_t n = sizeof names / sizeof names[0];
    for (size_t i = 0; i < n; i++)
        ret[i] = (bus_header_t){names[i], texts[i], strlen(texts[i])};
    return n;
}

static int try_send(worker_shell_t *shell, inflight_t *inflight)
{
    fanmap_error_t err;
    bus_header_t headers[BUS_HEADERS_MAX];
    char topic[TOPIC_NAME_MAX];
    bool is_dead = inflight->type == INFLIGHT_DEAD;
    if (is_dead)
        shell_items_name(shell, inflight->from_lane, topic);
    size_t headers_n = is_dead ? origin_headers(inflight, topic, headers) : 0;
    int r = bus_produce_with(inflight->topic, inflight->partition,
                             is_dead ? (const char *)inflight->body.data : inflight->key,
                             is_dead ? inflight->body.len : inflight->key_len, inflight->value.data,
                             inflight->value.len, headers, headers_n, (uint64_t)(uintptr_t)inflight, &err);
    if (r == FANMAP_OK)
        shell->under_way++;
    else if (r != FANMAP_AGAIN)
        shell_fail(shell, &err);
    return r;
}

void shell_send_unsent(worker_shell_t *shell)
{
    while (shell->unsent) {
        inflight_t *inflight = shell->unsent;
        if (try_send(shell, inflight) != FANMAP_OK)
            return;
        shell->unsent = inflight->next;
        if (!shell->unsent)
            shell->unsent_last = &shell->unsent;
    }
}

void inflight_send(worker_shell_t *shell, inflight_t *inflight)
{
    fanmap_error_t err;
    inflight->next = NULL;
    if (inflight->value.failed || inflight->body.failed || inflight->waits.failed) {
        err_set(&err, FANMAP_ENOMEM, "out of memory");
        shell_fail(shell, &err);
        inflight_reuse(shell, inflight);
        return;
    }
    if (!shell->unsent && try_send(shell, inflight) == FANMAP_OK)
        return;
    *shell->unsent_last = inflight;
    shell->unsent_last = &inflight->next;
}
