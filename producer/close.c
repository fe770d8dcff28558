/* A job ends once. What decides it stands in its log (`end`, or whatever else closes or completes the list); J/end on
 * the jobs topic is the copy for the workers, said after that is stored. */
#include "producer/state.h"

void close_finish(producer_t *p)
{
    if (p->verdict.code != FANMAP_OK) {
        actions_fail(p, &p->verdict);
        return;
    }
    p->phase = PHASE_OVER;
    actions_add(p, PRODUCER_FINISHED);
}

static void say_end(producer_t *p, end_reason_t reason)
{
    jobs_encode_end_counted(&p->values, reason, &p->counts);
    actions_put_jobs(p, RECORD_JOBS_END, JOBS_END);
    p->ends_unstored++;
}

/* Where no worker was ever told of the job there is nothing to take back. */
static void put_jobs_end(producer_t *p, end_reason_t reason)
{
    if (!p->spec_put) {
        close_finish(p);
        return;
    }
    p->phase = PHASE_ENDING;
    say_end(p, reason);
}

void close_cancel(producer_t *p, end_reason_t reason)
{
    p->end_reason = reason == END_DEADLINE ? END_DEADLINE : END_CANCEL;
    switch (p->phase) {
    case PHASE_NEW:
    case PHASE_TABLE:
        close_finish(p);
        break;
    case PHASE_COMPARING: /* it may be another's job: only its deadline is ours to say, once it is ours */
        if (reason == END_DEADLINE)
            p->deadline_passed = true;
        else
            close_finish(p);
        break;
    case PHASE_PUBLISHING:
        p->phase = PHASE_CANCELLING;
        joblog_encode_end(&p->values, p->end_reason);
        actions_put_log(p, RECORD_END, 0);
        break;
    case PHASE_CLOSED:
        put_jobs_end(p, p->end_reason);
        break;
    case PHASE_CANCELLING:
    case PHASE_ENDING:
    case PHASE_OVER:
        break;
    }
}

bool close_is_elsewhere(const producer_t *p)
{
    return p->phase == PHASE_PUBLISHING && p->config.prior && !p->input_put;
}

void close_elsewhere(producer_t *p)
{
    fanmap_error_t error;
    err_set_retry(&error, FANMAP_ECONFLICT,
                  "another producer came back and finished job %s; submit it again to have the input compared with it",
                  p->config.spec.job);
    actions_fail(p, &error);
}

/* While J/end of a cancel is under way it is said again, now with what the list comes to. */
void close_decided(producer_t *p, const producer_event_t *event)
{
    end_reason_t reason = event->reason;
    p->counts = event->counts;
    if (reason == END_COMPLETE && close_is_elsewhere(p)) {
        say_end(p, reason);
        close_elsewhere(p);
    } else if (p->phase == PHASE_ENDING && p->counts.is_known) {
        say_end(p, reason);
    } else if (p->phase == PHASE_PUBLISHING || p->phase == PHASE_CLOSED || p->phase == PHASE_CANCELLING) {
        put_jobs_end(p, reason);
    }
}

void close_found_closed(producer_t *p, end_reason_t reason)
{
    if (p->config.attached) {
        p->phase = PHASE_CLOSED;
        return;
    }
    err_set(&p->verdict, FANMAP_ESTOPPED, "job %s was ended; what was not yet published is not part of it",
            p->config.spec.job);
    put_jobs_end(p, reason ? reason : END_CANCEL);
}

void close_stored(producer_t *p, record_kind_t what)
{
    if (what == RECORD_END && p->phase == PHASE_CANCELLING)
        put_jobs_end(p, p->end_reason);
    else if (what == RECORD_JOBS_END && --p->ends_unstored == 0 && p->phase == PHASE_ENDING)
        close_finish(p);
}
