/* Limits before, at and after a process's start. Controllers hold them where there are any: a folder for each limit
 * that was ever needed, which a command enters before its exec. Where there are none rlimits do, as far as they go;
 * RLIMIT_NPROC counts all of the user's processes, so that those that there are are added. */
#include "slots/supervisor/limiter.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slots/shared/cgroup.h"

static const char *const limit_names[CONTROLS_N] = {"memory", "processes", "cpus"};

void limiter_init(limiter_t *l, controls_t *controls, bool use_cgroups, const controls_place_t *place,
                  engine_folder_t engine, const ordinary_t *ordinary)
{
    *l = (limiter_t){
        .controls = controls, .use_cgroups = use_cgroups, .place = *place, .engine = engine, .ordinary = ordinary};
    for (int i = 0; i < CONTROLS_N; i++)
        l->folder_fds[i] = l->procs_fds[i] = -1;
}

static bool open_folder(limiter_t *l, control_t which)
{
    if (l->folder_fds[which] >= 0)
        return true;
    l->folder_fds[which] = controls_open(l->controls, which, &l->place, l->engine);
    if (l->folder_fds[which] >= 0)
        l->procs_fds[which] = openat(l->folder_fds[which], "cgroup.procs", O_WRONLY | O_CLOEXEC);
    if (which == CONTROL_MEMORY)
        l->oom_kills = controls_oom_kills(l->controls, l->folder_fds[which]);
    return l->procs_fds[which] >= 0;
}

static bool set_control(limiter_t *l, control_t which, uint64_t limit)
{
    if (limit == 0 && l->folder_fds[which] < 0)
        return true;
    return open_folder(l, which) && controls_set(l->controls, which, l->folder_fds[which], limit);
}

static void add_rlimit(limiter_t *l, __rlimit_resource_t resource, uint64_t value)
{
    if (value == 0)
        return;
    l->rlimits[l->rlimits_n].resource = resource;
    l->rlimits[l->rlimits_n].value = (rlim_t)value;
    l->rlimits_n++;
}

/* The threads of a process if it is this user's. Who owns its folder does not tell: where nobody may look into it, as into our
 * guardian, that is root. */
static uint64_t threads_if_of(const char *pid, uid_t user)
{
    char path[300], line[128];
    unsigned uid = 0, threads = 0;
    bool is_his = false;
    snprintf(path, sizeof path, "/proc/%s/status", pid);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f) && sscanf(line, "Threads: %u", &threads) != 1)
        if (sscanf(line, "Uid: %u", &uid) == 1)
            is_his = uid == user;
    if (f)
        fclose(f);
    return is_his ? threads : 0;
}

/* RLIMIT_NPROC counts every thread of the user: what there is already is added. */
static uint64_t threads_of(uid_t user)
{
    DIR *proc = opendir("/proc");
    uint64_t n = 0;
    for (struct dirent *d; proc && (d = readdir(proc));)
        n += d->d_name[0] > '0' && d->d_name[0] <= '9' ? threads_if_of(d->d_name, user) : 0;
    if (proc)
        closedir(proc);
    return n;
}

static void set_rlimits(limiter_t *l)
{
    const limits_t *limits = &l->limits;
    l->rlimits_n = 0;
    add_rlimit(l, RLIMIT_NOFILE, limits->files_n);
    add_rlimit(l, RLIMIT_FSIZE, limits->file_bytes);
    if (limits->cpu_time_ms) /* the meter comes first (meter.h); this is for one that escapes it */
        add_rlimit(l, RLIMIT_CPU, limits->cpu_time_ms / 1000 + 3);
    if (l->controls->base_fds[CONTROL_MEMORY] < 0)
        add_rlimit(l, RLIMIT_DATA, limits->memory_bytes);
    if (l->controls->base_fds[CONTROL_PROCESSES] < 0 && limits->processes_n)
        add_rlimit(l, RLIMIT_NPROC,
                   limits->processes_n + threads_of(l->ordinary->user.is_set ? l->ordinary->user.uid : getuid()));
}

bool limiter_set(limiter_t *l, const limits_t *limits, char *why, size_t cap)
{
    const uint64_t wanted[CONTROLS_N] = {limits->memory_bytes, limits->processes_n, limits->cpus_milli};
    if (memcmp(limits, &l->limits, sizeof *limits) == 0)
        return true;
    if (!l->controls->is_found)
        controls_find(l->controls, l->use_cgroups, l->place.guardian);
    l->limits = *limits;
    l->was_used = true;
    for (int i = 0; i < CONTROLS_N; i++)
        if (l->controls->base_fds[i] >= 0 && !set_control(l, (control_t)i, wanted[i])) {
            snprintf(why, cap, "the limit of %s cannot be set: %s", limit_names[i], strerror(errno));
            l->limits = (limits_t){0};
            return false;
        }
    set_rlimits(l);
    return true;
}

bool limiter_enter_folders(const void *limiter)
{
    const limiter_t *l = limiter;
    for (int i = 0; i < CONTROLS_N; i++)
        if (l->procs_fds[i] >= 0 && write(l->procs_fds[i], "0", 1) != 1)
            return false;
    return true;
}

bool limiter_enter(const void *limiter)
{
    const limiter_t *l = limiter;
    if (!limiter_enter_folders(l))
        return false;
    for (unsigned i = 0; i < l->rlimits_n; i++) {
        struct rlimit both = {l->rlimits[i].value, l->rlimits[i].value}, now;
        if (getrlimit(l->rlimits[i].resource, &now) == 0 && now.rlim_max < both.rlim_max)
            both.rlim_cur = both.rlim_max = now.rlim_max;
        if (setrlimit(l->rlimits[i].resource, &both) != 0)
            return false;
    }
    return true;
}

static bool put_rlimit(pid_t pid, __rlimit_resource_t resource, rlim_t value)
{
    struct rlimit wanted;
    if (getrlimit(resource, &wanted) != 0)
        return false;
    if (value > 0)
        wanted.rlim_cur = value < wanted.rlim_max ? value : wanted.rlim_max;
    return prlimit(pid, resource, &wanted, NULL) == 0;
}

static bool put_rlimits(const limiter_t *l, pid_t pid)
{
    static const __rlimit_resource_t resources[] = {RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_NPROC};
    for (size_t k = 0; k < sizeof resources / sizeof *resources; k++) {
        rlim_t value = resources[k] == RLIMIT_NOFILE ? (rlim_t)l->ordinary->files_n : 0;
        for (unsigned i = 0; i < l->rlimits_n; i++)
            if (l->rlimits[i].resource == resources[k])
                value = l->rlimits[i].value;
        if (!put_rlimit(pid, resources[k], value))
            return false;
    }
    return true;
}

/* Limits of another user's process that user may set, and root only with a capability that containers rarely have. */
static bool put_rlimits_as_user(const limiter_t *l, pid_t pid)
{
    int status = 1;
    pid_t child = vfork();
    if (child == 0)
        _exit(!child_become(l->ordinary) || !put_rlimits(l, pid));
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

bool limiter_put(const limiter_t *l, pid_t pid)
{
    char text[24];
    snprintf(text, sizeof text, "%ld", (long)pid);
    for (int i = 0; i < CONTROLS_N; i++)
        if (l->folder_fds[i] >= 0 && !cgroup_write(l->folder_fds[i], "cgroup.procs", text))
            return false;
    return l->ordinary->user.is_set ? put_rlimits_as_user(l, pid) : put_rlimits(l, pid);
}

bool limiter_saw_oom(limiter_t *l)
{
    if (l->folder_fds[CONTROL_MEMORY] < 0)
        return false;
    uint64_t kills = controls_oom_kills(l->controls, l->folder_fds[CONTROL_MEMORY]);
    bool more = kills > l->oom_kills;
    l->oom_kills = kills;
    return more;
}
