/* A policy between options and spec: from the options of whoever submits, and back as those that are not the default. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/duration.h"
#include "base/error.h"
#include "client/options/options.h"
#include "client/options/policy.h"

/* Both: starts that are apart by the longer time keep the rate too. */
static void put_rate(spec_t *spec, uint64_t every_us, uint64_t apart_us)
{
    spec->starts_apart = apart_us > 0;
    spec->start_every_us = every_us > apart_us ? every_us : apart_us;
}

int policy_from_options(const fanmap_options_t *o, bool is_fleet, bool has_tokens, spec_t *spec, fanmap_error_t *err)
{
    static const int embedded[] = {OPT_MEMFREE_ROW, OPT_LOAD_ROW, OPT_WORKDIR_ROW, OPT_NICE_ROW,
                                   OPT_TIMEOUT_PERCENT_ROW};
    size_t rows;
    bool is_relative;
    spec->concurrency = options_limit(o, OPT_CONCURRENCY, &is_relative);
    put_rate(spec, options_every_us(o, OPT_RATE), options_ms(o, OPT_DELAY) * 1000);
    spec->lease_ms = (uint32_t)options_ms(o, OPT_LEASE);
    spec->retries = (uint32_t)options_count(o, OPT_RETRIES);
    options_backoff(o, &spec->backoff_base_ms, &spec->backoff_factor_milli, &spec->backoff_cap_ms);
    spec->timeout_ms = (uint32_t)options_ms(o, OPT_TIMEOUT);
    spec->grace_ms = (uint32_t)options_ms(o, OPT_GRACE);
    spec->memory_bytes = options_bytes(o, OPT_MEMORY);
    spec->cpus_milli = options_cpus_milli(o, OPT_CPUS);
    spec->cpu_time_ms = (uint32_t)options_ms(o, OPT_CPU_TIME);
    spec->batch_n = (uint32_t)options_count(o, OPT_BATCH);
    spec->batch_within_ms = spec->batch_n > 1 ? (uint32_t)options_ms(o, OPT_WITHIN) : 0;
    spec->is_quiet = strcmp(options_text(o, OPT_LOGS), "off") == 0;
    spec->crash_cap = (uint32_t)options_count(o, OPT_CRASH_CAP);
    spec->item_bytes_max = (uint32_t)options_bytes(o, OPT_ITEM_MAX);
    spec->value_bytes_max = (uint32_t)options_bytes(o, OPT_VALUE_MAX);
    const char *trace = options_text(o, OPT_TRACEPARENT);
    if (trace && !trace_valid(trace))
        return err_set(err, FANMAP_EUSAGE, "--traceparent %.80s is none of W3C's: 00-TRACE-SPAN-FLAGS", trace);
    (void)snprintf(spec->traceparent, sizeof spec->traceparent, "%s", trace ? trace : "");
    if (is_relative && is_fleet)
        return err_set(err, FANMAP_EUSAGE,
                       "--concurrency %s counts the processors of this machine: for a fleet, give a number",
                       options_text(o, OPT_CONCURRENCY));
    for (size_t i = 0; is_fleet && i < sizeof embedded / sizeof *embedded; i++)
        if (option_is_set(o, embedded[i]))
            return err_set(err, FANMAP_EUSAGE, "--%s is kept by an embedded map alone (--local): %s",
                           fanmap_option_table(&rows)[embedded[i]].name,
                           embedded[i] == OPT_TIMEOUT_PERCENT_ROW
                               ? "a fleet takes a duration"
                               : "on a fleet the task has it, from the operator of its workers");
    if (spec->concurrency > 0 && !has_tokens)
        return err_set(err, FANMAP_EUSAGE,
                       "--concurrency %" PRIu64
                       " needs Redis for its tokens: give --redis URL (FANMAP_REDIS), or use 0",
                       spec->concurrency);
    if (spec->start_every_us > 0 && !has_tokens)
        return err_set(err, FANMAP_EUSAGE,
                       "--%s needs Redis, where workers share the places for starts: give --redis URL (FANMAP_REDIS)",
                       spec->starts_apart ? "delay" : "rate");
    return FANMAP_OK;
}

void policy_put(policy_t *policy, const char *name, const char *format, ...)
{
    if (policy->n == FANMAP_POLICY_MAX)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(policy->values[policy->n], sizeof policy->values[0], format, args);
    va_end(args);
    const char *standard = fanmap_options_get(NULL, name, 0);
    policy->names[policy->n] = name;
    policy->n += !standard || strcmp(standard, policy->values[policy->n]) != 0;
}

static void put_ms(policy_t *policy, const char *name, uint64_t ms)
{
    char text[DURATION_TEXT_MAX];
    policy_put(policy, name, "%s", duration_format(text, sizeof text, (int64_t)ms));
}

static void put_bytes(policy_t *policy, const char *name, uint64_t bytes)
{
    char text[SIZE_TEXT_MAX];
    policy_put(policy, name, "%s", size_format(text, sizeof text, bytes));
}

static void put_count(policy_t *policy, const char *name, uint64_t count)
{
    policy_put(policy, name, "%" PRIu64, count);
}

static void put_backoff(policy_t *policy, const spec_t *spec)
{
    char base[DURATION_TEXT_MAX], cap[DURATION_TEXT_MAX];
    policy_put(policy, "backoff", "%s,%g,%s", duration_format(base, sizeof base, spec->backoff_base_ms),
               (double)spec->backoff_factor_milli / 1000, duration_format(cap, sizeof cap, spec->backoff_cap_ms));
}

static void put_every(policy_t *policy, uint64_t every_us)
{
    static const struct {
        const char *text;
        double us;
    } units[] = {{"s", 1e6}, {"m", 60e6}, {"h", 3600e6}};
    size_t i = 0;
    while (i < 2 && units[i].us < (double)every_us)
        i++;
    policy_put(policy, "rate", "%.6g/%s", units[i].us / (double)every_us, units[i].text);
}

static void put_halt(policy_t *policy, const halt_t *halt)
{
    static const char *const whens[] = {"never", "now", "soon"}, *const whats[] = {"fail", "success", "done"};
    if (halt->when != HALT_NEVER)
        policy_put(policy, "halt", "%s,%s=%u%s", whens[halt->when], whats[halt->what], halt->threshold,
                   halt->is_percent ? "%" : "");
}

static void put_final_exits(policy_t *policy, const spec_t *spec)
{
    char text[sizeof policy->values[0]] = "";
    size_t n = 0;
    for (uint32_t i = 0; i < spec->final_exits_n && n + 9 < sizeof text; i++) {
        const exit_range_t *range = &spec->final_exits[i];
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%u", i > 0 ? "," : "", range->from);
        if (range->to != range->from)
            n += (size_t)snprintf(text + n, sizeof text - n, "-%u", range->to);
    }
    if (n > 0)
        policy_put(policy, "final-exit", "%s", text);
}

void policy_fill(policy_t *policy, const spec_t *spec)
{
    policy->n = 0;
    put_count(policy, "retries", spec->retries);
    put_backoff(policy, spec);
    if (spec->timeout_ms)
        put_ms(policy, "timeout", spec->timeout_ms);
    put_ms(policy, "grace", spec->grace_ms);
    if (spec->deadline_ms)
        put_ms(policy, "deadline", (uint64_t)(spec->deadline_ms - spec->submitted_ms));
    if (spec->fail_fast)
        policy_put(policy, "fail-fast", "true");
    put_halt(policy, &spec->halt);
    put_ms(policy, "lease", spec->lease_ms);
    put_count(policy, "crash-cap", spec->crash_cap);
    put_bytes(policy, "item-max", spec->item_bytes_max);
    put_bytes(policy, "value-max", spec->value_bytes_max);
    if (spec->memory_bytes)
        put_bytes(policy, "memory", spec->memory_bytes);
    if (spec->cpus_milli)
        policy_put(policy, "cpus", "%g", (double)spec->cpus_milli / 1000);
    if (spec->cpu_time_ms)
        put_ms(policy, "cpu-time", spec->cpu_time_ms);
    if (spec->starts_apart)
        put_ms(policy, "delay", (spec->start_every_us + 999) / 1000);
    else if (spec->start_every_us)
        put_every(policy, spec->start_every_us);
    if (spec->batch_n > 1)
        put_count(policy, "batch", spec->batch_n);
    if (spec->batch_within_ms)
        put_ms(policy, "within", spec->batch_within_ms);
    if (spec->is_quiet)
        policy_put(policy, "logs", "off");
    put_final_exits(policy, spec);
    if (spec->traceparent[0])
        policy_put(policy, "traceparent", "%s", spec->traceparent);
    if (spec->retry_of[0])
        policy_put(policy, "retry-failed", "%s", spec->retry_of);
}

/* ---- two of them ---- */

/* NULL: its default. */
static const char *value_of(const policy_t *policy, const char *name)
{
    for (size_t i = 0; i < policy->n; i++)
        if (strcmp(policy->names[i], name) == 0)
            return policy->values[i];
    return NULL;
}

static const char *in_words(const char *value, const char *name)
{
    const char *standard = value ? value : fanmap_options_get(NULL, name, 0);
    return standard ? standard : "none";
}

static void put_difference(char *ret, size_t cap, const char *name, const char *is, const char *asked)
{
    size_t len = strlen(ret);
    if (is && asked && strcmp(is, asked) == 0)
        return;
    (void)snprintf(ret + len, cap - len, "%s%s%s %s (not %s)", len > 0 ? ", " : "",
                   option_find(name, strlen(name)) >= 0 ? "--" : "", name, in_words(is, name), in_words(asked, name));
}

void policy_differences(const policy_t *is, const policy_t *asked, char *ret, size_t cap)
{
    ret[0] = '\0';
    for (size_t i = 0; i < is->n; i++)
        put_difference(ret, cap, is->names[i], is->values[i], value_of(asked, is->names[i]));
    for (size_t i = 0; i < asked->n; i++)
        if (!value_of(is, asked->names[i]))
            put_difference(ret, cap, asked->names[i], NULL, asked->values[i]);
}

static void fill_untraced(policy_t *policy, const spec_t *spec)
{
    spec_t untraced = *spec;
    untraced.traceparent[0] = '\0';
    policy_fill(policy, &untraced);
    put_count(policy, "concurrency", spec->concurrency);
}

void policy_stays(const spec_t *is, const spec_t *asked, char *ret, size_t cap)
{
    policy_t of_is, of_asked;
    fill_untraced(&of_is, is);
    fill_untraced(&of_asked, asked);
    policy_differences(&of_is, &of_asked, ret, cap);
}
