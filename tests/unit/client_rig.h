/* The library as its user sees it, embedded, with real slots: opening, pushing, waiting with bounds, counting what is
 * left. */
#ifndef TESTS_UNIT_CLIENT_RIG_H
#define TESTS_UNIT_CLIENT_RIG_H

#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fanmap/admin.h"

enum { BOUND_MS = 60000 };

#define OK(call) assert_int_equal(call, FANMAP_OK)

/* The build folder, of which this test stands in a folder. */
static inline void rig_folder(char *ret, size_t cap, const char *behind)
{
    char exe[2048];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    assert_true(n > 0);
    exe[n] = '\0';
    *strrchr(exe, '/') = '\0';
    *strrchr(exe, '/') = '\0';
    snprintf(ret, cap, "%s%s", exe, behind);
}

static inline int64_t rig_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* key, value, ..., NULL */
static inline fanmap_options_t *rig_options(const char *const *pairs)
{
    fanmap_options_t *options;
    fanmap_error_t err;
    OK(fanmap_options_new(&options));
    for (; pairs && *pairs; pairs += 2)
        if (fanmap_options_set(options, pairs[0], pairs[1], &err) != FANMAP_OK)
            fail_msg("%s", err.message);
    return options;
}

static inline fanmap_t *rig_open(const char *const *pairs)
{
    char numbers[2200], libexec[2200];
    fanmap_t *f = NULL;
    fanmap_error_t err = {0};
    rig_folder(libexec, sizeof libexec, "");
    setenv("FANMAP_LIBEXEC", libexec, 0);
    rig_folder(numbers, sizeof numbers, "/examples/numbers.so");
    fanmap_options_t *options = rig_options(pairs);
    OK(fanmap_options_set(options, "local", "true", NULL));
    OK(fanmap_options_set(options, "tasks", numbers, NULL));
    if (!fanmap_options_get(options, "slots", 0))
        OK(fanmap_options_set(options, "slots", "2", NULL));
    if (fanmap_open(options, NULL, NULL, &f, &err) != FANMAP_OK)
        fail_msg("%s", err.message);
    fanmap_options_free(options);
    return f;
}

static inline fanmap_job_t *rig_map(fanmap_t *f, const char *task, const char *const *pairs)
{
    fanmap_options_t *options = rig_options(pairs);
    fanmap_job_t *job = NULL;
    fanmap_error_t err = {0};
    if (fanmap_map(f, task, options, &job, &err) != FANMAP_OK)
        fail_msg("%s", err.message);
    fanmap_options_free(options);
    return job;
}

static const char *const RIG_JSON[] = {"value-format", "json", NULL};

/* Pushes one JSON text, turning the loop while the map takes none; its outcomes may not be due to anybody else. */
static inline void rig_push(fanmap_t *f, fanmap_job_t *job, const char *json)
{
    int64_t until = rig_now_ms() + BOUND_MS;
    fanmap_error_t err = {0};
    int r;
    while ((r = fanmap_push(job, FANMAP_JSON, json, strlen(json), &err)) == FANMAP_AGAIN) {
        struct pollfd fd = {fanmap_fd(f), POLLIN, 0};
        if (poll(&fd, 1, BOUND_MS) < 1 || rig_now_ms() > until)
            fail_msg("the map does not become writable");
        (void)fanmap_dispatch(f, 1000, NULL);
    }
    if (r != FANMAP_OK)
        fail_msg("%s", err.message);
}

static inline void rig_push_numbers(fanmap_t *f, fanmap_job_t *job, int from, int n)
{
    for (int i = from; i < from + n; i++) {
        char text[32];
        snprintf(text, sizeof text, "%d", i);
        rig_push(f, job, text);
    }
}

/* The next outcome, or NULL at the end of the list. */
static inline const fanmap_outcome_t *rig_next(fanmap_job_t *job)
{
    const fanmap_outcome_t *outcome = NULL;
    fanmap_error_t err = {0};
    int64_t until = rig_now_ms() + BOUND_MS;
    for (;;) {
        int r = fanmap_next(job, BOUND_MS, &outcome, &err);
        if (r == FANMAP_OK)
            return outcome;
        if (r == FANMAP_END)
            return NULL;
        if (r < 0 || rig_now_ms() > until)
            fail_msg("%s", r < 0 ? err.message : "no outcome in time");
    }
}

/* Until all slots run something at once: what is open and alive then is all there is. */
static inline void rig_use_slots(fanmap_t *f, uint64_t slots_n)
{
    fanmap_job_t *job = rig_map(f, "sleep_ms", NULL);
    const fanmap_outcome_t *outcome;
    fanmap_stats_t stats;
    int64_t until = rig_now_ms() + BOUND_MS;
    uint64_t pushed = 0;
    while (fanmap_stats(job, &stats, sizeof stats), stats.running < slots_n) {
        for (; pushed < stats.known + 2 * slots_n; pushed++)
            rig_push(f, job, "100");
        assert_in_range(fanmap_next(job, 10, &outcome, NULL), FANMAP_OK, FANMAP_AGAIN);
        if (rig_now_ms() > until)
            fail_msg("%llu of %llu slots run something", (unsigned long long)stats.running,
                     (unsigned long long)slots_n);
    }
    OK(fanmap_end_input(job, NULL, NULL));
    while (rig_next(job))
        ;
    fanmap_job_close(job, false);
}

static inline void rig_expect_value(const fanmap_outcome_t *outcome, uint64_t index, const char *json)
{
    assert_non_null(outcome);
    if (outcome->kind != FANMAP_VALUE)
        fail_msg("item %llu: %s", (unsigned long long)outcome->index, outcome->message);
    assert_int_equal(outcome->index, index);
    if (outcome->value_len != strlen(json) || memcmp(outcome->value, json, outcome->value_len) != 0)
        fail_msg("item %llu is %.*s, not %s", (unsigned long long)index, (int)outcome->value_len,
                 (const char *)outcome->value, json);
}

static inline int rig_fds(void)
{
    int n = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder))
        n++;
    closedir(folder);
    return n;
}

/* Processes whose parent is this one. */
static inline int rig_children(void)
{
    char path[64];
    int n = 0, pid;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (fscanf(file, "%d", &pid) == 1)
        n++;
    fclose(file);
    return n;
}

#endif
