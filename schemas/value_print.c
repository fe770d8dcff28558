/* msgpack to one line of JSON. Whole numbers are digits, a float always has a point or an exponent, so that both come
 * back as what they were; floats take the fewest of 15, 16 or 17 digits that read back to the same bits. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "schemas/keys.h"
#include "schemas/mp.h"
#include "schemas/value.h"

typedef struct {
    mp_reader_t in;
    const uint8_t *start;
    buf_t *out;
    keys_t keys;
    const char *why; /* the first thing that JSON cannot hold */
} printer_t;

static bool print_value(printer_t *p, unsigned depth);

static bool refuse(printer_t *p, const char *why)
{
    p->why = why;
    return false;
}

/* How many bytes from `i` on need no escaping (UTF-8 is looked at elsewhere). */
static size_t plain_run(const char *text, size_t len, size_t i)
{
    size_t start = i;
    while (i < len && (unsigned char)text[i] >= 0x20 && text[i] != '"' && text[i] != '\\' &&
           (unsigned char)text[i] < 0x80)
        i++;
    return i - start;
}

static void put_escaped(buf_t *b, unsigned char c)
{
    static const char named[0x20] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    static const char hex[] = "0123456789abcdef";
    if (c == '"' || c == '\\')
        buf_append(b, (char[]){'\\', (char)c}, 2);
    else if (named[c])
        buf_append(b, (char[]){'\\', named[c]}, 2);
    else
        buf_append(b, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
}

void json_put_string(buf_t *b, const char *text, size_t len)
{
    buf_append(b, "\"", 1);
    for (size_t i = 0; i < len;) {
        size_t run = plain_run(text, len, i);
        buf_append(b, text + i, run);
        i += run;
        if (i == len)
            break;
        uint32_t scalar;
        size_t n = text_utf8_decode(text + i, len - i, &scalar);
        if (n > 1)
            buf_append(b, text + i, n);
        else if (n == 1)
            put_escaped(b, (unsigned char)text[i]);
        else
            buf_append(b, "\xEF\xBF\xBD", 3);
        i += n > 0 ? n : 1;
    }
    buf_append(b, "\"", 1);
}

/* snprintf and strtod follow the locale, both in the same way; only what leaves here must have a point. */
static size_t shortest(char *text, size_t cap, double value)
{
    int len = 0;
    for (int digits = 15; digits <= 17; digits++) {
        len = snprintf(text, cap, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return (size_t)len;
}

static bool is_number_char(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == 'e';
}

static void print_uint(buf_t *b, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    buf_append(b, digits + at, sizeof digits - at);
}

/* Most floats in data have few decimals. Up to 15 digits, only one text of them reads back to the same double, so what
 * is printed here is what the slow way below would print. */
static bool print_few_decimals(buf_t *b, double value)
{
    double size = fabs(value), scale = 1;
    if (size != 0 && (size < 1e-4 || size >= 1e15))
        return false;
    for (int decimals = 0; decimals <= 6 && size * scale < 9e14; decimals++, scale *= 10) {
        uint64_t digits = (uint64_t)(size * scale + 0.5); /* checked in the next line */
        if ((double)digits / scale != size)
            continue;
        if (signbit(value))
            buf_append(b, "-", 1);
        print_uint(b, digits / (uint64_t)scale);
        char fraction[8] = ".0";
        uint64_t rest = digits % (uint64_t)scale;
        for (int i = decimals; i > 0; i--, rest /= 10)
            fraction[i] = (char)('0' + rest % 10);
        buf_append(b, fraction, decimals > 0 ? (size_t)decimals + 1 : 2);
        return true;
    }
    return false;
}

static bool print_float(printer_t *p, double value)
{
    char text[48];
    if (!isfinite(value))
        return refuse(p, isnan(value) ? "NaN" : "an infinity");
    if (print_few_decimals(p->out, value))
        return true;
    size_t len = shortest(text, sizeof text, value);
    bool is_whole = true;
    for (size_t i = 0; i < len; i++) {
        bool is_point = !is_number_char(text[i]);
        if (!is_point)
            buf_append(p->out, &text[i], 1);
        else if (is_number_char(text[i - 1]))
            buf_append(p->out, ".", 1);
        is_whole = is_whole && !is_point && text[i] != 'e';
    }
    if (is_whole)
        buf_append(p->out, ".0", 2);
    return true;
}

static bool print_int(printer_t *p)
{
    int64_t value = mp_read_int(&p->in);
    buf_append(p->out, "-", 1);
    print_uint(p->out, -(uint64_t)value);
    return true;
}

static bool print_str(printer_t *p)
{
    size_t len;
    const char *text = mp_read_str(&p->in, &len);
    if (!p->in.bad && !text_utf8_valid(text, len))
        return refuse(p, "a string that is not UTF-8");
    json_put_string(p->out, text, len);
    return true;
}

static bool print_bin(printer_t *p)
{
    size_t len;
    const void *bytes = mp_read_bin(&p->in, &len);
    buf_append_text(p->out, "{\"$binary\":\"");
    base64_append(p->out, bytes, len);
    buf_append_text(p->out, "\"}");
    return true;
}

static bool print_array(printer_t *p, unsigned depth)
{
    uint32_t n = mp_read_array(&p->in);
    buf_append(p->out, "[", 1);
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0)
            buf_append(p->out, ",", 1);
        if (!print_value(p, depth))
            return false;
    }
    buf_append(p->out, "]", 1);
    return true;
}

static bool print_key(printer_t *p)
{
    size_t len;
    if (mp_peek(&p->in) != MP_STR)
        return refuse(p, "a key that is no string");
    const char *key = mp_read_str(&p->in, &len);
    if (!p->in.bad && !text_utf8_valid(key, len))
        return refuse(p, "a key that is not UTF-8");
    if (!p->in.bad && len > 0 && memchr(key, '\0', len))
        return refuse(p, "a key with a NUL in it");
    keys_add(&p->keys, (size_t)((const uint8_t *)key - p->start), len);
    json_put_string(p->out, key, len);
    buf_append(p->out, ":", 1);
    return true;
}

/* Whether a map of one pair would be read as something else: its key is $error, $binary or $value. */
static bool is_special_next(const printer_t *p)
{
    mp_reader_t ahead = p->in;
    size_t len;
    const char *key = mp_read_str(&ahead, &len);
    return !ahead.bad && ((len == 6 && (memcmp(key, "$error", 6) == 0 || memcmp(key, "$value", 6) == 0)) ||
                          (len == 7 && memcmp(key, "$binary", 7) == 0));
}

static bool print_map(printer_t *p, unsigned depth)
{
    uint32_t n = mp_read_map(&p->in);
    bool is_wrapped = n == 1 && is_special_next(p);
    size_t begin = keys_begin(&p->keys), twin, twin_len;
    buf_append_text(p->out, is_wrapped ? "{\"$value\":{" : "{");
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0)
            buf_append(p->out, ",", 1);
        if (!print_key(p) || !print_value(p, depth))
            return false;
    }
    buf_append_text(p->out, is_wrapped ? "}}" : "}");
    return p->keys.places.failed || !keys_end(&p->keys, begin, p->start, &twin, &twin_len) ||
           refuse(p, "a key that stands twice");
}

/* `depth`: how many containers are open around it. */
static bool print_value(printer_t *p, unsigned depth)
{
    switch (mp_peek(&p->in)) {
    case MP_NIL:
        mp_read_nil(&p->in);
        buf_append(p->out, "null", 4);
        return true;
    case MP_BOOL:
        buf_append_text(p->out, mp_read_bool(&p->in) ? "true" : "false");
        return true;
    case MP_UINT:
        print_uint(p->out, mp_read_uint(&p->in));
        return true;
    case MP_INT:
        return print_int(p);
    case MP_FLOAT:
        return print_float(p, mp_read_float(&p->in));
    case MP_STR:
        return print_str(p);
    case MP_BIN:
        return print_bin(p);
    case MP_ARRAY:
        return depth < MP_DEPTH_MAX ? print_array(p, depth + 1) : refuse(p, "more than 128 levels of nesting");
    case MP_MAP:
        return depth < MP_DEPTH_MAX ? print_map(p, depth + 1) : refuse(p, "more than 128 levels of nesting");
    case MP_EXT:
        return refuse(p, "an extension");
    case MP_NONE:
        break;
    }
    p->in.bad = true;
    return false;
}

int value_to_json(buf_t *b, const void *mp, size_t len, fanmap_error_t *err)
{
    printer_t p = {.out = b};
    size_t start = b->len;
    mp_reader_init(&p.in, mp, len);
    p.start = p.in.at;
    bool is_printed = print_value(&p, 0) && mp_done(&p.in);
    bool is_out_of_memory = b->failed || p.keys.places.failed;
    keys_free(&p.keys);
    if (is_out_of_memory)
        b->failed = true;
    else if (is_printed)
        return FANMAP_OK;
    else
        b->len = start;
    if (is_out_of_memory)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    if (p.why)
        return err_set(err, FANMAP_EUSAGE, "JSON cannot hold the value: it has %s", p.why);
    return err_set(err, FANMAP_EUSAGE, "the value is not one sound msgpack object");
}
