/* Nobody may see an item before `start` and J/spec: a worker would not know what to do with it, a gatherer would not
 * count its outcome. So both are stored first, each before the next thing is said, and the log is read once behind our
 * announcement. */
#include <string.h>

#include "producer/state.h"

static void put_start(producer_t *p)
{
    p->phase = PHASE_PUBLISHING;
    p->unmet = UNMET_START | UNMET_ANNOUNCED | UNMET_SPEC | UNMET_CHECK;
    joblog_encode_start(&p->values, &p->config.spec);
    actions_put_log(p, RECORD_START, 0);
    joblog_encode_producer(&p->values, p->config.announce);
    actions_put_log(p, RECORD_ANNOUNCE, 0);
}

void start_begin(producer_t *p)
{
    if (p->phase != PHASE_NEW)
        return;
    if (p->config.prior) {
        compare_begin(p);
        return;
    }
    if (!spec_has_table(&p->config.spec)) {
        put_start(p);
        return;
    }
    p->phase = PHASE_TABLE;
    actions_add(p, PRODUCER_CREATE_TABLE);
}

/* A table that may or may not have been created is no good: under a nonce that no table was ever given, the job starts
 * by learning. */
void start_table(producer_t *p, bool created)
{
    if (p->phase != PHASE_TABLE)
        return;
    if (!created)
        memcpy(p->config.spec.nonce, p->config.announce, sizeof p->config.spec.nonce);
    put_start(p);
}

static void request_check(producer_t *p)
{
    p->unmet |= UNMET_CHECK;
    if (p->check_requested)
        return;
    p->check_requested = true;
    p->requested_ms = p->now_ms;
    actions_add(p, PRODUCER_CHECK_LOG);
}

void start_stored(producer_t *p, record_kind_t what, int64_t offset)
{
    if (p->phase != PHASE_PUBLISHING)
        return;
    if (what == RECORD_START && p->unmet & UNMET_START) {
        p->unmet &= ~(unsigned)UNMET_START;
        p->config.spec.start_offset = offset;
        jobs_encode_spec(&p->values, &p->config.spec);
        actions_put_jobs(p, RECORD_SPEC, JOBS_SPEC);
        p->spec_put = true;
    } else if (what == RECORD_ANNOUNCE && p->unmet & UNMET_ANNOUNCED) {
        p->unmet &= ~(unsigned)UNMET_ANNOUNCED;
        request_check(p);
    } else if (what == RECORD_SPEC) {
        p->unmet &= ~(unsigned)UNMET_SPEC;
    }
}

static void superseded(producer_t *p)
{
    fanmap_error_t error;
    err_set(&error, FANMAP_ECONFLICT, "another producer has taken over job %s", p->config.spec.job);
    actions_fail(p, &error);
}

static void become_owner(producer_t *p)
{
    bool is_first = p->owner_ms == INT64_MIN;
    p->unmet &= ~(unsigned)UNMET_CHECK;
    p->owner_ms = p->requested_ms; /* an answer that comes late is old */
    if (is_first) {
        p->progress.put_ms = p->now_ms;
        p->progress.stored_ms = p->now_ms;
    }
    if (p->unmet & UNMET_SCAN && !p->scan_requested) {
        p->scan_requested = true;
        actions_add(p, PRODUCER_SCAN);
    }
}

void start_checked(producer_t *p, const producer_event_t *event)
{
    if (!p->check_requested || p->phase != PHASE_PUBLISHING)
        return;
    p->check_requested = false;
    if (event->closed)
        close_found_closed(p, event->reason);
    else if (event->announced && event->announced[0] && strcmp(event->announced, p->config.announce) != 0)
        superseded(p);
    else if (event->has_input && close_is_elsewhere(p))
        close_elsewhere(p);
    else
        become_owner(p);
}

/* Our own announcement comes first to who reads from before it; another's behind it is newer. One that began the job
 * and reads of another even before its own was stopped on the way for so long that somebody went on without it: what
 * that one published is unknown here. */
void start_announced(producer_t *p, const char *announced)
{
    if (strcmp(announced, p->config.announce) == 0)
        p->announcement_seen = true;
    else if ((p->announcement_seen || !p->config.prior) && p->phase == PHASE_PUBLISHING && !p->settled)
        superseded(p);
}

bool start_waits(const producer_t *p)
{
    return (p->unmet & ~(unsigned)UNMET_SCAN) != 0;
}

bool start_is_owner(producer_t *p)
{
    if (start_waits(p))
        return false;
    if (p->now_ms - p->owner_ms <= PAUSE_MS)
        return true;
    request_check(p);
    return false;
}

bool start_clear_to_publish(producer_t *p)
{
    return start_is_owner(p) && !p->unmet;
}
