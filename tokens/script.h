/* The two scripts of a token table as the build embeds them, and how their arguments and replies are written. Shared by
 * both homes of the script: Redis (redis_port.c) and the table that the tests run (tests/lib/token_table). */
#ifndef TOKENS_SCRIPT_H
#define TOKENS_SCRIPT_H

#include "tokens/tokens.h"

/* The text of sync.lua and create.lua, NUL-terminated, and its SHA-1 in hex, by which EVALSHA names it. Generated. */
extern const char script_sync_text[], script_sync_sha[];
extern const char script_create_text[], script_create_sha[];
/* Those of tokens/scripts: for presence.c and for redis_handoff.c. */
extern const char script_announce_text[], script_announce_row_text[], script_announce_bounds_text[];
extern const char script_query_workers_text[], script_query_servers_text[], script_query_bounds_text[];
extern const char script_query_table_text[], script_leave_text[];
extern const char script_offer_text[], script_beg_text[];

enum {
    SCRIPT_SYNC_ARGS = 15,
    SCRIPT_REPLY_FIELDS = 10,
    SCRIPT_NUMBER_MAX = 24, /* a decimal uint64_t with its NUL */
    SCRIPT_PREFIX_MAX = 80  /* of keys and channels, with its NUL */
};

/* ARGV of one call. The pointers reach into `numbers` and into the request; valid as long as both. */
typedef struct {
    const char *argv[SCRIPT_SYNC_ARGS];
    size_t n;
    char numbers[SCRIPT_SYNC_ARGS][SCRIPT_NUMBER_MAX];
} script_args_t;

void script_sync_args(script_args_t *ret, const tokens_request_t *request, const char *channel_prefix);
void script_create_args(script_args_t *ret, const char *nonce, uint64_t n, uint32_t lease_ms);

/* One value of a reply: a text, or a number. */
typedef struct {
    const char *text; /* NULL: a number; not NUL-terminated */
    size_t len;
    long long number;
} script_value_t;

/* Reads the reply of sync.lua. Later fields are ignored. Returns false if it is not a sound reply, *ret untouched. */
bool script_sync_reply(const script_value_t *values, size_t n, tokens_reply_t *ret);

/* NAMESPACE.tokens.JOB and NAMESPACE.wake. (to which the incarnation is added). */
void script_key(char *ret, size_t cap, const char *name_space, const char *job);
void script_channel_prefix(char *ret, size_t cap, const char *name_space);

#endif
