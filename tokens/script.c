/* The arguments and replies of the scripts as texts and numbers. The order is that of sync.lua's ARGV. */
#include "tokens/script.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void add_text(script_args_t *args, const char *text)
{
    args->argv[args->n++] = text;
}

static void add_number(script_args_t *args, uint64_t number)
{
    char *text = args->numbers[args->n];
    snprintf(text, SCRIPT_NUMBER_MAX, "%" PRIu64, number);
    add_text(args, text);
}

void script_sync_args(script_args_t *ret, const tokens_request_t *request, const char *channel_prefix)
{
    ret->n = 0;
    add_text(ret, request->incarnation);
    add_number(ret, request->seq);
    add_text(ret, request->nonce);
    add_number(ret, request->n);
    add_number(ret, request->n_version);
    add_number(ret, request->z);
    add_number(ret, request->fence_seen);
    add_number(ret, request->lease_valid);
    add_number(ret, request->keep);
    add_number(ret, request->want);
    add_number(ret, request->lease_ms);
    add_text(ret, channel_prefix);
    add_text(ret, request->job);
    add_number(ret, request->starts);
    add_number(ret, request->start_every_us);
}

void script_create_args(script_args_t *ret, const char *nonce, uint64_t n, uint32_t lease_ms)
{
    ret->n = 0;
    add_text(ret, nonce);
    add_number(ret, n);
    add_number(ret, lease_ms);
}

static uint64_t count_of(const script_value_t *value)
{
    return value->text || value->number < 0 ? 0 : (uint64_t)value->number;
}

bool script_sync_reply(const script_value_t *values, size_t n, tokens_reply_t *ret)
{
    if (n < SCRIPT_REPLY_FIELDS)
        return false;
    for (size_t i = 0; i < 6; i++)
        if (values[i].text || values[i].number < 0)
            return false;
    const script_value_t *run = &values[6];
    if (!run->text || run->len > TOKENS_RUN_ID_MAX)
        return false;
    *ret = (tokens_reply_t){
        .allow = (uint64_t)values[0].number,
        .held = (uint64_t)values[1].number,
        .learning = values[2].number != 0,
        .waiters = values[3].number != 0,
        .fence = (uint64_t)values[4].number,
        .n_version = (uint64_t)values[5].number,
    };
    ret->free = count_of(&values[7]);
    ret->starts = count_of(&values[8]);
    ret->start_in_us = count_of(&values[9]);
    memcpy(ret->run_id, run->text, run->len);
    return true;
}

void script_key(char *ret, size_t cap, const char *name_space, const char *job)
{
    snprintf(ret, cap, "%s.tokens.%s", name_space, job);
}

void script_channel_prefix(char *ret, size_t cap, const char *name_space)
{
    snprintf(ret, cap, "%s.wake.", name_space);
}
