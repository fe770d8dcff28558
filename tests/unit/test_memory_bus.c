/* The embedded mode's bus: the contract of io/bus.h, and bounded memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <malloc.h>
#include <string.h>

#include "io/bus_admin.h"
#include "io/memory/log.h"

enum { KEPT_MAX = 8, PARTITIONS = 4 };

typedef struct {
    loop_t *loop;
    bus_t *bus;
    bus_topic_t *items, *results;
    uint32_t answered;
    fanmap_error_t err;
    uint32_t partitions[4];
    int64_t end;
    uint64_t delivered, refused, next_cookie;
    int64_t last_offset;
    uint64_t reader_n, group_n, ends, gone, revoked, revoked_n, assigned, rebalanced, committed, gaps;
    int64_t reader_next, reader_end, gone_low, committed_offset, group_next[PARTITIONS], assigned_at[PARTITIONS];
    bool was_committed[PARTITIONS];
    char metadata[PARTITIONS][64];
    char value[64];
    void *kept[KEPT_MAX];
    const void *kept_value;
    size_t kept_n;
    bool keep, inside;
    bus_reader_t *reader;
    bus_group_t *group;
    uint64_t stop_at; /* of group records: then want is false */
    uint64_t described, described_cookie;
    char described_member[64];
    bool close_in_record, commit_each;
} bed_t;

static void on_delivered(void *arg, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err)
{
    bed_t *bed = arg;
    (void)partition;
    assert_false(bed->inside);
    assert_int_equal(cookie, bed->next_cookie++);
    bed->last_offset = offset;
    if (err == NULL)
        bed->delivered++;
    else
        bed->refused++;
    if (err != NULL)
        bed->err = *err;
}

static void on_topics(void *arg, const uint32_t *partitions_n, const fanmap_error_t *err)
{
    bed_t *bed = arg;
    bed->answered++;
    if (err != NULL)
        bed->err = *err;
    else
        bed->partitions[0] = partitions_n[0];
}

static void turn(bed_t *bed, int n)
{
    while (n-- > 0)
        assert_true(loop_run_once(bed->loop, 0) >= 0);
}

static const bus_topic_config_t TOPICS[] = {
    {.name = "items", .partitions = PARTITIONS, .message_bytes_max = 1 << 20},
    {.name = "results", .partitions = 2, .message_bytes_max = 1 << 20},
};

static int set_up(void **state)
{
    bed_t *bed = calloc(1, sizeof *bed);
    fanmap_error_t err;
    assert_int_equal(loop_new(&bed->loop, &err), FANMAP_OK);
    assert_int_equal(bus_open_memory(bed->loop, &bed->bus, &err), FANMAP_OK);
    assert_int_equal(bus_ensure_topics(bed->bus, TOPICS, 2, true, on_topics, bed, &err), FANMAP_OK);
    assert_int_equal(bed->answered, 0); /* never from inside the call */
    turn(bed, 1);
    assert_int_equal(bed->answered, 1);
    assert_int_equal(bed->partitions[0], PARTITIONS);
    assert_int_equal(bus_topic_open(bed->bus, "items", on_delivered, bed, &bed->items, &err), FANMAP_OK);
    assert_int_equal(bus_topic_open(bed->bus, "results", on_delivered, bed, &bed->results, &err), FANMAP_OK);
    bed->end = -2;
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    bed_t *bed = *state;
    for (size_t i = 0; i < bed->kept_n; i++)
        bus_release(bed->bus, bed->kept[i]);
    bus_close(bed->bus, 0);
    loop_free(bed->loop);
    free(bed);
    return 0;
}

static int produce(bed_t *bed, bus_topic_t *topic, int32_t partition, const char *value, size_t len, uint64_t cookie)
{
    fanmap_error_t err;
    bed->inside = true;
    int code = bus_produce(topic, partition, "k", 1, value, len, cookie, &err);
    bed->inside = false;
    return code;
}

static void produce_n(bed_t *bed, bus_topic_t *topic, int32_t partition, uint64_t from, uint64_t n)
{
    for (uint64_t i = from; i < from + n; i++) {
        char text[32];
        int len = snprintf(text, sizeof text, "%llu", (unsigned long long)i);
        assert_int_equal(produce(bed, topic, partition, text, (size_t)len, i), FANMAP_OK);
    }
}

/* ---- readers ---- */

static bool on_record(void *arg, const bus_record_t *record)
{
    bed_t *bed = arg;
    assert_false(bed->inside);
    bed->reader_n++;
    bed->reader_next = record->offset + 1;
    (void)snprintf(bed->value, sizeof bed->value, "%.*s", (int)record->value_len, (const char *)record->value);
    if (bed->close_in_record)
        bus_reader_close(bed->reader);
    if (!bed->keep)
        return false;
    bed->kept_value = record->value;
    bed->kept[bed->kept_n++] = record->owner;
    return true;
}
static void on_end(void *arg, int64_t position)
{
    bed_t *bed = arg;
    bed->ends++;
    bed->reader_end = position;
}
static void on_gone(void *arg, int64_t low)
{
    bed_t *bed = arg;
    bed->gone++;
    bed->gone_low = low;
}
static const bus_reader_callbacks_t READER = {.record = on_record, .at_end = on_end, .gone = on_gone};

static void read_from(bed_t *bed, bus_topic_t *topic, int64_t from)
{
    fanmap_error_t err;
    assert_int_equal(bus_read(topic, 0, from, &READER, bed, &bed->reader, &err), FANMAP_OK);
}

static void test_records_come_in_order_and_later(void **state)
{
    bed_t *bed = *state;
    read_from(bed, bed->results, BUS_BEGIN);
    produce_n(bed, bed->results, 0, 0, 5);
    assert_int_equal(bus_outbox_n(bed->bus), 5);
    turn(bed, 1);
    assert_int_equal(bed->delivered, 5);
    assert_int_equal(bed->last_offset, 4);
    assert_int_equal(bus_outbox_n(bed->bus), 0);
    assert_int_equal(bed->reader_n, 5);
    assert_string_equal(bed->value, "4");
    assert_int_equal(bed->ends, 1);
    assert_int_equal(bed->reader_end, 5);
    produce_n(bed, bed->results, 0, 5, 1);
    turn(bed, 1);
    assert_int_equal(bed->reader_n, 6);
    assert_int_equal(bed->ends, 2);
    turn(bed, 3);
    assert_int_equal(bed->ends, 2);
}

static void test_an_empty_partition_has_an_end(void **state)
{
    bed_t *bed = *state;
    read_from(bed, bed->results, BUS_END);
    turn(bed, 1);
    assert_int_equal(bed->ends, 1);
    assert_int_equal(bed->reader_end, 0);
    fanmap_error_t err;
    bus_reader_t *none = NULL;
    assert_int_equal(bus_read(bed->results, 2, 0, &READER, bed, &none, &err), FANMAP_EUSAGE);
    assert_int_equal(bus_produce(bed->results, -1, NULL, 0, "x", 1, 0, &err), FANMAP_EUSAGE);
    assert_null(none);
}

static void test_a_reader_can_begin_anywhere(void **state)
{
    bed_t *bed = *state;
    produce_n(bed, bed->results, 0, 0, 10);
    turn(bed, 1);
    read_from(bed, bed->results, 7);
    turn(bed, 1);
    assert_int_equal(bed->reader_n, 3);
    bus_reader_close(bed->reader);
    turn(bed, 1);
    read_from(bed, bed->results, 3); /* what a reader passed is gone */
    turn(bed, 1);
    assert_int_equal(bed->gone, 1);
    assert_int_equal(bed->gone_low, 10);
    bus_reader_hold(bed->reader, false);
    turn(bed, 1);
    assert_int_equal(bed->gone, 1);
    bus_reader_close(bed->reader);
    read_from(bed, bed->results, 11); /* beyond the end */
    turn(bed, 1);
    assert_int_equal(bed->gone, 2);
}

static void test_hold(void **state)
{
    bed_t *bed = *state;
    read_from(bed, bed->results, 0);
    bus_reader_hold(bed->reader, true);
    produce_n(bed, bed->results, 0, 0, 3);
    turn(bed, 3);
    assert_int_equal(bed->reader_n, 0);
    assert_int_equal(bed->ends, 0);
    bus_reader_hold(bed->reader, false);
    assert_int_equal(bed->reader_n, 0);
    turn(bed, 1);
    assert_int_equal(bed->reader_n, 3);
}

static void test_closing_inside_a_record(void **state)
{
    bed_t *bed = *state;
    read_from(bed, bed->results, 0);
    bed->close_in_record = true;
    produce_n(bed, bed->results, 0, 0, 3);
    turn(bed, 3);
    assert_int_equal(bed->reader_n, 1);
    assert_int_equal(bed->ends, 0);
}

static void test_kept_bytes_outlive_the_log(void **state)
{
    bed_t *bed = *state;
    read_from(bed, bed->results, 0);
    bed->keep = true;
    produce_n(bed, bed->results, 0, 41, 0);
    bed->next_cookie = 41;
    produce_n(bed, bed->results, 0, 41, 1);
    turn(bed, 2);
    bed->keep = false;
    produce_n(bed, bed->results, 0, 42, 2000);
    turn(bed, 4);
    assert_int_equal(bed->reader_n, 2001);
    assert_memory_equal(bed->kept_value, "41", 2);
}

/* ---- groups ---- */

static void on_assigned(void *arg, int32_t partition, int64_t offset, bool was_committed, const char *metadata,
                        size_t metadata_len)
{
    bed_t *bed = arg;
    bed->assigned++;
    bed->assigned_at[partition] = bed->group_next[partition] = offset;
    bed->was_committed[partition] = was_committed;
    (void)snprintf(bed->metadata[partition], sizeof bed->metadata[partition], "%.*s", (int)metadata_len, metadata);
}
static void on_rebalanced(void *arg)
{
    ((bed_t *)arg)->rebalanced++;
}
static void on_revoked(void *arg, const int32_t *partitions, size_t n, bool lost)
{
    bed_t *bed = arg;
    assert_false(lost);
    bed->revoked++;
    bed->revoked_n += n;
    for (size_t i = 0; i < n; i++)
        assert_true(bus_group_commit_now(bed->group, partitions[i], bed->group_next[partitions[i]], "clean", 5, 10));
}
static bool on_group_record(void *arg, const bus_record_t *record)
{
    bed_t *bed = arg;
    bed->group_n++;
    assert_int_equal(record->offset, bed->group_next[record->partition]++);
    if (bed->commit_each)
        bus_group_commit(bed->group, record->partition, record->offset + 1, "", 0, 0);
    if (bed->stop_at == bed->group_n)
        bus_group_want(bed->group, false);
    return false;
}
static void on_committed(void *arg, int32_t partition, int64_t offset, uint64_t cookie, bool ok)
{
    (void)cookie;
    bed_t *bed = arg;
    (void)partition;
    assert_true(ok);
    bed->committed++;
    bed->committed_offset = offset;
}
static void on_gap(void *arg, int32_t partition, int64_t from, int64_t to)
{
    (void)partition, (void)from, (void)to;
    ((bed_t *)arg)->gaps++;
}
static void on_described(void *arg, uint64_t cookie, const char *const *members, size_t n, bool ok)
{
    bed_t *bed = arg;
    assert_true(ok);
    assert_int_equal(n, 1);
    bed->described++;
    bed->described_cookie = cookie;
    (void)snprintf(bed->described_member, sizeof bed->described_member, "%s", members[0]);
}
static const bus_group_callbacks_t GROUP = {
    .assigned = on_assigned,
    .rebalanced = on_rebalanced,
    .revoked = on_revoked,
    .record = on_group_record,
    .committed = on_committed,
    .gap = on_gap,
    .described = on_described,
};

static void join(bed_t *bed)
{
    fanmap_error_t err;
    assert_int_equal(bus_group_join(&bed->items, 1, "g", &GROUP, bed, &bed->group, &err), FANMAP_OK);
}

static void test_a_group_owns_everything(void **state)
{
    bed_t *bed = *state;
    join(bed);
    assert_string_equal(bus_group_member(bed->group), "");
    for (int32_t p = 0; p < PARTITIONS; p++)
        produce_n(bed, bed->items, p, (uint64_t)p * 100, 100);
    turn(bed, 1);
    assert_int_equal(bed->assigned, PARTITIONS);
    assert_int_equal(bed->rebalanced, 1);
    assert_false(bed->was_committed[0]);
    assert_int_equal(bed->group_n, 400);
    assert_true(strlen(bus_group_member(bed->group)) > 0);
    bus_group_t *second = NULL;
    fanmap_error_t err;
    assert_int_equal(bus_group_join(&bed->items, 1, "g", &GROUP, bed, &second, &err), FANMAP_EUSAGE);
    assert_null(second);
}

static void test_want(void **state)
{
    bed_t *bed = *state;
    join(bed);
    bed->stop_at = 3;
    produce_n(bed, bed->items, 1, 0, 10);
    turn(bed, 5);
    assert_int_equal(bed->group_n, 3);
    bus_group_want(bed->group, true);
    assert_int_equal(bed->group_n, 3);
    turn(bed, 1);
    assert_int_equal(bed->group_n, 10);
}

static void test_commits_and_metadata_survive_the_member(void **state)
{
    bed_t *bed = *state;
    join(bed);
    produce_n(bed, bed->items, 2, 0, 10);
    turn(bed, 1);
    bus_group_commit(bed->group, 2, 4, "m", 1, 0);
    assert_int_equal(bed->committed, 0);
    bus_group_commit(bed->group, 2, 6, "mm", 2, 0);
    turn(bed, 1);
    assert_int_equal(bed->committed, 1); /* the later one replaced the first */
    assert_int_equal(bed->committed_offset, 6);
    bed->group_next[2] = 7; /* its closing commit */
    bus_group_leave(bed->group);
    assert_int_equal(bed->revoked, 0);
    turn(bed, 2);
    assert_int_equal(bed->revoked, 1);
    assert_int_equal(bed->revoked_n, PARTITIONS);
    bed->assigned = bed->group_n = 0;
    join(bed);
    turn(bed, 1);
    assert_int_equal(bed->assigned, PARTITIONS);
    assert_true(bed->was_committed[2]);
    assert_int_equal(bed->assigned_at[2], 7);
    assert_string_equal(bed->metadata[2], "clean");
    assert_int_equal(bed->group_n, 3);
    assert_int_equal(bed->gaps, 0);
}

static void test_a_description_lists_the_one_member(void **state)
{
    bed_t *bed = *state;
    join(bed);
    turn(bed, 1);
    bus_group_describe(bed->group, 16);
    bus_group_describe(bed->group, 17);
    assert_int_equal(bed->described, 0);
    turn(bed, 1);
    assert_int_equal(bed->described, 1); /* the later question took the place of the first */
    assert_int_equal(bed->described_cookie, 17);
    assert_string_equal(bed->described_member, bus_group_member(bed->group));
    bus_group_describe(bed->group, 18);
    bus_group_leave(bed->group);
    turn(bed, 2);
    assert_int_equal(bed->revoked, 1);
    assert_int_equal(bed->described, 1);
}

static void test_leaving_before_joining_is_done(void **state)
{
    bed_t *bed = *state;
    join(bed);
    bus_group_leave(bed->group);
    turn(bed, 1);
    assert_int_equal(bed->revoked, 1);
    assert_int_equal(bed->revoked_n, 0);
    assert_int_equal(bed->assigned, 0);
}

static void test_a_group_waits_for_its_topic(void **state)
{
    bed_t *bed = *state;
    fanmap_error_t err;
    bus_topic_t *later;
    assert_int_equal(bus_topic_open(bed->bus, "later", NULL, NULL, &later, &err), FANMAP_OK);
    assert_int_equal(bus_group_join(&later, 1, "g", &GROUP, bed, &bed->group, &err), FANMAP_OK);
    turn(bed, 2);
    assert_int_equal(bed->assigned, 0);
    const bus_topic_config_t config = {.name = "later", .partitions = 3};
    assert_int_equal(bus_ensure_topics(bed->bus, &config, 1, true, on_topics, bed, &err), FANMAP_OK);
    turn(bed, 2);
    assert_int_equal(bed->assigned, 3);
}

/* A member of two topics: lanes in the order in which it named them. */
typedef struct {
    bus_group_t *group;
    unsigned assigned[2], taken[2], committed[2];
} two_t;

static void on_two_assigned(void *arg, int32_t lane, int64_t offset, bool was_committed, const char *metadata,
                            size_t metadata_len)
{
    two_t *two = arg;
    (void)metadata, (void)metadata_len;
    assert_int_equal(offset, was_committed ? 1 : 0);
    two->assigned[BUS_LANE_TOPIC(lane)]++;
}

static void on_two_revoked(void *arg, const int32_t *lanes, size_t n, bool lost)
{
    two_t *two = arg;
    assert_false(lost);
    for (size_t i = 0; i < n; i++)
        two->assigned[BUS_LANE_TOPIC(lanes[i])]--;
}

static bool on_two_record(void *arg, const bus_record_t *record)
{
    two_t *two = arg;
    assert_int_equal(record->partition, BUS_LANE_PARTITION(record->lane));
    two->taken[BUS_LANE_TOPIC(record->lane)]++;
    bus_group_commit(two->group, record->lane, record->offset + 1, "", 0, 7);
    return false;
}

static void on_two_committed(void *arg, int32_t lane, int64_t offset, uint64_t cookie, bool ok)
{
    two_t *two = arg;
    assert_true(ok && offset == 1 && cookie == 7);
    two->committed[BUS_LANE_TOPIC(lane)]++;
}

static void test_a_group_of_two_topics(void **state)
{
    static const bus_group_callbacks_t callbacks = {
        .assigned = on_two_assigned, .revoked = on_two_revoked, .record = on_two_record, .committed = on_two_committed};
    bed_t *bed = *state;
    two_t two = {0};
    fanmap_error_t err;
    bus_topic_t *topics[] = {bed->items, bed->results};
    assert_int_equal(bus_group_join(topics, 2, "two", &callbacks, &two, &two.group, &err), FANMAP_OK);
    produce_n(bed, bed->results, 0, 0, 1);
    for (int32_t p = 0; p < PARTITIONS; p++)
        produce_n(bed, bed->items, p, 1 + (uint64_t)p, 1);
    turn(bed, 3);
    assert_int_equal(two.assigned[0], PARTITIONS);
    assert_true(two.assigned[1] >= 1);
    assert_int_equal(two.taken[0], PARTITIONS);
    assert_int_equal(two.taken[1], 1);
    assert_int_equal(two.committed[0], PARTITIONS);
    assert_int_equal(two.committed[1], 1);
    bus_group_leave(two.group);
    turn(bed, 2);
    assert_int_equal(two.assigned[0] + two.assigned[1], 0);
    /* Of one of them only, and what was committed of it is not taken again. */
    assert_int_equal(bus_group_join(&topics[1], 1, "two", &callbacks, &two, &two.group, &err), FANMAP_OK);
    turn(bed, 3);
    assert_int_equal(two.assigned[1], 0);
    assert_true(two.assigned[0] >= 1);
    assert_int_equal(two.taken[0], PARTITIONS);
}

/* ---- topics and questions ---- */

static void on_query(void *arg, const bus_answer_t *answer)
{
    ((bed_t *)arg)->end = answer->value;
}

static void test_questions(void **state)
{
    bed_t *bed = *state;
    fanmap_error_t err;
    produce_n(bed, bed->items, 1, 0, 3);
    turn(bed, 1);
    assert_int_equal(bus_request(bed->items, &(bus_request_t){.partition = 1}, on_query, bed, &err), FANMAP_OK);
    assert_int_equal(bed->end, -2);
    turn(bed, 1);
    assert_int_equal(bed->end, 3);
    assert_int_equal(bus_request(bed->items, &(bus_request_t){.partition = 99}, on_query, bed, &err), FANMAP_OK);
    turn(bed, 1);
    assert_int_equal(bed->end, -1);
}

static void test_a_missing_topic_is_named(void **state)
{
    bed_t *bed = *state;
    fanmap_error_t err;
    const bus_topic_config_t config[] = {{.name = "items"}, {.name = "nowhere"}};
    assert_int_equal(bus_ensure_topics(bed->bus, config, 2, false, on_topics, bed, &err), FANMAP_OK);
    turn(bed, 1);
    assert_int_equal(bed->answered, 2);
    assert_non_null(strstr(bed->err.message, "nowhere"));
    assert_int_equal(bus_ensure_topics(bed->bus, config, 1, false, on_topics, bed, &err), FANMAP_OK);
    turn(bed, 1);
    assert_int_equal(bed->partitions[0], PARTITIONS); /* as it is, not as asked */
}

static void test_too_large(void **state)
{
    bed_t *bed = *state;
    size_t len = (1 << 20) + 1;
    char *big = calloc(1, len);
    assert_int_equal(produce(bed, bed->items, 0, big, len, 0), FANMAP_OK);
    free(big);
    turn(bed, 1);
    assert_int_equal(bed->refused, 1);
    assert_int_equal(bed->err.code, FANMAP_EUSAGE);
    assert_int_equal(bed->last_offset, -1);
}

/* ---- bounds ---- */

/* 0 under a sanitizer, which has an allocator of its own. */
static size_t heap_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void test_back_pressure_and_its_end(void **state)
{
    bed_t *bed = *state;
    static char value[100000];
    bed->stop_at = 1;
    join(bed);
    uint64_t taken = 0;
    for (int idle = 0; idle < 3;) {
        int code = produce(bed, bed->items, 0, value, sizeof value, taken);
        assert_true(code == FANMAP_OK || code == FANMAP_AGAIN);
        taken += code == FANMAP_OK;
        idle = code == FANMAP_OK ? 0 : idle + 1;
        turn(bed, code == FANMAP_AGAIN);
    }
    assert_true(taken * sizeof value > 60u << 20 && taken * sizeof value < 80u << 20);
    assert_true(bed->delivered < taken); /* a report is still to come for whoever waits */
    uint64_t delivered = bed->delivered;
    bed->commit_each = true;
    bed->stop_at = 0;
    bus_group_want(bed->group, true);
    turn(bed, 10);
    assert_true(bed->delivered > delivered);
    assert_int_equal(produce(bed, bed->items, 0, value, sizeof value, taken), FANMAP_OK);
    turn(bed, 10);
    assert_int_equal(bed->delivered, taken + 1);
    assert_int_equal(bed->group_n, taken + 1);
}

static void test_a_full_topic_does_not_stop_another(void **state)
{
    bed_t *bed = *state;
    static char value[1000000];
    join(bed);
    bus_group_want(bed->group, false);
    while (produce(bed, bed->items, 0, value, sizeof value / 2, bed->next_cookie + bus_outbox_n(bed->bus)) == FANMAP_OK)
        turn(bed, 1);
    uint64_t delivered = bed->delivered;
    fanmap_error_t err;
    bus_topic_t *quiet;
    assert_int_equal(bus_topic_open(bed->bus, "results", NULL, NULL, &quiet, &err), FANMAP_OK);
    read_from(bed, bed->results, 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(produce(bed, quiet, 0, value, sizeof value, 0), FANMAP_OK);
        turn(bed, 2);
    }
    assert_int_equal(bed->reader_n, 100);
    assert_int_equal(bed->delivered, delivered);
}

static void ignore_delivered(void *arg, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err)
{
    (void)cookie, (void)partition, (void)offset;
    assert_null(err);
    ++*(uint64_t *)arg;
}

static void test_bounded_memory_for_a_million(void **state)
{
    bed_t *bed = *state;
    fanmap_error_t err;
    uint64_t delivered = 0;
    bus_topic_t *topics[2];
    assert_int_equal(bus_topic_open(bed->bus, "items", ignore_delivered, &delivered, &topics[0], &err), FANMAP_OK);
    assert_int_equal(bus_topic_open(bed->bus, "results", ignore_delivered, &delivered, &topics[1], &err), FANMAP_OK);
    bed->commit_each = true;
    join(bed);
    read_from(bed, bed->results, 0);
    static const char value[100];
    size_t before = heap_in_use(), peak = before;
    for (uint64_t i = 0; i < 1000000; i++) {
        int32_t partition = i % 2 == 0 ? (int32_t)(i / 64 % PARTITIONS) : 0;
        while (bus_produce(topics[i % 2], partition, NULL, 0, value, sizeof value, i, &err) == FANMAP_AGAIN)
            turn(bed, 1);
        if (i % 4000 != 0)
            continue;
        do /* who reads keeps up, however little the loop gets done in a turn on a busy machine */
            turn(bed, 1);
        while (bed->group_n + bed->reader_n + 4000 < i);
        size_t now = heap_in_use();
        peak = now > peak ? now : peak;
    }
    int64_t end_ms = loop_clock_ms() + 30000;
    while (bed->group_n + bed->reader_n < 1000000 && loop_clock_ms() < end_ms)
        turn(bed, 1);
    turn(bed, 1);
    assert_int_equal(delivered, 1000000);
    assert_int_equal(bed->group_n, 500000);
    assert_int_equal(bed->reader_n, 500000);
    assert_true(peak - before < 48u << 20);
    assert_true(heap_in_use() - before < 1u << 20);
}

static void test_a_topic_that_nobody_reads_drops_its_oldest(void **state)
{
    bed_t *bed = *state;
    static char value[1000000];
    for (uint64_t i = 0; i < 200; i++) {
        assert_int_equal(produce(bed, bed->results, 0, value, sizeof value, i), FANMAP_OK);
        turn(bed, 1);
    }
    assert_int_equal(bed->delivered, 200);
    read_from(bed, bed->results, BUS_BEGIN);
    turn(bed, 2);
    assert_true(bed->reader_n > 30 && bed->reader_n < 70);
    assert_int_equal(bed->reader_next, 200);
}

static void test_a_turn_is_bounded(void **state)
{
    bed_t *bed = *state;
    produce_n(bed, bed->results, 0, 0, 5000);
    read_from(bed, bed->results, 0);
    turn(bed, 1);
    assert_true(bed->delivered > 0 && bed->delivered <= 2000);
    turn(bed, 200); /* a slow machine may need more turns than records alone would ask for */
    assert_int_equal(bed->reader_n, 5000);
}

/* ---- compaction ---- */

static void put(memory_log_t *log, const char *key, const char *value)
{
    memory_record_t *record = memory_record_new(key, strlen(key), value, value == NULL ? 0 : strlen(value));
    assert_true(memory_log_append(log, record) >= 0);
}

static void test_compaction_keeps_the_newest_of_each_key(void **state)
{
    (void)state;
    memory_log_t log = {0};
    put(&log, "a", "1");
    put(&log, "b", "1");
    put(&log, "a", "2");
    put(&log, "b", NULL);
    put(&log, "c", "1");
    put(&log, "c", NULL);
    memory_log_compact(&log, 5); /* a reader stands at 5 */
    assert_int_equal(log.low, 2);
    assert_int_equal(memory_log_end(&log), 6);
    assert_memory_equal(memory_log_at(&log, 2)->bytes, "a2", 2);
    assert_null(memory_log_at(&log, 3));
    assert_null(memory_log_at(&log, 4));
    assert_false(memory_log_at(&log, 5)->has_value);
    memory_log_compact(&log, INT64_MAX);
    assert_null(memory_log_at(&log, 5));
    memory_log_free(&log);
}

static void test_compaction_of_nothing(void **state)
{
    (void)state;
    memory_log_t log = {0};
    memory_log_compact(&log, INT64_MAX);
    assert_int_equal(memory_log_end(&log), 0);
    memory_log_drop_to(&log, 5);
    assert_int_equal(log.low, 0);
    memory_log_free(&log);
}

static void test_a_compacted_topic_stays_small(void **state)
{
    bed_t *bed = *state;
    fanmap_error_t err;
    const bus_topic_config_t config = {.name = "jobs", .partitions = 1, .compacted = true};
    bus_topic_t *jobs;
    assert_int_equal(bus_ensure_topics(bed->bus, &config, 1, true, on_topics, bed, &err), FANMAP_OK);
    assert_int_equal(bus_topic_open(bed->bus, "jobs", NULL, NULL, &jobs, &err), FANMAP_OK);
    turn(bed, 1);
    assert_int_equal(bus_produce(jobs, 0, "old", 3, "v", 1, 0, &err), FANMAP_OK);
    for (int i = 0; i < 10000; i++) {
        char key[16];
        int len = snprintf(key, sizeof key, "%d", i % 7);
        assert_int_equal(bus_produce(jobs, 0, key, (size_t)len, "v", 1, 0, &err), FANMAP_OK);
        if (i % 500 == 0)
            turn(bed, 2);
    }
    turn(bed, 5);
    read_from(bed, jobs, BUS_BEGIN);
    turn(bed, 20);
    assert_int_equal(bed->reader_next, 10001);
    assert_true(bed->reader_n >= 8 && bed->reader_n < 6000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_records_come_in_order_and_later),
        TEST(test_an_empty_partition_has_an_end),
        TEST(test_a_reader_can_begin_anywhere),
        TEST(test_hold),
        TEST(test_closing_inside_a_record),
        TEST(test_kept_bytes_outlive_the_log),
        TEST(test_a_group_owns_everything),
        TEST(test_want),
        TEST(test_commits_and_metadata_survive_the_member),
        TEST(test_leaving_before_joining_is_done),
        TEST(test_a_description_lists_the_one_member),
        TEST(test_a_group_waits_for_its_topic),
        TEST(test_a_group_of_two_topics),
        TEST(test_questions),
        TEST(test_a_missing_topic_is_named),
        TEST(test_too_large),
        TEST(test_back_pressure_and_its_end),
        TEST(test_a_full_topic_does_not_stop_another),
        TEST(test_bounded_memory_for_a_million),
        TEST(test_a_topic_that_nobody_reads_drops_its_oldest),
        TEST(test_a_turn_is_bounded),
        cmocka_unit_test(test_compaction_keeps_the_newest_of_each_key),
        cmocka_unit_test(test_compaction_of_nothing),
        TEST(test_a_compacted_topic_stays_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
