/* Who may do what. The same table is tested against a broker that denies everything else (tests/real/test_rights.py).
 */
#include <stdio.h>
#include <string.h>

#include "client/options/options.h"
#include "schemas/names.h"
#include "schemas/spec.h"

typedef enum {
    ON_ITEMS,
    ON_RESULTS,
    ON_JOBS,
    ON_DEAD,
    ON_LOGS,
    ON_SOURCE,
    ON_STREAM_LOG,
    ON_TO,
    ON_ERRORS_TO,
    ON_GROUP, /* from here on groups */
    ON_AGGREGATOR_GROUP,
    ON_STREAM_GROUP,
    ON_GATHER_GROUP,
    ON_REPLAY_GROUP,
    ON_READERS,      /* from here on what begins with the name and a dot */
    ON_TRANSACTIONS, /* from here on transactional ids */
    ON_READER_TRANSACTIONS,
    ON_END
} resource_t;

typedef struct {
    resource_t resource;
    const char *operations; /* separated by blanks. Describe comes with any of them */
} right_t;

typedef struct {
    const char *name, *who;
    right_t rights[10];
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
     "gather; Write copies the end of a job to where workers see it. What is of readers is for --as and --to alone, "
     "also of map; "
     "DescribeConfigs to know how large a record may be",
     {{ON_RESULTS, "Read"},
      {ON_JOBS, "Read Write"},
      {ON_TO, "Write DescribeConfigs"},
      {ON_ERRORS_TO, "Write DescribeConfigs"},
      {ON_READERS, "Read"},
      {ON_READER_TRANSACTIONS, "Write"},
      {ON_END, NULL}}},
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

static const role_t roles_of_streams[] = {
    {"stream",
     "stream; Create only where its log is to be made, DescribeConfigs to know how large a record may be",
     {{ON_JOBS, "Read Write"},
      {ON_RESULTS, "Describe"},
      {ON_SOURCE, "Read"},
      {ON_STREAM_LOG, "Read Delete Create"},
      {ON_TO, "Write DescribeConfigs"},
      {ON_ERRORS_TO, "Write DescribeConfigs"},
      {ON_STREAM_GROUP, "Read"},
      {ON_GATHER_GROUP, "Read"},
      {ON_TRANSACTIONS, "Write"},
      {ON_END, NULL}}},
    {"worker",
     "the workers that serve its task, beside their rights for jobs",
     {{ON_SOURCE, "Read"}, {ON_STREAM_LOG, "Write Alter"}, {ON_STREAM_GROUP, "Read"}, {ON_END, NULL}}},
    {"reader",
     "gather of it, also with --follow; what is of readers is for --as alone",
     {{ON_JOBS, "Read"},
      {ON_RESULTS, "Describe"},
      {ON_STREAM_LOG, "Read"},
      {ON_GATHER_GROUP, "Describe"},
      {ON_READERS, "Read"},
      {ON_READER_TRANSACTIONS, "Write"},
      {ON_END, NULL}}},
    {"replay",
     "dead list and dead replay of it, who may also read the jobs topic",
     {{ON_JOBS, "Read"},
      {ON_RESULTS, "Describe"},
      {ON_ERRORS_TO, "Read"},
      {ON_SOURCE, "Write"},
      {ON_REPLAY_GROUP, "Read"},
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

static void print_line(const printing_t *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void print_line(const printing_t *p, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    p->fn(p->arg, line);
}

/* NULL: there is none. */
static const char *name_of(const printing_t *p, resource_t resource, char *name)
{
    const char *name_space = options_text(p->options, OPT_NAMESPACE), *queue = options_text(p->options, OPT_QUEUE);
    const char *stream = options_text(p->options, OPT_OF_STREAM), *from = options_text(p->options, OPT_FROM);
    switch (resource) {
    case ON_SOURCE:
        return from ? from : "FROM";
    case ON_STREAM_LOG:
    case ON_STREAM_GROUP:
        return name_of_id(name, name_space, NAME_STREAM, stream);
    case ON_TO:
        return options_text(p->options, OPT_TO);
    case ON_ERRORS_TO:
        return options_text(p->options, OPT_ERRORS_TO);
    case ON_GATHER_GROUP:
    case ON_TRANSACTIONS:
        return name_of_id(name, name_space, NAME_GATHER, stream);
    case ON_READERS:
    case ON_READER_TRANSACTIONS:
        return name_shared(name, name_space, NAME_READER);
    case ON_REPLAY_GROUP:
        return name_of_id(name, name_space, NAME_REPLAY, stream);
    case ON_ITEMS:
        return name_items_of_queue(name, name_space, queue);
    case ON_RESULTS:
        return name_shared(name, name_space, NAME_RESULTS);
    case ON_JOBS:
        return name_shared(name, name_space, NAME_JOBS);
    case ON_DEAD:
        return name_shared(name, name_space, NAME_DEAD);
    case ON_LOGS:
        return name_shared(name, name_space, NAME_LOGS);
    case ON_AGGREGATOR_GROUP:
        return name_of_id(name, name_space, NAME_AGGREGATOR, options_text(p->options, OPT_GROUP));
    default:
        return name_of_id(name, name_space, NAME_WORKERS, queue);
    }
}

static void print_right(const printing_t *p, const char *principal, const right_t *right)
{
    char name[TOPIC_NAME_MAX], operations[128] = "", copy[128];
    const char *brokers = options_text(p->options, OPT_BROKERS), *of = name_of(p, right->resource, name);
    bool has_dot = right->resource >= ON_READERS, is_prefix = has_dot || right->resource == ON_ITEMS;
    const char *kind = right->resource >= ON_TRANSACTIONS ? "transactional-id"
                       : right->resource >= ON_GROUP      ? "group"
                                                          : "topic";
    size_t n = 0;
    if (!of)
        return;
    snprintf(copy, sizeof copy, "%s", right->operations);
    for (char *rest = copy, *word; (word = strsep(&rest, " "));)
        n += (size_t)snprintf(operations + n, sizeof operations - n, " --operation %s", word);
    print_line(p, "kafka-acls.sh --bootstrap-server %s --add --allow-principal '%s'%s --%s %s%s%s",
               brokers && *brokers ? brokers : "HOST:PORT", principal, operations, kind, of, has_dot ? "." : "",
               is_prefix ? " --resource-pattern-type prefixed" : "");
}

static void print_role(const printing_t *p, const role_t *role)
{
    char standard[NAME_MAX_LEN + 32];
    const char *principal = options_text(p->options, OPT_PRINCIPAL);
    snprintf(standard, sizeof standard, "User:%s-%s", options_text(p->options, OPT_NAMESPACE), role->name);
    print_line(p, "# %s: %s", role->name, role->who);
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
    bool of_stream = options_text(options, OPT_OF_STREAM) != NULL;
    const role_t *at = of_stream ? roles_of_streams : roles;
    size_t n = of_stream ? sizeof roles_of_streams / sizeof roles_of_streams[0] : sizeof roles / sizeof roles[0];
    for (size_t i = 0; i < n; i++)
        print_role(&p, &at[i]);
    if (of_stream)
        return FANMAP_OK;
    print_line(&p, "# Redis, for all of them; gather and a fleet of jobs without a limit do without it");
    print_line(&p, "redis-cli ACL SETUSER %s on '>PASSWORD' '~%s.*' '&%s.*' %s", name_space, name_space, name_space,
               redis_commands);
    return FANMAP_OK;
}
