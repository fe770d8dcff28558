/* A pull loop: a filter that maps the lines of stdin with a task and prints the answers, in order, while it still
 * reads.
 *
 *   seq 1000 | ./pull_loop square
 *
 * Where the fleet is, say FANMAP_BROKERS and FANMAP_REDIS or ~/.config/fanmap.conf. The library needs no thread and no
 * loop of ours: fanmap_next waits, and everything else happens inside it.
 */
#include <errno.h>
#include <fanmap/fanmap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    fanmap_t *f;
    fanmap_job_t *job;
    char *line; /* read, and not taken yet */
    size_t cap;
    ssize_t len;
    bool has_line, is_at_end;
    fanmap_error_t err;
} filter_t;

static void log_line(void *arg, fanmap_log_level_t level, const char *line)
{
    (void)arg;
    if (level <= FANMAP_LOG_WARNING)
        fprintf(stderr, "pull_loop: %s\n", line);
}

static int begin(filter_t *x, const char *task)
{
    fanmap_options_t *options;
    if (fanmap_options_new(&options) != FANMAP_OK)
        return FANMAP_ENOMEM;
    int r = fanmap_options_load(options, NULL, &x->err);
    if (r == FANMAP_OK)
        r = fanmap_options_set(options, "value-format", "json", &x->err);
    if (r == FANMAP_OK)
        r = fanmap_open(options, log_line, NULL, &x->f, &x->err);
    if (r == FANMAP_OK)
        r = fanmap_map(x->f, task, options, &x->job, &x->err);
    fanmap_options_free(options); /* they were copied */
    return r;
}

/* Pushes lines until the window is full or the input ends. */
static int feed(filter_t *x)
{
    int r = FANMAP_OK;
    while (r == FANMAP_OK && !x->is_at_end) {
        if (!x->has_line && (x->len = getline(&x->line, &x->cap, stdin)) < 0) {
            x->is_at_end = true;
            return fanmap_end_input(x->job, ferror(stdin) ? strerror(errno) : NULL, &x->err);
        }
        x->has_line = true;
        size_t len = (size_t)x->len - (x->line[x->len - 1] == '\n');
        r = fanmap_push(x->job, FANMAP_JSON, x->line, len, &x->err);
        x->has_line = r == FANMAP_AGAIN; /* not taken: the same line again next time */
    }
    return r < 0 ? r : FANMAP_OK;
}

static int print(filter_t *x, const fanmap_outcome_t *outcome)
{
    const char *line;
    size_t len;
    int r = fanmap_outcome_json(x->job, outcome, false, &line, &len, &x->err); /* {"$error":...} where it failed */
    if (r == FANMAP_OK)
        printf("%.*s\n", (int)len, line);
    return r;
}

int main(int argc, char **argv)
{
    filter_t x = {.err.message = "out of memory"};
    const fanmap_outcome_t *outcome;
    if (argc != 2) {
        fprintf(stderr, "usage: pull_loop TASK < ITEMS\n");
        return 2;
    }
    int r = begin(&x, argv[1]);
    while (r == FANMAP_OK || r == FANMAP_AGAIN) {
        r = feed(&x);
        if (r == FANMAP_OK)
            r = fanmap_next(x.job, -1, &outcome, &x.err); /* AGAIN: it takes items again */
        if (r == FANMAP_OK)
            r = print(&x, outcome);
    }
    if (r < 0)
        fprintf(stderr, "pull_loop: %s\n", x.err.message);
    fanmap_close(x.f);
    free(x.line);
    return r == FANMAP_END ? EXIT_SUCCESS : EXIT_FAILURE;
}
