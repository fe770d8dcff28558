/* What the shell says to its caller: log lines, and once that it has ended. */
#include "worker/shell/state.h"

void shell_tell_ended(void *arg)
{
    worker_shell_t *shell = arg;
    if (shell->was_ended)
        return;
    shell->was_ended = true;
    if (shell->callbacks.ended)
        shell->callbacks.ended(shell->arg, shell->error.code ? &shell->error : NULL);
}

void shell_fail(worker_shell_t *shell, const fanmap_error_t *err)
{
    if (shell->error.code)
        return;
    shell->error = *err;
    loop_defer(shell->loop, shell_tell_ended, shell);
}

void shell_tell_lost(const worker_shell_t *shell)
{
    if (shell->callbacks.lost)
        shell->callbacks.lost(shell->arg);
}
