/* GET /v1/dead, and POST /v1/dead/replay and /v1/dead/LETTER/replay. */
#include <inttypes.h>
#include <string.h>

#include "schemas/value.h"
#include "serve/failure.h"
#include "serve/handlers.h"
#include "serve/json_query.h"
#include "views/views.h"

enum { REFUSED_SHOWN = 100 };

static void put_dead(void *arg, const fanmap_dead_t *letter)
{
    json_query_begin_object(arg);
    view_dead(arg, letter);
}

static int ask_dead(query_t *q, fanmap_t *f, fanmap_error_t *err)
{
    return json_query_end_list(
        q, fanmap_dead(f, q->filter, QUERY_TIMEOUT_MS, put_dead, json_query_begin_list(q, "dead"), err));
}

void list_dead(connection_t *c)
{
    json_query_list(c, ask_dead, (const char *const[]){"job", "letter", NULL});
}

static void put_refused(void *arg, const fanmap_dead_t *letter, const char *why)
{
    query_t *q = arg;
    if (q->lines_n++ >= REFUSED_SHOWN)
        return;
    buf_printf(&q->body, "%s{\"letter\":%" PRId64 ",\"why\":", q->lines_n > 1 ? "," : "", letter->offset);
    json_put_string(&q->body, why, strlen(why));
    buf_append_text(&q->body, "}");
}

static int ask_replay(query_t *q, fanmap_t *f, fanmap_error_t *err)
{
    uint64_t n = 0;
    buf_append_text(&q->body, "{\"refused\":[");
    int r = fanmap_dead_replay(f, q->filter, QUERY_TIMEOUT_MS, put_refused, q, &n, err);
    buf_printf(&q->body, "],\"refused_n\":%u,\"replayed\":%" PRIu64 "}", q->lines_n, n);
    return r;
}

/* POST /v1/dead/replay, of all or of a job, and /v1/dead/LETTER/replay. */
void replay_dead(connection_t *c)
{
    char letter[32];
    fanmap_error_t err;
    query_t *q = json_query_begin(c, ask_replay);
    if (!q || !json_query_filter(c, q, (const char *const[]){"job", "force", NULL}))
        return;
    if (connection_name(c, letter, sizeof letter) && fanmap_options_set(q->filter, "letter", letter, &err) != FANMAP_OK)
        reply_failure(c, &err);
    else
        json_query_send(c, q);
}
