/* Between vfork and exec a child shares the memory of its parent and nothing else, so it only makes system calls. */
#include "slots/shared/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

static uint64_t soft_limit(__rlimit_resource_t resource)
{
    struct rlimit now = {RLIM_INFINITY, RLIM_INFINITY};
    (void)getrlimit(resource, &now);
    return now.rlim_cur == RLIM_INFINITY ? UINT64_MAX : now.rlim_cur;
}

static void set_soft_limit(__rlimit_resource_t resource, uint64_t value)
{
    struct rlimit now;
    if (getrlimit(resource, &now) != 0)
        return;
    now.rlim_cur = value < now.rlim_max ? (rlim_t)value : now.rlim_max;
    (void)setrlimit(resource, &now);
}

ordinary_t ordinary_now(void)
{
    return (ordinary_t){.core_bytes = soft_limit(RLIMIT_CORE), .files_n = soft_limit(RLIMIT_NOFILE)};
}

bool files_raise(uint64_t wanted, uint64_t *ret_hard)
{
    struct rlimit now;
    if (getrlimit(RLIMIT_NOFILE, &now) != 0 || now.rlim_cur >= wanted)
        return true;
    *ret_hard = now.rlim_max;
    set_soft_limit(RLIMIT_NOFILE, wanted);
    return now.rlim_max >= wanted;
}

void child_harden(void)
{
    prctl(PR_SET_DUMPABLE, 0);
    set_soft_limit(RLIMIT_CORE, 0);
}

/* The kernel forgets the parent-death signal of who changes its user. */
bool child_become(const ordinary_t *ordinary)
{
    return task_user_become(&ordinary->user) && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
}

static void set_ordinary(const ordinary_t *ordinary)
{
    static const sigset_t none; /* all zero: empty */
    setpgid(0, 0);
    set_soft_limit(RLIMIT_CORE, ordinary->core_bytes);
    set_soft_limit(RLIMIT_NOFILE, ordinary->files_n);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void place_fds(const int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (fds[i] == (int)i)
            fcntl(fds[i], F_SETFD, 0); /* descriptor flags are the child's own */
        else if (fds[i] >= 0)
            dup2(fds[i], (int)i);
    }
}

/* In the child. False with errno. */
static bool enter_terms(const child_t *c)
{
    errno = 0;
    if (c->terms && c->terms->nice && nice(c->terms->nice) == -1 && errno != 0)
        return false;
    if ((c->limit && !c->limit(c->limiter)) || !child_become(c->ordinary))
        return false;
    return !c->terms || !c->terms->workdir || chdir(c->terms->workdir) == 0;
}

int child_start(const child_t *c, pid_t *ret_pid)
{
    volatile int error = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        set_ordinary(c->ordinary);
        place_fds(c->fds, c->fds_n);
        if (enter_terms(c)) {
            if (c->path)
                execve(c->path, c->argv, c->env ? c->env : environ);
            else
                execvp(c->argv[0], c->argv);
        }
        error = errno;
        _exit(127);
    }
    *ret_pid = pid;
    return pid < 0 ? errno : error;
}
