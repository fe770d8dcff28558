/* library threads TASK | library pressure TASK: what a program may do with the library, on a real fleet. TASK gives
 * back what it gets.
 *
 * threads: a connection in each of several threads, at the same time; each maps its own items.
 * pressure: two maps, the first piped into the second, which is held. The first stops taking items long before all of
 * them; then the second is let go, and every value comes in its place. Prints how many were taken while it was held.
 */
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fanmap/fanmap.h"

enum { THREADS = 4, ITEMS = 400, TURN_MS = 50, STILL_MS = 1000 };
/* Of each map: outcomes that wait, `spill` of them and one more; what was under way when it was full; the window. */
enum { ITEM_BYTES = 60000, AHEAD = 10, HELD_MIN = AHEAD, HELD_MAX = 2 * ((1 << 20) / ITEM_BYTES + 1 + AHEAD + 2) };

static const char *const narrow[][2] = {{"ahead", "10"}, {"spill", "1MiB"}, {"window", "64KiB"}};

static void fail(const char *why, const fanmap_error_t *err)
{
    fprintf(stderr, "library: %s%s%s\n", why, err ? ": " : "", err ? err->message : "");
    exit(1);
}

static fanmap_t *connect_to_fleet(void)
{
    fanmap_error_t err = {.message = "out of memory"};
    fanmap_options_t *options = NULL;
    fanmap_t *f = NULL;
    if (fanmap_options_new(&options) != FANMAP_OK || fanmap_options_load(options, NULL, &err) != FANMAP_OK ||
        fanmap_open(options, NULL, NULL, &f, &err) != FANMAP_OK)
        fail("open", &err);
    fanmap_options_free(options);
    return f;
}

static fanmap_job_t *narrow_map(fanmap_t *f, const char *task)
{
    fanmap_error_t err = {.message = "out of memory"};
    fanmap_options_t *options = NULL;
    fanmap_job_t *job = NULL;
    if (fanmap_options_new(&options) != FANMAP_OK)
        fail("options", &err);
    for (size_t i = 0; i < sizeof narrow / sizeof narrow[0]; i++)
        if (fanmap_options_set(options, narrow[i][0], narrow[i][1], &err) != FANMAP_OK)
            fail("options", &err);
    if (fanmap_map(f, task, options, &job, &err) != FANMAP_OK)
        fail("map", &err);
    fanmap_options_free(options);
    return job;
}

/* As many as it takes: items of `len` bytes, each with its number in front. Returns how many were taken by now. */
static int push(fanmap_job_t *job, int pushed, size_t len)
{
    static _Thread_local char item[ITEM_BYTES + 1];
    while (pushed < ITEMS) {
        memset(item, 'x', len);
        item[snprintf(item, sizeof item, "%06d", pushed)] = 'x';
        if (fanmap_push(job, FANMAP_TEXT, item, len, NULL) != FANMAP_OK)
            break;
        if (++pushed == ITEMS && fanmap_end_input(job, NULL, NULL) != FANMAP_OK)
            fail("the input does not end", NULL);
    }
    return pushed;
}

/* Pushes the rest into `from` and takes everything from `to`. */
static void take_all(fanmap_job_t *from, fanmap_job_t *to, int pushed, size_t len)
{
    const fanmap_outcome_t *outcome;
    fanmap_error_t err = {0};
    for (int taken = 0, r = FANMAP_OK; r != FANMAP_END;) {
        char wanted[16];
        snprintf(wanted, sizeof wanted, "%06d", taken);
        pushed = push(from, pushed, len);
        r = fanmap_next(to, TURN_MS, &outcome, &err);
        if (r < 0 || (r == FANMAP_END && taken < ITEMS))
            fail("the list ends early", &err);
        if (r != FANMAP_OK)
            continue;
        if (outcome->kind != FANMAP_VALUE || outcome->index != (uint64_t)taken++ || outcome->value_len < len ||
            memcmp((const char *)outcome->value + outcome->value_len - len, wanted, 6) != 0)
            fail("an outcome that is not the item's", NULL);
    }
}

static void *map_alone(void *task)
{
    fanmap_t *f = connect_to_fleet();
    fanmap_error_t err = {0};
    fanmap_job_t *job;
    if (fanmap_map(f, task, NULL, &job, &err) != FANMAP_OK)
        fail("map", &err);
    take_all(job, job, 0, 100);
    fanmap_close(f);
    return NULL;
}

static void live_in_threads(char *task)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, map_alone, task) != 0)
            fail("no thread", NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("%d threads\n", THREADS);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Until nothing more is taken for a while. Who runs this has a clock. */
static int push_until_still(fanmap_t *f, fanmap_job_t *job)
{
    int pushed = 0;
    for (int64_t since = now_ms(); pushed < HELD_MIN || now_ms() < since + STILL_MS;) {
        struct pollfd fd = {fanmap_fd(f), POLLIN, 0};
        fanmap_error_t err = {0};
        int before = pushed;
        (void)poll(&fd, 1, TURN_MS);
        if (fanmap_dispatch(f, 1000, &err) < 0)
            fail("dispatch", &err);
        pushed = push(job, pushed, ITEM_BYTES);
        if (pushed != before)
            since = now_ms();
        if (pushed > HELD_MAX)
            fail("a map in front of one that is held takes more than both have room for", NULL);
    }
    return pushed;
}

static void live_under_pressure(const char *task)
{
    fanmap_t *f = connect_to_fleet();
    fanmap_job_t *from = narrow_map(f, task), *to = narrow_map(f, task);
    const fanmap_outcome_t *outcome;
    fanmap_error_t err = {0};
    if (fanmap_pipe(from, to, &err) != FANMAP_OK)
        fail("pipe", &err);
    fanmap_hold(to, true);
    int pushed = push_until_still(f, from);
    if (fanmap_next(to, TURN_MS, &outcome, &err) != FANMAP_AGAIN)
        fail("a held map hands something out", NULL);
    fanmap_hold(to, false);
    take_all(from, to, pushed, ITEM_BYTES);
    fanmap_close(f);
    printf("%d of %d were taken while it was held\n", pushed, ITEMS);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        fail("usage: library threads|pressure TASK", NULL);
    if (strcmp(argv[1], "threads") == 0)
        live_in_threads(argv[2]);
    else
        live_under_pressure(argv[2]);
}
