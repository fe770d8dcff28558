#include "client/options/policy_rules.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/value.h"

enum { BIND_NAME_MAX = 63, BINDS_MAX = 1000, BINDS_BYTES_MAX = 1 << 20 };

/* ---- --halt ---- */

/* True: *text began with `word`, and stands behind it now. */
static bool skip_word(const char **text, const char *word)
{
    size_t len = strlen(word);
    if (strncmp(*text, word, len) != 0)
        return false;
    *text += len;
    return true;
}

static int parse_threshold(const char *text, halt_t *halt, fanmap_error_t *err)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    halt->is_percent = *end == '%';
    const char *rest = end + halt->is_percent;
    if (!isdigit((unsigned char)*text) || *rest != '\0')
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a count N or a percentage N%%", text);
    if (halt->is_percent && (n < 1 || n > 100))
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a percentage from 1%% to 100%%", text);
    if (n < 1 || n > UINT32_MAX || errno != 0)
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a count from 1 to %u", text, UINT32_MAX);
    halt->threshold = (uint32_t)n;
    return FANMAP_OK;
}

int halt_parse(const char *text, halt_t *ret, fanmap_error_t *err)
{
    static const char *const whats[] = {[HALT_FAIL] = "fail=", [HALT_SUCCESS] = "success=", [HALT_DONE] = "done="};
    halt_t halt = {.when = HALT_NEVER, .what = HALT_FAIL, .threshold = 1};
    const char *at = text;
    if (strcmp(text, "never") == 0) {
        *ret = halt;
        return FANMAP_OK;
    }
    halt.when = skip_word(&at, "now,") ? HALT_NOW : skip_word(&at, "soon,") ? HALT_SOON : HALT_NEVER;
    for (size_t i = 0; halt.when != HALT_NEVER && i < sizeof whats / sizeof whats[0]; i++) {
        if (!skip_word(&at, whats[i]))
            continue;
        halt.what = (halt_what_t)i;
        int r = parse_threshold(at, &halt, err);
        if (r == FANMAP_OK)
            *ret = halt;
        return r;
    }
    return err_set(err, FANMAP_EUSAGE, "\"%s\" is neither never nor now|soon,fail|success|done=N or N%%", text);
}

/* ---- --final-exit ---- */

static int parse_exit(const char **at, uint8_t *ret, fanmap_error_t *err)
{
    char *end;
    unsigned long status = strtoul(*at, &end, 10);
    if (!isdigit((unsigned char)**at) || status < 1 || status > UINT8_MAX)
        return err_set(err, FANMAP_EUSAGE, "\"%s\" does not begin with an exit status from 1 to 255", *at);
    *ret = (uint8_t)status;
    *at = end;
    return FANMAP_OK;
}

int exits_parse(const char *text, spec_t *ret, fanmap_error_t *err)
{
    exit_range_t ranges[FINAL_EXITS_MAX] = {0};
    uint32_t n = 0;
    const char *at = text;
    do {
        if (n == FINAL_EXITS_MAX)
            return err_set(err, FANMAP_EUSAGE, "more than %d ranges of exit statuses", FINAL_EXITS_MAX);
        exit_range_t *range = &ranges[n++];
        int r = parse_exit(&at, &range->from, err);
        range->to = range->from;
        if (r == FANMAP_OK && skip_word(&at, "-"))
            r = parse_exit(&at, &range->to, err);
        if (r != FANMAP_OK)
            return r;
        if (range->to < range->from)
            return err_set(err, FANMAP_EUSAGE, "%u-%u is a range that goes down", range->from, range->to);
    } while (skip_word(&at, ","));
    if (*at != '\0')
        return err_set(err, FANMAP_EUSAGE, "\"%s\": want N or N-M, comma-separated", text);
    memcpy(ret->final_exits, ranges, n * sizeof ranges[0]);
    ret->final_exits_n = n;
    return FANMAP_OK;
}

/* ---- --bind ---- */

static bool bind_name_valid(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool is_letter = isalpha((unsigned char)name[i]) || name[i] == '_';
        if (!is_letter && (i == 0 || !(isdigit((unsigned char)name[i]) || name[i] == '-' || name[i] == '.')))
            return false;
    }
    return len >= 1 && len <= BIND_NAME_MAX;
}

int bind_parse(const char *text, buf_t *b, fanmap_error_t *err)
{
    const char *equals = strchr(text, '=');
    if (!equals)
        return err_set(err, FANMAP_EUSAGE, "\"%.80s\": want NAME=JSON", text);
    size_t len = (size_t)(equals - text);
    if (!bind_name_valid(text, len))
        return err_set(err, FANMAP_EUSAGE,
                       "\"%.*s\" is not a name: a letter, then [A-Za-z0-9._-], at most %d characters",
                       (int)(len > 80 ? 80 : len), text, BIND_NAME_MAX);
    mp_put_str(b, text, len);
    int r = value_from_json(b, equals + 1, strlen(equals + 1), err);
    if (r != FANMAP_OK)
        err_wrap(err, "%.*s", (int)len, text);
    return r;
}

static bool is_bound_twice(const fanmap_options_t *options, size_t nth)
{
    const char *name = options_nth(options, OPT_BIND, nth);
    size_t len = strcspn(name, "=") + 1;
    for (size_t i = 0; i < nth; i++)
        if (strncmp(options_nth(options, OPT_BIND, i), name, len) == 0)
            return true;
    return false;
}

int binds_encode(const fanmap_options_t *options, buf_t *b, fanmap_error_t *err)
{
    uint32_t n = 0;
    while (n <= BINDS_MAX && options_nth(options, OPT_BIND, n))
        n++;
    if (n == 0)
        return FANMAP_OK;
    if (n > BINDS_MAX)
        return err_set(err, FANMAP_EUSAGE, "--bind: more than %d bound arguments", BINDS_MAX);
    mp_put_map(b, n);
    for (uint32_t i = 0; i < n; i++) {
        const char *pair = options_nth(options, OPT_BIND, i);
        if (is_bound_twice(options, i))
            return err_set(err, FANMAP_EUSAGE, "--bind: %.*s is bound twice", (int)strcspn(pair, "="), pair);
        int r = bind_parse(pair, b, err);
        if (r != FANMAP_OK)
            return r;
    }
    if (b->failed)
        return err_set(err, FANMAP_ENOMEM, "out of memory for bound arguments");
    if (b->len > BINDS_BYTES_MAX)
        return err_set(err, FANMAP_EUSAGE, "--bind: the bound arguments take %zu bytes, over the limit of %d", b->len,
                       BINDS_BYTES_MAX);
    return FANMAP_OK;
}
