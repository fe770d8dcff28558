/* Writes outcomes to stdout, in the format that --output-format names, and errors to stderr. */
#include "cli/output.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/output_live.h"
#include "cli/progress.h"

enum { FULL_BYTES = 256 * 1024, SAID_BYTES = 300 };

/* Only these can make a writer wait. */
static bool can_block(void)
{
    struct stat st;
    return fstat(STDOUT_FILENO, &st) != 0 || S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(STDOUT_FILENO);
}

static output_format_t format_of(const char *name)
{
    if (strcmp(name, "lines") == 0)
        return OUTPUT_LINES;
    if (strcmp(name, "nul") == 0)
        return OUTPUT_NUL;
    return strcmp(name, "msgpack") == 0 ? OUTPUT_MSGPACK : OUTPUT_JSONL;
}

/* A line of JSON for each outcome: that of its record, or itself where the format is jsonl. */
static bool is_json(const output_t *output)
{
    return output->format == OUTPUT_JSONL || (output->as_records && output->format != OUTPUT_MSGPACK);
}

int output_open(output_t *output, const arguments_t *arguments, const char *standard_format)
{
    const char *format = option_text(arguments, "output-format");
    if (!format)
        format = is_switch_set(arguments, "text") ? "lines" : standard_format;
    *output = (output_t){.format = format_of(format),
                         .as_records = is_switch_set(arguments, "records") || is_switch_set(arguments, "unordered"),
                         .can_block = can_block(),
                         .shares_terminal = progress_shares_stdout(),
                         .is_raw = is_switch_set(arguments, "raw"),
                         .is_verbose = is_switch_set(arguments, "verbose"),
                         .is_topic = option_text(arguments, "to") != NULL};
    if (output->is_topic && (is_switch_set(arguments, "records") || is_switch_set(arguments, "tag") ||
                             option_text(arguments, "tagstring") || option_text(arguments, "results")))
        return fail_with(EXIT_USAGE, "--to writes each value as a record: no --records, --tag or --results with it");
    output->as_printed = arguments_have_command(arguments) && output->format == OUTPUT_LINES && !output->as_records;
    int status = tag_open(&output->tag, arguments);
    if (status == EXIT_ALL_WELL && output->tag.filler && (is_json(output) || output->format != OUTPUT_LINES)) {
        complain("--tag is for lines: not with --records or another format of the output");
        status = EXIT_USAGE;
    }
    if (status != EXIT_ALL_WELL)
        return status;
    status = results_open(&output->results, arguments);
    if (status == EXIT_ALL_WELL)
        status = output_open_live(output, arguments);
    output->keeps_items = option_text(arguments, "joblog") || output->tag.filler || output->results.kind;
    return status == EXIT_ALL_WELL ? parallel_log_open(&output->parallel_log, arguments) : status;
}

bool output_close(output_t *output)
{
    live_free(&output->live);
    buf_free(&output->waiting);
    kept_free(&output->kept);
    tag_close(&output->tag);
    buf_free(&output->tagged);
    bool is_whole = results_close(&output->results);
    return parallel_log_close(&output->parallel_log) && is_whole;
}

bool output_is_as_printed(const output_t *output)
{
    return output->as_printed;
}

const char *output_topic_format(const output_t *output, const arguments_t *arguments)
{
    bool is_given = option_text(arguments, "output-format") || is_switch_set(arguments, "text");
    if (!output->is_topic || !is_given || option_text(arguments, "to-format"))
        return NULL;
    return output->format == OUTPUT_JSONL ? "json" : output->format == OUTPUT_MSGPACK ? "msgpack" : "text";
}

const char *output_value_format(const output_t *output)
{
    return is_json(output) ? "json" : output->format == OUTPUT_MSGPACK ? "msgpack" : "text";
}

bool output_has_room(const output_t *output)
{
    return output->waiting.len - output->at < FULL_BYTES;
}

bool output_is_empty(const output_t *output)
{
    return output->at == output->waiting.len;
}

bool output_append(output_t *output, const void *bytes, size_t len)
{
    if (output_is_empty(output)) {
        output->at = 0;
        buf_clear(&output->waiting);
    }
    buf_append(&output->waiting, bytes, len);
    return !output->waiting.failed;
}

/* How much of the end of stderr says more than the message, which is its last line. */
static size_t more_of_stderr(const fanmap_outcome_t *o)
{
    size_t len = o->stderr_len;
    while (len > 0 && o->stderr_tail[len - 1] == '\n')
        len--;
    return text_is(o->stderr_tail, len, o->message) ? 0 : len;
}

static void show_failure(const output_t *output, const fanmap_outcome_t *o, const kept_item_t *item)
{
    bool is_in_output = is_json(output) || output->format == OUTPUT_MSGPACK;
    bool is_many = o->kind == FANMAP_CANCELLED || o->kind == FANMAP_DEADLINE; /* the end says how many */
    if (o->kind == FANMAP_VALUE || ((is_in_output || is_many) && !output->is_verbose))
        return;
    size_t len = output->is_shown_live ? 0 : more_of_stderr(o), said_len = len > SAID_BYTES ? SAID_BYTES : len;
    size_t printed_len = output->as_printed ? 0 : o->stdout_len > SAID_BYTES ? SAID_BYTES : o->stdout_len;
    complain("item %" PRIu64 ": %s: %s%s%.*s%s%.*s", item ? item->seq - 1 : o->index, fanmap_kind_name(o->kind),
             o->message, len ? ": " : "", (int)said_len, o->stderr_tail + len - said_len,
             printed_len ? "; it had printed: " : "", (int)printed_len, o->stdout_tail + o->stdout_len - printed_len);
}

/* What stands for the outcome in the output, without what ends it. */
static int render(const output_t *output, fanmap_job_t *job, const fanmap_outcome_t *outcome, const char **ret,
                  size_t *ret_len, fanmap_error_t *err)
{
    const void *bytes;
    if (is_json(output))
        return fanmap_outcome_json(job, outcome, output->as_records, ret, ret_len, err);
    if (output->format != OUTPUT_MSGPACK) {
        bool is_failed_command =
            outcome->kind != FANMAP_VALUE && output->as_printed; /* which has its say, as in parallel */
        *ret = is_failed_command ? outcome->stdout_tail : outcome->value;
        *ret_len = is_failed_command ? outcome->stdout_len : outcome->kind == FANMAP_VALUE ? outcome->value_len : 0;
        return FANMAP_OK;
    }
    int r = fanmap_outcome_msgpack(job, outcome, output->as_records, &bytes, ret_len, err);
    if (r == FANMAP_OK)
        *ret = bytes;
    return r;
}

/* What stands behind an outcome. What a command printed is printed as parallel -k does, and text is a line: one that
 * does not end as such is ended. */
static const char *end_of(const output_t *output, const char *line, size_t len)
{
    if (output->format == OUTPUT_MSGPACK)
        return NULL;
    if (!output->as_printed)
        return output->format == OUTPUT_NUL ? "" : "\n";
    bool is_whole = len == 0 || output->is_raw || line[len - 1] == '\n';
    return is_whole || !text_utf8_valid(line, len) ? NULL : "\n";
}

/* False: no memory. */
static bool put_text(output_t *output, const fanmap_outcome_t *o, kept_item_t *item, const char *line, size_t len)
{
    const char *end = end_of(output, line, len);
    bool is_elsewhere = output->is_shown_live || output->is_topic || output->results.kind;
    if (output->results.kind && item)
        results_put(&output->results, &output->parallel_log, o, item, line, len);
    if (is_elsewhere)
        return true;
    if (output->tag.filler) {
        buf_clear(&output->tagged);
        tag_lines(&output->tag, item, line, len, &output->tagged);
        line = (const char *)output->tagged.data;
        len = output->tagged.len;
    }
    return output_append(output, line, len) && (!end || output_append(output, end, 1));
}

int output_put(output_t *output, fanmap_job_t *job, const fanmap_outcome_t *outcome, fanmap_error_t *err)
{
    const char *line;
    size_t len;
    while (output->log && task_log_copy(output->log))
        ; /* what it printed stands there before its outcome */
    if (output->live.fn)
        live_end_item(&output->live, outcome->index); /* of one that was killed nobody says that it is over */
    output->failures += outcome->kind != FANMAP_VALUE;
    kept_item_t *item = kept_find(&output->kept, outcome->index);
    show_failure(output, outcome, item);
    parallel_log_put(&output->parallel_log, outcome, item);
    int r = render(output, job, outcome, &line, &len, err);
    if (r != FANMAP_OK)
        return r;
    bool is_stored = put_text(output, outcome, item, line, len);
    kept_drop(&output->kept, outcome->index);
    if (is_stored)
        return FANMAP_OK;
    *err = (fanmap_error_t){.code = FANMAP_ENOMEM, .message = "out of memory for what is to be printed"};
    return FANMAP_ENOMEM;
}

static bool may_write(void)
{
    struct pollfd fd = {STDOUT_FILENO, POLLOUT, 0};
    return poll(&fd, 1, 0) > 0;
}

static bool write_out(output_t *output)
{
    while (!output_is_empty(output)) {
        size_t len = output->waiting.len - output->at;
        if (output->can_block && len > PIPE_BUF)
            len = PIPE_BUF; /* what poll promises for a pipe */
        if (output->can_block && !may_write())
            break;
        ssize_t n = write(STDOUT_FILENO, output->waiting.data + output->at, len);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0 && errno != EINTR) {
            output->error = errno;
            return false;
        }
        output->at += n > 0 ? (size_t)n : 0;
    }
    return true;
}

bool output_flush(output_t *output)
{
    size_t begin = output->at;
    parallel_log_flush(&output->parallel_log);
    if (!output->shares_terminal || output_is_empty(output))
        return write_out(output);
    progress_hide();
    bool is_sound = write_out(output);
    if (output->at > begin)
        progress_again(output->waiting.data[output->at - 1] != '\n');
    return is_sound;
}
