#include "cli/dry_run.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cli/feed.h"

static int read_more(items_t *input)
{
    struct pollfd fds[SEQUENCES_MAX];
    const char *name = "";
    int n = zip_poll(&input->zip, fds);
    if (poll(fds, (nfds_t)n, -1) < 0 && errno != EINTR)
        return EXIT_IO;
    int error = zip_read(&input->zip, fds, n, &name);
    if (error)
        complain("%.400s: %s", name, strerror(error));
    return error ? EXIT_IO : EXIT_ALL_WELL;
}

static int print_command(session_t *s, const item_t *item)
{
    parallel_log_t *log = &s->output.parallel_log;
    size_t n = item->is_block ? 0 : item->n; /* no command is named after a block */
    uint64_t seq = resume_seq(&s->resume, s->input->taken);
    if (feed_is_done(s, item))
        return EXIT_ALL_WELL;
    buf_clear(&log->command);
    parallel_log_command(log, seq, item->format, item->parts, n, &log->command);
    for (size_t i = 0; i < log->command.len; i++)
        if (!log->command.data[i])
            log->command.data[i] = '\n';
    if (log->command.len == 0)
        complain("item %" PRIu64 " cannot be put into the command", seq - 1);
    fwrite(log->command.data, 1, log->command.len, stdout);
    if (putchar('\n') != EOF)
        return log->command.len > 0 ? EXIT_ALL_WELL : EXIT_SOME_FAILED;
    return fail_with(EXIT_IO, "stdout: %s", strerror(errno));
}

int dry_run(session_t *s)
{
    item_t item;
    char why[600];
    int status = EXIT_ALL_WELL;
    while (status <= EXIT_SOME_FAILED) {
        zip_state_t state = items_peek(s->input, &item, why, sizeof why);
        int now = EXIT_ALL_WELL;
        if (state == ZIP_END)
            break;
        if (state == ZIP_WANTS_READ)
            now = read_more(s->input);
        if (state == ZIP_FAILED) {
            complain("%s", why);
            now = EXIT_IO;
        }
        if (state == ZIP_ITEM) {
            now = print_command(s, &item);
            items_taken(s->input);
        }
        status = now > status ? now : status;
    }
    return fflush(stdout) == 0 ? status : EXIT_IO;
}
