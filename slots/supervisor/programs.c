/* The programs of a slot: which there are, and what is said to all of them at once. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "slots/supervisor/supervisor.h"

static bool same_argv(char *const *a, const char *const *b)
{
    size_t i = 0;
    while (a[i] && b[i] && strcmp(a[i], b[i]) == 0)
        i++;
    return !a[i] && !b[i];
}

static bool has_surroundings(const terms_t *terms)
{
    return terms->workdir || terms->env || terms->nice;
}

program_t *serve_find(serve_t *v, const slots_task_t *task)
{
    for (size_t i = 0; i < v->programs_n; i++) {
        program_t *p = &v->programs[i];
        if (p->terms == &task->terms ||
            (!has_surroundings(p->terms) && !has_surroundings(&task->terms) && same_argv(p->argv, task->argv)))
            return p;
    }
    return NULL;
}

bool serve_open(supervisor_t *s)
{
    serve_t *v = &s->serve;
    v->programs = calloc(s->plan.tasks_n + 1, sizeof *v->programs);
    for (uint32_t i = 0; v->programs && i < s->plan.tasks_n; i++) {
        const slots_task_t *task = &s->plan.tasks[i];
        if (task->engine != TASK_SERVE || serve_find(v, task))
            continue;
        program_t *p = &v->programs[v->programs_n++];
        *p = (program_t){.argv = (char **)(uintptr_t)task->argv, .name = task->name, .terms = &task->terms};
        p->limiter = &v->limiter;
        p->ordinary = &s->plan.ordinary;
        p->from_fd = p->to_fd = p->stdin_fd = p->out_fd = p->err_fd = p->go_fd = p->undo_fd = -1;
    }
    return v->programs != NULL;
}

bool serve_runs(const supervisor_t *s, const program_t *p)
{
    return s->command.state == COMMAND_SERVED && s->serve.current == p;
}

void serve_end(supervisor_t *s)
{
    for (size_t i = 0; i < s->serve.programs_n; i++) {
        program_t *p = &s->serve.programs[i];
        if (p->pid <= 0)
            continue;
        if (!serve_runs(s, p)) {
            kill(-p->pid, SIGKILL);
            continue;
        }
        served_batch_end(&p->batch, &p->out, p->reader.encoding, false);
        serve_withdraw(s, p);
        served_put_cancel(&p->out, p->reader.encoding, s->command.n);
        program_flush(p);
        kill(-p->pid, SIGTERM);
    }
}

void serve_send_bye(supervisor_t *s)
{
    for (size_t i = 0; i < s->serve.programs_n; i++) {
        program_t *p = &s->serve.programs[i];
        if (p->state == PROGRAM_READY)
            served_put_bye(&p->out, p->reader.encoding);
        else if (p->pid > 0)
            kill(-p->pid, SIGKILL);
        program_flush(p);
    }
}

size_t serve_pids(const supervisor_t *s, pid_t *ret, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < s->serve.programs_n && n < cap; i++)
        if (s->serve.programs[i].pid > 0)
            ret[n++] = s->serve.programs[i].pid;
    return n;
}
