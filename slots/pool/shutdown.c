/* Taking leave of slots that run nothing: their task host and their programs are told bye, and may close what they have
 * open. Slots that run something are not asked. */
#include <poll.h>

#include "slots/pool/pool.h"
#include "slots/shared/proc.h"

static bool may_leave(const slot_t *t)
{
    return t->state == SLOT_UP && t->inflight.n == 0 && t->pidfd >= 0 && !t->freeze_sent && !board_is_closed(t->board);
}

/* Returns true if something in the slot was told. */
static bool send_bye(slot_t *t)
{
    bool is_sent = false;
    for (int i = END_SUPERVISOR; i >= END_HOST; i--) { /* the supervisor first: it sees the task host leave */
        pipe_end_t *end = &t->ends[i];
        if ((!end->was_used && i == END_HOST) || !end->watch || end->out.len > 0)
            continue;
        slot_put_bye(&end->out);
        slot_send(t, end);
        is_sent = true;
    }
    return is_sent;
}

static void wait_for_one(const slot_t *t, int64_t until_ms)
{
    struct pollfd p = {.fd = t->pidfd, .events = POLLIN};
    int64_t left_ms = until_ms - proc_now_ms();
    if (left_ms > 0)
        (void)poll(&p, 1, (int)left_ms);
}

void slots_shut_down_idle(slots_t *s, int64_t wait_ms)
{
    int64_t until_ms = proc_now_ms() + wait_ms;
    for (uint32_t i = 0; i < s->plan.slots_n; i++)
        s->slots[i].is_leaving = may_leave(&s->slots[i]) && send_bye(&s->slots[i]);
    for (uint32_t i = 0; i < s->plan.slots_n; i++)
        if (s->slots[i].is_leaving)
            wait_for_one(&s->slots[i], until_ms);
}
