/* closer map TASK | closer gather JOB | closer pipe TASK [JOB] (of TASK, or of JOB, into a map of TASK), closer
 * many TASK (see below): lives a small
 * map's life again and again on a real fleet, closing the handle after 0, 1, 2... turns of the loop (in growing steps
 * later), until once it comes to its end. Fails on a callback after the close, and on descriptors that are left. Prints
 * how many lives that took, and after how many turns the last one ended.
 */
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fanmap/fanmap.h"

/* A turn makes one callback at most: so a whole life takes more turns than it has items, also where much comes at once. */
enum { TURN_MS = 50, TURNS_MAX = 20000, ITEMS = 8, SPARE_FDS = 32, MANY = 1000 };

typedef struct life life_t;
struct life {
    life_t *before; /* lives are never freed: a callback that comes too late finds its own */
    fanmap_job_t *job, *upstream;
    int pushed;
    bool is_closed, has_ended;
};

static void fail(const char *why, const fanmap_error_t *err)
{
    fprintf(stderr, "closer: %s%s%s\n", why, err ? ": " : "", err ? err->message : "");
    exit(1);
}

static void on_outcome(void *arg, fanmap_job_t *job, const fanmap_outcome_t *outcome)
{
    life_t *life = arg;
    (void)outcome;
    if (life->is_closed || job != life->job)
        fail("an outcome after the close", NULL);
}

static void on_end(void *arg, fanmap_job_t *job, int result, const fanmap_error_t *err)
{
    life_t *life = arg;
    if (life->is_closed || (job != life->job && job != life->upstream))
        fail("an end after the close", NULL);
    if (result != FANMAP_END)
        fail("an end that is none", err);
    life->has_ended |= job == life->job;
}

static void push(life_t *life, fanmap_job_t *job)
{
    while (life->pushed < ITEMS && fanmap_push(job, FANMAP_JSON, "3", 1, NULL) == FANMAP_OK)
        life->pushed++;
    if (life->pushed == ITEMS && fanmap_end_input(job, NULL, NULL) != FANMAP_OK)
        fail("the input does not end", NULL);
}

static void on_writable(void *arg, fanmap_job_t *job)
{
    life_t *life = arg;
    if (life->is_closed)
        fail("writable after the close", NULL);
    push(life, job);
}

static void begin(fanmap_t *f, life_t *life, char **argv)
{
    fanmap_error_t err = {0};
    const char *what = argv[2], *job = argv[3];
    bool is_gather = strcmp(argv[1], "gather") == 0, is_pipe = strcmp(argv[1], "pipe") == 0;
    int r = is_gather ? fanmap_gather(f, what, NULL, &life->job, &err) : fanmap_map(f, what, NULL, &life->job, &err);
    if (r == FANMAP_OK && is_pipe)
        r = job ? fanmap_gather(f, job, NULL, &life->upstream, &err) : fanmap_map(f, what, NULL, &life->upstream, &err);
    if (r == FANMAP_OK && is_pipe)
        r = fanmap_pipe(life->upstream, life->job, &err);
    if (r != FANMAP_OK)
        fail("begin", &err);
    fanmap_on(life->job, on_outcome, on_end, on_writable, life);
    if (is_pipe) /* an end that nobody takes keeps the descriptor readable: the turns would be as many as fit */
        fanmap_on(life->upstream, NULL, on_end, job ? NULL : on_writable, life);
    if (!is_gather && !job)
        push(life, is_pipe ? life->upstream : life->job);
}

static void turn(fanmap_t *f)
{
    fanmap_error_t err;
    struct pollfd fd = {fanmap_fd(f), POLLIN, 0};
    (void)poll(&fd, 1, TURN_MS);
    if (fanmap_dispatch(f, 1, &err) < 0)
        fail("dispatch", &err);
}

/* Closes after `last` turns; with a pipe, the reader first and then what feeds it, or the other way round. Returns the
 * turn that told the end, or -1. */
static int live(fanmap_t *f, char **argv, int last)
{
    static life_t *newest;
    life_t *life = calloc(1, sizeof *life);
    int at = 0;
    life->before = newest;
    newest = life;
    begin(f, life, argv);
    for (; at < last && !life->has_ended; at++)
        turn(f);
    fanmap_job_t *first = last % 2 ? life->job : life->upstream, *second = last % 2 ? life->upstream : life->job;
    life->is_closed = true;
    fanmap_job_close(first, false);
    fanmap_job_close(second, last % 3 == 0);
    return life->has_ended ? at : -1;
}

/* A thousand maps at once: every second one is closed somewhere on its way, the others come to their end, after however
 * many turns: an idle machine takes one for each record, a loaded one gets more done in each. Who runs this has a
 * clock. */
static void live_together(fanmap_t *f, char **argv)
{
    static life_t lives[MANY];
    int ended = 0;
    for (int i = 0; i < MANY; i++)
        begin(f, &lives[i], argv);
    for (int at = 0; ended < MANY; at++) {
        turn(f);
        if (at < MANY && at % 2) {
            lives[at].is_closed = true;
            fanmap_job_close(lives[at].job, at % 3 == 0);
        }
        ended = 0;
        for (int i = 0; i < MANY; i++)
            ended += lives[i].has_ended || lives[i].is_closed;
    }
    for (int i = 0; i < MANY; i++) {
        lives[i].is_closed = true;
        if (i % 2 == 0)
            fanmap_job_close(lives[i].job, false);
    }
    printf("%d lives together\n", MANY);
}

static int fds_n(void)
{
    int n = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        n++;
    closedir(folder);
    return n;
}

int main(int argc, char **argv)
{
    fanmap_error_t err = {.message = "out of memory"};
    fanmap_options_t *options = NULL;
    fanmap_t *f = NULL;
    if (argc < 3 || argc > 4 || fanmap_options_new(&options) != FANMAP_OK ||
        fanmap_options_load(options, NULL, &err) != FANMAP_OK ||
        fanmap_open(options, NULL, NULL, &f, &err) != FANMAP_OK)
        fail("usage: closer map|gather|pipe|many WHAT [JOB]", &err);
    if (live(f, argv, TURNS_MAX) < 0) /* once whole: everything is connected then */
        fail("no end", NULL);
    int fds = fds_n(), lives = 0, ended = -1;
    bool is_many = strcmp(argv[1], "many") == 0;
    if (is_many)
        live_together(f, argv);
    for (int last = 0; ended < 0 && !is_many; last += 1 + last / 5, lives++) {
        if (last > TURNS_MAX)
            fail("no end", NULL);
        ended = live(f, argv, last);
    }
    for (int i = 0; i < 600 && fds_n() > fds + SPARE_FDS; i++) /* what was said is still being stored */
        turn(f);
    if (fds_n() > fds + SPARE_FDS)
        fail("descriptors are left", NULL);
    fanmap_close(f);
    fanmap_options_free(options);
    if (!is_many)
        printf("%d lives, the last one ended after %d turns\n", lives, ended);
}
