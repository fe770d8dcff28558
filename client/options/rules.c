#include "client/options/rules.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/duration.h"
#include "client/options/policy_rules.h"
#include "schemas/spec.h"

static int check_count(const char *value, const option_rule_t *rule, fanmap_error_t *err)
{
    char *end;
    errno = 0;
    unsigned long long count = strtoull(value, &end, 10);
    bool is_number = value[0] >= '0' && value[0] <= '9' && *end == '\0' && errno == 0;
    if (!rule->max && (!is_number || count < rule->min))
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a whole number of at least %" PRIu64, value, rule->min);
    if (!is_number || count < rule->min || (rule->max && count > rule->max))
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a whole number from %" PRIu64 " to %" PRIu64, value,
                       rule->min, rule->max);
    return FANMAP_OK;
}

uint32_t cpus_online(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return cpus > 0 ? (uint32_t)cpus : 1;
}

int limit_parse(const char *text, const option_rule_t *rule, uint32_t cpus, uint64_t *ret, fanmap_error_t *err)
{
    const char *digits = text + (*text == '+');
    size_t n = strspn(digits, "0123456789");
    bool is_percent = digits == text && strcmp(digits + n, "%") == 0;
    bool is_more = digits != text && digits[n] == '\0';
    uint64_t number = strtoull(digits, NULL, 10);
    if (n == 0 || n > 6 || !(is_percent || is_more)) {
        int r = check_count(text, rule, err);
        if (r == FANMAP_OK)
            *ret = number;
        return r;
    }
    uint64_t limit = is_percent ? cpus * number / 100 : cpus + number;
    *ret = limit > 0 ? limit : 1;
    return FANMAP_OK;
}

static int check_duration(const char *value, const option_rule_t *rule, fanmap_error_t *err)
{
    int64_t ms;
    int r = duration_parse(value, &ms, err);
    if (r != FANMAP_OK)
        return r;
    if ((uint64_t)ms < rule->min)
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is too short: at least %" PRIu64 "ms", value, rule->min);
    if (rule->max && (uint64_t)ms > rule->max)
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is too long: at most %" PRIu64 "ms", value, rule->max);
    return FANMAP_OK;
}

static int check_size(const char *value, const option_rule_t *rule, fanmap_error_t *err)
{
    uint64_t bytes;
    int r = size_parse(value, &bytes, err);
    if (r != FANMAP_OK)
        return r;
    if (bytes < rule->min)
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is too small: at least %" PRIu64 " bytes", value, rule->min);
    if (rule->max && bytes > rule->max)
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is too large: at most %" PRIu64 " bytes", value, rule->max);
    return FANMAP_OK;
}

static int check_choice(const char *value, const char *words, fanmap_error_t *err)
{
    size_t len = strlen(value);
    for (const char *word = words; word; word = strchr(word, '|'), word = word ? word + 1 : NULL)
        if (len > 0 && strncmp(word, value, len) == 0 && (word[len] == '|' || word[len] == '\0'))
            return FANMAP_OK;
    return err_set(err, FANMAP_EUSAGE, "\"%s\" is none of %s", value, words);
}

static int parse_factor(const char *text, uint32_t *ret_milli, fanmap_error_t *err)
{
    char *end;
    double factor = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(factor) || factor < 1 || factor > 1000)
        return err_set(err, FANMAP_EUSAGE, "\"%s\" is not a factor from 1 to 1000", text);
    *ret_milli = (uint32_t)lround(factor * 1000);
    return FANMAP_OK;
}

static int parse_wait(const char *text, uint32_t *ret_ms, fanmap_error_t *err)
{
    static const option_rule_t rule = {OPTION_DURATION, 0, 24 * 3600 * 1000};
    int r = check_duration(text, &rule, err);
    int64_t ms = 0;
    if (r == FANMAP_OK)
        r = duration_parse(text, &ms, err);
    if (r == FANMAP_OK)
        *ret_ms = (uint32_t)ms;
    return r;
}

int backoff_parse(const char *text, backoff_t *ret, fanmap_error_t *err)
{
    backoff_t backoff = {1000, 2000, 300000};
    char copy[128];
    if (strlen(text) >= sizeof copy)
        return err_set(err, FANMAP_EUSAGE, "\"%.20s...\" is too long for BASE[,FACTOR[,CAP]]", text);
    memcpy(copy, text, strlen(text) + 1);
    char *rest = copy;
    const char *base = strsep(&rest, ",");
    const char *factor = rest ? strsep(&rest, ",") : NULL;
    int r = parse_wait(base, &backoff.base_ms, err);
    if (r == FANMAP_OK && factor)
        r = parse_factor(factor, &backoff.factor_milli, err);
    if (r == FANMAP_OK && rest)
        r = parse_wait(rest, &backoff.cap_ms, err);
    if (r != FANMAP_OK)
        return r;
    if (backoff.cap_ms < backoff.base_ms)
        backoff.cap_ms = backoff.base_ms;
    *ret = backoff;
    return FANMAP_OK;
}

static int check_bind(const char *value, fanmap_error_t *err)
{
    buf_t scratch = {0};
    int r = bind_parse(value, &scratch, err);
    if (r == FANMAP_OK && scratch.failed)
        r = err_set(err, FANMAP_ENOMEM, "out of memory");
    buf_free(&scratch);
    return r;
}

int rate_parse(const char *text, uint32_t *ret_every_us, fanmap_error_t *err)
{
    static const struct {
        const char *text;
        double seconds;
    } units[] = {{"", 1}, {"/s", 1}, {"/m", 60}, {"/h", 3600}};
    char *end;
    double n = strtod(text, &end);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        double every_us = units[i].seconds * 1e6 / n;
        if (strcmp(end, units[i].text) != 0 || *text < '0' || *text > '9' || !(every_us >= 1 && every_us <= 4e9))
            continue;
        *ret_every_us = (uint32_t)ceil(every_us);
        return FANMAP_OK;
    }
    return err_set(err, FANMAP_EUSAGE,
                   "\"%.40s\" is not a rate: N, N/s, N/m or N/h, from one an hour to a million a second", text);
}

enum { CPUS_MILLI_MIN = 10, CPUS_MAX = 4096 };

int cpus_parse(const char *text, uint32_t *ret_milli, fanmap_error_t *err)
{
    char *end;
    double cpus = strtod(text, &end);
    bool is_number = *text >= '0' && *text <= '9' && strspn(text, "0123456789.") == strlen(text) && !*end;
    if (!is_number || cpus * 1000 < CPUS_MILLI_MIN || cpus > CPUS_MAX)
        return err_set(err, FANMAP_EUSAGE, "\"%.40s\" is not a number of processors from 0.01 to %d", text, CPUS_MAX);
    *ret_milli = (uint32_t)lround(cpus * 1000);
    return FANMAP_OK;
}

static int check_value(const option_rule_t *rule, const char *metavar, const char *value, fanmap_error_t *err)
{
    backoff_t backoff;
    halt_t halt;
    spec_t spec;
    uint32_t milli, every_us;
    uint64_t limit;
    switch (rule->type) {
    case OPTION_TEXT:
        return FANMAP_OK;
    case OPTION_SWITCH:
        return check_choice(value, "true|false", err);
    case OPTION_COUNT:
        return check_count(value, rule, err);
    case OPTION_RATE:
        return rate_parse(value, &every_us, err);
    case OPTION_LIMIT:
        return limit_parse(value, rule, 1, &limit, err);
    case OPTION_DURATION:
        return check_duration(value, rule, err);
    case OPTION_SIZE:
        return check_size(value, rule, err);
    case OPTION_CHOICE:
        return check_choice(value, metavar, err);
    case OPTION_CPUS:
        return cpus_parse(value, &milli, err);
    case OPTION_BACKOFF:
        return backoff_parse(value, &backoff, err);
    case OPTION_HALT:
        return halt_parse(value, &halt, err);
    case OPTION_EXITS:
        return exits_parse(value, &spec, err);
    case OPTION_BIND:
        return check_bind(value, err);
    case OPTION_NAME:
        return queue_name_valid(value)
                   ? FANMAP_OK
                   : err_set(err, FANMAP_EUSAGE, "\"%s\" is not a name of [a-z0-9-], 1 to %d characters", value,
                             NAME_MAX_LEN);
    case OPTION_JOB_ID:
        return job_id_valid(value)
                   ? FANMAP_OK
                   : err_set(err, FANMAP_EUSAGE,
                             "\"%s\" is not a job id: [A-Za-z0-9._-], 1 to %d characters, not beginning "
                             "with a dot or a dash",
                             value, JOB_ID_MAX);
    case OPTION_TOPIC:
        return topic_name_valid(value)
                   ? FANMAP_OK
                   : err_set(err, FANMAP_EUSAGE,
                             "\"%s\" is not the name of a topic: [A-Za-z0-9._-], 1 to %d characters", value,
                             KAFKA_NAME_MAX);
    }
    return err_set(err, FANMAP_EUSAGE, "unknown type of option");
}

int option_check(size_t option, const char *value, fanmap_error_t *err)
{
    size_t n;
    const fanmap_option_info_t *info = &fanmap_option_table(&n)[option];
    int r = check_value(option_rule(option), info->metavar, value, err);
    if (r != FANMAP_OK)
        err_wrap(err, "--%s", info->name);
    return r;
}
