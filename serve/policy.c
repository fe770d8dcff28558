#include "serve/policy.h"

#include <string.h>

#include "base/error.h"
#include "fanmap/admin.h"
#include "serve/http/target.h"

enum { VALUE_MAX = 8192 };

static bool is_of_a_job(const char *name)
{
    static const char *const names[] = {
        "concurrency",  "retries",     "backoff",     "timeout",     "grace",     "deadline",  "fail-fast", "halt",
        "bind",         "memory",      "cpus",        "cpu-time",    "job-id",    "queue",     "item-max",  "value-max",
        "retry-failed", "retry-group", "retry-items", "final-exit",  "crash-cap", "unordered", "wait",      "ahead",
        "logs",         "batch",       "within",      "traceparent", "rate",      "delay"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static int set(policy_t *p, const char *name, const char *value, fanmap_error_t *err)
{
    bool is_on = strcmp(value, "true") == 0 || value[0] == '\0';
    if (strcmp(name, "detach") == 0)
        p->detach = is_on;
    else if (strcmp(name, "records") == 0)
        p->as_records = is_on;
    else if (strcmp(name, "task") == 0 && strlen(value) < sizeof p->task)
        memcpy(p->task, value, strlen(value) + 1);
    else if (is_of_a_job(name))
        return fanmap_options_set(p->options, name, value, err);
    else
        return err_set(err, FANMAP_EUSAGE, "a map has no option \"%s\" over HTTP", name);
    return FANMAP_OK;
}

int policy_read(http_text_t query, policy_t *ret_policy, fanmap_error_t *err)
{
    http_text_t name, value;
    policy_t p = {0};
    char key[64], text[VALUE_MAX];
    int r = fanmap_options_new(&p.options);
    if (r != FANMAP_OK)
        return err_set(err, r, "out of memory");
    r = fanmap_options_set(p.options, "value-format", "json", err);
    while (r == FANMAP_OK && http_query_next(&query, &name, &value)) {
        if (!http_decode(name, true, key, sizeof key) || !http_decode(value, true, text, sizeof text))
            r = err_set(err, FANMAP_EUSAGE, "the query of the address is not well formed, or a value is over %d bytes",
                        VALUE_MAX - 1);
        else
            r = set(&p, key, text, err);
    }
    const char *unordered = NULL;
    if (r == FANMAP_OK)
        unordered = fanmap_options_get(p.options, "unordered", 0);
    p.as_records |= unordered && strcmp(unordered, "true") == 0;
    if (r != FANMAP_OK)
        fanmap_options_free(p.options);
    else
        *ret_policy = p;
    return r;
}
