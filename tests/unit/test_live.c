/* Frames of what commands print: cut anywhere, of several attempts at once, put together to lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/live.h"
#include "fanmap/admin.h"

static void put(buf_t *b, uint64_t index, uint32_t attempt, uint32_t stream, const char *text)
{
    fanmap_copied_t head = {(uint32_t)strlen(text), stream, index, attempt, 0};
    buf_append(b, &head, sizeof head);
    buf_append_text(b, text);
}

static void on_live(void *arg, const live_attempt_t *attempt, int stream, const char *bytes, size_t len)
{
    buf_t *b = arg;
    buf_printf(b, "%d.%d%c[%.*s]", (int)attempt->index, (int)attempt->attempt, stream ? 'e' : 'o', (int)len,
               bytes ? bytes : "");
    buf_append_text(b, !bytes ? "end " : attempt->is_over ? "last " : " ");
}

static void check(bool by_lines, size_t step, const char *wanted)
{
    buf_t in = {0}, said = {0};
    live_t live = {.by_lines = by_lines, .fn = on_live, .arg = &said};
    put(&in, 1, 1, 1, "one\nt");
    put(&in, 2, 1, 1, "other\n");
    put(&in, 1, 1, 2, "err");
    put(&in, 1, 1, 1, "wo\nthree");
    put(&in, 1, 1, 0, "");
    put(&in, 2, 2, 1, "again");
    for (size_t at = 0; at < in.len; at += step)
        live_take(&live, in.data + at, in.len - at < step ? in.len - at : step);
    live_free(&live);
    buf_append(&said, "", 1);
    assert_string_equal(said.data, wanted);
    buf_free(&in);
    buf_free(&said);
}

static void test_lines(void **state)
{
    (void)state;
    for (size_t step = 1; step < 200; step += 7)
        check(true, step,
              "1.1o[one\n] 2.1o[other\n] 1.1o[two\n] 1.1o[three]last 1.1e[err]last 1.1o[]end 2.1o[]end 2.2o[again]last "
              "2.2o[]end ");
}

static void test_pieces(void **state)
{
    (void)state;
    check(false, 11, "1.1o[one\nt] 2.1o[other\n] 1.1e[err] 1.1o[wo\nthree] 1.1o[]end 2.1o[]end 2.2o[again] 2.2o[]end ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
