/* What comes of one fetcher, in turns: messages go to its readers, late readers catch up first. Whatever a callback closes is
 * freed at the end of the turn; who joins in one is late, and catches up in the same turn or the next. */
#include "io/kafka/fetcher.h"

#include "io/kafka/bus.h"
#include "io/kafka/events.h"
#include "io/kafka/reader.h"
#include "io/kafka/records.h"
#include "io/kafka/rights.h"
#include "io/kafka/topics.h"

/* ---- records ---- */

static bool is_open(const kafka_reader_t *reader)
{
    return !reader->held && !reader->over && !reader->closed;
}

/* What is sure to be for somebody, or for nobody at all. */
static bool is_wanted(const kafka_fetcher_t *fetcher)
{
    if (fetcher->fault != 0)
        return false;
    for (const kafka_reader_t *reader = fetcher->readers; reader != NULL; reader = reader->peer)
        if (is_open(reader))
            return true;
    return fetcher->readers == NULL && fetcher->idle_bytes <= KAFKA_IDLE_BYTES;
}

static void show(kafka_reader_t *reader, const rd_kafka_message_t *message)
{
    reader->position = message->offset + 1;
    kafka_show(reader->bus, message, message->partition, true, reader->callbacks.record, reader->arg);
}

static void show_end(kafka_reader_t *reader, int64_t end)
{
    if (reader->callbacks.at_end != NULL)
        reader->callbacks.at_end(reader->arg, end);
}

/* True: it has all that was fetched. */
static bool show_recent(kafka_reader_t *reader)
{
    kafka_fetcher_t *fetcher = reader->fetcher;
    for (size_t i = 0; i < fetcher->recent.n && is_open(reader); i++)
        if (kafka_recent_at(&fetcher->recent, i)->offset >= reader->position)
            show(reader, kafka_recent_at(&fetcher->recent, i));
    if (!is_open(reader))
        return false;
    if (fetcher->fault != 0 && reader->is_guest)
        kafka_fetcher_split(reader);
    else if (fetcher->fault != 0)
        kafka_reader_fault(reader, fetcher->fault);
    else if (fetcher->end >= reader->position && fetcher->end == fetcher->position)
        show_end(reader, fetcher->end);
    return true;
}

static void catch_up(kafka_fetcher_t *fetcher)
{
    fetcher->has_late = false;
    for (kafka_reader_t *reader = fetcher->readers, *peer; reader != NULL; reader = peer) {
        peer = reader->peer;
        if (!reader->is_late || !is_open(reader))
            continue;
        if (fetcher->is_shared && reader->position < fetcher->recent.from)
            kafka_fetcher_split(reader);
        else if (show_recent(reader) && reader->fetcher == fetcher)
            reader->is_late = false;
    }
}

static void share(kafka_fetcher_t *fetcher, rd_kafka_message_t *message)
{
    kafka_recent_add(&fetcher->recent, message);
    if (fetcher->readers == NULL)
        fetcher->idle_bytes += (int64_t)(message->len + message->key_len);
    for (kafka_reader_t *reader = fetcher->readers; reader != NULL; reader = reader->peer) {
        if (!is_open(reader))
            reader->is_late = true;
        else if (!reader->is_late && message->offset >= reader->position)
            show(reader, message);
    }
}

static void on_message(kafka_fetcher_t *fetcher, rd_kafka_message_t *message)
{
    fetcher->position = message->offset + 1;
    kafka_fetch_nudge(&fetcher->nudge, fetcher->topic, fetcher->client->rk, message);
    if (fetcher->is_shared) {
        share(fetcher, message);
        return;
    }
    kafka_reader_t *reader = fetcher->readers;
    reader->position = fetcher->position;
    if (kafka_hand_out(fetcher->bus, message, fetcher->partition, true, reader->callbacks.record, reader->arg))
        fetcher->client->must_stay = true;
}

static void on_end(kafka_fetcher_t *fetcher, int64_t end)
{
    fetcher->end = end;
    if (fetcher->position < end)
        fetcher->position = end;
    for (kafka_reader_t *reader = fetcher->readers; reader != NULL; reader = reader->peer)
        if (is_open(reader) && !reader->is_late && end >= reader->position)
            show_end(reader, end);
}

void kafka_fetcher_fail(kafka_fetcher_t *fetcher, rd_kafka_resp_err_t fault)
{
    fetcher->fault = fault;
    fetcher->has_late = true;
    for (kafka_reader_t *reader = fetcher->readers; reader != NULL; reader = reader->peer)
        reader->is_late = true;
    kafka_source_again(&fetcher->source);
}

void kafka_fetcher_resume(kafka_reader_t *reader)
{
    reader->fetcher->has_late |= reader->is_late;
    kafka_source_again(&reader->fetcher->source);
}

static void on_event(kafka_fetcher_t *fetcher, const rd_kafka_message_t *message)
{
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        on_end(fetcher, message->offset);
        break;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        if (!kafka_fetcher_begins_later(fetcher))
            kafka_fetcher_fail(fetcher, message->err);
        break;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        kafka_fetcher_fail(fetcher, message->err);
        break;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        kafka_refused(fetcher->bus, message->err, KAFKA_WANTED("Read", fetcher->topic->name), NULL);
        break;
    default:
        kafka_error(fetcher->bus, message->err, rd_kafka_message_errstr(message));
    }
}

bool kafka_fetcher_turn(void *arg)
{
    kafka_fetcher_t *fetcher = arg;
    kafka_budget_t budget = kafka_budget();
    bool more = true;
    fetcher->in_turn = true;
    while (more && kafka_budget_spend(&budget)) {
        if (fetcher->has_late)
            catch_up(fetcher);
        if (!is_wanted(fetcher))
            break;
        rd_kafka_message_t *message = rd_kafka_consume_queue(fetcher->queue, 0);
        more = message != NULL;
        if (more && message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            on_message(fetcher, message);
        } else if (more) {
            on_event(fetcher, message);
            rd_kafka_message_destroy(message);
        }
    }
    fetcher->in_turn = false;
    return kafka_fetcher_sweep(fetcher) && more && (fetcher->has_late || is_wanted(fetcher));
}
