#include "io/kafka/recent.h"

static void drop_oldest(kafka_recent_t *recent)
{
    rd_kafka_message_t *oldest = recent->messages[recent->first];
    recent->first = (recent->first + 1) % KAFKA_RECENT_MAX;
    recent->n--;
    recent->bytes -= oldest->len + oldest->key_len;
    recent->from = oldest->offset + 1;
    rd_kafka_message_destroy(oldest);
}

void kafka_recent_add(kafka_recent_t *recent, rd_kafka_message_t *message)
{
    if (recent->n == KAFKA_RECENT_MAX)
        drop_oldest(recent);
    recent->messages[(recent->first + recent->n++) % KAFKA_RECENT_MAX] = message;
    recent->bytes += message->len + message->key_len;
    while (recent->bytes > KAFKA_RECENT_BYTES && recent->n > 1)
        drop_oldest(recent);
    if (recent->from < 0)
        recent->from = message->offset;
}

const rd_kafka_message_t *kafka_recent_at(const kafka_recent_t *recent, size_t i)
{
    return recent->messages[(recent->first + i) % KAFKA_RECENT_MAX];
}

void kafka_recent_clear(kafka_recent_t *recent)
{
    while (recent->n > 0)
        drop_oldest(recent);
}
