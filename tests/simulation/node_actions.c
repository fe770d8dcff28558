/* A worker's actions, carried out on the fakes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_internal.h"
#include "schemas/item.h"

enum { LINGER_MS = 5 };

/* ---- packs ---- */

static void on_pack_stored(sim_t *sim, event_t *event)
{
    node_t *node = event->to->self;
    node_pack_t **at = &node->sent;
    while (*at != NULL && (*at)->cookie != event->a)
        at = &(*at)->next;
    node_pack_t *pack = *at;
    if (pack == NULL)
        return;
    *at = pack->next;
    worker_event_t stored = {.type = WORKER_STORED};
    stored.stored.items = pack->items;
    stored.stored.n = pack->n;
    node_step(sim, node, &stored);
    free(pack);
}

void node_send_pack(sim_t *sim, node_t *node, size_t j)
{
    node_pack_t *pack = node->open[j].pack;
    if (pack == NULL)
        return;
    const job_t *job = &sim->jobs[j];
    buf_t value = {0};
    joblog_encode_pack(&value, node->open[j].body.data, node->open[j].body.len, (uint32_t)pack->n);
    buf_clear(&node->open[j].body);
    node->open[j].pack = NULL;
    pack->next = node->sent;
    node->sent = pack;
    kafka_produce(sim, &node->process, TOPIC_RESULTS, (int32_t)job->spec.results_partition, job->id, strlen(job->id),
                  value.data, value.len, pack->cookie, on_pack_stored);
    buf_free(&value);
    if (!sim_protects(sim, PROTECTION_STORED)) {
        event_t *event = clock_tell(&sim->clock, 0, &node->process, on_pack_stored);
        event->a = pack->cookie;
    }
}

static void on_linger(sim_t *sim, event_t *event)
{
    node_t *node = event->to->self;
    const node_pack_t *pack = node->open[event->a].pack;
    if (pack != NULL && pack->cookie == event->b)
        node_send_pack(sim, node, (size_t)event->a);
}

static node_pack_t *open_pack(sim_t *sim, node_t *node, size_t j)
{
    if (node->open[j].pack != NULL)
        return node->open[j].pack;
    node_pack_t *pack = take(sizeof *pack);
    pack->cookie = ++node->cookies;
    node->open[j].pack = pack;
    event_t *event = clock_tell(&sim->clock, sim->scenario.is_golden ? 0 : dice_between(&sim->clock, 0, LINGER_MS),
                                &node->process, on_linger);
    event->a = j;
    event->b = pack->cookie;
    return pack;
}

static void publish(sim_t *sim, node_t *node, const worker_action_t *action)
{
    const spec_t *spec = action->publish.spec;
    size_t j = sim_job(sim, spec->job, strlen(spec->job));
    if (j == sim->jobs_n) {
        sim_break(sim, "%s publishes an outcome of the unknown job %s", node->process.name, spec->job);
        return;
    }
    node_pack_t *pack = open_pack(sim, node, j);
    joblog_put_outcome(&node->open[j].body, &action->publish.outcome);
    pack->items[pack->n++] = action->publish.item;
    if (pack->n == PACK_ITEMS_MAX)
        node_send_pack(sim, node, j);
}

void node_forget_packs(node_t *node)
{
    for (size_t j = 0; j < NODE_JOBS_MAX; j++) {
        free(node->open[j].pack);
        node->open[j].pack = NULL;
        buf_free(&node->open[j].body);
    }
    while (node->sent != NULL) {
        node_pack_t *pack = node->sent;
        node->sent = pack->next;
        free(pack);
    }
}

/* ---- runs ---- */

static void run(sim_t *sim, node_t *node, const worker_action_t *action)
{
    const spec_t *spec = action->run.spec;
    size_t j = sim_job(sim, spec->job, strlen(spec->job));
    if (j == sim->jobs_n) {
        sim_break(sim, "%s runs an item of the unknown job %s", node->process.name, spec->job);
        return;
    }
    buf_t in = {0};
    plan_input(&in, sim->jobs[j].hash, action->run.index);
    if (in.len != action->run.in_len || memcmp(in.data, action->run.in, in.len) != 0)
        sim_break(sim, "%s runs %s/%llu with another input", node->process.name, spec->job,
                  (unsigned long long)action->run.index);
    buf_free(&in);
    run_t r = {.attempt = action->run.attempt,
               .job_key = action->run.job_key,
               .job = j,
               .index = action->run.index,
               .fence = action->run.fence,
               .call_n = action->run.call_n};
    if ((r.attempt < 1 || r.attempt > spec->retries + 1) && !check_is_misled(sim, &node->process, j))
        sim_break(sim, "%s runs attempt %u of %s/%llu, which has %u retries", node->process.name, r.attempt, spec->job,
                  (unsigned long long)r.index, spec->retries);
    if (spec->batch_n <= 1 || r.call_n > 0)
        rate_started(sim, &node->process, j, r.index);
    worker_ran(node->worker, action->run.item, pool_run(sim, node->pool, action->run.slot, &r));
}

static void take_back(sim_t *sim, node_t *node, uint32_t slot)
{
    if (node->takes_n == sizeof node->takes / sizeof node->takes[0]) {
        sim_break(sim, "%s takes back without end", node->process.name);
        return;
    }
    node->takes[node->takes_n] = slot;
    node->take_n[node->takes_n++] = pool_take_back(node->pool, slot);
}

/* ---- commits ---- */

/* What the commit says, without what is taken out. */
static void weaken(const sim_t *sim, const worker_action_t *action, buf_t *ret)
{
    commit_decoded_t decoded;
    if (!commit_decode(action->commit.metadata, action->commit.metadata_len, action->commit.offset, &decoded)) {
        buf_append(ret, action->commit.metadata, action->commit.metadata_len);
        return;
    }
    commit_meta_t meta = decoded.meta;
    bool is_closing = action->commit.is_closing;
    commit_count_t counts[COMMIT_BYTES_MAX / 3];
    if (!sim_protects(sim, is_closing ? PROTECTION_CLAIMS : PROTECTION_NAMES))
        meta.names_n = meta.members_n = 0;
    if (!sim_protects(sim, PROTECTION_MARKS)) {
        meta.mark = -1;
        meta.horizon = action->commit.offset;
    }
    if (!sim_protects(sim, PROTECTION_LOG))
        meta.log = 1;
    for (uint32_t i = 0; i < meta.counts_n && !sim_protects(sim, PROTECTION_CHARGES); i++) {
        counts[i] = (commit_count_t){meta.counts[i].offset, meta.counts[i].attempts, 0};
        meta.counts = i + 1 == meta.counts_n ? counts : meta.counts;
    }
    (void)commit_encode(ret, &meta, action->commit.offset, NULL);
    commit_decoded_free(&decoded);
}

static void commit_weakened(sim_t *sim, node_t *node, const worker_action_t *action);

static void commit(sim_t *sim, node_t *node, const worker_action_t *whole)
{
    worker_action_t action = *whole;
    buf_t metadata = {0};
    if (sim->mutant != NULL) {
        weaken(sim, whole, &metadata);
        action.commit.metadata = (const char *)metadata.data;
        action.commit.metadata_len = metadata.len;
    }
    commit_weakened(sim, node, &action);
    buf_free(&metadata);
}

static void commit_weakened(sim_t *sim, node_t *node, const worker_action_t *action)
{
    int32_t partition = action->commit.lane;
    int64_t offset = action->commit.offset;
    if (!sim_protects(sim, PROTECTION_PREFIX))
        offset = node->consumer.position[partition];
    if (!action->commit.is_closing) {
        if (node->consumer.is_member && node->consumer.owns[partition])
            kafka_commit(sim, &node->process, &node->consumer, partition, offset, action->commit.metadata,
                         action->commit.metadata_len, action->commit.number);
        return;
    }
    if (node->is_remade && !sim_protects(sim, PROTECTION_BEGINNING))
        return;
    if (!kafka_commit_now(sim, &node->process, &node->consumer, partition, offset, action->commit.metadata,
                          action->commit.metadata_len))
        node->closing_failed = true;
}

/* ---- notes ---- */

static void on_note_stored(sim_t *sim, event_t *event)
{
    (void)sim;
    (void)event;
}

static void tell(sim_t *sim, node_t *node, const worker_action_t *action)
{
    item_t note = {.type = action->tell.is_done ? ITEM_DONE_NOTE : ITEM_RELEASE_NOTE,
                   .done_offset = action->tell.offset,
                   .partition = action->tell.partition,
                   .attempts = action->tell.attempts,
                   .charges = action->tell.charges,
                   .log = sim_protects(sim, PROTECTION_NOTE_LOG) ? action->tell.log : 0};
    buf_t value = {0};
    memcpy(note.member, action->tell.member, sizeof note.member);
    sim_say(sim, "%s: %d@%lld, which it had claimed, is %s", node->process.name, (int)action->tell.lane,
            (long long)action->tell.offset, action->tell.is_done ? "done" : "given up");
    if (!sim_protects(sim, PROTECTION_NOTES))
        return;
    item_encode_note(&value, &note);
    kafka_produce(sim, &node->process, TOPIC_ITEMS, action->tell.lane, action->tell.job, strlen(action->tell.job),
                  value.data, value.len, 0, on_note_stored);
    buf_free(&value);
}

/* ---- tokens ---- */

static void on_sync_answer(sim_t *sim, event_t *event);

static void ask_tokens(sim_t *sim, node_t *node, const tokens_request_t *request)
{
    size_t j = sim_job(sim, request->job, strlen(request->job));
    if (j < sim->jobs_n)
        node->sync_seq[j] = request->seq;
    redis_sync(sim, &node->process, request, on_sync_answer);
}

/* A worker heeds the answer to its last request only, and once: what a late one knew it does not know. Who knows of no limit asks
 * for the rate alone. */
static void note_lease(node_t *node, size_t j, const redis_answer_t *answer)
{
    if (answer->request.seq != node->sync_seq[j])
        return;
    node->sync_seq[j] = 0;
    if (answer->ok && !answer->reply.learning && answer->request.n > 0)
        node->lease_version[j] = answer->table_version;
}

static void on_sync_answer(sim_t *sim, event_t *event)
{
    node_t *node = event->to->self;
    const redis_answer_t *answer = event->data;
    size_t j = sim_job(sim, answer->request.job, strlen(answer->request.job));
    if (j < sim->jobs_n)
        note_lease(node, j, answer);
    worker_event_t tokens = {.type = WORKER_TOKENS};
    tokens.tokens.job = answer->request.job;
    tokens.tokens.seq = answer->request.seq;
    tokens.tokens.reply = answer->ok ? &answer->reply : NULL;
    if (answer->ok)
        sim_say(sim, "%s: %s #%llu: allow %llu, held %llu%s", node->process.name, answer->request.job,
                (unsigned long long)answer->request.seq, (unsigned long long)answer->reply.allow,
                (unsigned long long)answer->reply.held, answer->reply.learning ? ", learning" : "");
    node_step(sim, node, &tokens);
}

/* ---- records about jobs ---- */

static void on_end_stored(sim_t *sim, event_t *event)
{
    worker_event_t stored = {.type = WORKER_END_STORED};
    stored.end_stored.job = sim->jobs[event->a].id;
    node_step(sim, event->to->self, &stored);
}

static void copy_end(sim_t *sim, node_t *node, const worker_action_t *action)
{
    char key[JOB_ID_MAX + 16];
    size_t key_len = jobs_key(key, sizeof key, action->end.spec->job, JOBS_END);
    size_t j = sim_job(sim, action->end.spec->job, strlen(action->end.spec->job));
    buf_t value = {0};
    jobs_encode_end(&value, action->end.reason);
    sim_say(sim, "%s copies the end of %s (%d) to jobs", node->process.name, action->end.spec->job,
            (int)action->end.reason);
    kafka_produce(sim, &node->process, TOPIC_JOBS, 0, key, key_len, value.data, value.len, j, on_end_stored);
    buf_free(&value);
}

static void on_end_written(sim_t *sim, event_t *event)
{
    worker_event_t written = {.type = WORKER_END_WRITTEN};
    written.end_stored.job = sim->jobs[event->a].id;
    node_step(sim, event->to->self, &written);
}

static void write_end(sim_t *sim, node_t *node, const worker_action_t *action)
{
    const spec_t *spec = action->end.spec;
    buf_t value = {0};
    joblog_encode_end(&value, action->end.reason);
    sim_say(sim, "%s writes the end of %s (%d)", node->process.name, spec->job, (int)action->end.reason);
    kafka_produce(sim, &node->process, TOPIC_RESULTS, (int32_t)spec->results_partition, spec->job, strlen(spec->job),
                  value.data, value.len, sim_job(sim, spec->job, strlen(spec->job)), on_end_written);
    buf_free(&value);
}

static void on_dead_stored(sim_t *sim, event_t *event)
{
    worker_event_t stored = {.type = WORKER_STORED};
    stored.stored.items = event->data;
    stored.stored.n = 1;
    node_step(sim, event->to->self, &stored);
}

static void dead_letter(sim_t *sim, node_t *node, const worker_action_t *action)
{
    item_t item;
    size_t j = sim_job(sim, action->dead.key, action->dead.key_len);
    sim_say(sim, "%s: dead letter %d@%lld: %s", node->process.name, (int)action->dead.lane,
            (long long)action->dead.offset, action->dead.why);
    worker_item_t **kept = take(sizeof(worker_item_t *));
    *kept = action->dead.item;
    clock_tell(&sim->clock, kafka_latency_ms(sim), &node->process, on_dead_stored)->data = kept;
    if (j < sim->jobs_n && item_decode(action->dead.value, action->dead.value_len, &item) &&
        sim_task_of(sim, action->dead.lane) == sim_task_of(sim, sim->jobs[j].lanes_from))
        sim_break(sim, "%s: a sound item of %s becomes a dead letter: %s", node->process.name, sim->jobs[j].id,
                  action->dead.why);
}

static void on_jobs_end(sim_t *sim, event_t *event)
{
    node_t *node = event->to->self;
    if (!kafka_reaches(sim, &node->process)) {
        clock_again(&sim->clock, event, 100);
        return;
    }
    for (size_t i = 0; i < node->jobs_asked_n; i++)
        if (node->jobs_asked[i] == INT64_MAX) {
            node->jobs_asked[i] = kafka_log_end(sim, TOPIC_JOBS, 0);
            break;
        }
    node_poke_jobs(sim, node);
}

/* Without parking: what was read so far is taken for all there is. */
static void on_believed_end(sim_t *sim, event_t *event)
{
    node_t *node = event->to->self;
    worker_event_t position = {.type = WORKER_JOBS_POSITION};
    position.position.offset = node->jobs_position;
    position.position.at_end = true;
    node_step(sim, node, &position);
}

static void query_jobs_end(sim_t *sim, node_t *node)
{
    if (node->jobs_asked_n == NODE_QUERIES_MAX) {
        sim_break(sim, "%s asks for the end of jobs without end", node->process.name);
        return;
    }
    if (!sim_protects(sim, PROTECTION_PARKED)) {
        clock_tell(&sim->clock, 0, &node->process, on_believed_end);
        return;
    }
    node->jobs_asked[node->jobs_asked_n++] = INT64_MAX;
    clock_tell(&sim->clock, kafka_latency_ms(sim), &node->process, on_jobs_end);
}

static void leave(sim_t *sim, node_t *node)
{
    sim_say(sim, "%s leaves", node->process.name);
    clock_tell(&sim->clock, 0, &node->process, node_on_left);
}

void node_carry_out(sim_t *sim, node_t *node, const worker_action_t *action)
{
    switch (action->type) {
    case WORKER_RUN:
        run(sim, node, action);
        break;
    case WORKER_TAKE_BACK:
        take_back(sim, node, action->take_back.slot);
        break;
    case WORKER_DESCRIBE:
        group_describe(sim, &node->process, action->describe.number);
        break;
    case WORKER_WATCH:
        node->watched[action->watch.lane] = action->watch.on ? action->watch.from : -1;
        node_poke_notes(sim, node);
        break;
    case WORKER_FETCH:
        node->fetched[action->fetch.lane] = sim_protects(sim, PROTECTION_FETCH) ? action->fetch.from : -1;
        node_poke_fetches(sim, node);
        break;
    case WORKER_TELL:
        tell(sim, node, action);
        break;
    case WORKER_JOIN_ANEW:
        group_join_anew(sim, &node->process, &node->consumer);
        break;
    case WORKER_KILL:
        if (node->is_losing && !sim_protects(sim, PROTECTION_LOSS))
            break;
        pool_kill(sim, node->pool, action->kill.slot, action->kill.n, action->kill.hard);
        break;
    case WORKER_FREEZE:
        pool_freeze(sim, node->pool, action->freeze.slot, action->freeze.on);
        break;
    case WORKER_LAPSE:
        pool_lapse(sim, node->pool, action->lapse.job_key, action->lapse.at_ms);
        break;
    case WORKER_HAND_OFF:
        node_hand_off(sim, node, action);
        break;
    case WORKER_BEG:
        node_beg(sim, node, action->beg.free_n);
        break;
    case WORKER_PUBLISH:
        publish(sim, node, action);
        break;
    case WORKER_COMMIT:
        commit(sim, node, action);
        break;
    case WORKER_LET_GO:
        if (node->consumer.is_giving_up)
            group_let_go(sim, &node->process, &node->consumer, action->let_go.lane);
        break;
    case WORKER_WITNESS:
        node->consumer.witness[action->witness.lane] = action->witness.offset;
        node->consumer.witness_ms[action->witness.lane] = action->witness.ms;
        break;
    case WORKER_SYNC:
        ask_tokens(sim, node, &action->sync.request);
        break;
    case WORKER_COPY_END:
        copy_end(sim, node, action);
        break;
    case WORKER_WRITE_END:
        write_end(sim, node, action);
        break;
    case WORKER_DEAD_LETTER:
        dead_letter(sim, node, action);
        break;
    case WORKER_RELEASE:
        payload_release(node, action->release.payload);
        break;
    case WORKER_INTAKE:
        node->wants = action->intake.on;
        node_poke_items(sim, node);
        break;
    case WORKER_QUERY_JOBS_END:
        query_jobs_end(sim, node);
        break;
    case WORKER_NOTE:
        if (action->note.lane < 0)
            sim_say(sim, "%s notes: %s", node->process.name, action->note.line);
        else
            sim_say(sim, "%s notes: lane %d: %s", node->process.name, (int)action->note.lane, action->note.line);
        break;
    case WORKER_PASS:
    case WORKER_LANE:
        sim_break(sim, "%s: lane %d is none of a stream", node->process.name, (int)action->lane.lane);
        break;
    case WORKER_DRAINED:
        leave(sim, node);
        break;
    }
}
