/* --joblog FILE: a line for each item that ran, in GNU parallel's columns. */
#include "cli/parallel_log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/quote.h"

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
    if (is_line(a) || !arguments_have_command(a))
        return EXIT_ALL_WELL;
    int r = fanmap_filler_open(a->options, NULL, &log->filler, &err);
    return r == FANMAP_OK ? EXIT_ALL_WELL : complain_error(&err);
}

/* What goes on with a log that breaks off in a line begins a new one. */
static bool ends_line(FILE *file)
{
    return fseek(file, -1, SEEK_END) != 0 || fgetc(file) == '\n';
}

bool parallel_log_goes_on(const arguments_t *a)
{
    return a->retries_log || is_switch_set(a, "resume") || is_switch_set(a, "resume-failed");
}

static FILE *open_file(const char *path, bool is_appended)
{
    FILE *file = fopen(path, is_appended ? "a+e" : "we");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        return file;
    if (ftell(file) == 0)
        fputs(COLUMNS, file);
    else if (!ends_line(file))
        fputc('\n', file);
    return file;
}

int parallel_log_open(parallel_log_t *log, const arguments_t *arguments)
{
    *log = (parallel_log_t){.path = option_text(arguments, "joblog"), .arguments = arguments};
    bool is_dry = is_switch_set(arguments, "dry-run");
    int status = log->path || is_dry || option_text(arguments, "results") ? open_filler(log) : EXIT_ALL_WELL;
    if (!log->path || is_dry || status != EXIT_ALL_WELL)
        return status;
    bool is_plus = *log->path == '+';
    log->path += is_plus;
    log->file = open_file(log->path, is_plus || parallel_log_goes_on(arguments));
    if (log->file && fflush(log->file) == 0)
        return EXIT_ALL_WELL;
    return fail_with(EXIT_IO, "--joblog %s: %s", log->path, strerror(errno));
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

/* A task of a fleet and the item; or a line, which is the command itself. */
static void put_words(const arguments_t *a, const fanmap_part_t *parts, size_t n, buf_t *ret)
{
    if (a->positionals_n > 0)
        buf_append_text(ret, a->positionals[0]);
    for (size_t i = 0; i < n; i++) {
        buf_append(ret, " ", a->positionals_n > 0);
        if (is_line(a))
            buf_append(ret, parts[i].bytes, parts[i].len);
        else
            quote_put_word(ret, parts[i].bytes, parts[i].len);
    }
}

void parallel_log_command(parallel_log_t *log, uint64_t seq, fanmap_format_t format, const fanmap_part_t *parts,
                          size_t n, buf_t *ret)
{
    const arguments_t *a = log->arguments;
    size_t begin = ret->len, len;
    const char *text;
    fanmap_error_t err;
    if (!log->filler)
        put_words(a, parts, n, ret);
    else if (fanmap_filler_command(log->filler, format, parts, n, seq - 1, &text, &len, &err) == FANMAP_OK)
        buf_append(ret, text, len);
    for (size_t i = begin; i < ret->len; i++)
        if (ret->data[i] == '\n')
            ret->data[i] = '\0';
}

/* The host of the worker, without its pid. What is no name of one is not believed. */
static int host_of(const char *worker, const char **ret)
{
    static const char host[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
    size_t len = strspn(worker, host);
    bool is_host = len > 0 && len < PATH_MAX && worker[len] == ':';
    *ret = is_host ? worker : ":";
    return is_host ? (int)len : 1;
}

bool parallel_row(const fanmap_outcome_t *o, const kept_item_t *item, parallel_row_t *ret)
{
    struct timespec now;
    if (is_left_out(o))
        return false;
    clock_gettime(CLOCK_REALTIME, &now);
    double run_s = (double)o->run_us / 1e6;
    *ret = (parallel_row_t){.seq = item ? item->seq : o->index + 1,
                            .start_s = (double)now.tv_sec + (double)now.tv_nsec / 1e9 - run_s,
                            .run_s = run_s,
                            .receive = o->kind == FANMAP_VALUE ? o->value_len : o->stdout_len,
                            .exit_value = exit_value(o),
                            .signo = o->kind == FANMAP_TIMEOUT ? SIGTERM : o->signo};
    ret->host_len = host_of(o->worker, &ret->host);
    if (item && item->printed_n > 0)
        ret->receive = item->printed_n;
    return true;
}

void parallel_log_put(parallel_log_t *log, const fanmap_outcome_t *o, const kept_item_t *item)
{
    parallel_row_t row;
    if (!log->file || !parallel_row(o, item, &row))
        return;
    fprintf(log->file, "%" PRIu64 "\t%.*s\t%.3f\t%10.3f\t0\t%zu\t%d\t%d\t", row.seq, row.host_len, row.host,
            row.start_s, row.run_s, row.receive, row.exit_value, row.signo);
    buf_clear(&log->command);
    if (item)
        parallel_log_command(log, item->seq, item->format, item->parts, item->n, &log->command);
    fwrite(log->command.data, 1, log->command.len, log->file);
    fputc('\n', log->file);
}

void parallel_log_flush(parallel_log_t *log)
{
    if (log->file && fflush(log->file) != 0)
        log->has_failed = true;
}

bool parallel_log_close(parallel_log_t *log)
{
    fanmap_filler_close(log->filler);
    log->filler = NULL;
    buf_free(&log->command);
    if (!log->file)
        return true;
    bool is_bad = ferror(log->file) || log->has_failed;
    is_bad |= fclose(log->file) != 0;
    log->file = NULL;
    if (is_bad)
        complain("--joblog %s: not everything could be written", log->path);
    return !is_bad;
}
