/* What a service says: a line for people, or a JSON object. */
#include <stdio.h>
#include <time.h>

#include "cli/commands.h"
#include "views/json.h"

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

void json_log(fanmap_log_level_t level, const char *line)
{
    char cut[LINE_MAX_BYTES], stamp[48];
    buf_t out = {0};
    snprintf(cut, sizeof cut, "%s", line);
    put_stamp(stamp, sizeof stamp);
    json_t json = json_begin(&out);
    json_text(&json, "time", stamp);
    json_text(&json, "level", words[level]);
    json_text(&json, "message", cut);
    json_end(&json);
    buf_append(&out, "\n", 1);
    fwrite(out.data, 1, out.len, stderr);
    buf_free(&out);
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
