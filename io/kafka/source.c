/* librdkafka writes to an event descriptor when one of its queues goes from empty to non-empty, once until the queue is
 * polled again. So a turn must empty the queues, or ask to be run again. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/kafka/source.h"

static void source_run_again(void *arg);

static void run(kafka_source_t *source)
{
    if (source->turn(source->arg) && source->fd >= 0)
        kafka_source_again(source);
}

static void source_event(void *arg, int fd, unsigned events)
{
    kafka_source_t *source = arg;
    uint64_t count;
    (void)events;
    /* Emptied before the queues: what comes in after the turn has looked at a queue makes it readable again. */
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN && errno != EINTR)
        return;
    if (!source->again) /* else that turn does it */
        run(source);
}

static void source_run_again(void *arg)
{
    kafka_source_t *source = arg;
    source->again = false;
    run(source);
}

int kafka_source_open(kafka_source_t *source, loop_t *loop, kafka_turn_fn turn, void *arg, fanmap_error_t *err)
{
    *source = (kafka_source_t){.loop = loop, .turn = turn, .arg = arg};
    source->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (source->fd < 0)
        return err_set(err, FANMAP_EIO, "cannot make an event descriptor: %s", strerror(errno));
    int code = loop_watch_add(loop, source->fd, LOOP_READ, source_event, source, &source->watch, err);
    if (code != FANMAP_OK) {
        close(source->fd);
        source->fd = -1;
    }
    return code;
}

void kafka_source_close(kafka_source_t *source)
{
    if (source->loop == NULL || source->fd < 0)
        return;
    loop_watch_remove(source->watch);
    loop_defer_cancel(source->loop, source_run_again, source);
    close(source->fd);
    source->fd = -1;
}

void kafka_source_feed(kafka_source_t *source, rd_kafka_queue_t *queue)
{
    uint64_t one = 1;
    rd_kafka_queue_io_event_enable(queue, source->fd, &one, sizeof one);
    kafka_source_again(source);
}

static void on_news(rd_kafka_t *rk, void *arg)
{
    kafka_flag_t *flag = arg;
    uint64_t one = 1;
    (void)rk;
    kafka_flag_set(flag);
    (void)!write(flag->fd, &one, sizeof one); /* full means that it is readable already */
}

void kafka_source_feed_flagged(const kafka_source_t *source, rd_kafka_queue_t *queue, kafka_flag_t *flag)
{
    *flag = (kafka_flag_t){.fd = source->fd, .has_news = true};
    rd_kafka_queue_cb_event_enable(queue, on_news, flag);
}

bool kafka_flag_take(kafka_flag_t *flag)
{
    return __atomic_load_n(&flag->has_news, __ATOMIC_RELAXED) &&
           __atomic_exchange_n(&flag->has_news, false, __ATOMIC_SEQ_CST);
}

void kafka_flag_set(kafka_flag_t *flag)
{
    __atomic_store_n(&flag->has_news, true, __ATOMIC_SEQ_CST);
}

void kafka_source_unfeed(rd_kafka_queue_t *queue)
{
    if (queue != NULL)
        rd_kafka_queue_io_event_enable(queue, -1, NULL, 0);
}

void kafka_source_again(kafka_source_t *source)
{
    if (source->again || source->fd < 0)
        return;
    source->again = true;
    loop_defer(source->loop, source_run_again, source);
}

kafka_budget_t kafka_budget(void)
{
    return (kafka_budget_t){.left = KAFKA_TURN_RECORDS, .until_ms = loop_clock_ms() + KAFKA_TURN_MS};
}

bool kafka_budget_spend(kafka_budget_t *budget)
{
    if (budget->left > 0 && budget->left % 64 == 0 && loop_clock_ms() >= budget->until_ms)
        budget->left = 0;
    if (budget->left == 0)
        return false;
    budget->left--;
    return true;
}
