#include "views/json.h"

#include <inttypes.h>
#include <string.h>

#include "schemas/value.h"

static void put_key(json_t *json, const char *key)
{
    if (json->has_fields)
        buf_append(json->out, ",", 1);
    json->has_fields = true;
    if (!key)
        return;
    json_put_string(json->out, key, strlen(key));
    buf_append(json->out, ":", 1);
}

json_t json_begin(buf_t *out)
{
    buf_append(out, "{", 1);
    return (json_t){out, false};
}

void json_end(json_t *json)
{
    buf_append(json->out, "}", 1);
}

void json_text_of(json_t *json, const char *key, const char *text, size_t len)
{
    put_key(json, key);
    json_put_string(json->out, text, len);
}

void json_text(json_t *json, const char *key, const char *text)
{
    json_text_of(json, key, text, strlen(text));
}

void json_raw(json_t *json, const char *key, const char *text)
{
    put_key(json, key);
    buf_append_text(json->out, text);
}

void json_count(json_t *json, const char *key, uint64_t count)
{
    put_key(json, key);
    buf_printf(json->out, "%" PRIu64, count);
}

void json_int(json_t *json, const char *key, int64_t number)
{
    put_key(json, key);
    buf_printf(json->out, "%" PRId64, number);
}

void json_rate(json_t *json, const char *key, double rate)
{
    put_key(json, key);
    buf_printf(json->out, "%.3f", rate);
}

void json_bool(json_t *json, const char *key, bool value)
{
    put_key(json, key);
    buf_append_text(json->out, value ? "true" : "false");
}

void json_open(json_t *json, const char *key, char bracket)
{
    put_key(json, key);
    buf_append(json->out, &bracket, 1);
    json->has_fields = false;
}

void json_close(json_t *json, char bracket)
{
    buf_append(json->out, &bracket, 1);
    json->has_fields = true;
}
