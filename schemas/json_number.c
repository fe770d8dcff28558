/* A number is looked at as the grammar has it, then read: whole ones into 64 bits, few digits with a small power of ten
 * by one exact operation, the rest by strtod, which rounds correctly. */
#include "schemas/json_number.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/mp.h"

/* What the scan of a literal finds. */
typedef struct {
    bool is_negative, is_float, is_long; /* is_long: more digits than `digits` holds */
    uint64_t digits;                     /* all of them, without the point */
    int64_t scale;                       /* the value is digits * 10^scale */
    size_t len;
} number_t;

enum { EXACT_POWER_MAX = 22 };
static const int64_t exponent_max = 100000000000000000; /* no text is long enough to make up for it */

static bool is_digit(const char *at, const char *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

/* Takes digits into the number and returns where they end. */
static const char *scan_digits(const char *at, const char *end, number_t *n)
{
    for (; is_digit(at, end); at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (n->digits > (UINT64_MAX - digit) / 10)
            n->is_long = true;
        else
            n->digits = n->digits * 10 + digit;
    }
    return at;
}

static const char *scan_exponent(const char *at, const char *end, number_t *n)
{
    bool is_negative = at < end && *at == '-';
    int64_t exponent = 0;
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (!is_digit(at, end))
        return NULL;
    for (; is_digit(at, end); at++) {
        if (exponent < exponent_max)
            exponent = exponent * 10 + (*at - '0');
    }
    n->scale += is_negative ? -exponent : exponent;
    return at;
}

/* Returns false if the text is no JSON number. */
static bool scan(const char *text, const char *end, number_t *n)
{
    const char *at = text;
    *n = (number_t){.is_negative = *text == '-'};
    at += n->is_negative;
    if (!is_digit(at, end) || (*at == '0' && is_digit(at + 1, end)))
        return false;
    at = scan_digits(at, end, n);
    if (at < end && *at == '.') {
        const char *fraction = at + 1;
        n->is_float = true;
        at = scan_digits(fraction, end, n);
        n->scale = -(at - fraction);
        if (at == fraction)
            return false;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        n->is_float = true;
        at = scan_exponent(at + 1, end, n);
    }
    n->len = at ? (size_t)(at - text) : 0;
    return at != NULL;
}

/* strtod wants a NUL and the locale's own point. */
static double slow_float(buf_t *scratch, const char *text, size_t len)
{
    const char *point = memchr(text, '.', len);
    size_t whole = point ? (size_t)(point - text) : len;
    buf_append(scratch, text, whole);
    if (point) {
        buf_append_text(scratch, localeconv()->decimal_point);
        buf_append(scratch, point + 1, len - whole - 1);
    }
    buf_append(scratch, "", 1);
    return scratch->failed ? 0 : strtod((const char *)scratch->data, NULL);
}

/* Few digits and a small power of ten are exact doubles both, so that one operation rounds once, as it should. */
static bool quick_float(const number_t *n, double *ret)
{
    static const double powers[EXACT_POWER_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                       1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                       1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (n->is_long || n->digits > (uint64_t)1 << 53 || n->scale > EXACT_POWER_MAX || n->scale < -EXACT_POWER_MAX)
        return false;
    double digits = (double)n->digits;
    double value = n->scale < 0 ? digits / powers[-n->scale] : digits * powers[n->scale];
    *ret = n->is_negative ? -value : value;
    return true;
}

static bool put_float(buf_t *b, const char *text, const number_t *n)
{
    double value;
    if (!quick_float(n, &value)) {
        buf_t scratch = {0};
        value = slow_float(&scratch, text, n->len);
        b->failed = b->failed || scratch.failed;
        buf_free(&scratch);
    }
    mp_put_float(b, value);
    return isfinite(value) && !b->failed;
}

static bool put_integer(buf_t *b, const number_t *n)
{
    if (n->is_long || (n->is_negative && n->digits > (uint64_t)INT64_MAX + 1))
        return false;
    if (!n->is_negative)
        mp_put_uint(b, n->digits);
    else
        mp_put_int(b, n->digits > INT64_MAX ? INT64_MIN : -(int64_t)n->digits);
    return true;
}

size_t json_number(buf_t *b, const char *text, size_t len, const char **ret_why)
{
    number_t n;
    if (!scan(text, text + len, &n)) {
        *ret_why = "not a JSON number";
        return 0;
    }
    if (n.is_float ? put_float(b, text, &n) : put_integer(b, &n))
        return n.len;
    *ret_why =
        n.is_float ? "a number too large for a 64-bit float" : "a whole number that fits neither int64 nor uint64";
    return 0;
}
