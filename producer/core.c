/* The core's front: events go to the part that they concern, then whatever has become due is said. start.c brings the
 * job into Kafka, compare.c holds an input that is read again against it, publish.c the items and what is to be said of
 * them, close.c ends it. An event that comes too late for the phase changes nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "producer/state.h"

static void begin_at_prefix(producer_t *p, const prior_t *prior)
{
    window_begin_at(&p->window, prior->prefix, prior->chain, prior->offsets);
    p->refused.pack = 1; /* pack 0 is what the log had before */
    p->progress.prefix = p->progress.stored = prior->prefix;
    p->spec_put = true;
}

producer_t *producer_new(const producer_config_t *config)
{
    producer_t *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->config = *config;
    if (p->config.ahead_n < 1)
        p->config.ahead_n = 1;
    if (!config->prior)
        p->config.spec.start_offset = -1;
    p->owner_ms = INT64_MIN;
    uint32_t partitions = config->spec.items_partitions;
    bool has_window = window_init(&p->window, config->spec.job, partitions, config->outbox_n);
    p->progress.offsets = malloc(partitions * sizeof *p->progress.offsets);
    if (!has_window || !p->progress.offsets) {
        producer_free(p);
        return NULL;
    }
    if (config->prior)
        begin_at_prefix(p, config->prior);
    return p;
}

void producer_free(producer_t *p)
{
    if (!p)
        return;
    window_free(&p->window);
    queue_free(&p->queue);
    refused_free(&p->refused);
    buf_free(&p->values);
    free(p->progress.offsets);
    free(p->source_error);
    free(p);
}

/* ---- events ---- */

static void on_end_input(producer_t *p, const char *source_error)
{
    if (p->input_ended)
        return;
    p->input_ended = true;
    if (source_error) {
        p->source_error = strndup(source_error, REFUSED_MESSAGE_MAX);
        if (!p->source_error)
            p->out_of_memory = true;
    }
    if (p->phase == PHASE_COMPARING)
        compare_end_input(p);
}

/* Only a spec with far too many bound arguments gets here: everything else that the producer says is small. */
static void on_record_refused(producer_t *p)
{
    fanmap_error_t error;
    err_set(&error, FANMAP_EUSAGE, "the broker refuses the spec of job %s: its bound arguments are too large",
            p->config.spec.job);
    actions_fail(p, &error);
}

static void on_input_stored(producer_t *p)
{
    p->settled = true;
    if (!p->config.attached && p->phase == PHASE_PUBLISHING)
        close_finish(p);
}

static void on_halted(producer_t *p)
{
    p->was_halted |= !p->input_put && p->phase <= PHASE_PUBLISHING;
}

static void on_stored(producer_t *p, uint64_t cookie, int64_t offset)
{
    if (offset < 0) {
        on_record_refused(p);
        return;
    }
    record_kind_t what = (record_kind_t)(cookie & RECORD_MASK);
    uint64_t number = cookie >> RECORD_BITS;
    switch (what) {
    case RECORD_START:
    case RECORD_ANNOUNCE:
    case RECORD_SPEC:
        start_stored(p, what, offset);
        break;
    case RECORD_PROGRESS:
        publish_progress_stored(p, number);
        break;
    case RECORD_REFUSED:
        window_packs_stored(&p->window, number + 1);
        break;
    case RECORD_INPUT:
        on_input_stored(p);
        break;
    case RECORD_END:
    case RECORD_JOBS_END:
        close_stored(p, what);
        break;
    }
}

static void on_event(producer_t *p, const producer_event_t *event)
{
    switch (event->type) {
    case PRODUCER_BEGIN:
        start_begin(p);
        break;
    case PRODUCER_TABLE:
        start_table(p, event->ok);
        break;
    case PRODUCER_LOG_STORED:
    case PRODUCER_JOBS_STORED:
        on_stored(p, event->cookie, event->offset);
        break;
    case PRODUCER_ITEM:
        publish_item(p, event);
        break;
    case PRODUCER_ITEM_STORED:
        window_stored(&p->window, event->index, event->offset);
        break;
    case PRODUCER_ITEM_REFUSED:
        publish_refused(p, event->index);
        break;
    case PRODUCER_END_INPUT:
        on_end_input(p, event->message);
        break;
    case PRODUCER_LOG_CHECKED:
        start_checked(p, event);
        break;
    case PRODUCER_SCANNED:
        p->unmet &= ~(unsigned)UNMET_SCAN;
        break;
    case PRODUCER_ANNOUNCED:
        start_announced(p, event->announced);
        break;
    case PRODUCER_HALTED:
        on_halted(p);
        break;
    case PRODUCER_DECIDED:
        close_decided(p, event);
        break;
    case PRODUCER_CANCEL:
        close_cancel(p, event->reason);
        break;
    case PRODUCER_KNOWN:
        p->known = event->known;
        p->waiting_bytes = event->waiting_bytes;
        break;
    case PRODUCER_TICK:
        break;
    }
}

void producer_step(producer_t *p, const producer_event_t *event, producer_actions_t *actions)
{
    actions_begin(p, actions);
    p->now_ms = event->now_ms;
    if (p->phase != PHASE_OVER) {
        on_event(p, event);
        publish_due(p);
    }
    actions_end(p);
}

/* ---- what is known ---- */

bool producer_writable(const producer_t *p)
{
    if (p->input_ended || p->phase > PHASE_PUBLISHING)
        return false;
    if (p->phase == PHASE_COMPARING)
        return true;
    if (p->phase < PHASE_PUBLISHING || p->unmet)
        return queue_has_room(&p->queue);
    return p->queue.n == 0 && publish_open(p);
}

bool producer_is_cut(const producer_t *p)
{
    return p->was_halted && p->input_ended;
}

bool producer_settled(const producer_t *p)
{
    return p->settled;
}

uint64_t producer_published(const producer_t *p)
{
    return p->window.next;
}

uint64_t producer_acknowledged(const producer_t *p)
{
    return p->window.prefix;
}

const spec_t *producer_spec(const producer_t *p)
{
    return &p->config.spec;
}

const char *producer_announcement(const producer_t *p)
{
    return p->config.announce;
}
