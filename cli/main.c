#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"

static const char *const map_examples[] = {"seq 10 | fanmap map --local --input-format lines -- sh -c 'echo $(cat)'",
                                           "fanmap map square -i items.jsonl -j 50 --retries 3 > squares.jsonl", NULL};
static const char *const submit_examples[] = {"job=$(fanmap submit square -i items.jsonl)", NULL};
static const char *const gather_examples[] = {"fanmap gather \"$job\" > squares.jsonl", NULL};
static const char *const worker_examples[] = {
    "fanmap worker --tasks ./numbers.so --exec 'resize=convert - -resize 50% -'", NULL};
static const char *const control_examples[] = {"fanmap cancel \"$job\"", NULL};
static const char *const set_examples[] = {"fanmap set \"$job\" --concurrency 20", NULL};

#define MAP_SCOPE     (FANMAP_SCOPE_CONNECT | FANMAP_SCOPE_MAP | FANMAP_SCOPE_INPUT | FANMAP_SCOPE_CLI)
#define CONTROL_SCOPE (FANMAP_SCOPE_CONNECT | FANMAP_SCOPE_CLI)

const command_t commands[] = {
    {"map", "TASK [-i FILE | ::: VALUE...]", "run a map to its end; values to stdout, in input order",
     MAP_SCOPE | FANMAP_SCOPE_OUTPUT | FANMAP_SCOPE_WORKER, 1, map_examples, run_map},
    {"submit", "TASK [-i FILE | ::: VALUE...]", "publish the items, print the job id, leave", MAP_SCOPE, 1,
     submit_examples, run_submit},
    {"gather", "JOB", "the outcomes of a job, streaming, in order",
     FANMAP_SCOPE_CONNECT | FANMAP_SCOPE_GATHER | FANMAP_SCOPE_OUTPUT | FANMAP_SCOPE_CLI, 1, gather_examples,
     run_gather},
    {"worker", "--tasks F.so | --exec NAME='CMD ARG...'", "serve tasks",
     FANMAP_SCOPE_CONNECT | FANMAP_SCOPE_WORKER | FANMAP_SCOPE_CLI, 0, worker_examples, run_worker},
    {"cancel", "JOB", "drop what is queued and kill what runs", CONTROL_SCOPE, 1, control_examples, run_control},
    {"pause", "JOB", "start nothing more until resume", CONTROL_SCOPE, 1, control_examples, run_control},
    {"resume", "JOB", "go on after pause", CONTROL_SCOPE, 1, control_examples, run_control},
    {"set", "JOB --concurrency N", "change the limit of a running job", CONTROL_SCOPE | FANMAP_SCOPE_MAP, 1,
     set_examples, run_control},
    {NULL, NULL, NULL, 0, 0, NULL, NULL},
};

const command_t *command_find(const char *name)
{
    for (const command_t *command = commands; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

/* Control characters would let a message from elsewhere write to the terminal. */
static void print_plain(const char *text)
{
    for (; *text; text++)
        fputc((unsigned char)*text < 32 || *text == 127 ? '?' : *text, stderr);
}

void complain(const char *format, ...)
{
    char line[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fputs("fanmap: ", stderr);
    print_plain(line);
    fputc('\n', stderr);
}

int exit_status(int code)
{
    switch (code) {
    case FANMAP_EREFUSED:
        return EXIT_REFUSED;
    case FANMAP_EUNREACHABLE:
        return EXIT_UNREACHABLE;
    case FANMAP_ESTOPPED:
        return EXIT_STOPPED;
    case FANMAP_EIO:
    case FANMAP_ENOMEM:
    case FANMAP_ELOST:
        return EXIT_IO;
    default:
        return EXIT_USAGE;
    }
}

int complain_error(const fanmap_error_t *err)
{
    complain("%s", err->message);
    return exit_status(err->code);
}

int main(int argc, char **argv)
{
    arguments_t arguments;
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_overview();
        return argc < 2 ? EXIT_USAGE : EXIT_ALL_WELL;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("fanmap " FANMAP_VERSION);
        return EXIT_ALL_WELL;
    }
    const command_t *command = command_find(argv[1]);
    if (!command) {
        complain("there is no command \"%s\"; see fanmap --help", argv[1]);
        return EXIT_USAGE;
    }
    int status = parse(command, argc - 2, argv + 2, &arguments);
    if (status == EXIT_ALL_WELL && is_switch_set(&arguments, "help"))
        print_help(command);
    else if (status == EXIT_ALL_WELL)
        status = command->run(&arguments);
    fanmap_options_free(arguments.options);
    return status;
}
