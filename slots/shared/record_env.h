/* The record that an item of a stream is, as variables of a command's environment. Others wrote the record: names become letters,
 * digits and underscores behind a prefix of ours, and what a variable cannot hold, or is long, is left out. */
#ifndef SLOTS_SHARED_RECORD_ENV_H
#define SLOTS_SHARED_RECORD_ENV_H

#include "schemas/record.h"

enum { RECORD_ENV_NAME_MAX = 128, RECORD_ENV_VALUE_MAX = 4096, RECORD_ENV_MAX = STREAMLOG_HEADERS_MAX + 7 };

typedef struct {
    buf_t texts;
    char *vars[RECORD_ENV_MAX + 1]; /* NAME=VALUE into `texts`; behind them NULL */
    size_t n;
} record_env_t;

/* Fills `vars` anew. Of several headers of a name the last is told. Returns false if memory runs out, or it is no
 * context. */
bool record_env_make(record_env_t *env, const uint8_t *context, size_t len);

#endif
