/* What a service says: a line for people, or a JSON object. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/commands.h"

enum { LINE_MAX_BYTES = 2048 };

static const char *const words[] = {"error", "warning", "info", "debug"};

static void put_stamp(char *ret, size_t cap)
{
    char seconds[32];
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(ret, cap, "%s.%03ldZ", seconds, now.tv_nsec / 1000000);
}

/* The length of the UTF-8 character that begins here; 0: none does. */
static size_t character(const unsigned char *at)
{
    size_t len = at[0] < 0x80 ? 1 : at[0] >= 0xc2 && at[0] < 0xe0 ? 2 : (at[0] & 0xf0) == 0xe0 ? 3 : 4;
    if (at[0] >= 0x80 && (at[0] < 0xc2 || at[0] > 0xf4))
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool is_bad = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
                  (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f);
    return is_bad ? 0 : len;
}

/* `to` has room for six bytes a byte of `text`. */
static void put_string(char *to, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at) {
        size_t len = character(at);
        if (len == 0)
            to += sprintf(to, "\\ufffd");
        else if (*at < 32 || *at == 127)
            to += sprintf(to, "\\u%04x", *at);
        else
            to += sprintf(to, "%s%.*s", *at == '"' || *at == '\\' ? "\\" : "", (int)len, (const char *)at);
        at += len ? len : 1;
    }
    *to = '\0';
}

void json_log(fanmap_log_level_t level, const char *line)
{
    static char text[6 * LINE_MAX_BYTES + 1];
    char cut[LINE_MAX_BYTES], stamp[48];
    snprintf(cut, sizeof cut, "%s", line);
    put_stamp(stamp, sizeof stamp);
    put_string(text, cut);
    fprintf(stderr, "{\"time\":\"%s\",\"level\":\"%s\",\"message\":\"%s\"}\n", stamp, words[level], text);
}

void service_log(void *arg, fanmap_log_level_t level, const char *line)
{
    const arguments_t *arguments = arg;
    char stamp[48];
    if (level == FANMAP_LOG_DEBUG && !is_switch_set(arguments, "verbose"))
        return;
    if (level >= FANMAP_LOG_INFO && is_switch_set(arguments, "quiet"))
        return;
    put_stamp(stamp, sizeof stamp);
    if (is_json_logged())
        json_log(level, line);
    else
        complain("%s %s: %s", stamp, words[level], line);
}
