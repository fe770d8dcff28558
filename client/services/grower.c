/* The happy path: the place is read, or none is there -> the job is gathered from it -> lines into the part -> at the list's end the
 * part gets its name. */
#include "client/services/grower.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schemas/position.h"

enum { FLUSH_BYTES = 256 * 1024, READ_BYTES = 64 * 1024 };
#define GROWER_WINDOW "1MiB"

struct grower {
    grower_t *next;
    fanmap_aggregator_t *of;
    watch_task_t task;
    fanmap_job_t *job;
    int dir_fd, fd;
    char part[RESULT_NAME_MAX], place[RESULT_NAME_MAX];
    buf_t bytes; /* not written yet */
    bool is_behind, is_over;
};

static void names(char part[RESULT_NAME_MAX], char place[RESULT_NAME_MAX], const char *job)
{
    (void)snprintf(part, RESULT_NAME_MAX, "%.*s.jsonl.part", JOB_ID_MAX, job);
    (void)snprintf(place, RESULT_NAME_MAX, "%.*s.jsonl.place", JOB_ID_MAX, job);
}

static void grower_close(grower_t *g)
{
    fanmap_job_close(g->job, true);
    g->job = NULL;
    if (g->fd >= 0)
        close(g->fd);
    if (g->dir_fd >= 0)
        close(g->dir_fd);
    g->fd = g->dir_fd = -1;
    g->is_over = true;
    loop_wake(g->of->f->loop);
}

static void grower_give_up(grower_t *g, const char *why)
{
    aggregator_log(g->of, FANMAP_LOG_WARNING, "%s/%s does not grow (%s): the job's file is written when it has ended",
                   g->of->dir, g->part, why);
    grower_close(g);
}

/* ---- writing ---- */

static bool flush(grower_t *g)
{
    bool is_written = result_write(g->fd, g->bytes.data, g->bytes.len);
    buf_clear(&g->bytes);
    return is_written;
}

/* What the lines are, before the place: values, or records. */
static const char *line_form(const grower_t *g)
{
    return g->of->as_records ? "r" : "v";
}

static bool put_place(const grower_t *g, const char *text)
{
    char fresh[RESULT_NAME_MAX + 4];
    (void)snprintf(fresh, sizeof fresh, "%s.new", g->place);
    int fd = openat(g->dir_fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    bool is_stored = fd >= 0 && result_write(fd, line_form(g), 1) && result_write(fd, text, strlen(text));
    if (fd >= 0)
        is_stored &= close(fd) == 0;
    return is_stored && renameat(g->dir_fd, fresh, g->dir_fd, g->place) == 0;
}

static void sync_one(grower_t *g)
{
    const char *text;
    fanmap_error_t err;
    if (g->is_over || !g->is_behind)
        return;
    g->is_behind = false;
    if (!flush(g) || fsync(g->fd) != 0)
        grower_give_up(g, strerror(errno));
    else if (fanmap_position(g->job, &text, &err) != FANMAP_OK)
        grower_give_up(g, err.message);
    else if (!put_place(g, text))
        grower_give_up(g, strerror(errno));
}

static void on_outcome(void *arg, fanmap_job_t *job, const fanmap_outcome_t *outcome)
{
    grower_t *g = arg;
    fanmap_error_t err;
    const char *line;
    size_t len;
    if (fanmap_outcome_json(job, outcome, g->of->as_records, &line, &len, &err) != FANMAP_OK) {
        grower_give_up(g, err.message);
        return;
    }
    buf_append(&g->bytes, line, len);
    buf_append(&g->bytes, "\n", 1);
    g->is_behind = true;
    if (g->bytes.failed)
        grower_give_up(g, "out of memory");
    else if (g->bytes.len >= FLUSH_BYTES && !flush(g))
        grower_give_up(g, strerror(errno));
}

static void grower_finish(grower_t *g)
{
    char final[RESULT_NAME_MAX];
    (void)snprintf(final, sizeof final, "%.*s.jsonl", JOB_ID_MAX, g->task.job);
    if (!flush(g) || !result_settle(g->fd, g->task.submitted_ms) || fsync(g->fd) != 0 ||
        renameat(g->dir_fd, g->part, g->dir_fd, final) != 0) {
        grower_give_up(g, strerror(errno));
        return;
    }
    (void)unlinkat(g->dir_fd, g->place, 0);
    (void)fsync(g->dir_fd); /* as of the other files; some file systems cannot */
    aggregator_log(g->of, FANMAP_LOG_INFO, "job %s: its file is whole: %s/%s", g->task.job, g->of->dir, final);
    grower_close(g);
}

static void on_end(void *arg, fanmap_job_t *job, int result, const fanmap_error_t *err)
{
    grower_t *g = arg;
    (void)result;
    if (gather_decision(job)->is_decided && !job->error.code)
        grower_finish(g);
    else
        grower_give_up(g, err ? err->message : "its log ended early");
}

/* ---- going on ---- */

/* Where the n-th line ends; -1: there are fewer. */
static off_t end_of_line(int fd, uint64_t n)
{
    char bytes[READ_BYTES];
    off_t at = 0;
    ssize_t got;
    while (n > 0 && (got = pread(fd, bytes, sizeof bytes, at)) > 0) {
        const char *from = bytes, *end = bytes + got, *newline;
        while (n > 0 && (newline = memchr(from, '\n', (size_t)(end - from)))) {
            from = newline + 1;
            n--;
        }
        at += n > 0 ? got : from - bytes;
    }
    return n > 0 ? -1 : at;
}

/* 0: there is none, or it is of lines of the other form. */
static size_t read_place(const grower_t *g, char text[POSITION_TEXT_MAX])
{
    char first = 0;
    int fd = openat(g->dir_fd, g->place, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool is_of_form = fd >= 0 && read(fd, &first, 1) == 1 && first == *line_form(g);
    ssize_t n = is_of_form ? read(fd, text, POSITION_TEXT_MAX - 1) : -1;
    if (fd >= 0)
        close(fd);
    return n > 0 ? (size_t)n : 0;
}

/* The place is of this job and of such lines, and they are there: `text` is where to go on, and the part ends there. Else it begins
 * anew. */
static bool cut_at_place(const grower_t *g, char text[POSITION_TEXT_MAX])
{
    position_t *position = malloc(sizeof *position);
    spec_t spec = {.results_partition = (uint32_t)g->task.partition,
                   .start_offset = g->task.start_offset,
                   .submitted_ms = g->task.submitted_ms};
    size_t len = read_place(g, text);
    memcpy(spec.job, g->task.job, sizeof spec.job);
    text[len] = '\0';
    bool is_ours = position && len > 0 && position_decode(text, len, position) && position->kind == POSITION_ORDERED &&
                   position->job == position_job(&spec);
    off_t end = is_ours ? end_of_line(g->fd, position->number) : -1;
    free(position);
    if (end < 0)
        text[0] = '\0';
    end = end < 0 ? 0 : end;
    return ftruncate(g->fd, end) == 0 && lseek(g->fd, end, SEEK_SET) == end;
}

/* The file that was opened has its name still: another instance may have finished and renamed it before it let go. */
static bool is_part(const grower_t *g)
{
    struct stat opened, named;
    return fstat(g->fd, &opened) == 0 && fstatat(g->dir_fd, g->part, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

static bool open_part(grower_t *g)
{
    g->dir_fd = open(g->of->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (g->dir_fd >= 0)
        g->fd = openat(g->dir_fd, g->part, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
    return g->fd >= 0 && flock(g->fd, LOCK_EX | LOCK_NB) == 0 && is_part(g);
}

static int gather(grower_t *g, const char *from, fanmap_error_t *err)
{
    fanmap_options_t *options = options_copy(g->of->options);
    int r = options ? options_put(options, "window", GROWER_WINDOW, SOURCE_CALLER, err)
                    : err_set(err, FANMAP_ENOMEM, "out of memory");
    if (r == FANMAP_OK && *from)
        r = options_put(options, "from", from, SOURCE_CALLER, err);
    if (r == FANMAP_OK)
        r = fanmap_gather(g->of->f, g->task.job, options, &g->job, err);
    fanmap_options_free(options);
    if (r == FANMAP_OK)
        fanmap_on(g->job, on_outcome, on_end, NULL, g);
    return r;
}

void grower_begin(fanmap_aggregator_t *a, const watch_task_t *task)
{
    char text[POSITION_TEXT_MAX];
    fanmap_error_t err;
    bool is_wanted = a->growers_n < GROWERS_MAX && job_id_valid(task->job) && !grower_of(a, task->job);
    grower_t *g = is_wanted ? calloc(1, sizeof *g) : NULL;
    if (!g)
        return;
    *g = (grower_t){.next = a->growers, .of = a, .task = *task, .dir_fd = -1, .fd = -1};
    names(g->part, g->place, task->job);
    a->growers = g;
    a->growers_n++;
    if (!open_part(g) || !cut_at_place(g, text))
        grower_give_up(g, errno == EWOULDBLOCK ? "another one has it" : strerror(errno));
    else if (gather(g, text, &err) != FANMAP_OK)
        grower_give_up(g, err.message);
}

/* ---- all of them ---- */

grower_t *grower_of(const fanmap_aggregator_t *a, const char *job)
{
    grower_t *g = a->growers;
    while (g && (g->is_over || strcmp(g->task.job, job) != 0))
        g = g->next;
    return g;
}

void growers_sync(fanmap_aggregator_t *a)
{
    for (grower_t *g = a->growers; g; g = g->next)
        sync_one(g);
}

void growers_close_partition(fanmap_aggregator_t *a, int32_t partition)
{
    for (grower_t *g = a->growers; g; g = g->next) {
        if (g->is_over || (partition >= 0 && g->task.partition != partition))
            continue;
        sync_one(g);
        if (!g->is_over)
            grower_close(g);
    }
}

void growers_sweep(fanmap_aggregator_t *a)
{
    for (grower_t **at = &a->growers; *at;) {
        grower_t *g = *at;
        if (!g->is_over) {
            at = &g->next;
            continue;
        }
        *at = g->next;
        a->growers_n--;
        buf_free(&g->bytes);
        free(g);
    }
}

void grower_forget_part(const char *dir, const char *job)
{
    char part[RESULT_NAME_MAX], place[RESULT_NAME_MAX];
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return;
    names(part, place, job);
    (void)unlinkat(dir_fd, part, 0);
    (void)unlinkat(dir_fd, place, 0);
    close(dir_fd);
}
