#include "tests/lib/token_table/token_table.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/token_table/keyspace.h"
#include "tests/lib/token_table/lua_redis.h"
#include "tokens/script.h"

enum { SCRIPT_SYNC, SCRIPT_CREATE, KEY_MAX = SCRIPT_PREFIX_MAX + JOB_ID_MAX + 1 };

struct token_table {
    lua_redis_t *lua;
    keyspace_t keys;
    int64_t time_us;
    char run_id[TOKENS_RUN_ID_MAX + 1];
    char name_space[NAME_MAX_LEN + 1], channel_prefix[SCRIPT_PREFIX_MAX];
};

struct token_table_image {
    keyspace_t keys;
};

int token_table_new(const token_table_config_t *config, token_table_t **ret, fanmap_error_t *err)
{
    token_table_t *table = calloc(1, sizeof *table);
    if (table == NULL)
        return err_set(err, FANMAP_ENOMEM, "no memory for a token table");
    snprintf(table->run_id, sizeof table->run_id, "0");
    snprintf(table->name_space, sizeof table->name_space, "%s", config->name_space);
    script_channel_prefix(table->channel_prefix, sizeof table->channel_prefix, config->name_space);
    lua_redis_world_t world = {&table->keys, &table->time_us, table->run_id, config->publish, config->publish_arg};
    const char *texts[] = {config->sync_text != NULL ? config->sync_text : script_sync_text,
                           config->create_text != NULL ? config->create_text : script_create_text};
    static const char *const names[] = {"=sync.lua", "=create.lua"};
    int code = lua_redis_new(&world, texts, names, &table->lua, err);
    if (code != FANMAP_OK) {
        free(table);
        return code;
    }
    *ret = table;
    return FANMAP_OK;
}

void token_table_free(token_table_t *table)
{
    if (table == NULL)
        return;
    lua_redis_free(table->lua);
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

static bool read_sync(void *arg, const script_value_t *values, size_t n)
{
    return script_sync_reply(values, n, arg);
}

static bool read_create(void *arg, const script_value_t *values, size_t n)
{
    *(bool *)arg = values[0].number != 0;
    return n == 1;
}

int token_table_sync(token_table_t *table, const tokens_request_t *request, tokens_reply_t *ret, fanmap_error_t *err)
{
    char key[KEY_MAX];
    script_args_t args;
    tokens_reply_t reply;
    script_key(key, sizeof key, table->name_space, request->job);
    script_sync_args(&args, request, table->channel_prefix);
    int code = lua_redis_call(table->lua, SCRIPT_SYNC, key, &args, read_sync, &reply, err);
    if (code == FANMAP_OK)
        *ret = reply;
    return code;
}

int token_table_create(token_table_t *table, const char *job, const char *nonce, uint64_t n, uint32_t lease_ms,
                       bool *ret_created, fanmap_error_t *err)
{
    char key[KEY_MAX];
    script_args_t args;
    bool created = false;
    script_key(key, sizeof key, table->name_space, job);
    script_create_args(&args, nonce, n, lease_ms);
    int code = lua_redis_call(table->lua, SCRIPT_CREATE, key, &args, read_create, &created, err);
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
