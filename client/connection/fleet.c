/* One step after the other: who serves the task, what the workers say, the token table; then whether Kafka answers at
 * all, the group's partitions, its offsets, the partitions' ends. Who lacks a right gets no answer about the group, after
 * some time: that alone does not say that Kafka is away. The ends are asked last, so that no offset is behind one. */
#include "client/connection/fleet.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/connection/worker_row.h"
#include "io/bus_admin.h"
#include "tokens/presence.h"

/* Who is silent for longer does not serve any more (tokens/presence.h); what ran there is told for a while. */
enum { SERVES_S = 3 * PRESENCE_EVERY_MS / 1000, WORKER_SILENT_S = 15, PARTITIONS_MAX = 4096 };

typedef enum { SERVERS, WORKERS, TABLE, PROBE, OWNED, COMMITTED, ENDS, STEPS } step_t;

typedef struct {
    char id[64], process[FLEET_NAME_MAX];
} seen_worker_t;

enum { SEEN_MAX = 64 };

struct fleet_asking {
    fanmap_t *f;
    loop_timer_t *timer;
    fleet_fn fn; /* NULL: nobody wants to know any more */
    void *arg;
    uint64_t *heard;
    bool is_busy, has_limit;
    step_t step;
    int64_t probe_ms; /* since when it is not known whether Kafka answers */
    char queue[NAME_MAX_LEN + 1], task[TASK_NAME_MAX + 1], job[JOB_ID_MAX + 1], parent[JOB_ID_MAX + 1];
    bus_topic_t *items;
    uint32_t ends_left;
    int64_t committed_sum, ends_sum;
    seen_worker_t seen[SEEN_MAX]; /* some workers, by whose names tokens are told */
    size_t seen_n;
    fleet_t fleet;
};

typedef struct fleet_asking fleet_asking_t;

static void next_soon(fleet_asking_t *a)
{
    a->step++;
    a->probe_ms = 0;
    if (a->heard && a->fn)
        ++*a->heard;
    loop_timer_at(a->timer, loop_now_ms(a->f->loop));
}

/* ---- Redis ---- */

static void add_job(fleet_asking_t *a, const worker_row_t *row)
{
    fleet_t *fleet = &a->fleet;
    uint64_t queued, delayed, running;
    int64_t retry_ms;
    int is_paused;
    const char *at = worker_row_of_job(row->waiting, a->job);
    if (!at || sscanf(at, "%" SCNu64 "/%" SCNu64 "/%" SCNu64 "/%" SCNd64 "/%d", &queued, &delayed, &running, &retry_ms,
                      &is_paused) != 5)
        return;
    if (delayed > 0 && (fleet->delayed == 0 || retry_ms < fleet->retry_ms))
        fleet->retry_ms = retry_ms;
    fleet->queued += queued;
    fleet->delayed += delayed;
    fleet->job_running += running;
    fleet->is_paused |= is_paused != 0;
}

static void add_others(fleet_asking_t *a, const worker_row_t *row)
{
    fleet_t *fleet = &a->fleet;
    for (const char *at = row->info.oldest; *at; at += strcspn(at, ","), at += *at == ',') {
        size_t len = strcspn(at, "/");
        if (len > JOB_ID_MAX || text_is(at, len, a->job))
            continue;
        memcpy(fleet->other, at, len);
        fleet->other[len] = '\0';
        fleet->parent_running += a->parent[0] && strcmp(fleet->other, a->parent) == 0;
    }
}

static void note_oldest(fleet_asking_t *a, const fanmap_worker_info_t *worker)
{
    fleet_t *fleet = &a->fleet;
    uint64_t index, attempt;
    int64_t ms;
    const char *at = worker_row_of_job(worker->oldest, a->job);
    if (!at || sscanf(at, "%" SCNu64 "/%" SCNu64 "/%" SCNd64, &index, &attempt, &ms) != 3)
        return;
    if (fleet->oldest_index >= 0 && ms <= fleet->oldest_ms)
        return;
    fleet->oldest_index = (int64_t)index;
    fleet->oldest_attempt = (int64_t)attempt;
    fleet->oldest_ms = ms;
    snprintf(fleet->oldest_worker, sizeof fleet->oldest_worker, "%.64s:%" PRIu64, worker->host, worker->pid);
}

static void note_heads(fleet_asking_t *a, const worker_row_t *row)
{
    fleet_t *fleet = &a->fleet;
    const char *at = worker_row_of_job(row->heads, a->job);
    for (; at && fleet->heads_n < FLEET_HEADS_MAX; at = worker_row_of_job(at + strcspn(at, ","), a->job)) {
        fleet_head_t *head = &fleet->heads[fleet->heads_n];
        if (sscanf(at, "%" SCNd64 "/%" SCNd64 "/%" SCNd64 "/%15[a-z]/%" SCNd64, &head->partition, &head->offset,
                   &head->attempt, head->state, &head->ms) != 5)
            continue;
        snprintf(head->worker, sizeof head->worker, "%.64s:%" PRIu64, row->info.host, row->info.pid);
        fleet->heads_n++;
    }
}

static void take_worker(fleet_asking_t *a, const char *id, int64_t silent_s, char *text)
{
    fleet_t *fleet = &a->fleet;
    worker_row_t row;
    worker_row_read(text, &row);
    note_oldest(a, &row.info);
    note_heads(a, &row);
    if (a->seen_n < SEEN_MAX) {
        seen_worker_t *seen = &a->seen[a->seen_n++];
        snprintf(seen->id, sizeof seen->id, "%s", id);
        snprintf(seen->process, sizeof seen->process, "%.64s:%" PRIu64, row.info.host, row.info.pid);
    }
    if (silent_s > SERVES_S || strcmp(row.info.queue, a->queue) != 0 || !worker_row_has(row.info.tasks, a->task) ||
        worker_row_has(row.unfed, a->task))
        return;
    fleet->rows_n++;
    if (worker_row_has(row.dead, a->task) && fleet->dead_n++ == 0)
        snprintf(fleet->dead_worker, sizeof fleet->dead_worker, "%.64s:%" PRIu64, row.info.host, row.info.pid);
    fleet->slots += row.info.slots;
    fleet->running += row.info.running;
    add_job(a, &row);
    add_others(a, &row);
}

static void take_workers(fleet_asking_t *a, const char *const *texts, size_t n)
{
    int64_t now_s = strtoll(texts[0], NULL, 10);
    for (size_t i = 1; i + 2 < n; i += 3) {
        int64_t silent_s = now_s - strtoll(texts[i + 1], NULL, 10);
        char *copy = silent_s <= WORKER_SILENT_S ? strdup(texts[i + 2]) : NULL;
        if (copy)
            take_worker(a, texts[i], silent_s, copy);
        free(copy);
    }
}

static void add_holder(fleet_asking_t *a, const char *id, uint64_t held)
{
    char *text = a->fleet.holders;
    size_t len = strlen(text);
    const char *who = "a worker that is gone";
    for (size_t i = 0; i < a->seen_n; i++)
        if (strcmp(a->seen[i].id, id) == 0)
            who = a->seen[i].process;
    if (len + strlen(who) + 32 < FLEET_HOLDERS_MAX)
        snprintf(text + len, FLEET_HOLDERS_MAX - len, "%s%s %" PRIu64, len > 0 ? ", " : "", who, held);
}

static void take_table(fleet_asking_t *a, const char *const *texts, size_t n)
{
    fleet_t *fleet = &a->fleet;
    int64_t now_ms = strtoll(texts[0], NULL, 10), clock = 0, last = now_ms, learn = 0;
    fleet->is_table_asked = true;
    fleet->has_table = n > 1;
    for (size_t i = 1; i + 1 < n; i += 2) {
        const char *field = texts[i], *value = texts[i + 1];
        uint64_t held, expiry, want;
        if (strcmp(field, "clock") == 0)
            clock = strtoll(value, NULL, 10);
        else if (strcmp(field, "last") == 0)
            last = strtoll(value, NULL, 10);
        else if (strcmp(field, "learn") == 0)
            learn = strtoll(value, NULL, 10);
        else if (strcmp(field, "n") == 0)
            fleet->limit = strtoull(value, NULL, 10);
        else if (strncmp(field, "r:", 2) == 0 &&
                 sscanf(value, "%" SCNu64 " %" SCNu64 " %" SCNu64, &held, &expiry, &want) == 3) {
            fleet->held += held;
            fleet->wanting_n += want > held;
            if (held > 0)
                add_holder(a, field + 2, held);
        }
    }
    clock += now_ms > last ? now_ms - last : 0;
    fleet->learns_ms = learn > clock ? learn - clock : 0;
}

static void on_redis(void *arg, const char *const *texts, size_t n, const fanmap_error_t *err)
{
    fleet_asking_t *a = arg;
    if (err) {
        snprintf(a->fleet.redis_why, sizeof a->fleet.redis_why, "%.*s", FLEET_WHY_MAX - 1, err->message);
        a->step = TABLE; /* the others would hear the same */
    } else if (a->step == SERVERS) {
        a->fleet.workers_n = (int)((n - 1) / 2);
    } else if (a->step == WORKERS) {
        take_workers(a, texts, n);
    } else {
        take_table(a, texts, n);
    }
    next_soon(a);
}

static int query_redis(fleet_asking_t *a, fanmap_error_t *err)
{
    static const presence_what_t what[] = {PRESENCE_SERVERS, PRESENCE_WORKERS, PRESENCE_TABLE};
    char name[NAME_MAX_LEN + TASK_NAME_MAX + 2];
    if (!a->f->presence || (a->step == TABLE && !a->has_limit))
        return FANMAP_AGAIN;
    snprintf(name, sizeof name, "%s.%s", a->queue, a->task);
    return presence_ask(a->f->presence, what[a->step], a->step == TABLE ? a->job : name, on_redis, a, err);
}

/* ---- Kafka ---- */

static int64_t committed_sum(const bus_answer_t *answer)
{
    int64_t sum = 0;
    for (size_t i = 0; i < answer->n; i++)
        sum += answer->offsets[i] > 0 ? answer->offsets[i] : 0;
    return sum;
}

static void take_probe(fleet_t *fleet, int64_t end)
{
    fleet->has_no_topic = end == BUS_NO_TOPIC;
    fleet->is_kafka_silent = end < 0 && !fleet->has_no_topic;
}

static void on_kafka(void *arg, const bus_answer_t *answer)
{
    fleet_asking_t *a = arg;
    if (a->step == PROBE)
        take_probe(&a->fleet, answer->value);
    else if (a->step == OWNED)
        a->fleet.owned_n = answer->value;
    else
        a->committed_sum = committed_sum(answer);
    if (a->fleet.is_kafka_silent || a->fleet.has_no_topic || answer->err)
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
        a->fleet.lag = a->ends_sum > a->committed_sum ? a->ends_sum - a->committed_sum : 0;
    next_soon(a);
}

/* All at once. Where one cannot be asked the sum is not known. */
static int query_ends(fleet_asking_t *a, fanmap_error_t *err)
{
    a->ends_sum = 0;
    a->ends_left = 1; /* so that none of them is the last before all were asked */
    for (uint32_t p = 0; p < a->fleet.partitions_n; p++) {
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
    bus_request_t request = {.group = group, .n = a->fleet.partitions_n};
    if (!a->items || request.n == 0)
        return FANMAP_AGAIN;
    if (a->step == ENDS)
        return query_ends(a, err);
    request.kind = kinds[a->step];
    name_group(group, a->f->namespace_name, a->queue);
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
        fn(a->arg, &a->fleet);
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
    a->heard = question->heard;
    a->has_limit = question->has_limit;
    a->items = question->items;
    a->step = SERVERS;
    a->seen_n = 0;
    a->fleet = (fleet_t){.workers_n = -1, .oldest_index = -1, .owned_n = -1, .lag = -1};
    a->fleet.partitions_n = question->partitions_n < PARTITIONS_MAX ? question->partitions_n : PARTITIONS_MAX;
    snprintf(a->queue, sizeof a->queue, "%s", question->queue);
    snprintf(a->task, sizeof a->task, "%s", question->task);
    snprintf(a->job, sizeof a->job, "%s", question->job);
    snprintf(a->parent, sizeof a->parent, "%s", question->parent);
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
