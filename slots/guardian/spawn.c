/* The guardian is a small program of its own with one thread, so it may fork; clone3 puts the child straight into its
 * cgroup, where moving it there later would cost some 20 ms. */
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "slots/guardian/ward.h"
#include "slots/shared/proc.h"

static pid_t fork_into(int cgroup_fd)
{
    struct clone_args args = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (unsigned)cgroup_fd};
    pid_t pid = cgroup_fd < 0 ? -1 : (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (pid >= 0)
        return pid;
    pid = fork();
    if (pid == 0 && cgroup_fd >= 0)
        cgroup_enter(cgroup_fd);
    return pid;
}

/* In the child. All sources are moved out of the way of the targets first. */
static bool place_fds(const int *from, unsigned n)
{
    int high[PROC_FDS_MAX];
    for (unsigned i = 0; i < n; i++)
        if ((high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, PROC_FIRST_FD + PROC_FDS_MAX)) < 0)
            return false;
    for (unsigned i = 0; i < n; i++)
        if (dup2(high[i], (int)(PROC_FIRST_FD + i)) < 0)
            return false;
    return true;
}

pid_t ward_spawn(const guardian_t *g, const ward_t *w, int link_fd, const int *fds)
{
    char path[4096], slot[32];
    int from[] = {link_fd, g->plan_fd, fds[CTL_FD_BOARD], fds[CTL_FD_COMMANDS], fds[CTL_FD_HOST], g->log_fd};
    const char *argv[] = {"fanmap-supervisor", slot, g->log_fd >= 0 ? "log" : "-", NULL};
    snprintf(path, sizeof path, "%s/fanmap-supervisor", g->plan.libexec);
    snprintf(slot, sizeof slot, "%u.%u", w->slot, w->generation);
    int inner_fd = w->cgroup_fd >= 0 ? controls_open_inner(&g->controls, w->cgroup_fd) : -1;
    pid_t pid = fork_into(inner_fd >= 0 ? inner_fd : w->cgroup_fd);
    if (pid != 0) {
        proc_close_fd(&inner_fd);
        return pid;
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (place_fds(from, g->log_fd >= 0 ? 6 : 5))
        execv(path, (char *const *)(uintptr_t)argv);
    _exit(127);
}
