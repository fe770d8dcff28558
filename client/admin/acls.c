/* Who may do what. The same table is tested against a broker that denies everything else (tests/real/test_rights.py).
 */
#include <stdio.h>
#include <string.h>

#include "client/options/options.h"
#include "schemas/names.h"
#include "schemas/spec.h"

typedef enum { ON_ITEMS, ON_RESULTS, ON_JOBS, ON_DEAD, ON_LOGS, ON_GROUP, ON_AGGREGATOR_GROUP, ON_END } resource_t;

typedef struct {
    resource_t resource;
    const char *operations; /* separated by blanks. Describe comes with any of them */
} right_t;

typedef struct {
    const char *name, *who;
    right_t rights[8];
} role_t;

static const role_t roles[] = {
    {"producer",
     "map and submit; also all that gather may. Describe: to say why it waits, and that no worker is there where there "
     "is no Redis",
     {{ON_ITEMS, "Read Write"},
      {ON_RESULTS, "Read Write"},
      {ON_JOBS, "Read Write"},
      {ON_GROUP, "Describe"},
      {ON_END, NULL}}},
    {"gather",
     "gather; Write copies the end of a job to where workers see it",
     {{ON_RESULTS, "Read"}, {ON_JOBS, "Read Write"}, {ON_END, NULL}}},
    {"worker",
     "worker; Delete is for items that nobody can need any more, without it they stay",
     {{ON_ITEMS, "Read Write Delete"},
      {ON_RESULTS, "Read Write"},
      {ON_JOBS, "Read Write"},
      {ON_DEAD, "Write"},
      {ON_LOGS, "Write"},
      {ON_GROUP, "Read"},
      {ON_END, NULL}}},
    {"aggregator",
     "aggregator, of the group that --group names",
     {{ON_RESULTS, "Read"},
      {ON_JOBS, "Read Write"},
      {ON_DEAD, "Write"},
      {ON_AGGREGATOR_GROUP, "Read"},
      {ON_END, NULL}}},
    {"operator",
     "jobs, show, logs, cancel, pause, resume, set, topics, dead; Create only for topics --create, Delete for --clean",
     {{ON_ITEMS, "Read Write Create Delete DescribeConfigs"},
      {ON_RESULTS, "Read Write Create DescribeConfigs"},
      {ON_JOBS, "Read Write Create DescribeConfigs"},
      {ON_DEAD, "Read Create DescribeConfigs"},
      {ON_LOGS, "Read Create DescribeConfigs"},
      {ON_GROUP, "Describe"},
      {ON_END, NULL}}},
};

static const char redis_commands[] =
    "+evalsha +eval +time +info +exists +hget +hgetall +hset +hdel +del +pexpire +expire +zadd +zcard +zrem "
    "+zrangebyscore +zrevrange +zremrangebyscore +publish +subscribe";

typedef struct {
    const fanmap_options_t *options;
    fanmap_line_fn fn;
    void *arg;
} printing_t;

static void say(const printing_t *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(const printing_t *p, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    p->fn(p->arg, line);
}

static const char *name_of(const printing_t *p, resource_t resource, char *name)
{
    const char *name_space = options_text(p->options, OPT_NAMESPACE), *queue = options_text(p->options, OPT_QUEUE);
    switch (resource) {
    case ON_ITEMS:
        return name_items_of_queue(name, name_space, queue);
    case ON_RESULTS:
        return name_results(name, name_space);
    case ON_JOBS:
        return name_jobs(name, name_space);
    case ON_DEAD:
        return name_dead(name, name_space);
    case ON_LOGS:
        return name_logs(name, name_space);
    case ON_AGGREGATOR_GROUP:
        return name_aggregator_group(name, name_space, options_text(p->options, OPT_GROUP));
    default:
        return name_group(name, name_space, queue);
    }
}

static void print_right(const printing_t *p, const char *principal, const right_t *right)
{
    char name[TOPIC_NAME_MAX], operations[128] = "", copy[128];
    const char *brokers = options_text(p->options, OPT_BROKERS);
    size_t n = 0;
    snprintf(copy, sizeof copy, "%s", right->operations);
    for (char *rest = copy, *word; (word = strsep(&rest, " "));)
        n += (size_t)snprintf(operations + n, sizeof operations - n, " --operation %s", word);
    say(p, "kafka-acls.sh --bootstrap-server %s --add --allow-principal '%s'%s --%s %s%s",
        brokers && *brokers ? brokers : "HOST:PORT", principal, operations,
        right->resource >= ON_GROUP ? "group" : "topic", name_of(p, right->resource, name),
        right->resource == ON_ITEMS ? " --resource-pattern-type prefixed" : "");
}

static void print_role(const printing_t *p, const role_t *role)
{
    char standard[NAME_MAX_LEN + 32];
    const char *principal = options_text(p->options, OPT_PRINCIPAL);
    snprintf(standard, sizeof standard, "User:%s-%s", options_text(p->options, OPT_NAMESPACE), role->name);
    say(p, "# %s: %s", role->name, role->who);
    for (const right_t *right = role->rights; right->resource != ON_END; right++)
        print_right(p, principal ? principal : standard, right);
}

int fanmap_acls(const fanmap_options_t *options, fanmap_line_fn fn, void *arg, fanmap_error_t *err)
{
    printing_t p = {options, fn, arg};
    const char *name_space = options_text(options, OPT_NAMESPACE);
    const char *principal = options_text(options, OPT_PRINCIPAL);
    for (const char *c = principal; c && *c; c++)
        if ((unsigned char)*c < ' ' || *c == '\'')
            return err_set(err, FANMAP_EUSAGE, "--principal \"%s\" cannot stand in a shell script", principal);
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        print_role(&p, &roles[i]);
    say(&p, "# Redis, for all of them; gather and a fleet of jobs without a limit do without it");
    say(&p, "redis-cli ACL SETUSER %s on '>PASSWORD' '~%s.*' '&%s.*' %s", name_space, name_space, name_space,
        redis_commands);
    return FANMAP_OK;
}
