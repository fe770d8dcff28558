/* What the tests of the Kafka bus stand on: a broker of their own (tests/lib/broker.py), and one bus with everything
 * that it said written down. */
#ifndef TESTS_UNIT_KAFKA_RIG_H
#define TESTS_UNIT_KAFKA_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/kafka/bus.h"

enum { RIG_PARTITIONS = 8, RIG_BOUND_MS = 60000 };

/* ---- the broker ---- */

typedef struct {
    FILE *to, *from;
    pid_t pid;
    char brokers[64], sasl[64];
} broker_t;

/* False: there is no Kafka on this machine. */
static inline bool broker_start(broker_t *broker)
{
    int in[2], out[2];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    broker->pid = fork();
    if (broker->pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        for (int fd = 3; fd < 64; fd++)
            close(fd);
        execlp("python3", "python3", FANMAP_SOURCE_DIR "/tests/lib/broker.py", (char *)NULL);
        _exit(77);
    }
    close(in[0]);
    close(out[1]);
    broker->to = fdopen(in[1], "w");
    broker->from = fdopen(out[0], "r");
    return fscanf(broker->from, "%63s %63s", broker->brokers, broker->sasl) == 2;
}

static inline void broker_do(broker_t *broker, const char *word)
{
    char answer[16] = "";
    fprintf(broker->to, "%s\n", word);
    fflush(broker->to);
    assert_int_equal(fscanf(broker->from, "%15s", answer), 1);
    assert_string_equal(answer, "ok");
}

static inline void broker_end(broker_t *broker)
{
    fclose(broker->to);
    fclose(broker->from);
    waitpid(broker->pid, NULL, 0);
}

/* ---- one bus ---- */

typedef struct {
    int32_t partition;
    int64_t offset;
    uint64_t number; /* the record's value begins with it */
} rig_seen_t;

typedef struct {
    rig_seen_t *at;
    size_t n, cap;
} rig_log_t;

typedef struct {
    loop_t *loop;
    bus_t *bus;
    bus_topic_t *topic;
    bus_group_t *group;
    bus_reader_t *reader;
    fanmap_error_t error, failure, topics_error; /* the last of each */
    unsigned errors_n, topics_n, failures_n, lines_n, resent_n;
    uint32_t partitions[4];
    int64_t end;
    rig_log_t delivered, read, taken;
    unsigned ends_n, gone_n, assigned_n, rebalanced_n, revoked_n, committed_n, refused_n, gaps_n;
    int64_t at_end, gone_low, gap_from, gap_to;
    bool owned[RIG_PARTITIONS], was_committed[RIG_PARTITIONS], lost, close_in_record, commit_when_revoked, keep;
    int64_t assigned_at[RIG_PARTITIONS], committed_at[RIG_PARTITIONS], next[RIG_PARTITIONS];
    char metadata[RIG_PARTITIONS][256], line[512];
    size_t metadata_len[RIG_PARTITIONS], revoked_partitions_n;
    char members[4][256]; /* of the last description */
    size_t members_n;
    uint64_t described_cookie;
    unsigned described_n, undescribed_n;
    bool closing_ok, want_stops;
    size_t stop_at;
    void *kept[4];
    bus_record_t kept_record[4];
    size_t kept_n;
} rig_t;

static inline void rig_log_add(rig_log_t *log, int32_t partition, int64_t offset, uint64_t number)
{
    if (log->n == log->cap) {
        log->cap = log->cap == 0 ? 1024 : log->cap * 2;
        log->at = realloc(log->at, log->cap * sizeof *log->at);
        assert_non_null(log->at);
    }
    log->at[log->n++] = (rig_seen_t){partition, offset, number};
}

static inline uint64_t rig_number(const bus_record_t *record)
{
    char text[24] = "";
    if (record->value != NULL)
        memcpy(text, record->value, record->value_len < 20 ? record->value_len : 20);
    return strtoull(text, NULL, 10);
}

static inline void rig_on_error(void *arg, const fanmap_error_t *err)
{
    rig_t *rig = arg;
    rig->error = *err;
    rig->errors_n++;
}
static inline void rig_on_line(void *arg, fanmap_log_level_t level, const char *line)
{
    rig_t *rig = arg;
    rig->resent_n += strstr(line, "without an offset") != NULL;
    if (level > FANMAP_LOG_WARNING)
        return;
    rig->lines_n++;
    (void)snprintf(rig->line, sizeof rig->line, "%s", line);
}
static inline void rig_on_topics(void *arg, const uint32_t *partitions_n, const fanmap_error_t *err)
{
    rig_t *rig = arg;
    rig->topics_n++;
    memset(&rig->topics_error, 0, sizeof rig->topics_error);
    if (err != NULL)
        rig->topics_error = *err;
    else
        rig->partitions[0] = partitions_n[0];
}
static inline void rig_on_delivered(void *arg, uint64_t cookie, int32_t partition, int64_t offset,
                                    const fanmap_error_t *err)
{
    rig_t *rig = arg;
    if (err == NULL) {
        assert_true(offset >= 0);
        rig_log_add(&rig->delivered, partition, offset, cookie);
        return;
    }
    rig->failure = *err;
    rig->failures_n++;
}
static inline bool rig_on_read(void *arg, const bus_record_t *record)
{
    rig_t *rig = arg;
    rig_log_add(&rig->read, record->partition, record->offset, rig_number(record));
    if (rig->close_in_record) {
        bus_reader_close(rig->reader);
        rig->reader = NULL;
    }
    if (!rig->keep || rig->kept_n == 4)
        return false;
    rig->kept_record[rig->kept_n] = *record;
    rig->kept[rig->kept_n++] = record->owner;
    return true;
}
static inline void rig_on_end(void *arg, int64_t position)
{
    rig_t *rig = arg;
    rig->ends_n++;
    rig->at_end = position;
}
static inline void rig_on_gone(void *arg, int64_t low)
{
    rig_t *rig = arg;
    rig->gone_n++;
    rig->gone_low = low;
}
static inline void rig_on_assigned(void *arg, int32_t partition, int64_t offset, bool was_committed,
                                   const char *metadata, size_t metadata_len)
{
    rig_t *rig = arg;
    assert_true(partition < RIG_PARTITIONS);
    assert_false(rig->owned[partition]);
    rig->assigned_n++;
    rig->owned[partition] = true;
    rig->assigned_at[partition] = rig->next[partition] = offset;
    rig->was_committed[partition] = was_committed;
    rig->metadata_len[partition] = metadata_len;
    (void)snprintf(rig->metadata[partition], sizeof rig->metadata[partition], "%.*s", (int)metadata_len, metadata);
}
static inline void rig_on_rebalanced(void *arg)
{
    ((rig_t *)arg)->rebalanced_n++;
}
static inline void rig_on_revoked(void *arg, const int32_t *partitions, size_t n, bool lost)
{
    rig_t *rig = arg;
    rig->revoked_n++;
    rig->revoked_partitions_n += n;
    rig->lost = rig->lost || lost;
    rig->closing_ok = true;
    for (size_t i = 0; i < n; i++) {
        int32_t p = partitions[i];
        assert_true(rig->owned[p]);
        rig->owned[p] = false;
        if (rig->commit_when_revoked)
            rig->closing_ok = bus_group_commit_now(rig->group, p, rig->next[p], "closing", 7, 5000) && rig->closing_ok;
    }
}
static inline bool rig_on_taken(void *arg, const bus_record_t *record)
{
    rig_t *rig = arg;
    assert_true(rig->owned[record->partition]);
    rig->next[record->partition] = record->offset + 1;
    rig_log_add(&rig->taken, record->partition, record->offset, rig_number(record));
    if (rig->taken.n == rig->stop_at)
        bus_group_want(rig->group, false);
    return false;
}
static inline void rig_on_committed(void *arg, int32_t partition, int64_t offset, uint64_t cookie, bool ok)
{
    (void)cookie;
    rig_t *rig = arg;
    rig->committed_n += ok;
    rig->refused_n += !ok;
    rig->committed_at[partition] = offset;
}
static inline void rig_on_gap(void *arg, int32_t partition, int64_t from, int64_t to)
{
    rig_t *rig = arg;
    (void)partition;
    rig->gaps_n++;
    rig->gap_from = from;
    rig->gap_to = to;
}
static inline void rig_on_described(void *arg, uint64_t cookie, const char *const *members, size_t n, bool ok)
{
    rig_t *rig = arg;
    rig->described_n += ok;
    rig->undescribed_n += !ok;
    rig->described_cookie = cookie;
    rig->members_n = n;
    for (size_t i = 0; i < n && i < 4; i++)
        (void)snprintf(rig->members[i], sizeof rig->members[i], "%s", members[i]);
}
static inline void rig_on_query(void *arg, const bus_answer_t *answer)
{
    ((rig_t *)arg)->end = answer->value;
}

static const bus_reader_callbacks_t RIG_READER = {.record = rig_on_read, .at_end = rig_on_end, .gone = rig_on_gone};
static const bus_group_callbacks_t RIG_GROUP = {
    .assigned = rig_on_assigned,
    .rebalanced = rig_on_rebalanced,
    .revoked = rig_on_revoked,
    .record = rig_on_taken,
    .committed = rig_on_committed,
    .gap = rig_on_gap,
    .described = rig_on_described,
};

static inline void rig_open(rig_t *rig, const char *brokers, const char *const *properties, uint32_t session_ms)
{
    fanmap_error_t err = {0};
    memset(rig, 0, sizeof *rig);
    bus_config_t config = {
        .brokers = brokers, .properties = properties, .session_ms = session_ms, .message_bytes_max = 1 << 20};
    assert_int_equal(loop_new(&rig->loop, &err), FANMAP_OK);
    if (bus_open_kafka(rig->loop, &config, rig_on_error, rig_on_line, rig, &rig->bus, &err) != FANMAP_OK)
        fail_msg("%s", err.message);
    rig->end = -2;
}

static inline void rig_close(rig_t *rig)
{
    for (size_t i = 0; i < rig->kept_n; i++)
        bus_release(rig->bus, rig->kept[i]);
    bus_close(rig->bus, 10000);
    loop_free(rig->loop);
    free(rig->delivered.at);
    free(rig->read.at);
    free(rig->taken.at);
}

static inline void rig_fail(const rig_t *rig, const char *condition)
{
    fail_msg("not in time: %s (error: %s; line: %s; outbox %zu, delivered %zu, read %zu, taken %zu, assigned %u, "
             "rebalanced %u, revoked %u, committed %u)",
             condition, rig->error.message, rig->line, bus_outbox_n(rig->bus), rig->delivered.n, rig->read.n,
             rig->taken.n, rig->assigned_n, rig->rebalanced_n, rig->revoked_n, rig->committed_n);
}

/* Runs the loop until the condition holds; fails after RIG_BOUND_MS. */
#define rig_until(rig, condition)                                                                                      \
    do {                                                                                                               \
        int64_t until_ms = loop_clock_ms() + RIG_BOUND_MS;                                                             \
        while (!(condition)) {                                                                                         \
            assert_true(loop_run_once((rig)->loop, 20) >= 0);                                                          \
            if (loop_clock_ms() > until_ms)                                                                            \
                rig_fail(rig, #condition);                                                                             \
        }                                                                                                              \
    } while (0)

static inline void rig_topic(rig_t *rig, const char *name, uint32_t partitions, uint32_t message_bytes_max)
{
    fanmap_error_t err = {0};
    bus_topic_config_t config = {
        .name = name, .partitions = partitions, .retention_ms = -1, .message_bytes_max = message_bytes_max};
    unsigned before = rig->topics_n;
    assert_int_equal(bus_ensure_topics(rig->bus, &config, 1, true, rig_on_topics, rig, &err), FANMAP_OK);
    rig_until(rig, rig->topics_n > before);
    assert_string_equal(rig->topics_error.message, "");
    assert_int_equal(bus_topic_open(rig->bus, name, rig_on_delivered, rig, &rig->topic, &err), FANMAP_OK);
}

/* A record whose value is the number, padded to `size` bytes with blanks. */
static inline int rig_produce(rig_t *rig, int32_t partition, uint64_t number, size_t size)
{
    static char value[2 << 20];
    fanmap_error_t err = {0};
    int len = snprintf(value, 32, "%llu", (unsigned long long)number);
    if (size > (size_t)len)
        memset(value + len, ' ', size - (size_t)len);
    return bus_produce(rig->topic, partition, "key", 3, value, size > (size_t)len ? size : (size_t)len, number, &err);
}

static inline void rig_produce_all(rig_t *rig, uint64_t from, uint64_t n, int32_t partitions)
{
    for (uint64_t i = from; i < from + n; i++) {
        while (rig_produce(rig, (int32_t)(i / 16 % (uint64_t)partitions), i, 0) == FANMAP_AGAIN)
            assert_true(loop_run_once(rig->loop, 100) >= 0);
        if (i % 64 == 0)
            assert_true(loop_run_once(rig->loop, 0) >= 0);
    }
}

static inline void rig_read(rig_t *rig, int32_t partition, int64_t from)
{
    fanmap_error_t err = {0};
    assert_int_equal(bus_read(rig->topic, partition, from, &RIG_READER, rig, &rig->reader, &err), FANMAP_OK);
}

static inline void rig_join(rig_t *rig, const char *group)
{
    fanmap_error_t err = {0};
    assert_int_equal(bus_group_join(&rig->topic, 1, group, &RIG_GROUP, rig, &rig->group, &err), FANMAP_OK);
}

/* Retention at work: the first `before` records of the partition go. */
static inline void rig_delete(rig_t *rig, const char *topic, int32_t partition, int64_t before)
{
    rd_kafka_t *rk = ((kafka_bus_t *)rig->bus)->producer.rk;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = before;
    rd_kafka_DeleteRecords_t *request = rd_kafka_DeleteRecords_new(list);
    rd_kafka_DeleteRecords(rk, &request, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 20000);
    assert_non_null(event);
    assert_int_equal(rd_kafka_event_error(event), 0);
    rd_kafka_event_destroy(event);
    rd_kafka_DeleteRecords_destroy(request);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_queue_destroy(queue);
}

/* Every number of from..from+n-1 is there. In each partition a number that is met for the first time is larger than the
 * ones before: what is there twice (at least once is the promise) does not count. Returns how many were repeats. */
static inline size_t rig_check(const rig_log_t *log, uint64_t from, uint64_t n)
{
    char *seen = calloc(n, 1);
    int64_t last[RIG_PARTITIONS];
    size_t repeats = 0, missing = 0;
    memset(last, -1, sizeof last);
    for (size_t i = 0; i < log->n; i++) {
        const rig_seen_t *at = &log->at[i];
        assert_true(at->number >= from && at->number < from + n);
        if (seen[at->number - from]++) {
            repeats++;
            continue;
        }
        assert_true((int64_t)at->number > last[at->partition]);
        last[at->partition] = (int64_t)at->number;
    }
    for (uint64_t i = 0; i < n; i++)
        missing += seen[i] == 0;
    free(seen);
    assert_int_equal(missing, 0);
    return repeats;
}

/* What the process says on stderr goes to a file until rig_stderr_said, which gives it back and tells (as 1) whether
 * librdkafka's own log lines are in it: libraries are silent. */
static inline FILE *rig_stderr_begin(void)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    int before = dup(2);
    dup2(fileno(file), 2);
    setvbuf(stderr, NULL, _IONBF, 0);
    fcntl(before, F_SETFD, FD_CLOEXEC);
    dup2(before, 200);
    close(before);
    return file;
}

static inline int rig_stderr_said(FILE *file)
{
    char line[1024];
    int said = 0;
    dup2(200, 2);
    rewind(file);
    while (fgets(line, sizeof line, file) != NULL) {
        fputs(line, stderr);
        said = said || line[0] == '%';
    }
    fclose(file);
    if (said)
        fprintf(stderr, "librdkafka wrote to the terminal\n");
    return said;
}

/* The main of a test program with a broker of its own; an argument chooses among the tests. */
static inline int rig_run(const char *name, const struct CMUnitTest *tests, size_t n, broker_t *broker, int argc,
                          char **argv)
{
    if (!broker_start(broker)) {
        broker_end(broker);
        printf("ok 1 - %s # SKIP no Kafka on this machine\n", name);
        return 0;
    }
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    FILE *said = rig_stderr_begin();
    int failed = _cmocka_run_group_tests("tests", tests, n, NULL, NULL);
    broker_end(broker);
    return failed + rig_stderr_said(said);
}

#endif
