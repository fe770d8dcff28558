/* The lives of one slot: a board and sockets are made, the guardian is asked to start it, it comes up, and at its end
 * the worker is told what it ran and what never began. The next life is prepared at once, and started later and later
 * where slots end without having run anything. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "slots/pool/pool.h"
#include "slots/shared/clean_text.h"
#include "slots/shared/proc.h"

static int prepare_end(slot_t *t, int which, fanmap_error_t *err)
{
    pipe_end_t *end = &t->ends[which];
    int pair[2];
    if (ctl_pair(SOCK_STREAM, pair) != 0)
        return err_set_retry(err, FANMAP_EIO, "no socket for a slot: %s", strerror(errno));
    end->fd = pair[0];
    t->start_fds[which == END_HOST ? CTL_FD_HOST : CTL_FD_COMMANDS] = pair[1];
    return loop_watch_add(t->pool->loop, end->fd, LOOP_READ, slot_on_data, t, &end->watch, err);
}

int slot_prepare(slot_t *t, fanmap_error_t *err)
{
    t->generation++;
    t->board = board_create(t->next_n, &t->start_fds[CTL_FD_BOARD]);
    if (!t->board)
        return err_set_retry(err, FANMAP_ENOMEM, "no memory for a slot: %s", strerror(errno));
    int code = prepare_end(t, END_HOST, err);
    if (code == FANMAP_OK)
        code = prepare_end(t, END_SUPERVISOR, err);
    if (code != FANMAP_OK)
        slot_release(t);
    return code;
}

void slot_release(slot_t *t)
{
    for (int i = 0; i < CTL_START_FDS; i++)
        proc_close_fd(&t->start_fds[i]);
    for (int i = 0; i < SLOT_ENDS; i++) {
        loop_watch_remove(t->ends[i].watch);
        t->ends[i].watch = NULL;
        proc_close_fd(&t->ends[i].fd);
        buf_free(&t->ends[i].out);
        t->ends[i].was_used = false;
    }
    proc_close_fd(&t->pidfd);
    board_unmap(t->board);
    t->board = NULL;
    t->pid = 0;
    t->state = SLOT_OFF;
    t->unflushed = 0;
    t->has_job = t->is_killing = t->owes_kill = t->freeze_wanted = t->freeze_sent = t->is_corrupt = t->has_run = false;
    inflight_clear(&t->inflight);
    buf_clear(&t->in);
}

void slot_went_up(slot_t *t, const ctl_message_t *m, int pidfd)
{
    slots_t *s = t->pool;
    if (t->state != SLOT_ASKED) {
        proc_close_fd(&pidfd);
        return;
    }
    t->state = SLOT_UP;
    t->failures = s->failures = 0;
    s->is_proven = true;
    t->pid = m->pid;
    t->pidfd = pidfd;
    s->callbacks.up(s->arg, t->number);
}

/* A slot that ended before it ran anything would end again at once: it waits longer and longer. */
void slot_plan_restart(slot_t *t, bool has_run)
{
    int64_t now_ms = loop_now_ms(t->pool->loop);
    if (has_run)
        t->restart_ms = 0;
    t->start_at_ms = now_ms + t->restart_ms;
    uint32_t next_ms = t->restart_ms ? t->restart_ms * 2 : RESTART_MS_MIN;
    t->restart_ms = next_ms < RESTART_MS_MAX ? next_ms : RESTART_MS_MAX;
    guardian_plan_step(t->pool, t->start_at_ms);
}

static void read_tail(const slot_t *t, buf_t *ret)
{
    char tail[BOARD_TAIL_BYTES];
    size_t len = atomic_load(&t->board->tail_len);
    len = len < sizeof tail ? len : sizeof tail;
    memcpy(tail, t->board->tail, len);
    clean_text(ret, tail, len);
}

/* What a served program was told ahead counts as begun: it may have been. */
static uint32_t first_unclaimed(const slot_t *t)
{
    const inflight_t *q = &t->inflight;
    for (size_t i = 0; i < q->n; i++) {
        const inflight_run_t *run = &q->at[(q->first + i) & (q->cap - 1)];
        if (!run->revoked && !board_was_claimed(t->board, run->n))
            return run->n;
    }
    return t->next_n;
}

static void describe(slot_t *t, const ctl_message_t *m, slot_down_t *down)
{
    inflight_run_t *head = inflight_head(&t->inflight);
    down->why = (slot_down_why_t)m->why;
    down->exit_status = m->exit_status;
    down->signo = m->signo;
    down->out_of_memory = m->out_of_memory != 0;
    down->message = m->text;
    down->is_short = m->is_short || atomic_load(&t->board->is_short);
    if (t->is_killing && (down->why == SLOT_DOWN_DIED || down->why == SLOT_DOWN_GUARDIAN))
        down->why = SLOT_DOWN_KILLED;
    if (t->freeze_sent && down->why == SLOT_DOWN_GUARDIAN)
        down->why = SLOT_DOWN_LAPSED; /* what is frozen does no harm */
    if (t->is_corrupt) {
        down->why = SLOT_DOWN_DIED;
        down->message = "the task wrote over its slot's memory";
    }
    down->has_attempt = head && board_was_claimed(t->board, head->n);
    down->n = down->has_attempt ? head->n : 0;
    down->unstarted_from = first_unclaimed(t);
}

void slot_went_down(slot_t *t, const ctl_message_t *m)
{
    slots_t *s = t->pool;
    slot_down_t down = {0};
    buf_t tail = {0};
    board_close(t->board);
    slot_pull(t);
    describe(t, m, &down);
    read_tail(t, &tail);
    down.stderr_tail = tail.data ? (const char *)tail.data : "";
    down.stderr_len = tail.len;
    bool has_run = t->has_run || down.has_attempt || down.why == SLOT_DOWN_KILLED;
    bool was_up = t->state == SLOT_UP;
    slot_release(t);
    slot_plan_restart(t, has_run);
    if (was_up)
        s->callbacks.down(s->arg, t->number, &down);
    else if (m->why == SLOT_DOWN_UNUSABLE || m->why == SLOT_DOWN_DIED)
        start_failed(s, &t->failures, m->is_short, m->text);
    buf_free(&tail);
}
