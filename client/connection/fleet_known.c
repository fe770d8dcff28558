#include "client/connection/fleet_known.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/connection/worker_row.h"
#include "tokens/presence.h"

/* Who is silent for longer does not serve any more (tokens/presence.h); what ran there is shown for a while. */
enum { SERVES_S = 3 * PRESENCE_EVERY_MS / 1000, WORKER_SILENT_S = 15 };

static void add_job(fleet_known_t *known, const worker_row_t *row)
{
    fleet_t *fleet = &known->fleet;
    uint64_t queued, delayed, running;
    int64_t retry_ms;
    int is_paused;
    const char *at = worker_row_of_job(row->waiting, known->job);
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

static void add_others(fleet_known_t *known, const worker_row_t *row)
{
    fleet_t *fleet = &known->fleet;
    for (const char *at = row->info.oldest; *at; at += strcspn(at, ","), at += *at == ',') {
        size_t len = strcspn(at, "/");
        if (len > JOB_ID_MAX || text_is(at, len, known->job))
            continue;
        memcpy(fleet->other, at, len);
        fleet->other[len] = '\0';
        fleet->parent_running += known->parent[0] && strcmp(fleet->other, known->parent) == 0;
    }
}

static void note_oldest(fleet_known_t *known, const fanmap_worker_info_t *worker)
{
    fleet_t *fleet = &known->fleet;
    uint64_t index, attempt;
    int64_t ms;
    const char *at = worker_row_of_job(worker->oldest, known->job);
    if (!at || sscanf(at, "%" SCNu64 "/%" SCNu64 "/%" SCNd64, &index, &attempt, &ms) != 3)
        return;
    if (fleet->oldest_index >= 0 && ms <= fleet->oldest_ms)
        return;
    fleet->oldest_index = (int64_t)index;
    fleet->oldest_attempt = (int64_t)attempt;
    fleet->oldest_ms = ms;
    snprintf(fleet->oldest_worker, sizeof fleet->oldest_worker, "%.64s:%" PRIu64, worker->host, worker->pid);
}

static void note_heads(fleet_known_t *known, const worker_row_t *row)
{
    fleet_t *fleet = &known->fleet;
    const char *at = worker_row_of_job(row->heads, known->job);
    for (; at && fleet->heads_n < FLEET_HEADS_MAX; at = worker_row_of_job(at + strcspn(at, ","), known->job)) {
        fleet_head_t *head = &fleet->heads[fleet->heads_n];
        if (sscanf(at, "%" SCNd64 "/%" SCNd64 "/%" SCNd64 "/%15[a-z]/%" SCNd64, &head->partition, &head->offset,
                   &head->attempt, head->state, &head->ms) != 5)
            continue;
        snprintf(head->worker, sizeof head->worker, "%.64s:%" PRIu64, row->info.host, row->info.pid);
        fleet->heads_n++;
    }
}

static void add_worker(fleet_known_t *known, const char *id, int64_t silent_s, char *text)
{
    fleet_t *fleet = &known->fleet;
    worker_row_t row;
    worker_row_read(text, &row);
    note_oldest(known, &row.info);
    note_heads(known, &row);
    if (known->seen_n < SEEN_MAX) {
        seen_worker_t *seen = &known->seen[known->seen_n++];
        snprintf(seen->id, sizeof seen->id, "%s", id);
        snprintf(seen->process, sizeof seen->process, "%.64s:%" PRIu64, row.info.host, row.info.pid);
    }
    if (silent_s > SERVES_S || strcmp(row.info.queue, known->queue) != 0 ||
        !worker_row_has(row.info.tasks, known->task) || worker_row_has(row.unfed, known->task))
        return;
    fleet->rows_n++;
    if (worker_row_has(row.dead, known->task) && fleet->dead_n++ == 0)
        snprintf(fleet->dead_worker, sizeof fleet->dead_worker, "%.64s:%" PRIu64, row.info.host, row.info.pid);
    fleet->slots += row.info.slots;
    fleet->running += row.info.running;
    add_job(known, &row);
    add_others(known, &row);
}

void fleet_read_workers(fleet_known_t *known, const char *const *texts, size_t n)
{
    int64_t now_s = strtoll(texts[0], NULL, 10);
    for (size_t i = 1; i + 2 < n; i += 3) {
        int64_t silent_s = now_s - strtoll(texts[i + 1], NULL, 10);
        char *copy = silent_s <= WORKER_SILENT_S ? strdup(texts[i + 2]) : NULL;
        if (copy)
            add_worker(known, texts[i], silent_s, copy);
        free(copy);
    }
}

static void add_holder(fleet_known_t *known, const char *id, uint64_t held)
{
    char *text = known->fleet.holders;
    size_t len = strlen(text);
    const char *who = "a worker that is gone";
    for (size_t i = 0; i < known->seen_n; i++)
        if (strcmp(known->seen[i].id, id) == 0)
            who = known->seen[i].process;
    if (len + strlen(who) + 32 < FLEET_HOLDERS_MAX)
        snprintf(text + len, FLEET_HOLDERS_MAX - len, "%s%s %" PRIu64, len > 0 ? ", " : "", who, held);
}

void fleet_read_table(fleet_known_t *known, const char *const *texts, size_t n)
{
    fleet_t *fleet = &known->fleet;
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
                add_holder(known, field + 2, held);
        }
    }
    clock += now_ms > last ? now_ms - last : 0;
    fleet->learns_ms = learn > clock ? learn - clock : 0;
}
