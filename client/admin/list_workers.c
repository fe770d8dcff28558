#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/admin/query.h"
#include "tokens/presence.h"

typedef struct {
    fanmap_worker_info_fn fn;
    void *arg;
} telling_t;

/* A row is KEY=VALUE separated by blanks; what is not known is passed over. Cuts the row up. */
static void take_pair(fanmap_worker_info_t *info, const char *key, char *value)
{
    struct {
        const char *key;
        uint64_t *number;
        const char **text;
    } const fields[] = {{"host", NULL, &info->host},
                        {"queue", NULL, &info->queue},
                        {"tasks", NULL, &info->tasks},
                        {"oldest", NULL, &info->oldest},
                        {"pid", &info->pid, NULL},
                        {"slots", &info->slots, NULL},
                        {"running", &info->running, NULL},
                        {"queued", &info->queued, NULL},
                        {"partitions", &info->partitions, NULL},
                        {"started", (uint64_t *)&info->started_ms, NULL}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(fields[i].key, key) != 0)
            continue;
        if (fields[i].text)
            *fields[i].text = value;
        else
            *fields[i].number = strtoull(value, NULL, 10);
    }
}

static void tell(const telling_t *t, const char *id, int64_t silent_ms, const char *row)
{
    fanmap_worker_info_t info = {.id = id, .host = "", .queue = "", .tasks = "", .oldest = "", .silent_ms = silent_ms};
    char *copy = strdup(row), *rest = copy, *word;
    while (copy && (word = strsep(&rest, " "))) {
        char *equals = strchr(word, '=');
        if (!equals)
            continue;
        *equals = '\0';
        take_pair(&info, word, equals + 1);
    }
    if (copy)
        t->fn(t->arg, &info);
    free(copy);
}

static void on_workers(void *arg, const char *const *texts, size_t n, const fanmap_error_t *err)
{
    (void)err;
    int64_t now = strtoll(texts[0], NULL, 10);
    for (size_t i = 1; i + 2 < n; i += 3) {
        int64_t silent_s = now - strtoll(texts[i + 1], NULL, 10);
        tell(arg, texts[i], silent_s > 0 ? silent_s * 1000 : 0, texts[i + 2]);
    }
}

int query_workers(query_t *query, fanmap_worker_info_fn fn, void *arg, fanmap_error_t *err)
{
    telling_t telling = {fn, arg};
    return query_redis(query, INSPECT_WORKERS, NULL, on_workers, &telling, err);
}

int fanmap_workers(fanmap_t *f, int timeout_ms, fanmap_worker_info_fn fn, void *arg, fanmap_error_t *err)
{
    query_t query;
    int r = query_begin(&query, f, timeout_ms, err);
    if (r == FANMAP_OK)
        r = query_workers(&query, fn, arg, err);
    client_mark(f);
    return r;
}
