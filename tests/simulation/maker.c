/* The program that maps: the real producer core, and the real list and order over what it reads back, as client/mapping/map.c
 * does it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { BLOCKED_MS = 100, INPUT_AT_ONCE = 8, CHECK_NOTHING = -1 };

static void step(sim_t *sim, maker_t *m, producer_event_t *event);

static void simple_step(sim_t *sim, maker_t *m, producer_event_type_t type)
{
    step(sim, m, &(producer_event_t){.type = type});
}

static void on_tick(sim_t *sim, event_t *event)
{
    maker_t *m = event->to->self;
    if (event->x != m->tick_ms)
        return;
    m->tick_ms = INT64_MAX;
    simple_step(sim, m, PRODUCER_TICK);
}

static void arm_tick(sim_t *sim, maker_t *m)
{
    int64_t next_ms = producer_next_ms(m->producer);
    if (next_ms == INT64_MAX)
        return;
    next_ms -= m->process.clock_off_ms;
    if (next_ms <= sim->clock.now_ms)
        next_ms = sim->clock.now_ms + 1;
    if (next_ms >= m->tick_ms)
        return;
    m->tick_ms = next_ms;
    clock_tell(&sim->clock, next_ms - sim->clock.now_ms, &m->process, on_tick)->x = next_ms;
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
    const maker_t *m = event->to->self;
    producer_event_t stored = {.type = event->x < 0 ? PRODUCER_ITEM_REFUSED : PRODUCER_ITEM_STORED,
                               .index = event->a,
                               .partition = (int32_t)event->b - m->job->lanes_from,
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

static void hand_out(sim_t *sim, maker_t *m)
{
    outcome_t outcome;
    fanmap_error_t err;
    int r;
    while ((r = order_next(m->order, &outcome, &err)) == FANMAP_OK)
        output_put(&m->output, &outcome);
    if (r < 0)
        sim_break(sim, "%s: order_next: %s", m->job->id, err.message);
}

typedef struct {
    sim_t *sim;
    maker_t *m;
} reader_arg_t;

static void on_outcome(void *arg, const outcome_t *outcome)
{
    const reader_arg_t *to = arg;
    fanmap_error_t err;
    if (order_put(to->m->order, outcome, &err) != FANMAP_OK)
        sim_break(to->sim, "%s: order_put: %s", to->m->job->id, err.message);
}

static void on_decided(void *arg, uint64_t n, list_state_t state, end_reason_t reason, fanmap_kind_t missing)
{
    const reader_arg_t *to = arg;
    to->m->is_decided = true;
    to->m->decided_ms = to->sim->clock.now_ms;
    to->m->n = n;
    to->m->state = state;
    to->m->reason = reason;
    order_decide(to->m->order, n, missing);
}

static void tell_known(sim_t *sim, maker_t *m)
{
    uint64_t known = list_now(m->list)->known;
    if (known != m->known_told) {
        m->known_told = known;
        step(sim, m,
             &(producer_event_t){
                 .type = PRODUCER_KNOWN, .known = known, .waiting_bytes = order_waiting_bytes(m->order)});
    }
    if (m->is_decided && !m->decided_told) {
        m->decided_told = true;
        sim_say(sim, "%s is decided: %llu entries, state %d, reason %d", m->job->id, (unsigned long long)m->n,
                (int)m->state, (int)m->reason);
        step(sim, m, &(producer_event_t){.type = PRODUCER_DECIDED, .reason = m->reason});
    }
}

static void on_halt_stored(sim_t *sim, event_t *event)
{
    (void)sim;
    (void)event;
}

/* As client/gathering/gather.c: whoever reads that nothing more is to start says so. */
static void tell_halt(sim_t *sim, maker_t *m)
{
    char key[JOB_ID_MAX + 16];
    buf_t value = {0};
    if (m->halt_told || !list_now(m->list)->is_halting)
        return;
    m->halt_told = true;
    sim_say(sim, "%s halts", m->job->id);
    step(sim, m, &(producer_event_t){.type = PRODUCER_HALTED});
    size_t key_len = jobs_key(key, sizeof key, m->job->id, JOBS_HALT);
    jobs_encode_end(&value, END_HALT);
    kafka_produce(sim, &m->process, TOPIC_JOBS, 0, key, key_len, value.data, value.len, 0, on_halt_stored);
    buf_free(&value);
}

static void tell_announced(sim_t *sim, maker_t *m)
{
    const char *announced = list_producer(m->list);
    if (strcmp(announced, m->told) == 0 || !sim_protects(sim, PROTECTION_ANNOUNCED))
        return;
    snprintf(m->told, sizeof m->told, "%.31s", announced);
    step(sim, m, &(producer_event_t){.type = PRODUCER_ANNOUNCED, .announced = m->told});
}

static void answer_check(sim_t *sim, maker_t *m)
{
    if (!m->is_checking || m->check_end == CHECK_NOTHING || m->read_offset < m->check_end)
        return;
    m->is_checking = false;
    step(
        sim, m,
        &(producer_event_t){.type = PRODUCER_LOG_CHECKED,
                            .announced = sim_protects(sim, PROTECTION_ANNOUNCED) ? list_producer(m->list) : m->announce,
                            .closed = list_state(m->list) == LIST_CLOSED,
                            .has_input = list_now(m->list)->total >= 0,
                            .reason = m->reason});
}

static void on_read(sim_t *sim, event_t *event)
{
    maker_t *m = event->to->self;
    int32_t partition = (int32_t)m->job->spec.results_partition;
    if (!kafka_reaches(sim, &m->process)) {
        clock_again(&sim->clock, event, BLOCKED_MS);
        return;
    }
    m->is_reading = false;
    while (m->read_offset < kafka_log_end(sim, TOPIC_RESULTS, partition)) {
        const record_t *record = kafka_record(sim, TOPIC_RESULTS, partition, m->read_offset);
        uint8_t *key = take_copy(record->key, record->key_len), *value = take_copy(record->value, record->value_len);
        list_record(m->list, m->read_offset, key, record->key_len, value, record->value_len);
        m->read_offset++;
        free(key);
        free(value);
        tell_announced(sim, m);
        tell_halt(sim, m);
    }
    hand_out(sim, m);
    tell_known(sim, m);
    answer_check(sim, m);
}

static void poke(sim_t *sim, maker_t *m)
{
    if (m->process.state == PROCESS_DEAD || m->is_reading || !m->has_read)
        return;
    m->is_reading = true;
    clock_tell(&sim->clock, kafka_latency_ms(sim), &m->process, on_read);
}

void maker_poke(sim_t *sim, int32_t results_partition)
{
    for (size_t j = 0; j < sim->jobs_n; j++)
        for (size_t i = 0; i < sim->jobs[j].makers_n; i++)
            if ((int32_t)sim->jobs[j].spec.results_partition == results_partition)
                poke(sim, sim->jobs[j].makers[i]);
}

static void on_check_end(sim_t *sim, event_t *event)
{
    maker_t *m = event->to->self;
    if (!kafka_reaches(sim, &m->process)) {
        clock_again(&sim->clock, event, BLOCKED_MS);
        return;
    }
    m->check_end = kafka_log_end(sim, TOPIC_RESULTS, (int32_t)m->job->spec.results_partition);
    poke(sim, m);
}

/* ---- actions ---- */

static void put(sim_t *sim, maker_t *m, const producer_action_t *action)
{
    const char *key = action->type == PRODUCER_PUT_JOBS ? action->key : m->job->id;
    int topic = action->type == PRODUCER_PUT_JOBS  ? TOPIC_JOBS
                : action->type == PRODUCER_PUT_LOG ? TOPIC_RESULTS
                                                   : TOPIC_ITEMS;
    int32_t partition = topic == TOPIC_JOBS      ? 0
                        : topic == TOPIC_RESULTS ? (int32_t)m->job->spec.results_partition
                                                 : m->job->lanes_from + action->partition;
    joblog_record_t said;
    resubmit_check_put(sim, m, topic, action);
    m->has_said_input |=
        topic == TOPIC_RESULTS && joblog_decode(action->value, action->value_len, &said) && said.type == JOBLOG_INPUT;
    event_fn report = topic == TOPIC_JOBS ? on_jobs_stored : topic == TOPIC_RESULTS ? on_log_stored : on_item_stored;
    kafka_produce(sim, &m->process, topic, partition, key, strlen(key), action->value, action->value_len,
                  action->cookie, report);
}

static void on_scan(sim_t *sim, event_t *event)
{
    maker_t *m = event->to->self;
    if (!kafka_reaches(sim, &m->process)) {
        clock_again(&sim->clock, event, BLOCKED_MS);
        return;
    }
    resubmit_scan(sim, m);
    simple_step(sim, m, PRODUCER_SCANNED);
}

static void carry_out(sim_t *sim, maker_t *m, const producer_action_t *action)
{
    switch (action->type) {
    case PRODUCER_CREATE_TABLE:
        redis_create(sim, &m->process, &m->job->spec, on_table);
        break;
    case PRODUCER_PUT_LOG:
    case PRODUCER_PUT_JOBS:
    case PRODUCER_PUT_ITEM:
        put(sim, m, action);
        break;
    case PRODUCER_CHECK_LOG:
        m->is_checking = true;
        m->check_end = CHECK_NOTHING;
        clock_tell(&sim->clock, kafka_latency_ms(sim), &m->process, on_check_end);
        break;
    case PRODUCER_READ_LOG:
        resubmit_read_log(sim, m);
        m->has_read = true;
        poke(sim, m);
        break;
    case PRODUCER_SCAN:
        clock_tell(&sim->clock, kafka_latency_ms(sim), &m->process, on_scan);
        break;
    case PRODUCER_FINISHED:
        sim_say(sim, "the producer of %s has finished", m->job->id);
        m->is_finished = true;
        resubmit_finished(sim, m);
        break;
    case PRODUCER_FAILED:
        resubmit_failed(sim, m, &action->error);
        break;
    }
}

static void step(sim_t *sim, maker_t *m, producer_event_t *event)
{
    if (m->process.state == PROCESS_DEAD)
        return;
    event->now_ms = sim->clock.now_ms + m->process.clock_off_ms;
    producer_actions_t actions = {0}; /* of its own: a step can follow from within another's events only */
    producer_step(m->producer, event, &actions);
    if (actions.failed)
        sim_break(sim, "%s: the producer is out of memory", m->job->id);
    for (size_t i = 0; i < actions.n; i++)
        carry_out(sim, m, &actions.at[i]);
    producer_actions_free(&actions);
    if (m->process.state != PROCESS_DEAD)
        arm_tick(sim, m);
}

/* ---- input ---- */

static void push(sim_t *sim, maker_t *m)
{
    producer_event_t event = {.type = PRODUCER_ITEM, .kind = FANMAP_VALUE};
    buf_t in = {0};
    const buf_t *carried = &m->job->carried[m->next_input];
    if (carried->len > 0) {
        event.is_outcome = true;
        event.kind = m->job->carried_kind[m->next_input];
        event.in = carried->data;
        event.in_len = carried->len;
    } else if (plan_source(sim, m->job->number, m->next_input) == FANMAP_BAD_INPUT && m->next_input != m->wrong_at) {
        event.kind = FANMAP_BAD_INPUT;
        event.message = "planned";
    } else {
        resubmit_input(&in, m, m->next_input);
        event.in = in.data;
        event.in_len = in.len;
    }
    m->next_input++;
    step(sim, m, &event);
    buf_free(&in);
}

static void on_input(sim_t *sim, event_t *event)
{
    maker_t *m = event->to->self;
    for (int i = 0; i < INPUT_AT_ONCE && m->next_input < m->job->items_n && producer_writable(m->producer); i++)
        push(sim, m);
    if (m->is_decided)
        return;
    if (m->next_input < m->job->items_n) {
        clock_again(&sim->clock, event,
                    sim->scenario.is_golden ? 1 : dice_between(&sim->clock, 1, m->job->input_every_ms));
        return;
    }
    if (!m->input_told) {
        m->input_told = true;
        step(
            sim, m,
            &(producer_event_t){.type = PRODUCER_END_INPUT, .message = m->job->has_source_error ? "broken off" : NULL});
    }
}

static void on_begin(sim_t *sim, event_t *event)
{
    maker_t *m = event->to->self;
    sim_say(sim, "%s begins: %llu items, N %llu, %u retries", m->job->id, (unsigned long long)m->job->items_n,
            (unsigned long long)m->job->spec.concurrency, m->job->spec.retries);
    simple_step(sim, m, PRODUCER_BEGIN);
    clock_tell(&sim->clock, 1, &m->process, on_input);
}

maker_t *maker_new(sim_t *sim, job_t *job)
{
    if (job->makers_n == MAKERS_MAX)
        abort();
    maker_t *m = take(sizeof *m);
    memset(m, 0, sizeof *m);
    m->job = job;
    m->number = job->makers_n;
    m->wrong_at = UINT64_MAX;
    m->tick_ms = INT64_MAX;
    snprintf(m->announce, sizeof m->announce, "announce-%s-%zu", job->id, m->number);
    job->maker = job->makers[job->makers_n++] = m;
    process_begin(&m->process, job->id, m);
    process_start(&m->process);
    m->process.clock_off_ms = sim->scenario.is_golden ? 0 : dice_between(&sim->clock, 0, 100000000);
    return m;
}

void maker_launch(sim_t *sim, maker_t *m, int64_t delay_ms)
{
    producer_config_t config = {.spec = m->job->spec,
                                .ahead_n = sim->scenario.has_handoff ? 100000 : 1 + dice(&sim->clock, 200),
                                .spill_bytes = 1 << 20,
                                .attached = true,
                                .outbox_n = sim->scenario.has_handoff ? 100000 : 1 + dice(&sim->clock, 100),
                                .prior = m->is_resumed ? &m->known : NULL};
    snprintf(config.announce, sizeof config.announce, "%s", m->announce);
    if (m->is_resumed)
        config.spec.start_offset = m->read_offset = m->job->start_offset;
    m->has_read = !m->is_resumed;
    reader_arg_t *arg = take(sizeof *arg);
    *arg = (reader_arg_t){sim, m};
    m->reader_arg = arg;
    fanmap_error_t err;
    m->producer = producer_new(&config);
    m->list = list_new(m->job->id, &(list_callbacks_t){.outcome = on_outcome, .decided = on_decided}, arg);
    if (m->producer == NULL || m->list == NULL || order_new(sim->scenario.order_memory, NULL, &m->order, &err) != 0)
        abort();
    clock_tell(&sim->clock, delay_ms, &m->process, on_begin);
}

void maker_start(sim_t *sim, job_t *job)
{
    maker_launch(sim, maker_new(sim, job), job->begin_ms);
}

void maker_cancel(sim_t *sim, job_t *job)
{
    maker_t *m = job->maker;
    if (m->process.state != PROCESS_RUNS || m->is_decided || m->cancel_told || !m->has_read ||
        producer_spec(m->producer)->start_offset < 0)
        return;
    m->cancel_told = true;
    sim_say(sim, "%s is cancelled", job->id);
    step(sim, m, &(producer_event_t){.type = PRODUCER_CANCEL, .reason = END_CANCEL});
}

void maker_die(sim_t *sim, maker_t *m)
{
    kafka_process_died(sim, &m->process);
    process_die(&sim->clock, &m->process);
}

static void maker_free(maker_t *m)
{
    producer_free(m->producer);
    prior_free(&m->known);
    list_free(m->list);
    order_free(m->order);
    buf_free(&m->output);
    free(m->reader_arg);
    free(m);
}

void maker_end(job_t *job)
{
    for (size_t i = 0; i < job->makers_n; i++)
        maker_free(job->makers[i]);
    for (size_t i = 0; i < ITEMS_MAX; i++)
        buf_free(&job->carried[i]);
    list_free(job->truth);
}
