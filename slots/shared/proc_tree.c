/* One pass over /proc reads who is whose child; the tree below the root is then marked, in any order of pids. A process
 * that starts between two passes is found by the next: callers that kill repeat until nothing is left. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "slots/shared/proc.h"

typedef struct {
    pid_t pid, parent;
    char state;
    bool below;
    uint64_t ticks; /* processor time of it and of its children that were waited for */
} entry_t;

typedef struct {
    entry_t *at;
    size_t n, cap;
} table_t;

static bool read_stat(const char *pid, entry_t *ret)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    if (!proc_read_file(AT_FDCWD, path, text, sizeof text))
        return false;
    const char *name_end = strrchr(text, ')'); /* the name may hold anything */
    long parent;
    unsigned long long user, system;
    long long user_below, system_below;
    if (!name_end || sscanf(name_end + 1, " %c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld",
                            &ret->state, &parent, &user, &system, &user_below, &system_below) != 6)
        return false;
    ret->ticks = user + system + (uint64_t)user_below + (uint64_t)system_below;
    ret->pid = (pid_t)strtol(pid, NULL, 10);
    ret->parent = (pid_t)parent;
    ret->below = false;
    return true;
}

static bool add_entry(table_t *t, const entry_t *e)
{
    if (!array_has_room(t->at, t->n, t->cap, 256))
        return false;
    t->at[t->n++] = *e;
    return true;
}

static bool read_table(table_t *t)
{
    DIR *proc = opendir("/proc");
    if (!proc)
        return false;
    for (struct dirent *d; (d = readdir(proc));) {
        entry_t e;
        if (isdigit((unsigned char)d->d_name[0]) && read_stat(d->d_name, &e) && !add_entry(t, &e))
            break;
    }
    closedir(proc);
    return true;
}

static bool is_below(const table_t *t, pid_t pid)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->at[i].pid == pid)
            return t->at[i].below;
    return false;
}

static bool is_among(pid_t pid, const pid_t *pids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (pids[i] == pid)
            return true;
    return false;
}

static void mark_below(table_t *t, pid_t root, const pid_t *except, size_t except_n)
{
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < t->n; i++) {
            entry_t *e = &t->at[i];
            if (!e->below && (e->parent == root || is_below(t, e->parent)) && !is_among(e->pid, except, except_n))
                e->below = more = true;
        }
    }
}

int proc_signal_descendants(pid_t root, const pid_t *except, size_t except_n, int signo)
{
    table_t t = {0};
    int found = read_table(&t) ? 0 : -1;
    mark_below(&t, root, except, except_n);
    for (size_t i = 0; i < t.n; i++) {
        if (!t.at[i].below || t.at[i].state == 'Z' || t.at[i].state == 'X')
            continue;
        found++;
        if (signo)
            kill(t.at[i].pid, signo);
    }
    free(t.at);
    return found;
}

int proc_signal_children(pid_t root, const pid_t *except, size_t except_n, int signo)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)root, (long)root);
    int found = 0;
    if (!proc_read_file(AT_FDCWD, path, text, sizeof text))
        return -1;
    char *at = text, *end;
    for (long pid; (pid = strtol(at, &end, 10)) > 0 && end > at; at = end) {
        if (is_among((pid_t)pid, except, except_n))
            continue;
        found++;
        if (signo && *end) /* a number that was cut off may be another's */
            kill((pid_t)pid, signo);
    }
    return found;
}

int64_t proc_cpu_us(pid_t root, bool with_root, const pid_t *except, size_t except_n)
{
    table_t t = {0};
    uint64_t ticks = 0;
    long hz = sysconf(_SC_CLK_TCK);
    read_table(&t);
    mark_below(&t, root, except, except_n);
    for (size_t i = 0; i < t.n; i++)
        if (t.at[i].below || (with_root && t.at[i].pid == root))
            ticks += t.at[i].ticks;
    free(t.at);
    return (int64_t)(ticks * 1000000 / (uint64_t)(hz > 0 ? hz : 100));
}
