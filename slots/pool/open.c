/* Opening and closing all slots: the plan that the slots' processes read, limits that cannot be kept refused, and files enough. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "slots/pool/pool.h"
#include "slots/shared/controls.h"
#include "slots/shared/proc.h"

enum { SLOTS_MAX = 65536, FILES_OF_SLOT = 6, FILES_BESIDE = 128 };

static int make_plan(slots_t *s, const slots_config_t *config, fanmap_error_t *err)
{
    char libexec[PATH_MAX];
    const char *cgroups = getenv("FANMAP_CGROUPS");
    if (!proc_find_libexec("fanmap-guardian", libexec, sizeof libexec))
        return err_set(err, FANMAP_EUSAGE, "the program fanmap-guardian is missing: name its folder in FANMAP_LIBEXEC");
    task_user_t user = {0};
    if (config->task_user && task_user_find(config->task_user, &user, err) != FANMAP_OK)
        return err_wrap(err, "the user of attempts");
    plan_t plan = {.slots_n = config->slots_n,
                   .session_ms = config->session_ms,
                   .start_timeout_ms = config->start_timeout_ms,
                   .bye_ms = config->bye_ms ? config->bye_ms : BYE_MS,
                   .lasts_ms = config->lasts_ms ? config->lasts_ms : LASTS_MS,
                   .ordinary = ordinary_now(),
                   .use_cgroups = !cgroups || strcmp(cgroups, "0") != 0,
                   .libexec = libexec,
                   .tasks = (slots_task_t *)(uintptr_t)config->tasks,
                   .tasks_n = (uint32_t)config->tasks_n};
    plan.ordinary.may_gain = config->new_privileges;
    plan.ordinary.user = user;
    s->plan_fd = plan_write(&plan);
    if (s->plan_fd < 0)
        return err_set(err, FANMAP_EIO, "no memory file: %s", strerror(errno));
    return plan_read(s->plan_fd, &s->plan) ? FANMAP_OK : err_set(err, FANMAP_ENOMEM, "no memory for the plan");
}

/* A slot that starts has six here, and as many in the guardian, who inherits the limit. */
static int raise_files(uint32_t slots_n, fanmap_error_t *err)
{
    uint64_t wanted = FILES_BESIDE + (uint64_t)slots_n * FILES_OF_SLOT, hard = 0;
    if (files_raise(wanted, &hard))
        return FANMAP_OK;
    return err_set(
        err, FANMAP_EUSAGE,
        "%u slots need %llu open files, and the hard limit is %llu (ulimit -Hn, LimitNOFILE= of a unit): raise it, "
        "or take fewer --slots",
        slots_n, (unsigned long long)wanted, (unsigned long long)hard);
}

/* A limit that the operator named and that nothing here can keep is no limit. */
static int check_limits(const slots_t *s, fanmap_error_t *err)
{
    controls_t controls;
    const char *name = NULL;
    limits_t all = {0};
    for (uint32_t i = 0; i < s->plan.tasks_n; i++) {
        all.processes_n |= s->plan.tasks[i].terms.limits.processes_n;
        all.cpus_milli |= s->plan.tasks[i].terms.limits.cpus_milli;
    }
    if (!limits_any(&all))
        return FANMAP_OK;
    controls_find(&controls, s->plan.use_cgroups, 0);
    bool can = controls_can_keep(&controls, &all, &name);
    controls_close(&controls);
    return can ? FANMAP_OK
               : err_set(err, FANMAP_EUSAGE,
                         "a limit of %s cannot be kept here: it needs a cgroup whose %s controller this user may use%s",
                         name, strcmp(name, "cpus") == 0 ? "cpu" : "pids",
                         geteuid() == 0 && strcmp(name, "processes") == 0 ? " (no other limit of processes binds root)"
                                                                          : "");
}

static int make_slots(slots_t *s, fanmap_error_t *err)
{
    s->slots = calloc(s->plan.slots_n, sizeof *s->slots);
    if (!s->slots)
        return err_set(err, FANMAP_ENOMEM, "no memory for %u slots", s->plan.slots_n);
    for (uint32_t i = 0; i < s->plan.slots_n; i++) {
        slot_t *t = &s->slots[i];
        *t = (slot_t){.pool = s, .number = i, .pidfd = -1};
        t->ends[0].fd = t->ends[1].fd = -1;
        memset(t->start_fds, -1, sizeof t->start_fds);
    }
    for (uint32_t i = 0; i < s->plan.slots_n; i++) {
        int code = slot_prepare(&s->slots[i], err);
        if (code != FANMAP_OK)
            return code;
    }
    return FANMAP_OK;
}

static int make_timers(slots_t *s, fanmap_error_t *err)
{
    int code = loop_timer_new(s->loop, guardian_on_beat, s, &s->beat_timer, err);
    if (code == FANMAP_OK)
        code = loop_timer_new(s->loop, slots_on_pull, s, &s->pull_timer, err);
    if (code == FANMAP_OK)
        code = loop_timer_new(s->loop, guardian_on_step, s, &s->step_timer, err);
    if (code == FANMAP_OK)
        loop_timer_at(s->beat_timer, loop_now_ms(s->loop)); /* then by itself */
    return code;
}

int slots_open(loop_t *loop, const slots_config_t *config, const slots_callbacks_t *callbacks, void *arg, slots_t **ret,
               fanmap_error_t *err)
{
    if (config->slots_n < 1 || config->slots_n > SLOTS_MAX)
        return err_set(err, FANMAP_EUSAGE, "the number of slots must be from 1 to %d", SLOTS_MAX);
    slots_t *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(err, FANMAP_ENOMEM, "no memory for slots");
    s->loop = loop;
    s->callbacks = *callbacks;
    s->arg = arg;
    s->log_fd = config->log_fd;
    s->value_bytes_max = config->value_bytes_max;
    s->ctl_fd = s->plan_fd = -1;
    int error, code = make_plan(s, config, err);
    if (code == FANMAP_OK && s->plan.use_cgroups)
        controls_make_room();
    if (code == FANMAP_OK)
        code = check_limits(s, err);
    if (code == FANMAP_OK)
        code = raise_files(s->plan.slots_n, err);
    if (code == FANMAP_OK)
        code = make_slots(s, err);
    if (code == FANMAP_OK)
        code = make_timers(s, err);
    if (code == FANMAP_OK)
        code = guardian_start(s, &error, err);
    if (code != FANMAP_OK) {
        slots_close(s);
        return code;
    }
    guardian_send_pending(s);
    *ret = s;
    return FANMAP_OK;
}

void slots_close(slots_t *s)
{
    if (!s)
        return;
    if (s->slots && s->ctl_fd >= 0)
        slots_shut_down_idle(s, (int64_t)s->plan.bye_ms + BYE_SPARE_MS);
    for (uint32_t i = 0; s->slots && i < s->plan.slots_n; i++)
        if (s->slots[i].board)
            board_close(s->slots[i].board);
    if (s->slots)
        guardian_close(s, CLOSE_WAIT_MS);
    for (uint32_t i = 0; s->slots && i < s->plan.slots_n; i++) {
        slot_release(&s->slots[i]);
        inflight_free(&s->slots[i].inflight);
        buf_free(&s->slots[i].in);
    }
    loop_timer_free(s->beat_timer);
    loop_timer_free(s->pull_timer);
    loop_timer_free(s->step_timer);
    proc_close_fd(&s->plan_fd);
    plan_free(&s->plan);
    free(s->slots);
    free(s->lapses);
    free(s);
}
