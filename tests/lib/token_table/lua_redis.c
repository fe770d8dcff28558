#include "tests/lib/token_table/lua_redis.h"

#include <lua.h>

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lua_redis {
    lua_State *lua;
    lua_redis_world_t world;
    int refs[LUA_REDIS_SCRIPTS];
};

static int64_t now_ms(const lua_redis_t *redis)
{
    return *redis->world.time_us / 1000;
}

/* The commands. Each has its arguments on the stack from 2 on (1 is its name) and pushes its one result. */

static void do_time(lua_State *lua, lua_redis_t *redis, int args)
{
    (void)args;
    char text[32];
    lua_createtable(lua, 2, 0);
    snprintf(text, sizeof text, "%lld", (long long)(*redis->world.time_us / 1000000));
    lua_pushstring(lua, text);
    lua_rawseti(lua, -2, 1);
    snprintf(text, sizeof text, "%lld", (long long)(*redis->world.time_us % 1000000));
    lua_pushstring(lua, text);
    lua_rawseti(lua, -2, 2);
}

static void do_info(lua_State *lua, lua_redis_t *redis, int args)
{
    (void)args;
    lua_pushfstring(lua, "# Server\r\nrun_id:%s\r\n", redis->world.run_id);
}

static void do_exists(lua_State *lua, lua_redis_t *redis, int args)
{
    (void)args;
    lua_pushinteger(lua, keyspace_get(redis->world.keys, luaL_checkstring(lua, 2), now_ms(redis)) != NULL);
}

static void do_del(lua_State *lua, lua_redis_t *redis, int args)
{
    (void)args;
    lua_pushinteger(lua, keyspace_del(redis->world.keys, luaL_checkstring(lua, 2), now_ms(redis)));
}

static void do_hgetall(lua_State *lua, lua_redis_t *redis, int args)
{
    (void)args;
    const keyspace_hash_t *h = keyspace_get(redis->world.keys, luaL_checkstring(lua, 2), now_ms(redis));
    lua_newtable(lua);
    for (size_t i = 0; h != NULL && i < h->n; i++) {
        lua_pushstring(lua, h->fields[i].name);
        lua_rawseti(lua, -2, (int)(2 * i + 1));
        lua_pushstring(lua, h->fields[i].value);
        lua_rawseti(lua, -2, (int)(2 * i + 2));
    }
}

static void push_field(lua_State *lua, const keyspace_hash_t *h, const char *field)
{
    const char *value = h != NULL ? keyspace_hget(h, field) : NULL;
    if (value != NULL)
        lua_pushstring(lua, value);
    else
        lua_pushboolean(lua, 0); /* as Redis turns its nil into Lua */
}

static void do_hget(lua_State *lua, lua_redis_t *redis, int args)
{
    (void)args;
    push_field(lua, keyspace_get(redis->world.keys, luaL_checkstring(lua, 2), now_ms(redis)), luaL_checkstring(lua, 3));
}

static void do_hmget(lua_State *lua, lua_redis_t *redis, int args)
{
    const keyspace_hash_t *h = keyspace_get(redis->world.keys, luaL_checkstring(lua, 2), now_ms(redis));
    lua_newtable(lua);
    for (int i = 3; i <= args; i++) {
        push_field(lua, h, luaL_checkstring(lua, i));
        lua_rawseti(lua, -2, i - 2);
    }
}

static void do_hset(lua_State *lua, lua_redis_t *redis, int args)
{
    if (args < 4 || args % 2 != 0)
        luaL_error(lua, "ERR wrong number of arguments for 'hset' command");
    for (int i = 3; i <= args; i++)
        luaL_checkstring(lua, i);
    keyspace_hash_t *h = keyspace_make(redis->world.keys, luaL_checkstring(lua, 2), now_ms(redis));
    int added = 0;
    for (int i = 3; i < args; i += 2) {
        int one = h != NULL ? keyspace_hset(h, lua_tostring(lua, i), lua_tostring(lua, i + 1)) : -1;
        if (one < 0)
            luaL_error(lua, "OOM out of memory");
        added += one;
    }
    lua_pushinteger(lua, added);
}

static void do_hdel(lua_State *lua, lua_redis_t *redis, int args)
{
    const char *key = luaL_checkstring(lua, 2);
    keyspace_hash_t *h = keyspace_get(redis->world.keys, key, now_ms(redis));
    int removed = 0;
    for (int i = 3; h != NULL && i <= args; i++)
        removed += keyspace_hdel(h, luaL_checkstring(lua, i));
    if (h != NULL && h->n == 0)
        keyspace_del(redis->world.keys, key, now_ms(redis));
    lua_pushinteger(lua, removed);
}

static void expire(lua_State *lua, lua_redis_t *redis, int64_t unit_ms)
{
    keyspace_hash_t *h = keyspace_get(redis->world.keys, luaL_checkstring(lua, 2), now_ms(redis));
    int64_t count = (int64_t)luaL_checknumber(lua, 3);
    if (h != NULL)
        h->expire_ms = now_ms(redis) + count * unit_ms;
    lua_pushinteger(lua, h != NULL);
}

static void do_expire(lua_State *lua, lua_redis_t *redis, int args)
{
    (void)args;
    expire(lua, redis, 1000);
}

static void do_pexpire(lua_State *lua, lua_redis_t *redis, int args)
{
    (void)args;
    expire(lua, redis, 1);
}

static void do_publish(lua_State *lua, lua_redis_t *redis, int args)
{
    (void)args;
    const char *channel = luaL_checkstring(lua, 2), *message = luaL_checkstring(lua, 3);
    if (redis->world.publish != NULL)
        redis->world.publish(redis->world.publish_arg, channel, message);
    lua_pushinteger(lua, 0);
}

typedef struct {
    const char *name;
    void (*run)(lua_State *lua, lua_redis_t *redis, int args);
} command_t;

static const command_t commands[] = {
    {"TIME", do_time},       {"INFO", do_info},     {"EXISTS", do_exists},   {"DEL", do_del},
    {"HGETALL", do_hgetall}, {"HGET", do_hget},     {"HMGET", do_hmget},     {"HSET", do_hset},
    {"HDEL", do_hdel},       {"EXPIRE", do_expire}, {"PEXPIRE", do_pexpire}, {"PUBLISH", do_publish},
};

static int redis_call(lua_State *lua)
{
    lua_redis_t *redis = lua_touserdata(lua, lua_upvalueindex(1));
    const char *name = luaL_checkstring(lua, 1);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            commands[i].run(lua, redis, lua_gettop(lua));
            return 1;
        }
    }
    return luaL_error(lua, "ERR unknown command '%s'", name);
}

/* An error becomes {err = text}, as in Redis. */
static int redis_pcall(lua_State *lua)
{
    int args = lua_gettop(lua);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_pushcclosure(lua, redis_call, 1);
    lua_insert(lua, 1);
    if (lua_pcall(lua, args, 1, 0) == 0)
        return 1;
    lua_createtable(lua, 0, 1);
    lua_insert(lua, -2);
    lua_setfield(lua, -2, "err");
    return 1;
}

typedef struct {
    lua_redis_t *redis;
    const char *const *texts, *const *names;
} setup_t;

static void open_library(lua_State *lua, const char *name, lua_CFunction open)
{
    lua_pushcfunction(lua, open);
    lua_pushstring(lua, name);
    lua_call(lua, 1, 0);
}

static void set_redis(lua_State *lua, lua_redis_t *redis)
{
    static const char *const reach[] = {"dofile", "loadfile", "print", "load", "loadstring", "require", "module"};
    for (size_t i = 0; i < sizeof reach / sizeof reach[0]; i++) { /* Redis has none of these that could act outside */
        lua_pushnil(lua);
        lua_setglobal(lua, reach[i]);
    }
    lua_createtable(lua, 0, 2);
    lua_pushlightuserdata(lua, redis);
    lua_pushcclosure(lua, redis_call, 1);
    lua_setfield(lua, -2, "call");
    lua_pushlightuserdata(lua, redis);
    lua_pushcclosure(lua, redis_pcall, 1);
    lua_setfield(lua, -2, "pcall");
    lua_setglobal(lua, "redis");
}

static int compile(lua_State *lua, const char *text, const char *name)
{
    if (luaL_loadbuffer(lua, text, strlen(text), name) != 0)
        lua_error(lua);
    return luaL_ref(lua, LUA_REGISTRYINDEX);
}

static int setup(lua_State *lua)
{
    const setup_t *s = lua_touserdata(lua, 1);
    open_library(lua, "", luaopen_base);
    open_library(lua, LUA_TABLIBNAME, luaopen_table);
    open_library(lua, LUA_STRLIBNAME, luaopen_string);
    open_library(lua, LUA_MATHLIBNAME, luaopen_math);
    set_redis(lua, s->redis);
    for (int i = 0; i < LUA_REDIS_SCRIPTS; i++)
        s->redis->refs[i] = compile(lua, s->texts[i], s->names[i]);
    return 0;
}

static int status_error(lua_State *lua, int status, int otherwise, fanmap_error_t *err)
{
    const char *why = lua_tostring(lua, -1);
    int code =
        err_set(err, status == LUA_ERRMEM ? FANMAP_ENOMEM : otherwise, "token script: %s", why != NULL ? why : "");
    lua_settop(lua, 0);
    return code;
}

int lua_redis_new(const lua_redis_world_t *world, const char *const texts[LUA_REDIS_SCRIPTS],
                  const char *const names[LUA_REDIS_SCRIPTS], lua_redis_t **ret, fanmap_error_t *err)
{
    lua_redis_t *redis = calloc(1, sizeof *redis);
    lua_State *lua = redis != NULL ? luaL_newstate() : NULL;
    if (lua == NULL) {
        free(redis);
        return err_set(err, FANMAP_ENOMEM, "no memory for a token table");
    }
    redis->lua = lua;
    redis->world = *world;
    setup_t s = {redis, texts, names};
    int status = lua_cpcall(lua, setup, &s);
    if (status != 0) {
        int code = status_error(lua, status, FANMAP_EUSAGE, err);
        lua_redis_free(redis);
        return code;
    }
    *ret = redis;
    return FANMAP_OK;
}

void lua_redis_free(lua_redis_t *redis)
{
    if (redis == NULL)
        return;
    lua_close(redis->lua);
    free(redis);
}

typedef struct {
    lua_redis_t *redis;
    unsigned script;
    const char *key;
    const script_args_t *args;
    lua_redis_reply_fn fn;
    void *arg;
} call_t;

static void set_globals(lua_State *lua, const call_t *call)
{
    lua_createtable(lua, 1, 0);
    lua_pushstring(lua, call->key);
    lua_rawseti(lua, -2, 1);
    lua_setglobal(lua, "KEYS");
    lua_createtable(lua, (int)call->args->n, 0);
    for (size_t i = 0; i < call->args->n; i++) {
        lua_pushstring(lua, call->args->argv[i]);
        lua_rawseti(lua, -2, (int)i + 1);
    }
    lua_setglobal(lua, "ARGV");
}

/* A number stands alone as an array of one. The values stay on the stack while `fn` reads them. */
static size_t read_reply(lua_State *lua, script_value_t *values, size_t cap)
{
    if (lua_type(lua, -1) != LUA_TTABLE) {
        values[0] = (script_value_t){.number = (long long)lua_tonumber(lua, -1)};
        return 1;
    }
    size_t n = lua_objlen(lua, -1);
    n = n < cap ? n : cap;
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(lua, -1 - (int)i, (int)i + 1);
        values[i] = (script_value_t){0};
        if (lua_type(lua, -1) == LUA_TSTRING)
            values[i].text = lua_tolstring(lua, -1, &values[i].len);
        else
            values[i].number = (long long)lua_tonumber(lua, -1);
    }
    return n;
}

static int run(lua_State *lua)
{
    const call_t *call = lua_touserdata(lua, 1);
    script_value_t values[SCRIPT_REPLY_FIELDS] = {0};
    set_globals(lua, call);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, call->redis->refs[call->script]);
    lua_call(lua, 0, 1);
    size_t n = read_reply(lua, values, SCRIPT_REPLY_FIELDS);
    if (!call->fn(call->arg, values, n))
        luaL_error(lua, "not a sound reply");
    return 0;
}

int lua_redis_call(lua_redis_t *redis, unsigned script, const char *key, const script_args_t *args,
                   lua_redis_reply_fn fn, void *arg, fanmap_error_t *err)
{
    call_t call = {redis, script, key, args, fn, arg};
    int status = lua_cpcall(redis->lua, run, &call);
    return status == 0 ? FANMAP_OK : status_error(redis->lua, status, FANMAP_EIO, err);
}
