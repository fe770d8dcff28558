/* Looked at some times a second, and before anything starts. */
#include "worker/shell/room.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/shell/state.h"

enum { LOOK_MS = 200, TEXT_MAX = 8192, RUNS_MIN = 3, TIMEOUT_MS_MIN = 200 };

bool room_is_there(const char *meminfo, const char *loadavg, uint64_t memfree_bytes, uint32_t load_max)
{
    const char *available = strstr(meminfo, "MemAvailable:"), *slash = strchr(loadavg, '/');
    if (available && strtoull(available + strlen("MemAvailable:"), NULL, 10) * 1024 < memfree_bytes)
        return false;
    while (slash && slash > loadavg && slash[-1] != ' ')
        slash--;
    return !slash || load_max == 0 || strtoul(slash, NULL, 10) <= load_max;
}

static void read_text(const char *path, char text[TEXT_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, TEXT_MAX - 1);
    text[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

static void look(void *arg)
{
    worker_shell_t *shell = arg;
    char meminfo[TEXT_MAX], loadavg[TEXT_MAX];
    read_text("/proc/meminfo", meminfo);
    read_text("/proc/loadavg", loadavg);
    bool holds = !room_is_there(meminfo, loadavg, shell->config.memfree_bytes, shell->config.load_max);
    loop_timer_at(shell->room.timer, loop_now_ms(shell->loop) + LOOK_MS);
    if (holds == shell->room.holds)
        return;
    shell->room.holds = holds;
    shell_step(shell, &(worker_event_t){.type = WORKER_HOLD, .hold = holds});
}

int shell_watch_room(worker_shell_t *shell, fanmap_error_t *err)
{
    if (shell->config.memfree_bytes == 0 && shell->config.load_max == 0)
        return FANMAP_OK;
    int r = loop_timer_new(shell->loop, look, shell, &shell->room.timer, err);
    if (r == FANMAP_OK)
        look(shell);
    return r;
}

void shell_note_run(worker_shell_t *shell, uint64_t run_us)
{
    room_t *room = &shell->room;
    if (shell->config.timeout_percent == 0)
        return;
    uint64_t ms = median_add(&room->run_us, run_us) * shell->config.timeout_percent / 100 / 1000;
    if (room->run_us.n < RUNS_MIN)
        return;
    ms = ms < TIMEOUT_MS_MIN ? TIMEOUT_MS_MIN : ms > UINT32_MAX ? UINT32_MAX : ms;
    if (ms == room->timeout_ms)
        return;
    room->timeout_ms = (uint32_t)ms;
    slots_set_timeout(shell->slots, room->timeout_ms);
}
