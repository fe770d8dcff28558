#include "slots/catalogue/program.h"

#include <string.h>

bool program_is_one_of(const char *program, const char *const *names)
{
    const char *slash = strrchr(program, '/');
    for (; *names; names++)
        if (strcmp(slash ? slash + 1 : program, *names) == 0)
            return true;
    return false;
}

/* -c, -ec, -lc */
static bool is_script_option(const char *word)
{
    return word[0] == '-' && word[1] != '-' && strchr(word, 'c') &&
           word[1 + strspn(word + 1, "abcdefghiklmnprstuvxBCEHP")] == '\0';
}

uint32_t program_shell_text_at(const char *const *argv)
{
    static const char *const shells[] = {"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", NULL};
    static const char *const before[] = {"env",     "nice",   "nohup", "timeout", "time",    "stdbuf",
                                         "setsid",  "ionice", "chrt",  "sudo",    "taskset", "busybox",
                                         "unshare", "chroot", "flock", "prlimit", "xargs",   NULL};
    uint32_t at = 0;
    while (argv[at] && !program_is_one_of(argv[at], shells) && program_is_one_of(argv[0], before))
        at++;
    if (!argv[at] || !program_is_one_of(argv[at], shells))
        return 0;
    bool has_script = false;
    while (argv[++at] && (argv[at][0] == '-' || argv[at][0] == '+')) {
        has_script |= is_script_option(argv[at]);
        if (strcmp(argv[at] + 1, "o") == 0 && argv[at + 1])
            at++;
    }
    return has_script && argv[at] ? at : 0;
}
