/* What is the same for everyone and says nothing of the fleet: the page, and openapi.json. */
#include <string.h>

#include "serve/assets.h"
#include "serve/handlers.h"

/* Nothing comes from elsewhere, and nothing that is written into the page runs. */
#define PAGE_POLICY                                                                                                    \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "           \
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\n"

static const struct {
    const char *name, *type;
    const unsigned char *bytes;
    const size_t *len;
} files[] = {
    {"app.js", "text/javascript; charset=utf-8", asset_app_js, &asset_app_js_len},
    {"api.js", "text/javascript; charset=utf-8", asset_api_js, &asset_api_js_len},
    {"dom.js", "text/javascript; charset=utf-8", asset_dom_js, &asset_dom_js_len},
    {"fleet.js", "text/javascript; charset=utf-8", asset_fleet_js, &asset_fleet_js_len},
    {"grid.js", "text/javascript; charset=utf-8", asset_grid_js, &asset_grid_js_len},
    {"job.js", "text/javascript; charset=utf-8", asset_job_js, &asset_job_js_len},
    {"jobs.js", "text/javascript; charset=utf-8", asset_jobs_js, &asset_jobs_js_len},
    {"style.css", "text/css; charset=utf-8", asset_style_css, &asset_style_css_len},
};

static void send(connection_t *c, const char *type, const unsigned char *bytes, size_t len)
{
    buf_t body = {0};
    buf_append(&body, bytes, len);
    reply_whole(c, 200, type, &body, PAGE_POLICY);
    buf_free(&body);
}

void send_openapi(connection_t *c)
{
    send(c, "application/json", asset_openapi_json, asset_openapi_json_len);
}

void send_front(connection_t *c)
{
    send(c, "text/html; charset=utf-8", asset_index_html, asset_index_html_len);
}

void send_front_file(connection_t *c)
{
    char name[32];
    for (size_t i = 0; connection_name(c, name, sizeof name) && i < sizeof files / sizeof files[0]; i++) {
        if (strcmp(files[i].name, name) == 0) {
            send(c, files[i].type, files[i].bytes, *files[i].len);
            return;
        }
    }
    reply_problem(c, 404, "no_route", "there is nothing at this path");
}
