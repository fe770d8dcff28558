/* The topics of the namespace and of the tasks, opened, and made where they are missing; and the jobs topic, which is read for
 * as long as the worker lives. The worker joins its group once it knows every job that was there before. */
#include <stdlib.h>
#include <string.h>

#include "io/bus_admin.h"
#include "schemas/names.h"
#include "worker/shell/inflight.h"
#include "worker/shell/stream.h"

/* ---- the jobs topic ---- */

static void answer_queries(worker_shell_t *shell)
{
    while (shell->queries_n > 0 && shell->queries[0] <= shell->jobs_position) {
        shell->queries_n--;
        memmove(shell->queries, shell->queries + 1, shell->queries_n * sizeof shell->queries[0]);
        shell_step(shell, &(worker_event_t){.type = WORKER_JOBS_POSITION, .position = {shell->jobs_position, true}});
    }
}

static void on_jobs_end(void *arg, const bus_answer_t *answer)
{
    worker_shell_t *shell = arg;
    size_t i = 0;
    while (i < shell->queries_n && shell->queries[i] != INT64_MAX)
        i++;
    if (i == shell->queries_n)
        return;
    shell->queries[i] = answer->value;
    if (answer->value < 0) { /* could not be asked: ask again */
        shell->queries_n--;
        memmove(shell->queries + i, shell->queries + i + 1, (shell->queries_n - i) * sizeof shell->queries[0]);
        shell_query_jobs_end(shell);
        return;
    }
    answer_queries(shell);
}

void shell_query_jobs_end(worker_shell_t *shell)
{
    const bus_request_t end_of_jobs = {.kind = BUS_FIND_END};
    fanmap_error_t err;
    if (shell->queries_n == QUERIES_MAX)
        return;
    shell->queries[shell->queries_n++] = INT64_MAX;
    if (bus_request(shell->jobs, &end_of_jobs, on_jobs_end, shell, &err) != FANMAP_OK)
        shell_fail(shell, &err);
}

static void take_job(worker_shell_t *shell, const bus_record_t *record, const jobs_record_t *decoded)
{
    shell_step(shell, &(worker_event_t){.type = WORKER_JOBS, .jobs = decoded, .appended_ms = record->appended_ms});
    if (shell->callbacks.heard)
        shell->callbacks.heard(shell->arg, decoded);
    shell_ask_clock(shell, decoded);
}

static bool on_jobs_record(void *arg, const bus_record_t *record)
{
    worker_shell_t *shell = arg;
    jobs_record_t decoded;
    shell->jobs_position = record->offset + 1;
    if (jobs_decode(record->key, record->key_len, record->value, record->value_len, &decoded))
        take_job(shell, record, &decoded);
    else if (!jobs_is_clock(record->key, record->key_len))
        shell_burial_record(shell->burial, record);
    answer_queries(shell);
    return false;
}

/* Once every job is known and every topic is there. */
static void begin_joining(worker_shell_t *shell)
{
    if (shell->is_caught_up && shell->has_items && !shell->is_draining)
        shell_join(shell);
}

/* The end of the jobs topic as it was at the start: every job submitted before is known now. */
static void on_jobs_caught_up(void *arg, int64_t position)
{
    worker_shell_t *shell = arg;
    if (position > shell->jobs_position)
        shell->jobs_position = position;
    answer_queries(shell);
    if (shell->is_caught_up)
        return;
    shell->is_caught_up = true;
    shell_burial_caught_up(shell->burial);
    shell_step(shell, &(worker_event_t){.type = WORKER_JOBS_POSITION, .position = {shell->jobs_position, false}});
    begin_joining(shell);
}

static void on_jobs_gone(void *arg, int64_t low)
{
    worker_shell_t *shell = arg;
    fanmap_error_t err;
    err_set(&err, FANMAP_ELOST, "the jobs topic cannot be read from its start (first offset %lld)", (long long)low);
    shell_fail(shell, &err);
}

/* ---- opening ---- */

static int open_topic(worker_shell_t *shell, const char *name, bus_topic_t **ret, fanmap_error_t *err)
{
    return bus_topic_open(shell->bus, name, shell_delivered, shell, ret, err);
}

static void on_items_topics(void *arg, const uint32_t *partitions_n, const fanmap_error_t *err)
{
    worker_shell_t *shell = arg;
    if (err) {
        shell_fail(shell, err);
        return;
    }
    for (size_t i = 0; i < shell->config.catalogue->n && !shell->stream; i++)
        shell->items_partitions[i] = partitions_n[i];
    shell->has_items = true;
    begin_joining(shell);
}

static int ensure_items(worker_shell_t *shell, bus_topic_config_t *topics, char (*names)[TOPIC_NAME_MAX],
                        fanmap_error_t *err)
{
    const worker_shell_config_t *c = &shell->config;
    int r = FANMAP_OK;
    for (size_t i = 0; r == FANMAP_OK && i < c->catalogue->n; i++) {
        name_items(names[i], shell->name_space, shell->queue, shell->task_names[i]);
        topics[i] = (bus_topic_config_t){names[i], c->partitions, false, -1, c->record_bytes_max};
        r = open_topic(shell, names[i], &shell->items[i], err);
    }
    return r == FANMAP_OK
               ? bus_ensure_topics(shell->bus, topics, c->catalogue->n, c->create_topics, on_items_topics, shell, err)
               : r;
}

static int open_items(worker_shell_t *shell, fanmap_error_t *err)
{
    bus_topic_config_t *topics = calloc(shell->config.catalogue->n + 1, sizeof *topics);
    char(*names)[TOPIC_NAME_MAX] = calloc(shell->config.catalogue->n + 1, sizeof *names);
    int r = topics && names ? ensure_items(shell, topics, names, err) : err_set(err, FANMAP_ENOMEM, "out of memory");
    free(topics);
    free(names);
    return r;
}

/* Those of items come after: a broker takes its time for many, and has answered by then. */
static void on_shared(void *arg, const uint32_t *partitions_n, const fanmap_error_t *err)
{
    static const bus_reader_callbacks_t callbacks = {
        .record = on_jobs_record, .at_end = on_jobs_caught_up, .gone = on_jobs_gone};
    worker_shell_t *shell = arg;
    fanmap_error_t why;
    (void)partitions_n;
    if (err) {
        shell_fail(shell, err);
        return;
    }
    if (shell->callbacks.connected)
        shell->callbacks.connected(shell->arg);
    if (bus_read(shell->jobs, 0, BUS_BEGIN, &callbacks, shell, &shell->jobs_reader, &why) != FANMAP_OK ||
        (shell->stream ? shell_stream_open_topics(shell, on_items_topics, &why) : open_items(shell, &why)) != FANMAP_OK)
        shell_fail(shell, &why);
}

static int open_shared(worker_shell_t *shell, fanmap_error_t *err)
{
    char results[TOPIC_NAME_MAX], jobs[TOPIC_NAME_MAX], dead[TOPIC_NAME_MAX];
    const worker_shell_config_t *c = &shell->config;
    const bus_topic_config_t topics[] = {
        {name_shared(results, shell->name_space, NAME_RESULTS), c->partitions, false, c->retention_ms,
         c->record_bytes_max},
        {name_shared(jobs, shell->name_space, NAME_JOBS), 1, true, -1, c->record_bytes_max},
        {name_shared(dead, shell->name_space, NAME_DEAD), 1, false, c->retention_ms, c->record_bytes_max},
    };
    int r = open_topic(shell, results, &shell->results, err);
    if (r == FANMAP_OK)
        r = open_topic(shell, jobs, &shell->jobs, err);
    if (r == FANMAP_OK)
        r = open_topic(shell, dead, &shell->dead, err);
    return r == FANMAP_OK ? bus_ensure_topics(shell->bus, topics, 3, c->create_topics, on_shared, shell, err) : r;
}

int shell_open_topics(worker_shell_t *shell, fanmap_error_t *err)
{
    size_t tasks_n = shell->config.catalogue->n;
    shell->items = calloc(tasks_n + 1, sizeof(bus_topic_t *));
    shell->lanes_of = calloc(tasks_n + 1, sizeof *shell->lanes_of);
    shell->items_partitions = calloc(tasks_n + 1, sizeof *shell->items_partitions);
    if (!shell->items || !shell->lanes_of || !shell->items_partitions)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    return open_shared(shell, err);
}
