/* Judged by what was opened, not by its name. */
#include "io/trusted_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int judge(const struct stat *about, fanmap_error_t *err)
{
    bool is_owners_group = about->st_gid == about->st_uid;
    if (about->st_uid != 0 && about->st_uid != geteuid())
        return err_set(err, FANMAP_EUSAGE, "user %u can write to it: it must belong to this user or to root",
                       (unsigned)about->st_uid);
    if ((about->st_mode & S_IWOTH) || (about->st_mode & S_IWGRP && !is_owners_group))
        return err_set(err, FANMAP_EUSAGE, "others than its owner can write to it: chmod go-w");
    return FANMAP_OK;
}

int trusted_open(const char *path, FILE **ret, bool *ret_is_shared, fanmap_error_t *err)
{
    struct stat about;
    FILE *file = fopen(path, "re");
    if (!file || fstat(fileno(file), &about) != 0 || S_ISDIR(about.st_mode)) {
        int error = file ? EISDIR : errno;
        if (file)
            fclose(file);
        errno = error;
        return err_set(err, FANMAP_EUSAGE, "%s", strerror(error));
    }
    int r = judge(&about, err);
    if (r != FANMAP_OK) {
        fclose(file);
        errno = 0;
        return r;
    }
    *ret = file;
    *ret_is_shared = about.st_mode & S_IROTH;
    return FANMAP_OK;
}
