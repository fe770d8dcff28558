/* Hand-off on the real world: what waits here is offered while something waits, requests go out and come in through the token
 * port, and copies of items go to the bus. What is decided, and why: worker/core/handoff.c.
 *
 * A request is a text, "FREE TASK:PARTITION TASK:PARTITION ...": free slots, and of each task a partition that the asking worker
 * holds. It comes from Redis, so nothing in it is trusted: what cannot be read is left out, and a copy that goes to a partition
 * where nobody is hungry is somebody's item all the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "schemas/item.h"
#include "worker/shell/inflight.h"

enum { OFFER_EVERY_MS = 100, OFFER_ANEW_MS = 500, SEATS_MAX = 64, FREE_MAX = 4096 };
enum { BEG_BYTES_MAX = SEATS_MAX * (TASK_NAME_MAX + 16) + 16 };

/* ---- offering ---- */

static bool offer_task(worker_shell_t *shell, uint32_t task)
{
    uint64_t backlog_ms = worker_backlog_ms(shell->core, task);
    bool is_new = backlog_ms / 2 >= shell->offered[task] || backlog_ms < shell->offered[task] / 2;
    if (shell->is_draining)
        backlog_ms = 0;
    if (backlog_ms != shell->offered[task] && (is_new || backlog_ms == 0)) {
        shell->tokens->offer(shell->tokens, shell->queue, shell->task_names[task], shell->incarnation, backlog_ms);
        shell->offered[task] = backlog_ms;
    }
    return backlog_ms > 0;
}

/* A halved score, or one that Redis forgot, is set right from time to time. */
static void forget_offers(worker_shell_t *shell, int64_t now_ms)
{
    if (now_ms < shell->offer_anew_ms)
        return;
    shell->offer_anew_ms = now_ms + OFFER_ANEW_MS;
    for (size_t i = 0; i < shell->config.catalogue->n; i++)
        shell->offered[i] = shell->offered[i] > 0 ? 1 : 0;
}

static void on_offer_timer(void *arg)
{
    worker_shell_t *shell = arg;
    bool has_some = false;
    shell->is_offering = false;
    forget_offers(shell, loop_now_ms(shell->loop));
    for (uint32_t i = 0; i < shell->config.catalogue->n; i++)
        has_some = offer_task(shell, i) || has_some;
    if (has_some)
        shell_offer_soon(shell);
}

void shell_offer_soon(worker_shell_t *shell)
{
    if (!shell->offer_timer || shell->is_offering)
        return;
    shell->is_offering = true;
    loop_timer_at(shell->offer_timer, loop_now_ms(shell->loop) + OFFER_EVERY_MS);
}

/* ---- asking ---- */

void shell_beg(worker_shell_t *shell, const worker_action_t *a)
{
    worker_seat_t seats[SEATS_MAX];
    const char *tasks[SEATS_MAX];
    char text[BEG_BYTES_MAX];
    size_t n = worker_seats(shell->core, seats, SEATS_MAX);
    int len = snprintf(text, sizeof text, "%u", a->beg.free_n);
    for (size_t i = 0; i < n; i++) {
        tasks[i] = shell->task_names[seats[i].task];
        len += snprintf(text + len, sizeof text - (size_t)len, " %s:%d", tasks[i], (int)seats[i].partition);
    }
    if (n > 0 && shell->tokens->beg)
        shell->tokens->beg(shell->tokens, shell->queue, tasks, n, shell->incarnation, text);
}

/* ---- being asked ---- */

static bool find_task(const worker_shell_t *shell, const char *name, size_t len, uint32_t *ret)
{
    for (size_t i = 0; i < shell->config.catalogue->n; i++)
        if (text_is(name, len, shell->task_names[i])) {
            *ret = (uint32_t)i;
            return true;
        }
    return false;
}

static bool read_seat(const worker_shell_t *shell, const char *word, size_t len, worker_seat_t *ret)
{
    const char *colon = memchr(word, ':', len);
    char *end;
    if (!colon || !find_task(shell, word, (size_t)(colon - word), &ret->task))
        return false;
    long partition = strtol(colon + 1, &end, 10);
    ret->partition = (int32_t)partition;
    return end == word + len && end > colon + 1 && partition >= 0 &&
           partition < (long)shell->items_partitions[ret->task];
}

static void on_beg(void *arg, const char *text)
{
    worker_shell_t *shell = arg;
    worker_seat_t seats[SEATS_MAX];
    char *end;
    unsigned long free_n = strtoul(text, &end, 10);
    worker_event_t event = {.type = WORKER_HUNGRY};
    event.hungry.seats = seats;
    event.hungry.free_n = (uint32_t)(free_n < FREE_MAX ? free_n : FREE_MAX);
    for (const char *word = end; *word == ' ' && event.hungry.seats_n < SEATS_MAX;) {
        size_t len = strcspn(++word, " ");
        event.hungry.seats_n += read_seat(shell, word, len, &seats[event.hungry.seats_n]);
        word += len;
    }
    shell_step(shell, &event);
}

void shell_hand_off(worker_shell_t *shell, const worker_action_t *a)
{
    fanmap_error_t err;
    inflight_t *inflight = inflight_new(shell, INFLIGHT_COPY);
    if (!inflight)
        return;
    item_encode_copy(&inflight->value, a->hand_off.index, a->hand_off.in, a->hand_off.in_len, a->hand_off.hops,
                     a->hand_off.attempts);
    inflight->key_len = strlen(a->hand_off.job);
    memcpy(inflight->key, a->hand_off.job, inflight->key_len + 1);
    inflight->topic = shell_items_of(shell, a->hand_off.lane);
    inflight->partition = a->hand_off.partition;
    if (inflight_keep_item(inflight, a->hand_off.item)) {
        inflight_send(shell, inflight);
        return;
    }
    err_set(&err, FANMAP_ENOMEM, "out of memory");
    shell_fail(shell, &err);
}

/* ---- life ---- */

int shell_open_handoff(worker_shell_t *shell, fanmap_error_t *err)
{
    if (!shell->tokens || !shell->tokens->listen)
        return FANMAP_OK;
    shell->offered = calloc(shell->config.catalogue->n + 1, sizeof *shell->offered);
    if (!shell->offered)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    shell->tokens->listen(shell->tokens, TOKENS_REQUESTS, shell->incarnation, on_beg, shell);
    return loop_timer_new(shell->loop, on_offer_timer, shell, &shell->offer_timer, err);
}

void shell_close_handoff(worker_shell_t *shell)
{
    loop_timer_free(shell->offer_timer);
    free(shell->offered);
}
