/* Lua scripts run as Redis runs them: linked Lua 5.1 with redis.call and redis.pcall, which answer the few commands
 * that the token scripts use from a keyspace of the owner's. No I/O and no clock: all that enters is in
 * lua_redis_world_t.
 *
 * Each call runs inside lua_cpcall, so that an error of the script, or a failed allocation of Lua, comes back as a
 * code. What the commands allocate lives in the keyspace and is never held by a C frame that Lua could leave. */
#ifndef TESTS_TOKEN_LUA_REDIS_H
#define TESTS_TOKEN_LUA_REDIS_H

#include "base/error.h"
#include "tests/lib/token_table/keyspace.h"
#include "tokens/script.h"

enum { LUA_REDIS_SCRIPTS = 2 };

typedef struct lua_redis lua_redis_t;

/* What the scripts can see and do. The pointers are borrowed and read at each call. */
typedef struct {
    keyspace_t *keys;
    const int64_t *time_us;                                               /* TIME */
    const char *run_id;                                                   /* INFO */
    void (*publish)(void *arg, const char *channel, const char *message); /* may be NULL */
    void *publish_arg;
} lua_redis_world_t;

/* Reads a reply; its texts are borrowed. False: it makes no sense, and the call fails. Must not call back into the Lua.
 */
typedef bool (*lua_redis_reply_fn)(void *arg, const script_value_t *values, size_t n);

/* FANMAP_EUSAGE: a text does not compile. FANMAP_ENOMEM. `names` are for messages: "=sync.lua". */
int lua_redis_new(const lua_redis_world_t *world, const char *const texts[LUA_REDIS_SCRIPTS],
                  const char *const names[LUA_REDIS_SCRIPTS], lua_redis_t **ret, fanmap_error_t *err);
void lua_redis_free(lua_redis_t *redis);
/* One EVAL with one key. FANMAP_EIO: the script failed; what it had written stays, as in Redis. */
int lua_redis_call(lua_redis_t *redis, unsigned script, const char *key, const script_args_t *args,
                   lua_redis_reply_fn fn, void *arg, fanmap_error_t *err);

#endif
