/* What Kafka refuses of a transaction for good, in one line: the library says only that the transaction failed. */
#include <stdio.h>
#include <string.h>

#include "io/kafka/events.h"
#include "io/kafka/rights.h"
#include "io/kafka/writer.h"

static void refuse(kafka_writer_t *writer, rd_kafka_resp_err_t code, const char *topic, size_t bytes)
{
    fanmap_error_t *err = &writer->refused;
    switch (code) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        err_set(err, FANMAP_EUSAGE, "topic %s takes no record of %zu bytes: raise its max.message.bytes", topic, bytes);
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        err_set(err, FANMAP_EUSAGE, "topic %s is not there any more", topic);
        break;
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
        err_set(err, FANMAP_EUSAGE, "topic %s refuses the record: %s", topic, rd_kafka_err2str(code));
        break;
    default:
        if (kafka_error_class(code) == FANMAP_EREFUSED)
            kafka_refusal(writer->bus, code, KAFKA_WANTED("Write", topic), rd_kafka_err2str(code), err);
        break;
    }
}

static void take_reports(kafka_writer_t *writer, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *message;
    while ((message = rd_kafka_event_message_next(event)) != NULL) {
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        kafka_writer_failed(writer);
        if (writer->refused.code == 0)
            refuse(writer, message->err, rd_kafka_topic_name(message->rkt), message->len + message->key_len);
    }
}

/* Which topic may not be written in a transaction, the library says in a log line alone: Failed to add partition "TOPIC" [0] ... */
static bool take_denied(kafka_writer_t *writer, rd_kafka_event_t *event)
{
    const rd_kafka_resp_err_t denied = RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    const char *facility = NULL, *text = NULL, *why = rd_kafka_err2str(denied);
    char topic[256];
    int level;
    if (rd_kafka_event_type(event) != RD_KAFKA_EVENT_LOG || rd_kafka_event_log(event, &facility, &text, &level) != 0 ||
        facility == NULL || strcmp(facility, "ADDPARTS") != 0 || strstr(text, why) == NULL ||
        (text = strchr(text, '"')) == NULL)
        return false;
    (void)snprintf(topic, sizeof topic, "%.*s", (int)strcspn(text + 1, "\""), text + 1);
    if (writer->refused.code == 0)
        kafka_refusal(writer->bus, denied, KAFKA_WANTED("Write", topic), why, &writer->refused);
    return true;
}

/* What follows from what was refused is no news. */
static bool is_echo(const kafka_writer_t *writer, rd_kafka_event_t *event)
{
    return writer->refused.code != 0 && rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR &&
           kafka_error_class(rd_kafka_event_error(event)) == 0;
}

void kafka_writer_event(kafka_writer_t *writer, rd_kafka_event_t *event)
{
    const rd_kafka_resp_err_t id_refused = RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    bool is_error = rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR;
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
        take_reports(writer, event);
    else if (is_error && rd_kafka_event_error(event) == id_refused)
        kafka_refused(writer->bus, id_refused, KAFKA_WANTED("Write", writer->id), NULL);
    else if (!take_denied(writer, event) && !is_echo(writer, event)) {
        kafka_event(writer->bus, event);
        return;
    }
    rd_kafka_event_destroy(event);
}

void kafka_writer_explain(kafka_writer_t *writer, rd_kafka_resp_err_t code, fanmap_error_t *err)
{
    if (err->code == 0)
        return;
    if (writer->refused.code != 0)
        *err = writer->refused;
    else if (code == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
        kafka_refusal(writer->bus, code, KAFKA_WANTED("Write", writer->id), rd_kafka_err2str(code), err);
    else if (code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
             code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH)
        err->code = FANMAP_ECONFLICT;
    else if (kafka_error_class(code) == FANMAP_EREFUSED)
        kafka_refusal(writer->bus, code, NULL, err->message, err);
    else if (kafka_error_class(code) != 0)
        err->code = kafka_error_class(code);
}
