/* Columns of items: separators, expressions, CSV; and a command that names them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cells.h"
#include "cli/csv.h"
#include "cli/template.h"

static void check(cells_t *cells, const char *item, const char *wanted)
{
    part_list_t parts = {0};
    buf_t b = {0};
    const fanmap_part_t part = {item, strlen(item)};
    assert_true(cells_split(cells, &part, 1, &parts));
    for (size_t i = 0; i < parts.n; i++)
        buf_printf(&b, "[%.*s]", (int)parts.at[i].len, (const char *)parts.at[i].bytes);
    buf_append(&b, "", 1);
    assert_string_equal(b.data, wanted);
    buf_free(&b);
    part_list_free(&parts);
}

static void separators_stand_between_columns(void **state)
{
    (void)state;
    cells_t cells = {.is_split = true, .separator = ',', .trims_left = true, .trims_right = true};
    check(&cells, "a,b", "[a][b]");
    check(&cells, " a , b c ", "[a][b c]");
    check(&cells, "", "[]");
    check(&cells, ",", "[][]");
    check(&cells, "a,,b,", "[a][][b][]");
    cells_close(&cells);
}

static void an_expression_finds_separators(void **state)
{
    (void)state;
    cells_t cells = {.is_split = true};
    buf_t text = {0};
    cells_expression("[\\t ]+|;\\d;", &text);
    assert_int_equal(regcomp(&cells.expression, (const char *)text.data, REG_EXTENDED), 0);
    cells.has_expression = true;
    check(&cells, "a\t b;7;c;x;d", "[a][b][c;x;d]");
    check(&cells, " a ", "[][a][]");
    cells_close(&cells);
    buf_clear(&text);
    cells_expression("[]\\d\\-\\]\\t[:upper:]]\\+", &text);
    assert_string_equal((const char *)text.data, "[]0-9[.-.][.].]\t[:upper:]]\\+");
    buf_clear(&text);
    cells_expression("", &text);
    assert_int_equal(regcomp(&cells.expression, (const char *)text.data, REG_EXTENDED), 0);
    cells = (cells_t){.is_split = true, .has_expression = true, .expression = cells.expression};
    check(&cells, "abc", "[a][b][c]");
    cells_close(&cells);
    buf_free(&text);
}

static void what_is_one_byte(void **state)
{
    (void)state;
    assert_int_equal(cells_one_byte(","), ',');
    assert_int_equal(cells_one_byte("\\t"), '\t');
    assert_int_equal(cells_one_byte("\\|"), '|');
    assert_int_equal(cells_one_byte("|"), '\0');
    assert_int_equal(cells_one_byte("."), '\0');
    assert_int_equal(cells_one_byte(", "), '\0');
    assert_int_equal(cells_one_byte("\\d"), '\0');
}

static void csv_has_quotes(void **state)
{
    (void)state;
    cells_t cells = {.is_split = true, .is_csv = true, .separator = ','};
    check(&cells, "a,\"b,\"\"c\"\"\nd\",", "[a][b,\"c\"\nd][]");
    check(&cells, "5\" disk,\"x\"\r", "[5\" disk][x]");
    check(&cells, "\"\"", "[]");
    check(&cells, "\"open,", "[open,]");
    check(&cells, " a ", "[ a ]");
    cells_close(&cells);
}

/* Wherever reading stopped meanwhile. */
static void a_row_ends_outside_of_quotes(void **state)
{
    (void)state;
    static const char text[] = "a,\"b\n\"\"\nc\",5\"\nnext\n";
    for (size_t cut = 0; cut < sizeof text - 1; cut++) {
        csv_state_t at = CSV_BEGIN;
        const char *end = csv_end(text, cut, ',', &at);
        if (!end)
            end = csv_end(text + cut, sizeof text - 1 - cut, ',', &at);
        assert_int_equal(end - text, strlen("a,\"b\n\"\"\nc\",5\""));
        assert_int_equal(at, CSV_BEGIN);
    }
}

static void check_template(const template_rules_t *rules, const char *text, bool is_shell, const char *wanted,
                           bool has_place)
{
    buf_t b = {0};
    template_facts_t facts = {0};
    template_rewrite(rules, text, is_shell, &b, &facts);
    buf_append(&b, "", 1);
    assert_string_equal(b.data, wanted);
    assert_int_equal(facts.has_place, has_place);
    buf_free(&b);
}

static void a_command_names_columns(void **state)
{
    (void)state;
    char first[] = "name", second[] = "a b", third[] = "",
         fourth[] = "na", *const names[] = {first, second, third, fourth};
    template_rules_t rules = {.names = names, .names_n = 4, .is_array = true, .is_uneven = true};
    check_template(&rules, "x{name}{a b.}{na//}y", false, "x{1?}{2?.}{4?//}y", true);
    check_template(&rules, "{} {.} {3/} {-1}", false, "{+} {+.} {3?/} {-1?}", true);
    check_template(&rules, "{other} {#} {{name}} {", false, "{other} {#} {{1?}} {", true);
    check_template(&rules, "${name} {name}", true, "${name} {1?}", true);
    check_template(&rules, "{#} {%}", false, "{#} {%}", true);
    check_template(&rules, "plain {x} {0000001}", false, "plain {x} {0000001}", false);
    rules.is_repeated = true;
    check_template(&rules, "a{}b", false, "a{*}b", true);
    rules.replace = ",,";
    check_template(&rules, "{} ,, {name}", false, "{} {*} {1?}", true);
    rules = (template_rules_t){.names = names, .names_n = 1};
    check_template(&rules, "{} {name/.} {2}", false, "{} {1/.} {2}", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(separators_stand_between_columns),
        cmocka_unit_test(an_expression_finds_separators),
        cmocka_unit_test(what_is_one_byte),
        cmocka_unit_test(csv_has_quotes),
        cmocka_unit_test(a_row_ends_outside_of_quotes),
        cmocka_unit_test(a_command_names_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
