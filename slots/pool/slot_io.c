/* Runs out, results in.
 *
 * Happy path: frames go into the slot's socket as far as it takes them; results come through the ring on the board,
 * and a byte on the socket is the bell. Where several runs wait in a slot its ring is also looked at by a timer: the
 * bell is rung late on purpose.
 *
 * What can fail. The process closes its end: what was to be sent is dropped, and the guardian will say how it ended.
 * What lies in the ring makes no sense, or answers a run that is not the oldest: a task wrote over the board, and the
 * slot is closed and killed. */
#include <errno.h>
#include <sys/socket.h>

#include "slots/pool/pool.h"
#include "slots/shared/ring.h"

void slots_pull_soon(slots_t *s, unsigned in_ms)
{
    s->pull_ms = PULL_MS_MIN;
    loop_timer_at(s->pull_timer, loop_now_ms(s->loop) + in_ms);
}

/* The slot's memory makes no sense: a task wrote over it. Nothing in it is believed any more. */
static void corrupt(slot_t *t)
{
    t->is_corrupt = true;
    board_close(t->board);
    t->owes_kill = true;
    t->kill_grace_ms = 0;
    buf_clear(&t->in);
    guardian_send_pending(t->pool);
}

static void handle_done(slot_t *t, const slot_done_t *done)
{
    slots_t *s = t->pool;
    const inflight_run_t *head = inflight_head(&t->inflight);
    if (head == NULL || head->n != done->n || head->revoked) {
        corrupt(t);
        return;
    }
    inflight_pop_through(&t->inflight, done->n);
    t->has_run = true;
    s->callbacks.done(s->arg, t->number, done);
}

static void handle_back(slot_t *t, uint32_t from, uint32_t to)
{
    slots_t *s = t->pool;
    inflight_revoke(&t->inflight, from, to);
    s->callbacks.back(s->arg, t->number, from, to);
}

static void handle_results(slot_t *t)
{
    slot_frame_t frame;
    size_t at = 0, used = 0;
    int got = 0;
    while (!t->is_corrupt &&
           (got = slot_frame_decode(t->in.data + at, t->in.len - at, t->frame_max, &frame, &used)) > 0) {
        at += used;
        if (frame.type == SLOT_DONE || frame.type == SLOT_CALL_FAILED)
            handle_done(t, &frame.done);
        else if (frame.type == SLOT_BACK)
            handle_back(t, frame.back.from, frame.back.to);
    }
    if (got < 0)
        corrupt(t);
    buf_consume(&t->in, t->is_corrupt ? t->in.len : at);
}

pipe_end_t *slot_end(slot_t *t)
{
    return &t->ends[t->engine == TASK_SO ? END_HOST : END_SUPERVISOR];
}

void slot_pull(slot_t *t)
{
    if (!t->board || t->is_corrupt)
        return;
    long n = ring_read(t->board, &t->in);
    if (n < 0)
        corrupt(t);
    else if (n > 0)
        handle_results(t);
}

void slots_on_pull(void *arg)
{
    slots_t *s = arg;
    bool found = false, wait = false;
    for (uint32_t i = 0; i < s->plan.slots_n; i++) {
        size_t before = s->slots[i].inflight.live;
        slot_pull(&s->slots[i]);
        found = found || s->slots[i].inflight.live < before;
        wait = wait || s->slots[i].inflight.live > 1;
    }
    unsigned next_ms = found ? PULL_MS_MIN : s->pull_ms * 2;
    s->pull_ms = next_ms < PULL_MS_MAX ? next_ms : PULL_MS_MAX;
    if (wait)
        loop_timer_at(s->pull_timer, loop_now_ms(s->loop) + s->pull_ms);
}

static void close_end(pipe_end_t *end)
{
    loop_watch_remove(end->watch);
    end->watch = NULL;
}

void slot_send(slot_t *t, pipe_end_t *end)
{
    (void)t;
    while (end->out.len > 0 && end->watch) {
        ssize_t n = send(end->fd, end->out.data, end->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            buf_clear(&end->out); /* nobody reads there any more: `down` is on its way */
        if (n <= 0)
            break;
        if ((size_t)n == end->out.len)
            buf_clear(&end->out);
        else
            buf_consume(&end->out, (size_t)n);
    }
    if (end->watch)
        loop_watch_set(end->watch, end->out.len > 0 ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

void slot_on_data(void *arg, int fd, unsigned events)
{
    slot_t *t = arg;
    char bells[256];
    pipe_end_t *end = &t->ends[t->ends[END_HOST].fd == fd ? END_HOST : END_SUPERVISOR];
    ssize_t n = events & LOOP_READ ? recv(fd, bells, sizeof bells, MSG_DONTWAIT) : -1;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR && (events & LOOP_READ)))
        close_end(end); /* the process is gone; the guardian will say how */
    else if (events & LOOP_WRITE)
        slot_send(t, end);
    if (n > 0 && t->inflight.live > 1)
        slots_pull_soon(t->pool, PULL_MS_MIN);
    slot_pull(t);
}
