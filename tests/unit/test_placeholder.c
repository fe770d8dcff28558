/* Placeholders, what they take of a path, and the text of a shell that is made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "slots/catalogue/program.h"
#include "slots/catalogue/shell_text.h"
#include "slots/shared/placeholder.h"
#include "slots/shared/terms.h"

static void test_what_is_one(void **state)
{
    static const struct {
        const char *text, *replace;
        int kind, part; /* kind -1: none */
        path_part_t path;
    } cases[] = {
        {"{}x", NULL, PLACE_ITEM, 0, PATH_WHOLE},
        {"{.}", NULL, PLACE_ITEM, 0, PATH_WITHOUT_EXTENSION},
        {"{/}", NULL, PLACE_ITEM, 0, PATH_NAME},
        {"{//}", NULL, PLACE_ITEM, 0, PATH_FOLDER},
        {"{/.}", NULL, PLACE_ITEM, 0, PATH_BARE_NAME},
        {"{12}", NULL, PLACE_PART, 12, PATH_WHOLE},
        {"{-1/.}", NULL, PLACE_PART, -1, PATH_BARE_NAME},
        {"{2?/}", NULL, PLACE_PART, 2, PATH_NAME},
        {"{?}", NULL, -1, 0, PATH_WHOLE},
        {"{+}", NULL, PLACE_ALL, 0, PATH_WHOLE},
        {"{+/.}", NULL, PLACE_ALL, 0, PATH_BARE_NAME},
        {"{*}", NULL, PLACE_EACH, 0, PATH_WHOLE},
        {"{*.}", NULL, PLACE_EACH, 0, PATH_WITHOUT_EXTENSION},
        {"{#}", NULL, PLACE_NUMBER, 0, PATH_WHOLE},
        {"{%}", NULL, PLACE_SLOT, 0, PATH_WHOLE},
        {"{a-b.c_1}", NULL, PLACE_NAME, 0, PATH_WHOLE},
        {"{0}", NULL, -1, 0, PATH_WHOLE},
        {"{-}", NULL, -1, 0, PATH_WHOLE},
        {"{a b}", NULL, -1, 0, PATH_WHOLE},
        {"{a,b}", NULL, -1, 0, PATH_WHOLE},
        {"{1..3}", NULL, -1, 0, PATH_WHOLE},
        {"{123456}", NULL, -1, 0, PATH_WHOLE},
        {"{{}", NULL, -1, 0, PATH_WHOLE},
        {"{", NULL, -1, 0, PATH_WHOLE},
        {"{\"a\":1}", NULL, -1, 0, PATH_WHOLE},
        {"{}", ",,", -1, 0, PATH_WHOLE},
        {",,x", ",,", PLACE_ITEM, 0, PATH_WHOLE},
        {"{.}", ",,", PLACE_ITEM, 0, PATH_WITHOUT_EXTENSION},
        {"{}", "{}", PLACE_ITEM, 0, PATH_WHOLE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        placeholder_t p;
        bool is_one = placeholder_read(cases[i].text, cases[i].replace, &p);
        if (is_one != (cases[i].kind >= 0))
            fail_msg("%s", cases[i].text);
        if (is_one && ((int)p.kind != cases[i].kind || p.part != cases[i].part || p.path != cases[i].path))
            fail_msg("%s: kind %d, part %d, path %d", cases[i].text, (int)p.kind, (int)p.part, (int)p.path);
    }
    placeholder_t p;
    const char *text = "${1}";
    assert_false(placeholder_read_in_shell(text, text + 1, NULL, &p));
}

/* As parallel 20221122 prints them. */
static void test_paths(void **state)
{
    static const struct {
        const char *path, *without, *name, *folder, *bare;
    } cases[] = {
        {"a.b", "a", "a.b", ".", "a"},
        {"/x/y.tar.gz", "/x/y.tar", "y.tar.gz", "/x", "y.tar"},
        {"d.e/f", "d.e/f", "f", "d.e", "f"},
        {".bashrc", "", ".bashrc", ".", ""},
        {"a.", "a", "a.", ".", "a"},
        {"..", ".", "..", ".", "."},
        {"a/.", "a/", ".", "a", ""},
        {"a/b/", "a/b/", "", "a", ""},
        {"/", "/", "", "/", ""},
        {"///", "///", "", "/", ""},
        {"/a", "/a", "a", "/", "a"},
        {"a//b.c", "a//b", "b.c", "a", "b"},
        {"", "", "", ".", ""},
        {"a b\n.c", "a b\n", "a b\n.c", ".", "a b\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *wanted[] = {cases[i].path, cases[i].without, cases[i].name, cases[i].folder, cases[i].bare};
        for (int part = PATH_WHOLE; part <= PATH_BARE_NAME; part++) {
            buf_t b = {0};
            placeholder_put_path(&b, (path_part_t)part, cases[i].path, strlen(cases[i].path));
            buf_append(&b, "", 1);
            assert_string_equal(b.data, wanted[part]);
            buf_free(&b);
        }
    }
}

static void check_text(const char *text, const char *script, const char *parameters)
{
    char joined[200] = "";
    char **words;
    fanmap_error_t err;
    if (shell_text_words(text, NULL, &words, &err) != FANMAP_OK)
        fail_msg("%s: %s", text, err.message);
    assert_string_equal(words[SHELL_SCRIPT_WORD], script);
    for (size_t i = SHELL_SCRIPT_WORD + 1; words[i]; i++) {
        strcat(joined, i > SHELL_SCRIPT_WORD + 1 ? " " : "");
        strcat(joined, words[i]);
    }
    assert_string_equal(joined, parameters);
    words_free(words);
}

static void test_a_text_of_a_shell(void **state)
{
    (void)state;
    check_text("echo {} > {.}.txt {}", "echo \"${1}\" > \"${2}\".txt \"${1}\"", "sh {} {.}");
    check_text("echo '{}' \"<{}>\"", "echo ''\"${1}\"'' \"<${1}>\"", "sh {}");
    check_text("echo \"$(cat {} \"{}\")\"", "echo \"$(cat \"${1}\" \"${1}\")\"", "sh {}");
    check_text("awk '{print $1}' {}", "awk '{print $1}' \"${1}\"", "sh {}");
    check_text("echo `cat {}`; ${1%.*} ${#}", "echo `cat \"${1}\"`; ${1%.*} ${#}", "sh {}");
    check_text("wc -l", "wc -l", "");
    check_text("echo $((1 + (2))) {}", "echo $((1 + (2))) \"${1}\"", "sh {}");
    check_text("awk '{print $1}'", "awk '{print $1}'", "");
    check_text("echo \"$1\"", "echo \"$1\"", "sh {+}");
    check_text("for x; do echo \"$@\"; done", "for x; do echo \"$@\"; done", "sh {+}");
    check_text("gzip {+}", "gzip \"$@\"", "sh {+}");
    check_text("gzip {#} '{+}' {1}",
               "fanmap_1=${1}; fanmap_2=${2}; shift 2; gzip \"${fanmap_1}\" ''\"$@\"'' \"${fanmap_2}\"",
               "sh {#} {1} {+}");
    check_text("f() { echo {}; }; f", "fanmap_1=${1}; f() { echo \"${fanmap_1}\"; }; f", "sh {}");
    check_text("set -- a; echo {} {.}", "fanmap_1=${1}; fanmap_2=${2}; set -- a; echo \"${fanmap_1}\" \"${fanmap_2}\"",
               "sh {} {.}");
    check_text("offset {}; echo '()' set_x", "offset \"${1}\"; echo '()' set_x", "sh {}");
    check_text("true # don't {}\necho {} # x", "true \necho \"${1}\" # x", "sh {}");
    check_text("echo \\{} \"\\{1}\" \\\\{} \\x", "echo \\{\"\"} \"\\{\"\"1}\" \\\\\"${1}\" \\x", "sh {}");
}

static void refuses(const char *text, const char *said)
{
    char **words;
    fanmap_error_t err;
    assert_int_equal(shell_text_words(text, NULL, &words, &err), FANMAP_EUSAGE);
    assert_non_null(strstr(err.message, said));
}

static void test_what_no_parameter_can_be_put_in(void **state)
{
    (void)state;
    refuses("cat <<E\n{}\nE\n", "<<");
    refuses("echo {+} {+.}", "only one");
    refuses("echo $(( ({}) + 1))", "code");
}

static void test_which_words_are_a_shells_text(void **state)
{
    static const struct {
        const char *argv[8];
        uint32_t at;
    } cases[] = {{{"sh", "-c", "x", "sh", "{}"}, 2},
                 {{"/bin/bash", "-ec", "x"}, 2},
                 {{"bash", "-o", "pipefail", "-c", "x"}, 4},
                 {{"sh", "-c", "--", "x"}, 3},
                 {{"env", "A=1", "nice", "dash", "-c", "x"}, 5},
                 {{"timeout", "1", "zsh", "-lc", "x"}, 4},
                 {{"echo", "sh", "-c", "x"}, 0},
                 {{"sh", "script", "-c", "{}"}, 0},
                 {{"grep", "-c", "{}"}, 0},
                 {{"sh", "-c"}, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(program_shell_text_at(cases[i].argv), cases[i].at);
    assert_true(shell_text_has_placeholder("echo {}", NULL));
    assert_true(shell_text_has_placeholder("echo ,,", ",,"));
    assert_false(shell_text_has_placeholder("f() { echo ${1}; }; awk '{print $1}'", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_one),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_a_text_of_a_shell),
        cmocka_unit_test(test_what_no_parameter_can_be_put_in),
        cmocka_unit_test(test_which_words_are_a_shells_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
