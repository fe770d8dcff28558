/* More partitions for a topic that is there. */
#include "io/kafka/topics.h"

static rd_kafka_resp_err_t judge(const rd_kafka_event_t *event)
{
    size_t n = 0;
    const rd_kafka_CreatePartitions_result_t *result =
        event == NULL ? NULL : rd_kafka_event_CreatePartitions_result((rd_kafka_event_t *)(uintptr_t)event);
    if (result == NULL)
        return RD_KAFKA_RESP_ERR__TIMED_OUT;
    const rd_kafka_topic_result_t **topics = rd_kafka_CreatePartitions_result_topics(result, &n);
    rd_kafka_resp_err_t code = n == 1 ? rd_kafka_topic_result_error(topics[0]) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    return code == RD_KAFKA_RESP_ERR_INVALID_PARTITIONS ? RD_KAFKA_RESP_ERR_NO_ERROR : code;
}

rd_kafka_resp_err_t kafka_grow(rd_kafka_t *rk, const char *name, uint32_t partitions)
{
    char text[128];
    rd_kafka_NewPartitions_t *wanted = rd_kafka_NewPartitions_new(name, partitions, text, sizeof text);
    if (wanted == NULL)
        return RD_KAFKA_RESP_ERR__INVALID_ARG;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS);
    (void)rd_kafka_AdminOptions_set_request_timeout(options, KAFKA_CALL_MS, text, sizeof text);
    rd_kafka_CreatePartitions(rk, &wanted, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 2 * KAFKA_CALL_MS);
    rd_kafka_resp_err_t code = judge(event);
    if (event != NULL && rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        code = rd_kafka_event_error(event);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewPartitions_destroy(wanted);
    return code;
}
