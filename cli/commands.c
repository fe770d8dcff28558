/* Every subcommand: its name, what it takes, what runs it. --help, manual pages and completion are made from this. */
#include "cli/commands.h"

#include <string.h>

static const char *const map_examples[] = {
    "fanmap map --local -- gzip -9 {} ::: *.log",
    "fanmap map --local -j 8 --retries 3 --timeout 30s --sh 'curl -sf {} | wc -c' < urls",
    "fanmap map square -i items.jsonl -j 50 --retries 3 > squares.jsonl", NULL};
static const char *const submit_examples[] = {"job=$(fanmap submit square -i items.jsonl)",
                                              "seq 1000 | fanmap submit shrink --text --job-id nightly -j 8",
                                              "fanmap submit --retry-failed nightly", NULL};
static const char *const gather_examples[] = {"fanmap gather \"$job\" > squares.jsonl",
                                              "fanmap gather \"$job\" --position-file place | ./store",
                                              "fanmap gather \"$job\" --to squares --as squares",
                                              "fanmap gather enrich --follow --records --as store | ./store",
                                              "fanmap gather \"$job\" --records --share store | ./store",
                                              NULL};
static const char *const stream_examples[] = {"fanmap stream enrich --from orders --to enriched --errors-to failed",
                                              NULL};
static const char *const worker_examples[] = {
    "fanmap worker --exec 'shrink=convert - -resize 50% -'", "fanmap worker --tasks ./numbers.so --slots 8",
    "fanmap worker --tasks tasks.conf --queue gpu --heartbeat /run/fanmap/worker", NULL};
static const char *const aggregator_examples[] = {"fanmap aggregator --out /var/lib/fanmap/results", NULL};
static const char *const serve_examples[] = {"fanmap serve --listen 127.0.0.1:8080", NULL};
static const char *const check_examples[] = {"fanmap check-task -- python3 numbers_task.py", NULL};
static const char *const health_examples[] = {"fanmap health http://127.0.0.1:9464", "fanmap health /run/fanmap/worker",
                                              NULL};
static const char *const control_examples[] = {"fanmap cancel \"$job\"", NULL};
static const char *const pause_examples[] = {"fanmap pause \"$job\"", NULL};
static const char *const resume_examples[] = {"fanmap resume \"$job\"", NULL};
static const char *const set_examples[] = {"fanmap set \"$job\" --concurrency 20", NULL};

static const char *const jobs_examples[] = {"fanmap jobs --state running", "fanmap jobs --since 1d --json", NULL};
static const char *const show_examples[] = {"fanmap show \"$job\"", NULL};
static const char *const topics_examples[] = {
    "fanmap topics --create --partitions 64", "fanmap topics --print-acls --queue gpu",
    "fanmap topics --print-acls --stream enrich --from orders --to enriched", NULL};
static const char *const dead_examples[] = {"fanmap dead list --job \"$job\"", "fanmap dead replay --all",
                                            "fanmap dead replay --stream enrich", NULL};
static const char *const logs_examples[] = {"fanmap logs \"$job\" --failed", "fanmap logs \"$job\" 7 --follow", NULL};
static const char *const workers_examples[] = {"fanmap workers", NULL};

static const char *const completion_examples[] = {"eval \"$(fanmap completion bash)\"", NULL};
static const char *const man_examples[] = {"fanmap man worker | man -l -", NULL};

#define MAP_SCOPE     (FANMAP_SCOPE_CONNECT | FANMAP_SCOPE_MAP | FANMAP_SCOPE_INPUT | FANMAP_SCOPE_CLI)
#define CONTROL_SCOPE (FANMAP_SCOPE_CONNECT | FANMAP_SCOPE_CLI)
#define LIST_SCOPE    (FANMAP_SCOPE_CONNECT | FANMAP_SCOPE_CLI | FANMAP_SCOPE_LIST)

const command_t commands[] = {
    {"map", "TASK [-i FILE | ::: VALUE...]", "run a map to its end; values to stdout, in input order",
     MAP_SCOPE | FANMAP_SCOPE_OUTPUT | FANMAP_SCOPE_WORKER | FANMAP_SCOPE_SHELL, NULL, 1, map_examples, run_map},
    {"submit", "TASK [-i FILE | ::: VALUE...]", "publish the items, print the job id, leave", MAP_SCOPE, NULL, 1,
     submit_examples, run_submit},
    {"gather", "JOB", "the outcomes of a job or a stream, streaming, in order",
     FANMAP_SCOPE_CONNECT | FANMAP_SCOPE_GATHER | FANMAP_SCOPE_OUTPUT | FANMAP_SCOPE_CLI, NULL, 1, gather_examples,
     run_gather},
    {"stream", "TASK --from TOPIC [--to TOPIC] [--errors-to TOPIC]", "a map without end, from topic to topic",
     FANMAP_SCOPE_CONNECT | FANMAP_SCOPE_MAP | FANMAP_SCOPE_STREAM | FANMAP_SCOPE_CLI, NULL, 1, stream_examples,
     run_stream},
    {"worker", "--tasks F.so | --exec NAME='CMD...' | --serve NAME='CMD...'", "serve tasks",
     FANMAP_SCOPE_CONNECT | FANMAP_SCOPE_WORKER | FANMAP_SCOPE_CLI, NULL, 0, worker_examples, run_worker},
    {"check-task", "-- CMD ARG...", "drive a program through the slot protocol, and say what it gets wrong",
     FANMAP_SCOPE_CHECK | FANMAP_SCOPE_CLI, NULL, 0, check_examples, run_check_task},
    {"aggregator", "--out DIR", "write DIR/JOB.jsonl for every job that ends",
     FANMAP_SCOPE_CONNECT | FANMAP_SCOPE_AGGREGATOR | FANMAP_SCOPE_CLI, NULL, 0, aggregator_examples, run_aggregator},
    {"serve", "[--listen HOST:PORT]", "maps, jobs and outcomes over HTTP",
     FANMAP_SCOPE_CONNECT | FANMAP_SCOPE_SERVE | FANMAP_SCOPE_WORKER | FANMAP_SCOPE_CLI, "local", 0, serve_examples,
     run_serve},
    {"health", "URL | FILE", "whether the service that answers at URL (--metrics) or keeps FILE (--heartbeat) is well",
     FANMAP_SCOPE_CLI, NULL, 1, health_examples, run_health},
    {"cancel", "JOB", "drop what is queued and kill what runs", CONTROL_SCOPE, NULL, 1, control_examples, run_control},
    {"pause", "JOB", "start nothing more until resume", CONTROL_SCOPE, NULL, 1, pause_examples, run_control},
    {"resume", "JOB", "go on after pause", CONTROL_SCOPE, NULL, 1, resume_examples, run_control},
    {"set", "JOB --concurrency N", "change the limit of a running job", CONTROL_SCOPE, "concurrency", 1, set_examples,
     run_control},
    {"jobs", "", "every job that the namespace knows, oldest first", LIST_SCOPE | FANMAP_SCOPE_JOBS, NULL, 0,
     jobs_examples, run_jobs},
    {"show", "JOB", "one job: policy, counts, rate, and why it waits", LIST_SCOPE, NULL, 1, show_examples, run_show},
    {"topics", "[--create | --clean | --print-acls]", "every topic of the namespace, and what is wrong with it",
     LIST_SCOPE | FANMAP_SCOPE_TOPICS, NULL, 0, topics_examples, run_topics},
    {"dead", "list | show N | replay N | replay --all", "records that nobody could use, and putting them back",
     LIST_SCOPE | FANMAP_SCOPE_DEAD, NULL, 2, dead_examples, run_dead},
    {"logs", "JOB [INDEX]", "what attempts of a job wrote", CONTROL_SCOPE | FANMAP_SCOPE_LOGS, NULL, 2, logs_examples,
     run_logs},
    {"workers", "", "who serves what", LIST_SCOPE, NULL, 0, workers_examples, run_workers},
    {"completion", "bash|zsh|fish", "print a completion script", FANMAP_SCOPE_CLI, NULL, 1, completion_examples,
     run_completion},
    {"man", "[COMMAND]", "print a manual page", FANMAP_SCOPE_CLI, NULL, 1, man_examples, run_man},
    {NULL, NULL, NULL, 0, NULL, 0, NULL, NULL},
};

const command_t *command_find(const char *name)
{
    for (const command_t *command = commands; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}
