
#include "base/text.h"
#include "client/options/options.h"
#include "schemas/spec.h"

#define MAP    FANMAP_SCOPE_MAP
#define GATHER FANMAP_SCOPE_GATHER
#define WORKER FANMAP_SCOPE_WORKER
#define CON    FANMAP_SCOPE_CONNECT
#define IN     FANMAP_SCOPE_INPUT
#define OUT    FANMAP_SCOPE_OUTPUT
#define CLI    FANMAP_SCOPE_CLI
#define CHECK  FANMAP_SCOPE_CHECK
#define LIST   FANMAP_SCOPE_LIST
#define JOBS   FANMAP_SCOPE_JOBS
#define TOPICS FANMAP_SCOPE_TOPICS
#define DEAD   FANMAP_SCOPE_DEAD
#define SHELL  FANMAP_SCOPE_SHELL
#define AGG    FANMAP_SCOPE_AGGREGATOR
#define HTTP   FANMAP_SCOPE_SERVE
#define STREAM FANMAP_SCOPE_STREAM
#define LOGS   FANMAP_SCOPE_LOGS

#define MINUTE_MS 60000ULL
#define DAY_MS    (24 * 60 * MINUTE_MS)
#define FORMATS   "jsonl|lines|nul|msgpack"

/* clang-format off */
#define INFO(id, name, letter, alias, metavar, standard, scope, repeats, type, min, max, help) \
    {name, letter, alias, metavar, standard, scope, repeats, help},
#define RULE(id, name, letter, alias, metavar, standard, scope, repeats, type, min, max, help) {OPTION_##type, min, max},
/* clang-format on */

static const fanmap_option_info_t infos[] = {OPTION_LIST(INFO)};
static const option_rule_t rules[] = {OPTION_LIST(RULE)};

const fanmap_option_info_t *fanmap_option_table(size_t *ret_n)
{
    *ret_n = sizeof infos / sizeof infos[0];
    return infos;
}

const option_rule_t *option_rule(size_t i)
{
    return &rules[i];
}

static bool is_name(const char *candidate, const char *name, size_t len)
{
    return candidate && text_is(name, len, candidate);
}

int option_find(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof infos / sizeof infos[0]; i++)
        if (is_name(infos[i].name, name, len) || is_name(infos[i].alias, name, len))
            return (int)i;
    return -1;
}
