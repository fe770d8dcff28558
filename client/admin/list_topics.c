/* The topics of a namespace: what there must be, what there is, and what is wrong with it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "client/admin/query.h"
#include "io/bus_admin.h"
#include "schemas/topics.h"

enum { SHARED_N = 4 };

typedef struct {
    query_t query;
    const fanmap_options_t *options;
    char (*names)[TOPIC_NAME_MAX];
    bus_topic_config_t *wanted; /* results, jobs, dead, the items of each "task" */
    size_t wanted_n;
    bus_topic_config_t items; /* as every topic of items should be */
    fanmap_topic_info_fn fn;
    void *arg;
} topics_t;

static void want(topics_t *t, const char *name, const bus_topic_config_t *config)
{
    t->wanted[t->wanted_n] = *config;
    t->wanted[t->wanted_n++].name = name;
}

static int want_all(topics_t *t, fanmap_error_t *err)
{
    const fanmap_options_t *o = t->options;
    const char *name_space = t->query.f->namespace_name, *task;
    uint32_t bytes = options_record_bytes_max(o);
    uint32_t partitions = (uint32_t)options_count(o, OPT_PARTITIONS);
    int64_t retention = (int64_t)options_ms(o, OPT_RETENTION);
    size_t n = 0;
    while (options_nth(o, OPT_TASK, n))
        n++;
    t->names = calloc(SHARED_N + n, sizeof *t->names);
    t->wanted = calloc(SHARED_N + n, sizeof *t->wanted);
    if (!t->names || !t->wanted)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    t->items = (bus_topic_config_t){NULL, partitions, false, -1, bytes};
    want(t, name_shared(t->names[0], name_space, NAME_RESULTS),
         &(bus_topic_config_t){NULL, partitions, false, retention, bytes});
    want(t, name_shared(t->names[1], name_space, NAME_JOBS), &(bus_topic_config_t){NULL, 1, true, -1, bytes});
    want(t, name_shared(t->names[2], name_space, NAME_DEAD), &(bus_topic_config_t){NULL, 1, false, retention, bytes});
    want(t, name_shared(t->names[3], name_space, NAME_LOGS),
         &(bus_topic_config_t){NULL, partitions, false, TOPIC_LOGS_MS, bytes});
    for (size_t i = 0; i < n; i++) {
        task = options_nth(o, OPT_TASK, i);
        if (!task_name_valid(task))
            return err_set(err, FANMAP_EUSAGE, "--task: \"%s\" is not a task name", task);
        want(t, name_items(t->names[SHARED_N + i], name_space, options_text(o, OPT_QUEUE), task), &t->items);
    }
    return FANMAP_OK;
}

/* What loses items or outcomes comes first. */
static void find_problem(const topics_t *t, const fanmap_topic_info_t *info, char *ret, size_t cap)
{
    char text[DURATION_TEXT_MAX];
    char queue[NAME_MAX_LEN + 1], task[TASK_NAME_MAX + 1];
    bool is_items = name_items_parse(info->name, t->query.f->namespace_name, queue, task);
    ret[0] = '\0';
    if (!info->exists)
        snprintf(ret, cap, "it does not exist (fanmap topics --create)");
    else if (info->wanted_compacted && info->partitions != 1)
        snprintf(ret, cap, "it must have one partition");
    else if (!info->has_config)
        snprintf(ret, cap, "its settings cannot be seen (DescribeConfigs)");
    else if (info->wanted_compacted && !info->compacted)
        snprintf(ret, cap, "it is not compacted: jobs will be forgotten (cleanup.policy=compact)");
    else if (!info->wanted_compacted && info->compacted)
        snprintf(ret, cap, "it is compacted: %s will be lost (cleanup.policy=delete)", is_items ? "items" : "outcomes");
    else if (is_items && info->retention_ms >= 0)
        snprintf(ret, cap, "items that wait longer than %s are lost (retention.ms=-1)",
                 duration_format(text, sizeof text, info->retention_ms));
    else if (info->message_bytes_max < info->wanted_message_bytes_max)
        snprintf(ret, cap, "it takes records of %u bytes, and --item-max needs %u (max.message.bytes)",
                 info->message_bytes_max, info->wanted_message_bytes_max);
}

static void report_topic(const topics_t *t, const bus_topic_config_t *wanted, const bus_topic_state_t *state)
{
    char problem[200], group[TOPIC_NAME_MAX] = "", queue[NAME_MAX_LEN + 1], task[TASK_NAME_MAX + 1];
    fanmap_topic_info_t info = {.name = state ? state->name : wanted->name,
                                .group = group,
                                .exists = state != NULL,
                                .wanted_compacted = wanted->compacted,
                                .wanted_partitions = wanted->partitions,
                                .wanted_retention_ms = wanted->retention_ms,
                                .wanted_message_bytes_max = wanted->message_bytes_max,
                                .problem = problem};
    if (state) {
        info.has_config = state->has_config;
        info.compacted = state->compacted;
        info.partitions = state->partitions;
        info.retention_ms = state->retention_ms;
        info.message_bytes_max = state->message_bytes_max;
    }
    if (name_items_parse(info.name, t->query.f->namespace_name, queue, task))
        name_of_id(group, t->query.f->namespace_name, NAME_WORKERS, queue);
    find_problem(t, &info, problem, sizeof problem);
    t->fn(t->arg, &info);
}

static const bus_topic_state_t *find_topic(const bus_topic_state_t *topics, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(topics[i].name, name) == 0)
            return &topics[i];
    return NULL;
}

/* Of any queue and task, and not named by "task". */
static bool is_other_items(const topics_t *t, const char *name)
{
    char queue[NAME_MAX_LEN + 1], task[TASK_NAME_MAX + 1];
    for (size_t i = 0; i < t->wanted_n; i++)
        if (strcmp(t->wanted[i].name, name) == 0)
            return false;
    return name_items_parse(name, t->query.f->namespace_name, queue, task);
}

static void on_survey(void *arg, const bus_topic_state_t *topics, size_t n, const fanmap_error_t *err)
{
    topics_t *t = arg;
    query_answered(&t->query, err);
    if (err)
        return;
    for (size_t i = 0; i < t->wanted_n; i++)
        report_topic(t, &t->wanted[i], find_topic(topics, n, t->wanted[i].name));
    for (size_t i = 0; i < n; i++)
        if (is_other_items(t, topics[i].name))
            report_topic(t, &t->items, &topics[i]);
}

/* The merged options, to be freed. */
static fanmap_options_t *begin_listing(topics_t *t, fanmap_t *f, const fanmap_options_t *options, int timeout_ms,
                                       fanmap_error_t *err)
{
    fanmap_options_t *merged = options_merge(f->options, options);
    query_begin(&t->query, f, timeout_ms, err);
    t->options = merged;
    if (!merged)
        query_out_of_memory(&t->query);
    else if (t->query.result == FANMAP_OK)
        t->query.result = want_all(t, err);
    return merged;
}

/* Waits for the answer of what was asked. A broker that is not there is told by the connect timeout, as everywhere. */
static int end_listing(topics_t *t, fanmap_options_t *merged)
{
    query_wait(&t->query, "Kafka");
    bus_forget(t->query.f->bus, t);
    if (t->query.result == FANMAP_OK)
        t->query.f->is_connected = true;
    fanmap_options_free(merged);
    free(t->names);
    free(t->wanted);
    return query_end(&t->query);
}

int fanmap_topics(fanmap_t *f, const fanmap_options_t *options, int timeout_ms, fanmap_topic_info_fn fn, void *arg,
                  fanmap_error_t *err)
{
    topics_t t = {.fn = fn, .arg = arg};
    char prefix[TOPIC_NAME_MAX];
    fanmap_options_t *merged = begin_listing(&t, f, options, timeout_ms, err);
    snprintf(prefix, sizeof prefix, "%s.", f->namespace_name);
    if (t.query.result == FANMAP_OK)
        t.query.result = bus_survey(f->bus, prefix, on_survey, &t, err);
    return end_listing(&t, merged);
}

static void on_created(void *arg, const uint32_t *partitions_n, const fanmap_error_t *err)
{
    topics_t *t = arg;
    (void)partitions_n;
    query_answered(&t->query, err);
}

int fanmap_topics_create(fanmap_t *f, const fanmap_options_t *options, int timeout_ms, fanmap_error_t *err)
{
    topics_t t = {0};
    fanmap_options_t *merged = begin_listing(&t, f, options, timeout_ms, err);
    if (t.query.result == FANMAP_OK)
        t.query.result = bus_ensure_topics(f->bus, t.wanted, t.wanted_n, true, on_created, &t, err);
    return end_listing(&t, merged);
}
