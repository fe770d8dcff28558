/* The program that maps: the real producer core, and the real list and order over what it reads back, as client/map.c
 * does it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { BLOCKED_MS = 100, INPUT_AT_ONCE = 8, CHECK_NOTHING = -1 };

static void step(sim_t *sim, job_t *job, producer_event_t *event);

static void simple_step(sim_t *sim, job_t *job, producer_event_type_t type)
{
    step(sim, job, &(producer_event_t){.type = type});
}

static void on_tick(sim_t *sim, event_t *event)
{
    job_t *job = event->to->self;
    if (event->x != job->tick_ms)
        return;
    job->tick_ms = INT64_MAX;
    simple_step(sim, job, PRODUCER_TICK);
}

static void arm_tick(sim_t *sim, job_t *job)
{
    int64_t next_ms = producer_next_ms(job->producer);
    if (next_ms == INT64_MAX)
        return;
    next_ms -= job->process.clock_off_ms;
    if (next_ms <= sim->clock.now_ms)
        next_ms = sim->clock.now_ms + 1;
    if (next_ms >= job->tick_ms)
        return;
    job->tick_ms = next_ms;
    clock_tell(&sim->clock, next_ms - sim->clock.now_ms, &job->process, on_tick)->x = next_ms;
}

/* ---- reports ---- */

static void on_log_stored(sim_t *sim, event_t *event)
{
    step(sim, event->to->self,
         &(producer_event_t){.type = PRODUCER_LOG_STORED, .cookie = event->a, .offset = event->x});
    maker_poke(sim, (int32_t)event->b);
}

static void on_jobs_stored(sim_t *sim, event_t *event)
{
    step(sim, event->to->self,
         &(producer_event_t){.type = PRODUCER_JOBS_STORED, .cookie = event->a, .offset = event->x});
}

static void on_item_stored(sim_t *sim, event_t *event)
{
    producer_event_t stored = {.type = event->x < 0 ? PRODUCER_ITEM_REFUSED : PRODUCER_ITEM_STORED,
                               .index = event->a,
                               .partition = (int32_t)event->b,
                               .offset = event->x};
    step(sim, event->to->self, &stored);
}

static void on_table(sim_t *sim, event_t *event)
{
    step(sim, event->to->self, &(producer_event_t){.type = PRODUCER_TABLE, .ok = event->b != 0});
}

/* ---- reading back ---- */

/* The same bytes for the same list, whoever reads it. */
void output_put(buf_t *b, const outcome_t *outcome)
{
    buf_printf(b, "%llu %u %d ", (unsigned long long)outcome->index, outcome->attempts, (int)outcome->kind);
    if (outcome->kind == FANMAP_VALUE)
        buf_append(b, outcome->value, outcome->value_len);
    buf_printf(b, "%.*s\n", (int)outcome->message_len, outcome->message != NULL ? outcome->message : "");
}

static void hand_out(sim_t *sim, job_t *job)
{
    outcome_t outcome;
    fanmap_error_t err;
    int r;
    while ((r = order_next(job->order, &outcome, &err)) == FANMAP_OK)
        output_put(&job->output, &outcome);
    if (r < 0)
        sim_break(sim, "%s: order_next: %s", job->id, err.message);
}

typedef struct {
    sim_t *sim;
    job_t *job;
} reader_arg_t;

static void on_outcome(void *arg, const outcome_t *outcome)
{
    const reader_arg_t *to = arg;
    fanmap_error_t err;
    if (order_hand_through(to->job->order, outcome))
        output_put(&to->job->output, outcome);
    else if (order_put(to->job->order, outcome, &err) != FANMAP_OK)
        sim_break(to->sim, "%s: order_put: %s", to->job->id, err.message);
}

static void on_decided(void *arg, uint64_t n, list_state_t state, end_reason_t reason, fanmap_kind_t missing)
{
    const reader_arg_t *to = arg;
    to->job->is_decided = true;
    to->job->n = n;
    to->job->state = state;
    to->job->reason = reason;
    order_decide(to->job->order, n, missing);
}

static void tell_known(sim_t *sim, job_t *job)
{
    uint64_t known = list_known(job->list);
    if (known != job->known_told) {
        job->known_told = known;
        step(sim, job,
             &(producer_event_t){
                 .type = PRODUCER_KNOWN, .known = known, .waiting_bytes = order_waiting_bytes(job->order)});
    }
    if (job->is_decided && !job->decided_told) {
        job->decided_told = true;
        sim_say(sim, "%s is decided: %llu entries, state %d, reason %d", job->id, (unsigned long long)job->n,
                (int)job->state, (int)job->reason);
        step(sim, job, &(producer_event_t){.type = PRODUCER_DECIDED, .reason = job->reason});
    }
}

static void answer_check(sim_t *sim, job_t *job)
{
    if (!job->is_checking || job->check_end == CHECK_NOTHING || job->read_offset < job->check_end)
        return;
    job->is_checking = false;
    step(sim, job,
         &(producer_event_t){.type = PRODUCER_LOG_CHECKED,
                             .announced = list_producer(job->list),
                             .closed = list_state(job->list) != LIST_OPEN,
                             .reason = job->reason});
}

static void on_read(sim_t *sim, event_t *event)
{
    job_t *job = event->to->self;
    int32_t partition = (int32_t)job->spec.results_partition;
    if (!kafka_reaches(sim, &job->process)) {
        clock_again(&sim->clock, event, BLOCKED_MS);
        return;
    }
    job->is_reading = false;
    while (job->read_offset < kafka_log_end(sim, TOPIC_RESULTS, partition)) {
        const record_t *record = kafka_record(sim, TOPIC_RESULTS, partition, job->read_offset);
        uint8_t *key = take_copy(record->key, record->key_len), *value = take_copy(record->value, record->value_len);
        list_record(job->list, job->read_offset, key, record->key_len, value, record->value_len);
        job->read_offset++;
        free(key);
        free(value);
    }
    hand_out(sim, job);
    tell_known(sim, job);
    answer_check(sim, job);
}

static void poke(sim_t *sim, job_t *job)
{
    if (job->process.state == PROCESS_DEAD || job->is_reading)
        return;
    job->is_reading = true;
    clock_tell(&sim->clock, kafka_latency_ms(sim), &job->process, on_read);
}

void maker_poke(sim_t *sim, int32_t results_partition)
{
    for (size_t j = 0; j < sim->jobs_n; j++)
        if (sim->jobs[j].producer != NULL && (int32_t)sim->jobs[j].spec.results_partition == results_partition)
            poke(sim, &sim->jobs[j]);
}

static void on_check_end(sim_t *sim, event_t *event)
{
    job_t *job = event->to->self;
    if (!kafka_reaches(sim, &job->process)) {
        clock_again(&sim->clock, event, BLOCKED_MS);
        return;
    }
    job->check_end = kafka_log_end(sim, TOPIC_RESULTS, (int32_t)job->spec.results_partition);
    poke(sim, job);
}

/* ---- actions ---- */

static void put(sim_t *sim, job_t *job, const producer_action_t *action)
{
    const char *key = action->type == PRODUCER_PUT_JOBS ? action->key : job->id;
    int topic = action->type == PRODUCER_PUT_JOBS  ? TOPIC_JOBS
                : action->type == PRODUCER_PUT_LOG ? TOPIC_RESULTS
                                                   : TOPIC_ITEMS;
    int32_t partition = topic == TOPIC_JOBS      ? 0
                        : topic == TOPIC_RESULTS ? (int32_t)job->spec.results_partition
                                                 : action->partition;
    event_fn report = topic == TOPIC_JOBS ? on_jobs_stored : topic == TOPIC_RESULTS ? on_log_stored : on_item_stored;
    kafka_produce(sim, &job->process, topic, partition, key, strlen(key), action->value, action->value_len,
                  action->cookie, report);
}

static void carry_out(sim_t *sim, job_t *job, const producer_action_t *action)
{
    switch (action->type) {
    case PRODUCER_CREATE_TABLE:
        redis_create(sim, &job->process, &job->spec, on_table);
        break;
    case PRODUCER_PUT_LOG:
    case PRODUCER_PUT_JOBS:
    case PRODUCER_PUT_ITEM:
        put(sim, job, action);
        break;
    case PRODUCER_CHECK_LOG:
        job->is_checking = true;
        job->check_end = CHECK_NOTHING;
        clock_tell(&sim->clock, kafka_latency_ms(sim), &job->process, on_check_end);
        break;
    case PRODUCER_READ_LOG:
    case PRODUCER_SCAN:
        break;
    case PRODUCER_FINISHED:
        sim_say(sim, "the producer of %s has finished", job->id);
        job->is_finished = true;
        break;
    case PRODUCER_FAILED:
        sim_break(sim, "%s: the producer failed: %s", job->id, action->error.message);
        break;
    }
}

static void step(sim_t *sim, job_t *job, producer_event_t *event)
{
    event->now_ms = sim->clock.now_ms + job->process.clock_off_ms;
    producer_actions_t actions = {0}; /* of its own: a step can follow from within another's events only */
    producer_step(job->producer, event, &actions);
    if (actions.failed)
        sim_break(sim, "%s: the producer is out of memory", job->id);
    for (size_t i = 0; i < actions.n; i++)
        carry_out(sim, job, &actions.at[i]);
    producer_actions_free(&actions);
    if (job->producer != NULL)
        arm_tick(sim, job);
}

/* ---- input ---- */

static void push(sim_t *sim, job_t *job)
{
    producer_event_t event = {.type = PRODUCER_ITEM, .kind = FANMAP_VALUE};
    buf_t in = {0};
    if (plan_source(sim, job->number, job->next_input) == FANMAP_BAD_INPUT) {
        event.kind = FANMAP_BAD_INPUT;
        event.message = "planned";
    } else {
        plan_input(&in, job->hash, job->next_input);
        event.in = in.data;
        event.in_len = in.len;
    }
    job->next_input++;
    step(sim, job, &event);
    buf_free(&in);
}

static void on_input(sim_t *sim, event_t *event)
{
    job_t *job = event->to->self;
    for (int i = 0; i < INPUT_AT_ONCE && job->next_input < job->items_n && producer_writable(job->producer); i++)
        push(sim, job);
    if (job->is_decided)
        return;
    if (job->next_input < job->items_n) {
        clock_again(&sim->clock, event, sim->scenario.is_golden ? 1 : dice_between(&sim->clock, 1, 40));
        return;
    }
    if (!job->input_told) {
        job->input_told = true;
        step(sim, job,
             &(producer_event_t){.type = PRODUCER_END_INPUT, .message = job->has_source_error ? "broken off" : NULL});
    }
}

static void on_begin(sim_t *sim, event_t *event)
{
    job_t *job = event->to->self;
    sim_say(sim, "%s begins: %llu items, N %llu, %u retries", job->id, (unsigned long long)job->items_n,
            (unsigned long long)job->spec.concurrency, job->spec.retries);
    simple_step(sim, job, PRODUCER_BEGIN);
    clock_tell(&sim->clock, 1, &job->process, on_input);
}

void maker_start(sim_t *sim, job_t *job)
{
    process_begin(&job->process, job->id, job);
    process_start(&job->process);
    job->process.clock_off_ms = sim->scenario.is_golden ? 0 : dice_between(&sim->clock, 0, 100000000);
    producer_config_t config = {.spec = job->spec,
                                .ahead_n = 1 + dice(&sim->clock, 200),
                                .spill_bytes = 1 << 20,
                                .attached = true,
                                .outbox_n = 1 + dice(&sim->clock, 100)};
    snprintf(config.announce, sizeof config.announce, "announce-%s", job->id);
    reader_arg_t *arg = take(sizeof *arg);
    *arg = (reader_arg_t){sim, job};
    job->reader_arg = arg;
    fanmap_error_t err;
    job->producer = producer_new(&config);
    job->list = list_new(job->id, &(list_callbacks_t){.outcome = on_outcome, .decided = on_decided}, arg);
    if (job->producer == NULL || job->list == NULL ||
        order_new(sim->scenario.order_memory, NULL, &job->order, &err) != 0)
        abort();
    job->tick_ms = INT64_MAX;
    clock_tell(&sim->clock, job->begin_ms, &job->process, on_begin);
}

void maker_cancel(sim_t *sim, job_t *job)
{
    if (job->process.state != PROCESS_RUNS || job->is_decided || job->cancel_told ||
        producer_spec(job->producer)->start_offset < 0)
        return;
    job->cancel_told = true;
    sim_say(sim, "%s is cancelled", job->id);
    step(sim, job, &(producer_event_t){.type = PRODUCER_CANCEL, .reason = END_CANCEL});
}

void maker_end(job_t *job)
{
    producer_free(job->producer);
    list_free(job->list);
    list_free(job->truth);
    order_free(job->order);
    buf_free(&job->output);
    free(job->reader_arg);
}
