/* The one table of options. Parsing, --help, manual pages, completion, validation and the identifiers by which the
 * library reads them (options.h) are made of it. */
#ifndef CLIENT_OPTIONS_TABLE_H
#define CLIENT_OPTIONS_TABLE_H

/* clang-format off */
#define OPTION_LIST(ROW) \
    /*  identifier               name             letter alias       metavar       default      scope           repeats  type             min max                help */ \
    ROW(OPT_BROKERS,              "brokers",          'b', NULL,      "HOST:PORT",  NULL,        CON,            false, TEXT,      0, 0,                 "Kafka bootstrap servers, comma-separated") \
    ROW(OPT_REDIS,                "redis",             0,  NULL,      "URL",        NULL,        CON,            false, TEXT,      0, 0,                 "redis://[USER@]HOST:PORT[/DB], or none: only jobs without a limit") \
    ROW(OPT_REDIS_PASSWORD_FILE,  "redis-password-file", 0, NULL,     "FILE",       NULL,        CON,            false, TEXT,      0, 0,                 "read the password of Redis from the first line of FILE") \
    ROW(OPT_NAMESPACE,            "namespace",         0,  NULL,      "NAME",       "fanmap",    CON,            false, NAME,      0, 0,                 "prefix of every topic, group and Redis key") \
    ROW(OPT_PROPERTIES,           "properties",       'F', NULL,      "FILE",       NULL,        CON,            false, TEXT,      0, 0,                 "librdkafka properties, one KEY=VALUE a line") \
    ROW(OPT_PROPERTY,             "property",         'X', NULL,      "KEY=VALUE",  NULL,        CON,            true,  TEXT,      0, 0,                 "one librdkafka property") \
    ROW(OPT_CONNECT_TIMEOUT,      "connect-timeout",   0,  NULL,      "DUR",        "10s",       CON,            false, DURATION,  1, DAY_MS,            "give up when nothing answers for this long") \
    ROW(OPT_CLOSE_TIMEOUT,        "close-timeout",     0,  NULL,      "DUR",        "5s",        CON,            false, DURATION,  1, DAY_MS,            "how long closing may wait for what is under way") \
    ROW(OPT_CREATE_TOPICS,        "create-topics",     0,  NULL,      NULL,         "true",      CON,            false, SWITCH,    0, 0,                 "create missing topics (--no-create-topics: do not)") \
    ROW(OPT_PARTITIONS,           "partitions",        0,  NULL,      "N",          "32",        CON,            false, COUNT,     1, 10000,             "partitions of a topic that is created") \
    ROW(OPT_RETENTION,            "retention",         0,  NULL,      "DUR",        "7d",        CON,            false, DURATION,  MINUTE_MS, 0,         "how long Kafka keeps results, where the topic is created") \
    ROW(OPT_QUEUE,                "queue",             0,  NULL,      "NAME",       "default",   MAP | WORKER | JOBS | TOPICS, false, NAME, 0, 0,         "the set of workers that the job goes to, or that this worker joins") \
    ROW(OPT_LOCAL,                "local",             0,  NULL,      NULL,         "false",     MAP,            false, SWITCH,    0, 0,                 "embedded: no Kafka, no Redis, this machine only") \
    ROW(OPT_CONCURRENCY,          "concurrency",      'j', "jobs",    "N",          "0",         MAP,            false, LIMIT,     0, 1000000000,        "at most N attempts of the job at once, over the whole fleet; 0: no limit. Embedded also 150% or +2 of the processors") \
    ROW(OPT_RETRIES,              "retries",           0,  NULL,      "N",          "0",         MAP,            false, COUNT,     0, 1000000,           "tries after the first") \
    ROW(OPT_BACKOFF,              "backoff",           0,  NULL,      "BASE[,FACTOR[,CAP]]", "1s,2,5m", MAP,     false, BACKOFF,   0, 0,                 "wait before a retry: min(BASE*FACTOR^k, CAP), with full jitter") \
    ROW(OPT_TIMEOUT,              "timeout",           0,  NULL,      "DUR",        NULL,        MAP,            false, DURATION,  1, 49 * DAY_MS,       "how long one attempt may run") \
    ROW(OPT_GRACE,                "grace",             0,  NULL,      "DUR",        "5s",        MAP,            false, DURATION,  0, DAY_MS,            "between TERM and KILL of an attempt") \
    ROW(OPT_DEADLINE,             "deadline",          0,  NULL,      "DUR",        NULL,        MAP,            false, DURATION,  1, 365 * DAY_MS,      "how long the job may take from its submission") \
    ROW(OPT_FAIL_FAST,            "fail-fast",         0,  NULL,      NULL,         "false",     MAP,            false, SWITCH,    0, 0,                 "end the job on its first failure") \
    ROW(OPT_HALT,                 "halt",              0,  NULL,      "SPEC",       "never",     MAP,            false, HALT,      0, 0,                 "never, or now|soon,fail|success|done=N or N%: end the job then; soon lets what runs finish") \
    ROW(OPT_FINAL_EXIT,           "final-exit",        0,  NULL,      "N[-M],...",  NULL,        MAP,            false, EXITS,     0, 0,                 "exit statuses that no retry follows") \
    ROW(OPT_BIND,                 "bind",              0,  NULL,      "NAME=JSON",  NULL,        MAP,            true,  BIND,      0, 0,                 "an argument that is the same for every item, sent once") \
    ROW(OPT_SEQUENCES,            "sequences",         0,  NULL,      "N",          "0",         MAP,            false, COUNT,     0, SEQUENCES_MAX,     "every item is an array of N parts, one of each zipped input (:::+ and a second -i set it)") \
    ROW(OPT_MEMORY,               "memory",            0,  NULL,      "SIZE",       NULL,        MAP | WORKER,   false, SIZE,      4096, 0,              "memory of an attempt; at a worker: of every task that names no limit") \
    ROW(OPT_CPUS,                 "cpus",              0,  NULL,      "X",          NULL,        MAP | WORKER,   false, CPUS,      0, 0,                 "processors of an attempt, as 0.5; at a worker likewise") \
    ROW(OPT_CPU_TIME,             "cpu-time",          0,  NULL,      "DUR",        NULL,        MAP | WORKER,   false, DURATION,  1, 24 * DAY_MS,       "processor time of an attempt; at a worker likewise") \
    ROW(OPT_JOB_ID,               "job-id",            0,  NULL,      "ID",         NULL,        MAP,            false, JOB_ID,    0, 0,                 "name of the job; a random one when not given") \
    ROW(OPT_RETRY_FAILED,         "retry-failed",      0,  NULL,      "JOB",        NULL,        MAP,            false, JOB_ID,    0, 0,                 "run JOB's items without a value again; the output is the whole list. Task and --bind are JOB's unless given") \
    ROW(OPT_AHEAD,                "ahead",             0,  NULL,      "N",          "100000",    MAP,            false, COUNT,     1, 100000000,         "published items that may be without an outcome") \
    ROW(OPT_SPILL,                "spill",             0,  NULL,      "SIZE",       "8GiB",      MAP,            false, SIZE,      1 << 20, 0,           "outcomes that may wait for their turn, on disk") \
    ROW(OPT_LEASE,                "lease",             0,  NULL,      "DUR",        "15s",       MAP,            false, DURATION,  2000, 3600000,        "token lease: how long Redis may be away before limited attempts stop is half of it") \
    ROW(OPT_CRASH_CAP,            "crash-cap",         0,  NULL,      "N",          "3",         MAP,            false, COUNT,     1, 1000,              "an item that killed its slot this often is `crashed`") \
    ROW(OPT_ITEM_MAX,             "item-max",          0,  NULL,      "SIZE",       "1MiB",      MAP | WORKER | TOPICS, false, SIZE, 1, 64 << 20,         "largest item; at a worker: what it allows jobs, 64MiB when not given") \
    ROW(OPT_VALUE_MAX,            "value-max",         0,  NULL,      "SIZE",       "1MiB",      MAP | WORKER | TOPICS, false, SIZE, 1, 64 << 20,         "largest value; at a worker likewise") \
    ROW(OPT_DETACH,               "detach",            0,  NULL,      NULL,         "false",     MAP,            false, SWITCH,    0, 0,                 "publish and leave: no outcomes are gathered (what submit does)") \
    ROW(OPT_SOURCE,               "source",            0,  NULL,      "NAME",       "input",     MAP,            false, TEXT,      0, 0,                 "what errors call the input") \
    ROW(OPT_VALUE_FORMAT,         "value-format",      0,  NULL,      "msgpack|json|text", "msgpack", MAP | GATHER, false, CHOICE, 0, 0,                 "how the library hands values out") \
    ROW(OPT_WAIT,                 "wait",              0,  NULL,      NULL,         "true",      MAP,            false, SWITCH,    0, 0,                 "wait for a worker (--no-wait: end with 5 when none serves the task)") \
    ROW(OPT_WINDOW,               "window",            0,  NULL,      "SIZE",       "16MiB",     MAP | GATHER | AGG, false, SIZE,      1 << 16, 0,           "outcomes kept in memory before they go to disk") \
    ROW(OPT_TASKS,                "tasks",             0,  NULL,      "FILE",       NULL,        WORKER,         true,  TEXT,      0, 0,                 "a task library (F.so) or a task file (F.conf)") \
    ROW(OPT_EXEC,                 "exec",              0,  NULL,      "NAME=CMD ARG...", NULL,   WORKER,         true,  TEXT,      0, 0,                 "a command, started once per item, as task NAME") \
    ROW(OPT_SERVE,                "serve",             0,  NULL,      "NAME=CMD ARG...", NULL,   WORKER,         true,  TEXT,      0, 0,                 "a program that speaks the slot protocol, started once per slot, as task NAME") \
    ROW(OPT_START_TIMEOUT,        "start-timeout",     0,  NULL,      "DUR",        NULL,        WORKER | CHECK, false, DURATION,  1, DAY_MS,            "how long a served program may take from its start until it is ready (default 1m; check-task: 10s)") \
    ROW(OPT_CONTAINER,            "container",         0,  NULL,      "NAME=RUNTIME ARG... {argv}", NULL, WORKER, true, TEXT,    0, 0,                 "run the command NAME in containers: its words take the place of {argv}") \
    ROW(OPT_ARGV,                 "argv",              0,  NULL,      "ARG",        NULL,        WORKER,         true,  TEXT,      0, 0,                 "the words of one command that is task \"command\" (what -- CMD ARG... sets)") \
    ROW(OPT_SH,                   "sh",                0,  NULL,      "TEXT",       NULL,        SHELL,          false, TEXT,      0, 0,                 "run TEXT by sh for each item; {} and its like become parameters of it, never part of the text. Embedded only") \
    ROW(OPT_REPLACE,              "replace",          'I', NULL,      "STR",        NULL,        WORKER,         false, TEXT,      0, 0,                 "STR stands for the item in commands; {} and {NAME} are then plain text") \
    ROW(OPT_RAW,                  "raw",               0,  NULL,      NULL,         "false",     WORKER,         false, SWITCH,    0, 0,                 "commands get and give every byte as it is: no newline is added to stdin or taken from stdout") \
    ROW(OPT_COMMAND_OUTPUT,       "command-output",    0,  NULL,      "text|json|raw", NULL,     WORKER,         false, CHOICE,    0, 0,                 "what the stdout of commands is: text without its last newline (default), one JSON text, or every byte") \
    ROW(OPT_TASK_USER,            "task-user",         0,  NULL,      "NAME",       NULL,        WORKER,         false, TEXT,      0, 0,                 "run attempts as this user, with its groups and no capabilities; only root can") \
    ROW(OPT_NEW_PRIVILEGES,       "new-privileges",    0,  NULL,      NULL,         "false",      WORKER,         false, SWITCH,    0, 0,                 "setuid programs work in attempts: container runtimes without root want newuidmap") \
    ROW(OPT_SLOTS,                "slots",             0,  NULL,      "K",          NULL,        WORKER,         false, COUNT,     1, 4096,              "attempts at once on this worker (default: the CPUs; embedded: what -j says, at most 256)") \
    ROW(OPT_BUDGET,               "budget",            0,  NULL,      "SIZE",       "64MiB",     WORKER,         false, SIZE,      1 << 20, 0,           "items that a worker holds in memory") \
    ROW(OPT_DRAIN,                "drain",             0,  NULL,      "DUR",        "30s",       WORKER | AGG,   false, DURATION,  0, DAY_MS,            "how long TERM lets running attempts finish") \
    ROW(OPT_TASK_LOG,             "task-log",          0,  NULL,      NULL,         NULL,        WORKER,         false, SWITCH,    0, 0,                 "what attempts write goes to stderr, each line with job, index and attempt") \
    ROW(OPT_TASK_LOG_FD,          "task-log-fd",       0,  NULL,      "N",          "2",         0,              false, COUNT,     0, 65535,             "the descriptor that what attempts write goes to") \
    ROW(OPT_HEARTBEAT,            "heartbeat",         0,  NULL,      "FILE",       NULL,        WORKER | AGG,   false, TEXT,      0, 0,                 "keep FILE while the service is alive: fanmap health FILE tells") \
    ROW(OPT_LOGS,                 "logs",              0,  NULL,      "on|off",     "on",        WORKER,         false, CHOICE,    0, 0,                 "what attempts write also goes to Kafka, for fanmap logs") \
    ROW(OPT_LOG_FORMAT,           "log-format",        0,  NULL,      "text|json", "text",      WORKER | AGG | HTTP, false, CHOICE, 0, 0,                "what a service says on stderr: lines for people, or one JSON object a line") \
    ROW(OPT_CLEAN_EVERY,          "clean-every",       0,  NULL,      "DUR",        "1h",        WORKER,         false, DURATION,  0, 0,                 "how often, about, a worker forgets jobs whose log retention has taken and deletes their items; 0s: never") \
    ROW(OPT_SESSION_TIMEOUT,      "session-timeout",   0,  NULL,      "DUR",        "45s",       WORKER | AGG | STREAM, false, DURATION,  6000, 1800000,        "after this silence Kafka gives what a worker or aggregator had to others") \
    ROW(OPT_FROM,                 "from",              0,  NULL,      "TOPIC",      NULL,        STREAM,         false, TEXT,      0, 0,                 "the topic whose records are the items") \
    ROW(OPT_TO,                   "to",                0,  NULL,      "TOPIC",      NULL,        STREAM,         false, TEXT,      0, 0,                 "the topic that values go to; without it they go nowhere") \
    ROW(OPT_ERRORS_TO,            "errors-to",         0,  NULL,      "TOPIC",      NULL,        STREAM,         false, TEXT,      0, 0,                 "the topic that records go to whose item failed; without it errors go where values go") \
    ROW(OPT_ORDER,                "order",             0,  NULL,      "partition|key|none", "partition", STREAM, false, CHOICE,    0, 0,                 "the order of outcomes: that of their partition, that of each key (which runs one item at a time), or none") \
    ROW(OPT_FROM_FORMAT,          "from-format",       0,  NULL,      "json|text|binary|msgpack", "json", STREAM, false, CHOICE,   0, 0,                 "what the values of the records are") \
    ROW(OPT_TO_FORMAT,            "to-format",         0,  NULL,      "json|text|binary|msgpack", "json", STREAM, false, CHOICE,   0, 0,                 "how values are written") \
    ROW(OPT_COMMIT_EVERY,         "commit-every",      0,  NULL,      "DUR",        "100ms",     STREAM,         false, DURATION,  1, 5000,              "how long outcomes may wait for the transaction that shows them") \
    ROW(OPT_LISTEN,               "listen",            0,  NULL,      "HOST:PORT",  NULL,        HTTP,           false, TEXT,      0, 0,                 "serve over TCP; beyond loopback only with a token") \
    ROW(OPT_SOCKET,               "socket",            0,  NULL,      "PATH",       NULL,        HTTP,           false, TEXT,      0, 0,                 "serve on a Unix socket that only its user may open (default: $XDG_RUNTIME_DIR/fanmap.sock)") \
    ROW(OPT_TOKEN,                "token",             0,  NULL,      NULL,         "true",      HTTP,           false, SWITCH,    0, 0,                 "requests over TCP need a token (--no-token: on loopback not)") \
    ROW(OPT_TOKEN_FILE,           "token-file",        0,  NULL,      "FILE",       NULL,        HTTP,           false, TEXT,      0, 0,                 "the tokens; made at the first start (default: ~/.local/state/fanmap/serve.token)") \
    ROW(OPT_ALLOW_HOST,           "allow-host",        0,  NULL,      "NAME",       NULL,        HTTP,           true,  TEXT,      0, 0,                 "a name by which requests may call this server, besides localhost") \
    ROW(OPT_INPUT,                "input",            'i', NULL,      "FILE",       NULL,        IN,             true,  TEXT,      0, 0,                 "read items from FILE (- or nothing: stdin)") \
    ROW(OPT_INPUT_FORMAT,         "input-format",      0,  NULL,      FORMATS,      NULL,        IN,             false, CHOICE,    0, 0,                 "how items are written (default jsonl, and behind ::: JSON or else text; lines with -- CMD)") \
    ROW(OPT_NULL,                 "null",             '0', NULL,      NULL,         "false",     IN,             false, SWITCH,    0, 0,                 "items end with NUL: --input-format nul") \
    ROW(OPT_LINK,                 "link",              0,  "xapply",  NULL,         "false",     IN,             false, SWITCH,    0, 0,                 "every ::: zips with the one before, as :::+ does") \
    ROW(OPT_TEXT,                 "text",              0,  NULL,      NULL,         "false",     IN | OUT,       false, SWITCH,    0, 0,                 "items and values are lines of text, as with -- CMD: both formats are lines") \
    ROW(OPT_OUTPUT_FORMAT,        "output-format",     0,  NULL,      FORMATS,      NULL,        OUT,            false, CHOICE,    0, 0,                 "how values are written (default jsonl; lines with -- CMD)") \
    ROW(OPT_RECORDS,              "records",           0,  NULL,      NULL,         "false",     OUT | AGG,      false, SWITCH,    0, 0,                 "print {\"index\":...,\"attempts\":...,\"value\":...} or {...,\"error\":{...}}") \
    ROW(OPT_UNORDERED,            "unordered",         0,  NULL,      NULL,         "false",     OUT | GATHER,   false, SWITCH,    0, 0,                 "hand each outcome out as it arrives, with its index (implies --records)") \
    ROW(OPT_KEEP_ORDER,           "keep-order",       'k', NULL,      NULL,         "true",      OUT,            false, SWITCH,    0, 0,                 "outcomes in input order (accepted: it is the default)") \
    ROW(OPT_TAG,                  "tag",               0,  NULL,      NULL,         "false",     SHELL,          false, SWITCH,    0, 0,                 "each line of output begins with the item and a tab") \
    ROW(OPT_TAGSTRING,            "tagstring",         0,  NULL,      "TEXT",       NULL,        SHELL,          false, TEXT,      0, 0,                 "the same with TEXT, in which {} and its like stand for the item") \
    ROW(OPT_JOBLOG,               "joblog",            0,  NULL,      "FILE",       NULL,        OUT,            false, TEXT,      0, 0,                 "a line for each item that ran, in GNU parallel's columns; +FILE goes on with it") \
    ROW(OPT_PROGRESS,             "progress",          0,  NULL,      NULL,         "true",      OUT,            false, SWITCH,    0, 0,                 "report on stderr (--no-progress: do not)") \
    ROW(OPT_STATE,                "state",             0,  NULL,      "running|paused|ended", NULL, JOBS,        false, CHOICE,    0, 0,                 "only jobs in this state") \
    ROW(OPT_TASK,                 "task",              0,  NULL,      "NAME",       NULL,        JOBS | TOPICS,  true,  TEXT,      0, 0,                 "only jobs of this task; of topics: make and check the topic of its items too") \
    ROW(OPT_SINCE,                "since",             0,  NULL,      "DUR",        NULL,        JOBS,           false, DURATION,  1, 0,                 "only jobs submitted within this time") \
    ROW(OPT_COUNTS,               "counts",            0,  NULL,      NULL,         "true",      JOBS,           false, SWITCH,    0, 0,                 "read the logs of jobs without an end, for their counts (--no-counts: do not)") \
    ROW(OPT_CREATE,               "create",            0,  NULL,      NULL,         "false",     TOPICS,         false, SWITCH,    0, 0,                 "make what is missing") \
    ROW(OPT_CLEAN,                "clean",             0,  NULL,      NULL,         "false",     TOPICS,         false, SWITCH,    0, 0,                 "forget jobs whose log retention has taken, and delete their items: one pass, as workers do it") \
    ROW(OPT_PRINT_ACLS,           "print-acls",        0,  NULL,      NULL,         "false",     TOPICS,         false, SWITCH,    0, 0,                 "print the rights that each role needs, for Kafka and Redis; asks nobody") \
    ROW(OPT_PRINCIPAL,            "principal",         0,  NULL,      "NAME",       NULL,        TOPICS,         false, TEXT,      0, 0,                 "the Kafka principal of --print-acls (default: User:NAMESPACE-ROLE)") \
    ROW(OPT_INDEX,                "index",             0,  NULL,      "INDEX",     NULL,         LOGS,           false, COUNT,     0, 0,                 "only lines of this item") \
    ROW(OPT_FOLLOW,               "follow",           'f', NULL,      NULL,        "false",      LOGS,           false, SWITCH,    0, 0,                 "go on with new lines until the job has ended") \
    ROW(OPT_FAILED,               "failed",            0,  NULL,      NULL,        "false",      LOGS,           false, SWITCH,    0, 0,                 "only lines of items that have failed") \
    ROW(OPT_JOB,                  "job",               0,  NULL,      "JOB",       NULL,         DEAD,           false, JOB_ID,    0, 0,                 "only letters of this job") \
    ROW(OPT_LETTER,               "letter",            0,  NULL,      "N",         NULL,         DEAD,           false, COUNT,     0, 0,                 "only this letter, by its number (what show and replay take)") \
    ROW(OPT_ALL,                  "all",               0,  NULL,      NULL,        "false",      DEAD,           false, SWITCH,    0, 0,                 "replay every letter") \
    ROW(OPT_FORCE,                "force",             0,  NULL,      NULL,        "false",      DEAD,           false, SWITCH,    0, 0,                 "replay also what is no item, or of no running job") \
    ROW(OPT_JSON,                 "json",              0,  NULL,      NULL,         "false",     LIST,           false, SWITCH,    0, 0,                 "print one JSON object a line") \
    ROW(OPT_OUT,                  "out",               0,  NULL,      "DIR",        NULL,        AGG,            false, TEXT,      0, 0,                 "write DIR/JOB.jsonl for every job that ends") \
    ROW(OPT_GROUP,                "group",             0,  NULL,      "NAME",       "default",   AGG | TOPICS,   false, NAME,      0, 0,                 "aggregators of one group share the jobs") \
    ROW(OPT_CONFIG,               "config",            0,  NULL,      "FILE",       NULL,        CLI,            false, TEXT,      0, 0,                 "read options from FILE instead of ~/.config/fanmap.conf") \
    ROW(OPT_QUIET,                "quiet",            'q', NULL,      NULL,         "false",     CLI,            false, SWITCH,    0, 0,                 "no progress and no notes on stderr") \
    ROW(OPT_VERBOSE,              "verbose",          'v', NULL,      NULL,         "false",     CLI,            false, SWITCH,    0, 0,                 "show each failure as it happens") \
    ROW(OPT_HELP,                 "help",             'h', NULL,      NULL,         "false",     CLI,            false, SWITCH,    0, 0,                 "show this")
/* clang-format on */

#endif
