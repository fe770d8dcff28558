/* A map whose task nobody serves would wait in silence: so, while it has no outcome, Redis is asked who serves the
 * task. Without Redis (--redis none) Kafka is asked who of the queue's group subscribes to the topic of the task. */
#include <stdio.h>

#include "client/connection/log_queries.h"
#include "client/mapping/mapping.h"
#include "tokens/presence.h"

enum { FIRST_ASK_MS = 2500 };

static void on_workers_counted(fanmap_job_t *job, int64_t workers_n)
{
    mapping_t *m = job->mapping;
    fanmap_t *f = job->f;
    fanmap_error_t err;
    char text[WHY_TEXT_MAX];
    if (!m->no_worker_timer || job->error.code || gather_decision(job)->is_decided)
        return;
    if (workers_n != 0) { /* served, or there is no answer: ask again later */
        loop_timer_at(m->no_worker_timer, loop_now_ms(f->loop) + 2 * PRESENCE_EVERY_MS);
        return;
    }
    why_no_worker(text, job->spec.task, job->spec.queue, f->namespace_name);
    no_worker_stop(job);
    if (!options_switch(job->options, OPT_WAIT)) {
        err_set_retry(&err, FANMAP_EUNREACHABLE, "%s", text);
        map_give_up(job, &err);
        return;
    }
    client_log(f, FANMAP_LOG_WARNING, "%s", text);
    waiting_said(job, WHY_NO_WORKER);
}

static void on_servers(void *arg, const char *const *texts, size_t n, const fanmap_error_t *err)
{
    (void)texts;
    on_workers_counted(arg, err ? -1 : (int64_t)(n - 1) / 2);
}

static void on_members(fanmap_job_t *job, int32_t tag, const bus_answer_t *answer)
{
    (void)tag;
    on_workers_counted(job, answer->value);
}

static int query_workers(fanmap_job_t *job, fanmap_error_t *err)
{
    char group[TOPIC_NAME_MAX], name[NAME_MAX_LEN + TASK_NAME_MAX + 2];
    if (job->f->presence) {
        snprintf(name, sizeof name, "%s.%s", job->spec.queue, job->spec.task);
        return presence_ask(job->f->presence, PRESENCE_SERVERS, name, on_servers, job, err);
    }
    name_of_id(group, job->f->namespace_name, NAME_WORKERS, job->spec.queue);
    const bus_request_t request = {.kind = BUS_COUNT_MEMBERS, .group = group};
    return log_query(job, job->queue->items, &request, on_members, 0, err);
}

static void on_timer(void *arg)
{
    fanmap_job_t *job = arg;
    const list_t *list = gather_list(job);
    fanmap_error_t err;
    bool goes_on = job->error.code || gather_decision(job)->is_decided || (list && list_now(list)->known > 0);
    if (goes_on || query_workers(job, &err) != FANMAP_OK)
        no_worker_stop(job);
}

void no_worker_watch(fanmap_job_t *job)
{
    mapping_t *m = job->mapping;
    fanmap_t *f = job->f;
    fanmap_error_t err;
    if (f->is_local || m->no_worker_timer ||
        loop_timer_new(f->loop, on_timer, job, &m->no_worker_timer, &err) != FANMAP_OK)
        return;
    loop_timer_at(m->no_worker_timer, loop_now_ms(f->loop) + FIRST_ASK_MS);
}

void no_worker_stop(fanmap_job_t *job)
{
    mapping_t *m = job->mapping;
    if (m->no_worker_timer)
        presence_forget(job->f->presence, job);
    loop_timer_free(m->no_worker_timer);
    m->no_worker_timer = NULL;
}
