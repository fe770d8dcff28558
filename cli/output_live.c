#include "cli/output_live.h"

#include <errno.h>
#include <stdio.h>

#include "base/text.h"
#include "cli/progress.h"

static bool is_asked_for(const arguments_t *arguments)
{
    return is_switch_set(arguments, "line-buffer") || is_switch_set(arguments, "ungroup");
}

static bool print_bytes(output_t *output, int stream, const void *bytes, size_t len)
{
    if (stream == LIVE_STDOUT)
        return output_append(output, bytes, len);
    progress_hide();
    fwrite(bytes, 1, len, stderr);
    progress_again(len > 0 && ((const char *)bytes)[len - 1] != '\n');
    return true;
}

/* Text is a line: one that does not end as such when its attempt does is ended. */
static void print_lines(output_t *output, kept_item_t *item, const live_attempt_t *attempt, int stream,
                        const char *bytes, size_t len)
{
    bool is_open = output->live.by_lines && attempt->is_over && bytes[len - 1] != '\n' && !output->is_raw &&
                   text_utf8_valid(bytes, len);
    buf_clear(&output->tagged);
    if (output->tag.filler && output->live.by_lines)
        tag_lines(&output->tag, item, bytes, len, &output->tagged);
    else
        buf_append(&output->tagged, bytes, len);
    buf_append(&output->tagged, "\n", is_open);
    if (output->tagged.failed || !print_bytes(output, stream, output->tagged.data, output->tagged.len))
        output->error = ENOMEM;
}

static void on_live(void *arg, const live_attempt_t *attempt, int stream, const char *bytes, size_t len)
{
    output_t *output = arg;
    kept_item_t *item = kept_find(&output->kept, attempt->index);
    if (item && item->attempt != attempt->attempt) {
        item->attempt = attempt->attempt;
        item->printed_n = 0;
        buf_clear(&item->said);
    }
    if (item && stream == LIVE_STDOUT)
        item->printed_n += len;
    if (output->results.kind) {
        if (item)
            results_take(&output->results, item, attempt, stream, bytes, len);
    } else if (bytes && len > 0) {
        print_lines(output, item, attempt, stream, bytes, len);
    }
}

int output_open_live(output_t *output, const arguments_t *arguments)
{
    bool is_embedded = is_switch_set(arguments, "local") && arguments_have_command(arguments);
    output->is_shown_live = is_asked_for(arguments);
    if (output->is_shown_live && (!is_embedded || !output->as_printed))
        return fail_with(
            EXIT_USAGE,
            "--line-buffer and --ungroup are for --local with -- CMD or --sh, and lines; of a job on a fleet "
            "fanmap logs --follow JOB shows what its attempts write");
    if (!output->is_shown_live && !(output->results.kind && is_embedded))
        return EXIT_ALL_WELL;
    output->live = (live_t){
        .by_lines = !is_switch_set(arguments, "ungroup") && !output->results.kind, .fn = on_live, .arg = output};
    return EXIT_ALL_WELL;
}

const char *output_command_copy(const output_t *output)
{
    bool has_rows = output->results.kind == RESULTS_CSV || output->results.kind == RESULTS_JSON;
    return !output->live.fn ? NULL : has_rows ? "beside" : "instead";
}

void output_listen(output_t *output, task_log_t *log)
{
    log->live = &output->live;
    output->log = log;
}
