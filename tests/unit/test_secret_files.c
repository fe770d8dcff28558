/* Files that hold secrets or decide what runs: refused where others can write to them, said where others can read them;
 * and a default configuration file that cannot be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/options/options.h"
#include "client/tasks/task_conf.h"
#include "io/trusted_file.h"
#include "tokens/redis_url.h"

enum { SOMEBODY = 65534 };

typedef struct {
    char folder[64], path[128];
    unsigned lines_n;
    char line[1100]; /* the last one */
} place_t;

static place_t place_open(const char *text, mode_t mode)
{
    place_t p = {.folder = "/tmp/fanmap-trust-XXXXXX"};
    assert_non_null(mkdtemp(p.folder));
    snprintf(p.path, sizeof p.path, "%s/file", p.folder);
    FILE *f = fopen(p.path, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(p.path, mode), 0);
    return p;
}

static void place_close(place_t *p)
{
    unlink(p->path);
    assert_int_equal(rmdir(p->folder), 0);
}

static void on_line(void *arg, fanmap_log_level_t level, const char *line)
{
    place_t *p = arg;
    assert_int_equal(level, FANMAP_LOG_WARNING);
    p->lines_n++;
    snprintf(p->line, sizeof p->line, "%s", line);
}

static void says(const fanmap_error_t *err, const char *a, const char *b)
{
    if (!strstr(err->message, a) || !strstr(err->message, b))
        fail_msg("\"%s\" does not say \"%s\" and \"%s\"", err->message, a, b);
}

static void who_can_write(void **state)
{
    static const struct {
        mode_t mode;
        uid_t uid;
        gid_t gid;
        int wanted;
        bool is_shared;
    } cases[] = {
        {0600, 0, 0, FANMAP_OK, false},        {0640, 0, SOMEBODY, FANMAP_OK, false},
        {0644, 0, 0, FANMAP_OK, true},         {0664, 0, 0, FANMAP_OK, true}, /* the owner's own group */
        {0660, 0, SOMEBODY, FANMAP_EUSAGE, 0}, {0602, 0, 0, FANMAP_EUSAGE, 0},
        {0600, SOMEBODY, 0, FANMAP_EUSAGE, 0}, {0666, 0, 0, FANMAP_EUSAGE, 0},
    };
    (void)state;
    if (geteuid() != 0)
        skip(); /* only root can give a file away */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        place_t p = place_open("x\n", cases[i].mode);
        fanmap_error_t err = {0};
        FILE *file = NULL;
        bool is_shared = false;
        assert_int_equal(chown(p.path, cases[i].uid, cases[i].gid), 0);
        if (trusted_open(p.path, &file, &is_shared, &err) != cases[i].wanted)
            fail_msg("case %zu: \"%s\"", i, err.message);
        assert_int_equal(is_shared, cases[i].is_shared);
        if (file)
            fclose(file);
        place_close(&p);
    }
}

/* Whatever kind of file it is. */
static void what_others_can_write_is_refused(void **state)
{
    fanmap_error_t err = {0};
    fanmap_options_t *options;
    slots_catalogue_t tasks = {0};
    redis_url_t url = {0};
    (void)state;
    place_t p = place_open("client.id=me\n", 0646);
    assert_int_equal(fanmap_options_new(&options), FANMAP_OK);
    assert_int_equal(fanmap_options_load(options, p.path, &err), FANMAP_EUSAGE);
    says(&err, p.path, "chmod go-w");
    assert_int_equal(fanmap_options_set(options, "properties", p.path, &err), FANMAP_OK);
    memset(&err, 0, sizeof err);
    assert_int_equal(fanmap_options_load(options, NULL, &err), FANMAP_EUSAGE);
    says(&err, p.path, "chmod go-w");
    assert_int_equal(redis_url_read_password(&url, p.path, &err), FANMAP_EUSAGE);
    says(&err, p.path, "chmod go-w");
    assert_int_equal(task_conf_add(&tasks, p.path, &err), FANMAP_EUSAGE);
    says(&err, p.path, "chmod go-w");
    assert_int_equal(fanmap_options_set(options, "X.ssl.key.location", p.path, &err), FANMAP_OK);
    assert_int_equal(options_check_files(options, NULL, NULL, &err), FANMAP_EUSAGE);
    says(&err, p.path, "chmod go-w");
    slots_catalogue_free(&tasks);
    fanmap_options_free(options);
    place_close(&p);
}

static void loads_and_says(const char *text, unsigned lines_n)
{
    fanmap_error_t err = {0};
    fanmap_options_t *options;
    place_t p = place_open(text, 0644);
    assert_int_equal(fanmap_options_new(&options), FANMAP_OK);
    assert_int_equal(fanmap_options_load(options, p.path, &err), FANMAP_OK);
    fanmap_options_t *copy = options_copy(options);
    assert_int_equal(options_check_files(copy, on_line, &p, &err), FANMAP_OK);
    assert_int_equal(p.lines_n, lines_n);
    if (lines_n > 0)
        assert_non_null(strstr(p.line, "chmod o-r"));
    if (lines_n > 0)
        assert_non_null(strstr(p.line, p.path));
    fanmap_options_free(copy);
    fanmap_options_free(options);
    place_close(&p);
}

static void a_secret_that_others_can_read_is_said(void **state)
{
    (void)state;
    loads_and_says("brokers = a:1\nX.client.id = me\nredis = redis://me@b:1\n", 0);
    loads_and_says("X.sasl.password = x\n", 1);
    loads_and_says("property = sasl.password=x\n", 1);
    loads_and_says("redis = redis://me:x@b:1\n", 1);
}

static void a_password_file_that_others_can_read_is_said(void **state)
{
    fanmap_error_t err = {0};
    fanmap_options_t *options;
    place_t p = place_open("x\n", 0604);
    (void)state;
    assert_int_equal(fanmap_options_new(&options), FANMAP_OK);
    assert_int_equal(fanmap_options_set(options, "redis-password-file", p.path, &err), FANMAP_OK);
    assert_int_equal(fanmap_options_set(options, "X.ssl.key.location", p.path, &err), FANMAP_OK);
    assert_int_equal(options_check_files(options, on_line, &p, &err), FANMAP_OK);
    assert_int_equal(p.lines_n, 1); /* once a file */
    assert_int_equal(chmod(p.path, 0600), 0);
    fanmap_options_free(options);
    assert_int_equal(fanmap_options_new(&options), FANMAP_OK);
    assert_int_equal(fanmap_options_set(options, "redis-password-file", p.path, &err), FANMAP_OK);
    assert_int_equal(options_check_files(options, on_line, &p, &err), FANMAP_OK);
    assert_int_equal(p.lines_n, 1);
    fanmap_options_free(options);
    place_close(&p);
}

/* A folder in the file's place: nobody can read that, root neither. */
static void a_default_file_that_cannot_be_read_is_a_warning(void **state)
{
    char config[128], file[160];
    fanmap_error_t err = {0};
    fanmap_options_t *options;
    place_t p = place_open("", 0600);
    (void)state;
    snprintf(config, sizeof config, "%s/.config", p.folder);
    snprintf(file, sizeof file, "%s/fanmap.conf", config);
    assert_int_equal(mkdir(config, 0700), 0);
    assert_int_equal(mkdir(file, 0700), 0);
    setenv("HOME", p.folder, 1);
    assert_int_equal(fanmap_options_new(&options), FANMAP_OK);
    assert_int_equal(fanmap_options_load(options, file, &err), FANMAP_EUSAGE); /* one that was named */
    assert_int_equal(fanmap_options_load(options, NULL, &err), FANMAP_OK);
    assert_int_equal(options_check_files(options, on_line, &p, &err), FANMAP_OK);
    assert_int_equal(p.lines_n, 1);
    assert_non_null(strstr(p.line, file));
    assert_non_null(strstr(p.line, "directory"));
    rmdir(file);
    rmdir(config);
    fanmap_options_free(options);
    place_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_can_write),
        cmocka_unit_test(what_others_can_write_is_refused),
        cmocka_unit_test(a_secret_that_others_can_read_is_said),
        cmocka_unit_test(a_password_file_that_others_can_read_is_said),
        cmocka_unit_test(a_default_file_that_cannot_be_read_is_a_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
