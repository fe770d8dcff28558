/* What the options of a stream say of single records, as the terms of its spec; and what its spec says, as options. */
#include <string.h>
#include <time.h>

#include "base/duration.h"
#include "client/gathering/dead_headers.h"
#include "client/options/policy.h"
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

/* ---- and back ---- */

static void put_topic(policy_t *policy, const char *name, const char *topic)
{
    if (topic[0])
        policy_put(policy, name, "%s", topic);
}

static void fill_terms(policy_t *policy, const stream_terms_t *terms)
{
    static const char *const tombstones[] = {"pass", "skip", "fail"};
    char text[DURATION_TEXT_MAX], dialects[64];
    dead_dialects_write(dialects, sizeof dialects, terms->dead_headers);
    policy_put(policy, "dead-headers", "%s", dialects);
    policy_put(policy, "tombstones", "%s", tombstones[terms->tombstones]);
    policy_put(policy, "schema", "%s", terms->strips_schema ? "strip" : "keep");
    policy_put(policy, "deliver", "%s", terms->is_at_least_once ? "at-least-once" : "exactly-once");
    policy_put(policy, "to-partition", "%s", terms->to_same_partition ? "same" : "key");
    if (terms->max_age_ms > 0)
        policy_put(policy, "max-age", "%s", duration_format(text, sizeof text, (int64_t)terms->max_age_ms));
    put_topic(policy, "filter", terms->filter);
}

static void fill_identity(policy_t *policy, const spec_t *spec)
{
    static const char *const orders[] = {"", "partition", "key", "none"};
    policy->n = 0;
    policy_put(policy, "the task", "%s", spec->task);
    policy_put(policy, "queue", "%s", spec->queue);
    policy_put(policy, "from", "%s", spec->from);
    put_topic(policy, "to", spec->to);
    put_topic(policy, "errors-to", spec->errors_to);
    policy_put(policy, "order", "%s", orders[spec->stream]);
    policy_put(policy, "from-format", "%s", plain_format_word(spec->in_format));
    policy_put(policy, "to-format", "%s", plain_format_word(spec->out_format));
    fill_terms(policy, &spec->terms);
}

void stream_differences(const spec_t *is, const spec_t *asked, char *ret, size_t cap)
{
    policy_t of_is, of_asked;
    fill_identity(&of_is, is);
    fill_identity(&of_asked, asked);
    policy_differences(&of_is, &of_asked, ret, cap);
}
