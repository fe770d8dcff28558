/* How long N commands take that a program with much memory starts, embedded:
 *
 *   heavy MIB N      holds MIB, each page of them written, and runs `/bin/true N` for 1..N on two slots; prints seconds
 *
 * A fork copies the page tables of who forks, so a program that holds much would start each command slowly if it forked.
 */
#include <fanmap/fanmap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/program.h"

enum { WAIT_MS = 60000 };

static fanmap_t *open_embedded(fanmap_options_t **ret_options)
{
    static const char *const settings[][2] = {{"local", "true"}, {"slots", "2"}, {"argv", "/bin/true"}, {"argv", "{}"}};
    fanmap_options_t *options;
    fanmap_error_t err;
    fanmap_t *f;
    if (fanmap_options_new(&options) != FANMAP_OK)
        die("options", "no memory");
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (fanmap_options_set(options, settings[i][0], settings[i][1], &err) != FANMAP_OK)
            die(settings[i][0], err.message);
    if (fanmap_open(options, NULL, NULL, &f, &err) != FANMAP_OK)
        die("open", err.message);
    *ret_options = options;
    return f;
}

/* The next outcome; false: there is none at the moment, or none any more. */
static bool take(fanmap_job_t *job, int *ret_code)
{
    const fanmap_outcome_t *outcome;
    fanmap_error_t err;
    *ret_code = fanmap_next(job, WAIT_MS, &outcome, &err);
    if (*ret_code < 0 || (*ret_code == FANMAP_OK && outcome->kind != FANMAP_VALUE))
        die("next", *ret_code < 0 ? err.message : outcome->message);
    return *ret_code == FANMAP_OK;
}

static void run(fanmap_job_t *job, long n)
{
    fanmap_error_t err;
    long taken = 0;
    int code = FANMAP_OK;
    for (long i = 1; i <= n; i++) {
        char text[24];
        int len = snprintf(text, sizeof text, "%ld", i);
        while ((code = fanmap_push(job, FANMAP_JSON, text, (size_t)len, &err)) == FANMAP_AGAIN)
            taken += take(job, &code);
        if (code < 0)
            die("push", err.message);
    }
    if (fanmap_end_input(job, NULL, &err) != FANMAP_OK)
        die("end", err.message);
    while (code != FANMAP_END)
        taken += take(job, &code);
    if (taken != n)
        die("list", "not every command has an outcome");
}

int main(int argc, char **argv)
{
    size_t size = argc > 1 ? strtoul(argv[1], NULL, 10) << 20 : 0;
    long n = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    fanmap_options_t *options;
    fanmap_error_t err;
    fanmap_job_t *job;
    char *held = malloc(size + 1);
    if (n <= 0 || held == NULL)
        die("usage", "heavy MIB N");
    memset(held, 1, size + 1);
    fanmap_t *f = open_embedded(&options);
    double began = now_s();
    if (fanmap_map(f, "command", options, &job, &err) != FANMAP_OK)
        die("map", err.message);
    run(job, n);
    printf("%.6f\n", now_s() - began);
    fanmap_job_close(job, false);
    fanmap_close(f);
    fanmap_options_free(options);
    free(held);
    return 0;
}
