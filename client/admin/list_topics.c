/* The topics of a namespace: what there must be, what there is, and what is wrong with it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "client/admin/query.h"

enum { WANTED_N = 4, LIMIT_SLACK_BYTES = 64 * 1024 };

typedef struct {
    ask_t ask;
    const fanmap_options_t *options;
    char names[WANTED_N][TOPIC_NAME_MAX];
    bus_topic_config_t wanted[WANTED_N];
    fanmap_topic_info_fn fn;
    void *arg;
    char items_prefix[TOPIC_NAME_MAX];
} topics_t;

static void want(topics_t *t)
{
    const fanmap_options_t *o = t->options;
    const char *name_space = t->ask.f->namespace_name;
    uint32_t bytes = (uint32_t)options_bytes(o, "item-max") + LIMIT_SLACK_BYTES;
    uint32_t partitions = (uint32_t)options_count(o, "partitions");
    int64_t retention = (int64_t)options_ms(o, "retention");
    t->wanted[0] = (bus_topic_config_t){name_items(t->names[0], name_space, options_text(o, "queue")), partitions,
                                        false, -1, bytes};
    t->wanted[1] = (bus_topic_config_t){name_results(t->names[1], name_space), partitions, false, retention, bytes};
    t->wanted[2] = (bus_topic_config_t){name_jobs(t->names[2], name_space), 1, true, -1, bytes};
    t->wanted[3] = (bus_topic_config_t){name_dead(t->names[3], name_space), 1, false, retention, bytes};
    name_items(t->items_prefix, name_space, "");
}

/* What loses items or outcomes comes first. */
static void find_problem(const topics_t *t, const fanmap_topic_info_t *info, char *ret, size_t cap)
{
    char text[DURATION_TEXT_MAX];
    bool is_items = strncmp(info->name, t->items_prefix, strlen(t->items_prefix)) == 0;
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

static void tell(const topics_t *t, const bus_topic_config_t *wanted, const bus_topic_state_t *state)
{
    char problem[200], group[TOPIC_NAME_MAX] = "";
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
    if (strncmp(info.name, t->items_prefix, strlen(t->items_prefix)) == 0)
        name_group(group, t->ask.f->namespace_name, info.name + strlen(t->items_prefix));
    find_problem(t, &info, problem, sizeof problem);
    t->fn(t->arg, &info);
}

static const bus_topic_state_t *find(const bus_topic_state_t *topics, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(topics[i].name, name) == 0)
            return &topics[i];
    return NULL;
}

static void on_survey(void *arg, const bus_topic_state_t *topics, size_t n, const fanmap_error_t *err)
{
    topics_t *t = arg;
    t->ask.heard++;
    t->ask.is_done = true;
    if (err) {
        t->ask.error = *err;
        return;
    }
    for (size_t i = 0; i < WANTED_N; i++)
        tell(t, &t->wanted[i], find(topics, n, t->wanted[i].name));
    for (size_t i = 0; i < n; i++) /* of other queues */
        if (strncmp(topics[i].name, t->items_prefix, strlen(t->items_prefix)) == 0 &&
            strcmp(topics[i].name, t->wanted[0].name) != 0)
            tell(t, &t->wanted[0], &topics[i]);
}

static int begin(topics_t *t, fanmap_t *f, const fanmap_options_t *options, int timeout_ms,
                 fanmap_options_t **ret_merged, fanmap_error_t *err)
{
    int r = ask_begin(&t->ask, f, timeout_ms, err);
    if (r != FANMAP_OK)
        return r;
    *ret_merged = options_merge(f->options, options);
    if (!*ret_merged)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    t->options = *ret_merged;
    want(t);
    return FANMAP_OK;
}

/* Waits for the answer of what was asked, where r says that it was. A broker that is not there is told by the connect
 * timeout, as everywhere. */
static int finish(topics_t *t, fanmap_t *f, int r, fanmap_options_t *merged, fanmap_error_t *err)
{
    if (r == FANMAP_OK)
        r = ask_wait(&t->ask, "Kafka", err);
    if (r == FANMAP_OK)
        f->is_connected = true;
    fanmap_options_free(merged);
    client_mark(f);
    return r;
}

int fanmap_topics(fanmap_t *f, const fanmap_options_t *options, int timeout_ms, fanmap_topic_info_fn fn, void *arg,
                  fanmap_error_t *err)
{
    topics_t t = {.fn = fn, .arg = arg};
    fanmap_options_t *merged = NULL;
    char prefix[TOPIC_NAME_MAX];
    int r = begin(&t, f, options, timeout_ms, &merged, err);
    if (r == FANMAP_OK) {
        snprintf(prefix, sizeof prefix, "%s.", f->namespace_name);
        r = bus_survey(f->bus, prefix, on_survey, &t, err);
    }
    return finish(&t, f, r, merged, err);
}

static void on_created(void *arg, const uint32_t *partitions_n, const fanmap_error_t *err)
{
    topics_t *t = arg;
    (void)partitions_n;
    t->ask.heard++;
    t->ask.is_done = true;
    if (err)
        t->ask.error = *err;
}

int fanmap_topics_create(fanmap_t *f, const fanmap_options_t *options, int timeout_ms, fanmap_error_t *err)
{
    topics_t t = {0};
    fanmap_options_t *merged = NULL;
    int r = begin(&t, f, options, timeout_ms, &merged, err);
    if (r == FANMAP_OK)
        r = bus_ensure_topics(f->bus, t.wanted, WANTED_N, true, on_created, &t, err);
    return finish(&t, f, r, merged, err);
}
