/* simulation_streams --seeds A..B | --seed N [--timeline] | --mutants    [--off RULE] */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 6000, SETTLE_STEPS = 60000, MUTANT_SEEDS = 300 };

/* What a run must have; the rest is drawn. */
typedef struct {
    stream_order_t order; /* STREAM_NOT: any */
    bool loses_log, has_calls, has_rivals;
} wanted_t;

static const struct {
    const char *name;
    rule_t rule;
    wanted_t wanted; /* where it matters */
} rules[] = {
    {"commit", RULE_COMMIT, {0}},
    {"prev", RULE_PREV, {0}},
    {"finishes", RULE_FINISHES, {.has_rivals = true}},
    {"window", RULE_WINDOW, {0}},
    {"whole", RULE_WHOLE, {0}},
    {"gap", RULE_GAP, {.order = STREAM_BY_PARTITION}},
    {"keeps", RULE_KEEPS, {0}},
    {"forget", RULE_FORGET, {.order = STREAM_BY_PARTITION}},
    {"keys", RULE_KEYS, {.order = STREAM_BY_KEY}},
    {"reload", RULE_RELOAD, {0}},
    {"lowest", RULE_LOWEST, {.order = STREAM_BY_PARTITION}},
    {"ready", RULE_READY, {.order = STREAM_BY_PARTITION}},
    {"lost", RULE_LOST, {.order = STREAM_BY_PARTITION, .loses_log = true}},
    {"seen", RULE_SEEN, {0}},
    {"overtaken", RULE_OVERTAKEN, {.order = STREAM_BY_KEY, .has_rivals = true}},
    {"remembered", RULE_REMEMBERED, {.order = STREAM_UNORDERED}},
    {"needed", RULE_NEEDED, {0}},
    {"forgot", RULE_FORGOT, {.order = STREAM_UNORDERED, .loses_log = true}},
    {"generation", RULE_GENERATION, {0}},
    {"present", RULE_PRESENT, {.has_rivals = true}},
    {"split", RULE_SPLIT, {.has_calls = true}},
    {"joins", RULE_JOINS, {.has_calls = true}},
    {"blame", RULE_BLAME, {.has_calls = true}},
    {"half", RULE_HALF, {.has_calls = true}},
    {"within", RULE_WITHIN, {.has_calls = true}},
};
enum { RULES_N = sizeof rules / sizeof rules[0] };

void fault(world_t *x, const char *format, ...)
{
    char text[200];
    va_list args;
    if (x->broken[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(x->broken, sizeof x->broken, "at step %llu: %s", (unsigned long long)x->steps, text);
}

/* From dice of its own, so that the rest of a seed is as it is without. */
static void draw_calls(world_t *x, bool has_calls)
{
    uint64_t state = ~x->seed, dice = random_mix(&state);
    x->calls_max = has_calls || dice % 3 == 0 ? 2 + (dice >> 8) % (CALLS_MAX - 1) : 1;
    x->within_ms = (uint32_t[]){0, 5, 50}[(dice >> 16) % 3];
}

static void draw(world_t *x, uint64_t seed, wanted_t wanted)
{
    static const unsigned shares[] = {0, 3, 10, 40};
    x->seed = seed;
    random_seed(&x->random, seed);
    x->now_ms = 1000000;
    x->order = wanted.order != STREAM_NOT ? wanted.order : (stream_order_t)(1 + roll(x, 3));
    x->lanes_n = 1 + roll(x, LANES_MAX);
    x->nodes_n = 1 + roll(x, NODES_MAX);
    x->slots_n = 1 + roll(x, SLOTS_MAX);
    x->gatherers_n = 1 + roll(x, GATHERERS_MAX);
    x->records_n = 5 + roll(x, RECORDS_MAX - 5);
    x->faults_permille = (unsigned[]){0, 2, 8, 25}[roll(x, 4)];
    x->fails_permille = chance(x, 500) ? 300 : 0;
    x->poison_permille = chance(x, 150) ? 40 : 0;
    x->compacts_permille = shares[roll(x, 4)];
    x->deletes_permille = chance(x, 300) ? 3 : 0;
    x->gaps_permille = chance(x, 600) ? 200 : 0;
    x->loses_log = chance(x, 200) || wanted.loses_log;
    x->is_plain = chance(x, 200);
    x->items_max = chance(x, 300) ? 4 + roll(x, 8) : 1000; /* below all windows together, or above */
    if (wanted.has_rivals) {
        x->gatherers_n = GATHERERS_MAX;
        x->nodes_n = NODES_MAX;
        x->faults_permille = 25;
        x->fails_permille = 300;
    }
    draw_calls(x, wanted.has_calls);
    for (uint32_t l = 0; l < x->lanes_n; l++) {
        stream_lane_t *lane = &x->lanes[l];
        lane->owner = lane->gatherer = lane->pending = -1;
        lane->last_output = -1;
        for (int k = 0; k < KEYS; k++)
            lane->last_of_key[k] = -1;
    }
}

/* The dead are swept up outside of their own steps. */
static void sweep(world_t *x)
{
    for (size_t i = 0; i < x->nodes_n; i++)
        if (x->nodes[i].is_lost_due) {
            node_end(&x->nodes[i]);
            x->nodes[i].is_lost_due = false;
        }
}

static void inflict(world_t *x)
{
    uint32_t l = (uint32_t)roll(x, x->lanes_n);
    size_t i = roll(x, x->nodes_n), g = roll(x, x->gatherers_n);
    switch (roll(x, 10)) {
    case 0:
        node_kill(x, i);
        break;
    case 1:
        gatherer_kill(x, g);
        break;
    case 2:
    case 3:
        nodes_deal(x, false);
        break;
    case 4:
    case 5:
        gatherers_deal(x, false);
        break;
    case 6:
        node_hear(x, i);
        break;
    case 7:
        gatherer_hear(x, g);
        break;
    case 8:
        orphan_act(x);
        break;
    default:
        log_delete(x, l);
        break;
    }
}

static void revive(world_t *x)
{
    for (size_t i = 0; i < x->nodes_n; i++)
        if (x->nodes[i].worker == NULL && (x->is_healed || chance(x, 30)))
            node_start(x, i);
    for (size_t i = 0; i < x->gatherers_n; i++)
        if (x->gatherers[i].core == NULL && (x->is_healed || chance(x, 30)))
            gatherer_start(x, i);
}

static void heal(world_t *x)
{
    say(x, "all faults are mended");
    x->is_healed = true;
    while (x->orphans_n > 0)
        orphan_act(x);
    for (size_t i = 0; i < x->nodes_n; i++)
        node_hear(x, i);
    for (size_t i = 0; i < x->gatherers_n; i++)
        gatherer_hear(x, i);
    revive(x);
    nodes_deal(x, true);
    gatherers_deal(x, true);
}

/* Whoever leaves the group, or dies of an item, leaves its lanes to nobody: then they are dealt out anew. */
static void keep_dealt(world_t *x)
{
    bool lacks_owner = false, lacks_gatherer = false;
    for (uint32_t l = 0; l < x->lanes_n; l++) {
        lacks_owner |= x->lanes[l].owner < 0;
        lacks_gatherer |= x->lanes[l].gatherer < 0;
    }
    if (lacks_owner && (x->is_healed || chance(x, 30)))
        nodes_deal(x, true);
    if (lacks_gatherer && (x->is_healed || chance(x, 30)))
        gatherers_deal(x, true);
}

static void turn(world_t *x)
{
    uint32_t l = (uint32_t)roll(x, x->lanes_n);
    x->steps++;
    x->now_ms += (int64_t)roll(x, 4);
    if (!x->is_healed && chance(x, x->faults_permille))
        inflict(x);
    if (!x->is_healed && chance(x, x->compacts_permille))
        source_compact(x, l);
    if (!x->is_healed && chance(x, x->deletes_permille))
        source_delete(x, l);
    if (chance(x, 60))
        source_write(x, l);
    if (chance(x, 20))
        orphan_act(x);
    sweep(x);
    revive(x);
    keep_dealt(x);
    if (chance(x, 300))
        gatherer_act(x, roll(x, x->gatherers_n));
    else
        node_act(x, roll(x, x->nodes_n));
    sweep(x);
}

static bool is_done(const world_t *x)
{
    for (uint32_t l = 0; l < x->lanes_n; l++) {
        const stream_lane_t *lane = &x->lanes[l];
        if (lane->records_n < x->records_n || lane->gathered < lane->log_end)
            return false;
        const record_t *last = &lane->records[lane->records_n - 1];
        if (last->is_there && lane->committed != last->offset + 1)
            return false;
    }
    for (size_t i = 0; i < x->nodes_n; i++)
        if (x->nodes[i].worker != NULL && x->nodes[i].box_n > 0)
            return false;
    return true;
}

static world_t *run(uint64_t seed, wanted_t wanted, bool speaks)
{
    world_t *x = calloc(1, sizeof *x);
    if (x == NULL)
        abort();
    x->speaks = speaks;
    draw(x, seed, wanted);
    while (x->steps < STEPS && x->broken[0] == '\0')
        turn(x);
    if (x->broken[0] == '\0')
        heal(x);
    for (uint64_t quiet = 0; x->steps < STEPS + SETTLE_STEPS && x->broken[0] == '\0' && quiet < 2000;) {
        turn(x);
        quiet = is_done(x) ? quiet + 1 : 0;
    }
    if (x->broken[0] == '\0')
        check_end(x);
    return x;
}

static void world_free(world_t *x)
{
    for (size_t i = 0; i < x->nodes_n; i++)
        node_end(&x->nodes[i]);
    for (size_t i = 0; i < x->gatherers_n; i++)
        if (x->gatherers[i].core != NULL) {
            x->is_healed = true;
            gatherer_kill(x, i);
        }
    for (size_t i = 0; i < x->packs_n; i++)
        free(x->packs[i]);
    free(x->packs);
    free(x);
}

/* The seed at which the run breaks first; 0: none. */
static uint64_t first_broken(uint64_t from, uint64_t to, wanted_t wanted, bool tells)
{
    for (uint64_t seed = from; seed <= to; seed++) {
        world_t *x = run(seed, wanted, false);
        bool is_broken = x->broken[0] != '\0';
        if (is_broken && tells)
            printf("seed %llu FAILED %s\nagain: build/tests/simulation_streams --seed %llu --timeline\n",
                   (unsigned long long)seed, x->broken, (unsigned long long)seed);
        else if (is_broken)
            printf("  seed %llu: %s\n", (unsigned long long)seed, x->broken);
        world_free(x);
        if (is_broken)
            return seed;
    }
    return 0;
}

static int mutants(void)
{
    int unnoticed = 0;
    for (size_t i = 0; i < RULES_N; i++) {
        printf("without %s:\n", rules[i].name);
        rule_off = rules[i].rule;
        if (first_broken(1, MUTANT_SEEDS, rules[i].wanted, false) == 0) {
            printf("  NOT NOTICED in %d seeds\n", MUTANT_SEEDS);
            unnoticed++;
        }
    }
    return unnoticed > 0;
}

/* Returns what its runs must have, as among the mutants. */
static wanted_t take_out(const char *name)
{
    wanted_t wanted = {0};
    for (size_t i = 0; i < RULES_N; i++)
        if (strcmp(rules[i].name, name) == 0) {
            rule_off = rules[i].rule;
            wanted = rules[i].wanted;
        }
    return wanted;
}

int main(int argc, char **argv)
{
    unsigned long long from = 1, to = 300;
    bool timeline = false;
    wanted_t wanted = {0};
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--mutants") == 0)
            return mutants();
        else if (strcmp(argv[i], "--timeline") == 0)
            timeline = true;
        else if (i + 1 < argc && strcmp(argv[i], "--off") == 0)
            wanted = take_out(argv[++i]);
        else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0)
            from = to = strtoull(argv[++i], NULL, 10);
        else if (i + 1 == argc || strcmp(argv[i], "--seeds") != 0 || sscanf(argv[++i], "%llu..%llu", &from, &to) != 2) {
            fprintf(stderr, "simulation_streams: %s?\n", argv[i]);
            return 2;
        }
    }
    if (timeline) {
        world_t *x = run(from, wanted, true);
        printf("seed %llu %s%s\n", from, x->broken[0] ? "FAILED " : "passed", x->broken);
        world_free(x);
        return 0;
    }
    if (first_broken(from, to, wanted, true) > 0)
        return 1;
    printf("%llu seeds passed\n", to - from + 1);
    return 0;
}
