/* simulation: runs seeds, and says how each failure is seen again.
 *
 *   simulation --seeds 1..2000          as many processes as there are processors
 *   simulation --seed 17 --timeline     one seed, with everything that happened
 *   simulation --off freeze --seeds ..  without one protection (--mutants: each in turn, and each must be noticed)
 *   simulation --uneven                 how uneven items spread, in virtual time
 *   simulation --scale                  what large fleets ask of Redis and Kafka; --scale-page FILE: whether the page says so
 *   simulation --golden NAME            one scripted scenario; --goldens: all, against golden/NAME.txt
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mutants.h"
#include "scale.h"
#include "sim.h"

#define UNEVEN_TARGET 1.1

enum { PROCESSES_MAX = 64, FAILURES_SHOWN = 5, LAST_LINES = 60, SEED_S_MAX = 60, MUTANT_SEEDS = 300 };

typedef struct {
    uint64_t from, to; /* both included */
    int64_t seconds;   /* 0: no bound */
    const mutant_t *off;
    const char *golden, *golden_dir, *scale_page;
    bool timeline, verbose, mutants, goldens, uneven, scale;
} options_t;

/* Shared with the children. */
typedef struct {
    uint64_t next, passed, failed;
    uint64_t at_seed[PROCESSES_MAX];
    uint64_t failures[FAILURES_SHOWN];
    char why[FAILURES_SHOWN][400];
    bool stop;
} board_t;

static void print_command(const options_t *o, uint64_t seed)
{
    printf("again: build/tests/simulation --seed %llu%s%s\n", (unsigned long long)seed, o->off ? " --off " : "",
           o->off ? o->off->name : "");
}

static void print_lines(const sim_t *sim, bool all)
{
    size_t from = all || sim->lines_n < LAST_LINES ? 0 : sim->lines_n - LAST_LINES;
    if (from > 0)
        printf("  ... (--timeline shows all)\n");
    for (size_t i = from; i < sim->lines_n; i++)
        printf("%s\n", sim->lines[i]);
}

/* The same seed once more, speaking. */
static bool show(const options_t *o, uint64_t seed, bool all)
{
    sim_t *sim = sim_run(&(sim_config_t){.seed = seed, .mutant = o->off, .golden = o->golden, .speaks = true});
    bool passed = sim->broken[0] == '\0';
    print_lines(sim, all);
    if (!passed || o->golden == NULL)
        printf("seed %llu %s%s\n", (unsigned long long)seed, passed ? "passed" : "FAILED ", sim->broken);
    sim_free(sim);
    if (!passed && o->golden == NULL)
        print_command(o, seed);
    return passed;
}

static void note_failure(board_t *board, uint64_t seed, const char *why)
{
    uint64_t n = __atomic_fetch_add(&board->failed, 1, __ATOMIC_SEQ_CST);
    if (n >= FAILURES_SHOWN)
        return;
    board->failures[n] = seed;
    snprintf(board->why[n], sizeof board->why[n], "%s", why);
}

static void run_seed(const options_t *o, board_t *board, uint64_t seed)
{
    sim_t *sim = sim_run(&(sim_config_t){.seed = seed, .mutant = o->off});
    bool holds = sim->broken[0] == '\0' || (o->off != NULL && strstr(sim->broken, o->off->breaks) == NULL);
    if (holds) {
        __atomic_fetch_add(&board->passed, 1, __ATOMIC_SEQ_CST);
    } else {
        note_failure(board, seed, sim->broken);
        if (o->off != NULL)
            board->stop = true;
    }
    if (o->verbose)
        fprintf(stderr, "seed %llu: %llu events, %lld s%s%s\n", (unsigned long long)seed,
                (unsigned long long)sim->clock.run_n, (long long)((sim->clock.now_ms - CLOCK_START_MS) / 1000),
                sim->broken[0] ? ", " : "", sim->broken);
    sim_free(sim);
}

static void work(const options_t *o, board_t *board, size_t me)
{
    time_t began = time(NULL);
    while (!board->stop && (o->seconds == 0 || time(NULL) - began < o->seconds)) {
        uint64_t seed = __atomic_fetch_add(&board->next, 1, __ATOMIC_SEQ_CST);
        if (seed > o->to)
            break;
        board->at_seed[me] = seed;
        alarm(SEED_S_MAX);
        run_seed(o, board, seed);
        board->at_seed[me] = 0;
    }
}

static pid_t begin_child(const options_t *o, board_t *board, size_t me)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    work(o, board, me);
    fflush(NULL);
    _exit(0);
}

/* A child that died takes its seed's failure with it; another one goes on in its place. */
static void watch(const options_t *o, board_t *board, pid_t *pids, size_t n)
{
    size_t left = n;
    while (left > 0) {
        int status;
        pid_t pid = wait(&status);
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid < 0)
            return;
        for (size_t i = 0; i < n; i++) {
            if (pids[i] != pid)
                continue;
            left--;
            if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                continue;
            note_failure(board, board->at_seed[i],
                         WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? "hangs" : "crashes");
            if (o->off != NULL)
                board->stop = true;
            pids[i] = begin_child(o, board, i);
            left += pids[i] > 0;
        }
    }
}

static board_t *run_seeds(const options_t *o)
{
    board_t *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED)
        abort();
    board->next = o->from;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    size_t n = cpus < 1 ? 1 : cpus > PROCESSES_MAX ? PROCESSES_MAX : (size_t)cpus;
    pid_t pids[PROCESSES_MAX];
    for (size_t i = 0; i < n; i++)
        pids[i] = begin_child(o, board, i);
    watch(o, board, pids, n);
    return board;
}

static int seeds(const options_t *o)
{
    board_t *board = run_seeds(o);
    for (size_t i = 0; i < board->failed && i < FAILURES_SHOWN; i++) {
        printf("seed %llu FAILED %s\n", (unsigned long long)board->failures[i], board->why[i]);
        print_command(o, board->failures[i]);
    }
    bool can_show = board->failed > 0 && strcmp(board->why[0], "crashes") != 0 && strcmp(board->why[0], "hangs") != 0;
    if (can_show && o->off == NULL)
        show(o, board->failures[0], false);
    printf("%llu passed, %llu failed\n", (unsigned long long)board->passed, (unsigned long long)board->failed);
    bool good = board->failed == 0 && board->passed > 0;
    munmap(board, sizeof *board);
    return good ? 0 : 1;
}

/* Each protection taken out in turn: within so many seeds one must fail. */
static int mutants(const options_t *o)
{
    unsigned noticed = 0, missed = 0;
    for (size_t i = 0; i < mutants_n; i++) {
        if (mutants_all[i].is_rare)
            continue;
        options_t without = *o;
        without.off = &mutants_all[i];
        board_t *board = run_seeds(&without);
        bool found = board->failed > 0;
        noticed += found;
        missed += !found;
        printf("%s %u - without %s: ", found ? "ok" : "not ok", noticed + missed, mutants_all[i].name);
        if (found)
            printf("seed %llu %s\n", (unsigned long long)board->failures[0], board->why[0]);
        else
            printf("nothing broke in %d seeds\n", MUTANT_SEEDS);
        fflush(stdout);
        munmap(board, sizeof *board);
    }
    printf("%u of %u noticed\n", noticed, noticed + missed);
    return missed == 0 && noticed > 0 ? 0 : 1;
}

static int usage(const char *what)
{
    fprintf(stderr,
            "%s\nusage: simulation [--seeds A..B | --seed N | --mutants | --golden NAME | --goldens DIR | --uneven | "
            "--scale | --scale-page FILE] [--seconds S] "
            "[--off "
            "PROTECTION] [--timeline] [--verbose]\nprotections:",
            what);
    for (size_t i = 0; i < mutants_n; i++)
        fprintf(stderr, " %s", mutants_all[i].name);
    fprintf(stderr, "\n");
    return 2;
}

static bool set_range(options_t *o, const char *text)
{
    unsigned long long from, to;
    char end;
    if (sscanf(text, "%llu..%llu%c", &from, &to, &end) != 2 || from > to || from == 0)
        return false;
    o->from = from;
    o->to = to;
    return true;
}

static bool set_option(options_t *o, const char *name, const char *value)
{
    if (strcmp(name, "--seeds") == 0)
        return set_range(o, value);
    if (strcmp(name, "--seed") == 0)
        return (o->from = o->to = strtoull(value, NULL, 10)) > 0;
    if (strcmp(name, "--seconds") == 0)
        return (o->seconds = strtoll(value, NULL, 10)) > 0;
    if (strcmp(name, "--off") == 0)
        return (o->off = mutant_find(value)) != NULL;
    if (strcmp(name, "--golden") == 0)
        return (o->golden = value) != NULL;
    if (strcmp(name, "--scale-page") == 0)
        return (o->scale_page = value) != NULL;
    if (strcmp(name, "--goldens") == 0)
        return o->goldens = (o->golden_dir = value) != NULL;
    return false;
}

static bool set_flag(options_t *o, const char *name)
{
    bool *flag = strcmp(name, "--timeline") == 0  ? &o->timeline
                 : strcmp(name, "--verbose") == 0 ? &o->verbose
                 : strcmp(name, "--mutants") == 0 ? &o->mutants
                 : strcmp(name, "--uneven") == 0  ? &o->uneven
                 : strcmp(name, "--scale") == 0   ? &o->scale
                                                  : NULL;
    if (flag != NULL)
        *flag = true;
    return flag != NULL;
}

int main(int argc, char **argv)
{
    options_t o = {.from = 1, .to = 200};
    for (int i = 1; i < argc; i++) {
        if (set_flag(&o, argv[i]))
            continue;
        if (i + 1 == argc || !set_option(&o, argv[i], argv[i + 1]))
            return usage(argv[i]);
        i++;
    }
    if (o.mutants) {
        o.to = o.from + MUTANT_SEEDS - 1;
        return mutants(&o);
    }
    if (o.uneven)
        return uneven_measure(UNEVEN_TARGET);
    if (o.scale || o.scale_page != NULL)
        return scale_table(o.scale_page);
    if (o.goldens)
        return golden_compare_all(o.golden_dir);
    if (o.golden != NULL || o.from == o.to)
        return show(&o, o.from, o.timeline || o.golden != NULL) ? 0 : 1;
    return seeds(&o);
}
