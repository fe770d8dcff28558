/* For the tests of slots: a pool of real slots on a loop, with everything that it reports written down. Every wait has
 * a bound, far beyond what is promised; each test ends with a look at /proc: nothing may be left alive, and no
 * descriptor open. */
#ifndef TESTS_UNIT_SLOTS_RIG_H
#define TESTS_UNIT_SLOTS_RIG_H

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "schemas/value.h"
#include "slots/catalogue/catalogue.h"
#include "slots/pool/pool.h"
#include "slots/shared/proc.h"
#include "slots/slots.h"

enum { RIG_SLOTS_MAX = 8, RIG_EVENTS_MAX = 64, RIG_WAIT_MS = 30000, RIG_LOOK_US = 2000, RIG_FDS_MAX = 256 };

typedef struct {
    uint32_t slot, n, exit_status, signo;
    fanmap_kind_t kind;
    bool is_whole;
    bool final;
    char value[512]; /* as JSON */
    char type[64], message[256], tail[4200];
    size_t tail_len;
} rig_done_t;

typedef struct {
    uint32_t slot;
    slot_down_t down;
    char message[256], tail[4200];
} rig_down_t;

typedef struct {
    loop_t *loop;
    slots_t *slots;
    slots_catalogue_t tasks;
    slots_config_t config;
    unsigned ups, up_of[RIG_SLOTS_MAX], lost;
    uint64_t dones_n;
    rig_done_t dones[RIG_EVENTS_MAX]; /* the last ones, dones[i % MAX] */
    unsigned downs_n;
    unsigned backs_n;
    uint32_t back_from, back_to;
    rig_down_t downs[RIG_EVENTS_MAX];
    unsigned troubles_n, failures_n;
    char lost_why[128], trouble[640], failure[640]; /* the last ones */
    unsigned notes_n;
    char notes[RIG_SLOTS_MAX][512];                                     /* the last one of each slot */
    void (*on_done)(void *rig, uint32_t slot, const slot_done_t *done); /* may be NULL */
    void *own;
    int log_read, log_write;
    unsigned fds_before;
    slots_job_t job;
} rig_t;

static inline void rig_up(void *arg, uint32_t slot)
{
    rig_t *r = arg;
    r->ups++;
    r->up_of[slot]++;
}

static inline void rig_done(void *arg, uint32_t slot, const slot_done_t *d)
{
    rig_t *r = arg;
    rig_done_t *to = &r->dones[r->dones_n++ % RIG_EVENTS_MAX];
    buf_t json = {0};
    *to = (rig_done_t){.slot = slot, .n = d->n, .kind = d->kind, .final = d->final, .is_whole = d->is_whole};
    to->exit_status = (uint32_t)d->exit_status;
    to->signo = (uint32_t)d->signo;
    if (d->kind == FANMAP_VALUE && !r->on_done && value_to_json(&json, d->value, d->value_len, NULL) == FANMAP_OK)
        snprintf(to->value, sizeof to->value, "%.*s", (int)json.len, (const char *)json.data);
    if (d->kind != FANMAP_VALUE) {
        snprintf(to->type, sizeof to->type, "%.*s", (int)d->type_len, d->type);
        snprintf(to->message, sizeof to->message, "%.*s", (int)d->message_len, d->message);
        snprintf(to->tail, sizeof to->tail, "%.*s", (int)d->stderr_len, d->stderr_tail);
        to->tail_len = d->stderr_len;
    }
    buf_free(&json);
    if (r->on_done)
        r->on_done(r, slot, d);
}

static inline void rig_down(void *arg, uint32_t slot, const slot_down_t *d)
{
    rig_t *r = arg;
    rig_down_t *to = &r->downs[r->downs_n++ % RIG_EVENTS_MAX];
    *to = (rig_down_t){.slot = slot, .down = *d};
    snprintf(to->message, sizeof to->message, "%s", d->message);
    snprintf(to->tail, sizeof to->tail, "%.*s", (int)d->stderr_len, d->stderr_tail);
}

static inline void rig_lost(void *arg, const char *why)
{
    rig_t *r = arg;
    r->lost++;
    snprintf(r->lost_why, sizeof r->lost_why, "%s", why);
}

static inline void rig_back(void *arg, uint32_t slot, uint32_t from, uint32_t to)
{
    rig_t *r = arg;
    (void)slot;
    r->back_from = from;
    r->back_to = to;
    r->backs_n++;
}

static inline void rig_trouble(void *arg, const char *line)
{
    rig_t *r = arg;
    r->troubles_n++;
    snprintf(r->trouble, sizeof r->trouble, "%s", line);
}

static inline void rig_failed(void *arg, const fanmap_error_t *err)
{
    rig_t *r = arg;
    r->failures_n++;
    snprintf(r->failure, sizeof r->failure, "%s", err->message);
}

static inline void rig_note(void *arg, uint32_t slot, const char *line)
{
    rig_t *r = arg;
    r->notes_n++;
    snprintf(r->notes[slot], sizeof r->notes[slot], "%s", line);
}

static inline unsigned rig_open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

static inline void rig_folder(char *ret, size_t cap, const char *behind)
{
    char exe[2048];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    assert_true(n > 0);
    exe[n] = '\0';
    *strrchr(exe, '/') = '\0';
    *strrchr(exe, '/') = '\0';
    snprintf(ret, cap, "%s%s", exe, behind);
}

static inline void rig_libexec(void)
{
    char folder[2100];
    rig_folder(folder, sizeof folder, "");
    setenv("FANMAP_LIBEXEC", folder, 0);
}

static inline void rig_add_libraries(rig_t *r)
{
    char path[2100];
    fanmap_error_t err = {0};
    rig_folder(path, sizeof path, "/examples/numbers.so");
    if (slots_catalogue_add_library(&r->tasks, path, &err) != FANMAP_OK)
        fail_msg("%s", err.message);
    rig_folder(path, sizeof path, "/examples/nasty.so");
    if (slots_catalogue_add_library(&r->tasks, path, &err) != FANMAP_OK)
        fail_msg("%s", err.message);
}

static inline void rig_add_command(rig_t *r, const char *name, const char *command)
{
    fanmap_error_t err = {0};
    if (slots_catalogue_add_command(&r->tasks, TASK_EXEC, name, command, NULL, &err) != FANMAP_OK)
        fail_msg("%s", err.message);
}

static inline int rig_children(void)
{
    return proc_signal_descendants(getpid(), NULL, 0, 0);
}

static bool rig_fd_was_open[RIG_FDS_MAX];
static pid_t rig_owner; /* who runs the tests, not a fork of it */

static inline bool rig_fd_is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* Before each test. */
static inline int rig_before(void **state)
{
    (void)state;
    rig_owner = getpid();
    for (int fd = 0; fd < RIG_FDS_MAX; fd++)
        rig_fd_was_open[fd] = rig_fd_is_open(fd);
    return 0;
}

/* After each test: what a failed one left open is closed, and what it started is killed, so that the next one begins
 * with nothing. */
static inline int rig_after(void **state)
{
    (void)state;
    if (getpid() != rig_owner)
        _exit(1); /* a fork in which something failed runs no further tests */
    for (int fd = 0; fd < RIG_FDS_MAX; fd++)
        if (!rig_fd_was_open[fd] && rig_fd_is_open(fd))
            close(fd);
    for (int64_t end_ms = loop_clock_ms() + RIG_WAIT_MS; rig_children() > 0 && loop_clock_ms() < end_ms;) {
        proc_signal_descendants(getpid(), NULL, 0, SIGKILL);
        while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
            ;
        usleep(RIG_LOOK_US);
    }
    while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
        ;
    return 0;
}

#define rig_test(f) cmocka_unit_test_setup_teardown(f, rig_before, rig_after)

/* Before rig_open: the catalogue may be filled and config changed. */
static inline void rig_init(rig_t *r, uint32_t slots_n)
{
    int pair[2];
    fanmap_error_t err = {0};
    memset(r, 0, sizeof *r);
    rig_libexec();
    r->fds_before = rig_open_fds();
    assert_int_equal(pipe2(pair, O_CLOEXEC | O_NONBLOCK), 0);
    fcntl(pair[0], F_SETPIPE_SZ, 1 << 20);
    r->log_read = pair[0];
    r->log_write = pair[1];
    assert_int_equal(loop_new(&r->loop, &err), FANMAP_OK);
    r->config =
        (slots_config_t){.slots_n = slots_n, .log_fd = r->log_write, .session_ms = 45000, .value_bytes_max = 1 << 20};
    r->job = (slots_job_t){.job = "job-1", .attempts_max = 3, .value_bytes_max = 1 << 20, .grace_ms = 200};
}

/* The slot is up, and not more than this waits in it. */
static inline bool rig_has_room(const rig_t *r, uint32_t slot)
{
    const slot_t *t = &r->slots->slots[slot];
    return t->state == SLOT_UP && !board_is_closed(t->board) && t->inflight.n <= 64;
}

#define rig_wait(r, condition) rig_wait_for(r, condition, RIG_WAIT_MS, #condition, __LINE__)
#define rig_wait_for(r, condition, ms, text, line)                                                                     \
    do {                                                                                                               \
        int64_t end_ms_ = loop_clock_ms() + (ms);                                                                      \
        while (!(condition)) {                                                                                         \
            if (loop_clock_ms() >= end_ms_)                                                                            \
                fail_msg("line %d: waited in vain for %s", line, text);                                                \
            loop_run_once((r)->loop, 5);                                                                               \
        }                                                                                                              \
    } while (0)

/* Waits for nothing. */
static inline void rig_open_only(rig_t *r)
{
    static const slots_callbacks_t callbacks = {rig_up,   rig_done,    rig_down,   rig_lost,
                                                rig_note, rig_trouble, rig_failed, rig_back};
    fanmap_error_t err = {0};
    r->config.tasks = r->tasks.tasks;
    r->config.tasks_n = r->tasks.n;
    if (slots_open(r->loop, &r->config, &callbacks, r, &r->slots, &err) != FANMAP_OK)
        fail_msg("%s", err.message);
}

static inline void rig_open(rig_t *r)
{
    rig_open_only(r);
    rig_wait(r, r->ups == r->config.slots_n);
}

static inline const slots_task_t *rig_task(const rig_t *r, const char *name)
{
    for (size_t i = 0; i < r->tasks.n; i++)
        if (strcmp(r->tasks.tasks[i].name, name) == 0)
            return &r->tasks.tasks[i];
    fail_msg("no task %s", name);
    return NULL;
}

static inline void rig_set_job(rig_t *r, uint32_t slot, const char *task)
{
    r->job.task = rig_task(r, task);
    slots_set_job(r->slots, slot, 1, &r->job);
}

/* Queues one run of an item given as JSON. */
static inline uint32_t rig_run(rig_t *r, uint32_t slot, uint64_t index, const char *json)
{
    buf_t in = {0};
    fanmap_error_t err = {0};
    if (value_from_json(&in, json, strlen(json), &err) != FANMAP_OK)
        fail_msg("%s: %s", json, err.message);
    slot_run_t run = {.index = index, .attempt = 1, .deadline_ms = -1, .in = in.data, .in_len = in.len};
    uint32_t n = slots_run(r->slots, slot, &run);
    buf_free(&in);
    return n;
}

/* Runs one item and gives its `done`. */
static inline const rig_done_t *rig_one(rig_t *r, const char *task, const char *json)
{
    uint64_t before = r->dones_n;
    rig_set_job(r, 0, task);
    rig_run(r, 0, before, json);
    slots_flush(r->slots);
    rig_wait(r, r->dones_n > before);
    return &r->dones[before % RIG_EVENTS_MAX];
}

/* Runs one item that takes its slot down and gives the `down`; the slot is up again afterwards. */
static inline const rig_down_t *rig_one_down(rig_t *r, const char *task, const char *json)
{
    unsigned before = r->downs_n, ups = r->ups;
    rig_set_job(r, 0, task);
    rig_run(r, 0, 7, json);
    slots_flush(r->slots);
    rig_wait(r, r->downs_n > before && r->ups > ups);
    return &r->downs[before % RIG_EVENTS_MAX];
}

/* The log so far, as one text; grows from call to call. */
static inline size_t rig_read_log(const rig_t *r, char *text, size_t len, size_t cap)
{
    ssize_t n;
    while (len < cap - 1 && (n = read(r->log_read, text + len, cap - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    return len;
}

static inline bool rig_is_subreaper(void)
{
    int is_subreaper = 0;
    return prctl(PR_GET_CHILD_SUBREAPER, &is_subreaper) == 0 && is_subreaper;
}

static inline void rig_close(rig_t *r)
{
    slots_close(r->slots);
    loop_free(r->loop);
    slots_catalogue_free(&r->tasks);
    close(r->log_read);
    close(r->log_write);
    for (int64_t end_ms = loop_clock_ms() + RIG_WAIT_MS; rig_children() > 0 && loop_clock_ms() < end_ms;)
        usleep(RIG_LOOK_US);
    assert_int_equal(rig_children(), 0);
    if (!rig_is_subreaper())
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* else zombies of others may come to us */
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    assert_int_equal(rig_open_fds(), r->fds_before);
}

#endif
