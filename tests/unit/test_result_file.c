/* A file at its final path is whole, whoever died on the way. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/services/result_file.h"

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/fanmap-result.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static const char *path(const char *name)
{
    static char ret[256];
    snprintf(ret, sizeof ret, "%s/%s", dir, name);
    return ret;
}

static bool exists(const char *name)
{
    return access(path(name), F_OK) == 0;
}

static void write_file(const char *job, const char *text, int64_t submitted_ms, bool *ret_was_there)
{
    result_file_t file;
    assert_int_equal(result_file_open(&file, dir, job, "me", submitted_ms, NULL), FANMAP_OK);
    assert_int_equal(result_file_append(&file, text, strlen(text), NULL), FANMAP_OK);
    assert_int_equal(result_file_finish(&file, ret_was_there, NULL), FANMAP_OK);
}

static void expect_text(const char *name, const char *text)
{
    char got[64] = "";
    FILE *file = fopen(path(name), "r");
    assert_non_null(file);
    (void)!fread(got, 1, sizeof got - 1, file);
    fclose(file);
    assert_string_equal(got, text);
}

static void it_has_its_name_when_it_is_whole(void **state)
{
    (void)state;
    result_file_t file;
    bool was_there;
    assert_int_equal(result_file_open(&file, dir, "a", "me", 0, NULL), FANMAP_OK);
    assert_int_equal(result_file_append(&file, "1\n", 2, NULL), FANMAP_OK);
    assert_false(exists("a.jsonl"));
    assert_true(exists(".a.jsonl.me.part"));
    assert_int_equal(result_file_finish(&file, &was_there, NULL), FANMAP_OK);
    assert_false(was_there);
    assert_false(exists(".a.jsonl.me.part"));
    expect_text("a.jsonl", "1\n");
    assert_int_equal(result_file_open(&file, dir, "b", "me", 0, NULL), FANMAP_OK);
    result_file_abort(&file);
    assert_false(exists(".b.jsonl.me.part"));
    result_file_abort(&file);
}

static void a_whole_one_stays_and_an_older_jobs_goes(void **state)
{
    (void)state;
    bool was_there;
    write_file("a", "first\n", 1000, &was_there);
    assert_true(result_file_is_whole(dir, "a", 1000));
    write_file("a", "again\n", 1000, &was_there);
    assert_true(was_there);
    expect_text("a.jsonl", "first\n");
    /* The same id was submitted anew, by a clock that is an hour ahead, or behind, or means nothing. */
    int64_t now_ms = (int64_t)time(NULL) * 1000, others_ms[] = {now_ms + 3600000, now_ms - 3600000, 5000, INT64_MAX};
    for (size_t i = 0; i < sizeof others_ms / sizeof others_ms[0]; i++) {
        assert_false(result_file_is_whole(dir, "a", others_ms[i]));
        write_file("a", "second\n", others_ms[i], &was_there);
        assert_false(was_there);
        expect_text("a.jsonl", "second\n");
        assert_true(result_file_is_whole(dir, "a", others_ms[i]));
    }
}

static void parts_of_the_dead_are_swept_and_no_others(void **state)
{
    (void)state;
    static const char *const others[] = {".b.jsonl.me.parts", "b.jsonl.me.part", ".part", "c.jsonl", ".jsonl.x.part"};
    result_file_t file;
    assert_int_equal(result_file_open(&file, dir, "a", "me", 0, NULL), FANMAP_OK);
    close(open(path(".b.jsonl.dead.part"), O_CREAT | O_WRONLY, 0600));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        close(open(path(others[i]), O_CREAT | O_WRONLY, 0600));
    assert_int_equal(result_files_sweep(dir), 1);
    assert_true(exists(".a.jsonl.me.part"));
    assert_false(exists(".b.jsonl.dead.part"));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_true(exists(others[i]));
    result_file_abort(&file);
}

static void no_name_leaves_the_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"../a", "a/b", ".", "..", "", "-a", "/etc/passwd"};
    result_file_t file;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(result_file_open(&file, dir, names[i], "me", 0, NULL), FANMAP_EIO);
    assert_int_equal(symlink("/tmp/fanmap-nowhere", path(".s.jsonl.me.part")), 0);
    assert_int_equal(result_file_open(&file, dir, "s", "me", 0, NULL), FANMAP_EIO);
    assert_int_equal(access("/tmp/fanmap-nowhere", F_OK), -1);
}

static void failures_name_the_path(void **state)
{
    (void)state;
    result_file_t file;
    fanmap_error_t err;
    bool was_there;
    assert_int_equal(result_file_open(&file, "/nonexistent", "a", "me", 0, &err), FANMAP_EIO);
    assert_non_null(strstr(err.message, "/nonexistent/a.jsonl cannot be written: No such file"));
    assert_true(err.retry_may_help);
    assert_int_equal(mkdir(path("d.jsonl"), 0700), 0); /* something else has the name */
    assert_int_equal(result_file_open(&file, dir, "d", "me", 0, &err), FANMAP_OK);
    assert_int_equal(result_file_finish(&file, &was_there, &err), FANMAP_EIO);
    assert_non_null(strstr(err.message, "d.jsonl cannot be written: Is a directory"));
    assert_false(exists(".d.jsonl.me.part"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_has_its_name_when_it_is_whole),
        TEST(a_whole_one_stays_and_an_older_jobs_goes),
        TEST(parts_of_the_dead_are_swept_and_no_others),
        TEST(no_name_leaves_the_folder),
        TEST(failures_name_the_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
