/* Puts dead letters back where they stood: each is judged first, and one origin is put back once a call. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/table.h"
#include "client/admin/dead.h"

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

static int is_running(replay_t *p, const char *job, bool *ret, fanmap_error_t *err)
{
    lookup_result_t seen;
    queue_t *queue;
    known_t *known = known_find(p->jobs, job);
    if (!known) {
        int r = query_queue(&p->dead.query, NULL, NULL, &queue, err);
        if (r == FANMAP_OK)
            r = query_job(&p->dead.query, queue, job, &seen, err);
        if (r != FANMAP_OK)
            return r;
        known = known_add(&p->jobs, job);
        if (!known)
            return err_set(err, FANMAP_ENOMEM, "out of memory");
        known->is_running = seen.view.is_known && !seen.view.has_end;
    }
    *ret = known->is_running;
    return FANMAP_OK;
}

typedef struct {
    char queue[NAME_MAX_LEN + 1], task[TASK_NAME_MAX + 1];
} home_t;

/* False: it stood on no items topic of ours. */
static bool find_home(const replay_t *p, const letter_t *letter, home_t *ret)
{
    return name_items_parse(letter->topic, p->dead.query.f->namespace_name, ret->queue, ret->task);
}

/* *ret_why: why it stays; NULL: it may go. */
static int judge(replay_t *p, const letter_t *letter, const char **ret_why, fanmap_error_t *err)
{
    bool runs = true;
    home_t home;
    *ret_why = NULL;
    if (letter->told.origin_partition < 0 || letter->topic[0] == '\0')
        *ret_why = "it does not say where it stood";
    else if (!find_home(p, letter, &home))
        *ret_why = "it stood on no items topic of this namespace";
    if (*ret_why || options_switch(p->dead.filter, OPT_FORCE))
        return FANMAP_OK;
    if (letter->job[0] == '\0' || !letter->told.is_item) {
        *ret_why = "it is no item, and workers would bury it again (--force)";
        return FANMAP_OK;
    }
    int r = is_running(p, letter->job, &runs, err);
    if (r == FANMAP_OK && !runs)
        *ret_why = "its job is not running: workers would bury it again, or drop it (--force)";
    return r;
}

static int put_back(replay_t *p, const letter_t *letter, fanmap_error_t *err)
{
    char origin[NAME_OF_KNOWN_MAX];
    queue_t *queue;
    home_t home = {0};
    (void)find_home(p, letter, &home);
    snprintf(origin, sizeof origin, "%s %d %" PRId64, letter->topic, letter->told.origin_partition,
             letter->told.origin_offset);
    if (known_find(p->origins, origin))
        return FANMAP_OK;
    if (!known_add(&p->origins, origin))
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    const fanmap_dead_t *told = &letter->told;
    int r = query_queue(&p->dead.query, home.queue, home.task, &queue, err);
    if (r == FANMAP_OK && (uint32_t)letter->told.origin_partition >= queue->items_n)
        r = err_set(err, FANMAP_EUSAGE, "dead letter %" PRId64 ": topic %s has no partition %d", letter->told.offset,
                    letter->topic, letter->told.origin_partition);
    if (r == FANMAP_OK)
        r = query_put(&p->dead.query, queue, TOPIC_ITEMS, told->origin_partition, told->key, told->key_len, told->value,
                      told->value_len, err);
    p->sent += r == FANMAP_OK;
    return r;
}

static int replay_batch(replay_t *p, fanmap_error_t *err)
{
    int r = dead_read_batch(&p->dead, err);
    for (const letter_t *letter = p->dead.first; r == FANMAP_OK && letter; letter = letter->next) {
        const char *why;
        r = judge(p, letter, &why, err);
        if (r == FANMAP_OK && !why)
            r = put_back(p, letter, err);
        else if (r == FANMAP_OK && p->on_refused)
            p->on_refused(p->arg, &letter->told, why);
    }
    return r == FANMAP_OK ? query_stored(&p->dead.query, err) : r;
}

int fanmap_dead_replay(fanmap_t *f, const fanmap_options_t *filter, int timeout_ms, fanmap_dead_refused_fn on_refused,
                       void *arg, uint64_t *ret_n, fanmap_error_t *err)
{
    replay_t p = {.dead.filter = filter, .on_refused = on_refused, .arg = arg};
    int r = dead_begin(&p.dead, f, timeout_ms, err);
    while (r == FANMAP_OK && dead_has_more(&p.dead))
        r = replay_batch(&p, err);
    if (r == FANMAP_OK)
        *ret_n = p.sent;
    query_finish(&p.dead.query);
    dead_end(&p.dead);
    known_free(&p.jobs);
    known_free(&p.origins);
    client_mark(f);
    return r;
}
