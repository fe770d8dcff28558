#include <stdlib.h>
#include <string.h>

#include "client/admin/query.h"
#include "client/connection/worker_row.h"

typedef struct {
    fanmap_worker_info_fn fn;
    void *arg;
} telling_t;

static void report_worker(const telling_t *t, const char *id, int64_t silent_ms, const char *row)
{
    worker_row_t worker;
    char *copy = strdup(row);
    if (!copy)
        return;
    worker_row_read(copy, &worker);
    worker.info.id = id;
    worker.info.silent_ms = silent_ms;
    t->fn(t->arg, &worker.info);
    free(copy);
}

static void on_workers(void *arg, const char *const *texts, size_t n, const fanmap_error_t *err)
{
    (void)err;
    int64_t now = strtoll(texts[0], NULL, 10);
    for (size_t i = 1; i + 2 < n; i += 3) {
        int64_t silent_s = now - strtoll(texts[i + 1], NULL, 10);
        report_worker(arg, texts[i], silent_s > 0 ? silent_s * 1000 : 0, texts[i + 2]);
    }
}

int fanmap_workers(fanmap_t *f, int timeout_ms, fanmap_worker_info_fn fn, void *arg, fanmap_error_t *err)
{
    query_t query;
    telling_t telling = {fn, arg};
    query_begin(&query, f, timeout_ms, err);
    query_redis(&query, PRESENCE_WORKERS, on_workers, &telling);
    return query_end(&query);
}
