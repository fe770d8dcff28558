/* What is the same for everyone and says nothing of the fleet: the page, and openapi.json. */
#include <string.h>

#include "serve/assets.h"
#include "serve/handlers.h"

/* Nothing comes from elsewhere, and nothing that is written into the page runs. */
#define PAGE_POLICY                                                                                                    \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "           \
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\n"

static const char *type_of(const char *name)
{
    const char *end = strrchr(name, '.');
    return strcmp(end, ".js") == 0     ? "text/javascript; charset=utf-8"
           : strcmp(end, ".css") == 0  ? "text/css; charset=utf-8"
           : strcmp(end, ".html") == 0 ? "text/html; charset=utf-8"
                                       : "application/json";
}

static void send(connection_t *c, const char *name)
{
    buf_t body = {0};
    for (size_t i = 0; i < assets_n; i++) {
        if (strcmp(assets[i].name, name) != 0)
            continue;
        buf_append(&body, assets[i].bytes, assets[i].len);
        reply_whole(c, 200, type_of(name), &body, PAGE_POLICY);
        buf_free(&body);
        return;
    }
    reply_problem(c, 404, "no_route", "there is nothing at this path");
}

void send_openapi(connection_t *c)
{
    send(c, "openapi.json");
}

void send_front(connection_t *c)
{
    send(c, "index.html");
}

void send_front_file(connection_t *c)
{
    char name[32] = "";
    (void)connection_name(c, name, sizeof name);
    send(c, name);
}
