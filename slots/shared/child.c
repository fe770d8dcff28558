#include "slots/shared/child.h"

#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

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

void child_begin(const ordinary_t *ordinary)
{
    static const sigset_t none; /* all zero: empty */
    setpgid(0, 0);
    set_soft_limit(RLIMIT_CORE, ordinary->core_bytes);
    set_soft_limit(RLIMIT_NOFILE, ordinary->files_n);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}
