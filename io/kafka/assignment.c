/* Where assigned partitions begin: at what was committed, or at the low watermark.
 *
 * We read the commits ourselves, because their metadata is wanted and librdkafka would start a partition that has none
 * according to auto.offset.reset. Both calls block, so the helper makes them. Until they are answered the assignment is
 * held back. */
#include <stdlib.h>

#include "io/kafka/kafka.h"

typedef struct {
    kafka_ask_t ask;
    kafka_bus_t *bus;
    const kafka_group_t *group; /* if it still is there ... */
    uint64_t number;            /* ... and asked for this */
    rd_kafka_topic_partition_list_t *list;
    int64_t *lows; /* -1: committed, nobody asked */
    rd_kafka_resp_err_t failed;
} start_t;

/* Of those without a commit, in one request a broker however many there are. */
static rd_kafka_resp_err_t look_up_lows(start_t *start)
{
    const rd_kafka_topic_partition_list_t *all = start->list;
    rd_kafka_topic_partition_list_t *asked = rd_kafka_topic_partition_list_new(all->cnt);
    for (int i = 0; i < all->cnt; i++)
        if (all->elems[i].offset < 0)
            rd_kafka_topic_partition_list_add(asked, all->elems[i].topic, all->elems[i].partition)->offset =
                RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (asked->cnt > 0)
        code = rd_kafka_offsets_for_times(start->ask.rk, asked, KAFKA_ASK_MS);
    for (int i = 0, n = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < all->cnt; i++) {
        if (all->elems[i].offset >= 0)
            continue;
        code = asked->elems[n].err;
        start->lows[i] = asked->elems[n++].offset;
    }
    rd_kafka_topic_partition_list_destroy(asked);
    return code;
}

static void start_run(kafka_ask_t *ask)
{
    start_t *start = (start_t *)ask;
    start->failed = rd_kafka_committed(ask->rk, start->list, KAFKA_ASK_MS);
    for (int i = 0; start->failed == RD_KAFKA_RESP_ERR_NO_ERROR && i < start->list->cnt; i++) {
        start->lows[i] = -1;
        start->failed = start->list->elems[i].err;
    }
    if (start->failed == RD_KAFKA_RESP_ERR_NO_ERROR)
        start->failed = look_up_lows(start);
}

static void start_free(kafka_ask_t *ask)
{
    start_t *start = (start_t *)ask;
    if (start->list != NULL)
        rd_kafka_topic_partition_list_destroy(start->list);
    free(start->lows);
    free(start);
}

static kafka_group_t *find_group(const start_t *start)
{
    kafka_group_t *group = start->bus->groups;
    while (group != NULL && (group != start->group || group->asked != start->number))
        group = group->next;
    return group;
}

static void start_done(kafka_ask_t *ask)
{
    start_t *start = (start_t *)ask;
    kafka_group_t *group = find_group(start);
    if (group == NULL || group->leaving) {
        start_free(ask);
        return;
    }
    if (start->failed != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (kafka_error_class(start->failed) == FANMAP_EREFUSED)
            kafka_refused(group->bus, start->failed, KAFKA_WANTED("Read", start->list->elems[0].topic), NULL);
        start_free(ask);
        kafka_group_start_later(group);
        return;
    }
    kafka_group_begin(group, start->list, start->lows);
    start_free(ask);
}

static start_t *start_new(kafka_group_t *group)
{
    start_t *start = calloc(1, sizeof *start);
    if (start == NULL)
        return NULL;
    start->ask = (kafka_ask_t){.run = start_run, .done = start_done, .drop = start_free, .rk = group->rk};
    start->bus = group->bus;
    start->group = group;
    start->list = rd_kafka_topic_partition_list_copy(group->starting);
    start->lows = calloc((size_t)group->starting->cnt + 1, sizeof *start->lows);
    if (start->lows != NULL)
        return start;
    start_free(&start->ask);
    return NULL;
}

void kafka_group_start(kafka_group_t *group)
{
    start_t *start = start_new(group);
    if (start == NULL) {
        kafka_group_start_later(group);
        return;
    }
    start->number = group->asked = ++group->bus->asked;
    kafka_ask(group->bus, &start->ask);
}

void kafka_group_start_again(void *arg)
{
    kafka_group_t *group = arg;
    if (group->starting != NULL)
        kafka_group_start(group);
}

void kafka_group_start_later(kafka_group_t *group)
{
    loop_timer_at(group->start_again, loop_now_ms(group->bus->loop) + KAFKA_RETRY_MS);
}
