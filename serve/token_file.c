#include "serve/token_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "io/trusted_file.h"

enum { TOKEN_BYTES = 24, FILE_MAX = 1024 };

static bool make_token(char ret[2 * TOKEN_BYTES + 1])
{
    unsigned char bytes[TOKEN_BYTES];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        return false;
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

static int make_file(const char *path, fanmap_error_t *err)
{
    char read_token[2 * TOKEN_BYTES + 1], submit_token[2 * TOKEN_BYTES + 1], text[FILE_MAX];
    if (!make_token(read_token) || !make_token(submit_token))
        return err_set(err, FANMAP_EIO, "no random bytes: %s", strerror(errno));
    int n = snprintf(text, sizeof text, "read %s\nsubmit %s\n", read_token, submit_token);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set(err, FANMAP_EIO, "%s: %s", path, strerror(errno));
    bool is_written = write(fd, text, (size_t)n) == n && fsync(fd) == 0;
    int wrong = errno;
    close(fd);
    if (is_written)
        return FANMAP_OK;
    (void)unlink(path);
    return err_set(err, FANMAP_EIO, "%s: %s", path, strerror(wrong));
}

static int read_token(const char *path, char *line, access_t *access, fanmap_error_t *err)
{
    char *blank = strchr(line, ' ');
    size_t len = blank ? strlen(blank + 1) : 0;
    char *to = NULL;
    if (blank)
        *blank = '\0';
    if (strcmp(line, "read") == 0)
        to = access->read_token;
    else if (strcmp(line, "submit") == 0)
        to = access->submit_token;
    if (!to || len < 16 || len >= TOKEN_TEXT_MAX)
        return err_set(err, FANMAP_EUSAGE, "%s: a line is read TOKEN or submit TOKEN, the token of 16 to %d bytes",
                       path, TOKEN_TEXT_MAX - 1);
    memcpy(to, blank + 1, len + 1);
    return FANMAP_OK;
}

static int read_file(const char *path, FILE *file, access_t *access, fanmap_error_t *err)
{
    char text[FILE_MAX + 1], *rest = text, *line;
    struct stat st;
    if (fstat(fileno(file), &st) != 0)
        return err_set(err, FANMAP_EIO, "%s: %s", path, strerror(errno));
    if (st.st_mode & 077)
        return err_set(err, FANMAP_EUSAGE, "%s can be read or written by others: chmod 600 it", path);
    size_t n = fread(text, 1, FILE_MAX, file);
    if (ferror(file))
        return err_set(err, FANMAP_EIO, "%s: %s", path, strerror(errno));
    text[n] = '\0';
    while ((line = strsep(&rest, "\n")) != NULL) {
        int r = line[0] ? read_token(path, line, access, err) : FANMAP_OK;
        if (r != FANMAP_OK)
            return r;
    }
    if (!access->submit_token[0])
        return err_set(err, FANMAP_EUSAGE, "%s has no line: submit TOKEN", path);
    return FANMAP_OK;
}

int token_file_read(const char *path, access_t *access, bool *ret_is_new, fanmap_error_t *err)
{
    bool is_new = false, is_shared;
    FILE *file;
    int r = trusted_open(path, &file, &is_shared, err);
    if (r != FANMAP_OK && errno == ENOENT) {
        is_new = true;
        r = make_file(path, err);
        if (r != FANMAP_OK)
            return r;
        r = trusted_open(path, &file, &is_shared, err);
    }
    if (r != FANMAP_OK)
        return err_wrap(err, "%s", path);
    r = read_file(path, file, access, err);
    fclose(file);
    if (r == FANMAP_OK)
        *ret_is_new = is_new;
    return r;
}
