#include "client/joblog/job_view.h"

static void take_limit(job_view_t *view, const jobs_record_t *record)
{
    if (!record->tombstone && record->version <= view->concurrency_version)
        return;
    view->concurrency_version = record->tombstone ? 0 : record->version;
    view->concurrency = record->tombstone ? view->spec_limit : record->value;
}

static void take_paused(job_view_t *view, const jobs_record_t *record)
{
    if (!record->tombstone && record->version <= view->paused_version)
        return;
    view->paused_version = record->tombstone ? 0 : record->version;
    view->paused = !record->tombstone && record->value != 0;
}

void job_view_record(job_view_t *view, const jobs_record_t *record)
{
    switch (record->field) {
    case JOBS_SPEC:
        view->is_known = !record->tombstone;
        view->spec_limit = record->tombstone ? 0 : record->spec.concurrency;
        if (view->concurrency_version == 0)
            view->concurrency = view->spec_limit;
        break;
    case JOBS_CONCURRENCY:
        take_limit(view, record);
        break;
    case JOBS_PAUSED:
        take_paused(view, record);
        break;
    case JOBS_END:
        view->has_end = !record->tombstone;
        view->end_reason = record->end_reason;
        view->counts = record->counts;
        break;
    case JOBS_HALT:
        break;
    }
}
