/* The raw limit: produce -> echo -> gather over plain librdkafka, tuned as far as we know how, in three processes.
 *
 *   raw_loop BROKERS ITEMS BYTES PARTITIONS [KEY=VALUE ...]
 *
 * A parent creates two topics and forks the echo and the gatherer, which read from the beginning of every partition
 * without a group; it then produces. KEY=VALUE are librdkafka properties of both producers. Prints one line: seconds from
 * the first produce to the last item gathered, and items a second.
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/program.h"
#include "bench/raw_topics.h"

enum { BATCH = 256, POLL_MS = 100 };

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(conf, key, value, why, sizeof why) != RD_KAFKA_CONF_OK)
        die(key, why);
}

static char **extra; /* KEY=VALUE, to a NULL */

static void set_extra(rd_kafka_conf_t *conf)
{
    for (char **at = extra; *at; at++) {
        char key[128];
        const char *value = strchr(*at, '=');
        if (!value || value - *at >= (long)sizeof key)
            die(*at, "want KEY=VALUE");
        snprintf(key, sizeof key, "%.*s", (int)(value - *at), *at);
        set(conf, key, value + 1);
    }
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *brokers)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", brokers);
    set(conf, "socket.nagle.disable", "true");
    set(conf, "log_level", "0");
    if (type == RD_KAFKA_PRODUCER) {
        set(conf, "enable.idempotence", "true");
        set(conf, "linger.ms", "2");
        set(conf, "queue.buffering.max.messages", "1000000");
        set_extra(conf);
    } else {
        set(conf, "group.id", "raw");
        set(conf, "enable.auto.commit", "false");
        set(conf, "queued.min.messages", "1000000");
        set(conf, "fetch.wait.max.ms", "10");
    }
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    if (!rk)
        die("rd_kafka_new", why);
    return rk;
}

static rd_kafka_queue_t *consume_all(rd_kafka_t *rk, const char *topic, int partitions)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    for (int p = 0; p < partitions; p++)
        if (rd_kafka_consume_start_queue(rkt, p, RD_KAFKA_OFFSET_BEGINNING, queue) != 0)
            die("consume", topic);
    return queue;
}

static void produce_batch(rd_kafka_t *rk, rd_kafka_topic_t *rkt, int partition, rd_kafka_message_t *batch, int n,
                          int flags)
{
    int done = 0;
    while (done < n) {
        done += rd_kafka_produce_batch(rkt, partition, flags, batch + done, n - done);
        rd_kafka_poll(rk, done < n ? 5 : 0);
    }
}

static void echo(const char *brokers, const char *in, const char *out, int partitions, long items)
{
    rd_kafka_t *from = client(RD_KAFKA_CONSUMER, brokers), *to = client(RD_KAFKA_PRODUCER, brokers);
    rd_kafka_queue_t *queue = consume_all(from, in, partitions);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(to, out, NULL);
    static rd_kafka_message_t *got[4096];
    static rd_kafka_message_t batch[4096];
    for (long seen = 0; seen < items;) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, POLL_MS, got, 4096);
        int in_batch = 0, partition = 0;
        for (ssize_t i = 0; i < n; i++) {
            if (in_batch && (got[i]->partition != partition || in_batch == BATCH)) {
                produce_batch(to, rkt, partition, batch, in_batch, RD_KAFKA_MSG_F_COPY);
                in_batch = 0;
            }
            if (got[i]->err)
                continue;
            partition = got[i]->partition;
            batch[in_batch++] = (rd_kafka_message_t){.payload = got[i]->payload, .len = got[i]->len};
            seen++;
        }
        if (in_batch)
            produce_batch(to, rkt, partition, batch, in_batch, RD_KAFKA_MSG_F_COPY);
        for (ssize_t i = 0; i < n; i++)
            rd_kafka_message_destroy(got[i]);
        rd_kafka_poll(to, 0);
    }
    rd_kafka_flush(to, 60000);
}

static void gather(const char *brokers, const char *out, int partitions, long items)
{
    rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, brokers);
    rd_kafka_queue_t *queue = consume_all(rk, out, partitions);
    static rd_kafka_message_t *got[4096];
    for (long seen = 0; seen < items;) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, POLL_MS, got, 4096);
        for (ssize_t i = 0; i < n; i++) {
            seen += !got[i]->err;
            rd_kafka_message_destroy(got[i]);
        }
    }
}

static void produce(const char *brokers, const char *in, int partitions, long items, size_t bytes)
{
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, brokers);
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, in, NULL);
    char *payload = malloc(bytes);
    static rd_kafka_message_t batch[BATCH];
    memset(payload, 'x', bytes);
    for (long sent = 0, block = 0; sent < items; block++) {
        int n = items - sent < BATCH ? (int)(items - sent) : BATCH;
        for (int i = 0; i < n; i++)
            batch[i] = (rd_kafka_message_t){.payload = payload, .len = bytes};
        produce_batch(rk, rkt, (int)(block % partitions), batch, n, RD_KAFKA_MSG_F_COPY);
        sent += n;
    }
    rd_kafka_flush(rk, 60000);
}

static pid_t start(void (*role)(char **), char **args)
{
    pid_t pid = fork();
    if (pid == 0) {
        role(args);
        _exit(0);
    }
    return pid;
}

static char in_topic[64], out_topic[64];

static void echo_role(char **args)
{
    echo(args[1], in_topic, out_topic, atoi(args[4]), atol(args[2]));
}

static void gather_role(char **args)
{
    gather(args[1], out_topic, atoi(args[4]), atol(args[2]));
}

static void wait_ok(pid_t pid, const char *name)
{
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        die(name, "failed");
}

int main(int argc, char **argv)
{
    if (argc < 5)
        die("usage", "raw_loop BROKERS ITEMS BYTES PARTITIONS [KEY=VALUE ...]");
    extra = argv + 5;
    long stamp = (long)time(NULL) ^ (long)getpid() << 20;
    snprintf(in_topic, sizeof in_topic, "raw-in-%ld", stamp);
    snprintf(out_topic, sizeof out_topic, "raw-out-%ld", stamp);
    raw_create_topics(argv[1], in_topic, out_topic, atoi(argv[4]));
    pid_t echo_pid = start(echo_role, argv), gather_pid = start(gather_role, argv);
    sleep(1); /* both are connected and wait */
    double began = now_s();
    produce(argv[1], in_topic, atoi(argv[4]), atol(argv[2]), (size_t)atol(argv[3]));
    wait_ok(gather_pid, "gather");
    double took = now_s() - began;
    wait_ok(echo_pid, "echo");
    printf("%.3f s %.0f items/s\n", took, (double)atol(argv[2]) / took);
    return 0;
}
