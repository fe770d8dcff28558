/* Maps 100,000 items over the fleet that FANMAP_BROKERS and FANMAP_REDIS name, and prints their squares in order. */
#include <fanmap/fanmap.h>
#include <stdio.h>
#include <stdlib.h>

static int check(int result, const fanmap_error_t *err)
{
    if (result >= 0)
        return result;
    fprintf(stderr, "forty: %s\n", err->message);
    exit(EXIT_FAILURE);
}

int main(void)
{
    fanmap_error_t err = {.message = "out of memory"};
    fanmap_options_t *options;
    fanmap_t *f;
    fanmap_job_t *job;
    const fanmap_outcome_t *outcome;
    check(fanmap_options_new(&options), &err);
    check(fanmap_options_load(options, NULL, &err), &err);
    check(fanmap_options_set(options, "value-format", "json", &err), &err);
    check(fanmap_open(options, NULL, NULL, &f, &err), &err);
    check(fanmap_map(f, "square", options, &job, &err), &err);
    for (int pushed = 0, r = FANMAP_OK; r != FANMAP_END;) {
        char item[16];
        for (; pushed < 100000; pushed++) /* as many as are taken now */
            if (check(fanmap_push(job, FANMAP_JSON, item, (size_t)sprintf(item, "%d", pushed), &err), &err))
                break;
        if (pushed == 100000)
            check(fanmap_end_input(job, NULL, &err), &err);
        r = check(fanmap_next(job, -1, &outcome, &err), &err);
        if (r == FANMAP_OK) /* here a failed item would be an empty line; its kind and message say why */
            printf("%.*s\n", (int)outcome->value_len, (const char *)outcome->value);
    }
    fanmap_close(f);
    fanmap_options_free(options);
}
