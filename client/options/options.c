#include "client/options/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/duration.h"
#include "base/log.h"
#include "client/options/rules.h"
#include "schemas/topics.h"

enum { PROPERTY = -1, WARNING = -2 };

typedef struct {
    int option; /* row of the table, PROPERTY of librdkafka's, or WARNING: what is to be said of where these come from */
    option_source_t source;
    char *key; /* of a property; of a warning, the file */
    char *value;
} setting_t;

struct fanmap_options {
    setting_t *at;
    size_t n, cap;
    const char **properties; /* made on demand by options_properties */
};

int fanmap_options_new(fanmap_options_t **ret_options)
{
    fanmap_options_t *options = calloc(1, sizeof *options);
    if (!options)
        return FANMAP_ENOMEM;
    *ret_options = options;
    return FANMAP_OK;
}

static void setting_free(setting_t *setting)
{
    free(setting->key);
    free(setting->value);
}

void fanmap_options_free(fanmap_options_t *options)
{
    if (!options)
        return;
    for (size_t i = 0; i < options->n; i++)
        setting_free(&options->at[i]);
    free(options->at);
    free(options->properties);
    free(options);
}

static int append_setting(fanmap_options_t *options, int option, option_source_t source, const char *key,
                          const char *value)
{
    if (!array_has_room(options->at, options->n, options->cap, 16))
        return FANMAP_ENOMEM;
    setting_t *setting = &options->at[options->n];
    *setting = (setting_t){option, source, key ? strdup(key) : NULL, strdup(value)};
    if (!setting->value || (key && !setting->key)) {
        setting_free(setting);
        return FANMAP_ENOMEM;
    }
    options->n++;
    return FANMAP_OK;
}

static bool is_same(const setting_t *setting, int option, const char *key)
{
    return setting->option == option && (option >= 0 || strcmp(setting->key, key) == 0);
}

/* Makes room for a value from `source`: drops what it overrides. False: something higher is there already. */
static bool make_room(fanmap_options_t *options, int option, const char *key, option_source_t source, bool repeats)
{
    size_t kept = 0;
    bool is_free = true;
    for (size_t i = 0; i < options->n; i++) {
        setting_t *setting = &options->at[i];
        if (is_same(setting, option, key) && setting->source > source)
            is_free = false;
        if (is_same(setting, option, key) && (setting->source < source || (setting->source == source && !repeats)))
            setting_free(setting);
        else
            options->at[kept++] = *setting;
    }
    options->n = kept;
    return is_free;
}

/* Unless something higher is there. `key`: of a property, or of a warning. */
static int put_setting(fanmap_options_t *options, int option, const char *key, const char *value,
                       option_source_t source, bool repeats, fanmap_error_t *err)
{
    if (!make_room(options, option, key, source, repeats))
        return FANMAP_OK;
    int r = append_setting(options, option, source, key, value);
    return r == FANMAP_OK ? r : err_set(err, r, "out of memory");
}

static int put_pair(fanmap_options_t *options, const char *pair, option_source_t source, fanmap_error_t *err)
{
    const char *equals = strchr(pair, '=');
    if (!equals || equals == pair)
        return err_set(err, FANMAP_EUSAGE, "property \"%s\": want KEY=VALUE", pair);
    char *key = strndup(pair, (size_t)(equals - pair));
    int r = key ? put_setting(options, PROPERTY, key, equals + 1, source, false, err)
                : err_set(err, FANMAP_ENOMEM, "out of memory");
    free(key);
    return r;
}

int options_put(fanmap_options_t *options, const char *key, const char *value, option_source_t source,
                fanmap_error_t *err)
{
    if (strncmp(key, "X.", 2) == 0 && key[2] != '\0')
        return put_setting(options, PROPERTY, key + 2, value, source, false, err);
    int option = option_find(key, strlen(key));
    if (option < 0)
        return err_set(err, FANMAP_EUSAGE, "there is no option \"%s\"", key);
    int r = option_check((size_t)option, value, err);
    if (r != FANMAP_OK)
        return r;
    size_t n;
    return option == OPT_PROPERTY.row
               ? put_pair(options, value, source, err)
               : put_setting(options, option, NULL, value, source, fanmap_option_table(&n)[option].repeats, err);
}

int options_warn(fanmap_options_t *options, const char *file, const char *what, fanmap_error_t *err)
{
    return put_setting(options, WARNING, file, what, SOURCE_CALLER, false, err);
}

void options_log_warnings(const fanmap_options_t *options, fanmap_log_fn log, void *arg)
{
    for (size_t i = 0; i < options->n; i++)
        if (options->at[i].option == WARNING)
            log_to(log, arg, FANMAP_LOG_WARNING, "%s: %s", options->at[i].key, options->at[i].value);
}

int fanmap_options_set(fanmap_options_t *options, const char *key, const char *value, fanmap_error_t *err)
{
    return options_put(options, key, value, SOURCE_CALLER, err);
}

static int put_all(fanmap_options_t *to, const fanmap_options_t *from, option_source_t source)
{
    size_t n;
    const fanmap_option_info_t *table = fanmap_option_table(&n);
    for (size_t i = 0; from && i < from->n; i++) {
        const setting_t *s = &from->at[i];
        if (put_setting(to, s->option, s->key, s->value, source, s->option >= 0 && table[s->option].repeats, NULL) !=
            FANMAP_OK)
            return FANMAP_ENOMEM;
    }
    return FANMAP_OK;
}

fanmap_options_t *options_merge(const fanmap_options_t *below, const fanmap_options_t *above)
{
    fanmap_options_t *merged;
    if (fanmap_options_new(&merged) != FANMAP_OK)
        return NULL;
    if (put_all(merged, below, SOURCE_FILE) == FANMAP_OK && put_all(merged, above, SOURCE_CALLER) == FANMAP_OK)
        return merged;
    fanmap_options_free(merged);
    return NULL;
}

const char *option_value(const fanmap_options_t *options, int row, size_t nth)
{
    size_t seen = 0, rows;
    for (size_t i = 0; options && i < options->n; i++)
        if (options->at[i].option == row && seen++ == nth)
            return options->at[i].value;
    return seen == 0 && nth == 0 ? fanmap_option_table(&rows)[row].standard : NULL;
}

const char *fanmap_options_get(const fanmap_options_t *options, const char *key, size_t nth)
{
    int row = option_find(key, strlen(key));
    return row < 0 ? NULL : option_value(options, row, nth);
}

bool option_is_set(const fanmap_options_t *options, int row)
{
    for (size_t i = 0; options && i < options->n; i++)
        if (options->at[i].option == row)
            return true;
    return false;
}

const char *const *options_properties(const fanmap_options_t *options)
{
    fanmap_options_t *cache = (fanmap_options_t *)(uintptr_t)options;
    const char **list = calloc(2 * options->n + 1, sizeof *list);
    if (!list)
        return NULL;
    size_t at = 0;
    for (size_t i = 0; i < options->n; i++) {
        if (options->at[i].option != PROPERTY)
            continue;
        list[at++] = options->at[i].key;
        list[at++] = options->at[i].value;
    }
    free(cache->properties);
    cache->properties = list;
    return list;
}

bool options_switch(const fanmap_options_t *options, struct option_SWITCH option)
{
    const char *value = options_text(options, option);
    return value && strcmp(value, "true") == 0;
}

uint64_t options_count(const fanmap_options_t *options, struct option_COUNT option)
{
    const char *value = options_text(options, option);
    return value ? strtoull(value, NULL, 10) : 0;
}

uint64_t options_limit(const fanmap_options_t *options, struct option_LIMIT option, bool *ret_is_relative)
{
    const char *value = options_text(options, option);
    uint64_t limit = 0;
    *ret_is_relative = value && value[strspn(value, "0123456789")] != '\0';
    uint32_t cpus = *ret_is_relative ? cpus_online() : 1; /* to count them is to read a file */
    if (!value || limit_parse(value, option_rule((size_t)option.row), cpus, &limit, NULL) != FANMAP_OK)
        *ret_is_relative = false;
    return limit;
}

uint32_t options_every_us(const fanmap_options_t *options, struct option_RATE option)
{
    const char *value = options_text(options, option);
    uint32_t every_us = 0;
    return value && rate_parse(value, &every_us, NULL) == FANMAP_OK ? every_us : 0;
}

uint64_t options_ms(const fanmap_options_t *options, struct option_DURATION option)
{
    const char *value = options_text(options, option);
    int64_t ms = 0;
    return value && duration_parse(value, &ms, NULL) == FANMAP_OK ? (uint64_t)ms : 0;
}

uint64_t options_bytes(const fanmap_options_t *options, struct option_SIZE option)
{
    const char *value = options_text(options, option);
    uint64_t bytes = 0;
    return value && size_parse(value, &bytes, NULL) == FANMAP_OK ? bytes : 0;
}

uint32_t options_record_bytes_max(const fanmap_options_t *options)
{
    uint64_t item = options_bytes(options, OPT_ITEM_MAX), value = options_bytes(options, OPT_VALUE_MAX);
    return topic_record_bytes_max((uint32_t)(item > value ? item : value));
}

uint32_t options_cpus_milli(const fanmap_options_t *options, struct option_CPUS option)
{
    const char *value = options_text(options, option);
    uint32_t milli = 0;
    return value && cpus_parse(value, &milli, NULL) == FANMAP_OK ? milli : 0;
}

void options_backoff(const fanmap_options_t *options, uint32_t *ret_base_ms, uint32_t *ret_factor_milli,
                     uint32_t *ret_cap_ms)
{
    const char *value = options_text(options, OPT_BACKOFF);
    backoff_t backoff = {0, 0, 0};
    if (value && backoff_parse(value, &backoff, NULL) == FANMAP_OK) {
        *ret_base_ms = backoff.base_ms;
        *ret_factor_milli = backoff.factor_milli;
        *ret_cap_ms = backoff.cap_ms;
    }
}

uint64_t fanmap_options_number(const fanmap_options_t *options, const char *key)
{
    int row = option_find(key, strlen(key));
    bool is_relative;
    switch (row < 0 ? OPTION_TEXT : option_rule((size_t)row)->type) {
    case OPTION_COUNT:
        return options_count(options, (struct option_COUNT){row});
    case OPTION_LIMIT:
        return options_limit(options, (struct option_LIMIT){row}, &is_relative);
    case OPTION_SIZE:
        return options_bytes(options, (struct option_SIZE){row});
    case OPTION_DURATION:
        return options_ms(options, (struct option_DURATION){row});
    default:
        return 0;
    }
}
