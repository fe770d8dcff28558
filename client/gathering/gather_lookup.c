/* A gather finds its job on the jobs topic, and begins: where its reader was, as one of several, or as one who follows a stream. */
#include "client/connection/client.h"
#include "client/gathering/gather_state.h"

/* Where a reader of this name was. */
static void on_kept(fanmap_job_t *job, const bus_answer_t *stored)
{
    fanmap_error_t err;
    const char *text = stored && stored->metadata ? stored->metadata[job->spec.results_partition] : NULL;
    int r = text && *text ? gather_from(job, text, &err) : FANMAP_OK;
    if (r == FANMAP_OK)
        r = gather_begin(job, &err);
    if (r != FANMAP_OK)
        job_fail(job, &err);
}

static int begin_known(fanmap_job_t *job, bool has_end, fanmap_error_t *err)
{
    gathering_t *g = job->gathering;
    bool is_stream = job->spec.stream != STREAM_NOT;
    bool is_shared = options_text(job->options, OPT_SHARE) != NULL;
    if (is_stream && is_shared)
        return err_set(err, FANMAP_EUSAGE, "%s is a stream: it is the list of a job that can be shared", job->id);
    if (is_stream && g->from)
        return err_set(err, FANMAP_EUSAGE, "%s is a stream, whose places are LANE:OFFSET,...", job->id);
    if (is_stream && g->output)
        return err_set(err, FANMAP_EUSAGE, "%s is a stream: fanmap stream --to writes what comes of it", job->id);
    if (is_stream)
        return follow_begin(job, g->place, has_end, &g->follow, err);
    if (g->place)
        return err_set(err, FANMAP_EUSAGE, "\"%.40s\" is neither an index nor a position of a job, which %s is",
                       g->place, job->id);
    int r = lookup_check_list(job->queue, &job->spec, err);
    if (r == FANMAP_OK && g->output)
        return gather_open_output(job, on_kept, err);
    if (r == FANMAP_OK && is_shared)
        return queue_wait(job, job->spec.queue, job->spec.task, gather_on_items, err);
    if (r != FANMAP_OK || !options_text(job->options, OPT_AS))
        return r == FANMAP_OK ? gather_begin(job, err) : r;
    char results[TOPIC_NAME_MAX];
    name_shared(results, job->f->namespace_name, NAME_RESULTS);
    return gather_open_place(job, job->queue->results, results, job->spec.results_partition + 1, on_kept, err);
}

static void on_looked_up(void *arg, const lookup_result_t *result)
{
    fanmap_job_t *job = arg;
    gathering_t *g = job->gathering;
    fanmap_error_t err;
    lookup_free(g->lookup);
    g->lookup = NULL;
    if (!result->view.is_known) {
        job_fail(job, err_of(FANMAP_ENOJOB, "there is no job %s in namespace %s", job->id, job->f->namespace_name));
        return;
    }
    job->spec = result->spec;
    g->has_end_copy = result->view.has_end && result->view.counts.is_known;
    job->is_paused = result->view.paused;
    if (begin_known(job, result->view.has_end, &err) != FANMAP_OK)
        job_fail(job, &err);
}

void gather_lookup(fanmap_job_t *job)
{
    fanmap_error_t err;
    if (lookup_begin(job->queue, job->id, on_looked_up, job, &job->gathering->lookup, &err) != FANMAP_OK)
        job_fail(job, &err);
}
