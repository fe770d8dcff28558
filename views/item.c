/* One item of a job, with what is known of its attempts. */
#include <string.h>

#include "views/json.h"
#include "views/views.h"

enum { INPUT_MAX = 64 << 10, INPUT_BEGIN = 4 << 10 };

/* A long one is cut, and then it is no JSON any more but text. */
static void put_input(json_t *json, const fanmap_item_info_t *item)
{
    size_t len = item->input ? strlen(item->input) : 0;
    if (!item->input)
        json_text(json, "input_why", item->input_why);
    else if (len <= INPUT_MAX)
        json_raw(json, "input", item->input);
    else
        json_text_of(json, "input_begin", item->input, INPUT_BEGIN);
    if (item->input)
        json_count(json, "input_bytes", len);
}

static void put_ended(json_t *json, const fanmap_ended_t *ended)
{
    json_open(json, NULL, '{');
    json_count(json, "attempt", ended->attempt);
    json_text(json, "kind", fanmap_kind_name(ended->kind));
    json_int(json, "ended_ms", ended->ended_ms);
    json_count(json, "run_us", ended->run_us);
    json_text(json, "worker", ended->worker);
    json_text(json, "type", ended->type);
    json_text(json, "message", ended->message);
    json_int(json, "exit_status", ended->exit_status);
    json_int(json, "signal", ended->signo);
    json_close(json, '}');
}

void view_item(void *out, const fanmap_item_info_t *item)
{
    json_t json = json_begin(out);
    json_count(&json, "index", item->index);
    if (item->outcome) {
        json_raw(&json, "outcome", item->outcome);
        json_int(&json, "stored_ms", item->stored_ms);
        json_count(&json, "run_us", item->run_us);
        json_text(&json, "worker", item->worker);
        json_int(&json, "wait_ms", item->wait_ms);
    }
    put_input(&json, item);
    json_open(&json, "ended", '[');
    for (size_t i = 0; i < item->ended_n; i++)
        put_ended(&json, &item->ended[i]);
    json_close(&json, ']');
    json_end(&json);
}
