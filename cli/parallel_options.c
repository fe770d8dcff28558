#include "cli/parallel_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* parallel's TERM,200,TERM,100,KILL: what it waits before KILL is the grace after TERM. */
static const char *grace_of(const char *sequence, char *room, size_t cap)
{
    const char *at = sequence;
    unsigned long wait_ms = 0;
    for (char *end; strncmp(at, "TERM,", strlen("TERM,")) == 0; at = end + 1) {
        wait_ms += strtoul(at + strlen("TERM,"), &end, 10);
        if (*end != ',')
            return sequence;
    }
    if (strncmp(at, "KILL", strlen("KILL")) != 0 || (at[strlen("KILL")] && at[strlen("KILL")] != ','))
        return sequence;
    snprintf(room, cap, "%lums", wait_ms);
    return room;
}

const char *parallel_value(const fanmap_option_info_t *info, const char *value, char *room, size_t cap)
{
    static const char *const units[][2] = {{"k", "kB"},  {"m", "MB"},  {"g", "GB"},
                                           {"K", "KiB"}, {"M", "MiB"}, {"G", "GiB"}};
    size_t digits = strspn(value, "0123456789");
    bool is_size =
        strcmp(info->name, "block") == 0 || strcmp(info->name, "max-chars") == 0 || strcmp(info->name, "memfree") == 0;
    if (strcmp(info->name, "grace") == 0)
        return grace_of(value, room, cap);
    for (size_t i = 0; is_size && digits > 0 && i < sizeof units / sizeof *units; i++)
        if (strcmp(value + digits, units[i][0]) == 0) {
            snprintf(room, cap, "%.*s%s", (int)digits, value, units[i][1]);
            return room;
        }
    return value;
}

bool parallel_percentage(const fanmap_option_info_t *info, const char *value, char *digits, size_t cap)
{
    size_t len = strlen(value);
    if (strcmp(info->name, "timeout") != 0 || len < 2 || len >= cap || value[len - 1] != '%')
        return false;
    snprintf(digits, cap, "%.*s", (int)len - 1, value);
    return true;
}

const char *parallel_own_name(const char *name, size_t len)
{
    static const char *const names[][2] = {{"max-procs", "concurrency"},
                                           {"arg-file", "input"},
                                           {"bar", "progress"},
                                           {"eta", "progress"},
                                           {"lb", "line-buffer"},
                                           {"jl", "joblog"},
                                           {"res", "results"},
                                           {"halt-on-error", "halt"},
                                           {"termseq", "grace"},
                                           {"term-seq", "grace"},
                                           {"silent", ""},
                                           {"group", ""},
                                           {"will-cite", ""},
                                           {"no-notice", ""}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (text_is(name, len, names[i][0]))
            return names[i][1];
    return NULL;
}

bool parallel_is_left_out(const char *name, size_t len)
{
    static const char names[] =
        " J M S basefile basenameextensionreplace basenamereplace bf bg bin block-timeout bner bnr bt cat cf cleanup "
        "color color-failed compress compress-program controlmaster ctag ctagstring decompress-program dirnamereplace "
        "dnr e embed env er exit extensionreplace fg fifo files filter filter-hosts gnu group-by hashbang hgrp "
        "hostgroups id interactive l latest-line limit ll max-line-length-allowed memsuspend minversion nonall noswap "
        "number-of-cores number-of-cpus number-of-sockets number-of-threads o onall open-tty output-as-files "
        "outputasfiles p parens pipe-part pipepart plain plus process-slot-var profile pty quote record-env regexp "
        "remove-rec-sep removerecsep return round round-robin rpl rrs rsync-opts semaphore semaphore-name "
        "semaphore-timeout seqreplace session shard shebang shebang-wrap shell-completion shell-quote show-limits "
        "skip-first-line slf slotreplace sql sql-and-worker sql-master sql-worker sqlandworker sqlmaster sqlworker ssh "
        "ssh-delay sshdelay sshlogin sshloginfile st t tee template tf tmpdir tmpl tmux tmuxpane total total-jobs "
        "transfer transferfile trc tty use-cores-instead-of-threads use-cpus-instead-of-cores "
        "use-sockets-instead-of-threads x ";
    for (const char *at = names; (at = strchr(at, ' '));) {
        size_t n = strcspn(++at, " ");
        if (n == len && strncmp(at, name, n) == 0)
            return true;
    }
    return false;
}
