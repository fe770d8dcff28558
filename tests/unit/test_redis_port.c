/* The port against a real redis-server of its own, on loopback, with its own folder; ended by its pid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/token_table/token_table.h"
#include "tokens/local_port.h"
#include "tokens/redis_port.h"
#include "tokens/redis_url.h"

extern char **environ;

enum { WAIT_MS = 15000, L = 15000 };

typedef struct {
    char folder[64];
    uint16_t port;
    pid_t pid;
    loop_t *loop;
    tokens_port_t *tokens;
} fixture_t;

/* The server. */

static bool is_free(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    bool ok = bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
    close(fd);
    return ok;
}

/* Below the ports that the kernel gives to outgoing connections: nobody takes it by chance before the server has it, nor while
 * the server is away, and who asks for it then does not meet himself. */
static uint16_t free_port(void)
{
    enum { LOWEST = 10000 };
    unsigned below = 0;
    uint16_t any;
    FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    if (f == NULL || fscanf(f, "%u", &below) != 1 || below <= LOWEST + 2000)
        below = 32768;
    if (f != NULL)
        fclose(f);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(getentropy(&any, sizeof any), 0);
        uint16_t port = (uint16_t)(LOWEST + any % (below - LOWEST));
        if (is_free(port))
            return port;
    }
    fail_msg("no free port");
    return 0;
}

static void start_server(fixture_t *f)
{
    char port[8], socket_path[96], log[96];
    snprintf(port, sizeof port, "%u", f->port);
    snprintf(socket_path, sizeof socket_path, "%s/socket", f->folder);
    snprintf(log, sizeof log, "%s/log", f->folder);
    char *argv[] = {(char[]){"redis-server"},
                    (char[]){"--port"},
                    port,
                    (char[]){"--bind"},
                    (char[]){"127.0.0.1"},
                    (char[]){"--dir"},
                    f->folder,
                    (char[]){"--unixsocket"},
                    socket_path,
                    (char[]){"--logfile"},
                    log,
                    (char[]){"--save"},
                    (char[]){""},
                    NULL};
    f->pid = fork();
    if (f->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test is killed */
        execvp(argv[0], argv);
        _exit(127);
    }
    assert_true(f->pid > 0);
}

/* An ordinary connection of the test's own, made as soon as the server serves. */
static redisContext *control(const fixture_t *f)
{
    for (int i = 0; i < WAIT_MS / 10; i++) {
        redisContext *c = redisConnectWithTimeout("127.0.0.1", f->port, (struct timeval){1, 0});
        if (c != NULL && c->err == 0) {
            redisReply *r = redisCommand(c, "PING");
            bool up = r != NULL && (r->type == REDIS_REPLY_STATUS || strncmp(r->str, "NOAUTH", 6) == 0);
            freeReplyObject(r);
            if (up)
                return c;
        }
        if (c != NULL)
            redisFree(c);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL); /* between two looks, bounded by WAIT_MS */
    }
    fail_msg("redis-server does not come up");
    return NULL;
}

static void command(const fixture_t *f, const char *text)
{
    redisContext *c = control(f);
    redisReply *r = redisCommand(c, text);
    assert_non_null(r);
    if (r->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", text, r->str);
    freeReplyObject(r);
    redisFree(c);
}

static void stop_server(fixture_t *f)
{
    if (f->pid <= 0)
        return;
    kill(f->pid, SIGKILL);
    waitpid(f->pid, NULL, 0);
    f->pid = 0;
}

static int setup(void **state)
{
    fixture_t *f = calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/fanmap-redis-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->port = free_port();
    start_server(f);
    redisFree(control(f));
    assert_int_equal(loop_new(&f->loop, NULL), FANMAP_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_t *f = *state;
    if (f->tokens != NULL)
        f->tokens->close(f->tokens);
    loop_free(f->loop);
    stop_server(f);
    static const char *const files[] = {"log", "socket", "password", "dump.rdb"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", f->folder, files[i]);
        unlink(path);
    }
    rmdir(f->folder);
    free(f);
    return 0;
}

static void open_port(fixture_t *f, const char *url, const char *password_file, uint32_t timeout_ms)
{
    redis_port_config_t config = {
        .url = url, .password_file = password_file, .name_space = "ns", .connect_timeout_ms = timeout_ms};
    fanmap_error_t err;
    if (redis_port_open(f->loop, &config, &f->tokens, &err) != FANMAP_OK)
        fail_msg("%s", err.message);
}

static void open_plain(fixture_t *f)
{
    char url[64];
    snprintf(url, sizeof url, "redis://127.0.0.1:%u", f->port);
    open_port(f, url, NULL, 0);
}

/* Calls. */

typedef struct {
    int calls, code;
    tokens_reply_t reply;
    uint64_t seq;
    bool created;
    bool inside; /* a call of the port is on the stack */
    fanmap_error_t err;
} outcome_t;

static void on_sync(void *arg, const char *job, uint64_t seq, const tokens_reply_t *reply, const fanmap_error_t *err)
{
    outcome_t *o = arg;
    assert_false(o->inside);
    assert_non_null(job);
    o->calls++;
    o->seq = seq;
    o->code = err != NULL ? err->code : FANMAP_OK;
    if (err != NULL)
        o->err = *err;
    if (reply != NULL)
        o->reply = *reply;
}

static void on_create(void *arg, const char *job, const char *nonce, bool created, const fanmap_error_t *err)
{
    outcome_t *o = arg;
    assert_false(o->inside);
    assert_string_equal(job, "j");
    assert_string_equal(nonce, "nonce");
    o->calls++;
    o->code = err != NULL ? err->code : FANMAP_OK;
    if (err != NULL)
        o->err = *err;
    o->created = created;
}

static void on_wake(void *arg, const char *job)
{
    outcome_t *o = arg;
    assert_string_equal(job, "j");
    o->calls++;
}

static void run_until(fixture_t *f, const int *counter, int n)
{
    int64_t end = loop_clock_ms() + WAIT_MS;
    while (*counter < n) {
        assert_true(loop_run_once(f->loop, 100) >= 0);
        assert_true(loop_clock_ms() < end);
    }
}

static tokens_request_t ask(const char *incarnation, uint64_t seq, uint64_t keep, uint64_t want)
{
    tokens_request_t r = {.job = "j", .nonce = "nonce", .n = 10, .lease_ms = L, .seq = seq, .keep = keep, .want = want};
    snprintf(r.incarnation, sizeof r.incarnation, "%s", incarnation);
    return r;
}

static outcome_t call(fixture_t *f, const tokens_request_t *request)
{
    outcome_t o = {.inside = true};
    f->tokens->sync(f->tokens, request, on_sync, &o);
    o.inside = false;
    run_until(f, &o.calls, 1);
    return o;
}

static outcome_t create(fixture_t *f)
{
    outcome_t o = {.inside = true};
    f->tokens->create(f->tokens, "j", "nonce", 10, L, on_create, &o);
    o.inside = false;
    run_until(f, &o.calls, 1);
    return o;
}

static outcome_t call_until(fixture_t *f, tokens_request_t request, int code)
{
    int64_t end = loop_clock_ms() + WAIT_MS;
    for (;;) {
        request.seq++;
        outcome_t o = call(f, &request);
        if (o.code == code)
            return o;
        assert_true(loop_clock_ms() < end);
        loop_run_once(f->loop, 20);
    }
}

static void test_create_and_sync(void **state)
{
    fixture_t *f = *state;
    open_plain(f);
    outcome_t o = create(f); /* NOSCRIPT, then the text */
    assert_int_equal(o.code, FANMAP_OK);
    assert_true(o.created);
    assert_false(create(f).created);
    tokens_request_t r = ask("a", 1, 0, 4);
    o = call(f, &r);
    assert_int_equal(o.code, FANMAP_OK);
    assert_int_equal(o.seq, 1);
    assert_int_equal(o.reply.held, 4);
    assert_false(o.reply.learning);
    assert_int_equal(strlen(o.reply.run_id), 40);
    command(f, "SCRIPT FLUSH");
    r.seq = 2;
    assert_int_equal(call(f, &r).code, FANMAP_OK);
}

/* The same calls, at the same times, to Redis and to the table in this process. Redis's TIME is read before each call
 * and given to the table; lease and waits are such that a few ms between make no difference. */
static void test_parity_with_the_table(void **state)
{
    fixture_t *f = *state;
    open_plain(f);
    token_table_t *table = NULL;
    token_table_config_t config = {.name_space = "ns"};
    assert_int_equal(token_table_new(&config, &table, NULL), FANMAP_OK);
    bool created;
    token_table_set_time_us(table, 1000000);
    assert_int_equal(token_table_create(table, "j", "nonce", 10, L, &created, NULL), FANMAP_OK);
    assert_true(create(f).created);
    static const struct {
        const char *who;
        uint64_t seq, keep, want, n, n_version, z;
        bool valid;
    } steps[] = {
        {"a", 1, 0, 20, 10, 0, 0, false}, {"b", 1, 0, 3, 10, 0, 0, false}, {"c", 1, 0, 9, 10, 0, 0, false},
        {"a", 2, 10, 20, 10, 0, 0, true}, {"a", 3, 4, 20, 10, 0, 0, true}, {"b", 2, 0, 3, 10, 0, 0, false},
        {"c", 2, 0, 9, 10, 0, 0, false},  {"b", 2, 0, 0, 10, 0, 0, false}, {"b", 1, 3, 3, 10, 0, 0, true},
        {"a", 4, 4, 20, 4, 1, 0, true},   {"b", 3, 3, 3, 10, 0, 0, true},  {"c", 3, 3, 9, 4, 1, 0, true},
        {"a", 5, 1, 20, 4, 1, 0, true},   {"b", 4, 0, 3, 4, 1, 0, true},   {"c", 4, 3, 9, 4, 1, 0, true},
        {"a", 6, 1, 20, 12, 2, 0, true},  {"c", 5, 3, 9, 12, 2, 0, true},  {"b", 5, 0, 3, 12, 2, 0, true},
        {"a", 7, 9, 20, 5, 4, 3, true},   {"b", 6, 2, 3, 5, 4, 3, false},  {"c", 6, 3, 9, 5, 4, 3, true},
        {"d", 1, 0, 7, 5, 4, 3, false},   {"a", 8, 2, 20, 5, 4, 3, true},
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        tokens_request_t r = ask(steps[i].who, steps[i].seq, steps[i].keep, steps[i].want);
        r.n = steps[i].n;
        r.n_version = steps[i].n_version;
        r.z = steps[i].z;
        r.lease_valid = steps[i].valid;
        tokens_reply_t here;
        outcome_t there = call(f, &r);
        assert_int_equal(there.code, FANMAP_OK);
        assert_int_equal(token_table_sync(table, &r, &here, NULL), FANMAP_OK);
        print_message("%s/%d: allow %d held %d learning %d waiters %d\n", r.incarnation, (int)r.seq, (int)here.allow,
                      (int)here.held, here.learning, here.waiters);
        assert_int_equal(there.reply.allow, here.allow);
        assert_int_equal(there.reply.held, here.held);
        assert_int_equal(there.reply.learning, here.learning);
        assert_int_equal(there.reply.waiters, here.waiters);
        assert_int_equal(there.reply.n_version, here.n_version);
    }
    token_table_free(table);
}

static void test_flushall_learns(void **state)
{
    fixture_t *f = *state;
    open_plain(f);
    create(f);
    tokens_request_t r = ask("a", 1, 0, 4);
    outcome_t before = call(f, &r);
    assert_false(before.reply.learning);
    command(f, "FLUSHALL");
    r.seq = 2;
    r.keep = 3;
    r.lease_valid = true;
    r.fence_seen = before.reply.fence;
    outcome_t after = call(f, &r);
    assert_true(after.reply.learning);
    assert_int_equal(after.reply.held, 3);
    assert_true(after.reply.fence >= before.reply.fence);
}

/* What is no hash is no table: the scripts delete it, and a worker that held tokens keeps them while the table learns. */
static void test_a_key_of_another_type(void **state)
{
    static const char *const foreign[] = {"SET ns.tokens.j x", "LPUSH ns.tokens.j x", "ZADD ns.tokens.j 1 x"};
    fixture_t *f = *state;
    open_plain(f);
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        command(f, "DEL ns.tokens.j");
        command(f, foreign[i]);
        assert_true(create(f).created);
        tokens_request_t r = ask("a", 2 * i + 1, 0, 4);
        assert_int_equal(call(f, &r).reply.held, 4);
        command(f, "DEL ns.tokens.j");
        command(f, foreign[i]);
        r.seq++;
        r.keep = 3;
        r.lease_valid = true;
        outcome_t after = call(f, &r);
        assert_int_equal(after.code, FANMAP_OK);
        assert_true(after.reply.learning);
        assert_int_equal(after.reply.held, 3);
    }
}

static void test_restart(void **state)
{
    fixture_t *f = *state;
    open_plain(f);
    create(f);
    tokens_request_t r = ask("a", 1, 0, 4);
    outcome_t before = call(f, &r);
    outcome_t pending = {0};
    kill(f->pid, SIGSTOP); /* a call is on its way when the server dies */
    r.seq = 2;
    f->tokens->sync(f->tokens, &r, on_sync, &pending);
    loop_run_once(f->loop, 0);
    stop_server(f);
    run_until(f, &pending.calls, 1);
    assert_int_equal(pending.code, FANMAP_EUNREACHABLE);
    assert_true(pending.err.retry_may_help);
    outcome_t away = call_until(f, r, FANMAP_EUNREACHABLE);
    assert_true(away.err.retry_may_help);
    start_server(f);
    r.seq = 10;
    outcome_t back = call_until(f, r, FANMAP_OK);
    assert_true(back.reply.learning);
    assert_string_not_equal(back.reply.run_id, before.reply.run_id);
}

static void test_wake_ups_survive_a_reconnect(void **state)
{
    fixture_t *f = *state;
    open_plain(f);
    outcome_t wakes = {0};
    f->tokens->listen(f->tokens, TOKENS_WAKES, "b", on_wake, &wakes);
    create(f);
    for (int round = 0; round < 2; round++) {
        wakes.calls = 0;
        int64_t end = loop_clock_ms() + WAIT_MS;
        while (wakes.calls == 0) { /* until the subscription is there */
            redisContext *c = control(f);
            freeReplyObject(redisCommand(c, "PUBLISH ns.wake.b j"));
            redisFree(c);
            loop_run_once(f->loop, 20);
            assert_true(loop_clock_ms() < end);
        }
        command(f, "CLIENT KILL TYPE pubsub");
    }
}

typedef struct {
    int calls;
    char text[64];
} begged_t;

static void on_beg(void *arg, const char *text)
{
    begged_t *begged = arg;
    begged->calls++;
    snprintf(begged->text, sizeof begged->text, "%s", text);
}

static void wait_subscribed(fixture_t *f, const char *channel)
{
    redisContext *c = control(f);
    for (bool there = false; !there;) {
        redisReply *r = redisCommand(c, "PUBSUB NUMSUB %s", channel);
        there = r->element[1]->integer == 1;
        freeReplyObject(r);
        loop_run_once(f->loop, 20);
    }
    redisFree(c);
}

/* Of those who offer items of a task it serves the one with the longest wait is asked; who is gone is passed over; a key
 * that another program left is no hindrance. */
static void test_who_has_most_waiting_is_asked(void **state)
{
    fixture_t *f = *state;
    static const char *const tasks[] = {"square", "other"};
    begged_t a = {0}, b = {0};
    open_plain(f);
    command(f, "SET ns.offers.q.other text");
    f->tokens->listen(f->tokens, TOKENS_REQUESTS, "a", on_beg, &a);
    f->tokens->listen(f->tokens, TOKENS_REQUESTS, "b", on_beg, &b);
    wait_subscribed(f, "ns.beg.a");
    wait_subscribed(f, "ns.beg.b");
    f->tokens->offer(f->tokens, "q", "square", "a", 300);
    f->tokens->offer(f->tokens, "q", "other", "b", 500);
    f->tokens->offer(f->tokens, "q", "square", "gone", 90000);
    f->tokens->offer(f->tokens, "q", "third", "b", 90000);
    f->tokens->beg(f->tokens, "q", tasks, 2, "c", "1 square:0");
    run_until(f, &b.calls, 1);
    assert_string_equal(b.text, "1 square:0");
    f->tokens->offer(f->tokens, "q", "other", "b", 0);
    f->tokens->beg(f->tokens, "q", tasks, 2, "c", "2 square:0");
    run_until(f, &a.calls, 1);
    assert_string_equal(a.text, "2 square:0");
    assert_int_equal(b.calls, 1);
}

static void test_the_script_wakes(void **state)
{
    fixture_t *f = *state;
    open_plain(f);
    outcome_t wakes = {0};
    f->tokens->listen(f->tokens, TOKENS_WAKES, "b", on_wake, &wakes);
    redisContext *c = control(f);
    for (bool there = false; !there;) { /* the subscription */
        redisReply *r = redisCommand(c, "PUBSUB NUMSUB ns.wake.b");
        there = r->element[1]->integer == 1;
        freeReplyObject(r);
        loop_run_once(f->loop, 20);
    }
    redisFree(c);
    create(f);
    tokens_request_t a = ask("a", 1, 0, 10), b = ask("b", 1, 0, 10);
    call(f, &a);
    call(f, &b);
    a.seq = 2;
    call(f, &a); /* gives all back but its share */
    run_until(f, &wakes.calls, 1);
}

static void test_nobody_listens(void **state)
{
    fixture_t *f = *state;
    stop_server(f);
    open_plain(f);
    tokens_request_t r = ask("a", 1, 0, 4);
    outcome_t o = call(f, &r);
    assert_int_equal(o.code, FANMAP_EUNREACHABLE);
    assert_true(o.err.retry_may_help);
    assert_non_null(strstr(o.err.message, "127.0.0.1"));
    assert_int_equal(create(f).code, FANMAP_EUNREACHABLE);
}

static void test_silent_server_is_given_up(void **state)
{
    fixture_t *f = *state;
    char url[64];
    snprintf(url, sizeof url, "redis://127.0.0.1:%u", f->port);
    open_port(f, url, NULL, 2000);
    tokens_request_t r = ask("a", 1, 0, 4);
    assert_int_equal(call(f, &r).code, FANMAP_OK);
    kill(f->pid, SIGSTOP);
    int64_t begun = loop_clock_ms();
    r.seq = 2;
    outcome_t o = call(f, &r); /* connected, no answer */
    assert_int_equal(o.code, FANMAP_EUNREACHABLE);
    assert_true(loop_clock_ms() - begun < WAIT_MS / 2);
    r.seq = 3;
    o = call_until(f, r, FANMAP_EUNREACHABLE); /* accepted by the kernel, no answer to the login */
    kill(f->pid, SIGCONT);
    r.seq = 1000;
    call_until(f, r, FANMAP_OK);
}

static void write_password(fixture_t *f, const char *password, char *ret, size_t cap)
{
    snprintf(ret, cap, "%s/password", f->folder);
    FILE *file = fopen(ret, "w");
    assert_non_null(file);
    fprintf(file, "%s\n", password);
    fclose(file);
}

static void test_passwords(void **state)
{
    fixture_t *f = *state;
    command(f, "CONFIG SET requirepass s3cr@t");
    tokens_request_t r = ask("a", 1, 0, 4);
    open_plain(f);
    outcome_t o = call(f, &r);
    assert_int_equal(o.code, FANMAP_EREFUSED);
    assert_false(o.err.retry_may_help);
    assert_non_null(strstr(o.err.message, "wants a password"));
    f->tokens->close(f->tokens);
    char url[64], file[128];
    snprintf(url, sizeof url, "redis://:wr0ng@127.0.0.1:%u", f->port);
    open_port(f, url, NULL, 0);
    o = call(f, &r);
    assert_int_equal(o.code, FANMAP_EREFUSED);
    assert_null(strstr(o.err.message, "wr0ng"));
    f->tokens->close(f->tokens);
    snprintf(url, sizeof url, "redis://:s3cr%%40t@127.0.0.1:%u/3", f->port);
    open_port(f, url, NULL, 0);
    assert_int_equal(call(f, &r).code, FANMAP_OK);
    f->tokens->close(f->tokens);
    write_password(f, "s3cr@t", file, sizeof file);
    snprintf(url, sizeof url, "redis://default@localhost:%u", f->port);
    open_port(f, url, file, 0);
    assert_int_equal(call(f, &r).code, FANMAP_OK);
}

static void test_rights(void **state)
{
    fixture_t *f = *state;
    command(f, "ACL SETUSER poor on >pw ~ns.* &ns.* +evalsha +eval +time +exists +hgetall +hset +hdel +del +pexpire");
    command(
        f,
        "ACL SETUSER enough on >pw ~ns.* &ns.* +evalsha +eval +time +exists +hgetall +hset +hdel +del +pexpire +info "
        "+publish +subscribe");
    tokens_request_t r = ask("a", 1, 0, 4);
    char url[64];
    snprintf(url, sizeof url, "redis://poor:pw@127.0.0.1:%u", f->port);
    open_port(f, url, NULL, 0);
    outcome_t o = call(f, &r);
    assert_int_equal(o.code, FANMAP_EREFUSED);
    assert_non_null(strstr(o.err.message, "right"));
    f->tokens->close(f->tokens);
    snprintf(url, sizeof url, "redis://enough:pw@127.0.0.1:%u", f->port);
    open_port(f, url, NULL, 0);
    assert_int_equal(call(f, &r).code, FANMAP_OK);
    f->tokens->close(f->tokens);
    command(f, "ACL SETUSER enough -publish -subscribe"); /* only slower */
    open_port(f, url, NULL, 0);
    outcome_t wakes = {0};
    f->tokens->listen(f->tokens, TOKENS_WAKES, "a", on_wake, &wakes);
    command(f, "FLUSHALL");
    create(f);
    tokens_request_t a = ask("a", 1, 0, 10), b = ask("b", 1, 0, 10);
    assert_int_equal(call(f, &a).reply.held, 10);
    o = call(f, &b); /* wants to wake a */
    assert_int_equal(o.code, FANMAP_OK);
    assert_int_equal(wakes.calls, 0);
}

/* A process that a worker starts must not find itself logged in to Redis. */
static void test_sockets_are_not_inherited(void **state)
{
    fixture_t *f = *state;
    open_plain(f);
    tokens_request_t r = ask("a", 1, 0, 4);
    assert_int_equal(call(f, &r).code, FANMAP_OK);
    int sockets = 0;
    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_in peer = {0};
        socklen_t len = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0 || peer.sin_port != htons(f->port))
            continue;
        sockets++;
        assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    }
    assert_int_equal(sockets, 1);
}

static void test_unix_socket_and_database(void **state)
{
    fixture_t *f = *state;
    char url[128];
    snprintf(url, sizeof url, "unix://%s/socket?db=2", f->folder);
    open_port(f, url, NULL, 0);
    tokens_request_t r = ask("a", 1, 0, 4);
    assert_int_equal(call(f, &r).code, FANMAP_OK);
    redisContext *c = control(f);
    freeReplyObject(redisCommand(c, "SELECT 2"));
    redisReply *reply = redisCommand(c, "EXISTS ns.tokens.j");
    assert_int_equal(reply->integer, 1);
    freeReplyObject(reply);
    redisFree(c);
}

static void test_name_that_does_not_exist(void **state)
{
    fixture_t *f = *state;
    open_port(f, "redis://no-such-host.invalid:6379", NULL, 2000);
    tokens_request_t r = ask("a", 1, 0, 4);
    assert_int_equal(call(f, &r).code, FANMAP_EUNREACHABLE);
}

static void close_in_callback(void *arg, const char *job, uint64_t seq, const tokens_reply_t *reply,
                              const fanmap_error_t *err)
{
    (void)job;
    (void)seq;
    (void)reply;
    (void)err;
    fixture_t *f = arg;
    f->tokens->close(f->tokens);
    f->tokens = NULL;
}

static void count_any(void *arg, const char *job, uint64_t seq, const tokens_reply_t *reply, const fanmap_error_t *err)
{
    (void)job;
    (void)seq;
    (void)reply;
    (void)err;
    ++*(int *)arg;
}

static void close_early_and_inside(fixture_t *f, void (*open)(fixture_t *f))
{
    int calls = 0;
    tokens_request_t r = ask("a", 1, 0, 4);
    open(f);
    f->tokens->sync(f->tokens, &r, count_any, &calls);
    f->tokens->close(f->tokens); /* never connected */
    open(f);
    r.seq = 2;
    f->tokens->sync(f->tokens, &r, close_in_callback, f);
    r.seq = 3;
    f->tokens->sync(f->tokens, &r, count_any, &calls);
    int64_t end = loop_clock_ms() + WAIT_MS;
    while (f->tokens != NULL) {
        loop_run_once(f->loop, 100);
        assert_true(loop_clock_ms() < end);
    }
    loop_run_once(f->loop, 0);
    assert_int_equal(calls, 0); /* nothing is told after close */
}

static void test_close_redis(void **state)
{
    close_early_and_inside(*state, open_plain);
}

static void open_local(fixture_t *f)
{
    assert_int_equal(tokens_local_port_open(f->loop, &f->tokens, NULL), FANMAP_OK);
}

static void test_close_local(void **state)
{
    close_early_and_inside(*state, open_local);
}

static void test_local_port(void **state)
{
    fixture_t *f = *state;
    open_local(f);
    assert_true(create(f).created);
    static const struct {
        uint64_t n, keep, want, allow, held;
    } steps[] = {
        {10, 0, 10, 10, 10}, {10, 0, 4, 4, 4}, {10, 2, 11, 10, 10}, {10, 10, 10, 10, 10},     {10, 0, 0, 0, 0},
        {3, 8, 9, 0, 8},     {3, 4, 4, 0, 4},  {3, 3, 9, 3, 3},     {UINT64_MAX, 3, 9, 9, 9},
    };
    uint64_t fence = 0;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        tokens_request_t r = ask("a", i + 1, steps[i].keep, steps[i].want);
        r.n = steps[i].n;
        r.n_version = i;
        outcome_t o = call(f, &r);
        assert_true(o.seq == i + 1 && o.code == FANMAP_OK);
        assert_int_equal(o.reply.allow, steps[i].allow);
        assert_int_equal(o.reply.held, steps[i].held);
        assert_int_equal(o.reply.n_version, i);
        assert_true(!o.reply.learning && !o.reply.waiters && o.reply.fence > fence);
        fence = o.reply.fence;
    }
}

static void test_urls(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "localhost",
        "http://x",
        "rediss://x",
        "redis://",
        "redis://:6379",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:12x",
        "redis://h/x",
        "redis://h/1/2",
        "redis://[::1",
        "redis://[::1]6379",
        "unix://relative",
        "unix:///p?x=1",
        "redis://a%zz@h",
        "redis://a%00b@h",
        "redis://h:6379/99999999999",
    };
    redis_url_t url;
    fanmap_error_t err;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (redis_url_parse(bad[i], &url, &err) != FANMAP_EUSAGE)
            fail_msg("taken: %s", bad[i]);
    }
    assert_int_equal(redis_url_parse("rediss://x", &url, &err), FANMAP_EUSAGE);
    assert_non_null(strstr(err.message, "TLS"));
    assert_int_equal(redis_url_parse("redis://u:p%40%3A@[::1]:7/12", &url, &err), FANMAP_OK);
    assert_string_equal(url.user, "u");
    assert_string_equal(url.password, "p@:");
    assert_string_equal(url.host, "::1");
    assert_int_equal(url.port, 7);
    assert_int_equal(url.db, 12);
    assert_int_equal(redis_url_parse("redis://h", &url, &err), FANMAP_OK);
    assert_int_equal(url.port, 6379);
    assert_int_equal(redis_url_parse("redis://h/", &url, &err), FANMAP_OK);
    assert_int_equal(redis_url_parse("unix:///a/b", &url, &err), FANMAP_OK);
    assert_string_equal(url.path, "/a/b");
}

static bool has_server(void)
{
    char *argv[] = {(char[]){"redis-server"}, (char[]){"--version"}, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    pid_t pid;
    int status = -1;
    int failure = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return failure == 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

#define server_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest without[] = {cmocka_unit_test(test_urls)};
    const struct CMUnitTest with[] = {
        server_test(test_create_and_sync),
        server_test(test_parity_with_the_table),
        server_test(test_flushall_learns),
        server_test(test_a_key_of_another_type),
        server_test(test_restart),
        server_test(test_wake_ups_survive_a_reconnect),
        server_test(test_the_script_wakes),
        server_test(test_who_has_most_waiting_is_asked),
        server_test(test_nobody_listens),
        server_test(test_silent_server_is_given_up),
        server_test(test_passwords),
        server_test(test_rights),
        server_test(test_sockets_are_not_inherited),
        server_test(test_unix_socket_and_database),
        server_test(test_name_that_does_not_exist),
        server_test(test_close_redis),
        server_test(test_close_local),
        server_test(test_local_port),
    };
    int failed = cmocka_run_group_tests(without, NULL, NULL);
    if (!has_server() && getenv("CI") == NULL) {
        fprintf(stderr, "SKIPPED: redis-server is not installed\n");
        return failed;
    }
    return failed + cmocka_run_group_tests(with, NULL, NULL);
}
