/* The command line: thin over fanmap/fanmap.h and fanmap/admin.h, and nothing else of the library.
 *
 *   main.c      runs the subcommand that is named; commands.c has the table of them
 *   complain.c  errors on stderr, and the exit status of each
 *   parse.c     argv into options, by the library's option table; arguments.c  what came of it
 *   help.c groups.c   --help, from the same table, in groups
 *   completion.c completion_shells.c   shell completion, manual.c manual_text.c   manual pages, from the same table
 *   input.c     items from files, stdin and ::: values
 *   zip.c       several of them together
 *   items.c     what is made of these: cells.c csv.c  columns; template.c  what a command calls them
 *   feed.c      items to the library; resume.c resume_rows.c  those that need not run again
 *   dry_run.c   what would run
 *   output.c    outcomes to stdout
 *   output_live.c live.c  what commands print while they run; results.c results_rows.c results_text.c  --results
 *   progress.c progress_line.c  what stderr shows; task_log.c  what attempts write, above it
 *   map.c gather.c worker.c aggregator.c control.c jobs.c show.c   one a subcommand, or few
 *   admin.c     what those that only look have in common; views/ has their JSON
 *   service_log.c  a line of a service on stderr
 *   service.c   the loop of a service; stops.c  INT and TERM
 *   liveness.c  what a service tells systemd and fanmap health; probes.c probe.c   what it tells who asks over HTTP
 *   ask_probe.c  fanmap health, who asks over HTTP
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>

#include "fanmap/admin.h"

enum {
    EXIT_ALL_WELL = 0,
    EXIT_SOME_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_STOPPED = 3,
    EXIT_REFUSED = 4,
    EXIT_UNREACHABLE = 5,
    EXIT_IO = 6,
    EXIT_INTERRUPTED = 130,
    EXIT_TERMINATED = 143
};

typedef struct arguments arguments_t;

enum { SEQUENCES_MAX = 64 };

/* The values of one ::: or :::+, or the file of one :::: or ::::+. */
typedef struct {
    char **at;
    int n;
    const char *path; /* NULL: values */
    bool is_linked;   /* zipped with the one before; else their product */
} values_t;

typedef struct {
    const char *name, *usage, *summary;
    unsigned scope;      /* which options it takes */
    const char *also;    /* one more option, or NULL */
    int positionals_max; /* besides ::: values and what follows -- */
    const char *const *examples;
    int (*run)(arguments_t *arguments);
} command_t;

/* A command line, taken apart. The strings live in argv. */
struct arguments {
    const command_t *command;
    fanmap_options_t *options;
    const char *positionals[2];
    int positionals_n;
    values_t sequences[SEQUENCES_MAX]; /* of :::, :::+, :::: and ::::+ */
    int sequences_n;
    char **argv; /* after -- */
    int argv_n;
    bool has_argv;
    bool retries_log; /* --retry-failed, of no job that is named: of the job log */
    bool has_also;    /* the command's `also` was given */
};

/* commands.c */
extern const command_t commands[];
/* NULL: there is no such command. */
const command_t *command_find(const char *name);

/* complain.c */
/* "fanmap: LINE" on stderr, escaped for a terminal, the progress line put out of the way. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Complains and is the status. */
#define fail_with(status, ...) (complain(__VA_ARGS__), (status))
/* Prints the error and returns the exit status that belongs to its code. */
int complain_error(const fanmap_error_t *err);
int exit_status(int code);

/* groups.c. What help, manual and completion show of a command: not what it takes only to refuse it with the reason. */
bool shows_option(const command_t *command, const fanmap_option_info_t *info);

/* parse.c */
bool takes_option(const command_t *command, const fanmap_option_info_t *info);
/* EXIT_ALL_WELL, or EXIT_USAGE after a complaint. Loads configuration file and environment too. */
int parse(const command_t *command, int argc, char **argv, arguments_t *ret);

/* arguments.c */
/* The --sh of a map whose lines are commands themselves. */
#define LINE_COMMAND "eval \"$1\""
/* -- CMD, or --sh TEXT: what runs is a command of this command line. */
bool arguments_have_command(const arguments_t *arguments);
bool is_switch_set(const arguments_t *arguments, const char *name);
const char *option_text(const arguments_t *arguments, const char *name);
/* EXIT_ALL_WELL, or EXIT_USAGE after a complaint: it does not take that value. */
int set_option(arguments_t *arguments, const char *name, const char *value);

/* stops.c */
/* INT and TERM go to `handler`, except one that was ignored when the program began. */
void stops_catch(void (*handler)(int signo));
/* From here on they end the program at once, with the same exception. */
void stops_release(void);

/* help.c */
/* is_all: also what is for few. */
void print_help(const command_t *command, bool is_all);
/* fanmap help TOPIC. The exit status. */
int print_topic(const char *topic);
void print_overview(void);

#endif
