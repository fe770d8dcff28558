/* The topics of a queue are opened and looked up once, and whoever waits for them is called when they are known.
 * What one task's topic cannot have is the trouble of that task's jobs; anything else fails the connection. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/connection/client.h"

static void call_ready(fanmap_job_t *job)
{
    queue_ready_fn ready = job->on_queue;
    job->on_queue = NULL;
    if (ready)
        ready(job);
}

static void call_waiting(queue_t *queue)
{
    for (fanmap_job_t *job = queue->f->jobs, *next; job; job = next) {
        next = job->next;
        if (job->queue == queue && !job->error.code)
            call_ready(job);
    }
}

static void fail_waiting(queue_t *queue, const fanmap_error_t *err)
{
    queue->error = *err;
    for (fanmap_job_t *job = queue->f->jobs, *next; job; job = next) {
        next = job->next;
        if (job->queue == queue && !job->error.code)
            job_fail(job, err);
    }
}

/* A task whose topic cannot be there (its name collides, nobody made it) is the trouble of its own jobs only. */
static void on_topics(void *arg, const uint32_t *partitions_n, const fanmap_error_t *err)
{
    queue_t *queue = arg;
    queue->is_asked = false;
    if (err && err->code == FANMAP_EUSAGE && queue->name[0]) {
        queue->f->is_connected = true;
        fail_waiting(queue, err);
        return;
    }
    if (err) {
        client_fail(queue->f, err);
        return;
    }
    queue->f->is_connected = true;
    queue->results_n = partitions_n[0];
    queue->items_n = queue->name[0] ? partitions_n[2] : 0;
    queue->is_ready = true;
    call_waiting(queue);
}

/* From the first question on Kafka has the connect timeout to answer. A connection that nobody uses is not judged. */
static void expect_answer(fanmap_t *f)
{
    if (!f->is_connected && !f->is_connecting)
        loop_timer_at(f->connect_timer, loop_clock_ms() + (int64_t)options_ms(f->options, OPT_CONNECT_TIMEOUT));
    f->is_connecting = true;
}

static int ensure(queue_t *queue, fanmap_error_t *err)
{
    char items[TOPIC_NAME_MAX], results[TOPIC_NAME_MAX], jobs[TOPIC_NAME_MAX];
    const fanmap_options_t *o = queue->f->options;
    uint32_t message_max = queue->f->is_local ? 0 : options_record_bytes_max(o);
    uint32_t partitions = queue->f->is_local ? 1 : (uint32_t)options_count(o, OPT_PARTITIONS);
    const char *name_space = queue->f->namespace_name;
    const bus_topic_config_t topics[] = {
        {name_shared(results, name_space, NAME_RESULTS), partitions, false, (int64_t)options_ms(o, OPT_RETENTION),
         message_max},
        {name_shared(jobs, name_space, NAME_JOBS), 1, true, -1, message_max},
        {name_items(items, name_space, queue->name, queue->task), partitions, false, -1, message_max},
    };
    queue->is_asked = true;
    queue->error.code = 0;
    expect_answer(queue->f);
    return bus_ensure_topics(queue->f->bus, topics, queue->name[0] ? 3 : 2, options_switch(o, OPT_CREATE_TOPICS),
                             on_topics, queue, err);
}

static void on_counted(void *arg, const uint32_t *partitions_n, const fanmap_error_t *err)
{
    queue_t *queue = arg;
    queue->is_counting = false;
    if (!err)
        queue->results_n = partitions_n[0];
}

int queue_count_again(queue_t *queue, fanmap_error_t *err)
{
    char results[TOPIC_NAME_MAX];
    const bus_topic_config_t topic = {name_shared(results, queue->f->namespace_name, NAME_RESULTS), 1, false, -1, 0};
    if (queue->is_counting)
        return FANMAP_OK;
    queue->is_counting = true;
    int r = bus_ensure_topics(queue->f->bus, &topic, 1, false, on_counted, queue, err);
    queue->is_counting = r == FANMAP_OK && queue->is_counting;
    return r;
}

static int open_topics(queue_t *queue, fanmap_error_t *err)
{
    fanmap_t *f = queue->f;
    char items[TOPIC_NAME_MAX], results[TOPIC_NAME_MAX], jobs[TOPIC_NAME_MAX];
    name_items(items, f->namespace_name, queue->name, queue->task);
    name_shared(results, f->namespace_name, NAME_RESULTS);
    name_shared(jobs, f->namespace_name, NAME_JOBS);
    int r = FANMAP_OK;
    for (int topic = TOPIC_ITEMS; topic <= TOPIC_JOBS; topic++)
        queue->reports[topic] = (publisher_reports_t){f, (queue_topic_t)topic};
    if (queue->name[0])
        r = bus_topic_open(f->bus, items, publisher_delivered, &queue->reports[TOPIC_ITEMS], &queue->items, err);
    if (r == FANMAP_OK)
        r = bus_topic_open(f->bus, results, publisher_delivered, &queue->reports[TOPIC_RESULTS], &queue->results, err);
    if (r == FANMAP_OK)
        r = bus_topic_open(f->bus, jobs, publisher_delivered, &queue->reports[TOPIC_JOBS], &queue->jobs, err);
    return r == FANMAP_OK ? ensure(queue, err) : r;
}

static queue_t *find_queue(const fanmap_t *f, const char *name, const char *task)
{
    queue_t *queue = f->queues;
    while (queue && (strcmp(queue->name, name) != 0 || strcmp(queue->task, task) != 0))
        queue = queue->next;
    return queue;
}

int queue_get(fanmap_t *f, const char *name, const char *task, queue_t **ret, fanmap_error_t *err)
{
    name = name ? name : "";
    task = name[0] ? task : "";
    queue_t *queue = find_queue(f, name, task);
    if (queue) {
        int r = queue->error.code && !queue->is_asked ? ensure(queue, err) : FANMAP_OK;
        if (r == FANMAP_OK)
            *ret = queue;
        return r;
    }
    queue = calloc(1, sizeof *queue);
    if (!queue)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    queue->f = f;
    snprintf(queue->name, sizeof queue->name, "%s", name);
    snprintf(queue->task, sizeof queue->task, "%s", task);
    queue->next = f->queues;
    f->queues = queue; /* before anything can fail: the bus may hold a callback to it until it is closed */
    int r = open_topics(queue, err);
    if (r == FANMAP_OK)
        *ret = queue;
    return r;
}

int queue_wait(fanmap_job_t *job, const char *name, const char *task, queue_ready_fn ready, fanmap_error_t *err)
{
    int r = queue_get(job->f, name, task, &job->queue, err);
    if (r != FANMAP_OK)
        return r;
    job->on_queue = ready;
    if (job->queue->is_ready)
        call_ready(job);
    return FANMAP_OK;
}

void queues_free(fanmap_t *f)
{
    while (f->queues) {
        queue_t *queue = f->queues;
        f->queues = queue->next;
        free(queue);
    }
}
