#include "serve/counts.h"

#include "metrics/exposition.h"

static size_t place_of(serve_counts_t *counts, const route_t *route)
{
    size_t place = 1;
    if (!route)
        return 0;
    while (place < COUNT_ROUTES_MAX - 1 && counts->paths[place] &&
           (counts->paths[place] != route->path || counts->methods[place] != http_method_name(route->method)))
        place++;
    counts->paths[place] = route->path;
    counts->methods[place] = http_method_name(route->method);
    return place;
}

void counts_answer(serve_counts_t *counts, const route_t *route, int status, uint64_t us)
{
    size_t place = place_of(counts, route);
    counts->answered[place][status / 100 < COUNT_CLASSES ? status / 100 : 0]++;
    histogram_add(&counts->took[place], us);
}

static void put_answered(exposition_t *to, const serve_counts_t *counts, size_t place)
{
    static const char *const classes[COUNT_CLASSES] = {"", "1xx", "2xx", "3xx", "4xx", "5xx"};
    const char *path = counts->paths[place], *method = counts->methods[place];
    for (int class = 2; class < COUNT_CLASSES; class ++) {
        const metric_label_t labels[] = {
            {"route", path ? path : ""}, {"method", method ? method : ""}, {"status", classes[class]}};
        if (counts->answered[place][class] > 0)
            metrics_value(to, labels, 3, counts->answered[place][class]);
    }
}

void counts_put(const serve_counts_t *counts, size_t connections_n, buf_t *out)
{
    exposition_t to = {.out = out};
    metrics_family(&to, "fanmap_serve_connections", METRIC_GAUGE, "Connections that are open.");
    metrics_value(&to, NULL, 0, connections_n);
    metrics_family(&to, "fanmap_serve_requests_total", METRIC_COUNTER, "Requests whose answer has begun.");
    for (size_t i = 0; i < COUNT_ROUTES_MAX; i++)
        put_answered(&to, counts, i);
    metrics_family(&to, "fanmap_serve_request_seconds", METRIC_HISTOGRAM,
                   "From a request's head to the beginning of its answer.");
    for (size_t i = 0; i < COUNT_ROUTES_MAX; i++) {
        const char *path = counts->paths[i], *method = counts->methods[i];
        const metric_label_t labels[] = {{"route", path ? path : ""}, {"method", method ? method : ""}};
        if (i == 0 || path)
            metrics_histogram(&to, labels, 2, &counts->took[i]);
    }
}
