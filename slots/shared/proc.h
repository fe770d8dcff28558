/* Processes: starting our own programs, walking and signalling trees of them. */
#ifndef SLOTS_SHARED_PROC_H
#define SLOTS_SHARED_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

enum { PROC_FIRST_FD = 3, PROC_FDS_MAX = 8 };

int64_t proc_now_ns(void); /* CLOCK_BOOTTIME */
int64_t proc_now_ms(void);

typedef struct {
    const char *path; /* looked up in PATH where it has no slash */
    char *const *argv, *const *env;
    const int *fds; /* become 0, 1, 2, ... in the program, -1 being /dev/null; nothing else is open there */
    unsigned fds_n;
    bool in_session; /* in this one, and in a process group of its own; else in a session of its own */
} proc_program_t;

/* Starts a program by posix_spawn (never by a bare fork), with default signals. 0, or an errno. */
int proc_spawn(const proc_program_t *program, pid_t *ret_pid);
/* Whether this errno is about the machine's or the user's stock of processes, memory or descriptors. */
bool proc_is_shortage(int error);
/* Closes it unless it is -1, which it is then. */
void proc_close_fd(int *fd);
/* Appends a piece of at most `max` bytes of what is there to be read. As read; 0 also where there is no memory. */
ssize_t proc_read(int fd, buf_t *to, size_t max);
/* Reads the start of a file of the kernel's, with a NUL behind it. Returns false if it cannot be read, and *ret is
 * "". */
bool proc_read_file(int dir_fd, const char *name, char *ret, size_t cap);
/* Waits for it until `end_ms`; -1 then, too. */
ssize_t proc_read_until(int fd, buf_t *to, int64_t end_ms);
/* For the program itself, first of all: closes every descriptor from `first` on. */
void proc_close_from(unsigned first);
/* A pidfd, close-on-exec; -1 with errno. */
int proc_pidfd(pid_t pid);
int proc_pidfd_kill(int pidfd, int signo);

/* Sends `signo` (0: only looks) to every living descendant of `root`, at any depth, and returns how many there were; -1
 * when /proc cannot be read. Those in `except` are left out with all below them. Zombies do not count. */
int proc_signal_descendants(pid_t root, const pid_t *except, size_t except_n, int signo);
/* The same for children alone, as the kernel lists them: little work, where the other reads all of /proc. Zombies
 * count. */
int proc_signal_children(pid_t root, const pid_t *except, size_t except_n, int signo);
/* The processor time of the descendants, and of their children that have ended; the root's own too when `with_root`.
 */
int64_t proc_cpu_us(pid_t root, bool with_root, const pid_t *except, size_t except_n);

/* Finds a program of ours. Where FANMAP_LIBEXEC is set, in the folder that it names. Else near the file that this code
 * stands in (libfanmap.so, or the program), then near the running program: in the same folder, or in ../libexec/fanmap
 * or ../../libexec/fanmap, so that an installed tree may be moved. Else in the folder that was built in. Writes the
 * folder. Returns false if none of them has `name`. */
bool proc_find_libexec(const char *name, char *ret, size_t cap);
/* The environment without the variables that begin with FANMAP_ (they may hold secrets), and with those of `own` (NULL:
 * none). The array is the caller's, the texts are not copied. NULL: no memory. */
char **proc_clean_env(char *const *own);
/* `base` with the variables `own` (NULL: none) in place of those of the same name; likewise. */
char **proc_merge_env(char *const *base, char *const *own);

#endif
