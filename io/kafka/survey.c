/* bus_survey: what topics there are, and how they are set. Metadata of all, then the configuration of those that are
 * ours; a broker that shows us the topics and not their configuration is no error. Asked again while the broker is
 * away. */
#include <stdlib.h>
#include <string.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/events.h"
#include "io/kafka/rights.h"
#include "io/kafka/topics.h"

enum { SURVEY_MAX = 4096 };

typedef struct {
    kafka_call_t call;
    kafka_bus_t *bus;
    char *prefix;
    bus_topic_state_t *topics; /* names are ours */
    size_t topics_n;
    bool again;
    fanmap_error_t err; /* final */
    bus_survey_fn fn;
    void *arg;
} survey_t;

/* ---- in the helper ---- */

static void survey_fail(survey_t *survey, rd_kafka_resp_err_t code)
{
    if (kafka_error_class(code) == FANMAP_EREFUSED)
        kafka_refusal(survey->bus, code, KAFKA_WANTED("Describe", survey->prefix), rd_kafka_err2str(code),
                      &survey->err);
    else
        survey->again = true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const bus_topic_state_t *)a)->name, ((const bus_topic_state_t *)b)->name);
}

/* More than there are of it are never asked for (KIP-966). */
static void read_replicas(bus_topic_state_t *state, const rd_kafka_metadata_topic_t *topic)
{
    state->in_sync = state->in_sync_min = UINT32_MAX;
    for (int i = 0; i < topic->partition_cnt; i++) {
        const rd_kafka_metadata_partition_t *partition = &topic->partitions[i];
        uint32_t in_sync = partition->leader < 0 ? 0 : (uint32_t)partition->isr_cnt;
        if (in_sync >= state->in_sync)
            continue;
        state->in_sync = in_sync;
        state->in_sync_min = (uint32_t)partition->replica_cnt;
    }
}

static bool keep_topics(survey_t *survey, const rd_kafka_metadata_t *metadata)
{
    size_t prefix_len = strlen(survey->prefix), n = (size_t)(metadata->topic_cnt > 0 ? metadata->topic_cnt : 0);
    survey->topics = calloc(n + 1, sizeof *survey->topics);
    for (size_t i = 0; survey->topics != NULL && i < n && survey->topics_n < SURVEY_MAX; i++) {
        const rd_kafka_metadata_topic_t *topic = &metadata->topics[i];
        if (strncmp(topic->topic, survey->prefix, prefix_len) != 0 || topic->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        bus_topic_state_t *state = &survey->topics[survey->topics_n];
        state->name = strdup(topic->topic);
        state->partitions = (uint32_t)topic->partition_cnt;
        read_replicas(state, topic);
        if (state->name == NULL)
            return false;
        survey->topics_n++;
    }
    if (survey->topics != NULL)
        qsort(survey->topics, survey->topics_n, sizeof *survey->topics, by_name);
    return survey->topics != NULL;
}

static void read_entry(bus_topic_state_t *state, const char *name, const char *value)
{
    if (name == NULL || value == NULL)
        return;
    if (strcmp(name, "cleanup.policy") == 0)
        state->compacted = strstr(value, "compact") != NULL;
    else if (strcmp(name, "retention.ms") == 0)
        state->retention_ms = strtoll(value, NULL, 10);
    else if (strcmp(name, "max.message.bytes") == 0)
        state->message_bytes_max = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "min.insync.replicas") == 0 && strtoul(value, NULL, 10) < state->in_sync_min)
        state->in_sync_min = (uint32_t)strtoul(value, NULL, 10);
}

static void read_configs(survey_t *survey, const rd_kafka_DescribeConfigs_result_t *result)
{
    size_t n, entries_n;
    const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(result, &n);
    for (size_t i = 0; i < n; i++) {
        bus_topic_state_t key = {.name = rd_kafka_ConfigResource_name(resources[i])};
        bus_topic_state_t *state = bsearch(&key, survey->topics, survey->topics_n, sizeof key, by_name);
        if (state == NULL || rd_kafka_ConfigResource_error(resources[i]) != RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resources[i], &entries_n);
        for (size_t j = 0; j < entries_n; j++)
            read_entry(state, rd_kafka_ConfigEntry_name(entries[j]), rd_kafka_ConfigEntry_value(entries[j]));
        state->has_config = true;
    }
}

static void describe(survey_t *survey)
{
    rd_kafka_ConfigResource_t **resources = calloc(survey->topics_n + 1, sizeof(rd_kafka_ConfigResource_t *));
    rd_kafka_queue_t *queue = rd_kafka_queue_new(survey->call.rk);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(survey->call.rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    char text[128];
    size_t n = 0;
    (void)rd_kafka_AdminOptions_set_request_timeout(options, KAFKA_CALL_MS, text, sizeof text);
    for (size_t i = 0; resources != NULL && i < survey->topics_n; i++)
        if ((resources[n] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, survey->topics[i].name)) != NULL)
            n++;
    if (n > 0)
        rd_kafka_DescribeConfigs(survey->call.rk, resources, n, options, queue);
    rd_kafka_event_t *event = n > 0 ? rd_kafka_queue_poll(queue, 2 * KAFKA_CALL_MS) : NULL;
    const rd_kafka_DescribeConfigs_result_t *result =
        event == NULL ? NULL : rd_kafka_event_DescribeConfigs_result(event);
    if (result != NULL)
        read_configs(survey, result);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    if (resources != NULL)
        rd_kafka_ConfigResource_destroy_array(resources, n);
    free(resources);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
}

static void survey_run(kafka_call_t *call)
{
    survey_t *survey = (survey_t *)call;
    const rd_kafka_metadata_t *metadata = NULL;
    survey->again = false;
    rd_kafka_resp_err_t code = rd_kafka_metadata(call->rk, 1, NULL, &metadata, KAFKA_CALL_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        survey_fail(survey, code);
        return;
    }
    if (keep_topics(survey, metadata))
        describe(survey);
    else
        (void)err_set(&survey->err, FANMAP_ENOMEM, "out of memory");
    rd_kafka_metadata_destroy(metadata);
}

/* ---- in the loop ---- */

static void survey_drop(kafka_call_t *call)
{
    survey_t *survey = (survey_t *)call;
    for (size_t i = 0; i < survey->topics_n; i++)
        free((char *)(uintptr_t)survey->topics[i].name);
    free(survey->topics);
    free(survey->prefix);
    free(survey);
}

static void survey_done(kafka_call_t *call)
{
    survey_t *survey = (survey_t *)call;
    if (call->asker != NULL && survey->again && survey->err.code == 0) {
        kafka_call_submit_later(survey->bus, call);
        return;
    }
    if (kafka_call_answered(survey->bus, call))
        survey->fn(survey->arg, survey->topics, survey->topics_n, survey->err.code == 0 ? NULL : &survey->err);
    survey_drop(call);
}

int bus_survey(bus_t *base, const char *prefix, bus_survey_fn fn, void *arg, fanmap_error_t *err)
{
    survey_t *survey = calloc(1, sizeof *survey);
    if (survey == NULL || (survey->prefix = strdup(prefix)) == NULL) {
        free(survey);
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    }
    survey->call = (kafka_call_t){.run = survey_run, .done = survey_done, .drop = survey_drop, .of_producer = true};
    survey->bus = (kafka_bus_t *)base;
    survey->fn = fn;
    survey->arg = arg;
    kafka_call_ask(survey->bus, &survey->call, arg);
    return FANMAP_OK;
}
