/* Where a reader begins, where it stands, and what of that is kept in Kafka. */
#include <stdlib.h>
#include <string.h>

#include "client/connection/client.h"
#include "client/gathering/gather_state.h"

int gather_from(fanmap_job_t *job, const char *text, fanmap_error_t *err)
{
    gathering_t *g = job->gathering;
    bool is_place = strpbrk(text, ":;") != NULL;
    free(g->place);
    free(g->from);
    g->from = NULL;
    g->place = is_place ? strdup(text) : NULL;
    g->from = is_place ? NULL : malloc(sizeof *g->from);
    if (!g->from && !g->place)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    if (is_place)
        return FANMAP_OK;
    if (!position_decode(text, strlen(text), g->from))
        return err_set(err, FANMAP_EUSAGE, "\"%.40s\" is neither an index nor a position that was given here", text);
    if (g->from->kind != POSITION_INDEX && (g->from->kind == POSITION_ORDERED) == g->is_unordered)
        return err_set(err, FANMAP_EUSAGE, "the position is one of a reader %s --unordered: be that again",
                       g->is_unordered ? "without" : "with");
    return FANMAP_OK;
}

int gather_open_place(fanmap_job_t *job, bus_topic_t *topic, const char *topic_name, uint32_t n, kept_place_fn ready,
                      fanmap_error_t *err)
{
    return kept_place_open(job, topic, topic_name, n, ready, &job->gathering->kept, err);
}

job_output_t *gather_output(const fanmap_job_t *job)
{
    return job->gathering->output;
}

static void on_output(fanmap_job_t *job)
{
    char results[TOPIC_NAME_MAX];
    fanmap_error_t err;
    name_shared(results, job->f->namespace_name, NAME_RESULTS);
    if (gather_open_place(job, job->queue->results, results, job->spec.results_partition + 1, job->gathering->ready,
                          &err) != FANMAP_OK)
        job_fail(job, &err);
    loop_wake(job->f->loop);
}

int gather_open_output(fanmap_job_t *job, kept_place_fn ready, fanmap_error_t *err)
{
    job->gathering->ready = ready;
    return job_output_open(job->gathering->output, on_output, err);
}

static bool has_place(const fanmap_job_t *job)
{
    const gathering_t *g = job->gathering;
    return g->kept && !kept_place_is_busy(g->kept) && !job->error.code;
}

bool gather_output_takes(const fanmap_job_t *job)
{
    return !job->gathering->output || has_place(job);
}

void gather_end_output(fanmap_job_t *job)
{
    fanmap_error_t err;
    if (!has_place(job) || job->is_abandoned)
        return;
    if (gather_store_place(job, job_output_n(job->gathering->output), &err) != FANMAP_OK)
        job_fail(job, &err);
    loop_wake(job->f->loop);
}

int gather_put_output(fanmap_job_t *job, outcome_t *outcome, fanmap_error_t *err)
{
    gathering_t *g = job->gathering;
    int r = g->output ? job_output_put(g->output, kept_place_writer(g->kept), outcome, err) : FANMAP_OK;
    if (r == FANMAP_OK && g->output && job_output_is_full(g->output))
        gather_end_output(job);
    return r;
}

bool gather_output_is_stored(fanmap_job_t *job)
{
    const gathering_t *g = job->gathering;
    if (!g->output || (g->kept && kept_place_mark(g->kept) >= job_output_n(g->output)))
        return true;
    gather_end_output(job);
    return false;
}

static void on_map_place(fanmap_job_t *job, const bus_answer_t *stored)
{
    (void)stored;
    job->gathering->then(job);
}

bool gather_output_may_begin(fanmap_job_t *job, queue_ready_fn then)
{
    gathering_t *g = job->gathering;
    fanmap_error_t err;
    bool is_asked = g->then != NULL;
    if (!g->output || (g->kept && !kept_place_is_busy(g->kept)))
        return true;
    g->then = then;
    if (!is_asked && gather_open_output(job, on_map_place, &err) != FANMAP_OK)
        job_fail(job, &err);
    return false;
}

follow_t *gather_follow(const fanmap_job_t *job)
{
    return job->gathering->follow;
}

kept_place_t *gather_kept_place(const fanmap_job_t *job)
{
    return job->gathering->kept;
}

/* One that is longer than it may be says how many were handed out, and no more. */
static bool put_list_position(const fanmap_job_t *job, buf_t *b, size_t len_max)
{
    const gathering_t *g = job->gathering;
    position_t *position = malloc(sizeof *position);
    if (!position)
        return false;
    if (g->list)
        reading_position(&g->reading, g->list, position_job(&job->spec), position);
    else if (g->from)
        *position = *g->from;
    else
        *position = (position_t){.kind = POSITION_INDEX};
    position_encode(b, position);
    if (b->len > len_max) {
        buf_clear(b);
        position->kind = POSITION_COUNT;
        position_encode(b, position);
    }
    free(position);
    return !b->failed;
}

bool gather_put_position(const fanmap_job_t *job, buf_t *b)
{
    const gathering_t *g = job->gathering;
    if (g->follow || g->place) {
        if (g->follow)
            follow_put_place(g->follow, b);
        else
            buf_append_text(b, g->place);
        return !b->failed;
    }
    return put_list_position(job, b, POSITION_TEXT_MAX);
}

bool gather_is_storing(const fanmap_job_t *job)
{
    const gathering_t *g = job->gathering;
    if (g->share)
        return share_is_busy(g->share);
    return !g->kept || kept_place_is_busy(g->kept);
}

uint64_t gather_stored_mark(const fanmap_job_t *job)
{
    const gathering_t *g = job->gathering;
    if (g->share)
        return share_mark(g->share);
    return g->kept ? kept_place_mark(g->kept) : 0;
}

int gather_store_place(fanmap_job_t *job, uint64_t mark, fanmap_error_t *err)
{
    gathering_t *g = job->gathering;
    buf_t text = {0};
    if (g->share) {
        share_store(g->share, mark);
        return FANMAP_OK;
    }
    if (g->output)
        job_output_ends(g->output);
    if (!kept_place_has_name(g->kept))
        return kept_place_store(g->kept, NULL, 0, mark, err);
    if (g->follow)
        return follow_store_place(g->follow, g->kept, mark, err);
    (void)put_list_position(job, &text, KEPT_TEXT_MAX);
    buf_append(&text, "", 1);
    int r = text.failed ? err_set(err, FANMAP_ENOMEM, "out of memory") : FANMAP_OK;
    const bus_position_t position = {(int32_t)job->spec.results_partition, g->reading.next_offset,
                                     (const char *)text.data};
    if (r == FANMAP_OK)
        r = kept_place_store(g->kept, &position, 1, mark, err);
    buf_free(&text);
    return r;
}
