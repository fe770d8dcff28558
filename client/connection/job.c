#include "client/connection/job.h"

#include <stdio.h>
#include <utlist.h>

#include "client/connection/client.h"

static uint32_t free_number(fanmap_t *f)
{
    do
        f->last_number++;
    while (f->last_number == 0 || job_by_number(f, f->last_number));
    return f->last_number;
}

void job_link(fanmap_t *f, fanmap_job_t *job)
{
    job->f = f;
    job->number = free_number(f);
    LL_PREPEND(f->jobs, job);
}

void job_unlink(fanmap_job_t *job)
{
    LL_DELETE(job->f->jobs, job);
}

void job_rotate(fanmap_job_t *job)
{
    if (!job->next)
        return;
    job_unlink(job);
    LL_APPEND(job->f->jobs, job);
}

fanmap_job_t *job_by_number(const fanmap_t *f, uint32_t number)
{
    fanmap_job_t *job = f->jobs;
    while (job && job->number != number)
        job = job->next;
    return job;
}

void job_fail(fanmap_job_t *job, const fanmap_error_t *err)
{
    if (!job->error.code)
        job->error = *err;
}

fanmap_error_t err_make(int code, const char *format, ...)
{
    char message[sizeof((fanmap_error_t *)NULL)->message];
    fanmap_error_t err;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    err_set(&err, code, "%s", message);
    return err;
}
