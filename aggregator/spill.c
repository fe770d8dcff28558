/* pread and pwrite on a file without a name. A short write is tried on, and a full disk is said with the folder's
 * name. */
#include "aggregator/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

int spill_init(spill_t *spill, const char *dir, fanmap_error_t *err)
{
    *spill = (spill_t){.fd = -1};
    if (!dir)
        return FANMAP_OK;
    spill->dir = strdup(dir);
    return spill->dir ? FANMAP_OK : err_set(err, FANMAP_ENOMEM, "out of memory");
}

void spill_free(spill_t *spill)
{
    if (spill->fd >= 0)
        close(spill->fd);
    free(spill->dir);
    *spill = (spill_t){.fd = -1};
}

static const char *folder(const spill_t *spill)
{
    if (spill->dir)
        return spill->dir;
    const char *tmp = getenv("TMPDIR");
    return tmp && *tmp ? tmp : "/var/tmp";
}

/* For file systems without O_TMPFILE. */
static int open_and_unlink(const char *dir)
{
    char path[4096];
    int len = snprintf(path, sizeof path, "%s/fanmap-XXXXXX", dir);
    if (len < 0 || (size_t)len >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static int spill_open(spill_t *spill, fanmap_error_t *err)
{
    if (spill->fd >= 0)
        return FANMAP_OK;
    const char *dir = folder(spill);
    spill->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (spill->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT))
        spill->fd = open_and_unlink(dir);
    if (spill->fd < 0)
        return err_set(err, FANMAP_EIO, "making the spill file in %s: %s; set TMPDIR to another folder", dir,
                       strerror(errno));
    return FANMAP_OK;
}

/* Writing past the limit would raise SIGXFSZ, and a library has no business with the program's signals. */
static bool over_size_limit(int64_t end)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && (uint64_t)end > limit.rlim_cur;
}

static int write_failed(const spill_t *spill, int error, fanmap_error_t *err)
{
    return err_set(err, FANMAP_EIO,
                   "writing the spill file in %s: %s; free space there or set TMPDIR to another folder", folder(spill),
                   strerror(error));
}

int spill_write(spill_t *spill, int64_t offset, const void *bytes, size_t len, fanmap_error_t *err)
{
    int code = spill_open(spill, err);
    if (code)
        return code;
    const char *from = bytes;
    int64_t at = offset, end = offset + (int64_t)len;
    if (over_size_limit(end))
        return write_failed(spill, EFBIG, err);
    while (at < end) {
        ssize_t n = pwrite(spill->fd, from + (at - offset), (size_t)(end - at), at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return write_failed(spill, n < 0 ? errno : ENOSPC, err);
        at += n;
    }
    if (end > spill->end)
        spill->end = end;
    return FANMAP_OK;
}

int spill_read(spill_t *spill, int64_t offset, void *bytes, size_t len, fanmap_error_t *err)
{
    char *to = bytes;
    size_t have = 0;
    while (spill->fd >= 0 && have < len) {
        ssize_t n = pread(spill->fd, to + have, len - have, offset + (int64_t)have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, FANMAP_EIO, "reading the spill file in %s: %s", folder(spill), strerror(errno));
        if (n == 0)
            break;
        have += (size_t)n;
    }
    memset(to + have, 0, len - have);
    return FANMAP_OK;
}

void spill_punch(spill_t *spill, int64_t offset, int64_t len)
{
    if (spill->fd < 0 || offset >= spill->end)
        return;
    int saved = errno;
    (void)fallocate(spill->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len);
    errno = saved;
}

void spill_reset(spill_t *spill)
{
    if (spill->fd >= 0 && ftruncate(spill->fd, 0) == 0)
        spill->end = 0;
}
