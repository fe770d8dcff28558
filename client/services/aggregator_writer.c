/* One file: the job's log is gathered again from its start, as any gather does it, line by line into the part, which at
 * the end gets its name. A gather that stops because the job was stopped, or its input broke off, has its whole list
 * all the same. */
#include <inttypes.h>
#include <string.h>

#include "client/services/grower.h"

static void writer_end(writer_t *writer, watch_result_t result)
{
    fanmap_aggregator_t *a = writer->of;
    if (a->grows && result != WATCH_FAILED)
        grower_forget_part(a->dir, writer->task.job);
    result_file_abort(&writer->file);
    fanmap_job_close(writer->job, true);
    watch_ended(a->watch, writer->task.number, result, loop_clock_ms());
    writer->job = NULL;
    writer->of = NULL;
}

/* Said once for as long as it is the same. */
static void writer_fail(writer_t *writer, const fanmap_error_t *err)
{
    fanmap_aggregator_t *a = writer->of;
    const char *reason = strrchr(err->message, ':'); /* the path before it changes from file to file */
    reason = reason ? reason : err->message;
    bool is_new = strcmp(a->trouble, reason) != 0;
    memcpy(a->trouble, reason, strlen(reason) + 1);
    writer_end(writer, WATCH_FAILED);
    if (is_new)
        aggregator_log(a, FANMAP_LOG_ERROR, "%s; %zu files wait; trying again at least every %d s", err->message,
                       watch_waiting_n(a->watch), WATCH_RETRY_MAX_MS / 1000);
}

static void on_outcome(void *arg, fanmap_job_t *job, const fanmap_outcome_t *outcome)
{
    writer_t *writer = arg;
    fanmap_error_t err;
    const char *line;
    size_t len;
    int r = fanmap_outcome_json(job, outcome, writer->of->as_records, &line, &len, &err);
    if (r == FANMAP_OK)
        r = result_file_append(&writer->file, line, len, &err);
    if (r == FANMAP_OK)
        r = result_file_append(&writer->file, "\n", 1, &err);
    if (r != FANMAP_OK) {
        writer_fail(writer, &err);
        return;
    }
    writer->outcomes_n++;
    writer->failed_n += outcome->kind != FANMAP_VALUE;
}

static void writer_finish(writer_t *writer)
{
    fanmap_aggregator_t *a = writer->of;
    fanmap_error_t err;
    bool was_there;
    if (result_file_finish(&writer->file, &was_there, &err) != FANMAP_OK) {
        writer_fail(writer, &err);
        return;
    }
    if (!was_there)
        aggregator_log(a, FANMAP_LOG_INFO, "job %s: %" PRIu64 " outcomes, %" PRIu64 " failed: %s/%s", writer->task.job,
                       writer->outcomes_n, writer->failed_n, a->dir, writer->file.final);
    writer_end(writer, WATCH_WRITTEN);
    if (!a->trouble[0] || watch_failed_n(a->watch) > 0)
        return;
    a->trouble[0] = '\0';
    aggregator_log(a, FANMAP_LOG_INFO, "%s can be written again", a->dir);
}

static void on_end(void *arg, fanmap_job_t *job, int result, const fanmap_error_t *err)
{
    writer_t *writer = arg;
    fanmap_aggregator_t *a = writer->of;
    if (gather_decision(job)->is_decided && !job->error.code) {
        writer_finish(writer);
        return;
    }
    if (result == FANMAP_EIO || result == FANMAP_ENOMEM) { /* the spill disk, perhaps */
        writer_fail(writer, err);
        return;
    }
    aggregator_log(a, FANMAP_LOG_ERROR, "job %s gets no file: %s", writer->task.job,
                   err ? err->message : "its log ended early");
    writer_end(writer, WATCH_GIVEN_UP);
}

void writer_begin(writer_t *writer, fanmap_aggregator_t *a, const watch_task_t *task)
{
    fanmap_error_t err;
    *writer = (writer_t){.of = a, .task = *task, .file = {.fd = -1, .dir_fd = -1}};
    writer->waits = grower_of(a, task->job) != NULL;
    if (writer->waits)
        return;
    if (a->grows && result_file_is_whole(a->dir, task->job, task->submitted_ms)) {
        writer_end(writer, WATCH_WRITTEN);
        return;
    }
    int r = result_file_open(&writer->file, a->dir, task->job, a->owner, task->submitted_ms, &err);
    if (r == FANMAP_OK)
        r = gather_at(a->f, task->job, task->partition, task->start_offset, a->options, &writer->job, &err);
    if (r != FANMAP_OK) {
        writer_fail(writer, &err);
        return;
    }
    fanmap_on(writer->job, on_outcome, on_end, NULL, writer);
}

void writer_abort(writer_t *writer)
{
    if (!writer->of)
        return;
    result_file_abort(&writer->file);
    fanmap_job_close(writer->job, true);
    writer->job = NULL;
    writer->of = NULL;
}
