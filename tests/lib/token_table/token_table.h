/* Token tables in this process: the very text of sync.lua and create.lua, run by the linked Lua 5.1 over a small
 * keyspace of hashes that answers the few Redis commands they use. Home of the tables of the embedded mode and of the
 * simulation.
 *
 * Deterministic: time and run id come from the owner, publishes go to a callback, nothing else enters. One thread. All
 * strings given are copied. Like Redis it can be wiped, restarted and rolled back; the owner says when. */
#ifndef TESTS_TOKEN_TABLE_H
#define TESTS_TOKEN_TABLE_H

#include "base/error.h"
#include "tokens/tokens.h"

typedef struct token_table token_table_t;
typedef struct token_table_image token_table_image_t;

/* A script published `message` on `channel`. Called from inside token_table_sync, whose table must not be used in it.
 */
typedef void (*token_table_publish_fn)(void *arg, const char *channel, const char *message);

typedef struct {
    const char *name_space;         /* prefix of keys and channels */
    const char *sync_text;          /* NULL: the embedded script; tests give one with a rule taken out */
    const char *create_text;        /* NULL: the embedded script */
    token_table_publish_fn publish; /* may be NULL */
    void *publish_arg;
} token_table_config_t;

/* An empty keyspace at time 0 with run id "0". FANMAP_ENOMEM, or FANMAP_EUSAGE when a given text does not compile. */
int token_table_new(const token_table_config_t *config, token_table_t **ret, fanmap_error_t *err);
void token_table_free(token_table_t *table);

/* What TIME says from now on, in microseconds of unix time. It may jump either way. */
void token_table_set_time_us(token_table_t *table, int64_t time_us);
/* What INFO says from now on: another run id is another start of the server. Cut at TOKENS_RUN_ID_MAX. */
void token_table_set_run_id(token_table_t *table, const char *run_id);

/* One call of the script, answered at once. FANMAP_EIO: the script failed, which only a foreign or damaged keyspace can
 * cause; FANMAP_ENOMEM. On failure the table may hold part of the call's writes, as in Redis. */
int token_table_sync(token_table_t *table, const tokens_request_t *request, tokens_reply_t *ret, fanmap_error_t *err);
/* *ret_created false: there was a table of this job already, and it is unchanged. */
int token_table_create(token_table_t *table, const char *job, const char *nonce, uint64_t n, uint32_t lease_ms,
                       bool *ret_created, fanmap_error_t *err);

/* FLUSHALL. */
void token_table_flush(token_table_t *table);
/* A copy of every key, the caller's to free, or NULL when memory ran out; and the way back to it. The image stays
 * usable. False: no memory, nothing changed. */
token_table_image_t *token_table_save(const token_table_t *table);
bool token_table_restore(token_table_t *table, const token_table_image_t *image);
void token_table_image_free(token_table_image_t *image);

#endif
