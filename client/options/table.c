#include <string.h>

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
#define AGG    FANMAP_SCOPE_AGGREGATOR

#define MINUTE_MS 60000ULL
#define DAY_MS    (24 * 60 * MINUTE_MS)
#define FORMATS   "jsonl|lines|nul|msgpack"

/* clang-format off */
#define OPTION_LIST(ROW) \
    /*  name             letter alias       metavar       default      scope           repeats  type             min max                help */ \
    ROW("brokers",          'b', NULL,      "HOST:PORT",  NULL,        CON,            false, OPTION_TEXT,      0, 0,                 "Kafka bootstrap servers, comma-separated") \
    ROW("redis",             0,  NULL,      "URL",        NULL,        CON,            false, OPTION_TEXT,      0, 0,                 "redis://[USER@]HOST:PORT[/DB], or none: only jobs without a limit") \
    ROW("redis-password-file", 0, NULL,     "FILE",       NULL,        CON,            false, OPTION_TEXT,      0, 0,                 "read the password of Redis from the first line of FILE") \
    ROW("namespace",         0,  NULL,      "NAME",       "fanmap",    CON,            false, OPTION_NAME,      0, 0,                 "prefix of every topic, group and Redis key") \
    ROW("properties",       'F', NULL,      "FILE",       NULL,        CON,            false, OPTION_TEXT,      0, 0,                 "librdkafka properties, one KEY=VALUE a line") \
    ROW("property",         'X', NULL,      "KEY=VALUE",  NULL,        CON,            true,  OPTION_TEXT,      0, 0,                 "one librdkafka property") \
    ROW("connect-timeout",   0,  NULL,      "DUR",        "10s",       CON,            false, OPTION_DURATION,  1, DAY_MS,            "give up when nothing answers for this long") \
    ROW("close-timeout",     0,  NULL,      "DUR",        "5s",        CON,            false, OPTION_DURATION,  1, DAY_MS,            "how long closing may wait for what is under way") \
    ROW("create-topics",     0,  NULL,      NULL,         "true",      CON,            false, OPTION_SWITCH,    0, 0,                 "create missing topics (--no-create-topics: do not)") \
    ROW("partitions",        0,  NULL,      "N",          "32",        CON,            false, OPTION_COUNT,     1, 10000,             "partitions of a topic that is created") \
    ROW("retention",         0,  NULL,      "DUR",        "7d",        CON,            false, OPTION_DURATION,  MINUTE_MS, 0,         "how long Kafka keeps results, where the topic is created") \
    ROW("queue",             0,  NULL,      "NAME",       "default",   MAP | WORKER | JOBS | TOPICS, false, OPTION_NAME, 0, 0,         "the set of workers that the job goes to, or that this worker joins") \
    ROW("local",             0,  NULL,      NULL,         "false",     MAP,            false, OPTION_SWITCH,    0, 0,                 "embedded: no Kafka, no Redis, this machine only") \
    ROW("concurrency",      'j', "jobs",    "N",          "0",         MAP,            false, OPTION_COUNT,     0, 1000000000,        "at most N attempts of the job at once, over the whole fleet; 0: no limit") \
    ROW("retries",           0,  NULL,      "N",          "0",         MAP,            false, OPTION_COUNT,     0, 1000000,           "tries after the first") \
    ROW("backoff",           0,  NULL,      "BASE[,FACTOR[,CAP]]", "1s,2,5m", MAP,     false, OPTION_BACKOFF,   0, 0,                 "wait before a retry: min(BASE*FACTOR^k, CAP), with full jitter") \
    ROW("timeout",           0,  NULL,      "DUR",        NULL,        MAP,            false, OPTION_DURATION,  1, 49 * DAY_MS,       "how long one attempt may run") \
    ROW("grace",             0,  NULL,      "DUR",        "5s",        MAP,            false, OPTION_DURATION,  0, DAY_MS,            "between TERM and KILL of an attempt") \
    ROW("deadline",          0,  NULL,      "DUR",        NULL,        MAP,            false, OPTION_DURATION,  1, 365 * DAY_MS,      "how long the job may take from its submission") \
    ROW("fail-fast",         0,  NULL,      NULL,         "false",     MAP,            false, OPTION_SWITCH,    0, 0,                 "end the job on its first failure") \
    ROW("halt",              0,  NULL,      "SPEC",       "never",     MAP,            false, OPTION_HALT,      0, 0,                 "never, or now|soon,fail|success|done=N or N%: end the job then; soon lets what runs finish") \
    ROW("final-exit",        0,  NULL,      "N[-M],...",  NULL,        MAP,            false, OPTION_EXITS,     0, 0,                 "exit statuses that no retry follows") \
    ROW("bind",              0,  NULL,      "NAME=JSON",  NULL,        MAP,            true,  OPTION_BIND,      0, 0,                 "an argument that is the same for every item, sent once") \
    ROW("sequences",         0,  NULL,      "N",          "0",         MAP,            false, OPTION_COUNT,     0, SEQUENCES_MAX,     "every item is an array of N parts, one of each zipped input (:::+ and a second -i set it)") \
    ROW("memory",            0,  NULL,      "SIZE",       NULL,        MAP | WORKER,   false, OPTION_SIZE,      4096, 0,              "memory of an attempt; at a worker: of every task that names no limit") \
    ROW("cpus",              0,  NULL,      "X",          NULL,        MAP | WORKER,   false, OPTION_CPUS,      0, 0,                 "processors of an attempt, as 0.5; at a worker likewise") \
    ROW("cpu-time",          0,  NULL,      "DUR",        NULL,        MAP | WORKER,   false, OPTION_DURATION,  1, 24 * DAY_MS,       "processor time of an attempt; at a worker likewise") \
    ROW("job-id",            0,  NULL,      "ID",         NULL,        MAP,            false, OPTION_JOB_ID,    0, 0,                 "name of the job; a random one when not given") \
    ROW("retry-failed",      0,  NULL,      "JOB",        NULL,        MAP,            false, OPTION_JOB_ID,    0, 0,                 "run JOB's items without a value again; the output is the whole list. Task and --bind are JOB's unless given") \
    ROW("ahead",             0,  NULL,      "N",          "100000",    MAP,            false, OPTION_COUNT,     1, 100000000,         "published items that may be without an outcome") \
    ROW("spill",             0,  NULL,      "SIZE",       "8GiB",      MAP,            false, OPTION_SIZE,      1 << 20, 0,           "outcomes that may wait for their turn, on disk") \
    ROW("lease",             0,  NULL,      "DUR",        "15s",       MAP,            false, OPTION_DURATION,  2000, 3600000,        "token lease: how long Redis may be away before limited attempts stop is half of it") \
    ROW("crash-cap",         0,  NULL,      "N",          "3",         MAP,            false, OPTION_COUNT,     1, 1000,              "an item that killed its slot this often is `crashed`") \
    ROW("item-max",          0,  NULL,      "SIZE",       "1MiB",      MAP | TOPICS,   false, OPTION_SIZE,      1, 64 << 20,          "largest item") \
    ROW("value-max",         0,  NULL,      "SIZE",       "1MiB",      MAP,            false, OPTION_SIZE,      1, 64 << 20,          "largest value") \
    ROW("detach",            0,  NULL,      NULL,         "false",     MAP,            false, OPTION_SWITCH,    0, 0,                 "publish and leave: no outcomes are gathered (what submit does)") \
    ROW("source",            0,  NULL,      "NAME",       "input",     MAP,            false, OPTION_TEXT,      0, 0,                 "what errors call the input") \
    ROW("value-format",      0,  NULL,      "msgpack|json|text", "msgpack", MAP | GATHER, false, OPTION_CHOICE, 0, 0,                 "how the library hands values out") \
    ROW("wait",              0,  NULL,      NULL,         "true",      MAP,            false, OPTION_SWITCH,    0, 0,                 "wait for a worker (--no-wait: end with 5 when none serves the task)") \
    ROW("window",            0,  NULL,      "SIZE",       "16MiB",     MAP | GATHER | AGG, false, OPTION_SIZE,      1 << 16, 0,           "outcomes kept in memory before they go to disk") \
    ROW("tasks",             0,  NULL,      "FILE",       NULL,        WORKER,         true,  OPTION_TEXT,      0, 0,                 "a task library (F.so) or a task file (F.conf)") \
    ROW("exec",              0,  NULL,      "NAME=CMD ARG...", NULL,   WORKER,         true,  OPTION_TEXT,      0, 0,                 "a command, started once per item, as task NAME") \
    ROW("serve",             0,  NULL,      "NAME=CMD ARG...", NULL,   WORKER,         true,  OPTION_TEXT,      0, 0,                 "a program that speaks the slot protocol, started once per slot, as task NAME") \
    ROW("start-timeout",     0,  NULL,      "DUR",        NULL,        WORKER | CHECK, false, OPTION_DURATION,  1, DAY_MS,            "how long a served program may take from its start until it is ready (default 1m; check-task: 10s)") \
    ROW("container",         0,  NULL,      "NAME=RUNTIME ARG... {argv}", NULL, WORKER, true, OPTION_TEXT,    0, 0,                 "run the command NAME in containers: its words take the place of {argv}") \
    ROW("argv",              0,  NULL,      "ARG",        NULL,        WORKER,         true,  OPTION_TEXT,      0, 0,                 "the words of one command that is task \"command\" (what -- CMD ARG... sets)") \
    ROW("slots",             0,  NULL,      "K",          NULL,        WORKER,         false, OPTION_COUNT,     1, 4096,              "attempts at once on this worker (default: the CPUs)") \
    ROW("budget",            0,  NULL,      "SIZE",       "64MiB",     WORKER,         false, OPTION_SIZE,      1 << 20, 0,           "items that a worker holds in memory") \
    ROW("drain",             0,  NULL,      "DUR",        "30s",       WORKER | AGG,   false, OPTION_DURATION,  0, DAY_MS,            "how long TERM lets running attempts finish") \
    ROW("task-log",          0,  NULL,      NULL,         NULL,        WORKER,         false, OPTION_SWITCH,    0, 0,                 "what attempts write goes to stderr, each line with job, index and attempt") \
    ROW("clean-every",       0,  NULL,      "DUR",        "1h",        WORKER,         false, OPTION_DURATION,  0, 0,                 "how often, about, a worker forgets jobs whose log retention has taken and deletes their items; 0s: never") \
    ROW("session-timeout",   0,  NULL,      "DUR",        "45s",       WORKER | AGG,   false, OPTION_DURATION,  6000, 1800000,        "after this silence Kafka gives what a worker or aggregator had to others") \
    ROW("input",            'i', NULL,      "FILE",       NULL,        IN,             true,  OPTION_TEXT,      0, 0,                 "read items from FILE (- or nothing: stdin)") \
    ROW("input-format",      0,  NULL,      FORMATS,      NULL,        IN,             false, OPTION_CHOICE,    0, 0,                 "how items are written (default jsonl; lines with -- CMD)") \
    ROW("null",             '0', NULL,      NULL,         "false",     IN,             false, OPTION_SWITCH,    0, 0,                 "items end with NUL: --input-format nul") \
    ROW("output-format",     0,  NULL,      FORMATS,      NULL,        OUT,            false, OPTION_CHOICE,    0, 0,                 "how values are written (default jsonl; lines with -- CMD)") \
    ROW("records",           0,  NULL,      NULL,         "false",     OUT | AGG,      false, OPTION_SWITCH,    0, 0,                 "print {\"index\":...,\"attempts\":...,\"value\":...} or {...,\"error\":{...}}") \
    ROW("unordered",         0,  NULL,      NULL,         "false",     OUT | GATHER,   false, OPTION_SWITCH,    0, 0,                 "hand each outcome out as it arrives, with its index (implies --records)") \
    ROW("keep-order",       'k', NULL,      NULL,         "true",      OUT,            false, OPTION_SWITCH,    0, 0,                 "outcomes in input order (accepted: it is the default)") \
    ROW("joblog",            0,  NULL,      "FILE",       NULL,        OUT,            false, OPTION_TEXT,      0, 0,                 "a line for each item that ran, in GNU parallel's columns") \
    ROW("progress",          0,  NULL,      NULL,         "true",      OUT,            false, OPTION_SWITCH,    0, 0,                 "report on stderr (--no-progress: do not)") \
    ROW("state",             0,  NULL,      "running|paused|ended", NULL, JOBS,        false, OPTION_CHOICE,    0, 0,                 "only jobs in this state") \
    ROW("task",              0,  NULL,      "NAME",       NULL,        JOBS | TOPICS,  true,  OPTION_TEXT,      0, 0,                 "only jobs of this task; of topics: make and check the topic of its items too") \
    ROW("since",             0,  NULL,      "DUR",        NULL,        JOBS,           false, OPTION_DURATION,  1, 0,                 "only jobs submitted within this time") \
    ROW("counts",            0,  NULL,      NULL,         "true",      JOBS,           false, OPTION_SWITCH,    0, 0,                 "read the logs of jobs without an end, for their counts (--no-counts: do not)") \
    ROW("create",            0,  NULL,      NULL,         "false",     TOPICS,         false, OPTION_SWITCH,    0, 0,                 "make what is missing") \
    ROW("clean",             0,  NULL,      NULL,         "false",     TOPICS,         false, OPTION_SWITCH,    0, 0,                 "forget jobs whose log retention has taken, and delete their items: one pass, as workers do it") \
    ROW("print-acls",        0,  NULL,      NULL,         "false",     TOPICS,         false, OPTION_SWITCH,    0, 0,                 "print the rights that each role needs, for Kafka and Redis; asks nobody") \
    ROW("principal",         0,  NULL,      "NAME",       NULL,        TOPICS,         false, OPTION_TEXT,      0, 0,                 "the Kafka principal of --print-acls (default: User:NAMESPACE-ROLE)") \
    ROW("job",               0,  NULL,      "JOB",       NULL,         DEAD,           false, OPTION_JOB_ID,    0, 0,                 "only letters of this job") \
    ROW("letter",            0,  NULL,      "N",         NULL,         DEAD,           false, OPTION_COUNT,     0, 0,                 "only this letter, by its number (what show and replay take)") \
    ROW("all",               0,  NULL,      NULL,        "false",      DEAD,           false, OPTION_SWITCH,    0, 0,                 "replay every letter") \
    ROW("force",             0,  NULL,      NULL,        "false",      DEAD,           false, OPTION_SWITCH,    0, 0,                 "replay also what is no item, or of no running job") \
    ROW("json",              0,  NULL,      NULL,         "false",     LIST,           false, OPTION_SWITCH,    0, 0,                 "print one JSON object a line") \
    ROW("out",               0,  NULL,      "DIR",        NULL,        AGG,            false, OPTION_TEXT,      0, 0,                 "write DIR/JOB.jsonl for every job that ends") \
    ROW("group",             0,  NULL,      "NAME",       "default",   AGG | TOPICS,   false, OPTION_NAME,      0, 0,                 "aggregators of one group share the jobs") \
    ROW("config",            0,  NULL,      "FILE",       NULL,        CLI,            false, OPTION_TEXT,      0, 0,                 "read options from FILE instead of ~/.config/fanmap.conf") \
    ROW("quiet",            'q', NULL,      NULL,         "false",     CLI,            false, OPTION_SWITCH,    0, 0,                 "no progress and no notes on stderr") \
    ROW("verbose",          'v', NULL,      NULL,         "false",     CLI,            false, OPTION_SWITCH,    0, 0,                 "show each failure as it happens") \
    ROW("help",             'h', NULL,      NULL,         "false",     CLI,            false, OPTION_SWITCH,    0, 0,                 "show this")

#define INFO(name, letter, alias, metavar, standard, scope, repeats, type, min, max, help) \
    {name, letter, alias, metavar, standard, scope, repeats, help},
#define RULE(name, letter, alias, metavar, standard, scope, repeats, type, min, max, help) {type, min, max},
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
    return candidate && strlen(candidate) == len && memcmp(candidate, name, len) == 0;
}

int option_find(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof infos / sizeof infos[0]; i++)
        if (is_name(infos[i].name, name, len) || is_name(infos[i].alias, name, len))
            return (int)i;
    return -1;
}
