/* Two scripts, sent and forgotten: a request that is lost is made again by who is still hungry. A key of ours that another
 * program left with another type is deleted. */
#include "tokens/redis_handoff.h"

#include <inttypes.h>
#include <stdio.h>

#include "schemas/names.h"
#include "tokens/script.h"

enum { KEY_MAX = 2 * NAME_MAX_LEN + TASK_NAME_MAX + 24 };

static void make_key(char *ret, const char *name_space, const char *queue, const char *task)
{
    snprintf(ret, KEY_MAX, "%s.offers.%s.%s", name_space, queue, task);
}

void redis_handoff_channel(char *ret, size_t cap, const char *name_space, const char *incarnation)
{
    snprintf(ret, cap, "%s.beg.%s", name_space, incarnation);
}

void redis_handoff_offer(redisAsyncContext *context, const char *name_space, const char *queue, const char *task,
                         const char *incarnation, uint64_t backlog_ms)
{
    char key[KEY_MAX], score[24];
    make_key(key, name_space, queue, task);
    snprintf(score, sizeof score, "%" PRIu64, backlog_ms);
    if (context)
        redisAsyncCommand(context, NULL, NULL, "EVAL %s 1 %s %s %s", script_offer_text, key, incarnation, score);
}

void redis_handoff_beg(redisAsyncContext *context, const char *name_space, const char *queue, const char *const *tasks,
                       size_t tasks_n, const char *incarnation, const char *text)
{
    char keys[HANDOFF_TASKS_MAX][KEY_MAX], n[8], prefix[NAME_MAX_LEN + 16];
    const char *argv[HANDOFF_TASKS_MAX + 6] = {"EVAL", script_beg_text, n};
    size_t argc = 3;
    tasks_n = tasks_n < HANDOFF_TASKS_MAX ? tasks_n : HANDOFF_TASKS_MAX;
    if (!context || tasks_n == 0)
        return;
    snprintf(n, sizeof n, "%zu", tasks_n);
    for (size_t i = 0; i < tasks_n; i++) {
        make_key(keys[i], name_space, queue, tasks[i]);
        argv[argc++] = keys[i];
    }
    redis_handoff_channel(prefix, sizeof prefix, name_space, "");
    argv[argc++] = incarnation;
    argv[argc++] = prefix;
    argv[argc++] = text;
    redisAsyncCommandArgv(context, NULL, NULL, (int)argc, argv, NULL);
}
