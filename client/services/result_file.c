#include "client/services/result_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io/random_id.h"

static const int64_t STAMP_MAX_S = INT64_C(1) << 32;
enum { FLUSH_BYTES = 256 * 1024, HOST_MAX = 48, OPEN_TRIES = 3 };

static const char suffix[] = ".part";

int result_owner(char ret[RESULT_OWNER_MAX + 1])
{
    char host[HOST_MAX + 1] = "host", id[9];
    if (random_id(id, 8) != FANMAP_OK)
        return FANMAP_EIO;
    (void)gethostname(host, HOST_MAX);
    host[HOST_MAX] = '\0';
    for (char *at = host; *at; at++)
        if (*at == '/' || (unsigned char)*at <= ' ' || (unsigned char)*at >= 127)
            *at = '_';
    snprintf(ret, RESULT_OWNER_MAX + 1, "%s-%d-%s", host, (int)getpid(), id);
    return FANMAP_OK;
}

static int open_dir(const char *dir)
{
    return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The file's time says whose it is: the second in which its job was submitted, by the submitter's own clock, and compared
 * with nothing else. What cannot be a time is made one. */
static time_t stamp_of(int64_t submitted_ms)
{
    return (time_t)(submitted_ms / 1000 % STAMP_MAX_S);
}

static bool is_whole_at(int dir_fd, const char *final, int64_t submitted_ms)
{
    struct stat st;
    if (fstatat(dir_fd, final, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
        return false;
    return st.st_mtim.tv_sec == stamp_of(submitted_ms);
}

static void final_name(char ret[RESULT_NAME_MAX], const char *job)
{
    snprintf(ret, RESULT_NAME_MAX, "%.*s.jsonl", JOB_ID_MAX, job);
}

bool result_file_is_whole(const char *dir, const char *job, int64_t submitted_ms)
{
    char final[RESULT_NAME_MAX];
    int dir_fd = open_dir(dir);
    if (dir_fd < 0)
        return false;
    final_name(final, job);
    bool is_whole = is_whole_at(dir_fd, final, submitted_ms);
    close(dir_fd);
    return is_whole;
}

static int abort_with_error(result_file_t *file, fanmap_error_t *err)
{
    int error = errno;
    result_file_abort(file);
    return err_set_retry(err, FANMAP_EIO, "%s/%s cannot be written: %s", file->dir, file->final, strerror(error));
}

static bool lock(int fd)
{
    struct stat st;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return false;
    return fstat(fd, &st) == 0 && st.st_nlink > 0;
}

/* A sweeper may look between our creating and our locking: then the part is gone, and another one is made. */
static bool create_part(result_file_t *file)
{
    for (int i = 0; i < OPEN_TRIES; i++) {
        file->fd = openat(file->dir_fd, file->part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (file->fd < 0)
            return false;
        if (lock(file->fd))
            return true;
        close(file->fd);
        file->fd = -1;
    }
    errno = EBUSY;
    return false;
}

int result_file_open(result_file_t *file, const char *dir, const char *job, const char *owner, int64_t submitted_ms,
                     fanmap_error_t *err)
{
    *file = (result_file_t){.dir = dir, .dir_fd = -1, .fd = -1, .submitted_ms = submitted_ms};
    final_name(file->final, job);
    snprintf(file->part, sizeof file->part, ".%.*s.jsonl.%.*s%s", JOB_ID_MAX, job, RESULT_OWNER_MAX, owner, suffix);
    if (!job_id_valid(job)) {
        errno = EINVAL;
        return abort_with_error(file, err);
    }
    file->dir_fd = open_dir(dir);
    return file->dir_fd >= 0 && create_part(file) ? FANMAP_OK : abort_with_error(file, err);
}

bool result_write(int fd, const void *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = write(fd, (const char *)bytes + at, len - at);
        if (n < 0 && errno != EINTR)
            return false;
        at += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool flush(result_file_t *file)
{
    if (!result_write(file->fd, file->bytes.data, file->bytes.len))
        return false;
    buf_clear(&file->bytes);
    return true;
}

int result_file_append(result_file_t *file, const void *bytes, size_t len, fanmap_error_t *err)
{
    buf_append(&file->bytes, bytes, len);
    if (file->bytes.failed)
        errno = ENOMEM;
    else if (file->bytes.len < FLUSH_BYTES || flush(file))
        return FANMAP_OK;
    return abort_with_error(file, err);
}

bool result_settle(int fd, int64_t submitted_ms)
{
    const struct timespec at[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = stamp_of(submitted_ms)}};
    return futimens(fd, at) == 0;
}

static void close_file(result_file_t *file)
{
    if (file->fd >= 0)
        close(file->fd);
    if (file->dir_fd >= 0)
        close(file->dir_fd);
    file->fd = file->dir_fd = -1;
    buf_free(&file->bytes);
}

int result_file_finish(result_file_t *file, bool *ret_was_there, fanmap_error_t *err)
{
    if (!flush(file) || !result_settle(file->fd, file->submitted_ms) || fsync(file->fd) != 0)
        return abort_with_error(file, err);
    bool was_there = is_whole_at(file->dir_fd, file->final, file->submitted_ms);
    if (was_there)
        (void)unlinkat(file->dir_fd, file->part, 0);
    else if (renameat(file->dir_fd, file->part, file->dir_fd, file->final) != 0)
        return abort_with_error(file, err);
    /* The name must last too. Some file systems cannot sync a directory and need not. */
    if (fsync(file->dir_fd) != 0 && errno != EINVAL)
        return abort_with_error(file, err);
    close_file(file);
    *ret_was_there = was_there;
    return FANMAP_OK;
}

void result_file_abort(result_file_t *file)
{
    if (file->fd >= 0)
        (void)unlinkat(file->dir_fd, file->part, 0);
    close_file(file);
}

/* ".JOB.jsonl.OWNER.part" */
static bool is_part_name(const char *name)
{
    size_t len = strlen(name), tail = sizeof suffix - 1;
    const char *middle = strstr(name, ".jsonl.");
    return name[0] == '.' && len > tail && strcmp(name + len - tail, suffix) == 0 && middle && middle > name;
}

static bool sweep_one(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool is_lost = flock(fd, LOCK_EX | LOCK_NB) == 0 && unlinkat(dir_fd, name, 0) == 0;
    close(fd);
    return is_lost;
}

size_t result_files_sweep(const char *dir)
{
    size_t n = 0;
    int dir_fd = open_dir(dir);
    DIR *entries = dir_fd < 0 ? NULL : fdopendir(dir_fd);
    if (!entries) {
        if (dir_fd >= 0)
            close(dir_fd);
        return 0;
    }
    for (struct dirent *entry = readdir(entries); entry; entry = readdir(entries))
        n += is_part_name(entry->d_name) && sweep_one(dir_fd, entry->d_name);
    closedir(entries);
    return n;
}
