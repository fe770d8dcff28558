#include "redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"
#include "sim.h"

static void set_time(sim_t *sim)
{
    int64_t wall_ms = sim->wall_ms + sim->clock.now_ms + sim->redis.wall_off_ms;
    token_table_set_time_us(sim->redis.table, wall_ms * 1000);
}

static int64_t latency_ms(sim_t *sim)
{
    if (sim->scenario.is_golden)
        return 1;
    if (!sim->healed && dice_chance(&sim->clock, 20))
        return dice_between(&sim->clock, 0, 20000); /* far behind later ones */
    return dice_between(&sim->clock, sim->redis.latency_min_ms, sim->redis.latency_max_ms);
}

static void on_wake(sim_t *sim, event_t *event)
{
    node_wake(sim, event->to->self, event->data);
}

/* Channel: PREFIX.wake.INCARNATION. */
static void on_publish(void *arg, const char *channel, const char *message)
{
    sim_t *sim = arg;
    const char *incarnation = strrchr(channel, '.');
    if (incarnation == NULL || dice_chance(&sim->clock, sim->redis.lost_wake_permille))
        return;
    for (size_t i = 0; i < sim->nodes_n; i++) {
        node_t *node = &sim->nodes[i];
        if (strcmp(node->incarnation, incarnation + 1) != 0 || node->process.redis_cut)
            continue;
        event_t *event = clock_tell(&sim->clock, latency_ms(sim), &node->process, on_wake);
        event->data = take_copy(message, strlen(message) + 1);
    }
}

void redis_begin(sim_t *sim, const char *sync_text)
{
    token_table_config_t config = {
        .name_space = "sim", .sync_text = sync_text, .publish = on_publish, .publish_arg = sim};
    fanmap_error_t err;
    if (token_table_new(&config, &sim->redis.table, &err) != FANMAP_OK) {
        fprintf(stderr, "the token table: %s\n", err.message);
        abort();
    }
    sim->redis.latency_min_ms = 1;
    sim->redis.latency_max_ms = 5;
    token_table_set_run_id(sim->redis.table, "run1");
    sim->redis.runs_n = 1;
    sim->redis.jumped_ms = -1000000;
    set_time(sim);
}

void redis_end(sim_t *sim)
{
    token_table_image_free(sim->redis.first);
    token_table_image_free(sim->redis.image);
    token_table_free(sim->redis.table);
}

typedef struct {
    process_t *process;
    uint64_t life;
    event_fn done;
    redis_answer_t answer;
} call_t;

static void reply(sim_t *sim, const call_t *call, bool ok, int64_t delay_ms)
{
    if (call->process->life != call->life)
        return;
    event_t *event = clock_tell(&sim->clock, delay_ms, call->process, call->done);
    redis_answer_t *answer = take(sizeof *answer);
    *answer = call->answer;
    answer->ok = ok;
    event->data = answer;
}

static void on_request(sim_t *sim, event_t *event)
{
    call_t *call = event->data;
    bool repeated = event->b != 0;
    if (sim->redis.down || call->process->redis_cut) {
        if (!repeated)
            reply(sim, call, false, dice_between(&sim->clock, 1, 2000));
        return;
    }
    set_time(sim);
    fanmap_error_t err;
    if (token_table_sync(sim->redis.table, &call->answer.request, &call->answer.reply, &err) != FANMAP_OK) {
        sim_break(sim, "the script failed: %s", err.message);
        return;
    }
    call->answer.table_version = sim_table_told(sim, &call->answer.request);
    bool lost = !sim->healed && dice_chance(&sim->clock, sim->redis.lost_permille);
    if (lost && !repeated)
        reply(sim, call, false, dice_between(&sim->clock, 500, 20000));
    else if (!lost)
        reply(sim, call, true, latency_ms(sim));
    if (!repeated && !sim->healed && dice_chance(&sim->clock, sim->redis.repeat_permille)) {
        event_t *again = clock_after(&sim->clock, latency_ms(sim), on_request);
        again->data = take_copy(call, sizeof *call);
        again->b = 1;
    }
}

void redis_sync(sim_t *sim, process_t *process, const tokens_request_t *request, event_fn done)
{
    call_t call = {.process = process, .life = process->life, .done = done, .answer = {.request = *request}};
    if (!sim->healed && dice_chance(&sim->clock, sim->redis.lost_permille)) {
        reply(sim, &call, false, dice_between(&sim->clock, 500, 20000));
        return;
    }
    event_t *event = clock_after(&sim->clock, latency_ms(sim), on_request);
    event->data = take_copy(&call, sizeof call);
}

static bool create(sim_t *sim, const spec_t *spec)
{
    bool created = false;
    if (sim->redis.down)
        return false;
    set_time(sim);
    return token_table_create(sim->redis.table, spec->job, spec->nonce, spec->concurrency, spec->lease_ms, &created,
                              NULL) == FANMAP_OK &&
           created;
}

/* A creation that the network held back until the tables were lost: its producer has long gone on with another nonce.
 */
static void on_held_create(sim_t *sim, event_t *event)
{
    const job_t *job = &sim->jobs[event->a];
    if (create(sim, &job->spec))
        sim_say(sim, "redis: the table of %s is created, late", job->id);
}

static void release_held(sim_t *sim)
{
    for (size_t j = 0; j < sim->jobs_n; j++) {
        if (!sim->jobs[j].is_create_held || dice_chance(&sim->clock, 500))
            continue;
        sim->jobs[j].is_create_held = false;
        clock_after(&sim->clock, dice_between(&sim->clock, 1, 3000), on_held_create)->a = j;
    }
}

static void on_create(sim_t *sim, event_t *event)
{
    job_t *job = ((maker_t *)event->to->self)->job;
    if (!sim->scenario.is_golden && dice_chance(&sim->clock, sim->scenario.is_about_tokens ? 500 : 100))
        job->is_create_held = true;
    event->b = !job->is_create_held && !event->to->redis_cut && create(sim, event->data);
    if (event->b && (sim->redis.first == NULL || dice_chance(&sim->clock, 500))) {
        token_table_image_free(sim->redis.first);
        sim->redis.first = token_table_save(sim->redis.table);
    }
    ((event_fn)(uintptr_t)event->c)(sim, event);
}

void redis_create(sim_t *sim, process_t *process, const spec_t *spec, event_fn done)
{
    event_t *event = clock_tell(&sim->clock, 2 * latency_ms(sim), process, on_create);
    event->data = take_copy(spec, sizeof *spec);
    event->c = (uint64_t)(uintptr_t)done;
}

void redis_flush(sim_t *sim)
{
    sim_say(sim, "redis: FLUSHALL");
    token_table_flush(sim->redis.table);
    sim_table_lost(sim);
    release_held(sim);
}

static void save(sim_t *sim)
{
    token_table_image_free(sim->redis.image);
    sim->redis.image = token_table_save(sim->redis.table);
}

static void on_up(sim_t *sim, event_t *event)
{
    (void)event;
    sim->redis.down = false;
    sim_say(sim, "redis: up");
}

/* Comes back with what it had, with an older image, or with nothing. */
void redis_restart(sim_t *sim, int64_t down_ms)
{
    char run_id[24];
    snprintf(run_id, sizeof run_id, "run%llu", (unsigned long long)++sim->redis.runs_n);
    token_table_set_run_id(sim->redis.table, run_id);
    static const char *const with[] = {"nothing", "what it had", "its first image", "an older image"};
    unsigned how = (unsigned)dice(&sim->clock, 4);
    const token_table_image_t *image = how == 2 ? sim->redis.first : how == 3 ? sim->redis.image : NULL;
    if (image == NULL && how > 1)
        how = 0;
    sim_say(sim, "redis: down for %lld ms, comes back as %s with %s", (long long)down_ms, run_id, with[how]);
    if (how == 0)
        token_table_flush(sim->redis.table);
    else if (image != NULL && !token_table_restore(sim->redis.table, image))
        abort();
    if (how != 1)
        sim_table_lost(sim);
    if (how != 1)
        release_held(sim);
    if (sim->redis.image == NULL || dice_chance(&sim->clock, 500))
        save(sim);
    sim->redis.down = true;
    clock_after(&sim->clock, down_ms, on_up);
}

/* Several forward jumps within a lease are a hole that the docs name. */
void redis_jump(sim_t *sim, int64_t by_ms)
{
    if (sim->clock.now_ms < sim->redis.jumped_ms + 2 * (int64_t)sim->scenario.lease_ms)
        return;
    sim->redis.jumped_ms = sim->clock.now_ms;
    sim->redis.wall_off_ms += by_ms;
    rate_jumped(sim);
    sim_say(sim, "redis: TIME jumps by %+lld ms", (long long)by_ms);
}

/* Each way. */
void redis_choose_network(sim_t *sim)
{
    if (sim->redis.image == NULL || dice_chance(&sim->clock, 500))
        save(sim);
    static const int64_t kinds[][2] = {{0, 2}, {0, 5}, {1, 20}, {50, 500}, {500, 3000}};
    const int64_t *kind = kinds[dice(&sim->clock, sizeof kinds / sizeof kinds[0])];
    sim->redis.latency_min_ms = kind[0];
    sim->redis.latency_max_ms = kind[1];
    sim->redis.lost_permille = (unsigned)dice(&sim->clock, 3) * 100;
    sim->redis.repeat_permille = (unsigned)dice(&sim->clock, 3) * 100;
    sim->redis.lost_wake_permille = (unsigned)dice(&sim->clock, 3) * 300;
    sim_say(sim, "redis: round trips of %lld to %lld ms, %u permille lost", (long long)kind[0] * 2,
            (long long)kind[1] * 2, sim->redis.lost_permille);
}
