#include "cli/position_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/progress.h"

enum { EVERY_MS = 1000, TEXT_MAX = 1024 * 1024, STORE_MS = 10000, PATH_MAX_LEN = 4096 };

static bool part_name(const position_file_t *file, char ret[PATH_MAX_LEN])
{
    errno = ENAMETOOLONG;
    return (size_t)snprintf(ret, PATH_MAX_LEN, "%s.part", file->path) < PATH_MAX_LEN;
}

static int fail_position(const position_file_t *file, const char *what)
{
    return fail_with(EXIT_IO, "--position-file: %s: %s", file->path, what);
}

static int read_kept(position_file_t *file)
{
    FILE *from = fopen(file->path, "re");
    if (!from)
        return errno == ENOENT ? EXIT_ALL_WELL : fail_position(file, strerror(errno));
    file->kept = calloc(1, TEXT_MAX);
    size_t n = file->kept ? fread(file->kept, 1, TEXT_MAX - 1, from) : 0;
    bool is_read = file->kept && !ferror(from);
    fclose(from);
    if (!is_read)
        return fail_position(file, "cannot be read");
    file->kept[strcspn(file->kept, "\n")] = '\0';
    return n > 0 && !file->kept[0] ? fail_position(file, "is no position that was kept") : EXIT_ALL_WELL;
}

/* Else the place could not be kept of what is printed. */
static int check_writable(const position_file_t *file)
{
    char part[PATH_MAX_LEN];
    int fd = part_name(file, part) ? open(part, O_WRONLY | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (fd < 0)
        return fail_position(file, strerror(errno));
    close(fd);
    return unlink(part) == 0 ? EXIT_ALL_WELL : fail_position(file, strerror(errno));
}

int position_file_open(position_file_t *file, arguments_t *arguments)
{
    fanmap_error_t err;
    *file = (position_file_t){.path = option_text(arguments, "position-file"), .next_ms = monotonic_ms() + EVERY_MS};
    file->is_named = option_text(arguments, "as") || option_text(arguments, "share");
    if (file->path && file->is_named)
        return fail_with(EXIT_USAGE,
                         "the place is kept in FILE (--position-file) or in Kafka (--as, --share): give one of them");
    if (file->path && option_text(arguments, "to"))
        return fail_with(
            EXIT_USAGE,
            "--position-file keeps how far stdout is written; with --to give --as NAME, whose place goes into the "
            "same transactions");
    int status = file->path ? check_writable(file) : EXIT_ALL_WELL;
    if (status == EXIT_ALL_WELL && file->path)
        status = read_kept(file);
    if (status != EXIT_ALL_WELL || !file->kept || !file->kept[0])
        return status;
    return fanmap_options_set(arguments->options, "from", file->kept, &err) == FANMAP_OK ? EXIT_ALL_WELL
                                                                                         : complain_error(&err);
}

void position_file_close(position_file_t *file)
{
    free(file->kept);
    file->kept = NULL;
}

int64_t position_file_next_ms(const position_file_t *file)
{
    return (file->path || file->is_named) && file->is_behind ? file->next_ms : INT64_MAX;
}

bool position_file_is_due(const position_file_t *file)
{
    return monotonic_ms() >= position_file_next_ms(file);
}

/* Under another name, then renamed: what has the name is whole. */
static bool replace(const position_file_t *file, const char *text)
{
    char part[PATH_MAX_LEN];
    if (!part_name(file, part))
        return false;
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    size_t len = strlen(text);
    bool is_stored = fd >= 0 && write(fd, text, len) == (ssize_t)len && write(fd, "\n", 1) == 1 && fsync(fd) == 0;
    if (fd >= 0)
        is_stored &= close(fd) == 0;
    return is_stored && rename(part, file->path) == 0;
}

static bool store_position(position_file_t *file, fanmap_job_t *job, bool is_last)
{
    fanmap_error_t err;
    (void)fdatasync(STDOUT_FILENO);
    int64_t end_ms = monotonic_ms() + (is_last ? STORE_MS : 0), left_ms = is_last ? STORE_MS : 0;
    int r;
    do { /* the signal that ends it wakes this, too */
        r = fanmap_store_position(job, (int)left_ms, &err);
        left_ms = end_ms - monotonic_ms();
    } while (r == FANMAP_AGAIN && left_ms > 0);
    file->is_behind = r == FANMAP_AGAIN;
    file->next_ms = monotonic_ms() + EVERY_MS;
    if (is_last && r != FANMAP_OK)
        complain("%s", r < 0 ? err.message : "Kafka has not stored the place; what was printed last comes again");
    return !is_last || r == FANMAP_OK;
}

bool position_file_keep(position_file_t *file, fanmap_job_t *job, bool is_last)
{
    fanmap_error_t err;
    const char *text;
    if (file->is_named)
        return store_position(file, job, is_last);
    if (!file->path)
        return true;
    file->is_behind = false;
    file->next_ms = monotonic_ms() + EVERY_MS;
    if (fanmap_position(job, &text, &err) != FANMAP_OK) {
        complain("%s", err.message);
        return false;
    }
    (void)fdatasync(STDOUT_FILENO); /* a pipe has nothing to sync */
    if (replace(file, text))
        return true;
    (void)fail_position(file, strerror(errno));
    return false;
}
