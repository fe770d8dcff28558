/* A map piped into a map: the squares of 1 to N become the items of `sqrt`, while both run. What fails in either one
 * stands in its place in what is printed.
 *
 *   ./pipe 1000
 */
#include <fanmap/fanmap.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    fanmap_t *f;
    fanmap_job_t *squares, *roots;
    long pushed, items;
    fanmap_error_t err;
} chain_t;

static int begin(chain_t *c)
{
    fanmap_options_t *options;
    if (fanmap_options_new(&options) != FANMAP_OK)
        return FANMAP_ENOMEM;
    int r = fanmap_options_load(options, NULL, &c->err);
    if (r == FANMAP_OK)
        r = fanmap_options_set(options, "value-format", "json", &c->err);
    if (r == FANMAP_OK)
        r = fanmap_open(options, NULL, NULL, &c->f, &c->err);
    if (r == FANMAP_OK)
        r = fanmap_map(c->f, "square", options, &c->squares, &c->err);
    if (r == FANMAP_OK)
        r = fanmap_map(c->f, "sqrt", options, &c->roots, &c->err);
    if (r == FANMAP_OK)
        r = fanmap_pipe(c->squares, c->roots, &c->err);
    fanmap_options_free(options);
    return r;
}

static int feed(chain_t *c)
{
    int r = FANMAP_OK;
    for (; r == FANMAP_OK && c->pushed < c->items; c->pushed += r == FANMAP_OK) {
        char item[24];
        int len = snprintf(item, sizeof item, "%ld", c->pushed + 1);
        r = fanmap_push(c->squares, FANMAP_JSON, item, (size_t)len, &c->err);
    }
    if (r == FANMAP_OK)
        r = fanmap_end_input(c->squares, NULL, &c->err); /* a second time does nothing */
    return r;
}

/* The next thing that either map has to say: an outcome of `roots`, or the end of one of them. */
static int take(chain_t *c)
{
    fanmap_job_t *job = NULL;
    const fanmap_outcome_t *outcome;
    int r = fanmap_next_any(c->f, -1, &job, &outcome, &c->err);
    if (r == FANMAP_OK && outcome->kind == FANMAP_VALUE)
        printf("%.*s\n", (int)outcome->value_len, (const char *)outcome->value);
    else if (r == FANMAP_OK)
        printf("item %llu: %s\n", (unsigned long long)outcome->index, outcome->message);
    return r == FANMAP_END && job == c->squares ? FANMAP_OK : r; /* the second map still has something to say */
}

int main(int argc, char **argv)
{
    chain_t c = {.items = argc > 1 ? strtol(argv[1], NULL, 10) : 1000, .err.message = "out of memory"};
    int r = begin(&c);
    while (r == FANMAP_OK || r == FANMAP_AGAIN) {
        r = feed(&c);
        if (r >= 0)
            r = take(&c);
    }
    if (r < 0)
        fprintf(stderr, "pipe: %s\n", c.err.message);
    fanmap_close(c.f); /* what had not ended is cancelled, `squares` with `roots` */
    return r == FANMAP_END ? EXIT_SUCCESS : EXIT_FAILURE;
}
