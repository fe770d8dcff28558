/* A number and a unit, for durations and for sizes. Parsing and formatting share the tables, so that what is shown can
 * be given back. */
#include "base/duration.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

typedef struct {
    const char *name;
    uint64_t scale;
} unit_t;

static const unit_t duration_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const unit_t size_units[] = {
    {"TiB", 1ull << 40},   {"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"TB", 1000000000000ull},
    {"GB", 1000000000ull}, {"MB", 1000000},     {"kB", 1000},        {"KB", 1000},        {"B", 1}};

enum { DURATION_UNITS = sizeof duration_units / sizeof *duration_units };
enum { SIZE_UNITS = sizeof size_units / sizeof *size_units, SIZE_UNITS_BINARY = 4 };

typedef enum { PARSE_OK, PARSE_NOT_A_NUMBER, PARSE_NO_UNIT, PARSE_BAD_UNIT, PARSE_TOO_LARGE } parse_t;

static const unit_t *find_unit(const unit_t *units, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(units[i].name, name) == 0)
            return &units[i];
    }
    return NULL;
}

/* `max` also bounds the number before it is scaled. */
static parse_t parse(const char *text, const unit_t *units, size_t n, uint64_t max, uint64_t *ret)
{
    const char *at = text;
    uint64_t value = 0;
    bool is_over = false;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        is_over = is_over || value > (max - digit) / 10;
        if (!is_over)
            value = value * 10 + digit;
    }
    if (at == text)
        return PARSE_NOT_A_NUMBER;
    if (*at == '\0') {
        *ret = value;
        return is_over ? PARSE_TOO_LARGE : PARSE_NO_UNIT;
    }
    const unit_t *unit = find_unit(units, n, at);
    if (!unit)
        return PARSE_BAD_UNIT;
    if (is_over || value > max / unit->scale)
        return PARSE_TOO_LARGE;
    *ret = value * unit->scale;
    return PARSE_OK;
}

int duration_parse(const char *text, int64_t *ret_ms, fanmap_error_t *err)
{
    uint64_t ms = 0;
    char shown[80];
    text_escape_to(shown, sizeof shown, text, strlen(text));
    switch (parse(text, duration_units, DURATION_UNITS, INT64_MAX, &ms)) {
    case PARSE_OK:
        *ret_ms = (int64_t)ms;
        return FANMAP_OK;
    case PARSE_NO_UNIT:
        return err_set(err, FANMAP_EUSAGE, "\"%s\" has no unit: write %ss for seconds (units: ms, s, m, h, d)", shown,
                       shown);
    case PARSE_TOO_LARGE:
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is too long a duration", shown);
    case PARSE_NOT_A_NUMBER:
    case PARSE_BAD_UNIT:
        break;
    }
    return err_set(err, FANMAP_EUSAGE,
                   "\"%s\" is not a duration: write a whole number and a unit, such as 250ms, 30s, 5m, 2h or 7d",
                   shown);
}

int size_parse(const char *text, uint64_t *ret_bytes, fanmap_error_t *err)
{
    uint64_t bytes = 0;
    char shown[80];
    text_escape_to(shown, sizeof shown, text, strlen(text));
    switch (parse(text, size_units, SIZE_UNITS, UINT64_MAX, &bytes)) {
    case PARSE_OK:
    case PARSE_NO_UNIT:
        *ret_bytes = bytes;
        return FANMAP_OK;
    case PARSE_TOO_LARGE:
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is too large a size", shown);
    case PARSE_NOT_A_NUMBER:
    case PARSE_BAD_UNIT:
        break;
    }
    return err_set(
        err, FANMAP_EUSAGE,
        "\"%s\" is not a size: write a whole number and a unit, such as 512KiB, 64MiB, 8GiB, 1MB, or plain bytes",
        shown);
}

/* With the largest unit of which it is a whole number; else as it is, with `otherwise` behind it. */
static char *format(char *ret, size_t cap, uint64_t value, const unit_t *units, size_t n, const char *otherwise)
{
    size_t i = 0;
    while (i < n && (value == 0 || value % units[i].scale != 0))
        i++;
    snprintf(ret, cap, "%" PRIu64 "%s", i < n ? value / units[i].scale : value, i < n ? units[i].name : otherwise);
    return ret;
}

char *duration_format(char *ret, size_t cap, int64_t ms)
{
    if (ms > 0)
        return format(ret, cap, (uint64_t)ms, duration_units, DURATION_UNITS, "ms");
    snprintf(ret, cap, "%" PRId64 "%s", ms, ms == 0 ? "s" : "ms");
    return ret;
}

char *size_format(char *ret, size_t cap, uint64_t bytes)
{
    return format(ret, cap, bytes, size_units, SIZE_UNITS_BINARY, "");
}
