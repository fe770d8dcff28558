/* Tasks that misbehave, for test_slots.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fanmap/task.h"

static int same(fanmap_attempt_t *a)
{
    return a->out(a, a->in, a->in_len);
}

static int item_is(fanmap_attempt_t *a, const char *word)
{
    const char *text;
    size_t len;
    return a->get_text(a, &text, &len) == 0 && len == strlen(word) && memcmp(text, word, len) == 0;
}

static void spin(void)
{
    for (volatile unsigned i = 0;; i++)
        ;
}

static void spin_for_ms(int ms)
{
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < ms);
}

/* A daemon as daemons are made: two forks and a session of its own. */
static void leave_daemon(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        if (fork() == 0)
            for (;;)
                pause();
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

static void flood(int fd)
{
    char line[100];
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    for (int i = 0; i < 20000; i++)
        if (write(fd, line, sizeof line) < 0)
            break;
}

static void close_and_scribble(void)
{
    for (int fd = 0; fd < 3; fd++) {
        if (write(fd, "\x93\x03garbage", 9) < 0)
            errno = 0;
        close(fd);
    }
    if (open("/dev/null", O_RDWR) < 0)
        errno = 0;
}

/* Returns how many could be made before the system said no, or `most`. */
static int fork_all(int most)
{
    int n = 0;
    for (pid_t pid; n < most && (pid = fork()) >= 0; n++)
        if (pid == 0)
            for (;;)
                pause();
    return n;
}

static int open_all(int most)
{
    int n = 0, first = open("/dev/null", O_RDONLY);
    if (first < 0)
        return 0;
    for (n = 1; n < most && dup(first) >= 0; n++)
        ;
    for (int i = 0; i < n; i++)
        close(first + i);
    return n;
}

static void allocate(void)
{
    for (int i = 0; i < 4096; i++) {
        char *block = malloc(1 << 20);
        if (!block)
            abort();
        memset(block, i, 1 << 20);
    }
}

/* Shortens and overwrites whatever of our own processes' memory can be opened; returns how many files let it. */
static int attack_memory(void)
{
    int harmed = 0;
    for (int fd = 0; fd < 64; fd++) {
        char path[64], name[64] = "", junk[64];
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getppid(), fd);
        if (readlink(path, name, sizeof name - 1) < 0 || !strstr(name, "memfd:fanmap-"))
            continue;
        int memory = open(path, O_RDWR);
        if (memory < 0)
            continue;
        memset(junk, 0xff, sizeof junk);
        bool is_plan = strstr(name, "plan") != NULL;
        harmed += ftruncate(memory, 0) == 0 || (is_plan && pwrite(memory, junk, sizeof junk, 0) > 0);
        close(memory);
    }
    return harmed;
}

static int misbehave(fanmap_attempt_t *a)
{
    static int local;
    if (item_is(a, "segfault")) {
        signal(SIGSEGV, SIG_DFL); /* a sanitizer has its own ideas */
        raise(SIGSEGV);
    } else if (item_is(a, "exit"))
        exit(3);
    else if (item_is(a, "spin"))
        spin();
    else if (item_is(a, "spin 30"))
        spin_for_ms(30);
    else if (item_is(a, "kill parent")) {
        kill(getppid(), SIGKILL);
        spin();
    } else if (item_is(a, "daemon"))
        leave_daemon();
    else if (item_is(a, "daemon and spin")) {
        leave_daemon();
        spin();
    } else if (item_is(a, "flood stdout"))
        flood(1);
    else if (item_is(a, "close"))
        close_and_scribble();
    else if (item_is(a, "cry and die")) {
        fputs("\xff last words\n", stderr);
        abort();
    } else if (item_is(a, "stop parent")) {
        kill(getppid(), SIGSTOP);
        spin();
    } else if (item_is(a, "wait for cancel")) {
        while (!*a->cancelled)
            ;
        return a->fail(a, 0, "Cancelled", "told to stop");
    } else if (item_is(a, "fork")) {
        return a->put_i64(a, fork_all(200));
    } else if (item_is(a, "open")) {
        return a->put_i64(a, open_all(500));
    } else if (item_is(a, "attack memory")) {
        return a->put_i64(a, attack_memory());
    } else if (item_is(a, "who")) {
        return a->put_i64(a, geteuid());
    } else if (item_is(a, "allocate")) {
        allocate();
    } else if (item_is(a, "stop self")) {
        raise(SIGSTOP);
    } else if (item_is(a, "count"))
        return a->put_i64(a, ++local);
    return same(a);
}

static int say(fanmap_attempt_t *a)
{
    printf("%.*s", (int)a->in_len, (const char *)a->in);
    return a->put_text(a, "", 0);
}

static int put_what(fanmap_attempt_t *a)
{
    if (item_is(a, "nothing"))
        return 0;
    if (item_is(a, "two"))
        return a->put_i64(a, 1) || a->put_i64(a, 2);
    if (item_is(a, "cut"))
        return a->out(a, "\x92\x01", 2);
    if (item_is(a, "deep")) {
        for (int i = 0; i < 100000; i++)
            a->out(a, "\x91", 1);
        return a->put_i64(a, 1);
    }
    if (item_is(a, "huge")) {
        while (a->out(a, "0123456789", 10) == 0)
            ;
        return 0;
    }
    if (item_is(a, "silent failure"))
        return 7;
    if (item_is(a, "final"))
        return a->fail(a, 1, "Type\xff", "why");
    return a->put_text(a, "ok", 2);
}

static int scalars(fanmap_attempt_t *a)
{
    int64_t i;
    double d;
    const char *text;
    size_t len;
    if (a->get_i64(a, &i) == 0)
        return a->put_i64(a, i);
    if (a->get_f64(a, &d) == 0)
        return a->put_f64(a, d);
    if (a->get_text(a, &text, &len) == 0)
        return a->put_text(a, text, len);
    return a->fail(a, 1, "no scalar", "");
}

static int show(fanmap_attempt_t *a)
{
    char text[512];
    int n = snprintf(text, sizeof text, "%s %s %llu %llu %u %u %u %lld %.*s", a->job, a->task,
                     (unsigned long long)a->index, (unsigned long long)a->fence, a->attempt, a->attempts_max, a->slot,
                     (long long)a->deadline_ms, (int)a->bound_len, (const char *)a->bound);
    return a->put_text(a, text, (size_t)n);
}

static int put_header(fanmap_attempt_t *a, const fanmap_header_t *h)
{
    a->out(a, " ", 1);
    a->out(a, h->name, strlen(h->name));
    a->out(a, "=", 1);
    return h->value ? a->out(a, h->value, h->value_len) : a->out(a, "null", 4);
}

static int show_record(fanmap_attempt_t *a)
{
    const fanmap_record_t *r = a->record;
    const void *last = " -";
    size_t len = 2;
    char text[128];
    if (!r)
        return a->put_text(a, "none", 4);
    int n = snprintf(text, sizeof text, "%s %d %lld %lld ", r->topic, (int)r->partition, (long long)r->offset,
                     (long long)r->timestamp_ms);
    a->out(a, text, (size_t)n);
    a->out(a, r->key ? r->key : "null", r->key ? r->key_len : 4);
    for (size_t i = 0; i < r->headers_n; i++)
        put_header(a, &r->headers[i]);
    if (a->get_header(a, "name", &last, &len) == 0)
        a->out(a, " ", 1);
    return a->out(a, last, len);
}

static int open_fails(void **ret)
{
    (void)ret;
    return -1;
}

static int open_counts(void **ret)
{
    int *count = calloc(1, sizeof *count);
    *ret = count;
    return count ? 0 : -1;
}

static int next_count(fanmap_attempt_t *a)
{
    return a->put_i64(a, ++*(int *)a->state);
}

static int put_place(fanmap_attempt_t *a, int place, int of)
{
    char text[64];
    int n = snprintf(text, sizeof text, "[%d,%d]", place, of);
    return a->out(a, text, (size_t)n);
}

/* Gives [place, size] of the call for each item; what an item says instead is in test_slots_calls.c. */
static int places(fanmap_attempt_t *first)
{
    int place = 0, of = 0;
    for (fanmap_attempt_t *a = first; a; a = a->next)
        of++;
    for (fanmap_attempt_t *a = first; a; a = a->next) {
        place++;
        if (item_is(a, "bad"))
            a->fail(a, 1, "ValueError", "this one");
        else if (item_is(a, "huge"))
            while (a->out(a, "0123456789", 10) == 0)
                ;
        else if (item_is(a, "no json"))
            a->out(a, "[", 1);
        else if (item_is(a, "whole"))
            return a->fail(a, 0, "RuntimeError", "all of them");
        else if (item_is(a, "silent"))
            return 7;
        else if (item_is(a, "exit"))
            exit(3);
        else if (item_is(a, "spin"))
            spin();
        else if (item_is(a, "say"))
            printf("said by %d of %d\n", place, of);
        if (!item_is(a, "bad") && !item_is(a, "huge") && !item_is(a, "no json"))
            put_place(a, place, of);
    }
    return 0;
}

/* The key and the last header of each record, while all of them are there. */
static int keys(fanmap_attempt_t *first)
{
    for (fanmap_attempt_t *a = first; a; a = a->next) {
        const void *last = "-";
        size_t len = 1;
        a->out(a, a->record ? a->record->key : "none", a->record ? a->record->key_len : 4);
        a->get_header(a, "name", &last, &len);
        a->out(a, last, len);
        a->out(a, a->in, a->in_len);
    }
    return 0;
}

FANMAP_TASKS({FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "misbehave", "", misbehave, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_BYTES, "say", "", say, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "put_what", "", put_what, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "scalars", "", scalars, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_JSON, "scalars_json", "", scalars, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_BYTES, "scalars_bytes", "", scalars, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_JSON, "show", "", show, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_BYTES, "record", "", show_record, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_JSON | FANMAP_TASK_BATCH, "places", "", places, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_BYTES | FANMAP_TASK_BATCH, "keys", "", keys, NULL, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "open_fails", "", same, open_fails, NULL},
             {FANMAP_TASK_ABI, FANMAP_TASK_MSGPACK, "next_count", "", next_count, open_counts, free});
