#include "io/kafka/lanes.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/invariant.h"
#include "io/kafka/topics.h"

kafka_lane_t *kafka_lane_get(kafka_topic_t *topic, int32_t partition)
{
    size_t i = (size_t)partition;
    if (i >= topic->lanes_n) {
        if (!array_extend(topic->lanes, topic->lanes_n, i + 1))
            return NULL;
        topic->lanes_n = i + 1;
    }
    kafka_lane_t *lane = topic->lanes[i];
    if (lane != NULL || (lane = calloc(1, sizeof *lane)) == NULL)
        return lane;
    lane->topic = topic;
    lane->partition = partition;
    topic->lanes[i] = lane;
    return lane;
}

static void list_if_ready(kafka_producer_t *producer, kafka_lane_t *lane)
{
    if (lane->is_ready || lane->first == NULL || lane->inflight_n >= KAFKA_LANE_INFLIGHT_MAX ||
        (lane->gathers && lane->unsent_n < KAFKA_LANE_FULL))
        return;
    lane->is_ready = true;
    lane->ready_next = NULL;
    if (producer->ready_last != NULL)
        producer->ready_last->ready_next = lane;
    else
        producer->ready = lane;
    producer->ready_last = lane;
    producer->ready_n += lane->unsent_n;
}

void kafka_lane_append(kafka_producer_t *producer, kafka_lane_t *lane, kafka_record_t *record)
{
    record->lane_next = NULL;
    if (lane->last != NULL)
        lane->last->lane_next = record;
    else
        lane->first = record;
    lane->last = record;
    lane->unsent_n++;
    producer->unsent_n++;
    producer->ready_n += lane->is_ready;
    list_if_ready(producer, lane);
}

kafka_lane_t *kafka_lane_next(kafka_producer_t *producer)
{
    kafka_lane_t *lane = producer->ready;
    if (lane == NULL)
        return NULL;
    producer->ready = lane->ready_next;
    if (producer->ready == NULL)
        producer->ready_last = NULL;
    producer->ready_n -= lane->unsent_n;
    lane->is_ready = false;
    return lane;
}

void kafka_lane_sent(kafka_producer_t *producer, kafka_lane_t *lane, kafka_record_t *rest, size_t n)
{
    invariant(n <= lane->unsent_n && (rest == NULL) == (n == lane->unsent_n));
    lane->first = rest;
    if (rest == NULL)
        lane->last = NULL;
    lane->unsent_n -= n;
    lane->inflight_n += n;
    producer->unsent_n -= n;
    list_if_ready(producer, lane);
}

void kafka_lane_gather(kafka_producer_t *producer, kafka_lane_t *lane, int64_t now_ms)
{
    int64_t gather_ms = (int64_t)(lane->unsent_n / KAFKA_LANE_RECORDS_A_MS);
    if (lane->gathers || gather_ms == 0)
        return;
    lane->gathers = true;
    lane->due_ms = now_ms + (gather_ms < KAFKA_LANE_GATHER_MAX_MS ? gather_ms : KAFKA_LANE_GATHER_MAX_MS);
    kafka_lane_t **at = &producer->gathering;
    while (*at != NULL && (*at)->due_ms <= lane->due_ms)
        at = &(*at)->gather_next;
    lane->gather_next = *at;
    *at = lane;
}

void kafka_lanes_gathered(kafka_producer_t *producer, int64_t now_ms)
{
    kafka_lane_t *lane;
    while ((lane = producer->gathering) != NULL && lane->due_ms <= now_ms) {
        producer->gathering = lane->gather_next;
        lane->gathers = false;
        list_if_ready(producer, lane);
    }
}

void kafka_lane_reported(kafka_producer_t *producer, kafka_lane_t *lane)
{
    invariant(lane->inflight_n > 0);
    lane->inflight_n--;
    list_if_ready(producer, lane);
}

void kafka_lanes_restart(kafka_producer_t *producer)
{
    kafka_record_t *record;
    kafka_lanes_gathered(producer, INT64_MAX);
    while (kafka_lane_next(producer) != NULL)
        ;
    for (record = producer->first; record != NULL; record = record->next)
        *record->lane = (kafka_lane_t){.topic = record->topic, .partition = record->partition};
    producer->unsent_n = producer->ready_n = 0;
    for (record = producer->first; record != NULL; record = record->next)
        kafka_lane_append(producer, record->lane, record);
}

void kafka_lanes_free(kafka_topic_t *topic)
{
    for (size_t i = 0; i < topic->lanes_n; i++)
        free(topic->lanes[i]);
    free(topic->lanes);
}
