/* --joblog FILE: a line for each item that ran, in GNU parallel's columns. */
#include "cli/parallel_log.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>

static const char COLUMNS[] = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

int parallel_log_open(parallel_log_t *log, const arguments_t *arguments)
{
    *log = (parallel_log_t){.path = option_text(arguments, "joblog"), .arguments = arguments};
    if (!log->path)
        return EXIT_ALL_WELL;
    log->file = fopen(log->path, "we");
    if (log->file && fputs(COLUMNS, log->file) >= 0 && fflush(log->file) == 0)
        return EXIT_ALL_WELL;
    complain("--joblog %s: %s", log->path, strerror(errno));
    return EXIT_IO;
}

/* Nothing of it ran, or it was killed with its job: parallel has no line for these. */
static bool is_left_out(const fanmap_outcome_t *o)
{
    return o->attempts == 0 || o->kind == FANMAP_CANCELLED || o->kind == FANMAP_DEADLINE;
}

static int exit_value(const fanmap_outcome_t *o)
{
    switch (o->kind) {
    case FANMAP_VALUE:
    case FANMAP_SIGNAL:
        return 0;
    case FANMAP_TIMEOUT:
        return -1;
    default:
        return o->exit_status > 0 ? o->exit_status : 1;
    }
}

static void put_plain(FILE *file, const char *text)
{
    for (; *text; text++)
        fputc((unsigned char)*text < ' ' ? ' ' : *text, file);
}

static void put_command(const parallel_log_t *log)
{
    const arguments_t *a = log->arguments;
    for (int i = 0; i < a->argv_n; i++) {
        if (i > 0)
            fputc(' ', log->file);
        put_plain(log->file, a->argv[i]);
    }
    if (a->argv_n == 0 && a->positionals_n > 0)
        put_plain(log->file, a->positionals[0]);
}

void parallel_log_put(parallel_log_t *log, const fanmap_outcome_t *o)
{
    struct timespec now;
    if (!log->file || is_left_out(o))
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    double run_s = (double)o->run_us / 1e6, start_s = (double)now.tv_sec + (double)now.tv_nsec / 1e9 - run_s;
    fprintf(log->file, "%" PRIu64 "\t:\t%.3f\t%10.3f\t0\t%zu\t%d\t%d\t", o->index + 1, start_s, run_s,
            o->kind == FANMAP_VALUE ? o->value_len : 0, exit_value(o), o->kind == FANMAP_TIMEOUT ? SIGTERM : o->signo);
    put_command(log);
    fputc('\n', log->file);
}

void parallel_log_flush(parallel_log_t *log)
{
    if (log->file && fflush(log->file) != 0)
        log->has_failed = true;
}

bool parallel_log_close(parallel_log_t *log)
{
    if (!log->file)
        return true;
    bool is_bad = ferror(log->file) || log->has_failed;
    is_bad |= fclose(log->file) != 0;
    log->file = NULL;
    if (is_bad)
        complain("--joblog %s: not everything could be written", log->path);
    return !is_bad;
}
