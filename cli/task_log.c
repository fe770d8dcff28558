#include "cli/task_log.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/progress.h"

enum { READ_BYTES = 16 * 1024, PIPE_BYTES = 1 << 20, LAST_WORDS_MS = 200 };

bool task_log_open(task_log_t *log)
{
    int ends[2];
    *log = (task_log_t){-1, -1, log->live};
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    (void)fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES);
    *log = (task_log_t){ends[0], ends[1], log->live};
    return true;
}

bool task_log_copy(task_log_t *log)
{
    char bytes[READ_BYTES];
    ssize_t n = log->read_fd >= 0 ? read(log->read_fd, bytes, sizeof bytes) : 0;
    if (n <= 0)
        return false;
    if (log->live) {
        live_take(log->live, bytes, (size_t)n);
        return true;
    }
    progress_hide();
    fwrite(bytes, 1, (size_t)n, stderr);
    progress_again(bytes[n - 1] != '\n');
    return true;
}

void task_log_let_go(task_log_t *log)
{
    if (log->write_fd >= 0)
        (void)fcntl(log->write_fd, F_SETFL, O_NONBLOCK);
}

void task_log_close(task_log_t *log)
{
    if (log->read_fd < 0)
        return;
    close(log->write_fd);
    struct pollfd fd = {log->read_fd, POLLIN, 0};
    while (poll(&fd, 1, LAST_WORDS_MS) > 0 && task_log_copy(log))
        ;
    close(log->read_fd);
    *log = (task_log_t){-1, -1, log->live};
}
