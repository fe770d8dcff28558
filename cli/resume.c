#include "cli/resume.h"
#include "cli/results.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static resume_mode_t mode_of(const arguments_t *a)
{
    if (a->retries_log)
        return RESUME_FAILED;
    return is_switch_set(a, "resume-failed") ? RESUME_REST_AND_FAILED
           : is_switch_set(a, "resume")      ? RESUME_REST
                                             : RESUME_NOT;
}

/* False: no memory. */
static bool add_row(resume_t *r, resume_row_t row, const char *command, size_t len, bool keeps_commands)
{
    if (!array_has_room(r->rows, r->n, r->cap, 1024))
        return false;
    if (keeps_commands && row.has_failed) {
        row.command = malloc(len + 1);
        if (!row.command)
            return false;
        memcpy(row.command, command, len + 1);
        for (size_t i = 0; i < len; i++)
            if (!command[i])
                row.command[i] = '\n';
    }
    r->rows[r->n++] = row;
    return true;
}

/* A line that is none was being written when the program died. */
static int read_rows(resume_t *r, FILE *file, const char *path, bool keeps_commands)
{
    char *line = NULL;
    size_t cap = 0, number = 0, command_len;
    ssize_t len;
    int status = EXIT_ALL_WELL;
    while (status == EXIT_ALL_WELL && (len = getline(&line, &cap, file)) > 0 && line[len - 1] == '\n') {
        resume_row_t row;
        const char *command;
        line[--len] = '\0';
        bool is_head = number++ == 0 && strncmp(line, "Seq\tHost\t", 9) == 0;
        bool is_row = !is_head && resume_read_row(line, (size_t)len, &row, &command, &command_len);
        if (is_row) {
            row.line = number;
            is_row = add_row(r, row, command, command_len, keeps_commands);
            status = is_row ? EXIT_ALL_WELL : EXIT_IO;
        } else if (number == 1 && !is_head) {
            status = EXIT_USAGE;
        }
    }
    free(line);
    if (status == EXIT_ALL_WELL && ferror(file))
        status = EXIT_IO;
    if (status != EXIT_ALL_WELL)
        complain("--joblog %s: %s", path, status == EXIT_USAGE ? "this is no job log" : strerror(errno ? errno : EIO));
    r->n = resume_sort(r->rows, r->n);
    return status;
}

/* The commands of the log that failed are the items. */
static int take_commands(resume_t *r, arguments_t *a)
{
    size_t n = 0;
    r->again = calloc(r->n + 1, sizeof *r->again);
    if (!r->again)
        return fail_with(EXIT_IO, "out of memory");
    for (size_t i = 0; i < r->n; i++) {
        if (!r->rows[i].has_failed)
            continue;
        r->again[n] = r->rows[i].command;
        r->rows[n++] = r->rows[i];
    }
    r->n = n;
    a->sequences[0] = (values_t){.at = r->again, .n = (int)n};
    a->sequences_n = 1;
    return EXIT_ALL_WELL;
}

/* Places in the log are those of the items as they come. False: after a complaint. */
static bool resume_takes(const resume_t *r, const arguments_t *a)
{
    static const char *const changes[] = {"max-args", "max-replace-args", "max-lines", "colsep", "eof", "header"},
                             *const switches[] = {"many", "csv", "no-run-if-empty", "pipe", "xargs", "context-replace"};
    bool is_again = r->mode == RESUME_FAILED && !arguments_have_command(a) && a->positionals_n == 0;
    const char *odd = is_switch_set(a, "shuf") ? "shuf" : NULL;
    for (size_t i = 0; is_again && i < sizeof changes / sizeof *changes; i++) {
        odd = option_text(a, changes[i]) ? changes[i] : odd;
        odd = is_switch_set(a, switches[i]) ? switches[i] : odd;
    }
    if (odd)
        complain("--%s changes the places of the items, by which the job log goes: not with --resume or --retry-failed",
                 odd);
    return !odd;
}

int resume_open(resume_t *r, arguments_t *a)
{
    const char *path = option_text(a, "joblog");
    bool has_task = arguments_have_command(a) || a->positionals_n > 0;
    *r = (resume_t){.mode = mode_of(a)};
    if (r->mode == RESUME_NOT)
        return EXIT_ALL_WELL;
    const char *results = option_text(a, "results");
    if (!resume_takes(r, a))
        return EXIT_USAGE;
    r->by_results =
        !path && r->mode == RESUME_REST && results && !results_are_rows(results) && !is_switch_set(a, "pipe");
    if (r->by_results)
        return EXIT_ALL_WELL;
    if (!path)
        return fail_with(EXIT_USAGE,
                         "--resume, --resume-failed and --retry-failed go by a job log: give --joblog FILE");
    if (!has_task && (r->mode != RESUME_FAILED || !is_switch_set(a, "local") || a->sequences_n > 0))
        return fail_with(
            EXIT_USAGE, "which task or command? (with --local, --retry-failed alone runs the commands of the job log)");
    path += *path == '+';
    FILE *file = fopen(path, "re");
    if (!file && errno == ENOENT && r->mode != RESUME_FAILED)
        return EXIT_ALL_WELL;
    if (!file)
        return fail_with(EXIT_IO, "--joblog %s: %s", path, strerror(errno));
    int status = read_rows(r, file, path, !has_task);
    fclose(file);
    return status == EXIT_ALL_WELL && !has_task ? take_commands(r, a) : status;
}

void resume_close(resume_t *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->rows[i].command);
    free(r->rows);
    free(r->again);
    buf_free(&r->command);
    *r = (resume_t){0};
}

bool resume_wants(resume_t *r, parallel_log_t *log, uint64_t seq, fanmap_format_t format, const fanmap_part_t *parts,
                  size_t n)
{
    if (r->mode == RESUME_NOT || r->again || r->by_results)
        return true;
    buf_clear(&r->command);
    parallel_log_command(log, seq, format, parts, n, &r->command);
    if (r->command.failed)
        return true;
    uint64_t hash = resume_hash((const char *)r->command.data, r->command.len);
    const resume_row_t *row = resume_find(r->rows, r->n, seq, hash);
    return row ? r->mode != RESUME_REST && row->has_failed : r->mode != RESUME_FAILED;
}

uint64_t resume_seq(const resume_t *r, uint64_t taken)
{
    return r->again ? r->rows[taken].seq : taken + 1;
}
