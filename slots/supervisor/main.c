/* fanmap-supervisor: see supervisor.h. Its story is the loop below: reap, see to the command, see to the end, wait.
 *
 * What can fail. The guardian goes away (end of the link): everything is killed and the supervisor leaves without a
 * report. The task host dies: the slot has ended; everything else in it is killed and the guardian is told how the host
 * ended. An attempt kills this process: the guardian takes care of what is left.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slots/shared/ctl.h"
#include "slots/supervisor/supervisor.h"

enum { KILL_WAIT_MS = 2, WAIT_MAX_MS = 60000, OWN_POLLS = 7, REAP_TURNS = 32 };

static volatile sig_atomic_t child_has_ended;

static void on_signal(int signo)
{
    if (signo == SIGCHLD)
        child_has_ended = 1;
}

/* Handlers, unlike ignored signals, do not pass to what is started here. */
static void set_signals(void)
{
    const int quiet[] = {SIGCHLD, SIGPIPE, SIGTERM, SIGINT, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal};
    for (size_t i = 0; i < sizeof quiet / sizeof *quiet; i++)
        sigaction(quiet[i], &action, NULL);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_BLOCK, &mask, NULL);
}

static void host_exited(supervisor_t *s, int status)
{
    s->host.has_ended = true;
    if (!s->ends_command)
        s->status = status;
    if (s->leave_by_ms > 0 || (!s->is_ending && command_sees_bye(s)))
        return;
    board_close(s->board);
    if (!s->is_ending)
        supervisor_end(s, 0);
}

/* Returns when to look again, in ms. */
static int go_on_leaving(supervisor_t *s)
{
    pid_t residents[RESIDENTS_MAX];
    int64_t left_ms = s->leave_by_ms - proc_now_ms();
    if (s->leave_by_ms == 0 || s->is_ending)
        return -1;
    if (left_ms > 0 && supervisor_residents(s, residents, RESIDENTS_MAX) > 0)
        return (int)left_ms;
    supervisor_end(s, 0);
    return 0;
}

static void reap(supervisor_t *s)
{
    int status;
    pid_t pid;
    child_has_ended = 0;
    s->turns = 0;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == s->host.pid)
            host_exited(s, status);
        else if (pid == s->command.pid)
            command_exited(s, status);
        else
            serve_exited(s, pid, status);
    }
    s->has_children = pid == 0;
}

/* While a program is served, the end of its socket tells of its death: looking for others can wait a few turns. */
static bool reaping_can_wait(supervisor_t *s)
{
    bool is_serving = s->serve.current && (s->command.state == COMMAND_SERVED || s->command.state == COMMAND_IDLE);
    return is_serving && !child_has_ended && !s->is_ending && ++s->turns < REAP_TURNS;
}

/* With residents alive, waitpid cannot tell whether a command left others behind. */
static bool has_others_than(const supervisor_t *s, const pid_t *residents, size_t residents_n)
{
    int n = proc_signal_children(s->self, residents, residents_n, 0);
    return n < 0 ? proc_signal_descendants(s->self, residents, residents_n, 0) > 0 : n > 0;
}

static void check_for_others(supervisor_t *s)
{
    pid_t residents[RESIDENTS_MAX];
    if (s->is_ending || !s->has_children || s->command.pid >= 0 ||
        (s->command.state != COMMAND_RUNNING && s->command.state != COMMAND_SWEEPING))
        return;
    size_t n = supervisor_residents(s, residents, RESIDENTS_MAX);
    if (n > 0)
        s->has_children = has_others_than(s, residents, n);
}

static bool saw_oom(supervisor_t *s)
{
    if (s->command.state == COMMAND_SERVED)
        return limiter_saw_oom(&s->serve.limiter);
    return limiter_saw_oom(s->ends_command ? &s->command.limiter : &s->host.limiter);
}

static void report_and_leave(supervisor_t *s)
{
    int status = s->status;
    ctl_message_t m = {.type = CTL_DOWN, .why = s->board->unusable[0] ? SLOT_DOWN_UNUSABLE : SLOT_DOWN_DIED};
    if (s->is_over_time)
        m.why = SLOT_DOWN_TIMEOUT;
    if (s->command.is_ready)
        command_drain(s, COMMAND_DRAIN_ALL);
    if (s->ends_command)
        (void)command_is_copied(s);
    if (s->host.out_fd >= 0)
        host_drain(s);
    serve_drain(s);
    serve_send_broken(s);
    log_end_attempt(&s->command.log);
    log_end_attempt(&s->host.log);
    m.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    m.signo = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    m.out_of_memory = saw_oom(s);
    snprintf(m.text, sizeof m.text, "%.*s", BOARD_TEXT_BYTES - 1, s->board->unusable);
    if (s->is_over_time)
        snprintf(m.text, sizeof m.text, "the attempt used more processor time than its limit of %u ms",
                 s->board->limits.cpu_time_ms);
    (void)ctl_send(LINK_FD, &m, NULL, 0);
    _exit(0);
}

/* Returns how long to wait before the next look. */
static int go_on_ending(supervisor_t *s)
{
    int64_t now_ms = proc_now_ms();
    if (!s->has_children)
        report_and_leave(s);
    if (now_ms < s->kill_at_ms)
        return s->kill_at_ms - now_ms < WAIT_MAX_MS ? (int)(s->kill_at_ms - now_ms) : WAIT_MAX_MS;
    proc_signal_descendants(s->self, NULL, 0, SIGKILL);
    return KILL_WAIT_MS;
}

static void read_link(supervisor_t *s)
{
    ctl_message_t m;
    int fds[CTL_FDS_MAX], got;
    while ((got = ctl_receive(LINK_FD, &m, fds)) > 0)
        if (m.type == CTL_KILL)
            supervisor_end(s, proc_now_ms() + m.grace_ms);
    if (got == 0) {
        board_close(s->board); /* what is killed now has not failed */
        supervisor_end(s, 0);
        s->kill_at_ms = 0;
    }
}

static void wait_and_read(supervisor_t *s, int wait_ms)
{
    command_t *c = &s->command;
    bool wants_runs = command_wants_runs(s);
    bool wants_host = s->host_fd_open && !s->is_ending;
    bool runs = c->state == COMMAND_RUNNING || c->state == COMMAND_SWEEPING, waits = runs && c->copy.len > 0;
    struct pollfd *polls = s->polls;
    const struct pollfd own[OWN_POLLS] = {
        {LINK_FD, POLLIN, 0},
        {wants_runs ? COMMANDS_FD : -1, POLLIN, 0},
        {wants_host ? HOST_FD : -1, POLLIN, 0},
        {s->host.out_fd, POLLIN, 0},
        {runs && !waits ? c->out_fd : -1, POLLIN, 0},
        {runs && !waits ? c->err_fd : -1, POLLIN, 0},
        {waits ? c->copy.fd : -1, POLLOUT, 0},
    };
    struct timespec wait = {wait_ms / 1000, (long)(wait_ms % 1000) * 1000000};
    nfds_t polls_n = OWN_POLLS + PROGRAM_FDS * s->serve.programs_n;
    sigset_t none;
    sigemptyset(&none);
    memcpy(polls, own, sizeof own);
    serve_set_polls(s, polls + OWN_POLLS);
    if (ppoll(polls, polls_n, wait_ms < 0 ? NULL : &wait, &none) <= 0)
        return;
    if (polls[0].revents)
        read_link(s);
    if (polls[1].revents && !command_fill(s))
        supervisor_end(s, 0); /* the worker let go of the slot */
    if (polls[2].revents && !s->is_ending)
        host_start(s);
    if (polls[3].revents)
        host_drain(s);
    if (polls[4].revents || polls[5].revents || polls[6].revents)
        command_drain(s, COMMAND_DRAIN_SOME);
    serve_on_polls(s, polls + OWN_POLLS);
}

static int sooner(int a_ms, int b_ms)
{
    return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

/* Returns when to look at the processor time of what runs again, in ms; -1: not at all. */
static int check_cpu_time(supervisor_t *s)
{
    uint32_t n, limit_ms = s->board->limits.cpu_time_ms;
    int64_t started_ms;
    int wait_ms = -1;
    bool is_served = s->command.state == COMMAND_SERVED;
    bool is_command = s->command.state != COMMAND_IDLE && !is_served;
    pid_t residents[RESIDENTS_MAX], resident = is_served ? s->serve.current->pid : s->host.pid;
    meter_whose_t whose = {is_command ? s->self : resident, is_command, residents, 0};
    if (limit_ms == 0 || s->is_ending)
        return -1;
    if (!board_running(s->board, &n, &started_ms) || whose.root <= 0)
        return meter_idle(&s->meter, limit_ms);
    if (is_command)
        whose.except_n = supervisor_residents(s, residents, RESIDENTS_MAX);
    if (!meter_step(&s->meter, n, &whose, limit_ms, &wait_ms))
        return wait_ms;
    if (board_close_run(s->board, n)) {
        s->is_over_time = true;
        supervisor_end(s, proc_now_ms() + atomic_load(&s->board->grace_ms));
    }
    return 0;
}

static void run(supervisor_t *s)
{
    for (;;) {
        int wait_ms;
        if (!reaping_can_wait(s))
            reap(s);
        if (atomic_load(&s->board->limits_asked) != atomic_load(&s->board->limits_set))
            host_apply_limits(s);
        check_for_others(s);
        if (!command_step(s) && !s->is_ending)
            supervisor_end(s, 0);
        int check_in_ms = sooner(sooner(check_cpu_time(s), go_on_leaving(s)), serve_check_ahead(s));
        wait_ms = s->is_ending ? go_on_ending(s) : command_wait_ms(s);
        wait_ms = sooner(sooner(wait_ms, check_in_ms), sooner(host_end_line(s), serve_wait_ms(s)));
        wait_and_read(s, wait_ms);
    }
}

static bool set_up(supervisor_t *s, char **argv)
{
    bool has_log = strcmp(argv[2], "log") == 0;
    proc_close_from(has_log ? FIRST_UNUSED_FD : LOG_FD);
    for (int fd = LINK_FD; fd <= LOG_FD; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    *s = (supervisor_t){.slot = (uint32_t)strtoul(argv[1], NULL, 10), .self = getpid(), .host_fd_open = true};
    s->host.out_fd = -1;
    prctl(PR_SET_NAME, "fanmap-supervis");
    child_harden();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    set_signals();
    s->board = board_map(BOARD_FD);
    if (!s->board || !plan_read(PLAN_FD, &s->plan))
        return false;
    if (!s->plan.ordinary.may_gain)
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const char *dot = strchr(argv[1], '.');
    s->generation = dot ? (uint32_t)strtoul(dot + 1, NULL, 10) : 0;
    controls_place_t place = {getppid(), s->slot, s->generation};
    const ordinary_t *ordinary = &s->plan.ordinary;
    limiter_init(&s->host.limiter, &s->controls, s->plan.use_cgroups, &place, ENGINE_HOST, ordinary);
    limiter_init(&s->serve.limiter, &s->controls, s->plan.use_cgroups, &place, ENGINE_SERVE, ordinary);
    limiter_init(&s->command.limiter, &s->controls, s->plan.use_cgroups, &place, ENGINE_COMMAND, ordinary);
    log_open(&s->command.log, has_log ? LOG_FD : -1);
    log_open(&s->host.log, has_log ? LOG_FD : -1);
    s->command.copy.fd = has_log ? LOG_FD : -1;
    command_open(s);
    s->polls = serve_open(s) ? calloc(OWN_POLLS + PROGRAM_FDS * s->serve.programs_n, sizeof *s->polls) : NULL;
    return s->polls != NULL;
}

int main(int argc, char **argv)
{
    supervisor_t s;
    if (argc != 3 || !set_up(&s, argv)) {
        fputs("fanmap-supervisor is started by fanmap-guardian, not by hand\n", stderr);
        return 2;
    }
    ctl_message_t up = {.type = CTL_UP};
    if (ctl_send(LINK_FD, &up, NULL, 0) != 0)
        return 1;
    run(&s);
}
