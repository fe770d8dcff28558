/* Turns of the loop.
 *
 * Outside a turn the descriptor knows nothing of outcomes that are ready and not taken, so it is made readable by a
 * deferred call when the caller polls it. That costs one write a turn at most.
 */
#include "client/connection/client.h"

#include <errno.h>
#include <string.h>

static void on_marked(void *arg)
{
    ((fanmap_t *)arg)->is_marked = false;
}

void client_mark(fanmap_t *f)
{
    if (!f->is_polled || f->is_marked || f->in_turn || !f->hooks->has_news(f))
        return;
    f->is_marked = true;
    loop_defer(f->loop, on_marked, f);
}

int client_turn(fanmap_t *f, int timeout_ms, fanmap_error_t *err)
{
    fanmap_error_t why;
    if (f->in_turn)
        return err_set(err, FANMAP_EUSAGE, "called from inside the log function");
    f->in_turn = true;
    int ran = loop_run_once(f->loop, f->hooks->has_work(f) ? 0 : timeout_ms);
    int error = errno;
    f->in_turn = false;
    f->hooks->after_turn(f);
    if (ran >= 0)
        return FANMAP_OK;
    err_set(&why, error == ENOMEM ? FANMAP_ENOMEM : FANMAP_EIO, "the event loop stopped: %s", strerror(error));
    client_fail(f, &why);
    if (err)
        *err = why;
    return why.code;
}

int fanmap_fd(const fanmap_t *f)
{
    fanmap_t *mine = (fanmap_t *)(uintptr_t)f;
    mine->is_polled = true;
    client_mark(mine);
    return loop_fd(f->loop);
}

void fanmap_wake(fanmap_t *f)
{
    loop_wake(f->loop);
}
