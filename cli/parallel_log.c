/* --joblog FILE: a line for each item that ran, in GNU parallel's columns. */
#include "cli/parallel_log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char COLUMNS[] = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

static bool is_line(const arguments_t *a)
{
    const char *text = option_text(a, "sh");
    return text && strcmp(text, LINE_COMMAND) == 0;
}

/* The command that ran is the one of this command line with the item put in. */
static int open_filler(parallel_log_t *log)
{
    const arguments_t *a = log->arguments;
    fanmap_error_t err;
    const char **words = calloc((size_t)a->argv_n + 2, sizeof *words);
    for (int i = 0; words && i < a->argv_n; i++)
        words[i] = a->argv[i];
    if (words && a->argv_n == 0)
        words[0] = is_line(a) ? "{}" : option_text(a, "sh");
    int r = words && words[0] ? fanmap_filler_open(a->options, words, &log->filler, &err) : FANMAP_OK;
    free(words);
    return r == FANMAP_OK ? EXIT_ALL_WELL : complain_error(&err);
}

int parallel_log_open(parallel_log_t *log, const arguments_t *arguments)
{
    *log = (parallel_log_t){.path = option_text(arguments, "joblog"), .arguments = arguments};
    if (!log->path)
        return EXIT_ALL_WELL;
    bool is_appended = *log->path == '+';
    log->path += is_appended;
    int status = open_filler(log);
    if (status != EXIT_ALL_WELL)
        return status;
    log->file = fopen(log->path, is_appended ? "ae" : "we");
    bool is_empty = log->file && fseek(log->file, 0, SEEK_END) == 0 && ftell(log->file) == 0;
    if (log->file && (!is_empty || (fputs(COLUMNS, log->file) >= 0 && fflush(log->file) == 0)))
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

static void put_bytes(FILE *file, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        fputc((unsigned char)bytes[i] < ' ' ? ' ' : bytes[i], file);
}

static void put_plain(FILE *file, const char *text)
{
    put_bytes(file, text, strlen(text));
}

/* A task of a fleet: its name and the item. */
static void put_task(const parallel_log_t *log, const kept_item_t *item)
{
    if (log->arguments->positionals_n > 0)
        put_plain(log->file, log->arguments->positionals[0]);
    for (size_t i = 0; item && i < item->n; i++) {
        fputc(' ', log->file);
        put_bytes(log->file, item->parts[i].bytes, item->parts[i].len);
    }
}

static void put_command(const parallel_log_t *log, const kept_item_t *item)
{
    const char *const *words = (const char *const *)(uintptr_t)log->arguments->argv;
    const char *text[] = {option_text(log->arguments, "sh"), NULL};
    fanmap_error_t err;
    if (!log->filler) {
        put_task(log, item);
        return;
    }
    if (log->arguments->argv_n == 0)
        words = text;
    bool is_filled = item && fanmap_filler_fill(log->filler, item->format, item->parts, item->n, item->seq - 1, &words,
                                                &err) == FANMAP_OK;
    int n = is_filled ? INT_MAX : log->arguments->argv_n > 0 ? log->arguments->argv_n : 1;
    for (int i = 0; i < n && words[i]; i++) {
        if (i > 0)
            fputc(' ', log->file);
        put_plain(log->file, words[i]);
    }
}

void parallel_log_put(parallel_log_t *log, const fanmap_outcome_t *o, const kept_item_t *item)
{
    struct timespec now;
    if (!log->file || is_left_out(o))
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    double run_s = (double)o->run_us / 1e6, start_s = (double)now.tv_sec + (double)now.tv_nsec / 1e9 - run_s;
    fprintf(log->file, "%" PRIu64 "\t:\t%.3f\t%10.3f\t0\t%zu\t%d\t%d\t", item ? item->seq : o->index + 1, start_s,
            run_s, o->kind == FANMAP_VALUE ? o->value_len : o->stdout_len, exit_value(o),
            o->kind == FANMAP_TIMEOUT ? SIGTERM : o->signo);
    put_command(log, item);
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
    fanmap_filler_close(log->filler);
    if (is_bad)
        complain("--joblog %s: not everything could be written", log->path);
    return !is_bad;
}
