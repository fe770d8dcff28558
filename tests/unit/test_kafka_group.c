/* The bus's consumer groups over a real Kafka: membership, commits, gaps, and staying a member while nobody wants
 * records. */
#include "io/kafka/group.h"
#include "tests/unit/kafka_rig.h"

static broker_t broker;

static int set_up(void **state)
{
    rig_t *rig = calloc(1, sizeof *rig);
    rig_open(rig, broker.brokers, NULL, 0);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    rig_close(*state);
    free(*state);
    return 0;
}

static unsigned owned_n(const rig_t *rig)
{
    unsigned n = 0;
    for (int p = 0; p < RIG_PARTITIONS; p++)
        n += rig->owned[p];
    return n;
}

/* Runs both until the condition holds. */
#define both_until(a, b, condition)                                                                                    \
    do {                                                                                                               \
        int64_t both_until_ms = loop_clock_ms() + RIG_BOUND_MS;                                                        \
        while (!(condition)) {                                                                                         \
            assert_true(loop_run_once((a)->loop, 10) >= 0 && loop_run_once((b)->loop, 10) >= 0);                       \
            if (loop_clock_ms() > both_until_ms)                                                                       \
                fail_msg("not in time: %s (%s, %s)", #condition, (a)->line, (b)->line);                                \
        }                                                                                                              \
    } while (0)

static void leave(rig_t *rig)
{
    unsigned before = rig->revoked_n;
    bus_group_leave(rig->group);
    assert_int_equal(rig->revoked_n, before); /* never from inside the call */
    rig_until(rig, rig->revoked_n > before);
}

static void test_a_new_group_begins_at_the_low_watermark(void **state)
{
    rig_t *rig = *state;
    rig_topic(rig, "fresh", 4, 0);
    rig_produce_all(rig, 0, 1000, 4);
    rig_join(rig, "fresh");
    assert_string_equal(bus_group_member(rig->group), "");
    rig_until(rig, rig->rebalanced_n == 1);
    assert_int_equal(owned_n(rig), 4);
    for (int p = 0; p < 4; p++) {
        assert_false(rig->was_committed[p]);
        assert_int_equal(rig->assigned_at[p], 0);
        assert_int_equal(rig->metadata_len[p], 0);
    }
    assert_true(strlen(bus_group_member(rig->group)) > 10);
    rig_until(rig, rig->taken.n == 1000);
    assert_int_equal(rig_check(&rig->taken, 0, 1000), 0);
    leave(rig);
    assert_int_equal(rig->revoked_partitions_n, 4);
    assert_false(rig->lost);
}

static void test_commits_carry_their_metadata(void **state)
{
    rig_t *rig = *state;
    rig_topic(rig, "commits", 2, 0);
    rig_produce_all(rig, 0, 320, 2);
    rig_join(rig, "commits");
    rig_until(rig, rig->taken.n == 320);
    bus_group_commit(rig->group, 0, 5, "first", 5, 0);
    bus_group_commit(rig->group, 0, 7, "bmFtZXM=", 8, 0); /* replaces what has not gone out */
    bus_group_commit(rig->group, 1, 9, "", 0, 0);
    bus_group_commit(rig->group, 7, 9, "", 0, 0); /* not ours: nothing happens */
    assert_int_equal(rig->committed_n, 0);
    rig_until(rig, rig->committed_n == 2);
    assert_int_equal(rig->committed_at[0], 7);
    assert_int_equal(rig->committed_at[1], 9);
    leave(rig);
    rig->taken.n = 0;
    rig_join(rig, "commits");
    rig_until(rig, rig->rebalanced_n == 2);
    assert_true(rig->was_committed[0] && rig->was_committed[1]);
    assert_int_equal(rig->assigned_at[0], 7);
    assert_string_equal(rig->metadata[0], "bmFtZXM=");
    assert_int_equal(rig->metadata_len[1], 0);
    rig_until(rig, rig->taken.n == 320 - 7 - 9);
}

static void test_a_large_metadata_comes_back_whole(void **state)
{
    rig_t *rig = *state;
    char text[4096];
    memset(text, 'x', sizeof text);
    rig_topic(rig, "metadata", 1, 0);
    rig_produce_all(rig, 0, 3, 1);
    rig_join(rig, "metadata");
    rig_until(rig, rig->taken.n == 3);
    bus_group_commit(rig->group, 0, 1, text, sizeof text, 0);
    rig_until(rig, rig->committed_n == 1);
    char *over = calloc(1, 8192);
    memset(over, 'x', 8192);
    bus_group_commit(rig->group, 0, 2, over, 8192, 0); /* over the broker's limit */
    free(over);
    rig_until(rig, rig->refused_n == 1);
    leave(rig);
    rig_join(rig, "metadata");
    rig_until(rig, rig->rebalanced_n == 2);
    assert_int_equal(rig->assigned_at[0], 1);
    assert_int_equal(rig->metadata_len[0], sizeof text);
}

/* A group that is only about who has what: nothing is fetched, and what is committed comes back, whatever the log has
 * by then. */
static void test_a_group_without_records(void **state)
{
    rig_t *rig = *state;
    bus_group_callbacks_t callbacks = RIG_GROUP;
    fanmap_error_t err;
    callbacks.record = NULL;
    rig_topic(rig, "parts", 1, 0);
    rig_produce_all(rig, 0, 100, 1);
    rig_delete(rig, "parts", 0, 60);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(bus_group_join(&rig->topic, 1, "parts", &callbacks, rig, &rig->group, &err), FANMAP_OK);
        rig_until(rig, rig->rebalanced_n == (unsigned)i + 1);
        assert_true(rig->was_committed[0] == (i == 1));
        assert_string_equal(rig->metadata[0], i == 0 ? "" : "77");
        const kafka_group_t *group = (kafka_group_t *)rig->group;
        rig_produce_all(rig, 100 + 50 * (unsigned)i, 50, 1);
        bus_group_commit(rig->group, 0, 0, "77", 2, 0);
        rig_until(rig, rig->committed_n == (unsigned)i + 1);
        rig_until(rig, rig->delivered.n == 150 + 50 * (size_t)i);
        rd_kafka_message_t *message; /* the log's end is told as one, too */
        while ((message = rd_kafka_consume_queue(group->owned[0].queue, 200)) != NULL) {
            assert_int_equal(message->err, RD_KAFKA_RESP_ERR__PARTITION_EOF);
            rd_kafka_message_destroy(message);
        }
        leave(rig);
    }
}

static void test_closing_commits_are_what_the_next_member_finds(void **state)
{
    rig_t *rig = *state;
    rig_topic(rig, "closing", 2, 0);
    rig_produce_all(rig, 0, 64, 2);
    rig_join(rig, "closing");
    rig_until(rig, rig->taken.n == 64);
    rig->commit_when_revoked = true;
    leave(rig);
    assert_true(rig->closing_ok);
    rig->taken.n = 0;
    rig_produce_all(rig, 64, 32, 2);
    rig_join(rig, "closing");
    rig_until(rig, rig->taken.n == 32);
    assert_string_equal(rig->metadata[0], "closing");
    assert_string_equal(rig->metadata[1], "closing");
    assert_int_equal(rig_check(&rig->taken, 64, 32), 0);
}

/* It was asked to commit something else just before, which has not gone out. */
static void revoked_with_a_commit_waiting(void *arg, const int32_t *lanes, size_t n, bool lost)
{
    rig_t *rig = arg;
    for (size_t i = 0; i < n; i++)
        bus_group_commit(rig->group, lanes[i], 1, "before", 6, 0);
    assert_true(bus_group_hold(rig->group));
    rig_on_revoked(arg, lanes, n, lost);
}

/* While partitions are held the loop turns, and sends what waits. */
static void test_nothing_that_waited_is_committed_after_the_closing_commit(void **state)
{
    rig_t *a = *state, b;
    bus_group_callbacks_t callbacks = RIG_GROUP;
    fanmap_error_t err;
    callbacks.revoked = revoked_with_a_commit_waiting;
    rig_open(&b, broker.brokers, NULL, 0);
    rig_topic(a, "waiting", 2, 0);
    rig_topic(&b, "waiting", 2, 0);
    rig_produce_all(a, 0, 64, 2);
    assert_int_equal(bus_group_join(&a->topic, 1, "waiting", &callbacks, a, &a->group, &err), FANMAP_OK);
    a->commit_when_revoked = true;
    rig_until(a, a->taken.n == 64);
    rig_join(&b, "waiting");
    both_until(a, &b, a->revoked_n == 1);
    assert_true(a->closing_ok);
    for (int64_t until_ms = loop_clock_ms() + 500; loop_clock_ms() < until_ms;)
        assert_true(loop_run_once(a->loop, 20) >= 0);
    bus_group_let_go(a->group);
    both_until(a, &b, owned_n(a) == 1 && owned_n(&b) == 1);
    for (int p = 0; p < 2; p++) {
        const rig_t *owner = a->owned[p] ? a : &b;
        assert_string_equal(owner->metadata[p], "closing");
        assert_int_equal(owner->assigned_at[p], 32);
    }
    rig_close(&b);
}

static void test_two_members_share_and_take_over(void **state)
{
    rig_t *a = *state, b;
    rig_open(&b, broker.brokers, NULL, 0);
    rig_topic(a, "two", 4, 0);
    rig_topic(&b, "two", 4, 0);
    a->commit_when_revoked = b.commit_when_revoked = true;
    rig_produce_all(a, 0, 640, 4);
    rig_join(a, "two");
    rig_until(a, a->taken.n == 640);
    rig_join(&b, "two");
    both_until(a, &b, owned_n(a) == 2 && owned_n(&b) == 2);
    assert_true(a->closing_ok);
    assert_false(a->lost);
    assert_string_not_equal(bus_group_member(a->group), bus_group_member(b.group));
    rig_produce_all(a, 640, 640, 4);
    both_until(a, &b, a->taken.n + b.taken.n == 1280);
    assert_int_equal(b.taken.n, 320); /* nothing again of what was committed */
    bus_group_leave(a->group);
    both_until(a, &b, owned_n(&b) == 4);
    assert_int_equal(owned_n(a), 0);
    rig_produce_all(&b, 1280, 64, 4);
    rig_until(&b, b.taken.n == 320 + 64);
    rig_close(&b);
}

/* A member hears of the one that joins by its next heartbeat, which librdkafka would send three seconds after it joined
 * itself, each time. A busy machine may be late, but not each time: one that heard of it sooner is the proof. */
static void test_a_member_that_joins_is_heard_of_soon(void **state)
{
    enum { HEARTBEAT_MS = 3000, SOON_MS = HEARTBEAT_MS * 2 / 3, TRIES = 10 };
    int64_t best_ms = INT64_MAX;
    (void)state;
    for (int i = 0; i < TRIES && best_ms > SOON_MS; i++) {
        rig_t a, b;
        rig_open(&a, broker.brokers, NULL, 45000);
        rig_open(&b, broker.brokers, NULL, 45000);
        rig_topic(&a, "soon", 2, 0);
        rig_topic(&b, "soon", 2, 0);
        rig_join(&a, "soon");
        rig_until(&a, owned_n(&a) == 2);
        int64_t began_ms = loop_clock_ms();
        rig_join(&b, "soon");
        both_until(&a, &b, owned_n(&a) == 1 && owned_n(&b) == 1);
        int64_t took_ms = loop_clock_ms() - began_ms;
        best_ms = took_ms < best_ms ? took_ms : best_ms;
        leave(&a);
        rig_close(&a);
        leave(&b);
        rig_close(&b);
    }
    assert_in_range(best_ms, 0, SOON_MS);
}

/* ---- members of different topics ---- */

enum { RED, BLUE, TOPICS_N };

/* A member with the topics that it subscribes to, in this order. */
typedef struct {
    rig_t rig;
    bus_group_t *group;
    size_t topics[TOPICS_N], topics_n;
    unsigned owned[TOPICS_N], taken[TOPICS_N], committed_n;
    int64_t members_n;
} painter_t;

static size_t colour(const painter_t *p, int32_t lane)
{
    assert_true(BUS_LANE_TOPIC(lane) < p->topics_n);
    assert_true(BUS_LANE_PARTITION(lane) < 6);
    return p->topics[BUS_LANE_TOPIC(lane)];
}

static void painter_assigned(void *arg, int32_t lane, int64_t offset, bool was_committed, const char *metadata,
                             size_t metadata_len)
{
    painter_t *p = arg;
    (void)offset, (void)was_committed, (void)metadata, (void)metadata_len;
    p->owned[colour(p, lane)]++;
}

static void painter_revoked(void *arg, const int32_t *lanes, size_t n, bool lost)
{
    painter_t *p = arg;
    assert_false(lost);
    for (size_t i = 0; i < n; i++)
        p->owned[colour(p, lanes[i])]--;
}

/* Each is committed at once, by its lane. */
static bool painter_record(void *arg, const bus_record_t *record)
{
    painter_t *p = arg;
    assert_int_equal(record->partition, BUS_LANE_PARTITION(record->lane));
    assert_int_equal(rig_number(record), colour(p, record->lane));
    p->taken[colour(p, record->lane)]++;
    bus_group_commit(p->group, record->lane, record->offset + 1, "", 0, 1);
    return false;
}

static void painter_committed(void *arg, int32_t lane, int64_t offset, uint64_t cookie, bool ok)
{
    painter_t *p = arg;
    (void)colour(p, lane);
    assert_true(ok && offset == 1 && cookie == 1);
    p->committed_n++;
}

static void painter_counted(void *arg, const bus_answer_t *answer)
{
    ((painter_t *)arg)->members_n = answer->value;
}

static void painter_join(painter_t *p, const size_t *topics, size_t n)
{
    static const bus_group_callbacks_t callbacks = {.assigned = painter_assigned,
                                                    .revoked = painter_revoked,
                                                    .record = painter_record,
                                                    .committed = painter_committed};
    static const char *const names[] = {"red", "blue"};
    bus_topic_t *handles[TOPICS_N];
    fanmap_error_t err;
    *p = (painter_t){.topics_n = n};
    rig_open(&p->rig, broker.brokers, NULL, 0);
    for (size_t i = 0; i < n; i++) {
        rig_topic(&p->rig, names[topics[i]], 6, 0);
        handles[i] = p->rig.topic;
        p->topics[i] = topics[i];
    }
    assert_int_equal(bus_group_join(handles, n, "painters", &callbacks, p, &p->group, &err), FANMAP_OK);
}

#define painters_until(condition)                                                                                      \
    do {                                                                                                               \
        int64_t painters_until_ms = loop_clock_ms() + RIG_BOUND_MS;                                                    \
        while (!(condition)) {                                                                                         \
            for (size_t i_ = 0; i_ < 3; i_++)                                                                          \
                assert_true(loop_run_once(p[i_].rig.loop, 10) >= 0);                                                   \
            if (loop_clock_ms() > painters_until_ms)                                                                   \
                fail_msg("not in time: %s (red %u %u %u, blue %u %u %u)", #condition, p[0].owned[RED],                 \
                         p[1].owned[RED], p[2].owned[RED], p[0].owned[BLUE], p[1].owned[BLUE], p[2].owned[BLUE]);      \
        }                                                                                                              \
    } while (0)

/* A topic's partitions go to those who subscribe to it and to nobody else, in equal shares. */
static void test_members_of_different_topics(void **state)
{
    static painter_t p[3];
    (void)state;
    painter_join(&p[0], (const size_t[]){RED}, 1);
    painter_join(&p[1], (const size_t[]){BLUE, RED}, 2);
    painter_join(&p[2], (const size_t[]){BLUE}, 1);
    painters_until(p[0].owned[RED] == 3 && p[1].owned[RED] == 3 && p[1].owned[BLUE] == 3 && p[2].owned[BLUE] == 3);
    for (int32_t partition = 0; partition < 6; partition++) {
        assert_int_equal(rig_produce(&p[0].rig, partition, RED, 0), FANMAP_OK);
        assert_int_equal(rig_produce(&p[2].rig, partition, BLUE, 0), FANMAP_OK);
    }
    painters_until(p[0].taken[RED] + p[1].taken[RED] == 6 && p[1].taken[BLUE] + p[2].taken[BLUE] == 6);
    painters_until(p[0].committed_n == 3 && p[1].committed_n == 6 && p[2].committed_n == 3);
    for (size_t i = 0; i < 3; i++) {
        fanmap_error_t err;
        p[i].members_n = -1;
        while (p[i].members_n < 0) { /* while the group is not stable nobody knows */
            const bus_request_t count = {.kind = BUS_COUNT_MEMBERS, .group = "painters"};
            p[i].members_n = -2;
            assert_int_equal(bus_request(p[i].rig.topic, &count, painter_counted, &p[i], &err), FANMAP_OK);
            painters_until(p[i].members_n != -2);
        }
        assert_int_equal(p[i].members_n, 2);
    }
    bus_group_leave(p[2].group);
    painters_until(p[0].owned[RED] == 3 && p[1].owned[RED] == 3 && p[1].owned[BLUE] == 6);
    assert_int_equal(p[1].taken[BLUE], 3); /* what was committed does not come again */
    for (size_t i = 0; i < 3; i++)
        rig_close(&p[i].rig);
}

static bool lists(const rig_t *rig, const char *member)
{
    for (size_t i = 0; i < rig->members_n; i++)
        if (strcmp(rig->members[i], member) == 0)
            return true;
    return false;
}

static void test_a_description_lists_who_is_a_member(void **state)
{
    rig_t *a = *state, b;
    char left[256];
    rig_open(&b, broker.brokers, NULL, 0);
    rig_topic(a, "who", 2, 0);
    rig_topic(&b, "who", 2, 0);
    rig_join(a, "who");
    rig_until(a, owned_n(a) == 2);
    bus_group_describe(a->group, 17);
    assert_int_equal(a->described_n, 0); /* never from inside the call */
    rig_until(a, a->described_n == 1);
    assert_int_equal(a->described_cookie, 17);
    assert_int_equal(a->members_n, 1);
    assert_string_equal(a->members[0], bus_group_member(a->group));
    rig_join(&b, "who");
    both_until(a, &b, owned_n(a) == 1 && owned_n(&b) == 1);
    bus_group_describe(a->group, 18);
    bus_group_describe(b.group, 19);
    both_until(a, &b, a->described_n == 2 && b.described_n == 1);
    assert_int_equal(a->members_n, 2);
    assert_int_equal(b.members_n, 2);
    assert_true(lists(a, bus_group_member(b.group)) && lists(&b, bus_group_member(a->group)));
    (void)snprintf(left, sizeof left, "%s", bus_group_member(b.group));
    bus_group_describe(b.group, 20);
    bus_group_leave(b.group); /* no answer any more */
    both_until(a, &b, owned_n(a) == 2 && owned_n(&b) == 0);
    bus_group_describe(a->group, 21);
    rig_until(a, a->described_n == 3);
    assert_int_equal(a->members_n, 1);
    assert_false(lists(a, left));
    assert_int_equal(b.described_n + b.undescribed_n, 1);
    rig_close(&b);
}

static void test_want_stops_and_goes_on(void **state)
{
    rig_t *rig = *state;
    rig_topic(rig, "want", 2, 0);
    rig_produce_all(rig, 0, 500, 2);
    rig_until(rig, rig->delivered.n == 500);
    rig->stop_at = 100;
    rig_join(rig, "want");
    rig_until(rig, rig->taken.n == 100);
    fanmap_error_t err;
    for (int i = 0; i < 5; i++) {
        rig->end = -2;
        assert_int_equal(bus_request(rig->topic, &(bus_request_t){.kind = BUS_FIND_END}, rig_on_query, rig, &err),
                         FANMAP_OK);
        rig_until(rig, rig->end >= 0);
    }
    assert_int_equal(rig->taken.n, 100);
    bus_group_want(rig->group, true);
    assert_int_equal(rig->taken.n, 100);
    rig_until(rig, rig->taken.n == 500);
    assert_int_equal(rig_check(&rig->taken, 0, 500), 0);
}

/* The proof that flow control without pausing keeps a member alive: one wants nothing for longer than
 * max.poll.interval.ms and stays; the other, whose loop does not run at all, is put out and is told that its assignment
 * is lost. */
static void test_a_member_that_wants_nothing_stays(void **state)
{
    static const char *const short_poll[] = {"max.poll.interval.ms", "6000", NULL};
    (void)state;
    rig_t quiet, stuck;
    rig_open(&quiet, broker.brokers, short_poll, 6000);
    rig_open(&stuck, broker.brokers, short_poll, 6000);
    rig_topic(&quiet, "quiet", 2, 0);
    rig_topic(&stuck, "stuck", 2, 0);
    rig_produce_all(&quiet, 0, 100, 2);
    rig_join(&quiet, "quiet");
    rig_join(&stuck, "stuck");
    bus_group_want(quiet.group, false);
    both_until(&quiet, &stuck, owned_n(&quiet) == 2 && owned_n(&stuck) == 2);
    char member[256];
    (void)snprintf(member, sizeof member, "%s", bus_group_member(quiet.group));
    for (int64_t until_ms = loop_clock_ms() + 9000; loop_clock_ms() < until_ms;)
        assert_true(loop_run_once(quiet.loop, 100) >= 0);
    assert_int_equal(quiet.revoked_n, 0);
    assert_int_equal(quiet.taken.n, 0);
    assert_string_equal(bus_group_member(quiet.group), member);
    bus_group_commit(quiet.group, 0, 1, "m", 1, 0); /* the broker still takes it for a member, too */
    bus_group_want(quiet.group, true);
    rig_until(&quiet, quiet.committed_n == 1 && quiet.taken.n == 100);
    assert_int_equal(quiet.revoked_n, 0);
    rig_until(&stuck, stuck.revoked_n == 1);
    assert_true(stuck.lost);
    rig_until(&stuck, owned_n(&stuck) == 2); /* and it joins anew */
    rig_close(&quiet);
    rig_close(&stuck);
}

static void test_leaving_before_the_assignment(void **state)
{
    rig_t *rig = *state;
    rig_topic(rig, "hasty", 2, 0);
    rig_join(rig, "hasty");
    leave(rig);
    assert_int_equal(rig->revoked_partitions_n, 0);
    rig_join(rig, "hasty");
    rig_until(rig, owned_n(rig) == 2);
}

static void test_a_gap_is_told(void **state)
{
    rig_t *rig = *state;
    rig_topic(rig, "gap", 2, 0);
    rig_produce_all(rig, 0, 320, 2);
    rig_join(rig, "gap");
    rig_until(rig, rig->taken.n == 320);
    bus_group_commit(rig->group, 0, 3, "", 0, 0);
    bus_group_commit(rig->group, 1, 160, "", 0, 0);
    rig_until(rig, rig->committed_n == 2);
    leave(rig);
    rig_delete(rig, "gap", 0, 100);
    rig->taken.n = 0;
    rig_join(rig, "gap");
    rig_until(rig, rig->gaps_n == 1 && rig->taken.n == 60);
    assert_int_equal(rig->gap_from, 3);
    assert_int_equal(rig->gap_to, 100);
    assert_int_equal(rig->assigned_at[0], 3);
    rig_produce_all(rig, 320, 64, 2); /* the other partition goes on */
    rig_until(rig, rig->taken.n == 60 + 64);
    assert_int_equal(rig->gaps_n, 1);
}

static void test_a_group_that_begins_after_deletion_has_no_gap(void **state)
{
    rig_t *rig = *state;
    rig_topic(rig, "late", 1, 0);
    rig_produce_all(rig, 0, 100, 1);
    rig_until(rig, rig->delivered.n == 100);
    rig_delete(rig, "late", 0, 40);
    rig_join(rig, "late");
    rig_until(rig, rig->taken.n == 60);
    assert_int_equal(rig->assigned_at[0], 40);
    assert_false(rig->was_committed[0]);
    assert_int_equal(rig->gaps_n, 0);
}

static void test_the_broker_is_killed_under_a_group(void **state)
{
    rig_t *rig = *state;
    rig_topic(rig, "broken", 4, 0);
    rig_join(rig, "broken");
    rig->commit_when_revoked = true;
    rig_produce_all(rig, 0, 2000, 4);
    rig_until(rig, rig->taken.n == 2000);
    for (int32_t p = 0; p < 4; p++)
        bus_group_commit(rig->group, p, rig->next[p], "before", 6, 0);
    rig_until(rig, rig->committed_n == 4);
    broker_do(&broker, "kill");
    rig_produce_all(rig, 2000, 2000, 4);
    rig_until(rig, rig->errors_n > 0);
    bus_group_describe(rig->group, 1);
    rig_until(rig, rig->undescribed_n == 1); /* nothing is known, which is not that nobody is there */
    assert_int_equal(rig->members_n, 0);
    broker_do(&broker, "start");
    rig_until(rig, rig->delivered.n == 4000 && rig->taken.n >= 4000);
    (void)rig_check(&rig->taken, 0, 4000); /* at least once: a lost assignment begins at the commits */
    unsigned committed = rig->committed_n;
    for (int tries = 0; rig->committed_n == committed && tries < 100;
         tries++) { /* refused while the group forms anew */
        unsigned answers = rig->committed_n + rig->refused_n;
        rig_until(rig, rig->owned[0]);
        bus_group_commit(rig->group, 0, rig->next[0], "after", 5, 0);
        rig_until(rig, rig->committed_n + rig->refused_n > answers || !rig->owned[0]);
    }
    assert_true(rig->committed_n > committed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_new_group_begins_at_the_low_watermark),
        TEST(test_commits_carry_their_metadata),
        TEST(test_a_large_metadata_comes_back_whole),
        TEST(test_a_group_without_records),
        TEST(test_closing_commits_are_what_the_next_member_finds),
        TEST(test_nothing_that_waited_is_committed_after_the_closing_commit),
        TEST(test_two_members_share_and_take_over),
        cmocka_unit_test(test_a_member_that_joins_is_heard_of_soon),
        cmocka_unit_test(test_members_of_different_topics),
        TEST(test_a_description_lists_who_is_a_member),
        TEST(test_want_stops_and_goes_on),
        cmocka_unit_test(test_a_member_that_wants_nothing_stays),
        TEST(test_leaving_before_the_assignment),
        TEST(test_a_gap_is_told),
        TEST(test_a_group_that_begins_after_deletion_has_no_gap),
        TEST(test_the_broker_is_killed_under_a_group),
    };
    return rig_run("test_kafka_group", tests, sizeof tests / sizeof *tests, &broker, argc, argv);
}
