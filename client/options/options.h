/* The values of the option table (option_table.c), as the rest of the library reads them. */
#ifndef CLIENT_OPTIONS_OPTIONS_H
#define CLIENT_OPTIONS_OPTIONS_H

#include "base/error.h"
#include "fanmap/admin.h"

typedef enum {
    OPTION_TEXT,
    OPTION_SWITCH,   /* true, false */
    OPTION_COUNT,    /* a whole number with bounds */
    OPTION_DURATION, /* with a unit; bounds in ms */
    OPTION_SIZE,     /* bytes, with or without a unit */
    OPTION_NAME,     /* queue and namespace */
    OPTION_JOB_ID,
    OPTION_BACKOFF, /* BASE[,FACTOR[,CAP]] */
    OPTION_HALT,    /* policy_rules.h, as the two below */
    OPTION_EXITS,   /* exit statuses: N or N-M, comma-separated */
    OPTION_BIND,    /* NAME=JSON */
    OPTION_CPUS,    /* processors, "0.5" */
    OPTION_CHOICE   /* one of the words in metavar, separated by | */
} option_type_t;

typedef struct {
    option_type_t type;
    uint64_t min, max; /* COUNT, DURATION, SIZE; max 0: none */
} option_rule_t;

/* The rule beside entry `i` of the table. */
const option_rule_t *option_rule(size_t i);
/* The entry of a long name or alias; -1: there is none. */
int option_find(const char *name, size_t len);

/* Where a value came from; a lower source never overrides a higher one. */
typedef enum { SOURCE_NONE, SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_CALLER } option_source_t;

int options_put(fanmap_options_t *options, const char *key, const char *value, option_source_t source,
                fanmap_error_t *err);
fanmap_options_t *options_copy(const fanmap_options_t *options);
/* A merge for one map: the connection's options below, the map's above. NULL: no memory. */
fanmap_options_t *options_merge(const fanmap_options_t *below, const fanmap_options_t *above);

/* Somebody set it: not only its default stands. */
bool options_is_set(const fanmap_options_t *options, const char *key);
/* Typed reading. The value was checked when it was set, so these cannot fail; the default stands in the table. */
const char *options_text(const fanmap_options_t *options, const char *key); /* NULL when unset and without default */
bool options_switch(const fanmap_options_t *options, const char *key);
uint64_t options_count(const fanmap_options_t *options, const char *key);
uint64_t options_ms(const fanmap_options_t *options, const char *key);
uint64_t options_bytes(const fanmap_options_t *options, const char *key);
uint32_t options_cpus_milli(const fanmap_options_t *options, const char *key);
void options_backoff(const fanmap_options_t *options, uint32_t *ret_base_ms, uint32_t *ret_factor_milli,
                     uint32_t *ret_cap_ms);
/* librdkafka's properties ("X.NAME"): key, value, key, value, ..., NULL; borrowed. */
const char *const *options_properties(const fanmap_options_t *options);

#endif
