/* Puts dead letters back where they stood: each is judged first, and one origin is put back once a call. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/table.h"
#include "client/admin/dead.h"
#include "client/admin/dead_stream.h"

enum { NAME_OF_KNOWN_MAX = DEAD_HEADER_MAX + 64 };

/* A job that was looked up, or an origin that was put back. */
typedef struct {
    char name[NAME_OF_KNOWN_MAX];
    bool is_running;
    UT_hash_handle hh;
} known_t;

typedef struct {
    dead_t dead;
    known_t *jobs, *origins;
    fanmap_dead_refused_fn on_refused;
    void *arg;
    uint64_t sent;
} replay_t;

static known_t *known_find(known_t *table, const char *name)
{
    known_t *known = NULL;
    HASH_FIND_STR(table, name, known);
    return known;
}

static known_t *known_add(known_t **table, const char *name)
{
    known_t *known = calloc(1, sizeof *known);
    if (known) {
        snprintf(known->name, sizeof known->name, "%s", name);
        HASH_ADD_STR(*table, name, known);
        if (table_added(known))
            return known;
    }
    free(known);
    return NULL;
}

static void known_free(known_t **table)
{
    known_t *known, *next;
    HASH_ITER(hh, *table, known, next)
    {
        HASH_DEL(*table, known);
        free(known);
    }
}

static bool is_running(replay_t *p, const char *job)
{
    lookup_result_t seen = {0};
    known_t *known = known_find(p->jobs, job);
    if (!known) {
        query_job(&p->dead.query, query_queue(&p->dead.query, NULL, NULL), job, &seen);
        known = known_add(&p->jobs, job);
        if (known)
            known->is_running = seen.view.is_known && !seen.view.has_end;
        else
            query_out_of_memory(&p->dead.query);
    }
    return known && known->is_running;
}

typedef struct {
    char queue[NAME_MAX_LEN + 1], task[TASK_NAME_MAX + 1];
} home_t;

/* False: it stood on no items topic of ours. */
static bool find_home(const replay_t *p, const letter_t *letter, home_t *ret)
{
    return name_items_parse(letter->topic, p->dead.query.f->namespace_name, ret->queue, ret->task);
}

/* Why it stays; NULL: it may go. */
static const char *why_it_stays(replay_t *p, const letter_t *letter)
{
    home_t home;
    if (letter->told.origin_partition < 0 || letter->topic[0] == '\0')
        return "it does not say where it stood";
    if (!find_home(p, letter, &home))
        return "it stood on no items topic of this namespace";
    if (options_switch(p->dead.filter, OPT_FORCE))
        return NULL;
    if (letter->job[0] == '\0' || !letter->told.is_item)
        return "it is no item, and workers would bury it again (--force)";
    return is_running(p, letter->job) ? NULL
                                      : "its job is not running: workers would bury it again, or drop it (--force)";
}

static void put_back(replay_t *p, const letter_t *letter)
{
    char origin[NAME_OF_KNOWN_MAX];
    query_t *query = &p->dead.query;
    const fanmap_dead_t *told = &letter->told;
    home_t home = {0};
    (void)find_home(p, letter, &home);
    snprintf(origin, sizeof origin, "%s %d %" PRId64, letter->topic, told->origin_partition, told->origin_offset);
    if (known_find(p->origins, origin))
        return;
    if (!known_add(&p->origins, origin))
        query_out_of_memory(query);
    queue_t *queue = query_queue(query, home.queue, home.task);
    if (queue && (uint32_t)told->origin_partition >= queue->items_n)
        query->result = err_set(query->err, FANMAP_EUSAGE, "dead letter %" PRId64 ": topic %s has no partition %d",
                                told->offset, letter->topic, told->origin_partition);
    query_put(query, queue, TOPIC_ITEMS, told->origin_partition, told->key, told->key_len, told->value,
              told->value_len);
    p->sent += query->result == FANMAP_OK;
}

static void replay_batch(replay_t *p)
{
    query_t *query = &p->dead.query;
    dead_read_batch(&p->dead);
    for (const letter_t *letter = p->dead.first; query->result == FANMAP_OK && letter; letter = letter->next) {
        const char *why = why_it_stays(p, letter);
        if (query->result == FANMAP_OK && !why)
            put_back(p, letter);
        else if (query->result == FANMAP_OK && p->on_refused)
            p->on_refused(p->arg, &letter->told, why);
    }
    query_wait_stored(query);
}

int fanmap_dead_replay(fanmap_t *f, const fanmap_options_t *filter, int timeout_ms, fanmap_dead_refused_fn on_refused,
                       void *arg, uint64_t *ret_n, fanmap_error_t *err)
{
    replay_t p = {.dead.filter = filter, .on_refused = on_refused, .arg = arg};
    if (filter && options_is_set(filter, OPT_OF_STREAM))
        return dead_stream_replay(f, filter, timeout_ms, on_refused, arg, ret_n, err);
    dead_begin(&p.dead, f, timeout_ms, err);
    while (dead_has_more(&p.dead))
        replay_batch(&p);
    if (p.dead.query.result == FANMAP_OK)
        *ret_n = p.sent;
    dead_end(&p.dead);
    known_free(&p.jobs);
    known_free(&p.origins);
    return query_end(&p.dead.query);
}
