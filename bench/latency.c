/* How long one item, and one small map, takes over a connection that is warm: percentiles in microseconds.
 *
 *   latency items N          one open map: push an item, wait for its outcome, N times
 *   latency maps N           N whole maps of one item, one after the other, on one connection
 *   latency many N EACH AT   N maps of EACH items, AT of them open at a time; whole maps are timed
 *   latency raw N            one record to an echo process of plain librdkafka and back, N times, linger 0
 *
 * The fleet comes from the environment (FANMAP_BROKERS, FANMAP_REDIS, FANMAP_NAMESPACE); LATENCY_LOCAL=TASKS.so runs
 * embedded. The task is `noop`. The first tenth warms up and is not counted.
 */
#include <fanmap/fanmap.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/program.h"
#include "bench/raw_topics.h"

enum { OPEN_MAX = 4096, WAIT_MS = 60000 };

static double now_us(void)
{
    return now_s() * 1e6;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(double *us, size_t n)
{
    size_t skip = n / 10;
    us += skip;
    n -= skip;
    qsort(us, n, sizeof *us, ascending);
    printf("%.0f %.0f %.0f %zu\n", us[n / 2], us[n * 99 / 100], us[n - 1], n);
}

/* ---- maps ---- */

static fanmap_t *open_fleet(fanmap_options_t **ret_options)
{
    fanmap_options_t *options;
    fanmap_error_t err;
    fanmap_t *f;
    const char *tasks = getenv("LATENCY_LOCAL");
    if (fanmap_options_new(&options) != FANMAP_OK)
        die("options", "no memory");
    if (tasks &&
        (fanmap_options_set(options, "local", "true", &err) || fanmap_options_set(options, "tasks", tasks, &err)))
        die("options", err.message);
    if (fanmap_options_load(options, NULL, &err) != FANMAP_OK ||
        fanmap_open(options, NULL, NULL, &f, &err) != FANMAP_OK)
        die("open", err.message);
    *ret_options = options;
    return f;
}

static fanmap_job_t *begin_map(fanmap_t *f, const fanmap_options_t *options)
{
    fanmap_job_t *job;
    fanmap_error_t err;
    if (fanmap_map(f, "noop", options, &job, &err) != FANMAP_OK)
        die("map", err.message);
    return job;
}

static void push(fanmap_job_t *job, int item)
{
    char text[16];
    fanmap_error_t err;
    const fanmap_outcome_t *outcome;
    int len = snprintf(text, sizeof text, "%d", item), code;
    while ((code = fanmap_push(job, FANMAP_JSON, text, (size_t)len, &err)) == FANMAP_AGAIN)
        if (fanmap_next(job, WAIT_MS, &outcome, &err) < 0)
            die("push", err.message);
    if (code < 0)
        die("push", err.message);
}

static int next(fanmap_job_t *job)
{
    const fanmap_outcome_t *outcome;
    fanmap_error_t err;
    int code;
    while ((code = fanmap_next(job, WAIT_MS, &outcome, &err)) == FANMAP_AGAIN)
        ;
    if (code < 0 || (code == FANMAP_OK && outcome->kind != FANMAP_VALUE))
        die("next", code < 0 ? err.message : outcome->message);
    return code;
}

static void time_items(size_t n, double *us)
{
    fanmap_options_t *options;
    fanmap_t *f = open_fleet(&options);
    fanmap_job_t *job = begin_map(f, options);
    for (size_t i = 0; i < n; i++) {
        double began = now_us();
        push(job, (int)i);
        next(job);
        us[i] = now_us() - began;
    }
    if (fanmap_end_input(job, NULL, NULL) != FANMAP_OK || next(job) != FANMAP_END)
        die("items", "the map did not end");
    fanmap_job_close(job, false);
    fanmap_close(f);
    fanmap_options_free(options);
}

static void time_maps(size_t n, double *us)
{
    fanmap_options_t *options;
    fanmap_t *f = open_fleet(&options);
    for (size_t i = 0; i < n; i++) {
        double began = now_us();
        fanmap_job_t *job = begin_map(f, options);
        push(job, (int)i);
        if (fanmap_end_input(job, NULL, NULL) != FANMAP_OK || next(job) != FANMAP_OK || next(job) != FANMAP_END)
            die("maps", "a map did not give its one outcome");
        us[i] = now_us() - began;
        fanmap_job_close(job, false);
    }
    fanmap_close(f);
    fanmap_options_free(options);
}

typedef struct {
    fanmap_job_t *job;
    double began;
    size_t seen;
} open_map_t;

static void start_one(fanmap_t *f, const fanmap_options_t *options, open_map_t *map, int each)
{
    *map = (open_map_t){begin_map(f, options), now_us(), 0};
    for (int i = 0; i < each; i++)
        push(map->job, i);
    if (fanmap_end_input(map->job, NULL, NULL) != FANMAP_OK)
        die("many", "the input did not end");
}

static void time_many(size_t n, int each, size_t at, double *us)
{
    static open_map_t maps[OPEN_MAX];
    fanmap_options_t *options;
    fanmap_t *f = open_fleet(&options);
    size_t begun = 0, ended = 0;
    at = at < OPEN_MAX ? at : OPEN_MAX;
    while (begun < at && begun < n)
        start_one(f, options, &maps[begun++], each);
    while (ended < n) {
        fanmap_job_t *job;
        const fanmap_outcome_t *outcome;
        fanmap_error_t err;
        int code = fanmap_next_any(f, WAIT_MS, &job, &outcome, &err);
        if (code < 0)
            die("many", err.message);
        size_t i = 0;
        while (code != FANMAP_AGAIN && maps[i].job != job)
            i++;
        if (code == FANMAP_OK)
            maps[i].seen++;
        if (code != FANMAP_END)
            continue;
        if (maps[i].seen != (size_t)each)
            die("many", "a map lacks outcomes");
        us[ended++] = now_us() - maps[i].began;
        fanmap_job_close(job, false);
        maps[i].job = NULL;
        if (begun < n) {
            start_one(f, options, &maps[i], each);
            begun++;
        }
    }
    fanmap_close(f);
    fanmap_options_free(options);
}

/* ---- the raw limit ---- */

static rd_kafka_t *raw_client(rd_kafka_type_t type, const char *brokers)
{
    const char *const common[][2] = {
        {"bootstrap.servers", brokers}, {"socket.nagle.disable", "true"}, {"log_level", "0"}};
    const char *const own[2][3][2] = {
        {{"linger.ms", "0"}, {"enable.idempotence", "true"}, {"acks", "all"}},
        {{"group.id", "raw"}, {"fetch.wait.max.ms", "500"}, {"enable.auto.commit", "false"}}};
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (int i = 0; i < 3; i++) {
        const char *const *pair = own[type == RD_KAFKA_CONSUMER][i];
        if (rd_kafka_conf_set(conf, common[i][0], common[i][1], why, sizeof why) != RD_KAFKA_CONF_OK ||
            rd_kafka_conf_set(conf, pair[0], pair[1], why, sizeof why) != RD_KAFKA_CONF_OK)
            die("conf", why);
    }
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    if (!rk)
        die("rd_kafka_new", why);
    return rk;
}

static void raw_send(rd_kafka_t *rk, rd_kafka_topic_t *topic, const void *bytes, size_t len)
{
    if (rd_kafka_produce(topic, 0, RD_KAFKA_MSG_F_COPY, (void *)(uintptr_t)bytes, len, NULL, 0, NULL) != 0)
        die("produce", rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_poll(rk, 0);
}

/* What comes back is `n` records; `us` NULL: each goes on to `to` (the echo), else the next is sent when one is back. */
static void raw_pass(const char *brokers, const char *from, const char *to, size_t n, double *us)
{
    rd_kafka_t *consumer = raw_client(RD_KAFKA_CONSUMER, brokers), *producer = raw_client(RD_KAFKA_PRODUCER, brokers);
    rd_kafka_topic_t *in = rd_kafka_topic_new(consumer, from, NULL), *out = rd_kafka_topic_new(producer, to, NULL);
    if (rd_kafka_consume_start(in, 0, RD_KAFKA_OFFSET_BEGINNING) != 0)
        die("consume", from);
    for (size_t i = 0; i < n; i++) {
        double began = now_us();
        if (us)
            raw_send(producer, out, "1", 1);
        rd_kafka_message_t *got;
        while (!(got = rd_kafka_consume(in, 0, 100)) || got->err) {
            if (got)
                rd_kafka_message_destroy(got);
            rd_kafka_poll(producer, 0);
        }
        if (us)
            us[i] = now_us() - began;
        else
            raw_send(producer, out, got->payload, got->len);
        rd_kafka_message_destroy(got);
    }
    rd_kafka_flush(producer, 10000);
}

static void time_raw(size_t n, double *us)
{
    char there[64], back[64];
    const char *brokers = getenv("FANMAP_BROKERS");
    if (!brokers)
        die("raw", "FANMAP_BROKERS is not set");
    snprintf(there, sizeof there, "raw-there-%ld", (long)getpid());
    snprintf(back, sizeof back, "raw-back-%ld", (long)getpid());
    raw_create_topics(brokers, there, back, 1);
    pid_t echo = fork(); /* before any client: librdkafka does not survive fork */
    if (echo == 0) {
        raw_pass(brokers, there, back, n, NULL);
        _exit(0);
    }
    raw_pass(brokers, back, there, n, us);
    waitpid(echo, NULL, 0);
}

int main(int argc, char **argv)
{
    size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    double *us = calloc(n + 1, sizeof *us);
    if (n == 0 || !us)
        die("usage", "latency items|maps|raw N, or many N EACH AT");
    if (strcmp(argv[1], "items") == 0)
        time_items(n, us);
    else if (strcmp(argv[1], "maps") == 0)
        time_maps(n, us);
    else if (strcmp(argv[1], "raw") == 0)
        time_raw(n, us);
    else if (strcmp(argv[1], "many") == 0 && argc == 5)
        time_many(n, atoi(argv[3]), strtoul(argv[4], NULL, 10), us);
    else
        die("usage", "latency items|maps|raw N, or many N EACH AT");
    report(us, n);
    free(us);
    return 0;
}
