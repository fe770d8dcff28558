/* What the options of a stream say of single records, as the terms of its spec. */
#include <string.h>
#include <time.h>

#include "client/gathering/dead_headers.h"
#include "client/services/stream.h"

static int read_filter(const char *filter, stream_terms_t *terms, fanmap_error_t *err)
{
    size_t name_len = filter ? strcspn(filter, "=") : 0;
    if (!filter)
        return FANMAP_OK;
    if (name_len == 0 || filter[name_len] != '=' || strlen(filter) > STREAM_FILTER_MAX)
        return err_set(err, FANMAP_EUSAGE, "--filter: want HEADER=VALUE of at most %d bytes, not \"%.80s\"",
                       STREAM_FILTER_MAX, filter);
    memcpy(terms->filter, filter, strlen(filter) + 1);
    return FANMAP_OK;
}

static bool is_word(const fanmap_options_t *o, struct option_CHOICE option, const char *word)
{
    return strcmp(options_text(o, option), word) == 0;
}

int stream_terms_from_options(const fanmap_options_t *o, stream_terms_t *terms, fanmap_error_t *err)
{
    if (!dead_dialects_read(options_text(o, OPT_DEAD_HEADERS), &terms->dead_headers))
        return err_set(err, FANMAP_EUSAGE, "--dead-headers: want words of fanmap,spring,connect,streams");
    terms->tombstones = is_word(o, OPT_TOMBSTONES, "skip")   ? TOMBSTONES_SKIP
                        : is_word(o, OPT_TOMBSTONES, "fail") ? TOMBSTONES_FAIL
                                                             : TOMBSTONES_PASS;
    terms->strips_schema = is_word(o, OPT_SCHEMA, "strip");
    terms->is_at_least_once = is_word(o, OPT_DELIVER, "at-least-once");
    terms->to_same_partition = is_word(o, OPT_TO_PARTITION, "same");
    terms->max_age_ms = options_is_set(o, OPT_MAX_AGE) ? options_ms(o, OPT_MAX_AGE) : 0;
    return read_filter(options_text(o, OPT_FILTER), terms, err);
}

int stream_start_read(const char *text, int64_t *ret_ms, fanmap_error_t *err)
{
    struct tm at = {0};
    bool is_first = strcmp(text, "earliest") == 0;
    if (is_first || strcmp(text, "latest") == 0) {
        *ret_ms = is_first ? STREAM_FROM_FIRST : STREAM_FROM_LAST;
        return FANMAP_OK;
    }
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &at);
    time_t seconds = end && *end == '\0' ? timegm(&at) : -1;
    if (seconds < 0)
        return err_set(err, FANMAP_EUSAGE,
                       "--start: want earliest, latest, or a time as 2026-01-31T12:00:00Z, not \"%.80s\"", text);
    *ret_ms = (int64_t)seconds * 1000;
    return FANMAP_OK;
}
