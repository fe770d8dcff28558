/* One Lua state with the two scripts compiled in it, and a `redis` table whose call and pcall answer from a keyspace.
 *
 * Each call runs inside lua_pcall, so that an error of the script or a failed allocation of Lua comes back as a code.
 * What the shim allocates itself lives in the keyspace and is never held by a C frame that Lua could leave. */
#include "tokens/table.h"

#include <lua.h>

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tokens/keyspace.h"
#include "tokens/script.h"

struct token_table {
    lua_State *lua;
    keyspace_t keys;
    int64_t time_us;
    char run_id[TOKENS_RUN_ID_MAX + 1];
    char name_space[NAME_MAX_LEN + 1], channel_prefix[SCRIPT_PREFIX_MAX];
    int sync_ref, create_ref;
    token_table_publish_fn publish;
    void *publish_arg;
};

struct token_table_image {
    keyspace_t keys;
};

static int64_t now_ms(const token_table_t *table)
{
    return table->time_us / 1000;
}

/* The commands. Each has its arguments on the stack from 2 on (1 is its name) and pushes its one result. */

static void do_time(lua_State *lua, token_table_t *table, int args)
{
    (void)args;
    char text[32];
    lua_createtable(lua, 2, 0);
    snprintf(text, sizeof text, "%lld", (long long)(table->time_us / 1000000));
    lua_pushstring(lua, text);
    lua_rawseti(lua, -2, 1);
    snprintf(text, sizeof text, "%lld", (long long)(table->time_us % 1000000));
    lua_pushstring(lua, text);
    lua_rawseti(lua, -2, 2);
}

static void do_info(lua_State *lua, token_table_t *table, int args)
{
    (void)args;
    lua_pushfstring(lua, "# Server\r\nrun_id:%s\r\n", table->run_id);
}

static void do_exists(lua_State *lua, token_table_t *table, int args)
{
    (void)args;
    lua_pushinteger(lua, keyspace_get(&table->keys, luaL_checkstring(lua, 2), now_ms(table)) != NULL);
}

static void do_del(lua_State *lua, token_table_t *table, int args)
{
    (void)args;
    lua_pushinteger(lua, keyspace_del(&table->keys, luaL_checkstring(lua, 2), now_ms(table)));
}

static void do_hgetall(lua_State *lua, token_table_t *table, int args)
{
    (void)args;
    const keyspace_hash_t *h = keyspace_get(&table->keys, luaL_checkstring(lua, 2), now_ms(table));
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

static void do_hget(lua_State *lua, token_table_t *table, int args)
{
    (void)args;
    push_field(lua, keyspace_get(&table->keys, luaL_checkstring(lua, 2), now_ms(table)), luaL_checkstring(lua, 3));
}

static void do_hmget(lua_State *lua, token_table_t *table, int args)
{
    const keyspace_hash_t *h = keyspace_get(&table->keys, luaL_checkstring(lua, 2), now_ms(table));
    lua_newtable(lua);
    for (int i = 3; i <= args; i++) {
        push_field(lua, h, luaL_checkstring(lua, i));
        lua_rawseti(lua, -2, i - 2);
    }
}

static void do_hset(lua_State *lua, token_table_t *table, int args)
{
    if (args < 4 || args % 2 != 0)
        luaL_error(lua, "ERR wrong number of arguments for 'hset' command");
    for (int i = 3; i <= args; i++)
        luaL_checkstring(lua, i);
    keyspace_hash_t *h = keyspace_make(&table->keys, luaL_checkstring(lua, 2), now_ms(table));
    int added = 0;
    for (int i = 3; i < args; i += 2) {
        int one = h != NULL ? keyspace_hset(h, lua_tostring(lua, i), lua_tostring(lua, i + 1)) : -1;
        if (one < 0)
            luaL_error(lua, "OOM out of memory");
        added += one;
    }
    lua_pushinteger(lua, added);
}

static void do_hdel(lua_State *lua, token_table_t *table, int args)
{
    const char *key = luaL_checkstring(lua, 2);
    keyspace_hash_t *h = keyspace_get(&table->keys, key, now_ms(table));
    int removed = 0;
    for (int i = 3; h != NULL && i <= args; i++)
        removed += keyspace_hdel(h, luaL_checkstring(lua, i));
    if (h != NULL && h->n == 0)
        keyspace_del(&table->keys, key, now_ms(table));
    lua_pushinteger(lua, removed);
}

static void expire(lua_State *lua, token_table_t *table, int64_t unit_ms)
{
    keyspace_hash_t *h = keyspace_get(&table->keys, luaL_checkstring(lua, 2), now_ms(table));
    int64_t count = (int64_t)luaL_checknumber(lua, 3);
    if (h != NULL)
        h->expire_ms = now_ms(table) + count * unit_ms;
    lua_pushinteger(lua, h != NULL);
}

static void do_expire(lua_State *lua, token_table_t *table, int args)
{
    (void)args;
    expire(lua, table, 1000);
}

static void do_pexpire(lua_State *lua, token_table_t *table, int args)
{
    (void)args;
    expire(lua, table, 1);
}

static void do_publish(lua_State *lua, token_table_t *table, int args)
{
    (void)args;
    const char *channel = luaL_checkstring(lua, 2), *message = luaL_checkstring(lua, 3);
    if (table->publish != NULL)
        table->publish(table->publish_arg, channel, message);
    lua_pushinteger(lua, 0);
}

typedef struct {
    const char *name;
    void (*run)(lua_State *lua, token_table_t *table, int args);
} command_t;

static const command_t commands[] = {
    {"TIME", do_time},       {"INFO", do_info},     {"EXISTS", do_exists},   {"DEL", do_del},
    {"HGETALL", do_hgetall}, {"HGET", do_hget},     {"HMGET", do_hmget},     {"HSET", do_hset},
    {"HDEL", do_hdel},       {"EXPIRE", do_expire}, {"PEXPIRE", do_pexpire}, {"PUBLISH", do_publish},
};

static int redis_call(lua_State *lua)
{
    token_table_t *table = lua_touserdata(lua, lua_upvalueindex(1));
    const char *name = luaL_checkstring(lua, 1);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            commands[i].run(lua, table, lua_gettop(lua));
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
    token_table_t *table;
    const token_table_config_t *config;
} setup_t;

static void open_library(lua_State *lua, const char *name, lua_CFunction open)
{
    lua_pushcfunction(lua, open);
    lua_pushstring(lua, name);
    lua_call(lua, 1, 0);
}

static void set_redis(lua_State *lua, token_table_t *table)
{
    static const char *const reach[] = {"dofile", "loadfile", "print", "load", "loadstring", "require", "module"};
    for (size_t i = 0; i < sizeof reach / sizeof reach[0]; i++) { /* Redis has none of these that could act outside */
        lua_pushnil(lua);
        lua_setglobal(lua, reach[i]);
    }
    lua_createtable(lua, 0, 2);
    lua_pushlightuserdata(lua, table);
    lua_pushcclosure(lua, redis_call, 1);
    lua_setfield(lua, -2, "call");
    lua_pushlightuserdata(lua, table);
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
    set_redis(lua, s->table);
    const char *sync = s->config->sync_text, *create = s->config->create_text;
    s->table->sync_ref = compile(lua, sync != NULL ? sync : script_sync_text, "=sync.lua");
    s->table->create_ref = compile(lua, create != NULL ? create : script_create_text, "=create.lua");
    return 0;
}

int token_table_new(const token_table_config_t *config, token_table_t **ret, fanmap_error_t *err)
{
    token_table_t *table = calloc(1, sizeof *table);
    lua_State *lua = table != NULL ? luaL_newstate() : NULL;
    if (lua == NULL) {
        free(table);
        return err_set(err, FANMAP_ENOMEM, "no memory for a token table");
    }
    table->lua = lua;
    snprintf(table->run_id, sizeof table->run_id, "0");
    snprintf(table->name_space, sizeof table->name_space, "%s", config->name_space);
    script_channel_prefix(table->channel_prefix, sizeof table->channel_prefix, config->name_space);
    table->publish = config->publish;
    table->publish_arg = config->publish_arg;
    setup_t s = {table, config};
    int status = lua_cpcall(lua, setup, &s);
    if (status != 0) {
        const char *why = lua_tostring(lua, -1);
        int code = err_set(err, status == LUA_ERRMEM ? FANMAP_ENOMEM : FANMAP_EUSAGE, "token script: %s",
                           why != NULL ? why : "");
        token_table_free(table);
        return code;
    }
    *ret = table;
    return FANMAP_OK;
}

void token_table_free(token_table_t *table)
{
    if (table == NULL)
        return;
    lua_close(table->lua);
    keyspace_clear(&table->keys);
    free(table);
}

void token_table_set_time_us(token_table_t *table, int64_t time_us)
{
    table->time_us = time_us;
}

void token_table_set_run_id(token_table_t *table, const char *run_id)
{
    snprintf(table->run_id, sizeof table->run_id, "%s", run_id);
}

/* One call of a script: what goes in, and the reply as it comes out. */
typedef struct {
    int ref;
    const char *key;
    const script_args_t *args;
    tokens_reply_t *ret_reply; /* sync */
    bool *ret_created;         /* create */
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

static void read_sync_reply(lua_State *lua, tokens_reply_t *ret)
{
    script_value_t values[SCRIPT_REPLY_FIELDS] = {0};
    luaL_checktype(lua, -1, LUA_TTABLE);
    for (int i = 0; i < SCRIPT_REPLY_FIELDS; i++) { /* the values stay on the stack, so that texts live on */
        lua_rawgeti(lua, -1 - i, i + 1);
        if (lua_type(lua, -1) == LUA_TSTRING)
            values[i].text = lua_tolstring(lua, -1, &values[i].len);
        else
            values[i].number = (long long)lua_tonumber(lua, -1);
    }
    if (!script_sync_reply(values, SCRIPT_REPLY_FIELDS, ret))
        luaL_error(lua, "not a sound reply");
}

static int run(lua_State *lua)
{
    const call_t *call = lua_touserdata(lua, 1);
    set_globals(lua, call);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, call->ref);
    lua_call(lua, 0, 1);
    if (call->ret_reply != NULL)
        read_sync_reply(lua, call->ret_reply);
    else
        *call->ret_created = lua_tonumber(lua, -1) != 0;
    return 0;
}

static int call_script(token_table_t *table, call_t *call, fanmap_error_t *err)
{
    int status = lua_cpcall(table->lua, run, call);
    if (status == 0)
        return FANMAP_OK;
    const char *why = lua_tostring(table->lua, -1);
    int code =
        err_set(err, status == LUA_ERRMEM ? FANMAP_ENOMEM : FANMAP_EIO, "token script: %s", why != NULL ? why : "");
    lua_settop(table->lua, 0);
    return code;
}

int token_table_sync(token_table_t *table, const tokens_request_t *request, tokens_reply_t *ret, fanmap_error_t *err)
{
    char key[SCRIPT_PREFIX_MAX + JOB_ID_MAX + 1];
    script_args_t args;
    tokens_reply_t reply;
    script_key(key, sizeof key, table->name_space, request->job);
    script_sync_args(&args, request, table->channel_prefix);
    call_t call = {.ref = table->sync_ref, .key = key, .args = &args, .ret_reply = &reply};
    int code = call_script(table, &call, err);
    if (code == FANMAP_OK)
        *ret = reply;
    return code;
}

int token_table_create(token_table_t *table, const char *job, const char *nonce, uint64_t n, uint32_t lease_ms,
                       bool *ret_created, fanmap_error_t *err)
{
    char key[SCRIPT_PREFIX_MAX + JOB_ID_MAX + 1];
    script_args_t args;
    bool created = false;
    script_key(key, sizeof key, table->name_space, job);
    script_create_args(&args, nonce, n, lease_ms);
    call_t call = {.ref = table->create_ref, .key = key, .args = &args, .ret_created = &created};
    int code = call_script(table, &call, err);
    if (code == FANMAP_OK)
        *ret_created = created;
    return code;
}

void token_table_flush(token_table_t *table)
{
    keyspace_clear(&table->keys);
}

token_table_image_t *token_table_save(const token_table_t *table)
{
    token_table_image_t *image = calloc(1, sizeof *image);
    if (image != NULL && !keyspace_copy(&table->keys, &image->keys)) {
        free(image);
        return NULL;
    }
    return image;
}

bool token_table_restore(token_table_t *table, const token_table_image_t *image)
{
    keyspace_t copy = {0};
    if (!keyspace_copy(&image->keys, &copy))
        return false;
    keyspace_clear(&table->keys);
    table->keys = copy;
    return true;
}

void token_table_image_free(token_table_image_t *image)
{
    if (image == NULL)
        return;
    keyspace_clear(&image->keys);
    free(image);
}
