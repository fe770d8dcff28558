/* A pack is sent when it is full, when a job without one needs its place, and at the latest LINGER_MS after its first
 * line. Before the topic is known packs fill up and stay; a topic that cannot be had is said once, and then nothing is
 * kept. */
#include "client/services/log_topic.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/table.h"
#include "schemas/logs.h"
#include "schemas/names.h"
#include "schemas/place.h"
#include "schemas/topics.h"

enum { PACKS_MAX = 32, PACK_BYTES = 64 * 1024, LINGER_MS = 200, SECOND_MS = 1000 };
enum { SECOND_BYTES = 1024 * 1024, UNDER_WAY_MAX = 64, END_TEXT_MAX = 1000, END_BYTES = 32 };

typedef struct {
    char job[JOB_ID_MAX + 1]; /* "": free */
    logs_pack_t entries;
    uint64_t dropped;
} pack_t;

typedef struct {
    char job[JOB_ID_MAX + 1];
    UT_hash_handle hh;
} quiet_t;

struct log_topic {
    loop_t *loop;
    bus_t *bus;
    log_topic_config_t config;
    char name[TOPIC_NAME_MAX];
    loop_timer_t *timer;
    bus_topic_t *topic;
    uint32_t partitions_n;
    enum { UNKNOWN, ASKED, OPEN, OFF } state;
    pack_t packs[PACKS_MAX];
    size_t turn;
    quiet_t *quiet; /* jobs that want no logs, for as long as the jobs topic knows them */
    uint64_t under_way;
    int64_t second_ms;
    size_t in_second;
    bool is_armed, has_said;
};

static void warn_once(log_topic_t *t, const char *what)
{
    if (!t->has_said)
        log_to(t->config.log, t->config.log_arg, FANMAP_LOG_WARNING, "what attempts write does not go to %s: %s",
               t->name, what);
    t->has_said = true;
}

static void on_delivered(void *arg, uint64_t cookie, int32_t partition, int64_t offset, const fanmap_error_t *err)
{
    log_topic_t *t = arg;
    (void)cookie, (void)partition, (void)offset;
    t->under_way--;
    if (err)
        warn_once(t, err->message);
}

/* What the bus does not take is dropped, and counted in the job's next record. */
static void send_pack(log_topic_t *t, pack_t *pack)
{
    fanmap_error_t err;
    buf_t value = {0};
    int32_t partition = (int32_t)place_results(pack->job, t->partitions_n);
    logs_encode(&value, pack->dropped, t->config.worker, &pack->entries);
    bool is_taken =
        !value.failed && t->under_way < UNDER_WAY_MAX &&
        bus_produce(t->topic, partition, pack->job, strlen(pack->job), value.data, value.len, 0, &err) == FANMAP_OK;
    t->under_way += is_taken;
    pack->dropped = is_taken ? 0 : pack->dropped + logs_pack_bytes(&pack->entries);
    buf_free(&value);
    logs_pack_clear(&pack->entries);
    if (pack->dropped == 0)
        pack->job[0] = '\0';
}

static void arm_timer(log_topic_t *t)
{
    if (!t->is_armed)
        loop_timer_at(t->timer, loop_now_ms(t->loop) + LINGER_MS);
    t->is_armed = true;
}

void log_topic_flush(log_topic_t *t)
{
    for (size_t i = 0; t->state == OPEN && i < PACKS_MAX; i++)
        if (t->packs[i].job[0])
            send_pack(t, &t->packs[i]);
}

static void on_timer(void *arg)
{
    log_topic_t *t = arg;
    t->is_armed = false;
    log_topic_flush(t);
    for (size_t i = 0; t->state == OPEN && i < PACKS_MAX; i++)
        if (t->packs[i].job[0])
            arm_timer(t); /* something was dropped, which is still to be said */
}

static void on_ensured(void *arg, const uint32_t *partitions_n, const fanmap_error_t *err)
{
    log_topic_t *t = arg;
    fanmap_error_t why;
    if (err || bus_topic_open(t->bus, t->name, on_delivered, t, &t->topic, &why) != FANMAP_OK) {
        t->state = OFF;
        warn_once(t, err ? err->message : why.message);
        return;
    }
    t->partitions_n = partitions_n[0];
    t->state = OPEN;
    log_topic_flush(t);
}

static void ensure_topic(log_topic_t *t)
{
    fanmap_error_t err;
    const bus_topic_config_t config = {t->name, t->config.partitions, false, TOPIC_LOGS_MS, t->config.record_bytes_max};
    t->state = ASKED;
    if (bus_ensure_topics(t->bus, &config, 1, t->config.create, on_ensured, t, &err) != FANMAP_OK) {
        t->state = OFF;
        warn_once(t, err.message);
    }
}

/* NULL: no place is free, and the topic is not known yet. */
static pack_t *pack_of(log_topic_t *t, const char *job)
{
    pack_t *free_one = NULL;
    for (size_t i = 0; i < PACKS_MAX; i++) {
        if (strcmp(t->packs[i].job, job) == 0)
            return &t->packs[i];
        if (!t->packs[i].job[0])
            free_one = &t->packs[i];
    }
    if (!free_one && t->state == OPEN) {
        free_one = &t->packs[t->turn++ % PACKS_MAX];
        send_pack(t, free_one);
        free_one->dropped = 0;
    }
    if (free_one)
        memcpy(free_one->job, job, strlen(job) + 1);
    return free_one;
}

static bool is_within_the_second(log_topic_t *t, size_t len)
{
    int64_t now_ms = loop_now_ms(t->loop);
    if (now_ms - t->second_ms >= SECOND_MS) {
        t->second_ms = now_ms;
        t->in_second = 0;
    }
    t->in_second += len;
    return t->in_second <= SECOND_BYTES;
}

/* Where it may be put; NULL: it is not wanted, or finds no room. */
static pack_t *pack_for(log_topic_t *t, const char *job, size_t len)
{
    const quiet_t *quiet;
    HASH_FIND_STR(t->quiet, job, quiet);
    if (quiet)
        return NULL;
    if (t->state == UNKNOWN)
        ensure_topic(t);
    pack_t *pack = t->state == OFF ? NULL : pack_of(t, job);
    if (!pack)
        return NULL;
    arm_timer(t);
    if (is_within_the_second(t, len) && (t->state == OPEN || logs_pack_bytes(&pack->entries) < PACK_BYTES))
        return pack;
    pack->dropped += len;
    return NULL;
}

static void send_if_full(log_topic_t *t, pack_t *pack)
{
    if (logs_pack_bytes(&pack->entries) >= PACK_BYTES && t->state == OPEN)
        send_pack(t, pack);
}

void log_topic_line(void *topic, const attempt_line_t *line)
{
    log_topic_t *t = topic;
    pack_t *pack = pack_for(t, line->job, line->len);
    if (!pack)
        return;
    logs_put_line(&pack->entries, &(logs_line_t){line->index, line->attempt, line->text, line->len});
    send_if_full(t, pack);
}

void log_topic_end(log_topic_t *t, const worker_attempt_t *attempt, const outcome_t *outcome)
{
    size_t type_len = outcome->type_len < END_TEXT_MAX ? outcome->type_len : END_TEXT_MAX;
    size_t message_max = END_TEXT_MAX - type_len;
    size_t message_len = outcome->message_len < message_max ? outcome->message_len : message_max;
    pack_t *pack = pack_for(t, attempt->job, END_BYTES + type_len + message_len);
    if (!pack)
        return;
    logs_put_end(&pack->entries, &(logs_end_t){.index = attempt->index,
                                               .attempt = attempt->attempt,
                                               .kind = outcome->kind,
                                               .ended_ms = wall_ms(),
                                               .run_us = outcome->run_us,
                                               .type = outcome->type,
                                               .type_len = type_len,
                                               .message = outcome->message,
                                               .message_len = message_len,
                                               .exit_status = outcome->exit_status,
                                               .signo = outcome->signo});
    send_if_full(t, pack);
}

void log_topic_heard(log_topic_t *t, const jobs_record_t *record)
{
    quiet_t *quiet;
    if (record->field != JOBS_SPEC)
        return;
    HASH_FIND_STR(t->quiet, record->job, quiet);
    bool is_wanted = !record->tombstone && record->spec.is_quiet;
    if (quiet && !is_wanted) {
        HASH_DEL(t->quiet, quiet);
        free(quiet);
    } else if (!quiet && is_wanted && (quiet = calloc(1, sizeof *quiet))) {
        memcpy(quiet->job, record->job, sizeof quiet->job);
        HASH_ADD_STR(t->quiet, job, quiet);
        if (!table_added(quiet))
            free(quiet);
    }
}

bool log_topic_is_busy(const log_topic_t *t)
{
    return t->under_way > 0;
}

int log_topic_open(loop_t *loop, bus_t *bus, const log_topic_config_t *config, log_topic_t **ret, fanmap_error_t *err)
{
    log_topic_t *t = calloc(1, sizeof *t);
    if (!t)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    t->loop = loop;
    t->bus = bus;
    t->config = *config;
    name_shared(t->name, config->name_space, NAME_LOGS);
    int r = loop_timer_new(loop, on_timer, t, &t->timer, err);
    if (r == FANMAP_OK)
        *ret = t;
    else
        free(t);
    return r;
}

void log_topic_close(log_topic_t *t)
{
    if (!t)
        return;
    loop_timer_free(t->timer);
    for (size_t i = 0; i < PACKS_MAX; i++)
        logs_pack_free(&t->packs[i].entries);
    while (t->quiet) {
        quiet_t *quiet = t->quiet;
        HASH_DEL(t->quiet, quiet);
        free(quiet);
    }
    free(t);
}
