/* fanmap-host: see host.h. Also `fanmap-host --list F.so`: what tasks a library has.
 *
 * Happy path: frames are read in large pieces; each run is claimed on the board, called, and its `done` put into the
 * ring; the bell is rung when 64 results wait, when the oldest waits for 1 ms, or when there is nothing more to do.
 * While busy that is about a system call for every 64 runs.
 *
 * What can fail. The task crashes, exits, closes or scribbles over descriptors: this process ends and the supervisor
 * reports it; finished results are in the ring. The board is closed (timeout, kill): nothing can be claimed or
 * finished, and the host leaves. The worker goes away: the socket ends, and the host leaves. The ring is full: it waits
 * for the worker.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "slots/host/host.h"
#include "slots/shared/proc.h"

enum {
    PLAN_FD = 4,
    BOARD_FD = 5,
    DATA_FD = 7,
    HIGH_FD = 200,
    LAPSE_WAIT_US = 5000,
    LIMITS_WAIT_US = 500,
    RING_WAIT_MS = 50,
    RING_AT_ONCE_NS = 200000
};

static volatile sig_atomic_t cancelled;

static void on_term(int signo)
{
    (void)signo;
    cancelled = 1;
}

static void close_tasks(host_t *h)
{
    for (size_t i = 0; i < h->tasks_n; i++)
        if (h->tasks[i].is_open && h->tasks[i].task->close)
            h->tasks[i].task->close(h->tasks[i].state);
}

static void leave(host_t *h)
{
    outlet_ring(&h->outlet);
    if (!board_is_closed(h->board))
        close_tasks(h);
    fflush(NULL);
    _exit(0);
}

/* Nothing starts past the lapse of the job's tokens. */
static int64_t wait_for_tokens(host_t *h)
{
    for (;;) {
        if (h->now_ns == 0)
            h->now_ns = proc_now_ns();
        int64_t now_ms = h->now_ns / 1000000;
        if (now_ms < atomic_load_explicit(&h->board->lapse_at_ms, memory_order_relaxed))
            return now_ms;
        outlet_ring(&h->outlet);
        if (board_is_closed(h->board))
            leave(h);
        usleep(LAPSE_WAIT_US);
        h->now_ns = 0;
    }
}

static void send_done(host_t *h, bool is_error, int64_t took_ns)
{
    if (!board_finish(h->board, is_error))
        leave(h);
    outlet_put(&h->outlet, h->frame.data, h->frame.len, h->now_ns);
    while (!outlet_pump(&h->outlet)) {
        outlet_ring(&h->outlet);
        ring_wait(h->board, RING_WAIT_MS);
        h->now_ns = 0;
    }
    if (took_ns >= RING_AT_ONCE_NS || h->now_ns == 0)
        outlet_ring(&h->outlet);
    else
        outlet_ring_if_due(&h->outlet, h->now_ns);
}

static void handle_run(host_t *h, const slot_run_t *run)
{
    int64_t now_ms = wait_for_tokens(h), began_ns = h->now_ns;
    bool is_error;
    cancelled = 0;
    bool has_marked = run_put_marker(h, run); /* before the board has its label */
    switch (board_claim(h->board, run->n, run->index, run->attempt, now_ms)) {
    case BOARD_CLAIMED:
        is_error = !run_attempt(h, run);
        send_done(h, is_error, h->now_ns - began_ns);
        break;
    case BOARD_TAKEN_BACK:
        if (has_marked)
            run_owe_marker(h, run);
        break;
    case BOARD_CLOSED:
        leave(h);
    }
}

/* Its runs go on one after the other once they are over: each has its outcome when the board says that it runs. */
static void handle_call(host_t *h)
{
    const call_t *c = &h->call;
    int64_t now_ms = wait_for_tokens(h), began_ns = h->now_ns;
    cancelled = 0;
    bool has_marked = run_put_marker(h, &c->runs[0].run);
    if (!call_claim(h, now_ms))
        leave(h);
    if (has_marked && c->claimed == 0)
        run_owe_marker(h, &c->runs[0].run);
    call_run(h);
    int64_t took_ns = h->now_ns - began_ns;
    for (uint32_t i = 0; i < c->claimed; i++) {
        const slot_run_t *run = &c->runs[i].run;
        h->now_ns = h->now_ns > 0 ? h->now_ns : proc_now_ns();
        if (i > 0 && !board_go_on(h->board, run->n, run->index, run->attempt, h->now_ns / 1000000))
            leave(h);
        bool is_error = !call_put_outcome(h, i);
        send_done(h, is_error, i + 1 < c->claimed ? 0 : took_ns);
    }
}

static void on_run(host_t *h, const slot_run_t *run)
{
    if (!call_wants(h))
        handle_run(h, run);
    else if (call_add(h, run))
        handle_call(h);
}

/* Other limits than those of the job before: the supervisor puts them on this process. */
static void wait_for_limits(const host_t *h)
{
    uint32_t id = atomic_load(&h->board->limits_id);
    if (id == atomic_load(&h->board->limits_set))
        return;
    atomic_store(&h->board->limits_asked, id);
    run_wake_supervisor(h);
    while (id != atomic_load(&h->board->limits_set) && !board_is_closed(h->board))
        usleep(LIMITS_WAIT_US);
}

static void handle_frames(host_t *h)
{
    slot_frame_t frame;
    int got;
    while ((got = inlet_next(&h->inlet, &frame)) > 0) {
        if (frame.type == SLOT_RUN)
            on_run(h, &frame.run);
        else if (frame.type == SLOT_CALL)
            call_begin(h, frame.call_n);
        else if (frame.type == SLOT_JOB) {
            wait_for_limits(h);
            run_set_job(h, &frame.job);
        } else if (frame.type == SLOT_BYE)
            leave(h);
    }
    if (got < 0) {
        fputs("fanmap-host: a frame of the worker is not sound\n", stderr);
        _exit(1);
    }
}

static void serve(host_t *h)
{
    for (;;) {
        handle_frames(h);
        int got = inlet_fill(&h->inlet, false);
        if (got < 0) {
            outlet_ring(&h->outlet);
            got = inlet_fill(&h->inlet, true);
            h->now_ns = 0;
        }
        if (got == 0 || board_is_closed(h->board))
            leave(h);
    }
}

static int move_high(int fd)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
    if (high < 0)
        high = fcntl(fd, F_DUPFD_CLOEXEC, DATA_FD + 1);
    if (high >= 0 && fd > STDERR_FILENO)
        close(fd);
    return high;
}

static bool set_up(host_t *h, char **argv)
{
    proc_close_from(DATA_FD + 1);
    prctl(PR_SET_NAME, "fanmap-host");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pid_t supervisor = (pid_t)strtol(argv[2], NULL, 10);
    if (getppid() != supervisor)
        return false;
    *h = (host_t){.slot = (uint32_t)strtoul(argv[1], NULL, 10), .supervisor = supervisor};
    h->board = board_map(BOARD_FD);
    if (!h->board || !plan_read(PLAN_FD, &h->plan))
        return false;
    close(BOARD_FD);
    close(PLAN_FD);
    h->inlet.fd = h->outlet.bell_fd = move_high(DATA_FD);
    h->outlet.board = h->board;
    h->output_fd = move_high(STDOUT_FILENO);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    struct sigaction action = {.sa_handler = on_term};
    sigaction(SIGTERM, &action, NULL);
    int flags = fcntl(h->inlet.fd, F_GETFL);
    return h->inlet.fd >= 0 && h->output_fd >= 0 && fcntl(h->inlet.fd, F_SETFL, flags & ~O_NONBLOCK) == 0;
}

int main(int argc, char **argv)
{
    static host_t h;
    if (argc >= 3 && argc <= 4 && strcmp(argv[1], "--list") == 0)
        return library_list(argv[2], argv[3]);
    if (argc != 3 || !set_up(&h, argv)) {
        fputs("fanmap-host is started by fanmap-supervisor; by hand: fanmap-host --list F.so 3>&1\n", stderr);
        return 2;
    }
    attempt_init(&h.attempt, &cancelled);
    if (!library_load_all(&h, h.board->unusable, sizeof h.board->unusable))
        return 1;
    serve(&h);
    return 0;
}
