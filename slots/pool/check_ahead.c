/* The life of a checked program that takes runs ahead: three are told at once, and it begins what it is permitted, when
 * it is. */
#include "slots/pool/check.h"

static bool send_three_runs(check_t *c)
{
    buf_t b = {0}, in = {0};
    served_batch_t batch = {0};
    mp_put_uint(&in, 1);
    for (uint32_t n = 0; n < 3; n++) {
        slot_run_t run = {.n = n, .index = n, .attempt = 1, .deadline_ms = -1, .in = in.data, .in_len = in.len};
        served_batch_add(&batch, &b, check_encoding(c), &run);
    }
    served_batch_end(&batch, &b, check_encoding(c), false);
    buf_free(&in);
    return check_send(c, &b) || check_note(c, false, "runs ahead: it does not read them");
}

static bool permit(check_t *c, const char *permits, const char *what)
{
    if (!peer_permit(&c->peer, permits))
        return check_note(c, false, "%s: it reads no permits", what);
    return check_answer(c, what, peer_receive(&c->peer, ANSWER_MS)) && check_note(c, true, "%s", what);
}

bool check_runs_ahead(check_t *c)
{
    if (!check_send_job(c, c->task, NULL) || !send_three_runs(c) ||
        !check_quiet(c, "told of runs ahead it begins none without a permit"))
        return false;
    c->n = 0;
    if (!permit(c, "g", "with a permit it answers the first") || !check_quiet(c, "and no other"))
        return false;
    c->n = 2; /* 1 is taken back */
    return permit(c, "ug", "it passes over one that was taken back, and answers the next") &&
           check_quiet(c, "then nothing is left");
}
