/* The happy path: items are pushed while the library takes them, outcomes are printed as they come, in order; when
 * neither moves, one poll waits for input, library, stdout and the next line of progress.
 *
 * What can end it early: an interrupt (cancels; with --job-id the first one leaves the job running), a reader of stdout
 * that goes away (cancels, then dies by SIGPIPE as a filter does), an input that cannot be read (the job ends with it
 * after what came before), an output that cannot be written (cancels).
 */
#include "cli/feed.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TAKE_TURN = 4096, LAST_WORDS_MS = 500 };

static volatile sig_atomic_t interrupts, last_signo;
static fanmap_t *volatile to_wake;

static void on_signal(int signo)
{
    last_signo = signo;
    interrupts++;
    if (to_wake)
        fanmap_wake(to_wake);
}

void session_catch_signals(fanmap_t *f)
{
    to_wake = f;
    stops_catch(on_signal);
    signal(SIGPIPE, SIG_IGN);
}

void session_release_signals(void)
{
    stops_release();
    to_wake = NULL;
}

static void take_outcome(session_t *s)
{
    const fanmap_outcome_t *outcome;
    int r = fanmap_next(s->job, 0, &outcome, &s->error);
    s->is_dry = r == FANMAP_AGAIN;
    if (s->is_dry)
        return;
    s->position_file.is_behind = true;
    if (r == FANMAP_OK)
        r = output_put(&s->output, s->job, outcome, &s->error);
    if (r != FANMAP_OK) {
        s->job_done = true;
        s->result = r;
    }
}

/* Outcomes are taken. */
static bool has_room(const session_t *s)
{
    return output_has_room(&s->output) && (output_is_empty(&s->output) || !position_file_is_due(&s->position_file));
}

/* While stdout takes no more, the library holds its outcomes back and still has its turns. */
static bool take_outcomes(session_t *s)
{
    int taken = 0;
    s->is_held = !has_room(s);
    fanmap_hold(s->job, s->is_held);
    if (s->is_held || s->job_done) {
        (void)fanmap_dispatch(s->f, 0, NULL);
        return false;
    }
    s->is_dry = false;
    for (; taken < TAKE_TURN && !s->job_done && !s->is_dry && output_has_room(&s->output); taken++)
        take_outcome(s);
    return taken > 1 || !s->is_dry;
}

/* What commands print while they run waits with them for whoever reads it. */
static bool hears_log(const session_t *s)
{
    return !s->task_log.live || output_has_room(&s->output);
}

static int wait_ms(const session_t *s)
{
    int64_t shows_ms = progress_next_ms(&s->progress), keeps_ms = position_file_next_ms(&s->position_file);
    int64_t wait = (shows_ms < keeps_ms ? shows_ms : keeps_ms) - monotonic_ms();
    return wait < 0 ? 0 : wait > 3600000 ? 3600000 : (int)wait;
}

static void wait_for_something(session_t *s)
{
    struct pollfd fds[3 + SEQUENCES_MAX] = {
        {fanmap_fd(s->f), POLLIN, 0}, {STDOUT_FILENO, 0, 0}, {hears_log(s) ? s->task_log.read_fd : -1, POLLIN, 0}};
    if (!output_is_empty(&s->output))
        fds[1].events = POLLOUT; /* with 0 poll still tells that the reader is gone */
    int reads = s->input && !s->input_done ? zip_poll(&s->input->zip, fds + 3) : 0;
    if (poll(fds, 3 + (nfds_t)reads, wait_ms(s)) < 0)
        return;
    if (reads > 0)
        feed_read(s, fds + 3, reads);
    if (fds[1].revents & (POLLERR | POLLHUP))
        s->output.error = EPIPE;
    if (fds[1].revents & POLLNVAL)
        s->output.error = EBADF;
}

static bool has_interrupt(session_t *s)
{
    if (interrupts == s->interrupts_seen)
        return false;
    s->interrupts_seen = interrupts;
    return true;
}

static void progress_turn(session_t *s)
{
    fanmap_stats_t stats;
    if (monotonic_ms() < progress_next_ms(&s->progress))
        return;
    fanmap_stats(s->job, &stats, sizeof stats);
    progress_show(&s->progress, &stats);
}

/* How far the output is written. */
static void keep_position(session_t *s, bool is_last)
{
    bool is_said =
        s->position_file.is_named && s->result < 0 && s->result != FANMAP_ESTOPPED && s->result != FANMAP_EIO;
    if (output_is_empty(&s->output) && !is_said && !position_file_keep(&s->position_file, s->job, is_last))
        s->keeping_failed = true;
}

static bool is_printed(const session_t *s)
{
    return s->job_done && output_is_empty(&s->output);
}

/* What was in the way when this turn looked is out of it now, and nothing else may happen that would end a wait: a job that
 * is held does not say that it has outcomes. */
static bool may_go_on(const session_t *s)
{
    return is_printed(s) || (s->is_held && has_room(s));
}

/* Until the list is printed, or something ended it early. */
static void run_session(session_t *s)
{
    while (!s->output.error && !s->keeping_failed && !is_printed(s) && !has_interrupt(s)) {
        bool moved = s->input && !s->input_done && !s->job_done && feed_turn(s);
        moved |= hears_log(s) && task_log_copy(&s->task_log);
        moved |= take_outcomes(s);
        if (!output_flush(&s->output))
            break;
        if (position_file_is_due(&s->position_file))
            keep_position(s, false);
        progress_turn(s);
        if (!moved && !may_go_on(s))
            wait_for_something(s);
    }
}

/* What was taken is still printed, where somebody reads. */
static void say_last_words(session_t *s)
{
    int64_t until = monotonic_ms() + LAST_WORDS_MS;
    while (output_flush(&s->output) && !output_is_empty(&s->output) && monotonic_ms() < until) {
        struct pollfd fd = {STDOUT_FILENO, POLLOUT, 0};
        (void)poll(&fd, 1, 20);
    }
}

static void close_session(session_t *s, bool detach)
{
    session_release_signals();
    task_log_let_go(&s->task_log);
    fanmap_job_close(s->job, detach);
    fanmap_close(s->f);
    task_log_close(&s->task_log);
}

static int leave_interrupted(session_t *s)
{
    char id[128];
    bool is_local = is_switch_set(s->arguments, "local");
    const char *name = option_text(s->arguments, "as"), *shared = option_text(s->arguments, "share");
    const char *file = option_text(s->arguments, "position-file");
    const char *by = name ? " --as " : shared ? " --share " : file ? " --position-file " : "";
    bool follows = s->is_gather && is_switch_set(s->arguments, "follow");
    bool goes_on = s->is_gather || (option_text(s->arguments, "job-id") && !is_local);
    snprintf(id, sizeof id, "%s", fanmap_job_id(s->job));
    session_release_signals(); /* another one does not wait */
    say_last_words(s);
    keep_position(s, true);
    close_session(s, goes_on);
    if (is_local)
        complain("interrupted; what ran here is cancelled: begin again with the same command");
    else if (s->is_gather)
        complain("interrupted; go on with: fanmap gather %s%s%s%s", id, follows ? " --follow" : "", by,
                 name     ? name
                 : shared ? shared
                 : file   ? file
                          : "");
    else if (goes_on && s->input_done)
        complain("interrupted; the job goes on: fanmap gather %s, or end it: fanmap cancel %s", id, id);
    else if (goes_on)
        complain("interrupted; the job stays open with the items so far: fanmap gather %s, or end it: fanmap cancel %s",
                 id, id);
    else
        complain("interrupted; job %s is cancelled; what was stored stays: fanmap gather %s", id, id);
    return last_signo == SIGTERM ? EXIT_TERMINATED : EXIT_INTERRUPTED;
}

static int leave_output_failed(session_t *s)
{
    char id[128];
    int error = s->output.error;
    snprintf(id, sizeof id, "%s", fanmap_job_id(s->job));
    close_session(s, s->is_gather);
    if (error == EPIPE) {
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    if (s->is_gather)
        complain("stdout: %s; the job is as it was: fanmap gather %s", strerror(error), id);
    else
        complain("stdout: %s; the job was cancelled", strerror(error));
    return EXIT_IO;
}

/* What --halt waited for was a success, and it has come. */
static bool has_succeeded(const session_t *s)
{
    const char *halt = option_text(s->arguments, "halt");
    fanmap_stats_t stats;
    fanmap_stats(s->job, &stats, sizeof stats);
    return stats.halted && halt && strstr(halt, ",success=");
}

static int leave_ended(session_t *s)
{
    int status = s->output.failures ? EXIT_SOME_FAILED : EXIT_ALL_WELL;
    bool is_said = s->input_failed && s->result == FANMAP_EIO && is_switch_set(s->arguments, "detach");
    if (s->result < 0 && !is_said)
        status = complain_error(&s->error);
    if (s->result == FANMAP_ESTOPPED && has_succeeded(s))
        status = EXIT_ALL_WELL;
    if (s->input_failed)
        status = EXIT_IO;
    keep_position(s, true);
    close_session(s, false);
    return s->keeping_failed && status <= EXIT_SOME_FAILED ? EXIT_IO : status;
}

int session_run(session_t *s)
{
    fanmap_stats_t stats;
    run_session(s);
    while (task_log_copy(&s->task_log))
        ;
    fanmap_stats(s->job, &stats, sizeof stats);
    bool is_ended = s->job_done && output_is_empty(&s->output);
    if (is_ended || s->output.error)
        progress_close(&s->progress, &stats);
    else
        progress_end();
    int status = EXIT_IO;
    if (s->keeping_failed)
        close_session(s, true);
    else
        status = s->output.error ? leave_output_failed(s) : is_ended ? leave_ended(s) : leave_interrupted(s);
    if (!output_close(&s->output) && status <= EXIT_SOME_FAILED)
        status = EXIT_IO;
    return status;
}
