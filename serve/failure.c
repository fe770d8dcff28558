#include "serve/failure.h"

#include <string.h>

#include "schemas/value.h"

static const struct {
    int code, status;
    const char *word;
} failures[] = {{FANMAP_EUSAGE, 400, "usage"},     {FANMAP_ENOMEM, 503, "no_memory"},
                {FANMAP_EREFUSED, 502, "refused"}, {FANMAP_EUNREACHABLE, 503, "unreachable"},
                {FANMAP_ENOJOB, 404, "no_job"},    {FANMAP_ECONFLICT, 409, "conflict"},
                {FANMAP_ESTOPPED, 409, "stopped"}, {FANMAP_EIO, 500, "io"},
                {FANMAP_ELOST, 410, "lost"}};

static int failure_status(int code)
{
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++)
        if (failures[i].code == code)
            return failures[i].status;
    return 500;
}

const char *failure_word(int code)
{
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++)
        if (failures[i].code == code)
            return failures[i].word;
    return "failure";
}

void reply_failure(connection_t *c, const fanmap_error_t *err)
{
    reply_problem(c, failure_status(err->code), failure_word(err->code), err->message);
}

void failure_put(buf_t *out, const char *name, const fanmap_error_t *err)
{
    buf_printf(out, "{\"%s\":\"%s\",\"detail\":", name, failure_word(err->code));
    json_put_string(out, err->message, strlen(err->message));
    buf_append(out, "}", 1);
}

void reply_break(connection_t *c, const fanmap_error_t *err)
{
    buf_t line = {0};
    buf_append_text(&line, "{\"$end\":");
    failure_put(&line, "code", err);
    buf_append(&line, "}", 1);
    if (!line.failed)
        reply_line(c, (const char *)line.data, line.len);
    buf_free(&line);
    reply_abort(c);
}
