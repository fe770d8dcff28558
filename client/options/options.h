/* The values of the option table (table.h), as the rest of the library reads them. */
#ifndef CLIENT_OPTIONS_OPTIONS_H
#define CLIENT_OPTIONS_OPTIONS_H

#include "base/error.h"
#include "client/options/table.h"
#include "fanmap/admin.h"

typedef enum {
    OPTION_TEXT,
    OPTION_SWITCH,   /* true, false */
    OPTION_COUNT,    /* a whole number with bounds */
    OPTION_RATE,     /* a number, or a number a second, minute or hour: N, N/s, N/m, N/h */
    OPTION_LIMIT,    /* the same, or of this machine's processors: N%, +N */
    OPTION_DURATION, /* with a unit; bounds in ms */
    OPTION_SIZE,     /* bytes, with or without a unit */
    OPTION_NAME,     /* queue and namespace */
    OPTION_JOB_ID,
    OPTION_TOPIC,
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
/* A merge for one map: the connection's options below, the map's above. NULL: no memory. */
fanmap_options_t *options_merge(const fanmap_options_t *below, const fanmap_options_t *above);
#define options_copy(options) options_merge((options), NULL)

/* An option as the code names it, OPT_LEASE: a misspelt name or a reader of the wrong type does not compile. */
#define OPTION_ROW(id, ...) id##_ROW,
enum { OPTION_LIST(OPTION_ROW) OPTIONS_N };
#undef OPTION_ROW

/* clang-format off */
struct option_TEXT { int row; };
struct option_NAME { int row; };
struct option_DURATION { int row; };
struct option_SWITCH { int row; };
struct option_COUNT { int row; };
struct option_LIMIT { int row; };
struct option_RATE { int row; };
struct option_BACKOFF { int row; };
struct option_HALT { int row; };
struct option_EXITS { int row; };
struct option_BIND { int row; };
struct option_SIZE { int row; };
struct option_CPUS { int row; };
struct option_JOB_ID { int row; };
struct option_TOPIC { int row; };
struct option_CHOICE { int row; };
/* clang-format on */

#define OPTION_KEY(id, name, letter, alias, metavar, standard, scope, repeats, type, ...)                              \
    static const struct option_##type id = {id##_ROW};
OPTION_LIST(OPTION_KEY)
#undef OPTION_KEY

/* Somebody set it: not only its default stands. */
#define options_is_set(options, option) option_is_set(options, (option).row)
/* An option of any type as it was written; the nth value of one that repeats. NULL: unset, and without default. */
#define options_text(options, option)     option_value(options, (option).row, 0)
#define options_nth(options, option, nth) option_value(options, (option).row, nth)
/* What these macros stand for. */
bool option_is_set(const fanmap_options_t *options, int row);
const char *option_value(const fanmap_options_t *options, int row, size_t nth);
/* Typed reading. The value was checked when it was set, so these cannot fail; the default stands in the table. */
uint64_t options_count(const fanmap_options_t *options, struct option_COUNT option);
/* *ret_is_relative: it was said in processors of this machine. */
uint64_t options_limit(const fanmap_options_t *options, struct option_LIMIT option, bool *ret_is_relative);
/* Microseconds between two; 0: unset. */
uint32_t options_every_us(const fanmap_options_t *options, struct option_RATE option);
bool options_switch(const fanmap_options_t *options, struct option_SWITCH option);
uint64_t options_ms(const fanmap_options_t *options, struct option_DURATION option);
uint64_t options_bytes(const fanmap_options_t *options, struct option_SIZE option);
uint32_t options_cpus_milli(const fanmap_options_t *options, struct option_CPUS option);
/* What a topic must take for --item-max and --value-max. */
uint32_t options_record_bytes_max(const fanmap_options_t *options);
void options_backoff(const fanmap_options_t *options, uint32_t *ret_base_ms, uint32_t *ret_factor_milli,
                     uint32_t *ret_cap_ms);
/* Something to say of a file, once for each; options_check_files says it. */
int options_warn(fanmap_options_t *options, const char *file, const char *what, fanmap_error_t *err);
void options_log_warnings(const fanmap_options_t *options, fanmap_log_fn log, void *arg);
/* Who opens a connection calls this first: FANMAP_EUSAGE where others can write to a file of secrets that the options
 * name; what there is to say of files goes to `log`, which may be NULL. */
int options_check_files(fanmap_options_t *options, fanmap_log_fn log, void *arg, fanmap_error_t *err);
/* For a file of secrets that others can read. */
extern const char options_shared_text[];
/* librdkafka's properties ("X.NAME"): key, value, key, value, ..., NULL; borrowed. */
const char *const *options_properties(const fanmap_options_t *options);

#endif
