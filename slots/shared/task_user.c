/* System calls as they are: glibc's functions would change every thread, and a child of vfork has its parent's. */
#include "slots/shared/task_user.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PASSWD_BYTES_MAX = 16384, USER_FIELDS = 2 + TASK_USER_VARIABLES };

static int fill(task_user_t *user, const struct passwd *entry, fanmap_error_t *err)
{
    const char *const names[TASK_USER_VARIABLES] = {"HOME", "USER", "LOGNAME"};
    const char *const values[TASK_USER_VARIABLES] = {entry->pw_dir, entry->pw_name, entry->pw_name};
    int n = TASK_USER_GROUPS_MAX;
    if (getgrouplist(entry->pw_name, entry->pw_gid, user->groups, &n) < 0)
        return err_set(err, FANMAP_EUSAGE, "the user is in more than %d groups", TASK_USER_GROUPS_MAX);
    user->is_set = true;
    user->uid = entry->pw_uid;
    user->gid = entry->pw_gid;
    user->groups_n = (uint32_t)n;
    for (int i = 0; i < TASK_USER_VARIABLES; i++)
        if (snprintf(user->env[i], TASK_USER_TEXT_MAX, "%s=%s", names[i], values[i]) >= TASK_USER_TEXT_MAX)
            return err_set(err, FANMAP_EUSAGE, "the user's %s is too long", names[i]);
    return FANMAP_OK;
}

int task_user_find(const char *name, task_user_t *ret, fanmap_error_t *err)
{
    char bytes[PASSWD_BYTES_MAX];
    struct passwd entry, *found = NULL;
    task_user_t user = {0};
    int error = getpwnam_r(name, &entry, bytes, sizeof bytes, &found);
    if (!found)
        return err_set(err, FANMAP_EUSAGE, "%.64s: %s", name, error ? strerror(error) : "there is no such user");
    if (found->pw_uid == 0)
        return err_set(err, FANMAP_EUSAGE, "%.64s has the rights of root", name);
    if (geteuid() != 0)
        return err_set(err, FANMAP_EUSAGE, "only a worker that root has started can run attempts as another user");
    int r = fill(&user, found, err);
    if (r == FANMAP_OK)
        *ret = user;
    return r;
}

bool task_user_become(const task_user_t *user)
{
    if (!user->is_set)
        return true;
    return syscall(SYS_setgroups, (size_t)user->groups_n, user->groups) == 0 &&
           syscall(SYS_setresgid, user->gid, user->gid, user->gid) == 0 &&
           syscall(SYS_setresuid, user->uid, user->uid, user->uid) == 0;
}

/* Not by another process: this is asked of every folder of PATH. */
bool task_user_may_run(const task_user_t *user, const char *path)
{
    if (!user->is_set)
        return access(path, X_OK) == 0;
    setfsgid(user->gid);
    setfsuid(user->uid);
    int r = faccessat(AT_FDCWD, path, X_OK, AT_EACCESS);
    setfsuid(geteuid());
    setfsgid(getegid());
    return r == 0;
}

void task_user_own(const task_user_t *user, int fd)
{
    if (user->is_set)
        (void)!fchown(fd, user->uid, user->gid);
}

void task_user_encode(buf_t *b, const task_user_t *user)
{
    mp_put_array(b, user->is_set ? USER_FIELDS + user->groups_n : 0);
    if (!user->is_set)
        return;
    mp_put_uint(b, user->uid);
    mp_put_uint(b, user->gid);
    for (int i = 0; i < TASK_USER_VARIABLES; i++)
        mp_put_text(b, user->env[i]);
    for (uint32_t i = 0; i < user->groups_n; i++)
        mp_put_uint(b, user->groups[i]);
}

task_user_t task_user_decode(mp_reader_t *r)
{
    task_user_t user = {0};
    uint32_t n = mp_read_array(r);
    r->bad = r->bad || (n > 0 && n < USER_FIELDS) || n > USER_FIELDS + TASK_USER_GROUPS_MAX;
    if (r->bad || n == 0)
        return user;
    user.is_set = true;
    user.uid = (uid_t)mp_read_uint(r);
    user.gid = (gid_t)mp_read_uint(r);
    for (int i = 0; i < TASK_USER_VARIABLES; i++)
        mp_read_text(r, user.env[i], TASK_USER_TEXT_MAX);
    for (; user.groups_n < n - USER_FIELDS; user.groups_n++)
        user.groups[user.groups_n] = (gid_t)mp_read_uint(r);
    return user;
}
