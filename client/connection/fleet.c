/* One step after the other: who serves the task, what the workers say, the token table; then whether Kafka answers at
 * all, the group's partitions, its offsets, the partitions' ends. Who lacks a right gets no answer about the group, after
 * some time: that alone does not say that Kafka is away. The ends are asked last, so that no offset is behind one. */
#include "client/connection/fleet.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/connection/fleet_known.h"
#include "io/bus_admin.h"
#include "tokens/presence.h"

enum { PARTITIONS_MAX = 4096 };

typedef enum { SERVERS, WORKERS, TABLE, PROBE, OWNED, COMMITTED, ENDS, STEPS } step_t;

struct fleet_asking {
    fanmap_t *f;
    loop_timer_t *timer;
    fleet_fn fn; /* NULL: nobody wants to know any more */
    void *arg;
    uint64_t *answers_n;
    bool is_busy, has_limit;
    step_t step;
    int64_t probe_ms; /* since when it is not known whether Kafka answers */
    bus_topic_t *items;
    uint32_t ends_left;
    int64_t committed_sum, ends_sum;
    fleet_known_t known;
};

typedef struct fleet_asking fleet_asking_t;

static void next_soon(fleet_asking_t *a)
{
    a->step++;
    a->probe_ms = 0;
    if (a->answers_n && a->fn)
        ++*a->answers_n;
    loop_timer_at(a->timer, loop_now_ms(a->f->loop));
}

/* ---- Redis ---- */

static void on_redis(void *arg, const char *const *texts, size_t n, const fanmap_error_t *err)
{
    fleet_asking_t *a = arg;
    if (err) {
        snprintf(a->known.fleet.redis_why, sizeof a->known.fleet.redis_why, "%.*s", FLEET_WHY_MAX - 1, err->message);
        a->step = TABLE; /* the others would hear the same */
    } else if (a->step == SERVERS) {
        a->known.fleet.workers_n = (int)((n - 1) / 2);
    } else if (a->step == WORKERS) {
        fleet_read_workers(&a->known, texts, n);
    } else {
        fleet_read_table(&a->known, texts, n);
    }
    next_soon(a);
}

static int query_redis(fleet_asking_t *a, fanmap_error_t *err)
{
    static const presence_what_t what[] = {PRESENCE_SERVERS, PRESENCE_WORKERS, PRESENCE_TABLE};
    char name[NAME_MAX_LEN + TASK_NAME_MAX + 2];
    if (!a->f->presence || (a->step == TABLE && !a->has_limit))
        return FANMAP_AGAIN;
    snprintf(name, sizeof name, "%s.%s", a->known.queue, a->known.task);
    return presence_ask(a->f->presence, what[a->step], a->step == TABLE ? a->known.job : name, on_redis, a, err);
}

/* ---- Kafka ---- */

static int64_t committed_sum(const bus_answer_t *answer)
{
    int64_t sum = 0;
    for (size_t i = 0; i < answer->n; i++)
        sum += answer->offsets[i] > 0 ? answer->offsets[i] : 0;
    return sum;
}

static void read_probe(fleet_t *fleet, int64_t end)
{
    fleet->has_no_topic = end == BUS_NO_TOPIC;
    fleet->is_kafka_silent = end < 0 && !fleet->has_no_topic;
}

static void on_kafka(void *arg, const bus_answer_t *answer)
{
    fleet_asking_t *a = arg;
    if (a->step == PROBE)
        read_probe(&a->known.fleet, answer->value);
    else if (a->step == OWNED)
        a->known.fleet.owned_n = answer->value;
    else
        a->committed_sum = committed_sum(answer);
    if (a->known.fleet.is_kafka_silent || a->known.fleet.has_no_topic || answer->err)
        a->step = ENDS; /* which say nothing alone */
    next_soon(a);
}

static void on_end(void *arg, const bus_answer_t *answer)
{
    fleet_asking_t *a = arg;
    int64_t end = answer->value;
    a->ends_sum = end < 0 || a->ends_sum < 0 ? -1 : a->ends_sum + end;
    if (--a->ends_left > 0)
        return;
    if (a->ends_sum >= 0)
        a->known.fleet.lag = a->ends_sum > a->committed_sum ? a->ends_sum - a->committed_sum : 0;
    next_soon(a);
}

/* All at once. Where one cannot be asked the sum is not known. */
static int query_ends(fleet_asking_t *a, fanmap_error_t *err)
{
    a->ends_sum = 0;
    a->ends_left = 1; /* so that none of them is the last before all were asked */
    for (uint32_t p = 0; p < a->known.fleet.partitions_n; p++) {
        const bus_request_t request = {.kind = BUS_FIND_END, .partition = (int32_t)p};
        a->ends_left++;
        if (bus_request(a->items, &request, on_end, a, err) != FANMAP_OK)
            on_end(a, &(bus_answer_t){.value = -1});
    }
    on_end(a, &(bus_answer_t){.value = 0});
    return FANMAP_OK;
}

static int query_kafka(fleet_asking_t *a, fanmap_error_t *err)
{
    static const bus_request_kind_t kinds[] = {
        [PROBE] = BUS_FIND_END, [OWNED] = BUS_COUNT_OWNED, [COMMITTED] = BUS_FIND_COMMITTED};
    char group[TOPIC_NAME_MAX];
    bus_request_t request = {.group = group, .n = a->known.fleet.partitions_n};
    if (!a->items || request.n == 0)
        return FANMAP_AGAIN;
    if (a->step == ENDS)
        return query_ends(a, err);
    request.kind = kinds[a->step];
    name_of_id(group, a->f->namespace_name, NAME_WORKERS, a->known.queue);
    if (a->step == PROBE)
        a->probe_ms = loop_now_ms(a->f->loop);
    return bus_request(a->items, &request, on_kafka, a, err);
}

/* ---- all of it ---- */

static void on_timer(void *arg)
{
    fleet_asking_t *a = arg;
    fanmap_error_t err;
    for (; a->step < STEPS && a->fn; a->step++)
        if ((a->step <= TABLE ? query_redis(a, &err) : query_kafka(a, &err)) == FANMAP_OK)
            return;
    fleet_fn fn = a->fn;
    a->is_busy = false;
    a->fn = NULL;
    a->probe_ms = 0;
    if (fn)
        fn(a->arg, &a->known.fleet);
}

static int make_asking(fanmap_t *f, fanmap_error_t *err)
{
    fleet_asking_t *a = calloc(1, sizeof *a);
    if (!a)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    a->f = f;
    int r = loop_timer_new(f->loop, on_timer, a, &a->timer, err);
    if (r == FANMAP_OK)
        f->asking = a;
    else
        free(a);
    return r;
}

int fleet_ask(fanmap_t *f, const fleet_question_t *question, fleet_fn fn, void *arg, fanmap_error_t *err)
{
    int r = f->asking ? FANMAP_OK : make_asking(f, err);
    if (r != FANMAP_OK)
        return r;
    fleet_asking_t *a = f->asking;
    if (a->is_busy)
        return FANMAP_AGAIN;
    a->is_busy = true;
    a->fn = fn;
    a->arg = arg;
    a->answers_n = question->answers_n;
    a->has_limit = question->has_limit;
    a->items = question->items;
    a->step = SERVERS;
    a->known = (fleet_known_t){.fleet = {.workers_n = -1, .oldest_index = -1, .owned_n = -1, .lag = -1}};
    a->known.fleet.partitions_n = question->partitions_n < PARTITIONS_MAX ? question->partitions_n : PARTITIONS_MAX;
    snprintf(a->known.queue, sizeof a->known.queue, "%s", question->queue);
    snprintf(a->known.task, sizeof a->known.task, "%s", question->task);
    snprintf(a->known.job, sizeof a->known.job, "%s", question->job);
    snprintf(a->known.parent, sizeof a->known.parent, "%s", question->parent);
    loop_timer_at(a->timer, loop_now_ms(f->loop));
    return FANMAP_OK;
}

void fleet_forget(fanmap_t *f, const void *arg)
{
    if (f->asking && f->asking->arg == arg)
        f->asking->fn = NULL;
}

int64_t fleet_kafka_missing_ms(const fanmap_t *f)
{
    const fleet_asking_t *a = f->asking;
    return a && a->probe_ms > 0 ? loop_now_ms(f->loop) - a->probe_ms : 0;
}

void fleet_free(fanmap_t *f)
{
    fleet_asking_t *a = f->asking;
    if (!a)
        return;
    loop_timer_free(a->timer);
    free(a);
    f->asking = NULL;
}
