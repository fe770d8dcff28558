/* Every route: one row each, which openapi.json is checked against. */
#include "serve/route.h"

#include <stdio.h>
#include <string.h>

#include "serve/handlers.h"

static const route_t routes[] = {
    {HTTP_POST, "/v1/map/{}", ACCESS_WRITE, false, map_begin},
    {HTTP_POST, "/v1/jobs", ACCESS_WRITE, false, submit_begin},
    {HTTP_GET, "/v1/jobs", ACCESS_READ, true, list_jobs},
    {HTTP_PUT, "/v1/jobs/{}", ACCESS_WRITE, false, submit_begin},
    {HTTP_GET, "/v1/jobs/{}", ACCESS_READ, true, show_job},
    {HTTP_PATCH, "/v1/jobs/{}", ACCESS_WRITE, true, patch_job},
    {HTTP_POST, "/v1/jobs/{}/cancel", ACCESS_WRITE, true, control_job},
    {HTTP_POST, "/v1/jobs/{}/pause", ACCESS_WRITE, true, control_job},
    {HTTP_POST, "/v1/jobs/{}/resume", ACCESS_WRITE, true, control_job},
    {HTTP_POST, "/v1/jobs/{}/retry-failed", ACCESS_WRITE, true, retry_job},
    {HTTP_GET, "/v1/jobs/{}/outcomes", ACCESS_READ, false, outcomes_begin},
    {HTTP_GET, "/v1/jobs/{}/item", ACCESS_READ, true, show_item},
    {HTTP_GET, "/v1/jobs/{}/logs", ACCESS_READ, false, logs_begin},
    {HTTP_GET, "/v1/jobs/{}/watch", ACCESS_READ, false, watch_begin},
    {HTTP_GET, "/v1/tasks", ACCESS_READ, true, list_tasks},
    {HTTP_GET, "/v1/workers", ACCESS_READ, true, list_workers},
    {HTTP_GET, "/v1/events", ACCESS_READ, true, list_events},
    {HTTP_GET, "/v1/dead", ACCESS_READ, true, list_dead},
    {HTTP_POST, "/v1/dead/replay", ACCESS_WRITE, true, replay_dead},
    {HTTP_POST, "/v1/dead/{}/replay", ACCESS_WRITE, true, replay_dead},
    {HTTP_GET, "/", ACCESS_OPEN, true, send_front},
    {HTTP_GET, "/page/{}", ACCESS_OPEN, true, send_front_file},
    {HTTP_GET, "/openapi.json", ACCESS_OPEN, true, send_openapi},
    {HTTP_GET, "/healthz", ACCESS_OPEN, true, send_liveness},
    {HTTP_GET, "/readyz", ACCESS_OPEN, true, send_readiness},
};
enum { ROUTES_N = sizeof routes / sizeof routes[0] };

/* True: the path is of this pattern; *ret_name is what stands for {}. */
static bool matches(const char *pattern, http_text_t path, http_text_t *ret_name)
{
    size_t at = 0;
    for (; *pattern && at <= path.len; pattern++) {
        if (pattern[0] == '{' && pattern[1] == '}') {
            size_t from = at;
            while (at < path.len && path.at[at] != '/')
                at++;
            if (at == from)
                return false;
            *ret_name = (http_text_t){path.at + from, at - from};
            pattern++;
        } else if (at == path.len || path.at[at++] != *pattern) {
            return false;
        }
    }
    return !*pattern && at == path.len;
}

static void allow(route_miss_t *miss, const route_t *route)
{
    size_t len = strlen(miss->allow);
    bool has_head = route->method == HTTP_GET && route->wants_whole_body;
    snprintf(miss->allow + len, sizeof miss->allow - len, "%s%s%s", len > 0 ? ", " : "",
             http_method_name(route->method), has_head ? ", HEAD" : "");
}

const route_t *route_find(const http_head_t *head, http_text_t *ret_name, route_miss_t *ret_miss)
{
    route_miss_t miss = {404, "there is nothing at this path", ""};
    for (size_t i = 0; i < ROUTES_N; i++) {
        http_text_t name = {NULL, 0};
        if (!matches(routes[i].path, head->path, &name))
            continue;
        bool is_head = head->method == HTTP_HEAD && routes[i].method == HTTP_GET && routes[i].wants_whole_body;
        *ret_name = name;
        if (routes[i].method == head->method || is_head)
            return &routes[i];
        miss.status = 405;
        miss.why = "this path takes another method";
        allow(&miss, &routes[i]);
    }
    *ret_miss = miss;
    return NULL;
}
