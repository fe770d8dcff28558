/* What a value of an option must look like. Every refusal is one line that names the option and the bound. */
#ifndef CLIENT_OPTIONS_RULES_H
#define CLIENT_OPTIONS_RULES_H

#include "client/options/options.h"

typedef struct {
    uint32_t base_ms, factor_milli, cap_ms;
} backoff_t;

/* "BASE[,FACTOR[,CAP]]": two durations and a factor of at least 1. */
int backoff_parse(const char *text, backoff_t *ret, fanmap_error_t *err);
/* FANMAP_OK, or FANMAP_EUSAGE: the value does not fit row `option` of the table. */
int option_check(size_t option, const char *value, fanmap_error_t *err);

/* Processors of this machine that are at work; at least 1. */
uint32_t cpus_online(void);
/* "8", "0", "150%" or "+2", the last two of `cpus` processors and at least 1. */
int limit_parse(const char *text, const option_rule_t *rule, uint32_t cpus, uint64_t *ret, fanmap_error_t *err);
/* Processors, "0.5", in thousandths. */
/* How many microseconds lie between two. */
int rate_parse(const char *text, uint32_t *ret_every_us, fanmap_error_t *err);
int cpus_parse(const char *text, uint32_t *ret_milli, fanmap_error_t *err);

#endif
