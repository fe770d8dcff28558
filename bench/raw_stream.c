/* Streams at the raw limit, and how long a record takes through one.
 *
 *   raw_stream loop BROKERS FROM TO MS [JOB]
 *       consume -> produce over plain librdkafka, with its positions in the same transaction, committed every MS, for ever. JOB: its
 *       records have the five headers that a stream of that name gives them, so that both write the same bytes.
 *   raw_stream feed BROKERS FROM TO PARTITIONS RECORDS BYTES RATE
 *       writes RECORDS, RATE a second (0: as fast as it goes), and reads what comes out of TO, of committed transactions, until as many
 *       are visible. BYTES 0: each is "[1,TIME]", and what comes out is TIME; else TIME and blanks, as it is. Prints one line: seconds
 *       from the first write to the last record visible, and the median and the 99th percentile of the milliseconds from a record's
 *       write to its outcome's sight. It lingers for 5 ms, as Kafka's own producers do, which counts.
 *   raw_stream topics BROKERS FROM TO PARTITIONS */
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/program.h"
#include "bench/raw_topics.h"

enum { BATCH = 1024, POLL_MS = 5, CALL_MS = 30000 };

static rd_kafka_t *client(rd_kafka_type_t type, const char *brokers, const char *const *settings)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *const common[] = {"bootstrap.servers", brokers, "log_level", "0", NULL};
    for (const char *const *at = common; *at; at += 2)
        rd_kafka_conf_set(conf, at[0], at[1], why, sizeof why);
    for (const char *const *at = settings; *at; at += 2)
        if (rd_kafka_conf_set(conf, at[0], at[1], why, sizeof why) != RD_KAFKA_CONF_OK)
            die(at[0], why);
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    if (!rk)
        die("rd_kafka_new", why);
    return rk;
}

static void check(rd_kafka_error_t *error)
{
    if (error)
        die("transaction", rd_kafka_error_string(error));
}

/* ---- the loop ---- */

static void commit(rd_kafka_t *from, rd_kafka_t *to)
{
    rd_kafka_topic_partition_list_t *positions = NULL;
    rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata(from);
    rd_kafka_assignment(from, &positions);
    rd_kafka_position(from, positions);
    for (int i = positions->cnt - 1; i >= 0; i--)
        if (positions->elems[i].offset < 0)
            rd_kafka_topic_partition_list_del_by_idx(positions, i);
    check(rd_kafka_send_offsets_to_transaction(to, positions, group, CALL_MS));
    check(rd_kafka_commit_transaction(to, CALL_MS));
    check(rd_kafka_begin_transaction(to));
    rd_kafka_topic_partition_list_destroy(positions);
    rd_kafka_consumer_group_metadata_destroy(group);
}

static void add(rd_kafka_headers_t *headers, const char *name, const char *value)
{
    rd_kafka_header_add(headers, name, -1, value, -1);
}

static rd_kafka_headers_t *origin(const char *job, const char *topic, const rd_kafka_message_t *m)
{
    char partition[12], offset[24];
    rd_kafka_headers_t *headers = rd_kafka_headers_new(5);
    snprintf(partition, sizeof partition, "%d", (int)m->partition);
    snprintf(offset, sizeof offset, "%lld", (long long)m->offset);
    add(headers, "fanmap-job", job);
    add(headers, "fanmap-source-topic", topic);
    add(headers, "fanmap-source-partition", partition);
    add(headers, "fanmap-source-offset", offset);
    add(headers, "fanmap-attempts", "1");
    return headers;
}

static void pass_on(rd_kafka_t *to, rd_kafka_topic_t *rkt, rd_kafka_message_t *m, const char *job, const char *topic)
{
    rd_kafka_headers_t *headers = job ? origin(job, topic, m) : NULL;
    for (;;) {
        if (!job &&
            rd_kafka_produce(rkt, m->partition, RD_KAFKA_MSG_F_COPY, m->payload, m->len, m->key, m->key_len, NULL) == 0)
            return;
        if (job && rd_kafka_producev(to, RD_KAFKA_V_RKT(rkt), RD_KAFKA_V_PARTITION(m->partition),
                                     RD_KAFKA_V_KEY(m->key, m->key_len), RD_KAFKA_V_VALUE(m->payload, m->len),
                                     RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                     RD_KAFKA_V_END) == 0)
            return;
        rd_kafka_poll(to, 5);
    }
}

static void loop(const char *brokers, const char *in, const char *out, long ms, const char *job)
{
    const char *const reads[] = {"group.id",
                                 in,
                                 "enable.auto.commit",
                                 "false",
                                 "auto.offset.reset",
                                 "earliest",
                                 "queued.min.messages",
                                 "1000000",
                                 "fetch.wait.max.ms",
                                 "10",
                                 NULL};
    const char *const writes[] = {"transactional.id", out, "linger.ms", "2", "queue.buffering.max.messages",
                                  "1000000",          NULL};
    rd_kafka_t *from = client(RD_KAFKA_CONSUMER, brokers, reads), *to = client(RD_KAFKA_PRODUCER, brokers, writes);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, in, RD_KAFKA_PARTITION_UA);
    rd_kafka_poll_set_consumer(from);
    rd_kafka_subscribe(from, topics);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(from);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(to, out, NULL);
    check(rd_kafka_init_transactions(to, CALL_MS));
    check(rd_kafka_begin_transaction(to));
    static rd_kafka_message_t *got[BATCH];
    long long due = 0;
    for (;;) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, POLL_MS, got, BATCH);
        if (n > 0 && due == 0)
            due = now_ns() + ms * 1000000;
        for (ssize_t i = 0; i < n; i++) {
            if (!got[i]->err)
                pass_on(to, rkt, got[i], job, in);
            rd_kafka_message_destroy(got[i]);
        }
        rd_kafka_poll(to, 0);
        if (due == 0 || now_ns() < due)
            continue;
        commit(from, to);
        due = 0;
    }
}

/* ---- the feed ---- */

typedef struct {
    const char *brokers, *topic;
    int partitions;
    long records;
    double *ms;
    long long last_ns;
    int is_ready;
} reading_t;

static void *read_all(void *arg)
{
    reading_t *r = arg;
    const char *const reads[] = {
        "group.id", "watch", "isolation.level", "read_committed", "fetch.wait.max.ms", "5", "queued.min.messages",
        "1000000",  NULL};
    rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, r->brokers, reads);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, r->topic, NULL);
    for (int p = 0; p < r->partitions; p++) {
        int64_t low, high;
        int tries = 50; /* its leader may be new */
        while (rd_kafka_query_watermark_offsets(rk, r->topic, p, &low, &high, CALL_MS) != 0 && --tries > 0)
            nanosleep(&(struct timespec){0, 100000000}, NULL);
        if (tries == 0 || rd_kafka_consume_start_queue(rkt, p, high, queue) != 0)
            die("consume", r->topic);
    }
    static rd_kafka_message_t *got[BATCH];
    __atomic_store_n(&r->is_ready, 1, __ATOMIC_RELEASE);
    for (long seen = 0; seen < r->records;) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, POLL_MS, got, BATCH);
        long long now = now_ns();
        for (ssize_t i = 0; i < n; i++) {
            if (!got[i]->err && seen < r->records)
                r->ms[seen++] = (double)(now - strtoll(got[i]->payload, NULL, 10)) / 1e6;
            rd_kafka_message_destroy(got[i]);
        }
        r->last_ns = now;
    }
    return NULL;
}

static void write_all(const char *brokers, const char *topic, int partitions, long records, int bytes, long rate)
{
    const char *const writes[] = {"linger.ms", "5", "queue.buffering.max.messages", "1000000", NULL};
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, brokers, writes);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    char *value = malloc((size_t)bytes + 64);
    long long began = now_ns();
    for (long i = 0; i < records; i++) {
        while (rate > 0 && now_ns() < began + i * 1000000000LL / rate) {
            struct timespec t = {0, 500000};
            rd_kafka_poll(rk, 0);
            nanosleep(&t, NULL);
        }
        int len = bytes > 0 ? sprintf(value, "%-*lld", bytes, now_ns()) : sprintf(value, "[1,%lld]", now_ns());
        while (rd_kafka_produce(rkt, (int)(i / 16 % partitions), RD_KAFKA_MSG_F_COPY, value, (size_t)len, &i, sizeof i,
                                NULL) != 0)
            rd_kafka_poll(rk, 5);
        if (i % 256 == 0)
            rd_kafka_poll(rk, 0);
    }
    rd_kafka_flush(rk, 60000);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void feed(char **args)
{
    reading_t r = {args[0], args[2], atoi(args[3]), atol(args[4]), calloc((size_t)atol(args[4]) + 1, sizeof(double)),
                   0,       0};
    pthread_t thread;
    struct timespec t = {0, 300000000};
    pthread_create(&thread, NULL, read_all, &r);
    while (!__atomic_load_n(&r.is_ready, __ATOMIC_ACQUIRE))
        nanosleep(&t, NULL);
    nanosleep(&t, NULL); /* its first fetches are under way */
    long long began = now_ns();
    write_all(args[0], args[1], r.partitions, r.records, atoi(args[5]), atol(args[6]));
    pthread_join(thread, NULL);
    qsort(r.ms, (size_t)r.records, sizeof *r.ms, by_size);
    printf("%.3f %.1f %.1f\n", (double)(r.last_ns - began) / 1e9, r.ms[r.records / 2], r.ms[r.records * 99 / 100]);
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "topics") == 0)
        raw_create_topics(argv[2], argv[3], argv[4], atoi(argv[5]));
    else if ((argc == 6 || argc == 7) && strcmp(argv[1], "loop") == 0)
        loop(argv[2], argv[3], argv[4], atol(argv[5]), argv[6]);
    else if (argc == 9 && strcmp(argv[1], "feed") == 0)
        feed(argv + 2);
    else
        die("usage", "raw_stream loop|feed|topics ...");
    return 0;
}
