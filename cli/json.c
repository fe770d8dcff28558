/* Writes JSON objects to stdout, one a line. */
#include "cli/json.h"

#include <inttypes.h>
#include <stdio.h>

static void put_string(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            putchar('\\');
        if (c < 32 || c == 127)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void put_key(json_t *json, const char *key)
{
    if (json->has_fields)
        putchar(',');
    json->has_fields = true;
    if (!key)
        return;
    put_string(key);
    putchar(':');
}

void json_begin(json_t *json)
{
    json->has_fields = false;
    putchar('{');
}

void json_end(json_t *json)
{
    json->has_fields = false;
    puts("}");
}

void json_text(json_t *json, const char *key, const char *text)
{
    put_key(json, key);
    put_string(text);
}

void json_count(json_t *json, const char *key, uint64_t count)
{
    put_key(json, key);
    printf("%" PRIu64, count);
}

void json_int(json_t *json, const char *key, int64_t number)
{
    put_key(json, key);
    printf("%" PRId64, number);
}

void json_rate(json_t *json, const char *key, double rate)
{
    put_key(json, key);
    printf("%.3f", rate);
}

void json_bool(json_t *json, const char *key, bool value)
{
    put_key(json, key);
    fputs(value ? "true" : "false", stdout);
}

void json_open(json_t *json, const char *key, char bracket)
{
    put_key(json, key);
    putchar(bracket);
    json->has_fields = false;
}

void json_close(json_t *json, char bracket)
{
    putchar(bracket);
    json->has_fields = true;
}
