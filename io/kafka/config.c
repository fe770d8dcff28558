/* librdkafka's settings: ours, then the operator's, then those that the promises rest on and nobody may change. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/kafka/bus.h"
#include "io/kafka/config.h"
#include "io/kafka/rights.h"

typedef struct {
    const char *key, *value;
} setting_t;

enum { BEAT_MOST_MS = 500, GROUP_QUEUED_N = 2000, READER_QUEUED_N = 8000, GROUP_ANSWER_BYTES = 2 * 1024 * 1024 };

static const setting_t EVERYWHERE[] = {
    {"socket.nagle.disable", "true"},
    {"socket.keepalive.enable", "true"},
    {"socket.connection.setup.timeout.ms", "5000"}, /* unreachable is said within the connect timeout */
    {"reconnect.backoff.ms", "50"},
    {"reconnect.backoff.max.ms", "1000"},
    {"topic.metadata.refresh.interval.ms", "3000"}, /* more partitions, a topic that goes or comes */
    {"log.connection.close", "false"},
    {"log_level", "5"},
};

static const setting_t PRODUCING[] = {
    {"enable.idempotence", "true"},
    /* Records reach librdkafka in runs and pile up behind the five requests under way: waiting only makes them late. */
    {"linger.ms", "0"},
    {"batch.num.messages", "10000"},
    {"queue.buffering.max.messages", "1000000"}, /* the outbox is bounded in produce.c */
    {"queue.buffering.max.kbytes", "2097151"},
};

/* A request of a transaction is refused while the one before still ends, which takes milliseconds: a retry after the usual
 * 100 made one transaction of a stream in a hundred as much longer. */
static const setting_t WRITING[] = {{"retry.backoff.ms", "10"}};

static const setting_t CONSUMING[] = {
    /* What is fetched ahead a partition; see fetch_nudge.c. */
    {"queued.min.messages", "20000"},
    {"queued.max.messages.kbytes", "8192"},
    /* One idle partition must not make the others of its broker wait for long. */
    {"fetch.wait.max.ms", "100"},
    {"fetch.error.backoff.ms", "100"},
    /* The items of a small job stand in neighbouring partitions: each worker gets every n-th of these, not a block of
     * them. Cooperative-sticky can hang before 2.6.1; range is there for workers of before. */
    {"partition.assignment.strategy", "roundrobin,range"},
};

static const setting_t EVERYWHERE_FIXED[] = {
    {"log.queue", "true"},                 /* log lines come to the loop, never to the terminal */
    {"allow.auto.create.topics", "false"}, /* else looking a topic up creates it, with the wrong settings */
};

static const setting_t PRODUCING_FIXED[] = {
    {"acks", "all"}, /* nothing is reported done that is not stored */
    {"message.timeout.ms", "0"},
};

/* A producer that dies holds readers of committed records up for as long as its transaction may last. A transaction's end
 * sends at once what lingers; a batch that is due while another is under way makes librdkafka's thread spin (2.0.2). */
static const setting_t WRITING_FIXED[] = {
    {"acks", "all"},
    {"transaction.timeout.ms", "10000"},
    {"partitioner", "murmur2_random"}, /* as Kafka's own producers do it */
    {"linger.ms", "50"},
    {"delivery.report.only.error", "true"}, /* else a transaction's answer is enough */
};

static const setting_t CONSUMING_FIXED[] = {
    {"isolation.level", "read_committed"},                                 /* also of what groups have committed */
    {"enable.auto.commit", "false"},                                       /* no offset past unfinished work */
    {"enable.auto.offset.store", "false"}, {"auto.offset.reset", "error"}, /* a gap is never skipped in silence */
    {"enable.partition.eof", "true"},
};

static size_t pairs_n(const char *const *properties)
{
    size_t n = 0;
    while (properties != NULL && properties[2 * n] != NULL)
        n++;
    return n;
}

void kafka_config_free(bus_config_t *config)
{
    char **properties = (char **)(uintptr_t)config->properties;
    for (size_t i = 0; properties != NULL && properties[i] != NULL; i++)
        free(properties[i]);
    free(properties);
    free((char *)(uintptr_t)config->brokers);
    free((char *)(uintptr_t)config->client_id);
    *config = (bus_config_t){0};
}

int kafka_config_copy(const bus_config_t *config, bus_config_t *ret, fanmap_error_t *err)
{
    size_t n = 2 * pairs_n(config->properties);
    char **properties = calloc(n + 1, sizeof *properties);
    bus_config_t copy = *config;
    copy.properties = (const char *const *)properties;
    copy.brokers = strdup(config->brokers);
    copy.client_id = strdup(config->client_id == NULL ? "fanmap" : config->client_id);
    bool ok = properties != NULL && copy.brokers != NULL && copy.client_id != NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = (properties[i] = strdup(config->properties[i])) != NULL;
    if (!ok) {
        kafka_config_free(&copy);
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    }
    *ret = copy;
    return FANMAP_OK;
}

/* ---- one handle ---- */

static int set(rd_kafka_conf_t *conf, const char *key, const char *value, fanmap_error_t *err)
{
    char text[400];
    if (rd_kafka_conf_set(conf, key, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return FANMAP_OK;
    return err_set(err, FANMAP_EUSAGE, "X.%s: %s", key, text);
}

static int set_all(rd_kafka_conf_t *conf, const setting_t *settings, size_t n, fanmap_error_t *err)
{
    int code = FANMAP_OK;
    for (size_t i = 0; code == FANMAP_OK && i < n; i++)
        code = set(conf, settings[i].key, settings[i].value, err);
    return code;
}
#define SET_ALL(conf, settings, err) set_all(conf, settings, sizeof(settings) / sizeof((settings)[0]), err)

static int set_number(rd_kafka_conf_t *conf, const char *key, uint64_t value, fanmap_error_t *err)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return set(conf, key, text, err);
}

static uint64_t at_least(uint64_t value, uint64_t min)
{
    return value < min ? min : value;
}

/* A member of a group may own every partition, and each has a queue of its own: small ones, and small answers. A
 * message in a queue costs some 300 bytes beside its own. */
static int set_prefetch(rd_kafka_conf_t *conf, const bus_config_t *config, fanmap_error_t *err)
{
    int code = set_number(conf, "queued.min.messages", GROUP_QUEUED_N, err);
    if (code == FANMAP_OK)
        code = set_number(conf, "queued.max.messages.kbytes", config->fetch_kbytes, err);
    if (code == FANMAP_OK)
        code = set_number(conf, "fetch.message.max.bytes", (uint64_t)config->fetch_kbytes * 1024 / 2, err);
    if (code == FANMAP_OK)
        code = set_number(conf, "fetch.max.bytes", at_least(GROUP_ANSWER_BYTES, KAFKA_BATCH_BYTES), err);
    return code;
}

/* A reader has a single partition, which is fetched again only once its queue is short (fetch_nudge.c): there have to be more
 * in it than come of one fetch, or it runs dry each time. */
static int set_reader_prefetch(rd_kafka_conf_t *conf, const bus_config_t *config, fanmap_error_t *err)
{
    int code = set_number(conf, "queued.min.messages", READER_QUEUED_N, err);
    if (code == FANMAP_OK)
        code = set_number(conf, "fetch.message.max.bytes", (uint64_t)config->fetch_kbytes * 1024 / 2, err);
    return code;
}

static bool is_producing(kafka_kind_t kind)
{
    return kind == KAFKA_PRODUCER || kind == KAFKA_WRITER;
}

static int set_config(rd_kafka_conf_t *conf, const bus_config_t *config, kafka_kind_t kind, fanmap_error_t *err)
{
    int code = set(conf, "client.id", config->client_id, err);
    if (code == FANMAP_OK && is_producing(kind) && config->message_bytes_max > 0)
        code = set_number(conf, "message.max.bytes", at_least(config->message_bytes_max, KAFKA_BATCH_BYTES), err);
    if (code == FANMAP_OK && kind == KAFKA_GROUP && config->fetch_kbytes > 0)
        code = set_prefetch(conf, config, err);
    if (code == FANMAP_OK && kind == KAFKA_READER && config->bounds_readers)
        code = set_reader_prefetch(conf, config, err);
    if (code == FANMAP_OK && kind == KAFKA_GROUP && config->session_ms > 0) {
        /* Members hear of one that joins or leaves by their next heartbeat, and all wait for the last of them. */
        uint64_t beat_ms = config->session_ms / 4;
        code = set_number(conf, "session.timeout.ms", config->session_ms, err);
        if (code == FANMAP_OK)
            code = set_number(conf, "heartbeat.interval.ms",
                              beat_ms > BEAT_MOST_MS ? BEAT_MOST_MS : at_least(beat_ms, 1), err);
    }
    return code;
}

static int set_ours(rd_kafka_conf_t *conf, const bus_config_t *config, kafka_kind_t kind, fanmap_error_t *err)
{
    int code = SET_ALL(conf, EVERYWHERE, err);
    if (code == FANMAP_OK)
        code = is_producing(kind) ? SET_ALL(conf, PRODUCING, err) : SET_ALL(conf, CONSUMING, err);
    if (code == FANMAP_OK && kind == KAFKA_WRITER)
        code = SET_ALL(conf, WRITING, err);
    if (code == FANMAP_OK)
        code = set_config(conf, config, kind, err);
    if (code == FANMAP_OK && !is_producing(kind)) /* libraries that know it need no kicks */
        (void)rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "20", NULL, 0);
    return code;
}

static int set_fixed(rd_kafka_conf_t *conf, const kafka_bus_t *bus, kafka_kind_t kind, const char *id,
                     fanmap_error_t *err)
{
    int code = SET_ALL(conf, EVERYWHERE_FIXED, err);
    if (code == FANMAP_OK)
        code = kind == KAFKA_PRODUCER ? SET_ALL(conf, PRODUCING_FIXED, err)
               : kind == KAFKA_WRITER ? SET_ALL(conf, WRITING_FIXED, err)
                                      : SET_ALL(conf, CONSUMING_FIXED, err);
    if (code == FANMAP_OK && kind == KAFKA_GROUP) /* each would wake the loop, and no member looks at them */
        code = set(conf, "enable.partition.eof", "false", err);
    if (code == FANMAP_OK && kind == KAFKA_ONLOOKER)
        code = set(conf, "isolation.level", "read_uncommitted", err);
    if (code == FANMAP_OK)
        code = set(conf, "bootstrap.servers", bus->config.brokers, err);
    if (code == FANMAP_OK && kind == KAFKA_PRODUCER)
        code = set_number(conf, "batch.size", bus->producer.batch_bytes, err);
    if (code == FANMAP_OK && kind == KAFKA_WRITER)
        code = set_number(conf, "batch.size", bus->writer_batch_bytes, err);
    if (code == FANMAP_OK && kind == KAFKA_WRITER &&
        id == NULL) /* of no transaction: others see each record as it comes */
        code = set_number(conf, "linger.ms", 5, err);
    if (code == FANMAP_OK && id != NULL)
        code = set(conf, kind == KAFKA_WRITER ? "transactional.id" : "group.id", id, err);
    return code;
}

static bool uses_oauth(const rd_kafka_conf_t *conf)
{
    char value[64];
    size_t len = sizeof value;
    return rd_kafka_conf_get(conf, "sasl.mechanisms", value, &len) == RD_KAFKA_CONF_OK &&
           strcmp(value, "OAUTHBEARER") == 0;
}

/* Log lines come as events. Only what is said while a handle is destroyed gets here, from any thread, and not to the
 * terminal. */
static void discard(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk, (void)level, (void)facility, (void)text;
}

static int make_conf(const kafka_bus_t *bus, kafka_kind_t kind, const char *id, rd_kafka_conf_t **ret,
                     fanmap_error_t *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int code = set_ours(conf, &bus->config, kind, err);
    const char *const *properties = bus->config.properties;
    for (size_t i = 0; code == FANMAP_OK && i < pairs_n(properties); i++)
        code = set(conf, properties[2 * i], properties[2 * i + 1], err);
    if (code == FANMAP_OK)
        code = set_fixed(conf, bus, kind, id, err);
    if (code != FANMAP_OK) {
        rd_kafka_conf_destroy(conf);
        return code;
    }
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG |
                                       RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT);
    rd_kafka_conf_set_log_cb(conf, discard);
    kafka_watch_certificates(conf);
    if (uses_oauth(conf))
        rd_kafka_conf_enable_sasl_queue(conf, 1);
    *ret = conf;
    return FANMAP_OK;
}

bool kafka_needs_nudges(void)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool knows = rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "20", NULL, 0) == RD_KAFKA_CONF_OK;
    rd_kafka_conf_destroy(conf);
    return !knows;
}

int kafka_handle_new(kafka_bus_t *bus, kafka_kind_t kind, const char *id, rd_kafka_t **ret, fanmap_error_t *err)
{
    rd_kafka_conf_t *conf = NULL;
    int code = make_conf(bus, kind, id, &conf, err);
    if (code != FANMAP_OK)
        return code;
    char text[400];
    bool oauth = uses_oauth(conf);
    rd_kafka_type_t type = is_producing(kind) ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER;
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
    if (rk == NULL) {
        rd_kafka_conf_destroy(conf);
        return err_set(err, FANMAP_EUSAGE, "Kafka client: %s", text);
    }
    if (kind == KAFKA_GROUP || kind == KAFKA_ONLOOKER)
        (void)rd_kafka_poll_set_consumer(rk);
    (void)rd_kafka_set_log_queue(rk, NULL); /* to the main queue */
    if (oauth)
        rd_kafka_error_destroy(rd_kafka_sasl_background_callbacks_enable(rk));
    *ret = rk;
    return FANMAP_OK;
}
