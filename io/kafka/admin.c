/* Requests of Kafka's admin interface: what a group has committed, deleting records or a topic for good. One attempt each;
 * who asks asks again. */
#include <stdlib.h>
#include <string.h>

#include "io/kafka/blocking_call.h"
#include "io/kafka/config.h"
#include "io/kafka/events.h"
#include "io/kafka/requests.h"
#include "io/kafka/rights.h"
#include "io/kafka/topics.h"

typedef struct {
    kafka_call_t call;
    kafka_bus_t *bus;
    char *topic, *group;
    int32_t partition; /* delete */
    int64_t offset;
    uint32_t n; /* committed */
    int64_t *offsets;
    fanmap_error_t err;
    bus_offsets_fn offsets_fn;
    void (*deleted_fn)(void *arg, const fanmap_error_t *err);
    void *arg;
} admin_t;

static void admin_drop(kafka_call_t *call)
{
    admin_t *admin = (admin_t *)call;
    free(admin->topic);
    free(admin->group);
    free(admin->offsets);
    free(admin);
}

static void admin_fail(admin_t *admin, rd_kafka_resp_err_t code, const char *operation)
{
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    if (kafka_error_class(code) == FANMAP_EREFUSED)
        kafka_refusal(admin->bus, code,
                      admin->group == NULL ? KAFKA_WANTED(operation, admin->topic)
                                           : KAFKA_WANTED_GROUP(operation, admin->group),
                      rd_kafka_err2str(code), &admin->err);
    else
        (void)err_set_retry(&admin->err, FANMAP_EUNREACHABLE, "topic %s: %s", admin->topic, rd_kafka_err2str(code));
}

/* The answer to one request; NULL: none in time. */
static rd_kafka_event_t *answer(rd_kafka_queue_t *queue)
{
    return rd_kafka_queue_poll(queue, 2 * KAFKA_CALL_MS);
}

static rd_kafka_AdminOptions_t *options_new(rd_kafka_t *rk, rd_kafka_admin_op_t op)
{
    char text[128];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, op);
    (void)rd_kafka_AdminOptions_set_request_timeout(options, KAFKA_CALL_MS, text, sizeof text);
    return options;
}

/* ---- committed ---- */

static void take_offsets(admin_t *admin, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *element = &list->elems[i];
        if (element->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            admin_fail(admin, element->err, "Describe");
        else if (element->offset >= 0)
            admin->offsets[element->partition] = element->offset;
    }
}

/* By a handle of the group that never joins it: the request that does without (ListConsumerGroupOffsets) brings 2.0.2
 * down where the group has no coordinator yet. */
static void committed_run(kafka_call_t *call)
{
    admin_t *admin = (admin_t *)call;
    rd_kafka_t *rk = NULL;
    if (kafka_handle_new(admin->bus, KAFKA_GROUP, admin->group, &rk, &admin->err) != FANMAP_OK)
        return;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)admin->n);
    for (uint32_t i = 0; i < admin->n; i++)
        rd_kafka_topic_partition_list_add(list, admin->topic, (int32_t)i);
    rd_kafka_resp_err_t code = rd_kafka_committed(rk, list, 2 * KAFKA_CALL_MS);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        take_offsets(admin, list);
    else
        admin_fail(admin, code, "Describe");
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static void committed_done(kafka_call_t *call)
{
    admin_t *admin = (admin_t *)call;
    admin->offsets_fn(admin->arg, admin->offsets, admin->n, admin->err.code == 0 ? NULL : &admin->err);
    admin_drop(call);
}

/* ---- deleting ---- */

static void delete_run(kafka_call_t *call)
{
    admin_t *admin = (admin_t *)call;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(call->rk);
    rd_kafka_AdminOptions_t *options = options_new(call->rk, RD_KAFKA_ADMIN_OP_DELETERECORDS);
    rd_kafka_topic_partition_list_t *before = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(before, admin->topic, admin->partition)->offset = admin->offset;
    rd_kafka_DeleteRecords_t *request = rd_kafka_DeleteRecords_new(before);
    rd_kafka_DeleteRecords(call->rk, &request, 1, options, queue);
    rd_kafka_event_t *event = answer(queue);
    const rd_kafka_DeleteRecords_result_t *result = event == NULL ? NULL : rd_kafka_event_DeleteRecords_result(event);
    if (event != NULL && rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        admin_fail(admin, rd_kafka_event_error(event), "Delete");
    else if (result == NULL || rd_kafka_DeleteRecords_result_offsets(result)->cnt != 1)
        admin_fail(admin, RD_KAFKA_RESP_ERR__TIMED_OUT, "Delete");
    else
        admin_fail(admin, rd_kafka_DeleteRecords_result_offsets(result)->elems[0].err, "Delete");
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_DeleteRecords_destroy(request);
    rd_kafka_topic_partition_list_destroy(before);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
}

static void delete_topic_run(kafka_call_t *call)
{
    admin_t *admin = (admin_t *)call;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(call->rk);
    rd_kafka_AdminOptions_t *options = options_new(call->rk, RD_KAFKA_ADMIN_OP_DELETETOPICS);
    rd_kafka_DeleteTopic_t *request = rd_kafka_DeleteTopic_new(admin->topic);
    rd_kafka_DeleteTopics(call->rk, &request, 1, options, queue);
    rd_kafka_event_t *event = answer(queue);
    const rd_kafka_DeleteTopics_result_t *result = event == NULL ? NULL : rd_kafka_event_DeleteTopics_result(event);
    size_t n = 0;
    const rd_kafka_topic_result_t **topics = result == NULL ? NULL : rd_kafka_DeleteTopics_result_topics(result, &n);
    if (event != NULL && rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        admin_fail(admin, rd_kafka_event_error(event), "Delete");
    else if (n != 1)
        admin_fail(admin, RD_KAFKA_RESP_ERR__TIMED_OUT, "Delete");
    else if (rd_kafka_topic_result_error(topics[0]) != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        admin_fail(admin, rd_kafka_topic_result_error(topics[0]), "Delete");
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_DeleteTopic_destroy(request);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
}

static void delete_done(kafka_call_t *call)
{
    admin_t *admin = (admin_t *)call;
    admin->deleted_fn(admin->arg, admin->err.code == 0 ? NULL : &admin->err);
    admin_drop(call);
}

/* ---- asking ---- */

static admin_t *admin_new(const kafka_topic_t *topic, const char *group, uint32_t n, void *arg)
{
    admin_t *admin = calloc(1, sizeof *admin);
    if (admin == NULL)
        return NULL;
    admin->bus = topic->bus;
    admin->arg = arg;
    admin->n = n;
    admin->topic = strdup(topic->name);
    admin->group = group == NULL ? NULL : strdup(group);
    admin->offsets = malloc((n + 1) * sizeof *admin->offsets);
    if (admin->topic != NULL && admin->offsets != NULL && (group == NULL || admin->group != NULL)) {
        for (uint32_t i = 0; i < n; i++)
            admin->offsets[i] = -1;
        return admin;
    }
    admin_drop(&admin->call);
    return NULL;
}

int kafka_query_committed(bus_topic_t *base, const char *group_id, uint32_t n, bus_offsets_fn fn, void *arg,
                          fanmap_error_t *err)
{
    admin_t *admin = admin_new((kafka_topic_t *)base, group_id, n, arg);
    if (admin == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    admin->call = (kafka_call_t){.run = committed_run, .done = committed_done, .drop = admin_drop, .of_producer = true};
    admin->offsets_fn = fn;
    kafka_call_submit(admin->bus, &admin->call);
    return FANMAP_OK;
}

int kafka_delete_before(bus_topic_t *base, int32_t partition, int64_t offset,
                        void (*fn)(void *arg, const fanmap_error_t *err), void *arg, fanmap_error_t *err)
{
    admin_t *admin = admin_new((kafka_topic_t *)base, NULL, 0, arg);
    if (admin == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    admin->call = (kafka_call_t){.run = delete_run, .done = delete_done, .drop = admin_drop, .of_producer = true};
    admin->partition = partition;
    admin->offset = offset;
    admin->deleted_fn = fn;
    kafka_call_submit(admin->bus, &admin->call);
    return FANMAP_OK;
}

int kafka_delete_topic(bus_topic_t *base, void (*fn)(void *arg, const fanmap_error_t *err), void *arg,
                       fanmap_error_t *err)
{
    admin_t *admin = admin_new((kafka_topic_t *)base, NULL, 0, arg);
    if (admin == NULL)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    admin->call = (kafka_call_t){.run = delete_topic_run, .done = delete_done, .drop = admin_drop, .of_producer = true};
    admin->deleted_fn = fn;
    kafka_call_submit(admin->bus, &admin->call);
    return FANMAP_OK;
}
