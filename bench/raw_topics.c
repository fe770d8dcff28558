#include "bench/raw_topics.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int create(const char *brokers, const char *in, const char *out, int partitions)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof why) != RD_KAFKA_CONF_OK)
        return 1;
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!rk)
        return 1;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_NewTopic_t *topics[] = {rd_kafka_NewTopic_new(in, partitions, 1, why, sizeof why),
                                     rd_kafka_NewTopic_new(out, partitions, 1, why, sizeof why)};
    rd_kafka_CreateTopics(rk, topics, 2, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 20000);
    int failed = !event || rd_kafka_event_error(event);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_NewTopic_destroy_array(topics, 2);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
    return failed;
}

void raw_create_topics(const char *brokers, const char *in, const char *out, int partitions)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(create(brokers, in, out, partitions));
    if (waitpid(pid, &status, 0) != pid || status != 0) {
        fprintf(stderr, "cannot create the topics of the raw loop\n");
        exit(1);
    }
}
